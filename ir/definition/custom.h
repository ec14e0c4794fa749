/* custom.h - operators that are kernels of their own: what an entry's .kernel builds with.
 *
 * Written for ops that no formula says: scattering, sorting. A
 * .kernel function builds one or several kernels, which run one after the other:
 *
 *   bool kernel_copy(fv_custom *c, fv_op *op) {
 *       fv_custom_begin(c, "copy");
 *       fv_buf *x = fv_custom_in(c, 0), *y = fv_custom_out(c, 0);
 *       fv_expr *i = fv_custom_for(c, FV_PARALLEL, "i", op->in[0]->type->dims[0]);
 *       fv_custom_store(c, y, &i, fv_custom_load(c, x, &i), NULL);
 *       fv_kb_end(&c->b);
 *       fv_custom_end(c);
 *       return true;
 *   }
 *
 * Memory of its own (state, operands in another layout) is a value of fv_custom_value; what is
 * known when the kernel is built is one of fv_custom_const. What depends on data (a count) is a
 * result of one op, bound to a symbol by fv.Bind, and a dim of the next. */
#ifndef FV_IR_DEFINITION_CUSTOM_H
#define FV_IR_DEFINITION_CUSTOM_H

#include "ir/graph/graph.h"
#include "ir/kernel/build.h"
#include "ir/kernel/kernel.h"

typedef struct fv_custom_kernel {
    fv_kernel *kernel;
    int nargs, ndims, cap_args, cap_dims;
    fv_value **args;     /* what stands behind each parameter of the kernel */
    const fv_dim **dims; /* what each of its dims is */
} fv_custom_kernel;

typedef struct fv_custom {
    fv_module *module;
    fv_arena *arena;
    const fv_target *target; /* for the sizes of tiles; the bits must not depend on it */
    struct fv_ptrmap *kept;  /* by interned key: constants that the kernels of several ops share */
    fv_op *op;
    /* result 0 lies in the memory of operand 0, and has its elements before the first kernel */
    bool in_place;
    fv_kbuilder b; /* of the kernel between begin and end */
    int nkernels, cap_kernels;
    fv_custom_kernel *kernels;
} fv_custom;

/* Kernels of op, which must have a .kernel; false after a diagnostic. `in_place`: the
 * result is written over its first operand (fv_custom.in_place). */
bool fv_custom_build(fv_custom *c, fv_module *m, fv_arena *a, const fv_target *t,
                     struct fv_ptrmap *kept, fv_op *op, bool in_place) FV_MUST_USE;

/* ---- for .kernel functions ---- */

void fv_custom_begin(fv_custom *c, const char *stem); /* a new kernel; `stem` of its name */
void fv_custom_end(fv_custom *c);
/* The same of a kernel that is written: that of the name in a text of kernels (docs/ir.md). Behind
 * its parameters stand these values, one for each; its dims are what they are extents of. Asserts
 * that it is one. */
void fv_custom_text(fv_custom *c, const char *text, const char *name, int n, fv_value *const *args);
/* Parameters of the kernel: operand i, result i, result i that an earlier kernel wrote. */
fv_buf *fv_custom_in(fv_custom *c, int i);
fv_buf *fv_custom_out(fv_custom *c, int i);
fv_buf *fv_custom_update(fv_custom *c, int i);
/* Memory that lives as long as the kernels of the op need it; a constant, whose tensor stays as
 * long as the arena; and the parameter for one of these: IN, OUT or INOUT. */
fv_value *fv_custom_value(fv_custom *c, const char *stem, fv_elem e, int rank,
                          const fv_dim *const *dims);
fv_value *fv_custom_const(fv_custom *c, const char *stem, const fv_tensor *t);
fv_buf *fv_custom_param(fv_custom *c, fv_value *v, fv_buf_role role);
/* Where a constant is kept under that key, for ops that need the same: NULL at first. */
fv_value **fv_custom_kept(fv_custom *c, const char *key);
fv_expr *fv_custom_dim(fv_custom *c, const fv_dim *d); /* i64 */
/* A loop over [0, d); close it with fv_kb_end(&c->b). */
fv_expr *fv_custom_for(fv_custom *c, fv_loop_kind kind, const char *name, const fv_dim *d);
/* The element in the type that arithmetic on it is done in; stores convert back. */
fv_expr *fv_custom_load(fv_custom *c, fv_buf *b, fv_expr *const *index);
void fv_custom_store(fv_custom *c, fv_buf *b, fv_expr *const *index, fv_expr *x, fv_expr *mask);

#endif
