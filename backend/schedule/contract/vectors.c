/* vectors.c - see vectors.h. */
#include "backend/schedule/contract/vectors.h"

#include "backend/lowering/access.h"
#include "ir/expr/helium.h"

/* If each column has rows of its own: are the elements that columns read contiguous? */
static bool has_contiguous_rows(const fv_definition *d, const fv_contraction *c) {
    const fv_expr *x = fv_x_stored(c->a);
    bool loads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    return !c->each || (loads && fv_x_stride(x, d->index[c->column]) == 1);
}

int fv_contract_lanes(const fv_target *t, const fv_definition *d, const fv_contraction *c) {
    enum { LANES = FV_HELIUM_BYTES / 4 };
    const fv_dim *columns = d->index[c->column]->dim;
    const int lanes = t->vector_bits / fv_elem_bits((fv_elem)c->sum->type.elem);
    if (!fv_has_helium(t))
        return lanes < 2 ? 1 : lanes;
    const bool fills = c->sum->type.elem == FV_I32 && !c->dot.group && c->nsums == 1 &&
                       !c->blocks.sum && !c->context.often && has_contiguous_rows(d, c) &&
                       fv_dim_is_const(columns) && columns->value > 0 &&
                       columns->value % LANES == 0;
    return fills ? LANES : 1;
}
