/* attend_keys.h - which keys a block of queries sees. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_KEYS_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_KEYS_H

#include "backend/schedule/common/emit.h"

typedef struct fv_key_search {
    fv_kemit *e;    /* which uses a definition over the outer axes */
    fv_expr *where; /* hides a key from a query */
    const fv_var *query, *key;
    int width;    /* of a part: keys that are looked at together */
    fv_elem elem; /* a float type of lanes as wide as the scores */
} fv_key_search;

/* i64 scalars; parts are [0] to before [1]. */
typedef struct fv_keys_found {
    /* from the first part with a key that some query sees to the last one; the number of keys and 0
     * before */
    fv_buf *seen[2];
    fv_buf *free[2]; /* parts side by side of which each query sees each key; 0 and 0 before */
} fv_keys_found;

/* Emits a search for them, for the queries first .. first + queries - 1. */
void fv_find_keys(const fv_key_search *s, const fv_keys_found *found, fv_expr *first,
                  fv_expr *queries);
/* Leaves the first half of the first part out of what was found, and the second of the last, where
 * no query sees a key of it. */
void fv_trim_keys(const fv_key_search *s, const fv_keys_found *found, fv_expr *first,
                  fv_expr *queries);
/* Emits a look at all keys: what is written to `hides`, an i64 scalar, is 1 where some query hides
 * one of them, and stays else. */
void fv_find_hidden_key(const fv_key_search *s, fv_buf *hides, fv_expr *first, fv_expr *queries);
/* Can it tell that a part is free, other than by a look at each element? */
bool fv_knows_free_keys(const fv_key_search *s) FV_MUST_USE;

#endif
