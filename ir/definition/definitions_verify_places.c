/* definitions_verify_places.c - verifies values that are stored in parts of other values: where
 * they are stored, and which loads of the whole may precede some of its parts. */
#include "ir/definition/definitions_verify_places.h"

#include "ir/catalogue/op.h"
#include "ir/definition/view.h"
#include "ir/dim/text.h"

static fv_box box_of(const fv_verifier *v, const fv_defined *part) {
    fv_box box;
    fv_box_of_place(v->m->dims, part->def, part->def->place, &box);
    return box;
}

/* Do the elements of an index always end before `from`, or begin at `to` or later? Each index
 * stands for `by` elements. */
static bool ends_outside(fv_verifier *v, fv_expr *index, const fv_dim *by, const fv_dim *from,
                         const fv_dim *to, const fv_dim *whole, fv_expr *cond) {
    fv_dims *t = v->m->dims;
    fv_expr *first = fv_x_bin(v->a, FV_X_MUL, index, fv_x_dim(v->a, by)),
            *rest = fv_x_dim(v->a, fv_dim_sub(t, by, fv_dim_const(t, 1))),
            *last = fv_x_bin(v->a, FV_X_ADD, first, rest),
            *past = fv_x_bin(v->a, FV_X_SUB, first, fv_x_dim(v->a, to));
    const fv_dim *after = fv_dim_sub(t, fv_dim_mul(t, whole, by), to);
    int at;
    return fv_inside_load(v->inside, 1, &last, &from, cond, &at) ||
           fv_inside_load(v->inside, 1, &past, &after, cond, &at);
}

/* Does index i of the load x, of a view `seen`, never reach the part along its axis k? */
static bool is_outside_part(fv_verifier *v, const fv_expr *x, const fv_box *seen, int i,
                            const fv_dim *extent, const fv_box *part, int k) {
    fv_dims *t = v->m->dims;
    fv_box_scales by;
    fv_expr *cond = x->op == FV_X_GUARD ? x->arg[x->u.buf->rank] : NULL;
    return part->from[k] && fv_box_scale(t, seen, i, part, k, &by) &&
           ends_outside(v, x->arg[i], by.a, fv_dim_mul(t, part->from[k], by.b),
                        fv_dim_mul(t, part->to[k], by.b), extent, cond);
}

/* For a value whose parts are not all computed yet: does a load of it touch none of the parts that
 * are not computed? */
bool fv_dv_reaches_made(fv_verifier *v, const fv_expr *x, const fv_dim *const *extent) {
    fv_box seen = {.n = x->u.buf->rank};
    fv_buf_dims(v->m->dims, x->u.buf, seen.extent);
    for (int i = 0; i < v->d->n; i++) {
        const fv_defined *part = &v->d->all[i];
        bool outside = part->fate != FV_FATE_PART || part->of != x->u.buf->value ||
                       fv_ptrmap_get(&v->made, part->value);
        fv_box box = {0};
        if (!outside)
            box = box_of(v, part);
        for (int k = 0; k < seen.n && !outside; k++)
            for (int m = 0; m < box.n && !outside; m++)
                outside = is_outside_part(v, x, &seen, k, extent[k], &box, m);
        if (!outside)
            return fv_dv_illegal(
                v, "`%s`: it is not proved to be outside of %%%s, which is computed later",
                fv_dv_text(v, x), part->value->name);
    }
    return true;
}

const fv_defined *fv_dv_rows_apart(const fv_verifier *v, const fv_value *x) {
    const fv_defined *whole = fv_ptrmap_get(&v->defined, x);
    const fv_op *op = x->def;
    const fv_defined *part = op && op->def == &fv_define_def && op->nin == 1 && op->nout == 1
                                 ? fv_ptrmap_get(&v->defined, op->in[0])
                                 : NULL;
    if (!whole || whole->fate != FV_FATE_ASSEMBLED || whole->of || !part ||
        part->fate != FV_FATE_PART || part->of != x || !part->def->place)
        return NULL;
    const fv_type *all = x->type, *own = part->value->type;
    int last = fv_memory_axis(all->rank, whole->last, all->rank - 1);
    bool same = all->rank == own->rank && all->rank > 0;
    for (int i = 0; i < all->rank && same; i++)
        same = i == last ? all->dims[i]->lo >= own->dims[i]->hi : all->dims[i] == own->dims[i];
    fv_box box = box_of(v, part);
    const fv_dim *from = box.n ? box.from[box.n - 1] : NULL;
    return same && from && fv_dim_is_const(from) && from->value == 0 ? part : NULL;
}

/* ---- one part ---- */

/* Are the elements of two parts disjoint? */
static bool are_apart(fv_verifier *v, const fv_defined *a, const fv_defined *b) {
    fv_box boxes[2] = {box_of(v, a), box_of(v, b)};
    return fv_box_is_apart(v->m->dims, &boxes[0], &boxes[1]);
}

static bool is_empty(const fv_definition *d) {
    bool empty = false;
    for (int i = 0; i < d->rank; i++)
        empty |= d->index[i]->dim->hi <= 0;
    return empty;
}

/* Checks that a part is not stored where the input has elements. */
static bool is_behind_input(fv_verifier *v, const fv_defined *x) {
    const fv_type *in = v->d->in[x->of->index], *all = x->of->type;
    fv_box box = box_of(v, x), had = {.n = in->rank};
    for (int i = 0; i < in->rank; i++) {
        had.extent[i] = all->dims[i];
        had.from[i] = in->dims[i] == all->dims[i] ? NULL : fv_dim_const(v->m->dims, 0);
        had.to[i] = in->dims[i];
    }
    if (is_empty(x->def) || fv_box_is_apart(v->m->dims, &had, &box))
        return true;
    return fv_dv_illegal(v, "it is stored at `%s`, where input %%%s has something",
                         fv_dv_text(v, x->def->place), x->of->name);
}

/* Are the axes of x in the same order of memory as those of the value that it is a part of? */
static bool check_axis_order(fv_verifier *v, const fv_defined *x, int last) {
    int rank = x->value->type->rank;
    if (x->of->type->rank != rank)
        return fv_dv_illegal(v, "it has %d axes, and %%%s, which it is a part of, has %d", rank,
                             x->of->name, x->of->type->rank);
    for (int i = 0; i < rank; i++)
        if (fv_memory_axis(rank, last, i) != fv_memory_axis(rank, x->last, i))
            return fv_dv_illegal(
                v,
                "its axes are in another order in memory than those of %%%s, which it is a part of",
                x->of->name);
    return true;
}

/* Is the part a block of the whole? Each of its elements must be stored at its own indices, in
 * their order, plus an offset; an index of the whole that contains none of them must be the same
 * for all elements. */
static bool check_block(fv_verifier *v, const fv_defined *x, int last) {
    const fv_expr *place = x->def->place;
    fv_box box = box_of(v, x);
    int used = 0;
    if (!check_axis_order(v, x, last))
        return false;
    for (int i = 0; i < box.n; i++) {
        int axis = fv_place_axis(x->def, place->arg[i]);
        const fv_var *own = used < x->def->rank ? x->def->index[used] : NULL;
        bool views = !fv_step_comes(v->d->after, "split");
        if (!box.from[i] || (axis >= 0 || !views ? axis != used : false))
            return fv_dv_illegal(
                v, "it is stored at `%s`: index %d is not '%s', nor that and an offset",
                fv_dv_text(v, place), i, own ? own->name : "a number");
        used += axis >= 0;
        if (axis >= 0 && fv_dim_is_one(box.extent[i]) && !fv_dim_is_const(own->dim))
            return fv_dv_illegal(v, "axis %d has %s elements, in an axis of 1",
                                 fv_memory_axis(box.n, x->last, i), fv_dim_str(v->a, own->dim));
    }
    return used == x->def->rank ||
           fv_dv_illegal(v, "it is stored at `%s`, which does not have its index '%s'",
                         fv_dv_text(v, place), x->def->index[used]->name);
}

bool fv_dv_block(fv_verifier *v, int last, bool over) {
    const fv_defined *x = v->at;
    if (!check_block(v, x, last) || (over && !is_behind_input(v, x)))
        return false;
    for (const fv_defined *y = v->d->all; y < x; y++)
        if (y->fate == FV_FATE_PART && y->of == x->of && !are_apart(v, x, y))
            return fv_dv_illegal(v, "it is stored at `%s`, where %%%s may be, too",
                                 fv_dv_text(v, x->def->place), y->value->name);
    return true;
}

/* ---- rows of a loop ---- */

/* The position along the first axis of the whole at which a part begins that starts at 0 along the
 * other axes; NULL: the part is of another form. If the whole has one row, a view may leave out
 * that axis. */
static const fv_dim *first_row(const fv_verifier *v, const fv_defined *row) {
    const fv_dim *zero = fv_dim_const(v->m->dims, 0), *rows = row->of->type->dims[0];
    fv_box box = box_of(v, row);
    int others = box.n && box.extent[0] == rows;
    for (int i = others; i < box.n; i++)
        if (box.from[i] != zero)
            return NULL;
    return others ? box.from[0] : fv_dim_is_one(rows) ? zero : NULL;
}

/* Checks a result of a loop that has a row for each iteration: it must have one part, whose
 * position is the number of the iteration. */
bool fv_dv_rows(fv_verifier *v, const fv_op *end) {
    const fv_value *x = v->at->value;
    const fv_op *loop = fv_loop_begin(end);
    const fv_defined *row =
        end->in[1 + x->index] ? fv_ptrmap_get(&v->defined, end->in[1 + x->index]) : NULL;
    const fv_dim *turn = loop ? fv_op_find_attr(loop, "symbols")->u.dims[0] : NULL, *from = NULL;
    if (row && row->fate == FV_FATE_PART && row->of == x)
        from = first_row(v, row);
    /* whether the loop has one iteration, which stores its row at the index of that iteration */
    bool only = from && turn->lo == turn->hi && fv_dim_is_const(from) && from->value == turn->lo;
    return (from && from == turn) || only ||
           fv_dv_illegal(
               v, "an iteration computes no row of it, or not at the index of the iteration");
}
