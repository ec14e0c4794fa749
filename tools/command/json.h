/* json.h - JSON documents for --json, made with jansson. Names of a model may contain any bytes and
 * numbers may be any floats. Every function takes ownership of the values that it is given. */
#ifndef FV_TOOLS_COMMAND_JSON_H
#define FV_TOOLS_COMMAND_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "ir/base/arena.h"

/* Must be called before any other function here. From then on, the command ends with a message if
 * there is no memory for a document. */
void fv_json_begin(void);
/* a new document that contains {"schema": 1} */
json_t *fv_json_document(void);
/* a string; bytes that are not UTF-8 become U+FFFD; s NULL gives null */
json_t *fv_json_text(const char *s);
/* a string of n bytes of UTF-8, which may contain NUL; null if they are not UTF-8 */
json_t *fv_json_textn(const char *s, size_t n);
json_t *fv_json_real(double v); /* a number; null if v is not finite */
void fv_json_set(json_t *object, const char *key, json_t *value);
void fv_json_set_int(json_t *object, const char *key, int64_t value);
void fv_json_set_text(json_t *object, const char *key, const char *value);
void fv_json_set_bool(json_t *object, const char *key, bool value);
void fv_json_append(json_t *array, json_t *value);
/* Dims as an array, [1, "seq", 768]: numbers as numbers, all others as strings. */
json_t *fv_json_dims(int rank, const char *const *dims);
/* Prints the document on standard output and frees it. False: writing failed. */
bool fv_json_print(fv_session *s, json_t *document) FV_MUST_USE;

#endif
