/* api.h - the model, folder and checks that the tests of runtime/fovea.h share. */
#ifndef FV_TESTS_TOOLS_API_H
#define FV_TESTS_TOOLS_API_H

#include "tools/driver/driver.h"

/* The text of a small model, relu(x * w). */
extern const char api_text[];
/* The path of a file with this text; api_begin makes the file. */
extern char api_model[64];

/* Makes a temporary folder with the model, and turns the cache of compiled models off; api_end
 * removes the folder. They are the start and the end of each test. */
void api_begin(void);
void api_end(void);
/* Writes the text to the file. */
void api_put(const char *path, const char *what);
/* The path of a file in the folder; valid until the next call. */
const char *api_in_folder(const char *name);
/* Expects that the artifact, made from the model, computes the right y for one x. */
void api_gives(fv_artifact *a);
/* Expects that a call refused its arguments, and has said an error; clears the log. */
void api_is_refused(int status, fv_log *log, const char *what);

#endif
