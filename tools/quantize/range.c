/* range.c - ranges of activations from counts of their elements. */
#include <math.h>

#include "tools/quantize/quantize.h"

void fv_quant_count(fv_quant_counts *h, const fv_tensor *t, bool magnitudes) {
    double width = (h->hi - h->lo) / (double)FV_QUANT_BINS;
    for (size_t i = 0; i < t->count; i++) {
        double x = fv_tensor_float(t, i), at = ((magnitudes ? fabs(x) : x) - h->lo) / width;
        if (!(at > 0))
            at = 0;
        h->bins[at < FV_QUANT_BINS - 1 ? (int)at : FV_QUANT_BINS - 1]++;
        h->n++;
    }
}

/* The number of bins, from the first or the last on, that contain at most `most` elements. */
static int bins_within(const fv_quant_counts *h, double most, bool from_end) {
    double sum = 0;
    int n = 0;
    for (; n < FV_QUANT_BINS; n++) {
        sum += (double)h->bins[from_end ? FV_QUANT_BINS - 1 - n : n];
        if (sum > most)
            break;
    }
    return n;
}

fv_quant_range fv_quant_percentile(const fv_quant_counts *h, double percent) {
    double most = (double)h->n * (100 - percent) / 200,
           width = (h->hi - h->lo) / (double)FV_QUANT_BINS;
    return (fv_quant_range){(float)(h->lo + bins_within(h, most, false) * width),
                            (float)(h->hi - bins_within(h, most, true) * width)};
}

/* The divergence of the counts of the first n bins from what is left of them after rounding to
 * `levels` levels. Elements beyond the n bins are cut off: they count as elements of the last one.
 * An occupied bin gets the mean of the occupied bins of its level. */
static double divergence(const fv_quant_counts *h, int n, int levels) {
    double outside = 0, total = (double)h->n, inside = 0, d = 0;
    for (int i = n; i < FV_QUANT_BINS; i++)
        outside += (double)h->bins[i];
    for (int i = 0; i < n; i++)
        inside += (double)h->bins[i];
    if (inside == 0)
        return INFINITY;
    for (int level = 0; level < levels; level++) {
        int first = (int)((int64_t)level * n / levels),
            end = (int)((int64_t)(level + 1) * n / levels);
        double sum = 0, occupied = 0;
        for (int i = first; i < end; i++) {
            sum += (double)h->bins[i];
            occupied += h->bins[i] > 0;
        }
        for (int i = first; i < end; i++) {
            double p = ((double)h->bins[i] + (i == n - 1 ? outside : 0)) / total;
            double q = h->bins[i] ? sum / occupied / inside : 0;
            /* a bin whose only elements are cut-off ones has q = 0, in place of which 1e-9 is
             * used */
            if (p > 0)
                d += p * log(p / (q > 0 ? q : 1e-9));
        }
    }
    return d;
}

double fv_quant_entropy(const fv_quant_counts *h, int levels) {
    enum { STEP = 16 };
    double least = INFINITY, width = (h->hi - h->lo) / (double)FV_QUANT_BINS;
    int best = FV_QUANT_BINS;
    for (int n = levels; n <= FV_QUANT_BINS; n += STEP) {
        double d = divergence(h, n, levels);
        if (d < least) {
            least = d;
            best = n;
        }
    }
    return h->lo + best * width;
}
