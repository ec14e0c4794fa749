/* recurrent_kernel.c - the steps of RNN, GRU and LSTM.
 *
 *     parallel direction, block of batch rows:
 *       state[h] = initial_h
 *       for each step:
 *         for panels of units:
 *           acc[row, gate, c] = 0                                      registers
 *           for k ascending: acc = fma(state[row, k], weights[panel, gate, k, c], acc)
 *           for rows, for units of the panel: gates = act(x + acc), new state, y
 *
 * Each product is one ascending chain, whatever the tiles are. The recurrent weights lie in panels, so that
 * a step reads them from end to end: made when the kernel is built where they are constant, else by a
 * kernel of its own. The state is kept in the type that arithmetic is done in, the old and the new hidden
 * one side by side. Rows of a block that have fewer steps than others keep their state. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/ops/recurrent.h"

/* Places in the state of a row. */
enum { OLD_OR_NEW_H = 0, CELL = 2, RESET_H = 2, UPDATE = 3 };
enum { MAX_ROWS = 8, LATENCY = 8 }; /* chains that are under way at once, at least */

/* Gates whose products are made in one go, from one vector of the state. */
typedef struct part {
    int first, n;     /* gates */
    int vectors, width; /* of a panel; that many units */
    fv_value *panels; /* [direction, panel, gate, k, unit of the panel] */
    fv_buf *weights;
} part;

typedef struct cell {
    fv_custom *c;
    fv_arena *a;
    fv_recurrent r;
    fv_elem e;        /* arithmetic */
    int lanes, budget;  /* of a vector; accumulators that registers hold */
    int nparts, rows;   /* rows of a block, at most */
    part parts[2];
    const fv_dim *seq_dim, *batch_dim, *hidden_dim;
    fv_expr *seq, *hidden;
    fv_buf *x, *lens, *h0, *c0, *peep, *bias, *y, *y_h, *y_c, *state;
    fv_expr *d, *b0;  /* direction, first row */
    fv_expr *here;    /* rows of the block */
    fv_buf *length;   /* of each of them; NULL: all have seq */
    fv_expr *step, *old, *new; /* the step, and which of the two hidden states is which */
} cell;

static fv_expr *integer(const cell *z, int64_t n) {
    return fv_x_int(z->a, n);
}

static fv_expr *bin(const cell *z, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(z->a, op, x, y);
}

static fv_expr *number(const cell *z, double v) {
    return fv_x_const(z->a, z->e, v);
}

static fv_expr *let(const cell *z, const char *name, fv_expr *x) {
    return fv_kb_let(&z->c->b, name, x);
}

static fv_expr *loop(const cell *z, fv_loop_kind kind, const char *name, fv_expr *n) {
    return fv_kb_for(&z->c->b, kind, name, integer(z, 0), n, 1);
}

static void end(const cell *z) {
    fv_kb_end(&z->c->b);
}

static fv_loop_kind vector(const cell *z) {
    return z->lanes > 1 ? FV_VECTOR : FV_UNROLL;
}

/* ---- panels of the recurrent weights ---- */

static bool is_const_3(const fv_type *t) {
    return fv_dim_is_const(t->dims[0]) && fv_dim_is_const(t->dims[1]) && fv_dim_is_const(t->dims[2]);
}

static void copy_element(uint8_t *to, const uint8_t *from, int size) {
    switch (size) {
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8); break;
    }
}

static fv_tensor *constant_panels(const cell *z, const part *p, const fv_tensor *r) {
    int64_t units = r->dims[2], panels = (units + p->width - 1) / p->width;
    int64_t dims[5] = {r->dims[0], panels, p->n, units, p->width};
    fv_tensor *t = FV_NEW(z->a, fv_tensor, 1);
    int64_t *own = FV_NEW(z->a, int64_t, 5);
    memcpy(own, dims, sizeof dims);
    *t = (fv_tensor){.elem = r->elem, .rank = 5, .dims = own};
    if (!fv_tensor_size(r->elem, 5, own, &t->count, &t->bytes))
        return NULL;
    uint8_t *to = fv_alloc_aligned(z->a, t->bytes + 1, 64);
    const uint8_t *from = r->data;
    const int size = fv_elem_storage_bytes(r->elem);
    const int64_t row = p->width;
    memset(to, 0, t->bytes);
    t->data = to;
    for (int64_t d = 0; d < dims[0]; d++)
        for (int g = 0; g < p->n; g++)
            for (int64_t j = 0; j < units; j++) {
                const uint8_t *line = from + ((d * z->r.gates + p->first + g) * units + j) * units * size;
                int64_t at = ((d * panels + j / p->width) * p->n + g) * units * row + j % p->width;
                for (int64_t k = 0; k < units; k++)
                    copy_element(to + (at + k * row) * size, line + k * size, size);
            }
    return t;
}

static void pack(cell *z, part *p) {
    fv_custom *c = z->c;
    fv_custom_begin(c, "panels");
    fv_buf *r = fv_custom_in(c, FV_STEPS_R);
    fv_buf *to = fv_custom_param(c, p->panels, FV_BUF_OUT);
    fv_expr *units = fv_custom_dim(c, z->hidden_dim), *at[5], *from[3];
    at[0] = loop(z, FV_PARALLEL, "d", integer(z, z->r.directions));
    at[1] = fv_custom_for(c, FV_PARALLEL, "panel", p->panels->type->dims[1]);
    at[2] = loop(z, FV_SERIAL, "gate", integer(z, p->n));
    at[4] = loop(z, FV_SERIAL, "c", integer(z, p->width));
    at[3] = loop(z, FV_SERIAL, "k", units);
    fv_expr *j = bin(z, FV_X_ADD, bin(z, FV_X_MUL, at[1], integer(z, p->width)), at[4]);
    fv_expr *gate = bin(z, FV_X_ADD, at[2], integer(z, p->first));
    from[0] = at[0];
    from[1] = bin(z, FV_X_ADD, bin(z, FV_X_MUL, gate, units), j);
    from[2] = at[3];
    fv_expr *v = fv_x_guard(z->a, r, from, bin(z, FV_X_LT, j, units), fv_x_zero(z->a, r->elem));
    fv_kb_store(&c->b, to, at, v, NULL);
    for (int i = 0; i < 5; i++)
        end(z);
    fv_custom_end(c);
}

static bool make_panels(cell *z, part *p) {
    fv_dims *t = z->c->module->dims;
    const fv_value *r = z->c->op->in[FV_STEPS_R];
    if (r->kind == FV_VALUE_CONST && is_const_3(r->type)) {
        fv_value **kept = fv_custom_kept(z->c, fv_printf(z->a, "recurrent %p %d %d %d", (const void *)r->tensor,
                                                         p->first, p->n, p->width));
        fv_tensor *made = *kept ? NULL : constant_panels(z, p, r->tensor);
        if (!*kept && !made)
            return fv_op_error(z->c->op, "input 'R' is too large");
        if (made)
            *kept = fv_custom_const(z->c, "panels", made);
        p->panels = *kept;
        return true;
    }
    const fv_dim *width = fv_dim_const(t, p->width);
    const fv_dim *dims[5] = {fv_dim_const(t, z->r.directions), fv_dim_ceildiv(t, z->hidden_dim, width),
                             fv_dim_const(t, p->n), z->hidden_dim, width};
    p->panels = fv_custom_value(z->c, "panels", r->type->elem, 5, dims);
    pack(z, p);
    return true;
}

/* ---- sizes of tiles ---- */

/* Vectors of a panel: enough chains to hide the latency of fma, without too much beyond the last unit. */
static int panel_vectors(const cell *z, int gates) {
    static const int most[FV_MAX_GATES + 1] = {0, 8, 4, 4, 2};
    int64_t units = fv_dim_is_const(z->hidden_dim) ? z->hidden_dim->value : 1 << 20, best_cost = INT64_MAX;
    int best = 1;
    for (int n = most[gates]; n > 0; n--) {
        int64_t panels = (units + n * z->lanes - 1) / (n * z->lanes);
        int64_t cost = panels * (n * gates > LATENCY ? n * gates : LATENCY);
        if (cost < best_cost) {
            best_cost = cost;
            best = n;
        }
    }
    return best;
}

static void choose_tiles(cell *z) {
    const fv_target *t = z->c->target;
    int registers = t->vector_registers ? t->vector_registers : 16;
    z->budget = registers * 3 / 4;
    z->lanes = t->vector_bits / fv_elem_bits(z->e);
    z->lanes = z->lanes < 2 ? 1 : z->lanes;
    z->rows = registers >= 32 ? MAX_ROWS : 6;
    if (z->batch_dim->hi < z->rows)
        z->rows = z->batch_dim->hi < 1 ? 1 : (int)z->batch_dim->hi;
    for (int i = 0; i < z->nparts; i++) {
        z->parts[i].vectors = panel_vectors(z, z->parts[i].n);
        z->parts[i].width = z->parts[i].vectors * z->lanes;
    }
}

/* ---- activations ---- */

static fv_expr *act_of(const cell *z, const fv_act *f, fv_expr *x) {
    fv_expr *zero = number(z, 0), *one = number(z, 1), *alpha = number(z, f->alpha), *beta = number(z, f->beta);
    switch (f->kind) {
    case FV_ACT_RELU: return bin(z, FV_X_MAX, x, zero);
    case FV_ACT_TANH: return fv_x_un(z->a, FV_X_TANH, x);
    case FV_ACT_SIGMOID: return fv_x_un(z->a, FV_X_SIGMOID, x);
    case FV_ACT_AFFINE: return bin(z, FV_X_ADD, bin(z, FV_X_MUL, alpha, x), beta);
    case FV_ACT_LEAKY_RELU:
        return fv_x_select(z->a, bin(z, FV_X_LT, x, zero), bin(z, FV_X_MUL, alpha, x), x);
    case FV_ACT_THRESHOLDED_RELU: return fv_x_select(z->a, bin(z, FV_X_LE, alpha, x), x, zero);
    case FV_ACT_SCALED_TANH:
        return bin(z, FV_X_MUL, alpha, fv_x_un(z->a, FV_X_TANH, bin(z, FV_X_MUL, beta, x)));
    case FV_ACT_HARD_SIGMOID:
        x = bin(z, FV_X_ADD, bin(z, FV_X_MUL, alpha, x), beta);
        return bin(z, FV_X_MAX, bin(z, FV_X_MIN, x, one), zero);
    case FV_ACT_ELU:
        return fv_x_select(z->a, bin(z, FV_X_LT, x, zero),
                           bin(z, FV_X_MUL, alpha, fv_x_un(z->a, FV_X_EXPM1, x)), x);
    case FV_ACT_SOFTSIGN: return bin(z, FV_X_DIV, x, bin(z, FV_X_ADD, one, fv_x_un(z->a, FV_X_ABS, x)));
    case FV_ACT_SOFTPLUS: {
        fv_expr *e = fv_x_un(z->a, FV_X_EXP, fv_x_un(z->a, FV_X_NEG, fv_x_un(z->a, FV_X_ABS, x)));
        return bin(z, FV_X_ADD, fv_x_un(z->a, FV_X_LOG1P, e), bin(z, FV_X_MAX, x, zero));
    }
    }
    return x;
}

/* Function i of the direction; both are computed where they differ. */
static fv_expr *apply(const cell *z, int i, fv_expr *x) {
    const fv_act *f = &z->r.act[0][i], *g = &z->r.act[1][i];
    x = let(z, "u", x);
    fv_expr *y = act_of(z, f, x);
    bool same = z->r.directions == 1 || (f->kind == g->kind && f->alpha == g->alpha && f->beta == g->beta);
    if (!same)
        y = fv_x_select(z->a, bin(z, FV_X_EQ, z->d, integer(z, 0)), y, act_of(z, g, x));
    return let(z, "v", y);
}

/* Of the sum of a gate, clipped. ONNX Runtime clips gates alone, not the cell; so do we. */
static fv_expr *activate(const cell *z, int i, fv_expr *x) {
    if (z->r.clip > 0)
        x = bin(z, FV_X_MAX, bin(z, FV_X_MIN, x, number(z, z->r.clip)), number(z, -z->r.clip));
    return apply(z, i, x);
}

/* ---- what a row reads and writes ---- */

/* Of the block's row r, as far as the step goes. */
typedef struct row {
    fv_expr *b, *t;     /* batch row, position in the sequence */
    fv_expr *active;    /* has it this step? NULL: yes */
    fv_buf *sums;
    fv_expr *sum_row;   /* of its first gate */
    fv_expr *j, *c;     /* unit, and its place in the panel */
    const part *p;
} row;

static fv_expr *state_at(const cell *z, fv_expr *b, fv_expr *slot, fv_expr *j) {
    return fv_x_load(z->a, z->state, (fv_expr *[]){z->d, b, slot, j});
}

static void set_state(const cell *z, fv_expr *b, fv_expr *slot, fv_expr *j, fv_expr *x) {
    fv_kb_store(&z->c->b, z->state, (fv_expr *[]){z->d, b, slot, j}, x, NULL);
}

static fv_expr *input(const cell *z, const row *w, int gate) {
    fv_expr *group = bin(z, FV_X_ADD, bin(z, FV_X_MUL, z->d, integer(z, z->r.gates)), integer(z, gate));
    fv_expr *at[3] = {w->t, w->b, bin(z, FV_X_ADD, bin(z, FV_X_MUL, group, z->hidden), w->j)};
    if (z->r.batch_first) {
        at[0] = w->b;
        at[1] = w->t;
    }
    return fv_custom_load(z->c, z->x, at);
}

static fv_expr *product(const cell *z, const row *w, int gate) {
    fv_expr *at[2] = {bin(z, FV_X_ADD, w->sum_row, integer(z, gate - w->p->first)), w->c};
    return fv_x_load(z->a, w->sums, at);
}

static fv_expr *gate_sum(const cell *z, const row *w, int gate) {
    return bin(z, FV_X_ADD, input(z, w, gate), product(z, w, gate));
}

/* Peephole k of i, o, f. */
static fv_expr *peephole(const cell *z, const row *w, int k, fv_expr *sum, fv_expr *cell_state) {
    if (!z->peep)
        return sum;
    fv_expr *j = bin(z, FV_X_ADD, bin(z, FV_X_MUL, z->hidden, integer(z, k)), w->j);
    return fv_x_fma(z->a, fv_custom_load(z->c, z->peep, (fv_expr *[]){z->d, j}), cell_state, sum);
}

static void store_y(const cell *z, fv_expr *t, fv_expr *b, fv_expr *j, fv_expr *x) {
    fv_expr *at[4] = {t, z->d, b, j};
    if (z->r.batch_first) {
        at[0] = b;
        at[1] = t;
        at[2] = z->d;
    }
    if (z->y)
        fv_custom_store(z->c, z->y, at, x, NULL);
}

static void store_h(const cell *z, const row *w, fv_expr *h) {
    h = let(z, "h", h);
    if (!w->active) {
        set_state(z, w->b, z->new, w->j, h);
        store_y(z, w->t, w->b, w->j, h);
        return;
    }
    fv_expr *before = state_at(z, w->b, z->old, w->j);
    set_state(z, w->b, z->new, w->j, fv_x_select(z->a, w->active, h, before));
    store_y(z, w->t, w->b, w->j, fv_x_select(z->a, w->active, h, number(z, 0)));
}

/* ---- cells: one unit of one row ---- */

static void rnn_cell(const cell *z, const row *w) {
    store_h(z, w, activate(z, 0, gate_sum(z, w, 0)));
}

static void lstm_cell(const cell *z, const row *w) {
    enum { I, O, F, C };
    fv_expr *slot = integer(z, CELL), *one = number(z, 1);
    fv_expr *before = let(z, "before", state_at(z, w->b, slot, w->j));
    fv_expr *i = activate(z, 0, peephole(z, w, 0, gate_sum(z, w, I), before));
    fv_expr *f = z->r.input_forget ? bin(z, FV_X_SUB, one, i)
                                   : activate(z, 0, peephole(z, w, 2, gate_sum(z, w, F), before));
    fv_expr *g = activate(z, 1, gate_sum(z, w, C));
    fv_expr *now = let(z, "now", fv_x_fma(z->a, f, before, bin(z, FV_X_MUL, i, g)));
    fv_expr *o = activate(z, 0, peephole(z, w, 1, gate_sum(z, w, O), now));
    fv_expr *h = bin(z, FV_X_MUL, o, apply(z, 2, now));
    set_state(z, w->b, slot, w->j, w->active ? fv_x_select(z->a, w->active, now, before) : now);
    store_h(z, w, h);
}

/* z * h + (1 - z) * candidate */
static void gru_update(const cell *z, const row *w, fv_expr *update, fv_expr *before, fv_expr *candidate) {
    fv_expr *rest = bin(z, FV_X_MUL, bin(z, FV_X_SUB, number(z, 1), update), candidate);
    store_h(z, w, fv_x_fma(z->a, update, before, rest));
}

enum { Z, R, H };

static void gru_linear_cell(const cell *z, const row *w) {
    fv_expr *before = let(z, "before", state_at(z, w->b, z->old, w->j));
    fv_expr *update = activate(z, 0, gate_sum(z, w, Z)), *reset = activate(z, 0, gate_sum(z, w, R));
    fv_expr *sum = product(z, w, H);
    if (z->bias)
        sum = bin(z, FV_X_ADD, sum, fv_custom_load(z->c, z->bias, (fv_expr *[]){z->d, w->j}));
    sum = fv_x_fma(z->a, reset, sum, input(z, w, H));
    gru_update(z, w, update, before, activate(z, 1, sum));
}

static void gru_gates(const cell *z, const row *w) {
    fv_expr *before = let(z, "before", state_at(z, w->b, z->old, w->j));
    fv_expr *update = activate(z, 0, gate_sum(z, w, Z)), *reset = activate(z, 0, gate_sum(z, w, R));
    set_state(z, w->b, integer(z, UPDATE), w->j, update);
    set_state(z, w->b, integer(z, RESET_H), w->j, bin(z, FV_X_MUL, reset, before));
}

static void gru_cell(const cell *z, const row *w) {
    fv_expr *before = let(z, "before", state_at(z, w->b, z->old, w->j));
    fv_expr *update = let(z, "update", state_at(z, w->b, integer(z, UPDATE), w->j));
    gru_update(z, w, update, before, activate(z, 1, gate_sum(z, w, H)));
}

static void one_unit(const cell *z, const row *w) {
    if (z->r.kind == FV_CELL_RNN)
        rnn_cell(z, w);
    else if (z->r.kind == FV_CELL_LSTM)
        lstm_cell(z, w);
    else if (z->nparts == 1)
        gru_linear_cell(z, w);
    else if (w->p == &z->parts[0])
        gru_gates(z, w);
    else
        gru_cell(z, w);
}

/* ---- a step ---- */

/* One register tile. */
typedef struct tile {
    const part *p;
    fv_expr *panel, *slot; /* slot: which of the states is the factor */
    fv_buf *sums;          /* [row * n + gate, unit of the panel] */
    fv_expr *row0;
    int rows;
    int gate0, gates;
    int at, size;          /* units */
} tile;

static void multiply_tile(const cell *z, const tile *t) {
    fv_kbuilder *b = &z->c->b;
    fv_expr *a[MAX_ROWS], *first = bin(z, FV_X_ADD, z->b0, t->row0);
    fv_buf *acc = fv_kb_tile(b, "acc", z->e, 2, (int64_t[]){t->rows * t->gates, t->size}, number(z, 0));
    fv_expr *k = loop(z, FV_SERIAL, "k", z->hidden);
    for (int r = 0; r < t->rows; r++)
        a[r] = let(z, "a", state_at(z, bin(z, FV_X_ADD, first, integer(z, r)), t->slot, k));
    for (int g = 0; g < t->gates; g++) {
        fv_expr *c = loop(z, vector(z), "c", integer(z, t->size)), *unit = bin(z, FV_X_ADD, c, integer(z, t->at));
        fv_expr *from[5] = {z->d, t->panel, integer(z, t->gate0 + g), k, unit};
        fv_expr *w = let(z, "w", fv_custom_load(z->c, t->p->weights, from));
        for (int r = 0; r < t->rows; r++) {
            fv_expr *to[2] = {integer(z, r * t->gates + g), c};
            fv_kb_store(b, acc, to, fv_x_fma(z->a, a[r], w, fv_x_load(z->a, acc, to)), NULL);
        }
        end(z);
    }
    end(z);
    for (int i = 0; i < t->rows * t->gates; i++) {
        fv_expr *c = loop(z, vector(z), "c", integer(z, t->size));
        fv_expr *r = bin(z, FV_X_ADD, t->row0, integer(z, i / t->gates));
        fv_expr *gate = integer(z, t->gate0 + i % t->gates);
        fv_expr *from[2] = {integer(z, i), c};
        fv_expr *to[2] = {bin(z, FV_X_ADD, bin(z, FV_X_MUL, r, integer(z, t->p->n)), gate),
                          bin(z, FV_X_ADD, c, integer(z, t->at))};
        fv_kb_store(b, t->sums, to, fv_x_load(z->a, acc, from), NULL);
        end(z);
    }
}

/* All gates and units of the panel for these rows. Few rows do all gates at once, so that there are chains
 * enough; many rows one gate at a time, each weight serving all rows. */
static void multiply(const cell *z, tile t, fv_expr *row0, int rows) {
    const int n = t.p->vectors;
    t.row0 = row0;
    t.rows = rows;
    t.gates = rows * n >= LATENCY ? 1 : t.p->n;
    int piece = n;
    while (piece > 1 && (n % piece || rows * t.gates * piece > z->budget))
        piece--;
    t.size = piece * z->lanes;
    for (t.gate0 = 0; t.gate0 < t.p->n; t.gate0 += t.gates)
        for (t.at = 0; t.at < t.p->width; t.at += t.size)
            multiply_tile(z, &t);
}

/* All rows of the block: a whole tile, or powers of two, the largest first. */
static void multiply_rows(const cell *z, tile t) {
    fv_kbuilder *b = &z->c->b;
    int64_t known;
    if (z->rows == 1 || (fv_x_is_int(z->here, &known) && known == z->rows)) {
        multiply(z, t, integer(z, 0), z->rows);
        return;
    }
    fv_kb_if(b, bin(z, FV_X_EQ, z->here, integer(z, z->rows)));
    multiply(z, t, integer(z, 0), z->rows);
    fv_kb_else(b);
    int n = 1;
    while (2 * n < z->rows)
        n *= 2;
    fv_expr *first = integer(z, 0);
    for (int64_t above = ~(int64_t)(2 * n - 1); n; above |= n, n /= 2) {
        fv_kb_if(b, bin(z, FV_X_NE, bin(z, FV_X_AND, z->here, integer(z, n)), integer(z, 0)));
        /* the bounds are for the proof that blocks are apart */
        fv_expr *row0 = bin(z, FV_X_MIN, bin(z, FV_X_MAX, first, integer(z, 0)), integer(z, z->rows - n));
        multiply(z, t, let(z, "row0", row0), n);
        fv_kb_end(b);
        first = let(z, "first", bin(z, FV_X_AND, z->here, integer(z, above | n)));
    }
    fv_kb_end(b);
}

/* Where the row is at this step. What has no steps left writes zeros behind its end. */
static void place_row(const cell *z, row *w, fv_expr *r) {
    bool varies = z->r.directions == 2;
    w->t = z->step;
    w->active = NULL;
    fv_expr *n = z->length ? let(z, "n", fv_x_load(z->a, z->length, &r)) : z->seq;
    fv_expr *back = bin(z, FV_X_SUB, bin(z, FV_X_SUB, n, integer(z, 1)), z->step);
    if (varies)
        back = fv_x_select(z->a, bin(z, FV_X_EQ, z->d, integer(z, 0)), z->step, back);
    if (varies || z->r.reverse)
        w->t = back;
    if (z->length && z->rows > 1) {
        w->active = let(z, "active", bin(z, FV_X_LT, z->step, n));
        w->t = fv_x_select(z->a, w->active, w->t, z->step);
    }
    w->t = let(z, "t", w->t);
}

static void do_part(const cell *z, const part *p, fv_expr *slot) {
    fv_kbuilder *b = &z->c->b;
    int64_t units;
    bool known = fv_x_is_int(z->hidden, &units);
    fv_expr *width = integer(z, p->width), *panel = integer(z, 0), *j0 = panel, *columns = z->hidden;
    bool several = !known || units > p->width;
    if (several) {
        panel = loop(z, FV_SERIAL, "panel", fv_custom_dim(z->c, p->panels->type->dims[1]));
        j0 = let(z, "j0", bin(z, FV_X_MUL, panel, width));
        columns = known && units % p->width == 0
                      ? width
                      : let(z, "columns", bin(z, FV_X_MIN, width, bin(z, FV_X_SUB, z->hidden, j0)));
    }
    fv_buf *sums = fv_kb_tile(b, "sums", z->e, 2, (int64_t[]){z->rows * p->n, p->width}, NULL);
    multiply_rows(z, (tile){.p = p, .panel = panel, .slot = slot, .sums = sums});
    row w = {.sums = sums, .p = p};
    fv_expr *r = loop(z, FV_SERIAL, "r", z->here);
    w.b = let(z, "b", bin(z, FV_X_ADD, z->b0, r));
    w.sum_row = let(z, "first", bin(z, FV_X_MUL, r, integer(z, p->n)));
    place_row(z, &w, r);
    w.c = loop(z, FV_VECTOR, "c", columns);
    w.j = bin(z, FV_X_ADD, j0, w.c);
    one_unit(z, &w);
    end(z);
    end(z);
    if (several)
        end(z);
}

/* ---- a block of rows ---- */

/* Reads the lengths; returns the largest. */
static fv_expr *read_lengths(cell *z) {
    fv_kbuilder *b = &z->c->b;
    z->length = NULL;
    if (!z->lens)
        return z->seq;
    z->length = fv_kb_tile(b, "length", FV_I64, 1, (int64_t[]){z->rows}, NULL);
    fv_buf *most = fv_kb_tile(b, "most", FV_I64, 0, NULL, integer(z, 0));
    fv_expr *r = loop(z, FV_SERIAL, "r", z->here), *at = bin(z, FV_X_ADD, z->b0, r);
    fv_expr *n = let(z, "n", fv_x_convert(z->a, FV_I64, fv_x_load(z->a, z->lens, &at)));
    fv_expr *ok = bin(z, FV_X_AND, bin(z, FV_X_LE, integer(z, 0), n), bin(z, FV_X_LE, n, z->seq));
    n = let(z, "n", fv_x_select(z->a, fv_x_un(z->a, FV_X_REQUIRE, ok), n, integer(z, 0)));
    fv_kb_store(b, z->length, &r, n, NULL);
    fv_kb_store(b, most, NULL, bin(z, FV_X_MAX, fv_x_load(z->a, most, NULL), n), NULL);
    end(z);
    return let(z, "steps", fv_x_load(z->a, most, NULL));
}

/* A loop over rows and units; `at` becomes the index of a state that comes in or goes out, `empty` tells
 * rows without a step (NULL: there are none). */
static fv_expr *open_units(const cell *z, fv_expr **b, fv_expr **at, fv_expr **empty) {
    fv_expr *r = loop(z, FV_SERIAL, "r", z->here);
    *empty = NULL;
    if (z->length)
        *empty = let(z, "empty", bin(z, FV_X_EQ, fv_x_load(z->a, z->length, &r), integer(z, 0)));
    *b = let(z, "b", bin(z, FV_X_ADD, z->b0, r));
    fv_expr *j = loop(z, FV_VECTOR, "j", z->hidden);
    at[0] = z->r.batch_first ? *b : z->d;
    at[1] = z->r.batch_first ? z->d : *b;
    at[2] = j;
    return j;
}

static void close_units(const cell *z) {
    end(z);
    end(z);
}

static void start_state(const cell *z) {
    fv_expr *b, *empty, *at[3], *j = open_units(z, &b, at, &empty);
    set_state(z, b, integer(z, OLD_OR_NEW_H), j, z->h0 ? fv_custom_load(z->c, z->h0, at) : number(z, 0));
    if (z->r.kind == FV_CELL_LSTM)
        set_state(z, b, integer(z, CELL), j, z->c0 ? fv_custom_load(z->c, z->c0, at) : number(z, 0));
    close_units(z);
}

/* The state at the end: 0 where there was no step, as ONNX Runtime has it. */
static void store_last(const cell *z, fv_buf *to, fv_expr *const *at, fv_expr *empty, fv_expr *x) {
    if (to)
        fv_custom_store(z->c, to, at, empty ? fv_x_select(z->a, empty, number(z, 0), x) : x, NULL);
}

/* Zeros behind the longest row, and the last states. */
static void finish(const cell *z, fv_expr *steps) {
    fv_expr *b, *empty, *at[3], *j;
    if (z->y && z->length) {
        fv_expr *t = fv_kb_for(&z->c->b, FV_SERIAL, "t", steps, z->seq, 1);
        j = open_units(z, &b, at, &empty);
        store_y(z, t, b, j, number(z, 0));
        close_units(z);
        end(z);
    }
    if (!z->y_h && !z->y_c)
        return;
    fv_expr *last = let(z, "last", bin(z, FV_X_AND, steps, integer(z, 1)));
    j = open_units(z, &b, at, &empty);
    store_last(z, z->y_h, at, empty, state_at(z, b, last, j));
    store_last(z, z->y_c, at, empty, state_at(z, b, integer(z, CELL), j));
    close_units(z);
}

static void block_of_rows(cell *z) {
    fv_expr *steps = read_lengths(z);
    start_state(z);
    z->step = loop(z, FV_SERIAL, "step", steps);
    z->old = let(z, "old", bin(z, FV_X_AND, z->step, integer(z, 1)));
    z->new = let(z, "new", bin(z, FV_X_SUB, integer(z, 1), z->old));
    do_part(z, &z->parts[0], z->old);
    if (z->nparts > 1)
        do_part(z, &z->parts[1], integer(z, RESET_H));
    end(z);
    finish(z, steps);
}

static void all_rows(cell *z) {
    fv_expr *n = fv_custom_dim(z->c, z->batch_dim), *rows = integer(z, z->rows);
    fv_expr *blocks = bin(z, FV_X_FLOORDIV, bin(z, FV_X_ADD, n, integer(z, z->rows - 1)), rows);
    fv_expr *block = loop(z, FV_PARALLEL, "block", blocks);
    int64_t known;
    z->b0 = let(z, "b0", bin(z, FV_X_MUL, block, rows));
    z->here = z->rows == 1 || (fv_x_is_int(n, &known) && known % z->rows == 0)
                  ? rows
                  : let(z, "rows", bin(z, FV_X_MIN, rows, bin(z, FV_X_SUB, n, z->b0)));
    block_of_rows(z);
    end(z);
}

/* ---- the kernel ---- */

static fv_buf *operand(const cell *z, int i) {
    return fv_op_in(z->c->op, i) ? fv_custom_in(z->c, i) : NULL;
}

static fv_buf *result(const cell *z, int i) {
    return i < z->c->op->nout && z->c->op->out[i] ? fv_custom_out(z->c, i) : NULL;
}

static void open_buffers(cell *z, fv_value *state) {
    fv_custom *c = z->c;
    bool lstm = z->r.kind == FV_CELL_LSTM;
    z->x = fv_custom_in(c, FV_STEPS_X);
    for (int i = 0; i < z->nparts; i++)
        z->parts[i].weights = fv_custom_param(c, z->parts[i].panels, FV_BUF_IN);
    z->lens = operand(z, FV_STEPS_LENS);
    z->h0 = operand(z, FV_STEPS_H);
    z->c0 = lstm ? operand(z, FV_STEPS_C) : NULL;
    z->peep = lstm ? operand(z, FV_STEPS_P) : NULL;
    z->bias = z->r.kind == FV_CELL_GRU ? operand(z, FV_STEPS_B) : NULL;
    z->y = result(z, FV_REC_Y);
    z->y_h = result(z, FV_REC_Y_H);
    z->y_c = lstm ? result(z, FV_REC_Y_C) : NULL;
    z->state = fv_custom_param(c, state, FV_BUF_INOUT);
    z->seq = fv_custom_dim(c, z->seq_dim);
    z->hidden = fv_custom_dim(c, z->hidden_dim);
}

/* Two parts where the reset gate comes before the product of the candidate. */
static void choose_parts(cell *z) {
    bool two = z->r.kind == FV_CELL_GRU && !z->r.linear_before_reset;
    z->nparts = two ? 2 : 1;
    z->parts[0] = (part){.first = 0, .n = two ? 2 : z->r.gates};
    z->parts[1] = (part){.first = 2, .n = 1};
}

bool fv_recurrent_kernel(fv_custom *c, fv_op *op) {
    static const char *const names[] = {"rnn", "gru", "lstm"};
    const fv_type *x = fv_in_type(op, FV_STEPS_X);
    fv_dims *t = c->module->dims;
    cell z = {.c = c, .a = c->arena, .e = fv_elem_arith(x->elem)};
    if (!fv_recurrent_read(op, &z.r))
        return false;
    z.seq_dim = x->dims[z.r.batch_first];
    z.batch_dim = x->dims[!z.r.batch_first];
    z.hidden_dim = fv_recurrent_hidden(op, FV_STEPS_R);
    choose_parts(&z);
    choose_tiles(&z);
    for (int i = 0; i < z.nparts; i++)
        if (!make_panels(&z, &z.parts[i]))
            return false;
    int slots = z.r.kind == FV_CELL_RNN ? 2 : z.r.kind == FV_CELL_LSTM ? 3 : z.nparts == 2 ? 4 : 2;
    const fv_dim *dims[4] = {fv_dim_const(t, z.r.directions), z.batch_dim, fv_dim_const(t, slots), z.hidden_dim};
    fv_value *state = fv_custom_value(c, "state", z.e, 4, dims);
    fv_custom_begin(c, names[z.r.kind]);
    open_buffers(&z, state);
    if (z.r.directions == 2)
        z.d = loop(&z, FV_PARALLEL, "d", integer(&z, 2));
    else
        z.d = integer(&z, 0);
    all_rows(&z);
    if (z.r.directions == 2)
        end(&z);
    fv_custom_end(c);
    return true;
}
