/* names.h - identifiers of generated C: valid, unique in their scope, and similar to the names in
 * the model. */
#ifndef FV_BACKEND_C_NAMES_H
#define FV_BACKEND_C_NAMES_H

#include "ir/base/ptrmap.h"

/* Names in nested scopes. A name that is visible is not used again; after its scope ends it is
 * free. */
typedef struct fv_c_scope {
    fv_arena *arena;
    fv_ptrmap taken; /* interned name -> 1 while it is visible */
    fv_ptrmap hints; /* interned stem -> the next suffix to try */
    struct fv_c_given {
        const char *name, *stem;
        int suffix;
    } *given; /* the names that were taken, in this order */
    int n, cap;
} fv_c_scope;

void fv_c_scope_init(fv_c_scope *s, fv_arena *a);
/* A new name similar to `want`, or to `otherwise` if no character of `want` can be kept. */
const char *fv_c_name(fv_c_scope *s, const char *want, const char *otherwise);
/* The same with `prefix_` before it. */
const char *fv_c_name_prefixed(fv_c_scope *s, const char *prefix, const char *want,
                               const char *otherwise);
/* Makes `name`, which must be valid and not taken yet, a taken name of the scope. */
void fv_c_name_take(fv_c_scope *s, const char *name);
/* Leaves the scopes that were opened since s->n was `mark`. */
void fv_c_scope_leave(fv_c_scope *s, int mark);

/* Is `name` a valid identifier that generated C may declare? */
bool fv_c_name_is_fit(const char *name) FV_MUST_USE;
/* `want` if it is a valid prefix of names, otherwise a prefix with as much of it as can be kept. */
const char *fv_c_prefix(fv_arena *a, const char *want);
const char *fv_c_upper(fv_arena *a, const char *name);

/* Text from a model, made safe for a comment of one line, or as a string literal with its
 * quotes. */
const char *fv_c_comment(fv_arena *a, const char *text);
const char *fv_c_string(fv_arena *a, const char *text);
/* fv_c_string as several literals if it is long, so that lines can be broken between them. */
const char *fv_c_strings(fv_arena *a, const char *text);
/* Can a file of that name be included, `#include "NAME"`, and named in a comment? */
bool fv_c_file_is_fit(const char *name) FV_MUST_USE;

#endif
