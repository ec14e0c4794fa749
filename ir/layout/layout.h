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
 * All values of a level with stride 0 share one element. Elements beyond the extent of an axis,
 * where groups do not divide it, are padding. After ; follow companions, which are stored in memory
 * of their own: what belongs to the elements of the tensor, over the same axes. */
#ifndef FV_IR_LAYOUT_LAYOUT_H
#define FV_IR_LAYOUT_LAYOUT_H

#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/syntax/lex.h"

enum { FV_LAYOUT_LEVELS = 2 * FV_MAX_RANK };
/* The stride of a level that follows from the levels inside it. */
enum { FV_STRIDE_PACKED = -1 };

typedef struct fv_layout_axis {
    const char *name;
    int64_t extent;
} fv_layout_axis;

/* A level is a part of the index x of the axis: x / divisor if modulus is 0, otherwise x % modulus
 * / divisor. */
typedef struct fv_layout_level {
    int axis;
    int64_t divisor, modulus;
    int64_t stride; /* distance of two values of the level, in elements */
} fv_layout_level;

typedef struct fv_layout {
    int rank, nlevels;
    fv_layout_axis axis[FV_MAX_RANK];
    fv_layout_level level[FV_LAYOUT_LEVELS]; /* the levels, the outermost first */
    int bits;                                /* bits of an element: 1, 2, 4, 8, 16, 32 or 64 */
    const char *name; /* the name of a companion; NULL: the layout of the tensor's elements */
    /* the first companion, or, in a companion, the next one; NULL: there is none */
    const struct fv_layout *companion;
} fv_layout;

/* ---- building ---- */

/* Adds an axis; returns its number. There may be at most FV_MAX_RANK axes. */
int fv_layout_add_axis(fv_layout *l, const char *name, int64_t extent);
/* Adds a level inside the existing ones, with that stride or FV_STRIDE_PACKED. */
void fv_layout_add_level(fv_layout *l, int axis, int64_t divisor, int64_t modulus, int64_t stride);
/* Gives each level that has FV_STRIDE_PACKED its stride. False: one is too large. */
bool fv_layout_pack(fv_layout *l) FV_MUST_USE;
/* States what is illegal in l or a companion, as a text in the arena; NULL: all is legal. */
const char *fv_layout_wrong(fv_arena *a, const fv_layout *l);

/* ---- properties of a layout ---- */

/* The number of values of level i. */
int64_t fv_layout_count(const fv_layout *l, int i);
/* The number of bytes from the first to the last element, without companions. False: it does not
 * fit into a size_t. */
bool fv_layout_bytes(const fv_layout *l, size_t *bytes) FV_MUST_USE;
/* The position of the element with these indices, one for each axis, as a number of elements: the
 * element begins at bit `bits` times that number. The indices must be in range. */
int64_t fv_layout_element(const fv_layout *l, const int64_t *index);
/* The first of the levels whose elements share a byte, which are the last ones; nlevels: there are
 * none. */
int fv_layout_first_in_byte(const fv_layout *l);
/* Is every element (apart from padding) stored once, in the order of the levels and without
 * gaps? */
bool fv_layout_is_packed(const fv_layout *l) FV_MUST_USE;
/* Have both the same axes with the same names, levels, bits and companions? */
bool fv_layout_equal(const fv_layout *a, const fv_layout *b) FV_MUST_USE;
uint64_t fv_layout_hash(const fv_layout *l);

/* ---- text ---- */

void fv_layout_print(fv_text *t, const fv_layout *l);
/* Parses a layout with its companions, beginning with the word `layout`; NULL after a diagnostic:
 * it is malformed or not legal. */
fv_layout *fv_layout_parse(fv_lexer *l, fv_arena *a);

/* ---- laying out ---- */

/* Describes where the elements of a layout are in a tensor with another order: the element for
 * values q of the levels is number at + sum of q * by[level] in `data`. Elements of `data` are as
 * wide as those of the layout, but take a whole byte if they are narrower than a byte. If `packed`
 * is set, they are narrower than a byte and follow each other from the low bits on. Only elements
 * with from <= index < to along each axis are copied. */
typedef struct fv_layout_source {
    const void *data;
    int packed; /* bits of an element of `data` if less than 8; otherwise 0 */
    int64_t at, by[FV_LAYOUT_LEVELS];
    int64_t from[FV_MAX_RANK], to[FV_MAX_RANK];
} fv_layout_source;

/* Stores the elements of `from` in `to`, a memory of fv_layout_bytes bytes in layout l. If elements
 * of the layout or of the tensor are narrower than a byte, `to` must be zero before. */
void fv_layout_copy(const fv_layout *l, const fv_layout_source *from, void *to);

#endif
