/* share.c - makes one kernel of several equal ones. Kernels that differ only in literals become one
 * kernel, too, which reads the literals from a parameter.
 *
 * Constants of one element became literals when definitions were substituted (group.c). So layers
 * that differ in a scale, for example, have kernels with equal loops, each of which would cost
 * compile time. Of kernels that are equal except for literals, one stays. The literals that differ
 * become elements of a constant that each launch passes; the kernel reads them once, before its
 * loops:
 *
 *   kernel Mul_0(x: f32[n], out y: f32[n], literals: f32[1]; n) {
 *     let literal = literals[0]
 *     vector i < n {
 *       y[i] = x[i] * literal
 *
 * A literal that is the same in all these kernels stays a literal. A kernel that equals no other
 * stays unchanged. Results do not change: nothing folds floats, and consumers compute the same bits
 * with a variable as with a literal. A quotient that is rounded to integers is first replaced by an
 * fma (quanta.h), since a division by a variable would stay one. Literals in indices, loop bounds
 * and conditions of statements are never replaced, because the verifier and the expansion can do
 * more with numbers.
 *
 * Needs: memory is planned (that may have made a kernel in-place). Leaves: the kernels of the
 * program, and the literals of the launches. */
#include "backend/share.h"

#include <math.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backend/expand/quanta.h"
#include "backend/lowering/host_dims.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/expr/unique.h"
#include "ir/kernel/build.h"
#include "ir/kernel/print.h"
#include "ir/type/tensor.h"

typedef struct member { /* one of several kernels that differ at most in literals */
    struct member *next;
    struct family *of;
    fv_kernel *kernel;
    fv_expr **literals; /* the kernel's literals, in the order in which its text has them */
    fv_buf **constants; /* constants with the literals that differ, one for each element type */
    int nconstants, cap_constants;
} member;

typedef struct family { /* a set of kernels that are equal except for literals */
    member *first, *last;
    int nliterals;
    fv_kernel *kernel;    /* the kernel that replaces all members; NULL before its first launch */
    const fv_value *made; /* a value that the first launch of `kernel` computes */
} family;

/* ---- a kernel with others in place of its literals ---- */

typedef struct literals {
    fv_arena *arena;
    fv_expr **list;
    int n, cap;
    /* for each literal, the variable or parameter that replaces it; NULL: literals are only
     * listed */
    fv_expr *const *by;
    bool shares; /* an expression of the statement is used twice, so it must become a variable */
    bool fma;    /* quotients that are rounded to integers become fmas */
} literals;

static bool is_float_literal(const fv_expr *x) {
    return x->op == FV_X_CONST && fv_elem_is_float((fv_elem)x->type.elem);
}

static bool is_power_of_two(double x) {
    int exponent;
    return frexp(x, &exponent) == 0.5;
}

/* Can min(x, c) or max(x, c) not be written as one comparison? It cannot if c is a NaN, or a zero
 * that compares equal to x but whose sign the result must have: +0 in a maximum with -0, -0 in a
 * minimum with +0. */
static bool is_no_bound(double c, bool max) {
    return isnan(c) || (c == 0 && !signbit(c) == max);
}

/* Can consumers do more with a literal here than with a variable? Integers are divided by
 * multiplying, floats too if the reciprocal is exact; a power with a known exponent folds. */
static bool is_better_known(const fv_expr *x, int arg) {
    const fv_expr *c = x->arg[arg];
    switch ((fv_expr_op)x->op) {
    case FV_X_LOAD:
    case FV_X_REQUIRE: return true;
    case FV_X_GUARD: return arg <= x->u.buf->rank;
    case FV_X_DIV:
        return arg == 1 && (is_float_literal(c) ? is_power_of_two(c->u.f)
                                                : fv_elem_is_int((fv_elem)x->type.elem));
    case FV_X_REM:
    case FV_X_FLOORDIV:
    case FV_X_FLOORMOD:
    case FV_X_SHL:
    case FV_X_SHR:
    case FV_X_POW: return arg == 1;
    case FV_X_MIN:
    case FV_X_MAX: return is_float_literal(c) && is_no_bound(c->u.f, x->op == FV_X_MAX);
    default: return false;
    }
}

static fv_expr *in_place_of(literals *z, fv_expr *x) {
    if (z->by)
        return z->by[z->n++];
    FV_PUSH(z->arena, z->list, z->n, z->cap, x);
    return fv_x_const(z->arena, (fv_elem)x->type.elem, 3);
}

/* A minimum or maximum of two variables must handle NaN and signs of zeros. With a constant bound
 * one comparison is enough, written such that NaN and equal values come from x. */
static fv_expr *clamped(literals *z, const fv_expr *x, int bound) {
    fv_expr *c = x->arg[bound], *v = x->arg[!bound];
    bool max = x->op == FV_X_MAX;
    z->shares = true;
    return fv_x_select(z->arena, fv_x_bin(z->arena, FV_X_LT, max ? v : c, max ? c : v), c, v);
}

static fv_expr *replaced(literals *z, fv_expr *x);

/* The integers of a quotient, without a division by a variable; NULL: x is something else. */
static fv_expr *quantized(literals *z, const fv_expr *x) {
    fv_quanta q;
    if (!z->fma || !fv_quanta_of(x, &q))
        return NULL;
    fv_expr *v = replaced(z, fv_quanta_limited(z->arena, &q, q.of));
    fv_expr *high = replaced(z, fv_x_const(z->arena, FV_F32, q.high));
    z->shares = true;
    return fv_quanta_rounded(z->arena, v, high, replaced(z, fv_x_const(z->arena, FV_F32, q.low)));
}

static fv_expr *replaced(literals *z, fv_expr *x) {
    if (x->type.elem == FV_I64)
        return x;
    if (x->op == FV_X_CONST)
        return x->type.elem == FV_BOOL ? x : in_place_of(z, x);
    if (x->n == 0)
        return x;
    fv_expr *integers = quantized(z, x);
    if (integers)
        return integers;
    fv_expr *args[FV_MAX_RANK + 2] = {0};
    int bound = -1;
    for (int i = 0; i < x->n; i++) {
        args[i] = is_better_known(x, i) ? x->arg[i] : replaced(z, x->arg[i]);
        if (is_float_literal(x->arg[i]) && args[i]->op == FV_X_VAR)
            bound = i;
    }
    /* fv_x_node does not simplify; a constructor would fold zeros */
    fv_expr *r = fv_x_node(z->arena, x, args);
    bool clamps = bound >= 0 && (x->op == FV_X_MIN || x->op == FV_X_MAX);
    return clamps ? clamped(z, r, bound) : r;
}

/* Copies the statements of `from` to `to`, with literals replaced; variables and buffers stay the
 * same. */
static void copy_replaced(literals *z, fv_block *to, const fv_block *from) {
    fv_kbuilder b;
    fv_kb_init(&b, z->arena, NULL, to);
    for (const fv_stmt *s = from->first; s; s = s->next) {
        fv_stmt *copy = FV_NEW(z->arena, fv_stmt, 1);
        *copy = *s;
        copy->next = NULL;
        copy->body = copy->other = (fv_block){0};
        z->shares = false;
        if (s->x && (s->kind == FV_S_LET || s->kind == FV_S_STORE || s->kind == FV_S_TILE))
            copy->x = replaced(z, s->x);
        if (z->shares)
            fv_kb_share(&b, 1, &copy->x);
        fv_block_append(to, copy);
        copy_replaced(z, &copy->body, &s->body);
        copy_replaced(z, &copy->other, &s->other);
    }
}

/* ---- which kernels are equal ---- */

typedef struct sharer {
    fv_lowerer *l;
    fv_arena *arena;    /* holds what is needed only while kernels are compared */
    fv_ptrmap members;  /* key of a kernel, and kernel -> its `member` */
    fv_ptrmap families; /* key of a kernel without literals -> its `family` */
} sharer;

/* A name for the text of the kernel: its hash of 128 bits, because the texts of all kernels would
 * take megabytes. */
static const char *key_of(sharer *z, const fv_kernel *k) {
    fv_arena *a = fv_arena_new(z->l->session);
    const char *text = fv_kernel_key(a, k);
    XXH128_hash_t h = XXH3_128bits(text, strlen(text));
    fv_arena_free(a);
    return fv_intern(z->l->session,
                     fv_printf(z->arena, "%016llx%016llx", (unsigned long long)h.high64,
                               (unsigned long long)h.low64));
}

static void join_family(sharer *z, member *m) {
    literals found = {.arena = z->arena, .fma = fv_quanta_pay(z->l->target)};
    fv_kernel bare = *m->kernel;
    bare.body = (fv_block){0};
    copy_replaced(&found, &bare.body, &m->kernel->body);
    family **at = (family **)fv_ptrmap_at(&z->families, key_of(z, &bare));
    if (!*at)
        *at = FV_NEW(z->arena, family, 1);
    family *f = *at;
    m->of = f;
    m->literals = found.list;
    *(f->first ? &f->last->next : &f->first) = m;
    f->last = m;
    f->nliterals = found.n;
}

static void find_member(sharer *z, fv_kernel *k) {
    const char *key = key_of(z, k);
    member *m = fv_ptrmap_get(&z->members, key);
    if (!m) {
        m = FV_NEW(z->arena, member, 1);
        m->kernel = k;
        *fv_ptrmap_at(&z->members, key) = m;
        join_family(z, m);
    }
    *fv_ptrmap_at(&z->members, k) = m;
}

/* ---- one kernel of a family ---- */

/* literals that all kernels of a family replace by one variable: that of one place, or those of
 * several places that are equal in each kernel */
typedef struct column {
    int place;
    fv_elem elem;
    fv_expr *x; /* the variable that replaces the literals in the shared kernel */
} column;

static bool differs(const family *f, int place) {
    for (const member *m = f->first->next; m; m = m->next)
        if (!fv_x_equal(m->literals[place], f->first->literals[place]))
            return true;
    return false;
}

static bool are_equal(const family *f, int place, int other) {
    for (const member *m = f->first; m; m = m->next)
        if (!fv_x_equal(m->literals[place], m->literals[other]))
            return false;
    return true;
}

/* Lists the columns, and returns their number. Sets of[i] to the column of literal i, or to -1 if
 * the literal is the same in all kernels. */
static int find_columns(const family *f, column *columns, int *of) {
    int n = 0;
    for (int i = 0; i < f->nliterals; i++) {
        of[i] = -1;
        if (!differs(f, i))
            continue;
        for (of[i] = 0; of[i] < n && !are_equal(f, columns[of[i]].place, i);)
            of[i]++;
        if (of[i] == n)
            columns[n++] = (column){.place = i, .elem = (fv_elem)f->first->literals[i]->type.elem};
    }
    return n;
}

/* Adds a constant to the program, and returns its buffer: the `count` literals of the member m for
 * those of the n columns that have the type e. */
static fv_buf *constant_of(sharer *z, const member *m, fv_elem e, int64_t count, int n,
                           const column *columns) {
    fv_lowerer *l = z->l;
    fv_program *p = l->program;
    fv_tensor *t = fv_tensor_new(l->host.kept, e, 1, &count);
    size_t at = 0;
    for (int i = 0; i < n; i++)
        if (columns[i].elem == e && fv_elem_is_float(e))
            fv_tensor_set_float(t, at++, m->literals[columns[i].place]->u.f);
        else if (columns[i].elem == e)
            fv_tensor_set_int(t, at++, m->literals[columns[i].place]->u.i);
    fv_expr *extent = fv_x_int(l->arena, count);
    const char *name = fv_printf(l->arena, "%s.literals.%s", m->kernel->name, fv_elem_name(e));
    fv_buf *b = fv_buf_new(l->arena, name, FV_BUF_CONST, e, 1, &extent);
    b->index = p->memory.nconstants;
    fv_p_add_buffer(l, b);
    fv_contents *contents = fv_contents_at(l->host.kept, t->data);
    fv_constant c = {.name = name, .contents = contents, .bytes = t->bytes, .buf = b};
    FV_PUSH(l->arena, p->memory.constants, p->memory.nconstants, l->host.cap_constants, c);
    return b;
}

/* Adds a parameter for the columns of this type to the kernel, and a constant to each member. The
 * kernel loads each element once. */
static void read_literals(sharer *z, family *f, fv_kbuilder *b, fv_elem e, int n, column *columns) {
    int64_t count = 0, at = 0;
    for (int i = 0; i < n; i++)
        count += columns[i].elem == e;
    fv_expr *extent = fv_x_int(b->arena, count);
    fv_buf *param = fv_kernel_buf(b->kernel, "literals", FV_BUF_IN, e, 1, &extent);
    for (int i = 0; i < n; i++) {
        fv_expr *index = columns[i].elem == e ? fv_x_int(b->arena, at++) : NULL;
        if (index)
            columns[i].x = fv_kb_let(b, "literal", fv_x_load(b->arena, param, &index));
    }
    for (member *m = f->first; m; m = m->next)
        FV_PUSH(z->l->arena, m->constants, m->nconstants, m->cap_constants,
                constant_of(z, m, e, count, n, columns));
}

static fv_kernel *merged(sharer *z, family *f) {
    column *columns = FV_NEW(z->arena, column, f->nliterals + 1);
    int *of = FV_NEW(z->arena, int, f->nliterals + 1), n = find_columns(f, columns, of);
    fv_kernel *k = FV_NEW(z->l->arena, fv_kernel, 1);
    *k = *f->first->kernel;
    k->body = (fv_block){0};
    if (k->formula)
        k->formula = fv_printf(z->l->arena, "%s, literals as in the first launch", k->formula);
    fv_kbuilder b;
    fv_kb_init(&b, z->l->arena, k, &k->body);
    for (int i = 0; i < n; i++)
        if (!columns[i].x)
            read_literals(z, f, &b, columns[i].elem, n, columns);
    fv_expr **by = FV_NEW(z->arena, fv_expr *, f->nliterals + 1);
    for (int i = 0; i < f->nliterals; i++)
        by[i] = of[i] < 0 ? fv_x_node(z->l->arena, f->first->literals[i], NULL) /* outlives z */
                          : columns[of[i]].x;
    literals put = {.arena = z->l->arena, .by = by, .fma = fv_quanta_pay(z->l->target)};
    copy_replaced(&put, &k->body, &f->first->kernel->body);
    return k;
}

static void share_launch(sharer *z, fv_launch *n) {
    fv_lowerer *l = z->l;
    member *m = fv_ptrmap_get(&z->members, n->kernel);
    family *f = m->of;
    if (!f->kernel) {
        f->kernel = f->first->next ? merged(z, f) : f->first->kernel;
        FV_PUSH(l->arena, l->program->kernels, l->program->nkernels, l->host.cap_kernels,
                f->kernel);
        f->made = fv_launch_value(n);
    } else if (f->made) /* kernels without results are equal if they send equal values */
        fv_takes(l, fv_launch_value(n), m->nconstants ? FV_WHY_shares_literals : FV_WHY_shares,
                 fv_v(f->made));
    n->kernel = f->kernel;
    n->literals = m->constants;
    n->nliterals = m->nconstants;
}

void fv_share_kernels(fv_lowerer *l) {
    fv_arena *a = fv_arena_new(l->session);
    sharer z = {.l = l, .arena = a, .members = fv_ptrmap_in(a), .families = fv_ptrmap_in(a)};
    for (int i = 0; i < l->host.nsteps; i++)
        if (l->host.steps[i].kind == FV_STEP_LAUNCH)
            find_member(&z, l->host.steps[i].launch.kernel);
    for (int i = 0; i < l->host.nsteps; i++)
        if (l->host.steps[i].kind == FV_STEP_LAUNCH)
            share_launch(&z, &l->host.steps[i].launch);
    fv_arena_free(a);
}
