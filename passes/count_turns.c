/* count_turns.c - a Loop that a counter ends says how often it turns at most.
 *
 * A while loop of PyTorch, and a for loop that a break may end, has no number of turns but a
 * condition:
 *
 *     Loop(_, %going, 0, ...) {body = ^(%turn, %going, %i, ...) {
 *       %next = Add(%i, 1)
 *       %more = And(Less(%next, 7), ...)
 *       return %more, %next, ...
 *     }}                                              =>    Loop(7, %going, 0, ...) {...}
 *
 * What has a bound has a place in the workspace, and no allocator need grow it. The condition
 * stays: other parts of it may end the loop before.
 *
 * No rule of a file: how a state goes on is said by a block's parameters and its `return`, of which
 * the notation of rules knows nothing.
 *
 * Matches operators as models have them: what stands behind legalise has fewer of them. */
#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/rewriter.h"
#include "ir/graph/settle.h"
#include "ir/graph/symbols.h"
#include "ir/ops/dims.h"
#include "passes/internal.h"

/* In turn t, which is 0 at first: first + t step. */
typedef struct counter {
    int64_t first, step;
} counter;

static const fv_op *maker(const fv_value *v, fv_op_id id) {
    return v && v->kind == FV_VALUE_RESULT && fv_op_is(v->def, id) ? v->def : NULL;
}

/* v, or what it is by another name. */
static const fv_value *plain(const fv_value *v) {
    for (const fv_op *op; (op = maker(v, FV_OP_Identity)) ||
                          ((op = maker(v, FV_OP_Cast)) && op->in[0]->type->elem == v->type->elem);)
        v = op->in[0];
    return v;
}

/* Of a size that sums of a few are exact in. */
static bool is_known(const fv_value *v, int64_t *out) {
    return v && fv_known_int(v, out) && *out > -FV_DIM_MAX && *out < FV_DIM_MAX;
}

/* ---- counters ---- */

/* The state that v is, as the body takes it; -1: none. The number of the turn is FV_BODY_TURN -
 * FV_BODY_STATE. */
enum { NO_STATE = FV_BODY_TURN - FV_BODY_STATE - 1, TURN = FV_BODY_TURN - FV_BODY_STATE };

static int state_of(const fv_op *loop, const fv_value *v) {
    const fv_region *body = fv_loop_body(loop);
    v = plain(v);
    if (v->kind != FV_VALUE_PARAM || v->block != body || v->index == FV_BODY_COND)
        return NO_STATE;
    return v->index - FV_BODY_STATE;
}

/* v = a state + what is known; which state. */
static int state_and(const fv_op *loop, const fv_value *v, int64_t *more) {
    int k = state_of(loop, v);
    *more = 0;
    const fv_op *add = maker(plain(v), FV_OP_Add);
    for (int i = 0; add && k == NO_STATE && i < 2; i++)
        if (is_known(add->in[1 - i], more))
            k = state_of(loop, add->in[i]);
    return k;
}

static bool is_counter(const fv_op *loop, const fv_value *v, counter *c) {
    int64_t more;
    int k = state_and(loop, v, &more);
    *c = (counter){0, 1};
    if (k == NO_STATE ||
        (k != TURN &&
         (!is_known(loop->in[FV_LOOP_FIRST + k], &c->first) ||
          state_and(loop, fv_loop_body(loop)->last->in[FV_BODY_NEXT + k], &c->step) != k)))
        return false;
    c->first += more;
    return true;
}

/* ---- conditions ---- */

static const fv_dim *limit_of(const fv_op *loop, const fv_value *v) {
    if (!v->elems && v->kind == FV_VALUE_CONST) {
        int64_t known;
        return is_known(v, &known) ? fv_dim_const(fv_op_module(loop)->dims, known) : NULL;
    }
    return v->elems && v->nelems == 1 && !fv_unknown_above(loop, v->elems[0]) ? v->elems[0] : NULL;
}

/* Does a counter of v's type get from its first value to its last? What is_known and FV_DIM_MAX
 * leave is far from the ends of 64 bits; one of 32 may wrap, and begin again. */
static bool fits(const fv_value *v, const fv_dim *first, const fv_dim *last) {
    return v->type->elem == FV_I64 ||
           (v->type->elem == FV_I32 && first->lo >= INT32_MIN && first->hi <= INT32_MAX &&
            last->lo >= INT32_MIN && last->hi <= INT32_MAX);
}

/* It goes on while a < b, or a <= b: how many turns are that at most? NULL: this does not tell. */
static const fv_dim *turns_below(const fv_op *loop, const fv_value *a, const fv_value *b,
                                 bool or_equal) {
    fv_dims *t = fv_op_module(loop)->dims;
    counter c;
    const fv_dim *limit;
    bool up = is_counter(loop, a, &c) && (limit = limit_of(loop, plain(b)));
    if (!up && !(is_counter(loop, b, &c) && (limit = limit_of(loop, plain(a)))))
        return NULL;
    /* or before that */
    const fv_dim *first = fv_dim_const(t, c.first),
                 *last = fv_dim_add(t, limit, fv_dim_const(t, c.step));
    int64_t step = up ? c.step : -c.step;
    if (step <= 0 || !fits(a, first, last))
        return NULL;
    limit = up ? fv_dim_sub(t, limit, first) : fv_dim_sub(t, first, limit);
    limit = or_equal ? fv_dim_add(t, limit, fv_dim_const(t, 1)) : limit;
    const fv_dim *held = fv_dim_ceildiv(t, limit, fv_dim_const(t, step));
    /* and that which sees that it holds no more */
    return fv_dim_add(t, fv_dim_max(t, held, fv_dim_const(t, 0)), fv_dim_const(t, 1));
}

static const fv_dim *fewer(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return !a ? b : !b ? a : fv_dim_min(t, a, b);
}

/* How often it turns at most if it goes on only while `going` is `held`. */
static const fv_dim *turns_while(const fv_op *loop, const fv_value *going, bool held) {
    static const struct {
        fv_op_id id;
        bool swapped, or_equal;
    } orders[] = {{FV_OP_Less, false, false},
                  {FV_OP_LessOrEqual, false, true},
                  {FV_OP_Greater, true, false},
                  {FV_OP_GreaterOrEqual, true, true}};
    const fv_op *op;
    going = plain(going);
    if ((op = maker(going, FV_OP_Not)))
        return turns_while(loop, op->in[0], !held);
    if ((op = maker(going, held ? FV_OP_And : FV_OP_Or)))
        return fewer(fv_op_module(loop)->dims, turns_while(loop, op->in[0], held),
                     turns_while(loop, op->in[1], held));
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if ((op = maker(going, orders[i].id))) {
            bool swapped = orders[i].swapped != !held; /* not a < b is b <= a */
            return turns_below(loop, op->in[swapped], op->in[!swapped], orders[i].or_equal == held);
        }
    return NULL;
}

/* ---- all ---- */

/* Results that have a row a turn have no more than turns. */
static void bound_rows(const fv_op *loop, const fv_dim *times) {
    fv_module *m = fv_op_module(loop);
    for (int i = fv_loop_states(loop); i < loop->nout; i++) {
        const fv_dim *rows = loop->out[i] ? loop->out[i]->type->dims[0] : NULL;
        if (rows && fv_unknown_above(loop, rows) == rows && rows->hi > times->hi)
            fv_module_replace_dim(m, rows, fv_dim_fresh(m->dims, rows->name, 0, times->hi, true));
    }
}

static bool count(fv_pass_run *r, fv_op *loop) {
    static const char what[] = "counters that end a loop";
    /* nobody asks what the body says then */
    if (!fv_op_is(loop, FV_OP_Loop) || !fv_op_in(loop, FV_LOOP_COND))
        return true;
    const fv_dim *most = turns_while(loop, fv_loop_body(loop)->last->in[FV_BODY_GOES_ON], true);
    if (!most)
        return true;
    const fv_dim *said = fv_loop_times(loop), *times = fewer(r->module->dims, most, said);
    if (times == said || !fv_pass_may(r, what, loop))
        return true;
    fv_rewriter w = fv_rewriter_at(loop);
    fv_value *v = fv_w_ints(&w, FV_I64, 0, 1, &times);
    if (w.failed)
        return false;
    fv_op_set_in(loop, FV_LOOP_TIMES, v);
    bound_rows(loop, times);
    fv_pass_count_one(r, what);
    return true;
}

bool fv_pass_count_turns(fv_pass_run *r) {
    return fv_pass_each(r, count);
}
