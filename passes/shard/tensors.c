/* tensors.c - the tensors of a graph of which each rank has a share, by their names. */
#include "passes/shard/parts.h"

typedef struct tensors {
    const fv_module *m;
    fv_ptrmap at; /* interned name -> 1 + its index in the list; a name with two shares has none */
    int n, cap;
    fv_shard_tensor *all;
} tensors;

static void add(tensors *t, const fv_value *v, const fv_shard_at *at) {
    void **slot = fv_ptrmap_at(&t->at, v->name);
    if (at->kind != FV_SHARE_UNITS || at->groups)
        return; /* ranks have copies */
    fv_shard_tensor x = {v->name, at->axis, at->outer, fv_shard_extent(t->m->dims, v->type, at)};
    if (!*slot) {
        FV_PUSH(t->m->arena, t->all, t->n, t->cap, x);
        *slot = (void *)(intptr_t)t->n;
        return;
    }
    fv_shard_tensor *old = &t->all[(intptr_t)*slot - 1];
    if (old->axis != x.axis || old->outer != x.outer)
        old->axis = -1;
}

int fv_shard_tensors(const fv_module *m, const fv_shard_plan *plan, fv_shard_tensor **out) {
    tensors t = {.m = m, .at = fv_ptrmap_in(m->arena)};
    int n = 0;
    for (int c = 0; c < plan->found->n; c++) {
        const fv_shard_axes *cut = &plan->found->cuts[c];
        for (int i = 0; i < cut->nvalues; i++)
            add(&t, cut->values[i], fv_shard_at_of(cut, cut->values[i]));
        for (int i = 0; i < cut->noperands; i++)
            add(&t, cut->operands[i].op->in[cut->operands[i].index], &cut->operands[i].at);
    }
    for (int i = 0; i < t.n; i++)
        if (t.all[i].axis >= 0)
            t.all[n++] = t.all[i];
    *out = t.all;
    return n;
}
