/* simplify.c - passes that apply the rules of a file until none matches. */
#include <string.h>

#include "ir/catalogue/op.h"
#include "passes/embedded.h"
#include "passes/internal.h"

/* Rules that come to an end need a round or two, and seldom an application for every op. */
enum { MAX_ROUNDS = 200, MAX_APPLICATIONS = 32 };

typedef struct simplifier {
    fv_pass_run *r;
    const fv_rule *rules;
    int nrules;
    fv_exactness most;
    int64_t left;        /* applications */
    const fv_rule *last; /* that was applied */
} simplifier;

static bool may(void *user, const fv_rule *rule, const fv_op *op) {
    const simplifier *s = user;
    return fv_pass_may(s->r, rule->name, op);
}

static bool apply_all(simplifier *s, fv_region *block) {
    bool any = false;
    for (fv_op *op = block->first; op && s->left > 0; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                any |= apply_all(s, op->attrs[i].u.region);
        if (op->nout != 1 || !op->out[0] || !op->out[0]->nuses)
            continue;
        for (int i = 0; i < s->nrules; i++)
            if (s->rules[i].exactness <= s->most && fv_rule_apply_if(&s->rules[i], op, may, s, NULL)) {
                fv_pass_count_one(s->r, s->rules[i].name);
                s->last = &s->rules[i];
                s->left--;
                any = true;
                break;
            }
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

bool fv_apply_rules(fv_pass_run *r, const fv_rule *rules, int n, fv_exactness most) {
    simplifier s = {.r = r, .rules = rules, .nrules = n, .most = most};
    bool any = true;
    for (fv_func *f = r->module->funcs; f; f = f->next)
        s.left += MAX_APPLICATIONS * count_ops(f->body);
    for (int round = 0; any && round < MAX_ROUNDS && s.left > 0; round++) {
        any = false;
        for (fv_func *f = r->module->funcs; f; f = f->next)
            any |= apply_all(&s, f->body);
    }
    const fv_rule_watch *w = r->options ? r->options->rules : NULL;
    if (!any && w)
        w->settled(w->user, r, rules, n, most);
    return !any || fv_error(r->module->session,
                            "the rules come to no end: '%s' still applies; what one of them makes, it "
                            "or another takes back", s.last->name);
}

bool fv_simplify_with(fv_pass_run *r, const fv_rule *rules, int n) {
    return fv_apply_rules(r, rules, n, FV_ROUNDING);
}

static bool apply_file(fv_pass_run *r, const char *file, const char *text) {
    fv_session *s = r->module->session;
    const char *before = fv_diag_file_get(s);
    fv_rule *rules;
    int n, errors = fv_error_count(s);
    fv_diag_file(s, file);
    bool ok = fv_rules_parse(r->module->arena, text, &rules, &n);
    fv_diag_file(s, before);
    return ok && fv_simplify_with(r, rules, n) && fv_error_count(s) == errors;
}

bool fv_pass_simplify(fv_pass_run *r) {
    return apply_file(r, "passes/simplify.rules", fv_simplify_rules);
}

bool fv_pass_reduce_strength(fv_pass_run *r) {
    return apply_file(r, "passes/strength.rules", fv_strength_rules);
}
