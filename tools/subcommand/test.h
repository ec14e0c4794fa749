/* test.h - what the kinds of `fovea test` share: counting, and telling of failures. */
#ifndef FV_TOOLS_SUBCOMMAND_TEST_H
#define FV_TOOLS_SUBCOMMAND_TEST_H

#include "tools/command/command.h"
#include "tools/command/json.h"

typedef struct fv_tests {
    const fv_args *args;
    fv_backend_kind backends[3];
    int nbackends;
    int passed, failed;
    json_t *failures; /* with --json */
    bool progress;
} fv_tests;

/* A failure: of a folder or file, and in it of a backend, a rule or a test of a script (`kind`).
 * `why` is a line; `more` are lines that tell of it, or NULL. */
void fv_test_fail(fv_tests *t, const char *path, const char *kind, const char *name,
                  const char *why, const char *more);
void fv_test_progress(const fv_tests *t, const char *path, const char *name);
/* Does the work in a session of its own, so that what it took is given back; where memory runs out
 * that is told. */
void fv_test_alone(fv_tests *t, const char *path, const char *name, const fv_args *args,
                   void (*work)(fv_context *c, void *arg), void *arg);
/* The last error as one line, without the file; an operator that is not known explains all
 * others. */
const char *fv_test_error(fv_context *c, const char *otherwise);

/* Each rule of the file on random instances, with --seed. test_text.c */
void fv_test_rules(fv_tests *t, const char *path);
/* Each test that the script declares. test_text.c */
void fv_test_script(fv_tests *t, const char *path);

#endif
