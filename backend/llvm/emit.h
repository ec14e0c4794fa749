/* emit.h - the state while a module and a function in it are emitted; private to this folder.
 *
 * No frame of LLVM is on the stack when memory of an arena is requested, so running out of memory
 * may leave by a longjmp to the session's door (ir/base/arena.h). The function that opens a module
 * must close it in that case, too (module.c). */
#ifndef FV_BACKEND_LLVM_EMIT_H
#define FV_BACKEND_LLVM_EMIT_H

#include "backend/llvm/llvm.h"
#include "backend/llvm/load.h"
#include "ir/base/diag.h"
#include "ir/base/ptrmap.h"

/* number of builders: two for each function; two functions may be begun while another is open */
enum { FV_LL_BUILDERS = 6 };

/* How code is generated. */
typedef struct fv_ll_mode {
    int level;
    bool small; /* whether functions get the attribute `optsize` */
    /* whether the code stays in memory, and finds constants through NAME_constants */
    bool resident;
    /* whether constants may be at addresses that are not aligned to their elements */
    bool unaligned;
} fv_ll_mode;

/* The kernels of the program that are in this module. */
typedef struct fv_ll_part {
    /* for each kernel: the number of its module; NULL: there is one module */
    const unsigned char *of;
    int number; /* number of this module; module 0 has plan, run and table */
} fv_ll_part;

/* The programs for several targets in one module. */
typedef struct fv_ll_levels {
    int n;                        /* number of programs; 0: there is one program, for one target */
    const fv_program *const *all; /* the lowest target first */
    const fv_program *whole;      /* has the constants of all (backend/consumer/levels.h) */
    int now;                      /* number of the program whose functions are emitted */
} fv_ll_levels;

/* The machine for which LLVM generates code. */
typedef struct fv_ll_machine {
    LLVMTargetMachineRef ref;
    char *triple;
    fv_isa isa; /* of the triple: that of this machine for the target generic */
} fv_ll_machine;

/* The types that generated code uses. */
typedef struct fv_ll_types {
    LLVMTypeRef i1, i8, i16, i32, i64, f16, f32, f64, ptr, size, none;
    LLVMTypeRef task;  /* type of the function of a task: void (ptr arg, i64 task) */
    LLVMTypeRef state; /* the struct that kernels share with the run: cancel flag and error word */
} fv_ll_types;

/* The constants of the program. */
typedef struct fv_ll_weights {
    /* the external, hidden symbol of the weights; for code in memory: NAME_constants, an address
     * for each constant, which the loader of the code fills in */
    LLVMValueRef at;
    size_t *offset; /* offset of each constant in the weights */
    /* the section that LLVM writes with room for the weights; NULL: the section is added later */
    const char *section;
    const char *file; /* the name of the file that contains the weights; NULL: there is no file */
    size_t bytes;
    void *object; /* the object file that weights.c has opened */
} fv_ll_weights;

/* Builders of instructions, of which the first n are in use. */
typedef struct fv_ll_builders {
    LLVMBuilderRef all[FV_LL_BUILDERS];
    int n;
} fv_ll_builders;

typedef struct fv_ll_module {
    fv_session *session;
    fv_arena *arena; /* memory that is freed with the module */
    const fv_program *program;
    const fv_target *target;
    fv_ll_mode mode;
    fv_ll_part part;
    fv_ll_levels levels;
    LLVMContextRef context;
    LLVMModuleRef module;
    fv_ll_machine machine;
    fv_ll_types types;
    fv_ll_weights weights;
    fv_ptrmap kernels; /* fv_kernel -> fv_ll_kernel */
    fv_ll_builders builders;
    char fault[400]; /* text of the first error, of LLVM or our own; "": there was none */
} fv_ll_module;

typedef struct fv_ll_kernel {
    const fv_kernel *kernel;
    int index;       /* number of the kernel in the program */
    LLVMValueRef fn; /* function with the parameters buffers, dims, state, task */
    LLVMTypeRef type;
    LLVMValueRef task;     /* function of type types.task, unpacks args_type */
    LLVMTypeRef args_type; /* struct of buffers, dims, state */
    /* whether the kernel has a REQUIRE, CALL or while, so that the run checks the error word */
    bool may_fail;
} fv_ll_kernel;

typedef struct fv_ll_buf {
    LLVMValueRef ptr;     /* address of the first element */
    LLVMValueRef *stride; /* for each index: the number of elements by which the address changes */
} fv_ll_buf;

typedef struct fv_ll_host fv_ll_host; /* declared in host.h */

/* The numbers that an expression can have: [lo, hi]. */
typedef struct fv_ll_range {
    double lo, hi;
    bool known; /* false: any number, infinity or NaN */
    bool whole; /* whether all of them are integers */
} fv_ll_range;

/* What is known of values while a function is emitted (range.c). */
typedef struct fv_ll_known {
    fv_ptrmap lets;      /* fv_var of a let -> fv_expr, its value */
    fv_ptrmap unrounded; /* fv_ll_unrounded */
    /* the launches of the kernel, if they are few enough to be examined, and what is known in each
     * of them: fv_expr -> fv_ll_range */
    int nlaunches;
    const fv_stmt **launches;
    fv_ptrmap *ranges;
    fv_ptrmap any; /* the same if nothing is known of launches */
    int depth;     /* the number of expressions around the one whose range is being found */
} fv_ll_known;

typedef struct fv_ll_fn {
    fv_ll_module *m;
    LLVMValueRef fn;
    LLVMBuilderRef b;            /* builder at the position where code is appended */
    LLVMBuilderRef slots;        /* builder at the end of the entry block, for allocas only */
    LLVMBasicBlockRef start;     /* the block after the entry block */
    fv_ptrmap vars;              /* fv_var -> LLVMValueRef */
    fv_ptrmap bufs;              /* fv_buf -> fv_ll_buf */
    fv_ll_known known;           /* what is known of values */
    LLVMValueRef cancel;         /* address of the cancel flag, never NULL */
    LLVMValueRef error;          /* address of the error word */
    LLVMBasicBlockRef cancelled; /* block to which a loop branches if the cancel flag is set */
    fv_ll_host *host;            /* the host program; NULL for kernels */
    /* address of an i64 that says for which rows and words tile registers are configured now
     * (matrix.c); NULL: the kernel does not use them */
    LLVMValueRef tiles;
} fv_ll_fn;

/* ---- module.c ---- */

/* Creates the types, the target machine and the weights. False after a diagnostic; the module must
 * be closed in any case. */
bool fv_ll_open(fv_ll_module *m, fv_session *s, const fv_program *p, const fv_llvm_options *o,
                bool resident) FV_MUST_USE;
void fv_ll_close(fv_ll_module *m);
/* Emits the module: its kernels and, unless it is another part than number 0, plan, run and table.
 * False after a diagnostic. */
bool fv_ll_emit(fv_ll_module *m) FV_MUST_USE;
/* Lets LLVM verify the module; reports the first error. */
bool fv_ll_verify(fv_ll_module *m) FV_MUST_USE;
/* Runs LLVM's passes for the optimization level. */
bool fv_ll_optimize(fv_ll_module *m) FV_MUST_USE;
/* The module as an object, assembly or text; NULL after a diagnostic. */
LLVMMemoryBufferRef fv_ll_code(fv_ll_module *m, fv_llvm_kind kind);
/* Optimizes and makes an object, on any thread, and frees LLVM's memory of the module. NULL: an
 * error was recorded, which fv_ll_report reports. */
LLVMMemoryBufferRef fv_ll_make_object(fv_ll_module *m);
/* Reports a recorded error; returns false if there is one. */
bool fv_ll_report(fv_ll_module *m) FV_MUST_USE;

/* ---- function.c ---- */

/* Records an internal error: an expression that should have been expanded. */
void fv_ll_fault(fv_ll_module *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef enum { FV_LL_EXPORTED, FV_LL_INTERNAL } fv_ll_linkage;
/* Adds a function with the attributes that all functions have. baseline: without the target's
 * features, on x86-64 and aarch64. */
LLVMValueRef fv_ll_function(fv_ll_module *m, const char *name, LLVMTypeRef type,
                            fv_ll_linkage linkage, bool baseline);
/* `name`, with the name of the current target appended if code for several targets is emitted. */
const char *fv_ll_name_of_level(fv_ll_module *m, const char *name);
void fv_ll_attr(fv_ll_module *m, LLVMValueRef fn, unsigned at, const char *name);
/* Sets the attributes of a parameter through which a kernel accesses b. */
void fv_ll_buf_attrs(fv_ll_module *m, LLVMValueRef fn, unsigned param, const fv_buf *b);
void fv_ll_begin(fv_ll_fn *f, fv_ll_module *m, LLVMValueRef fn);
void fv_ll_finish(fv_ll_fn *f); /* must be called when the body is complete */
LLVMBasicBlockRef fv_ll_block(fv_ll_fn *f, const char *name);
void fv_ll_at(fv_ll_fn *f, LLVMBasicBlockRef block); /* appends code to that block from now on */
LLVMValueRef fv_ll_alloca(fv_ll_fn *f, LLVMTypeRef type, const char *name);
LLVMValueRef fv_ll_int(fv_ll_module *m, int64_t value); /* a constant of type i64 */
/* The address of zeros of that type, which replaces what the caller left out. */
LLVMValueRef fv_ll_zeros(fv_ll_module *m, LLVMTypeRef type, const char *name);
LLVMValueRef fv_ll_splat(fv_ll_fn *f, LLVMValueRef x, int lanes);
LLVMValueRef fv_ll_intrinsic(fv_ll_fn *f, const char *name, int ntypes, LLVMTypeRef *types,
                             int nargs, LLVMValueRef *args);
/* The address of element `at` of `array`, whose elements are of type `type`. */
LLVMValueRef fv_ll_element(fv_ll_fn *f, LLVMTypeRef type, LLVMValueRef array, int at);
/* the address p plus `bytes` */
LLVMValueRef fv_ll_offset(fv_ll_fn *f, LLVMValueRef p, LLVMValueRef bytes);
/* Is the caller's cancel flag set (*p != 0)? */
LLVMValueRef fv_ll_poll(fv_ll_fn *f);
void fv_ll_branch(fv_ll_fn *f, LLVMValueRef c, LLVMBasicBlockRef yes, LLVMBasicBlockRef no);
/* fv_ll_branch for a condition that is expected to be false. */
void fv_ll_branch_unlikely(fv_ll_fn *f, LLVMValueRef c, LLVMBasicBlockRef yes,
                           LLVMBasicBlockRef no);

/* ---- types ---- */

LLVMTypeRef fv_ll_elem(fv_ll_module *m, fv_elem e); /* the LLVM type of a value with one lane */
LLVMTypeRef fv_ll_type(fv_ll_module *m, fv_ktype t);
/* the LLVM type of an element in a buffer, where a bool is a byte */
LLVMTypeRef fv_ll_mem_type(fv_ll_module *m, fv_elem e, int lanes);
LLVMTypeRef fv_ll_lanes(LLVMTypeRef elem, int lanes);
int fv_ll_lanes_of(LLVMValueRef x);

/* ---- expr.c, arith.c, convert.c, dot.c, memory.c ---- */

LLVMValueRef fv_ll_expr(fv_ll_fn *f, const fv_expr *x);
/* Emit integer division and remainder; MIN and MAX; MULHI; ADDSAT and MULSAT. x: the operation, a
 * and b: its arguments. */
LLVMValueRef fv_ll_divide(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef fv_ll_min_max(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
/* Emits a sum of products of i32, or SCALEB of f32, of scalars or vectors; the target has an
 * instruction for it. */
LLVMValueRef fv_ll_of_table(fv_ll_fn *f, fv_expr_op op, LLVMValueRef *args);
/* The sum of products of 16 bytes `op` (DOT16_) of the vectors x and y, added to `sum`; the target
 * has an instruction for it. */
LLVMValueRef fv_ll_dot16(fv_ll_fn *f, fv_expr_op op, LLVMValueRef x, LLVMValueRef y,
                         LLVMValueRef sum);
LLVMValueRef fv_ll_mulhi(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef fv_ll_saturating(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef fv_ll_convert(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_elem to);
/* Is x a float constant that is not NaN, or lanes of one? If so, sets *value to it. */
bool fv_ll_is_number(const fv_expr *x, double *value) FV_MUST_USE;
/* Emits MIN or MAX of a and a constant that is not NaN, where the sign of a zero does not count. */
LLVMValueRef fv_ll_limit(fv_ll_fn *f, bool max, LLVMValueRef a, LLVMValueRef constant);
LLVMValueRef fv_ll_bitcast(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_ktype to);
LLVMValueRef fv_ll_load(fv_ll_fn *f, const fv_expr *x); /* emits a LOAD or GUARD */
void fv_ll_store(fv_ll_fn *f, const fv_stmt *s);
void fv_ll_prefetch(fv_ll_fn *f, const fv_stmt *s);
/* Prefetches what is at `ptr` into the cache of that level. */
void fv_ll_prefetch_at(fv_ll_fn *f, LLVMValueRef ptr, int cache);
void fv_ll_tile(fv_ll_fn *f, const fv_stmt *s);
/* The address of an element, or of the first one of consecutive elements; a vector of addresses if
 * an index is a vector. */
LLVMValueRef fv_ll_address(fv_ll_fn *f, const fv_buf *b, fv_expr *const *index);
/* Makes a buffer accessible: computes its strides from its extents. */
void fv_ll_add_buf(fv_ll_fn *f, const fv_buf *b, LLVMValueRef ptr);
/* The address of a buffer of the host program. */
LLVMValueRef fv_ll_host_buf(fv_ll_fn *f, const fv_buf *b);

/* ---- range.c ---- */

/* Finds the launches of the kernel that f computes, whose constants then decide ranges. */
void fv_ll_find_launches(fv_ll_fn *f, const fv_kernel *k);
/* The numbers that x can have, of an integer of at most 32 bits or an f32. */
fv_ll_range fv_ll_range_of(fv_ll_fn *f, const fv_expr *x);
/* The numbers that x, an f32, can have besides NaN; unknown if no finite limits are found. */
fv_ll_range fv_ll_limits_of(fv_ll_fn *f, const fv_expr *x);
/* Is x `select(a < b, a, b)`, the smaller one of two, or `select(a < b, b, a)`, the larger one
 * (*max)? */
bool fv_ll_is_limit(const fv_expr *x, bool *max) FV_MUST_USE;
/* Notes that `rounded` is v rounded to the nearest integer, if an instruction of the target rounds
 * and converts as many lanes. */
void fv_ll_note_rounded(fv_ll_fn *f, LLVMValueRef rounded, LLVMValueRef v);
/* Notes the same of the select x of a and b, `limited`, if it limits a value that was rounded by an
 * integer. */
void fv_ll_note_limit(fv_ll_fn *f, const fv_expr *x, LLVMValueRef limited, LLVMValueRef a,
                      LLVMValueRef b);
/* The value that was rounded to the nearest integers v; NULL: none was noted. */
LLVMValueRef fv_ll_unrounded(const fv_ll_fn *f, LLVMValueRef v);
/* The i32 integers that are nearest to v, a value that fv_ll_unrounded returned, or such a value
 * after limits; -2^31 for numbers outside of the range of i32. */
LLVMValueRef fv_ll_nearest(fv_ll_fn *f, LLVMValueRef v);

/* ---- block.c ---- */

void fv_ll_stmts(fv_ll_fn *f, const fv_block *b);

/* ---- kernel.c ---- */

void fv_ll_kernels(fv_ll_module *m); /* emits the kernels of this module */

/* ---- matrix.c ---- */

/* Emits a product of matrices. False: the target has no instruction for it, and nothing was
 * emitted. */
bool fv_ll_matrix(fv_ll_fn *f, const fv_stmt *s) FV_MUST_USE;
/* Called where a kernel or a function of an outline begins, with its body: it may multiply
 * matrices. */
void fv_ll_matrix_begin(fv_ll_fn *f, const fv_block *body);
/* Called after the call of the function of an outline, which may have configured tile registers. */
void fv_ll_matrix_called(fv_ll_fn *f);
/* Releases tile registers; called before each return of a kernel. */
void fv_ll_matrix_end(fv_ll_fn *f);

/* ---- outline.c ---- */

void fv_ll_outline(fv_ll_fn *f, const fv_stmt *s);

/* ---- host.c, entry.c, table.c, cpu.c ---- */

/* emits a statement of a kind that only host programs have */
void fv_ll_host_stmt(fv_ll_fn *f, const fv_stmt *s);
/* The functions plan and run, and the table that names them. */
typedef struct fv_ll_entry {
    LLVMValueRef plan, run, table;
} fv_ll_entry;
/* Emits the functions of the program and its table. If there are several levels, the functions can
 * be used in the module only. */
fv_ll_entry fv_ll_entry_points(fv_ll_module *m);
void fv_ll_entries(fv_ll_module *m); /* emits what callers see of the only program */
/* The table of a model, as constant data; and the function that returns it. */
LLVMValueRef fv_ll_table(fv_ll_module *m, LLVMValueRef plan, LLVMValueRef run);
void fv_ll_model(fv_ll_module *m, LLVMValueRef table);
/* Emits a function that returns an i1: does this CPU have the features that the target needs? NULL:
 * every CPU has them. */
LLVMValueRef fv_ll_cpu_check(fv_ll_module *m);
/* Emits a function that returns an i32: the number of the highest level whose features this CPU
 * has; 0 if it has those of none. */
LLVMValueRef fv_ll_cpu_level(fv_ll_module *m);

/* ---- levels.c: code for several targets ---- */

/* fv_ll_emit for several levels. */
bool fv_ll_levels_emit(fv_ll_module *m) FV_MUST_USE;

/* ---- parts.c: code in memory, made by several threads ---- */

enum { FV_LL_MOST_PARTS = 4 };

typedef struct fv_ll_parts {
    int n;
    fv_ll_module module[FV_LL_MOST_PARTS];
    /* the objects; the caller sets an entry to NULL if it takes the object */
    LLVMMemoryBufferRef object[FV_LL_MOST_PARTS];
} fv_ll_parts;

/* Makes the modules of a program, with LLVM IR. *ps must be zeroed before, and closed in any case.
 * False after a diagnostic. */
bool fv_ll_parts_emit(fv_ll_parts *ps, fv_session *s, const fv_program *p,
                      const fv_llvm_options *o) FV_MUST_USE;
/* Compiles the modules to objects, which are the same whatever number of threads is used. False
 * after a diagnostic. */
bool fv_ll_parts_compile(fv_ll_parts *ps) FV_MUST_USE;
void fv_ll_parts_close(fv_ll_parts *ps);

/* ---- weights.c: the constants as a section of an object ---- */

/* Adds the weights to the object `code`, which has been written to the open file, unless there are
 * none or they are in a file of their own. */
bool fv_ll_add_weights(fv_ll_module *m, LLVMMemoryBufferRef code, int fd,
                       const char *path) FV_MUST_USE;
void fv_ll_close_object(fv_ll_module *m);

#endif
