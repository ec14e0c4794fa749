/* program.h - the host program that launches kernels: a model that is compiled. */
#ifndef FV_IR_KERNEL_PROGRAM_H
#define FV_IR_KERNEL_PROGRAM_H

#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

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

#endif
