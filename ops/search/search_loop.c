/* search_loop.c - the Loop of a search: the states of its iterations, and sequences to which tokens
 * are appended. */
#include "ops/search/search.h"

#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/rule/body.h"

static fv_value *known_param(fv_region *body, const char *name, fv_elem e, const fv_dim *value) {
    fv_value *v =
        fv_param_new(body, name, fv_tensor_type(fv_region_module(body)->arena, e, 0, NULL));
    fv_set_elems(v, 1, &value);
    return v;
}

/* Makes the parameters of the body: the number of the iteration, a condition that is true, and the
 * states. */
static void make_body(fv_search_loop *k, const fv_search *s, const fv_dim *times, int n,
                      fv_value *const *state, const fv_type *const *seen) {
    fv_op *op = s->op;
    k->body = fv_region_new(op->block->func, k->loop);
    fv_op_attr(k->loop, &(fv_attr){.name = "body", .kind = FV_ATTR_REGION, .u.region = k->body});
    known_param(k->body, "turn", FV_I64,
                fv_dim_fresh(s->t, "turn", 0, times->hi > 0 ? times->hi - 1 : 0, true));
    known_param(k->body, "go", FV_BOOL, fv_dim_const(s->t, 1));
    for (int i = 0; i < n; i++)
        k->state[i] = fv_param_new(k->body, op->out[0]->name, seen[i] ? seen[i] : state[i]->type);
    k->w = fv_rewriter_at(fv_op_new(k->body, NULL, &fv_return_def, 0, NULL, 0, NULL, op->origin));
}

static bool are_made(int n, fv_value *const *values) {
    int i = 0;
    while (i < n && values[i])
        i++;
    return i == n;
}

fv_search_loop fv_w_search_loop(fv_rewriter *w, const fv_search *s, const fv_dim *times,
                                fv_value *condition, int n, int rows, fv_value *const *state,
                                const fv_type *const *seen) {
    fv_arena *a = w->module->arena;
    fv_op *op = s->op;
    fv_value **in = FV_NEW(a, fv_value *, FV_LOOP_FIRST + n);
    const char **names = FV_NEW(a, const char *, n + rows);
    fv_search_loop k = {.state = FV_NEW(a, fv_value *, n)};
    in[FV_LOOP_TIMES] = fv_w_ints(w, FV_I64, 0, 1, &times);
    in[FV_LOOP_COND] = condition;
    w->failed |= !condition || !are_made(n, state);
    for (int i = 0; i < n; i++)
        in[FV_LOOP_FIRST + i] = state[i];
    for (int i = 0; i < n + rows; i++)
        names[i] = op->out[0]->name;
    if (w->failed)
        return k;
    k.loop = fv_op_new(op->block, op, fv_op_def(FV_OP_Loop), FV_LOOP_FIRST + n, in, n + rows, names,
                       op->origin);
    make_body(&k, s, times, n, state, seen);
    return k;
}

void fv_w_search_loop_end(fv_rewriter *w, fv_search_loop *k, fv_value *goes_on, int all,
                          fv_value *const *next) {
    fv_value **given = FV_NEW(w->module->arena, fv_value *, FV_BODY_NEXT + all);
    given[FV_BODY_GOES_ON] = goes_on;
    for (int i = 0; i < all; i++)
        given[FV_BODY_NEXT + i] = next[i];
    w->failed |= k->w.failed || !are_made(FV_BODY_NEXT + all, given);
    if (w->failed)
        return;
    fv_region_return(k->body, FV_BODY_NEXT + all, given);
    w->failed = !fv_op_infer(k->loop);
}

/* ---- sequences ---- */

fv_sequences fv_w_sequences(fv_rewriter *w, const fv_search *s) {
    const fv_dim *dims[2] = {s->size.batch, s->size.most};
    fv_value *tokens = FV_CALL(w, "followed", {s->ids}, FV_INT(s->pad), FV_DIMS(2, dims));
    fv_value *seen =
        fv_search_sees(s) ? FV_CALL(w, "occurring", {s->ids}, FV_DIM(s->graphs.vocabulary)) : NULL;
    return (fv_sequences){.tokens = fv_w_for_rows(w, s, tokens),
                          .seen = fv_w_for_rows(w, s, seen),
                          .length = s->size.prompt};
}

fv_sequences fv_w_append(fv_rewriter *w, const fv_search *s, const fv_sequences *q,
                         fv_value *tokens) {
    return (fv_sequences){.tokens =
                              FV_CALL(w, "appended", {q->tokens}, FV_DIM(q->length), {tokens}),
                          .seen = q->seen ? FV_CALL(w, "also_seen", {q->seen}, {tokens}) : NULL,
                          .length = fv_dim_add(s->t, q->length, fv_dim_const(s->t, 1))};
}

int fv_search_pack(const fv_search *s, fv_value *seen, fv_value *const *pasts, int n,
                   fv_value **states) {
    if (fv_search_sees(s))
        states[n++] = seen;
    for (int i = 0; i < s->graphs.layers; i++)
        states[n++] = pasts[i];
    return n;
}

fv_value *fv_w_any_not(fv_rewriter *w, fv_value *v) {
    return FV_CALL(w, "any_not", {v});
}
