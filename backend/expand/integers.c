/* integers.c - see integers.h.
 *
 * Helium flushes denormals: it takes denormal operands for 0, and gives 0 for denormal results. To
 * prove that this changes nothing, each float of a loop is described by its exponents. A number is
 * EXACT if it is 0 or a multiple of 2^least, with least >= -126, so that it is not denormal.
 * Rounding to f32 keeps that: the nearest number of a multiple of 2^least is one, too. So is what
 * is computed from such numbers:
 *
 *     f32(i)          least 0
 *     a * b           least(a) + least(b)
 *     a + b, a - b    min(least(a), least(b))
 *     fma(a, b, c)    min(least(a) + least(b), least(c))
 *
 * A number is SMALL_DIFFERS if it may be denormal, such as an input of the model: it is what the
 * definition says, or both are below 2^most in magnitude. A product with a constant is such a
 * number again, and a small number is rounded to the integer 0, whichever of the two it is. */
#include "backend/expand/integers.h"

#include <math.h>
#include <string.h>

#include "ir/expr/helium.h"
#include "ir/expr/visit.h"

/* ---- constants ---- */

enum { LEAST_NORMAL = -126, UNBOUNDED = 128, OF_ZERO = 128 };

/* Extends the bounds by those of x. False: x is denormal, infinite or NaN. */
static bool add_number(fv_float_bounds *b, float x) {
    int exponent;
    if (x == 0)
        return true;
    if (!isnormal(x))
        return false;
    float m = frexpf(x, &exponent);
    int bits = 0; /* the number of leading bits of the mantissa that are needed */
    for (float rest = fabsf(m); rest != 0; bits++)
        rest = rest * 2 - (rest * 2 >= 1);
    b->least = exponent - bits < b->least ? exponent - bits : b->least;
    b->most = exponent > b->most ? exponent : b->most;
    return true;
}

static const fv_float_bounds none = {.least = OF_ZERO, .most = LEAST_NORMAL};

/* Sets *b to the bounds of the constant; false: they are not known, or an element has none. */
static bool bounds_of_constant(const fv_program *p, const fv_buf *buf, fv_float_bounds *b) {
    if (buf->role != FV_BUF_CONST || buf->elem != FV_F32 || p->memory.is_replaceable)
        return false;
    const fv_constant *c = &p->memory.constants[buf->index];
    if (!fv_constant_has_data(c) || c->bytes % sizeof(float))
        return false;
    const char *data = fv_constant_data(c);
    *b = none;
    for (size_t at = 0; at < c->bytes; at += sizeof(float)) {
        float x;
        memcpy(&x, data + at, sizeof x);
        if (!add_number(b, x))
            return false;
    }
    return true;
}

/* Extends the bounds of the parameters by those of what a launch passes. */
static void note_launch(fv_arena *a, const fv_program *p, const fv_stmt *s, fv_ptrmap *bounds,
                        fv_ptrmap *unknown) {
    const fv_kernel *k = s->call.kernel;
    for (int i = 0; i < k->nbufs; i++) {
        fv_float_bounds b, *all = fv_ptrmap_get(bounds, k->bufs[i]);
        if (!bounds_of_constant(p, s->call.args[i], &b)) {
            *fv_ptrmap_at(unknown, k->bufs[i]) = k->bufs[i];
            continue;
        }
        if (!all) {
            *fv_ptrmap_at(bounds, k->bufs[i]) = all = FV_NEW(a, fv_float_bounds, 1);
            *all = b;
        }
        all->least = b.least < all->least ? b.least : all->least;
        all->most = b.most > all->most ? b.most : all->most;
    }
}

static void note_launches(fv_arena *a, const fv_program *p, const fv_block *block,
                          fv_ptrmap *bounds, fv_ptrmap *unknown) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_LAUNCH)
            note_launch(a, p, s, bounds, unknown);
        note_launches(a, p, &s->body, bounds, unknown);
        note_launches(a, p, &s->other, bounds, unknown);
    }
}

fv_ptrmap fv_constant_bounds(fv_arena *a, const fv_program *p) {
    fv_ptrmap bounds = fv_ptrmap_in(a), unknown = fv_ptrmap_in(a);
    if (fv_has_helium(p->target))
        note_launches(a, p, &p->host.body, &bounds, &unknown);
    for (size_t i = 0; i < unknown.cap; i++)
        if (unknown.keys[i])
            *fv_ptrmap_at(&bounds, unknown.keys[i]) = NULL;
    return bounds;
}

/* ---- floats ---- */

typedef enum { UNKNOWN, EXACT, SMALL_DIFFERS } kind;

/* What is known of a float (see above). most: its magnitude is below 2^most; of SMALL_DIFFERS, that
 * of the numbers that may differ. */
typedef struct number {
    kind kind;
    int least, most;
} number;

typedef struct judge {
    fv_arena *a;
    const fv_var *v; /* the variable of the loop */
    int lanes;
    const fv_ptrmap *bounds;
    fv_ptrmap lets;  /* variable of a let of the loop -> its value */
    fv_ptrmap tiles; /* set of the tiles that are declared in the loop */
    /* what was found of an expression, which may be an operand of several: its number, whether it
     * is computed by vectors (answers), and its stride */
    fv_ptrmap *numbers, *vectors, *strides;
} judge;

static const bool answers[] = {false, true};

static int least(int a, int b) {
    return a < b ? a : b;
}
static int most(int a, int b) {
    return a > b ? a : b;
}

/* An EXACT number with these bounds, unless it may be denormal. */
static number exact(int lowest, int highest) {
    return (number){lowest >= LEAST_NORMAL ? EXACT : UNKNOWN, lowest, least(highest, UNBOUNDED)};
}

static number product(number a, number b) {
    if (a.kind == EXACT && b.kind == EXACT)
        return exact(a.least + b.least, a.most + b.most);
    if (a.kind == EXACT && b.kind == SMALL_DIFFERS)
        return product(b, a);
    if (a.kind == SMALL_DIFFERS && b.kind == EXACT && b.most < UNBOUNDED)
        return (number){SMALL_DIFFERS, 0, most(a.most + b.most, LEAST_NORMAL)};
    return (number){0};
}

static number sum(number a, number b) {
    if (a.kind != EXACT || b.kind != EXACT)
        return (number){0};
    return exact(least(a.least, b.least), most(a.most, b.most) + 1);
}

static number loaded(const judge *j, const fv_buf *b) {
    const fv_float_bounds *bounds = fv_ptrmap_get(j->bounds, b);
    if (bounds)
        return exact(bounds->least, bounds->most);
    return (number){SMALL_DIFFERS, 0, LEAST_NORMAL};
}

/* Does x depend on the iteration? */
static bool varies(const judge *j, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(j->a, root); (x = fv_x_next(&v));) {
        bool lane = x->op == FV_X_VAR && (x->u.var == j->v || fv_ptrmap_get(&j->lets, x->u.var));
        if (lane || (x->op == FV_X_LOAD && fv_ptrmap_get(&j->tiles, x->u.buf)))
            return true;
    }
    return false;
}

static number number_of(const judge *j, const fv_expr *x);

static number find_number(const judge *j, const fv_expr *x) {
    fv_float_bounds b = none;
    const fv_expr *let;
    switch (x->op) {
    case FV_X_CONST: return add_number(&b, (float)x->u.f) ? exact(b.least, b.most) : (number){0};
    case FV_X_VAR:
        let = fv_ptrmap_get(&j->lets, x->u.var);
        return let ? number_of(j, let) : (number){SMALL_DIFFERS, 0, LEAST_NORMAL};
    case FV_X_LOAD: return loaded(j, x->u.buf);
    case FV_X_CONVERT: {
        fv_elem from = (fv_elem)x->arg[0]->type.elem;
        return fv_elem_is_int(from) ? exact(0, fv_elem_bits(from)) : (number){0};
    }
    case FV_X_MUL: return product(number_of(j, x->arg[0]), number_of(j, x->arg[1]));
    case FV_X_ADD:
    case FV_X_SUB: return sum(number_of(j, x->arg[0]), number_of(j, x->arg[1]));
    case FV_X_FMA: {
        number c = number_of(j, x->arg[2]);
        number ab = product(number_of(j, x->arg[0]), number_of(j, x->arg[1]));
        return sum(ab, c);
    }
    /* what is the same in all iterations is computed without flushes, but may be denormal */
    default: return varies(j, x) ? (number){0} : (number){SMALL_DIFFERS, 0, LEAST_NORMAL};
    }
}

static number number_of(const judge *j, const fv_expr *x) {
    const number *known = fv_ptrmap_get(j->numbers, x);
    if (!known) {
        number *found = FV_NEW(j->a, number, 1);
        *found = find_number(j, x);
        *fv_ptrmap_at(j->numbers, x) = found;
        known = found;
    }
    return *known;
}

/* ---- values ---- */

/* The difference between the values of an index in an iteration and the one before it. */
typedef struct index_stride {
    bool known;
    int64_t by;
} index_stride;

static bool stride_of(const judge *j, const fv_expr *x, int64_t *out);

static bool find_stride(const judge *j, const fv_expr *x, int64_t *out) {
    int64_t a, b, c;
    const fv_expr *let = x->op == FV_X_VAR ? fv_ptrmap_get(&j->lets, x->u.var) : NULL;
    *out = 0;
    if (!varies(j, x))
        return true;
    if (x->op == FV_X_VAR) {
        *out = 1;
        return x->u.var == j->v || (let && stride_of(j, let, out));
    }
    if ((x->op != FV_X_ADD && x->op != FV_X_SUB && x->op != FV_X_MUL) ||
        !stride_of(j, x->arg[0], &a) || !stride_of(j, x->arg[1], &b))
        return false;
    if (x->op == FV_X_MUL) {
        bool by = fv_x_is_int(x->arg[1], &c);
        return (by || fv_x_is_int(x->arg[0], &c)) && !__builtin_mul_overflow(by ? a : b, c, out);
    }
    return x->op == FV_X_ADD ? !__builtin_add_overflow(a, b, out)
                             : !__builtin_sub_overflow(a, b, out);
}

/* Sets *out to the stride of x; false: it is not known. */
static bool stride_of(const judge *j, const fv_expr *x, int64_t *out) {
    const index_stride *known = fv_ptrmap_get(j->strides, x);
    if (!known) {
        index_stride *found = FV_NEW(j->a, index_stride, 1);
        found->known = find_stride(j, x, &found->by);
        *fv_ptrmap_at(j->strides, x) = found;
        known = found;
    }
    *out = known->by;
    return known->known;
}

/* Are the elements of all lanes consecutive? A tile that is declared in the loop has an element for
 * each lane, so its indices must be the same in all lanes. */
static bool is_run(const judge *j, const fv_buf *b, fv_expr *const *index) {
    int64_t stride;
    if (fv_ptrmap_get(&j->tiles, b)) {
        for (int i = 0; i < b->rank; i++)
            if (varies(j, index[i]))
                return false;
        return true;
    }
    for (int i = 0; i < b->rank; i++)
        if (!stride_of(j, index[i], &stride) || stride != (i == b->rank - 1))
            return false;
    return b->rank > 0 && b->lanes <= 1;
}

/* Do the lanes of that type fill a register? */
static bool fills(const judge *j, fv_elem e) {
    return fv_elem_storage_bytes(e) * j->lanes == FV_HELIUM_BYTES &&
           (e == FV_F32 || (fv_elem_is_int(e) && !fv_elem_is_storage(e)));
}

static bool is_vector(const judge *j, const fv_expr *x);

static bool are_vectors(const judge *j, const fv_expr *x) {
    for (int i = 0; i < x->n; i++)
        if (!is_vector(j, x->arg[i]))
            return false;
    return true;
}

/* The conversion of f32 to i32 that rounds to nearest; flushed numbers give the same integer. */
static bool rounds(const judge *j, const fv_expr *x) {
    const fv_expr *y = x->arg[0];
    if (x->type.elem != FV_I32 || y->op != FV_X_RINT || y->type.elem != FV_F32)
        return false;
    number n = number_of(j, y->arg[0]);
    return (n.kind == EXACT || (n.kind == SMALL_DIFFERS && n.most < -1)) &&
           is_vector(j, y->arg[0]) && fv_helium_find(FV_X_RINT, FV_F32, FV_I32, j->lanes);
}

static bool converts(const judge *j, const fv_expr *x) {
    const fv_expr *y = x->arg[0];
    fv_elem from = (fv_elem)y->type.elem, to = (fv_elem)x->type.elem;
    if (y->op == FV_X_LOAD && fv_helium_find_access(FV_HELIUM_LOADS, from, to, j->lanes))
        return is_run(j, y->u.buf, y->arg);
    if (fv_helium_find(FV_X_CONVERT, from, to, j->lanes))
        return is_vector(j, y);
    if (fv_elem_is_int(from) && fv_elem_is_int(to) && fv_elem_bits(from) == fv_elem_bits(to))
        return is_vector(j, y);
    return rounds(j, x);
}

/* What is the same in all iterations is computed before the vectors, and copied to all lanes. */
static bool find_vector(const judge *j, const fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem;
    if (x->type.lanes > 1 || !fills(j, e))
        return false;
    if (!varies(j, x))
        return e != FV_F32 || fv_helium_find(FV_X_SPLAT, e, e, j->lanes);
    const bool is_float = e == FV_F32;
    switch (x->op) {
    case FV_X_VAR: return x->u.var != j->v; /* a let, whose value is looked at on its own */
    case FV_X_LOAD: return is_run(j, x->u.buf, x->arg);
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
        return are_vectors(j, x) &&
               (!is_float || (number_of(j, x).kind != UNKNOWN &&
                              fv_helium_find((fv_expr_op)x->op, e, e, j->lanes)));
    case FV_X_FMA: return is_float && are_vectors(j, x) && number_of(j, x).kind != UNKNOWN;
    case FV_X_AND:
    case FV_X_OR:
    case FV_X_XOR: return !is_float && are_vectors(j, x);
    case FV_X_MIN:
    case FV_X_MAX: return fv_helium_find((fv_expr_op)x->op, e, e, j->lanes) && are_vectors(j, x);
    case FV_X_CONVERT: return converts(j, x);
    case FV_X_BITCAST:
        return !is_float && fv_elem_is_int((fv_elem)x->arg[0]->type.elem) && are_vectors(j, x);
    default: return false;
    }
}

/* Is x computed by instructions for vectors? */
static bool is_vector(const judge *j, const fv_expr *x) {
    const bool *known = fv_ptrmap_get(j->vectors, x);
    if (!known) {
        known = &answers[find_vector(j, x)];
        *fv_ptrmap_at(j->vectors, x) = (void *)(uintptr_t)known;
    }
    return *known;
}

/* ---- statements ---- */

/* A float may be stored if it is copied or no denormal. */
static bool stores(const judge *j, const fv_stmt *s) {
    const fv_expr *x = s->x;
    if (s->mask || !is_run(j, s->buf, s->index))
        return false;
    bool narrows = x->op == FV_X_CONVERT && varies(j, x) &&
                   fv_helium_find_access(FV_HELIUM_STORES, (fv_elem)x->arg[0]->type.elem,
                                         s->buf->elem, j->lanes);
    bool same = x->type.elem != FV_F32 || x->op == FV_X_LOAD || number_of(j, x).kind == EXACT;
    return is_vector(j, narrows ? x->arg[0] : x) && (narrows || same);
}

static bool is_statement(judge *j, const fv_stmt *s);

static bool are_statements(judge *j, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        if (!is_statement(j, s))
            return false;
    return true;
}

static bool is_statement(judge *j, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_COMMENT: return true;
    case FV_S_STORE: return stores(j, s);
    case FV_S_LET:
        *fv_ptrmap_at(&j->lets, s->var) = s->x;
        return s->x->type.elem == FV_I64 || is_vector(j, s->x);
    case FV_S_TILE: /* of integers, which need no bounds */
        *fv_ptrmap_at(&j->tiles, s->buf) = s->buf;
        return s->buf->lanes <= 1 && s->buf->elem != FV_F32 && fills(j, s->buf->elem) &&
               (!s->x || is_vector(j, s->x));
    case FV_S_FOR:
        return s->loop.kind != FV_VECTOR && !varies(j, s->loop.lo) && !varies(j, s->loop.hi) &&
               are_statements(j, &s->body);
    default: return false;
    }
}

bool fv_suits_helium(fv_arena *a, const fv_stmt *loop, int lanes, const fv_ptrmap *bounds) {
    fv_ptrmap numbers = fv_ptrmap_in(a), vectors = fv_ptrmap_in(a), strides = fv_ptrmap_in(a);
    judge j = {.a = a,
               .v = loop->var,
               .lanes = lanes,
               .bounds = bounds,
               .lets = fv_ptrmap_in(a),
               .tiles = fv_ptrmap_in(a),
               .numbers = &numbers,
               .vectors = &vectors,
               .strides = &strides};
    return are_statements(&j, &loop->body);
}
