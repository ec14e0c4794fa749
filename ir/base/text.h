/* text.h - growing texts, and writing names, strings and numbers as the lexer (ir/syntax/lex.h)
 * reads them back. */
#ifndef FV_IR_BASE_TEXT_H
#define FV_IR_BASE_TEXT_H

#include "ir/base/arena.h"

/* A growing text. */
typedef struct fv_text {
    fv_arena *arena;
    char *s; /* NUL terminated, never NULL after the first append */
    size_t n, cap;
} fv_text;
void fv_text_put(fv_text *t, const char *s);
void fv_text_putn(fv_text *t, const char *s, size_t n);
void fv_text_printf(fv_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool fv_is_name(const char *s) FV_MUST_USE;
void fv_text_name(fv_text *t, const char *name); /* in backquotes where it must be */
void fv_text_escaped(fv_text *t, const char *s, size_t n, char quote); /* see fv_char_escape */
void fv_text_string(fv_text *t, const char *s, size_t n);              /* "..." */
void fv_text_hex(fv_text *t, const void *data, size_t n);              /* hex "3f80" */

/* shortest decimal that reads back: 0.1, 1e+30, 2.0, -inf, nan */
void fv_text_double(fv_text *t, double v);
void fv_text_float(fv_text *t, float v); /* the same for a float */

/* Names on the command line, `--dim NAME=5`: as they are, or in backquotes with escapes. The name
 * in backquotes that s begins with, and where it ends; NULL: s does not begin with one. */
const char *fv_option_quoted(fv_arena *a, const char *s, const char **end);
const char *fv_option_name(fv_arena *a, const char *name); /* how such a name may be typed */

#endif
