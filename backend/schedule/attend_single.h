/* attend_single.h - scores of a single query. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_SINGLE_H
#define FV_BACKEND_SCHEDULE_ATTEND_SINGLE_H

#include "backend/schedule/emit.h"

typedef struct fv_single_scores {
    fv_expr *sum, *q, *k; /* the score, and its factors: k as it lies in memory, not in panels */
    fv_var *channel;      /* of the sum */
    const fv_var *key;
    fv_expr *load;        /* the element that k reads */
    int64_t block;        /* keys, and channels, that are turned round together */
} fv_single_scores;

/* Can a kernel read keys a block at a time, and turn it round in registers? sum, q, k and key are known. */
bool fv_single_choose(const fv_target *t, fv_single_scores *f) FV_MUST_USE;
/* Are there so few queries, and keys enough? What that depends on are dims alone. */
fv_expr *fv_single_where(fv_arena *a, const fv_single_scores *f, fv_expr *queries, fv_expr *keys);
/* Where that holds and the row is bound: score[at.., key] of all keys from `keys[0]` to before `keys[1]`, of n; e uses the
 * scores' definition. */
void fv_single_emit(fv_kemit *e, const fv_single_scores *f, fv_buf *score, fv_expr *const *at, fv_expr *n, fv_expr *const *keys);

#endif
