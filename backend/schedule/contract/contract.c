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

#include <math.h>

#include <stdint.h>
#include <string.h>

#include "backend/axes/merge.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/scheduler.h"
#include "backend/schedule/contract/apart.h"
#include "backend/schedule/contract/dot.h"
#include "backend/schedule/contract/product.h"
#include "backend/schedule/contract/sets.h"
#include "backend/schedule/contract/steps.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/definition/definitions.h"
#include "ir/expr/rewrite.h"

/* Are elements of x for consecutive values of j contiguous in memory? */
static bool runs_along(const fv_expr *x, const fv_var *j) {
    fv_load_count n = {0};
    fv_x_count_loads(x, j, &n);
    return n.contiguous && !n.strided;
}

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

/* Should rows and columns be exchanged, so that the filters of a convolution with the result y[m,
 * h, w] are columns, and pixels are rows? With pixels as columns, a tile would read, for each term
 * of the sum, pixels of another channel, on another page. With filters as columns, their panels are
 * packed when the model is compiled, and the channels of a pixel are contiguous in the copy of the
 * image. The price is that consecutive columns of the result are stored apart, once for each sum,
 * which does not pay if the sum has few terms. The exchange changes no bit. */
static bool turns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    fv_dense window;
    int64_t terms = 1;
    if (c->nsums > 1 || c->blocks.sum || c->each || c->row < 0 || !fv_x_is_constant(c->a) ||
        fv_x_is_constant(c->b))
        return false;
    for (int i = 0; i < c->sum->u.red.nvars && terms < l->speed->filter_terms; i++)
        terms *= fv_typical_dim(c->sum->u.red.vars[i]->dim);
    const fv_dim *filters = d->index[c->row]->dim;
    return terms >= l->speed->filter_terms && fv_dim_is_const(filters) &&
           filters->value >= l->speed->filters && fv_panels_fit(d, fv_all_steps(c)) &&
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

/* Are the panels of the factor with the columns packed when the model is compiled? */
static bool has_constant_columns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    return fv_is_laid_out(l, d, fv_all_steps(c), c->b, c->column);
}

enum { MOST_ROWS = 64, MOST_COLUMNS = 1024, MOST_BLOCK = 1 << 20 };

/* The typical number of terms of the sum over its variables from the i-th on, at least 1. It is no
 * longer exact from MOST_BLOCK on. */
static int64_t terms_from(const fv_expr *sum, int i) {
    int64_t n = 1;
    for (; i < sum->u.red.nvars && n < MOST_BLOCK; i++)
        n *= fv_typical_dim(sum->u.red.vars[i]->dim);
    return n > 0 ? n : 1;
}

/* LEAST_TILES: least number of tiles in a block of rows, unless the block is one tile
 * (`stay_near`). FEW_PANELS: largest number of panels with which a block is never reduced to one
 * tile for that reason. */
enum { LEAST_TILES = 2, FEW_PANELS = 2 };

/* Costs, in units of half of the time of one product of vectors: of beginning and ending a tile,
 * and, in each step of k, of reading a vector of the panel. */
enum { TILE_TIME = 512, READ_TIME = 1 };

/* The cost of a step of k in a tile of `rows` rows and `vectors` vectors of columns. Fewer products
 * than `in_flight` take as long as `in_flight` of them, since each waits for the previous one in
 * its chain. */
static int step_time(int rows, int vectors, int in_flight) {
    int products = rows * vectors;
    return 2 * (products > in_flight ? products : in_flight) + READ_TIME * vectors;
}

/* The cost of computing these rows in tiles of mr rows, and the remaining rows in smaller tiles,
 * for a sum of `terms` terms. It is a double because a dim may be as large as INT64_MAX. */
static double time_of_rows(int64_t rows, int mr, int vectors, int in_flight, int64_t terms) {
    double each = (double)terms, complete = (double)(rows / mr), tile = (double)TILE_TIME,
           time = complete * (step_time(mr, vectors, in_flight) * each + tile);
    int64_t rest = rows % mr;
    for (int n = 1; n <= rest; n *= 2)
        time += rest & n ? step_time(n, vectors, in_flight) * each + tile : 0;
    return time;
}

/* The number of rows of a tile, at most `most` and at least half of it, for which that many rows
 * have the least cost: 14 rows are better computed as 7 + 7 than as 12 + 2. */
static int best_rows(int64_t rows, int most, int vectors, int in_flight, int64_t terms) {
    int best = most;
    double least = INFINITY;
    for (int mr = most; mr >= most / 2 && mr > 0; mr--) {
        double time = time_of_rows(rows, mr, vectors, in_flight, terms);
        if (time < least) {
            best = mr;
            least = time;
        }
    }
    return best;
}

/* Divides the registers of a tile of *mr rows and *nr columns among several sums, and sets *mr and
 * *nr to the tile of one of them: each gets as many columns as leave enough rows to reuse the
 * loaded elements of the panels. */
static void share_tile(const fv_target *t, int nsums, int lanes, int *mr, int *nr) {
    int sums = *mr * *nr, least = lanes > 1 ? 1 : 2;
    *nr = *nr / nsums > least ? *nr / nsums : least;
    *mr = sums / (nsums * *nr);
    /* the registers also hold the columns of b, and the factor of one row */
    while (lanes > 1 && *mr > 1 && (*mr + 1) * nsums * *nr >= t->vector_registers)
        --*mr;
    *mr = *mr > 0 ? *mr : 1;
}

/* bytes of the columns of a panel that tiles of all levels can read: a vector of AVX-512, two of
 * AVX2, four of SSE */
enum { COMMON_PANEL = 64 };

/* May panels of b be narrower than a tile? */
static bool may_divide_tile(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    return c->nsums == 1 && !c->context.often && has_constant_columns(l, d, c) &&
           fv_panels_fit(d, fv_all_steps(c));
}

/* The number of columns of a panel that is the same for all levels of an architecture; 0: panels
 * are as wide as a tile of this target. Several sums in a tile have few columns each; few columns,
 * and filters that belong to one channel, are little memory. */
static int common_panel(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    int n = COMMON_PANEL / fv_elem_storage_bytes((fv_elem)c->sum->type.elem);
    bool common = l->options->common_panels && !c->each && d->index[c->column]->dim->lo >= n &&
                  may_divide_tile(l, d, c);
    return common ? n : 0;
}

/* Makes a tile of *mr rows and *nr columns a whole number of panels wide. If it becomes wider, its
 * rows are fewer: besides the sums, the registers hold a row of b, the factor of one row, and a
 * product. A tile of 2 x 16 sums takes the time of one of 6 x 8 on x86-64-v2, one of 3 x 16, whose
 * sums are moved to memory and back, 1.2 of it (Zen 3). */
static void fill_panels(const fv_target *t, int panel, int lanes, int *mr, int *nr) {
    const int before = *nr;
    *nr = (*nr + panel - 1) / panel * panel;
    while (*nr > before && *mr > 1 && (*mr + 1) * (*nr / lanes) >= t->vector_registers)
        --*mr;
}

/* The number of columns of a tile that has at most `vectors` vectors of them. A tile has all of
 * these vectors if its panels are packed when the model is compiled; otherwise it has fewer columns
 * if a known number of them is then divided more evenly among as many panels. */
static int wide_enough(fv_lowerer *l, const fv_definition *d, const fv_contraction *c, int vectors,
                       int lanes) {
    const fv_dim *dim = d->index[c->column]->dim;
    int64_t most = (int64_t)vectors * lanes, n = fv_typical_dim(dim);
    if (has_constant_columns(l, d, c) || !fv_dim_is_const(dim) || n < 1)
        return (int)most;
    int64_t panels = (n + most - 1) / most, each = (n + panels - 1) / panels;
    return (int)((each + lanes - 1) / lanes * lanes);
}

/* Chooses the tile, *mr rows and *nr columns, from the table. If there are fewer rows than it has,
 * the tile gets fewer rows and more columns, so that enough sums are in flight. `panel`: the
 * columns of a common panel; 0: there is none. Returns the number of which the columns of the tile
 * must be a multiple: `panel`, or else the lanes of a vector, or fewer if there are fewer
 * columns. */
static int tile_size(fv_lowerer *l, const fv_definition *d, const fv_contraction *c, int panel,
                     int *mr, int *nr) {
    const fv_target *t = l->target;
    int lanes = t->vector_bits / fv_elem_bits((fv_elem)c->sum->type.elem);
    int in_flight = fv_processor_of(t)->sums_in_flight;
    lanes = lanes < 2 ? 1 : lanes;
    fv_processor_tile(t->vector_registers, lanes, mr, nr);
    if (c->nsums > 1)
        share_tile(t, c->nsums, lanes, mr, nr);
    *nr *= lanes;
    if (panel)
        fill_panels(t, panel, lanes, mr, nr);
    int64_t rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    int64_t columns = d->index[c->column]->dim->hi;
    if (c->row >= 0 && fv_dim_is_const(d->index[c->row]->dim) && rows > *mr)
        *mr =
            best_rows(rows, *mr, *nr / lanes * c->nsums, in_flight, terms_from(fv_all_steps(c), 0));
    if (!rows || !columns) { /* there is no tile: the other loops have no iterations */
        *mr = *nr = 0;
        return lanes;
    }
    if (rows < *mr) {
        *mr = rows > 0 ? (int)rows : 1;
        if (*mr * (*nr / lanes) * c->nsums < in_flight)
            *nr = wide_enough(l, d, c, in_flight / (*mr * c->nsums), lanes);
    }
    while (lanes > columns)
        lanes /= 2;
    if (columns < *nr)
        *nr = ((int)columns + lanes - 1) / lanes * lanes;
    if (panel)
        fill_panels(t, panel, lanes, mr, nr);
    return panel ? panel : lanes;
}

void fv_contract_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c,
                      fv_parameter rows, fv_parameter columns, int *mr, int *nr) {
    const fv_target *t = u->l->target;
    /* the tiles of an attention read panels that no other level shares */
    const int panel = u->how.kind == FV_SCHEDULE_contract ? common_panel(u->l, d, c) : 0;
    int64_t step = tile_size(u->l, d, c, panel, mr, nr), n = d->index[c->column]->dim->hi;
    int64_t most_rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    int lanes = t->vector_bits / fv_elem_bits((fv_elem)c->sum->type.elem);
    if (*nr < 2)
        return;
    u->limits.lanes = lanes < 2 ? 1 : lanes;
    u->limits.registers = t->vector_registers;
    u->limits.sums = c->nsums;
    int64_t most = n > MOST_COLUMNS ? MOST_COLUMNS : (n + step - 1) / step * step;
    *mr = (int)fv_choose(u, rows, *mr, 1, most_rows > MOST_ROWS ? MOST_ROWS : most_rows, 1);
    *nr = (int)fv_choose(u, columns, *nr, step < 2 ? 2 : step, most > *nr ? most : *nr, step);
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
    fv_ptrmap seen = fv_ptrmap_in(l->exprs);
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

bool fv_contract_choose(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    if (c->nsums > 1)
        return choose_several(l, d, c);
    const fv_var *j = d->index[c->column];
    bool constant = has_constant_columns(l, d, c),
         before = constant || is_made_before(l, d, c, c->b);
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->b, d)));
    c->dense.b = !constant && before &&
                 fv_choose_dense(l, d, fv_all_steps(c), c->b, FV_DENSE_WINDOWS, j, &c->dense.of_b);
    bool contiguous = c->dense.b
                          ? fv_dense_runs_along(&c->dense.of_b, j)
                          : (is_loaded(c->b) || is_computed_in_tile(d, c)) && runs_along(c->b, j);
    c->packed = constant || !contiguous || c->blocks.sum;
    if (c->packed && !before)
        return fv_declines(l, d->value, FV_WHY_operand_of_step, name);
    if (c->packed && !fv_panels_fit(d, fv_all_steps(c))) {
        fv_declines(l, d->value, FV_WHY_operand_axes, name, fv_n(FV_MAX_RANK));
        c->packed = false;
    }
    return c->packed || (contiguous && !c->blocks.sum);
}

void fv_contract_place(fv_lowerer *l, fv_op *op, const fv_definition *d, fv_contraction *c,
                       int panel) {
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->b, d)));
    if (c->dense.b)
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

/* Opens the loop over blocks of rows: at most `most` rows, rounded up to a multiple of mr, of equal
 * size as far as tiles allow. Sets *first and *rows of a block, and the plan's `rest`. */
static void open_rows(fv_tile *t, int64_t most, fv_expr **first, fv_expr **rows) {
    fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->row]->dim;
    if (fv_dim_is_const(d))
        t->plan.rest = d->value % t->plan.mr;
    fv_expr *n = fv_kemit_dim(e, d), *mr = integer(e, t->plan.mr);
    fv_expr *blocks = fv_ceildiv(e, n, integer(e, most));
    fv_expr *step = fv_ceildiv(e, n, binary(e, FV_X_MAX, blocks, integer(e, 1)));
    step = binary(e, FV_X_MAX, binary(e, FV_X_MUL, fv_ceildiv(e, step, mr), mr), mr);
    fv_open_blocks(e, FV_PARALLEL, "block", n, blocks, step, d->hi <= most, first, rows);
}

/* About how many elements of a there are for each row; rows share the elements that a window reads
 * several times. */
static int64_t elements_of_row(const fv_contraction *c, const fv_definition *d) {
    const fv_expr *a = fv_x_stored(c->a);
    double all = 1, rows = 1;
    int64_t terms = terms_from(fv_all_steps(c), 0), extent;
    if (a->op != FV_X_LOAD)
        return terms;
    for (int i = 0; i < a->u.buf->rank; i++) {
        if (!fv_x_is_int(a->u.buf->extent[i], &extent))
            return terms;
        all *= (double)extent;
    }
    for (int i = 0; i < d->rank; i++)
        rows *= fv_x_uses(a, d->index[i]) ? (double)fv_typical_dim(d->index[i]->dim) : 1;
    return rows > 0 && all / rows < (double)terms ? (int64_t)(all / rows) + 1 : terms;
}

/* Bytes of an element of the factor as it is stored, before a tile converts it to the type of the
 * sum. */
static int64_t stored_bytes(const fv_expr *factor) {
    return fv_elem_storage_bytes((fv_elem)fv_x_stored(factor)->type.elem);
}

/* The number of rows of a block: the rows of a that fit into the part of the second-level cache
 * that the processor's `block_l2_eighths` states, together with the current panel and the next one.
 * If all rows take `depth` steps of the sum's first variable before the next ones (0: all steps),
 * parts of panels of that depth count. May be less than 1. */
static int64_t room_for_rows(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                             int nr, int64_t depth) {
    int64_t room = t->caches.l2_bytes / 8 * fv_processor_of(t)->block_l2_eighths,
            steps = depth ? depth * terms_from(fv_all_steps(c), 1) : terms_from(fv_all_steps(c), 0),
            panels = 2 * nr * c->nsums * steps * stored_bytes(c->b);
    return (room - panels) / (elements_of_row(c, d) * stored_bytes(c->a));
}

/* Are there more than FEW_PANELS packed panels, of a known number of columns, which together fill
 * at most half of the first-level cache? Then a tile of rows takes all of them before the next
 * tile, so that rows of the result are written contiguously: a product of 24 terms and 144 columns
 * takes half of the time that it takes panel by panel, if the stores to the result must be waited
 * for (Zen 3). */
static bool stay_near(const fv_target *t, const fv_contraction *c, const fv_definition *d, int nr) {
    const fv_dim *columns = d->index[c->column]->dim;
    return c->packed && fv_dim_is_const(columns) && columns->value > FEW_PANELS * nr &&
           terms_from(fv_all_steps(c), 0) * columns->value * stored_bytes(c->b) <=
               t->caches.l1_bytes / 2;
}

static int64_t block_rows(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                          int mr, int nr, int64_t depth) {
    int64_t rows = room_for_rows(t, c, d, nr, depth), most = fv_processor_of(t)->block_tiles * mr;
    if (stay_near(t, c, d, nr))
        return mr;
    rows = rows > most ? most : rows;
    return rows < LEAST_TILES * mr ? LEAST_TILES * mr : rows / mr * mr;
}

/* The number of steps of the sum's first variable that all tiles of a block take before the next
 * ones, so that parts of panels stay in the second-level cache and the part of a that a tile reads
 * in the first. 0: all steps at once, because these caches have room, or because more parts would
 * cost more than they gain. */
static int64_t block_depth(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                           int mr, int nr) {
    /* the elements that a window reads in the first step are contiguous */
    if (c->sum->u.red.nvars > 1)
        return room_for_rows(t, c, d, nr, 0) < LEAST_TILES * mr ? 1 : 0;
    int64_t steps = c->sum->u.red.vars[0]->dim->value,
            bytes = fv_elem_storage_bytes((fv_elem)c->sum->type.elem);
    /* copies of a tile's rows (`copies`) are on the stack */
    int64_t room =
        t->caches.l1_bytes / bytes < FV_MOST_SUMS ? t->caches.l1_bytes / bytes : FV_MOST_SUMS;
    int64_t most = (room / mr - FV_SPACE) / FV_SPACE * FV_SPACE,
            parts = most > 0 ? (steps + most - 1) / most : 1;
    if (parts < 2 || room_for_rows(t, c, d, nr, 0) >= LEAST_TILES * mr)
        return 0;
    int64_t depth = ((steps + parts - 1) / parts + FV_SPACE - 1) / FV_SPACE * FV_SPACE;
    return depth < steps ? depth : 0;
}

/* Is it worthwhile on this processor to copy the rows of a tile, since they compete for sets of the
 * first-level cache? */
static bool copies_pay(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                       int mr) {
    fv_competing rows;
    return fv_processor_of(t)->copies_rows && fv_rows_compete(t, c, d, mr, &rows);
}

/* The number of steps for which b is computed at a time, such that the elements fill at most half
 * of the first-level cache, but at least FV_SPACE steps unless there are fewer. */
static int64_t unpack_depth(const fv_target *t, const fv_contraction *c, const fv_tile_plan *plan,
                            int64_t steps) {
    int64_t row = fv_tile_plan_width(c, plan) * fv_elem_storage_bytes((fv_elem)c->sum->type.elem);
    int64_t most = t->caches.l1_bytes / 2 / row / FV_SPACE * FV_SPACE;
    most = most > FV_SPACE ? most : FV_SPACE;
    int64_t parts = (steps + most - 1) / most;
    int64_t depth = ((steps + parts - 1) / parts + FV_SPACE - 1) / FV_SPACE * FV_SPACE;
    return depth < steps ? depth : steps;
}

/* Is b computed once for all tiles of a block of rows, and stored on the stack? */
static bool unpacks(const fv_contraction *c, const fv_tile_plan *plan, int64_t block,
                    int64_t depth) {
    int64_t most = FV_MOST_SUMS / fv_tile_plan_width(c, plan);
    return fv_computes_panels(c) && depth <= most && block <= most;
}

/* Can the sum be divided into parts that all tiles of a block take before the next part? The lines
 * of a window are such parts. */
static bool has_parts(const fv_contraction *c) {
    const fv_dim *steps = c->sum->u.red.vars[0]->dim;
    bool one = c->sum->u.red.nvars == 1;
    return c->packed && !c->blocks.sum && !c->panels.made_in_run && fv_dim_is_const(steps) &&
           steps->value > 0 && (one || (!c->each && !c->panels.computed));
}

/* Chooses all parameters other than those of the tile, after panels are made; returns the rows of a
 * block. */
static int64_t choose_rest(fv_choosing *u, const fv_op *op, const fv_contraction *c,
                           fv_tile_plan *plan, const fv_definition *d) {
    const fv_target *target = u->l->target;
    int64_t block = plan->mr, steps = 0;
    int64_t rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    if (c->dot.matrix) { /* registers hold all steps of a tile, and its loop is a function */
        block = rows > plan->mr ? block_rows(target, c, d, plan->mr, plan->nr, 0) : plan->mr;
        return fv_choose(u, FV_PARAMETER_block, block, plan->mr, MOST_BLOCK, 1);
    }
    fv_tile_defaults(u->l, op, c, plan);
    if (rows > plan->mr) {
        bool parts = has_parts(c);
        steps = parts ? c->sum->u.red.vars[0]->dim->value : 0;
        plan->depth = parts ? block_depth(target, c, d, plan->mr, plan->nr) : 0;
        if (fv_computes_panels(c))
            plan->depth = unpack_depth(target, c, plan, steps);
        block = block_rows(target, c, d, plan->mr, plan->nr, plan->depth);
    }
    if (rows > 1)
        block = fv_choose(u, FV_PARAMETER_block, block, plan->mr, MOST_BLOCK, 1);
    if (steps > 0) {
        plan->depth = fv_choose(u, FV_PARAMETER_depth,
                                !plan->depth || block > FV_MOST_SUMS / fv_tile_plan_width(c, plan)
                                    ? steps
                                    : plan->depth,
                                1, steps, 1);
        plan->unpacks = unpacks(c, plan, block, plan->depth);
        plan->depth = plan->depth < steps || plan->unpacks ? plan->depth : 0;
        if (!c->each && c->sum->u.red.nvars == 1)
            plan->copies = fv_choose(u, FV_PARAMETER_copies,
                                     plan->depth && copies_pay(target, c, d, plan->mr), 0, 1, 1);
    }
    if (fv_can_prefetch(c)) {
        plan->near = fv_choose(u, FV_PARAMETER_prefetch, plan->near, 0, 1 << 20, 1);
        plan->far = fv_choose(u, FV_PARAMETER_prefetch_single, plan->far, 0, 1 << 24, 1);
    }
    plan->outlined = fv_choose(u, FV_PARAMETER_outline, plan->outlined, 0, 1, 1);
    return block;
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

/* Do tiles add the terms of the sums in their order: one chain for each element, or words of pairs?
 * Sets c->dot. */
static bool is_in_order(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    bool one = true;
    fv_choose_dot(l, d, c);
    if (c->dot.op == FV_X_DOT_BF16)
        return true;
    for (int i = 0; i < c->nsums; i++)
        one &= fv_x_is_one_chain(c->sums[i]);
    return one;
}

/* Chooses the columns of a panel: those of a tile, or a part of them if panels are made when the
 * model is compiled and belong to a single sum. */
static void choose_panel(fv_lowerer *l, const fv_definition *d, fv_contract_plan *p) {
    const fv_contraction *c = &p->c;
    const int common = common_panel(l, d, c), nr = p->tile.nr;
    p->tile.panel = nr;
    if (!may_divide_tile(l, d, c))
        return;
    int64_t most = p->chosen.limits.of[FV_PARAMETER_columns].most,
            step = p->chosen.limits.of[FV_PARAMETER_columns].step,
            otherwise = common < nr && nr % (common ? common : 1) == 0 ? common : 0,
            panel = fv_choose(&p->chosen, FV_PARAMETER_panel, otherwise, 0, most, step);
    if (panel)
        p->tile.panel = (int)panel;
    else
        fv_schedule_clear(&p->chosen.how, FV_PARAMETER_panel);
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
    bool is_kind = p->plain.nr >= 2 || fv_declines(l, d->value, FV_WHY_contract_no_tile,
                                                   fv_d(d->index[c->column]->dim));
    /* how b is read is chosen, and a reason recorded, even if the order of the sum forbids tiles */
    is_kind = is_kind && fv_contract_choose(l, d, c) &&
              (is_in_order(l, d, c) || fv_declines(l, d->value, FV_WHY_contract_order));
    if (c->dot.matrix && is_kind)
        fv_matrix_tile(&p->chosen, d, c, &t->mr, &t->nr);
    else
        fv_contract_tile(&p->chosen, d, c, FV_PARAMETER_rows, FV_PARAMETER_columns, &t->mr, &t->nr);
    if (!is_kind)
        return NULL;
    choose_panel(l, d, p);
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

void fv_contract_tell(fv_lowerer *l, const fv_contract_plan *p) {
    say_what_it_is(l, p->d, &p->c);
}

static void *choose(fv_lowerer *l, const fv_storage *s) {
    if (fv_form_of(l, s->def) != FV_FORM_CONTRACT)
        return NULL;
    fv_contract_plan *p = fv_contract_plan_new(l, s->def, 1, (fv_expr *[]){s->def->body}, false);
    if (p)
        fv_choose_apart(l, p->d, &p->c, p->plain.mr, p->plain.nr);
    return p;
}

void fv_contract_plan_place(fv_lowerer *l, fv_op *op, fv_contract_plan *p) {
    fv_contract_place(l, op, p->d, &p->c, p->tile.panel);
    fv_choose_layout(&p->chosen, p->c.packed ? p->c.panels.layout : NULL);
    if (p->c.dense.a)
        p->c.a = fv_place_dense(l, op, p->d, &p->c.dense.of_a);
    p->block = choose_rest(&p->chosen, op, &p->c, &p->tile, p->d);
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
    fv_x_rewriter w = {.arena = l->exprs, .before = read_copy, .user = &c};
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
    fv_contract_tell(l, p);
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
    clear_sums(t, rows);
    fv_open_steps(t);
    if (t->plan.unpacks)
        fv_tile_unpack(t);
    fv_tile_multiply(t, fv_open_tiles(t, first, rows));
    while (e->b.depth > outer)
        fv_kb_end(&e->b);
}

/* Emits the products of the rows of one tile, all steps at once. */
static void multiply_one_tile(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_tile one = *t;
    one.plan.depth = 0;
    one.from = one.prefetch.whole = NULL;
    one.made.unpacked = NULL;
    one.rows.done = integer(t->e, 0);
    one.i0 = first;
    fv_tile_multiply(&one, rows);
}

static void multiply_by_steps(fv_tile *t, int64_t block, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    fv_tile_sums(t, block);
    if (!t->plan.unpacks) {
        multiply_tiles(t, first, rows);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_LE, rows, integer(e, t->plan.mr)));
    multiply_one_tile(t, first, rows);
    fv_kb_else(&e->b);
    multiply_tiles(t, first, rows);
    fv_kb_end(&e->b);
}

void fv_contract_emit(const fv_contract_plan *p, fv_kemit *e, fv_tile_put put, fv_value *value) {
    const fv_definition *d = p->d;
    const fv_contraction *c = &p->c;
    fv_tile tile = {.e = e, .c = c, .plan = p->tile, .put = put}, *t = &tile;
    fv_expr *index[FV_MAX_RANK], *rows = integer(e, 1), *first = integer(e, 0);
    for (int i = 0; i < d->rank; i++) {
        if (i == c->row || i == c->column)
            continue;
        index[i] = open_loop(e, FV_PARALLEL, d->index[i]->name, fv_kemit_dim(e, d->index[i]->dim));
        fv_kemit_bind(e, d->index[i], index[i]);
    }
    if (c->row >= 0)
        open_rows(t, p->block, &first, &rows);
    fv_open_panels(t, FV_PARALLEL);
    if (t->plan.depth)
        multiply_by_steps(t, p->block, first, rows);
    fv_expr *here = fv_open_tiles(t, first, rows);
    if (!t->plan.depth) {
        fv_tile_sums(t, t->plan.mr);
        if (c->dot.matrix)
            fv_tile_multiply_matrix(t, here);
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
