/* marks.c - see marks.h. */
#include "backend/lowering/marks.h"

#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/graph/infer.h"

/* ---- dims ---- */

/* Are a and b equal, by proof, by an assumption of the module, or by an fv.Assume before op? */
static bool are_said_equal(const fv_op *op, const fv_dim *a, const fv_dim *b) {
    bool equal = fv_module_equal(fv_op_module(op), a, b);
    for (op = op->prev; op && !equal; op = op->prev) {
        if (!fv_op_is(op, FV_OP_fv_Assume))
            continue;
        const fv_dim *left = fv_op_find_attr(op, "left")->u.dims[0],
                     *right = fv_op_find_attr(op, "right")->u.dims[0];
        equal = (left == a && right == b) || (left == b && right == a);
    }
    return equal;
}

/* The index of d in a list of symbols; the length of the list if d is not in it. */
static int number_of(const fv_attr *symbols, const fv_dim *d) {
    int i = 0;
    while (i < symbols->n && symbols->u.dims[i] != d)
        i++;
    return i;
}

/* ---- branches ---- */

/* Is d a legal dim of a result of an If? It must be equal to the dims in both branches, or be a
 * symbol that is bound to the dim of the branch that ran. */
static bool has_dim(const fv_op *middle, const fv_op *end, const fv_dim *d, const fv_dim *then,
                    const fv_dim *other) {
    const fv_attr *symbols = fv_op_find_attr(end, "symbols");
    int k = number_of(symbols, d);
    bool bound = k < symbols->n;
    return are_said_equal(middle, then, bound ? fv_op_find_attr(middle, "dims")->u.dims[k] : d) &&
           are_said_equal(end, other, bound ? fv_op_find_attr(end, "dims")->u.dims[k] : d);
}

static bool is_pair(const fv_op *middle, const fv_op *end) {
    const fv_attr *dims[2] = {fv_op_find_attr(middle, "dims"), fv_op_find_attr(end, "dims")};
    if (middle->nin != end->nin || dims[0]->n != dims[1]->n)
        return fv_op_error(end, "has other results than its else");
    for (int i = 0; i < end->nout; i++) {
        const fv_type *t[] = {end->out[i] ? end->out[i]->type : NULL, middle->in[i]->type,
                              end->in[i]->type};
        for (int k = 0; k < 3; k++)
            if (t[k] &&
                (t[k]->kind != FV_TENSOR || t[k]->rank != t[1]->rank || t[k]->elem != t[1]->elem))
                return fv_op_error(end, "result %d is %s, of what is %s", i,
                                   fv_type_str(fv_op_module(end)->arena, t[k]),
                                   fv_type_str(fv_op_module(end)->arena, t[1]));
        for (int k = 0; t[0] && k < t[0]->rank; k++)
            if (!has_dim(middle, end, t[0]->dims[k], t[1]->dims[k], t[2]->dims[k]))
                return fv_op_error(
                    end, "result %d is %s, of what is %s in one branch and %s in the other", i,
                    fv_type_str(fv_op_module(end)->arena, t[0]),
                    fv_type_str(fv_op_module(end)->arena, t[1]),
                    fv_type_str(fv_op_module(end)->arena, t[2]));
    }
    return true;
}

/* ---- loops ---- */

/* Is d at least the maximum number of iterations, so that a state with this many rows has one for
 * each iteration? */
static bool are_all_iterations(const fv_op *loop, const fv_dim *d) {
    const fv_attr *times = fv_op_find_attr(loop, "times");
    fv_dims *t = fv_op_module(loop)->dims;
    return times && fv_dim_at_most(t, fv_dim_max(t, times->u.dims[0], fv_dim_const(t, 0)), d);
}

/* Is the dim of state i along the axis the one that the marks state? If it is a symbol that the
 * loop binds, it must equal the attributes `first` before the first iteration, `next` after an
 * iteration, and `symbols` after the last, where the maximum number of iterations may replace the
 * first symbol; any other dim must be the same throughout. */
static bool dims_agree(const fv_op *loop, const fv_op *end, int i, int axis) {
    const fv_attr *symbols = fv_op_find_attr(loop, "symbols");
    const fv_dim *first = loop->in[1 + i]->type->dims[axis],
                 *next = end->in[1 + i]->type->dims[axis];
    const fv_dim *seen = loop->out[i]->type->dims[axis], *last = end->out[i]->type->dims[axis];
    int k = number_of(symbols, seen);
    if (k == symbols->n)
        return are_said_equal(loop, first, seen) && are_said_equal(end, next, seen) &&
               are_said_equal(end, last, seen);
    return are_said_equal(loop, first, fv_op_find_attr(loop, "first")->u.dims[k]) &&
           are_said_equal(end, next, fv_op_find_attr(end, "next")->u.dims[k]) &&
           (last == fv_op_find_attr(end, "symbols")->u.dims[k] ||
            (k == 0 && are_all_iterations(loop, last)));
}

/* Is the first symbol the number of the iteration? It is the index of the row that an iteration
 * writes. */
static bool counts_iterations(const fv_op *loop, const fv_op *end) {
    fv_dims *t = fv_op_module(loop)->dims;
    const fv_dim *turn = fv_op_find_attr(loop, "symbols")->u.dims[0], *zero = fv_dim_const(t, 0);
    return (fv_op_find_attr(loop, "first")->u.dims[0] == zero &&
            fv_op_find_attr(end, "next")->u.dims[0] == fv_dim_add(t, turn, fv_dim_const(t, 1))) ||
           fv_op_error(end, "its first symbol is not the number of the iteration");
}

static bool is_returned(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++)
        if (v->uses[i].op->def == &fv_return_def)
            return true;
    return false;
}

/* Is operand 1 + i of the loop's end, after the states, a row of result i, whose memory has a row
 * for each possible iteration? If a condition may end the loop early, result i must not be a result
 * of the model: the rows of the iterations that did not run are not written. False after a
 * diagnostic. */
static bool is_row(const fv_op *loop, const fv_op *end, int i) {
    fv_arena *a = fv_op_module(end)->arena;
    const fv_type *row = end->in[1 + i]->type, *all = end->out[i] ? end->out[i]->type : NULL;
    bool fits = all && row->kind == FV_TENSOR && all->kind == FV_TENSOR && row->elem == all->elem &&
                row->rank == all->rank && row->rank > 0 && fv_dim_is_one(row->dims[0]) &&
                are_all_iterations(loop, all->dims[0]);
    for (int k = 1; fits && k < row->rank; k++)
        fits = are_said_equal(end, row->dims[k], all->dims[k]);
    if (fits && (loop->in[0] || end->in[0]) && is_returned(end->out[i]))
        return fv_op_error(
            end, "has a row for each iteration, and a condition may end the loop earlier");
    return fits || fv_op_error(end, "result %d is %s, of rows that are %s", i,
                               all ? fv_type_str(a, all) : "left out", fv_type_str(a, row));
}

/* Do the two ends of a loop have the same states, is the first symbol the number of the iteration,
 * and are the further results made of rows (is_row)? False after a diagnostic. */
static bool states_agree(const fv_op *loop, const fv_op *end) {
    fv_arena *a = fv_op_module(end)->arena;
    if (loop->nout > end->nout ||
        fv_op_find_attr(loop, "symbols")->n != fv_op_find_attr(end, "symbols")->n)
        return fv_op_error(end, "has other states than its loop");
    if (!counts_iterations(loop, end))
        return false;
    for (int i = loop->nout; i < end->nout; i++)
        if (!is_row(loop, end, i))
            return false;
    for (int i = 0; i < loop->nout; i++) {
        if (!loop->out[i] || !end->out[i])
            return fv_op_error(end, "leaves out state %d, or its loop does", i);
        const fv_type *t[] = {loop->in[1 + i]->type, end->in[1 + i]->type, end->out[i]->type},
                      *seen = loop->out[i]->type;
        for (int k = 0; k < 3; k++)
            if (t[k]->kind != FV_TENSOR || t[k]->rank != seen->rank || t[k]->elem != seen->elem)
                return fv_op_error(end, "state %d is %s, and %s", i, fv_type_str(a, seen),
                                   fv_type_str(a, t[k]));
        for (int k = 0; k < seen->rank; k++)
            if (!dims_agree(loop, end, i, k))
                return fv_op_error(end,
                                   "state %d is %s at first, then %s, then %s, and %s in the end: "
                                   "axis %d has no such dims",
                                   i, fv_type_str(a, t[0]), fv_type_str(a, seen),
                                   fv_type_str(a, t[1]), fv_type_str(a, t[2]), k);
    }
    return true;
}

/* ---- lists of ops ---- */

typedef struct scope { /* The list of ops of main, of a branch, or of the body of a loop. */
    const fv_op *mark;
    struct scope *outer;
    int depth;
} scope;

static bool is_around(const scope *outer, const scope *s) {
    while (s && s != outer)
        s = s->outer;
    return s == outer;
}

/* The scope of the op after op; NULL after a diagnostic. */
static scope *scope_behind(fv_lowerer *l, const fv_op *op, scope *s) {
    const fv_opdef *around = s->mark ? s->mark->def : NULL;
    if (op->def == &fv_endif_def)
        return around == &fv_else_def ? s->outer : (fv_op_error(op, "ends no else"), NULL);
    if (op->def == &fv_endloop_def)
        return around == &fv_loop_def ? s->outer : (fv_op_error(op, "ends no loop"), NULL);
    if (op->def == &fv_else_def && around != &fv_if_def)
        return fv_op_error(op, "belongs to no if"), NULL;
    if (op->def != &fv_else_def && !fv_mark_depth(op))
        return s;
    scope *inner = FV_NEW(l->arena, scope, 1);
    *inner =
        (scope){op, op->def == &fv_else_def ? s->outer : s, s->depth + (op->def != &fv_else_def)};
    return inner->depth <= FV_MAX_DEPTH ? inner : (fv_op_error(op, "is nested too deeply"), NULL);
}

bool fv_marks_are_legal(fv_lowerer *l) {
    fv_ptrmap made = fv_ptrmap_in(l->arena); /* value -> scope */
    scope main = {0}, *s = &main;
    for (const fv_op *op = l->func->body->first; op; op = op->next) {
        for (int i = 0; i < op->nin; i++) {
            const scope *of = op->in[i] ? fv_ptrmap_get(&made, op->in[i]) : NULL;
            if (of && !is_around(of, s))
                return fv_op_error(
                    op,
                    "uses %%%s, which is computed in a branch or iteration that may not have run",
                    op->in[i]->name);
        }
        if (op->def == &fv_endif_def && s->mark && s->mark->def == &fv_else_def &&
            !is_pair(s->mark, op))
            return false;
        if (op->def == &fv_endloop_def && s->mark && s->mark->def == &fv_loop_def &&
            !states_agree(s->mark, op))
            return false;
        s = scope_behind(l, op, s);
        if (!s)
            return false;
        for (int i = 0; i < op->nout && s != &main; i++)
            if (op->out[i])
                *fv_ptrmap_at(&made, op->out[i]) = s;
    }
    return s == &main || fv_op_error(s->mark, "has no end");
}
