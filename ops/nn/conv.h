/* conv.h - fv.Conv, to which other convolutions are expanded. */
#ifndef FV_OPS_NN_CONV_H
#define FV_OPS_NN_CONV_H

#include "ir/graph/rewriter.h"

/* Infers result 0 of a convolution of x with the attributes of op; and builds its fv.Conv, whose
 * result has the dims of y. Channels are axis 1 of x and y. */
bool fv_infer_conv(fv_op *op, const fv_type *x, const fv_type *weight, fv_elem e) FV_MUST_USE;
fv_value *fv_w_conv(fv_rewriter *w, fv_op *op, const fv_type *y, fv_value *x, fv_value *weight,
                    fv_value *bias);

#endif
