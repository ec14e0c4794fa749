/* lines.c - tiles whose rows are pixels of one line of an image.
 *
 *     x[i floordiv w + k, i floormod w + l, c]        the element of row i, for w pixels in a line
 *
 * The rows of a tile have addresses of their own, since the next line may begin at each of them:
 * there are more than registers, and they are computed again for each k and l. If the rows of a
 * tile divide w, each tile is within one line, and the row r of a tile that begins with row i0
 * reads
 *
 *     x[i0 floordiv w + k, i0 floormod w + r + l, c]
 *
 * whose distance from row 0 is a constant. */
#include "backend/schedule/contract/lines.h"

#include "backend/schedule/common/blocks.h"
#include "ir/base/divisor.h"
#include "ir/expr/visit.h"

static bool divides(const fv_expr *x) {
    return x->op == FV_X_FLOORDIV || x->op == FV_X_FLOORMOD;
}

int64_t fv_divisor_of_row(const fv_expr *x, const fv_var *row) {
    int64_t n;
    if (!divides(x) || !fv_x_is_int(x->arg[1], &n) || n < 1)
        return 0;
    const fv_expr *y = x->arg[0];
    bool is = y->op == FV_X_VAR ? y->u.var == row
                                : y->op == FV_X_FLOORMOD && fv_divisor_of_row(y, row) > 0;
    return is ? n : 0;
}

int64_t fv_length_of_lines(fv_arena *a, const fv_contraction *c, const fv_var *row) {
    int64_t length = 0;
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, c->a); (x = fv_x_next(&v));) {
        if (!divides(x) || !fv_x_uses(x, row))
            continue;
        int64_t n = fv_divisor_of_row(x, row);
        if (!n)
            return 0;
        length = fv_common_divisor(length, n);
    }
    return length;
}

bool fv_tile_is_in_line(const fv_tile *t) {
    return t->plan.line > 1 && t->plan.mr > 1 && t->plan.line % t->plan.mr == 0;
}

/* The quotient or remainder x for the first row of the tile. */
static fv_expr *at_first(fv_tile *t, const fv_expr *x, const fv_var *row) {
    fv_kemit *e = t->e;
    const fv_expr *y = x->arg[0];
    fv_expr *of = y->op == FV_X_VAR ? t->i0 : at_first(t, y, row);
    int64_t n = fv_divisor_of_row(x, row);
    of = binary(e, (fv_expr_op)x->op, of, integer(e, n));
    /* the minimum changes nothing; it proves that the last row is in the line */
    return x->op == FV_X_FLOORDIV ? of : binary(e, FV_X_MIN, of, integer(e, n - t->plan.mr));
}

void fv_tile_find_line(fv_tile *t, int rows) {
    fv_kemit *e = t->e;
    const fv_expr *x;
    t->rows.line.n = 0;
    if (!fv_tile_is_in_line(t) || rows != t->plan.mr)
        return;
    const fv_var *row = e->def->index[t->c->row];
    for (fv_x_visitor v = fv_x_visit(e->arena, t->c->a); (x = fv_x_next(&v));) {
        if (!fv_divisor_of_row(x, row))
            continue;
        if (t->rows.line.n == FV_MAX_RANK) { /* too many: each row computes its own */
            t->rows.line.n = 0;
            return;
        }
        const bool line = x->op == FV_X_FLOORDIV;
        t->rows.line.part[t->rows.line.n] = x;
        t->rows.line.first[t->rows.line.n++] =
            fv_kb_let(&e->b, line ? "line" : "pixel", at_first(t, x, row));
    }
}

void fv_tile_bind_line(fv_tile *t, fv_expr *r) {
    for (int i = 0; i < t->rows.line.n; i++) {
        const bool moves = t->rows.line.part[i]->op == FV_X_FLOORMOD;
        fv_expr *first = t->rows.line.first[i];
        fv_kemit_memo(t->e, t->rows.line.part[i], moves ? binary(t->e, FV_X_ADD, first, r) : first);
    }
}
