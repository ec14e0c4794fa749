/* window.c - convolutions of single channels, in which pixels of a line are the columns:
 *
 *     y[m, h, w] = sum k, l: f[m, k, l] * x[m, h * s + k, w + l]
 *
 * The filter of a channel depends on no row, so each line h could be a tile of its own, which loads
 * as many vectors of x as it multiplies, most of them from two lines of the cache. With several
 * lines as the rows of a tile, what is loaded of a line of x is multiplied for all rows whose
 * windows contain it:
 *
 *     unroll line < (MR - 1) * s + K:
 *       for l:
 *         b[c] = x[m, i0 * s + line, j0 + c + l]
 *         unroll r: k = line - r * s; if 0 <= k < K: acc[r, c] = fma(f[m, k, l], b[c], acc[r, c])
 *
 * The terms of each element are added in ascending order of k and l, as by other tiles. */
#include "backend/schedule/contract/window.h"

#include "backend/lowering/access.h"
#include "backend/schedule/common/blocks.h"
#include "ir/expr/affine.h"

/* the most taps of a window along the lines: the loops over each line of x are code of their own */
enum { MOST_TAPS = 16 };

/* Writes x as line * stride + tap + rest, where rest depends on neither. Returns the stride; 0: x
 * has another form. */
static int64_t stride_of(fv_lowerer *l, const fv_expr *x, const fv_var *line, const fv_var *tap) {
    const fv_affine f = fv_affine_of(&(fv_affines){.dims = l->module->dims}, x);
    int64_t stride = 0;
    bool is = f.rest && fv_affine_is_of_vars(&f), slides = false;
    for (int i = 0; i < f.n && is; i++) {
        const fv_var *v = f.term[i].x->u.var;
        if (v == line)
            stride = f.term[i].by->value;
        slides |= v == tap && f.term[i].by->value == 1;
        is = v != tap || slides;
    }
    return is && slides && stride > 0 && stride <= MOST_TAPS ? stride : 0;
}

/* The stride of the window along the lines in x, a load with or without a condition; 0: no index or
 * several indices depend on the line or on the tap. */
static int64_t stride_in(fv_lowerer *l, const fv_expr *x, const fv_var *line, const fv_var *tap) {
    int64_t stride = 0;
    int uses = 0;
    for (int i = 0; i < x->u.buf->rank; i++)
        if (fv_x_uses(x->arg[i], line) || fv_x_uses(x->arg[i], tap)) {
            stride = stride_of(l, x->arg[i], line, tap);
            uses++;
        }
    return uses == 1 ? stride : 0;
}

void fv_find_lines(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    const fv_expr *x = fv_x_stored(c->b);
    const fv_target *t = l->target;
    if (c->row >= 0 || c->column < 1 || c->nsums > 1 || c->each || c->packed || c->blocks.sum ||
        c->dot.group || c->context.often || !fv_elem_is_float((fv_elem)c->sum->type.elem) ||
        (x->op != FV_X_LOAD && (x->op != FV_X_GUARD || !c->dense.b)) ||
        !fv_is_vector_processor(t) || (l->options->saves & FV_SAVES_CODE) ||
        c->sum->u.red.nvars < 2)
        return;
    const fv_var *line = d->index[c->column - 1], *tap = c->sum->u.red.vars[0];
    int64_t stride = fv_x_uses(c->a, line) || !fv_dim_is_const(line->dim) ||
                             !fv_dim_is_const(tap->dim) || tap->dim->value > MOST_TAPS
                         ? 0
                         : stride_in(l, x, line, tap);
    if (!stride || stride >= tap->dim->value || line->dim->value < 2)
        return;
    c->row = c->column - 1;
    c->context.image.lines = (fv_contract_lines){stride, tap->dim->value};
}

/* Computes b for the current step, and the columns of the tile. */
static fv_buf *pixels_of_step(fv_tile *t, bool edge) {
    fv_kemit *e = t->e;
    fv_buf *b =
        fv_kb_tile(&e->b, "b", (fv_elem)t->c->sum->type.elem, 1, (int64_t[]){t->plan.nr}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, t->plan.nr));
    fv_kemit_bind(e, e->def->index[t->c->column], binary(e, FV_X_ADD, t->j0, c));
    e->guard = edge ? binary(e, FV_X_LT, c, t->columns) : NULL;
    fv_kb_store(&e->b, b, &c, fv_kemit_expr(e, t->c->b), NULL);
    e->guard = NULL;
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    return b;
}

/* Adds the products of a line of the image for the rows whose windows contain it. */
static void multiply_line(fv_tile *t, fv_buf *acc, int rows, int64_t line, bool edge) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    const fv_contract_lines *lines = &t->c->context.image.lines;
    const int outer = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    for (int i = 1; i < sum->u.red.nvars; i++) {
        fv_var *v = sum->u.red.vars[i];
        fv_expr *n = fv_kemit_dim(e, v->dim);
        fv_kemit_bind(e, v, fv_kb_for(&e->b, FV_SERIAL, v->name, integer(e, 0), n, 1));
    }
    fv_kemit_bind(e, sum->u.red.vars[0], integer(e, line));
    const fv_buf *b = pixels_of_step(t, edge);
    for (int r = 0; r < rows; r++) {
        const int64_t tap = line - r * lines->stride;
        if (tap < 0 || tap >= lines->taps)
            continue;
        fv_kmark own = fv_kemit_mark(e);
        fv_kemit_bind(e, sum->u.red.vars[0], integer(e, tap));
        fv_expr *a = fv_kb_let(&e->b, "a", fv_kemit_expr(e, t->c->a));
        fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, t->plan.nr));
        fv_expr *at[2] = {integer(e, r), c}, *so_far = fv_x_load(e->arena, acc, at);
        fv_expr *term = fv_x_load(e->arena, (fv_buf *)b, &c);
        fv_kb_store(&e->b, acc, at, fv_kemit_add_product(e, a, term, so_far), NULL);
        fv_kb_end(&e->b);
        fv_kemit_release(e, own);
    }
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

void fv_tile_multiply_lines(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, bool edge) {
    fv_kemit *e = t->e;
    const fv_contract_lines *lines = &t->c->context.image.lines;
    const int64_t n = (rows - 1) * lines->stride + lines->taps;
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, e->def->index[t->c->row], binary(e, FV_X_ADD, t->i0, first));
    for (int64_t line = 0; line < n; line++)
        multiply_line(t, acc, rows, line, edge);
    fv_kemit_release(e, m);
}
