/* winograd.c - replaces convolutions by fewer multiplications (ir/definition/winograd.h):
 *
 *     y = fv.Conv(x, w, b)                          x[n, c, h, w], w[m, c, 3, 3]
 *  =>
 *     v = fv.WinogradTiles(x with channels last)    v[a, t, c], a < (size + 2)^2, t: a tile
 *     p = fv.MatMul(v, u)                           p[a, t, m]; u[a, c, m] is made of w here
 *     y = fv.WinogradImage(p, b)                    with the axes transposed back
 *
 * Every definition, and every schedule, is made after that, so all consumers compute the same bits.
 * Whether it pays is estimated from the dims and the bytes of filters alone, since the choice must
 * be the same for every target. */
#include "backend/steps/winograd.h"

#include <math.h>

#include "backend/lowering/gate.h"
#include "backend/lowering/marks.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/contract/sets.h"
#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/definition/bits.h"
#include "ir/definition/winograd.h"
#include "ir/graph/rewriter.h"

enum { MOST_SPARE = 4 };

static const int to_last[] = {0, 2, 3, 1}, to_first[] = {0, 3, 1, 2};

/* ---- which convolutions ---- */

static bool is_all(const fv_op *op, const char *attr, int64_t value) {
    const fv_attr *a = fv_op_find_attr(op, attr);
    for (int i = 0; i < a->n; i++)
        if (a->u.ints[i] != value)
            return false;
    return true;
}

static bool has_form(const fv_op *op) {
    const fv_value *w = op->in[1];
    return w->kind == FV_VALUE_CONST && w->type->rank == 4 && w->tensor->dims[2] == 3 &&
           w->tensor->dims[3] == 3 && fv_op_int(op, "group") == 1 && is_all(op, "strides", 1) &&
           is_all(op, "dilations", 1);
}

/* The bytes of the constant filters of all convolutions. Those of all constants depend on the
 * target: where memory is to be saved, some stay small and are converted in the run. */
static int64_t bytes_of_filters(const fv_lowerer *l) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    int64_t bytes = 0;
    for (const fv_op *op = l->func->body->first; op; op = op->next) {
        const fv_value *w = fv_op_is(op, FV_OP_fv_Conv) ? op->in[1] : NULL;
        if (!w || w->kind != FV_VALUE_CONST || fv_ptrmap_get(&seen, w))
            continue;
        *fv_ptrmap_at(&seen, w) = (void *)(uintptr_t)w;
        bytes += (int64_t)w->tensor->bytes;
    }
    return bytes;
}

/* The estimated time of reading an element of a filter, in products. */
static double time_of_filter(const fv_lowerer *l) {
    return bytes_of_filters(l) <= FV_WINOGRAD_CACHED / 4 ? FV_WINOGRAD_FILTER_CACHED
                                                         : FV_WINOGRAD_FILTER;
}

/* The estimated time of the algorithm with tiles of `size` x `size` pixels, in products. */
static double tiled(const fv_op *op, int size, double filter) {
    const fv_type *y = op->out[0]->type, *w = op->in[1]->type;
    int reach = fv_winograd_reach(size);
    double tiles = fv_typical_extent(y->dims[0]), m = (double)w->dims[0]->value,
           c = (double)w->dims[1]->value, each = (double)reach * reach;
    for (int i = 2; i < 4; i++)
        tiles *= ceil(fv_typical_extent(y->dims[i]) / size);
    const double product = (double)FV_WINOGRAD_PRODUCT / 100, moved = tiles * (m + c),
                 cached = FV_WINOGRAD_CACHED;
    const bool stays = each * moved * sizeof(float) <= cached;
    const double move = stays ? FV_WINOGRAD_MOVE_CACHED : FV_WINOGRAD_MOVE;
    return each * (tiles * m * c * product + moved * move + m * c * filter);
}

/* The size of tiles that takes the least time, by the estimate; 0, with a reason: none pays.
 * `filter`: the time of reading an element of a filter, in products. */
static int chosen_size(fv_lowerer *l, const fv_op *op, double filter) {
    const fv_value *y = op->out[0];
    const fv_type *w = op->in[1]->type;
    double c = (double)w->dims[1]->value,
           direct = 9 * c * (fv_typical_elements(y->type) + (double)w->dims[0]->value * filter),
           two = tiled(op, 2, filter), four = tiled(op, 4, filter);
    int size = four < two ? 4 : 2;
    int64_t percent = fv_whole_number((size == 4 ? four : two) / fmax(direct, 1) * 100);
    if (percent < 0 || percent > FV_WINOGRAD_PERCENT) {
        fv_declines(l, y, FV_WHY_winograd_slow, fv_n(size), fv_n(percent),
                    fv_n(FV_WINOGRAD_PERCENT));
        return 0;
    }
    return size;
}

/* ---- the ops ---- */

/* The only reader of y, if it is a Relu that is executed whenever y is computed; NULL otherwise. */
static fv_op *relu_of(const fv_value *y) {
    fv_op *use = y->nuses == 1 ? y->uses[0].op : NULL;
    if (!use || !fv_op_is(use, FV_OP_Relu))
        return NULL;
    for (const fv_op *op = y->def; op != use; op = op->next)
        if (fv_mark_depth(op))
            return NULL;
    return use;
}

static bool is_transposed(const fv_value *x, const int *perm) {
    if (x->kind != FV_VALUE_RESULT || !fv_op_is(x->def, FV_OP_Transpose))
        return false;
    const fv_attr *p = fv_op_find_attr(x->def, "perm");
    for (int i = 0; p && i < 4; i++)
        if (p->n != 4 || p->u.ints[i] != perm[i])
            return false;
    return p != NULL;
}

/* x with its channels last. */
static fv_value *channels_last(fv_rewriter *w, fv_value *x) {
    return is_transposed(x, to_first) ? x->def->in[0] : fv_w_transpose(w, x, to_last);
}

/* The constants that have been made of filters, so that convolutions with equal filters share
 * one. */
typedef struct made_filters {
    fv_ptrmap two, four; /* filters -> those for tiles of 2 x 2 and of 4 x 4 */
} made_filters;

static fv_value *transformed_filters(fv_module *m, const fv_value *w, int size,
                                     made_filters *filters) {
    fv_value **at = (fv_value **)fv_ptrmap_at(size == 2 ? &filters->two : &filters->four, w);
    const fv_tensor *t = *at ? NULL : fv_winograd_filters(m->arena, w->tensor, size);
    if (t)
        *at = fv_const_new(m, fv_printf(m->arena, "%s.winograd", w->name), t);
    return *at;
}

/* Rows between the n x n matrices of tiles. A tile has an element of the same row in each of them
 * and stores all of these together, so a distance of the matrices at which they would compete for
 * few sets of the first-level cache is made larger. */
static int64_t spare_rows(const fv_lowerer *l, int size, const fv_dim *rows, const fv_dim *c) {
    const int64_t n = fv_winograd_reach(size), most = l->speed->winograd_apart;
    if (!fv_dim_is_const(rows) || !fv_dim_is_const(c) || rows->value > most || c->value > most)
        return 0;
    int64_t row = c->value * (int64_t)sizeof(float);
    int64_t best = 0;
    int sets = 0;
    for (int64_t i = 0; i < MOST_SPARE && (rows->value + i) * row * n * n <= most; i++) {
        fv_competing by;
        bool compete = fv_distance_competes(l->target, (rows->value + i) * row, (int)(n * n), &by);
        if (!compete)
            return i;
        if (by.sets > sets) {
            best = i;
            sets = by.sets;
        }
    }
    return best;
}

/* The first `rows` rows of each matrix of v. */
static fv_value *without_spare(fv_rewriter *w, fv_value *v, const fv_dim *rows) {
    fv_dims *t = w->module->dims;
    const fv_dim *none = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    return fv_w_slice(w, v, (const fv_dim *[]){none, none, none}, (const fv_dim *[]){one, one, one},
                      (const fv_dim *[]){v->type->dims[0], rows, v->type->dims[2]});
}

/* The ops that compute the convolution, and the maximum with 0 if `relu`. */
static fv_value *in_tiles(const fv_lowerer *l, fv_rewriter *w, const fv_op *conv, int size,
                          bool relu, made_filters *made) {
    fv_module *m = w->module;
    fv_dims *t = m->dims;
    const fv_type *y = conv->out[0]->type;
    fv_value *x = channels_last(w, conv->in[0]), *bias = fv_op_in(conv, 2),
             *filters = transformed_filters(m, conv->in[1], size, made);
    if (!x || !filters)
        return NULL;
    const fv_dim *s = fv_dim_const(t, size),
                 *tiles[2] = {fv_dim_ceildiv(t, y->dims[2], s), fv_dim_ceildiv(t, y->dims[3], s)};
    const fv_dim *rows = fv_dim_product(t, 3, (const fv_dim *[]){y->dims[0], tiles[0], tiles[1]});
    int64_t spare = spare_rows(l, size, rows, x->type->dims[3]);
    fv_attr a[4] = {fv_attr_int(m, "size", size),
                    fv_attr_dims(m, "pads", 2, fv_op_find_attr(conv, "pads")->u.dims),
                    fv_attr_dims(m, "dims", 2, tiles), fv_attr_int(m, "spare", spare)};
    fv_value *v = fv_w_op(w, FV_OP_fv_WinogradTiles, 1, &x, 4, a);
    v = v && spare ? without_spare(w, v, rows) : v;
    if (!v)
        return NULL;
    fv_value *p = FV_W2(w, FV_OP_fv_MatMul, v, filters), *in[2] = {p, bias};
    const fv_dim *image[3] = {y->dims[0], y->dims[2], y->dims[3]};
    a[1] = fv_attr_int(m, "relu", relu);
    a[2] = fv_attr_dims(m, "dims", 3, image);
    fv_value *pixels = p ? fv_w_op(w, FV_OP_fv_WinogradImage, bias ? 2 : 1, in, 3, a) : NULL;
    return pixels ? fv_w_transpose(w, pixels, to_first) : NULL;
}

/* Removes v's op, a Transpose whose result nothing reads any more. */
static void drop_transpose(fv_value *v) {
    if (is_transposed(v, to_first) && !v->nuses)
        fv_op_erase(v->def);
}

/* Replaces the convolution, and the Relu that alone reads it, at the place of the latter. */
static bool replace(fv_lowerer *l, fv_op *conv, int size, made_filters *filters) {
    fv_op *relu = relu_of(conv->out[0]), *last = relu ? relu : conv;
    fv_rewriter w = fv_rewriter_at(last);
    fv_value *x = conv->in[0], *made = in_tiles(l, &w, conv, size, relu != NULL, filters);
    if (!made || w.failed)
        return fv_error(l->session, "internal error: a convolution cannot be computed in tiles");
    if (relu) {
        const fv_origin *origin = fv_origin_join(l->module, conv->origin, relu->origin);
        for (fv_op *op = made->def; op != w.before; op = op->prev)
            op->origin = origin;
    }
    fv_w_result(&w, 0, made);
    if (w.failed)
        return false;
    if (relu)
        fv_op_erase(relu);
    fv_op_erase(conv);
    drop_transpose(x);
    return fv_takes(l, made->def->in[0], FV_WHY_winograd, fv_n(size),
                    fv_n((int64_t)fv_winograd_reach(size) * fv_winograd_reach(size)),
                    fv_n((int64_t)size * size * 9));
}

bool fv_choose_winograd(fv_lowerer *l) {
    if (!(l->options->relax & FV_RELAX_WINOGRAD))
        return true;
    made_filters filters = {fv_ptrmap_in(l->current.scratch), fv_ptrmap_in(l->current.scratch)};
    const double filter = time_of_filter(l); /* before convolutions are replaced */
    for (fv_op *op = l->func->body->first, *next; op; op = next) {
        next = op->next;
        if (!fv_op_is(op, FV_OP_fv_Conv))
            continue;
        if (op->out[0]->type->elem != FV_F32 || !has_form(op)) {
            fv_declines(l, op->out[0], FV_WHY_winograd_form);
            continue;
        }
        int size = chosen_size(l, op, filter);
        if (!size || !fv_may(l, "define", op))
            continue;
        if (next && next == relu_of(op->out[0]))
            next = next->next;
        if (!replace(l, op, size, &filters))
            return false;
    }
    return true;
}
