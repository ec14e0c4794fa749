/* places.h - tables in which a number is found without a search: perfect hashing. They are made
 * when a model is compiled.
 *
 * A product of the number with a factor, modulo 2^64, gives a list and a place within a table. The
 * place is shifted by a number of the list, which was chosen so that no two keys have the same
 * place. So a number is among the keys if and only if it is the key at its place. */
#ifndef FV_OPS_COMMON_PLACES_H
#define FV_OPS_COMMON_PLACES_H

#include "ir/kernel/build.h"
#include "ir/type/tensor.h"

typedef struct fv_places {
    int64_t factor, nplaces; /* nplaces: a power of 2 */
    fv_tensor *shifts;       /* i32, for each list; their number is a power of 2 */
    int64_t *at;             /* the place of each key */
} fv_places;

/* Chooses the places of n keys, which all differ. */
fv_places fv_choose_places(fv_arena *a, size_t n, const int64_t *keys);
/* How far the product is shifted right for the index of the list, and for the place before it is
 * shifted by a number of the list. */
int fv_list_bits(int64_t lists);
int fv_place_bits(int64_t lists, int64_t places);
/* The place of x, of type i64, in a table of that many places; `shifts`: a parameter of the kernel
 * with the tensor of that name. */
fv_expr *fv_place_of(fv_arena *a, fv_expr *x, int64_t factor, int64_t places, fv_buf *shifts);

#endif
