/* view.h - views: the memory of a value seen as an array with other axes.
 *
 *     %x: f32[b, s, 16]        %x(b * s, 16)[i, j] is %x[i floordiv s, i mod s, j]
 *     %x: f32[1, 64, 9]        %x(2, 32, 9)[g, r, k] is %x[0, g * 32 + r, k]
 *
 * A view has as many elements as its value, in the same order of memory. The steps split and merge
 * make definitions of views: of values that they load, and of the value that they define, whose
 * axes are then the index variables of the definition. */
#ifndef FV_IR_DEFINITION_VIEW_H
#define FV_IR_DEFINITION_VIEW_H

#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/definition/definitions.h"

/* The dim of an axis of b, a buffer of a definition. */
const fv_dim *fv_buf_dim(fv_dims *t, const fv_buf *b, int axis);
/* The dims of all axes of b. */
void fv_buf_dims(fv_dims *t, const fv_buf *b, const fv_dim **dims);
/* Are these the dims of `type`, in the order of memory in which axis `last` is innermost (-1: the
 * order of the type)? */
bool fv_view_is_own(const fv_type *type, int last, int n, const fv_dim *const *dims) FV_MUST_USE;
/* Prints "(b * s, 16)", or nothing if they are the dims of the type. */
void fv_view_put(fv_text *t, const fv_type *type, int last, int n, const fv_dim *const *dims);

/* A block of elements of an array: along axis i the indices from[i] to to[i] - 1; NULL: not
 * known. */
typedef struct fv_box {
    int n;
    const fv_dim *extent[FV_MAX_RANK], *from[FV_MAX_RANK], *to[FV_MAX_RANK];
} fv_box;

/* Two axes, i of a and k of b, begin at the same level if as many elements follow each index of the
 * axes before them. Finds the factors by which positions along both have to be multiplied to count
 * the same blocks of elements: those of the level at which one of the two axes ends, if an axis of
 * the other array ends there, too; otherwise single elements, as of [24, n * 8] and [24 * n, 8].
 * False: they do not begin at the same level. */
typedef struct fv_box_scales {
    const fv_dim *a, *b;
} fv_box_scales;
bool fv_box_scale(fv_dims *t, const fv_box *a, int i, const fv_box *b, int k,
                  fv_box_scales *out) FV_MUST_USE;
/* Have two boxes in views of one value no element in common? */
bool fv_box_is_apart(fv_dims *t, const fv_box *a, const fv_box *b) FV_MUST_USE;
/* The elements of `place`, where d is stored, as a box of the view that `place` indexes. */
void fv_box_of_place(fv_dims *t, const fv_definition *d, const fv_expr *place, fv_box *out);
/* If `index`, of an axis of a box, is an index variable of d plus an offset: the number of that
 * variable; -1: it is an offset only. */
int fv_place_axis(const fv_definition *d, const fv_expr *index);
/* Computes how many elements of each axis of a view may be read, if `readable` of each axis in
 * memory may be, whose dims are `dims`. False: the view has no axis that corresponds to an axis of
 * which only a part may be read. */
bool fv_view_readable(fv_dims *t, int rank, const fv_dim *const *dims,
                      const fv_dim *const *readable, int n, const fv_dim *const *view,
                      const fv_dim **out) FV_MUST_USE;

#endif
