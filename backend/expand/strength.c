/* strength.c - see strength.h. A quotient by a constant that is no power of two takes six
 * instructions or more, among them a multiplication of 128 bits, and a remainder two more. */
#include "backend/expand/strength.h"

#include "ir/base/ptrmap.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/kernel/build.h"

enum {
    MOST_PAIRS = 4, /* pairs of a quotient and a remainder of a loop: each needs two registers */
    MOST_DIVISOR = 1 << 30,
    MOST_STEP = 1 << 30
};

/* A numerator and a divisor, by which a loop divides in each iteration. */
typedef struct pair {
    fv_expr *numerator; /* over variables from outside of the loop, and the loop's */
    int64_t divisor;
    int64_t step;                   /* how much the numerator grows in an iteration */
    fv_var *quotient, *remainder;   /* variables that have their values in an iteration */
    fv_buf *quotients, *remainders; /* the scalar tiles that keep them from one to the next */
} pair;

typedef struct reducer {
    fv_arena *a;
    fv_kernel *kernel;
    const fv_stmt *loop;
    fv_ptrmap changing; /* variables that change in the loop -> the statement that defines them */
    pair pairs[MOST_PAIRS];
    int n;
} reducer;

/* ---- the quotients of a loop ---- */

static void note_variables(reducer *z, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        if (s->var)
            *fv_ptrmap_at(&z->changing, s->var) = (void *)(uintptr_t)s;
        note_variables(z, &s->body);
        note_variables(z, &s->other);
    }
}

/* The number that x grows by if the loop's variable grows by 1; x must be a sum of multiples of
 * variables. False: it is none, or contains variables of the loop's body. */
static bool find_growth(reducer *z, const fv_expr *x, int64_t times, int64_t *growth) {
    int64_t by;
    if (times > MOST_STEP || times < -MOST_STEP)
        return false;
    if (x->op == FV_X_ADD || x->op == FV_X_SUB)
        return find_growth(z, x->arg[0], times, growth) &&
               find_growth(z, x->arg[1], x->op == FV_X_SUB ? -times : times, growth);
    if (x->op == FV_X_MUL && fv_x_is_int(x->arg[1], &by))
        return by < MOST_STEP && by > -MOST_STEP && find_growth(z, x->arg[0], times * by, growth);
    if (x->op == FV_X_VAR && x->u.var == z->loop->var) {
        *growth += times;
        return true;
    }
    return !fv_x_uses(x, z->loop->var);
}

/* Replaces lets of the loop's body by their values. NULL: x uses other variables of it, or memory,
 * or would be too large. */
static fv_expr *outside_of(reducer *z, const fv_expr *x) {
    enum { MOST_SIZE = 64, MOST_LETS = 8 };
    for (int i = 0; i < MOST_LETS && x->size <= MOST_SIZE; i++) {
        fv_ptrmap lets = fv_ptrmap_in(z->a), memo = fv_ptrmap_in(z->a);
        bool uses = false;
        const fv_expr *at;
        if (fv_x_has_load(x) || fv_x_has(x, FV_HAS_REQUIRE))
            return NULL;
        for (fv_x_visitor v = fv_x_visit(z->a, x); (at = fv_x_next(&v));) {
            const fv_stmt *s = at->op == FV_X_VAR ? fv_ptrmap_get(&z->changing, at->u.var) : NULL;
            if (s && s->kind != FV_S_LET)
                return NULL;
            if (s)
                *fv_ptrmap_at(&lets, s->var) = s->x;
            uses |= s != NULL;
        }
        if (!uses)
            return (fv_expr *)(uintptr_t)x;
        x = fv_x_subst(z->a, x, &lets, &memo);
    }
    return NULL;
}

static bool is_quotient(const fv_expr *x, int64_t *divisor) {
    return (x->op == FV_X_FLOORDIV || x->op == FV_X_FLOORMOD) && x->type.lanes == 1 &&
           x->type.elem == FV_I64 && fv_x_is_int(x->arg[1], divisor) && *divisor > 2 &&
           *divisor < MOST_DIVISOR && (*divisor & (*divisor - 1));
}

/* The pair of a numerator and a divisor, which is new; NULL: there are too many, or sums of the
 * numerator may overflow. */
static pair *new_pair(reducer *z, fv_expr *numerator, fv_expr *divisor, int64_t growth) {
    int64_t least, most;
    fv_x_range(numerator, &least, &most);
    if (z->n == MOST_PAIRS || growth > MOST_STEP / z->loop->loop.step || least == INT64_MIN ||
        most == INT64_MAX)
        return NULL;
    pair *p = &z->pairs[z->n++];
    *p = (pair){.numerator = numerator,
                .divisor = fv_x_int_value(divisor),
                .step = growth * z->loop->loop.step,
                .quotient = fv_var_new(z->a, "quotient", fv_kt(FV_I64, 1)),
                .remainder = fv_var_new(z->a, "remainder", fv_kt(FV_I64, 1))};
    fv_x_range(fv_x_bin(z->a, FV_X_FLOORDIV, numerator, divisor), &p->quotient->lo,
               &p->quotient->hi);
    p->remainder->lo = 0;
    p->remainder->hi = p->divisor - 1;
    /* both change in the loop */
    *fv_ptrmap_at(&z->changing, p->quotient) = (void *)(uintptr_t)z->loop;
    *fv_ptrmap_at(&z->changing, p->remainder) = (void *)(uintptr_t)z->loop;
    return p;
}

/* The pair to which the quotient or remainder x belongs; NULL: it stays. */
static pair *pair_of(reducer *z, const fv_expr *x) {
    int64_t divisor, growth = 0;
    fv_expr *numerator = is_quotient(x, &divisor) ? outside_of(z, x->arg[0]) : NULL;
    if (!numerator || !find_growth(z, numerator, 1, &growth) || growth <= 0)
        return NULL;
    for (int i = 0; i < z->n; i++)
        if (z->pairs[i].divisor == divisor && fv_x_equal(z->pairs[i].numerator, numerator))
            return &z->pairs[i];
    return new_pair(z, numerator, x->arg[1], growth);
}

static fv_expr *replace(fv_x_rewriter *r, fv_expr *x) {
    const pair *p = pair_of(r->user, x);
    if (!p)
        return NULL;
    return fv_x_var(r->arena, x->op == FV_X_FLOORDIV ? p->quotient : p->remainder);
}

static void replace_in(reducer *z, fv_block *b) {
    for (fv_stmt *s = b->first; s; s = s->next) {
        if (s->kind == FV_S_MATRIX) /* consumers recognize its loops */
            continue;
        fv_x_rewriter r = {.arena = z->a, .before = replace, .user = z, .memo = fv_ptrmap_in(z->a)};
        fv_expr **parts[] = {&s->x, &s->mask, &s->loop.lo, &s->loop.hi};
        for (int i = 0; i < 4; i++)
            *parts[i] = *parts[i] ? fv_x_rewrite(&r, *parts[i]) : NULL;
        for (int i = 0; s->index && i < s->buf->rank; i++)
            s->index[i] = fv_x_rewrite(&r, s->index[i]);
        replace_in(z, &s->body);
        replace_in(z, &s->other);
    }
}

/* ---- the loop ---- */

static fv_expr *at_begin(reducer *z, const pair *p, fv_expr_op op) {
    fv_ptrmap begin = fv_ptrmap_in(z->a), memo = fv_ptrmap_in(z->a);
    *fv_ptrmap_at(&begin, z->loop->var) = z->loop->loop.lo;
    fv_expr *first = fv_x_subst(z->a, p->numerator, &begin, &memo);
    return fv_x_bin(z->a, op, first, fv_x_int(z->a, p->divisor));
}

/* Appends the let of a variable that exists. */
static void let(fv_kbuilder *b, fv_var *v, fv_expr *x) {
    fv_stmt *s = fv_kb_add(b, FV_S_LET);
    s->var = v;
    s->x = x;
}

/* The statements that compute the pair for the next iteration, with at most one carry. */
static void advance(fv_kbuilder *b, const pair *p) {
    fv_arena *a = b->arena;
    fv_expr *divisor = fv_x_int(a, p->divisor), *quotient = fv_x_var(a, p->quotient),
            *next =
                fv_x_bin(a, FV_X_ADD, fv_x_var(a, p->remainder), fv_x_int(a, p->step % p->divisor)),
            *whole = fv_x_bin(a, FV_X_ADD, quotient, fv_x_int(a, p->step / p->divisor)),
            *more = fv_x_bin(a, FV_X_ADD, quotient, fv_x_int(a, p->step / p->divisor + 1));
    next = fv_kb_let(b, "next", next);
    fv_expr *carries = fv_x_bin(a, FV_X_LE, divisor, next);
    fv_kb_store(b, p->quotients, NULL, fv_x_select(a, carries, more, whole), NULL);
    fv_kb_store(b, p->remainders, NULL,
                fv_x_select(a, carries, fv_x_bin(a, FV_X_SUB, next, divisor), next), NULL);
}

/* Appends a block to the builder's. */
static void append(fv_kbuilder *b, const fv_block *block) {
    if (!block->first)
        return;
    if (b->block->last)
        b->block->last->next = block->first;
    else
        b->block->first = block->first;
    b->block->last = block->last;
}

/* Declares the tiles of the pairs before the loop, in the builder's block, and gives the loop's
 * body their values. */
static void keep_pairs(reducer *z, fv_kbuilder *before, fv_stmt *loop) {
    fv_block body = {0};
    fv_kbuilder b;
    fv_kb_init(&b, z->a, z->kernel, &body);
    for (int i = 0; i < z->n; i++) {
        pair *p = &z->pairs[i];
        p->quotients =
            fv_kb_tile(before, "quotients", FV_I64, 0, NULL, at_begin(z, p, FV_X_FLOORDIV));
        p->remainders =
            fv_kb_tile(before, "remainders", FV_I64, 0, NULL, at_begin(z, p, FV_X_FLOORMOD));
        let(&b, p->quotient, fv_x_load(z->a, p->quotients, NULL));
        let(&b, p->remainder, fv_x_load(z->a, p->remainders, NULL));
    }
    append(&b, &loop->body);
    for (int i = 0; i < z->n; i++)
        advance(&b, &z->pairs[i]);
    loop->body = body;
}

/* Does the loop have several iterations, as far as that is known? */
static bool repeats(const fv_stmt *s) {
    int64_t lo, hi;
    return s->kind == FV_S_FOR && !(fv_x_is_int(s->loop.lo, &lo) && fv_x_is_int(s->loop.hi, &hi) &&
                                    hi - lo <= s->loop.step);
}

static void reduce(fv_arena *a, fv_kernel *k, fv_block *block) {
    fv_block out = {0};
    fv_kbuilder b;
    fv_stmt *next;
    fv_kb_init(&b, a, k, &out);
    for (fv_stmt *s = block->first; s; s = next) {
        next = s->next;
        s->next = NULL;
        if (s->kind != FV_S_MATRIX) {
            reduce(a, k, &s->body);
            reduce(a, k, &s->other);
        }
        if (repeats(s)) {
            reducer z = {.a = a, .kernel = k, .loop = s, .changing = fv_ptrmap_in(a)};
            note_variables(&z, &s->body);
            replace_in(&z, &s->body);
            keep_pairs(&z, &b, s);
        }
        fv_block_append(&out, s);
    }
    *block = out;
}

void fv_reduce_strength(fv_kernel *k) {
    reduce(k->arena, k, &k->body);
}
