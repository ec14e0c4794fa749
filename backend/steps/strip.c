/* strip.c - the step strip: values with one reader are computed in strips of rows, if that saves
 * memory and memory is to be saved.
 *
 *     h[i, j] = max(sum k, l: x[i + k, j + l] * u[k, l], 0)       for i < 30
 *     y[i, j] = sum k, l: h[i * 2 + k, j + l] * v[k, l]           for i < 14
 *  =>
 *     h.0[i, j] = max(sum k, l: x[i + k, j + l] * u[k, l], 0)           for i < 16
 *     y.0[i, j] = sum k, l: h.0[i * 2 + k, j + l] * v[k, l]             for i < 7, at y[i, j]
 *     h.1[i, j] = max(sum k, l: x[i + 14 + k, j + l] * u[k, l], 0)      for i < 16
 *     y.1[i, j] = sum k, l: h.1[i * 2 + k, j + l] * v[k, l]             for i < 7, at y[i + 7, j]
 *
 * h is never in memory as a whole. Rows that two strips read are computed for both of them. Each
 * element is computed by the same expression as without strips, so no bit depends on this step. */
#include "backend/fuse/form.h"
#include "backend/lowering/define.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/larger.h"
#include "backend/steps/steps.h"
#include "backend/steps/strips.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"

/* The strips of a value whose rows are being computed. */
typedef struct strip {
    fv_storage *s; /* the strip */
    fv_buf *buf;
    fv_rows rows; /* the rows that it has */
    int axis;
} strip;

typedef struct stripper {
    fv_lowerer *l;
    const fv_storage
        *from; /* the value whose loads are replaced by those of its strip; NULL: none */
    const strip *of;
    int64_t all; /* the rows of that value */
} stripper;

/* ---- expressions ---- */

/* Is the comparison of index expressions, with these arguments, always true? */
static bool is_true(fv_lowerer *l, const fv_expr *x, fv_expr **args) {
    fv_dims *t = l->module->dims;
    if ((x->op != FV_X_LE && x->op != FV_X_LT) || args[0]->type.elem != FV_I64)
        return false;
    const fv_dim *a = fv_x_bound(t, args[0], true), *b = fv_x_bound(t, args[1], false);
    return a && b && fv_dim_is_const(a) && fv_dim_is_const(b) &&
           (x->op == FV_X_LE ? a->value <= b->value : a->value < b->value);
}

/* The condition without comparisons of `index` with the end of the axis; `moved` is compared with
 * the end of the strip instead. */
static fv_expr *moved_test(fv_arena *a, fv_expr *cond, const fv_expr *index, fv_expr *moved,
                           int64_t end, int64_t new_end) {
    int64_t n;
    if (cond->op == FV_X_AND)
        return fv_x_bin(a, FV_X_AND, moved_test(a, cond->arg[0], index, moved, end, new_end),
                        moved_test(a, cond->arg[1], index, moved, end, new_end));
    if (cond->op == FV_X_LT && cond->arg[0] == index && fv_x_is_int(cond->arg[1], &n) && n == end)
        return fv_x_bin(a, FV_X_LT, moved, fv_x_int(a, new_end));
    return cond;
}

/* The index x + by, with one constant: strips that read the same rows of their operands then have
 * the same definition, and share a kernel. */
static fv_expr *moved_index(fv_arena *a, fv_expr *x, int64_t by) {
    int64_t n, m;
    if (x->op == FV_X_ADD && fv_x_is_int(x->arg[1], &n))
        return moved_index(a, x->arg[0], by + n);
    if (x->op == FV_X_ADD)
        return fv_x_bin(a, FV_X_ADD, moved_index(a, x->arg[0], by), x->arg[1]);
    if (x->op == FV_X_MUL && fv_x_is_int(x->arg[1], &m) && x->arg[0]->op == FV_X_ADD &&
        fv_x_is_int(x->arg[0]->arg[1], &n))
        return moved_index(a, fv_x_bin(a, FV_X_MUL, x->arg[0]->arg[0], x->arg[1]), by + n * m);
    return fv_x_bin(a, FV_X_ADD, x, fv_x_int(a, by));
}

/* A load of the strip in place of the load x of the whole value. */
static fv_expr *load_strip(const stripper *p, fv_arena *a, const fv_expr *x, fv_expr **args) {
    const strip *s = p->of;
    fv_expr *index[FV_MAX_RANK], *guard[FV_MAX_RANK + 2];
    int rank = s->buf->rank;
    int64_t known;
    for (int i = 0; i < rank; i++)
        index[i] = args[i];
    index[s->axis] = moved_index(a, args[s->axis], -s->rows.first);
    if (x->op == FV_X_LOAD)
        return fv_x_load(a, s->buf, index);
    for (int i = 0; i < rank + 2; i++)
        guard[i] = args[i];
    if (s->rows.end == p->all)
        guard[rank] = moved_test(a, args[rank], args[s->axis], index[s->axis], p->all,
                                 s->rows.end - s->rows.first);
    if (fv_x_is_int(guard[rank], &known) && known)
        return fv_x_load(a, s->buf, index);
    return fv_x_guard(a, s->buf, index, guard[rank], guard[rank + 1]);
}

static fv_expr *after(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const stripper *p = w->user;
    if (is_true(p->l, x, args))
        return fv_x_const_int(w->arena, FV_BOOL, 1);
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && p->from &&
        fv_storage_loaded(p->l, x) == p->from)
        return load_strip(p, w->arena, x, args);
    return NULL;
}

/* The definition of the rows of d along `axis`, with new variables. */
static fv_definition *cut(stripper *p, const fv_definition *d, int axis, fv_rows rows) {
    fv_arena *a = p->l->exprs;
    fv_definition *r = FV_NEW(a, fv_definition, 1);
    fv_expr *index[FV_MAX_RANK];
    *r = (fv_definition){.rank = d->rank, .form = d->form, .text = d->text};
    r->index = FV_NEW(a, fv_var *, d->rank + 1);
    for (int i = 0; i < d->rank; i++) {
        const fv_dim *extent =
            i == axis ? fv_dim_const(p->l->module->dims, rows.end - rows.first) : d->index[i]->dim;
        r->index[i] = fv_index_var(a, d->index[i]->name, extent);
        index[i] = fv_x_var(a, r->index[i]);
    }
    index[axis] = fv_x_bin(a, FV_X_ADD, index[axis], fv_x_int(a, rows.first));
    fv_x_rewriter w = {
        .arena = a, .memo = fv_ptrmap_in(p->l->current.scratch), .after = after, .user = p};
    r->body = fv_x_rewrite(&w, fv_x_replace_vars(a, d->body, d->rank, d->index, index));
    return r;
}

/* ---- values ---- */

/* Adds the rows of s as a value of its own, before the op `next`. */
static fv_storage *add_strip(stripper *p, fv_storage *s, int axis, fv_rows rows, int number,
                             fv_op *next) {
    fv_lowerer *l = p->l;
    const fv_dim *extent[FV_MAX_RANK];
    int n;
    fv_definition *d = cut(p, s->def, axis, rows);
    for (int i = 0; i < d->rank; i++)
        extent[i] = d->index[i]->dim;
    fv_value **in = fv_values_loaded(l, d->body, &n);
    const char *name = fv_printf(l->exprs, "%s.rows%d", s->value->name, number);
    fv_op *op = fv_add_like(l, s, next, name, fv_op_stem(s->value->def), n, in, extent);
    fv_storage *r = fv_storage_of(l, op->out[0]);
    d->value = op->out[0];
    r->def = d;
    fv_update_form(l, d);
    return r;
}

/* The whole of the last value, of which its strips are parts. It gets the name of the value. */
static fv_storage *assemble(fv_lowerer *l, fv_storage *s, fv_op *next, int n, fv_value **parts) {
    const fv_dim *extent[FV_MAX_RANK];
    for (int i = 0; i < s->def->rank; i++)
        extent[i] = s->def->index[i]->dim;
    fv_op *op = fv_add_like(l, s, next, s->value->name, "Strips", n, parts, extent);
    fv_storage *all = fv_storage_of(l, op->out[0]);
    all->fate = FV_FATE_ASSEMBLED;
    op->out[0]->type = s->value->type; /* ports compare types by identity */
    fv_value_take_name(l->module, op->out[0], s->value);
    return all;
}

/* ---- readers of the last value ---- */

typedef struct reading {
    fv_lowerer *l;
    const fv_storage *old;
    fv_storage *whole;
} reading;

/* The buffer b with the memory of another value. */
static fv_expr *load_whole(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const reading *r = w->user;
    if ((x->op != FV_X_LOAD && x->op != FV_X_GUARD) || x->u.buf->value != r->old->value)
        return NULL;
    fv_buf *b = fv_buf_seen(w->arena, fv_value_buf(w->arena, r->whole->value), x->u.buf->rank,
                            x->u.buf->extent);
    return fv_x_load_like(w->arena, x, b, args, args);
}

static void read_whole(void *user, fv_storage *reader) {
    reading *r = user;
    fv_x_rewriter w = {.arena = r->l->exprs,
                       .memo = fv_ptrmap_in(r->l->current.scratch),
                       .after = load_whole,
                       .user = r};
    reader->def = fv_definition_rewritten(&w, reader->def);
}

static void replace(fv_lowerer *l, fv_storage *old, fv_storage *whole) {
    reading r = {l, old, whole};
    fv_each_kernel(l, read_whole, &r);
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && s->of == old)
                s->of = whole;
        }
    fv_replace_uses(old->value, whole->value);
}

/* ---- chains ---- */

static void take_strips(fv_lowerer *l, const fv_strip_chain *c) {
    fv_storage *end = c->value[c->n - 1], *last[FV_STRIPS_MOST];
    fv_op *next = end->value->def->next;
    fv_value *parts[FV_STRIPS_MOST];
    fv_rows rows[FV_STRIPS_CHAIN];
    int64_t at[FV_STRIPS_MOST][FV_MAX_RANK] = {{0}};
    for (int s = 0; s < c->nstrips; s++) {
        strip now = {0};
        stripper p = {.l = l, .of = &now};
        fv_strip_rows(c, s, rows);
        for (int i = 0; i < c->n; i++) {
            fv_storage *made = add_strip(&p, c->value[i], c->axis[i], rows[i], s, next);
            now = (strip){made, fv_buf_in_memory(l, made), rows[i], c->axis[i]};
            p.from = c->value[i];
            p.all = c->rows[i];
            last[s] = made;
        }
        parts[s] = last[s]->value;
        at[s][c->axis[c->n - 1]] = rows[c->n - 1].first;
    }
    fv_storage *whole = assemble(l, end, next, c->nstrips, parts);
    fv_buf *buf = fv_buf_in_memory(l, whole);
    for (int s = 0; s < c->nstrips; s++)
        fv_store_within(l, last[s], whole, buf, at[s]);
    replace(l, end, whole);
    for (int i = 0; i < c->n; i++)
        c->value[i]->fate = FV_FATE_SUBSTITUTED;
    fv_takes(l, whole->value, FV_WHY_strips, fv_n(c->nstrips), fv_n(c->n - 1), fv_n(c->bytes));
}

bool fv_step_strip(fv_lowerer *l) {
    int n;
    int64_t before, after;
    if (!(l->options->saves & FV_SAVES_BY_STRIPS))
        return true;
    fv_strip_chain *chains = fv_strips_choose(l, &n, &before, &after);
    for (int i = 0; i < n; i++)
        take_strips(l, &chains[i]);
    if (l->program) {
        l->program->memory.strips = n;
        l->program->memory.without_strips = before;
    }
    return true;
}
