/* kernel.h - kernel IR: functions over buffers and integer dims, and the host program that
 * launches them.
 *
 * One statement language serves kernels and host programs, one expression language serves kernels
 * and formulas. The interpreter is its meaning; LLVM and the C emitter must give the same bits.
 *
 *   kernel add_0(A: f32[n, 64], B: f32[64], out C: f32[n, 64]; n) {
 *     parallel i < n {
 *       vector j < 64 {
 *         C[i, j] = A[i, j] + B[j]
 *       }
 *     }
 *   }
 *
 * Life of a kernel: a schedule builds it (loops may be parallel, vector, unroll), the verifier
 * checks it, `fv_kernel_expand` turns it for one target into what consumers implement: no
 * parallel, vector or unrolled loops, no MATH expressions, no arithmetic on storage types. */
#ifndef FV_IR_KERNEL_KERNEL_H
#define FV_IR_KERNEL_KERNEL_H

#include <stdio.h>

#include "ir/base/arena.h"
#include "ir/dim/dim.h"
#include "ir/target/target.h"
#include "ir/type/type.h"

/* ---- expressions ---- */

typedef enum fv_expr_op {
#define EXPR(id, nargs, result, flags, text, doc) FV_X_##id,
#include "ir/expr/expr.def"
#undef EXPR
    FV_X_END
} fv_expr_op;

/* An element type and a number of lanes (1: scalar). Storage types (f16, f8, packed ints, ...) are
 * values too, but only load, store, select, convert and bit casts take them: their bits lie in an
 * unsigned integer of that width (packed types: one byte an element, in the low bits; memory inside
 * a program is unpacked, fv_ktype_bytes). */
typedef struct fv_ktype {
    uint8_t elem; /* fv_elem */
    uint8_t lanes;
} fv_ktype;
static inline fv_ktype fv_kt(fv_elem e, int lanes) {
    return (fv_ktype){(uint8_t)e, (uint8_t)lanes};
}
int fv_elem_storage_bytes(fv_elem e);   /* of one element in a buffer: 1 for i4, bool */
bool fv_elem_is_storage(fv_elem e) FV_MUST_USE;     /* no arithmetic on it: f16, bf16, f8, f4, packed integers */
fv_elem fv_elem_bits_elem(fv_elem e);   /* the unsigned type that its bits lie in: u16 for f16, u8 for i4 */

typedef struct fv_expr fv_expr;
typedef struct fv_buf fv_buf;
typedef struct fv_stmt fv_stmt;
typedef struct fv_block fv_block;

/* A named immutable integer or value: a let, a loop variable, a dim of a kernel, an index of a
 * definition. */
typedef struct fv_var {
    const char *name;
    fv_ktype type;
    int id;              /* unique within a kernel or program once it is numbered (fv_kernel_number) */
    int64_t lo, hi;      /* bounds known of an i64; INT64_MIN, INT64_MAX: none */
    const fv_dim *dim;   /* of a dim variable, or the extent of an index variable; else NULL */
} fv_var;

typedef enum { FV_SUM, FV_PROD, FV_REDUCE_MIN, FV_REDUCE_MAX, FV_ANY, FV_ALL } fv_reduce_kind;

struct fv_expr {
    uint16_t op; /* fv_expr_op */
    fv_ktype type;
    uint16_t n; /* arguments */
    union {
        int64_t i;         /* CONST of integers and bool (u64 by its bits); EVEN, ODD: lanes of a block */
        double f;          /* CONST of f32 and f64; f32 constants are exact floats */
        fv_var *var;       /* VAR */
        fv_buf *buf;       /* LOAD, GUARD: arguments are rank indices, then (GUARD) cond and else */
        const fv_dim *dim; /* DIM */
        struct {           /* REDUCE: arg[0] is the body */
            fv_var **vars; /* extents are in var->dim */
            uint8_t nvars, kind;
        } red;
    } u;
    fv_expr *arg[];
};

enum { FV_XR_SAME, FV_XR_BOOL, FV_XR_GIVEN };
enum { FV_XF_COMMUTES = 1, FV_XF_FLOATS = 2, FV_XF_INTS = 4, FV_XF_MATH = 8, FV_XF_DEF = 16 };
typedef struct fv_expr_info {
    const char *id;    /* "ADD" */
    int nargs;         /* -1: it depends */
    uint8_t result;    /* FV_XR_ */
    uint8_t flags;     /* FV_XF_ */
    const char *text;  /* "+", "min" */
    const char *doc;
} fv_expr_info;
const fv_expr_info *fv_expr_op_info(fv_expr_op op);
const char *fv_expr_op_text(fv_expr_op op);
bool fv_expr_op_is_math(fv_expr_op op) FV_MUST_USE;
bool fv_x_allows(fv_expr_op op, fv_elem e) FV_MUST_USE; /* may the arguments of this arithmetic be of that type? */
bool fv_x_can_cast(fv_expr_op op, fv_elem from, fv_elem to) FV_MUST_USE;

/* Constructors. They check types with assert, and fold integer identities (x + 0, x * 1, constants);
 * floats are never folded. A scalar beside a vector is splat. == and != of bools become ^ and !. */
fv_expr *fv_x_int(fv_arena *a, int64_t value);               /* i64 */
fv_expr *fv_x_const_int(fv_arena *a, fv_elem e, int64_t v);  /* of integer type or bool */
fv_expr *fv_x_const(fv_arena *a, fv_elem e, double value);   /* of any arithmetic type; inf
                                                                of an integer: its largest value */
fv_expr *fv_x_zero(fv_arena *a, fv_elem e);                  /* zero bits, of any type */
fv_expr *fv_x_var(fv_arena *a, fv_var *v);
fv_expr *fv_x_dim(fv_arena *a, const fv_dim *d);             /* CONST where it is one */
fv_expr *fv_x_un(fv_arena *a, fv_expr_op op, fv_expr *x);
fv_expr *fv_x_bin(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y);
fv_expr *fv_x_fma(fv_arena *a, fv_expr *x, fv_expr *y, fv_expr *z);
fv_expr *fv_x_select(fv_arena *a, fv_expr *c, fv_expr *x, fv_expr *y);
fv_expr *fv_x_convert(fv_arena *a, fv_elem e, fv_expr *x);   /* x itself where the type is equal */
fv_expr *fv_x_cast(fv_arena *a, fv_expr_op op, fv_elem e, fv_expr *x); /* CONVERT, CONVSAT, BITCAST */
fv_expr *fv_x_load(fv_arena *a, fv_buf *b, fv_expr *const *index);
fv_expr *fv_x_guard(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c, fv_expr *otherwise);
/* `lanes` consecutive elements from scalar indices on, along the last one. */
fv_expr *fv_x_load_n(fv_arena *a, fv_buf *b, fv_expr *const *index, int lanes);
fv_expr *fv_x_guard_n(fv_arena *a, fv_buf *b, fv_expr *const *index, fv_expr *c,
                      fv_expr *otherwise, int lanes);
fv_expr *fv_x_splat(fv_arena *a, int lanes, fv_expr *x);
fv_expr *fv_x_ramp(fv_arena *a, int lanes, fv_expr *x);
fv_expr *fv_x_blocks(fv_arena *a, fv_expr_op op, int64_t block, fv_expr *x, fv_expr *y); /* EVEN, ODD */
fv_expr *fv_x_reduce(fv_arena *a, fv_reduce_kind kind, int n, fv_var *const *vars, fv_expr *body);
/* A node like x with other arguments (x itself if none differs). */
fv_expr *fv_x_with_args(fv_arena *a, const fv_expr *x, fv_expr *const *args);
/* With variables replaced: `map` from fv_var to fv_expr, from fv_buf to fv_buf; `memo` keeps sharing. */
struct fv_ptrmap; /* ptrmap.h */
fv_expr *fv_x_subst(fv_arena *a, const fv_expr *x, const struct fv_ptrmap *map,
                    struct fv_ptrmap *memo);
/* The same expression by structure; buffers and variables by identity. */
bool fv_x_equal(const fv_expr *a, const fv_expr *b) FV_MUST_USE;
/* Does it read memory? */
bool fv_x_has_load(const fv_expr *x) FV_MUST_USE;
/* Is it an i64 constant? */
bool fv_x_is_int(const fv_expr *x, int64_t *value) FV_MUST_USE;
/* The value of what is one: of the extent of a tile (assert). */
int64_t fv_x_int_value(const fv_expr *x);
/* Bounds of an i64, proved from those of its variables; INT64_MIN, INT64_MAX: none. */
void fv_x_range(const fv_expr *x, int64_t *lo, int64_t *hi);

/* ---- buffers ---- */

typedef enum {
    FV_BUF_IN,    /* kernel parameter, only read */
    FV_BUF_OUT,   /* kernel parameter, only written */
    FV_BUF_INOUT, /* kernel parameter, read and written: in place */
    FV_BUF_TILE,  /* local to a kernel; constant extents; a scalar variable where rank is 0 */
    FV_BUF_INPUT, FV_BUF_OUTPUT, FV_BUF_CONST, FV_BUF_WORK, FV_BUF_HEAP /* of a host program */
} fv_buf_role;

struct fv_buf {
    const char *name;
    fv_elem elem;
    uint8_t lanes;      /* of each element: tiles after expansion; else 1 */
    uint8_t role;
    int rank;
    fv_expr **extent;   /* rank of them, i64, over dims and constants; in programs for people only, and
                           NULL where it becomes known in the run */
    int id;             /* position among the kernel's parameters, or in the program's buffers; tiles
                           follow the parameters once the kernel is numbered */
    /* host programs: */
    int index;          /* INPUT, OUTPUT, CONST: which one */
    fv_expr *offset;    /* WORK: in bytes, over variables of the plan */
    fv_expr *bytes;     /* WORK, HEAP: size */
    int nover, nparts;  /* for people: values whose memory it took over when they died, the last one first; */
    const char **over, **parts; /* ... and values that are parts of it, as those of a Concat */
    const void *value;  /* what it stands for while lowering (a graph value); consumers ignore it */
};

/* ---- statements ---- */

typedef enum {
    FV_S_LET,    /* let var = x */
    FV_S_STORE,  /* buf[index...] = x [if mask]; a mask of lanes stores only these */
    FV_S_TILE,   /* declares a tile in this block; x: initial value of every element, or NULL */
    FV_S_FOR,    /* for var = lo to hi step st { body }: var < hi; step is a positive constant */
    FV_S_IF,     /* if x { body } else { other } */
    FV_S_WHILE,  /* while x { body } */
    FV_S_OUTLINE,/* outline { body }: consumers may make a function of it, whose registers are its own: for speed,
                    changes nothing. Not in a vector loop, no while in it; it uses no scalar tile from outside */
    FV_S_PREFETCH, /* what lies at buf[index...] will be read soon: for speed, changes nothing. The last index may
                      run on past its axis, into what follows in the buffer */
    FV_S_TRANSPOSE,/* buf, a tile [n, n]: rows become columns, in place; gone after expansion */
    FV_S_COMMENT,/* a line of text; consumers may print it */
    /* host programs only: */
    FV_S_CHECK,  /* if !x: return status; text says what */
    FV_S_LAUNCH, /* run a kernel on buffers with dims */
    FV_S_ALLOC,  /* HEAP buffer of `x` bytes from the caller's allocator */
    FV_S_FREE,
    FV_S_SETDIM, /* actual dim `axis` of output `index` = x */
} fv_stmt_kind;

typedef enum { FV_SERIAL, FV_PARALLEL, FV_VECTOR, FV_UNROLL } fv_loop_kind;

struct fv_block {
    fv_stmt *first, *last;
};

struct fv_stmt {
    fv_stmt_kind kind;
    fv_stmt *next;
    fv_var *var;       /* LET, FOR */
    fv_buf *buf;       /* STORE, PREFETCH, TILE, TRANSPOSE, ALLOC, FREE */
    fv_expr *x;        /* value or condition */
    fv_expr **index;   /* STORE, PREFETCH: buf->rank of them */
    fv_expr *mask;     /* STORE: bool, or NULL */
    fv_loop_kind loop; /* FOR */
    fv_expr *lo, *hi;
    int64_t step;
    int cache;         /* PREFETCH: into that level of cache, 1 to 3 */
    fv_block body, other;
    const char *text;          /* COMMENT, CHECK; LAUNCH: the ONNX nodes, or NULL */
    int status;                /* CHECK: an fv_status of runtime/fovea.h */
    const char *indexes;       /* LAUNCH: those nodes whose indices data tells, or NULL */
    struct fv_kernel *kernel;  /* LAUNCH */
    fv_buf **args;             /* LAUNCH: one per parameter buffer */
    fv_expr **dims;            /* LAUNCH: one per dim of the kernel */
    int launch;                /* LAUNCH: its number, in order of the text (fv_program_number) */
    int output, axis;          /* SETDIM */
};

/* ---- kernels ---- */

typedef struct fv_kernel {
    const char *name;
    fv_arena *arena;
    int nbufs, ndims;
    fv_buf **bufs;    /* parameters: IN, OUT, INOUT */
    fv_var **dims;    /* i64 parameters */
    fv_block body;
    /* after expansion: the body is one task; NULL before */
    fv_var *task;     /* number of the task, 0 <= task < tasks */
    fv_expr *tasks;   /* over dims */
    bool requires_;   /* has REQUIRE: gets an error word */
    int nvars, ntiles; /* set by fv_kernel_number: var->id < nvars, tile->id < nbufs + ntiles */
    /* for people: ONNX nodes it came from, formula, schedule; not part of its identity */
    const char *origin, *formula, *schedule;
} fv_kernel;

/* ---- host programs ---- */

typedef struct fv_constant {
    const char *name;
    const void *data;  /* of `bytes`, in the layout that kernels read (storage types, unpacked) */
    size_t bytes;
    const fv_buf *buf;
} fv_constant;

typedef struct fv_port { /* an input or output of the model */
    const char *name;    /* as in the model */
    const char *cname;   /* safe in C and as a file name; unique */
    fv_elem elem;        /* packed types are passed as in ONNX: packed */
    int rank;
    const fv_dim *const *dims; /* over the program's symbols; from_data ones: known after the run */
    fv_expr **extent;          /* the same over the program's variables; NULL for from_data dims */
    fv_buf *buf;
    int state_of;              /* outputs: 1 + the input that takes it at the next run (ir/graph/state.h); 0: none */
} fv_port;

/* Dims of the caller that must be equal, as text, for the model's table: its CHECK is in the body. */
typedef struct fv_program_relation {
    const char *left, *right, *why;
} fv_program_relation;

typedef struct fv_program {
    fv_arena *arena;
    fv_dims *dims_table;
    const char *name;          /* prefix of every C name */
    const fv_target *target;
    int nsymbols;              /* dims that the caller gives, in order of M_dims */
    const fv_dim **symbols;
    fv_var **symbol_vars;
    int ninputs, noutputs, nconstants, nkernels, nbuffers;
    fv_port *inputs, *outputs;
    fv_constant *constants;
    fv_kernel **kernels;       /* distinct ones */
    fv_buf **buffers;          /* INPUT, OUTPUT, CONST, WORK, HEAP */
    fv_var **capacity;         /* per output: variable with the caller's capacity in elements; NULL: the size is known */
    fv_block plan;             /* LETs: sizes and offsets from symbols; CHECKs of these; shared by size query and run */
    fv_expr *workspace;        /* bytes, over the plan */
    fv_block body;             /* the run */
    bool uses_allocator;       /* has HEAP buffers */
    int nvars;                 /* set by fv_program_number: var->id < nvars */
    int nrelations, cap_relations;
    fv_program_relation *relations; /* for people; the text of a program does not hold them */
    const char *source_hash;   /* hex */
    const char *producer;      /* version of Fovea */
} fv_program;

/* ---- building ---- */

typedef struct fv_kbuilder {
    fv_arena *arena;
    fv_kernel *kernel;   /* or NULL: a host program's block */
    fv_block *block;     /* where statements go */
    fv_block *stack[64]; /* open blocks */
    fv_stmt *open[64];
    int depth;
} fv_kbuilder;

fv_var *fv_var_new(fv_arena *a, const char *name, fv_ktype type); /* without bounds */
fv_kernel *fv_kernel_new(fv_arena *a, const char *name);
fv_buf *fv_buf_new(fv_arena *a, const char *name, fv_buf_role role, fv_elem e, int rank,
                   fv_expr *const *extent);
fv_expr **fv_x_copy_list(fv_arena *a, int n, fv_expr *const *list);
void fv_block_append(fv_block *block, fv_stmt *s);
fv_buf *fv_kernel_buf(fv_kernel *k, const char *name, fv_buf_role role, fv_elem e, int rank,
                      fv_expr *const *extent);
fv_expr *fv_kernel_dim(fv_kernel *k, const char *name, int64_t lo, int64_t hi);
void fv_kb_init(fv_kbuilder *b, fv_arena *a, fv_kernel *k, fv_block *block);
#define FV_STMT_EXPRS 36 /* no more expressions in a store: FV_MAX_RANK indices, value, mask */
/* Statements hold trees: what one uses twice becomes a let before it (these verbs see to it, but for
 * the condition of a while). Short index arithmetic is written out instead. */
void fv_kb_share(fv_kbuilder *b, int n, fv_expr **list);
fv_expr *fv_kb_let(fv_kbuilder *b, const char *name, fv_expr *x); /* constants and vars: x itself */
void fv_kb_store(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, fv_expr *x, fv_expr *mask);
void fv_kb_prefetch(fv_kbuilder *b, fv_buf *buf, fv_expr *const *index, int cache); /* scalar indices */
void fv_kb_transpose(fv_kbuilder *b, fv_buf *tile);
fv_buf *fv_kb_tile(fv_kbuilder *b, const char *name, fv_elem e, int rank, const int64_t *extent,
                   fv_expr *init);
/* Opens a loop, returns its variable; fv_kb_end closes what was opened last: a loop, if, while or outline. */
fv_expr *fv_kb_for(fv_kbuilder *b, fv_loop_kind kind, const char *name, fv_expr *lo, fv_expr *hi,
                   int64_t step);
void fv_loop_bounds(fv_stmt *loop);     /* sets the bounds of its variable */
void fv_task_bounds(fv_kernel *k);      /* ... of k->task */
void fv_kb_if(fv_kbuilder *b, fv_expr *cond);
void fv_kb_else(fv_kbuilder *b);
void fv_kb_while(fv_kbuilder *b, fv_expr *cond);
void fv_kb_outline(fv_kbuilder *b);
void fv_kb_end(fv_kbuilder *b);
void fv_kb_comment(fv_kbuilder *b, const char *text);
fv_stmt *fv_kb_add(fv_kbuilder *b, fv_stmt_kind kind); /* host statements: fill in the fields */

/* ---- text, verifier, expansion ---- */

void fv_kernel_print(fv_text *t, const fv_kernel *k);
void fv_program_print(fv_text *t, const fv_program *p); /* all: ports, plan, body, kernels, constants by name */
void fv_program_print_whole(fv_text *t, const fv_program *p); /* the larger constants, too: nothing lies beside it */
void fv_expr_print(fv_text *t, const fv_expr *x);
/* Parses one kernel or a whole program; NULL after a diagnostic with line and column. */
fv_kernel *fv_kernel_parse(fv_arena *a, const char *text);
bool fv_program_has_side(const fv_program *p) FV_MUST_USE; /* are there constants that fv_program_print leaves to the side file? */
/* Writes the constants that the text does not hold; false where writing fails. */
bool fv_program_write_side(const fv_program *p, FILE *f) FV_MUST_USE;
/* Constants of a program text are read from `side` (NULL: none given, small ones are inline). */
fv_program *fv_program_parse(fv_arena *a, const char *text, const char *side);
/* The same with the content of the side file in memory: constants point into it. */
fv_program *fv_program_parse_over(fv_arena *a, const char *text, const void *side, size_t bytes);

/* Text that is equal for kernels that do the same: names of buffers, dims and variables replaced
 * by numbers, no comments. The key for sharing and caching. */
const char *fv_kernel_key(fv_arena *a, const fv_kernel *k);
/* Numbers every variable from 0 on (dims, then task, then in order of the text) and every tile from
 * nbufs on; sets nvars and ntiles, returns nvars. fv_kernel_expand does it. */
int fv_kernel_number(fv_kernel *k);

/* The same for a program's variables (symbols, capacities, plan, body; all share one count) and its
 * kernels; buffers get their position. */
int fv_program_number(fv_program *p);

/* Legal? Types, scopes, ranks, roles; parallel and vector loops proved to store disjoint elements.
 * Reports as internal errors, naming kernel and statement. */
bool fv_kernel_verify(fv_session *s, const fv_kernel *k) FV_MUST_USE;
bool fv_program_verify(fv_session *s, const fv_program *p) FV_MUST_USE;

/* Lets the output `to` of a kernel that is not expanded lie in the memory of the input `from` where that
 * is proved to change nothing: the kernel has the one inout parameter then, and `from` is gone. */
bool fv_kernel_reuse(fv_kernel *k, int from, int to) FV_MUST_USE;

/* A new kernel for the target, numbered. What consumers have to implement, and nothing else:
 *
 * - One task: `task` and `tasks` are set (tasks 1 where nothing is parallel). Loops are FV_SERIAL.
 *   Statements LET, STORE, PREFETCH, TILE, FOR, IF, WHILE, OUTLINE, COMMENT. Bounds and conditions are scalar.
 * - Expressions are trees of at most a few hundred nodes: what is used twice is a LET. No MATH, no
 *   DEF; no FMA, SQRT, FLOOR, CEIL, TRUNC, RINT of a type for which the target lacks it (fma32,
 *   fma64, sqrt32, sqrt64, round).
 * - Lanes are 1 or a power of two up to 64, and the same in all arguments of a node (CONST, VAR of a
 *   dim or loop and DIM are scalars; SPLAT and RAMP take a scalar). bool has lanes like any other; a
 *   comparison of n lanes gives n lanes. Scalar targets (vector_bits 0) never see lanes > 1.
 *   A vector may be wider than a register (i64 indices beside f32, or f64 beside u8): split it.
 * - LOAD and GUARD of lanes n > 1 from a buffer of 1 lane: with scalar indices the n elements are
 *   consecutive along the last axis (aligned to the element only); where some index is a vector of
 *   n lanes it gathers, in any position, the other indices being scalar or vectors. A GUARD's
 *   condition is a vector then, and lanes where it is false are not touched.
 *   From a tile of n lanes (buf->lanes, always constant indices): the whole vector.
 * - STORE of lanes n > 1: scalar indices, n consecutive elements along the last axis, or one vector
 *   of a tile of lanes n; no scatter. The mask, if any, has n lanes; lanes where it is false are not
 *   touched. A scalar store has a scalar mask.
 * - Tiles: at most a few KB; rank 0 is a scalar (or vector) variable; without initial value it is
 *   stored before it is loaded. A tile is new in every iteration of the loop that it stands in.
 * - Storage types (fv_elem_is_storage) occur in LOAD, GUARD, STORE, SELECT, SPLAT, EVEN, ODD, LET and
 *   BITCAST to and from fv_elem_bits_elem only. CONVERT is between f32, f64, bool and the integers of 8 to
 *   64 bits. A bool in memory is a byte, 0 or 1; one that is loaded counts as byte != 0.
 * - REQUIRE: evaluated where it stands; any false lane sets the error word, the value is as computed.
 * - An index is always inside its buffer (the schedule sees to it): no check is needed.
 *
 * The order of float operations is that of the source kernel read serially: expansion changes no
 * bit, but for FMA where the target has none. */
fv_kernel *fv_kernel_expand(fv_arena *a, const fv_kernel *k, const fv_target *t);
void fv_program_expand(fv_program *p); /* every kernel, in place, for p->target */

/* Copies statements into the builder's block, replacing what `map` says (fv_var by fv_expr, fv_buf by
 * fv_buf; it learns the new lets, loops and tiles). FV_UNROLL loops of known extent are unrolled,
 * other loops become serial; conditions that are known choose their branch. */
void fv_kb_copy(fv_kbuilder *b, const fv_block *block, struct fv_ptrmap *map);
void fv_kb_copy_stmt(fv_kbuilder *b, const fv_stmt *s, struct fv_ptrmap *map);

/* Lines of `func name(x: f32) -> f32 { let ...; return ... }` (backend/math/f32.fvk, f64.fvk):
 * what MATH expressions are expanded to. Parsed once per session. */
typedef struct fv_kfunc {
    const char *name;
    int nparams;
    fv_var **params;
    fv_block body;  /* LETs mostly; loops and tiles where it cannot be said without */
    fv_expr *result;
} fv_kfunc;
/* The body of a function in the builder's block; returns its result. */
fv_expr *fv_kfunc_inline(fv_kbuilder *b, const fv_kfunc *f, fv_expr *const *args);
/* Parses a file of functions, which may call those above them. False after a diagnostic. */
bool fv_kfuncs_parse(fv_arena *a, const char *text, int *n, const fv_kfunc *const **out) FV_MUST_USE;
const fv_kfunc *fv_math_find(fv_session *s, const char *name, fv_elem e);

#endif
