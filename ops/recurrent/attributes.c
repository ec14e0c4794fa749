/* attributes.c - reads the attributes of RNN, GRU, LSTM and AttnLSTM, and of the operators of their
 * steps. */
#include <string.h>
#include <strings.h>

#include "ir/graph/infer.h"
#include "ops/recurrent/recurrent.h"

/* Activations, and which of alpha and beta they have. Defaults of these are those of the operators
 * with the same names. */
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

/* Takes the next element of a list of parameters, which functions consume in their order, if there
 * is one left. */
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
    /* the default of RNN has two names, whatever the direction is */
    if (names && names->n != n && !(r->kind == FV_CELL_RNN && names->n > n))
        return fv_op_error(op, "has %d activations, expected %d", names->n, n);
    for (int i = 0; i < n; i++) {
        const char *name = defaults[r->kind][i % r->nacts];
        fv_string s = names ? names->u.strings[i] : (fv_string){name, strlen(name)};
        const struct act_def *d = find_act(s.s, s.n);
        if (!d)
            return fv_op_error(op, "activation '%.*s' is not known", (int)(s.n > 40 ? 40 : s.n),
                               s.s);
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
    bool attends = fv_op_is(op, FV_OP_com_microsoft_AttnLSTM) || fv_op_is(op, FV_OP_fv_AttnLSTM);
    bool lstm = attends || fv_op_is(op, FV_OP_LSTM) || fv_op_is(op, FV_OP_fv_LSTM) ||
                fv_op_is(op, FV_OP_com_microsoft_DynamicQuantizeLSTM),
         gru = fv_op_is(op, FV_OP_GRU) || fv_op_is(op, FV_OP_fv_GRU);
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
    int64_t layout = fv_opdef_attr(op->def, "layout") ? fv_op_int(op, "layout") : 0;
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
    if (given)
        return fv_dim_const(fv_op_module(op)->dims, given->u.i);
    /* R of fv.AttnLSTM also has columns for the attention */
    return fv_op_is(op, FV_OP_fv_AttnLSTM) ? fv_in_type(op, FV_STEPS_QW)->dims[1]
                                           : fv_in_type(op, in_r)->dims[2];
}
