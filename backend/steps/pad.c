/* pad.c - the step pad: the kernel that computes an image stores it with the border that the
 * convolutions reading it need.
 *
 *     y[h, w, m] = sum k, l, c: (x[h + k - 1, w + l - 1, c] if inside, else 0) * f[m, k, l, c]
 *  =>
 *     x[h, w, c] is stored at p[h + 1, w + 1, c], and zeros around it
 *     y[h, w, m] = sum k, l, c: p[h + k, w + l, c] * f[m, k, l, c]
 *
 * Otherwise the convolution would copy x, with its border, before it starts (materialize.c). The
 * value p has no kernel: it is assembled of x and of a border before and after x along each axis,
 * which are values of their own. A border along an axis has the whole extent of the later axes, and
 * that of x of the earlier ones. No bit of a result depends on this step.
 *
 * A quantized image is stored with its zero point around it, in bytes (factor.c). */
#include <string.h>

#include "backend/fuse/form.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/larger.h"
#include "backend/steps/pad.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"
#include "ir/expr/visit.h"

/* A value that some definition loads. Axes are in the order of memory. */
typedef struct image {
    fv_storage *s;
    int64_t before[FV_MAX_RANK], after[FV_MAX_RANK]; /* elements of the border along each axis */
    const fv_expr *around;                           /* the constant that the border holds */
    const fv_value *other; /* a reader that does not read a padded image; NULL: none */
    bool large;            /* whether a reader has a constant of FV_SMALL_CONSTANT bytes or more */
    bool known;            /* the extents of the borders are known */
    fv_buf *padded;        /* the buffer of the value with its border; NULL: it gets none */
    fv_op *next_op;        /* the op after the one that computes the value */
    struct image *next;
} image;

typedef struct padder {
    fv_lowerer *l;
    fv_ptrmap images; /* storage -> its image */
    image *first;
} padder;

static image *image_of(padder *p, fv_storage *s) {
    image *m = fv_ptrmap_get(&p->images, s);
    if (!m) {
        m = FV_NEW(p->l->exprs, image, 1);
        *m = (image){.s = s, .known = true, .next = p->first};
        p->first = *fv_ptrmap_at(&p->images, s) = m;
    }
    return m;
}

/* ---- readers ---- */

static bool are_equal(const fv_expr *a, const fv_expr *b) {
    int64_t n, m;
    return a == b || (fv_x_is_int(a, &n) && fv_x_is_int(b, &m) && n == m);
}

/* Does the condition compare index i of the guarded load x with an end of its axis? */
static bool tests_end(const fv_expr *cond, const fv_expr *x, int i) {
    int64_t first;
    return (cond->op == FV_X_LE && cond->arg[1] == x->arg[i] && fv_x_is_int(cond->arg[0], &first) &&
            first == 0) ||
           (cond->op == FV_X_LT && cond->arg[0] == x->arg[i] &&
            are_equal(cond->arg[1], x->u.buf->extent[i]));
}

/* Does the condition only compare indices of the guarded load x with the ends of their axes? Then
 * the element is in the border where it is false. Sets the bits of these axes. */
static bool tests_ends(const fv_expr *cond, const fv_expr *x, uint32_t *axes) {
    if (cond->op == FV_X_AND)
        return tests_ends(cond->arg[0], x, axes) && tests_ends(cond->arg[1], x, axes);
    int i = 0;
    while (i < x->u.buf->rank && !tests_end(cond, x, i))
        i++;
    *axes |= UINT32_C(1) << i;
    return i < x->u.buf->rank;
}

static fv_expr *without_guard(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    return x == w->user ? fv_x_load(w->arena, x->u.buf, args) : NULL;
}

/* Has d the same form if it loads x without the guard? It has not if its columns are not contiguous
 * in x: with the guard it is a contraction only because x is copied. */
static bool stays_contraction(fv_lowerer *l, const fv_definition *d, const fv_expr *x) {
    fv_x_rewriter w = {.arena = l->exprs,
                       .memo = fv_ptrmap_in(l->current.scratch),
                       .after = without_guard,
                       .user = (void *)(uintptr_t)x};
    fv_definition plain = *d;
    plain.body = fv_x_rewrite(&w, d->body);
    fv_update_form(l, &plain);
    return fv_form_same(plain.form, d->form);
}

/* Is x a factor of the contraction d that has a constant outside of the image, and has d the same
 * form without the guard (stays_contraction)? Sets bits of the axes along which x may be read
 * there. */
static bool is_padded_factor(fv_lowerer *l, const fv_definition *d, const fv_expr *x,
                             uint32_t *axes) {
    fv_expr *sums[2];
    if (x->op != FV_X_GUARD || fv_form_of(l, d) != FV_FORM_CONTRACT ||
        fv_x_reductions(d->body, sums, 2) != 1)
        return false;
    int rank = x->u.buf->rank;
    fv_expr *const *factors = sums[0]->arg[0]->arg;
    return (fv_x_stored(factors[0]) == x || fv_x_stored(factors[1]) == x) &&
           x->arg[rank + 1]->op == FV_X_CONST && tests_ends(x->arg[rank], x, axes) &&
           stays_contraction(l, d, x);
}

bool fv_pad_reads(fv_lowerer *l, const fv_definition *d, const fv_expr *x) {
    uint32_t axes = 0;
    return is_padded_factor(l, d, x, &axes);
}

/* Widens the border along axis i so that it contains what x reads. */
static void widen(padder *p, image *m, const fv_expr *x, int i) {
    fv_dims *t = p->l->module->dims;
    const fv_dim *least = fv_x_bound(t, x->arg[i], false), *most = fv_x_bound(t, x->arg[i], true);
    int64_t extent;
    bool known = least && most && fv_dim_is_const(least) && fv_dim_is_const(most) &&
                 fv_x_is_int(x->u.buf->extent[i], &extent) && extent > 0;
    m->known &= known;
    if (known && -least->value > m->before[i])
        m->before[i] = -least->value;
    if (known && most->value - extent + 1 > m->after[i])
        m->after[i] = most->value - extent + 1;
}

/* Does d load a constant of FV_SMALL_CONSTANT bytes or more? */
static bool has_large_constant(fv_lowerer *l, const fv_definition *d) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, d->body); (x = fv_x_next(&v));) {
        const fv_value *c = x->op == FV_X_LOAD ? x->u.buf->value : NULL;
        if (c && c->kind == FV_VALUE_CONST && c->tensor->bytes >= FV_SMALL_CONSTANT)
            return true;
    }
    return false;
}

/* Does the contraction d load x, a residual or an image without padding, which is then loaded from
 * within the border? Microcontrollers have no caches that a copy of the image would fill, and a
 * residual without a border can share its memory with the result. */
static bool is_read_within(fv_lowerer *l, const fv_definition *d, const fv_expr *x) {
    return x->op == FV_X_LOAD && l->target->kind == FV_TARGET_SERVER &&
           fv_form_of(l, d) == FV_FORM_CONTRACT;
}

static void look_at_load(padder *p, const fv_definition *d, const fv_expr *x) {
    image *m = image_of(p, fv_storage_loaded(p->l, x));
    uint32_t axes = 0;
    m->large = m->large || has_large_constant(p->l, d);
    if (is_read_within(p->l, d, x))
        return;
    if (!is_padded_factor(p->l, d, x, &axes) ||
        (m->around && m->around != x->arg[x->u.buf->rank + 1])) {
        m->other = d->value;
        return;
    }
    m->around = x->arg[x->u.buf->rank + 1];
    for (int i = 0; i < x->u.buf->rank; i++)
        if (axes >> i & 1)
            widen(p, m, x, i);
}

static void look_at(void *user, fv_storage *reader) {
    padder *p = user;
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->l->current.scratch, reader->def->body);
         (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            look_at_load(p, reader->def, x);
}

/* ---- images ---- */

static double product(int n, const fv_dim *const *extent) {
    double all = 1;
    for (int i = 0; i < n; i++)
        all *= (double)fv_typical_dim(extent[i]);
    return all;
}

/* The extents of the value without and with its border. */
static void extents(fv_lowerer *l, const image *m, const fv_dim **inner, const fv_dim **whole) {
    const fv_definition *d = m->s->def;
    fv_dims *t = l->module->dims;
    for (int i = 0; i < d->rank; i++) {
        inner[i] = d->index[i]->dim;
        whole[i] = fv_dim_add(t, inner[i], fv_dim_const(t, m->before[i] + m->after[i]));
    }
}

/* Is it worthwhile, and possible, to store the value with a border? The last axis must have none,
 * so that rows remain as they are aligned. */
static bool pays(fv_lowerer *l, const image *m) {
    const fv_storage *s = m->s;
    const fv_dim *inner[FV_MAX_RANK], *whole[FV_MAX_RANK];
    if (!m->around || s->value->kind != FV_VALUE_RESULT || s->fate != FV_FATE_MEMORY || !s->def)
        return false;
    int last = s->def->rank - 1;
    if (m->other)
        return fv_declines(l, s->value, FV_WHY_pad_read, fv_v(m->other));
    if (!m->known)
        return fv_declines(l, s->value, FV_WHY_pad_dims);
    if (m->before[last] || m->after[last])
        return fv_declines(l, s->value, FV_WHY_pad_last);
    if (fv_is_small_code(l->options) && !m->large && fv_elem_is_float(s->value->type->elem))
        return fv_declines(l, s->value, FV_WHY_pad_small);
    if (!fv_is_private(l, s->value) || fv_is_group(s->value->def))
        return fv_declines(l, s->value, FV_WHY_pad_memory);
    extents(l, m, inner, whole);
    double in = product(last + 1, inner), border = product(last + 1, whole) - in;
    return (border > 0 && border <= in * (double)l->speed->border_share) ||
           fv_declines(l, s->value, FV_WHY_pad_wide, fv_n(fv_whole_number(border)),
                       fv_n(fv_whole_number(in)));
}

/* ---- the value with its border ---- */

/* The value of the border along that axis, before or after the image. */
static fv_storage *add_border(fv_lowerer *l, const image *m, const fv_dim *const *inner,
                              const fv_dim *const *whole, int axis, bool after) {
    const fv_definition *of = m->s->def;
    const fv_dim *extent[FV_MAX_RANK];
    for (int i = 0; i < of->rank; i++)
        extent[i] = i < axis ? inner[i] : whole[i];
    extent[axis] = fv_dim_const(l->module->dims, (after ? m->after : m->before)[axis]);
    const char *name =
        fv_printf(l->exprs, "%s.border%d", m->s->value->name, 2 * axis + (after ? 1 : 0));
    fv_op *op = fv_add_like(l, m->s, m->next_op, name, "Border", 0, NULL, extent);
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    *d = (fv_definition){.value = op->out[0], .rank = of->rank};
    d->index = FV_NEW(l->exprs, fv_var *, of->rank + 1);
    for (int i = 0; i < of->rank; i++)
        d->index[i] = fv_index_var(l->exprs, of->index[i]->name, extent[i]);
    d->body = (fv_expr *)(uintptr_t)m->around;
    fv_storage *s = fv_storage_of(l, op->out[0]);
    s->def = d;
    fv_takes(l, s->value, FV_WHY_pad_border, fv_v(m->s->value));
    return s;
}

static void pad(fv_lowerer *l, image *m) {
    fv_storage *part[2 * FV_MAX_RANK + 1] = {m->s};
    int64_t at[2 * FV_MAX_RANK + 1][FV_MAX_RANK] = {0};
    const fv_dim *inner[FV_MAX_RANK], *whole[FV_MAX_RANK];
    fv_value *values[2 * FV_MAX_RANK + 1] = {m->s->value};
    int n = 1, rank = m->s->def->rank;
    m->next_op = m->s->value->def->next;
    extents(l, m, inner, whole);
    memcpy(at[0], m->before, sizeof at[0]);
    for (int axis = 0; axis < rank; axis++)
        for (int after = 0; after < 2; after++) {
            if (!(after ? m->after : m->before)[axis])
                continue;
            memcpy(at[n], m->before, (size_t)axis * sizeof **at);
            at[n][axis] = after ? m->before[axis] + inner[axis]->value : 0;
            part[n] = add_border(l, m, inner, whole, axis, after);
            values[n] = part[n]->value;
            n++;
        }
    const char *name = fv_printf(l->exprs, "%s.padded", m->s->value->name);
    fv_op *op = fv_add_like(l, m->s, m->next_op, name, "Padded", n, values, whole);
    fv_storage *all = fv_storage_of(l, op->out[0]);
    all->fate = FV_FATE_ASSEMBLED;
    m->padded = fv_buf_in_memory(l, all);
    for (int i = 0; i < n; i++)
        fv_store_within(l, part[i], all, m->padded, at[i]);
    fv_takes(l, m->s->value, FV_WHY_pads, fv_v(all->value));
    fv_takes(l, all->value, FV_WHY_pad_parts, fv_v(m->s->value), fv_n(n - 1));
}

/* ---- loads of a padded image ---- */

static fv_expr *load_padded(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const padder *p = w->user;
    const fv_storage *s = fv_storage_loaded(p->l, x);
    const image *m = s ? fv_ptrmap_get(&p->images, s) : NULL;
    fv_expr *index[FV_MAX_RANK];
    if (!m || !m->padded)
        return NULL;
    for (int i = 0; i < m->padded->rank; i++)
        index[i] = fv_x_bin(w->arena, FV_X_ADD, args[i], fv_x_int(w->arena, m->before[i]));
    return fv_x_load(w->arena, m->padded, index);
}

static void read_padded(void *user, fv_storage *reader) {
    padder *p = user;
    fv_x_rewriter w = {.arena = p->l->exprs,
                       .memo = fv_ptrmap_in(p->l->current.scratch),
                       .after = load_padded,
                       .user = p};
    fv_definition *d = FV_NEW(p->l->exprs, fv_definition, 1);
    *d = *reader->def;
    d->body = fv_x_rewrite(&w, d->body);
    reader->def = d;
}

bool fv_step_pad(fv_lowerer *l) {
    padder p = {.l = l, .images = fv_ptrmap_in(l->current.scratch)};
    bool any = false;
    fv_each_kernel(l, look_at, &p);
    for (image *m = p.first; m; m = m->next)
        if (pays(l, m)) {
            pad(l, m);
            any = true;
        }
    if (any)
        fv_each_kernel(l, read_padded, &p);
    return true;
}
