/* definitions.c - the op that is its definition; the steps from one state of definitions to the next. */
#include "ir/definition/definitions.h"

#include <string.h>

#include "ir/base/text.h"
#include "ir/catalogue/op.h"

enum { LONGEST_STEM = 80 };

/* ---- steps ---- */

const char *const *fv_lower_steps(void) {
#define STEP(id) #id,
    static const char *const names[] = {FV_LOWER_STEPS(STEP) NULL};
#undef STEP
    return names;
}

static int number_of(const char *step) {
    const char *const *names = fv_lower_steps();
    int i = 0;
    while (names[i] && strcmp(names[i], step))
        i++;
    return i;
}

bool fv_step_comes(const char *after, const char *step) {
    int number = number_of(step);
    return fv_lower_steps()[number] && number > number_of(after);
}

/* ---- dims of data ---- */

static bool dim_is_told(const fv_dim *d, const fv_type *by) {
    bool told = d->kind != FV_DIM_SYMBOL || !d->from_data;
    for (int i = 0; i < by->rank && !told; i++)
        told = fv_dim_mentions(by->dims[i], d);
    for (int i = 0; i < d->n && told; i++)
        told = dim_is_told(d->arg[i], by);
    return told;
}

bool fv_type_is_told(const fv_type *t, const fv_type *by) {
    for (int i = 0; i < t->rank; i++)
        if (!dim_is_told(t->dims[i], by))
            return false;
    return true;
}

/* ---- define ---- */

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
