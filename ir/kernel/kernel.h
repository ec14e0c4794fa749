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

#include "ir/expr/expr.h"
#include "ir/kernel/argument.h"
#include "ir/kernel/library.h"
#include "ir/schedule/schedule.h"

typedef struct fv_stmt fv_stmt;
typedef struct fv_block fv_block;

/* ---- statements ---- */

typedef enum {
    FV_S_LET,   /* let var = x */
    FV_S_STORE, /* buf[index...] = x [if mask]; a mask of lanes stores only these */
    FV_S_TILE,  /* declares a tile in this block; x: initial value of every element, or NULL */
    FV_S_FOR,   /* for var = lo to hi step st { body }: var < hi; step is a positive constant */
    FV_S_IF,    /* if x { body } else { other } */
    FV_S_WHILE, /* while x { body } */
    /* outline { body }: consumers may make a function of it, whose registers are its own: for
     * speed, changes nothing. Not in a vector loop, no while in it; it uses no scalar tile from
     * outside */
    FV_S_OUTLINE,
    /* what lies at buf[index...] will be read soon: for speed, changes nothing. The last index may
     * run on past its axis, into what follows in the buffer */
    FV_S_PREFETCH,
    FV_S_TRANSPOSE, /* buf, a tile [n, n]: rows become columns, in place; gone after expansion */
    /* a function of a library, on parameters of the kernel: outside of loops and conditions. Where
     * it fails the kernel ends, and the run with its status */
    FV_S_CALL,
    FV_S_COMMENT, /* a line of text; consumers may print it */
    /* host programs only: */
    FV_S_READ,   /* var = what the caller gives: no more than that is known of it before a CHECK */
    FV_S_PLAN,   /* the statements of the plan; what they name is known from here on */
    FV_S_MEMORY, /* inputs, outputs, constants and the workspace are there from here on */
    FV_S_CHECK,  /* if !x: return status; text says what */
    FV_S_LAUNCH, /* run a kernel on buffers with dims */
    FV_S_ALLOC,  /* HEAP buffer of `x` bytes from the caller's allocator */
    FV_S_FREE,
    /* what the caller is told: actual dim `axis` of output `output` = x; axis -1: the elements that
     * it needs; output -1: the bytes of workspace */
    FV_S_SETDIM,
} fv_stmt_kind;

typedef enum { FV_SERIAL, FV_PARALLEL, FV_VECTOR, FV_UNROLL } fv_loop_kind;

struct fv_block {
    fv_stmt *first, *last;
};

struct fv_stmt {
    fv_stmt_kind kind;
    fv_stmt *next;
    /* LAUNCH: a thread that runs all tasks begins with the last one, whose operands may be in a
     * cache since the last time */
    bool descending;
    /* LET, FOR, READ; LET of a symbol or capacity of the program: its value is known from here
     * on */
    fv_var *var;
    fv_buf *buf;       /* STORE, PREFETCH, TILE, TRANSPOSE, ALLOC, FREE */
    fv_expr *x;        /* value or condition */
    fv_expr **index;   /* STORE, PREFETCH: buf->rank of them */
    fv_expr *mask;     /* STORE: bool, or NULL */
    fv_loop_kind loop; /* FOR */
    fv_expr *lo, *hi;
    int64_t step;
    int cache; /* PREFETCH: into that level of cache, 1 to 3 */
    fv_block body, other;
    const char *text;           /* COMMENT, CHECK; LAUNCH: the ONNX nodes, or NULL */
    int status;                 /* CHECK: FV_BAD_DIM, ... (fovea_model.h) */
    const char *indexes;        /* LAUNCH: those nodes whose indices data tells, or NULL */
    struct fv_kernel *kernel;   /* LAUNCH */
    const fv_library_fn *calls; /* CALL */
    fv_buf **args;              /* LAUNCH, CALL: one per parameter */
    fv_expr **dims;             /* LAUNCH: one per dim of the kernel */
    int launch;                 /* LAUNCH: its number, in order of the text (fv_program_number) */
    int output, axis;           /* SETDIM */
    fv_read read;               /* READ */
};

/* ---- kernels ---- */

typedef struct fv_kernel {
    const char *name;
    fv_arena *arena;
    int nbufs, ndims;
    fv_buf **bufs; /* parameters: IN, OUT, INOUT */
    fv_var **dims; /* i64 parameters */
    fv_block body;
    /* after expansion: the body is one task; NULL before */
    fv_var *task;      /* number of the task, 0 <= task < tasks */
    fv_expr *tasks;    /* over dims */
    bool requires_;    /* has REQUIRE or CALL: gets an error word */
    int nvars, ntiles; /* set by fv_kernel_number: var->id < nvars, tile->id < nbufs + ntiles */
    /* for people: ONNX nodes it came from, formula, how it was made of that; not part of its
     * identity */
    const char *origin, *formula;
    const fv_schedule *schedule; /* NULL: it was written by hand */
} fv_kernel;

#endif
