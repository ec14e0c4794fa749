/* kernel.h - kernel IR: kernels (functions over buffers and integer dims) and the statements of
 * which kernels and host programs consist.
 *
 * Kernels and host programs are written in the same statements, kernels and formulas in the same
 * expressions. The interpreter defines the meaning; LLVM and the C emitter must compute the same
 * bits.
 *
 *   kernel add_0(A: f32[n, 64], B: f32[64], out C: f32[n, 64]; n) {
 *     parallel i < n {
 *       vector j < 64 {
 *         C[i, j] = A[i, j] + B[j]
 *       }
 *     }
 *   }
 *
 * A schedule builds a kernel, with parallel, vector and unrolled loops; the verifier checks it;
 * fv_kernel_expand rewrites it for one target to what consumers implement: serial loops, no MATH
 * expressions, no arithmetic on storage types. */
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
    FV_S_LET, /* let var = x */
    /* buf[index...] = x [if mask]; with a mask of several lanes only these lanes are stored */
    FV_S_STORE,
    FV_S_TILE, /* declares a tile in this block; x: the initial value of every element, or NULL */
    FV_S_FOR, /* for var = lo to hi step st { body }, while var < hi; step is a positive constant */
    FV_S_IF,  /* if x { body } else { other } */
    FV_S_WHILE, /* while x { body } */
    /* outline { body }: consumers may make the body a function with registers of its own; affects
     * speed only. A vector loop around it is executed as a serial one. Contains no while and no
     * other outline; uses no scalar tile from outside */
    FV_S_OUTLINE,
    /* matrix { body }: the body is a product of matrices of bytes or bf16 (ir/kernel/matrix.h),
     * which consumers may compute by instructions that multiply matrices; affects speed only */
    FV_S_MATRIX,
    /* hint that buf[index...] will be read soon; affects speed only. The last index may exceed its
     * axis */
    FV_S_PREFETCH,
    /* exchanges rows and columns of the tile buf [n, n] in place; expansion removes it */
    FV_S_TRANSPOSE,
    /* calls a library function on parameters of the kernel, outside of loops and conditions. If it
     * fails, the kernel ends and the run returns its status */
    FV_S_CALL,
    FV_S_COMMENT, /* a line of text; consumers may print it */
    /* host programs only: */
    FV_S_READ,   /* var = an argument of the caller; its bounds are not known before a CHECK */
    FV_S_PLAN,   /* executes the statements of the plan; its names are in scope from here on */
    FV_S_MEMORY, /* inputs, outputs, constants and the workspace may be used from here on */
    FV_S_CHECK,  /* if !x, return `status`; text is the reason */
    FV_S_LAUNCH, /* runs a kernel on buffers with dims */
    FV_S_ALLOC,  /* allocates a HEAP buffer of x bytes with the caller's allocator */
    FV_S_FREE,
    /* reports to the caller: the actual dim `axis` of output `output` is x; axis -1: the elements
     * that the output needs; output -1: the bytes of workspace */
    FV_S_SETDIM,
} fv_stmt_kind;

typedef enum { FV_SERIAL, FV_PARALLEL, FV_VECTOR, FV_UNROLL } fv_loop_kind;

struct fv_block {
    fv_stmt *first, *last;
};

/* How a collective is called: it returns when the exchange is complete; or it starts the exchange,
 * and a later call with the same arguments waits for it (START, WAIT). Until then, what is sent
 * must stay as it is, and what is received must not be used. Other functions: CALL. */
typedef enum { FV_CALL, FV_CALL_START, FV_CALL_WAIT } fv_call_mode;

/* LAUNCH of a kernel, or CALL of a library function. */
typedef struct fv_stmt_call {
    struct fv_kernel *kernel;     /* LAUNCH */
    const fv_library_fn *library; /* CALL */
    fv_buf **args;                /* the arguments, one for each parameter */
    /* CALL of an addressed function: the rank, and the number of ranks of the run */
    int64_t rank, ranks;
    fv_call_mode mode; /* CALL */
    fv_expr **dims;    /* LAUNCH: the values of the dims, one for each dim of the kernel */
    int number;        /* LAUNCH: number of the launch in order of the text (fv_program_number) */
    /* LAUNCH: if a single thread runs all tasks, it begins with the last one, whose operands may
     * still be in a cache */
    bool descending;
} fv_stmt_call;

/* FOR: the variable of the loop has the values lo, lo + step, ... below hi. */
typedef struct fv_stmt_loop {
    fv_loop_kind kind;
    fv_expr *lo, *hi;
    int64_t step;
} fv_stmt_loop;

/* Texts of a statement, and the status that a CHECK returns to the caller. */
typedef struct fv_stmt_note {
    /* COMMENT, CHECK: the text; LAUNCH: names of the ONNX nodes of the kernel, or NULL */
    const char *text;
    const char *indexes; /* LAUNCH: names of those nodes whose indices come from data, or NULL */
    int status;          /* CHECK: the status, FV_BAD_DIM, ... (fovea_model.h) */
} fv_stmt_note;

/* SETDIM: states which size is reported. */
typedef struct fv_stmt_size {
    int output, axis;
} fv_stmt_size;

struct fv_stmt {
    fv_stmt_kind kind;
    fv_stmt *next;
    /* LET, FOR, READ: the variable. A LET of a symbol or capacity of the program gives it its
     * value */
    fv_var *var;
    fv_buf *buf;     /* STORE, PREFETCH, TILE, TRANSPOSE, ALLOC, FREE: the buffer */
    fv_expr *x;      /* the value or condition of the statement */
    fv_expr **index; /* STORE, PREFETCH: buf->rank indices */
    fv_expr *mask;   /* STORE: the condition, a bool, or NULL */
    int cache;       /* PREFETCH: the level of cache, 1 to 3 */
    fv_stmt_loop loop;
    fv_block body, other;
    fv_stmt_call call;
    fv_stmt_note note;
    fv_stmt_size size; /* SETDIM */
    fv_read read;      /* READ */
};

/* ---- kernels ---- */

typedef struct fv_kernel {
    const char *name;
    fv_arena *arena;
    int nbufs, ndims;
    fv_buf **bufs; /* the parameters that are buffers: IN, OUT, INOUT */
    fv_var **dims; /* the parameters that are integers, of type i64 */
    fv_block body;
    /* after expansion the body computes one task */
    fv_var *task;   /* the task's number, 0 <= task < tasks; NULL before expansion */
    fv_expr *tasks; /* number of tasks, an expression over dims */
    bool requires_; /* whether the kernel contains REQUIRE or CALL, so that it gets an error word */
    /* numbers of variables and tiles, set by fv_kernel_number: var->id < nvars, tile->id < nbufs +
     * ntiles */
    int nvars, ntiles;
    /* information for dumps, not part of the kernel's identity: names of its ONNX nodes, the
     * formula, and the schedule */
    const char *origin, *formula;
    const fv_schedule *schedule; /* NULL: the kernel was written by hand */
} fv_kernel;

#endif
