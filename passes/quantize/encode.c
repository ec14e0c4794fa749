/* encode.c - computes codes and scales of a weight. */
#include "passes/quantize/encode.h"

#include <float.h>
#include <math.h>

/* A weight as [outer, n, inner], n being the extent of the axis. */
typedef struct shape {
    size_t outer, n, inner;
} shape;

static shape split_at(const fv_tensor *w, int axis) {
    shape s = {1, (size_t)w->dims[axis], 1};
    for (int i = 0; i < w->rank; i++) {
        if (i < axis)
            s.outer *= (size_t)w->dims[i];
        if (i > axis)
            s.inner *= (size_t)w->dims[i];
    }
    return s;
}

size_t fv_quant_bad_element(const fv_tensor *w, double most) {
    const float *x = w->data;
    for (size_t i = 0; i < w->count; i++)
        if (!(fabs((double)x[i]) <= most))
            return i;
    return w->count;
}

static int8_t code_of(float x, float scale, int lo, int hi) {
    float q = rintf(x / scale);
    return (int8_t)(q<(float)lo ? lo : q>(float) hi ? hi : (int)q);
}

/* The scale, or the smallest normal number in place of a scale that is 0 or denormal, which would
 * make codes infinite or coarse. All elements with such a scale are tiny. */
static float usable(float scale) {
    return fabsf(scale) < FLT_MIN ? FLT_MIN : scale;
}

/* ---- channels ---- */

static void find_scales(const float *x, shape s, int most, float *scales) {
    for (size_t o = 0; o < s.outer; o++)
        for (size_t c = 0; c < s.n; c++)
            for (size_t i = 0; i < s.inner; i++)
                scales[c] = fmaxf(scales[c], fabsf(*x++));
    for (size_t c = 0; c < s.n; c++)
        scales[c] = scales[c] > 0 ? usable(scales[c] / (float)most) : 1;
}

fv_quant_codes fv_quant_channels(fv_arena *a, const fv_tensor *w, int axis, int bits) {
    shape s = split_at(w, axis);
    int most = (1 << (bits - 1)) - 1;
    fv_quant_codes q = {.w = w,
                        .codes = FV_NEW(a, int8_t, w->count + 1),
                        .axis = axis,
                        .scales = FV_NEW(a, float, s.n + 1),
                        .nscales = s.n};
    const float *x = w->data;
    find_scales(x, s, most, q.scales);
    for (size_t k = 0, o = 0; o < s.outer; o++)
        for (size_t c = 0; c < s.n; c++)
            for (size_t i = 0; i < s.inner; i++, k++)
                q.codes[k] = code_of(x[k], q.scales[c], -most, most);
    return q;
}

/* ---- blocks ---- */

enum { MOST_BLOCK = 256 };

static double error_of(const float *x, size_t n, float scale, int lo, int hi) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)code_of(x[i], scale, lo, hi) * (double)scale;
        sum += d * d;
    }
    return sum;
}

/* The element with the largest magnitude gets code lo, since there is one more negative code than
 * there are positive ones; so the scale has the opposite sign of that element. Smaller scales cut
 * that element off and resolve the others better. */
static float scale_of(const float *x, size_t n, int lo, int hi) {
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fabsf(x[i]) > fabsf(largest) ? x[i] : largest;
    if (largest == 0)
        return 1;
    float best = usable(largest / (float)lo);
    if (hi > 7) /* with 8 bits the steps are fine enough */
        return best;
    double least = error_of(x, n, best, lo, hi);
    for (int percent = 70; percent < 110; percent += 5) {
        float scale = usable(largest / (float)lo * (float)percent / 100);
        double e = error_of(x, n, scale, lo, hi);
        if (e < least) {
            least = e;
            best = scale;
        }
    }
    return best;
}

static void encode_block(const float *from, size_t stride, size_t n, int lo, int hi, int8_t *codes,
                         float *scale) {
    float x[MOST_BLOCK];
    for (size_t i = 0; i < n; i++)
        x[i] = from[i * stride];
    *scale = scale_of(x, n, lo, hi);
    for (size_t i = 0; i < n; i++)
        codes[i * stride] = code_of(x[i], *scale, lo, hi);
}

fv_quant_codes fv_quant_blocks(fv_arena *a, const fv_tensor *w, int axis, int block, int bits) {
    shape s = split_at(w, axis);
    size_t size = (size_t)block, blocks = (s.n + size - 1) / size;
    int half = 1 << (bits - 1);
    fv_quant_codes q = {.w = w,
                        .codes = FV_NEW(a, int8_t, w->count + 1),
                        .axis = axis,
                        .block = block,
                        .nscales = s.outer * blocks * s.inner};
    q.scales = FV_NEW(a, float, q.nscales + 1);
    const float *x = w->data;
    for (size_t o = 0; o < s.outer; o++)
        for (size_t b = 0; b < blocks; b++)
            for (size_t i = 0; i < s.inner; i++) {
                size_t at = (o * s.n + b * size) * s.inner + i, left = s.n - b * size;
                encode_block(x + at, s.inner, left < size ? left : size, -half, half - 1,
                             q.codes + at, &q.scales[(o * blocks + b) * s.inner + i]);
            }
    return q;
}
