/* contract.c - matrix products and what is like them: a sum of products whose factors
 * depend one on a row index i, the other on a column index j.
 *
 *     parallel batch.., block of rows, panel of columns:
 *       for i0 in the block, step MR:
 *         acc[r, c] = 0                                     registers
 *         for k ascending: acc[r, c] = fma(a[i0 + r, k], b[k, j0 + c], acc[r, c])
 *         sums[r, c] = acc[r, c]                            first-level cache
 *         for rows and columns that are there: y[i0 + r, j0 + c] = epilogue(sums[r, c])
 *
 * b comes in panels (panels.c), or as it lies in memory where columns are contiguous there. Rows that
 * are no whole tile are done by tiles of 8, 4, 2 and 1 rows. Each output is one ascending chain: tiles
 * change no bit. */
#include "backend/schedule/contract.h"

#include <limits.h>
#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/blocks.h"
#include "backend/schedule/precompute.h"
#include "backend/schedule/scheduler.h"
#include "ir/definition/definitions.h"

/* Does x lie in memory so that neighbouring columns are neighbours? */
static bool runs_along(const fv_expr *x, const fv_var *j) {
    fv_load_count n = {0};
    fv_x_count_loads(x, j, &n);
    return n.contiguous && !n.strided;
}

/* The factors: b is the only one that depends on the column. */
static bool set_factors(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    const fv_expr *body = c->sum->arg[0];
    const fv_var *j = d->index[d->rank - 1];
    bool in[2] = {fv_x_uses(body->arg[0], j), fv_x_uses(body->arg[1], j)};
    c->each = in[0] && in[1];
    bool second = c->each ? fv_x_is_constant(body->arg[1]) : in[1];
    c->a = body->arg[!second];
    c->b = body->arg[second];
    if (c->each && !fv_x_is_constant(c->b))
        return fv_declines(l, d->value, FV_WHY_contract_both, fv_d(j->dim));
    if (c->each && !runs_along(c->a, j))
        return fv_declines(l, d->value, FV_WHY_contract_each_strided, fv_d(j->dim));
    if (!in[second])
        return fv_declines(l, d->value, FV_WHY_contract_no_column, fv_d(j->dim));
    c->column = d->rank - 1;
    c->row = -1;
    for (int i = c->column; i-- > 0 && c->row < 0;)
        if (fv_x_uses(c->a, d->index[i]) && !fv_x_uses(c->b, d->index[i]))
            c->row = i;
    return true;
}

static bool recognise(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    fv_expr *sums[2], *inner;
    memset(c, 0, sizeof *c);
    if (d->rank < 1)
        return fv_declines(l, d->value, FV_WHY_contract_one);
    int n = fv_x_reductions(d->body, sums, 2);
    if (n != 1)
        return fv_declines(l, d->value, FV_WHY_contract_sums, fv_s(n ? "several" : "no"));
    fv_expr *body = sums[0]->arg[0];
    if (sums[0]->u.red.kind != FV_SUM || body->op != FV_X_MUL)
        return fv_declines(l, d->value, FV_WHY_contract_products);
    if (fv_x_reductions(body, &inner, 1))
        return fv_declines(l, d->value, FV_WHY_contract_nested);
    if (!fv_elem_is_float((fv_elem)body->type.elem))
        return fv_declines(l, d->value, FV_WHY_contract_type, fv_s(fv_elem_name((fv_elem)body->type.elem)));
    c->sum = sums[0];
    return set_factors(l, d, c);
}

static bool is_loaded(const fv_expr *x) {
    x = fv_x_stored(x);
    return x->op == FV_X_LOAD || x->op == FV_X_GUARD;
}

/* To begin and end a tile takes so many steps of k with one sum; and up to how many tiles of rows the best are looked for. */
enum { TILE = 4, FEW_TILES = 4 };
enum { MOST_ROWS = 64, MOST_COLUMNS = 1024, MOST_BLOCK = 1 << 20 };

/* What a step of k takes for these rows: sums in flight, of which fewer than `least` take as long. */
static int steps(int rows, int vectors, int least) {
    return rows * vectors > least ? rows * vectors : least;
}

/* Rows of tiles for a small number of rows, at most `most`: 14 are better done as 7 + 7 than as 12 + 2. */
static int best_rows(int rows, int most, int vectors, int in_flight) {
    int best = most, least = INT_MAX;
    for (int mr = most; mr >= most / 2; mr--) {
        int cost = rows / mr * (steps(mr, vectors, in_flight) + TILE);
        for (int n = 1, rest = rows % mr; n <= rest; n *= 2)
            cost += rest & n ? steps(n, vectors, in_flight) + TILE : 0;
        if (cost < least) {
            best = mr;
            least = cost;
        }
    }
    return best;
}

/* The tile of the table. Fewer rows where there are fewer, with more columns then: so many sums are in flight. Returns what
 * columns are a multiple of: the lanes of a vector, or fewer where there are fewer columns. */
static int tile_size(const fv_target *t, const fv_definition *d, const fv_contraction *c, int *mr, int *nr) {
    int lanes = t->vector_bits / fv_elem_bits((fv_elem)c->sum->type.elem);
    int in_flight = fv_processor_at(t->processor)->sums_in_flight;
    lanes = lanes < 2 ? 1 : lanes;
    fv_processor_tile(t->vector_registers, lanes, mr, nr);
    *nr *= lanes;
    int64_t rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    int64_t columns = d->index[c->column]->dim->hi;
    if (c->row >= 0 && fv_dim_is_const(d->index[c->row]->dim) && rows > *mr && rows <= FEW_TILES * *mr)
        *mr = best_rows((int)rows, *mr, *nr / lanes, in_flight);
    if (!rows || !columns) { /* no tile: others make loops that never run */
        *mr = *nr = 0;
        return lanes;
    }
    if (rows < *mr) {
        *mr = rows > 0 ? (int)rows : 1;
        if (fv_x_is_constant(c->b) && *mr * (*nr / lanes) < in_flight)
            *nr = in_flight / *mr * lanes;
    }
    while (lanes > columns)
        lanes /= 2;
    if (columns < *nr)
        *nr = ((int)columns + lanes - 1) / lanes * lanes;
    return lanes;
}

void fv_contract_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c, fv_parameter rows, fv_parameter columns,
                      int *mr, int *nr) {
    const fv_target *t = u->l->target;
    int64_t step = tile_size(t, d, c, mr, nr), n = d->index[c->column]->dim->hi;
    int64_t most_rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    int lanes = t->vector_bits / fv_elem_bits((fv_elem)c->sum->type.elem);
    if (*nr < 2)
        return;
    u->limits.lanes = lanes < 2 ? 1 : lanes;
    u->limits.registers = t->vector_registers;
    int64_t most = n > MOST_COLUMNS ? MOST_COLUMNS : (n + step - 1) / step * step;
    *mr = (int)fv_choose(u, rows, *mr, 1, most_rows > MOST_ROWS ? MOST_ROWS : most_rows, 1);
    *nr = (int)fv_choose(u, columns, *nr, step < 2 ? 2 : step, most > *nr ? most : *nr, step);
}

/* Would x run along the columns if one of its axes were the last? */
static bool could_run_along(const fv_expr *x, const fv_var *j) {
    int n = 0;
    bool adds = false;
    x = fv_x_stored(x);
    for (int i = 0; i < x->u.buf->rank; i++)
        if (fv_x_uses(x->arg[i], j)) {
            adds = fv_x_adds(x->arg[i], j);
            n++;
        }
    return n == 1 && adds;
}

enum { FEW_ROWS = 4 }; /* fewer are not worth a copy of the other factor */

bool fv_contract_choose(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    const fv_var *j = d->index[c->column];
    const fv_var *rows = c->row < 0 ? NULL : d->index[c->row];
    bool constant = fv_x_is_constant(c->b), loaded = is_loaded(c->b);
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->b, d)));
    bool few = !constant && (!rows || (fv_dim_is_const(rows->dim) && rows->dim->value < FEW_ROWS));
    if (few && loaded && !could_run_along(c->b, j))
        return fv_declines(l, d->value, FV_WHY_operand_few_rows, name, fv_n(FEW_ROWS));
    c->dense = !constant && fv_choose_dense(l, d, c->sum, c->b, j, &c->copy);
    bool contiguous = c->dense ? fv_dense_runs_along(&c->copy, j) : loaded && runs_along(c->b, j);
    if (few && !contiguous && (loaded || c->dense))
        return fv_declines(l, d->value, FV_WHY_operand_few_rows, name, fv_n(FEW_ROWS));
    c->packed = constant || !contiguous;
    if (c->packed && !fv_panels_fit(d, c->sum)) {
        fv_declines(l, d->value, FV_WHY_operand_axes, name, fv_n(FV_MAX_RANK));
        c->packed = false;
    }
    return c->packed || contiguous;
}

bool fv_contract_fits(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    int64_t rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    return rows && d->index[c->column]->dim->hi >= 2 && fv_contract_choose(l, d, c);
}

bool fv_is_contracted(fv_lowerer *l, const fv_definition *d) {
    fv_contraction c;
    return recognise(l, d, &c) && fv_contract_fits(l, d, &c);
}

void fv_contract_place(fv_lowerer *l, fv_op *op, const fv_definition *d, fv_contraction *c, int nr) {
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(c->b, d)));
    if (c->dense)
        c->b = fv_place_dense(l, op, d, &c->copy);
    if (c->packed) {
        fv_make_panels(l, op, d, c->sum, c->b, c->column, nr, &c->panels);
        c->b = c->panels.x;
    }
    fv_takes(l, d->value, !c->packed ? FV_WHY_operand_direct : c->panels.made_in_run ? FV_WHY_operand_packs : FV_WHY_operand_constant,
             name);
}

/* ---- the kernel ---- */

/* Rows in blocks of at most `most`, a multiple of mr, all as large as can be done with tiles. */
static void open_rows(fv_tile *t, int64_t most, fv_expr **first, fv_expr **rows) {
    fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->row]->dim;
    if (fv_dim_is_const(d))
        t->rest = d->value % t->mr;
    fv_expr *n = fv_kemit_dim(e, d), *mr = integer(e, t->mr);
    fv_expr *blocks = fv_ceildiv(e, n, integer(e, most));
    fv_expr *step = fv_ceildiv(e, n, binary(e, FV_X_MAX, blocks, integer(e, 1)));
    step = binary(e, FV_X_MAX, binary(e, FV_X_MUL, fv_ceildiv(e, step, mr), mr), mr);
    fv_open_blocks(e, FV_PARALLEL, "block", n, blocks, step, d->hi <= most, first, rows);
}

/* Rows of a task: as much of a as stays in the second-level cache beside the panel that goes by and the next one. */
static int block_rows(const fv_target *t, const fv_contraction *c, int mr, int nr) {
    const fv_processor *p = fv_processor_at(t->processor);
    int64_t bytes = fv_elem_storage_bytes((fv_elem)c->sum->type.elem), room = t->l2_bytes / 8 * p->block_l2_eighths, depth = 1;
    for (int i = 0; i < c->sum->u.red.nvars && depth >= 0 && depth < room; i++)
        depth *= fv_typical_dim(c->sum->u.red.vars[i]->dim);
    depth = depth > 0 ? depth : 1;
    int64_t rows = room / (bytes * depth) - 2 * nr;
    rows = rows > p->block_tiles * mr ? p->block_tiles * mr : rows;
    return (int)(rows < 2 * mr ? 2 * mr : rows / mr * mr);
}

/* What is chosen besides the tile, once panels are there: whether they can be asked for in time. Returns the rows of a
 * block. */
static int64_t choose_rest(fv_choosing *u, fv_tile *t, const fv_definition *d) {
    const fv_contraction *c = t->c;
    int64_t block = t->mr;
    fv_tile_defaults(u->l, t);
    int64_t rows = c->row < 0 ? 1 : d->index[c->row]->dim->hi;
    if (rows > t->mr)
        block = block_rows(u->l->target, c, t->mr, t->nr);
    if (rows > 1)
        block = fv_choose(u, FV_PARAMETER_block, block, t->mr, MOST_BLOCK, 1);
    if (fv_can_prefetch(c)) {
        t->near = fv_choose(u, FV_PARAMETER_prefetch, t->near, 0, 1 << 20, 1);
        t->far = fv_choose(u, FV_PARAMETER_prefetch_single, t->far, 0, 1 << 24, 1);
    }
    t->outlined = fv_choose(u, FV_PARAMETER_outline, t->outlined, 0, 1, 1);
    return block;
}

static void say_what_it_is(fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    fv_fact columns = fv_d(d->index[c->column]->dim);
    if (c->each)
        fv_takes(l, d->value, FV_WHY_contracts_each, columns);
    else if (c->row < 0)
        fv_takes(l, d->value, FV_WHY_contracts_row, columns);
    else
        fv_takes(l, d->value, FV_WHY_contracts, fv_d(d->index[c->row]->dim), columns);
}

typedef struct plan {
    const fv_definition *d;
    fv_contraction c;
    fv_tile t;
    fv_choosing chosen;
    int64_t block; /* rows of a task */
} plan;

static void *choose(fv_lowerer *l, const fv_storage *s) {
    const fv_definition *d = s->def;
    fv_contraction found;
    if (!recognise(l, d, &found))
        return NULL;
    plan *p = FV_NEW(l->arena, plan, 1);
    fv_contraction *c = &p->c;
    fv_tile *t = &p->t;
    p->d = d;
    *c = found;
    *t = (fv_tile){.c = c, .rest = -1};
    p->chosen = fv_choose_for(l, d, FV_SCHEDULE_contract);
    fv_contract_tile(&p->chosen, d, c, FV_PARAMETER_rows, FV_PARAMETER_columns, &t->mr, &t->nr);
    bool is_kind = t->nr >= 2 || fv_declines(l, d->value, FV_WHY_contract_no_tile, fv_d(d->index[c->column]->dim));
    /* why its sum is no single chain is said where b is chosen, too */
    is_kind = is_kind && fv_contract_choose(l, d, c) &&
              (c->sum->u.red.order != FV_ORDER_CHAINS || fv_declines(l, d->value, FV_WHY_contract_order));
    if (!is_kind)
        return NULL;
    c->dense_a = fv_choose_dense(l, d, c->sum, c->a, NULL, &c->copy_a);
    say_what_it_is(l, d, c);
    return p;
}

static void place(fv_lowerer *l, fv_op *op, void *as) {
    plan *p = as;
    fv_contract_place(l, op, p->d, &p->c, p->t.nr);
    if (p->c.dense_a)
        p->c.a = fv_place_dense(l, op, p->d, &p->c.copy_a);
    p->block = choose_rest(&p->chosen, &p->t, p->d);
}

static void emit(fv_lowerer *l, const fv_storage *s, fv_op *op, void *as) {
    plan *p = as;
    const fv_definition *d = s->def;
    const fv_contraction *c = &p->c;
    fv_tile *t = &p->t;
    fv_kemit e;
    fv_kemit_init(&e, l, d, fv_op_stem(op));
    t->e = &e;
    fv_expr *index[FV_MAX_RANK], *rows = integer(&e, 1), *first = integer(&e, 0);
    for (int i = 0; i < d->rank; i++) {
        if (i == c->row || i == c->column)
            continue;
        index[i] = open_loop(&e, FV_PARALLEL, d->index[i]->name,
                             fv_kemit_dim(&e, d->index[i]->dim));
        fv_kemit_bind(&e, d->index[i], index[i]);
    }
    bool batch = d->rank > 1 + (c->row >= 0);
    if (batch || (c->row >= 0 && d->index[c->row]->dim->hi > p->block) || d->index[c->column]->dim->hi > t->nr)
        fv_takes(l, d->value, FV_WHY_tasks_tiles, fv_n(p->block), fv_n(t->nr));
    else
        fv_declines(l, d->value, FV_WHY_tasks_tile, fv_n(p->block), fv_n(t->nr));
    if (c->row >= 0)
        open_rows(t, p->block, &first, &rows);
    fv_open_panels(t, FV_PARALLEL);
    fv_expr *here = fv_open_tiles(t, first, rows);
    fv_tile_sums(t);
    fv_tile_multiply(t, here);
    fv_tile_store(t, s->value, index, here);
    while (e.b.depth)
        fv_kb_end(&e.b);
    fv_schedule how = p->chosen.how;
    if (c->packed)
        fv_schedule_set(&how, FV_PARAMETER_operand, c->panels.made_in_run ? FV_OPERAND_PACKS : FV_OPERAND_PACKED);
    fv_kemit_finish(&e, op, &how);
    fv_chosen(&p->chosen, FV_SCHEDULE_contract);
}

const fv_scheduler fv_schedule_contract = {.choose = choose, .place = place, .emit = emit};
