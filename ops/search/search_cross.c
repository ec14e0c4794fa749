/* search_cross.c - see search_cross.h. */
#include "ops/search/search_cross.h"

#include "ops/attention/attend.h"
#include "ops/common/dims.h"

static const fv_dim *num(const fv_search *s, int64_t v) {
    return fv_dim_const(s->t, v);
}

static fv_value *whole(fv_rewriter *w, const fv_dim *d) {
    return fv_w_ints(w, FV_I64, 0, 1, &d);
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
    return fv_w_expand(w, fv_w_int(w, FV_I32, -1), 2,
                       (const fv_dim *[]){s->size.rows, s->size.most});
}

/* The first iteration with scores has one token more than the prompts. */
fv_value *fv_w_path(fv_rewriter *w, const fv_search *s, fv_value *path, const fv_dim *length) {
    const fv_dim *turn = fv_dim_sub(s->t, fv_dim_sub(s->t, length, s->size.prompt), num(s, 1));
    fv_value *here = FV_W2(w, FV_OP_Equal, fv_w_positions(w, s->size.most, 2, 1), whole(w, turn));
    return FV_W3(w, FV_OP_Where, here, fv_w_cast(w, fv_w_positions(w, s->size.rows, 2, 0), FV_I32),
                 path);
}

static fv_value *gathered(fv_rewriter *w, fv_value *v, fv_value *at, int axis) {
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    return fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){v, at}, 1, &a);
}

/* Is 0 <= v < n? */
static fv_value *is_within(fv_rewriter *w, fv_value *v, const fv_dim *n) {
    return FV_W2(w, FV_OP_And, FV_W2(w, FV_OP_GreaterOrEqual, v, fv_w_int(w, FV_I64, 0)),
                 FV_W2(w, FV_OP_Less, v, whole(w, n)));
}

/* i64 [pairs]: column i. */
static fv_value *column(fv_rewriter *w, const fv_search *s, fv_value *pairs, int i) {
    return fv_w_cast(
        w, fv_w_reshape(w, fv_w_part(w, pairs, 1, num(s, i), num(s, 1)), 1, pairs->type->dims),
        FV_I64);
}

/* Those heads of all, f32 [rows, heads, frames]. */
static fv_value *chosen(fv_rewriter *w, const fv_search *s, fv_value *all, fv_value *pairs) {
    const fv_dim *heads = fv_search_shown_heads(s),
                 *column_of[2] = {pairs->type->dims[0], num(s, 1)};
    fv_value *layer = column(w, s, pairs, 0), *head = column(w, s, pairs, 1);
    fv_value *known = FV_W2(w, FV_OP_And, is_within(w, layer, num(s, fv_search_shown_layers(s))),
                            is_within(w, head, heads));
    fv_value *at = FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, layer, whole(w, heads)), head);
    fv_value *taken = gathered(w, all, FV_W3(w, FV_OP_Where, known, at, fv_w_int(w, FV_I64, 0)), 1);
    return FV_W3(w, FV_OP_Where, fv_w_reshape(w, known, 2, column_of), taken,
                 fv_w_float(w, FV_F32, 0));
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
    return v && pairs ? chosen(w, s, v, pairs) : v;
}

fv_value *fv_w_shown_along(fv_rewriter *w, const fv_search *s, fv_value *turns, fv_value *paths) {
    const fv_dim *const *d = turns ? turns->type->dims : NULL, *rows[3] = {NULL};
    if (!turns || !paths)
        return NULL;
    rows[0] = fv_dim_mul(s->t, d[0], s->size.rows);
    rows[1] = d[2];
    rows[2] = d[3];
    fv_value *path = fv_w_cast(w, fv_w_part(w, paths, 2, num(s, 0), d[0]), FV_I64),
             *known = is_within(w, path, s->size.rows);
    fv_value *at =
        FV_W2(w, FV_OP_Add,
              FV_W2(w, FV_OP_Mul, fv_w_positions(w, d[0], 3, 2), whole(w, s->size.rows)), path);
    at = FV_W3(w, FV_OP_Where, known, at, fv_w_int(w, FV_I64, 0));
    fv_value *v = gathered(w, fv_w_reshape(w, turns, 3, rows), at, 0);
    const fv_dim *each[5] = {s->size.batch, paths->type->dims[1], d[0], num(s, 1), num(s, 1)};
    v = FV_W3(w, FV_OP_Where, fv_w_reshape(w, known, 5, each), v, fv_w_float(w, FV_F32, 0));
    return fv_w_transpose(w, v, (int[]){0, 1, 3, 2, 4});
}
