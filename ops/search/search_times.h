/* search_times.h - rules for tokens that represent times, as in Whisper. */
#ifndef FV_OPS_SEARCH_SEARCH_TIMES_H
#define FV_OPS_SEARCH_SEARCH_TIMES_H

#include "ir/graph/rewriter.h"

/* The ids of special tokens; -1: there is none. Times are the tokens from `first` on, text those
 * before `end`. */
typedef struct fv_timestamps {
    fv_value *processor; /* i32 []: the rules apply if it is 1 */
    int64_t first, end, start, none, language_model, translate, transcribe;
} fv_timestamps;

/* The scores f32 [rows, vocabulary] of the next token, modified by the rules. tokens: i32 [rows,
 * most], of which the first `length` are set. */
fv_value *fv_w_timestamp_scores(fv_rewriter *w, const fv_timestamps *t, fv_value *tokens,
                                const fv_dim *length, fv_value *scores);

#endif
