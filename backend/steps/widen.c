/* widen.c - the step widen: intermediate values of narrow floats that products read are stored as
 * f32.
 *
 *     h: f16,  h[i, j] = x                     y[i, j] = sum k: f32(h[i, k]) * w[k, j]
 *  =>
 *     h: f32,  h[i, j] = f32(f16(x))           y[i, j] = sum k: h[i, k] * w[k, j]
 *
 * An element of h is still rounded to f16, so no bit of a result changes. But it is converted once,
 * where it is computed, and not each time that a tile of a product reads it. Without this step,
 * contractions make a copy of their rows as f32 in a kernel of its own (fv_choose_dense). That copy
 * lives for a shorter time, so with -Os, which saves memory, nothing is widened. */
#include "backend/fuse/form.h"
#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/larger.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"
#include "ir/expr/visit.h"

/* A value of a narrow float type that a product reads. */
typedef struct narrow {
    fv_storage *s;
    const fv_value *product; /* the first value whose products read s */
    bool shared;             /* whether something reads the memory of s itself */
    const fv_value *other;   /* a reader for which s must stay as it is; NULL: none */
    struct narrow *next;
} narrow;

typedef struct widener {
    fv_lowerer *l;
    fv_ptrmap values; /* storage -> its narrow */
    narrow *first;
    bool again; /* whether a value was given up */
} widener;

static bool is_narrow(fv_elem e) {
    return fv_elem_is_storage(e) && fv_elem_is_float(e);
}

/* ---- products ---- */

static void add(widener *p, fv_storage *s, const fv_value *product) {
    bool may = s->value->kind == FV_VALUE_RESULT && s->fate == FV_FATE_MEMORY && s->def &&
               is_narrow(s->value->type->elem);
    if (!may || fv_ptrmap_get(&p->values, s))
        return;
    narrow *m = FV_NEW(p->l->exprs, narrow, 1);
    *m = (narrow){.s = s, .product = product, .next = p->first};
    p->first = *fv_ptrmap_at(&p->values, s) = m;
}

/* Adds what the terms of a sum load. */
static void look_at_sum(widener *p, const fv_expr *sum, const fv_value *product) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->l->current.scratch, sum->arg[0]); (x = fv_x_next(&v));) {
        fv_storage *s = fv_storage_loaded(p->l, x);
        if (s)
            add(p, s, product);
    }
}

static void look_for_products(void *user, fv_storage *reader) {
    widener *p = user;
    const fv_expr *x;
    fv_form_kind form = fv_form_of(p->l, reader->def);
    if (form != FV_FORM_CONTRACT && form != FV_FORM_ATTENTION)
        return;
    for (fv_x_visitor v = fv_x_visit(p->l->current.scratch, reader->def->body);
         (x = fv_x_next(&v));)
        if (x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM)
            look_at_sum(p, x, reader->value);
}

/* ---- readers ---- */

static const narrow *widened(widener *p, const fv_expr *load) {
    const fv_storage *s = fv_storage_loaded(p->l, load);
    const narrow *m = s ? fv_ptrmap_get(&p->values, s) : NULL;
    return m && !m->shared && !m->other ? m : NULL;
}

/* Replaces the conversion to f32 of a load by a load of the same elements from a buffer of f32. */
static fv_expr *load_wide(fv_x_rewriter *w, fv_expr *x) {
    widener *p = w->user;
    const fv_expr *load = x->op == FV_X_CONVERT && x->type.elem == FV_F32 ? x->arg[0] : NULL;
    if (!load || load->op != FV_X_LOAD || !widened(p, load))
        return NULL;
    fv_expr *index[FV_MAX_RANK];
    fv_buf wide = *load->u.buf;
    wide.elem = FV_F32;
    for (int i = 0; i < wide.rank; i++)
        index[i] = fv_x_rewrite(w, load->arg[i]);
    return fv_x_load(w->arena, fv_buf_seen(w->arena, &wide, wide.rank, wide.extent), index);
}

static fv_definition *reading_wide(widener *p, const fv_definition *d) {
    fv_x_rewriter w = {.arena = p->l->exprs,
                       .memo = fv_ptrmap_in(p->l->current.scratch),
                       .before = load_wide,
                       .user = p};
    return fv_definition_rewritten(&w, d);
}

static bool adds_words(fv_arena *a, const fv_expr *body) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, body); (x = fv_x_next(&v));)
        if (fv_x_adds_words(x))
            return true;
    return false;
}

/* Gives up the values that the reader loads otherwise than as f32; and all that it loads if it only
 * moves elements, multiplies words of bf16, or would have another form. */
static void look_at_reader(void *user, fv_storage *reader) {
    widener *p = user;
    fv_lowerer *l = p->l;
    const fv_expr *x;
    const fv_definition *wide = reading_wide(p, reader->def);
    fv_definition seen = *wide;
    fv_update_form(l, &seen);
    bool same = fv_form_same(seen.form, reader->def->form) &&
                fv_x_stored(reader->def->body)->op != FV_X_LOAD &&
                !adds_words(l->exprs, reader->def->body);
    const fv_expr *left = same ? wide->body : reader->def->body;
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, left); (x = fv_x_next(&v));) {
        narrow *m = (narrow *)(uintptr_t)widened(p, x);
        if (!m || x->u.buf->elem == FV_F32)
            continue;
        m->other = reader->value;
        p->again = true;
    }
}

static void read_wide(void *user, fv_storage *reader) {
    reader->def = reading_wide(user, reader->def);
}

/* ---- the value as f32 ---- */

static void store_wide(fv_lowerer *l, const narrow *m) {
    fv_storage *s = m->s;
    fv_value *v = s->value;
    fv_elem elem = v->type->elem;
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    *d = *s->def;
    fv_expr *stored = (fv_expr *)(uintptr_t)fv_x_stored(d->body);
    if (stored->type.elem != elem)
        stored = fv_x_convert(l->exprs, elem, d->body);
    d->body = fv_x_convert(l->exprs, FV_F32, stored);
    s->def = d;
    v->type = fv_tensor_type(l->module->arena, FV_F32, v->type->rank, v->type->dims);
    fv_takes(l, v, FV_WHY_widens, fv_s(fv_elem_name(elem)), fv_v(m->product));
}

bool fv_step_widen(fv_lowerer *l) {
    widener p = {.l = l, .values = fv_ptrmap_in(l->current.scratch)};
    if (fv_saves_in_run(l->options))
        return true; /* a stored value lives longer than the copy of it that a product makes */
    fv_each_kernel(l, look_for_products, &p);
    if (!p.first)
        return true;
    for (narrow *m = p.first; m; m = m->next)
        m->shared = !fv_is_private(l, m->s->value);
    do {
        p.again = false;
        fv_each_kernel(l, look_at_reader, &p);
    } while (p.again);
    fv_each_kernel(l, read_wide, &p);
    for (narrow *m = p.first; m; m = m->next) {
        const fv_fact of = fv_s(fv_elem_name(m->s->value->type->elem));
        if (m->shared)
            fv_declines(l, m->s->value, FV_WHY_widen_memory, of, fv_v(m->product));
        else if (m->other)
            fv_declines(l, m->s->value, FV_WHY_widen_read, of, fv_v(m->product), fv_v(m->other));
        else
            store_wide(l, m);
    }
    return true;
}
