/* json.h - JSON documents for --json, over jansson: names of a model may be any bytes, numbers any
 * floats. Everything here takes over the values that it is given. */
#ifndef FV_TOOLS_COMMAND_JSON_H
#define FV_TOOLS_COMMAND_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "ir/base/arena.h"

/* Before all else: without memory for a document the command ends with a message. */
void fv_json_begin(void);
/* {"schema": 1} */
json_t *fv_json_document(void);
json_t *fv_json_text(const char *s);            /* what is no UTF-8 becomes U+FFFD; NULL: null */
json_t *fv_json_textn(const char *s, size_t n); /* UTF-8, which may have NUL in it; else null */
json_t *fv_json_real(double v);                 /* null where it is not finite */
void fv_json_set(json_t *object, const char *key, json_t *value);
void fv_json_set_int(json_t *object, const char *key, int64_t value);
void fv_json_set_text(json_t *object, const char *key, const char *value);
void fv_json_set_bool(json_t *object, const char *key, bool value);
void fv_json_append(json_t *array, json_t *value);
/* [1, "seq", 768]: dims as text are strings, numbers are numbers. */
json_t *fv_json_dims(int rank, const char *const *dims);
/* The document on standard output, and frees it. False: writing failed. */
bool fv_json_print(fv_session *s, json_t *document) FV_MUST_USE;

#endif
