/* loop_body.c - see loop_body.h. */
#include "backend/lowering/loop_body.h"

#include "backend/lowering/branches.h"
#include "backend/lowering/define.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/rewriter.h"
#include "ir/graph/symbols.h"

/* ---- from a region to marks ---- */

/* A value that is passed from one iteration to the next: a state, or the rows that iterations have
 * returned so far, if the memory for all rows is not allocated before the loop (are_placed). If the
 * shape of a row becomes known only in an iteration, rows are stored as one axis of elements. Rows
 * whose memory is allocated before the loop are described by this struct as well, although they are
 * not passed on: each iteration writes its own. */
typedef struct carried {
    fv_value *first, *out; /* the value before the loop; the result of the Loop, or NULL */
    int from; /* index of the body's result that becomes the next value, or the next row */
    const fv_type *seen;  /* type of the value within an iteration */
    const fv_type *after; /* type of the value after the last iteration */
    /* for rows that are stored as elements: the symbols of the dims of the previous row; NULL: they
     * are stored as rows, or it is a state */
    const fv_dim *const *row;
    const char *name;
} carried;

/* The dims that change between iterations. */
typedef struct changing_dims {
    /* for each dim: its symbol; its value in the first iteration, in the iteration after the
     * current one, and after the last one. The first symbol is the number of the iteration */
    const fv_dim **symbols, **first, **next, **last;
    int n, cap[4];
} changing_dims;

typedef struct flattener {
    fv_op *op, *loop;
    fv_module *m;
    fv_arena *a;
    const fv_region *body;
    fv_rewriter w;
    carried *all;
    /* the first nround of n are passed from one iteration to the next */
    int n, cap, nstates, nround;
    changing_dims dims;
    const fv_dim *rows; /* the number of iterations that ran, once it is known */
    /* the maximum number of iterations, known before the loop; NULL: there is none */
    const fv_dim *room;
    /* whether the condition of an iteration may end the loop, because it is not known to be true */
    bool ends_early;
} flattener;

static void add_dim(flattener *f, const fv_dim *symbol, const fv_dim *first, const fv_dim *next,
                    const fv_dim *last) {
    int n[3] = {f->dims.n, f->dims.n, f->dims.n};
    FV_PUSH(f->a, f->dims.first, n[0], f->dims.cap[0], first);
    FV_PUSH(f->a, f->dims.next, n[1], f->dims.cap[1], next);
    FV_PUSH(f->a, f->dims.last, n[2], f->dims.cap[2], last);
    FV_PUSH(f->a, f->dims.symbols, f->dims.n, f->dims.cap[3], symbol);
}

static const fv_dim *fresh(const flattener *f, const char *stem) {
    return fv_dim_fresh(f->m->dims, stem, 0, FV_DIM_MAX, true);
}

/* The symbol that is bound to dim d of a result after the loop; d itself after a diagnostic. */
static const fv_dim *bound_after(flattener *f, const fv_dim *d, const char *stem) {
    const fv_dim *symbol = fv_bound_after(f->op, d, f->dims.n, f->dims.last, stem);
    f->w.failed |= !symbol;
    return symbol ? symbol : d;
}

/* The symbol that, after the loop, is the number of iterations that ran. (Where a diagnostic was
 * reported, it may be another dim.) */
static const fv_dim *count_of(flattener *f) {
    const char *stem = fv_printf(f->a, "%s_count", f->body->params[FV_BODY_NUMBER]->name);
    bool known = fv_loop_times(f->op) && !fv_loop_may_end_early(f->op);
    for (int i = f->nstates; i < f->op->nout && !known; i++)
        if (f->op->out[i])
            return bound_after(f, f->op->out[i]->type->dims[0], stem);
    return fresh(f, stem);
}

/* Makes the symbol for the number of the iteration, or uses the one that the body has for it. In a
 * loop with one iteration the body has the constant 0. */
static void number_turns(flattener *f) {
    const fv_value *v = f->body->params[FV_BODY_NUMBER];
    const fv_dim *d = v->elems ? v->elems[0] : NULL;
    const fv_dim *turn =
        d && d->kind == FV_DIM_SYMBOL && fv_unknown_above(f->op, d) ? d : fresh(f, v->name);
    fv_dims *t = f->m->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *count = count_of(f), *times = fv_loop_times(f->op);
    add_dim(f, turn, zero, fv_dim_add(t, turn, fv_dim_const(t, 1)), count);
    f->room = times ? fv_dim_max(t, times, zero) : NULL;
    f->rows = times && !fv_loop_may_end_early(f->op) ? f->room : count;
}

static bool is_used(const fv_value *v) {
    return v && v->nuses;
}

/* The index of a symbol in the list of changing dims; dims.n: it is not in the list. */
static int number_carried(const flattener *f, const fv_dim *symbol) {
    int i = 0;
    while (i < f->dims.n && f->dims.symbols[i] != symbol)
        i++;
    return i;
}

/* The value that a dim of states, which several states may share, has after the last iteration: the
 * symbol of a result. Results with uses are preferred, but the dims of others may be read, too. */
static const fv_dim *changed_after(flattener *f, const fv_dim *d) {
    for (int used = 1; used >= 0; used--)
        for (int k = 0; k < f->nstates && k < f->op->nout; k++) {
            const fv_type *seen = f->body->params[FV_BODY_STATE + k]->type;
            for (int i = 0; f->op->out[k] && is_used(f->op->out[k]) == used && i < seen->rank; i++)
                if (seen->dims[i] == d)
                    return bound_after(f, f->op->out[k]->type->dims[i], d->name);
        }
    return fresh(f, d->name);
}

static void carry_state(flattener *f, int k) {
    const fv_value *seen = f->body->params[FV_BODY_STATE + k],
                   *next = f->body->last->in[FV_BODY_NEXT + k];
    fv_value *first = f->op->in[FV_LOOP_FIRST + k], *out = k < f->op->nout ? f->op->out[k] : NULL;
    const fv_dim *after[FV_MAX_RANK];
    for (int i = 0; i < seen->type->rank; i++) {
        bool changes = fv_loop_changes(f->op, k, i);
        const fv_dim *d = seen->type->dims[i];
        int number = number_carried(f, d);
        if (changes && number == f->dims.n)
            add_dim(f, d, first->type->dims[i], next->type->dims[i], changed_after(f, d));
        after[i] = changes ? f->dims.last[number] : d;
    }
    carried c = {.first = first,
                 .out = is_used(out) ? out : NULL,
                 .from = FV_BODY_NEXT + k,
                 .seen = seen->type,
                 .name = seen->name,
                 .after = fv_tensor_type(f->a, seen->type->elem, seen->type->rank, after)};
    FV_PUSH(f->a, f->all, f->n, f->cap, c);
}

/* The type of `rows` rows of type t. */
static const fv_type *rows_of(const flattener *f, const fv_type *t, const fv_dim *rows) {
    const fv_dim *dims[FV_MAX_RANK + 1];
    dims[0] = rows;
    for (int i = 0; i < t->rank; i++)
        dims[1 + i] = t->dims[i];
    return fv_tensor_type(f->a, t->elem, t->rank + 1, dims);
}

/* The rows before the first iteration, an empty tensor. */
static fv_value *nothing_of(flattener *f, const fv_type *t) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = i ? t->dims[i] : fv_dim_const(f->m->dims, 0);
    fv_value *zero = fv_const_new(f->m, "c", fv_tensor_new(f->a, t->elem, 0, NULL));
    return fv_w_expand(&f->w, zero, t->rank, dims);
}

static bool is_known_before(const flattener *f, const fv_type *row) {
    for (int i = 0; i < row->rank; i++)
        if (fv_unknown_above(f->op, row->dims[i]))
            return false;
    return true;
}

/* Carries rows whose shape only iterations determine: as a vector of the elements of all rows, and
 * the dims of the last row. */
static void carry_elements(flattener *f, carried *c, const fv_type *row) {
    fv_dims *t = f->m->dims;
    const fv_dim **dims = FV_NEW(f->a, const fv_dim *, row->rank + 1), *zero = fv_dim_const(t, 0);
    const fv_dim *seen = fresh(f, fv_printf(f->a, "%s_elements", c->name)),
                 *after = fresh(f, seen->name);
    for (int i = 0; i < row->rank; i++) {
        const fv_dim *d = c->out->type->dims[1 + i];
        const char *stem = fv_printf(f->a, "%s_%d", c->name, 1 + i);
        dims[i] = fresh(f, stem);
        add_dim(f, dims[i], zero, row->dims[i],
                fv_unknown_above(f->op, row->dims[i]) ? bound_after(f, d, stem) : fresh(f, stem));
    }
    add_dim(f, seen, zero, fv_dim_add(t, seen, fv_dim_product(t, row->rank, row->dims)), after);
    c->row = dims;
    c->seen = fv_tensor_type(f->a, row->elem, 1, &seen);
    c->after = fv_tensor_type(f->a, row->elem, 1, &after);
}

/* Is the memory for a row of each possible iteration small enough to be allocated before the loop,
 * even if fewer iterations run? Not for rows of strings. */
static bool has_room(const flattener *f, const fv_type *row) {
    return row->elem != FV_STRING &&
           (double)f->room->hi * fv_typical_elements(row) * fv_elem_storage_bytes(row->elem) <=
               FV_MOST_ROOM;
}

/* Is the memory for all rows allocated before the first iteration? */
static bool are_placed(const flattener *f, int i) {
    const fv_type *row = f->body->last->in[FV_BODY_NEXT + i]->type;
    return f->room && is_known_before(f, row) && (f->rows == f->room || has_room(f, row));
}

static void add_rows(flattener *f, int i) {
    const fv_type *row = f->body->last->in[FV_BODY_NEXT + i]->type;
    fv_value *out = f->op->out[i];
    carried c = {.out = out,
                 .from = FV_BODY_NEXT + i,
                 .seen = rows_of(f, row, f->dims.symbols[0]),
                 .after = rows_of(f, row, are_placed(f, i) ? f->room : f->rows),
                 .name = out->name};
    if (!is_known_before(f, row))
        carry_elements(f, &c, row);
    if (!are_placed(f, i))
        c.first = nothing_of(f, c.seen);
    FV_PUSH(f->a, f->all, f->n, f->cap, c);
}

/* Are the rows needed? Even if no op reads them, their dims may be used, if these become known only
 * in iterations. */
static bool are_wanted(const flattener *f, int i) {
    return f->op->out[i] &&
           (f->op->out[i]->nuses || !is_known_before(f, f->body->last->in[FV_BODY_NEXT + i]->type));
}

static void add_all_rows(flattener *f, bool placed) {
    for (int i = f->nstates; i < f->op->nout; i++)
        if (are_wanted(f, i) && are_placed(f, i) == placed)
            add_rows(f, i);
}

static bool holds(const fv_value *cond) {
    int64_t known;
    return fv_known_int(cond, &known) && known;
}

static void begin(flattener *f) {
    const fv_dim *times = fv_loop_times(f->op);
    fv_value **in = FV_NEW(f->a, fv_value *, f->n + 1);
    const char **names = FV_NEW(f->a, const char *, f->n + 1);
    fv_value *cond = fv_op_in(f->op, FV_LOOP_COND);
    in[0] = !cond || holds(cond) ? NULL : cond;
    for (int i = 0; i < f->nround; i++) {
        in[1 + i] = f->all[i].first;
        names[i] = f->all[i].name;
    }
    f->loop = fv_op_new(f->op->block, f->op, &fv_loop_def, 1 + f->nround, in, f->nround, names,
                        f->op->origin);
    fv_op_set_dims(f->loop, "symbols", f->dims.n, f->dims.symbols);
    fv_op_set_dims(f->loop, "first", f->dims.n, f->dims.first);
    if (times)
        fv_op_set_dims(f->loop, "times", 1, &times);
    for (int i = 0; i < f->nround; i++)
        f->loop->out[i]->type = f->all[i].seen;
}

/* Does anything use v? If the loop cannot end early, its use as the condition that the body returns
 * does not count. */
static bool is_read(const flattener *f, const fv_value *v) {
    bool read = false;
    for (int i = 0; i < v->nuses; i++)
        read |=
            v->uses[i].op != f->body->last || v->uses[i].index != FV_BODY_GOES_ON || f->ends_early;
    return read;
}

static void know_as(flattener *f, int param, fv_elem e, const fv_dim *value) {
    fv_value *v = f->body->params[param];
    fv_attr a[3] = {fv_attr_dims(f->m, "values", 1, &value), fv_attr_elem(f->m, "to", e),
                    fv_attr_int(f->m, "rank", v->type->rank)};
    if (is_read(f, v))
        fv_replace_uses(v, fv_w_op(&f->w, FV_OP_fv_Ints, 0, NULL, 3, a));
}

static void move_body(flattener *f) {
    know_as(f, FV_BODY_NUMBER, FV_I64, f->dims.symbols[0]);
    know_as(f, FV_BODY_COND, FV_BOOL, fv_dim_const(f->m->dims, 1));
    for (int i = 0; i < f->nstates; i++)
        fv_replace_uses(f->body->params[FV_BODY_STATE + i], f->loop->out[i]);
    while (f->body->first != f->body->last)
        fv_op_move_before(f->body->first, f->op);
}

/* Requires that each row has the shape of the previous one. */
static void compare_rows(flattener *f, const fv_dim *const *before, const fv_type *row) {
    fv_dims *t = f->m->dims;
    const fv_dim *zero = fv_dim_const(t, 0),
                 *any = fv_dim_min(t, f->dims.symbols[0], fv_dim_const(t, 1));
    f->m->within = (struct fv_within){f->op->block, f->op};
    for (int i = 0; i < row->rank && !f->w.failed; i++)
        if (!fv_module_require(f->m, fv_dim_mul(t, any, fv_dim_sub(t, row->dims[i], before[i])),
                               zero, "rows that iterations return",
                               fv_printf(f->a, "%s equals that of the previous iteration",
                                         fv_dim_str(f->a, row->dims[i]))))
            f->w.failed = !fv_op_error(f->op, "its iterations return rows of different shapes");
    f->m->within = (struct fv_within){0};
}

/* The rows `before` followed by the row v; `before` NULL: v is the only one. */
static fv_value *with_row(flattener *f, const carried *c, fv_value *before, fv_value *v) {
    const fv_dim *one = fv_dim_const(f->m->dims, 1),
                 *elements = fv_dim_product(f->m->dims, v->type->rank, v->type->dims);
    const fv_type *row =
        c->row ? fv_tensor_type(f->a, v->type->elem, 1, &elements) : rows_of(f, v->type, one);
    fv_attr axis = fv_attr_int(f->m, "axis", 0);
    if (c->row)
        compare_rows(f, c->row, v->type);
    fv_value *both[] = {before, fv_w_reshape(&f->w, v, row->rank, row->dims)};
    if (!before)
        return both[1];
    return fv_w_op(&f->w, FV_OP_Concat, 2, both, 1, &axis);
}

static fv_op *end(flattener *f) {
    fv_value *const *given = f->body->last->in;
    fv_value **in = FV_NEW(f->a, fv_value *, f->n + 1);
    const char **names = FV_NEW(f->a, const char *, f->n + 1);
    in[0] = f->ends_early ? given[FV_BODY_GOES_ON] : NULL;
    for (int i = 0; i < f->n; i++) {
        const carried *c = &f->all[i];
        in[1 + i] = i < f->nstates
                        ? given[c->from]
                        : with_row(f, c, i < f->nround ? f->loop->out[i] : NULL, given[c->from]);
        names[i] = c->out ? c->out->name : c->name;
    }
    if (f->w.failed)
        return NULL;
    fv_op *end =
        fv_op_new(f->op->block, f->op, &fv_endloop_def, 1 + f->n, in, f->n, names, f->op->origin);
    fv_op_set_dims(end, "symbols", f->dims.n, f->dims.last);
    fv_op_set_dims(end, "next", f->dims.n, f->dims.next);
    for (int i = 0; i < f->n; i++)
        end->out[i]->type = f->all[i].after;
    return end;
}

/* The first rows of the memory for the maximum number of iterations: those of the iterations that
 * were executed. */
static fv_value *taken_rows(flattener *f, fv_value *all) {
    fv_dims *t = f->m->dims;
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    if (f->rows == f->room)
        return all;
    for (int i = 0; i < all->type->rank; i++) {
        start[i] = fv_dim_const(t, 0);
        step[i] = fv_dim_const(t, 1);
        dims[i] = i ? all->type->dims[i] : f->rows;
    }
    return fv_w_slice(&f->w, all, start, step, dims);
}

/* Replaces the results of the Loop by those of `endloop`, which get their names. */
static void take_results(flattener *f, const fv_op *end) {
    fv_value **with = FV_NEW(f->a, fv_value *, f->n + 1);
    for (int i = 0; i < f->n; i++) {
        const carried *c = &f->all[i];
        fv_value *given = i < f->nround ? end->out[i] : taken_rows(f, end->out[i]);
        with[i] = c->out ? fv_as_declared(&f->w, given, c->out->type) : NULL;
        if (c->out && with[i])
            fv_replace_uses(c->out, with[i]);
    }
    fv_op_erase(f->op);
    for (int i = 0; i < f->n; i++)
        if (f->all[i].out && with[i])
            fv_value_rename(f->m, with[i], f->all[i].out->name);
}

/* Replaces a Loop by ops between marks. Returns the op at which to continue; NULL after a
 * diagnostic. */
static fv_op *flatten_loop(fv_op *op) {
    fv_module *m = fv_op_module(op);
    flattener f = {.op = op,
                   .m = m,
                   .a = m->arena,
                   .body = fv_loop_body(op),
                   .w = fv_rewriter_at(op),
                   .nstates = fv_loop_states(op)};
    f.ends_early = fv_op_in(op, FV_LOOP_COND) && !holds(f.body->last->in[FV_BODY_GOES_ON]);
    number_turns(&f);
    for (int i = 0; i < f.nstates; i++)
        carry_state(&f, i);
    add_all_rows(&f, false);
    f.nround = f.n;
    add_all_rows(&f, true);
    if (f.w.failed)
        return NULL;
    begin(&f);
    move_body(&f);
    const fv_op *last = end(&f);
    if (last)
        take_results(&f, last);
    return f.w.failed ? NULL : f.loop->next;
}

bool fv_flatten_regions(fv_lowerer *l) {
    for (fv_op *op = l->func->body->first; op;) {
        op = fv_op_is(op, FV_OP_If)     ? fv_flatten_branch(op)
             : fv_op_is(op, FV_OP_Loop) ? flatten_loop(op)
                                        : op->next;
        if (!op)
            return fv_error_count(l->session) == 0;
    }
    return true;
}

/* ---- copies ---- */

static fv_storage *root_of(fv_lowerer *l, const fv_value *v) {
    return fv_storage_root(fv_storage_of(l, v));
}

/* Is v stored in the memory of a state within an iteration? */
static bool is_state(fv_lowerer *l, const fv_op *loop, const fv_value *v) {
    return root_of(l, v)->value->def == loop;
}

/* Copies the next value of each state to memory of its own, unless the state keeps its value. Next
 * values that are states themselves are copied first: at the end of the iteration, the memory of
 * such a state gets its own next value. */
static bool copy_next(fv_lowerer *l, const fv_op *loop, fv_op *end) {
    for (int i = 0; i <= loop->nout; i++) {
        bool stays = i && end->in[i] && root_of(l, end->in[i])->value == loop->out[i - 1];
        if (end->in[i] && !stays && is_state(l, loop, end->in[i]) && !fv_copy_result(l, end, i))
            return false;
    }
    for (int i = 1; i <= loop->nout; i++)
        if (!is_state(l, loop, end->in[i]) && !fv_copy_result(l, end, i))
            return false;
    return true;
}

/* Copies rows before states get their next values, since a row may be the value of a state. */
static bool copy_rows(fv_lowerer *l, const fv_op *loop, fv_op *end) {
    for (int i = 1 + loop->nout; i < end->nin; i++)
        if (!fv_copy_result(l, end, i))
            return false;
    return true;
}

bool fv_copy_states(fv_lowerer *l) {
    for (fv_op *op = l->func->body->first; op; op = op->next) {
        if (op->def != &fv_loop_def)
            continue;
        for (int i = 1; i < op->nin; i++)
            if (!fv_copy_result(l, op, i))
                return false;
        fv_op *end = fv_loop_end(op);
        if (!copy_rows(l, op, end) || !copy_next(l, op, end))
            return false;
    }
    return true;
}

/* ---- rows ---- */

/* Stores a row in the result, at the number of the iteration. */
static void place_row(fv_lowerer *l, const fv_op *loop, const fv_op *end, int i) {
    fv_storage *row = fv_storage_of(l, end->in[1 + i]), *all = fv_storage_of(l, end->out[i]);
    fv_expr *index[FV_MAX_RANK];
    for (int k = 0; k < row->def->rank; k++)
        index[k] = fv_x_var(l->exprs, row->def->index[k]);
    index[0] = fv_x_bin(l->exprs, FV_X_ADD, index[0],
                        fv_x_dim(l->exprs, fv_op_find_attr(loop, "symbols")->u.dims[0]));
    row->def->place = fv_x_load(l->exprs, fv_value_buf(l->exprs, all->value), index);
    row->fate = FV_FATE_PART;
    row->of = all;
    all->fate = FV_FATE_ASSEMBLED;
}

void fv_place_rows(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next) {
        const fv_op *end = op->def == &fv_loop_def ? fv_loop_end(op) : NULL;
        for (int i = op->nout; end && i < end->nout; i++)
            place_row(l, op, end, i);
    }
}

/* ---- copies of a text ---- */

/* Is operand i of a mark in memory of its own, written by a kernel and used only here? False after
 * a diagnostic. */
static bool is_own(fv_lowerer *l, const fv_op *mark, int i) {
    const fv_value *v = mark->in[i];
    const fv_storage *s = fv_storage_of(l, v);
    return (v->kind == FV_VALUE_RESULT && v->nuses == 1 && s->fate == FV_FATE_MEMORY &&
            !v->def->def->has_effect) ||
           fv_op_error(mark, "operand %d, %%%s, has no memory of its own, and this is after \"%s\"",
                       i, v->name, l->current.after);
}

/* The next value of a state is stored in the memory of the state, so neither the op that computes
 * it nor a later op of the body may read the state. Returns false after a diagnostic if one
 * does. */
static bool is_left_alone(fv_lowerer *l, const fv_value *state, const fv_value *next,
                          const fv_op *end) {
    for (const fv_op *op = next->def; op != end; op = op->next)
        for (int i = 0; i < op->nin; i++)
            if (op->in[i] && root_of(l, op->in[i])->value == state)
                return fv_op_error(
                    op,
                    "reads state %%%s, in whose memory %%%s is stored, and this is after \"%s\"",
                    state->name, next->name, l->current.after);
    return true;
}

/* Checks the rows that a loop returns: after the step `extend` they are stored in the result,
 * before it in memory of their own. */
static bool has_rows(fv_lowerer *l, const fv_op *loop, const fv_op *end) {
    bool placed = !fv_step_comes(l->current.after, "extend");
    for (int i = loop->nout; i < end->nout; i++) {
        const fv_storage *row = fv_storage_of(l, end->in[1 + i]);
        bool there = row->fate == FV_FATE_PART && row->of == fv_storage_of(l, end->out[i]) &&
                     row->value->nuses == 1 && fv_is_made_in_block(end, row->value);
        if (placed && !there)
            return fv_op_error(
                end,
                "operand %d, %%%s, is no part of what it is a row of, and this is after \"%s\"",
                1 + i, end->in[1 + i]->name, l->current.after);
        if (!placed &&
            (!is_own(l, end, 1 + i) || !row->def || !fv_is_made_in_block(end, row->value)))
            return false;
    }
    return true;
}

static bool has_copies(fv_lowerer *l, const fv_op *loop, const fv_op *end) {
    if (!has_rows(l, loop, end))
        return false;
    for (int i = 1; i < loop->nin; i++)
        if (!is_own(l, loop, i))
            return false;
    if (end->in[0] && is_state(l, loop, end->in[0]))
        return fv_op_error(
            end, "its condition is stored in the memory of a state, and this is after \"%s\"",
            l->current.after);
    for (int i = 1; i <= loop->nout; i++) {
        const fv_value *state = loop->out[i - 1], *next = end->in[i];
        if (root_of(l, next)->value == state)
            continue;
        if (!is_own(l, end, i))
            return false;
        if (!fv_is_made_in_block(end, next))
            return fv_op_error(
                end, "operand %d, %%%s, is not computed in an iteration, and this is after \"%s\"",
                i, next->name, l->current.after);
        if (!is_left_alone(l, state, next, end))
            return false;
    }
    return true;
}

bool fv_check_copies(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op && !fv_step_comes(l->current.after, "results");
         op = op->next)
        if (op->def == &fv_loop_def && !has_copies(l, op, fv_loop_end(op)))
            return false;
    return true;
}

/* ---- memory ---- */

static void lie_in(fv_storage *s, fv_storage *of) {
    s->fate = FV_FATE_VIEW;
    s->of = of;
}

void fv_join_states(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next) {
        const fv_op *end = op->def == &fv_loop_def ? fv_loop_end(op) : NULL;
        for (int i = 0; end && i < op->nout; i++) {
            fv_storage *s = fv_storage_of(l, end->out[i]), *next = root_of(l, end->in[1 + i]);
            lie_in(fv_storage_of(l, op->in[1 + i]), s);
            lie_in(fv_storage_of(l, op->out[i]), s);
            if (next->value != op->out[i])
                lie_in(next, s);
        }
    }
}
