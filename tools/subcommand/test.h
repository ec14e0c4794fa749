/* test.h - functions for all kinds of `fovea test`: they count tests and report failures. */
#ifndef FV_TOOLS_SUBCOMMAND_TEST_H
#define FV_TOOLS_SUBCOMMAND_TEST_H

#include "tools/command/command.h"
#include "tools/command/json.h"

typedef struct fv_tests {
    const fv_args *args;
    fv_backend_kind backends[FV_MOST_BACKENDS];
    int nbackends;
    int passed, failed;
    json_t *failures; /* the list of failures for --json; NULL: failures are printed */
} fv_tests;

/* Reports a failure of a folder or file. `kind` and `name` state which test failed: of a backend, a
 * rule, or a test of a script. `why` is one line; `more`: further lines, or NULL. */
void fv_test_fail(fv_tests *t, const char *path, const char *kind, const char *name,
                  const char *why, const char *more);
/* On a terminal, shows how many tests have passed and failed, and which one runs; fv_progress_end
 * erases that line. */
void fv_test_progress(const fv_tests *t, const char *path, const char *name);
/* Calls `work` with a session of its own, so that its memory is released afterwards; running out of
 * memory is reported as a failure. */
void fv_test_alone(fv_tests *t, const char *path, const char *name, const fv_args *args,
                   void (*work)(fv_context *c, void *arg), void *arg);
/* The text of the last error as one line, without the file. If an operator is not supported, that
 * error is returned, since it causes the others. */
const char *fv_test_error(fv_context *c, const char *otherwise);

/* Tests each rule of a file on random instances, whose seed is --seed (test_text.c). */
void fv_test_rules(fv_tests *t, const char *path);
/* Runs each test that a script declares (test_text.c). */
void fv_test_script(fv_tests *t, const char *path);

#endif
