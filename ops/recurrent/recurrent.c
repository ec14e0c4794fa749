/* recurrent.c - RNN, GRU, LSTM: shapes, and the expansion into one matrix product for the inputs of
 * all steps and a recurrence over the steps (recurrent_steps.c). recurrent.h declares what AttnLSTM
 * uses of it. */
#include "ops/recurrent/recurrent.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/dims.h"

/* ---- shapes ---- */

void fv_recurrent_state_dims(const fv_recurrent *r, const fv_recurrent_sizes *s,
                             const fv_dim **dims) {
    dims[0] = r->batch_first ? s->batch : s->directions;
    dims[1] = r->batch_first ? s->directions : s->batch;
    dims[2] = s->hidden;
}

void fv_recurrent_infer_results(fv_op *op, const fv_recurrent *r, const fv_recurrent_sizes *s) {
    const fv_dim *dims[3], *y[4] = {s->seq, s->directions, s->batch, s->hidden};
    fv_elem e = fv_in_type(op, 0)->elem;
    fv_recurrent_state_dims(r, s, dims);
    if (r->batch_first) {
        y[0] = s->batch;
        y[1] = s->seq;
        y[2] = s->directions;
    }
    fv_infer_out(op, FV_REC_Y, e, 4, y);
    fv_infer_out(op, FV_REC_Y_H, e, 3, dims);
    fv_infer_out(op, FV_REC_Y_C, e, 3, dims);
}

bool fv_recurrent_read_sizes(fv_op *op, int in_r, fv_recurrent *r, fv_recurrent_sizes *s) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *given = fv_op_find_attr(op, "hidden_size");
    if (!fv_recurrent_read(op, r))
        return false;
    if (given && (given->u.i < 1 || given->u.i > INT32_MAX))
        return fv_op_error(op, "hidden_size is %lld", (long long)given->u.i);
    *s = (fv_recurrent_sizes){.seq = x->dims[r->batch_first],
                              .batch = x->dims[!r->batch_first],
                              .directions = fv_dim_const(fv_op_module(op)->dims, r->directions),
                              .hidden = fv_recurrent_hidden(op, in_r)};
    return true;
}

static bool infer_recurrent(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    fv_recurrent r;
    fv_recurrent_sizes s;
    if (!fv_recurrent_read_sizes(op, FV_REC_R, &r, &s))
        return false;
    const fv_dim *gates = fv_dim_mul(t, fv_dim_const(t, r.gates), s.hidden);
    const fv_dim *w[3] = {s.directions, gates, fv_in_type(op, 0)->dims[2]}, *state[3];
    const fv_dim *bias[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 2), gates)};
    const fv_dim *peep[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 3), s.hidden)};
    fv_recurrent_state_dims(&r, &s, state);
    if (!fv_has_dims(op, FV_REC_W, 3, w) ||
        !fv_has_dims(op, FV_REC_R, 3, (const fv_dim *[]){w[0], gates, s.hidden}) ||
        !fv_has_dims(op, FV_REC_B, 2, bias) || !fv_has_dims(op, FV_REC_LENS, 1, &s.batch) ||
        !fv_has_dims(op, FV_REC_H, 3, state))
        return false;
    if (r.kind == FV_CELL_LSTM &&
        (!fv_has_dims(op, FV_REC_C, 3, state) || !fv_has_dims(op, FV_REC_P, 2, peep)))
        return false;
    fv_recurrent_infer_results(op, &r, &s);
    return true;
}

static bool infer_steps(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    fv_recurrent r;
    fv_recurrent_sizes s;
    if (!fv_recurrent_read_sizes(op, FV_STEPS_R, &r, &s))
        return false;
    const fv_dim *gates = fv_dim_mul(t, fv_dim_const(t, r.gates), s.hidden), *state[3];
    const fv_dim *all[3] = {x->dims[0], x->dims[1], fv_dim_mul(t, s.directions, gates)};
    const fv_dim *rec[3] = {s.directions, gates, s.hidden};
    const fv_dim *peep[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 3), s.hidden)};
    fv_recurrent_state_dims(&r, &s, state);
    if (!fv_has_dims(op, FV_STEPS_X, 3, all) || !fv_has_dims(op, FV_STEPS_R, 3, rec) ||
        !fv_has_dims(op, FV_STEPS_LENS, 1, &s.batch) || !fv_has_dims(op, FV_STEPS_H, 3, state))
        return false;
    if (r.kind == FV_CELL_LSTM &&
        (!fv_has_dims(op, FV_STEPS_C, 3, state) || !fv_has_dims(op, FV_STEPS_P, 2, peep)))
        return false;
    if (r.kind == FV_CELL_GRU &&
        !fv_has_dims(op, FV_STEPS_B, 2, (const fv_dim *[]){s.directions, s.hidden}))
        return false;
    fv_recurrent_infer_results(op, &r, &s);
    return true;
}

/* ---- expansion ---- */

typedef struct expansion {
    fv_rewriter *w;
    fv_dims *t;
    const fv_recurrent *r;
    const fv_dim *directions, *hidden;
} expansion;

/* n gates, beginning at `first`, of the biases of W (`which` 0) or R (1), as [directions, 1, n,
 * hidden]. */
static fv_value *bias_of(const expansion *e, fv_value *b, int which, int first, int n) {
    const fv_dim *zero = fv_dim_const(e->t, 0), *one = fv_dim_const(e->t, 1);
    const fv_dim *all[4] = {e->directions, fv_dim_const(e->t, 2), fv_dim_const(e->t, e->r->gates),
                            e->hidden};
    const fv_dim *start[4] = {zero, fv_dim_const(e->t, which), fv_dim_const(e->t, first), zero};
    const fv_dim *step[4] = {one, one, one, one};
    const fv_dim *dims[4] = {e->directions, one, fv_dim_const(e->t, n), e->hidden};
    return fv_w_slice(e->w, fv_w_reshape(e->w, b, 4, all), start, step, dims);
}

/* The bias that is added to the inputs' part: the sum of both biases, except for a gate whose
 * recurrent bias is added in the steps. */
static fv_value *input_bias(const expansion *e, fv_value *b) {
    int both = e->r->linear_before_reset ? e->r->gates - 1 : e->r->gates;
    fv_value *sum = FV_W2(e->w, FV_OP_Add, bias_of(e, b, 0, 0, both), bias_of(e, b, 1, 0, both));
    if (both < e->r->gates) {
        fv_value *parts[2] = {sum, bias_of(e, b, 0, both, 1)};
        fv_attr axis = fv_attr_int(e->w->module, "axis", 2);
        sum = fv_w_op(e->w, FV_OP_Concat, 2, parts, 1, &axis);
    }
    const fv_dim *n = fv_dim_mul(
        e->t, fv_dim_mul(e->t, e->directions, fv_dim_const(e->t, e->r->gates)), e->hidden);
    return sum ? fv_w_reshape(e->w, sum, 1, &n) : NULL;
}

fv_value *fv_w_recurrent_input(fv_rewriter *w, const fv_op *op, const fv_recurrent *r,
                               const fv_dim *hidden, fv_value *weights) {
    static const int swap[2] = {1, 0};
    fv_dims *t = w->module->dims;
    const expansion e = {w, t, r, fv_dim_const(t, r->directions), hidden};
    const fv_dim *columns =
        fv_dim_mul(t, fv_dim_mul(t, e.directions, fv_dim_const(t, r->gates)), hidden);
    const fv_dim *flat[2] = {columns, fv_in_type(op, FV_REC_X)->dims[2]};
    weights = weights ? fv_w_transpose(w, fv_w_reshape(w, weights, 2, flat), swap) : NULL;
    fv_value *y = FV_W2(w, FV_OP_fv_MatMul, op->in[FV_REC_X], weights), *b = fv_op_in(op, FV_REC_B);
    return b ? FV_W2(w, FV_OP_Add, y, input_bias(&e, b)) : y;
}

fv_value *fv_w_lengths(fv_rewriter *w, const fv_op *op, int in, int least, const fv_dim *most) {
    fv_attr a[2] = {fv_attr_dims(w->module, "most", 1, &most),
                    fv_attr_int(w->module, "least", least)};
    return fv_op_in(op, in) ? fv_w_op(w, FV_OP_fv_Lengths, 1, &op->in[in], 2, a) : NULL;
}

/* Results without uses are left out, so that they take no memory. */
static fv_op *steps_op(fv_op *op, fv_op_id id, int nin, fv_value *const *in) {
    static const char *const keep[] = {"activations",  "activation_alpha", "activation_beta",
                                       "clip",         "direction",        "hidden_size",
                                       "input_forget", "layout",           "linear_before_reset"};
    const char *outs[3] = {0};
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            outs[i] = op->out[i]->name;
    while (nin > 2 && !in[nin - 1])
        nin--;
    fv_op *steps = fv_op_new(op->block, op, fv_op_def(id), nin, in, op->nout, outs, op->origin);
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        const fv_attr *a = fv_op_find_attr(op, keep[i]);
        if (a)
            fv_op_attr(steps, a);
    }
    return fv_op_infer(steps) ? steps : NULL;
}

bool fv_w_recurrent_steps(fv_rewriter *w, fv_op *op, fv_op_id id, int nin, fv_value *const *in) {
    fv_op *steps = w->failed || !in[0] ? NULL : steps_op(op, id, nin, in);
    for (int i = 0; steps && i < op->nout; i++)
        if (steps->out[i])
            fv_w_result(w, i, steps->out[i]);
    return steps != NULL;
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
    fv_value *lengths =
        fv_w_lengths(w, op, FV_REC_LENS, 0, fv_in_type(op, FV_REC_X)->dims[r.batch_first]);
    fv_value *in[6] = {fv_w_recurrent_input(w, op, &r, hidden, op->in[FV_REC_W]), op->in[FV_REC_R],
                       lengths, fv_op_in(op, FV_REC_H)};
    if (r.kind == FV_CELL_LSTM) {
        in[FV_STEPS_C] = fv_op_in(op, FV_REC_C);
        in[FV_STEPS_P] = fv_op_in(op, FV_REC_P);
    } else if (r.linear_before_reset && fv_op_in(op, FV_REC_B)) {
        fv_value *b = bias_of(&e, op->in[FV_REC_B], 1, 2, 1);
        in[FV_STEPS_B] = b ? fv_w_reshape(w, b, 2, (const fv_dim *[]){e.directions, hidden}) : NULL;
    }
    if (r.kind == FV_CELL_LSTM)
        return fv_w_recurrent_steps(w, op, FV_OP_fv_LSTM, 6, in);
    return r.kind == FV_CELL_GRU ? fv_w_recurrent_steps(w, op, FV_OP_fv_GRU, 5, in)
                                 : fv_w_recurrent_steps(w, op, FV_OP_fv_RNN, 4, in);
}

/* ---- lengths ---- */

static bool infer_lengths(fv_op *op) {
    const fv_attr *most = fv_op_find_attr(op, "most");
    fv_infer_out(op, 0, FV_I64, 1, fv_in_type(op, 0)->dims);
    return most->n == 1 || fv_op_error(op, "attribute 'most' has %d dims, expected 1", most->n);
}

static bool define_lengths(fv_definer *d, fv_op *op) {
    fv_definition *y = fv_definition_new(d, 0);
    fv_arena *a = d->arena;
    fv_expr *i = fv_x_var(a, y->index[0]), *n = fv_x_convert(a, FV_I64, fv_d_load(d, 0, &i)),
            *least = fv_x_int(a, fv_op_int(op, "least"));
    fv_expr *ok =
        fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, least, n),
                 fv_x_bin(a, FV_X_LE, n, fv_x_dim(a, fv_op_find_attr(op, "most")->u.dims[0])));
    y->body = fv_x_select(a, fv_x_un(a, FV_X_REQUIRE, ok), n, least);
    return true;
}

/* ---- entries ---- */

#define TYPES                                                                                      \
    {                                                                                              \
        {"T", FV_SET_FLOAT}, {                                                                     \
            "T1", FV_SET(I32)                                                                      \
        }                                                                                          \
    }
#define STEP_TYPES                                                                                 \
    {                                                                                              \
        {"T", FV_SET_FLOAT}, {                                                                     \
            "T1", FV_SET(I64)                                                                      \
        }                                                                                          \
    }
#define COMMON                                                                                     \
    FV_A_OPTIONAL("activations", STRINGS), FV_A_OPTIONAL("activation_alpha", FLOATS),              \
        FV_A_OPTIONAL("activation_beta", FLOATS), FV_A_OPTIONAL("clip", FLOAT),                    \
        FV_A_STRING("direction", "forward"), FV_A_OPTIONAL("hidden_size", INT),                    \
        FV_A_INT("layout", 0)
#define STANDARD(last)                                                                             \
    COMMON, {                                                                                      \
        .name = "output_sequence", .kind = FV_ATTR_INT, .until = (last)                            \
    }
#define LENGTHS                                                                                    \
    {"sequence_lens", "T1", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}, {                            \
        "initial_h", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)                                  \
    }
#define CELL                                                                                       \
    {"initial_c", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(3)}, {                                 \
        "P", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)                                          \
    }
#define INPUTS                                                                                     \
    {"X", "T", .rank = FV_RANK(3)}, {"W", "T", .rank = FV_RANK(3)},                                \
        {"R", "T", .rank = FV_RANK(3)}, {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)},       \
        LENGTHS
#define STEP_INPUTS {"X", "T", .rank = FV_RANK(3)}, {"R", "T", .rank = FV_RANK(3)}, LENGTHS
#define OUTPUTS                                                                                    \
    {"Y", "T", FV_OPTIONAL_OPERAND}, {                                                             \
        "Y_h", "T", FV_OPTIONAL_OPERAND                                                            \
    }

const fv_opdef fv_ops_recurrent[] = {
    {.domain = "",
     .name = "RNN",
     .id = FV_OP_RNN,
     .since = {1, 7, 14, 22},
     .doc = "a recurrent layer of one gate, over a sequence",
     .in = {INPUTS},
     .out = {OUTPUTS},
     .attrs = {STANDARD(1)},
     .types = TYPES,
     .infer = infer_recurrent,
     .decompose = decompose_recurrent},
    {.domain = "",
     .name = "GRU",
     .id = FV_OP_GRU,
     .since = {1, 3, 7, 14, 22},
     .doc = "a recurrent layer with update and reset gates, over a sequence",
     .in = {INPUTS},
     .out = {OUTPUTS},
     .attrs = {STANDARD(3), FV_A_INT("linear_before_reset", 0)},
     .types = TYPES,
     .infer = infer_recurrent,
     .decompose = decompose_recurrent},
    {.domain = "",
     .name = "LSTM",
     .id = FV_OP_LSTM,
     .since = {1, 7, 14, 22},
     .doc = "a recurrent layer with input, output and forget gates and a cell, over a sequence",
     .departs = "clip limits the sums of gates, but not the cell before its activation.",
     .in = {INPUTS, CELL},
     .out = {OUTPUTS, {"Y_c", "T", FV_OPTIONAL_OPERAND}},
     .attrs = {STANDARD(1), FV_A_INT("input_forget", 0)},
     .types = TYPES,
     .infer = infer_recurrent,
     .decompose = decompose_recurrent},
    {.domain = "fv",
     .name = "RNN",
     .id = FV_OP_fv_RNN,
     .since = {1},
     .doc = "the steps of RNN; X[t, b, (direction, gate, unit)] is the inputs' part of the gates",
     .in = {STEP_INPUTS},
     .out = {OUTPUTS},
     .attrs = {COMMON},
     .types = STEP_TYPES,
     .infer = infer_steps,
     .recur = fv_recurrent_steps},
    {.domain = "fv",
     .name = "GRU",
     .id = FV_OP_fv_GRU,
     .since = {1},
     .doc = "the steps of GRU; X[t, b, (direction, gate, unit)] is the inputs' part of the gates",
     .in = {STEP_INPUTS, {"Rbh", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)}},
     .out = {OUTPUTS},
     .attrs = {COMMON, FV_A_INT("linear_before_reset", 0)},
     .types = STEP_TYPES,
     .infer = infer_steps,
     .recur = fv_recurrent_steps},
    {.domain = "fv",
     .name = "LSTM",
     .id = FV_OP_fv_LSTM,
     .since = {1},
     .doc = "the steps of LSTM; X[t, b, (direction, gate, unit)] is the inputs' part of the gates",
     .in = {STEP_INPUTS, CELL},
     .out = {OUTPUTS, {"Y_c", "T", FV_OPTIONAL_OPERAND}},
     .attrs = {COMMON, FV_A_INT("input_forget", 0)},
     .types = STEP_TYPES,
     .infer = infer_steps,
     .recur = fv_recurrent_steps},
    {.domain = "fv",
     .name = "Lengths",
     .id = FV_OP_fv_Lengths,
     .since = {1},
     .doc = "the number of steps of each row, from `least` to `most`; another number is an index "
            "out of range",
     .in = {{"X", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_REQUIRED("most", DIMS), FV_A_INT("least", 0)},
     .types = {{"T", FV_SET(I32) | FV_SET(I64)}, {"T1", FV_SET(I64)}},
     .infer = infer_lengths,
     .define = define_lengths},

    {0}};
