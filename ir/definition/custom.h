/* custom.h - operators that bring kernels of their own: the functions from which a .kernel of the
 * catalogue builds them.
 *
 * They are used for operators that no formula expresses, such as scattering and sorting. A .kernel
 * function builds one or several kernels, which run in the order in which they are built:
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
 * Additional memory (a state, operands in another layout) is a value made by fv_custom_value; data
 * that are known when the kernel is built are a value of fv_custom_const. A size that depends on
 * data is the result of one op, bound to a symbol by fv.Bind, and a dim of the next op. */
#ifndef FV_IR_DEFINITION_CUSTOM_H
#define FV_IR_DEFINITION_CUSTOM_H

#include "ir/graph/graph.h"
#include "ir/kernel/build.h"
#include "ir/kernel/kernel.h"

typedef struct fv_custom_kernel {
    fv_kernel *kernel;
    int nargs, ndims, cap_args, cap_dims;
    fv_value **args;     /* the value that is the argument for each parameter of the kernel */
    const fv_dim **dims; /* the dim that is the argument for each dim parameter */
} fv_custom_kernel;

typedef struct fv_custom {
    fv_module *module;
    fv_arena *arena;
    /* the target, for the choice of tile sizes; the bits of results must not depend on it */
    const fv_target *target;
    struct fv_ptrmap *kept; /* interned key -> constant that the kernels of several ops share */
    fv_op *op;
    /* whether result 0 is stored in the memory of operand 0, and contains its elements before the
     * first kernel runs */
    bool in_place;
    fv_kbuilder b; /* the builder of the kernel between fv_custom_begin and fv_custom_end */
    int nkernels, cap_kernels;
    fv_custom_kernel *kernels;
} fv_custom;

/* Builds the kernels of op, which must have a .kernel; false after a diagnostic. `in_place`: result
 * 0 overwrites operand 0 (fv_custom.in_place). */
bool fv_custom_build(fv_custom *c, fv_module *m, fv_arena *a, const fv_target *t,
                     struct fv_ptrmap *kept, fv_op *op, bool in_place) FV_MUST_USE;

/* ---- for .kernel functions ---- */

/* begins a kernel whose name contains `stem` */
void fv_custom_begin(fv_custom *c, const char *stem);
void fv_custom_end(fv_custom *c);
/* Adds the kernel with that name from a text of kernels (docs/ir.md) instead of building one.
 * `args`: the values of its n parameters; its dims are determined by their extents. Asserts that
 * the text is legal. */
void fv_custom_text(fv_custom *c, const char *text, const char *name, int n, fv_value *const *args);
/* Parameters of the kernel: operand i (read); result i (written); result i that an earlier kernel
 * wrote (read and written). */
fv_buf *fv_custom_in(fv_custom *c, int i);
fv_buf *fv_custom_out(fv_custom *c, int i);
fv_buf *fv_custom_update(fv_custom *c, int i);
/* A value for temporary memory, which lives while the kernels of the op use it; a value for a
 * constant, whose tensor must live as long as the program, and so is not made in c->arena, but in
 * that of the module; and a parameter for such a value, with the role IN, OUT or INOUT. */
fv_value *fv_custom_value(fv_custom *c, const char *stem, fv_elem e, int rank,
                          const fv_dim *const *dims);
fv_value *fv_custom_const(fv_custom *c, const char *stem, const fv_tensor *t);
fv_buf *fv_custom_param(fv_custom *c, fv_value *v, fv_buf_role role);
/* The entry with that key in a table that all ops of the module share, so that a constant which
 * several ops need is made once. *result is NULL until the first of them sets it. */
fv_value **fv_custom_kept(fv_custom *c, const char *key);
/* The number of tasks of a kernel that computes `lines` lines and has memory for one line in each
 * task: as many as the target runs at the same time, at most 16, and never more than lines. No bit
 * of a result may depend on it. */
const fv_dim *fv_custom_tasks(fv_custom *c, const fv_dim *lines);
fv_expr *fv_custom_dim(fv_custom *c, const fv_dim *d); /* the dim as an expression of type i64 */
/* A loop over [0, d); end it with fv_kb_end(&c->b). */
fv_expr *fv_custom_for(fv_custom *c, fv_loop_kind kind, const char *name, const fv_dim *d);
/* Load an element converted to the type of its arithmetic; store an element converted back. */
fv_expr *fv_custom_load(fv_custom *c, fv_buf *b, fv_expr *const *index);
void fv_custom_store(fv_custom *c, fv_buf *b, fv_expr *const *index, fv_expr *x, fv_expr *mask);

#endif
