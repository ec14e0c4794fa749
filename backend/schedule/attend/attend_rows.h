/* attend_rows.h - recognizes attention that is computed one query at a time, in definitions that
 * are not fused:
 *
 *     s[.., j] = sum c: ..                        scores of any form: few queries, additive,
 *                                                 distances
 *     p[.., j] = exp(s[.., j] - max) / sum        their weights
 *     y[.., d] = sum j: p[.., j] * v[j, d]
 *
 * One kernel computes the three: the weights of a row are in the first-level cache when they are
 * multiplied with values. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_ROWS_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_ROWS_H

#include "backend/lowering/lowering.h"

/* The scores and weights of an attention by rows. */
typedef struct fv_row_attention {
    const fv_value *scores, *weights;
    int keys; /* the axis of the scores along which they form a row */
} fv_row_attention;

/* Is y a sum over a row of weights that are computed from a row of scores, each of which is a sum?
 * `def` returns the definition of a value, or NULL. If so, sets *out. */
bool fv_find_row_attention(const fv_definition *y,
                           const fv_definition *(*def)(void *user, const fv_value *v), void *user,
                           fv_row_attention *out) FV_MUST_USE;
/* Are the last two of these definitions the weights and the result of an attention whose scores are
 * another one of them? */
bool fv_attends_by_rows(int n, fv_definition *const *all) FV_MUST_USE;

#endif
