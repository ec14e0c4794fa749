/* together.c - makes one kernel that computes several results whose first axes are the same.
 *
 *     parallel i:                          x[i, j] = a[i, j] + b[i, j]
 *         vector j: x[i, j] = ...          y[i, m] = x[i, m] - (sum k: x[i, k]) / n
 *         s = sum k: x[i, k]               s[i]    = sum k: x[i, k]
 *         vector m: y[i, m] = ...
 *         s[i] = ...
 *
 * Each result is computed as by the schedule `map`, as a row or a single element, within loops over
 * the shared axes. So a result that a later one reads was stored just before, and is in the
 * first-level cache. An expression that several results need, above all a sum along the row, is
 * computed once. If nothing is summed and all axes are shared, one vector loop computes all
 * results. */
#include "backend/schedule/together.h"

#include <string.h>

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/axes/sums.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/attend/attend_rows.h"
#include "backend/schedule/attend/attention.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/common/reduce.h"
#include "backend/schedule/common/scheduler.h"
#include "backend/schedule/contract/contract.h"
#include "backend/schedule/rows/map.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/unique.h"

enum {
    LEAST_VECTOR = 256,
    LEAST_TASK = 16,
    MOST_TASK = 1 << 24,
    MOST_ACCUMULATED = 8 /* largest number of vectors of sums that are kept in registers */
};

static bool has_sums(const fv_definition *d) {
    fv_expr *sum;
    return fv_x_reductions(d->body, &sum, 1) > 0;
}

/* ---- which kernels are rows? ---- */

static bool is_mapped(fv_lowerer *l, const fv_storage *s) {
    fv_storage seen = *s;
    fv_form_kind form = fv_form_of(l, s->def);
    if (form != FV_FORM_TRANSPOSE)
        return form == FV_FORM_MAP || form == FV_FORM_ROW;
    seen.def = fv_merge_axes(l, fv_split_axes(l, s->def));
    return fv_schedule_transpose.choose(l, &seen) == NULL;
}

bool fv_is_mapped(fv_lowerer *l, const fv_storage *s) {
    struct fv_reasons *reasons = l->reasons;
    /* no reasons are recorded here: the schedule that is chosen later gives them */
    l->reasons = NULL;
    bool mapped = is_mapped(l, s);
    l->reasons = reasons;
    return mapped;
}

/* Checks that the schedules for attention, contractions and transposes take none of the results.
 * The `choose` functions of these schedules decide it, as for a single result, and record their
 * reasons. */
static bool are_mapped(fv_lowerer *l, const fv_op *op) {
    const fv_scheduler *const others[] = {&fv_schedule_attend, &fv_schedule_contract,
                                          &fv_schedule_transpose};
    for (int m = 0; m < op->nout; m++) {
        fv_storage seen = *fv_storage_of(l, op->out[m]);
        fv_form_kind form = fv_form_of(l, seen.def);
        if (form == FV_FORM_MAP || form == FV_FORM_ROW)
            continue;
        seen.def = fv_merge_axes(l, fv_split_axes(l, seen.def));
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (others[i]->choose(l, &seen))
                return fv_declines(l, op->out[op->nout - 1], FV_WHY_together_otherwise,
                                   fv_v(op->out[m]));
    }
    return true;
}

/* ---- choosing ---- */

/* Returns the buffer of d's value with the axes of d, as the kernel stores it. */
static fv_buf *made_buf(fv_lowerer *l, const fv_definition *d) {
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < d->rank; i++)
        extent[i] = fv_x_dim(l->exprs, d->index[i]->dim);
    return fv_buf_seen(l->exprs, fv_value_buf(l->exprs, d->value), d->rank, extent);
}

/* Does x load v through a buffer other than b? */
static bool is_seen_otherwise(const fv_expr *x, const fv_value *v, const fv_buf *b,
                              fv_ptrmap *seen) {
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value == v && x->u.buf != b)
        return true;
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n; i++)
        if (is_seen_otherwise(x->arg[i], v, b, seen))
            return true;
    return false;
}

/* Checks that no two results are parts of the same Concat. Their parts do not overlap, but the
 * verifier can prove that tasks do not interfere only for one part of a buffer. */
static bool have_own_memory(fv_lowerer *l, const fv_together *t) {
    for (int m = 0; m < t->n; m++)
        for (int k = 0; k < m && t->all[m]->place; k++)
            if (t->all[k]->place &&
                t->all[k]->place->u.buf->value == t->all[m]->place->u.buf->value)
                return fv_declines(l, t->all[t->n - 1]->value, FV_WHY_together_parts,
                                   fv_v(t->all[k]->value), fv_v(t->all[m]->value),
                                   fv_v(t->all[m]->place->u.buf->value));
    return true;
}

/* Checks that each result with memory of its own is read by the others in the shape in which it is
 * stored. */
static bool are_seen_as_made(fv_lowerer *l, const fv_together *t) {
    const fv_value *last = t->all[t->n - 1]->value;
    for (int m = 0; m < t->n; m++)
        for (int k = m + 1; k < t->n && !t->all[m]->place; k++) {
            fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
            if (is_seen_otherwise(t->all[k]->body, t->all[m]->value, made_buf(l, t->all[m]), &seen))
                return fv_declines(l, last, FV_WHY_together_seen, fv_v(t->all[k]->value),
                                   fv_v(t->all[m]->value));
        }
    return true;
}

/* Is the row longer than the part that one task should do, so that several tasks would share it if
 * the result had its own kernel? */
static bool is_too_long(fv_lowerer *l, const fv_together *t, const fv_definition *d, int row) {
    const fv_dim *length = d->index[row]->dim;
    return t->outer == 0 ? length->hi > l->speed->long_row
                         : !has_sums(d) && fv_typical_dim(length) > l->speed->long_row;
}

/* Is the row so short that a kernel of the result alone would merge it with another axis for
 * vectors? */
static bool is_too_short(const fv_together *t, const fv_definition *d, int row) {
    const fv_dim *length = d->index[row]->dim;
    return t->outer > 0 && !has_sums(d) && fv_dim_is_const(length) && length->value < FV_CHAINS;
}

/* Does each element along the row have a sum of its own? Assumed if there are 32 sums or more. */
static bool sums_each(const fv_definition *d, int row) {
    fv_expr *sums[32];
    int n = fv_x_reductions(d->body, sums, 32);
    bool each = n == 32;
    for (int i = 0; i < n && !each; i++)
        each = fv_x_uses(sums[i], d->index[row]);
    return each;
}

/* Checks that at most one result has a sum for each of its elements: the sums of two would evict
 * each other's operands from the caches. */
static bool have_few_sums(fv_lowerer *l, const fv_together *t) {
    int first = -1;
    for (int m = 0; m < t->n; m++) {
        int row = t->all[m]->rank - 1;
        if (row < t->outer || !sums_each(t->all[m], row))
            continue;
        if (first >= 0)
            return fv_declines(l, t->all[t->n - 1]->value, FV_WHY_together_both,
                               fv_v(t->all[m]->value), fv_v(t->all[first]->value));
        first = m;
    }
    return true;
}

/* Makes the last shared axis the row of all results. */
static bool choose_shared_rows(fv_lowerer *l, fv_together *t) {
    const fv_definition *d = t->all[0];
    const fv_dim *length = d->index[t->outer]->dim;
    for (int m = 0; m < t->n; m++)
        t->row[m] = t->outer;
    if (t->by_element)
        return true;
    if (!t->outer && length->hi > l->speed->long_row)
        return fv_declines(l, t->all[t->n - 1]->value, FV_WHY_together_long, fv_v(d->value),
                           fv_d(length), fv_n(l->speed->long_row));
    return have_few_sums(l, t);
}

static bool choose_row(fv_lowerer *l, fv_together *t, int m) {
    const fv_definition *d = t->all[m];
    const fv_value *last = t->all[t->n - 1]->value;
    fv_fact what = fv_v(d->value);
    int own = d->rank - t->outer;
    t->row[m] = own ? fv_map_vector(d) : -1;
    if (own > 1)
        return fv_declines(l, last, FV_WHY_together_axes, what, fv_n(own));
    /* the scores of attention may have one sum per element; join.c checks whether rows are too long
     * for one task */
    if (t->attends)
        return true;
    if (own && (t->row[m] < 0 || sums_each(d, t->row[m])))
        return fv_declines(l, last, FV_WHY_together_sums, what);
    if (own && is_too_long(l, t, d, t->row[m]))
        return fv_declines(l, last, FV_WHY_together_long, what, fv_d(d->index[t->row[m]]->dim),
                           fv_n(l->speed->long_row));
    if (own && is_too_short(t, d, t->row[m]))
        return fv_declines(l, last, FV_WHY_together_short, what, fv_d(d->index[t->row[m]]->dim),
                           fv_n(FV_CHAINS));
    return true;
}

/* Checks that the loops over the shared axes would not repeat a sum that is the same for several
 * rows. */
static bool take_sums_once(fv_lowerer *l, const fv_together *t) {
    for (int m = 0; m < t->n; m++)
        if (fv_repeats_sums(l, t->all[m], t->row[m]))
            return fv_declines(l, t->all[t->n - 1]->value, FV_WHY_together_repeats,
                               fv_v(t->all[m]->value));
    return true;
}

/* Do the vector loops of all results run along the last axis, and is it shared? */
static bool have_shared_rows(const fv_together *t, int shared) {
    bool rows = shared > 0;
    for (int m = 0; m < t->n && rows; m++)
        rows = t->all[m]->rank == shared && fv_map_vector(t->all[m]) == shared - 1;
    return rows;
}

bool fv_together_choose(fv_lowerer *l, int n, fv_definition *const *all, fv_together *t) {
    *t = (fv_together){.n = n, .attends = fv_attends_by_rows(n, all)};
    int shared = fv_merged_shared(n, all);
    memcpy(t->all, all, (size_t)n * sizeof *all);
    if (shared < 0)
        return fv_declines(l, all[n - 1]->value, FV_WHY_together_order, fv_v(all[0]->value));
    if (!are_seen_as_made(l, t) || !have_own_memory(l, t))
        return false;
    bool rows = !t->attends && have_shared_rows(t, shared), sums = false;
    for (int m = 0; m < n; m++)
        sums |= has_sums(t->all[m]);
    t->by_element = rows && !sums;
    t->outer = rows ? shared - 1 : shared;
    if (rows)
        return choose_shared_rows(l, t) && take_sums_once(l, t);
    for (int m = 0; m < n; m++)
        if (!choose_row(l, t, m))
            return false;
    return take_sums_once(l, t);
}

/* Has result m an axis that is not shared? */
static bool has_own_axis(const fv_together *t, int m) {
    return t->all[m]->rank > t->outer;
}

/* ---- emitting ---- */

typedef struct maker {
    fv_kemit e;
    const fv_together *t;
    int64_t task;
    bool alone; /* whether one vector loop over the only axis computes all results */
} maker;

/* Sets the index at which result m is stored, for the axes that are bound so far. */
static void find_index(maker *k, int m, fv_expr **index) {
    const fv_definition *d = k->t->all[m];
    for (int i = 0; i < d->rank; i++)
        index[i] = i == k->t->row[m] && !k->t->by_element
                       ? NULL
                       : fv_kemit_expr(&k->e, fv_x_var(k->e.l->exprs, d->index[i]));
}

/* Makes later loads of the element of d in the same iteration use x, which was just stored in
 * it. */
static void forward(maker *k, const fv_definition *d, fv_expr *x) {
    fv_lowerer *l = k->e.l;
    fv_elem stored = d->value->type->elem;
    fv_expr *index[FV_MAX_RANK];
    if (d->place || fv_elem_arith(stored) != stored)
        return;
    for (int i = 0; i < d->rank; i++)
        index[i] = fv_x_var(l->exprs, d->index[i]);
    const fv_expr *load = fv_x_load(l->exprs, made_buf(l, d), index);
    if (fv_ptrmap_get(&k->e.uses.count, load))
        fv_kemit_memo(&k->e, load, fv_kb_let(&k->e.b, "made", fv_x_convert(k->e.arena, stored, x)));
}

static void make_element(maker *k, int m) {
    fv_kemit *e = &k->e;
    fv_expr *index[FV_MAX_RANK];
    const fv_definition *d = e->def = k->t->all[m];
    e->keep.n = 0;
    e->loop.vector = k->t->by_element ? e->loop.vector : NULL;
    find_index(k, m, index);
    fv_kemit_hoist(e, d->body);
    fv_expr *x = fv_kemit_expr(e, d->body);
    fv_kemit_store(e, fv_kemit_out(e, (fv_value *)d->value), index, x);
    forward(k, d, x);
}

/* Emits a result with serial loops over its elements. */
static void make_elements(maker *k, int m) {
    fv_kemit *e = &k->e;
    fv_kmark mark = fv_kemit_mark(e);
    int depth = e->b.depth;
    const fv_definition *d = e->def = k->t->all[m];
    for (int i = k->t->outer; i < d->rank; i++)
        fv_open_axis(e, FV_SERIAL, d->index[i]);
    make_element(k, m);
    fv_kb_end_to(&e->b, depth);
    fv_kemit_release(e, mark);
}

static void make_row(maker *k, int m) {
    fv_expr *index[FV_MAX_RANK];
    const fv_definition *d = k->e.def = k->t->all[m];
    fv_row w = {.vector = k->t->row[m],
                .at = k->t->row[m],
                .task = k->task,
                .index = index,
                .plain_decided = true,
                .leaves_sums = true};
    find_index(k, m, index);
    fv_emit_row(&k->e, &w, (fv_value *)d->value);
}

/* Emits the row of features of attention, if m is the number of this result, there is one chain for
 * each feature, and all of these are known to fit in registers: each value is then read once, in
 * order. Otherwise returns false. */
static bool make_weighted(maker *k, int m) {
    fv_kemit *e = &k->e;
    const fv_definition *d = k->t->all[m];
    fv_expr *sum, *index[FV_MAX_RANK];
    const fv_var *v = k->t->row[m] < 0 ? NULL : d->index[k->t->row[m]];
    int most = MOST_ACCUMULATED * e->l->target->vector_bits;
    if (!k->t->attends || m < k->t->n - 1 || !v || !fv_dim_is_const(v->dim) ||
        fv_x_reductions(d->body, &sum, 1) != 1 || !fv_x_is_one_chain(sum) ||
        v->dim->value * fv_elem_bits((fv_elem)sum->type.elem) > most)
        return false;
    int depth = e->b.depth;
    fv_kmark mark = fv_kemit_mark(e);
    e->def = d;
    e->keep.n = 0;
    e->loop.vector = v;
    fv_buf *acc = fv_kemit_sums_along(e, sum, v);
    find_index(k, m, index);
    index[k->t->row[m]] = fv_open_axis(e, FV_VECTOR, d->index[k->t->row[m]]);
    fv_kemit_memo(e, sum, fv_x_load(e->arena, acc, &index[k->t->row[m]]));
    fv_kemit_store(e, fv_kemit_out(e, (fv_value *)d->value), index, fv_kemit_expr(e, d->body));
    fv_kb_end_to(&e->b, depth);
    fv_kemit_release(e, mark);
    return true;
}

/* Emits all results. `plain`: no broadcast has one element along a row. */
static void make_all(maker *k, bool plain) {
    fv_kemit *e = &k->e;
    const fv_together *t = k->t;
    fv_kmark mark = fv_kemit_mark(e);
    if (t->by_element) {
        fv_expr *at;
        e->loop.vector = t->all[0]->index[t->row[0]];
        e->loop.plain = plain ? e->loop.vector : NULL;
        if (k->alone)
            fv_open_blocked(e, t->all[0]->index[t->row[0]], k->task, &at);
        else
            fv_open_axis(e, FV_VECTOR, t->all[0]->index[t->row[0]]);
    }
    for (int m = 0; m < t->n; m++) {
        if (!t->by_element)
            e->loop.plain = plain && t->row[m] >= 0 ? t->all[m]->index[t->row[m]] : NULL;
        if (t->by_element || (t->row[m] < 0 && !has_own_axis(t, m)))
            make_element(k, m);
        else if (t->row[m] < 0)
            make_elements(k, m);
        else if (!make_weighted(k, m))
            make_row(k, m);
    }
    e->loop.plain = NULL;
    fv_kemit_release(e, mark);
}

/* Returns the condition that no broadcast in any result has one element along the row; NULL: there
 * is no such broadcast, or all results have a single axis. */
static fv_expr *find_plain(maker *k) {
    const fv_together *t = k->t;
    fv_expr *all = NULL;
    for (int m = 0; m < t->n && !k->alone; m++) {
        fv_expr *one = t->row[m] < 0
                           ? NULL
                           : fv_kemit_plain(&k->e, t->all[m]->body, t->all[m]->index[t->row[m]]);
        all = !all                           ? one
              : !one || fv_x_equal(all, one) ? all
                                             : fv_x_bin(k->e.arena, FV_X_AND, all, one);
    }
    return all;
}

static void make_both(maker *k) {
    fv_expr *plain = find_plain(k);
    if (plain) {
        int depth = k->e.b.depth;
        fv_kb_if(&k->e.b, plain);
        int inside = k->e.b.depth;
        make_all(k, true);
        fv_kb_end_to(&k->e.b, inside);
        fv_kb_else(&k->e.b);
        make_all(k, false);
        fv_kb_end_to(&k->e.b, depth);
    } else {
        make_all(k, false);
    }
}

/* Records reasons: for the first result those of the schedule map, for each other one that the same
 * kernel computes it. */
static void tell(fv_lowerer *l, const fv_together *t) {
    const fv_value *first = t->all[0]->value;
    bool sums = false;
    int row = 0;
    for (int m = 0; m < t->n; m++)
        sums |= has_sums(t->all[m]);
    while (row < t->n - 1 && t->row[row] < 0)
        row++;
    if (t->row[row] < 0)
        fv_takes(l, first, sums ? FV_WHY_maps_sums : FV_WHY_maps_one);
    else
        fv_takes(l, first, t->by_element ? FV_WHY_maps : FV_WHY_maps_rows,
                 fv_d(t->all[row]->index[t->row[row]]->dim));
    for (int m = 1; m < t->n; m++)
        fv_takes(l, t->all[m]->value, FV_WHY_together, fv_v(first));
}

static void emit(fv_lowerer *l, const fv_together *t, fv_op *op) {
    const fv_processor *of = fv_processor_of(l->target);
    maker k = {.t = t, .alone = t->by_element && t->outer == 0};
    fv_expr *index[FV_MAX_RANK] = {0};
    bool inside[FV_MAX_RANK] = {false};
    int64_t work = 0;
    const fv_definition *const *all = (const fv_definition *const *)t->all;
    fv_choosing u =
        fv_choose_for_group(l, t->n, all, t->by_element ? FV_SCHEDULE_map : FV_SCHEDULE_row);
    k.task = fv_choose(&u, FV_PARAMETER_task, k.alone ? of->vector_task : of->row_task,
                       k.alone ? LEAST_VECTOR : LEAST_TASK, MOST_TASK, 1);
    fv_kemit_init(&k.e, l, t->all[0], fv_op_stem(op));
    for (int m = 1; m < t->n; m++)
        fv_kemit_use(&k.e, t->all[m]);
    k.e.def = t->all[0];
    k.e.group.all = all;
    k.e.group.n = t->n;
    k.e.sums.rows = true;
    for (int m = 0; m < t->n; m++)
        work += fv_work_of_row(
            t->all[m], t->row[m] < 0 && has_own_axis(t, m) ? t->all[m]->rank - 1 : t->row[m],
            k.task);
    for (int i = t->outer; i < t->all[0]->rank; i++)
        inside[i] = true;
    fv_open_outer_of(&k.e, inside, work, k.task, index, t->by_element ? 0 : t->n, all, t->row);
    make_both(&k);
    while (k.e.b.depth)
        fv_kb_end(&k.e.b);
    k.e.def = t->all[0];
    tell(l, t);
    fv_kemit_finish(&k.e, op, &u.how);
    fv_chosen(&u, u.how.kind);
}

bool fv_schedule_together(fv_lowerer *l, fv_op *op) {
    fv_definition *all[FV_MAX_OUT];
    fv_together t;
    for (int m = 0; m < op->nout; m++)
        all[m] = fv_storage_of(l, op->out[m])->def;
    if (!(fv_attends_by_rows(op->nout, all) || are_mapped(l, op)) ||
        !fv_together_choose(l, op->nout, all, &t))
        return false;
    emit(l, &t, op);
    return true;
}
