/* empty.c - see empty.h. */
#include "backend/axes/empty.h"

static bool is_empty(const fv_definition *d) {
    for (int i = 0; i < d->rank; i++)
        if (d->index[i]->dim->hi <= 0)
            return true;
    return false;
}

fv_definition *fv_spare_empty(fv_lowerer *l, fv_definition *d) {
    if (!is_empty(d))
        return d;
    fv_definition *r = FV_NEW(l->exprs, fv_definition, 1);
    *r = *d;
    r->body = fv_x_zero(l->exprs, (fv_elem)d->body->type.elem);
    return r;
}
