/* rewriter.c - functions with which expansions of the catalogue build ops, and which replace one op
 * by others. */
#include "ir/graph/rewriter.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/settle.h"
#include "ir/graph/symbols.h"

static fv_op *new_op(fv_rewriter *w, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                     const fv_attr *attrs, int nout) {
    if (w->failed)
        return NULL;
    for (int i = 0; i < nin; i++) {
        int k = i < FV_MAX_IN ? i : FV_MAX_IN - 1;
        while (k > 0 && !def->in[k].name)
            k--;
        if (!in[i] && def->in[k].arity != FV_OPTIONAL_OPERAND) {
            w->failed = true;
            return NULL;
        }
    }
    const char *stem = w->at->nout && w->at->out[0] ? w->at->out[0]->name : def->name;
    const char **outs = FV_NEW(w->module->arena, const char *, nout);
    for (int i = 0; i < nout; i++)
        outs[i] = stem;
    fv_op *op = fv_op_new(w->at->block, w->at, def, nin, in, nout, outs, w->at->origin);
    for (int i = 0; i < nattrs; i++)
        if (attrs[i].name)
            fv_op_attr(op, &attrs[i]);
    if (!fv_op_infer(op)) {
        w->failed = true;
        return NULL;
    }
    return op;
}

fv_op *fv_w_op_n(fv_rewriter *w, fv_op_id op, int nin, fv_value *const *in, int nattrs,
                 const fv_attr *attrs, int nout) {
    return new_op(w, fv_op_def(op), nin, in, nattrs, attrs, nout);
}

fv_op *fv_w_def_n(fv_rewriter *w, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                  const fv_attr *attrs, int nout) {
    return new_op(w, def, nin, in, nattrs, attrs, nout);
}

fv_value *fv_w_def(fv_rewriter *w, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                   const fv_attr *attrs) {
    fv_op *op = new_op(w, def, nin, in, nattrs, attrs, 1);
    return op ? op->out[0] : NULL;
}

fv_value *fv_w_op(fv_rewriter *w, fv_op_id op, int nin, fv_value *const *in, int nattrs,
                  const fv_attr *attrs) {
    return fv_w_def(w, fv_op_def(op), nin, in, nattrs, attrs);
}

/* ---- attributes ---- */

static fv_attr attr(fv_module *m, const char *name, fv_attr_kind kind) {
    return (fv_attr){.name = fv_intern(m->session, name), .kind = kind};
}

fv_attr fv_attr_int(fv_module *m, const char *name, int64_t v) {
    fv_attr a = attr(m, name, FV_ATTR_INT);
    a.u.i = v;
    return a;
}

fv_attr fv_attr_float(fv_module *m, const char *name, float v) {
    fv_attr a = attr(m, name, FV_ATTR_FLOAT);
    a.u.f = v;
    return a;
}

fv_attr fv_attr_ints(fv_module *m, const char *name, int n, const int64_t *v) {
    fv_attr a = attr(m, name, FV_ATTR_INTS);
    int64_t *copy = FV_NEW(m->arena, int64_t, n + 1);
    if (n)
        memcpy(copy, v, (size_t)n * sizeof *v);
    a.n = n;
    a.u.ints = copy;
    return a;
}

fv_attr fv_attr_dims(fv_module *m, const char *name, int n, const fv_dim *const *v) {
    fv_attr a = attr(m, name, FV_ATTR_DIMS);
    const fv_dim **copy = FV_NEW(m->arena, const fv_dim *, n + 1);
    if (n)
        memcpy(copy, v, (size_t)n * sizeof *v);
    a.n = n;
    a.u.dims = copy;
    return a;
}

fv_attr fv_attr_string(fv_module *m, const char *name, const char *v) {
    fv_attr a = attr(m, name, FV_ATTR_STRING);
    a.u.s = (fv_string){fv_strdup(m->arena, v), strlen(v)};
    return a;
}

fv_attr fv_attr_elem(fv_module *m, const char *name, fv_elem e) {
    fv_attr a = attr(m, name, FV_ATTR_TYPE);
    a.u.type = fv_tensor_type(m->arena, e, 0, NULL);
    return a;
}

/* ---- common ops ---- */

fv_value *fv_w_cast(fv_rewriter *w, fv_value *x, fv_elem to) {
    if (!x || x->type->elem == to)
        return x;
    fv_attr a = fv_attr_int(w->module, "to", to);
    return fv_w_op(w, FV_OP_Cast, 1, &x, 1, &a);
}

fv_value *fv_w_float(fv_rewriter *w, fv_elem e, double v) {
    return fv_const_float(w->module, "c", e, v);
}

fv_value *fv_w_int(fv_rewriter *w, fv_elem e, int64_t v) {
    if (fv_elem_is_float(e))
        return fv_w_float(w, e, (double)v);
    FV_HOLDS(w->module->session, fv_elem_is_int(e) || e == FV_BOOL);
    fv_tensor *t = fv_tensor_new(w->module->arena, e, 0, NULL);
    fv_tensor_set_int(t, 0, v);
    return fv_const_new(w->module, "c", t);
}

static bool dims_equal(const fv_type *t, int rank, const fv_dim *const *dims) {
    if (t->rank != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (t->dims[i] != dims[i])
            return false;
    return true;
}

fv_value *fv_w_reshape(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims) {
    if (!x || dims_equal(x->type, rank, dims))
        return x;
    fv_attr a = fv_attr_dims(w->module, "dims", rank, dims);
    return fv_w_op(w, FV_OP_fv_Reshape, 1, &x, 1, &a);
}

fv_value *fv_w_transpose(fv_rewriter *w, fv_value *x, const int *perm) {
    if (!x)
        return NULL;
    int64_t p[FV_MAX_RANK];
    bool identity = true;
    for (int i = 0; i < x->type->rank; i++) {
        p[i] = perm[i];
        identity &= perm[i] == i;
    }
    if (identity)
        return x;
    fv_attr a = fv_attr_ints(w->module, "perm", x->type->rank, p);
    return fv_w_op(w, FV_OP_Transpose, 1, &x, 1, &a);
}

fv_value *fv_w_expand(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims) {
    if (!x || dims_equal(x->type, rank, dims))
        return x;
    fv_attr a = fv_attr_dims(w->module, "dims", rank, dims);
    return fv_w_op(w, FV_OP_fv_Expand, 1, &x, 1, &a);
}

fv_value *fv_w_zeros(fv_rewriter *w, const fv_type *t) {
    fv_value *zero =
        fv_const_new(w->module, "c", fv_tensor_new(w->module->arena, t->elem, 0, NULL));
    return fv_w_expand(w, zero, t->rank, t->dims);
}

fv_value *fv_w_slice(fv_rewriter *w, fv_value *x, const fv_dim *const *start,
                     const fv_dim *const *step, const fv_dim *const *dims) {
    if (!x)
        return NULL;
    bool whole = dims_equal(x->type, x->type->rank, dims);
    for (int i = 0; i < x->type->rank && whole; i++)
        whole = fv_dim_is_const(start[i]) && start[i]->value == 0 && fv_dim_is_const(step[i]) &&
                step[i]->value == 1;
    if (whole)
        return x;
    int r = x->type->rank;
    fv_attr a[3] = {fv_attr_dims(w->module, "start", r, start),
                    fv_attr_dims(w->module, "step", r, step),
                    fv_attr_dims(w->module, "dims", r, dims)};
    return fv_w_op(w, FV_OP_fv_Slice, 1, &x, 3, a);
}

/* ---- integers and dims ---- */

static bool are_const(int n, const fv_dim *const *dims) {
    for (int i = 0; i < n; i++)
        if (!fv_dim_is_const(dims[i]))
            return false;
    return true;
}

void fv_w_bind(fv_rewriter *w, fv_value *v, int n, const fv_dim *const *dims) {
    if (!v || w->failed)
        return;
    fv_module *m = w->module;
    const fv_dim *symbols[FV_MAX_ELEMS] = {0};
    for (int i = 0; i < n; i++) {
        bool binds = dims[i]->kind == FV_DIM_SYMBOL && dims[i]->from_data;
        symbols[i] = binds ? dims[i]
                           : fv_dim_fresh(m->dims, fv_printf(m->arena, "%s_%d", v->name, i),
                                          -FV_DIM_MAX, FV_DIM_MAX, true);
    }
    fv_set_elems(v, n, symbols);
    fv_op *bind =
        fv_op_new(w->at->block, w->at, fv_op_def(FV_OP_fv_Bind), 1, &v, 0, NULL, w->at->origin);
    fv_op_set_dims(bind, "symbols", n, symbols);
    /* added after the op, since assumptions in a branch must follow the definition of their
     * symbols */
    for (int i = 0; i < n; i++)
        if (symbols[i] != dims[i] &&
            !fv_module_require(m, symbols[i], dims[i], fv_op_why(w->at, "declared shape"),
                               fv_printf(m->arena, "the size that data gives is %s",
                                         fv_dim_str(m->arena, dims[i]))))
            w->failed = !fv_op_error(w->at, "no size is %s", fv_dim_str(m->arena, dims[i]));
}

fv_value *fv_w_ints(fv_rewriter *w, fv_elem e, int rank, int n, const fv_dim *const *elems) {
    fv_module *m = w->module;
    if (are_const(n, elems)) {
        int64_t size = n;
        fv_tensor *t = fv_tensor_new(m->arena, e, rank, &size);
        for (int i = 0; i < n; i++)
            fv_tensor_set_int(t, (size_t)i, elems[i]->value);
        return fv_const_new(m, "dims", t);
    }
    fv_attr a[3] = {fv_attr_dims(m, "values", n, elems), fv_attr_elem(m, "to", e),
                    fv_attr_int(m, "rank", rank)};
    return fv_w_op(w, FV_OP_fv_Ints, 0, NULL, 3, a);
}

const fv_dim *fv_w_bound(fv_rewriter *w, const char *stem, int64_t lo, fv_value *x) {
    const fv_dim *d = fv_dim_fresh(w->module->dims, stem, lo, FV_DIM_MAX, true),
                 *one = fv_dim_const(w->module->dims, 1);
    fv_w_bind(w, x ? fv_w_reshape(w, x, 1, &one) : NULL, 1, &d);
    return d;
}

/* ---- replacing ---- */

fv_rewriter fv_rewriter_at(fv_op *op) {
    return (fv_rewriter){.module = fv_op_module(op), .at = op, .before = op->prev};
}

static bool is_new(const fv_rewriter *w, const fv_value *v) {
    for (const fv_op *op = w->at->prev; op != w->before; op = op->prev)
        if (op == v->def)
            return true;
    return false;
}

/* Element e of `old` was unknown, so a Bind made a symbol of it; now it is known to be `dim`, which
 * replaces the symbol everywhere. (Parsing the printed module would give the same.) */
static void tell_elem(fv_module *m, const fv_value *old, int e, const fv_dim *dim) {
    const fv_dim *symbol = old->elems[e];
    bool bound = false;
    if (symbol->kind == FV_DIM_SYMBOL && !fv_module_dim_may_be(m, symbol, dim))
        /* if the dim is outside of the symbol's bounds, every run fails at the Bind, with a
         * message */
        return;
    for (int i = 0; i < old->nuses; i++) {
        fv_op *bind = old->uses[i].op;
        const fv_attr *a = fv_op_is(bind, FV_OP_fv_Bind) ? fv_op_find_attr(bind, "symbols") : NULL;
        if (!a || e >= a->n || a->u.dims[e] != symbol)
            continue;
        const fv_dim **symbols = FV_NEW(m->arena, const fv_dim *, a->n);
        memcpy(symbols, a->u.dims, (size_t)a->n * sizeof *symbols);
        /* the Bind binds an unused symbol instead */
        symbols[e] = fv_dim_fresh(m->dims, symbol->name, symbol->lo, symbol->hi, true);
        fv_op_set_dims(bind, "symbols", a->n, symbols);
        bound = true;
    }
    if (bound)
        fv_module_replace_dim(m, symbol, dim);
}

void fv_replace_known(fv_value *old, fv_value *v) {
    const fv_region *r = old->def ? old->def->block : old->block;
    fv_module *m = fv_region_module(r);
    bool known = v->elems || (v->kind == FV_VALUE_CONST && fv_const_elems(m, v));
    for (int e = 0; old->elems && known && e < old->nelems && e < v->nelems; e++)
        if (v->elems[e] != old->elems[e])
            tell_elem(m, old, e, v->elems[e]);
    if (old->elems && !known)
        fv_set_elems(v, old->nelems, old->elems);
    fv_replace_uses(old, v);
}

/* Dims of `old` that depend on data were symbols that its op bound. Where the new value has other
 * dims, these replace the symbols everywhere. */
static void tell_dims(const fv_rewriter *w, const fv_value *old, const fv_value *v) {
    for (int k = 0; k < old->type->rank; k++) {
        const fv_dim *said = old->type->dims[k];
        if (said != v->type->dims[k] && said->kind == FV_DIM_SYMBOL &&
            fv_unknown_above(w->at, said))
            fv_module_replace_dim(w->module, said, v->type->dims[k]);
    }
}

/* Infers each If again that returns v from a branch, since parsing the printed module does. What it
 * declares for its results is then known to equal the dims of v. */
static bool settle_branches(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *end = v->uses[i].op;
        fv_op *around = end == end->block->last ? end->block->parent : NULL;
        if (around && fv_op_is(around, FV_OP_If) && !fv_op_settle(around))
            return false;
    }
    return true;
}

/* Within a region, v may have other dims than the value that it replaces, equal by an assumption of
 * the region. A new value declares the old dims, so that no op around the region, which may not be
 * executed, gets other dims. */
static bool keep_dims(fv_rewriter *w, const fv_type *old, fv_value *v) {
    if (!w->at->block->parent || !old || fv_type_equal(old, v->type))
        return true;
    if (!is_new(w, v))
        return settle_branches(v);
    v->type = old;
    return true;
}

void fv_w_result(fv_rewriter *w, int i, fv_value *v) {
    if (!v) {
        w->failed = true;
        return;
    }
    fv_value *old = i < w->at->nout ? w->at->out[i] : NULL;
    if (!old)
        return;
    if (old->type && old->type->kind == FV_TENSOR && v->type->kind == FV_TENSOR) {
        FV_HOLDS(w->module->session,
                 old->type->elem == v->type->elem && old->type->rank == v->type->rank);
        tell_dims(w, old, v);
    }
    fv_replace_known(old, v);
    w->failed |= !keep_dims(w, old->type, v);
    if (is_new(w, v))
        fv_value_take_name(w->module, v, old);
}

/* Makes an assumption of a region hold for the module, once the region is known to be executed. */
static void assume_around(fv_module *m, fv_op *op) {
    const fv_dim *left = fv_op_find_attr(op, "left")->u.dims[0],
                 *right = fv_op_find_attr(op, "right")->u.dims[0];
    const fv_attr *says = fv_op_find_attr(op, "says");
    if (fv_module_require(m, left, right, fv_op_string(op, "why").s, says ? says->u.s.s : NULL))
        fv_op_erase(op); /* otherwise the op remains, and the run checks it */
}

fv_value *const *fv_w_inline(fv_rewriter *w, const fv_region *r) {
    while (r->first != r->last) {
        fv_op *first = r->first;
        fv_op_move_before(first, w->at);
        if (fv_op_is(first, FV_OP_fv_Assume) && !w->at->block->parent)
            assume_around(w->module, first);
    }
    return r->last->in;
}
