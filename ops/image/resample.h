/* resample.h - declarations that Resize and fv.Resample (which resizes one axis) share. */
#ifndef FV_OPS_IMAGE_RESAMPLE_H
#define FV_OPS_IMAGE_RESAMPLE_H

#include "ops/common/dims.h"

#define FV_RESAMPLE_TYPES (FV_SET_NUMBER | FV_SET(BOOL))
/* nearest_mode may be opset10, a mode of Fovea: what version 10 of Resize computes */
#define FV_RESAMPLE_ATTRS                                                                          \
    FV_A_STRING("mode", "nearest"), FV_A_STRING("nearest_mode", "round_prefer_floor"),             \
        FV_A_STRING("coordinate_transformation_mode", "half_pixel"),                               \
        FV_A_FLOAT("cubic_coeff_a", -0.75f), FV_A_INT("exclude_outside", 0),                       \
        FV_A_FLOAT("extrapolation_value", 0.0f), FV_A_INT("antialias", 0)

/* Checks that the axis of operand 0 can be resized to `to` elements. False after a diagnostic. */
bool fv_infer_resized(fv_op *op, int axis, const fv_dim *to) FV_MUST_USE;

#endif
