/* instruction.h - single instructions of targets and what they compute; the table is
 * ir/expr/instruction.def. */
#ifndef FV_IR_EXPR_INSTRUCTION_H
#define FV_IR_EXPR_INSTRUCTION_H

#include "ir/expr/expr.h"
#include "ir/target/target.h"

/* Computes one element of a result from the elements of the operands on which it depends; `in` has
 * these one after the other. */
typedef void (*fv_lane_fn)(const void *in, void *out);

typedef struct fv_instruction {
    const char *name;
    fv_expr_op op;
    fv_ktype in, out; /* types and lanes of each operand and of the result */
    fv_feature_id feature;
    const char *llvm, *c;
    fv_lane_fn lane;
    const char *meaning;
} fv_instruction;

int fv_instructions(void);
const fv_instruction *fv_instruction_at(int i);

/* Does the target have an instruction, with any number of lanes, for the operation on elements of
 * these types? */
bool fv_instruction_has(const fv_target *t, fv_expr_op op, fv_elem in, fv_elem out) FV_MUST_USE;
/* The row for a result with that number of lanes; NULL: the target has no such instruction or no
 * registers of that width. */
const fv_instruction *fv_instruction_find(const fv_target *t, fv_expr_op op, fv_elem in,
                                          fv_elem out, int lanes);
/* The function that computes one element of the operation on elements of these types; NULL: no
 * instruction of any target does it. */
fv_lane_fn fv_instruction_lane(fv_expr_op op, fv_elem in, fv_elem out);

#endif
