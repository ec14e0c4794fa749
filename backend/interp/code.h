/* code.h - the instructions of the interpreter; private to this folder.
 *
 * An instruction is a function and its operands. Operands are byte offsets into a register file, in
 * which a value of n lanes is n consecutive elements. A function performs one operation on one
 * element type, for one lane or for any number of lanes. It returns the next instruction, or NULL
 * at the end.
 *
 *   register file   | kept: dims, extents, task | values and tiles of the body ... | constants |
 *
 * Constants are copied from an image to the end of each register file. What a kernel computes from
 * its dims alone (extents, the number of tasks) is computed once per launch. Tasks that run one
 * after the other share the launch's register file; a task that parallel_for runs has a file of its
 * own, into which these values are copied. */
#ifndef FV_BACKEND_INTERP_CODE_H
#define FV_BACKEND_INTERP_CODE_H

#include <stdatomic.h>

#include "backend/interp/interp.h"
#include "backend/library/library.h"
#include "ir/base/limits.h"
#include "ir/expr/instruction.h"

typedef struct insn insn;
typedef struct frame frame;
typedef const insn *(*insn_fn)(frame *f, const insn *i);

/* The operand of a LOAD, GUARD or STORE: an element of a buffer. */
typedef struct access {
    const fv_buf *buf; /* the buffer, for messages */
    int slot;          /* index of the buffer's slot in frame->slots */
    int rank;
    uint32_t size;    /* size of an element in bytes, with all its lanes if the buffer has lanes */
    uint32_t *index;  /* registers (i64) of the indices */
    uint32_t *extent; /* registers (i64) of the extents */
    bool *vector;     /* for each index: whether it has one value per lane */
    bool run; /* whether the lanes are consecutive elements: lane l is at the last index + l */
    bool masked, mask_vector;
} access;

struct insn {
    insn_fn fn;
    uint32_t d, a, b, c; /* registers of the result and the operands */
    uint16_t lanes;
    bool is_access; /* whether u.access is used, so that constants in it must be placed */
    union {
        int64_t imm;
        const insn *to; /* target of a jump */
        const access *access;
        const void *data;
        fv_lane_fn lane;
    } u;
};

/* The memory of a buffer. */
typedef struct slot {
    unsigned char *base;
    size_t bytes;
} slot;

/* A tile in the register file. */
typedef struct tile {
    int slot;
    uint32_t at, bytes;
} tile;

/* The size of a parameter as the kernel declares it. */
typedef struct param {
    const fv_buf *buf;
    int rank;
    uint32_t size;
    uint32_t *extent; /* registers of the extents */
} param;

/* The register file: bytes, of which a launch computes the first `kept`. The image of constants is
 * copied to image_at. */
typedef struct register_file {
    size_t bytes, kept;
    size_t image_at, image_bytes;
    const unsigned char *image;
} register_file;

typedef struct bytecode {
    const char *name; /* name of the kernel, for messages */
    bool by_hand;     /* whether the kernel was written by hand, so that messages name it */
    insn *insns;
    int ninsns;
    /* first instruction of a task; insns[0] is the first instruction of the part that is executed
     * once per launch */
    const insn *task;
    register_file file;
    int nslots;
    int nparams, ntiles;
    param *params; /* the parameters, which are slots 0 to nparams - 1 */
    tile *tiles;
    int ndims;
    uint32_t *dim_at; /* registers of the dims */
    /* registers of the number of the current task, and of the number of tasks */
    uint32_t task_at, tasks_at;
} bytecode;

/* The text of the first fault in any run of an interpreter. */
typedef struct fault_text {
    _Atomic int taken; /* 0: there is no text, 1: it is being written, 2: it is complete */
    char text[400];
} fault_text;

/* The operand of a CALL. */
typedef struct call {
    fv_library_call function;
    const char *name;
    const fv_buf *from; /* the kernel's parameter that the function reads */
    int nargs, nextents;
    int slots[FV_LIBRARY_PARAMS];
    /* registers of the extents of all arguments */
    uint32_t extents[FV_LIBRARY_PARAMS * FV_MAX_RANK];
} call;

/* The first index that a REQUIRE refused in a launch, or the error of a library function. */
typedef struct refused_index {
    _Atomic int taken; /* 0: there is none, 1: it is being written, 2: it is complete */
    /* text of the failure of a CALL, or of a condition that tests neither an index nor a flag;
     * NULL: an index was refused, or a flag was false (is_flag) */
    const char *why;
    const fv_buf *from; /* the kernel's parameter from which the index was loaded, or NULL */
    int64_t at[FV_MAX_RANK], value, limit;
    bool direct, wraps, is_flag;
} refused_index;

/* Where the values are from which the message about a failed REQUIRE is made. None of the registers
 * is that of a constant. */
typedef struct question {
    uint32_t ok; /* register of the condition, with `lanes` lanes */
    uint16_t lanes;
    /* registers (i64); the value must be in [0, limit), or in [-limit, limit) if negative indices
     * are allowed */
    uint32_t value, limit;
    bool value_lanes, limit_lanes;
    bool wraps;
    /* whether a value in range is not reported, because the condition has further comparisons,
     * each with a question of its own */
    bool among;
    bool is_flag;    /* whether the condition is a flag, so that there is no value and no limit */
    const char *why; /* not NULL: this text is reported instead of a value */
    const fv_buf *from; /* the parameter of the kernel from which the index was loaded, or NULL */
    bool direct;        /* whether the value is the loaded element itself, not computed from it */
    bool run;           /* whether the lanes are consecutive elements */
    uint32_t *index;
    bool *index_lanes;
} question;

struct frame {
    unsigned char *r; /* the register file */
    const bytecode *code;
    slot *slots;
    fault_text *fault;
    const volatile int32_t *cancel;
    /* number of loop iterations that may still be executed before the run is cancelled */
    int64_t left;
    /* the run, if the frame executes a host program; NULL: it executes a kernel */
    const struct host_run *host;
    int status;             /* the status of the run */
    bool required;          /* whether a REQUIRE has failed */
    refused_index *refused; /* where a refused index is recorded; NULL: it is not recorded */
    int started;            /* exchanges that were started, and not waited for */
};

/* A register as a value of the C type T; register files hold all types. */
#define AS(T, f, at) ((T *)(void *)((f)->r + (at)))
typedef int64_t __attribute__((may_alias)) reg_i64;
typedef int32_t __attribute__((may_alias)) reg_i32;
typedef int16_t __attribute__((may_alias)) reg_i16;
typedef int8_t __attribute__((may_alias)) reg_i8;
typedef uint64_t __attribute__((may_alias)) reg_u64;
typedef uint32_t __attribute__((may_alias)) reg_u32;
typedef uint16_t __attribute__((may_alias)) reg_u16;
typedef uint8_t __attribute__((may_alias)) reg_u8;
typedef float __attribute__((may_alias)) reg_f32;
typedef double __attribute__((may_alias)) reg_f64;

static inline int64_t reg_int(const frame *f, uint32_t at) {
    return *AS(reg_i64, f, at);
}

/* ---- instructions, by file ---- */

/* functions of arith_int.c and arith_float.c; NULL: the type has no such operation */
insn_fn fv_i_int_op(fv_expr_op op, fv_elem e, bool vector);
insn_fn fv_i_float_op(fv_expr_op op, fv_elem e, bool vector);
/* function of arith_int.c for a DOT16_ operation */
insn_fn fv_i_dot16(fv_expr_op op);
/* functions of move.c: SELECT, SPLAT, RAMP, EVEN, ODD and copies, by the number of bytes of an
 * element */
insn_fn fv_i_select(int bytes);
insn_fn fv_i_splat(int bytes);
insn_fn fv_i_ramp(int bytes);
insn_fn fv_i_even(int bytes);
insn_fn fv_i_odd(int bytes);
insn_fn fv_i_copy(int bytes);
/* function of convert.c; NULL: one of the types is a storage type */
insn_fn fv_i_convert(fv_elem from, fv_elem to);
/* applies u.lane to each lane, for elements of these numbers of bytes; NULL: no function does */
insn_fn fv_i_by_lane(int from_bytes, int to_bytes);
/* functions of memory.c */
insn_fn fv_i_load(const access *m, fv_elem e, int lanes);
insn_fn fv_i_store(const access *m, int lanes);
/* fills tile d with b copies of the c bytes at a */
const insn *fv_i_fill(frame *f, const insn *i);
const insn *fv_i_poison(frame *f, const insn *i); /* fills the c bytes of tile d with a pattern */
/* functions of control.c */
const insn *fv_i_end(frame *f, const insn *i);
const insn *fv_i_jump(frame *f, const insn *i);
const insn *fv_i_jump_if_not(frame *f, const insn *i); /* jumps if the bool a is false */
const insn *fv_i_enter(frame *f, const insn *i);       /* begins a loop: d = a; jumps if !(a < b) */
/* ends an iteration: d += a; jumps if d < b */
const insn *fv_i_next(frame *f, const insn *i);
/* ends the run if the cancel flag is set, or if the limit of iterations is reached */
const insn *fv_i_poll(frame *f, const insn *i);
const insn *fv_i_call(frame *f, const insn *i); /* u.data: the call */
/* a: the conditions of all lanes; jumps unless one of them is false, or was false in an earlier
 * REQUIRE */
const insn *fv_i_require(frame *f, const insn *i);
/* in index.c: records the index that was refused */
const insn *fv_i_record_refused(frame *f, const insn *i);
int fv_i_exec(frame *f, const insn *at); /* executes from `at` on; returns the status */
/* Records the fault, unless another one was recorded before, and ends the frame with
 * FV_INTERNAL. */
const insn *fv_i_fault(frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_i_note(fault_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- launch.c ---- */

/* Makes a frame with its register file: constants and tiles are set, other slots are empty. False:
 * there is no memory. */
bool fv_i_frame_new(frame *f, const bytecode *c, fault_text *fault) FV_MUST_USE;
/* Runs the tasks of a kernel on slots (one per parameter) and returns the status of the launch.
 * *left: the number of iterations that may be executed, from which those of tasks that run one
 * after the other are subtracted; each task that parallel_for runs may execute as many. */
int fv_i_launch(const bytecode *k, const int64_t *dims, const slot *args, const fv_env *env,
                fault_text *fault, refused_index *refused, int64_t *left);

/* ---- build_stmt.c ---- */

/* Builds the bytecode of a kernel; NULL after a diagnostic. */
const bytecode *fv_i_compile_kernel(fv_arena *a, const fv_kernel *k);

/* ---- host programs: host_build.c, host.c ---- */

/* The memory of a buffer, known after MEMORY. */
typedef struct host_buf {
    const fv_buf *buf;
    /* registers with the bytes of INPUT, OUTPUT and WORK buffers, and the offset of WORK buffers */
    uint32_t bytes, offset;
} host_buf;

/* A LAUNCH statement and its arguments. */
typedef struct site {
    const fv_stmt_call *exchange; /* the collective that is called instead of the kernel, or NULL */
    size_t group;                 /* how many ranks it has, if not all */
    const bytecode *kernel;       /* NULL: a collective is called */
    const char *origin;           /* names of the ONNX nodes of the kernel */
    const char *indexes; /* names of the nodes whose indices may be refused; NULL, "": any */
    int number;          /* number of the launch, for tracing */
    int nargs;
    int *slots;
    /* registers: the dims (consecutive i64), or the bytes that a collective exchanges with one
     * rank; the arguments (consecutive slots) */
    uint32_t dims_at, args_at;
} site;

struct fv_interp {
    const fv_program *program;
    /* the bytecode: the size query is the part that is executed once per launch, the run is the
     * task */
    bytecode code;
    host_buf *bufs; /* nslots entries */
    fault_text fault;
    int64_t limit;                 /* limit of iterations; 0: none */
    _Atomic(const char *) stopped; /* origin of the last kernel or check at which a run stopped */
    fault_text index;              /* text about the first index that was refused in any run */
};

/* The arguments of the run or size query that a frame executes. */
typedef struct host_run {
    fv_interp *interp;
    const int64_t *dims;
    const void *const *inputs;
    void *const *outputs;
    int64_t *out_dims;
    unsigned char *workspace;
    size_t bytes;
    const fv_env *given;
    fv_env env;   /* a copy of the caller's env, with the members that this version knows */
    size_t *need; /* size query: the address where the bytes of workspace are stored */
} host_run;

void fv_i_index_text(const fv_interp *p, const site *at, const refused_index *r, char *text,
                     size_t size);
/* operands: a: a bool; u.data: the CHECK statement */
const insn *fv_i_check(frame *f, const insn *i);
const insn *fv_i_site(frame *f, const insn *i);  /* operands: u.data: the site */
const insn *fv_i_alloc(frame *f, const insn *i); /* operands: a: the bytes; u.imm: the slot */
const insn *fv_i_free(frame *f, const insn *i);  /* operands: u.imm: the slot */
/* operands: a: the value; u.imm: index in out_dims, or -1 for the workspace */
const insn *fv_i_setdim(frame *f, const insn *i);
const insn *fv_i_read(frame *f, const insn *i);   /* operands: u.data: the fv_read */
const insn *fv_i_memory(frame *f, const insn *i); /* operands: a: the bytes of the workspace */

#endif
