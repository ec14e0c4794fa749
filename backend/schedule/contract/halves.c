/* halves.c - see halves.h. An instruction such as SMLAD multiplies i16 only, so a tile that reads
 * rows as words of bytes widens each word again for every panel of columns. Here a task does that
 * once:
 *
 *     for r < rows, q: halves[q, r, 0] = elements 0 and 2 of word q of row r, as i16
 *                      halves[q, r, 1] = elements 1 and 3
 *     for panel: for q: acc = dot_i16_i8_odd(halves[q, r, 1], b[q], dot_i16_i8_even(.., 0.., acc))
 *
 * The bytes of the columns are widened in the order in which an instruction does it (SXTB16). */
#include "backend/schedule/contract/halves.h"

#include <string.h>

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/steps.h"

/* Elements i and i + 2 of the word that x loads, less the zero point, as a pair of i16. */
static fv_expr *pair_of(fv_tile *t, const fv_expr *x, int i) {
    fv_kemit *e = t->e;
    fv_expr *at[FV_MAX_RANK], *half[2];
    const int last = x->u.buf->rank - 1, zero = t->c->dot.zero;
    memcpy(at, x->arg, (size_t)x->u.buf->rank * sizeof *at);
    for (int h = 0; h < 2; h++) {
        at[last] = binary(e, FV_X_ADD, x->arg[last], integer(e, i + 2 * h));
        fv_expr *element = fv_x_load(e->arena, x->u.buf, at);
        half[h] = fv_kemit_expr(e, fv_x_convert(e->arena, FV_I32, element));
        if (zero)
            half[h] = binary(e, FV_X_SUB, half[h], fv_x_const_int(e->arena, FV_I32, zero));
    }
    if (x->type.elem == FV_I8 || zero)
        half[0] = binary(e, FV_X_AND, half[0], fv_x_const_int(e->arena, FV_I32, 0xffff));
    half[1] = binary(e, FV_X_SHL, half[1], fv_x_const_int(e->arena, FV_I32, 16));
    return binary(e, FV_X_OR, half[0], half[1]);
}

void fv_tile_widen(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    fv_kmark m = fv_kemit_mark(e);
    const int outer = e->b.depth;
    int64_t words = 1;
    for (int i = 0; i < sum->u.red.nvars; i++)
        words *= sum->u.red.vars[i]->dim->value;
    t->made.halves =
        fv_kb_tile(&e->b, "halves", FV_I32, 3, (int64_t[]){words, t->plan.mr, 2}, NULL);
    t->i0 = first;
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    if (t->c->row >= 0)
        fv_kemit_bind(e, e->def->index[t->c->row], binary(e, FV_X_ADD, first, r));
    for (int i = 0; i < sum->u.red.nvars; i++) {
        fv_var *v = sum->u.red.vars[i];
        fv_kemit_bind(e, v, open_loop(e, FV_SERIAL, v->name, fv_kemit_dim(e, v->dim)));
    }
    for (int i = 0; i < 2; i++)
        fv_kb_store(&e->b, t->made.halves, (fv_expr *[]){fv_word_now(t), r, integer(e, i)},
                    pair_of(t, t->c->a->arg[0], i), NULL);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}
