/* helium.h - instructions for vectors of Helium, the vector extension of Cortex-M; the table is
 * ir/expr/helium.def. */
#ifndef FV_IR_EXPR_HELIUM_H
#define FV_IR_EXPR_HELIUM_H

#include "ir/expr/expr.h"
#include "ir/target/target.h"

enum { FV_HELIUM_BYTES = 16 }; /* size of a vector */

/* how an instruction receives its operands: helium.def */
typedef enum fv_helium_form {
    FV_HELIUM_VALUES,
    FV_HELIUM_ADDS,
    FV_HELIUM_SCALAR,
    FV_HELIUM_COPIES,
    FV_HELIUM_LOADS,
    FV_HELIUM_STORES
} fv_helium_form;

typedef struct fv_helium {
    fv_helium_form form;
    fv_expr_op op;
    fv_elem in, out;
    int lanes;
    const char *text; /* the instruction, as a C string literal has it */
} fv_helium;

/* Has the target vectors of Helium, which loops may use for integers, and for floats where no
 * denormal matters? */
static inline bool fv_has_helium(const fv_target *t) {
    return t->vector_bits == 0 && fv_target_has(t, FV_FEATURE_mve);
}
/* The row for an operation on values: of any form but LOADS and STORES. NULL: there is none. */
const fv_helium *fv_helium_find(fv_expr_op op, fv_elem in, fv_elem out, int lanes);
/* The row that converts what it loads or stores (form); NULL: there is none. */
const fv_helium *fv_helium_find_access(fv_helium_form form, fv_elem in, fv_elem out, int lanes);

#endif
