/* arena.h - memory that belongs to a lifetime, and what happens when there is no memory left.
 *
 * An arena hands out zeroed memory, and all of it is freed at once. An allocation never returns
 * NULL: when memory runs out, control leaves by the innermost door of the session (a longjmp), so
 * callers have no allocation errors to handle. Doors nest; the function that opens a door closes
 * it. No function may allocate from an arena while frames are on the stack that a longjmp must not
 * skip (those of LLVM). */
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

/* Opens a door, a point to which fv_out_of_memory and fv_broken jump: `if (FV_DOOR_OPEN(s, &door))
 * { ... fv_session_left ... }`. The condition is true after such a jump, which has closed the door;
 * otherwise close it with fv_door_close. */
#define FV_DOOR_OPEN(s, d) (fv_door_push((s), (d)), setjmp((d)->jump))
void fv_door_push(fv_session *s, fv_door *d);
void fv_door_close(fv_session *s, fv_door *d);

/* A session is the root of everything that one use of the compiler owns: doors, diagnostics, the
 * allocator. Threads must not share one; a process may have any number of them. Returns NULL when
 * there is no memory. */
fv_session *fv_session_new(void);
void fv_session_free(fv_session *s);
/* For tests: the nth allocation from now on fails; 0: none does. */
void fv_session_fail_at(fv_session *s, int64_t nth);
/* For tests: memory counts as exhausted when the arenas of the session hold more than `bytes`
 * together; 0: no limit. */
void fv_session_limit(fv_session *s, size_t bytes);
/* The bytes of all requests to the arenas of the session; freed arenas, and what blocks reserve
 * beyond the requests, are not counted. */
size_t fv_session_taken(const fv_session *s);
/* Leaves by the innermost door of the session. */
_Noreturn void fv_out_of_memory(fv_session *s);

/* Checks a rule that our own code keeps, whatever the input is. Where the rule does not hold, a
 * build with assertions ends the process, so that debuggers and fuzzers stop there; a release jumps
 * to the innermost door of the session, as for lack of memory, with the message of an internal
 * error. A plain assert is used where a violated rule leads to no undefined behaviour. */
#ifdef NDEBUG
#define FV_HOLDS(s, rule) ((rule) ? (void)0 : fv_broken((s), #rule))
#else
#define FV_HOLDS(s, rule) ((void)(s), assert(rule))
#endif
/* Leaves by the door because `rule` does not hold; the string must outlive the session. */
_Noreturn void fv_broken(fv_session *s, const char *rule);
/* The reason for which the door was used: "out of memory", or "internal error: 'RULE' does not
 * hold". fv_session_left writes it to `text` and returns it. */
typedef struct fv_left {
    char text[192];
} fv_left;
const char *fv_session_left(const fv_session *s, fv_left *text);
bool fv_session_is_broken(const fv_session *s) FV_MUST_USE;
/* Called after a jump to the door of an inner session: leaves the outer session for the same
 * reason. `inner` NULL: there was no memory for the inner session. */
_Noreturn void fv_leave_same(fv_session *outer, const fv_session *inner);
/* Frees the inner session and then does what fv_leave_same does. */
_Noreturn void fv_leave_too(fv_session *outer, fv_session *inner);

/* A new arena of the session, freed by fv_arena_free or together with the session. */
fv_arena *fv_arena_new(fv_session *s);
void fv_arena_free(fv_arena *a);
fv_session *fv_arena_session(const fv_arena *a);
/* The address of the one pointer that an arena holds for the table of unique expressions
 * (ir/expr/unique.h). */
void **fv_arena_slot(fv_arena *a);
/* Registers fn(arg) to be run when the arena is freed, the last one registered first. Mapped files
 * are closed like this. */
void fv_arena_at_free(fv_arena *a, void (*fn)(void *), void *arg);

/* States that the arena will hold that many bytes, before most of them are requested. Its requests
 * are then treated from the start as those of an arena that holds them: if it is large, memory of
 * 64 KiB and more takes no pages of the system until it is written. */
void fv_arena_expect(fv_arena *a, size_t bytes);

/* Is p an address in memory of the arena? */
bool fv_arena_has(const fv_arena *a, const void *p) FV_MUST_USE;

/* n * size zeroed bytes, aligned to 16. A product that overflows counts as lack of memory. */
void *fv_alloc(fv_arena *a, size_t n, size_t size);
/* Zeroed memory with the alignment `align`, any power of two. */
void *fv_alloc_aligned(fv_arena *a, size_t bytes, size_t align);
#define FV_NEW(a, type, n) ((type *)fv_alloc((a), (size_t)(n), sizeof(type)))

/* A zeroed table of a power of two of at least 16 bytes, which fv_table_free gives back: the next
 * table of that size has the same memory. For tables that are replaced when they grow. */
void *fv_table_new(fv_arena *a, size_t bytes);
/* table: made by fv_table_new of that arena with that size, or NULL. */
void fv_table_free(fv_arena *a, void *table, size_t bytes);

char *fv_strdup(fv_arena *a, const char *s);
char *fv_strndup(fv_arena *a, const char *s, size_t n);
char *fv_printf(fv_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *fv_vprintf(fv_arena *a, const char *format, va_list args);

/* Appends a value to a growing array in an arena: FV_PUSH(arena, ptr, count, cap, value). The array
 * moves when it grows; the old copy stays allocated until the arena is freed. */
#define FV_PUSH(a, p, n, cap, ...)                                                                 \
    do {                                                                                           \
        if ((n) == (cap))                                                                          \
            (p) = fv_grow((a), (p), sizeof *(p), (size_t)(n), &(cap));                             \
        (p)[(n)++] = __VA_ARGS__;                                                                  \
    } while (0)
void *fv_grow(fv_arena *a, const void *old, size_t size, size_t n, int *cap);

/* Interning: equal strings become the same pointer, which lives as long as the session. */
const char *fv_intern(fv_session *s, const char *name);
const char *fv_internn(fv_session *s, const char *name, size_t n);

#endif
