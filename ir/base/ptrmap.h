/* ptrmap.h - a hash map from pointers to pointers, in an arena: used for instance to remember the
 * nodes that a walk has visited. */
#ifndef FV_IR_BASE_PTRMAP_H
#define FV_IR_BASE_PTRMAP_H

#include "ir/base/arena.h"

typedef struct fv_ptrmap {
    fv_arena *arena;
    const void **keys; /* hash table with open addressing; NULL: an unused slot */
    void **values;
    size_t n, cap; /* number of keys; number of slots, which is 0 or a power of two */
} fv_ptrmap;

static inline fv_ptrmap fv_ptrmap_in(fv_arena *a) {
    return (fv_ptrmap){.arena = a};
}
/* The address of the value of `key`, which is added with the value NULL if it is new. The next call
 * may give the tables of the map to other maps: addresses, and copies of the map, that were made
 * before must not be used any more. */
void **fv_ptrmap_at(fv_ptrmap *m, const void *key);
/* Empties the map, and gives its memory to other maps of the arena. Copies of the map must not be
 * used any more. Without this call, the memory stays with the map as long as the arena. */
void fv_ptrmap_free(fv_ptrmap *m);
/* The value of `key`, or NULL if the map does not have it. */
void *fv_ptrmap_get(const fv_ptrmap *m, const void *key);

/* The address of a pointer that the session stores for `key`, NULL at first: for data that is made
 * once per session. The address is valid until the next call of fv_session_slot. */
void **fv_session_slot(fv_session *s, const void *key);

#endif
