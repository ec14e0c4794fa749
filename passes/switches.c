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

static bool is_in(const char *const *list, const char *name) {
    while (list && *list && strcmp(*list, name))
        list++;
    return list && *list;
}

static const char *unknown(fv_arena *a, const char *option, const char *name) {
    return fv_printf(a, "%s=%s: there is no such pass or step; there are %s", option, name, all_names(a));
}

static const char *wrong_disabled(fv_arena *a, const char *name) {
    const fv_pass *p = fv_pass_find(name);
    const fv_step_name *s = fv_step_name_find(name);
    if (!p && !s)
        return unknown(a, "disable", name);
    const char *needed = p ? fv_pass_needed(p) : s->needed;
    return needed ? fv_printf(a, "disable=%s: it cannot be left out: %s", name, needed) : NULL;
}

static const char *wrong_enabled(fv_arena *a, const char *const *passes, const char *const *disable, const char *name) {
    if (!fv_pass_find(name) && !fv_step_name_find(name))
        return unknown(a, "enable", name);
    if (is_in(disable, name))
        return fv_printf(a, "enable=%s: it is disabled, too", name);
    if (fv_pass_find(name) && passes && !is_in(passes, name))
        return fv_printf(a, "enable=%s: a list says which passes run, and in which order: it belongs there", name);
    return NULL;
}

const char *fv_switches_wrong(fv_arena *a, const char *const *passes, const char *const *enable, const char *const *disable) {
    const char *wrong = NULL;
    for (int i = 0; disable && disable[i] && !wrong; i++)
        wrong = wrong_disabled(a, disable[i]);
    for (int i = 0; enable && enable[i] && !wrong; i++)
        wrong = wrong_enabled(a, passes, disable, enable[i]);
    return wrong;
}

const char *const *fv_switches_steps(fv_arena *a, const char *const *disable) {
    const char **ids = NULL;
    int n = 0, cap = 0;
    for (int i = 0; fv_step_name_at(i); i++)
        if (is_in(disable, fv_step_name_at(i)->name))
            FV_PUSH(a, ids, n, cap, fv_step_name_at(i)->id);
    if (n)
        FV_PUSH(a, ids, n, cap, NULL);
    return ids;
}
