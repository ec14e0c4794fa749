/* window.h - a window that slides over the axes from 2 on, as convolutions and pooling describe it:
 * strides, dilations, and padding, given by numbers or by auto_pad. */
#ifndef FV_OPS_NN_WINDOW_H
#define FV_OPS_NN_WINDOW_H

#include "ir/base/limits.h"
#include "ir/graph/rewriter.h"

/* How the number of positions is rounded: (padded extent - reach) / stride, plus one. */
typedef enum {
    FV_WINDOW_FLOOR,    /* down: only windows within the padded input count */
    FV_WINDOW_TRUNCATE, /* towards 0: so does one that exceeds it by less than the stride */
    FV_WINDOW_CEIL      /* up: windows that begin in the input or the padding before it count */
} fv_window_rounding;

/* Padding consists of dims, because with auto_pad it depends on the dims of the input. */
typedef struct fv_window {
    int n; /* number of axes; the first one is axis 2 of the input */
    int64_t stride[FV_MAX_RANK], dilation[FV_MAX_RANK];
    const fv_dim *kernel[FV_MAX_RANK], *before[FV_MAX_RANK], *after[FV_MAX_RANK];
    fv_window_rounding rounding;
} fv_window;

/* Reads the attributes auto_pad, ceil_mode, dilations, kernel_shape, pads and strides of an op on
 * x. `weight`: the kernel has its dims from axis 2 on; NULL: kernel_shape has them. False after a
 * diagnostic. */
bool fv_window_read(fv_op *op, const fv_type *x, const fv_type *weight, fv_window *w) FV_MUST_USE;
/* Reads a list of n integers, each at least `least`; all are `otherwise` if there is no such
 * attribute. */
bool fv_window_list(fv_op *op, const char *name, int n, int64_t otherwise, int64_t least,
                    int64_t *out) FV_MUST_USE;
typedef enum { FV_PAD_GIVEN, FV_PAD_VALID, FV_PAD_UPPER, FV_PAD_LOWER } fv_auto_pad;
bool fv_window_auto_pad(fv_op *op, fv_auto_pad *out) FV_MUST_USE;
/* (kernel - 1) * dilation + 1: the extent of the window along its axis i. */
const fv_dim *fv_window_reach(fv_dims *t, const fv_window *w, int i);
/* The number of positions of the window along each axis. */
void fv_window_dims(fv_dims *t, const fv_window *w, const fv_type *x, const fv_dim **dims);
/* The window as attributes of an fv. op: pads (before), strides, dilations. Returns their number,
 * 3. */
int fv_window_attrs(fv_module *m, const fv_window *w, fv_attr *out);

/* For tensors whose channels are the last axis: moves the channels to axis 1, and back. */
const fv_type *fv_type_channels_first(fv_module *m, const fv_type *t);
fv_value *fv_w_channels_first(fv_rewriter *w, fv_value *x);
fv_value *fv_w_channels_last(fv_rewriter *w, fv_value *x);
/* Moves the channels of result 0, which was inferred with channels in axis 1, to the last axis. */
void fv_infer_channels_last(fv_op *op);

#endif
