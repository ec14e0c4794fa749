/* place_dot.c - the factors of a contraction as words, whose products are summed by a dot product
 * (dot.h): copies of the rows, panels or a copy of the columns, and the sum over words. */
#include "backend/schedule/contract/place_dot.h"

#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "backend/schedule/contract/contraction.h"
#include "backend/schedule/contract/lay_out.h"
#include "backend/schedule/contract/words.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/base/divisor.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

static bool is_small(fv_elem e) {
    return e == FV_U8 || e == FV_I8 || e == FV_I16 || e == FV_BF16;
}

fv_expr *fv_small_element(fv_expr *factor) {
    bool is = factor->op == FV_X_CONVERT && is_small((fv_elem)factor->arg[0]->type.elem);
    return is ? factor->arg[0] : NULL;
}

/* ---- words of several steps ---- */

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

bool fv_copy_columns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                     const fv_dot *dot, fv_var *number, fv_dense *copy) {
    fv_arena *a = l->exprs;
    fv_expr *columns = fv_small_element(c->b);
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
    fv_expr *rows = fv_small_element(c->a);
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
    fv_expr *more = flips ? correction(l, d, c, fv_small_element(c->b)) : NULL;
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
    bool less = fv_small_element(c->b)->type.elem == FV_U8;
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
    fv_expr *x = fv_small_element(c->a), *at[FV_MAX_RANK];
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
    fv_expr *columns = fv_small_element(c->b);
    c->panels.words = w;
    if (c->dot.dense) {
        fv_dense copy;
        bool again = fv_copy_columns(l, d, c, &c->dot, w.number, &copy);
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
