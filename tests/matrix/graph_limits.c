/* graph_limits.c - what concerns speed changes no bit: a random graph is run for a random target,
 * whether this machine has it or not, with random choices of
 *
 *   the family of processors,
 *   two of its properties, or all of them and all limits of speed (backend/lowering/speed.def),
 *   and the parameters of the schedules of all kernels,
 *
 * and compared with the usual ones, and these with the naive schedule. */
#include <inttypes.h>
#include <string.h>

#include "backend/have.h"
#include "ir/target/machine.h"
#include "tests/matrix/graph_check.h"
#include "tests/tuning/any_tuning.h"

enum {
    DRAWS = 3,   /* number of draws for a graph */
    COMPILES = 8 /* one draw in so many runs as code in memory as well */
};

/* A draw, and the text that says what it is. */
typedef struct draw {
    fv_arena *arena;
    fv_random r;
    const fv_target *target;
    uint64_t limits; /* seed of all limits and properties; 0: they are not drawn */
    fv_tuning tuning;
    fv_text text;
} draw;

static int below(fv_random *r, int n) {
    return (int)(fv_random_next(r) % (uint64_t)n);
}

/* A target of the table, more often one with vectors than not, with some of the features that can
 * be added to it. */
static const fv_target *any_target(fv_arena *a, fv_random *r) {
    const char *const *names = fv_target_names(), *why;
    const fv_target *t = NULL;
    int n = 0;
    while (names[n])
        n++;
    for (int tries = 0; !t || (tries < 3 && !fv_is_vector_processor(t)); tries++)
        t = fv_target_find(names[1 + below(r, n - 1)]); /* the first is "native" */
    const char *const *features = fv_target_feature_names(a, t), *text = t->name;
    for (bool some = below(r, 2); some && *features; features++)
        if (below(r, 2))
            text = fv_printf(a, "%s+%s", text, *features);
    const fv_target *with = fv_target_read(a, text, &why);
    return with ? with : t;
}

/* A value of property i: as often small as large. */
static int any_property(fv_random *r, int i) {
    const fv_property_info *is = fv_property_at(i);
    const int range = is->most - is->least, bits = below(r, 32);
    const int64_t n = (int64_t)(fv_random_next(r) & ((UINT64_C(1) << bits) - 1));
    return is->least + (int)(n > range ? below(r, 2) ? range : n % (range + 1) : n);
}

static void set_properties(draw *d, int n) {
    fv_processor *p = FV_NEW(d->arena, fv_processor, 1);
    fv_target *t = FV_NEW(d->arena, fv_target, 1);
    *p = *fv_processor_of(d->target);
    for (int i = 0; i < n; i++) {
        const int which = below(&d->r, FV_NPROPERTIES), value = any_property(&d->r, which);
        fv_property_set(p, which, value);
        fv_text_printf(&d->text, ", %s = %d", fv_property_at(which)->name, value);
    }
    *t = *fv_target_with_properties(d->arena, d->target, d->target->processor, p);
    d->target = t;
}

/* Another family of processors for the same architecture. */
static void set_family(draw *d) {
    const fv_target *with = NULL;
    while (!with) {
        fv_processor_id id = (fv_processor_id)below(&d->r, FV_NPROCESSORS);
        with = fv_target_for(d->arena, d->target, id);
    }
    d->target = with;
    fv_text_printf(&d->text, "processor %s", fv_processor_of(with)->name);
}

static draw any_draw(const graph_checker *c, fv_arena *a, const fv_target *of, int i) {
    const uint64_t seed = c->limits + (uint64_t)i;
    draw d = {.arena = a, .r = {seed}, .target = of, .text = {.arena = a}};
    set_family(&d);
    switch (below(&d.r, 3)) {
    case 0: break;
    case 1: set_properties(&d, 2); break;
    default:
        d.limits = seed; /* `fovea run --random-limits` takes it */
        fv_text_printf(&d.text, ", limits %llu", (unsigned long long)seed);
    }
    return d;
}

static fv_program *lower(const graph_checker *c, const char *text, const draw *d,
                         fv_choices *choices) {
    fv_driver_options o = {.target.of = d->target,
                           .target.given = true,
                           .level = '2',
                           .name = "g",
                           .random_limits = d->limits,
                           .tuning.tuned = d->tuning.n ? &d->tuning : NULL,
                           .answers.choices = choices};
    return graph_lower(c, text, &o);
}

/* Does the message say that a schedule is not legal for its kernel? */
static bool is_refusal(const char *message) {
    return strstr(message, "to choose") || strstr(message, "for this kernel");
}

/* Every other draw has random schedules. They are refused if one has a parameter or value that its
 * kernel no longer has, because others have changed. */
static fv_program *lower_draw(const graph_checker *c, const char *text, draw *d) {
    fv_choices choices = {0};
    fv_program *p = lower(c, text, d, &choices);
    if (!p || !below(&d->r, 2))
        return p;
    d->tuning = any_tuning(d->arena, &d->r, &choices);
    fv_program *tuned = lower(c, text, d, NULL);
    if (!tuned && !is_refusal(graph_error(c->session)))
        p = NULL;
    if (tuned || !p)
        fv_text_printf(&d->text, ", schedules\n%s", any_tuning_text(d->arena, &d->tuning));
    return tuned ? tuned : p;
}

static const char *run(const graph_checker *c, const graph *g, fv_program *p, draw *d,
                       const outcome *want, outcome *got) {
    const char *why = graph_run(c, g, p, FV_BACKEND_INTERP, '2', 0, want, got);
    const bool compiles = FV_HAVE_LLVM && fv_target_runs_here(d->target) && !below(&d->r, COMPILES);
    outcome compiled;
    return why || !compiles ? why : graph_run(c, g, p, FV_BACKEND_JIT, '2', 0, want, &compiled);
}

/* Does only one of both runs report a position that no element of a result needs? Only a kernel of
 * its own looks at it. */
static bool is_excused(const outcome *usual, const outcome *got) {
    return usual->status == FV_BAD_INDEX || got->status == FV_BAD_INDEX;
}

graph_verdict graph_check_limits(const graph_checker *of, graph *g, const char *text,
                                 const gvalue *only) {
    graph_checker checker = *of, *c = &checker;
    fv_random r = {c->limits};
    outcome usual, got;
    c->target = any_target(g->arena, &r);
    draw none = {.arena = g->arena, .target = c->target};
    fv_program *p = lower(c, text, &none, NULL);
    const char *why =
        p ? graph_run(c, g, p, FV_BACKEND_INTERP, '2', 0, NULL, &usual) : graph_error(c->session);
    if (why)
        return graph_fail(c, g, "interpreter", why, only);
    graph_verdict v = graph_against_naive(c, g, text, p, &usual, only);
    for (int i = 1; i <= DRAWS && !v.why; i++) {
        draw d = any_draw(c, g->arena, c->target, i);
        p = lower_draw(c, text, &d);
        why = p ? run(c, g, p, &d, &usual, &got) : graph_error(c->session);
        if (why && !(p && is_excused(&usual, &got)))
            v = graph_fail(c, g, d.text.s, why, only);
    }
    return v;
}
