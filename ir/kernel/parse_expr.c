/* parse_expr.c - builds kernel expressions from the trees that ast.c parses: resolves names, and
 * finds types and numbers of lanes.
 *
 * A literal takes the type of the other operand; if nothing determines its type, integers are i64
 * and floats f32, or f64 in a function whose result is f64. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/kernel/parser.h"
#include "ir/syntax/ast.h"

bool fv_kx_error(fv_kparser *p, const fv_ast *at, const char *format, ...) {
    if (p->l.failed)
        return false;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->l.tok.line = at->line;
    p->l.tok.column = at->column;
    return fv_lex_error(&p->l, "%s", text);
}

static fv_expr *fail(fv_kparser *p, const fv_ast *at, const char *message) {
    fv_kx_error(p, at, "%s", message);
    return NULL;
}

static const char *type_name(fv_kparser *p, fv_ktype t) {
    const char *name = fv_elem_name((fv_elem)t.elem);
    return t.lanes > 1 ? fv_printf(p->arena, "%sx%d", name, t.lanes) : name;
}

/* ---- literals ---- */

static bool is_minus(const fv_ast *e) {
    return e->kind == FV_AST_UNARY && strcmp(e->name, "-") == 0;
}

/* Is e the unquoted name `word`? A name that is also a word of the language must be in
 * backquotes. */
static bool is_word(const fv_ast *e, const char *word) {
    return e->kind == FV_AST_NAME && !e->quoted && strcmp(e->name, word) == 0;
}

static bool is_literal(const fv_ast *e) {
    if (is_minus(e))
        e = e->arg[0];
    return e->kind == FV_AST_INT || e->kind == FV_AST_FLOAT || is_word(e, "inf") ||
           is_word(e, "nan");
}

static bool is_arithmetic(const char *op) {
    return fv_ast_level(op) >= 8 || strchr("|^&", *op);
}

/* Does e consist of literals alone, so that its type comes from the context? */
static bool is_untyped(const fv_ast *e) {
    if (is_literal(e))
        return true;
    switch (e->kind) {
    case FV_AST_UNARY: return strcmp(e->name, "!") != 0 && is_untyped(e->arg[0]);
    case FV_AST_BINARY:
        return is_arithmetic(e->name) && strcmp(e->name, "||") != 0 && strcmp(e->name, "&&") != 0 &&
               is_untyped(e->arg[0]) && is_untyped(e->arg[1]);
    case FV_AST_CALL:
        if (e->n == 1 && strncmp(e->name, "splat", 5) == 0)
            return is_untyped(e->arg[0]);
        return strcmp(e->name, "select") == 0 && e->n == 3 && is_untyped(e->arg[1]) &&
               is_untyped(e->arg[2]);
    default: return false;
    }
}

static bool fits(fv_elem e, int64_t v) {
    int bits = fv_elem_bits(e);
    if (bits == 64)
        return true;
    return v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << bits;
}

static double float_value(const fv_ast *e) {
    switch (e->kind) {
    case FV_AST_INT: return (double)e->i;
    case FV_AST_FLOAT: return e->f;
    default: return strcmp(e->name, "inf") == 0 ? (double)INFINITY : (double)NAN;
    }
}

static fv_expr *literal(fv_kparser *p, const fv_ast *e, fv_elem hint) {
    bool minus = is_minus(e);
    const fv_ast *body = minus ? e->arg[0] : e;
    bool whole = body->kind == FV_AST_INT;
    fv_elem type = hint               ? fv_elem_arith(hint)
                   : whole            ? FV_I64
                   : p->float_default ? p->float_default
                                      : FV_F32;
    if (type == FV_F32 || type == FV_F64) {
        double v = float_value(body);
        /* convert the decimal text to f32 directly, so that it is rounded once */
        if (body->kind == FV_AST_FLOAT && type == FV_F32)
            v = (double)strtof(body->name, NULL);
        if (type == FV_F32 && isinf(v) && body->kind == FV_AST_FLOAT)
            return fail(p, e, "the number is out of range for f32");
        return fv_x_const(p->arena, type, minus ? -v : v);
    }
    if (!whole || !fv_elem_is_int(type)) {
        fv_kx_error(p, e, "a literal of type %s is expected here", fv_elem_name(type));
        return NULL;
    }
    int64_t v = minus ? (int64_t)(0 - (uint64_t)body->i) : body->i;
    if (!fits(type, v)) {
        fv_kx_error(p, e, "the number does not fit %s", fv_elem_name(type));
        return NULL;
    }
    return fv_x_const_int(p->arena, type, v);
}

/* ---- several arguments of one type ---- */

static bool check_same(fv_kparser *p, const fv_ast *at, const fv_expr *a, const fv_expr *b) {
    if (a->type.elem != b->type.elem)
        return fv_kx_error(p, at, "the arguments of '%s' are %s and %s; convert one", at->name,
                           type_name(p, a->type), type_name(p, b->type));
    return true;
}

/* Checks that all expressions are scalars or vectors with this number of lanes, or, if `lanes` is
 * 1, scalars or vectors with one and the same number of lanes. NULLs are skipped. */
static bool check_lanes(fv_kparser *p, const fv_ast *at, int n, fv_expr *const *x, int lanes) {
    for (int i = 0; i < n; i++) {
        if (!x[i] || x[i]->type.lanes == 1 || x[i]->type.lanes == lanes)
            continue;
        if (lanes > 1)
            return fv_kx_error(p, at, "'%.60s' is given %d and %d lanes", at->name, lanes,
                               x[i]->type.lanes);
        lanes = x[i]->type.lanes;
    }
    return true;
}

/* Builds args[from .. n-1] so that literals take the type of the others. */
static bool build_same(fv_kparser *p, const fv_ast *at, int from, fv_expr **out, fv_elem hint) {
    const fv_expr *typed = NULL;
    for (int i = from; i < at->n; i++) {
        if (is_untyped(at->arg[i]))
            continue;
        out[i] = fv_kx_build(p, at->arg[i], hint);
        if (!out[i] || (typed && !check_same(p, at, typed, out[i])))
            return false;
        typed = out[i];
    }
    if (typed)
        hint = (fv_elem)typed->type.elem;
    for (int i = from; i < at->n; i++) {
        if (is_untyped(at->arg[i]))
            out[i] = fv_kx_build(p, at->arg[i], hint);
        if (!out[i] || !check_same(p, at, out[from] ? out[from] : out[i], out[i]))
            return false;
    }
    return check_lanes(p, at, at->n, out, 1);
}

/* ---- operators ---- */

static bool find_op(const char *text, int nargs, fv_expr_op *out) {
    for (int op = 0; op < FV_X_END; op++) {
        const fv_expr_info *info = fv_expr_op_info((fv_expr_op)op);
        bool given = info->result == FV_XR_GIVEN;
        if (!given && info->nargs == nargs && strcmp(info->text, text) == 0) {
            *out = (fv_expr_op)op;
            return true;
        }
    }
    return false;
}

static bool allowed(fv_kparser *p, const fv_ast *at, fv_expr_op op, const fv_expr *x) {
    if (fv_x_allows(op, (fv_elem)x->type.elem))
        return true;
    return fv_kx_error(p, at, "'%s' does not take %s", at->name, type_name(p, x->type));
}

/* Builds a ceildiv b as -(-a floordiv b). */
static fv_expr *ceildiv(fv_kparser *p, const fv_ast *e, fv_expr *a, fv_expr *b) {
    if (!allowed(p, e, FV_X_FLOORDIV, a))
        return NULL;
    fv_expr *minus = fv_x_un(p->arena, FV_X_NEG, a);
    return fv_x_un(p->arena, FV_X_NEG, fv_x_bin(p->arena, FV_X_FLOORDIV, minus, b));
}

static fv_expr *binary(fv_kparser *p, const fv_ast *e, fv_elem hint) {
    fv_expr *x[2] = {NULL, NULL};
    bool compares = fv_ast_level(e->name) == 6 || fv_ast_level(e->name) == 7;
    if (!build_same(p, e, 0, x, compares ? FV_NO_ELEM : hint))
        return NULL;
    const char *name = e->name;
    bool logical = strcmp(name, "&&") == 0 || strcmp(name, "||") == 0;
    if (logical && x[0]->type.elem != FV_BOOL)
        return fail(p, e, "&& and || are for bools; use & and | on integers");
    if (strcmp(name, "ceildiv") == 0)
        return ceildiv(p, e, x[0], x[1]);
    fv_expr_op op;
    bool swap = *name == '>' && name[1] != '>';
    if (swap)
        op = name[1] == '=' ? FV_X_LE : FV_X_LT;
    else if (logical)
        op = *name == '&' ? FV_X_AND : FV_X_OR;
    else if (!find_op(name, 2, &op))
        return fail(p, e, "the operator has no meaning in a kernel");
    if (!allowed(p, e, op, x[0]))
        return NULL;
    return swap ? fv_x_bin(p->arena, op, x[1], x[0]) : fv_x_bin(p->arena, op, x[0], x[1]);
}

static fv_expr *unary(fv_kparser *p, const fv_ast *e, fv_elem hint) {
    fv_expr *x = fv_kx_build(p, e->arg[0], hint);
    if (!x)
        return NULL;
    fv_expr_op op = *e->name == '-' ? FV_X_NEG : FV_X_NOT;
    if ((*e->name == '!') != (x->type.elem == FV_BOOL) && op == FV_X_NOT)
        return fail(p, e, "'!' is for bools, '~' for integers");
    return allowed(p, e, op, x) ? fv_x_un(p->arena, op, x) : NULL;
}

/* ---- calls ---- */

static bool expect_args(fv_kparser *p, const fv_ast *e, int n) {
    for (int i = 0; i < e->n; i++)
        if (e->arg[i]->kind == FV_AST_NAMED)
            return fv_kx_error(p, e->arg[i], "'%s' has no named arguments", e->name);
    if (e->n == n)
        return true;
    return fv_kx_error(p, e, "'%s' takes %d argument%s, found %d", e->name, n, n == 1 ? "" : "s",
                       e->n);
}

/* Parses the name of a conversion: "f32", "sat_f16", "bits_u32". */
static bool cast_name(const char *name, fv_expr_op *op, fv_elem *elem) {
    *op = FV_X_CONVERT;
    if (strncmp(name, "sat_", 4) == 0) {
        *op = FV_X_CONVSAT;
        name += 4;
    } else if (strncmp(name, "bits_", 5) == 0) {
        *op = FV_X_BITCAST;
        name += 5;
    }
    return fv_elem_parse(name, strlen(name), elem);
}

static fv_expr *cast(fv_kparser *p, const fv_ast *e, fv_expr_op op, fv_elem elem) {
    if (!expect_args(p, e, 1))
        return NULL;
    const fv_ast *arg = e->arg[0];
    bool is_computed = elem != FV_STRING && elem != FV_C64 && elem != FV_C128;
    bool is_constant = op == FV_X_CONVERT && is_literal(arg) && elem != FV_BOOL && is_computed;
    fv_expr *x = fv_kx_build(p, arg, is_constant ? elem : FV_NO_ELEM);
    if (!x)
        return NULL;
    if (!is_computed || !fv_x_can_cast(op, x->type, elem)) {
        fv_kx_error(p, e, "'%s' does not take %s", e->name, type_name(p, x->type));
        return NULL;
    }
    return fv_x_cast(p->arena, op, elem, x);
}

static bool is_lanes(int64_t n) {
    return n > 1 && n <= 64 && (n & (n - 1)) == 0;
}

/* Builds splat8(x) or ramp8(x). */
static fv_expr *widen(fv_kparser *p, const fv_ast *e, const char *digits, fv_elem hint) {
    int lanes = atoi(digits);
    if (!is_lanes(lanes))
        return fail(p, e, "the number of lanes must be a power of two from 2 to 64");
    if (!expect_args(p, e, 1))
        return NULL;
    fv_expr *x = fv_kx_build(p, e->arg[0], hint);
    if (!x)
        return NULL;
    if (x->type.lanes != 1)
        return fail(p, e, "the argument must be a scalar");
    if (*e->name == 's')
        return fv_x_splat(p->arena, lanes, x);
    return allowed(p, e, FV_X_REM, x) ? fv_x_ramp(p->arena, lanes, x) : NULL;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Builds even2(a, b) or odd2(a, b). */
static fv_expr *blocks_call(fv_kparser *p, const fv_ast *e, fv_expr_op op, const char *digits,
                            fv_elem hint) {
    fv_expr *x[2] = {NULL, NULL};
    int block = atoi(digits);
    if (!expect_args(p, e, 2) || !build_same(p, e, 0, x, hint))
        return NULL;
    if (x[0]->type.lanes != x[1]->type.lanes)
        return fail(p, e, "the arguments have different numbers of lanes");
    if ((block != 1 && !is_lanes(block)) || block >= x[0]->type.lanes)
        return fail(p, e, "a block must be a power of two, and less than the vectors");
    return fv_x_blocks(p->arena, op, block, x[0], x[1]);
}

static fv_expr *select_call(fv_kparser *p, const fv_ast *e, fv_elem hint) {
    fv_expr *x[3] = {NULL, NULL, NULL};
    if (!expect_args(p, e, 3))
        return NULL;
    fv_expr *c = fv_kx_build(p, e->arg[0], FV_NO_ELEM);
    if (!c || !build_same(p, e, 1, x, hint))
        return NULL;
    if (c->type.elem != FV_BOOL)
        return fail(p, e->arg[0], "the condition is not a bool");
    x[0] = c;
    if (!check_lanes(p, e, 3, x, 1))
        return NULL;
    return fv_x_select(p->arena, c, x[1], x[2]);
}

static const fv_kfunc *find_func(fv_kparser *p, const char *name) {
    return p->find_func ? p->find_func(p, name) : NULL;
}

static fv_expr *func_call(fv_kparser *p, const fv_ast *e, const fv_kfunc *f) {
    if (!expect_args(p, e, f->nparams))
        return NULL;
    fv_expr **x = FV_NEW(p->arena, fv_expr *, f->nparams + 1);
    for (int i = 0; i < f->nparams; i++) {
        fv_elem want = (fv_elem)f->params[i]->type.elem;
        x[i] = fv_kx_build(p, e->arg[i], want);
        if (!x[i])
            return NULL;
        if (x[i]->type.elem != want)
            return fail(p, e->arg[i], "the argument is of another type than the parameter");
    }
    return fv_kfunc_inline(&p->b, f, x);
}

static fv_expr *plain_call(fv_kparser *p, const fv_ast *e, fv_elem hint) {
    fv_expr_op op;
    int n = e->n <= 3 ? e->n : 3;
    if (fv_ast_level(e->name) || !find_op(e->name, n, &op) || op == FV_X_NEG || op == FV_X_NOT) {
        for (n = 1; n <= 3; n++)
            if (find_op(e->name, n, &op) && !expect_args(p, e, n))
                return NULL;
        fv_kx_error(p, e, "no function is called '%.60s'", e->name);
        return NULL;
    }
    fv_expr *x[3] = {NULL, NULL, NULL};
    if (!expect_args(p, e, n) || !build_same(p, e, 0, x, hint) || !allowed(p, e, op, x[0]))
        return NULL;
    if (fv_expr_op_is_dot(op))
        return fv_x_dot(p->arena, op, x[0], x[1], x[2]);
    if (n == 3)
        return fv_x_fma(p->arena, x[0], x[1], x[2]);
    return n == 1 ? fv_x_un(p->arena, op, x[0]) : fv_x_bin(p->arena, op, x[0], x[1]);
}

/* `dot16_i8_i8(x[i, k:16], y[j, k:16], c)` */
static fv_expr *dot16_call(fv_kparser *p, const fv_ast *e, fv_expr_op op) {
    const fv_elem bytes = fv_dot16_elem(op);
    fv_expr *x[3];
    if (!expect_args(p, e, 3))
        return NULL;
    for (int i = 0; i < 3; i++) {
        x[i] = fv_kx_build(p, e->arg[i], i < 2 ? bytes : FV_I32);
        if (!x[i])
            return NULL;
        bool ok = i < 2 ? x[i]->op == FV_X_LOAD && x[i]->type.elem == bytes &&
                              x[i]->type.lanes == FV_DOT16
                        : x[i]->type.elem == FV_I32 && x[i]->type.lanes == 1;
        if (!ok)
            return fail(p, e->arg[i],
                        fv_printf(p->arena, "'%s' takes two loads of %d elements of %s, and an i32",
                                  e->name, FV_DOT16, fv_elem_name(bytes)));
    }
    return fv_x_dot16(p->arena, op, x[0], x[1], x[2]);
}

static fv_expr *call(fv_kparser *p, const fv_ast *e, fv_elem hint) {
    fv_expr_op op;
    fv_elem elem;
    const fv_kfunc *f = find_func(p, e->name);
    if (f)
        return func_call(p, e, f);
    if (cast_name(e->name, &op, &elem))
        return cast(p, e, op, elem);
    if (strcmp(e->name, "select") == 0)
        return select_call(p, e, hint);
    for (op = FV_X_DOT16_I8_I8; fv_expr_op_is_dot16(op); op++)
        if (strcmp(e->name, fv_expr_op_text(op)) == 0)
            return dot16_call(p, e, op);
    if (strncmp(e->name, "splat", 5) == 0)
        return widen(p, e, e->name + 5, hint);
    if (strncmp(e->name, "ramp", 4) == 0)
        return widen(p, e, e->name + 4, hint);
    if (strncmp(e->name, "even", 4) == 0 && is_digit(e->name[4]))
        return blocks_call(p, e, FV_X_EVEN, e->name + 4, hint);
    if (strncmp(e->name, "odd", 3) == 0 && is_digit(e->name[3]))
        return blocks_call(p, e, FV_X_ODD, e->name + 3, hint);
    return plain_call(p, e, hint);
}

/* ---- names and elements ---- */

static fv_expr *name(fv_kparser *p, const fv_ast *e) {
    if (is_word(e, "true") || is_word(e, "false"))
        return fv_x_const_int(p->arena, FV_BOOL, is_word(e, "true"));
    const fv_binding *b = fv_scope_find(p, e->name);
    if (!b) {
        fv_kx_error(p, e, "'%.60s' is not known here", e->name);
        return NULL;
    }
    if (b->var)
        return fv_x_var(p->arena, b->var);
    if (b->buf->rank == 0)
        return fv_x_load(p->arena, b->buf, NULL);
    fv_kx_error(p, e, "'%.60s' has %d axes; an index for each is missing", e->name, b->buf->rank);
    return NULL;
}

fv_buf *fv_kx_buffer(fv_kparser *p, const fv_ast *e) {
    fv_binding *b = fv_scope_find(p, e->name);
    if (b && b->buf)
        return b->buf;
    fv_kx_error(p, e, "no buffer is called '%.60s'", e->name);
    return NULL;
}

static bool check_scalars(fv_kparser *p, const fv_ast *e, int n, fv_expr *const *index) {
    for (int i = 0; i < n; i++)
        if (index[i]->type.lanes > 1)
            return fv_kx_error(p, e, "index vectors and consecutive elements exclude each other");
    return true;
}

bool fv_kx_index(fv_kparser *p, const fv_ast *e, const fv_buf *b, fv_expr **index, int *lanes) {
    if (e->n != b->rank)
        return fv_kx_error(p, e, "'%.60s' has %d axes, found %d indices", e->name, b->rank, e->n);
    *lanes = 1;
    for (int i = 0; i < b->rank; i++) {
        const fv_ast *arg = e->arg[i];
        if (arg->kind == FV_AST_LANES) {
            if (i != b->rank - 1 || !is_lanes(arg->i) || b->lanes > 1)
                return fv_kx_error(p, arg,
                                   "consecutive elements are those of the last axis, "
                                   "a power of two from 2 to 64 of them");
            *lanes = (int)arg->i;
            arg = arg->arg[0];
        }
        index[i] = fv_kx_build(p, arg, FV_I64);
        if (!index[i])
            return false;
        if (index[i]->type.elem != FV_I64)
            return fv_kx_error(p, arg, "an index must be an i64, found %s",
                               type_name(p, index[i]->type));
        if (index[i]->type.lanes > 1 && (*lanes > 1 || b->lanes > 1))
            return fv_kx_error(p, arg, "index vectors and consecutive elements exclude each other");
    }
    return *lanes == 1 || check_scalars(p, e, b->rank, index);
}

static fv_expr *guard(fv_kparser *p, const fv_ast *e, fv_buf *b, fv_expr **index, int lanes) {
    if (!e->cond)
        return fail(p, e, "'else' needs a condition in a kernel");
    fv_expr *c = fv_kx_build(p, e->cond, FV_NO_ELEM);
    fv_expr *v = c ? fv_kx_build(p, e->otherwise, b->elem) : NULL;
    if (!v)
        return NULL;
    if (c->type.elem != FV_BOOL)
        return fail(p, e->cond, "the condition is not a bool");
    if (v->type.elem != b->elem) {
        fv_kx_error(p, e->otherwise, "the value is %s, the elements are %s", type_name(p, v->type),
                    fv_elem_name(b->elem));
        return NULL;
    }
    fv_expr *all[FV_STMT_EXPRS];
    for (int i = 0; i < b->rank; i++)
        all[i] = index[i];
    all[b->rank] = c;
    all[b->rank + 1] = v;
    if (!check_lanes(p, e, b->rank + 2, all, lanes > b->lanes ? lanes : b->lanes))
        return NULL;
    if (lanes > 1)
        return fv_x_guard_n(p->arena, b, index, c, v, lanes);
    return fv_x_guard(p->arena, b, index, c, v);
}

fv_expr *fv_kx_element(fv_kparser *p, const fv_ast *e, fv_buf *b) {
    fv_expr *index[FV_MAX_RANK];
    int lanes;
    if (!b || !fv_kx_index(p, e, b, index, &lanes) || !check_lanes(p, e, b->rank, index, 1))
        return NULL;
    if (e->otherwise)
        return guard(p, e, b, index, lanes);
    return lanes > 1 ? fv_x_load_n(p->arena, b, index, lanes) : fv_x_load(p->arena, b, index);
}

fv_expr *fv_kx_build(fv_kparser *p, const fv_ast *e, fv_elem hint) {
    bool taken = false;
    if (is_literal(e))
        return literal(p, e, hint);
    fv_expr *x = p->more ? p->more(p, e, &taken) : NULL;
    if (taken)
        return x;
    switch (e->kind) {
    case FV_AST_NAME: return name(p, e);
    case FV_AST_CALL: return call(p, e, hint);
    case FV_AST_INDEX: return fv_kx_element(p, e, fv_kx_buffer(p, e));
    case FV_AST_UNARY: return unary(p, e, hint);
    case FV_AST_BINARY: return binary(p, e, hint);
    case FV_AST_INT:
    case FV_AST_FLOAT: break; /* literals were handled above */
    case FV_AST_STRING:
    case FV_AST_GROUP:
    case FV_AST_VALUE:
    case FV_AST_NAMED:
    case FV_AST_REDUCE:
    case FV_AST_LIST:
    case FV_AST_LANES: break;
    }
    return fail(p, e, "this has no meaning in a kernel");
}

fv_expr *fv_kx_parse(fv_kparser *p, fv_elem want) {
    fv_ast *e = fv_ast_parse(&p->l);
    if (!e)
        return NULL;
    fv_expr *x = fv_kx_build(p, e, want);
    if (x && want && x->type.elem != want) {
        fv_kx_error(p, e, "expected %s, found %s", fv_elem_name(want), type_name(p, x->type));
        return NULL;
    }
    return x;
}
