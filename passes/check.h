/* check.h - tests a rewrite rule on random instances of its pattern.
 *
 * An instance is a small function: the pattern, with random element types (those that its ops
 * allow), dims (0, 1, a few, symbols with and without bounds), attributes, constants that fulfil
 * its conditions, and data full of NaN, infinities, zeros of both signs and denormals. The
 * interpreter runs it on the naive schedule, without and with the rule; the results are compared
 * according to the effect on numbers that the rule declares (ir/rule/rule.h). */
#ifndef FV_PASSES_CHECK_H
#define FV_PASSES_CHECK_H

#include "ir/rule/rule.h"

typedef struct fv_rule_report {
    int tried;        /* number of attempts to make an instance */
    int compared;     /* number of instances that ran and that the rule matched */
    int64_t elements; /* number of elements of results that were compared, in all instances */
    /* reason why the last instance that was not compared could not be made or was not matched by
     * the rule; NULL: as many instances were compared as requested, or no reason is known */
    const char *declined;
    /* the smallest instance for which the rule does not hold, as text for messages; NULL: none was
     * found */
    const char *counterexample;
} fv_rule_report;

/* Tests the rule on random instances. True: `instances` instances were compared, and the rule held
 * for all. False: there is a counterexample, or too few instances matched (report->declined says
 * why). The same seed gives the same instances. The texts of the report are in `a`. Reports no
 * diagnostics. */
bool fv_rule_check(fv_arena *a, const fv_rule *r, uint64_t seed, int instances,
                   fv_rule_report *report) FV_MUST_USE;

#endif
