/* quantized_lstm.c - DynamicQuantizeLSTM of ONNX Runtime's domain com.microsoft: an LSTM whose
 * weights are integers of 8 bits. Its inputs are quantized all at once; in each step, the outputs
 * of the previous step are quantized by their range over all rows. So steps of different rows are
 * not independent, as a recurrence requires, and the step becomes the body of a Scan:
 *
 *     gates[t] = x[t] * W + (both biases)                     before, for all steps
 *     %h', %c' = lstm(gates[t] + quantized(%h) * R, %c) */
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/rule/body.h"
#include "ops/common/dims.h"
#include "ops/recurrent/recurrent.h"

enum { X, W, R, BIAS, LENGTHS, H, C, P, W_SCALE, W_ZERO, R_SCALE, R_ZERO };
enum { GATE_I, GATE_O, GATE_F, GATE_C, GATES };
enum { MAX_SCANNED = 3 };

/* ---- types ---- */

/* Checks a scale or zero point: one for each direction, or one for each column of its weight. */
static bool check_scale(fv_op *op, int in, const fv_dim *directions, const fv_dim *columns) {
    const fv_dim *dims[2] = {directions, columns};
    return fv_has_dims(op, in, fv_in_type(op, in)->rank, dims) &&
           fv_has_dims(op, in + 1, fv_in_type(op, in + 1)->rank, dims);
}

static bool read_sizes(fv_op *op, fv_recurrent *r, fv_recurrent_sizes *s) {
    if (!fv_recurrent_read_sizes(op, R, r, s))
        return false;
    if (!fv_op_find_attr(op, "hidden_size"))
        s->hidden = fv_in_type(op, R)->dims[1];
    return true;
}

static bool infer_quantized(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    fv_recurrent r;
    fv_recurrent_sizes s;
    if (!read_sizes(op, &r, &s))
        return false;
    const fv_dim *columns = fv_dim_mul(t, fv_dim_const(t, GATES), s.hidden);
    const fv_dim *w[3] = {s.directions, fv_in_type(op, X)->dims[2], columns},
                 *rec[3] = {s.directions, s.hidden, columns},
                 *bias[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 2), columns)},
                 *state[3] = {s.directions, s.batch, s.hidden},
                 *peep[2] = {s.directions, fv_dim_mul(t, fv_dim_const(t, 3), s.hidden)};
    if (!fv_has_dims(op, W, 3, w) || !fv_has_dims(op, R, 3, rec) ||
        !fv_has_dims(op, BIAS, 2, bias) || !fv_has_dims(op, LENGTHS, 1, &s.batch) ||
        !fv_has_dims(op, H, 3, state) || !fv_has_dims(op, C, 3, state) ||
        !fv_has_dims(op, P, 2, peep) || !check_scale(op, W_SCALE, s.directions, columns) ||
        !check_scale(op, R_SCALE, s.directions, columns))
        return false;
    fv_recurrent_infer_results(op, &r, &s);
    return true;
}

/* ---- a step ---- */

typedef struct layer {
    fv_rewriter *w; /* where ops are added: before the op, or in the body */
    fv_op *op;
    const fv_recurrent *r;
    const fv_recurrent_sizes *s;
    int direction;
    fv_value *lengths; /* NULL: all rows have the full number of steps */
} layer;

/* Operand `in` for this direction; NULL: it is left out. */
static fv_value *own(const layer *l, int in) {
    return FV_CALL(l->w, "of_direction", {fv_op_in(l->op, in)}, FV_INT(l->direction));
}

static fv_value *with_alpha(fv_rewriter *w, fv_op_id op, const fv_act *f, int n, fv_value *x) {
    fv_attr a[2] = {fv_attr_float(w->module, "alpha", (float)f->alpha),
                    fv_attr_float(w->module, "beta", (float)f->beta)};
    return fv_w_op(w, op, 1, &x, n, a);
}

static fv_value *activation(fv_rewriter *w, const fv_act *f, fv_value *x) {
    switch (f->kind) {
    case FV_ACT_RELU: return FV_W1(w, FV_OP_Relu, x);
    case FV_ACT_TANH: return FV_W1(w, FV_OP_Tanh, x);
    case FV_ACT_SIGMOID: return FV_W1(w, FV_OP_Sigmoid, x);
    case FV_ACT_AFFINE: return FV_CALL(w, "affine", {x}, FV_FLOAT(f->alpha), FV_FLOAT(f->beta));
    case FV_ACT_LEAKY_RELU: return with_alpha(w, FV_OP_LeakyRelu, f, 1, x);
    case FV_ACT_THRESHOLDED_RELU: return with_alpha(w, FV_OP_ThresholdedRelu, f, 1, x);
    case FV_ACT_SCALED_TANH:
        return FV_CALL(w, "scaled_tanh", {x}, FV_FLOAT(f->alpha), FV_FLOAT(f->beta));
    case FV_ACT_HARD_SIGMOID: return with_alpha(w, FV_OP_HardSigmoid, f, 2, x);
    case FV_ACT_ELU: return with_alpha(w, FV_OP_Elu, f, 1, x);
    case FV_ACT_SOFTSIGN: return FV_W1(w, FV_OP_Softsign, x);
    case FV_ACT_SOFTPLUS: return FV_W1(w, FV_OP_Softplus, x);
    }
    return x;
}

/* Activation i of x, which is clipped first if the attribute clip is set. */
static fv_value *activated(const layer *l, int i, fv_value *x) {
    if (l->r->clip > 0)
        x = FV_CALL(l->w, "clipped", {x}, FV_FLOAT(l->r->clip));
    return activation(l->w, &l->r->act[l->direction][i], x);
}

/* A gate, from the sums of all gates; peephole: its index among the peepholes, -1: it has none. */
static fv_value *gate(const layer *l, fv_value *all, int which, fv_value *peepholes, int peephole,
                      fv_value *cell) {
    return FV_CALL(l->w, "gate_of", {all}, FV_INT(which), FV_DIM(l->s->hidden),
                   {peephole < 0 ? NULL : peepholes}, FV_INT(peephole < 0 ? 0 : peephole), {cell});
}

/* The cell state and the output of a step, from the sums of all gates. */
static void step(const layer *l, fv_value *all, fv_value *peepholes, fv_value *cell,
                 fv_value **cell_out, fv_value **h_out) {
    fv_rewriter *w = l->w;
    fv_value *i = activated(l, 0, gate(l, all, GATE_I, peepholes, 0, cell));
    fv_value *f = l->r->input_forget ? FV_W2(w, FV_OP_Sub, fv_w_float(w, FV_F32, 1), i)
                                     : activated(l, 0, gate(l, all, GATE_F, peepholes, 2, cell));
    fv_value *g = activated(l, 1, gate(l, all, GATE_C, peepholes, -1, cell));
    *cell_out = FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, f, cell), FV_W2(w, FV_OP_Mul, i, g));
    fv_value *o = activated(l, 0, gate(l, all, GATE_O, peepholes, 1, *cell_out));
    *h_out = FV_W2(w, FV_OP_Mul, o, activation(w, &l->r->act[l->direction][2], *cell_out));
}

/* ---- the Scan ---- */

typedef struct scan {
    fv_op *op;
    fv_region *body;
    fv_rewriter w;
    /* values in the body; active, recent: NULL if there are no lengths */
    fv_value *h, *c, *gates, *active, *recent;
} scan;

static fv_value *slice_param(fv_region *body, const char *name, const fv_value *of) {
    return fv_param_new(body, name, fv_without_axis(fv_region_module(body)->arena, of->type, 0));
}

/* Begins a Scan with the states h and c, over the first `n` of the scanned operands. */
static scan begin(const layer *l, fv_value *const *state, int n, fv_value *const *scanned) {
    static const char *const names[] = {"gates", "active", "recent"};
    fv_op *op = l->op;
    fv_value *in[2 + MAX_SCANNED] = {state[0], state[1]}, *slice[MAX_SCANNED] = {NULL};
    const char *outs[3] = {op->out[0] ? op->out[0]->name : "y", "h", "c"};
    const char *results[3] = {outs[1], outs[2], outs[0]};
    for (int i = 0; i < n; i++)
        in[2 + i] = scanned[i];
    scan s = {
        .op = fv_op_new(op->block, op, fv_op_def(FV_OP_Scan), 2 + n, in, 3, results, op->origin)};
    s.body = fv_region_new(op->block->func, s.op);
    fv_op_attr(s.op, &(fv_attr){.name = fv_intern(l->w->module->session, "body"),
                                .kind = FV_ATTR_REGION,
                                .u.region = s.body});
    fv_op_set_int(s.op, "num_scan_inputs", n);
    s.h = fv_param_new(s.body, "h", state[0]->type);
    s.c = fv_param_new(s.body, "c", state[1]->type);
    for (int i = 0; i < n; i++)
        slice[i] = slice_param(s.body, names[i], scanned[i]);
    s.gates = slice[0];
    s.active = slice[1];
    s.recent = slice[2];
    s.w = fv_rewriter_at(fv_op_new(s.body, NULL, &fv_return_def, 0, NULL, 0, NULL, op->origin));
    return s;
}

/* Builds the body: one step of all rows. A row that has ended keeps its state. */
static bool fill(const layer *outer, scan *s, fv_value *const *constant) {
    layer l = *outer;
    fv_value *cell, *h;
    l.w = &s->w;
    fv_value *before = FV_CALL(l.w, "in_its_steps", {s->h}, {s->recent});
    fv_value *product =
        FV_CALL(l.w, "quantized_product", {before}, {constant[0]}, {constant[1]}, {constant[2]});
    step(&l, FV_W2(l.w, FV_OP_Add, s->gates, product), constant[3], s->c, &cell, &h);
    fv_value *next[3] = {FV_CALL(l.w, "kept_after", {h}, {s->active}, {s->h}),
                         FV_CALL(l.w, "kept_after", {cell}, {s->active}, {s->c}),
                         FV_CALL(l.w, "in_its_steps", {h}, {s->active})};
    if (s->w.failed || !next[0] || !next[1] || !next[2])
        return false;
    fv_region_return(s->body, 3, next);
    return fv_op_infer(s->op);
}

/* The outputs, the last output and the last cell state of a direction. */
static bool direction(const layer *l, fv_value **y) {
    fv_rewriter *w = l->w;
    bool back = l->direction || l->r->reverse;
    fv_value *x = l->op->in[X];
    if (back)
        x = FV_CALL(w, "reversed_in_time", {x}, {l->lengths});
    fv_value *scanned[MAX_SCANNED] = {FV_CALL(w, "inputs_of_gates", {x}, {own(l, W)},
                                              {own(l, W_SCALE)}, {own(l, W_ZERO)}, {own(l, BIAS)},
                                              {l->lengths})};
    for (int i = 1; l->lengths && i < MAX_SCANNED; i++)
        scanned[i] = FV_CALL(w, "steps_of_rows", {l->lengths}, FV_DIM(l->s->seq), FV_INT(i - 1));
    fv_value *state[2], *constant[4] = {own(l, R), own(l, R_SCALE), own(l, R_ZERO), own(l, P)};
    for (int i = 0; i < 2; i++)
        state[i] =
            FV_CALL(w, "state_of", {own(l, H + i)}, FV_DIM(l->s->batch), FV_DIM(l->s->hidden));
    if (w->failed || !scanned[0] || !state[0] || !state[1])
        return false;
    scan s = begin(l, state, l->lengths ? MAX_SCANNED : 1, scanned);
    if (!fill(l, &s, constant))
        return false;
    y[FV_REC_Y] =
        back ? FV_CALL(w, "reversed_in_time", {s.op->out[2]}, {l->lengths}) : s.op->out[2];
    y[FV_REC_Y_H] = s.op->out[0];
    y[FV_REC_Y_C] = s.op->out[1];
    for (int i = 0; i < 3; i++)
        y[i] = FV_CALL(w, "with_axis", {y[i]}, FV_INT(i == FV_REC_Y));
    return true;
}

static bool decompose_quantized(fv_rewriter *w, fv_op *op) {
    fv_recurrent r;
    fv_recurrent_sizes s;
    fv_value *y[2][3] = {{NULL}};
    if (!read_sizes(op, &r, &s))
        return false;
    fv_value *lengths = fv_w_lengths(w, op, LENGTHS, 0, s.seq);
    for (int i = 0; i < r.directions; i++)
        if (!direction(&(layer){w, op, &r, &s, i, lengths}, y[i]))
            return false;
    for (int i = 0; i < 3 && i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i,
                        FV_CALL(w, "of_directions", {y[0][i]}, {y[1][i]}, FV_INT(i == FV_REC_Y)));
    return true;
}

#define OPTIONAL FV_OPTIONAL_OPERAND
#define INT8     (FV_SET(I8) | FV_SET(U8))

const fv_opdef fv_ops_quantized_lstm[] = {
    {.domain = "com.microsoft",
     .name = "DynamicQuantizeLSTM",
     .id = FV_OP_com_microsoft_DynamicQuantizeLSTM,
     .since = {1},
     .doc = "LSTM with weights of 8 bits; inputs, and outputs of the step before, are quantized by "
            "their range",
     .in = {{"X", "T", .rank = FV_RANK(3)},
            {"W", "T2", .rank = FV_RANK(3)},
            {"R", "T2", .rank = FV_RANK(3)},
            {"B", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"sequence_lens", "T1", OPTIONAL, .rank = FV_RANK(1)},
            {"initial_h", "T", OPTIONAL, .rank = FV_RANK(3)},
            {"initial_c", "T", OPTIONAL, .rank = FV_RANK(3)},
            {"P", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"W_scale", "T", .rank = FV_RANKS(1, 2)},
            {"W_zero_point", "T2", .rank = FV_RANKS(1, 2)},
            {"R_scale", "T", .rank = FV_RANKS(1, 2)},
            {"R_zero_point", "T2", .rank = FV_RANKS(1, 2)}},
     .out = {{"Y", "T", OPTIONAL}, {"Y_h", "T", OPTIONAL}, {"Y_c", "T", OPTIONAL}},
     .attrs = {FV_A_OPTIONAL("activations", STRINGS), FV_A_OPTIONAL("activation_alpha", FLOATS),
               FV_A_OPTIONAL("activation_beta", FLOATS), FV_A_OPTIONAL("clip", FLOAT),
               FV_A_STRING("direction", "forward"), FV_A_OPTIONAL("hidden_size", INT),
               FV_A_INT("input_forget", 0)},
     .types = {{"T", FV_SET(F32)}, {"T1", FV_SET(I32)}, {"T2", INT8}},
     .infer = infer_quantized,
     .decompose = decompose_quantized},

    {0}};
