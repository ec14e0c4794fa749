/* panels.c - packs operands of contractions in the order in which their kernel reads them.
 *
 * The factor b[.., k, j] with the columns becomes panels of `width` columns,
 *     layout .., k, j: .. j/width k j%width       0 after the last column
 * so that a register tile reads one panel from the first to the last element. One layout serves all
 * numbers of rows. Panels of constants are made here and replace the constant, or several constants
 * that are adjacent along the columns; other panels are made by a kernel at run time. If one tile
 * reads several factors, a panel has `width` columns of each, one after the other, for every k.
 *
 * A factor that is computed from constants, such as a dequantized weight, remains an expression:
 * each constant that depends on the column is laid out in its stored type, and the tile computes
 * the expression from these panels as it reads them.
 *     f32(i32(q[k, j]) - i32(z[k floordiv 32, j])) * s[k floordiv 32, j]
 *     q: layout k, j: j/16 k/2 j%16 k%2 bits 4        two steps of k in a byte
 *     z, s: layout k, j: j/16 k/32 j%16 k%32 stride 0
 * Two steps of a factor of bf16 share a word of 32 bits in the same way: a shift or a mask makes an
 * f32 of each half.
 *     w[k, j]: bf16  =>  layout k, j: j/16 k/2 j%16 k%2 bits 16
 * So no dequantized weight is written at run time. This is done if these panels have fewer bytes
 * than the factor; otherwise a kernel computes panels of it.
 *
 * Scales of a sum over blocks of words (dot.h) are stored after the words of their block, in a row
 * of their own, so that memory is read in one stream: in 4 bits, with blocks of 32 steps,
 *     w: layout b, k, j: j/32 b stride 1280 k/8 j%32 k%8 bits 4       640 bytes, 512 of them words
 *     s: layout b, k, j: j/32 b stride 160 j%32 k stride 0 bits 32    from byte 512 on */
#include "backend/schedule/contract/panels.h"

#include <string.h>

#include "backend/axes/products.h"
#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "backend/schedule/contract/lay_out.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* ---- the layout of one constant ---- */

/* The axes of a factor: outer axes, those of the sum, and the column. */
typedef struct axes {
    int nouter, nk;
    fv_var *outer[FV_MAX_RANK], *k[FV_MAX_RANK];
    const fv_var *column;
    int width, nfactors;
    const fv_panel_words *words; /* NULL: there are none */
    bool whole_bytes;            /* whether elements of less than a byte take a byte each */
    bool pairs;                  /* whether two steps of bf16 share a word of 32 bits */
    /* elements of the constant from block to block along the first axis of the sum, if words and
     * scales of a block share memory; 0: there are no gaps between blocks */
    int64_t block_stride;
} axes;

/* How x depends on v: 0: not at all; n > 1: only as v floordiv n; 1: in another way. */
static int64_t block_of(const fv_expr *x, const fv_var *v) {
    int64_t block = 0, n;
    if (!fv_x_uses(x, v))
        return 0;
    if (x->op == FV_X_FLOORDIV && x->arg[0]->op == FV_X_VAR && fv_x_is_int(x->arg[1], &n) && n > 1)
        return n;
    for (int i = 0; i < x->n; i++) {
        int64_t of = block_of(x->arg[i], v);
        block = !of || of == block ? block : !block ? of : 1;
    }
    return x->op == FV_X_VAR ? 1 : block;
}

/* The integer of which an element of type e takes a part; e itself: it takes all bits of an
 * element in memory. */
static fv_elem shared_integer(const axes *x, fv_elem e) {
    return fv_elem_is_packed(e) ? FV_U8 : e == FV_BF16 && x->pairs ? FV_U32 : e;
}

/* The number of elements along the sum's last axis that share such an integer. */
static int steps_in_integer(const axes *x, fv_elem e) {
    return fv_elem_bits(shared_integer(x, e)) / fv_elem_bits(e);
}

/* The number of consecutive steps of a sum that are adjacent in memory, in a byte or in a word. */
static int steps_together(const axes *x, fv_elem e) {
    return (x->words ? x->words->group : 1) * steps_in_integer(x, e);
}

/* The number of elements of type e in a row of a panel: one element or word of each column. */
static int64_t elements_of_row(const axes *x, fv_elem e) {
    return (int64_t)x->width * steps_together(x, e);
}

/* A constant in the layout of panels. outer, k: for each axis of the factor, the number of
 * consecutive indices with one value; 0: the constant does not depend on the axis. */
typedef struct stored {
    fv_laid_out laid;
    fv_layout_vars vars;
    /* variables that count blocks along axes of the sum; NULL: the variable of the axis itself is
     * used */
    fv_var *block_var[FV_MAX_RANK];
    int64_t outer[FV_MAX_RANK], k[FV_MAX_RANK];
    int rank;                   /* rank of the constant as it is stored */
    fv_var *index[FV_MAX_RANK]; /* variables of the constant's axes */
    fv_expr *at[FV_MAX_RANK];   /* the index of an element, over the variables of the factor */
    /* the axis of panels; the axis of k of which a byte or word has several steps, or -1 */
    int panel, packed_k;
} stored;

static const char *numbered(fv_arena *a, const char *name, int i) {
    return i ? fv_printf(a, "%s%d", name, i) : name;
}

/* Sets the axes of the layout, and the variable of each; false: an extent is not known. */
static bool set_axes(fv_lowerer *l, const axes *x, stored *s) {
    fv_layout *o = &s->laid.layout;
    bool known = true;
    for (int i = 0; i < x->nouter; i++) {
        known &= fv_dim_is_const(x->outer[i]->dim);
        s->vars.var[o->rank] = x->outer[i];
        s->vars.block[o->rank] = 1;
        fv_layout_add_axis(o, numbered(l->arena, "i", i), x->outer[i]->dim->value);
    }
    for (int i = 0; i < x->nk; i++) {
        known &= fv_dim_is_const(x->k[i]->dim);
        s->vars.var[o->rank] = s->block_var[i] ? s->block_var[i] : x->k[i];
        s->vars.block[o->rank] = s->k[i] > 1 ? s->k[i] : 1;
        fv_layout_add_axis(o, numbered(l->arena, "k", i), x->k[i]->dim->value);
    }
    if (x->nfactors > 1) {
        s->vars.block[o->rank] = 1;
        fv_layout_add_axis(o, "f", x->nfactors);
    }
    s->vars.column = o->rank;
    s->vars.var[o->rank] = x->column;
    s->vars.block[o->rank] = 1;
    fv_layout_add_axis(o, "j", x->column->dim->value);
    return known && fv_dim_is_const(x->column->dim);
}

static void add_level(stored *s, int axis, int64_t divisor, int64_t modulus, bool matters) {
    fv_layout_add_level(&s->laid.layout, axis, divisor, modulus, matters ? FV_STRIDE_PACKED : 0);
}

/* Adds the levels of words each byte of which has `parts` steps of the sum: each of these steps is
 * of another group of consecutive steps, so that a shift of the word gives the elements of a group
 * in bytes. In 4 bits and groups of 4, step 0 shares a byte with step 4. */
static void add_parts(const axes *x, stored *s, int parts) {
    fv_layout *l = &s->laid.layout;
    const int k = x->nouter + s->packed_k, group = x->words->group, all = group * parts;
    fv_layout_add_level(l, s->vars.column, 1, x->width, all);
    fv_layout_add_level(l, k, group, all, 1);
    fv_layout_add_level(l, k, 1, group, parts);
}

/* Sets the levels of the layout: outer axes, j/width, k, factor, j%width, k within a byte; then
 * axes that do not matter. False: a stride is too large. */
static bool set_levels(const axes *x, stored *s) {
    const int column = s->vars.column, first_k = x->nouter, per = steps_together(x, s->laid.elem);
    for (int i = 0; i < x->nouter; i++)
        if (s->outer[i])
            add_level(s, i, 1, 0, true);
    add_level(s, column, x->width, 0, true);
    for (int i = 0; i < x->nk; i++)
        if (s->k[i])
            fv_layout_add_level(&s->laid.layout, first_k + i, i == s->packed_k ? per : s->k[i], 0,
                                i == 0 && x->block_stride ? x->block_stride : FV_STRIDE_PACKED);
    if (x->nfactors > 1)
        add_level(s, column - 1, 1, 0, true);
    const int parts = x->words ? steps_in_integer(x, s->laid.elem) : 1;
    if (parts > 1) {
        add_parts(x, s, parts);
    } else {
        add_level(s, column, 1, x->width, true);
        if (s->packed_k >= 0)
            add_level(s, first_k + s->packed_k, 1, per, true);
    }
    for (int i = 0; i < x->nouter; i++)
        if (!s->outer[i])
            add_level(s, i, 1, 0, false);
    for (int i = 0; i < x->nk; i++) {
        if (s->k[i] != 1)
            add_level(s, first_k + i, 1, s->k[i], false);
    }
    /* if no axis of k has several steps in a byte or word, each element has bytes of its own */
    s->laid.layout.bits = s->packed_k >= 0 && (!x->words || parts > 1)
                              ? fv_elem_bits(s->laid.elem)
                              : 8 * fv_elem_storage_bytes(s->laid.elem);
    return fv_layout_pack(&s->laid.layout);
}

/* Adds an axis to the constant: its variable v, and `at`, the index of an element along it. */
static void add_index(stored *s, fv_var *v, fv_expr *at) {
    s->index[s->rank] = v;
    s->at[s->rank++] = at;
}

/* The number of words of a block for each column. */
static int64_t words_of(const fv_panel_words *w) {
    return w->number->dim->value;
}

/* Rows of a block in panels of words: the words with the same number, one of each column, and the
 * scales. */
static int64_t rows_of_block(const fv_panel_words *w) {
    return words_of(w) + (w->scale ? 1 : 0);
}

/* Adds the axes of words: the rows of a block, and the elements of the words of a panel's
 * columns. */
static void add_words(fv_lowerer *l, const axes *x, stored *s, fv_var *c) {
    fv_arena *a = l->exprs;
    fv_dims *t = l->module->dims;
    fv_var *number = x->words->number;
    const fv_dim *n = fv_dim_const(t, (int64_t)x->width * x->words->group);
    fv_var *rows = x->words->scale
                       ? fv_index_var(a, number->name, fv_dim_const(t, rows_of_block(x->words)))
                       : number;
    add_index(s, rows, fv_x_var(a, number));
    add_index(s, fv_index_var(a, c->name, n),
              fv_x_bin(a, FV_X_MUL, fv_x_var(a, c), fv_x_int(a, x->words->group)));
}

static void set_index(fv_lowerer *l, const axes *x, stored *s, fv_var *panel, fv_var *c) {
    fv_arena *a = l->exprs;
    fv_dims *t = l->module->dims;
    for (int i = 0; i < x->nouter; i++)
        if (s->outer[i])
            add_index(s, x->outer[i], fv_x_var(a, x->outer[i]));
    s->panel = s->rank;
    add_index(s, panel, fv_x_var(a, panel));
    for (int i = 0; i < x->nk - (x->words != NULL); i++) {
        int64_t block = i == s->packed_k ? steps_in_integer(x, s->laid.elem) : s->k[i];
        const fv_dim *n = fv_dim_const(t, block);
        fv_expr *k = fv_x_var(a, x->k[i]);
        if (block == 1)
            add_index(s, x->k[i], k);
        else if (block)
            add_index(s, fv_index_var(a, x->k[i]->name, fv_dim_ceildiv(t, x->k[i]->dim, n)),
                      fv_x_bin(a, FV_X_FLOORDIV, k, fv_x_int(a, block)));
    }
    if (x->words)
        add_words(l, x, s, c);
    else
        add_index(s, c, fv_x_var(a, c));
}

/* ---- constants as they are stored ---- */

typedef struct blocks {
    const axes *x;
    stored *s;
} blocks;

static fv_expr *over_blocks(fv_x_rewriter *r, fv_expr *x) {
    const blocks *b = r->user;
    if (x->op != FV_X_FLOORDIV || x->arg[0]->op != FV_X_VAR)
        return NULL;
    for (int i = 0; i < b->x->nk; i++)
        if (b->s->block_var[i] && x->arg[0]->u.var == b->x->k[i])
            return fv_x_var(r->arena, b->s->block_var[i]);
    return NULL;
}

/* Describes in *s the layout of the constants that `loads` read. `whole`: the loads are the
 * factors, and have all axes. False: something else than constants is loaded, an index is not
 * affine, an extent is not known, the constants have different types, or there are too many
 * axes. */
static bool store(fv_lowerer *l, const axes *x, fv_expr *const *loads, bool whole, stored *s) {
    fv_dims *t = l->module->dims;
    memset(s, 0, sizeof *s);
    s->laid.elem = (fv_elem)loads[0]->type.elem;
    s->packed_k = -1;
    for (int i = 0; i < x->nouter; i++)
        s->outer[i] = whole ? 1 : block_of(loads[0], x->outer[i]) > 0;
    for (int i = 0; i < x->nk; i++) {
        s->k[i] = whole ? 1 : block_of(loads[0], x->k[i]);
        if (s->k[i] == 1 && steps_in_integer(x, s->laid.elem) > 1 && !x->whole_bytes)
            s->packed_k = i;
        if (s->k[i] > 1)
            s->block_var[i] = fv_index_var(
                l->exprs, "k", fv_dim_ceildiv(t, x->k[i]->dim, fv_dim_const(t, s->k[i])));
    }
    s->packed_k = x->words ? x->nk - 1 : s->packed_k;
    bool known =
        x->nk > 0 && x->nouter + x->nk + 2 <= FV_MAX_RANK && set_axes(l, x, s) && set_levels(x, s);
    for (int i = 0; i < x->nfactors && known; i++) {
        fv_x_rewriter w = {.arena = l->exprs,
                           .memo = fv_ptrmap_in(l->current.scratch),
                           .before = over_blocks,
                           .user = &(blocks){x, s}};
        known = fv_lay_out_add(l, &s->laid, &s->vars, fv_x_rewrite(&w, loads[i]),
                               x->nfactors > 1 ? s->vars.column - 1 : -1, i);
    }
    s->laid.stored = shared_integer(x, s->laid.elem);
    return known;
}

/* The value of the laid-out constant, which is made if necessary; NULL: it is too large. */
static fv_value *made(fv_lowerer *l, const stored *s, const char *name) {
    fv_laid_out *laid = fv_laid_out_find(l, &s->laid);
    if (laid->value)
        return laid->value;
    fv_value *v =
        fv_new_value(l, fv_printf(l->exprs, "%s.panels", name), s->laid.stored, s->rank, s->index);
    return fv_lay_out_make(l, laid, v) ? v : NULL;
}

/* The element of the constant: the load, or, for elements that share an integer, its bits within
 * that integer. */
static fv_expr *element_of(fv_lowerer *l, const axes *x, const stored *s, fv_expr *load) {
    fv_arena *a = l->exprs;
    const int per = steps_in_integer(x, s->laid.elem), bits = fv_elem_bits(s->laid.elem);
    const fv_elem all = shared_integer(x, s->laid.elem);
    if (per == 1)
        return load;
    if (s->packed_k >= 0) {
        fv_expr *k = fv_x_bin(a, FV_X_FLOORMOD, fv_x_var(a, x->k[s->packed_k]), fv_x_int(a, per));
        fv_expr *shift = fv_x_convert(a, all, fv_x_bin(a, FV_X_MUL, k, fv_x_int(a, bits)));
        load = fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_SHR, load, shift),
                        fv_x_const_int(a, all, (1 << bits) - 1));
    }
    if (all == FV_U32)
        load = fv_x_convert(a, FV_U16, load);
    return fv_x_cast(a, FV_X_BITCAST, s->laid.elem, load);
}

/* ---- panels that a kernel makes ---- */

/* Column `at` of a panel of x; 0 after the last column, and where the condition `here` does not
 * hold (NULL: it always holds). */
static fv_expr *column_of_panel(fv_lowerer *l, fv_expr *x, const fv_panels *p, fv_var *column,
                                fv_expr *at, fv_expr *here) {
    fv_arena *a = l->exprs;
    fv_expr *j =
        fv_x_bin(a, FV_X_ADD,
                 fv_x_bin(a, FV_X_MUL, fv_x_var(a, p->index[p->panel]), fv_x_int(a, p->width)), at);
    x = fv_x_replace_vars(a, x, 1, &column, &j);
    fv_expr *inside = here;
    if (!fv_dim_is_const(column->dim) || column->dim->value % p->width) {
        inside = fv_x_bin(a, FV_X_LT, j, fv_x_dim(a, column->dim));
        inside = here ? fv_x_bin(a, FV_X_AND, here, inside) : inside;
    }
    if (!inside)
        return x;
    fv_expr *guarded = fv_x_guard_all(a, x, inside);
    if (x->op == FV_X_LOAD)
        return guarded;
    return fv_x_select(a, inside, guarded, fv_x_zero(a, (fv_elem)x->type.elem));
}

/* An element of the panels, as an expression over their indices. */
static fv_expr *element_of_panel(fv_lowerer *l, int n, fv_expr *const *x, const fv_panels *p,
                                 fv_var *column, int rank) {
    fv_arena *a = l->exprs;
    fv_expr *c = fv_x_var(a, p->index[rank - 1]), *y = NULL;
    if (n == 1)
        return column_of_panel(l, x[0], p, column, c, NULL);
    for (int i = n; i-- > 0;) { /* the factor whose columns begin at i * width */
        fv_expr *first = fv_x_int(a, (int64_t)i * p->width),
                *end = fv_x_int(a, (int64_t)(i + 1) * p->width);
        fv_expr *here =
            fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, first, c), fv_x_bin(a, FV_X_LT, c, end));
        fv_expr *own = column_of_panel(l, x[i], p, column, fv_x_bin(a, FV_X_SUB, c, first), here);
        y = y ? fv_x_select(a, here, own, y) : own;
    }
    return y;
}

/* A word of the panels that x, a load whose steps are consecutive, has in memory; NULL: it has
 * none. After the last column it is the word of the last one, which nothing reads. */
static fv_expr *word_in_memory(fv_lowerer *l, fv_expr *x, const fv_panels *p, fv_var *column,
                               fv_expr *j) {
    fv_arena *a = l->exprs;
    const fv_panel_words *w = &p->words;
    fv_expr *to[2], *at[FV_MAX_RANK];
    const int bytes = fv_elem_storage_bytes((fv_elem)x->type.elem);
    if (x->op != FV_X_LOAD || fv_x_stride(x, w->k) != 1 || fv_x_stride(x, column) > 0 ||
        w->k->dim->value % w->group || bytes * w->group > (int)sizeof(int32_t) || !fv_x_is_plain(x))
        return NULL;
    to[0] = fv_x_bin(a, FV_X_MUL, fv_x_var(a, w->number), fv_x_int(a, w->group));
    to[1] =
        fv_x_bin(a, FV_X_MIN, j, fv_x_bin(a, FV_X_SUB, fv_x_dim(a, column->dim), fv_x_int(a, 1)));
    for (int i = 0; i < x->u.buf->rank; i++)
        at[i] = fv_x_replace_vars(a, x->arg[i], 2, (fv_var *[]){(fv_var *)w->k, column}, to);
    fv_expr *all = fv_x_load_n(a, x->u.buf, at, w->group);
    return fv_x_cast(a, FV_X_BITCAST, FV_I32, w->wide ? fv_x_convert(a, FV_I16, all) : all);
}

/* A word of the panels: the `group` steps of the sum from number * group on, the first one in the
 * low bits, as i16 or as bytes; 0 after the last step. */
static fv_expr *word_of_panel(fv_lowerer *l, fv_expr *x, const fv_panels *p, fv_var *column,
                              int rank) {
    fv_arena *a = l->exprs;
    const fv_panel_words *w = &p->words;
    const int bits = 32 / w->group;
    const fv_elem as = w->wide ? FV_U16 : FV_U8;
    fv_expr *c = fv_x_var(a, p->index[rank - 1]), *first = fv_x_var(a, p->panel_index);
    first = fv_x_bin(a, FV_X_MUL, first, fv_x_int(a, p->width));
    fv_expr *word = word_in_memory(l, x, p, column, fv_x_bin(a, FV_X_ADD, first, c));
    for (int i = 0, n = word ? 0 : w->group; i < n; i++) {
        fv_expr *k = fv_x_bin(a, FV_X_MUL, fv_x_var(a, w->number), fv_x_int(a, w->group));
        k = fv_x_bin(a, FV_X_ADD, k, fv_x_int(a, i));
        fv_expr *one = fv_x_replace_vars(a, x, 1, (fv_var **)&w->k, &k),
                *here = w->k->dim->value % w->group
                            ? fv_x_bin(a, FV_X_LT, k, fv_x_dim(a, w->k->dim))
                            : NULL;
        one = column_of_panel(l, one, p, column, c, here);
        one = fv_x_cast(a, FV_X_BITCAST, as, w->wide ? fv_x_convert(a, FV_I16, one) : one);
        one = fv_x_bin(a, FV_X_SHL, fv_x_convert(a, FV_I32, one),
                       fv_x_const_int(a, FV_I32, (int64_t)i * bits));
        word = word ? fv_x_bin(a, FV_X_OR, word, one) : one;
    }
    return w->flips ? fv_x_bin(a, FV_X_XOR, word, fv_x_const_int(a, FV_I32, (int32_t)0x80808080))
                    : word;
}

bool fv_panels_fit(const fv_definition *d, const fv_expr *sum) {
    return d->rank + sum->u.red.nvars + 1 <= FV_MAX_RANK;
}

/* Sets x[0] to x[n - 1] to the expressions that are stored in panels: the factors without
 * conversions, if these all have the same type, or else the factors. */
static void stored_factors(int n, fv_expr *const *factors, fv_expr **x) {
    bool same = true;
    for (int i = 0; i < n; i++) {
        x[i] = (fv_expr *)fv_x_stored(factors[i]);
        same &= x[i]->type.elem == x[0]->type.elem;
    }
    for (int i = 0; i < n && !same; i++)
        x[i] = factors[i];
}

/* ---- factors that are computed from constants ---- */

typedef struct keeping {
    fv_lowerer *l;
    const axes *x;
    const fv_definition *d; /* NULL: it is only examined whether panels can be made */
    fv_panels *p;           /* the panels */
    double bytes;           /* of all constants that are stored in panels */
    double most;            /* elements of the constant with the most elements */
    bool failed;
} keeping;

static double elements_of(const stored *s) {
    double n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= (double)s->index[i]->dim->value;
    return n;
}

static const fv_layout *layout_of(fv_lowerer *l, const stored *s) {
    return &fv_laid_out_find(l, &s->laid)->layout;
}

/* Uses the panels of the constant with the most elements for prefetching: these are the weights,
 * and not their scales, even if a scale of a few weights takes more bytes than they do. */
static void use_panels(keeping *k, const stored *s, fv_value *v, fv_expr *load) {
    fv_panels *p = k->p;
    const int steps = s->packed_k >= 0 ? steps_in_integer(k->x, s->laid.elem) : 1;
    const double elements = elements_of(s) * steps;
    if (elements <= k->most)
        return;
    k->most = elements;
    p->value = v;
    p->layout = layout_of(k->l, s);
    p->load = load;
    p->panel = s->panel;
    p->steps = steps;
    p->has_steps = s->rank - s->panel - 2 == k->x->nk;
}

/* Replaces the load of a constant by a load of its panels. */
static fv_expr *keep_load(keeping *k, fv_expr *load) {
    fv_lowerer *l = k->l;
    stored s;
    if (!store(l, k->x, &load, false, &s)) {
        k->failed = true;
        return load;
    }
    set_index(l, k->x, &s, k->p->panel_index, k->p->column);
    double bytes = elements_of(&s) * fv_elem_storage_bytes(s.laid.elem);
    k->bytes += bytes;
    if (!k->d)
        return load;
    fv_value *v = made(l, &s, ((const fv_value *)load->u.buf->value)->name);
    k->failed |= !v;
    if (!v)
        return load;
    fv_expr *x = fv_x_load(l->exprs, fv_value_buf(l->exprs, v), s.at);
    use_panels(k, &s, v, x);
    return element_of(l, k->x, &s, x);
}

static fv_expr *keep(fv_x_rewriter *r, fv_expr *x) {
    keeping *k = r->user;
    if (x->op != FV_X_LOAD && x->op != FV_X_GUARD)
        return NULL;
    const fv_value *v = x->u.buf->value;
    k->failed |= x->op != FV_X_LOAD || !v || v->kind != FV_VALUE_CONST;
    for (int i = 0; i < x->u.buf->rank; i++)
        k->failed |= fv_x_has_load(x->arg[i]);
    if (k->failed || !fv_x_uses(x, k->x->column))
        return x;
    return keep_load(k, x);
}

/* Is e an integer type that has all values of the integer type `small`? */
static bool has_values_of(fv_elem e, fv_elem small) {
    int more = fv_elem_bits(e) - fv_elem_bits(small);
    return e == small ||
           (fv_elem_is_int(e) && more > 0 && (fv_elem_is_signed(e) || !fv_elem_is_signed(small)));
}

/* The integer of less than a byte, shifted out of a byte, that x is converted from without changing
 * its value; NULL: x is something else. */
static const fv_expr *shifted_out(const fv_expr *x) {
    const fv_expr *small = x;
    while (small->op == FV_X_CONVERT)
        small = small->arg[0];
    const fv_elem e = (fv_elem)small->type.elem;
    bool is = small->op == FV_X_BITCAST && fv_elem_is_packed(e) && fv_elem_is_int(e) &&
              small->arg[0]->op == FV_X_AND && small->arg[0]->arg[0]->op == FV_X_SHR;
    for (; is && x != small; x = x->arg[0])
        is = has_values_of((fv_elem)x->type.elem, e);
    return is ? small : NULL;
}

/* Converts an integer of less than a byte to i32 with fewer instructions: i32(bits_u4(b >> 4 & 15))
 * is i32(b) >> 4 & 15, and for i4 it is i32(b) << 24 >> 28. */
static fv_expr *convert_byte(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    fv_arena *a = r->arena;
    bool is = x->op == FV_X_CONVERT && x->type.elem == FV_I32;
    const fv_expr *small = is ? shifted_out(args[0]) : NULL;
    if (!small)
        return NULL;
    const int bits = fv_elem_bits((fv_elem)small->type.elem);
    const fv_expr *shifted = small->arg[0]->arg[0];
    fv_expr *byte = fv_x_convert(a, FV_I32, shifted->arg[0]),
            *shift = fv_x_convert(a, FV_I32, shifted->arg[1]);
    if (!fv_elem_is_signed((fv_elem)small->type.elem))
        return fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_SHR, byte, shift),
                        fv_x_const_int(a, FV_I32, (1 << bits) - 1));
    fv_expr *rest = fv_x_const_int(a, FV_I32, 32 - bits);
    return fv_x_bin(a, FV_X_SHR, fv_x_bin(a, FV_X_SHL, byte, fv_x_bin(a, FV_X_SUB, rest, shift)),
                    rest);
}

/* The factor as an expression over panels of its constants, if these have fewer bytes than the
 * factor; otherwise NULL. d NULL: only checks that, and makes no panels. */
static fv_expr *kept(fv_lowerer *l, const fv_definition *d, const axes *x, fv_expr *factor,
                     fv_panels *p) {
    keeping k = {.l = l, .x = x, .p = p, .d = NULL};
    fv_x_rewriter look = {
        .arena = l->exprs, .memo = fv_ptrmap_in(l->current.scratch), .before = keep, .user = &k};
    double all = fv_elem_storage_bytes((fv_elem)factor->type.elem);
    if (fv_x_has(factor, FV_HAS_REDUCE) || fv_x_is_checked(factor))
        return NULL;
    fv_x_rewrite(&look, factor);
    for (int i = 0; i < x->nouter; i++)
        all *= (double)x->outer[i]->dim->value;
    for (int i = 0; i < x->nk; i++)
        all *= (double)x->k[i]->dim->value;
    all *= (double)x->column->dim->value;
    if (k.failed || k.bytes <= 0 || k.bytes >= all)
        return NULL;
    if (!d)
        return factor;
    k.d = d;
    fv_x_rewriter make = {.arena = l->exprs,
                          .memo = fv_ptrmap_in(l->current.scratch),
                          .before = keep,
                          .after = convert_byte,
                          .user = &k};
    factor = fv_x_rewrite(&make, factor);
    return k.failed ? NULL : factor;
}

/* ---- the factors of a contraction ---- */

/* Creates the variables of the panel and of the column within a panel, which contains the columns
 * of all factors. */
static void set_variables(fv_lowerer *l, const axes *x, fv_panels *p) {
    fv_dims *t = l->module->dims;
    const fv_dim *w = fv_dim_const(t, x->width),
                 *all = fv_dim_const(t, (int64_t)x->width * x->nfactors);
    p->width = x->width;
    p->steps = 1;
    p->panel_index = fv_index_var(l->exprs, "panel", fv_dim_ceildiv(t, x->column->dim, w));
    p->column = fv_index_var(l->exprs, "c", all);
}

static axes axes_of(const fv_definition *d, const fv_expr *sum, int n, fv_expr *const *x,
                    int column, int width) {
    axes a = {.nk = sum->u.red.nvars, .column = d->index[column], .width = width, .nfactors = n};
    for (int i = 0; i < d->rank; i++) {
        bool uses = false;
        for (int k = 0; k < n; k++)
            uses |= fv_x_uses(x[k], d->index[i]);
        if (i != column && uses)
            a.outer[a.nouter++] = d->index[i];
    }
    memcpy(a.k, sum->u.red.vars, (size_t)a.nk * sizeof *a.k);
    return a;
}

bool fv_is_laid_out(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, fv_expr *factor,
                    int column) {
    fv_expr *x = (fv_expr *)fv_x_stored(factor);
    if (fv_x_is_constant(x) || fv_is_joined_constant(x, d->index[column]))
        return true;
    fv_panels p;
    axes a = axes_of(d, sum, 1, &x, column, 1);
    set_variables(l, &a, &p);
    return kept(l, NULL, &a, x, &p) != NULL;
}

/* Are all factors stored as bf16, and is the number of steps even? */
static bool are_pairs(const fv_expr *sum, int n, fv_expr *const *x) {
    const fv_dim *steps = sum->u.red.vars[0]->dim;
    bool are = sum->u.red.nvars == 1 && fv_dim_is_const(steps) && steps->value % 2 == 0;
    for (int i = 0; i < n; i++)
        are &= x[i]->type.elem == FV_BF16;
    return are;
}

/* Defines panels that a kernel makes at run time. */
static void make_in_run(fv_lowerer *l, fv_op *op, const fv_definition *d, const axes *a,
                        fv_expr *const *x, fv_panels *p) {
    fv_expr *at[FV_MAX_RANK];
    int n = 0;
    for (int i = 0; i < a->nouter; i++)
        p->index[n++] = a->outer[i];
    p->panel = n;
    p->index[n++] = p->panel_index;
    for (int i = 0; i < a->nk; i++)
        p->index[n++] = a->words && i == a->nk - 1 ? a->words->number : a->k[i];
    p->index[n++] = p->column;
    for (int i = 0; i < n; i++)
        at[i] = fv_x_var(l->exprs, p->index[i]);
    const char *name = fv_operand_name(x[0], d);
    p->value = fv_new_value(l, fv_printf(l->exprs, "%s.panels", name),
                            a->words ? FV_I32 : (fv_elem)x[0]->type.elem, n, p->index);
    fv_takes(l, p->value, FV_WHY_operand_is_panels, fv_s(fv_printf(l->arena, "'%s'", name)),
             fv_v(d->value));
    fv_expr *element = a->words ? word_of_panel(l, x[0], p, (fv_var *)a->column, n)
                                : element_of_panel(l, a->nfactors, x, p, (fv_var *)a->column, n);
    fv_define_operand(l, op, p->value, p->index, element, d);
    p->made_in_run = p->has_steps = true;
    p->load = fv_x_load(l->exprs, fv_value_buf(l->exprs, p->value), at);
}

/* Describes in *s how the scales of blocks are stored in the gaps between blocks of words, whose
 * axes are `of`. False: they are no constant, or do not depend on the block, the column and the
 * outer axes of the words alone. */
static bool store_scales(fv_lowerer *l, const fv_definition *d, const fv_expr *sum, const axes *of,
                         int column, stored *s) {
    fv_expr *scale = (fv_expr *)of->words->scale;
    axes a = axes_of(d, sum, 1, &scale, column, of->width);
    a.block_stride = rows_of_block(of->words) * elements_of_row(&a, FV_F32);
    bool fits = a.nouter == of->nouter && store(l, &a, &scale, false, s);
    for (int i = 0; i < a.nouter && fits; i++)
        fits = a.outer[i] == of->outer[i] && s->outer[i];
    for (int i = 0; i < a.nk && fits; i++)
        fits = s->k[i] == (i == 0);
    return fits;
}

/* Makes panels of constants that are the whole factors; false: they are not constants, or cannot be
 * laid out. scales NULL: they are not in these panels. */
static bool make_whole(fv_lowerer *l, const fv_definition *d, const axes *a, fv_expr *const *x,
                       const stored *scales, fv_panels *p) {
    stored s;
    if (!store(l, a, x, true, &s))
        return false;
    if (scales) {
        fv_laid_out *within = FV_NEW(l->arena, fv_laid_out, 1);
        *within = scales->laid;
        s.laid.within = within;
        s.laid.within_at = (size_t)words_of(a->words) * (size_t)a->width * sizeof(float);
    }
    set_index(l, a, &s, p->panel_index, p->column);
    fv_value *v = made(l, &s, fv_operand_name(x[0], d));
    if (!v)
        return false;
    p->value = v;
    p->layout = layout_of(l, &s);
    p->panel = s.panel;
    p->has_steps = true;
    p->steps = s.packed_k >= 0 && !a->words ? steps_in_integer(a, s.laid.elem) : 1;
    fv_buf *b = fv_value_buf(l->exprs, v);
    p->load =
        a->words ? fv_x_load_n(l->exprs, b, s.at, a->words->group) : fv_x_load(l->exprs, b, s.at);
    p->x = a->words ? p->load : element_of(l, a, &s, p->load);
    return true;
}

void fv_make_panels(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum,
                    int nfactors, fv_expr *const *factors, int column, int width, fv_panels *p) {
    fv_expr *x[FV_MAX_SUMS] = {0};
    fv_panel_words words = p->words;
    stored scales;
    stored_factors(nfactors, factors, x);
    axes a = axes_of(d, sum, nfactors, x, column, width);
    a.words = words.group ? &words : NULL;
    if (words.scale && !store_scales(l, d, sum, &a, column, &scales))
        words.scale = NULL;
    if (words.scale)
        a.block_stride = rows_of_block(&words) * elements_of_row(&a, (fv_elem)x[0]->type.elem);
    a.pairs = !a.words && are_pairs(sum, nfactors, x);
    memset(p, 0, sizeof *p);
    p->words = words;
    p->pairs = a.pairs;
    set_variables(l, &a, p);
    bool whole = make_whole(l, d, &a, x, words.scale ? &scales : NULL, p);
    if (!whole) {
        words.scale = p->words.scale = NULL;
        p->x = nfactors == 1 && !a.words ? kept(l, d, &a, x[0], p) : NULL;
        if (!p->x) {
            make_in_run(l, op, d, &a, x, p);
            p->x = p->load;
            p->pairs = false;
        }
    }
    p->computed = p->x != p->load;
    if (a.words)
        return;
    p->x = fv_x_as_stored(l->exprs, factors[0], x[0], p->x);
}

/* ---- scales of blocks ---- */

typedef struct scaling {
    fv_lowerer *l;
    const fv_definition *d;
    const fv_expr *steps, *part;
    int column;
    const fv_panels *p;
    bool failed;
} scaling;

/* The scale of a block that is stored after its words. */
static fv_expr *scale_after_words(fv_lowerer *l, const fv_panels *p) {
    fv_arena *a = l->exprs;
    const int last = p->load->u.buf->rank - 1;
    fv_expr *at[FV_MAX_RANK];
    memcpy(at, p->load->arg, (size_t)(last + 1) * sizeof *at);
    at[last - 1] = fv_x_int(a, words_of(&p->words));
    fv_expr *word = fv_x_load_n(a, p->load->u.buf, at, p->words.group);
    return fv_x_cast(a, FV_X_BITCAST, FV_F32, fv_x_cast(a, FV_X_BITCAST, FV_I32, word));
}

/* Replaces the load of a constant of the column by one of its panels. A zero point of less than a
 * byte takes a byte, since blocks are visited one at a time. */
static fv_expr *scale_of_panel(fv_x_rewriter *r, fv_expr *x) {
    scaling *k = r->user;
    if (x == k->part || x->op != FV_X_LOAD || !fv_x_uses(x, k->d->index[k->column]))
        return x == k->part ? x : NULL;
    if (x == k->p->words.scale)
        return scale_after_words(k->l, k->p);
    axes a = axes_of(k->d, k->steps, 1, &x, k->column, k->p->width);
    a.whole_bytes = true;
    stored s;
    fv_value *v = NULL;
    if (store(k->l, &a, &x, false, &s)) {
        set_index(k->l, &a, &s, k->p->panel_index, k->p->column);
        v = made(k->l, &s, ((const fv_value *)x->u.buf->value)->name);
    }
    k->failed |= !v;
    return v ? element_of(k->l, &a, &s, fv_x_load(k->l->exprs, fv_value_buf(k->l->exprs, v), s.at))
             : x;
}

fv_expr *fv_panels_of_scales(fv_lowerer *l, const fv_definition *d, const fv_expr *steps,
                             fv_expr *x, const fv_expr *part, int column, const fv_panels *p) {
    scaling k = {l, d, steps, part, column, p, false};
    fv_x_rewriter r = {.arena = l->exprs,
                       .memo = fv_ptrmap_in(l->current.scratch),
                       .before = scale_of_panel,
                       .user = &k};
    fv_expr *y = fv_x_rewrite(&r, x);
    return k.failed ? NULL : y;
}
