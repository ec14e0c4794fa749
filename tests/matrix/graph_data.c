/* graph_data.c - contents of parameters and constants of random graphs. */
#include "tests/matrix/graph_data.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/type/tensor.h"

static double uniform(rng *r) { /* -1 ... 1 */
    return (double)(rng_next(r) >> 11) * 0x1p-52 - 1;
}

/* A float that the flavour of the graph allows. */
static double plain_float(const graph *g, rng *r) {
    if (g->flavour == GRID)
        return rng_below(r, 9) - 4;
    return 2 * uniform(r);
}

static void shuffle(rng *r, int64_t *list, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = rng_below(r, (int)i + 1), t = list[i];
        list[i] = list[k];
        list[k] = t;
    }
}

static int64_t plain_int(const gvalue *v, rng *r) {
    if (v->elem == FV_BOOL)
        return rng_below(r, 2);
    return rng_below(r, 21) - (fv_elem_is_signed(v->elem) ? 10 : 0);
}

static int64_t one_int(const gvalue *v, rng *r, int64_t at, const int64_t *order) {
    int range = v->range > 0 ? (int)v->range : 1;
    switch (v->data) {
    case DATA_PLAIN: return plain_int(v, r);
    case DATA_INDEX: return rng_below(r, 2 * range) - range;
    case DATA_COUNT: return rng_below(r, range);
    case DATA_EXACTLY: return v->content[at];
    case DATA_UNIQUE: return order[at % range];
    }
    return 0;
}

/* Changes the dims n of one input in six: one axis becomes longer, shorter or empty, so that it may
 * contradict the dims of other inputs. */
static void lead_dims_astray(rng *r, const gvalue *v, int64_t *n) {
    static const int64_t steps[] = {1, -1, 3, INT64_MIN};
    if (v->data == DATA_EXACTLY || !v->rank || rng_below(r, 6))
        return;
    int axis = rng_below(r, v->rank);
    int64_t step = steps[rng_below(r, 4)];
    n[axis] = step < -n[axis] ? 0 : n[axis] + step;
}

/* Returns x, or for one element in 20 of an input that is not arbitrary data a faulty value: an
 * index just out of range, or, if x is the only legal value, as in a shape, x + 1 or x - 1. */
static int64_t astray(rng *r, const gvalue *v, int64_t x) {
    if (v->data == DATA_PLAIN || rng_below(r, 20))
        return x;
    if (v->data == DATA_EXACTLY)
        return x + (rng_below(r, 2) ? 1 : -1);
    return rng_below(r, 2) ? v->range : -v->range - 1;
}

/* Adds two random numbers to x: one of at most 16 rounding units relative to x, one absolute. */
static double changed(const graph *g, rng *r, double x) {
    double unit = ldexp(1, g->elem == FV_BF16 ? -4 : g->elem == FV_F16 ? -7 : -20);
    return x + x * unit * uniform(r) + unit / 4 * uniform(r);
}

void graph_data(const graph *g, const gvalue *v, int change, uint64_t seed, fv_array *out) {
    rng r = {seed}, other = {seed + (uint64_t)change * 0x9e3779b9u};
    *out = (fv_array){.type = v->elem, .rank = v->rank};
    memcpy(out->dims, v->n, sizeof v->n);
    if (change < 0)
        lead_dims_astray(&other, v, out->dims);
    size_t bytes = fv_array_bytes(out);
    fv_tensor *t = fv_tensor_new(g->arena, v->elem, v->rank, out->dims);
    out->data = fv_alloc_aligned(g->arena, bytes + 64, 64);
    bool moved = fv_elem_is_packed(v->elem) || fv_elem_bits(v->elem) == 8;
    if (v->data == DATA_PLAIN && (g->flavour == WILD || (moved && fv_elem_is_float(v->elem)))) {
        if (fv_elem_is_packed(v->elem))
            for (size_t i = 0; i < bytes; i++)
                ((unsigned char *)out->data)[i] = (unsigned char)rng_next(&r);
        else
            gen_data(&r, v->elem, out->data, bytes);
        return;
    }
    int64_t range = v->data == DATA_UNIQUE ? v->range : 0,
            *order = FV_NEW(g->arena, int64_t, range + 1);
    for (int64_t i = 0; i < range; i++)
        order[i] = i;
    shuffle(&r, order, range);
    for (size_t i = 0; t && i < t->count; i++) {
        if (!fv_elem_is_float(v->elem)) {
            int64_t x = one_int(v, &r, (int64_t)i, order);
            fv_tensor_set_int(t, i, change < 0 ? astray(&other, v, x) : x);
            continue;
        }
        double x = v->data == DATA_EXACTLY ? (double)v->content[i] : plain_float(g, &r);
        fv_tensor_set_float(t, i, change > 0 && v->data == DATA_PLAIN ? changed(g, &other, x) : x);
    }
    if (t && bytes)
        memcpy(out->data, t->data, bytes);
}

static void print_element(fv_text *out, const fv_tensor *t, size_t i) {
    if (!fv_elem_is_float(t->elem)) {
        int64_t v = fv_tensor_int(t, i);
        if (v == INT64_MIN) /* its magnitude is no decimal that the notation has */
            fv_text_put(out, "-0x8000000000000000");
        else
            fv_text_printf(out, t->elem == FV_U64 && v < 0 ? "0x%" PRIx64 : "%" PRId64, v);
        return;
    }
    double x = fv_tensor_float(t, i);
    if (isnan(x))
        fv_text_put(out, "nan");
    else if (isinf(x))
        fv_text_put(out, x < 0 ? "-inf" : "inf");
    else
        fv_text_printf(out, t->elem == FV_F64 ? "%.17g" : "%.9g", x);
}

void graph_data_print(fv_text *out, const fv_array *x) {
    fv_tensor t = {.elem = (fv_elem)x->type,
                   .rank = x->rank,
                   .dims = x->dims,
                   .count = 1,
                   .bytes = fv_array_bytes(x),
                   .data = x->data};
    for (int i = 0; i < x->rank; i++)
        t.count *= (size_t)x->dims[i];
    if (x->rank)
        fv_text_put(out, "[");
    for (size_t i = 0; i < t.count; i++) {
        fv_text_put(out, i ? ", " : "");
        print_element(out, &t, i);
    }
    if (x->rank)
        fv_text_put(out, "]");
}
