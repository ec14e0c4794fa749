/* causal_conv.c - CausalConvWithState: a depthwise convolution along a sequence that continues a
 * previous one.
 *
 *     all = past, then input                     the past is zeros if it is left out
 *     output[.., o] = act(bias + sum k: all[.., o + k * dilation] * weight[k])
 *     present = the end of all
 *
 * This is not a recurrence: no output depends on another one. The past and the input are joined by
 * a Concat, whose operands are written directly into its memory. The sum over it is a convolution
 * like any other, whose channels are innermost in memory where that is better, whatever the
 * operator's layout. Without a past the input is read in place, with zeros outside. fv.CausalConv
 * has no attribute for groups: there is one group per channel, and the number of channels may be a
 * symbol. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/dims.h"

enum { INPUT, WEIGHT, BIAS, PAST };
enum { OUTPUT, PRESENT };
enum { MAX_WINDOW = 8 }; /* limit for state_window, as in ONNX Runtime */

typedef struct causal {
    bool last, silu;          /* last: channels are the last axis; silu: the activation */
    int64_t dilation, window; /* window 0: one state, without an axis for the window */
    /* length: positions of the input; state: positions of a state */
    const fv_dim *batch, *channels, *length, *state;
} causal;

static bool is_microsoft(const fv_op *op) {
    return !strcmp(op->def->domain, "com.microsoft");
}

static bool is_string(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

/* An attribute that only ONNX Runtime's operator has; `otherwise` for the standard's. */
static int64_t own_int(const fv_op *op, const char *name, int64_t otherwise) {
    return is_microsoft(op) ? fv_op_int(op, name) : otherwise;
}

static bool read_attributes(fv_op *op, causal *c) {
    fv_string s = fv_op_string(op, "activation");
    int64_t ndim = own_int(op, "ndim", 1), last = own_int(op, "channels_last", 0);
    *c = (causal){.dilation = own_int(op, "dilation", 1),
                  .window = own_int(op, "state_window", 0),
                  .last = last == 1};
    c->silu = is_string(s, "silu") || is_string(s, "swish");
    if (!c->silu && !is_string(s, "none"))
        return fv_op_error(op, "activation '%.*s' is none of none, silu, swish",
                           (int)(s.n > 40 ? 40 : s.n), s.s);
    if (ndim != 1)
        return fv_op_error(op, "ndim is %lld, only 1 can be compiled", (long long)ndim);
    if (last != 0 && last != 1)
        return fv_op_error(op, "channels_last is %lld, expected 0 or 1", (long long)last);
    if (c->dilation < 1 || c->dilation > INT32_MAX)
        return fv_op_error(op, "dilation is %lld, expected at least 1", (long long)c->dilation);
    return (c->window >= 0 && c->window <= MAX_WINDOW) ||
           fv_op_error(op, "state_window is %lld, expected 0 to %d", (long long)c->window,
                       MAX_WINDOW);
}

/* The number of positions before the last one that a filter reads. */
static const fv_dim *reach(fv_dims *t, const fv_type *weight, int64_t dilation) {
    return fv_dim_mul(t, fv_dim_sub(t, weight->dims[2], fv_dim_const(t, 1)),
                      fv_dim_const(t, dilation));
}

static bool read_causal(fv_op *op, causal *c) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, INPUT), *w = fv_in_type(op, WEIGHT);
    if (!read_attributes(op, c))
        return false;
    if (x->rank < 3 || (!c->last && x->rank != 3))
        return fv_op_error(op, "input '%s' has rank %d, expected 3%s", op->def->in[INPUT].name,
                           x->rank, c->last ? " or more" : "");
    c->batch = x->dims[0];
    c->length = x->dims[c->last ? 1 : 2];
    c->channels = c->last ? fv_dim_product(t, x->rank - 2, x->dims + 2) : x->dims[1];
    c->state = reach(t, w, c->dilation);
    if (w->dims[2]->hi < 1)
        return fv_op_error(op, "the filter has no taps");
    return fv_has_dim(op, WEIGHT, 0, c->channels) &&
           fv_has_dim(op, WEIGHT, 1, fv_dim_const(t, 1)) && fv_has_dim(op, BIAS, 0, c->channels);
}

/* Sets the dims of the state: those of the input with another length, after the dim of the window
 * if there is one. Returns the rank. */
static int state_dims(const fv_op *op, const causal *c, const fv_dim **dims) {
    const fv_type *x = fv_in_type(op, INPUT);
    int n = 0;
    if (c->window)
        dims[n++] = fv_dim_const(fv_op_module(op)->dims, c->window);
    for (int i = 0; i < x->rank; i++)
        dims[n++] = i == (c->last ? 1 : 2) ? c->state : x->dims[i];
    return n;
}

static bool infer_causal(fv_op *op) {
    const fv_type *past = fv_in_type(op, PAST);
    const fv_dim *dims[FV_MAX_RANK + 1];
    causal c;
    if (!read_causal(op, &c))
        return false;
    int rank = state_dims(op, &c, dims);
    if (rank > FV_MAX_RANK)
        return fv_op_error(op, "its state has %d axes, at most %d can be compiled", rank,
                           FV_MAX_RANK);
    if (past && past->rank != rank)
        return fv_op_error(op, "input '%s' has rank %d, expected %d", op->def->in[PAST].name,
                           past->rank, rank);
    for (int i = 0; i < rank; i++)
        if (!fv_has_dim(op, PAST, i, dims[i]))
            return false;
    fv_infer_like(op, OUTPUT, INPUT);
    fv_infer_out(op, PRESENT, fv_in_type(op, INPUT)->elem, rank, dims);
    return true;
}

/* ---- expansion ---- */

typedef struct expansion {
    fv_rewriter *w;
    fv_dims *t;
    const fv_op *op;
    const causal *c;
} expansion;

/* Transposes x, which has n positions, to [batch, channels, positions]. */
static fv_value *channels_first(const expansion *e, fv_value *x, const fv_dim *n) {
    static const int perm[3] = {0, 2, 1};
    if (!e->c->last || !x)
        return x;
    return fv_w_transpose(
        e->w, fv_w_reshape(e->w, x, 3, (const fv_dim *[]){e->c->batch, n, e->c->channels}), perm);
}

/* The past: the last state of the window. NULL: there is none. */
static fv_value *last_past(const expansion *e) {
    fv_value *x = fv_op_in(e->op, PAST);
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    if (!x || !e->c->window)
        return x;
    for (int i = 0; i < x->type->rank; i++) {
        start[i] = fv_dim_const(e->t, i ? 0 : e->c->window - 1);
        step[i] = fv_dim_const(e->t, 1);
        dims[i] = i ? x->type->dims[i] : step[i];
    }
    return fv_w_reshape(e->w, fv_w_slice(e->w, x, start, step, dims), x->type->rank - 1, dims + 1);
}

/* The past followed by the input, [batch, channels, positions]. */
static fv_value *all_positions(const expansion *e, fv_value *past) {
    fv_attr axis = fv_attr_int(e->w->module, "axis", e->c->last ? 1 : 2);
    fv_value *x = e->op->in[INPUT];
    if (!past)
        return channels_first(e, x, e->c->length);
    x = fv_w_op(e->w, FV_OP_Concat, 2, (fv_value *[]){past, x}, 1, &axis);
    return channels_first(e, x, fv_dim_add(e->t, e->c->state, e->c->length));
}

/* Transposes y, [batch, channels, positions], to the layout of result `out`; with `states` it has
 * an axis of states in front. */
static fv_value *laid_out(const expansion *e, int out, fv_value *y, bool states) {
    static const int perm[4] = {0, 1, 3, 2};
    const fv_type *t = e->op->out[out]->type;
    if (!y)
        return NULL;
    return fv_w_reshape(
        e->w, e->c->last ? fv_w_transpose(e->w, y, states ? perm : (const int[]){0, 2, 1}) : y,
        t->rank, t->dims);
}

static bool has_result(const fv_op *op, int i) {
    return i < op->nout && op->out[i];
}

static bool decompose_causal(fv_rewriter *w, fv_op *op) {
    causal c;
    if (!read_causal(op, &c))
        return false;
    expansion e = {.w = w, .t = w->module->dims, .op = op, .c = &c};
    fv_value *past = last_past(&e), *all = all_positions(&e, past),
             *in[3] = {all, op->in[WEIGHT], fv_op_in(op, BIAS)};
    fv_attr a[3] = {fv_attr_int(w->module, "dilation", c.dilation),
                    fv_attr_int(w->module, "past", past != NULL),
                    fv_attr_int(w->module, "window", c.window)};
    fv_value *y = fv_w_op(w, FV_OP_fv_CausalConv, in[2] ? 3 : 2, in, 2, a);
    if (c.silu && y)
        y = FV_W2(w, FV_OP_Mul, y, FV_W1(w, FV_OP_Sigmoid, y));
    fv_w_result(w, OUTPUT, laid_out(&e, OUTPUT, y, false));
    if (has_result(op, PRESENT))
        fv_w_result(w, PRESENT,
                    laid_out(&e, PRESENT, fv_w_op(w, FV_OP_fv_CausalStates, 2, in, 3, a), true));
    return true;
}

/* ---- fv.CausalConv, fv.CausalStates ---- */

/* Reads the number of positions of the input, and of the past, which may precede them in X. */
static bool positions(fv_op *op, const fv_dim **state, const fv_dim **length) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, INPUT);
    int64_t dilation = fv_op_int(op, "dilation"), past = fv_op_int(op, "past");
    if (dilation < 1 || dilation > INT32_MAX || past < 0 || past > 1)
        return fv_op_error(op, "dilation is %lld, past is %lld", (long long)dilation,
                           (long long)past);
    *state = reach(t, fv_in_type(op, WEIGHT), dilation);
    *length = past ? fv_dim_sub(t, x->dims[2], *state) : x->dims[2];
    return (*length)->hi >= 0 || fv_op_error(op, "X has fewer positions than a state");
}

static bool infer_conv(fv_op *op) {
    const fv_dim *const *x = fv_in_type(op, INPUT)->dims, *state, *length;
    if (!positions(op, &state, &length) || !fv_has_dim(op, WEIGHT, 0, x[1]) ||
        !fv_has_dim(op, WEIGHT, 1, fv_dim_const(fv_op_module(op)->dims, 1)) ||
        !fv_has_dim(op, BIAS, 0, x[1]))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, INPUT)->elem, 3, (const fv_dim *[]){x[0], x[1], length});
    return true;
}

static bool infer_states(fv_op *op) {
    const fv_dim *const *x = fv_in_type(op, INPUT)->dims, *state, *length;
    int64_t window = fv_op_int(op, "window");
    if (!positions(op, &state, &length))
        return false;
    if (window < 0 || window > MAX_WINDOW)
        return fv_op_error(op, "window is %lld, expected 0 to %d", (long long)window, MAX_WINDOW);
    const fv_dim *dims[4] = {fv_dim_const(fv_op_module(op)->dims, window ? window : 1), x[0], x[1],
                             state};
    fv_infer_out(op, 0, fv_in_type(op, INPUT)->elem, 4, dims);
    return true;
}

/* ---- entries ---- */

#define NARROW                                                                                     \
    {                                                                                              \
        {                                                                                          \
            "T", FV_SET(F32) | FV_SET(F16) | FV_SET(BF16)                                          \
        }                                                                                          \
    }
#define SIGNATURE(x, state)                                                                        \
    .in = {{"input", "T", .rank = x},                                                              \
           {"weight", "T", .rank = FV_RANK(3)},                                                    \
           {"bias", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)},                                 \
           {"past_state", "T", FV_OPTIONAL_OPERAND, .rank = state}},                               \
    .out = {{"output", "T"}, {"present_state", "T"}}, .types = NARROW, .infer = infer_causal,      \
    .decompose = decompose_causal

const fv_opdef fv_ops_causal_conv[] = {
    {.domain = "",
     .name = "CausalConvWithState",
     .since = {27},
     .doc = "a depthwise convolution along a sequence, of which the last positions are kept for "
            "the next one",
     .attrs = {FV_A_STRING("activation", "none")},
     SIGNATURE(FV_RANK(3), FV_RANK(3))},
    {.domain = "com.microsoft",
     .name = "CausalConvWithState",
     .since = {1},
     .doc = "CausalConvWithState with a dilation, two layouts, and the states after each of the "
            "last positions",
     .attrs = {FV_A_STRING("activation", "none"), FV_A_INT("ndim", 1), FV_A_INT("dilation", 1),
               FV_A_INT("channels_last", 0), FV_A_INT("state_window", 0)},
     SIGNATURE(FV_RANK_FROM(3), FV_RANK_FROM(3))},
    {.domain = "fv",
     .name = "CausalConv",
     .id = FV_OP_fv_CausalConv,
     .since = {1},
     .doc = "for each channel and position, the sum over the positions that end there; with "
            "`past`, X begins with the positions before the first one, otherwise zeros precede it",
     .in = {{"X", "T", .rank = FV_RANK(3)},
            {"W", "T", .rank = FV_RANK(3)},
            {"B", "T", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("dilation", 1), FV_A_INT("past", 0)},
     .types = NARROW,
     .infer = infer_conv,
     .formula = "p = select(past == 1, 0, (dim(W, 2) - 1) * dilation); "
                "s = sum k < dim(W, 2): (X[n, c, o + k * dilation - p] else 0) * W[c, 0, k]; "
                "Y[n, c, o] = select(has(B), s + B[c], s)"},
    {.domain = "fv",
     .name = "CausalStates",
     .id = FV_OP_fv_CausalStates,
     .since = {1},
     .doc = "the positions that fv.CausalConv would read before the one after the last; or before "
            "those after each of the last `window` positions, with zeros for missing ones",
     .in = {{"X", "T", .rank = FV_RANK(3)}, {"W", "T", .rank = FV_RANK(3)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("dilation", 1), FV_A_INT("past", 0), FV_A_INT("window", 0)},
     .types = NARROW,
     .infer = infer_states,
     .formula = "r = (dim(W, 2) - 1) * dilation; l = dim(X, 2) - select(past == 1, r, 0); p = "
                "select(past == 1, 0, r); "
                "w = max(window, 1); Y[j, n, c, i] = select(window * (l - w + j) < 0, 0, (X[n, c, "
                "l - w + 1 + j + i - p] else 0))"},

    {0}};
