/* graph_check.c - runs a random graph on interpreter and JIT, with the default and the naive
 * schedule. */
#include "tests/matrix/graph_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/have.h"
#include "backend/lower.h"
#include "ir/base/diag.h"
#include "ir/definition/definitions_parse.h"
#include "ir/definition/definitions_print.h"
#include "ir/graph/parse.h"
#include "tests/consumers/consumers.h"
#include "tools/driver/driver.h"

/* ---- programs ---- */

const char *graph_error(const fv_session *s) {
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (m->severity == FV_ERROR)
            return m->text;
    return "no message says why";
}

fv_program *graph_lower(const graph_checker *c, const char *text, const fv_driver_options *o) {
    fv_messages_clear(c->session);
    fv_source source = {.kind = FV_FILE_GRAPH, .module = fv_module_parse(c->session, text, NULL)};
    fv_program *p = source.module ? fv_driver_lower(c->session, &source, o) : NULL;
    if (p)
        fv_program_expand(p);
    return p;
}

static fv_program *lower(const graph_checker *c, const char *text, const fv_target *t, bool naive,
                         const char *name) {
    fv_driver_options o = {
        .target.of = t, .target.given = true, .level = '2', .naive = naive, .name = name};
    return graph_lower(c, text, &o);
}

/* At -Os, which may put launches into another order. */
static fv_program *lower_small(const graph_checker *c, const char *text) {
    fv_driver_options o = {.target.of = c->target, .target.given = true, .level = 's', .name = "g"};
    return graph_lower(c, text, &o);
}

/* ---- definitions ---- */

typedef struct stop {
    const graph *g;
    int step; /* number of steps before the one whose definitions are printed */
    const char *text;
} stop;

static void look(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    stop *s = user;
    (void)step;
    if (!d || s->step-- != 0)
        return;
    fv_text t = {.arena = s->g->arena};
    fv_definitions_print(&t, m, d, NULL, NULL, true);
    s->text = t.s;
}

/* Lowers the graph `text`, prints the definitions after one of the steps, and lowers the
 * definitions that are parsed from that text. NULL: one of these fails. */
static fv_program *lower_definitions(const graph_checker *c, const graph *g, const char *text,
                                     const fv_target *t) {
    int nsteps = 0;
    while (fv_lower_steps()[nsteps])
        nsteps++;
    stop s = {g, c->index % nsteps, NULL};
    fv_watch watch = {&s, look};
    fv_pipeline_options pipeline = {.watch = &watch, .verify = true};
    fv_driver_options o = {.target.of = t,
                           .target.given = true,
                           .level = '2',
                           .name = "g",
                           .work.pipeline = &pipeline};
    fv_source source = {.kind = FV_FILE_GRAPH, .module = fv_module_parse(c->session, text, NULL)};
    if (!source.module || !fv_driver_lower(c->session, &source, &o) || !s.text)
        return NULL;
    pipeline.watch = NULL;
    source = (fv_source){.kind = FV_FILE_DEFINITIONS,
                         .module = fv_definitions_parse(c->session, s.text, NULL, NULL)};
    fv_program *p = source.module ? fv_driver_lower(c->session, &source, &o) : NULL;
    if (p)
        fv_program_expand(p);
    return p;
}

static uint64_t hash_name(const char *name) {
    uint64_t h = 14695981039346656037u;
    while (*name)
        h = (h ^ (unsigned char)*name++) * 1099511628211u;
    return h;
}

data_set graph_inputs(const graph *g, const fv_model *m, int change) {
    data_set set = {"data", FV_NEW(g->arena, fv_array, m->ninputs + 1)};
    for (int i = 0; i < m->ninputs; i++) {
        const gvalue *v = graph_find(g, m->inputs[i].name);
        uint64_t seed = hash_name(m->inputs[i].name);
        graph_data(g, v, change, seed, &set.inputs[i]);
    }
    return set;
}

/* ---- against the naive schedule ---- */

static double element(const fv_array *x, size_t i) {
    fv_tensor t = {.elem = (fv_elem)x->type,
                   .rank = x->rank,
                   .dims = x->dims,
                   .data = x->data,
                   .count = i + 1,
                   .bytes = fv_array_bytes(x)};
    return fv_elem_is_float(t.elem) ? fv_tensor_float(&t, i) : (double)fv_tensor_int(&t, i);
}

static size_t count_of(const fv_array *x) {
    size_t n = 1;
    for (int i = 0; i < x->rank; i++)
        n *= (size_t)x->dims[i];
    return n;
}

/* 64 units of rounding of the coarsest type that the graph computes with. */
static double unit_of(const graph *g) {
    double unit = 0x1p-18;
    for (int i = 0; i < g->nvalues; i++) {
        fv_elem e = g->values[i]->elem;
        double its = e == FV_F16 ? 0x1p-5 : e == FV_BF16 ? 0x1p-2 : 0;
        unit = its > unit ? its : unit;
    }
    return unit;
}

typedef struct scale {
    double change, largest;
} scale;

/* How far outputs move when the inputs do. */
static scale scale_of(const fv_array *x, const outcome *moved, int nmoved, int which) {
    scale s = {0};
    for (size_t i = 0; i < count_of(x); i++) {
        double v = element(x, i);
        if (fabs(v) > s.largest)
            s.largest = fabs(v);
        for (int k = 0; k < nmoved; k++) {
            if (moved[k].status)
                continue;
            double d = fabs(element(&moved[k].outputs[which], i) - v);
            s.change = d > s.change || isnan(d) ? d : s.change;
        }
    }
    return s;
}

static const char *far_apart(const graph *g, const fv_array *got, const fv_array *want, scale s) {
    double bound = 8 * s.change + unit_of(g) * s.largest;
    if (!isfinite(bound))
        return NULL; /* the inputs decide between finite and infinite */
    for (size_t i = 0; i < count_of(want); i++) {
        double x = element(got, i), y = element(want, i);
        if (x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= bound)
            continue;
        return fv_printf(g->arena,
                         "element %zu is %.9g, the naive schedule gives %.9g; may differ by %.3g",
                         i, x, y, bound);
    }
    return NULL;
}

static const char *output_name(const graph *g, int i, const gvalue *only);

enum { ASTRAY = 3 }; /* number of runs of a graph on faulty inputs */

typedef struct pair {
    const fv_model *model;
    bool astray;
    outcome scheduled, naive, moved[3];
} pair;

static graph_verdict compare_schedules(const graph_checker *c, const graph *g, const pair *p,
                                       const gvalue *only) {
    graph_verdict v = {.who = "naive schedule"};
    /* A position that no element of a result needs is looked at by the naive schedule only. */
    if (p->naive.status == FV_BAD_INDEX && p->scheduled.status == FV_OK)
        return v;
    if (p->scheduled.status != p->naive.status) {
        v.why = fv_printf(g->arena, "status %s, expected %s", fv_status_name(p->scheduled.status),
                          fv_status_name(p->naive.status));
        return v;
    }
    for (int i = 0; i < p->model->noutputs && !p->naive.status && !v.why; i++) {
        const fv_array *got = &p->scheduled.outputs[i], *want = &p->naive.outputs[i];
        v.output = output_name(g, i, only);
        const gvalue *value = graph_find(g, v.output);
        agreement agree = value ? value->agree : ANY;
        outcome one = {0, 1, (fv_array *)(uintptr_t)got, NULL},
                other = {0, 1, (fv_array *)(uintptr_t)want, NULL};
        if (agree == SAME)
            v.why = outcome_differs(g->arena, p->model, &other, &one);
        else if (agree == CLOSE && !p->astray)
            v.why = far_apart(g, got, want, scale_of(want, p->moved, 3, i));
        if (c->totals && !p->astray)
            atomic_fetch_add(agree == SAME    ? &c->totals->same
                             : agree == CLOSE ? &c->totals->close
                                              : &c->totals->any,
                             1);
    }
    return v;
}

/* The name of output i: results are called y0, y1, ... in the order of graph_text. */
static const char *output_name(const graph *g, int i, const gvalue *only) {
    if (only)
        return only->name + 1;
    for (int k = 0; k < g->nvalues; k++) {
        const gvalue *v = g->values[k];
        if (graph_returns(v, NULL) && i-- == 0)
            return v->name + 1;
    }
    return "?";
}

/* ---- one graph ---- */

const char *graph_run(const graph_checker *c, const graph *g, fv_program *p, fv_backend_kind kind,
                      char level, int change, const outcome *want, outcome *out) {
    fv_artifact *a = fv_driver_artifact(c->session, p, kind, level);
    const char *why = a ? NULL : graph_error(c->session);
    for (int threads = 1; a && !why && threads <= (want ? 3 : 1); threads += 2) {
        data_set set = graph_inputs(g, fv_artifact_model(a), change);
        *out = outcome_run(g->arena, a, &set, threads);
        if (out->status == FV_INTERNAL)
            why = fv_printf(g->arena, "stops at an %s", out->said);
        else if (want)
            why = outcome_differs(g->arena, fv_artifact_model(a), want, out);
    }
    fv_artifact_free(a);
    return why;
}

/* A difference names the output y3, as outcome_differs says it; the graph knows it as v17. */
graph_verdict graph_fail(const graph_checker *c, const graph *g, const char *who, const char *why,
                         const gvalue *only) {
    graph_verdict v = {.who = fv_printf(g->arena, "%s for %s", who, c->target->name), .why = why};
    if (!strncmp(why, "output 'y", 9))
        v.output = output_name(g, atoi(why + 9), only);
    return v;
}

/* Runs both programs and all consumers on faulty inputs: they must return the same status, and for
 * FV_OK equal results where no rounding is involved. */
static graph_verdict check_astray(const graph_checker *c, graph *g, fv_program *p,
                                  fv_program *naive, const pair *usual, const gvalue *only) {
    graph_verdict none = {0};
    for (int i = 1; i <= ASTRAY; i++) {
        const char *why;
        outcome got;
        pair both = {.model = usual->model, .astray = true};
        if ((why = graph_run(c, g, p, FV_BACKEND_INTERP, '2', -i, NULL, &both.scheduled)))
            return graph_fail(c, g, "interpreter, astray", why, only);
        if (FV_HAVE_LLVM &&
            (why = graph_run(c, g, p, FV_BACKEND_JIT, '2', -i, &both.scheduled, &got)))
            return graph_fail(c, g, "jit -O2, astray", why, only);
        if ((why = graph_run(c, g, naive, FV_BACKEND_INTERP, '2', -i, NULL, &both.naive)))
            return graph_fail(c, g, "interpreter, naively, astray", why, only);
        graph_verdict v = compare_schedules(c, g, &both, only);
        if (v.why)
            return v;
        if (c->totals && both.naive.status)
            atomic_fetch_add(&c->totals->astray, 1);
    }
    return none;
}

/* Runs the graph with the naive schedule, on the inputs and on those that are moved a little. */
static graph_verdict run_naively(const graph_checker *c, graph *g, const char *text,
                                 const gvalue *only, fv_program **naive, pair *all) {
    const char *why = NULL;
    *naive = lower(c, text, c->target, true, "g");
    if (!*naive)
        return graph_fail(c, g, "lowering naively", graph_error(c->session), only);
    if ((why = graph_run(c, g, *naive, FV_BACKEND_INTERP, '2', 0, NULL, &all->naive)))
        return graph_fail(c, g, "interpreter, naively", why, only);
    for (int i = 0; i < 3; i++)
        if ((why = graph_run(c, g, *naive, FV_BACKEND_INTERP, '2', i + 1, NULL, &all->moved[i])))
            return graph_fail(c, g, "interpreter, naively, other inputs", why, only);
    return (graph_verdict){0};
}

graph_verdict graph_against_naive(const graph_checker *c, graph *g, const char *text, fv_program *p,
                                  const outcome *scheduled, const gvalue *only) {
    fv_program *naive;
    pair all = {.scheduled = *scheduled};
    graph_verdict failed = run_naively(c, g, text, only, &naive, &all);
    all.model = fv_program_model(g->arena, p, NULL);
    return failed.why ? failed : compare_schedules(c, g, &all, only);
}

static graph_verdict check_text(const graph_checker *c, graph *g, const char *text,
                                const gvalue *only) {
    const fv_target *t = c->target;
    const char *why = NULL;
    outcome got;
    pair all = {0};
    fv_program *p = lower(c, text, t, false, fv_printf(g->arena, "g%d", c->index)), *naive = NULL;
    if (!p)
        return graph_fail(c, g, "lowering", graph_error(c->session), only);
    if ((why = graph_run(c, g, p, FV_BACKEND_INTERP, '2', 0, NULL, &all.scheduled)))
        return graph_fail(c, g, "interpreter", why, only);
    if (FV_HAVE_LLVM && (why = graph_run(c, g, p, FV_BACKEND_JIT, c->index % 2 ? '0' : '2', 0,
                                         &all.scheduled, &got)))
        return graph_fail(c, g, c->index % 2 ? "jit -O0" : "jit -O2", why, only);
    fv_program *read = lower_definitions(c, g, text, t);
    if (!read)
        return graph_fail(c, g, "lowering definitions that were read", graph_error(c->session),
                          only);
    if ((why = graph_run(c, g, read, FV_BACKEND_INTERP, '2', 0, &all.scheduled, &got)))
        return graph_fail(c, g, "interpreter, from the text of definitions", why, only);
    fv_program *small = lower_small(c, text);
    why = small ? graph_run(c, g, small, FV_BACKEND_INTERP, '2', 0, &all.scheduled, &got)
                : graph_error(c->session);
    if (why)
        return graph_fail(c, g, "interpreter, -Os", why, only);
    if (c->totals && all.scheduled.status)
        atomic_fetch_add(&c->totals->stopped, 1);
    graph_verdict failed = run_naively(c, g, text, only, &naive, &all);
    if (failed.why)
        return failed;
    if (FV_HAVE_LLVM && c->index % 3 == 0 &&
        (why = graph_run(c, g, naive, FV_BACKEND_JIT, '2', 0, &all.naive, &got)))
        return graph_fail(c, g, "jit -O2, naively", why, only);
    all.model = fv_program_model(g->arena, p, NULL);
    graph_verdict v = compare_schedules(c, g, &all, only);
    if (!v.why)
        v = check_astray(c, g, p, naive, &all, only);
    v.program = p;
    v.want = all.scheduled;
    return v;
}

graph_verdict graph_check(const graph_checker *c, graph *g, const gvalue *only) {
    const char *text = graph_text(g, only);
    if (!text)
        return (graph_verdict){0};
    if (c->totals)
        atomic_fetch_add(&c->totals->lines, g->nlines);
    return c->limits ? graph_check_limits(c, g, text, only) : check_text(c, g, text, only);
}
