/* map.c - the schedules `naive` and `map`: one loop nest over the result.
 *
 * naive: serial loops over all axes. Reductions use the order that their definition prescribes, or
 * one chain in ascending order:
 *     for i: for j: y[i, j] = body
 *
 * map: rows are tasks (several rows a task if they are short), and the last axis is a vector loop.
 * Reductions that do not depend on it are computed once per row, as softmax and the norms need, and
 * by several chains if they run over contiguous elements. The vector loop is divided where a
 * condition on its index alone changes (pieces.c), and emitted for each outcome of a condition by
 * which a whole row chooses an operand:
 *     parallel i: m = max k: ...; s = sum k: ...; vector j: y[i, j] = body
 * Each sum of several short rows of a task is computed before the next sum:
 *     for i: m[i] = max k: ...    for i: s[i] = sum k: ...    for i: vector j: y[i, j] = body */
#include "backend/schedule/rows/map.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/common/scheduler.h"
#include "backend/schedule/rows/across.h"
#include "backend/schedule/rows/gathered.h"
#include "backend/schedule/rows/keep.h"
#include "backend/schedule/rows/pieces.h"
#include "backend/schedule/rows/tables.h"
#include "backend/schedule/rows/windows.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/visit.h"

/* Numbers of elements of a task. LEAST_VECTOR: the least width of a task that has a part of a row
 * only; each such task computes the sums of the row again. STEP: its width is a multiple of that.
 */
enum { LEAST_VECTOR = 256, STEP = 64, LEAST_TASK = 16, MOST_TASK = 1 << 24 };
/* The most rows and elements of a block of rows; the most sums that are computed for a block.
 * LONG: rows of this length are computed one after the other, since the latency of a sum is little
 * compared with its terms; COSTLY: terms with elementary functions count so many times. */
enum { MOST_ROWS = 32, BLOCK = 4096, MAX_SUMS = 8, LONG = 1280, COSTLY = 3 };
/* MOST_GUARDS: comparisons in the guards of a row that are examined. MOST_CHOICES: the most
 * conditions by which rows choose operands. */
enum { MOST_GUARDS = 16, MOST_CHOICES = 16 };

void fv_schedule_naive(fv_lowerer *l, fv_storage *s, fv_op *op) {
    fv_kemit e;
    const fv_definition *d = s->def;
    fv_kemit_init(&e, l, d, fv_op_stem(op));
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < d->rank; i++) {
        fv_expr *extent = fv_kemit_dim(&e, d->index[i]->dim);
        index[i] = fv_kb_for(&e.b, FV_SERIAL, d->index[i]->name, fv_x_int(e.arena, 0), extent, 1);
        fv_kemit_bind(&e, d->index[i], index[i]);
    }
    fv_expr *x = fv_kemit_expr(&e, d->body);
    fv_kemit_store(&e, fv_kemit_out(&e, s->value), index, x);
    for (int i = 0; i < d->rank; i++)
        fv_kb_end(&e.b);
    fv_kemit_finish(&e, op, &(fv_schedule){.kind = FV_SCHEDULE_naive});
}

void fv_open_blocked(fv_kemit *e, fv_var *v, int64_t block, fv_expr **index) {
    fv_expr *size = fv_kemit_dim(e, v->dim);
    fv_expr *lo = fv_x_int(e->arena, 0), *hi = size;
    if (v->dim->hi <= block)
        fv_declines(e->l, e->def->value, FV_WHY_tasks_short, fv_d(v->dim), fv_n(block));
    else {
        fv_takes(e->l, e->def->value, FV_WHY_tasks_parts, fv_n(block), fv_d(v->dim));
        fv_expr *b = fv_x_int(e->arena, block);
        fv_expr *blocks =
            fv_x_bin(e->arena, FV_X_FLOORDIV,
                     fv_x_bin(e->arena, FV_X_ADD, size, fv_x_int(e->arena, block - 1)), b);
        fv_expr *t = fv_kb_for(&e->b, FV_PARALLEL, "block", lo, blocks, 1);
        lo = fv_kb_let(&e->b, "lo", fv_x_bin(e->arena, FV_X_MUL, t, b));
        hi = fv_kb_let(&e->b, "hi",
                       fv_x_bin(e->arena, FV_X_MIN, size, fv_x_bin(e->arena, FV_X_ADD, lo, b)));
    }
    *index = fv_kb_for(&e->b, FV_VECTOR, v->name, lo, hi, 1);
    fv_kemit_bind(e, v, *index);
}

static fv_buf *out_of(fv_kemit *e, const fv_row *w, fv_value *value) {
    return w->out ? w->out : fv_kemit_out(e, value);
}

/* Lets the passes over the row keep what they compute in the memory where the row is stored. */
static void keep_in_row(fv_kemit *e, const fv_row *w, fv_value *value) {
    fv_keep_in_rows(e, w->vector, w->out ? w->out->elem : value->type->elem);
    if (!e->keep.n)
        return;
    e->keep.axis = w->at;
    e->keep.row = out_of(e, w, value);
    e->keep.row->role = FV_BUF_INOUT;
    e->keep.index = FV_NEW(e->arena, fv_expr *, FV_MAX_RANK);
    e->keep.place = FV_NEW(e->arena, fv_expr *, FV_MAX_RANK);
    memcpy(e->keep.index, w->index, FV_MAX_RANK * sizeof *e->keep.index);
}

/* ---- rows and tasks ---- */

int64_t fv_work_of_row(const fv_definition *d, int vector, int64_t most) {
    fv_expr *sums[32];
    int n = fv_x_reductions(d->body, sums, 32);
    int64_t row = vector >= 0 ? fv_typical_dim(d->index[vector]->dim) : 1, work = row;
    for (int i = 0; i < n && work < most; i++) {
        int64_t w = vector >= 0 && fv_x_uses(sums[i], d->index[vector]) ? row : 1;
        for (int k = 0; k < sums[i]->u.red.nvars && w < most; k++)
            w *= fv_typical_dim(sums[i]->u.red.vars[k]->dim);
        work += w;
    }
    return work > 0 ? work : 1;
}

static fv_expr *open_axis(fv_kemit *e, fv_loop_kind kind, fv_var *v, fv_expr *lo, fv_expr *hi) {
    fv_expr *i = fv_kb_for(&e->b, kind, v->name, lo, hi, 1);
    fv_kemit_bind(e, v, i);
    return i;
}

fv_expr *fv_open_axis(fv_kemit *e, fv_loop_kind kind, fv_var *v) {
    bool ranged = e->range.dim && e->range.dim == v->dim && kind == FV_VECTOR;
    return open_axis(e, kind, v, ranged ? e->range.lo : fv_x_int(e->arena, 0),
                     ranged ? e->range.hi : fv_kemit_dim(e, v->dim));
}

/* The innermost loop around a row, over several rows of a task. */
typedef struct row_loop {
    int axis; /* the axis of the loop; -1: there is no such loop */
    fv_expr *lo, *hi;
    int64_t most; /* the largest number of its iterations */
} row_loop;

/* Opens a parallel loop over blocks of `rows` rows along `axis`; returns the loop over the rows of
 * a block, which is not open yet. */
static row_loop open_tasks(fv_kemit *e, int axis, int64_t rows) {
    fv_var *v = e->def->index[axis];
    fv_expr *size = fv_kemit_dim(e, v->dim), *r = fv_x_int(e->arena, rows);
    fv_expr *blocks = fv_x_bin(e->arena, FV_X_FLOORDIV,
                               fv_x_bin(e->arena, FV_X_ADD, size, fv_x_int(e->arena, rows - 1)), r);
    fv_expr *block = fv_kb_for(&e->b, FV_PARALLEL, "block", fv_x_int(e->arena, 0), blocks, 1);
    fv_expr *lo = fv_kb_let(&e->b, "lo", fv_x_bin(e->arena, FV_X_MUL, block, r));
    fv_expr *hi = fv_x_bin(e->arena, FV_X_MIN, size, fv_x_bin(e->arena, FV_X_ADD, lo, r));
    return (row_loop){axis, lo, fv_kb_let(&e->b, "hi", hi), rows};
}

static fv_expr *open_rows(fv_kemit *e, const row_loop *rows) {
    return open_axis(e, FV_SERIAL, e->def->index[rows->axis], rows->lo, rows->hi);
}

/* Opens the loops around rows, as fv_open_outer does, but not the innermost one if it is serial,
 * which it returns. */
static row_loop open_around(fv_kemit *e, const bool *inside, int64_t work, int64_t task,
                            fv_expr **index) {
    const fv_definition *d = e->def;
    int64_t rows = task / work;
    int first = d->rank; /* axes from this one on are inside a task */
    for (int i = d->rank; i-- > 0 && rows > 1;) {
        const fv_dim *n = d->index[i]->dim;
        if (inside[i])
            continue;
        if (!fv_dim_is_const(n) || n->value > rows)
            break;
        rows /= n->value > 0 ? n->value : 1;
        first = i;
    }
    int blocked = first - 1;
    while (blocked >= 0 && inside[blocked])
        blocked--;
    fv_expr *zero = fv_x_int(e->arena, 0);
    bool parallel = false, any = false;
    row_loop inner = {.axis = -1};
    for (int i = 0; i < d->rank; i++) {
        if (inside[i])
            continue;
        if (fv_dim_is_one(d->index[i]->dim)) {
            index[i] = zero;
            fv_kemit_bind(e, d->index[i], zero);
            continue;
        }
        any = true;
        parallel |= i < first;
        if (inner.axis >= 0)
            index[inner.axis] = open_rows(e, &inner);
        inner.axis = -1;
        if (i == blocked && rows > 1)
            inner = open_tasks(e, i, rows);
        else if (i < first)
            index[i] = fv_open_axis(e, FV_PARALLEL, d->index[i]);
        else
            inner = (row_loop){i, zero, fv_kemit_dim(e, d->index[i]->dim), d->index[i]->dim->hi};
    }
    if (parallel)
        fv_takes(e->l, d->value, FV_WHY_tasks_rows, fv_n(task / work > 1 ? task / work : 1),
                 fv_n(work));
    else if (any)
        fv_declines(e->l, d->value, FV_WHY_tasks_one, fv_n(work), fv_n(task));
    return inner;
}

/* The axis of the innermost loop around a row; -1: there is no loop. */
static int innermost_axis(const fv_definition *d, const bool *inside) {
    int axis = d->rank - 1;
    while (axis >= 0 && (inside[axis] || fv_dim_is_one(d->index[axis]->dim)))
        axis--;
    return axis;
}

void fv_open_outer_of(fv_kemit *e, const bool *inside, int64_t work, int64_t task, fv_expr **index,
                      int n, const fv_definition *const *all, const int *row) {
    row_loop inner = open_around(e, inside, work, task, index);
    if (inner.axis >= 0) {
        fv_emit_tables(e, n, all, row, inner.most);
        index[inner.axis] = open_rows(e, &inner);
    }
    fv_prefetch_gathered(e, n, all, innermost_axis(e->def, inside));
}

void fv_open_outer(fv_kemit *e, const bool *inside, int64_t work, int64_t task, fv_expr **index) {
    fv_open_outer_of(e, inside, work, task, index, 0, NULL, NULL);
}

/* ---- a row ---- */

/* Emits the loop over elements of a row, all of them or [piece[0], piece[1]), or the only one. */
static void emit_elements(fv_kemit *e, fv_row *w, fv_value *value, const int64_t *piece) {
    const fv_definition *d = e->def;
    const fv_pass *last = fv_kemit_pass(e, NULL);
    int before = e->b.depth;
    if (piece)
        w->index[w->at] = open_axis(e, FV_VECTOR, d->index[w->vector], fv_x_int(e->arena, piece[0]),
                                    fv_x_int(e->arena, piece[1]));
    else if (w->vector >= 0 && w->alone)
        fv_open_blocked(e, d->index[w->vector], w->task, &w->index[w->at]);
    else if (w->vector >= 0)
        w->index[w->at] = fv_open_axis(e, FV_VECTOR, d->index[w->vector]);
    if (last && last->n) {
        fv_expr *held = fv_x_load(e->arena, e->keep.row, fv_kemit_kept_at(e, w->index[w->at]));
        for (int i = 0; i < last->n; i++)
            fv_kemit_memo(e, last->held[i], held);
    }
    fv_kemit_hoist(e, d->body);
    fv_kemit_store(e, out_of(e, w, value), w->index, fv_kemit_expr(e, d->body));
    fv_kb_end_to(&e->b, before);
}

/* ---- guards that hold in a whole row ---- */

/* The condition for the element of the row for which it is the strongest, if it is a comparison
 * with the row's index on one side at most; NULL: it has another form. */
static fv_expr *strongest(fv_kemit *e, const fv_expr *c, fv_var *v) {
    fv_arena *a = e->arena;
    if (c->op != FV_X_LT && c->op != FV_X_LE)
        return NULL;
    bool left = fv_x_uses(c->arg[0], v), right = fv_x_uses(c->arg[1], v);
    if (fv_x_has_load(c) || (left && right) || (left && !fv_x_adds(c->arg[0], v)) ||
        (right && !fv_x_adds(c->arg[1], v)))
        return NULL;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *last = binary(e, FV_X_SUB, fv_kemit_dim(e, v->dim), integer(e, 1));
    fv_kemit_bind(e, v, left ? last : integer(e, 0));
    /* within a sum, a condition may depend on the sum's variables */
    fv_expr *x = fv_kemit_is_bound(e, c)
                     ? fv_x_bin(a, (fv_expr_op)c->op, fv_kemit_expr(e, c->arg[0]),
                                fv_kemit_expr(e, c->arg[1]))
                     : NULL;
    fv_kemit_release(e, m);
    return x;
}

/* Adds the comparisons in the condition c to the n in `list`, and to *all as they are for the
 * element of the row for which they are the strongest; not those of another form, or that hold for
 * all or none of the rows. Returns the number of those in `list`. */
static int add_comparisons(fv_kemit *e, fv_var *v, const fv_expr *c, fv_expr **all,
                           const fv_expr **list, int n) {
    if (c->op == FV_X_AND) {
        n = add_comparisons(e, v, c->arg[0], all, list, n);
        return add_comparisons(e, v, c->arg[1], all, list, n);
    }
    for (int i = 0; i < n; i++)
        if (list[i] == c)
            return n;
    fv_expr *x = n < MOST_GUARDS ? strongest(e, c, v) : NULL;
    if (!x || x->op == FV_X_CONST)
        return n;
    *all = *all ? fv_x_bin(e->arena, FV_X_AND, *all, x) : x;
    list[n] = c;
    return n + 1;
}

static bool is_narrow_guard(const fv_expr *x) {
    return x->op == FV_X_GUARD && fv_elem_storage_bytes((fv_elem)x->type.elem) < 4;
}

static bool has_narrow_guard(const fv_kemit *e) {
    const fv_expr *x;
    for (fv_x_visitor w = fv_x_visit(e->l->current.scratch, e->def->body); (x = fv_x_next(&w));)
        if (is_narrow_guard(x))
            return true;
    return false;
}

/* The comparisons in the guards of narrow elements of the row, in `list`, and *all, whether they
 * hold for each of its elements. Returns their number. */
static int guards_of_row(fv_kemit *e, fv_var *v, fv_expr **all, const fv_expr **list) {
    int n = 0;
    const fv_expr *x;
    *all = NULL;
    for (fv_x_visitor w = fv_x_visit(e->l->current.scratch, e->def->body); (x = fv_x_next(&w));)
        if (is_narrow_guard(x))
            n = add_comparisons(e, v, x->arg[x->u.buf->rank], all, list, n);
    return n;
}

/* Emits a loop for each piece of a row in which conditions on the index do not change, so that no
 * such condition is left: of the tensors that Concat joins, or of a border. False: there are no
 * such pieces. */
static bool emit_pieces(fv_kemit *e, fv_row *w, fv_value *value) {
    const fv_definition *d = e->def;
    if (w->alone || e->range.dim)
        return false;
    fv_row_pieces pieces = fv_row_pieces_of(e->l->arena, d->body, d->index[w->vector]);
    for (int i = 0; i < pieces.n; i++) {
        fv_kmark m = fv_kemit_mark(e);
        emit_elements(e, w, value, &pieces.start[i]);
        fv_kemit_release(e, m);
    }
    return pieces.n > 0;
}

/* Emits the row of an operand vector by vector, the last one of which ends with the row and
 * computes some elements again. One by one, the elements that remain after a loop of vectors would
 * take longer than those of the vectors; and a guard of a border is known for most vectors. False:
 * the length is not known, or more than a few vectors. */
static bool emit_vectors(fv_kemit *e, fv_row *w, fv_value *value) {
    enum { VECTORS = 4, LEAST = 4 };
    fv_expr *sum;
    if (!w->unguards || w->alone || e->range.dim)
        return false;
    const fv_dim *d = e->def->index[w->vector]->dim;
    const int64_t n = fv_dim_is_const(d) ? d->value : 0;
    int64_t lanes = e->l->target->vector_bits / 8 / fv_elem_storage_bytes(value->type->elem);
    while (lanes > n)
        lanes /= 2;
    if (lanes < LEAST || n == lanes || n > VECTORS * lanes ||
        (n % lanes == 0 && !has_narrow_guard(e)) || fv_x_reductions(e->def->body, &sum, 1))
        return false;
    for (int64_t i = 0; i < n; i += lanes) {
        const int64_t first = i + lanes > n ? n - lanes : i;
        fv_kmark m = fv_kemit_mark(e);
        emit_elements(e, w, value, (int64_t[]){first, first + lanes});
        fv_kemit_release(e, m);
    }
    return true;
}

/* Emits the elements of a row: in pieces, or vector by vector, or by one loop. */
static void emit_divided(fv_kemit *e, fv_row *w, fv_value *value) {
    if (w->vector < 0 ||
        (!fv_emit_windows(e, w, value) && !emit_pieces(e, w, value) && !emit_vectors(e, w, value)))
        emit_elements(e, w, value, NULL);
}

/* Emits the elements of a row, twice if guards may hold for each of them: loads of narrow elements
 * need no guard then, which takes many instructions on targets without masked loads of them. */
static void emit_guarded(fv_kemit *e, fv_row *w, fv_value *value) {
    const fv_expr *guard[MOST_GUARDS];
    fv_expr *inside;
    fv_kmark m = fv_kemit_mark(e);
    int n = w->vector >= 0 && w->unguards
                ? guards_of_row(e, e->def->index[w->vector], &inside, guard)
                : 0;
    if (n) {
        fv_kb_if(&e->b, inside);
        for (int i = 0; i < n; i++)
            fv_kemit_memo(e, guard[i], fv_x_const_int(e->arena, FV_BOOL, 1));
        emit_divided(e, w, value);
        fv_kemit_release(e, m);
        fv_kb_else(&e->b);
    }
    emit_divided(e, w, value);
    if (n)
        fv_kb_end(&e->b);
}

/* ---- operands that a whole row chooses ---- */

/* Conditions of a row whose outcome is known where code is emitted. */
typedef struct row_choices {
    const fv_expr *condition[MOST_CHOICES];
    bool holds[MOST_CHOICES];
    int n;
    fv_ptrmap seen;
} row_choices;

/* The position of the condition among the operands of x, which the two alternatives follow or
 * surround; -1: x is no choice. */
static int condition_at(const fv_expr *x) {
    return x->op == FV_X_GUARD ? x->u.buf->rank : x->op == FV_X_SELECT ? 0 : -1;
}

/* Does the choice x, by condition c, read another operand in each row: is c the same for all
 * elements of the row, and known without data? */
static bool is_of_rows(const fv_kemit *e, const fv_expr *x, const fv_expr *c) {
    const fv_expr *otherwise = x->arg[x->n - 1];
    return c->op != FV_X_CONST && !fv_x_uses(c, e->loop.vector) && !fv_x_has(c, FV_HAS_LOAD) &&
           !fv_x_has(c, FV_HAS_REDUCE) && !fv_x_has(c, FV_HAS_REQUIRE) &&
           fv_x_has(otherwise, FV_HAS_LOAD) &&
           (x->op == FV_X_GUARD || fv_x_has(x->arg[1], FV_HAS_LOAD)) && fv_kemit_is_bound(e, c);
}

/* The first condition in x that chooses between operands for a whole row and is not known; NULL:
 * there is none. */
static fv_expr *find_choice(const fv_kemit *e, fv_expr *x, row_choices *of) {
    fv_expr *found = NULL;
    const int at = condition_at(x);
    if (!x->n || x->op == FV_X_REDUCE || *fv_ptrmap_at(&of->seen, x))
        return NULL;
    *fv_ptrmap_at(&of->seen, x) = x;
    for (int i = 0; at >= 0 && i < of->n; i++)
        if (of->condition[i] == x->arg[at])
            return of->holds[i] && x->op == FV_X_GUARD
                       ? NULL
                       : find_choice(e, x->arg[of->holds[i] ? 1 : x->n - 1], of);
    if (at >= 0 && is_of_rows(e, x, x->arg[at]))
        return x->arg[at];
    for (int i = 0; i < x->n && !found; i++)
        found = find_choice(e, x->arg[i], of);
    return found;
}

/* Emits the row for each operand that a condition of the whole row chooses, such as the operands of
 * a Concat along an outer axis: vectors would load all of them, and a load that is masked off is
 * slow where no memory is. */
static void emit_chosen(fv_kemit *e, fv_row *w, fv_value *value, row_choices *of) {
    of->seen = fv_ptrmap_in(e->l->current.scratch);
    fv_expr *c = w->vector >= 0 && !w->alone && !e->range.dim && of->n < MOST_CHOICES
                     ? find_choice(e, e->def->body, of)
                     : NULL;
    if (!c) {
        emit_guarded(e, w, value);
        return;
    }
    const int n = of->n++;
    fv_kmark m = fv_kemit_mark(e);
    of->condition[n] = c;
    fv_kb_if(&e->b, fv_kemit_expr(e, c));
    for (int k = 1; k >= 0; k--) {
        of->holds[n] = k;
        fv_kemit_memo(e, c, fv_x_const_int(e->arena, FV_BOOL, k));
        emit_chosen(e, w, value, of);
        fv_kemit_release(e, m);
        if (k)
            fv_kb_else(&e->b);
        of->n = n + 1;
    }
    fv_kb_end(&e->b);
}

static void emit_row(fv_kemit *e, fv_row *w, fv_value *value, void *unused) {
    const fv_definition *d = e->def;
    (void)unused;
    fv_kmark m = fv_kemit_mark(e);
    int known = e->scope.nmemo;
    fv_kemit_hoist(e, d->body);
    w->sums = w->vector < 0 || e->scope.nmemo > known;
    if (w->vector >= 0 && !w->alone)
        fv_kemit_invariants(e, d->body, d->index[w->vector]);
    if (w->leaves_sums && w->vector >= 0)
        m = fv_kemit_mark(e);
    row_choices none = {0};
    emit_chosen(e, w, value, &none);
    if (!w->leaves_sums || w->vector >= 0)
        fv_kemit_release(e, m);
}

void fv_row_start(fv_kemit *e, fv_row *w, fv_value *value) {
    e->sums.rows = true;
    e->loop.vector = w->vector >= 0 ? e->def->index[w->vector] : NULL;
    e->keep.n = 0;
    if (w->vector < 0 || w->keeps_nothing)
        return;
    const fv_dim *length = e->def->index[w->vector]->dim;
    fv_expr *sum;
    if (!w->alone || length->hi <= w->task)
        keep_in_row(e, w, value);
    else if (fv_x_reductions(e->def->body, &sum, 1) && !fv_x_uses(sum, e->loop.vector))
        fv_declines(e->l, e->def->value, FV_WHY_keep_long, fv_d(length), fv_n(w->task));
}

typedef void emits(fv_kemit *e, fv_row *w, fv_value *value, void *user);

/* Emits code for a row or several rows. If a broadcast may have one element along the row, a copy
 * of the code that need not test for it pays. */
static void emit_either(fv_kemit *e, fv_row *w, fv_value *value, emits *emit, void *user) {
    const fv_definition *d = e->def;
    bool ask = w->vector >= 0 && !w->alone && !w->plain_decided;
    fv_expr *plain = ask ? fv_kemit_plain(e, d->body, d->index[w->vector]) : NULL;
    if (plain) {
        fv_kb_if(&e->b, plain);
        e->loop.plain = d->index[w->vector];
        emit(e, w, value, user);
        e->loop.plain = NULL;
        fv_kb_else(&e->b);
    }
    emit(e, w, value, user);
    if (plain)
        fv_kb_end(&e->b);
}

void fv_emit_row(fv_kemit *e, fv_row *w, fv_value *value) {
    fv_row_start(e, w, value);
    emit_either(e, w, value, emit_row, NULL);
}

/* ---- a block of rows ---- */

/* Rows of a task, whose sums are computed one after the other, each for all rows before the next
 * one, so that the latencies of different rows overlap. */
typedef struct row_block {
    row_loop rows;
    int64_t most; /* the most rows of a block */
    int n;
    fv_expr *sum[MAX_SUMS];
    fv_buf *of_rows[MAX_SUMS]; /* a tile with an element for each row of the block */
} row_block;

/* Opens a loop over the rows of a block, in which the first n sums of the row are known. Returns
 * the number of the row within its block. */
static fv_expr *open_block_row(fv_kemit *e, fv_row *w, const row_block *b, int n) {
    fv_expr *row = w->index[b->rows.axis] = open_rows(e, &b->rows);
    fv_expr *at = fv_x_bin(e->arena, FV_X_SUB, row, b->rows.lo);
    for (int i = 0; i < n; i++)
        fv_kemit_memo(e, b->sum[i], fv_x_load(e->arena, b->of_rows[i], &at));
    return at;
}

static void emit_block(fv_kemit *e, fv_row *w, fv_value *value, void *user) {
    row_block b = *(const row_block *)user;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    if (b.rows.most > b.most) {
        fv_expr *step = fv_x_int(e->arena, b.most), *hi = b.rows.hi;
        b.rows.lo = fv_kb_for(&e->b, FV_SERIAL, "from", b.rows.lo, hi, b.most);
        hi = fv_x_bin(e->arena, FV_X_MIN, hi, fv_x_bin(e->arena, FV_X_ADD, b.rows.lo, step));
        b.rows.hi = fv_kb_let(&e->b, "to", hi);
    }
    int inside = e->b.depth;
    for (int i = 0; i < b.n; i++)
        b.of_rows[i] = fv_kb_tile(&e->b, "of_rows", (fv_elem)b.sum[i]->type.elem, 1, &b.most, NULL);
    for (int i = 0; i <= b.n; i++) {
        fv_expr *at = open_block_row(e, w, &b, i);
        fv_row_start(e, w, value);
        if (i == 0)
            fv_prefetch_gathered(e, 1, &e->def, b.rows.axis);
        if (i < b.n)
            fv_kb_store(&e->b, b.of_rows[i], &at, fv_kemit_expr(e, b.sum[i]), NULL);
        else
            emit_row(e, w, value, NULL);
        fv_kb_end_to(&e->b, inside);
        fv_kemit_release(e, m);
    }
    fv_kb_end_to(&e->b, depth);
    w->sums = true;
}

static bool has_math(const fv_kemit *e) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(e->l->current.scratch, e->def->body); (x = fv_x_next(&v));)
        if (fv_expr_op_is_math((fv_expr_op)x->op))
            return true;
    return false;
}

/* Returns the largest number of rows of a block, whose elements should stay in the first-level
 * cache during all sums. */
static int64_t most_rows(const fv_kemit *e, int vector, const row_loop *rows) {
    int64_t length = e->def->index[vector]->dim->hi;
    if (length < 1 || length >= LONG / (has_math(e) ? COSTLY : 1))
        return 1;
    int64_t most = rows->most < MOST_ROWS ? rows->most : MOST_ROWS;
    return BLOCK / length < most ? BLOCK / length : most;
}

/* Emits the rows of a task in blocks. Returns false, and emits nothing, if a task has one row, or
 * if a row is long or has fewer than two sums: the only sum of a row overlaps with the next row
 * anyway. */
static bool emit_blocks(fv_kemit *e, fv_row *w, fv_value *value, const row_loop *rows) {
    const fv_definition *d = e->def;
    if (rows->axis < 0 || w->vector < 0)
        return false;
    row_block b = {.rows = *rows, .most = most_rows(e, w->vector, rows)};
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, d->index[rows->axis], rows->lo);
    b.n = b.most > 1 ? fv_kemit_hoistable(e, d->body, MAX_SUMS, b.sum) : 0;
    fv_kemit_release(e, m);
    if (b.n < 2)
        return false;
    emit_either(e, w, value, emit_block, &b);
    return true;
}

/* ---- the schedule ---- */

typedef struct plan {
    int vector;   /* the axis that rows run along; -1: there are none */
    bool alone;   /* whether `vector` is the only axis whose extent is not 1 */
    int64_t task; /* elements that one task computes, about */
    fv_choosing chosen;
} plan;

/* Returns the elements of a task of a kernel that computes one vector: fewer if each element is a
 * sum of its own, of many terms. */
static int vector_task(const fv_definition *d, const fv_var *vector, int task) {
    fv_expr *sums[MAX_SUMS];
    int n = fv_x_reductions(d->body, sums, MAX_SUMS);
    int64_t terms = 1;
    for (int i = 0; i < n; i++) {
        int64_t own = fv_x_uses(sums[i], vector);
        for (int k = 0; k < sums[i]->u.red.nvars && own < task; k++)
            own *= fv_typical_dim(sums[i]->u.red.vars[k]->dim);
        terms += own;
    }
    int elements = (int)(task / terms) / STEP * STEP;
    return elements > LEAST_VECTOR ? elements : LEAST_VECTOR;
}

static void *choose(fv_lowerer *l, const fv_storage *s) {
    const fv_definition *d = s->def;
    plan *p = FV_NEW(l->arena, plan, 1);
    p->vector = fv_map_vector(d);
    p->alone = true;
    for (int i = 0; i < d->rank; i++)
        p->alone &= i == p->vector || fv_dim_is_one(d->index[i]->dim);
    const fv_processor *of = fv_processor_of(l->target);
    bool vector = p->vector >= 0 && p->alone;
    fv_choosing *u = &p->chosen;
    *u = fv_choose_for(l, d, FV_SCHEDULE_map);
    if (u->wish &&
        (u->wish->schedule.kind == FV_SCHEDULE_row || u->wish->schedule.kind == FV_SCHEDULE_pack))
        /* `row` and `pack` have the parameters of `map`; which of the three the schedule is called
         * is known only when the kernel is emitted */
        u->how.kind = u->wish->schedule.kind;
    int task = vector ? vector_task(d, d->index[p->vector], of->vector_task) : of->row_task;
    if (!l->target->threads) /* a loop over tasks would be code without use */
        task = MOST_TASK;
    p->task =
        fv_choose(u, FV_PARAMETER_task, task, vector ? LEAST_VECTOR : LEAST_TASK, MOST_TASK, 1);
    return p;
}

/* Emits all loops: those around rows of a task, and those of its rows. */
static void emit_rows(fv_kemit *e, fv_row *w, fv_value *value, const bool *inside) {
    const fv_definition *d = e->def;
    row_loop rows =
        open_around(e, inside, fv_work_of_row(d, w->vector, w->task), w->task, w->index);
    if (emit_blocks(e, w, value, &rows))
        return;
    if (rows.axis >= 0) {
        fv_emit_tables(e, 1, &d, &w->vector, rows.most);
        w->index[rows.axis] = open_rows(e, &rows);
    }
    fv_prefetch_gathered(e, 1, &d, innermost_axis(d, inside));
    fv_emit_row(e, w, value);
}

static void emit(fv_lowerer *l, const fv_storage *s, fv_op *op, void *as) {
    plan *p = as;
    const fv_definition *d = s->def;
    fv_kemit e;
    fv_kemit_init(&e, l, d, fv_op_stem(op));
    fv_expr *index[FV_MAX_RANK] = {0}, *sum;
    bool inside[FV_MAX_RANK] = {false};
    if (p->vector >= 0)
        inside[p->vector] = true;
    fv_row w = {.vector = p->vector,
                .alone = p->alone,
                .task = p->task,
                .index = index,
                .at = p->vector,
                .unguards = s->operand && !fv_is_small_code(l->options)};
    if (s->operand || !fv_emit_across(&e, p->vector, s->value, index))
        emit_rows(&e, &w, s->value, inside);
    while (e.b.depth)
        fv_kb_end(&e.b);
    if (p->vector < 0)
        fv_takes(l, s->value,
                 fv_x_reductions(d->body, &sum, 1) ? FV_WHY_maps_sums : FV_WHY_maps_one);
    else
        fv_takes(l, s->value, w.sums ? FV_WHY_maps_rows : FV_WHY_maps,
                 fv_d(d->index[p->vector]->dim));
    fv_schedule how = p->chosen.how;
    how.kind = w.sums ? FV_SCHEDULE_row : s->operand ? FV_SCHEDULE_pack : FV_SCHEDULE_map;
    fv_kemit_finish(&e, op, &how);
    fv_chosen(&p->chosen, how.kind);
}

const fv_scheduler fv_schedule_map = {.choose = choose, .emit = emit};
