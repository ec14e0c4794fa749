/* compare.c - comparing outputs with references. */
#include "tools/data/compare.h"

#include <math.h>
#include <string.h>

#include "ir/base/text.h"

/* The number of bytes of the elements along an array's axis and all axes after it, if the axis has
 * n entries; *blocks: the number of such blocks in the array. */
static size_t block_of(const fv_array *x, int64_t n, size_t *blocks) {
    fv_array block = {.type = x->type, .rank = x->rank - x->axis};
    *blocks = 1;
    for (int i = 0; i < x->axis; i++)
        *blocks *= (size_t)x->dims[i];
    for (int i = x->axis; i < x->rank; i++)
        block.dims[i - x->axis] = i == x->axis ? n : x->dims[i];
    return fv_array_bytes(&block);
}

/* A contiguous copy of the elements of an array whose memory may have spare capacity along an
 * axis. */
static void *dense(fv_arena *a, const fv_array *x) {
    size_t blocks, from = block_of(x, x->capacity, &blocks),
                   to = block_of(x, x->dims[x->axis], &blocks);
    char *r = fv_alloc_aligned(a, blocks * to + 1, 64);
    for (size_t i = 0; i < blocks && to; i++)
        memcpy(r + i * to, (const char *)x->data + i * from, to);
    return r;
}

bool fv_array_add_room(fv_arena *a, fv_array *x, int axis, int64_t capacity) {
    fv_array with = *x;
    with.axis = axis;
    with.capacity = capacity;
    size_t blocks, bytes = fv_array_bytes(&with), to = block_of(&with, capacity, &blocks),
                   from = block_of(&with, x->dims[axis], &blocks);
    if (bytes == SIZE_MAX || capacity < x->dims[axis])
        return false;
    with.data = fv_alloc_aligned(a, bytes + 1, 64);
    for (size_t i = 0; i < blocks && from; i++)
        memcpy((char *)with.data + i * to, (const char *)x->data + i * from, from);
    *x = with;
    return true;
}

fv_tensor fv_array_tensor(fv_arena *a, const fv_array *x) {
    fv_tensor t = {.elem = (fv_elem)x->type, .rank = x->rank, .data = x->data, .count = 1};
    int64_t *dims = FV_NEW(a, int64_t, x->rank + 1);
    for (int i = 0; i < x->rank; i++) {
        dims[i] = x->dims[i];
        t.count *= (size_t)x->dims[i];
    }
    t.dims = dims;
    fv_array packed = *x;
    packed.capacity = 0;
    t.bytes = fv_array_bytes(&packed);
    if (x->capacity && x->capacity != x->dims[x->axis])
        t.data = dense(a, x);
    return t;
}

bool fv_tensor_array(fv_arena *a, const fv_tensor *t, fv_array *out) {
    if (t->rank > FV_ARRAY_RANK || t->elem == FV_STRING)
        return false;
    *out =
        (fv_array){.type = (int32_t)t->elem, .rank = t->rank, .data = (void *)(uintptr_t)t->data};
    for (int i = 0; i < t->rank; i++)
        out->dims[i] = t->dims[i];
    if ((uintptr_t)t->data % 16 && t->bytes) {
        out->data = fv_alloc_aligned(a, t->bytes, 64);
        memcpy(out->data, t->data, t->bytes);
    }
    return true;
}

static bool close_enough(double got, double want, double atol, double rtol) {
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return got == want;
    return fabs(got - want) <= atol + rtol * fabs(want);
}

/* The default tolerance: about one unit in the last place for f16 and bf16, otherwise the usual
 * difference between sums that are added in different orders. */
static double usual_tolerance(fv_elem e) {
    return e == FV_BF16 ? 1e-2 : e == FV_F16 ? 1e-3 : 1e-4;
}

static const char *other_shape(fv_arena *a, const fv_tensor *g, const fv_tensor *want) {
    bool same = g->elem == want->elem && g->rank == want->rank;
    for (int i = 0; same && i < g->rank; i++)
        same = g->dims[i] == want->dims[i];
    if (same)
        return NULL;
    fv_text t = {.arena = a};
    fv_text_printf(&t, "is %s[", fv_elem_name(g->elem));
    for (int i = 0; i < g->rank; i++)
        fv_text_printf(&t, "%s%lld", i ? ", " : "", (long long)g->dims[i]);
    fv_text_printf(&t, "], expected %s[", fv_elem_name(want->elem));
    for (int i = 0; i < want->rank; i++)
        fv_text_printf(&t, "%s%lld", i ? ", " : "", (long long)want->dims[i]);
    fv_text_put(&t, "]");
    return t.s;
}

static bool is_comparable(fv_elem e) {
    return fv_elem_is_float(e) || fv_elem_is_int(e) || e == FV_BOOL;
}

bool fv_compare(fv_arena *a, const fv_array *got, const fv_tensor *want, double atol, double rtol,
                const char **why) {
    fv_tensor g = fv_array_tensor(a, got);
    atol = atol < 0 ? usual_tolerance(g.elem) : atol;
    rtol = rtol < 0 ? usual_tolerance(g.elem) : rtol;
    *why = other_shape(a, &g, want);
    if (*why)
        return false;
    bool f = fv_elem_is_float(g.elem);
    if (!is_comparable(g.elem)) {
        *why = fv_printf(a, "is %s, which cannot be compared", fv_elem_name(g.elem));
        return false;
    }
    for (size_t i = 0; i < g.count; i++) {
        if (!f && fv_tensor_int(&g, i) == fv_tensor_int(want, i))
            continue;
        double x = f ? fv_tensor_float(&g, i) : (double)fv_tensor_int(&g, i);
        double y = f ? fv_tensor_float(want, i) : (double)fv_tensor_int(want, i);
        if (f && close_enough(x, y, atol, rtol))
            continue;
        *why = fv_printf(a, "element %zu is %.9g, expected %.9g", i, x, y);
        return false;
    }
    return true;
}

static const char *quoted(fv_arena *a, fv_string s) {
    enum { MOST = 60 };
    fv_text t = {.arena = a};
    fv_text_put(&t, "\"");
    fv_text_escaped(&t, s.s, s.n < MOST ? s.n : MOST, '"');
    fv_text_put(&t, s.n <= MOST ? "\"" : "\"...");
    return t.s;
}

bool fv_compare_strings(fv_arena *a, const fv_tensor *got, const fv_tensor *want,
                        const char **why) {
    const fv_string *x = got->data, *y = want->data;
    *why = other_shape(a, got, want);
    for (size_t i = 0; !*why && i < got->count; i++)
        if (x[i].n != y[i].n || (x[i].n && memcmp(x[i].s, y[i].s, x[i].n) != 0))
            *why =
                fv_printf(a, "element %zu is %s, expected %s", i, quoted(a, x[i]), quoted(a, y[i]));
    return !*why;
}

static double element(const fv_tensor *t, size_t i) {
    return fv_elem_is_float(t->elem) ? fv_tensor_float(t, i) : (double)fv_tensor_int(t, i);
}

static double distance(double x, double y) {
    if (x == y || (isnan(x) && isnan(y)))
        return 0;
    return isnan(x) || isnan(y) ? INFINITY : fabs(x - y);
}

/* The position of a float in the ordered list of all floats of its type, for differences in ulp; 0
 * for integers, and for floats of less than 16 bits. */
static uint64_t place_of(const fv_tensor *t, size_t i) {
    uint64_t bits = 0;
    int width = fv_elem_bits(t->elem);
    if (!fv_elem_is_float(t->elem) || width < 16)
        return 0;
    if (width == 16)
        bits = ((const uint16_t *)t->data)[i];
    else if (width == 32)
        bits = ((const uint32_t *)t->data)[i];
    else
        bits = ((const uint64_t *)t->data)[i];
    uint64_t top = UINT64_C(1) << (width - 1);
    return bits & top ? top - (bits - top) : top + bits;
}

static void note_numbers(fv_difference *d, const fv_tensor *g, const fv_tensor *w, size_t i,
                         double got, double want) {
    if (got == want || isnan(got) || isnan(want))
        return;
    double relative = want != 0 ? fabs(got - want) / fabs(want) : -1;
    uint64_t p = place_of(w, i), q = place_of(g, i), apart = p < q ? q - p : p - q;
    d->relative = relative > d->relative ? relative : d->relative;
    d->ulp = apart > d->ulp ? apart : d->ulp;
}

static void note_kinds(const fv_tensor *t, bool *nan, bool *inf) {
    for (size_t i = 0; i < t->count && fv_elem_is_float(t->elem); i++) {
        double e = fv_tensor_float(t, i);
        *nan |= isnan(e) != 0;
        *inf |= isinf(e) != 0;
    }
}

static fv_spread spread_of(const fv_tensor *g, const fv_tensor *w, double worst) {
    double squares = 0, gg = 0, ww = 0, gw = 0, least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < g->count; i++) {
        double x = element(g, i), y = element(w, i);
        squares += (x - y) * (x - y);
        gg += x * x;
        ww += y * y;
        gw += x * y;
        least = isfinite(y) && y < least ? y : least;
        most = isfinite(y) && y > most ? y : most;
    }
    bool finite = isfinite(squares) && isfinite(gg) && isfinite(ww);
    return (fv_spread){
        .rms = finite && g->count ? sqrt(squares / (double)g->count) : NAN,
        .of_range = isfinite(worst) && most > least ? worst / (most - least) : NAN,
        .cosine = finite && gg > 0 && ww > 0 ? fmax(-1, fmin(1, gw / (sqrt(gg) * sqrt(ww)))) : NAN};
}

fv_difference fv_differ_tensors(fv_arena *a, const fv_tensor *g, const fv_tensor *w, double atol,
                                double rtol) {
    fv_difference d = {.shape = other_shape(a, g, w), .count = g->count, .relative = -1};
    bool f = fv_elem_is_float(g->elem);
    d.atol = !f ? 0 : atol < 0 ? usual_tolerance(g->elem) : atol;
    d.rtol = !f ? 0 : rtol < 0 ? usual_tolerance(g->elem) : rtol;
    if (!d.shape && !is_comparable(g->elem))
        d.shape = fv_printf(a, "is %s, which cannot be compared", fv_elem_name(g->elem));
    note_kinds(g, &d.nan[0], &d.inf[0]);
    note_kinds(w, &d.nan[1], &d.inf[1]);
    for (size_t i = 0; !d.shape && i < g->count; i++) {
        double x = element(g, i), y = element(w, i), apart = distance(x, y);
        d.differing += !close_enough(x, y, d.atol, d.rtol);
        if (f)
            note_numbers(&d, g, w, i, x, y);
        if (i == 0 || apart > d.worst) {
            d.worst = apart;
            d.worst_at = i;
            d.got = x;
            d.want = y;
        }
    }
    if (!d.shape)
        d.spread = spread_of(g, w, d.worst);
    return d;
}

fv_difference fv_differ(fv_arena *a, const fv_array *got, const fv_array *want, double atol,
                        double rtol) {
    const fv_tensor g = fv_array_tensor(a, got), w = fv_array_tensor(a, want);
    return fv_differ_tensors(a, &g, &w, atol, rtol);
}
