/* tune.c - `fovea tune`: finds schedules for the kernels of a model with the largest time that are
 * faster on this machine than the default ones.
 *
 * Two programs are timed alternately, one with the schedules found so far and one in which one
 * kernel has another schedule; the order changes in each round. If the second one seems faster,
 * both are measured again in separate rounds, because the fastest of many candidates is often fast
 * by chance. Each program is compiled in a session of its own, and its outputs must be equal in
 * every bit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "ir/base/diag.h"
#include "tools/driver/tuning.h"
#include "tools/measure/alternatives.h"
#include "tools/measure/bench.h"

enum {
    LOOKS = 5,
    ROUNDS = 15,
    /* number of rounds, of ROUNDS, in which a candidate must be faster; one equal candidate in
     * fifty is so by chance */
    FASTER = 12,
    MOST_KERNELS = 12,
    ROUND_MS = 10,
    MAX_BLOCK = 1000
};
/* a candidate is measured again if the median ratio of its first rounds is below this */
#define WORTH_A_LOOK 0.99
/* kernels whose share of the model's estimated time is smaller are not tuned */
#define WORTH_TUNING 0.02

/* A kernel of the model: all launches whose definitions have this key. */
typedef struct target_kernel {
    const char *key, *name, *formula;
    double cost; /* milliseconds, estimated by the cost model */
    int next;    /* index of the alternative that is tried next */
    bool done;
} target_kernel;

/* Times, in milliseconds. */
typedef struct tuner_time {
    double begin, end; /* begin and end of tuning, on the clock */
    /* largest time of compiling a program, and of a round */
    double open_ms, pair_ms;
} tuner_time;

typedef struct tuner {
    fv_context *c;
    const char *path;
    fv_backend_kind backend;
    tuner_time time;
    fv_tuning found;
    int cap;
    struct {
        target_kernel *all;
        int n, cap;
    } kernels; /* the kernels whose schedules are searched */
    /* tried: number of alternatives that were tried; turn: index of the kernel whose alternative is
     * tried next */
    int tried, turn;
    double ratio; /* ratio of the times with and without all schedules found; 0: not measured */
    json_t *list;
    const char *hash, *target;
    bool said;
    int status; /* the exit status of the command after a program failed */
} tuner;

/* A program with given schedules, and the data to run it. */
typedef struct contender {
    fv_context c;
    fv_subject m;
    fv_choices choices;
    fv_runner r;
    int block;
} contender;

typedef enum { FAILED, NO, YES } answer;

/* ---- programs ---- */

static bool ready(tuner *t, contender *k, const fv_tuning *with) {
    double start = fv_now_ms(), ms;
    fv_context *c = &k->c;
    int threads = fv_args_threads(c->args);
    bool ok = fv_subject_open_tuned(c, t->path, t->backend, with, &k->choices, &k->m) &&
              fv_read_inputs(c, &k->m) && fv_choose_dims(c, &k->m, t->kernels.n > 0) &&
              fv_make_inputs(c, &k->m) && fv_runner_open(c, &k->m, threads, &k->r) &&
              fv_runner_run(c, &k->r, &ms);
    /* runs a second time, since the first run reads the weights from the file */
    ok = ok && fv_runner_run(c, &k->r, &ms);
    double took = fv_now_ms() - start;
    t->time.open_ms = took > t->time.open_ms ? took : t->time.open_ms;
    if (ok) {
        double block = (double)ROUND_MS / (ms > 1e-3 ? ms : 1e-3);
        k->block = block<1 ? 1 : block>(double) MAX_BLOCK ? MAX_BLOCK : (int)block;
        /* assumes that the other program takes the same time */
        double pair = 2 * (k->block + 1) * ms;
        t->time.pair_ms = pair > t->time.pair_ms ? pair : t->time.pair_ms;
    }
    return ok;
}

/* Makes a contender in a session of its own, and calls `work` with it. */
static answer with_contender(tuner *t, const fv_tuning *with,
                             answer (*work)(tuner *t, contender *k, void *arg), void *arg) {
    contender *k = FV_NEW(t->c->arena, contender, 1);
    fv_door door;
    k->c = (fv_context){.session = fv_session_new(), .args = t->c->args};
    if (!k->c.session || FV_DOOR_OPEN(k->c.session, &door))
        fv_leave_too(t->c->session, k->c.session);
    k->c.arena = fv_arena_new(k->c.session);
    answer is = ready(t, k, with) ? work(t, k, arg) : FAILED;
    t->status = is == FAILED ? fv_failed(&k->c) : FV_EXIT_OK;
    if (!t->said || is == FAILED) /* messages about reading the model are reported only once */
        fv_print_messages(&k->c);
    t->said = true;
    fv_runner_close(&k->r);
    fv_subject_close(&k->m);
    fv_door_close(k->c.session, &door);
    fv_session_free(k->c.session);
    return is;
}

/* ---- rounds ---- */

static bool run_block(contender *k, double *median) {
    double *ms = FV_NEW(k->c.arena, double, k->block), warm;
    bool ok = fv_runner_run(&k->c, &k->r, &warm);
    for (int i = 0; i < k->block && ok; i++)
        ok = fv_runner_run(&k->c, &k->r, &ms[i]);
    *median = fv_summarise(ms, ok ? k->block : 0).median;
    return ok;
}

/* Runs n rounds. ratios: in each round the time of b divided by that of a; sorted. */
static bool run_rounds(contender *a, contender *b, int n, double *ratios) {
    contender *order[2] = {a, b};
    for (int i = 0; i < n; i++) {
        double ms[2] = {0};
        for (int k = 0; k < 2; k++)
            if (!run_block(order[k ^ (i & 1)], &ms[k ^ (i & 1)]))
                return false;
        ratios[i] = ms[1] / ms[0];
    }
    fv_summarise(ratios, n);
    return true;
}

static bool same_outputs(contender *a, contender *b) {
    for (int i = 0; i < a->m.table->noutputs; i++) {
        const fv_array *x = &a->m.data.outputs[i], *y = &b->m.data.outputs[i];
        size_t n = fv_array_bytes(x);
        fv_difference d;
        if (n == fv_array_bytes(y) && (!n || !memcmp(x->data, y->data, n)))
            continue;
        d = fv_differ(b->c.arena, y, x, 0, 0); /* NaNs may have other bits */
        if (d.shape || d.differing)
            return fv_error(b->c.session,
                            "internal error: output '%s' differs under another schedule",
                            a->m.table->outputs[i].name);
    }
    return true;
}

/* ---- one alternative ---- */

typedef struct attempt {
    contender *now;
    double ratio;
    int faster; /* number of rounds of the second measurement in which it was faster */
} attempt;

/* Is contender k faster than the current program? */
static answer compare(tuner *t, contender *k, void *arg) {
    attempt *p = arg;
    double ratios[ROUNDS];
    (void)t;
    if (!same_outputs(p->now, k) || !run_rounds(p->now, k, LOOKS, ratios))
        return FAILED;
    p->ratio = ratios[LOOKS / 2];
    if (p->ratio >= WORTH_A_LOOK)
        return NO;
    if (!run_rounds(p->now, k, ROUNDS, ratios))
        return FAILED;
    p->ratio = ratios[ROUNDS / 2];
    for (p->faster = 0; p->faster < ROUNDS && ratios[p->faster] < 1;)
        p->faster++;
    return p->ratio < 1 && p->faster >= FASTER ? YES : NO;
}

/* The milliseconds that are needed to try another program and make it the current one, and for the
 * two programs of the final comparison. */
static double one_more(const tuner *t) {
    return 4 * t->time.open_ms + (LOOKS + 2 * ROUNDS) * t->time.pair_ms;
}

static bool has_time(const tuner *t) {
    return fv_now_ms() + one_more(t) < t->time.end;
}

static fv_tuned_kernel *entry_of(tuner *t, const char *key) {
    for (int i = 0; i < t->found.n; i++)
        if (!strcmp(t->found.kernels[i].key, key))
            return &t->found.kernels[i];
    FV_PUSH(t->c->arena, t->found.kernels, t->found.n, t->cap, (fv_tuned_kernel){.key = key});
    return &t->found.kernels[t->found.n - 1];
}

static const char *schedule_str(fv_arena *a, const fv_schedule *s) {
    fv_text t = {.arena = a};
    fv_schedule_print(&t, s);
    return t.s;
}

/* The schedules found so far, with schedule s for kernel k. */
static fv_tuning with_change(tuner *t, const target_kernel *k, const fv_schedule *s) {
    tuner copy = *t;
    copy.found.kernels = FV_NEW(t->c->arena, fv_tuned_kernel, t->found.n + 1);
    copy.cap = t->found.n + 1;
    if (t->found.n)
        memcpy(copy.found.kernels, t->found.kernels,
               (size_t)t->found.n * sizeof *copy.found.kernels);
    fv_tuned_kernel *e = entry_of(&copy, k->key);
    e->schedule.kind = s->kind;
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_schedule_states(s, (fv_parameter)p))
            fv_schedule_set(&e->schedule, (fv_parameter)p, s->value[p]);
    return copy.found;
}

static void tell(tuner *t, const target_kernel *k, const fv_schedule *s, const attempt *p,
                 answer is) {
    const fv_args *a = t->c->args;
    if (a->print.json && is == YES) {
        json_t *o = json_object();
        fv_json_set_text(o, "kernel", k->name);
        fv_json_set_text(o, "key", k->key);
        fv_json_set_text(o, "schedule", schedule_str(t->c->arena, s));
        fv_json_set(o, "ratio", fv_json_real(p->ratio));
        fv_json_set_int(o, "faster", p->faster);
        fv_json_append(t->list, o);
    }
    if (!a->print.json && !a->print.quiet && strcmp(a->result.output, "-") &&
        (is == YES || a->print.verbose))
        fv_out("%-10s %s: %s, %.3f of the time%s\n", is == YES ? "kept" : "tried", k->name,
               schedule_str(t->c->arena, s), p->ratio,
               is == YES ? fv_printf(t->c->arena, ", faster in %d of %d rounds", p->faster, ROUNDS)
                         : "");
}

static const fv_choice *choice_of(const contender *now, const char *key) {
    for (int i = 0; i < now->choices.n; i++)
        if (!strcmp(now->choices.at[i].key, key))
            return &now->choices.at[i];
    return NULL;
}

/* Tries the next alternative of the kernel. NO: there is none, or it is not faster. */
static answer try_next(tuner *t, contender *now, target_kernel *k) {
    fv_schedule s = {0};
    /* the choice may have changed with another kernel's schedule, which can decide the layout of an
     * operand of this one */
    const fv_choice *c = choice_of(now, k->key);
    int there = c ? 0 : -1;
    while (there == 0)
        there = fv_alternative(t->c->arena, c, now->r.threads, k->next++, &s);
    k->done = there < 0;
    if (k->done)
        return NO;
    fv_tuning with = with_change(t, k, &s);
    attempt p = {.now = now};
    answer is = with_contender(t, &with, compare, &p);
    t->tried++;
    if (is != FAILED)
        tell(t, k, &s, &p, is);
    if (is == YES) {
        t->found = with;
        t->cap = with.n;
        entry_of(t, k->key)->note =
            fv_printf(t->c->arena, "%s, %.3f: %s", k->name, p.ratio, k->formula);
    }
    return is;
}

/* ---- kernels ---- */

static int by_cost(const void *a, const void *b) {
    double x = ((const target_kernel *)a)->cost, y = ((const target_kernel *)b)->cost;
    return (x < y) - (x > y);
}

static target_kernel *kernel_of(tuner *t, const fv_choice *c) {
    for (int i = 0; i < t->kernels.n; i++)
        if (!strcmp(t->kernels.all[i].key, c->key))
            return &t->kernels.all[i];
    fv_arena *a = t->c->arena;
    target_kernel k = {.key = fv_strdup(a, c->key),
                       .name = fv_strdup(a, c->kernel->name),
                       .formula = fv_strdup(a, c->kernel->formula)};
    FV_PUSH(a, t->kernels.all, t->kernels.n, t->kernels.cap, k);
    return &t->kernels.all[t->kernels.n - 1];
}

/* The milliseconds of one launch of the kernel, estimated from its operations and bytes and from
 * the machine's peak. */
static double launch_ms(const contender *k, const fv_kernel *kernel, const fv_roof *roof) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < k->m.ncosts; i++) {
        const fv_launch_cost *l = &k->m.costs[i];
        if (l->kernel != kernel || !l->known)
            continue;
        double compute = l->cost.flops / roof->gflops,
               move = roof->gbs > 0 ? (l->cost.read + l->cost.written) / roof->gbs : 0;
        sum += 1e-6 * (compute > move ? compute : move);
        n++;
    }
    return n ? sum / n : 0;
}

static void find_kernels(tuner *t, contender *now) {
    fv_roof_memory *memory = fv_roof_memory_new();
    fv_roof roof = fv_roof_measure(&now->r.env, now->r.threads, memory);
    double sum = 0;
    fv_roof_memory_free(memory);
    fv_cost_evaluate(now->c.arena, now->m.program, now->m.data.dims, now->m.ncosts, now->m.costs);
    for (int i = 0; i < now->choices.n; i++) {
        const fv_choice *c = &now->choices.at[i];
        double ms = launch_ms(now, c->kernel, &roof);
        kernel_of(t, c)->cost += ms;
        sum += ms;
    }
    if (t->kernels.n)
        qsort(t->kernels.all, (size_t)t->kernels.n, sizeof *t->kernels.all, by_cost);
    while (t->kernels.n > 1 && (t->kernels.n > MOST_KERNELS ||
                                t->kernels.all[t->kernels.n - 1].cost < WORTH_TUNING * sum))
        t->kernels.n--;
}

/* Tries alternatives until one is faster; the caller makes it the current program. YES: one was
 * found; NO: there are no more, or no time. */
static answer improve(tuner *t, contender *now, void *arg) {
    (void)arg;
    if (!t->hash) {
        if (!fv_driver_spares(now->c.session, t->c->args->result.output))
            return FAILED;
        t->hash = fv_strdup(t->c->arena, now->m.source.hash);
        t->target = fv_tuning_target(t->c->arena, now->m.program->target);
        find_kernels(t, now);
    }
    for (int idle = 0; idle < t->kernels.n && has_time(t);) {
        target_kernel *k = &t->kernels.all[t->turn++ % t->kernels.n];
        answer is = k->done ? NO : try_next(t, now, k);
        if (is != NO)
            return is;
        idle = k->done ? idle + 1 : 0;
    }
    return NO;
}

/* ---- all of it ---- */

static answer compare_all(tuner *t, contender *k, void *arg) {
    contender *before = arg;
    double ratios[ROUNDS];
    if (!same_outputs(before, k) || !run_rounds(before, k, ROUNDS, ratios))
        return FAILED;
    t->ratio = ratios[ROUNDS / 2];
    int n = 0;
    /* drops entries of kernels that do not exist in the program with these schedules */
    for (int i = 0; i < t->found.n; i++)
        if (choice_of(k, t->found.kernels[i].key))
            t->found.kernels[n++] = t->found.kernels[i];
    t->found.n = n;
    return t->ratio < 1 ? YES : NO;
}

static answer compare_with_all(tuner *t, contender *before, void *arg) {
    (void)arg;
    return with_contender(t, &t->found, compare_all, before);
}

/* Compares the program with all schedules found to the default one: schedules that are faster
 * individually need not be faster together. */
static answer check_all(tuner *t) {
    const fv_tuning none = {.n = 0};
    if (!t->found.n)
        return YES;
    answer is = with_contender(t, &none, compare_with_all, NULL);
    if (is == NO)
        t->found.n = 0;
    return is;
}

static bool write_found(tuner *t) {
    fv_session *s = t->c->session;
    fv_text text = {.arena = t->c->arena};
    const char *out = t->c->args->result.output;
    t->found.model = t->hash;
    t->found.producer = FV_PRODUCER;
    t->found.target = t->target;
    t->found.cpu = fv_cpu_str(t->c->arena);
    fv_tuning_print(&text, &t->found);
    if (strcmp(out, "-"))
        return fv_file_write(s, out, text.s, text.n);
    fv_put_text(stdout, text.s);
    return true;
}

static bool report(tuner *t) {
    const fv_args *a = t->c->args;
    double seconds = 1e-3 * (fv_now_ms() - t->time.begin);
    if (a->print.json) {
        json_t *d = fv_json_document();
        fv_json_set_text(d, "model", t->path);
        fv_json_set_text(d, "output", a->result.output);
        fv_json_set_text(d, "target", t->target);
        fv_json_set_text(d, "cpu", t->found.cpu);
        fv_json_set(d, "seconds", fv_json_real(seconds));
        fv_json_set_int(d, "kernels", t->kernels.n);
        fv_json_set_int(d, "tried", t->tried);
        fv_json_set_int(d, "entries", t->found.n);
        fv_json_set(d, "ratio", t->ratio > 0 ? fv_json_real(t->ratio) : json_null());
        fv_json_set(d, "kept", t->list);
        t->list = NULL;
        return fv_json_print(t->c->session, d);
    }
    if (a->print.quiet || !strcmp(a->result.output, "-"))
        return true;
    fv_out("%-10s %d schedule%s of %d kernel%s in %.1f s\n", "tried", t->tried,
           t->tried == 1 ? "" : "s", t->kernels.n, t->kernels.n == 1 ? "" : "s", seconds);
    if (t->found.n)
        fv_out("%-10s %d kernel%s, %.3f of the time\n", a->result.output, t->found.n,
               t->found.n == 1 ? "" : "s", t->ratio);
    else
        fv_out("%-10s no kernels: %s\n", a->result.output,
               t->ratio > 0 ? "what was faster alone is not so together"
               : t->tried
                   ? "nothing was faster"
                   : fv_printf(t->c->arena, "there was no time to try one, which takes %.0f s",
                               ceil(1e-3 * one_more(t))));
    return true;
}

static bool tune(tuner *t) {
    answer is = YES;
    while (is == YES)
        is = with_contender(t, &t->found, improve, NULL);
    return is != FAILED && check_all(t) != FAILED && write_found(t) && report(t);
}

int fv_cmd_tune(fv_context *c) {
    const fv_args *a = c->args;
    fv_backend_kind backends[3];
    fv_driver_options o;
    int n = fv_args_backends(a, backends);
    if (n != 1 || backends[0] == FV_BACKEND_INTERP)
        return n ? fv_usage(a, "--backend takes one of jit and c") : FV_EXIT_USAGE;
    if (!a->result.output)
        return fv_usage(a, "-o is missing: where the schedules go");
    if (!strcmp(a->result.output, "-") && a->print.json)
        return fv_usage(a, "--json and -o - both want standard output");
    if (!(a->bench.seconds > 0))
        return fv_usage(a, "--seconds takes more than 0");
    if (!strcmp(a->operand[0], "-"))
        return fv_usage(a, "a model is read many times: it has to be a file");
    if (a->code.schedule && !strcmp(a->code.schedule, "naive"))
        return fv_usage(a, "--schedule=naive has nothing to tune");
    if (!fv_args_driver(c, &o, true))
        return fv_refused(c);
    if (o.tuning.tuned)
        return fv_usage(a, "the script says schedules, which are what is looked for here");
    tuner t = {.c = c,
               .path = a->operand[0],
               .backend = backends[0],
               .time.begin = fv_now_ms(),
               .list = a->print.json ? json_array() : NULL};
    t.time.end = t.time.begin + 1e3 * a->bench.seconds;
    int kind = fv_driver_path_kind(t.path);
    fv_diag_file(c->session, t.path);
    if (kind == FV_FILE_ELF || kind == FV_FILE_PROGRAM || kind == FV_FILE_KERNEL)
        fv_error(c->session, "holds kernels, which are made already: there is nothing to tune");
    else if (tune(&t))
        return FV_EXIT_OK;
    json_decref(t.list);
    return t.status ? t.status : fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_USAGE;
}
