/* manager.c - the table of passes, the shipped pipelines, and running them. */
#include "passes/passes.h"

#include <string.h>

#include "ir/definition/definitions.h"
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

const char *fv_pass_needed(const fv_pass *p) { return p->user ? NULL : needed[p - passes]; }

const char *fv_pass_asked(const fv_pass *p) { return asked[p - passes]; }

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

/* ---- other lists than those of levels ---- */

static bool is_in(const char *const *list, const char *name) {
    while (list && *list && strcmp(*list, name))
        list++;
    return list && *list;
}

/* Behind the first runs of all that it has to come after. */
static int place_in(const char *const *names, const fv_pass *p) {
    int place = 0;
    for (const fv_pass_order *o = orders; o->pass; o++) {
        int other = o->pass == p && o->kind == FV_PASS_AFTER ? run_of(o->other, names, false) : -1;
        place = other >= place ? other + 1 : place;
    }
    return place;
}

const char *const *fv_pipeline_with(fv_arena *a, const char *const *names, const char *const *enable, const char *const *disable) {
    int n = 0;
    while (names[n])
        n++;
    const char **list = FV_NEW(a, const char *, n + NPASSES + 1);
    memcpy(list, names, (size_t)n * sizeof *list);
    for (const fv_pass *p = passes; p->name; p++) {
        if (!is_in(enable, p->name) || is_in(list, p->name))
            continue;
        int at = place_in(list, p);
        memmove(list + at + 1, list + at, (size_t)(++n - at) * sizeof *list);
        list[at] = p->name;
    }
    n = 0;
    for (int i = 0; list[i]; i++)
        if (!is_in(disable, list[i]))
            list[n++] = list[i];
    list[n] = NULL;
    return list;
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

bool fv_pass_may(const fv_pass_run *r, const char *what, const fv_op *op) {
    const fv_gate *gate = r->options ? r->options->gate : NULL;
    return !gate || gate->may(gate->user, r->pass->name, what, op);
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
    bool ok = (!fv_pass_needed(p) && !fv_pass_may(&r, NULL, NULL)) || p->run(&r);
    if (ok && m->nrelations > relations)
        fv_module_settle(m);
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
    const fv_pass *const *own = o ? o->own : NULL;
    for (int i = 0; names[i]; i++)
        if (!fv_pass_find_own(own, names[i]))
            return unknown(m, names[i]);
    for (int i = 0; names[i]; i++)
        if (!run_one(m, fv_pass_find_own(own, names[i]), o))
            return false;
    return true;
}
