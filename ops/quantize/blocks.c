/* blocks.c - see blocks.h. */
#include "ops/quantize/blocks.h"

#include "ir/base/divisor.h"

const fv_tensor *fv_known_constant(const fv_value *v) {
    return v && v->kind == FV_VALUE_CONST && v->tensor->data ? v->tensor : NULL;
}

const int64_t *fv_order_by_blocks(fv_arena *a, const fv_tensor *index, int64_t n, int64_t block) {
    int64_t *order = FV_NEW(a, int64_t, n);
    int64_t *next = FV_NEW(a, int64_t, fv_div_up(n, block));
    for (int64_t k = 0; k < n; k++) {
        int64_t b = fv_tensor_int(index, (size_t)k), place = b * block + next[b]++;
        if (next[b] > block || place >= n)
            return NULL;
        order[place] = k;
    }
    return order;
}

static uint8_t bits_at(const uint8_t *x, int64_t i, int bits) {
    return (uint8_t)(x[i * bits / 8] >> (i * bits % 8) & ((1 << bits) - 1));
}

fv_value *fv_blobs_in_order(fv_module *m, const fv_value *blobs, int bits, const int64_t *order,
                            int64_t n) {
    const fv_tensor *from = blobs->tensor;
    fv_tensor *to = fv_tensor_new(m->arena, from->elem, from->rank, from->dims);
    const int64_t row = from->dims[1] * from->dims[2];
    for (int64_t i = 0; i < from->dims[0]; i++) {
        const uint8_t *x = (const uint8_t *)from->data + i * row;
        uint8_t *y = (uint8_t *)(uintptr_t)to->data + i * row;
        for (int64_t k = 0; k < n; k++)
            y[k * bits / 8] |= (uint8_t)(bits_at(x, order[k], bits) << (k * bits % 8));
    }
    return fv_const_new(m, blobs->name, to);
}

fv_value *fv_codes_of_high_bits(fv_module *m, const fv_value *bytes, int64_t rows, int64_t n) {
    fv_tensor *to = fv_tensor_new(m->arena, FV_U4, 2, (int64_t[]){rows, n});
    const uint8_t *x = bytes->tensor->data;
    uint8_t *y = (uint8_t *)(uintptr_t)to->data;
    for (size_t i = 0; i < to->bytes; i++)
        y[i] = (uint8_t)(x[i] >> 4 | x[i] << 4);
    if (rows * n % 2)
        y[to->bytes - 1] &= 15;
    return fv_const_new(m, bytes->name, to);
}
