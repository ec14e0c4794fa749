/* options.c - sets the driver's options from the arguments. */
#include <stdlib.h>
#include <string.h>

#include "backend/c/names.h"
#include "backend/lowering/options.h"
#include "ir/base/diag.h"
#include "ir/dim/option.h"
#include "passes/switches.h"
#include "tools/command/progress.h"
#include "tools/command/stop.h"

/* ---- target, dims, level, passes ---- */

/* Sets the processor of --processor, which must fit the target. False after a message. */
static bool find_processor(fv_context *c, fv_driver_options *o, const fv_target **of) {
    const fv_args *a = c->args;
    const char *why = "";
    if (!a->code.processor)
        return true;
    o->target.processor_given = true;
    const fv_target *t = fv_driver_processor(c->session, c->arena, *of, a->code.processor, &why);
    if (!t)
        return *why && fv_usage(a, "%s", why) == FV_EXIT_OK;
    *of = t;
    return true;
}

/* Sets the targets of a list. */
static bool find_targets(fv_context *c, fv_driver_options *o) {
    const fv_args *a = c->args;
    const char *why = "";
    const fv_target *const *list =
        fv_targets_read(c->arena, a->code.target, &o->target.nlevels, &why);
    if (!list)
        return fv_usage(a, "%s", why) == FV_EXIT_OK;
    const fv_target **all = FV_NEW(c->arena, const fv_target *, o->target.nlevels);
    for (int i = 0; i < o->target.nlevels; i++) {
        all[i] = list[i];
        if (!find_processor(c, o, &all[i]))
            return false;
    }
    o->target.levels = all;
    o->target.of = all[0];
    return true;
}

static bool find_target(fv_context *c, fv_driver_options *o, bool here) {
    const fv_args *a = c->args;
    const char *why = "";
    o->target.given = a->code.target != NULL;
    if (a->code.target && strchr(a->code.target, ',') && !strcmp(a->line.command, "compile"))
        return find_targets(c, o);
    o->target.of = fv_driver_target(c->session, c->arena, a->code.target, here, &why);
    return o->target.of ? find_processor(c, o, &o->target.of)
                        : fv_usage(a, "%s", why) == FV_EXIT_OK;
}

/* Splits "a,b" at commas; empty words are left out. */
static const char *const *split(fv_arena *a, const char *text) {
    const char **list = NULL;
    int n = 0, cap = 0;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, ",");
        if (len)
            FV_PUSH(a, list, n, cap, fv_strndup(a, p, len));
        p += len + (p[len] == ',');
    }
    FV_PUSH(a, list, n, cap, NULL);
    return list;
}

/* The names in all uses of an option that takes lists, NULL terminated; NULL: the option is not
 * given. */
static const char *const *split_all(fv_arena *a, const fv_list_arg *all) {
    fv_text t = {.arena = a};
    for (int i = 0; i < all->n; i++)
        fv_text_printf(&t, "%s,", all->at[i]);
    return t.n ? split(a, t.s) : NULL;
}

static bool check_pass(const fv_args *a, const fv_pass *const *own, const char *name) {
    const char *names[256] = {0};
    int n = 0;
    if (fv_pass_find_own(own, name))
        return true;
    for (; own && *own && n < 128; own++)
        names[n++] = (*own)->name;
    for (int i = 0; fv_pass_at(i) && n < 255; i++)
        names[n++] = fv_pass_at(i)->name;
    const char *near = fv_nearest(name, names);
    if (near)
        fv_usage(a, "there is no pass '%s'; did you mean '%s'?", name, near);
    else
        fv_usage(a, "there is no pass '%s'; `fovea opt --list-passes` lists them", name);
    return false;
}

static bool check_dims(fv_context *c, const char *flag, const fv_list_arg *list) {
    for (int i = 0; i < list->n; i++) {
        fv_dim_option o;
        const char *problem = fv_dim_option_parse(c->arena, list->at[i], &o);
        if (problem)
            return fv_usage(c->args, "%s '%s': %s", flag, list->at[i], problem) == FV_EXIT_OK;
    }
    return true;
}

bool fv_args_check_lists(fv_context *c) {
    const fv_args *a = c->args;
    if (!check_dims(c, "--dim", &a->code.dims) || !check_dims(c, "--at", &a->data.at))
        return false;
    for (int i = 0; i < a->data.inputs.n; i++)
        if (!strchr(a->data.inputs.at[i], '='))
            return fv_usage(a, "--input %s: expected NAME=FILE", a->data.inputs.at[i]) ==
                   FV_EXIT_OK;
    for (int i = 0; i < a->code.states.n; i++)
        if (!strchr(a->code.states.at[i], '='))
            return fv_usage(a, "--state %s: expected INPUT=OUTPUT", a->code.states.at[i]) ==
                   FV_EXIT_OK;
    return true;
}

fv_watch *fv_args_watch(fv_context *c, fv_driver_options *o) {
    fv_watch *w = FV_NEW(c->arena, fv_watch, 1);
    fv_pipeline_options *p = FV_NEW(c->arena, fv_pipeline_options, 1);
    *p = *o->work.pipeline;
    if (p->watch)
        *w = *p->watch;
    p->watch = w;
    o->work.pipeline = p;
    return w;
}

bool fv_args_driver(fv_context *c, fv_driver_options *o, bool here) {
    const fv_args *a = c->args;
    fv_pipeline_options *pipeline = FV_NEW(c->arena, fv_pipeline_options, 1);
    pipeline->verify = a->code.verify;
    *o = (fv_driver_options){.dims.given = c->dims ? c->dims : a->code.dims.at,
                             .dims.states = c->states ? c->states : a->code.states.at,
                             .level = a->code.level,
                             .name = a->result.name,
                             .naive = a->code.schedule && !strcmp(a->code.schedule, "naive"),
                             .random_limits = (uint64_t)a->code.random_limits,
                             .strict = a->code.strict,
                             .tuning.path = a->code.tuning,
                             .work.passes = a->code.passes ? split(c->arena, a->code.passes) : NULL,
                             .work.enable = split_all(c->arena, &a->code.enable),
                             .work.disable = split_all(c->arena, &a->code.disable),
                             .work.pipeline = pipeline};
    const char *unknown;
    o->work.prefers_ram = a->result.prefer && !strcmp(a->result.prefer, "ram");
    o->relax = fv_relax_read(c->arena, a->code.relax, &unknown);
    if (unknown)
        return fv_usage(a, "--relax: there is no '%s'; there are %s", unknown,
                        fv_names_str(c->arena, fv_relax_names())) == FV_EXIT_OK;
    if (a->code.tuning && o->naive)
        return fv_usage(a, "--schedule=naive has nothing that --tuning could say") == FV_EXIT_OK;
    if (a->result.name && !fv_c_name_is_fit(a->result.name))
        return fv_usage(a, "--name '%s' is no prefix for names in C", a->result.name) == FV_EXIT_OK;
    o->work.pipeline = pipeline;
    if (!fv_script_begin(c, o))
        return false;
    for (int i = 0; o->work.passes && o->work.passes[i]; i++)
        if (!check_pass(a, o->work.pipeline->own, o->work.passes[i]))
            return false;
    const char *wrong =
        fv_switches_wrong(c->arena, o->work.passes, o->work.steps, o->work.enable, o->work.disable);
    if (wrong)
        return fv_usage(a, "--%s", wrong) == FV_EXIT_OK;
    if (!fv_stop_begin(c, o) || !find_target(c, o, here))
        return false;
    fv_step_progress progress = fv_progress_of_steps(c);
    if (progress.begins)
        fv_args_watch(c, o)->progress = progress;
    return true;
}

/* ---- backends ---- */

const char *fv_backend_name(fv_backend_kind b) {
    return fv_backend_names()[b];
}

static int find_backend(const char *name, size_t n) {
    const char *const *backend_names = fv_backend_names();
    for (int i = 0; backend_names[i]; i++)
        if (strlen(backend_names[i]) == n && !memcmp(backend_names[i], name, n))
            return i;
    return -1;
}

/* The backend without --backend: code in memory, or without LLVM the interpreter. */
static const char *default_backend(const fv_args *a) {
    static bool said;
    const char *missing = fv_llvm_missing();
    if (missing && !said && !a->print.quiet)
        fv_err("fovea %s: warning: %s; the model is interpreted\n", a->line.command, missing);
    said |= missing != NULL;
    return missing ? "interp" : "jit";
}

int fv_args_backends(const fv_args *a, fv_backend_kind *out) {
    const char *s = a->code.backend ? a->code.backend : default_backend(a);
    int n = 0;
    while (*s) {
        size_t len = strcspn(s, ",");
        int k = find_backend(s, len);
        if (k >= 0 && n == FV_MOST_BACKENDS) {
            fv_usage(a, "--backend names more than %d backends", FV_MOST_BACKENDS);
            return 0;
        }
        if (k < 0) {
            fv_usage(a, "there is no backend '%.*s'; there are jit, c and interp", (int)len, s);
            return 0;
        }
        out[n++] = (fv_backend_kind)k;
        s += len + (s[len] == ',');
    }
    return n ? n : (fv_usage(a, "--backend names none of jit, c and interp"), 0);
}

/* ---- threads ---- */

int fv_args_threads(const fv_args *a) {
    const char *env = getenv("FOVEA_NUM_THREADS");
    char *end;
    if (a->threads.first || !env || !*env)
        return a->threads.first;
    long n = strtol(env, &end, 10);
    if (!*end && n >= 0 && n <= 4096)
        return (int)n;
    fv_err("fovea %s: warning: FOVEA_NUM_THREADS='%s' is no number of threads and is ignored\n",
           a->line.command, env);
    return 0;
}
