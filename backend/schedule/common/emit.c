/* emit.c - emits kernel statements from definitions: loads become loads of parameters, dims become
 * variables, and reductions become loops, as far out as the variables that they use allow. */
#include "backend/schedule/common/emit.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/names.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/schedule/common/reduce.h"
#include "ir/base/limits.h"
#include "ir/definition/print.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* ---- parameters and dims ---- */

void fv_kemit_init(fv_kemit *e, fv_lowerer *l, const fv_definition *def, const char *stem) {
    memset(e, 0, sizeof *e);
    e->l = l;
    e->arena = l->arena;
    e->kernel = fv_kernel_new(l->arena, stem);
    fv_kb_init(&e->b, l->arena, e->kernel, &e->kernel->body);
    e->uses.count = fv_ptrmap_in(l->current.scratch);
    e->uses.visitor = fv_x_visit(l->current.scratch, NULL);
    fv_kemit_use(e, def);
}

void fv_kemit_use(fv_kemit *e, const fv_definition *def) {
    e->def = def;
    if (def)
        fv_x_count_uses(&e->uses.visitor, def->body, &e->uses.count);
}

/* The parameter for a dim, or its value if it is constant. Equal dims share one parameter. */
fv_expr *fv_kemit_dim(fv_kemit *e, const fv_dim *d) {
    if (fv_dim_is_const(d))
        return fv_x_int(e->arena, d->value);
    for (int i = 0; i < e->params.ndims; i++)
        if (e->params.dims[i] == d)
            return e->params.dim_exprs[i];
    const char *name =
        d->kind == FV_DIM_SYMBOL ? d->name : fv_printf(e->arena, "n%d", e->params.ndims);
    fv_expr *x = fv_kernel_dim(e->kernel, name, d->lo, d->hi);
    int cap = e->params.cap_dims;
    FV_PUSH(e->arena, e->params.dim_exprs, e->params.ndims, cap, x);
    e->params.ndims--;
    FV_PUSH(e->arena, e->params.dims, e->params.ndims, e->params.cap_dims, d);
    return x;
}

static bool has_extents(const fv_buf *b, int rank, fv_expr *const *extent) {
    bool same = b->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = fv_x_equal(b->extent[i], extent[i]);
    return same;
}

/* The parameter for a value. A value may be several parameters, seen with different axes; one that
 * the kernel both writes and reads is a single INOUT parameter. */
static fv_buf *param(fv_kemit *e, fv_value *v, fv_buf_role role, int rank, fv_expr *const *extent) {
    for (int i = 0; i < e->params.nvalues; i++)
        if (e->params.values[i] == v && has_extents(e->kernel->bufs[i], rank, extent)) {
            fv_buf *known = e->kernel->bufs[i];
            if (role == FV_BUF_IN && known->role == FV_BUF_OUT)
                known->role = FV_BUF_INOUT;
            return known;
        }
    fv_buf *b = fv_kernel_buf(e->kernel, v->name, role, v->type->elem, rank, extent);
    b->value = v;
    FV_PUSH(e->arena, e->params.values, e->params.nvalues, e->params.cap_values, v);
    return b;
}

void fv_kemit_keep(fv_kemit *e, const fv_value *v) {
    int64_t extent[FV_MAX_RANK];
    for (int i = 0; i < v->type->rank; i++)
        extent[i] = v->type->dims[i]->value;
    fv_buf *tile = fv_kb_tile(&e->b, v->name, v->type->elem, v->type->rank, extent, NULL);
    FV_PUSH(e->arena, e->kept.all, e->kept.n, e->kept.cap, ((fv_kept){v, tile}));
}

fv_buf *fv_kemit_in(fv_kemit *e, const fv_buf *from) {
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < e->kept.n; i++)
        if (e->kept.all[i].value == from->value)
            return e->kept.all[i].tile;
    for (int i = 0; i < from->rank; i++)
        extent[i] = fv_kemit_expr(e, from->extent[i]);
    return param(e, (fv_value *)from->value, FV_BUF_IN, from->rank, extent);
}

/* Sets `at` to the indices of the place of the definition, whose own indices are bound. */
static void place_of(fv_kemit *e, const fv_expr *place, fv_expr **at) {
    for (int i = 0; i < place->n; i++)
        at[i] = fv_kemit_expr(e, place->arg[i]);
}

fv_buf *fv_kemit_out(fv_kemit *e, fv_value *v) {
    fv_expr *extent[FV_MAX_RANK];
    const fv_expr *place = e->def->place;
    if (place) {
        const fv_buf *b = place->u.buf;
        for (int i = 0; i < b->rank; i++)
            extent[i] = fv_kemit_expr(e, b->extent[i]);
        return param(e, (fv_value *)b->value, FV_BUF_OUT, b->rank, extent);
    }
    for (int i = 0; i < e->def->rank; i++)
        extent[i] = fv_kemit_dim(e, e->def->index[i]->dim);
    return param(e, v, FV_BUF_OUT, e->def->rank, extent);
}

/* ---- scopes ---- */

void fv_kemit_bind(fv_kemit *e, const fv_var *v, fv_expr *x) {
    FV_PUSH(e->arena, e->scope.bound, e->scope.nbound, e->scope.cap_bound, ((fv_bound){v, x}));
}

static fv_expr *bound(const fv_kemit *e, const fv_var *v) {
    for (int i = e->scope.nbound; i-- > 0;)
        if (e->scope.bound[i].var == v)
            return e->scope.bound[i].x;
    return NULL;
}

void fv_kemit_memo(fv_kemit *e, const fv_expr *from, fv_expr *to) {
    FV_PUSH(e->arena, e->scope.memo, e->scope.nmemo, e->scope.cap_memo, ((fv_emitted){from, to}));
}

static fv_expr *emitted(const fv_kemit *e, const fv_expr *x) {
    for (int i = e->scope.nmemo; i-- > 0;)
        if (e->scope.memo[i].from == x)
            return e->scope.memo[i].to;
    return NULL;
}

bool fv_kemit_is_known(const fv_kemit *e, const fv_expr *x) {
    return emitted(e, x) != NULL;
}

fv_kmark fv_kemit_mark(const fv_kemit *e) {
    return (fv_kmark){e->scope.nbound, e->scope.nmemo};
}

void fv_kemit_release(fv_kemit *e, fv_kmark m) {
    e->scope.nbound = m.nbound;
    e->scope.nmemo = m.nmemo;
}

/* ---- rows that are kept ---- */

const fv_pass *fv_kemit_pass(const fv_kemit *e, const fv_expr *sum) {
    for (int i = 0; i < e->keep.n; i++)
        if (e->keep.passes[i].sum == sum)
            return &e->keep.passes[i];
    return NULL;
}

fv_expr *const *fv_kemit_kept_at(fv_kemit *e, fv_expr *at) {
    const fv_expr *place = e->def->place;
    e->keep.index[e->keep.axis] = at;
    if (!place)
        return e->keep.index;
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, e->def->index[e->keep.axis], at);
    place_of(e, place, e->keep.place);
    fv_kemit_release(e, m);
    return e->keep.place;
}

/* ---- reductions as far out as possible ---- */

/* Variables that a reduction in the expression binds do not occur free in it (see unique.h). */
bool fv_kemit_is_bound(const fv_kemit *e, const fv_expr *root) {
    fv_ptrmap inner = fv_ptrmap_in(e->l->current.scratch);
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(e->l->current.scratch, root); (x = fv_x_next(&v));) {
        for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
            *fv_ptrmap_at(&inner, x->u.red.vars[i]) = x->u.red.vars[i];
        if (x->op == FV_X_VAR && !fv_ptrmap_get(&inner, x->u.var) && !bound(e, x->u.var))
            return false;
    }
    return true;
}

static fv_expr *is_there(fv_x_rewriter *r, fv_expr *x) {
    return emitted(r->user, x) ? x : NULL;
}

static fv_expr *hoisted(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    if (x->op == FV_X_REDUCE && fv_kemit_is_bound(r->user, x))
        fv_kemit_reduce(r->user, x);
    (void)args;
    return x;
}

void fv_kemit_hoist(fv_kemit *e, fv_expr *x) {
    /* emits reductions within x first; the rewriter only visits nodes and replaces nothing */
    fv_x_rewriter r = {.arena = e->l->exprs,
                       .memo = fv_ptrmap_in(e->l->current.scratch),
                       .before = is_there,
                       .after = hoisted,
                       .user = e};
    (void)fv_x_rewrite(&r, x);
}

typedef struct hoistable {
    const fv_kemit *e;
    fv_expr **found;
    int n, most;
} hoistable;

static fv_expr *is_known(fv_x_rewriter *r, fv_expr *x) {
    const hoistable *h = r->user;
    return emitted(h->e, x) ? x : NULL;
}

static fv_expr *note_hoistable(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    hoistable *h = r->user;
    if (x->op == FV_X_REDUCE && h->n < h->most && fv_kemit_is_bound(h->e, x))
        h->found[h->n++] = x;
    (void)args;
    return x;
}

int fv_kemit_hoistable(const fv_kemit *e, const fv_expr *x, int most, fv_expr **found) {
    hoistable h = {.e = e, .found = found, .most = most};
    fv_x_rewriter r = {.arena = e->l->exprs,
                       .memo = fv_ptrmap_in(e->l->current.scratch),
                       .before = is_known,
                       .after = note_hoistable,
                       .user = &h};
    (void)fv_x_rewrite(&r, x);
    return h.n;
}

static bool is_costly(const fv_expr *x) {
    return x->op == FV_X_DIV || x->op == FV_X_SQRT || fv_expr_op_is_math((fv_expr_op)x->op);
}

void fv_kemit_invariants(fv_kemit *e, fv_expr *root, const fv_var *v) {
    fv_expr *x;
    for (fv_x_visitor nodes = fv_x_visit(e->l->current.scratch, root); (x = fv_x_next(&nodes));) {
        bool known = x->op == FV_X_REDUCE || emitted(e, x),
             makes = !known && is_costly(x) && fv_elem_is_float((fv_elem)x->type.elem) &&
                     !fv_x_uses(x, v) && fv_kemit_is_bound(e, x);
        if (makes)
            fv_kemit_memo(e, x, fv_kb_let(&e->b, "v", fv_kemit_expr(e, x)));
        if (known || makes)
            fv_x_skip(&nodes);
    }
}

/* ---- expressions ---- */

fv_expr *fv_kemit_add_product(fv_kemit *e, fv_expr *a, fv_expr *b, fv_expr *sum) {
    return fv_elem_is_float((fv_elem)sum->type.elem)
               ? fv_x_fma(e->arena, a, b, sum)
               : fv_x_bin(e->arena, FV_X_ADD, sum, fv_x_bin(e->arena, FV_X_MUL, a, b));
}

static fv_expr *emit_load(fv_kemit *e, fv_expr *x) {
    fv_buf *from = x->u.buf;
    fv_buf *b = from->value ? fv_kemit_in(e, from) : from;
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < from->rank; i++)
        index[i] = fv_kemit_expr(e, x->arg[i]);
    if (x->op == FV_X_GUARD) {
        fv_expr *c = fv_kemit_expr(e, x->arg[from->rank]);
        fv_expr *otherwise = fv_kemit_expr(e, x->arg[from->rank + 1]);
        if (e->guard)
            c = fv_x_bin(e->arena, FV_X_AND, e->guard, c);
        return fv_x_guard(e->arena, b, index, c, otherwise);
    }
    if (x->type.lanes > 1) /* the elements of a word */
        return fv_x_load_n(e->arena, b, index, x->type.lanes);
    if (e->guard && from->value)
        return fv_x_guard(e->arena, b, index, e->guard, fv_x_zero(e->arena, b->elem));
    return fv_x_load(e->arena, b, index);
}

/* Is x of the form select(dim == 1, 0, i), where i uses v? Indices along a dim that may be 1 have
 * this form. */
static bool is_choice(const fv_expr *x, const fv_var *v) {
    int64_t c;
    return x->op == FV_X_SELECT && x->arg[0]->op == FV_X_EQ && x->arg[0]->arg[0]->op == FV_X_DIM &&
           fv_x_is_int(x->arg[0]->arg[1], &c) && c == 1 && fv_x_is_int(x->arg[1], &c) && c == 0 &&
           fv_x_uses(x->arg[2], v);
}

fv_expr *fv_kemit_plain(fv_kemit *e, const fv_expr *x, const fv_var *v) {
    fv_expr *all = NULL;
    if (is_choice(x, v)) /* the condition depends on a dim, so it is not part of an expression */
        all =
            fv_x_bin(e->arena, FV_X_NE, fv_kemit_expr(e, x->arg[0]->arg[0]), fv_x_int(e->arena, 1));
    for (int i = 0; i < x->n; i++) {
        fv_expr *one = fv_kemit_plain(e, x->arg[i], v);
        all = !all                           ? one
              : !one || fv_x_equal(all, one) ? all
                                             : fv_x_bin(e->arena, FV_X_AND, all, one);
    }
    return all;
}

/* The load of an array that holds the values of x; NULL: there is none. */
static fv_expr *in_table(const fv_kemit *e, const fv_expr *x) {
    for (int i = 0; i < e->loop.ntables; i++)
        if (e->loop.tables[i].from == x)
            return e->loop.tables[i].to;
    return NULL;
}

fv_expr *fv_kemit_expr(fv_kemit *e, fv_expr *x) {
    if (e->loop.plain && is_choice(x, e->loop.plain))
        return fv_kemit_expr(e, x->arg[2]);
    if (x->op == FV_X_CONST)
        return x;
    if (x->op == FV_X_DIM)
        return fv_kemit_dim(e, x->u.dim);
    if (x->op == FV_X_VAR) {
        fv_expr *y = bound(e, x->u.var);
        FV_HOLDS(fv_arena_session(e->arena), y);
        return y;
    }
    fv_expr *known = emitted(e, x);
    if (known)
        return known;
    fv_expr *table = in_table(e, x);
    if (table)
        return fv_kemit_expr(e, table);
    if (x->op == FV_X_REDUCE)
        return fv_kemit_reduce(e, x);
    fv_expr *y;
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        y = emit_load(e, x);
    else if (x->op == FV_X_REQUIRE && e->guard) {
        /* the check is made only for terms that exist, since others are out of range */
        fv_expr *c = fv_kemit_expr(e, x->arg[0]);
        fv_expr *off = fv_x_un(e->arena, FV_X_NOT, e->guard);
        y = fv_x_un(e->arena, FV_X_REQUIRE, fv_x_bin(e->arena, FV_X_OR, off, c));
    } else {
        fv_expr *args[8];
        FV_HOLDS(fv_arena_session(e->arena), x->n <= 8);
        for (int i = 0; i < x->n; i++)
            args[i] = fv_kemit_expr(e, x->arg[i]);
        y = fv_x_with_args(e->arena, x, args);
    }
    if ((intptr_t)fv_ptrmap_get(&e->uses.count, x) > 1) {
        if (y->op != FV_X_CONST && y->op != FV_X_VAR && y->type.elem != FV_I64)
            y = fv_kb_let(&e->b, "v", y);
        fv_kemit_memo(e, x, y);
    }
    return y;
}

void fv_kemit_store(fv_kemit *e, fv_buf *out, fv_expr *const *index, fv_expr *x) {
    const fv_expr *place = e->def ? e->def->place : NULL;
    fv_expr *at[FV_MAX_RANK];
    if (place) {
        place_of(e, place, at);
        index = at;
    }
    fv_kb_store(&e->b, out, index, fv_x_convert(e->arena, out->elem, x), e->guard);
}

/* ---- finishing ---- */

void fv_kemit_finish(fv_kemit *e, fv_op *op, const fv_schedule *schedule) {
    fv_lowerer *l = e->l;
    fv_kernel *k = e->kernel;
    k->name = fv_printf(e->arena, "%s_%d", fv_safe_name(e->arena, k->name), l->host.counter++);
    fv_schedule *own = FV_NEW(e->arena, fv_schedule, 1);
    *own = *schedule;
    k->schedule = own;
    const fv_origin *o = fv_storage_origin(l, e->def ? e->def->value : op->out[0]);
    k->origin = fv_origin_str(e->arena, o);
    if (e->def) {
        fv_text t = {.arena = e->arena};
        for (int i = 0; i < e->group.n; i++) {
            fv_text_put(&t, i ? "; " : "");
            fv_definition_print(&t, e->group.all[i]);
        }
        if (!e->group.n)
            fv_definition_print(&t, e->def);
        k->formula = t.s;
    }
    fv_step step = {.kind = FV_STEP_LAUNCH,
                    .launch = {.kernel = k,
                               .nargs = e->params.nvalues,
                               .ndims = e->params.ndims,
                               .args = e->params.values,
                               .dims = e->params.dims,
                               .op = op,
                               .made = e->def ? e->def->value : NULL,
                               .origin = o}};
    FV_PUSH(l->arena, l->host.steps, l->host.nsteps, l->host.cap_steps, step);
}
