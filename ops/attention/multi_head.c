/* multi_head.c - masks, caches and beams of ONNX Runtime's attention. A mask does not exclude keys:
 * where it is 0, a number is added to the score, by default -10000, and the lowest float for keys
 * after the query in causal attention. So a query whose keys are all padding attends to them as if
 * there were no mask, with scores that were rounded when the large number was added. */
#include "ops/attention/multi_head.h"

#include <float.h>
#include <math.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/common/dims.h"

/* ---- attributes and operands ---- */

bool fv_read_multi_head(fv_op *op, fv_multi_head *m) {
    int64_t heads = fv_op_int(op, "num_heads");
    *m = (fv_multi_head){.d.t = fv_op_module(op)->dims, .mask = -1, .bias = -1, .indirection = -1};
    if (heads < 1 || heads > INT32_MAX)
        return fv_op_error(op, "num_heads is %lld", (long long)heads);
    m->d.q_heads = m->d.kv_heads = fv_dim_const(m->d.t, heads);
    m->scale = fv_op_float(op, "scale");
    m->filter =
        fv_opdef_attr(op->def, "mask_filter_value") ? fv_op_float(op, "mask_filter_value") : 0;
    m->causal = fv_opdef_attr(op->def, "unidirectional") && fv_op_int(op, "unidirectional") != 0;
    return true;
}

static const fv_dim *times(fv_dims *t, const fv_dim *a, int64_t n, int64_t more) {
    return fv_dim_add(t, fv_dim_mul(t, a, fv_dim_const(t, n)), fv_dim_const(t, more));
}

/* Checks the length of a mask of one axis against the allowed lengths. If dims are not known, the
 * run checks that it is one of them. False after a diagnostic. */
static bool check_lengths(fv_op *op, const fv_attention_dims *s, const fv_dim *n, bool starts) {
    const fv_dim *forms[3] = {s->batch, times(s->t, s->batch, 3, 2), times(s->t, s->batch, 2, 0)};
    const fv_dim *product = fv_dim_const(s->t, 1);
    for (int i = 0; i < 2 + starts; i++) {
        fv_dim_order o = fv_dim_compare(s->t, n, forms[i]);
        if (o == FV_DIM_EQUAL)
            return true;
        if (o == FV_DIM_UNKNOWN)
            product = fv_dim_mul(s->t, product, fv_dim_sub(s->t, n, forms[i]));
    }
    fv_module *m = fv_op_module(op);
    const char *says = fv_printf(
        m->arena, "%s is %s%s or %s", fv_dim_str(m->arena, n), fv_dim_str(m->arena, forms[0]),
        starts ? fv_printf(m->arena, ", %s", fv_dim_str(m->arena, forms[2])) : "",
        fv_dim_str(m->arena, forms[1]));
    if (!fv_dim_is_const(product) &&
        fv_module_require(m, product, fv_dim_const(s->t, 0), "lengths of a mask", says))
        return true;
    return fv_op_error(op, "a mask of one axis has %s elements for a batch of %s",
                       fv_dim_str(m->arena, n), fv_dim_str(m->arena, s->batch));
}

bool fv_check_mask(fv_op *op, const fv_multi_head *m, bool starts) {
    const fv_type *t = m->mask < 0 ? NULL : fv_in_type(op, m->mask);
    const fv_attention_dims *s = &m->d;
    if (!t)
        return true;
    if (t->rank == 1)
        return check_lengths(op, s, t->dims[0], starts);
    if (t->rank > 3)
        return fv_op_error(op, "a mask has rank %d, expected 1 to 3", t->rank);
    return fv_same_dim(op, t->dims[0], s->batch, "batch of a mask") &&
           (t->rank == 2 || fv_same_dim(op, t->dims[1], s->queries, "queries of a mask")) &&
           fv_same_dim(op, t->dims[t->rank - 1], s->total, "keys of a mask");
}

bool fv_check_attention_bias(fv_op *op, const fv_attention_dims *s, int in) {
    const fv_type *t = fv_in_type(op, in);
    const fv_dim *dims[4] = {s->batch, s->q_heads, s->queries, s->total};
    return !t || (fv_same_dim(op, t->dims[2], s->queries, "queries of attention_bias") &&
                  fv_same_dim(op, t->dims[3], s->total, "keys of attention_bias") &&
                  fv_infer_fits(op, in, 4, dims));
}

/* ---- caches ---- */

static bool same_cache(fv_op *op, const fv_attention_dims *s, const fv_type *t,
                       const fv_dim *size) {
    return fv_same_dim(op, t->dims[0], s->batch, "batch of the past") &&
           fv_same_dim(op, t->dims[1], s->kv_heads, "heads of the past") &&
           fv_same_dim(op, t->dims[3], size, "head size of the past");
}

bool fv_read_past_length(fv_op *op, fv_multi_head *m, const fv_dim *past, int length) {
    fv_attention_dims *s = &m->d;
    const fv_dim *zero = fv_dim_const(s->t, 0), *const * e;
    int n;
    s->past = past;
    if (fv_op_in(op, length)) {
        if (!fv_int_operand(op, length, &n, &e))
            return false;
        m->capacity = past;
        s->past = fv_dim_max(s->t, e[0], zero);
        if (!fv_module_require(fv_op_module(op), e[0], s->past, "past_sequence_length",
                               "it is not negative"))
            return fv_op_error(op, "past_sequence_length is negative");
    }
    s->total = fv_dim_add(s->t, s->past, s->keys);
    return !m->capacity || fv_infer_inside(op, past, zero, fv_dim_const(s->t, 1), s->total) ||
           fv_op_error(op, "a cache of %s has no room for %s",
                       fv_dim_str(fv_op_module(op)->arena, past),
                       fv_dim_str(fv_op_module(op)->arena, s->total));
}

bool fv_read_cache(fv_op *op, fv_multi_head *m, int key, int value, int length) {
    fv_attention_dims *s = &m->d;
    const fv_type *k = fv_in_type(op, key), *v = fv_in_type(op, value);
    s->past = fv_dim_const(s->t, 0);
    s->total = s->keys;
    if (!k != !v)
        return fv_op_error(op, "past_key and past_value come together");
    return !k || (same_cache(op, s, k, s->head) && same_cache(op, s, v, s->v_head) &&
                  fv_same_dim(op, k->dims[2], v->dims[2], "lengths of past_key and past_value") &&
                  fv_read_past_length(op, m, k->dims[2], length));
}

void fv_infer_present(fv_op *op, int out, const fv_multi_head *m, fv_elem e, const fv_dim *size) {
    const fv_attention_dims *s = &m->d;
    fv_infer_out(
        op, out, e, 4,
        (const fv_dim *[]){s->batch, s->kv_heads, m->capacity ? m->capacity : s->total, size});
}

bool fv_read_beams(fv_op *op, fv_multi_head *m, bool past, int width, int indirection) {
    fv_module *module = fv_op_module(op);
    const fv_type *t = fv_in_type(op, indirection);
    const fv_dim *const *e, *one = fv_dim_const(m->d.t, 1);
    int n;
    if (!past) /* the keys of cross attention do not depend on the beam */
        return true;
    if (t && !m->capacity)
        return fv_op_error(op, "cache_indirection is for a past and a present of one buffer");
    if (t) {
        m->beams = t->dims[1];
        m->indirection = indirection;
    }
    if (t && (!fv_same_dim(op, fv_dim_mul(m->d.t, t->dims[0], t->dims[1]), m->d.batch,
                           "batch and beams of cache_indirection") ||
              !fv_same_dim(op, t->dims[2], m->capacity, "length of cache_indirection")))
        return false;
    if (!fv_op_in(op, width))
        return true;
    if (!fv_int_operand(op, width, &n, &e))
        return false;
    return fv_module_assume(module, e[0], t ? t->dims[1] : one, "beam_width") ||
           fv_op_error(
               op, "beam_width is %s, cache_indirection %s", fv_dim_str(module->arena, e[0]),
               t ? fv_printf(module->arena, "is of %s beams", fv_dim_str(module->arena, t->dims[1]))
                 : "is not there");
}

/* Converts keys to the layout of the cache (in), or back. */
static fv_value *reordered(fv_rewriter *w, const fv_multi_head *m, fv_value *x, bool in) {
    const fv_attention_dims *s = &m->d;
    const fv_dim *dims[4] = {s->batch, s->kv_heads, m->capacity, s->head};
    int n = 128 / fv_elem_bits(x->type->elem);
    return FV_CALL(w, "reordered_keys", {x}, FV_INT(n), FV_DIMS(4, dims), FV_INT(!in));
}

fv_value *fv_w_cached(fv_rewriter *w, const fv_op *op, const fv_multi_head *m, fv_value *past,
                      fv_value *x, bool keys, fv_value **present) {
    const fv_attention_dims *s = &m->d;
    *present = x;
    if (!past || !x)
        return x;
    if (!m->capacity)
        return *present = fv_w_append_keys(w, past, x);
    if (m->reordered && keys)
        past = reordered(w, m, past, true);
    fv_value *at = fv_w_expand(w, fv_w_ints(w, FV_I64, 0, 1, &s->past), 1, &s->batch);
    fv_value *cache = FV_W3(w, FV_OP_TensorScatter, past, x, at);
    *present = m->reordered && keys && cache ? reordered(w, m, cache, false) : cache;
    if (m->beams)
        cache = FV_CALL(w, "keys_of_beams", {cache}, {op->in[m->indirection]}, FV_DIM(s->batch),
                        FV_DIM(m->capacity), FV_DIM(m->beams), FV_DIM(s->past));
    return fv_w_part(w, cache, 2, fv_dim_const(s->t, 0), s->total);
}

/* ---- masks ---- */

/* The condition that the position of a key is not padding, from lengths of keys, or from their ends
 * and starts. */
static fv_value *between(fv_rewriter *w, fv_value *mask, const fv_attention_dims *s) {
    const fv_dim *n = mask->type->dims[0], *two = times(s->t, s->batch, 2, 0);
    fv_dim_order o = fv_dim_compare(s->t, n, two);
    bool ends = fv_dim_compare(s->t, n, s->batch) == FV_DIM_EQUAL || o == FV_DIM_DIFFERENT;
    const fv_dim *has =
        o == FV_DIM_EQUAL ? fv_dim_const(s->t, 1) : fv_dim_is(s->t, fv_dim_sub(s->t, n, two), 0);
    return FV_CALL(w, "keys_between", {mask}, FV_DIM(s->batch), FV_DIM(s->total), FV_INT(ends),
                   FV_DIM(has));
}

fv_value *fv_w_added(fv_rewriter *w, fv_op *op, const fv_multi_head *m, bool *infinite) {
    fv_value *mask = m->mask < 0 ? NULL : fv_op_in(op, m->mask),
             *bias = m->bias < 0 ? NULL : fv_op_in(op, m->bias);
    const fv_attention_dims *s = &m->d;
    fv_value *added = NULL, *seen = NULL;
    if (mask) {
        seen = mask->type->rank == 1
                   ? between(w, mask, s)
                   : FV_CALL(w, "keys_unpadded", {mask}, FV_DIM(s->batch), FV_DIM(s->past),
                             FV_DIM(s->queries), FV_DIM(s->total));
        added = FV_CALL(w, "hidden_as", {seen}, FV_FLOAT((double)m->filter));
    }
    if (m->causal && !fv_dim_is_one(s->queries)) {
        seen = FV_CALL(w, "keys_up_to", FV_DIM(s->queries), FV_DIM(s->past), FV_DIM(s->total),
                       FV_INT(fv_module_equal(w->module, s->queries, s->keys)));
        added = FV_CALL(w, "hidden_lowest", {seen}, {added});
    }
    *infinite = bias || (mask && isinf(m->filter));
    if (!bias)
        return added;
    bias = fv_w_cast(w, bias, FV_F32);
    return added ? FV_W2(w, FV_OP_Add, bias, added) : bias;
}

/* ---- all of it ---- */

fv_value *fv_w_multi_head(fv_rewriter *w, fv_op *op, const fv_multi_head *m, fv_value *q,
                          fv_value *k, fv_value *v, fv_elem e, fv_value **scores) {
    fv_attend a = {.d = m->d, .q = q, .k = k, .v = v, .scale = m->scale};
    a.bias = fv_w_added(w, op, m, &a.clamped);
    fv_value *y = fv_w_attend(w, &a);
    if (scores)
        *scores = a.scores;
    return fv_w_cast(w, fv_w_merge_heads(w, y), e);
}
