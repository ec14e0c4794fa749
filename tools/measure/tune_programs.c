/* tune_programs.c - see tune.h.
 *
 * Kernels are timed by traces of whole runs, because the time of a kernel depends on what is in the
 * caches before it. One program can therefore try a schedule of each kernel. */
#include <string.h>

#include "tools/measure/tune.h"

#include <math.h>

#include "ir/base/diag.h"
#include "tools/data/compare.h"
#include "tools/model/rounds.h"

static const double ROUND_MS = 10, MOST_RUNS = 1000;

/* ---- programs ---- */

static int runs_of_round(double ms) {
    double n = ROUND_MS / (ms > 1e-3 ? ms : 1e-3);
    return (int)fmin(fmax(n, 1), MOST_RUNS);
}

static bool ready(fv_tuner *t, fv_tune_program *p, const fv_tuning *with, bool first) {
    double start = fv_now_ms(), ms;
    fv_context *c = &p->c;
    int threads = fv_args_threads(c->args);
    bool ok = fv_subject_open_tuned(c, t->path, t->backend, with, &p->choices, &p->m) &&
              fv_read_inputs(c, &p->m) && fv_choose_dims(c, &p->m, !first) &&
              fv_has_work(c, &p->m, "measure") && fv_make_inputs(c, &p->m) &&
              fv_runner_open(c, &p->m, threads, &p->r) && fv_runner_run(c, &p->r, &ms);
    /* the program runs a second time, since the first run reads the weights from the file */
    if (!ok || !fv_runner_run(c, &p->r, &ms))
        return false;
    double took = fv_now_ms() - start;
    t->time.open_ms = took > t->time.open_ms ? took : t->time.open_ms;
    p->block = runs_of_round(ms);
    /* the time of a round of two programs, if the other one takes as long as this one */
    double pair = 2 * (p->block + 1) * ms;
    t->time.pair_ms = pair > t->time.pair_ms ? pair : t->time.pair_ms;
    return true;
}

fv_tune_answer fv_tune_with(fv_tuner *t, const fv_tuning *with, bool quiet, fv_tune_work *work,
                            void *arg) {
    fv_tune_program *p = FV_NEW(t->c->arena, fv_tune_program, 1);
    fv_door door;
    p->c = (fv_context){.session = fv_session_new(), .args = t->c->args};
    if (!p->c.session || FV_DOOR_OPEN(p->c.session, &door))
        fv_leave_too(t->c->session, p->c.session);
    p->c.arena = fv_arena_new(p->c.session);
    bool first = !t->said; /* messages about reading the model are reported only once */
    t->said = true;
    bool made = ready(t, p, with, first);
    fv_tune_answer is = made ? work(t, p, arg) : FV_TUNE_FAILED;
    t->status = is == FV_TUNE_FAILED ? fv_failed(&p->c) : FV_EXIT_OK;
    t->trial.is_unfit = t->trial.is_one && !made && t->status == FV_EXIT_MODEL;
    if (first || (is == FV_TUNE_FAILED && !quiet && !t->trial.is_unfit))
        fv_print_messages(&p->c);
    fv_runner_close(&p->r);
    fv_subject_close(&p->m);
    fv_door_close(p->c.session, &door);
    fv_session_free(p->c.session);
    return is;
}

const fv_choice *fv_tune_choice(const fv_tune_program *p, const char *key) {
    for (int i = 0; i < p->choices.n; i++)
        if (!strcmp(p->choices.at[i].key, key))
            return &p->choices.at[i];
    return NULL;
}

/* ---- rounds ---- */

static int kernel_of_launch(const fv_tuner *t, const fv_tune_program *p, int launch) {
    if (launch < 0 || launch >= p->m.ncosts)
        return -1;
    for (int i = 0; i < p->choices.n; i++)
        for (int k = 0; p->choices.at[i].kernel == p->m.costs[launch].kernel && k < t->kernels.n;
             k++)
            if (!strcmp(t->kernels.all[k].key, p->choices.at[i].key))
                return k;
    return -1;
}

/* For each launch of the program, the number of its kernel; -1: that kernel is not tuned. */
static int *launches_of_kernels(const fv_tuner *t, const fv_tune_program *p) {
    int *of = FV_NEW(p->c.arena, int, p->m.ncosts + 1);
    for (int i = 0; i < p->m.ncosts; i++)
        of[i] = kernel_of_launch(t, p, i);
    return of;
}

static double least(double a, double b) {
    return a < b ? a : b;
}

static bool run_block(const fv_tuner *t, fv_tune_program *p) {
    int n = t->kernels.n;
    int *of = launches_of_kernels(t, p);
    double *now = FV_NEW(p->c.arena, double, n + 1), ms;
    bool ok = fv_runner_run(&p->c, &p->r, &ms); /* untimed: fills the caches again */
    p->kernel_ms = FV_NEW(p->c.arena, double, n + 1);
    for (int i = 0; i < p->block && ok; i++) {
        ok = fv_runner_trace(&p->c, &p->r, &ms);
        memset(now, 0, (size_t)n * sizeof *now);
        for (int e = 0; e < p->r.nevents; e++) {
            const fv_event *at = &p->r.events[e];
            int k = at->launch >= 0 && at->launch < p->m.ncosts ? of[at->launch] : -1;
            if (k >= 0)
                now[k] += at->end - at->begin;
        }
        for (int k = 0; k < n; k++)
            p->kernel_ms[k] = i ? least(p->kernel_ms[k], now[k]) : now[k];
        p->run_ms = i ? least(p->run_ms, ms) : ms;
    }
    return ok;
}

bool fv_tune_round(fv_tuner *t, fv_tune_program *a, fv_tune_program *b, bool swap) {
    return swap ? run_block(t, b) && run_block(t, a) : run_block(t, a) && run_block(t, b);
}

bool fv_tune_same_outputs(fv_tune_program *a, fv_tune_program *b) {
    for (int i = 0; i < a->m.table->noutputs; i++) {
        const fv_array *x = &a->m.data.outputs[i], *y = &b->m.data.outputs[i];
        size_t n = fv_array_bytes(x);
        fv_difference d;
        if (n == fv_array_bytes(y) && (!n || !memcmp(x->data, y->data, n)))
            continue;
        d = fv_differ(b->c.arena, y, x, 0, 0); /* NaNs with other bits are equal */
        if (d.shape || d.differing)
            return fv_error(b->c.session,
                            "internal error: output '%s' differs under another schedule",
                            a->m.table->outputs[i].name);
    }
    return true;
}
