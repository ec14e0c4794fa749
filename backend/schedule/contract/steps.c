/* steps.c - see steps.h. A factor b that is computed from packed constants has the same scales and
 * zero points in all steps of a block, and several steps in each byte:
 *
 *     for block < 24:
 *       scale[c] = s[block, j0 + c]                       registers
 *       for k0 = 16 * block to 16 * (block + 1):
 *         unroll step < 2: k = 2 * k0 + step
 *           b[c] = f32((q[k0, j0 + c] >> 4 * step & 15) - 8) * scale[c]
 *
 * The elements of b and the order of their products are those of a single loop over k. */
#include "backend/schedule/contract/steps.h"

#include "backend/lowering/access.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/border.h"
#include "backend/schedule/contract/element.h"
#include "ir/base/divisor.h"
#include "ir/expr/visit.h"
#include "ir/kernel/iterations.h"

bool fv_can_prefetch(const fv_contraction *c) {
    const fv_expr *sum = fv_all_steps(c);
    const bool chains = fv_dot_has_chains(&c->dot) && !c->dot.matrix;
    bool known = c->packed && c->panels.has_steps && !c->panels.made_in_run && !chains;
    for (int i = 0; i < sum->u.red.nvars && known; i++)
        known = fv_dim_is_const(sum->u.red.vars[i]->dim);
    return known;
}

bool fv_widens_panels(const fv_contraction *c) {
    fv_elem stored = (fv_elem)fv_x_stored(c->b)->type.elem, used = (fv_elem)c->b->type.elem;
    return !c->dot.group && fv_elem_is_float(used) && fv_elem_bits(stored) < fv_elem_bits(used);
}

bool fv_computes_panels(const fv_contraction *c) {
    return (c->panels.computed || fv_widens_panels(c)) && !c->blocks.sum &&
           c->sum->u.red.nvars == 1 && fv_can_prefetch(c);
}

/* Does the tile compute b from its panels in the loop over steps? Not if elements of b were
 * computed in advance, or if the tile is restricted to a range of steps. */
static bool is_computed_now(const fv_tile *t) {
    return fv_computes_panels(t->c) && (!t->made.unpacked || t->made.unpacking) &&
           !t->only.steps[1];
}

/* If the tile computes the steps in parts of plan.depth steps: does each part consist of complete
 * groups of n steps? True if there are no parts. */
static bool are_in_parts(const fv_tile *t, int64_t n) {
    return !t->from ||
           (t->plan.depth % n == 0 && t->c->sum->u.red.vars[0]->dim->value % t->plan.depth == 0);
}

/* Does each part consist of complete groups of n steps? The last part may have fewer groups. */
static bool are_groups(const fv_tile *t, int64_t n) {
    return !t->from || (t->plan.depth % n == 0 && t->c->sum->u.red.vars[0]->dim->value % n == 0);
}

/* The last variable of the sum that has more than one step; 0: there is none. */
static int last_variable(const fv_contraction *c) {
    int i = c->sum->u.red.nvars - 1;
    while (i > 0 && fv_dim_is_one(c->sum->u.red.vars[i]->dim))
        i--;
    return i;
}

/* The divisor n if x is `k floordiv n`; otherwise 0. */
static int64_t divisor(const fv_expr *x, const fv_var *k) {
    int64_t n;
    bool is = x->op == FV_X_FLOORDIV && x->arg[0]->op == FV_X_VAR && x->arg[0]->u.var == k &&
              fv_x_is_int(x->arg[1], &n) && n > 0;
    return is ? n : 0;
}

/* The number of consecutive steps in which b is computed with the same scales and zero points; 0:
 * there is no such number, or these are the same in all steps. */
static int64_t steps_of_block(fv_arena *a, const fv_contraction *c) {
    int64_t least = 0;
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, c->b); (x = fv_x_next(&v));) {
        int64_t n = divisor(x, c->sum->u.red.vars[0]);
        if (n > c->panels.steps && (!least || n < least))
            least = n;
    }
    return least % c->panels.steps ? 0 : least;
}

/* The number of consecutive steps over which the loops iterate with the same scales and zero points
 * of b (steps_of_block), if each part consists of complete blocks; 0: there is one loop over all
 * steps. */
static int64_t steps_of_shared(const fv_tile *t) {
    const int64_t n = is_computed_now(t) ? steps_of_block(t->e->arena, t->c) : 0;
    return n && are_in_parts(t, n) ? n : 0;
}

/* Does the innermost loop over steps always iterate over complete groups of n steps? That loop may
 * have a part of the steps of its variable: those of a part or of a block, those within the border
 * of an image, or the tap that t->rows.now has chosen. */
static bool iterates_groups(const fv_tile *t, int64_t n) {
    const int last = last_variable(t->c);
    const fv_dim *d = t->c->sum->u.red.vars[last]->dim;
    if (!fv_dim_is_const(d) || d->value % n || t->only.steps[0] || t->only.steps[1])
        return false;
    return last ? last > 1 || !t->rows.now.is
                : !t->rows.border && are_in_parts(t, n) && steps_of_shared(t) % n == 0;
}

/* The steps of the last variable of a depthwise sum of bytes, if they are few; otherwise 1. The
 * windows of neighbouring rows overlap, so a row of a 3 x 3 window reads 7 different elements for 5
 * rows, but 15 in all: one after the other, the compiler converts each element to 32 bits once.
 * With 16 registers it keeps them on the stack, which is still faster; with 32 registers, and tiles
 * that fill them, MobileNetV2 takes 1.05 of the time. */
static int64_t steps_of_window(const fv_tile *t) {
    enum { MOST_STEPS = 4, REGISTERS = 16 };
    const fv_contraction *c = t->c;
    const fv_dim *n = c->sum->u.red.vars[last_variable(c)]->dim;
    bool of_bytes = c->each && !c->dot.group && !fv_elem_is_float((fv_elem)c->a->type.elem) &&
                    fv_elem_bits((fv_elem)fv_x_stored(c->a)->type.elem) == 8;
    bool few = t->e->l->target->vector_registers == REGISTERS;
    bool short_one = fv_dim_is_const(n) && n->value > 1 && n->value <= MOST_STEPS;
    return of_bytes && few && short_one && !t->from && iterates_groups(t, n->value) ? n->value : 1;
}

/* Does the address of a loaded element change by a constant from each row to the next one, if its
 * indices do? */
static bool has_known_distance(const fv_expr *load, const fv_var *row) {
    int64_t extent;
    bool known = true;
    for (int i = 0, after = 0; i < load->n && known; i++) {
        known = !after || fv_x_is_int(load->u.buf->extent[i], &extent);
        after |= fv_x_uses(load->arg[i], row);
    }
    return known;
}

/* Are the rows of the tile at a known distance from each other in memory, or copied? Otherwise, as
 * where a row is a pixel of an image, or where a batch is between rows, each has an address of its
 * own. These are more than there are registers, and would be loaded again in each step. */
static bool has_regular_rows(const fv_tile *t) {
    const fv_contraction *c = t->c;
    const fv_expr *x;
    if (t->plan.copies || c->row < 0)
        return true;
    const fv_var *row = t->e->def->index[c->row];
    bool regular = !c->each && !t->rows.last;
    for (fv_x_visitor v = fv_x_visit(t->e->arena, c->a); regular && (x = fv_x_next(&v));)
        regular = x->op == FV_X_LOAD ? has_known_distance(x, row)
                                     : (x->op != FV_X_FLOORDIV && x->op != FV_X_FLOORMOD) ||
                                           t->rows.line.n || !fv_x_uses(x, row);
    return regular;
}

/* The steps of an iteration by the table of processors, if the innermost loop always has a multiple
 * of them. The time of few rows is that of reading panels:
 * with several steps for a single row, `mlp` would take 1.02 of its time (Granite Rapids). If the
 * run decides how tiles share prefetches, each of these takes arithmetic. With four steps, LLVM
 * begins an iteration with the addresses and panels of all of them, and stores the sums meanwhile:
 * BERT-base with 48 tokens would take 1.6 times as long as with two steps (Granite Rapids). */
static int64_t unrolled_steps(const fv_tile *t) {
    enum { LEAST_ROWS = 4, MOST_SHARING = 2 };
    const fv_lowerer *l = t->e->l;
    const fv_step_loops *loop = &fv_processor_of(l->target)->loop;
    int64_t places;
    const bool sharing = t->prefetch.part && t->prefetch.shared.rest &&
                         !fv_x_is_int(t->prefetch.shared.shift, &places);
    const int64_t n =
        sharing && loop->unrolled_steps > MOST_SHARING ? MOST_SHARING : loop->unrolled_steps;
    const fv_dim *d = t->c->sum->u.red.vars[last_variable(t->c)]->dim;
    bool rows = t->rows.together >= LEAST_ROWS && has_regular_rows(t);
    bool many = fv_dim_is_const(d) && d->value >= loop->outline_steps;
    bool vectors = l->target->vector_bits > 0 && t->c->dot.group != FV_DOT16;
    bool small = fv_is_small_code(l->options) || (l->options->saves & FV_SAVES_CODE);
    return n > 1 && many && vectors && !small && rows && iterates_groups(t, n) ? n : 1;
}

int64_t fv_steps_of_row(const fv_tile *t) {
    const int64_t window = steps_of_window(t);
    if (window > 1)
        return window;
    const int64_t steps = t->c->panels.steps;
    if (t->made.halves) /* the loop itself would take a fifth of the instructions */
        return iterates_groups(t, 2) && !(t->e->l->options->saves & FV_SAVES_CODE) ? 2 : 1;
    bool whole = is_computed_now(t) && t->c->sum->u.red.vars[0]->dim->value % steps == 0 &&
                 are_groups(t, steps);
    return whole && steps > 1 ? steps : unrolled_steps(t);
}

bool fv_steps_share_row(const fv_tile *t) {
    const int64_t steps = fv_steps_of_row(t);
    return steps > 1 && steps <= t->c->panels.steps;
}

/* Is x the same in all steps of a block of n steps that begins with a multiple of n; n = 0: in all
 * steps? */
static bool is_same(const fv_expr *x, const fv_var *k, int64_t n) {
    int64_t by = divisor(x, k);
    if (by)
        return n && by % n == 0;
    bool same = x->op != FV_X_VAR || x->u.var != k;
    for (int i = 0; i < x->n && same; i++)
        same = is_same(x->arg[i], k, n);
    return same;
}

/* Computes a subexpression of b for all columns. */
static void share(fv_tile *t, const fv_expr *x) {
    fv_kemit *e = t->e;
    const int width = fv_tile_width(t);
    fv_buf *all = fv_kb_tile(&e->b, "shared", (fv_elem)x->type.elem, 1, (int64_t[]){width}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, width));
    fv_tile_bind_column(t, c);
    fv_bind_shared(t, c);
    fv_kb_store(&e->b, all, &c, fv_kemit_expr(e, (fv_expr *)x), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    t->made.shared[t->made.n] = x;
    t->made.of_columns[t->made.n++] = all;
}

static bool is_shared(const fv_tile *t, const fv_expr *x) {
    bool is = false;
    for (int i = 0; i < t->made.n; i++)
        is |= t->made.shared[i] == x;
    return is;
}

/* Computes up to FV_MAX_SHARED of the largest subexpressions of b that are the same for n steps (0:
 * for all steps), and depend on the column. They have the width of the sums, so that they fill as
 * many registers as a row of these. */
static void share_all(fv_tile *t, int64_t n) {
    const fv_expr *sum = t->c->sum, *x;
    const fv_var *k = sum->u.red.vars[0];
    int bits = fv_elem_bits((fv_elem)sum->type.elem);
    for (fv_x_visitor v = fv_x_visit(t->e->arena, t->c->b); (x = fv_x_next(&v));) {
        bool known = is_shared(t, x);
        if (!known && (!fv_x_uses(x, t->c->panels.column) || !is_same(x, k, n) ||
                       fv_elem_bits((fv_elem)x->type.elem) != bits || t->made.n == FV_MAX_SHARED))
            continue;
        if (!known)
            share(t, x);
        fv_x_skip(&v);
    }
}

/* Opens the loop over blocks of n steps and computes what the steps of a block share. Returns the
 * number of the block. */
static fv_expr *open_blocks(fv_tile *t, int64_t n) {
    fv_kemit *e = t->e;
    fv_var *k = t->c->sum->u.red.vars[0];
    fv_expr *first = t->from ? binary(e, FV_X_FLOORDIV, t->from, integer(e, n)) : integer(e, 0),
            *to = t->from ? binary(e, FV_X_ADD, first, integer(e, t->plan.depth / n))
                          : integer(e, fv_div_up(k->dim->value, n));
    fv_expr *block = fv_kb_for(&e->b, FV_SERIAL, "block", first, to, 1);
    fv_kmark m = fv_kemit_mark(e);
    fv_kemit_bind(e, k, binary(e, FV_X_MUL, block, integer(e, n)));
    share_all(t, n);
    fv_kemit_release(e, m);
    return block;
}

/* Sets *from and *to to the range of values that variable number i of the sum has now. */
static void range_of(fv_tile *t, int i, fv_expr **from, fv_expr **to) {
    fv_kemit *e = t->e;
    const fv_dim *n = t->c->sum->u.red.vars[i]->dim;
    *from = t->only.steps[0] ? t->only.steps[0] : integer(e, 0);
    *to = t->only.steps[1] ? t->only.steps[1] : fv_kemit_dim(e, n);
    if (i)
        return;
    fv_expr *end = *to;
    if (t->from) { /* parts are of the outermost variable */
        *from = t->from;
        *to = binary(e, FV_X_ADD, *from, integer(e, t->plan.depth));
        *to = n->value % t->plan.depth ? binary(e, FV_X_MIN, *to, end) : *to;
    }
    fv_tile_leave_border(t, from, to);
}

bool fv_last_step_is_apart(const fv_tile *t) {
    enum { LEAST_STEPS = 8, MOST_STEPS = 128 };
    const fv_contraction *c = t->c;
    const fv_lowerer *l = t->e->l;
    const fv_dim *n = c->sum->u.red.vars[0]->dim;
    bool processor = fv_is_vector_processor(l->target) && !fv_is_small_code(l->options) &&
                     !(l->options->saves & FV_SAVES_CODE);
    bool few = !last_variable(c) && fv_dim_is_const(n) && n->value >= LEAST_STEPS &&
               n->value <= MOST_STEPS;
    bool all = !t->only.steps[0] && !t->only.steps[1] && !t->rows.border;
    bool plain = fv_elem_is_float((fv_elem)c->sum->type.elem) && !c->dot.group;
    return processor && few && all && plain && !is_computed_now(t) && fv_steps_of_row(t) == 1;
}

fv_expr *fv_bind_last_step(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    fv_expr *from, *to;
    range_of(t, 0, &from, &to);
    fv_expr *k = binary(e, FV_X_SUB, to, integer(e, 1));
    fv_kemit_bind(e, sum->u.red.vars[0], k);
    for (int i = 1; i < sum->u.red.nvars; i++)
        fv_kemit_bind(e, sum->u.red.vars[i], integer(e, 0));
    return k;
}

/* Opens the loop over rows of the panel, each of which has `steps` steps of the sum. The loop is
 * within block number `block` of n steps; block NULL: there are no blocks. */
static fv_expr *open_rows(fv_tile *t, int64_t steps, fv_expr *block, int64_t n) {
    fv_kemit *e = t->e;
    fv_var *k = t->c->sum->u.red.vars[0];
    const int64_t all = k->dim->value, rows = n / steps;
    fv_expr *from, *to;
    range_of(t, 0, &from, &to);
    if (block) {
        from = binary(e, FV_X_MUL, block, integer(e, rows));
        to = binary(e, FV_X_ADD, from, integer(e, rows));
        to = all % n ? binary(e, FV_X_MIN, to, integer(e, all / steps)) : to;
    } else if (steps > 1) {
        from = binary(e, FV_X_FLOORDIV, from, integer(e, steps));
        to = t->from ? binary(e, FV_X_ADD, from, integer(e, t->plan.depth / steps))
                     : integer(e, all / steps);
        to = t->from && all % t->plan.depth ? binary(e, FV_X_MIN, to, integer(e, all / steps)) : to;
    }
    if (t->rows.step_apart)
        to = binary(e, FV_X_SUB, to, integer(e, 1));
    fv_expr *row = fv_kb_for(&e->b, FV_SERIAL, k->name, from, to, 1);
    fv_kemit_bind(e, k, binary(e, FV_X_MUL, row, integer(e, steps)));
    return row;
}

fv_expr *fv_open_first_steps(fv_tile *t) {
    const int64_t n = steps_of_shared(t);
    t->made.n = 0;
    if (is_computed_now(t))
        share_all(t, 0);
    return open_rows(t, last_variable(t->c) ? 1 : fv_steps_of_row(t), n ? open_blocks(t, n) : NULL,
                     n);
}

fv_expr *fv_open_other_steps(fv_tile *t, fv_expr *k) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    const int last = last_variable(t->c);
    fv_expr *from, *to;
    for (int i = 1; i < sum->u.red.nvars; i++) {
        fv_var *v = sum->u.red.vars[i];
        const int64_t together = i == last ? fv_steps_of_row(t) : 1;
        if (i == 1 && t->rows.now.is) {
            fv_kemit_bind(e, v, integer(e, t->rows.now.tap));
            continue;
        }
        range_of(t, i, &from, &to);
        if (together > 1)
            to = integer(e, v->dim->value / together);
        fv_expr *row = fv_kb_for(&e->b, FV_SERIAL, v->name, from, to, 1);
        fv_kemit_bind(e, v, binary(e, FV_X_MUL, row, integer(e, together)));
        k = i <= last ? row : k;
    }
    return k;
}

fv_expr *fv_open_rows_of_panel(fv_tile *t) {
    return fv_open_other_steps(t, fv_open_first_steps(t));
}

fv_expr *fv_open_row_of_panel(fv_tile *t, fv_expr *row) {
    fv_kemit *e = t->e;
    const int64_t steps = fv_steps_of_row(t);
    if (steps == 1)
        return row;
    fv_expr *step = fv_kb_for(&e->b, FV_UNROLL, "step", integer(e, 0), integer(e, steps), 1);
    fv_expr *k = binary(e, FV_X_ADD, binary(e, FV_X_MUL, row, integer(e, steps)), step);
    fv_kemit_bind(e, t->c->sum->u.red.vars[last_variable(t->c)], k);
    return k;
}

/* ---- are these all steps? ---- */

void fv_count_steps(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    fv_expr *now[FV_MAX_RANK];
    for (int i = 0; i < sum->u.red.nvars; i++)
        now[i] = fv_kemit_expr(e, fv_x_var(e->arena, sum->u.red.vars[i]));
    const int64_t n = fv_most_combinations(e->arena, e->b.depth, e->b.open, sum->u.red.nvars, now);
    if (__builtin_add_overflow(t->rows.steps, n, &t->rows.steps))
        t->rows.steps = INT64_MAX;
}

bool fv_has_all_steps(const fv_tile *t) {
    const fv_expr *sum = t->c->sum;
    int64_t all = 1;
    /* at a border, steps that multiply by nothing but the border are left out */
    bool known = !t->only.steps[0] && !t->only.steps[1] && !t->rows.border;
    for (int i = 0; i < sum->u.red.nvars && known; i++)
        known = fv_dim_is_const(sum->u.red.vars[i]->dim) &&
                !__builtin_mul_overflow(all, sum->u.red.vars[i]->dim->value, &all);
    return !known || t->rows.steps >= all;
}

void fv_bind_shared(fv_tile *t, fv_expr *c) {
    for (int i = 0; i < t->made.n; i++)
        fv_kemit_memo(t->e, t->made.shared[i],
                      fv_x_load(t->e->arena, t->made.of_columns[i], (fv_expr *[]){c}));
}

fv_expr *fv_word_now(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    fv_expr *word = integer(e, 0);
    for (int i = 0; i < sum->u.red.nvars; i++) {
        fv_var *v = sum->u.red.vars[i];
        word = binary(e, FV_X_MUL, word, fv_kemit_dim(e, v->dim));
        word = binary(e, FV_X_ADD, word, fv_kemit_expr(e, fv_x_var(e->arena, v)));
    }
    return word;
}

void fv_tile_add_halves(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, const fv_buf *b) {
    static const fv_expr_op ops[] = {FV_X_DOT_I16_I8_EVEN, FV_X_DOT_I16_I8_ODD};
    fv_kemit *e = t->e;
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows)), *pair[2];
    fv_expr *row = binary(e, FV_X_ADD, first, r);
    for (int i = 0; i < 2; i++) {
        fv_expr *at[] = {fv_word_now(t), row, integer(e, i)};
        pair[i] = fv_kb_let(&e->b, "a", fv_x_load(e->arena, t->made.halves, at));
    }
    fv_expr *c = open_loop(e, FV_UNROLL, "c", integer(e, fv_tile_width(t)));
    fv_expr *at[2] = {r, c}, *x = fv_x_load(e->arena, acc, at);
    for (int i = 0; i < 2; i++)
        x = fv_x_dot(e->arena, ops[i], pair[i], fv_x_load(e->arena, (fv_buf *)b, &c), x);
    fv_kb_store(&e->b, acc, at, x, NULL);
}
