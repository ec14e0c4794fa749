/* gen_internal.h - the state of a kernel that is being generated. */
#ifndef FV_TESTS_GEN_INTERNAL_H
#define FV_TESTS_GEN_INTERNAL_H

#include "ir/kernel/build.h"
#include "tests/consumers/gen.h"

enum { MAX_VALUES = 48, MAX_LOOPS = 8, MAX_BUFS = 5, MAX_RANK = 3 };

typedef struct gen {
    rng *r;
    fv_arena *a;
    const gen_options *o;
    fv_kernel *k;
    fv_kbuilder b;
    fv_expr *extents[5]; /* n0, n1, n2, two constants */
    fv_buf *in[MAX_BUFS];
    fv_expr *values[MAX_VALUES]; /* lets in scope */
    struct {
        fv_expr *var, *extent;
    } loops[MAX_LOOPS];
    int nin, nvalues, nloops;
    int budget; /* nodes */
    bool inner; /* inside a vector loop */
} gen;

#define PICK(g, list) (list)[rng_below((g)->r, (int)(sizeof(list) / sizeof *(list)))]

fv_elem gen_arith(gen *g);  /* a type of arithmetic, or bool */
fv_elem gen_memory(gen *g); /* ... or one that is only stored */
fv_expr *gen_value(gen *g, fv_elem e, int depth);

void gen_keep(gen *g, fv_expr *x); /* may be used from here on */
void gen_statements(gen *g, int n);
/* A loop from 0; its variable may be used as an index into axes of that extent. */
fv_expr *gen_open(gen *g, fv_loop_kind kind, const char *name, fv_expr *extent);
void gen_close(gen *g);
/* Stores a value as an element of an output. */
void gen_store(gen *g, fv_buf *out, fv_expr *const *index);

/* gen_shapes.c: makes kernels like those of schedules. The parameters must exist already. */
void gen_blocked(gen *g);   /* an axis cut into blocks, which are the tasks */
void gen_chains(gen *g);    /* rows reduced by 16 chains and a tree */
void gen_contract(gen *g);  /* a matrix product by register tiles, and its edges */
void gen_transpose(gen *g); /* blocks transposed as tiles */
void gen_matrix(gen *g);    /* a product of matrices of bytes */
void gen_sixteen(gen *g);   /* a matrix product of bytes, 16 at a time */

#endif
