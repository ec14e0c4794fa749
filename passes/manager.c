/* manager.c - the table of passes, and running them. */
#include "passes/passes.h"

#include <string.h>

#include "ir/base/clock.h"
#include "ir/definition/definitions.h"
#include "ir/graph/infer.h"
#include "ir/graph/settle.h"
#include "ir/graph/verify.h"
#include "passes/internal.h"

#define AFTER(id, other, why)
#define AGAIN(id, other, why)
#define NEEDED(id, why)
#define ASKED(id, why)
enum {
#define PASS(id, name, doc) PASS_##id,
#include "passes/passes.def"
#undef PASS
    NPASSES
};

static const fv_pass passes[] = {
#define PASS(id, name, doc) {name, doc, fv_pass_##id},
#include "passes/passes.def"
#undef PASS
    {0}};
#undef AFTER
#undef AGAIN

#define PASS(id, name, doc)
#define AFTER(id, other, why)
#define AGAIN(id, other, why)
#undef NEEDED
#define NEEDED(id, why) [PASS_##id] = why,
static const char *const needed[NPASSES + 1] = {
#include "passes/passes.def"
    NULL};
#undef NEEDED
#undef ASKED
#define NEEDED(id, why)
#define ASKED(id, why) [PASS_##id] = why,
static const char *const asked[NPASSES + 1] = {
#include "passes/passes.def"
    NULL};
#undef PASS
#undef AFTER
#undef AGAIN
#undef ASKED
#define ASKED(id, why)

static const fv_pass_order orders[] = {
#define PASS(id, name, doc)
#define AFTER(id, other, why) {&passes[PASS_##id], FV_PASS_AFTER, &passes[PASS_##other], why},
#define AGAIN(id, other, why) {&passes[PASS_##id], FV_PASS_AGAIN, &passes[PASS_##other], why},
#include "passes/passes.def"
#undef PASS
#undef AFTER
#undef AGAIN
#undef NEEDED
#undef ASKED
    {0}};

const char *fv_pass_needed(const fv_pass *p) {
    return p->user ? NULL : needed[p - passes];
}

const char *fv_pass_asked(const fv_pass *p) {
    return asked[p - passes];
}

const fv_pass_order *fv_pass_order_at(int i) {
    return i >= 0 && i < (int)(sizeof orders / sizeof *orders) - 1 ? &orders[i] : NULL;
}

const fv_pass *fv_pass_at(int i) {
    return i >= 0 && i < (int)(sizeof passes / sizeof *passes) - 1 ? &passes[i] : NULL;
}

const fv_pass *fv_pass_find(const char *name) {
    for (const fv_pass *p = passes; p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

const fv_pass *fv_pass_find_own(const fv_pass *const *own, const char *name) {
    for (; own && *own; own++)
        if (!strcmp((*own)->name, name))
            return *own;
    return fv_pass_find(name);
}

static bool unknown(fv_module *m, const char *name) {
    const char *names[sizeof passes / sizeof *passes] = {0};
    for (int i = 0; passes[i].name; i++)
        names[i] = passes[i].name;
    const char *near = fv_nearest(name, names);
    if (near)
        return fv_error(m->session, "no pass '%s'; did you mean '%s'?", name, near);
    return fv_error(m->session, "no pass '%s'; `fovea opt --list-passes` lists them", name);
}

static bool run_one(fv_module *m, const fv_pass *p, const fv_pipeline_options *o) {
    fv_pass_run r = {.pass = p, .module = m, .arena = fv_arena_new(m->session), .options = o};
    int relations = m->nrelations;
    const fv_watch *watch = o ? o->watch : NULL;
    struct timespec mark = {0};
    if (watch && watch->progress.begins)
        watch->progress.begins(watch->progress.user, p->name);
    fv_lap(&mark);
    bool ok = (!fv_pass_needed(p) && !fv_pass_may(&r, NULL, NULL)) || p->run(&r);
    if (ok && m->nrelations > relations)
        fv_module_settle(m);
    if (ok && r.changed)
        fv_module_learn(m);
    if (watch && watch->took)
        watch->took(watch->user, p->name, fv_lap(&mark));
    if (ok && o && o->report)
        o->report(o->user, p->name, &r);
    if (ok && watch && watch->look)
        watch->look(watch->user, p->name, m, NULL);
    bool verify = o && o->verify;
#ifndef NDEBUG
    verify = true;
#endif
    if (ok && verify)
        ok = fv_module_verify(m, p->name);
    fv_arena_free(r.arena);
    return ok;
}

bool fv_run_passes(fv_module *m, const char *const *names, const fv_pipeline_options *o) {
    const fv_pass *const *own = o ? o->own : NULL;
    for (int i = 0; names[i]; i++)
        if (!fv_pass_find_own(own, names[i]))
            return unknown(m, names[i]);
    for (int i = 0; names[i]; i++)
        if (!run_one(m, fv_pass_find_own(own, names[i]), o))
            return false;
    return true;
}
