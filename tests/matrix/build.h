/* build.h - C compilers, and a store of their earlier output.
 *
 * An output is stored under a hash of everything on which it depends: the sources, the command and
 * the version of the compiler. The same build is done once, and found in the folder of the store
 * from then on. */
#ifndef FV_TESTS_MATRIX_BUILD_H
#define FV_TESTS_MATRIX_BUILD_H

#include "ir/base/arena.h"

/* One way to compile generated C: a compiler with its options. */
typedef struct compiler {
    const char *name;    /* "gcc -O2" */
    const char *command; /* "gcc" */
    const char *flags;
    /* the flags that we recommend (freestanding): no symbol stays undefined; else memcpy, memset,
     * memmove, memcmp may */
    bool ours;
} compiler;

/* For code of this machine, of aarch64, of cortex-m4; a NULL name ends each. */
extern const compiler native_compilers[];
extern const compiler aarch64_compilers[];
extern const compiler cortex_m4_compilers[];
int compiler_count(const compiler *list);

typedef struct build_cache build_cache;
/* Creates `folder` if it does not exist. NULL: it cannot be created. */
build_cache *build_cache_open(fv_arena *a, const char *folder);
/* "gcc (Debian 12.2.0-14) 12.2.0"; NULL: the command does not exist */
const char *build_version(build_cache *c, const char *command);

typedef struct build_step {
    const char *command;        /* the compiler */
    const char *flags;          /* all its options, but -o */
    const char *const *sources; /* files, in the order of the command line; NULL terminated */
    const char *const *others;  /* files that the result depends on besides; NULL: none */
    const char *libraries;      /* behind the sources; NULL: none */
    const char *suffix;         /* of the result: ".so" */
} build_step;

/* The path of the result. NULL: *why is the beginning of what the compiler said. */
const char *build_run(build_cache *c, fv_arena *a, const build_step *step, const char **why);

/* First undefined symbol of an object or library for which allowed() is false; NULL: none. An
 * unreadable file is "?". */
const char *undefined_symbol(fv_arena *a, const char *path, bool (*allowed)(const char *name));
bool allow_none(const char *name);
bool allow_memory(const char *name);  /* memcpy, memset, memmove, memcmp */
bool allow_helpers(const char *name); /* these and the arithmetic helpers of 32-bit ARM */

#endif
