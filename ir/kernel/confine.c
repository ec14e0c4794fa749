/* confine.c - see confine.h.
 *
 * Statements are written again in the order of the text. A check of an index is computed by lets
 * before its statement, so the index is computed once.
 *
 *     y[i] = x[j]   becomes   let inside = require(0 <= j && j < n)
 *                             let inside_1 = require(0 <= i && i < m)
 *                             y[i] = x[j] if inside else 0.0 if inside_1
 *
 * A `for` loop that counts subtracts the number of its iterations, before it begins, from `turns`,
 * a tile of each task; if that is not enough, the loop is not executed. A `while` loop subtracts
 * each iteration when it begins, and ends when none are left. Loops count unless the bounds of
 * their variables prove that they are short. */
#include "ir/kernel/confine.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/limits.h"
#include "ir/base/saturate.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
#include "ir/kernel/build.h"
#include "ir/kernel/prove.h"
#include "ir/kernel/verify.h"

/* FREE_TURNS: number of iterations up to which a loop does not count them. far: larger bounds of a
 * loop that is counted fail a check in the run, or the kernel is refused; so the difference of two
 * bounds does not wrap. */
enum {
    FREE_TURNS = 1 << 12,
    MAX_TILES = 1 << 20,
    MAX_UNROLLED = 1 << 18,
    MAX_FACTS = 32,
    INLINE_INDEX = 12
};
static const int64_t far = INT64_C(1) << 61;

typedef struct confiner {
    fv_session *s;
    fv_kernel *k;
    fv_arena *a; /* the kernel's arena */
    fv_kbuilder b;
    fv_prover z;
    fv_ptrmap flags; /* variable of a let whose value is a bool -> the value */
    fv_difference facts[MAX_FACTS];
    int nfacts;
    bool counts; /* whether iterations are counted, because some loop is not proved to be short */
    /* the tile with the number of iterations that the task may still execute; NULL: not declared
     * yet */
    fv_buf *turns;
    fv_expr *budget; /* the number of iterations of one task, an expression over dims */
} confiner;

static bool refuse(confiner *c, const char *what) {
    return fv_error(c->s, "kernel '%s': %s", c->k->name, what);
}

/* ---- shorthands ---- */

static fv_expr *number(confiner *c, int64_t v) {
    return fv_x_int(c->a, v);
}
static fv_expr *binary(confiner *c, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(c->a, op, x, y);
}

static fv_expr *both(confiner *c, fv_expr *x, fv_expr *y) {
    return x && y ? binary(c, FV_X_AND, x, y) : x ? x : y;
}

static void learn_let(confiner *c, const fv_stmt *s) {
    if (s->x->type.elem == FV_BOOL)
        *fv_ptrmap_at(&c->flags, s->var) = s->x;
    fv_prover_learn(&c->z, s);
    fv_prover_inner(&c->z, s->var);
}

static fv_expr *let(confiner *c, const char *name, fv_expr *x) {
    fv_expr *v = fv_kb_let(&c->b, name, x);
    if (v != x)
        learn_let(c, c->b.block->last);
    return v;
}

static fv_expr *require(confiner *c, const char *name, fv_expr *x) {
    return let(c, name, fv_x_un(c->a, FV_X_REQUIRE, x));
}

/* Appends a check of x for the case that c0 holds; returns `c0 && x`. */
static fv_expr *require_where(confiner *c, fv_expr *c0, fv_expr *x) {
    fv_expr *ok = require(c, "inside", binary(c, FV_X_OR, fv_x_un(c->a, FV_X_NOT, c0), x));
    return let(c, "inside", binary(c, FV_X_AND, c0, ok));
}

/* ---- known inequalities ---- */

static void add_fact(confiner *c, const fv_expr *a, const fv_expr *b, int64_t less) {
    if (c->nfacts < MAX_FACTS && a->type.elem == FV_I64 && b->type.elem == FV_I64)
        c->facts[c->nfacts++] = (fv_difference){a, b, less};
}

static void assume(confiner *c, const fv_expr *x, bool holds) {
    const fv_expr *is = x->op == FV_X_VAR ? fv_ptrmap_get(&c->flags, x->u.var) : NULL;
    if (is)
        assume(c, is, holds);
    else if (x->op == FV_X_REQUIRE)
        assume(c, x->arg[0], holds);
    else if (x->op == FV_X_NOT)
        assume(c, x->arg[0], !holds);
    else if (x->op == (holds ? FV_X_AND : FV_X_OR)) {
        assume(c, x->arg[0], holds);
        assume(c, x->arg[1], holds);
    } else if (x->op == FV_X_LT) {
        add_fact(c, x->arg[holds], x->arg[!holds], holds);
    } else if (x->op == FV_X_LE) {
        add_fact(c, x->arg[holds], x->arg[!holds], !holds);
    } else if (x->op == (holds ? FV_X_EQ : FV_X_NE)) {
        add_fact(c, x->arg[0], x->arg[1], 0);
        add_fact(c, x->arg[1], x->arg[0], 0);
    }
}

static bool is_natural(confiner *c, const fv_expr *a, const fv_expr *b, int64_t less) {
    return fv_prove_natural(&c->z, &(fv_difference){a, b, less}, c->nfacts, c->facts);
}

/* ---- accesses ---- */

static bool is_plain(const fv_expr *x) {
    return x->size <= INLINE_INDEX && !fv_x_has_load(x) && !fv_x_has(x, FV_HAS_REQUIRE);
}

/* The condition to check before an access; NULL: all indices are proved to be in range. An index
 * that is long and has to be checked is replaced by a variable. */
static fv_expr *unproved(confiner *c, const fv_buf *buf, fv_expr **index) {
    fv_expr *ask = NULL, *zero = number(c, 0);
    for (int i = 0; i < buf->rank; i++) {
        bool low = is_natural(c, index[i], zero, 0),
             high = is_natural(c, buf->extent[i], index[i], 1);
        if (low && high)
            continue;
        if (!is_plain(index[i]))
            index[i] = let(c, "at", index[i]);
        ask = both(c, ask, binary(c, FV_X_LE, zero, index[i]));
        ask = both(c, ask, binary(c, FV_X_LT, index[i], buf->extent[i]));
    }
    return ask;
}

static fv_expr *confined_read(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    if (x->op != FV_X_LOAD && x->op != FV_X_GUARD)
        return NULL;
    confiner *c = r->user;
    fv_buf *buf = x->u.buf;
    int mark = c->nfacts;
    bool guard = x->op == FV_X_GUARD;
    if (guard)
        assume(c, args[buf->rank], true);
    fv_expr *ask = unproved(c, buf, args);
    c->nfacts = mark;
    if (!ask)
        return NULL;
    if (!guard)
        return fv_x_guard(c->a, buf, args, require(c, "inside", ask), fv_x_zero(c->a, buf->elem));
    return fv_x_guard(c->a, buf, args, require_where(c, let(c, "wanted", args[buf->rank]), ask),
                      args[buf->rank + 1]);
}

static fv_expr *confined(confiner *c, fv_expr *x) {
    fv_x_rewriter r = {.arena = c->a, .after = confined_read, .user = c};
    return fv_x_rewrite(&r, x);
}

static void confine_store(confiner *c, const fv_stmt *s) {
    fv_expr *index[FV_MAX_RANK + 1], *x = confined(c, s->x),
                                     *mask = s->mask ? confined(c, s->mask) : NULL;
    for (int i = 0; i < s->buf->rank; i++)
        index[i] = confined(c, s->index[i]);
    int mark = c->nfacts;
    if (mask)
        assume(c, mask, true);
    fv_expr *ask = unproved(c, s->buf, index);
    c->nfacts = mark;
    if (ask)
        mask = mask ? require_where(c, let(c, "wanted", mask), ask) : require(c, "inside", ask);
    fv_kb_store(&c->b, s->buf, index, x, mask);
}

/* Keeps a prefetch if its indices are proved to be in range, otherwise drops it. */
static void confine_prefetch(confiner *c, const fv_stmt *s) {
    fv_expr *index[FV_MAX_RANK + 1], *at[FV_MAX_RANK + 1];
    for (int i = 0; i < s->buf->rank; i++)
        at[i] = index[i] = confined(c, s->index[i]);
    if (!unproved(c, s->buf, at))
        fv_kb_prefetch(&c->b, s->buf, index, s->cache);
}

/* ---- numbers of iterations ---- */

/* The maximum number of iterations of a loop; INT64_MAX: its bounds are unknown, or its variable
 * may wrap. */
static int64_t most_trips(const fv_stmt *s) {
    int64_t least, most, lo, hi;
    fv_x_range(s->loop.lo, &lo, &least);
    fv_x_range(s->loop.hi, &most, &hi);
    (void)least, (void)most;
    if (lo <= -far || hi >= far || s->loop.step >= far)
        return INT64_MAX;
    return hi <= lo ? 0 : (hi - lo - 1) / s->loop.step + 1;
}

static int64_t cost_of(const fv_block *block);

/* Must the loop count its iterations? *cost: the iterations that it executes at most, without those
 * of loops within it that count themselves. */
static bool has_to_count(const fv_stmt *s, int64_t *cost) {
    int64_t trips = s->kind == FV_S_WHILE ? INT64_MAX : most_trips(s);
    *cost = fv_mulsat(trips, fv_addsat(1, cost_of(&s->body)));
    return *cost > FREE_TURNS;
}

static int64_t cost_of(const fv_block *block) {
    int64_t all = 0, cost;
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_FOR || s->kind == FV_S_WHILE)
            all = fv_addsat(all, has_to_count(s, &cost) ? 1 : cost);
        else
            all = fv_addsat(all, fv_addsat(cost_of(&s->body), cost_of(&s->other)));
    }
    return all;
}

static bool has_counting(const fv_block *block) {
    int64_t cost;
    for (const fv_stmt *s = block->first; s; s = s->next)
        if (((s->kind == FV_S_FOR || s->kind == FV_S_WHILE) && has_to_count(s, &cost)) ||
            has_counting(&s->body) || has_counting(&s->other))
            return true;
    return false;
}

static int64_t most_turns(const fv_block *block) {
    int64_t all = 0;
    for (const fv_stmt *s = block->first; s; s = s->next) {
        int64_t body = fv_addsat(most_turns(&s->body), most_turns(&s->other));
        bool loop = s->kind == FV_S_FOR || s->kind == FV_S_WHILE;
        all = fv_addsat(all, loop ? fv_mulsat(s->kind == FV_S_WHILE ? INT64_MAX : most_trips(s),
                                              fv_addsat(1, body))
                                  : body);
    }
    return all;
}

static fv_expr *turns_left(confiner *c) {
    return fv_x_load(c->a, c->turns, NULL);
}

static void declare_turns(confiner *c, const fv_block *body) {
    if (c->counts && !c->turns && has_counting(body))
        c->turns = fv_kb_tile(&c->b, "turns", FV_I64, 0, NULL, c->budget);
}

/* ---- loops ---- */

static void confine_block(confiner *c, const fv_block *from, fv_block *to);

static fv_stmt *add_like(confiner *c, const fv_stmt *s) {
    fv_stmt *copy = fv_kb_add(&c->b, s->kind);
    *copy = *s;
    copy->next = NULL;
    copy->body = copy->other = (fv_block){0};
    return copy;
}

/* Records the bounds that the text gives the loop. They hold even if the loop ends early. */
static void learn_loop(confiner *c, const fv_stmt *s, fv_expr *lo, fv_expr *hi) {
    fv_stmt *known = FV_NEW(c->a, fv_stmt, 1);
    *known = *s;
    known->loop.lo = lo;
    known->loop.hi = hi;
    fv_prover_learn(&c->z, known);
    fv_prover_inner(&c->z, s->var);
}

static bool is_within(const fv_expr *x) {
    int64_t lo, hi;
    fv_x_range(x, &lo, &hi);
    return lo > -far && hi < far;
}

static fv_expr *is_near(confiner *c, fv_expr *x) {
    return is_within(x) ? NULL
                        : binary(c, FV_X_AND, binary(c, FV_X_LE, number(c, -far), x),
                                 binary(c, FV_X_LE, x, number(c, far)));
}

/* Subtracts the cost of the loop from the iterations that are left. Returns the end of the loop:
 * hi, or lo if too few are left. */
static fv_expr *take_turns(confiner *c, const fv_stmt *s, fv_expr *lo, fv_expr *hi) {
    fv_expr *span = binary(c, FV_X_MAX, binary(c, FV_X_SUB, hi, lo), number(c, 0));
    fv_expr *cost =
        let(c, "cost", binary(c, FV_X_MULSAT, span, number(c, fv_addsat(1, cost_of(&s->body)))));
    fv_expr *left = let(c, "left", turns_left(c));
    fv_expr *fits =
        both(c, binary(c, FV_X_LE, cost, left), both(c, is_near(c, lo), is_near(c, hi)));
    fv_expr *ok = require(c, "ends", binary(c, FV_X_OR, binary(c, FV_X_LE, hi, lo), fits));
    fv_expr *rest = fv_x_select(
        c->a, ok, binary(c, FV_X_SUB, left, binary(c, FV_X_MIN, cost, left)), number(c, 0));
    fv_kb_store(&c->b, c->turns, NULL, rest, NULL);
    return let(c, "end", fv_x_select(c->a, ok, hi, lo));
}

static void confine_for(confiner *c, const fv_stmt *s) {
    int64_t cost;
    fv_expr *lo = confined(c, s->loop.lo), *hi = confined(c, s->loop.hi), *end = hi;
    bool counting = c->counts && has_to_count(s, &cost);
    if (counting) {
        lo = let(c, "first", lo);
        hi = let(c, "last", hi);
        end = take_turns(c, s, lo, hi);
    }
    fv_stmt *copy = add_like(c, s);
    copy->loop.lo = lo;
    copy->loop.hi = end;
    if (c->counts &&
        (s->loop.kind == FV_PARALLEL || (s->loop.kind == FV_VECTOR && has_counting(&s->body))))
        /* iterations that are counted use one counter, so they must be executed in order */
        copy->loop.kind = FV_SERIAL;
    learn_loop(c, s, lo, hi);
    confine_block(c, &s->body, &copy->body);
}

/* A while loop: each iteration computes the condition before the body. */
static void confine_while(confiner *c, const fv_stmt *s) {
    fv_buf *goes_on =
        fv_kb_tile(&c->b, "goes_on", FV_BOOL, 0, NULL, fv_x_const_int(c->a, FV_BOOL, 1));
    fv_kb_while(&c->b, fv_x_load(c->a, goes_on, NULL));
    fv_expr *cond = let(c, "wanted", confined(c, s->x)), *left = let(c, "left", turns_left(c));
    fv_expr *on = require_where(c, cond, binary(c, FV_X_LE, number(c, 1), left));
    fv_expr *cost = number(c, fv_addsat(1, cost_of(&s->body)));
    fv_kb_store(&c->b, c->turns, NULL, binary(c, FV_X_SUB, left, binary(c, FV_X_MIN, cost, left)),
                NULL);
    fv_kb_store(&c->b, goes_on, NULL, on, NULL);
    fv_kb_if(&c->b, on);
    int mark = c->nfacts;
    assume(c, on, true);
    confine_block(c, &s->body, c->b.block);
    c->nfacts = mark;
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
}

static void confine_if(confiner *c, const fv_stmt *s) {
    fv_expr *cond = confined(c, s->x);
    fv_stmt *copy = add_like(c, s);
    int mark = c->nfacts;
    copy->x = cond;
    assume(c, cond, true);
    confine_block(c, &s->body, &copy->body);
    c->nfacts = mark;
    assume(c, cond, false);
    confine_block(c, &s->other, &copy->other);
    c->nfacts = mark;
}

/* The body of an outline becomes a part of the kernel if loops in it count, because an outline
 * cannot store to `turns`, a variable from outside. */
static void confine_outline(confiner *c, const fv_stmt *s) {
    if (c->counts && has_counting(&s->body))
        confine_block(c, &s->body, c->b.block);
    else
        confine_block(c, &s->body, &add_like(c, s)->body);
}

static void confine_let(confiner *c, const fv_stmt *s) {
    fv_expr *x = confined(c, s->x);
    fv_kb_share(&c->b, 1, &x);
    fv_stmt *copy = add_like(c, s);
    copy->x = x;
    learn_let(c, copy);
}

static void confine_tile(confiner *c, const fv_stmt *s) {
    fv_expr *x = s->x ? confined(c, s->x) : fv_x_zero(c->a, s->buf->elem);
    add_like(c, s)->x = x;
}

static void confine_stmt(confiner *c, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_LET: confine_let(c, s); break;
    case FV_S_STORE: confine_store(c, s); break;
    case FV_S_PREFETCH: confine_prefetch(c, s); break;
    case FV_S_TILE: confine_tile(c, s); break;
    case FV_S_FOR: confine_for(c, s); break;
    case FV_S_IF: confine_if(c, s); break;
    case FV_S_WHILE: confine_while(c, s); break;
    case FV_S_OUTLINE: confine_outline(c, s); break;
    /* checks of indices would be in the loops, which then have not the form of a product */
    case FV_S_MATRIX: confine_block(c, &s->body, c->b.block); break;
    case FV_S_TRANSPOSE:
    case FV_S_CALL:
    case FV_S_COMMENT: add_like(c, s); break;
    case FV_S_READ:
    case FV_S_PLAN:
    case FV_S_MEMORY:
    case FV_S_CHECK:
    case FV_S_LAUNCH:
    case FV_S_ALLOC:
    case FV_S_FREE:
    case FV_S_SETDIM: break; /* these are statements of host programs */
    }
}

static void confine_block(confiner *c, const fv_block *from, fv_block *to) {
    fv_block *around = c->b.block;
    c->b.block = to;
    for (const fv_stmt *s = from->first; s; s = s->next)
        confine_stmt(c, s);
    c->b.block = around;
}

/* ---- tasks ---- */

/* The parallel loop if the block consists of one, apart from lets and comments before it; otherwise
 * NULL. Expansion makes tasks of such a loop. */
static const fv_stmt *only_parallel(const fv_block *block) {
    const fv_stmt *s = block->first;
    while (s && (s->kind == FV_S_LET || s->kind == FV_S_COMMENT))
        s = s->next;
    return s && s->kind == FV_S_FOR && s->loop.kind == FV_PARALLEL && !s->next ? s : NULL;
}

/* Limits the iterations of the parallel loop to the budget, and divides the budget among them.
 * False after a diagnostic. */
static bool confine_tasks(confiner *c, const fv_stmt *s, fv_block *to) {
    c->b.block = to;
    for (const fv_stmt *before = s; before->kind != FV_S_FOR; before = before->next)
        confine_stmt(c, before);
    while (s->kind != FV_S_FOR)
        s = s->next;
    fv_expr *lo = let(c, "first", confined(c, s->loop.lo)),
            *hi = let(c, "last", confined(c, s->loop.hi));
    if (!is_within(lo) || !is_within(hi))
        return refuse(
            c, fv_printf(
                   c->a,
                   "the bounds of the parallel loop over '%s' may be too far apart to be counted",
                   s->var->name));
    fv_expr *span = let(c, "span", binary(c, FV_X_MAX, binary(c, FV_X_SUB, hi, lo), number(c, 0)));
    fv_expr *budget = c->budget;
    int64_t least, most, whole;
    fv_x_range(span, &least, &most);
    bool fits = fv_x_is_int(budget, &whole) && most <= whole;
    fv_stmt *copy = add_like(c, s);
    copy->loop.lo = lo;
    copy->loop.hi = fits ? hi : binary(c, FV_X_MIN, hi, binary(c, FV_X_ADD, lo, budget));
    learn_loop(c, s, lo, hi);
    c->b.block = &copy->body;
    if (!fits)
        require(c, "ends", binary(c, FV_X_LE, span, budget));
    fv_expr *each = binary(c, FV_X_FLOORDIV, budget, binary(c, FV_X_MAX, span, number(c, 1)));
    c->budget = let(c, "budget", binary(c, FV_X_MAX, each, number(c, 1)));
    if (only_parallel(&s->body))
        return confine_tasks(c, s->body.first, &copy->body);
    declare_turns(c, &s->body);
    confine_block(c, &s->body, &copy->body);
    return true;
}

/* ---- kernels that are rejected ---- */

static bool stmt_has_lanes(const fv_stmt *s) {
    const fv_expr *parts[] = {s->x, s->mask, s->loop.lo, s->loop.hi};
    bool yes = s->kind == FV_S_TILE && s->buf->lanes > 1;
    for (int i = 0; i < 4 && !yes; i++)
        yes = parts[i] && fv_x_has(parts[i], FV_HAS_LANES);
    for (int i = 0; s->index && i < s->buf->rank && !yes; i++)
        yes = fv_x_has(s->index[i], FV_HAS_LANES);
    return yes;
}

static bool block_has_lanes(const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        if (stmt_has_lanes(s) || block_has_lanes(&s->body) || block_has_lanes(&s->other))
            return true;
    return false;
}

static int64_t tile_bytes(const fv_block *block) {
    int64_t all = 0;
    for (const fv_stmt *s = block->first; s; s = s->next) {
        int64_t bytes = s->kind == FV_S_TILE ? fv_elem_storage_bytes(s->buf->elem) : 0;
        for (int i = 0; bytes && i < s->buf->rank; i++)
            bytes = fv_mulsat(bytes, fv_x_int_value(s->buf->extent[i]));
        all = fv_addsat(all,
                        fv_addsat(bytes, fv_addsat(tile_bytes(&s->body), tile_bytes(&s->other))));
    }
    return all;
}

/* The number of statements of the block after unrolling. */
static int64_t unrolled(const fv_block *block) {
    int64_t all = 0, lo, hi;
    for (const fv_stmt *s = block->first; s; s = s->next) {
        bool copies = s->kind == FV_S_FOR &&
                      (s->loop.kind == FV_UNROLL || s->loop.kind == FV_VECTOR) &&
                      fv_x_is_int(s->loop.lo, &lo) && fv_x_is_int(s->loop.hi, &hi);
        int64_t body = fv_addsat(unrolled(&s->body), unrolled(&s->other));
        all = fv_addsat(all, fv_addsat(1, copies ? fv_mulsat(most_trips(s), body) : body));
    }
    return all;
}

static bool has_long_step(const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        if ((s->kind == FV_S_FOR && s->loop.step >= far) || has_long_step(&s->body) ||
            has_long_step(&s->other))
            return true;
    return false;
}

static bool is_fit(confiner *c) {
    const fv_block *body = &c->k->body;
    if (c->k->task || block_has_lanes(body))
        return refuse(c, "it is written for one target: vectors are loops that are `vector`, tasks "
                         "such that are `parallel`");
    if (has_long_step(body))
        return refuse(c, "the step of a loop is so long that its variable may wrap");
    if (tile_bytes(body) > MAX_TILES)
        return refuse(c, fv_printf(c->a, "its tiles are larger than %d bytes together", MAX_TILES));
    return unrolled(body) <= MAX_UNROLLED ||
           refuse(c, fv_printf(c->a, "written out it has more than %d statements", MAX_UNROLLED));
}

bool fv_kernel_confine(fv_session *s, fv_kernel *k, int64_t turns) {
    fv_arena *a = k->arena;
    confiner c = {.s = s,
                  .k = k,
                  .a = a,
                  .flags = fv_ptrmap_in(a),
                  .budget = fv_x_int(a, turns),
                  .z = {.a = a, .lets = fv_ptrmap_in(a), .loops = fv_ptrmap_in(a), .exact = true}};
    fv_block body = {0};
    if (!is_fit(&c) || !fv_kernel_verify_exact(s, k))
        return false;
    fv_kb_init(&c.b, a, k, &body);
    fv_prover_start(&c.z, NULL);
    c.counts = most_turns(&k->body) > turns;
    if (c.counts && only_parallel(&k->body)) {
        if (!confine_tasks(&c, k->body.first, &body))
            return false;
    } else {
        c.b.block = &body;
        declare_turns(&c, &k->body);
        confine_block(&c, &k->body, &body);
    }
    k->body = body;
    return fv_kernel_verify(s, k);
}
