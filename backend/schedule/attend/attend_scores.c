/* attend_scores.c - what register tiles store for the scores of an attention.
 *
 *     w[i, j] = exp(s[i, j] * 0.125 + mask[j] - max k: (s[i, k] * 0.125 + mask[k])) / ..
 *
 * A row of scores is read for its maximum, and again for the exponentials. If both first compute
 * the same from a score, by cheap operations and from no other value of the row, a tile computes it
 * when the sums are still in registers, and stores it in place of the score: here,
 * s[i, j] * 0.125 + mask[j]. Each operation is the same as before, so no bit changes.
 *
 * Where all masks are 0, adding them changes no number but -0, whose exponential is that of 0.
 * Tiles then leave the addition out, with its rounding in f16 and bf16. */
#include "backend/schedule/attend/attend_scores.h"

#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

typedef struct finder {
    fv_attend_plan *p;
    /* expression -> the load of the score from which it is computed, or the finder if it is
     * computed in another way */
    fv_ptrmap scores;
    fv_expr *found; /* what is computed from a score, over p->at.key; NULL: nothing was found yet */
    bool differ;    /* whether something else is computed from scores, too */
} finder;

static bool is_in(const fv_expr *x, const fv_buf *memory) {
    return x->op == FV_X_LOAD && x->u.buf->value == memory->value;
}

/* The variable of the key of a load from the memory of a task; NULL: the key is not a variable. */
static fv_var *key_of(const fv_expr *load) {
    const fv_expr *key = load->arg[load->n - 1];
    return key->op == FV_X_VAR ? key->u.var : NULL;
}

/* Can a tile combine the score of key v with x? Then x is the same for the whole task, or a mask of
 * v. */
static bool is_operand(const fv_attend_plan *p, const fv_expr *x, const fv_var *v) {
    const fv_expr *y;
    if (is_in(x, p->memory.masks))
        return key_of(x) == v;
    for (fv_x_visitor all = fv_x_visit(p->l->current.scratch, x); (y = fv_x_next(&all));)
        if (y->op == FV_X_REDUCE || is_in(y, p->memory.scores) || is_in(y, p->memory.masks))
            return false;
    return !fv_x_uses(x, v) && !fv_x_uses(x, p->d->index[p->at.row]) &&
           !(p->single.row && fv_x_uses(x, p->single.row));
}

static fv_expr *score_of(finder *f, const fv_expr *x);

/* The argument of x from which a tile can compute x; NULL: there is none. */
static fv_expr *argument_of(finder *f, const fv_expr *x) {
    const bool two =
        x->op == FV_X_ADD || x->op == FV_X_SUB || x->op == FV_X_MUL || x->op == FV_X_DIV;
    if (!two && x->op != FV_X_NEG && x->op != FV_X_CONVERT)
        return NULL;
    for (int i = 0; i < x->n; i++) {
        const fv_expr *score = score_of(f, x->arg[i]);
        if (score && (!two || is_operand(f->p, x->arg[1 - i], key_of(score))))
            return x->arg[i];
    }
    return NULL;
}

/* The load of the score from which a tile can compute x; NULL: it cannot. */
static fv_expr *score_of(finder *f, const fv_expr *x) {
    void **known = fv_ptrmap_at(&f->scores, x);
    if (*known)
        return *known == f ? NULL : *known;
    fv_expr *score = NULL, *from;
    if (is_in(x, f->p->memory.scores))
        score = key_of(x) ? (fv_expr *)x : NULL;
    else if ((from = argument_of(f, x)))
        score = score_of(f, from);
    *fv_ptrmap_at(&f->scores, x) = score ? (void *)score : f;
    return score;
}

/* The largest part of x, or x, that a tile can compute and store; NULL: there is none. */
static fv_expr *stored_of(finder *f, fv_expr *x) {
    if (!score_of(f, x))
        return NULL;
    while (x->type.elem != f->p->memory.scores->elem)
        x = argument_of(f, x);
    return x;
}

/* Notes what x computes from scores. */
static void find(finder *f, fv_expr *root) {
    fv_arena *a = f->p->l->exprs;
    const fv_expr *x;
    if (!root)
        return;
    for (fv_x_visitor all = fv_x_visit(f->p->l->current.scratch, root); (x = fv_x_next(&all));) {
        fv_expr *stored = stored_of(f, (fv_expr *)x), *key = fv_x_var(a, f->p->at.key);
        if (!stored)
            continue;
        fv_var *v = key_of(score_of(f, x));
        stored = fv_x_replace_vars(a, stored, 1, &v, &key);
        f->differ |= f->found && !fv_x_equal(f->found, stored);
        f->found = stored;
        fv_x_skip(&all);
    }
}

/* Replaces what tiles store by a load of it. */
static fv_expr *as_loaded(fv_x_rewriter *r, fv_expr *x) {
    return stored_of(r->user, x) == x ? score_of(r->user, x) : NULL;
}

static fv_expr *as_sum(fv_x_rewriter *r, fv_expr *x) {
    const fv_attend_plan *p = r->user;
    return is_in(x, p->memory.scores) ? p->at.score : NULL;
}

/* ---- without masks ---- */

/* Notes the condition that the mask x is not 0. */
static void note_mask(fv_attend_plan *p, fv_expr *x) {
    fv_arena *a = p->l->exprs;
    fv_expr *is = fv_x_bin(a, FV_X_NE, x, fv_x_zero(a, (fv_elem)x->type.elem));
    fv_expr **masks = &p->stored.masks;
    *masks = *masks ? fv_x_bin(a, FV_X_OR, *masks, is) : is;
}

/* Leaves out the addition of a mask, and conversions of the other operand to a wider float and
 * back. */
static fv_expr *without_mask(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    fv_attend_plan *p = r->user;
    if (x->op == FV_X_CONVERT && args[0] != x->arg[0] && args[0]->op == FV_X_CONVERT &&
        args[0]->type.elem == FV_F32 && args[0]->arg[0]->type.elem == x->type.elem)
        return args[0]->arg[0];
    for (int i = 0; i < 2 && x->op == FV_X_ADD; i++)
        if (is_in(x->arg[i], p->memory.masks)) {
            note_mask(p, x->arg[i]);
            return args[1 - i];
        }
    return NULL;
}

/* Chooses what a tile stores where all masks are 0. */
static void choose_unmasked(fv_attend_plan *p) {
    const fv_expr *x;
    if (!p->weights.seen || p->weights.kept)
        return;
    fv_x_rewriter leave = {.arena = p->l->exprs,
                           .memo = fv_ptrmap_in(p->l->current.scratch),
                           .after = without_mask,
                           .user = p};
    fv_expr *y = fv_x_rewrite(&leave, p->stored.x);
    for (fv_x_visitor all = fv_x_visit(p->l->current.scratch, y); (x = fv_x_next(&all));)
        if (is_in(x, p->memory.masks))
            return;
    p->stored.unmasked = p->stored.masks ? y : NULL;
}

void fv_attend_choose_stored(fv_attend_plan *p) {
    fv_arena *scratch = p->l->current.scratch;
    fv_attend_weights *w = &p->tiled;
    finder f = {.p = p, .scores = fv_ptrmap_in(scratch)};
    *w = p->weights;
    fv_expr **all[] = {&w->all.body, &w->folded.body, &w->open.body, &w->seen};
    const int n = (int)(sizeof all / sizeof *all);
    for (int i = 0; i < n; i++)
        find(&f, *all[i]);
    if (!f.found || f.differ || is_in(f.found, p->memory.scores))
        return;
    fv_x_rewriter load = {.arena = p->l->exprs,
                          .memo = fv_ptrmap_in(scratch),
                          .before = as_loaded,
                          .user = &f},
                  sum = {.arena = p->l->exprs,
                         .memo = fv_ptrmap_in(scratch),
                         .before = as_sum,
                         .user = p};
    for (int i = 0; i < n; i++)
        *all[i] = *all[i] ? fv_x_rewrite(&load, *all[i]) : NULL;
    p->stored.x = fv_x_rewrite(&sum, f.found);
    choose_unmasked(p);
}
