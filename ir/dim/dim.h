/* dim.h - symbolic dimensions: integer expressions over symbols such as batch and seq.
 *
 * Immutable and hash-consed: within one table, equal dims are the same pointer, after
 * simplification to a normal form (sums of products over atoms, constants last). Every function is
 * total: x floordiv 0, x ceildiv 0 and x mod 0 are 0. Arithmetic is on 64-bit integers; a constant
 * that would overflow stays unfolded.
 *
 * A symbol comes from an input's shape, or is bound at run time to an element of an integer tensor
 * by an op (then from_data is set). Symbols have known bounds, [0, FV_DIM_MAX] for shapes by
 * default. */
#ifndef FV_IR_DIM_DIM_H
#define FV_IR_DIM_DIM_H

#include "ir/base/arena.h"
#include "ir/base/ptrmap.h"

#define FV_DIM_MAX (INT64_C(1) << 40) /* the largest dim that a model may have */

typedef struct fv_dim fv_dim;
typedef struct fv_dims fv_dims; /* the table that owns them */

typedef enum {
    FV_DIM_CONST,    /* value */
    FV_DIM_SYMBOL,   /* name */
    FV_DIM_ADD,      /* n-ary, sorted, a constant last */
    FV_DIM_MUL,      /* n-ary, sorted atoms; or a coefficient: (atom or MUL of atoms, constant) */
    FV_DIM_FLOORDIV, /* binary; rounds towards -infinity */
    FV_DIM_CEILDIV,
    FV_DIM_MOD, /* x - y * (x floordiv y) */
    FV_DIM_MIN, /* binary, sorted; more arguments nest at the right */
    FV_DIM_MAX_,
    FV_DIM_BROADCAST /* a == 1 ? b : a; commutes where shapes are legal; nests like MIN */
} fv_dim_kind;

struct fv_dim {
    fv_dim_kind kind;
    int n;               /* arguments */
    int64_t value;       /* of a constant */
    const char *name;    /* of a symbol, interned */
    int64_t lo, hi;      /* bounds of this expression, proved from those of its symbols */
    int64_t least, most; /* of a symbol: what assumptions leave of lo..hi (ir/graph/bounds.h) */
    uint32_t id;         /* order of creation; sorting goes by structure and name, not by this */
    uint32_t size;       /* nodes of the written-out tree, at most FV_MAX_DIM_SIZE */
    bool opaque;         /* a sum or product that overflows or is too long for the normal form */
    bool from_data;      /* a symbol in it is bound at run time by data */
    /* dim.c: what it simplifies to, or is equated with; itself for all that callers see */
    const fv_dim *settled;
    const fv_dim *arg[];
};

fv_dims *fv_dims_new(fv_arena *a);
fv_arena *fv_dims_arena(const fv_dims *t);

const fv_dim *fv_dim_const(fv_dims *t, int64_t value);
/* The symbol of that name; made with bounds [0, FV_DIM_MAX] if it is new. */
const fv_dim *fv_dim_symbol(fv_dims *t, const char *name);
/* The symbol of that name, or NULL. */
const fv_dim *fv_dim_find(fv_dims *t, const char *name);
/* A new symbol `stem`, or `stem_1`, ... if that is taken; from_data: bound at run time. */
const fv_dim *fv_dim_fresh(fv_dims *t, const char *stem, int64_t lo, int64_t hi, bool from_data);
/* Is one of them known at run time only? */
bool fv_any_from_data(int n, const fv_dim *const *dims) FV_MUST_USE;
/* Narrows the bounds of a symbol; before expressions over it exist (they cache theirs). False:
 * nothing would be left. A symbol with one value is that value in expressions. */
bool fv_dim_bound(fv_dims *t, const fv_dim *symbol, int64_t lo, int64_t hi) FV_MUST_USE;
/* Tells what assumptions leave of a symbol's values; at any time: expressions are simplified by
 * lo..hi alone, so that equal ones stay the same pointer. */
void fv_dim_leave(const fv_dim *symbol, int64_t least, int64_t most);
int fv_dim_symbols(const fv_dims *t, const fv_dim *const **out); /* all, in order of creation */
/* does the symbol stand in d? */
bool fv_dim_mentions(const fv_dim *d, const fv_dim *symbol) FV_MUST_USE;

const fv_dim *fv_dim_add(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_sub(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_mul(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_floordiv(fv_dims *t, const fv_dim *a, const fv_dim *b);
/* (a + b - 1) floordiv b, where b >= 0 is known */
const fv_dim *fv_dim_ceildiv(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_mod(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_min(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_max(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_broadcast(fv_dims *t, const fv_dim *a, const fv_dim *b);
/* 0/1 predicates, made of min, max and arithmetic: [a == k], [a < 0] for integers. */
const fv_dim *fv_dim_is(fv_dims *t, const fv_dim *a, int64_t k);
const fv_dim *fv_dim_is_negative(fv_dims *t, const fv_dim *a);
/* [cond != 0 ? a : b], cond a 0/1 predicate: b + cond * (a - b) */
const fv_dim *fv_dim_select(fv_dims *t, const fv_dim *cond, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_product(fv_dims *t, int n, const fv_dim *const *dims); /* 1 for none */
/* q with a == b * q whatever the symbols are, or NULL: what -1 in a Reshape stands for, where b may
 * be 0 but must not (a floordiv b must be 0 there). */
const fv_dim *fv_dim_quotient(fv_dims *t, const fv_dim *a, const fv_dim *b);

/* From here on a is written as b wherever it comes to be, for what holds wherever it counts; what
 * was made before stays as it is until fv_dim_again. False: a is no min, max, broadcast, quotient
 * or remainder, b is not shorter, or data decides one. */
bool fv_dim_equate(const fv_dim *a, const fv_dim *b) FV_MUST_USE;
/* d made anew of its symbols, or of what the memo has in their place. */
const fv_dim *fv_dim_again(fv_dims *t, const fv_dim *d, fv_ptrmap *memo);
static inline bool fv_dim_is_const(const fv_dim *d) {
    return d->kind == FV_DIM_CONST;
}
static inline bool fv_dim_is_one(const fv_dim *d) {
    return d->kind == FV_DIM_CONST && d->value == 1;
}

typedef enum { FV_DIM_EQUAL, FV_DIM_DIFFERENT, FV_DIM_UNKNOWN } fv_dim_order;
/* EQUAL and DIFFERENT are proofs, for every value of the symbols within their bounds. */
fv_dim_order fv_dim_compare(fv_dims *t, const fv_dim *a, const fv_dim *b);
/* a <= b is proved. */
bool fv_dim_at_most(fv_dims *t, const fv_dim *a, const fv_dim *b) FV_MUST_USE;

/* Evaluates with values of the symbols, looked up by pointer through `get`. Wraps never: an
 * intermediate that overflows makes it return false. */
bool fv_dim_eval(const fv_dim *d, bool (*get)(void *ctx, const fv_dim *symbol, int64_t *out),
                 void *ctx, int64_t *out) FV_MUST_USE;

#endif
