/* hoist.c - the step hoist: moves ops whose results are the same in all iterations of a loop to
 * before the loop.
 *
 *     loop(..)                                      %p = MatMul(%keys, @w)
 *       %p = MatMul(%keys, @w)               =>     loop(..)
 *       %q = Add(%h, %p)                              %q = Add(%h, %p)
 *     endloop(..)                                   endloop(..)
 *
 * A loop may have no iterations, so an op that moves must not make a run fail that would have
 * succeeded: its indices are not checked, its sizes cannot be negative, and it does not depend on
 * what an iteration assumes. It only needs memory for its results while the loop runs, and each
 * iteration reads them. An op that is cheap and whose result is larger than its operands therefore
 * stays in the loop, where its uses compute it. */
#include "backend/fuse/work.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/expr/visit.h"
#include "ir/graph/infer.h"

/* A loop, and what is known within its iterations only. */
typedef struct turns {
    fv_lowerer *l;
    fv_op *loop, *end;
    fv_ptrmap made;    /* values defined in the loop */
    fv_ptrmap bound;   /* symbols bound in the loop */
    fv_ptrmap assumed; /* symbols about which the loop makes assumptions */
} turns;

/* ---- values that depend on the iteration ---- */

static bool mentions(const fv_ptrmap *symbols, const fv_dim *d) {
    bool found = d->kind == FV_DIM_SYMBOL && fv_ptrmap_get(symbols, d);
    for (int i = 0; i < d->n && !found; i++)
        found = mentions(symbols, d->arg[i]);
    return found;
}

static bool type_mentions(const fv_ptrmap *symbols, const fv_type *t) {
    for (int i = 0; t->kind == FV_TENSOR && i < t->rank; i++)
        if (mentions(symbols, t->dims[i]))
            return true;
    return false;
}

static void put_symbols(fv_ptrmap *symbols, const fv_dim *d) {
    if (d->kind == FV_DIM_SYMBOL)
        *fv_ptrmap_at(symbols, d) = (void *)(uintptr_t)d;
    for (int i = 0; i < d->n; i++)
        put_symbols(symbols, d->arg[i]);
}

static void put_attr(fv_ptrmap *symbols, const fv_op *op, const char *name) {
    const fv_attr *a = fv_op_find_attr(op, name);
    for (int i = 0; a && i < a->n; i++)
        put_symbols(symbols, a->u.dims[i]);
}

/* Does `assume` state that the number of the iteration is less than the number of iterations, as
 * for the slices of a Scan? That is true in every iteration. */
static bool is_of_times(const fv_op *loop, const fv_op *assume) {
    const fv_attr *times = fv_op_find_attr(loop, "times");
    fv_dims *t = fv_op_module(loop)->dims;
    const fv_dim *turn = fv_op_find_attr(loop, "symbols")->u.dims[0];
    return times && fv_op_find_attr(assume, "right")->u.dims[0] == times->u.dims[0] &&
           fv_op_find_attr(assume, "left")->u.dims[0] ==
               fv_dim_max(t, times->u.dims[0], fv_dim_add(t, turn, fv_dim_const(t, 1)));
}

static turns turns_of(fv_lowerer *l, fv_op *loop, fv_op *end) {
    turns t = {l,
               loop,
               end,
               fv_ptrmap_in(l->current.scratch),
               fv_ptrmap_in(l->current.scratch),
               fv_ptrmap_in(l->current.scratch)};
    for (const fv_op *op = loop; op != end; op = op->next) {
        put_attr(&t.bound, op, "symbols");
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                *fv_ptrmap_at(&t.made, op->out[i]) = op->out[i];
        if (fv_op_is(op, FV_OP_fv_Assume) && !is_of_times(loop, op)) {
            put_attr(&t.assumed, op, "left");
            put_attr(&t.assumed, op, "right");
        }
    }
    return t;
}

static bool expr_mentions(fv_arena *a, const fv_ptrmap *symbols, const fv_expr *root) {
    const fv_expr *x;
    bool found = false;
    for (fv_x_visitor v = fv_x_visit(a, root); !found && (x = fv_x_next(&v));) {
        found = x->op == FV_X_DIM && mentions(symbols, x->u.dim);
        for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars && !found; i++)
            found = mentions(symbols, x->u.red.vars[i]->dim);
    }
    return found;
}

/* Do the types of the operands or results of op, or the definitions of its results, mention one of
 * the symbols? */
static bool speaks_of(fv_lowerer *l, const fv_op *op, const fv_ptrmap *symbols) {
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && type_mentions(symbols, op->in[i]->type))
            return true;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] &&
            (type_mentions(symbols, op->out[i]->type) ||
             expr_mentions(l->exprs, symbols, fv_storage_of(l, op->out[i])->def->body)))
            return true;
    return false;
}

/* Are the results of op, which must all have definitions, the same in all iterations? */
static bool is_same(const turns *t, const fv_op *op) {
    int defined = 0;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && fv_ptrmap_get(&t->made, op->in[i]))
            return false;
    for (int i = 0; i < op->nout; i++) {
        if (op->out[i] && !fv_storage_of(t->l, op->out[i])->def)
            return false;
        defined += op->out[i] != NULL;
    }
    return defined && !op->def->has_effect && !speaks_of(t->l, op, &t->bound);
}

/* ---- which ops move ---- */

static const fv_value *first_result(const fv_op *op) {
    int i = 0;
    while (!op->out[i])
        i++;
    return op->out[i];
}

static bool may_be_negative(const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i]->lo < 0)
            return true;
    return false;
}

/* May op run even if the loop has no iterations? */
static bool is_safe(const turns *t, const fv_op *op) {
    const fv_value *v = first_result(op);
    bool asks = false, negative = false;
    for (int i = 0; i < op->nout; i++) {
        asks |= op->out[i] && fv_x_is_checked(fv_storage_of(t->l, op->out[i])->def->body);
        negative |= op->out[i] && may_be_negative(op->out[i]->type);
    }
    if (asks)
        return fv_declines(t->l, v, FV_WHY_hoist_checked, fv_o(t->loop));
    if (negative || speaks_of(t->l, op, &t->assumed))
        return fv_declines(t->l, v, FV_WHY_hoist_assumed, fv_o(t->loop));
    return true;
}

/* Does computing op once save more time in each iteration than reading its results takes? */
static bool pays(const turns *t, const fv_op *op) {
    double most = 0, all = 0;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && fv_typical_elements(op->in[i]->type) > most)
            most = fv_typical_elements(op->in[i]->type);
    for (int i = 0; i < op->nout; i++) {
        fv_work w =
            op->out[i] ? fv_work_of(t->l, fv_storage_of(t->l, op->out[i])->def) : (fv_work){0};
        if (w.reductions || w.math)
            return true;
        all += op->out[i] && !fv_is_view(&w) ? fv_typical_elements(op->out[i]->type) : 0;
    }
    return all > 0 && all <= most;
}

static bool is_wanted(const fv_op *op, const fv_ptrmap *moved) {
    for (int i = 0; i < op->nout; i++)
        for (int k = 0; op->out[i] && k < op->out[i]->nuses; k++)
            if (fv_ptrmap_get(moved, op->out[i]->uses[k].op))
                return true;
    return false;
}

/* First lists the ops that could move, in order. Then decides from the last to the first which do:
 * those that pay, and those whose results they read. */
static void hoist_out_of(fv_lowerer *l, fv_op *loop, fv_op *end) {
    turns t = turns_of(l, loop, end);
    fv_ptrmap moved = fv_ptrmap_in(l->current.scratch);
    fv_op **same = NULL;
    int n = 0, cap = 0, depth = 0;
    for (fv_op *op = loop->next; op != end; op = op->next) {
        depth += fv_mark_depth(op);
        if (depth || !is_same(&t, op) || !is_safe(&t, op))
            continue;
        FV_PUSH(l->exprs, same, n, cap, op);
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                *fv_ptrmap_at(&t.made, op->out[i]) = NULL;
    }
    for (int i = n - 1; i >= 0; i--)
        if (is_wanted(same[i], &moved) || pays(&t, same[i]))
            *fv_ptrmap_at(&moved, same[i]) = same[i];
    for (int i = 0; i < n; i++) {
        const fv_value *v = first_result(same[i]);
        if (!fv_ptrmap_get(&moved, same[i])) {
            fv_declines(l, v, FV_WHY_hoist_cheap, fv_o(loop));
            continue;
        }
        fv_takes(l, v, FV_WHY_hoisted, fv_o(loop));
        fv_op_move_before(same[i], loop);
    }
}

/* Handles inner loops first: an op that leaves a loop may leave the loop around it, too. */
bool fv_step_hoist(fv_lowerer *l) {
    for (fv_op *op = l->func->body->first; op; op = op->next)
        if (op->def == &fv_endloop_def)
            hoist_out_of(l, fv_loop_begin(op), op);
    return true;
}
