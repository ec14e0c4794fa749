/* models.h - runs a check on many models: a program that takes a target and paths, and counts. */
#ifndef FV_TESTS_MODELS_H
#define FV_TESTS_MODELS_H

#include "ir/base/session.h"
#include "ir/target/target.h"

typedef enum models_outcome { MODELS_GOOD, MODELS_BAD, MODELS_REFUSED } models_outcome;

/* Says what is wrong with the model. Returns MODELS_BAD. */
models_outcome models_failed(const char *path, const char *fault);
/* Was the model refused because of an operator that is not in the catalogue? Then it does not
 * count. */
bool models_is_refused(const fv_session *s);

/* `look` at each model of the command line, in a session of its own. Prints `N passed, M failed`;
 * the status of the process. */
int models_main(int argc, char **argv,
                models_outcome (*look)(fv_session *s, const char *path, const fv_target *t));

#endif
