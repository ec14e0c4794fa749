/* code.h - the instructions that the interpreter executes, private to this folder.
 *
 * An instruction is a function and its operands. Operands are byte offsets into a register file: a
 * value of n lanes lies there as n consecutive elements. One function handles one operation on one
 * element type, for one lane or for any number. It returns the next instruction, NULL at the end.
 *
 *   register file   | kept: dims, extents, task | values and tiles of the body ... | constants |
 *
 * Constants stand in an image that is copied to the end of each file. What a kernel computes from
 * its dims alone (extents, the number of tasks) is done once a launch, and copied to every task. */
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

/* A LOAD, GUARD or STORE: which element of which buffer. */
typedef struct access {
    const fv_buf *buf; /* for messages */
    int slot;          /* of frame->slots */
    int rank;
    uint32_t size;    /* bytes of an element, with all its lanes if the buffer has lanes */
    uint32_t *index;  /* registers, i64 */
    uint32_t *extent; /* registers, i64 */
    bool *vector;     /* per index: one for each lane */
    bool run;         /* lane l is at the last index + l */
    bool masked, mask_vector;
} access;

struct insn {
    insn_fn fn;
    uint32_t d, a, b, c; /* result and operands */
    uint16_t lanes;
    bool is_access; /* u.access holds registers */
    union {
        int64_t imm;
        const insn *to; /* where a jump goes */
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

/* What a kernel says about a parameter: how many bytes it may touch. */
typedef struct param {
    const fv_buf *buf;
    int rank;
    uint32_t size;
    uint32_t *extent; /* registers */
} param;

/* The register file: bytes, of which a launch computes the first `kept`. The image of constants is
 * copied to image_at. */
typedef struct register_file {
    size_t bytes, kept;
    size_t image_at, image_bytes;
    const unsigned char *image;
} register_file;

typedef struct bytecode {
    const char *name; /* of the kernel, for messages */
    bool by_hand;     /* the kernel: messages name it */
    insn *insns;
    int ninsns;
    const insn *task; /* where a task starts; insns[0] is the start of the launch's part */
    register_file file;
    int nslots;
    int nparams, ntiles;
    param *params; /* slots 0 ... nparams - 1 */
    tile *tiles;
    int ndims;
    uint32_t *dim_at;           /* registers of the dims */
    uint32_t task_at, tasks_at; /* registers of the number of the task, and of tasks */
} bytecode;

/* The first fault of all runs of an interpreter. */
typedef struct fault_text {
    _Atomic int taken; /* 0: none, 1: being written, 2: there */
    char text[400];
} fault_text;

/* What a CALL calls. */
typedef struct call {
    fv_library_call function;
    const char *name;
    const fv_buf *from; /* the kernel's parameter that it reads */
    int nargs, nextents;
    int slots[FV_LIBRARY_PARAMS];
    uint32_t extents[FV_LIBRARY_PARAMS * FV_MAX_RANK]; /* registers */
} call;

/* The first index of a run that a REQUIRE refused, or what a CALL did not take. */
typedef struct refused_index {
    _Atomic int taken; /* 0: none, 1: being written, 2: there */
    /* of a CALL, or of a condition that is not about an index; NULL: it is an index */
    const char *why;
    const fv_buf *from; /* the kernel's parameter that it is from, or NULL */
    int64_t at[FV_MAX_RANK], value, limit;
    bool direct, wraps, is_flag;
} refused_index;

struct frame {
    unsigned char *r; /* the register file */
    const bytecode *code;
    slot *slots;
    fault_text *fault;
    const volatile int32_t *cancel;
    int64_t left;                /* iterations of loops until it is cancelled */
    const struct host_run *host; /* of a host program, else NULL */
    int status;                  /* why it ended */
    bool required;               /* some REQUIRE failed */
    refused_index *refused;      /* or NULL: nobody asks */
};

/* A register as an element of C type T: register files hold all types. */
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

/* arith_int.c, arith_float.c: NULL where the type has no such operation */
insn_fn fv_i_int_op(fv_expr_op op, fv_elem e, bool vector);
insn_fn fv_i_float_op(fv_expr_op op, fv_elem e, bool vector);
/* move.c: SELECT, SPLAT, RAMP, EVEN, ODD, copies, by the width of an element in bytes */
insn_fn fv_i_select(int bytes);
insn_fn fv_i_splat(int bytes);
insn_fn fv_i_ramp(int bytes);
insn_fn fv_i_even(int bytes);
insn_fn fv_i_odd(int bytes);
insn_fn fv_i_copy(int bytes);
/* convert.c: NULL where one is a storage type */
insn_fn fv_i_convert(fv_elem from, fv_elem to);
/* applies u.lane to each lane; by the bytes of an element, NULL where nothing has these */
insn_fn fv_i_by_lane(int from_bytes, int to_bytes);
/* memory.c */
insn_fn fv_i_load(const access *m, fv_elem e, int lanes);
insn_fn fv_i_store(const access *m, int lanes);
const insn *fv_i_fill(frame *f, const insn *i);   /* d: tile of b elements of c bytes, each as a */
const insn *fv_i_poison(frame *f, const insn *i); /* d: tile of c bytes */
/* control.c */
const insn *fv_i_end(frame *f, const insn *i);
const insn *fv_i_jump(frame *f, const insn *i);
const insn *fv_i_jump_if_not(frame *f, const insn *i); /* a: bool */
const insn *fv_i_enter(frame *f, const insn *i);       /* d = a; jumps if !(a < b) */
const insn *fv_i_next(frame *f, const insn *i);        /* d += a; jumps if d < b */
const insn *fv_i_poll(frame *f, const insn *i);        /* the cancel flag */
const insn *fv_i_call(frame *f, const insn *i);        /* u.data: the call */
/* a: bools; jumps where none failed by now */
const insn *fv_i_require(frame *f, const insn *i);
/* index.c: notes the index that was refused */
const insn *fv_i_tell_index(frame *f, const insn *i);
int fv_i_exec(frame *f, const insn *at); /* the status */
/* Notes the fault, unless there is one already, and ends the frame with FV_INTERNAL. */
const insn *fv_i_fault(frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_i_note(fault_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- launch.c ---- */

/* A frame with its register file: constants, tiles in place, other slots empty. False: no
 * memory. */
bool fv_i_frame_new(frame *f, const bytecode *c, fault_text *fault) FV_MUST_USE;
/* Runs the tasks of a kernel on slots (one per parameter) and returns the status of the launch. */
int fv_i_launch(const bytecode *k, const int64_t *dims, const slot *args, const fv_env *env,
                fault_text *fault, refused_index *refused, int64_t *left);

/* ---- build_stmt.c ---- */

/* NULL after a diagnostic. */
const bytecode *fv_i_compile_kernel(fv_arena *a, const fv_kernel *k);

/* ---- host programs: host_build.c, host.c ---- */

/* What is known of a buffer at MEMORY. */
typedef struct host_buf {
    const fv_buf *buf;
    uint32_t bytes, offset; /* registers: of INPUT, OUTPUT, WORK; of WORK */
} host_buf;

/* Where a LAUNCH finds its arguments. */
typedef struct site {
    const bytecode *kernel;
    const char *origin;  /* the ONNX nodes */
    const char *indexes; /* those that index; NULL: all may */
    int number;          /* for who traces */
    int nargs;
    int *slots;
    uint32_t dims_at, args_at; /* registers: i64 in a row, slots in a row */
} site;

struct fv_interp {
    const fv_program *program;
    bytecode code;  /* launch part: the size query; task: the run */
    host_buf *bufs; /* of nslots, in order */
    fault_text fault;
    int64_t limit;                 /* of iterations; 0: none */
    _Atomic(const char *) stopped; /* what the last run that stopped was at */
    fault_text index;              /* the first index that was refused, in words */
};

/* What the caller gave to the run, or size query, that a frame of a host program belongs to. */
typedef struct host_run {
    fv_interp *interp;
    const int64_t *dims;
    const void *const *inputs;
    void *const *outputs;
    int64_t *out_dims;
    unsigned char *workspace;
    size_t bytes;
    const fv_env *given;
    fv_env env;   /* of the size that is known here */
    size_t *need; /* size query: where the bytes of workspace are stored */
} host_run;

void fv_i_index_text(const fv_interp *p, const site *at, const refused_index *r, char *text,
                     size_t size);
bool fv_i_build_host(fv_arena *a, fv_interp *p) FV_MUST_USE;
const insn *fv_i_check(frame *f, const insn *i); /* a: bool; u.data: the CHECK */
const insn *fv_i_site(frame *f, const insn *i);  /* u.data: site */
const insn *fv_i_alloc(frame *f, const insn *i); /* a: bytes; u.imm: slot */
const insn *fv_i_free(frame *f, const insn *i);  /* u.imm: slot */
/* a: value; u.imm: place in out_dims; -1: the workspace */
const insn *fv_i_setdim(frame *f, const insn *i);
const insn *fv_i_read(frame *f, const insn *i);   /* u.data: the fv_read */
const insn *fv_i_memory(frame *f, const insn *i); /* a: bytes of the workspace */

#endif
