/* programs.h - expanded programs as text, and functions for the tests of the LLVM consumer. */
#ifndef FV_TESTS_LLVM_PROGRAMS_H
#define FV_TESTS_LLVM_PROGRAMS_H

#include "backend/llvm/llvm.h"
#include "ir/base/diag.h"

/* y = max(2 * x + w, 0) by rows, scalar code, w a constant: 1, 2, ... 8. %s: the target. */
extern const char *const rows_text;

/* A session with an arena, and a program parsed from text in which `%s` is the target. */
typedef struct bench {
    fv_session *s;
    fv_arena *a;
    fv_program *p;
} bench;
bench bench_open(const char *text, const char *target);
void bench_close(bench *b);
/* all messages, one per line; "" if there are none */
const char *said(const bench *b);

/* Is there a program of that name on the PATH? */
bool has_tool(const char *name);
/* A new folder for files; removed by remove_folder. */
const char *new_folder(fv_arena *a);
void remove_folder(const char *folder);
/* Runs a command; true where it exits with 0. */
bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The undefined symbols of an object or library, each followed by a space; NULL: no ELF file. */
const char *undefined_symbols(fv_arena *a, const char *path);

#endif
