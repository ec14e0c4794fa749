/* evaluate.c - evaluates expressions. Integers are represented as doubles, since positions and
 * masks are small numbers. */
#include "passes/attention/evaluate.h"

#include <math.h>

static bool symbol_of(void *ctx, const fv_dim *symbol, int64_t *out) {
    fv_sample *s = ctx;
    const int64_t *n = fv_ptrmap_get(&s->symbols, symbol);
    int64_t most = s->size > symbol->hi ? symbol->hi : s->size;
    *out = n ? *n : most < symbol->lo ? symbol->lo : most;
    return true;
}

/* In a relation such as total == past + seq, the symbol on one side gets the value of the other
 * side. */
fv_sample fv_sample_new(fv_arena *a, const fv_module *m, int64_t size) {
    fv_sample s = {.arena = a,
                   .size = size,
                   .symbols = fv_ptrmap_in(a),
                   .memo = fv_ptrmap_in(a),
                   .sums = fv_ptrmap_in(a),
                   .of_sum = 1};
    for (int i = 0; i < m->nrelations; i++) {
        const fv_dim *x = m->relations[i].a, *y = m->relations[i].b;
        const fv_dim *symbol = x->kind == FV_DIM_SYMBOL ? x : y->kind == FV_DIM_SYMBOL ? y : NULL;
        int64_t *n = FV_NEW(a, int64_t, 1);
        if (symbol && !fv_ptrmap_get(&s.symbols, symbol) &&
            fv_dim_eval(symbol == x ? y : x, symbol_of, &s, n) && *n > 0)
            *fv_ptrmap_at(&s.symbols, symbol) = n;
    }
    return s;
}

void fv_sample_fit(fv_sample *s, const fv_dim *d) {
    for (int i = 0; i < d->n; i++)
        fv_sample_fit(s, d->arg[i]);
    for (int i = 0; d->kind == FV_DIM_BROADCAST && i < 2; i++) {
        const fv_dim *symbol = d->arg[i];
        int64_t *n = FV_NEW(s->arena, int64_t, 1);
        if (symbol->kind == FV_DIM_SYMBOL && !fv_dim_mentions(d->arg[1 - i], symbol) &&
            !fv_ptrmap_get(&s->symbols, symbol) && fv_dim_eval(d->arg[1 - i], symbol_of, s, n) &&
            *n > 0) {
            *fv_ptrmap_at(&s->symbols, symbol) = n;
            return;
        }
    }
}

int64_t fv_sample_dim(fv_sample *s, const fv_dim *d) {
    int64_t n;
    return fv_dim_eval(d, symbol_of, s, &n) && n > 0 ? n : 1;
}

void fv_sample_forget(fv_sample *s) {
    s->memo = fv_ptrmap_in(s->arena);
}

void fv_sample_set(fv_sample *s, const fv_var *v, int64_t n) {
    int i = 0;
    while (i < s->nvars && s->vars[i] != v)
        i++;
    if (i == FV_SAMPLE_VARS)
        return;
    s->nvars += i == s->nvars;
    s->vars[i] = v;
    s->at[i] = n;
    fv_sample_forget(s);
}

static int64_t variable(const fv_sample *s, const fv_var *v) {
    for (int i = 0; i < s->nvars; i++)
        if (s->vars[i] == v)
            return s->at[i];
    return 0;
}

static int64_t whole(double x) {
    return x >= -9e18 && x <= 9e18 ? (int64_t)x : 0;
}

static double constant(fv_sample *s, const fv_expr *x, const fv_tensor *t) {
    int64_t at = 0;
    for (int i = 0; i < t->rank; i++) {
        int64_t n = whole(fv_sample_number(s, x->arg[i])), most = t->dims[i] - 1;
        at = at * t->dims[i] + (n < 0 ? 0 : n > most ? most : n);
    }
    if (!t->count)
        return 0;
    return fv_elem_is_float(t->elem) ? fv_tensor_float(t, (size_t)at)
                                     : (double)fv_tensor_int(t, (size_t)at);
}

static double load(fv_sample *s, const fv_expr *x) {
    const fv_value *v = x->u.buf->value;
    int rank = x->u.buf->rank;
    if (x->op == FV_X_GUARD && fv_sample_number(s, x->arg[rank]) == 0)
        return fv_sample_number(s, x->arg[rank + 1]);
    if (v && v == s->watch.value)
        s->watch.note(s->watch.user, x);
    if (v && v == s->score)
        return s->of_score;
    bool numbers = v && v->kind == FV_VALUE_CONST && v->tensor->elem != FV_STRING;
    if (numbers)
        return constant(s, x, v->tensor);
    double at = 0, n = s->of_data;
    for (int i = 0; s->data != FV_DATA_EVEN && i < rank; i++)
        at += fv_sample_number(s, x->arg[i]);
    if (v && fv_ptrmap_get(&s->sums, v))
        return s->data == FV_SUMS_ALTERNATE && fmod(at, 2) != 0 ? s->of_sum : 1;
    n = s->data == FV_DATA_RISES ? at : s->data == FV_DATA_ALTERNATES && fmod(at, 2) != 0 ? 0 : n;
    return v && v->type->elem == FV_BOOL ? n != 0 : n;
}

static double floor_div(double a, double b) {
    return b == 0 ? 0 : floor(a / b);
}

static double arithmetic(fv_sample *s, const fv_expr *x) {
    bool integer = !fv_elem_is_float((fv_elem)x->type.elem);
    double a = x->n > 0 ? fv_sample_number(s, x->arg[0]) : 0,
           b = x->n > 1 ? fv_sample_number(s, x->arg[1]) : 0;
    switch ((fv_expr_op)x->op) {
    case FV_X_ADD: return a + b;
    case FV_X_SUB: return a - b;
    case FV_X_MUL: return a * b;
    case FV_X_DIV: return !integer ? a / b : b == 0 ? 0 : trunc(a / b);
    case FV_X_REM: return b == 0 ? 0 : fmod(a, b);
    case FV_X_FLOORDIV: return floor_div(a, b);
    case FV_X_FLOORMOD: return b == 0 ? 0 : a - b * floor_div(a, b);
    case FV_X_MIN: return a != a || b != b ? (double)NAN : a < b ? a : b;
    case FV_X_MAX: return a != a || b != b ? (double)NAN : a > b ? a : b;
    case FV_X_NEG: return -a;
    case FV_X_ABS: return fabs(a);
    case FV_X_SQRT: return sqrt(a);
    case FV_X_FLOOR: return floor(a);
    case FV_X_CEIL: return ceil(a);
    case FV_X_TRUNC: return trunc(a);
    case FV_X_RINT: return rint(a);
    case FV_X_SCALEB: return a * exp2(floor(b));
    case FV_X_AND: return integer ? (double)(whole(a) & whole(b)) : 0;
    case FV_X_OR: return integer ? (double)(whole(a) | whole(b)) : 0;
    case FV_X_XOR: return integer ? (double)(whole(a) ^ whole(b)) : 0;
    case FV_X_NOT: return x->type.elem == FV_BOOL ? a == 0 : (double)~whole(a);
    case FV_X_LT: return a < b;
    case FV_X_LE: return a <= b;
    case FV_X_EQ: return a == b;
    case FV_X_NE: return a != b;
    case FV_X_REQUIRE: return a;
    case FV_X_CONVERT:
    case FV_X_CONVSAT:
        return x->type.elem == FV_BOOL                                      ? a != 0
               : integer && fv_elem_is_float((fv_elem)x->arg[0]->type.elem) ? trunc(a)
                                                                            : a;
    case FV_X_EXP: return exp(a);
    case FV_X_EXP_FLUSH: return exp(a < 0 ? a : a >= 0 ? 0 : a);
    case FV_X_EXP2: return exp2(a);
    case FV_X_EXPM1: return expm1(a);
    case FV_X_LOG: return log(a);
    case FV_X_LOG2: return log2(a);
    case FV_X_LOG1P: return log1p(a);
    case FV_X_SIN: return sin(a);
    case FV_X_COS: return cos(a);
    case FV_X_TAN: return tan(a);
    case FV_X_ASIN: return asin(a);
    case FV_X_ACOS: return acos(a);
    case FV_X_ATAN: return atan(a);
    case FV_X_SINH: return sinh(a);
    case FV_X_COSH: return cosh(a);
    case FV_X_TANH: return tanh(a);
    case FV_X_ASINH: return asinh(a);
    case FV_X_ACOSH: return acosh(a);
    case FV_X_ATANH: return atanh(a);
    case FV_X_ERF: return erf(a);
    case FV_X_GELU: return 0.5 * a * (1 + erf(a * M_SQRT1_2));
    case FV_X_GELU_TANH:
        return 0.5 * a * (1 + tanh(0.7978845608028654 * (a + 0.044715 * a * a * a)));
    case FV_X_SIGMOID: return 1 / (1 + exp(-a));
    case FV_X_POW: return pow(a, b);
    case FV_X_FREM: return fmod(a, b);
    case FV_X_FMA: return a * b + fv_sample_number(s, x->arg[2]);
    /* operations that are not expected around scores and masks: their value is s->of_data */
    case FV_X_SHL:
    case FV_X_SHR:
    case FV_X_MULHI:
    case FV_X_ADDSAT:
    case FV_X_MULSAT:
#include "ir/expr/cases_of_words.def"
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8:
    case FV_X_BITCAST:
    case FV_X_SPLAT:
    case FV_X_RAMP:
    case FV_X_EVEN:
    case FV_X_ODD:
    case FV_X_REDUCE:
    /* fv_sample_number evaluates these nodes itself */
    case FV_X_CONST:
    case FV_X_VAR:
    case FV_X_DIM:
    case FV_X_LOAD:
    case FV_X_GUARD:
    case FV_X_SELECT:
    case FV_X_END: break;
    }
    return s->of_data;
}

double fv_sample_number(fv_sample *s, const fv_expr *x) {
    if (x->op == FV_X_CONST)
        return fv_elem_is_float((fv_elem)x->type.elem) ? x->u.f : (double)x->u.i;
    if (x->op == FV_X_VAR)
        return (double)variable(s, x->u.var);
    if (x->op == FV_X_DIM) {
        int64_t n;
        return fv_dim_eval(x->u.dim, symbol_of, s, &n) ? (double)n : 0;
    }
    const double *known = fv_ptrmap_get(&s->memo, x);
    if (known)
        return *known;
    double *n = FV_NEW(s->arena, double, 1);
    *n = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? load(s, x)
         : x->op == FV_X_SELECT
             ? fv_sample_number(s, x->arg[fv_sample_number(s, x->arg[0]) != 0 ? 1 : 2])
             : arithmetic(s, x);
    *fv_ptrmap_at(&s->memo, x) = n;
    return *n;
}
