/* words.c - along which variable of a sum the steps of a word are consecutive, and copies of rows
 * that have such words. A window of 7 pixels along a line has two words of four, the last of which
 * also has the first pixel after the window; the columns are 0 there. */
#include "backend/schedule/contract/words.h"

#include "backend/lowering/access.h"
#include "backend/schedule/contract/contraction.h"
#include "ir/base/divisor.h"

int64_t fv_words_of(const fv_var *k, int group) {
    return fv_div_up(k->dim->value, group);
}

int64_t fv_steps_of_words(const fv_var *k, int group) {
    return fv_round_up(k->dim->value, group);
}

const fv_expr *fv_load_of_rows(const fv_contraction *c) {
    const fv_expr *x = c->a;
    while (x->op == FV_X_CONVERT || x->op == FV_X_BITCAST)
        x = x->arg[0];
    return x->op == FV_X_LOAD ? x : NULL;
}

/* Are the elements of rows consecutive along k? */
static bool runs_along(const fv_expr *x, const fv_var *k) {
    bool loads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    return loads && fv_x_stride(x, k) == 1;
}

const fv_expr *fv_word_with(const fv_expr *rows, const fv_var *k) {
    const fv_expr *bits = rows->op == FV_X_BITCAST ? rows->arg[0] : rows,
                  *shifted = bits->op == FV_X_CONVERT ? bits->arg[0] : NULL;
    const fv_expr *load = shifted && shifted->op == FV_X_SHR ? shifted->arg[0] : NULL;
    return load && load->op == FV_X_LOAD && load->type.elem == FV_I32 &&
                   fv_x_uses(shifted->arg[1], k)
               ? load
               : NULL;
}

bool fv_words_are_direct(fv_lowerer *l, const fv_expr *rows, const fv_dot *dot) {
    if (fv_word_with(rows, dot->k))
        return true;
    if (rows->op != FV_X_LOAD || rows->type.elem != dot->as || !runs_along(rows, dot->k))
        return false;
    for (int i = 0; i < rows->u.buf->rank; i++)
        if (fv_x_has_load(rows->arg[i]))
            return false;
    int64_t stored;
    return dot->k->dim->value % dot->group == 0 ||
           (fv_ptrmap_get(&l->added.padded, rows->u.buf->value) &&
            fv_x_is_int(rows->u.buf->extent[rows->u.buf->rank - 1], &stored) &&
            stored % dot->group == 0);
}

/* Adds an axis for v to a copy, if its elements depend on v. */
static void add_apart(fv_lowerer *l, const fv_expr *rows, fv_var *v, fv_var **from,
                      fv_dense *copy) {
    if (!fv_x_uses(rows, v))
        return;
    from[copy->n] = v;
    copy->at[copy->n] = fv_x_var(l->exprs, v);
    copy->index[copy->n++] = fv_index_var(l->exprs, v->name, v->dim);
}

/* Describes a copy of rows that has an axis for each variable, the last one for k: windows that
 * overlap in memory are apart in it. False: it has too many axes, or rows are no elements. */
static bool copy_apart(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                       fv_expr *rows, const fv_var *k, fv_dense *copy) {
    const fv_expr *sum = fv_all_steps(c);
    fv_var *from[2 * FV_MAX_RANK + 1];
    fv_expr *at[2 * FV_MAX_RANK + 1];
    if ((rows->op != FV_X_LOAD && rows->op != FV_X_GUARD) || !fv_x_uses(rows, k) ||
        d->rank + sum->u.red.nvars > FV_MAX_RANK)
        return false;
    *copy = (fv_dense){.factor = rows, .stored = rows};
    for (int i = 0; i < d->rank; i++)
        add_apart(l, rows, d->index[i], from, copy);
    for (int i = 0; i < sum->u.red.nvars; i++)
        if (sum->u.red.vars[i] != k)
            add_apart(l, rows, sum->u.red.vars[i], from, copy);
    add_apart(l, rows, (fv_var *)k, from, copy);
    for (int i = 0; i < copy->n; i++)
        at[i] = fv_x_var(l->exprs, copy->index[i]);
    copy->copy = fv_x_replace_vars(l->exprs, rows, copy->n, from, at);
    return true;
}

/* May the last word of a window have elements after its end? It may if the columns are 0 there, as
 * panels of constants are. */
static bool may_exceed(const fv_lowerer *l, const fv_dot *dot) {
    return !dot->packs && !dot->matrix && dot->parts == 1 && dot->group < FV_DOT16 &&
           fv_is_vector_processor(l->target);
}

/* Chooses a copy of rows that has words along k, over which a window slides: words of neighbouring
 * rows overlap in the copy. k fills whole words, or the last word of a window has elements after
 * its end; then the length of the copy must be known. False: there is no such copy. */
static bool choose_overlapping(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                               fv_expr *rows, const fv_dot *dot, const fv_var *k, fv_dense *copy) {
    const bool whole = k->dim->value % dot->group == 0;
    return (whole || may_exceed(l, dot)) &&
           fv_choose_copy(l, d, fv_all_steps(c), rows, k, true, copy) &&
           (whole || fv_dim_is_const(copy->index[copy->n - 1]->dim));
}

bool fv_choose_words(fv_lowerer *l, const fv_definition *d, const fv_contraction *c, fv_expr *rows,
                     const fv_dot *dot, const fv_var *k, fv_dense *copy) {
    return fv_choose_copy(l, d, fv_all_steps(c), rows, k, false, copy) ||
           choose_overlapping(l, d, c, rows, dot, k, copy) ||
           (dot->group == FV_DOT16 && copy_apart(l, d, c, rows, k, copy));
}

/* Can words be formed along k, of rows where they are or of a copy? */
static bool forms_words(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                        fv_expr *rows, fv_dot dot, const fv_var *k) {
    fv_dense copy;
    dot.k = k;
    return fv_words_are_direct(l, rows, &dot) || fv_choose_words(l, d, c, rows, &dot, k, &copy);
}

/* Are rows consecutive along k, so that words along it are read where they are, or copied without
 * moving elements apart? Words that exceed their windows are not preferred for that. */
static bool has_words_along(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                            fv_expr *rows, fv_dot dot, const fv_var *k) {
    fv_dense copy;
    dot.k = k;
    return fv_word_with(rows, k) ||
           (runs_along(rows, k) &&
            (k->dim->value % dot.group == 0 || fv_words_are_direct(l, rows, &dot) ||
             fv_choose_copy(l, d, fv_all_steps(c), rows, k, false, &copy)));
}

const fv_var *fv_variable_of_words(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                                   fv_expr *rows, const fv_dot *dot) {
    const fv_expr *sum = c->sum;
    const fv_var *best = NULL;
    double most = 0;
    for (int i = 0; i < sum->u.red.nvars; i++) {
        const fv_var *k = sum->u.red.vars[i];
        if (!fv_dim_is_const(k->dim) || k->dim->value < 1)
            return NULL;
        double full = (double)k->dim->value / (double)fv_steps_of_words(k, dot->group);
        bool fits = full > 0.5;
        full += has_words_along(l, d, c, rows, *dot, k) ? 1 : 0;
        if (fits && full >= most && forms_words(l, d, c, rows, *dot, k)) {
            most = full;
            best = k;
        }
    }
    return best;
}
