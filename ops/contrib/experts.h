/* experts.h - checks that MoE and QMoE share. */
#ifndef FV_OPS_CONTRIB_EXPERTS_H
#define FV_OPS_CONTRIB_EXPERTS_H

#include "ir/graph/graph.h"

/* Whether the first layer has two results, a gate and a gated number, for each input of the second
 * layer. */
bool fv_experts_are_fused(const fv_op *op) FV_MUST_USE;
/* Checks the attributes, and the router (operand 1) against the input (operand 0); sets the type of
 * the result. fc3: index of the operand with the third layer's weights. False after a
 * diagnostic. */
bool fv_infer_experts(fv_op *op, int fc3) FV_MUST_USE;

#endif
