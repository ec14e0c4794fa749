/* search_times.c - the rules of Whisper's tokens of times: they come in pairs, before and behind
 * what was said, never go back, and come where they are together likelier than any token of text.
 * The rules are those of ApplyTimestampRules in the module whisper.decoding of OpenAI's Whisper. */
#include "ops/search/search_times.h"

#include "ir/graph/infer.h"
#include "ir/rule/body.h"

enum { LATEST_FIRST = 50 }; /* the first time is no later than so many tokens from the first one */

fv_value *fv_w_timestamp_scores(fv_rewriter *w, const fv_timestamps *t, fv_value *tokens,
                                const fv_dim *length, fv_value *scores) {
    fv_value *x =
        FV_CALL(w, "timestamp_scores", {scores}, {tokens}, FV_DIM(length), FV_INT(t->first),
                FV_INT(t->end), FV_INT(t->start), FV_INT(t->none), FV_INT(t->language_model),
                FV_INT(t->translate), FV_INT(t->transcribe), FV_INT(LATEST_FIRST));
    int64_t processor;
    return fv_known_int(t->processor, &processor)
               ? x
               : FV_CALL(w, "where_processed", {t->processor}, {x}, {scores});
}
