/* named_activation.c - see named_activation.h. */
#include "ops/elementwise/named_activation.h"

#include <string.h>

#include "ir/graph/infer.h"

typedef struct named_activation {
    const char *name;
    fv_op_id op;
    const char *params[2]; /* names of the attributes with its parameters */
} named_activation;

static const named_activation *find_activation(fv_string s) {
    static const named_activation known[] = {{"Relu", FV_OP_Relu, {0}},
                                             {"Tanh", FV_OP_Tanh, {0}},
                                             {"Sigmoid", FV_OP_Sigmoid, {0}},
                                             {"Softsign", FV_OP_Softsign, {0}},
                                             {"Softplus", FV_OP_Softplus, {0}},
                                             {"Silu", FV_OP_Swish, {0}},
                                             {"Softmax", FV_OP_Softmax, {"axis"}},
                                             {"LogSoftmax", FV_OP_LogSoftmax, {"axis"}},
                                             {"Selu", FV_OP_Selu, {"alpha", "gamma"}},
                                             {"LeakyRelu", FV_OP_LeakyRelu, {"alpha"}},
                                             {"Elu", FV_OP_Elu, {"alpha"}},
                                             {"ThresholdedRelu", FV_OP_ThresholdedRelu, {"alpha"}},
                                             {"HardSigmoid", FV_OP_HardSigmoid, {"alpha", "beta"}}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == s.n && !memcmp(known[i].name, s.s, s.n))
            return &known[i];
    return NULL;
}

static bool is_clip(fv_string s) {
    return s.n == 4 && !memcmp(s.s, "Clip", 4);
}

fv_string fv_activation_of(const fv_op *op) {
    const fv_attr *a = fv_op_find_attr(op, "activation");
    return a ? a->u.s : (fv_string){"", 0};
}

bool fv_infer_activation(fv_op *op, int nparams) {
    fv_string s = fv_activation_of(op);
    return !s.n || find_activation(s) || (is_clip(s) && nparams == 2) ||
           fv_op_error(op, "activation '%.*s' is not known", (int)(s.n > 40 ? 40 : s.n), s.s);
}

bool fv_w_activation(fv_rewriter *w, fv_string name, int nparams, const float *params,
                     fv_value **x) {
    const named_activation *f = find_activation(name);
    fv_attr a[2];
    int n = 0;
    if (!name.n || !*x)
        return true;
    if (is_clip(name) && nparams == 2) {
        fv_elem e = (*x)->type->elem;
        *x = FV_W3(w, FV_OP_Clip, *x, fv_w_float(w, e, (double)params[0]),
                   fv_w_float(w, e, (double)params[1]));
        return true;
    }
    for (; n < 2 && n < nparams && f->params[n]; n++)
        a[n] = strcmp(f->params[n], "axis")
                   ? fv_attr_float(w->module, f->params[n], params[n])
                   : fv_attr_int(w->module, f->params[n], (int64_t)params[n]);
    *x = fv_w_op(w, f->op, 1, x, n, a);
    return true;
}

bool fv_w_activation_of(fv_rewriter *w, const fv_op *op, fv_value **x) {
    fv_string name = fv_activation_of(op);
    const named_activation *f = find_activation(name);
    fv_attr a[2];
    int n = 0;
    if (!f) {
        float clip[2] = {fv_op_float_or(op, "activation_alpha", 0),
                         fv_op_float_or(op, "activation_beta", 0)};
        return fv_w_activation(w, name, 2, clip, x);
    }
    for (int i = 0; i < 2 && f->params[i]; i++) {
        const fv_attr *given =
            fv_op_find_attr(op, fv_printf(w->module->arena, "activation_%s", f->params[i]));
        if (given && given->kind == FV_ATTR_INT)
            a[n++] = fv_attr_int(w->module, f->params[i], given->u.i);
        else if (given)
            a[n++] = fv_attr_float(w->module, f->params[i], given->u.f);
    }
    *x = *x ? fv_w_op(w, f->op, 1, x, n, a) : NULL;
    return true;
}

bool fv_infer_activation_of(fv_op *op) {
    bool both = fv_op_find_attr(op, "activation_alpha") && fv_op_find_attr(op, "activation_beta");
    return fv_infer_activation(op, both ? 2 : 0);
}
