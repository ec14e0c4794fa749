/* recur_inside.c - makes one kernel that runs all steps of a recurrence.
 *
 *     parallel over elements that do not read each other's states, or blocks of rows:
 *       state[0] = first                       in memory of the kernel; or in registers, if
 *                                              each element reads only its own states
 *       for t < T:
 *         for each part of a step:             tiles of a contraction, or loops
 *           state[1 - t mod 2] = step(state[t mod 2])
 *       y_h = state[T mod 2]
 *
 * If rows have different numbers of steps (recur_length.c), a task runs as many as the longest of
 * its rows has, unless tasks are blocks of columns, which run all steps.
 *
 * A state whose old value is never read after its new one is stored has one buffer instead of two.
 * If no column reads another one, tasks are blocks of columns, and the memory of their states is a
 * tile of the kernel. */
#include "backend/schedule/recur/recur_inside.h"

#include <string.h>

#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/results.h"
#include "backend/schedule/operands/precompute.h"
#include "backend/schedule/operands/value.h"
#include "backend/schedule/recur/recur_length.h"
#include "backend/schedule/rows/map.h"
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"
#include "ir/schedule/limits.h"

static const fv_schedule own = {.kind = FV_SCHEDULE_recur}, naive_one = {.kind = FV_SCHEDULE_naive};

static const fv_schedule *schedule_of(const fv_parts *p) {
    return p->l->current.naive ? &naive_one : &own;
}

static int lanes_of(const fv_parts *p, fv_elem e) {
    int lanes = p->l->target->vector_bits / fv_elem_bits(e);
    return p->l->current.naive || lanes < 2 ? 1 : lanes;
}

static fv_expr *bind_loop(fv_kemit *e, fv_loop_kind kind, fv_var *v) {
    fv_expr *i = open_loop(e, kind, v->name, fv_kemit_dim(e, v->dim));
    fv_kemit_bind(e, v, i);
    return i;
}

/* ---- states in registers ---- */

/* The number of vectors of columns that a task computes at the same time: by default, and the most
 * where they are all columns and registers have room for their states. */
enum { VECTORS = 4, MOST_VECTORS = 8 };

typedef struct alone {
    fv_kemit e;
    fv_parts *p;
    /* the variable of the columns; NULL: the task computes one element at a time */
    fv_var *column;
    /* the first column of the task's block, and the number of columns in it */
    fv_expr *first, *size;
    int64_t width; /* number of columns of a block that is no remainder */
    /* whether loops are over the columns of a whole block, of which only the first `size` are
     * loaded and stored, so that the states of all of them are in registers */
    bool padded;
    fv_buf *tile[FV_MAX_STATES];
} alone;

/* Opens a loop over the columns of the block. If `known`, loads of the states in the loop are
 * replaced by variables that hold them. */
static fv_expr *open_places(alone *a, bool known) {
    fv_kemit *e = &a->e;
    fv_expr *c = NULL;
    if (a->column) {
        c = open_loop(e, FV_VECTOR, "c", a->padded ? integer(e, a->width) : a->size);
        fv_kemit_bind(e, a->column, binary(e, FV_X_ADD, a->first, c));
        if (a->padded)
            e->guard = fv_kb_let(&e->b, "inside", binary(e, FV_X_LT, c, a->size));
    }
    for (int i = 0; i < a->p->r->nstates && known; i++) {
        const fv_state *s = &a->p->r->states[i];
        if (s->first)
            fv_kemit_memo(e, fv_own_load(a->p, s, true),
                          fv_kb_let(&e->b, s->before->name, fv_x_load(e->arena, a->tile[i], &c)));
    }
    return c;
}

static void close_places(alone *a, fv_kmark m) {
    if (a->column)
        fv_kb_end(&a->e.b);
    a->e.guard = NULL;
    fv_kemit_release(&a->e, m);
}

static void step_alone(alone *a) {
    fv_kemit *e = &a->e;
    fv_kmark m = fv_kemit_mark(e);
    const fv_part *part = &a->p->all[0];
    fv_expr *c = open_places(a, true), *made[FV_MAX_STATES];
    for (int i = 0; i < part->n; i++) {
        const fv_item *m2 = part->items[i];
        fv_expr *x = fv_kemit_expr(e, m2->x);
        if (m2->element) {
            fv_put_element(e, m2->element, x);
            continue;
        }
        made[m2->state - a->p->r->states] = x = fv_kb_let(&e->b, m2->state->now->name, x);
        fv_kemit_memo(e, fv_own_load(a->p, m2->state, false), x);
    }
    for (int i = 0; i < a->p->r->nstates; i++)
        if (a->p->r->states[i].first)
            fv_kb_store(&e->b, a->tile[i], &c, made[i], NULL);
    close_places(a, m);
}

static void first_alone(alone *a) {
    fv_kemit *e = &a->e;
    fv_recurrence *r = a->p->r;
    for (int i = 0; i < r->nstates; i++)
        a->tile[i] = fv_kb_tile(&e->b, r->states[i].now->name, r->states[i].now->type->elem,
                                a->column ? 1 : 0, &a->width, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_places(a, false);
    for (int i = 0; i < r->nstates; i++)
        if (r->states[i].first)
            fv_kb_store(&e->b, a->tile[i], &c, fv_kemit_expr(e, r->states[i].first), NULL);
    close_places(a, m);
}

static void last_alone(alone *a) {
    fv_kemit *e = &a->e;
    fv_recurrence *r = a->p->r;
    fv_kmark m = fv_kemit_mark(e);
    bool any = false;
    for (int i = 0; i < r->nelements; i++)
        any |= r->elements[i].last;
    if (!any)
        return;
    fv_expr *c = open_places(a, false);
    for (int i = 0; i < r->nstates; i++)
        fv_kemit_memo(e, fv_own_load(a->p, &r->states[i], false),
                      fv_x_load(e->arena, a->tile[i], &c));
    for (int i = 0; i < r->nelements; i++)
        if (r->elements[i].last)
            fv_put_element(e, &r->elements[i], fv_kemit_expr(e, r->elements[i].x));
    close_places(a, m);
}

/* Emits all steps of a block. */
static void steps_alone(alone *a) {
    fv_kemit *e = &a->e;
    fv_kmark m = fv_kemit_mark(e);
    first_alone(a);
    bind_loop(e, FV_SERIAL, a->p->r->t);
    step_alone(a);
    fv_kb_end(&e->b);
    last_alone(a);
    fv_kemit_release(e, m);
}

/* Emits the steps of a block of all columns apart from those of a remainder, so that the number of
 * columns is constant and their states are in registers. */
static void blocks_alone(alone *a) {
    fv_kemit *e = &a->e;
    int64_t size;
    const fv_target *t = a->p->l->target;
    const bool known = !a->column || fv_x_is_int(a->size, &size);
    const bool whole =
        known ? !a->column || size == a->width : t->vector_bits && a->column->dim->hi >= a->width;
    if (whole && !known) {
        fv_expr *rest = a->size, *width = integer(e, a->width);
        fv_kb_if(&e->b, binary(e, FV_X_EQ, rest, width));
        a->size = width;
        steps_alone(a);
        fv_kb_else(&e->b);
        a->size = rest;
    }
    a->padded = !(whole && known) && fv_target_has_masks(t);
    steps_alone(a);
    if (whole && !known)
        fv_kb_end(&e->b);
}

/* Returns the number of columns of a block. */
static int64_t width_alone(const alone *a, int lanes) {
    const fv_dim *n = a->column->dim;
    int most = a->p->l->target->vector_registers / (2 * a->p->r->nstates);
    most = most < VECTORS ? VECTORS : most > MOST_VECTORS ? MOST_VECTORS : most;
    int64_t width = (int64_t)lanes * (n->hi <= lanes * most ? most : VECTORS);
    while (width > lanes && width - lanes >= n->hi)
        width -= lanes;
    return width;
}

/* Opens loops that make rows tasks, and blocks of columns within a row. Returns the number of
 * columns of a block. */
static int64_t open_alone(alone *a) {
    fv_kemit *e = &a->e;
    const fv_definition *d = e->def;
    int lanes = lanes_of(a->p, (fv_elem)d->body->type.elem), n = d->rank;
    bool inside[FV_MAX_RANK] = {false};
    fv_expr *index[FV_MAX_RANK] = {0};
    if (a->p->l->current.naive) {
        for (int i = 0; i < n; i++)
            bind_loop(e, FV_SERIAL, d->index[i]);
        return 1;
    }
    a->column = n && !fv_dim_is_one(d->index[n - 1]->dim) ? d->index[n - 1] : NULL;
    if (a->column)
        inside[n - 1] = true;
    int64_t width = a->column ? width_alone(a, lanes) : 1;
    const fv_processor *of = fv_processor_of(a->p->l->target);
    int64_t steps = fv_typical_dim(a->p->r->t->dim), work = steps < 1 ? 1 : steps;
    fv_open_outer(e, inside, a->column ? work * width : work, of->row_task, index);
    if (!a->column)
        return 1;
    const fv_dim *dim = a->column->dim;
    fv_expr *size = fv_kemit_dim(e, dim), *by = integer(e, width);
    fv_open_blocks(e, FV_PARALLEL, "block", size, fv_ceildiv(e, size, by), by, dim->hi <= width,
                   &a->first, &a->size);
    return width;
}

void fv_recur_alone(fv_parts *p) {
    alone a = {.p = p};
    fv_kemit *e = &a.e;
    fv_kemit_init(e, p->l, NULL, fv_op_stem(p->r->op));
    fv_part_use(e, &p->all[0]);
    a.width = open_alone(&a);
    blocks_alone(&a);
    while (e->b.depth)
        fv_kb_end(&e->b);
    fv_recur_finish(e, p, NULL, schedule_of(p));
}

/* ---- states in memory ---- */

typedef struct inside {
    fv_kemit e;
    fv_parts *p;
    /* the variable whose values are computed in blocks, as rows of contractions; NULL: there is
     * none */
    fv_var *row;
    int64_t block;
    fv_expr *first, *rows; /* the first row of the current block, and the number of its rows */
    int64_t width;         /* number of columns in a block, if p->column is set */
    /* the first column of the current block, and the number of its columns */
    fv_expr *left, *columns;
    bool task[FV_MAX_RANK];  /* for each variable of r: whether tasks are along it */
    const fv_part *part;     /* the part that is being emitted */
    bool bound[FV_MAX_RANK]; /* for each variable of r: whether a loop has bound it */
} inside;

static int number_of(const fv_recurrence *r, const fv_var *v) {
    int i = 0;
    while (r->vars[i] != v)
        i++;
    return i;
}

/* Gives each state memory: two buffers that steps use alternately if the state before the step is
 * read while the new one is computed, else one. */
static void take_memory(fv_parts *p) {
    fv_lowerer *l = p->l;
    for (int i = 0; i < p->r->nstates; i++) {
        const fv_state *s = &p->r->states[i];
        fv_var *index[FV_MAX_RANK + 1] = {
            fv_index_var(l->exprs, "place", fv_dim_const(l->module->dims, 2))};
        int n = fv_memory_axes(p, s, index + 1), from = !fv_has_places(p, s);
        p->memory[i] =
            fv_new_value(l, s->now->name, s->now->type->elem, n + 1 - from, index + from);
        p->memory[i]->kind = FV_VALUE_RESULT;
        p->memory[i]->def = p->r->op;
    }
}

/* Returns the bytes of the memory of all states for one task; -1 if some extent is not known or is
 * 0, or if the bytes are 2^31 or more. */
static int64_t memory_bytes(const fv_parts *p) {
    int64_t all = 0;
    for (int i = 0; i < p->r->nstates; i++) {
        const fv_state *s = &p->r->states[i];
        fv_var *index[FV_MAX_RANK];
        int64_t bytes = fv_elem_storage_bytes(s->now->type->elem) * (fv_has_places(p, s) ? 2 : 1);
        for (int k = fv_memory_axes(p, s, index); k-- > 0;) {
            if (!fv_dim_is_const(index[k]->dim) || index[k]->dim->value < 1 ||
                index[k]->dim->value > INT32_MAX / bytes)
                return -1;
            bytes *= index[k]->dim->value;
        }
        all += bytes;
        if (all > INT32_MAX)
            return -1;
    }
    return all;
}

/* Opens a loop over the rows of the block, and binds their variable. */
static void bind_row(inside *s) {
    fv_expr *r = open_loop(&s->e, FV_SERIAL, "r", s->rows);
    fv_kemit_bind(&s->e, s->row, binary(&s->e, FV_X_ADD, s->first, r));
}

/* Opens loops over those of `vars` that are not bound yet; the loop over the last variable is a
 * vector loop, except in naive lowering and along the rows of contractions. Returns the number of
 * loops. */
static int open_rest(inside *s, int n, fv_var *const *vars) {
    fv_kemit *e = &s->e;
    bool naive = s->p->l->current.naive;
    int opened = 0;
    for (int i = 0; i < n; i++) {
        if (s->bound[number_of(s->p->r, vars[i])])
            continue;
        opened++;
        if (vars[i] == s->row)
            bind_row(s);
        else if (vars[i] == s->p->column) {
            fv_expr *c = open_loop(e, i == n - 1 ? FV_VECTOR : FV_SERIAL, "c", s->columns);
            fv_kemit_bind(e, vars[i], binary(e, FV_X_ADD, s->left, c));
            fv_kemit_bind(e, s->p->local, c);
        } else
            bind_loop(e, i == n - 1 && !naive ? FV_VECTOR : FV_SERIAL, vars[i]);
    }
    return opened;
}

static void close_rest(inside *s, int opened, fv_kmark m) {
    while (opened-- > 0)
        fv_kb_end(&s->e.b);
    fv_kemit_release(&s->e, m);
}

/* Sets `at` to the indices of the current element in the memory of the state z; returns the
 * buffer. */
static const fv_buf *memory_at(inside *s, const fv_state *z, fv_expr **at) {
    fv_arena *a = s->p->l->exprs;
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < z->rank; i++)
        index[i] = fv_x_var(a, z->index[i]);
    const fv_expr *load = fv_memory_load(s->p, z, fv_x_int(a, 0), index);
    for (int i = 0; i < load->u.buf->rank; i++)
        at[i] = fv_kemit_expr(&s->e, load->arg[i]);
    return load->u.buf;
}

static void put_first(inside *s) {
    fv_recurrence *r = s->p->r;
    for (int i = 0; i < r->nstates; i++) {
        if (s->p->column)
            fv_kemit_keep(&s->e, s->p->memory[i]);
        fv_buf *b = fv_recur_param(&s->e, s->p->memory[i], FV_BUF_INOUT);
        if (!r->states[i].first)
            continue;
        fv_expr *at[FV_MAX_RANK + 1];
        fv_kmark m = fv_kemit_mark(&s->e);
        int opened = open_rest(s, r->states[i].rank, r->states[i].index);
        memory_at(s, &r->states[i], at);
        fv_kemit_store(&s->e, b, at, fv_kemit_expr(&s->e, r->states[i].first));
        close_rest(s, opened, m);
    }
}

/* Replaces a load of a state by a load of its value after all steps. */
static fv_expr *after_all(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const fv_parts *p = w->user;
    fv_arena *a = w->arena;
    for (int i = 0; i < p->r->nstates && x->op == FV_X_LOAD; i++)
        if (x->u.buf->value == p->r->states[i].now) {
            fv_expr *place = fv_x_bin(a, FV_X_FLOORMOD, p->taken, fv_x_int(a, 2));
            return fv_memory_load(p, &p->r->states[i], place, args);
        }
    return NULL;
}

static void put_last(inside *s) {
    fv_recurrence *r = s->p->r;
    fv_x_rewriter w = {.arena = s->p->l->exprs,
                       .memo = fv_ptrmap_in(s->p->l->current.scratch),
                       .after = after_all,
                       .user = s->p};
    for (int i = 0; i < r->nelements; i++) {
        const fv_emission *m = &r->elements[i];
        fv_var *vars[FV_MAX_RANK];
        int n = 0;
        if (!m->last)
            continue;
        for (int k = 0; k < m->value->type->rank; k++)
            if (m->at[k]->op == FV_X_VAR)
                vars[n++] = m->at[k]->u.var;
        fv_kmark mark = fv_kemit_mark(&s->e);
        int opened = open_rest(s, n, vars);
        fv_put_element(&s->e, m, fv_kemit_expr(&s->e, fv_x_rewrite(&w, m->x)));
        close_rest(s, opened, mark);
    }
}

static void put(void *user, fv_expr *const *index) {
    inside *s = user;
    (void)index;
    fv_part_put(&s->e, s->p, s->part);
}

/* Makes the columns of the block the only panel of the tile. */
static void in_block(inside *s, fv_tile *t) {
    t->panel = t->prefetch.last = t->prefetch.next = t->j0 = integer(&s->e, 0);
    t->columns = s->columns;
    t->block.axis = s->p->column;
    t->block.left = s->left;
}

/* Emits the tiles of a contraction over the rows of the block. */
static void contract(inside *s, fv_part *part) {
    fv_kemit *e = &s->e;
    const fv_definition *d = part->def;
    const fv_contract_plan *plan = part->plan;
    fv_tile tile = {.e = e, .c = &plan->c, .plan = plan->tile, .put = {put, s}}, *t = &tile;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *index[FV_MAX_RANK] = {0}, *first = integer(e, 0), *rows = integer(e, 1);
    int depth = e->b.depth;
    e->def = d;
    t->plan.within = true;
    t->plan.depth = 0; /* blocks are small, so the sum is not cut into blocks */
    t->plan.copies = t->plan.stores = false;
    for (int i = 0; i < d->rank; i++)
        if (i != plan->c.row && i != plan->c.column && d->index[i] == s->row)
            bind_row(s);
        else if (i != plan->c.row && i != plan->c.column &&
                 !s->bound[number_of(s->p->r, d->index[i])])
            bind_loop(e, FV_SERIAL, d->index[i]);
    if (plan->c.row >= 0 && d->index[plan->c.row] == s->row) {
        first = s->first;
        rows = s->rows;
    } else if (plan->c.row >= 0)
        rows = fv_kemit_dim(e, d->index[plan->c.row]->dim);
    if (s->p->column)
        in_block(s, t);
    else
        fv_open_panels(t, FV_SERIAL);
    t->i0 = first;
    t->rows.done = integer(e, 0);
    fv_expr *here =
        first == s->first && t->plan.mr >= s->block ? rows : fv_open_tiles(t, first, rows);
    fv_tile_sums(t, t->plan.mr);
    fv_tile_multiply(t, here);
    fv_tile_store(t, NULL, index, here);
    fv_kb_end_to(&e->b, depth);
    fv_kemit_release(e, m);
}

static void do_part(inside *s, fv_part *part) {
    fv_kemit *e = &s->e;
    s->part = part;
    e->def = part->def;
    if (part->plan) {
        contract(s, part);
        return;
    }
    fv_kmark m = fv_kemit_mark(e);
    int opened = open_rest(s, part->items[0]->nvars, part->items[0]->vars);
    fv_part_put(e, s->p, part);
    close_rest(s, opened, m);
}

/* Chooses the variable that gives the rows of contractions, and how many rows a task has. */
static void choose_rows(inside *s) {
    int rows = (int)s->p->l->speed->step_rows;
    for (int i = 0; i < s->p->n; i++) {
        fv_contract_plan *plan = s->p->all[i].plan;
        fv_var *row = plan && plan->c.row >= 0 ? plan->d->index[plan->c.row] : NULL;
        if (row && !s->row && s->p->carried[number_of(s->p->r, row)]) {
            s->row = row;
            s->block = rows < plan->tile.mr ? rows : plan->tile.mr;
        }
        if (row && row == s->row && plan->tile.mr < s->block)
            s->block = plan->tile.mr;
    }
    for (int i = 0; i < s->p->n; i++)
        if (s->p->all[i].plan && s->row && s->p->all[i].plan->tile.mr > s->block)
            s->p->all[i].plan->tile.mr = (int)s->block;
}

/* Is v the last variable of some part, so that vector loops run along it? */
static bool is_vector(const fv_parts *p, const fv_var *v) {
    bool is = false;
    for (int i = 0; i < p->n; i++)
        is |= p->all[i].def->rank && p->all[i].def->index[p->all[i].def->rank - 1] == v;
    return is;
}

/* Makes tasks along each variable whose elements do not read each other's states, unless it gives
 * the rows or vector loops run along it. */
static void choose_tasks(inside *s) {
    fv_recurrence *r = s->p->r;
    for (int i = 0; i < r->nvars; i++)
        s->task[i] = s->p->carried[i] && r->vars[i] != s->row && !is_vector(s->p, r->vars[i]);
}

/* Returns the variable along which all vector loops run, if elements along it do not read each
 * other's states; else NULL. All steps of a block of columns are then done before the next block
 * begins, so that its states can stay in the first-level cache. NULL as well if a contraction packs
 * panels, which are cut into columns in their own way. */
static fv_var *column_of(const inside *s) {
    const fv_parts *p = s->p;
    fv_var *v = p->all[0].def->rank ? p->all[0].def->index[p->all[0].def->rank - 1] : NULL;
    bool all = v && !s->row && p->carried[number_of(p->r, v)] && !fv_dim_is_one(v->dim);
    for (int i = 0; i < p->n && all; i++) {
        const fv_definition *d = p->all[i].def;
        all =
            d->rank && d->index[d->rank - 1] == v && !(p->all[i].plan && p->all[i].plan->c.packed);
    }
    return all ? v : NULL;
}

/* Returns the columns of a block, at most `most`: blocks are equal, rounded up to whole vectors. */
static int64_t width_of(const fv_dim *columns, int64_t most, int lanes) {
    if (!fv_dim_is_const(columns))
        return columns->hi < most ? fv_round_up(columns->hi, lanes) : most;
    int64_t blocks = fv_div_up(columns->value, most),
            each = blocks ? fv_div_up(columns->value, blocks) : 1;
    return fv_round_up(each, lanes);
}

/* Chooses blocks of columns: as many columns as sums must be in flight at once, or fewer, so that
 * the memory of their states, a tile of the kernel, stays in the first-level cache. Chooses none if
 * not even the states of one vector of columns fit. */
static void choose_columns(inside *s) {
    fv_parts *p = s->p;
    const fv_target *t = p->l->target;
    fv_var *column = column_of(s);
    if (!column)
        return;
    int lanes = lanes_of(p, (fv_elem)p->all[0].def->body->type.elem);
    p->column = column;
    memcpy(p->around, s->task, sizeof p->around);
    for (int64_t most = (int64_t)lanes * fv_processor_of(t)->sums_in_flight; most >= lanes;
         most -= lanes) {
        s->width = width_of(column->dim, most, lanes);
        p->local = fv_index_var(p->l->exprs, "c", fv_dim_const(p->l->module->dims, s->width));
        int64_t bytes = memory_bytes(p);
        /* the tile is on the stack */
        if (bytes >= 0 && bytes <= t->caches.l1_bytes &&
            bytes <= FV_MOST_SUMS * (int64_t)sizeof(float))
            return;
    }
    p->column = p->local = NULL;
    memset(p->around, 0, sizeof p->around);
}

/* Makes tiles of contractions as wide as a block of columns, with no more rows than the registers
 * can hold. */
static void set_tiles(inside *s) {
    for (int i = 0; i < s->p->n && s->p->column; i++) {
        fv_contract_plan *plan = s->p->all[i].plan;
        if (!plan)
            continue;
        int lanes = lanes_of(s->p, (fv_elem)plan->c.sum->type.elem),
            vectors = (int)fv_div_up(s->width, lanes);
        int most = (s->p->l->target->vector_registers - 1) / vectors - 1;
        plan->tile.nr = plan->tile.panel = (int)s->width;
        if (plan->tile.mr > most)
            plan->tile.mr = most > 0 ? most : 1;
    }
}

static void open_tasks(inside *s) {
    fv_kemit *e = &s->e;
    fv_recurrence *r = s->p->r;
    for (int i = 0; i < r->nvars; i++)
        if (s->task[i]) {
            bind_loop(e, FV_PARALLEL, r->vars[i]);
            s->bound[i] = true;
        }
    const fv_var *v = s->p->column ? s->p->column : s->row;
    if (!v)
        return;
    fv_expr *n = fv_kemit_dim(e, v->dim), *by = integer(e, s->p->column ? s->width : s->block),
            *first, *count;
    fv_open_blocks(e, FV_PARALLEL, "block", n, fv_ceildiv(e, n, by), by,
                   v->dim->hi <= (s->p->column ? s->width : s->block), &first, &count);
    if (s->p->column) {
        s->left = first;
        s->columns = count;
    } else {
        s->first = first;
        s->rows = count;
    }
}

/* ---- the number of steps ---- */

/* Emits code that finds the largest number of steps of the elements of the task. */
static fv_expr *longest(inside *s, fv_expr *length) {
    fv_kemit *e = &s->e;
    fv_recurrence *r = s->p->r;
    fv_kmark m = fv_kemit_mark(e);
    fv_buf *most = fv_kb_tile(&e->b, "most", FV_I64, 0, NULL, integer(e, 0));
    int opened = 0;
    for (int i = 0; i < r->nvars; i++) {
        if (!fv_x_uses(length, r->vars[i]) || s->bound[i])
            continue;
        if (r->vars[i] == s->row)
            bind_row(s);
        else
            bind_loop(e, FV_SERIAL, r->vars[i]);
        opened++;
    }
    fv_kb_store(&e->b, most, NULL,
                binary(e, FV_X_MAX, fv_x_load(e->arena, most, NULL), fv_kemit_expr(e, length)),
                NULL);
    close_rest(s, opened, m);
    fv_expr *all = fv_kemit_dim(e, r->t->dim);
    return fv_kb_let(&e->b, "taken", binary(e, FV_X_MIN, fv_x_load(e->arena, most, NULL), all));
}

/* Emits loops that compute the elements for the steps after `taken`, which are not run. */
static void put_rest(inside *s, fv_expr *taken) {
    fv_kemit *e = &s->e;
    fv_parts *p = s->p;
    for (int i = 0; i < p->nitems; i++) {
        const fv_item *m = &p->items[i];
        if (!m->element)
            continue;
        fv_emission rest = fv_recur_rest(p->l->exprs, p->r, m->element);
        fv_kmark mark = fv_kemit_mark(e);
        fv_kemit_bind(
            e, p->r->t,
            fv_kb_for(&e->b, FV_SERIAL, p->r->t->name, taken, fv_kemit_dim(e, p->r->t->dim), 1));
        int opened = open_rest(s, m->nvars, m->vars);
        fv_put_element(e, &rest, fv_kemit_expr(e, rest.x));
        close_rest(s, opened, mark);
        fv_kb_end(&e->b);
    }
}

static void take_steps(inside *s) {
    fv_kemit *e = &s->e;
    fv_parts *p = s->p;
    fv_arena *a = p->l->exprs;
    fv_expr *length = p->l->current.naive || p->column ? NULL : fv_recur_length(a, p->r);
    fv_expr *taken = length ? longest(s, length) : fv_kemit_dim(e, p->r->t->dim);
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, p->r->t, open_loop(e, FV_SERIAL, p->r->t->name, taken));
    for (int i = 0; i < p->n; i++)
        do_part(s, &p->all[i]);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    e->def = NULL;
    if (!length)
        return;
    put_rest(s, taken);
    /* All steps may be taken: `taken` is at most the extent of t, not below it as an index. */
    fv_dims *dims = p->l->module->dims;
    fv_var *v = fv_index_var(a, "taken", fv_dim_add(dims, p->r->t->dim, fv_dim_const(dims, 1)));
    fv_kemit_bind(e, v, taken);
    p->taken = fv_x_var(a, v);
}

/* Chooses how the steps are done, from what the parts read of the states. */
static void choose(inside *s) {
    struct fv_reasons *reasons = s->p->l->reasons;
    s->p->l->reasons = NULL; /* the reasons of what is emitted are recorded later */
    fv_parts_choose(s->p);
    choose_rows(s);
    choose_tasks(s);
    choose_columns(s);
    s->p->l->reasons = reasons;
}

/* Restricts the definition of a part to the columns of a block, and to the variables along which
 * there are no tasks. */
static void enter_block(inside *s, fv_part *part) {
    fv_definition *d = part->def;
    int n = 0;
    for (int i = 0; i < d->rank; i++)
        if (d->index[i] == s->p->column)
            d->index[n++] = s->p->local;
        else if (!s->task[number_of(s->p->r, d->index[i])])
            d->index[n++] = d->index[i];
    d->rank = n;
}

/* Are there tasks along v? v may be `local`, the variable of a block's columns, which is none of
 * r. */
static bool is_task(const inside *s, const fv_var *v) {
    return v != s->p->local && s->task[number_of(s->p->r, v)];
}

/* Plans the contractions of the parts again, now that they read states in memory. */
static void plan(inside *s) {
    fv_parts *p = s->p;
    for (int i = 0; i < p->n && p->column; i++)
        enter_block(s, &p->all[i]);
    fv_parts_choose(p);
    choose_rows(s);
    set_tiles(s);
    for (int i = 0; i < p->n; i++) {
        fv_contract_plan *plan = p->all[i].plan;
        if (!plan)
            continue;
        /* each task has one row */
        if (plan->c.row >= 0 && is_task(s, p->all[i].def->index[plan->c.row])) {
            plan->c.row = -1;
            plan->tile.mr = 1;
        }
        fv_contract_plan_place(p->l, p->r->op, plan);
    }
    fv_schedule_operands(p->l, p->r->op);
}

void fv_recur_inside(fv_parts *p) {
    inside s = {.p = p};
    fv_kemit *e = &s.e;
    bool naive = p->l->current.naive;
    fv_parts_find_once(p);
    if (!naive)
        choose(&s);
    take_memory(p);
    fv_parts_in_memory(p);
    if (!naive)
        plan(&s);
    fv_kemit_init(e, p->l, NULL, fv_op_stem(p->r->op));
    for (int i = 0; i < p->n; i++)
        fv_part_use(e, &p->all[i]);
    if (!naive)
        open_tasks(&s);
    put_first(&s);
    take_steps(&s);
    put_last(&s);
    while (e->b.depth)
        fv_kb_end(&e->b);
    fv_recur_finish(e, p, NULL, schedule_of(p));
}
