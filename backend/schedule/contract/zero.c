/* zero.c - subtracts constant zero points from words where they are unpacked or widened, instead of
 * from the sums. The step `factor` takes a
 * zero point out of the products, because most products read elements as they are stored:
 *
 *     sum b: f32((sum k: x[i, b, k] * w[j, b, k]) - r[i, b] * 8) * scale
 *     r[i, b] = sum k: x[i, b, k]
 *
 * Where elements of w are unpacked once for many rows, the subtraction costs less from them than
 * from the sums of each row:
 *
 *     sum b: f32(sum k: x[i, b, k] * (w[j, b, k] - 8)) * scale
 *
 * Where the rows of a tile are widened to i16 once for all columns (halves.c), their zero point is
 * subtracted from them, and the sums of the columns, of 4 bytes each, are not stored:
 *
 *     (sum k: x[i, k] * w[k, j]) - c[j] * 53         c[j] = sum k: w[k, j]
 *  =>  sum k: (x[i, k] - 53) * w[k, j] */
#include "backend/schedule/contract/zero.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/contract/lay_out.h"
#include "backend/schedule/contract/words.h"
#include "backend/schedule/operands/precompute.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/kernel/matrix.h"

enum { MOST_ZERO = 127 }; /* elements minus this are bytes, since they have at most 7 bits */

/* Is x the sum of the rows along all steps of a block: a load of a value that is defined as
 * sum k: i32(rows[.., k])? */
static bool is_sum_of_rows(fv_lowerer *l, const fv_contraction *c, const fv_expr *x) {
    const fv_storage *s = fv_storage_loaded(l, x);
    const fv_definition *d = s ? s->def : NULL;
    const fv_expr *rows = fv_load_of_rows(c), *sum = d ? d->body : NULL;
    if (!rows || !sum || sum->op != FV_X_REDUCE || sum->u.red.kind != FV_SUM ||
        sum->u.red.nvars != 1 || sum->type.elem != FV_I32 || d->rank != x->u.buf->rank ||
        x->op != FV_X_LOAD)
        return false;
    const fv_var *k = sum->u.red.vars[0];
    const fv_expr *of = sum->arg[0]->op == FV_X_CONVERT ? sum->arg[0]->arg[0] : NULL;
    const int last = rows->u.buf->rank - 1;
    if (!of || of->op != FV_X_LOAD || of->u.buf->value != rows->u.buf->value ||
        of->u.buf->rank != last + 1 || k->dim != c->dot.k->dim || of->arg[last]->op != FV_X_VAR ||
        of->arg[last]->u.var != k)
        return false;
    for (int i = 0; i < last; i++)
        if (!fv_x_equal(fv_x_replace_vars(l->exprs, of->arg[i], d->rank, d->index, x->arg),
                        rows->arg[i]))
            return false;
    return true;
}

/* x if it is a constant that can be subtracted from each byte; otherwise 0. */
static int64_t constant_zero(const fv_expr *x) {
    bool is = x->op == FV_X_CONST && x->type.elem == FV_I32 && x->u.i > 0 && x->u.i <= MOST_ZERO;
    return is ? x->u.i : 0;
}

/* The constant z if x is `part - r * z`, where r is the sum of the rows; otherwise 0. */
static int64_t zero_of(fv_lowerer *l, const fv_contraction *c, const fv_expr *x) {
    if (x->op != FV_X_SUB || x->arg[0] != c->blocks.part || x->arg[1]->op != FV_X_MUL)
        return 0;
    for (int i = 0; i < 2; i++) {
        int64_t z = constant_zero(x->arg[1]->arg[i]);
        if (z && is_sum_of_rows(l, c, x->arg[1]->arg[1 - i]))
            return z;
    }
    return 0;
}

typedef struct corrected {
    const fv_expr *by;
    fv_expr *part;
} corrected;

static fv_expr *leave_out(fv_x_rewriter *w, fv_expr *x) {
    const corrected *r = w->user;
    return x == r->by ? r->part : x == r->part ? x : NULL;
}

/* The word with z subtracted from each of its bytes, which are at most 127. */
static fv_expr *less(fv_arena *a, fv_expr *word, int64_t z) {
    fv_expr *high = fv_x_const_int(a, FV_I32, (int32_t)0x80808080),
            *all = fv_x_const_int(a, FV_I32, 0x01010101 * z);
    fv_expr *x = fv_x_bin(a, FV_X_SUB, fv_x_bin(a, FV_X_OR, word, high), all);
    return fv_x_bin(a, FV_X_XOR, x, high);
}

bool fv_subtract_zero(fv_lowerer *l, const fv_contraction *c, fv_contraction *out) {
    const fv_expr *x;
    int64_t z = 0;
    corrected r = {NULL, c->blocks.part};
    if (c->dot.parts < 2 || c->dot.extends || c->dot.as != FV_I8 ||
        !fv_matrix_find(l->target, FV_X_DOT_I8_I8, 0))
        return false;
    for (fv_x_visitor v = fv_x_visit(l->exprs, c->blocks.term); !z && (x = fv_x_next(&v));) {
        if (x->op == FV_X_REDUCE)
            fv_x_skip(&v);
        z = zero_of(l, c, x);
        r.by = x;
    }
    if (!z)
        return false;
    fv_x_rewriter w = {.arena = l->exprs, .before = leave_out, .user = &r};
    *out = *c;
    out->blocks.term = fv_x_rewrite(&w, c->blocks.term);
    out->b = out->factors[0] = less(l->exprs, c->b, z);
    out->dot.op = FV_X_DOT_I8_I8;
    out->dot.swapped = false;
    return true;
}

/* ---- rows that are widened ---- */

/* Is x a load of the constant sums of the columns along all steps? `columns` is that factor as it
 * is stored. */
static bool is_sum_of_columns(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                              const fv_expr *columns, const fv_expr *x) {
    fv_var *axis[FV_MAX_RANK];
    const fv_value *v = x->op == FV_X_LOAD ? x->u.buf->value : NULL;
    if (!v || v->kind != FV_VALUE_CONST || !v->tensor->data || v->type->elem != FV_I32)
        return false;
    int n = 0;
    for (int i = 0; i < d->rank; i++)
        if (fv_x_uses(columns, d->index[i])) {
            if (n == v->type->rank || x->arg[n]->op != FV_X_VAR || x->arg[n]->u.var != d->index[i])
                return false;
            axis[n++] = d->index[i];
        }
    fv_value *sums = fv_new_value(l, "columns", FV_I32, n, axis);
    return n == v->type->rank &&
           fv_sum_constant(l, sums, columns, axis, c->sum->u.red.nvars, c->sum->u.red.vars, 1) &&
           !memcmp(sums->tensor->data, v->tensor->data, v->tensor->count * sizeof(int32_t));
}

/* The zero point z if x is `sum - columns * z`, where sum is that of the contraction; otherwise
 * 0. */
static int64_t zero_of_rows(fv_lowerer *l, const fv_definition *d, const fv_contraction *c,
                            const fv_expr *columns, const fv_expr *x) {
    enum { MOST = 255 };
    if (x->op != FV_X_SUB || x->arg[0] != c->sum || x->arg[1]->op != FV_X_MUL)
        return 0;
    for (int i = 0; i < 2; i++) {
        const fv_expr *z = x->arg[1]->arg[i];
        if (z->op == FV_X_CONST && z->u.i >= -MOST && z->u.i <= MOST &&
            is_sum_of_columns(l, d, c, columns, x->arg[1]->arg[1 - i]))
            return z->u.i;
    }
    return 0;
}

const fv_definition *fv_subtract_zero_of_rows(fv_lowerer *l, const fv_definition *d,
                                              fv_contraction *c) {
    const fv_expr *x, *columns = fv_x_stored(c->b);
    corrected r = {NULL, c->sum};
    /* elements that complete the last word are 0, not the zero point */
    if (!c->dot.halves || c->dot.k->dim->value % c->dot.group ||
        l->options->weights == FV_WEIGHTS_LEFT_OUT)
        return d;
    for (fv_x_visitor v = fv_x_visit(l->exprs, d->body); !c->dot.zero && (x = fv_x_next(&v));) {
        if (x->op == FV_X_REDUCE)
            fv_x_skip(&v);
        c->dot.zero = (int)zero_of_rows(l, d, c, columns, x);
        r.by = x;
    }
    if (!c->dot.zero)
        return d;
    fv_takes(l, d->value, FV_WHY_dot_zero, fv_n(c->dot.zero));
    fv_x_rewriter w = {.arena = l->exprs, .before = leave_out, .user = &r};
    fv_definition *now = FV_NEW(l->exprs, fv_definition, 1);
    *now = *d;
    now->body = fv_x_rewrite(&w, d->body);
    return now;
}
