/* Tuning files as text (texts.txt), and the effect of an entry on the kernel that it names
 * (choices.txt). */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/target/machine.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

/* ---- texts ---- */

/* What is read prints, and reads back as the same. */
static const char *text(const char *options, const char *input) {
    (void)options;
    const fv_tuning *u = fv_tuning_parse(session, arena, input);
    fv_text t = {.arena = arena}, again = {.arena = arena};
    if (!u)
        return said();
    fv_tuning_print(&t, u);
    const fv_tuning *read = fv_tuning_parse(session, arena, t.s);
    cr_assert(read, "%s", said());
    fv_tuning_print(&again, read);
    cr_assert_str_eq(t.s, again.s);
    return t.s;
}

Test(tuning, texts, .init = open_session, .fini = close_session) {
    check_golden("../tuning/texts.txt", text);
}

static const char *profile(const char *options, const char *input) {
    (void)options;
    const fv_machine *p = fv_machine_parse(session, arena, input);
    fv_text t = {.arena = arena}, again = {.arena = arena};
    if (!p)
        return said();
    fv_machine_print(&t, p);
    const fv_machine *read = fv_machine_parse(session, arena, t.s);
    cr_assert(read, "%s", said());
    fv_machine_print(&again, read);
    cr_assert_str_eq(t.s, again.s);
    return t.s;
}

Test(tuning, profiles, .init = open_session, .fini = close_session) {
    check_golden("../tuning/profiles.txt", profile);
}

/* Every property is set by its number alone, to its least and its most value. */
Test(tuning, properties) {
    fv_processor p = *fv_processor_at(FV_PROCESSOR_zen3), before = p;
    for (int i = 0; i < FV_NPROPERTIES; i++) {
        const int ends[] = {fv_property_at(i)->least, fv_property_at(i)->most};
        for (int k = 0; k < 2; k++) {
            fv_property_set(&p, i, ends[k]);
            cr_expect_eq(fv_property_get(&p, i), ends[k], "%s", fv_property_at(i)->name);
            for (int j = 0; j < FV_NPROPERTIES; j++)
                cr_expect(j == i || fv_property_get(&p, j) == fv_property_get(&before, j));
        }
        fv_property_set(&p, i, fv_property_get(&before, i));
    }
}

/* Profiles have different names of processors, so a tuning file for another profile is refused. */
Test(tuning, profiles_have_names, .init = open_session, .fini = close_session) {
    const char *text = "fovea-processor 1 base \"zen3\" cpu \"c\" measured \"2026-11-25\" "
                       "block_tiles = %d end";
    const fv_target *v3 = fv_target_find("x86-64-v3"), *t[2];
    for (int i = 0; i < 2; i++) {
        const fv_machine *p = fv_machine_parse(session, arena, fv_printf(arena, text, 3 + i));
        cr_assert(p, "%s", said());
        t[i] = fv_target_with_machine(arena, v3, p);
        cr_expect_eq(fv_processor_of(t[i])->block_tiles, 3 + i);
        cr_expect_eq(t[i]->caches.l2_bytes, 512 << 10, "that of the family");
        cr_expect_null(fv_target_with_machine(arena, fv_target_find("aarch64"), p));
    }
    cr_expect_str_neq(fv_processor_of(t[0])->name, fv_processor_of(t[1])->name);
}

Test(tuning, notes_are_comments, .init = open_session, .fini = close_session) {
    fv_tuned_kernel k = {.key = "0123456789abcdef",
                         .schedule = {.kind = FV_SCHEDULE_map},
                         .note = "a \"name\"\nkernel `x`\\"};
    fv_schedule_set(&k.schedule, FV_PARAMETER_task, 64);
    fv_tuning u = {
        .model = "\"", .producer = "p", .target = "", .cpu = "a\\\nb", .n = 1, .kernels = &k};
    fv_text t = {.arena = arena};
    fv_tuning_print(&t, &u);
    const fv_tuning *read = fv_tuning_parse(session, arena, t.s);
    cr_assert(read, "%s\n%s", said(), t.s);
    cr_expect_str_eq(read->model, u.model);
    cr_expect_str_eq(read->cpu, u.cpu);
    cr_expect_eq(read->n, 1);
}

/* ---- what it says of kernels ---- */

static const char product[] = "fovea-ir 1\nmodule \"m\"\nsymbol n 1..4096\n"
                              "func @main(%x: f32[n, 40], %w: f32[40, 70]) -> (%y) {\n  %y = "
                              "MatMul(%x, %w)\n  return %y\n}\n";
static const char attention[] =
    "fovea-ir 1\nmodule \"m\"\nsymbol n 4..4096\n"
    "func @main(%q: f32[n, 16], %k: f32[n, 16], %v: f32[n, 16]) -> (%y) {\n"
    "  %t = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %t)\n  %p = Softmax(%s)\n"
    "  %y = MatMul(%p, %v)\n  return %y\n}\n";
static const char softmax[] =
    "fovea-ir 1\nmodule \"m\"\nsymbol n 1..4096\n"
    "func @main(%x: f32[n, 40]) -> (%y) {\n  %y = Softmax(%x)\n  return %y\n}\n";
static const char across[] =
    "fovea-ir 1\nmodule \"m\"\nsymbol n 1..4096\n"
    "func @main(%x: f32[n, 40]) -> (%y) {\n  %y = Transpose(%x) {perm = [1, 0]}\n  return %y\n}\n";

/* A sum that is so long that a block of rows does not fit into the cache next to two panels. */
static const char *weights(int steps, int columns) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "fovea-ir 1\nmodule \"m\"\nsymbol n 1..4096\nconst @w: f32[%d, %d] = [0.5",
                   steps, columns);
    for (int i = 1; i < steps * columns; i++)
        fv_text_put(&t, ", 0.5");
    fv_text_printf(
        &t, "]\nfunc @main(%%x: f32[n, %d]) -> (%%y) {\n  %%y = MatMul(%%x, @w)\n  return %%y\n}\n",
        steps);
    return t.s;
}

static fv_program *lower(const char *graph, const fv_target *target, const fv_tuning *u,
                         fv_choices *all) {
    fv_module *m = fv_module_parse(session, graph, NULL);
    fv_lower_options o = {.target = target, .tuning = u, .choices = all};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), NULL), "%s", said());
    return fv_lower(m, &o);
}

/* What the last kernel of a model (an option says which, and the target) becomes. */
static const char *choice(const char *options, const char *input) {
    const char *graph = strstr(options, "attention") ? attention
                        : strstr(options, "softmax") ? softmax
                        : strstr(options, "across")  ? across
                        : strstr(options, "weights") ? weights(1408, 20)
                        : strstr(options, "panels")  ? weights(40, 70)
                                                     : product;
    const fv_target *target = fv_target_find(strstr(options, "generic") ? "generic" : "x86-64-v3");
    fv_choices all = {0};
    cr_assert(lower(graph, target, NULL, &all) && all.n, "%s", said());
    const char *key = strstr(options, "unknown") ? "0123456789abcdef" : all.at[all.n - 1].key;
    const char *text = fv_printf(
        arena,
        "fovea-tuning 1 model \"\" producer \"\" target \"\" cpu \"\"\nkernel \"%s\"\n%s\nend\n",
        key, input);
    const fv_tuning *u = fv_tuning_parse(session, arena, text);
    fv_choices now = {0};
    fv_text t = {.arena = arena};
    if (!u || !lower(graph, target, u, &now))
        return said();
    fv_schedule_print(&t, &now.at[now.n - 1].how);
    fv_text_printf(&t, "\n%s", said());
    return t.s;
}

Test(tuning, what_kernels_become, .init = open_session, .fini = close_session) {
    check_golden("../tuning/choices.txt", choice);
}

/* Launches are removed, where a copy of a state is spared, after schedules were chosen. */
Test(tuning, kernels_of_choices, .init = open_session, .fini = close_session) {
    static const char graph[] =
        "fovea-ir 1\nmodule \"m\"\nsymbol n 0..1024\nsymbol t 0..9 data\n"
        "const @ten: i64[] = 10\n"
        "func @main(%x: f32[n, 24], %v: f32[24, 24], %w: f32[24, 24]) -> (%z, %p) {\n"
        "  %z = Loop(@ten, _, %x) {body = ^(%i: i64[] = [t], %go: bool[] = [1], "
        "%h: f32[n, 24]) {\n    %a = Exp(%h)\n    return %go, %a\n  }}\n"
        "  %q = MatMul(%z, %w)\n  %p = Softmax(%q)\n  return %z, %p\n}\n";
    fv_choices all = {0};
    const fv_program *p = lower(graph, fv_target_find("x86-64-v3"), NULL, &all);
    cr_assert(p && all.n > 2, "%d: %s", all.n, said());
    for (int i = 0; i < all.n; i++) {
        const fv_kernel *k = all.at[i].kernel;
        bool there = false;
        for (int n = 0; n < p->nkernels; n++)
            there |= p->kernels[n] == k;
        cr_assert(there, "choice %d", i);
        cr_expect_eq(k->schedule->kind, all.at[i].how.kind, "%s: choice %d", k->name, i);
    }
}

/* Layers that differ in nothing but names and literals have one key, others have others. */
Test(tuning, keys, .init = open_session, .fini = close_session) {
    fv_choices all = {0};
    const char *graph = "fovea-ir 1\nmodule \"m\"\nsymbol n 1..4096\nsymbol m 1..4096\nconst @a: "
                        "f32[] = 0.5\nconst @b: f32[] = 0.25\n"
                        "func @main(%x: f32[n, 40], %z: f32[n, 40], %w: f32[n, 41], %v: f32[m, "
                        "40], %u: f32[n, 40]) -> "
                        "(%p, %q, %r, %s, %t) {\n"
                        "  %p = Mul(%x, @a)\n  %q = Mul(%z, @b)\n  %r = Mul(%w, @a)\n  %s = "
                        "Mul(%v, @a)\n  %t = Add(%u, @a)\n"
                        "  return %p, %q, %r, %s, %t\n}\n";
    cr_assert(lower(graph, fv_target_find("x86-64-v3"), NULL, &all), "%s", said());
    cr_assert_eq(all.n, 5);
    cr_expect_str_eq(all.at[0].key, all.at[1].key);
    for (int i = 1; i < 5; i++)
        for (int k = 0; k < i; k++)
            cr_expect(i == 1 || strcmp(all.at[i].key, all.at[k].key), "%d and %d", i, k);
    fv_choices other = {0};
    cr_assert(lower(graph, fv_target_find("generic"), NULL, &other));
    cr_expect_str_eq(all.at[2].key, other.at[2].key, "a target is no part of what is computed");
}
