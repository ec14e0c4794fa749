/* upgrade.c - upgrades from older opsets that several families use. */
#include "ops/common/upgrade.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

/* Before opset 7 the second operand broadcast only if the attribute `broadcast` was set; its axes
 * then correspond to those of the first operand from `axis` on (default: to the last ones). */
bool fv_upgrade_broadcast(fv_op *op, int version) {
    int64_t broadcast = fv_op_int_of(op, "broadcast", version),
            axis = fv_op_int_or(op, "axis", INT64_MAX);
    fv_op_drop_attr(op, "broadcast");
    fv_op_drop_attr(op, "axis");
    fv_op_drop_attr(op, "consumed_inputs");
    if (version >= 7 || !broadcast || axis == INT64_MAX)
        return true;
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    if (!a || !b)
        return true; /* the check of the op reports missing operands */
    if (axis < 0)
        axis += a->rank;
    if (axis < 0 || axis + b->rank > a->rank)
        return fv_op_error(op, "axis %lld does not fit ranks %d and %d", (long long)axis, a->rank,
                           b->rank);
    fv_module *m = fv_op_module(op);
    const fv_dim *dims[FV_MAX_RANK];
    int rank = a->rank - (int)axis;
    for (int i = 0; i < rank; i++)
        dims[i] = i < b->rank ? b->dims[i] : fv_dim_const(m->dims, 1);
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *r = fv_w_reshape(&w, op->in[1], rank, dims);
    if (!r)
        return false;
    fv_op_set_in(op, 1, r);
    return true;
}

bool fv_upgrade_attr_to_ints(fv_op *op, const char *attr, int in) {
    int n;
    const int64_t *v = fv_op_ints(op, attr, &n);
    if (!v)
        return true;
    fv_value *c = fv_const_ints(fv_op_module(op), attr, n, v);
    fv_op_drop_attr(op, attr);
    fv_op_set_in(op, in, c);
    return true;
}

bool fv_upgrade_attr_to_float(fv_op *op, const char *attr, int in) {
    const fv_attr *a = fv_op_find_attr(op, attr);
    if (!a || a->kind != FV_ATTR_FLOAT)
        return true;
    fv_elem e = fv_in_type(op, 0)->elem;
    if (!fv_elem_is_float(e))
        return fv_op_error(op, "attribute '%s' is a float, the data are %s", attr, fv_elem_name(e));
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *c = fv_w_float(&w, e, (double)a->u.f);
    fv_op_drop_attr(op, attr);
    fv_op_set_in(op, in, c);
    return true;
}

bool fv_upgrade_replace(fv_op *op, fv_value *v) {
    /* the importer gives names to op's results only after this; an op that was made for the upgrade
     * takes the name of the result */
    if (v->kind == FV_VALUE_RESULT && v->def->origin == op->origin && op->out[0])
        fv_value_take_name(fv_op_module(op), v, op->out[0]);
    op->def = fv_op_def(FV_OP_Identity);
    op->nattrs = 0;
    while (op->nin > 1) {
        fv_op_set_in(op, op->nin - 1, NULL);
        op->nin--;
    }
    fv_op_set_in(op, 0, v);
    return true;
}
