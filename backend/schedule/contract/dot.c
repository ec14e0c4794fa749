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
#include "backend/schedule/contract/lay_out.h"
#include "backend/schedule/contract/small.h"
#include "backend/schedule/contract/vectors.h"
#include "backend/schedule/contract/words.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/divisor.h"
#include "ir/expr/fold.h"
#include "ir/expr/helium.h"
#include "ir/expr/instruction.h"
#include "ir/expr/rewrite.h"
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

static bool is_small(fv_elem e) {
    return e == FV_U8 || e == FV_I8 || e == FV_I16 || e == FV_BF16;
}

/* The element of type u8, i8, i16 or bf16 from which the factor is converted; NULL: it is something
 * else. */
static fv_expr *small_element(fv_expr *factor) {
    bool is = factor->op == FV_X_CONVERT && is_small((fv_elem)factor->arg[0]->type.elem);
    return is ? factor->arg[0] : NULL;
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

/* x, a load or a guarded load, where c is true; otherwise any element that exists. Where the guard
 * of x is false, the value stays that of x, whatever c is. */
static fv_expr *load_where(fv_arena *a, fv_expr *x, fv_expr *c) {
    fv_expr *load = fv_x_guard_all(a, x, c);
    const int rank = x->u.buf->rank;
    return x->op == FV_X_LOAD
               ? load
               : fv_x_guard(a, x->u.buf, load->arg, load->arg[rank], x->arg[rank + 1]);
}

/* Is x a load, or a guarded load whose value where the guard is false does not depend on k? */
static bool loads_of_any_step(const fv_expr *x, const fv_var *k) {
    return x->op == FV_X_LOAD || (x->op == FV_X_GUARD && !fv_x_uses(x->arg[x->u.buf->rank + 1], k));
}

/* The element x for step `at` of k, which may be after the last one: 0 then, or, if `any` is set
 * and x is a load, any element that exists, so that words depend on the sum of their index and the
 * step alone. */
static fv_expr *step_of_word(fv_lowerer *l, fv_expr *x, fv_var *k, fv_expr *at, bool any) {
    fv_arena *a = l->exprs;
    fv_expr *one = fv_x_replace_vars(a, x, 1, &k, &at), *inside = NULL, *more;
    /* the guard of x may hold for all of these steps, or for none */
    const bool loads = loads_of_any_step(x, k) && (one->op == FV_X_LOAD || one->op == FV_X_GUARD) &&
                       one->u.buf == x->u.buf;
    int64_t least, most;
    for (int i = 0; any && loads && i < one->u.buf->rank; i++)
        if (fv_x_uses(x->arg[i], k)) {
            more = fv_x_bin(a, FV_X_LT, one->arg[i], one->u.buf->extent[i]);
            fv_x_range(one->arg[i], &least, &most);
            if (least < 0) /* a guard may be silent about steps after the last one */
                more =
                    fv_x_bin(a, FV_X_AND, more, fv_x_bin(a, FV_X_LE, fv_x_int(a, 0), one->arg[i]));
            inside = inside ? fv_x_bin(a, FV_X_AND, inside, more) : more;
        }
    if (inside)
        return load_where(a, one, inside);
    inside = fv_x_bin(a, FV_X_LT, at, fv_x_int(a, k->dim->value));
    return fv_x_select(a, inside, fv_x_guard_all(a, one, inside),
                       fv_x_const_int(a, (fv_elem)one->type.elem, 0));
}

/* The word with the `group` steps of x from number * group on, the first one in the low bits, as
 * i16 or as bytes. After the last step it has what step_of_word says. */
static fv_expr *word_of_steps(fv_lowerer *l, fv_expr *x, const fv_dot *dot, fv_var *number,
                              bool any) {
    fv_arena *a = l->exprs;
    fv_var *k = (fv_var *)dot->k;
    const int bits = 32 / dot->group;
    const int64_t before = (number->dim->value - 1) * dot->group;
    fv_expr *word = NULL;
    for (int i = 0; i < dot->group; i++) {
        fv_expr *at = fv_dim_is_one(number->dim) ? fv_x_int(a, 0) : fv_x_var(a, number);
        at = fv_x_bin(a, FV_X_MUL, at, fv_x_int(a, dot->group));
        at = fv_x_bin(a, FV_X_ADD, at, fv_x_int(a, i));
        fv_expr *one = before + i < k->dim->value ? fv_x_replace_vars(a, x, 1, &k, &at)
                                                  : step_of_word(l, x, k, at, any);
        const bool widens = bits == 16 && one->type.elem != FV_BF16;
        one = fv_x_cast(a, FV_X_BITCAST, bits == 16 ? FV_U16 : FV_U8,
                        widens ? fv_x_convert(a, FV_I16, one) : one);
        one = fv_x_bin(a, FV_X_SHL, fv_x_convert(a, FV_I32, one),
                       fv_x_const_int(a, FV_I32, (int64_t)i * bits));
        word = word ? fv_x_bin(a, FV_X_OR, word, one) : one;
    }
    return word;
}

/* Describes a copy of the columns, over which a window slides, whose elements are words, numbered
 * by `number`. False: neighbouring columns would not have neighbouring words. */
static bool copy_columns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                         const fv_dot *dot, fv_var *number, fv_dense *copy) {
    fv_arena *a = l->exprs;
    fv_expr *columns = small_element(c->b);
    const bool several = !fv_dim_is_one(number->dim);
    /* the copy has each word for each place of the window, also where no column begins */
    if (several && !loads_of_any_step(columns, dot->k))
        return false;
    fv_expr *word = word_of_steps(l, columns, dot, number, several);
    fv_var *vars[FV_MAX_RANK];
    if (dot->flips)
        word = fv_x_bin(a, FV_X_XOR, word, fv_x_const_int(a, FV_I32, (int32_t)0x80808080));
    for (int i = 0; i < c->sum->u.red.nvars; i++)
        vars[i] = c->sum->u.red.vars[i] == dot->k ? number : c->sum->u.red.vars[i];
    /* only its variables are read; a node would get those of an equal one that was made before */
    fv_expr sum = *c->sum;
    sum.u.red.vars = vars;
    return fv_choose_dense(l, d, &sum, word, FV_DENSE_ALL, d->index[c->column], copy) &&
           fv_dense_runs_along(copy, d->index[c->column]);
}

/* May the columns be such a copy? They may if a window slides over them, of whose copy neighbouring
 * columns are contiguous: then it has fewer words than panels, which have each window apart. */
static bool may_copy_columns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                             const fv_dot *dot) {
    fv_dense copy;
    fv_var *number = fv_index_var(l->exprs, dot->k->name,
                                  fv_dim_const(l->module->dims, fv_words_of(dot->k, dot->group)));
    return dot->packs && c->dense.b && !c->packed && !dot->matrix &&
           copy_columns(l, d, c, dot, number, &copy);
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
    fv_expr *rows = small_element(c->a), *columns = small_element(c->b);
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

/* ---- rows ---- */

/* Converts an element to another type of its width or a wider one; for a byte of the other
 * signedness its top bit is flipped. */
static fv_expr *element_as(fv_arena *a, fv_expr *x, fv_elem as) {
    fv_elem e = (fv_elem)x->type.elem;
    if (e == as || as == FV_I16)
        return fv_x_convert(a, as, x);
    return fv_x_cast(a, FV_X_BITCAST, as, fv_x_bin(a, FV_X_XOR, x, fv_x_const_int(a, e, -128)));
}

/* Extends the last axis of the copy, which k or a window along k has, to complete words; the
 * additional elements are 0. */
static void pad(fv_lowerer *l, fv_dense *copy, const fv_dot *dot) {
    fv_arena *a = l->exprs;
    fv_dims *t = l->module->dims;
    fv_var *k = copy->index[copy->n - 1];
    const int64_t group = dot->group,
                  more = fv_steps_of_words(dot->k, dot->group) - dot->k->dim->value;
    if (!more)
        return;
    FV_HOLDS(l->session, fv_dim_is_const(k->dim));
    const int64_t whole = fv_round_up(k->dim->value + more, group);
    fv_var *padded = fv_index_var(a, k->name, fv_dim_const(t, whole));
    fv_expr *at = fv_x_var(a, padded), *x = fv_x_replace_vars(a, copy->copy, 1, &k, &at);
    fv_expr *inside = fv_x_bin(a, FV_X_LT, at, fv_x_int(a, k->dim->value));
    copy->copy = fv_x_select(a, inside, fv_x_guard_all(a, x, inside),
                             fv_x_const_int(a, (fv_elem)x->type.elem, 0));
    copy->index[copy->n - 1] = padded;
}

/* Adds v to the *n axes `axis` of a constant, and to the indices `at` of its load, if the columns
 * depend on v. */
static void add_axis(fv_arena *a, const fv_expr *columns, fv_var *v, int *n, fv_var **axis,
                     fv_expr **at) {
    if (!fv_x_uses(columns, v))
        return;
    at[*n] = fv_x_var(a, v);
    axis[(*n)++] = v;
}

/* The term by which the sum must be corrected if 128 was added to, or subtracted from, the rows:
 * the sums of the columns along all steps (of a block), times -128 or 128. It is a new constant
 * over those axes of d, and variables of blocks, on which the columns depend. */
static fv_expr *correction(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                           fv_expr *columns) {
    fv_var *axis[2 * FV_MAX_RANK];
    fv_expr *at[2 * FV_MAX_RANK];
    const fv_expr *blocks = c->blocks.sum;
    int n = 0;
    for (int i = 0; i < d->rank; i++)
        add_axis(l->exprs, columns, d->index[i], &n, axis, at);
    for (int i = 0; blocks && i < blocks->u.red.nvars; i++)
        add_axis(l->exprs, columns, blocks->u.red.vars[i], &n, axis, at);
    const char *name = fv_printf(l->exprs, "%s.sums", fv_operand_name(columns, d));
    fv_value *v = fv_new_value(l, name, FV_I32, n, axis);
    bool is = fv_sum_constant(l, v, columns, axis, c->sum->u.red.nvars, c->sum->u.red.vars,
                              c->dot.as == FV_U8 ? -128 : 128);
    return is ? fv_x_load(l->exprs, fv_value_buf(l->exprs, v), at) : NULL;
}

typedef struct replaced {
    fv_expr *sum, *by;
} replaced;

static fv_expr *replace_sum(fv_x_rewriter *w, fv_expr *x) {
    const replaced *r = w->user;
    return x == r->sum ? r->by : NULL;
}

/* Are elements of the rows as they are stored neighbours along another axis of the copy than its
 * last one, as the pixels of an image that has its channels first? Then vectors of words are made
 * of vectors of each step, and no step is an element of its own. */
static bool are_across(fv_lowerer *l, const fv_dense *copy, const fv_dot *dot) {
    const int last = copy->n - 1;
    fv_load_count along_last = {0};
    bool across = false, may = l->target->vector_bits > 0 && dot->group < FV_DOT16 &&
                               !dot->matrix && !dot->halves && last > 0 &&
                               copy->at[last]->op == FV_X_VAR && copy->at[last]->u.var == dot->k;
    for (int i = 0; i < last && may; i++)
        across |= fv_x_runs_along(copy->copy, copy->index[i]);
    fv_x_count_loads(copy->copy, copy->index[last], &along_last);
    return across && !along_last.contiguous;
}

/* Makes elements of the copy words. */
static void make_words(fv_lowerer *l, fv_dense *copy, const fv_dot *dot) {
    const int last = copy->n - 1;
    fv_dot along = *dot;
    along.k = copy->index[last];
    fv_var *number = fv_index_var(l->exprs, along.k->name,
                                  fv_dim_const(l->module->dims, fv_words_of(along.k, dot->group)));
    copy->copy = word_of_steps(l, copy->copy, &along, number, false);
    copy->index[last] = number;
}

/* The element for step k of the copy v, which has words. */
static fv_expr *element_of_word(fv_lowerer *l, fv_value *v, const fv_dense *copy,
                                const fv_dot *dot) {
    fv_arena *a = l->exprs;
    const int last = copy->n - 1;
    fv_expr *at[FV_MAX_RANK], *k = copy->at[last], *group = fv_x_int(a, dot->group);
    for (int i = 0; i < last; i++)
        at[i] = copy->at[i];
    at[last] = fv_x_bin(a, FV_X_FLOORDIV, k, group);
    fv_expr *shift =
        fv_x_bin(a, FV_X_MUL, fv_x_bin(a, FV_X_FLOORMOD, k, group), fv_x_int(a, 32 / dot->group));
    fv_expr *word = fv_x_load(a, fv_value_buf(a, v), at),
            *bits = fv_x_bin(a, FV_X_SHR, word, fv_x_convert(a, FV_I32, shift));
    return dot->as == FV_BF16 ? fv_x_cast(a, FV_X_BITCAST, FV_BF16, fv_x_convert(a, FV_U16, bits))
                              : fv_x_convert(a, dot->as, bits);
}

fv_definition *fv_place_dot_rows(fv_lowerer *l, fv_op *op, const fv_definition *d,
                                 const fv_contraction *c) {
    fv_arena *a = l->exprs;
    fv_dense copy;
    fv_expr *rows = small_element(c->a);
    bool flips = c->dot.as != FV_I16 && rows->type.elem != c->dot.as,
         again = fv_choose_words(l, d, c, rows, &c->dot, c->dot.k, &copy);
    FV_HOLDS(l->session, again);
    const bool across = are_across(l, &copy, &c->dot);
    copy.copy = element_as(a, copy.copy, c->dot.as);
    if (across)
        make_words(l, &copy, &c->dot);
    else
        pad(l, &copy, &c->dot);
    fv_fact name = fv_s(fv_printf(l->arena, "'%s'", fv_operand_name(rows, d)));
    fv_takes(l, d->value, FV_WHY_dot_copies, name, fv_s(fv_elem_name(c->dot.as)));
    fv_value *v = fv_place_copy(l, op, d, "words", &copy);
    if (c->dot.k->dim->value % c->dot.group && !across)
        *fv_ptrmap_at(&l->added.padded, v) = v;
    fv_expr *x =
        across ? element_of_word(l, v, &copy, &c->dot) : fv_x_load(a, fv_value_buf(a, v), copy.at);
    x = fv_x_convert(a, (fv_elem)c->sum->type.elem, x);
    fv_expr *sum = fv_x_reduce_like(a, c->sum, c->sum->u.red.nvars, c->sum->u.red.vars,
                                    fv_x_bin(a, FV_X_MUL, x, c->b));
    fv_expr *more = flips ? correction(l, d, c, small_element(c->b)) : NULL;
    FV_HOLDS(l->session, more || !flips);
    replaced r = {c->sum, more ? fv_x_bin(a, FV_X_ADD, sum, more) : sum};
    fv_x_rewriter w = {.arena = a, .before = replace_sum, .user = &r};
    fv_definition *now = FV_NEW(a, fv_definition, 1);
    *now = *d;
    now->body = fv_x_rewrite(&w, d->body);
    return now;
}

/* The sums of the rows along all steps, which a kernel computes. */
static fv_expr *sums_of_rows(fv_lowerer *l, fv_op *op, const fv_definition *d,
                             const fv_contraction *c) {
    fv_arena *a = l->exprs;
    fv_var *axis[FV_MAX_RANK];
    fv_expr *at[FV_MAX_RANK];
    int n = 0;
    for (int i = 0; i < d->rank; i++)
        add_axis(a, c->a, d->index[i], &n, axis, at);
    fv_expr *sum = fv_x_reduce_like(a, c->sum, c->sum->u.red.nvars, c->sum->u.red.vars, c->a);
    fv_value *v = fv_precompute(l, op, d, "sums", n, axis, sum);
    return fv_x_load(a, fv_value_buf(a, v), at);
}

const fv_definition *fv_correct_sums(fv_lowerer *l, fv_op *op, const fv_definition *d,
                                     const fv_contraction *c) {
    enum { HALF = 128 };
    fv_arena *a = l->exprs;
    if (!c->dot.flips)
        return d;
    /* bytes x of the columns are stored as x - 128 if they are unsigned, otherwise as x + 128 */
    bool less = small_element(c->b)->type.elem == FV_U8;
    fv_expr *by = fv_x_const_int(a, FV_I32, less ? HALF : -HALF);
    fv_expr *more = fv_x_bin(a, FV_X_MUL, sums_of_rows(l, op, d, c), by);
    replaced r = {c->sum, fv_x_bin(a, FV_X_ADD, c->sum, more)};
    fv_x_rewriter w = {.arena = a, .before = replace_sum, .user = &r};
    fv_definition *now = FV_NEW(a, fv_definition, 1);
    *now = *d;
    now->body = fv_x_rewrite(&w, d->body);
    return now;
}

/* ---- columns ---- */

/* `sum` with its variable dot->k, along which words are formed, as the last variable. */
static fv_expr *with_words_last(fv_lowerer *l, const fv_dot *dot, const fv_expr *sum) {
    fv_var *vars[FV_MAX_RANK];
    int n = 0;
    for (int i = 0; i < sum->u.red.nvars; i++)
        if (sum->u.red.vars[i] != dot->k)
            vars[n++] = sum->u.red.vars[i];
    vars[n++] = (fv_var *)dot->k;
    return fv_x_reduce_like(l->exprs, sum, n, vars, sum->arg[0]);
}

/* A sum of `body` over the variables of `sum`, the last of which is replaced by `last`, followed by
 * `part` unless that is NULL. */
static fv_expr *over_words(fv_lowerer *l, const fv_expr *sum, fv_var *last, fv_var *part,
                           fv_expr *body) {
    fv_var *vars[FV_MAX_RANK + 1];
    int n = sum->u.red.nvars;
    for (int i = 0; i < n - 1; i++)
        vars[i] = sum->u.red.vars[i];
    vars[n - 1] = last;
    if (part)
        vars[n++] = part;
    return fv_x_reduce_like(l->exprs, sum, n, vars, body);
}

/* The number of a word of the rows: the number of the word of the columns, or, if that has several
 * parts, the number of the part among the parts of all words. */
static fv_expr *number_of_word(fv_lowerer *l, const fv_contraction *c) {
    fv_arena *a = l->exprs;
    const fv_panel_words *w = &c->panels.words;
    fv_expr *q = fv_x_var(a, w->number);
    if (!w->part)
        return q;
    return fv_x_bin(a, FV_X_ADD, fv_x_bin(a, FV_X_MUL, q, fv_x_int(a, c->dot.parts)),
                    fv_x_var(a, w->part));
}

static fv_expr *word_of_rows(fv_lowerer *l, const fv_contraction *c) {
    fv_arena *a = l->exprs;
    fv_expr *x = small_element(c->a), *at[FV_MAX_RANK];
    fv_var *k = (fv_var *)c->dot.k;
    fv_expr *first = fv_x_bin(a, FV_X_MUL, number_of_word(l, c), fv_x_int(a, c->dot.group));
    const fv_expr *made = fv_word_with(x, k);
    if (made)
        return fv_x_replace_vars(a, (fv_expr *)made, 1, &k, &first);
    for (int i = 0; i < x->u.buf->rank; i++)
        at[i] = fv_x_replace_vars(a, x->arg[i], 1, &k, &first);
    fv_expr *word = fv_x_load_n(a, x->u.buf, at, c->dot.group);
    return c->dot.group == FV_DOT16 ? word : fv_x_cast(a, FV_X_BITCAST, FV_I32, word);
}

/* The word whose bytes, or i16 if it is wide, are numbers of `bits` bits: the bits above those that
 * are negative as signed numbers are set. From a sign bit s, these bits are (s << n) - (s << 1),
 * where s << n is the lowest bit of the next byte or i16. */
static fv_expr *sign_extended(fv_arena *a, fv_expr *word, int bits, bool wide) {
    const int64_t sign = ((int64_t)1 << (bits - 1)) * (wide ? 0x00010001 : 0x01010101);
    fv_expr *s = fv_x_bin(a, FV_X_AND, word, fv_x_const_int(a, FV_I32, (int32_t)sign));
    fv_expr *next = fv_x_const_int(a, FV_I32, (wide ? 16 : 8) - bits + 1);
    fv_expr *above = fv_x_bin(a, FV_X_SUB, fv_x_bin(a, FV_X_SHL, s, next),
                              fv_x_bin(a, FV_X_SHL, s, fv_x_const_int(a, FV_I32, 1)));
    return fv_x_bin(a, FV_X_OR, word, above);
}

/* The word of the columns as an i32, or a vector of 16 bytes; of a word with several parts, one
 * part as bytes or i16. Words that are packed in the run are i32. */
static fv_expr *word_of_columns(fv_lowerer *l, const fv_contraction *c) {
    fv_arena *a = l->exprs;
    if (c->dot.group == FV_DOT16 || c->dot.packs)
        return c->panels.load;
    bool wide = c->dot.op == FV_X_DOT_I16_I16;
    fv_expr *x = wide ? fv_x_convert(a, FV_I16, c->panels.load) : c->panels.load;
    fv_expr *word = fv_x_cast(a, FV_X_BITCAST, FV_I32, x);
    if (!c->panels.words.part)
        return word;
    const int bits = 8 / c->dot.parts, mask = (1 << bits) - 1;
    fv_expr *shift = fv_x_bin(a, FV_X_MUL, fv_x_var(a, c->panels.words.part), fv_x_int(a, bits));
    word = fv_x_bin(a, FV_X_SHR, word, fv_x_convert(a, FV_I32, shift));
    word = fv_x_bin(a, FV_X_AND, word,
                    fv_x_const_int(a, FV_I32, mask * (wide ? 0x00010001 : 0x01010101)));
    return c->dot.extends ? sign_extended(a, word, bits, wide) : word;
}

/* The scales of blocks and columns that are stored after the words of their block, since a
 * processor with caches reads one stream of memory faster than two. A word has as many bytes as a
 * scale, so the scales are one more row of the block. NULL: there are none. */
static const fv_expr *scales_after_words(fv_lowerer *l, const fv_definition *d,
                                         const fv_contraction *c, const fv_expr *steps) {
    const fv_expr *blocks = c->blocks.sum, *x;
    if (!blocks || blocks->u.red.nvars != 1 || steps->u.red.nvars != 2 ||
        c->dot.group != sizeof(float) || !fv_is_vector_processor(l->target))
        return NULL;
    for (fv_x_visitor v = fv_x_visit(l->exprs, c->blocks.term); (x = fv_x_next(&v));) {
        if (x->op == FV_X_REDUCE)
            fv_x_skip(&v);
        else if (x->op == FV_X_LOAD && x->type.elem == FV_F32 && fv_x_is_constant(x) &&
                 fv_x_uses(x, d->index[c->column]) && fv_x_uses(x, blocks->u.red.vars[0]))
            return x;
    }
    return NULL;
}

void fv_place_dot(fv_lowerer *l, fv_op *op, const fv_definition *d, fv_contraction *c, int nr) {
    fv_arena *a = l->exprs;
    fv_var *k = (fv_var *)c->dot.k;
    fv_expr *sum = with_words_last(l, &c->dot, c->sum),
            *steps = with_words_last(l, &c->dot, fv_all_steps(c));
    int64_t parts = c->dot.parts;
    const fv_dim *words = fv_dim_const(l->module->dims, fv_words_of(k, c->dot.group * (int)parts));
    fv_panel_words w = {.group = c->dot.group,
                        .k = k,
                        .number = fv_index_var(a, k->name, words),
                        .wide = c->dot.op == FV_X_DOT_I16_I16,
                        .flips = c->dot.flips,
                        .scale = scales_after_words(l, d, c, steps)};
    if (parts > 1)
        w.part = fv_index_var(a, "part", fv_dim_const(l->module->dims, parts));
    fv_expr *columns = small_element(c->b);
    c->panels.words = w;
    if (c->dot.dense) {
        fv_dense copy;
        bool again = copy_columns(l, d, c, &c->dot, w.number, &copy);
        FV_HOLDS(l->session, again);
        fv_value *v = fv_place_copy(l, op, d, "words", &copy);
        c->b = c->factors[0] = fv_x_load(a, fv_value_buf(a, v), copy.at);
    } else {
        fv_make_panels(l, op, d, steps, 1, &columns, c->column, nr, &c->panels);
        c->b = c->factors[0] = word_of_columns(l, c);
    }
    c->a = word_of_rows(l, c);
    fv_expr *product = c->dot.group == FV_DOT16
                           ? fv_x_dot16(a, c->dot.op, c->a, c->b, fv_x_const_int(a, FV_I32, 0))
                           : fv_x_bin(a, FV_X_MUL, c->a, c->b);
    if (c->blocks.sum)
        c->blocks.steps = over_words(l, steps, w.number, NULL, product);
    c->sum = over_words(l, sum, w.number, w.part, product);
}
