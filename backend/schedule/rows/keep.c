/* keep.c - keeps what one pass over a row computes for later passes, in the row of the result. Each
 * reduction along a row is a pass, and the result itself is the last one: a softmax and a layer
 * norm have three. If a pass computes something expensive that a later one needs again, it stores
 * it in the row, and later passes load it. The row holds one such value at a time:
 *
 *     softmax of f(x):    m = max k: row[k] = f(x[k]);  s = sum k: row[k] = exp(row[k] - m)
 *                         row[j] / s
 *
 * Only a value of the type that the row stores is kept, so that storing it does not round it. */
#include "backend/schedule/rows/keep.h"

#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/reduce.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* The work of a function, of a division or square root, of a conversion between floats of different
 * size, and of loading elements that are not neighbours; that of other operations is 1. */
enum { MATH = 16, SLOW = 4, RESIZING = 3, SCATTERED = 10, MAX_DEPTH = 16 };

typedef struct planner {
    fv_kemit *e;
    fv_var *j;    /* the axis of the row */
    fv_elem elem; /* the type of elements that the row can hold */
    /* what the row holds after the passes planned so far, over j; NULL: nothing */
    const fv_expr *now;
} planner;

/* ---- the passes ---- */

static bool uses_any(const fv_expr *x, const fv_expr *const *outside, int depth) {
    for (int d = 0; d < depth; d++)
        for (int i = 0; i < outside[d]->u.red.nvars; i++)
            if (fv_x_uses(x, outside[d]->u.red.vars[i]))
                return true;
    return false;
}

static bool is_pass(const planner *p, const fv_expr *sum, const fv_expr *const *outside,
                    int depth) {
    return sum->u.red.nvars == 1 && sum->u.red.vars[0]->dim == p->j->dim && !fv_x_uses(sum, p->j) &&
           fv_kemit_in_chains(p->e, sum) && !uses_any(sum, outside, depth);
}

/* Lists the passes in the order in which they are emitted: a reduction within another one comes
 * first. Returns false if there are too many. */
static bool find_passes(planner *p, fv_expr *x, const fv_expr **outside, int depth,
                        fv_ptrmap *seen) {
    fv_keep *keep = &p->e->keep;
    /* if an earlier result of the kernel has computed x, this result needs no pass for it */
    bool taken = x->op == FV_X_REDUCE && p->e->group.n && fv_kemit_is_known(p->e, x);
    if (!x->n || taken || *fv_ptrmap_at(seen, x))
        return true;
    *fv_ptrmap_at(seen, x) = x;
    if (x->op == FV_X_REDUCE && depth == MAX_DEPTH)
        return false;
    if (x->op == FV_X_REDUCE)
        outside[depth] = x;
    for (int i = 0; i < x->n; i++)
        if (!find_passes(p, x->arg[i], outside, depth + (x->op == FV_X_REDUCE), seen))
            return false;
    if (x->op != FV_X_REDUCE || !is_pass(p, x, outside, depth))
        return true;
    for (int i = 0; i < keep->n; i++)
        if (fv_x_equal(keep->passes[i].sum, x))
            return true;
    if (keep->n == FV_MAX_PASSES - 1)
        return false;
    keep->passes[keep->n++] = (fv_pass){.sum = x};
    return true;
}

/* ---- expressions of one pass ---- */

static fv_expr *body_of(const planner *p, const fv_pass *pass) {
    return pass->sum ? pass->sum->arg[0] : p->e->def->body;
}

static fv_var *var_of(const planner *p, const fv_pass *pass) {
    return pass->sum ? pass->sum->u.red.vars[0] : p->j;
}

/* Does x have a value that can be stored? A product that is summed has none: it is rounded only
 * with the sum (a fused multiply-add). */
static bool is_value(const fv_pass *pass, const fv_expr *x) {
    return !(pass->sum && pass->sum->u.red.kind == FV_SUM && x == pass->sum->arg[0] &&
             x->op == FV_X_MUL);
}

/* Returns x with the variable of that pass in place of j. */
static fv_expr *as_in(const planner *p, const fv_pass *pass, const fv_expr *x) {
    fv_expr *at = fv_x_var(p->e->l->exprs, var_of(p, pass));
    return fv_x_replace_vars(p->e->l->exprs, (fv_expr *)x, 1, &p->j, &at);
}

/* Finds the nodes of the pass that are equal to `what`, outside of reductions and of `but`. Returns
 * their number, at most FV_MAX_KEPT + 1. `what` must have arguments. */
static int find_in(const planner *p, const fv_pass *pass, const fv_expr *what, const fv_expr *but,
                   const fv_expr **found) {
    const fv_expr *x;
    int n = 0;
    what = as_in(p, pass, what);
    but = but ? as_in(p, pass, but) : NULL;
    fv_x_visitor v = fv_x_visit(p->e->l->current.scratch, body_of(p, pass));
    while (n <= FV_MAX_KEPT && (x = fv_x_next(&v))) {
        bool other = x->op != FV_X_REDUCE && !(but && fv_x_equal(x, but)),
             equal = other && is_value(pass, x) && fv_x_equal(x, what);
        if (equal && n < FV_MAX_KEPT)
            found[n] = x;
        n += equal;
        if (!other || equal)
            fv_x_skip(&v);
    }
    return n;
}

/* Does any pass from number `from` on compute `what`, outside of `but`? */
static bool is_wanted(const planner *p, int from, const fv_expr *what, const fv_expr *but) {
    const fv_expr *found[FV_MAX_KEPT];
    for (int i = from; i < p->e->keep.n; i++)
        if (find_in(p, &p->e->keep.passes[i], what, but, found))
            return true;
    return false;
}

/* Is x a conversion between floats of different size? */
static bool resizes(const fv_expr *x) {
    const fv_elem to = (fv_elem)x->type.elem;
    const fv_elem from = x->op == FV_X_CONVERT ? (fv_elem)x->arg[0]->type.elem : to;
    return fv_elem_is_float(from) && fv_elem_is_float(to) && fv_elem_bits(from) != fv_elem_bits(to);
}

/* Returns the cost of one element of x along k, if the row holds `held`. */
static int work(const fv_expr *x, const fv_var *k, const fv_expr *held) {
    if (held && fv_x_equal(x, held))
        return 1;
    if (x->op == FV_X_REDUCE || !x->n || !fv_x_uses(x, k))
        return 0;
    int n = 1;
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD) {
        n = fv_x_stride(x, k) == 1 ? 1 : SCATTERED;
        return x->op == FV_X_GUARD
                   ? n + work(x->arg[x->n - 2], k, held) + work(x->arg[x->n - 1], k, held)
                   : n;
    }
    if (fv_expr_op_is_math((fv_expr_op)x->op))
        n = MATH;
    else if (x->op == FV_X_DIV || x->op == FV_X_SQRT || x->op == FV_X_FLOORDIV ||
             x->op == FV_X_FLOORMOD)
        n = SLOW;
    else if (resizes(x))
        n = RESIZING;
    for (int i = 0; i < x->n && n < MATH; i++)
        n += work(x->arg[i], k, held);
    return n;
}

/* Returns the largest expression of pass i that is worth keeping; NULL: none. */
static const fv_expr *find_worth(const planner *p, int i, const fv_expr *held) {
    const fv_pass *pass = &p->e->keep.passes[i];
    fv_var *k = var_of(p, pass);
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->e->l->current.scratch, body_of(p, pass));
         (x = fv_x_next(&v));) {
        if (!x->n || x->op == FV_X_REDUCE || work(x, k, held) <= p->e->l->speed->kept_work) {
            fv_x_skip(&v);
            continue;
        }
        if (x->type.elem == p->elem && is_value(pass, x)) {
            fv_expr *at = fv_x_var(p->e->l->exprs, p->j);
            const fv_expr *over_j = fv_x_replace_vars(p->e->l->exprs, x, 1, &k, &at);
            if (is_wanted(p, i + 1, over_j, NULL) &&
                !(p->now && is_wanted(p, i + 1, p->now, over_j)))
                return x;
        }
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            fv_x_skip_first(&v, x->u.buf->rank); /* nothing within an index is kept */
    }
    return NULL;
}

static void plan_pass(planner *p, int i) {
    fv_pass *pass = &p->e->keep.passes[i];
    const fv_expr *held = p->now ? as_in(p, pass, p->now) : NULL;
    if (held) {
        pass->n = find_in(p, pass, p->now, NULL, pass->held);
        if (pass->n > FV_MAX_KEPT)
            pass->n = FV_MAX_KEPT; /* further ones are computed again */
    }
    if (!pass->sum)
        return;
    pass->x = find_worth(p, i, held);
    if (pass->x) {
        fv_expr *at = fv_x_var(p->e->l->exprs, p->j);
        fv_var *k = var_of(p, pass);
        p->now = fv_x_replace_vars(p->e->l->exprs, (fv_expr *)pass->x, 1, &k, &at);
    }
}

void fv_keep_in_rows(fv_kemit *e, int axis, fv_elem stored) {
    const fv_definition *d = e->def;
    planner p = {.e = e, .j = d->index[axis], .elem = stored};
    const fv_expr *outside[MAX_DEPTH];
    fv_ptrmap seen = fv_ptrmap_in(e->l->current.scratch);
    e->keep.n = 0;
    bool some = find_passes(&p, d->body, outside, 0, &seen);
    if (!some || !e->keep.n) {
        if (!some)
            fv_declines(e->l, d->value, FV_WHY_keep_many, fv_n(FV_MAX_PASSES - 1));
        e->keep.n = 0;
        return;
    }
    e->keep.passes[e->keep.n++] = (fv_pass){.sum = NULL};
    for (int i = 0; i < e->keep.n; i++)
        plan_pass(&p, i);
    if (p.now)
        fv_takes(e->l, d->value, FV_WHY_keeps, fv_n(e->keep.n));
    else {
        fv_declines(e->l, d->value, FV_WHY_keep_nothing, fv_s(fv_elem_name(stored)),
                    fv_n(e->l->speed->kept_work));
        e->keep.n = 0;
    }
}
