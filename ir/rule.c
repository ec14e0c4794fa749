/* rule.c - rewrite rules: parsing, matching, building the other side. See rule.h. */
#include "ir/rule.h"

#include <math.h>
#include <string.h>

#include "ir/limits.h"

enum { MAX_CAPTURES = 32 };

typedef struct capture {
    const char *name;
    fv_value *value;     /* or: */
    const fv_attr *attr;
} capture;

typedef struct matcher {
    fv_session *session;
    fv_module *module;
    capture captures[MAX_CAPTURES];
    int n;
    int depth, deepest; /* how far the match got */
    const char *why;
} matcher;

/* ---- parsing ---- */

static bool parse_name(fv_lexer *l, const char **out) {
    fv_text t = {.arena = l->arena};
    while (l->tok.kind == FV_TOK_NAME || fv_lex_is(l, "-")) {
        fv_text_put(&t, l->tok.s);
        fv_lex_next(l);
    }
    *out = t.s;
    return t.s != NULL || fv_lex_error(l, "expected the name of the rule");
}

static bool accept_arrow(fv_lexer *l) {
    return fv_lex_accept(l, "=>") || (fv_lex_accept(l, "=") && fv_lex_accept(l, ">"));
}

/* `c ~ e` becomes a BINARY of that name. */
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

static bool parse_exactness(fv_lexer *l, fv_exactness *out) {
    static const char *const names[] = {"exact", "rounding", "approximate"};
    for (int i = 0; i < 3; i++)
        if (fv_lex_accept(l, names[i])) {
            *out = (fv_exactness)i;
            return true;
        }
    return fv_lex_error(l, "expected exact, rounding or approximate");
}

static bool parse_rule(fv_lexer *l, fv_rule *r) {
    r->line = l->tok.line;
    return fv_lex_expect(l, "rule") && parse_name(l, &r->name) && fv_lex_expect(l, ":") &&
           (r->pattern = fv_ast_parse(l)) && parse_where(l, r) &&
           (accept_arrow(l) || fv_lex_expect(l, "=>")) && (r->replacement = fv_ast_parse(l)) &&
           parse_exactness(l, &r->exactness);
}

bool fv_rules_parse(fv_arena *a, const char *text, fv_rule **rules, int *n) {
    fv_lexer l;
    int cap = 0;
    *rules = NULL;
    *n = 0;
    fv_lex_init(&l, fv_arena_session(a), a, text);
    while (l.tok.kind != FV_TOK_END) {
        fv_rule r = {.text = text};
        if (!parse_rule(&l, &r))
            return false;
        FV_PUSH(a, *rules, *n, cap, r);
    }
    return true;
}

/* ---- numbers ---- */

static bool number(const fv_ast *a, double *out) {
    double x, y;
    switch (a->kind) {
    case FV_AST_INT: *out = (double)a->i; return true;
    case FV_AST_FLOAT: *out = a->f; return true;
    case FV_AST_UNARY:
        if (strcmp(a->name, "-") || !number(a->arg[0], &x))
            return false;
        *out = -x;
        return true;
    case FV_AST_CALL:
        if (a->n != 1 || !number(a->arg[0], &x))
            return false;
        if (!strcmp(a->name, "sqrt"))
            *out = sqrt(x);
        else if (!strcmp(a->name, "exp"))
            *out = exp(x);
        else
            return false;
        return true;
    case FV_AST_BINARY:
        if (!number(a->arg[0], &x) || !number(a->arg[1], &y))
            return false;
        switch (a->name[0]) {
        case '+': *out = x + y; return true;
        case '-': *out = x - y; return true;
        case '*': *out = x * y; return true;
        case '/': *out = x / y; return true;
        }
        return false;
    case FV_AST_NAME:
        if (!strcmp(a->name, "pi"))
            *out = 3.14159265358979323846;
        else if (!strcmp(a->name, "inf"))
            *out = INFINITY;
        else
            return false;
        return true;
    case FV_AST_STRING:
    case FV_AST_GROUP:
    case FV_AST_NAMED:
    case FV_AST_INDEX:
    case FV_AST_REDUCE:
    case FV_AST_LANES:
    case FV_AST_LIST: break;
    }
    return false;
}

/* The number that all elements of a constant are. */
static bool uniform(const fv_value *v, double *out) {
    if (v->kind != FV_VALUE_CONST || !v->tensor->count || v->tensor->count > FV_FOLD_BYTES)
        return false;
    fv_elem t = v->tensor->elem;
    bool f = fv_elem_is_float(t);
    if (!f && !fv_elem_is_int(t) && t != FV_BOOL)
        return false;
    *out = f ? fv_tensor_float(v->tensor, 0) : (double)fv_tensor_int(v->tensor, 0);
    for (size_t i = 1; i < v->tensor->count; i++)
        if ((f ? fv_tensor_float(v->tensor, i) : (double)fv_tensor_int(v->tensor, i)) != *out)
            return false;
    return true;
}

static bool about(double a, double b) {
    return a == b || fabs(a - b) <= 1e-4 * fmax(fabs(a), fabs(b));
}

/* ---- matching ---- */

static capture *find_capture(matcher *m, const char *name) {
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->captures[i].name, name))
            return &m->captures[i];
    return NULL;
}

static bool miss(matcher *m, const char *why) {
    if (m->depth >= m->deepest) {
        m->deepest = m->depth;
        m->why = why;
    }
    return false;
}

static bool bind_value(matcher *m, const char *name, fv_value *v) {
    if (!strcmp(name, "_"))
        return true;
    capture *c = find_capture(m, name);
    if (c)
        return c->value == v || miss(m, fv_printf(m->module->arena, "'%s' is two values", name));
    if (m->n == MAX_CAPTURES)
        return false;
    m->captures[m->n++] = (capture){.name = name, .value = v};
    return true;
}

static bool match_value(matcher *m, const fv_ast *p, fv_value *v);

static bool match_attr(matcher *m, const fv_ast *named, const fv_op *op) {
    const fv_ast *want = named->arg[0];
    const fv_attr *a = fv_op_find_attr(op, named->name);
    double x;
    if (want->kind == FV_AST_NAME) {
        capture *c = find_capture(m, want->name);
        if (c || m->n == MAX_CAPTURES || !a)
            return miss(m, fv_printf(m->module->arena, "no attribute '%s'", named->name));
        m->captures[m->n++] = (capture){.name = want->name, .attr = a};
        return true;
    }
    if (want->kind == FV_AST_STRING) {
        fv_string s = fv_op_string(op, named->name, "");
        return (s.n == want->len && !memcmp(s.s, want->name, s.n)) ||
               miss(m, fv_printf(m->module->arena, "attribute '%s' differs", named->name));
    }
    const fv_attr_def *d = fv_opdef_attr(op->def, named->name);
    if (!d || !number(want, &x))
        return false;
    double have = d->kind == FV_ATTR_INT ? (double)fv_op_int(op, named->name, d->i)
                                         : (double)fv_op_float(op, named->name, d->f);
    return have == x || miss(m, fv_printf(m->module->arena, "attribute '%s' differs", named->name));
}

static bool commutes(const fv_op *op) {
    static const char *const names[] = {"Add",        "Mul",       "And",        "Or",  "Xor", "Equal",
                                        "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Max", "Min", NULL};
    for (int i = 0; names[i]; i++)
        if (op->nin == 2 && fv_op_is(op, names[i]))
            return true;
    return false;
}

static bool match_operands(matcher *m, const fv_ast *p, fv_op *op, bool swapped) {
    int k = 0;
    for (int i = 0; i < p->n; i++) {
        if (p->arg[i]->kind == FV_AST_NAMED) {
            if (!match_attr(m, p->arg[i], op))
                return false;
            continue;
        }
        fv_value *v = fv_op_in(op, swapped ? 1 - k : k);
        k++;
        if (!v || !match_value(m, p->arg[i], v))
            return false;
    }
    return k == op->nin || miss(m, "has other operands");
}

static bool match_op(matcher *m, const fv_ast *p, fv_op *op) {
    if (!fv_op_is(op, p->name))
        return miss(m, fv_printf(m->module->arena, "%s, expected %s", op->def->name, p->name));
    matcher saved = *m;
    m->depth++;
    if (match_operands(m, p, op, false)) {
        m->depth--;
        return true;
    }
    int deepest = m->deepest;
    const char *why = m->why;
    if (!commutes(op)) {
        m->depth--;
        return false;
    }
    *m = saved;
    m->deepest = deepest;
    m->why = why;
    m->depth++;
    bool ok = match_operands(m, p, op, true);
    m->depth--;
    return ok;
}

static bool match_value(matcher *m, const fv_ast *p, fv_value *v) {
    double want, have;
    if (p->kind == FV_AST_NAME)
        return bind_value(m, p->name, v);
    if (p->kind == FV_AST_CALL && v->kind == FV_VALUE_RESULT && v->index == 0)
        return match_op(m, p, v->def);
    if (p->kind != FV_AST_CALL && number(p, &want))
        return (uniform(v, &have) && (have == want || have == (double)(float)want)) ||
               miss(m, fv_printf(m->module->arena, "is not the constant %g", want));
    return miss(m, "is not the result of an op");
}

/* ---- conditions ---- */

static bool property(matcher *m, const fv_ast *c, double *out, const char **text) {
    capture *k = c->kind == FV_AST_CALL && c->n ? find_capture(m, c->arg[0]->name) : NULL;
    if (!k || !k->value)
        return false;
    const fv_type *t = k->value->type;
    if (!strcmp(c->name, "rank"))
        *out = t->rank;
    else if (!strcmp(c->name, "type"))
        *text = fv_elem_name(t->elem);
    else
        return false;
    return true;
}

static bool holds_call(matcher *m, const fv_ast *c) {
    capture *k = c->n ? find_capture(m, c->arg[0]->name) : NULL;
    const fv_value *v = k ? k->value : NULL;
    if (!strcmp(c->name, "const"))
        return v && v->kind == FV_VALUE_CONST;
    if (!strcmp(c->name, "scalar"))
        return v && v->kind == FV_VALUE_CONST && v->tensor->count == 1;
    if (!strcmp(c->name, "once"))
        return v && v->nuses == 1;
    if (!strcmp(c->name, "last") && c->n == 2 && k && k->attr) {
        capture *x = find_capture(m, c->arg[1]->name);
        int64_t axis = k->attr->kind == FV_ATTR_INT ? k->attr->u.i
                       : k->attr->n == 1            ? k->attr->u.ints[0]
                                                    : INT64_MIN;
        return x && x->value && (axis == -1 || axis == x->value->type->rank - 1);
    }
    return false;
}

static bool holds(matcher *m, const fv_ast *c) {
    double want, have;
    const char *text = NULL;
    if (c->kind == FV_AST_CALL)
        return holds_call(m, c);
    if (c->kind != FV_AST_BINARY)
        return false;
    const fv_ast *l = c->arg[0], *r = c->arg[1];
    if (l->kind == FV_AST_CALL && property(m, l, &have, &text)) {
        if (text)
            return !strcmp(c->name, "==") && r->kind == FV_AST_NAME && !strcmp(r->name, text);
        return number(r, &want) && (!strcmp(c->name, "==")   ? have == want
                                    : !strcmp(c->name, ">=") ? have >= want
                                    : !strcmp(c->name, "<=") ? have <= want
                                                             : false);
    }
    capture *k = l->kind == FV_AST_NAME ? find_capture(m, l->name) : NULL;
    if (!k || !k->value || !number(r, &want) || !uniform(k->value, &have))
        return false;
    return !strcmp(c->name, "~") ? about(have, want)
                                 : !strcmp(c->name, "==") && (have == want || have == (double)(float)want);
}

/* ---- building ---- */

static fv_elem literal_type(const matcher *m) {
    for (int i = 0; i < m->n; i++)
        if (m->captures[i].value && m->captures[i].value->type->kind == FV_TENSOR)
            return m->captures[i].value->type->elem;
    return FV_F32;
}

/* perm=p[q]: the list q of positions in p. */
static bool composed(matcher *m, const fv_ast *x, const char *name, fv_attr *out) {
    capture *p = find_capture(m, x->name), *q = find_capture(m, x->arg[0]->name);
    if (!p || !q || !p->attr || !q->attr || p->attr->n != q->attr->n ||
        p->attr->n > FV_MAX_RANK || p->attr->kind != FV_ATTR_INTS)
        return false;
    int64_t r[FV_MAX_RANK];
    for (int i = 0; i < q->attr->n; i++)
        r[i] = p->attr->u.ints[q->attr->u.ints[i]];
    *out = fv_attr_ints(m->module, name, q->attr->n, r);
    return true;
}

static bool build_attr(fv_rewriter *w, matcher *m, const fv_ast *named, const fv_opdef *def,
                       fv_attr *out) {
    const fv_ast *x = named->arg[0];
    double v;
    if (x->kind == FV_AST_NAME && find_capture(m, x->name) && find_capture(m, x->name)->attr) {
        *out = *find_capture(m, x->name)->attr;
        out->name = fv_intern(m->session, named->name);
        return true;
    }
    if (x->kind == FV_AST_INDEX)
        return composed(m, x, named->name, out);
    if (x->kind == FV_AST_STRING) {
        *out = fv_attr_string(w->module, named->name, x->name);
        return true;
    }
    const fv_attr_def *d = fv_opdef_attr(def, named->name);
    if (!d || !number(x, &v))
        return false;
    *out = d->kind == FV_ATTR_INT ? fv_attr_int(w->module, named->name, (int64_t)v)
                                  : fv_attr_float(w->module, named->name, (float)v);
    return true;
}

static fv_value *build(fv_rewriter *w, matcher *m, const fv_ast *x) {
    double v;
    if (x->kind == FV_AST_NAME) {
        capture *c = find_capture(m, x->name);
        if (c && c->value)
            return c->value;
        if (c && c->attr && c->attr->kind == FV_ATTR_FLOAT)
            return fv_w_float(w, literal_type(m), (double)c->attr->u.f);
        if (c && c->attr && c->attr->kind == FV_ATTR_INT)
            return fv_w_float(w, literal_type(m), (double)c->attr->u.i);
    }
    if (x->kind != FV_AST_CALL || !strcmp(x->name, "sqrt")) {
        if (number(x, &v))
            return fv_w_float(w, literal_type(m), v);
        fv_error_at(w->module->session, x->line, x->column, "rule: '%s' is no value",
                    x->name ? x->name : "this");
        w->failed = true;
        return NULL;
    }
    fv_value *in[FV_MAX_IN];
    fv_attr attrs[FV_MAX_ATTRS];
    int nin = 0, nattrs = 0;
    const fv_opdef *def = fv_op_get(x->name);
    for (int i = 0; i < x->n && nin < FV_MAX_IN && nattrs < FV_MAX_ATTRS; i++)
        if (x->arg[i]->kind != FV_AST_NAMED)
            in[nin++] = build(w, m, x->arg[i]);
        else if (!build_attr(w, m, x->arg[i], def, &attrs[nattrs++])) {
            w->failed = true;
            return NULL;
        }
    return fv_w_op(w, x->name, nin, in, nattrs, attrs);
}

bool fv_rule_apply(const fv_rule *r, fv_op *op, fv_mismatch *why) {
    fv_module *module = fv_op_module(op);
    matcher m = {.session = module->session, .module = module, .deepest = -1};
    if (op->nout != 1 || !op->out[0] || r->pattern->kind != FV_AST_CALL)
        return false;
    bool ok = match_op(&m, r->pattern, op);
    for (int i = 0; i < r->nwhere && ok; i++)
        if (!(ok = holds(&m, r->where[i]))) {
            fv_text t = {.arena = module->arena};
            fv_ast_print(&t, r->where[i]);
            m.depth = 1000;
            miss(&m, fv_printf(module->arena, "%s does not hold", t.s));
        }
    if (why) {
        why->depth = m.deepest;
        why->why = ok ? NULL : m.why;
    }
    if (!ok)
        return false;
    fv_rewriter w = {.module = module, .at = op};
    fv_value *v = build(&w, &m, r->replacement);
    if (!v || w.failed || v == op->out[0] || v->type->elem != op->out[0]->type->elem ||
        v->type->rank != op->out[0]->type->rank)
        return false;
    fv_replace_uses(op->out[0], v);
    return true;
}

bool fv_rule_expand(fv_rewriter *w, fv_op *op, const char *text) {
    fv_lexer l;
    fv_module *module = w->module;
    matcher m = {.session = module->session, .module = module};
    fv_lex_init(&l, module->session, module->arena, text);
    fv_ast *left = fv_ast_parse(&l);
    fv_ast *right = left && accept_arrow(&l) ? fv_ast_parse(&l) : NULL;
    if (!right)
        return fv_op_error(op, "its rule cannot be parsed: %s", text);
    for (int i = 0; i < left->n; i++)
        if (fv_op_in(op, i))
            bind_value(&m, left->arg[i]->name, op->in[i]);
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name && m.n < MAX_CAPTURES; i++) {
        const fv_attr_def *d = &op->def->attrs[i];
        const fv_attr *a = fv_op_find_attr(op, d->name);
        fv_attr *copy = FV_NEW(module->arena, fv_attr, 1);
        *copy = d->kind == FV_ATTR_FLOAT ? fv_attr_float(module, d->name, fv_op_float(op, d->name, d->f))
                : d->kind == FV_ATTR_INT ? fv_attr_int(module, d->name, fv_op_int(op, d->name, d->i))
                : a                      ? *a
                                         : (fv_attr){0};
        if (copy->name)
            m.captures[m.n++] = (capture){.name = d->name, .attr = copy};
    }
    fv_value *v = build(w, &m, right);
    if (v)
        fv_w_result(w, 0, v);
    return v != NULL;
}
