/* compare.h - do two tensors agree? */
#ifndef FV_TOOLS_DATA_COMPARE_H
#define FV_TOOLS_DATA_COMPARE_H

#include "ir/type/tensor.h"
#include "runtime/fovea.h"

/* Types, dims and elements: |a - b| <= atol + rtol * |b| for floats (NaN only where b has it,
 * infinities equal), exactly for others. A tolerance below 0 is the usual one: 1e-4, for f16 1e-3,
 * for bf16 1e-2. False: *why tells the first difference, in the arena. */
bool fv_compare(fv_arena *a, const fv_array *got, const fv_tensor *want, double atol, double rtol,
                const char **why) FV_MUST_USE;
/* The same of strings, which agree in every byte. */
bool fv_compare_strings(fv_arena *a, const fv_tensor *got, const fv_tensor *want,
                        const char **why) FV_MUST_USE;
/* How far they are apart: all elements, by the same measure. */
typedef struct fv_difference {
    const char *shape; /* types or dims differ: in words, and nothing else is filled in */
    size_t count, differing;
    /* the largest |a - b| of all elements; infinite where one is NaN, the other not */
    double worst;
    size_t worst_at;
    double got, want; /* there */
    /* the largest |a - b| / |b| of those that are not expected to be 0; -1: all are, or are
     * equal */
    double relative;
    /* the most floats of the type from one to the other, where both are numbers; of what is no
     * float 0 */
    uint64_t ulp;
    bool nan[2], inf[2]; /* is there any, in `got` and in `want`? */
    double atol, rtol;   /* that were used */
} fv_difference;
fv_difference fv_differ_tensors(fv_arena *a, const fv_tensor *got, const fv_tensor *want,
                                double atol, double rtol);
fv_difference fv_differ(fv_arena *a, const fv_array *got, const fv_array *want, double atol,
                        double rtol);
/* Gives a dense array memory that has so many along an axis. False: it would hold less than there
 * is, or no memory could be so large. */
bool fv_array_add_room(fv_arena *a, fv_array *x, int axis, int64_t capacity) FV_MUST_USE;
/* Its elements, in memory of their own where the array has room for more. */
fv_tensor fv_array_tensor(fv_arena *a, const fv_array *x);
/* A view of the tensor, copied to the arena where its data is not aligned. False: no array can hold
 * it. */
bool fv_tensor_array(fv_arena *a, const fv_tensor *t, fv_array *out) FV_MUST_USE;

#endif
