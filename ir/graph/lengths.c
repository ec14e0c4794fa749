/* lengths.c - see lengths.h. */
#include "ir/graph/lengths.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"

static const fv_operand_def *def_of(const fv_op *op, int i) {
    return fv_opdef_operand(op->def->in, FV_MAX_IN, i);
}

/* The position of the operand of that name in the entry; -1: the entry has none. */
static int find_operand(const fv_opdef *d, const char *name) {
    for (int i = 0; i < FV_MAX_IN && d->in[i].name; i++)
        if (!strcmp(d->in[i].name, name))
            return i;
    return -1;
}

/* The type of operand i if it is a tensor, else NULL. */
static const fv_type *tensor_in(const fv_op *op, int i) {
    const fv_type *t = fv_in_type(op, i);
    return t && t->kind == FV_TENSOR ? t : NULL;
}

/* The length of operand i if it is a vector of constant length, else -1. */
static int64_t known_length(const fv_op *op, int i) {
    const fv_type *t = tensor_in(op, i);
    return t && t->rank == 1 && fv_dim_is_const(t->dims[0]) ? t->dims[0]->value : -1;
}

/* The number of axes that the length of some operand implies; -1: that of none is known. */
static int axes_by_length(const fv_op *op) {
    for (int i = 0; i < op->nin; i++) {
        const fv_operand_def *d = def_of(op, i);
        int64_t n = known_length(op, i);
        if (!d || d->rank.length.kind != FV_AXES_LENGTH || n > FV_MAX_ELEMS || n < 0 ||
            (!n && d->rank.length.none))
            continue;
        if (n % d->rank.length.times == 0)
            return (int)n / d->rank.length.times;
    }
    return -1;
}

static int axes_by_rank(const fv_op *op, const fv_length_def *l) {
    const fv_type *t = l->of ? tensor_in(op, find_operand(op->def, l->of)) : NULL;
    return t && t->rank >= l->less ? t->rank - l->less : -1;
}

/* The number of axes that operands of FV_AXES_LENGTH are about; -1: it is not known. */
static int axes_of(const fv_op *op, const fv_length_def *l) {
    int at = find_operand(op->def, "axes");
    const fv_attr *a = at < 0 ? fv_op_find_attr(op, "axes") : NULL;
    if (a)
        return a->n;
    if (at >= 0 && fv_op_in(op, at))
        return axes_by_length(op);
    int known = l->fewer || !l->of ? axes_by_length(op) : -1;
    return known >= 0 ? known : axes_by_rank(op, l);
}

int fv_op_length(const fv_op *op, int in) {
    const fv_rank_def *r = &def_of(op, in)->rank;
    const fv_length_def *l = &r->length;
    int axes;
    switch (l->kind) {
    case FV_ANY_LENGTH: return r->scalar ? 1 : -1;
    case FV_FIXED_LENGTH: return l->times;
    case FV_RESULTS_LENGTH: return op->nout;
    case FV_AXES_LENGTH: axes = axes_of(op, l); return axes < 0 ? -1 : axes * l->times;
    }
    return -1;
}
