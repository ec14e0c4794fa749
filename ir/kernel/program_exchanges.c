/* program_exchanges.c - checks that exchanges which a host program starts are waited for. */
#include "ir/kernel/program_exchanges.h"

#include "ir/kernel/build.h"

/* Exchanges that were started, in their order. */
typedef struct pending {
    fv_kverifier *v;
    const fv_stmt **all;
    int n, cap;
} pending;

static const fv_stmt_call *exchange_of(const fv_stmt *launch) {
    const fv_stmt *s = fv_kernel_exchange(launch->call.kernel);
    return s ? &s->call : NULL;
}

/* Does the launch `s` wait for the exchange that `start` starts? */
static bool is_wait_for(const fv_stmt *start, const fv_stmt *s) {
    const fv_stmt_call *a = exchange_of(start), *b = exchange_of(s);
    bool same = a->library == b->library && a->rank == b->rank;
    for (int i = 0; i < start->call.kernel->nbufs && same; i++)
        same = s->call.kernel->nbufs == start->call.kernel->nbufs &&
               start->call.args[i] == s->call.args[i];
    return same;
}

/* Checks that a launch uses nothing that an exchange is about to receive, and writes nothing that
 * it sends. */
static bool check_use(const pending *p, const fv_stmt *start, const fv_stmt *s) {
    const fv_kernel *k = s->call.kernel, *of = start->call.kernel;
    for (int i = 0; i < k->nbufs; i++)
        for (int j = 0; j < of->nbufs; j++) {
            bool writes = k->bufs[i]->role != FV_BUF_IN, received = of->bufs[j]->role != FV_BUF_IN;
            const fv_buf *x = s->call.args[i], *y = start->call.args[j];
            if ((x == y && (writes || received)) || (writes && fv_bufs_overlap(x, y)))
                return fv_kv_illegal(p->v,
                                     "kernel %s uses '%s' before the exchange of '%s', which "
                                     "was started, is waited for",
                                     k->name, x->name, y->name);
        }
    return true;
}

static bool check_launch(pending *p, const fv_stmt *s) {
    const fv_stmt_call *exchange = exchange_of(s);
    if (exchange && exchange->mode == FV_CALL_WAIT) {
        if (!p->n || !is_wait_for(p->all[0], s))
            return fv_kv_illegal(p->v,
                                 "kernel %s waits for an exchange that is not the first one "
                                 "that was started and not waited for",
                                 s->call.kernel->name);
        for (int i = 1; i < p->n; i++)
            p->all[i - 1] = p->all[i];
        p->n--;
        return true;
    }
    for (int i = 0; i < p->n; i++)
        if (!check_use(p, p->all[i], s))
            return false;
    if (exchange && exchange->mode == FV_CALL_START)
        FV_PUSH(p->v->a, p->all, p->n, p->cap, s);
    return true;
}

/* Loops and conditions must not be between the start of an exchange and the wait for it. */
static bool is_between(const pending *p, const fv_stmt *s) {
    return !p->n || (s->kind != FV_S_FOR && s->kind != FV_S_IF && s->kind != FV_S_WHILE) ||
           fv_kv_illegal(p->v, "an exchange of kernel %s is started, and not waited for",
                         p->all[0]->call.kernel->name);
}

bool fv_kv_exchanges(fv_kverifier *v, const fv_block *b) {
    pending p = {.v = v};
    for (const fv_stmt *s = b->first; s; s = s->next) {
        v->stmt = s;
        if (!is_between(&p, s) || (s->kind == FV_S_LAUNCH && !check_launch(&p, s)) ||
            !fv_kv_exchanges(v, &s->body) || !fv_kv_exchanges(v, &s->other))
            return false;
    }
    return !p.n || fv_kv_illegal(v, "an exchange of kernel %s is started, and not waited for",
                                 p.all[0]->call.kernel->name);
}
