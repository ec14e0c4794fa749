/* infer.c - functions from which the catalogue's shape inference is built: shapes, and the elements
 * of small integer tensors as symbolic dims. */
#include "ir/graph/infer.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/dim/text.h"
#include "ir/graph/check.h"
#include "ir/graph/lengths.h"

void fv_infer_out(fv_op *op, int i, fv_elem e, int rank, const fv_dim *const *dims) {
    if (i < op->nout && op->out[i])
        op->out[i]->type = fv_tensor_type(fv_op_module(op)->arena, e, rank, dims);
}

void fv_infer_like(fv_op *op, int out, int in) {
    if (out < op->nout && op->out[out])
        op->out[out]->type = fv_in_type(op, in);
}

/* Is b = min(a, others), where all others are greater than 1? Then b is 1 exactly where a is 1. */
static bool is_cut(const fv_dim *b, const fv_dim *a) {
    bool cut = false;
    for (int i = 0; b->kind == FV_DIM_MIN && i < b->n; i++) {
        if (b->arg[i] != a && b->arg[i]->lo <= 1)
            return false;
        cut |= b->arg[i] == a;
    }
    return cut;
}

/* A dim that is 0 if a and b are equal, or one of them is 1: (a - b) * [a != 1] * [b != 1]. */
static const fv_dim *misfit(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    const fv_dim *one = fv_dim_const(t, 1);
    return fv_dim_mul(t, fv_dim_sub(t, a, b),
                      fv_dim_mul(t, fv_dim_sub(t, one, fv_dim_is(t, a, 1)),
                                 fv_dim_sub(t, one, fv_dim_is(t, b, 1))));
}

/* Assumes that dims a and b, aligned in a broadcast, are equal or one of them is 1. Returns the dim
 * of the result; NULL: that is impossible. */
static const fv_dim *assume_broadcast(fv_module *m, const fv_dim *a, const fv_dim *b) {
    fv_dims *t = m->dims;
    const fv_dim *one = fv_dim_const(t, 1), *zero = fv_dim_const(t, 0);
    if (a == b || a == one || b == one)
        return fv_dim_broadcast(t, a, b);
    /* one is the other cut to a maximum, as positions cut to the rows of a table: assumed equal, so
     * that nothing is cut */
    if (is_cut(b, a) || is_cut(a, b)) {
        const char *says = fv_printf(m->arena, "%s and %s are equal", fv_dim_str(m->arena, a),
                                     fv_dim_str(m->arena, b));
        if (!fv_module_require(m, a, b, "broadcast", says))
            return NULL;
        return is_cut(b, a) ? a : b;
    }
    const char *says = fv_printf(m->arena, "%s and %s are equal, or one of them is 1",
                                 fv_dim_str(m->arena, a), fv_dim_str(m->arena, b));
    return fv_module_require(m, misfit(t, a, b), zero, "broadcast", says)
               ? fv_dim_broadcast(t, a, b)
               : NULL;
}

/* A dim for a message, with its bounds if these explain the error: "n (2 to 10)". */
static const char *bounded_str(fv_module *m, const fv_dim *d) {
    const char *text = fv_dim_str(m->arena, d);
    if (fv_dim_is_const(d) || (d->lo <= 0 && d->hi >= FV_DIM_MAX))
        return text;
    if (d->hi >= FV_DIM_MAX)
        return fv_printf(m->arena, "%s (at least %lld)", text, (long long)d->lo);
    return fv_printf(m->arena, "%s (%lld to %lld)", text, (long long)d->lo, (long long)d->hi);
}

bool fv_infer_broadcast(fv_op *op, int n, const fv_type *const *types, int *rank,
                        const fv_dim **dims) {
    fv_module *m = fv_op_module(op);
    int r = 0;
    for (int i = 0; i < n; i++)
        if (types[i]->rank > r)
            r = types[i]->rank;
    for (int axis = 0; axis < r; axis++) {
        const fv_dim *d = NULL;
        for (int i = 0; i < n; i++) {
            int at = axis - (r - types[i]->rank);
            if (at < 0)
                continue;
            const fv_dim *e = types[i]->dims[at];
            if (!d) {
                d = e;
                continue;
            }
            const fv_dim *both = assume_broadcast(m, d, e);
            if (!both)
                return fv_op_error(op, "shapes do not broadcast: axis %d has %s and %s", axis,
                                   bounded_str(m, d), bounded_str(m, e));
            d = both;
        }
        dims[axis] = d;
    }
    *rank = r;
    return true;
}

/* A dim that is 0 if d is 1 or `dim`: (d - dim) * [d != 1]. */
static const fv_dim *no_fit(fv_dims *t, const fv_dim *d, const fv_dim *dim) {
    return fv_dim_mul(t, fv_dim_sub(t, d, dim),
                      fv_dim_sub(t, fv_dim_const(t, 1), fv_dim_is(t, d, 1)));
}

bool fv_infer_is_fit(const fv_module *m, const fv_dim *d, const fv_dim *dim) {
    const fv_dim *zero = fv_dim_const(m->dims, 0);
    if (fv_dim_is_one(d) || fv_module_equal(m, d, dim) ||
        fv_module_equal(m, no_fit(m->dims, d, dim), zero))
        return true;
    return dim->kind == FV_DIM_BROADCAST && (dim->arg[0] == d || dim->arg[1] == d) &&
           fv_module_equal(m, misfit(m->dims, dim->arg[0], dim->arg[1]), zero);
}

bool fv_infer_fits(fv_op *op, int in, int rank, const fv_dim *const *dims) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, in);
    if (!t)
        return true;
    int lead = rank - t->rank;
    if (lead < 0)
        return fv_op_error(op, "input '%s' has rank %d, expected at most %d", op->def->in[in].name,
                           t->rank, rank);
    for (int i = 0; i < t->rank; i++) {
        const fv_dim *d = t->dims[i];
        if (fv_infer_is_fit(m, d, dims[lead + i]))
            continue;
        if (!fv_module_require(m, no_fit(m->dims, d, dims[lead + i]), fv_dim_const(m->dims, 0),
                               "broadcast",
                               fv_printf(m->arena, "%s is 1 or %s", fv_dim_str(m->arena, d),
                                         fv_dim_str(m->arena, dims[lead + i]))))
            return fv_op_error(op, "input '%s' has %s on axis %d, expected %s%s",
                               op->def->in[in].name, bounded_str(m, d), i,
                               bounded_str(m, dims[lead + i]),
                               fv_dim_is_one(dims[lead + i]) ? "" : " or 1");
    }
    return true;
}

bool fv_infer_length(fv_op *op, int in, int n) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, in);
    if (!t || (t->rank == 1 &&
               fv_module_assume(m, t->dims[0], fv_dim_const(m->dims, n), "length of an operand")))
        return true;
    return fv_op_error(op, "input '%s' is %s, expected %d elements", op->def->in[in].name,
                       fv_type_str(m->arena, t), n);
}

/* x if d is the maximum of x and of something that is never positive, otherwise d: the value of d
 * where it is positive. */
static const fv_dim *where_positive(const fv_dim *d) {
    for (int i = 0; d->kind == FV_DIM_MAX_ && i < d->n; i++)
        if (d->arg[i]->hi <= 0)
            return where_positive(d->arg[!i]);
    return d;
}

/* The i-th summand of d; d itself if it is not a sum. */
static const fv_dim *summand(const fv_dim *d, int i) {
    return d->kind == FV_DIM_ADD ? d->arg[i] : d;
}

/* Is a <= b proved? Besides bounds and relations, replaces a max in b by one of its arguments, or a
 * min in a. */
static bool is_at_most(const fv_module *m, const fv_dim *a, const fv_dim *b) {
    fv_dims *t = m->dims;
    if (fv_dim_at_most(t, a, b) || fv_module_equal(m, a, fv_dim_min(t, a, b)))
        return true;
    for (int side = 0; side < 2; side++) {
        const fv_dim *d = side ? a : b;
        for (int i = 0; i < (d->kind == FV_DIM_ADD ? d->n : 1); i++) {
            const fv_dim *part = summand(d, i), *rest = fv_dim_sub(t, d, part);
            for (int k = 0; part->kind == (side ? FV_DIM_MIN : FV_DIM_MAX_) && k < 2; k++) {
                const fv_dim *with = fv_dim_add(t, rest, part->arg[k]);
                if (side ? fv_dim_at_most(t, with, b) : fv_dim_at_most(t, a, with))
                    return true;
            }
        }
    }
    return false;
}

bool fv_infer_inside(fv_op *op, const fv_dim *size, const fv_dim *start, const fv_dim *step,
                     const fv_dim *count) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    if (count->hi <= 0)
        return true;
    const fv_dim *end =
        fv_dim_add(t, start, fv_dim_mul(t, fv_dim_sub(t, where_positive(count), one), step));
    const fv_dim *first = step->lo >= 0 ? start : step->hi <= 0 ? end : fv_dim_min(t, start, end);
    const fv_dim *last = step->lo >= 0 ? end : step->hi <= 0 ? start : fv_dim_max(t, start, end);
    const fv_dim *need = fv_dim_add(t, last, one);
    bool above = is_at_most(m, zero, first), below = is_at_most(m, need, size);
    const char *low = fv_printf(m->arena, "0 <= %s", fv_dim_str(m->arena, first));
    const char *high =
        fv_printf(m->arena, "%s < %s", fv_dim_str(m->arena, last), fv_dim_str(m->arena, size));
    if (count->lo >= 1)
        return (above || fv_module_require(m, fv_dim_max(t, first, zero), first,
                                           "elements of an axis", low)) &&
               (below ||
                fv_module_require(m, fv_dim_max(t, need, size), size, "elements of an axis", high));
    const fv_dim *any = fv_dim_max(t, zero, fv_dim_min(t, count, one));
    const char *none = fv_printf(m->arena, ", or %s is 0", fv_dim_str(m->arena, count));
    return (above ||
            fv_module_require(m, fv_dim_mul(t, any, fv_dim_min(t, first, zero)), zero,
                              "elements of an axis", fv_printf(m->arena, "%s%s", low, none))) &&
           (below || fv_module_require(
                         m, fv_dim_mul(t, any, fv_dim_max(t, fv_dim_sub(t, need, size), zero)),
                         zero, "elements of an axis", fv_printf(m->arena, "%s%s", high, none)));
}

bool fv_infer_at_least(fv_op *op, const fv_dim *d, int64_t least, const char *what) {
    fv_module *m = fv_op_module(op);
    const fv_dim *most = fv_dim_max(m->dims, d, fv_dim_const(m->dims, least));
    const char *says = fv_printf(m->arena, "%lld <= %s", (long long)least, fv_dim_str(m->arena, d));
    return fv_module_require(m, most, d, what, says) ||
           fv_op_error(op, "has %s %s, expected at least %lld", fv_dim_str(m->arena, d), what,
                       (long long)least);
}

bool fv_infer_per_channel(fv_op *op, int in, const fv_dim *channels) {
    fv_module *m = fv_op_module(op);
    const fv_dim *n = fv_in_type(op, in)->dims[0];
    return fv_module_assume(m, n, channels, "one number a channel") ||
           fv_op_error(op, "input '%s' has %s elements, expected one for each of %s channels",
                       op->def->in[in].name, fv_dim_str(m->arena, n),
                       fv_dim_str(m->arena, channels));
}

bool fv_infer_axis(fv_op *op, int64_t axis, int rank, int *out) {
    if (axis < -rank || axis >= rank)
        return fv_op_error(op, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

/* ---- contents of small integer tensors ---- */

void fv_set_elems(fv_value *v, int n, const fv_dim *const *elems) {
    if (v->kind == FV_VALUE_CONST)
        return; /* the elements of a constant are known from its content */
    fv_arena *a =
        v->kind == FV_VALUE_RESULT ? fv_op_module(v->def)->arena : v->block->func->module->arena;
    const fv_dim **copy = FV_NEW(a, const fv_dim *, n + 1);
    if (n)
        memcpy(copy, elems, (size_t)n * sizeof *copy);
    v->elems = copy;
    v->nelems = n;
}

static bool is_small_int(const fv_type *t, int *n) {
    if (!t || t->kind != FV_TENSOR || t->rank > 1 ||
        !(t->elem == FV_I64 || t->elem == FV_I32 || t->elem == FV_BOOL))
        return false;
    const fv_dim *d = t->rank ? t->dims[0] : NULL;
    if (d && (!fv_dim_is_const(d) || d->value > FV_MAX_ELEMS))
        return false;
    *n = d ? (int)d->value : 1;
    return true;
}

bool fv_const_elems(fv_module *m, fv_value *v) {
    int n;
    if (!is_small_int(v->type, &n))
        return false;
    const fv_dim **e = FV_NEW(m->arena, const fv_dim *, n + 1);
    for (int i = 0; i < n; i++)
        e[i] = fv_dim_const(m->dims, fv_tensor_int(v->tensor, (size_t)i));
    v->elems = e;
    v->nelems = n;
    return true;
}

/* Adds an fv.Bind after the definition of v: its elements become symbols. */
static void bind_elems(fv_module *m, fv_value *v, int n) {
    const fv_dim **e = FV_NEW(m->arena, const fv_dim *, n + 1);
    int64_t lo, hi;
    if (!fv_elem_range(v->type->elem, &lo, &hi)) { /* dims have at most FV_DIM_MAX */
        hi = FV_DIM_MAX;
        lo = fv_elem_is_signed(v->type->elem) ? -FV_DIM_MAX : 0;
    }
    for (int i = 0; i < n; i++)
        e[i] = fv_dim_fresh(m->dims, fv_printf(m->arena, "%s_%d", v->name, i), lo, hi, true);
    v->elems = e;
    v->nelems = n;
    fv_region *r = v->kind == FV_VALUE_RESULT ? v->def->block : v->block;
    fv_op *before = v->kind == FV_VALUE_RESULT ? v->def->next : r->first;
    fv_op *bind = fv_op_new(r, before, fv_op_def(FV_OP_fv_Bind), 1, &v, 0, NULL,
                            v->kind == FV_VALUE_RESULT ? v->def->origin : fv_origin_of(m, v->name));
    fv_op_set_dims(bind, "symbols", n, e);
}

/* The symbol that an fv.Let above op binds to d, or NULL. When a text is parsed it contains the
 * fv.Lets that inference added before it was printed. */
static const fv_dim *name_above(const fv_op *op, const fv_dim *d) {
    for (const fv_op *at = op->prev; at; at = at->prev) {
        if (!fv_op_is(at, FV_OP_fv_Let))
            continue;
        const fv_attr *values = fv_op_find_attr(at, "values"),
                      *symbols = fv_op_find_attr(at, "symbols");
        for (int i = 0; values && symbols && i < values->n && i < symbols->n; i++)
            if (values->u.dims[i] == d)
                return symbols->u.dims[i];
    }
    return NULL;
}

const fv_dim *fv_name_dim(fv_op *op, const char *stem, const fv_dim *d) {
    if (d->kind == FV_DIM_CONST || d->kind == FV_DIM_SYMBOL || !d->from_data)
        return d;
    fv_module *m = fv_op_module(op);
    const fv_dim *known = name_above(op, d);
    if (known)
        return known;
    const fv_dim *name = fv_dim_fresh(m->dims, stem, d->lo, d->hi, true);
    fv_op *let = fv_op_new(op->block, op, fv_op_def(FV_OP_fv_Let), 0, NULL, 0, NULL, op->origin);
    fv_op_set_dims(let, "symbols", 1, &name);
    fv_op_set_dims(let, "values", 1, &d);
    return name;
}

bool fv_known_int(const fv_value *v, int64_t *out) {
    if (v->kind == FV_VALUE_CONST && v->tensor && v->tensor->count == 1 &&
        (FV_SET_INT | FV_SET(BOOL)) >> v->tensor->elem & 1) {
        *out = fv_tensor_int(v->tensor, 0);
        return true;
    }
    if (!v->elems || v->nelems != 1 || !fv_dim_is_const(v->elems[0]))
        return false;
    *out = v->elems[0]->value;
    return true;
}

bool fv_elems(const fv_op *op, int in, int *n, const fv_dim *const **elems) {
    fv_value *v = fv_op_in(op, in);
    fv_module *m = fv_op_module(op);
    if (!v)
        return false;
    if (!v->elems) {
        int count;
        if (v->kind == FV_VALUE_CONST) {
            if (!fv_const_elems(m, v))
                return false;
        } else {
            if (!is_small_int(v->type, &count))
                return false;
            bind_elems(m, v, count);
        }
    }
    *n = v->nelems;
    *elems = v->elems;
    return true;
}

/* Element i of v; if v has one element, that one, which is broadcast. */
static const fv_dim *elem_of(const fv_value *v, int i) {
    return v->elems[v->nelems == 1 ? 0 : i];
}

static bool known(const fv_op *op, int in) {
    fv_value *v = fv_op_in(op, in);
    int n;
    if (!v || !is_small_int(v->type, &n))
        return false;
    return v->elems || (v->kind == FV_VALUE_CONST && fv_const_elems(fv_op_module(op), v));
}

typedef const fv_dim *(*binary_fn)(fv_dims *, const fv_dim *, const fv_dim *);

/* a / b rounded towards zero, as ONNX's integer division; that is a floordiv b if neither argument
 * is negative; NULL: not known. */
static const fv_dim *div_trunc(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return a->lo >= 0 && b->lo >= 1 ? fv_dim_floordiv(t, a, b) : NULL;
}

static const fv_dim *mod_floor(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return b->lo >= 1 ? fv_dim_mod(t, a, b) : NULL;
}

static const fv_dim *truth(fv_dims *t, const fv_dim *a, const fv_dim *b, bool equal) {
    const fv_dim *is = fv_dim_is(t, fv_dim_sub(t, a, b), 0);
    return equal ? is : fv_dim_sub(t, fv_dim_const(t, 1), is);
}
static const fv_dim *equal(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return truth(t, a, b, true);
}
static const fv_dim *less(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return fv_dim_is_negative(t, fv_dim_sub(t, a, b));
}
static const fv_dim *greater(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return less(t, b, a);
}
static const fv_dim *negate(fv_dims *t, const fv_dim *p) {
    return fv_dim_sub(t, fv_dim_const(t, 1), p);
}
static const fv_dim *less_equal(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return negate(t, less(t, b, a));
}
static const fv_dim *greater_equal(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return negate(t, less(t, a, b));
}

static const struct {
    fv_op_id op;
    binary_fn fn;
} binaries[] = {{FV_OP_Add, fv_dim_add},
                {FV_OP_Sub, fv_dim_sub},
                {FV_OP_Mul, fv_dim_mul},
                {FV_OP_Div, div_trunc},
                {FV_OP_Mod, mod_floor},
                {FV_OP_Min, fv_dim_min},
                {FV_OP_Max, fv_dim_max},
                {FV_OP_Equal, equal},
                {FV_OP_Less, less},
                {FV_OP_Greater, greater},
                {FV_OP_LessOrEqual, less_equal},
                {FV_OP_GreaterOrEqual, greater_equal},
                {FV_OP_And, fv_dim_mul},
                {FV_OP_NONE, NULL}};

static bool infer_elems_binary(fv_op *op, int n, const fv_dim **e) {
    fv_dims *t = fv_op_module(op)->dims;
    for (int k = 0; binaries[k].op; k++) {
        if (!fv_op_is(op, binaries[k].op) || op->nin != 2 || !known(op, 0) || !known(op, 1))
            continue;
        if (binaries[k].op == FV_OP_Mod && fv_op_int(op, "fmod"))
            return false;
        for (int i = 0; i < n; i++)
            if (!(e[i] = binaries[k].fn(t, elem_of(op->in[0], i), elem_of(op->in[1], i))))
                return false;
        return true;
    }
    return false;
}

/* Computes the elements of Concat, Where, Not, Neg, Cast, fv.Expand and views whose operands have
 * known elements. */
static bool infer_elems_other(fv_op *op, int n, const fv_dim **e) {
    fv_dims *t = fv_op_module(op)->dims;
    if (fv_op_is(op, FV_OP_Concat)) {
        int at = 0;
        for (int i = 0; i < op->nin; i++) {
            if (!known(op, i))
                return false;
            for (int k = 0; k < op->in[i]->nelems; k++)
                e[at++] = op->in[i]->elems[k];
        }
        return true;
    }
    if (fv_op_is(op, FV_OP_Where) && known(op, 0) && known(op, 1) && known(op, 2)) {
        for (int i = 0; i < n; i++)
            e[i] = fv_dim_select(t, elem_of(op->in[0], i), elem_of(op->in[1], i),
                                 elem_of(op->in[2], i));
        return true;
    }
    if (fv_op_is(op, FV_OP_Not) && known(op, 0)) {
        for (int i = 0; i < n; i++)
            e[i] = negate(t, elem_of(op->in[0], i));
        return true;
    }
    if (fv_op_is(op, FV_OP_Neg) && known(op, 0)) {
        for (int i = 0; i < n; i++)
            e[i] = fv_dim_sub(t, fv_dim_const(t, 0), elem_of(op->in[0], i));
        return true;
    }
    if (fv_op_is(op, FV_OP_fv_Expand) && known(op, 0)) {
        for (int i = 0; i < n; i++)
            e[i] = elem_of(op->in[0], i);
        return true;
    }
    static const fv_op_id same[] = {FV_OP_Cast,    FV_OP_Identity,   FV_OP_Unsqueeze, FV_OP_Squeeze,
                                    FV_OP_Reshape, FV_OP_fv_Reshape, FV_OP_Flatten,   FV_OP_NONE};
    for (int k = 0; same[k]; k++)
        if (fv_op_is(op, same[k]) && known(op, 0) && op->in[0]->nelems == n) {
            if (op->out[0]->type->elem == FV_BOOL && op->in[0]->type->elem != FV_BOOL)
                return false;
            memcpy(e, op->in[0]->elems, (size_t)n * sizeof *e);
            return true;
        }
    return false;
}

/* Sets the elements of result 0 if they can be computed from those of the operands. An entry's
 * .infer may have set them already. */
static void infer_elems(fv_op *op) {
    int n;
    if (!op->nout || !op->out[0] || op->out[0]->elems || !is_small_int(op->out[0]->type, &n))
        return;
    const fv_dim **e = FV_NEW(fv_op_module(op)->arena, const fv_dim *, n + 1);
    if (infer_elems_binary(op, n, e) || infer_elems_other(op, n, e))
        fv_set_elems(op->out[0], n, e);
}

static void learn_block(const fv_region *block) {
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                learn_block(op->attrs[i].u.region);
        infer_elems(op);
    }
}

void fv_module_learn(fv_module *m) {
    for (fv_func *f = m->funcs; f; f = f->next)
        learn_block(f->body);
}

/* ---- operands whose length the entry determines ---- */

/* The type of operand i if it is a tensor, else NULL. */
static const fv_type *tensor_in(const fv_op *op, int i) {
    const fv_type *t = fv_in_type(op, i);
    return t && t->kind == FV_TENSOR ? t : NULL;
}

static const fv_operand_def *def_of(const fv_op *op, int i) {
    return fv_opdef_operand(op->def->in, FV_MAX_IN, i);
}

/* Puts an fv.Reshape to these dims before operand i. */
static bool reshape(fv_op *op, int i, int rank, const fv_dim *const *dims) {
    const char *stem = op->nout && op->out[0] ? op->out[0]->name : op->def->name;
    fv_op *made =
        fv_op_new(op->block, op, fv_op_def(FV_OP_fv_Reshape), 1, &op->in[i], 1, &stem, op->origin);
    fv_op_set_dims(made, "dims", rank, dims);
    if (!fv_op_infer(made))
        return false;
    fv_op_set_in(op, i, made->out[0]);
    return true;
}

bool fv_op_set_length(fv_op *op, int in, int length) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = tensor_in(op, in);
    const char *name = def_of(op, in)->name;
    const fv_dim *n = fv_dim_const(m->dims, length);
    if (!t || t->rank != 1 || t->dims[0] == n)
        return true;
    if (!fv_module_assume(m, t->dims[0], n, fv_printf(m->arena, "length of '%s'", name)))
        return fv_op_error(op, "input '%s' is %s, expected %d element%s", name,
                           fv_type_str(m->arena, t), length, length == 1 ? "" : "s");
    return reshape(op, in, 1, &n);
}

/* An operand of one element, of any rank: each open dim is 1. */
static bool fit_single(fv_op *op, int i, const fv_type *t) {
    fv_module *m = fv_op_module(op);
    const fv_dim *ones[FV_MAX_RANK], *one = fv_dim_const(m->dims, 1);
    bool open = false;
    for (int k = 0; k < t->rank; k++) {
        if (!fv_dim_is_const(t->dims[k]) &&
            !fv_module_assume(m, t->dims[k], one,
                              fv_printf(m->arena, "one element of '%s'", def_of(op, i)->name)))
            return true; /* the check of ranks refuses it */
        open |= !fv_dim_is_const(t->dims[k]);
        ones[k] = fv_dim_is_const(t->dims[k]) ? t->dims[k] : one;
    }
    return !open || reshape(op, i, t->rank, ones);
}

static bool fit(fv_op *op, int i) {
    const fv_operand_def *d = def_of(op, i);
    const fv_type *t = d ? tensor_in(op, i) : NULL;
    const fv_dim *one = fv_dim_const(fv_op_module(op)->dims, 1);
    if (!t)
        return true;
    if (d->rank.list && !t->rank)
        return reshape(op, i, 1, &one) && fit(op, i);
    if (d->rank.single)
        return fit_single(op, i, t);
    int length = t->rank == 1 ? fv_op_length(op, i) : -1;
    if (length < 0 || (d->rank.length.none && t->dims[0]->hi == 0))
        return true;
    if (d->rank.scalar && fv_dim_is_const(t->dims[0]))
        return true; /* the check of ranks refuses another length */
    return fv_op_set_length(op, i, length);
}

bool fv_op_fit_operands(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const struct fv_within around = fv_module_enter(op);
    int relations = m->nrelations;
    bool ok = true;
    for (int i = 0; i < op->nin && ok; i++)
        ok = fit(op, i);
    for (int i = relations; i < m->nrelations; i++)
        m->relations[i].why = fv_op_why(op, m->relations[i].why);
    m->within = around;
    return ok;
}

/* ---- inference of an op ---- */

/* Checks the inferred type of v against a declared one, and assumes that their dims are equal. */
static bool refine(fv_op *op, fv_value *v, const fv_type *declared) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = v->type;
    if (!declared || !t || fv_type_equal(t, declared))
        return true;
    if (t->kind != declared->kind || t->elem != declared->elem ||
        (t->kind == FV_TENSOR && t->rank != declared->rank))
        return fv_op_error(op, "result '%s' is declared %s, but is %s", v->name,
                           fv_type_str(m->arena, declared), fv_type_str(m->arena, t));
    if (t->kind != FV_TENSOR)
        return true;
    for (int i = 0; i < t->rank; i++)
        if (!fv_module_assume(m, t->dims[i], declared->dims[i], "declared shape"))
            return fv_op_error(op, "result '%s' is declared %s, but is %s", v->name,
                               fv_type_str(m->arena, declared), fv_type_str(m->arena, t));
    return true;
}

/* Checks that a result can exist: its rank is within the limit and no dim is always negative. */
static bool can_be(fv_op *op, const fv_value *v) {
    if (v->type && v->type->kind == FV_TENSOR && v->type->rank > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", v->type->rank, FV_MAX_RANK);
    for (int i = 0; v->type && v->type->kind == FV_TENSOR && i < v->type->rank; i++)
        if (v->type->dims[i]->hi < 0)
            return fv_op_error(op, "axis %d of the result would have %s elements", i,
                               fv_dim_str(fv_op_module(op)->arena, v->type->dims[i]));
    return true;
}

/* The type and elements that are declared for a result. */
typedef struct said {
    const fv_type *type;
    const fv_dim *const *elems;
    int nelems;
} said;

/* Saves the declared types of all results. `few` is used if they fit into it: it has FV_MAX_OUT
 * elements, but a variadic op may have more results. */
static said *said_of_results(const fv_op *op, said *few) {
    said *all = op->nout <= FV_MAX_OUT ? few : FV_NEW(fv_op_module(op)->arena, said, op->nout);
    for (int i = 0; i < op->nout; i++) {
        const fv_value *v = op->out[i];
        all[i] = v ? (said){v->type, v->elems, v->nelems} : (said){0};
    }
    return all;
}

static bool infer_results(fv_op *op) {
    /* a region in a text may use a result of the op that contains it, which has no type yet */
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && !op->in[i]->type)
            return fv_op_error(op, "uses %%%s, which is made around it", op->in[i]->name);
    if (!fv_op_fit_operands(op) || !fv_op_check(op))
        return false;
    said few[FV_MAX_OUT];
    const said *declared = said_of_results(op, few);
    fv_module *m = fv_op_module(op);
    int relations = m->nrelations;
    if (!(op->def->infer ? op->def->infer : fv_infer_same)(op))
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !(can_be(op, op->out[i]) && refine(op, op->out[i], declared[i].type)))
            return false;
    for (int i = relations; i < m->nrelations; i++)
        m->relations[i].why = fv_op_why(op, m->relations[i].why);
    infer_elems(op);
    return true;
}

bool fv_op_infer(fv_op *op) {
    const struct fv_within around = fv_module_enter(op);
    bool ok = infer_results(op);
    fv_op_module(op)->within = around;
    return ok;
}

bool fv_op_settle(fv_op *op) {
    said few[FV_MAX_OUT];
    const said *keep = said_of_results(op, few);
    if (!fv_op_infer(op))
        return false;
    for (int i = 0; i < op->nout; i++) {
        if (keep[i].type)
            op->out[i]->type = keep[i].type;
        if (keep[i].elems) {
            op->out[i]->elems = keep[i].elems;
            op->out[i]->nelems = keep[i].nelems;
        }
    }
    return true;
}

bool fv_infer_same(fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        fv_infer_like(op, i, 0);
    return true;
}

bool fv_infer_along(fv_op *op) {
    int axis;
    const fv_type *t = fv_in_type(op, 0);
    return fv_infer_same(op) && fv_infer_axis(op, fv_op_int(op, "axis"), t->rank, &axis);
}

static bool infer_all_broadcast(fv_op *op, fv_elem e) {
    const fv_type **types = FV_NEW(fv_op_module(op)->arena, const fv_type *, op->nin + 1);
    const fv_dim *dims[FV_MAX_RANK];
    int n = 0, rank;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i])
            types[n++] = op->in[i]->type;
    if (!fv_infer_broadcast(op, n, types, &rank, dims))
        return false;
    for (int i = 0; i < op->nout; i++)
        fv_infer_out(op, i, e, rank, dims);
    return true;
}

bool fv_infer_elementwise(fv_op *op) {
    return infer_all_broadcast(op, fv_in_type(op, 0)->elem);
}

bool fv_infer_compare(fv_op *op) {
    return infer_all_broadcast(op, FV_BOOL);
}
