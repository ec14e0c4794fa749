/* Casts between numbers and strings, compared with strtod and printf: a printed number reads back,
 * no shorter decimal does, and it is the nearest one of that length; a number that is read is
 * rounded once. Random tests print their seed; FV_SEED=N repeats one. */
#include <criterion/criterion.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/base/random.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "ir/type/float_bits.h"
#include "ops/text/numerals.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"

static void *allocate(void *user, size_t bytes) {
    (void)user;
    return fv_alloc_aligned(arena, bytes + 64, 64);
}

static void forget(void *user, void *p) {
    (void)user;
    (void)p;
}

/* A Cast of a vector of n elements. */
static fv_program *cast(const char *from, const char *attributes) {
    const char *text = fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..100000000\nfunc @main(%%x: %s[n]) -> (%%y) {\n"
        "  %%y = Cast(%%x) {%s}\n  return %%y\n}\n",
        from, attributes);
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3")};
    fv_pipeline_options po = {.verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    fv_program_expand(p);
    return p;
}

/* Runs the program on n elements; `bytes`: the length of the text, if the input is one. */
static int run(const fv_program *p, int64_t n, int64_t bytes, const void *const *in,
               void *const *out) {
    int64_t symbols[8] = {0}, *dims = FV_NEW(arena, int64_t, fv_out_dims_size(p) + 1);
    size_t work;
    fv_env env = {.size = sizeof env, .alloc = allocate, .free = forget};
    fv_interp *interp = fv_interp_new(arena, p);
    for (int i = 0; i < p->symbols.n; i++)
        symbols[i] = strstr(p->symbols.all[i]->name, "bytes") ? bytes : n;
    cr_assert_eq(fv_interp_plan(interp, symbols, &work, dims), FV_OK);
    for (int i = 0; i < p->noutputs; i++)
        dims[fv_out_dims_at(p, i)] = n * 32;
    int status = fv_interp_run(interp, symbols, in, out, dims, allocate(NULL, work), work, &env);
    cr_assert_neq(status, FV_INTERNAL, "%s", fv_interp_fault(interp));
    return status;
}

static const char **written(const fv_program *p, int64_t n, const void *x) {
    char *text = allocate(NULL, (size_t)n * 32);
    int64_t *ends = allocate(NULL, (size_t)n * 8 + 8), at = 0;
    const char **all = FV_NEW(arena, const char *, n + 1);
    cr_assert_eq(run(p, n, 0, &x, (void *[]){text, ends}), FV_OK);
    for (int64_t i = 0; i < n; at = ends[i++])
        all[i] = fv_strndup(arena, text + at, (size_t)(ends[i] - at));
    return all;
}

static int read_all(const fv_program *p, int64_t n, const char *const *s, void *y) {
    fv_text text = {.arena = arena};
    int64_t *ends = allocate(NULL, (size_t)n * 8 + 8);
    fv_text_put(&text, "");
    for (int64_t i = 0; i < n; i++) {
        fv_text_put(&text, s[i]);
        ends[i] = (int64_t)text.n;
    }
    return run(p, n, (int64_t)text.n, (const void *[]){text.s, ends}, &y);
}

static fv_random random_numbers;

static uint64_t next_random(void) {
    return fv_random_next(&random_numbers);
}

static void seed_random(void) {
    random_numbers.state = sample_seed(20240607);
    printf("seed %" PRIu64 "\n", random_numbers.state);
}

/* ---- written ---- */

/* Digits and exponent of a decimal, as %e has them: "1.25e-07" for "0.000000125". */
static const char *scientific(const char *s, int *digits) {
    char all[64] = "", *end;
    int n = 0, point = -1, first = -1, exponent = 0;
    for (s += *s == '-'; *s && *s != 'e'; s++)
        if (*s == '.')
            point = n;
        else
            all[n++] = *s;
    if (*s == 'e')
        exponent = (int)strtol(s + 1, &end, 10);
    point = point < 0 ? n : point;
    while (first + 1 < n && all[first + 1] == '0')
        first++;
    first++;
    while (n > first + 1 && all[n - 1] == '0')
        n--;
    *digits = n - first;
    exponent += point - first - 1;
    return fv_printf(arena, "%c%s%.*se%c%02d", all[first], n - first > 1 ? "." : "", n - first - 1,
                     all + first + 1, exponent < 0 ? '-' : '+', abs(exponent));
}

static double read_as(fv_elem e, const char *s) {
    return e == FV_F64   ? strtod(s, NULL)
           : e == FV_F32 ? (double)strtof(s, NULL)
                         : fv_float_decode(e, fv_float_encode(e, strtod(s, NULL)));
}

static void check_notation(double v, const char *s) {
    double a = fabs(strtod(s, NULL));
    bool plain = a == 0 || (a >= 1e-4 && a < 1e16);
    const char *first = s + (*s == '-'), *point = strchr(s, '.'), *e = strchr(s, 'e');
    cr_assert_eq(e != NULL, !plain, "%.17g is %s", v, s);
    cr_assert(plain ? point && point[1] && (*first != '0' || first[1] == '.')
                    : *first != '0' && strchr(".e", first[1]),
              "%.17g is %s", v, s);
    cr_assert(!e || (strchr("+-", e[1]) && strlen(e) >= 4 && (strlen(e) == 4 || e[2] != '0')),
              "%.17g is %s", v, s);
}

/* Where the interval around it is even, the nearest decimal of each length is in it if any is. */
static void check_written(fv_elem e, uint64_t bits, const char *s) {
    double v = fv_float_decode(e, bits);
    char shorter[64];
    int digits;
    if (!isfinite(v)) {
        cr_assert_str_eq(s, isnan(v) ? "NaN" : v < 0 ? "-INF" : "INF");
        return;
    }
    check_notation(v, s);
    cr_assert_eq(*s == '-', signbit(v) != 0, "%.17g is %s", v, s);
    cr_assert_eq(read_as(e, s), v, "%s: %.17g is %s", fv_elem_name(e), v, s);
    if (v == 0)
        return;
    const char *have = scientific(s, &digits);
    snprintf(shorter, sizeof shorter, "%.*e", digits > 1 ? digits - 2 : 0, v);
    cr_assert(digits == 1 || read_as(e, shorter) != v, "%s: %.17g is %s, not %s", fv_elem_name(e),
              v, s, shorter);
    int exponent;
    /* below a power of two floats are twice as dense: the nearest may be outside */
    if (frexp(fabs(v), &exponent) == 0.5)
        return;
    snprintf(shorter, sizeof shorter, "%.*e", digits - 1, fabs(v));
    cr_assert_str_eq(have, shorter, "%s: %.17g", fv_elem_name(e), v);
}

static void check_writing(fv_elem e, int64_t n, const uint64_t *bits) {
    int bytes = fv_elem_bits(e) / 8;
    unsigned char *x = allocate(NULL, (size_t)(n * bytes)),
                  *y = allocate(NULL, (size_t)(n * bytes));
    for (int64_t i = 0; i < n; i++)
        memcpy(x + i * bytes, &bits[i], (size_t)bytes);
    const char **s = written(cast(fv_elem_name(e), "to = 8"), n, x);
    for (int64_t i = 0; i < n; i++)
        check_written(e, bits[i], s[i]);
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d, saturate = 0", e)), n, s, y),
                 FV_OK);
    for (int64_t i = 0; i < n; i++)
        if (!isnan(fv_float_decode(e, bits[i])))
            cr_assert_eq(memcmp(x + i * bytes, y + i * bytes, (size_t)bytes), 0, "%s of %s", s[i],
                         fv_elem_name(e));
}

static void check_all(fv_elem e) {
    int64_t n = INT64_C(1) << fv_elem_bits(e);
    uint64_t *bits = allocate(NULL, (size_t)n * 8);
    for (int64_t i = 0; i < n; i++)
        bits[i] = (uint64_t)i;
    check_writing(e, n, bits);
}

/* Any bits, and whole and round numbers as people write them. */
static void check_some(fv_elem e) {
    enum { N = 20000 };
    uint64_t *bits = allocate(NULL, N * 8), mask = UINT64_MAX >> (64 - fv_elem_bits(e));
    for (int i = 0; i < N; i++) {
        uint64_t r = next_random();
        int of = i % 4;
        bits[i] = of < 2    ? r & mask
                  : of == 2 ? fv_float_encode(e, (double)(r >> (r & 63)))
                            : fv_float_encode(e, (double)(r >> 50) / 1e6);
    }
    static const double known[] = {0.0,
                                   -0.0,
                                   5e-324,
                                   2.2250738585072014e-308,
                                   1.7976931348623157e308,
                                   9007199254740992.0,
                                   9007199254740994.0,
                                   1e23,
                                   1e22,
                                   9e-5,
                                   1e-4,
                                   9999999999999998.0,
                                   1e16,
                                   1e15,
                                   123456789012345680.0,
                                   1e-45,
                                   1.17549435e-38,
                                   3.40282347e38,
                                   16777216.0,
                                   0.1,
                                   0.3,
                                   1.0 / 3,
                                   100.0,
                                   2e-44,
                                   4.35e22,
                                   5.684341886080802e-14,
                                   6.63e-34};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        bits[i] = fv_float_encode(e, known[i]);
    for (int i = 0; i < 200; i++) /* powers of two */
        bits[100 + i] = fv_float_encode(e, ldexp(1, e == FV_F64 ? i * 10 - 1074 : i - 100));
    check_writing(e, N, bits);
}

Test(numerals, all_of_8_bits, .init = open_session, .fini = close_session) {
    static const fv_elem types[] = {FV_F8E4M3FN, FV_F8E4M3FNUZ, FV_F8E5M2, FV_F8E5M2FNUZ};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        check_all(types[i]);
}

Test(numerals, all_of_f16, .init = open_session, .fini = close_session) {
    check_all(FV_F16);
}
Test(numerals, all_of_bf16, .init = open_session, .fini = close_session) {
    check_all(FV_BF16);
}

Test(numerals, some_of_f32, .init = open_session, .fini = close_session) {
    seed_random();
    check_some(FV_F32);
}

Test(numerals, some_of_f64, .init = open_session, .fini = close_session) {
    seed_random();
    check_some(FV_F64);
}

/* Powers of two have no decimals that round to them and to no other: those of f8e8m0 are written as
 * f32. */
Test(numerals, powers_of_two, .init = open_session, .fini = close_session) {
    unsigned char x[256], y[256];
    for (int i = 0; i < 256; i++)
        x[i] = (unsigned char)i;
    const char **s = written(cast("f8e8m0", "to = 8"), 256, x);
    for (int i = 0; i < 255; i++)
        check_written(FV_F32, fv_float_encode(FV_F32, ldexp(1, i - 127)), s[i]);
    cr_assert_str_eq(s[255], "NaN");
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d", FV_F8E8M0)), 256, s, y),
                 FV_OK);
    x[0] = 1; /* 2^-127 is no normal f32, and as such it is rounded up, as a Cast of the f32 is */
    cr_assert_eq(memcmp(x, y, sizeof x), 0);
}

Test(numerals, integers, .init = open_session, .fini = close_session) {
    enum { N = 2000 };
    seed_random();
    int64_t *x = allocate(NULL, N * 8), *y = allocate(NULL, N * 8);
    for (int i = 0; i < N; i++) {
        uint64_t r = next_random();
        x[i] = (int64_t)r >> (r & 63);
    }
    x[0] = INT64_MIN, x[1] = INT64_MAX, x[2] = 0, x[3] = -1, x[4] = 10, x[5] = -9,
    x[6] = 1000000000000000000;
    const char **s = written(cast("i64", "to = 8"), N, x),
               **u = written(cast("u64", "to = 8"), N, x);
    for (int i = 0; i < N; i++) {
        cr_assert_str_eq(s[i], fv_printf(arena, "%" PRId64, x[i]));
        cr_assert_str_eq(u[i], fv_printf(arena, "%" PRIu64, (uint64_t)x[i]));
    }
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d", FV_I64)), N, s, y), FV_OK);
    cr_assert_eq(memcmp(x, y, N * 8), 0);
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d", FV_U64)), N, u, y), FV_OK);
    cr_assert_eq(memcmp(x, y, N * 8), 0);
}

/* ---- read ---- */

static uint64_t bits_of(fv_elem e, const void *y, int64_t i) {
    uint64_t bits = 0;
    memcpy(&bits, (const char *)y + i * (fv_elem_bits(e) / 8), (size_t)fv_elem_bits(e) / 8);
    return bits;
}

static void check_reading(int64_t n, const char *const *s) {
    float *f = allocate(NULL, (size_t)n * 4);
    double *d = allocate(NULL, (size_t)n * 8);
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d", FV_F32)), n, s, f), FV_OK);
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d", FV_F64)), n, s, d), FV_OK);
    for (int64_t i = 0; i < n; i++) {
        double want = strtod(s[i], NULL);
        float want32 = strtof(s[i], NULL);
        cr_assert_eq(memcmp(&d[i], &want, sizeof want), 0, "%.100s is %.17g, not %.17g", s[i], d[i],
                     want);
        cr_assert_eq(memcmp(&f[i], &want32, sizeof want32), 0, "%.100s is %.9g, not %.9g", s[i],
                     (double)f[i], (double)want32);
    }
}

/* Any digits, with a point somewhere and an exponent or none. */
static const char *random_decimal(void) {
    char s[100];
    int n = 0, digits = 1 + (int)(next_random() % 40), point = (int)(next_random() % 45);
    if (next_random() & 1)
        s[n++] = next_random() & 1 ? '-' : '+';
    for (int i = 0; i < digits; i++) {
        if (i == point)
            s[n++] = '.';
        s[n++] = (char)('0' + next_random() % 10);
    }
    s[n] = 0;
    if (next_random() % 4 == 0)
        return fv_strdup(arena, s);
    return fv_printf(arena, "%s%c%d", s, next_random() & 1 ? 'e' : 'E',
                     (int)(next_random() % 700) - 370);
}

Test(numerals, any_decimals, .init = open_session, .fini = close_session) {
    enum { N = 20000 };
    const char **s = FV_NEW(arena, const char *, N);
    seed_random();
    for (int i = 0; i < N; i++)
        s[i] = random_decimal();
    check_reading(N, s);
}

/* Sets s[0..2] to decimals with all digits: the middle between the floats v and v + unit, a number
 * a little above it, and one a little below it, which differ from the middle far to the right. */
static void put_halfway(const char **s, double v, double unit) {
    char all[1500], tail[1500];
    int exponent;
    (void)frexp(unit, &exponent);
    snprintf(all, sizeof all, "%.1074f", v); /* all digits that it has */
    snprintf(tail, sizeof tail, "%.1075f", unit / 2);
    cr_assert(unit / 2 > 0);
    size_t n = strlen(all), m = strlen(tail);
    char sum[1600];
    int carry = 0;
    memset(sum, '0', sizeof sum);
    /* unit / 2 has one more digit after the point; its integer part may be shorter */
    sum[n + 1] = 0;
    for (size_t k = 0; k <= n; k++) {
        char a = k == 0 ? '0' : all[n - k], b = k < m ? tail[m - 1 - k] : '0';
        if (a == '.') {
            sum[n - k] = '.';
            continue;
        }
        int digit = a - '0' + b - '0' + carry;
        carry = digit > 9;
        sum[n - k] = (char)('0' + digit % 10);
    }
    cr_assert_eq(carry, 0);
    s[0] = fv_strdup(arena, sum);
    s[1] = fv_printf(arena, "%s00000000000000000000001", sum);
    for (size_t k = n + 1; k-- > 0;) { /* subtracts one from the last digit and appends nines */
        if (sum[k] == '.')
            continue;
        sum[k] = sum[k] == '0' ? '9' : (char)(sum[k] - 1);
        if (sum[k] != '9')
            break;
    }
    s[2] = fv_printf(arena, "%s99999999999999999999", sum);
}

Test(numerals, halfway, .init = open_session, .fini = close_session) {
    enum { N = 300 };
    const char **s = FV_NEW(arena, const char *, 6 * N);
    seed_random();
    for (int i = 0; i < N; i++) {
        uint64_t r = next_random();
        double v = fabs(fv_float_decode(FV_F64, r));
        float f = (float)ldexp((double)(r >> 40), (int)(r & 255) - 190);
        v = isfinite(v) && v > 1e-290 && v < 1e300 ? v : 1 + (double)i;
        put_halfway(s + 6 * i, v, nextafter(v, INFINITY) - v);
        put_halfway(s + 6 * i + 3, (double)f, (double)nextafterf(f, INFINITY) - (double)f);
    }
    check_reading(6 * N, s);
}

/* Decimals that were read wrongly by somebody once, and edges. */
Test(numerals, hard_ones, .init = open_session, .fini = close_session) {
    static const char *const s[] = {
        "0",
        "-0",
        "+0.0",
        "0e999999999",
        "-0.000e-5",
        "1",
        "+1",
        "-1",
        ".5",
        "5.",
        "1e5",
        "1E+5",
        "1e-5",
        "00012.500",
        "9007199254740993",
        "9007199254740992.99999",
        "9007199254740993.00000000000000000000001",
        "1e23",
        "8.5e22",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.47032822920623272088284396434110686182e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.797693134862315807e308",
        "1.797693134862315808e308",
        "1e309",
        "-1e309",
        "1e310",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "-1e-400",
        "3.4028234663852886e38",
        "3.4028235677973366e38",
        "3.4028235677973365e38",
        "1.4e-45",
        "7.0064923216240853e-46",
        "7.0064923216240854e-46",
        "1.1754943508222875e-38",
        "16777217",
        "16777219",
        "33554433",
        "0.1",
        "0.3",
        "3.14",
        "1000",
        "6.02214076e23",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000000000000000000000000000001",
        "179769313486231580793e289",
        "1448997445238699",
        "0.500000000000000166533453693773481063544750213623046875",
        "6929495644600919.5",
        "3.7455744005952583e15",
        "9355950000000000000."
        "000000000000000000000000000000000018446744073709551616000001844674407370955161618446744073"
        "709551614073709551616184467440737095516160001844674407370955161660000018446744073709551616"
        "184467440737095516140737095516161844674407370955161600018446744073709551616018446744073709"
        "556744516161844674407370955161407370955161618446744073709551616000184467440737095516160184"
        "467440737095516116160001844674407370950018446744073709551616001844674407370955161600184467"
        "440737095511681644674407370955161600018440737095516160184467440737095516161844674407370955"
        "161600018446744075369107516016116160001844674407370950018446744073709551616001844674407370"
        "955161600184467440737095516161844674407370955161600018449551616184467440737095516160001844"
        "67440753691075160018446744073709",
        "2."
        "225073858507202124188701479202220329072405282794390378143031338374351073192441946867544064"
        "325638818513821882185024380699999477330130056498841077919287413419292972009704819519930679"
        "932909690427840647316820415659267286329336304746701233168529834221527445172608358596545663"
        "192828352447877877998943107797838336991592885945552137141811284582511455843192230798975043"
        "950868594124572308917389461693683723211913736589779777232866988403563902510444430354573967"
        "337065839810554204566938246584137476071559811765738776267476659123871999319040063173347090"
        "030127901881752034471902500280612777779167983910905785840064647159438105114891542827750411"
        "746821941339524666825034313061815878293790042053923750720833666932415800027583911188541886"
        "41513168478436313080237596295773983001708984375e-308",
    };
    check_reading(sizeof s / sizeof *s, s);
}

static const char *repeated(const char *before, char c, int n, const char *behind) {
    char *zeros = FV_NEW(arena, char, n + 1);
    memset(zeros, c, (size_t)n);
    return fv_printf(arena, "%s%s%s", before, zeros, behind);
}

/* Many digits on either side of the point, with an exponent that compensates for them; and digits
 * that only decide whether the rest is 0. */
Test(numerals, long_ones, .init = open_session, .fini = close_session) {
    const char *const s[] = {
        repeated("1", '0', 400, "e-400"),
        repeated("1", '0', 400, ""),
        repeated("0.", '0', 500, "25e500"),
        repeated("0.", '0', 500, "25"),
        repeated("", '0', 100000, "7.5"),
        repeated("7.5", '0', 100000, ""),
        repeated("1.", '0', 5000, "1"),
        repeated("", '9', 5000, "e-4990"),
        repeated("9007199254740993.", '0', 3000, "1"),
        repeated("9007199254740993.", '0', 3000, "0"),
        repeated("9007199254740992.", '9', 3000, ""),
        repeated("2.4703282292062327208051182017", '0', 2000, "1e-324"),
        repeated("-1", '0', 70000, "e-70000"),
        repeated("1e", '0', 4000, "2"),
        repeated(".", '0', 70000, "1e70001"),
        repeated("1e-", '9', 300, ""),
        repeated("0e", '9', 300, ""),
    };
    check_reading(sizeof s / sizeof *s, s);
    const char *at_once = repeated("0.", '0', 500, "1e510"),
               *none = repeated("1", '0', 400, "e-380");
    int64_t y;
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d", FV_I64)), 1, &at_once, &y),
                 FV_OK);
    cr_assert_eq(y, 1000000000);
    cr_assert_eq(read_all(cast("string", fv_printf(arena, "to = %d", FV_I64)), 1, &none, &y),
                 FV_BAD_INDEX);
}

/* What is rounded once to a narrow float is other than what goes through a wider one. */
Test(numerals, rounded_once, .init = open_session, .fini = close_session) {
    static const struct {
        fv_elem e;
        const char *s;
        double v;
    } all[] = {
        {FV_F16, "1.00048828125", 1},
        {FV_F16, "1.00048828125000000000000000000000001", 1.0009765625},
        {FV_F16, "65504", 65504},
        {FV_F16, "65519.99999999999999999999999999", 65504},
        {FV_F16, "65520", INFINITY},
        {FV_F16, "5.9604644775390625e-8", 0x1p-24},
        {FV_F16, "2.98023223876953125e-8", 0},
        {FV_F16, "2.98023223876953125000000000000000001e-8", 0x1p-24},
        {FV_F16, "-6.103515625e-5", -0x1p-14},
        {FV_BF16, "1.00390625", 1},
        {FV_BF16, "1.0039062500000000000000000001", 1.0078125},
        {FV_BF16, "3.3961775292304957e38", INFINITY},
        {FV_BF16, "3.38953138925153547590470800371487866880e38", 0x1.fep127},
        {FV_BF16, "4.5917748078809956e-41", 0},
        {FV_BF16, "4.6e-41", 0x1p-133},
        {FV_F8E4M3FN, "464", 448},
        {FV_F8E4M3FN, "464.000000000000000001", 448},
        {FV_F8E4M3FN, "1e9", 448},
        {FV_F8E4M3FN, "1.0625000000000000000000000001", 1.125},
        {FV_F8E4M3FN, "1.0625", 1},
        {FV_F8E4M3FN, "0.0009765625", 0},
        {FV_F8E4M3FN, "0.00097656250000000000000001", 0x1p-9},
        {FV_F8E5M2, "61439.99999999999999999", 57344},
        {FV_F8E5M2, "-1.125", -1},
        {FV_F8E5M2, "-1.1250000000000000000000000000001", -1.25},
        {FV_F8E4M3FNUZ, "-240", -240},
        {FV_F8E5M2FNUZ, "7.62939453125e-6", 0x1p-17},
        {FV_F8E8M0, "3", 4},
        {FV_F8E8M0, "2", 2},
        {FV_F8E8M0, "1e-40", 0x1p-126},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        unsigned char y[8] = {0};
        cr_assert_eq(
            read_all(cast("string", fv_printf(arena, "to = %d", all[i].e)), 1, &all[i].s, y),
            FV_OK);
        double have = fv_float_decode(all[i].e, bits_of(all[i].e, y, 0));
        cr_assert_eq(have, all[i].v, "%s of %s is %.17g, not %.17g", all[i].s,
                     fv_elem_name(all[i].e), have, all[i].v);
    }
}

/* ---- what is none ---- */

static bool reads(const char *attributes, const char *s) {
    unsigned char y[8];
    int status = read_all(cast("string", attributes), 1, &s, y);
    cr_assert(status == FV_OK || status == FV_BAD_INDEX);
    return status == FV_OK;
}

Test(numerals, none, .init = open_session, .fini = close_session) {
    static const char *const bad[] = {"",
                                      " ",
                                      "+",
                                      "-",
                                      ".",
                                      "e5",
                                      "1e",
                                      "1e+",
                                      "1e5.5",
                                      "--1",
                                      "+-1",
                                      "1 2",
                                      "1_000",
                                      "0x10",
                                      "1.2.3",
                                      "1,5",
                                      "abc",
                                      "12a",
                                      "in",
                                      "infi",
                                      "infinit",
                                      "infinityx",
                                      "na",
                                      "nane5",
                                      "1f",
                                      "\xe2\x88\x92"
                                      "1",
                                      "\xc2\xa0"
                                      "1",
                                      "1e5e5",
                                      ".e1",
                                      "i nf"};
    static const char *const good[] = {"inf",       "INF", "+INF",          "-iNf", "Infinity",
                                       "-INFINITY", "nan", "NaN",           "+nan", "-NAN",
                                       " 1",        "1\n", "\t\r\v\f 1 \t", "1.",   ".1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!reads("to = 1", bad[i]) && !reads("to = 6", bad[i]) && !reads("to = 9", bad[i]),
                  "'%s' is a number", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(reads("to = 1", good[i]) && reads("to = 9", good[i]), "'%s' is no number",
                  good[i]);
}

/* Decimals that fit the integer type after truncation, and their neighbours that do not. */
Test(numerals, limits, .init = open_session, .fini = close_session) {
    static const struct {
        fv_elem e;
        const char *in[2], *out[2];
    } all[] = {
        {FV_I8, {"127.99", "-128.99"}, {"128", "-129"}},
        {FV_U8, {"255.5", "-0.99"}, {"256", "-1"}},
        {FV_I16, {"32767", "-32768"}, {"32768", "-32769"}},
        {FV_U16, {"65535", "-0"}, {"65536", "-1.5"}},
        {FV_I32, {"2147483647", "-2147483648"}, {"2147483648", "-2147483649"}},
        {FV_U32, {"4294967295", "4.294967295e9"}, {"4294967296", "-1"}},
        {FV_I64,
         {"9223372036854775807.9", "-9223372036854775808"},
         {"9223372036854775808", "-9223372036854775809"}},
        {FV_U64,
         {"18446744073709551615", "0.018446744073709551615e21"},
         {"18446744073709551616", "99999999999999999999"}},
        {FV_I4, {"7", "-8"}, {"8", "-9"}},
        {FV_U4, {"15", "0e99"}, {"16", "1e99"}},
        {FV_I2, {"1", "-2"}, {"2", "-3"}},
        {FV_U2, {"3", "1e-99"}, {"4", "INF"}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int k = 0; k < 2; k++) {
            const char *to = fv_printf(arena, "to = %d", all[i].e);
            cr_expect(reads(to, all[i].in[k]), "%s: %s", fv_elem_name(all[i].e), all[i].in[k]);
            cr_expect(!reads(to, all[i].out[k]), "%s: %s", fv_elem_name(all[i].e), all[i].out[k]);
        }
}

/* ---- powers of ten ---- */

Test(numerals, powers_of_ten) {
    static uint64_t powers[FV_POWERS][2];
    static const struct {
        int k;
        uint64_t bits[2];
    } known[] = {
        {0, {UINT64_C(1) << 63, 0}},
        {1, {UINT64_C(10) << 60, 0}},
        {-1, {UINT64_C(0xcccccccccccccccc), UINT64_C(0xcccccccccccccccd)}},
        {27, {UINT64_C(0xcecb8f27f4200f3a), 0}},
        {-3, {UINT64_C(0x83126e978d4fdf3b), UINT64_C(0x645a1cac083126ea)}},
    };
    fv_powers_of_ten(powers);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int h = 0; h < 2; h++)
            cr_expect_eq(powers[known[i].k - FV_LEAST_POWER][h], known[i].bits[h], "10^%d",
                         known[i].k);
    for (int i = 0; i < FV_POWERS; i++)
        cr_expect(powers[i][0] >> 63 == 1);
}
