/* flex_attention.c - FlexAttention, which modifies scores and weights by graphs in its attributes.
 * The expansion inlines these graphs between its products and its softmax, so lowering treats it as
 * any other attention. */
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"

enum { Q, K, V };

static const char *const modifiers[] = {"score_mod", "prob_mod"};

static bool read_dims(fv_op *op, fv_attention_dims *s) {
    const fv_dim *const *q = fv_in_type(op, Q)->dims, *const *k = fv_in_type(op, K)->dims,
                        *const *v = fv_in_type(op, V)->dims;
    fv_dims *t = fv_op_module(op)->dims;
    *s = (fv_attention_dims){.t = t,
                             .batch = q[0],
                             .q_heads = q[1],
                             .kv_heads = k[1],
                             .queries = q[2],
                             .head = q[3],
                             .v_head = v[3],
                             .keys = k[2],
                             .past = fv_dim_const(t, 0),
                             .total = k[2]};
    const fv_dim *groups = fv_dim_floordiv(t, s->q_heads, s->kv_heads);
    return fv_same_dim(op, k[0], s->batch, "batch of K") &&
           fv_same_dim(op, v[0], s->batch, "batch of V") &&
           fv_same_dim(op, k[1], v[1], "heads of K and V") &&
           fv_same_dim(op, k[2], v[2], "lengths of K and V") &&
           fv_same_dim(op, q[3], k[3], "head sizes of Q and K") &&
           fv_same_dim(op, s->q_heads, fv_dim_mul(t, groups, s->kv_heads),
                       "heads of Q, in groups of those of K");
}

/* The type in which scores and weights are computed; false after a diagnostic. */
static bool read_precision(const fv_op *op, fv_elem *e) {
    int64_t otherwise = fv_in_type(op, Q)->elem == FV_F64 ? FV_F64 : FV_F32;
    int64_t given = fv_op_int_or(op, "softmax_precision", otherwise);
    *e = (fv_elem)given;
    return given == FV_F32 || given == FV_F16 || given == FV_F64 || given == FV_BF16 ||
           fv_op_error(op, "softmax_precision %lld is no float type", (long long)given);
}

/* The type of the scores, which is that of the operand and result of either modifier. */
static const fv_type *scores_type(fv_op *op) {
    fv_attention_dims s;
    fv_elem e;
    if (!read_dims(op, &s) || !read_precision(op, &e))
        return NULL;
    return fv_tensor_type(fv_op_module(op)->arena, e, 4,
                          (const fv_dim *[]){s.batch, s.q_heads, s.queries, s.total});
}

/* Checks that a modifier returns type t. Equality of dims that is not proved is assumed at the end
 * of the modifier's graph. */
static bool gives(fv_op *op, const char *name, const fv_op *end, const fv_type *t) {
    fv_module *m = fv_op_module(op);
    const fv_type *got = end->in[0]->type;
    const struct fv_within around = fv_module_enter(end);
    bool same = got && got->kind == FV_TENSOR && got->elem == t->elem && got->rank == t->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = fv_module_assume(m, got->dims[i], t->dims[i], "shape of what a modifier gives");
    m->within = around;
    return same ||
           fv_op_error(op, "its %s gives %s, expected %s", name,
                       got ? fv_type_str(m->arena, got) : "nothing", fv_type_str(m->arena, t));
}

static bool check_modifier(fv_op *op, const char *name, const fv_type *t) {
    const fv_attr *a = fv_op_find_attr(op, name);
    const fv_region *r = a ? a->u.region : NULL;
    if (!r)
        return true;
    if (r->nparams != 1 || r->last->nin != 1)
        return fv_op_error(op, "its %s has %d inputs and %d outputs, expected one of each", name,
                           r->nparams, r->last->nin);
    if (!fv_type_equal(r->params[0]->type, t))
        return fv_op_error(op, "its %s takes %s, expected %s", name,
                           fv_type_str(fv_op_module(op)->arena, r->params[0]->type),
                           fv_type_str(fv_op_module(op)->arena, t));
    return gives(op, name, r->last, t);
}

static bool hand_scores(fv_op *op, const char *region, int n, const fv_type *const *declared,
                        const fv_type **types) {
    (void)declared;
    if (n != 1)
        return fv_op_error(op, "its %s has %d inputs, expected 1", region, n);
    types[0] = scores_type(op);
    return types[0] != NULL;
}

static bool infer_flex(fv_op *op) {
    const fv_type *t = scores_type(op), *q = fv_in_type(op, Q);
    for (int i = 0; t && i < 2; i++)
        if (!check_modifier(op, modifiers[i], t))
            return false;
    if (t)
        fv_infer_out(
            op, 0, q->elem, 4,
            (const fv_dim *[]){q->dims[0], q->dims[1], q->dims[2], fv_in_type(op, V)->dims[3]});
    return t != NULL;
}

/* The result of modifier `name` for x, reshaped to the dims of x: infer_flex has checked that they
 * are equal. */
static fv_value *modified(fv_rewriter *w, const fv_op *op, const char *name, fv_value *x) {
    const fv_attr *a = fv_op_find_attr(op, name);
    if (!a || !x)
        return x;
    fv_replace_uses(a->u.region->params[0], x);
    fv_value *y = fv_w_inline(w, a->u.region)[0];
    return fv_type_equal(y->type, x->type) ? y : fv_w_reshape(w, y, x->type->rank, x->type->dims);
}

/* Products of narrow types are computed in f32, so that the operands of modifiers are not
 * rounded. */
static bool decompose_flex(fv_rewriter *w, fv_op *op) {
    static const int perm[4] = {0, 1, 3, 2};
    fv_attention_dims s;
    fv_elem e, given = fv_in_type(op, Q)->elem, wide = given == FV_F64 ? FV_F64 : FV_F32;
    const fv_attr *scale = fv_op_find_attr(op, "scale");
    fv_attr axis = fv_attr_int(w->module, "axis", -1);
    if (!read_dims(op, &s) || !read_precision(op, &e))
        return false;
    fv_value *k = fv_w_transpose(w, fv_w_cast(w, op->in[K], wide), perm);
    fv_value *x = fv_w_grouped_product(w, &s, fv_w_cast(w, op->in[Q], wide), k);
    x = FV_W2(w, FV_OP_Mul, x,
              scale ? fv_w_float(w, wide, (double)scale->u.f) : fv_w_head_scale(w, s.head, wide));
    x = modified(w, op, "score_mod", fv_w_cast(w, x, e));
    x = modified(w, op, "prob_mod", fv_w_op(w, FV_OP_Softmax, 1, &x, 1, &axis));
    x = fv_w_grouped_product(w, &s, x, fv_w_cast(w, op->in[V], e));
    fv_w_result(w, 0, fv_w_cast(w, x, given));
    return true;
}

const fv_opdef fv_ops_flex_attention[] = {
    {.domain = "ai.onnx.preview",
     .name = "FlexAttention",
     .since = {1},
     .doc = "softmax(scale * q * k^T) * v, by heads; scores pass through the graph score_mod, "
            "weights through prob_mod",
     .in = {{"Q", "T1", .rank = FV_RANK(4)},
            {"K", "T1", .rank = FV_RANK(4)},
            {"V", "T1", .rank = FV_RANK(4)}},
     .out = {{"Y", "T1"}},
     .attrs = {FV_A_OPTIONAL("scale", FLOAT), FV_A_OPTIONAL("softmax_precision", INT),
               FV_A_OPTIONAL("score_mod", REGION), FV_A_OPTIONAL("prob_mod", REGION)},
     .types = {{"T1", FV_SET_FLOAT}},
     .infer = infer_flex,
     .handed = hand_scores,
     .decompose = decompose_flex},

    {0}};
