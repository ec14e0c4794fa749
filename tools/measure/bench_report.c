/* bench_report.c - prints the results of `fovea bench`, as text and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/cost/cost.h"
#include "tools/measure/bench.h"

enum { ROWS = 20 };

int fv_count_differing(const fv_bench *b, const fv_measurement *m) {
    int n = 0;
    for (int i = 0; m->differences && i < b->m.table->noutputs; i++)
        n += m->differences[i].shape || m->differences[i].differing;
    return n;
}

/* ---- numbers ---- */

/* A time with four digits: "0.01234", "12.34", "1234"; more from 10000 on, and fewer below 0.001,
 * since there are at most 6 decimals. */
static const char *ms_str(fv_arena *a, double ms) {
    int places = ms <= 0 || ms >= 1000 ? 0 : 3 - (int)floor(log10(ms));
    return fv_printf(a, "%.*f", places > 6 ? 6 : places < 0 ? 0 : places, ms);
}

static const char *cpu_name(fv_arena *a) {
    char line[512];
    const char *name = "unknown CPU";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (colon && (!strncmp(line, "model name", 10) || !strncmp(line, "Model", 5))) {
            colon += 1 + (colon[1] == ' ');
            name = fv_strndup(a, colon, strcspn(colon, "\n"));
            break;
        }
    }
    if (f)
        fclose(f);
    return name;
}

static const char *target_of(const fv_bench *b) {
    return b->m.program ? fv_target_str(b->c->arena, b->m.program->target) : b->m.table->target;
}

/* The milliseconds that a launch would take on a machine that reaches its measured peak (its
 * roof). */
static double roof_ms(const fv_bench *b, const fv_measurement *m, double flops, double bytes) {
    double computing = m->roof.gflops > 0 ? flops / m->roof.gflops * 1e-6 : 0;
    double reading = m->roof.gbs > 0 && !b->in_cache ? bytes / m->roof.gbs * 1e-6 : 0;
    return computing > reading ? computing : reading;
}

/* ---- the model ---- */

static size_t weights_of(const fv_bench *b) {
    size_t n = 0;
    for (int i = 0; b->m.program && i < b->m.program->memory.nconstants; i++)
        n += b->m.program->memory.constants[i].bytes;
    return n;
}

static double opening_ms(const fv_subject *m) {
    return m->took.read_ms + m->took.lower_ms + m->took.code_ms + m->took.keep_ms;
}

void fv_print_bench(const fv_bench *b) {
    const fv_subject *m = &b->m;
    fv_arena *a = b->c->arena;
    const char *where = fv_dims_str(a, m->table, m->data.dims);
    fv_out("%s%s%s\n", m->path, *where ? "  " : "", where);
    fv_out("%-10s %s, %s\n", "machine", cpu_name(a), target_of(b));
    if (b->c->args->code.relax)
        fv_out("%-10s %s\n", "relaxed", b->c->args->code.relax);
    const char *steps = fv_driver_code_steps(a, m->artifact);
    if (m->cached)
        fv_out("%-10s %s ms, from the cache\n", "loading", ms_str(a, opening_ms(m)));
    else if (m->program)
        fv_out("%-10s %.0f ms: reading %.0f, passes and schedules %.0f, code %.0f%s%s%s%s\n",
               "compiling", opening_ms(m), m->took.read_ms, m->took.lower_ms, m->took.code_ms,
               steps ? " (" : "", steps ? steps : "", steps ? ")" : "",
               m->took.keep_ms > 0 ? fv_printf(a, ", into the cache %.0f", m->took.keep_ms) : "");
    else
        fv_out("%-10s %s ms\n", "loading", ms_str(a, m->took.code_ms));
}

static void print_memory(const fv_bench *b, const fv_measurement *m) {
    fv_arena *a = b->c->arena;
    fv_out("%-10s ", "memory");
    if (b->compile_peak > 0)
        fv_out("at most %s while %s, %s running; ", fv_size_str(a, (uint64_t)b->compile_peak),
               fv_subject_is_library(&b->m) ? "loading" : "compiling",
               fv_size_str(a, (uint64_t)b->run_peak));
    if (b->m.program)
        fv_out("weights %s, ", fv_size_str(a, weights_of(b)));
    fv_out("workspace %s\n", fv_size_str(a, m->workspace));
}

/* ---- a measurement ---- */

static void print_summary(fv_arena *a, const char *what, const fv_summary *s, const char *more) {
    fv_out("%-10s %s ms, %s at best, half of the runs within %s to %s%s\n", what,
           ms_str(a, s->median), ms_str(a, s->min), ms_str(a, s->q1), ms_str(a, s->q3), more);
}

static void print_rate(const fv_bench *b, const fv_measurement *m) {
    double ms = m->ours.turns.all.median;
    if (!b->costs_known || ms <= 0)
        return;
    fv_out("%-10s %.4g GFLOP at %.4g GFLOP/s; %.4g MB at %.3g GB/s%s; %.0f%% of the roof\n", "rate",
           1e-9 * b->flops, b->flops / ms * 1e-6, 1e-6 * b->bytes, b->bytes / ms * 1e-6,
           b->in_cache ? ", from caches" : "", 100 * roof_ms(b, m, b->flops, b->bytes) / ms);
}

static void print_difference(const fv_bench *b, int i, const fv_difference *d) {
    const char *name = b->m.table->outputs[i].name;
    if (d->shape)
        fv_out("DIFFERS    %s %s\n", name, d->shape);
    else if (d->differing)
        fv_out("DIFFERS    %s: %zu of %zu elements; the worst, %zu, is %.9g, expected %.9g\n", name,
               d->differing, d->count, d->worst_at, d->got, d->want);
}

static void print_against(const fv_bench *b, const fv_measurement *m) {
    fv_arena *a = b->c->arena;
    double worst = 0, atol = 0, rtol = 0;
    int n = b->m.table->noutputs;
    print_summary(a, "against", &m->theirs.turns.all,
                  fv_printf(a, "; %s, opened in %s ms", m->against, ms_str(a, m->against_load_ms)));
    fv_out("%-10s %.3f of theirs, %.3f to %.3f in the rounds\n", "ratio", m->ratio, m->ratios[0],
           m->ratios[m->rounds - 1]);
    for (int i = 0; i < n; i++) {
        const fv_difference *d = &m->differences[i];
        worst = d->worst > worst ? d->worst : worst;
        atol = d->atol > atol ? d->atol : atol;
        rtol = d->rtol > rtol ? d->rtol : rtol;
        print_difference(b, i, d);
    }
    fv_out("%-10s %d of %d agree within %.3g + %.3g * |theirs|; at most %.3g apart\n", "outputs",
           n - fv_count_differing(b, m), n, atol, rtol, worst);
}

/* ---- the profile ---- */

/* "layer.0/up (Add_9, contract 12 x 32)": the nodes, or those of all launches of a kernel, the
 * kernel, and its schedule. */
static const char *what_str(fv_arena *a, const fv_profile_row *r) {
    const char *with = *r->schedule ? fv_printf(a, ", %s", r->schedule) : "";
    return r->label       ? fv_printf(a, "%s (%s%s)", r->label, r->kernel, with)
           : *r->schedule ? fv_printf(a, "%s (%s)", r->kernel, r->schedule)
                          : r->kernel;
}

/* The share of all kernels that takes that many ms; 0 if all are shorter than a step of the
 * clock. */
static double share_of(const fv_profile *p, double ms) {
    return p->kernel_ms > 0 ? ms / p->kernel_ms : 0;
}

static void print_row(const fv_bench *b, const fv_measurement *m, const fv_profile_row *r) {
    fv_arena *a = b->c->arena;
    fv_out("%9s %5.1f%% %9s %9s ", ms_str(a, r->ms), 100 * share_of(m->profile, r->ms),
           ms_str(a, r->least), r->predicted < 0 ? "-" : ms_str(a, r->predicted));
    if (r->known && r->ms > 0)
        fv_out("%8.1f %7.1f %4.0f%%", r->flops / r->ms * 1e-6, r->bytes / r->ms * 1e-6,
               100 * roof_ms(b, m, r->flops, r->bytes) / r->ms);
    else
        fv_out("%8s %7s %5s", "-", "-", "-");
    fv_out(" %5.4g  %s\n", r->calls, what_str(a, r));
}

/* Prints the share of each family of schedules, "contract 82.1%, row 9.0%", in order of the
 * table. */
static void print_families(const fv_bench *b, const fv_profile *p) {
    fv_arena *a = b->c->arena;
    fv_out("%-10s ", "families");
    for (int i = 0; i < p->nkernels; i++) {
        const char *family = fv_profile_family(a, &p->kernels[i]);
        double ms = 0;
        bool first = true;
        for (int k = 0; k < p->nkernels; k++) {
            bool same = !strcmp(fv_profile_family(a, &p->kernels[k]), family);
            first &= !(same && k < i);
            ms += same ? p->kernels[k].ms : 0;
        }
        if (first)
            fv_out("%s%s %.1f%%", i ? ", " : "", *family ? family : "other", 100 * share_of(p, ms));
    }
    fv_out("\n");
}

static void print_judgement(const fv_profile *p) {
    int near, n = fv_profile_judged(p, &near);
    bool predicts = false;
    for (int i = 0; i < p->nkernels; i++)
        predicts |= p->kernels[i].predicted >= 0;
    if (!n && predicts)
        fv_out("%-10s no kernel takes longer than a step of the clock\n", "predicted");
    if (n)
        fv_out("%-10s %d of the %d kernels over %.0f%% of the time within %.0f%%\n", "predicted",
               near, n, 100 * FV_PROFILE_COUNTS, 100 * FV_PROFILE_NEAR);
}

static void print_profile(const fv_bench *b, const fv_measurement *m) {
    const fv_profile *p = m->profile;
    bool each = b->c->args->print.verbose > 0;
    const fv_profile_row *rows = each ? p->launches : p->kernels;
    int n = each ? p->nlaunches : p->nkernels, shown = each || n < ROWS ? n : ROWS;
    double rest = 0;
    fv_out("%-10s %d runs of %s ms, %s of them in %d launch%s of %d kernel%s\n", "profile", p->runs,
           ms_str(b->c->arena, p->run_ms), ms_str(b->c->arena, p->kernel_ms), p->nlaunches,
           p->nlaunches == 1 ? "" : "es", p->nkernels, p->nkernels == 1 ? "" : "s");
    fv_out("%9s %6s %9s %9s %8s %7s %5s %5s  %s\n", "ms", "share", "least", "predicted", "GFLOP/s",
           "GB/s", "roof", "calls", "nodes (kernel, schedule)");
    for (int i = 0; i < shown; i++)
        print_row(b, m, &rows[i]);
    for (int i = shown; i < n; i++)
        rest += rows[i].ms;
    if (shown < n)
        fv_out("%9s %5.1f%% in %d more; -v lists every launch\n", ms_str(b->c->arena, rest),
               100 * share_of(p, rest), n - shown);
    if (b->m.program)
        print_families(b, p);
    print_judgement(p);
}

void fv_print_measurement(const fv_bench *b, const fv_measurement *m) {
    fv_arena *a = b->c->arena;
    if (m->threads == b->c->args->threads.list[0] || b->c->args->threads.n == 1)
        print_memory(b, m);
    fv_out("%-10s %d: peak %.0f GFLOP/s, reading %.1f GB/s", "threads", m->threads, m->roof.gflops,
           m->roof.gbs);
    if (m->roof.gdots > 0)
        fv_out(", products of bytes %.0f G/s", m->roof.gdots);
    if (m->roof.matrix_gdots > 0)
        fv_out(", of matrices %.0f G/s", m->roof.matrix_gdots);
    if (m->roof.region_us > 0)
        fv_out("; an empty parallel region %.1f us, %.1f from parked threads", m->roof.region_us,
               m->roof.parked_us);
    fv_out("\n");
    print_summary(a, "time", &m->ours.turns.all,
                  fv_printf(a, "; %d runs in %d round%s, the first %s ms", m->ours.turns.all.n,
                            m->rounds, m->rounds == 1 ? "" : "s", ms_str(a, m->first_ms)));
    print_rate(b, m);
    if (m->against)
        print_against(b, m);
    if (m->profile)
        print_profile(b, m);
}

/* ---- JSON ---- */

static void set_real(json_t *o, const char *key, double v) {
    fv_json_set(o, key, fv_json_real(v));
}

static void set_summary(json_t *o, const fv_summary *s) {
    fv_json_set_int(o, "runs", s->n);
    set_real(o, "min_ms", s->min);
    set_real(o, "q1_ms", s->q1);
    set_real(o, "median_ms", s->median);
    set_real(o, "q3_ms", s->q3);
    set_real(o, "p95_ms", s->p95);
}

static json_t *rounds_json(const fv_measurement *m) {
    json_t *list = json_array();
    for (int i = 0; i < m->rounds; i++) {
        json_t *o = json_object();
        set_real(o, "median_ms", m->ours.turns.round[i]);
        if (m->against)
            set_real(o, "against_ms", m->theirs.turns.round[i]);
        set_real(o, "peak_gflops", m->roofs[i].gflops);
        set_real(o, "peak_gbs", m->roofs[i].gbs);
        fv_json_append(list, o);
    }
    return list;
}

static json_t *compile_json(const fv_bench *b) {
    const fv_subject *m = &b->m;
    json_t *o = json_object();
    set_real(o, "total_ms", opening_ms(m));
    set_real(o, "read_ms", m->took.read_ms);
    set_real(o, "lower_ms", m->took.lower_ms);
    set_real(o, "code_ms", m->took.code_ms);
    set_real(o, "keep_ms", m->took.keep_ms);
    fv_json_set_bool(o, "cached", m->cached);
    const char *steps = fv_driver_code_steps(b->c->arena, m->artifact);
    if (steps)
        fv_json_set_text(o, "code_steps_ms", steps);
    return o;
}

static json_t *memory_json(const fv_bench *b, const fv_measurement *m) {
    json_t *o = json_object();
    set_real(o, "compile_peak_bytes", b->compile_peak);
    set_real(o, "run_peak_bytes", b->run_peak);
    fv_json_set_int(o, "weights_bytes", (int64_t)weights_of(b));
    fv_json_set_int(o, "workspace_bytes", (int64_t)m->workspace);
    return o;
}

static json_t *against_json(const fv_bench *b, const fv_measurement *m) {
    json_t *o = json_object(), *list = json_array();
    double worst = 0;
    fv_json_set_text(o, "name", m->against);
    set_summary(o, &m->theirs.turns.all);
    set_real(o, "load_ms", m->against_load_ms);
    set_real(o, "ratio", m->ratio);
    set_real(o, "round_ratio",
             m->rounds % 2 ? m->ratios[m->rounds / 2]
                           : 0.5 * (m->ratios[m->rounds / 2] + m->ratios[m->rounds / 2 - 1]));
    for (int i = 0; i < b->m.table->noutputs; i++) {
        const fv_difference *d = &m->differences[i];
        json_t *e = json_object();
        worst = d->shape ? INFINITY : d->worst > worst ? d->worst : worst;
        fv_json_set_text(e, "output", b->m.table->outputs[i].name);
        fv_json_set_int(e, "elements", (int64_t)d->count);
        fv_json_set_int(e, "differing", d->shape ? (int64_t)d->count : (int64_t)d->differing);
        fv_json_set(e, "max_abs_diff", fv_json_real(d->shape ? INFINITY : d->worst));
        if (d->shape)
            fv_json_set_text(e, "why", d->shape);
        fv_json_append(list, e);
    }
    set_real(o, "max_abs_diff", worst);
    fv_json_set(o, "outputs", list);
    return o;
}

static json_t *rows_json(const fv_bench *b, const fv_measurement *m, const fv_profile_row *rows,
                         int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const fv_profile_row *r = &rows[i];
        bool rated = r->known && r->ms > 0;
        json_t *o = json_object();
        fv_json_set_text(o, "kernel", r->kernel);
        fv_json_set_text(o, "schedule", r->schedule);
        fv_json_set_text(o, "nodes", r->nodes);
        fv_json_set_int(o, "launch", r->launch);
        fv_json_set_int(o, "launches", r->launches);
        set_real(o, "calls", r->calls);
        set_real(o, "ms", r->ms);
        set_real(o, "share", share_of(m->profile, r->ms));
        set_real(o, "least_ms", r->least);
        fv_json_set(o, "waiting_ms", r->predicted < 0 ? json_null() : fv_json_real(r->waiting));
        fv_json_set(o, "predicted_ms", r->predicted < 0 ? json_null() : fv_json_real(r->predicted));
        fv_json_set(o, "gflops", rated ? fv_json_real(r->flops / r->ms * 1e-6) : json_null());
        fv_json_set(o, "gbs", rated ? fv_json_real(r->bytes / r->ms * 1e-6) : json_null());
        fv_json_set(o, "roof",
                    rated ? fv_json_real(roof_ms(b, m, r->flops, r->bytes) / r->ms) : json_null());
        fv_json_append(list, o);
    }
    return list;
}

static json_t *profile_json(const fv_bench *b, const fv_measurement *m) {
    const fv_profile *p = m->profile;
    json_t *o = json_object();
    fv_json_set_int(o, "runs", p->runs);
    set_real(o, "run_ms", p->run_ms);
    set_real(o, "kernel_ms", p->kernel_ms);
    set_real(o, "clock_ns", 1e6 * p->clock.step);
    int near, judged = fv_profile_judged(p, &near);
    fv_json_set_int(o, "predicted", judged);
    fv_json_set_int(o, "predicted_near", near);
    fv_json_set(o, "kernels", rows_json(b, m, p->kernels, p->nkernels));
    fv_json_set(o, "launches", rows_json(b, m, p->launches, p->nlaunches));
    return o;
}

json_t *fv_json_measurement(const fv_bench *b, const fv_measurement *m) {
    json_t *o = json_object();
    fv_backend_kind backends[FV_MOST_BACKENDS] = {FV_BACKEND_JIT};
    fv_args_backends(b->c->args, backends);
    fv_json_set_text(o, "model", b->m.path);
    fv_json_set_text(o, "version", FV_VERSION);
    fv_json_set_text(o, "backend", b->m.program ? fv_backend_name(backends[0]) : "library");
    fv_json_set_text(o, "target", target_of(b));
    if (b->c->args->code.relax)
        fv_json_set_text(o, "relaxed", b->c->args->code.relax);
    fv_json_set_text(o, "cpu", cpu_name(b->c->arena));
    fv_json_set_int(o, "threads", m->threads);
    fv_json_set(o, "dims", fv_json_symbols(b->m.table, b->m.data.dims));
    set_summary(o, &m->ours.turns.all);
    set_real(o, "first_ms", m->first_ms);
    fv_json_set(o, "gflop", b->costs_known ? fv_json_real(1e-9 * b->flops) : json_null());
    fv_json_set(o, "gflops",
                b->costs_known ? fv_json_real(b->flops / m->ours.turns.all.median * 1e-6)
                               : json_null());
    fv_json_set(o, "gbyte", b->costs_known ? fv_json_real(1e-9 * b->bytes) : json_null());
    set_real(o, "peak_gflops", m->roof.gflops);
    set_real(o, "peak_gbs", m->roof.gbs);
    set_real(o, "peak_gdots", m->roof.gdots);
    set_real(o, "peak_matrix_gdots", m->roof.matrix_gdots);
    set_real(o, "region_us", m->roof.region_us);
    set_real(o, "parked_region_us", m->roof.parked_us);
    fv_json_set(o, "roof_ms",
                b->costs_known ? fv_json_real(roof_ms(b, m, b->flops, b->bytes)) : json_null());
    fv_json_set(o, "rounds", rounds_json(m));
    fv_json_set(o, "compile", compile_json(b));
    fv_json_set(o, "memory", memory_json(b, m));
    if (m->against)
        fv_json_set(o, "against", against_json(b, m));
    if (m->profile)
        fv_json_set(o, "profile", profile_json(b, m));
    return o;
}
