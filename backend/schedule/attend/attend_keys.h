/* attend_keys.h - emits the search for the keys that a block of queries sees. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_KEYS_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_KEYS_H

#include "backend/schedule/common/emit.h"

typedef struct fv_key_search {
    fv_kemit *e;    /* emits a definition over the outer axes of the attention */
    fv_expr *where; /* the condition that hides a key from a query */
    const fv_var *query, *key;
    int width;    /* number of keys in a part, which are examined together */
    fv_elem elem; /* a float type whose vectors have as many lanes as those of the scores */
} fv_key_search;

/* Results of the search: i64 scalars; a range of keys begins at [0] and ends before [1]. */
typedef struct fv_keys_found {
    /* the range from the first to the last part with a key that some query sees; if there is none,
     * from the number of keys to 0 */
    fv_buf *seen[2];
    /* a range of parts whose keys all queries see; if there are none, from 0 to 0. NULL if
     * fv_knows_free_keys is false */
    fv_buf *free[2];
} fv_keys_found;

/* Emits the search for the keys that the `queries` queries from `first` on see. Before, *found must
 * have the values for no key. */
void fv_find_keys(const fv_key_search *s, const fv_keys_found *found, fv_expr *first,
                  fv_expr *queries);
/* Removes the first half of the first part, and the second half of the last part, from the range of
 * seen keys, if no query sees a key in that half. If the seen keys then begin later, the range of
 * free keys becomes half a part shorter at both ends. */
void fv_trim_keys(const fv_key_search *s, const fv_keys_found *found, fv_expr *first,
                  fv_expr *queries);
/* Emits an examination of all keys: sets `hides`, an i64 scalar, to 1 if some key is hidden
 * from some query, and leaves it unchanged otherwise. */
void fv_find_hidden_key(const fv_key_search *s, fv_buf *hides, fv_expr *first, fv_expr *queries);
/* Can the mask decide that a part hides no key without being evaluated for each element? */
bool fv_knows_free_keys(const fv_key_search *s) FV_MUST_USE;

#endif
