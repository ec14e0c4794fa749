/* recurrent.c - RNN, GRU, LSTM: attributes, shapes, and the expansion into one matrix product for the
 * inputs of all steps and a kernel for the steps (recurrent_kernel.c). */
#include "ir/ops/recurrent.h"

#include <string.h>
#include <strings.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

/* ---- attributes ---- */

/* Defaults are those of the operators of the same name; which of alpha and beta it takes. */
static const struct act_def {
    const char *name;
    bool alpha, beta;
    fv_act act;
} act_defs[] = {
    {"Relu", false, false, {FV_ACT_RELU, 0, 0}},
    {"Tanh", false, false, {FV_ACT_TANH, 0, 0}},
    {"Sigmoid", false, false, {FV_ACT_SIGMOID, 0, 0}},
    {"Affine", true, true, {FV_ACT_AFFINE, 1, 0}},
    {"LeakyRelu", true, false, {FV_ACT_LEAKY_RELU, (double)0.01f, 0}},
    {"ThresholdedRelu", true, false, {FV_ACT_THRESHOLDED_RELU, 1, 0}},
    {"ScaledTanh", true, true, {FV_ACT_SCALED_TANH, 1, 1}},
    {"HardSigmoid", true, true, {FV_ACT_HARD_SIGMOID, (double)0.2f, 0.5}},
    {"Elu", true, false, {FV_ACT_ELU, 1, 0}},
    {"Softsign", false, false, {FV_ACT_SOFTSIGN, 0, 0}},
    {"Softplus", false, false, {FV_ACT_SOFTPLUS, 0, 0}},
};
enum { NACTS = sizeof act_defs / sizeof *act_defs };

static const struct act_def *find_act(const char *name, size_t n) {
    for (int i = 0; i < NACTS; i++)
        if (strlen(act_defs[i].name) == n && !strncasecmp(act_defs[i].name, name, n))
            return &act_defs[i];
    return NULL;
}

/* The next of a list that the functions consume in their order, as far as it goes. */
static void take(const fv_attr *list, int *at, bool takes, double *value) {
    if (takes && list && *at < list->n)
        *value = (double)list->u.floats[(*at)++];
}

static bool read_activations(const fv_op *op, fv_recurrent *r) {
    static const char *const defaults[3][FV_MAX_ACTS] = {
        {"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    const fv_attr *names = fv_op_find_attr(op, "activations");
    const fv_attr *alpha = fv_op_find_attr(op, "activation_alpha");
    const fv_attr *beta = fv_op_find_attr(op, "activation_beta");
    int na = 0, nb = 0, n = r->nacts * r->directions;
    if (names && !names->n)
        names = NULL;
    /* RNN's default has two, whatever the direction */
    if (names && names->n != n && !(r->kind == FV_CELL_RNN && names->n > n))
        return fv_op_error(op, "has %d activations, expected %d", names->n, n);
    for (int i = 0; i < n; i++) {
        const char *name = defaults[r->kind][i % r->nacts];
        fv_string s = names ? names->u.strings[i] : (fv_string){name, strlen(name)};
        const struct act_def *d = find_act(s.s, s.n);
        if (!d)
            return fv_op_error(op, "activation '%.*s' is not known", (int)(s.n > 40 ? 40 : s.n), s.s);
        fv_act *a = &r->act[i / r->nacts][i % r->nacts];
        *a = d->act;
        take(alpha, &na, d->alpha, &a->alpha);
        take(beta, &nb, d->beta, &a->beta);
    }
    return true;
}

static bool is_string(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

bool fv_recurrent_read(const fv_op *op, fv_recurrent *r) {
    bool lstm = fv_op_is(op, FV_OP_LSTM) || fv_op_is(op, FV_OP_fv_LSTM), gru = fv_op_is(op, FV_OP_GRU) || fv_op_is(op, FV_OP_fv_GRU);
    *r = (fv_recurrent){.kind = lstm ? FV_CELL_LSTM : gru ? FV_CELL_GRU : FV_CELL_RNN};
    r->gates = r->kind == FV_CELL_LSTM ? 4 : r->kind == FV_CELL_GRU ? 3 : 1;
    r->nacts = (int)r->kind + 1;
    fv_string direction = fv_op_string(op, "direction");
    bool both = is_string(direction, "bidirectional");
    r->directions = both ? 2 : 1;
    r->reverse = is_string(direction, "reverse");
    if (!both && !r->reverse && !is_string(direction, "forward"))
        return fv_op_error(op, "direction '%.*s' is none of forward, reverse, bidirectional",
                           (int)(direction.n > 40 ? 40 : direction.n), direction.s);
    int64_t layout = fv_op_int(op, "layout");
    if (layout != 0 && layout != 1)
        return fv_op_error(op, "layout is %lld, expected 0 or 1", (long long)layout);
    r->batch_first = layout == 1;
    r->input_forget = r->kind == FV_CELL_LSTM && fv_op_int(op, "input_forget");
    r->linear_before_reset = r->kind == FV_CELL_GRU && fv_op_int(op, "linear_before_reset");
    r->clip = (double)fv_op_float_or(op, "clip", 0);
    if (r->clip < 0)
        return fv_op_error(op, "clip is %g, it must not be negative", r->clip);
    return read_activations(op, r);
}

const fv_dim *fv_recurrent_hidden(const fv_op *op, int in_r) {
    const fv_attr *given = fv_op_find_attr(op, "hidden_size");
    return given ? fv_dim_const(fv_op_module(op)->dims, given->u.i) : fv_in_type(op, in_r)->dims[2];
}

/* ---- shapes ---- */

/* An operand, if it is there, has these dims. */
static bool fits(fv_op *op, int in, int rank, const fv_dim *const *dims) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, in);
    const char *name = op->def->in[in].name;
    if (!t)
        return true;
    for (int i = 0; i < rank; i++)
        if (!fv_module_assume(m, t->dims[i], dims[i], fv_printf(m->arena, "dim %d of input '%s' of %s", i, name, op->def->name)))
            return fv_op_error(op, "dim %d of input '%s' is %s, expected %s", i, name,
                               fv_dim_str(m->arena, t->dims[i]), fv_dim_str(m->arena, dims[i]));
    return true;
}

typedef struct sizes {
    const fv_dim *seq, *batch, *directions, *hidden;
} sizes;

/* dims of what holds the state of every direction and batch row */
static void state_dims(const fv_recurrent *r, const sizes *s, const fv_dim **dims) {
    dims[0] = r->batch_first ? s->batch : s->directions;
    dims[1] = r->batch_first ? s->directions : s->batch;
    dims[2] = s->hidden;
}

static void infer_results(fv_op *op, const fv_recurrent *r, const sizes *s) {
    const fv_dim *dims[3], *y[4] = {s->seq, s->directions, s->batch, s->hidden};
    fv_elem e = fv_in_type(op, 0)->elem;
    state_dims(r, s, dims);
    if (r->batch_first) {
        y[0] = s->batch;
        y[1] = s->seq;
        y[2] = s->directions;
    }
    fv_infer_out(op, FV_REC_Y, e, 4, y);
    fv_infer_out(op, FV_REC_Y_H, e, 3, dims);
    fv_infer_out(op, FV_REC_Y_C, e, 3, dims);
}

/* Attributes, and what X and R tell. */
static bool read_sizes(fv_op *op, int in_r, fv_recurrent *r, sizes *s) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *given = fv_op_find_attr(op, "hidden_size");
    if (!fv_recurrent_read(op, r))
        return false;
    if (given && (given->u.i < 1 || given->u.i > INT32_MAX))
        return fv_op_error(op, "hidden_size is %lld", (long long)given->u.i);
    *s = (sizes){.seq = x->dims[r->batch_first], .batch = x->dims[!r->batch_first],
                 .directions = fv_dim_const(fv_op_module(op)->dims, r->directions),
                 .hidden = fv_recurrent_hidden(op, in_r)};
    return true;
}

static bool infer_recurrent(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    fv_recurrent r;
    sizes s;
    if (!read_sizes(op, FV_REC_R, &r, &s))
        return false;
    const fv_dim *gates = fv_dim_mul(t, fv_dim_const(t, r.gates), s.hidden);
    const fv_dim *w[3] = {s.directions, gates, fv_in_type(op, 0)->dims[2]}, *state[3];
    const fv_dim *bias[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 2), gates)};
    const fv_dim *peep[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 3), s.hidden)};
    state_dims(&r, &s, state);
    if (!fits(op, FV_REC_W, 3, w) || !fits(op, FV_REC_R, 3, (const fv_dim *[]){w[0], gates, s.hidden}) ||
        !fits(op, FV_REC_B, 2, bias) || !fits(op, FV_REC_LENS, 1, &s.batch) || !fits(op, FV_REC_H, 3, state))
        return false;
    if (r.kind == FV_CELL_LSTM && (!fits(op, FV_REC_C, 3, state) || !fits(op, FV_REC_P, 2, peep)))
        return false;
    infer_results(op, &r, &s);
    return true;
}

static bool infer_steps(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    fv_recurrent r;
    sizes s;
    if (!read_sizes(op, FV_STEPS_R, &r, &s))
        return false;
    const fv_dim *gates = fv_dim_mul(t, fv_dim_const(t, r.gates), s.hidden), *state[3];
    const fv_dim *all[3] = {x->dims[0], x->dims[1], fv_dim_mul(t, s.directions, gates)};
    const fv_dim *rec[3] = {s.directions, gates, s.hidden};
    const fv_dim *peep[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 3), s.hidden)};
    state_dims(&r, &s, state);
    if (!fits(op, FV_STEPS_X, 3, all) || !fits(op, FV_STEPS_R, 3, rec) ||
        !fits(op, FV_STEPS_LENS, 1, &s.batch) || !fits(op, FV_STEPS_H, 3, state))
        return false;
    if (r.kind == FV_CELL_LSTM && (!fits(op, FV_STEPS_C, 3, state) || !fits(op, FV_STEPS_P, 2, peep)))
        return false;
    if (r.kind == FV_CELL_GRU && !fits(op, FV_STEPS_B, 2, (const fv_dim *[]){s.directions, s.hidden}))
        return false;
    infer_results(op, &r, &s);
    return true;
}

/* ---- expansion ---- */

typedef struct expansion {
    fv_rewriter *w;
    fv_dims *t;
    const fv_recurrent *r;
    const fv_dim *directions, *hidden;
} expansion;

/* Gates first .. first + n of the biases of W (which 0) or R (1), as [directions, 1, n, hidden]. */
static fv_value *bias_of(const expansion *e, fv_value *b, int which, int first, int n) {
    const fv_dim *zero = fv_dim_const(e->t, 0), *one = fv_dim_const(e->t, 1);
    const fv_dim *all[4] = {e->directions, fv_dim_const(e->t, 2), fv_dim_const(e->t, e->r->gates), e->hidden};
    const fv_dim *start[4] = {zero, fv_dim_const(e->t, which), fv_dim_const(e->t, first), zero};
    const fv_dim *step[4] = {one, one, one, one};
    const fv_dim *dims[4] = {e->directions, one, fv_dim_const(e->t, n), e->hidden};
    return fv_w_slice(e->w, fv_w_reshape(e->w, b, 4, all), start, step, dims);
}

/* What is added to the inputs' part: both biases, but for that of a gate which is added in the steps. */
static fv_value *input_bias(const expansion *e, fv_value *b) {
    int both = e->r->linear_before_reset ? e->r->gates - 1 : e->r->gates;
    fv_value *sum = FV_W2(e->w, FV_OP_Add, bias_of(e, b, 0, 0, both), bias_of(e, b, 1, 0, both));
    if (both < e->r->gates) {
        fv_value *parts[2] = {sum, bias_of(e, b, 0, both, 1)};
        fv_attr axis = fv_attr_int(e->w->module, "axis", 2);
        sum = fv_w_op(e->w, FV_OP_Concat, 2, parts, 1, &axis);
    }
    const fv_dim *n = fv_dim_mul(e->t, fv_dim_mul(e->t, e->directions, fv_dim_const(e->t, e->r->gates)), e->hidden);
    return sum ? fv_w_reshape(e->w, sum, 1, &n) : NULL;
}

/* x * W^T + b of all gates, directions and steps at once. */
static fv_value *input_part(const expansion *e, const fv_op *op) {
    static const int swap[2] = {1, 0};
    const fv_type *x = fv_in_type(op, FV_REC_X);
    const fv_dim *gates = fv_dim_const(e->t, e->r->gates);
    const fv_dim *columns = fv_dim_mul(e->t, fv_dim_mul(e->t, e->directions, gates), e->hidden);
    const fv_dim *flat[2] = {columns, x->dims[2]};
    fv_value *weights = fv_w_transpose(e->w, fv_w_reshape(e->w, op->in[FV_REC_W], 2, flat), swap);
    fv_value *y = FV_W2(e->w, FV_OP_fv_MatMul, op->in[FV_REC_X], weights), *b = fv_op_in(op, FV_REC_B);
    if (b)
        y = FV_W2(e->w, FV_OP_Add, y, input_bias(e, b));
    return y;
}

/* Results that nobody uses are left out: they take no memory then. */
static fv_op *steps_op(fv_op *op, int nin, fv_value *const *in) {
    static const char *const keep[] = {"activations", "activation_alpha", "activation_beta", "clip",
                                       "direction", "hidden_size", "input_forget", "layout", "linear_before_reset"};
    const char *outs[3] = {0};
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            outs[i] = op->out[i]->name;
    const fv_opdef *def = fv_op_def(fv_op_is(op, FV_OP_LSTM) ? FV_OP_fv_LSTM : fv_op_is(op, FV_OP_GRU) ? FV_OP_fv_GRU : FV_OP_fv_RNN);
    while (nin > 2 && !in[nin - 1])
        nin--;
    fv_op *steps = fv_op_new(op->block, op, def, nin, in, op->nout, outs, op->origin);
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        const fv_attr *a = fv_op_find_attr(op, keep[i]);
        if (a)
            fv_op_attr(steps, a);
    }
    return fv_op_infer(steps) ? steps : NULL;
}

static bool decompose_recurrent(fv_rewriter *w, fv_op *op) {
    fv_recurrent r;
    bool used = false;
    for (int i = 0; i < op->nout; i++)
        used |= op->out[i] && op->out[i]->nuses;
    if (!used)
        return true;
    if (!fv_recurrent_read(op, &r))
        return false;
    fv_dims *t = w->module->dims;
    const fv_dim *hidden = fv_recurrent_hidden(op, FV_REC_R);
    expansion e = {w, t, &r, fv_dim_const(t, r.directions), hidden};
    fv_value *in[6] = {input_part(&e, op), op->in[FV_REC_R], fv_op_in(op, FV_REC_LENS), fv_op_in(op, FV_REC_H),
                       NULL, NULL};
    if (r.kind == FV_CELL_LSTM) {
        in[FV_STEPS_C] = fv_op_in(op, FV_REC_C);
        in[FV_STEPS_P] = fv_op_in(op, FV_REC_P);
    } else if (r.linear_before_reset && fv_op_in(op, FV_REC_B)) {
        fv_value *b = bias_of(&e, op->in[FV_REC_B], 1, 2, 1);
        in[FV_STEPS_B] = b ? fv_w_reshape(w, b, 2, (const fv_dim *[]){e.directions, hidden}) : NULL;
    }
    if (w->failed || !in[0])
        return false;
    fv_op *steps = steps_op(op, r.kind == FV_CELL_LSTM ? 6 : r.kind == FV_CELL_GRU ? 5 : 4, in);
    if (!steps)
        return false;
    for (int i = 0; i < op->nout; i++)
        if (steps->out[i])
            fv_w_result(w, i, steps->out[i]);
    return true;
}

/* ---- entries ---- */

#define TYPES {{"T", FV_SET_FLOAT}, {"T1", FV_SET(I32)}}
#define COMMON                                                                                     \
    FV_A_OPTIONAL("activations", STRINGS), FV_A_OPTIONAL("activation_alpha", FLOATS),              \
        FV_A_OPTIONAL("activation_beta", FLOATS), FV_A_OPTIONAL("clip", FLOAT),                    \
        FV_A_STRING("direction", "forward"), FV_A_OPTIONAL("hidden_size", INT),                    \
        FV_A_INT("layout", 0)
#define STANDARD(last)                                                                             \
    COMMON, {.name = "output_sequence", .kind = FV_ATTR_INT, .until = (last)}
#define LENGTHS                                                                                    \
    {"sequence_lens", "T1", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)},                              \
        {"initial_h", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)}
#define CELL                                                                                       \
    {"initial_c", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)},                                   \
        {"P", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)}
#define INPUTS                                                                                     \
    {"X", "T", .rank = FV_RANK(3)}, {"W", "T", .rank = FV_RANK(3)}, {"R", "T", .rank = FV_RANK(3)},   \
        {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)}, LENGTHS
#define STEP_INPUTS                                                                                \
    {"X", "T", .rank = FV_RANK(3)}, {"R", "T", .rank = FV_RANK(3)}, LENGTHS
#define OUTPUTS {"Y", "T", FV_OPTIONAL_OPERAND}, {"Y_h", "T", FV_OPTIONAL_OPERAND}

const fv_opdef fv_ops_recurrent[] = {
    {.domain = "", .name = "RNN", .id = FV_OP_RNN, .since = {1, 7, 14, 22},
     .doc = "a recurrent layer of one gate, over a sequence",
     .in = {INPUTS}, .out = {OUTPUTS},
     .attrs = {STANDARD(1)},
     .types = TYPES,
     .infer = infer_recurrent,
     .decompose = decompose_recurrent},
    {.domain = "", .name = "GRU", .id = FV_OP_GRU, .since = {1, 3, 7, 14, 22},
     .doc = "a recurrent layer with update and reset gates, over a sequence",
     .in = {INPUTS}, .out = {OUTPUTS},
     .attrs = {STANDARD(3), FV_A_INT("linear_before_reset", 0)},
     .types = TYPES,
     .infer = infer_recurrent,
     .decompose = decompose_recurrent},
    {.domain = "", .name = "LSTM", .id = FV_OP_LSTM, .since = {1, 7, 14, 22},
     .doc = "a recurrent layer with input, output and forget gates and a cell, over a sequence",
     .in = {INPUTS, CELL},
     .out = {OUTPUTS, {"Y_c", "T", FV_OPTIONAL_OPERAND}},
     .attrs = {STANDARD(1), FV_A_INT("input_forget", 0)},
     .types = TYPES,
     .infer = infer_recurrent,
     .decompose = decompose_recurrent},
    {.domain = "fv", .name = "RNN", .id = FV_OP_fv_RNN, .since = {1},
     .doc = "the steps of RNN; X[t, b, (direction, gate, unit)] is the inputs' part of the gates",
     .in = {STEP_INPUTS}, .out = {OUTPUTS},
     .attrs = {COMMON},
     .types = TYPES,
     .infer = infer_steps,
     .kernel = fv_recurrent_kernel},
    {.domain = "fv", .name = "GRU", .id = FV_OP_fv_GRU, .since = {1},
     .doc = "the steps of GRU; X[t, b, (direction, gate, unit)] is the inputs' part of the gates",
     .in = {STEP_INPUTS, {"Rbh", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)}}, .out = {OUTPUTS},
     .attrs = {COMMON, FV_A_INT("linear_before_reset", 0)},
     .types = TYPES,
     .infer = infer_steps,
     .kernel = fv_recurrent_kernel},
    {.domain = "fv", .name = "LSTM", .id = FV_OP_fv_LSTM, .since = {1},
     .doc = "the steps of LSTM; X[t, b, (direction, gate, unit)] is the inputs' part of the gates",
     .in = {STEP_INPUTS, CELL},
     .out = {OUTPUTS, {"Y_c", "T", FV_OPTIONAL_OPERAND}},
     .attrs = {COMMON, FV_A_INT("input_forget", 0)},
     .types = TYPES,
     .infer = infer_steps,
     .kernel = fv_recurrent_kernel},

    {0}};
