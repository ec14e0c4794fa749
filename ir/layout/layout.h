/* layout.h - where the elements of a tensor are stored: layouts as data.
 *
 * A layout lists levels, the outermost first. A level is a part of the index x of one axis:
 *
 *     k          x                  the whole index
 *     k/4        x / 4              the number of the group of 4
 *     k%4        x % 4              the number within the group
 *     k%16/4     x % 16 / 4         both
 *
 * The levels of an axis split its index completely: each begins where the one before ends, and the
 * last one ends with single elements. An element is stored at the sum of level * stride, in
 * elements of `bits` bits; elements of less than a byte follow each other from the low bits on. A
 * stride that is not stated follows from the levels inside: the number of elements that they take.
 *
 *     layout k 768, j 768: j/16 k j%16 bits 32            panels of 16 columns
 *     layout k 768, j 768: j/16 k/4 j%16 k%4 bits 8       k in groups of 4, for dot products
 *     layout k 768, j 768: j/16 k/2 j%16 k%2 bits 4; scale j/16 k/32 j%16 k%32 stride 0 bits 32
 *                                                         int4, with a scale for 32 of k
 *     layout h 12, s 100, d 64: h stride 8192 s d bits 32 a cache with room for 128 rows
 *     layout n 1, c 32, h 8, w 8: n h w c bits 32         channels last
 *     layout o 30, t 3: o stride 1 t bits 32              im2col: windows overlap
 *
 * A level with stride 0 does not matter: its elements are one. Elements beyond the extent of an
 * axis, where groups do not divide it, are padding. After ; follow companions, which are stored in
 * memory of their own: what belongs to the elements of the tensor, over the same axes. */
#ifndef FV_IR_LAYOUT_LAYOUT_H
#define FV_IR_LAYOUT_LAYOUT_H

#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/syntax/lex.h"

enum { FV_LAYOUT_LEVELS = 2 * FV_MAX_RANK };
/* Of a level: follows from the levels inside. */
enum { FV_STRIDE_PACKED = -1 };

typedef struct fv_layout_axis {
    const char *name;
    int64_t extent;
} fv_layout_axis;

/* Of the index x of the axis: x / divisor, where modulus is 0; else x % modulus / divisor. */
typedef struct fv_layout_level {
    int axis;
    int64_t divisor, modulus;
    int64_t stride; /* in elements */
} fv_layout_level;

typedef struct fv_layout {
    int rank, nlevels;
    fv_layout_axis axis[FV_MAX_RANK];
    fv_layout_level level[FV_LAYOUT_LEVELS]; /* the outermost first */
    int bits;                                /* of an element: 1, 2, 4, 8, 16, 32 or 64 */
    const char *name;                        /* of a companion; NULL: the tensor's elements */
    const struct fv_layout *companion;       /* the first, or the next one; NULL: there is none */
} fv_layout;

/* ---- building ---- */

/* Adds an axis; returns its number. At most FV_MAX_RANK. */
int fv_layout_add_axis(fv_layout *l, const char *name, int64_t extent);
/* Adds a level inside those that are there, with that stride or FV_STRIDE_PACKED. */
void fv_layout_add_level(fv_layout *l, int axis, int64_t divisor, int64_t modulus, int64_t stride);
/* Gives each level that has FV_STRIDE_PACKED its stride. False: one is too large. */
bool fv_layout_pack(fv_layout *l) FV_MUST_USE;
/* What is not legal about l or a companion, as a text of the arena; NULL: it is legal. */
const char *fv_layout_wrong(fv_arena *a, const fv_layout *l);

/* ---- what a layout says ---- */

/* How many values level i has. */
int64_t fv_layout_count(const fv_layout *l, int i);
/* Bytes from the first to the last element, without companions. False: more than a size_t holds. */
bool fv_layout_bytes(const fv_layout *l, size_t *bytes) FV_MUST_USE;
/* The number of the element with these indices, one for each axis: it begins at bit number
 * `bits` times that. The indices are in range. */
int64_t fv_layout_element(const fv_layout *l, const int64_t *index);
/* The levels whose elements share a byte are the last ones: the first of these. nlevels: none. */
int fv_layout_first_in_byte(const fv_layout *l);
/* Are all elements, but for padding, stored once, in the order of the levels and without gaps? */
bool fv_layout_is_packed(const fv_layout *l) FV_MUST_USE;
/* The same axes, levels, bits and companions? Names count. */
bool fv_layout_equal(const fv_layout *a, const fv_layout *b) FV_MUST_USE;
uint64_t fv_layout_hash(const fv_layout *l);

/* ---- text ---- */

void fv_layout_print(fv_text *t, const fv_layout *l);
/* Reads a layout, companions included, from the word `layout` on; NULL after a diagnostic: it is
 * none, or is not legal. */
fv_layout *fv_layout_parse(fv_lexer *l, fv_arena *a);

/* ---- laying out ---- */

/* Elements of a tensor in another order: that with the values q of the levels is the number
 * at + the sum of q * by[level] of `data`. Elements of `data` have the width of those of the
 * layout, or a byte where that is less. If `packed` is set, they have less than a byte and follow
 * each other from the low bits on. Only elements with from <= index < to along each axis are
 * copied. */
typedef struct fv_layout_source {
    const void *data;
    int packed; /* bits of an element of data if less than 8; else 0 */
    int64_t at, by[FV_LAYOUT_LEVELS];
    int64_t from[FV_MAX_RANK], to[FV_MAX_RANK];
} fv_layout_source;

/* Stores these elements of the layout in `to`, which has fv_layout_bytes; they are zero where
 * elements have less than a byte. */
void fv_layout_copy(const fv_layout *l, const fv_layout_source *from, void *to);

#endif
