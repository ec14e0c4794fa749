/* search.c - which layers become narrow within a budget for the error of the outputs.
 *
 * Errors of layers alone say in which order layers are worth trying. They do not add up exactly, so
 * every plan that is taken was run, and its error was within the budget. */
#include <stdlib.h>
#include <string.h>

#include "tools/quantize/quantize.h"

static bool try_plan(fv_quantizing *q, const fv_quant_type *types, const char *what, bool *fits) {
    double error;
    if (!fv_quant_error(q, types, what, &error))
        return false;
    *fits = error <= q->wanted.budget;
    if (*fits) {
        memcpy(q->plan.types, types, (size_t)q->n * sizeof *types);
        q->plan.error = error;
    }
    return true;
}

/* Begins with the plan in which all layers are f32, whose error is 0. */
static void begin(fv_quantizing *q) {
    memset(q->plan.types, 0, (size_t)q->n * sizeof *q->plan.types);
    q->plan.error = 0;
}

/* ---- a threshold ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The errors of layers alone, ascending. */
static int list_errors(const fv_quantizing *q, double *out) {
    int n = 0;
    for (int i = 0; i < q->n; i++)
        for (int t = 0; t < q->wanted.ntypes && !q->items[i].why_not; t++)
            out[n++] = q->items[i].alone[q->wanted.types[t]];
    if (n)
        qsort(out, (size_t)n, sizeof *out, by_value);
    return n;
}

/* Gives each layer the narrowest type with which the error of the outputs is at most `most` if only
 * that layer is quantized. */
static void choose_below(const fv_quantizing *q, double most, fv_quant_type *types) {
    for (int i = 0; i < q->n; i++) {
        types[i] = FV_QUANT_F32;
        for (int t = 0; t < q->wanted.ntypes && !q->items[i].why_not; t++)
            if (q->items[i].alone[q->wanted.types[t]] <= most)
                types[i] = q->wanted.types[t];
    }
}

/* Finds the threshold for the errors of layers alone by bisection over their sorted list: if the
 * `low` smallest errors are allowed the plan fits the budget, with the `high` smallest ones it does
 * not. */
static bool bisect(fv_quantizing *q) {
    fv_arena *a = q->c->arena;
    double *errors = FV_NEW(a, double, q->n * q->wanted.ntypes + 1);
    fv_quant_type *types = FV_NEW(a, fv_quant_type, q->n + 1);
    int low = 0, high = list_errors(q, errors) + 1;
    for (int middle = high - 1; low + 1 < high; middle = low + (high - low) / 2) {
        bool fits;
        choose_below(q, errors[middle - 1], types);
        if (!try_plan(q, types,
                      fv_printf(a, "layers whose error alone is up to %.3g", errors[middle - 1]),
                      &fits))
            return false;
        *(fits ? &low : &high) = middle;
    }
    return true;
}

/* ---- one layer after the other ---- */

/* Tries narrower types for a layer, the narrowest first. */
static bool narrow(fv_quantizing *q, int i, bool *changed) {
    fv_quant_type *types = FV_NEW(q->c->arena, fv_quant_type, q->n + 1);
    memcpy(types, q->plan.types, (size_t)q->n * sizeof *types);
    for (int t = q->wanted.ntypes - 1; t >= 0 && q->wanted.types[t] > q->plan.types[i]; t--) {
        bool fits;
        types[i] = q->wanted.types[t];
        const char *what = fv_printf(q->c->arena, "%s as %s besides the others", q->items[i].name,
                                     fv_quant_type_name(types[i]));
        q->most += q->trials >= q->most;
        if (!try_plan(q, types, what, &fits))
            return false;
        if (fits) {
            *changed = true;
            return true;
        }
    }
    return true;
}

/* Layers in the order of the bytes of their weights, the largest first, since these save most. */
static int *by_size(const fv_quantizing *q) {
    int *order = FV_NEW(q->c->arena, int, q->n + 1);
    for (int i = 0; i < q->n; i++) {
        int k = i;
        for (;
             k > 0 && q->items[order[k - 1]].bytes[FV_QUANT_F32] < q->items[i].bytes[FV_QUANT_F32];
             k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    return order;
}

/* A layer that does not fit may fit after another one became narrower, because errors may cancel.
 * So the search ends when no layer at all could become narrower since the last change. */
static bool narrow_all(fv_quantizing *q) {
    const int *order = by_size(q);
    for (int i = 0, since = 0; since < q->n; i = (i + 1) % q->n, since++) {
        bool changed = false;
        if (!q->items[order[i]].why_not && !narrow(q, order[i], &changed))
            return false;
        if (changed)
            since = -1;
    }
    return true;
}

bool fv_quant_keep_sensitive(fv_quantizing *q) {
    begin(q);
    return bisect(q);
}

bool fv_quant_search(fv_quantizing *q) {
    begin(q);
    return bisect(q) && narrow_all(q);
}
