/* report.c - see report.h. */
#include "tools/command/report.h"

#include <string.h>

#include "ir/definition/step_names.h"

static void report(void *user, const char *pass, const fv_pass_run *r) {
    (void)user;
    fv_err("%s:", pass);
    for (int i = 0; i < r->ncounts; i++)
        fv_err("%s %d %s", i ? "," : "", r->counts[i].n, r->counts[i].what);
    fv_err("%s\n", r->ncounts ? "" : " nothing to do");
}

void fv_report_passes(fv_context *c, fv_driver_options *o) {
    if (!c->args->print.verbose)
        return;
    fv_pipeline_options *p = FV_NEW(c->arena, fv_pipeline_options, 1);
    *p = *o->work.pipeline;
    p->report = report;
    o->work.pipeline = p;
}

void fv_report_begin(fv_context *c, fv_driver_options *o) {
    fv_report_passes(c, o);
    if (c->args->print.verbose && !o->answers.reasons)
        o->answers.reasons = FV_NEW(c->arena, fv_reasons, 1);
}

/* Prints what a step of lowering did: for each reason how often it was taken. */
static void print_step(const fv_context *c, const fv_step_name *s, const fv_reasons *r) {
    int *counts = FV_NEW(c->arena, int, FV_NWHYS), n = 0;
    for (int i = 0; i < r->n; i++)
        counts[r->all[i].why] += !r->all[i].dropped;
    fv_err("%s:", s->name);
    for (int why = 1; why < FV_NWHYS; why++) {
        const fv_why_info *info = fv_why_info_of((fv_why)why);
        if (counts[why] && info->verdict == FV_TAKEN && !strcmp(info->step, s->id))
            fv_err("%s %d %s", n++ ? "," : "", counts[why], info->name);
    }
    fv_err("%s\n", n ? "" : " nothing to do");
}

static bool has_reasons(const fv_step_name *s) {
    for (int why = 1; why < FV_NWHYS; why++)
        if (!strcmp(fv_why_info_of((fv_why)why)->step, s->id))
            return true;
    return false;
}

void fv_report_steps(const fv_context *c, const fv_driver_options *o) {
    fv_pipeline_table p;
    if (!c->args->print.verbose || !fv_driver_pipeline(c->arena, o, &p))
        return;
    for (int i = 0; fv_step_name_at(i); i++) {
        const fv_step_name *s = fv_step_name_at(i);
        bool runs = !o->naive && !(o->answers.reasons->after &&
                                   !fv_step_comes(o->answers.reasons->after, s->id));
        if (runs && fv_is_in(p.steps, s->name) && has_reasons(s))
            print_step(c, s, o->answers.reasons);
    }
}
