/* elements.c - expressions for elements of values, and the search for sums in them. */
#include "passes/attention/elements.h"

#include "ir/base/limits.h"
#include "ir/definition/define.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"
#include "ir/expr/visit.h"

enum {
    LARGE = 4000, /* a value whose expression has more nodes is not substituted, but stays a load */
    MANY = 12,    /* a value whose expression has more loads is not substituted, either */
    DEEP = 60,    /* greatest nesting of substitutions */
    LOADS = 64
};

fv_elements fv_elements_new(fv_session *s) {
    fv_arena *a = fv_x_arena_new(s);
    return (fv_elements){.arena = a, .defined = fv_ptrmap_in(a), .composed = fv_ptrmap_in(a)};
}

void fv_elements_free(fv_elements *e) {
    fv_arena_free(e->arena);
}

void fv_elements_stop(fv_elements *e, const fv_value *v) {
    if (e->stop != v)
        e->composed = fv_ptrmap_in(e->arena);
    e->stop = v;
}

static bool has_region(const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            return true;
    return false;
}

const fv_definition *fv_element_definition(fv_elements *e, const fv_value *v) {
    fv_op *op = v->kind == FV_VALUE_RESULT ? v->def : NULL;
    if (!op || op->nout > FV_MAX_OUT || op->def->has_effect || op->def->kernel || op->def->recur ||
        has_region(op) || !(op->def->formula || op->def->define))
        return NULL;
    void **at = fv_ptrmap_at(&e->defined, op);
    if (!*at) {
        fv_definition **all = FV_NEW(e->arena, fv_definition *, FV_MAX_OUT);
        /* on a failure nothing is reported here; lowering reports the reason */
        if (!fv_define(e->arena, op, all))
            for (int i = 0; i < FV_MAX_OUT; i++)
                all[i] = NULL;
        *fv_ptrmap_at(&e->defined, op) = all;
        at = fv_ptrmap_at(&e->defined, op);
    }
    return ((fv_definition **)*at)[v->index];
}

/* ---- substituting ---- */

static fv_expr *constant_of(fv_arena *a, const fv_value *v) {
    const fv_tensor *t = v->kind == FV_VALUE_CONST ? v->tensor : NULL;
    if (!t || t->count != 1)
        return NULL;
    if (t->elem == FV_F32 || t->elem == FV_F64)
        return fv_x_const(a, t->elem, fv_tensor_float(t, 0));
    bool is_computed_with = fv_elem_arith(t->elem) == t->elem;
    return is_computed_with && (fv_elem_is_int(t->elem) || t->elem == FV_BOOL)
               ? fv_x_const_int(a, t->elem, fv_tensor_int(t, 0))
               : NULL;
}

static bool sums(const fv_expr *x) {
    return x->binds != 0;
}

static fv_expr *composed(fv_elements *e, const fv_value *v);

static fv_expr *substitute(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    fv_elements *e = r->user;
    const fv_value *v = fv_is_load(x) ? fv_loaded(x) : NULL;
    if (!v || v->now)
        return NULL;
    int rank = x->u.buf->rank;
    fv_expr *y = constant_of(e->arena, v);
    if (!y && (y = composed(e, v))) {
        const fv_definition *d = fv_element_definition(e, v);
        y = fv_x_convert(e->arena, v->type->elem,
                         fv_x_replace_vars(e->arena, y, d->rank, d->index, args));
    }
    return !y || x->op == FV_X_LOAD ? y : fv_x_select(e->arena, args[rank], y, args[rank + 1]);
}

fv_expr *fv_elements_in(fv_elements *e, fv_expr *x) {
    fv_x_rewriter r = {.arena = e->arena, .after = substitute, .user = e};
    return fv_x_rewrite(&r, x);
}

/* The element of v as an expression over the indices of its definition; NULL: v is a leaf. */
static fv_expr *composed(fv_elements *e, const fv_value *v) {
    const fv_definition *d = v == e->stop ? NULL : fv_element_definition(e, v);
    if (!d || sums(d->body) || e->depth > DEEP)
        return NULL;
    void *known = fv_ptrmap_get(&e->composed, v);
    if (!known) {
        fv_expr *loads[MANY + 1];
        e->depth++;
        fv_expr *y = fv_elements_in(e, d->body);
        e->depth--;
        bool large = y->size > LARGE || fv_element_loads(e->arena, y, loads, MANY + 1) > MANY;
        known = *fv_ptrmap_at(&e->composed, v) = large ? (void *)e : y;
    }
    return known == e ? NULL : known;
}

fv_expr *fv_element(fv_elements *e, const fv_value *v, fv_var **index) {
    const fv_definition *d = fv_element_definition(e, v);
    fv_expr *x = composed(e, v), *at[FV_MAX_RANK];
    for (int i = 0; i < v->type->rank; i++) {
        index[i] = x ? d->index[i]
                     : fv_index_var(e->arena, fv_printf(e->arena, "i%d", i), v->type->dims[i]);
        at[i] = fv_x_var(e->arena, index[i]);
    }
    return x ? x : fv_x_load(e->arena, fv_value_buf(e->arena, v), at);
}

/* ---- sums ---- */

static fv_expr *first_sum(fv_arena *a, fv_expr *root) {
    fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM && sums(x))
            return x;
        else if (x->op == FV_X_REDUCE || !sums(x))
            fv_x_skip(&v);
    return NULL;
}

static fv_expr *without_conversion(fv_expr *x) {
    return x->op == FV_X_CONVERT ? without_conversion(x->arg[0]) : x;
}

static bool sum_of(fv_elements *e, const fv_definition *d, fv_expr *reduce, fv_summed *out) {
    fv_expr *x = reduce->arg[0], *zero = fv_x_int(e->arena, 0);
    /* if the sum has several variables, those of dim 1 become 0 */
    for (int i = 0; i < reduce->u.red.nvars; i++)
        if (reduce->u.red.nvars > 1 && fv_dim_is_one(reduce->u.red.vars[i]->dim))
            x = fv_x_replace_vars(e->arena, x, 1, &reduce->u.red.vars[i], &zero);
    x = without_conversion(fv_elements_in(e, x));
    bool product = x->op == FV_X_MUL;
    *out = (fv_summed){
        .def = d, .reduce = reduce, .f = product ? x->arg[0] : x, .g = product ? x->arg[1] : NULL};
    return true;
}

bool fv_element_sum(fv_elements *e, const fv_value *v, fv_summed *out) {
    const fv_definition *d = v == e->stop ? NULL : fv_element_definition(e, v);
    fv_expr *reduce = d ? first_sum(e->arena, d->body) : NULL;
    return reduce && sum_of(e, d, reduce, out);
}

bool fv_loaded_sum(fv_elements *e, const fv_expr *load, fv_summed *out) {
    const fv_definition *d =
        fv_loaded(load) == e->stop ? NULL : fv_element_definition(e, fv_loaded(load));
    fv_expr *y =
        d ? fv_x_replace_vars(e->arena, d->body, d->rank, d->index, (fv_expr **)load->arg) : NULL;
    fv_expr *reduce = y ? first_sum(e->arena, y) : NULL;
    return reduce && sum_of(e, d, reduce, out);
}

/* ---- questions ---- */

static bool has(fv_expr *const *loads, int n, const fv_expr *x) {
    while (n > 0 && loads[n - 1] != x)
        n--;
    return n > 0;
}

static int find_loads(fv_arena *a, fv_expr *root, fv_expr **out, int max, bool terms) {
    fv_expr *x;
    int n = 0;
    for (fv_x_visitor v = fv_x_visit(a, root); n < max && (x = fv_x_next(&v));)
        if (terms && x->type.elem == FV_BOOL)
            fv_x_skip(&v);
        else if (fv_is_load(x) && !has(out, n, x))
            out[n++] = x;
    return n;
}

int fv_element_loads(fv_arena *a, fv_expr *x, fv_expr **out, int max) {
    return find_loads(a, x, out, max, false);
}

int fv_element_terms(fv_arena *a, fv_expr *x, fv_expr **out, int max) {
    return find_loads(a, x, out, max, true);
}

bool fv_is_computed(fv_arena *a, fv_expr *x) {
    fv_expr *loads[LOADS];
    int n = fv_element_loads(a, x, loads, LOADS);
    for (int i = 0; i < n; i++)
        if (fv_loaded(loads[i])->kind != FV_VALUE_CONST)
            return true;
    return false;
}

bool fv_load_uses(const fv_expr *load, const fv_var *v) {
    for (int i = 0; i < load->u.buf->rank; i++)
        if (fv_x_uses(load->arg[i], v))
            return true;
    return false;
}
