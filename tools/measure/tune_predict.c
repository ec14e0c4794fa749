/* tune_predict.c - `fovea tune --predict`: chooses schedules by the cost model alone. Nothing is
 * compiled to code or run, so the target may be another machine.
 *
 * The graph is read and its passes run once; a copy of it is lowered for each schedule that is
 * tried. One copy tries a schedule of each kernel. */
#include <stdlib.h>
#include <string.h>

#include "tools/measure/tune.h"

#include "backend/consumer/consumer.h"
#include "backend/cost/predict.h"
#include "frontend/file.h"
#include "ir/base/diag.h"
#include "ir/graph/copy.h"
#include "tools/command/progress.h"
#include "tools/model/estimate.h"

/* kernels whose share of the predicted time is smaller keep their schedules */
#define WORTH_TUNING 0.01
/* A schedule is chosen if its predicted time is at most this times that of the default one: the
 * model compares schedules of one kernel with an error of a few percent (docs/predictions.md). */
#define CLEARLY_FASTER 0.95
/* schedules whose predictions differ by less count as equally fast: the first one is chosen, which
 * changes the least */
#define EQUALLY_FAST 1.01

typedef struct kernel {
    fv_tune_kernel of;   /* `ms`: predicted time of the default schedule, of all its launches */
    const char *how;     /* the default schedule */
    fv_tune_try *chosen; /* the schedule that is chosen; NULL: the default one */
    double together;     /* the time of the chosen schedule with those of the other kernels */
} kernel;

typedef struct chooser {
    fv_context *c;
    fv_subject m; /* the graph after its passes, and the program with default schedules */
    fv_driver_options o;
    fv_speeds speeds;
    int threads;
    fv_choices choices; /* of the program with default schedules */
    struct {
        kernel *all;
        int n, cap;
        const char **unknown; /* names of the kernels of which there is no prediction */
        int nunknown;
    } kernels;
    struct {
        double ms;    /* of the program with default schedules */
        double after; /* of the program with the chosen ones */
    } total;
    int tried; /* number of schedules that were predicted */
    fv_tuning found;
    double begin, end; /* on the clock, in milliseconds; end 0: there is no limit */
} chooser;

/* A program with given schedules, and the predictions of its launches. It is in memory of its own,
 * which `drop` frees. */
typedef struct sketch {
    fv_module *module;
    fv_program *program;
    fv_arena *arena;
    fv_choices choices;
    fv_launch_cost *costs;
    fv_prediction *is;
    double *times; /* how often a run makes each launch */
    int n;
} sketch;

/* ---- predictions of programs ---- */

static void predict(const chooser *h, fv_program *p, sketch *s) {
    fv_walk host = fv_cost_host(s->arena, p, h->m.data.dims);
    s->n = fv_cost_launches(s->arena, p, &s->costs);
    s->is = FV_NEW(s->arena, fv_prediction, s->n + 1);
    s->times = FV_NEW(s->arena, double, s->n + 1);
    fv_cost_evaluate(s->arena, p, h->m.data.dims, s->n, s->costs);
    fv_predict_launches(s->arena, p, h->m.data.dims, &h->speeds, h->threads, s->n, s->costs, s->is);
    for (int i = 0; i < s->n; i++)
        s->times[i] = fv_cost_iterations(&host, s->costs[i].loop);
}

static void drop(sketch *s) {
    if (s->program)
        fv_arena_free(s->program->arena);
    if (s->module)
        fv_module_free(s->module);
    fv_arena_free(s->arena);
}

/* A copy of the graph after its passes. Definitions, to which no passes apply, are read again. NULL
 * after a diagnostic. */
static fv_module *copy_of(const chooser *h) {
    fv_session *s = h->c->session;
    fv_driver_options o = h->o;
    fv_source source;
    if (!h->m.source.module->definitions)
        return fv_module_copy(s, h->m.source.module, NULL);
    o.answers.choices = NULL;
    return fv_driver_read(s, h->m.path, &o, &source) ? source.module : NULL;
}

/* Lowers a copy of the graph with these schedules. False: it cannot be lowered, which is no error:
 * the change of one parameter, as that of the operand, takes away the choice of another one. */
static bool draw(const chooser *h, const fv_tuning *with, sketch *out) {
    fv_session *s = h->c->session;
    const fv_message *last = fv_messages_last(s);
    fv_driver_options o = h->o;
    *out = (sketch){.arena = fv_arena_new(s)};
    o.without_weights = true; /* they are not laid out */
    o.tuning.tuned = with;
    o.answers = (fv_driver_answers){.choices = &out->choices};
    out->module = copy_of(h);
    out->program = out->module ? fv_driver_lower_module(s, out->module, &h->m.source, &o) : NULL;
    fv_messages_drop(s, last);
    if (!out->program) {
        drop(out);
        return false;
    }
    predict(h, out->program, out);
    return true;
}

/* The predicted milliseconds of all launches in a run; of those with this key, unless it is
 * NULL. */
static double sum_of(const sketch *s, const char *key) {
    double sum = 0;
    for (int i = 0; i < s->n; i++) {
        const fv_choice *c = key ? fv_tune_choice_of(&s->choices, s->costs[i].kernel) : NULL;
        if (s->is[i].known && (!key || (c && !strcmp(c->key, key))))
            sum += s->times[i] * s->is[i].ms;
    }
    return sum;
}

/* ---- the kernels ---- */

static const char *schedule_str(fv_arena *a, const fv_schedule *s) {
    fv_text t = {.arena = a};
    fv_schedule_print(&t, s);
    return t.s;
}

static void add_kernel(chooser *h, const sketch *s, const fv_choice *c) {
    fv_arena *a = h->c->arena;
    kernel k = {.of = {.key = fv_strdup(a, c->key),
                       .name = fv_strdup(a, c->kernel->name),
                       .formula = fv_strdup(a, c->kernel->formula),
                       .ms = sum_of(s, c->key)},
                .how = schedule_str(a, &c->how)};
    for (int i = 0; i < h->kernels.n; i++)
        if (!strcmp(h->kernels.all[i].of.key, c->key))
            return;
    fv_tune_add_tries(a, &k.of, c, h->threads);
    if (k.of.ms > WORTH_TUNING * h->total.ms)
        FV_PUSH(a, h->kernels.all, h->kernels.n, h->kernels.cap, k);
}

/* Notes kernels that have launches without a prediction. */
static void find_unknown(chooser *h, const sketch *s) {
    h->kernels.unknown = FV_NEW(h->c->arena, const char *, s->n + 1);
    for (int i = 0; i < s->n; i++) {
        const char *name = s->costs[i].kernel->name;
        bool listed = s->costs[i].known && s->is[i].known;
        for (int k = 0; k < h->kernels.nunknown && !listed; k++)
            listed = !strcmp(h->kernels.unknown[k], name);
        if (!listed)
            h->kernels.unknown[h->kernels.nunknown++] = fv_strdup(h->c->arena, name);
    }
}

static int by_time(const void *a, const void *b) {
    const fv_tune_kernel *x = &((const kernel *)a)->of, *y = &((const kernel *)b)->of;
    return x->ms != y->ms ? (x->ms < y->ms ? 1 : -1) : strcmp(x->key, y->key);
}

static void find_kernels(chooser *h, const sketch *s) {
    h->total.ms = h->total.after = sum_of(s, NULL);
    for (int i = 0; i < s->choices.n; i++)
        if (s->choices.at[i].kernel)
            add_kernel(h, s, &s->choices.at[i]);
    find_unknown(h, s);
    if (h->kernels.n)
        qsort(h->kernels.all, (size_t)h->kernels.n, sizeof *h->kernels.all, by_time);
}

/* ---- the schedules ---- */

static fv_tune_try *try_of(const kernel *k, int i) {
    return i < k->of.tries.n ? &k->of.tries.all[i] : NULL;
}

static void take(chooser *h, const sketch *s, kernel *k, fv_tune_try *at) {
    double ms = sum_of(s, k->of.key);
    at->predicted = ms > 0 ? ms : -1; /* none: the kernel has another key with this schedule */
    at->done = true;
    h->tried++;
}

/* Predicts the i-th schedule of kernel k; k NULL: of all kernels, in one program. False: there is
 * no such program. */
static bool predict_tries(chooser *h, int i, kernel *only) {
    fv_tuning with = {.n = 0};
    sketch s;
    for (int k = 0; k < h->kernels.n; k++) {
        kernel *at = &h->kernels.all[k];
        if (try_of(at, i) && (!only || only == at))
            with = fv_tune_changed(h->c->arena, &with, &at->of, &try_of(at, i)->change);
    }
    if (!draw(h, &with, &s))
        return false;
    for (int k = 0; k < h->kernels.n; k++) {
        kernel *at = &h->kernels.all[k];
        if (try_of(at, i) && (!only || only == at))
            take(h, &s, at, try_of(at, i));
    }
    drop(&s);
    return true;
}

static bool has_time(const chooser *h) {
    return !(h->end > 0) || fv_now_ms() < h->end;
}

/* Predicts all schedules. If the i-th ones of all kernels cannot be in one program, each kernel has
 * a program. */
static void predict_all(chooser *h) {
    int most = 0;
    for (int k = 0; k < h->kernels.n; k++)
        most = h->kernels.all[k].of.tries.n > most ? h->kernels.all[k].of.tries.n : most;
    for (int i = 0; i < most && has_time(h); i++) {
        fv_progress(h->c->args, "%d schedule%s predicted, step %d of %d", h->tried,
                    fv_tune_plural(h->tried), i + 1, most);
        if (predict_tries(h, i, NULL))
            continue;
        for (int k = 0; k < h->kernels.n; k++)
            if (try_of(&h->kernels.all[k], i))
                (void)predict_tries(h, i, &h->kernels.all[k]);
    }
}

/* The fastest schedule of the kernel, if it is clearly faster than the default one. Of those that
 * are about equally fast, the first one. */
static fv_tune_try *fastest(const kernel *k) {
    double least = 0;
    for (int i = 0; i < k->of.tries.n; i++) {
        double ms = try_of(k, i)->predicted;
        least = ms > 0 && (!(least > 0) || ms < least) ? ms : least;
    }
    for (int i = 0; i < k->of.tries.n && least <= CLEARLY_FASTER * k->of.ms; i++) {
        fv_tune_try *at = try_of(k, i);
        if (at->predicted > 0 && at->predicted <= EQUALLY_FAST * least &&
            at->predicted <= CLEARLY_FASTER * k->of.ms)
            return at;
    }
    return NULL;
}

static fv_tuning chosen(const chooser *h) {
    fv_tuning with = {.n = 0};
    for (int k = 0; k < h->kernels.n; k++)
        if (h->kernels.all[k].chosen)
            with = fv_tune_changed(h->c->arena, &with, &h->kernels.all[k].of,
                                   &h->kernels.all[k].chosen->change);
    return with;
}

static void keep_none(chooser *h) {
    for (int k = 0; k < h->kernels.n; k++)
        h->kernels.all[k].chosen = NULL;
    h->total.after = h->total.ms;
}

/* Predicts all chosen schedules together, and drops those that are not clearly faster then. True:
 * some were dropped. */
static bool drop_slow(chooser *h) {
    const fv_tuning with = chosen(h);
    sketch s;
    bool dropped = false;
    if (!with.n || !draw(h, &with, &s)) {
        keep_none(h);
        return false;
    }
    for (int i = 0; i < h->kernels.n; i++) {
        kernel *k = &h->kernels.all[i];
        k->together = sum_of(&s, k->of.key);
        if (!k->chosen || (k->together > 0 && k->together <= CLEARLY_FASTER * k->of.ms))
            continue;
        k->chosen = NULL;
        dropped = true;
    }
    h->total.after = sum_of(&s, NULL);
    drop(&s);
    if (!dropped && h->total.after >= h->total.ms)
        keep_none(h);
    return dropped;
}

static void choose(chooser *h) {
    for (int k = 0; k < h->kernels.n; k++)
        h->kernels.all[k].chosen = fastest(&h->kernels.all[k]);
    while (drop_slow(h))
        ;
    h->found = chosen(h);
    for (int i = 0; i < h->found.n; i++)
        for (int k = 0; k < h->kernels.n; k++) {
            const kernel *of = &h->kernels.all[k];
            if (!strcmp(of->of.key, h->found.kernels[i].key))
                h->found.kernels[i].note =
                    fv_printf(h->c->arena, "%s, predicted %.3f: %s", of->of.name,
                              of->together / of->of.ms, of->of.formula);
        }
}

/* ---- opening ---- */

static bool open_model(chooser *h, sketch *s) {
    fv_context *c = h->c;
    const fv_tuning none = {.n = 0};
    h->m = (fv_subject){.path = c->args->operand[0]};
    if (!fv_args_driver(c, &h->o, true))
        return false;
    h->o.dims.are_values = true;
    h->o.target.in_process = !strcmp(h->o.target.of->name, "native");
    h->o.answers.choices = &h->choices; /* a text gets a hash */
    fv_progress_phase(c->args, h->m.path, "reads the model");
    if (!fv_driver_read(c->session, h->m.path, &h->o, &h->m.source) ||
        !fv_driver_spares(c->session, c->args->result.output))
        return false;
    fv_implied *to = &h->m.implied;
    fv_find_lacks(c->arena, h->m.source.module, &to->lacks, &to->nlacks);
    fv_find_places(c->arena, h->m.source.module, &to->places, &to->nplaces);
    fv_find_sizes(c->arena, h->m.source.module, &to->sizes, &to->nsizes);
    if (!fv_driver_prepare(&h->m.source, &h->o))
        return false;
    /* this program, which is not one that is tried, reports what is wrong with the model */
    fv_driver_options o = h->o;
    o.without_weights = true;
    fv_module *copy = copy_of(h);
    h->m.program = copy ? fv_driver_lower_module(c->session, copy, &h->m.source, &o) : NULL;
    if (!h->m.program)
        return false;
    h->speeds = fv_speeds_of(h->m.program->target);
    fv_subject_make_room(c, fv_program_model(c->arena, h->m.program, NULL), &h->m);
    return fv_read_inputs(c, &h->m) && fv_choose_dims(c, &h->m, false) &&
           fv_has_work(c, &h->m, "measure") && draw(h, &none, s);
}

/* ---- the result ---- */

static bool write_found(chooser *h) {
    fv_session *s = h->c->session;
    fv_text text = {.arena = h->c->arena};
    const fv_target *t = h->m.program->target;
    const char *out = h->c->args->result.output;
    h->found.model = h->m.source.hash;
    h->found.producer = FV_PRODUCER;
    h->found.target = fv_tuning_target(h->c->arena, t);
    /* for other targets the CPU is not compared, and the file does not depend on this machine */
    h->found.cpu = strcmp(t->name, "native") ? "any: predicted" : fv_cpu_str(h->c->arena);
    fv_tuning_print(&text, &h->found);
    if (strcmp(out, "-"))
        return fv_file_write(s, out, text.s, text.n);
    fv_put_text(stdout, text.s);
    return true;
}

static json_t *kernel_json(const chooser *h, const kernel *k) {
    json_t *o = json_object();
    fv_json_set_text(o, "kernel", k->of.name);
    fv_json_set_text(o, "key", k->of.key);
    fv_json_set_text(o, "default", k->how);
    fv_json_set(o, "schedule",
                fv_json_text(k->chosen ? schedule_str(h->c->arena, &k->chosen->change) : NULL));
    fv_json_set(o, "default_ms", fv_json_real(k->of.ms));
    fv_json_set(o, "predicted_ms", fv_json_real(k->chosen ? k->together : k->of.ms));
    fv_json_set_int(o, "candidates", k->of.tries.n);
    return o;
}

static bool report_json(const chooser *h, double seconds) {
    json_t *d = fv_json_document(), *list = json_array(), *unknown = json_array();
    fv_json_set_text(d, "model", h->m.path);
    fv_json_set_text(d, "output", h->c->args->result.output);
    fv_json_set_text(d, "target", h->found.target);
    fv_json_set_text(d, "cpu", h->found.cpu);
    fv_json_set_text(d, "source", fv_estimate_source(h->c->arena, h->m.program->target));
    fv_json_set_int(d, "threads", h->threads);
    fv_json_set(d, "dims", fv_json_symbols(h->m.table, h->m.data.dims));
    fv_json_set(d, "seconds", fv_json_real(seconds));
    fv_json_set_int(d, "tried", h->tried);
    fv_json_set_int(d, "entries", h->found.n);
    fv_json_set(d, "ratio",
                h->total.ms > 0 ? fv_json_real(h->total.after / h->total.ms) : json_null());
    fv_json_set(d, "before_ms", fv_json_real(h->total.ms));
    fv_json_set(d, "after_ms", fv_json_real(h->total.after));
    for (int k = 0; k < h->kernels.n; k++)
        fv_json_append(list, kernel_json(h, &h->kernels.all[k]));
    fv_json_set(d, "kernels", list);
    for (int k = 0; k < h->kernels.nunknown; k++)
        fv_json_append(unknown, fv_json_text(h->kernels.unknown[k]));
    fv_json_set(d, "not_predicted", unknown);
    return fv_json_print(h->c->session, d);
}

static void print_tries(const chooser *h, const kernel *k) {
    for (int i = 0; i < k->of.tries.n; i++) {
        const fv_tune_try *at = try_of(k, i);
        if (at->predicted > 0)
            fv_out("%10s %10.4g %6.3f  %s\n", "", at->predicted, at->predicted / k->of.ms,
                   schedule_str(h->c->arena, &at->change));
    }
}

static void print_kernels(const chooser *h) {
    fv_out("%10s %10s %6s  %s\n", "default ms", "chosen ms", "ratio", "kernel");
    for (int i = 0; i < h->kernels.n; i++) {
        const kernel *k = &h->kernels.all[i];
        double ms = k->chosen ? k->together : k->of.ms;
        fv_out("%10.4g %10.4g %6.3f  %s: %s%s%s\n", k->of.ms, ms, ms / k->of.ms, k->of.name, k->how,
               k->chosen ? " -> " : "",
               k->chosen ? schedule_str(h->c->arena, &k->chosen->change) : "");
        if (h->c->args->print.verbose)
            print_tries(h, k);
    }
}

static const char *names_str(const chooser *h) {
    fv_text t = {.arena = h->c->arena};
    for (int k = 0; k < h->kernels.nunknown; k++)
        fv_text_printf(&t, "%s%s", k ? ", " : "", h->kernels.unknown[k]);
    return t.s;
}

static bool report(const chooser *h) {
    const fv_args *a = h->c->args;
    double seconds = 1e-3 * (fv_now_ms() - h->begin);
    if (a->print.json)
        return report_json(h, seconds);
    if (a->print.quiet || !strcmp(a->result.output, "-"))
        return true;
    if (h->kernels.n)
        print_kernels(h);
    fv_out("%-10s %d schedule%s of %d kernel%s in %.1f s, for %d thread%s by %s\n", "predicted",
           h->tried, fv_tune_plural(h->tried), h->kernels.n, fv_tune_plural(h->kernels.n), seconds,
           h->threads, fv_tune_plural(h->threads),
           fv_estimate_source(h->c->arena, h->m.program->target));
    if (h->kernels.nunknown)
        fv_out("%-10s %d kernel%s, which keep%s the default schedule: %s\n", "unknown",
               h->kernels.nunknown, fv_tune_plural(h->kernels.nunknown),
               h->kernels.nunknown == 1 ? "s" : "", names_str(h));
    if (h->found.n)
        fv_out("%-10s %d kernel%s, %.4g ms instead of %.4g, %.3f of the time\n", a->result.output,
               h->found.n, fv_tune_plural(h->found.n), h->total.after, h->total.ms,
               h->total.after / h->total.ms);
    else
        fv_out("%-10s no kernels: no schedule is predicted to take less than %.2f of the time\n",
               a->result.output, CLEARLY_FASTER);
    return true;
}

int fv_tune_predict(fv_context *c) {
    chooser *h = FV_NEW(c->arena, chooser, 1);
    sketch s = {0};
    *h = (chooser){.c = c, .begin = fv_now_ms()};
    if (c->args->bench.seconds > 0)
        h->end = h->begin + 1e3 * c->args->bench.seconds;
    h->threads = fv_args_threads(c->args) > 1 ? fv_args_threads(c->args) : 1;
    if (!open_model(h, &s))
        return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_USAGE;
    find_kernels(h, &s);
    drop(&s);
    predict_all(h);
    choose(h);
    bool ok = write_found(h) && report(h);
    fv_subject_close(&h->m);
    return ok ? FV_EXIT_OK : fv_failed(c);
}
