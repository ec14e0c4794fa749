/* windows.c - see windows.h. */
#include "backend/cost/windows.h"

#include <math.h>
#include <stdlib.h>

#include "ir/base/divisor.h"

/* Indices farther apart count as being so far apart: their sums must not overflow. */
#define FARTHEST 0x1p60

bool fv_window_add(fv_window_axis *to, uint64_t loop, int64_t step) {
    int i = 0;
    while (i < to->nterms && to->terms[i].loop < loop)
        i++;
    if (i < to->nterms && to->terms[i].loop == loop) {
        to->terms[i].step += step;
        return true;
    }
    if (to->nterms == FV_WINDOW_TERMS)
        return false;
    for (int k = to->nterms++; k > i; k--)
        to->terms[k] = to->terms[k - 1];
    to->terms[i] = (fv_window_term){loop, step};
    return true;
}

static bool same_base(const fv_window_axis *a, const fv_window_axis *b) {
    if (a->rest != b->rest || a->nterms != b->nterms)
        return false;
    for (int i = 0; i < a->nterms; i++)
        if (a->terms[i].loop != b->terms[i].loop || a->terms[i].step != b->terms[i].step)
            return false;
    return true;
}

void fv_windows_add(fv_windows *block, const fv_windows *part) {
    if (block->are == FV_WINDOWS_NONE || part->are == FV_WINDOWS_NONE) {
        *block = part->are == FV_WINDOWS_NONE ? *block : *part;
        return;
    }
    bool known = block->are == FV_WINDOWS_KNOWN && part->are == FV_WINDOWS_KNOWN &&
                 block->rank == part->rank;
    for (int i = 0; i < part->rank && known; i++)
        known = same_base(&block->axis[i], &part->axis[i]);
    if (!known) {
        *block = (fv_windows){.are = FV_WINDOWS_UNKNOWN};
        return;
    }
    for (int i = 0; i < part->rank; i++) {
        fv_window_axis *a = &block->axis[i];
        const fv_window_axis *b = &part->axis[i];
        a->gap = fv_common_divisor(fv_common_divisor(a->gap, b->gap), a->from - b->from);
        a->from = b->from < a->from ? b->from : a->from;
        a->to = b->to > a->to ? b->to : a->to;
    }
}

/* The axis along which the loop moves the window, and its step; NULL: it moves it along none or
 * several, or it is not known. */
static const fv_window_axis *moving_axis(const fv_windows *w, uint64_t loop, int64_t *step) {
    const fv_window_axis *found = NULL;
    int n = 0;
    for (int i = 0; i < w->rank && w->are == FV_WINDOWS_KNOWN; i++)
        for (int k = 0; k < w->axis[i].nterms; k++)
            if (w->axis[i].terms[k].loop == loop) {
                found = &w->axis[i];
                *step = llabs(w->axis[i].terms[k].step);
                n++;
            }
    return n == 1 ? found : NULL;
}

static double indices_of(const fv_window_axis *a) {
    return a->gap > 0 ? (double)((a->to - a->from) / a->gap) + 1 : 1;
}

double fv_windows_trips(const fv_windows *body, uint64_t loop, double before, double trips) {
    int64_t step = 0;
    const fv_window_axis *a = moving_axis(body, loop, &step);
    int64_t gap = a ? fv_common_divisor(a->gap, step) : 0;
    if (!gap)
        return trips;
    double n = indices_of(a), length = (double)(a->to - a->from) + (double)gap,
           first = before > 0
                       ? fmin(n * before, (length + (double)step * (before - 1)) / (double)gap)
                       : 0,
           all = fmin(n * (before + trips),
                      (length + (double)step * (before + trips - 1)) / (double)gap);
    return fmin(fmax(all - first, 0) / n, trips);
}

void fv_windows_repeat(fv_windows *all, const fv_windows *body, uint64_t loop, double before,
                       double trips) {
    fv_windows w = *body;
    for (int i = 0; i < w.rank && w.are == FV_WINDOWS_KNOWN; i++) {
        fv_window_axis *a = &w.axis[i];
        int n = 0;
        for (int k = 0; k < a->nterms; k++) {
            int64_t step = a->terms[k].step;
            if (a->terms[k].loop != loop) {
                a->terms[n++] = a->terms[k];
                continue;
            }
            double exact = (double)step * (before + trips - 1);
            int64_t far = (int64_t)fmin(fmax(exact, -FARTHEST), FARTHEST);
            a->gap = fv_common_divisor(a->gap, step);
            a->to += far > 0 ? far : 0;
            a->from += far < 0 ? far : 0;
        }
        a->nterms = n;
    }
    fv_windows_add(all, &w);
}
