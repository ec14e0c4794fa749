/* print.c - prints definitions as formulas for people. An expression that occurs several times gets
 * a name, and what would be longer than a few lines is left out.
 *   y[i] = max(w[t0] if require(0 <= t0 && t0 < 4) else 0.0, 0.0), t0 = select(ids[i] < 0, ids[i] +
 *   4, ids[i]) */
#include "ir/definition/print.h"

#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/definition/definition.h"
#include "ir/expr/visit.h"
#include "ir/kernel/print.h"
#include "ir/kernel/printer.h"

enum {
    /* smallest number of nodes for which an expression gets a name; x[i] + y, for instance, is as
     * short as a name with its definition */
    WORTH_A_NAME = 5,
    LONGEST_TERM = 400,
    MOST_CLOSING = 80,
    LONGEST = 640, /* length of a formula in characters after which no more terms are printed */
    MOST_NODES = 1 << 12
};

typedef struct term {
    const fv_expr *x;
    int uses;  /* how many times x is an argument of a node */
    int nodes; /* number of nodes of x, counted as a tree, at most MOST_NODES */
    /* bits of the reduction variables that are free in x */
    uint64_t open;
} term;

typedef struct terms {
    fv_arena *arena;
    fv_ptrmap at;    /* expression -> its `term` */
    fv_ptrmap names; /* expression -> its name, in the order of first uses */
    fv_ptrmap bits;  /* variable of a reduction -> its number, from 1 */
    fv_ptrmap taken; /* interned names of buffers and variables, which terms must not have */
    const fv_expr **named;
    int n, cap, counter, nbits;
} terms;

/* The bit of a variable. The last bit is shared by all variables beyond the 63rd. */
static uint64_t bit_of(const terms *t, const fv_var *v) {
    int number = (int)(intptr_t)fv_ptrmap_get(&t->bits, v);
    return number ? UINT64_C(1) << (number < 64 ? number - 1 : 63) : 0;
}

/* The bits of the variables that reduction x binds; numbers new ones. */
static uint64_t bind(terms *t, const fv_expr *x) {
    uint64_t all = 0;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++) {
        if (!bit_of(t, x->u.red.vars[i])) /* several reductions may bind the same variable */
            *fv_ptrmap_at(&t->bits, x->u.red.vars[i]) = (void *)(intptr_t)++t->nbits;
        all |= bit_of(t, x->u.red.vars[i]);
    }
    return all & ~(UINT64_C(1) << 63);
}

static term *look_at(terms *t, const fv_expr *x) {
    term *known = fv_ptrmap_get(&t->at, x);
    if (known) {
        known->uses++;
        return known;
    }
    term *new = FV_NEW(t->arena, term, 1);
    *new = (term){x, 1, 1, x->op == FV_X_VAR ? bit_of(t, x->u.var) : 0};
    *fv_ptrmap_at(&t->at, x) = new;
    uint64_t bound = bind(t, x);
    const char *name = x->op == FV_X_VAR                           ? x->u.var->name
                       : x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->name
                                                                   : NULL;
    if (name)
        *fv_ptrmap_at(&t->taken, fv_intern(fv_arena_session(t->arena), name)) = new;
    for (int i = 0; i < x->n; i++) {
        const term *part = look_at(t, x->arg[i]);
        new->nodes = new->nodes + part->nodes < MOST_NODES ? new->nodes + part->nodes : MOST_NODES;
        new->open |= part->open;
    }
    new->open &= ~bound;
    return new;
}

static const char *new_name(terms *t) {
    const char *name;
    do
        name = fv_intern(fv_arena_session(t->arena), fv_printf(t->arena, "t%d", t->counter++));
    while (fv_ptrmap_get(&t->taken, name));
    return name;
}

/* Gives names to expressions that occur several times in x, except for x itself, short ones, and
 * those with variables of reductions around them. */
static void name_below(terms *t, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(t->arena, root); (x = fv_x_next(&v));) {
        const term *known = fv_ptrmap_get(&t->at, x);
        if (x == root || known->uses <= 1 || known->nodes < WORTH_A_NAME || known->open)
            continue;
        fv_x_skip(&v);
        if (fv_ptrmap_get(&t->names, x))
            continue;
        *fv_ptrmap_at(&t->names, x) = (void *)(uintptr_t)new_name(t);
        FV_PUSH(t->arena, t->named, t->n, t->cap, x);
    }
}

static void put_term(terms *t, fv_text *out, const fv_expr *x) {
    fv_kprinter p;
    fv_kprinter_init(&p, out, false);
    p.terms.names = &t->names;
    p.terms.whole = x;
    p.end = out->n + LONGEST_TERM;
    fv_kp_expr(&p, x);
    size_t n = p.end + MOST_CLOSING;
    if (out->n <= n)
        return;
    while (n > p.end && out->s[n] != ' ') /* cuts between words, so that no name is cut */
        n--;
    out->n = n;
    fv_text_put(out, " ...");
}

static void put_left(fv_text *t, const fv_definition *d) {
    if (d->place) {
        fv_expr_print(t, d->place);
        return;
    }
    fv_text_printf(t, "%s[", d->value->name);
    for (int i = 0; i < d->rank; i++)
        fv_text_printf(t, "%s%s", i ? ", " : "", d->index[i]->name);
    fv_text_put(t, "]");
}

void fv_definition_print(fv_text *t, const fv_definition *d) {
    terms all = {.arena = t->arena,
                 .at = fv_ptrmap_in(t->arena),
                 .names = fv_ptrmap_in(t->arena),
                 .bits = fv_ptrmap_in(t->arena),
                 .taken = fv_ptrmap_in(t->arena)};
    size_t start = t->n;
    look_at(&all, d->body);
    name_below(&all, d->body);
    put_left(t, d);
    fv_text_put(t, " = ");
    put_term(&all, t, d->body);
    /* the list grows while it is printed: named expressions may contain further ones */
    for (int i = 0; i < all.n; i++) {
        if (t->n - start > LONGEST) {
            fv_text_put(t, ", ...");
            return;
        }
        name_below(&all, all.named[i]);
        fv_text_printf(t, ", %s = ", (const char *)fv_ptrmap_get(&all.names, all.named[i]));
        put_term(&all, t, all.named[i]);
    }
}
