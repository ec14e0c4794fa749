/* types.c - expressions that a target has no instruction for: elementary functions, rounding,
 * square roots, sums of products, conversions of storage types. They become calls of functions
 * written in the kernel notation (backend/math), inlined as lets before the statement. A fused
 * multiply-add becomes a product and a sum; packed integers are converted by shifts and masks. */
#include "backend/expand/types.h"

#include <math.h>
#include <string.h>

#include "backend/expand/quanta.h"
#include "backend/expand/quotient.h"
#include "backend/math/math.h"
#include "ir/base/diag.h"
#include "ir/expr/instruction.h"
#include "ir/expr/rewrite.h"
#include "ir/kernel/matrix.h"

/* to(f32(x) / divisor), where x is of type `from`; whether it equals to(f32(x) * factor). */
typedef struct quotient {
    fv_elem from, to;
    double divisor, factor;
    bool is_product;
} quotient;

typedef struct typer {
    fv_arena *a;
    fv_session *s;
    const fv_target *t;
    fv_kbuilder b;
    fv_x_rewriter expand; /* rewrites the expressions of one statement */
    fv_ptrmap funcs;      /* fv_kfunc -> the function without operations that the target lacks */
    quotient last;        /* the one that was examined last */
    bool failed;
} typer;

static fv_expr *expand(typer *z, const fv_expr *x) {
    return fv_x_rewrite(&z->expand, x);
}

static void expand_block(typer *z, const fv_block *in, fv_block *out);
static void expand_stmt(typer *z, const fv_stmt *s);

/* ---- calls ---- */

static const fv_kfunc *expand_func(typer *z, const fv_kfunc *f) {
    fv_kfunc *done = fv_ptrmap_get(&z->funcs, f);
    if (done)
        return done;
    done = FV_NEW(z->a, fv_kfunc, 1);
    *done = *f;
    done->body = (fv_block){0};
    fv_kbuilder around = z->b;
    fv_ptrmap memo = z->expand.memo;
    expand_block(z, &f->body, &done->body);
    fv_kb_init(&z->b, z->a, NULL, &done->body);
    z->expand.memo = fv_ptrmap_in(z->a);
    done->result = expand(z, f->result);
    z->b = around;
    z->expand.memo = memo;
    *fv_ptrmap_at(&z->funcs, f) = done;
    return done;
}

static fv_expr *inlined(typer *z, const fv_kfunc *f, const char *name, fv_expr *const *args) {
    if (f)
        return fv_kfunc_inline(&z->b, expand_func(z, f), args);
    if (!z->failed)
        fv_error(z->s, "no function '%s' in backend/math", name);
    z->failed = true;
    return args[0];
}

/* The function that computes `name` by products with powers of two (SCALEB); NULL: the target has
 * no instruction for these, or the function is computed otherwise. */
static const fv_kfunc *by_powers(typer *z, const char *name, fv_elem e) {
    return fv_instruction_has(z->t, FV_X_SCALEB, e, e)
               ? fv_math_find(z->s, fv_printf(z->a, "%s_scaleb", name), e)
               : NULL;
}

static fv_expr *call_math(typer *z, fv_expr_op op, fv_expr *const *args) {
    const char *name = fv_expr_op_text(op);
    const fv_elem e = (fv_elem)args[0]->type.elem;
    const fv_kfunc *f = by_powers(z, name, e);
    return inlined(z, f ? f : fv_math_find(z->s, name, e), name, args);
}

/* A call of the function that has the name of the operation. */
static fv_expr *call_named(typer *z, fv_expr_op op, fv_expr *const *args) {
    const char *name = fv_expr_op_text(op);
    return inlined(z, fv_exact_find(z->s, name), name, args);
}

static fv_expr *call_exact(typer *z, const char *name, fv_expr *x) {
    return inlined(z, fv_exact_find(z->s, name), name, &x);
}

/* ---- quotients ---- */

static bool is_half(fv_elem e) {
    return e == FV_F16 || e == FV_BF16;
}

/* The product that equals x, a quotient by a constant that is rounded to f16 or bf16; NULL: x is
 * something else, or there is none. A product takes a sixth of the time of a quotient. */
static fv_expr *as_product(typer *z, const fv_expr *x) {
    const fv_expr *of = x->op == FV_X_CONVERT && is_half((fv_elem)x->type.elem) ? x->arg[0] : NULL;
    if (!of || of->op != FV_X_DIV || of->type.elem != FV_F32 || of->arg[1]->op != FV_X_CONST ||
        of->arg[0]->op != FV_X_CONVERT || !is_half((fv_elem)of->arg[0]->arg[0]->type.elem))
        return NULL;
    const fv_elem from = (fv_elem)of->arg[0]->arg[0]->type.elem, to = (fv_elem)x->type.elem;
    quotient *q = &z->last;
    if (q->from != from || q->to != to || q->divisor != of->arg[1]->u.f) {
        *q = (quotient){.from = from, .to = to, .divisor = of->arg[1]->u.f};
        q->is_product = fv_quotient_is_product(from, to, q->divisor, &q->factor);
    }
    if (!q->is_product)
        return NULL;
    return fv_x_convert(z->a, to,
                        fv_x_bin(z->a, FV_X_MUL, of->arg[0], fv_x_const(z->a, FV_F32, q->factor)));
}

/* ---- storage types ---- */

static fv_expr *bits_of(typer *z, fv_expr *x) {
    return fv_x_cast(z->a, FV_X_BITCAST, fv_elem_bits_elem((fv_elem)x->type.elem), x);
}

/* Converts a value of a storage type to the type in which arithmetic on it is done. */
static fv_expr *from_storage(typer *z, fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem;
    if (!fv_elem_is_storage(e))
        return x;
    if (fv_instruction_has(z->t, FV_X_CONVERT, e, FV_F32))
        return fv_x_convert(z->a, FV_F32, x);
    fv_expr *bits = bits_of(z, x);
    if (fv_elem_is_float(e))
        return call_exact(z, fv_printf(z->a, "f32_from_%s", fv_elem_name(e)), bits);
    int unused = 8 - fv_elem_bits(e);
    if (!fv_elem_is_signed(e)) {
        fv_expr *mask = fv_x_const_int(z->a, FV_U8, 0xff >> unused);
        return fv_x_bin(z->a, FV_X_AND, bits, mask);
    }
    /* shift left until the sign is the top bit, and back */
    fv_expr *count = fv_x_const_int(z->a, FV_I8, unused);
    fv_expr *up = fv_x_bin(z->a, FV_X_SHL, fv_x_cast(z->a, FV_X_BITCAST, FV_I8, bits), count);
    return fv_x_bin(z->a, FV_X_SHR, up, count);
}

/* Converts x to an f32 that rounds to a narrower float exactly as x does. Integers are first
 * rounded to f32. */
static fv_expr *before_narrowing(typer *z, fv_expr *x) {
    if (x->type.elem == FV_F64)
        return call_exact(z, "odd_f64", x);
    return fv_x_convert(z->a, FV_F32, x);
}

static fv_expr *to_storage(typer *z, fv_elem e, fv_expr_op op, fv_expr *x) {
    fv_expr *bits;
    if (op == FV_X_CONVERT && fv_instruction_has(z->t, op, FV_F32, e))
        return fv_x_convert(z->a, e, before_narrowing(z, x));
    if (fv_elem_is_float(e)) {
        const char *how = op == FV_X_CONVSAT ? "sat" : "from";
        const char *name = fv_printf(z->a, "%s_%s_f32", fv_elem_name(e), how);
        bits = call_exact(z, name, before_narrowing(z, x));
    } else { /* integers keep their low bits; floats are first converted to i32 */
        if (fv_elem_is_float((fv_elem)x->type.elem))
            x = fv_x_convert(z->a, FV_I32, x);
        fv_expr *mask = fv_x_const_int(z->a, FV_U8, (1 << fv_elem_bits(e)) - 1);
        bits = fv_x_bin(z->a, FV_X_AND, fv_x_convert(z->a, FV_U8, x), mask);
    }
    return fv_x_cast(z->a, FV_X_BITCAST, e, bits);
}

/* f32(bf16(x)) => a function that keeps the rounded number as f32; NULL: the operand, which may be
 * unexpanded, is something else, or the target has an instruction. */
static fv_expr *round_to_bf16(fv_x_rewriter *r, const fv_expr *x) {
    typer *z = r->user;
    const fv_expr *narrow = x->op == FV_X_CONVERT && x->type.elem == FV_F32 ? x->arg[0] : NULL;
    bool is = narrow && narrow->op == FV_X_CONVERT && narrow->type.elem == FV_BF16 &&
              !fv_instruction_has(z->t, FV_X_CONVERT, FV_F32, FV_BF16);
    if (!is)
        return NULL;
    const fv_expr *product = as_product(z, narrow);
    narrow = product ? product : narrow;
    fv_expr *wide = from_storage(z, expand(z, narrow->arg[0]));
    return call_exact(z, "f32_in_bf16", before_narrowing(z, wide));
}

static fv_expr *convert(typer *z, fv_expr_op op, fv_elem to, fv_expr *x) {
    if (!fv_elem_is_storage(to))
        return fv_x_convert(z->a, to, from_storage(z, x));
    return to_storage(z, to, op, from_storage(z, x));
}

/* ---- rounding to integers ---- */

/* Is x an integer between `least` and `most`, as a constant of f32? */
static bool is_integer_between(const fv_expr *x, double least, double most) {
    return x->op == FV_X_CONST && x->u.f >= least && x->u.f <= most && x->u.f == rint(x->u.f);
}

/* The constant operand of a minimum or maximum of f32, which is an integer in that range; *other:
 * the other operand. NULL: there is none. */
static const fv_expr *integer_bound(const fv_expr *x, double least, double most,
                                    const fv_expr **other) {
    for (int i = 0; i < 2; i++)
        if (is_integer_between(x->arg[i], least, most)) {
            *other = x->arg[1 - i];
            return x->arg[i];
        }
    return NULL;
}

/* i32(max(min(rint(x), 255), 0)) => max(min(i32(rint(x)), 255), 0), where the target has an
 * instruction for i32(rint(x)): a conversion saturates, and so changes the order of no two numbers.
 * NaN becomes 0, which must be between the bounds. NULL: x is something else. */
static fv_expr *round_to_integer(fv_x_rewriter *r, const fv_expr *x) {
    typer *z = r->user;
    const fv_expr *inside = x->arg[0], *bound;
    if (inside->op == FV_X_RINT) {
        fv_expr *rounded = fv_x_un(z->a, FV_X_RINT, expand(z, inside->arg[0]));
        return fv_x_convert(z->a, FV_I32, rounded);
    }
    bool is_max = inside->op == FV_X_MAX;
    if (!is_max && inside->op != FV_X_MIN)
        return NULL;
    const double most = 1 << 24;
    bound = integer_bound(inside, is_max ? -most : 0, is_max ? 0 : most, &inside);
    if (!bound)
        return NULL;
    fv_expr *rest = round_to_integer(r, fv_x_convert(z->a, FV_I32, (fv_expr *)inside));
    return rest ? fv_x_bin(z->a, is_max ? FV_X_MAX : FV_X_MIN, rest,
                           fv_x_const_int(z->a, FV_I32, (int64_t)bound->u.f))
                : NULL;
}

/* ---- quantization ---- */

/* The integers of a quotient by a constant scale without a division; NULL: x is something else. */
static fv_expr *quantized(typer *z, const fv_expr *x) {
    fv_quanta q;
    if (!fv_quanta_pay(z->t) || !fv_quanta_of(x, &q))
        return NULL;
    fv_expr *v = fv_kb_let(&z->b, "limited", fv_quanta_limited(z->a, &q, expand(z, q.of)));
    fv_expr *low = q.low == 0 ? NULL : fv_x_const(z->a, FV_F32, q.low);
    return expand(z, fv_quanta_rounded(z->a, v, fv_x_const(z->a, FV_F32, q.high), low));
}

static fv_expr *expand_whole(fv_x_rewriter *r, fv_expr *x) {
    typer *z = r->user;
    fv_expr *product = as_product(z, x);
    if (product)
        return expand(z, product);
    fv_expr *integer = quantized(z, x);
    if (integer)
        return integer;
    bool is = z->t->single.nearest && x->op == FV_X_CONVERT && x->type.elem == FV_I32 &&
              x->type.lanes == 1 && x->arg[0]->type.elem == FV_F32;
    return is ? round_to_integer(r, x) : round_to_bf16(r, x);
}

/* ---- expressions ---- */

static bool has_fma(const fv_target *t, fv_elem e) {
    return e == FV_F32 ? t->single.fma32 : t->single.fma64;
}
static bool has_sqrt(const fv_target *t, fv_elem e) {
    return e == FV_F32 ? t->single.sqrt32 : t->single.sqrt64;
}

/* The word of bytes first to first + 3 of the load x. */
static fv_expr *word_of(typer *z, const fv_expr *x, int first) {
    fv_expr *at[FV_STMT_EXPRS];
    const int last = x->u.buf->rank - 1;
    memcpy(at, x->arg, (size_t)x->u.buf->rank * sizeof *at);
    at[last] = fv_x_bin(z->a, FV_X_ADD, at[last], fv_x_int(z->a, first));
    return fv_x_cast(z->a, FV_X_BITCAST, FV_I32, fv_x_load_n(z->a, x->u.buf, at, 4));
}

/* A sum of products of 16 bytes as sums of products of words. */
static fv_expr *by_words(typer *z, fv_expr_op op, fv_expr **args) {
    const fv_expr_op words = op == FV_X_DOT16_I8_I8 ? FV_X_DOT_I8_I8 : FV_X_DOT_U8_U8;
    const bool there = fv_instruction_has(z->t, words, FV_I32, FV_I32);
    fv_expr *sum = args[2];
    for (int i = 0; i < FV_DOT16; i += 4) {
        fv_expr *word[] = {word_of(z, args[0], i), word_of(z, args[1], i), sum};
        sum = there ? fv_x_dot(z->a, words, word[0], word[1], sum) : call_named(z, words, word);
    }
    return sum;
}

static fv_expr *expand_op(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    typer *z = r->user;
    fv_elem e = (fv_elem)x->type.elem;
    fv_expr_op op = (fv_expr_op)x->op;
    if (fv_expr_op_is_math(op))
        return call_math(z, op, args);
    switch (op) {
    case FV_X_FMA:
        if (has_fma(z->t, e))
            break;
        return fv_x_bin(z->a, FV_X_ADD, fv_x_bin(z->a, FV_X_MUL, args[0], args[1]), args[2]);
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT:
    case FV_X_SQRT: {
        bool there = op == FV_X_SQRT ? has_sqrt(z->t, e) : z->t->single.round;
        if (there)
            break;
        const char *name = fv_printf(z->a, "%s_%s", fv_expr_op_text(op), fv_elem_name(e));
        return call_exact(z, name, args[0]);
    }
    case FV_X_CONVERT:
    case FV_X_CONVSAT: return convert(z, op, e, args[0]);
#include "ir/expr/cases_of_words.def"
    case FV_X_SCALEB:
        if (fv_instruction_has(z->t, op, e, e))
            break;
        return call_named(z, op, args);
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8:
        if (fv_instruction_has(z->t, op, fv_dot16_elem(op), FV_I32))
            break;
        return by_words(z, op, args);
    default: break;
    }
    return NULL;
}

/* ---- statements ---- */

/* Does the expanded condition of a loop need lets? They would be evaluated only once. */
static bool needs_lets(typer *z, fv_expr *x) {
    fv_kbuilder around = z->b;
    fv_block scratch = {0};
    fv_kb_init(&z->b, z->a, NULL, &scratch);
    z->expand.memo = fv_ptrmap_in(z->a);
    expand(z, x);
    z->b = around;
    z->expand.memo = fv_ptrmap_in(z->a);
    return scratch.first != NULL;
}

/* while c { body }  =>  tile go = c;  while go { body; go = c } */
static void expand_while(typer *z, const fv_stmt *s) {
    if (!needs_lets(z, s->x)) {
        fv_stmt *copy = fv_kb_add(&z->b, FV_S_WHILE);
        copy->x = expand(z, s->x);
        expand_block(z, &s->body, &copy->body);
        return;
    }
    fv_buf *go = fv_kb_tile(&z->b, "go", FV_BOOL, 0, NULL, NULL);
    fv_kb_store(&z->b, go, NULL, expand(z, s->x), NULL);
    fv_stmt *copy = fv_kb_add(&z->b, FV_S_WHILE);
    copy->x = fv_x_load(z->a, go, NULL);
    fv_kbuilder around = z->b;
    expand_block(z, &s->body, &copy->body);
    fv_kb_init(&z->b, z->a, NULL, &copy->body);
    z->expand.memo = fv_ptrmap_in(z->a);
    fv_kb_store(&z->b, go, NULL, expand(z, s->x), NULL);
    z->b = around;
}

/* Leaves a matrix as it is if the target has an instruction for it, and nothing in it needs
 * expansion; otherwise its loops become part of the kernel. */
static void expand_matrix(typer *z, const fv_stmt *s) {
    fv_matrix m;
    const char *wrong = fv_matrix_read(s, &m);
    if (wrong || !fv_matrix_find(z->t, m.op, m.operand) || !fv_matrix_is_plain(z->a, &m)) {
        for (const fv_stmt *in = s->body.first; in; in = in->next)
            expand_stmt(z, in);
        return;
    }
    fv_stmt *made = fv_kb_add(&z->b, FV_S_MATRIX);
    made->body = s->body;
}

/* Expands a statement; its expressions first, whose lets precede the statement. */
static void expand_stmt(typer *z, const fv_stmt *s) {
    z->expand.memo = fv_ptrmap_in(z->a);
    if (s->kind == FV_S_WHILE) {
        expand_while(z, s);
        return;
    }
    if (s->kind == FV_S_MATRIX) {
        expand_matrix(z, s);
        return;
    }
    fv_stmt copy = *s;
    copy.next = NULL;
    copy.body = copy.other = (fv_block){0};
    if (s->x)
        copy.x = expand(z, s->x);
    if (s->mask)
        copy.mask = expand(z, s->mask);
    if (s->loop.lo) {
        copy.loop.lo = expand(z, s->loop.lo);
        copy.loop.hi = expand(z, s->loop.hi);
    }
    if (s->kind == FV_S_STORE || s->kind == FV_S_PREFETCH) {
        copy.index = FV_NEW(z->a, fv_expr *, s->buf->rank + 1);
        for (int i = 0; i < s->buf->rank; i++)
            copy.index[i] = expand(z, s->index[i]);
    }
    fv_stmt *made = fv_kb_add(&z->b, s->kind);
    *made = copy;
    expand_block(z, &s->body, &made->body);
    expand_block(z, &s->other, &made->other);
}

static void expand_block(typer *z, const fv_block *in, fv_block *out) {
    fv_kbuilder around = z->b;
    fv_kb_init(&z->b, z->a, NULL, out);
    for (const fv_stmt *s = in->first; s; s = s->next)
        expand_stmt(z, s);
    z->b = around;
}

bool fv_expand_types(fv_arena *a, const fv_target *t, const fv_block *in, fv_block *out) {
    typer z = {.a = a, .s = fv_arena_session(a), .t = t, .funcs = fv_ptrmap_in(a)};
    z.expand = (fv_x_rewriter){.arena = a, .before = expand_whole, .after = expand_op, .user = &z};
    expand_block(&z, in, out);
    return !z.failed;
}
