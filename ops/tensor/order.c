/* order.c - the first elements of lines in sorted order: the text of the kernel is order.fvk.
 *
 * The kernel compares keys, integers in the order of the elements: of a float the bits, with those
 * of the magnitude inverted if it is negative, one key for both zeros, and the largest one for NaN.
 * For a descending order all bits are inverted. */
#include "ops/tensor/order.h"

#include <string.h>

extern const char *const fv_order_kernels; /* order.fvk */

/* BLOCK: elements of a block, as in order.fvk. SPARE: elements that are collected besides the k
 * first. FEW, SHORT: a heap is faster for the first FEW of at most SHORT elements. */
enum { BLOCK = 32, SPARE = 512, FEW = 16, SHORT = 512 };

bool fv_order_suits(const fv_custom *c, const fv_dim *k, const fv_dim *n) {
    const bool is_small = k->hi <= FEW && n->hi <= SHORT;
    return !is_small && c->target->vector_bits > 0;
}

/* The statements that compute `key` of element i of a line. */
static const char *reads(fv_arena *a, fv_elem e, bool wide, bool descending) {
    const char *key = wide ? "i64" : "i32", *most = wide ? "9223372036854775807" : "2147483647";
    const char *sign = descending ? "~" : "";
    if (!fv_elem_is_float(e)) {
        const char *flip = e == FV_U32 ? " ^ i32(-2147483648)" : e == FV_U64 ? " ^ (1 << 63)" : "";
        return fv_printf(a, "let key = %s(%s(x[line, i])%s)", sign, key, flip);
    }
    return fv_printf(a,
                     "let v = %s(x[line, i]) + %s(0.0)\n"
                     "let b = bits_%s(v)\n"
                     "let up = select(v == v, b ^ ((b >> %d) & %s), %s(%s))\n"
                     "let key = %s(up)",
                     wide ? "f64" : "f32", wide ? "f64" : "f32", key, wide ? 63 : 31, most, key,
                     most, sign);
}

/* The text of the kernel for elements of type e and positions of type `place`. */
static const char *text_of(fv_arena *a, fv_elem e, fv_elem place, bool descending) {
    const bool wide = fv_elem_bits(e) > 32;
    const char *words[][2] = {{"ELEM", fv_elem_name(e)},
                              {"KEY", wide ? "i64" : "i32"},
                              {"LEAST", wide ? "(1 << 63)" : "i32(-2147483648)"},
                              {"MOST", wide ? "9223372036854775807" : "i32(2147483647)"},
                              {"BYTES", wide ? "8" : "4"},
                              {"PLACE", fv_elem_name(place)},
                              {"READ", reads(a, e, wide, descending)}};
    fv_text t = {.arena = a};
    for (const char *at = strstr(fv_order_kernels, "\nkernel order("); *at;) {
        int i = 0, n = (int)(sizeof words / sizeof *words);
        while (i < n && strncmp(at, words[i][0], strlen(words[i][0])) != 0)
            i++;
        if (i < n) {
            fv_text_put(&t, words[i][1]);
            at += strlen(words[i][0]);
        } else
            fv_text_printf(&t, "%c", *at++);
    }
    return t.s;
}

void fv_order_lines(fv_custom *c, fv_op *op) {
    fv_dims *t = c->module->dims;
    const fv_elem e = op->in[0]->type->elem;
    const fv_dim *lines = op->in[0]->type->dims[0], *n = op->in[0]->type->dims[1],
                 *k = op->out[0]->type->dims[1], *two = fv_dim_const(t, 2),
                 *block = fv_dim_const(t, BLOCK), *tasks = fv_custom_tasks(c, lines);
    const fv_dim *room = fv_dim_add(t, fv_dim_mul(t, two, k), fv_dim_const(t, SPARE));
    room = fv_dim_add(t, fv_dim_min(t, n, room), block);
    const fv_elem key = fv_elem_bits(e) > 32 ? FV_I64 : FV_I32,
                  place = n->hi > INT32_MAX ? FV_I64 : FV_I32;
    fv_value *args[] = {
        op->in[0], fv_custom_value(c, "keys", key, 3, (const fv_dim *[]){tasks, two, room}),
        fv_custom_value(c, "places", place, 3, (const fv_dim *[]){tasks, two, room}),
        fv_custom_value(c, "lows", key, 2, (const fv_dim *[]){tasks, fv_dim_floordiv(t, n, block)}),
        op->out[0]};
    fv_custom_text(c, text_of(c->arena, e, place, fv_op_int(op, "descending") != 0), "order",
                   (int)(sizeof args / sizeof *args), args);
}
