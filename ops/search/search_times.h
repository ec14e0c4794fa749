/* search_times.h - rules for tokens that tell times, as Whisper has them. */
#ifndef FV_OPS_SEARCH_SEARCH_TIMES_H
#define FV_OPS_SEARCH_SEARCH_TIMES_H

#include "ir/graph/rewriter.h"

/* Which tokens are what; -1: there is none. Times are the tokens from `first` on, text those before
 * `end`. */
typedef struct fv_timestamps {
    fv_value *processor; /* i32 []: there are rules where it is 1 */
    int64_t first, end, start, none, language_model, translate, transcribe;
} fv_timestamps;

/* Scores f32 [rows, vocabulary] of the token behind these, as the rules change them. tokens: i32
 * [rows, most], of which so many are there. */
fv_value *fv_w_timestamp_scores(fv_rewriter *w, const fv_timestamps *t, fv_value *tokens,
                                const fv_dim *length, fv_value *scores);

#endif
