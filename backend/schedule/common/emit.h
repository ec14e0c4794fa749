/* emit.h - the state of emitting a kernel from a definition; shared by all schedules. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_EMIT_H
#define FV_BACKEND_SCHEDULE_COMMON_EMIT_H

#include "backend/lowering/lowering.h"
#include "ir/expr/visit.h"
#include "ir/kernel/build.h"

enum { FV_MAX_PASSES = 16, FV_MAX_KEPT = 8 };
typedef struct fv_pass {
    /* the sum that the pass computes along a row; NULL: it is the last pass, which computes the
     * result */
    const fv_expr *sum;
    const fv_expr *x; /* the value that the pass keeps in the row of the result; NULL: none */
    /* subexpressions whose values the row holds after earlier passes */
    const fv_expr *held[FV_MAX_KEPT];
    int n;
} fv_pass;

typedef struct fv_kemit {
    fv_lowerer *l;
    fv_arena *arena;
    fv_kernel *kernel;
    fv_kbuilder b;
    const fv_definition *def;
    const fv_definition *const *all; /* all definitions that the kernel computes, */
    int nall;                        /* and their number; 0: only `def` */
    fv_value **args;                 /* for each parameter, its value */
    int nargs, cap_args;
    struct fv_kept { /* values that are stored in a tile of the kernel */
        const fv_value *value;
        fv_buf *tile;
    } *tiles;
    int ntiles, cap_tiles;
    const fv_dim **dims; /* for each dim parameter, its dim */
    int ndims, cap_dims;
    fv_expr **dim_exprs;
    struct fv_bound { /* index variable -> the expression that it stands for */
        const fv_var *var;
        fv_expr *x;
    } *bound;
    int nbound, cap_bound;
    /* node -> the expression that was emitted for it; the innermost scope comes last */
    struct fv_emitted {
        const fv_expr *from;
        fv_expr *to;
    } *memo;
    int nmemo, cap_memo;
    fv_ptrmap uses; /* node -> number of its uses in the definition */
    fv_x_visitor counted;
    fv_expr *guard; /* loads are guarded by this condition; NULL: they are not */
    /* reductions that are the same in any order use chains if their terms are contiguous */
    bool rows;
    const fv_var *vector; /* the axis that vectors run along; NULL: none */
    /* the variable of an axis along which no broadcast dim is 1, see fv_kemit_plain; NULL: not
     * known */
    const fv_var *plain;
    /* restricts sums along a row, and the row itself, to a part of the row */
    struct fv_range {
        const fv_dim *dim; /* the extent of the row; NULL: no restriction */
        fv_expr *lo, *hi;  /* the part; lo is a multiple of the number of chains */
        fv_ptrmap *sums;   /* the reductions that are restricted */
        /* from free[0] to before free[1] the condition `where` does not hold; NULL: not known */
        fv_expr *free[2];
        int width; /* free[0] - lo and free[1] - lo are multiples of it */
        const fv_var *term;
        fv_expr *where; /* depends on the variable `term` */
    } range;
    /* values that passes over a row store in the row of the result, see fv_keep_in_rows */
    struct fv_keep {
        fv_pass passes[FV_MAX_PASSES];
        int n, axis; /* axis: along which the passes run; n 0: nothing is stored */
        fv_buf *row;
        fv_expr **index;
    } keep;
} fv_kemit;

void fv_kemit_init(fv_kemit *e, fv_lowerer *l, const fv_definition *def, const char *stem);
/* Emits from this definition from now on. */
void fv_kemit_use(fv_kemit *e, const fv_definition *def);
fv_expr *fv_kemit_dim(fv_kemit *e, const fv_dim *d);
/* the parameter (or tile) for a buffer that the definition loads */
fv_buf *fv_kemit_in(fv_kemit *e, const fv_buf *from);
/* Stores the value in a tile of the kernel, which is added; its extents must be constant. */
void fv_kemit_keep(fv_kemit *e, const fv_value *v);
/* the parameter for a result, with the axes of the definition */
fv_buf *fv_kemit_out(fv_kemit *e, fv_value *v);
void fv_kemit_bind(fv_kemit *e, const fv_var *v, fv_expr *x);
/* A scope: bindings and emitted expressions made after a mark are forgotten by fv_kemit_release. */
typedef struct fv_kmark {
    int nbound, nmemo;
} fv_kmark;
fv_kmark fv_kemit_mark(const fv_kemit *e);
void fv_kemit_release(fv_kemit *e, fv_kmark m);
/* Emits all reductions of x whose variables are bound; later uses find their values in the memo. */
void fv_kemit_hoist(fv_kemit *e, fv_expr *x);
/* Emits the expensive subexpressions of x that do not depend on v, the variable of a loop that will
 * be opened. */
void fv_kemit_invariants(fv_kemit *e, fv_expr *x, const fv_var *v);
/* Emits x; statements that it needs are added at the current position. */
fv_expr *fv_kemit_expr(fv_kemit *e, fv_expr *x);
/* If x decides in the run between element v and element 0 along dims that may be 1: the condition
 * that none of these dims is 1, under which e->plain may be v. NULL: x decides nothing. */
fv_expr *fv_kemit_plain(fv_kemit *e, const fv_expr *x, const fv_var *v);
void fv_kemit_memo(fv_kemit *e, const fv_expr *from, fv_expr *to);
/* has x been emitted in the current scope? */
bool fv_kemit_is_known(const fv_kemit *e, const fv_expr *x) FV_MUST_USE;
/* Stores x, converted to the storage type, as the element of the result at the bound indices. */
void fv_kemit_store(fv_kemit *e, fv_buf *out, fv_expr *const *index, fv_expr *x);

/* Is the reduction computed in several chains: because of its order, or, if it has none, because
 * that is faster? */
bool fv_kemit_in_chains(const fv_kemit *e, const fv_expr *r) FV_MUST_USE;
/* The sum of parts plus another part `more`, which begins at `part`. For the first part it is
 * `more` itself, so that -0 is kept. */
fv_expr *fv_kemit_with_part(fv_kemit *e, fv_expr *sum, fv_expr *more, fv_expr *part,
                            fv_expr *first);
/* Emits reduction r for all values of v, an axis of known extent, as a tile with a chain for each
 * value. v must not be bound. */
fv_buf *fv_kemit_sums_along(fv_kemit *e, const fv_expr *r, const fv_var *v);
/* Combines the elements of a tile with one axis: as long as the number n of elements is even,
 * elements c and c + n / 2; then the others in order. */
fv_expr *fv_kemit_fold(fv_kemit *e, fv_buf *acc, fv_reduce_kind kind);
/* The pass that computes this sum, or, for NULL, the last pass; NULL: passes store nothing. */
const fv_pass *fv_kemit_pass(const fv_kemit *e, const fv_expr *sum);
/* Finishes the kernel: names it and adds its launch. Does not verify it. */
void fv_kemit_finish(fv_kemit *e, fv_op *op, const fv_schedule *schedule);

#endif
