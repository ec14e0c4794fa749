/* attend_single.h - scores of one query, or of a few queries, without panels of keys. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_SINGLE_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_SINGLE_H

#include "backend/schedule/common/emit.h"

typedef struct fv_single_scores {
    /* the sum that is the score, and its two factors; k is read in the layout in which it is
     * stored, not from panels */
    fv_expr *sum, *q, *k;
    fv_var *channel; /* the variable of the sum */
    const fv_var *key;
    fv_expr *load; /* the load in k */
    int64_t block; /* numbers of keys and of channels that are read together */
    /* whether blocks of keys are transposed in registers; false: the target has no vectors, so that
     * is not needed */
    bool turns;
    int queries; /* the number of queries for which the kernel is built */
    /* a condition over dims: there are `queries` queries, and at least one block of keys */
    fv_expr *where;
    /* the variable of the rows that read the same keys and values: queries, or for one query the
     * heads that share a head of keys; NULL: there is one row */
    const fv_var *row;
    int rows; /* number of rows of a task: all queries, or a group of heads */
} fv_single_scores;

/* The only load in root whose indices depend on the key, which must be contiguous along that
 * variable. NULL: there are several loads, the load is guarded or checked, or root contains a sum
 * or an elementary function. */
fv_expr *fv_single_load(fv_arena *a, const fv_expr *root, const fv_var *key, const fv_var *along);
/* Can a kernel read keys in their own layout, a block at a time, for at most `most` queries? sum,
 * q, k and key must be set; sets the other members. */
bool fv_single_choose(fv_lowerer *l, fv_single_scores *f, const fv_var *query,
                      int most) FV_MUST_USE;
/* For one query: finds the axis of query heads of which groups share one head of keys and values
 * (grouped-query attention), and along which the mask `where` does not vary. Sets `row` to the
 * variable of that axis, and `rows` to the largest number of neighbouring heads, at most `most`,
 * that divides a group. If there is no such axis, both stay as they are. */
void fv_single_share(fv_single_scores *f, const fv_definition *d, const fv_expr *v,
                     const fv_expr *where, int most);
/* Emits score[at.., row, key] for all keys from `keys[0]` to before `keys[1]` (NULL: all n keys),
 * and perhaps for some keys after or before these, since blocks are complete. The condition
 * f->where must hold, the query must be bound, and e must use the definition of the scores. Rows
 * begin at `first`, and `local` is their variable; NULL: the row that is bound. */
void fv_single_emit(fv_kemit *e, const fv_single_scores *f, fv_expr *first, const fv_var *local,
                    fv_buf *score, fv_expr *const *at, fv_expr *n, fv_expr *const *keys);
/* fv_single_emit for the complete blocks of keys in one of the parts into which their sum is
 * divided. */
void fv_single_emit_part(fv_kemit *e, const fv_single_scores *f, fv_expr *first,
                         const fv_var *local, fv_buf *score, fv_expr *const *at, fv_expr *n,
                         fv_expr *part);

#endif
