/* definitions_parse.c - parses definitions; the grammar is in definitions.h. The graph is parsed
 * first, by ir/graph/parse.c, and the definitions after it, when all values are known, because a
 * part of a Concat refers to the Concat, which comes later in the text. */
#include "ir/definition/definitions_parse_parts.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/form_text.h"
#include "ir/dim/text.h"
#include "ir/graph/parse.h"

/* ---- lines ---- */

/* Reports an error if the text contains something that only a later step of lowering makes. */
static bool is_behind(fv_definition_reader *r, const char *step, const char *what) {
    return !fv_step_comes(r->d->after, step) ||
           fv_lex_error(&r->p.l, "%s before the step \"%s\", and this is after \"%s\"", what, step,
                        r->d->after);
}

static bool read_let(fv_definition_reader *r) {
    fv_lexer *l = &r->p.l;
    const char *name = fv_lex_name(l, "a name");
    if (!name || !fv_lex_expect(l, "="))
        return false;
    if (fv_dr_var(r, name) || fv_ptrmap_get(&r->lets, name))
        return fv_lex_error(l, "'%.60s' is declared twice", name);
    fv_token at = l->tok;
    fv_expr *x = fv_kx_parse(&r->p, FV_NO_ELEM);
    if (!x || !fv_dr_is_in_bounds(r, x, &at))
        return false;
    *fv_ptrmap_at(&r->lets, name) = x;
    return true;
}

static fv_defined defined_as(const fv_definition_reader *r, fv_value *v, fv_fate fate, int block) {
    return (fv_defined){.value = v,
                        .fate = fate,
                        .last = -1,
                        .origin = v->def->origin,
                        .nchecks = r->blocks[block].nchecks,
                        .checks = r->blocks[block].checks};
}

/* Parses [(DIM, ...)], the dims of the axes with which the value is defined, if they are not the
 * value's own; returns their number, or -1 after a diagnostic. */
static int read_axes_of(fv_definition_reader *r, const fv_value *v, const fv_dim **dims) {
    if (fv_lex_is(&r->p.l, "(")) {
        const fv_ast *list = fv_ast_view(&r->p.l);
        return list ? fv_dr_view(r, list, "join", dims) : -1;
    }
    for (int i = 0; i < v->type->rank; i++)
        dims[i] = NULL;
    return v->type->rank;
}

/* Makes the index variables of a definition, one for each axis. In a group, an index with the name
 * of an index of the first result is the same variable. */
static bool set_indices(fv_definition_reader *r, const fv_defined *x, const char *const *names,
                        const fv_dim *const *dims) {
    fv_definition *d = x->def;
    bool first = fv_is_group(x->value->def) && r->group.op != x->value->def;
    if (r->group.op != x->value->def)
        r->group.vars = fv_ptrmap_in(r->p.arena);
    d->index = FV_NEW(r->p.arena, fv_var *, d->rank + 1);
    for (int i = 0; i < d->rank; i++) {
        const fv_dim *extent =
            dims[i] ? dims[i] : x->value->type->dims[fv_memory_axis(d->rank, x->last, i)];
        fv_var *shared = fv_ptrmap_get(&r->group.vars, names[i]);
        if (shared && shared->dim != extent)
            return fv_lex_error(&r->p.l,
                                "'%.60s' is that of another result of the group, where it runs to "
                                "%s, and not to %s",
                                names[i], fv_dim_str(r->p.arena, shared->dim),
                                fv_dim_str(r->p.arena, extent));
        d->index[i] = shared ? shared : fv_index_var(r->p.arena, names[i], extent);
        fv_scope_var(&r->p, names[i], d->index[i]);
    }
    for (int i = 0; i < d->rank && first; i++)
        *fv_ptrmap_at(&r->group.vars, names[i]) = d->index[i];
    r->group.op = x->value->def;
    return true;
}

/* Parses [NAME, ...], the index variables, one for each axis, in the order of axes in memory. */
static bool read_left(fv_definition_reader *r, fv_definition *d, int rank, const char **names) {
    fv_lexer *l = &r->p.l;
    int n = 0;
    if (!fv_lex_expect(l, "["))
        return false;
    while (!fv_lex_is(l, "]")) {
        const char *name = fv_lex_name(l, "an index variable");
        if (!name)
            return false;
        for (int i = 0; i < n; i++)
            if (names[i] == name)
                return fv_lex_error(l, "'%.60s' is declared twice", name);
        if (fv_dr_var(r, name) || fv_ptrmap_get(&r->lets, name))
            return fv_lex_error(l, "'%.60s' is declared twice", name);
        if (n == rank)
            return fv_lex_error(l, "more than the %d axes of %%%.60s", rank, d->value->name);
        names[n++] = name;
        if (!fv_lex_accept(l, ","))
            break;
    }
    if (n < rank)
        return fv_lex_error(l, "%%%.60s has %d axes, found %d variables", d->value->name, rank, n);
    d->rank = rank;
    return fv_lex_expect(l, "]");
}

static bool read_last(fv_definition_reader *r, fv_defined *x) {
    fv_lexer *l = &r->p.l;
    if (fv_lex_is(l, "last") && !is_behind(r, "layout", "no axis is moved"))
        return false;
    if (!fv_lex_accept(l, "last"))
        return true;
    if (l->tok.kind == FV_TOK_INT && (l->tok.i < 0 || l->tok.i >= x->value->type->rank))
        return fv_lex_error(l, "%%%.60s has no axis %lld", x->value->name, (long long)l->tok.i);
    int64_t axis;
    if (!fv_lex_int(l, &axis))
        return false;
    x->last = (int)axis;
    return true;
}

/* Is v an input whose memory may be larger than the tensor (a state with spare capacity)? */
static bool has_room(const fv_definition_reader *r, const fv_value *v) {
    for (int i = 0; i < r->nports; i++)
        if (r->ports[i].valid && r->ports[i].input && v->kind == FV_VALUE_PARAM &&
            r->ports[i].port == v->index)
            return !fv_step_comes(r->d->after, "extend");
    return false;
}

static bool read_place(fv_definition_reader *r, fv_defined *x) {
    fv_lexer *l = &r->p.l;
    if (fv_lex_is(l, "at") && !is_behind(r, "concat", "nothing is a part"))
        return false;
    if (!fv_lex_accept(l, "at"))
        return true;
    fv_token at = l->tok;
    const fv_ast *e = fv_ast_parse(l);
    if (!e)
        return false;
    fv_expr *place = e->kind == FV_AST_VALUE && !e->otherwise ? fv_dr_value(r, e) : NULL;
    if (!place)
        return fv_kx_error(&r->p, e, "expected an element of a value");
    const fv_value *home = place->u.buf->value;
    if ((home->kind != FV_VALUE_RESULT && !has_room(r, home)) || place->type.lanes != 1)
        return fv_kx_error(&r->p, e, "nothing can be stored there");
    if (!fv_dr_is_in_bounds(r, place, &at))
        return false;
    x->fate = FV_FATE_PART;
    x->of = (fv_value *)(uintptr_t)home;
    x->def->place = place;
    return true;
}

static bool read_names(fv_definition_reader *r) {
    fv_lexer *l = &r->p.l;
    for (;;) {
        if (fv_lex_accept(l, "index")) {
            if (!fv_dr_index(r))
                return false;
        } else if (fv_lex_accept(l, "let")) {
            if (!read_let(r))
                return false;
        } else
            return true;
    }
}

/* Parses NAME, NAME, ...: a set of axes of d, as bits. */
static bool read_axes(fv_definition_reader *r, const fv_definition *d, uint32_t *axes) {
    fv_lexer *l = &r->p.l;
    do {
        const char *name = fv_lex_name(l, "an axis");
        const fv_var *v = name ? fv_dr_var(r, name) : NULL;
        int i = v ? fv_definition_axis(d, v) : d->rank;
        if (!name)
            return false;
        if (i == d->rank)
            return fv_lex_error(l, "'%.60s' is no axis of %%%.60s", name, d->value->name);
        *axes |= UINT32_C(1) << i;
    } while (fv_lex_accept(l, ","));
    return true;
}

/* Parses NAME, NAME, ...: the variables of the reduction of d that fv_form_over finds. */
static bool read_summed(fv_definition_reader *r, const fv_definition *d) {
    fv_lexer *l = &r->p.l;
    fv_var *const *vars;
    int n = fv_form_over(d, &vars), i = 0;
    do {
        const char *name = fv_lex_name(l, "a variable of the sum");
        const fv_var *v = name ? fv_dr_var(r, name) : NULL;
        if (!name)
            return false;
        if (i == n || v != vars[i])
            return fv_lex_error(l, "the sum of %%%.60s is not over '%.60s' there", d->value->name,
                                name);
        i++;
    } while (fv_lex_accept(l, ","));
    return i == n || fv_lex_error(l, "the sum of %%%.60s is over %d variables, found %d",
                                  d->value->name, n, i);
}

/* Parses the variables of the first sum, after the word `over` or `keys`; a definition without a
 * sum has none. */
static bool read_terms(fv_definition_reader *r, const fv_definition *d, const char *word) {
    fv_lexer *l = &r->p.l;
    fv_var *const *vars;
    if (!fv_form_over(d, &vars))
        return true;
    return fv_lex_accept(l, word)
               ? read_summed(r, d)
               : fv_lex_error(l, "expected '%s' and the variables of the sum", word);
}

/* Parses `as FORM [rows|queries AXES] [columns|each|features AXES] over|keys VARIABLES`; maps and
 * rows have only their name, transposes have no sums. */
static bool read_form(fv_definition_reader *r, fv_definition *d) {
    fv_lexer *l = &r->p.l;
    if (fv_lex_is(l, "as") && !is_behind(r, "form", "no definition has a form"))
        return false;
    if (!fv_lex_accept(l, "as"))
        return true;
    const char *name = fv_lex_name(l, "a form");
    if (!name)
        return false;
    d->form.kind = fv_form_find(name);
    if (d->form.kind == FV_FORM_NONE)
        return fv_lex_error(
            l, "'%.60s' is no form; there are map, transpose, row, contract and attention", name);
    fv_form_words words = fv_form_words_of(d->form.kind);
    if (words.rows && fv_lex_accept(l, words.rows) && !read_axes(r, d, &d->form.rows))
        return false;
    d->form.each = d->form.kind == FV_FORM_CONTRACT && fv_lex_accept(l, "each");
    bool columns = d->form.each || (words.columns && fv_lex_accept(l, words.columns));
    if (columns && !read_axes(r, d, &d->form.columns))
        return false;
    return !words.terms || read_terms(r, d, words.terms);
}

static bool read_body(fv_definition_reader *r, fv_defined *x) {
    fv_elem stored = x->value->type->elem;
    if (!fv_lex_expect(&r->p.l, "="))
        return false;
    fv_token at = r->p.l.tok;
    const fv_ast *e = fv_ast_parse(&r->p.l);
    fv_expr *body = e ? fv_kx_build(&r->p, e, stored) : NULL;
    if (!body || !fv_dr_is_in_bounds(r, body, &at))
        return false;
    if (body->type.lanes != 1 ||
        (body->type.elem != stored && body->type.elem != fv_elem_arith(stored)))
        return fv_kx_error(
            &r->p, e, "%%%.60s is %s, this is %s", x->value->name, fv_elem_name(stored),
            body->type.lanes == 1 ? fv_elem_name((fv_elem)body->type.elem) : "a vector");
    x->def->body = body;
    if (!read_form(r, x->def))
        return false;
    /* within other bounds of dims a definition may have another form, so lowering finds it again */
    if (r->graph->nchosen)
        x->def->form = (fv_form){.kind = FV_FORM_NONE};
    return true;
}

/* Parses `of VALUE`, the value in whose memory a view is. */
static bool read_home(fv_definition_reader *r, fv_defined *x) {
    fv_lexer *l = &r->p.l;
    if (!fv_lex_expect(l, "of"))
        return false;
    bool constant = fv_lex_accept(l, "@");
    if (!constant && !fv_lex_expect(l, "%"))
        return false;
    x->of = l->tok.kind == FV_TOK_NAME ? fv_value_find(r->graph->m, l->tok.s) : NULL;
    if (l->tok.kind == FV_TOK_NAME && (!x->of || (x->of->kind == FV_VALUE_CONST) != constant))
        return fv_lex_error(l, "no value is called %s%.60s", constant ? "@" : "%", l->tok.s);
    return fv_lex_name(l, "the name of a value") != NULL;
}

/* May the text leave out the expressions of a value that has no memory of its own? It may if no
 * later step of lowering needs them. */
static bool goes_without(fv_definition_reader *r, const fv_defined *x) {
    const char *step = x->fate == FV_FATE_VIEW ? "attend" : "concat";
    return !fv_step_comes(r->d->after, step) ||
           fv_lex_error(&r->p.l,
                        "the step \"%s\", which follows, needs the definition of %%%.60s; "
                        "expected '[', found %s",
                        step, x->value->name, fv_lex_found(&r->p.l));
}

static bool read_element(fv_definition_reader *r, fv_op *op, int block, fv_fate fate) {
    fv_lexer *l = &r->p.l;
    fv_arena *a = r->p.arena;
    fv_value *v = fv_dr_result(r, op);
    const char *names[FV_MAX_RANK];
    int mark = fv_scope_open(&r->p);
    if (!v)
        return false;
    fv_defined x = defined_as(r, v, fate, block);
    bool memory = fate == FV_FATE_MEMORY, view = fate == FV_FATE_VIEW;
    if (!memory && !fv_lex_is(l, "[") && !fv_lex_is(l, "(")) {
        if (!goes_without(r, &x) || (view && !read_home(r, &x)))
            return false;
        FV_PUSH(r->graph->m->arena, r->d->all, r->d->n, r->d->cap, x);
        return true;
    }
    if (v->type->kind != FV_TENSOR || v->type->elem == FV_STRING)
        return fv_lex_error(l, "%%%.60s has no elements to compute", v->name);
    fv_definition *d = x.def = FV_NEW(a, fv_definition, 1);
    d->value = v;
    const fv_dim *dims[FV_MAX_RANK];
    int rank = read_axes_of(r, v, dims);
    if (rank < 0 || !read_left(r, d, rank, names) || (memory && !read_last(r, &x)) ||
        !set_indices(r, &x, names, dims))
        return false;
    if (!read_names(r) || (memory && !read_place(r, &x)) || (view && !read_home(r, &x)) ||
        !read_body(r, &x))
        return false;
    FV_PUSH(r->graph->m->arena, r->d->all, r->d->n, r->d->cap, x);
    fv_scope_close(&r->p, mark);
    r->lets = fv_ptrmap_in(a);
    return true;
}

/* Parses `over %past`. */
static bool read_over(fv_definition_reader *r, const fv_op *op, fv_defined *x) {
    fv_lexer *l = &r->p.l;
    if (fv_lex_is(l, "over") &&
        !is_behind(r, "extend", "nothing is stored in the memory of an input"))
        return false;
    if (!fv_lex_accept(l, "over"))
        return true;
    const char *name = fv_lex_expect(l, "%") ? fv_lex_name(l, "an input") : NULL;
    if (!name)
        return false;
    bool writes = fv_op_is(op, FV_OP_fv_Extend) || op->def->kernel;
    if (!writes || !op->nin || !op->in[0] || op->in[0]->kind != FV_VALUE_PARAM ||
        strcmp(op->in[0]->name, name))
        return fv_lex_error(l,
                            "%%%.60s is no fv.Extend of the input %%%.60s, nor a scatter into it",
                            x->value->name, name);
    x->of = op->in[0];
    return true;
}

static bool read_assembled(fv_definition_reader *r, fv_op *op, int block) {
    fv_value *v = fv_dr_result(r, op);
    if (!v)
        return false;
    fv_defined x = defined_as(r, v, FV_FATE_ASSEMBLED, block);
    if (v->type->kind != FV_TENSOR || v->type->elem == FV_STRING)
        return fv_lex_error(&r->p.l, "%%%.60s has no elements to compute", v->name);
    if (!read_last(r, &x) || !read_over(r, op, &x))
        return false;
    FV_PUSH(r->graph->m->arena, r->d->all, r->d->n, r->d->cap, x);
    return true;
}

/* ---- the block after an operator ---- */

static bool read_block(fv_definition_reader *r, int block) {
    fv_lexer *l = &r->p.l;
    fv_op *op = r->blocks[block].op;
    *l = r->blocks[block].at;
    if (!fv_lex_expect(l, "{"))
        return false;
    if (op->def == &fv_recurrence_def)
        return fv_dr_recurrence(r, op);
    while (!fv_lex_accept(l, "}")) {
        bool ok =
            (!fv_lex_is(l, "substituted") || is_behind(r, "group", "nothing is substituted")) &&
            (!fv_lex_is(l, "view") || is_behind(r, "group", "nothing is a view")) &&
            (!fv_lex_is(l, "assembled") || is_behind(r, "concat", "nothing is assembled"));
        if (!ok)
            return false;
        if (fv_lex_accept(l, "element"))
            ok = read_element(r, op, block, FV_FATE_MEMORY);
        else if (fv_lex_accept(l, "substituted"))
            ok = read_element(r, op, block, FV_FATE_SUBSTITUTED);
        else if (fv_lex_accept(l, "view"))
            ok = read_element(r, op, block, FV_FATE_VIEW);
        else if (fv_lex_accept(l, "assembled"))
            ok = read_assembled(r, op, block);
        else
            ok = fv_lex_error(
                l, "expected 'element', 'substituted', 'view', 'assembled' or '}', found %s",
                fv_lex_found(l));
        if (!ok || l->failed)
            return false;
    }
    return !l->failed;
}

/* ---- callbacks of the parser of graphs ---- */

static bool is_step(const char *name) {
    const char *const *step = fv_lower_steps();
    while (*step && strcmp(*step, name))
        step++;
    return *step != NULL;
}

static const char *step_names(fv_arena *a) {
    fv_text t = {.arena = a};
    for (const char *const *step = fv_lower_steps(); *step; step++)
        fv_text_printf(&t, "%s\"%s\"", t.n ? ", " : "", *step);
    return t.s;
}

static bool begin(fv_graph_reader *g) {
    fv_definition_reader *r = FV_NEW(g->m->arena, fv_definition_reader, 1);
    fv_arena *a = g->m->arena;
    *r = (fv_definition_reader){.graph = g,
                                .bufs = fv_ptrmap_in(a),
                                .lets = fv_ptrmap_in(a),
                                .taken = fv_ptrmap_in(a),
                                .sizes = fv_ptrmap_in(a),
                                .group.vars = fv_ptrmap_in(a)};
    g->more = r;
    r->d = g->m->definitions = FV_NEW(a, fv_definitions, 1);
    if (!fv_lex_expect(&g->l, "after"))
        return false;
    if (g->l.tok.kind != FV_TOK_STRING)
        return fv_lex_error(&g->l, "expected the name of a step in quotes, found %s",
                            fv_lex_found(&g->l));
    r->d->after = fv_intern(g->m->session, g->l.tok.s);
    if (!is_step(r->d->after))
        return fv_lex_error(&g->l, "\"%.60s\" is no step of lowering; there are %s", r->d->after,
                            step_names(a));
    fv_lex_next(&g->l);
    return true;
}

/* Parses a line about a port: `packed input N: TYPE` or `valid input N: TYPE`. */
static bool line(fv_graph_reader *g, bool *taken) {
    fv_definition_reader *r = g->more;
    fv_port_line p = {.at = g->l.tok};
    if (fv_lex_is(&g->l, "func") && g->m->funcs)
        return fv_lex_error(&g->l, "definitions are of one function, @%.60s", g->m->funcs->name);
    p.valid = fv_lex_accept(&g->l, "valid");
    *taken = p.valid || fv_lex_accept(&g->l, "packed");
    if (!*taken)
        return true;
    p.input = fv_lex_accept(&g->l, "input");
    if ((!p.input && !fv_lex_expect(&g->l, "output")) || !fv_lex_int(&g->l, &p.port) ||
        !fv_lex_expect(&g->l, ":"))
        return false;
    p.type = fv_read_type(g);
    if (!p.type)
        return false;
    if (p.type->kind != FV_TENSOR || fv_elem_is_packed(p.type->elem) == p.valid)
        return fv_lex_error(&g->l, "%s is %s", fv_type_str(g->m->arena, p.type),
                            p.valid ? "no tensor in memory" : "not packed");
    FV_PUSH(g->m->arena, r->ports, r->nports, r->cap_ports, p);
    return true;
}

/* Skips to the token after the closing brace. */
static bool skip(fv_lexer *l) {
    while (!fv_lex_is(l, "}") && l->tok.kind != FV_TOK_END && !l->failed)
        fv_lex_next(l);
    return fv_lex_expect(l, "}");
}

static bool after_op(fv_graph_reader *g, fv_op *op) {
    fv_definition_reader *r = g->more;
    fv_block_later b = {.op = op};
    if (!fv_read_nodes(g, "checks", &b.nchecks, &b.checks))
        return false;
    if (!fv_lex_is(&g->l, "{"))
        return (op->def != &fv_define_def && op->def != &fv_recurrence_def) ||
               fv_lex_error(&g->l, "expected its definition in braces, found %s",
                            fv_lex_found(&g->l));
    if (fv_is_group(op) && fv_step_comes(r->d->after, "join"))
        return fv_lex_error(
            &g->l,
            "no kernel has several results before the step \"join\", and this is after \"%s\"",
            r->d->after);
    if (op->block != g->m->funcs->body)
        return fv_lex_error(&g->l, "values in a region of an op have no definitions");
    b.at = g->l;
    FV_PUSH(g->m->arena, r->blocks, r->nblocks, r->cap_blocks, b);
    return skip(&g->l);
}

/* Is `bytes` the type that holds the elements of t, several of which are packed into each byte? */
static bool are_its_bytes(const fv_module *m, const fv_type *bytes, const fv_type *t) {
    const fv_dim *n = fv_dim_ceildiv(m->dims, fv_dim_product(m->dims, t->rank, t->dims),
                                     fv_dim_const(m->dims, 8 / fv_elem_bits(t->elem)));
    return bytes->kind == FV_TENSOR && bytes->elem == FV_U8 && bytes->rank == 1 &&
           fv_module_equal(m, bytes->dims[0], n);
}

static bool set_ports(fv_definition_reader *r) {
    fv_arena *a = r->graph->m->arena;
    const fv_region *body = r->graph->m->funcs->body;
    r->d->in = FV_NEW(a, const fv_type *, body->nparams + 1);
    r->d->out = FV_NEW(a, const fv_type *, body->last->nin + 1);
    for (int i = 0; i < r->nports; i++) {
        const fv_port_line *p = &r->ports[i];
        const fv_value *v = p->port < 0 || p->port >= (p->input ? body->nparams : body->last->nin)
                                ? NULL
                            : p->input ? body->params[p->port]
                                       : body->last->in[p->port];
        r->graph->l.tok = p->at;
        if (!v)
            return fv_lex_error(&r->graph->l, "there is no %s %lld", p->input ? "input" : "output",
                                (long long)p->port);
        if (!p->valid && !are_its_bytes(r->graph->m, v->type, p->type))
            return fv_lex_error(&r->graph->l, "%%%.60s is %s, and not the bytes of %s", v->name,
                                fv_type_str(a, v->type), fv_type_str(a, p->type));
        const fv_type **type = &(p->input ? r->d->in : r->d->out)[p->port];
        if (*type)
            return fv_lex_error(&r->graph->l, "%s %lld is given twice",
                                p->input ? "input" : "output", (long long)p->port);
        *type = p->type;
    }
    return true;
}

/* Puts the extents of buffers whose value has a moved axis into the order of axes in memory, in
 * which the text has the indices of loads. */
static void move_axes(fv_definition_reader *r) {
    for (int i = 0; i < r->d->n; i++) {
        const fv_defined *x = &r->d->all[i];
        fv_buf *b = x->last >= 0 ? fv_ptrmap_get(&r->bufs, x->value) : NULL;
        for (int k = 0; b && k < b->rank; k++)
            b->extent[k] = fv_x_dim(r->graph->m->arena,
                                    x->value->type->dims[fv_memory_axis(b->rank, x->last, k)]);
    }
}

static bool end(fv_graph_reader *g) {
    fv_definition_reader *r = g->more;
    fv_kparser_init(&r->p, g->m->arena, "");
    r->p.more = fv_dr_extra;
    r->p.defining = r;
    for (int i = 0; i < r->nblocks; i++)
        if (!read_block(r, i))
            return false;
    move_axes(r);
    return set_ports(r);
}

fv_module *fv_definitions_parse(fv_session *s, const char *text, const char *folder,
                                const char *const *dims) {
    static const fv_graph_dialect dialect = {
        "definitions", FV_DEFINITIONS_FORMAT, begin, line, fv_definitions_op, after_op, end};
    return fv_module_parse_as(s, text, folder, dims, &dialect);
}
