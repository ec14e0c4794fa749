/* storage.c - records where each value is stored. */
#include "backend/lowering/storage.h"

#include "ir/expr/visit.h"

fv_storage *fv_storage_of(fv_lowerer *l, const fv_value *v) {
    void **at = fv_ptrmap_at(&l->known.storage, v);
    if (!*at) {
        fv_storage *s = FV_NEW(l->arena, fv_storage, 1);
        s->value = (fv_value *)v;
        s->first = s->last = s->inner = -1;
        *fv_ptrmap_at(&l->known.storage, v) = s;
        return s;
    }
    return *at;
}

fv_storage *fv_storage_loaded(fv_lowerer *l, const fv_expr *x) {
    return x->op == FV_X_LOAD || x->op == FV_X_GUARD ? fv_storage_of(l, x->u.buf->value) : NULL;
}

const fv_origin *fv_storage_origin(fv_lowerer *l, const fv_value *v) {
    const fv_origin *o = fv_ptrmap_get(&l->known.origins, v);
    return o ? o : v->def ? v->def->origin : fv_origin_of(l->module, v->name);
}

fv_storage *fv_storage_root(fv_storage *s) {
    while (s->fate == FV_FATE_VIEW)
        s = s->of;
    return s;
}

fv_storage *fv_storage_home(fv_storage *s) {
    while ((s->fate == FV_FATE_PART || s->fate == FV_FATE_ASSEMBLED) && s->of)
        s = s->of;
    return s;
}

bool fv_storage_is_read_by(fv_lowerer *l, const fv_storage *s, const fv_definition *d) {
    fv_storage *of;
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, d->body); (x = fv_x_next(&v));)
        if ((of = fv_storage_loaded(l, x)) && fv_storage_home(fv_storage_root(of)) == s)
            return true;
    return false;
}

bool fv_storage_has_kernel(const fv_storage *s) {
    return s->def && (s->fate == FV_FATE_MEMORY || s->fate == FV_FATE_PART);
}
