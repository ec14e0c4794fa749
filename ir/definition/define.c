/* define.c - makes the definitions of an op from its formula or by its function .define. */
#include "ir/definition/define.h"

#include "ir/definition/formula.h"
#include "ir/graph/infer.h"

bool fv_define(fv_arena *a, fv_op *op, fv_definition **out) {
    fv_definer d = {.module = fv_op_module(op), .arena = a, .op = op, .out = out};
    if (op->def->formula)
        return fv_formula_define(&d, op->def->formula);
    return op->def->define && op->def->define(&d, op);
}
