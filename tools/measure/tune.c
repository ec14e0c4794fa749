/* tune.c - `fovea tune`: finds schedules for the kernels of a model that are faster on this machine
 * than the default ones.
 *
 * Two programs are timed alternately: one with the schedules found so far, and one in which each
 * kernel has the schedule that is tried next, the one of those not yet tried that the cost model
 * predicts to be the fastest. The order changes in each round. For each kernel rounds go on until
 * the difference is sure, at most MOST_ROUNDS of them; the rounds that chose a schedule for a
 * second look do not count, because the fastest of many candidates is often fast by chance. Each
 * program is compiled in a session of its own, and its outputs must be equal in every bit, except
 * for the bits of NaNs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/file.h"
#include "ir/base/diag.h"
#include "tools/command/progress.h"
#include "tools/measure/tune.h"
#include "tools/model/rounds.h"

enum {
    LOOKS = 5,
    LEAST_ROUNDS = 10,
    MOST_ROUNDS = 40,
    /* rounds of the comparison at the end, and in how many of them the changed kernels must be
     * faster; one equal program in fifty is so by chance */
    FINAL_ROUNDS = 15,
    FINAL_FASTER = 12
};
/* A kernel is measured in further rounds if the median ratio of its times in the first rounds is
 * below this, and its schedule is kept only if the median of the further rounds is below it, too:
 * smaller differences come from the addresses of buffers, which differ between programs. */
#define WORTH_KEEPING 0.98
/* A schedule is faster for sure if the number of rounds in which it is faster exceeds half of the
 * rounds by SURE times sqrt(rounds) / 2, the deviation of that number for equal schedules. It is
 * rejected if the number exceeds half of the rounds by less than UNSURE times that deviation. */
#define SURE   2.6
#define UNSURE 0.5

/* ---- a try of each kernel ---- */

typedef enum { OPEN, REJECTED, ACCEPTED } verdict;

typedef struct attempt {
    fv_tune_program *now;
    fv_tune_try **tries; /* for each kernel, the schedule that is tried; NULL: none */
    verdict *is;
    double *ratio;                 /* for each kernel, the median of `ratios` */
    int *faster, *rounds;          /* numbers of rounds: won by the try, and all that count */
    double (*ratios)[MOST_ROUNDS]; /* for each kernel and round, the time with the try / without */
} attempt;

static attempt attempt_new(fv_tuner *t, fv_tune_program *now) {
    int n = t->kernels.n + 1;
    attempt p = {.now = now};
    p.tries = FV_NEW(t->c->arena, fv_tune_try *, n);
    p.is = FV_NEW(t->c->arena, verdict, n);
    p.ratio = FV_NEW(t->c->arena, double, n);
    p.faster = FV_NEW(t->c->arena, int, n);
    p.rounds = FV_NEW(t->c->arena, int, n);
    p.ratios = fv_alloc(t->c->arena, (size_t)n, sizeof *p.ratios);
    return p;
}

static int count_open(const fv_tuner *t, const attempt *p) {
    int n = 0;
    for (int k = 0; k < t->kernels.n; k++)
        n += p->tries[k] && p->is[k] == OPEN;
    return n;
}

static void show_progress(const fv_tuner *t) {
    fv_progress(t->c->args, "%d schedule%s tried, %.0f of %.0f s", t->tried,
                t->tried == 1 ? "" : "s", 1e-3 * (fv_now_ms() - t->time.begin),
                1e-3 * (t->time.end - t->time.begin));
}

/* Measures one more round, the i-th. */
static bool measure(fv_tuner *t, attempt *p, fv_tune_program *other, int i) {
    show_progress(t);
    if (!fv_tune_round(t, p->now, other, i & 1))
        return false;
    for (int k = 0; k < t->kernels.n; k++) {
        double before = p->now->kernel_ms[k], ratio = other->kernel_ms[k] / before;
        if (!p->tries[k] || p->is[k] != OPEN)
            continue;
        p->ratios[k][i] = before > 0 ? ratio : 1;
        p->faster[k] += p->ratios[k][i] < 1;
        p->rounds[k] = i + 1;
    }
    return true;
}

static double median_of(fv_tuner *t, const attempt *p, int k) {
    double *copy = FV_NEW(t->c->arena, double, p->rounds[k] + 1);
    memcpy(copy, p->ratios[k], (size_t)p->rounds[k] * sizeof *copy);
    return fv_summarise(copy, p->rounds[k]).median;
}

/* Measures the first rounds, and rejects the schedules that do not seem to be faster. */
static bool look(fv_tuner *t, attempt *p, fv_tune_program *other) {
    for (int i = 0; i < LOOKS; i++)
        if (!measure(t, p, other, i))
            return false;
    for (int k = 0; k < t->kernels.n; k++) {
        if (!p->tries[k] || p->is[k] != OPEN)
            continue;
        p->ratio[k] = median_of(t, p, k);
        p->is[k] = p->ratio[k] < WORTH_KEEPING ? OPEN : REJECTED;
        p->faster[k] = p->rounds[k] = 0;
    }
    return true;
}

static verdict judge(const attempt *p, int k) {
    double n = p->rounds[k], beyond = p->faster[k] - n / 2, deviation = sqrt(n) / 2;
    if (p->rounds[k] < LEAST_ROUNDS)
        return OPEN;
    if (beyond > SURE * deviation && p->ratio[k] < WORTH_KEEPING)
        return ACCEPTED;
    return beyond < UNSURE * deviation || p->rounds[k] == MOST_ROUNDS ? REJECTED : OPEN;
}

/* Measures further rounds until each schedule is accepted or rejected. */
static bool make_sure(fv_tuner *t, attempt *p, fv_tune_program *other) {
    for (int i = 0; i < MOST_ROUNDS && count_open(t, p); i++) {
        if (!measure(t, p, other, i))
            return false;
        for (int k = 0; k < t->kernels.n; k++) {
            if (!p->tries[k] || p->is[k] != OPEN)
                continue;
            p->ratio[k] = median_of(t, p, k);
            p->is[k] = judge(p, k);
        }
    }
    return true;
}

/* Which kernels of the program are faster than those of the current one? A kernel whose key another
 * schedule changed, by another layout of its operand, is not compared. */
static fv_tune_answer compare(fv_tuner *t, fv_tune_program *other, void *arg) {
    attempt *p = arg;
    for (int k = 0; k < t->kernels.n; k++)
        if (p->tries[k] && !fv_tune_choice(other, t->kernels.all[k].key))
            p->is[k] = REJECTED;
    if (!fv_tune_same_outputs(p->now, other) || !look(t, p, other) || !make_sure(t, p, other))
        return FV_TUNE_FAILED;
    for (int k = 0; k < t->kernels.n; k++)
        if (p->tries[k] && p->is[k] == ACCEPTED)
            return FV_TUNE_YES;
    return FV_TUNE_NO;
}

/* ---- what was found ---- */

static const char *schedule_str(fv_arena *a, const fv_schedule *s) {
    fv_text t = {.arena = a};
    fv_schedule_print(&t, s);
    return t.s;
}

/* The predicted ratio of the times with and without the schedule; 0: not known. */
static double predicted_ratio(const fv_tune_kernel *k, const fv_tune_try *is) {
    return k->tries.base > 0 && is->predicted > 0 ? is->predicted / k->tries.base : 0;
}

static void tell(fv_tuner *t, const attempt *p, int k) {
    const fv_args *a = t->c->args;
    const fv_tune_kernel *of = &t->kernels.all[k];
    const fv_schedule *s = &p->tries[k]->change;
    bool kept = p->is[k] == ACCEPTED;
    double predicted = predicted_ratio(of, p->tries[k]);
    if (a->print.json && kept) {
        json_t *o = json_object();
        fv_json_set_text(o, "kernel", of->name);
        fv_json_set_text(o, "key", of->key);
        fv_json_set_text(o, "schedule", schedule_str(t->c->arena, s));
        fv_json_set(o, "ratio", fv_json_real(p->ratio[k]));
        fv_json_set(o, "predicted", predicted > 0 ? fv_json_real(predicted) : json_null());
        fv_json_set_int(o, "faster", p->faster[k]);
        fv_json_set_int(o, "rounds", p->rounds[k]);
        fv_json_append(t->list, o);
    }
    if (!a->print.json && !a->print.quiet && strcmp(a->result.output, "-") &&
        (kept || a->print.verbose))
        fv_out(
            "%-10s %s: %s, %.3f of the time%s%s\n", kept ? "kept" : "tried", of->name,
            schedule_str(t->c->arena, s), p->ratio[k],
            predicted > 0 ? fv_printf(t->c->arena, ", predicted %.3f", predicted) : "",
            kept ? fv_printf(t->c->arena, ", faster in %d of %d rounds", p->faster[k], p->rounds[k])
                 : "");
}

static void keep(fv_tuner *t, const attempt *p, int k) {
    fv_tune_kernel *of = &t->kernels.all[k];
    t->found = fv_tune_changed(t->c->arena, &t->found, of, &p->tries[k]->change);
    of->now *= p->ratio[k];
    for (int i = 0; i < t->found.n; i++)
        if (!strcmp(t->found.kernels[i].key, of->key))
            t->found.kernels[i].note =
                fv_printf(t->c->arena, "%s, %.3f: %s", of->name, of->now / of->ms, of->formula);
}

/* ---- the search ---- */

/* The milliseconds of one more try, and of what has to follow: making what was found the current
 * program, and comparing it with the default one. */
static double one_more(const fv_tuner *t) {
    return 4 * t->time.open_ms + (LOOKS + LEAST_ROUNDS + FINAL_ROUNDS) * t->time.pair_ms;
}

static bool has_time(const fv_tuner *t) {
    return fv_now_ms() + one_more(t) < t->time.end;
}

/* Compiles one program with the tries of p and compares it. */
static fv_tune_answer try_together(fv_tuner *t, attempt *p, bool quiet) {
    fv_tuning with = t->found;
    for (int k = 0; k < t->kernels.n; k++)
        if (p->tries[k])
            with = fv_tune_changed(t->c->arena, &with, &t->kernels.all[k], &p->tries[k]->change);
    t->trial.is_one = true;
    fv_tune_answer is = fv_tune_with(t, &with, quiet, compare, p);
    t->trial.is_one = false;
    return is;
}

/* The schedules of p cannot be made: the change of one parameter, as that of the operand, takes
 * away the choice of another one. They are not tried again. */
static fv_tune_answer leave_out(fv_tuner *t, const attempt *p) {
    for (int k = 0; k < t->kernels.n; k++)
        if (p->tries[k])
            p->tries[k]->done = true;
    t->trial.is_unfit = false;
    return FV_TUNE_NO;
}

static void settle(fv_tuner *t, const attempt *p) {
    for (int k = 0; k < t->kernels.n; k++) {
        if (!p->tries[k])
            continue;
        p->tries[k]->done = true;
        t->tried++;
        tell(t, p, k);
        if (p->is[k] == ACCEPTED)
            keep(t, p, k);
    }
}

/* A schedule of one kernel may make that of another one impossible, by the layout of what both
 * read: then each is tried alone. */
static fv_tune_answer try_each(fv_tuner *t, const attempt *all) {
    fv_tune_answer found = FV_TUNE_NO;
    for (int k = 0; k < t->kernels.n && has_time(t) && found == FV_TUNE_NO; k++) {
        attempt p = attempt_new(t, all->now);
        if (!all->tries[k])
            continue;
        p.tries[k] = all->tries[k];
        found = try_together(t, &p, false);
        if (t->trial.is_unfit)
            found = leave_out(t, &p);
        else if (found != FV_TUNE_FAILED)
            settle(t, &p);
    }
    return found;
}

/* Tries the next schedule of each kernel. */
static fv_tune_answer try_next(fv_tuner *t, fv_tune_program *now, bool *any) {
    attempt p = attempt_new(t, now);
    int n = 0;
    for (int k = 0; k < t->kernels.n; k++)
        n += (p.tries[k] = fv_tune_next(&t->kernels.all[k])) != NULL;
    *any = n > 0;
    if (!n)
        return FV_TUNE_NO;
    fv_tune_answer is = try_together(t, &p, n > 1);
    if (is == FV_TUNE_FAILED && n > 1)
        return try_each(t, &p);
    if (t->trial.is_unfit)
        return leave_out(t, &p);
    if (is != FV_TUNE_FAILED)
        settle(t, &p);
    return is;
}

/* Tries schedules until some are faster than those of the program `now`; the caller then makes a
 * program with them the current one. YES: some are faster; NO: no schedules are left, or no
 * time. */
static fv_tune_answer improve(fv_tuner *t, fv_tune_program *now, void *arg) {
    (void)arg;
    if (!t->hash) {
        if (!fv_driver_spares(now->c.session, t->c->args->result.output))
            return FV_TUNE_FAILED;
        t->hash = fv_strdup(t->c->arena, now->m.source.hash);
        t->target = fv_tuning_target(t->c->arena, now->m.program->target);
        if (!fv_tune_find_kernels(t, now))
            return FV_TUNE_FAILED;
    }
    if (has_time(t))
        fv_tune_list(t, now);
    for (bool any = true; any && has_time(t);) {
        fv_tune_answer is = try_next(t, now, &any);
        if (is != FV_TUNE_NO)
            return is;
    }
    return FV_TUNE_NO;
}

/* ---- all of it ---- */

static bool is_found(const fv_tuner *t, const fv_tune_kernel *k) {
    return fv_tuning_find(&t->found, k->key) != NULL;
}

/* The time of the kernels that have another schedule. */
static double changed_ms(const fv_tuner *t, const fv_tune_program *p) {
    double sum = 0;
    for (int k = 0; k < t->kernels.n; k++)
        sum += is_found(t, &t->kernels.all[k]) ? p->kernel_ms[k] : 0;
    return sum;
}

/* Compares the program with all schedules found with the default one. The run must not be slower,
 * and the changed kernels together must be faster in most rounds, because their gain may be a small
 * part of the run. */
static fv_tune_answer compare_all(fv_tuner *t, fv_tune_program *all, void *arg) {
    fv_tune_program *before = arg;
    double ratios[FINAL_ROUNDS];
    int n = 0, faster = 0;
    if (!fv_tune_same_outputs(before, all))
        return FV_TUNE_FAILED;
    for (int i = 0; i < FINAL_ROUNDS; i++) {
        if (!fv_tune_round(t, before, all, i & 1))
            return FV_TUNE_FAILED;
        ratios[i] = all->run_ms / before->run_ms;
        faster += changed_ms(t, all) < changed_ms(t, before);
    }
    t->ratio = fv_summarise(ratios, FINAL_ROUNDS).median;
    /* drops entries of kernels that the program with all schedules does not have */
    for (int i = 0; i < t->found.n; i++)
        if (fv_tune_choice(all, t->found.kernels[i].key))
            t->found.kernels[n++] = t->found.kernels[i];
    t->found.n = n;
    return t->ratio < 1 && faster >= FINAL_FASTER ? FV_TUNE_YES : FV_TUNE_NO;
}

static fv_tune_answer compare_with_all(fv_tuner *t, fv_tune_program *before, void *arg) {
    (void)arg;
    return fv_tune_with(t, &t->found, false, compare_all, before);
}

/* Compares the program with all schedules found to the default one: schedules that are faster
 * individually need not be faster together. */
static fv_tune_answer check_all(fv_tuner *t) {
    const fv_tuning none = {.n = 0};
    if (!t->found.n)
        return FV_TUNE_YES;
    fv_progress(t->c->args, "compares the schedules found with the default ones");
    fv_tune_answer is = fv_tune_with(t, &none, false, compare_with_all, NULL);
    if (is == FV_TUNE_NO)
        t->found.n = 0;
    return is;
}

static bool write_found(fv_tuner *t) {
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

/* ---- the report ---- */

/* Times of the kernels that were considered, in milliseconds of one run. */
typedef struct totals {
    double before, after, bound;
    int near; /* how many are as fast as they can be */
} totals;

static totals total(const fv_tuner *t) {
    totals sum = {0};
    for (int k = 0; k < t->kernels.n; k++) {
        const fv_tune_kernel *of = &t->kernels.all[k];
        sum.before += of->ms;
        sum.after += t->found.n ? of->now : of->ms;
        sum.bound += of->bound;
        sum.near += fv_tune_is_near(of);
    }
    return sum;
}

static bool report_json(fv_tuner *t, double seconds) {
    const fv_args *a = t->c->args;
    totals sum = total(t);
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
    fv_json_set(d, "before_ms", fv_json_real(sum.before));
    fv_json_set(d, "after_ms", fv_json_real(sum.after));
    fv_json_set(d, "bound_ms", fv_json_real(sum.bound));
    fv_json_set_int(d, "near_bound", sum.near);
    fv_json_set(d, "kept", t->list);
    t->list = NULL;
    return fv_json_print(t->c->session, d);
}

/* The reason why the tuning has no entries, as text. */
static const char *nothing_str(const fv_tuner *t) {
    if (t->ratio > 0)
        return "what was faster alone is not so together";
    if (t->tried)
        return "nothing was faster";
    if (has_time(t))
        return "there is no other schedule to try";
    return fv_printf(t->c->arena, "there was no time to try one, which takes %.0f s",
                     ceil(1e-3 * one_more(t)));
}

static bool report(fv_tuner *t) {
    const fv_args *a = t->c->args;
    double seconds = 1e-3 * (fv_now_ms() - t->time.begin);
    totals sum = total(t);
    if (a->print.json)
        return report_json(t, seconds);
    if (a->print.quiet || !strcmp(a->result.output, "-"))
        return true;
    fv_out("%-10s %d schedule%s of %d kernel%s in %.1f s\n", "tried", t->tried,
           fv_tune_plural(t->tried), t->kernels.n, fv_tune_plural(t->kernels.n), seconds);
    fv_out("%-10s %.4g ms before, %.4g ms after; %.4g ms by the peak of the machine, which %d "
           "kernel%s reach%s within 5%%\n",
           "bound", sum.before, sum.after, sum.bound, sum.near, fv_tune_plural(sum.near),
           sum.near == 1 ? "es" : "");
    if (t->found.n)
        fv_out("%-10s %d kernel%s, %.3f of the time\n", a->result.output, t->found.n,
               fv_tune_plural(t->found.n), t->ratio);
    else
        fv_out("%-10s no kernels: %s\n", a->result.output, nothing_str(t));
    return true;
}

static bool tune(fv_tuner *t) {
    fv_tune_answer is = FV_TUNE_YES;
    while (is == FV_TUNE_YES)
        is = fv_tune_with(t, &t->found, false, improve, NULL);
    return is != FV_TUNE_FAILED && check_all(t) != FV_TUNE_FAILED && write_found(t) && report(t);
}

/* Checks what measuring and predicting need; FV_EXIT_OK, or the status after a message. */
static int check(fv_context *c, fv_backend_kind *backend) {
    const fv_args *a = c->args;
    fv_backend_kind backends[FV_MOST_BACKENDS] = {FV_BACKEND_JIT};
    fv_driver_options o;
    /* predictions need no backend, which may be missing */
    bool needless = a->bench.predict && !a->code.backend;
    int n = needless ? 1 : fv_args_backends(a, backends);
    *backend = backends[0];
    if (n != 1 || backends[0] == FV_BACKEND_INTERP)
        return n ? fv_usage(a, "--backend takes one of jit and c") : FV_EXIT_USAGE;
    if (!a->result.output)
        return fv_usage(a, "-o is missing: where the schedules go");
    if (!strcmp(a->result.output, "-") && a->print.json)
        return fv_usage(a, "--json and -o - both want standard output");
    if (a->bench.seconds == 0)
        return fv_usage(a, "--seconds takes more than 0");
    if (!strcmp(a->operand[0], "-"))
        return fv_usage(a, "a model is read many times: it has to be a file");
    if (a->code.schedule && !strcmp(a->code.schedule, "naive"))
        return fv_usage(a, "--schedule=naive has nothing to tune");
    if (!fv_args_driver(c, &o, true))
        return fv_refused(c);
    if (o.tuning.tuned)
        return fv_usage(a, "the script says schedules, which are what is looked for here");
    int kind = fv_driver_path_kind(a->operand[0]);
    fv_diag_file(c->session, a->operand[0]);
    if (kind == FV_FILE_ELF)
        fv_error(c->session, "is compiled already: there is nothing to tune");
    else if (kind == FV_FILE_PROGRAM || kind == FV_FILE_KERNEL)
        fv_error(c->session, "holds kernels, which are made already: there is nothing to tune");
    return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_OK;
}

int fv_cmd_tune(fv_context *c) {
    const fv_args *a = c->args;
    const double usual = 60; /* seconds */
    fv_backend_kind backend;
    int status = check(c, &backend);
    if (status)
        return status;
    if (a->bench.predict)
        return fv_tune_predict(c);
    fv_tuner t = {.c = c,
                  .path = a->operand[0],
                  .backend = backend,
                  .time.begin = fv_now_ms(),
                  .list = a->print.json ? json_array() : NULL};
    t.time.end = t.time.begin + 1e3 * (a->bench.seconds > 0 ? a->bench.seconds : usual);
    if (tune(&t))
        return FV_EXIT_OK;
    json_decref(t.list);
    return t.status ? t.status : fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_USAGE;
}
