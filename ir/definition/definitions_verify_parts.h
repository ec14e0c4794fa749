/* definitions_verify_parts.h - declarations shared by the files of the verifier of definitions. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_PARTS_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_PARTS_H

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/definition/definitions_verify.h"
#include "ir/definition/inside.h"
#include "ir/definition/recurrence.h"

/* largest number of variables of one definition whose scopes are checked */
enum { FV_DV_SETS = 64 };

/* The index variables of the group that contains the definition that is checked. */
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
    fv_ptrmap parts;   /* assembled value -> number of elements of its parts */
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
/* Checks the nodes of x, and that its variables are bound in the definition that is checked. */
bool fv_dv_expr(fv_verifier *v, const fv_expr *x) FV_MUST_USE;
/* Allows the definitions after this one to read x. */
void fv_dv_note_made(fv_verifier *v, const fv_value *x);
/* Checks the recurrence of an op. */
bool fv_dv_recurrence(fv_verifier *v, const fv_op *op, fv_recurrence *r) FV_MUST_USE;
/* For a value whose parts are not all computed yet: does the load x, of which `extent` may be read,
 * touch none of the parts that are not computed? */
bool fv_dv_reaches_made(fv_verifier *v, const fv_expr *x, const fv_dim *const *extent) FV_MUST_USE;
/* Is the part that is checked a block of the whole, whose axis `last` is innermost, and disjoint
 * from other parts? If the whole is stored over an input (`over`): is the block also disjoint from
 * the input's elements? */
bool fv_dv_block(fv_verifier *v, int last, bool over) FV_MUST_USE;
/* Checks the rows of a result of `end`, an endloop. */
bool fv_dv_rows(fv_verifier *v, const fv_op *end) FV_MUST_USE;

#endif
