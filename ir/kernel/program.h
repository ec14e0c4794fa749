/* program.h - the host program that launches kernels: a model that is compiled. */
#ifndef FV_IR_KERNEL_PROGRAM_H
#define FV_IR_KERNEL_PROGRAM_H

#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

typedef struct fv_constant {
    const char *name;
    const void *data; /* of `bytes`, in the layout that kernels read (storage types, unpacked) */
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
    /* outputs: 1 + the input that takes it at the next run (ir/graph/state.h); 0: none */
    int state_of;
} fv_port;

/* Dims of the caller that must be equal, as text, for the model's table: its CHECK is in the
 * body. */
typedef struct fv_program_relation {
    const char *left, *right, *why;
} fv_program_relation;

typedef struct fv_program {
    fv_arena *arena;
    fv_dims *dims_table;
    const char *name; /* prefix of every C name */
    const fv_target *target;
    int nsymbols; /* dims that the caller gives, in order of M_dims */
    const fv_dim **symbols;
    fv_var **symbol_vars;
    int ninputs, noutputs, nconstants, nkernels, nbuffers;
    fv_port *inputs, *outputs;
    fv_constant *constants;
    fv_kernel **kernels; /* distinct ones */
    fv_buf **buffers;    /* INPUT, OUTPUT, CONST, WORK, HEAP */
    /* per output: variable with the caller's capacity in elements; NULL: the size is known */
    fv_var **capacity;
    /* READs of dims; LETs: sizes and offsets from these; CHECKs; shared by size query and run */
    fv_block plan;
    fv_expr *workspace; /* bytes, over the plan */
    /* what the size query does behind the plan: tells what is asked for */
    fv_block query;
    fv_block body;       /* the run */
    bool uses_allocator; /* has HEAP buffers; env.alloc and env.free are the caller's */
    int nvars;           /* set by fv_program_number: var->id < nvars */
    int nrelations, cap_relations;
    fv_program_relation *relations; /* for people; the text of a program does not hold them */
    const char *source_hash;        /* hex */
    const char *producer;           /* version of Fovea */
} fv_program;

/* Is there any statement of the protocol between model and caller: READ, PLAN, MEMORY, a size
 * query? Texts may leave it to fv_program_protocol (backend/consumer/protocol.h). */
bool fv_program_has_protocol(const fv_program *p) FV_MUST_USE;
/* The first kernel that calls a function of a library; NULL: none does, and the program may stand
 * alone. */
const fv_kernel *fv_program_caller(const fv_program *p);
/* Symbol i or the capacity of output i; false: it is none. */
bool fv_program_symbol(const fv_program *p, const fv_var *v, int *i) FV_MUST_USE;
bool fv_program_capacity(const fv_program *p, const fv_var *v, int *i) FV_MUST_USE;

/* Does an output lie in the memory of the input that it is the state of? */
static inline bool fv_port_is_shared(const fv_port *port) {
    return port->buf->role == FV_BUF_INPUT && port->buf->output > 0;
}
/* `n <= capacity`, of such an output: it has no more along its axis than the memory. */
fv_expr *fv_port_fits(fv_arena *a, const fv_port *output);
/* Elements of an input or output, as its buffer holds them (saturating where they may overflow); of
 * an output whose size depends on data its capacity. */
fv_expr *fv_port_elements(fv_arena *a, const fv_program *p, const fv_port *port);
/* `n == 0 | there`: what has no elements may be missing. */
fv_expr *fv_unless_empty(fv_arena *a, fv_expr *n, fv_expr *there);

#endif
