/* definitions_parse_recurrence.c - parses a recurrence: its axis, states, their steps, and the
 * elements that each step computes. */
#include "ir/definition/definitions_parse_parts.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definition.h"

static fv_var *read_var(fv_definition_reader *r) {
    fv_lexer *l = &r->p.l;
    const char *name = l->tok.kind == FV_TOK_NAME ? l->tok.s : NULL;
    return fv_dr_index(r) && name ? fv_dr_var(r, name) : NULL;
}

/* Parses %NAME[NAME, ...], the left side of a state or step, whose indices are variables of the
 * recurrence, each used once. */
static bool read_state_left(fv_definition_reader *r, const char **name, int *rank, fv_var **index) {
    fv_lexer *l = &r->p.l;
    if (!fv_lex_expect(l, "%"))
        return false;
    *name = fv_lex_name(l, "the name of a state");
    if (!*name || !fv_lex_expect(l, "["))
        return false;
    for (*rank = 0; !fv_lex_is(l, "]");) {
        const char *variable = fv_lex_name(l, "an index variable");
        fv_var *v = variable ? fv_dr_var(r, variable) : NULL;
        bool own = false;
        for (int i = 0; i < r->recurrence->nvars; i++)
            own |= r->recurrence->vars[i] == v;
        for (int i = 0; i < *rank; i++)
            own &= index[i] != v;
        if (!variable || !own)
            return variable &&
                   fv_lex_error(l, "'%.60s' is no index of the recurrence that is left", variable);
        index[(*rank)++] = v;
        if (!fv_lex_accept(l, ","))
            break;
    }
    return fv_lex_expect(l, "]");
}

static fv_expr *read_expr(fv_definition_reader *r, fv_elem type, fv_elem or) {
    fv_token at = r->p.l.tok;
    const fv_ast *e = fv_ast_parse(&r->p.l);
    fv_expr *x = e ? fv_kx_build(&r->p, e, type) : NULL;
    if (!x || !fv_dr_is_in_bounds(r, x, &at))
        return NULL;
    if (x->type.lanes == 1 && (x->type.elem == type || x->type.elem == or))
        return x;
    fv_kx_error(&r->p, e, "this is %s, expected %s", fv_elem_name((fv_elem)x->type.elem),
                fv_elem_name(type));
    return NULL;
}

static bool read_state(fv_definition_reader *r, fv_definer *d) {
    fv_lexer *l = &r->p.l;
    const char *name;
    fv_var *index[FV_MAX_RANK];
    int rank;
    fv_elem e;
    if (r->recurrence->nstates == FV_MAX_STATES)
        return fv_lex_error(l, "more than %d states", FV_MAX_STATES);
    if (!read_state_left(r, &name, &rank, index) || !fv_lex_expect(l, ":"))
        return false;
    if (fv_dr_state(r, name) || fv_value_find(r->graph->m, name))
        return fv_lex_error(l, "%%%.60s is there already", name);
    if (l->tok.kind != FV_TOK_NAME || !fv_elem_parse(l->tok.s, strlen(l->tok.s), &e) ||
        fv_elem_arith(e) != e || e == FV_STRING)
        return fv_lex_error(l, "expected a type that is computed with, found %s", fv_lex_found(l));
    fv_lex_next(l);
    fv_expr *first = NULL;
    if (fv_lex_accept(l, "=") && !(first = read_expr(r, e, e)))
        return false;
    fv_recurrence_state(d, r->recurrence, name, e, rank, index, first);
    return true;
}

static bool read_step(fv_definition_reader *r, fv_state *s) {
    fv_lexer *l = &r->p.l;
    const char *name;
    fv_var *index[FV_MAX_RANK];
    int rank;
    if (!fv_lex_expect(l, "step") || !read_state_left(r, &name, &rank, index))
        return false;
    if (strcmp(name, s->now->name) || rank != s->rank ||
        memcmp(index, s->index, (size_t)rank * sizeof *index))
        return fv_lex_error(l, "expected the step of %%%.60s, over its indices", s->now->name);
    fv_elem e = s->now->type->elem;
    return fv_lex_expect(l, "=") && (s->step = read_expr(r, e, e)) != NULL;
}

static bool read_emission(fv_definition_reader *r, fv_op *op, bool last) {
    fv_lexer *l = &r->p.l;
    fv_recurrence *z = r->recurrence;
    fv_value *v = fv_dr_result(r, op);
    if (!v)
        return false;
    if (v->type->kind != FV_TENSOR || v->type->elem == FV_STRING)
        return fv_lex_error(l, "%%%.60s has no elements to compute", v->name);
    fv_emission e = {
        .value = v, .last = last, .at = FV_NEW(r->p.arena, fv_expr *, v->type->rank + 1)};
    if (!fv_lex_expect(l, "["))
        return false;
    for (int i = 0; i < v->type->rank; i++)
        if ((i && !fv_lex_expect(l, ",")) || !(e.at[i] = read_expr(r, FV_I64, FV_I64)))
            return false;
    if (!fv_lex_expect(l, "]") || !fv_lex_expect(l, "="))
        return false;
    e.x = read_expr(r, v->type->elem, fv_elem_arith(v->type->elem));
    if (e.x)
        z->elements[z->nelements++] = e;
    return e.x != NULL;
}

/* Parses the content of the braces of a recurrence. */
static bool read_lines(fv_definition_reader *r, fv_op *op) {
    fv_lexer *l = &r->p.l;
    fv_recurrence *z = r->recurrence;
    fv_definer d = {.module = r->graph->m, .arena = r->p.arena, .op = op};
    if (!fv_lex_expect(l, "along") || !(z->t = read_var(r)))
        return false;
    while (fv_lex_accept(l, "index")) {
        fv_var *v = read_var(r);
        if (!v || z->nvars == FV_MAX_RANK - 1)
            return v && fv_lex_error(l, "more than %d indices", FV_MAX_RANK - 1);
        FV_PUSH(r->p.arena, z->vars, z->nvars, z->cap_vars, v);
    }
    while (fv_lex_accept(l, "state"))
        if (!read_state(r, &d))
            return false;
    for (int i = 0; i < z->nstates; i++)
        if (!read_step(r, &z->states[i]))
            return false;
    while (fv_lex_is(l, "element") || fv_lex_is(l, "last")) {
        bool last = fv_lex_is(l, "last");
        fv_lex_next(l);
        if (!read_emission(r, op, last))
            return false;
    }
    return fv_lex_expect(l, "}") && !l->failed;
}

bool fv_dr_recurrence(fv_definition_reader *r, fv_op *op) {
    fv_recurrence *z = r->recurrence = FV_NEW(r->p.arena, fv_recurrence, 1);
    int mark = fv_scope_open(&r->p);
    z->op = op;
    bool ok = read_lines(r, op);
    fv_scope_close(&r->p, mark);
    r->recurrence = NULL;
    FV_PUSH(r->p.arena, r->d->recurrences, r->d->nrecurrences, r->d->cap_recurrences, z);
    return ok;
}
