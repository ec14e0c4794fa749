/* attend_emit.c - emits the loops of a kernel of attention; attention.c explains them. */
#include "backend/schedule/attend/attend.h"

#include <string.h>

#include "backend/lowering/why.h"
#include "backend/schedule/attend/attend_keys.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/rows/map.h"
#include "ir/base/limits.h"
#include "ir/definition/bits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* largest number of sums along a row that the kernel computes one after the other */
enum { MAX_SUMS = 16 };

typedef struct sums {
    const fv_attend *a;
    int n;
    fv_expr *sum[MAX_SUMS];
    fv_buf *of_rows[MAX_SUMS]; /* a buffer with an element for each row of the block */
} sums;

/* ---- definitions and memory ---- */

fv_definition fv_attend_over_keys(const fv_attend_plan *p, fv_expr *body) {
    fv_definition s = {.value = p->d->value, .body = body};
    s.index = FV_NEW(p->l->exprs, fv_var *, p->d->rank + 1);
    for (int i = 0; i < p->d->rank; i++)
        if (i != p->at.column)
            s.index[s.rank++] = p->d->index[i];
    s.index[s.rank++] = p->at.key;
    return s;
}

fv_expr *fv_attend_of_task(const fv_attend_plan *p, fv_buf *b, fv_expr *row, fv_var *last) {
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < p->tasks.nouter; i++)
        index[i] = fv_x_var(p->l->exprs, p->tasks.outer[i]);
    index[p->tasks.nouter] = fv_x_var(p->l->exprs, p->tasks.chunk);
    index[p->tasks.nouter + 1] = row;
    index[p->tasks.nouter + 2] = fv_x_var(p->l->exprs, last);
    return fv_x_load(p->l->exprs, b, index);
}

fv_expr *fv_attend_in_memory(const fv_attend_plan *p) {
    return fv_attend_of_task(p, p->memory.scores, fv_x_var(p->l->exprs, p->tasks.local), p->at.key);
}

fv_expr *fv_attend_is_shared(fv_attend *a, bool within) {
    fv_kemit *e = &a->e;
    fv_expr *zero = integer(e, 0), *is = NULL;
    if (!a->p->shared.times)
        return NULL;
    if (!within)
        is = binary(e, FV_X_LT, zero, fv_kemit_dim(e, a->p->shared.times));
    if (!a->p->shared.sees_all)
        return is;
    fv_buf *b = fv_kemit_in(e, a->p->shared.sees_all);
    fv_expr *sees =
        is ? fv_x_guard(e->arena, b, a->at_memory, is, zero) : fv_x_load(e->arena, b, a->at_memory);
    return binary(e, FV_X_NE, sees, zero);
}

/* ---- scores ---- */

static void emit_single_scores(fv_attend *a, fv_buf *memory, fv_expr *query) {
    fv_kemit *e = &a->e;
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_use(e, &a->p->scores);
    fv_kemit_bind(e, a->p->d->index[a->p->at.row], query);
    if (a->group)
        fv_kemit_bind(e, a->p->single.row, a->group);
    fv_single_emit(e, &a->p->single, a->group, a->p->tasks.local, memory, a->at_memory,
                   fv_kemit_dim(e, a->p->at.key->dim), a->keys);
    fv_kemit_release(e, m);
}

static void emit_tiles(fv_attend *a, fv_buf *memory, fv_expr *first, fv_expr *rows) {
    int depth = a->e.b.depth, last = memory->rank - 1;
    fv_kmark m = fv_kemit_mark(&a->e);
    fv_attend_tile(a, &a->p->scores, &a->p->qk);
    memcpy(a->t.only.columns, a->keys, sizeof a->t.only.columns);
    if (a->t.plan.outlined) { /* all panels in one function: a tile takes few steps */
        fv_kb_outline(&a->e.b);
        a->t.plan.outlined = false;
    }
    fv_open_panels(&a->t, FV_SERIAL);
    fv_expr *here = fv_open_tiles(&a->t, first, rows);
    a->t.sums.buf = memory;
    memcpy(a->t.sums.at, a->at_memory, sizeof a->t.sums.at);
    a->t.sums.at[last - 1] = a->t.rows.done;
    a->t.sums.at[last] = a->t.j0;
    a->t.sums.as = a->unmasked ? a->p->stored.unmasked : a->p->stored.x;
    fv_tile_multiply(&a->t, here);
    fv_attend_close(a, depth, m);
}

static void emit_scores(fv_attend *a, fv_buf *memory, fv_expr *first, fv_expr *rows) {
    if (a->alone)
        emit_single_scores(a, memory, first);
    else
        emit_tiles(a, memory, first, rows);
}

typedef void emits(fv_attend *a, void *user);

/* Emits code for an expression that may be broadcast along the keys. If the run finds that it is
 * not, a separate loop is used, in which its loads are contiguous along the keys. */
static void emit_either(fv_attend *a, const fv_expr *x, emits *emit, void *user) {
    fv_kemit *e = &a->e;
    fv_expr *plain = fv_kemit_plain(e, x, a->p->at.key);
    if (plain) {
        fv_kb_if(&e->b, plain);
        e->loop.plain = a->p->at.key;
        emit(a, user);
        e->loop.plain = NULL;
        fv_kb_else(&e->b);
    }
    emit(a, user);
    if (plain)
        fv_kb_end(&e->b);
}

/* ---- weights ---- */

static fv_expr *note_sum(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    sums *s = r->user;
    const fv_attend *a = s->a;
    bool of_row =
        x->op == FV_X_REDUCE && !fv_x_uses(x, a->p->at.key) && !fv_kemit_is_known(&a->e, x);
    for (int i = 0; i < s->n && of_row; i++)
        of_row = !fv_x_equal(s->sum[i], x);
    if (of_row && s->n < MAX_SUMS)
        s->sum[s->n++] = x;
    (void)args;
    return x;
}

/* Collects the sums along a row that x contains, each once, inner ones before the sums that contain
 * them. */
static void find_sums(sums *s, const fv_expr *x) {
    fv_x_rewriter r = {.arena = s->a->p->l->exprs,
                       .memo = fv_ptrmap_in(s->a->p->l->current.scratch),
                       .after = note_sum,
                       .user = s};
    /* the rewrite changes nothing; it visits arguments before the expressions that contain them */
    (void)fv_x_rewrite(&r, x);
}

/* Does x load from the memory of scores? Loads are ignored within the first `known` sums, within
 * values that the pass loads from the row, and in `but`. */
static bool loads(const fv_attend *a, const fv_expr *root, const sums *s, int known,
                  const fv_pass *pass, const fv_expr *but) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a->p->l->current.scratch, root); (x = fv_x_next(&v));) {
        bool other = x != but;
        for (int i = 0; i < known && x->op == FV_X_REDUCE; i++)
            other &= !fv_x_equal(s->sum[i], x);
        for (int i = 0; pass && i < pass->n; i++)
            other &= pass->held[i] != x;
        if (other && x->op == FV_X_LOAD && x->u.buf->value == a->p->memory.scores->value)
            return true;
        if (!other)
            fv_x_skip(&v);
    }
    return false;
}

/* Can passes store their results in place of the scores? The scores must not be needed afterwards,
 * nor by the rest of the pass, and s must list all sums. */
static bool can_keep(const fv_attend *a, const fv_definition *weights, const sums *s) {
    bool over = false;
    for (int i = 0; i < s->n; i++) {
        const fv_pass *pass = fv_kemit_pass(&a->e, s->sum[i]);
        over |= pass && pass->x;
        if (over && loads(a, s->sum[i]->arg[0], s, i, pass, pass ? pass->x : NULL))
            return false;
    }
    return s->n < MAX_SUMS && !loads(a, weights->body, s, s->n, fv_kemit_pass(&a->e, NULL), NULL);
}

/* The largest number of rows that are processed at a time. */
static int most_rows(const fv_attend *a) {
    return a->alone ? a->p->single.rows : a->p->tasks.block;
}

/* Binds row r of the queries from `first` on, or of those of `single`. */
static void bind_row(fv_attend *a, fv_expr *first, fv_expr *r) {
    fv_kemit *e = &a->e;
    fv_kemit_bind(e, a->p->d->index[a->p->at.row],
                  a->group ? first : binary(e, FV_X_ADD, first, r));
    if (a->group)
        fv_kemit_bind(e, a->p->single.row, binary(e, FV_X_ADD, a->group, r));
    fv_kemit_bind(e, a->p->tasks.local, r);
}

/* Opens a loop over such rows; returns the row. */
static fv_expr *open_rows(fv_attend *a, fv_expr *first, fv_expr *rows) {
    fv_expr *r = open_loop(&a->e, FV_SERIAL, "r", rows);
    bind_row(a, first, r);
    return r;
}

/* Lets the first n sums of row r be loaded from where emit_sums stored them. */
static void bind_sums(fv_attend *a, const sums *s, int n, fv_expr *r) {
    for (int i = 0; i < n; i++)
        fv_kemit_memo(&a->e, s->sum[i], fv_x_load(a->e.arena, s->of_rows[i], &r));
}

/* Computes for each row whether hidden keys have weight exactly 0. */
static void emit_sees(fv_attend *a, const sums *s, int known, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = open_rows(a, first, rows);
    bind_sums(a, s, known, r);
    fv_expr *sees = fv_kb_let(&e->b, "sees", fv_kemit_expr(e, a->seen));
    fv_kb_store(&e->b, a->sees, &r, fv_x_select(e->arena, sees, integer(e, 1), integer(e, 0)),
                NULL);
    fv_kb_store(&e->b, a->again, NULL,
                fv_x_select(e->arena, sees, fv_x_load(e->arena, a->again, NULL), integer(e, 1)),
                NULL);
    fv_attend_close(a, depth, m);
}

static fv_expr *is_done(fv_attend *a) {
    return binary(&a->e, FV_X_EQ, fv_x_load(a->e.arena, a->again, NULL), integer(&a->e, 0));
}

/* Emits sum number i of row r; after the last sum, the row itself. */
static void emit_sum(fv_attend *a, fv_row *w, const sums *s, int i, fv_expr *r) {
    fv_kemit *e = &a->e;
    bind_sums(a, s, i, r);
    w->index[w->at - 1] = r;
    fv_row_start(e, w, NULL);
    if (i < s->n)
        fv_kb_store(&e->b, s->of_rows[i], &r, fv_kemit_expr(e, s->sum[i]), NULL);
    else
        fv_emit_row(e, w, NULL);
}

/* Emits the sums from number `from` to before `to`, and after the last sum the row itself. An
 * iteration computes a sum of one row, the next sum of the row before it, and so on, so that none
 * of them waits for another one, and the units that are idle during exponentials compute the
 * maximum of the next row: attention of MiniLM with 384 tokens takes 0.99 of its time (Zen 4).
 * With few queries, or without vectors, each sum is computed for all rows before the next one. */
static void emit_sums(fv_attend *a, fv_row *w, const sums *s, int from, int to, fv_expr *first,
                      fv_expr *rows) {
    fv_kemit *e = &a->e;
    const int depth = e->b.depth;
    const bool together =
        to - from > 1 && !a->alone && most_rows(a) > 1 && fv_is_vector_processor(a->p->l->target);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = NULL;
    if (together)
        r = open_loop(e, FV_SERIAL, "r", binary(e, FV_X_ADD, rows, integer(e, to - from - 1)));
    const int inside = e->b.depth;
    for (int i = from; i < to; i++) {
        fv_expr *row = r, *late = integer(e, i - from);
        if (!together) {
            row = open_loop(e, FV_SERIAL, "r", rows);
        } else if (i == from) {
            fv_kb_if(&e->b, binary(e, FV_X_LT, r, rows));
        } else {
            fv_expr *begun = binary(e, FV_X_LE, late, r),
                    *ends = binary(e, FV_X_LT, r, binary(e, FV_X_ADD, rows, late)),
                    *last = integer(e, most_rows(a) - 1);
            fv_kb_if(&e->b, i == to - 1 ? begun : binary(e, FV_X_AND, begun, ends));
            row = binary(e, FV_X_MIN, binary(e, FV_X_SUB, r, late), last);
            row = fv_kb_let(&e->b, "row", row);
        }
        bind_row(a, first, row);
        emit_sum(a, w, s, i, row);
        fv_attend_close(a, inside, m);
    }
    fv_kb_end_to(&e->b, depth);
}

typedef struct block_rows {
    fv_row w;
    fv_expr *first, *rows;
} block_rows;

static void emit_rows(fv_attend *a, void *user) {
    block_rows *b = user;
    fv_row *w = &b->w;
    fv_expr *first = b->first, *rows = b->rows;
    fv_kemit *e = &a->e;
    const fv_definition *weights = e->def;
    bool folded = weights == &a->weights->folded;
    sums s = {.a = a};
    if (a->seen)
        find_sums(&s, a->seen);
    const int before = s.n;
    find_sums(&s, weights->body);
    int mark = fv_why_mark(a->p->l);
    fv_row_start(e, w, NULL);
    w->keeps_nothing |= e->keep.n && !can_keep(a, weights, &s);
    if (w->keeps_nothing && (!a->seen || folded)) {
        fv_why_drop(a->p->l, mark, FV_WHY_keeps);
        fv_declines(a->p->l, a->p->d->value, FV_WHY_keep_scores);
    }
    for (int i = 0; i < s.n; i++)
        s.of_rows[i] = fv_kb_tile(&e->b, "of_rows", (fv_elem)s.sum[i]->type.elem, 1,
                                  (int64_t[]){most_rows(a)}, NULL);
    emit_sums(a, w, &s, 0, before, first, rows);
    if (a->seen)
        emit_sees(a, &s, before, first, rows);
    if (folded)
        fv_kb_if(&e->b, is_done(a));
    emit_sums(a, w, &s, before, s.n + 1, first, rows);
    if (folded)
        fv_kb_end(&e->b);
}

static void emit_weights(fv_attend *a, const fv_definition *weights, fv_buf *memory, fv_expr *first,
                         fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_expr *index[FV_MAX_RANK];
    block_rows b = {.first = first, .rows = rows};
    b.w = (fv_row){.vector = weights->rank - 1,
                   .out = memory,
                   .index = index,
                   .at = memory->rank - 1,
                   .plain_decided = true};
    /* if hidden keys can be left out, computing all keys is rare: its passes keep nothing */
    b.w.keeps_nothing = a->seen && weights == &a->weights->all;
    memcpy(index, a->at_memory, sizeof index);
    fv_kemit_use(e, weights);
    emit_either(a, weights->body, emit_rows, &b);
    e->sums.rows = false;
    e->loop.vector = NULL;
    e->keep.n = 0;
}

/* ---- memory of a task ---- */

/* Stores the weights of a block as a result; stores 0 for keys that are hidden from all rows of the
 * block. */
static void emit_kept(fv_attend *a, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    fv_definition d = *a->p->weights.kept;
    fv_expr *index[FV_MAX_RANK], *key = NULL;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    d.body = fv_attend_in_memory(a->p);
    fv_kemit_use(e, &d);
    open_rows(a, first, rows);
    for (int i = 0; i < d.rank; i++)
        if (fv_definition_axis(a->p->d, d.index[i]) == a->p->d->rank)
            fv_kemit_bind(e, d.index[i],
                          key = open_loop(e, FV_VECTOR, d.index[i]->name,
                                          fv_kemit_dim(e, a->p->at.key->dim)));
    fv_kemit_bind(e, a->p->at.key, key);
    for (int i = 0; i < d.rank; i++)
        index[i] = fv_kemit_expr(e, fv_x_var(a->p->l->exprs, d.index[i]));
    fv_expr *w = fv_kemit_expr(e, d.body);
    if (a->keys[0])
        w = fv_x_select(x,
                        binary(e, FV_X_AND, binary(e, FV_X_LE, a->keys[0], key),
                               binary(e, FV_X_LT, key, a->keys[1])),
                        w, fv_x_const(x, (fv_elem)w->type.elem, 0));
    fv_kemit_store(e, fv_kemit_out(e, (fv_value *)(uintptr_t)d.value), index, w);
    fv_attend_close(a, depth, m);
    fv_kemit_use(e, a->p->d);
}

/* Opens a vector loop over v whose body stores to [.., row, v] of a task's memory. Returns that
 * memory, and sets `index` to these indices. */
static fv_buf *open_memory(fv_attend *a, fv_buf *of, fv_expr *row, fv_var *v, fv_expr **index) {
    fv_kemit *e = &a->e;
    fv_buf *b = fv_kemit_in(e, of);
    b->role = FV_BUF_INOUT;
    memcpy(index, a->at_memory, sizeof a->at_memory);
    index[b->rank - 2] = row;
    index[b->rank - 1] = open_loop(e, FV_VECTOR, v->name, fv_kemit_dim(e, v->dim));
    fv_kemit_bind(e, v, index[b->rank - 1]);
    return b;
}

void fv_attend_masks(fv_attend *a) {
    fv_kemit *e = &a->e;
    fv_expr *index[FV_MAX_RANK];
    int depth = e->b.depth;
    for (int i = 0; i < a->p->memory.nmasks; i++) {
        fv_kmark m = fv_kemit_mark(e);
        fv_definition d = fv_attend_over_keys(a->p, a->p->memory.of_key[i]);
        fv_kemit_use(e, &d);
        fv_buf *masks = open_memory(a, a->p->memory.masks, integer(e, i), a->p->at.key, index);
        fv_kb_store(&e->b, masks, index, fv_kemit_expr(e, a->p->memory.of_key[i]), NULL);
        fv_attend_close(a, depth, m);
    }
    fv_kemit_use(e, a->p->d);
}

void fv_attend_queries(fv_attend *a, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_expr *index[FV_MAX_RANK];
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_definition d = fv_attend_over_keys(a->p, a->p->memory.of_query);
    fv_kemit_use(e, &d);
    fv_buf *queries = open_memory(a, a->p->memory.queries, open_rows(a, first, rows),
                                  a->p->at.score->u.red.vars[0], index);
    fv_kb_store(&e->b, queries, index, fv_kemit_expr(e, a->p->memory.of_query), NULL);
    fv_attend_close(a, depth, m);
    fv_kemit_use(e, a->p->d);
}

/* ---- keys that a block sees ---- */

/* The number of keys for which visibility is decided at once: a multiple of the panels of scores
 * and of the chains of sums. */
static int part_of_keys(const fv_attend *a) {
    int columns = a->p->qk.columns, part = columns;
    while (part % FV_CHAINS)
        part += columns;
    return part * (part < FV_KEYS_TOGETHER ? FV_KEYS_TOGETHER / part : 1);
}

static fv_key_search search_of(fv_attend *a) {
    return (fv_key_search){&a->e,        a->p->weights.where, a->p->d->index[a->p->at.row],
                           a->p->at.key, part_of_keys(a),     (fv_elem)a->p->memory.scores->elem};
}

typedef struct sought {
    const fv_keys_found *found;
    fv_expr *first, *rows;
} sought;

static void find_keys(fv_attend *a, void *user) {
    const sought *u = user;
    fv_key_search s = search_of(a);
    fv_find_keys(&s, u->found, u->first, u->rows);
    int half = s.width / 2;
    if (half % a->p->qk.columns == 0 && half % FV_CHAINS == 0)
        fv_trim_keys(&s, u->found, u->first, u->rows);
}

/* Collects the sums within the weights that run over scores, as opposed to sums over other
 * values. */
static void note_ranged(fv_attend *a, const fv_expr *root, fv_ptrmap *ranged) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a->p->l->current.scratch, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_REDUCE && loads(a, x->arg[0], NULL, 0, NULL, NULL))
            *fv_ptrmap_at(ranged, x) = (void *)(uintptr_t)x;
}

static void emit_block(fv_attend *a, const fv_definition *weights, fv_value *value, fv_buf *memory,
                       fv_expr *first, fv_expr *rows) {
    emit_scores(a, memory, first, rows);
    emit_weights(a, weights, memory, first, rows);
    if (a->p->weights.kept)
        emit_kept(a, first, rows);
    fv_attend_result(a, value, first, rows);
}

static fv_buf *new_scalar(fv_attend *a, const char *name, fv_expr *is) {
    return fv_kb_tile(&a->e.b, name, FV_I64, 0, NULL, is);
}

/* Emits the computation with the keys that some row sees. If a hidden key may then have a weight
 * other than 0, the computation is repeated with all keys. */
static void emit_folded(fv_attend *a, fv_value *value, fv_buf *memory, fv_expr *first,
                        fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    int64_t most = most_rows(a);
    fv_ptrmap ranged = fv_ptrmap_in(a->p->l->current.scratch);
    note_ranged(a, a->weights->folded.body, &ranged);
    note_ranged(a, a->seen, &ranged);
    fv_expr *n = fv_kemit_dim(e, a->p->at.key->dim), *zero = integer(e, 0);
    fv_key_search s = search_of(a);
    const bool frees = fv_knows_free_keys(&s);
    fv_keys_found found = {.seen = {new_scalar(a, "from_key", n), new_scalar(a, "to_key", zero)}};
    for (int i = 0; i < 2 && frees; i++)
        found.free[i] = new_scalar(a, i ? "free_to" : "free_from", zero);
    a->sees = fv_kb_tile(&e->b, "sees", FV_I64, 1, &most, NULL);
    a->again = new_scalar(a, "again", zero);
    fv_kemit_use(e, &a->weights->folded);
    emit_either(a, a->p->weights.where, find_keys,
                &(sought){&found, first, a->alone ? integer(e, a->p->single.queries) : rows});
    fv_expr *time = fv_kb_for(&e->b, FV_SERIAL, "time", zero, integer(e, 2), 1),
            *once = binary(e, FV_X_EQ, time, zero);
    fv_kb_if(&e->b, binary(e, FV_X_OR, once, fv_x_un(x, FV_X_NOT, is_done(a))));
    fv_expr *to = fv_x_load(x, found.seen[1], NULL),
            *lo = binary(e, FV_X_MIN, fv_x_load(x, found.seen[0], NULL), to);
    a->keys[0] = fv_kb_let(&e->b, "lo", fv_x_select(x, once, lo, zero));
    a->keys[1] = fv_kb_let(&e->b, "hi", fv_x_select(x, once, to, n));
    emit_scores(a, memory, first, rows);
    fv_kb_if(&e->b, once);
    e->range = (fv_term_range){.dim = a->p->at.key->dim,
                               .lo = a->keys[0],
                               .hi = a->keys[1],
                               .sums = &ranged,
                               .width = s.width,
                               .term = a->p->at.key,
                               .where = a->p->weights.where};
    for (int i = 0; i < 2 && frees; i++)
        e->range.free[i] =
            fv_kb_let(&e->b, i ? "free_hi" : "free_lo",
                      binary(e, FV_X_MAX, fv_x_load(x, found.free[i], NULL), a->keys[0]));
    emit_weights(a, &a->weights->folded, memory, first, rows);
    e->range.dim = NULL;
    fv_kb_else(&e->b);
    emit_weights(a, &a->weights->all, memory, first, rows);
    fv_kb_end(&e->b);
    fv_kb_if(&e->b, binary(e, FV_X_OR, fv_x_un(x, FV_X_NOT, once), is_done(a)));
    if (a->p->weights.kept)
        emit_kept(a, first, rows);
    fv_attend_result(a, value, first, rows);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    a->keys[0] = a->keys[1] = NULL;
}

/* Computes the parts of the condition `seen` that are the same for the whole task. */
static void emit_bounds(fv_attend *a) {
    fv_kemit *e = &a->e;
    fv_kemit_use(e, &a->weights->folded);
    e->sums.rows = true;
    fv_kemit_hoist(e, a->seen);
    e->sums.rows = false;
    fv_kemit_use(e, a->p->d);
}

/* ---- a single query ---- */

typedef struct hiding {
    fv_expr *where;
    fv_buf *hides;
    fv_expr *query;
} hiding;

static void find_hidden_key(fv_attend *a, void *user) {
    const hiding *u = user;
    fv_key_search s = search_of(a);
    s.where = u->where;
    fv_find_hidden_key(&s, u->hides, u->query, integer(&a->e, a->p->single.queries));
}

void fv_attend_find_hidden(fv_attend *a, fv_expr *where, fv_buf *hides, fv_expr *query) {
    fv_kemit *e = &a->e;
    fv_kemit_use(e, &a->weights->folded);
    emit_either(a, where, find_hidden_key, &(hiding){where, hides, query});
    fv_kemit_use(e, a->p->d);
}

/* Emits the test whether `where` holds for no key and none of the few queries beginning with
 * `query`, or, if it depends on keys only, for no key. */
static fv_expr *holds_for_none(fv_attend *a, fv_expr *where, fv_expr *query) {
    fv_kemit *e = &a->e;
    fv_buf *hides = new_scalar(a, "hides", integer(e, 0));
    fv_attend_find_hidden(a, where, hides, query);
    return binary(e, FV_X_EQ, fv_x_load(e->arena, hides, NULL), integer(e, 0));
}

/* Lets the rows be those of `single`, whose scores are stored as they are. */
static void use_single(fv_attend *a, fv_expr *group) {
    a->alone = true;
    a->group = group;
    a->weights = &a->p->weights;
    a->seen = a->seen ? a->weights->seen : NULL;
}

/* Lets the rows be queries of a block again. */
static void use_tiles(fv_attend *a, fv_expr *seen) {
    a->alone = false;
    a->group = NULL;
    a->weights = &a->p->tiled;
    a->seen = seen;
}

/* Emits the case that the rows of a block are heads that share keys, or few queries. If all rows
 * see all keys, the bounds of the scores, which take a pass over the keys, are not computed. */
static void emit_single(fv_attend *a, fv_value *value, fv_buf *memory, fv_expr *query,
                        fv_expr *group) {
    fv_kemit *e = &a->e;
    fv_expr *seen = a->seen, *rows = integer(e, a->p->single.rows);
    use_single(a, group);
    if (a->p->memory.queries)
        fv_attend_queries(a, query, rows);
    if (seen) {
        fv_kb_if(&e->b, fv_x_un(e->arena, FV_X_NOT, holds_for_none(a, a->p->weights.where, query)));
        fv_kmark m = fv_kemit_mark(e);
        if (fv_attend_few(a->p))
            emit_bounds(a);
        emit_folded(a, value, memory, query, rows);
        fv_kemit_release(e, m);
        fv_kb_else(&e->b);
    }
    a->seen = NULL;
    emit_block(a, &a->weights->open, value, memory, query, rows);
    if (seen)
        fv_kb_end(&e->b);
    use_tiles(a, seen);
}

/* Emits weights whose keys are shared by tasks. Scores have been computed, except those of the keys
 * after the last whole block. */
static void emit_shared_weights(fv_attend *a, fv_buf *memory, fv_expr *query, fv_expr *group) {
    fv_kemit *e = &a->e;
    fv_expr *seen = a->seen, *n = fv_kemit_dim(e, a->p->at.key->dim),
            *block = integer(e, a->p->single.block);
    a->seen = NULL;
    use_single(a, group);
    a->keys[0] = fv_kb_let(&e->b, "from_key",
                           binary(e, FV_X_MUL, binary(e, FV_X_FLOORDIV, n, block), block));
    a->keys[1] = n;
    emit_single_scores(a, memory, query);
    a->keys[0] = a->keys[1] = NULL;
    emit_weights(a, &a->weights->open, memory, query, integer(e, a->p->single.rows));
    use_tiles(a, seen);
}

/* ---- tasks ---- */

fv_expr *fv_attend_outer(fv_attend *a, fv_expr *times) {
    fv_kemit *e = &a->e;
    int n = 0;
    for (int i = 0; i < a->p->d->rank; i++) {
        if (i == a->p->at.row || i == a->p->at.column)
            continue;
        fv_expr *extent = fv_kemit_dim(e, a->p->tasks.outer[n]->dim);
        extent = times && !n ? binary(e, FV_X_MUL, extent, times) : extent;
        fv_expr *at = open_loop(e, FV_PARALLEL, a->p->tasks.outer[n]->name, extent);
        fv_kemit_bind(e, a->p->tasks.outer[n], at); /* the axis, or the groups of heads */
        a->index[i] = a->at_memory[n++] = at;
    }
    a->at_memory[n] = integer(e, 0);
    if (!a->p->single.row)
        return NULL;
    if (fv_attend_few(a->p))
        return integer(e, 0);
    fv_expr *group = a->index[fv_definition_axis(a->p->d, a->p->single.row)];
    return binary(e, FV_X_MUL, group, integer(e, a->p->single.rows));
}

/* Opens the loops over tasks. *first: the first query of a task; returns the number of its queries.
 * *head: the first row of `single`; NULL: it has one row. */
static fv_expr *open_tasks(fv_attend *a, fv_expr **first, fv_expr **head) {
    fv_kemit *e = &a->e;
    const fv_dim *queries = a->p->d->index[a->p->at.row]->dim, *chunks = a->p->tasks.chunk->dim;
    *head = fv_attend_outer(a, NULL);
    fv_expr *count = fv_kemit_dim(e, queries), *blocks = fv_kemit_dim(e, chunks);
    fv_expr *tile = integer(e, a->p->qk.rows), *size;
    fv_expr *step = fv_ceildiv(e, count, blocks);
    step = binary(e, FV_X_MAX, binary(e, FV_X_MUL, fv_ceildiv(e, step, tile), tile), tile);
    fv_expr *chunk = fv_open_blocks(e, FV_PARALLEL, "chunk", count, blocks, step,
                                    fv_dim_is_one(chunks), first, &size);
    fv_kemit_bind(e, a->p->tasks.chunk, chunk);
    a->at_memory[a->p->tasks.nouter] = chunk;
    if (fv_attend_few(a->p))
        *head = *first;
    else if (*head)
        *head = fv_kb_let(&e->b, "head", *head);
    return size;
}

/* Opens the loop over blocks of a task's queries; *first becomes the first query of a block.
 * Returns the number of queries in the block. */
static fv_expr *open_blocks(fv_attend *a, fv_expr **first, fv_expr *size) {
    fv_kemit *e = &a->e;
    if (a->p->d->index[a->p->at.row]->dim->hi <= a->p->tasks.block)
        return size;
    fv_expr *from = fv_kb_for(&e->b, FV_SERIAL, "from", integer(e, 0), size, a->p->tasks.block);
    *first = fv_kb_let(&e->b, "query", binary(e, FV_X_ADD, *first, from));
    return fv_kb_let(
        &e->b, "queries",
        binary(e, FV_X_MIN, integer(e, a->p->tasks.block), binary(e, FV_X_SUB, size, from)));
}

/* Opens a loop over the heads of a group, if heads are grouped. */
static void open_heads(fv_attend *a, fv_expr *group) {
    fv_kemit *e = &a->e;
    if (!group || fv_attend_few(a->p))
        return;
    fv_expr *head =
        binary(e, FV_X_ADD, group, open_loop(e, FV_SERIAL, "h", integer(e, a->p->single.rows)));
    fv_kemit_bind(e, a->p->single.row,
                  a->index[fv_definition_axis(a->p->d, a->p->single.row)] = head);
}

/* Emits the blocks of a task with the definition `weights`; NULL: hidden keys are left out. */
static void emit_blocks(fv_attend *a, const fv_definition *weights, fv_value *value, fv_buf *memory,
                        fv_expr *first, fv_expr *size) {
    int depth = a->e.b.depth;
    fv_kmark m = fv_kemit_mark(&a->e);
    if (!weights)
        emit_bounds(a);
    fv_expr *rows = open_blocks(a, &first, size);
    if (a->p->memory.queries)
        fv_attend_queries(a, first, rows);
    if (weights)
        emit_block(a, weights, value, memory, first, rows);
    else
        emit_folded(a, value, memory, first, rows);
    fv_attend_close(a, depth, m);
}

/* Emits all blocks. A mask that depends on keys only is examined first: if it hides no key, the
 * rows do not need bounds of their scores. If all masks are 0 as well, as without padding, tiles do
 * not add them. */
static void emit_all_blocks(fv_attend *a, fv_value *value, fv_buf *memory, fv_expr *first,
                            fv_expr *size) {
    fv_kemit *e = &a->e;
    fv_expr *seen = a->seen, *where = a->p->weights.where;
    const bool asks = seen && !fv_x_uses(where, a->p->d->index[a->p->at.row]);
    if (asks) {
        a->unmasked = a->p->stored.unmasked != NULL;
        if (a->unmasked)
            where = binary(e, FV_X_OR, where, a->p->stored.masks);
        fv_kb_if(&e->b, holds_for_none(a, where, first));
        a->seen = NULL;
        emit_blocks(a, &a->weights->open, value, memory, first, size);
        a->seen = seen;
        a->unmasked = false;
        fv_kb_else(&e->b);
    }
    emit_blocks(a, seen ? NULL : &a->weights->all, value, memory, first, size);
    if (asks)
        fv_kb_end(&e->b);
}

void fv_attend_emit(fv_attend *a, fv_value *value) {
    fv_kemit *e = &a->e;
    fv_expr *first, *group, *size = open_tasks(a, &first, &group),
                            *shared = fv_attend_is_shared(a, false);
    fv_expr *few = a->p->single.sum ? fv_kemit_expr(e, a->p->single.where) : NULL;
    const bool always = few && few->op == FV_X_CONST && few->u.i;
    fv_buf *memory = fv_kemit_in(e, a->p->memory.scores);
    memory->role = FV_BUF_INOUT;
    if (a->p->memory.nmasks)
        fv_attend_masks(a);
    if (shared) {
        fv_kb_if(&e->b, shared);
        emit_shared_weights(a, memory, first, group);
        fv_kb_else(&e->b);
    }
    if (few && !always)
        fv_kb_if(&e->b, few);
    if (few)
        emit_single(a, value, memory, first, group);
    if (few && !always)
        fv_kb_else(&e->b);
    if (!always) {
        open_heads(a, group);
        emit_all_blocks(a, value, memory, first, size);
    }
    while (e->b.depth)
        fv_kb_end(&e->b);
}
