/* instruction.h - what single instructions of targets compute: ir/expr/instruction.def. */
#ifndef FV_IR_EXPR_INSTRUCTION_H
#define FV_IR_EXPR_INSTRUCTION_H

#include "ir/expr/expr.h"
#include "ir/target/target.h"

/* An element of a result, of the elements of the operands that it depends on. */
typedef void (*fv_lane_fn)(const void *in, void *out);

typedef struct fv_instruction {
    const char *name;
    fv_expr_op op;
    fv_ktype in, out;
    fv_feature_id feature;
    const char *llvm, *c;
    fv_lane_fn lane;
    const char *meaning;
} fv_instruction;

int fv_instructions(void);
const fv_instruction *fv_instruction_at(int i);

/* Has the target an instruction for the operation on elements of these types, of any lanes? */
bool fv_instruction_has(const fv_target *t, fv_expr_op op, fv_elem in, fv_elem out) FV_MUST_USE;
/* The row for a result of so many lanes; NULL: the target has none, or no registers as wide. */
const fv_instruction *fv_instruction_find(const fv_target *t, fv_expr_op op, fv_elem in,
                                          fv_elem out, int lanes);
/* The meaning of the operation on elements of these types; NULL: no target has an instruction. */
fv_lane_fn fv_instruction_lane(fv_expr_op op, fv_elem in, fv_elem out);

#endif
