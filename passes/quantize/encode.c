/* encode.c - computes codes and scales of a weight. */
#include "passes/quantize/encode.h"

#include <float.h>
#include <math.h>
#include <string.h>

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

/* Element i of a weight, which may have any alignment in a file. */
static float element(const void *weight, size_t i) {
    float x;
    memcpy(&x, (const char *)weight + i * sizeof x, sizeof x);
    return x;
}

size_t fv_quant_bad_element(const fv_tensor *w, double most) {
    for (size_t i = 0; i < w->count; i++)
        if (!(fabs((double)element(w->data, i)) <= most))
            return i;
    return w->count;
}

/* The scale and the zero point of some elements, and the limits of their codes. */
typedef struct coding {
    float scale;
    int zero, lo, hi;
} coding;

static int8_t code_of(float x, coding c) {
    float q = rintf(x / c.scale) + (float)c.zero;
    return (int8_t)(q<(float)c.lo ? c.lo : q>(float) c.hi ? c.hi : (int)q);
}

/* The scale, or the smallest normal number in place of a scale that is 0 or denormal, which would
 * make codes infinite or coarse. All elements with such a scale are tiny. */
static float usable(float scale) {
    return fabsf(scale) < FLT_MIN ? FLT_MIN : scale;
}

/* The coding whose codes from lo to hi span the range from `least` to `most`. The range is extended
 * to contain 0, which is represented exactly, by the zero point. */
static coding coding_of_range(float least, float most, int lo, int hi) {
    const float steps = (float)(hi - lo);
    least = fminf(least, 0);
    most = fmaxf(most, 0);
    coding c = {1, 0, lo, hi};
    if (most > least) {
        c.scale = usable(most / steps - least / steps);
        c.zero = (int)fminf(fmaxf(rintf((float)lo - least / c.scale), (float)lo), (float)hi);
    }
    return c;
}

/* ---- channels ---- */

typedef struct range {
    float least, most; /* of the elements and 0 */
} range;

static range *ranges_of(fv_arena *a, const void *weight, shape s) {
    range *r = FV_NEW(a, range, s.n + 1);
    for (size_t k = 0, o = 0; o < s.outer; o++)
        for (size_t c = 0; c < s.n; c++)
            for (size_t i = 0; i < s.inner; i++, k++) {
                r[c].least = fminf(r[c].least, element(weight, k));
                r[c].most = fmaxf(r[c].most, element(weight, k));
            }
    return r;
}

/* A channel of a factor of integers whose elements are so much smaller than the largest one of the
 * weight gets a larger scale than it needs. Training leaves filters of 1e-30 that add nothing to a
 * result, and such scales would rule out products of integers, whose scales are multiplied. */
static const float LEAST_SCALE = 1e-7F;

static float largest_of(range r) {
    return fmaxf(-r.least, r.most);
}

static range all_of(const range *r, size_t n) {
    range all = {0, 0};
    for (size_t i = 0; i < n; i++) {
        all.least = fminf(all.least, r[i].least);
        all.most = fmaxf(all.most, r[i].most);
    }
    return all;
}

/* all: the range of the elements of all channels. */
static coding coding_of_channel(range r, range all, fv_quant_form form) {
    int half = 1 << (form.bits - 1);
    float least = form.product ? largest_of(all) * LEAST_SCALE : 0;
    if (largest_of(r) > 0 && largest_of(r) < least)
        r = (range){r.least < 0 ? -least : 0, r.most > 0 ? least : 0};
    if (form.zero_points)
        return coding_of_range(r.least, r.most, -half, half - 1);
    float scale = largest_of(r) > 0 ? usable(largest_of(r) / (float)(half - 1)) : 1;
    return (coding){scale, 0, -(half - 1), half - 1};
}

fv_quant_codes fv_quant_channels(fv_arena *a, const fv_tensor *w, int axis, fv_quant_form form) {
    shape s = split_at(w, axis);
    fv_quant_codes q = {.w = w,
                        .codes = FV_NEW(a, int8_t, w->count + 1),
                        .axis = axis,
                        .scales = FV_NEW(a, float, s.n + 1),
                        .zeros = form.zero_points ? FV_NEW(a, int8_t, s.n + 1) : NULL,
                        .nscales = s.n};
    const range *ranges = ranges_of(a, w->data, s), all = all_of(ranges, s.n);
    coding *codings = FV_NEW(a, coding, s.n + 1);
    for (size_t c = 0; c < s.n; c++) {
        codings[c] = coding_of_channel(ranges[c], all, form);
        q.scales[c] = codings[c].scale;
        if (q.zeros)
            q.zeros[c] = (int8_t)codings[c].zero;
    }
    for (size_t k = 0, o = 0; o < s.outer; o++)
        for (size_t c = 0; c < s.n; c++)
            for (size_t i = 0; i < s.inner; i++, k++)
                q.codes[k] = code_of(element(w->data, k), codings[c]);
    return q;
}

/* ---- blocks ---- */

enum { MOST_BLOCK = 256 };

static double error_of(const float *x, size_t n, coding c) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)(code_of(x[i], c) - c.zero) * (double)c.scale;
        sum += d * d;
    }
    return sum;
}

/* A block's elements with the smallest and the largest value, or 0, and with the largest
 * magnitude. */
typedef struct extremes {
    float least, most, largest;
} extremes;

static extremes extremes_of(const float *x, size_t n) {
    extremes e = {0, 0, 0};
    for (size_t i = 0; i < n; i++) {
        e.least = fminf(e.least, x[i]);
        e.most = fmaxf(e.most, x[i]);
        e.largest = fabsf(x[i]) > fabsf(e.largest) ? x[i] : e.largest;
    }
    return e;
}

/* The coding of a block whose range is multiplied by times / by: a smaller range cuts off the
 * largest elements, and resolves the others better. Without zero points, the element with the
 * largest magnitude gets the code -half, since there is one more negative code than there are
 * positive ones; so the scale has the opposite sign of that element. */
static coding coding_of_block(extremes e, float times, float by, int half, bool zero_points) {
    if (zero_points)
        return coding_of_range(e.least * times / by, e.most * times / by, -half, half - 1);
    float scale = e.largest == 0 ? 1 : usable(e.largest / (float)-half * times / by);
    return (coding){scale, 0, -half, half - 1};
}

static coding best_coding(const float *x, size_t n, int half, bool zero_points) {
    const extremes e = extremes_of(x, n);
    coding best = coding_of_block(e, 1, 1, half, zero_points);
    if (half > 8 || e.largest == 0) /* codes of 8 bits gain little by the search */
        return best;
    double least = error_of(x, n, best);
    for (int percent = 70; percent < 110; percent += 5) {
        coding c = coding_of_block(e, (float)percent, 100, half, zero_points);
        double error = error_of(x, n, c);
        if (error < least) {
            least = error;
            best = c;
        }
    }
    return best;
}

/* Encodes the n elements from number `first` of the weight on, which are `stride` apart, and stores
 * their codes in the same places of `codes`. */
static coding encode_block(const void *weight, size_t first, size_t stride, size_t n, int half,
                           bool zero_points, int8_t *codes) {
    float x[MOST_BLOCK];
    for (size_t i = 0; i < n; i++)
        x[i] = element(weight, first + i * stride);
    coding c = best_coding(x, n, half, zero_points);
    for (size_t i = 0; i < n; i++)
        codes[first + i * stride] = code_of(x[i], c);
    return c;
}

fv_quant_codes fv_quant_blocks(fv_arena *a, const fv_tensor *w, int axis, int block, int bits,
                               bool zero_points) {
    shape s = split_at(w, axis);
    size_t size = (size_t)block, blocks = (s.n + size - 1) / size;
    fv_quant_codes q = {.w = w,
                        .codes = FV_NEW(a, int8_t, w->count + 1),
                        .axis = axis,
                        .block = block,
                        .nscales = s.outer * blocks * s.inner};
    q.scales = FV_NEW(a, float, q.nscales + 1);
    q.zeros = zero_points ? FV_NEW(a, int8_t, q.nscales + 1) : NULL;
    for (size_t o = 0; o < s.outer; o++)
        for (size_t b = 0; b < blocks; b++)
            for (size_t i = 0; i < s.inner; i++) {
                size_t at = (o * s.n + b * size) * s.inner + i, left = s.n - b * size;
                coding c = encode_block(w->data, at, s.inner, left < size ? left : size,
                                        1 << (bits - 1), zero_points, q.codes);
                size_t k = (o * blocks + b) * s.inner + i;
                q.scales[k] = c.scale;
                if (q.zeros)
                    q.zeros[k] = (int8_t)c.zero;
            }
    return q;
}
