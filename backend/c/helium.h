/* helium.h - helper functions of generated C for vectors of Helium, each of one instruction. A
 * vector of floats has the type of its bits there, i32, since C is compiled without the floats of
 * Helium (ir/expr/helium.def); its types are still called f32x4. */
#ifndef FV_BACKEND_C_HELIUM_H
#define FV_BACKEND_C_HELIUM_H

#include "backend/c/internal.h"

/* The name of the helper function of an operation, in the form of its row; NULL: the target has no
 * such instruction. */
const char *fv_c_helium_op(fv_cg *g, fv_expr_op op, fv_elem in, fv_elem out, int lanes);
/* The name of the helper function f(p), which loads elements of type `memory` as a vector of type
 * `e`; NULL: the target has no such instruction. */
const char *fv_c_helium_load(fv_cg *g, fv_elem memory, fv_elem e, int lanes);
/* The name of the helper function f(p, v), which stores a vector of type e as elements of type
 * `memory`; NULL: the target has no such instruction. */
const char *fv_c_helium_store(fv_cg *g, fv_elem memory, fv_elem e, int lanes);

#endif
