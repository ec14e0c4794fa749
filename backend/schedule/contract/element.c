/* element.c - which row, column, panel and sum an element of a register tile has (element.h). */
#include "backend/schedule/contract/element.h"

#include <string.h>

#include "backend/schedule/common/blocks.h"

int fv_panels_of_tile(const fv_tile *t) {
    return t->plan.nr / t->c->panels.width;
}

fv_expr *fv_panel_of_tile(fv_tile *t, fv_expr *tile, fv_expr *i) {
    fv_kemit *e = t->e;
    const int n = fv_panels_of_tile(t);
    if (n <= 1)
        return tile;
    const int64_t all = t->c->panels.panel_index->dim->value;
    fv_expr *panel = binary(e, FV_X_ADD, binary(e, FV_X_MUL, tile, integer(e, n)), i);
    return all % n ? binary(e, FV_X_MIN, panel, integer(e, all - 1)) : panel;
}

/* Binds the panel that has column c of the tile, and the column within that panel. */
static void bind_panel(fv_tile *t, fv_expr *c) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    const bool one = fv_panels_of_tile(t) <= 1;
    fv_expr *width = integer(e, p->width);
    fv_kemit_bind(e, p->column, one ? c : binary(e, FV_X_FLOORMOD, c, width));
    fv_kemit_bind(e, p->panel_index,
                  fv_panel_of_tile(t, t->panel, one ? NULL : binary(e, FV_X_FLOORDIV, c, width)));
}

void fv_tile_bind_column(fv_tile *t, fv_expr *c) {
    fv_kemit *e = t->e;
    fv_kemit_bind(e, e->def->index[t->c->column], binary(e, FV_X_ADD, t->j0, c));
    if (t->block.axis)
        fv_kemit_bind(e, t->block.axis, binary(e, FV_X_ADD, t->block.left, c));
    if (t->c->packed)
        bind_panel(t, c);
}

void fv_tile_bind_row(fv_tile *t, fv_expr *r) {
    r = t->rows.last ? binary(t->e, FV_X_MIN, r, t->rows.last) : r;
    if (t->c->row >= 0)
        fv_kemit_bind(t->e, t->e->def->index[t->c->row], binary(t->e, FV_X_ADD, t->i0, r));
    if (t->rows.local)
        fv_kemit_bind(t->e, t->rows.local, binary(t->e, FV_X_ADD, t->rows.done, r));
}

void fv_tile_bind(fv_tile *t, fv_expr *r, fv_expr *c) {
    fv_tile_bind_row(t, r);
    fv_tile_bind_column(t, c);
}

void fv_tile_place(const fv_tile *t, fv_expr *row, fv_expr *column, fv_expr **index) {
    int last = t->sums.buf->rank - 1;
    memcpy(index, t->sums.at, (size_t)t->sums.buf->rank * sizeof *index);
    index[last - 1] = binary(t->e, FV_X_ADD, index[last - 1], row);
    index[last] = binary(t->e, FV_X_ADD, index[last], column);
}
