/* stack_turns.c - what each turn of a Loop appends to a state becomes a row of a result.
 *
 *     Loop(..., %none, ...) {body = ^(..., %all, ...) {
 *       %more = SequenceInsert(%all, %x)          or  Concat(%all, %x)
 *       return ..., %more, ...                    =>    return ..., ..., %x
 *     }}                                                SplitToSequence(%rows)  or  Concat(%none, Reshape(%rows))
 *
 * Appending copies what was there: n turns copy n (n - 1) / 2 elements, and a row is written once. PyTorch writes lists so, and
 * whoever grows a tensor by torch.cat.
 *
 * Nobody else may read the state, and all elements must have one shape. No rule of a file: how a state goes on is said by a
 * block's parameters and its `return`, of which the notation of rules knows nothing.
 *
 * Matches operators as models have them: what stands behind legalise has fewer of them. */
#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/rewriter.h"
#include "ir/graph/settle.h"
#include "passes/internal.h"

typedef struct growth {
    fv_op *append; /* NULL: this state stays */
    fv_value *x;
    int axis; /* of a tensor; of a sequence it is 0, and new */
} growth;

/* ---- what grows ---- */

static bool is_sequence(const fv_value *v) { return v->type->kind == FV_SEQUENCE; }

static bool has_one_shape(const fv_op *loop, const fv_type *t) {
    if (t->kind != FV_TENSOR || t->rank >= FV_MAX_RANK - 1)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (fv_unknown_above(loop, t->dims[i]))
            return false;
    return true;
}

static bool begins_empty(const fv_value *v) { return v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_SequenceEmpty); }

/* One whose length was declared is left to whoever compares the two. */
static bool has_any_length(const fv_op *loop, int k, int axis) {
    const fv_value *out = k < loop->nout ? loop->out[k] : NULL;
    return !out || fv_unknown_above(loop, out->type->dims[axis]) == out->type->dims[axis];
}

static growth growth_of(const fv_op *loop, int k) {
    const fv_region *body = fv_loop_body(loop);
    const fv_value *all = body->params[FV_BODY_STATE + k], *next = body->last->in[FV_BODY_NEXT + k];
    growth g = {.append = next->kind == FV_VALUE_RESULT ? next->def : NULL};
    if (!g.append || g.append->block != body || all->nuses != 1 || next->nuses != 1 || all->uses[0].op != g.append || all->uses[0].index)
        return (growth){0};
    bool grows = is_sequence(all) ? fv_op_is(g.append, FV_OP_SequenceInsert) && !fv_op_in(g.append, 2) && begins_empty(loop->in[FV_LOOP_FIRST + k])
                                  : fv_op_is(g.append, FV_OP_Concat) && g.append->nin == 2;
    g.x = grows ? g.append->in[1] : NULL;
    if (!grows || !has_one_shape(loop, g.x->type) ||
        (!is_sequence(all) && (!fv_infer_axis(g.append, fv_op_int(g.append, "axis"), g.x->type->rank, &g.axis) || !has_any_length(loop, k, g.axis))))
        return (growth){0};
    return g;
}

/* ---- a Loop without these states ---- */

typedef struct change {
    const fv_op *loop;
    const growth *grown; /* of each state */
    int states, n;       /* n: of these go */
} change;

static int kept_of(const change *c, int first, int n, fv_value *const *from, fv_value **to) {
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (i < first || i >= first + c->states || !c->grown[i - first].append)
            to[kept++] = from[i];
    return kept;
}

static void shrink_body(const change *c) {
    fv_region *body = fv_op_find_attr(c->loop, "body")->u.region;
    fv_arena *a = fv_region_module(body)->arena;
    fv_value **params = FV_NEW(a, fv_value *, body->nparams), **results = FV_NEW(a, fv_value *, body->last->nin);
    int nparams = kept_of(c, FV_BODY_STATE, body->nparams, body->params, params);
    int nresults = kept_of(c, FV_BODY_NEXT, body->last->nin, body->last->in, results);
    for (int k = 0; k < c->states; k++)
        if (c->grown[k].append)
            results[nresults++] = c->grown[k].x;
    fv_region_return(body, nresults, results);
    for (int k = 0; k < c->states; k++)
        if (c->grown[k].append)
            fv_op_erase(c->grown[k].append);
    fv_region_set_params(body, nparams, params);
}

/* Behind the results that stay stand the rows of each turn. */
static fv_op *without(fv_op *loop, const change *c) {
    fv_arena *a = fv_op_module(loop)->arena;
    int elements = fv_loop_body(loop)->last->nin - FV_BODY_NEXT; /* the Loop may leave out the last of them */
    fv_value **in = FV_NEW(a, fv_value *, loop->nin), **before = FV_NEW(a, fv_value *, elements), **out = FV_NEW(a, fv_value *, elements);
    const char **names = FV_NEW(a, const char *, elements);
    for (int i = 0; i < loop->nout; i++)
        before[i] = loop->out[i];
    int nin = kept_of(c, FV_LOOP_FIRST, loop->nin, loop->in, in), kept = kept_of(c, 0, elements, before, out), nout = kept;
    for (int i = 0; i < kept; i++)
        names[i] = out[i] ? out[i]->name : NULL;
    for (int k = 0; k < c->states; k++)
        if (c->grown[k].append)
            names[nout++] = k < loop->nout && loop->out[k] ? fv_printf(a, "%s.rows", loop->out[k]->name) : NULL;
    shrink_body(c);
    fv_op *made = fv_op_new(loop->block, loop, loop->def, nin, in, nout, names, loop->origin);
    fv_op_move_attrs(loop, made);
    for (int i = 0; i < kept; i++)
        if (out[i]) {
            made->out[i]->type = out[i]->type;
            made->out[i]->elems = out[i]->elems;
            made->out[i]->nelems = out[i]->nelems;
        }
    if (!fv_op_infer(made))
        return NULL;
    for (int i = 0; i < kept; i++)
        if (out[i]) {
            fv_replace_uses(out[i], made->out[i]);
            fv_value_take_name(fv_op_module(made), made->out[i], out[i]);
        }
    return made;
}

/* ---- what the Loop gave ---- */

static fv_value *as_sequence(fv_rewriter *w, fv_value *rows) {
    fv_attr attrs[] = {fv_attr_int(w->module, "axis", 0), fv_attr_int(w->module, "keepdims", 0)};
    return fv_w_op(w, FV_OP_SplitToSequence, 1, &rows, 2, attrs);
}

/* Rows one behind the other along the axis, behind what was there at first. */
static fv_value *as_tensor(fv_rewriter *w, fv_value *rows, const fv_value *out, fv_value *first, int axis) {
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

static bool hand_over(fv_op *loop, const fv_op *made, const change *c) {
    fv_rewriter w = fv_rewriter_at(loop);
    for (int k = 0, rows = made->nout - c->n; k < c->states && k < loop->nout; k++) {
        const growth *g = &c->grown[k];
        fv_value *first = loop->in[FV_LOOP_FIRST + k];
        if (!g->append)
            continue;
        fv_value *from = made->out[rows++];
        if (from)
            fv_w_result(&w, k, is_sequence(first) ? as_sequence(&w, from) : as_tensor(&w, from, loop->out[k], first, g->axis));
    }
    return !w.failed;
}

/* ---- all ---- */

static bool stack(fv_pass_run *r, fv_op **at) {
    static const char what[] = "states that turns append to";
    fv_op *loop = *at;
    int states = fv_loop_states(loop);
    growth *grown = FV_NEW(r->arena, growth, states + 1);
    change c = {loop, grown, states, 0};
    for (int k = 0; k < states; k++) {
        grown[k] = growth_of(loop, k);
        if (grown[k].append && !fv_pass_may(r, what, loop))
            grown[k] = (growth){0};
        c.n += grown[k].append != NULL;
    }
    if (!c.n)
        return true;
    fv_op *made = without(loop, &c);
    if (!made || !hand_over(loop, made, &c))
        return false;
    fv_op_erase(loop);
    *at = made;
    for (int i = 0; i < c.n; i++)
        fv_pass_count_one(r, what);
    return true;
}

static bool stack_block(fv_pass_run *r, fv_region *block) {
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION && !stack_block(r, op->attrs[i].u.region))
                return false;
        if (fv_op_is(op, FV_OP_Loop) && !stack(r, &op))
            return false;
    }
    return true;
}

bool fv_pass_stack_turns(fv_pass_run *r) {
    for (fv_func *f = r->module->funcs; f; f = f->next)
        if (!stack_block(r, f->body))
            return false;
    return true;
}
