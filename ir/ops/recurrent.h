/* recurrent.h - what RNN, GRU and LSTM say with their attributes, as expansion and kernel read it.
 *
 * Gates are numbered as the standard lays out W, R and B: RNN i; GRU z r h; LSTM i o f c. The inputs'
 * part of all gates and all steps is one matrix product, x[t, b, (direction, gate, unit)]; what is left
 * are fv.RNN, fv.GRU and fv.LSTM, kernels that do the steps. */
#ifndef FV_IR_OPS_RECURRENT_H
#define FV_IR_OPS_RECURRENT_H

#include "ir/definition/custom.h"

typedef enum { FV_CELL_RNN, FV_CELL_GRU, FV_CELL_LSTM } fv_cell_kind;

typedef enum {
    FV_ACT_RELU, FV_ACT_TANH, FV_ACT_SIGMOID, FV_ACT_AFFINE, FV_ACT_LEAKY_RELU, FV_ACT_THRESHOLDED_RELU,
    FV_ACT_SCALED_TANH, FV_ACT_HARD_SIGMOID, FV_ACT_ELU, FV_ACT_SOFTSIGN, FV_ACT_SOFTPLUS
} fv_act_kind;
typedef struct fv_act {
    fv_act_kind kind;
    double alpha, beta;
} fv_act;

enum { FV_MAX_GATES = 4, FV_MAX_ACTS = 3 };

typedef struct fv_recurrent {
    fv_cell_kind kind;
    int gates;       /* 1, 3 or 4 */
    int directions;  /* 1 or 2 */
    bool reverse;    /* the first direction runs backwards; the second always does */
    bool batch_first;
    bool input_forget, linear_before_reset;
    double clip;     /* 0: none */
    int nacts;       /* 1, 2 or 3: f, g, h */
    fv_act act[2][FV_MAX_ACTS]; /* of each direction */
} fv_recurrent;

/* Operands. fv.GRU has the recurrent bias of gate h where it is added before the reset. */
enum { FV_REC_X, FV_REC_W, FV_REC_R, FV_REC_B, FV_REC_LENS, FV_REC_H, FV_REC_C, FV_REC_P };
enum { FV_STEPS_X, FV_STEPS_R, FV_STEPS_LENS, FV_STEPS_H, FV_STEPS_C, FV_STEPS_P, FV_STEPS_B = FV_STEPS_C };
enum { FV_REC_Y, FV_REC_Y_H, FV_REC_Y_C };

/* The attributes of an op of either kind; false after a diagnostic. */
bool fv_recurrent_read(const fv_op *op, fv_recurrent *r) FV_MUST_USE;
/* hidden_size, or what R says. */
const fv_dim *fv_recurrent_hidden(const fv_op *op, int in_r);
bool fv_recurrent_kernel(fv_custom *c, fv_op *op) FV_MUST_USE;

#endif
