/* attend_keys.h - which keys a block of queries sees. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_KEYS_H
#define FV_BACKEND_SCHEDULE_ATTEND_KEYS_H

#include "backend/schedule/emit.h"

typedef struct fv_key_search {
    fv_kemit *e;       /* which uses a definition over the outer axes */
    fv_expr *where;    /* hides a key from a query */
    const fv_var *query, *key;
    int width;         /* of a part: keys that are looked at together */
    fv_elem elem;      /* a float type of lanes as wide as the scores */
} fv_key_search;

/* Emits a search for the parts with a key that one of the queries first .. first + queries - 1 sees: range[0] becomes where the first of
 * them begins, range[1] where the last one ends. They are i64 scalars, the number of keys and 0 before. */
void fv_find_keys(const fv_key_search *s, fv_buf *const range[2], fv_expr *first, fv_expr *queries);

#endif
