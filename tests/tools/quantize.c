/* quantize.c - codes and scales of weights, and ranges of activations. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "ir/base/session.h"
#include "passes/quantize/encode.h"
#include "tools/quantize/quantize.h"

/* Numbers between -1 and 1, always the same. */
static float number(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return (float)(*state >> 8) / (float)(1 << 23) - 1;
}

static fv_tensor *weight(fv_arena *a, int64_t rows, int64_t columns) {
    fv_tensor *t = fv_tensor_new(a, FV_F32, 2, (int64_t[]){rows, columns});
    float *x = (float *)t->data;
    uint32_t state = 1;
    for (size_t i = 0; i < t->count; i++)
        x[i] = number(&state) * (float)(1 + i % 3);
    return t;
}

static float at(const fv_tensor *t, size_t i) {
    return ((const float *)t->data)[i];
}

#define WITHIN(session, arena)                                                                     \
    fv_session *session = fv_session_new();                                                        \
    fv_door door;                                                                                  \
    cr_assert(session && !FV_DOOR_OPEN(session, &door));                                           \
    fv_arena *arena = fv_arena_new(session)

static void end(fv_session *s, fv_door *door) {
    fv_door_close(s, door);
    fv_session_free(s);
}

Test(quantize, channels) {
    WITHIN(s, a);
    fv_tensor *w = weight(a, 40, 30);
    for (int axis = 0; axis < 2; axis++)
        for (int bits = 4; bits <= 8; bits += bits == 4 ? 3 : 1) {
            fv_quant_codes q = fv_quant_channels(a, w, axis, (fv_quant_form){.bits = bits});
            int most = 0, limit = (1 << (bits - 1)) - 1;
            cr_assert_eq(q.nscales, (size_t)w->dims[axis]);
            for (size_t i = 0; i < w->count; i++) {
                float scale = q.scales[axis ? i % 30 : i / 30];
                most = abs(q.codes[i]) > most ? abs(q.codes[i]) : most;
                cr_assert_leq(fabsf(at(w, i) - (float)q.codes[i] * scale), scale * 0.5001f);
            }
            cr_assert_eq(most, limit);
        }
    end(s, &door);
}

Test(quantize, blocks) {
    WITHIN(s, a);
    fv_tensor *w = weight(a, 40, 30);
    for (int axis = 0; axis < 2; axis++)
        for (int bits = 4; bits <= 8; bits += 4) {
            fv_quant_codes q = fv_quant_blocks(a, w, axis, 16, bits, false);
            /* 40 terms are blocks of 16, 16 and 8; 30 are blocks of 16 and 14 */
            cr_assert_eq(q.nscales, axis ? 40 * 2 : 3 * 30);
            double error = 0, all = 0;
            for (size_t i = 0; i < w->count; i++) {
                size_t r = i / 30, c = i % 30;
                float scale = q.scales[axis ? r * 2 + c / 16 : r / 16 * 30 + c];
                double d = (double)at(w, i) - (double)q.codes[i] * (double)scale;
                error += d * d;
                all += (double)at(w, i) * (double)at(w, i);
            }
            cr_assert_lt(sqrt(error / all), bits == 4 ? 0.09 : 0.006);
        }
    end(s, &door);
}

/* Numbers from -0.5 to 2.5: with zero points, all codes are used; each number is within half a step
 * of its code. */
Test(quantize, zero_points) {
    WITHIN(s, a);
    fv_tensor *w = weight(a, 40, 30);
    float *x = (float *)w->data;
    for (size_t i = 0; i < w->count; i++)
        x[i] = fmodf(fabsf(x[i]), 1) * 3 - 0.5f;
    for (int axis = 0; axis < 2; axis++)
        for (int bits = 4; bits <= 8; bits += 4) {
            int least = 0, most = 0, half = 1 << (bits - 1);
            fv_quant_codes q =
                fv_quant_channels(a, w, axis, (fv_quant_form){.bits = bits, .zero_points = true});
            for (size_t i = 0; i < w->count; i++) {
                size_t c = axis ? i % 30 : i / 30;
                float d = x[i] - (float)(q.codes[i] - q.zeros[c]) * q.scales[c];
                least = q.codes[i] < least ? q.codes[i] : least;
                most = q.codes[i] > most ? q.codes[i] : most;
                cr_assert_leq(fabsf(d), q.scales[c] * 1.001f);
            }
            cr_assert(least == -half && most == half - 1, "%d %d", least, most);
        }
    end(s, &door);
}

static double error_of_blocks(fv_arena *a, const fv_tensor *w, int bits, bool zero_points) {
    fv_quant_codes q = fv_quant_blocks(a, w, 0, 16, bits, zero_points);
    double error = 0;
    for (size_t i = 0; i < w->count; i++) {
        size_t k = i / 30 / 16 * 30 + i % 30;
        int code = q.codes[i] - (q.zeros ? q.zeros[k] : 0);
        error += pow((double)at(w, i) - (double)code * (double)q.scales[k], 2);
    }
    return sqrt(error);
}

Test(quantize, zero_points_resolve_what_is_not_centred) {
    WITHIN(s, a);
    fv_tensor *w = weight(a, 40, 30);
    for (size_t i = 0; i < w->count; i++)
        ((float *)w->data)[i] += 2;
    for (int bits = 4; bits <= 8; bits += 4)
        cr_assert_lt(error_of_blocks(a, w, bits, true), 0.85 * error_of_blocks(a, w, bits, false));
    end(s, &door);
}

Test(quantize, weights_without_a_range) {
    WITHIN(s, a);
    fv_tensor *w = fv_tensor_new(a, FV_F32, 2, (int64_t[]){2, 16});
    float *x = (float *)w->data;
    for (int i = 0; i < 16; i++)
        x[16 + i] = FLT_TRUE_MIN * (float)i;
    fv_quant_codes c = fv_quant_channels(a, w, 0, (fv_quant_form){.bits = 8}),
                   b = fv_quant_blocks(a, w, 1, 16, 4, false);
    cr_assert_eq(c.scales[0], 1);
    cr_assert_geq(c.scales[1], FLT_MIN);
    cr_assert_eq(b.scales[0], 1);
    cr_assert_geq(fabsf(b.scales[1]), FLT_MIN);
    for (size_t i = 0; i < w->count; i++)
        cr_assert(c.codes[i] == 0 && b.codes[i] == 0);
    end(s, &door);
}

/* A channel of 1e-9 beside one of 1 has a scale of its own, but not in a product of integers. */
Test(quantize, channels_that_are_as_good_as_0) {
    WITHIN(s, a);
    fv_tensor *w = fv_tensor_new(a, FV_F32, 2, (int64_t[]){2, 16});
    float *x = (float *)w->data;
    for (int i = 0; i < 16; i++) {
        x[i] = 1;
        x[16 + i] = 1e-9f;
    }
    for (int bits = 4; bits <= 8; bits += 4) {
        fv_quant_codes own = fv_quant_channels(a, w, 0, (fv_quant_form){.bits = bits}),
                       product = fv_quant_channels(a, w, 0,
                                                   (fv_quant_form){.bits = bits, .product = true});
        const int most = (1 << (bits - 1)) - 1;
        cr_assert_eq(own.codes[16], most);
        cr_assert_eq(own.scales[1], 1e-9f / (float)most);
        cr_assert_leq(product.codes[16], 1);
        cr_assert_eq(product.scales[1], 1e-7f / (float)most);
        cr_assert_eq(product.codes[0], most);
    }
    end(s, &door);
}

Test(quantize, numbers_that_cannot_be) {
    WITHIN(s, a);
    fv_tensor *w = weight(a, 8, 16);
    float *x = (float *)w->data;
    cr_assert_eq(fv_quant_bad_element(w, 65504), w->count);
    x[77] = 70000;
    cr_assert_eq(fv_quant_bad_element(w, 65504), 77);
    cr_assert_eq(fv_quant_bad_element(w, (double)FLT_MAX), w->count);
    x[50] = -INFINITY;
    cr_assert_eq(fv_quant_bad_element(w, (double)FLT_MAX), 50);
    x[3] = NAN;
    cr_assert_eq(fv_quant_bad_element(w, (double)FLT_MAX), 3);
    end(s, &door);
}

/* ---- ranges ---- */

static fv_quant_counts counts_of(const fv_tensor *t, bool magnitudes, double lo, double hi) {
    fv_quant_counts h = {.lo = lo, .hi = hi};
    fv_quant_count(&h, t, magnitudes);
    return h;
}

Test(quantize, percentiles) {
    WITHIN(s, a);
    fv_tensor *t = fv_tensor_new(a, FV_F32, 1, (int64_t[]){10000});
    float *x = (float *)t->data;
    for (int i = 0; i < 10000; i++)
        x[i] = (float)i / 1000 - 5;
    fv_quant_counts h = counts_of(t, false, -5, 5);
    fv_quant_range all = fv_quant_percentile(&h, 100), most = fv_quant_percentile(&h, 99);
    cr_assert_leq(all.lo, -5 + 0.01);
    cr_assert_geq(all.hi, 5 - 0.01);
    cr_assert_float_eq(most.lo, -4.95, 0.02);
    cr_assert_float_eq(most.hi, 4.95, 0.02);
    end(s, &door);
}

Test(quantize, entropy) {
    WITHIN(s, a);
    fv_tensor *t = fv_tensor_new(a, FV_F32, 1, (int64_t[]){20000});
    float *x = (float *)t->data;
    uint32_t state = 1;
    for (int i = 0; i < 20000; i++)
        x[i] = number(&state) + number(&state) + number(&state);
    x[0] = 100; /* an outlier, for which everything else would be rounded to a few levels */
    fv_quant_counts h = counts_of(t, true, 0, 100);
    double most = fv_quant_entropy(&h, 128);
    cr_assert(most >= 2 && most < 50, "%g", most);
    end(s, &door);
}
