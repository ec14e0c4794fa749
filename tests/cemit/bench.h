/* bench.h - programs as text, a folder for emitted files, and the C compilers of the machine. */
#ifndef FV_TESTS_CEMIT_BENCH_H
#define FV_TESTS_CEMIT_BENCH_H

#include "backend/c/emit.h"

typedef struct bench {
    fv_session *s;
    fv_arena *a;
    const char *folder; /* new and empty; with a slash at its end */
} bench;

bench bench_open(void);
void bench_close(bench *b); /* removes the folder */

/* The program, expanded for the target; fails the test where the text is wrong. */
fv_program *program_from(bench *b, const char *target, const char *text);
/* The whole file, or NULL. */
const char *contents(bench *b, const char *name);
/* The names in the folder, sorted, each followed by a space. */
const char *listing(bench *b, const char *folder);
/* All messages, one a line. */
const char *said(bench *b);
bool has_tool(const char *name);
/* Runs a command in the folder; true where it exits with 0 and says nothing. */
bool shell(bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* y = max(2 x, 0) + i and z = exp(y), with dims n and k, a constant and a workspace. */
extern const char *const dynamic_text;
/* The same idea with fixed dims: one call. */
extern const char *const fixed_text;

/* Options whose self-test carries what the interpreter computes. */
fv_c_options with_reference(bench *b);

#endif
