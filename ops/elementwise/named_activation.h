/* named_activation.h - activations whose operator is named by an attribute. */
#ifndef FV_OPS_ELEMENTWISE_NAMED_ACTIVATION_H
#define FV_OPS_ELEMENTWISE_NAMED_ACTIVATION_H

#include "ir/graph/rewriter.h"

/* The attribute `activation`, or "". */
fv_string fv_activation_of(const fv_op *op);
/* Applies to *x the activation of that name, with up to two parameters; "" leaves *x unchanged.
 * False after a diagnostic. */
/* checks the attribute `activation` */
bool fv_infer_activation(fv_op *op, int nparams) FV_MUST_USE;
bool fv_w_activation(fv_rewriter *w, fv_string name, int nparams, const float *params,
                     fv_value **x) FV_MUST_USE;
/* The same for the attribute `activation` of op, with parameters from the attributes
 * activation_NAME. */
bool fv_infer_activation_of(fv_op *op) FV_MUST_USE;
bool fv_w_activation_of(fv_rewriter *w, const fv_op *op, fv_value **x) FV_MUST_USE;

#endif
