/* bits.h - constants that decide the bits of results: in which order the terms of sums are added.
 *
 * They are part of what a definition means, the same for every target, schedule and number of
 * threads. Whoever changes one changes results, within the error that any order has. Limits that
 * concern speed alone are elsewhere (backend/lowering/sizes.h, ir/target/processor.def) and change
 * no bit. */
#ifndef FV_IR_DEFINITION_BITS_H
#define FV_IR_DEFINITION_BITS_H

enum {
    /* A contraction of fewer rows than this, whose columns do not lie side by side in the other
     * factor, takes each sum in chains along its terms, which do. */
    FV_FEW_ROWS = 4
};

#endif
