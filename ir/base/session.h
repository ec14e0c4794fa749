/* session.h - what a session holds: shared by arena.c and diag.c, of no interest to others. */
#ifndef FV_IR_BASE_SESSION_H
#define FV_IR_BASE_SESSION_H

#include "ir/base/arena.h"
#include "ir/base/ptrmap.h"

struct fv_message;
struct fv_mapping;

typedef struct fv_intern_slot {
    const char *s; /* NULL: free */
    size_t n;
    uint64_t hash;
} fv_intern_slot;

struct fv_session {
    fv_door *door;   /* innermost */
    int64_t fail_in; /* test hook: allocations until one fails, 0: never */
    /* test hook: bytes that arenas may hold, 0: any number; and that they do */
    size_t limit, taken;
    fv_arena *arenas;      /* newest first */
    fv_arena *own;         /* names */
    fv_arena *spoken;      /* messages; freed when they are cleared */
    fv_intern_slot *names; /* open addressing, a power of two of them */
    size_t nnames, cap_names;
    struct fv_message *first, *last;
    int nerrors;
    const char *file;
    fv_ptrmap slots; /* fv_session_slot */
    struct fv_mapping *mappings;
    const char *broken; /* the rule; NULL: none was */
};

#endif
