/* windows.h - the part of a buffer that the iterations of a loop access, axis by axis: windows of
 * consecutive iterations may overlap, as those of a filter do.
 *
 * On each axis, a window is an arithmetic progression of the indices that an iteration accesses,
 * relative to a base, which the variables of the surrounding loops move. */
#ifndef FV_BACKEND_COST_WINDOWS_H
#define FV_BACKEND_COST_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/answer.h"

enum { FV_WINDOW_AXES = 5, FV_WINDOW_TERMS = 4 };

/* An index moves by `step` from one iteration of a loop to the next. */
typedef struct fv_window_term {
    uint64_t loop; /* the bit of the loop in sets of loops */
    int64_t step;
} fv_window_term;

/* The indices from, from + gap, ..., to; gap 0: there is one index. To each of them the terms,
 * sorted by loops, and a rest are added. The rest is an unknown multiple of rest_unit; windows with
 * equal `rest` have equal rests. */
typedef struct fv_window_axis {
    int64_t from, to, gap;
    uint64_t rest;
    int64_t rest_unit;
    fv_window_term terms[FV_WINDOW_TERMS];
    int nterms;
} fv_window_axis;

typedef struct fv_windows {
    enum { FV_WINDOWS_NONE, FV_WINDOWS_KNOWN, FV_WINDOWS_UNKNOWN } are;
    int rank;
    fv_window_axis axis[FV_WINDOW_AXES];
} fv_windows;

/* Adds a term to an index. False: there are too many. */
bool fv_window_add(fv_window_axis *to, uint64_t loop, int64_t step) FV_MUST_USE;
/* Adds to the windows of a block those of another part of it. If their bases differ, the windows of
 * the block become unknown. */
void fv_windows_add(fv_windows *block, const fv_windows *part);
/* How many elements that `before` iterations have not accessed do the next `trips` iterations
 * access, if each iteration accesses `body`? The result is that number of elements divided by the
 * elements of one iteration; it is at most `trips`. */
double fv_windows_trips(const fv_windows *body, uint64_t loop, double before, double trips);
/* Adds what `trips` more iterations access to what `before` iterations have accessed. */
void fv_windows_repeat(fv_windows *all, const fv_windows *body, uint64_t loop, double before,
                       double trips);

#endif
