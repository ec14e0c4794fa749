/* rule.c - matches rules against ops and builds their replacements. See rule.h. */
#include "ir/rule/parts.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/whole.h"
#include "ir/catalogue/own.h"
#include "ir/graph/infer.h"
#include "ir/rule/constant.h"
#include "ir/rule/seen.h"

/* ---- captures, and why it does not match ---- */

/* Records why a match failed. Of all attempts, the one that got furthest is reported. */
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

static const char *seen(const fv_matcher *m, const fv_attr *a) {
    return m->explain ? fv_rule_seen_attr(m->module->arena, a) : "";
}

static bool bind(fv_matcher *m, const char *name, fv_value *value, const fv_attr *attr) {
    if (!strcmp(name, "_"))
        return true;
    const fv_capture *c = fv_rule_capture(m, name);
    if (c && attr)
        return fv_attr_equal(c->attr, attr) ||
               miss(m, "'%s' is %s and %s", name, seen(m, c->attr), seen(m, attr));
    if (c)
        return c->value == value || miss(m, "'%s' is %s and %s", name, c->value->name, value->name);
    m->captures[m->n++] = (fv_capture){.name = name, .value = value, .attr = attr};
    return true;
}

/* The name of an op for messages: its first result that is not left out, or the operator. */
static const char *called(const fv_op *op) {
    int i = 0;
    while (i < op->nout - 1 && !op->out[i])
        i++;
    return op->nout && op->out[i] ? op->out[i]->name : op->def->name;
}

/* ---- attributes ---- */

static bool default_attr(const fv_attr_def *d, fv_module *m, fv_attr *out) {
    if (!d->has_default)
        return false;
    *out = d->kind == FV_ATTR_INT     ? fv_attr_int(m, d->name, d->i)
           : d->kind == FV_ATTR_FLOAT ? fv_attr_float(m, d->name, d->f)
                                      : fv_attr_string(m, d->name, d->s ? d->s : "");
    return d->kind == FV_ATTR_INT || d->kind == FV_ATTR_FLOAT || d->kind == FV_ATTR_STRING;
}

/* The attribute that the op has, or its default in `copy`; NULL: there is neither. */
static const fv_attr *attr_of(fv_matcher *m, const fv_op *op, const char *name, fv_attr *copy) {
    const fv_attr *a = fv_op_find_attr(op, name);
    const fv_attr_def *d = fv_opdef_attr(op->def, name);
    if (a || !default_attr(d, m->module, copy))
        return a;
    return copy;
}

/* Is the number `want` of a pattern the integer i? A literal is compared without rounding; other
 * numbers are doubles, which represent all integers up to 2^53. */
static bool is_integer(const fv_ast *want, int64_t i) {
    const int64_t exact = (int64_t)1 << 53;
    double x;
    bool negative = want->kind == FV_AST_UNARY && !strcmp(want->name, "-");
    const fv_ast *digits = negative ? want->arg[0] : want;
    if (digits->kind == FV_AST_INT)
        return negative ? i != INT64_MIN && digits->i == -i : digits->i == i;
    return fv_rule_number(want, &x) && x == (double)i && i >= -exact && i <= exact;
}

static bool is_literal(const fv_attr *a, const fv_ast *want) {
    double x;
    switch (a->kind) {
    case FV_ATTR_INT: return is_integer(want, a->u.i);
    case FV_ATTR_FLOAT:
        return fv_rule_number(want, &x) && fv_rule_rounds_to(FV_F32, x, (double)a->u.f);
    case FV_ATTR_STRING: return a->u.s.n == want->len && !memcmp(a->u.s.s, want->name, a->u.s.n);
    case FV_ATTR_INTS:
        for (int i = 0; i < a->n && a->n == want->n; i++)
            if (!is_integer(want->arg[i], a->u.ints[i]))
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
        return miss(m, "'%s' has no attribute '%s'", called(op), named->name);
    if (want->kind == FV_AST_NAME)
        return bind(m, want->name, NULL, a);
    return is_literal(a, want) || miss(m, "'%s' has another '%s'", called(op), named->name);
}

static bool is_mentioned(const fv_ast *p, const char *attr) {
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_NAMED && !strcmp(p->arg[i]->name, attr))
            return true;
    return false;
}

static bool is_default(const fv_attr_def *d, const fv_attr *a) {
    const char *s = d->s ? d->s : "";
    return d->kind == FV_ATTR_INT      ? a->u.i == d->i
           : d->kind == FV_ATTR_FLOAT  ? a->u.f == d->f
           : d->kind == FV_ATTR_STRING ? a->u.s.n == strlen(s) && !memcmp(a->u.s.s, s, a->u.s.n)
                                       : true;
}

static bool match_attrs(fv_matcher *m, const fv_ast *p, const fv_op *op) {
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_NAMED && !match_attr(m, p->arg[i], op))
            return false;
    for (int i = 0; i < op->nattrs; i++) {
        const fv_attr_def *d = fv_opdef_attr(op->def, op->attrs[i].name);
        if (d && d->has_default && !is_mentioned(p, d->name) && !is_default(d, &op->attrs[i]))
            return miss(m, "'%s' has another '%s' than by default", called(op), d->name);
    }
    return true;
}

/* ---- matching ---- */

/* limits for matching one rule: nested choices would take exponential time */
enum { MOST_REPEATED = 64, MOST_GOALS = 100000 };

/* The goals that are still to be matched: a list, so that a choice holds for all later goals and
 * the conditions. Choices are the order of two operands, alternatives, the number of skipped ops,
 * and the number of operands that a name captures. */
typedef struct goal {
    const fv_ast *p;
    fv_value *v; /* the value that must match p; NULL: `in` is matched instead */
    const fv_op *op;
    /* the remaining operands, which must match the arguments of p from number `arg` on */
    fv_value *const *in;
    int nin, arg;
    const struct goal *next;
} goal;

static bool solve(fv_matcher *m, const goal *g);

static bool may_go_on(fv_matcher *m) {
    if (m->goals < MOST_GOALS) {
        m->goals++;
        return true;
    }
    m->why = "there are too many ways in which it could match";
    return false;
}

static void go_back(fv_matcher *m, int n, int depth) {
    m->n = n;
    m->depth = depth;
}

static bool bind_rest(fv_matcher *m, const char *name, int n, fv_value *const *values) {
    const fv_capture *c = fv_rule_capture(m, name);
    if (c)
        return (c->n == n && !memcmp(c->values, values, (size_t)n * sizeof *values)) ||
               miss(m, "'%s..' captures other operands as well", name);
    m->captures[m->n++] = (fv_capture){.name = name, .n = n, .values = values};
    return true;
}

static bool solve_operands(fv_matcher *m, const goal *g);

/* Lets `name..` capture the first k operands of those that are left, for the smallest k with which
 * the rest matches. */
static bool solve_rest(fv_matcher *m, const char *name, const goal *g, goal *rest) {
    int n = m->n, depth = m->depth;
    for (int k = 0; k <= g->nin && may_go_on(m); k++) {
        rest->in = g->in + k;
        rest->nin = g->nin - k;
        if (bind_rest(m, name, k, g->in)) {
            m->depth++;
            if (solve_operands(m, rest))
                return true;
        }
        go_back(m, n, depth);
    }
    return false;
}

static bool has_rest(const fv_ast *p) {
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_GROUP)
            return true;
    return false;
}

static bool solve_operands(fv_matcher *m, const goal *g) {
    int arg = g->arg;
    while (arg < g->p->n && g->p->arg[arg]->kind == FV_AST_NAMED)
        arg++;
    if (arg == g->p->n && !g->nin)
        return solve(m, g->next);
    /* `xs..` tries several numbers of operands, so this is no failure to report */
    if (arg == g->p->n)
        return !has_rest(g->p) && miss(m, "'%s' has %d operands", called(g->op), g->op->nin);
    const fv_ast *p = g->p->arg[arg];
    goal rest = {.p = g->p, .op = g->op, .arg = arg + 1, .next = g->next};
    if (p->kind == FV_AST_GROUP)
        return solve_rest(m, p->name, g, &rest);
    if (!g->nin || !*g->in)
        return miss(m, "'%s' has %d operands", called(g->op), g->op->nin - g->nin);
    rest.in = g->in + 1;
    rest.nin = g->nin - 1;
    goal first = {.p = p, .v = *g->in, .next = &rest};
    return solve(m, &first);
}

static bool is_of(const fv_op *op, const char *name) {
    const char *dot = strrchr(name, '.'), *domain = op->def->domain;
    if (strcmp(dot ? dot + 1 : name, op->def->name) != 0)
        return false;
    return dot ? strlen(domain) == (size_t)(dot - name) &&
                     !strncmp(domain, name, (size_t)(dot - name))
               : !*domain;
}

/* The op pattern of p, which is OP(...) or result(i, OP(...)). */
static const fv_ast *op_of(const fv_ast *p) {
    return fv_pattern_kind_of(p) == FV_PATTERN_RESULT ? p->arg[1] : p;
}
static int result_of(const fv_ast *p) {
    return fv_pattern_kind_of(p) == FV_PATTERN_RESULT ? (int)p->arg[0]->i : -1;
}

/* Matches v against a pattern of an op. v must be its result number `result`; -1: its only
 * result. */
static bool solve_op(fv_matcher *m, const fv_ast *p, const fv_value *v, int result,
                     const goal *next) {
    const fv_op *op = v->def;
    if (!is_of(op, p->name))
        return miss(m, "'%s' is %s%s%s, expected %s", v->name, op->def->domain,
                    *op->def->domain ? "." : "", op->def->name, p->name);
    if (result < 0 && op->nout != 1)
        return miss(m, "%s has %d results", op->def->name, op->nout);
    if (result >= 0 && (result >= op->nout || op->out[result] != v))
        return miss(m, "'%s' is not result %d of %s", v->name, result, op->def->name);
    m->depth++;
    int n = m->n, depth = m->depth;
    goal operands = {.p = p, .op = op, .in = op->in, .nin = op->nin, .next = next};
    if (!match_attrs(m, p, op))
        return false;
    if (solve_operands(m, &operands))
        return true;
    m->depth = depth;
    if (!op->def->commutes || op->nin != 2 || has_rest(p))
        return false;
    fv_value *turned[2] = {op->in[1], op->in[0]};
    operands.in = turned;
    m->n = n;
    return match_attrs(m, p, op) && solve_operands(m, &operands);
}

static bool solve_either(fv_matcher *m, const goal *g) {
    int n = m->n, depth = m->depth, deepest = m->deepest;
    goal one = *g;
    for (int i = 0; i < 2; i++) {
        one.p = g->p->arg[i];
        if (solve(m, &one))
            return true;
        go_back(m, n, depth);
    }
    /* keep the message of the alternative that got further; if none did, say that none matches */
    if (!m->explain || deepest >= depth || m->deepest != depth)
        return false;
    fv_text t = {.arena = m->module->arena};
    fv_ast_print(&t, g->p);
    m->why = fv_printf(t.arena, "'%s' is none of %s", g->v->name, t.s);
    return false;
}

/* Is v computed by an op that the pattern may skip? */
static bool is_skipped(fv_matcher *m, const fv_ast *wrapper, const fv_value *v) {
    if (fv_pattern_kind_of(wrapper) == FV_PATTERN_EITHER)
        return is_skipped(m, wrapper->arg[0], v) || is_skipped(m, wrapper->arg[1], v);
    const fv_op *op = v->kind == FV_VALUE_RESULT ? v->def : NULL;
    return op && op->nin == 1 && op->in[0] && op->nout == 1 && is_of(op, wrapper->name) &&
           match_attrs(m, wrapper, op);
}

/* Skips at most `most` ops; takes the largest number with which the rest matches. */
static bool solve_skipping(fv_matcher *m, const goal *g, int most) {
    fv_value *at[MOST_REPEATED + 1] = {g->v};
    int n = m->n, depth = m->depth, skipped = 0;
    for (; skipped < most && is_skipped(m, g->p->arg[0], at[skipped]); skipped++)
        at[skipped + 1] = at[skipped]->def->in[0];
    for (; skipped >= 0; skipped--) {
        goal inner = {.p = g->p->arg[1], .v = at[skipped], .next = g->next};
        if (solve(m, &inner))
            return true;
        go_back(m, n, depth);
    }
    return false;
}

static bool is_number(fv_matcher *m, const fv_value *v, double want) {
    double have;
    return (fv_rule_uniform(v, &have) && fv_rule_rounds_to(v->type->elem, want, have)) ||
           miss(m, "'%s' is not the constant %g", v->name, want);
}

static bool is_about(fv_matcher *m, const fv_value *v, double want) {
    double have;
    if (!fv_rule_uniform(v, &have))
        return miss(m, "'%s' is no constant of one number, expected one within %d ulp of %.9g",
                    v->name, FV_ABOUT_ULPS, want);
    return fv_rule_is_about(v->type->elem, have, want) ||
           miss(m, "'%s' is %.9g, expected what is within %d ulp of %.9g", v->name, have,
                FV_ABOUT_ULPS, want);
}

static bool solve_conditions(fv_matcher *m) {
    for (int i = 0; i < m->rule->nwhere; i++) {
        if (!fv_rule_holds(m, m->rule->where[i])) {
            fv_text t = {.arena = m->module->arena};
            if (m->explain)
                fv_rule_print_condition(&t, m->rule->where[i]);
            return miss(m, "%s does not hold: %s", t.s ? t.s : "",
                        m->explain
                            ? fv_rule_seen(m->module->arena, m->n, m->captures, m->rule->where[i])
                            : "");
        }
        m->depth++;
    }
    return !m->rule->holds || m->rule->holds(m->rule->user, m->op, m->n, m->captures) ||
           miss(m, "%s", m->rule->refusal ? m->rule->refusal : "its function says no");
}

static bool solve_next(fv_matcher *m, bool ok, const goal *g) {
    m->depth++;
    return ok && solve(m, g->next);
}

static bool solve_value(fv_matcher *m, const goal *g) {
    const fv_ast *p = g->p;
    switch (fv_pattern_kind_of(p)) {
    case FV_PATTERN_NAME: return solve_next(m, bind(m, p->name, g->v, NULL), g);
    case FV_PATTERN_NUMBER: return solve_next(m, is_number(m, g->v, fv_rule_value(p)), g);
    case FV_PATTERN_ABOUT: return solve_next(m, is_about(m, g->v, fv_rule_value(p->arg[0])), g);
    case FV_PATTERN_EITHER: return solve_either(m, g);
    case FV_PATTERN_OPTIONAL: return solve_skipping(m, g, 1);
    case FV_PATTERN_REPEATED: return solve_skipping(m, g, MOST_REPEATED);
    case FV_PATTERN_OP:
    case FV_PATTERN_RESULT:
        if (g->v->kind != FV_VALUE_RESULT)
            return miss(m, "'%s' is not the result of %s", g->v->name, op_of(p)->name);
        return solve_op(m, op_of(p), g->v, result_of(p), g->next);
    case FV_PATTERN_REST:
    case FV_PATTERN_NONE: break;
    }
    /* not reached: operand lists are matched by solve_operands, and the parser refuses other
     * kinds */
    return false;
}

/* Matches the first goal and then all others. On failure, captures and the depth are restored. */
static bool solve(fv_matcher *m, const goal *g) {
    if (!g)
        return solve_conditions(m);
    if (!may_go_on(m))
        return false;
    int n = m->n, depth = m->depth;
    bool ok = g->v ? solve_value(m, g) : solve_operands(m, g);
    if (!ok)
        go_back(m, n, depth);
    return ok;
}

/* ---- replacing ---- */

/* Are the types proved to be equal? Users of the old value rely on its type. */
static bool same_type(fv_dims *t, const fv_type *a, const fv_type *b) {
    if (a->kind != FV_TENSOR || b->kind != FV_TENSOR || a->elem != b->elem || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (fv_dim_compare(t, a->dims[i], b->dims[i]) != FV_DIM_EQUAL)
            return false;
    return true;
}

/* The index of the op's result that the rule replaces. */
static int root_result(const fv_rule *r) {
    return result_of(r->pattern) < 0 ? 0 : result_of(r->pattern);
}

static bool may_replace(fv_matcher *m, const fv_rewriter *w, const fv_op *op, const fv_value *old,
                        const fv_value *v) {
    if (!v || w->failed)
        return miss(m, "the right side cannot be built");
    if (!same_type(m->module->dims, old->type, v->type))
        return miss(m, "the right side is %s, expected %s", fv_type_str(m->module->arena, v->type),
                    fv_type_str(m->module->arena, old->type));
    return !m->may || m->may(m->user, m->rule, op);
}

static bool replace(fv_matcher *m, fv_op *op) {
    fv_rewriter w = fv_rewriter_at(op);
    const int result = root_result(m->rule), errors = fv_error_count(m->session);
    fv_value *v = fv_rule_build(&w, m->n, m->captures, m->rule->replacement);
    if (fv_error_count(m->session) > errors)
        fv_error(m->session, "the right side of rule '%s' is not legal there, see above",
                 m->rule->name);
    if (may_replace(m, &w, op, op->out[result], v)) {
        fv_w_result(&w, result, v);
        return true;
    }
    while (op->prev != w.before)
        fv_op_erase(op->prev);
    return false;
}

static fv_matcher matcher_at(const fv_rule *r, fv_op *op, bool explain) {
    fv_module *module = fv_op_module(op);
    return (fv_matcher){.session = module->session,
                        .module = module,
                        .rule = r,
                        .op = op,
                        .deepest = -1,
                        .explain = explain};
}

static bool match(fv_matcher *m) {
    const fv_op *op = m->op;
    const fv_ast *p = m->rule->pattern;
    int result = root_result(m->rule);
    const fv_value *v = result < op->nout ? op->out[result] : NULL;
    /* this result's uses were replaced before; the op still exists because of its other results */
    if (result_of(p) >= 0 && v && !v->nuses)
        return miss(m, "nothing uses '%s'", v->name);
    bool ok = v && solve_op(m, op_of(p), v, result_of(p), NULL);
    m->depth += ok;
    return ok;
}

static bool tell(const fv_matcher *m, bool ok, fv_mismatch *why) {
    int all = fv_rule_parts(m->rule), parts = m->deepest < 0     ? 0
                                              : m->deepest > all ? all
                                                                 : m->deepest;
    if (why)
        *why = (fv_mismatch){ok ? all : parts,
                             ok       ? NULL
                             : m->why ? m->why
                                      : "the op has not one result",
                             m->captured ? m->captured : ""};
    return ok;
}

bool fv_rule_apply(const fv_rule *r, fv_op *op, fv_mismatch *why) {
    fv_matcher m = matcher_at(r, op, why != NULL);
    return tell(&m, match(&m) && replace(&m, op), why);
}

bool fv_rule_apply_if(const fv_rule *r, fv_op *op,
                      bool (*may)(void *user, const fv_rule *r, const fv_op *op), void *user,
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

/* ---- properties of a pattern ---- */

const fv_ast *fv_rule_root(const fv_rule *r) {
    return fv_pattern_root(r->pattern);
}

int fv_rule_parts(const fv_rule *r) {
    return fv_pattern_parts(r->pattern) + r->nwhere;
}
