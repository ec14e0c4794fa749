/* simplify.c - applies the rules of simplify.rules until none matches. */
#include <string.h>

#include "ir/op.h"
#include "passes/embedded.h"
#include "passes/internal.h"

enum { MAX_ROUNDS = 32 };

static bool apply_all(fv_pass_run *r, const fv_rule *rules, int n, fv_region *block) {
    bool any = false;
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                any |= apply_all(r, rules, n, op->attrs[i].u.region);
        if (op->nout != 1 || !op->out[0] || !op->out[0]->nuses)
            continue;
        for (int i = 0; i < n; i++)
            if (rules[i].exactness != FV_APPROXIMATE && fv_rule_apply(&rules[i], op, NULL)) {
                fv_pass_count_one(r, rules[i].name);
                any = true;
                break;
            }
    }
    return any;
}

bool fv_pass_simplify(fv_pass_run *r) {
    fv_rule *rules;
    int n, errors = fv_error_count(r->module->session);
    if (!fv_rules_parse(r->module->arena, fv_simplify_rules, &rules, &n))
        return false;
    for (int round = 0; round < MAX_ROUNDS; round++) {
        bool any = false;
        for (fv_func *f = r->module->funcs; f; f = f->next)
            any |= apply_all(r, rules, n, f->body);
        if (!any)
            break;
    }
    return fv_error_count(r->module->session) == errors;
}
