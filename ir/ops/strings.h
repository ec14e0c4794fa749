/* strings.h - operators that take numbers, too, where their operands are strings: .strings of their entries. */
#ifndef FV_IR_OPS_STRINGS_H
#define FV_IR_OPS_STRINGS_H

#include "ir/graph/rewriter.h"

bool fv_equal_strings(fv_rewriter *w, fv_op *op) FV_MUST_USE;

#endif
