/* border.c - leaves out the taps of a window that are outside of the image, for whole lines of it.
 *
 *     y[h, w, m] = sum k, l, c: x[h + k, w + l, c] * f[k, l, c, m]        x has a border of zeros
 *
 * In the first and the last lines of y, some values of k read only zeros: of 3 x 3 taps on an image
 * of 7 x 7 pixels a tenth, of 14 x 14 pixels 5%. If all rows of a tile are pixels of one line, its
 * loop over k begins and ends with the lines of the image.
 *
 * No bit of a result changes. f is a finite constant, so the terms that are left out are 0 or -0.
 * They can change a sum only if it is -0, as after a product that is too small for a denormal
 * number, to 0. To both a number other than -0 is added, or one other than 0 is subtracted, before
 * the sum is used otherwise than in a product, such as the bias of the convolution or the mean of a
 * norm, which gives the same result. Sums of integers need no such condition; their rows may be
 * bytes that are read as words (dot.c), unless their signedness was flipped, which makes -128 or
 * 128 of 0. */
#include "backend/schedule/contract/border.h"

#include <math.h>
#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/lines.h"
#include "backend/schedule/contract/words.h"
#include "ir/expr/affine.h"
#include "ir/expr/visit.h"

/* the least share of the border in an axis, as its denominator: with less, the bounds of the loops
 * take the time that is saved */
enum { LEAST_SHARE = 100 };

/* ---- where the image is not 0 ---- */

/* Has the value that x loads zeros before element *first and from *end on, along axis i of x? */
typedef struct inside {
    int64_t first, end;
} inside;

static bool is_zero(const fv_expr *x) {
    if (x->op != FV_X_CONST)
        return false;
    return fv_elem_is_int((fv_elem)x->type.elem)
               ? x->u.i == 0
               : x->type.elem == FV_F32 && x->u.f == 0 && !signbit(x->u.f);
}

/* Takes from the condition of a guard the range of the index v + at in which it can be true. */
static void limit(const fv_expr *cond, const fv_affines *dims, const fv_var *v, inside *in) {
    int64_t n;
    if (cond->op == FV_X_AND) {
        limit(cond->arg[0], dims, v, in);
        limit(cond->arg[1], dims, v, in);
        return;
    }
    const bool low = cond->op == FV_X_LE && fv_x_is_int(cond->arg[0], &n),
               high = cond->op == FV_X_LT && fv_x_is_int(cond->arg[1], &n);
    if (!low && !high)
        return;
    const fv_affine f = fv_affine_of(dims, cond->arg[low]);
    if (!f.rest || f.n != 1 || !fv_dim_is_const(f.rest) || f.term[0].x->op != FV_X_VAR ||
        f.term[0].x->u.var != v || !fv_dim_is_one(f.term[0].by))
        return;
    n -= f.rest->value;
    if (low && n > in->first)
        in->first = n;
    if (high && n < in->end)
        in->end = n;
}

/* The range of a copy with a border, which its definition gives; false: it has none. */
static bool inside_copy(const fv_affines *dims, const fv_definition *d, const fv_expr *x, int axis,
                        inside *in) {
    const fv_expr *g = fv_x_stored(d->body); /* bytes may be copied as i16 */
    if (d->rank != x->u.buf->rank || g->op != FV_X_GUARD || !is_zero(g->arg[g->u.buf->rank + 1]))
        return false;
    limit(g->arg[g->u.buf->rank], dims, d->index[axis], in);
    return true;
}

static bool same_extents(const fv_buf *a, const fv_buf *b) {
    bool same = a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++)
        same = fv_x_equal(a->extent[i], b->extent[i]);
    return same;
}

/* The range of an image within a larger value, whose other parts are zeros; false: there is no such
 * image. */
static bool inside_padded(fv_lowerer *l, const fv_affines *dims, const fv_op *op, const fv_expr *x,
                          int axis, inside *in) {
    int images = 0;
    for (int i = 0; i < op->nin; i++) {
        const fv_storage *s = op->in[i] ? fv_storage_of(l, op->in[i]) : NULL;
        const fv_definition *d = s ? s->def : NULL;
        if (!d || s->fate != FV_FATE_PART || !d->place)
            return false;
        if (is_zero(d->body))
            continue;
        if (!same_extents(d->place->u.buf, x->u.buf))
            return false;
        const fv_affine f = fv_affine_of(dims, d->place->arg[axis]);
        if (images++ || !f.rest || f.n != 1 || !fv_dim_is_const(f.rest) ||
            f.term[0].x->op != FV_X_VAR || !fv_dim_is_one(f.term[0].by) ||
            !fv_dim_is_const(f.term[0].x->u.var->dim))
            return false;
        *in = (inside){f.rest->value, f.rest->value + f.term[0].x->u.var->dim->value};
    }
    return images == 1;
}

/* The load of which d is a copy, perhaps in another type, if elements of both have the same indices
 * along an axis: that axis of d, and *of of the load. NULL: d is something else. */
static const fv_expr *copied_from(const fv_definition *d, const fv_expr *x, int axis, int *of) {
    const fv_expr *y = fv_x_stored(d->body);
    if (d->rank != x->u.buf->rank || y->op != FV_X_LOAD)
        return NULL;
    int n = 0;
    for (int i = 0; i < y->u.buf->rank; i++)
        if (fv_x_uses(y->arg[i], d->index[axis])) {
            *of = i;
            n++;
        }
    bool same = n == 1 && y->arg[*of]->op == FV_X_VAR &&
                fv_x_equal(y->u.buf->extent[*of], x->u.buf->extent[axis]);
    return same ? y : NULL;
}

/* Sets *in to the range along that axis of x, a load, outside of which its elements are 0. False:
 * there is no border, or it is not known. */
static bool find_inside(fv_lowerer *l, const fv_expr *x, int axis, inside *in) {
    const fv_affines dims = {.dims = l->module->dims};
    const fv_storage *s = fv_storage_loaded(l, x);
    int64_t extent;
    if (!s || s->value->kind != FV_VALUE_RESULT || !fv_x_is_int(x->u.buf->extent[axis], &extent))
        return false;
    int of = 0;
    const fv_expr *copied = s->def ? copied_from(s->def, x, axis, &of) : NULL;
    if (copied && s->fate != FV_FATE_ASSEMBLED)
        return find_inside(l, copied, of, in);
    *in = (inside){0, extent};
    bool known = s->fate == FV_FATE_ASSEMBLED ? inside_padded(l, &dims, s->value->def, x, axis, in)
                                              : s->def && inside_copy(&dims, s->def, x, axis, in);
    return known && (in->first + extent - in->end) * LEAST_SHARE >= extent;
}

/* ---- whether 0 and -0 make a difference ---- */

/* A zero that a constant must not have. */
typedef enum zero { NO_ZERO, POSITIVE, NEGATIVE } zero;

static bool is_that_zero(double x, zero which) {
    return x == 0 && which != NO_ZERO && (signbit(x) != 0) == (which == NEGATIVE);
}

/* Is each element of the constant x finite, and none of them that zero? */
static bool is_without(const fv_expr *x, zero which) {
    const fv_value *v = x->op == FV_X_LOAD ? x->u.buf->value : NULL;
    if (x->op == FV_X_CONST && x->type.elem == FV_F32)
        return isfinite(x->u.f) && !is_that_zero(x->u.f, which);
    if (!v || v->kind != FV_VALUE_CONST || v->type->elem != FV_F32 || !v->tensor->data)
        return false;
    const char *data = v->tensor->data; /* of a file, where they may have any alignment */
    float f, sum = 0;
    bool found = false;
    for (size_t i = 0; i < v->tensor->count; i++) {
        memcpy(&f, data + i * sizeof f, sizeof f);
        sum += f * 0; /* NaN if it is not finite */
        found |= is_that_zero((double)f, which);
    }
    return !isnan(sum) && !found;
}

/* Is x the sum or a product of it, which is 0 or -0, or NaN, for both zeros? */
static bool is_of_sum(const fv_expr *x, const fv_expr *sum) {
    return x == sum ||
           (x->op == FV_X_MUL && (is_of_sum(x->arg[0], sum) || is_of_sum(x->arg[1], sum)));
}

/* Is x the same number for a sum of -0 and of 0, since a number is added to it that is not -0, or
 * subtracted from it that is not 0, or since the sum is subtracted from one that is not -0? */
static bool is_added_to(const fv_expr *x, const fv_expr *sum) {
    if (x->op == FV_X_FMA)
        return (is_of_sum(x->arg[0], sum) || is_of_sum(x->arg[1], sum)) &&
               is_without(x->arg[2], NEGATIVE);
    for (int i = 0; i < 2 && (x->op == FV_X_ADD || x->op == FV_X_SUB); i++)
        if (is_of_sum(x->arg[i], sum) &&
            is_without(x->arg[1 - i], x->op == FV_X_SUB && i == 0 ? POSITIVE : NEGATIVE))
            return true;
    return false;
}

/* May the value `all` differ if the sum in it is -0 in place of 0? */
static bool depends_on_sign(fv_lowerer *l, const fv_expr *all, const fv_expr *sum) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, all); (x = fv_x_next(&v));) {
        if (x == sum)
            return true;
        if (is_added_to(x, sum))
            fv_x_skip(&v);
    }
    return false;
}

/* ---- the contraction ---- */

/* The axis of the load x whose index alone depends on k, and *step, by how much it grows with k;
 * -1: there is none. */
static int axis_of(fv_lowerer *l, const fv_expr *x, const fv_var *k, int64_t *step) {
    int axis = -1;
    *step = 0;
    for (int i = 0; i < x->u.buf->rank; i++) {
        if (!fv_x_uses(x->arg[i], k))
            continue;
        const fv_affine f = fv_affine_of(&(fv_affines){.dims = l->module->dims}, x->arg[i]);
        if (axis >= 0 || !f.rest)
            return -1;
        axis = i;
        for (int n = 0; n < f.n; n++)
            if (f.term[n].x->op == FV_X_VAR && f.term[n].x->u.var == k)
                *step = fv_dim_is_const(f.term[n].by) ? f.term[n].by->value : 0;
            else if (fv_x_uses(f.term[n].x, k))
                return -1;
    }
    return *step > 0 ? axis : -1;
}

/* The border along the axis whose index depends on the variable number i of the sum. */
static fv_contract_border border_of(fv_lowerer *l, const fv_contraction *c, int i) {
    const fv_var *k = c->sum->u.red.vars[i];
    const fv_expr *x = fv_load_of_rows(c);
    int64_t step;
    inside in;
    const int axis = axis_of(l, x, k, &step);
    return axis >= 0 && fv_dim_is_const(k->dim) && k->dim->value > 1 && find_inside(l, x, axis, &in)
               ? (fv_contract_border){axis, in.first, in.end, step}
               : (fv_contract_border){0};
}

/* May terms with a zero of the rows be left out of sums of this type, wherever they are used? */
static bool may_leave_zeros(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    return c->sum->type.elem == FV_I32 ||
           (!depends_on_sign(l, d->body, c->sum) && is_without(c->b, NO_ZERO));
}

/* Are the factors of a type for which terms may be left out: f32 that is not computed, or integers
 * whose words, if there are any, are formed along the last variable of the sum? */
static bool has_terms_to_leave(const fv_contraction *c) {
    const fv_expr *sum = c->sum;
    if (sum->type.elem == FV_F32)
        return c->a->op == FV_X_LOAD && !c->dot.group;
    return sum->type.elem == FV_I32 && !c->each && fv_load_of_rows(c) && !c->dot.matrix &&
           (!c->dot.group || c->dot.k == sum->u.red.vars[sum->u.red.nvars - 1]);
}

void fv_find_border(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    const fv_expr *sum = c->sum;
    const fv_contract_border none = {0};
    c->context.image.border = c->context.image.side = none;
    if (c->row < 0 || c->nsums > 1 || c->blocks.sum || c->context.image.lines.taps ||
        !has_terms_to_leave(c) || sum->u.red.nvars < 2 || !fv_is_vector_processor(l->target) ||
        (l->options->saves & FV_SAVES_CODE))
        return;
    c->context.image.border = border_of(l, c, 0);
    if (c->context.image.border.step && sum->u.red.nvars > 2)
        c->context.image.side = border_of(l, c, 1);
    if (c->context.image.border.step && !may_leave_zeros(l, d, c))
        c->context.image.border = c->context.image.side = none;
}

double fv_share_within_border(const fv_contraction *c, int64_t lines) {
    const fv_contract_border *b = &c->context.image.border;
    int64_t extent = 0, taken = 0;
    if (!b->step || lines < 1 || !fv_x_is_int(fv_load_of_rows(c)->u.buf->extent[b->axis], &extent))
        return 1;
    const int64_t taps = c->sum->u.red.vars[0]->dim->value,
                  stride = lines < 2 ? 1 : (extent - 1 - (taps - 1) * b->step) / (lines - 1);
    for (int64_t k = 0; k < taps; k++)
        for (int64_t line = 0; line < lines; line++) {
            const int64_t at = line * stride + k * b->step;
            taken += b->first <= at && at < b->end;
        }
    return (double)taken / (double)(taps * lines);
}

/* Do all rows of the tile read the same lines: does the index not depend on the row, or only on the
 * number of its line? */
static bool is_shared(fv_tile *t, const fv_expr *index, const fv_var *row) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(t->e->arena, index); (x = fv_x_next(&v));) {
        if (x->op == FV_X_FLOORDIV && t->rows.line.n && fv_divisor_of_row(x, row))
            fv_x_skip(&v);
        else if (x->op == FV_X_VAR && x->u.var == row)
            return false;
    }
    return true;
}

void fv_tile_find_border(fv_tile *t, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    const fv_contraction *c = t->c;
    t->rows.border = NULL;
    if (!c->context.image.border.step || t->only.steps[0] || t->only.steps[1])
        return;
    const fv_expr *index = fv_load_of_rows(c)->arg[c->context.image.border.axis];
    if (rows > 1 && !is_shared(t, index, e->def->index[c->row]))
        return;
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, e->def->index[c->row], binary(e, FV_X_ADD, t->i0, first));
    fv_tile_bind_line(t, integer(e, 0));
    fv_kemit_bind(e, c->sum->u.red.vars[0], integer(e, 0));
    t->rows.border = fv_kb_let(&e->b, "above", fv_kemit_expr(e, (fv_expr *)index));
    fv_kemit_release(e, m);
}

void fv_tile_leave_border(fv_tile *t, fv_expr **from, fv_expr **to) {
    fv_kemit *e = t->e;
    const fv_contract_border *b = &t->c->context.image.border;
    if (!t->rows.border)
        return;
    fv_expr *by = integer(e, b->step);
    fv_expr *before = binary(e, FV_X_SUB, integer(e, b->first), t->rows.border),
            *until = binary(e, FV_X_SUB, integer(e, b->end), t->rows.border);
    *from = binary(e, FV_X_MAX, *from, fv_ceildiv(e, before, by));
    *to = binary(e, FV_X_MIN, *to, fv_ceildiv(e, until, by));
}

/* The pixels of a line of the result; 0: the rows of the tile are no pixels of one line. */
static int64_t line_of(const fv_tile *t) {
    const fv_dim *all = t->e->def->index[t->c->row]->dim;
    return t->rows.line.n ? t->plan.line : fv_dim_is_const(all) ? all->value : 0;
}

/* Writes the index of the side as pixel * stride + tap * step + rest, where `pixel` is the number
 * of the row in its line. False: it has another form. */
static bool index_of_side(fv_tile *t, int64_t *stride, int64_t *rest) {
    const fv_contraction *c = t->c;
    const fv_var *row = t->e->def->index[c->row], *tap = c->sum->u.red.vars[1];
    const fv_affine f = fv_affine_of(&(fv_affines){.dims = t->e->l->module->dims},
                                     fv_load_of_rows(c)->arg[c->context.image.side.axis]);
    bool is = f.rest && fv_dim_is_const(f.rest) && f.n == 2;
    *stride = 0;
    for (int i = 0; i < f.n && is; i++) {
        const fv_expr *x = f.term[i].x;
        const bool of_row = x->op == FV_X_VAR
                                ? x->u.var == row
                                : x->op == FV_X_FLOORMOD && fv_divisor_of_row(x, row) == line_of(t);
        is = fv_dim_is_const(f.term[i].by) && (of_row || (x->op == FV_X_VAR && x->u.var == tap));
        *stride = of_row && is ? f.term[i].by->value : *stride;
    }
    *rest = is ? f.rest->value : 0;
    return is && *stride > 0;
}

/* Sets `now` to that tap: the rows that have elements if the tile is both the first and the last
 * one of its line. */
static void take_tap(const fv_tile *t, int64_t stride, int64_t rest, int64_t tap,
                     fv_tile_tap *now) {
    const fv_contract_border *b = &t->c->context.image.side;
    const int64_t after = line_of(t) - t->plan.mr;
    *now = (fv_tile_tap){true, tap, 0, t->plan.mr};
    rest += tap * b->step;
    while (now->from < now->to && now->from * stride + rest < b->first)
        now->from++;
    while (now->from < now->to && (after + now->to - 1) * stride + rest >= b->end)
        now->to--;
}

int64_t fv_tile_taps(fv_tile *t, int rows) {
    enum { MOST_TAPS = 3, SHARE = 100 };
    const fv_contraction *c = t->c;
    int64_t stride, rest, lost = 0;
    if (!t->rows.border || !c->context.image.side.step || rows != t->plan.mr || rows < 2)
        return 0;
    const int64_t taps = c->sum->u.red.vars[1]->dim->value, line = line_of(t);
    if (line % rows || !index_of_side(t, &stride, &rest))
        return 0;
    for (int64_t tap = 0; tap < taps; tap++) {
        fv_tile_tap now;
        take_tap(t, stride, rest, tap, &now);
        lost += now.from + rows - now.to;
        if (line > rows && (now.from == now.to || (now.from && now.to < rows)))
            return 0;
    }
    return line == rows || (taps <= MOST_TAPS && lost * SHARE >= taps * line) ? taps : 0;
}

/* The first pixel of the tile in its line. */
static fv_expr *pixel_of(const fv_tile *t) {
    const fv_tile_line *line = &t->rows.line;
    for (int i = 0; i < line->n; i++)
        if (line->part[i]->op == FV_X_FLOORMOD &&
            fv_divisor_of_row(line->part[i], t->e->def->index[t->c->row]) == t->plan.line)
            return line->first[i];
    return t->i0;
}

fv_expr *fv_tile_take_tap(fv_tile *t, int64_t tap) {
    const int64_t line = line_of(t), mr = t->plan.mr;
    int64_t stride, rest;
    fv_tile_tap *now = &t->rows.now;
    *now = (fv_tile_tap){true, tap, 0, t->plan.mr};
    if (!index_of_side(t, &stride, &rest))
        return NULL;
    take_tap(t, stride, rest, tap, now);
    return line == mr || now->to - now->from == mr
               ? NULL
               : binary(t->e, FV_X_EQ, pixel_of(t), integer(t->e, now->from ? 0 : line - mr));
}
