/* gathered.c - see gathered.h.
 *
 * The address of a gathered row depends on an index that is loaded, so caches do not recognize that
 * it will be read, and the loads of the next row are too many instructions ahead to be executed
 * while the sums of this row are computed. Each row of a large table would begin with waiting for
 * memory. A prefetch into the first-level cache occupies what the loads of the current row need
 * for their own misses; into the second-level cache it does not (Zen 4). */
#include "backend/schedule/rows/gathered.h"

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/weights.h"
#include "backend/schedule/common/blocks.h"
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/expr/visit.h"
#include "ir/target/processor.h"

/* LEAST_LINES: a row with fewer lines is not prefetched. MOST_LINES: of a longer row, only these
 * are; caches recognize that the others follow. MOST_ROWS: the most rows that an
 * iteration prefetches. */
enum { LEAST_LINES = 2, MOST_LINES = 64, MOST_ROWS = 4 };

/* The loads that gather rows, and the variables along which their elements are contiguous. */
typedef struct gathers {
    const fv_expr *load[MOST_ROWS];
    fv_var *along[MOST_ROWS];
    int n;
} gathers;

/* The only variable in x that is not bound, if x is a sum of it and another term; NULL: there is no
 * such variable. */
static fv_var *runs_along(const fv_kemit *e, const fv_expr *x) {
    fv_var *along = NULL;
    const fv_expr *y;
    for (fv_x_visitor w = fv_x_visit(e->l->current.scratch, x); (y = fv_x_next(&w));)
        if (y->op == FV_X_VAR && !fv_kemit_is_bound(e, y)) {
            if (along && along != y->u.var)
                return NULL;
            along = y->u.var;
        }
    return along && fv_x_adds(x, along) ? along : NULL;
}

/* Is the value computed by this kernel, so that it is not known before its row is? */
static bool is_made_here(const fv_kemit *e, const fv_value *v) {
    for (int i = 0; i < e->group.n; i++)
        if (e->group.all[i]->value == v)
            return true;
    return v == e->def->value;
}

/* Does x, an index of a row, depend on the variable v through a load, and may it be computed an
 * iteration early? *depends becomes true if it does; false: it may not. Indices that are constants
 * are mostly the positions 0, 1, 2, ... in a sequence: caches recognize that these rows follow each
 * other, and prefetches of them take the time of others. */
static bool may_precede(const fv_kemit *e, const fv_expr *x, const fv_var *v, bool *depends) {
    const fv_expr *y;
    if (fv_x_has(x, FV_HAS_REQUIRE) || fv_x_has(x, FV_HAS_REDUCE) || !fv_kemit_is_bound(e, x))
        return false;
    for (fv_x_visitor w = fv_x_visit(e->l->current.scratch, x); (y = fv_x_next(&w));) {
        if (y->op != FV_X_LOAD && y->op != FV_X_GUARD)
            continue;
        const fv_value *from = y->u.buf->value;
        if (!from || is_made_here(e, from))
            return false;
        *depends |= from->kind != FV_VALUE_CONST && fv_x_uses(y, v);
    }
    return true;
}

/* Are rows of this table far away when they are read? Those of a table that fits into the
 * second-level cache are not, nor those that the previous run gathered, unless the run reads so
 * many other weights that these displace them. What this run has computed may be in a cache. */
static bool is_far(const fv_kemit *e, const fv_buf *table) {
    const fv_value *v = table->value;
    if (!v || v->kind == FV_VALUE_RESULT || fv_elem_is_packed(table->elem))
        return false;
    const double near = e->l->target->caches.l2_bytes,
                 bytes = fv_typical_elements(v->type) * fv_elem_storage_bytes(v->type->elem),
                 weights = (double)fv_weights_between(e->l, e->def->value->def);
    return bytes > near && weights - (v->kind == FV_VALUE_CONST ? bytes : 0) > near;
}

/* Does x gather a row of a table, in each iteration of the loop over v another one? Returns the
 * variable along which the row runs; NULL: it does not. */
static fv_var *gathered_along(const fv_kemit *e, const fv_expr *x, const fv_var *v) {
    if ((x->op != FV_X_LOAD && x->op != FV_X_GUARD) || x->type.lanes > 1 || x->u.buf->rank < 2 ||
        !is_far(e, x->u.buf))
        return NULL;
    const int last = x->u.buf->rank - 1;
    bool depends = false;
    for (int i = 0; i < last; i++)
        if (!may_precede(e, x->arg[i], v, &depends))
            return NULL;
    const bool is_row =
        depends && !fv_x_has(x->arg[last], FV_HAS_LOAD) && !fv_x_has(x->arg[last], FV_HAS_REQUIRE);
    return is_row ? runs_along(e, x->arg[last]) : NULL;
}

/* Has the row at least a few lines of the cache, of a known number? */
static bool has_lines(const fv_kemit *e, const fv_buf *table, const fv_dim *row) {
    const int line = fv_processor_of(e->l->target)->prefetch.line_bytes;
    return fv_dim_is_const(row) &&
           row->value * fv_elem_storage_bytes(table->elem) >= LEAST_LINES * line;
}

/* Does one of the loads read the same row as x? */
static bool is_found(const gathers *g, const fv_expr *x) {
    bool same = false;
    for (int i = 0; i < g->n && !same; i++) {
        same = g->load[i]->u.buf == x->u.buf;
        for (int k = 0; same && k < x->u.buf->rank - 1; k++)
            same = fv_x_equal(g->load[i]->arg[k], x->arg[k]);
    }
    return same;
}

/* Adds the loads of d that gather a row, in each iteration of the loop over v another one. */
static void find_gathers(const fv_kemit *e, const fv_definition *d, const fv_var *v, gathers *g) {
    const fv_expr *x;
    for (fv_x_visitor w = fv_x_visit(e->l->current.scratch, d->body); (x = fv_x_next(&w));) {
        fv_var *along = g->n < MOST_ROWS ? gathered_along(e, x, v) : NULL;
        if (!along || !has_lines(e, x->u.buf, along->dim) || is_found(g, x))
            continue;
        g->load[g->n] = x;
        g->along[g->n++] = along;
    }
}

/* Emits the prefetches of the row that the load x reads along `along` if v has the value `next`. An
 * index out of range is reported when the row is read; here another row takes its place, since the
 * address of such an element may overflow. A row that begins within a line of the cache ends with
 * one line more, which the last element is in. */
static void prefetch_row(fv_kemit *e, const fv_expr *x, fv_var *along, fv_var *v, fv_expr *next) {
    fv_expr *index[FV_MAX_RANK];
    const int last = x->u.buf->rank - 1, line = fv_processor_of(e->l->target)->prefetch.line_bytes /
                                                fv_elem_storage_bytes(x->u.buf->elem);
    const int64_t length = along->dim->value, lines = fv_div_up(length, line);
    fv_buf *table = fv_kemit_in(e, x->u.buf);
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, v, next);
    fv_kemit_bind(e, along, integer(e, 0));
    for (int i = 0; i <= last; i++)
        index[i] = fv_kemit_expr(e, x->arg[i]);
    for (int i = 0; i < last; i++) {
        fv_expr *most = binary(e, FV_X_SUB, table->extent[i], integer(e, 1));
        index[i] = binary(e, FV_X_MAX, binary(e, FV_X_MIN, index[i], most), integer(e, 0));
        index[i] = fv_kb_let(&e->b, "row", index[i]);
    }
    fv_expr *first = index[last], *n = integer(e, lines < MOST_LINES ? lines : MOST_LINES),
            *k = open_loop(e, FV_UNROLL, "line", n);
    index[last] = binary(e, FV_X_ADD, first, binary(e, FV_X_MUL, k, integer(e, line)));
    fv_kb_prefetch(&e->b, table, index, 2);
    fv_kb_end(&e->b);
    index[last] = binary(e, FV_X_ADD, first, integer(e, length - 1));
    if (lines <= MOST_LINES)
        fv_kb_prefetch(&e->b, table, index, 2);
    fv_kemit_release(e, m);
}

void fv_prefetch_gathered(fv_kemit *e, int n, const fv_definition *const *all, int axis) {
    const fv_lowerer *l = e->l;
    gathers g = {.n = 0};
    if (axis < 0 || e->guard || !fv_is_vector_processor(l->target) ||
        (l->options->saves & FV_SAVES_CODE))
        return;
    fv_var *v = e->def->index[axis];
    for (int i = 0; i < n; i++)
        find_gathers(e, all[i], v, &g);
    if (!g.n)
        return;
    fv_expr *now = fv_kemit_expr(e, fv_x_var(l->exprs, v)),
            *last = binary(e, FV_X_SUB, fv_kemit_dim(e, v->dim), integer(e, 1)),
            *next = binary(e, FV_X_MIN, binary(e, FV_X_ADD, now, integer(e, 1)), last);
    next = fv_kb_let(&e->b, "next", next);
    for (int i = 0; i < g.n; i++)
        prefetch_row(e, g.load[i], g.along[i], v, next);
}
