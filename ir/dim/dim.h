/* dim.h - symbolic dims: integer expressions over symbols such as batch and seq.
 *
 * Dims are immutable and hash-consed: within one table, dims with the same normal form (a sum of
 * products of atoms, constants last) are the same pointer. Every operation is total: x floordiv 0,
 * x ceildiv 0 and x mod 0 are 0. Arithmetic is on 64-bit integers; a constant result that would
 * overflow is not folded.
 *
 * A symbol comes from the shape of an input, or an op gives it its value at run time, such as an
 * fv.Bind, from an element of an integer tensor (then from_data is set). Each symbol has bounds, by
 * default [0, FV_DIM_MAX]. */
#ifndef FV_IR_DIM_DIM_H
#define FV_IR_DIM_DIM_H

#include "ir/base/arena.h"
#include "ir/base/ptrmap.h"

#define FV_DIM_MAX (INT64_C(1) << 40) /* the largest size of an axis that a model may have */

typedef struct fv_dim fv_dim;
typedef struct fv_dims fv_dims; /* the table that owns dims */

/* The kinds of expressions. */
typedef enum {
    FV_DIM_CONST,  /* a constant; its number is `value` */
    FV_DIM_SYMBOL, /* a symbol; its name is `name` */
    FV_DIM_ADD,    /* sum of any number of arguments, sorted, a constant last */
    /* product of any number of sorted atoms; or (an atom or a MUL of atoms, a constant): a term
     * with a coefficient */
    FV_DIM_MUL,
    FV_DIM_FLOORDIV, /* quotient of two arguments, rounded towards -infinity */
    FV_DIM_CEILDIV,
    FV_DIM_MOD, /* x - y * (x floordiv y) */
    /* minimum of two arguments, sorted; a minimum of more arguments is nested in the right one */
    FV_DIM_MIN,
    FV_DIM_MAX_,
    /* a == 1 ? b : a; commutative for shapes that can be broadcast; nested like MIN */
    FV_DIM_BROADCAST
} fv_dim_kind;

struct fv_dim {
    fv_dim_kind kind;
    int n; /* number of arguments */
    /* CONST: the number; SYMBOL: the last suffix that fv_dim_fresh tried for this name */
    int64_t value;
    const char *name; /* SYMBOL: the name, interned */
    int64_t lo, hi;   /* bounds of this expression, proved from those of its symbols */
    /* SYMBOL: its bounds after the assumptions of the module are applied (ir/graph/bounds.h); they
     * are within lo..hi */
    int64_t least, most;
    /* number of the dim in order of creation; not used for sorting, which uses structure and
     * names */
    uint32_t id;
    uint32_t size; /* number of nodes of the expression as a tree, at most FV_MAX_DIM_SIZE */
    /* it is a sum or product that overflows, or that is too long for the normal form */
    bool opaque;
    /* whether it contains a symbol with from_data, so that its value is known only at run time */
    bool from_data;
    /* used by dim.c: the dim that replaces this one after simplification or fv_dim_equate; the dim
     * itself if nothing replaces it; NULL: not computed yet */
    const fv_dim *settled;
    const fv_dim *arg[];
};

fv_dims *fv_dims_new(fv_arena *a);
fv_arena *fv_dims_arena(const fv_dims *t);

const fv_dim *fv_dim_const(fv_dims *t, int64_t value);
/* The symbol of that name; if there is none yet it is made, with bounds [0, FV_DIM_MAX]. */
const fv_dim *fv_dim_symbol(fv_dims *t, const char *name);
/* The symbol of that name; NULL if there is none. */
const fv_dim *fv_dim_find(fv_dims *t, const char *name);
/* A new symbol `stem`, or `stem_1`, ... if that name is taken. from_data: an op binds it at run
 * time. */
const fv_dim *fv_dim_fresh(fv_dims *t, const char *stem, int64_t lo, int64_t hi, bool from_data);
/* Does one of the n dims depend on data, so that its value is known only at run time? */
bool fv_any_from_data(int n, const fv_dim *const *dims) FV_MUST_USE;
/* Intersects the bounds of a symbol with lo..hi; only before expressions over it are made, since
 * these store bounds. Returns false if no value would be left. From then on a symbol with one value
 * is replaced by that constant. */
bool fv_dim_bound(fv_dims *t, const fv_dim *symbol, int64_t lo, int64_t hi) FV_MUST_USE;
/* Records the values least..most that assumptions leave to a symbol; allowed at any time, since
 * simplification uses lo..hi alone and equal expressions stay the same pointer. */
void fv_dim_set_range(const fv_dim *symbol, int64_t least, int64_t most);
/* Lists all symbols, in order of creation; returns their number. */
int fv_dim_symbols(const fv_dims *t, const fv_dim *const **out);
/* Does the symbol occur in d? */
bool fv_dim_mentions(const fv_dim *d, const fv_dim *symbol) FV_MUST_USE;

const fv_dim *fv_dim_add(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_sub(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_mul(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_floordiv(fv_dims *t, const fv_dim *a, const fv_dim *b);
/* a / b rounded up; built as (a + b - 1) floordiv b if b is known to be at least 0 */
const fv_dim *fv_dim_ceildiv(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_mod(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_min(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_max(fv_dims *t, const fv_dim *a, const fv_dim *b);
const fv_dim *fv_dim_broadcast(fv_dims *t, const fv_dim *a, const fv_dim *b);
/* Predicates with the value 0 or 1, built from min, max and arithmetic: a == k; a < 0. */
const fv_dim *fv_dim_is(fv_dims *t, const fv_dim *a, int64_t k);
const fv_dim *fv_dim_is_negative(fv_dims *t, const fv_dim *a);
/* a where cond, a predicate with the value 0 or 1, is 1; else b. Built as b + cond * (a - b). */
const fv_dim *fv_dim_select(fv_dims *t, const fv_dim *cond, const fv_dim *a, const fv_dim *b);
/* the product of n dims; 1 if n is 0 */
const fv_dim *fv_dim_product(fv_dims *t, int n, const fv_dim *const *dims);
/* A dim q with a == b * q for all values of the symbols; NULL if none is found. It gives the
 * meaning of -1 in a Reshape, where a floordiv b would have to be 0 if b is 0. */
const fv_dim *fv_dim_quotient(fv_dims *t, const fv_dim *a, const fv_dim *b);

/* From now on every expression that would become `a` becomes `b` instead; the caller knows that
 * they are equal. Dims that exist already do not change until fv_dim_rebuild. Returns false if `a`
 * has been replaced already or is not a min, max, broadcast, quotient or remainder, if b is not
 * smaller, or if one of them depends on data. */
bool fv_dim_equate(const fv_dim *a, const fv_dim *b) FV_MUST_USE;
/* Returns d with its subexpressions replaced: by the dims that `memo` has for them, and as
 * fv_dim_equate has requested since d was built. Adds each result to `memo`. */
const fv_dim *fv_dim_rebuild(fv_dims *t, const fv_dim *d, fv_ptrmap *memo);
static inline bool fv_dim_is_const(const fv_dim *d) {
    return d->kind == FV_DIM_CONST;
}
static inline bool fv_dim_is_one(const fv_dim *d) {
    return d->kind == FV_DIM_CONST && d->value == 1;
}

typedef enum { FV_DIM_EQUAL, FV_DIM_DIFFERENT, FV_DIM_UNKNOWN } fv_dim_order;
/* EQUAL and DIFFERENT are proved for all values of the symbols within their bounds. */
fv_dim_order fv_dim_compare(fv_dims *t, const fv_dim *a, const fv_dim *b);
/* Is a <= b proved for all values of the symbols? */
bool fv_dim_at_most(fv_dims *t, const fv_dim *a, const fv_dim *b) FV_MUST_USE;

/* Sets *out to the value of d; `get` gives the value of a symbol, or false. Returns false if `get`
 * does, or if an intermediate result overflows. */
bool fv_dim_eval(const fv_dim *d, bool (*get)(void *ctx, const fv_dim *symbol, int64_t *out),
                 void *ctx, int64_t *out) FV_MUST_USE;

#endif
