/* recurrent.h - the attributes of RNN, GRU, LSTM and AttnLSTM, as expansion and steps use them.
 *
 * Gates are numbered in the order in which the standard stores them in W, R and B: RNN i; GRU z r
 * h; LSTM i o f c. The inputs' part of all gates and all steps is one matrix product, x[t, b,
 * (direction, gate, unit)]; the rest is fv.RNN, fv.GRU or fv.LSTM, a recurrence over the steps. */
#ifndef FV_OPS_RECURRENT_RECURRENT_H
#define FV_OPS_RECURRENT_RECURRENT_H

#include "ir/definition/definition.h"
#include "ir/graph/rewriter.h"

typedef enum { FV_CELL_RNN, FV_CELL_GRU, FV_CELL_LSTM } fv_cell_kind;

typedef enum {
    FV_ACT_RELU,
    FV_ACT_TANH,
    FV_ACT_SIGMOID,
    FV_ACT_AFFINE,
    FV_ACT_LEAKY_RELU,
    FV_ACT_THRESHOLDED_RELU,
    FV_ACT_SCALED_TANH,
    FV_ACT_HARD_SIGMOID,
    FV_ACT_ELU,
    FV_ACT_SOFTSIGN,
    FV_ACT_SOFTPLUS
} fv_act_kind;
typedef struct fv_act {
    fv_act_kind kind;
    double alpha, beta;
} fv_act;

enum { FV_MAX_GATES = 4, FV_MAX_ACTS = 3 };

typedef struct fv_recurrent {
    fv_cell_kind kind;
    int gates;      /* 1, 3 or 4 */
    int directions; /* 1 or 2 */
    bool reverse;   /* whether the first direction runs backwards; the second one always does */
    bool batch_first;
    bool input_forget, linear_before_reset;
    double clip;                /* 0: none */
    int nacts;                  /* 1, 2 or 3: f, g, h */
    fv_act act[2][FV_MAX_ACTS]; /* for each direction */
} fv_recurrent;

/* Operands. fv.GRU has the recurrent bias of gate h as an operand if it is added before the
 * reset. */
enum { FV_REC_X, FV_REC_W, FV_REC_R, FV_REC_B, FV_REC_LENS, FV_REC_H, FV_REC_C, FV_REC_P };
enum {
    FV_STEPS_X,
    FV_STEPS_R,
    FV_STEPS_LENS,
    FV_STEPS_H,
    FV_STEPS_C,
    FV_STEPS_P,
    FV_STEPS_B = FV_STEPS_C
};
/* Further operands of AttnLSTM and fv.AttnLSTM: query layer, keys, attention vector and memory. */
enum { FV_REC_QW = FV_REC_P + 1, FV_REC_MW, FV_REC_V, FV_REC_M, FV_REC_MEMORY_LENS, FV_REC_AW };
enum {
    FV_STEPS_QW = FV_STEPS_P + 1,
    FV_STEPS_KEYS,
    FV_STEPS_V,
    FV_STEPS_M,
    FV_STEPS_MEMORY_LENS,
    FV_STEPS_AW
};
enum { FV_REC_Y, FV_REC_Y_H, FV_REC_Y_C };

typedef struct fv_recurrent_sizes {
    const fv_dim *seq, *batch, *directions, *hidden;
} fv_recurrent_sizes;

/* Reads the attributes of an op of either kind; false after a diagnostic. */
bool fv_recurrent_read(const fv_op *op, fv_recurrent *r) FV_MUST_USE;
/* The attribute hidden_size, or the size of R. */
const fv_dim *fv_recurrent_hidden(const fv_op *op, int in_r);
/* Reads the attributes, and the sizes given by X and R, operand `in_r`. */
bool fv_recurrent_read_sizes(fv_op *op, int in_r, fv_recurrent *r,
                             fv_recurrent_sizes *s) FV_MUST_USE;
/* The dims of a state of all directions and batch rows. */
void fv_recurrent_state_dims(const fv_recurrent *r, const fv_recurrent_sizes *s,
                             const fv_dim **dims);
void fv_recurrent_infer_results(fv_op *op, const fv_recurrent *r, const fv_recurrent_sizes *s);
/* x * weights^T + b for all gates, directions and steps at once, with weights [directions, gates *
 * hidden, inputs]. */
fv_value *fv_w_recurrent_input(fv_rewriter *w, const fv_op *op, const fv_recurrent *r,
                               const fv_dim *hidden, fv_value *weights);
/* The number of steps of each row, which is data; the run checks once that it is from `least` to
 * `most`. NULL if the operand is left out. */
fv_value *fv_w_lengths(fv_rewriter *w, const fv_op *op, int in, int least, const fv_dim *most);
/* Replaces op by the op of the steps, with these operands. */
bool fv_w_recurrent_steps(fv_rewriter *w, fv_op *op, fv_op_id steps, int nin,
                          fv_value *const *in) FV_MUST_USE;
struct fv_recurrence;
bool fv_recurrent_steps(fv_definer *d, struct fv_recurrence *r) FV_MUST_USE;

#endif
