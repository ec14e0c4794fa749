/* decides.h - on which values a model decides.
 *
 * An op *decides* if its results do not change continuously with an operand of floats: it rounds it
 * to an integer (QuantizeLinear, Cast, Round), compares it (Greater, ArgMax, TopK, Sign), or takes
 * it for an index. A float that is rounded elsewhere then gives another result, and not a result
 * that differs by a rounding. So no level applies a `rounding` rule to a value from which such an
 * op can be reached, through whatever ops: what a model decides by is computed as its operators
 * state it.
 *
 * Which ops decide follows from their types: those that read floats and have results that are
 * none. Of ops all of whose results are floats, the catalogue says it (`decides` in
 * ir/catalogue/op.h). */
#ifndef FV_PASSES_DECIDES_H
#define FV_PASSES_DECIDES_H

#include "ir/base/ptrmap.h"
#include "ir/graph/graph.h"

/* The values of a module on which it decides. */
typedef struct fv_deciding {
    fv_ptrmap values;
} fv_deciding;

/* Does the op decide by an operand of floats? */
bool fv_op_decides(const fv_op *op) FV_MUST_USE;
/* Finds the values of a module on which ops that are not dead decide. Valid until the module
 * changes. */
fv_deciding fv_deciding_of(const fv_module *m, fv_arena *a);
/* Does the module decide on a result of op? */
bool fv_decides_by(const fv_deciding *d, const fv_op *op) FV_MUST_USE;

#endif
