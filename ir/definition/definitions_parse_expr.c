/* definitions_parse_expr.c - parses the dims, names and expressions of definitions. */
#include "ir/definition/definitions_parse_parts.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/expr/check.h"
#include "ir/expr/unique.h"

/* ---- dims ---- */

/* The symbol of that name, or the number to which it is fixed; NULL: there is no such symbol. */
static const fv_dim *symbol_of(fv_definition_reader *r, const char *name) {
    fv_dims *t = r->graph->m->dims;
    const fv_dim *d = fv_dim_find(t, name);
    return d && d->lo == d->hi ? fv_dim_const(t, d->lo) : d;
}

/* Parses a dim with several arguments: a + b, min(a, b, ..). */
static const fv_dim *dim_of_several(fv_definition_reader *r, const fv_ast *e) {
    static const struct {
        const char *name;
        const fv_dim *(*make)(fv_dims *, const fv_dim *, const fv_dim *);
    } all[] = {{"+", fv_dim_add},
               {"-", fv_dim_sub},
               {"*", fv_dim_mul},
               {"floordiv", fv_dim_floordiv},
               {"ceildiv", fv_dim_ceildiv},
               {"mod", fv_dim_mod},
               {"min", fv_dim_min},
               {"max", fv_dim_max},
               {"broadcast", fv_dim_broadcast}};
    size_t op = 0, n = sizeof all / sizeof *all;
    while (op < n && strcmp(all[op].name, e->name))
        op++;
    if (op == n || e->n < 2) {
        fv_kx_error(&r->p, e, "'%.60s' has no meaning in a dim", e->name);
        return NULL;
    }
    const fv_dim *d = fv_dr_dim(r, e->arg[0]);
    for (int i = 1; i < e->n && d; i++) {
        const fv_dim *next = fv_dr_dim(r, e->arg[i]);
        d = next ? all[op].make(r->graph->m->dims, d, next) : NULL;
    }
    return d;
}

const fv_dim *fv_dr_dim(fv_definition_reader *r, const fv_ast *e) {
    fv_dims *t = r->graph->m->dims;
    const fv_dim *d;
    switch (e->kind) {
    case FV_AST_INT: return fv_dim_const(t, e->i);
    case FV_AST_NAME:
        d = symbol_of(r, e->name);
        if (!d)
            fv_kx_error(&r->p, e, "no dim is called '%.60s'", e->name);
        return d;
    case FV_AST_UNARY:
        d = *e->name == '-' ? fv_dr_dim(r, e->arg[0]) : NULL;
        return d ? fv_dim_sub(t, fv_dim_const(t, 0), d) : NULL;
    case FV_AST_BINARY:
    case FV_AST_CALL: return dim_of_several(r, e);
    default: break;
    }
    fv_kx_error(&r->p, e, "this is no dim");
    return NULL;
}

/* ---- names ---- */

fv_var *fv_dr_var(fv_definition_reader *r, const char *name) {
    const fv_binding *b = fv_scope_find(&r->p, name);
    return b ? b->var : NULL;
}

bool fv_dr_index(fv_definition_reader *r) {
    fv_lexer *l = &r->p.l;
    const char *name = fv_lex_name(l, "an index variable");
    if (!name || !fv_lex_expect(l, "<"))
        return false;
    if (fv_dr_var(r, name))
        return fv_lex_error(l, "'%.60s' is declared twice", name);
    const fv_ast *e = fv_ast_parse(l);
    const fv_dim *extent = e ? fv_dr_dim(r, e) : NULL;
    if (extent)
        fv_scope_var(&r->p, name, fv_index_var(r->p.arena, name, extent));
    return extent != NULL;
}

fv_value *fv_dr_result(fv_definition_reader *r, const fv_op *op) {
    fv_lexer *l = &r->p.l;
    if (!fv_lex_expect(l, "%"))
        return NULL;
    fv_value *v = l->tok.kind == FV_TOK_NAME ? fv_value_find(r->graph->m, l->tok.s) : NULL;
    if (l->tok.kind == FV_TOK_NAME && (!v || v->def != op || v->kind != FV_VALUE_RESULT)) {
        fv_lex_error(l, "%%%.60s is no result of this op", l->tok.s);
        return NULL;
    }
    if (v && *fv_ptrmap_at(&r->taken, v)) {
        fv_lex_error(l, "%%%.60s is defined twice", l->tok.s);
        return NULL;
    }
    if (!fv_lex_name(l, "the name of a value"))
        return NULL;
    return *fv_ptrmap_at(&r->taken, v) = v;
}

/* ---- expressions ---- */

/* Gives reduction x the order that the text states. After the step `order`, a reduction without a
 * stated order is one chain. */
static fv_expr *in_order(fv_definition_reader *r, const fv_ast *e, fv_expr *x) {
    bool decided = !fv_step_comes(r->d->after, "order");
    const char *problem = NULL;
    fv_order order = e->reduce.chains  ? FV_ORDER_CHAINS
                     : e->reduce.parts ? FV_ORDER_PARTS
                     : e->reduce.pairs ? FV_ORDER_PAIRS
                     : e->reduce.tiles ? FV_ORDER_TILES
                                       : FV_ORDER_CHAIN;
    if (order != FV_ORDER_CHAIN && !decided)
        problem = fv_printf(r->p.arena, "the step \"order\" is to come, which decides on %s",
                            e->reduce.parts   ? "parts"
                            : e->reduce.pairs ? "pairs"
                            : e->reduce.tiles ? "tiles"
                                              : "chains");
    else if (e->reduce.chains && e->reduce.chains != FV_CHAINS)
        problem = fv_printf(r->p.arena, "%d chains: there are %d", e->reduce.chains, FV_CHAINS);
    else if (e->reduce.chains && (e->i < 1 || e->i > e->reduce.nvars))
        problem = fv_printf(r->p.arena, "chains along %lld of %d variables", (long long)e->i,
                            e->reduce.nvars);
    else if (e->reduce.parts && e->i != FV_PART)
        problem = fv_printf(r->p.arena, "parts of %lld: they are of %d", (long long)e->i, FV_PART);
    if (!problem && decided && (order != FV_ORDER_CHAIN || fv_x_is_ordered(x))) {
        x = fv_x_reduce_in(r->p.arena, x, order, e->reduce.chains ? (int)e->i : 0);
        problem = fv_x_problem(r->p.arena, x);
    }
    if (problem)
        fv_kx_error(&r->p, e, "%s", problem);
    return problem ? NULL : x;
}

static fv_expr *reduction(fv_definition_reader *r, const fv_ast *e) {
    static const char *const kinds[] = {"sum", "prod", "min", "max", "any", "all"};
    fv_arena *a = r->p.arena;
    fv_var **vars = FV_NEW(a, fv_var *, e->reduce.nvars);
    int kind = 0;
    if (e->reduce.nvars > FV_MAX_RANK) {
        fv_kx_error(&r->p, e, "more than %d variables", FV_MAX_RANK);
        return NULL;
    }
    while (strcmp(kinds[kind], e->name))
        kind++;
    for (int i = 0; i < e->reduce.nvars; i++) {
        const fv_ast_var *v = &e->reduce.vars[i];
        const fv_dim *extent = v->extent && !v->group ? fv_dr_dim(r, v->extent) : NULL;
        fv_var *known = fv_dr_var(r, v->name);
        if (!extent && !r->p.l.failed)
            fv_kx_error(&r->p, e, "the extent of '%.60s' is missing", v->name);
        if (!extent)
            return NULL;
        if (known && known->dim != extent) {
            fv_kx_error(&r->p, e, "'%.60s' runs to %s elsewhere", v->name,
                        fv_dim_str(a, known->dim));
            return NULL;
        }
        if (!known)
            fv_scope_var(&r->p, v->name, known = fv_index_var(a, v->name, extent));
        vars[i] = known;
    }
    fv_expr *body = fv_kx_build(&r->p, e->arg[0], FV_NO_ELEM);
    if (!body)
        return NULL;
    fv_expr *x = fv_x_reduce(a, (fv_reduce_kind)kind, e->reduce.nvars, vars, body);
    const char *problem = fv_x_problem(a, x);
    if (problem)
        fv_kx_error(&r->p, e, "%s", problem);
    return problem ? NULL : in_order(r, e, x);
}

static fv_buf *buffer_of(fv_definition_reader *r, const fv_value *v) {
    fv_buf *b = fv_ptrmap_get(&r->bufs, v);
    if (!b)
        *fv_ptrmap_at(&r->bufs, v) = b = fv_value_buf(r->p.arena, v);
    return b;
}

int fv_dr_view(fv_definition_reader *r, const fv_ast *list, const char *step, const fv_dim **dims) {
    if (fv_step_comes(r->d->after, step))
        fv_kx_error(&r->p, list,
                    "no value has other axes before the step \"%s\", and this is after \"%s\"",
                    step, r->d->after);
    else if (list->n > FV_MAX_RANK)
        fv_kx_error(&r->p, list, "more than %d axes", FV_MAX_RANK);
    for (int i = 0; i < list->n && !r->p.l.failed; i++) {
        dims[i] = fv_dr_dim(r, list->arg[i]);
        if (!dims[i])
            return -1;
    }
    return r->p.l.failed ? -1 : list->n;
}

/* A buffer that represents v with the axes that e states. */
static fv_buf *buffer_seen(fv_definition_reader *r, const fv_ast *e, const fv_value *v) {
    const fv_dim *dims[FV_MAX_RANK];
    fv_expr *extent[FV_MAX_RANK];
    fv_buf *b = buffer_of(r, v);
    int n = e->view ? fv_dr_view(r, e->view, "split", dims) : 0;
    for (int i = 0; i < n; i++)
        extent[i] = fv_x_dim(r->p.arena, dims[i]);
    return !e->view ? b : n < 0 ? NULL : fv_buf_seen(r->p.arena, b, n, extent);
}

const fv_state *fv_dr_state(const fv_definition_reader *r, const char *name) {
    for (int i = 0; r->recurrence && i < r->recurrence->nstates; i++)
        if (!strcmp(r->recurrence->states[i].now->name, name))
            return &r->recurrence->states[i];
    return NULL;
}

/* Parses a state before the step: before(%h[i]). */
static fv_expr *state_before(fv_definition_reader *r, const fv_ast *e) {
    const fv_state *s = e->arg[0]->kind == FV_AST_VALUE && e->arg[0]->i == '%'
                            ? fv_dr_state(r, e->arg[0]->name)
                            : NULL;
    if (s)
        return fv_kx_element(&r->p, e->arg[0], buffer_seen(r, e->arg[0], s->before));
    fv_kx_error(&r->p, e, "there is no such state");
    return NULL;
}

fv_expr *fv_dr_value(fv_definition_reader *r, const fv_ast *e) {
    const fv_state *s = e->i == '%' ? fv_dr_state(r, e->name) : NULL;
    const fv_value *v = s ? s->now : fv_value_find(r->graph->m, e->name);
    if (!v || (v->kind == FV_VALUE_CONST) != (e->i == '@'))
        fv_kx_error(&r->p, e, "no value is called %c%.60s", (char)e->i, e->name);
    else if (v->type->kind != FV_TENSOR || v->type->elem == FV_STRING)
        fv_kx_error(&r->p, e, "%c%.60s is %s, which has no elements to compute with", (char)e->i,
                    e->name, fv_type_str(r->p.arena, v->type));
    else
        return fv_kx_element(&r->p, e, buffer_seen(r, e, v));
    return NULL;
}

fv_expr *fv_dr_extra(fv_kparser *p, const fv_ast *e, bool *taken) {
    fv_definition_reader *r = p->defining;
    fv_expr *let = e->kind == FV_AST_NAME ? fv_ptrmap_get(&r->lets, e->name) : NULL;
    *taken = true;
    if (let)
        return let;
    if (e->kind == FV_AST_VALUE)
        return fv_dr_value(r, e);
    if (e->kind == FV_AST_REDUCE)
        return reduction(r, e);
    const fv_dim *d = NULL;
    if (e->kind == FV_AST_NAME && !fv_dr_var(r, e->name)) {
        d = symbol_of(r, e->name);
        *taken = d != NULL;
    } else if (e->kind == FV_AST_CALL && !strcmp(e->name, "dim") && e->n == 1) {
        d = fv_dr_dim(r, e->arg[0]);
    } else if (e->kind == FV_AST_CALL && !strcmp(e->name, "before") && e->n == 1 && r->recurrence) {
        return state_before(r, e);
    } else {
        *taken = false;
    }
    return d ? fv_x_dim(p->arena, d) : NULL;
}

/* ---- the size of expressions ---- */

static fv_tree_size measure(fv_definition_reader *r, const fv_expr *x) {
    fv_tree_size *known = fv_ptrmap_get(&r->sizes, x), all = {1, 1};
    if (known)
        return *known;
    for (int i = 0; i < x->n; i++) {
        fv_tree_size part = measure(r, x->arg[i]);
        all.nodes = all.nodes + part.nodes > FV_MAX_DEFINITION_TREE ? FV_MAX_DEFINITION_TREE + 1
                                                                    : all.nodes + part.nodes;
        all.height = part.height >= all.height ? part.height + 1 : all.height;
    }
    known = FV_NEW(r->p.arena, fv_tree_size, 1);
    *fv_ptrmap_at(&r->sizes, x) = known;
    return *known = all;
}

/* Checks the limits on the size and height of a definition. A few nested lets can denote a tree
 * that is exponentially larger than the text. */
bool fv_dr_is_in_bounds(fv_definition_reader *r, const fv_expr *x, const fv_token *at) {
    fv_tree_size e = measure(r, x);
    if (e.nodes <= FV_MAX_DEFINITION_TREE && e.height <= FV_MAX_DEFINITION_HEIGHT)
        return true;
    r->p.l.tok = *at;
    if (e.height > FV_MAX_DEFINITION_HEIGHT)
        return fv_lex_error(&r->p.l, "with its lets written out, the expression is deeper than %d",
                            FV_MAX_DEFINITION_HEIGHT);
    return fv_lex_error(&r->p.l, "with its lets written out, the expression has more than %d nodes",
                        FV_MAX_DEFINITION_TREE);
}
