/* names.h - identifiers of generated C: safe, unique where they can be seen, near the model's
 * names. */
#ifndef FV_BACKEND_C_NAMES_H
#define FV_BACKEND_C_NAMES_H

#include "ir/base/ptrmap.h"

/* Names in nested scopes: one that is visible is not given again; one whose scope was left is
 * free. */
typedef struct fv_c_scope {
    fv_arena *arena;
    fv_ptrmap taken; /* interned name -> 1 while it is visible */
    fv_ptrmap hints; /* interned stem -> the next suffix to try */
    struct fv_c_given {
        const char *name, *stem;
        int suffix;
    } *given; /* in order */
    int n, cap;
} fv_c_scope;

void fv_c_scope_init(fv_c_scope *s, fv_arena *a);
/* A name like `want`, or like `otherwise` where nothing of `want` can be kept. */
const char *fv_c_name(fv_c_scope *s, const char *want, const char *otherwise);
/* Takes this very name, which must be fit. */
void fv_c_name_take(fv_c_scope *s, const char *name);
/* Leaves the scopes opened since s->n was `mark`. */
void fv_c_scope_leave(fv_c_scope *s, int mark);

/* Is it an identifier that generated C may declare at all? */
bool fv_c_name_is_fit(const char *name) FV_MUST_USE;
/* `want` where it is fit as the prefix of all names, else what can be kept of it. */
const char *fv_c_prefix(fv_arena *a, const char *want);
const char *fv_c_upper(fv_arena *a, const char *name);

/* Text from a model, safe inside a comment (one line), and as a string literal with its quotes. */
const char *fv_c_comment(fv_arena *a, const char *text);
const char *fv_c_string(fv_arena *a, const char *text);
/* The same in several literals where it is long, which lines can be broken between. */
const char *fv_c_strings(fv_arena *a, const char *text);
/* Can a file of that name be included, `#include "NAME"`, and named in a comment? */
bool fv_c_file_is_fit(const char *name) FV_MUST_USE;

#endif
