/* consumers.h - the consumers of expanded programs, behind one type.
 *
 * A consumer is a name and a function that opens a program; the harness does the rest. To add one,
 * write such a function and enter it in the table of consumers.c. */
#ifndef FV_TESTS_CONSUMERS_H
#define FV_TESTS_CONSUMERS_H

#include "backend/consumer/consumer.h"

typedef struct opened opened;
struct opened {
    int (*run)(opened *o, const int64_t *dims, const void *const *inputs, void *const *outputs,
               int64_t *out_dims, void *workspace, size_t bytes, const fv_env *env);
    int (*plan)(opened *o, const int64_t *dims, size_t *workspace, int64_t *out_dims);
    const char *(*fault)(opened *o); /* text of an FV_INTERNAL, or NULL */
    void (*close)(opened *o);
    const fv_model *model; /* where the consumer makes one */
    void *self;
};

/* NULL: it failed, after a diagnostic. */
typedef opened *(*consumer_open)(fv_arena *a, const fv_program *p);

typedef struct consumer {
    const char *name;
    consumer_open open;
    bool native; /* runs code of the target: only where this machine can */
    int every;   /* slow: takes part in every nth round of random programs only */
} consumer;

/* Those of this build; ends with a NULL name. */
const consumer *consumers(void);
/* generated C compiled by clang, for few tests; NULL: clang is not installed */
const consumer *clang_consumer(void);

/* The nth consumer that can execute programs for this target on this machine, C compiled by clang
 * included; NULL: there are fewer. */
const consumer *consumer_for(const fv_target *t, int n);

/* An expanded program that launches each kernel once, with inputs and outputs of its own, in the
 * order of the kernels' parameters; its symbols are the dims of the kernels, by name. */
fv_program *program_of(fv_arena *a, const fv_target *t, int n, fv_kernel *const *kernels);

/* What program_of is made of. A symbol of the program for a dim of a kernel, by name; an extent of
 * a kernel over the program's variables; an input or output like a parameter. The arrays of *p must
 * have room (program_with_room). */
fv_program *program_with_room(fv_arena *a, const fv_target *t, int nbufs, int ndims, int nkernels);
fv_var *program_symbol(fv_program *p, const fv_var *dim);
fv_expr *program_extent(fv_program *p, fv_expr *x);
fv_buf *program_port(fv_program *p, const fv_buf *param, const char *name);

/* Do two memories hold the same elements? Any NaN equals any NaN. Else *at is the first that does
 * not. */
bool same_elements(fv_elem e, const void *x, const void *y, size_t bytes, size_t *at);

#endif
