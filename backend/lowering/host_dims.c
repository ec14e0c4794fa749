/* host_dims.c - translates dims to expressions over the variables of the host program. */
#include "backend/lowering/host_dims.h"

#include <assert.h>

#include "ir/dim/text.h"
#include "ir/kernel/build.h"

fv_var *fv_p_symbol_var(fv_lowerer *l, const fv_dim *symbol) {
    void **at = fv_ptrmap_at(&l->host.symbols, symbol);
    if (!*at) {
        fv_var *v = fv_var_new(l->arena, symbol->name, fv_kt(FV_I64, 1));
        v->lo = symbol->least;
        v->hi = symbol->most;
        v->dim = symbol;
        *fv_ptrmap_at(&l->host.symbols, symbol) = v;
        return v;
    }
    return *at;
}

static bool mentions(const fv_type *t, const fv_dim *symbol) {
    for (int i = 0; i < t->rank; i++)
        if (fv_dim_mentions(t->dims[i], symbol))
            return true;
    return false;
}

bool fv_p_caller_knows(const fv_lowerer *l, const fv_dim *symbol) {
    const fv_region *r = l->func->body;
    for (int i = 0; i < r->nparams; i++)
        if (mentions(r->params[i]->type, symbol) || mentions(l->host.in_types[i], symbol))
            return true;
    return false;
}

void fv_p_symbols(fv_lowerer *l) {
    fv_program *p = l->program;
    const fv_dim *const *all;
    int n = fv_dim_symbols(l->module->dims, &all);
    p->symbols.all = FV_NEW(l->arena, const fv_dim *, n + 1);
    p->symbols.vars = FV_NEW(l->arena, fv_var *, n + 1);
    for (int i = 0; i < n; i++) {
        if (all[i]->from_data || !fv_p_caller_knows(l, all[i]))
            continue;
        p->symbols.all[p->symbols.n] = all[i];
        p->symbols.vars[p->symbols.n++] = fv_p_symbol_var(l, all[i]);
    }
}

static fv_expr *combine(fv_lowerer *l, fv_expr_op op, const fv_dim *d) {
    fv_expr *x = fv_p_dim(l, d->arg[0]);
    for (int i = 1; i < d->n; i++)
        x = fv_x_bin(l->arena, op, x, fv_p_dim(l, d->arg[i]));
    return x;
}

static bool non_negative(const fv_dim *d) {
    for (int i = 0; i < d->n; i++)
        if (d->arg[i]->lo < 0)
            return false;
    return true;
}

static void add_symbols(fv_dims *t, const fv_dim *d) {
    if (d->kind == FV_DIM_SYMBOL && !fv_dim_find(t, d->name))
        fv_dim_fresh(t, d->name, d->least, d->most, d->from_data);
    for (int i = 0; i < d->n; i++)
        add_symbols(t, d->arg[i]);
}

const fv_dim *fv_p_in_bounds(fv_lowerer *l, fv_dims *t, const fv_dim *d) {
    const char *text = fv_dim_str(l->arena, d), *error;
    add_symbols(t, d);
    const fv_dim *own = fv_dim_parse(t, &text, &error);
    FV_HOLDS(fv_arena_session(l->arena), own);
    return own;
}

/* The operand that a broadcast equals, if the bounds of symbols as callers see them decide it: an
 * assumption within a branch or an iteration does not count, since runs that do not execute it have
 * sizes, too. NULL: it may equal either. */
static const fv_dim *decided(fv_lowerer *l, const fv_dim *d) {
    l->host.bounded = l->host.bounded ? l->host.bounded : fv_dims_new(l->arena);
    const fv_dim *own = fv_p_in_bounds(l, l->host.bounded, d), *by = NULL;
    for (int i = 0; i < d->n && !by; i++) {
        const fv_dim *arg = fv_p_in_bounds(l, l->host.bounded, d->arg[i]);
        bool fixed = own->kind == FV_DIM_CONST && arg->lo == own->value && arg->hi == own->value;
        by = arg == own || fixed ? d->arg[i] : NULL;
    }
    return by;
}

/* largest number of nodes of a dim that may occur twice in an expression */
enum { SHORT_DIM = 16 };

/* Translates a == 1 ? b : a. The two are equal or one of them is 1, so either may be chosen to
 * occur twice: if that were always the longer one, the size of nested broadcasts would double at
 * each level. */
static fv_expr *broadcast(fv_lowerer *l, const fv_dim *d) {
    const fv_dim *by = decided(l, d);
    if (by)
        return fv_p_dim(l, by);
    bool swap = d->arg[0]->size > SHORT_DIM && d->arg[0]->size > d->arg[1]->size;
    fv_expr *x = fv_p_dim(l, d->arg[swap]), *y = fv_p_dim(l, d->arg[!swap]);
    return fv_x_select(l->arena, fv_x_bin(l->arena, FV_X_EQ, x, fv_x_int(l->arena, 1)), y, x);
}

fv_expr *fv_p_dim(fv_lowerer *l, const fv_dim *d) {
    fv_arena *a = l->arena;
    switch (d->kind) {
    case FV_DIM_CONST: return fv_x_int(a, d->value);
    case FV_DIM_SYMBOL: return fv_x_var(a, fv_p_symbol_var(l, d));
    case FV_DIM_ADD: return combine(l, non_negative(d) ? FV_X_ADDSAT : FV_X_ADD, d);
    case FV_DIM_MUL: return combine(l, non_negative(d) ? FV_X_MULSAT : FV_X_MUL, d);
    case FV_DIM_FLOORDIV: return combine(l, FV_X_FLOORDIV, d);
    case FV_DIM_MOD: return combine(l, FV_X_FLOORMOD, d);
    case FV_DIM_MIN: return combine(l, FV_X_MIN, d);
    case FV_DIM_MAX_: return combine(l, FV_X_MAX, d);
    case FV_DIM_CEILDIV: {
        fv_expr *x = fv_x_un(a, FV_X_NEG, fv_p_dim(l, d->arg[0]));
        return fv_x_un(a, FV_X_NEG, fv_x_bin(a, FV_X_FLOORDIV, x, fv_p_dim(l, d->arg[1])));
    }
    case FV_DIM_BROADCAST: return broadcast(l, d);
    }
    return NULL;
}

void fv_p_add_buffer(fv_lowerer *l, fv_buf *b) {
    fv_program *p = l->program;
    b->id = p->memory.nbuffers;
    FV_PUSH(l->arena, p->memory.buffers, p->memory.nbuffers, l->host.cap_buffers, b);
}

fv_expr *fv_p_plan_let(fv_lowerer *l, const char *name, fv_expr *x) {
    fv_kbuilder b;
    fv_kb_init(&b, l->arena, NULL, &l->program->host.plan);
    return fv_kb_let(&b, name, x);
}
