/* profile.c - evaluates traced runs: computes the time of each launch, and of each kernel. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cost/predict.h"
#include "frontend/file.h"
#include "tools/measure/bench.h"
#include "tools/measure/peak.h"
#include "tools/model/labels.h"

#define TRACE_MS 500 /* milliseconds for which runs are traced */
#define ROOF_MS  125 /* milliseconds of tracing after which the roof is measured again */
enum { LEAST_RUNS = 5, MOST_RUNS = 200 };

typedef struct taker {
    fv_bench *b;
    fv_runner *r;
    fv_profile *p;
    double **ms;   /* ms[launch][run]: milliseconds of all calls of the launch in that run */
    double *calls; /* calls[launch]: number of calls in all runs */
    double run_ms[MOST_RUNS];
    fv_roof roof;             /* the best roof of one thread that was measured */
    fv_prediction *predicted; /* a prediction for each launch; NULL: there are none */
} taker;

/* ---- runs ---- */

static void keep_events(taker *t) {
    t->p->nevents = t->r->nevents;
    t->p->events = FV_NEW(t->b->c->arena, fv_event, t->r->nevents + 1);
    if (t->r->nevents)
        memcpy(t->p->events, t->r->events, (size_t)t->r->nevents * sizeof *t->p->events);
}

static bool trace_once(taker *t, int run) {
    const fv_runner *r = t->r;
    int nlaunches = t->b->m.table->nlaunches;
    if (!fv_runner_trace(t->b->c, t->r, &t->run_ms[run]))
        return false;
    for (int i = 0; i < r->nevents; i++) {
        const fv_event *e = &r->events[i];
        if (e->launch < 0 || e->launch >= nlaunches)
            continue;
        t->ms[e->launch][run] += e->end - e->begin - t->p->clock.reading;
        t->calls[e->launch]++;
    }
    return true;
}

/* Measures the roof of one thread, which other programs change in the course of the runs. */
static bool trace_roof(taker *t) {
    const fv_env one = {0};
    fv_roof now = fv_roof_measure(&one, 1, t->b->memory);
    double ms;
    t->roof.gflops = now.gflops > t->roof.gflops ? now.gflops : t->roof.gflops;
    t->roof.gbs = now.gbs > t->roof.gbs ? now.gbs : t->roof.gbs;
    return fv_runner_run(t->b->c, t->r, &ms); /* the caches then contain what a run leaves */
}

static bool trace(taker *t) {
    double best = 1e300, spent = 0, measured = -ROOF_MS;
    for (int i = 0; i < MOST_RUNS && (i < LEAST_RUNS || spent < TRACE_MS); i++) {
        if (spent >= measured + ROOF_MS) {
            measured = spent;
            if (!trace_roof(t))
                return false;
        }
        if (!trace_once(t, i))
            return false;
        if (t->run_ms[i] < best)
            keep_events(t);
        best = t->run_ms[i] < best ? t->run_ms[i] : best;
        spent += t->run_ms[i];
        t->p->runs++;
    }
    return true;
}

/* ---- rows ---- */

/* The mean of the least of n times and of those that are at most a step of the clock longer: a time
 * between two steps is measured as one of them or the other, the nearer one more often. */
static double least_of(const double *ms, int n, double least, double step) {
    double sum = 0, times = 0;
    for (int i = 0; i < n; i++)
        if (ms[i] < least + 1.5 * step) {
            sum += ms[i];
            times++;
        }
    return times > 0 ? sum / times : least;
}

static int by_time(const void *a, const void *b) {
    const fv_profile_row *x = a, *y = b;
    return x->ms != y->ms ? (x->ms < y->ms ? 1 : -1)
                          : (x->launch > y->launch) - (x->launch < y->launch);
}

/* Predicts all launches for a core with the best roof that was measured; not for the interpreter,
 * which runs no code of the target. */
static void predict(taker *t) {
    fv_backend_kind backends[FV_MOST_BACKENDS];
    const fv_subject *m = &t->b->m;
    if (!m->program || !fv_args_backends(t->b->c->args, backends) ||
        backends[0] == FV_BACKEND_INTERP || !(t->roof.gflops > 0))
        return;
    fv_speeds own = fv_speeds_of(m->program->target);
    fv_speeds s = fv_speeds_at(&own, t->roof.gflops, fv_peak_widest().lanes, t->roof.gbs);
    t->predicted = FV_NEW(t->b->c->arena, fv_prediction, m->ncosts + 1);
    fv_predict_launches(t->b->c->arena, m->program, m->data.dims, &s, t->r->threads, m->ncosts,
                        m->costs, t->predicted);
}

static fv_profile_row make_row(const taker *t, int i) {
    const fv_subject *m = &t->b->m;
    const fv_launch_info *info = &m->table->launches[i];
    fv_profile_row row = {.launch = i,
                          .launches = 1,
                          .kernel = info->kernel,
                          .nodes = info->nodes,
                          .label = fv_node_label(t->b->c->arena, info->nodes),
                          .schedule = "",
                          .predicted = -1};
    row.calls = t->calls[i] / t->p->runs;
    fv_summary ms = fv_summarise(t->ms[i], t->p->runs);
    row.least = fmax(least_of(t->ms[i], t->p->runs, ms.min, t->p->clock.step), 0);
    row.ms = fmax(ms.median, row.least); /* the median is one of the steps of the clock */
    if (i < m->ncosts) {
        const fv_launch_cost *l = &m->costs[i];
        row.schedule =
            l->kernel->schedule ? fv_schedule_brief(t->b->c->arena, l->kernel->schedule) : "";
        row.known = l->known;
        row.flops = l->cost.flops * row.calls;
        row.bytes = (l->cost.read + l->cost.written) * row.calls;
        if (t->predicted && t->predicted[i].known)
            row.predicted = t->predicted[i].ms * row.calls;
        if (row.predicted >= 0)
            row.waiting = t->predicted[i].waiting * row.calls;
    }
    return row;
}

static fv_profile_row *find_kernel(fv_profile *p, const char *kernel) {
    for (int i = 0; i < p->nkernels; i++)
        if (!strcmp(p->kernels[i].kernel, kernel))
            return &p->kernels[i];
    return NULL;
}

static void add_to_kernel(fv_profile *p, const fv_profile_row *row) {
    fv_profile_row *k = find_kernel(p, row->kernel);
    if (!k) {
        p->kernels[p->nkernels++] = *row;
        return;
    }
    k->launches++;
    k->calls += row->calls;
    k->ms += row->ms;
    k->least += row->least;
    k->waiting += row->waiting;
    k->known &= row->known;
    k->flops += row->flops;
    k->bytes += row->bytes;
    k->predicted = k->predicted < 0 || row->predicted < 0 ? -1 : k->predicted + row->predicted;
}

static void make_rows(taker *t) {
    fv_profile *p = t->p;
    fv_arena *a = t->b->c->arena;
    p->nlaunches = t->b->m.table->nlaunches;
    p->launches = FV_NEW(a, fv_profile_row, p->nlaunches + 1);
    p->kernels = FV_NEW(a, fv_profile_row, p->nlaunches + 1);
    for (int i = 0; i < p->nlaunches; i++) {
        p->launches[i] = make_row(t, i);
        add_to_kernel(p, &p->launches[i]);
        p->kernel_ms += p->launches[i].ms;
    }
    for (int i = 0; i < p->nkernels; i++)
        p->kernels[i].label = fv_kernel_label(a, t->b->m.table, p->kernels[i].kernel);
    qsort(p->launches, (size_t)p->nlaunches, sizeof *p->launches, by_time);
    qsort(p->kernels, (size_t)p->nkernels, sizeof *p->kernels, by_time);
    p->run_ms = fv_summarise(t->run_ms, p->runs).median;
}

fv_profile *fv_profile_take(fv_bench *b, fv_runner *r, const fv_roof *roof) {
    fv_arena *a = b->c->arena;
    int n = b->m.table->nlaunches;
    if (n == 0) {
        fv_error(b->c->session,
                 "--profile: the library does not name its launches; generated C does where it "
                 "is compiled with -DNAME_TRACED");
        return NULL;
    }
    taker *t = FV_NEW(a, taker, 1);
    *t = (taker){.b = b, .r = r, .p = FV_NEW(a, fv_profile, 1), .roof = *roof};
    t->roof.gflops /= r->threads;
    t->roof.gbs = 0; /* not yet measured: that of `roof` is of all threads */
    t->ms = FV_NEW(a, double *, n);
    t->calls = FV_NEW(a, double, n);
    for (int i = 0; i < n; i++)
        t->ms[i] = FV_NEW(a, double, MOST_RUNS);
    t->p->clock = fv_runner_clock(r);
    if (!trace(t))
        return NULL;
    predict(t);
    make_rows(t);
    return t->p;
}

int fv_profile_judged(const fv_profile *p, int *near) {
    int n = 0;
    *near = 0;
    for (int i = 0; i < p->nkernels; i++) {
        const fv_profile_row *k = &p->kernels[i];
        if (k->predicted < 0 || !(k->least > 0) || k->ms <= FV_PROFILE_COUNTS * p->kernel_ms)
            continue;
        double apart = k->predicted / k->least - 1;
        *near += apart < FV_PROFILE_NEAR && apart > -FV_PROFILE_NEAR;
        n++;
    }
    return n;
}

const char *fv_profile_family(fv_arena *a, const fv_profile_row *row) {
    return fv_strndup(a, row->schedule, strcspn(row->schedule, " "));
}

/* ---- Chrome's trace format: one complete event a launch ---- */

static json_t *event_json(fv_bench *b, const fv_event *e) {
    const fv_subject *m = &b->m;
    const fv_launch_info *info = &m->table->launches[e->launch];
    const fv_launch_cost *l = e->launch < m->ncosts ? &m->costs[e->launch] : NULL;
    double ms = e->end - e->begin;
    json_t *o = json_object(), *args = json_object();
    fv_json_set_text(o, "name", *info->nodes ? info->nodes : info->kernel);
    fv_json_set_text(o, "ph", "X");
    fv_json_set_int(o, "pid", 1);
    fv_json_set_int(o, "tid", 1);
    fv_json_set(o, "ts", fv_json_real(1e3 * e->begin));
    fv_json_set(o, "dur", fv_json_real(1e3 * ms));
    fv_json_set_text(args, "kernel", info->kernel);
    if (l && l->kernel->schedule)
        fv_json_set_text(args, "schedule", fv_schedule_brief(b->c->arena, l->kernel->schedule));
    if (l && l->known && ms > 0) {
        fv_json_set(args, "gflops", fv_json_real(l->cost.flops / ms * 1e-6));
        fv_json_set(args, "gbs", fv_json_real((l->cost.read + l->cost.written) / ms * 1e-6));
    }
    fv_json_set(o, "args", args);
    return o;
}

static json_t *trace_json(fv_bench *b, const fv_profile *p) {
    json_t *d = json_object(), *list = json_array();
    for (int i = 0; i < p->nevents; i++)
        if (p->events[i].launch >= 0 && p->events[i].launch < b->m.table->nlaunches)
            fv_json_append(list, event_json(b, &p->events[i]));
    fv_json_set(d, "traceEvents", list);
    fv_json_set_text(d, "displayTimeUnit", "ms");
    json_t *other = json_object();
    fv_json_set_text(other, "target", b->m.table->target);
    fv_json_set(other, "dims", fv_json_symbols(b->m.table, b->m.data.dims));
    fv_json_set(d, "otherData", other);
    return d;
}

bool fv_profile_write(fv_bench *b, const fv_profile *p, const char *path) {
    json_t *d = trace_json(b, p);
    char *text = d ? json_dumps(d, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(d);
    if (!text)
        fv_out_of_memory(b->c->session);
    bool ok = fv_spares_models(b->c, "--profile=", path) &&
              fv_file_write(b->c->session, path, text, strlen(text));
    free(text);
    return ok;
}
