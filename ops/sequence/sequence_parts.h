/* sequence_parts.h - the expansions of operators on sequences and optionals (sequence_parts.c). */
#ifndef FV_OPS_SEQUENCE_SEQUENCE_PARTS_H
#define FV_OPS_SEQUENCE_SEQUENCE_PARTS_H

#include "ir/graph/rewriter.h"

bool fv_decompose_sequence_empty(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_sequence_construct(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_sequence_insert(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_sequence_erase(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_sequence_at(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_sequence_length(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_split_to_sequence(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_concat_from_sequence(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_optional(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_optional_has_element(fv_rewriter *w, fv_op *op) FV_MUST_USE;
bool fv_decompose_optional_get_element(fv_rewriter *w, fv_op *op) FV_MUST_USE;

#endif
