/* term.c - terms, to which expressions of rules and of definitions are evaluated, and the operands
 * and attributes that are made of them. */
#include "ir/rule/build_parts.h"

#include <string.h>

#include "ir/base/whole.h"

static const char *const kind_names[] = {"nothing",         "a value",  "operands",
                                         "a dim",           "a number", "a text",
                                         "an element type", "a list",   "an attribute"};

fv_term fv_term_wrong(fv_build *e, const fv_ast *x, fv_term found, const char *expected) {
    if (!e->w->failed && e->of)
        fv_op_error(e->w->at, "the expansion '%s', line %d: expected %s, found %s", e->of, x->line,
                    expected, kind_names[found.kind]);
    e->w->failed = true;
    return (fv_term){0};
}

bool fv_term_as_number(fv_term t, double *out) {
    if (t.kind == FV_TERM_DIM && fv_dim_is_const(t.dim))
        *out = (double)t.dim->value;
    else if (t.kind == FV_TERM_NUMBER)
        *out = t.number;
    else
        return false;
    return true;
}

const fv_dim *fv_term_as_dim(const fv_build *e, fv_term t) {
    if (t.kind == FV_TERM_DIM)
        return t.dim;
    return t.kind == FV_TERM_NUMBER && fv_is_whole(t.number)
               ? fv_dim_const(e->t, fv_whole(t.number))
               : NULL;
}

fv_term fv_term_attr(const fv_build *e, const fv_attr *a) {
    const fv_dim **dims = FV_NEW(e->w->module->arena, const fv_dim *, a->n + 1);
    switch (a->kind) {
    case FV_ATTR_INT: return fv_term_int(e, a->u.i);
    case FV_ATTR_FLOAT: return (fv_term){.kind = FV_TERM_NUMBER, .number = (double)a->u.f};
    case FV_ATTR_STRING:
        return (fv_term){.kind = FV_TERM_STRING, .n = (int)a->u.s.n, .text = a->u.s.s};
    case FV_ATTR_INTS:
        for (int i = 0; i < a->n; i++)
            dims[i] = fv_dim_const(e->t, a->u.ints[i]);
        return fv_term_list(a->n, dims);
    case FV_ATTR_DIMS: return fv_term_list(a->n, a->u.dims);
    case FV_ATTR_FLOATS:
    case FV_ATTR_STRINGS:
    case FV_ATTR_TENSOR:
    case FV_ATTR_TYPE:
    case FV_ATTR_REGION: break;
    }
    return (fv_term){.kind = FV_TERM_ATTR, .attr = a};
}

/* ---- operands ---- */

/* A constant: the number v in the type `of`. */
static fv_value *number_value(fv_build *e, fv_elem of, double v) {
    if (fv_elem_is_float(of))
        return fv_w_float(e->w, of, v);
    if (!fv_is_whole(v)) { /* fails: no integer type represents v */
        e->w->failed = true;
        return NULL;
    }
    return fv_w_int(e->w, of, fv_whole(v));
}

/* An integer tensor with these dims as elements, computed in `of` or, if that is not an integer
 * type of 32 bits or more, in i64 and cast. */
static fv_value *ints_value(fv_build *e, fv_elem of, int rank, int n, const fv_dim *const *dims) {
    bool is_int = fv_elem_is_int(of) && fv_elem_bits(of) >= 32;
    return fv_w_cast(e->w, fv_w_ints(e->w, is_int ? of : FV_I64, rank, n, dims), of);
}

fv_value *fv_term_as_operand(fv_build *e, const fv_ast *x, fv_term t, fv_elem of) {
    double v;
    if (t.kind == FV_TERM_DIM && fv_dim_is_const(t.dim) && !fv_elem_is_float(of))
        /* the dim does not become a double, which cannot represent all integers */
        return fv_w_int(e->w, of, t.dim->value);
    if (fv_term_as_number(t, &v))
        return number_value(e, of, v);
    if (t.kind == FV_TERM_DIM)
        return ints_value(e, of, 0, 1, &t.dim);
    if (t.kind == FV_TERM_LIST)
        return ints_value(e, of, 1, t.n, t.dims);
    if (t.kind != FV_TERM_VALUE && t.kind != FV_TERM_NOTHING)
        fv_term_wrong(e, x, t, "an operand");
    return t.kind == FV_TERM_VALUE ? t.value : NULL;
}

/* The element type of the first of the names that is a tensor: a captured value, operand or
 * argument; FV_F32: there is none. */
fv_elem fv_build_first_type(const fv_build *e) {
    for (int i = 0; i < e->n; i++)
        if (e->names[i].term.kind == FV_TERM_VALUE && !e->names[i].let &&
            e->names[i].term.value->type->kind == FV_TENSOR)
            return e->names[i].term.value->type->elem;
    return FV_F32;
}

static fv_elem_set set_of(const fv_opdef *def, const char *variable) {
    for (int i = 0; i < FV_MAX_TYPEVARS && def->types[i].name; i++)
        if (!strcmp(def->types[i].name, variable))
            return def->types[i].set;
    return 0;
}

/* The type of a number as operand i: that of an operand with the same type variable, otherwise a
 * type that the variable allows. */
static fv_elem type_at(const fv_build *e, const fv_opdef *def, int n, const fv_term *in, int i) {
    const fv_operand_def *d = fv_opdef_operand(def->in, FV_MAX_IN, i);
    fv_elem first = fv_build_first_type(e);
    for (int k = 0; d && k < n; k++) {
        const fv_operand_def *other = fv_opdef_operand(def->in, FV_MAX_IN, k);
        if (other && in[k].kind == FV_TERM_VALUE && !strcmp(other->type, d->type))
            return in[k].value->type->elem;
    }
    fv_elem_set set = d ? set_of(def, d->type) : 0;
    if (!set || (set >> first & 1))
        return first;
    return set & FV_SET(I64) ? FV_I64 : FV_F32;
}

fv_op *fv_build_op(fv_build *e, const fv_ast *x, const fv_opdef *def, int n, const fv_term *in,
                   int nattrs, const fv_attr *attrs, int nout) {
    fv_value **values = FV_NEW(e->w->module->arena, fv_value *, n + 1);
    for (int i = 0; i < n; i++)
        values[i] = fv_term_as_operand(
            e, x, in[i], in[i].kind == FV_TERM_VALUE ? FV_F32 : type_at(e, def, n, in, i));
    return fv_w_def_n(e->w, def, n, values, nattrs, attrs, nout);
}

static bool ints_attr(fv_build *e, const char *called, fv_term t, fv_attr *out) {
    int64_t *v = FV_NEW(e->w->module->arena, int64_t, t.n + 1);
    for (int i = 0; i < t.n; i++) {
        if (!fv_dim_is_const(t.dims[i]))
            return false;
        v[i] = t.dims[i]->value;
    }
    *out = fv_attr_ints(e->w->module, called, t.n, v);
    return true;
}

bool fv_term_as_attr(fv_build *e, const fv_attr_def *d, fv_term t, fv_attr *out) {
    fv_module *m = e->w->module;
    double v = 0;
    if (t.kind == FV_TERM_ELEM && d->kind == FV_ATTR_INT)
        *out = fv_attr_int(m, d->name, t.elem);
    else if (t.kind == FV_TERM_ELEM && d->kind == FV_ATTR_TYPE)
        *out = fv_attr_elem(m, d->name, t.elem);
    else if (d->kind == FV_ATTR_INT && t.kind == FV_TERM_DIM && fv_dim_is_const(t.dim))
        *out = fv_attr_int(m, d->name, t.dim->value); /* a double would round the dim */
    else if (d->kind == FV_ATTR_INT && fv_term_as_number(t, &v) && fv_is_whole(v))
        *out = fv_attr_int(m, d->name, fv_whole(v));
    else if (d->kind == FV_ATTR_FLOAT && fv_term_as_number(t, &v))
        *out = fv_attr_float(m, d->name, (float)v);
    else if (d->kind == FV_ATTR_STRING && t.kind == FV_TERM_STRING)
        *out = fv_attr_string(m, d->name, fv_strndup(m->arena, t.text, (size_t)t.n));
    else if (d->kind == FV_ATTR_DIMS && t.kind == FV_TERM_LIST)
        *out = fv_attr_dims(m, d->name, t.n, t.dims);
    else if (d->kind == FV_ATTR_INTS && t.kind == FV_TERM_LIST)
        return ints_attr(e, d->name, t, out);
    else if (t.kind == FV_TERM_ATTR && t.attr->kind == d->kind) {
        *out = *t.attr;
        out->name = fv_intern(m->session, d->name);
    } else
        return t.kind == FV_TERM_NOTHING;
    return true;
}

/* Are two lists equal? Dims are equal if that is proved for all values of the symbols. */
static bool same_list(const fv_build *e, fv_term a, fv_term b) {
    for (int i = 0; i < a.n && a.n == b.n; i++)
        if (fv_dim_compare(e->t, a.dims[i], b.dims[i]) != FV_DIM_EQUAL)
            return false;
    return a.n == b.n;
}

bool fv_term_equal(const fv_build *e, fv_term a, fv_term b) {
    if (a.kind == FV_TERM_STRING && b.kind == FV_TERM_STRING)
        return a.n == b.n && !memcmp(a.text, b.text, (size_t)a.n);
    if (a.kind == FV_TERM_LIST && b.kind == FV_TERM_LIST)
        return same_list(e, a, b);
    if (a.kind == FV_TERM_DIM && b.kind == FV_TERM_DIM)
        return fv_dim_compare(e->t, a.dim, b.dim) == FV_DIM_EQUAL;
    return a.kind == FV_TERM_ELEM && b.kind == FV_TERM_ELEM && a.elem == b.elem;
}
