/* chunks.c - see chunks.h. Goes from the scores, and from the values, back to a tensor in which the
 * axes of chunks and of the keys within a chunk are adjacent. */
#include "passes/attention/chunks.h"

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"
#include "passes/attention/along.h"

enum { MOST = 64 }; /* largest number of ops that one search visits */

typedef struct walk {
    fv_rewriter *w; /* the rewriter; NULL: it is only tested whether the rewrite is possible */
    fv_module *m;
    int seen; /* number of ops visited so far */
} walk;

static bool is_result(const fv_value *v, fv_op_id id) {
    return v->kind == FV_VALUE_RESULT && fv_op_is(v->def, id);
}

/* A new op like the one that computes v, with other operands; returns its result. Without a
 * rewriter, returns v. */
static fv_value *again(const walk *k, fv_value *v, fv_value *const *in) {
    const fv_op *op = v->def;
    return !k->w ? v : fv_w_def(k->w, op->def, op->nin, in, op->nattrs, op->attrs);
}

/* x reshaped such that the axes `chunks` and `keys` of type t become one axis of keys. */
static fv_value *reshaped(const walk *k, fv_value *x, const fv_type *t, int chunks, int keys) {
    const fv_dim *dims[FV_MAX_RANK];
    if (!x || !k->w)
        return x;
    for (int i = 0; i < t->rank; i++)
        dims[i] = t->dims[i];
    dims[chunks] = fv_dim_const(k->m->dims, 1);
    dims[keys] = fv_dim_mul(k->m->dims, t->dims[chunks], t->dims[keys]);
    return fv_w_reshape(k->w, x, t->rank, dims);
}

static fv_value *unchunk(walk *k, fv_value *v, int chunks, int keys);

/* Rewrites operand i of an elementwise op; the operand must have both axes or neither. */
static fv_value *unchunk_operand(walk *k, fv_value *v, int i, int chunks, int keys,
                                 fv_value *(*go)(walk *, fv_value *, int, int)) {
    fv_value *x = v->def->in[i];
    int c = fv_aligned_axis(x, v, chunks), j = fv_aligned_axis(x, v, keys);
    if (c < 0 && j < 0)
        return x;
    return c < 0 || j < 0 ? NULL : go(k, x, c, j);
}

static fv_value *unchunk_elementwise(walk *k, fv_value *v, int chunks, int keys,
                                     fv_value *(*go)(walk *, fv_value *, int, int)) {
    fv_value *in[FV_MAX_IN];
    if (v->def->nin > FV_MAX_IN)
        return NULL;
    for (int i = 0; i < v->def->nin; i++)
        if (!(in[i] = unchunk_operand(k, v, i, chunks, keys, go)))
            return NULL;
    return again(k, v, in);
}

/* Rewrites v through transposes, elementwise ops, and reshapes that only move axes of dim 1, up to
 * a value in which the axes of chunks and keys are adjacent. */
static fv_value *unchunk(walk *k, fv_value *v, int chunks, int keys) {
    if (k->seen++ >= MOST)
        return NULL;
    if (is_result(v, FV_OP_Transpose)) {
        int n;
        const int64_t *perm = fv_op_ints(v->def, "perm", &n);
        fv_value *x = perm ? unchunk(k, v->def->in[0], (int)perm[chunks], (int)perm[keys]) : NULL;
        return x ? again(k, v, &x) : NULL;
    }
    if (v->kind == FV_VALUE_RESULT && fv_is_elementwise(v->def))
        return unchunk_elementwise(k, v, chunks, keys, unchunk);
    bool view = is_result(v, FV_OP_fv_Reshape);
    fv_value *x = view ? v->def->in[0] : v;
    if (chunks + 1 == keys)
        return reshaped(k, x, v->type, chunks, keys);
    int c = chunks, j = keys;
    if (!view || !fv_is_squeeze(k->m, v->type, x->type, &c) ||
        !fv_is_squeeze(k->m, v->type, x->type, &j) || c < 0 || j < 0)
        return NULL;
    return reshaped(k, unchunk(k, x, c, j), v->type, chunks, keys);
}

static fv_value *once(const fv_value *v, fv_value *x, int axis) {
    if (fv_aligned_axis(x, v, axis) < 0)
        return x;
    return is_result(x, FV_OP_fv_Expand) && fv_aligned_axis(x->def->in[0], v, axis) < 0
               ? x->def->in[0]
               : NULL;
}

static fv_value *unchunk_product(walk *k, fv_value *v, int chunks) {
    fv_value *in[2] = {once(v, v->def->in[0], chunks), v->def->in[1]};
    int axis = fv_aligned_axis(in[1], v, chunks);
    if (!in[0] || axis < 0 || in[1]->type->rank < 3)
        return NULL;
    in[1] = unchunk(k, in[1], axis, in[1]->type->rank - 1);
    return in[1] ? again(k, v, in) : NULL;
}

/* Rewrites scores through elementwise ops, up to the product. Operands that do not come from the
 * product are rewritten by `unchunk`. */
static fv_value *unchunk_scores(walk *k, fv_value *v, int chunks, int keys) {
    if (k->seen++ >= MOST || v->kind != FV_VALUE_RESULT)
        return unchunk(k, v, chunks, keys);
    if (fv_op_is(v->def, FV_OP_fv_MatMul))
        return unchunk_product(k, v, chunks);
    return fv_is_elementwise(v->def) ? unchunk_elementwise(k, v, chunks, keys, unchunk_scores)
                                     : unchunk(k, v, chunks, keys);
}

bool fv_are_chunks(fv_module *m, fv_value *scores, fv_value *values, int axis) {
    walk s = {NULL, m, 0}, v = {NULL, m, 0};
    int rank = values->type->rank, of = axis - (scores->type->rank - rank);
    return of >= 0 && rank > 2 &&
           fv_module_equal(m, values->type->dims[of], scores->type->dims[axis]) &&
           unchunk_scores(&s, scores, axis, scores->type->rank - 1) &&
           unchunk(&v, values, of, rank - 2);
}

fv_value *fv_w_chunk_scores(fv_rewriter *w, fv_value *scores, int axis) {
    walk k = {w, w->module, 0};
    return unchunk_scores(&k, scores, axis, scores->type->rank - 1);
}

fv_value *fv_w_chunk_values(fv_rewriter *w, fv_value *values, int axis) {
    walk k = {w, w->module, 0};
    return unchunk(&k, values, axis, values->type->rank - 2);
}
