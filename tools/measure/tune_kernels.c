/* tune_kernels.c - see tune.h. */
#include <stdlib.h>
#include <string.h>

#include "tools/measure/tune.h"

#include "backend/cost/predict.h"
#include "tools/measure/alternatives.h"
#include "tools/measure/peak.h"

enum { MOST_KERNELS = 32, MOST_TRIES = 256, LOOKS = 5 };
/* kernels whose share of the time is smaller are not tuned */
#define WORTH_TUNING 0.01
/* a kernel whose time is less than this times its bound counts as being as fast as it can be */
#define NEAR_BOUND 1.05
/* part of the time that may be spent on predictions */
#define PREDICTING 0.2
/* a schedule is left out if its predicted time is more than this times that of the current one */
#define HOPELESS 1.5

/* ---- kernels ---- */

static fv_tune_kernel *kernel_of(fv_tuner *t, const fv_choice *c) {
    for (int i = 0; i < t->kernels.n; i++)
        if (!strcmp(t->kernels.all[i].key, c->key))
            return &t->kernels.all[i];
    fv_arena *a = t->c->arena;
    fv_tune_kernel k = {.key = fv_strdup(a, c->key),
                        .name = fv_strdup(a, c->kernel->name),
                        .formula = fv_strdup(a, c->kernel->formula)};
    FV_PUSH(a, t->kernels.all, t->kernels.n, t->kernels.cap, k);
    return &t->kernels.all[t->kernels.n - 1];
}

/* Equal layers share one kernel, and their choices are equal. */
const fv_choice *fv_tune_choice_of(const fv_choices *all, const fv_kernel *kernel) {
    for (int i = 0; i < all->n; i++)
        if (all->at[i].kernel == kernel)
            return &all->at[i];
    return NULL;
}

static int by_time(const void *a, const void *b) {
    double x = ((const fv_tune_kernel *)a)->ms, y = ((const fv_tune_kernel *)b)->ms;
    return (x < y) - (x > y);
}

/* The speeds of the target's processor, at the clock that follows from the measured peak of
 * multiply-adds, divided by the number of threads. */
static fv_speeds speeds_of(const fv_tuner *t, const fv_program *p, int threads) {
    fv_speeds own = fv_speeds_of(p->target);
    return fv_speeds_at(&own, t->roof.gflops / threads, fv_peak_widest().lanes, 0);
}

/* Predictions of all launches of a program for these dims. */
static fv_prediction *predict(const fv_tuner *t, fv_arena *a, const fv_program *p,
                              const int64_t *dims, int threads, int n, fv_launch_cost *costs) {
    fv_prediction *out = FV_NEW(a, fv_prediction, n + 1);
    fv_speeds s = speeds_of(t, p, threads);
    fv_cost_evaluate(a, p, dims, n, costs);
    fv_predict_launches(a, p, dims, &s, threads, n, costs, out);
    return out;
}

/* How often the traced run that was the last one made the launch: often, in a loop. */
static int calls_of(const fv_tune_program *now, int launch) {
    int n = 0;
    for (int i = 0; i < now->r.nevents; i++)
        n += now->r.events[i].launch == launch;
    return n;
}

static void find_bounds(fv_tuner *t, fv_tune_program *now) {
    int n = now->m.ncosts;
    const fv_launch_cost *l = now->m.costs;
    const fv_prediction *is =
        predict(t, now->c.arena, now->m.program, now->m.data.dims, now->r.threads, n, now->m.costs);
    for (int i = 0; i < n; i++) {
        const fv_choice *c = fv_tune_choice_of(&now->choices, l[i].kernel);
        if (!c || !l[i].known)
            continue;
        double computing = 1e-6 * l[i].cost.flops / t->roof.gflops;
        double moving = is[i].transfers, least = computing > moving ? computing : moving;
        kernel_of(t, c)->bound += calls_of(now, i) * least;
    }
}

bool fv_tune_find_kernels(fv_tuner *t, fv_tune_program *now) {
    double sum = 0;
    t->roof = fv_roof_measure(&now->r.env, now->r.threads, NULL);
    for (int i = 0; i < now->choices.n; i++)
        (void)kernel_of(t, &now->choices.at[i]);
    for (int round = 0; round < LOOKS; round++) {
        fv_roof roof = fv_roof_measure(&now->r.env, now->r.threads, NULL);
        t->roof.gflops = roof.gflops > t->roof.gflops ? roof.gflops : t->roof.gflops;
        if (!fv_tune_round(t, now, now, false))
            return false;
        for (int k = 0; k < t->kernels.n; k++) {
            fv_tune_kernel *at = &t->kernels.all[k];
            at->ms = round && at->ms < now->kernel_ms[k] ? at->ms : now->kernel_ms[k];
            at->now = at->ms;
        }
    }
    find_bounds(t, now);
    for (int k = 0; k < t->kernels.n; k++)
        sum += t->kernels.all[k].ms;
    if (t->kernels.n)
        qsort(t->kernels.all, (size_t)t->kernels.n, sizeof *t->kernels.all, by_time);
    while (t->kernels.n > 1 && (t->kernels.n > MOST_KERNELS ||
                                t->kernels.all[t->kernels.n - 1].ms < WORTH_TUNING * sum))
        t->kernels.n--;
    return true;
}

/* ---- schedules to try ---- */

static bool same_values(const fv_schedule *a, const fv_schedule *b) {
    return !memcmp(a->value, b->value, sizeof a->value);
}

/* Adds the change, unless its schedule is in the list. */
static void add_try(fv_arena *a, fv_tune_kernel *k, const fv_choice *c, const fv_schedule *change) {
    fv_tune_try new = {.change = *change, .whole = c->how, .predicted = -1};
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_schedule_states(change, (fv_parameter)p))
            fv_schedule_set(&new.whole, (fv_parameter)p, change->value[p]);
    for (int i = 0; i < k->tries.n; i++)
        if (same_values(&k->tries.all[i].whole, &new.whole))
            return;
    FV_PUSH(a, k->tries.all, k->tries.n, k->tries.cap, new);
}

void fv_tune_add_tries(fv_arena *a, fv_tune_kernel *k, const fv_choice *c, int threads) {
    fv_schedule all[MOST_TRIES], both;
    int n = 0;
    for (int i = 0, is; (is = fv_alternative(a, c, threads, i, &all[n])) >= 0;) {
        i++;
        if (is && n < MOST_TRIES - 1)
            add_try(a, k, c, &all[n++]);
    }
    for (int sum = 1; sum < 2 * n; sum++)
        for (int i = 0; 2 * i < sum && k->tries.n < MOST_TRIES; i++)
            if (sum - i < n && fv_alternative_both(a, c, &all[i], &all[sum - i], &both))
                add_try(a, k, c, &both);
}

/* Lists the tries for a kernel. Of the previous list it keeps the tries that were done, so that
 * none is done again; the whole list stays if the schedule of the kernel is still the one that the
 * tries change. */
static void list_kernel(fv_tuner *t, fv_tune_kernel *k, const fv_choice *c, int threads) {
    int n = 0;
    if (!c || (k->tries.n && same_values(&k->tries.of, &c->how)))
        return;
    k->tries.of = c->how;
    for (int i = 0; i < k->tries.n; i++)
        if (k->tries.all[i].done)
            k->tries.all[n++] = k->tries.all[i];
    k->tries.n = n;
    fv_tune_add_tries(t->c->arena, k, c, threads);
}

fv_tuning fv_tune_changed(fv_arena *a, const fv_tuning *from, const fv_tune_kernel *k,
                          const fv_schedule *change) {
    fv_tuning to = *from;
    int i = 0;
    to.kernels = FV_NEW(a, fv_tuned_kernel, from->n + 1);
    if (from->n)
        memcpy(to.kernels, from->kernels, (size_t)from->n * sizeof *to.kernels);
    while (i < to.n && strcmp(to.kernels[i].key, k->key))
        i++;
    if (i == to.n)
        to.kernels[to.n++] = (fv_tuned_kernel){.key = k->key};
    to.kernels[i].schedule.kind = change->kind;
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_schedule_states(change, (fv_parameter)p))
            fv_schedule_set(&to.kernels[i].schedule, (fv_parameter)p, change->value[p]);
    return to;
}

/* ---- predictions ---- */

/* Predicts the present schedule of each kernel. */
static void predict_now(fv_tuner *t, fv_tune_program *now) {
    int n = now->m.ncosts;
    const fv_launch_cost *l = now->m.costs;
    const fv_prediction *is =
        predict(t, now->c.arena, now->m.program, now->m.data.dims, now->r.threads, n, now->m.costs);
    for (int k = 0; k < t->kernels.n; k++) {
        fv_tune_kernel *at = &t->kernels.all[k];
        at->tries.base = 0;
        for (int i = 0; i < n; i++) {
            const fv_choice *c = fv_tune_choice_of(&now->choices, l[i].kernel);
            at->tries.base += c && is[i].known && !strcmp(c->key, at->key) ? is[i].ms : 0;
        }
    }
}

/* Lowers the model with the schedules `with`, and makes no code. NULL after messages. */
static fv_program *lower(const fv_tuner *t, fv_context *c, const fv_tuning *with,
                         fv_choices *choices) {
    fv_driver_options o;
    fv_source source;
    if (!fv_args_driver(c, &o, true))
        return NULL;
    o.dims.are_values = true;
    o.target.in_process = true;
    o.tuning.tuned = with;
    o.answers.choices = choices;
    return fv_driver_read(c->session, t->path, &o, &source)
               ? fv_driver_lower(c->session, &source, &o)
               : NULL;
}

/* Predicts the i-th schedule of each kernel, all in one program. */
static void predict_with(fv_tuner *t, const fv_tune_program *now, int i, fv_context *c,
                         const fv_tuning *with) {
    fv_choices choices = {0};
    fv_launch_cost *costs;
    fv_program *p = lower(t, c, with, &choices);
    if (!p)
        return;
    int n = fv_cost_launches(c->arena, p, &costs);
    const fv_prediction *is = predict(t, c->arena, p, now->m.data.dims, now->r.threads, n, costs);
    for (int k = 0; k < t->kernels.n; k++) {
        fv_tune_kernel *at = &t->kernels.all[k];
        double sum = 0;
        if (i >= at->tries.n || at->tries.all[i].predicted >= 0)
            continue;
        for (int l = 0; l < n; l++) {
            const fv_choice *of = fv_tune_choice_of(&choices, costs[l].kernel);
            sum += of && is[l].known && !strcmp(of->key, at->key) ? is[l].ms : 0;
        }
        at->tries.all[i].predicted = sum > 0 ? sum : -1;
    }
}

/* Calls predict_with in a session of its own, since each lowering takes memory. Messages are
 * dropped: they are reported when the schedule is tried. */
static void predict_tries(fv_tuner *t, const fv_tune_program *now, int i, const fv_tuning *with) {
    fv_context c = {.session = fv_session_new(), .args = t->c->args};
    fv_door door;
    if (!c.session || FV_DOOR_OPEN(c.session, &door))
        fv_leave_too(t->c->session, c.session);
    c.arena = fv_arena_new(c.session);
    predict_with(t, now, i, &c, with);
    fv_door_close(c.session, &door);
    fv_session_free(c.session);
}

static int by_prediction(const void *a, const void *b) {
    const fv_tune_try *x = a, *y = b;
    bool has_x = x->predicted >= 0, has_y = y->predicted >= 0;
    if (has_x != has_y)
        return has_x ? -1 : 1;
    return has_x ? (x->predicted > y->predicted) - (x->predicted < y->predicted) : 0;
}

/* Schedules are in the order of their predictions, and those without one, for which there was no
 * time, come last in their own order. The sort is stable. */
static void sort_tries(fv_tune_kernel *k) {
    for (int i = 1; i < k->tries.n; i++) {
        fv_tune_try at = k->tries.all[i];
        int to = i;
        for (; to > 0 && by_prediction(&k->tries.all[to - 1], &at) > 0; to--)
            k->tries.all[to] = k->tries.all[to - 1];
        k->tries.all[to] = at;
    }
}

void fv_tune_list(fv_tuner *t, fv_tune_program *now) {
    double end = fv_now_ms() + PREDICTING * (t->time.end - fv_now_ms());
    int most = 0;
    predict_now(t, now);
    for (int k = 0; k < t->kernels.n; k++) {
        fv_tune_kernel *at = &t->kernels.all[k];
        list_kernel(t, at, fv_tune_choice(now, at->key), now->r.threads);
        most = at->tries.n > most ? at->tries.n : most;
    }
    for (int i = 0; i < most && fv_now_ms() < end; i++) {
        fv_tuning with = t->found;
        bool any = false;
        for (int k = 0; k < t->kernels.n; k++) {
            const fv_tune_kernel *at = &t->kernels.all[k];
            bool lacks =
                i < at->tries.n && !at->tries.all[i].done && at->tries.all[i].predicted < 0;
            any |= lacks;
            if (lacks)
                with = fv_tune_changed(t->c->arena, &with, at, &at->tries.all[i].change);
        }
        if (any)
            predict_tries(t, now, i, &with);
    }
    for (int k = 0; k < t->kernels.n; k++)
        sort_tries(&t->kernels.all[k]);
}

bool fv_tune_is_near(const fv_tune_kernel *k) {
    return k->now <= NEAR_BOUND * k->bound;
}

fv_tune_try *fv_tune_next(const fv_tune_kernel *k) {
    if (fv_tune_is_near(k))
        return NULL;
    for (int i = 0; i < k->tries.n; i++) {
        fv_tune_try *at = &k->tries.all[i];
        if (!at->done && at->predicted < HOPELESS * k->now)
            return at;
    }
    return NULL;
}
