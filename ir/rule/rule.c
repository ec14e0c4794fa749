/* rule.c - matching rules against ops, and building the other side. See rule.h. */
#include "ir/rule/parts.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/catalogue/own.h"
#include "ir/graph/infer.h"
#include "ir/rule/constant.h"
#include "ir/rule/seen.h"

/* ---- captures, and why it does not match ---- */

const fv_capture *fv_rule_capture(const fv_matcher *m, const char *name) {
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->captures[i].name, name))
            return &m->captures[i];
    return NULL;
}

/* Of all attempts the one that got furthest is told. */
static bool miss(fv_matcher *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool miss(fv_matcher *m, const char *format, ...) {
    if (!m->explain || m->depth <= m->deepest)
        return false;
    va_list args;
    va_start(args, format);
    m->why = fv_vprintf(m->module->arena, format, args);
    va_end(args);
    m->deepest = m->depth;
    m->captured = fv_rule_seen(m->module->arena, m->n, m->captures, NULL);
    return false;
}

static bool bind(fv_matcher *m, const char *name, fv_value *value, const fv_attr *attr) {
    if (!strcmp(name, "_"))
        return true;
    const fv_capture *c = fv_rule_capture(m, name);
    if (c)
        return c->value == value ||
               miss(m, "'%s' is %s and %s", name, c->value->name, value->name);
    m->captures[m->n++] = (fv_capture){name, value, attr};
    return true;
}

/* ---- attributes ---- */

static bool default_attr(const fv_attr_def *d, fv_module *m, fv_attr *out) {
    if (!d->has_default)
        return false;
    *out = d->kind == FV_ATTR_INT      ? fv_attr_int(m, d->name, d->i)
           : d->kind == FV_ATTR_FLOAT  ? fv_attr_float(m, d->name, d->f)
                                       : fv_attr_string(m, d->name, d->s ? d->s : "");
    return d->kind == FV_ATTR_INT || d->kind == FV_ATTR_FLOAT || d->kind == FV_ATTR_STRING;
}

/* The attribute as the op has it, or its default in `copy`; NULL: neither. */
static const fv_attr *attr_of(fv_matcher *m, const fv_op *op, const char *name, fv_attr *copy) {
    const fv_attr *a = fv_op_find_attr(op, name);
    const fv_attr_def *d = fv_opdef_attr(op->def, name);
    if (a || !default_attr(d, m->module, copy))
        return a;
    return copy;
}

static bool is_literal(const fv_attr *a, const fv_ast *want) {
    double x;
    switch (a->kind) {
    case FV_ATTR_INT: return fv_rule_number(want, &x) && x == (double)a->u.i;
    case FV_ATTR_FLOAT: return fv_rule_number(want, &x) && fv_rule_rounds_to(FV_F32, x, (double)a->u.f);
    case FV_ATTR_STRING: return a->u.s.n == want->len && !memcmp(a->u.s.s, want->name, a->u.s.n);
    case FV_ATTR_INTS:
        for (int i = 0; i < a->n && a->n == want->n; i++)
            if (!fv_rule_number(want->arg[i], &x) || x != (double)a->u.ints[i])
                return false;
        return a->n == want->n;
    case FV_ATTR_FLOATS:
    case FV_ATTR_STRINGS:
    case FV_ATTR_TENSOR:
    case FV_ATTR_TYPE:
    case FV_ATTR_DIMS:
    case FV_ATTR_REGION: break;
    }
    return false;
}

static bool match_attr(fv_matcher *m, const fv_ast *named, const fv_op *op) {
    const fv_ast *want = named->arg[0];
    fv_attr *copy = FV_NEW(m->module->arena, fv_attr, 1);
    const fv_attr *a = attr_of(m, op, named->name, copy);
    if (want->kind == FV_AST_NAME && !strcmp(want->name, "_"))
        return true;
    if (!a)
        return miss(m, "'%s' has no attribute '%s'", op->out[0]->name, named->name);
    if (want->kind == FV_AST_NAME)
        return bind(m, want->name, NULL, a);
    return is_literal(a, want) ||
           miss(m, "'%s' has another '%s'", op->out[0]->name, named->name);
}

static bool is_mentioned(const fv_ast *p, const char *attr) {
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_NAMED && !strcmp(p->arg[i]->name, attr))
            return true;
    return false;
}

static bool is_default(const fv_attr_def *d, const fv_attr *a) {
    const char *s = d->s ? d->s : "";
    return d->kind == FV_ATTR_INT     ? a->u.i == d->i
           : d->kind == FV_ATTR_FLOAT ? a->u.f == d->f
           : d->kind == FV_ATTR_STRING
               ? a->u.s.n == strlen(s) && !memcmp(a->u.s.s, s, a->u.s.n)
               : true;
}

static bool match_attrs(fv_matcher *m, const fv_ast *p, const fv_op *op) {
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_NAMED && !match_attr(m, p->arg[i], op))
            return false;
    for (int i = 0; i < op->nattrs; i++) {
        const fv_attr_def *d = fv_opdef_attr(op->def, op->attrs[i].name);
        if (d && d->has_default && !is_mentioned(p, d->name) && !is_default(d, &op->attrs[i]))
            return miss(m, "'%s' has another '%s' than by default", op->out[0]->name, d->name);
    }
    return true;
}

/* ---- matching ---- */

/* What is still to be matched: a list, so that a choice between the two ways round of an op holds
 * for all that comes after it, the conditions too. */
typedef struct goal {
    const fv_ast *p;
    fv_value *v;
    const struct goal *next;
} goal;

static bool solve(fv_matcher *m, const goal *g);

static bool solve_operands(fv_matcher *m, const fv_ast *p, const fv_op *op, bool swapped,
                           const goal *next) {
    goal goals[FV_MAX_IN];
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        if (p->arg[i]->kind == FV_AST_NAMED)
            continue;
        fv_value *v = fv_op_in(op, swapped ? 1 - n : n);
        if (!v)
            return miss(m, "'%s' has %d operands", op->out[0]->name, n);
        goals[n] = (goal){p->arg[i], v, &goals[n + 1]};
        n++;
    }
    if (n != op->nin)
        return miss(m, "'%s' has %d operands", op->out[0]->name, op->nin);
    if (n)
        goals[n - 1].next = next;
    return solve(m, n ? goals : next);
}

static bool solve_op(fv_matcher *m, const fv_ast *p, const fv_op *op, const goal *next) {
    const char *dot = strrchr(p->name, '.');
    const char *domain = op->def->domain, *name = op->def->name;
    bool same = !strcmp(dot ? dot + 1 : p->name, name) &&
                (dot ? strlen(domain) == (size_t)(dot - p->name) &&
                           !strncmp(domain, p->name, (size_t)(dot - p->name))
                     : !*domain);
    if (!same)
        return miss(m, "'%s' is %s%s%s, expected %s", op->out[0] ? op->out[0]->name : "", domain,
                    *domain ? "." : "", name, p->name);
    if (op->nout != 1 || !op->out[0])
        return miss(m, "%s has %d results", name, op->nout);
    m->depth++;
    int n = m->n, depth = m->depth;
    if (!match_attrs(m, p, op))
        return false;
    if (solve_operands(m, p, op, false, next))
        return true;
    m->depth = depth;
    if (!op->def->commutes || op->nin != 2)
        return false;
    m->n = n;
    return match_attrs(m, p, op) && solve_operands(m, p, op, true, next);
}

static bool solve_conditions(fv_matcher *m) {
    for (int i = 0; i < m->rule->nwhere; i++) {
        if (!fv_rule_holds(m, m->rule->where[i])) {
            fv_text t = {.arena = m->module->arena};
            if (m->explain)
                fv_rule_print_condition(&t, m->rule->where[i]);
            return miss(m, "%s does not hold: %s", t.s ? t.s : "", m->explain ? fv_rule_seen(m->module->arena, m->n, m->captures, m->rule->where[i]) : "");
        }
        m->depth++;
    }
    return !m->rule->holds || m->rule->holds(m->rule->user, m->op, m->n, m->captures) || miss(m, "its function says no");
}

/* Matches the first goal, then the rest; on failure everything is as it was. */
static bool solve(fv_matcher *m, const goal *g) {
    if (!g)
        return solve_conditions(m);
    int n = m->n, depth = m->depth;
    double want, have;
    bool ok;
    if (g->p->kind == FV_AST_NAME) {
        ok = bind(m, g->p->name, g->v, NULL);
        m->depth++;
        ok = ok && solve(m, g->next);
    } else if (fv_rule_number(g->p, &want)) {
        ok = fv_rule_uniform(g->v, &have) && fv_rule_rounds_to(g->v->type->elem, want, have);
        if (!ok)
            miss(m, "'%s' is not the constant %g", g->v->name, want);
        m->depth++;
        ok = ok && solve(m, g->next);
    } else if (g->v->kind == FV_VALUE_RESULT) {
        ok = solve_op(m, g->p, g->v->def, g->next);
    } else {
        ok = miss(m, "'%s' is not the result of %s", g->v->name, g->p->name);
    }
    if (!ok) {
        m->n = n;
        m->depth = depth;
    }
    return ok;
}

/* ---- building ---- */

static fv_elem literal_type(const fv_matcher *m) {
    for (int i = 0; i < m->n; i++)
        if (m->captures[i].value && m->captures[i].value->type->kind == FV_TENSOR)
            return m->captures[i].value->type->elem;
    return FV_F32;
}

static fv_value *build_number(fv_rewriter *w, const fv_matcher *m, double v) {
    fv_elem e = literal_type(m);
    if (fv_elem_is_float(e))
        return fv_w_float(w, e, v);
    if (!fv_is_whole(v)) { /* the type cannot hold it */
        w->failed = true;
        return NULL;
    }
    return fv_w_int(w, e, fv_whole(v));
}

/* perm=p[q]: the list p at the positions q. */
static bool composed(const fv_matcher *m, const fv_ast *x, const char *name, fv_attr *out) {
    const fv_attr *p = fv_rule_capture(m, x->name)->attr;
    const fv_attr *q = fv_rule_capture(m, x->arg[0]->name)->attr;
    int64_t r[FV_MAX_RANK];
    if (q->n > FV_MAX_RANK)
        return false;
    for (int i = 0; i < q->n; i++) {
        if (q->u.ints[i] < 0 || q->u.ints[i] >= p->n)
            return false;
        r[i] = p->u.ints[q->u.ints[i]];
    }
    *out = fv_attr_ints(m->module, name, q->n, r);
    return true;
}

static bool literal_attr(fv_module *m, const fv_attr_def *d, const fv_ast *x, fv_attr *out) {
    int64_t list[FV_MAX_RANK];
    if (x->kind == FV_AST_LIST) {
        for (int i = 0; i < x->n; i++)
            list[i] = fv_whole(fv_rule_value(x->arg[i]));
        *out = fv_attr_ints(m, d->name, x->n, list);
        return true;
    }
    if (x->kind == FV_AST_STRING) {
        *out = fv_attr_string(m, d->name, x->name);
        return true;
    }
    const double v = fv_rule_value(x);
    *out = d->kind == FV_ATTR_INT ? fv_attr_int(m, d->name, fv_whole(v))
                                  : fv_attr_float(m, d->name, (float)v);
    return true;
}

static bool build_attr(const fv_matcher *m, const fv_ast *named, const fv_opdef *def, fv_attr *out) {
    const fv_ast *x = named->arg[0];
    const fv_capture *c = x->kind == FV_AST_NAME ? fv_rule_capture(m, x->name) : NULL;
    const char *name = fv_intern(m->session, named->name);
    if (x->kind == FV_AST_INDEX)
        return composed(m, x, name, out);
    if (!c && x->kind == FV_AST_NAME) { /* of the op that this is the meaning of, and not there */
        *out = (fv_attr){0};
        return true;
    }
    if (!c)
        return literal_attr(m->module, fv_opdef_attr(def, named->name), x, out);
    *out = *c->attr;
    out->name = name;
    return true;
}

static fv_value *build(fv_rewriter *w, const fv_matcher *m, const fv_ast *x) {
    const fv_capture *c = x->kind == FV_AST_NAME ? fv_rule_capture(m, x->name) : NULL;
    double v;
    if (c && c->value)
        return c->value;
    if (c)
        return build_number(w, m, c->attr->kind == FV_ATTR_INT ? (double)c->attr->u.i
                                                               : (double)c->attr->u.f);
    if (fv_rule_number(x, &v))
        return build_number(w, m, v);
    if (x->kind == FV_AST_NAME)
        return NULL; /* an operand that is left out of the op that this is the meaning of */
    fv_value *in[FV_MAX_IN];
    fv_attr attrs[FV_MAX_ATTRS];
    int nin = 0, nattrs = 0;
    const fv_opdef *def = fv_op_get_in(m->session, x->name);
    for (int i = 0; i < x->n; i++)
        if (x->arg[i]->kind != FV_AST_NAMED)
            in[nin++] = build(w, m, x->arg[i]);
        else if (!build_attr(m, x->arg[i], def, &attrs[nattrs++])) {
            w->failed = true;
            return NULL;
        }
    return fv_w_def(w, def, nin, in, nattrs, attrs);
}

/* Equal by proof: whoever uses the old value relies on its type. */
static bool same_type(fv_dims *t, const fv_type *a, const fv_type *b) {
    if (a->kind != FV_TENSOR || b->kind != FV_TENSOR || a->elem != b->elem || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (fv_dim_compare(t, a->dims[i], b->dims[i]) != FV_DIM_EQUAL)
            return false;
    return true;
}

static bool replace(fv_matcher *m, fv_op *op) {
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *old = op->out[0], *v = build(&w, m, m->rule->replacement);
    if (!v || w.failed)
        return miss(m, "the right side cannot be built");
    if (!same_type(m->module->dims, old->type, v->type))
        return miss(m, "the right side is %s, expected %s", fv_type_str(m->module->arena, v->type),
                    fv_type_str(m->module->arena, old->type));
    if (m->may && !m->may(m->user, m->rule, op))
        return false;
    fv_w_result(&w, 0, v);
    return true;
}

static fv_matcher matcher_at(const fv_rule *r, fv_op *op, bool explain) {
    fv_module *module = fv_op_module(op);
    return (fv_matcher){.session = module->session, .module = module, .rule = r, .op = op, .deepest = -1, .explain = explain};
}

static bool match(fv_matcher *m) {
    fv_op *op = m->op;
    bool ok = op->nout == 1 && op->out[0] && solve_op(m, m->rule->pattern, op, NULL);
    m->depth += ok;
    return ok;
}

static bool tell(const fv_matcher *m, bool ok, fv_mismatch *why) {
    int all = fv_rule_parts(m->rule), parts = m->deepest < 0 ? 0 : m->deepest > all ? all : m->deepest;
    if (why)
        *why = (fv_mismatch){ok ? all : parts, ok ? NULL : m->why ? m->why : "the op has not one result",
                             m->captured ? m->captured : ""};
    return ok;
}

static int count_parts(const fv_ast *p) {
    double number;
    int n = 1;
    if (p->kind != FV_AST_CALL || fv_rule_number(p, &number))
        return n;
    for (int i = 0; i < p->n; i++)
        n += p->arg[i]->kind == FV_AST_NAMED ? 0 : count_parts(p->arg[i]);
    return n;
}

int fv_rule_parts(const fv_rule *r) { return count_parts(r->pattern) + r->nwhere; }

bool fv_rule_apply(const fv_rule *r, fv_op *op, fv_mismatch *why) {
    fv_matcher m = matcher_at(r, op, why != NULL);
    return tell(&m, match(&m) && replace(&m, op), why);
}

bool fv_rule_apply_if(const fv_rule *r, fv_op *op, bool (*may)(void *user, const fv_rule *r, const fv_op *op), void *user,
                      fv_mismatch *why) {
    fv_matcher m = matcher_at(r, op, why != NULL);
    m.may = may;
    m.user = user;
    return tell(&m, match(&m) && replace(&m, op), why);
}

bool fv_rule_matches(const fv_rule *r, fv_op *op, fv_mismatch *why) {
    fv_matcher m = matcher_at(r, op, why != NULL);
    return tell(&m, match(&m), why);
}

/* What is neither proved nor refuted is assumed: the run checks it. False after a diagnostic. */
static bool gives(fv_op *op, const fv_type *want, const fv_type *type) {
    fv_module *m = fv_op_module(op);
    bool same = type->kind == FV_TENSOR && want->kind == FV_TENSOR && type->elem == want->elem && type->rank == want->rank;
    for (int i = 0; same && i < want->rank; i++)
        same = fv_module_assume(m, type->dims[i], want->dims[i], fv_op_why(op, "what its rule gives"));
    return same || fv_op_error(op, "its rule gives %s, expected %s", fv_type_str(m->arena, type), fv_type_str(m->arena, want));
}

bool fv_rule_expand(fv_rewriter *w, fv_op *op, const char *text) {
    fv_module *module = w->module;
    fv_rule rule;
    if (!fv_rule_parse_meaning(module->arena, op->def, text, &rule))
        return false;
    fv_matcher m = {.session = module->session, .module = module, .rule = &rule};
    for (int i = 0; i < rule.pattern->n; i++)
        if (fv_op_in(op, i))
            bind(&m, rule.pattern->arg[i]->name, op->in[i], NULL);
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name; i++) {
        fv_attr *copy = FV_NEW(module->arena, fv_attr, 1);
        const fv_attr *a = attr_of(&m, op, op->def->attrs[i].name, copy);
        if (a && !op->def->attrs[i].until)
            bind(&m, op->def->attrs[i].name, NULL, a);
    }
    fv_value *v = build(w, &m, rule.replacement);
    if (!v || w->failed || !gives(op, op->out[0]->type, v->type))
        return false;
    fv_w_result(w, 0, v);
    return true;
}
