/* flush.c - the passes `flush-denormals` and `flush-all-denormals`, which remove denormal elements
 * from weights. Training with weight decay makes weights denormal, above all those of channels that
 * died, and many processors take a hundred cycles or more for a product with a denormal number.
 *
 *     y[i, j] = sum k: x[i, k] * w[k, j]
 *
 * The first pass flushes the denormal elements of a column j to 0, with their signs, if the sum
 * does not change beyond rounding (fv_column_may_flush). The elements of other columns are all
 * tiny. Such a column is multiplied by a power of two, and the results by its inverse:
 *
 *     y[i, j] = (sum k: x[i, k] * (w[k, j] * 2^s[j])) * 2^-s[j]        s[j] = 0 for other columns
 *
 * That rounds the sum as if there were no denormal numbers, and the result once. It is done if one
 * op reads the weight, the sum and perhaps a constant bias are all that it computes, and an axis of
 * the result corresponds to each axis of columns. Elsewhere such columns are kept and reported.
 *
 * The second pass flushes them, too. No pass changes a constant that anything but products reads.
 *
 * Needs that no pass follows that computes constants. Leaves to remove-dead the constants that were
 * replaced. */
#include <math.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"
#include "passes/denormals.h"
#include "passes/internal.h"

/* A weight that has denormal elements. */
typedef struct weight {
    fv_value *c;
    const char *name; /* that of the constant in the model */
    fv_readings readings;
    size_t n; /* the number of its denormal elements */
    /* if its columns can be scaled, the only op that reads it; NULL: they cannot */
    fv_op *op;
    fv_value *bias;        /* the constant that the op adds to each column; NULL: none */
    int axes[FV_MAX_RANK]; /* for each axis of the weight the axis of the result, or -1 */
} weight;

typedef struct flusher {
    fv_pass_run *r;
    fv_elements elements;
    bool all;        /* whether all denormal elements are flushed */
    fv_value **list; /* the constants of the module when the pass began */
    int n;
    fv_denormals kept; /* what stays denormal */
} flusher;

/* ---- columns that can be scaled ---- */

/* The operand of op that x loads; -1: x is no load of an operand. */
static int operand_of(const fv_op *op, const fv_expr *x) {
    for (int i = 0; x->op == FV_X_LOAD && i < op->nin; i++)
        if (op->in[i] && fv_loaded(x) == op->in[i])
            return i;
    return -1;
}

static bool is_bias(const weight *w, const fv_op *op, const fv_expr *x) {
    int i = operand_of(op, x);
    return i >= 0 && op->in[i]->kind == FV_VALUE_CONST && op->in[i]->tensor->data &&
           op->in[i]->type->elem == w->c->type->elem && x->u.buf->rank == 1 &&
           op->in[i]->nuses == 1;
}

/* Sets w->axes for the load of w in a term. False: an axis of columns is not one of the result. */
static bool find_axes(weight *w, const fv_definition *d, const fv_expr *load) {
    for (int i = 0; i < load->u.buf->rank; i++) {
        const fv_expr *x = load->arg[i];
        int axis = x->op == FV_X_VAR ? fv_definition_axis(d, x->u.var) : d->rank;
        bool apart = w->readings.apart[0] >> i & 1 && w->c->tensor->dims[i] > 1;
        if (apart && axis == d->rank)
            return false;
        w->axes[i] = apart ? axis : -1;
    }
    return true;
}

/* Is the bias that of the columns, which are along one axis? */
static bool fits(const weight *w, const fv_definition *d, const fv_expr *bias) {
    int n = 0, axis = -1;
    for (int i = 0; i < w->c->type->rank; i++)
        if (w->axes[i] >= 0) {
            axis = w->axes[i];
            n++;
        }
    return n == 1 && bias->arg[0]->op == FV_X_VAR &&
           fv_definition_axis(d, bias->arg[0]->u.var) == axis;
}

static const fv_expr *factor_of(const fv_op *op, const fv_expr *sum, const fv_value *c) {
    const fv_expr *term = sum->arg[0];
    for (int i = 0; term->op == FV_X_MUL && i < 2; i++) {
        int at = operand_of(op, term->arg[i]);
        if (at >= 0 && op->in[at] == c)
            return term->arg[i];
    }
    return NULL;
}

/* Sets w->op, and what belongs to it, if the columns of w can be scaled. */
static void find_op(flusher *f, weight *w) {
    fv_op *op = w->c->uses[0].op;
    fv_elem e = w->c->type->elem;
    const fv_definition *d = op->nout == 1 ? fv_element_definition(&f->elements, op->out[0]) : NULL;
    if (w->c->nuses != 1 || w->readings.n != 1 || !d ||
        (e != FV_F32 && e != FV_F64 && e != FV_BF16))
        return;
    const bool adds = d->body->op == FV_X_ADD;
    const fv_expr *sum = adds ? d->body->arg[0] : d->body, *bias = adds ? d->body->arg[1] : NULL;
    if (adds && sum->op != FV_X_REDUCE) {
        bias = sum;
        sum = d->body->arg[1];
    }
    const fv_expr *load = sum->op == FV_X_REDUCE ? factor_of(op, sum, w->c) : NULL;
    if (!load || !find_axes(w, d, load) || (bias && (!is_bias(w, op, bias) || !fits(w, d, bias))))
        return;
    w->op = op;
    w->bias = bias ? op->in[operand_of(op, bias)] : NULL;
}

/* ---- scaling ---- */

/* The power of two by which a column is multiplied, as an exponent: its largest element becomes
 * so small that no sum overflows, and so large that its inverse is a normal number. */
static int shift_of(const fv_tensor *t, const fv_column *c) {
    enum { OF_F32 = -32, OF_F64 = -64 };
    return c->denormals > 0 ? (t->elem == FV_F64 ? OF_F64 : OF_F32) - ilogb(c->most) : 0;
}

/* A constant that replaces `c`, and has its name. */
static fv_value *replaced(fv_pass_run *r, fv_value *c, const fv_tensor *t) {
    fv_value *with = fv_const_new(r->module, c->name, t);
    fv_value_take_name(r->module, with, c);
    return with;
}

/* 2^-shift of each column, as a constant that broadcasts to the result of the op. */
static fv_value *inverse_of(flusher *f, const weight *w, const int *shift, size_t n) {
    const fv_value *y = w->op->out[0];
    int64_t dims[FV_MAX_RANK];
    for (int i = 0; i < y->type->rank; i++)
        dims[i] = 1;
    for (int i = 0; i < w->c->type->rank; i++)
        if (w->axes[i] >= 0)
            dims[w->axes[i]] = w->c->tensor->dims[i];
    fv_tensor *t = fv_tensor_new(f->r->module->arena, y->type->elem, y->type->rank, dims);
    for (size_t i = 0; i < n; i++)
        fv_tensor_set_float(t, i, ldexp(1, -shift[i]));
    return fv_const_new(f->r->module, fv_printf(f->r->arena, "%s_scales", w->name), t);
}

static fv_value *scaled_bias(flusher *f, const weight *w, const int *shift) {
    const fv_tensor *b = w->bias->tensor;
    fv_tensor *t = fv_tensor_new(f->r->module->arena, b->elem, b->rank, b->dims);
    for (size_t i = 0; i < b->count; i++)
        fv_tensor_set_float(t, i, ldexp(fv_tensor_float(b, i), shift[i]));
    return replaced(f->r, w->bias, t);
}

/* Replaces the op by the product with the scaled columns, times their inverses. False: a diagnostic
 * was reported. */
static bool scale(flusher *f, weight *w, fv_tensor *t, const int *shift, size_t n) {
    fv_axes apart = w->readings.apart[0];
    fv_op *op = w->op;
    fv_value **in = FV_NEW(f->r->arena, fv_value *, op->nin + 1);
    fv_columns_scale(t, apart, shift);
    for (int i = 0; i < op->nin; i++)
        in[i] = op->in[i] && op->in[i] == w->bias ? scaled_bias(f, w, shift)
                : op->in[i] == w->c               ? replaced(f->r, w->c, t)
                                                  : op->in[i];
    fv_rewriter rewriter = fv_rewriter_at(op);
    fv_value *y = fv_w_def(&rewriter, op->def, op->nin, in, op->nattrs, op->attrs);
    y = y ? FV_W2(&rewriter, FV_OP_Mul, y, inverse_of(f, w, shift, n)) : NULL;
    fv_w_result(&rewriter, 0, y);
    if (rewriter.failed)
        return false;
    fv_op_erase(op);
    return true;
}

/* ---- the pass ---- */

static size_t count(const fv_tensor *t, const bool *flushed) {
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += flushed[i];
    return n;
}

/* Marks what is flushed, and returns the columns of the first reading. */
static const fv_column *mark(flusher *f, fv_arena *a, const weight *w, bool *flushed, size_t *n) {
    const fv_tensor *t = w->c->tensor;
    const fv_column *first = NULL;
    for (size_t i = 0; i < t->count; i++)
        flushed[i] = fv_is_denormal(t, i);
    for (int i = 0; i < w->readings.n && !f->all; i++) {
        size_t columns;
        const fv_column *c =
            fv_columns_of(a, t, w->readings.apart[i], w->bias ? w->bias->tensor : NULL, &columns);
        fv_columns_keep(t, w->readings.apart[i], c, flushed);
        if (!first) {
            first = c;
            *n = columns;
        }
    }
    return first;
}

/* The exponents of the columns that are not flushed; NULL: none is scaled. */
static const int *shifts(fv_arena *a, const fv_tensor *t, const fv_column *columns, size_t n) {
    int *shift = FV_NEW(a, int, n + 1);
    for (size_t i = 0; i < n; i++)
        shift[i] = fv_column_may_flush(t, &columns[i]) ? 0 : shift_of(t, &columns[i]);
    return shift;
}

static fv_tensor *copy_flushed(fv_arena *a, const fv_tensor *t, const bool *flushed) {
    fv_tensor *y = fv_tensor_new(a, t->elem, t->rank, t->dims);
    memcpy((void *)(uintptr_t)y->data, t->data, t->bytes);
    for (size_t i = 0; i < t->count; i++)
        if (flushed[i])
            fv_tensor_set_float(y, i, copysign(0, fv_tensor_float(t, i)));
    return y;
}

static void count_n(fv_pass_run *r, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        fv_pass_count_one(r, what);
}

/* Replaces the weight. False: a diagnostic was reported. */
static bool flush(flusher *f, weight *w, fv_arena *scratch) {
    fv_pass_run *r = f->r;
    const fv_tensor *t = w->c->tensor;
    bool *flushed = FV_NEW(scratch, bool, t->count + 1);
    size_t columns = 0;
    const fv_column *c = mark(f, scratch, w, flushed, &columns);
    const size_t below = count(t, flushed);
    const bool scales = below < w->n && w->op;
    if ((!below && !scales) || !fv_pass_may(r, "weight", w->c->uses[0].op)) {
        fv_denormals_add(&f->kept, w->c, w->n);
        return true;
    }
    fv_tensor *with = copy_flushed(r->module->arena, t, flushed);
    count_n(r, below, "flushed");
    if (scales) {
        count_n(r, w->n - below, "scaled");
        return scale(f, w, with, shifts(scratch, t, c, columns), columns);
    }
    fv_value *old = w->c;
    w->c = replaced(r, old, with);
    fv_replace_uses(old, w->c);
    fv_denormals_add(&f->kept, w->c, w->n - below);
    return true;
}

static bool visit(flusher *f, fv_value *c) {
    fv_session *s = f->r->module->session;
    weight w = {.c = c, .name = c->name, .n = c->nuses ? fv_denormal_count(s, c->tensor) : 0};
    bool only;
    if (!w.n || !fv_products_read(&f->elements, c, &w.readings, &only))
        return true;
    if (!only) {
        fv_denormals_add(&f->kept, c, w.n);
        return true;
    }
    if (!f->all)
        find_op(f, &w);
    fv_arena *scratch = fv_arena_new(s);
    bool ok = flush(f, &w, scratch);
    fv_arena_free(scratch);
    return ok;
}

static void report(const flusher *f) {
    const fv_denormals *d = &f->kept;
    if (d->n)
        fv_notice(f->r->module->session,
                  "%zu weights stay denormal, %zu of them in '%s': many processors take a hundred "
                  "cycles or more for a product with one; --enable=flush-all-denormals sets those "
                  "to 0 that nothing but products reads",
                  d->n, d->of_name, d->name);
}

static bool run(fv_pass_run *r, bool all) {
    fv_module *m = r->module;
    if (r->options && r->options->without_weights && !fv_weights_are_read_quickly(m)) {
        fv_pass_declined(r, 1, "model whose weights are not read, because it does not run");
        return true;
    }
    flusher f = {.r = r, .elements = fv_elements_new(m->session), .all = all, .n = m->nconsts};
    bool ok = true;
    f.list = FV_NEW(r->arena, fv_value *, f.n + 1);
    if (f.n)
        memcpy(f.list, m->consts, (size_t)f.n * sizeof *f.list);
    for (int i = 0; i < f.n && ok; i++)
        ok = visit(&f, f.list[i]);
    fv_elements_free(&f.elements);
    if (ok && !all)
        report(&f);
    return ok;
}

bool fv_pass_flush_denormals(fv_pass_run *r) {
    return run(r, false);
}

bool fv_pass_flush_all_denormals(fv_pass_run *r) {
    return run(r, true);
}
