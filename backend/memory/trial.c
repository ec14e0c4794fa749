/* trial.c - saves the steps, kernels and storages that planning the memory changes, and restores
 * them. */
#include "backend/memory/trial.h"

#include <string.h>

#include "ir/kernel/reuse.h"

/* A copy of what fv_kernel_reuse changes in a kernel. Expressions never change, so they are
 * shared. */
typedef struct kept_kernel {
    fv_kernel *kernel, was;
    fv_buf **bufs;
    uint8_t *roles;
} kept_kernel;

typedef struct kept_storage {
    fv_storage *storage, was;
} kept_storage;

struct fv_trial {
    fv_lowerer *l;
    fv_host host;
    struct fv_reasons *reasons;
    kept_storage *storages;
    kept_kernel *kernels;
    int nstorages, nkernels;
};

static fv_block copied(fv_arena *a, const fv_block *block) {
    fv_block copy = {0};
    for (const fv_stmt *s = block->first; s; s = s->next) {
        fv_stmt *c = FV_NEW(a, fv_stmt, 1);
        *c = *s;
        c->next = NULL;
        c->body = copied(a, &s->body);
        c->other = copied(a, &s->other);
        if (s->index) {
            c->index = FV_NEW(a, fv_expr *, s->buf->rank + 1);
            memcpy(c->index, s->index, (size_t)s->buf->rank * sizeof *c->index);
        }
        *(copy.last ? &copy.last->next : &copy.first) = c;
        copy.last = c;
    }
    return copy;
}

static kept_kernel keep_kernel(fv_arena *a, fv_kernel *k) {
    kept_kernel kept = {k, *k, FV_NEW(a, fv_buf *, k->nbufs + 1), FV_NEW(a, uint8_t, k->nbufs + 1)};
    for (int i = 0; i < k->nbufs; i++) {
        kept.bufs[i] = k->bufs[i];
        kept.roles[i] = k->bufs[i]->role;
    }
    k->body = copied(a, &k->body);
    return kept;
}

static void restore_kernel(const kept_kernel *kept) {
    *kept->kernel = kept->was;
    for (int i = 0; i < kept->was.nbufs; i++) {
        fv_buf *b = kept->was.bufs[i] = kept->bufs[i];
        b->role = kept->roles[i];
        b->id = i;
    }
}

fv_trial *fv_trial_begin(fv_lowerer *l) {
    fv_arena *a = l->arena;
    const fv_ptrmap *all = &l->known.storage;
    fv_trial *t = FV_NEW(a, fv_trial, 1);
    *t = (fv_trial){.l = l,
                    .host = l->host,
                    .reasons = l->reasons,
                    .storages = FV_NEW(a, kept_storage, (int)all->n + 1),
                    .kernels = FV_NEW(a, kept_kernel, l->host.nsteps + 1)};
    for (size_t i = 0; i < all->cap; i++)
        if (all->keys[i]) {
            fv_storage *s = all->values[i];
            t->storages[t->nstorages++] = (kept_storage){s, *s};
        }
    fv_ptrmap seen = fv_ptrmap_in(a);
    for (int i = 0; i < l->host.nsteps; i++) {
        fv_kernel *k = l->host.steps[i].launch.kernel;
        if (l->host.steps[i].kind != FV_STEP_LAUNCH || fv_ptrmap_get(&seen, k))
            continue;
        *fv_ptrmap_at(&seen, k) = k;
        t->kernels[t->nkernels++] = keep_kernel(a, k);
    }
    l->host.steps = FV_NEW(a, fv_step, l->host.nsteps + 1);
    l->host.cap_steps = l->host.nsteps + 1;
    memcpy(l->host.steps, t->host.steps, (size_t)l->host.nsteps * sizeof *l->host.steps);
    l->reasons = NULL;
    return t;
}

void fv_trial_end(fv_trial *t) {
    t->l->host = t->host;
    t->l->reasons = t->reasons;
    for (int i = 0; i < t->nstorages; i++)
        *t->storages[i].storage = t->storages[i].was;
    for (int i = 0; i < t->nkernels; i++)
        restore_kernel(&t->kernels[i]);
}

bool fv_trial_reuse(fv_lowerer *l, fv_kernel *k, int from, int to) {
    kept_kernel kept = keep_kernel(l->arena, k);
    bool can = fv_kernel_reuse(k, from, to);
    restore_kernel(&kept);
    return can;
}
