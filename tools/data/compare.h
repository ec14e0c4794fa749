/* compare.h - compares tensors with references. */
#ifndef FV_TOOLS_DATA_COMPARE_H
#define FV_TOOLS_DATA_COMPARE_H

#include "ir/type/tensor.h"
#include "runtime/fovea.h"

/* Do type, dims and elements agree? Floats a of `got` and b of `want` agree if |a - b| <= atol +
 * rtol * |b| (NaN only with NaN, infinities only with equal ones), other elements if they are
 * equal. A negative tolerance stands for the default: 1e-4, for f16 1e-3, for bf16 1e-2. False:
 * *why describes the first difference, in the arena. */
bool fv_compare(fv_arena *a, const fv_array *got, const fv_tensor *want, double atol, double rtol,
                const char **why) FV_MUST_USE;
/* fv_compare for tensors of strings, which agree if all bytes are equal. */
bool fv_compare_strings(fv_arena *a, const fv_tensor *got, const fv_tensor *want,
                        const char **why) FV_MUST_USE;
/* Measures of the difference between tensors with elements a (`got`) and b (`want`), to which all
 * elements contribute. NaN: the measure is undefined, since there are no elements, one of them is
 * not finite, all b are equal, or a tensor has only zeros. */
typedef struct fv_spread {
    double rms;      /* the root of the mean of (a - b)^2 */
    double of_range; /* the largest |a - b| divided by the largest minus the least finite b */
    double cosine;   /* of the angle between the two tensors as vectors */
} fv_spread;

/* How much two tensors differ, over all elements a of `got` and b of `want`. */
typedef struct fv_difference {
    /* not NULL: describes how types or dims differ, or says that elements of the type cannot be
     * compared; then the members about elements have no meaning */
    const char *shape;
    size_t count, differing;
    /* the largest |a - b|; infinite as well if exactly one of the two is NaN */
    double worst;
    size_t worst_at;
    double got, want; /* the two elements with the largest difference, at worst_at */
    /* the largest |a - b| / |b| over the elements with b not 0; -1: there is none that differs */
    double relative;
    /* the largest number of floats of the type between a and b, where both are numbers; 0 for other
     * types */
    uint64_t ulp;
    fv_spread spread;
    /* whether the tensor `got` (index 0) or `want` (index 1) contains any NaN or infinity */
    bool nan[2], inf[2];
    double atol, rtol; /* the tolerances that decided whether elements differ */
} fv_difference;
fv_difference fv_differ_tensors(fv_arena *a, const fv_tensor *got, const fv_tensor *want,
                                double atol, double rtol);
fv_difference fv_differ(fv_arena *a, const fv_array *got, const fv_array *want, double atol,
                        double rtol);
/* Copies the elements of a dense array into new memory in the arena that has room for `capacity`
 * entries along an axis; x becomes that array. False: the capacity is too small, or the memory
 * would be too large. */
bool fv_array_add_room(fv_arena *a, fv_array *x, int axis, int64_t capacity) FV_MUST_USE;
/* The elements as a tensor; copied if the array has spare capacity. */
fv_tensor fv_array_tensor(fv_arena *a, const fv_array *x);
/* A view of the tensor as an array; its data is copied to the arena if it is not aligned. False:
 * arrays cannot hold such a tensor. */
bool fv_tensor_array(fv_arena *a, const fv_tensor *t, fv_array *out) FV_MUST_USE;

#endif
