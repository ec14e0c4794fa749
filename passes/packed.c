/* packed.c - see packed.h. */
#include "passes/packed.h"

#include "ir/base/limits.h"
#include "ir/expr/affine.h"
#include "ir/expr/visit.h"

/* MANY: an element whose expression (see fv_element) has as many loads or more is not computed in a
 * kernel. SELECTIONS: largest number of selections in it: an element that is selected among 16
 * numbers takes several times as long as its product, and is only computed at run time if the
 * factor is too large to be folded. */
enum { MANY = 12, SELECTIONS = 4 };

/* Of a guarded load: what is read where its condition does not hold. */
static const fv_expr *otherwise(const fv_expr *guard) {
    return guard->arg[guard->u.buf->rank + 1];
}

/* Does each element take only a few instructions, so that the kernel of a contraction can compute
 * it in registers? */
static bool is_cheap(fv_arena *a, const fv_expr *root) {
    const fv_expr *x;
    int selections = 0;
    for (fv_x_visitor v = fv_x_visit(a, root); (x = fv_x_next(&v));)
        switch ((fv_expr_op)x->op) {
        case FV_X_LOAD: fv_x_skip(&v); break;
        case FV_X_GUARD: /* constants that are side by side: lowering lays out all of them */
            if (!is_cheap(a, otherwise(x)))
                return false;
            fv_x_skip(&v);
            break;
        case FV_X_CONST:
        case FV_X_CONVERT:
        case FV_X_BITCAST:
        case FV_X_ADD:
        case FV_X_SUB:
        case FV_X_MUL:
        case FV_X_NEG:
        case FV_X_AND:
        case FV_X_EQ: break;
        case FV_X_SELECT: selections++; break;
        default: return false;
        }
    return selections <= SELECTIONS;
}

/* Can lowering lay out a constant that is loaded at this index? It can if the index is a sum of
 * variables, or the quotient of a variable and a block size. */
static bool is_laid_out_at(const fv_affines *s, const fv_expr *index) {
    int64_t block;
    if (index->op == FV_X_FLOORDIV && index->arg[0]->op == FV_X_VAR)
        return fv_x_is_int(index->arg[1], &block);
    fv_affine f = fv_affine_of(s, index);
    return f.rest && fv_dim_is_const(f.rest) && fv_affine_is_of_vars(&f);
}

static bool is_constant_load(const fv_affines *s, const fv_expr *load) {
    const fv_value *c = fv_loaded(load);
    bool is = c->kind == FV_VALUE_CONST;
    for (int i = 0; i < load->u.buf->rank && is; i++)
        is = is_laid_out_at(s, load->arg[i]);
    return is;
}

static size_t bytes_of(fv_elem e, size_t count) {
    size_t bytes;
    return fv_elem_bytes(e, count, &bytes) ? bytes : SIZE_MAX;
}

/* The number of elements of the constant that is loaded, or of all constants that are side by
 * side. */
static size_t elements_of(const fv_expr *load) {
    size_t n = fv_loaded(load)->tensor->count;
    const fv_expr *next = load->op == FV_X_GUARD ? otherwise(load) : NULL;
    bool more = next && fv_is_load(next) && fv_loaded(next)->kind == FV_VALUE_CONST;
    return more ? n + elements_of(next) : n;
}

/* The bytes of the constants that the n loads read for `count` elements; 0: one cannot be laid out.
 * *whole: whether one of the constants, or several that are side by side, has as many elements, so
 * that not all of them are repeated. */
static size_t bytes_loaded(const fv_affines *s, fv_expr *const *loads, int n, size_t count,
                           bool *whole) {
    size_t bytes = 0;
    *whole = false;
    for (int i = 0; i < n; i++) {
        if (!is_constant_load(s, loads[i]))
            return 0;
        size_t all = fv_loaded(loads[i])->tensor->count;
        *whole |= elements_of(loads[i]) >= count;
        bytes += bytes_of(fv_loaded(loads[i])->type->elem, all < count ? all : count);
    }
    return bytes;
}

/* The number of elements of v, whose dims are constants. */
static size_t count_of(const fv_value *v) {
    size_t n = 1;
    for (int i = 0; i < v->type->rank; i++)
        n *= (size_t)v->type->dims[i]->value;
    return n;
}

size_t fv_packed_bytes(fv_elements *e, const fv_value *v, bool *whole) {
    fv_var *index[FV_MAX_RANK];
    fv_expr *loads[MANY];
    *whole = false;
    if (!fv_element_definition(e, v))
        return 0;
    fv_expr *x = fv_element(e, v, index);
    const fv_affines s = {.dims = fv_region_module(v->def->block)->dims};
    size_t count = count_of(v);
    int n = fv_element_loads(e->arena, x, loads, MANY);
    size_t bytes = n < MANY && is_cheap(e->arena, x) ? bytes_loaded(&s, loads, n, count, whole) : 0;
    return bytes < bytes_of(v->type->elem, count) ? bytes : 0;
}

static const fv_expr *without_conversion(const fv_expr *x) {
    return x->op == FV_X_CONVERT ? without_conversion(x->arg[0]) : x;
}

/* Is the factor a load of v that a contraction reads as v is stored? Products of floats read a
 * factor so if it depends on the last axis of d with more than one element, and the factor `other`
 * does not depend on that axis. Products of integers read both factors so: zero points are taken
 * out of the sums (backend/steps/factor.c). */
static bool is_read_stored(const fv_definition *d, const fv_expr *factor, const fv_expr *other,
                           const fv_value *v) {
    int last = d->rank - 1;
    while (last > 0 && fv_dim_is_one(d->index[last]->dim))
        last--;
    factor = without_conversion(factor);
    if (!fv_is_load(factor) || fv_loaded(factor) != v)
        return false;
    return fv_elem_is_int(v->type->elem) ||
           (last >= 0 && fv_x_uses(factor, d->index[last]) && !fv_x_uses(other, d->index[last]));
}

bool fv_is_stored_factor(fv_elements *e, const fv_op *user, const fv_value *v) {
    const fv_definition *d = NULL;
    const fv_expr *x;
    if (user->nout && user->out[0])
        d = fv_element_definition(e, user->out[0]);
    if (!d)
        return false;
    for (fv_x_visitor w = fv_x_visit(e->arena, d->body); (x = fv_x_next(&w));) {
        const fv_expr *term =
            x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM ? without_conversion(x->arg[0]) : NULL;
        if (term && term->op == FV_X_MUL &&
            (is_read_stored(d, term->arg[0], term->arg[1], v) ||
             is_read_stored(d, term->arg[1], term->arg[0], v)))
            return true;
    }
    return false;
}
