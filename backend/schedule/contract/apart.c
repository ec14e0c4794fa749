/* apart.c - copies of rows with space between them, so that they are in different sets of the
 * first-level cache (sets.c).
 *
 * The step `stride` has kernels store their rows with such space. Rows of an input, and others that
 * cannot be stored elsewhere, are copied by a kernel before the contraction: once, not for each
 * panel. Copies that are made for other reasons get the space as well. */
#include "backend/schedule/contract/apart.h"

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/contract/sets.h"
#include "backend/schedule/operands/precompute.h"

/* May rows get space between them? They may unless the step `stride` is left out, if the
 * contraction has rows, which do not depend on the column (`each`), of elements and not of words,
 * and a sum of one variable without blocks. */
static bool may_have_space(const fv_lowerer *l, const fv_contraction *c) {
    return !fv_is_left_out(l->options, "stride") && c->row >= 0 && !c->each && !c->dot.group &&
           !c->blocks.sum && fv_all_steps(c)->u.red.nvars == 1;
}

void fv_space_rows(fv_lowerer *l, const fv_definition *d, fv_contraction *c, int mr) {
    fv_dense *copy = &c->dense.of_a;
    const int last = copy->n - 1;
    const fv_dim *steps = last >= 0 ? copy->index[last]->dim : NULL;
    fv_competing rows;
    copy->space = 0;
    if (last < 1 || !fv_dim_is_const(steps) || !may_have_space(l, c) ||
        !fv_dense_runs_along(copy, fv_all_steps(c)->u.red.vars[0]) ||
        !fv_x_adds(copy->at[last - 1], d->index[c->row]))
        return;
    int64_t bytes = fv_elem_storage_bytes((fv_elem)copy->copy->type.elem);
    if (fv_distance_competes(l->target, steps->value * bytes, mr, &rows))
        copy->space = fv_processor_of(l->target)->prefetch.line_bytes / bytes;
}

/* Does a copy of the rows take less time than it saves? It does if there are two panels or more,
 * and the lines of a tile's rows do not fit into their sets, so that they are read again in each
 * step. If they fit and take more than half of the ways, a copy saves 5% at most, and may take as
 * long (Zen 3). */
static bool pays(fv_lowerer *l, const fv_definition *d, const fv_contraction *c, int nr,
                 const fv_competing *rows, fv_fact factor) {
    const fv_dim *columns = d->index[c->column]->dim;
    if (rows->rows <= rows->sets * rows->ways)
        return fv_declines(l, d->value, FV_WHY_operand_near, factor, fv_n(rows->rows),
                           fv_n(rows->sets));
    return fv_typical_dim(columns) > nr ||
           fv_declines(l, d->value, FV_WHY_operand_one_panel, factor, fv_n(rows->rows),
                       fv_n(rows->sets), fv_d(columns));
}

void fv_choose_apart(fv_lowerer *l, const fv_definition *d, fv_contraction *c, int mr, int nr) {
    fv_competing rows;
    fv_dense copy;
    if (c->dense.a || !may_have_space(l, c) || !fv_rows_compete(l->target, c, d, mr, &rows) ||
        ((const fv_value *)rows.load->u.buf->value)->kind == FV_VALUE_CONST)
        return;
    fv_fact factor = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(rows.load, d)));
    const fv_expr *all = fv_all_steps(c);
    if (!pays(l, d, c, nr, &rows, factor))
        return;
    if (!fv_choose_copy(l, d, all, (fv_expr *)rows.load, all->u.red.vars[0], false, &copy)) {
        fv_declines(l, d->value, FV_WHY_operand_overlaps, factor, fv_n(rows.rows), fv_n(rows.sets));
        return;
    }
    copy.factor = c->a;
    c->dense.a = true;
    c->dense.of_a = copy;
    fv_space_rows(l, d, c, mr);
    fv_takes(l, d->value, FV_WHY_operand_apart, factor, fv_n(rows.rows), fv_n(rows.sets));
}
