/* experts.h - what MoE and QMoE have in common. */
#ifndef FV_OPS_CONTRIB_EXPERTS_H
#define FV_OPS_CONTRIB_EXPERTS_H

#include "ir/graph/graph.h"

/* Does the first layer have two results for each input of the second, a gate and what it gates? */
bool fv_experts_are_fused(const fv_op *op) FV_MUST_USE;
/* Checks the attributes, and the router against the input, which are operands 1 and 0; sets the
 * type of the result. fc3: the operand of the third layer's weights. False after a diagnostic. */
bool fv_infer_experts(fv_op *op, int fc3) FV_MUST_USE;

#endif
