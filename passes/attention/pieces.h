/* pieces.h - recognises sums that are computed piece by piece over the keys.
 *
 * A piece consists of scores s, with a row for each query, and values v, with a row for each key. A
 * reference r is a number for each query. For a set P of pieces,
 *
 *     sum(P, r)    = sum over P, and over keys j of each:  exp(s[i, j] - r[i])                 l of
 *                                                          online softmax
 *     result(P, r) = the same sums of                      exp(s[i, j] - r[i]) * v[j, d]       o
 *     lse(P)       = log(sum(P, 0)), so sum(P, lse(P)) = 1, and result(P, lse(P)) is attention over
 *                  all keys of P
 *
 * The operations that exporters write transform one of these values into another: a factor that is
 * an exponential of a difference of references replaces one reference by another, and a division by
 * a sum makes lse(P) the reference. It does not matter whether a reference is a running maximum, a
 * maximum over all keys or a constant: it cancels. Milakov, Gimelshein: Online normalizer
 * calculation for softmax, arXiv:1805.02867.
 *
 * Pieces can also be arranged along an axis. A Concat along an axis of dim 1 stacks values; an
 * operation on the stack is an operation on each of them, and a sum along that axis adds them. Or
 * keys are reshaped into chunks, an axis of the scores like heads. Then one piece contains all
 * chunks, and a sum along that axis adds them, provided that the other factor of the scores is the
 * same for all chunks.
 *
 * A sink is a piece of one column without values, whose logit c[i] is given instead of scores. It
 * adds exp(c[i] - r[i]) to a sum and nothing to a result. So result(P, lse(P and a sink)) is
 * attention with a sink, however the sink was added to the sum.
 *
 * A Softmax of a Concat of scores gives weights of several pieces: a Slice of it with the columns
 * of one operand is the weights of that piece relative to lse of all. */
#ifndef FV_PASSES_ATTENTION_PIECES_H
#define FV_PASSES_ATTENTION_PIECES_H

#include "ir/base/ptrmap.h"
#include "ir/graph/graph.h"

enum { FV_MAX_PIECES = 128 };

typedef struct fv_piece {
    fv_value *scores; /* the scores, [.., queries, keys of the piece] */
    /* the values, [.., keys of the piece, features]; NULL in terms without values */
    fv_value *values;
    fv_elem elem; /* element type of the product with the values */
    /* 1 + the axis of the scores along which the chunks of the keys were summed; 0: the keys are
     * not in chunks */
    int chunks;
    /* not NULL: the piece is a sink, and `scores` (NULL: 0) its logits, which broadcast to this
     * type: that of a value with one number for each row of the scores */
    const fv_type *sink;
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
    FV_TERM_BETWEEN, /* a - b, two results, each relative to its own lse */
    FV_TERM_STEP,    /* (a - b) * sum(P, lse of both), P one of the two */
    FV_TERM_VALUE,   /* the reference r itself, as a member of a stack */
    FV_TERM_STACK,   /* n terms along an axis */
    FV_TERM_MOVED,   /* the term a, in whose value `of` one axis was moved */
} fv_term_kind;

typedef struct fv_term fv_term;

typedef struct fv_reference {
    const fv_value *value; /* not NULL: the reference is this value */
    /* not NULL: the reference is the lse of the pieces of this term; if both members are NULL, the
     * reference is 0 */
    const fv_term *lse;
    /* 1 + the axis of the term's value along which the reference is constant because it lacks that
     * axis; 0: there is none */
    int common;
} fv_reference;

struct fv_term {
    fv_term_kind kind;
    fv_reference r, to;
    const fv_piece *pieces;
    int n;
    const fv_term *a, *b;
    const fv_term *const *stack;
    int axis; /* the axis of the stack, or the axis that was moved */
    const fv_value *of;
    int from; /* the position of that axis before the move */
    /* whether weights or a result got their present reference by a factor, or by an exponential of
     * a difference of it, so that they are no Softmax, or product of one, in the model */
    bool scaled;
};

typedef struct fv_pieces {
    fv_arena *arena;
    fv_module *module;
    fv_ptrmap terms; /* value -> its fv_term, for the values of a block that have one */
} fv_pieces;

/* The term of v, or NULL. */
const fv_term *fv_pieces_term(const fv_pieces *p, const fv_value *v);
/* Is the term attention over several pieces, or over one piece of several chunks; or is it
 * attention or a softmax over one piece that the model computes otherwise than by a Softmax? There
 * may be a sink. */
bool fv_is_whole(const fv_term *t) FV_MUST_USE;
/* The sink among the pieces of a term's reference; NULL: there is none. fv_is_whole must hold. */
const fv_piece *fv_sink_of(const fv_term *t);
/* The type of a value with one number for each row of the scores of the term, whose pieces have the
 * rows of the first of them. */
const fv_type *fv_rows_of(const fv_pieces *p, const fv_term *t);

#endif
