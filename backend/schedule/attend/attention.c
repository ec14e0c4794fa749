/* attention.c - the schedule of attention: scores, the weights computed from them along a row, and
 * the product with values, for one block of queries at a time.
 *
 *     parallel batch, heads.., chunk of queries:
 *       for a block of queries in the chunk:
 *         scores[r, j] = sum c: q[i0 + r, c] * k[j, c]        tiles, as in a contraction
 *         for each row: scores[r, j] = weight(scores[r, ..])  as in a row kernel
 *         y[i0 + r, d] = sum j: scores[r, j] * v[j, d]        tiles
 *
 * If a mask hides keys (fuse/fold_mask.c), a block first finds the keys that some of its queries
 * see, and uses only these; among them it finds keys that all its queries see, for which the mask
 * is not evaluated. The maximum of a row shows whether the hidden keys have weight 0; if not, the
 * block is computed again with all keys.
 *
 * For a single query, as in a step of a decoder, keys are read in the layout in which they are
 * stored (attend_single.c), and the heads that share them are the rows; the same is done for few
 * queries. If a mask hides none of their keys, the bounds of the scores, which take a pass over the
 * keys, are not needed.
 *
 * The scores of a block stay in the second-level cache. Each chunk has its own memory for them;
 * there are as many chunks as make `tasks` tasks, but no more than complete blocks, so the memory
 * grows with the number of keys, not with its square. The order of each sum is that of the separate
 * schedules, whatever the blocks are. */
#include "backend/schedule/attend/attention.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/attend/attend_parts.h"
#include "backend/schedule/attend/attend_scores.h"
#include "backend/schedule/contract/contract.h"
#include "backend/schedule/contract/parameters.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"

enum { MOST_BLOCK = 4096, MOST_TASKS = 4096 };

/* ---- definitions and memory ---- */

/* The number of rows of a block, such that their scores take a part of the second-level cache. */
static int block_rows(const fv_attend_plan *p, int mr) {
    int64_t keys = fv_typical_dim(p->at.key->dim);
    int64_t bytes =
        fv_elem_storage_bytes((fv_elem)p->at.score->type.elem) * (keys > 0 ? keys : 1) * mr;
    const fv_processor *cpu = fv_processor_of(p->l->target);
    int64_t tiles = p->l->target->caches.l2_bytes / 8 * cpu->score_l2_eighths / bytes;
    return mr * (int)(tiles < 1 ? 1 : tiles > cpu->score_tiles ? cpu->score_tiles : tiles);
}

static fv_buf *new_memory(fv_attend_plan *p, const char *what, const fv_dim *rows,
                          const fv_dim *width) {
    fv_var *axes[FV_MAX_RANK];
    int n = p->tasks.nouter;
    memcpy(axes, p->tasks.outer, (size_t)n * sizeof *axes);
    axes[n++] = p->tasks.chunk;
    axes[n++] = fv_index_var(p->l->exprs, "row", rows);
    axes[n++] = fv_index_var(p->l->exprs, what, width);
    const char *name = fv_printf(p->l->exprs, "%s.%s", p->d->value->name, what);
    fv_value *v = fv_new_value(p->l, name, (fv_elem)p->at.score->type.elem, n, axes);
    v->kind = FV_VALUE_RESULT;
    return fv_value_buf(p->l->exprs, v);
}

static void set_tasks(fv_attend_plan *p) {
    fv_dims *t = p->l->module->dims;
    const fv_dim *outer[FV_MAX_RANK], *queries = p->d->index[p->at.row]->dim,
                                      *block = fv_dim_const(t, p->tasks.block);
    for (int i = 0; i < p->d->rank; i++)
        if (i != p->at.row && i != p->at.column) {
            fv_var *v = p->d->index[i];
            if (v == p->single.row)
                v = fv_index_var(p->l->exprs, "group",
                                 fv_dim_const(t, v->dim->value / p->single.rows));
            outer[p->tasks.nouter] = v->dim;
            p->tasks.outer[p->tasks.nouter++] = v;
        }
    const fv_dim *one = fv_dim_const(t, 1),
                 *tasks = fv_dim_max(t, fv_dim_product(t, p->tasks.nouter, outer), one);
    /* complete blocks only: together they have at most as many rows as there are queries */
    const fv_dim *most = fv_dim_max(t, fv_dim_floordiv(t, queries, block), one);
    const fv_dim *chunks =
        fv_dim_min(t, fv_dim_ceildiv(t, fv_dim_const(t, p->tasks.least), tasks), most);
    p->tasks.chunk = fv_index_var(p->l->exprs, "chunk", chunks);
    /* the queries of a block, or the rows of `single` */
    const fv_dim *rows = fv_dim_min(t, queries, block);
    p->tasks.local =
        fv_index_var(p->l->exprs, "row",
                     p->single.row ? fv_dim_max(t, rows, fv_dim_const(t, p->single.rows)) : rows);
}

/* The length of a row of scores in memory, rounded up to complete panels. If the width of a panel
 * is an even number of cache lines, one line is added, since rows of a tile whose distance is a
 * power of two would use the same set of the first-level cache. */
static const fv_dim *row_of_keys(fv_attend_plan *p, int width) {
    enum { LINE = 64 };
    fv_dims *t = p->l->module->dims;
    int64_t line = LINE / fv_elem_storage_bytes((fv_elem)p->at.score->type.elem);
    const fv_dim *w = fv_dim_const(t, width),
                 *keys = fv_dim_mul(t, fv_dim_ceildiv(t, p->at.key->dim, w), w);
    return width % (2 * line) ? keys : fv_dim_add(t, keys, fv_dim_const(t, line));
}
/* ---- expressions that depend on the key only ---- */

static bool loads_value(const fv_expr *x, const fv_value *v) {
    bool found = x->op == FV_X_LOAD && x->u.buf->value == v;
    for (int i = 0; i < x->n && !found; i++)
        found = loads_value(x->arg[i], v);
    return found;
}

/* Is x, which has the type of the scores, computed, and not only loaded, from the key, here with
 * variable v, and from nothing else that changes within a task? It must contain no sum. */
static bool is_of_key(const fv_attend_plan *p, const fv_expr *x, const fv_var *v) {
    fv_expr *sum;
    return x->op != FV_X_LOAD && x->op != FV_X_GUARD && x->type.elem == p->memory.scores->elem &&
           fv_x_uses(x, v) && !fv_x_uses(x, p->d->index[p->at.row]) &&
           !(p->single.row && fv_x_uses(x, p->single.row)) &&
           !fv_x_reductions((fv_expr *)x, &sum, 1) && !loads_value(x, p->memory.scores->value);
}

/* The index of x among the parts of the weights that depend on the key alone; nmasks: it is not one
 * of them. */
static int mask_of(const fv_attend_plan *p, fv_expr *x, fv_var *v) {
    fv_expr *key = fv_x_var(p->l->exprs, p->at.key),
            *over = fv_x_replace_vars(p->l->exprs, x, 1, &v, &key);
    int i = 0;
    while (i < p->memory.nmasks && !fv_x_equal(p->memory.of_key[i], over))
        i++;
    return i;
}

/* Is x a reduction over another value than the row of scores? */
static bool is_aside(const fv_attend_plan *p, const fv_expr *x) {
    return x->op == FV_X_REDUCE && !loads_value(x, p->memory.scores->value);
}

static void find_masks(fv_attend_plan *p, fv_expr *x, fv_var *v, fv_ptrmap *seen) {
    if (!x->n || x->op == FV_X_LOAD || x->op == FV_X_GUARD || is_aside(p, x) ||
        *fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = x;
    if (is_of_key(p, x, v)) {
        fv_expr *key = fv_x_var(p->l->exprs, p->at.key);
        if (mask_of(p, x, v) == p->memory.nmasks && p->memory.nmasks < FV_MAX_KEY_MASKS)
            p->memory.of_key[p->memory.nmasks++] = fv_x_replace_vars(p->l->exprs, x, 1, &v, &key);
        return;
    }
    for (int i = 0; i < x->n; i++)
        find_masks(p, x->arg[i], x->op == FV_X_REDUCE ? x->u.red.vars[0] : v, seen);
}

/* x with parts that depend on the key v alone replaced by loads of `masks`. */
static fv_expr *with_masks(fv_attend_plan *p, fv_expr *x, fv_var *v, fv_ptrmap *memo) {
    fv_expr *y = x->n ? fv_ptrmap_get(memo, x) : x, *args[FV_MAX_RANK + 2];
    if (y || x->op == FV_X_LOAD || x->op == FV_X_GUARD || is_aside(p, x))
        return y ? y : x;
    int mask = is_of_key(p, x, v) ? mask_of(p, x, v) : p->memory.nmasks;
    for (int i = 0; i < x->n && mask == p->memory.nmasks; i++)
        args[i] = with_masks(p, x->arg[i], x->op == FV_X_REDUCE ? x->u.red.vars[0] : v, memo);
    y = mask < p->memory.nmasks
            ? fv_attend_of_task(p, p->memory.masks, fv_x_int(p->l->exprs, mask), v)
            : fv_x_with_args(p->l->exprs, x, args);
    return *fv_ptrmap_at(memo, x) = y;
}

/* Replaces `where && seen` by `where`, for any key; used when `seen` is known to hold. */
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

/* x as an expression over the task's memory and masks. */
static fv_expr *in_task(fv_attend_plan *p, fv_expr *x) {
    fv_ptrmap memo = fv_ptrmap_in(p->l->current.scratch);
    return with_masks(p, fv_with_scores(p->l->exprs, &p->at, x, fv_attend_in_memory(p)), p->at.key,
                      &memo);
}

static void make_weights(fv_attend_plan *p) {
    fv_ptrmap seen = fv_ptrmap_in(p->l->current.scratch);
    find_masks(p, fv_weight_of(p->l->exprs, &p->at, fv_attend_in_memory(p)), p->at.key, &seen);
    p->memory.masks = new_memory(p, "masks", fv_dim_const(p->l->module->dims, p->memory.nmasks),
                                 row_of_keys(p, p->qk.columns));
    p->weights.open = p->weights.all = fv_attend_over_keys(p, in_task(p, p->at.weight));
    if (!p->at.hidden)
        return;
    fv_x_rewriter r = {.arena = p->l->exprs,
                       .memo = fv_ptrmap_in(p->l->current.scratch),
                       .before = as_seen,
                       .user = &p->at};
    p->weights.folded = fv_attend_over_keys(p, in_task(p, fv_x_rewrite(&r, p->at.weight)));
    r = (fv_x_rewriter){.arena = p->l->exprs, .before = as_open, .user = &p->at};
    p->weights.open = fv_attend_over_keys(p, in_task(p, fv_x_rewrite(&r, p->at.weight)));
    p->weights.where = in_task(p, p->at.where);
    p->weights.seen = in_task(p, p->at.seen);
}

/* Queries that are computed (scaled, rotated, or widened from f16 or bf16) rather than loaded are
 * computed once for each block. A tile would widen each element again for every panel of keys. */
static void choose_queries(fv_attend_plan *p) {
    const fv_expr *q = fv_x_stored(p->at.q), *sum = p->at.score;
    fv_elem e = (fv_elem)q->type.elem;
    bool loaded = (q->op == FV_X_LOAD || q->op == FV_X_GUARD) &&
                  !(fv_elem_is_storage(e) && fv_elem_is_float(e));
    if (!loaded && sum->u.red.nvars == 1 && p->at.q->type.elem == sum->type.elem)
        p->memory.of_query = p->at.q;
    else
        p->qk.c.dense.a = fv_choose_dense(p->l, &p->scores, sum, p->at.q, FV_DENSE_ALL, NULL,
                                          &p->qk.c.dense.of_a);
}

static void place_queries(fv_attend_plan *p, fv_op *op) {
    fv_var *channel = p->at.score->u.red.vars[0];
    if (p->memory.of_query) {
        p->memory.queries = new_memory(p, "queries", p->tasks.local->dim, channel->dim);
        p->qk.c.a =
            fv_attend_of_task(p, p->memory.queries, fv_x_var(p->l->exprs, p->tasks.local), channel);
    } else if (p->qk.c.dense.a)
        p->qk.c.a = fv_place_dense(p->l, op, &p->scores, &p->qk.c.dense.of_a);
}

static void set_products(fv_attend_plan *p) {
    p->scores = fv_attend_over_keys(p, p->at.score);
    int row = p->at.row - (p->at.row > p->at.column);
    p->qk.c = (fv_contraction){.sum = p->at.score,
                               .nsums = 1,
                               .sums = {p->at.score},
                               .a = p->at.q,
                               .b = p->at.k,
                               .row = row,
                               .column = p->scores.rank - 1};
    p->pv.c = (fv_contraction){.sum = p->at.sum,
                               .nsums = 1,
                               .sums = {p->at.sum},
                               .b = p->at.v,
                               .row = p->at.row,
                               .column = p->at.column};
}

/* Chooses both products and their tiles; false: they are not contractions, tiles are not
 * worthwhile, or a sum has an order in which tiles do not add. */
static bool choose_products(fv_attend_plan *p) {
    set_products(p);
    fv_contract_tile(&p->chosen, &p->scores, &p->qk.c, FV_PARAMETER_score_rows,
                     FV_PARAMETER_score_columns, &p->qk.rows, &p->qk.columns);
    if (p->qk.columns < 2 || !fv_contract_choose(p->l, &p->scores, &p->qk.c))
        return false;
    int rows = p->qk.rows;
    p->tasks.block =
        (int)fv_choose(&p->chosen, FV_PARAMETER_block, block_rows(p, rows), rows, MOST_BLOCK, 1);
    int tasks = fv_processor_of(p->l->target)->attend_tasks;
    p->tasks.least = (int)fv_choose(&p->chosen, FV_PARAMETER_tasks, tasks, 1, MOST_TASKS, 1);
    p->pv.c.context.block = p->tasks.block;
    fv_contract_tile(&p->chosen, p->d, &p->pv.c, FV_PARAMETER_rows, FV_PARAMETER_columns,
                     &p->pv.rows, &p->pv.columns);
    if (p->pv.columns < 2 || !fv_contract_choose(p->l, p->d, &p->pv.c))
        return false;
    return (fv_x_is_one_chain(p->at.score) && p->at.sum->u.red.order != FV_ORDER_CHAINS) ||
           fv_declines(p->l, p->d->value, FV_WHY_attend_order);
}

/* Makes panels of the keys. If there may be few queries, which read keys in their own layout, the
 * kernel that makes the panels has no tasks in that case. */
static void place_keys(fv_attend_plan *p, fv_op *op) {
    const fv_dim *queries = p->d->index[p->at.row]->dim, *keys = p->at.key->dim;
    fv_single_scores single = {.sum = p->at.score, .q = p->at.q, .k = p->qk.c.b, .key = p->at.key};
    /* largest number of rows of a task that reads keys without panels */
    int most = p->pv.rows < p->qk.rows ? p->pv.rows : p->qk.rows;
    bool turns = !p->qk.c.dense.b && fv_single_choose(p->l, &single, p->d->index[p->at.row], most);
    fv_contract_place(p->l, op, &p->scores, &p->qk.c, p->qk.columns);
    /* a single key needs no transposition */
    bool may = queries->lo <= (turns ? single.queries : 1) && queries != keys;
    if (!may || (turns && keys->hi < single.block) || !p->qk.c.packed ||
        !p->qk.c.panels.made_in_run)
        return;
    if (!turns) {
        fv_declines(p->l, p->d->value, FV_WHY_attend_panels);
        return;
    }
    fv_takes(p->l, p->d->value, FV_WHY_attend_single, fv_n(single.queries));
    if (single.queries == 1)
        fv_single_share(&single, p->d, p->at.v, p->at.where, p->pv.rows);
    p->single = single;
    fv_storage_of(p->l, p->qk.c.panels.value)->unless = single.where;
}

static void place(fv_lowerer *l, fv_op *op, void *plan) {
    fv_attend_plan *p = plan;
    (void)l;
    place_keys(p, op);
    set_tasks(p);
    p->memory.scores = new_memory(p, "scores", p->tasks.local->dim, row_of_keys(p, p->qk.columns));
    make_weights(p);
    fv_attend_choose_stored(p);
    p->pv.c.a = fv_attend_in_memory(p);
    place_queries(p, op);
    p->single.q = p->qk.c.a;
    fv_contract_place(p->l, op, p->d, &p->pv.c, p->pv.columns);
    fv_attend_place_parts(p);
}

/* ---- the scheduler ---- */

void fv_attend_keeps(void *plan, const fv_definition *weights) {
    ((fv_attend_plan *)plan)->weights.kept = weights;
}

static void *choose(fv_lowerer *l, const fv_storage *s) {
    fv_attention found;
    if (fv_form_of(l, s->def) != FV_FORM_ATTENTION || !fv_find_attention(l, s->def, &found))
        return NULL;
    fv_attend_plan *p = FV_NEW(l->arena, fv_attend_plan, 1);
    p->l = l;
    p->d = s->def;
    p->at = found;
    p->chosen = fv_choose_for(l, s->def, FV_SCHEDULE_attend);
    if (!choose_products(p))
        return NULL;
    choose_queries(p);
    fv_takes(l, s->value, FV_WHY_attends);
    return p;
}

static void emit(fv_lowerer *l, const fv_storage *s, fv_op *op, void *plan) {
    const fv_attend_plan *p = plan;
    if (p->tasks.nouter || !fv_dim_is_one(p->tasks.chunk->dim))
        fv_takes(l, s->value, FV_WHY_tasks_heads, fv_n(p->tasks.least));
    else
        fv_declines(l, s->value, FV_WHY_tasks_chunk, fv_d(p->d->index[p->at.row]->dim));
    fv_attend a = {.p = p, .weights = &p->tiled, .seen = p->tiled.seen, .chosen = p->chosen};
    fv_kemit *e = &a.e;
    fv_attend_share_scores(&a, op);
    fv_kemit_init(e, l, p->d, "Attention");
    /* hidden keys of rows with NaN must be found, since their weights are a result */
    e->sums.show_nan = p->weights.kept;
    fv_attend_emit(&a, s->value);
    const fv_definition *all[2] = {p->weights.kept, p->d};
    e->group.all = all;
    e->group.n = p->weights.kept ? 2 : 0;
    fv_kemit_finish(e, op, &a.chosen.how);
    fv_chosen(&a.chosen, FV_SCHEDULE_attend);
    fv_attend_share_values(&a, op);
}

const fv_scheduler fv_schedule_attend = {.choose = choose, .place = place, .emit = emit};
