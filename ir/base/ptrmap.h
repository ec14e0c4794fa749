/* ptrmap.h - a map from pointers to pointers, in an arena: what walks over shared nodes
 * remember. */
#ifndef FV_IR_BASE_PTRMAP_H
#define FV_IR_BASE_PTRMAP_H

#include "ir/base/arena.h"

typedef struct fv_ptrmap {
    fv_arena *arena;
    const void **keys; /* open addressing; NULL: free */
    void **values;
    size_t n, cap; /* cap is 0 or a power of two */
} fv_ptrmap;

static inline fv_ptrmap fv_ptrmap_in(fv_arena *a) {
    return (fv_ptrmap){.arena = a};
}
/* The place of the key's value, NULL when it is new; valid until the next call. */
void **fv_ptrmap_at(fv_ptrmap *m, const void *key);
/* Its value, or NULL. */
void *fv_ptrmap_get(const fv_ptrmap *m, const void *key);

/* A place of the session for whoever holds the key: what is made once a session. */
void **fv_session_slot(fv_session *s, const void *key);

#endif
