/* program.h - host programs: compiled models that launch kernels. */
#ifndef FV_IR_KERNEL_PROGRAM_H
#define FV_IR_KERNEL_PROGRAM_H

#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

typedef struct fv_constant {
    const char *name;
    const void *data; /* `bytes` bytes in the layout of kernels: storage types, unpacked */
    size_t bytes;
    const fv_buf *buf;
} fv_constant;

typedef struct fv_port { /* an input or output of the model */
    const char *name;    /* as in the model */
    const char *cname;   /* valid in C and as a file name; unique */
    fv_elem elem;        /* callers pass packed types packed, as in ONNX */
    int rank;
    /* over the program's symbols; those with from_data are known after the run */
    const fv_dim *const *dims;
    fv_expr **extent; /* the same over the program's variables; NULL for dims that depend on data */
    fv_buf *buf;
    /* outputs: 1 + the input to which it is passed in the next run (ir/graph/state.h); 0: none */
    int state_of;
} fv_port;

/* An equality of dims that callers must satisfy, as text for the model's table; a CHECK in the body
 * tests it. */
typedef struct fv_program_relation {
    const char *left, *right, *why;
} fv_program_relation;

/* The dims that the caller passes, in the order of M_dims. */
typedef struct fv_program_symbols {
    fv_dims *table; /* owns the dims */
    int n;
    const fv_dim **all;
    fv_var **vars;
} fv_program_symbols;

/* The memory of the program. */
typedef struct fv_program_memory {
    int nconstants, nbuffers;
    fv_constant *constants;
    fv_buf **buffers;    /* INPUT, OUTPUT, CONST, WORK, HEAP */
    fv_expr *workspace;  /* in bytes, over variables of the plan */
    bool uses_allocator; /* it has HEAP buffers, for which env.alloc and env.free are used */
} fv_program_memory;

/* The statements of the program outside of its kernels. */
typedef struct fv_program_host {
    /* READs of dims, LETs of sizes and offsets, CHECKs; shared by the size query and the run */
    fv_block plan;
    fv_block query; /* statements of the size query after the plan: they report sizes */
    fv_block body;  /* the run */
    int nvars;      /* set by fv_program_number: var->id < nvars */
} fv_program_host;

/* For people; not in the program's text. */
typedef struct fv_program_relations {
    fv_program_relation *all;
    int n, cap;
} fv_program_relations;

/* What the program was made from, and by. */
typedef struct fv_program_source {
    const char *hash;     /* in hexadecimal */
    const char *producer; /* version of Fovea */
} fv_program_source;

typedef struct fv_program {
    fv_arena *arena;
    const char *name; /* prefix of all names in C */
    const fv_target *target;
    fv_program_symbols symbols;
    int ninputs, noutputs, nkernels;
    fv_port *inputs, *outputs;
    fv_kernel **kernels; /* each kernel once */
    /* for each output: the variable with the caller's capacity in elements; NULL: its size is
     * known */
    fv_var **capacity;
    fv_program_memory memory;
    fv_program_host host;
    fv_program_relations relations;
    fv_program_source source;
} fv_program;

/* Does the program have statements of the protocol with the caller: READ, PLAN, MEMORY or a size
 * query? If a text has none, fv_program_protocol (backend/consumer/protocol.h) adds them. */
bool fv_program_has_protocol(const fv_program *p) FV_MUST_USE;
/* The first kernel that calls a library function; NULL: none, so compiled code needs no library. */
const fv_kernel *fv_program_caller(const fv_program *p);
/* The number of the symbol, or of the output with that capacity; false: v is neither. */
bool fv_program_symbol(const fv_program *p, const fv_var *v, int *i) FV_MUST_USE;
bool fv_program_capacity(const fv_program *p, const fv_var *v, int *i) FV_MUST_USE;

/* Is the output stored in the memory of the input whose state it is? */
static inline bool fv_port_is_shared(const fv_port *port) {
    return port->buf->role == FV_BUF_INPUT && port->buf->output > 0;
}
/* The condition that such an output fits into the memory along its axis: n <= capacity. */
fv_expr *fv_port_fits(fv_arena *a, const fv_port *output);
/* The number of elements in the buffer of an input or output, saturating where it may overflow; for
 * an output whose size depends on data, its capacity. */
fv_expr *fv_port_elements(fv_arena *a, const fv_program *p, const fv_port *port);
/* n == 0 | there: a buffer without elements may be missing. */
fv_expr *fv_unless_empty(fv_arena *a, fv_expr *n, fv_expr *there);

#endif
