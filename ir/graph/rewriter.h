/* rewriter.h - builds ops that replace another op. */
#ifndef FV_IR_GRAPH_REWRITER_H
#define FV_IR_GRAPH_REWRITER_H

#include "ir/graph/graph.h"

/* Builds ops before the op that is replaced; they get its origin, and their types are inferred.
 * After an error a call returns NULL, and so does each later call that gets NULL for a required
 * operand; so errors need to be tested once, at the end. */
typedef struct fv_rewriter {
    fv_module *module;
    fv_op *at;
    fv_op *before; /* the op that preceded `at` at the beginning; ops after it are new */
    bool failed;
} fv_rewriter;

fv_rewriter fv_rewriter_at(fv_op *op);
fv_value *fv_w_op(fv_rewriter *w, fv_op_id op, int nin, fv_value *const *in, int nattrs,
                  const fv_attr *attrs);
fv_value *fv_w_def(fv_rewriter *w, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                   const fv_attr *attrs);
fv_op *fv_w_def_n(fv_rewriter *w, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                  const fv_attr *attrs, int nout);
fv_op *fv_w_op_n(fv_rewriter *w, fv_op_id op, int nin, fv_value *const *in, int nattrs,
                 const fv_attr *attrs, int nout); /* fv_w_op for an op with several results */
#define FV_W1(w, op, x)       fv_w_op((w), (op), 1, (fv_value *[]){(x)}, 0, NULL)
#define FV_W2(w, op, x, y)    fv_w_op((w), (op), 2, (fv_value *[]){(x), (y)}, 0, NULL)
#define FV_W3(w, op, x, y, z) fv_w_op((w), (op), 3, (fv_value *[]){(x), (y), (z)}, 0, NULL)
fv_value *fv_w_cast(fv_rewriter *w, fv_value *x, fv_elem to);
fv_value *fv_w_float(fv_rewriter *w, fv_elem e, double v); /* a constant of rank 0 */
fv_value *fv_w_int(fv_rewriter *w, fv_elem e, int64_t v);
fv_value *fv_w_reshape(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims);
fv_value *fv_w_transpose(fv_rewriter *w, fv_value *x, const int *perm);
fv_value *fv_w_expand(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims);
fv_value *fv_w_zeros(fv_rewriter *w, const fv_type *t); /* a tensor of zeros, or of empty strings */
/* The elements start[i] + k * step[i], 0 <= k < dims[i], on each axis i; start and step are dims,
 * which may be symbolic. */
fv_value *fv_w_slice(fv_rewriter *w, fv_value *x, const fv_dim *const *start,
                     const fv_dim *const *step, const fv_dim *const *dims);
/* An integer tensor of rank 0 or 1 with the n elements `elems`. */
fv_value *fv_w_ints(fv_rewriter *w, fv_elem e, int rank, int n, const fv_dim *const *elems);
/* States that element i of v, an integer tensor that is computed at run time, is dims[i]: the run
 * binds a symbol to the element, and checks that any other dim is equal to it. */
void fv_w_bind(fv_rewriter *w, fv_value *v, int n, const fv_dim *const *dims);
/* The only element of an integer tensor as a dim, which is at least lo. */
const fv_dim *fv_w_bound(fv_rewriter *w, const char *stem, int64_t lo, fv_value *x);
fv_attr fv_attr_int(fv_module *m, const char *name, int64_t v);
fv_attr fv_attr_float(fv_module *m, const char *name, float v);
fv_attr fv_attr_ints(fv_module *m, const char *name, int n, const int64_t *v);
fv_attr fv_attr_dims(fv_module *m, const char *name, int n, const fv_dim *const *v);
fv_attr fv_attr_string(fv_module *m, const char *name, const char *v);
/* a TYPE attribute: a tensor of rank 0 with element type e */
fv_attr fv_attr_elem(fv_module *m, const char *name, fv_elem e);
/* Replaces all uses of `old` by v. Symbols that were bound to elements of `old` are replaced by the
 * known elements of v. */
void fv_replace_known(fv_value *old, fv_value *v);
/* Replaces result i of the op that is expanded by v; if v is a new value it gets the result's
 * name. */
void fv_w_result(fv_rewriter *w, int i, fv_value *v);

/* Moves the ops of a region of the op that is expanded before that op; returns the region's
 * results. */
fv_value *const *fv_w_inline(fv_rewriter *w, const fv_region *r);

#endif
