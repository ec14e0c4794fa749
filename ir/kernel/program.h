/* program.h - host programs: compiled models that launch kernels. */
#ifndef FV_IR_KERNEL_PROGRAM_H
#define FV_IR_KERNEL_PROGRAM_H

#include "ir/kernel/constant.h"
#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

typedef struct fv_port { /* an input or output of the model */
    const char *name;    /* name of the port in the model */
    const char *cname;   /* unique name that is valid in C and as a file name */
    fv_elem elem; /* element type; callers pass elements of packed types packed, as in ONNX */
    int rank;
    /* dims over the program's symbols; those with from_data are known after the run */
    const fv_dim *const *dims;
    /* the same extents over the program's variables; NULL for dims that depend on data */
    fv_expr **extent;
    fv_buf *buf;
    /* for outputs: 1 + the number of the input to which it is passed in the next run
     * (ir/graph/state.h); 0: none */
    int state_of;
} fv_port;

/* An equality of dims that callers must satisfy, as text for the model's table; a CHECK in the plan
 * or the body tests it. */
typedef struct fv_program_relation {
    const char *left, *right, *why;
} fv_program_relation;

/* The dims that the caller passes, in their order. */
typedef struct fv_program_symbols {
    fv_dims *table; /* the table that owns the dims */
    int n;
    const fv_dim **all;
    fv_var **vars;
} fv_program_symbols;

/* The memory of the program. */
typedef struct fv_program_memory {
    int nconstants, nbuffers;
    fv_constant *constants;
    fv_buf **buffers;    /* the buffers with the roles INPUT, OUTPUT, CONST, WORK, HEAP */
    fv_expr *workspace;  /* size of the workspace in bytes, over variables of the plan */
    bool uses_allocator; /* whether there are HEAP buffers, which use env.alloc and env.free */
    /* whether it is proved that no offsets of these buffers make the workspace smaller; not part of
     * the text */
    bool is_least;
    /* bytes that are alive at once in every order of the launches, with results stored over any
     * operands that permit it; -1: not known, or dims decide it. Not part of the text */
    int64_t least_alive;
    /* why launches were not put into another order although that was asked for; NULL: the orders
     * were searched, or that was not asked for. Not part of the text */
    const char *order_kept;
    /* number of chains of values that are computed in strips of rows, and an estimate of the bytes
     * that would be alive at once without strips. Not part of the text */
    int strips;
    int64_t without_strips;
    /* whether the constants may be replaced by others after compilation, so that code must not
     * depend on their elements; not part of the text */
    bool is_replaceable;
    /* the hash of the expanded text without the elements of constants (fv_program_print_layout), if
     * they are replaceable; not part of the text */
    uint64_t layout[2];
} fv_program_memory;

/* The statements of the program outside of its kernels. */
typedef struct fv_program_host {
    /* READs of dims, LETs of sizes and offsets, CHECKs; executed by the size query and by the
     * run */
    fv_block plan;
    fv_block query; /* statements of the size query after the plan: they report sizes */
    fv_block body;  /* statements of the run */
    int nvars;      /* number of variables, set by fv_program_number: var->id < nvars */
} fv_program_host;

/* Relations for the model's table; not part of the program's text. */
typedef struct fv_program_relations {
    fv_program_relation *all;
    int n, cap;
} fv_program_relations;

/* The model from which the program was made, and the compiler. */
typedef struct fv_program_source {
    const char *hash;     /* hash of the model in hexadecimal */
    const char *producer; /* version of Fovea that made the program */
} fv_program_source;

typedef struct fv_program {
    fv_arena *arena;
    const char *name; /* prefix of all names in C */
    const fv_target *target;
    fv_program_symbols symbols;
    int ninputs, noutputs, nkernels;
    fv_port *inputs, *outputs;
    fv_kernel **kernels; /* the kernels, each once */
    /* for each output: the variable with the capacity that the caller gives, in elements; NULL: the
     * output's size is known */
    fv_var **capacity;
    fv_program_memory memory;
    fv_program_host host;
    fv_program_relations relations;
    fv_program_source source;
} fv_program;

/* Does the program have statements of the protocol with the caller: READ, PLAN, MEMORY or a size
 * query? If a text has none, fv_program_protocol (backend/consumer/protocol.h) adds them. */
bool fv_program_has_protocol(const fv_program *p) FV_MUST_USE;
/* The first kernel that calls a library function which is no collective; NULL: there is none, so
 * compiled code needs no library. */
const fv_kernel *fv_program_caller(const fv_program *p);
/* The number of ranks for which the program exchanges data with collectives; 0: it has
 * none; -1: the numbers differ, or are not constant. */
int64_t fv_program_ranks(const fv_program *p);
/* Does it call functions of the communicator that state a rank, as stages of a model do? */
bool fv_program_addresses(const fv_program *p) FV_MUST_USE;
/* The number of ranks in the group of a call of group_all_gather. */
int64_t fv_exchange_group(const fv_stmt *call);
/* The bytes that the launch of a collective exchanges with one rank, over variables of the host
 * program. */
fv_expr *fv_collective_bytes(fv_arena *a, const fv_stmt *launch);
/* Sets *i to the number of the symbol, or of the output with that capacity; false: v is neither. */
bool fv_program_symbol(const fv_program *p, const fv_var *v, int *i) FV_MUST_USE;
bool fv_program_capacity(const fv_program *p, const fv_var *v, int *i) FV_MUST_USE;

/* Is the output stored in the memory of the input whose state it is? */
static inline bool fv_port_is_shared(const fv_port *port) {
    return port->buf->role == FV_BUF_INPUT && port->buf->output > 0;
}
/* The condition that an output in the memory of an input fits into it along its axis: n <=
 * capacity. */
fv_expr *fv_port_fits(fv_arena *a, const fv_port *output);
/* The number of elements in the buffer of an input or output; if it may overflow, it saturates. For
 * an output whose size depends on data: its capacity. */
fv_expr *fv_port_elements(fv_arena *a, const fv_program *p, const fv_port *port);
/* The condition `n == 0 | there`: a buffer without elements may be missing. */
fv_expr *fv_unless_empty(fv_arena *a, fv_expr *n, fv_expr *there);

/* Does the declaration of the buffer in the text allocate it: is its ALLOC the only one, and not
 * within a block? */
bool fv_program_declares(const fv_program *p, const fv_buf *buf) FV_MUST_USE;

#endif
