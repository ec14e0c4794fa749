/* emit.h - the state while a kernel is emitted from a definition; shared by all schedules. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_EMIT_H
#define FV_BACKEND_SCHEDULE_COMMON_EMIT_H

#include "backend/lowering/lowering.h"
#include "ir/expr/visit.h"
#include "ir/kernel/build.h"

enum { FV_MAX_PASSES = 16, FV_MAX_KEPT = 8 };
typedef struct fv_pass {
    /* the sum along a row that the pass computes; NULL: the last pass, which computes the result */
    const fv_expr *sum;
    /* the value that the pass stores in the row of the result; NULL: it stores none */
    const fv_expr *x;
    /* subexpressions whose values earlier passes have stored in the row */
    const fv_expr *held[FV_MAX_KEPT];
    int n;
} fv_pass;

/* A result of a group that the kernel stores in a tile. */
typedef struct fv_kept {
    const fv_value *value;
    fv_buf *tile;
} fv_kept;

/* An index variable of the definition and its value in the kernel. */
typedef struct fv_bound {
    const fv_var *var;
    fv_expr *x;
} fv_bound;

/* A node of the definition and the expression that was emitted for it. */
typedef struct fv_emitted {
    const fv_expr *from;
    fv_expr *to;
} fv_emitted;

/* The parameters of the kernel so far: the value of each buffer, and the dim of each scalar with
 * the variable that has it. */
typedef struct fv_kparams {
    fv_value **values;
    int nvalues, cap_values;
    const fv_dim **dims;
    fv_expr **dim_exprs;
    int ndims, cap_dims;
} fv_kparams;

/* What is known at the current position in the kernel; the innermost scope is the last one. */
typedef struct fv_kscope {
    fv_bound *bound;
    int nbound, cap_bound;
    fv_emitted *memo;
    int nmemo, cap_memo;
} fv_kscope;

/* A range of terms: reductions over the terms of a row, and the row itself, compute only the terms
 * from lo to before hi. */
typedef struct fv_term_range {
    const fv_dim *dim; /* the dim of the row; NULL: all terms are computed */
    /* the range; lo is a multiple of the number of terms that are computed together */
    fv_expr *lo, *hi;
    fv_ptrmap *sums; /* the set of reductions to which the range applies */
    /* `where` holds for no term from free[0] to before free[1]; NULL: no such terms are known */
    fv_expr *free[2];
    int width; /* free[0] - lo and free[1] - lo are multiples of this number */
    const fv_var *term;
    fv_expr *where; /* a condition on the term */
} fv_term_range;

/* The passes over a row that store values in the row of the result: see fv_keep_in_rows. */
typedef struct fv_keep {
    fv_pass passes[FV_MAX_PASSES];
    int n;    /* number of passes; 0: nothing is stored */
    int axis; /* the axis along which the passes run */
    fv_buf *row;
    fv_expr **index; /* indices of the result in its row */
    fv_expr **place; /* indices of the result's place in other memory, if it has one */
} fv_keep;

/* The state while a kernel is emitted. */
typedef struct fv_kemit {
    fv_lowerer *l;
    fv_arena *arena;
    fv_kernel *kernel;
    fv_kbuilder b;
    const fv_definition *def; /* the definition whose expressions are being emitted */
    /* the definitions that the kernel computes, if it computes a group; n 0: it computes def */
    struct {
        const fv_definition *const *all;
        int n;
    } group;
    fv_kparams params;
    struct {
        fv_kept *all;
        int n, cap;
    } kept;
    fv_kscope scope;
    /* how often the definition uses each node; the visitor that counts the uses */
    struct {
        fv_ptrmap count;
        fv_x_visitor visitor;
    } uses;
    /* a condition: loads and stores are executed only where it holds; NULL: always */
    fv_expr *guard;
    /* how reductions are emitted */
    struct {
        bool rows; /* whether one that is the same in any order uses several chains if its terms are
                    * contiguous in memory */
        bool ignore_nan; /* whether the maximum that is being emitted may ignore NaN among terms */
        bool show_nan;   /* whether no maximum may */
        int unroll;      /* loops over so many terms or fewer are unrolled; 0: none is */
    } sums;
    /* the loop that is being emitted */
    struct {
        const fv_var *vector; /* the axis along which vectors run; NULL: there is none */
        /* an axis of which no broadcast selects element 0: see fv_kemit_plain */
        const fv_var *plain;
        /* expressions, and loads of arrays that hold their values for each index of a row */
        fv_emitted *tables;
        int ntables;
    } loop;
    fv_term_range range;
    fv_keep keep;
} fv_kemit;

void fv_kemit_init(fv_kemit *e, fv_lowerer *l, const fv_definition *def, const char *stem);
/* Sets the definition whose expressions are emitted from now on. */
void fv_kemit_use(fv_kemit *e, const fv_definition *def);
fv_expr *fv_kemit_dim(fv_kemit *e, const fv_dim *d);
/* the parameter or tile that represents a buffer which the definition loads */
fv_buf *fv_kemit_in(fv_kemit *e, const fv_buf *from);
/* Adds a tile to the kernel in which the value is stored; its extents must be constant. */
void fv_kemit_keep(fv_kemit *e, const fv_value *v);
/* the parameter of a result, with the axes of the definition */
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
/* Lists in `found` the first reductions, at most `most`, that fv_kemit_hoist would emit, in its
 * order. Returns their number. */
int fv_kemit_hoistable(const fv_kemit *e, const fv_expr *x, int most, fv_expr **found);
/* Emits the expensive subexpressions of x that do not depend on v, the variable of a loop that will
 * be opened. */
void fv_kemit_invariants(fv_kemit *e, fv_expr *x, const fv_var *v);
/* Emits x; statements that it needs are added at the current position. */
fv_expr *fv_kemit_expr(fv_kemit *e, fv_expr *x);
/* Does x choose at run time between element v and element 0 along an axis whose dim may be 1?
 * Returns the condition that none of these dims is 1, for e->loop.plain = v. NULL: x does not
 * choose. */
fv_expr *fv_kemit_plain(fv_kemit *e, const fv_expr *x, const fv_var *v);
void fv_kemit_memo(fv_kemit *e, const fv_expr *from, fv_expr *to);
/* has x been emitted in the current scope? */
bool fv_kemit_is_known(const fv_kemit *e, const fv_expr *x) FV_MUST_USE;
/* Are all free variables of the expression bound in the current scope? */
bool fv_kemit_is_bound(const fv_kemit *e, const fv_expr *root) FV_MUST_USE;
/* a * b + sum, where all are expressions of the kernel. The result is rounded once for floats, and
 * wraps for integers. */
fv_expr *fv_kemit_add_product(fv_kemit *e, fv_expr *a, fv_expr *b, fv_expr *sum);
/* The indices at which the row keeps a value for position `at` (fv_keep); valid until the next
 * call. */
fv_expr *const *fv_kemit_kept_at(fv_kemit *e, fv_expr *at);
/* Stores x, converted to the storage type, in `out`: at `index`, the values to which the indices of
 * the definition are bound, or at the place of the definition in another value, if it has one. */
void fv_kemit_store(fv_kemit *e, fv_buf *out, fv_expr *const *index, fv_expr *x);
/* The pass over the row that computes `sum` (sum NULL: the last pass); NULL: there is none, or
 * passes store nothing. */
const fv_pass *fv_kemit_pass(const fv_kemit *e, const fv_expr *sum);
/* Finishes the kernel: names it and adds its launch. Does not verify it. */
void fv_kemit_finish(fv_kemit *e, fv_op *op, const fv_schedule *schedule);

#endif
