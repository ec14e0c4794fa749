/* sample.h - chooses the next id by its logits. Equal logits and an equal seed give the same id on
 * every machine: random numbers are integers, and exp is computed here. */
#ifndef FV_TOOLS_GENERATE_SAMPLE_H
#define FV_TOOLS_GENERATE_SAMPLE_H

#include "ir/base/answer.h"
#include "ir/base/random.h"

/* temperature 0: the id with the largest logit, of equal ones the first. Otherwise an id is drawn
 * with a probability proportional to exp(logit / temperature): from all ids; if top_k is not 0,
 * from the top_k most probable ids; if top_p is below 1, from the fewest of these, the most
 * probable ones first, that together have at least the share top_p of their probability. */
typedef struct fv_sampling {
    double temperature; /* at least 0 */
    int64_t top_k;      /* 0: all */
    double top_p;       /* above 0; 1: all */
} fv_sampling;

typedef struct fv_candidate {
    double weight; /* its probability times the sum of all weights */
    int64_t id;
} fv_candidate;

/* exp(x) for x of at most 0, within 2^-50 of it, relatively; 0 below -708. */
double fv_sample_exp(double x);
/* The id that is chosen among n. Logits that are NaN are never chosen; -1: all of them are NaN.
 *  scratch  n candidates; not used if the temperature is 0 */
int64_t fv_sample(const fv_sampling *s, fv_random *r, int64_t n, const double *logits,
                  fv_candidate *scratch);

#endif
