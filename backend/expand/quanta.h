/* quanta.h - quotients by a constant scale that are rounded and limited to integers, as those of
 * QuantizeLinear, without a division. */
#ifndef FV_BACKEND_EXPAND_QUANTA_H
#define FV_BACKEND_EXPAND_QUANTA_H

#include "ir/expr/expr.h"
#include "ir/target/target.h"

/* i32(max(min(rint(of / scale), ..), ..)) as i32(rint(fma(v, high, v * low))), where v is `of`
 * between `least` and `most`: x is limited instead of the quotient, so that neither overflow nor
 * infinity has to be considered, and the fma is the quotient, correctly rounded (quotient.h).
 * Quotients of less than 1 / 4, for which it need not be, become 0. */
typedef struct fv_quanta {
    fv_expr *of;
    double least, most, high, low;
} fv_quanta;

/* Is the fma faster than a division on the target? A processor without vectors divides in fewer
 * cycles than it takes to limit x by comparisons. */
bool fv_quanta_pay(const fv_target *t) FV_MUST_USE;

/* Is x such an expression, whose scale is a constant for which there is such an fma? The target
 * must have fused multiply-adds. */
bool fv_quanta_of(const fv_expr *x, fv_quanta *q) FV_MUST_USE;

/* v, where x is q->of. */
fv_expr *fv_quanta_limited(fv_arena *a, const fv_quanta *q, fv_expr *x);

/* The integers, where v becomes a variable, since it is used twice; `low` is NULL for 0. */
fv_expr *fv_quanta_rounded(fv_arena *a, fv_expr *v, fv_expr *high, fv_expr *low);

#endif
