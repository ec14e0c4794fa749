/* emit.c - emits kernel statements from definitions: loads become loads of parameters, dims become
 * variables, and reductions become loops, as far out as the variables that they use allow. */
#include "backend/schedule/common/emit.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/names.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/schedule/common/maximum.h"
#include "ir/base/limits.h"
#include "ir/definition/print.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* IN_FLIGHT: the number of independent vectors in which a maximum is computed. IN_FLIGHT_BITS: the
 * same if it is computed by bits, in three tiles. FEW_TERMS: a maximum of fewer terms that is one
 * chain is not computed by bits. */
enum { IN_FLIGHT = 4, IN_FLIGHT_BITS = 2, FEW_TERMS = 8 };

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

/* ---- reductions ---- */

static fv_expr *identity(fv_kemit *e, int kind, fv_elem t) {
    switch ((fv_reduce_kind)kind) {
    case FV_SUM:
    case FV_ANY: return fv_x_const(e->arena, t, 0);
    case FV_PROD:
    case FV_ALL: return fv_x_const(e->arena, t, 1);
    case FV_REDUCE_MIN: return fv_x_const(e->arena, t, INFINITY);
    case FV_REDUCE_MAX: return fv_x_const(e->arena, t, -INFINITY);
    }
    return NULL;
}

static fv_expr *combine(fv_kemit *e, int kind, fv_expr *acc, fv_expr *x) {
    static const fv_expr_op ops[] = {FV_X_ADD, FV_X_MUL, FV_X_MIN, FV_X_MAX, FV_X_OR, FV_X_AND};
    fv_expr_op op = ops[kind];
    if (acc->type.elem == FV_BOOL && (op == FV_X_MIN || op == FV_X_MAX))
        op = op == FV_X_MIN ? FV_X_AND : FV_X_OR;
    return fv_x_bin(e->arena, op, acc, x);
}

fv_expr *fv_kemit_add_product(fv_kemit *e, fv_expr *a, fv_expr *b, fv_expr *sum) {
    return fv_elem_is_float((fv_elem)sum->type.elem)
               ? fv_x_fma(e->arena, a, b, sum)
               : fv_x_bin(e->arena, FV_X_ADD, sum, fv_x_bin(e->arena, FV_X_MUL, a, b));
}

/* Adds a term to acc. A product of floats is added by fma, rounded once. */
static fv_expr *accumulate(fv_kemit *e, const fv_expr *r, fv_expr *acc) {
    fv_expr *body = r->arg[0];
    if (r->u.red.kind == FV_SUM && body->op == FV_X_MUL &&
        fv_elem_is_float((fv_elem)body->type.elem) && !emitted(e, body)) {
        fv_expr *a = fv_kemit_expr(e, body->arg[0]), *b = fv_kemit_expr(e, body->arg[1]);
        return fv_x_fma(e->arena, a, b, acc);
    }
    return combine(e, r->u.red.kind, acc, fv_kemit_expr(e, body));
}

static fv_expr *tile_at(fv_kemit *e, fv_buf *t, fv_expr *i) {
    return fv_x_load(e->arena, t, &i);
}

/* Does the reduction run over a part of the row only (e->range)? */
static bool is_ranged(const fv_kemit *e, const fv_expr *r) {
    return e->range.dim && fv_ptrmap_get(e->range.sums, r);
}

/* Opens serial loops over the first n variables of the reduction. */
static void open_loops(fv_kemit *e, const fv_expr *r, int n) {
    bool ranged = is_ranged(e, r);
    for (int i = 0; i < n; i++) {
        fv_var *v = r->u.red.vars[i];
        fv_expr *from = ranged ? e->range.lo : fv_x_int(e->arena, 0),
                *to = ranged ? e->range.hi : fv_kemit_dim(e, v->dim);
        fv_kemit_bind(e, v, fv_kb_for(&e->b, FV_SERIAL, v->name, from, to, 1));
        fv_kemit_hoist(e, r->arg[0]);
    }
}

static void close_loops(fv_kemit *e, int n) {
    for (int i = 0; i < n; i++)
        fv_kb_end(&e->b);
}

/* Has the reduction so few terms that a maximum by bits, whose end takes longer, does not pay? */
static bool has_few_terms(const fv_expr *r) {
    int64_t terms = 1;
    for (int i = 0; i < r->u.red.nvars && terms < FEW_TERMS; i++)
        terms *= fv_typical_dim(r->u.red.vars[i]->dim);
    return terms < FEW_TERMS;
}

/* Emits a maximum by bits as one chain. */
static fv_expr *reduce_maximum(fv_kemit *e, const fv_expr *r) {
    fv_maximum all = fv_maximum_new(e, 0);
    fv_kmark m = fv_kemit_mark(e);
    open_loops(e, r, r->u.red.nvars);
    fv_maximum_add(e, &all, NULL, fv_kemit_expr(e, r->arg[0]), NULL);
    close_loops(e, r->u.red.nvars);
    fv_kemit_release(e, m);
    return fv_maximum_of(e, fv_x_load(e->arena, all.high, NULL), fv_x_load(e->arena, all.low, NULL),
                         fv_x_load(e->arena, all.top, NULL));
}

/* Emits a reduction as one ascending chain. */
static fv_expr *reduce_serial(fv_kemit *e, const fv_expr *r) {
    if (e->rows && fv_maximum_fits(e, r) && !has_few_terms(r))
        return reduce_maximum(e, r);
    fv_elem t = (fv_elem)r->type.elem;
    fv_buf *acc = fv_kb_tile(&e->b, "acc", t, 0, NULL, identity(e, r->u.red.kind, t));
    fv_kmark m = fv_kemit_mark(e);
    open_loops(e, r, r->u.red.nvars);
    fv_kb_store(&e->b, acc, NULL, accumulate(e, r, fv_x_load(e->arena, acc, NULL)), NULL);
    close_loops(e, r->u.red.nvars);
    fv_kemit_release(e, m);
    return fv_x_load(e->arena, acc, NULL);
}

fv_buf *fv_kemit_sums_along(fv_kemit *e, const fv_expr *r, const fv_var *v) {
    fv_elem t = (fv_elem)r->type.elem;
    int64_t width = v->dim->value;
    fv_buf *acc = fv_kb_tile(&e->b, "acc", t, 1, &width, identity(e, r->u.red.kind, t));
    fv_kmark m = fv_kemit_mark(e);
    open_loops(e, r, r->u.red.nvars);
    fv_expr *c =
        fv_kb_for(&e->b, FV_VECTOR, "c", fv_x_int(e->arena, 0), fv_x_int(e->arena, width), 1);
    fv_kemit_bind(e, v, c);
    fv_kb_store(&e->b, acc, &c, accumulate(e, r, tile_at(e, acc, c)), NULL);
    close_loops(e, r->u.red.nvars + 1);
    fv_kemit_release(e, m);
    return acc;
}

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

/* Emits the work of a pass at position `at` of the row: loads the values that the row holds, and
 * stores the value that the pass keeps. inside: condition that the position is in the row; NULL:
 * always true. */
static void keep(fv_kemit *e, const fv_pass *p, fv_expr *at, fv_expr *inside) {
    fv_buf *row = e->keep.row;
    fv_expr *const *index = fv_kemit_kept_at(e, at);
    if (p->n) {
        fv_expr *x = inside
                         ? fv_x_guard(e->arena, row, index, inside, fv_x_zero(e->arena, row->elem))
                         : fv_x_load(e->arena, row, index);
        x = fv_kb_let(&e->b, "held", x);
        for (int i = 0; i < p->n; i++)
            fv_kemit_memo(e, p->held[i], x);
    }
    if (p->x) {
        fv_expr *x = fv_kb_let(&e->b, "kept", fv_kemit_expr(e, (fv_expr *)p->x));
        fv_kemit_memo(e, p->x, x);
        fv_kb_store(&e->b, row, index, x, inside);
    }
}

/* The number of last variables whose terms are numbered together: all variables for parts and
 * pairs, those of the chains for chains, otherwise one. */
static int chained(const fv_expr *r) {
    return r->u.red.order == FV_ORDER_PARTS || r->u.red.order == FV_ORDER_PAIRS ? r->u.red.nvars
           : r->u.red.along > 1                                                 ? r->u.red.along
                                                                                : 1;
}

/* Binds the last variables of the reduction to the values that they have for term number `at`. */
static void bind_chained(fv_kemit *e, const fv_expr *r, fv_expr *at) {
    int first = r->u.red.nvars - chained(r);
    for (int i = r->u.red.nvars - 1; i > first; i--) {
        fv_expr *size = fv_kemit_dim(e, r->u.red.vars[i]->dim);
        fv_kemit_bind(e, r->u.red.vars[i], fv_x_bin(e->arena, FV_X_FLOORMOD, at, size));
        at = fv_x_bin(e->arena, FV_X_FLOORDIV, at, size);
    }
    fv_kemit_bind(e, r->u.red.vars[first], at);
}

/* The number of terms over the last variables of r, whose terms are numbered together. */
static fv_expr *chained_size(fv_kemit *e, const fv_expr *r) {
    int n = r->u.red.nvars, first = n - chained(r);
    fv_expr *size = fv_kemit_dim(e, r->u.red.vars[first]->dim);
    for (int i = first + 1; i < n; i++)
        size = fv_x_bin(e->arena, FV_X_MUL, size, fv_kemit_dim(e, r->u.red.vars[i]->dim));
    return size;
}

/* The tiles in which a reduction in chains is computed. */
typedef struct chains {
    int n;
    fv_buf *acc; /* an element for each chain; NULL: the reduction is a maximum by bits */
    fv_maximum maximum;
} chains;

static void add_term(fv_kemit *e, const fv_expr *r, const chains *c, fv_expr *lane,
                     fv_expr *inside) {
    if (!c->acc) {
        fv_maximum_add(e, &c->maximum, lane, fv_kemit_expr(e, r->arg[0]), inside);
        return;
    }
    fv_expr *old = tile_at(e, c->acc, lane), *next = accumulate(e, r, old);
    fv_kb_store(&e->b, c->acc, &lane, inside ? fv_x_select(e->arena, inside, next, old) : next,
                NULL);
}

/* Emits one step of all chains: the term at position k + lane for each lane. `limit`: only
 * positions below it exist; NULL: all positions do. */
static void chain_step(fv_kemit *e, const fv_expr *r, const chains *c, fv_expr *k, fv_expr *limit) {
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *guard = e->guard;
    fv_expr *lane =
        fv_kb_for(&e->b, FV_VECTOR, "c", fv_x_int(e->arena, 0), fv_x_int(e->arena, c->n), 1);
    fv_expr *at = fv_x_bin(e->arena, FV_X_ADD, k, lane), *inside = NULL;
    bind_chained(e, r, at);
    if (limit) {
        inside = fv_x_bin(e->arena, FV_X_LT, at, limit);
        e->guard = guard ? fv_x_bin(e->arena, FV_X_AND, guard, inside) : inside;
    }
    fv_kemit_hoist(e, r->arg[0]);
    const fv_pass *p = fv_kemit_pass(e, r);
    if (p)
        keep(e, p, at, inside);
    add_term(e, r, c, lane, inside);
    fv_kb_end(&e->b);
    e->guard = guard;
    fv_kemit_release(e, m);
}

/* Records the value of condition x, and of the conditions that follow from it, so that they are not
 * evaluated. */
static void know(fv_kemit *e, const fv_expr *x, bool holds) {
    fv_kemit_memo(e, x, fv_x_const_int(e->arena, FV_BOOL, holds));
    if (x->op == FV_X_NOT)
        know(e, x->arg[0], !holds);
    for (int i = 0; i < 2 && x->op == (holds ? FV_X_AND : FV_X_OR); i++)
        know(e, x->arg[i], holds);
}

static void chain_steps(fv_kemit *e, const fv_expr *r, const chains *c, fv_expr *from,
                        fv_expr *to) {
    fv_expr *k =
        fv_kb_for(&e->b, FV_SERIAL, r->u.red.vars[r->u.red.nvars - 1]->name, from, to, c->n);
    chain_step(e, r, c, k, NULL);
    fv_kb_end(&e->b);
}

/* Emits terms from `from` to `to`, for a middle part of which (e->range.free) the condition
 * e->range.where is known to be false, so that it is not evaluated there. The terms before and
 * after that part share one loop, which is executed twice. */
static void chain_steps_around(fv_kemit *e, const fv_expr *r, const chains *c, fv_expr *from,
                               fv_expr *to) {
    fv_arena *x = e->arena;
    fv_var *was = (fv_var *)(uintptr_t)e->range.term;
    fv_expr *zero = fv_x_int(x, 0), *term = fv_x_var(e->l->exprs, r->u.red.vars[0]);
    fv_expr *turn = fv_kb_for(&e->b, FV_SERIAL, "turn", zero, fv_x_int(x, 2), 1),
            *before = fv_x_bin(x, FV_X_EQ, turn, zero);
    fv_expr *lo = fv_kb_let(&e->b, "lo", fv_x_select(x, before, from, e->range.free[1]));
    fv_expr *hi = fv_kb_let(&e->b, "hi", fv_x_select(x, before, e->range.free[0], to));
    chain_steps(e, r, c, lo, hi);
    fv_kb_if(&e->b, before);
    fv_kmark m = fv_kemit_mark(e);
    know(e, fv_x_replace_vars(e->l->exprs, e->range.where, 1, &was, &term), false);
    chain_steps(e, r, c, e->range.free[0], e->range.free[1]);
    fv_kemit_release(e, m);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

/* The number of chains: 16 for an ordered sum in chains; for a reduction that is the same in any
 * order at least 16, and as many as hide the latency of a step unless its last variable is known to
 * have fewer values. */
static int chains_of(const fv_kemit *e, const fv_expr *r) {
    const fv_dim *d = r->u.red.vars[r->u.red.nvars - 1]->dim;
    int vectors = fv_maximum_fits(e, r) ? IN_FLIGHT_BITS : IN_FLIGHT;
    int n = vectors * e->l->target->vector_bits / fv_elem_bits((fv_elem)r->type.elem);
    return fv_x_is_ordered(r) || n < FV_CHAINS || (fv_dim_is_const(d) && d->value < n) ? FV_CHAINS
                                                                                       : n;
}

/* A tile of n elements that a loop sets to x. */
static fv_buf *filled(fv_kemit *e, fv_elem t, int64_t n, fv_expr *x) {
    fv_buf *acc = fv_kb_tile(&e->b, "acc", t, 1, &n, NULL);
    fv_expr *i = fv_kb_for(&e->b, FV_SERIAL, "c", fv_x_int(e->arena, 0), fv_x_int(e->arena, n), 1);
    fv_kb_store(&e->b, acc, &i, x, NULL);
    fv_kb_end(&e->b);
    return acc;
}

/* The fold of 2^levels elements as one loop over the levels of its tree, for small code. Elements
 * are combined in place, those at the distance of half of the level. */
static fv_expr *fold_in_place(fv_kemit *e, fv_buf *acc, fv_reduce_kind kind, int levels) {
    fv_arena *a = e->arena;
    const int64_t most = INT64_C(1) << (levels - 1);
    fv_expr *zero = fv_x_int(a, 0);
    fv_expr *level = fv_kb_for(&e->b, FV_SERIAL, "level", zero, fv_x_int(a, levels), 1);
    fv_expr *half = fv_kb_let(&e->b, "half", fv_x_bin(a, FV_X_SHR, fv_x_int(a, most), level));
    fv_expr *i = fv_kb_for(&e->b, FV_SERIAL, "c", zero, half, 1);
    fv_expr *j = fv_x_bin(a, FV_X_ADD, i, half);
    fv_kb_store(&e->b, acc, &i, combine(e, kind, tile_at(e, acc, i), tile_at(e, acc, j)), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    return tile_at(e, acc, zero);
}

fv_expr *fv_kemit_fold(fv_kemit *e, fv_buf *acc, fv_reduce_kind kind) {
    int64_t n = fv_x_int_value(acc->extent[0]);
    if (fv_is_small_code(e->l->options) && n > 2 && (n & (n - 1)) == 0)
        return fold_in_place(e, acc, kind, __builtin_ctzll((uint64_t)n));
    while (n % 2 == 0) {
        fv_buf *from = acc;
        n /= 2;
        acc = fv_kb_tile(&e->b, "acc", from->elem, 1, &n, NULL);
        fv_expr *i =
            fv_kb_for(&e->b, FV_VECTOR, "c", fv_x_int(e->arena, 0), fv_x_int(e->arena, n), 1);
        fv_expr *j = fv_x_bin(e->arena, FV_X_ADD, i, fv_x_int(e->arena, n));
        fv_kb_store(&e->b, acc, &i, combine(e, kind, tile_at(e, from, i), tile_at(e, from, j)),
                    NULL);
        fv_kb_end(&e->b);
    }
    fv_expr *x = tile_at(e, acc, fv_x_int(e->arena, 0));
    for (int64_t i = 1; i < n; i++)
        x = combine(e, kind, x, tile_at(e, acc, fv_x_int(e->arena, i)));
    return x;
}

static chains new_chains(fv_kemit *e, const fv_expr *r) {
    fv_elem t = (fv_elem)r->type.elem;
    chains c = {.n = chains_of(e, r)};
    int64_t n = c.n;
    if (fv_maximum_fits(e, r))
        c.maximum = fv_maximum_new(e, n);
    else if (fv_is_small_code(e->l->options))
        c.acc = filled(e, t, n, identity(e, r->u.red.kind, t));
    else
        c.acc = fv_kb_tile(&e->b, "acc", t, 1, &n, identity(e, r->u.red.kind, t));
    return c;
}

static fv_expr *combine_chains(fv_kemit *e, const fv_expr *r, const chains *c) {
    if (c->acc)
        return fv_kemit_fold(e, c->acc, (fv_reduce_kind)r->u.red.kind);
    fv_expr *high = fv_kemit_fold(e, c->maximum.high, FV_REDUCE_MAX),
            *low = fv_kemit_fold(e, c->maximum.low, FV_REDUCE_MIN);
    return fv_maximum_of(e, high, low, fv_kemit_fold(e, c->maximum.top, FV_REDUCE_MAX));
}

/* Emits a reduction in chains along the last variables (of n chains, chain i mod n has term i; n is
 * 16 for a sum of floats), which are then combined in a fixed tree. */
static fv_expr *reduce_chains(fv_kemit *e, const fv_expr *r) {
    int n = r->u.red.nvars;
    chains in = new_chains(e, r);
    int64_t c;
    fv_kmark m = fv_kemit_mark(e);
    int outer = n - chained(r);
    bool ranged = is_ranged(e, r);
    fv_expr *from = ranged ? e->range.lo : fv_x_int(e->arena, 0),
            *size = ranged ? e->range.hi : chained_size(e, r);
    fv_expr *steps = fv_x_bin(e->arena, FV_X_FLOORDIV, fv_x_bin(e->arena, FV_X_SUB, size, from),
                              fv_x_int(e->arena, in.n));
    fv_expr *whole =
        fv_kb_let(&e->b, "whole",
                  fv_x_bin(e->arena, FV_X_ADD, from,
                           fv_x_bin(e->arena, FV_X_MUL, steps, fv_x_int(e->arena, in.n))));
    open_loops(e, r, outer);
    if (!fv_x_is_int(whole, &c) || c > 0) {
        bool parted = ranged && e->range.free[0] && e->range.width % in.n == 0;
        (parted ? chain_steps_around : chain_steps)(e, r, &in, from, whole);
    }
    int64_t s;
    bool exact = fv_x_is_int(size, &s) && s % in.n == 0;
    if (!exact) {
        if (!fv_x_is_int(size, &s))
            fv_kb_if(&e->b, fv_x_bin(e->arena, FV_X_LT, whole, size));
        chain_step(e, r, &in, whole, size);
        if (!fv_x_is_int(size, &s))
            fv_kb_end(&e->b);
    }
    close_loops(e, outer);
    fv_kemit_release(e, m);
    return combine_chains(e, r, &in);
}

/* Emits a sum in parts: each part is a chain, and the parts are added in order. */
static fv_expr *reduce_parts(fv_kemit *e, const fv_expr *r) {
    fv_arena *x = e->arena;
    fv_elem t = (fv_elem)r->type.elem;
    fv_expr *zero = fv_x_int(x, 0), *size = chained_size(e, r), *n = fv_x_int(x, FV_PART);
    fv_buf *all = fv_kb_tile(&e->b, "all", t, 0, NULL, identity(e, r->u.red.kind, t));
    fv_expr *part = fv_kb_for(&e->b, FV_SERIAL, "part", zero, size, FV_PART);
    fv_buf *acc = fv_kb_tile(&e->b, "acc", t, 0, NULL, identity(e, r->u.red.kind, t));
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *k = fv_kb_for(&e->b, FV_SERIAL, r->u.red.vars[0]->name, zero,
                           fv_x_bin(x, FV_X_MIN, n, fv_x_bin(x, FV_X_SUB, size, part)), 1);
    bind_chained(e, r, fv_x_bin(x, FV_X_ADD, part, k));
    fv_kemit_hoist(e, r->arg[0]);
    fv_kb_store(&e->b, acc, NULL, accumulate(e, r, fv_x_load(x, acc, NULL)), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    fv_kb_store(&e->b, all, NULL,
                fv_kemit_with_part(e, fv_x_load(x, all, NULL), fv_x_load(x, acc, NULL), part, zero),
                NULL);
    fv_kb_end(&e->b);
    return fv_x_load(x, all, NULL);
}

/* Sets word[0] and word[1] to the words of both factors for the terms `at` and `at` + 1 of r, a sum
 * of products of bf16. */
static void words_of_pair(fv_kemit *e, const fv_expr *r, fv_expr *at, fv_expr **word) {
    fv_arena *a = e->arena;
    fv_expr *bits[2][2];
    for (int i = 0; i < 2; i++) {
        fv_kmark m = fv_kemit_mark(e);
        bind_chained(e, r, fv_x_bin(a, FV_X_ADD, at, fv_x_int(a, i)));
        for (int f = 0; f < 2; f++) {
            fv_expr *x = fv_kemit_expr(e, r->arg[0]->arg[f]);
            bits[f][i] = fv_kb_let(&e->b, "bits", fv_x_cast(a, FV_X_BITCAST, FV_U32, x));
        }
        fv_kemit_release(e, m);
    }
    for (int f = 0; f < 2; f++) { /* the bits of a bf16 are the high half of an f32 */
        fv_expr *low = fv_x_bin(a, FV_X_SHR, bits[f][0], fv_x_const_int(a, FV_U32, 16));
        word[f] = fv_x_cast(a, FV_X_BITCAST, FV_I32, fv_x_bin(a, FV_X_OR, bits[f][1], low));
    }
}

/* Emits a sum of products of bf16 in pairs. */
static fv_expr *reduce_pairs(fv_kemit *e, const fv_expr *r) {
    fv_arena *a = e->arena;
    fv_expr *word[2];
    fv_buf *acc = fv_kb_tile(&e->b, "acc", FV_I32, 0, NULL, fv_x_const_int(a, FV_I32, 0));
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *k =
        fv_kb_for(&e->b, FV_SERIAL, r->u.red.vars[0]->name, fv_x_int(a, 0), chained_size(e, r), 2);
    words_of_pair(e, r, k, word);
    fv_kb_store(&e->b, acc, NULL,
                fv_x_dot(a, FV_X_DOT_BF16, word[0], word[1], fv_x_load(a, acc, NULL)), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    return fv_x_cast(a, FV_X_BITCAST, FV_F32, fv_x_load(a, acc, NULL));
}

fv_expr *fv_kemit_with_part(fv_kemit *e, fv_expr *sum, fv_expr *more, fv_expr *part,
                            fv_expr *first) {
    fv_arena *x = e->arena;
    return fv_x_select(x, fv_x_bin(x, FV_X_EQ, part, first), more,
                       fv_x_bin(x, FV_X_ADD, sum, more));
}

bool fv_kemit_in_chains(const fv_kemit *e, const fv_expr *r) {
    return fv_x_is_ordered(r) ? r->u.red.order == FV_ORDER_CHAINS
                              : e->rows && fv_x_is_row(r, e->loop.vector);
}

static fv_expr *reduce(fv_kemit *e, fv_expr *r) {
    bool parts = r->u.red.order == FV_ORDER_PARTS, pairs = r->u.red.order == FV_ORDER_PAIRS;
    fv_expr *x = fv_kemit_in_chains(e, r) ? reduce_chains(e, r)
                 : parts                  ? reduce_parts(e, r)
                 : pairs                  ? reduce_pairs(e, r)
                                          : reduce_serial(e, r);
    x = fv_kb_let(&e->b, "r", x);
    fv_kemit_memo(e, r, x);
    return x;
}

/* Are all free variables of the expression bound? Variables that a reduction in it binds do not
 * occur free in it (see unique.h). */
static bool is_bound(const fv_kemit *e, const fv_expr *root) {
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
    if (x->op == FV_X_REDUCE && is_bound(r->user, x))
        reduce(r->user, x);
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
    if (x->op == FV_X_REDUCE && h->n < h->most && is_bound(h->e, x))
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
                     !fv_x_uses(x, v) && is_bound(e, x);
        if (makes)
            fv_kemit_memo(e, x, fv_kb_let(&e->b, "v", fv_kemit_expr(e, x)));
        if (known || makes)
            fv_x_skip(&nodes);
    }
}

/* ---- expressions ---- */

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
    if (x->op == FV_X_REDUCE)
        return reduce(e, x);
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
    fv_kb_store(&e->b, out, index, fv_x_convert(e->arena, out->elem, x), NULL);
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
