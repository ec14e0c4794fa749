/* arena.h - memory that belongs to a lifetime, and the one door out of it.
 *
 * An arena hands out zeroed memory and is freed whole. It never returns NULL: out of memory leaves
 * by the innermost door of its session (a longjmp), so callers have no allocation errors to
 * handle. Doors nest; whoever opens one closes it. Nothing may allocate from an arena underneath
 * frames that a longjmp must not skip (LLVM's). */
#ifndef FV_IR_BASE_ARENA_H
#define FV_IR_BASE_ARENA_H

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/answer.h"

typedef struct fv_session fv_session;
typedef struct fv_arena fv_arena;

typedef struct fv_door {
    jmp_buf jump;
    struct fv_door *outer;
} fv_door;

/* Opens a door: `if (FV_DOOR_OPEN(s, &door)) { ... fv_session_left ... }`; close it on the normal
 * way with fv_door_close. When it was left by longjmp it is closed already. */
#define FV_DOOR_OPEN(s, d) (fv_door_push((s), (d)), setjmp((d)->jump))
void fv_door_push(fv_session *s, fv_door *d);
void fv_door_close(fv_session *s, fv_door *d);

/* A session is the root of everything that one use of the compiler owns: doors, diagnostics, the
 * allocator. Not shared by threads; any number may live beside each other. NULL: out of memory. */
fv_session *fv_session_new(void);
void fv_session_free(fv_session *s);
/* Test hook: the nth allocation from now on fails (0: never). */
void fv_session_fail_at(fv_session *s, int64_t nth);
/* Test hook: more than so many bytes in its arenas at a time are out of memory (0: no limit). */
void fv_session_limit(fv_session *s, size_t bytes);
/* Bytes that its arenas have handed out and not been freed with. */
size_t fv_session_taken(const fv_session *s);
_Noreturn void fv_out_of_memory(fv_session *s);

/* A rule that our own code keeps, whatever the input is. Builds with asserts end the process where
 * it is broken, so that debuggers and fuzzers stop there. A release ends the work: it leaves by the
 * door, as out of memory does, with an internal error instead of a message about memory. Plain
 * asserts are for rules without which what follows is still defined. */
#ifdef NDEBUG
#define FV_HOLDS(s, rule) ((rule) ? (void)0 : fv_broken((s), #rule))
#else
#define FV_HOLDS(s, rule) ((void)(s), assert(rule))
#endif
/* rule: its text, which outlives the session */
_Noreturn void fv_broken(fv_session *s, const char *rule);
/* After the door was used: "out of memory", or "internal error: RULE does not hold", in `text`,
 * which is returned. */
typedef struct fv_left {
    char text[192];
} fv_left;
const char *fv_session_left(const fv_session *s, fv_left *text);
bool fv_session_is_broken(const fv_session *s) FV_MUST_USE;
/* After the door of the inner session was used (NULL: there was no memory for one): leaves the
 * outer one the same way. */
_Noreturn void fv_leave_same(fv_session *outer, const fv_session *inner);
_Noreturn void fv_leave_too(fv_session *outer, fv_session *inner); /* and frees the inner one */

/* An arena of the session; freed by fv_arena_free or with the session. */
fv_arena *fv_arena_new(fv_session *s);
void fv_arena_free(fv_arena *a);
fv_session *fv_arena_session(const fv_arena *a);
/* A place of the arena for what is unique in it: ir/expr/unique.h. */
void **fv_arena_slot(fv_arena *a);
/* Runs fn(arg) when the arena is freed (last registered first): how mapped files are closed. */
void fv_arena_at_free(fv_arena *a, void (*fn)(void *), void *arg);

/* Zeroed, aligned to 16. A size that overflows is out of memory. */
void *fv_alloc(fv_arena *a, size_t n, size_t size);
/* Memory with any power-of-two alignment. */
void *fv_alloc_aligned(fv_arena *a, size_t bytes, size_t align);
#define FV_NEW(a, type, n) ((type *)fv_alloc((a), (size_t)(n), sizeof(type)))

char *fv_strdup(fv_arena *a, const char *s);
char *fv_strndup(fv_arena *a, const char *s, size_t n);
char *fv_printf(fv_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *fv_vprintf(fv_arena *a, const char *format, va_list args);

/* A growing array in an arena: FV_PUSH(arena, ptr, count, cap, value). Old blocks stay behind. */
#define FV_PUSH(a, p, n, cap, ...)                                                                 \
    do {                                                                                           \
        if ((n) == (cap))                                                                          \
            (p) = fv_grow((a), (p), sizeof *(p), (size_t)(n), &(cap));                             \
        (p)[(n)++] = __VA_ARGS__;                                                                  \
    } while (0)
void *fv_grow(fv_arena *a, const void *old, size_t size, size_t n, int *cap);

/* Names: equal strings become the same pointer. The table lives in the session. */
const char *fv_intern(fv_session *s, const char *name);
const char *fv_internn(fv_session *s, const char *name, size_t n);

#endif
