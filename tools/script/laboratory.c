/* laboratory.c - compiles, runs, times and compares models for scripts, each in a session of its
 * own.
 *
 * The functions are called while a door of the script's session is open. Work on a compiled model
 * is done within a door of the model's own session (`within`). There, nothing may be allocated from
 * the script's session, because running out of its memory would jump past the inner door and leave
 * it open. */
#include "tools/script/laboratory.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cost/cost.h"
#include "ir/base/limits.h"
#include "ir/dim/option.h"
#include "ir/graph/copy.h"
#include "passes/lua/lua.h"
#include "passes/switches.h"
#include "tools/command/progress.h"
#include "tools/data/compare.h"
#include "tools/measure/bench.h"
#include "tools/model/rounds.h"
#include "tools/model/runner.h"

/* Number of iterations that a launch of a script's kernel may execute, for each instruction that
 * the script may execute. */
enum { TURNS_A_STEP = 10 };

typedef struct trial {
    fv_lua_compiled shown; /* must be the first member */
    /* context of the model's session; c.arena holds the data of the last call only */
    fv_context c;
    fv_args args;
    fv_subject m;
    fv_arena *kept; /* an arena that lives as long as the compiled model */
    fv_arena *call;
    int threads; /* number of threads from the command line */
} trial;

/* ---- the two sessions ---- */

/* Copies the errors of the model's session to the script's session. */
static void pass_on(fv_session *to, fv_session *from) {
    for (const fv_message *m = fv_messages(from); m; m = m->next)
        if (m->severity == FV_ERROR)
            fv_error_node(to, m->node, m->op, "%s", m->text);
    fv_messages_clear(from);
}

static bool within(fv_context *outer, trial *t, bool (*work)(trial *t, void *arg), void *arg) {
    fv_session *s = t->c.session;
    fv_door door;
    if (FV_DOOR_OPEN(s, &door))
        fv_leave_same(outer->session, s);
    bool ok = work(t, arg);
    fv_door_close(s, &door);
    pass_on(outer->session, s);
    return ok;
}

/* ---- compiling ---- */

typedef struct compiling {
    fv_context *outer; /* that of the script; its terminal shows progress */
    const fv_module *m;
    const fv_lua_how *how;
} compiling;

/* The pairs of name and value as values of --dim: "n=1..8". */
static const char *const *dim_options(fv_arena *a, const char *const *pairs) {
    int n = 0;
    while (pairs && pairs[n])
        n += 2;
    const char **list = FV_NEW(a, const char *, n / 2 + 1);
    for (int i = 0; i < n; i += 2)
        list[i / 2] = fv_printf(a, "%s=%s", fv_option_name(a, pairs[i]), pairs[i + 1]);
    return list;
}

static bool is_one_of(const char *word, const char *const *words) {
    for (; *words; words++)
        if (!strcmp(word, *words))
            return true;
    return false;
}

static bool choose_level(fv_session *s, const char *level, char *out) {
    *out = '2';
    if (!level)
        return true;
    if (strlen(level) != 1 || !strchr("0123s", *level))
        return fv_error(s, "there is no level '%s'; there are \"0\" to \"3\" and \"s\"", level);
    *out = *level;
    return true;
}

/* Checks the options that are words on the command line, as is done there, and sets the level.
 * Errors are reported at the line of the script. */
static bool choose_words(trial *t, const fv_lua_how *h) {
    static const char *const schedules[] = {"naive", "default", NULL}, *const backends[] = {
                                                                           "jit", "c", "interp",
                                                                           NULL};
    fv_session *s = t->c.session;
    if (h->schedule && !is_one_of(h->schedule, schedules))
        return fv_error(s, "there is no schedule '%s'; there are naive and default", h->schedule);
    if (h->backend && !is_one_of(h->backend, backends))
        return fv_error(s, "there is no backend '%s'; there are jit, c and interp", h->backend);
    const char *why = "";
    if (h->target && !fv_target_read(t->kept, h->target, &why))
        return fv_error(s, "%s", why);
    return choose_level(s, h->level, &t->args.code.level);
}

const fv_hand_kernels *fv_laboratory_kernels(fv_arena *a, const fv_args *args, int n,
                                             const fv_lua_kernel *list) {
    fv_hand_kernels *kernels = FV_NEW(a, fv_hand_kernels, 1);
    fv_hand_kernel *at = FV_NEW(a, fv_hand_kernel, n + 1);
    for (int i = 0; i < n; i++)
        at[i] = (fv_hand_kernel){list[i].text, list[i].path, list[i].line};
    int64_t turns = (int64_t)args->script.steps * 1000000 * TURNS_A_STEP;
    turns = turns > FV_MAX_CONFINED_ITERATIONS ? FV_MAX_CONFINED_ITERATIONS : turns;
    *kernels = (fv_hand_kernels){args->script.unsafe ? 0 : turns, n, at};
    return n ? kernels : NULL;
}

/* Sets the departures that are allowed, which the script names in a list. */
static bool choose_relax(trial *t, const fv_lua_how *h, fv_driver_options *o) {
    for (int i = 0; h->relax && h->relax[i]; i++) {
        const char *unknown;
        o->relax |= fv_relax_read(t->kept, h->relax[i], &unknown);
        if (unknown)
            return fv_error(t->c.session, "there is no relaxation '%s'; there are %s", unknown,
                            fv_names_str(t->kept, fv_relax_names()));
    }
    return true;
}

static bool choose_options(trial *t, const compiling *k, fv_driver_options *o) {
    const fv_lua_how *h = k->how;
    fv_pipeline_options *pipeline = FV_NEW(t->kept, fv_pipeline_options, 1);
    fv_watch *watch = FV_NEW(t->kept, fv_watch, 1);
    const char *why = "";
    watch->progress = fv_progress_of_steps(k->outer);
    pipeline->watch = watch;
    if (!choose_words(t, h))
        return false;
    *o = (fv_driver_options){
        .level = t->args.code.level,
        .naive = h->schedule && !strcmp(h->schedule, "naive"),
        .work.passes = h->passes,
        .tuning.tuned = h->schedules,
        .tuning.kernels = fv_laboratory_kernels(t->kept, &t->args, h->nkernels, h->kernels),
        .work.enable = h->enable,
        .work.disable = h->disable,
        .work.pipeline = pipeline,
        .target.given = h->target != NULL,
        .target.of = fv_driver_target(t->c.session, t->kept, h->target, true, &why)};
    if (h->processor && strpbrk(h->processor, "/.") && !t->args.script.unsafe)
        return fv_error(t->c.session,
                        "a script cannot read the profile '%.60s' of a processor; "
                        "--processor of the command can",
                        h->processor);
    if (h->processor && !(o->target.of = fv_driver_processor(t->c.session, t->kept, o->target.of,
                                                             h->processor, &why)))
        return *why && fv_error(t->c.session, "%s", why);
    if (!choose_relax(t, h, o))
        return false;
    if (o->tuning.tuned && o->naive)
        return fv_error(t->c.session, "the naive schedule has nothing that schedules could say");
    if (o->tuning.kernels && o->naive)
        return fv_error(t->c.session,
                        "kernels by hand are for another schedule than the naive one");
    const char *wrong =
        fv_switches_wrong(t->kept, o->work.passes, o->work.steps, o->work.enable, o->work.disable);
    return !wrong || fv_error(t->c.session, "%s", wrong);
}

static fv_lua_port *show_ports(fv_arena *a, int n, const fv_port_info *ports) {
    fv_lua_port *list = FV_NEW(a, fv_lua_port, n + 1);
    for (int i = 0; i < n; i++)
        list[i] =
            (fv_lua_port){ports[i].name, (fv_elem)ports[i].type, ports[i].rank, ports[i].dims};
    return list;
}

static bool compile(trial *t, void *arg) {
    const compiling *k = arg;
    fv_driver_options o;
    fv_backend_kind backends[FV_MOST_BACKENDS];
    t->c.arena = t->kept = fv_arena_new(t->c.session);
    if (!choose_options(t, k, &o))
        return false;
    t->args.code.backend = k->how->backend ? fv_strdup(t->kept, k->how->backend) : NULL;
    fv_source source = {.kind = FV_FILE_GRAPH, .hash = ""};
    source.module = fv_module_copy(t->c.session, k->m, dim_options(t->kept, k->how->dims));
    if (!source.module || fv_args_backends(&t->args, backends) != 1 ||
        !fv_subject_open_source(&t->c, &source, &o, backends[0], &t->m))
        return false;
    t->shown = (fv_lua_compiled){t->m.table->ninputs, t->m.table->noutputs,
                                 show_ports(t->kept, t->m.table->ninputs, t->m.table->inputs),
                                 show_ports(t->kept, t->m.table->noutputs, t->m.table->outputs)};
    return true;
}

void fv_laboratory_release(fv_lua_compiled *made) {
    trial *t = (trial *)made;
    fv_subject_close(&t->m);
    fv_session_free(t->c.session);
    free(t);
}

bool fv_laboratory_compile(void *user, const fv_module *m, const fv_lua_how *how,
                           fv_lua_compiled **out) {
    fv_context *c = user;
    trial *t = calloc(1, sizeof *t);
    if (t)
        t->c = (fv_context){
            .session = fv_session_new(), .args = &t->args, .cancel = fv_lua_interrupt()};
    if (!t || !t->c.session) {
        free(t);
        fv_out_of_memory(c->session);
    }
    *out = &t->shown;
    t->args = (fv_args){.line.command = c->args->line.command,
                        .data.atol = -1,
                        .data.rtol = -1,
                        .print.quiet = true,
                        .script.unsafe = c->args->script.unsafe,
                        .script.steps = c->args->script.steps};
    t->threads = fv_args_threads(c->args);
    return within(c, t, compile, &(compiling){c, m, how});
}

/* ---- inputs ---- */

static bool give(trial *t, const fv_lua_inputs *in, int i) {
    fv_subject *m = &t->m;
    const fv_tensor *x = in->tensors[i];
    const char **names = FV_NEW(t->call, const char *, m->table->ninputs + 1);
    for (int k = 0; k < m->table->ninputs; k++) {
        names[k] = m->table->inputs[k].name;
        if (strcmp(names[k], in->names[i]))
            continue;
        m->data.given[k] = 1;
        if (x->elem != (fv_elem)m->table->inputs[k].type)
            return fv_error(t->c.session, "input '%s' is %s, expected %s", names[k],
                            fv_elem_name(x->elem), fv_elem_name((fv_elem)m->table->inputs[k].type));
        return fv_tensor_array(t->call, x, &m->data.inputs[k]) ||
               fv_error(t->c.session, "input '%s' cannot be passed", names[k]);
    }
    const char *near = fv_nearest(in->names[i], names);
    return near ? fv_error(t->c.session, "there is no input '%s'; did you mean '%s'?", in->names[i],
                           near)
                : fv_error(t->c.session, "there is no input '%s'", in->names[i]);
}

/* Frees the outputs and inputs of the previous call, and sets dims. Dims that are not given are
 * chosen as `fovea run` chooses them. */
static bool begin_call(trial *t, const fv_lua_inputs *in) {
    fv_subject *m = &t->m;
    const fv_model *table = m->table;
    for (int i = 0; i < table->noutputs; i++)
        fv_array_free(&m->data.outputs[i]);
    memset(m->data.outputs, 0, (size_t)table->noutputs * sizeof *m->data.outputs);
    memset(m->data.inputs, 0, (size_t)table->ninputs * sizeof *m->data.inputs);
    memset(m->data.given, 0, (size_t)table->ninputs);
    memset(m->data.known, 0, (size_t)table->nsymbols);
    if (t->call)
        fv_arena_free(t->call);
    t->call = NULL;
    t->c.arena = t->call = fv_arena_new(t->c.session);
    t->args.data.seed = in->seed;
    t->args.data.draws = fv_seed_of_draws(in->seed);
    t->args.data.at.n = 0;
    for (const char *const *d = dim_options(t->call, in->dims); *d; d++) {
        if (t->args.data.at.n == FV_MAX_LIST_ARGS)
            return fv_error(t->c.session, "more than %d dims are given", FV_MAX_LIST_ARGS);
        fv_dim_option o;
        const char *wrong = fv_dim_option_parse(t->call, *d, &o);
        if (wrong)
            return fv_error(t->c.session, "dims: %s: %s", *d, wrong);
        t->args.data.at.at[t->args.data.at.n++] = *d;
    }
    for (int i = 0; i < in->n; i++)
        if (!give(t, in, i))
            return false;
    return fv_choose_dims(&t->c, m, true);
}

static bool make_inputs(trial *t, void *in) {
    return begin_call(t, in) && fv_make_inputs(&t->c, &t->m);
}

/* The number of threads that the call requests, otherwise that of the command line. */
static int threads_of(const trial *t, const fv_lua_inputs *in) {
    return in->threads ? in->threads : t->threads;
}

/* ---- running ---- */

static bool execute(trial *t, void *arg) {
    if (!make_inputs(t, arg))
        return false;
    t->args.threads.first = threads_of(t, arg);
    return fv_subject_run(&t->c, &t->m) == FV_OK;
}

bool fv_laboratory_run(void *user, fv_lua_compiled *made, const fv_lua_inputs *in, fv_arena *a,
                       fv_tensor *out) {
    fv_context *c = user;
    trial *t = (trial *)made;
    if (!within(c, t, execute, (void *)in))
        return false;
    for (int i = 0; i < made->noutputs; i++) {
        if (made->outputs[i].elem == FV_STRING)
            return fv_error(c->session,
                            "output '%s' is of strings, which no tensor of a script holds",
                            made->outputs[i].name);
        out[i] = fv_array_tensor(a, &t->m.data.outputs[i]);
    }
    return true;
}

/* ---- timing ---- */

typedef struct party {
    fv_contender turns;
    fv_context *c;
    trial *t;
    fv_runner r;
    double ms;
} party;

static bool run_once(trial *t, void *arg) {
    party *p = arg;
    return fv_runner_run(&t->c, &p->r, &p->ms);
}

static bool take_turn(void *user, double *ms) {
    party *p = user;
    bool ok = within(p->c, p->t, run_once, p);
    *ms = p->ms;
    return ok;
}

static bool open_runner(trial *t, void *arg) {
    party *p = arg;
    return fv_runner_open(&t->c, &t->m, p->r.threads, &p->r);
}

static void close_runner(void *arg) {
    party *p = arg;
    fv_runner_close(&p->r);
}

static bool is_ready(const party *list, int n, const trial *t) {
    for (int i = 0; i < n; i++)
        if (list[i].t == t)
            return true;
    return false;
}

/* Makes a runner for a compiled model; it is closed when the arena is freed, however the call
 * ends. */
static bool enter(fv_context *c, fv_arena *a, party *list, int i, trial *t, const fv_lua_inputs *in,
                  int rounds) {
    party *p = &list[i];
    if (!is_ready(list, i, t) && !within(c, t, make_inputs, (void *)in))
        return false;
    *p = (party){.turns = {.run = take_turn, .user = p, .round = FV_NEW(a, double, rounds)},
                 .c = c,
                 .t = t,
                 .r = {.threads = threads_of(t, in)}};
    fv_arena_at_free(a, close_runner, p);
    return within(c, t, open_runner, p);
}

static fv_lua_timing timing_of(fv_arena *a, const party *p, const party *first, int rounds) {
    const fv_summary *s = &p->turns.all;
    double *ratios = FV_NEW(a, double, rounds);
    fv_rounds_ratios(&p->turns, &first->turns, rounds, ratios);
    int won = 0;
    for (int i = 0; i < rounds; i++)
        won += ratios[i] < 1;
    return (fv_lua_timing){.min = s->min,
                           .q1 = s->q1,
                           .median = s->median,
                           .q3 = s->q3,
                           .max = s->max,
                           .runs = s->n,
                           .won = won,
                           .ratio = fv_summarise(ratios, rounds).median};
}

static bool measure(fv_context *c, fv_arena *a, fv_lua_compiled *const *list, int n,
                    const fv_lua_inputs *in, int rounds, double seconds, fv_lua_timing *out) {
    party *parties = FV_NEW(a, party, n);
    fv_contender **turns = FV_NEW(a, fv_contender *, n);
    for (int i = 0; i < n; i++) {
        turns[i] = &parties[i].turns;
        if (!enter(c, a, parties, i, (trial *)list[i], in, rounds))
            return false;
    }
    bool ok = fv_rounds_begin(turns, n, 1e3 * seconds / rounds / n);
    for (int i = 0; i < rounds && ok; i++)
        ok = fv_rounds_run(a, turns, n, i);
    fv_rounds_end(turns, n);
    for (int i = 0; i < n && ok; i++)
        out[i] = timing_of(a, &parties[i], &parties[0], rounds);
    return ok;
}

bool fv_laboratory_time(void *user, fv_lua_compiled *const *list, int n, const fv_lua_inputs *in,
                        int rounds, double seconds, fv_arena *a, fv_lua_timing *out) {
    return measure(user, a, list, n, in, rounds, seconds, out);
}

/* ---- the cost model ---- */

typedef struct costing {
    const fv_lua_inputs *in;
    size_t workspace;
} costing;

static bool count(trial *t, void *arg) {
    costing *k = arg;
    if (!begin_call(t, k->in))
        return false;
    fv_cost_evaluate(t->call, t->m.program, t->m.data.dims, t->m.ncosts, t->m.costs);
    int status = t->m.artifact->plan(t->m.artifact, t->m.data.dims, &k->workspace, NULL);
    return !status ||
           fv_error(t->c.session, "%s (%s)", fv_status_text(status), fv_status_name(status));
}

static const char *schedule_str(fv_arena *a, const fv_schedule *s) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    if (s)
        fv_schedule_print(&t, s);
    return t.s;
}

static void add_launch(fv_arena *a, fv_lua_cost *sum, fv_lua_launch *out, const fv_launch_cost *l,
                       const fv_target *target) {
    *out = (fv_lua_launch){fv_strdup(a, l->kernel->name),
                           fv_strdup(a, l->kernel->origin ? l->kernel->origin : ""),
                           schedule_str(a, l->kernel->schedule), l->known};
    sum->known &= l->known;
    if (!l->known)
        return;
    out->operations = l->cost.flops;
    out->bytes = l->cost.read + l->cost.written;
    out->cycles = fv_cost_cycles(&l->cost, target);
    sum->operations += out->operations;
    sum->bytes += out->bytes;
    sum->cycles += out->cycles;
}

bool fv_laboratory_cost(void *user, fv_lua_compiled *made, const fv_lua_inputs *in, fv_arena *a,
                        fv_lua_cost *out) {
    trial *t = (trial *)made;
    costing k = {in, 0};
    if (!within(user, t, count, &k))
        return false;
    fv_lua_launch *list = FV_NEW(a, fv_lua_launch, t->m.ncosts + 1);
    *out = (fv_lua_cost){.known = true,
                         .nlaunches = t->m.ncosts,
                         .launches = list,
                         .memory = (double)k.workspace,
                         .traffic = fv_cost_memory(a, t->m.ncosts, t->m.costs)};
    for (int i = 0; i < t->m.ncosts; i++)
        add_launch(a, out, &list[i], &t->m.costs[i], t->m.program->target);
    return true;
}

/* ---- measured launches ---- */

typedef struct tracing {
    fv_runner *runner;
    fv_profile *profile; /* in the arena of the call */
} tracing;

static bool take_profile(trial *t, void *arg) {
    tracing *k = arg;
    fv_bench b = {.c = &t->c, .m = t->m};
    const fv_roof roof = {0}; /* is measured between the runs */
    if (!t->m.table->nlaunches)
        return fv_error(t->c.session, "the module has no launches");
    fv_cost_evaluate(t->call, t->m.program, t->m.data.dims, t->m.ncosts, t->m.costs);
    k->profile = fv_profile_take(&b, k->runner, &roof);
    return k->profile != NULL;
}

static void copy_profile(fv_arena *a, const fv_profile *p, fv_lua_profile *out) {
    fv_lua_measured *list = FV_NEW(a, fv_lua_measured, p->nlaunches + 1);
    for (int i = 0; i < p->nlaunches; i++) {
        const fv_profile_row *row = &p->launches[i];
        list[i] = (fv_lua_measured){fv_strdup(a, row->kernel),
                                    fv_strdup(a, row->nodes ? row->nodes : ""),
                                    fv_strdup(a, row->schedule),
                                    row->calls,
                                    row->ms,
                                    row->least,
                                    row->predicted};
    }
    *out = (fv_lua_profile){p->runs, p->run_ms, p->nlaunches, list};
}

bool fv_laboratory_profile(void *user, fv_lua_compiled *made, const fv_lua_inputs *in, fv_arena *a,
                           fv_lua_profile *out) {
    fv_context *c = user;
    party *p = FV_NEW(a, party, 1);
    tracing k = {&p->r, NULL};
    bool ok = enter(c, a, p, 0, (trial *)made, in, 1) && within(c, (trial *)made, take_profile, &k);
    if (ok)
        copy_profile(a, k.profile, out);
    return ok;
}

/* ---- comparing ---- */

void fv_laboratory_differ(fv_arena *a, const fv_tensor *got, const fv_tensor *want, double atol,
                          double rtol, fv_lua_difference *out) {
    fv_difference d = fv_differ_tensors(a, got, want, atol, rtol);
    *out = (fv_lua_difference){d.shape,
                               d.count,
                               d.differing,
                               d.worst,
                               d.relative,
                               d.got,
                               d.want,
                               d.spread.rms,
                               d.spread.of_range,
                               d.spread.cosine,
                               d.ulp,
                               d.worst_at,
                               {d.nan[0], d.nan[1]},
                               {d.inf[0], d.inf[1]}};
}
