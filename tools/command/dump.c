/* dump.c - --dump-after and --dump-dir, which print the module as text after a pass or its
 * definitions after a step of lowering, and --time-passes, which prints how long each took. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/lower.h"
#include "ir/definition/definitions_print.h"
#include "ir/definition/step_names.h"
#include "ir/graph/print.h"
#include "passes/switches.h"
#include "tools/command/command.h"

typedef struct dumper {
    fv_context *c;
    const char *after; /* the id of the pass or step of --dump-after; NULL: none */
    int n;             /* number of files that were written */
    bool failed;
} dumper;

static void print(const dumper *d, const char *step, const fv_module *m,
                  const fv_definitions *definitions) {
    fv_text t = {.arena = d->c->arena};
    if (definitions)
        fv_definitions_print(&t, m, definitions, NULL, NULL, false);
    else
        fv_module_print(&t, m, NULL, NULL);
    fv_err("# after %s\n", step);
    fv_put_text(stderr, t.s);
}

/* Writes a file of --dump-dir. If that fails, it is an error of the session, which sets the exit
 * status. */
static void write(dumper *d, const char *step, const fv_module *m,
                  const fv_definitions *definitions) {
    const char *path = fv_printf(d->c->arena, "%s/%02d-%s.%s", d->c->args->dump.dir, ++d->n, step,
                                 definitions ? "fvd" : "fvir");
    d->failed = d->failed || !fv_driver_write_ir(d->c->session, m, definitions, path);
}

/* The value of --dump-after: a pass or the id of a step. A step may be given by its id or by the
 * name that --disable takes. */
static const char *asked_for(const fv_context *c) {
    const char *given = c->args->dump.after;
    for (int i = 0; given && fv_step_name_at(i); i++)
        if (!strcmp(fv_step_name_at(i)->name, given))
            return fv_step_name_at(i)->id;
    return given;
}

static void look(void *user, const char *step, const fv_module *m,
                 const fv_definitions *definitions) {
    dumper *d = user;
    if (d->after && !strcmp(d->after, step))
        print(d, step, m, definitions);
    if (d->c->args->dump.dir)
        write(d, step, m, definitions);
}

/* Will a pass or step called `name` run with the options o? */
static bool comes(const fv_context *c, const fv_driver_options *o, const char *name, bool lowers) {
    fv_pipeline_table will;
    if (!fv_driver_pipeline(c->arena, o, &will))
        return fv_usage(c->args, "there is no level -O%c", o->level) == FV_EXIT_OK;
    const char *const *without = fv_switches_steps(c->arena, will.steps);
    const char *names[256] = {0};
    int n = 0;
    if (fv_is_in(will.passes, name))
        return true;
    for (const char *const *p = fv_lower_steps(); lowers && *p; p++)
        if (!strcmp(*p, name) && (!o->naive || fv_step_is_naive(name)) && !fv_is_in(without, name))
            return true;
    for (int i = 0; fv_pass_at(i) && n < 200; i++)
        names[n++] = fv_pass_at(i)->name;
    for (const char *const *p = fv_lower_steps(); *p; p++)
        names[n++] = *p;
    for (int i = 0; fv_step_name_at(i) && n < 250; i++)
        names[n++] = fv_step_name_at(i)->name;
    const char *near = fv_nearest(name, names);
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return fv_usage(c->args, "--dump-after=%s: that %s is not run", name,
                            fv_pass_find(name) ? "pass" : "step") == FV_EXIT_OK;
    if (near)
        return fv_usage(c->args, "there is no pass and no step '%s'; did you mean '%s'?", name,
                        near) == FV_EXIT_OK;
    return fv_usage(c->args,
                    "there is no pass and no step '%s'; `fovea opt --list-passes` lists them",
                    name) == FV_EXIT_OK;
}

static void took(void *user, const char *step, double ms) {
    (void)user;
    fv_err("%-20s %10.3f ms\n", step, ms);
}

bool fv_dump_begin(fv_context *c, fv_driver_options *o, bool lowers) {
    const fv_args *a = c->args;
    bool looks = a->dump.after || a->dump.dir;
    if (!looks && !a->dump.times)
        return true;
    if (a->dump.after && !comes(c, o, asked_for(c), lowers))
        return false;
    if (a->dump.dir && mkdir(a->dump.dir, 0777) && errno != EEXIST)
        return fv_usage(a, "--dump-dir=%s: %s", a->dump.dir, strerror(errno)) == FV_EXIT_OK;
    dumper *d = FV_NEW(c->arena, dumper, 1);
    fv_watch *w = fv_args_watch(c, o);
    *d = (dumper){.c = c, .after = asked_for(c)};
    w->user = d;
    w->look = looks ? look : NULL;
    w->took = a->dump.times ? took : NULL;
    return true;
}

bool fv_dump_applies(fv_context *c, const fv_source *source) {
    const char *name = asked_for(c), *folder = c->args->dump.dir;
    const fv_definitions *d = source->module ? source->module->definitions : NULL;
    const char *given = name ? "--dump-after" : folder ? "--dump-dir" : "--time-passes";
    if ((!name && !folder && !c->args->dump.times) || (source->module && !d))
        return true;
    if (!d)
        return fv_error(c->session, "holds kernels: no pass and no step is run, %s does not apply",
                        given);
    if (name && !fv_step_comes(d->after, name))
        return fv_error(
            c->session,
            "holds definitions after \"%s\": --dump-after=%s does not apply, that %s is not run",
            d->after, name, fv_pass_find(name) ? "pass" : "step");
    bool any = false;
    for (const char *const *step = fv_lower_steps(); *step; step++)
        any |= fv_step_comes(d->after, *step);
    return any || fv_error(c->session,
                           "holds definitions after \"%s\": no step is to come, %s does not apply",
                           d->after, given);
}
