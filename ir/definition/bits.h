/* bits.h - constants that decide the bits of results.
 *
 * They are part of the meaning of a definition, and the same for every target, schedule and number
 * of threads. A change of one changes results, within the error that any order of addition has.
 * The number of chains and the size of a part are FV_CHAINS and FV_PART (ir/expr/expr.h). Limits
 * that concern speed only are in backend/lowering/speed.def and ir/target/processor.def; they
 * change no bit, and tests/checks/limits.sh draws them at random. */
#ifndef FV_IR_DEFINITION_BITS_H
#define FV_IR_DEFINITION_BITS_H

/* ---- which values are definitions of their own ---- */

/* The step `group` substitutes definitions into each other before `layout` and `order` look at
 * them. The order of a sum follows from the definition that contains it, so these limits decide
 * bits. */
enum {
    /* largest number of nodes of a definition after a substitution; a product that is rounded
     * together with the sum that adds it may exceed it */
    FV_GROUPED_NODES = 270,
    /* largest number of operators that use a value which is substituted into all of them; a value
     * that only moves elements may have more */
    FV_GROUPED_USERS = 8,
    /* largest number of operators between a value and the operator in which all its uses end */
    FV_GROUPED_WAY = 32,
    /* largest number of arithmetic operations of an element that may be computed again; integers
     * that are unpacked from constants may take more */
    FV_CHEAP = 6,
    /* If an operator that reads windows, or one that chooses elements, reads each element of a
     * value at least this many times, the value is stored instead of being computed again, even if
     * it is cheap: a pass over memory takes less time then. */
    FV_READ_OFTEN = 2,
    /* an elementary function takes as long as this many other operations */
    FV_MATH_OPERATIONS = 10,
    /* largest number of elements of a row which a kernel computes in a loop for each operand of a
     * Concat */
    FV_DIVIDED_ROW = 4096,
    /* largest number of loads in the definition of a value that is substituted into several others,
     * unless one kernel keeps it for a row */
    FV_SHARED_LOADS = 4,
    /* Largest number of elements of a row that a kernel keeps if there is only that one row. A
     * longer one is divided among tasks, so that none of its elements can be kept, and sums along
     * it are not substituted into its elements. */
    FV_LONG_ROW = 2048
};

/* ---- what is attention ---- */

/* Limits that decide whether products are computed as attention, which has its own order of sums
 * and leaves out keys that a mask hides; separate products do neither. */
enum {
    /* smallest upper bound of the number of queries, and of the number of features of the values */
    FV_FEW_QUERIES = 4,
    /* how many times, one after the other, the search for the scores, which are the first product,
     * substitutes the definitions of loaded values that are no views into the second product */
    FV_ATTEND_LEVELS = 3,
    /* largest number of values, loaded by a weight, in which scores are searched for */
    FV_ATTEND_CANDIDATES = 4,
    /* scores may be reshaped along keys within attention if their rows are a multiple of this */
    FV_WHOLE_ROWS = 16,
    /* A block of queries searches for visible keys among about this many keys at a time, a multiple
     * of the width of its tiles and of 16. If there are at most so many keys, none is left out. */
    FV_KEYS_TOGETHER = 64
};

/* ---- which convolutions are computed by Winograd's algorithm, if the options allow it ---- */

/* The estimated time of the algorithm, in products of a direct convolution
 * (backend/steps/winograd.c). */
enum {
    /* time of a product of a tile with a filter, in hundredths */
    FV_WINOGRAD_PRODUCT = 125,
    /* time of an element of a transformed tile, which is computed, stored and read again: in
     * memory, and in a cache */
    FV_WINOGRAD_MOVE = 21,
    FV_WINOGRAD_MOVE_CACHED = 10,
    /* time of reading an element of a filter from memory, and from a cache */
    FV_WINOGRAD_FILTER = 20,
    FV_WINOGRAD_FILTER_CACHED = 5,
    /* Bytes that are taken to stay in a cache: of all transformed tiles and their products; of four
     * times all filters, since transformed ones have up to four times as many elements. */
    FV_WINOGRAD_CACHED = 1 << 22,
    /* largest time, in percent of that of the direct convolution */
    FV_WINOGRAD_PERCENT = 90
};

/* ---- in which order terms are added ---- */

enum {
    /* A sum of products with fewer rows than this is no contraction if the other factor is computed
     * in the run, its columns are not contiguous, and a copy in which they are does not pay. If the
     * terms of the sum are contiguous, it is then added in chains along them. */
    FV_FEW_ROWS = 4,
    /* The order of a sum follows the layout of the values that it reads. For the sums of a
     * definition, an axis other than the last one becomes innermost only if it has at least
     * FV_WIDE_AXIS elements. A sum of at most FV_SHORT_SUM terms that are no products, across rows
     * of at least FV_WIDE_AXIS elements, prevents the axis along which it runs from becoming
     * innermost.
     * The channels of a convolution of floats that slides along rows of at least FV_LONG_IMAGE_ROW
     * elements become innermost only if there are at least FV_WIDE_CHANNELS. */
    FV_WIDE_AXIS = 16,
    FV_WIDE_CHANNELS = 32,
    FV_LONG_IMAGE_ROW = 48,
    FV_SHORT_SUM = 32,
    /* the size that decisions assume for a symbolic dim whose bounds allow it */
    FV_ASSUMED_SIZE = 128
};

#endif
