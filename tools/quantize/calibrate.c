/* calibrate.c - `fovea quantize --calibrate`: ranges of the activations that layers multiply with
 * their weights, measured on data sets.
 *
 * The model as it is runs with these activations as outputs: once for their least and largest
 * elements, and, if the method needs it, once more to count elements between them. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/quantize/quantize.h"

/* ---- data sets ---- */

static bool is_data_set(fv_arena *a, const char *folder) {
    return !access(fv_printf(a, "%s/input_0.pb", folder), R_OK);
}

static int by_name(const void *a, const void *b) {
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lists the folder itself if it is a data set (it has input_0.pb), otherwise the folders in it that
 * are. */
bool fv_quant_find_sets(fv_quantizing *q, const char *folder) {
    fv_arena *a = q->c->arena;
    int n = 0, cap = 0;
    if (is_data_set(a, folder)) {
        FV_PUSH(a, q->sets, n, cap, folder);
        q->nsets = n;
        return true;
    }
    DIR *d = opendir(folder);
    if (!d)
        return fv_error(q->c->session, "--calibrate=%s is no folder that can be read", folder);
    for (struct dirent *e; (e = readdir(d));) {
        const char *path = fv_printf(a, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && is_data_set(a, path))
            FV_PUSH(a, q->sets, n, cap, path);
    }
    closedir(d);
    if (!n)
        return fv_error(q->c->session,
                        "--calibrate=%s has no data sets: folders with input_0.pb, ...", folder);
    qsort(q->sets, (size_t)n, sizeof *q->sets, by_name);
    q->nsets = n;
    return true;
}

/* ---- observing ---- */

enum { SHOWN = 64 }; /* activations that become outputs in one run */

typedef struct watched {
    const char *name;
    const char *node, *op; /* name and operator of the first layer that reads the activation */
    double lo, hi;
    fv_quant_counts *counts;
} watched;

typedef struct observer {
    fv_quantizing *q;
    watched *at;
    int n, cap;
    int first, shown; /* the first activation that the current run shows, and their number */
    bool counts, magnitudes;
} observer;

static void watch(observer *o, const fv_quant_item *it, const fv_quant_measured *v) {
    bool known = !v->name;
    for (int i = 0; i < o->n && !known; i++)
        known = !strcmp(o->at[i].name, v->name);
    if (known)
        return;
    watched w = {.name = v->name, .node = it->name, .op = it->op, .lo = 0, .hi = 0};
    FV_PUSH(o->q->c->arena, o->at, o->n, o->cap, w);
}

static bool extend(const observer *o, watched *w, const fv_tensor *t, int set) {
    for (size_t i = 0; i < t->count; i++) {
        double x = fv_tensor_float(t, i);
        if (!isfinite(x))
            return fv_error_node(o->q->c->session, w->node, w->op,
                                 "element %zu of its input '%s' is %g on data set '%s', so it has "
                                 "no range; --skip leaves the layer as it is",
                                 i, w->name, x, o->q->sets[set]);
        w->lo = fmin(w->lo, x);
        w->hi = fmax(w->hi, x);
    }
    return true;
}

static bool observe(void *user, int set, int n, const fv_tensor *outputs) {
    observer *o = user;
    for (int i = 0; i < o->shown; i++) {
        watched *w = &o->at[o->first + i];
        const fv_tensor *t = &outputs[n - o->shown + i];
        if (o->counts)
            fv_quant_count(w->counts, t, o->magnitudes);
        else if (!extend(o, w, t, set))
            return false;
    }
    return true;
}

static bool run_all(observer *o) {
    const char *names[SHOWN];
    for (o->first = 0; o->first < o->n; o->first += o->shown) {
        o->shown = o->n - o->first < SHOWN ? o->n - o->first : SHOWN;
        for (int i = 0; i < o->shown; i++)
            names[i] = o->at[o->first + i].name;
        if (!fv_quant_try(o->q, &(fv_quant_trial){.shown = names,
                                                  .nshown = o->shown,
                                                  .nsets = o->q->nsets,
                                                  .what = "ranges of activations",
                                                  .take = observe,
                                                  .user = o}))
            return false;
    }
    return true;
}

/* ---- ranges ---- */

static bool count_all(observer *o, bool magnitudes) {
    o->counts = true;
    o->magnitudes = magnitudes;
    for (int i = 0; i < o->n; i++) {
        watched *w = &o->at[i];
        w->counts = FV_NEW(o->q->c->arena, fv_quant_counts, 1);
        w->counts->lo = magnitudes ? 0 : w->lo;
        w->counts->hi = magnitudes ? fmax(-w->lo, w->hi) : w->hi;
        if (w->counts->hi == w->counts->lo) /* all elements are 0 */
            w->counts->hi = w->counts->lo + 1;
    }
    return run_all(o);
}

static fv_quant_range range_of(const watched *w, const char *method, double percentile) {
    if (!strcmp(method, "percentile"))
        return fv_quant_percentile(w->counts, percentile);
    if (!strcmp(method, "entropy")) {
        double most = fv_quant_entropy(w->counts, w->lo < 0 && w->hi > 0 ? 128 : 256);
        return (fv_quant_range){(float)fmax(w->lo, -most), (float)fmin(w->hi, most)};
    }
    return (fv_quant_range){(float)w->lo, (float)w->hi};
}

static void give_range(fv_quant_measured *v, const char *name, fv_quant_range r) {
    if (!v->name || strcmp(v->name, name))
        return;
    v->range = r;
    v->has_range = true;
}

static void give_ranges(const observer *o, const char *method, double percentile) {
    for (int i = 0; i < o->n; i++) {
        fv_quant_range r = range_of(&o->at[i], method, percentile);
        for (int k = 0; k < o->q->n; k++) {
            fv_quant_item *it = &o->q->items[k];
            give_range(&it->input, o->at[i].name, r);
            /* a range that is cut off would shift the average of all elements */
            give_range(&it->averaged, o->at[i].name, range_of(&o->at[i], "minmax", 0));
        }
    }
}

bool fv_quant_calibrate(fv_quantizing *q, const char *method, double percentile) {
    observer o = {.q = q};
    for (int i = 0; i < q->n; i++)
        if (!q->items[i].why_not) {
            watch(&o, &q->items[i], &q->items[i].input);
            watch(&o, &q->items[i], &q->items[i].averaged);
        }
    if (!run_all(&o) || (strcmp(method, "minmax") && !count_all(&o, !strcmp(method, "entropy"))))
        return false;
    give_ranges(&o, method, percentile);
    return true;
}
