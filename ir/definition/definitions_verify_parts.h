/* definitions_verify_parts.h - what the files of the verifier of definitions share: what is looked
 * at, and what was seen. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_PARTS_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_PARTS_H

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/definition/definitions_verify.h"
#include "ir/definition/inside.h"
#include "ir/definition/recurrence.h"

enum { FV_DV_SETS = 64 }; /* variables of one definition whose scopes are seen to */

typedef struct fv_verifier {
    fv_module *m;
    fv_session *session;
    const fv_definitions *d;
    fv_arena *a;
    fv_ptrmap defined; /* value -> its fv_defined */
    fv_ptrmap parts;   /* value that is assembled -> how many elements its parts have */
    fv_ptrmap made;    /* value that is made above what is looked at -> itself */
    const fv_defined *at;
    fv_ptrmap free; /* node -> set of the variables of reductions that are free in it */
    const fv_var *vars[FV_DV_SETS];
    int nvars, errors;
    fv_var *shared[FV_MAX_RANK]; /* variables of the group that it is in */
    int nshared;
    fv_inside *inside; /* of the definition that is looked at */
    bool is_text;
} fv_verifier;

/* A message about the definition that is looked at. Returns false. */
bool fv_dv_illegal(fv_verifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fv_dv_text(fv_verifier *v, const fv_expr *x);
/* Are the nodes of that expression legal, and the variables of the definition that is looked at
 * bound where they are used? */
bool fv_dv_expr(fv_verifier *v, const fv_expr *x) FV_MUST_USE;
/* From here on x may be read. */
void fv_dv_note_made(fv_verifier *v, const fv_value *x);
/* Is the recurrence of that op legal? */
bool fv_dv_recurrence(fv_verifier *v, const fv_op *op, fv_recurrence *r) FV_MUST_USE;

#endif
