/* linear_attention.c - LinearAttention: attention whose memory is a matrix S for each head. Each
 * step multiplies the matrix by a decay, adds a product, and reads it:
 *
 *     S_t = exp(g_t) S_t-1 + k_t u_t'     u_t = v_t; by the delta rule beta_t (v_t - exp(g_t)
 *                                         S_t-1' k_t)
 *     o_t = scale S_t' q_t
 *
 * The operators are expanded to fv.LinearAttention, whose decay is a factor and whose result has an
 * axis of heads. It is a recurrence: a column of S, of u and of o depends on that column only, so a
 * task computes a head and a block of columns, and their state stays in the first-level cache for
 * all steps. Sums over keys are sums over a state like those of a recurrent layer; query heads that
 * share a state are rows of one product.
 *
 * Parallel forms over chunks of steps (the attribute chunk_size) do more work for parallelism that
 * heads and columns already provide for the cores of a CPU. S. Yang et al.: Parallelizing Linear
 * Transformers with the Delta Rule over Sequence Length, arXiv:2406.06484; Gated Delta Networks,
 * arXiv:2412.06464. */
#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/recurrence.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/dims.h"

enum { QUERY, KEY, VALUE, STATE, DECAY, BETA };
enum { OUTPUT, PRESENT, STATES };
enum {
    MAX_WINDOW = 8,   /* limit for state_window, as in ONNX Runtime */
    MOST_HEADS = 4096 /* limit for numbers of heads that are tried if dims are symbolic */
};

/* ---- attributes and shapes ---- */

typedef struct packing {
    bool microsoft; /* whether keys, values and queries may have different numbers of heads */
    bool gated, delta;
    int64_t query, key, value; /* numbers of heads; states have as many as values */
    /* number of states that are passed and returned; 0: one state, without an axis for the
     * window */
    int64_t window;
    const fv_dim *batch, *seq, *dk, *dv;
} packing;

static bool is_microsoft(const fv_op *op) {
    return !strcmp(op->def->domain, "com.microsoft");
}

static bool read_rule(fv_op *op, packing *h) {
    static const char *const rules[] = {"linear", "gated", "delta", "gated_delta"};
    fv_string s = fv_op_string(op, "update_rule");
    int i = 0;
    while (i < 4 && (strlen(rules[i]) != s.n || memcmp(rules[i], s.s, s.n)))
        i++;
    h->gated = i & 1;
    h->delta = i & 2;
    return i < 4 ||
           fv_op_error(op, "update_rule '%.*s' is none of linear, gated, delta, gated_delta",
                       (int)(s.n > 40 ? 40 : s.n), s.s);
}

/* Checks that an operand is present if and only if the update rule needs it; ONNX Runtime ignores
 * operands that the rule does not need. */
static bool is_given(fv_op *op, const packing *h, int in, bool needed) {
    fv_string rule = fv_op_string(op, "update_rule");
    bool given = fv_op_in(op, in) != NULL;
    if (given == needed || (given && h->microsoft))
        return true;
    return fv_op_error(op, "update_rule '%.*s' %s input '%s'", (int)rule.n, rule.s,
                       needed ? "needs" : "does not take", op->def->in[in].name);
}

static bool read_counts(fv_op *op, packing *h) {
    h->query = fv_op_int(op, "q_num_heads");
    h->value = fv_op_int(op, "kv_num_heads");
    h->window = h->microsoft ? fv_op_int(op, "state_window") : 0;
    if (h->query < 1 || h->value < 1 || h->query > INT32_MAX || h->value > INT32_MAX)
        return fv_op_error(op, "q_num_heads is %lld, kv_num_heads %lld, they must be positive",
                           (long long)h->query, (long long)h->value);
    if (h->query % h->value && !(h->microsoft && h->value % h->query == 0))
        return fv_op_error(op, "q_num_heads is %lld, expected a multiple of kv_num_heads, %lld",
                           (long long)h->query, (long long)h->value);
    return (h->window >= 0 && h->window <= MAX_WINDOW) ||
           fv_op_error(op, "state_window is %lld, expected 0 to %d", (long long)h->window,
                       MAX_WINDOW);
}

/* Sets *size to the number of columns of each of the n heads in the last axis. False after a
 * diagnostic. */
static bool head_size(fv_op *op, int in, int64_t n, const fv_dim **size) {
    fv_module *m = fv_op_module(op);
    const fv_dim *all = fv_in_type(op, in)->dims[2], *heads = fv_dim_const(m->dims, n);
    *size = fv_dim_floordiv(m->dims, all, heads);
    return fv_module_assume(m, all, fv_dim_mul(m->dims, *size, heads), "columns of heads") ||
           fv_op_error(op, "input '%s' has %s columns, they do not divide into %lld heads",
                       op->def->in[in].name, fv_dim_str(m->arena, all), (long long)n);
}

/* The number of heads of n columns each in `all` columns, if it is the same for all values of the
 * symbols; 0: not known. */
static int64_t heads_in(fv_module *m, const fv_dim *all, const fv_dim *n, int64_t most) {
    if (fv_dim_is_const(all) && fv_dim_is_const(n))
        return n->value > 0 && all->value % n->value == 0 ? all->value / n->value : 0;
    for (int64_t k = 1; k <= most && k <= MOST_HEADS; k++)
        if (most % k == 0 &&
            fv_module_equal(m, all, fv_dim_mul(m->dims, n, fv_dim_const(m->dims, k))))
            return k;
    return 0;
}

/* In ONNX Runtime keys may have fewer heads than values. Their number follows from the number of
 * columns and the head size of a query or a state; if neither gives a known number, it is that of
 * the values. */
static bool key_heads(fv_op *op, packing *h) {
    fv_module *m = fv_op_module(op);
    const fv_dim *all = fv_in_type(op, KEY)->dims[2];
    const fv_type *state = fv_in_type(op, STATE);
    h->key = h->microsoft ? heads_in(m, all, h->dk, h->value) : h->value;
    h->key = h->key || !state ? h->key : heads_in(m, all, state->dims[state->rank - 2], h->value);
    h->key = h->key ? h->key : h->value;
    if (h->key < 1 || h->value % h->key)
        return fv_op_error(op, "input 'key' has %lld heads, they do not divide %lld",
                           (long long)h->key, (long long)h->value);
    return fv_has_dim(op, KEY, 2, fv_dim_mul(m->dims, h->dk, fv_dim_const(m->dims, h->key)));
}

/* Checks that operands have the batch size and number of steps of the queries. */
static bool fits_steps(fv_op *op, const packing *h) {
    bool fits = true;
    for (int in = KEY; in <= BETA && fits; in++)
        fits = in == STATE || (fv_has_dim(op, in, 0, h->batch) && fv_has_dim(op, in, 1, h->seq));
    return fits;
}

static bool read_heads(fv_op *op, packing *h) {
    const fv_type *q = fv_in_type(op, QUERY);
    *h = (packing){.microsoft = is_microsoft(op), .batch = q->dims[0], .seq = q->dims[1]};
    return read_rule(op, h) && read_counts(op, h) && is_given(op, h, DECAY, h->gated) &&
           is_given(op, h, BETA, h->delta) && fits_steps(op, h) &&
           head_size(op, QUERY, h->query, &h->dk) && head_size(op, VALUE, h->value, &h->dv) &&
           key_heads(op, h) && fv_infer_at_least(op, h->dk, 1, "channels of a head");
}

/* The dims of the state, after the dim of the window if there is one. Returns the rank. */
static int state_dims(const fv_op *op, const packing *h, const fv_dim **dims) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *all[5] = {fv_dim_const(t, h->window), h->batch, fv_dim_const(t, h->value), h->dk,
                            h->dv};
    int rank = h->window ? 5 : 4;
    memcpy(dims, all + 5 - rank, (size_t)rank * sizeof *dims);
    return rank;
}

static bool fits_state(fv_op *op, const packing *h) {
    const fv_type *t = fv_in_type(op, STATE);
    const fv_dim *dims[5];
    int rank = state_dims(op, h, dims);
    if (t && t->rank != rank)
        return fv_op_error(op, "input 'past_state' has rank %d, expected %d", t->rank, rank);
    for (int i = 0; i < rank; i++)
        if (!fv_has_dim(op, STATE, i, dims[i]))
            return false;
    return true;
}

/* Checks that the operand has 1 or `most` columns for each of `heads` heads. */
static bool fits_columns(fv_op *op, int in, int64_t heads, const fv_dim *most) {
    fv_module *m = fv_op_module(op);
    const fv_dim *each, *zero = fv_dim_const(m->dims, 0), *one = fv_dim_const(m->dims, 1);
    if (!fv_op_in(op, in))
        return true;
    if (!head_size(op, in, heads, &each))
        return false;
    const fv_dim *wrong =
        fv_dim_mul(m->dims, fv_dim_sub(m->dims, each, one), fv_dim_sub(m->dims, each, most));
    const char *want = fv_printf(m->arena, "%s is 1 or %s", fv_dim_str(m->arena, each),
                                 fv_dim_str(m->arena, most));
    return fv_infer_is_fit(m, each, most) ||
           fv_module_require(m, wrong, zero, "columns of heads", want) ||
           fv_op_error(op, "input '%s' has %s columns for each of %lld heads, expected 1 or %s",
                       op->def->in[in].name, fv_dim_str(m->arena, each), (long long)heads,
                       fv_dim_str(m->arena, most));
}

static bool fits_gates(fv_op *op, const packing *h) {
    return fits_columns(op, DECAY, h->value, h->dk) &&
           fits_columns(op, BETA, 1, fv_dim_const(fv_op_module(op)->dims, h->value));
}

static fv_elem state_elem(const fv_op *op) {
    return fv_in_type(op, fv_op_in(op, STATE) ? STATE : QUERY)->elem;
}

static bool infer_packed(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *state[5];
    packing h;
    if (!read_heads(op, &h) || !fits_state(op, &h) || !fits_gates(op, &h))
        return false;
    const fv_dim *y[3] = {
        h.batch, h.seq,
        fv_dim_mul(t, h.dv, fv_dim_const(t, h.query > h.value ? h.query : h.value))};
    fv_infer_out(op, OUTPUT, fv_in_type(op, QUERY)->elem, 3, y);
    fv_infer_out(op, PRESENT, state_elem(op), state_dims(op, &h, state), state);
    return true;
}

/* ---- expansion ---- */

typedef struct expansion {
    fv_rewriter *w;
    fv_dims *t;
    const fv_op *op;
    const packing *h;
    fv_value *in[BETA + 1]; /* operands of fv.LinearAttention */
} expansion;

/* The state before the first step: the last one of the window. */
static fv_value *first_state(const expansion *u) {
    const packing *h = u->h;
    const fv_dim *one = fv_dim_const(u->t, 1), *zero = fv_dim_const(u->t, 0),
                 *value = fv_dim_const(u->t, h->value);
    const fv_dim *start[5] = {fv_dim_const(u->t, h->window - 1), zero, zero, zero, zero},
                 *step[5] = {one, one, one, one, one};
    const fv_dim *dims[5] = {one, h->batch, value, h->dk, h->dv};
    fv_value *x = fv_op_in(u->op, STATE);
    if (!x || !h->window)
        return x;
    return fv_w_reshape(u->w, fv_w_slice(u->w, x, start, step, dims), 4, dims + 1);
}

static void set_operands(expansion *u) {
    for (int i = QUERY; i <= VALUE; i++)
        u->in[i] = u->op->in[i];
    u->in[STATE] = first_state(u);
    u->in[DECAY] =
        u->h->gated ? FV_W1(u->w, FV_OP_Exp, fv_w_cast(u->w, u->op->in[DECAY], FV_F32)) : NULL;
    u->in[BETA] = u->h->delta ? u->op->in[BETA] : NULL;
}

/* `count` steps of an operand, beginning at `first`. */
static fv_value *some_steps(const expansion *u, fv_value *x, const fv_dim *first,
                            const fv_dim *count) {
    const fv_dim *zero = fv_dim_const(u->t, 0), *one = fv_dim_const(u->t, 1);
    const fv_dim *start[3] = {zero, first, zero}, *step[3] = {one, one, one};
    return x ? fv_w_slice(u->w, x, start, step,
                          (const fv_dim *[]){x->type->dims[0], count, x->type->dims[2]})
             : NULL;
}

/* Runs fv.LinearAttention on these operands; a result whose name is NULL is left out. */
static fv_op *run_steps(const expansion *u, fv_value *const *in, const char *const *outs) {
    static const int required = VALUE + 1;
    fv_module *m = u->w->module;
    const packing *h = u->h;
    fv_attr a[] = {fv_attr_int(m, "q_num_heads", h->query), fv_attr_int(m, "k_num_heads", h->key),
                   fv_attr_int(m, "v_num_heads", h->value),
                   fv_attr_float(m, "scale", fv_op_float(u->op, "scale"))};
    int nin = BETA + 1;
    while (nin > required && !in[nin - 1])
        nin--;
    for (int i = 0; i < required; i++)
        if (!in[i])
            return NULL;
    if (u->w->failed)
        return NULL;
    fv_op *steps = fv_op_new(u->op->block, u->w->at, fv_op_def(FV_OP_fv_LinearAttention), nin, in,
                             STATES + 1, outs, u->op->origin);
    for (int i = 0; i < 4; i++)
        fv_op_attr(steps, &a[i]);
    return fv_op_infer(steps) ? steps : NULL;
}

static bool is_used(const fv_op *op, int i) {
    return i < op->nout && op->out[i] && op->out[i]->nuses;
}

static fv_value *packed(const expansion *u, fv_value *y) {
    const fv_type *t = u->op->out[OUTPUT]->type;
    return y ? fv_w_reshape(u->w, y, t->rank, t->dims) : NULL;
}

/* Computes the states after the last steps, as many as the window has; if there are fewer steps,
 * zeros precede them. Between these steps states are passed on in the type in
 * which they are computed, not in that of the result. */
static bool decompose_window(expansion *u) {
    fv_rewriter *w = u->w;
    const packing *h = u->h;
    const fv_dim *window = fv_dim_const(u->t, h->window), *last = fv_dim_min(u->t, h->seq, window),
                 *zero = fv_dim_const(u->t, 0);
    const fv_dim *before = fv_dim_sub(u->t, h->seq, last), *dims[5];
    const char *one_state[3] = {"output", "state", NULL},
               *all_states[3] = {"output", NULL, "states"};
    fv_value *some[2][BETA + 1];
    fv_attr along = fv_attr_int(w->module, "axis", 1), across = fv_attr_int(w->module, "axis", 0);
    int rank = state_dims(u->op, h, dims);
    fv_value *none = fv_w_float(w, FV_F32, 0);
    u->in[STATE] = u->in[STATE] ? fv_w_cast(w, u->in[STATE], FV_F32)
                                : fv_w_expand(w, none, rank - 1, dims + 1);
    for (int i = 0; i <= BETA; i++) {
        some[0][i] = i == STATE ? u->in[i] : some_steps(u, u->in[i], zero, before);
        some[1][i] = i == STATE ? NULL : some_steps(u, u->in[i], before, last);
    }
    fv_op *a = run_steps(u, some[0], one_state);
    some[1][STATE] = a ? a->out[PRESENT] : NULL;
    fv_op *b = a ? run_steps(u, some[1], all_states) : NULL;
    if (!b)
        return false;
    dims[0] = fv_dim_sub(u->t, window, last);
    fv_value *states[2] = {fv_w_expand(w, none, rank, dims), b->out[STATES]},
             *outputs[2] = {a->out[OUTPUT], b->out[OUTPUT]};
    fv_w_result(w, OUTPUT, packed(u, fv_w_op(w, FV_OP_Concat, 2, outputs, 1, &along)));
    fv_value *present = fv_w_op(w, FV_OP_Concat, 2, states, 1, &across);
    if (u->op->nout > PRESENT && u->op->out[PRESENT])
        fv_w_result(w, PRESENT, present ? fv_w_cast(w, present, state_elem(u->op)) : NULL);
    return true;
}

static bool decompose_packed(fv_rewriter *w, fv_op *op) {
    packing h;
    if (!read_heads(op, &h))
        return false;
    expansion u = {.w = w, .t = w->module->dims, .op = op, .h = &h};
    bool used[2] = {is_used(op, OUTPUT), is_used(op, PRESENT)};
    const char *outs[3] = {used[OUTPUT] ? "output" : NULL, used[PRESENT] ? "state" : NULL, NULL};
    if (!used[OUTPUT] && !used[PRESENT])
        return true;
    set_operands(&u);
    if (h.window)
        return decompose_window(&u);
    fv_op *steps = run_steps(&u, u.in, outs);
    if (!steps)
        return false;
    if (used[OUTPUT])
        fv_w_result(w, OUTPUT, packed(&u, steps->out[OUTPUT]));
    if (used[PRESENT])
        fv_w_result(w, PRESENT, steps->out[PRESENT]);
    return true;
}

/* ---- fv.LinearAttention ---- */

static bool read_steps(fv_op *op, packing *h) {
    const fv_type *q = fv_in_type(op, QUERY);
    *h = (packing){.batch = q->dims[0],
                   .seq = q->dims[1],
                   .query = fv_op_int(op, "q_num_heads"),
                   .key = fv_op_int(op, "k_num_heads"),
                   .value = fv_op_int(op, "v_num_heads")};
    bool divide = h->query > 0 && h->key > 0 && h->value > 0 && h->value <= INT32_MAX &&
                  h->query <= INT32_MAX && h->value % h->key == 0 &&
                  (h->value % h->query == 0 || h->query % h->value == 0);
    return divide ||
           fv_op_error(
               op,
               "heads of queries, keys and values, %lld, %lld and %lld, do not divide each other",
               (long long)h->query, (long long)h->key, (long long)h->value);
}

/* Number of query heads that share a state. */
static int64_t groups_of(const packing *h) {
    return h->query > h->value ? h->query / h->value : 1;
}

static bool infer_steps(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    packing h;
    if (!read_steps(op, &h) || !fits_steps(op, &h) || !head_size(op, QUERY, h.query, &h.dk) ||
        !head_size(op, VALUE, h.value, &h.dv) ||
        !fv_has_dim(op, KEY, 2, fv_dim_mul(t, h.dk, fv_dim_const(t, h.key))) ||
        !fits_state(op, &h) || !fits_gates(op, &h))
        return false;
    const fv_dim *heads = fv_dim_const(t, h.value);
    const fv_dim *y[5] = {h.batch, h.seq, heads, fv_dim_const(t, groups_of(&h)), h.dv},
                 *states[5] = {h.seq, h.batch, heads, h.dk, h.dv};
    fv_infer_out(op, OUTPUT, fv_in_type(op, QUERY)->elem, 5, y);
    fv_infer_out(op, PRESENT, state_elem(op), 4, states + 1);
    fv_infer_out(op, STATES, state_elem(op), 5, states);
    return true;
}

typedef struct step {
    fv_definer *d;
    fv_arena *a;
    packing h;
    /* axes of a state, and the query heads that share it (group) */
    fv_var *batch, *head, *key, *group, *column;
    fv_expr *t;
} step;

static fv_expr *bin(const step *s, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(s->a, op, x, y);
}

static fv_expr *var(const step *s, fv_var *v) {
    return fv_x_var(s->a, v);
}

static fv_expr *times(const step *s, fv_expr *x, const fv_dim *n) {
    return bin(s, FV_X_MUL, x, fv_x_dim(s->a, n));
}

/* An element of an operand at this step; a head of it has that many columns. */
static fv_expr *load(const step *s, int in, fv_expr *head, const fv_dim *columns, fv_expr *column) {
    return fv_d_load(
        s->d, in,
        (fv_expr *[]){var(s, s->batch), s->t, bin(s, FV_X_ADD, times(s, head, columns), column)});
}

/* The index of the head that this state uses in an operand with n heads, fewer than there are
 * states. */
static fv_expr *shared_head(const step *s, int64_t n) {
    fv_expr *head = var(s, s->head);
    return n < s->h.value ? bin(s, FV_X_FLOORDIV, head, fv_x_int(s->a, s->h.value / n)) : head;
}

static fv_expr *key_at(const step *s, fv_var *key) {
    return load(s, KEY, shared_head(s, s->h.key), s->h.dk, var(s, key));
}

static fv_expr *query_at(const step *s, fv_var *key) {
    fv_expr *head = shared_head(s, s->h.query);
    if (s->h.query > s->h.value)
        head = bin(s, FV_X_ADD, times(s, head, s->group->dim), var(s, s->group));
    return load(s, QUERY, head, s->h.dk, var(s, key));
}

static fv_expr *state_at(const step *s, const fv_value *state, fv_var *key) {
    return fv_state_load(
        s->d, state,
        (fv_expr *[]){var(s, s->batch), var(s, s->head), var(s, key), var(s, s->column)});
}

/* x times the decay of that key, or x if there is no decay. */
static fv_expr *decayed(const step *s, fv_var *key, fv_expr *x) {
    const fv_type *g = fv_in_type(s->d->op, DECAY);
    if (!g)
        return x;
    const fv_dim *each = fv_dim_floordiv(s->d->module->dims, g->dims[2],
                                         fv_dim_const(s->d->module->dims, s->h.value));
    return bin(s, FV_X_MUL, load(s, DECAY, var(s, s->head), each, fv_d_broadcast(s->d, key, each)),
               x);
}

static fv_expr *sum_of(const step *s, fv_var *over, fv_expr *x, fv_expr *y) {
    return fv_x_reduce(s->a, FV_SUM, 1, &over, bin(s, FV_X_MUL, x, y));
}

/* What is added to the state for a key: the value; or, by the delta rule, its difference from what
 * the state has for the key, times beta. */
static fv_expr *written(const step *s, fv_recurrence *r, const fv_state *state) {
    const fv_type *beta = fv_in_type(s->d->op, BETA);
    fv_var *k = fv_d_var(s->d, "k", s->key->dim);
    fv_expr *value = load(s, VALUE, var(s, s->head), s->h.dv, var(s, s->column));
    if (!beta)
        return value;
    fv_expr *kept = sum_of(s, k, decayed(s, k, key_at(s, k)), state_at(s, state->before, k));
    fv_expr *rate = fv_d_load(
        s->d, BETA,
        (fv_expr *[]){var(s, s->batch), s->t, fv_d_broadcast(s->d, s->head, beta->dims[2])});
    fv_state *u = &r->states[0];
    u->step = bin(s, FV_X_MUL, rate, bin(s, FV_X_SUB, value, kept));
    return fv_state_load(s->d, u->now,
                         (fv_expr *[]){var(s, s->batch), var(s, s->head), var(s, s->column)});
}

/* The attribute scale, or 1 / sqrt(head size of keys) if it is not given. */
static fv_expr *scale_of(const step *s) {
    float given = fv_op_float(s->d->op, "scale");
    if (given != 0)
        return fv_x_const(s->a, FV_F32, (double)given);
    if (fv_dim_is_const(s->h.dk))
        return fv_x_const(s->a, FV_F32, 1 / sqrt((double)s->h.dk->value));
    fv_expr *keys = fv_x_convert(s->a, FV_F32, fv_x_dim(s->a, s->h.dk));
    return bin(s, FV_X_DIV, fv_x_const(s->a, FV_F32, 1), fv_x_un(s->a, FV_X_SQRT, keys));
}

static bool set_axes(step *s, fv_recurrence *r) {
    fv_dims *t = s->d->module->dims;
    if (!read_steps(s->d->op, &s->h) || !head_size(s->d->op, QUERY, s->h.query, &s->h.dk) ||
        !head_size(s->d->op, VALUE, s->h.value, &s->h.dv))
        return false;
    r->t = fv_d_var(s->d, "t", s->h.seq);
    s->t = var(s, r->t);
    s->batch = fv_recurrence_index(s->d, r, "b", s->h.batch);
    s->head = fv_recurrence_index(s->d, r, "h", fv_dim_const(t, s->h.value));
    s->key = fv_recurrence_index(s->d, r, "i", s->h.dk);
    s->group = fv_recurrence_index(s->d, r, "g", fv_dim_const(t, groups_of(&s->h)));
    s->column = fv_recurrence_index(s->d, r, "j", s->h.dv);
    return true;
}

static bool recur_linear_attention(fv_definer *d, fv_recurrence *r) {
    step s = {.d = d, .a = d->arena};
    if (!set_axes(&s, r))
        return false;
    fv_var *index[4] = {s.batch, s.head, s.key, s.column},
           *short_index[3] = {s.batch, s.head, s.column};
    fv_expr *b = var(&s, s.batch), *h = var(&s, s.head), *i = var(&s, s.key), *g = var(&s, s.group),
            *j = var(&s, s.column);
    fv_expr *at[4] = {b, h, i, j}, *zero = fv_x_const(s.a, FV_F32, 0);
    fv_expr *first = fv_op_in(d->op, STATE) ? fv_d_load(d, STATE, at) : zero;
    if (fv_op_in(d->op, BETA))
        fv_recurrence_state(d, r, "u", FV_F32, 3, short_index, NULL);
    fv_state *state = fv_recurrence_state(d, r, "s", FV_F32, 4, index, first);
    fv_expr *u = written(&s, r, state);
    state->step =
        fv_x_fma(s.a, key_at(&s, s.key), u, decayed(&s, s.key, state_at(&s, state->before, s.key)));
    fv_var *k = fv_d_var(d, "k", s.h.dk);
    fv_expr *read = sum_of(&s, k, query_at(&s, k), state_at(&s, state->now, k));
    fv_recurrence_element(d, r, OUTPUT, (fv_expr *[]){b, s.t, h, g, j},
                          bin(&s, FV_X_MUL, scale_of(&s), read));
    fv_recurrence_element(d, r, STATES, (fv_expr *[]){s.t, b, h, i, j},
                          state_at(&s, state->now, s.key));
    fv_recurrence_last(d, r, PRESENT, at, state_at(&s, state->now, s.key));
    return true;
}

/* ---- LinearAttentionGate ---- */

enum { GATE_A, GATE_BIAS, GATE_SCALE, GATE_B };

/* Checks that input 'b', from which the result 'beta' is computed, is present if that result is
 * used. */
static bool has_rate(const fv_op *op) {
    return fv_op_in(op, GATE_B) || !fv_op_is_read(op, 1) ||
           fv_op_error(op, "result 'beta' is read, which needs input 'b'");
}

static bool infer_gate(fv_op *op) {
    const fv_type *a = fv_in_type(op, GATE_A), *b = fv_in_type(op, GATE_B);
    const fv_dim *heads = a->dims[a->rank - 1];
    if (!fv_infer_per_channel(op, GATE_BIAS, heads) || !fv_infer_per_channel(op, GATE_SCALE, heads))
        return false;
    if (!has_rate(op))
        return false;
    for (int i = 0; b && i < a->rank; i++)
        if (!fv_has_dim(op, GATE_B, i, a->dims[i]))
            return false;
    fv_infer_like(op, 0, GATE_A);
    fv_infer_like(op, 1, GATE_A);
    return true;
}

/* Computes the decay, decay_scale * Softplus(a + dt_bias), and beta, Sigmoid(b), in f32. */
static bool decompose_gate(fv_rewriter *w, fv_op *op) {
    fv_elem e = fv_in_type(op, GATE_A)->elem;
    fv_value *x = FV_W2(w, FV_OP_Add, fv_w_cast(w, op->in[GATE_A], FV_F32), op->in[GATE_BIAS]);
    x = FV_W2(w, FV_OP_Mul, FV_W1(w, FV_OP_Softplus, x), op->in[GATE_SCALE]);
    fv_w_result(w, 0, x ? fv_w_cast(w, x, e) : NULL);
    if (!has_rate(op))
        return false;
    if (fv_op_is_read(op, 1))
        fv_w_result(w, 1, FV_W1(w, FV_OP_Sigmoid, op->in[GATE_B]));
    return true;
}

/* ---- entries ---- */

#define NARROW (FV_SET(F32) | FV_SET(F16) | FV_SET(BF16))
#define PACKED_IN(state)                                                                           \
    {"query", "T", .rank = FV_RANK(3)}, {"key", "T", .rank = FV_RANK(3)},                          \
        {"value", "T", .rank = FV_RANK(3)},                                                        \
        {"past_state", "S", FV_OPTIONAL_OPERAND, .rank = state},                                   \
        {"decay", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)}, {                                 \
        "beta", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)                                       \
    }
#define PACKED_OUT {"output", "T"}, {"present_state", "S"}
#define HEADS                                                                                      \
    FV_A_REQUIRED("q_num_heads", INT), FV_A_REQUIRED("kv_num_heads", INT),                         \
        FV_A_FLOAT("scale", 0.0f), FV_A_STRING("update_rule", "gated_delta"),                      \
        FV_A_INT("chunk_size", 64)

const fv_opdef fv_ops_linear_attention[] = {
    {.domain = "",
     .name = "LinearAttention",
     .since = {27},
     .doc = "attention to a matrix that is updated step by step: by sums of outer products, "
            "decayed, by the delta rule",
     .in = {PACKED_IN(FV_RANK(4))},
     .out = {PACKED_OUT},
     .attrs = {HEADS},
     .types = {{"T", NARROW}, {"S", NARROW}},
     .infer = infer_packed,
     .decompose = decompose_packed},
    {.domain = "com.microsoft",
     .name = "LinearAttention",
     .since = {1},
     .doc = "LinearAttention in which the number of query heads and of key heads divides that of "
            "value heads or is a multiple of it; with the states of several steps",
     .in = {PACKED_IN(FV_RANKS(4, 5))},
     .out = {PACKED_OUT},
     .attrs = {HEADS, FV_A_INT("state_window", 0)},
     .types = {{"T", NARROW}, {"S", NARROW}},
     .infer = infer_packed,
     .decompose = decompose_packed},
    {.domain = "com.microsoft",
     .name = "LinearAttentionGate",
     .since = {1},
     .doc = "decay and update rate of LinearAttention: decay_scale * Softplus(a + dt_bias), "
            "Sigmoid(b)",
     .in = {{"a", "T", .rank = FV_RANK_FROM(1)},
            {"dt_bias", "TF", .rank = FV_RANK(1)},
            {"decay_scale", "TF", .rank = FV_RANK(1)},
            {"b", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK_AS("a")}},
     .out = {{"decay", "T"}, {"beta", "T", FV_OPTIONAL_OPERAND}},
     .types = {{"T", NARROW}, {"TF", FV_SET(F32)}},
     .infer = infer_gate,
     .decompose = decompose_gate},
    {.domain = "fv",
     .name = "LinearAttention",
     .id = FV_OP_fv_LinearAttention,
     .since = {1},
     .doc = "the steps of LinearAttention, with the decay as a factor: output[batch, step, state, "
            "query head that shares it, column]; the last state, and the states after each step",
     .in = {{"query", "T", .rank = FV_RANK(3)},
            {"key", "T", .rank = FV_RANK(3)},
            {"value", "T", .rank = FV_RANK(3)},
            {"state", "S", FV_OPTIONAL_OPERAND, .rank = FV_RANK(4)},
            {"decay", "D", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)},
            {"beta", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)}},
     .out = {{"output", "T", FV_OPTIONAL_OPERAND},
             {"last", "S", FV_OPTIONAL_OPERAND},
             {"states", "S", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_REQUIRED("q_num_heads", INT), FV_A_REQUIRED("k_num_heads", INT),
               FV_A_REQUIRED("v_num_heads", INT), FV_A_FLOAT("scale", 0.0f)},
     .types = {{"T", NARROW}, {"S", NARROW}, {"D", FV_SET(F32)}},
     .infer = infer_steps,
     .recur = recur_linear_attention},

    {0}};
