/* count_turns.c - the pass `count-turns`: a Loop that a counter ends gets a bound of its
 * iterations.
 *
 * A while loop of PyTorch, and a for loop that may be left early, have a condition instead of a
 * number of iterations:
 *
 *     Loop(_, %going, 0, ...) {body = ^(%turn, %going, %i, ...) {
 *       %next = Add(%i, 1)
 *       %more = And(Less(%next, 7), ...)
 *       return %more, %next, ...
 *     }}                                              =>    Loop(7, %going, 0, ...) {...}
 *
 * With a bound, results with a row per iteration can be placed in the workspace, and need not grow
 * by the allocator. The condition is kept, because another part of it may end the loop earlier.
 *
 * This is no rewrite rule, because the states of a loop are connected through the parameters of its
 * body and `return`, which the notation of rules cannot express.
 *
 * The pass runs before legalise and matches the operators that models contain. */
#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/rewriter.h"
#include "ir/graph/settle.h"
#include "ir/graph/symbols.h"
#include "ops/common/dims.h"
#include "passes/internal.h"

/* A counter: its value in iteration t, counted from 0, is first + t * step. */
typedef struct counter {
    int64_t first, step;
} counter;

static const fv_op *maker(const fv_value *v, fv_op_id id) {
    return v && v->kind == FV_VALUE_RESULT && fv_op_is(v->def, id) ? v->def : NULL;
}

/* Skips an Identity, and a cast to the type that its operand already has. */
static const fv_value *plain(const fv_value *v) {
    for (const fv_op *op; (op = maker(v, FV_OP_Identity)) ||
                          ((op = maker(v, FV_OP_Cast)) && op->in[0]->type->elem == v->type->elem);)
        v = op->in[0];
    return v;
}

/* Is v a constant integer that is far from the limits of 64 bits? Then *out is that integer. */
static bool is_known(const fv_value *v, int64_t *out) {
    return v && fv_known_int(v, out) && *out > -FV_DIM_MAX && *out < FV_DIM_MAX;
}

/* ---- counters ---- */

/* What state_of returns in place of the number of a state. NO_STATE: the value is not a state;
 * TURN: it is the number of the iteration, whose parameter precedes those of the states. */
enum { NO_STATE = FV_BODY_NUMBER - FV_BODY_STATE - 1, TURN = FV_BODY_NUMBER - FV_BODY_STATE };

/* The number of the state whose parameter in the loop's body v is, or TURN, or NO_STATE. */
static int state_of(const fv_op *loop, const fv_value *v) {
    const fv_region *body = fv_loop_body(loop);
    v = plain(v);
    if (v->kind != FV_VALUE_PARAM || v->block != body || v->index == FV_BODY_COND)
        return NO_STATE;
    return v->index - FV_BODY_STATE;
}

/* If v is a state, or a state plus a constant, returns the number of the state (see state_of) and
 * sets *more to the constant or 0; otherwise returns NO_STATE. */
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

/* Can a counter of v's type run from its first to its last value without wrapping? The bounds that
 * is_known and FV_DIM_MAX guarantee are far below 2^63, but a counter of 32 bits may wrap around
 * and continue. */
static bool fits(const fv_value *v, const fv_dim *first, const fv_dim *last) {
    return v->type->elem == FV_I64 ||
           (v->type->elem == FV_I32 && first->lo >= INT32_MIN && first->hi <= INT32_MAX &&
            last->lo >= INT32_MIN && last->hi <= INT32_MAX);
}

/* The largest number of iterations of a loop that continues while a < b, or a <= b; NULL: no bound
 * is known. */
static const fv_dim *turns_below(const fv_op *loop, const fv_value *a, const fv_value *b,
                                 bool or_equal) {
    fv_dims *t = fv_op_module(loop)->dims;
    counter c;
    const fv_dim *limit;
    bool up = is_counter(loop, a, &c) && (limit = limit_of(loop, plain(b)));
    if (!up && !(is_counter(loop, b, &c) && (limit = limit_of(loop, plain(a)))))
        return NULL;
    /* the first value of the counter, and a bound of its last one */
    const fv_dim *first = fv_dim_const(t, c.first),
                 *last = fv_dim_add(t, limit, fv_dim_const(t, c.step));
    int64_t step = up ? c.step : -c.step;
    if (step <= 0 || !fits(a, first, last))
        return NULL;
    limit = up ? fv_dim_sub(t, limit, first) : fv_dim_sub(t, first, limit);
    limit = or_equal ? fv_dim_add(t, limit, fv_dim_const(t, 1)) : limit;
    const fv_dim *held = fv_dim_ceildiv(t, limit, fv_dim_const(t, step));
    /* one more, because in the last iteration the condition is evaluated to false */
    return fv_dim_add(t, fv_dim_max(t, held, fv_dim_const(t, 0)), fv_dim_const(t, 1));
}

static const fv_dim *fewer(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return !a ? b : !b ? a : fv_dim_min(t, a, b);
}

/* The largest number of iterations if the loop continues only while `going` equals `held`; NULL: no
 * bound is known. */
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
            bool swapped = orders[i].swapped != !held; /* not (a < b) is b <= a */
            return turns_below(loop, op->in[swapped], op->in[!swapped], orders[i].or_equal == held);
        }
    return NULL;
}

/* ---- all ---- */

/* Sets the upper bound of the dim of results that have one row per iteration. */
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
    /* without a condition operand, ONNX ignores the condition that the body returns */
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
