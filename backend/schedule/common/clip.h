/* clip.h - conditions without which a term of a reduction is its identity, as bounds of a loop over
 * terms.
 *
 *     max k < 3: x[2 * i + k - 1] if 0 <= 2 * i + k - 1 && 2 * i + k - 1 < n else -inf
 *
 * is the maximum over k from max(0, 1 - 2 * i) to min(3, n + 1 - 2 * i) of x[2 * i + k - 1]. A term
 * that is left out changes no bit of the result: the identity of a minimum or maximum is an
 * infinity, and a sum that starts at +0 is never -0. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_CLIP_H
#define FV_BACKEND_SCHEDULE_COMMON_CLIP_H

#include "ir/expr/expr.h"

/* The condition `rest + by * k >= 0` on a variable k, on which rest does not depend. */
typedef struct fv_clip {
    const fv_expr *condition; /* as it is in the term */
    fv_expr *rest;
    int64_t by; /* not 0 */
} fv_clip;

enum { FV_MAX_CLIPS = 4 };
/* Finds conditions on variable i of reduction r, whose value without terms is `identity`: at most
 * FV_MAX_CLIPS. Returns their number. New expressions are in the arena. */
int fv_clips_of(fv_arena *a, fv_dims *dims, const fv_expr *r, int i, const fv_expr *identity,
                fv_clip *clips);

#endif
