/* rewriter.h - building ops before the one that is replaced. */
#ifndef FV_IR_GRAPH_REWRITER_H
#define FV_IR_GRAPH_REWRITER_H

#include "ir/graph/graph.h"

/* Builds ops before the one that is replaced, with its origin; infers their types. A builder call
 * that fails returns NULL and every later call given NULL for a required operand does too, so that
 * errors need testing once, at the end. */
typedef struct fv_rewriter {
    fv_module *module;
    fv_op *at;
    fv_op *before; /* what stood before `at`: ops between them are new */
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
                 const fv_attr *attrs, int nout); /* several results */
#define FV_W1(w, op, x)       fv_w_op((w), (op), 1, (fv_value *[]){(x)}, 0, NULL)
#define FV_W2(w, op, x, y)    fv_w_op((w), (op), 2, (fv_value *[]){(x), (y)}, 0, NULL)
#define FV_W3(w, op, x, y, z) fv_w_op((w), (op), 3, (fv_value *[]){(x), (y), (z)}, 0, NULL)
fv_value *fv_w_cast(fv_rewriter *w, fv_value *x, fv_elem to);
fv_value *fv_w_float(fv_rewriter *w, fv_elem e, double v); /* rank 0 constant */
fv_value *fv_w_int(fv_rewriter *w, fv_elem e, int64_t v);
fv_value *fv_w_reshape(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims);
fv_value *fv_w_transpose(fv_rewriter *w, fv_value *x, const int *perm);
fv_value *fv_w_expand(fv_rewriter *w, fv_value *x, int rank, const fv_dim *const *dims);
fv_value *fv_w_zeros(fv_rewriter *w, const fv_type *t); /* of strings: empty ones */
/* Elements start[i] + k * step[i], k < dims[i]; the start may be symbolic, steps are dims too */
fv_value *fv_w_slice(fv_rewriter *w, fv_value *x, const fv_dim *const *start,
                     const fv_dim *const *step, const fv_dim *const *dims);
fv_attr fv_attr_int(fv_module *m, const char *name, int64_t v);
fv_attr fv_attr_float(fv_module *m, const char *name, float v);
fv_attr fv_attr_ints(fv_module *m, const char *name, int n, const int64_t *v);
fv_attr fv_attr_dims(fv_module *m, const char *name, int n, const fv_dim *const *v);
fv_attr fv_attr_string(fv_module *m, const char *name, const char *v);
fv_attr fv_attr_elem(fv_module *m, const char *name, fv_elem e); /* TYPE: a rank 0 tensor of e */
/* v in place of `old` wherever that is used; symbols that data decided by the elements of `old` are
 * what those of v are known to be. */
void fv_replace_known(fv_value *old, fv_value *v);
/* Replaces result i of the op being expanded; a value that is new takes over its name. */
void fv_w_result(fv_rewriter *w, int i, fv_value *v);

/* Moves what a region of the op being expanded computes before it. Returns what the region
 * gives. */
fv_value *const *fv_w_inline(fv_rewriter *w, const fv_region *r);

/* Operands that are lists, but of rank 0, become vectors of one element: PyTorch exports axes so,
 * and ONNX Runtime takes them. False after a diagnostic. */
bool fv_op_adopt_lists(fv_op *op) FV_MUST_USE;

#endif
