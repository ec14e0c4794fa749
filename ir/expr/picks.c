/* picks.c - see picks.h. */
#include "ir/expr/picks.h"

#include "ir/expr/fold.h"

/* A vector whose lanes are the scalar `first` plus constants. */
typedef struct offsets {
    fv_expr *first;
    int64_t at[FV_MOST_PICKED];
} offsets;

/* Are all lanes the same number? */
static bool is_number(const offsets *o, int lanes, int64_t *value) {
    if (!fv_x_is_int(o->first, value))
        return false;
    *value += o->at[0];
    for (int i = 1; i < lanes; i++)
        if (o->at[i] != o->at[0])
            return false;
    return *value == (int32_t)*value;
}

/* The product of a and a number; false: b is none, or an offset is large. */
static bool times(fv_arena *arena, int lanes, const offsets *a, const offsets *b, offsets *out) {
    int64_t by;
    if (!is_number(b, lanes, &by))
        return false;
    out->first = fv_x_bin(arena, FV_X_MUL, a->first, fv_x_int(arena, by));
    for (int i = 0; i < lanes; i++) {
        if (a->at[i] != (int32_t)a->at[i])
            return false;
        out->at[i] = a->at[i] * by;
    }
    return true;
}

/* An operation on lanes that are all constant. */
static bool of_constants(fv_arena *arena, const fv_expr *x, const offsets *o, offsets *out) {
    int64_t c[2];
    if (!fv_x_is_int(o[0].first, &c[0]) || !fv_x_is_int(o[1].first, &c[1]))
        return false;
    out->first = fv_x_int(arena, 0);
    for (int i = 0; i < x->type.lanes; i++)
        if (!fv_fold_ints(FV_I64, (fv_expr_op)x->op, c[0] + o[0].at[i], c[1] + o[1].at[i],
                          &out->at[i]))
            return false;
    return true;
}

/* Are the lanes of the i64 vector x a scalar plus constants, as those of ramp8(i) * 2 + 1 and of
 * ramp8(0) floordiv 2 + splat8(i) are? */
static bool offsets_of(fv_arena *arena, const fv_expr *x, offsets *out) {
    offsets o[2];
    const int lanes = x->type.lanes;
    if (x->type.elem != FV_I64 || lanes < 2 || lanes > FV_MOST_PICKED)
        return false;
    if (x->op == FV_X_RAMP || x->op == FV_X_SPLAT) {
        out->first = x->arg[0];
        for (int i = 0; i < lanes; i++)
            out->at[i] = x->op == FV_X_RAMP ? i : 0;
        return true;
    }
    if (x->n != 2 || x->op == FV_X_LOAD || !offsets_of(arena, x->arg[0], &o[0]) ||
        !offsets_of(arena, x->arg[1], &o[1]))
        return false;
    if (x->op == FV_X_MUL)
        return times(arena, lanes, &o[0], &o[1], out) || times(arena, lanes, &o[1], &o[0], out);
    if (x->op != FV_X_ADD && x->op != FV_X_SUB)
        return of_constants(arena, x, o, out);
    out->first = fv_x_bin(arena, (fv_expr_op)x->op, o[0].first, o[1].first);
    for (int i = 0; i < lanes; i++)
        if (!fv_fold_ints(FV_I64, (fv_expr_op)x->op, o[0].at[i], o[1].at[i], &out->at[i]))
            return false;
    return true;
}

/* Chooses the vectors of consecutive elements that have the first `span` elements. */
static bool divide(fv_picked *p, int64_t span) {
    p->length = p->lanes;
    while (p->length > span)
        p->length /= 2;
    if (span > FV_MOST_PARTS * p->length)
        return false;
    for (p->parts = 0; p->parts * p->length < span; p->parts++) {
        const int from = p->parts * p->length, last = (int)span - p->length;
        p->from[p->parts] = from < last ? from : last;
    }
    for (int i = 0; i < p->lanes; i++)
        p->part[i] = p->at[i] / p->length;
    return true;
}

bool fv_x_picks(fv_arena *a, const fv_expr *x, fv_picked *p) {
    const fv_buf *b = x->u.buf;
    const int last = b->rank - 1;
    int64_t least = 0, most = 0;
    offsets o;
    p->lanes = x->type.lanes;
    for (int i = 0; i < last; i++) {
        p->index[i] = x->arg[i];
        if (x->arg[i]->type.lanes > 1)
            return false;
    }
    if (last < 0 || b->lanes > 1 || b->elem == FV_BOOL || p->lanes > FV_MOST_PICKED ||
        x->arg[last]->type.lanes < 2 || !offsets_of(a, x->arg[last], &o))
        return false;
    p->ascends = true;
    for (int i = 0; i < p->lanes; i++) {
        least = !i || o.at[i] < least ? o.at[i] : least;
        most = !i || o.at[i] > most ? o.at[i] : most;
        p->ascends &= !i || o.at[i - 1] < o.at[i];
    }
    if (least == most || least != (int32_t)least || most - least >= FV_MOST_PARTS * p->lanes)
        return false;
    p->index[last] = fv_x_bin(a, FV_X_ADD, o.first, fv_x_int(a, least));
    for (int i = 0; i < p->lanes; i++)
        p->at[i] = (int)(o.at[i] - least);
    return divide(p, most - least + 1);
}
