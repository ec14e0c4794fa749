/* text.h - growing texts, and functions that write names, strings and numbers in the notation that
 * the lexer reads (ir/syntax/lex.h). */
#ifndef FV_IR_BASE_TEXT_H
#define FV_IR_BASE_TEXT_H

#include "ir/base/arena.h"

/* A growing text in an arena. */
typedef struct fv_text {
    fv_arena *arena;
    char *s; /* NUL terminated, never NULL after the first append */
    size_t n, cap;
} fv_text;
void fv_text_put(fv_text *t, const char *s);
void fv_text_putn(fv_text *t, const char *s, size_t n);
void fv_text_printf(fv_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* the NULL-terminated names as a list for a message: "a, b, c" */
const char *fv_names_str(fv_arena *a, const char *const *names);

/* Is s an identifier: letters, digits and underscores, of which the first is no digit? */
bool fv_is_name(const char *s) FV_MUST_USE;
/* appends a name, in backquotes unless it is an identifier other than if, else, floordiv, ceildiv
 * and mod */
void fv_text_name(fv_text *t, const char *name);
/* appends n bytes, with the escapes of fv_char_escape */
void fv_text_escaped(fv_text *t, const char *s, size_t n, char quote);
void fv_text_string(fv_text *t, const char *s, size_t n); /* appends a string in quotes: "..." */
/* appends a line of a word and a string in quotes: `cpu "..."` */
void fv_text_entry(fv_text *t, const char *word, const char *s);
/* appends bytes as hexadecimal digits: hex "3f80" */
void fv_text_hex(fv_text *t, const void *data, size_t n);

/* appends the shortest decimal number that reads back as the same value: 0.1, 1e+30, 2.0, -inf,
 * nan */
void fv_text_double(fv_text *t, double v);
void fv_text_float(fv_text *t, float v); /* like fv_text_double, for a float */

/* Names on the command line, `--dim NAME=5`, may be plain, or in backquotes with escapes. If s
 * begins with a name in backquotes, returns that name and sets *end to the character after it;
 * otherwise returns NULL. */
const char *fv_option_quoted(fv_arena *a, const char *s, const char **end);
/* the name as it can be typed in an option such as --dim: in backquotes if it needs them */
const char *fv_option_name(fv_arena *a, const char *name);

/* Is the text in the list, which ends with NULL? A list that is NULL is empty. */
bool fv_is_in(const char *const *list, const char *text) FV_MUST_USE;

#endif
