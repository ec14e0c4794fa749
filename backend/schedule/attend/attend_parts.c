/* attend_parts.c - few queries with many keys, and with fewer heads than keep tasks busy: tasks
 * share the keys.
 *
 *     parallel batch, heads..:            queries that are computed; does the mask hide a key?
 *     parallel batch, heads.., part:      scores[j] of 512 keys
 *     parallel batch, heads..:            scores[j] = weight(scores[j], scores), the kernel of
 *                                         attention.c
 *     parallel batch, heads.., part:      sums[part, d] = sum j in part: scores[j] * v[j, d]
 *     parallel batch, heads..:            y[d] = sum part: sums[part, d]
 *
 * The sum over keys is in parts for whoever takes it (FV_ORDER_PARTS), so none of this changes a
 * bit of what one task does, and it is not done where heads are tasks enough, or there is a single
 * part: dims tell, and the kernels have no tasks then. Queries from which a mask hides keys are
 * left to the third kernel, which knows how to skip them. */
#include "backend/schedule/attend/attend_parts.h"

#include <string.h>

#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/limits.h"

/* ---- memory that tasks share ---- */

/* A dim that is 1 if there are few queries, several parts of keys, and fewer heads than tasks are
 * wanted; otherwise 0. */
static const fv_dim *times_shared(fv_attend *a) {
    fv_dims *t = a->l->module->dims;
    const fv_dim *outer[FV_MAX_RANK], *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    const fv_dim *queries = a->d->index[a->at.row]->dim,
                 *parts = fv_dim_ceildiv(t, a->at.key->dim, fv_dim_const(t, FV_PART));
    for (int i = 0; i < a->nouter; i++)
        outer[i] = a->outer[i]->dim;
    const fv_dim *single = fv_dim_is(t, queries, a->single.queries);
    const fv_dim *several = fv_dim_max(t, fv_dim_min(t, fv_dim_sub(t, parts, one), one), zero);
    const fv_dim *left =
        fv_dim_sub(t, fv_dim_const(t, a->tasks), fv_dim_product(t, a->nouter, outer));
    const fv_dim *few = fv_dim_max(t, fv_dim_min(t, left, one), zero);
    return fv_dim_mul(t, fv_dim_mul(t, single, several), few);
}

static fv_buf *new_shared(fv_attend *a, const char *what, fv_elem elem, int n,
                          fv_var *const *last) {
    fv_var *axes[FV_MAX_RANK];
    memcpy(axes, a->outer, (size_t)a->nouter * sizeof *axes);
    for (int i = 0; i < n; i++)
        axes[a->nouter + i] = last[i];
    const char *name = fv_printf(a->l->exprs, "%s.%s", a->d->value->name, what);
    fv_value *v = fv_new_value(a->l, name, elem, a->nouter + n, axes);
    v->kind = FV_VALUE_RESULT;
    return fv_value_buf(a->l->exprs, v);
}

void fv_attend_place_parts(fv_attend *a) {
    fv_dims *t = a->l->module->dims;
    fv_arena *x = a->l->exprs;
    if (!a->single.sum || a->kept || a->at.sum->u.red.order != FV_ORDER_PARTS ||
        a->nouter + 3 > FV_MAX_RANK)
        return;
    const fv_dim *times = times_shared(a),
                 *parts = fv_dim_ceildiv(t, a->at.key->dim, fv_dim_const(t, FV_PART));
    if (a->tasks < 2 || times->hi <= 0) {
        fv_declines(a->l, a->d->value, FV_WHY_attend_heads, fv_n(a->tasks));
        return;
    }
    a->shared.times = times;
    a->shared.part = fv_index_var(x, "part", fv_dim_mul(t, times, parts));
    fv_var *last[] = {a->shared.part, fv_index_var(x, "row", fv_dim_const(t, a->single.rows)),
                      fv_index_var(x, "feature", a->d->index[a->at.column]->dim)};
    a->shared.sums = new_shared(a, "sums", (fv_elem)a->at.sum->type.elem, 3, last);
    if (a->at.hidden)
        a->shared.hides = new_shared(a, "hides", FV_I64, 0, NULL);
    fv_takes(a->l, a->d->value, FV_WHY_attend_parts, fv_n(FV_PART), fv_n(a->tasks));
}

/* ---- kernels ---- */

/* Begins a kernel whose tasks are parts of the keys, for groups of heads that see all keys. Returns
 * the number of the part. */
static fv_expr *open_parts(fv_attend *a, const char *stem) {
    fv_kemit *e = &a->e;
    fv_kemit_init(e, a->l, a->d, stem);
    fv_expr *group = fv_attend_outer(a, NULL);
    fv_expr *part = open_loop(e, FV_PARALLEL, "part", fv_kemit_dim(e, a->shared.part->dim));
    a->group = group ? fv_kb_let(&e->b, "head", group) : NULL;
    fv_kemit_bind(e, a->chunk, integer(e, 0));
    fv_expr *sees = fv_attend_is_shared(a, true);
    if (sees)
        fv_kb_if(&e->b, sees);
    return part;
}

/* Begins a kernel whose tasks are groups of heads, if their keys are shared; `all`: also groups
 * that may not see all keys. */
static void open_groups(fv_attend *a, const char *stem, bool all) {
    fv_kemit *e = &a->e;
    fv_kemit_init(e, a->l, a->d, stem);
    fv_expr *times = fv_kemit_dim(e, a->shared.times), *group = fv_attend_outer(a, times);
    a->group = group ? fv_kb_let(&e->b, "head", group) : NULL;
    fv_kemit_bind(e, a->chunk, integer(e, 0));
    if (!a->nouter)
        fv_kb_if(&e->b, binary(e, FV_X_LT, integer(e, 0), times));
    fv_expr *sees = all ? NULL : fv_attend_is_shared(a, true);
    if (sees)
        fv_kb_if(&e->b, sees);
}

static void close_kernel(fv_attend *a, fv_op *op) {
    while (a->e.b.depth)
        fv_kb_end(&a->e.b);
    fv_kemit_finish(&a->e, op, &(fv_schedule){.kind = FV_SCHEDULE_part});
    a->group = NULL;
}

static fv_buf *inout(fv_attend *a, const fv_buf *of) {
    fv_buf *b = fv_kemit_in(&a->e, of);
    b->role = FV_BUF_INOUT;
    return b;
}

static void emit_first(fv_attend *a, fv_op *op) {
    fv_kemit *e = &a->e;
    if (!a->queries && !a->shared.hides)
        return;
    open_groups(a, "AttentionFirst", true);
    fv_expr *zero = integer(e, 0);
    if (a->queries)
        fv_attend_queries(a, zero, integer(e, a->single.rows));
    if (a->shared.hides) {
        if (a->nmasks)
            fv_attend_masks(a);
        fv_buf *hides = fv_kb_tile(&e->b, "hides", FV_I64, 0, NULL, zero);
        fv_attend_find_hidden(a, hides, zero);
        fv_kb_store(&e->b, inout(a, a->shared.hides), a->at_memory,
                    fv_x_load(e->arena, hides, NULL), NULL);
    }
    close_kernel(a, op);
}

static void emit_scores(fv_attend *a, fv_op *op) {
    fv_kemit *e = &a->e;
    fv_expr *part = open_parts(a, "AttentionScores");
    fv_kemit_use(e, &a->scores);
    fv_kemit_bind(e, a->d->index[a->at.row], integer(e, 0));
    if (a->group)
        fv_kemit_bind(e, a->single.row, a->group);
    fv_single_emit_part(e, &a->single, a->group, a->local, inout(a, a->memory), a->at_memory,
                        fv_kemit_dim(e, a->at.key->dim), part);
    fv_kemit_use(e, a->d);
    close_kernel(a, op);
}

void fv_attend_share_scores(fv_attend *a, fv_op *op) {
    if (!a->shared.times)
        return;
    emit_first(a, op);
    emit_scores(a, op);
}

static void emit_products(fv_attend *a, fv_op *op) {
    fv_kemit *e = &a->e;
    const int most = a->single.rows;
    fv_expr *index[FV_MAX_RANK], *part = open_parts(a, "AttentionValues");
    fv_expr *zero = integer(e, 0), *n = integer(e, FV_PART);
    fv_expr *from = fv_kb_let(&e->b, "from_key", binary(e, FV_X_MUL, part, n));
    const fv_contraction by_query = fv_attend_by_rows(a, zero);
    fv_attend_tile(a, a->d, &a->pv, most, fv_attend_columns(a, most));
    fv_tile *t = &a->t;
    fv_open_panels(t, FV_SERIAL);
    fv_expr *rows = fv_open_tiles(t, a->group ? a->group : zero, integer(e, most));
    fv_tile_sums(t, most);
    t->steps_in[0] = from;
    t->steps_in[1] = fv_kb_let(
        &e->b, "to_key",
        binary(e, FV_X_MIN, binary(e, FV_X_ADD, from, n), fv_kemit_dim(e, a->at.key->dim)));
    fv_tile_multiply(t, rows);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows), *c = open_loop(e, FV_VECTOR, "c", t->columns);
    memcpy(index, a->at_memory, sizeof index);
    index[a->nouter] = part;
    index[a->nouter + 1] = r;
    index[a->nouter + 2] = binary(e, FV_X_ADD, t->j0, c);
    fv_kb_store(&e->b, inout(a, a->shared.sums), index,
                fv_x_load(e->arena, t->sums, (fv_expr *[]){r, c}), NULL);
    a->pv = by_query;
    close_kernel(a, op);
}

/* Emits the last kernel, which adds the parts in order. */
static void emit_last(fv_attend *a, fv_op *op) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    const int n = a->single.rows;
    const fv_var *feature = a->d->index[a->at.column];
    fv_expr *all[FV_MAX_RANK], *more[FV_MAX_RANK];
    open_groups(a, "AttentionSum", false);
    fv_expr *zero = integer(e, 0);
    fv_buf *sums = inout(a, a->shared.sums), *out = fv_kemit_out(e, (fv_value *)a->d->value);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", integer(e, n));
    fv_expr *part =
        fv_kb_for(&e->b, FV_SERIAL, "part", integer(e, 1), fv_kemit_dim(e, a->shared.part->dim), 1);
    memcpy(all, a->at_memory, sizeof all);
    memcpy(more, a->at_memory, sizeof more);
    all[a->nouter] = zero;
    more[a->nouter] = part;
    all[a->nouter + 1] = more[a->nouter + 1] = r;
    all[a->nouter + 2] = more[a->nouter + 2] =
        open_loop(e, FV_VECTOR, "c", fv_kemit_dim(e, feature->dim));
    fv_kb_store(&e->b, sums, all,
                binary(e, FV_X_ADD, fv_x_load(x, sums, all), fv_x_load(x, sums, more)), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_bind(e, a->d->index[a->at.row], a->index[a->at.row] = zero);
    if (a->group) {
        fv_expr *head = a->index[fv_definition_axis(a->d, a->single.row)] =
            binary(e, FV_X_ADD, a->group, r);
        fv_kemit_bind(e, a->single.row, head);
    }
    fv_expr *c = all[a->nouter + 2] = a->index[a->at.column] =
        open_loop(e, FV_VECTOR, "c", fv_kemit_dim(e, feature->dim));
    fv_kemit_bind(e, feature, c);
    fv_kemit_memo(e, a->at.sum, fv_kb_let(&e->b, "s", fv_x_load(x, sums, all)));
    fv_kemit_store(e, out, a->index, fv_kemit_expr(e, a->d->body));
    close_kernel(a, op);
}

void fv_attend_share_values(fv_attend *a, fv_op *op) {
    if (!a->shared.times)
        return;
    emit_products(a, op);
    emit_last(a, op);
}
