/* pieces.h - sums that are written out over pieces of the keys: what a value is of them.
 *
 * A piece is scores s, a row for each query, with values v, a row for each key. A reference r has a
 * number for each query. With P some pieces,
 *
 *     sum(P, r)    = sum over P, and over keys j of each:  exp(s[i, j] - r[i])                 l of
 *                                                          online softmax
 *     result(P, r) = the same sums of                      exp(s[i, j] - r[i]) * v[j, d]       o
 *     lse(P)       = log(sum(P, 0)), so sum(P, lse(P)) = 1, and result(P, lse(P)) is attention over
 *                  all keys of P
 *
 * What exporters write of them goes from one of these to another: an exponential of a difference of
 * references takes one for the other, a division by a sum is lse in place of the reference. What a
 * reference is, a running maximum, one of all keys, or a constant, is no matter: it cancels.
 * Milakov, Gimelshein: Online normalizer calculation for softmax, arXiv:1805.02867.
 *
 * Pieces come side by side in two ways besides. A Concat along an axis of ones stacks terms: what
 * is computed of the stack is computed of each term, and a sum along that axis adds them. Or keys
 * are reshaped into chunks, an axis of the scores like heads: then one piece has all chunks, and a
 * sum along that axis makes keys of them, where what it is compared with is the same for all
 * chunks. */
#ifndef FV_PASSES_ATTENTION_PIECES_H
#define FV_PASSES_ATTENTION_PIECES_H

#include "ir/base/ptrmap.h"
#include "ir/graph/graph.h"

enum { FV_MAX_PIECES = 128 };

typedef struct fv_piece {
    fv_value *scores; /* [.., queries, keys of the piece] */
    fv_value *values; /* [.., keys of the piece, features]; NULL in terms without them */
    fv_elem elem;     /* of the product with them */
    /* 1 + the axis of the scores along which their keys lie in chunks that were summed; 0: none */
    int chunks;
} fv_piece;

typedef enum {
    FV_TERM_NONE,
    FV_TERM_ZERO,    /* a constant of zeros: a sum, or a result, of no pieces */
    FV_TERM_SHIFTED, /* s - r, of one piece */
    FV_TERM_WEIGHTS, /* exp(s - r) */
    FV_TERM_SUM,     /* sum(P, r) */
    FV_TERM_RESULT,  /* result(P, r) */
    FV_TERM_INVERSE, /* 1 / sum(P, r) */
    FV_TERM_LOG,     /* log(sum(P, r)) */
    FV_TERM_LSE,     /* lse(P) */
    FV_TERM_APART,   /* r - to */
    FV_TERM_FACTOR,  /* exp(r - to) */
    FV_TERM_BETWEEN, /* a - b, two results over lse of their own */
    FV_TERM_STEP,    /* (a - b) * sum(P, lse of both), P one of the two */
    FV_TERM_VALUE,   /* nothing but r, in a stack */
    FV_TERM_STACK,   /* n terms along an axis */
    FV_TERM_MOVED,   /* a, of whose value `of` one axis is another now */
} fv_term_kind;

typedef struct fv_term fv_term;

typedef struct fv_reference {
    const fv_value *value; /* that value; or */
    const fv_term *lse;    /* lse of its pieces; neither: 0 */
    /* 1 + the axis of the term's value along which it is the same, and does not have itself; 0:
     * none */
    int common;
} fv_reference;

struct fv_term {
    fv_term_kind kind;
    fv_reference r, to;
    const fv_piece *pieces;
    int n;
    const fv_term *a, *b;
    const fv_term *const *stack;
    int axis; /* of the stack, or that which was moved */
    const fv_value *of;
    int from; /* where the axis was */
};

typedef struct fv_pieces {
    fv_arena *arena;
    fv_module *module;
    fv_ptrmap terms; /* value -> fv_term, of the values of a block that are one */
} fv_pieces;

/* Finds what results of the ops of a block are, in their order. */
void fv_pieces_find(fv_pieces *p, const fv_region *block);
/* The term of v, or NULL. */
const fv_term *fv_pieces_term(const fv_pieces *p, const fv_value *v);
/* Is it attention over several pieces, or over one of several chunks? */
bool fv_is_whole(const fv_term *t) FV_MUST_USE;

#endif
