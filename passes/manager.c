/* manager.c - the table of passes, the shipped pipelines, and running them. */
#include "passes/passes.h"

#include <string.h>

#include "ir/definition/definitions.h"
#include "ir/graph/verify.h"
#include "passes/internal.h"

#define AFTER(id, other, why)
#define AGAIN(id, other, why)
enum {
#define PASS(id, name, doc) PASS_##id,
#include "passes/passes.def"
#undef PASS
};

static const fv_pass passes[] = {
#define PASS(id, name, doc) {name, doc, fv_pass_##id},
#include "passes/passes.def"
#undef PASS
    {0}};
#undef AFTER
#undef AGAIN

static const fv_pass_order orders[] = {
#define PASS(id, name, doc)
#define AFTER(id, other, why) {&passes[PASS_##id], FV_PASS_AFTER, &passes[PASS_##other], why},
#define AGAIN(id, other, why) {&passes[PASS_##id], FV_PASS_AGAIN, &passes[PASS_##other], why},
#include "passes/passes.def"
#undef PASS
#undef AFTER
#undef AGAIN
    {0}};

const fv_pass_order *fv_pass_order_at(int i) {
    return i >= 0 && i < (int)(sizeof orders / sizeof *orders) - 1 ? &orders[i] : NULL;
}

/* The first or the last run of a pass in a list; -1: it has none. */
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

const fv_pass *fv_pass_at(int i) {
    return i >= 0 && i < (int)(sizeof passes / sizeof *passes) - 1 ? &passes[i] : NULL;
}

const fv_pass *fv_pass_find(const char *name) {
    for (const fv_pass *p = passes; p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

/* What is needed for lowering at all comes in every pipeline: "legalise" leaves only ops that have
 * a definition or a kernel. */
static const char *const least[] = {"legalise", "remove-dead", NULL};
static const char *const all[] = {"legalise", "fold-constants", "simplify", "reduce-strength",
                                  "fold-constants", "share", "remove-dead", NULL};

const char *const *fv_pipeline(char level) {
    switch (level) {
    case '0': return least;
    case '1':
    case '2':
    case '3':
    case 's': return all;
    }
    return NULL;
}

void fv_pass_count_one(fv_pass_run *r, const char *what) {
    r->changed = true;
    for (int i = 0; i < r->ncounts; i++)
        if (!strcmp(r->counts[i].what, what)) {
            r->counts[i].n++;
            return;
        }
    FV_PUSH(r->arena, r->counts, r->ncounts, r->cap_counts, ((fv_pass_count){what, 1}));
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
    fv_pass_run r = {.module = m, .arena = fv_arena_new(m->session)};
    bool ok = p->run(&r);
    if (ok && o && o->report)
        o->report(o->user, p->name, &r);
    if (ok && o && o->watch)
        o->watch->look(o->watch->user, p->name, m, NULL);
    bool verify = o && o->verify;
#ifndef NDEBUG
    verify = true;
#endif
    if (ok && verify)
        ok = fv_module_verify(m, p->name);
    fv_arena_free(r.arena);
    return ok;
}

void fv_warn_of_order(fv_session *s, const char *const *names) {
    for (const fv_pass_order *o = orders; o->pass; o++)
        if (!fv_pass_order_holds(o, names))
            fv_warning(s, "pass '%s' should run %safter '%s': %s", o->pass->name, o->kind == FV_PASS_AGAIN ? "again " : "",
                       o->other->name, o->why);
}

bool fv_run_passes(fv_module *m, const char *const *names, const fv_pipeline_options *o) {
    for (int i = 0; names[i]; i++)
        if (!fv_pass_find(names[i]))
            return unknown(m, names[i]);
    for (int i = 0; names[i]; i++)
        if (!run_one(m, fv_pass_find(names[i]), o))
            return false;
    return true;
}
