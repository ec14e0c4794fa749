/* conv.h - the convolution that others come to. */
#ifndef FV_OPS_NN_CONV_H
#define FV_OPS_NN_CONV_H

#include "ir/graph/rewriter.h"

/* Result 0 of a convolution of x with the attributes of op, and the fv.Conv that it is, whose
 * result has the dims of y. Channels are in axis 1 of x and y. */
bool fv_infer_conv(fv_op *op, const fv_type *x, const fv_type *weight, fv_elem e) FV_MUST_USE;
fv_value *fv_w_conv(fv_rewriter *w, fv_op *op, const fv_type *y, fv_value *x, fv_value *weight,
                    fv_value *bias);

#endif
