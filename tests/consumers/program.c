/* program.c - a program around random kernels: see consumers.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ir/kernel/build.h"
#include "ir/kernel/kernel.h"
#include "tests/consumers/consumers.h"

fv_var *program_symbol(fv_program *p, const fv_var *dim) {
    for (int i = 0; i < p->symbols.n; i++)
        if (strcmp(p->symbols.all[i]->name, dim->name) == 0)
            return p->symbols.vars[i];
    const fv_dim *symbol = fv_dim_symbol(p->symbols.table, dim->name);
    bool left = fv_dim_bound(p->symbols.table, symbol, dim->lo, dim->hi);
    assert(left);
    (void)left; /* NDEBUG */
    fv_var *v = fv_var_new(p->arena, dim->name, fv_kt(FV_I64, 1));
    v->lo = dim->lo;
    v->hi = dim->hi;
    v->dim = symbol;
    p->symbols.all[p->symbols.n] = symbol;
    p->symbols.vars[p->symbols.n++] = v;
    return v;
}

fv_expr *program_extent(fv_program *p, fv_expr *x) {
    if (x->op == FV_X_VAR)
        return fv_x_var(p->arena, program_symbol(p, x->u.var));
    fv_expr *args[2] = {NULL, NULL};
    assert(x->n <= 2);
    for (int i = 0; i < x->n; i++)
        args[i] = program_extent(p, x->arg[i]);
    return fv_x_with_args(p->arena, x, args);
}

/* The same as a dim. */
static const fv_dim *to_dim(fv_program *p, const fv_expr *x) {
    fv_dims *t = p->symbols.table;
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST: return fv_dim_const(t, x->u.i);
    case FV_X_VAR: return program_symbol(p, x->u.var)->dim;
    case FV_X_ADD: return fv_dim_add(t, to_dim(p, x->arg[0]), to_dim(p, x->arg[1]));
    case FV_X_MUL: return fv_dim_mul(t, to_dim(p, x->arg[0]), to_dim(p, x->arg[1]));
    default: abort(); /* no extent is of that kind */
    }
}

fv_buf *program_port(fv_program *p, const fv_buf *param, const char *name) {
    bool in = param->role == FV_BUF_IN;
    fv_port *at = in ? &p->inputs[p->ninputs] : &p->outputs[p->noutputs];
    fv_expr **extent = FV_NEW(p->arena, fv_expr *, param->rank);
    const fv_dim **dims = FV_NEW(p->arena, const fv_dim *, param->rank);
    for (int i = 0; i < param->rank; i++) {
        extent[i] = program_extent(p, param->extent[i]);
        dims[i] = to_dim(p, param->extent[i]);
    }
    fv_buf_role role = in ? FV_BUF_INPUT : FV_BUF_OUTPUT;
    fv_buf *b = fv_buf_new(p->arena, name, role, param->elem, param->rank, extent);
    b->index = in ? p->ninputs++ : p->noutputs++;
    b->id = p->memory.nbuffers;
    p->memory.buffers[p->memory.nbuffers++] = b;
    *at = (fv_port){name, name, param->elem, param->rank, dims, extent, b};
    return b;
}

static void launch(fv_program *p, fv_kbuilder *b, int number, fv_kernel *k) {
    fv_stmt *s = fv_kb_add(b, FV_S_LAUNCH);
    s->call.kernel = k;
    s->call.args = FV_NEW(p->arena, fv_buf *, k->nbufs);
    s->call.dims = FV_NEW(p->arena, fv_expr *, k->ndims);
    for (int i = 0; i < k->ndims; i++)
        s->call.dims[i] = fv_x_var(p->arena, program_symbol(p, k->dims[i]));
    for (int i = 0; i < k->nbufs; i++) {
        const char *name = fv_printf(p->arena, "k%d_%s", number, k->bufs[i]->name);
        s->call.args[i] = program_port(p, k->bufs[i], name);
    }
    p->kernels[p->nkernels++] = k;
}

fv_program *program_with_room(fv_arena *a, const fv_target *t, int nbufs, int ndims, int nkernels) {
    fv_program *p = FV_NEW(a, fv_program, 1);
    p->arena = a;
    p->symbols.table = fv_dims_new(a);
    p->name = "m";
    p->target = t;
    p->source.producer = "test";
    p->source.hash = "0";
    p->symbols.all = FV_NEW(a, const fv_dim *, ndims);
    p->symbols.vars = FV_NEW(a, fv_var *, ndims);
    p->inputs = FV_NEW(a, fv_port, nbufs);
    p->outputs = FV_NEW(a, fv_port, nbufs);
    p->capacity = FV_NEW(a, fv_var *, nbufs);
    p->memory.buffers = FV_NEW(a, fv_buf *, nbufs);
    p->kernels = FV_NEW(a, fv_kernel *, nkernels);
    p->memory.workspace = fv_x_int(a, 0);
    return p;
}

fv_program *program_of(fv_arena *a, const fv_target *t, int n, fv_kernel *const *kernels) {
    int nbufs = 0, ndims = 0;
    for (int i = 0; i < n; i++) {
        nbufs += kernels[i]->nbufs;
        ndims += kernels[i]->ndims;
    }
    fv_program *p = program_with_room(a, t, nbufs, ndims, n);
    fv_kbuilder b;
    fv_kb_init(&b, a, NULL, &p->host.body);
    for (int i = 0; i < n; i++)
        launch(p, &b, i, kernels[i]);
    return p;
}
