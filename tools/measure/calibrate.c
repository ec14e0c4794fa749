/* calibrate.c - `fovea calibrate`: measures this machine, and writes its profile. */
#include "tools/measure/calibrate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frontend/file.h"
#include "ir/base/diag.h"
#include "tools/command/progress.h"
#include "tools/driver/machine.h"
#include "tools/measure/caches.h"
#include "tools/measure/handover.h"
#include "tools/measure/peak.h"
#include "tools/measure/roof.h"
#include "tools/measure/units.h"
#include "tools/model/runner.h"

enum { SAMPLES = 9, DOT_STEPS = 200000 };

/* ---- speeds ---- */

static fv_measure dot_products(void) {
    double values[SAMPLES];
    volatile float result;
    fv_peak_code code = fv_peak_widest();
    if (!code.dot)
        return (fv_measure){0};
    for (int i = 0; i < SAMPLES; i++) {
        double start = fv_now_ms();
        result = code.dot(DOT_STEPS);
        double ms = fv_now_ms() - start;
        values[i] = 1e-6 * (double)code.dots * (double)FV_PEAK_CHAINS * (double)DOT_STEPS / ms;
    }
    (void)result;
    return fv_measure_best(SAMPLES, values, true);
}

static fv_measure multiply_adds(void) {
    const fv_env one = {0};
    double values[SAMPLES];
    for (int i = 0; i < SAMPLES; i++)
        values[i] = fv_roof_measure(&one, 1, NULL).gflops;
    return fv_measure_best(SAMPLES, values, true);
}

/* Measures what takes several threads: multiply-adds and parallel regions of all threads, and lines
 * that move from core to core. */
static void measure_threads(const fv_env *env, int threads, fv_measure out[FV_NMEASURES]) {
    double adds[SAMPLES], next[SAMPLES], parked[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        fv_roof roof = fv_roof_measure(env, threads, NULL);
        adds[i] = roof.gflops;
        next[i] = roof.region_us;
        parked[i] = roof.parked_us;
    }
    out[FV_MEASURE_multiply_add_all] = fv_measure_best(SAMPLES, adds, true);
    if (!env->parallel_for)
        return;
    out[FV_MEASURE_region] = fv_measure_best(SAMPLES, next, false);
    out[FV_MEASURE_parked_region] = fv_measure_best(SAMPLES, parked, false);
    out[FV_MEASURE_handover] = fv_measure_handover();
}

static fv_measure exactly(double value) {
    return (fv_measure){.value = value, .known = true};
}

/* The bytes of a huge page, if the system gives them to a program that asks for them; otherwise
 * 0. */
static double huge_page_bytes(void) {
    char modes[64] = "", *never;
    double bytes = 0;
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    bool ok = f && fgets(modes, sizeof modes, f);
    if (f)
        fclose(f);
    never = strstr(modes, "[never]");
    f = ok && !never ? fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "r") : NULL;
    if (f && fscanf(f, "%lf", &bytes) != 1)
        bytes = 0;
    if (f)
        fclose(f);
    return bytes;
}

static bool measure_speeds(fv_calibration *t, const fv_env *all) {
    fv_measure *out = t->found.measures;
    out[FV_MEASURE_threads] = exactly(t->threads);
    out[FV_MEASURE_page] = exactly((double)sysconf(_SC_PAGESIZE));
    out[FV_MEASURE_huge_page] = exactly(huge_page_bytes());
    fv_progress(t->c->args, "measures arithmetic");
    out[FV_MEASURE_multiply_add] = multiply_adds();
    out[FV_MEASURE_dot_product] = dot_products();
    fv_measure_units(out[FV_MEASURE_multiply_add].value, out, &t->tile_ghz);
    fv_progress(t->c->args, "measures threads");
    measure_threads(all, t->threads, out);
    fv_progress(t->c->args, "measures caches and memory");
    return fv_measure_caches(all, &t->found.processor.caches, out) ||
           fv_error(t->c->session, "there is not enough memory to measure the caches");
}

/* ---- report ---- */

static double value_of(const fv_calibration *t, fv_measure_id id) {
    return t->found.measures[id].value;
}

static void print_level(const fv_calibration *t, const char *name, int bytes, fv_measure_id ns,
                        fv_measure_id rate) {
    fv_out("%-22s%s, %.2f ns, %.1f GB/s\n", name, fv_size_str(t->c->arena, (uint64_t)bytes),
           value_of(t, ns), value_of(t, rate));
}

static void print_speeds(const fv_calibration *t) {
    const fv_caches *c = &t->found.processor.caches;
    fv_arena *a = t->c->arena;
    print_level(t, "first-level cache", c->l1_bytes, FV_MEASURE_l1_latency, FV_MEASURE_l1_rate);
    print_level(t, "second-level cache", c->l2_bytes, FV_MEASURE_l2_latency, FV_MEASURE_l2_rate);
    print_level(t, "last-level cache", c->l3_bytes, FV_MEASURE_l3_latency, FV_MEASURE_l3_rate);
    fv_out("%-22s%.0f ns, %.1f GB/s; with %d thread%s %.1f GB/s\n", "memory",
           value_of(t, FV_MEASURE_memory_latency), value_of(t, FV_MEASURE_memory_rate), t->threads,
           t->threads == 1 ? "" : "s", value_of(t, FV_MEASURE_memory_rate_all));
    fv_out("%-22s%.1f GFLOP/s; with %d thread%s %.1f%s\n", "multiply-adds",
           value_of(t, FV_MEASURE_multiply_add), t->threads, t->threads == 1 ? "" : "s",
           value_of(t, FV_MEASURE_multiply_add_all),
           t->found.measures[FV_MEASURE_dot_product].known
               ? fv_printf(a, "; products of bytes %.1f Gop/s", value_of(t, FV_MEASURE_dot_product))
               : "");
    if (t->found.measures[FV_MEASURE_clock].known)
        fv_out("%-22s%.2f GHz, %.2f in the loop of a tile; in a cycle %.1f multiply-adds of "
               "vectors, %.1f instructions\n",
               "core", value_of(t, FV_MEASURE_clock), t->tile_ghz,
               value_of(t, FV_MEASURE_vector_multiplies), value_of(t, FV_MEASURE_instructions));
    if (t->found.measures[FV_MEASURE_region].known)
        fv_out("%-22s%.2f us, %.1f us if the threads sleep\n", "parallel region",
               value_of(t, FV_MEASURE_region), value_of(t, FV_MEASURE_parked_region));
    if (t->found.measures[FV_MEASURE_handover].known)
        fv_out("%-22s%.0f ns\n", "line to another core", value_of(t, FV_MEASURE_handover));
}

static bool report_json(fv_calibration *t, const char *path) {
    json_t *d = fv_json_document(), *properties = json_object(), *measures = json_object();
    fv_json_set_text(d, "output", path);
    fv_json_set_text(d, "processor", fv_processor_at(t->found.base)->name);
    fv_json_set_text(d, "cpu", t->found.cpu);
    fv_json_set_text(d, "measured", t->found.date);
    fv_json_set(d, "seconds", fv_json_real(1e-3 * (fv_now_ms() - t->begin_ms)));
    for (int i = 0; i < FV_NPROPERTIES; i++)
        fv_json_set_int(properties, fv_property_at(i)->name,
                        fv_property_get(&t->found.processor, i));
    for (int i = 0; i < FV_NMEASURES; i++) {
        const fv_measure *m = &t->found.measures[i];
        if (!m->known)
            continue;
        json_t *o = json_object();
        fv_json_set(o, "value", fv_json_real(m->value));
        fv_json_set(o, "deviation", fv_json_real(m->deviation));
        fv_json_set_text(o, "unit", fv_measure_at((fv_measure_id)i)->unit);
        fv_json_set(measures, fv_measure_at((fv_measure_id)i)->name, o);
    }
    fv_json_set(d, "properties", properties);
    fv_json_set(d, "measures", measures);
    fv_json_set(d, "tile_clock", fv_json_real(t->tile_ghz));
    fv_json_set_int(d, "untried", t->untried);
    fv_json_set(d, "tried", t->list);
    t->list = NULL;
    return fv_json_print(t->c->session, d);
}

static bool report(fv_calibration *t, const char *path) {
    const fv_args *a = t->c->args;
    if (a->print.json)
        return report_json(t, path);
    if (a->print.quiet || !strcmp(path, "-"))
        return true;
    fv_out("%-21s %d of %d value%s kept, in %.0f s\n", path, t->kept, t->tried,
           t->tried == 1 ? "" : "s", 1e-3 * (fv_now_ms() - t->begin_ms));
    if (t->untried)
        fv_out("%-22s%d propert%s had no time: --seconds gives more\n", "", t->untried,
               t->untried == 1 ? "y" : "ies");
    return true;
}

/* ---- all of it ---- */

static const char *today(fv_arena *a) {
    char text[16];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%d", &tm);
    return fv_strdup(a, text);
}

static bool write_profile(fv_calibration *t, const char *path) {
    fv_text text = {.arena = t->c->arena};
    fv_machine_print(&text, &t->found);
    if (!strcmp(path, "-")) {
        fv_put_text(stdout, text.s);
        return true;
    }
    return fv_file_write(t->c->session, path, text.s, text.n);
}

/* Measures this machine and writes its profile to `path`. The folder of the profile is made first,
 * because two minutes of measuring would be in vain without it. */
static bool calibrate(fv_calibration *t, const char *path) {
    if (strcmp(path, "-") && !fv_machine_make_folder(t->c->session, t->c->arena, path))
        return false;
    fv_pool *pool = fv_pool_new(fv_args_threads(t->c->args));
    fv_env env = fv_pool_env(pool);
    t->threads = pool ? fv_pool_size(pool) : 1;
    bool ok = measure_speeds(t, &env), quiet = t->c->args->print.quiet;
    fv_pool_free(pool);
    if (!ok)
        return false;
    if (!quiet && !t->c->args->print.json && strcmp(path, "-"))
        print_speeds(t);
    const fv_processor before = t->found.processor;
    if (!fv_calibrate_properties(t))
        return false;
    fv_calibration_settle(t, &before, multiply_adds());
    return write_profile(t, path) && report(t, path);
}

int fv_cmd_calibrate(fv_context *c) {
    const fv_args *a = c->args;
    const char *path = a->result.output ? a->result.output : fv_machine_path(c->arena);
    if (a->n)
        return fv_usage(a, "there is no model to name here; -o says where the profile goes");
    if (!path)
        return fv_usage(a, "-o is missing: there is no folder for settings");
    if (!strcmp(path, "-") && a->print.json)
        return fv_usage(a, "--json and -o - both want standard output");
    if (!(a->bench.seconds > 0))
        return fv_usage(a, "--seconds takes more than 0");
    const fv_target *native = fv_target_choose(c->arena, "native");
    fv_calibration t = {.c = c,
                        .begin_ms = fv_now_ms(),
                        .list = a->print.json ? json_array() : NULL,
                        .found = {.base = native->processor,
                                  .cpu = fv_cpu_str(c->arena),
                                  .date = today(c->arena),
                                  .processor = *fv_processor_of(native)}};
    t.found.processor.caches = native->caches;
    t.end_ms = t.begin_ms + 1e3 * a->bench.seconds;
    bool ok = calibrate(&t, path);
    json_decref(t.list);
    return ok ? FV_EXIT_OK : fv_failed(c);
}
