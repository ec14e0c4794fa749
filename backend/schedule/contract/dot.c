/* dot.c - sums of products of small integers, or of bf16 in words of two, several products in an
 * instruction.
 *
 *     sum k < 768: i32(x[i, k]) * i32(w[k, j])
 * => for q < 192: acc = dot_u8_i8(bits_i32(x[i, 4 * q:4]), bits_i32(panels[.., q, 4 * c:4]), acc)
 *
 * Sums of bf16 are such sums where their definition says that terms are added in pairs or in tiles,
 * on targets without the instruction as well; the accumulator is then the bits of an f32.
 *
 * A word has the elements of `group` consecutive steps of the sum, 4 bytes or 2 i16. Sums of
 * integers wrap and are the same in any order and grouping, so this changes no bit. Steps after the
 * last one of the sum are 0 in the rows, whatever the columns have there; in the words of a window
 * that slides along a line they are the next elements of the line, and 0 in the columns.
 *
 * Where the target has a dot product of 16 bytes, a word has 16 of them (VMLADAVA of Helium). Its
 * operands are vectors, and its result is one number, so a tile has few of them, in core registers.
 *
 * A target has dot products for some pairs of types only. Otherwise rows are copied to another
 * type:
 * - to bytes of the other signedness, x' = x - 128 or x + 128, which is x with its top bit flipped.
 *   Then sum x * w = sum x' * w + 128 * sum w (or - 128); the sums of a constant w are computed
 *   here;
 * - to i16, if there is no dot product of bytes. The bytes of the columns become i16 in registers.
 * A dot product that saturates the sums of two products counts as one of bytes if the weights,
 * which are constant, are so small that it never saturates. The copy includes the padding of rows,
 * and all elements over which a window slides. Rows that have the right type, and whose steps are
 * consecutive in memory and fill words, are read where they are stored. */
#include "backend/schedule/contract/dot.h"

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/contract/contraction.h"
#include "backend/schedule/contract/place_dot.h"
#include "backend/schedule/contract/small.h"
#include "backend/schedule/contract/vectors.h"
#include "backend/schedule/contract/words.h"
#include "ir/base/divisor.h"
#include "ir/expr/helium.h"
#include "ir/expr/instruction.h"
#include "ir/kernel/matrix.h"
#include "ir/schedule/limits.h"

/* ---- which dot product ---- */

static const struct {
    fv_elem rows, columns;
    fv_expr_op op;
    bool swapped;
} kinds[] = {
    {FV_U8, FV_I8, FV_X_DOT_U8_I8, false},     {FV_I8, FV_U8, FV_X_DOT_U8_I8, true},
    {FV_I8, FV_I8, FV_X_DOT_I8_I8, false},     {FV_U8, FV_U8, FV_X_DOT_U8_U8, false},
    {FV_U8, FV_I8, FV_X_DOT_U8_I8_SAT, false}, {FV_I16, FV_I8, FV_X_DOT_I16_I16, false},
    {FV_I16, FV_U8, FV_X_DOT_I16_I16, false},  {FV_I16, FV_I16, FV_X_DOT_I16_I16, false},
    {FV_BF16, FV_BF16, FV_X_DOT_BF16, false},  {FV_BF16, FV_BF16, FV_X_DOT_BF16_EVEN, false}};

enum { NKINDS = sizeof kinds / sizeof *kinds };

/* dot products of 16 bytes, both of the same type */
static const fv_expr_op sixteens[] = {FV_X_DOT16_I8_I8, FV_X_DOT16_U8_U8};

static fv_elem flipped(fv_elem e) {
    return e == FV_U8 ? FV_I8 : FV_U8;
}

/* The number of elements of the columns that are stored in a byte; 1 of wider ones. */
static int elements_in_byte(const fv_expr *columns) {
    int bits = fv_elem_bits((fv_elem)fv_x_stored(columns)->type.elem);
    return bits < 8 ? 8 / bits : 1;
}

static int elements_of_word(fv_elem e) {
    return fv_elem_bits(e) == 16 ? 2 : 4;
}

/* Does the operation add products of bf16 in the order of the sum? */
static bool adds_in_order(fv_expr_op op, const fv_expr *sum) {
    return (op == FV_X_DOT_BF16 && sum->u.red.order == FV_ORDER_PAIRS) ||
           (op == FV_X_DOT_BF16_EVEN && sum->u.red.order == FV_ORDER_TILES);
}

/* Finds the first of `kinds` that is for these types of rows and columns and that the target has;
 * x: an element of the columns. Sets its members in *dot; false: there is none. */
static bool find_kind(const fv_lowerer *l, const fv_contraction *c, fv_elem rows, fv_elem columns,
                      const fv_expr *x, fv_dot *dot) {
    for (int i = 0; i < NKINDS; i++) {
        bool has = kinds[i].rows == FV_BF16
                       ? adds_in_order(kinds[i].op, c->sum)
                       : fv_instruction_has(l->target, kinds[i].op, FV_I32, FV_I32);
        if (kinds[i].rows != rows || kinds[i].columns != columns || !has ||
            (kinds[i].op == FV_X_DOT_U8_I8_SAT && !fv_are_small_numbers(l, x)))
            continue;
        dot->op = kinds[i].op;
        dot->swapped = kinds[i].swapped;
        dot->as = rows;
        dot->group = elements_of_word(rows);
        return true;
    }
    return false;
}

/* The row of `kinds` for which the target has an instruction that multiplies matrices; -1: there is
 * none. */
static int matrix_kind(const fv_target *t, const fv_contraction *c, fv_elem rows, fv_elem columns) {
    for (int i = 0; i < NKINDS; i++)
        if (kinds[i].rows == rows && kinds[i].columns == columns &&
            (rows != FV_BF16 || adds_in_order(kinds[i].op, c->sum)) &&
            fv_matrix_find(t, kinds[i].op, kinds[i].swapped))
            return i;
    return -1;
}

/* Is each index of x a sum of multiples of variables, so that rows have constant distances? */
static bool has_plain_indices(const fv_expr *x) {
    bool plain =
        x->op == FV_X_CONST || x->op == FV_X_VAR || x->op == FV_X_DIM || x->op == FV_X_ADD ||
        x->op == FV_X_SUB || x->op == FV_X_LOAD ||
        (x->op == FV_X_MUL && (x->arg[0]->op == FV_X_CONST || x->arg[1]->op == FV_X_CONST));
    for (int i = 0; i < x->n && plain; i++)
        plain = x->arg[i]->op != FV_X_LOAD && has_plain_indices(x->arg[i]);
    return plain;
}

/* The number of products of two elements that the sums of the contraction have. */
static double products_of(const fv_contraction *c, const fv_dim *rows, const fv_dim *columns) {
    const fv_expr *sum = fv_all_steps(c);
    double products = fv_typical_extent(rows) * fv_typical_extent(columns);
    for (int i = 0; i < sum->u.red.nvars; i++)
        products *= fv_typical_extent(sum->u.red.vars[i]->dim);
    return products;
}

/* Do the unpacked words of a block of the sum fit into an array on the stack, for the columns of a
 * tile? */
static bool fits_unpacked(const fv_contraction *c) {
    const fv_dim *k = c->sum->u.red.vars[0]->dim;
    return fv_dim_is_const(k) && k->value / 4 <= FV_MOST_SUMS / (FV_MATRIX_SIDE * FV_MATRIX_TILES);
}

/* Can the sums be products of matrices: is the sum over one variable, of elements of a byte, or
 * over a known number of blocks with one variable each? Elements that share a byte are unpacked for
 * the blocks of a sum only. */
static bool has_matrix_steps(const fv_contraction *c, const fv_expr *columns) {
    const fv_expr *blocks = c->blocks.sum;
    bool one = c->sum->u.red.nvars == 1, bytes = elements_in_byte(columns) == 1;
    if (!blocks)
        return one && bytes;
    return one && blocks->u.red.nvars == 1 && fv_dim_is_const(blocks->u.red.vars[0]->dim) &&
           (bytes || fits_unpacked(c));
}

/* Do matrices pay for this number of rows, columns and products? Always for sums of bf16 in tiles,
 * which take ten times as long by other instructions. */
static bool matrix_pays(const fv_lowerer *l, const fv_contraction *c, const fv_dim *rows,
                        const fv_dim *columns) {
    const fv_matrix_limits *least = &fv_processor_of(l->target)->matrix;
    return c->sum->u.red.order == FV_ORDER_TILES ||
           (fv_typical_dim(rows) >= least->rows && columns->lo >= FV_MATRIX_SIDE &&
            products_of(c, rows, columns) >= least->products);
}

/* Are the words multiplied as matrices: does the target have an instruction for it, which pays for
 * this number of rows? */
static bool choose_matrix(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                          const fv_expr *rows, const fv_expr *columns, fv_dot *dot) {
    int kind = matrix_kind(l->target, c, (fv_elem)rows->type.elem, (fv_elem)columns->type.elem);
    if (kind < 0)
        return false;
    const fv_dim *n = c->row < 0 ? NULL : d->index[c->row]->dim, *m = d->index[c->column]->dim;
    bool pays = n && n->hi >= 1 && has_matrix_steps(c, columns) && rows->op == FV_X_LOAD &&
                has_plain_indices(rows) && matrix_pays(l, c, n, m);
    if (!pays)
        return fv_declines(l, d->value, FV_WHY_dot_no_matrix, n ? fv_d(n) : fv_n(1), fv_d(m));
    dot->matrix = true;
    dot->op = kinds[kind].op;
    dot->swapped = kinds[kind].swapped;
    dot->as = (fv_elem)rows->type.elem;
    dot->group = elements_of_word(dot->as);
    return true;
}

static bool choose_kind(const fv_lowerer *l, const fv_contraction *c, const fv_expr *rows,
                        const fv_expr *columns, fv_dot *dot) {
    fv_elem a = (fv_elem)rows->type.elem, b = (fv_elem)columns->type.elem;
    if (a == FV_BF16 || b == FV_BF16)
        return find_kind(l, c, a, b, columns, dot);
    bool may_flip = a != FV_I16 && columns->op == FV_X_LOAD;
    /* unsigned elements of less than a byte are bytes of either signedness */
    bool of_any = b == FV_U8 && elements_in_byte(columns) > 1;
    return find_kind(l, c, a, b, columns, dot) ||
           (of_any && find_kind(l, c, a, FV_I8, columns, dot)) ||
           (may_flip && find_kind(l, c, flipped(a), b, columns, dot)) ||
           find_kind(l, c, FV_I16, b, columns, dot);
}

/* Chooses a dot product for columns that a kernel packs in the run, which can flip their bytes as
 * well: the rows then stay where they are. */
static bool choose_kind_in_run(const fv_lowerer *l, const fv_contraction *c, const fv_expr *rows,
                               const fv_expr *columns, fv_dot *dot) {
    fv_elem a = (fv_elem)rows->type.elem, b = (fv_elem)columns->type.elem;
    dot->flips = !find_kind(l, c, a, b, columns, dot) && a != FV_I16 && b != FV_I16 &&
                 find_kind(l, c, a, flipped(b), columns, dot);
    return dot->group || find_kind(l, c, FV_I16, b, columns, dot);
}

/* Records why bytes are multiplied as i16 although the target has a faster product of bytes. */
static void explain_halves(fv_lowerer *l, const fv_value *v, const fv_dot *dot, const fv_expr *rows,
                           const fv_expr *columns, fv_fact types) {
    const fv_expr_op faster = FV_X_DOT_U8_I8_SAT;
    if (dot->op == FV_X_DOT_I16_I16 && rows->type.elem != FV_I16 && columns->type.elem == FV_I8 &&
        fv_instruction_has(l->target, faster, FV_I32, FV_I32) &&
        l->options->weights != FV_WEIGHTS_LEFT_OUT && !fv_are_small_numbers(l, columns))
        fv_declines(l, v, FV_WHY_dot_saturates, types, fv_s(fv_expr_op_text(faster)));
}

/* ---- the choice of words ---- */

/* The last variable of a sum in pairs or in tiles, along which the two terms of a word are
 * consecutive; NULL: its extent is odd, so some words are not along it, or blocks of words would
 * consist of several loops. */
static const fv_var *word_variable(const fv_expr *sum) {
    const fv_var *k = sum->u.red.vars[sum->u.red.nvars - 1];
    const bool one = sum->u.red.nvars == 1 || sum->u.red.order == FV_ORDER_PAIRS;
    return one && k->dim->value % 2 == 0 ? k : NULL;
}

/* The number of rows of a tile whose bytes are widened to pairs of i16 (fv_dot.halves). It pays to
 * widen them once where an instruction multiplies pairs by bytes: otherwise a tile widens each word
 * of rows again for every panel of columns, which is a fifth of its instructions. The pairs are on
 * the stack, which is small. */
static int rows_of_halves(const fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                          const fv_expr *columns, const fv_dot *dot) {
    enum { LEAST_COLUMNS = 8, LEAST_ROWS = 2, MOST_STACK = 4 << 10, MOST_STEPS = MOST_STACK / 2 };
    int64_t steps = 1;
    bool may = dot->group == 4 && dot->parts == 1 && !dot->matrix && !c->blocks.sum &&
               dot->as != FV_I16 && columns->type.elem == FV_I8 &&
               d->index[c->column]->dim->lo >= LEAST_COLUMNS &&
               fv_instruction_has(l->target, FV_X_DOT_I16_I8_EVEN, FV_I32, FV_I32);
    for (int i = 0; i < c->sum->u.red.nvars && may; i++) {
        const fv_var *k = c->sum->u.red.vars[i];
        may = fv_dim_is_const(k->dim) && k->dim->value > 0 && k->dim->value <= MOST_STEPS;
        if (may)
            steps *= k == dot->k ? fv_steps_of_words(k, dot->group) : k->dim->value;
        may = may && steps <= MOST_STEPS;
    }
    const int fit = may ? (int)(MOST_STEPS / steps) : 0;
    return fit >= LEAST_ROWS ? fit : 0;
}

/* The number of elements of a copy of rows, complete words of k. */
static double elements_of_copy(const fv_dot *dot, const fv_dense *copy) {
    double elements = (double)fv_steps_of_words(dot->k, dot->group);
    for (int i = 0; i < copy->n - 1; i++)
        elements *= fv_typical_extent(copy->index[i]->dim);
    return elements;
}

/* May rows be copied in words of 16 bytes? Few steps of them may be unused. If more are, or windows
 * that overlap are copied apart, or memory is to be saved, the copy must be no larger than the
 * result: then rows and copy take no more memory than rows and result. */
static bool may_copy(fv_lowerer *l, const fv_definition *d, const fv_contraction *c, fv_expr *rows,
                     const fv_dot *dot) {
    enum { LEAST_FULL = 4 };
    const int64_t steps = fv_steps_of_words(dot->k, dot->group), n = dot->k->dim->value;
    fv_dense copy;
    double result = fv_elem_storage_bytes(d->value->type->elem);
    bool small = (steps - n) * LEAST_FULL <= n && !fv_saves_in_run(l->options) &&
                 fv_choose_copy(l, d, fv_all_steps(c), rows, dot->k, steps == n, &copy);
    if (small)
        return true;
    for (int i = 0; i < d->rank; i++)
        result *= fv_typical_extent(d->index[i]->dim);
    return fv_choose_words(l, d, c, rows, dot, dot->k, &copy) &&
           elements_of_copy(dot, &copy) <= result;
}

/* Chooses the dot product of 16 bytes for columns of this type, if the target has one, and one
 * variable fills most of its words. Rows of bytes of the other signedness are flipped.
 * They are copied only for so many columns that the products save more time than the copy
 * takes. */
static bool choose_sixteen(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                           fv_expr *rows, const fv_expr *columns, fv_dot *out) {
    enum { LEAST_COLUMNS = 8 };
    fv_dot dot = {.parts = 1, .group = FV_DOT16, .as = (fv_elem)columns->type.elem};
    bool there = false;
    for (size_t i = 0; i < sizeof sixteens / sizeof *sixteens && !there; i++) {
        dot.op = sixteens[i];
        there = fv_dot16_elem(dot.op) == dot.as && rows->type.elem != FV_I16 &&
                fv_instruction_has(l->target, dot.op, dot.as, FV_I32);
    }
    if (!there || c->blocks.sum || columns->op != FV_X_LOAD || elements_in_byte(columns) > 1)
        return false;
    dot.k = fv_variable_of_words(l, d, c, rows, &dot);
    if (!dot.k)
        return false;
    dot.copies = !fv_words_are_direct(l, rows, &dot);
    bool pays = !dot.copies ||
                (d->index[c->column]->dim->lo >= LEAST_COLUMNS && may_copy(l, d, c, rows, &dot));
    if (!pays)
        return false;
    *out = dot;
    return true;
}

/* Chooses a dot product of words and the variable along which they are formed. False: there is
 * none; a reason is recorded. */
static bool choose_words_of_four(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                                 fv_expr *rows, const fv_expr *columns, fv_fact types,
                                 fv_dot *dot) {
    fv_dense copy;
    bool found = choose_matrix(l, d, c, rows, columns, dot) ||
                 (dot->packs ? choose_kind_in_run(l, c, rows, columns, dot)
                             : choose_kind(l, c, rows, columns, dot));
    if (!found)
        return fv_declines(l, d->value, FV_WHY_dot_none, types);
    dot->parts = dot->packs ? 1 : elements_in_byte(columns);
    dot->extends = dot->parts > 1 && fv_elem_is_signed((fv_elem)fv_x_stored(columns)->type.elem);
    dot->k =
        fv_x_adds_words(c->sum) ? word_variable(c->sum) : fv_variable_of_words(l, d, c, rows, dot);
    bool whole = dot->k && (dot->parts == 1 || dot->k->dim->value % (dot->group * dot->parts) == 0);
    dot->copies = whole && !fv_words_are_direct(l, rows, dot);
    if (!whole || (dot->copies && !fv_choose_words(l, d, c, rows, dot, dot->k, &copy)))
        return fv_declines(l, d->value, FV_WHY_dot_short, types, fv_n(dot->group));
    dot->halves = dot->packs ? 0 : rows_of_halves(l, d, c, columns, dot);
    return true;
}

/* Are vectors of Helium with the sums of four columns used instead of words of four bytes? One
 * instruction adds the products of an element of the rows with four columns. */
static bool has_vectors_of_columns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                                   fv_fact types) {
    const int lanes = fv_contract_lanes(l->target, d, c);
    if (!fv_has_helium(l->target) || lanes < 2)
        return false;
    fv_takes(l, d->value, FV_WHY_dot_columns, types, fv_n(lanes));
    return true;
}

/* May the columns be a copy of words (fv_copy_columns)? They may if a window slides over them, of
 * whose copy neighbouring columns are contiguous: then it has fewer words than panels, which have
 * each window apart. */
static bool may_copy_columns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                             const fv_dot *dot) {
    fv_dense copy;
    fv_var *number = fv_index_var(l->exprs, dot->k->name,
                                  fv_dim_const(l->module->dims, fv_words_of(dot->k, dot->group)));
    return dot->packs && c->dense.b && !c->packed && !dot->matrix &&
           fv_copy_columns(l, d, c, dot, number, &copy);
}

/* May a kernel pack the columns as words in the run? That pays from a few rows on, since packing
 * takes about the time of the products of one row. */
static bool may_pack(const fv_lowerer *l, const fv_definition *d, const fv_contraction *c) {
    const fv_dim *rows = c->row < 0 ? NULL : d->index[c->row]->dim;
    return rows && fv_typical_dim(rows) >= l->speed->packed_rows &&
           fv_panels_fit(d, fv_all_steps(c));
}

/* May words of the columns be made in the run? */
static bool may_make_words(const fv_lowerer *l, const fv_contraction *c) {
    return l->target->vector_bits > 0 && !c->blocks.sum && !fv_x_adds_words(c->sum);
}

void fv_choose_dot(fv_lowerer *l, const fv_definition *d, fv_contraction *c) {
    fv_dot dot = {0}, none = {0};
    c->dot = none;
    bool adds = c->sum->type.elem == FV_I32 || fv_x_adds_words(c->sum);
    if (c->nsums > 1 || c->each || c->context.often || !adds)
        return;
    fv_expr *rows = fv_small_element(c->a), *columns = fv_small_element(c->b);
    if (!rows || !columns)
        return;
    dot.packs = !fv_is_laid_out(l, d, fv_all_steps(c), columns, c->column);
    if (dot.packs && (!may_make_words(l, c) || (!may_pack(l, d, c) && !c->dense.b)))
        return;
    fv_fact types = fv_s(fv_printf(l->arena, "%s and %s", fv_elem_name((fv_elem)rows->type.elem),
                                   fv_elem_name((fv_elem)columns->type.elem)));
    if ((dot.packs || !choose_sixteen(l, d, c, rows, columns, &dot)) &&
        (has_vectors_of_columns(l, d, c, types) ||
         !choose_words_of_four(l, d, c, rows, columns, types, &dot)))
        return;
    dot.dense = may_copy_columns(l, d, c, &dot);
    if (dot.packs && !dot.dense && !may_pack(l, d, c))
        return;
    if (!dot.packs)
        explain_halves(l, d->value, &dot, rows, columns, types);
    const char *by =
        fv_dot_has_chains(&dot) ? "dot_bf16_even and dot_bf16_odd" : fv_expr_op_text(dot.op);
    fv_takes(l, d->value, FV_WHY_dot_words, types, fv_n(dot.group), fv_s(by));
    if (dot.halves)
        fv_takes(l, d->value, FV_WHY_dot_halves, fv_s(fv_elem_name((fv_elem)rows->type.elem)));
    if (dot.matrix)
        fv_takes(l, d->value, FV_WHY_dot_matrix, fv_d(d->index[c->row]->dim),
                 fv_s(fv_matrix_find(l->target, dot.op, dot.swapped)->name));
    c->dot = dot;
    c->packed |= dot.packs && !dot.dense;
}
