/* reduce.c - emits reductions: as one chain of terms, as several chains, in parts, in pairs of
 * terms, or in tiles. */
#include "backend/schedule/common/reduce.h"

#include <math.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/schedule/common/clip.h"
#include "backend/schedule/common/maximum.h"
#include "backend/schedule/common/order_tiles.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"

/* IN_FLIGHT: the number of independent vectors in which a maximum is computed. IN_FLIGHT_BITS: the
 * same if it is computed by bits, in three tiles. FEW_TERMS: a maximum of fewer terms that is one
 * chain is not computed by bits. */
enum { IN_FLIGHT = 4, IN_FLIGHT_BITS = 2, FEW_TERMS = 8 };

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

/* The larger one of acc and x; acc if x is NaN, and if both are zeros, whatever their signs. That
 * is one instruction on x86. */
static fv_expr *larger(fv_kemit *e, fv_expr *acc, fv_expr *x) {
    x = fv_kb_let(&e->b, "x", x);
    return fv_x_select(e->arena, fv_x_bin(e->arena, FV_X_LT, acc, x), x, acc);
}

static fv_expr *combine(fv_kemit *e, int kind, fv_expr *acc, fv_expr *x) {
    static const fv_expr_op ops[] = {FV_X_ADD, FV_X_MUL, FV_X_MIN, FV_X_MAX, FV_X_OR, FV_X_AND};
    fv_expr_op op = ops[kind];
    if (acc->type.elem == FV_BOOL && (op == FV_X_MIN || op == FV_X_MAX))
        op = op == FV_X_MIN ? FV_X_AND : FV_X_OR;
    if (e->sums.ignore_nan && op == FV_X_MAX)
        return larger(e, acc, x);
    return fv_x_bin(e->arena, op, acc, x);
}

/* Adds a term to acc. A product of floats is added by fma, rounded once. */
static fv_expr *accumulate(fv_kemit *e, const fv_expr *r, fv_expr *acc) {
    fv_expr *body = r->arg[0];
    if (r->u.red.kind == FV_SUM && body->op == FV_X_MUL &&
        fv_elem_is_float((fv_elem)body->type.elem) && !fv_kemit_is_known(e, body)) {
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

/* Are the loops from variable i of the reduction on together so short that they are unrolled? */
static bool is_unrolled(const fv_kemit *e, const fv_expr *r, int i) {
    int64_t copies = 1;
    for (; i < r->u.red.nvars && copies <= e->sums.unroll; i++) {
        const fv_dim *d = r->u.red.vars[i]->dim;
        copies = fv_dim_is_const(d) ? copies * d->value : INT32_MAX;
    }
    return copies > 0 && copies <= e->sums.unroll;
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

/* The terms of a loop, from lo to before hi, and the conditions that hold for all of them. */
typedef struct term_loop {
    fv_expr *lo, *hi;
    const fv_expr *holds[FV_MAX_CLIPS];
    int n;
} term_loop;

static void clip(fv_kemit *e, term_loop *t, const fv_clip *c) {
    fv_arena *a = e->arena;
    const bool along = e->loop.vector && fv_x_uses(c->condition, e->loop.vector);
    if (along || fv_kemit_is_known(e, c->condition) || !fv_kemit_is_bound(e, c->rest))
        return;
    fv_expr *n = fv_x_bin(a, FV_X_FLOORDIV, fv_kemit_expr(e, c->rest),
                          fv_x_int(a, c->by > 0 ? c->by : -c->by));
    if (c->by > 0)
        t->lo = fv_x_bin(a, FV_X_MAX, fv_x_bin(a, FV_X_SUB, fv_x_int(a, 0), n), t->lo);
    else
        t->hi = fv_x_bin(a, FV_X_MIN, fv_x_bin(a, FV_X_ADD, n, fv_x_int(a, 1)), t->hi);
    t->holds[t->n++] = c->condition;
}

/* The terms over variable i of the reduction without those that are its identity, as far as that
 * depends neither on the axis of vectors nor on variables of the reduction that are not bound. */
static term_loop loop_of(fv_kemit *e, const fv_expr *r, int i) {
    term_loop t = {fv_x_int(e->arena, 0), fv_kemit_dim(e, r->u.red.vars[i]->dim), {NULL}, 0};
    fv_clip clips[FV_MAX_CLIPS];
    const fv_expr *none = identity(e, r->u.red.kind, (fv_elem)r->type.elem);
    const int n =
        e->sums.rows ? fv_clips_of(e->l->exprs, e->l->module->dims, r, i, none, clips) : 0;
    for (int k = 0; k < n; k++)
        clip(e, &t, &clips[k]);
    if (t.n) {
        t.lo = fv_kb_let(&e->b, "low", t.lo);
        t.hi = fv_kb_let(&e->b, "high", t.hi);
    }
    return t;
}

/* Opens loops over the first n variables of the reduction. */
static void open_loops(fv_kemit *e, const fv_expr *r, int n) {
    bool ranged = is_ranged(e, r);
    for (int i = 0; i < n; i++) {
        fv_var *v = r->u.red.vars[i];
        term_loop t = ranged ? (term_loop){e->range.lo, e->range.hi, {NULL}, 0} : loop_of(e, r, i);
        const fv_loop_kind kind = !ranged && !t.n && is_unrolled(e, r, i) ? FV_UNROLL : FV_SERIAL;
        fv_kemit_bind(e, v, fv_kb_for(&e->b, kind, v->name, t.lo, t.hi, 1));
        for (int k = 0; k < t.n; k++)
            know(e, t.holds[k], true);
        fv_kemit_hoist(e, r->arg[0]);
    }
}

static void close_loops(fv_kemit *e, int n) {
    for (int i = 0; i < n; i++)
        fv_kb_end(&e->b);
}

/* Is the reduction a maximum or minimum that is computed by bits? */
static bool is_by_bits(const fv_kemit *e, const fv_expr *r) {
    return !e->sums.ignore_nan && fv_maximum_fits(e, r);
}

/* Has the reduction so few terms that a maximum by bits, whose end takes longer, does not pay? */
static bool has_few_terms(const fv_expr *r) {
    int64_t terms = 1;
    for (int i = 0; i < r->u.red.nvars && terms < FEW_TERMS; i++)
        terms *= fv_typical_dim(r->u.red.vars[i]->dim);
    return terms < FEW_TERMS;
}

/* Emits a maximum or minimum by bits as one chain. */
static fv_expr *reduce_maximum(fv_kemit *e, const fv_expr *r) {
    fv_maximum all = fv_maximum_new(e, 0);
    fv_kmark m = fv_kemit_mark(e);
    open_loops(e, r, r->u.red.nvars);
    fv_maximum_add(e, &all, NULL, fv_kemit_expr(e, r->arg[0]), NULL);
    close_loops(e, r->u.red.nvars);
    fv_kemit_release(e, m);
    const fv_extremes x = {fv_kb_let(&e->b, "high", fv_x_load(e->arena, all.high, NULL)),
                           fv_kb_let(&e->b, "low", fv_x_load(e->arena, all.low, NULL)),
                           fv_kb_let(&e->b, "top", fv_x_load(e->arena, all.top, NULL))};
    return fv_maximum_of(e, (fv_reduce_kind)r->u.red.kind, &x);
}

/* Emits a reduction as one ascending chain. */
static fv_expr *reduce_serial(fv_kemit *e, const fv_expr *r) {
    if (e->sums.rows && is_by_bits(e, r) && !has_few_terms(r))
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

/* The number of last variables whose terms are numbered together: all variables for parts,
 * pairs and tiles, those of the chains for chains, otherwise one. */
static int chained(const fv_expr *r) {
    return r->u.red.order == FV_ORDER_PARTS || fv_x_adds_words(r) ? r->u.red.nvars
           : r->u.red.along > 1                                   ? r->u.red.along
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
    int vectors = is_by_bits(e, r) ? IN_FLIGHT_BITS : IN_FLIGHT;
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
    if (is_by_bits(e, r))
        c.maximum = fv_maximum_new(e, n);
    else if (fv_is_small_code(e->l->options))
        c.acc = filled(e, t, n, identity(e, r->u.red.kind, t));
    else
        c.acc = fv_kb_tile(&e->b, "acc", t, 1, &n, identity(e, r->u.red.kind, t));
    return c;
}

static void know_opposite_in(fv_kemit *e, const fv_definition *d, const fv_expr *r,
                             const fv_extremes *of) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(e->l->current.scratch, d->body); (x = fv_x_next(&v));)
        if (fv_maximum_is_opposite(e, r, x) && !fv_kemit_is_known(e, x) && !fv_kemit_pass(e, x) &&
            fv_kemit_is_bound(e, x)) {
            fv_expr *y = fv_maximum_of(e, (fv_reduce_kind)x->u.red.kind, of);
            fv_kemit_memo(e, x, fv_kb_let(&e->b, "opposite", y));
        }
}

/* If the kernel also computes the minimum of the terms of the maximum r, or the reverse, records
 * its value, so that it gets no loop of its own. */
static void know_opposite(fv_kemit *e, const fv_expr *r, const fv_extremes *of) {
    if (e->range.dim || fv_kemit_pass(e, r))
        return;
    for (int i = 0; i < e->group.n; i++)
        know_opposite_in(e, e->group.all[i], r, of);
    if (!e->group.n)
        know_opposite_in(e, e->def, r, of);
}

static fv_expr *combine_chains(fv_kemit *e, const fv_expr *r, const chains *c) {
    if (c->acc)
        return fv_kemit_fold(e, c->acc, (fv_reduce_kind)r->u.red.kind);
    fv_expr *high = fv_kemit_fold(e, c->maximum.high, FV_REDUCE_MAX),
            *low = fv_kemit_fold(e, c->maximum.low, FV_REDUCE_MIN),
            *top = fv_kemit_fold(e, c->maximum.top, FV_REDUCE_MAX);
    const fv_extremes x = {fv_kb_let(&e->b, "high", high), fv_kb_let(&e->b, "low", low),
                           fv_kb_let(&e->b, "top", top)};
    know_opposite(e, r, &x);
    return fv_maximum_of(e, (fv_reduce_kind)r->u.red.kind, &x);
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

/* Emits a sum of products of bf16 in tiles. */
static fv_expr *reduce_tiles(fv_kemit *e, const fv_expr *r) {
    fv_arena *a = e->arena;
    fv_expr *word[2], *x[FV_NCHAINS], *none = fv_x_const_int(a, FV_I32, 0),
                                      *size = chained_size(e, r);
    const int64_t terms = 2 * FV_TILE_WORDS;
    fv_buf *acc = fv_kb_tile(&e->b, "acc", FV_I32, 0, NULL, none), *chain[FV_NCHAINS];
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *block = fv_kb_for(&e->b, FV_SERIAL, "block", fv_x_int(a, 0), size, terms);
    for (int i = 0; i < FV_NCHAINS; i++)
        chain[i] = fv_kb_tile(&e->b, fv_chain_name(i), FV_I32, 0, NULL, none);
    fv_expr *to = fv_x_bin(a, FV_X_MIN, size, fv_x_bin(a, FV_X_ADD, block, fv_x_int(a, terms)));
    fv_expr *k = fv_kb_for(&e->b, FV_SERIAL, r->u.red.vars[0]->name, block, to, 2);
    words_of_pair(e, r, k, word);
    for (int i = 0; i < FV_NCHAINS; i++)
        fv_kb_store(&e->b, chain[i], NULL,
                    fv_add_to_chain(a, i, word[0], word[1], fv_x_load(a, chain[i], NULL)), NULL);
    fv_kb_end(&e->b);
    for (int i = 0; i < FV_NCHAINS; i++)
        x[i] = fv_x_load(a, chain[i], NULL);
    fv_kb_store(&e->b, acc, NULL, fv_add_chains(a, fv_x_load(a, acc, NULL), x[0], x[1]), NULL);
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
                              : e->sums.rows && fv_x_is_row(r, e->loop.vector);
}

fv_expr *fv_kemit_reduce(fv_kemit *e, fv_expr *r) {
    const fv_order order = (fv_order)r->u.red.order;
    const bool before = e->sums.ignore_nan;
    e->sums.ignore_nan = fv_maximum_fits(e, r) && fv_maximum_may_ignore_nan(e, r);
    fv_expr *x = fv_kemit_in_chains(e, r)  ? reduce_chains(e, r)
                 : order == FV_ORDER_PARTS ? reduce_parts(e, r)
                 : order == FV_ORDER_PAIRS ? reduce_pairs(e, r)
                 : order == FV_ORDER_TILES ? reduce_tiles(e, r)
                                           : reduce_serial(e, r);
    e->sums.ignore_nan = before;
    x = fv_kb_let(&e->b, "r", x);
    fv_kemit_memo(e, r, x);
    return x;
}
