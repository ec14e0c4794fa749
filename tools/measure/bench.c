/* bench.c - `fovea bench`: measures the time of a model, and compares it with another runtime and
 * with the peak of the machine.
 *
 * The programs that are compared run alternately (rounds.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cost/cost.h"
#include "tools/command/progress.h"
#include "tools/measure/bench.h"
#include "tools/model/parts.h"

/* Threads of ONNX Runtime spin for some milliseconds after a run; the next contender waits until
 * they sleep. */
#define SETTLE_MS 40

/* ---- peak memory, as the system counts it ---- */

static double peak_memory(void) {
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6))
            kib = atof(line + 6);
    if (f)
        fclose(f);
    return kib * 1024;
}

/* Resets the recorded peak memory of the process. If the system does not allow that, the peak of
 * the process since its start is reported. */
static void reset_peak_memory(void) {
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
}

/* ---- runs ---- */

static bool run(void *user, double *ms) {
    fv_party *k = user;
    if (k->ours)
        return fv_runner_run(k->c, k->ours, ms);
    double start = fv_now_ms();
    bool ok = fv_ort_run(k->theirs);
    *ms = fv_now_ms() - start;
    return ok;
}

static void enter(fv_bench *b, const fv_measurement *m, fv_party *k) {
    k->c = b->c;
    if (!k->ours && !k->theirs)
        return;
    k->turns.run = run;
    k->turns.user = k;
    k->turns.rest_ms = k->theirs && m->threads > 1 ? SETTLE_MS : 0;
}

static void measure_roof(fv_bench *b, fv_measurement *m, int round) {
    fv_roof r = fv_roof_measure(&m->ours.ours->env, m->threads, b->memory);
    m->roofs[round] = r;
    m->roof.gflops = r.gflops > m->roof.gflops ? r.gflops : m->roof.gflops;
    m->roof.gbs = r.gbs > m->roof.gbs ? r.gbs : m->roof.gbs;
    m->roof.gdots = r.gdots > m->roof.gdots ? r.gdots : m->roof.gdots;
    m->roof.matrix_gdots =
        r.matrix_gdots > m->roof.matrix_gdots ? r.matrix_gdots : m->roof.matrix_gdots;
    m->roof.region_us = round && m->roof.region_us < r.region_us ? m->roof.region_us : r.region_us;
    m->roof.parked_us = round && m->roof.parked_us < r.parked_us ? m->roof.parked_us : r.parked_us;
}

static bool run_rounds(fv_bench *b, fv_measurement *m) {
    fv_contender *both[2] = {&m->ours.turns, &m->theirs.turns};
    enter(b, m, &m->ours);
    enter(b, m, &m->theirs);
    if (!fv_rounds_begin(both, 2,
                         1e3 * b->c->args->bench.seconds / m->rounds / (m->against ? 2 : 1)))
        return false;
    bool ok = true;
    for (int i = 0; i < m->rounds && ok; i++) {
        fv_progress(b->c->args, "%d thread%s: round %d of %d", m->threads,
                    m->threads > 1 ? "s" : "", i + 1, m->rounds);
        measure_roof(b, m, i);
        ok = fv_rounds_run(b->c->arena, both, 2, i);
    }
    fv_progress_end();
    fv_rounds_end(both, 2);
    return ok;
}

/* ---- one number of threads ---- */

static void compute_ratios(fv_bench *b, fv_measurement *m) {
    if (!m->against)
        return;
    m->ratio = m->ours.turns.all.median / m->theirs.turns.all.median;
    m->ratios = FV_NEW(b->c->arena, double, m->rounds);
    fv_rounds_ratios(&m->ours.turns, &m->theirs.turns, m->rounds, m->ratios);
}

static bool profile(fv_bench *b, fv_measurement *m) {
    const char *path = b->c->args->bench.profile;
    if (!path)
        return true;
    fv_progress(b->c->args, "%d thread%s: profile", m->threads, m->threads > 1 ? "s" : "");
    m->profile = fv_profile_take(b, m->ours.ours, &m->roof);
    fv_progress_end();
    return m->profile && (!*path || fv_profile_write(b, m->profile, path));
}

/* Updates the peak memory of our own runs; must be called before the other contender allocates
 * memory. */
static void note_peak(fv_bench *b) {
    double peak = peak_memory();
    b->run_peak = peak > b->run_peak ? peak : b->run_peak;
}

static bool measure_with(fv_bench *b, fv_runner *r, fv_measurement *m) {
    m->threads = r->threads;
    m->first_ms = r->first_ms;
    m->workspace = r->workspace_bytes;
    m->ours.ours = r;
    if (!b->memory) {
        note_peak(b);
        b->memory = fv_roof_memory_new();
    }
    bool ok =
        fv_against_open(b, m) && run_rounds(b, m) && fv_against_compare(b, m) && profile(b, m);
    if (ok)
        compute_ratios(b, m);
    return ok;
}

static bool measure(fv_bench *b, int threads, fv_measurement *m) {
    fv_arena *a = b->c->arena;
    fv_runner r;
    const int given = b->c->args->bench.rounds;
    *m = (fv_measurement){.rounds = given > 0 ? given : 5};
    m->roofs = FV_NEW(a, fv_roof, m->rounds);
    m->ours.turns.round = FV_NEW(a, double, m->rounds);
    m->theirs.turns.round = FV_NEW(a, double, m->rounds);
    bool ok = fv_runner_open(b->c, &b->m, threads, &r) && measure_with(b, &r, m);
    fv_against_close(m);
    fv_runner_close(&r);
    m->ours.ours = NULL;
    return ok;
}

/* ---- one model ---- */

static void add_costs(fv_bench *b) {
    const fv_subject *m = &b->m;
    b->costs_known = m->ncosts > 0;
    if (m->program && m->ncosts)
        fv_cost_evaluate(b->c->arena, m->program, m->data.dims, m->ncosts, m->costs);
    for (int i = 0; i < m->ncosts; i++) {
        const fv_launch_cost *l = &m->costs[i];
        b->costs_known &= l->known;
        b->flops += l->cost.flops;
    }
    b->bytes = fv_cost_memory(b->c->arena, m->ncosts, m->costs);
    b->in_cache = b->bytes <= fv_cache_bytes();
}

static bool open_bench(fv_bench *b, const char *path, fv_backend_kind backend) {
    reset_peak_memory();
    bool ok = fv_subject_open(b->c, path, backend, &b->m);
    b->compile_peak = peak_memory();
    reset_peak_memory();
    ok = ok && fv_read_inputs(b->c, &b->m) && fv_choose_dims(b->c, &b->m, false) &&
         fv_has_work(b->c, &b->m, "measure") && fv_make_inputs(b->c, &b->m);
    if (ok) {
        fv_subject_count(b->c, &b->m);
        add_costs(b);
    }
    return ok;
}

static int measure_all(fv_bench *b, json_t *results) {
    const fv_args *a = b->c->args;
    int status = FV_EXIT_OK;
    if (!results)
        fv_print_bench(b);
    for (int i = 0; i < a->threads.n; i++) {
        fv_measurement m;
        if (!measure(b, a->threads.list[i], &m))
            return fv_failed(b->c);
        if (fv_count_differing(b, &m))
            status = FV_EXIT_MODEL;
        if (results)
            fv_json_append(results, fv_json_measurement(b, &m));
        else
            fv_print_measurement(b, &m);
        fflush(stdout);
    }
    return status;
}

static int bench_model(fv_context *c, const char *path, fv_backend_kind backend, json_t *results) {
    fv_bench b = {.c = c};
    int status = open_bench(&b, path, backend) ? measure_all(&b, results)
                 : fv_error_count(c->session)  ? fv_failed(c)
                                               : FV_EXIT_USAGE;
    fv_roof_memory_free(b.memory);
    if (b.other)
        fv_subject_close(b.other);
    fv_subject_close(&b.m);
    return status;
}

/* Measures one model in a session of its own, so that its memory is released afterwards. */
static int bench_operand(const fv_args *args, const char *path, fv_backend_kind backend,
                         json_t *results) {
    fv_context c = {.session = fv_session_new(), .args = args};
    fv_door door;
    if (!c.session || FV_DOOR_OPEN(c.session, &door)) {
        fv_err("fovea bench: error: %s: out of memory\n", path);
        fv_session_free(c.session);
        return FV_EXIT_MODEL;
    }
    c.arena = fv_arena_new(c.session);
    bool spares = !args->bench.profile || !*args->bench.profile ||
                  fv_spares_models(&c, "--profile=", args->bench.profile);
    bool parts = fv_parts_are_in(&c, path);
    spares = spares && (parts || fv_parts_are_not_in(&c, path));
    int status = !spares ? FV_EXIT_MODEL
                 : parts ? fv_bench_parts(&c, path, backend, results)
                         : bench_model(&c, path, backend, results);
    fv_print_messages(&c);
    fv_door_close(c.session, &door);
    fv_session_free(c.session);
    return status;
}

/* ---- the command line ---- */

static int check_arguments(const fv_context *c) {
    const fv_args *a = c->args;
    if (a->bench.against_model && !a->bench.against)
        return fv_usage(a,
                        "--against-model says what the library of --against runs; it is missing");
    for (int i = 0; i < a->n && a->bench.against; i++)
        if (!strcmp(a->operand[i], "-"))
            return fv_usage(a, "--against opens the model twice: not from standard input");
    if (a->bench.profile && !strcmp(a->bench.profile, "-"))
        return fv_usage(
            a, "--profile=- is no file: the table goes to standard output, the trace needs a file");
    if (!a->bench.rounds || !(a->bench.seconds > 0))
        return fv_usage(a, "%s takes more than 0", a->bench.rounds ? "--seconds" : "--rounds");
    for (int i = 0; i < a->n; i++)
        if (fv_against_is_other(a->bench.against) && !a->bench.against_model &&
            fv_driver_path_kind(a->operand[i]) != FV_FILE_ONNX)
            return fv_usage(
                a, "'%s' is no ONNX file: --against-model=F.onnx says what the other library runs",
                a->operand[i]);
    return FV_EXIT_OK;
}

/* The arguments, with a default list of threads if none was given. */
static fv_args complete(const fv_args *from) {
    fv_args a = *from;
    if (!a.threads.n) {
        a.threads.list[0] = fv_args_threads(from);
        a.threads.n = 1;
    }
    return a;
}

static bool print_results(fv_context *c, json_t *results) {
    json_t *d = fv_json_document();
    if (json_array_size(results) == 1) {
        json_object_update(d, json_array_get(results, 0));
        json_decref(results);
    } else {
        fv_json_set(d, "results", results);
    }
    return fv_json_print(c->session, d);
}

int fv_cmd_bench(fv_context *c) {
    fv_args args = complete(c->args);
    fv_backend_kind backends[FV_MOST_BACKENDS];
    int n = fv_args_backends(c->args, backends), worst = check_arguments(c);
    if (n != 1)
        return n ? fv_usage(c->args, "--backend takes one of jit, c and interp") : FV_EXIT_USAGE;
    if (worst)
        return worst;
    json_t *results = args.print.json ? json_array() : NULL;
    for (int i = 0; i < args.n; i++) {
        int status = bench_operand(&args, args.operand[i], backends[0], results);
        worst = status > worst ? status : worst;
    }
    if (!results || !json_array_size(results))
        json_decref(results);
    else if (!print_results(c, results))
        worst = fv_failed(c);
    return worst;
}
