/* transpose.c - the schedule `transpose`: a copy whose result is contiguous along another axis than
 * its source. It transposes blocks of n by n elements in registers: n loads of n elements that are
 * contiguous in the source, and n stores.
 *
 *     parallel part of u, or of v: for v by n: for u by n:
 *         tile rows[n, n];  rows[r, c] = x[v + r, u + c];  transpose rows
 *         y[u + c, v + r] = f(rows[c, r])
 *
 * v is the last axis of the result, u the axis that is contiguous in x. f is elementwise; its parts
 * that contain a division or a root and depend on u alone or on v alone, as in a norm of images,
 * are computed once for a task. The last block along an axis overlaps the one before it; an axis
 * with fewer than n elements is done element by element, as the schedule map does. */
#include "backend/schedule/common/scheduler.h"

#include "backend/axes/transposed.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/rows/map.h"
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

enum { MIN_BLOCK = 4, LEAST_TASK = 16, MOST_TASK = 1 << 24, MAX_LOADS = 8 };
/* The largest number of expressions that are computed once for a task, and of their elements. */
enum { MOST_ONCE = 8, LONGEST_ONCE = 1024 };

/* The plan of a transposition. */
typedef struct transposed {
    const fv_definition *def;
    int u, v;     /* axes of the result: the row and the column of its form */
    int64_t n;    /* rows and columns of a block */
    int64_t task; /* approximate number of elements of a task */
    /* bytes of a cache line, all of which are loaded even if a row needs fewer */
    int64_t line;
    fv_expr *load[MAX_LOADS]; /* the loads of the source in the definition, or of words of it */
    int nloads, nodes;
    /* whether load[0] is the whole element, which several loads make: then it is computed before it
     * is transposed */
    bool whole;
} transposed;

/* An expression that depends on one of u and v only, and its values in the task. */
typedef struct once {
    fv_expr *x;
    bool along_u;
    fv_buf *values;
} once;

/* The state while the kernel is emitted. */
typedef struct emitter {
    fv_kemit e;
    const transposed *t;
    fv_expr *index[FV_MAX_RANK]; /* the indices of the result */
    /* for the task: its first element along u, and the number of its elements along u */
    fv_expr *top, *height;
    fv_expr *left, *width; /* the first element of the task along v, and the number of them */
    fv_expr *u0, *v0;      /* the first element of a block, in the task */
    once once[MOST_ONCE];
    int nonce;
} emitter;

/* ---- does the schedule apply? ---- */

/* The load of several elements that x makes one element of, such as the bytes of a word; NULL: x is
 * something else. */
static const fv_expr *load_of_word(const fv_expr *x) {
    const fv_expr *y = x->op == FV_X_BITCAST ? x->arg[0] : x;
    y = y->op == FV_X_CONVERT ? y->arg[0] : y;
    return x->type.lanes == 1 && y->op == FV_X_LOAD && y->type.lanes > 1 ? y : NULL;
}

/* Collects the loads of the source, which are those that are strided along v. Returns false if the
 * definition does more than a copy with little elementwise work. */
static bool find_loads(fv_lowerer *l, transposed *t, fv_expr *x) {
    const fv_value *y = t->def->value;
    const fv_var *v = t->def->index[t->v];
    if (x->op == FV_X_REQUIRE)
        return fv_declines(l, y, FV_WHY_transpose_checks);
    if (fv_expr_op_is_math((fv_expr_op)x->op))
        return fv_declines(l, y, FV_WHY_transpose_math);
    if (++t->nodes > l->speed->transposed_nodes)
        return fv_declines(l, y, FV_WHY_transpose_large, fv_n(l->speed->transposed_nodes));
    const fv_expr *word = load_of_word(x);
    bool loads = x->op == FV_X_LOAD || x->op == FV_X_GUARD || word;
    if (loads && fv_x_stride(word ? word : x, v) < 0) {
        if (t->nloads == MAX_LOADS)
            return fv_declines(l, y, FV_WHY_transpose_loads, fv_n(MAX_LOADS));
        t->load[t->nloads++] = x;
        return true;
    }
    for (int i = 0; i < x->n; i++)
        if (!find_loads(l, t, x->arg[i]))
            return false;
    return true;
}

static int64_t block_size(const fv_lowerer *l, const transposed *t, const fv_value *value) {
    fv_elem elems[] = {(fv_elem)t->load[0]->type.elem, (fv_elem)t->def->body->type.elem,
                       value->type->elem};
    int bytes = 1;
    for (int i = 0; i < 3; i++)
        bytes = fv_elem_storage_bytes(elems[i]) > bytes ? fv_elem_storage_bytes(elems[i]) : bytes;
    int64_t n = fv_transposed_block(l->target, bytes);
    while (n >= MIN_BLOCK && (n > fv_typical_dim(t->def->index[t->u]->dim) ||
                              n > fv_typical_dim(t->def->index[t->v]->dim)))
        n /= 2;
    return n;
}

/* Is the form of d a transpose, or, if d has no form yet, would it be one? Sets the members def, u
 * and v of *t. */
static bool has_form(fv_lowerer *l, const fv_definition *d, transposed *t) {
    fv_transposed found;
    fv_expr *sum;
    fv_form_kind form = d->form.kind;
    bool may = form ? form == FV_FORM_TRANSPOSE : !fv_x_reductions(d->body, &sum, 1);
    if (!may || !fv_find_transposed(l, d, &found))
        return false;
    t->def = d;
    t->u = found.row;
    t->v = found.column;
    t->whole = found.several;
    return true;
}

/* The first load in x, which has one. */
static const fv_expr *first_load(const fv_expr *x) {
    for (int i = 0; x->op != FV_X_LOAD && x->op != FV_X_GUARD; i++)
        if (fv_x_has_load(x->arg[i])) {
            x = x->arg[i];
            i = -1;
        }
    return x;
}

static bool is_transposed(fv_lowerer *l, const fv_storage *s, transposed *t) {
    const fv_definition *d = s->def;
    if (!has_form(l, d, t))
        return false;
    if (t->whole)
        t->load[t->nloads++] = d->body;
    else if (!find_loads(l, t, d->body))
        return false;
    if (t->load[0]->type.elem == FV_BOOL)
        return fv_declines(l, s->value, FV_WHY_transpose_bool);
    t->n = block_size(l, t, s->value);
    if (t->n < MIN_BLOCK)
        return fv_declines(l, s->value, FV_WHY_transpose_short, fv_d(d->index[t->u]->dim),
                           fv_d(d->index[t->v]->dim), fv_n(MIN_BLOCK));
    return fv_takes(l, s->value, FV_WHY_transposes, fv_v(first_load(t->load[0])->u.buf->value),
                    fv_n(t->n));
}

/* ---- the kernel ---- */

static fv_expr *plus(fv_kemit *e, fv_expr *a, fv_expr *b) {
    return fv_x_bin(e->arena, FV_X_ADD, a, b);
}

static fv_expr *smaller(fv_kemit *e, fv_expr *a, fv_expr *b) {
    return fv_x_bin(e->arena, FV_X_MIN, a, b);
}

/* Binds u and v, and sets the indices of the result. */
static void bind_element(emitter *m, fv_expr *u, fv_expr *v) {
    const transposed *t = m->t;
    fv_kemit *e = &m->e;
    fv_kemit_bind(e, t->def->index[t->u], m->index[t->u] = plus(e, m->top, u));
    fv_kemit_bind(e, t->def->index[t->v], m->index[t->v] = plus(e, m->left, v));
}

static fv_expr *open_across(fv_kemit *e, fv_loop_kind kind, const char *name, int64_t n) {
    return fv_kb_for(&e->b, kind, name, fv_x_int(e->arena, 0), fv_x_int(e->arena, n), 1);
}

static bool has_division(const fv_expr *x) {
    if (x->op == FV_X_DIV || x->op == FV_X_SQRT)
        return true;
    for (int i = 0; i < x->n; i++)
        if (has_division(x->arg[i]))
            return true;
    return false;
}

/* Emits the values of x for all elements of the task along one axis, which are at most `most`. */
static void compute_once(emitter *w, fv_expr *x, bool along_u, int64_t most) {
    fv_kemit *e = &w->e;
    const fv_var *axis = w->t->def->index[along_u ? w->t->u : w->t->v];
    fv_kmark m = fv_kemit_mark(e);
    fv_buf *values = fv_kb_tile(&e->b, "once", (fv_elem)x->type.elem, 1, &most, NULL);
    fv_expr *size = along_u ? w->height : w->width,
            *i = fv_kb_for(&e->b, FV_VECTOR, axis->name, fv_x_int(e->arena, 0), size, 1);
    fv_kemit_bind(e, axis, plus(e, along_u ? w->top : w->left, i));
    fv_kb_store(&e->b, values, &i, fv_kemit_expr(e, x), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    w->once[w->nonce++] = (once){x, along_u, values};
}

/* Finds the largest expressions with a division or root that depend on u alone or on v alone.
 * most_u, most_v: the most elements of a task along the axes. */
static void find_once(emitter *w, int64_t most_u, int64_t most_v) {
    const transposed *t = w->t;
    fv_expr *x;
    for (fv_x_visitor n = fv_x_visit(w->e.l->current.scratch, t->def->body); (x = fv_x_next(&n));) {
        bool u = fv_x_uses(x, t->def->index[t->u]), v = fv_x_uses(x, t->def->index[t->v]);
        if (u && v && x->op != FV_X_LOAD && x->op != FV_X_GUARD)
            continue;
        fv_x_skip(&n);
        int64_t most = u ? most_u : most_v;
        bool pays = u != v && most > 0 && most <= LONGEST_ONCE &&
                    fv_elem_is_float((fv_elem)x->type.elem) && has_division(x) &&
                    w->nonce < MOST_ONCE;
        if (pays)
            compute_once(w, x, u, most);
    }
}

/* Makes the elements of the block at u, v load what was computed once. */
static void use_once(emitter *w, fv_expr *u, fv_expr *v) {
    for (int i = 0; i < w->nonce; i++) {
        const once *o = &w->once[i];
        fv_kemit_memo(&w->e, o->x, fv_x_load(w->e.arena, o->values, o->along_u ? &u : &v));
    }
}

static void emit_block(emitter *w, fv_buf *out) {
    fv_kemit *e = &w->e;
    const transposed *t = w->t;
    int64_t extent[] = {t->n, t->n};
    fv_kmark m = fv_kemit_mark(e);
    fv_buf *rows = fv_kb_tile(&e->b, "rows", (fv_elem)t->load[0]->type.elem, 2, extent, NULL);
    fv_expr *r = open_across(e, FV_UNROLL, "r", t->n), *c = open_across(e, FV_VECTOR, "c", t->n);
    fv_expr *rc[] = {r, c};
    bind_element(w, plus(e, w->u0, c), plus(e, w->v0, r));
    fv_kb_store(&e->b, rows, rc, fv_kemit_expr(e, t->load[0]), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    fv_kb_transpose(&e->b, rows);
    c = open_across(e, FV_UNROLL, "c", t->n);
    r = open_across(e, FV_VECTOR, "r", t->n);
    fv_expr *cr[] = {c, r};
    fv_expr *u = plus(e, w->u0, c), *v = plus(e, w->v0, r);
    bind_element(w, u, v);
    use_once(w, u, v);
    for (int i = 0; i < t->nloads; i++)
        fv_kemit_memo(e, t->load[i], fv_x_load(e->arena, rows, cr));
    fv_kemit_store(e, out, w->index, fv_kemit_expr(e, t->def->body));
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Copies to `out` element by element, in parts that are too small for a block. */
static void emit_gather(emitter *w, fv_buf *out) {
    fv_kemit *e = &w->e;
    const transposed *t = w->t;
    fv_expr *zero = fv_x_int(e->arena, 0);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *u = fv_kb_for(&e->b, FV_SERIAL, t->def->index[t->u]->name, zero, w->height, 1);
    fv_expr *v = fv_kb_for(&e->b, FV_VECTOR, t->def->index[t->v]->name, zero, w->width, 1);
    bind_element(w, u, v);
    fv_kemit_store(e, out, w->index, fv_kemit_expr(e, t->def->body));
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Returns the most elements along an axis that one task copies, if it copies `across` elements
 * along the other axis. */
static int64_t part_size(const transposed *t, int axis, int64_t across) {
    int64_t extent = t->def->index[axis]->dim->hi;
    int64_t line = t->line / fv_elem_storage_bytes((fv_elem)t->load[0]->type.elem);
    int64_t part = fv_round_up(t->task / (across > 0 ? across : 1) + 1, line > t->n ? line : t->n);
    return part < extent ? part : extent;
}

/* Opens a loop over parts of an axis, which are tasks, and sets *first and *size to a part's first
 * element and its number of elements; a single part is the whole axis. */
static void open_part(fv_kemit *e, const fv_dim *d, int64_t part, fv_expr **first, fv_expr **size) {
    fv_expr *n = fv_kemit_dim(e, d), *step = integer(e, part);
    int64_t lo, hi;
    fv_open_blocks(e, FV_PARALLEL, "part", n, fv_ceildiv(e, n, step), step, d->hi <= part, first,
                   size);
    fv_x_range(*size, &lo, &hi);
    /* the extent has no bound: a bound here shows the verifier that `size` has one */
    if (lo == INT64_MIN)
        *size = fv_kb_let(&e->b, "size", binary(e, FV_X_MAX, *size, integer(e, 0)));
}

/* Returns the condition that the axis, cut into parts of `part` elements, is long enough for a
 * block; NULL: it always is. */
static fv_expr *has_block(fv_kemit *e, const transposed *t, int axis, fv_expr *size, int64_t part) {
    const fv_dim *d = t->def->index[axis]->dim;
    if (fv_dim_is_const(d) && (d->value % part == 0 || d->value % part >= t->n))
        return NULL;
    return fv_x_bin(e->arena, FV_X_LE, fv_x_int(e->arena, t->n), size);
}

static fv_expr *both(fv_kemit *e, fv_expr *a, fv_expr *b) {
    return a && b ? fv_x_bin(e->arena, FV_X_AND, a, b) : a ? a : b;
}

/* Opens a loop over the blocks of an axis, and returns the first element of a block; the last block
 * overlaps the previous one instead of exceeding the end. */
static fv_expr *open_blocks(fv_kemit *e, const transposed *t, int axis, fv_expr *size) {
    const fv_var *v = t->def->index[axis];
    int64_t known;
    fv_expr *zero = fv_x_int(e->arena, 0);
    fv_expr *i = fv_kb_for(&e->b, FV_SERIAL, v->name, zero, size, t->n);
    if (fv_x_is_int(size, &known) && known % t->n == 0)
        return i;
    i = smaller(e, i, fv_x_bin(e->arena, FV_X_SUB, size, fv_x_int(e->arena, t->n)));
    /* the maximum with 0 shows the verifier that no index is negative */
    return fv_kb_let(&e->b, v->name, fv_x_bin(e->arena, FV_X_MAX, i, zero));
}

static void emit_blocks(emitter *w, fv_buf *out) {
    fv_kemit *e = &w->e;
    w->v0 = open_blocks(e, w->t, w->t->v, w->width);
    w->u0 = open_blocks(e, w->t, w->t->u, w->height);
    emit_block(w, out);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

typedef struct plan {
    transposed t;
    fv_choosing chosen;
} plan;

static void *choose(fv_lowerer *l, const fv_storage *s) {
    const fv_processor *of = fv_processor_of(l->target);
    transposed t = {.task = of->row_task, .line = of->prefetch.line_bytes};
    if (!is_transposed(l, s, &t))
        return NULL;
    plan *p = FV_NEW(l->arena, plan, 1);
    p->chosen = fv_choose_for(l, s->def, s->operand ? FV_SCHEDULE_pack : FV_SCHEDULE_transpose);
    t.n = fv_choose(&p->chosen, FV_PARAMETER_size, t.n, MIN_BLOCK, t.n, 1);
    t.task = fv_choose(&p->chosen, FV_PARAMETER_task, t.task, LEAST_TASK, MOST_TASK, 1);
    p->t = t;
    return p;
}

static void emit(fv_lowerer *l, const fv_storage *s, fv_op *op, void *as) {
    plan *p = as;
    const transposed *t = &p->t;
    const fv_definition *d = s->def;
    emitter w = {.t = t};
    fv_kemit *e = &w.e;
    fv_kemit_init(e, l, d, fv_op_stem(op));
    bool inside[FV_MAX_RANK] = {false};
    inside[t->u] = inside[t->v] = true;
    const fv_dim *du = d->index[t->u]->dim, *dv = d->index[t->v]->dim;
    int64_t width = fv_typical_dim(dv), rows = part_size(t, t->u, width), columns = dv->hi;
    if (rows == du->hi) /* u is one part, so v is cut into parts if it is long */
        columns = part_size(t, t->v, rows);
    bool whole = rows == du->hi && columns == dv->hi && width < t->task;
    fv_open_outer(e, inside, whole ? rows * width : t->task, t->task, w.index);
    open_part(e, du, rows, &w.top, &w.height);
    open_part(e, dv, columns, &w.left, &w.width);
    if (du->hi > rows || dv->hi > columns)
        fv_takes(l, s->value, FV_WHY_tasks_across, fv_n(rows), fv_n(columns));
    else if (d->rank == 2)
        fv_declines(l, s->value, FV_WHY_tasks_square, fv_d(du), fv_d(dv));
    fv_buf *out = fv_kemit_out(e, s->value);
    if (s->unless)
        fv_kb_if(&e->b, fv_x_un(e->arena, FV_X_NOT, fv_kemit_expr(e, s->unless)));
    fv_expr *blocks =
        both(e, has_block(e, t, t->u, w.height, rows), has_block(e, t, t->v, w.width, columns));
    if (blocks)
        fv_kb_if(&e->b, blocks);
    find_once(&w, rows, columns);
    emit_blocks(&w, out);
    if (blocks) {
        fv_kb_else(&e->b);
        emit_gather(&w, out);
    }
    while (e->b.depth)
        fv_kb_end(&e->b);
    fv_kemit_finish(e, op, &p->chosen.how);
    fv_chosen(&p->chosen, p->chosen.how.kind);
}

const fv_scheduler fv_schedule_transpose = {.choose = choose, .emit = emit};
