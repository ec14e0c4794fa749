/* measure.c - errors of a quantized model against the model as it is.
 *
 * The error of a float value is the root of the sum of squared differences over that of the squared
 * values of the reference, over all data sets. Elements that are not finite in the reference are
 * left out if they are equal; otherwise the error is infinite. Of integers and bools the error is
 * the fraction of elements that differ; strings are not compared. Without an element that can be
 * compared, no error is measured. The error of a model is the largest of its outputs. */
#include <math.h>
#include <string.h>

#include "tools/quantize/quantize.h"

typedef struct sums {
    double difference, reference; /* for floats sums of squares; for other types counts */
    size_t elements;              /* number of elements that were compared */
} sums;

static void add_float(sums *s, double got, double want) {
    if (!isfinite(want)) {
        if (got != want && !(isnan(got) && isnan(want)))
            s->difference = INFINITY;
        return;
    }
    double d = got - want;
    s->difference += isnan(d) ? INFINITY : d * d;
    s->reference += want * want;
}

static bool is_integer(const fv_tensor *t) {
    return fv_elem_is_int(t->elem) || t->elem == FV_BOOL;
}

/* The number of elements of t that can be compared. */
static size_t comparable(const fv_tensor *t) {
    return fv_elem_is_float(t->elem) || is_integer(t) ? t->count : 0;
}

/* Have a and b the same type and dims? Dims that depend on data may differ; the error is infinite
 * then. */
static bool has_same_shape(const fv_tensor *a, const fv_tensor *b) {
    return a->elem == b->elem && a->rank == b->rank &&
           (!a->rank || !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims));
}

static void add_difference(sums *s, const fv_tensor *got, const fv_tensor *want) {
    s->elements += comparable(want);
    if (!has_same_shape(got, want)) {
        s->difference = INFINITY;
        return;
    }
    for (size_t i = 0; i < want->count && fv_elem_is_float(want->elem); i++)
        add_float(s, fv_tensor_float(got, i), fv_tensor_float(want, i));
    for (size_t i = 0; i < want->count && is_integer(want); i++)
        s->difference += fv_tensor_int(got, i) != fv_tensor_int(want, i);
    if (is_integer(want))
        s->reference += (double)want->count;
}

static double error_of(const sums *s, bool integer) {
    if (s->difference == 0)
        return s->elements ? 0 : FV_NOT_MEASURED;
    double ratio = s->difference / s->reference;
    return integer ? fmin(ratio, 1) : sqrt(ratio);
}

/* ---- outputs ---- */

static fv_tensor copy_of(fv_arena *a, const fv_tensor *t) {
    fv_tensor copy = *t;
    int64_t *dims = FV_NEW(a, int64_t, t->rank + 1);
    void *data = fv_alloc_aligned(a, t->bytes + 1, 64);
    if (t->rank)
        memcpy(dims, t->dims, (size_t)t->rank * sizeof *dims);
    if (t->bytes && t->elem != FV_STRING)
        memcpy(data, t->data, t->bytes);
    copy.dims = dims;
    copy.data = data;
    return copy;
}

static bool keep(void *user, int set, int n, const fv_tensor *outputs) {
    fv_quantizing *q = user;
    q->noutputs = n;
    q->outputs[set] = FV_NEW(q->c->arena, fv_tensor, n + 1);
    for (int i = 0; i < n; i++)
        q->outputs[set][i] = copy_of(q->c->arena, &outputs[i]);
    return true;
}

bool fv_quant_reference(fv_quantizing *q) {
    q->outputs = FV_NEW(q->c->arena, fv_tensor *, q->nsets);
    if (!fv_quant_try(
            q, &(fv_quant_trial){
                   .nsets = q->nsets, .what = "the model as it is", .take = keep, .user = q}))
        return false;
    size_t elements = 0;
    for (int set = 0; set < q->nsets; set++)
        for (int i = 0; i < q->noutputs; i++)
            elements += comparable(&q->outputs[set][i]);
    return elements || q->wanted.budget < 0 ||
           fv_error(q->c->session,
                    "--budget=%g: with these inputs the outputs have no element that "
                    "is a number, so no error can be measured",
                    q->wanted.budget);
}

typedef struct comparison {
    const fv_quantizing *q;
    sums *sums; /* for each output */
} comparison;

static bool compare(void *user, int set, int n, const fv_tensor *outputs) {
    const comparison *k = user;
    for (int i = 0; i < n; i++)
        add_difference(&k->sums[i], &outputs[i], &k->q->outputs[set][i]);
    return true;
}

bool fv_quant_error(fv_quantizing *q, const fv_quant_type *types, const char *what, double *error) {
    fv_arena *a = fv_arena_new(q->c->session);
    comparison k = {q, FV_NEW(a, sums, q->noutputs + 1)};
    bool ok = fv_quant_try(
        q, &(fv_quant_trial){
               .types = types, .nsets = q->nsets, .what = what, .take = compare, .user = &k});
    *error = FV_NOT_MEASURED;
    for (int i = 0; i < q->noutputs; i++)
        *error = fmax(*error, error_of(&k.sums[i], is_integer(&q->outputs[0][i])));
    fv_arena_free(a);
    return ok;
}

/* ---- layer by layer ---- */

enum { SHOWN = 64 }; /* values that become outputs in one run; others remain fused */

typedef struct layers {
    fv_quantizing *q;
    fv_arena *arena;
    const char *names[SHOWN];
    int items[SHOWN], n;
    fv_tensor values[SHOWN]; /* values that the model computes before it is quantized */
} layers;

static bool keep_values(void *user, int set, int n, const fv_tensor *outputs) {
    layers *k = user;
    (void)set;
    for (int i = 0; i < k->n; i++)
        k->values[i] = copy_of(k->arena, &outputs[n - k->n + i]);
    return true;
}

static bool compare_values(void *user, int set, int n, const fv_tensor *outputs) {
    layers *k = user;
    (void)set;
    for (int i = 0; i < k->n; i++) {
        sums s = {0};
        add_difference(&s, &outputs[n - k->n + i], &k->values[i]);
        k->q->items[k->items[i]].here = error_of(&s, is_integer(&k->values[i]));
    }
    return true;
}

static bool measure_chunk(layers *k) {
    fv_quant_trial t = {.shown = k->names,
                        .nshown = k->n,
                        .nsets = 1,
                        .what = "results of layers",
                        .take = keep_values,
                        .user = k};
    k->arena = fv_arena_new(k->q->c->session);
    bool ok = fv_quant_try(k->q, &t);
    t.types = k->q->plan.types;
    t.take = compare_values;
    ok = ok && fv_quant_try(k->q, &t);
    fv_arena_free(k->arena);
    k->n = 0;
    return ok;
}

static bool is_listed(const layers *k, const char *name) {
    for (int i = 0; i < k->n; i++)
        if (!strcmp(k->names[i], name))
            return true;
    return false;
}

/* Copies the measured error between layers of one op, which have the same result: a value is made
 * an output only once. */
static void copy_to_equal(fv_quantizing *q) {
    for (int i = 1; i < q->n; i++)
        if (q->items[i].result && q->items[i - 1].result &&
            !strcmp(q->items[i].result, q->items[i - 1].result))
            q->items[i].here = q->items[i - 1].here;
}

bool fv_quant_measure_layers(fv_quantizing *q) {
    layers k = {.q = q};
    for (int i = 0; i < q->n; i++) {
        const char *result = q->items[i].result;
        if (!result || is_listed(&k, result))
            continue;
        k.items[k.n] = i;
        k.names[k.n++] = result;
        if (k.n == SHOWN && !measure_chunk(&k))
            return false;
    }
    if (k.n && !measure_chunk(&k))
        return false;
    copy_to_equal(q);
    return true;
}

bool fv_quant_measure_alone(fv_quantizing *q) {
    fv_quant_type *types = FV_NEW(q->c->arena, fv_quant_type, q->n + 1);
    for (int i = 0; i < q->n; i++)
        for (int t = 0; t < q->wanted.ntypes && !q->items[i].why_not; t++) {
            fv_quant_type type = q->wanted.types[t];
            types[i] = type;
            const char *what =
                fv_printf(q->c->arena, "%s as %s", q->items[i].name, fv_quant_type_name(type));
            if (!fv_quant_error(q, types, what, &q->items[i].alone[type]))
                return false;
            types[i] = FV_QUANT_F32;
        }
    return true;
}
