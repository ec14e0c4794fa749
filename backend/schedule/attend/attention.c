/* attention.c - the schedule of attention: scores, what is made of them along a row, and the
 * product with values, a block of queries at a time.
 *
 *     parallel batch, heads.., chunk of queries:
 *       for a block of queries in the chunk:
 *         scores[r, j] = sum c: q[i0 + r, c] * k[j, c]        tiles, as in a contraction
 *         for each row: scores[r, j] = weight(scores[r, ..])  as in a row kernel
 *         y[i0 + r, d] = sum j: scores[r, j] * v[j, d]        tiles
 *
 * Where a mask hides keys (fuse/fold_mask.c), a block looks for those that some of its queries see,
 * and does the above with these only; among them for those that all see, where rows need not ask
 * for the mask. Whether the others weigh nothing shows in the maximum of a row: where not, all is
 * done again, with all keys.
 *
 * A single query, as in a step of a decoder, reads its keys as they lie (attend_single.c), with
 * heads that share them for rows; so do few queries. Where a mask hides none of them, it needs no
 * bounds of the scores, which are a pass over the keys.
 *
 * The scores of a block stay in the second-level cache. Each chunk has its own; there are so many
 * chunks as keep `tasks` cores busy, so the memory grows with the number of keys, not with its
 * square. Each sum is in the order that it has in those schedules, whatever the blocks are. */
#include "backend/schedule/attend/attention.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/attend/attend_parts.h"
#include "backend/schedule/contract/contract.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"

enum { MOST_BLOCK = 4096, MOST_TASKS = 4096 };

/* ---- definitions and memory ---- */

/* The number of rows of a block, such that their scores take a part of the second-level cache. */
static int block_rows(const fv_attend *a, int mr) {
    int64_t keys = fv_typical_dim(a->at.key->dim);
    int64_t bytes =
        fv_elem_storage_bytes((fv_elem)a->at.score->type.elem) * (keys > 0 ? keys : 1) * mr;
    const fv_processor *p = fv_processor_at(a->l->target->processor);
    int64_t tiles = a->l->target->l2_bytes / 8 * p->score_l2_eighths / bytes;
    return mr * (int)(tiles < 1 ? 1 : tiles > p->score_tiles ? p->score_tiles : tiles);
}

static fv_buf *new_memory(fv_attend *a, const char *what, const fv_dim *rows, const fv_dim *width) {
    fv_var *axes[FV_MAX_RANK];
    int n = a->nouter;
    memcpy(axes, a->outer, (size_t)n * sizeof *axes);
    axes[n++] = a->chunk;
    axes[n++] = fv_index_var(a->l->exprs, "row", rows);
    axes[n++] = fv_index_var(a->l->exprs, what, width);
    const char *name = fv_printf(a->l->exprs, "%s.%s", a->d->value->name, what);
    fv_value *v = fv_new_value(a->l, name, (fv_elem)a->at.score->type.elem, n, axes);
    v->kind = FV_VALUE_RESULT;
    return fv_value_buf(a->l->exprs, v);
}

static void set_tasks(fv_attend *a) {
    fv_dims *t = a->l->module->dims;
    const fv_dim *outer[FV_MAX_RANK], *queries = a->d->index[a->at.row]->dim,
                                      *block = fv_dim_const(t, a->block);
    for (int i = 0; i < a->d->rank; i++)
        if (i != a->at.row && i != a->at.column) {
            fv_var *v = a->d->index[i];
            if (v == a->single.row)
                v = fv_index_var(a->l->exprs, "group",
                                 fv_dim_const(t, v->dim->value / a->single.rows));
            outer[a->nouter] = v->dim;
            a->outer[a->nouter++] = v;
        }
    const fv_dim *one = fv_dim_const(t, 1),
                 *tasks = fv_dim_max(t, fv_dim_product(t, a->nouter, outer), one);
    /* whole blocks: together they have no more rows than there are queries */
    const fv_dim *most = fv_dim_max(t, fv_dim_floordiv(t, queries, block), one);
    const fv_dim *chunks = fv_dim_min(t, fv_dim_ceildiv(t, fv_dim_const(t, a->tasks), tasks), most);
    a->chunk = fv_index_var(a->l->exprs, "chunk", chunks);
    const fv_dim *rows = fv_dim_min(t, queries, block); /* or the rows of `single` */
    a->local =
        fv_index_var(a->l->exprs, "row",
                     a->single.row ? fv_dim_max(t, rows, fv_dim_const(t, a->single.rows)) : rows);
}

/* The length of a row of scores in memory, rounded up to whole panels. If that is an even number of
 * cache lines it is one line more: rows of a tile whose distance is a power of two would share a
 * set of the first-level cache. */
static const fv_dim *row_of_keys(fv_attend *a, int width) {
    enum { LINE = 64 };
    fv_dims *t = a->l->module->dims;
    int64_t line = LINE / fv_elem_storage_bytes((fv_elem)a->at.score->type.elem);
    const fv_dim *w = fv_dim_const(t, width),
                 *keys = fv_dim_mul(t, fv_dim_ceildiv(t, a->at.key->dim, w), w);
    return width % (2 * line) ? keys : fv_dim_add(t, keys, fv_dim_const(t, line));
}
/* ---- what depends on the key alone ---- */

static bool loads_value(const fv_expr *x, const fv_value *v) {
    bool found = x->op == FV_X_LOAD && x->u.buf->value == v;
    for (int i = 0; i < x->n && !found; i++)
        found = loads_value(x->arg[i], v);
    return found;
}

/* Is x computed from the key, here with variable v, and from nothing else that changes within a
 * task? */
static bool is_of_key(const fv_attend *a, const fv_expr *x, const fv_var *v) {
    fv_expr *sum;
    return x->op != FV_X_LOAD && x->op != FV_X_GUARD && x->type.elem == a->memory->elem &&
           fv_x_uses(x, v) && !fv_x_uses(x, a->d->index[a->at.row]) &&
           !(a->single.row && fv_x_uses(x, a->single.row)) &&
           !fv_x_reductions((fv_expr *)x, &sum, 1) && !loads_value(x, a->memory->value);
}

/* The index of x among the parts of the weights that depend on the key alone; nmasks: it is none of
 * them. */
static int mask_of(const fv_attend *a, fv_expr *x, fv_var *v) {
    fv_expr *key = fv_x_var(a->l->exprs, a->at.key),
            *over = fv_x_replace_vars(a->l->exprs, x, 1, &v, &key);
    int i = 0;
    while (i < a->nmasks && !fv_x_equal(a->of_key[i], over))
        i++;
    return i;
}

/* Is x a reduction over something other than the row of scores? */
static bool is_aside(const fv_attend *a, const fv_expr *x) {
    return x->op == FV_X_REDUCE && !loads_value(x, a->memory->value);
}

static void find_masks(fv_attend *a, fv_expr *x, fv_var *v, fv_ptrmap *seen) {
    if (!x->n || x->op == FV_X_LOAD || x->op == FV_X_GUARD || is_aside(a, x) ||
        *fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = x;
    if (is_of_key(a, x, v)) {
        fv_expr *key = fv_x_var(a->l->exprs, a->at.key);
        if (mask_of(a, x, v) == a->nmasks && a->nmasks < FV_MAX_KEY_MASKS)
            a->of_key[a->nmasks++] = fv_x_replace_vars(a->l->exprs, x, 1, &v, &key);
        return;
    }
    for (int i = 0; i < x->n; i++)
        find_masks(a, x->arg[i], x->op == FV_X_REDUCE ? x->u.red.vars[0] : v, seen);
}

/* x with parts that depend on the key v alone replaced by loads of `masks`. */
static fv_expr *with_masks(fv_attend *a, fv_expr *x, fv_var *v, fv_ptrmap *memo) {
    fv_expr *y = x->n ? fv_ptrmap_get(memo, x) : x, *args[FV_MAX_RANK + 2];
    if (y || x->op == FV_X_LOAD || x->op == FV_X_GUARD || is_aside(a, x))
        return y ? y : x;
    int mask = is_of_key(a, x, v) ? mask_of(a, x, v) : a->nmasks;
    for (int i = 0; i < x->n && mask == a->nmasks; i++)
        args[i] = with_masks(a, x->arg[i], x->op == FV_X_REDUCE ? x->u.red.vars[0] : v, memo);
    y = mask < a->nmasks ? fv_attend_of_task(a, a->masks, fv_x_int(a->l->exprs, mask), v)
                         : fv_x_with_args(a->l->exprs, x, args);
    return *fv_ptrmap_at(memo, x) = y;
}

/* Replaces `where && seen` by `where`, for any key; used where `seen` is known to hold. */
static fv_expr *as_seen(fv_x_rewriter *r, fv_expr *x) {
    const fv_attention *at = r->user;
    return x->op != FV_X_AND       ? NULL
           : x->arg[0] == at->seen ? x->arg[1]
           : x->arg[1] == at->seen ? x->arg[0]
                                   : NULL;
}

static fv_expr *as_open(fv_x_rewriter *r, fv_expr *x) {
    return as_seen(r, x) ? fv_x_const_int(r->arena, FV_BOOL, 0) : NULL;
}

/* x as a function of the task's memory and masks. */
static fv_expr *in_task(fv_attend *a, fv_expr *x) {
    fv_ptrmap memo = fv_ptrmap_in(a->l->exprs);
    return with_masks(a, fv_with_scores(a->l->exprs, &a->at, x, fv_attend_in_memory(a)), a->at.key,
                      &memo);
}

static void make_weights(fv_attend *a) {
    fv_ptrmap seen = fv_ptrmap_in(a->l->exprs);
    find_masks(a, fv_weight_of(a->l->exprs, &a->at, fv_attend_in_memory(a)), a->at.key, &seen);
    a->masks = new_memory(a, "masks", fv_dim_const(a->l->module->dims, a->nmasks), a->at.key->dim);
    a->open = a->weights = fv_attend_over_keys(a, in_task(a, a->at.weight));
    if (!a->at.hidden)
        return;
    fv_x_rewriter r = {.arena = a->l->exprs, .before = as_seen, .user = &a->at};
    a->folded = fv_attend_over_keys(a, in_task(a, fv_x_rewrite(&r, a->at.weight)));
    r = (fv_x_rewriter){.arena = a->l->exprs, .before = as_open, .user = &a->at};
    a->open = fv_attend_over_keys(a, in_task(a, fv_x_rewrite(&r, a->at.weight)));
    a->where = in_task(a, a->at.where);
    a->seen = in_task(a, a->at.seen);
}

/* Queries that are computed (scaled or rotated) rather than loaded are computed once for each
 * block. */
static void choose_queries(fv_attend *a) {
    const fv_expr *q = fv_x_stored(a->at.q), *sum = a->at.score;
    bool loaded = q->op == FV_X_LOAD || q->op == FV_X_GUARD;
    if (!loaded && sum->u.red.nvars == 1 && a->at.q->type.elem == sum->type.elem)
        a->of_query = a->at.q;
    else
        a->qk.dense_a =
            fv_choose_dense(a->l, &a->scores, sum, a->at.q, FV_DENSE_ALL, NULL, &a->qk.copy_a);
}

static void place_queries(fv_attend *a, fv_op *op) {
    fv_var *channel = a->at.score->u.red.vars[0];
    if (a->of_query) {
        a->queries = new_memory(a, "queries", a->local->dim, channel->dim);
        a->qk.a = fv_attend_of_task(a, a->queries, fv_x_var(a->l->exprs, a->local), channel);
    } else if (a->qk.dense_a)
        a->qk.a = fv_place_dense(a->l, op, &a->scores, &a->qk.copy_a);
}

static void set_products(fv_attend *a) {
    a->scores = fv_attend_over_keys(a, a->at.score);
    int row = a->at.row - (a->at.row > a->at.column);
    a->qk = (fv_contraction){.sum = a->at.score,
                             .nsums = 1,
                             .sums = {a->at.score},
                             .a = a->at.q,
                             .b = a->at.k,
                             .row = row,
                             .column = a->scores.rank - 1};
    a->pv = (fv_contraction){.sum = a->at.sum,
                             .nsums = 1,
                             .sums = {a->at.sum},
                             .b = a->at.v,
                             .row = a->at.row,
                             .column = a->at.column};
}

/* Chooses both products and their tiles; false: they are no contractions that are worthwhile. */
static bool choose_products(fv_attend *a) {
    set_products(a);
    fv_contract_tile(&a->chosen, &a->scores, &a->qk, FV_PARAMETER_score_rows,
                     FV_PARAMETER_score_columns, &a->scores_tile.rows, &a->scores_tile.columns);
    if (a->scores_tile.columns < 2 || !fv_contract_choose(a->l, &a->scores, &a->qk))
        return false;
    int rows = a->scores_tile.rows;
    a->block =
        (int)fv_choose(&a->chosen, FV_PARAMETER_block, block_rows(a, rows), rows, MOST_BLOCK, 1);
    int tasks = fv_processor_at(a->l->target->processor)->attend_tasks;
    a->tasks = (int)fv_choose(&a->chosen, FV_PARAMETER_tasks, tasks, 1, MOST_TASKS, 1);
    fv_contract_tile(&a->chosen, a->d, &a->pv, FV_PARAMETER_rows, FV_PARAMETER_columns,
                     &a->result_tile.rows, &a->result_tile.columns);
    if (a->result_tile.columns < 2 || !fv_contract_choose(a->l, a->d, &a->pv))
        return false;
    return (fv_x_is_one_chain(a->at.score) && a->at.sum->u.red.order != FV_ORDER_CHAINS) ||
           fv_declines(a->l, a->d->value, FV_WHY_attend_order);
}

/* Makes panels of the keys. If there may be few queries, which read keys in their own layout, the
 * kernel that makes the panels does nothing in that case. */
static void place_keys(fv_attend *a, fv_op *op) {
    const fv_dim *queries = a->d->index[a->at.row]->dim, *keys = a->at.key->dim;
    fv_single_scores single = {.sum = a->at.score, .q = a->at.q, .k = a->qk.b, .key = a->at.key};
    /* of a task */
    int most =
        a->result_tile.rows < a->scores_tile.rows ? a->result_tile.rows : a->scores_tile.rows;
    bool turns = !a->qk.dense && fv_single_choose(a->l, &single, a->d->index[a->at.row], most);
    fv_contract_place(a->l, op, &a->scores, &a->qk, a->scores_tile.columns);
    /* of one key, too, nothing is to be turned round */
    bool may = queries->lo <= (turns ? single.queries : 1) && queries != keys;
    if (!may || (turns && keys->hi < single.block) || !a->qk.packed || !a->qk.panels.made_in_run)
        return;
    if (!turns) {
        fv_declines(a->l, a->d->value, FV_WHY_attend_panels);
        return;
    }
    fv_takes(a->l, a->d->value, FV_WHY_attend_single, fv_n(single.queries));
    if (single.queries == 1)
        fv_single_share(&single, a->d, a->at.v, a->at.where, a->result_tile.rows);
    a->single = single;
    fv_storage_of(a->l, a->qk.panels.value)->unless = single.where;
}

static void place(fv_lowerer *l, fv_op *op, void *plan) {
    fv_attend *a = plan;
    (void)l;
    place_keys(a, op);
    set_tasks(a);
    a->memory = new_memory(a, "scores", a->local->dim, row_of_keys(a, a->scores_tile.columns));
    make_weights(a);
    a->pv.a = fv_attend_in_memory(a);
    place_queries(a, op);
    a->single.q = a->qk.a;
    fv_contract_place(a->l, op, a->d, &a->pv, a->result_tile.columns);
    fv_attend_place_parts(a);
}

/* ---- the scheduler ---- */

void fv_attend_keeps(void *plan, const fv_definition *weights) {
    ((fv_attend *)plan)->kept = weights;
}

static void *choose(fv_lowerer *l, const fv_storage *s) {
    fv_attention found;
    if (fv_form_of(l, s->def) != FV_FORM_ATTENTION || !fv_find_attention(l, s->def, &found))
        return NULL;
    fv_attend *a = FV_NEW(l->arena, fv_attend, 1);
    a->l = l;
    a->d = s->def;
    a->at = found;
    a->chosen = fv_choose_for(l, s->def, FV_SCHEDULE_attend);
    if (!choose_products(a))
        return NULL;
    choose_queries(a);
    fv_takes(l, s->value, FV_WHY_attends);
    return a;
}

static void emit(fv_lowerer *l, const fv_storage *s, fv_op *op, void *plan) {
    fv_attend *a = plan;
    if (a->nouter || !fv_dim_is_one(a->chunk->dim))
        fv_takes(l, s->value, FV_WHY_tasks_heads, fv_n(a->tasks));
    else
        fv_declines(l, s->value, FV_WHY_tasks_chunk, fv_d(a->d->index[a->at.row]->dim));
    fv_kemit *e = &a->e;
    fv_attend_share_scores(a, op);
    fv_kemit_init(e, l, a->d, "Attention");
    fv_attend_emit(a, s->value);
    const fv_definition *all[2] = {a->kept, a->d};
    e->all = all;
    e->nall = a->kept ? 2 : 0;
    fv_kemit_finish(e, op, &a->chosen.how);
    fv_chosen(&a->chosen, FV_SCHEDULE_attend);
    fv_attend_share_values(a, op);
}

const fv_scheduler fv_schedule_attend = {.choose = choose, .place = place, .emit = emit};
