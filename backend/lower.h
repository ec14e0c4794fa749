/* lower.h - what the steps of lowering share: lower.c drives, group.c decides what is one kernel,
 * schedule_*.c build kernels, plan.c lays out memory, program.c writes the host program. */
#ifndef FV_BACKEND_LOWER_H
#define FV_BACKEND_LOWER_H

#include "backend/backend.h"
#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/definition/definition.h"
#include "ir/kernel/build.h"

/* What becomes of a value. */
typedef struct fv_storage {
    fv_value *value;
    fv_definition *def;        /* of its elements; NULL: a parameter, constant or custom result */
    bool costly;               /* a reshape that takes divisions along a row */
    bool divides;              /* a reshape that takes any */
    bool operand;              /* made in the run for a contraction, which reads nothing else of it */
    bool inlined;              /* substituted into its uses; has no memory */
    const struct fv_value *rows; /* the value of elementary functions, itself or in it, that its rows go through; or NULL */
    bool passes;               /* ... several times */
    const struct fv_value *sum; /* the value whose contraction it computes, itself or in its epilogue; or NULL */
    bool fixed;                /* its axes lie in memory in the order of its type */
    uint32_t kept;             /* axes that are not moved to the end there, as bits */
    bool returned;             /* it is a result of the model */
    bool ordered;              /* `inner` has been decided */
    int inner;                 /* the axis that is moved to the end there; -1: none */
    struct fv_storage *alias;  /* shares the memory of that one (a reshape); NULL: its own */
    bool joined;               /* a Concat whose parts are written where they belong; no kernel */
    struct fv_storage *within; /* it is part of the memory of that Concat; NULL: it is not */
    int axis;                  /* ... along that axis, from `start` on */
    const fv_dim *start;
    const struct fv_storage *over; /* whose memory it took over where that died; NULL: nobody's */
    fv_buf *buf;               /* in the program; NULL until it is needed */
    int first, last;           /* live over these launches */
} fv_storage;

/* One launch to be: kernel, and which value stands behind each parameter. */
typedef struct fv_launch {
    fv_kernel *kernel;
    int nargs, ndims;
    fv_value *const *args;
    const fv_dim *const *dims;   /* what the kernel's dims are */
    fv_op *op;                   /* the last op of the group */
    const fv_origin *origin;
} fv_launch;

typedef enum { FV_STEP_LAUNCH, FV_STEP_BIND } fv_step_kind;
typedef struct fv_step {
    fv_step_kind kind;
    fv_launch launch;
    fv_op *bind; /* the fv.Bind or fv.Let */
} fv_step;
/* The values whose memory a step touches. */
static inline fv_value *const *fv_step_values(const fv_step *s, int *n) {
    *n = s->kind == FV_STEP_LAUNCH ? s->launch.nargs : s->bind->nin;
    return s->kind == FV_STEP_LAUNCH ? s->launch.args : s->bind->in;
}

struct fv_lowerer {
    fv_session *session;
    fv_module *module;
    fv_func *func;
    fv_arena *arena;     /* the program's */
    const fv_lower_options *options;
    const fv_target *target;
    fv_program *program;
    fv_ptrmap storage;   /* value -> fv_storage */
    fv_ptrmap origins;   /* value -> joined fv_origin of what was inlined into it */
    fv_ptrmap indexing;  /* interned names of nodes whose definition asks whether an index is legal -> 1 */
    fv_ptrmap panels;    /* what was packed or copied, and how -> its tensor or value; that tensor -> its value */
    fv_step *steps;
    int nsteps, cap_steps;
    const fv_type **in_types, **out_types; /* of the ports, as the model has them */
    int counter;         /* for kernel names */
    int64_t weights;     /* bytes of all constants */
    fv_ptrmap symbols;   /* symbol of a dim -> its variable in the program */
    int cap_buffers, cap_constants, cap_kernels;
};
typedef struct fv_lowerer fv_lowerer;

fv_storage *fv_storage_of(fv_lowerer *l, const fv_value *v);
fv_storage *fv_storage_loaded(fv_lowerer *l, const fv_expr *x); /* what x loads; NULL: it is no load */
fv_storage *fv_storage_root(fv_storage *s); /* whose memory it has */
fv_storage *fv_storage_home(fv_storage *s); /* the Concat in whose memory it is a part; itself */
const fv_origin *fv_storage_origin(fv_lowerer *l, const fv_value *v);

/* A name with letters, digits and underscores only. */
const char *fv_safe_name(fv_arena *a, const char *name);

/* ports.c: packed types at the border; close undoes what lowering did to the module. */
bool fv_open_ports(fv_lowerer *l) FV_MUST_USE;
void fv_close_ports(fv_lowerer *l);

/* A copy of result i of `ret` is returned in its place; false after a diagnostic. */
bool fv_copy_result(fv_lowerer *l, fv_op *ret, int i) FV_MUST_USE;
/* order.c: decides `inner`, and puts it into the definitions; false after a diagnostic. */
bool fv_order_axes(fv_lowerer *l) FV_MUST_USE;

/* split.c: the same definition with an axis that one factor of its product sees in groups as two. */
fv_definition *fv_split_axes(fv_lowerer *l, const fv_definition *d);
/* Of the groups in which one factor sees v, and only that one; 0: there are none. */
int64_t fv_group_size(const fv_expr *sum, const fv_var *v);

/* merge.c: the same definition with neighbouring axes as one where they are always indexed together. */
fv_definition *fv_merge_axes(fv_lowerer *l, const fv_definition *d);

/* lower.c: the definitions of what an op gives; false after a diagnostic. */
bool fv_define_op(fv_lowerer *l, fv_op *op) FV_MUST_USE;
/* group.c: decides `inlined` and `alias`, and substitutes definitions. */
void fv_group(fv_lowerer *l);
/* What else reads a value than definitions needs it in memory. */
bool fv_must_have_memory(fv_lowerer *l, const fv_value *v) FV_MUST_USE;
/* x with the definitions of values that are `inlined` in it; their origins join *origin. */
fv_expr *fv_substitute(fv_lowerer *l, fv_expr *x, const fv_origin **origin);
/* Is d small enough to be walked as a tree? */
bool fv_is_small(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Is an element of d computed again for no more than a few operations? */
bool fv_is_cheap(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* attend.c: attention becomes one definition; what it is made of is inlined. */
void fv_fuse_attention(fv_lowerer *l);
/* join.c: would most of what a Concat puts together be written where it belongs? Then it has memory. */
bool fv_is_worth_joining(fv_lowerer *l, const fv_op *op) FV_MUST_USE;
/* Decides `joined` and `within`; false after a diagnostic. */
bool fv_join_parts(fv_lowerer *l) FV_MUST_USE;

/* ---- a kernel while it is built from a definition ---- */

enum { FV_MAX_PASSES = 16, FV_MAX_KEPT = 8 };
typedef struct fv_pass {
    const fv_expr *sum;                /* along a row; NULL: the result, which is the last pass */
    const fv_expr *x;                  /* what it keeps of what it computes; NULL: nothing */
    const fv_expr *held[FV_MAX_KEPT];  /* nodes of it whose value the row holds by then */
    int n;
} fv_pass;

typedef struct fv_kemit {
    fv_lowerer *l;
    fv_arena *arena;
    fv_kernel *kernel;
    fv_kbuilder b;
    const fv_definition *def;
    fv_value **args;         /* per parameter */
    int nargs, cap_args;
    const fv_dim **dims;     /* per kernel dim */
    int ndims, cap_dims;
    fv_expr **dim_exprs;
    struct fv_bound {        /* index variable -> its value here */
        const fv_var *var;
        fv_expr *x;
    } *bound;
    int nbound, cap_bound;
    struct fv_emitted {      /* node -> what was emitted for it, innermost scope last */
        const fv_expr *from;
        fv_expr *to;
    } *memo;
    int nmemo, cap_memo;
    fv_ptrmap uses;          /* node -> how many uses in the definition */
    fv_expr *guard;          /* loads only where this holds; NULL: always */
    bool chains;             /* sums over contiguous elements use 16 chains */
    const fv_var *vector;    /* the axis that vectors run along; NULL: none */
    const fv_var *plain;     /* no broadcast leaves this axis at its first element: see fv_kemit_plain */
    struct fv_keep {         /* what passes over a row keep in the row of the result: see fv_keep */
        fv_pass passes[FV_MAX_PASSES];
        int n, axis;         /* along which they run; n 0: nothing is kept */
        fv_buf *row;
        fv_expr **index;
    } keep;
} fv_kemit;

void fv_kemit_init(fv_kemit *e, fv_lowerer *l, const fv_definition *def, const char *stem);
/* What follows is of this definition. */
void fv_kemit_use(fv_kemit *e, const fv_definition *def);
fv_expr *fv_kemit_dim(fv_kemit *e, const fv_dim *d);
fv_buf *fv_kemit_in(fv_kemit *e, const fv_buf *from); /* the parameter for a buffer of the definition */
fv_buf *fv_kemit_out(fv_kemit *e, fv_value *v);       /* with the axes of the definition */
void fv_kemit_bind(fv_kemit *e, const fv_var *v, fv_expr *x);
/* Scopes: what is bound or emitted after a mark is forgotten at release. */
typedef struct fv_kmark {
    int nbound, nmemo;
} fv_kmark;
fv_kmark fv_kemit_mark(const fv_kemit *e);
void fv_kemit_release(fv_kemit *e, fv_kmark m);
/* Emits every reduction of x whose variables are bound by now; uses find it by the memo. */
void fv_kemit_hoist(fv_kemit *e, fv_expr *x);
/* Emits what is costly in x and does not depend on v, the variable of a loop to come. */
void fv_kemit_invariants(fv_kemit *e, fv_expr *x, const fv_var *v);
/* x in terms of the kernel: statements it needs are added at the current place. */
fv_expr *fv_kemit_expr(fv_kemit *e, fv_expr *x);
/* Where x chooses at run time between element v and element 0 along an axis of 1, for dims that may be
 * 1: the condition that none of them is, for e->plain = v. NULL: it does not choose. */
fv_expr *fv_kemit_plain(fv_kemit *e, const fv_expr *x, const fv_var *v);
void fv_kemit_memo(fv_kemit *e, const fv_expr *from, fv_expr *to);
/* Stores x, converted to the storage type, as the element of the result at the bound indices. */
void fv_kemit_store(fv_kemit *e, fv_buf *out, fv_expr *const *index, fv_expr *x);
/* keep.c: decides what is kept in rows along that axis of e->def, of elements of that type; the row itself is
 * the caller's to name. */
void fv_keep(fv_kemit *e, int axis, fv_elem stored);
/* The pass that is this sum, or with NULL the last one; NULL: nothing is kept for it. */
const fv_pass *fv_kemit_pass(const fv_kemit *e, const fv_expr *sum);
/* Finishes: verifies nothing, names the kernel, adds the launch. */
void fv_kemit_finish(fv_kemit *e, fv_op *op, const char *schedule);

/* schedule_map.c: loops over all axes but those inside, which take that work together: tasks outside, and within
 * them as many rows as make a task. */
void fv_open_outer(fv_kemit *e, const bool *inside, int64_t work, fv_expr **index);

/* Does x use the variable? Not what a reduction binds. */
bool fv_x_uses(const fv_expr *x, const fv_var *v) FV_MUST_USE;
/* Is x of the form v + (something without v)? */
bool fv_x_adds(const fv_expr *x, const fv_var *v) FV_MUST_USE;
/* How a load runs along v: 1 contiguous (v is added to the last index and in no other), 0 not at
 * all, -1 otherwise. */
int fv_x_stride(const fv_expr *load, const fv_var *v);
typedef struct fv_load_count {
    int contiguous, invariant, strided;
} fv_load_count;
void fv_x_count_loads(const fv_expr *x, const fv_var *v, fv_load_count *n);
/* x, touching memory only where c holds; elsewhere its value is no matter. */
fv_expr *fv_x_guard_all(fv_arena *a, fv_expr *x, fv_expr *c);
/* The outermost reductions of x (each once). */
int fv_x_reductions(fv_expr *x, fv_expr **out, int max);
/* Does a load of what runs along k run along v? */
bool fv_x_runs_across(const fv_expr *x, const fv_var *k, const fv_var *v) FV_MUST_USE;
/* Is this reduction one over contiguous elements, best done by chains along them, and not for neighbours
 * along `vector` at once? NULL: there is none. */
bool fv_x_is_row(const fv_expr *reduce, const fv_var *vector) FV_MUST_USE;

enum { FV_BLOCK = 2048, /* elements of a vector that one task does, where it is the only one */
       FV_TASK = 4096 }; /* of rows: elements that one task computes or sums, about */
/* ---- schedules: each builds the kernel of one value; false, and nothing done: not its kind ---- */
#define SCHEDULE(id) bool fv_schedule_##id(fv_lowerer *l, fv_storage *s, fv_op *op);
#include "backend/schedules.def"
#undef SCHEDULE
void fv_schedule_naive(fv_lowerer *l, fv_storage *s, fv_op *op); /* the reference: takes all */
/* custom.c: the kernels that the op brings along. */
bool fv_schedule_custom(fv_lowerer *l, fv_op *op) FV_MUST_USE;

/* schedule_map.c: a row, or an element where there is none, of e->def; other axes are bound. */
typedef struct fv_row {
    int vector;       /* the axis that it runs along; -1 */
    bool alone;       /* it is the only axis that is not 1 */
    fv_buf *out;      /* where it is stored; NULL: in the value */
    fv_expr **index;  /* there; the place `at` is for the vector's variable */
    int at;
    bool asked;       /* e->plain has been decided */
    bool keeps_nothing;
    bool sums;        /* out: it has reductions */
} fv_row;
/* What fv_emit_row begins with: from here on, sums are those of the row, and keep what they compute in it. */
void fv_row_start(fv_kemit *e, fv_row *w, fv_value *value);
void fv_emit_row(fv_kemit *e, fv_row *w, fv_value *value);

/* panels.c: what is loaded, under conversions; x itself where it is computed. */
const fv_expr *fv_x_stored(const fv_expr *x);
/* Is it a load of a constant of the model, converted or not? */
bool fv_x_is_constant(const fv_expr *x) FV_MUST_USE;
/* x with the conversions that stand around `inner` in `outer`. */
fv_expr *fv_x_as_stored(fv_arena *a, const fv_expr *outer, const fv_expr *inner, fv_expr *x);
/* An index variable for an axis. */
fv_var *fv_index_var(fv_arena *a, const char *name, const fv_dim *extent);
/* A factor of a contraction in the order in which register tiles read it. */
typedef struct fv_panels {
    fv_value *value;                /* [.., panel, k.., column in the panel] */
    bool made_in_run;               /* by a kernel of its own, which has been scheduled; else a constant */
    int panel;                      /* that axis of it */
    fv_var *index[FV_MAX_RANK];     /* of its axes: axes of d, one for the panel, k of the sum,
                                       one for the column in the panel, which is the last */
    fv_expr *load;                  /* of an element, over these */
    fv_expr *x;                     /* the factor: the load, converted */
} fv_panels;
/* Of `factor` of `sum` in d, whose columns are that axis. False: it has too many axes. */
bool fv_make_panels(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum,
                    fv_expr *factor, int column, int width, fv_panels *p) FV_MUST_USE;

/* A new value with these axes; it has no definition. */
fv_value *fv_new_value(fv_lowerer *l, const char *name, fv_elem e, int n, fv_var *const *index);
/* A new value of d's operand `what`, x over these variables, made before by a kernel of its own. */
fv_value *fv_precompute(fv_lowerer *l, fv_op *op, const fv_definition *d, const char *what, int n,
                        fv_var *const *index, fv_expr *x);
/* factor.c: a factor that is more than a load as a load of what a kernel of its own has computed; else itself.
 * If `last` is not NULL: only where a window slides over it, and contiguous along that variable. */
fv_expr *fv_make_dense(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum,
                       fv_expr *factor, const fv_var *last);

/* reuse.c: which values take the memory of others; lifetimes are known. */
void fv_reuse_memory(fv_lowerer *l);
/* plan.c: roles and sizes of all buffers; layout.c: offsets in the workspace, for n values in the order
 * of their first use; program.c: the host program. */
void fv_plan_buffers(fv_lowerer *l);
void fv_layout(fv_lowerer *l, fv_storage **list, int n);
/* What a dim is where its symbols have typical values: for choices that change no result. -1: too large. */
int64_t fv_typical_dim(const fv_dim *d);
bool fv_write_program(fv_lowerer *l) FV_MUST_USE;

#endif
