/* emit.h - private to this folder: a module under construction, and a function in it.
 *
 * None of LLVM's frames is below ours when an arena is asked for memory, so running out of it may
 * leave by the session's door; whoever opens a module closes it on that way too (module.c). */
#ifndef FV_BACKEND_LLVM_EMIT_H
#define FV_BACKEND_LLVM_EMIT_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "backend/llvm/llvm.h"
#include "ir/base/diag.h"
#include "ir/base/ptrmap.h"

enum { FV_LL_BUILDERS = 4 }; /* two a function; one function may begin inside another */

/* How code is generated. */
typedef struct fv_ll_mode {
    int level;
    bool small;    /* functions are marked so */
    bool resident; /* code in memory: constants are found through NAME_constants */
} fv_ll_mode;

/* The kernels of the program that are in this module. */
typedef struct fv_ll_part {
    const unsigned char
        *of;    /* of each kernel: the number of its module; NULL: there is one module */
    int number; /* of this module; module 0 has plan, run and table */
} fv_ll_part;

/* The machine that LLVM generates code for. */
typedef struct fv_ll_machine {
    LLVMTargetMachineRef ref;
    char *triple;
} fv_ll_machine;

/* The types that generated code uses. */
typedef struct fv_ll_types {
    LLVMTypeRef i1, i8, i16, i32, i64, f16, f32, f64, ptr, size, none;
    LLVMTypeRef task;  /* void (ptr arg, i64 task) */
    LLVMTypeRef state; /* what kernels share with the run: cancel flag, error word */
} fv_ll_types;

/* The constants of the program. */
typedef struct fv_ll_weights {
    /* external, hidden; resident: NAME_constants, an address for each constant, which the loader of
     * the code fills in */
    LLVMValueRef at;
    size_t *offset;   /* of each constant in the weights */
    const char *file; /* the name of the file that contains the weights; NULL: there is no file */
    size_t bytes;
    void *object; /* of weights.c, while it is open */
} fv_ll_weights;

/* Builders of instructions; the first n are in use. */
typedef struct fv_ll_builders {
    LLVMBuilderRef all[FV_LL_BUILDERS];
    int n;
} fv_ll_builders;

typedef struct fv_ll_module {
    fv_session *session;
    fv_arena *arena; /* scratch, freed with the module */
    const fv_program *program;
    const fv_target *target;
    fv_ll_mode mode;
    fv_ll_part part;
    LLVMContextRef context;
    LLVMModuleRef module;
    fv_ll_machine machine;
    fv_ll_types types;
    fv_ll_weights weights;
    fv_ptrmap kernels; /* fv_kernel -> fv_ll_kernel */
    fv_ll_builders builders;
    char fault[400]; /* first complaint, of LLVM or of ours; "": none */
} fv_ll_module;

typedef struct fv_ll_kernel {
    const fv_kernel *kernel;
    int index;       /* in the program */
    LLVMValueRef fn; /* (buffers, dims, state, task) */
    LLVMTypeRef type;
    LLVMValueRef task;     /* of task_type: unpacks args_type */
    LLVMTypeRef args_type; /* buffers, dims, state */
    bool may_fail;         /* it has REQUIRE, CALL or a while: the error word is looked at */
} fv_ll_kernel;

typedef struct fv_ll_buf {
    LLVMValueRef ptr;     /* to the first element */
    LLVMValueRef *stride; /* elements per step of an index; rank of them */
} fv_ll_buf;

typedef struct fv_ll_host fv_ll_host; /* host.h */

typedef struct fv_ll_fn {
    fv_ll_module *m;
    LLVMValueRef fn;
    LLVMBuilderRef b;            /* where code goes */
    LLVMBuilderRef slots;        /* the end of the entry block: allocas only */
    LLVMBasicBlockRef start;     /* follows the entry block */
    fv_ptrmap vars;              /* fv_var -> LLVMValueRef */
    fv_ptrmap bufs;              /* fv_buf -> fv_ll_buf */
    LLVMValueRef cancel;         /* address of the cancel flag, never NULL */
    LLVMValueRef error;          /* address of the error word */
    LLVMBasicBlockRef cancelled; /* where a loop goes that sees the cancel flag */
    fv_ll_host *host;            /* NULL in kernels */
} fv_ll_fn;

/* ---- module.c ---- */

/* Types, target machine, weights. False after a diagnostic; close it in any case. */
bool fv_ll_open(fv_ll_module *m, fv_session *s, const fv_program *p, const fv_llvm_options *o,
                bool resident) FV_MUST_USE;
void fv_ll_close(fv_ll_module *m);
/* Everything: kernels, plan, run, table. */
bool fv_ll_emit(fv_ll_module *m) FV_MUST_USE;
/* Runs the passes of the level. */
bool fv_ll_optimize(fv_ll_module *m) FV_MUST_USE;
/* The module as an object, assembly or text; NULL after a diagnostic. */
LLVMMemoryBufferRef fv_ll_code(fv_ll_module *m, fv_llvm_kind kind);
/* Both, to an object, on any thread: what goes wrong is noted, and NULL. */
LLVMMemoryBufferRef fv_ll_make_object(fv_ll_module *m);
/* Says what was noted; false if there was something. */
bool fv_ll_report(fv_ll_module *m) FV_MUST_USE;
/* Notes what must not happen: an expression that should have been expanded. */
void fv_ll_fault(fv_ll_module *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- function.c ---- */

typedef enum { FV_LL_EXPORTED, FV_LL_INTERNAL } fv_ll_linkage;
/* A function with the attributes that all have. Baseline: without the target's features. */
LLVMValueRef fv_ll_function(fv_ll_module *m, const char *name, LLVMTypeRef type,
                            fv_ll_linkage linkage, bool baseline);
void fv_ll_attr(fv_ll_module *m, LLVMValueRef fn, unsigned at, const char *name);
void fv_ll_begin(fv_ll_fn *f, fv_ll_module *m, LLVMValueRef fn);
void fv_ll_finish(fv_ll_fn *f); /* the body is complete */
LLVMBasicBlockRef fv_ll_block(fv_ll_fn *f, const char *name);
void fv_ll_at(fv_ll_fn *f, LLVMBasicBlockRef block); /* code goes there from now on */
LLVMValueRef fv_ll_alloca(fv_ll_fn *f, LLVMTypeRef type, const char *name);
LLVMValueRef fv_ll_int(fv_ll_module *m, int64_t value); /* an i64 */
LLVMValueRef fv_ll_splat(fv_ll_fn *f, LLVMValueRef x, int lanes);
LLVMValueRef fv_ll_intrinsic(fv_ll_fn *f, const char *name, int ntypes, LLVMTypeRef *types,
                             int nargs, LLVMValueRef *args);
/* &array[at], of that type of elements */
LLVMValueRef fv_ll_element(fv_ll_fn *f, LLVMTypeRef type, LLVMValueRef array, int at);
/* p + bytes */
LLVMValueRef fv_ll_offset(fv_ll_fn *f, LLVMValueRef p, LLVMValueRef bytes);
/* *p != 0, of the caller's cancel flag */
LLVMValueRef fv_ll_poll(fv_ll_fn *f);
void fv_ll_branch(fv_ll_fn *f, LLVMValueRef c, LLVMBasicBlockRef yes, LLVMBasicBlockRef no);
/* The same as fv_ll_branch for a condition that is expected to be false. */
void fv_ll_branch_unlikely(fv_ll_fn *f, LLVMValueRef c, LLVMBasicBlockRef yes,
                           LLVMBasicBlockRef no);

/* ---- types ---- */

LLVMTypeRef fv_ll_elem(fv_ll_module *m, fv_elem e); /* of a value of one lane */
LLVMTypeRef fv_ll_type(fv_ll_module *m, fv_ktype t);
LLVMTypeRef fv_ll_mem_type(fv_ll_module *m, fv_elem e, int lanes); /* in a buffer: bool is a byte */
LLVMTypeRef fv_ll_lanes(LLVMTypeRef elem, int lanes);
int fv_ll_lanes_of(LLVMValueRef x);

/* ---- expr.c, arith.c, convert.c, memory.c ---- */

LLVMValueRef fv_ll_expr(fv_ll_fn *f, const fv_expr *x);
/* DIV and the like of integers; MIN, MAX; MULHI; ADDSAT, MULSAT: x tells which, a and b are its
 * arguments. */
LLVMValueRef fv_ll_divide(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef fv_ll_min_max(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef fv_ll_mulhi(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef fv_ll_saturating(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef fv_ll_convert(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_elem to);
LLVMValueRef fv_ll_bitcast(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_elem to);
LLVMValueRef fv_ll_load(fv_ll_fn *f, const fv_expr *x); /* LOAD, GUARD */
void fv_ll_store(fv_ll_fn *f, const fv_stmt *s);
void fv_ll_prefetch(fv_ll_fn *f, const fv_stmt *s);
void fv_ll_tile(fv_ll_fn *f, const fv_stmt *s);
/* Makes a buffer known: its strides, from its extents. */
void fv_ll_add_buf(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr);

/* ---- block.c ---- */

void fv_ll_stmts(fv_ll_fn *f, const fv_block *b);

/* ---- kernel.c ---- */

void fv_ll_kernels(fv_ll_module *m); /* all of the program */
/* What is known of a parameter through which a kernel reaches b. */
void fv_ll_buf_attrs(fv_ll_module *m, LLVMValueRef fn, unsigned param, const fv_buf *b);

/* ---- outline.c ---- */

void fv_ll_outline(fv_ll_fn *f, const fv_stmt *s);

/* ---- host.c, entry.c, table.c, cpu.c ---- */

void fv_ll_host_stmt(fv_ll_fn *f, const fv_stmt *s); /* CHECK, LAUNCH, ALLOC, FREE, SETDIM */
LLVMValueRef fv_ll_host_buf(fv_ll_fn *f, const fv_buf *b);
void fv_ll_entries(fv_ll_module *m); /* the plan, the run, the table */
void fv_ll_table(fv_ll_module *m, LLVMValueRef plan, LLVMValueRef run);
/* A function: i1, has this CPU what the target needs? NULL: there is nothing to ask. */
LLVMValueRef fv_ll_cpu_check(fv_ll_module *m);

/* ---- parts.c: code in memory, made by several threads ---- */

enum { FV_LL_MOST_PARTS = 4 };

typedef struct fv_ll_parts {
    int n;
    fv_ll_module module[FV_LL_MOST_PARTS];
    LLVMMemoryBufferRef object[FV_LL_MOST_PARTS]; /* whoever takes one sets it to NULL */
} fv_ll_parts;

/* Modules of a program, with LLVM IR. Starts zeroed; close it in any case. False after a
 * diagnostic. */
bool fv_ll_parts_emit(fv_ll_parts *ps, fv_session *s, const fv_program *p,
                      const fv_llvm_options *o) FV_MUST_USE;
/* Their objects: the same ones, however many threads make them. False after a diagnostic. */
bool fv_ll_parts_compile(fv_ll_parts *ps) FV_MUST_USE;
void fv_ll_parts_close(fv_ll_parts *ps);

/* ---- weights.c: the constants as a section of an object ---- */

/* Adds them to the object in the open file, where the code refers to them. */
bool fv_ll_add_weights(fv_ll_module *m, int fd, const char *path) FV_MUST_USE;
void fv_ll_close_object(fv_ll_module *m);

#endif
