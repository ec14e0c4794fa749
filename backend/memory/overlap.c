/* overlap.c - starts exchanges before they are waited for. Two launches depend on each other if
 * both use a value and one of them writes it; values that share memory count as one. All ranks find
 * the same order, since it does not depend on sizes. */
#include "backend/memory/overlap.h"

#include <string.h>

#include "backend/lowering/storage.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"
#include "ir/graph/graph.h"
#include "ir/kernel/build.h"

/* Launches that are looked at after a collective: the work is in proportion to the square. */
enum { WINDOW = 256 };

static const fv_storage *home_of(fv_lowerer *l, const fv_value *v) {
    return fv_storage_home(fv_storage_root(fv_storage_of(l, v)));
}

static bool is_exchange(const fv_step *s) {
    return s->kind == FV_STEP_LAUNCH && fv_kernel_exchange(s->launch.kernel) != NULL;
}

static bool writes(const fv_launch *n, int arg) {
    return n->kernel->bufs[arg]->role != FV_BUF_IN;
}

/* Must two launches keep their order? In a loop, arguments are exchanged from iteration to
 * iteration, and are not compared. */
static bool depend(fv_lowerer *l, const fv_launch *a, const fv_launch *b) {
    if (a->args_odd || b->args_odd)
        return true;
    for (int i = 0; i < a->nargs; i++)
        for (int k = 0; k < b->nargs; k++)
            if ((writes(a, i) || writes(b, k)) && home_of(l, a->args[i]) == home_of(l, b->args[k]))
                return true;
    return false;
}

/* ---- the order ---- */

/* Moves the launches that do not need the exchange of step `at` before those that do, up to the
 * next exchange, which is also moved. */
static void move_ahead(fv_lowerer *l, int at, int end) {
    fv_step *steps = l->host.steps, *later = FV_NEW(l->exprs, fv_step, WINDOW + 1);
    int nlater = 0, next = at + 1;
    end = end - at > WINDOW ? at + WINDOW : end;
    for (int i = at + 1; i < end; i++) {
        const fv_step s = steps[i];
        bool needs = depend(l, &steps[at].launch, &s.launch);
        for (int k = 0; k < nlater && !needs; k++)
            needs = depend(l, &later[k].launch, &s.launch);
        if (needs)
            later[nlater++] = s;
        else
            steps[next++] = s;
        if (is_exchange(&s))
            end = i + 1;
    }
    memcpy(steps + next, later, (size_t)nlater * sizeof *later);
}

/* ---- starting and waiting ---- */

/* A kernel that waits for what kernel k starts: it keeps what is sent and received. */
static fv_kernel *waiting(fv_lowerer *l, const fv_kernel *k) {
    fv_arena *a = l->arena;
    const fv_stmt_call *call = &fv_kernel_exchange(k)->call;
    fv_kernel *w = fv_kernel_new(a, fv_printf(a, "wait_%s", k->name));
    fv_expr **dims = FV_NEW(a, fv_expr *, k->ndims + 1);
    fv_buf *args[FV_LIBRARY_PARAMS];
    fv_kbuilder b;
    for (int i = 0; i < k->ndims; i++)
        dims[i] = fv_kernel_dim(w, k->dims[i]->name, k->dims[i]->lo, k->dims[i]->hi);
    for (int i = 0; i < k->nbufs; i++) {
        const fv_buf *x = k->bufs[i];
        fv_expr *extent[FV_MAX_RANK];
        for (int axis = 0; axis < x->rank; axis++)
            extent[axis] = fv_x_replace_vars(a, x->extent[axis], k->ndims, k->dims, dims);
        fv_buf *y = fv_kernel_buf(w, x->name, FV_BUF_IN, x->elem, x->rank, extent);
        y->value = x->value;
        for (int p = 0; p < call->library->nparams; p++)
            if (call->args[p] == x)
                args[p] = y;
    }
    fv_kb_init(&b, a, w, &w->body);
    fv_kb_call_rank(&b, call->library, args, call->rank, call->ranks);
    b.block->last->call.mode = FV_CALL_WAIT;
    w->schedule = k->schedule;
    w->formula = k->formula;
    w->origin = k->origin;
    return w;
}

static void start(fv_kernel *k) {
    for (fv_stmt *s = k->body.first; s; s = s->next)
        if (s->kind == FV_S_CALL)
            s->call.mode = FV_CALL_START;
}

/* The steps of the new host program, and which of them are exchanges that were not waited for. */
typedef struct steps {
    fv_lowerer *l;
    fv_step *all;
    int n, cap;
    int last; /* the last one that does not wait */
    int *pending;
    int npending, cap_pending;
} steps;

static void put(steps *s, fv_step step) {
    FV_PUSH(s->l->arena, s->all, s->n, s->cap, step);
}

/* Waits for the first n exchanges. If there is only one, and nothing was launched after it, it
 * stays a whole call. */
static void wait_for(steps *s, int n) {
    for (int i = 0; i < n; i++) {
        int at = s->pending[i];
        if (at == s->last && s->npending == 1)
            continue;
        fv_step step = s->all[at];
        start(step.launch.kernel);
        step.launch.kernel = waiting(s->l, step.launch.kernel);
        put(s, step);
    }
    s->npending -= n;
    for (int i = 0; i < s->npending; i++)
        s->pending[i] = s->pending[i + n];
}

/* The number of exchanges for which a step must wait: those up to the last one that it needs. */
static int needed(steps *s, const fv_step *step) {
    int n = step->kind == FV_STEP_LAUNCH ? 0 : s->npending;
    for (int i = n; i < s->npending; i++)
        if (depend(s->l, &s->all[s->pending[i]].launch, &step->launch))
            n = i + 1;
    return n;
}

static void start_and_wait(fv_lowerer *l) {
    steps s = {.l = l};
    for (int i = 0; i < l->host.nsteps; i++) {
        const fv_step *step = &l->host.steps[i];
        wait_for(&s, needed(&s, step));
        s.last = s.n;
        put(&s, *step);
        if (is_exchange(step))
            FV_PUSH(l->exprs, s.pending, s.npending, s.cap_pending, s.last);
    }
    wait_for(&s, s.npending);
    l->host.steps = s.all;
    l->host.nsteps = s.n;
    l->host.cap_steps = s.cap;
}

/* Does an output grow in the memory of an input? Then launches keep their order, which the memory
 * of the caller decides. */
static bool has_capacity(const fv_lowerer *l) {
    bool any = false;
    for (int i = 0; l->func->capacity && i < l->func->body->last->nin; i++)
        any |= l->func->capacity[i] != NULL;
    return any;
}

void fv_overlap_exchanges(fv_lowerer *l) {
    bool any = false, moves = !has_capacity(l);
    for (int i = 0; i < l->host.nsteps; i++) {
        int end = i + 1;
        if (!is_exchange(&l->host.steps[i]))
            continue;
        any = true;
        while (end < l->host.nsteps && l->host.steps[end].kind == FV_STEP_LAUNCH)
            end++;
        if (moves)
            move_ahead(l, i, end);
    }
    if (any)
        start_and_wait(l);
}
