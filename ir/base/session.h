/* session.h - the members of a session, for the files in ir/base, for own.c of the catalogue and
 * for the parser of graphs; tests use them, too. */
#ifndef FV_IR_BASE_SESSION_H
#define FV_IR_BASE_SESSION_H

#include "ir/base/arena.h"
#include "ir/base/ptrmap.h"

struct fv_message;
struct fv_mapping;

typedef struct fv_intern_slot {
    const char *s; /* the interned name; NULL: an unused slot */
    size_t n;
    uint64_t hash;
} fv_intern_slot;

/* The bytes of all arenas of a session. */
typedef struct fv_session_memory {
    size_t taken; /* sum of the bytes of all requests to the arenas that exist now */
    size_t limit; /* for tests: the largest value that `taken` may have; 0: no limit */
    /* for tests: counts down to the allocation that fails; 0: none fails */
    int64_t fail_in;
} fv_session_memory;

struct fv_session {
    fv_door *door; /* the innermost open door */
    fv_session_memory memory;
    fv_arena *arenas;        /* all arenas, the newest first */
    fv_arena *own;           /* holds interned names */
    fv_arena *message_arena; /* holds messages; freed when they are cleared */
    fv_intern_slot *names;   /* hash table with open addressing; cap_names is a power of two */
    size_t nnames, cap_names;
    struct fv_message *first, *last;
    int nerrors;
    const char *file;
    fv_ptrmap slots; /* the data of fv_session_slot */
    struct fv_mapping *mappings;
    const char *broken; /* the rule that was violated (FV_HOLDS); NULL: none */
};

#endif
