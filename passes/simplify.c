/* simplify.c - the passes that apply the rewrite rules of a file until none matches. */
#include <string.h>

#include "ir/catalogue/op.h"
#include "ir/rule/index.h"
#include "passes/decides.h"
#include "passes/embedded.h"
#include "passes/internal.h"
#include "passes/quantized.h"

/* Limits of rounds and of applications per op. Rules that terminate need one or two rounds, and on
 * average far less than one application per op. */
enum { MAX_ROUNDS = 200, MAX_APPLICATIONS = 32 };
/* number of applications that are recorded; rules that undo each other occur among the last ones */
enum { MAX_LAST = 64 };

typedef struct simplifier {
    fv_pass_run *r;
    const fv_rule *rules;
    fv_rule_index *index;
    fv_exactness most;
    int64_t left, done; /* left: applications that are still allowed; done: applications so far */
    /* the last rules that were applied: application i is at i % MAX_LAST */
    const fv_rule *last[MAX_LAST];
} simplifier;

static bool may(void *user, const fv_rule *rule, const fv_op *op) {
    const simplifier *s = user;
    const fv_pipeline_options *o = s->r->options;
    return !(o && fv_is_in(o->without, rule->name)) && fv_pass_may(s->r, rule->name, op);
}

/* Applies the first rule that matches the op. */
static bool apply_one(simplifier *s, fv_op *op) {
    for (int i = -1; (i = fv_rule_index_next(s->index, op, i)) >= 0;) {
        const fv_rule *rule = &s->rules[i];
        if (rule->exactness > s->most)
            continue;
        s->r->tried++;
        if (!fv_rule_apply_if(rule, op, may, s, NULL))
            continue;
        fv_pass_count_one(s->r, rule->name);
        s->last[s->done++ % MAX_LAST] = rule;
        s->left--;
        return true;
    }
    return false;
}

static bool has_uses(const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            return true;
    return false;
}

static bool apply_all(simplifier *s, fv_region *block) {
    bool any = false;
    for (fv_op *op = block->first; op && s->left > 0; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                any |= apply_all(s, op->attrs[i].u.region);
        if (has_uses(op))
            any |= apply_one(s, op);
    }
    return any;
}

static int64_t count_ops(const fv_region *block) {
    int64_t n = 0;
    for (const fv_op *op = block->first; op; op = op->next) {
        n++;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                n += count_ops(op->attrs[i].u.region);
    }
    return n;
}

/* The names of the rules that still apply, for the message: "'ping' and 'pong' still apply". Each
 * is named once, the last one first. */
static const char *circle(const simplifier *s, fv_arena *a) {
    fv_text t = {.arena = a};
    const fv_rule *listed[MAX_LAST];
    int n = 0;
    for (int i = 0; i < MAX_LAST && i < s->done; i++) {
        const fv_rule *rule = s->last[(s->done - 1 - i) % MAX_LAST];
        int k = 0;
        while (k < n && listed[k] != rule)
            k++;
        if (k == n)
            listed[n++] = rule;
    }
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s'%s'", !i ? "" : i == n - 1 ? " and " : ", ", listed[i]->name);
    fv_text_put(&t, n > 1 ? " still apply" : " still applies");
    return t.s;
}

bool fv_apply_rules(fv_pass_run *r, const fv_rule *rules, int n, fv_exactness most) {
    simplifier s = {
        .r = r, .rules = rules, .index = fv_rule_index_new(r->arena, rules, n), .most = most};
    bool any = true;
    const int errors = fv_error_count(r->module->session);
    for (fv_func *f = r->module->funcs; f; f = f->next)
        s.left += MAX_APPLICATIONS * count_ops(f->body);
    for (int round = 0;
         any && round < MAX_ROUNDS && s.left > 0 && fv_error_count(r->module->session) == errors;
         round++) {
        any = false;
        for (fv_func *f = r->module->funcs; f; f = f->next)
            any |= apply_all(&s, f->body);
    }
    if (fv_error_count(r->module->session) > errors)
        return false;
    const fv_rule_watch *w = r->options ? r->options->rules : NULL;
    if (!any && w)
        w->settled(w->user, r, rules, n, most);
    return !any ||
           fv_error(
               r->module->session,
               "the rules come to no end: %s; what one of them makes, it or another takes back",
               circle(&s, r->arena));
}

/* ---- the shipped rules ---- */

typedef struct rule_file {
    const char *path;
    const char *const *text;
} rule_file;

static const rule_file integers_rules = {"passes/integers.rules", &fv_integers_rules},
                       simplify_rules = {"passes/simplify.rules", &fv_simplify_rules},
                       strength_rules = {"passes/strength.rules", &fv_strength_rules};

static bool read_file(fv_arena *a, const rule_file *f, fv_rule **rules, int *n) {
    fv_session *s = fv_arena_session(a);
    const char *before = fv_diag_file_get(s);
    int errors = fv_error_count(s);
    fv_diag_file(s, f->path);
    bool ok = fv_rules_parse(a, *f->text, rules, n) && fv_error_count(s) == errors;
    fv_diag_file(s, before);
    return ok;
}

/* The condition of shipped rules that round elsewhere: the module does not decide on the value. */
typedef struct guard {
    fv_pass_run *r;
    fv_deciding deciding;
    int64_t applied;   /* number of changes of the pass for which `deciding` holds; -1: none */
    fv_ptrmap refused; /* the ops to which a rule was not applied */
} guard;

static int64_t count_applied(const fv_pass_run *r) {
    int64_t n = 0;
    for (int i = 0; i < r->ncounts; i++)
        n += r->counts[i].n;
    return n;
}

static bool decides_nothing(void *user, fv_op *op, int n, const fv_capture *captures) {
    guard *g = user;
    (void)n, (void)captures;
    if (g->applied != count_applied(g->r)) {
        g->deciding = fv_deciding_of(g->r->module, g->r->arena);
        g->applied = count_applied(g->r);
    }
    if (!fv_decides_by(&g->deciding, op))
        return true;
    *fv_ptrmap_at(&g->refused, op) = op;
    return false;
}

static void keep_decisions(guard *g, fv_rule *rules, int n) {
    for (int i = 0; i < n; i++)
        if (rules[i].exactness == FV_ROUNDING) {
            rules[i].holds = decides_nothing;
            rules[i].user = g;
            rules[i].refusal = "the model decides on the result, which it would round elsewhere";
        }
}

static bool apply_file(fv_pass_run *r, const rule_file *f, fv_exactness most) {
    fv_rule *rules;
    int n;
    guard g = {.r = r, .applied = -1, .refused = fv_ptrmap_in(r->arena)};
    if (!read_file(r->module->arena, f, &rules, &n))
        return false;
    keep_decisions(&g, rules, n);
    if (!fv_apply_rules(r, rules, n, most))
        return false;
    if (g.refused.n)
        fv_pass_declined(r, (int)g.refused.n, "left as stated, since the model decides on it");
    return true;
}

bool fv_pass_simplify(fv_pass_run *r) {
    return apply_file(r, &simplify_rules, FV_ROUNDING);
}

bool fv_pass_simplify_exact(fv_pass_run *r) {
    return apply_file(r, &simplify_rules, FV_EXACT);
}

bool fv_pass_integers(fv_pass_run *r) {
    fv_fold_quantized(r);
    return apply_file(r, &integers_rules, FV_SUMMED);
}

bool fv_pass_reduce_strength(fv_pass_run *r) {
    return apply_file(r, &strength_rules, FV_ROUNDING);
}

bool fv_rule_is_shipped(fv_arena *a, const char *name) {
    const rule_file *files[] = {&integers_rules, &simplify_rules, &strength_rules};
    for (int i = 0; i < 3; i++) {
        fv_rule *rules;
        int n = 0;
        bool read = read_file(a, files[i], &rules, &n);
        for (int k = 0; read && k < n; k++)
            if (!strcmp(rules[k].name, name))
                return true;
    }
    return false;
}
