/* vector.c - vector expressions of kernel IR as C, with the helpers of layer.c. */
#include "backend/c/helium.h"
#include "backend/c/layer.h"
#include "backend/c/narrow.h"
#include "ir/expr/fold.h"

static fv_c_piece piece(const char *s, int prec) {
    return (fv_c_piece){s, prec, false};
}

static const char *type_of(fv_cg *g, const fv_expr *x) {
    return fv_c_type(g, x->type);
}

static const char *unsigned_type(fv_cg *g, const fv_expr *x) {
    return fv_c_vtype(g, fv_c_unsigned_elem(x->type.elem), x->type.lanes);
}

static fv_c_piece cast(fv_cg *g, const char *type, fv_c_piece p) {
    return piece(fv_printf(g->arena, "(%s)%s", type, fv_c_paren(g, p, FV_C_UNARY)), FV_C_UNARY);
}

static fv_c_piece infix(fv_cg *g, const fv_expr *x, const char *sign, int prec, int left,
                        int right) {
    const char *l = fv_c_at(g, x->arg[0], left), *r = fv_c_at(g, x->arg[1], right);
    return piece(fv_printf(g->arena, "%s %s %s", l, sign, r), prec);
}

static fv_c_piece call_op(fv_cg *g, const fv_expr *x) {
    const char *name = fv_c_layer_op(g, (fv_expr_op)x->op, x->type.elem, x->type.lanes);
    return fv_c_call(g, name, x->n, x->arg);
}

static bool range_is_known(const fv_expr *x) {
    int64_t lo = INT64_MIN, hi = INT64_MAX;
    if (x->type.elem == FV_I64)
        fv_x_range(x, &lo, &hi);
    return lo != INT64_MIN && hi != INT64_MAX;
}

static bool plain_sign(fv_elem e) {
    return fv_elem_is_float(e) || !fv_elem_is_signed(e);
}

static bool is_wrapping(const fv_expr *x) {
    bool sum = x->op == FV_X_ADD || x->op == FV_X_SUB || x->op == FV_X_MUL;
    return !plain_sign(x->type.elem) && (x->op == FV_X_SHL || (sum && !range_is_known(x)));
}

static const char *shift_count(fv_cg *g, const fv_expr *x) {
    const fv_expr *count = x->arg[1];
    int bits = fv_elem_bits(x->type.elem);
    if (count->op == FV_X_SPLAT && count->arg[0]->op == FV_X_CONST)
        return fv_printf(g->arena, "%lld", (long long)(count->arg[0]->u.i & (bits - 1)));
    return fv_printf(g->arena, "(%s & %d)", fv_c_at(g, count, FV_C_UNARY), bits - 1);
}

/* The bytes of a scalar as a vector of type `type`. */
static fv_c_piece bits_of_scalar(fv_cg *g, const char *type, const fv_expr *x) {
    fv_elem e = x->type.elem, bits = fv_elem_bits_elem(e);
    if (!fv_elem_is_float(e))
        return cast(g, type, cast(g, fv_c_elem(bits), fv_c_expr(g, x)));
    const char *name = fv_c_helper_bits(g, e, bits);
    return cast(g, type, piece(fv_printf(g->arena, "%s(%s)", name, fv_c_str(g, x)), FV_C_PRIMARY));
}

/* The expression with unsigned lanes, where + - * and << may wrap. Nested casts are avoided. */
static fv_c_piece as_unsigned(fv_cg *g, const fv_expr *x) {
    const char *uv = unsigned_type(g, x);
    if (x->op == FV_X_BITCAST)
        return x->arg[0]->type.lanes == 1 ? bits_of_scalar(g, uv, x->arg[0])
                                          : cast(g, uv, fv_c_expr(g, x->arg[0]));
    if (!is_wrapping(x))
        return cast(g, uv, fv_c_expr(g, x));
    if (x->op == FV_X_SHL) {
        const char *l = fv_c_paren(g, as_unsigned(g, x->arg[0]), FV_C_UNARY);
        return piece(fv_printf(g->arena, "%s << %s", l, shift_count(g, x)), FV_C_SHIFT);
    }
    const char *sign = x->op == FV_X_ADD ? "+" : x->op == FV_X_SUB ? "-" : "*";
    int prec = x->op == FV_X_MUL ? FV_C_MUL : FV_C_ADD;
    const char *l = fv_c_paren(g, as_unsigned(g, x->arg[0]), prec);
    const char *r = fv_c_paren(g, as_unsigned(g, x->arg[1]), prec + 1);
    return piece(fv_printf(g->arena, "%s %s %s", l, sign, r), prec);
}

/* The sum of a product of i32 with one factor for all lanes, by one instruction; without text if x
 * is something else, or the target has no such instruction. */
static fv_c_piece helium_multiply_add(fv_cg *g, const fv_expr *x) {
    const fv_elem e = (fv_elem)x->type.elem;
    if (x->op != FV_X_ADD || e != FV_I32)
        return (fv_c_piece){0};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2 && x->arg[i]->op == FV_X_MUL; k++) {
            const fv_expr *one = x->arg[i]->arg[k];
            const char *name =
                one->op == FV_X_SPLAT ? fv_c_helium_op(g, FV_X_FMA, e, e, x->type.lanes) : NULL;
            if (!name)
                continue;
            fv_expr *const args[] = {x->arg[i]->arg[1 - k], one->arg[0], x->arg[1 - i]};
            return fv_c_call(g, name, 3, args);
        }
    return (fv_c_piece){0};
}

static fv_c_piece arithmetic(fv_cg *g, const fv_expr *x) {
    const char *sign = x->op == FV_X_ADD   ? "+"
                       : x->op == FV_X_SUB ? "-"
                       : x->op == FV_X_MUL ? "*"
                                           : "/";
    int prec = x->op == FV_X_MUL || x->op == FV_X_DIV ? FV_C_MUL : FV_C_ADD;
    const fv_elem e = (fv_elem)x->type.elem;
    const char *helium =
        fv_elem_is_float(e) ? fv_c_helium_op(g, (fv_expr_op)x->op, e, e, x->type.lanes) : NULL;
    fv_c_piece both = helium_multiply_add(g, x);
    if (helium || both.s)
        return helium ? fv_c_call(g, helium, 2, x->arg) : both;
    if (plain_sign(x->type.elem) || range_is_known(x))
        return infix(g, x, sign, prec, prec, prec + 1);
    /* signed overflow is undefined in C, so compute unsigned */
    return cast(g, type_of(g, x), as_unsigned(g, x));
}

static fv_c_piece negate(fv_cg *g, const fv_expr *x) {
    fv_c_piece a = fv_c_expr(g, x->arg[0]);
    if (!plain_sign(x->type.elem))
        return cast(
            g, type_of(g, x),
            piece(fv_printf(g->arena, "-%s", cast(g, unsigned_type(g, x), a).s), FV_C_UNARY));
    return piece(
        fv_printf(g->arena, "-%s", fv_c_paren(g, a, a.s[0] == '-' ? FV_C_PRIMARY + 1 : FV_C_UNARY)),
        FV_C_UNARY);
}

static fv_c_piece shift(fv_cg *g, const fv_expr *x) {
    if (is_wrapping(x))
        return cast(g, type_of(g, x), as_unsigned(g, x));
    const char *sign = x->op == FV_X_SHL ? "<<" : ">>";
    return piece(
        fv_printf(g->arena, "%s %s %s", fv_c_at(g, x->arg[0], FV_C_UNARY), sign, shift_count(g, x)),
        FV_C_SHIFT);
}

/* Reinterprets the bits of the operand as the type of x. An operand that is computed as unsigned
 * numbers is cast to that type directly, not to its signed type first. */
static fv_c_piece bitcast(fv_cg *g, const fv_expr *x) {
    const fv_expr *a = x->arg[0];
    if (a->type.lanes == 1)
        return bits_of_scalar(g, type_of(g, x), a);
    return cast(g, type_of(g, x), is_wrapping(a) ? as_unsigned(g, a) : fv_c_expr(g, a));
}

/* Converts the result of a comparison, integers as wide as its operands, to the type of masks. */
static fv_c_piece as_mask(fv_cg *g, fv_c_piece p, fv_elem compared, int lanes) {
    const char *m = fv_c_mask(g, lanes);
    fv_elem e = fv_c_signed_elem(compared);
    if (e == fv_c_mask_elem(lanes))
        return cast(g, m, p);
    const char *same = cast(g, fv_c_vtype(g, e, lanes), p).s;
    return piece(fv_printf(g->arena, "__builtin_convertvector(%s, %s)", same, m), FV_C_PRIMARY);
}

static fv_c_piece opposite(fv_cg *g, fv_c_piece mask) {
    return piece(fv_printf(g->arena, "~%s", fv_c_paren(g, mask, FV_C_UNARY)), FV_C_UNARY);
}

static fv_c_piece compare(fv_cg *g, const fv_expr *x) {
    const fv_expr *a = x->arg[0], *b = x->arg[1];
    int lanes = x->type.lanes;
    if (x->op == FV_X_LT && a->op == FV_X_RAMP && b->op == FV_X_SPLAT && a->type.elem == FV_I64) {
        fv_expr *left = fv_x_bin(g->arena, FV_X_SUB, b->arg[0], a->arg[0]);
        /* the mask of the remaining iterations of a loop: the first `left` lanes */
        if (range_is_known(left))
            return fv_c_call(g, fv_c_layer_below(g, lanes), 1, &left);
    }
    if (a->type.elem == FV_BOOL) { /* a true lane of a mask is -1 */
        bool less = x->op == FV_X_LT;
        return piece(fv_printf(g->arena, "~%s %s %s", fv_c_at(g, a, FV_C_UNARY), less ? "&" : "|",
                               fv_c_at(g, b, FV_C_UNARY)),
                     less ? FV_C_AND : FV_C_OR);
    }
    bool equality = x->op == FV_X_EQ || x->op == FV_X_NE;
    if (equality && fv_elem_is_float(a->type.elem)) {
        fv_c_piece p = fv_c_call(g, fv_c_layer_equal(g, a->type.elem, lanes), 2, x->arg);
        return as_mask(g, x->op == FV_X_NE ? opposite(g, p) : p, a->type.elem, lanes);
    }
    const char *sign = fv_expr_op_text((fv_expr_op)x->op);
    return as_mask(g, infix(g, x, sign, equality ? FV_C_EQUAL : FV_C_LESS, FV_C_ADD, FV_C_ADD),
                   a->type.elem, lanes);
}

static fv_c_piece min_max(fv_cg *g, const fv_expr *x) {
    const fv_expr *a = x->arg[0], *c = x->arg[1];
    if (a->op == FV_X_SPLAT) {
        const fv_expr *swap = a;
        a = c;
        c = swap;
    }
    const char *name = NULL;
    if (c->op == FV_X_SPLAT && c->arg[0]->op == FV_X_CONST && fv_elem_is_float(x->type.elem))
        name = fv_c_layer_clamp(g, (fv_expr_op)x->op, x->type.elem, x->type.lanes, c->arg[0]->u.f);
    fv_expr *arg[2] = {(fv_expr *)a, (fv_expr *)c};
    return name ? fv_c_call(g, name, 2, arg) : call_op(g, x);
}

static fv_c_piece choose(fv_cg *g, const fv_expr *x) {
    const fv_expr *c = x->arg[0]->op == FV_X_SPLAT ? x->arg[0]->arg[0] : x->arg[0];
    if (c->type.lanes > 1 || fv_x_has(x, FV_HAS_REQUIRE))
        return fv_c_call(g, fv_c_layer_select(g, x->type.elem, x->type.lanes), 3, x->arg);
    return piece(fv_printf(g->arena, "%s ? %s : %s", fv_c_condition(g, c),
                           fv_c_at(g, x->arg[1], FV_C_OROR), fv_c_at(g, x->arg[2], FV_C_COND)),
                 FV_C_COND);
}

static fv_c_piece convert_vector(fv_cg *g, const char *s, const char *type) {
    return piece(fv_printf(g->arena, "__builtin_convertvector(%s, %s)", s, type), FV_C_PRIMARY);
}

/* A conversion by an instruction of Helium, together with a load or with rounding to an integer;
 * without text if there is none. */
static fv_c_piece helium_convert(fv_cg *g, const fv_expr *x) {
    const fv_expr *y = x->arg[0];
    fv_elem to = x->type.elem, from = y->type.elem;
    const int lanes = x->type.lanes;
    const bool is_run =
        y->op == FV_X_LOAD && fv_access_kind(y->u.buf, y->arg, lanes) == FV_ACCESS_RUN;
    const char *load = is_run ? fv_c_helium_load(g, from, to, lanes) : NULL;
    if (load)
        return piece(fv_printf(g->arena, "%s(%s)", load, fv_c_address(g, y->u.buf, y->arg)),
                     FV_C_PRIMARY);
    const bool rounds = y->op == FV_X_RINT;
    const char *name = fv_c_helium_op(g, rounds ? FV_X_RINT : FV_X_CONVERT, from, to, lanes);
    return name ? fv_c_call(g, name, 1, rounds ? y->arg : x->arg) : (fv_c_piece){0};
}

static fv_c_piece convert(fv_cg *g, const fv_expr *x) {
    fv_elem to = x->type.elem, from = x->arg[0]->type.elem;
    int lanes = x->type.lanes;
    const char *type = type_of(g, x);
    fv_c_piece helium = helium_convert(g, x);
    if (helium.s)
        return helium;
    if (to == FV_BOOL && fv_elem_is_float(from)) {
        const char *zero = fv_printf(g->arena, "%s(0)", fv_c_layer_splat(g, from, lanes));
        const char *s =
            fv_c_apply(g, fv_c_layer_equal(g, from, lanes), "%s, %s", fv_c_str(g, x->arg[0]), zero);
        return as_mask(g, opposite(g, piece(s, FV_C_PRIMARY)), from, lanes);
    }
    if (to == FV_BOOL) {
        const char *s = fv_printf(g->arena, "%s != 0", fv_c_at(g, x->arg[0], FV_C_ADD));
        return as_mask(g, piece(s, FV_C_EQUAL), from, lanes);
    }
    if (from == FV_BOOL) {
        const char *ones = fv_printf(g->arena, "-%s", fv_c_at(g, x->arg[0], FV_C_UNARY));
        return to == fv_c_mask_elem(lanes) ? piece(ones, FV_C_UNARY)
                                           : convert_vector(g, ones, type);
    }
    if (fv_c_converts_by_call(g, from, to) || fv_c_narrowing(g, from, to, lanes))
        return fv_c_call(g, fv_c_layer_convert(g, from, to, lanes), 1, x->arg);
    if (fv_elem_bits(from) == fv_elem_bits(to) && !fv_elem_is_float(from) && !fv_elem_is_float(to))
        return cast(g, type, fv_c_expr(g, x->arg[0]));
    return convert_vector(g, fv_c_str(g, x->arg[0]), type);
}

/* ---- memory ---- */

const char *fv_c_address(fv_cg *g, const fv_buf *b, fv_expr *const *index) {
    return fv_printf(g->arena, "&%s", fv_c_element(g, b, index).s);
}

/* The address of the first element of a buffer. */
static const char *base(fv_cg *g, const fv_buf *b) {
    const char *name = fv_c_name_of(g, b);
    fv_text t = {.arena = g->arena};
    fv_text_printf(&t, "%s%s", b->role == FV_BUF_TILE && b->rank > 1 ? "&" : "", name);
    for (int i = 0; b->role == FV_BUF_TILE && b->rank > 1 && i < b->rank; i++)
        fv_text_put(&t, "[0]");
    return t.s;
}

static fv_c_piece load(fv_cg *g, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    fv_elem e = x->type.elem;
    int lanes = x->type.lanes;
    fv_picked picked;
    switch (fv_access_kind(b, x->arg, lanes)) {
    case FV_ACCESS_ELEMENT: return fv_c_element(g, b, x->arg);
    case FV_ACCESS_RUN:
        return piece(
            fv_printf(g->arena, "%s(%s)", fv_c_layer_load(g, e, lanes), fv_c_address(g, b, x->arg)),
            FV_C_PRIMARY);
    case FV_ACCESS_GATHER:
        if (fv_x_picks(g->arena, x, &picked))
            return piece(fv_printf(g->arena, "%s(%s)", fv_c_layer_pick(g, e, &picked),
                                   fv_c_address(g, b, picked.index)),
                         FV_C_PRIMARY);
        return piece(fv_c_apply(g, fv_c_layer_gather(g, e, lanes), "%s, %s", base(g, b),
                                fv_c_index(g, b, x->arg)),
                     FV_C_PRIMARY);
    }
    return piece("0", FV_C_PRIMARY);
}

/* The index of a gather or a scattered store under a mask. In lanes that the mask leaves out it may
 * be any number, so it is computed unsigned, where overflow wraps, unless the bounds of all indices
 * are known. */
static const char *index_under_mask(fv_cg *g, const fv_buf *b, fv_expr *const *index, int lanes) {
    fv_expr *flat = NULL;
    bool is_known = true;
    for (int i = 0; i < b->rank; i++) {
        fv_expr *at = index[i]->type.lanes == 1 ? fv_x_splat(g->arena, lanes, index[i]) : index[i];
        is_known &= range_is_known(index[i]);
        if (flat)
            flat = fv_x_bin(g->arena, FV_X_MUL, flat, fv_x_splat(g->arena, lanes, b->extent[i]));
        flat = flat ? fv_x_bin(g->arena, FV_X_ADD, flat, at) : at;
    }
    return is_known ? fv_c_index(g, b, index) : fv_c_str(g, flat);
}

const char *fv_c_scatter(fv_cg *g, const fv_buf *b, fv_expr *const *index, const fv_expr *x,
                         const fv_expr *mask) {
    int lanes = x->type.lanes;
    const char *v = fv_c_str(g, x), *p = base(g, b);
    if (!mask)
        return fv_c_apply(g, fv_c_layer_scatter(g, b->elem, lanes), "%s, %s, %s", p,
                          fv_c_index(g, b, index), v);
    return fv_c_apply(g, fv_c_layer_scatter_if(g, b->elem, lanes), "%s, %s, %s, %s",
                      fv_c_str(g, mask), p, index_under_mask(g, b, index, lanes), v);
}

static fv_c_piece guard(fv_cg *g, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    const fv_expr *c = x->arg[b->rank], *otherwise = x->arg[b->rank + 1];
    fv_elem e = x->type.elem;
    int lanes = x->type.lanes;
    if (c->op == FV_X_SPLAT)
        c = c->arg[0];
    if (c->type.lanes == 1) {
        fv_c_piece v = load(g, x);
        return piece(fv_printf(g->arena, "%s ? %s : %s", fv_c_condition(g, c), v.s,
                               fv_c_at(g, otherwise, FV_C_COND)),
                     FV_C_COND);
    }
    const char *m = fv_c_str(g, c), *v = fv_c_str(g, otherwise);
    switch (fv_access_kind(b, x->arg, lanes)) {
    case FV_ACCESS_ELEMENT: {
        fv_c_piece at = fv_c_element(g, b, x->arg); /* a tile may be read in masked lanes, too */
        return piece(fv_c_apply(g, fv_c_layer_select(g, e, lanes), "%s, %s, %s", m, at.s, v),
                     FV_C_PRIMARY);
    }
    case FV_ACCESS_RUN:
        return piece(fv_c_apply(g, fv_c_layer_load_if(g, e, lanes), "%s, %s, %s", m,
                                fv_c_address(g, b, x->arg), v),
                     FV_C_PRIMARY);
    case FV_ACCESS_GATHER:
        return piece(fv_c_apply(g, fv_c_layer_gather_if(g, e, lanes), "%s, %s, %s, %s", m,
                                base(g, b), index_under_mask(g, b, x->arg, lanes), v),
                     FV_C_PRIMARY);
    }
    return piece("0", FV_C_PRIMARY);
}

fv_c_piece fv_c_vector(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    int lanes = x->type.lanes;
    switch ((fv_expr_op)x->op) {
    case FV_X_VAR: return piece(fv_c_name_of(g, x->u.var), FV_C_PRIMARY);
    case FV_X_LOAD: return load(g, x);
    case FV_X_GUARD: return guard(g, x);
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL: return arithmetic(g, x);
    case FV_X_DIV: return fv_elem_is_float(e) ? arithmetic(g, x) : call_op(g, x);
    case FV_X_MIN:
    case FV_X_MAX: return min_max(g, x);
    case FV_X_NEG: return negate(g, x);
    case FV_X_NOT:
        return piece(fv_printf(g->arena, "~%s", fv_c_at(g, x->arg[0], FV_C_UNARY)), FV_C_UNARY);
    case FV_X_AND: return infix(g, x, "&", FV_C_AND, FV_C_UNARY, FV_C_UNARY);
    case FV_X_OR: return infix(g, x, "|", FV_C_OR, FV_C_UNARY, FV_C_UNARY);
    case FV_X_XOR: return infix(g, x, "^", FV_C_XOR, FV_C_UNARY, FV_C_UNARY);
    case FV_X_SHL:
    case FV_X_SHR: return shift(g, x);
    case FV_X_LT:
    case FV_X_LE:
    case FV_X_EQ:
    case FV_X_NE: return compare(g, x);
    case FV_X_SELECT: return choose(g, x);
    case FV_X_CONVERT: return convert(g, x);
    case FV_X_BITCAST: return bitcast(g, x);
    case FV_X_SPLAT: return fv_c_call(g, fv_c_layer_splat(g, e, lanes), 1, x->arg);
    case FV_X_RAMP: return fv_c_call(g, fv_c_layer_ramp(g, e, lanes), 1, x->arg);
    case FV_X_EVEN:
    case FV_X_ODD:
        return fv_c_call(g, fv_c_layer_blocks(g, (fv_expr_op)x->op, (int)x->u.i, e, lanes), 2,
                         x->arg);
    case FV_X_REQUIRE: {
        const char *name = fv_c_layer_require(g, lanes);
        return piece(fv_printf(g->arena, "%s(%s, error)", name, fv_c_str(g, x->arg[0])),
                     FV_C_PRIMARY);
    }
    case FV_X_ABS:
        return fv_elem_is_int(e) && !fv_elem_is_signed(e) ? fv_c_expr(g, x->arg[0]) : call_op(g, x);
    case FV_X_FMA:
    case FV_X_SQRT:
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT:
    case FV_X_REM:
    case FV_X_FLOORDIV:
    case FV_X_FLOORMOD:
    case FV_X_MULHI:
    case FV_X_ADDSAT:
#include "ir/expr/cases_of_words.def"
    case FV_X_SCALEB:
    case FV_X_MULSAT: return call_op(g, x);
    case FV_X_CONST:
#include "ir/expr/cases_of_math.def"
    case FV_X_CONVSAT:
    case FV_X_DIM:
    case FV_X_DOT16_I8_I8: /* sums of one lane */
    case FV_X_DOT16_U8_U8:
    case FV_X_REDUCE:
    case FV_X_END: break;
    }
    g->failed = !fv_error(
        g->session,
        "internal error: the C emitter got '%s' of %d lanes, which expansion should have removed",
        fv_expr_op_text((fv_expr_op)x->op), lanes);
    return piece("0", FV_C_PRIMARY);
}
