/* eval.c - see eval.h. It computes integers in 128 bits and truncates them, and converts through
 * long double: slow, and different from the code that it checks. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/math/math.h"
#include "ir/base/ptrmap.h"
#include "tests/consumers/eval.h"
#include "tests/consumers/storage.h"

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

typedef struct memory {
    unsigned char *data;
    int64_t extent[FV_STMT_EXPRS];
} memory;

typedef struct evaluator {
    const eval_options *options;
    fv_arena *arena;
    const fv_kernel *kernel;
    fv_ptrmap vars; /* variable -> scalar */
    fv_ptrmap bufs; /* buffer -> memory */
    bool required, outside;
} evaluator;

static scalar eval(evaluator *v, const fv_expr *x);

static scalar of_int(int64_t i) {
    return (scalar){i, 0};
}
static scalar of_float(double f) {
    return (scalar){0, f};
}

static bool is_f32(fv_elem e) {
    return e == FV_F32;
}
static bool is_float(fv_elem e) {
    return e == FV_F32 || e == FV_F64;
}

/* ---- integers ---- */

static int width(fv_elem e) {
    return e == FV_BOOL ? 1 : fv_elem_bits(e);
}

/* The value as an integer: u64 is kept by its bits. */
static wide_int whole(fv_elem e, scalar x) {
    return e == FV_U64 ? (wide_int)(uint64_t)x.i : (wide_int)x.i;
}

static scalar wrapped(fv_elem e, wide_int x) {
    int n = width(e);
    uint64_t bits = (uint64_t)x;
    if (n < 64)
        bits &= (UINT64_C(1) << n) - 1;
    if (fv_elem_is_signed(e) && n < 64 && (bits >> (n - 1) & 1))
        bits |= ~UINT64_C(0) << n;
    return of_int((int64_t)bits);
}

static wide_int floor_divide(wide_int x, wide_int y) {
    wide_int q = x / y;
    return q * y != x && (x < 0) != (y < 0) ? q - 1 : q;
}

static wide_int saturated(wide_int x) {
    return x > INT64_MAX ? INT64_MAX : x;
}

/* The sum of products of the parts of two words, which have those types. */
static wide_int products(fv_elem e, fv_elem of, wide_int x, wide_int y) {
    wide_int sum = 0;
    for (int i = 0; i < 32; i += width(e))
        sum += (wide_int)wrapped(e, x >> i).i * wrapped(of, y >> i).i;
    return sum;
}

static wide_int pairs_saturated(wide_int x, wide_int y) {
    wide_int sum = 0;
    for (int i = 0; i < 32; i += 16) {
        wide_int two = (wide_int)wrapped(FV_U8, x >> i).i * wrapped(FV_I8, y >> i).i +
                       (wide_int)wrapped(FV_U8, x >> (i + 8)).i * wrapped(FV_I8, y >> (i + 8)).i;
        sum += two < INT16_MIN ? INT16_MIN : two > INT16_MAX ? INT16_MAX : two;
    }
    return sum;
}

static scalar int_op(const fv_expr *node, fv_elem e, const scalar *s) {
    scalar sx = s[0], sy = s[1];
    wide_int x = whole(e, sx), y = whole(e, sy);
    int n = width(e), count = (int)((uint64_t)sy.i % (uint64_t)n);
    uint64_t bits = (uint64_t)sx.i & (n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0));
    switch ((fv_expr_op)node->op) {
    case FV_X_ADD: return wrapped(e, x + y);
    case FV_X_SUB: return wrapped(e, x - y);
    case FV_X_MUL: return wrapped(e, (wide_int)((uint64_t)x * (uint64_t)y));
    case FV_X_DIV: return wrapped(e, y ? x / y : 0);
    case FV_X_REM: return wrapped(e, y ? x % y : 0);
    case FV_X_FLOORDIV: return wrapped(e, y ? floor_divide(x, y) : 0);
    case FV_X_FLOORMOD: return wrapped(e, y ? x - y * floor_divide(x, y) : 0);
    case FV_X_MIN: return x < y ? sx : sy;
    case FV_X_MAX: return x > y ? sx : sy;
    case FV_X_NEG: return wrapped(e, -x);
    case FV_X_ABS: return wrapped(e, x < 0 ? -x : x);
    case FV_X_AND: return of_int(sx.i & sy.i);
    case FV_X_OR: return of_int(sx.i | sy.i);
    case FV_X_XOR: return of_int(sx.i ^ sy.i);
    case FV_X_NOT: return e == FV_BOOL ? of_int(!sx.i) : wrapped(e, ~x);
    case FV_X_SHL: return wrapped(e, (wide_int)(bits << count));
    case FV_X_SHR: return wrapped(e, x >> count); /* of negative ones: arithmetic */
    case FV_X_DOT_U8_I8: return wrapped(e, products(FV_U8, FV_I8, x, y) + s[2].i);
    case FV_X_DOT_I8_I8: return wrapped(e, products(FV_I8, FV_I8, x, y) + s[2].i);
    case FV_X_DOT_U8_U8: return wrapped(e, products(FV_U8, FV_U8, x, y) + s[2].i);
    case FV_X_DOT_U8_I8_SAT: return wrapped(e, pairs_saturated(x, y) + s[2].i);
    case FV_X_DOT_I16_I16: return wrapped(e, products(FV_I16, FV_I16, x, y) + s[2].i);
    case FV_X_DOT_I16_I8_EVEN: return wrapped(e, products(FV_I16, FV_I8, x, y) + s[2].i);
    case FV_X_DOT_I16_I8_ODD: return wrapped(e, products(FV_I16, FV_I8, x, y >> 8) + s[2].i);
    case FV_X_MULHI: return wrapped(e, (wide_int)((wide_uint)x * (uint64_t)y >> n));
    case FV_X_ADDSAT: return of_int((int64_t)saturated(x + y));
    case FV_X_MULSAT: return of_int((int64_t)saturated(x * y));
    case FV_X_LT: return of_int(x < y);
    case FV_X_LE: return of_int(x <= y);
    case FV_X_EQ: return of_int(x == y);
    case FV_X_NE: return of_int(x != y);
    default: break;
    }
    fprintf(stderr, "eval: '%s' of integers\n", fv_expr_op_text((fv_expr_op)node->op));
    abort();
}

/* ---- floats ---- */

static double minimum(double x, double y) {
    if (isnan(x) || isnan(y))
        return NAN;
    if (x == 0 && y == 0)
        return signbit(x) || signbit(y) ? -0.0 : 0.0;
    return x < y ? x : y;
}

static double round_to(fv_elem e, double x) {
    return is_f32(e) ? (double)(float)x : x;
}

/* Of two f32, the sum, product, quotient and root in f64, rounded to f32, are those of f32: 53 bits
 * are more than twice 24 and 2 (Figueroa: When is double rounding innocuous?). */
static scalar float_op(const evaluator *v, const fv_expr *node, fv_elem e, const scalar *s) {
    double x = s[0].f, y = s[1].f;
    bool fused = is_f32(e) ? v->options->fma32 : v->options->fma64;
    switch ((fv_expr_op)node->op) {
    case FV_X_ADD: return of_float(round_to(e, x + y));
    case FV_X_SUB: return of_float(round_to(e, x - y));
    case FV_X_MUL: return of_float(round_to(e, x * y));
    case FV_X_DIV: return of_float(round_to(e, x / y));
    case FV_X_SQRT: return of_float(round_to(e, sqrt(x)));
    case FV_X_FMA:
        if (!fused)
            return of_float(round_to(e, round_to(e, x * y) + s[2].f));
        return of_float(is_f32(e) ? fmaf((float)x, (float)y, (float)s[2].f) : fma(x, y, s[2].f));
    case FV_X_MIN: return of_float(minimum(x, y));
    case FV_X_MAX: return of_float(-minimum(-x, -y));
    case FV_X_NEG: return of_float(-x);
    case FV_X_ABS: return of_float(fabs(x));
    case FV_X_FLOOR: return of_float(floor(x));
    case FV_X_CEIL: return of_float(ceil(x));
    case FV_X_TRUNC: return of_float(trunc(x));
    case FV_X_RINT: return of_float(rint(x));
    case FV_X_FREM: return of_float(fmod(x, y));
    case FV_X_LT: return of_int(x < y);
    case FV_X_LE: return of_int(x <= y);
    case FV_X_EQ: return of_int(x == y);
    case FV_X_NE: return of_int(x != y);
    default: break;
    }
    fprintf(stderr, "eval: '%s' of floats\n", fv_expr_op_text((fv_expr_op)node->op));
    abort();
}

/* ---- conversions ---- */

static uint32_t code_of(fv_elem e, int64_t bits) {
    return (uint32_t)bits & (uint32_t)((UINT64_C(1) << fv_elem_bits(e)) - 1);
}

static bool is_packed_int(fv_elem e) {
    return fv_elem_is_packed(e) && fv_elem_is_int(e);
}

/* Any value as long double, which holds i64, u64 and f64. */
static long double number(fv_elem e, scalar x) {
    if (is_narrow(e))
        return widen(e, code_of(e, x.i));
    if (is_float(e))
        return x.f;
    return (long double)whole(e, is_packed_int(e) ? wrapped(e, x.i) : x);
}

static scalar to_int(fv_elem from, fv_elem to, scalar x) {
    if (!is_float(from) && !is_narrow(from)) {
        wide_int i = whole(from, is_packed_int(from) ? wrapped(from, x.i) : x);
        scalar r = wrapped(to, i);
        return is_packed_int(to) ? of_int(code_of(to, r.i)) : r;
    }
    long double value = truncl(number(from, x));
    int n = width(to);
    long double lo = fv_elem_is_signed(to) ? -ldexpl(1, n - 1) : 0;
    long double hi = ldexpl(1, fv_elem_is_signed(to) ? n - 1 : n) - 1;
    wide_int i = isnan(value) ? 0
                 : value < lo ? (wide_int)lo
                 : value > hi ? (wide_int)hi
                              : (wide_int)value;
    scalar r = wrapped(to, i);
    return is_packed_int(to) ? of_int(code_of(to, r.i)) : r;
}

/* Integers are rounded to f32 on the way. */
static scalar to_narrow(fv_elem from, fv_elem to, scalar x, bool saturate) {
    if (is_float(from) || is_narrow(from))
        return of_int(narrow(to, (double)number(from, x), saturate));
    return of_int(narrow(to, (double)(float)number(from, x), saturate));
}

static scalar converted(fv_elem from, fv_elem to, scalar x, bool saturate) {
    if (from == to)
        return x;
    if (to == FV_BOOL)
        return of_int(number(from, x) != 0);
    if (is_narrow(to))
        return to_narrow(from, to, x, saturate);
    if (to == FV_F32) /* rounded once, since a long double represents all these numbers */
        return of_float((float)number(from, x));
    if (to == FV_F64)
        return of_float((double)number(from, x));
    return to_int(from, to, x);
}

/* ---- bits ---- */

static scalar from_memory(fv_elem e, const unsigned char *p) {
    uint64_t bits = 0;
    float f32;
    double f64;
    switch (fv_elem_storage_bytes(e)) { /* little endian hosts */
    case 1: bits = *p; break;
    case 2: memcpy(&bits, p, 2); break;
    case 4: memcpy(&bits, p, 4); break;
    default: memcpy(&bits, p, 8); break;
    }
    if (e == FV_F32) {
        memcpy(&f32, p, 4);
        return of_float(f32);
    }
    if (e == FV_F64) {
        memcpy(&f64, p, 8);
        return of_float(f64);
    }
    if (e == FV_BOOL)
        return of_int(bits != 0);
    return fv_elem_is_storage(e) ? of_int((int64_t)bits) : wrapped(e, (wide_int)bits);
}

static void to_memory(fv_elem e, scalar x, unsigned char *p) {
    float f32 = (float)x.f;
    if (e == FV_F32)
        memcpy(p, &f32, 4);
    else if (e == FV_F64)
        memcpy(p, &x.f, 8);
    else
        memcpy(p, &x.i, (size_t)fv_elem_storage_bytes(e));
}

static scalar bitcast(fv_elem from, fv_elem to, scalar x) {
    unsigned char bytes[8] = {0};
    to_memory(from, x, bytes);
    return from_memory(to, bytes);
}

/* ---- memory ---- */

static unsigned char *element(evaluator *v, const fv_buf *b, fv_expr *const *index) {
    memory *m = fv_ptrmap_get(&v->bufs, b);
    int64_t at = 0;
    for (int i = 0; i < b->rank; i++) {
        int64_t x = eval(v, index[i]).i;
        if (x < 0 || x >= m->extent[i]) {
            if (!v->outside)
                fprintf(stderr, "eval: %s: index %d of %s is %" PRId64 " of %" PRId64 "\n",
                        v->kernel->name, i, b->name, x, m->extent[i]);
            v->outside = true;
            return NULL;
        }
        at = at * m->extent[i] + x;
    }
    return m->data + at * fv_elem_storage_bytes(b->elem);
}

static scalar load(evaluator *v, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    if (x->op == FV_X_GUARD && !eval(v, x->arg[b->rank]).i)
        return eval(v, x->arg[b->rank + 1]);
    const unsigned char *p = element(v, b, x->arg);
    return p ? from_memory(b->elem, p) : of_int(0);
}

/* The bits of the elements of 8 bits that x loads together, the first one in the low bits. */
static uint64_t together(evaluator *v, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    const unsigned char *p = element(v, b, x->arg);
    const memory *m = fv_ptrmap_get(&v->bufs, b);
    uint64_t bits = 0;
    v->outside |= p && eval(v, x->arg[b->rank - 1]).i + x->type.lanes > m->extent[b->rank - 1];
    for (int i = x->type.lanes - 1; p && !v->outside && i >= 0; i--)
        bits = bits << 8 | p[i];
    return bits;
}

/* c plus the products of the 16 bytes that the first two arguments of x load. */
static scalar sixteen(evaluator *v, const fv_expr *x) {
    const unsigned char *p[2];
    scalar c = eval(v, x->arg[2]);
    for (int i = 0; i < 2; i++) {
        const fv_buf *b = x->arg[i]->u.buf;
        const memory *m = fv_ptrmap_get(&v->bufs, b);
        p[i] = element(v, b, x->arg[i]->arg);
        v->outside |= p[i] && eval(v, x->arg[i]->arg[b->rank - 1]).i + 16 > m->extent[b->rank - 1];
    }
    for (int k = 0; p[0] && p[1] && !v->outside && k < 16; k++)
        c.i += x->op == FV_X_DOT16_U8_U8
                   ? p[0][k] * p[1][k]
                   : (int64_t)wrapped(FV_I8, p[0][k]).i * wrapped(FV_I8, p[1][k]).i;
    return wrapped(FV_I32, c.i);
}

static memory *remember(evaluator *v, const fv_buf *b, void *data) {
    memory *m = FV_NEW(v->arena, memory, 1);
    m->data = data;
    for (int i = 0; i < b->rank; i++)
        m->extent[i] = eval(v, b->extent[i]).i;
    *fv_ptrmap_at(&v->bufs, b) = m;
    return m;
}

static void assign(evaluator *v, const fv_var *var, scalar x) {
    scalar *at = fv_ptrmap_get(&v->vars, var);
    if (!at)
        *fv_ptrmap_at(&v->vars, var) = at = FV_NEW(v->arena, scalar, 1);
    *at = x;
}

/* ---- expressions ---- */

static scalar apply(evaluator *v, const fv_kfunc *fn, const scalar *args) {
    for (int i = 0; i < fn->nparams; i++)
        assign(v, fn->params[i], args[i]);
    for (const fv_stmt *s = fn->body.first; s; s = s->next)
        assign(v, s->var, eval(v, s->x));
    return eval(v, fn->result);
}

static scalar call(evaluator *v, const fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem;
    scalar args[2] = {{0, 0}, {0, 0}};
    for (int i = 0; i < x->n && i < 2; i++)
        args[i] = eval(v, x->arg[i]);
    if (x->op == FV_X_FREM)
        return float_op(v, x, e, args);
    const fv_kfunc *fn = fv_math_find(v->options->session, fv_expr_op_text((fv_expr_op)x->op), e);
    if (!fn)
        abort();
    return apply(v, fn, args);
}

static scalar operation(evaluator *v, const fv_expr *x) {
    fv_elem e = (fv_elem)x->arg[0]->type.elem;
    scalar s[3] = {{0, 0}, {0, 0}, {0, 0}};
    for (int i = 0; i < x->n && i < 3; i++)
        s[i] = eval(v, x->arg[i]);
    return is_float(e) ? float_op(v, x, e, s) : int_op(x, e, s);
}

static scalar eval(evaluator *v, const fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem, from = x->n ? (fv_elem)x->arg[0]->type.elem : e;
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST: return is_float(e) ? of_float(x->u.f) : of_int(x->u.i);
    case FV_X_VAR: return *(scalar *)fv_ptrmap_get(&v->vars, x->u.var);
    case FV_X_LOAD:
    case FV_X_GUARD: return load(v, x);
    case FV_X_CONVERT: return converted(from, e, eval(v, x->arg[0]), false);
    case FV_X_CONVSAT: return converted(from, e, eval(v, x->arg[0]), true);
    case FV_X_BITCAST:
        if (x->arg[0]->type.lanes == 4)
            return bitcast(FV_U32, e, of_int((int64_t)together(v, x->arg[0])));
        return bitcast(from, e, eval(v, x->arg[0]));
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8: return sixteen(v, x);
    case FV_X_SELECT: {
        scalar c = eval(v, x->arg[0]), then = eval(v, x->arg[1]), other = eval(v, x->arg[2]);
        return c.i ? then : other;
    }
    case FV_X_REQUIRE: {
        scalar c = eval(v, x->arg[0]);
        v->required = v->required || !c.i;
        return c;
    }
    default: return fv_expr_op_is_math((fv_expr_op)x->op) ? call(v, x) : operation(v, x);
    }
}

/* ---- statements ---- */

static void run(evaluator *v, const fv_block *block);

static void store(evaluator *v, const fv_stmt *s) {
    scalar x = eval(v, s->x);
    if (s->mask && !eval(v, s->mask).i)
        return;
    unsigned char *p = element(v, s->buf, s->index);
    if (p)
        to_memory(s->buf->elem, x, p);
}

static void declare(evaluator *v, const fv_stmt *s) {
    int64_t n = 1;
    for (int i = 0; i < s->buf->rank; i++)
        n *= s->buf->extent[i]->u.i;
    int size = fv_elem_storage_bytes(s->buf->elem);
    memory *m = fv_ptrmap_get(&v->bufs, s->buf);
    if (!m)
        m = remember(v, s->buf, fv_alloc(v->arena, (size_t)n, (size_t)size));
    memset(m->data, 0x5a, (size_t)(n * size));
    for (int64_t i = 0; s->x && i < n; i++)
        to_memory(s->buf->elem, eval(v, s->x), m->data + i * size);
}

static void loop(evaluator *v, const fv_stmt *s) {
    int64_t lo = eval(v, s->loop.lo).i, hi = eval(v, s->loop.hi).i;
    for (int64_t i = lo; i < hi && !v->outside; i += s->loop.step) {
        assign(v, s->var, of_int(i));
        run(v, &s->body);
    }
}

static void transpose(evaluator *v, const fv_buf *tile) {
    const memory *m = fv_ptrmap_get(&v->bufs, tile);
    int64_t n = m->extent[0];
    int size = fv_elem_storage_bytes(tile->elem);
    unsigned char x[8];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            memcpy(x, m->data + (i * n + j) * size, (size_t)size);
            memcpy(m->data + (i * n + j) * size, m->data + (j * n + i) * size, (size_t)size);
            memcpy(m->data + (j * n + i) * size, x, (size_t)size);
        }
}

static void run(evaluator *v, const fv_block *block) {
    for (const fv_stmt *s = block->first; s && !v->outside; s = s->next)
        switch (s->kind) {
        case FV_S_LET: assign(v, s->var, eval(v, s->x)); break;
        case FV_S_STORE: store(v, s); break;
        case FV_S_TILE: declare(v, s); break;
        case FV_S_TRANSPOSE: transpose(v, s->buf); break;
        case FV_S_FOR: loop(v, s); break;
        case FV_S_IF: run(v, eval(v, s->x).i ? &s->body : &s->other); break;
        case FV_S_WHILE:
            while (eval(v, s->x).i && !v->outside)
                run(v, &s->body);
            break;
        case FV_S_OUTLINE:
        case FV_S_MATRIX: run(v, &s->body); break;
        case FV_S_PREFETCH:
        case FV_S_COMMENT: break;
        case FV_S_CALL:
        case FV_S_READ:
        case FV_S_PLAN:
        case FV_S_MEMORY:
        case FV_S_CHECK:
        case FV_S_LAUNCH:
        case FV_S_ALLOC:
        case FV_S_FREE:
        case FV_S_SETDIM: abort();
        }
}

int eval_kernel(const eval_options *o, const fv_kernel *k, const int64_t *dims,
                const fv_span *bufs) {
    fv_arena *a = fv_arena_new(o->session);
    evaluator v = {
        .options = o, .arena = a, .kernel = k, .vars = fv_ptrmap_in(a), .bufs = fv_ptrmap_in(a)};
    for (int i = 0; i < k->ndims; i++)
        assign(&v, k->dims[i], of_int(dims[i]));
    for (int i = 0; i < k->nbufs; i++)
        remember(&v, k->bufs[i], bufs[i].data);
    run(&v, &k->body);
    fv_arena_free(a);
    return v.outside ? FV_INTERNAL : v.required ? FV_BAD_INDEX : FV_OK;
}

scalar eval_function(const eval_options *o, const fv_kfunc *fn, const scalar *args) {
    fv_arena *a = fv_arena_new(o->session);
    evaluator v = {.options = o, .arena = a, .vars = fv_ptrmap_in(a), .bufs = fv_ptrmap_in(a)};
    scalar r = apply(&v, fn, args);
    fv_arena_free(a);
    return r;
}
