/* body.c - parses definitions of expansions. See body.h. */
#include "ir/rule/body.h"

#include <string.h>

#include "ir/rule/parts.h"

/* ---- grammar ---- */

static bool accept_arrow(fv_lexer *l) {
    return fv_lex_accept(l, "=>") || (fv_lex_accept(l, "=") && fv_lex_accept(l, ">"));
}

static bool parse_head(fv_lexer *l, fv_body *b) {
    fv_ast *head = fv_ast_parse(l);
    if (!head)
        return false;
    if (head->kind != FV_AST_CALL || strcmp(head->name, b->name))
        return fv_error_at(l->session, head->line, head->column,
                           "rule %s: expected %s on the left of =>", b->name, b->name);
    b->nparams = head->n;
    b->params = head->arg;
    return accept_arrow(l) || fv_lex_error(l, "expected =>, found %s", fv_lex_found(l));
}

/* Parses expressions separated by commas: the names of a let, or the results of the definition. */
static int parse_items(fv_lexer *l, fv_ast **items) {
    int n = 0;
    do {
        if (n == FV_MAX_OUT)
            fv_lex_error(l, "more than %d results", FV_MAX_OUT);
        else
            items[n] = fv_ast_parse(l);
        if (l->failed || !items[n])
            return 0;
        n++;
    } while (fv_lex_accept(l, ","));
    return n;
}

static bool parse_let(fv_lexer *l, int n, fv_ast *const *items, fv_body_let *out) {
    out->n = n;
    for (int i = 0; i < n; i++) {
        if (items[i]->kind != FV_AST_NAME)
            return fv_lex_error(l, "expected names before =");
        out->names[i] = items[i]->name;
    }
    out->value = fv_ast_parse(l);
    return out->value != NULL;
}

static bool parse_definition(fv_lexer *l, fv_body *b) {
    fv_ast *items[FV_MAX_OUT];
    int cap = 0, n = 0;
    if (!parse_head(l, b))
        return false;
    while (l->tok.kind != FV_TOK_END) {
        fv_body_let let;
        n = parse_items(l, items);
        if (!n)
            return false;
        if (!fv_lex_accept(l, "="))
            break;
        if (!parse_let(l, n, items, &let))
            return false;
        FV_PUSH(l->arena, b->lets, b->nlets, cap, let);
        n = 0;
        if (fv_lex_accept(l, ";"))
            continue;
    }
    b->nresults = n;
    b->results = FV_NEW(l->arena, fv_ast *, n + 1);
    memcpy(b->results, items, (size_t)n * sizeof *items);
    return l->tok.kind == FV_TOK_END ||
           fv_lex_error(l, "expected the end of the definition, found %s", fv_lex_found(l));
}

/* ---- names ---- */

/* Adds the names in a parameter to the scope: of x, or of x[b, rows.., n]. False after a
 * diagnostic. */
static bool add_param(fv_rule_scope *s, const fv_ast *x) {
    if (x->kind != FV_AST_NAME && x->kind != FV_AST_INDEX)
        return fv_rule_error(s, x, "expected the name of an operand");
    if (!fv_rule_add_name(s, x, x->name, (fv_rule_name){.is_any = !s->def}))
        return false;
    for (int i = 0; i < x->n; i++)
        if (x->arg[i]->kind != FV_AST_NAME && x->arg[i]->kind != FV_AST_GROUP)
            return fv_rule_error(s, x->arg[i], "expected the name of a dim");
        else if (!fv_rule_add_name(s, x->arg[i], x->arg[i]->name, (fv_rule_name){.is_any = true}))
            return false;
    return true;
}

static bool add_attrs(fv_rule_scope *s, const fv_ast *at) {
    for (int i = 0; s->def && i < FV_MAX_ATTRS && s->def->attrs[i].name; i++) {
        const fv_attr_def *d = &s->def->attrs[i];
        if (!d->until &&
            !fv_rule_add_name(s, at, d->name, (fv_rule_name){.is_attr = true, .kind = d->kind}))
            return false;
    }
    return true;
}

/* Checks the names in all expressions. The order of lets does not matter, since each is built when
 * it is needed. */
static bool check(fv_rule_scope *s, const fv_body *b) {
    const fv_ast start = {.kind = FV_AST_NAME, .line = 1, .column = 1, .name = b->name};
    for (int i = 0; i < b->nparams; i++)
        if (!add_param(s, b->params[i]))
            return false;
    if (!add_attrs(s, &start))
        return false;
    for (int i = 0; i < b->nlets; i++)
        for (int k = 0; k < b->lets[i].n; k++)
            if (!fv_rule_add_name(s, b->lets[i].value, b->lets[i].names[k],
                                  (fv_rule_name){.is_any = true}))
                return false;
    for (int i = 0; i < b->nlets; i++)
        if (!fv_rule_check_new(s, b->lets[i].value))
            return false;
    for (int i = 0; i < b->nresults; i++)
        if (!fv_rule_check_new(s, b->results[i]))
            return false;
    return true;
}

static bool parse_and_check(fv_arena *a, const fv_opdef *def, const char *text, fv_body *b) {
    fv_lexer l;
    fv_rule_scope s = {
        .session = fv_arena_session(a), .rule = b->name, .def = def, .in_body = true};
    fv_lex_init(&l, s.session, a, text);
    return parse_definition(&l, b) && check(&s, b);
}

bool fv_body_parse(fv_arena *a, const fv_opdef *def, const char *name, const char *text,
                   fv_body *out) {
    fv_session *s = fv_arena_session(a);
    const char *before = fv_diag_file_get(s);
    *out = (fv_body){.name = name};
    /* lines and columns in messages are those of this text */
    fv_diag_file(s, def ? fv_opdef_source(def) : "the expansions of the catalogue");
    bool ok = parse_and_check(a, def, text, out);
    fv_diag_file(s, before);
    return ok;
}

/* ---- definitions, parsed once in a session ---- */

static const char key;

static fv_body *parse_new(fv_arena *a, const fv_opdef *def, const char *name) {
    const char *text = fv_body_text(name);
    fv_session *s = fv_arena_session(a);
    fv_body *b = FV_NEW(a, fv_body, 1);
    if (!text) {
        fv_error(s, "the catalogue has no expansion '%s'", name);
        return NULL;
    }
    char *copy = fv_strndup(a, text, fv_body_bytes(text));
    return fv_body_parse(a, def, name, copy, b) ? b : NULL;
}

const fv_body *fv_body_find(fv_session *s, const fv_opdef *def, const char *name) {
    void **slot = fv_session_slot(s, &key);
    if (!*slot) {
        fv_arena *a = fv_arena_new(s);
        fv_ptrmap *map = FV_NEW(a, fv_ptrmap, 1);
        *map = fv_ptrmap_in(a);
        *fv_session_slot(s, &key) = map;
        slot = fv_session_slot(s, &key);
    }
    fv_ptrmap *map = *slot;
    const void *at = def ? (const void *)def : fv_intern(s, name);
    fv_body *first = fv_ptrmap_get(map, at), *b = first;
    while (b && strcmp(b->name, name))
        b = b->next;
    if (!b && (b = parse_new(map->arena, def, name))) {
        b->next = first;
        *fv_ptrmap_at(map, at) = b;
    }
    return b;
}
