/* sequence.h - what a sequence or optional is made of, once it is taken apart.
 *
 * Kernels know tensors alone. So the elements of a sequence lie one behind the other in one of
 * them, `data`, and another, `shapes`, has a row for each: its rank, its dims, and ones up to
 * FV_SHAPE_COLUMNS. An optional tensor is a sequence of one element or none; an optional sequence
 * is that sequence, and whether it is there. A fv.Ragged stands for the value where it is made; who
 * reads the value reads its parts. */
#ifndef FV_OPS_SEQUENCE_SEQUENCE_H
#define FV_OPS_SEQUENCE_SEQUENCE_H

#include "ir/base/limits.h"
#include "ir/graph/rewriter.h"

enum { FV_SHAPE_COLUMNS = 1 + FV_MAX_ELEMENT_RANK };
enum { FV_PART_DATA, FV_PART_SHAPES, FV_PART_THERE, FV_MAX_PARTS };

/* "x.data", "x.shapes", "x.there": what the parts of an input or output x are called. */
const char *fv_part_name(fv_arena *a, const char *name, int part);
/* How many parts a value of that type has: 2, or 3 of an optional sequence. */
int fv_ragged_parts(const fv_type *t);
/* What a sequence or optional of this tensor knows of it; NULL after a diagnostic. Dims that data
 * decide are not known there: in a loop each turn may have others. */
const fv_type *fv_element_type(const fv_op *op, const fv_type *t);
/* The parts of v; false after a diagnostic about op, which reads it: nothing has taken it apart. */
bool fv_ragged_of(const fv_op *op, const fv_value *v, fv_value **parts) FV_MUST_USE;
/* What a caller gives as the parts of a sequence is one: no size is negative, and there are as many
 * elements as the shapes say. The run checks it. */
void fv_w_check_parts(fv_rewriter *w, const char *name, fv_value *const *parts);
/* A value of type t that has these parts; NULL where one is. */
fv_value *fv_w_ragged(fv_rewriter *w, const fv_type *t, fv_value *const *parts);

#endif
