/* small.c - see small.h. */
#include "backend/schedule/contract/small.h"

#include "backend/lowering/access.h"

/* Is the sum of two products of elements of the weight with unsigned bytes always an i16? It is if
 * no element is more than 64 away from 0: 2 * 64 * 255 is 32640. Elements of fewer than 7 bits
 * never are. False if that is not known, as without the contents of weights. */
static bool is_small_weight(const fv_lowerer *l, const fv_expr *load) {
    enum { MOST = 64 };
    if (fv_elem_bits((fv_elem)load->type.elem) < 7)
        return true;
    const fv_value *v = load->u.buf->value;
    const fv_tensor *data = v->kind == FV_VALUE_CONST ? v->tensor : NULL;
    if (!data || data->elem != FV_I8 || l->options->weights == FV_WEIGHTS_LEFT_OUT)
        return false;
    FV_HOLDS(l->session, data->data || !data->count); /* it is not in panels */
    const int8_t *w = data->data;
    for (size_t i = 0; i < data->count; i++)
        if (w[i] < -MOST || w[i] > MOST)
            return false;
    return true;
}

bool fv_are_small_numbers(const fv_lowerer *l, const fv_expr *columns) {
    const fv_expr *x = fv_x_stored(columns);
    for (; x->op == FV_X_GUARD; x = x->arg[x->u.buf->rank + 1])
        if (!is_small_weight(l, x))
            return false;
    return x->op == FV_X_CONST || (x->op == FV_X_LOAD && is_small_weight(l, x));
}
