/* gen_expr.c - random expressions over the variables in scope: lets, loop variables, elements of
 * inputs. An index is a loop variable of the axis's extent, or the load is guarded. */
#include "tests/consumers/gen_internal.h"

/* ---- types ---- */

static const fv_elem arith_elems[] = {FV_F32, FV_F32, FV_F32, FV_F64, FV_I64, FV_I32, FV_U8,
                                      FV_I8,  FV_U16, FV_I16, FV_U32, FV_U64, FV_BOOL};
static const fv_elem narrow_elems[] = {FV_F16,    FV_BF16,       FV_F8E4M3FN, FV_F8E4M3FNUZ,
                                       FV_F8E5M2, FV_F8E5M2FNUZ, FV_F4E2M1,   FV_F8E8M0};
static const fv_elem ints_to_pack[] = {FV_I64, FV_U8, FV_I8, FV_I32, FV_U16};
static const fv_elem packed_elems[] = {FV_I4, FV_U4, FV_I2, FV_U2};

static bool is_float(fv_elem e) {
    return e == FV_F32 || e == FV_F64;
}

fv_elem gen_arith(gen *g) {
    return PICK(g, arith_elems);
}

fv_elem gen_memory(gen *g) {
    if (g->o->serial || rng_chance(g->r, 85))
        return gen_arith(g);
    fv_elem e = PICK(g, narrow_elems);
    return fv_elem_is_packed(e) ? FV_F16 : e; /* packed memory is no element a byte at the ports */
}

/* ---- expressions ---- */

static fv_expr *constant(gen *g, fv_elem e) {
    static const int64_t list[] = {0,  1,    2,     3,         7,         15,        16,
                                   63, 100,  127,   128,       255,       -1,        -2,
                                   -7, -128, 65535, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    if (is_float(e))
        return fv_x_const(g->a, e,
                          rng_chance(g->r, 50) ? rng_float(g->r)
                                               : (rng_below(g->r, 4001) - 2000) / 64.0);
    return fv_x_const_int(g->a, e, e == FV_BOOL ? rng_below(g->r, 2) : PICK(g, list));
}

static fv_expr *not_negative(gen *g, fv_expr *x) {
    return fv_x_bin(g->a, FV_X_AND, x, fv_x_int(g->a, INT64_MAX));
}

/* A NaN's payload is not to be read. */
static fv_expr *no_nan(gen *g, fv_expr *x) {
    x = fv_kb_let(&g->b, "c", x);
    fv_expr *is = fv_x_bin(g->a, FV_X_EQ, x, x);
    return fv_x_select(g->a, is, x, fv_x_const(g->a, (fv_elem)x->type.elem, 0));
}

/* An index into an axis of that extent; if it is not surely in range, *guard is set to the
 * condition that it is. */
static fv_expr *index_of(gen *g, fv_expr *extent, fv_expr **guard, int depth) {
    for (int i = g->nloops - 1; i >= 0; i--)
        if (g->loops[i].extent == extent && rng_chance(g->r, 80)) {
            if (rng_chance(g->r, 85))
                return g->loops[i].var;
            fv_expr *last = fv_x_bin(g->a, FV_X_SUB, extent, fv_x_int(g->a, 1));
            return fv_x_bin(g->a, FV_X_SUB, last, g->loops[i].var); /* backwards: a gather */
        }
    fv_expr *x = fv_x_int(g->a, rng_below(g->r, 3));
    if (g->nloops && rng_chance(g->r, 60))
        x = fv_x_bin(g->a, rng_chance(g->r, 50) ? FV_X_ADD : FV_X_SUB,
                     g->loops[rng_below(g->r, g->nloops)].var, x);
    else if (rng_chance(g->r, 50))
        x = fv_x_bin(g->a, FV_X_FLOORMOD, gen_value(g, FV_I64, depth), extent);
    x = fv_kb_let(&g->b, "i", x);
    fv_expr *inside = fv_x_bin(g->a, FV_X_AND, fv_x_bin(g->a, FV_X_LE, fv_x_int(g->a, 0), x),
                               fv_x_bin(g->a, FV_X_LT, x, extent));
    *guard = *guard ? fv_x_bin(g->a, FV_X_AND, *guard, inside) : inside;
    return x;
}

static fv_expr *storage_constant(gen *g, fv_elem e) {
    fv_elem from = fv_elem_arith(e);
    return fv_x_convert(g->a, e, constant(g, from));
}

/* An element of a parameter, of its own type. */
static fv_expr *element(gen *g, fv_buf *b, int depth) {
    fv_expr *index[MAX_RANK], *guard = NULL;
    for (int i = 0; i < b->rank; i++)
        index[i] = index_of(g, b->extent[i], &guard, depth);
    if (!guard)
        return fv_x_load(g->a, b, index);
    return fv_x_guard(g->a, b, index, guard, storage_constant(g, b->elem));
}

static fv_expr *loaded(gen *g, fv_elem e, int depth) {
    if (g->nin == 0)
        return constant(g, e);
    fv_buf *b = g->in[rng_below(g->r, g->nin)];
    for (int i = 0; i < g->nin && rng_chance(g->r, 70); i++) /* rather one of the type */
        if (g->in[i]->elem == e)
            b = g->in[i];
    return fv_x_convert(g->a, e, element(g, b, depth));
}

static fv_expr *leaf(gen *g, fv_elem e, int depth) {
    for (int i = 0; i < 6 && g->nvalues; i++) {
        fv_expr *x = g->values[rng_below(g->r, g->nvalues)];
        if (x->type.elem == e)
            return x;
    }
    if (e == FV_I64 && g->nloops && rng_chance(g->r, 40))
        return g->loops[rng_below(g->r, g->nloops)].var;
    return rng_chance(g->r, 65) ? loaded(g, e, depth) : constant(g, e);
}

static fv_expr *binary(gen *g, fv_expr_op op, fv_elem e, int depth) {
    fv_expr *x = gen_value(g, e, depth), *y = gen_value(g, e, depth);
    return fv_x_bin(g->a, op, x, y);
}

/* Through a type that is only stored. */
static fv_expr *rounded(gen *g, fv_elem e, int depth) {
    if (rng_chance(g->r, 30)) {
        fv_expr *x = gen_value(g, PICK(g, ints_to_pack), depth);
        return fv_x_convert(g->a, e, fv_x_convert(g->a, PICK(g, packed_elems), x));
    }
    fv_elem to = PICK(g, narrow_elems);
    bool may_saturate = is_float(e) && fv_elem_bits(to) <= 8;
    fv_expr_op op = may_saturate && rng_chance(g->r, 40) ? FV_X_CONVSAT : FV_X_CONVERT;
    return fv_x_convert(g->a, e, fv_x_cast(g->a, op, to, gen_value(g, e, depth)));
}

static fv_expr *converted(gen *g, fv_elem e, int depth) {
    return fv_x_convert(g->a, e, gen_value(g, gen_arith(g), depth));
}

static fv_expr *selected(gen *g, fv_elem e, int depth) {
    fv_expr *c = gen_value(g, FV_BOOL, depth), *x = gen_value(g, e, depth);
    return fv_x_select(g->a, c, x, gen_value(g, e, depth));
}

static fv_expr *math(gen *g, fv_elem e, int depth) {
    int op = FV_X_EXP + rng_below(g->r, FV_X_FREM - FV_X_EXP + 1);
    if (op == FV_X_POW || op == FV_X_FREM)
        return binary(g, (fv_expr_op)op, e, depth);
    return fv_x_un(g->a, (fv_expr_op)op, gen_value(g, e, depth));
}

static fv_expr *float_value(gen *g, fv_elem e, int depth) {
    static const fv_expr_op two[] = {FV_X_ADD, FV_X_SUB, FV_X_MUL, FV_X_DIV, FV_X_MIN, FV_X_MAX};
    static const fv_expr_op one[] = {FV_X_NEG,  FV_X_ABS,   FV_X_SQRT, FV_X_FLOOR,
                                     FV_X_CEIL, FV_X_TRUNC, FV_X_RINT};
    int kind = rng_below(g->r, 100);
    if (kind < 40)
        return binary(g, PICK(g, two), e, depth);
    if (kind < 52) {
        fv_expr *x = gen_value(g, e, depth), *y = gen_value(g, e, depth);
        return fv_x_fma(g->a, x, y, gen_value(g, e, depth));
    }
    if (kind < 66)
        return fv_x_un(g->a, PICK(g, one), gen_value(g, e, depth));
    if (kind < 76)
        return selected(g, e, depth);
    if (kind < 84 && g->o->math && e == FV_F32)
        return math(g, e, depth);
    if (kind < 88 && !g->o->serial)
        return rounded(g, e, depth);
    if (kind < 91)
        return fv_x_cast(g->a, FV_X_BITCAST, e, gen_value(g, e == FV_F32 ? FV_U32 : FV_I64, depth));
    return converted(g, e, depth);
}

static fv_expr *int_value(gen *g, fv_elem e, int depth) {
    static const fv_expr_op two[] = {FV_X_ADD,      FV_X_SUB,      FV_X_MUL, FV_X_DIV, FV_X_REM,
                                     FV_X_FLOORDIV, FV_X_FLOORMOD, FV_X_MIN, FV_X_MAX, FV_X_AND,
                                     FV_X_OR,       FV_X_XOR,      FV_X_SHL, FV_X_SHR};
    static const fv_expr_op one[] = {FV_X_NEG, FV_X_ABS, FV_X_NOT};
    static const fv_expr_op sizes[] = {FV_X_ADDSAT, FV_X_MULSAT};
    static const fv_expr_op dots[] = {FV_X_DOT_U8_I8,     FV_X_DOT_I8_I8,   FV_X_DOT_U8_U8,
                                      FV_X_DOT_U8_I8_SAT, FV_X_DOT_I16_I16, FV_X_DOT_I16_I8_EVEN,
                                      FV_X_DOT_I16_I8_ODD};
    int kind = rng_below(g->r, 100);
    if (kind < 50)
        return binary(g, PICK(g, two), e, depth);
    if (kind < 60)
        return fv_x_un(g->a, PICK(g, one), gen_value(g, e, depth));
    if (kind < 70)
        return selected(g, e, depth);
    if (kind < 75 && (e == FV_U32 || e == FV_U64))
        return binary(g, FV_X_MULHI, e, depth);
    if (kind < 75 && e == FV_I64) {
        fv_expr *x = not_negative(g, gen_value(g, e, depth));
        return fv_x_bin(g->a, PICK(g, sizes), x, not_negative(g, gen_value(g, e, depth)));
    }
    if (kind < 75 && e == FV_I32) {
        fv_expr *x = gen_value(g, e, depth), *y = gen_value(g, e, depth);
        return fv_x_dot(g->a, PICK(g, dots), x, y, gen_value(g, e, depth));
    }
    if (kind < 78 && e == FV_I64) { /* by a power of two, which C computes by a shift */
        fv_expr *by = fv_x_int(g->a, INT64_C(1) << rng_below(g->r, 12));
        return fv_x_bin(g->a, rng_below(g->r, 2) ? FV_X_FLOORDIV : FV_X_FLOORMOD,
                        gen_value(g, e, depth), by);
    }
    if (kind < 80 && fv_elem_bits(e) >= 32)
        return fv_x_cast(g->a, FV_X_BITCAST, e,
                         no_nan(g, gen_value(g, fv_elem_bits(e) == 32 ? FV_F32 : FV_F64, depth)));
    if (kind < 84 && !g->o->serial)
        return rounded(g, e, depth);
    return converted(g, e, depth);
}

static fv_expr *bool_value(gen *g, int depth) {
    static const fv_expr_op compare[] = {FV_X_LT, FV_X_LE, FV_X_EQ, FV_X_NE};
    static const fv_expr_op logic[] = {FV_X_AND, FV_X_OR, FV_X_XOR};
    int kind = rng_below(g->r, 100);
    if (kind < 55) {
        fv_elem e = gen_arith(g);
        return binary(g, e == FV_BOOL ? FV_X_EQ : PICK(g, compare), e, depth);
    }
    if (kind < 75)
        return binary(g, PICK(g, logic), FV_BOOL, depth);
    if (kind < 85)
        return fv_x_un(g->a, FV_X_NOT, gen_value(g, FV_BOOL, depth));
    if (kind < 88 && g->o->require)
        return fv_x_un(g->a, FV_X_REQUIRE, gen_value(g, FV_BOOL, depth));
    return kind < 93 ? selected(g, FV_BOOL, depth) : converted(g, FV_BOOL, depth);
}

fv_expr *gen_value(gen *g, fv_elem e, int depth) {
    if (depth <= 0 || g->budget <= 0 || rng_chance(g->r, 12))
        return leaf(g, e, depth - 1);
    g->budget--;
    if (e == FV_BOOL)
        return bool_value(g, depth - 1);
    return is_float(e) ? float_value(g, e, depth - 1) : int_value(g, e, depth - 1);
}
