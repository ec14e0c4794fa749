/* bits.h - constants that decide the bits of results: the order in which the terms of sums are
 * added.
 *
 * They are part of the meaning of a definition and the same for every target, schedule and number
 * of threads. A change of one changes results, within the error that any order of addition has.
 * Limits that affect speed only are in backend/lowering/sizes.h and ir/target/processor.def; they
 * change no bit. */
#ifndef FV_IR_DEFINITION_BITS_H
#define FV_IR_DEFINITION_BITS_H

enum {
    /* A contraction with fewer rows than this, in which the columns of the other factor are not
     * contiguous but the terms of each sum are, adds each sum in chains along its terms. */
    FV_FEW_ROWS = 4
};

#endif
