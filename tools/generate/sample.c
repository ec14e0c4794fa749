/* sample.c - see sample.h. */
#include "tools/generate/sample.h"

#include <math.h>
#include <stdlib.h>

/* exp(x) = 2^k exp(r) with |r| <= ln(2) / 2, where the Taylor polynomial of degree 13 suffices.
 * ln(2) is split in two, so that k * ln(2) has no rounding error that matters. */
double fv_sample_exp(double x) {
    if (!(x >= -708))
        return 0;
    double k = (double)(int)(x * 1.4426950408889634 - 0.5);
    double r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
    double sum = 1;
    for (int i = 13; i > 0; i--)
        sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

static int64_t largest(int64_t n, const double *logits) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (logits[i] == logits[i] && (best < 0 || logits[i] > logits[best]))
            best = i;
    return best;
}

/* Sorts by descending weight, equal weights by ascending id. */
static int by_weight(const void *a, const void *b) {
    const fv_candidate *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void swap(fv_candidate *a, fv_candidate *b) {
    fv_candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* Moves the k first candidates in the order of by_weight to the front, in any order: Hoare's
 * selection. */
static void select_first(fv_candidate *c, int64_t n, int64_t k) {
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        fv_candidate pivot = c[lo + (hi - lo) / 2];
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (by_weight(&c[i], &pivot) < 0)
                i++;
            while (by_weight(&c[j], &pivot) > 0)
                j--;
            if (i <= j)
                swap(&c[i++], &c[j--]);
        }
        if (k - 1 <= j)
            hi = j;
        else if (k - 1 >= i)
            lo = i;
        else
            return;
    }
}

static double sum_of(int64_t n, const fv_candidate *c) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += c[i].weight;
    return sum;
}

/* Removes candidates that top_p cannot include: those lighter than (1 - p) / n of the sum make up
 * less than 1 - p of it together. This spares sorting them. Returns how many are left. */
static int64_t drop_light(fv_candidate *c, int64_t n, double p, double sum) {
    double least = (1 - p) * sum / (double)n;
    int64_t left = 0;
    for (int64_t i = 0; i < n; i++)
        if (c[i].weight >= least)
            c[left++] = c[i];
    return left;
}

/* Sorts the candidates and returns how many of them sum up to top_p. */
static int64_t keep_probable(fv_candidate *c, int64_t n, double p) {
    double sum = sum_of(n, c), part = 0;
    int64_t kept = 0;
    n = drop_light(c, n, p, sum);
    qsort(c, (size_t)n, sizeof *c, by_weight);
    while (kept < n && (part < p * sum || !kept))
        part += c[kept++].weight;
    return kept;
}

static int64_t draw(fv_random *r, int64_t n, const fv_candidate *c) {
    double at = fv_random_unit(r) * sum_of(n, c), part = 0;
    int64_t last = c[0].id;
    for (int64_t i = 0; i < n; i++) {
        part += c[i].weight;
        if (c[i].weight > 0)
            last = c[i].id;
        if (part > at)
            break;
    }
    return last;
}

int64_t fv_sample(const fv_sampling *s, fv_random *r, int64_t n, const double *logits,
                  fv_candidate *scratch) {
    int64_t best = largest(n, logits), kept = 0;
    if (best < 0 || s->temperature == 0)
        return best;
    for (int64_t i = 0; i < n; i++) {
        double x = logits[i] == logits[best] ? 0 : (logits[i] - logits[best]) / s->temperature;
        if (x == x)
            scratch[kept++] = (fv_candidate){fv_sample_exp(x), i};
    }
    if (s->top_k && s->top_k < kept) {
        select_first(scratch, kept, s->top_k);
        kept = s->top_k;
        qsort(scratch, (size_t)kept, sizeof *scratch, by_weight);
    }
    if (s->top_p < 1)
        kept = keep_probable(scratch, kept, s->top_p);
    return draw(r, kept, scratch);
}
