/* definitions.c - the op that is its definition. */
#include "ir/definition/definitions.h"

#include <string.h>

#include "ir/base/text.h"
#include "ir/catalogue/op.h"

enum { LONGEST_STEM = 80 };

/* Its type is what is written; its kernel's name is part of names in C. */
static bool infer_define(fv_op *op) {
    const char *stem = fv_op_stem(op);
    if (op->nout != 1 || !op->out[0])
        return fv_op_error(op, "has one result");
    return (fv_is_name(stem) && strlen(stem) <= LONGEST_STEM) || fv_op_error(op, "op = \"%.80s\" is no name", stem);
}

const fv_opdef fv_define_def = {
    .name = "define",
    .domain = "",
    .since = {1},
    .doc = "what its definition says",
    .in = {{"loads", "T", FV_VARIADIC, -1}},
    .out = {{"result", "R"}},
    .attrs = {FV_A_OPTIONAL("op", STRING)},
    .types = {{"T", FV_SET_ANY}, {"R", FV_SET_ANY}},
    .infer = infer_define,
};

const char *fv_op_stem(const fv_op *op) {
    return op->def == &fv_define_def ? fv_op_string_or(op, "op", op->def->name).s : op->def->name;
}
