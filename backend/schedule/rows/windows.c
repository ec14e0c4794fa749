/* windows.c - rows of windows that slide over an image, and of images that are resized:
 *
 *     y[i, j] = max k < 3, l < 3: x[2 * i + k - 1, 2 * j + l - 1] if inside, else -inf
 *
 * A row is computed in whole vectors, of which the last one may overlap the one before it. In most
 * of them every window is inside of the line along which the row runs, so that no element is tested
 * (pieces.c). Only the first and the last vectors have conditions, between them there is a loop
 * without. Conditions on other axes limit the loops over terms (clip.c).
 *
 * If the order of terms does not matter and a window is large, the reduction over the axis of the
 * row comes last. The others are done once for each position along the line, and not once for each
 * window that contains it:
 *
 *     m[t] = max k < 13: x[i + k - 6, t - 6] if inside, else -inf          t < n + 12
 *     y[i, j] = max l < 13: m[j + l]
 *
 * The line m is in the first-level cache. */
#include "backend/schedule/rows/windows.h"

#include "backend/lowering/access.h"
#include "backend/schedule/rows/pieces.h"
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/expr/affine.h"
#include "ir/expr/rewrite.h"

/* LEAST: the least number of elements that are computed together. LARGE: how many times fewer terms
 * a reduction in two parts must have. MOST_LINE: the most bytes of a line. UNROLL: the most terms
 * of an unrolled loop. */
enum { LEAST = 4, LARGE = 2, MOST_LINE = 4096, MAX_WINDOWS = 8, UNROLL = 16 };

/* ---- whole vectors ---- */

/* Emits the statements for the element whose index v is bound to `at`. */
typedef void emits(fv_kemit *e, fv_expr *at, void *user);

/* Emits the elements from lo to before hi. */
static void emit_vectors(fv_kemit *e, fv_var *v, int64_t lo, int64_t hi, emits *emit, void *user) {
    fv_arena *a = e->arena;
    const int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *at = fv_kb_for(&e->b, FV_VECTOR, v->name, fv_x_int(a, lo), fv_x_int(a, hi), 1);
    fv_kemit_bind(e, v, at);
    emit(e, at, user);
    fv_kb_end_to(&e->b, depth);
    fv_kemit_release(e, m);
}

/* Emits all elements along v, at least `width`, in vectors of that width. Neighbouring vectors, all
 * of which are inside or none, share a loop. */
static void emit_all(fv_kemit *e, fv_var *v, int64_t width, fv_row_inside in, emits *emit,
                     void *user) {
    const int64_t n = v->dim->value, vectors = n / width;
    /* the numbers of the first vector that is inside, and of the first one after these */
    int64_t first = (in.lo > 0 ? in.lo + width - 1 : 0) / width, end = in.hi / width;
    first = first < vectors ? first : vectors;
    end = end < first ? first : end < vectors ? end : vectors;
    const int64_t from[] = {0, first, end, vectors};
    for (int i = 0; i < 3; i++)
        if (from[i] < from[i + 1])
            emit_vectors(e, v, from[i] * width, from[i + 1] * width, emit, user);
    if (n % width)
        emit_vectors(e, v, n - width, n, emit, user);
}

/* ---- a line of partial results ---- */

/* A reduction r over windows, in two parts: m[t] over all variables but k, for the position
 * t = step * v + gap * k along the line, and then over k. */
typedef struct line {
    fv_expr *r;
    const fv_var *v, *k;
    int64_t step, gap;
    fv_var *t;
    fv_expr *part; /* the first part, as an expression of t */
    fv_expr *rest; /* the second part, over elements of the tile m */
    fv_buf *m;
} line;

/* The factors of v and k in the affine expression x; false: x is not affine in them. */
static bool factors(fv_kemit *e, const fv_expr *x, const line *w, int64_t *of_v, int64_t *of_k) {
    const fv_affines s = {.dims = e->l->module->dims};
    fv_affine f = fv_affine_of(&s, x);
    *of_v = *of_k = 0;
    for (int i = 0; f.rest && i < f.n; i++) {
        const fv_expr *atom = f.term[i].x;
        const bool is = atom->op == FV_X_VAR && (atom->u.var == w->v || atom->u.var == w->k);
        if (!is && (fv_x_uses(atom, w->v) || fv_x_uses(atom, w->k)))
            return false;
        if (is && !fv_dim_is_const(f.term[i].by))
            return false;
        if (is)
            *(atom->u.var == w->v ? of_v : of_k) = f.term[i].by->value;
    }
    return f.rest != NULL;
}

typedef struct positions {
    fv_kemit *e;
    line *w;
    bool failed;
} positions;

static bool is_affine_op(const fv_expr *x) {
    return x->op == FV_X_VAR || x->op == FV_X_ADD || x->op == FV_X_SUB || x->op == FV_X_MUL ||
           x->op == FV_X_NEG;
}

/* Replaces a sum of multiples of v and k by that multiple of the position. */
static fv_expr *at_position(fv_x_rewriter *r, fv_expr *x) {
    positions *p = r->user;
    line *w = p->w;
    int64_t v, k;
    if (!fv_x_uses(x, w->v) && !fv_x_uses(x, w->k))
        return x;
    if (x->type.elem != FV_I64 || !is_affine_op(x) || !factors(p->e, x, w, &v, &k)) {
        p->failed |= x->op == FV_X_VAR;
        return NULL;
    }
    const int64_t by = w->step ? v / w->step : 0;
    if (v <= 0 || v != by * w->step || k != by * w->gap) {
        p->failed = true;
        return x;
    }
    fv_arena *a = p->e->l->exprs;
    fv_expr *zeros[] = {fv_x_int(a, 0), fv_x_int(a, 0)};
    fv_var *const from[] = {(fv_var *)(uintptr_t)w->v, (fv_var *)(uintptr_t)w->k};
    fv_expr *rest = fv_x_replace_vars(a, x, 2, from, zeros);
    fv_expr *t = fv_x_bin(a, FV_X_MUL, fv_x_var(a, w->t), fv_x_int(a, by));
    return fv_x_bin(a, FV_X_ADD, t, rest);
}

/* Finds step and gap from the first index that depends on both v and k. */
static bool find_steps(fv_kemit *e, line *w) {
    const fv_expr *x;
    for (fv_x_visitor n = fv_x_visit(e->l->current.scratch, w->r->arg[0]); (x = fv_x_next(&n));) {
        int64_t v, k;
        if ((x->op != FV_X_LOAD && x->op != FV_X_GUARD) || !x->u.buf->rank)
            continue;
        if (factors(e, x->arg[x->u.buf->rank - 1], w, &v, &k) && v > 0 && k > 0) {
            const int64_t common = fv_common_divisor(v, k);
            w->step = v / common;
            w->gap = k / common;
            return true;
        }
    }
    return false;
}

/* The number of terms of r over the variables other than k; 0: it is not known. */
static int64_t terms_without(const fv_expr *r, const fv_var *k) {
    int64_t n = 1;
    for (int i = 0; i < r->u.red.nvars; i++) {
        const fv_var *v = r->u.red.vars[i];
        if (!fv_dim_is_const(v->dim) || v->dim->value < 1 || v->dim->value > MOST_LINE)
            return 0;
        n *= v == k || n > MOST_LINE ? 1 : v->dim->value;
    }
    return n;
}

/* Writes r in two parts, if that is possible and takes fewer operations. */
static bool divide(fv_kemit *e, fv_expr *r, fv_var *v, line *w) {
    fv_arena *a = e->l->exprs;
    const int n = r->u.red.nvars;
    fv_var *vars[FV_MAX_RANK], *k = r->u.red.vars[n - 1];
    *w = (line){.r = r, .v = v, .k = k};
    if (n < 2 || n > FV_MAX_RANK || fv_x_is_ordered(r) || fv_x_has(r, FV_HAS_REQUIRE) ||
        !find_steps(e, w))
        return false;
    const int64_t others = terms_without(r, k), window = k->dim->value;
    const int64_t length = w->step * (v->dim->value - 1) + w->gap * (window - 1) + 1;
    if (!others || others * window < LARGE * (others * w->step + window) ||
        length > MOST_LINE / fv_elem_storage_bytes((fv_elem)r->type.elem))
        return false;
    w->t = fv_var_new(a, "t", fv_kt(FV_I64, 1));
    w->t->dim = fv_dim_const(e->l->module->dims, length);
    w->t->lo = 0;
    w->t->hi = length - 1;
    positions p = {e, w, false};
    fv_x_rewriter rewriter = {
        .arena = a, .before = at_position, .user = &p, .memo = fv_ptrmap_in(a)};
    fv_expr *body = fv_x_rewrite(&rewriter, r->arg[0]);
    for (int i = 0; i < n - 1; i++)
        vars[i] = r->u.red.vars[i];
    w->part = p.failed ? NULL : fv_x_reduce_like(a, r, n - 1, vars, body);
    return w->part && !fv_x_uses(w->part, v);
}

static void emit_part(fv_kemit *e, fv_expr *at, void *user) {
    line *w = user;
    fv_kb_store(&e->b, w->m, &at, fv_kemit_expr(e, w->part), NULL);
}

/* Emits the first part of the reduction for a line. */
static void emit_line(fv_kemit *e, line *w, int64_t width) {
    fv_arena *a = e->l->exprs;
    const int64_t length = w->t->dim->value;
    const fv_var *around = e->loop.vector;
    w->m = fv_kb_tile(&e->b, "line", (fv_elem)w->r->type.elem, 1, &length, NULL);
    e->loop.vector = w->t;
    emit_all(e, w->t, width, fv_row_inside_of(a, e->l->module->dims, w->part->arg[0], w->t),
             emit_part, w);
    e->loop.vector = around;
    fv_var *k = (fv_var *)(uintptr_t)w->k;
    fv_expr *at =
        fv_x_bin(a, FV_X_MUL, fv_x_var(a, (fv_var *)(uintptr_t)w->v), fv_x_int(a, w->step));
    at = fv_x_bin(a, FV_X_ADD, at, fv_x_bin(a, FV_X_MUL, fv_x_var(a, k), fv_x_int(a, w->gap)));
    w->rest = fv_x_reduce_like(a, w->r, 1, &k, fv_x_load(a, w->m, &at));
}

/* ---- a row ---- */

typedef struct row {
    fv_row *w;
    fv_value *value;
    line lines[MAX_WINDOWS];
    int nlines;
} row;

static void emit_row(fv_kemit *e, fv_expr *at, void *user) {
    row *z = user;
    fv_row *w = z->w;
    const fv_definition *d = e->def;
    w->index[w->at] = at;
    for (int i = 0; i < z->nlines; i++)
        fv_kemit_memo(e, z->lines[i].r, fv_kemit_expr(e, z->lines[i].rest));
    fv_kemit_hoist(e, d->body);
    fv_kemit_store(e, w->out ? w->out : fv_kemit_out(e, z->value), w->index,
                   fv_kemit_expr(e, d->body));
}

/* The inside of the row, regardless of conditions of reductions that are computed in two parts. */
static fv_row_inside inside_of(fv_kemit *e, const row *z, const fv_var *v) {
    fv_arena *a = e->l->exprs;
    fv_x_rewriter r = {.arena = a, .memo = fv_ptrmap_in(a)};
    for (int i = 0; i < z->nlines; i++)
        *fv_ptrmap_at(&r.memo, z->lines[i].r) = z->lines[i].rest;
    return fv_row_inside_of(a, e->l->module->dims, fv_x_rewrite(&r, e->def->body), v);
}

/* Does an index of a load in r depend both on v and on a variable of r? */
static bool slides(fv_kemit *e, const fv_expr *r, const fv_var *v) {
    const fv_expr *x;
    for (fv_x_visitor n = fv_x_visit(e->l->current.scratch, r->arg[0]); (x = fv_x_next(&n));)
        for (int i = 0; (x->op == FV_X_LOAD || x->op == FV_X_GUARD) && i < x->u.buf->rank; i++)
            for (int k = 0; k < r->u.red.nvars && fv_x_uses(x->arg[i], v); k++)
                if (fv_x_uses(x->arg[i], r->u.red.vars[k]))
                    return true;
    return false;
}

/* Finds the reductions that depend on v, and returns the bits of the narrowest one; 0: there is
 * none, there are too many, or one of them is over something else than windows. */
static int bits_of_windows(fv_kemit *e, const fv_var *v, fv_expr **found, int *n) {
    fv_expr *all[MAX_WINDOWS];
    const int count = fv_x_reductions(e->def->body, all, MAX_WINDOWS);
    int bits = 0;
    *n = 0;
    for (int i = 0; i < count; i++) {
        const int own = fv_elem_bits((fv_elem)all[i]->type.elem);
        if (!fv_x_uses(all[i], v))
            continue;
        if (!slides(e, all[i], v))
            return 0;
        bits = !bits || own < bits ? own : bits;
        found[(*n)++] = all[i];
    }
    return count < MAX_WINDOWS ? bits : 0;
}

/* Is the index x of a load a quotient of v, or limited to a range? */
static bool is_resampled(fv_kemit *e, const fv_expr *index, const fv_var *v) {
    const fv_expr *x;
    for (fv_x_visitor n = fv_x_visit(e->l->current.scratch, index); (x = fv_x_next(&n));)
        if ((x->op == FV_X_FLOORDIV || x->op == FV_X_MIN || x->op == FV_X_MAX) && fv_x_uses(x, v))
            return true;
    return false;
}

/* Does d load elements at such indices, as for an image that is resized or has a border of its
 * edges, without reductions that depend on v? */
static bool is_resized(fv_kemit *e, const fv_definition *d, const fv_var *v) {
    const fv_expr *x;
    bool is = false;
    for (fv_x_visitor n = fv_x_visit(e->l->current.scratch, d->body); (x = fv_x_next(&n));) {
        const bool loads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
        if (x->op == FV_X_REDUCE && fv_x_uses(x, v))
            return false;
        for (int i = 0; loads && i < x->u.buf->rank && !is; i++)
            is = is_resampled(e, x->arg[i], v);
    }
    return is;
}

bool fv_emit_windows(fv_kemit *e, fv_row *w, fv_value *value) {
    fv_var *v = e->def->index[w->vector];
    fv_expr *sums[MAX_WINDOWS];
    row z = {.w = w, .value = value};
    int n;
    if (w->alone || e->range.dim || e->keep.n || !fv_dim_is_const(v->dim) ||
        fv_is_small_code(e->l->options))
        return false;
    int bits = bits_of_windows(e, v, sums, &n);
    if (!n && is_resized(e, e->def, v))
        bits = fv_elem_bits((fv_elem)e->def->body->type.elem);
    int64_t width = bits ? e->l->target->vector_bits / bits : 0;
    while (width > v->dim->value)
        width /= 2;
    if (width < LEAST)
        return false;
    e->sums.unroll = UNROLL;
    for (int i = 0; i < n; i++)
        if (divide(e, sums[i], v, &z.lines[z.nlines]))
            emit_line(e, &z.lines[z.nlines++], width);
    /* indices from tables need no conditions */
    const fv_row_inside whole = {0, v->dim->value};
    emit_all(e, v, width, !n && e->loop.ntables ? whole : inside_of(e, &z, v), emit_row, &z);
    e->sums.unroll = 0;
    return true;
}
