/* contract.c - the schedule of contractions, such as matrix products and convolutions: a sum of
 * products of two factors, one of which depends on a row index i, the other on a column index j; or
 * several such sums with the same factor of rows.
 *
 *     parallel batch.., block of rows, panel of columns:
 *       for i0 in the block, step MR:
 *         acc[r, c] = 0                                     registers
 *         for k ascending: acc[r, c] = fma(a[i0 + r, k], b[k, j0 + c], acc[r, c])
 *         sums[r, c] = acc[r, c]                            first-level cache
 *         for rows and columns that exist: y[i0 + r, j0 + c] = epilogue(sums[r, c])
 *
 * b is read from panels (panels.c), or where it is stored if its columns are contiguous there. Rows
 * that do not fill a tile are computed by tiles whose rows are powers of two, such as 8, 4, 2 and
 * 1. The order in which the terms of each output are added does not depend on the tiles (tile.c),
 * so tiles change no bit. Several sums with one factor a, such as the gates of a recurrent layer,
 * share a tile: each a is read once for all of them, and a panel has the columns of the first b
 * followed by those of the second. */
#include "backend/schedule/contract/contract.h"

#include <stdint.h>
#include <string.h>

#include "backend/axes/merge.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/scheduler.h"
#include "backend/schedule/contract/apart.h"
#include "backend/schedule/contract/border.h"
#include "backend/schedule/contract/dot.h"
#include "backend/schedule/contract/epilogue.h"
#include "backend/schedule/contract/halves.h"
#include "backend/schedule/contract/lines.h"
#include "backend/schedule/contract/parameters.h"
#include "backend/schedule/contract/place_dot.h"
#include "backend/schedule/contract/product.h"
#include "backend/schedule/contract/results.h"
#include "backend/schedule/contract/sets.h"
#include "backend/schedule/contract/steps.h"
#include "backend/schedule/contract/vectors.h"
#include "backend/schedule/contract/window.h"
#include "backend/schedule/contract/zero.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/divisor.h"
#include "ir/definition/definitions.h"
#include "ir/expr/rewrite.h"

/* The sum of products within a block, as a sum over the variables of the sum over blocks followed
 * by its own. */
static fv_expr *steps_of(fv_arena *a, const fv_contraction *c) {
    const fv_expr *sum[2] = {c->blocks.sum, c->blocks.part};
    fv_var *vars[2 * FV_MAX_RANK];
    int n = 0;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < sum[i]->u.red.nvars; k++)
            vars[n++] = sum[i]->u.red.vars[k];
    return fv_x_reduce_like(a, c->blocks.part, n, vars, c->blocks.part->arg[0]);
}

fv_contraction fv_contraction_of(fv_arena *a, const fv_products *p) {
    fv_contraction c = {.sum = p->sums[0],
                        .a = p->a,
                        .b = p->b[0],
                        .nsums = p->nsums,
                        .row = p->row,
                        .column = p->column,
                        .each = p->each};
    for (int i = 0; i < p->nsums; i++) {
        c.sums[i] = p->sums[i];
        c.factors[i] = p->b[i];
    }
    if (p->blocks) {
        c.blocks = (fv_contract_blocks){p->blocks, c.sum, p->blocks->arg[0], NULL};
        c.blocks.steps = steps_of(a, &c);
        c.sums[0] = p->blocks;
    }
    return c;
}

/* The last variable of the sum. */
static const fv_var *last_term(const fv_contraction *c) {
    return c->sum->u.red.vars[c->sum->u.red.nvars - 1];
}

/* Is the factor converted from integers of at least a byte and at most that many bits? */
static bool are_integers(const fv_expr *factor, int bits) {
    const fv_elem e = (fv_elem)(factor->op == FV_X_CONVERT ? factor->arg[0] : factor)->type.elem;
    return factor->op == FV_X_CONVERT && fv_elem_is_int(e) && fv_elem_bits(e) >= 8 &&
           fv_elem_bits(e) <= bits;
}

/* The share of n columns, at least 1, that tiles of this target compute, with padding. */
static double padded_share(const fv_target *t, int64_t n, int lanes) {
    int rows, vectors;
    fv_processor_tile(t->vector_registers, lanes, &rows, &vectors);
    const int64_t wide = (int64_t)lanes * vectors, step = n < wide ? lanes : wide;
    return (double)fv_round_up(n, step) / (double)(n > 0 ? n : 1);
}

/* Do filters as columns take less time than pixels, for few terms of the sum? Their padding is
 * compared with that of a line of pixels, and with a copy of the pixels of each term if these are
 * not contiguous, as with strides. TURNED: terms that are computed in the time in which an element
 * of the result is stored column by column; COPIED: terms in that of copying a pixel of a term; for
 * fewer terms than LEAST the parts of a tile that are not products take too much of the time. A
 * convolution of 7 x 7 taps, stride 2 and 3 channels to 64 takes 0.66 of the time, of 3 x 3 taps
 * and 16 channels 0.81 with 28 x 28 pixels and 0.89 with 14 x 14 (Zen 4). */
static bool turning_pays(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                         int64_t terms) {
    enum { TURNED = 8, COPIED = 21, LEAST = 96 };
    const fv_var *j = d->index[c->column];
    const double filters = (double)d->index[c->row]->dim->value;
    const int lanes = fv_contract_lanes(l->target, d, c);
    fv_dense window;
    if (terms < LEAST || lanes < 2 || !fv_dim_is_const(j->dim) ||
        !fv_elem_is_float((fv_elem)c->sum->type.elem) ||
        !fv_choose_dense(l, d, fv_all_steps(c), c->b, FV_DENSE_WINDOWS, j, &window))
        return false;
    double pixels = padded_share(l->target, j->dim->value, lanes),
           turned = padded_share(l->target, d->index[c->row]->dim->value, lanes);
    if (!fv_dense_runs_along(&window, j))
        pixels += (double)COPIED / filters;
    return turned + (double)TURNED / (double)terms < pixels;
}

/* Should rows and columns be exchanged, so that the filters of a convolution with the result y[m,
 * h, w] are columns, and pixels are rows? With pixels as columns, a tile would read, for each term
 * of the sum, pixels of another channel, on another page. With filters as columns, their panels are
 * packed when the model is compiled, and the channels of a pixel are contiguous in the copy of the
 * image. The price is that consecutive columns of the result are stored apart, once for each sum.
 * With few terms it is compared with what is gained (turning_pays). Of bytes, words of a pixel have
 * the same filter tap only then, and results are stored together (fv_tile_plan). The exchange
 * changes no bit. */
static bool turns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    fv_dense window;
    const bool bytes = l->target->vector_bits > 0 && are_integers(c->a, 8) && are_integers(c->b, 8);
    const int64_t least = bytes ? l->speed->filter_bytes : l->speed->filter_terms;
    if (c->nsums > 1 || c->blocks.sum || c->each || c->row < 0 || !fv_x_is_constant(c->a) ||
        fv_x_is_constant(c->b))
        return false;
    const int64_t terms = fv_typical_terms(c->sum, 0);
    const fv_dim *filters = d->index[c->row]->dim;
    return fv_dim_is_const(filters) && filters->value >= l->speed->filters &&
           (terms >= least || turning_pays(l, d, c, terms)) && fv_panels_fit(d, fv_all_steps(c)) &&
           fv_choose_dense(l, d, fv_all_steps(c), c->b, FV_DENSE_WINDOWS, last_term(c), &window);
}

static void turn(fv_contraction *c) {
    fv_expr *a = c->a;
    int row = c->row;
    c->a = c->b;
    c->b = c->factors[0] = a;
    c->row = c->column;
    c->column = row;
    c->context.turned = true;
}

static bool is_loaded(const fv_expr *x) {
    x = fv_x_stored(x);
    return x->op == FV_X_LOAD || x->op == FV_X_GUARD;
}

/* Is x made of loads and constants by conversions, sums, differences and products only? */
static bool is_simple(const fv_expr *x) {
    bool simple = x->op == FV_X_LOAD || x->op == FV_X_CONST || x->op == FV_X_CONVERT ||
                  x->op == FV_X_ADD || x->op == FV_X_SUB || x->op == FV_X_MUL;
    for (int i = 0; x->op != FV_X_LOAD && i < x->n && simple; i++)
        simple = is_simple(x->arg[i]);
    return simple;
}

/* Does a tile compute the elements of b? If there is one row, it computes each element once, and
 * panels of elements would only take memory: those of a mean over integers that are dequantized
 * have four bytes for each byte. */
static bool is_computed_in_tile(const fv_definition *d, const fv_contraction *c) {
    return (c->row < 0 || fv_dim_is_one(d->index[c->row]->dim)) && is_simple(c->b);
}

/* Does x depend on the step of a recurrence: on a state, or on a variable that is bound outside of
 * the definition? */
static bool is_of_step(const fv_definition *d, const fv_expr *sum, const fv_expr *x,
                       fv_ptrmap *seen) {
    const fv_value *v = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->value : NULL;
    bool of_step = v && v->kind == FV_VALUE_RESULT && v->def->out[v->index] != v;
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    if (x->op == FV_X_VAR) {
        of_step = fv_definition_axis(d, x->u.var) == d->rank;
        for (int i = 0; i < sum->u.red.nvars; i++)
            of_step &= sum->u.red.vars[i] != x->u.var;
    }
    for (int i = 0; i < x->n && !of_step; i++)
        of_step = is_of_step(d, sum, x->arg[i], seen);
    return of_step;
}

/* Can a kernel before that of the contraction compute the factor, or panels of it? */
static bool is_made_before(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                           const fv_expr *factor) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    return !c->context.often || !is_of_step(d, c->sum, factor, &seen);
}

/* Chooses how the factors of several sums are read: all are packed together. False: one depends on
 * the step of a recurrence, or panels would have too many axes. */
static bool choose_several(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    for (int i = 0; i < c->nsums; i++) {
        fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->factors[i], d)));
        if (!is_made_before(l, d, c, c->factors[i]))
            return fv_declines(l, d->value, FV_WHY_operand_of_step, name);
        if (!fv_panels_fit(d, fv_all_steps(c)))
            return fv_declines(l, d->value, FV_WHY_operand_axes, name, fv_n(FV_MAX_RANK));
    }
    c->packed = true;
    return true;
}

/* Are there so few rows that packing panels of the columns does not pay? */
static bool has_few_rows(const fv_definition *d, const fv_contraction *c) {
    const fv_dim *rows = c->row < 0 ? NULL : d->index[c->row]->dim;
    return !rows || (fv_dim_is_const(rows) && rows->value < FV_FEW_ROWS);
}

/* Columns of bytes that are apart in memory, since the window moves by several pixels at a time,
 * can only be read as words that are copied. */
static bool reads_strided(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    return !c->dense.strided || c->dot.dense ||
           fv_declines(l, d->value, FV_WHY_contract_few_rows, fv_n(FV_FEW_ROWS));
}

bool fv_contract_choose(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    if (c->nsums > 1)
        return choose_several(l, d, c);
    const fv_var *j = d->index[c->column];
    bool constant = fv_has_constant_columns(l, d, c),
         before = constant || is_made_before(l, d, c, c->b);
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->b, d)));
    c->dense.b = !constant && before &&
                 fv_choose_dense(l, d, fv_all_steps(c), c->b, FV_DENSE_WINDOWS, j, &c->dense.of_b);
    bool contiguous =
        c->dense.b ? fv_dense_runs_along(&c->dense.of_b, j)
                   : (is_loaded(c->b) || is_computed_in_tile(d, c)) && fv_x_runs_along(c->b, j);
    c->dense.strided = c->dense.b && !contiguous && has_few_rows(d, c) && !c->blocks.sum &&
                       are_integers(c->a, 16) && are_integers(c->b, 8);
    c->packed = (constant || !contiguous || c->blocks.sum) && !c->dense.strided;
    if (c->packed && !before)
        return fv_declines(l, d->value, FV_WHY_operand_of_step, name);
    if (c->packed && !fv_panels_fit(d, fv_all_steps(c))) {
        fv_declines(l, d->value, FV_WHY_operand_axes, name, fv_n(FV_MAX_RANK));
        c->packed = false;
    }
    return c->packed || ((contiguous || c->dense.strided) && !c->blocks.sum);
}

void fv_contract_place(fv_lowerer *l, fv_op *op, const fv_definition *d, fv_contraction *c,
                       int panel) {
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->b, d)));
    if (c->dense.b && !c->dot.dense)
        c->b = fv_place_dense(l, op, d, &c->dense.of_b);
    if (c->dot.group) {
        fv_place_dot(l, op, d, c, panel);
    } else if (c->packed) {
        c->factors[0] = c->b;
        fv_make_panels(l, op, d, fv_all_steps(c), c->nsums, c->factors, c->column, panel,
                       &c->panels);
        c->b = c->panels.x;
    }
    if (c->blocks.sum) {
        c->blocks.term = fv_panels_of_scales(l, d, fv_all_steps(c), c->blocks.term, c->blocks.part,
                                             c->column, &c->panels);
        FV_HOLDS(l->session, c->blocks.term);
    }
    fv_takes(l, d->value,
             !c->packed              ? is_loaded(c->b) ? FV_WHY_operand_direct : FV_WHY_operand_once
             : c->panels.made_in_run ? FV_WHY_operand_packs
                                     : FV_WHY_operand_constant,
             name);
}

/* ---- the kernel ---- */

/* Does the result depend on the sum and constants only? */
static bool depends_on_sum_only(fv_arena *a, const fv_contraction *c, const fv_definition *d) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, d->body); (x = fv_x_next(&v));) {
        if (x == c->sums[0])
            fv_x_skip(&v);
        else if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && !fv_x_is_constant(x))
            return false;
    }
    return true;
}

/* Does the last tile of rows begin earlier, so that it is complete, and compute some results a
 * second time? Small code (-Os) then has no loops for fewer rows. Only a kernel without threads may
 * do so, whose result does not depend on a value that may be in the memory of the result. */
static bool repeats_rows(const fv_tile *t, int64_t most) {
    const fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->row]->dim;
    return (e->l->options->saves & FV_SAVES_CODE) && !e->l->target->threads && most == t->plan.mr &&
           fv_dim_is_const(d) && d->value > most && d->value % most && t->c->nsums == 1 &&
           !t->plan.within && !t->put.store && depends_on_sum_only(e->arena, t->c, e->def);
}

/* The loop over blocks of rows, which have whole tiles: `low` tiles, or one more in the first
 * `more` blocks. */
typedef struct even_blocks {
    fv_expr *low, *more;
} even_blocks;

/* The first row of a block; for the number of blocks, the first one after the rows of whole
 * tiles. */
static fv_expr *first_of_block(fv_tile *t, const even_blocks *blocks, fv_expr *block) {
    fv_kemit *e = t->e;
    fv_expr *tiles = binary(e, FV_X_MUL, block, blocks->low);
    tiles = binary(e, FV_X_ADD, tiles, binary(e, FV_X_MIN, block, blocks->more));
    return binary(e, FV_X_MUL, tiles, integer(e, t->plan.mr));
}

/* Opens the loop over blocks of rows: of at most `most` rows rounded up to a multiple of mr, whose
 * numbers of tiles differ by one at most. A block of few tiles takes longer for each of them, since
 * it reads all panels as well: 197 rows with 3072 terms take 0.97 of the time in blocks of 60, 48,
 * 48 and 41 rows in place of 60, 60, 60 and 17 (Zen 4). Sets *first and *rows of a block, and the
 * plan's `rest`. */
static void open_rows(fv_tile *t, int64_t most, fv_expr **first, fv_expr **rows) {
    fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->row]->dim;
    int64_t known;
    if (repeats_rows(t, most)) {
        fv_expr *tiles = integer(e, fv_div_up(d->value, most));
        fv_expr *tile = open_loop(e, FV_SERIAL, "tile", tiles);
        fv_expr *last = integer(e, d->value - most);
        *first = fv_kb_let(&e->b, "first",
                           binary(e, FV_X_MIN, binary(e, FV_X_MUL, tile, integer(e, most)), last));
        *rows = integer(e, most);
        t->plan.rest = 0;
        t->plan.line = 0; /* the last tile begins anywhere in a line */
        return;
    }
    if (fv_dim_is_const(d))
        t->plan.rest = d->value % t->plan.mr;
    fv_expr *n = fv_kemit_dim(e, d), *mr = integer(e, t->plan.mr), *one = integer(e, 1);
    fv_expr *count = fv_ceildiv(e, n, integer(e, most)), *tiles = fv_ceildiv(e, n, mr);
    fv_expr *some = binary(e, FV_X_MAX, count, one);
    /* the proof that blocks are disjoint needs the bound 0 where n has none */
    fv_expr *low = binary(e, FV_X_MAX, binary(e, FV_X_FLOORDIV, tiles, some), integer(e, 0));
    even_blocks blocks = {low, binary(e, FV_X_FLOORMOD, tiles, some)};
    bool one_block = d->hi <= most;
    if (one_block || most == t->plan.mr || (fv_x_is_int(blocks.more, &known) && known == 0)) {
        fv_expr *step = most == t->plan.mr ? mr : binary(e, FV_X_MUL, blocks.low, mr);
        fv_open_blocks(e, FV_PARALLEL, "block", n, count, step, one_block, first, rows);
        return;
    }
    fv_expr *block = open_loop(e, FV_PARALLEL, "block", count);
    blocks.low = fv_kb_let(&e->b, "low", blocks.low);
    blocks.more = fv_kb_let(&e->b, "more", blocks.more);
    *first = fv_kb_let(&e->b, "first", first_of_block(t, &blocks, block));
    fv_expr *end = first_of_block(t, &blocks, binary(e, FV_X_ADD, block, one));
    *rows = fv_kb_let(
        &e->b, "size",
        binary(e, FV_X_MIN, binary(e, FV_X_SUB, end, *first), binary(e, FV_X_SUB, n, *first)));
}

static void say_what_it_is(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    fv_fact columns = fv_d(d->index[c->column]->dim);
    if (c->context.turned)
        fv_takes(l, d->value, FV_WHY_contracts_turned, columns);
    if (c->each)
        fv_takes(l, d->value, FV_WHY_contracts_each, columns);
    else if (c->row < 0)
        fv_takes(l, d->value, FV_WHY_contracts_row, columns);
    else
        fv_takes(l, d->value, FV_WHY_contracts, fv_d(d->index[c->row]->dim), columns);
}

/* Do tiles add the terms of the sums in their order: one chain for each element, or words of bf16?
 * Sets c->dot. */
static bool is_in_order(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    bool one = true;
    fv_choose_dot(l, d, c);
    if (c->dot.group && fv_x_adds_words(c->sum))
        return true;
    for (int i = 0; i < c->nsums; i++)
        one &= fv_x_is_one_chain(c->sums[i]);
    return one;
}

/* The plan of the contraction `products` over the indices of d; NULL: tiles cannot compute it. */
static fv_contract_plan *plan_of(fv_lowerer *l, const fv_definition *d,
                                 const fv_contraction *products) {
    fv_contract_plan *p = FV_NEW(l->arena, fv_contract_plan, 1);
    fv_contraction *c = &p->c;
    fv_tile_plan *t = &p->tile;
    p->d = d;
    *c = *products;
    *t = (fv_tile_plan){.rest = -1};
    p->chosen = fv_choose_for(l, d, FV_SCHEDULE_contract);
    fv_choosing plain = p->chosen;
    plain.wish = NULL;
    fv_contract_tile(&plain, d, c, FV_PARAMETER_rows, FV_PARAMETER_columns, &p->plain.mr,
                     &p->plain.nr);
    bool is_kind =
        p->plain.nr >= fv_least_columns(l, c) ||
        fv_declines(l, d->value, FV_WHY_contract_no_tile, fv_d(d->index[c->column]->dim));
    /* how b is read is chosen, and a reason recorded, even if the order of the sum forbids tiles */
    is_kind = is_kind && fv_contract_choose(l, d, c) &&
              (is_in_order(l, d, c) || fv_declines(l, d->value, FV_WHY_contract_order)) &&
              reads_strided(l, d, c);
    if (is_kind) {
        fv_find_lines(l, d, c);
        fv_find_border(l, d, c);
    }
    if (c->dot.matrix && is_kind)
        fv_matrix_tile(&p->chosen, d, c, &t->mr, &t->nr);
    else
        fv_contract_tile(&p->chosen, d, c, FV_PARAMETER_rows, FV_PARAMETER_columns, &t->mr, &t->nr);
    if (!is_kind)
        return NULL;
    fv_contract_choose_panel(l, p);
    c->dense.a =
        !c->dot.group && is_made_before(l, d, c, c->a) &&
        fv_choose_dense(l, d, fv_all_steps(c), c->a, c->each ? FV_DENSE_ALL : FV_DENSE_WIDENED,
                        c->context.turned ? last_term(c) : NULL, &c->dense.of_a);
    if (c->dense.a)
        fv_space_rows(l, d, c, p->plain.mr);
    return p;
}

fv_contract_plan *fv_contract_plan_new(fv_lowerer *l, const fv_definition *d, int n,
                                       fv_expr *const *roots, bool often) {
    fv_products found;
    if (!fv_find_products(l, d, n, roots, &found))
        return NULL;
    fv_contraction c = fv_contraction_of(l->exprs, &found);
    c.context.often = often;
    if (!often && turns(l, d, &c))
        turn(&c);
    return plan_of(l, d, &c);
}

bool fv_contract_competes(fv_lowerer *l, const fv_definition *d, fv_competing *out) {
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL; /* reasons are recorded when the kernel is made */
    const fv_contract_plan *p = fv_contract_plan_new(l, d, 1, (fv_expr *[]){d->body}, false);
    l->reasons = reasons;
    return p && !p->c.dense.a && !p->c.dot.copies &&
           fv_rows_compete(l->target, &p->c, d, p->plain.mr, out);
}

void fv_contract_explain(fv_lowerer *l, const fv_contract_plan *p) {
    say_what_it_is(l, p->d, &p->c);
}

static void *choose(fv_lowerer *l, const fv_storage *s) {
    if (fv_form_of(l, s->def) != FV_FORM_CONTRACT)
        return NULL;
    fv_contract_plan *p = fv_contract_plan_new(l, s->def, 1, (fv_expr *[]){s->def->body}, false);
    if (p && fv_loops_are_smaller(l, p->d, &p->c)) {
        fv_declines(l, s->value, FV_WHY_contract_small);
        return NULL;
    }
    if (p)
        fv_choose_apart(l, p->d, &p->c, p->plain.mr, p->plain.nr);
    return p;
}

void fv_contract_plan_place(fv_lowerer *l, fv_op *op, fv_contract_plan *p) {
    fv_contract_place(l, op, p->d, &p->c, p->tile.panel);
    fv_choose_layout(&p->chosen, p->c.packed ? p->c.panels.layout : NULL);
    if (p->c.dense.a)
        p->c.a = fv_place_dense(l, op, p->d, &p->c.dense.of_a);
    p->block = fv_contract_choose_rest(&p->chosen, op, &p->c, &p->tile, p->d);
}

typedef struct copied {
    fv_expr *x, *copy;
} copied;

static fv_expr *read_copy(fv_x_rewriter *w, fv_expr *x) {
    const copied *c = w->user;
    return x == c->x ? c->copy : NULL;
}

/* Makes a plan like p for d, a changed copy of the definition of p. Records no reasons, since they
 * were recorded for p. NULL: d is not a contraction any more, or has no plan. */
static fv_contract_plan *plan_again(fv_lowerer *l, const fv_contract_plan *p,
                                    const fv_definition *d) {
    fv_products found;
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL;
    fv_contract_plan *q = NULL;
    if (fv_find_products(l, d, 1, (fv_expr *[]){d->body}, &found)) {
        fv_contraction c = fv_contraction_of(l->exprs, &found);
        if (p->c.context.turned)
            turn(&c);
        q = plan_of(l, d, &c);
    }
    l->reasons = reasons;
    return q;
}

/* Are the rows of the contraction, and the axis before them, indices of its first factor only, both
 * with known extents, and are at least pixel_terms terms of the sum neighbours? The lines and
 * pixels of an image are such axes: they are not one axis in the definition, because the image that
 * a window reads has more pixels in a line than the result. */
static bool are_pixels(const fv_lowerer *l, const fv_contract_plan *p) {
    const fv_contraction *c = &p->c;
    if (c->each || c->nsums > 1 || c->row < 1 || c->column == c->row - 1)
        return false;
    const fv_var *line = p->d->index[c->row - 1], *pixel = p->d->index[c->row];
    const fv_dim *terms = last_term(c)->dim;
    return fv_x_uses(c->a, line) && !fv_x_uses(c->b, line) && fv_dim_is_const(line->dim) &&
           fv_dim_is_const(pixel->dim) && fv_dim_is_const(terms) &&
           terms->value >= l->speed->pixel_terms;
}

/* Merges two axes of rows to one, so that they fill tiles whatever the width of the image is, and
 * panels are read once for a block of rows instead of once for each line. The price is the
 * computation of an address for each row of a tile, for each run of contiguous terms. */
static void join_rows(fv_lowerer *l, fv_contract_plan *p) {
    while (!p->c.dot.matrix && are_pixels(l, p)) {
        const fv_contract_plan *q = plan_again(l, p, fv_merge_rows(l, p->d, p->c.row - 1));
        if (!q)
            return;
        *p = *q;
    }
}

/* Copies the factor with the rows as dense.of_a describes it. The copy is a plain load, so rows
 * that were separate axes, because the factor was gathered or transposed, become one axis where
 * they can. */
static void copy_rows_of(fv_lowerer *l, fv_op *op, fv_contract_plan *p) {
    copied c = {.x = p->c.a, .copy = fv_place_dense(l, op, p->d, &p->c.dense.of_a)};
    fv_x_rewriter w = {.arena = l->exprs,
                       .memo = fv_ptrmap_in(l->current.scratch),
                       .before = read_copy,
                       .user = &c};
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    *d = *p->d;
    d->body = fv_x_rewrite(&w, d->body);
    const fv_contract_plan *q = plan_again(l, p, fv_merge_axes(l, d));
    p->c.a = c.copy;
    p->c.dense.a = false;
    if (q)
        *p = *q;
}

/* Copies the rows as words. The plan is then made for the definition over the copy, with axes of
 * rows as one where they can be. */
static void copy_words_of(fv_lowerer *l, fv_op *op, fv_contract_plan *p) {
    const fv_definition *d = fv_place_dot_rows(l, op, p->d, &p->c);
    const fv_contract_plan *q = plan_again(l, p, fv_merge_axes(l, d));
    q = q ? q : plan_again(l, p, d);
    FV_HOLDS(l->session, q && !q->c.dot.copies);
    *p = *q;
}

static void place(fv_lowerer *l, fv_op *op, void *as) {
    fv_contract_plan *p = as;
    if (p->c.dot.copies)
        copy_words_of(l, op, p);
    if (p->c.dense.a)
        copy_rows_of(l, op, p);
    join_rows(l, p);
    fv_contract_explain(l, p);
    p->d = fv_subtract_zero_of_rows(l, p->d, &p->c);
    p->d = fv_correct_sums(l, op, p->d, &p->c);
    fv_contract_plan_place(l, op, p);
}

/* Sets the sums of the rows of a block to 0. It may have far fewer rows than `sums` has. */
static void clear_sums(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows),
            *c = open_loop(e, FV_VECTOR, "c", integer(e, fv_tile_width(t)));
    fv_kb_store(&e->b, t->sums.buf, (fv_expr *[]){r, c}, fv_x_const(e->arena, fv_sum_elem(t->c), 0),
                NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

/* Emits the products of all tiles of a block of rows, in blocks of steps. */
static void multiply_tiles(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    int outer = e->b.depth;
    if (t->c->dot.matrix || !fv_tile_has_all_steps(t))
        clear_sums(t, rows);
    fv_open_steps(t);
    if (t->c->dot.matrix && t->c->dot.parts > 1)
        fv_tile_unpack_words(t);
    fv_expr *here =
        t->plan.unpacks ? fv_open_unpacked_tiles(t, first, rows) : fv_open_tiles(t, first, rows);
    if (t->c->dot.matrix)
        fv_tile_multiply_matrix(t, here);
    else
        fv_tile_multiply(t, here);
    fv_kb_end_to(&e->b, outer);
}

/* Emits the products of few tiles, each of which computes b itself, all steps at once. */
static void multiply_few_tiles(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    int outer = e->b.depth;
    fv_tile few = *t;
    few.plan.depth = 0;
    few.plan.copies = false; /* there are no parts of the sum, whose rows would be copied */
    few.from = few.prefetch.whole = NULL;
    few.made.unpacked = NULL;
    if (t->plan.prefetch.streams && !t->plan.prefetch.shared_streams)
        few.prefetch.whole = fv_tile_whole(t, rows);
    fv_expr *here = rows;
    if (t->plan.computing_rows > t->plan.mr) {
        here = fv_open_tiles(&few, first, rows);
    } else {
        few.i0 = first;
        few.rows.done = integer(e, 0);
        if (t->plan.prefetch.shared_streams)
            fv_tile_share_prefetches(&few, first, rows);
    }
    few.sums.at[0] = few.rows.done;
    fv_tile_multiply(&few, here);
    fv_kb_end_to(&e->b, outer);
}

/* Emits the products of a block of rows of a sum over blocks, as matrices unless there are too few
 * rows. */
static void multiply_matrices(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    fv_contraction less;
    fv_tile many = *t;
    if (fv_subtract_zero(e->l, t->c, &less))
        many.c = &less;
    if (!fv_matrix_may_be_few(t)) {
        multiply_tiles(&many, first, rows);
        return;
    }
    fv_kb_if(&e->b, fv_matrix_are_few(t, rows));
    t->i0 = first;
    fv_tile_multiply_few(t, rows);
    fv_kb_else(&e->b);
    multiply_tiles(&many, first, rows);
    fv_kb_end(&e->b);
}

/* Emits the products of one tile, of all steps, as matrices unless there are too few rows. */
static void multiply_matrix(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    if (!fv_matrix_may_be_few(t)) {
        fv_tile_multiply_matrix(t, rows);
        return;
    }
    fv_kb_if(&e->b, fv_matrix_are_few(t, rows));
    fv_tile_multiply_few(t, rows);
    fv_kb_else(&e->b);
    fv_tile_multiply_matrix(t, rows);
    fv_kb_end(&e->b);
}

static void multiply_by_steps(fv_tile *t, int64_t block, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    fv_tile_sums(t, block);
    if (t->c->dot.matrix) {
        multiply_matrices(t, first, rows);
        return;
    }
    if (!t->plan.unpacks || (fv_x_is_int(rows, &known) && known > t->plan.computing_rows)) {
        multiply_tiles(t, first, rows);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_LE, rows, integer(e, t->plan.computing_rows)));
    multiply_few_tiles(t, first, rows);
    fv_kb_else(&e->b);
    multiply_tiles(t, first, rows);
    fv_kb_end(&e->b);
}

/* Has the target one or two cores, as microcontrollers have? There a task has all panels of its
 * rows, since beginning a task takes about as many instructions as a tile. */
static bool has_few_cores(const fv_target *t) {
    return t->kind != FV_TARGET_SERVER;
}

void fv_contract_emit(const fv_contract_plan *p, fv_kemit *e, fv_tile_put put, fv_value *value) {
    const fv_definition *d = p->d;
    const fv_contraction *c = &p->c;
    fv_tile tile = {.e = e, .c = c, .plan = p->tile, .put = put}, *t = &tile;
    tile.put.row = c->dot.matrix ? fv_matrix_prefetch_next : NULL;
    fv_expr *index[FV_MAX_RANK], *rows = integer(e, 1), *first = integer(e, 0);
    for (int i = 0; i < d->rank; i++) {
        if (i == c->row || i == c->column)
            continue;
        index[i] = open_loop(e, FV_PARALLEL, d->index[i]->name, fv_kemit_dim(e, d->index[i]->dim));
        fv_kemit_bind(e, d->index[i], index[i]);
    }
    if (c->row >= 0 && !c->each && !c->dot.halves)
        t->plan.line = fv_length_of_lines(e->arena, c, d->index[c->row]);
    if (c->row >= 0)
        open_rows(t, p->block, &first, &rows);
    t->put.value = value;
    t->put.index = index;
    if (c->dot.halves)
        fv_tile_widen(t, first, rows);
    fv_open_panels(t, e->b.depth && has_few_cores(e->l->target) ? FV_SERIAL : FV_PARALLEL);
    if (t->plan.depth)
        multiply_by_steps(t, p->block, first, rows);
    /* a block with results that tiles store, or with pairs, is one tile */
    const bool once = t->plan.stores || c->dot.halves || t->plan.together;
    fv_expr *here = once ? rows : fv_open_tiles(t, first, rows);
    if (here == rows) {
        t->i0 = first;
        t->rows.done = integer(e, 0);
    }
    if (!t->plan.depth) {
        fv_tile_sums(t, t->plan.mr);
        fv_tile_prefetch_operands(t, value, index, here);
        if (c->dot.matrix)
            multiply_matrix(t, here);
        else
            fv_tile_multiply(t, here);
    }
    fv_tile_store(t, value, index, here);
    while (e->b.depth)
        fv_kb_end(&e->b);
}

fv_schedule fv_contract_schedule(const fv_contract_plan *p) {
    fv_schedule how = p->chosen.how;
    if (p->c.packed)
        fv_schedule_set(&how, FV_PARAMETER_operand,
                        p->c.panels.made_in_run ? FV_OPERAND_PACKS : FV_OPERAND_PACKED);
    return how;
}

static void emit(fv_lowerer *l, const fv_storage *s, fv_op *op, void *as) {
    fv_contract_plan *p = as;
    const fv_definition *d = p->d;
    const fv_contraction *c = &p->c;
    fv_kemit e;
    fv_kemit_init(&e, l, d, fv_op_stem(op));
    bool batch = d->rank > 1 + (c->row >= 0);
    if (batch || (c->row >= 0 && d->index[c->row]->dim->hi > p->block) ||
        d->index[c->column]->dim->hi > p->tile.nr)
        fv_takes(l, d->value, FV_WHY_tasks_tiles, fv_n(p->block), fv_n(p->tile.nr));
    else
        fv_declines(l, d->value, FV_WHY_tasks_tile, fv_n(p->block), fv_n(p->tile.nr));
    fv_contract_emit(p, &e, (fv_tile_put){0}, s->value);
    fv_schedule how = fv_contract_schedule(p);
    fv_kemit_finish(&e, op, &how);
    fv_chosen(&p->chosen, FV_SCHEDULE_contract);
}

const fv_scheduler fv_schedule_contract = {.choose = choose, .place = place, .emit = emit};
