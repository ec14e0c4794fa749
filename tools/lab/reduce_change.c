/* reduce_change.c - see reduce_change.h. */
#include "tools/lab/reduce_change.h"

#include <string.h>

#include "ir/graph/infer.h"
#include "passes/passes.h"

/* largest number of bytes of a constant of zeros that replaces ops */
#define MOST_ZEROS ((size_t)64 << 20)

/* ---- results ---- */

/* Replaces the results of the function; declarations of states and their capacities are removed. */
static void set_results(fv_module *m, int n, fv_value **results, const char **names) {
    fv_func *f = m->funcs;
    f->result_names = names;
    f->states = NULL;
    f->capacity = NULL;
    fv_region_return(f->body, n, results);
}

/* Keeps the results for which `keeps` returns true. False: none or all would be kept. */
static bool keep_results(fv_module *m,
                         bool (*keeps)(const fv_reduce_change *c, const fv_value *v, int i),
                         const fv_reduce_change *c) {
    const fv_func *f = m->funcs;
    const fv_op *ret = f->body->last;
    fv_value **results = FV_NEW(m->arena, fv_value *, ret->nin + 1);
    const char **names = FV_NEW(m->arena, const char *, ret->nin + 1);
    int n = 0;
    for (int i = 0; i < ret->nin; i++)
        if (keeps(c, ret->in[i], i)) {
            results[n] = ret->in[i];
            names[n++] = f->result_names[i];
        }
    if (!n || n == ret->nin)
        return false;
    set_results(m, n, results, names);
    return true;
}

static bool is_it(const fv_reduce_change *c, const fv_value *v, int i) {
    return (void)v, i == c->at;
}
static bool is_another(const fv_reduce_change *c, const fv_value *v, int i) {
    return (void)v, i != c->at;
}

/* ---- ops ---- */

/* Can a value of this type be an input? Each dim must be a number, or a symbol that the caller
 * chooses. */
static bool can_be_input(const fv_type *t) {
    bool can = t->kind == FV_TENSOR;
    for (int i = 0; can && i < t->rank; i++)
        can = fv_dim_is_const(t->dims[i]) ||
              (t->dims[i]->kind == FV_DIM_SYMBOL && !t->dims[i]->from_data);
    return can;
}

static fv_value *zeros_of(fv_module *m, const fv_value *v) {
    int64_t dims[FV_MAX_RANK];
    size_t count, bytes;
    if (v->type->kind != FV_TENSOR || v->type->elem == FV_STRING)
        return NULL;
    for (int i = 0; i < v->type->rank; i++) {
        if (!fv_dim_is_const(v->type->dims[i]))
            return NULL;
        dims[i] = v->type->dims[i]->value;
    }
    if (!fv_tensor_size(v->type->elem, v->type->rank, dims, &count, &bytes) || bytes > MOST_ZEROS)
        return NULL;
    return fv_const_new(m, v->name, fv_tensor_new(m->arena, v->type->elem, v->type->rank, dims));
}

static fv_value *operand_like(const fv_value *v) {
    for (int i = 0; i < v->def->nin; i++)
        if (v->def->in[i] && v->def->in[i]->type && fv_type_equal(v->def->in[i]->type, v->type))
            return v->def->in[i];
    return NULL;
}

static fv_value *stand_in(fv_module *m, const fv_reduce_change *c, const fv_value *v) {
    if (c->kind == FV_OPS_SKIPPED)
        return operand_like(v);
    if (c->kind == FV_OPS_TO_ZEROS)
        return zeros_of(m, v);
    return can_be_input(v->type) ? fv_param_new(m->funcs->body, v->name, v->type) : NULL;
}

/* Marks the ops of main that are removed. False: main has fewer ops. */
static bool mark_ops(fv_module *m, const fv_reduce_change *c) {
    int i = 0;
    for (fv_op *op = m->funcs->body->first; op; op = op->next, i++)
        op->mark = i >= c->at && i < c->at + c->count;
    return c->at + c->count < i; /* the last op is `return`, which stays */
}

static bool is_removed(const fv_value *v) {
    return v->kind == FV_VALUE_RESULT && v->def->mark;
}

typedef struct results {
    fv_value **values;
    const char **names;
    int n, cap;
} results;

static void add_result(fv_module *m, results *r, fv_value *v, const char *name) {
    int n = r->n, cap = r->cap;
    FV_PUSH(m->arena, r->names, n, cap, name);
    FV_PUSH(m->arena, r->values, r->n, r->cap, v);
}

/* Removes results that the removed ops compute. If no result is left, the values that these ops
 * read become the results. */
static bool move_results(fv_module *m) {
    const fv_func *f = m->funcs;
    const fv_op *ret = f->body->last;
    results r = {0};
    for (int i = 0; i < ret->nin; i++)
        if (!is_removed(ret->in[i]))
            add_result(m, &r, ret->in[i], f->result_names[i]);
    if (r.n == ret->nin)
        return true;
    bool moves = !r.n;
    for (const fv_op *op = f->body->first; moves && op; op = op->next)
        for (int i = 0; op->mark && i < op->nin; i++)
            if (op->in[i] && op->in[i]->kind == FV_VALUE_RESULT && !is_removed(op->in[i]) &&
                op->in[i]->type->kind == FV_TENSOR)
                add_result(m, &r, op->in[i], op->in[i]->name);
    if (!r.n)
        return false;
    set_results(m, r.n, r.values, r.names);
    return true;
}

/* Does an op that is not removed read v? */
static bool is_read_outside(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *user = v->uses[i].op;
        while (user->block->parent) /* finds the op of main that contains the user */
            user = user->block->parent;
        if (!user->mark)
            return true;
    }
    return false;
}

static bool remove_ops(fv_module *m, const fv_reduce_change *c) {
    if (!mark_ops(m, c) || (c->kind != FV_OPS_SKIPPED && !move_results(m)))
        return false;
    for (fv_op *op = m->funcs->body->first; op; op = op->next)
        for (int i = 0; op->mark && i < op->nout; i++) {
            fv_value *instead =
                op->out[i] && is_read_outside(op->out[i]) ? stand_in(m, c, op->out[i]) : op->out[i];
            if (instead && instead != op->out[i])
                fv_replace_uses(op->out[i], instead);
            else if (op->out[i] && is_read_outside(op->out[i]))
                return false;
        }
    return true;
}

/* ---- dims ---- */

/* The elements of t whose indices are below the new dims. */
static const fv_tensor *cut(fv_module *m, const fv_tensor *t, const int64_t *dims) {
    fv_tensor *out = fv_tensor_new(m->arena, t->elem, t->rank, dims);
    for (size_t i = 0; i < out->count; i++) {
        size_t at = 0, stride = 1, rest = i;
        for (int k = t->rank - 1; k >= 0; k--) {
            at += rest % (size_t)dims[k] * stride;
            rest /= (size_t)dims[k];
            stride *= (size_t)t->dims[k];
        }
        if (fv_elem_is_float(t->elem))
            fv_tensor_set_float(out, i, fv_tensor_float(t, at));
        else
            fv_tensor_set_int(out, i, fv_tensor_int(t, at));
    }
    return out;
}

static bool is_plain(fv_elem e) {
    return fv_elem_is_float(e) || fv_elem_is_int(e) || e == FV_BOOL;
}

/* Cuts a constant to smaller dims. In a constant of a few integers, which may be a shape, the old
 * number is also replaced by the new one. */
static void cut_constant(fv_module *m, fv_value *v, const fv_reduce_change *c) {
    enum { LONGEST = 16 };
    const fv_tensor *t = v->tensor;
    int64_t dims[FV_MAX_RANK];
    bool smaller = false, is_list = t->elem == FV_I64 && t->rank <= 1 && t->count <= LONGEST;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = t->dims[i] == c->from ? c->to : t->dims[i];
        smaller |= dims[i] != t->dims[i];
    }
    if (smaller && is_plain(t->elem))
        t = cut(m, t, dims);
    if (is_list) {
        fv_tensor *copy = fv_tensor_new(m->arena, t->elem, t->rank, t->dims);
        for (size_t i = 0; i < t->count; i++)
            fv_tensor_set_int(copy, i,
                              fv_tensor_int(t, i) == c->from ? c->to : fv_tensor_int(t, i));
        t = copy;
    }
    if (t == v->tensor)
        return;
    fv_value *w = fv_const_new(m, v->name, t);
    fv_replace_uses(v, w);
    fv_value_take_name(m, w, v);
}

static const fv_type *with_dim(fv_module *m, const fv_type *t, const fv_reduce_change *c) {
    const fv_dim *dims[FV_MAX_RANK];
    if (t->kind != FV_TENSOR)
        return t;
    for (int i = 0; i < t->rank; i++)
        dims[i] = fv_dim_is_const(t->dims[i]) && t->dims[i]->value == c->from
                      ? fv_dim_const(m->dims, c->to)
                      : t->dims[i];
    return fv_tensor_type(m->arena, t->elem, t->rank, dims);
}

static void change_attrs(fv_module *m, fv_op *op, const fv_reduce_change *c) {
    for (int i = 0; i < op->nattrs; i++) {
        const fv_attr *a = &op->attrs[i];
        if (a->kind == FV_ATTR_DIMS) {
            const fv_dim **dims = FV_NEW(m->arena, const fv_dim *, a->n + 1);
            for (int k = 0; k < a->n; k++)
                dims[k] = fv_dim_is_const(a->u.dims[k]) && a->u.dims[k]->value == c->from
                              ? fv_dim_const(m->dims, c->to)
                              : a->u.dims[k];
            fv_op_set_dims(op, a->name, a->n, dims);
        } else if (a->kind == FV_ATTR_INTS) {
            int64_t *ints = FV_NEW(m->arena, int64_t, a->n + 1);
            for (int k = 0; k < a->n; k++)
                ints[k] = a->u.ints[k] == c->from ? c->to : a->u.ints[k];
            fv_op_set_ints(op, a->name, a->n, ints);
        }
    }
}

/* Infers the types of all results again. False: there are ops with regions, or inference failed. */
static bool infer_again(fv_module *m) {
    for (fv_op *op = m->funcs->body->first; op && op->def != &fv_return_def; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                return false;
        for (int i = 0; i < op->nout; i++)
            if (op->out[i]) {
                op->out[i]->type = NULL;
                op->out[i]->elems = NULL;
                op->out[i]->nelems = 0;
            }
        if (!fv_op_infer(op))
            return false;
    }
    return true;
}

static bool make_smaller(fv_module *m, const fv_reduce_change *c) {
    const fv_region *body = m->funcs->body;
    for (int i = 0; i < body->nparams; i++)
        body->params[i]->type = with_dim(m, body->params[i]->type, c);
    for (int i = 0, n = m->nconsts; i < n; i++)
        if (m->consts[i]->nuses)
            cut_constant(m, m->consts[i], c);
    for (fv_op *op = body->first; op; op = op->next)
        change_attrs(m, op, c);
    return infer_again(m);
}

/* ---- weights and attributes ---- */

static bool is_zero(const fv_tensor *t) {
    const unsigned char *p = t->data;
    return !t->bytes || (!p[0] && !memcmp(p, p + 1, t->bytes - 1));
}

static bool zero_weights(fv_module *m, const fv_reduce_change *c) {
    int at = c->at;
    for (int i = 0; i < m->nconsts; i++) {
        fv_value *v = m->consts[i];
        if (!v->nuses || at-- > 0)
            continue;
        if (!is_plain(v->tensor->elem) || is_zero(v->tensor))
            return false;
        fv_value *w = fv_const_new(
            m, v->name, fv_tensor_new(m->arena, v->tensor->elem, v->tensor->rank, v->tensor->dims));
        fv_replace_uses(v, w);
        fv_value_take_name(m, w, v);
        return infer_again(m);
    }
    return false;
}

static bool drop_attribute(fv_module *m, const fv_reduce_change *c) {
    int at = c->at;
    for (fv_op *op = m->funcs->body->first; op; op = op->next) {
        if (at >= op->nattrs) {
            at -= op->nattrs;
            continue;
        }
        if (op->attrs[at].kind == FV_ATTR_REGION)
            return false;
        fv_op_drop_attr(op, op->attrs[at].name);
        return infer_again(m);
    }
    return false;
}

/* ---- all ---- */

/* Removes inputs that nothing reads, unless that are all. An input with a symbol in its dims is
 * kept, because it may be the only one that determines the symbol. */
static void drop_inputs(fv_module *m) {
    fv_region *body = m->funcs->body;
    int n = 0;
    for (int i = 0; i < body->nparams; i++) {
        fv_value *v = body->params[i];
        bool keep = v->nuses || v->type->kind != FV_TENSOR;
        for (int k = 0; !keep && k < v->type->rank; k++)
            keep = !fv_dim_is_const(v->type->dims[k]);
        if (keep) {
            v->index = n;
            body->params[n++] = v;
        }
    }
    if (n)
        body->nparams = n;
}

bool fv_reduce_change_make(fv_module *m, const fv_reduce_change *c) {
    static const char *const sweep[] = {"remove-dead", NULL};
    bool ok = false;
    switch (c->kind) {
    case FV_KEEP_RESULT: ok = keep_results(m, is_it, c); break;
    case FV_DROP_RESULT: ok = keep_results(m, is_another, c); break;
    case FV_OPS_TO_INPUTS:
    case FV_OPS_TO_ZEROS:
    case FV_OPS_SKIPPED: ok = remove_ops(m, c); break;
    case FV_SMALLER_DIM: ok = make_smaller(m, c); break;
    case FV_ZERO_WEIGHTS: ok = zero_weights(m, c); break;
    case FV_DROP_ATTRIBUTE: ok = drop_attribute(m, c); break;
    }
    if (!ok || !fv_run_passes(m, sweep, NULL))
        return false;
    drop_inputs(m);
    return true;
}
