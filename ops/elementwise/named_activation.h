/* named_activation.h - activations that an attribute names. */
#ifndef FV_OPS_ELEMENTWISE_NAMED_ACTIVATION_H
#define FV_OPS_ELEMENTWISE_NAMED_ACTIVATION_H

#include "ir/graph/rewriter.h"

/* Attribute `activation`, or "". */
fv_string fv_activation_of(const fv_op *op);
/* *x becomes its activation by the operator of that name, with up to two parameters; "": stays.
 * False after a diagnostic. */
bool fv_infer_activation(fv_op *op, int nparams) FV_MUST_USE; /* is attribute `activation` one? */
bool fv_w_activation(fv_rewriter *w, fv_string name, int nparams, const float *params,
                     fv_value **x) FV_MUST_USE;
/* The same for the attribute of op, each of whose parameters is an attribute activation_NAME. */
bool fv_infer_activation_of(fv_op *op) FV_MUST_USE;
bool fv_w_activation_of(fv_rewriter *w, const fv_op *op, fv_value **x) FV_MUST_USE;

#endif
