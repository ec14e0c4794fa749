/* switches.c - see switches.h. */
#include "passes/switches.h"

#include <string.h>

#include "ir/base/text.h"
#include "ir/definition/step_names.h"
#include "passes/passes.h"

static const char *all_names(fv_arena *a) {
    fv_text t = {.arena = a};
    for (int i = 0; fv_pass_at(i); i++)
        fv_text_printf(&t, "%s%s", t.n ? ", " : "", fv_pass_at(i)->name);
    for (int i = 0; fv_step_name_at(i); i++)
        fv_text_printf(&t, ", %s", fv_step_name_at(i)->name);
    return t.s;
}

static const char *unknown(fv_arena *a, const char *option, const char *name) {
    return fv_printf(a, "%s=%s: there is no such pass or step%s; there are %s", option, name,
                     strcmp(option, "disable") ? "" : ", and no rule of that name", all_names(a));
}

static const char *wrong_disabled(fv_arena *a, const char *name) {
    const fv_pass *p = fv_pass_find(name);
    const fv_step_name *s = fv_step_name_find(name);
    if (!p && !s)
        return fv_rule_is_shipped(a, name) ? NULL : unknown(a, "disable", name);
    const char *needed = p ? fv_pass_needed(p) : s->needed;
    return needed ? fv_printf(a, "disable=%s: it cannot be left out: %s", name, needed) : NULL;
}

static const char *wrong_enabled(fv_arena *a, const char *const *list, const char *const *disable,
                                 const char *name) {
    if (!fv_pass_find(name) && !fv_step_name_find(name))
        return unknown(a, "enable", name);
    if (fv_is_in(disable, name))
        return fv_printf(a, "enable=%s: it is disabled, too", name);
    if (list && !fv_is_in(list, name))
        return fv_printf(a, "enable=%s: a list says which %s, and in which order: it belongs there",
                         name, fv_pass_find(name) ? "passes run" : "steps are done");
    return NULL;
}

const char *fv_switches_wrong(fv_arena *a, const char *const *passes, const char *const *steps,
                              const char *const *enable, const char *const *disable) {
    const char *wrong = NULL;
    for (int i = 0; disable && disable[i] && !wrong; i++)
        wrong = wrong_disabled(a, disable[i]);
    for (int i = 0; enable && enable[i] && !wrong; i++)
        wrong = wrong_enabled(a, fv_pass_find(enable[i]) ? passes : steps, disable, enable[i]);
    return wrong;
}

const char *const *fv_switches_steps(fv_arena *a, const char *const *steps) {
    const char **ids = NULL;
    int n = 0, cap = 0;
    for (int i = 0; fv_step_name_at(i); i++)
        if (!fv_is_in(steps, fv_step_name_at(i)->name))
            FV_PUSH(a, ids, n, cap, fv_step_name_at(i)->id);
    if (n)
        FV_PUSH(a, ids, n, cap, NULL);
    return ids;
}
