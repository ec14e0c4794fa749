/* search_times.c - the rules for Whisper's tokens of times: they occur in pairs, before and after a
 * text, never decrease, and must be chosen if all of them together are more likely than any token
 * of text. The rules are those of ApplyTimestampRules in the module whisper.decoding of OpenAI's
 * Whisper. */
#include "ops/search/search_times.h"

#include "ir/graph/infer.h"
#include "ir/rule/body.h"

/* limit for the first time: at most that many tokens after the first token of times */
enum { LATEST_FIRST = 50 };

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
