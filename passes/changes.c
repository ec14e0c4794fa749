/* changes.c - what passes call for each change: whether they may make it, and the count of it. */
#include <string.h>

#include "passes/passes.h"

void fv_pass_count_one(fv_pass_run *r, const char *what) {
    r->changed = true;
    for (int i = 0; i < r->ncounts; i++)
        if (!strcmp(r->counts[i].what, what)) {
            r->counts[i].n++;
            return;
        }
    FV_PUSH(r->arena, r->counts, r->ncounts, r->cap_counts, ((fv_pass_count){what, 1}));
}

void fv_pass_declined(fv_pass_run *r, int n, const char *what) {
    FV_PUSH(r->arena, r->counts, r->ncounts, r->cap_counts, ((fv_pass_count){what, n}));
}

bool fv_pass_may(const fv_pass_run *r, const char *what, const fv_op *op) {
    const fv_gate *gate = r->options ? r->options->gate : NULL;
    return !gate || gate->may(gate->user, r->pass->name, what, op);
}

static bool each_of_block(fv_pass_run *r, const fv_region *block,
                          bool (*visit)(fv_pass_run *, fv_op *)) {
    for (fv_op *op = block->first, *next; op; op = next) {
        next = op->next;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION &&
                !each_of_block(r, op->attrs[i].u.region, visit))
                return false;
        if (!visit(r, op))
            return false;
    }
    return true;
}

bool fv_pass_each(fv_pass_run *r, bool (*visit)(fv_pass_run *r, fv_op *op)) {
    for (const fv_func *f = r->module->funcs; f; f = f->next)
        if (!each_of_block(r, f->body, visit))
            return false;
    return true;
}
