/* attend_parts.c - tasks that share the keys, for few queries with many keys and fewer heads than
 * tasks are wanted.
 *
 *     parallel batch, heads..:            computed queries; whether the mask hides a key
 *     parallel batch, heads.., part:      scores[j] of 512 keys
 *     parallel batch, heads..:            scores[j] = weight(scores[j], scores), the kernel of
 *                                         attention.c
 *     parallel batch, heads.., part:      sums[part, d] = sum j in part: scores[j] * v[j, d]
 *     parallel batch, heads..:            y[d] = sum part: sums[part, d]
 *
 * The sum over keys is divided into parts in any case (FV_ORDER_PARTS), so the bits are those that
 * a single task computes. Keys are not shared if there are enough heads for all tasks, or a single
 * part: the kernels then have no tasks, which the dims of a run decide. Queries from which a mask
 * hides keys are left to the third kernel, which can skip keys. */
#include "backend/schedule/attend/attend_parts.h"

#include <string.h>

#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/limits.h"

/* ---- memory that tasks share ---- */

/* A dim that is 1 if there are few queries, several parts of keys, and fewer heads than wanted
 * tasks; otherwise 0. */
static const fv_dim *times_shared(fv_attend_plan *p) {
    fv_dims *t = p->l->module->dims;
    const fv_dim *outer[FV_MAX_RANK], *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    const fv_dim *queries = p->d->index[p->at.row]->dim,
                 *parts = fv_dim_ceildiv(t, p->at.key->dim, fv_dim_const(t, FV_PART));
    for (int i = 0; i < p->tasks.nouter; i++)
        outer[i] = p->tasks.outer[i]->dim;
    const fv_dim *single = fv_dim_is(t, queries, p->single.queries);
    const fv_dim *several = fv_dim_max(t, fv_dim_min(t, fv_dim_sub(t, parts, one), one), zero);
    const fv_dim *left =
        fv_dim_sub(t, fv_dim_const(t, p->tasks.least), fv_dim_product(t, p->tasks.nouter, outer));
    const fv_dim *few = fv_dim_max(t, fv_dim_min(t, left, one), zero);
    return fv_dim_mul(t, fv_dim_mul(t, single, several), few);
}

static fv_buf *new_shared(fv_attend_plan *p, const char *what, fv_elem elem, int n,
                          fv_var *const *last) {
    fv_var *axes[FV_MAX_RANK];
    memcpy(axes, p->tasks.outer, (size_t)p->tasks.nouter * sizeof *axes);
    for (int i = 0; i < n; i++)
        axes[p->tasks.nouter + i] = last[i];
    const char *name = fv_printf(p->l->exprs, "%s.%s", p->d->value->name, what);
    fv_value *v = fv_new_value(p->l, name, elem, p->tasks.nouter + n, axes);
    v->kind = FV_VALUE_RESULT;
    return fv_value_buf(p->l->exprs, v);
}

void fv_attend_place_parts(fv_attend_plan *p) {
    fv_dims *t = p->l->module->dims;
    fv_arena *x = p->l->exprs;
    if (!p->single.sum || p->weights.kept || p->at.sum->u.red.order != FV_ORDER_PARTS ||
        p->tasks.nouter + 3 > FV_MAX_RANK)
        return;
    const fv_dim *times = times_shared(p),
                 *parts = fv_dim_ceildiv(t, p->at.key->dim, fv_dim_const(t, FV_PART));
    if (p->tasks.least < 2 || times->hi <= 0) {
        fv_declines(p->l, p->d->value, FV_WHY_attend_heads, fv_n(p->tasks.least));
        return;
    }
    p->shared.times = times;
    p->shared.part = fv_index_var(x, "part", fv_dim_mul(t, times, parts));
    fv_var *last[] = {p->shared.part, fv_index_var(x, "row", fv_dim_const(t, p->single.rows)),
                      fv_index_var(x, "feature", p->d->index[p->at.column]->dim)};
    p->shared.sums = new_shared(p, "sums", (fv_elem)p->at.sum->type.elem, 3, last);
    if (p->at.hidden)
        p->shared.sees_all = new_shared(p, "sees_all", FV_I64, 0, NULL);
    fv_takes(p->l, p->d->value, FV_WHY_attend_parts, fv_n(FV_PART), fv_n(p->tasks.least));
}

/* ---- kernels ---- */

/* Begins a kernel whose tasks are parts of the keys, for groups of heads that see all keys. Returns
 * the index of the part. */
static fv_expr *open_parts(fv_attend *a, const char *stem) {
    fv_kemit *e = &a->e;
    fv_kemit_init(e, a->p->l, a->p->d, stem);
    fv_expr *group = fv_attend_outer(a, NULL);
    fv_expr *part = open_loop(e, FV_PARALLEL, "part", fv_kemit_dim(e, a->p->shared.part->dim));
    a->group = group ? fv_kb_let(&e->b, "head", group) : NULL;
    fv_kemit_bind(e, a->p->tasks.chunk, integer(e, 0));
    fv_expr *sees = fv_attend_is_shared(a, true);
    if (sees)
        fv_kb_if(&e->b, sees);
    return part;
}

/* Begins a kernel whose tasks are groups of heads, if their keys are shared; `all`: also groups
 * that may not see all keys. */
static void open_groups(fv_attend *a, const char *stem, bool all) {
    fv_kemit *e = &a->e;
    fv_kemit_init(e, a->p->l, a->p->d, stem);
    fv_expr *times = fv_kemit_dim(e, a->p->shared.times), *group = fv_attend_outer(a, times);
    a->group = group ? fv_kb_let(&e->b, "head", group) : NULL;
    fv_kemit_bind(e, a->p->tasks.chunk, integer(e, 0));
    if (!a->p->tasks.nouter)
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
    if (!a->p->memory.queries && !a->p->shared.sees_all)
        return;
    open_groups(a, "AttentionFirst", true);
    fv_expr *zero = integer(e, 0);
    if (a->p->memory.queries)
        fv_attend_queries(a, zero, integer(e, a->p->single.rows));
    if (a->p->shared.sees_all) {
        if (a->p->memory.nmasks)
            fv_attend_masks(a);
        fv_buf *hides = fv_kb_tile(&e->b, "hides", FV_I64, 0, NULL, zero);
        fv_attend_find_hidden(a, a->p->weights.where, hides, zero);
        fv_kb_store(&e->b, inout(a, a->p->shared.sees_all), a->at_memory,
                    binary(e, FV_X_SUB, integer(e, 1), fv_x_load(e->arena, hides, NULL)), NULL);
    }
    close_kernel(a, op);
}

static void emit_scores(fv_attend *a, fv_op *op) {
    fv_kemit *e = &a->e;
    fv_expr *part = open_parts(a, "AttentionScores");
    fv_kemit_use(e, &a->p->scores);
    fv_kemit_bind(e, a->p->d->index[a->p->at.row], integer(e, 0));
    if (a->group)
        fv_kemit_bind(e, a->p->single.row, a->group);
    fv_single_emit_part(e, &a->p->single, a->group, a->p->tasks.local,
                        inout(a, a->p->memory.scores), a->at_memory,
                        fv_kemit_dim(e, a->p->at.key->dim), part);
    fv_kemit_use(e, a->p->d);
    close_kernel(a, op);
}

void fv_attend_share_scores(fv_attend *a, fv_op *op) {
    if (!a->p->shared.times)
        return;
    emit_first(a, op);
    emit_scores(a, op);
}

static void emit_products(fv_attend *a, fv_op *op) {
    fv_kemit *e = &a->e;
    const int most = a->p->single.rows;
    fv_expr *index[FV_MAX_RANK], *part = open_parts(a, "AttentionValues");
    fv_expr *zero = integer(e, 0), *n = integer(e, FV_PART);
    fv_expr *from = fv_kb_let(&e->b, "from_key", binary(e, FV_X_MUL, part, n));
    const fv_attend_product by_rows = {fv_attend_by_rows(a, zero), most,
                                       fv_attend_columns(a->p, most)};
    fv_attend_tile_of_few(a, &by_rows);
    fv_tile *t = &a->t;
    fv_open_panels(t, FV_SERIAL);
    fv_expr *rows = fv_open_tiles(t, a->group ? a->group : zero, integer(e, most));
    fv_tile_sums(t, most);
    t->only.steps[0] = from;
    t->only.steps[1] = fv_kb_let(
        &e->b, "to_key",
        binary(e, FV_X_MIN, binary(e, FV_X_ADD, from, n), fv_kemit_dim(e, a->p->at.key->dim)));
    fv_tile_multiply(t, rows);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows), *c = open_loop(e, FV_VECTOR, "c", t->columns);
    memcpy(index, a->at_memory, sizeof index);
    index[a->p->tasks.nouter] = part;
    index[a->p->tasks.nouter + 1] = r;
    index[a->p->tasks.nouter + 2] = binary(e, FV_X_ADD, t->j0, c);
    fv_kb_store(&e->b, inout(a, a->p->shared.sums), index,
                fv_x_load(e->arena, t->sums.buf, (fv_expr *[]){r, c}), NULL);
    close_kernel(a, op);
}

/* Emits the last kernel, which adds the parts in order. */
static void emit_last(fv_attend *a, fv_op *op) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    const int n = a->p->single.rows;
    const fv_var *feature = a->p->d->index[a->p->at.column];
    fv_expr *all[FV_MAX_RANK], *more[FV_MAX_RANK];
    open_groups(a, "AttentionSum", false);
    fv_expr *zero = integer(e, 0);
    fv_buf *sums = inout(a, a->p->shared.sums), *out = fv_kemit_out(e, (fv_value *)a->p->d->value);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", integer(e, n));
    fv_expr *part = fv_kb_for(&e->b, FV_SERIAL, "part", integer(e, 1),
                              fv_kemit_dim(e, a->p->shared.part->dim), 1);
    memcpy(all, a->at_memory, sizeof all);
    memcpy(more, a->at_memory, sizeof more);
    all[a->p->tasks.nouter] = zero;
    more[a->p->tasks.nouter] = part;
    all[a->p->tasks.nouter + 1] = more[a->p->tasks.nouter + 1] = r;
    all[a->p->tasks.nouter + 2] = more[a->p->tasks.nouter + 2] =
        open_loop(e, FV_VECTOR, "c", fv_kemit_dim(e, feature->dim));
    fv_kb_store(&e->b, sums, all,
                binary(e, FV_X_ADD, fv_x_load(x, sums, all), fv_x_load(x, sums, more)), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_bind(e, a->p->d->index[a->p->at.row], a->index[a->p->at.row] = zero);
    if (a->group) {
        fv_expr *head = a->index[fv_definition_axis(a->p->d, a->p->single.row)] =
            binary(e, FV_X_ADD, a->group, r);
        fv_kemit_bind(e, a->p->single.row, head);
    }
    fv_expr *c = all[a->p->tasks.nouter + 2] = a->index[a->p->at.column] =
        open_loop(e, FV_VECTOR, "c", fv_kemit_dim(e, feature->dim));
    fv_kemit_bind(e, feature, c);
    fv_kemit_memo(e, a->p->at.sum, fv_kb_let(&e->b, "s", fv_x_load(x, sums, all)));
    fv_kemit_store(e, out, a->index, fv_kemit_expr(e, a->p->d->body));
    close_kernel(a, op);
}

void fv_attend_share_values(fv_attend *a, fv_op *op) {
    if (!a->p->shared.times)
        return;
    emit_products(a, op);
    emit_last(a, op);
}
