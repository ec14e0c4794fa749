/* parameters.c - chooses the parameters of the schedule `contract`: the rows and columns of a tile,
 * the columns of a panel, the rows of a block, and how many steps of the sum all tiles of a block
 * take before the next ones. A parameter that a tuning has set replaces what is chosen here. None
 * of them changes a bit of a result (contract.c). */
#include "backend/schedule/contract/parameters.h"

#include <math.h>
#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/weights.h"
#include "backend/schedule/contract/border.h"
#include "backend/schedule/contract/contract.h"
#include "backend/schedule/contract/lines.h"
#include "backend/schedule/contract/prefetch.h"
#include "backend/schedule/contract/results.h"
#include "backend/schedule/contract/sets.h"
#include "backend/schedule/contract/steps.h"
#include "backend/schedule/contract/tile.h"
#include "backend/schedule/contract/vectors.h"
#include "ir/base/divisor.h"
#include "ir/expr/helium.h"
#include "ir/expr/instruction.h"
#include "ir/target/machine.h"

enum { MOST_ROWS = 64, MOST_COLUMNS = 1024, MOST_BLOCK = 1 << 20 };

/* LEAST_TILES: least number of tiles in a block of rows, unless the block is one tile
 * (`stay_near`). FEW_PANELS: largest number of panels with which a block is never reduced to one
 * tile for that reason. LEAST_UNPACKED: least number of steps for which weights that are only
 * converted are converted once for all tiles of a block. BLOCK_MATRICES: tiles of a block of rows
 * of products of matrices whose sum is over blocks. */
enum { LEAST_TILES = 2, FEW_PANELS = 2, LEAST_UNPACKED = 32, BLOCK_MATRICES = 4 };

/* vector registers with which a tile may have other rows and columns than those of the table */
enum { MANY_REGISTERS = 32 };

/* Costs, in units of half of the time of one product of vectors: of beginning and ending a tile;
 * in each step of k, of reading a vector of the panel; of computing the address of a row. */
enum { TILE_TIME = 512, READ_TIME = 1, ADDRESS_TIME = 12 };

/* The cost of a step of k in a tile of `rows` rows and `vectors` vectors of columns. Fewer products
 * than `in_flight` take as long as `in_flight` of them, since each waits for the previous one in
 * its chain. */
static int step_time(int rows, int vectors, int in_flight) {
    int products = rows * vectors;
    return 2 * (products > in_flight ? products : in_flight) + READ_TIME * vectors;
}

/* The rows of a contraction, which are divided among tiles. */
typedef struct divided_rows {
    int64_t n;     /* the number of rows */
    int64_t terms; /* the terms of the sum, or its words */
    /* if rows are pixels: the pixels of a line, and how often a tile whose rows may be in several
     * lines computes the addresses of its rows; line 0: rows have a constant distance */
    int64_t line, runs;
    bool pixels; /* whether rows are pixels, and a tile may have more of them than the table says */
    /* the share of the steps that a tile takes whose rows are in one line (border.h) */
    double share;
} divided_rows;

/* The cost of computing these rows in tiles of mr rows, and the remaining rows in smaller tiles.
 * It is a double because a dim may be as large as INT64_MAX. */
static double time_of_rows(const divided_rows *rows, int mr, int vectors, int in_flight) {
    const bool in_line = rows->line && rows->line % mr == 0;
    double each = (double)rows->terms * (in_line ? rows->share : 1),
           complete = (double)(rows->n / mr), tile = (double)TILE_TIME,
           time = complete * (step_time(mr, vectors, in_flight) * each + tile);
    int64_t rest = rows->n % mr;
    for (int n = 1; n <= rest; n *= 2)
        time += rest & n ? step_time(n, vectors, in_flight) * each + tile : 0;
    if (rows->line && !in_line)
        time += (double)rows->n * (double)rows->runs * (double)ADDRESS_TIME;
    return time;
}

/* The number of rows of a tile, from `least_rows` to `most`, for which all rows have the least
 * cost: 14 rows are better computed as 7 + 7 than as 12 + 2. */
static int best_rows(const divided_rows *rows, int least_rows, int most, int vectors,
                     int in_flight) {
    int best = most;
    double least = INFINITY;
    for (int mr = most; mr >= least_rows && mr > 0; mr--) {
        double time = time_of_rows(rows, mr, vectors, in_flight);
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

/* The cost of a step of k for each row and all columns, in tiles of `rows` rows and `vectors`
 * vectors of columns. */
static double time_of_columns(int64_t columns, int lanes, int rows, int vectors, int in_flight) {
    int64_t width = (int64_t)vectors * lanes, tiles = fv_div_up(columns, width);
    return (double)tiles * step_time(rows, vectors, in_flight) / rows;
}

/* Makes a tile of *mr rows and *vectors vectors wider, and its rows fewer, if that takes a
 * sixteenth less time, because the last tile of a row then has fewer padding columns: 40 columns
 * are one tile of 3 vectors of 16 instead of two of 2 (on Zen 4, attention with heads of 40 and
 * 1024 keys takes 0.87 of the time). The registers also hold a row of b and the factor of
 * one row. A tile has at least half of the rows, since each tile reads the panel, and many rows
 * need more than 16 registers. */
static void fit_columns(const fv_target *t, int64_t columns, int lanes, int in_flight, int *mr,
                        int *vectors) {
    const int rows = *mr, width = *vectors;
    if (t->vector_registers < MANY_REGISTERS)
        return;
    double least = time_of_columns(columns, lanes, rows, width, in_flight) * 15 / 16;
    for (int v = width + 1, r; r = (t->vector_registers - 1) / v - 1, 2 * r >= rows; v++) {
        double time = time_of_columns(columns, lanes, r, v, in_flight);
        if (time > least)
            continue;
        least = time;
        *mr = r;
        *vectors = v;
    }
}

/* bytes of the columns of a panel that tiles of all levels can read: a vector of AVX-512, two of
 * AVX2, four of SSE */
enum { COMMON_PANEL = 64 };

/* May panels of b be narrower than a tile? */
static bool may_divide_tile(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    return c->nsums == 1 && !c->context.often && fv_has_constant_columns(l, d, c) &&
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
    *nr = (int)fv_round_up(*nr, panel);
    while (*nr > before && *mr > 1 && (*mr + 1) * (*nr / lanes) >= t->vector_registers)
        --*mr;
}

/* The number of columns of a tile that has at most `vectors` vectors of them: fewer if a known
 * number of columns is then divided more evenly among as many tiles, since columns of padding are
 * computed and read as well. With three tiles of 96 columns instead of 128 for 257 columns, a
 * network of LSTMs takes 0.97 of its time (Zen 4). */
static int wide_enough(const fv_dim *columns, int vectors, int lanes) {
    int64_t most = (int64_t)vectors * lanes, n = fv_typical_dim(columns);
    if (!fv_dim_is_const(columns) || n < 1)
        return (int)most;
    int64_t tiles = fv_div_up(n, most), each = fv_div_up(n, tiles);
    return (int)fv_round_up(each, lanes);
}

/* The number of columns of a panel, at most `most`, for which panels of all columns have the least
 * padding: a divisor of the columns if one is more than half of `most`, since padding is stored. */
static int least_padding(int64_t columns, int most) {
    for (int n = most; 2 * n > most; n--)
        if (columns % n == 0)
            return n;
    int64_t panels = fv_div_up(columns, most);
    return (int)fv_div_up(columns, panels);
}

/* The tile of sums of floats in small code (fv_is_small_code), whose loop over steps contains
 * products one by one. */
enum { SMALL_ROWS = 2, SMALL_COLUMNS = 4 };

/* Bytes of an element of the factor as it is stored, before a tile converts it to the type of the
 * sum. */
static int64_t stored_bytes(const fv_expr *factor) {
    return fv_elem_storage_bytes((fv_elem)fv_x_stored(factor)->type.elem);
}

bool fv_loops_are_smaller(const fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    const fv_dim *columns = d->index[c->column]->dim;
    return fv_is_small_code(l->options) && !c->blocks.sum &&
           fv_elem_is_float((fv_elem)c->sum->type.elem) && fv_x_is_constant(c->b) &&
           fv_typical_terms(c->sum, 0) * fv_typical_dim(columns) * stored_bytes(c->b) <
               FV_SMALL_CONSTANT;
}

/* Are the sums integers in core registers of which there are few? */
static bool in_core_registers(const fv_target *t, const fv_contraction *c, int lanes) {
    return lanes == 1 && fv_elem_is_int((fv_elem)c->sum->type.elem) && t->core_registers;
}

/* The rows of a tile of a depthwise convolution with Helium, at most `most`, for which no tile has
 * a single row if that can be avoided: such a tile takes most of the time of a complete one. */
static int rows_of_each(const fv_definition *d, const fv_contraction *c, int most) {
    const fv_dim *rows = c->row < 0 ? NULL : d->index[c->row]->dim;
    int n = most;
    while (rows && fv_dim_is_const(rows) && rows->value > most && n > 2 && rows->value % n == 1)
        n--;
    return n;
}

/* Chooses the tile of sums in core registers, or in those of Helium, from the table. Few sums are
 * enough there, since a product does not wait for another one. */
static void core_tile(const fv_target *t, const fv_definition *d, const fv_contraction *c,
                      int lanes, int *in_flight, int *mr, int *nr) {
    const int kind = lanes > 1                  ? c->each ? FV_TILE_HELIUM_EACH : FV_TILE_HELIUM
                     : c->dot.group == FV_DOT16 ? FV_TILE_CORE_SIXTEEN
                     : c->dot.halves            ? FV_TILE_CORE_HALVES
                     : c->each                  ? FV_TILE_CORE_EACH
                                                : FV_TILE_CORE;
    fv_processor_tile(t->vector_registers, kind, mr, nr);
    *mr = c->dot.halves && c->dot.halves < *mr ? c->dot.halves : *mr;
    *mr = kind == FV_TILE_HELIUM_EACH ? rows_of_each(d, c, *mr) : *mr;
    *in_flight = *mr * *nr < *in_flight ? *mr * *nr : *in_flight;
}

/* Does a window slide along the rows, which are pixels of a line? */
static bool rows_are_pixels(const fv_definition *d, const fv_contraction *c) {
    const fv_expr *x = c->a ? fv_x_stored(c->a) : NULL;
    bool slides = false;
    for (int i = 0; x && (x->op == FV_X_LOAD || x->op == FV_X_GUARD) && i < x->u.buf->rank; i++)
        for (int k = 0; k < c->sum->u.red.nvars && fv_x_uses(x->arg[i], d->index[c->row]); k++)
            slides |= fv_x_uses(x->arg[i], c->sum->u.red.vars[k]);
    return slides && !c->each;
}

/* The rows of the contraction, n of them. */
static divided_rows rows_of(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                            int64_t n) {
    const fv_expr *sum = fv_all_steps(c);
    const int64_t of_word = c->dot.group > 1 ? c->dot.group : 1;
    divided_rows rows = {.n = n, .terms = fv_div_up(fv_typical_terms(sum, 0), of_word)};
    rows.line = c->each ? 0 : fv_length_of_lines(l->arena, c, d->index[c->row]);
    /* fewer steps are in one function with the epilogue, which needs registers, too */
    rows.pixels = rows.line || (rows_are_pixels(d, c) &&
                                rows.terms >= fv_processor_of(l->target)->loop.outline_steps);
    rows.share = rows.line ? fv_share_within_border(c, n / rows.line) : 1;
    rows.runs = fv_typical_terms(sum, 0) / fv_typical_terms(sum, sum->u.red.nvars - 1);
    return rows;
}

/* The most rows of a tile of that many vectors of columns that registers hold, besides a row of b
 * and the factor of one row, at least mr: 14 rows of 2 vectors with 32 registers. */
static int most_rows(const fv_target *t, int mr, int vectors) {
    int most = (t->vector_registers - 1) / vectors - 1;
    return t->vector_registers >= MANY_REGISTERS && most > mr ? most : mr;
}

/* The most sums of a tile each of whose columns has rows of its own. */
enum { MOST_SUMS_OF_EACH = 14 };

/* Chooses a tile of *mr rows and *vectors vectors of columns for a sum each of whose columns has
 * rows of its own, as in a depthwise convolution: each product loads an element of the rows, so a
 * wider tile saves few loads. 56, 28 and 14 pixels of a line with filters of 3 x 3 take 0.86, 0.91
 * and 0.86 of the time in tiles of 14 x 16 that they take in tiles of 12 and 10 x 32, with AVX2
 * 0.94, 0.92 and 0.82 in tiles of 14 x 8 of that of 6 x 16 (Zen 4). */
static void tile_of_each(const divided_rows *rows, int64_t columns, int lanes, int in_flight,
                         int *mr, int *vectors) {
    double least = INFINITY;
    for (int v = 1; v <= 2; v++) {
        const int most = MOST_SUMS_OF_EACH / v, r = best_rows(rows, most / 2, most, v, in_flight);
        const int64_t tiles = fv_div_up(columns, v * lanes);
        const double time = time_of_rows(rows, r, v, in_flight) * (double)tiles;
        if (time >= least)
            continue;
        least = time;
        *mr = r;
        *vectors = v;
    }
}

/* Changes the tile of *mr rows and *nr columns for that number of rows, so that they are divided
 * among tiles with the least cost. */
static void divide_rows(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                        int64_t rows, int lanes, int in_flight, int *mr, int *nr) {
    const fv_target *t = l->target;
    const divided_rows all = rows_of(l, d, c, rows);
    int vectors = *nr / lanes * c->nsums;
    if (c->each && c->nsums == 1 && lanes > 1 && t->vector_bits && !fv_is_small_code(l->options) &&
        fv_elem_is_float((fv_elem)c->sum->type.elem)) {
        tile_of_each(&all, d->index[c->column]->dim->hi, lanes, in_flight, mr, &vectors);
        *nr = vectors * lanes;
    } else if (rows > *mr) {
        const int most = all.pixels ? most_rows(t, *mr, vectors) : *mr;
        *mr = best_rows(&all, *mr / 2, most, vectors, in_flight);
    }
}

/* Chooses the tile, *mr rows and *nr columns, from the table. If there are fewer rows than it has,
 * the tile gets fewer rows and more columns, so that enough sums are in flight. `panel`: the
 * columns of a common panel; 0: there is none. Returns the number of which the columns of the tile
 * must be a multiple: `panel`, or else the lanes of a vector, or fewer if there are fewer
 * columns. */
static int tile_size(fv_lowerer *l, const fv_definition *d, const fv_contraction *c, int panel,
                     int *mr, int *nr) {
    const fv_target *t = l->target;
    int lanes = fv_contract_lanes(t, d, c);
    enum { CHAINED = 3 };
    int in_flight = fv_processor_of(t)->sums_in_flight;
    fv_processor_tile(t->vector_registers, lanes, mr, nr);
    const bool small = fv_is_small_code(l->options);
    if (fv_dot_has_chains(&c->dot) && !c->dot.matrix) /* each sum has two chains */
        *mr = *mr > CHAINED ? *mr / CHAINED : 1;
    if (in_core_registers(t, c, lanes) || (fv_has_helium(t) && lanes > 1)) {
        core_tile(t, d, c, lanes, &in_flight, mr, nr);
    } else if (small) {
        *nr = SMALL_COLUMNS;
        *mr = c->each ? 1 : SMALL_ROWS;
    }
    const fv_dim *all = d->index[c->column]->dim;
    const bool many = c->row >= 0 && d->index[c->row]->dim->hi > *mr;
    if (c->nsums > 1)
        share_tile(t, c->nsums, lanes, mr, nr);
    else if (many && lanes > 1 && !panel && !small && !c->each && !fv_has_helium(t) &&
             fv_elem_is_float((fv_elem)c->sum->type.elem) && fv_dim_is_const(all))
        fit_columns(t, all->value, lanes, in_flight, mr, nr);
    *nr *= lanes;
    if (panel)
        fill_panels(t, panel, lanes, mr, nr);
    int64_t rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi, columns = all->hi;
    const int64_t of_block = c->context.block;
    if (of_block && rows > of_block)
        rows = of_block;
    if (c->row >= 0 && (fv_dim_is_const(d->index[c->row]->dim) || of_block))
        divide_rows(l, d, c, rows, lanes, in_flight, mr, nr);
    if (!rows || !columns) { /* there is no tile: the other loops have no iterations */
        *mr = *nr = 0;
        return lanes;
    }
    if (rows < *mr) {
        *mr = rows > 0 ? (int)rows : 1;
        if (small && in_core_registers(t, c, lanes))
            *nr = 1;
        else if (*mr * (*nr / lanes) * c->nsums < in_flight)
            *nr = wide_enough(all, in_flight / (*mr * c->nsums), lanes);
    }
    while (lanes > columns)
        lanes /= 2;
    if (columns < *nr)
        *nr = (int)fv_round_up(columns, lanes);
    if (columns > *nr && t->kind != FV_TARGET_SERVER && lanes == 1)
        *nr = least_padding(columns, *nr);
    if (panel)
        fill_panels(t, panel, lanes, mr, nr);
    return panel ? panel : lanes;
}

int fv_least_columns(const fv_lowerer *l, const fv_contraction *c) {
    const fv_target *t = l->target;
    const int lanes = t->vector_bits / fv_elem_bits((fv_elem)c->sum->type.elem);
    const bool one = c->each || fv_is_small_code(l->options);
    return one && in_core_registers(t, c, lanes < 2 ? 1 : lanes) ? 1 : 2;
}

void fv_contract_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c,
                      fv_parameter rows, fv_parameter columns, int *mr, int *nr) {
    const fv_target *t = u->l->target;
    /* the tiles of an attention read panels that no other level shares */
    const int panel = u->how.kind == FV_SCHEDULE_contract ? common_panel(u->l, d, c) : 0;
    int64_t step = tile_size(u->l, d, c, panel, mr, nr), n = d->index[c->column]->dim->hi;
    int64_t most_rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    const int least = fv_least_columns(u->l, c);
    if (*nr < least)
        return;
    u->limits.lanes = fv_contract_lanes(t, d, c);
    u->limits.registers = t->vector_registers;
    u->limits.sums = c->nsums;
    int64_t most = n > MOST_COLUMNS ? MOST_COLUMNS : fv_round_up(n, step);
    *mr = (int)fv_choose(u, rows, *mr, 1, most_rows > MOST_ROWS ? MOST_ROWS : most_rows, 1);
    *nr =
        (int)fv_choose(u, columns, *nr, step < least ? least : step, most > *nr ? most : *nr, step);
}

void fv_contract_choose_panel(fv_lowerer *l, struct fv_contract_plan *p) {
    const fv_definition *d = p->d;
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

/* About how many elements of a there are for each row; rows share the elements that a window reads
 * several times. */
static int64_t elements_of_row(const fv_contraction *c, const fv_definition *d) {
    const fv_expr *a = fv_x_stored(c->a);
    double all = 1, rows = 1;
    int64_t terms = fv_typical_terms(fv_all_steps(c), 0), extent;
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

/* The number of rows of a block: the rows of a that fit into the part of the second-level cache
 * that the processor's `block_l2_eighths` states, together with the current panel and the next one.
 * If all rows take `depth` steps of the sum's first variable before the next ones (0: all steps),
 * parts of panels of that depth count. May be less than 1. */
static int64_t room_for_rows(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                             int nr, int64_t depth) {
    int64_t room = t->caches.l2_bytes / 8 * fv_processor_of(t)->block_l2_eighths,
            steps = depth ? depth * fv_typical_terms(fv_all_steps(c), 1)
                          : fv_typical_terms(fv_all_steps(c), 0),
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
           fv_typical_terms(fv_all_steps(c), 0) * columns->value * stored_bytes(c->b) <=
               t->caches.l1_bytes / 2;
}

/* The rows of a block, at most `rows`, such that blocks of a known number of rows have equally many
 * tiles, and the number of blocks is a multiple of 4, or of 2, so that threads share them evenly;
 * `rows` if there are no such blocks of at least half as many rows, or so many blocks that it does
 * not matter. */
static int64_t even_rows(const fv_definition *d, const fv_contraction *c, int mr, int64_t rows) {
    enum { MANY_BLOCKS = 64 };
    const fv_dim *n = d->index[c->row]->dim;
    if (!fv_dim_is_const(n))
        return rows;
    const int64_t tiles = fv_div_up(n->value, mr), blocks = fv_div_up(n->value, rows);
    int64_t even = rows;
    for (int64_t b = blocks; blocks > 1 && blocks <= MANY_BLOCKS && b <= 2 * blocks; b++) {
        if (tiles % b || tiles / b < LEAST_TILES)
            continue;
        if (b % 4 == 0)
            return tiles / b * mr;
        if (b % 2 == 0 && even == rows)
            even = tiles / b * mr;
    }
    return even;
}

/* The rows of a block, if there is room for `room` rows. */
static int64_t block_rows(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                          const fv_tile_plan *plan, int64_t room) {
    const int mr = plan->mr;
    int64_t most = fv_processor_of(t)->block_tiles * mr, rows = room > most ? most : room;
    if (stay_near(t, c, d, plan->nr))
        return mr;
    rows = rows < LEAST_TILES * mr ? LEAST_TILES * mr : rows / mr * mr;
    return even_rows(d, c, mr, rows);
}

/* The rows of a block that computes b for all of its tiles. Each block does so again, so it has up
 * to FARTHER times as many rows as the second-level cache has room for: reading these from the next
 * cache takes less time. If there are few panels, smaller blocks are tasks for more threads. */
static int64_t unpacking_rows(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                              const fv_tile_plan *plan) {
    enum { FARTHER = 4, MANY_PANELS = 16 };
    const int64_t room = room_for_rows(t, c, d, plan->nr, plan->depth);
    const fv_dim *columns = d->index[c->column]->dim;
    return block_rows(t, c, d, plan, columns->lo < MANY_PANELS * plan->nr ? room : FARTHER * room);
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
            parts = most > 0 ? fv_div_up(steps, most) : 1;
    /* panels of pairs have half of the bytes, but what a tile reads of a does not */
    int64_t least = c->panels.pairs ? fv_processor_of(t)->block_tiles / 2 : LEAST_TILES;
    if (parts < 2 || room_for_rows(t, c, d, nr, 0) >= least * mr)
        return 0;
    int64_t depth = fv_round_up(fv_div_up(steps, parts), FV_SPACE);
    return depth < steps ? depth : 0;
}

/* Is it worthwhile on this processor to copy the rows of a tile, since they compete for sets of the
 * first-level cache? */
static bool copies_pay(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                       int mr) {
    fv_competing rows;
    return fv_processor_of(t)->copies_rows && fv_rows_compete(t, c, d, mr, &rows);
}

/* The number of steps for which b is computed at a time, such that the elements take at most `room`
 * bytes, but at least FV_SPACE steps unless there are fewer. */
static int64_t steps_in_room(const fv_contraction *c, const fv_tile_plan *plan, int64_t steps,
                             int64_t room) {
    int64_t row = fv_tile_plan_width(c, plan) * fv_elem_storage_bytes((fv_elem)c->sum->type.elem);
    int64_t most = room / row / FV_SPACE * FV_SPACE;
    most = most > FV_SPACE ? most : FV_SPACE;
    int64_t parts = fv_div_up(steps, most);
    int64_t depth = fv_round_up(fv_div_up(steps, parts), FV_SPACE);
    return depth < steps ? depth : steps;
}

/* The number of steps for which b is computed at a time: the elements fill half of the first-level
 * cache. Where b is only converted, they are as many as fit on the stack, if that is little of the
 * second-level cache: a tile loads a row of them in the time of its products from there as well,
 * and loads and stores its sums less often. */
static int64_t unpack_depth(const fv_target *t, const fv_contraction *c, const fv_tile_plan *plan,
                            int64_t steps) {
    const int64_t room = FV_MOST_SUMS * (int64_t)sizeof(float);
    bool fits = !c->panels.computed && room <= t->caches.l2_bytes / 8;
    return steps_in_room(c, plan, steps, fits ? room : t->caches.l1_bytes / 2);
}

/* Is computing an element of b a conversion of one instruction? */
static bool converts_at_once(const fv_target *t, const fv_contraction *c) {
    fv_elem stored = (fv_elem)fv_x_stored(c->b)->type.elem, used = (fv_elem)c->b->type.elem;
    return !c->panels.computed && fv_instruction_has(t, FV_X_CONVERT, stored, used);
}

/* The number of tiles of a block of rows up to which each computes b itself. A block of a single
 * tile shares nothing. A few tiles repeat a conversion of one instruction in less time than they
 * store its results and load them again. */
static int tiles_that_compute(const fv_target *t, const fv_contraction *c) {
    return converts_at_once(t, c) ? fv_processor_of(t)->loop.converting_tiles : 1;
}

/* Is it worthwhile to compute b once for all tiles of a block of rows, and to store it on the
 * stack? A conversion takes so little time that storing and loading the sums of the block, which
 * this needs, costs more if there are few steps. On microcontrollers the stack is worth more. */
static bool unpacking_pays(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                           const fv_tile_plan *plan, int64_t steps) {
    return fv_computes_panels(c) && !c->panels.pairs &&
           (c->panels.computed || (t->kind == FV_TARGET_SERVER && steps >= LEAST_UNPACKED &&
                                   !stay_near(t, c, d, plan->nr)));
}

/* Does the first tile of a block compute b for the other ones? A conversion of one instruction is
 * done by other units than products, so these hide most of its time: BERT-base in f16 with 128
 * tokens takes 0.98 of its time (Zen 4). The code has one more tile. */
static bool first_tile_unpacks(const fv_lowerer *l, const fv_contraction *c) {
    return fv_is_vector_processor(l->target) && !(l->options->saves & FV_SAVES_CODE) &&
           converts_at_once(l->target, c);
}

/* Do `depth` steps of b, and the sums of a block of rows, fit on the stack? */
static bool fits_stack(const fv_contraction *c, const fv_tile_plan *plan, int64_t block,
                       int64_t depth) {
    int64_t most = FV_MOST_SUMS / fv_tile_plan_width(c, plan);
    return depth <= most && block <= most;
}

/* Can the sum be divided into parts that all tiles of a block take before the next part? The lines
 * of a window are such parts. */
static bool has_parts(const fv_contraction *c) {
    const fv_dim *steps = c->sum->u.red.vars[0]->dim;
    bool one = c->sum->u.red.nvars == 1;
    return c->packed && !c->blocks.sum && !fv_dot_has_chains(&c->dot) && !c->panels.made_in_run &&
           fv_dim_is_const(steps) && steps->value > 0 && (one || (!c->each && !c->panels.computed));
}

/* Chooses the block of rows of a product of matrices. Registers hold all steps of a tile. Of a sum
 * over blocks, all tiles of a block of rows take `depth` blocks before the next ones, so that their
 * unpacked words fill half of the first-level cache, and the sums of the rows are on the stack. */
static int64_t choose_matrix_block(fv_choosing *u, const fv_contraction *c, fv_tile_plan *plan,
                                   const fv_definition *d, int64_t rows) {
    const fv_target *target = u->l->target;
    int64_t block = plan->mr, most = MOST_BLOCK;
    if (!c->blocks.sum) {
        if (rows > plan->mr)
            block = block_rows(target, c, d, plan, room_for_rows(target, c, d, plan->nr, 0));
        return fv_choose(u, FV_PARAMETER_block, block, plan->mr, most, 1);
    }
    int64_t blocks = c->blocks.sum->u.red.vars[0]->dim->value,
            bytes = fv_typical_terms(c->sum, 0) * 4 * plan->nr,
            room = target->caches.l1_bytes / 2 / bytes;
    room = c->dot.parts == 1 ? blocks : room < 1 ? 1 : room;
    int64_t parts = fv_div_up(blocks, room);
    plan->depth = fv_div_up(blocks, parts);
    most = FV_MOST_SUMS / plan->nr / plan->mr * plan->mr;
    if (rows > plan->mr)
        block = BLOCK_MATRICES * plan->mr < most ? BLOCK_MATRICES * plan->mr : most;
    return fv_choose(u, FV_PARAMETER_block, block, plan->mr, most, 1);
}

/* Do tiles store their results from registers? These are few integers in core registers, and the
 * addresses of a row are then computed once for all panels. Eight registers (Armv6-M) are too few
 * for that: products of a keyword spotter took 7% more time. */
static bool stores_at_once(const fv_lowerer *l, const fv_contraction *c, const fv_definition *d,
                           const fv_tile_plan *plan) {
    enum { TOO_FEW_REGISTERS = 8 };
    const fv_dim *columns = d->index[c->column]->dim;
    return in_core_registers(l->target, c, 1) && l->target->core_registers > TOO_FEW_REGISTERS &&
           !(l->options->saves & FV_SAVES_CODE) && c->nsums == 1 && !c->blocks.sum &&
           fv_dim_is_const(columns) && columns->value % plan->nr == 0;
}

/* The number of rows from which on a tile of c multiplies matrices. Dot products of vectors
 * prefetch weights, which products of matrices do not, so more rows use them if weights come from
 * the last level of caches: as many as can be multiplied while the next weights arrive. From
 * memory, and with blocks, whose terms take arithmetic, products of matrices are faster. */
static int few_rows(const fv_lowerer *l, const fv_op *op, const fv_contraction *c) {
    const fv_matrix_limits *least = &fv_processor_of(l->target)->matrix;
    const double weights = (double)fv_weights_between(l, op);
    const bool cached = weights <= fv_measure_of(l->target, FV_MEASURE_last_level);
    return cached && !c->blocks.sum ? least->cached_rows : least->rows;
}

/* Has the block all sums of its tiles in memory before results are stored? That pays if the rows of
 * a tile are too few to fill vectors of the result, in which they are contiguous, and a sum of
 * integers costs little: `rows` of them. */
static bool stores_together(const fv_target *t, const fv_contraction *c, const fv_definition *d,
                            const fv_tile_plan *plan, int64_t rows) {
    const fv_dim *steps = c->sum->u.red.vars[0]->dim;
    return rows > plan->mr && fv_elem_is_int((fv_elem)c->sum->type.elem) && !c->blocks.sum &&
           c->nsums == 1 && !c->context.often && !plan->unpacks && c->packed &&
           fv_dim_is_const(steps) && steps->value > 0 && fv_rows_are_neighbours(t, d, c, plan);
}

/* The rows of a block whose results are stored together: as many as keep the sums, and their
 * transposed copy, in half of the first-level cache. */
static int64_t rows_together(const fv_target *t, const fv_contraction *c, const fv_tile_plan *plan,
                             int64_t block) {
    int64_t row = fv_tile_plan_width(c, plan) * 2 * (int64_t)sizeof(int32_t),
            most = t->caches.l1_bytes / 2 / row / plan->mr * plan->mr,
            least = 2 * (int64_t)plan->mr;
    most = most > least ? most : least;
    return block < most ? block : most;
}

int64_t fv_contract_choose_rest(fv_choosing *u, const fv_op *op, const fv_contraction *c,
                                fv_tile_plan *plan, const fv_definition *d) {
    const fv_target *target = u->l->target;
    int64_t block = plan->mr, steps = 0;
    int64_t rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    bool unpacks = false;
    fv_tile_defaults(u->l, op, c, plan);
    plan->few = c->dot.matrix ? few_rows(u->l, op, c) : 0;
    if (c->dot.matrix)
        return choose_matrix_block(u, c, plan, d, rows);
    plan->stores = stores_at_once(u->l, c, d, plan);
    if (c->dot.halves) /* the pairs of a task are those of one tile */
        return rows > 1 ? fv_choose(u, FV_PARAMETER_block, plan->mr, plan->mr, plan->mr, 1) : 1;
    if (rows > plan->mr) {
        bool parts = has_parts(c);
        steps = parts ? c->sum->u.red.vars[0]->dim->value : 0;
        plan->computing_rows = tiles_that_compute(target, c) * plan->mr;
        unpacks = unpacking_pays(target, c, d, plan, steps);
        if (unpacks) {
            plan->depth = unpack_depth(target, c, plan, steps);
            block = unpacking_rows(target, c, d, plan);
            unpacks = block > plan->computing_rows;
        }
        if (!unpacks) {
            plan->depth = parts ? block_depth(target, c, d, plan->mr, plan->nr) : 0;
            block =
                block_rows(target, c, d, plan, room_for_rows(target, c, d, plan->nr, plan->depth));
        }
    }
    plan->together = stores_together(target, c, d, plan, rows);
    if (plan->together)
        block = rows_together(target, c, plan, block);
    bool one =
        plan->stores || ((u->l->options->saves & FV_SAVES_CODE) && !target->threads && rows > 1);
    block = one && !plan->depth ? plan->mr : block;
    if (rows > 1)
        block = fv_choose(u, FV_PARAMETER_block, block, plan->mr, MOST_BLOCK, 1);
    if (unpacks && block <= plan->computing_rows) {
        unpacks = false;
        plan->depth = block_depth(target, c, d, plan->mr, plan->nr);
    }
    if (steps > 0) {
        plan->depth = fv_choose(u, FV_PARAMETER_depth,
                                !plan->depth || block > FV_MOST_SUMS / fv_tile_plan_width(c, plan)
                                    ? steps
                                    : plan->depth,
                                1, steps, 1);
        if (unpacks && fits_stack(c, plan, block, plan->depth))
            plan->unpacks = first_tile_unpacks(u->l, c) ? FV_FIRST_UNPACKS : FV_UNPACKED_BEFORE;
        plan->depth = plan->depth < steps || plan->unpacks ? plan->depth : 0;
        /* words of 16 bytes are vectors, which copies of single elements do not have */
        if (!c->each && c->sum->u.red.nvars == 1 && c->dot.group != FV_DOT16)
            plan->copies = fv_choose(u, FV_PARAMETER_copies,
                                     plan->depth && copies_pay(target, c, d, plan->mr), 0, 1, 1);
    }
    plan->stores &= !plan->depth && (rows <= 1 || block == plan->mr);
    plan->together &= block <= FV_MOST_SUMS / fv_tile_plan_width(c, plan);
    if (plan->together && !plan->depth)
        plan->depth = c->sum->u.red.vars[0]->dim->value;
    fv_tile_limit_shares(u->l, c, c->row < 0 ? NULL : d->index[c->row]->dim, block, plan);
    if (fv_can_prefetch(c)) {
        plan->prefetch.near =
            fv_choose(u, FV_PARAMETER_prefetch, plan->prefetch.near, 0, 1 << 20, 1);
        const int64_t far = plan->prefetch.far;
        plan->prefetch.far = fv_choose(u, FV_PARAMETER_prefetch_single, far, 0, 1 << 24, 1);
        plan->prefetch.alone =
            plan->prefetch.far == far ? plan->prefetch.alone : plan->prefetch.far;
    }
    plan->outlined = fv_choose(u, FV_PARAMETER_outline, plan->outlined, 0, 1, 1);
    return block;
}
