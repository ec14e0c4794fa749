/* attention.c - attention: scores, what is made of them along a row, and the product with values, a block of
 * queries at a time.
 *
 *     parallel batch, heads.., chunk of queries:
 *       for a block of queries in the chunk:
 *         scores[r, j] = sum c: q[i0 + r, c] * k[j, c]        tiles, as in a contraction
 *         for each row: scores[r, j] = weight(scores[r, ..])  as in a row kernel
 *         y[i0 + r, d] = sum j: scores[r, j] * v[j, d]        tiles
 *
 * Where a mask hides keys (fuse/fold_mask.c), a block looks for those that some of its queries see, and does the above with
 * these only; among them for those that all see, where rows need not ask for the mask. Whether the others weigh nothing shows in the maximum of a row: where not, all is done again, with all keys.
 *
 * The scores of a block stay in the second-level cache. Each chunk has its own; there are so many chunks as keep
 * `tasks` cores busy, so the memory grows with the number of keys, not with its square. Each sum is in the order that
 * it has in those schedules, whatever the blocks are. */
#include "backend/schedule/attention.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/attend_keys.h"
#include "backend/schedule/blocks.h"
#include "backend/schedule/contract.h"
#include "backend/schedule/map.h"
#include "backend/schedule/materialize.h"
#include "backend/schedule/precompute.h"
#include "backend/schedule/scheduler.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"

enum { MOST_BLOCK = 4096,
       MOST_TASKS = 4096,
       MAX_MASKS = 4,
       MAX_SUMS = 16 }; /* that are computed for all rows of a block before the next */

typedef struct sums {
    int n;
    fv_expr *sum[MAX_SUMS];
    fv_buf *of_rows[MAX_SUMS]; /* for each row of the block */
} sums;

typedef struct attend {
    fv_lowerer *l;
    fv_kemit e;
    fv_attention at;
    const fv_definition *d;        /* of the result */
    fv_definition scores, weights; /* [outer.., query, key] */
    fv_definition folded;          /* weights of rows that see a key; no body: no mask is folded */
    const fv_definition *kept;     /* weights that are a result as well; NULL: nobody reads them */
    fv_expr *where, *seen;         /* as in at */
    fv_expr *keys[2];              /* from here to there; NULL: all */
    fv_buf *sees;                  /* of each row of the block: is what it does not see nothing? */
    fv_buf *again;                 /* not 0: some row is not so */
    fv_contraction qk, pv;
    fv_tile t;
    fv_var *outer[FV_MAX_RANK];    /* axes of the result but queries and features */
    int nouter;
    fv_var *chunk, *local;
    /* Of a task, in definitions: [outer.., chunk, row, ..] */
    fv_buf *memory;                /* by key: the scores, then the weights */
    fv_buf *masks;                 /* by key: what the weights have of the key alone */
    fv_buf *queries;               /* by channel: where q is computed; or NULL */
    fv_expr *of_key[MAX_MASKS], *of_query;
    int nmasks;
    struct {
        int rows, columns;
    } scores_tile, result_tile;    /* of the two products */
    int block, tasks;              /* rows of a block; chunks of queries that there are at least */
    fv_expr *at_memory[FV_MAX_RANK]; /* its index so far: outer.., chunk */
    fv_expr *index[FV_MAX_RANK];   /* of the result */
    fv_choosing chosen;
} attend;

/* ---- definitions and memory ---- */

/* All axes of the result but the features, then the keys. */
static fv_definition over_keys(const attend *a, fv_expr *body) {
    fv_definition s = {.value = a->d->value, .body = body};
    s.index = FV_NEW(a->l->exprs, fv_var *, a->d->rank + 1);
    for (int i = 0; i < a->d->rank; i++)
        if (i != a->at.column)
            s.index[s.rank++] = a->d->index[i];
    s.index[s.rank++] = a->at.key;
    return s;
}

/* Rows of a block: their scores take a part of the second-level cache. */
static int block_rows(const attend *a, int mr) {
    int64_t keys = fv_typical_dim(a->at.key->dim);
    int64_t bytes = fv_elem_storage_bytes((fv_elem)a->at.score->type.elem) * (keys > 0 ? keys : 1) * mr;
    const fv_processor *p = fv_processor_at(a->l->target->processor);
    int64_t tiles = a->l->target->l2_bytes / 8 * p->score_l2_eighths / bytes;
    return mr * (int)(tiles < 1 ? 1 : tiles > p->score_tiles ? p->score_tiles : tiles);
}

static fv_buf *new_memory(attend *a, const char *what, const fv_dim *rows, const fv_dim *width) {
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

static void set_tasks(attend *a) {
    fv_dims *t = a->l->module->dims;
    const fv_dim *outer[FV_MAX_RANK], *queries = a->d->index[a->at.row]->dim, *block = fv_dim_const(t, a->block);
    for (int i = 0; i < a->d->rank; i++)
        if (i != a->at.row && i != a->at.column) {
            outer[a->nouter] = a->d->index[i]->dim;
            a->outer[a->nouter++] = a->d->index[i];
        }
    const fv_dim *one = fv_dim_const(t, 1), *tasks = fv_dim_max(t, fv_dim_product(t, a->nouter, outer), one);
    /* whole blocks: together they have no more rows than there are queries */
    const fv_dim *most = fv_dim_max(t, fv_dim_floordiv(t, queries, block), one);
    const fv_dim *chunks = fv_dim_min(t, fv_dim_ceildiv(t, fv_dim_const(t, a->tasks), tasks), most);
    a->chunk = fv_index_var(a->l->exprs, "chunk", chunks);
    a->local = fv_index_var(a->l->exprs, "row", fv_dim_min(t, queries, block));
}

/* Room for as many keys as panels of that width have. Where these are whole pairs of lines it is one line more: rows of a tile
 * that were a power of two apart would share a set of the first-level cache. */
static const fv_dim *row_of_keys(attend *a, int width) {
    enum { LINE = 64 };
    fv_dims *t = a->l->module->dims;
    int64_t line = LINE / fv_elem_storage_bytes((fv_elem)a->at.score->type.elem);
    const fv_dim *w = fv_dim_const(t, width), *keys = fv_dim_mul(t, fv_dim_ceildiv(t, a->at.key->dim, w), w);
    return width % (2 * line) ? keys : fv_dim_add(t, keys, fv_dim_const(t, line));
}

/* That element of what a task has. */
static fv_expr *of_task(attend *a, fv_buf *b, fv_expr *row, fv_var *last) {
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < a->nouter; i++)
        index[i] = fv_x_var(a->l->exprs, a->outer[i]);
    index[a->nouter] = fv_x_var(a->l->exprs, a->chunk);
    index[a->nouter + 1] = row;
    index[a->nouter + 2] = fv_x_var(a->l->exprs, last);
    return fv_x_load(a->l->exprs, b, index);
}

/* The score, or the weight. */
static fv_expr *in_memory(attend *a) {
    return of_task(a, a->memory, fv_x_var(a->l->exprs, a->local), a->at.key);
}

/* ---- what depends on the key alone ---- */

static bool loads_value(const fv_expr *x, const fv_value *v) {
    bool found = x->op == FV_X_LOAD && x->u.buf->value == v;
    for (int i = 0; i < x->n && !found; i++)
        found = loads_value(x->arg[i], v);
    return found;
}

/* Is x computed of the key, whose variable is v here, and of nothing else that changes within a task? */
static bool is_of_key(const attend *a, const fv_expr *x, const fv_var *v) {
    fv_expr *sum;
    return x->op != FV_X_LOAD && x->op != FV_X_GUARD && x->type.elem == a->memory->elem && fv_x_uses(x, v) &&
           !fv_x_uses(x, a->d->index[a->at.row]) && !fv_x_reductions((fv_expr *)x, &sum, 1) &&
           !loads_value(x, a->memory->value);
}

/* The number of that part of the weights; nmasks: it is not among them. */
static int mask_of(const attend *a, fv_expr *x, fv_var *v) {
    fv_expr *key = fv_x_var(a->l->exprs, a->at.key), *over = fv_x_replace_vars(a->l->exprs, x, 1, &v, &key);
    int i = 0;
    while (i < a->nmasks && !fv_x_equal(a->of_key[i], over))
        i++;
    return i;
}

/* A sum that is over other things than the row. */
static bool is_aside(const attend *a, const fv_expr *x) { return x->op == FV_X_REDUCE && !loads_value(x, a->memory->value); }

static void find_masks(attend *a, fv_expr *x, fv_var *v, fv_ptrmap *seen) {
    if (!x->n || x->op == FV_X_LOAD || x->op == FV_X_GUARD || is_aside(a, x) || *fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = x;
    if (is_of_key(a, x, v)) {
        fv_expr *key = fv_x_var(a->l->exprs, a->at.key);
        if (mask_of(a, x, v) == a->nmasks && a->nmasks < MAX_MASKS)
            a->of_key[a->nmasks++] = fv_x_replace_vars(a->l->exprs, x, 1, &v, &key);
        return;
    }
    for (int i = 0; i < x->n; i++)
        find_masks(a, x->arg[i], x->op == FV_X_REDUCE ? x->u.red.vars[0] : v, seen);
}

/* x, along v, with such parts as loads of `masks`. */
static fv_expr *with_masks(attend *a, fv_expr *x, fv_var *v, fv_ptrmap *memo) {
    fv_expr *y = x->n ? fv_ptrmap_get(memo, x) : x, *args[FV_MAX_RANK + 2];
    if (y || x->op == FV_X_LOAD || x->op == FV_X_GUARD || is_aside(a, x))
        return y ? y : x;
    int mask = is_of_key(a, x, v) ? mask_of(a, x, v) : a->nmasks;
    for (int i = 0; i < x->n && mask == a->nmasks; i++)
        args[i] = with_masks(a, x->arg[i], x->op == FV_X_REDUCE ? x->u.red.vars[0] : v, memo);
    y = mask < a->nmasks ? of_task(a, a->masks, fv_x_int(a->l->exprs, mask), v) : fv_x_with_args(a->l->exprs, x, args);
    return *fv_ptrmap_at(memo, x) = y;
}

/* `where && seen` where that is seen, over whichever key. */
static fv_expr *as_seen(fv_x_rewriter *r, fv_expr *x) {
    const fv_attention *at = r->user;
    return x->op != FV_X_AND ? NULL : x->arg[0] == at->seen ? x->arg[1] : x->arg[1] == at->seen ? x->arg[0] : NULL;
}

/* x over the memory and the masks. */
static fv_expr *in_task(attend *a, fv_expr *x) {
    fv_ptrmap memo = fv_ptrmap_in(a->l->exprs);
    return with_masks(a, fv_with_scores(a->l->exprs, &a->at, x, in_memory(a)), a->at.key, &memo);
}

static void make_weights(attend *a) {
    fv_ptrmap seen = fv_ptrmap_in(a->l->exprs);
    find_masks(a, fv_weight_of(a->l->exprs, &a->at, in_memory(a)), a->at.key, &seen);
    a->masks = new_memory(a, "masks", fv_dim_const(a->l->module->dims, a->nmasks), a->at.key->dim);
    a->weights = over_keys(a, in_task(a, a->at.weight));
    if (!a->at.hidden)
        return;
    fv_x_rewriter r = {.arena = a->l->exprs, .before = as_seen, .user = &a->at};
    a->folded = over_keys(a, in_task(a, fv_x_rewrite(&r, a->at.weight)));
    a->where = in_task(a, a->at.where);
    a->seen = in_task(a, a->at.seen);
}

/* Queries that are computed, scaled or turned, are so once a block. */
static void choose_queries(attend *a) {
    const fv_expr *q = fv_x_stored(a->at.q), *sum = a->at.score;
    bool loaded = q->op == FV_X_LOAD || q->op == FV_X_GUARD;
    if (!loaded && sum->u.red.nvars == 1 && a->at.q->type.elem == sum->type.elem)
        a->of_query = a->at.q;
    else
        a->qk.dense_a = fv_choose_dense(a->l, &a->scores, sum, a->at.q, NULL, &a->qk.copy_a);
}

static void place_queries(attend *a, fv_op *op) {
    fv_var *channel = a->at.score->u.red.vars[0];
    if (a->of_query) {
        a->queries = new_memory(a, "queries", a->local->dim, channel->dim);
        a->qk.a = of_task(a, a->queries, fv_x_var(a->l->exprs, a->local), channel);
    } else if (a->qk.dense_a)
        a->qk.a = fv_place_dense(a->l, op, &a->scores, &a->qk.copy_a);
}

static void set_products(attend *a) {
    a->scores = over_keys(a, a->at.score);
    int row = a->at.row - (a->at.row > a->at.column);
    a->qk = (fv_contraction){.sum = a->at.score, .nsums = 1, .sums = {a->at.score}, .a = a->at.q, .b = a->at.k, .row = row,
                             .column = a->scores.rank - 1};
    a->pv = (fv_contraction){.sum = a->at.sum, .nsums = 1, .sums = {a->at.sum}, .b = a->at.v, .row = a->at.row, .column = a->at.column};
}

/* Both products, and their tiles; false: they are no contractions that pay. */
static bool choose_products(attend *a) {
    set_products(a);
    fv_contract_tile(&a->chosen, &a->scores, &a->qk, FV_PARAMETER_score_rows, FV_PARAMETER_score_columns, &a->scores_tile.rows,
                     &a->scores_tile.columns);
    if (a->scores_tile.columns < 2 || !fv_contract_choose(a->l, &a->scores, &a->qk))
        return false;
    int rows = a->scores_tile.rows;
    a->block = (int)fv_choose(&a->chosen, FV_PARAMETER_block, block_rows(a, rows), rows, MOST_BLOCK, 1);
    int tasks = fv_processor_at(a->l->target->processor)->attend_tasks;
    a->tasks = (int)fv_choose(&a->chosen, FV_PARAMETER_tasks, tasks, 1, MOST_TASKS, 1);
    fv_contract_tile(&a->chosen, a->d, &a->pv, FV_PARAMETER_rows, FV_PARAMETER_columns, &a->result_tile.rows,
                     &a->result_tile.columns);
    if (a->result_tile.columns < 2 || !fv_contract_choose(a->l, a->d, &a->pv))
        return false;
    return (a->at.score->u.red.order != FV_ORDER_CHAINS && a->at.sum->u.red.order != FV_ORDER_CHAINS) ||
           fv_declines(a->l, a->d->value, FV_WHY_attend_order);
}

static void place(fv_lowerer *l, fv_op *op, void *plan) {
    attend *a = plan;
    (void)l;
    fv_contract_place(a->l, op, &a->scores, &a->qk, a->scores_tile.columns);
    set_tasks(a);
    a->memory = new_memory(a, "scores", a->local->dim, row_of_keys(a, a->scores_tile.columns));
    make_weights(a);
    a->pv.a = in_memory(a);
    place_queries(a, op);
    fv_contract_place(a->l, op, a->d, &a->pv, a->result_tile.columns);
}

/* ---- the kernel ---- */

static void set_tile(attend *a, const fv_definition *d, const fv_contraction *c, int rows, int columns) {
    const fv_dim *n = d->index[c->row]->dim;
    fv_kemit_use(&a->e, d);
    a->t = (fv_tile){.e = &a->e, .c = c, .rest = -1, .local = a->local, .mr = rows, .nr = columns};
    fv_tile_defaults(a->l, a->d->value->def, &a->t);
    if (fv_dim_is_const(n) && a->scores_tile.rows % rows == 0)
        a->t.rest = n->value % rows;
}

static void close_to(attend *a, int depth, fv_kmark m) {
    while (a->e.b.depth > depth)
        fv_kb_end(&a->e.b);
    fv_kemit_release(&a->e, m);
}

static void emit_scores(attend *a, fv_buf *memory, fv_expr *first, fv_expr *rows) {
    int depth = a->e.b.depth, last = memory->rank - 1;
    fv_kmark m = fv_kemit_mark(&a->e);
    set_tile(a, &a->scores, &a->qk, a->scores_tile.rows, a->scores_tile.columns);
    memcpy(a->t.columns_in, a->keys, sizeof a->t.columns_in);
    fv_open_panels(&a->t, FV_SERIAL);
    fv_expr *here = fv_open_tiles(&a->t, first, rows);
    a->t.sums = memory;
    memcpy(a->t.at, a->at_memory, sizeof a->t.at);
    a->t.at[last - 1] = a->t.done;
    a->t.at[last] = a->t.j0;
    fv_tile_multiply(&a->t, here);
    close_to(a, depth, m);
}

/* The sums along a row that x is made of, inner ones first; those that are equal once. */
static void find_sums(const attend *a, fv_expr *x, sums *s) {
    for (int i = 0; i < x->n; i++)
        find_sums(a, x->arg[i], s);
    if (x->op != FV_X_REDUCE || fv_x_uses(x, a->at.key) || fv_kemit_is_known(&a->e, x))
        return;
    for (int i = 0; i < s->n; i++)
        if (fv_x_equal(s->sum[i], x))
            return;
    if (s->n < MAX_SUMS)
        s->sum[s->n++] = x;
}

/* Does x load from the memory, other than in sums that are known, where the pass takes what is kept, and in `but`? */
static bool loads(const attend *a, const fv_expr *x, const sums *s, int known, const fv_pass *pass, const fv_expr *but) {
    for (int i = 0; i < known; i++)
        if (x->op == FV_X_REDUCE && fv_x_equal(s->sum[i], x))
            return false;
    for (int i = 0; pass && i < pass->n; i++)
        if (pass->held[i] == x)
            return false;
    if (x == but)
        return false;
    if (x->op == FV_X_LOAD && x->u.buf->value == a->memory->value)
        return true;
    for (int i = 0; i < x->n; i++)
        if (loads(a, x->arg[i], s, known, pass, but))
            return true;
    return false;
}

/* What a pass keeps is written over the scores: nobody may want them any more, neither the rest of that pass. */
static bool can_keep(const attend *a, const fv_definition *weights, const sums *s) {
    bool over = false;
    for (int i = 0; i < s->n; i++) {
        const fv_pass *pass = fv_kemit_pass(&a->e, s->sum[i]);
        over |= pass && pass->x;
        if (over && loads(a, s->sum[i]->arg[0], s, i, pass, pass ? pass->x : NULL))
            return false;
    }
    return s->n < MAX_SUMS && !loads(a, weights->body, s, s->n, fv_kemit_pass(&a->e, NULL), NULL);
}

/* Opens a loop over rows, in which the first n sums are known. */
static fv_expr *open_row(attend *a, const sums *s, int n, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    fv_kemit_bind(e, a->d->index[a->at.row], binary(e, FV_X_ADD, first, r));
    fv_kemit_bind(e, a->local, r);
    for (int i = 0; i < n; i++)
        fv_kemit_memo(e, s->sum[i], fv_x_load(e->arena, s->of_rows[i], &r));
    return r;
}

/* Of each row: is what it does not see nothing, beside what it sees? */
static void emit_sees(attend *a, const sums *s, int known, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = open_row(a, s, known, first, rows);
    fv_expr *sees = fv_kb_let(&e->b, "sees", fv_kemit_expr(e, a->seen));
    fv_kb_store(&e->b, a->sees, &r, fv_x_select(e->arena, sees, integer(e, 1), integer(e, 0)), NULL);
    fv_kb_store(&e->b, a->again, NULL, fv_x_select(e->arena, sees, fv_x_load(e->arena, a->again, NULL), integer(e, 1)), NULL);
    close_to(a, depth, m);
}

static fv_expr *is_done(attend *a) { return binary(&a->e, FV_X_EQ, fv_x_load(a->e.arena, a->again, NULL), integer(&a->e, 0)); }

/* Sums from that one on, to before the other, each for all rows of the block before the next: what one row waits for, others
 * use. Behind the last of them is the row itself. */
static void emit_sums(attend *a, fv_row *w, const sums *s, int from, int to, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    for (int i = from; i < to; i++) {
        fv_expr *r = w->index[w->at - 1] = open_row(a, s, i, first, rows);
        fv_row_start(e, w, NULL);
        if (i < s->n)
            fv_kb_store(&e->b, s->of_rows[i], &r, fv_kemit_expr(e, s->sum[i]), NULL);
        else
            fv_emit_row(e, w, NULL);
        close_to(a, depth, m);
    }
}

static void emit_rows(attend *a, fv_row *w, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    const fv_definition *weights = e->def;
    bool folded = weights == &a->folded;
    sums s = {0};
    if (a->seen)
        find_sums(a, a->seen, &s);
    const int before = s.n;
    find_sums(a, weights->body, &s);
    int mark = fv_why_mark(a->l);
    fv_row_start(e, w, NULL);
    w->keeps_nothing |= e->keep.n && !can_keep(a, weights, &s);
    if (w->keeps_nothing && (!a->seen || folded)) {
        fv_why_drop(a->l, mark, FV_WHY_keeps);
        fv_declines(a->l, a->d->value, FV_WHY_keep_scores);
    }
    for (int i = 0; i < s.n; i++)
        s.of_rows[i] = fv_kb_tile(&e->b, "of_rows", (fv_elem)s.sum[i]->type.elem, 1, (int64_t[]){a->block}, NULL);
    emit_sums(a, w, &s, 0, before, first, rows);
    if (a->seen)
        emit_sees(a, &s, before, first, rows);
    if (folded)
        fv_kb_if(&e->b, is_done(a));
    emit_sums(a, w, &s, before, s.n + 1, first, rows);
    if (folded)
        fv_kb_end(&e->b);
}

static void emit_weights(attend *a, const fv_definition *weights, fv_buf *memory, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_expr *index[FV_MAX_RANK];
    fv_row w = {.vector = weights->rank - 1, .out = memory, .index = index, .at = memory->rank - 1, .asked = true};
    w.keeps_nothing = a->seen && weights == &a->weights; /* which is rare */
    memcpy(index, a->at_memory, sizeof index);
    fv_kemit_use(e, weights);
    fv_expr *plain = fv_kemit_plain(e, weights->body, a->at.key);
    if (plain) {
        fv_kb_if(&e->b, plain);
        e->plain = a->at.key;
        emit_rows(a, &w, first, rows);
        e->plain = NULL;
        fv_kb_else(&e->b);
    }
    emit_rows(a, &w, first, rows);
    if (plain)
        fv_kb_end(&e->b);
    e->rows = false;
    e->vector = NULL;
    e->keep.n = 0;
}

/* Is what row r of the tile does not see left out of it? */
static fv_expr *sees_all(attend *a, fv_expr *r) {
    fv_kemit *e = &a->e;
    fv_expr *local = binary(e, FV_X_ADD, a->t.done, r);
    return binary(e, FV_X_NE, fv_x_load(e->arena, a->sees, &local), integer(e, 0));
}

/* A hidden value may be infinite or NaN, of which 0 * v is no 0: sums that are so are computed again without it. */
static void emit_without_hidden(attend *a, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    fv_tile *t = &a->t;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_elem type = (fv_elem)a->at.sum->type.elem;
    int64_t width = t->nr;
    fv_buf *odd = fv_kb_tile(&e->b, "odd", type, 1, &width, fv_x_const(x, type, 0));
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    fv_kb_if(&e->b, sees_all(a, r));
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, width)), *at[2] = {r, c};
    fv_kb_store(&e->b, odd, &c, fv_x_fma(x, fv_x_load(x, t->sums, at), fv_x_const(x, type, 0), fv_x_load(x, odd, &c)), NULL);
    close_to(a, depth, m);
    fv_expr *any = fv_kemit_fold(e, odd, FV_SUM);
    fv_kb_if(&e->b, binary(e, FV_X_NE, any, any));
    r = open_loop(e, FV_SERIAL, "r", rows);
    fv_kb_if(&e->b, sees_all(a, r));
    c = open_loop(e, FV_SERIAL, "c", t->columns);
    fv_tile_bind(t, r, c);
    fv_kemit_hoist(e, a->where);
    fv_buf *acc = fv_kb_tile(&e->b, "acc", type, 0, NULL, fv_x_const(x, type, 0));
    fv_expr *k = fv_kb_for(&e->b, FV_SERIAL, "k", a->keys[0], a->keys[1], 1);
    fv_kemit_bind(e, a->at.key, k);
    fv_kb_if(&e->b, fv_x_un(x, FV_X_NOT, fv_kemit_expr(e, a->where)));
    fv_kb_store(&e->b, acc, NULL, fv_x_fma(x, fv_kemit_expr(e, a->pv.a), fv_kemit_expr(e, a->pv.b), fv_x_load(x, acc, NULL)), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kb_store(&e->b, t->sums, (fv_expr *[]){r, c}, fv_x_load(x, acc, NULL), NULL);
    close_to(a, depth, m);
}

static void emit_result(attend *a, fv_value *value, fv_expr *first, fv_expr *rows) {
    int depth = a->e.b.depth;
    fv_kmark m = fv_kemit_mark(&a->e);
    set_tile(a, a->d, &a->pv, a->result_tile.rows, a->result_tile.columns);
    fv_open_panels(&a->t, FV_SERIAL);
    fv_expr *here = fv_open_tiles(&a->t, first, rows);
    fv_tile_sums(&a->t, a->t.mr);
    memcpy(a->t.steps_in, a->keys, sizeof a->t.steps_in);
    fv_tile_multiply(&a->t, here);
    if (a->seen)
        emit_without_hidden(a, here);
    fv_tile_store(&a->t, value, a->index, here);
    close_to(a, depth, m);
}

/* The weights of a block as a result; what is hidden from all of it is not in its memory. */
static void emit_kept(attend *a, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    fv_definition d = *a->kept;
    fv_expr *index[FV_MAX_RANK], *key = NULL;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    d.body = in_memory(a);
    fv_kemit_use(e, &d);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    fv_kemit_bind(e, a->d->index[a->at.row], binary(e, FV_X_ADD, first, r));
    fv_kemit_bind(e, a->local, r);
    for (int i = 0; i < d.rank; i++)
        if (fv_definition_axis(a->d, d.index[i]) == a->d->rank)
            fv_kemit_bind(e, d.index[i], key = open_loop(e, FV_VECTOR, d.index[i]->name, fv_kemit_dim(e, a->at.key->dim)));
    fv_kemit_bind(e, a->at.key, key);
    for (int i = 0; i < d.rank; i++)
        index[i] = fv_kemit_expr(e, fv_x_var(a->l->exprs, d.index[i]));
    fv_expr *w = fv_kemit_expr(e, d.body);
    if (a->keys[0])
        w = fv_x_select(x, binary(e, FV_X_AND, binary(e, FV_X_LE, a->keys[0], key), binary(e, FV_X_LT, key, a->keys[1])), w,
                        fv_x_const(x, (fv_elem)w->type.elem, 0));
    fv_kemit_store(e, fv_kemit_out(e, (fv_value *)(uintptr_t)d.value), index, w);
    close_to(a, depth, m);
    fv_kemit_use(e, a->d);
}

/* Opens a vector loop over v in which what is stored goes to [.., row, v] of a task's memory. */
static fv_buf *open_memory(attend *a, fv_buf *of, fv_expr *row, fv_var *v, fv_expr **index) {
    fv_kemit *e = &a->e;
    fv_buf *b = fv_kemit_in(e, of);
    b->role = FV_BUF_INOUT;
    memcpy(index, a->at_memory, sizeof a->at_memory);
    index[b->rank - 2] = row;
    index[b->rank - 1] = open_loop(e, FV_VECTOR, v->name, fv_kemit_dim(e, v->dim));
    fv_kemit_bind(e, v, index[b->rank - 1]);
    return b;
}

static void emit_masks(attend *a) {
    fv_kemit *e = &a->e;
    fv_expr *index[FV_MAX_RANK];
    int depth = e->b.depth;
    for (int i = 0; i < a->nmasks; i++) {
        fv_kmark m = fv_kemit_mark(e);
        fv_definition d = over_keys(a, a->of_key[i]);
        fv_kemit_use(e, &d);
        fv_buf *masks = open_memory(a, a->masks, integer(e, i), a->at.key, index);
        fv_kb_store(&e->b, masks, index, fv_kemit_expr(e, a->of_key[i]), NULL);
        close_to(a, depth, m);
    }
    fv_kemit_use(e, a->d);
}

static void emit_queries(attend *a, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_expr *index[FV_MAX_RANK];
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_definition d = over_keys(a, a->of_query);
    fv_kemit_use(e, &d);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    fv_kemit_bind(e, a->d->index[a->at.row], binary(e, FV_X_ADD, first, r));
    fv_buf *queries = open_memory(a, a->queries, r, a->at.score->u.red.vars[0], index);
    fv_kb_store(&e->b, queries, index, fv_kemit_expr(e, a->of_query), NULL);
    close_to(a, depth, m);
    fv_kemit_use(e, a->d);
}

/* ---- keys that a block sees ---- */

/* Keys that are looked for together: whole panels of scores, and whole steps of sums along a row. */
static int part_of_keys(const attend *a) {
    int columns = a->scores_tile.columns, part = columns;
    while (part % FV_CHAINS)
        part += columns;
    return part * (part < FV_KEYS_TOGETHER ? FV_KEYS_TOGETHER / part : 1);
}

static fv_key_search search_of(attend *a) {
    return (fv_key_search){&a->e, a->where, a->d->index[a->at.row], a->at.key, part_of_keys(a), (fv_elem)a->memory->elem};
}

static void find_keys(attend *a, const fv_keys_found *found, fv_expr *first, fv_expr *rows) {
    fv_kemit_use(&a->e, &a->folded);
    fv_key_search s = search_of(a);
    fv_find_keys(&s, found, first, rows);
}

/* Which sums of the weights are over the scores: the others are of queries and keys as they were. */
static void note_ranged(attend *a, const fv_expr *x, fv_ptrmap *ranged) {
    if (x->op == FV_X_REDUCE && loads(a, x->arg[0], NULL, 0, NULL, NULL))
        *fv_ptrmap_at(ranged, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n; i++)
        note_ranged(a, x->arg[i], ranged);
}

static void emit_block(attend *a, fv_value *value, fv_buf *memory, fv_expr *first, fv_expr *rows) {
    emit_scores(a, memory, first, rows);
    emit_weights(a, &a->weights, memory, first, rows);
    if (a->kept)
        emit_kept(a, first, rows);
    emit_result(a, value, first, rows);
}

static fv_buf *new_scalar(attend *a, const char *name, fv_expr *is) { return fv_kb_tile(&a->e.b, name, FV_I64, 0, NULL, is); }

/* With the keys that some row sees; then, where one of the others may weigh something, with all. */
static void emit_folded(attend *a, fv_value *value, fv_buf *memory, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    int64_t block = a->block;
    fv_ptrmap ranged = fv_ptrmap_in(a->l->exprs);
    note_ranged(a, a->folded.body, &ranged);
    note_ranged(a, a->seen, &ranged);
    fv_expr *n = fv_kemit_dim(e, a->at.key->dim), *zero = integer(e, 0);
    fv_key_search s = search_of(a);
    const bool frees = fv_knows_free_keys(&s);
    fv_keys_found found = {.seen = {new_scalar(a, "from_key", n), new_scalar(a, "to_key", zero)}};
    for (int i = 0; i < 2 && frees; i++)
        found.free[i] = new_scalar(a, i ? "free_to" : "free_from", zero);
    a->sees = fv_kb_tile(&e->b, "sees", FV_I64, 1, &block, NULL);
    a->again = new_scalar(a, "again", zero);
    fv_expr *plain = fv_kemit_plain(e, a->where, a->at.key);
    if (plain) {
        fv_kb_if(&e->b, plain);
        e->plain = a->at.key;
        find_keys(a, &found, first, rows);
        e->plain = NULL;
        fv_kb_else(&e->b);
    }
    find_keys(a, &found, first, rows);
    if (plain)
        fv_kb_end(&e->b);
    fv_expr *time = fv_kb_for(&e->b, FV_SERIAL, "time", zero, integer(e, 2), 1), *once = binary(e, FV_X_EQ, time, zero);
    fv_kb_if(&e->b, binary(e, FV_X_OR, once, fv_x_un(x, FV_X_NOT, is_done(a))));
    fv_expr *to = fv_x_load(x, found.seen[1], NULL), *lo = binary(e, FV_X_MIN, fv_x_load(x, found.seen[0], NULL), to);
    a->keys[0] = fv_kb_let(&e->b, "lo", fv_x_select(x, once, lo, zero));
    a->keys[1] = fv_kb_let(&e->b, "hi", fv_x_select(x, once, to, n));
    emit_scores(a, memory, first, rows);
    fv_kb_if(&e->b, once);
    e->range = (struct fv_range){.dim = a->at.key->dim, .lo = a->keys[0], .hi = a->keys[1], .sums = &ranged, .width = s.width,
                                 .term = a->at.key, .where = a->where};
    for (int i = 0; i < 2 && frees; i++)
        e->range.free[i] = fv_kb_let(&e->b, i ? "free_hi" : "free_lo", binary(e, FV_X_MAX, fv_x_load(x, found.free[i], NULL), a->keys[0]));
    emit_weights(a, &a->folded, memory, first, rows);
    e->range.dim = NULL;
    fv_kb_else(&e->b);
    emit_weights(a, &a->weights, memory, first, rows);
    fv_kb_end(&e->b);
    fv_kb_if(&e->b, binary(e, FV_X_OR, fv_x_un(x, FV_X_NOT, once), is_done(a)));
    if (a->kept)
        emit_kept(a, first, rows);
    emit_result(a, value, first, rows);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

/* What `seen` has of the whole task. */
static void emit_bounds(attend *a) {
    fv_kemit *e = &a->e;
    fv_kemit_use(e, &a->folded);
    e->rows = true;
    fv_kemit_hoist(e, a->seen);
    e->rows = false;
    fv_kemit_use(e, a->d);
}

/* Tasks; then blocks of queries: *first is where one begins, the result how many it has. */
static fv_expr *open_blocks(attend *a, fv_expr **first) {
    fv_kemit *e = &a->e;
    const fv_dim *queries = a->d->index[a->at.row]->dim, *chunks = a->chunk->dim;
    int n = 0;
    for (int i = 0; i < a->d->rank; i++) {
        if (i == a->at.row || i == a->at.column)
            continue;
        a->index[i] = open_loop(e, FV_PARALLEL, a->d->index[i]->name, fv_kemit_dim(e, a->d->index[i]->dim));
        fv_kemit_bind(e, a->d->index[i], a->index[i]);
        a->at_memory[n++] = a->index[i];
    }
    fv_expr *count = fv_kemit_dim(e, queries), *blocks = fv_kemit_dim(e, chunks), *block = integer(e, a->block);
    fv_expr *tile = integer(e, a->scores_tile.rows), *size;
    fv_expr *step = fv_ceildiv(e, count, blocks);
    step = binary(e, FV_X_MAX, binary(e, FV_X_MUL, fv_ceildiv(e, step, tile), tile), tile);
    fv_expr *chunk = fv_open_blocks(e, FV_PARALLEL, "chunk", count, blocks, step, fv_dim_is_one(chunks), first, &size);
    fv_kemit_bind(e, a->chunk, chunk);
    a->at_memory[n] = chunk;
    if (a->nmasks)
        emit_masks(a);
    if (a->seen)
        emit_bounds(a);
    if (queries->hi <= a->block)
        return size;
    fv_expr *from = fv_kb_for(&e->b, FV_SERIAL, "from", integer(e, 0), size, a->block);
    *first = fv_kb_let(&e->b, "query", binary(e, FV_X_ADD, *first, from));
    return fv_kb_let(&e->b, "queries", binary(e, FV_X_MIN, block, binary(e, FV_X_SUB, size, from)));
}

bool fv_is_attended(fv_lowerer *l, const fv_definition *d, fv_attention *at) {
    attend a = {.l = l, .d = d};
    if (!fv_find_attention(l, d, &a.at))
        return false;
    set_products(&a);
    *at = a.at;
    return fv_contract_fits(l, &a.scores, &a.qk) && fv_contract_fits(l, d, &a.pv);
}

void fv_attend_keeps(void *plan, const fv_definition *weights) { ((attend *)plan)->kept = weights; }

static void *choose(fv_lowerer *l, const fv_storage *s) {
    fv_attention found;
    if (!fv_find_attention(l, s->def, &found))
        return NULL;
    attend *a = FV_NEW(l->arena, attend, 1);
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
    attend *a = plan;
    if (a->nouter || !fv_dim_is_one(a->chunk->dim))
        fv_takes(l, s->value, FV_WHY_tasks_heads, fv_n(a->tasks));
    else
        fv_declines(l, s->value, FV_WHY_tasks_chunk, fv_d(a->d->index[a->at.row]->dim));
    fv_kemit *e = &a->e;
    fv_expr *first;
    fv_kemit_init(e, l, a->d, "Attention");
    fv_expr *rows = open_blocks(a, &first);
    fv_buf *memory = fv_kemit_in(e, a->memory);
    memory->role = FV_BUF_INOUT;
    if (a->queries)
        emit_queries(a, first, rows);
    (a->seen ? emit_folded : emit_block)(a, s->value, memory, first, rows);
    while (e->b.depth)
        fv_kb_end(&e->b);
    const fv_definition *all[2] = {a->kept, a->d};
    e->all = all;
    e->nall = a->kept ? 2 : 0;
    fv_kemit_finish(e, op, &a->chosen.how);
    fv_chosen(&a->chosen, FV_SCHEDULE_attend);
}

const fv_scheduler fv_schedule_attend = {.choose = choose, .place = place, .emit = emit};
