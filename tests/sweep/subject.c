/* subject.c - the table of functions that are swept, and exact rounding to narrow floats. */
#include "tests/sweep/subject.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static long double sigmoidl(long double x) {
    return 1 / (1 + expl(-x));
}

/* Below the bounds, the exponential is denormal. */
static double exp_flush(double x) {
    return x < -87.33654F ? 0 : exp(x > 0 ? 0 : x);
}
static long double exp_flushl(long double x) {
    return x < -708.3964185322641L ? 0 : expl(x > 0 ? 0 : x);
}

static double gelu(double x) {
    double tail = erfc(fabs(x) * M_SQRT1_2) / 2;
    return x > 40 ? x : x > 0 ? x - x * tail : x * tail;
}
static long double gelul(long double x) {
    long double tail = erfcl(fabsl(x) * sqrtl(0.5L)) / 2;
    return x > 40 ? x : x > 0 ? x - x * tail : x * tail;
}

static double gelu_tanh(double x) {
    double a = fabs(x), u = 0.7978845608028654 * (a + 0.044715 * a * a * a),
           tail = 1 / (exp(2 * u) + 1);
    return x > 40 ? x : x > 0 ? x - x * tail : x * tail;
}
static long double gelu_tanhl(long double x) {
    long double a = fabsl(x), u = 0.7978845608028654L * (a + 0.044715L * a * a * a),
                tail = 1 / (expl(2 * u) + 1);
    return x > 40 ? x : x > 0 ? x - x * tail : x * tail;
}

#define SAME(name)      {#name, FV_F32, false, name, name##l, false}
#define OF_X(name)      {#name, FV_F32, false, name, name##l, true}
#define TO(name, type)  {name, type, false, NULL, NULL, false}
#define SAT(name, type) {"sat_" name, type, true, NULL, NULL, false}

static const subject all[] = {SAME(exp),
                              SAME(exp_flush),
                              SAME(exp2),
                              SAME(expm1),
                              SAME(log),
                              SAME(log2),
                              SAME(log1p),
                              SAME(sigmoid),
                              SAME(tanh),
                              SAME(erf),
                              OF_X(gelu),
                              OF_X(gelu_tanh),
                              SAME(sin),
                              SAME(cos),
                              SAME(tan),
                              SAME(asin),
                              SAME(acos),
                              SAME(atan),
                              SAME(sinh),
                              SAME(cosh),
                              SAME(asinh),
                              SAME(acosh),
                              SAME(atanh),
                              SAME(sqrt),
                              SAME(floor),
                              SAME(ceil),
                              SAME(trunc),
                              SAME(rint),
                              TO("f16", FV_F16),
                              TO("bf16", FV_BF16),
                              TO("f8e4m3fn", FV_F8E4M3FN),
                              SAT("f8e4m3fn", FV_F8E4M3FN),
                              TO("f8e4m3fnuz", FV_F8E4M3FNUZ),
                              SAT("f8e4m3fnuz", FV_F8E4M3FNUZ),
                              TO("f8e5m2", FV_F8E5M2),
                              SAT("f8e5m2", FV_F8E5M2),
                              TO("f8e5m2fnuz", FV_F8E5M2FNUZ),
                              SAT("f8e5m2fnuz", FV_F8E5M2FNUZ),
                              TO("f8e8m0", FV_F8E8M0),
                              SAT("f8e8m0", FV_F8E8M0),
                              {0}};

const subject *subjects(void) {
    return all;
}

const char *subject_missing(void) {
    enum { COMMUTES = 1, FLOATS = 2, INTS = 4, MATH = 8, DEF = 16 };
    static const struct {
        const char *text;
        int args, flags;
    } exprs[] = {
#define EXPR(id, n, result, flags, text, meaning) {text, n, flags},
#include "ir/expr/expr.def"
#undef EXPR
    };
    for (size_t i = 0; i < sizeof exprs / sizeof *exprs; i++) {
        const subject *s = all;
        while (s->name && strcmp(s->name, exprs[i].text))
            s++;
        if (exprs[i].flags & MATH && exprs[i].args == 1 && !s->name)
            return exprs[i].text;
    }
    return NULL;
}

/* ---- errors ---- */

/* Called 2^32 times for each function: the ulp is put together from bits. */
double error_f32(float got, double want, double least) {
    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want) ? 0 : INFINITY;
    if (got == 0 && least == 0 && !signbit(got) != !signbit(want))
        return INFINITY;
    uint64_t bits;
    double larger = fabs(want) < least ? least : want;
    memcpy(&bits, &larger, sizeof bits);
    int e = (int)(bits >> 52 & 0x7ff) - 1023;
    e = e < -126 ? -126 : e > 127 ? 127 : e;
    double per_ulp;
    bits = (uint64_t)(23 - e + 1023) << 52;
    memcpy(&per_ulp, &bits, sizeof bits);
    double g = isinf(got) ? copysign(0x1p128, (double)got) : (double)got;
    double w = fabs(want) > 0x1p128 ? copysign(0x1p128, want) : want;
    return fabs(g - w) * per_ulp;
}

double error_f64(double got, long double want, long double least) {
    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want) ? 0 : INFINITY;
    if (got == 0 && least == 0 && !signbit(got) != !signbit(want))
        return INFINITY;
    long double larger = fabsl(want) < least ? least : want;
    int e = larger == 0 ? -1022 : isinf(larger) ? 1023 : ilogbl(larger);
    long double ulp = ldexpl(1, (e < -1022 ? -1022 : e > 1023 ? 1023 : e) - 52);
    long double g = isinf(got) ? copysignl(0x1p1024L, got) : (long double)got;
    long double w = fabsl(want) > 0x1p1024L ? copysignl(0x1p1024L, want) : want;
    return (double)(fabsl(g - w) / ulp);
}

/* ---- narrow floats ---- */

/* Of the formats with sign, exponent, fraction. */
typedef struct layout {
    fv_elem type;
    int fraction, bias;
    int finite;    /* how many codes are finite and not negative */
    int over, nan; /* codes of what is too large, and of NaN */
    bool one_zero;
} layout;

static const layout layouts[] = {
    {FV_F16, 10, 15, 0x7c00, 0x7c00, 0x7e00, false},
    {FV_BF16, 7, 127, 0x7f80, 0x7f80, 0x7fc0, false},
    {FV_F8E4M3FN, 3, 7, 0x7f, 0x7f, 0x7f, false},
    {FV_F8E4M3FNUZ, 3, 8, 0x80, 0x80, 0x80, true},
    {FV_F8E5M2, 2, 15, 0x7c, 0x7c, 0x7e, false},
    {FV_F8E5M2FNUZ, 2, 16, 0x80, 0x80, 0x80, true},
    {FV_F8E8M0, 0, 127, 0xff, 0xff, 0xff, false},
};

static const layout *layout_of(fv_elem type) {
    const layout *l = layouts;
    while (l->type != type)
        l++;
    return l;
}

static double value_of(const layout *l, int code) {
    if (l->type == FV_F8E8M0)
        return ldexp(1, code - l->bias);
    int e = code >> l->fraction, f = code & ((1 << l->fraction) - 1), one = 1 << l->fraction;
    return e ? ldexp(one + f, e - l->bias - l->fraction) : ldexp(f, 1 - l->bias - l->fraction);
}

narrow *narrow_new(fv_elem type, bool saturates) {
    const layout *l = layout_of(type);
    narrow *t = calloc(1, sizeof *t);
    *t = (narrow){type, saturates, l->finite, calloc((size_t)l->finite, sizeof(double))};
    for (int i = 0; i < t->n; i++)
        t->middle[i] = (value_of(l, i) + value_of(l, i + 1)) / 2;
    return t;
}

void narrow_free(narrow *t) {
    free(t->middle);
    free(t);
}

/* Does x belong above the middle of codes i and i + 1? On it to the even one of the two, of a bare
 * exponent to the larger. */
static bool above(const narrow *t, double x, int i) {
    return x > t->middle[i] || (x == t->middle[i] && (t->type == FV_F8E8M0 || i % 2));
}

/* The nearest code: the number of middles between neighbouring codes that are below x. */
static int nearest(const narrow *t, double x, int *last) {
    int lo = 0, hi = t->n, at = *last;
    if ((at == 0 || above(t, x, at - 1)) && (at == t->n || !above(t, x, at)))
        return at;
    while (lo < hi) {
        at = (lo + hi) / 2;
        if (above(t, x, at))
            lo = at + 1;
        else
            hi = at;
    }
    return *last = lo;
}

unsigned narrow_of(const narrow *t, float x, int *last) {
    const layout *l = layout_of(t->type);
    int bits = fv_elem_bits(t->type);
    /* this type has no infinity, which becomes NaN even with saturation */
    if (isnan(x) || (isinf(x) && t->type == FV_F8E8M0))
        return (unsigned)l->nan;
    int code = nearest(t, fabs((double)x), last);
    if (code == t->n)
        code = t->saturates ? t->n - 1 : l->over;
    if (t->type == FV_F8E8M0 || (l->one_zero && (code == 0 || code == l->nan)))
        return (unsigned)code;
    return (unsigned)code | (unsigned)(signbit(x) != 0) << (bits - 1);
}

bool narrow_same(const narrow *t, unsigned a, unsigned b) {
    const layout *l = layout_of(t->type);
    unsigned sign = t->type == FV_F8E8M0 || l->one_zero ? 0 : 1u << (fv_elem_bits(t->type) - 1);
    if (a == b)
        return true;
    a &= ~sign;
    b &= ~sign;
    int inf = t->type == FV_F8E8M0 || l->nan == l->over ? -1 : l->over;
    return inf<0 ? a == (unsigned)l->nan && b == a : a>(unsigned) inf && b > (unsigned)inf;
}
