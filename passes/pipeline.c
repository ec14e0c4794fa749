/* pipeline.c - pipelines: which passes run on a graph, and which steps of lowering follow. The
 * constraints on their order are in passes.def and in ir/definition/steps.def. */
#include <string.h>

#include "ir/base/text.h"
#include "ir/definition/step_names.h"
#include "passes/embedded.h"
#include "passes/passes.h"

/* ---- the shipped ones ---- */

const fv_pipeline_table *fv_pipeline_shipped(char level) {
    switch (level) {
    case '0': return &fv_pipeline_O0;
    case '1': return &fv_pipeline_O1;
    case '2': return &fv_pipeline_O2;
    case '3': return &fv_pipeline_O3;
    case 's': return &fv_pipeline_Os;
    }
    return NULL;
}

const char *const *fv_pipeline(char level) {
    const fv_pipeline_table *t = fv_pipeline_shipped(level);
    return t ? t->passes : NULL;
}

/* ---- order ---- */

/* The index of the first or the last run of a pass in a list; -1: it is not in the list. */
static int run_of(const fv_pass *p, const char *const *names, bool last) {
    int at = -1;
    for (int i = 0; names[i] && (last || at < 0); i++)
        if (!strcmp(names[i], p->name))
            at = i;
    return at;
}

bool fv_pass_order_holds(const fv_pass_order *o, const char *const *names) {
    bool last = o->kind == FV_PASS_AGAIN;
    int at = run_of(o->pass, names, last), other = run_of(o->other, names, last);
    return at < 0 || other < 0 || at > other;
}

void fv_warn_of_order(fv_session *s, const char *const *names) {
    const fv_pass_order *o;
    for (int i = 0; (o = fv_pass_order_at(i)); i++)
        if (!fv_pass_order_holds(o, names))
            fv_warning(s, "pass '%s' should run %safter '%s': %s", o->pass->name,
                       o->kind == FV_PASS_AGAIN ? "again " : "", o->other->name, o->why);
}

/* ---- steps of lowering ---- */

static int step_number(const char *name) {
    for (int i = 0; fv_step_name_at(i); i++)
        if (!strcmp(fv_step_name_at(i)->name, name))
            return i;
    return -1;
}

static const char *unknown_step(fv_arena *a, const char *name) {
    const char *names[64] = {0};
    for (int i = 0; fv_step_name_at(i) && i < 63; i++)
        names[i] = fv_step_name_at(i)->name;
    const char *near = fv_nearest(name, names);
    return fv_printf(a, "there is no step '%s' of lowering%s%s%s", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

const char *const *fv_pipeline_steps(fv_arena *a) {
    const char **names = NULL;
    int n = 0, cap = 0;
    for (int i = 0; fv_step_name_at(i); i++)
        FV_PUSH(a, names, n, cap, fv_step_name_at(i)->name);
    FV_PUSH(a, names, n, cap, NULL);
    return names;
}

const char *fv_pipeline_steps_wrong(fv_arena *a, const char *const *steps) {
    int last = -1;
    for (const char *const *s = steps; *s; s++) {
        int at = step_number(*s);
        if (at < 0)
            return unknown_step(a, *s);
        if (at == last)
            return fv_printf(a, "step '%s' is named twice", *s);
        if (at < last)
            return fv_printf(a,
                             "step '%s' comes before '%s': a step reads what those before it leave",
                             *s, fv_step_name_at(last)->name);
        last = at;
    }
    for (int i = 0; fv_step_name_at(i); i++)
        if (fv_step_name_at(i)->needed && !fv_is_in(steps, fv_step_name_at(i)->name))
            return fv_printf(a, "step '%s' is left out: %s", fv_step_name_at(i)->name,
                             fv_step_name_at(i)->needed);
    return NULL;
}

/* ---- other lists than those of levels ---- */

/* The index after the first runs of all passes that p has to follow. */
static int place_in(const char *const *names, const fv_pass *p) {
    const fv_pass_order *o;
    int place = 0;
    for (int i = 0; (o = fv_pass_order_at(i)); i++) {
        int other = o->pass == p && o->kind == FV_PASS_AFTER ? run_of(o->other, names, false) : -1;
        place = other >= place ? other + 1 : place;
    }
    return place;
}

static int count(const char *const *list) {
    int n = 0;
    while (list && list[n])
        n++;
    return n;
}

const char *const *fv_pipeline_with(fv_arena *a, const char *const *names,
                                    const char *const *enable, const char *const *disable) {
    int n = count(names);
    const char **list = FV_NEW(a, const char *, n + count(enable) + 1), **at = list;
    memcpy(list, names, (size_t)n * sizeof *list);
    for (int i = 0; fv_pass_at(i); i++) {
        const fv_pass *p = fv_pass_at(i);
        if (!fv_is_in(enable, p->name) || fv_is_in(list, p->name))
            continue;
        int place = place_in(list, p);
        memmove(list + place + 1, list + place, (size_t)(n++ - place) * sizeof *list);
        list[place] = p->name;
    }
    for (int i = 0; list[i]; i++)
        if (!fv_is_in(disable, list[i]))
            *at++ = list[i];
    *at = NULL;
    return list;
}

/* ---- as text ---- */

static void print_list(fv_text *t, const char *const *names) {
    for (int i = 0; names[i]; i++)
        fv_text_printf(t, "%s\"%s\"", i ? ", " : "", names[i]);
}

void fv_pipeline_print(fv_text *t, const fv_pipeline_table *p) {
    fv_text_put(t, "return {\n");
    if (p->purpose && *p->purpose) {
        fv_text_put(t, "  purpose = \"");
        fv_text_escaped(t, p->purpose, strlen(p->purpose), '"');
        fv_text_put(t, "\",\n");
    }
    fv_text_put(t, *p->passes ? "  " : "");
    print_list(t, p->passes);
    fv_text_put(t, *p->passes ? ",\n  steps = {" : "  steps = {");
    print_list(t, p->steps);
    fv_text_printf(t, "},\n  code = \"%s\",\n}\n", p->code);
}
