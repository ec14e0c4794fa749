/* custom.c - functions that build custom kernels; parameters and dims are added to the kernel when
 * the builder first requests them. */
#include "ir/definition/custom.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/kernel/parse.h"

bool fv_custom_build(fv_custom *c, fv_module *m, fv_arena *a, const fv_target *t, fv_ptrmap *kept,
                     fv_op *op, bool in_place) {
    *c = (fv_custom){
        .module = m, .arena = a, .target = t, .kept = kept, .op = op, .in_place = in_place};
    return op->def->kernel(c, op);
}

static fv_custom_kernel *current(fv_custom *c) {
    FV_HOLDS(fv_arena_session(c->arena), c->nkernels);
    return &c->kernels[c->nkernels - 1];
}

void fv_custom_begin(fv_custom *c, const char *stem) {
    fv_custom_kernel k = {.kernel = fv_kernel_new(c->arena, stem)};
    FV_PUSH(c->arena, c->kernels, c->nkernels, c->cap_kernels, k);
    fv_kb_init(&c->b, c->arena, k.kernel, &k.kernel->body);
}

void fv_custom_end(fv_custom *c) {
    FV_HOLDS(fv_arena_session(c->arena), c->b.depth == 0);
    c->b.kernel = NULL;
}

/* Passes the dims on which the extents of parameter i depend to the kernel, as its dim
 * parameters. */
static void take_extents(fv_custom *c, fv_custom_kernel *k, int i) {
    fv_buf *b = k->kernel->bufs[i];
    FV_HOLDS(fv_arena_session(c->arena),
             b->elem == k->args[i]->type->elem && b->rank == k->args[i]->type->rank);
    b->value = k->args[i];
    for (int axis = 0; axis < b->rank; axis++)
        for (int d = 0; d < k->ndims; d++)
            if (b->extent[axis]->op == FV_X_VAR && b->extent[axis]->u.var == k->kernel->dims[d])
                k->dims[d] = k->args[i]->type->dims[axis];
}

void fv_custom_text(fv_custom *c, const char *text, const char *name, int n,
                    fv_value *const *args) {
    fv_custom_kernel k = {.kernel = fv_kernel_parse_called(c->arena, text, name), .nargs = n};
    FV_HOLDS(fv_arena_session(c->arena), k.kernel && k.kernel->nbufs == n);
    k.ndims = k.kernel->ndims;
    k.args = FV_NEW(c->arena, fv_value *, n + 1);
    k.dims = FV_NEW(c->arena, const fv_dim *, k.ndims + 1);
    for (int i = 0; i < n; i++) {
        k.args[i] = args[i];
        take_extents(c, &k, i);
    }
    for (int d = 0; d < k.ndims; d++)
        FV_HOLDS(fv_arena_session(c->arena), k.dims[d]);
    FV_PUSH(c->arena, c->kernels, c->nkernels, c->cap_kernels, k);
}

const fv_dim *fv_custom_tasks(fv_custom *c, const fv_dim *lines) {
    enum { MOST = 16 };
    fv_dims *t = c->module->dims;
    return fv_dim_min(t, lines, fv_dim_const(t, c->target->threads ? MOST : 1));
}

fv_expr *fv_custom_dim(fv_custom *c, const fv_dim *d) {
    fv_custom_kernel *k = current(c);
    if (fv_dim_is_const(d))
        return fv_x_int(c->arena, d->value);
    for (int i = 0; i < k->ndims; i++)
        if (k->dims[i] == d)
            return fv_x_var(c->arena, k->kernel->dims[i]);
    const char *name = d->kind == FV_DIM_SYMBOL ? d->name : fv_printf(c->arena, "n%d", k->ndims);
    fv_expr *x = fv_kernel_dim(k->kernel, name, d->lo, d->hi);
    FV_PUSH(c->arena, k->dims, k->ndims, k->cap_dims, d);
    return x;
}

fv_buf *fv_custom_param(fv_custom *c, fv_value *v, fv_buf_role role) {
    fv_custom_kernel *k = current(c);
    FV_HOLDS(fv_arena_session(c->arena), v);
    for (int i = 0; i < k->nargs; i++)
        if (k->args[i] == v)
            return k->kernel->bufs[i];
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < v->type->rank; i++)
        extent[i] = fv_custom_dim(c, v->type->dims[i]);
    fv_buf *b = fv_kernel_buf(k->kernel, v->name, role, v->type->elem, v->type->rank, extent);
    b->value = v;
    FV_PUSH(c->arena, k->args, k->nargs, k->cap_args, v);
    return b;
}

fv_buf *fv_custom_in(fv_custom *c, int i) {
    return fv_custom_param(c, c->op->in[i], FV_BUF_IN);
}

fv_buf *fv_custom_out(fv_custom *c, int i) {
    return fv_custom_param(c, c->op->out[i], FV_BUF_OUT);
}

fv_buf *fv_custom_update(fv_custom *c, int i) {
    return fv_custom_param(c, c->op->out[i], FV_BUF_INOUT);
}

static fv_value *own_value(fv_custom *c, const char *stem, const fv_type *t) {
    const fv_op *op = c->op;
    const char *of = op->nout && op->out[0] ? op->out[0]->name : op->def->name;
    fv_value *v = FV_NEW(c->arena, fv_value, 1);
    *v = (fv_value){.kind = FV_VALUE_RESULT,
                    .name = fv_printf(c->arena, "%s.%s", of, stem),
                    .type = t,
                    .def = c->op};
    return v;
}

fv_value *fv_custom_value(fv_custom *c, const char *stem, fv_elem e, int rank,
                          const fv_dim *const *dims) {
    return own_value(c, stem, fv_tensor_type(c->arena, e, rank, dims));
}

fv_value *fv_custom_const(fv_custom *c, const char *stem, const fv_tensor *t) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = fv_dim_const(c->module->dims, t->dims[i]);
    fv_value *v = own_value(c, stem, fv_tensor_type(c->arena, t->elem, t->rank, dims));
    v->kind = FV_VALUE_CONST;
    v->def = NULL;
    v->tensor = t;
    return v;
}

fv_value **fv_custom_kept(fv_custom *c, const char *key) {
    return (fv_value **)fv_ptrmap_at(c->kept, fv_intern(c->module->session, key));
}

fv_expr *fv_custom_for(fv_custom *c, fv_loop_kind kind, const char *name, const fv_dim *d) {
    return fv_kb_for(&c->b, kind, name, fv_x_int(c->arena, 0), fv_custom_dim(c, d), 1);
}

fv_expr *fv_custom_load(fv_custom *c, fv_buf *b, fv_expr *const *index) {
    return fv_x_convert(c->arena, fv_elem_arith(b->elem), fv_x_load(c->arena, b, index));
}

void fv_custom_store(fv_custom *c, fv_buf *b, fv_expr *const *index, fv_expr *x, fv_expr *mask) {
    fv_kb_store(&c->b, b, index, fv_x_convert(c->arena, b->elem, x), mask);
}
