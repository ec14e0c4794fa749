/* ops.h - what the files of ir/ops share: the arrays of entries. */
#ifndef FV_IR_OPS_OPS_H
#define FV_IR_OPS_OPS_H

#include "ir/catalogue/op.h"
#include "ir/definition/definition.h"

#define FAMILY(name) extern const fv_opdef fv_ops_##name[];
#include "ir/ops/families.def"
#undef FAMILY

/* Result 0 as of the standard's MatMul, which also takes vectors: a row on the left, a column on the
 * right. */
bool fv_infer_matmul(fv_op *op, const fv_type *a, const fv_type *b, fv_elem e) FV_MUST_USE;
bool fv_infer_gemm(fv_op *op) FV_MUST_USE;
/* Is operand `in`, if it is there, one number for all of a matrix of that type, one for each place of
 * its axis -2 or -1, or a tensor that broadcasts to it? False after a diagnostic. */
bool fv_infer_fits_matrix(fv_op *op, int in, const fv_type *matrix, int axis) FV_MUST_USE;
/* *x becomes its activation by the operator of that name, with up to two parameters; "": stays. False
 * after a diagnostic. */
bool fv_infer_activation(fv_op *op, int nparams) FV_MUST_USE; /* is attribute `activation` one? */
bool fv_w_activation(fv_rewriter *w, fv_string name, int nparams, const float *params, fv_value **x) FV_MUST_USE;
/* upgrades that families share */
bool fv_upgrade_broadcast(fv_op *op, int version) FV_MUST_USE; /* `broadcast`, `axis` before opset 7 */
bool fv_upgrade_attr_to_ints(fv_op *op, const char *attr, int in) FV_MUST_USE; /* became operand `in` */
/* The op becomes an Identity of v: an upgrade that needs other ops altogether. */
bool fv_upgrade_replace(fv_op *op, fv_value *v) FV_MUST_USE;
bool fv_upgrade_attr_to_float(fv_op *op, const char *attr, int in) FV_MUST_USE;

#endif
