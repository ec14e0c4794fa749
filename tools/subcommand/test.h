/* test.h - shared by the kinds of `fovea test`: counting tests and reporting failures. */
#ifndef FV_TOOLS_SUBCOMMAND_TEST_H
#define FV_TOOLS_SUBCOMMAND_TEST_H

#include "tools/command/command.h"
#include "tools/command/json.h"

typedef struct fv_tests {
    const fv_args *args;
    fv_backend_kind backends[3];
    int nbackends;
    int passed, failed;
    json_t *failures; /* the list of failures for --json; NULL: they are printed */
    bool progress;
} fv_tests;

/* Reports a failure of a folder or file. `kind` and `name` say of what: a backend, a rule, a test
 * of a script. `why` is one line; `more`: further lines, or NULL. */
void fv_test_fail(fv_tests *t, const char *path, const char *kind, const char *name,
                  const char *why, const char *more);
void fv_test_progress(const fv_tests *t, const char *path, const char *name);
/* Does the work in a session of its own, so that its memory is released; running out of memory is
 * reported. */
void fv_test_alone(fv_tests *t, const char *path, const char *name, const fv_args *args,
                   void (*work)(fv_context *c, void *arg), void *arg);
/* The last error as one line, without the file. If an operator is unknown, that error, which
 * explains all others. */
const char *fv_test_error(fv_context *c, const char *otherwise);

/* Tests each rule of a file on random instances, with --seed (test_text.c). */
void fv_test_rules(fv_tests *t, const char *path);
/* Runs each test that a script declares (test_text.c). */
void fv_test_script(fv_tests *t, const char *path);

#endif
