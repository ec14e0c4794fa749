/* prefetch_blocks.c - see prefetch_blocks.h. */
#include "backend/schedule/contract/prefetch_blocks.h"

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/element.h"
#include "ir/base/divisor.h"
#include "ir/expr/visit.h"
#include "ir/target/machine.h"

/* The axis of x, a load of panels, along which blocks of the sum are numbered; -1: there is none,
 * or blocks have several numbers. */
static int axis_of_blocks(const fv_tile *t, const fv_expr *x) {
    const fv_expr *sum = t->c->blocks.sum;
    const fv_var *block = sum->u.red.vars[0];
    int axis = sum->u.red.nvars == 1 ? x->u.buf->rank - 1 : -1;
    while (axis >= 0 && (x->arg[axis]->op != FV_X_VAR || x->arg[axis]->u.var != block))
        axis--;
    return axis;
}

/* The number of elements of a block in the panels from which x loads; 0: it is not known, or x does
 * not load by the number of a block and indices within it. */
static int64_t elements_of_block(const fv_tile *t, const fv_expr *x) {
    const int axis = axis_of_blocks(t, x);
    int64_t n = axis < 0 || axis == x->u.buf->rank - 1 ? 0 : 1, extent;
    for (int i = axis + 1; i < x->u.buf->rank; i++)
        n *= fv_x_is_int(x->u.buf->extent[i], &extent) ? extent : 0;
    return n;
}

int64_t fv_block_lines(const fv_tile *t, const fv_expr *x, int line) {
    return fv_div_up(elements_of_block(t, x) * fv_elem_storage_bytes(x->u.buf->elem), line);
}

void fv_tile_prefetch_in_block(fv_tile *t, const fv_expr *x, fv_expr *tile, int i, fv_expr *at,
                               int cache) {
    fv_kemit *e = t->e;
    fv_expr *index[FV_MAX_RANK];
    const int axis = axis_of_blocks(t, x), last = x->u.buf->rank - 1;
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, t->c->panels.panel_index, fv_panel_of_tile(t, tile, integer(e, i)));
    for (int k = 0; k < last; k++)
        index[k] = k <= axis ? fv_kemit_expr(e, x->arg[k]) : integer(e, 0);
    index[last] = at;
    fv_kb_prefetch(&e->b, fv_kemit_in(e, x->u.buf), index, cache);
    fv_kemit_release(e, m);
}

int fv_block_loads(const fv_tile *t, const fv_expr **loads) {
    int n = 0;
    const fv_expr *x;
    loads[n++] = t->c->panels.load;
    for (fv_x_visitor v = fv_x_visit(t->e->arena, t->c->blocks.term); (x = fv_x_next(&v));) {
        if (x->op == FV_X_LOAD && fv_x_uses(x, t->c->panels.column) && n < FV_MOST_BLOCK_LOADS &&
            x->u.buf->value != t->c->panels.value)
            loads[n++] = x;
        if (x->op == FV_X_REDUCE)
            fv_x_skip(&v);
    }
    return n;
}

void fv_tile_prefetch_terms(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_expr *loads[FV_MOST_BLOCK_LOADS];
    const int n = fv_block_loads(t, loads),
              line = fv_processor_of(e->l->target)->prefetch.line_bytes;
    const int64_t weights = elements_of_block(t, loads[0]);
    for (int k = 1; k < n && weights; k++) {
        const int64_t own = elements_of_block(t, loads[k]),
                      lines = fv_block_lines(t, loads[k], line),
                      elements = line / fv_elem_storage_bytes(loads[k]->u.buf->elem);
        fv_expr *ahead = binary(e, FV_X_MUL, t->prefetch.ahead, integer(e, own));
        ahead = binary(e, FV_X_FLOORDIV, ahead, integer(e, weights));
        for (int64_t j = 0; j < lines * fv_panels_of_tile(t); j++) {
            fv_expr *at = binary(e, FV_X_ADD, ahead, integer(e, j % lines * elements));
            fv_tile_prefetch_in_block(t, loads[k], t->panel, (int)(j / lines), at, 1);
        }
    }
}
