/* denormals.c - see denormals.h. */
#include "passes/denormals.h"

#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/mapping.h"
#include "ir/definition/recurrence.h"
#include "ir/expr/visit.h"

/* ---- elements ---- */

enum {
    SPAN = 1 << 15, /* elements whose number every type of words can count */
    PIECE = 1 << 20 /* elements after which the pages that were read are given back */
};

/* Each counts the denormal ones among n elements, at most SPAN: those whose bits without the sign
 * are above 0 and below those of the least normal number. The data may be at any address. The
 * counter is as wide as an element, so that vectors count. */
#define COUNT(name, word, normal)                                                                  \
    static size_t name(const char *p, size_t n) {                                                  \
        word found = 0;                                                                            \
        for (size_t i = 0; i < n; i++) {                                                           \
            word x;                                                                                \
            memcpy(&x, p + i * sizeof x, sizeof x);                                                \
            found = (word)(found + ((word)((word)(x << 1) - 1) < (word)(2 * (normal) - 1)));       \
        }                                                                                          \
        return found;                                                                              \
    }
COUNT(count_bf16, uint16_t, UINT16_C(1) << 7)
COUNT(count_f32, uint32_t, UINT32_C(1) << 23)
COUNT(count_f64, uint64_t, UINT64_C(1) << 52)
#undef COUNT

/* Counts the denormal ones among n elements at p. */
static size_t count_piece(fv_elem e, const char *p, size_t n) {
    const size_t bytes = (size_t)fv_elem_bits(e) / 8;
    size_t found = 0;
    for (size_t at = 0, more; at < n; at += more, p += more * bytes) {
        more = n - at < SPAN ? n - at : SPAN;
        found += e == FV_F32    ? count_f32(p, more)
                 : e == FV_BF16 ? count_bf16(p, more)
                                : count_f64(p, more);
    }
    return found;
}

static bool may_be_denormal(fv_elem e) {
    return e == FV_F32 || e == FV_BF16 || e == FV_F64;
}

size_t fv_denormal_count(fv_session *s, const fv_tensor *t) {
    const size_t bytes = (size_t)fv_elem_bits(t->elem) / 8;
    const char *p = t->data;
    size_t found = 0;
    if (!may_be_denormal(t->elem) || !p)
        return 0;
    for (size_t at = 0, n; at < t->count; at += n, p += n * bytes) {
        n = t->count - at < PIECE ? t->count - at : PIECE;
        found += count_piece(t->elem, p, n);
        if (t->count > PIECE)
            fv_mapping_drop(s, p, n * bytes);
    }
    return found;
}

bool fv_is_denormal(const fv_tensor *t, size_t i) {
    double size = fabs(fv_tensor_float(t, i));
    return size > 0 && size < (t->elem == FV_F64 ? 0x1p-1022 : 0x1p-126);
}

/* ---- readers ---- */

/* The expressions in which an op reads its operands. */
typedef struct bodies {
    fv_arena *arena;
    fv_expr **at;
    int n, cap;
} bodies;

static void add_body(bodies *b, fv_expr *x) {
    if (x)
        FV_PUSH(b->arena, b->at, b->n, b->cap, x);
}

static void add_recurrence(bodies *b, const fv_recurrence *r) {
    for (int i = 0; i < r->nstates; i++) {
        add_body(b, r->states[i].first);
        add_body(b, r->states[i].step);
    }
    for (int i = 0; i < r->nelements; i++)
        add_body(b, r->elements[i].x);
}

/* The expressions of op, in which views and elementwise values are substituted. False: there are
 * none, because the op has a kernel of its own, for instance. */
static bool bodies_of(fv_elements *e, fv_op *op, bodies *b) {
    fv_recurrence *r = op->def->recur ? fv_recur(e->arena, op) : NULL;
    *b = (bodies){.arena = e->arena};
    if (r)
        add_recurrence(b, r);
    for (int i = 0; !r && i < op->nout; i++) {
        const fv_definition *d = op->out[i] ? fv_element_definition(e, op->out[i]) : NULL;
        if (op->out[i] && !d)
            return false;
        add_body(b, d ? d->body : NULL);
    }
    for (int i = 0; i < b->n; i++)
        b->at[i] = fv_elements_in(e, b->at[i]);
    return b->n > 0;
}

typedef struct search {
    fv_arena *arena;
    const fv_value *c;  /* the weight */
    const fv_expr *sum; /* the sum whose terms are visited */
    fv_ptrmap products; /* the set of nodes that multiply or convert factors of a term */
    fv_readings *out;
    bool found, many; /* whether a sum reads c; whether there are more readings than fit */
} search;

static bool loads(const search *s, const fv_expr *x) {
    return fv_is_load(x) && fv_loaded(x) == s->c;
}

static bool is_variable_of(const fv_expr *sum, const fv_expr *x) {
    for (int i = 0; x->op == FV_X_VAR && i < sum->u.red.nvars; i++)
        if (x->u.var == sum->u.red.vars[i])
            return true;
    return false;
}

/* Does the sum run along an axis at this index: do only its variables occur in the index? */
static bool runs_along(fv_arena *a, const fv_expr *sum, const fv_expr *index) {
    const fv_expr *x;
    bool own = false;
    for (fv_x_visitor v = fv_x_visit(a, index); (x = fv_x_next(&v));) {
        if (x->op == FV_X_VAR && !is_variable_of(sum, x))
            return false;
        own |= x->op == FV_X_VAR;
        if (fv_is_load(x))
            return false;
    }
    return own;
}

static void add_reading(search *s, const fv_expr *load) {
    fv_readings *r = s->out;
    fv_axes apart = 0;
    for (int i = 0; i < load->u.buf->rank; i++)
        if (!runs_along(s->arena, s->sum, load->arg[i]))
            apart |= (fv_axes)1 << i;
    s->found = true;
    for (int i = 0; i < r->n; i++)
        if (r->apart[i] == apart)
            return;
    if (r->n == FV_MOST_READINGS)
        s->many = true;
    else
        r->apart[r->n++] = apart;
}

/* Visits the factors of a term. */
static void visit_factors(search *s, const fv_expr *x) {
    if (loads(s, x))
        add_reading(s, x);
    if (x->op != FV_X_MUL && x->op != FV_X_CONVERT)
        return;
    *fv_ptrmap_at(&s->products, x) = (void *)(uintptr_t)x;
    visit_factors(s, x->arg[0]);
    if (x->op == FV_X_MUL)
        visit_factors(s, x->arg[1]);
}

static const fv_expr *without_conversion(const fv_expr *x) {
    return x->op == FV_X_CONVERT ? without_conversion(x->arg[0]) : x;
}

static void visit_sums(search *s, const fv_expr *body) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(s->arena, body); (x = fv_x_next(&v));)
        if (x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM && fv_elem_is_float(x->type.elem) &&
            without_conversion(x->arg[0])->op == FV_X_MUL) {
            s->sum = x;
            visit_factors(s, x->arg[0]);
        }
}

/* Is c read otherwise than as a factor of terms? */
static bool reads_otherwise(const search *s, const fv_expr *body) {
    const fv_expr *x;
    if (loads(s, body))
        return true;
    for (fv_x_visitor v = fv_x_visit(s->arena, body); (x = fv_x_next(&v));)
        for (int i = 0; i < x->n; i++)
            if (loads(s, x->arg[i]) && !fv_ptrmap_get(&s->products, x))
                return true;
    return false;
}

/* Does the op read c in products? *only becomes false if it reads c elsewhere. */
static bool multiplies(fv_elements *e, fv_op *op, const fv_value *c, fv_readings *out, bool *only) {
    search s = {.arena = e->arena, .c = c, .products = fv_ptrmap_in(e->arena), .out = out};
    bodies b;
    bool known = bodies_of(e, op, &b);
    for (int i = 0; known && i < b.n; i++)
        visit_sums(&s, b.at[i]);
    for (int i = 0; known && i < b.n; i++)
        *only &= !reads_otherwise(&s, b.at[i]);
    *only &= s.found && !s.many;
    return s.found;
}

/* Is an element of v, which op computes, an expression of elements at one position each? */
static bool is_substituted(fv_elements *e, const fv_op *op) {
    const fv_definition *d =
        op->nout == 1 && op->out[0] ? fv_element_definition(e, op->out[0]) : NULL;
    return d && !d->body->binds;
}

static bool products_read(fv_elements *e, const fv_value *c, const fv_value *v, int depth,
                          fv_readings *out, bool *only) {
    enum { DEEP = 8 }; /* greatest number of views between the weight and a product */
    bool found = false;
    for (int i = 0; i < v->nuses; i++) {
        fv_op *op = v->uses[i].op;
        bool views = depth < DEEP && is_substituted(e, op);
        found |= views ? products_read(e, c, op->out[0], depth + 1, out, only)
                       : multiplies(e, op, c, out, only);
    }
    return found;
}

bool fv_products_read(fv_elements *e, const fv_value *c, fv_readings *out, bool *only) {
    *out = (fv_readings){0};
    *only = true;
    return products_read(e, c, c, 0, out, only);
}

/* ---- a summary ---- */

void fv_denormals_add(fv_denormals *d, const fv_value *c, size_t n) {
    d->n += n;
    d->constants += n > 0;
    if (n > d->of_name) {
        d->of_name = n;
        d->name = c->name;
    }
}

bool fv_weights_are_read_quickly(const fv_module *m) {
    const size_t quickly = (size_t)1 << 30;
    size_t all = 0;
    for (int i = 0; i < m->nconsts; i++) {
        const fv_tensor *t = m->consts[i]->tensor;
        if (may_be_denormal(t->elem) && (t->bytes > quickly || (all += t->bytes) > quickly))
            return false;
    }
    return true;
}

void fv_denormals_find(const fv_module *m, bool quickly, fv_denormals *out) {
    *out = (fv_denormals){.unread = quickly && !fv_weights_are_read_quickly(m)};
    if (out->unread)
        return;
    fv_elements e = fv_elements_new(m->session);
    for (int i = 0; i < m->nconsts; i++) {
        const fv_value *c = m->consts[i];
        size_t n = c->nuses ? fv_denormal_count(m->session, c->tensor) : 0;
        fv_readings readings;
        bool only;
        if (n && fv_products_read(&e, c, &readings, &only))
            fv_denormals_add(out, c, n);
    }
    fv_elements_free(&e);
}

/* ---- columns ---- */

/* A walk over the elements of a tensor in row-major order. */
typedef struct walk {
    const fv_tensor *t;
    size_t column; /* the number of the column of the current element */
    /* the distances in an array of columns that neighbours along each axis have: 0 along an axis of
     * the sum */
    size_t steps[FV_MAX_RANK];
    int64_t index[FV_MAX_RANK];
} walk;

/* Starts a walk, and sets *n to the number of columns. */
static walk begin(const fv_tensor *t, fv_axes apart, size_t *n) {
    walk w = {.t = t};
    *n = 1;
    for (int i = t->rank; i-- > 0;)
        if (apart >> i & 1) {
            w.steps[i] = *n;
            *n *= (size_t)t->dims[i];
        }
    return w;
}

static void advance(walk *w) {
    for (int i = w->t->rank; i-- > 0;) {
        w->column += w->steps[i];
        if (++w->index[i] < w->t->dims[i])
            return;
        w->index[i] = 0;
        w->column -= w->steps[i] * (size_t)w->t->dims[i];
    }
}

fv_column *fv_columns_of(fv_arena *a, const fv_tensor *t, fv_axes apart, const fv_tensor *bias,
                         size_t *n) {
    walk w = begin(t, apart, n);
    fv_column *columns = FV_NEW(a, fv_column, *n + 1);
    for (size_t i = 0; bias && i < *n; i++)
        columns[i].most = fabs(fv_tensor_float(bias, i));
    for (size_t i = 0; i < t->count; i++, advance(&w)) {
        fv_column *c = &columns[w.column];
        c->most = fmax(c->most, fabs(fv_tensor_float(t, i)));
        c->denormals += fv_is_denormal(t, i) ? fabs(fv_tensor_float(t, i)) : 0;
    }
    return columns;
}

bool fv_column_may_flush(const fv_tensor *t, const fv_column *c) {
    const double u = t->elem == FV_F64 ? 0x1p-53 : 0x1p-24;
    return c->denormals <= u * u * c->most;
}

void fv_columns_keep(const fv_tensor *t, fv_axes apart, const fv_column *columns, bool *flushed) {
    size_t n;
    walk w = begin(t, apart, &n);
    for (size_t i = 0; i < t->count; i++, advance(&w))
        flushed[i] &= fv_column_may_flush(t, &columns[w.column]);
}

void fv_columns_scale(fv_tensor *t, fv_axes apart, const int *shift) {
    size_t n;
    walk w = begin(t, apart, &n);
    for (size_t i = 0; i < t->count; i++, advance(&w))
        if (shift[w.column])
            fv_tensor_set_float(t, i, ldexp(fv_tensor_float(t, i), shift[w.column]));
}
