/* joined.c - weights of one piece, taken from a softmax over the scores of several pieces.
 *
 *     w = Softmax(Concat(s0, s1))
 *     w[.., columns of s0]          are the weights of s0 relative to lse of s0 and s1 */
#include "ir/catalogue/op.h"
#include "passes/attention/terms.h"

/* The first of the columns that the slice takes; NULL: it leaves out rows, or columns between two
 * that it takes. */
static const fv_dim *first_column(const fv_pieces *p, const fv_op *slice) {
    const fv_attr *start = fv_op_find_attr(slice, "start"), *step = fv_op_find_attr(slice, "step");
    const fv_type *x = slice->in[0]->type, *y = slice->out[0]->type;
    for (int i = 0; i < y->rank; i++)
        if (!fv_dim_is_one(step->u.dims[i]) ||
            (i < y->rank - 1 && !fv_module_equal(p->module, x->dims[i], y->dims[i])))
            return NULL;
    return y->rank ? start->u.dims[y->rank - 1] : NULL;
}

/* The Concat of scores along the last axis of whose softmax the slice takes columns; NULL: there is
 * none. */
static const fv_op *joined_scores(const fv_op *slice) {
    const fv_op *cast = fv_made_by(slice->in[0], FV_OP_Cast),
                *softmax = fv_made_by(cast ? cast->in[0] : slice->in[0], FV_OP_Softmax),
                *concat = softmax ? fv_made_by(softmax->in[0], FV_OP_Concat) : NULL;
    const fv_type *t = slice->out[0]->type;
    bool is = concat && concat->nin > 1 && concat->nin <= FV_MAX_PIECES &&
              fv_is_plain_float(t->elem) && fv_softmax_axis(softmax) == t->rank - 1 &&
              fv_softmax_axis(concat) == t->rank - 1;
    return is ? concat : NULL;
}

/* No piece occurs twice in a term. */
static bool occurs_before(const fv_op *concat, int i) {
    for (int k = 0; k < i; k++)
        if (concat->in[k] == concat->in[i])
            return true;
    return false;
}

const fv_term *fv_term_of_slice(fv_pieces *p, const fv_op *slice) {
    const fv_op *concat = joined_scores(slice);
    const fv_dim *first = concat ? first_column(p, slice) : NULL;
    if (!first)
        return NULL;
    const fv_type *t = slice->out[0]->type;
    fv_piece *all = FV_NEW(p->arena, fv_piece, concat->nin);
    const fv_piece *own = NULL;
    const fv_dim *at = fv_dim_const(p->module->dims, 0);
    for (int i = 0; i < concat->nin; i++) {
        fv_value *s = concat->in[i];
        all[i] = (fv_piece){.scores = s};
        if (fv_is_line(s->type) || occurs_before(concat, i))
            return NULL;
        if (fv_module_equal(p->module, at, first) && fv_same_shape(p, s->type, t))
            own = &all[i];
        at = fv_dim_add(p->module->dims, at, s->type->dims[t->rank - 1]);
    }
    if (!own)
        return NULL;
    const fv_term *lse =
        fv_term_make(p, (fv_term){.kind = FV_TERM_LSE, .pieces = all, .n = concat->nin});
    return fv_term_make(
        p, (fv_term){.kind = FV_TERM_WEIGHTS, .r = {.lse = lse}, .pieces = own, .n = 1});
}
