/* sequence.h - the tensors that represent a sequence or optional.
 *
 * Kernels have tensors only. So the elements of a sequence are concatenated in a vector, `data`,
 * and a matrix, `shapes`, has a row for each element: its rank, its dims, and ones up to
 * FV_SHAPE_COLUMNS. An optional tensor is a sequence of one element or none; an optional sequence
 * is that sequence with a flag whether it is present. An fv.Ragged op joins the parts of a value
 * where it is made; ops that read the value read the parts. */
#ifndef FV_OPS_SEQUENCE_SEQUENCE_H
#define FV_OPS_SEQUENCE_SEQUENCE_H

#include "ir/base/limits.h"
#include "ir/graph/rewriter.h"

enum { FV_SHAPE_COLUMNS = 1 + FV_MAX_ELEMENT_RANK };
enum { FV_PART_DATA, FV_PART_SHAPES, FV_PART_THERE, FV_MAX_PARTS };

/* The names of the parts of an input or output x: "x.data", "x.shapes", "x.there". */
const char *fv_part_name(fv_arena *a, const char *name, int part);
/* The number of parts of a value of that type: 2, or 3 for an optional sequence. */
int fv_ragged_parts(const fv_type *t);
/* The type of this tensor as an element of a sequence or optional; NULL after a diagnostic. Dims
 * that depend on data are unknown in it, since they may differ between iterations of a loop. */
const fv_type *fv_element_type(const fv_op *op, const fv_type *t);
/* The parts of v, which an op `join` (fv.Ragged, fv.Map) makes of them; false after a diagnostic
 * about op, which reads v, if v has not been decomposed. */
bool fv_joined_parts(const fv_op *op, const fv_value *v, fv_op_id join,
                     fv_value **parts) FV_MUST_USE;
/* A value of type t that an op `join` makes of n parts; NULL if a part is NULL. */
fv_value *fv_w_join(fv_rewriter *w, fv_op_id join, const fv_type *t, int n, fv_value *const *parts);
/* The parts of v; false after a diagnostic about op, which reads v, if v has not been
 * decomposed. */
bool fv_ragged_of(const fv_op *op, const fv_value *v, fv_value **parts) FV_MUST_USE;
/* Makes the run check the parts of a sequence that a caller passes: no size is negative, and there
 * are as many elements as the shapes state. */
void fv_w_check_parts(fv_rewriter *w, const char *name, fv_value *const *parts);
/* A value of type t with these parts; NULL if a part is NULL. */
fv_value *fv_w_ragged(fv_rewriter *w, const fv_type *t, fv_value *const *parts);

#endif
