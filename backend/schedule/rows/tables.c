/* tables.c - see tables.h. */
#include "backend/schedule/rows/tables.h"

#include "ir/base/limits.h"
#include "ir/expr/fold.h"

/* LEAST_ROWS: fewer rows do not use a table often enough. LONGEST: the most elements of a table.
 * MOST: the most tables. GROUP: a quotient by a multiple of this number is the same for the lanes
 * of a vector. FEW: fewer quotients in a row are few. */
enum { LEAST_ROWS = 4, LONGEST = 512, MOST = 8, GROUP = 16, FEW = 3 };

/* Is x a quotient or a remainder by a constant that takes several operations for each vector? By a
 * power of two it is a shift; and if a row has few quotients, as with a border of its mirror image,
 * the row is divided where they change (pieces.h). */
static bool is_costly(const fv_expr *x) {
    int64_t n, lo, hi;
    if ((x->op != FV_X_FLOORDIV && x->op != FV_X_FLOORMOD) || x->type.elem != FV_I64 ||
        !fv_x_is_int(x->arg[1], &n) || n <= 0 || n > INT32_MAX || !(n & (n - 1)) || n % GROUP == 0)
        return false;
    fv_x_range(x->arg[0], &lo, &hi);
    return lo < -INT32_MAX || hi > INT32_MAX || hi - lo >= FEW * n;
}

/* Does x depend on v and on nothing else, with a costly quotient? */
static bool is_of_index(fv_arena *scratch, const fv_expr *root, const fv_var *v) {
    bool costly = false;
    const fv_expr *x;
    if (fv_x_has(root, FV_HAS_LOAD) || fv_x_has(root, FV_HAS_REDUCE) ||
        fv_x_has(root, FV_HAS_REQUIRE) || !fv_x_uses(root, v))
        return false;
    for (fv_x_visitor n = fv_x_visit(scratch, root); (x = fv_x_next(&n));) {
        if ((x->op == FV_X_VAR && x->u.var != v) ||
            (x->op == FV_X_DIM && !fv_dim_is_const(x->u.dim)))
            return false;
        costly |= is_costly(x) && fv_x_uses(x, v);
    }
    return costly;
}

/* Emits an array with the values of x for all values of v. */
static void emit_table(fv_kemit *e, fv_expr *x, fv_var *v) {
    const int64_t n = v->dim->value, extent = n | 1; /* odd: it is no array of whole vectors */
    const int known = e->loop.ntables;
    fv_kmark m = fv_kemit_mark(e);
    fv_buf *tile = fv_kb_tile(&e->b, "table", (fv_elem)x->type.elem, 1, &extent, NULL);
    fv_expr *at =
        fv_kb_for(&e->b, FV_VECTOR, v->name, fv_x_int(e->arena, 0), fv_x_int(e->arena, n), 1);
    fv_kemit_bind(e, v, at);
    e->loop.ntables = 0;
    fv_kb_store(&e->b, tile, &at, fv_kemit_expr(e, x), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    e->loop.ntables = known;
    fv_expr *index = fv_x_var(e->l->exprs, v);
    e->loop.tables[e->loop.ntables++] = (fv_emitted){x, fv_x_load(e->l->exprs, tile, &index)};
}

static void emit_for(fv_kemit *e, const fv_definition *d, fv_var *v) {
    fv_expr *x;
    for (fv_x_visitor n = fv_x_visit(e->l->current.scratch, d->body); (x = fv_x_next(&n));) {
        bool known = false;
        for (int i = 0; i < e->loop.ntables; i++)
            known |= e->loop.tables[i].from == x;
        const bool is =
            x->n > 0 && x->type.elem != FV_BOOL && is_of_index(e->l->current.scratch, x, v);
        if (is && !known && e->loop.ntables < MOST)
            emit_table(e, x, v);
        if (is)
            fv_x_skip(&n);
    }
}

void fv_emit_tables(fv_kemit *e, int n, const fv_definition *const *all, const int *row,
                    int64_t rows) {
    if (rows < LEAST_ROWS || !e->l->target->vector_bits)
        return;
    if (!e->loop.tables)
        e->loop.tables = FV_NEW(e->arena, fv_emitted, MOST);
    for (int i = 0; i < n; i++) {
        fv_var *v = row[i] >= 0 ? all[i]->index[row[i]] : NULL;
        if (v && fv_dim_is_const(v->dim) && v->dim->value <= LONGEST)
            emit_for(e, all[i], v);
    }
}
