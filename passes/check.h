/* check.h - tries a rewrite rule on random instances of its pattern.
 *
 * An instance is a small function: the pattern, with random element types (those that its ops
 * allow), dims (0, 1, a few, symbols with and without bounds), attributes, constants that its
 * conditions ask for, and data full of NaN, infinities, zeros of both signs and denormals. It runs
 * as it is and with the rule applied, by the interpreter on the naive schedule; the results are
 * compared by what the rule says it does to numbers (ir/rule/rule.h). */
#ifndef FV_PASSES_CHECK_H
#define FV_PASSES_CHECK_H

#include "ir/rule/rule.h"

typedef struct fv_rule_report {
    int tried;            /* instances that were made */
    int compared;         /* ... that the rule matched and that ran */
    int64_t elements;     /* ... that were compared in all of them */
    const char *declined; /* why the last instance that it did not match was none; NULL: all were */
    const char *counterexample; /* the smallest one, as text to look at; NULL: the rule held */
} fv_rule_report;

/* True where `instances` instances were compared and the rule held in all. False: there is a
 * counterexample, or (declined) not so many instances could be found. The same seed gives the same
 * instances. The report's texts lie in `a`. Gives no diagnostics. */
bool fv_rule_check(fv_arena *a, const fv_rule *r, uint64_t seed, int instances,
                   fv_rule_report *report) FV_MUST_USE;

#endif
