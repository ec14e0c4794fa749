/* parse.c - parses rules and checks their names. */
#include "ir/rule/parts.h"

#include <string.h>

#include "ir/base/whole.h"
#include "ir/catalogue/own.h"

/* ---- grammar ---- */

static bool parse_name(fv_lexer *l, const char **out) {
    fv_text t = {.arena = l->arena};
    while (l->tok.kind == FV_TOK_NAME || l->tok.kind == FV_TOK_INT || fv_lex_is(l, "-")) {
        fv_text_put(&t, l->tok.s);
        fv_lex_next(l);
    }
    *out = t.s;
    return t.s != NULL ||
           fv_lex_error(l, "expected the name of the rule, found %s", fv_lex_found(l));
}

static bool accept_arrow(fv_lexer *l) {
    return fv_lex_accept(l, "=>") || (fv_lex_accept(l, "=") && fv_lex_accept(l, ">"));
}

static bool expect_arrow(fv_lexer *l) {
    return accept_arrow(l) || fv_lex_error(l, "expected =>, found %s", fv_lex_found(l));
}

/* Parses a condition; `c ~ e` becomes a BINARY node with the operator "~". */
static fv_ast *parse_condition(fv_lexer *l) {
    fv_ast *x = fv_ast_parse(l);
    if (!x || !fv_lex_accept(l, "~"))
        return x;
    fv_ast *y = fv_ast_parse(l), *r = FV_NEW(l->arena, fv_ast, 1);
    *r = (fv_ast){.kind = FV_AST_BINARY, .line = x->line, .column = x->column, .name = "~", .n = 2};
    r->arg = FV_NEW(l->arena, fv_ast *, 2);
    r->arg[0] = x;
    r->arg[1] = y;
    return y ? r : NULL;
}

static bool parse_where(fv_lexer *l, fv_rule *r) {
    int cap = 0;
    if (!fv_lex_accept(l, "where"))
        return true;
    do {
        fv_ast *c = parse_condition(l);
        if (!c)
            return false;
        FV_PUSH(l->arena, r->where, r->nwhere, cap, c);
    } while (fv_lex_accept(l, ","));
    return true;
}

static bool parse_tolerance(fv_lexer *l, double *out) {
    if (l->tok.kind != FV_TOK_FLOAT || !(l->tok.f > 0))
        return fv_lex_error(l, "expected a tolerance such as 1e-3 after approximate, found %s",
                            fv_lex_found(l));
    *out = l->tok.f;
    fv_lex_next(l);
    return true;
}

static const char *const exactness_names[FV_EXACTNESSES] = {"exact", "summed", "rounding",
                                                            "approximate"};

static bool parse_exactness(fv_lexer *l, fv_rule *r) {
    for (int i = 0; i < FV_EXACTNESSES; i++)
        if (fv_lex_accept(l, exactness_names[i])) {
            r->exactness = (fv_exactness)i;
            return i != FV_APPROXIMATE || parse_tolerance(l, &r->tolerance);
        }
    return fv_lex_error(l, "expected exact, summed, rounding or approximate, found %s",
                        fv_lex_found(l));
}

static bool parse_rule(fv_lexer *l, fv_rule *r) {
    r->line = l->tok.line;
    return fv_lex_expect(l, "rule") && parse_name(l, &r->name) && fv_lex_expect(l, ":") &&
           (r->pattern = fv_ast_parse(l)) && parse_where(l, r) && expect_arrow(l) &&
           (r->replacement = fv_ast_parse(l)) && parse_exactness(l, r);
}

/* ---- names ---- */

static bool add(fv_rule_scope *s, const fv_ast *at, fv_rule_name name) {
    return fv_rule_add_name(s, at, at->name, name);
}

static bool add_value(fv_rule_scope *s, const fv_ast *at) {
    return add(s, at, (fv_rule_name){0});
}

static bool add_attr(fv_rule_scope *s, const fv_ast *at, fv_attr_kind kind) {
    return add(s, at, (fv_rule_name){.is_attr = true, .kind = kind});
}

static const fv_opdef *find_op(const fv_rule_scope *s, const fv_ast *call) {
    const char *dot = strrchr(call->name, '.');
    char domain[64] = "";
    if (dot && (size_t)(dot - call->name) < sizeof domain)
        memcpy(domain, call->name, (size_t)(dot - call->name));
    const fv_opdef *d = fv_op_find_in(s->session, domain, dot ? dot + 1 : call->name);
    if (!d)
        fv_rule_error(s, call, "there is no op '%s'", call->name);
    return d;
}

/* May `xs..` stand for operands of the op? They are optional, or there may be any number. */
static bool takes_rest(const fv_opdef *def) {
    for (int i = 0; i < FV_MAX_IN && def->in[i].name; i++)
        if (def->in[i].arity != FV_REQUIRED)
            return true;
    return false;
}

static bool is_variadic(const fv_opdef *def) {
    int n = 0;
    while (n < FV_MAX_IN && def->in[n].name)
        n++;
    return n && def->in[n - 1].arity == FV_VARIADIC;
}

/* Checks the number of operands of a call: n, or at least n if one of them is `xs..`. */
static bool check_operand_count(const fv_rule_scope *s, const fv_ast *call, const fv_opdef *def,
                                int n) {
    int least = 0, most = 0, rests = 0;
    for (int i = 0; i < call->n; i++)
        rests += call->arg[i]->kind == FV_AST_GROUP;
    if (rests && !takes_rest(def))
        return fv_rule_error(s, call,
                             "%s has neither optional operands nor any number of them, which `..` "
                             "stands for",
                             call->name);
    for (; most < FV_MAX_IN && def->in[most].name; most++)
        if (def->in[most].arity == FV_REQUIRED)
            least = most + 1;
        else if (def->in[most].arity == FV_VARIADIC)
            least = most + def->in[most].min;
    if (is_variadic(def))
        most = FV_MAX_IN;
    n -= rests;
    least = rests ? 0 : least;
    if (n < least || n > most)
        return fv_rule_error(s, call, "%s has %d operands here, expected %s%d", call->name, n,
                             n < least && least < most  ? "at least "
                             : n > most && least < most ? "at most "
                                                        : "",
                             n < least ? least : most);
    return true;
}

static const fv_attr_def *find_attr(const fv_rule_scope *s, const fv_ast *named,
                                    const fv_opdef *def) {
    const fv_attr_def *d = fv_opdef_attr(def, named->name);
    if (!d || d->until) {
        fv_rule_error(s, named, "%s has no attribute '%s'", def->name, named->name);
        return NULL;
    }
    return d;
}

static bool is_int_list(const fv_ast *x) {
    double v;
    for (int i = 0; i < x->n; i++)
        if (!fv_rule_number(x->arg[i], &v) || !fv_is_whole(v))
            return false;
    return x->kind == FV_AST_LIST && x->n <= FV_MAX_RANK;
}

/* Checks that x is a literal that attribute d can have. False after a diagnostic. */
static bool check_attr_literal(const fv_rule_scope *s, const fv_ast *x, const fv_attr_def *d) {
    double v;
    bool ok = d->kind == FV_ATTR_INT      ? fv_rule_number(x, &v) && fv_is_whole(v)
              : d->kind == FV_ATTR_FLOAT  ? fv_rule_number(x, &v)
              : d->kind == FV_ATTR_STRING ? x->kind == FV_AST_STRING
                                          : d->kind == FV_ATTR_INTS && is_int_list(x);
    return ok || fv_rule_error(s, x, "attribute '%s' cannot be that", d->name);
}

static bool check_pattern_attr(fv_rule_scope *s, const fv_ast *named, const fv_opdef *def) {
    const fv_attr_def *d = find_attr(s, named, def);
    const fv_ast *x = named->arg[0];
    if (!d)
        return false;
    return x->kind == FV_AST_NAME ? add_attr(s, x, d->kind) : check_attr_literal(s, x, d);
}

static bool check_pattern(fv_rule_scope *s, const fv_ast *p);

static bool check_op(fv_rule_scope *s, const fv_ast *p) {
    const fv_opdef *def = find_op(s, p);
    int operands = 0;
    if (!def)
        return false;
    for (int i = 0; i < p->n; i++) {
        bool named = p->arg[i]->kind == FV_AST_NAMED;
        operands += !named;
        if (named ? !check_pattern_attr(s, p->arg[i], def) : !check_pattern(s, p->arg[i]))
            return false;
    }
    return check_operand_count(s, p, def, operands);
}

/* Removes from scope s all names that `other` does not have, or has with another kind: only the
 * names that remain are bound by both alternatives. */
static void keep_common(fv_rule_scope *s, const fv_rule_scope *other) {
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        const fv_rule_name *k = fv_rule_find_name(other, s->names[i].name);
        if (k && k->is_attr == s->names[i].is_attr && k->is_rest == s->names[i].is_rest &&
            k->kind == s->names[i].kind)
            s->names[n++] = s->names[i];
    }
    s->n = n;
}

static bool check_either(fv_rule_scope *s, const fv_ast *p) {
    fv_rule_scope other = *s;
    if (!check_pattern(s, p->arg[0]) || !check_pattern(&other, p->arg[1]))
        return false;
    keep_common(s, &other);
    return true;
}

/* Checks a pattern of ops that may be skipped: Cast, fv.Reshape(), Transpose(perm=[1, 0]), Cast |
 * Identity. It must capture nothing, since the op may be absent. */
static bool check_skipped(const fv_rule_scope *s, const fv_ast *p) {
    if (fv_pattern_kind_of(p) == FV_PATTERN_EITHER)
        return check_skipped(s, p->arg[0]) && check_skipped(s, p->arg[1]);
    if (p->kind != FV_AST_NAME && fv_pattern_kind_of(p) != FV_PATTERN_OP)
        return fv_rule_error(
            s, p, "expected an op that may be skipped, as Cast or Transpose(perm=[1, 0])");
    const fv_opdef *def = find_op(s, p);
    if (!def)
        return false;
    for (int i = 0; i < p->n; i++) {
        const fv_ast *named = p->arg[i], *value = named->n ? named->arg[0] : NULL;
        const fv_attr_def *d = named->kind == FV_AST_NAMED ? find_attr(s, named, def) : NULL;
        if (named->kind != FV_AST_NAMED)
            return fv_rule_error(
                s, named, "what may be skipped is an op of one operand, which is left out here");
        if (!d)
            return false;
        if (value->kind == FV_AST_NAME ? strcmp(value->name, "_") != 0
                                       : !check_attr_literal(s, value, d))
            return value->kind == FV_AST_NAME &&
                   fv_rule_error(s, value, "'%s' would not be known where nothing is skipped",
                                 value->name);
    }
    return true;
}

static bool check_skipping(fv_rule_scope *s, const fv_ast *p) {
    if (p->n != 2)
        return fv_rule_error(s, p, "expected %s(OP, pattern)", p->name);
    return check_skipped(s, p->arg[0]) && check_pattern(s, p->arg[1]);
}

/* Checks result(i, OP(...)): the op must have a result i. */
static bool check_result(const fv_rule_scope *s, const fv_ast *p) {
    if (p->n != 2 || p->arg[0]->kind != FV_AST_INT ||
        fv_pattern_kind_of(p->arg[1]) != FV_PATTERN_OP)
        return fv_rule_error(s, p, "expected result(i, OP(...)), where i counts from 0");
    const fv_opdef *def = find_op(s, p->arg[1]);
    int n = 0;
    if (!def)
        return false;
    while (n < FV_MAX_OUT && def->out[n].name)
        n++;
    bool any = n && def->out[n - 1].arity == FV_VARIADIC;
    if (p->arg[0]->i < 0 || p->arg[0]->i >= (any ? FV_MAX_OUT : n))
        return fv_rule_error(s, p->arg[0], "%s has no result %lld", p->arg[1]->name,
                             (long long)p->arg[0]->i);
    return true;
}

static bool check_about(const fv_rule_scope *s, const fv_ast *p) {
    double v;
    return fv_rule_number(p->arg[0], &v) || fv_rule_error(s, p, "expected a number after ~");
}

static bool check_pattern(fv_rule_scope *s, const fv_ast *p) {
    switch (fv_pattern_kind_of(p)) {
    case FV_PATTERN_NAME: return add_value(s, p);
    case FV_PATTERN_NUMBER: return true;
    case FV_PATTERN_ABOUT: return check_about(s, p);
    case FV_PATTERN_OP: return check_op(s, p);
    case FV_PATTERN_EITHER: return check_either(s, p);
    case FV_PATTERN_OPTIONAL:
    case FV_PATTERN_REPEATED: return check_skipping(s, p);
    case FV_PATTERN_RESULT: return check_result(s, p) && check_op(s, p->arg[1]);
    case FV_PATTERN_REST: return add(s, p, (fv_rule_name){.is_rest = true});
    case FV_PATTERN_NONE: break;
    }
    if (p->kind == FV_AST_BINARY && fv_pattern_kind_of(p->arg[0]) == FV_PATTERN_ABOUT)
        return fv_rule_error(s, p, "~ applies to the number after it only: write ~(a %s b)",
                             p->name);
    return fv_rule_error(s, p, "expected an op, a name or a number");
}

/* ---- the right side ---- */

static bool check_list_name(const fv_rule_scope *s, const fv_ast *at, const char *name) {
    const fv_rule_name *k = fv_rule_find_name(s, name);
    return (k && k->is_attr && k->kind == FV_ATTR_INTS) ||
           fv_rule_error(s, at, "'%s' is no list of numbers that the pattern captures", name);
}

/* Checks an attribute of the form perm=p[q]. */
static bool check_composed(const fv_rule_scope *s, const fv_ast *x) {
    return (x->n == 1 && x->arg[0]->kind == FV_AST_NAME && !x->otherwise &&
            check_list_name(s, x, x->name) && check_list_name(s, x->arg[0], x->arg[0]->name)) ||
           (x->n != 1 && fv_rule_error(s, x, "expected one list in '%s[..]'", x->name));
}

static bool check_replacement(const fv_rule_scope *s, const fv_ast *x);

static bool is_literal(const fv_ast *x) {
    double v;
    return x->kind == FV_AST_STRING || fv_rule_number(x, &v) ||
           (x->kind == FV_AST_LIST && is_int_list(x));
}

static bool check_new_attr(const fv_rule_scope *s, const fv_ast *named, const fv_opdef *def) {
    const fv_attr_def *d = find_attr(s, named, def);
    const fv_ast *x = named->arg[0];
    const fv_rule_name *k = x->kind == FV_AST_NAME ? fv_rule_find_name(s, x->name) : NULL;
    if (!d)
        return false;
    if (x->kind == FV_AST_INDEX && !s->in_body)
        return check_composed(s, x);
    if (k)
        return k->is_any || (k->is_attr && k->kind == d->kind) ||
               (k->is_attr && s->in_body && k->kind == FV_ATTR_INTS && d->kind == FV_ATTR_DIMS) ||
               fv_rule_error(s, x, "'%s' is another kind than attribute '%s'", x->name, d->name);
    if (s->in_body && (d->kind == FV_ATTR_DIMS || !is_literal(x)))
        return check_replacement(s, x);
    return check_attr_literal(s, x, d);
}

static bool check_value_name(const fv_rule_scope *s, const fv_ast *x) {
    const fv_rule_name *k = fv_rule_find_name(s, x->name);
    if (!k)
        return fv_rule_error(s, x, "the pattern captures no '%s'", x->name);
    if (k->is_rest)
        return fv_rule_error(s, x, "'%s' stands for operands: write %s..", x->name, x->name);
    return s->in_body || !k->is_attr || k->kind == FV_ATTR_INT || k->kind == FV_ATTR_FLOAT ||
           fv_rule_error(s, x, "attribute '%s' is no number", x->name);
}

static bool check_rest(const fv_rule_scope *s, const fv_ast *x) {
    const fv_rule_name *k = fv_rule_find_name(s, x->name);
    return (k && k->is_rest) || fv_rule_error(s, x, "the pattern captures no '%s..'", x->name);
}

static bool check_new_op(const fv_rule_scope *s, const fv_ast *x) {
    const fv_opdef *def = find_op(s, x);
    int operands = 0;
    if (!def)
        return false;
    for (int i = 0; i < x->n; i++) {
        const fv_ast *arg = x->arg[i];
        bool named = arg->kind == FV_AST_NAMED;
        operands += !named;
        if (named                       ? !check_new_attr(s, arg, def)
            : arg->kind == FV_AST_GROUP ? !check_rest(s, arg)
                                        : !check_replacement(s, arg))
            return false;
    }
    return check_operand_count(s, x, def, operands);
}

static bool check_args(const fv_rule_scope *s, const fv_ast *x) {
    for (int i = 0; i < x->n; i++)
        if (x->arg[i]->kind == FV_AST_NAMED)
            return fv_rule_error(s, x->arg[i], "%s has no attributes", x->name);
        else if (x->arg[i]->kind == FV_AST_GROUP ? !check_rest(s, x->arg[i])
                                                 : !check_replacement(s, x->arg[i]))
            return false;
    return true;
}

/* Checks a call in a rule: of an op, or of a function or definition, whose arguments are
 * expressions as definitions contain them. */
static bool check_call(const fv_rule_scope *s, const fv_ast *x) {
    fv_rule_scope inner = *s;
    fv_elem e;
    inner.in_body = true;
    bool calls = fv_rule_function_is(x->name, x->n) || fv_body_is(x->name) ||
                 fv_elem_parse(x->name, strlen(x->name), &e);
    return calls ? check_args(&inner, x) : check_new_op(s, x);
}

/* Checks an expression that only definitions of expansions may contain. */
static bool check_in_body(const fv_rule_scope *s, const fv_ast *x) {
    fv_elem e;
    bool calls = x->kind == FV_AST_CALL &&
                 (fv_rule_function_is(x->name, x->n) ||
                  fv_elem_parse(x->name, strlen(x->name), &e) || fv_body_is(x->name));
    if (x->kind == FV_AST_NAME && !fv_rule_find_name(s, x->name))
        return !strcmp(x->name, "_") || fv_elem_parse(x->name, strlen(x->name), &e) ||
               fv_rule_error(s, x, "there is no '%s'", x->name);
    if (x->kind == FV_AST_INDEX && !fv_rule_find_name(s, x->name))
        return fv_rule_error(s, x, "there is no '%s'", x->name);
    if (x->kind == FV_AST_NAME || x->kind == FV_AST_STRING)
        return true;
    return calls || x->kind == FV_AST_LIST || x->kind == FV_AST_BINARY || x->kind == FV_AST_UNARY ||
                   x->kind == FV_AST_INDEX
               ? check_args(s, x)
           : x->kind == FV_AST_CALL ? check_new_op(s, x)
                                    : fv_rule_error(s, x, "expected an op, a name or a number");
}

static bool check_replacement(const fv_rule_scope *s, const fv_ast *x) {
    double v;
    if (x->kind == FV_AST_NAME && (fv_rule_find_name(s, x->name) || !fv_rule_number(x, &v)) &&
        (!s->in_body || fv_rule_find_name(s, x->name)))
        return check_value_name(s, x);
    switch (fv_pattern_kind_of(x)) {
    case FV_PATTERN_NUMBER: return true;
    case FV_PATTERN_RESULT: return check_result(s, x) && check_new_op(s, x->arg[1]);
    case FV_PATTERN_NAME: /* a name of a number: pi, inf */
        if (fv_rule_number(x, &v))
            return true;
        break;
    case FV_PATTERN_OP:
        if (!s->in_body)
            return check_call(s, x);
        break;
    case FV_PATTERN_ABOUT:
    case FV_PATTERN_EITHER:
    case FV_PATTERN_OPTIONAL:
    case FV_PATTERN_REPEATED:
    case FV_PATTERN_REST:
    case FV_PATTERN_NONE: break;
    }
    return s->in_body ? check_in_body(s, x)
                      : fv_rule_error(s, x, "expected an op, a captured name or a number");
}

bool fv_rule_check_new(const fv_rule_scope *s, const fv_ast *x) {
    return check_replacement(s, x);
}

static bool check_rule(fv_session *session, const fv_rule *r) {
    fv_rule_scope s = {.session = session, .rule = r->name};
    fv_pattern_kind kind = fv_pattern_kind_of(r->pattern);
    if (kind != FV_PATTERN_OP && kind != FV_PATTERN_RESULT)
        return fv_rule_error(&s, r->pattern, "expected an op on the left of =>");
    if (!check_pattern(&s, r->pattern))
        return false;
    for (int i = 0; i < r->nwhere; i++)
        if (!fv_rule_check_condition(&s, r->where[i]))
            return false;
    return check_replacement(&s, r->replacement);
}

/* ---- files of rules ---- */

bool fv_rules_parse(fv_arena *a, const char *text, fv_rule **rules, int *n) {
    fv_lexer l;
    int cap = 0;
    bool ok = true;
    *rules = NULL;
    *n = 0;
    fv_lex_init(&l, fv_arena_session(a), a, text);
    while (l.tok.kind != FV_TOK_END) {
        fv_rule r = {0};
        if (!parse_rule(&l, &r))
            return false;
        ok &= check_rule(l.session, &r);
        FV_PUSH(a, *rules, *n, cap, r);
    }
    return ok;
}

void fv_rule_print_condition(fv_text *t, const fv_ast *c) {
    if (c->kind != FV_AST_BINARY || strcmp(c->name, "~")) {
        fv_ast_print(t, c);
        return;
    }
    fv_ast_print(t, c->arg[0]);
    fv_text_put(t, " ~ ");
    fv_ast_print(t, c->arg[1]);
}

void fv_rule_print(fv_text *t, const fv_rule *r) {
    fv_text_printf(t, "rule %s: ", r->name);
    fv_ast_print(t, r->pattern);
    for (int i = 0; i < r->nwhere; i++) {
        fv_text_put(t, i ? ", " : " where ");
        fv_rule_print_condition(t, r->where[i]);
    }
    fv_text_put(t, " => ");
    fv_ast_print(t, r->replacement);
    fv_text_printf(t, " %s", exactness_names[r->exactness]);
    if (r->exactness == FV_APPROXIMATE)
        fv_text_printf(t, " %g", r->tolerance);
}
