/* recurrent_steps.c - RNN, GRU, LSTM and AttnLSTM as recurrences: how a step computes the states.
 *
 *     h = act(x + (sum k: before(h[.., k]) * R[.., k]))        for each gate; x is the inputs' part
 *                                                              of the gates
 *
 * A row that has fewer steps than others keeps its state in the remaining ones, and its outputs
 * there are zeros.
 *
 * A step of AttnLSTM is one of LSTM whose inputs include the attention of the previous step; then
 * it computes the attention (Bahdanau et al., arXiv:1409.0473) in parts, each of which is complete
 * for a row before the next one begins, as a softmax requires:
 *
 *     all = (h, attention), so that gates are sums over one state
 *     score[s] = sum a: v[a] * tanh(keys[a, s] + (sum u: h[u] * QW[u, a]))      keys are computed
 *                                                                       before, for all steps
 *     context[m] = sum s: softmax(score)[s] * memory[s, m]
 *     attention = context, or (h, context) * AW */
#include "ops/recurrent/recurrent.h"

#include <math.h>
#include <string.h>

#include "ir/definition/recurrence.h"
#include "ir/graph/infer.h"

/* Indices of the element of a state that is computed. */
typedef struct cell_index {
    fv_expr *dir, *row, *unit;
} cell_index;

typedef struct cell {
    fv_definer *d;
    fv_recurrence *r;
    fv_arena *a;
    fv_recurrent of;
    fv_elem e; /* type of the computation */
    const fv_dim *seq, *hidden;
    int nindex;
    fv_var *index[3], *k; /* indices of a state: [direction,] row, unit; k: variable of sums */
    cell_index at;
    /* length: steps of the row; active: whether it has this step, NULL: all rows have all steps */
    fv_expr *length, *active;
    /* position in the sequence at which it is read, and at which it is written */
    fv_expr *time, *place;
} cell;

static fv_expr *integer(const cell *z, int64_t n) {
    return fv_x_int(z->a, n);
}

static fv_expr *bin(const cell *z, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(z->a, op, x, y);
}

static fv_expr *number(const cell *z, double v) {
    return fv_x_const(z->a, z->e, v);
}

static bool has(const cell *z, int in) {
    return fv_op_in(z->d->op, in) != NULL;
}

/* ---- activations ---- */

static fv_expr *act_of(const cell *z, const fv_act *f, fv_expr *x) {
    fv_expr *zero = number(z, 0), *one = number(z, 1), *alpha = number(z, f->alpha),
            *beta = number(z, f->beta);
    switch (f->kind) {
    case FV_ACT_RELU: return bin(z, FV_X_MAX, x, zero);
    case FV_ACT_TANH: return fv_x_un(z->a, FV_X_TANH, x);
    case FV_ACT_SIGMOID: return fv_x_un(z->a, FV_X_SIGMOID, x);
    case FV_ACT_AFFINE: return bin(z, FV_X_ADD, bin(z, FV_X_MUL, alpha, x), beta);
    case FV_ACT_LEAKY_RELU:
        return fv_x_select(z->a, bin(z, FV_X_LT, x, zero), bin(z, FV_X_MUL, alpha, x), x);
    case FV_ACT_THRESHOLDED_RELU: return fv_x_select(z->a, bin(z, FV_X_LE, alpha, x), x, zero);
    case FV_ACT_SCALED_TANH:
        return bin(z, FV_X_MUL, alpha, fv_x_un(z->a, FV_X_TANH, bin(z, FV_X_MUL, beta, x)));
    case FV_ACT_HARD_SIGMOID:
        x = bin(z, FV_X_ADD, bin(z, FV_X_MUL, alpha, x), beta);
        return bin(z, FV_X_MAX, bin(z, FV_X_MIN, x, one), zero);
    case FV_ACT_ELU:
        return fv_x_select(z->a, bin(z, FV_X_LT, x, zero),
                           bin(z, FV_X_MUL, alpha, fv_x_un(z->a, FV_X_EXPM1, x)), x);
    case FV_ACT_SOFTSIGN:
        return bin(z, FV_X_DIV, x, bin(z, FV_X_ADD, one, fv_x_un(z->a, FV_X_ABS, x)));
    case FV_ACT_SOFTPLUS: {
        fv_expr *e = fv_x_un(z->a, FV_X_EXP, fv_x_un(z->a, FV_X_NEG, fv_x_un(z->a, FV_X_ABS, x)));
        return bin(z, FV_X_ADD, fv_x_un(z->a, FV_X_LOG1P, e), bin(z, FV_X_MAX, x, zero));
    }
    }
    return x;
}

/* Function i of the direction; if directions have different functions, both are computed. */
static fv_expr *apply(const cell *z, int i, fv_expr *x) {
    const fv_act *f = &z->of.act[0][i], *g = &z->of.act[1][i];
    fv_expr *y = act_of(z, f, x);
    bool same =
        z->of.directions == 1 || (f->kind == g->kind && f->alpha == g->alpha && f->beta == g->beta);
    return same ? y
                : fv_x_select(z->a, bin(z, FV_X_EQ, z->at.dir, integer(z, 0)), y, act_of(z, g, x));
}

/* The activation of a gate's sum, which is clipped first. As in ONNX Runtime, gates are clipped,
 * but not the cell. */
static fv_expr *activate(const cell *z, int i, fv_expr *x) {
    if (z->of.clip > 0)
        x = bin(z, FV_X_MAX, bin(z, FV_X_MIN, x, number(z, z->of.clip)), number(z, -z->of.clip));
    return apply(z, i, x);
}

/* ---- the sum of a gate ---- */

/* The index of `unit` of that gate or peephole among all units of a direction. */
static fv_expr *of_gate(const cell *z, int gate) {
    return bin(z, FV_X_ADD, bin(z, FV_X_MUL, integer(z, gate), fv_x_dim(z->a, z->hidden)),
               z->at.unit);
}

static fv_expr *input(const cell *z, int gate) {
    fv_expr *group =
        bin(z, FV_X_ADD, bin(z, FV_X_MUL, z->at.dir, integer(z, z->of.gates)), integer(z, gate));
    fv_expr *at = bin(z, FV_X_ADD, bin(z, FV_X_MUL, group, fv_x_dim(z->a, z->hidden)), z->at.unit);
    bool first = z->of.batch_first;
    return fv_d_load(z->d, FV_STEPS_X,
                     (fv_expr *[]){first ? z->at.row : z->time, first ? z->time : z->at.row, at});
}

/* An element of a state, with the current direction and row, at that unit. */
static fv_expr *state_at(const cell *z, const fv_value *s, fv_expr *unit) {
    fv_expr *at[3] = {z->at.dir, z->at.row, unit};
    return fv_state_load(z->d, s, at + (z->nindex == 2));
}

static fv_expr *own(const cell *z, const fv_value *s) {
    return state_at(z, s, z->at.unit);
}

/* sum k: s[.., k] * R[.., unit of the gate, k]; for AttnLSTM, k includes the elements of the
 * attention */
static fv_expr *product(const cell *z, const fv_value *s, int gate) {
    fv_expr *k = fv_x_var(z->a, z->k),
            *weight = fv_d_load(z->d, FV_STEPS_R, (fv_expr *[]){z->at.dir, of_gate(z, gate), k});
    fv_var *over = z->k;
    return fv_x_reduce(z->a, FV_SUM, 1, &over, bin(z, FV_X_MUL, state_at(z, s, k), weight));
}

static fv_expr *gate_sum(const cell *z, const fv_value *s, int gate) {
    return bin(z, FV_X_ADD, input(z, gate), product(z, s, gate));
}

/* Adds peephole k (of i, o, f) times the cell state to a sum. */
static fv_expr *peephole(const cell *z, int k, fv_expr *sum, fv_expr *cell_state) {
    if (!has(z, FV_STEPS_P))
        return sum;
    return fv_x_fma(z->a, fv_d_load(z->d, FV_STEPS_P, (fv_expr *[]){z->at.dir, of_gate(z, k)}),
                    cell_state, sum);
}

/* ---- states ---- */

/* A state whose initial value is that operand, or 0. */
static fv_state *state(const cell *z, const char *name, int in) {
    fv_expr *at[3] = {z->of.batch_first ? z->at.row : z->at.dir,
                      z->of.batch_first ? z->at.dir : z->at.row, z->at.unit};
    fv_expr *first = has(z, in) ? fv_d_load(z->d, in, at) : number(z, 0);
    return fv_recurrence_state(z->d, z->r, name, z->e, z->nindex, z->index, first);
}

/* A value that each step computes anew, for use by later parts of the step. */
static fv_state *made(const cell *z, const char *name) {
    return fv_recurrence_state(z->d, z->r, name, z->e, z->nindex, z->index, NULL);
}

static void set_step(const cell *z, fv_state *s, fv_expr *x) {
    s->step = z->active ? fv_x_select(z->a, z->active, x, own(z, s->before)) : x;
}

/* z * h + (1 - z) * candidate */
static fv_expr *gru_update(const cell *z, fv_expr *update, fv_expr *before, fv_expr *candidate) {
    fv_expr *rest = bin(z, FV_X_MUL, bin(z, FV_X_SUB, number(z, 1), update), candidate);
    return fv_x_fma(z->a, update, before, rest);
}

static fv_state *rnn(const cell *z) {
    fv_state *h = state(z, "h", FV_STEPS_H);
    set_step(z, h, activate(z, 0, gate_sum(z, h->before, 0)));
    return h;
}

/* The step of c and h, where gates are sums over `kept`, which is h or contains it. */
static void lstm_steps(const cell *z, fv_state *c, fv_state *h, const fv_value *kept) {
    enum { I, O, F, C };
    fv_expr *before = own(z, c->before);
    fv_expr *i = activate(z, 0, peephole(z, 0, gate_sum(z, kept, I), before));
    fv_expr *f = z->of.input_forget ? bin(z, FV_X_SUB, number(z, 1), i)
                                    : activate(z, 0, peephole(z, 2, gate_sum(z, kept, F), before));
    fv_expr *g = activate(z, 1, gate_sum(z, kept, C));
    set_step(z, c, fv_x_fma(z->a, f, before, bin(z, FV_X_MUL, i, g)));
    fv_expr *now = own(z, c->now), *o = activate(z, 0, peephole(z, 1, gate_sum(z, kept, O), now));
    fv_expr *x = bin(z, FV_X_MUL, o, apply(z, 2, now));
    if (h->first)
        set_step(z, h, x);
    else
        h->step = x;
}

static fv_state *lstm(const cell *z, fv_state **cell_state) {
    fv_state *c = *cell_state = state(z, "c", FV_STEPS_C), *h = state(z, "h", FV_STEPS_H);
    lstm_steps(z, c, h, h->before);
    return h;
}

enum { Z, R, H };

static fv_state *gru_linear(const cell *z) {
    fv_state *h = state(z, "h", FV_STEPS_H);
    fv_expr *update = activate(z, 0, gate_sum(z, h->before, Z)),
            *reset = activate(z, 0, gate_sum(z, h->before, R));
    fv_expr *sum = product(z, h->before, H);
    if (has(z, FV_STEPS_B))
        sum = bin(z, FV_X_ADD, sum,
                  fv_d_load(z->d, FV_STEPS_B, (fv_expr *[]){z->at.dir, z->at.unit}));
    sum = fv_x_fma(z->a, reset, sum, input(z, H));
    set_step(z, h, gru_update(z, update, own(z, h->before), activate(z, 1, sum)));
    return h;
}

/* The reset gate precedes the product of the candidate, so a step has two products, one after the
 * other. */
static fv_state *gru(const cell *z) {
    fv_state *update = made(z, "z"), *kept = made(z, "rh"), *h = state(z, "h", FV_STEPS_H);
    fv_expr *before = own(z, h->before);
    update->step = activate(z, 0, gate_sum(z, h->before, Z));
    kept->step = bin(z, FV_X_MUL, activate(z, 0, gate_sum(z, h->before, R)), before);
    fv_expr *candidate = activate(z, 1, gate_sum(z, kept->now, H));
    set_step(z, h, gru_update(z, own(z, update->now), before, candidate));
    return h;
}

/* ---- attention ---- */

/* A value that each step computes along an axis of its own; `v` NULL: one number for each row. */
static fv_state *made_along(const cell *z, const char *name, fv_var *v) {
    fv_var *index[3];
    int n = z->nindex - 1;
    for (int i = 0; i < n; i++)
        index[i] = z->index[i];
    index[n] = v;
    return fv_recurrence_state(z->d, z->r, name, z->e, n + (v != NULL), index, NULL);
}

static fv_var *axis(const cell *z, const char *name, const fv_dim *extent) {
    return fv_recurrence_index(z->d, z->r, name, extent);
}

static fv_expr *var(const cell *z, fv_var *v) {
    return fv_x_var(z->a, v);
}

static fv_expr *sum_over(const cell *z, fv_var *v, fv_expr *x, fv_expr *y) {
    return fv_x_reduce(z->a, FV_SUM, 1, &v, bin(z, FV_X_MUL, x, y));
}

/* Element i of the concatenation of states x and `behind`. */
static fv_expr *joined(const cell *z, const fv_state *x, const fv_state *behind, fv_expr *i) {
    fv_expr *n = fv_x_dim(z->a, x->now->type->dims[x->rank - 1]),
            *at[3] = {z->at.dir, z->at.row, i}, *zero = number(z, 0);
    fv_expr **own_index = at + (z->nindex == 2), *first = bin(z, FV_X_LT, i, n);
    fv_expr *a = fv_x_guard(z->a, fv_value_buf(z->a, x->now), own_index, first, zero);
    at[2] = bin(z, FV_X_SUB, i, n);
    fv_expr *b =
        fv_x_guard(z->a, fv_value_buf(z->a, behind->now), own_index, bin(z, FV_X_LE, n, i), zero);
    return fv_x_select(z->a, first, a, b);
}

/* score[s]; -inf for positions after the end of the row's memory. */
static fv_expr *score(const cell *z, const fv_state *query, fv_var *s) {
    fv_var *a = fv_d_var(z->d, "a", query->now->type->dims[query->rank - 1]);
    fv_expr *key =
        fv_d_load(z->d, FV_STEPS_KEYS, (fv_expr *[]){z->at.dir, z->at.row, var(z, a), var(z, s)});
    fv_expr *meets =
        fv_x_un(z->a, FV_X_TANH, bin(z, FV_X_ADD, key, state_at(z, query->now, var(z, a))));
    fv_expr *x =
        sum_over(z, a, fv_d_load(z->d, FV_STEPS_V, (fv_expr *[]){z->at.dir, var(z, a)}), meets);
    if (!has(z, FV_STEPS_MEMORY_LENS))
        return x;
    fv_expr *length = fv_d_load(z->d, FV_STEPS_MEMORY_LENS, (fv_expr *[]){z->at.row});
    return fv_x_select(z->a, bin(z, FV_X_LT, var(z, s), length), x, number(z, -INFINITY));
}

/* The context of h, in parts for each stage of a softmax over the whole memory. */
static fv_state *attend(const cell *z, const fv_state *h) {
    const fv_type *keys = fv_in_type(z->d->op, FV_STEPS_KEYS),
                  *memory = fv_in_type(z->d->op, FV_STEPS_M);
    fv_var *a = axis(z, "a", keys->dims[2]), *s = axis(z, "s", keys->dims[3]),
           *m = axis(z, "m", memory->dims[2]);
    fv_var *u = fv_d_var(z->d, "k", z->hidden), *t = fv_d_var(z->d, "s", keys->dims[3]);
    fv_state *query = made_along(z, "query", a), *scores = made_along(z, "score", s),
             *most = made_along(z, "most", NULL);
    fv_state *weight = made_along(z, "weight", s), *all = made_along(z, "total", NULL),
             *context = made_along(z, "context", m);
    query->step =
        sum_over(z, u, state_at(z, h->now, var(z, u)),
                 fv_d_load(z->d, FV_STEPS_QW, (fv_expr *[]){z->at.dir, var(z, u), var(z, a)}));
    scores->step = score(z, query, s);
    most->step = fv_x_reduce(z->a, FV_REDUCE_MAX, 1, &t, state_at(z, scores->now, var(z, t)));
    weight->step = fv_x_un(
        z->a, FV_X_EXP,
        bin(z, FV_X_SUB, state_at(z, scores->now, var(z, s)), state_at(z, most->now, NULL)));
    all->step = fv_x_reduce(z->a, FV_SUM, 1, &t, state_at(z, weight->now, var(z, t)));
    fv_expr *value = fv_d_load(z->d, FV_STEPS_M, (fv_expr *[]){z->at.row, var(z, t), var(z, m)});
    context->step = bin(z, FV_X_DIV, sum_over(z, t, state_at(z, weight->now, var(z, t)), value),
                        state_at(z, all->now, NULL));
    return context;
}

/* The attention layer applied to h and context, if there is one. */
static fv_state *attention_layer(const cell *z, const fv_state *h, fv_state *context) {
    const fv_type *layer = fv_in_type(z->d->op, FV_STEPS_AW);
    if (!layer)
        return context;
    fv_var *i = axis(z, "i", layer->dims[1]), *o = axis(z, "o", layer->dims[2]),
           *k = fv_d_var(z->d, "k", layer->dims[1]);
    fv_state *both = made_along(z, "both", i), *attention = made_along(z, "attention", o);
    both->step = joined(z, h, context, var(z, i));
    fv_expr *weight = fv_d_load(z->d, FV_STEPS_AW, (fv_expr *[]){z->at.dir, var(z, k), var(z, o)});
    attention->step = sum_over(z, k, state_at(z, both->now, var(z, k)), weight);
    return attention;
}

/* The attention is zero before the first step. It is the last part of a step; gates read that of
 * the previous step. */
static fv_state *attention_lstm(const cell *z, fv_state **cell_state, fv_state **kept) {
    fv_state *c = *cell_state = state(z, "c", FV_STEPS_C), *h = made(z, "h");
    fv_state *attention = attention_layer(z, h, attend(z, h));
    fv_var *index[3], *k = axis(z, "j", z->k->dim);
    memcpy(index, z->index, sizeof index);
    index[z->nindex - 1] = k;
    fv_expr *at[3] = {z->at.dir, z->at.row, var(z, k)}, *first = number(z, 0);
    if (has(z, FV_STEPS_H))
        first = fv_d_load_else(z->d, FV_STEPS_H, at, first);
    *kept = fv_recurrence_state(z->d, z->r, "all", z->e, z->nindex, index, first);
    fv_expr *now = joined(z, h, attention, at[2]), *before = state_at(z, (*kept)->before, at[2]);
    (*kept)->step = z->active ? fv_x_select(z->a, z->active, now, before) : now;
    lstm_steps(z, c, h, (*kept)->before);
    return h;
}

/* ---- the recurrence ---- */

/* Sets the number of steps of a row, and the position of each step in the sequence. */
static void place_steps(cell *z) {
    fv_expr *t = fv_x_var(z->a, z->r->t), *n = fv_x_dim(z->a, z->seq),
            *last = bin(z, FV_X_SUB, n, integer(z, 1));
    bool varies = z->of.directions == 2;
    if (has(z, FV_STEPS_LENS)) {
        z->length = fv_x_convert(z->a, FV_I64, fv_d_load(z->d, FV_STEPS_LENS, &z->at.row));
        n = bin(z, FV_X_MIN, z->length, n);
        z->active = bin(z, FV_X_LT, t, n);
    }
    fv_expr *back = bin(z, FV_X_SUB, bin(z, FV_X_SUB, n, integer(z, 1)), t);
    if (z->active)
        back = fv_x_select(z->a, z->active, back, t);
    if (varies)
        back = fv_x_select(z->a, bin(z, FV_X_EQ, z->at.dir, integer(z, 0)), t, back);
    z->place = varies || z->of.reverse ? back : t;
    z->time = z->place;
    if (z->active && z->place != t) /* clamped, since indices that come from data are checked */
        z->time = bin(z, FV_X_MAX, integer(z, 0), bin(z, FV_X_MIN, z->place, last));
}

static void set_axes(cell *z) {
    const fv_type *x = fv_in_type(z->d->op, FV_STEPS_X);
    const fv_dim *batch = x->dims[!z->of.batch_first];
    z->seq = x->dims[z->of.batch_first];
    z->hidden = fv_recurrent_hidden(z->d->op, FV_STEPS_R);
    z->r->t = fv_d_var(z->d, "t", z->seq);
    z->k = fv_d_var(z->d, "k", fv_in_type(z->d->op, FV_STEPS_R)->dims[2]);
    if (z->of.directions == 2)
        z->index[z->nindex++] =
            fv_recurrence_index(z->d, z->r, "d", fv_dim_const(z->d->module->dims, 2));
    z->index[z->nindex++] = fv_recurrence_index(z->d, z->r, "b", batch);
    z->index[z->nindex++] = fv_recurrence_index(z->d, z->r, "u", z->hidden);
    z->at.dir = z->of.directions == 2 ? fv_x_var(z->a, z->index[0]) : integer(z, 0);
    z->at.row = fv_x_var(z->a, z->index[z->nindex - 2]);
    z->at.unit = fv_x_var(z->a, z->index[z->nindex - 1]);
    place_steps(z);
}

/* Sets a result to a state after the last step: the initial state if the row has no step. */
static void give_last(const cell *z, int out, const fv_state *s) {
    fv_expr *at[3] = {z->of.batch_first ? z->at.row : z->at.dir,
                      z->of.batch_first ? z->at.dir : z->at.row, z->at.unit};
    fv_recurrence_last(z->d, z->r, out, at, own(z, s->now));
}

/* Builds the states: returns h; sets the cell state, if there is one, and `kept`, the state that
 * contains h before a step, if it is another one. */
static fv_state *of_kind(const cell *z, fv_state **cell_state, fv_state **kept) {
    if (z->of.kind == FV_CELL_RNN)
        return rnn(z);
    if (z->of.kind == FV_CELL_GRU)
        return z->of.linear_before_reset ? gru_linear(z) : gru(z);
    return fv_op_is(z->d->op, FV_OP_fv_AttnLSTM) ? attention_lstm(z, cell_state, kept)
                                                 : lstm(z, cell_state);
}

bool fv_recurrent_steps(fv_definer *d, fv_recurrence *r) {
    cell z = {
        .d = d, .r = r, .a = d->arena, .e = fv_elem_arith(fv_in_type(d->op, FV_STEPS_X)->elem)};
    fv_state *c = NULL, *kept = NULL;
    if (!fv_recurrent_read(d->op, &z.of))
        return false;
    set_axes(&z);
    fv_state *h = of_kind(&z, &c, &kept);
    fv_expr *y = own(&z, h->now), *at[4] = {z.place, z.at.dir, z.at.row, z.at.unit};
    if (z.of.batch_first) {
        at[0] = z.at.row;
        at[1] = z.place;
        at[2] = z.at.dir;
    }
    fv_recurrence_element(d, r, FV_REC_Y, at,
                          z.active ? fv_x_select(z.a, z.active, y, number(&z, 0)) : y);
    give_last(&z, FV_REC_Y_H, kept ? kept : h);
    if (c)
        give_last(&z, FV_REC_Y_C, c);
    return true;
}
