/* stack_turns.c - the pass `stack-turns`: a value that each iteration of a Loop appends to a state
 * becomes a row of a result.
 *
 *     Loop(..., %none, ...) {body = ^(..., %all, ...) {
 *       %more = SequenceInsert(%all, %x)          or  Concat(%all, %x)
 *       return ..., %more, ...                    =>    return ..., ..., %x
 *     }}                                                SplitToSequence(%rows)  or  Concat(%none,
 *                                                       Reshape(%rows))
 *
 * Appending copies what was there before: n iterations copy n (n - 1) / 2 elements, whereas a row
 * is written once. PyTorch appends to lists in this way, and models that extend a tensor with
 * torch.cat do, too.
 *
 * The state must have no other reader, its length must not be used, and all elements must have the
 * same shape. This is no rewrite rule, because the states of a loop are connected through the
 * parameters of its body and `return`, which the notation of rules cannot express.
 *
 * The pass runs before legalise and matches the operators that models contain. */
#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/rewriter.h"
#include "ir/graph/settle.h"
#include "ir/graph/symbols.h"
#include "passes/internal.h"

typedef struct growth {
    fv_op *append; /* the op that appends; NULL: the state is not replaced */
    fv_value *x;
    int axis; /* the axis along which a tensor grows; for a sequence 0, a new axis */
} growth;

/* ---- sequences that grow in each iteration ---- */

static bool is_sequence(const fv_value *v) {
    return v->type->kind == FV_SEQUENCE;
}

/* Is the shape the same in all iterations, and has a row a fixed number of bytes? Strings do
 * not. */
static bool has_one_shape(const fv_op *loop, const fv_type *t) {
    if (t->kind != FV_TENSOR || t->rank >= FV_MAX_RANK - 1 || t->elem == FV_STRING)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (fv_unknown_above(loop, t->dims[i]))
            return false;
    return true;
}

static bool begins_empty(const fv_value *v) {
    return v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_SequenceEmpty);
}

/* May the length of the state be arbitrary? Not if a length was declared, which has to be compared
 * with the actual one, or if other values share its symbol. */
static bool has_any_length(const fv_op *loop, int k, int axis, const fv_op *append) {
    const fv_value *out = k < loop->nout ? loop->out[k] : NULL;
    return fv_loop_changes_alone(loop, k, axis, append) &&
           (!out || fv_unknown_above(loop, out->type->dims[axis]) == out->type->dims[axis]);
}

/* In a loop without iterations no Concat checks that the other axes of the state and of the
 * appended value are equal, so they must be known to be. */
static bool grows_along(const fv_op *loop, int k, const growth *g) {
    const fv_type *t = fv_loop_body(loop)->params[FV_BODY_STATE + k]->type;
    for (int i = 0; i < t->rank; i++)
        if (i == g->axis ? !has_any_length(loop, k, i, g->append)
                         : !fv_module_equal(fv_op_module(loop), t->dims[i], g->x->type->dims[i]))
            return false;
    return true;
}

static growth growth_of(const fv_op *loop, int k) {
    const fv_region *body = fv_loop_body(loop);
    const fv_value *all = body->params[FV_BODY_STATE + k], *next = body->last->in[FV_BODY_NEXT + k];
    growth g = {.append = next->kind == FV_VALUE_RESULT ? next->def : NULL};
    if (!g.append || g.append->block != body || all->nuses != 1 || next->nuses != 1 ||
        all->uses[0].op != g.append || all->uses[0].index)
        return (growth){0};
    bool grows = is_sequence(all)
                     ? fv_op_is(g.append, FV_OP_SequenceInsert) && !fv_op_in(g.append, 2) &&
                           begins_empty(loop->in[FV_LOOP_FIRST + k])
                     : fv_op_is(g.append, FV_OP_Concat) && g.append->nin == 2;
    g.x = grows ? g.append->in[1] : NULL;
    if (!grows || !has_one_shape(loop, g.x->type) ||
        (!is_sequence(all) &&
         (!fv_infer_axis(g.append, fv_op_int(g.append, "axis"), g.x->type->rank, &g.axis) ||
          !grows_along(loop, k, &g))))
        return (growth){0};
    return g;
}

/* ---- results of the Loop ---- */

static fv_value *as_sequence(fv_rewriter *w, fv_value *rows) {
    fv_attr attrs[] = {fv_attr_int(w->module, "axis", 0), fv_attr_int(w->module, "keepdims", 0)};
    return fv_w_op(w, FV_OP_SplitToSequence, 1, &rows, 2, attrs);
}

/* The rows concatenated along the axis, after the initial value of the state. */
static fv_value *as_tensor(fv_rewriter *w, fv_value *rows, const fv_value *out, fv_value *first,
                           int axis) {
    fv_dims *t = w->module->dims;
    const fv_type *row = rows->type, *all = out->type;
    const fv_dim *dims[FV_MAX_RANK];
    int perm[FV_MAX_RANK];
    for (int i = 0; i < row->rank; i++)
        perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    for (int i = 0; i < all->rank; i++)
        dims[i] = i == axis ? fv_dim_mul(t, row->dims[0], row->dims[1 + i]) : row->dims[1 + i];
    const fv_dim *there = first->type->dims[axis];
    fv_module_replace_dim(w->module, all->dims[axis], fv_dim_add(t, there, dims[axis]));
    fv_value *y = fv_w_reshape(w, fv_w_transpose(w, rows, perm), all->rank, dims);
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    bool empty = fv_dim_is_const(there) && !there->value;
    return y && !empty ? fv_w_op(w, FV_OP_Concat, 2, (fv_value *[]){first, y}, 1, &a) : y;
}

static bool hand_over(fv_op *loop, fv_value *const *rows, const growth *grown) {
    fv_rewriter w = fv_rewriter_at(loop);
    for (int k = 0; k < fv_loop_states(loop) && k < loop->nout; k++) {
        fv_value *first = loop->in[FV_LOOP_FIRST + k];
        if (grown[k].append && loop->out[k])
            fv_w_result(&w, k,
                        is_sequence(first)
                            ? as_sequence(&w, *rows)
                            : as_tensor(&w, *rows, loop->out[k], first, grown[k].axis));
        rows += grown[k].append != NULL;
    }
    return !w.failed;
}

/* ---- all ---- */

static bool stack(fv_pass_run *r, fv_op *loop) {
    static const char what[] = "states that iterations append to";
    if (!fv_op_is(loop, FV_OP_Loop))
        return true;
    int states = fv_loop_states(loop), n = 0;
    growth *grown = FV_NEW(r->arena, growth, states + 1);
    bool *gone = FV_NEW(r->arena, bool, states + 1);
    fv_value **rows = FV_NEW(r->arena, fv_value *, states + 1);
    const char **names = FV_NEW(r->arena, const char *, states + 1);
    for (int k = 0; k < states; k++) {
        grown[k] = growth_of(loop, k);
        if (grown[k].append && !fv_pass_may(r, what, loop))
            grown[k] = (growth){0};
        if (!(gone[k] = grown[k].append))
            continue;
        names[n] = k < loop->nout && loop->out[k]
                       ? fv_printf(r->arena, "%s.rows", loop->out[k]->name)
                       : NULL;
        rows[n++] = grown[k].x;
    }
    if (!n)
        return true;
    fv_op *made = fv_loop_change(loop, gone, n, rows, names);
    if (!made || !hand_over(loop, made->out + made->nout - n, grown))
        return false;
    fv_op_erase(loop);
    for (int i = 0; i < n; i++)
        fv_pass_count_one(r, what);
    return true;
}

bool fv_pass_stack_turns(fv_pass_run *r) {
    return fv_pass_each(r, stack);
}
