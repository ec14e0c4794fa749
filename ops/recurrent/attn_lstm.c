/* attn_lstm.c - AttnLSTM of ONNX Runtime: an LSTM layer that attends to a memory in each step, by
 * Bahdanau's mechanism.
 *
 * The inputs' part of all gates and steps is one matrix product, and so are the keys, the memory
 * times the weights of its layer. The rest is fv.AttnLSTM, a recurrence over the steps
 * (recurrent_steps.c). */
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/dims.h"
#include "ops/recurrent/recurrent.h"

static const fv_dim *times(fv_dims *t, int64_t n, const fv_dim *d) {
    return fv_dim_mul(t, fv_dim_const(t, n), d);
}

/* Checks the operands that both ops have, from index `first` on: query layer, vector and memory,
 * with `depth` columns each. */
static bool fits_memory(fv_op *op, const fv_recurrent_sizes *s, int first, const fv_dim *depth) {
    static const int vector = FV_REC_V - FV_REC_QW, memory = FV_REC_M - FV_REC_QW,
                     lengths = FV_REC_MEMORY_LENS - FV_REC_QW;
    fv_module *m = fv_op_module(op);
    const fv_type *values = fv_in_type(op, first + memory);
    const fv_dim *query[3] = {s->directions, s->hidden, depth};
    if (!fv_has_dims(op, first, 3, query) ||
        !fv_has_dims(op, first + vector, 2, (const fv_dim *[]){s->directions, depth}) ||
        !fv_has_dim(op, first + memory, 0, s->batch) ||
        !fv_has_dim(op, first + lengths, 0, s->batch))
        return false;
    return fv_module_assume(m, values->dims[1],
                            fv_dim_max(m->dims, values->dims[1], fv_dim_const(m->dims, 1)),
                            "a memory is not empty") ||
           fv_op_error(op, "the memory has no steps");
}

/* Sets *size, the number of elements of the attention: that of the attention layer's output, or
 * that of the memory if there is no such layer. */
static bool fits_layer(fv_op *op, const fv_recurrent_sizes *s, int layer, const fv_dim *memory,
                       const fv_dim **size) {
    const fv_type *t = fv_in_type(op, layer);
    *size = t ? t->dims[2] : memory;
    return fv_has_dim(op, layer, 0, s->directions) &&
           fv_has_dim(op, layer, 1, fv_dim_add(fv_op_module(op)->dims, memory, s->hidden));
}

static bool infer_attn_lstm(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    static const char *const needed[] = {"QW", "MW", "V", "M"};
    fv_recurrent r;
    fv_recurrent_sizes s;
    for (int i = 0; i < 4; i++)
        if (!fv_op_in(op, FV_REC_QW + i))
            return fv_op_error(op, "has no input '%s'", needed[i]);
    if (!fv_recurrent_read_sizes(op, FV_REC_R, &r, &s))
        return false;
    const fv_type *x = fv_in_type(op, FV_REC_X), *keys = fv_in_type(op, FV_REC_MW),
                  *memory = fv_in_type(op, FV_REC_M);
    const fv_dim *size, *gates = times(t, r.gates, s.hidden), *state[3];
    fv_recurrent_state_dims(&r, &s, state);
    if (!fv_has_dim(op, FV_REC_MW, 0, s.directions) ||
        !fv_has_dim(op, FV_REC_MW, 1, memory->dims[2]) ||
        !fits_memory(op, &s, FV_REC_QW, keys->dims[2]) ||
        !fits_layer(op, &s, FV_REC_AW, memory->dims[2], &size))
        return false;
    const fv_dim *w[3] = {s.directions, gates, fv_dim_add(t, x->dims[2], size)},
                 *rec[3] = {s.directions, gates, s.hidden};
    if (!fv_has_dims(op, FV_REC_W, 3, w) || !fv_has_dims(op, FV_REC_R, 3, rec) ||
        !fv_has_dims(op, FV_REC_B, 2, (const fv_dim *[]){s.directions, times(t, 2, gates)}) ||
        !fv_has_dims(op, FV_REC_LENS, 1, &s.batch) || !fv_has_dims(op, FV_REC_H, 3, state) ||
        !fv_has_dims(op, FV_REC_C, 3, state) ||
        !fv_has_dims(op, FV_REC_P, 2, (const fv_dim *[]){s.directions, times(t, 3, s.hidden)}))
        return false;
    fv_recurrent_infer_results(op, &r, &s);
    return true;
}

static bool infer_steps(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    fv_recurrent r;
    fv_recurrent_sizes s;
    if (!fv_recurrent_read_sizes(op, FV_STEPS_R, &r, &s))
        return false;
    const fv_type *x = fv_in_type(op, FV_STEPS_X), *keys = fv_in_type(op, FV_STEPS_KEYS),
                  *memory = fv_in_type(op, FV_STEPS_M);
    const fv_dim *size, *gates = times(t, r.gates, s.hidden), *state[3];
    fv_recurrent_state_dims(&r, &s, state);
    if (!fits_memory(op, &s, FV_STEPS_QW, keys->dims[2]) ||
        !fits_layer(op, &s, FV_STEPS_AW, memory->dims[2], &size))
        return false;
    const fv_dim *all[3] = {x->dims[0], x->dims[1], fv_dim_mul(t, s.directions, gates)};
    const fv_dim *rec[3] = {s.directions, gates, fv_dim_add(t, s.hidden, size)};
    const fv_dim *seen[4] = {s.directions, s.batch, keys->dims[2], memory->dims[1]};
    if (!fv_has_dims(op, FV_STEPS_X, 3, all) || !fv_has_dims(op, FV_STEPS_R, 3, rec) ||
        !fv_has_dims(op, FV_STEPS_KEYS, 4, seen) || !fv_has_dims(op, FV_STEPS_LENS, 1, &s.batch) ||
        !fv_has_dims(op, FV_STEPS_H, 3, state) || !fv_has_dims(op, FV_STEPS_C, 3, state) ||
        !fv_has_dims(op, FV_STEPS_P, 2, (const fv_dim *[]){s.directions, times(t, 3, s.hidden)}))
        return false;
    fv_recurrent_infer_results(op, &r, &s);
    return true;
}

/* ---- expansion ---- */

/* n columns of the weights, beginning at `first`. */
static fv_value *columns(fv_rewriter *w, fv_value *x, const fv_dim *first, const fv_dim *n) {
    const fv_dim *zero = fv_dim_const(w->module->dims, 0), *one = fv_dim_const(w->module->dims, 1);
    const fv_dim *start[3] = {zero, zero, first}, *step[3] = {one, one, one};
    return fv_w_slice(w, x, start, step, (const fv_dim *[]){x->type->dims[0], x->type->dims[1], n});
}

/* The memory times the weights of its layer, [direction, row, depth, step of the memory]: steps are
 * contiguous, as they are in the scores. */
static fv_value *keys_of(fv_rewriter *w, const fv_op *op) {
    static const int perm[3] = {0, 2, 1};
    const fv_type *layer = fv_in_type(op, FV_REC_MW);
    const fv_dim *dims[4] = {layer->dims[0], fv_dim_const(w->module->dims, 1), layer->dims[2],
                             layer->dims[1]};
    fv_value *weights = fv_w_reshape(w, fv_w_transpose(w, op->in[FV_REC_MW], perm), 4, dims);
    return FV_W2(w, FV_OP_fv_MatMul, weights, fv_w_transpose(w, op->in[FV_REC_M], perm));
}

static bool decompose_attn_lstm(fv_rewriter *w, fv_op *op) {
    fv_recurrent r;
    fv_recurrent_sizes s;
    bool used = false;
    for (int i = 0; i < op->nout; i++)
        used |= op->out[i] && op->out[i]->nuses;
    if (!used)
        return true;
    if (!fv_recurrent_read_sizes(op, FV_REC_R, &r, &s))
        return false;
    fv_value *weights = op->in[FV_REC_W];
    fv_attr axis = fv_attr_int(w->module, "axis", 2);
    const fv_dim *inputs = fv_in_type(op, FV_REC_X)->dims[2],
                 *rest = fv_dim_sub(w->module->dims, weights->type->dims[2], inputs);
    fv_value *both[2] = {op->in[FV_REC_R], columns(w, weights, inputs, rest)};
    fv_value *first = columns(w, weights, fv_dim_const(w->module->dims, 0), inputs);
    fv_value *in[FV_STEPS_AW + 1] = {fv_w_recurrent_input(w, op, &r, s.hidden, first),
                                     fv_w_op(w, FV_OP_Concat, 2, both, 1, &axis)};
    in[FV_STEPS_LENS] = fv_w_lengths(w, op, FV_REC_LENS, 1, s.seq);
    in[FV_STEPS_H] = fv_op_in(op, FV_REC_H);
    in[FV_STEPS_C] = fv_op_in(op, FV_REC_C);
    in[FV_STEPS_P] = fv_op_in(op, FV_REC_P);
    in[FV_STEPS_QW] = op->in[FV_REC_QW];
    in[FV_STEPS_KEYS] = keys_of(w, op);
    in[FV_STEPS_V] = op->in[FV_REC_V];
    in[FV_STEPS_M] = op->in[FV_REC_M];
    in[FV_STEPS_MEMORY_LENS] =
        fv_w_lengths(w, op, FV_REC_MEMORY_LENS, 1, fv_in_type(op, FV_REC_M)->dims[1]);
    in[FV_STEPS_AW] = fv_op_in(op, FV_REC_AW);
    return fv_w_recurrent_steps(w, op, FV_OP_fv_AttnLSTM, FV_STEPS_AW + 1, in);
}

/* ---- entries ---- */

#define OPERAND(name, rank_)     {name, "T", .rank = FV_RANK(rank_)}
#define MAYBE(name, type, rank_) {name, type, FV_OPTIONAL_OPERAND, .rank = FV_RANK(rank_)}
#define OUTPUTS                                                                                    \
    {"Y", "T", FV_OPTIONAL_OPERAND}, {"Y_h", "T", FV_OPTIONAL_OPERAND}, {                          \
        "Y_c", "T", FV_OPTIONAL_OPERAND                                                            \
    }
#define ATTRIBUTES                                                                                 \
    FV_A_OPTIONAL("activations", STRINGS), FV_A_OPTIONAL("activation_alpha", FLOATS),              \
        FV_A_OPTIONAL("activation_beta", FLOATS), FV_A_OPTIONAL("clip", FLOAT),                    \
        FV_A_STRING("direction", "forward"), FV_A_OPTIONAL("hidden_size", INT),                    \
        FV_A_INT("input_forget", 0)

const fv_opdef fv_ops_attn_lstm[] = {
    {.domain = "com.microsoft",
     .name = "AttnLSTM",
     .id = FV_OP_com_microsoft_AttnLSTM,
     .since = {1},
     .doc = "an LSTM layer that attends to a memory in each step",
     .in = {OPERAND("X", 3), OPERAND("W", 3), OPERAND("R", 3), MAYBE("B", "T", 2),
            MAYBE("sequence_lens", "T1", 1), MAYBE("initial_h", "T", 3), MAYBE("initial_c", "T", 3),
            MAYBE("P", "T", 2), MAYBE("QW", "T", 3), MAYBE("MW", "T", 3), MAYBE("V", "T", 2),
            MAYBE("M", "T", 3), MAYBE("memory_seq_lens", "T1", 1), MAYBE("AW", "T", 3)},
     .out = {OUTPUTS},
     .attrs = {ATTRIBUTES},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}, {"T1", FV_SET(I32)}},
     .infer = infer_attn_lstm,
     .decompose = decompose_attn_lstm},
    {.domain = "fv",
     .name = "AttnLSTM",
     .id = FV_OP_fv_AttnLSTM,
     .since = {1},
     .doc = "the steps of AttnLSTM; X[t, b, (direction, gate, unit)] is the inputs' part of the "
            "gates, the columns of R correspond to units and to elements of the attention, "
            "keys[direction, b, column, step of the memory] is the memory times the weights of its "
            "layer",
     .in = {OPERAND("X", 3), OPERAND("R", 3), MAYBE("sequence_lens", "T1", 1),
            MAYBE("initial_h", "T", 3), MAYBE("initial_c", "T", 3), MAYBE("P", "T", 2),
            OPERAND("QW", 3), OPERAND("keys", 4), OPERAND("V", 2), OPERAND("M", 3),
            MAYBE("memory_seq_lens", "T1", 1), MAYBE("AW", "T", 3)},
     .out = {OUTPUTS},
     .attrs = {ATTRIBUTES},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}, {"T1", FV_SET(I64)}},
     .infer = infer_steps,
     .recur = fv_recurrent_steps},

    {0}};
