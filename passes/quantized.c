/* quantized.c - see quantized.h.
 *
 * Exporters of networks that were trained with quantization in the loop, such as PyTorch's, leave
 * weights as floats, which a QuantizeLinear converts in each run. As integers they have a quarter
 * of the bytes, so they are converted here whatever their size, and the rules of
 * passes/integers.rules find constants of integers. The arithmetic is that of fv.Quantize
 * (ops/quantize/quant.c). A constant with an element whose quotient is not finite is left to the
 * run. */
#include "passes/quantized.h"

#include <math.h>

#include "ir/catalogue/op.h"

/* The constant, or the reshaped constant of known dims, that v is; NULL: it is something else. */
static const fv_tensor *constant_of(const fv_value *v) {
    for (int i = 0; i < v->type->rank; i++)
        if (!fv_dim_is_const(v->type->dims[i]))
            return NULL;
    if (v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_fv_Reshape))
        v = v->def->in[0];
    return v->kind == FV_VALUE_CONST ? v->tensor : NULL;
}

/* A constant operand that broadcasts to x. */
typedef struct broadcast {
    const fv_tensor *of; /* NULL: there is no such operand */
    /* distance of neighbouring elements along each axis of x; 0: one element is repeated */
    size_t steps[FV_MAX_RANK];
} broadcast;

static broadcast broadcast_to(const fv_value *small, const fv_tensor *x) {
    broadcast b = {.of = small ? constant_of(small) : NULL};
    size_t step = 1;
    for (int i = small ? small->type->rank : 0; i-- > 0;) {
        size_t n = (size_t)small->type->dims[i]->value;
        b.steps[x->rank - small->type->rank + i] = n == 1 ? 0 : step;
        step *= n;
    }
    return b;
}

/* The number of the element that is read for element i of x. */
static size_t element_of(const broadcast *b, const fv_tensor *x, size_t i) {
    size_t at = 0;
    for (int k = x->rank; k-- > 0; i /= (size_t)x->dims[k])
        at += i % (size_t)x->dims[k] * b->steps[k];
    return at;
}

/* The number of consecutive elements of x for which one element of each operand is read. */
static size_t run_length(const broadcast *a, const broadcast *b, const fv_tensor *x) {
    size_t n = 1;
    for (int k = x->rank; k-- > 0 && !a->steps[k] && !b->steps[k];)
        n *= (size_t)x->dims[k];
    return n;
}

static bool quantize_run(fv_tensor *y, const fv_tensor *x, size_t first, size_t n, float scale,
                         int64_t zero) {
    int64_t lo = 0, hi = 0;
    if (!fv_elem_range(y->elem, &lo, &hi))
        return false;
    for (size_t i = first; i < first + n; i++) {
        float q = rintf((float)fv_tensor_float(x, i) / scale);
        if (!isfinite(q))
            return false;
        q = fmaxf(fminf(q, (float)(hi - zero)), (float)(lo - zero));
        fv_tensor_set_int(y, i, (int64_t)q + zero);
    }
    return true;
}

/* The integers of x; NULL: a quotient is not finite. */
static fv_tensor *quantized(fv_arena *a, const fv_op *op) {
    const fv_tensor *x = op->in[0]->tensor;
    fv_tensor *y = fv_tensor_new(a, op->out[0]->type->elem, x->rank, x->dims);
    const broadcast s = broadcast_to(op->in[1], x), z = broadcast_to(fv_op_in(op, 2), x);
    const size_t n = run_length(&s, &z, x);
    for (size_t i = 0; i < x->count; i += n) {
        float scale = (float)fv_tensor_float(s.of, element_of(&s, x, i));
        int64_t zero = z.of ? fv_tensor_int(z.of, element_of(&z, x, i)) : 0;
        if (!quantize_run(y, x, i, n, scale, zero))
            return NULL;
    }
    return y;
}

static bool is_foldable(const fv_op *op) {
    bool is = fv_op_is(op, FV_OP_fv_Quantize) && op->out[0]->nuses;
    for (int i = 0; is && i < op->nin; i++)
        is = !op->in[i] || constant_of(op->in[i]);
    return is && op->in[0]->kind == FV_VALUE_CONST && op->in[0]->type->elem == FV_F32 &&
           fv_elem_bits(op->out[0]->type->elem) >= 8;
}

static void fold_one(fv_pass_run *r, fv_op *op) {
    fv_value *y = op->out[0];
    fv_tensor *t = quantized(r->module->arena, op);
    if (!t)
        return;
    fv_value *c = fv_const_new(r->module, y->name, t);
    fv_value_take_name(r->module, c, y);
    fv_replace_uses(y, c);
    fv_pass_count_one(r, op->def->name);
}

static void fold_block(fv_pass_run *r, const fv_region *block) {
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                fold_block(r, op->attrs[i].u.region);
        if (is_foldable(op) && fv_pass_may(r, op->def->name, op))
            fold_one(r, op);
    }
}

void fv_fold_quantized(fv_pass_run *r) {
    for (const fv_func *f = r->module->funcs; f; f = f->next)
        fold_block(r, f->body);
}
