/* search_cross.c - see search_cross.h. */
#include "ops/search/search_cross.h"

#include "ir/rule/body.h"

static const fv_dim *num(const fv_search *s, int64_t v) {
    return fv_dim_const(s->t, v);
}

static const fv_type *keys(const fv_search *s) {
    return s->graphs.next->params[s->graphs.first_past + s->graphs.layers]->type;
}

const fv_dim *fv_search_shown_heads(const fv_search *s) {
    return keys(s)->dims[1];
}

int fv_search_shown_layers(const fv_search *s) {
    return s->graphs.layers / 2;
}

const fv_dim *fv_search_frames(const fv_search *s) {
    return keys(s)->dims[2];
}

fv_value *fv_w_no_path(fv_rewriter *w, const fv_search *s) {
    return FV_CALL(w, "no_path", FV_DIM(s->size.rows), FV_DIM(s->size.most));
}

/* In the first iteration with scores, sequences have one token more than the prompts. */
fv_value *fv_w_path(fv_rewriter *w, const fv_search *s, fv_value *path, const fv_dim *length) {
    const fv_dim *after = fv_dim_sub(s->t, length, s->size.prompt);
    return FV_CALL(w, "path_at", {path}, FV_DIM(fv_dim_sub(s->t, after, num(s, 1))));
}

fv_value *fv_w_shown(fv_rewriter *w, const fv_search *s, const fv_decoded *d, fv_value *pairs) {
    int n = fv_search_shown_layers(s);
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    const fv_dim *heads = fv_search_shown_heads(s),
                 *all[3] = {s->size.rows, fv_dim_mul(s->t, num(s, n), heads), fv_search_frames(s)};
    if (!d->shown)
        return NULL;
    for (int i = 0; i < n; i++)
        d->shown[i] =
            fv_w_reshape(w, d->shown[i], 3, (const fv_dim *[]){s->size.rows, heads, all[2]});
    fv_value *v = fv_w_reshape(
        w, n == 1 ? d->shown[0] : fv_w_op(w, FV_OP_Concat, n, d->shown, 1, &axis), 3, all);
    return pairs ? FV_CALL(w, "shown_heads", {v}, {pairs}, FV_INT(n), FV_DIM(heads)) : v;
}

fv_value *fv_w_shown_along(fv_rewriter *w, const fv_search *s, fv_value *turns, fv_value *paths) {
    return FV_CALL(w, "shown_along", {turns}, {paths}, FV_DIM(s->size.batch), FV_DIM(s->size.rows));
}
