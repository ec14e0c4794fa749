/* definitions_verify_parts.h - the state of the verifier of definitions, and what its files
 * share. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_PARTS_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_PARTS_H

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/definition/definitions.h"
#include "ir/definition/inside.h"
#include "ir/definition/recurrence.h"

/* largest number of variables of one definition whose scopes are checked */
enum { FV_DV_SETS = 64 };

/* The index variables that all results of the group have, of which a definition is checked. */
typedef struct fv_shared_vars {
    fv_var *all[FV_MAX_RANK];
    int n;
} fv_shared_vars;

typedef struct fv_verifier {
    fv_module *m;
    fv_session *session;
    const fv_definitions *d;
    fv_arena *a;
    fv_ptrmap defined; /* value -> its fv_defined */
    /* assembled value, or the input in whose memory it is assembled -> number of elements of its
     * parts */
    fv_ptrmap parts;
    /* values that are computed before the definition that is checked -> themselves */
    fv_ptrmap made;
    const fv_defined *at;
    fv_ptrmap free; /* node -> set of the variables of reductions that are free in it */
    const fv_var *vars[FV_DV_SETS];
    int nvars, errors;
    fv_shared_vars shared;
    fv_inside *inside; /* proofs about the definition that is checked */
    bool is_text;
} fv_verifier;

/* The axis of x that is innermost in memory instead of the last one; -1: none is moved. */
int fv_dv_last(const fv_verifier *v, const fv_value *x);
/* Reports an error in the definition that is checked. Returns false. */
bool fv_dv_illegal(fv_verifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fv_dv_text(fv_verifier *v, const fv_expr *x);
const fv_dim *fv_dv_elements(fv_verifier *v, const fv_type *t);
/* Are a and b equal? A text must state a relation that proves it; between steps, it is enough that
 * it is not refuted, since operators know more. */
bool fv_dv_are_as_many(fv_verifier *v, const fv_dim *a, const fv_dim *b) FV_MUST_USE;
/* The value of which x is a view; x itself if it is no view, even if it is a part of another
 * value. */
const fv_value *fv_dv_memory(const fv_verifier *v, const fv_value *x);
/* Records that x is computed, so that definitions which are checked later may read it. */
void fv_dv_note_made(fv_verifier *v, const fv_value *x);

#endif
