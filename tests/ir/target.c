/* Targets and processors: the family of a CPU, targets made for a processor, the features that
 * exist, and the text of targets with additional features. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/target/lacking.h"
#include "ir/target/machine.h"
#include "ir/target/target.h"
#include "tests/session.h"

static const char *family(const char *vendor, int number, int model) {
    return fv_processor_at(fv_processor_of_model(vendor, number, model))->name;
}

Test(target, a_processor_is_known_by_its_model) {
    cr_expect_str_eq(family("GenuineIntel", 6, 0x3f), "haswell");
    cr_expect_str_eq(family("GenuineIntel", 6, 0x55), "haswell", "Skylake and Cascade Lake");
    cr_expect_str_eq(family("GenuineIntel", 6, 0x8f), "sapphire-rapids");
    cr_expect_str_eq(family("GenuineIntel", 6, 0xad), "sapphire-rapids", "Granite Rapids");
    cr_expect_str_eq(family("GenuineIntel", 15, 0x3f), "generic");
    cr_expect_str_eq(family("AuthenticAMD", 0x19, 0x01), "zen3");
    cr_expect_str_eq(family("AuthenticAMD", 0x19, 0x11), "zen4");
    cr_expect_str_eq(family("AuthenticAMD", 0x1a, 0x02), "zen5");
    cr_expect_str_eq(family("AuthenticAMD", 0x1a, 0x24), "zen5-mobile");
    cr_expect_str_eq(family("AuthenticAMD", 0x1a, 0x44), "zen5");
    cr_expect_str_eq(family("AuthenticAMD", 0x1a, 0x60), "zen5-mobile");
    cr_expect_str_eq(family("AuthenticAMD", 0x1a, 0x70), "zen5");
    cr_expect_str_eq(family("AuthenticAMD", 6, 0x3f), "generic");
    cr_expect_str_eq(family("arm", 0, 0xd0c), "neoverse-n1");
    cr_expect_str_eq(family("arm", 0, 0xd40), "neoverse-v1");
    cr_expect_str_eq(family("arm", 0, 0xd4f), "neoverse-v2");
    cr_expect_str_eq(family("arm", 0, 0xd08), "cortex-a");
    cr_expect_str_eq(family("arm", 0, 0xd06), "generic");
}

Test(target, a_processor_of_another_model_is_known_by_its_features) {
    uint64_t amx = FV_FEATURE_BIT(amx_tile), v4 = FV_FEATURE_BIT(avx512f);
    cr_expect_eq(fv_processor_of_features(amx | v4), FV_PROCESSOR_sapphire_rapids);
    cr_expect_eq(fv_processor_of_features(v4), FV_PROCESSOR_generic);
    cr_expect_eq(fv_processor_of_features(0), FV_PROCESSOR_generic);
}

/* A row of the table may be 0, as the time of a parallel region on a core without threads; only
 * a family without a row has the speed of `generic`. */
Test(target, a_speed_of_zero_is_a_speed) {
    cr_expect_eq(fv_measure_of(fv_target_find("cortex-m4"), FV_MEASURE_region), 0);
    cr_expect_eq(fv_measure_of(fv_target_find("cortex-m4"), FV_MEASURE_handover),
                 fv_measure_of(fv_target_find("generic"), FV_MEASURE_handover));
}

Test(target, names_are_found) {
    for (const char *const *name = fv_processor_names(); *name; name++) {
        fv_processor_id id;
        cr_assert(fv_processor_find(*name, &id));
        cr_expect_str_eq(fv_processor_at(id)->name, *name);
    }
    fv_processor_id none;
    cr_expect(!fv_processor_find("zen", &none));
}

Test(target, caches_are_those_of_the_processor) {
    open_session();
    cr_assert(session);
    const fv_target *v3 = fv_target_find("x86-64-v3"),
                    *t = fv_target_for(arena, v3, FV_PROCESSOR_zen3);
    cr_assert(t);
    cr_expect_eq(t->processor, FV_PROCESSOR_zen3);
    cr_expect_eq(t->caches.l2_bytes, 512 << 10);
    cr_expect_eq(v3->caches.l2_bytes, 256 << 10);
    cr_expect_eq(fv_target_for(arena, v3, FV_PROCESSOR_generic)->caches.l2_bytes,
                 v3->caches.l2_bytes);
    cr_expect_null(fv_target_for(arena, v3, FV_PROCESSOR_neoverse_n1), "another architecture");
    cr_expect(fv_target_for(arena, fv_target_find("aarch64"), FV_PROCESSOR_neoverse_n1));
    const fv_target *here = fv_target_choose(arena, "native");
    cr_expect(here->caches.l2_bytes > 0 && here->processor == fv_processor_here());
    int most = fv_processor_at(here->processor)->caches.l3_bytes;
    cr_expect(!most || here->caches.l3_bytes <= most, "no more than the family has");
    close_session();
}

Test(target, says_what_it_is) {
    for (const char *const *name = fv_target_names() + 1; *name; name++) {
        const fv_target *t = fv_target_find(*name);
        const char *triple = t->llvm.triple;
        static const struct {
            const char *begin;
            fv_isa isa;
        } isas[] = {{"thumb", FV_ISA_CORTEX_M},
                    {"riscv", FV_ISA_RISCV},
                    {"aarch64", FV_ISA_AARCH64},
                    {"x86_64", FV_ISA_X86}};
        fv_isa isa = FV_ISA_PORTABLE;
        for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
            if (!strncmp(triple, isas[i].begin, strlen(isas[i].begin)))
                isa = isas[i].isa;
        cr_expect_eq(t->isa, isa, "%s", *name);
        bool micro = strstr(triple, "-none-");
        cr_expect_eq(t->kind == FV_TARGET_MICRO, micro, "%s", *name);
        cr_expect_eq(t->threads, !micro, "%s", *name);
        cr_expect_eq(t->c.tools != NULL, micro, "%s", *name);
        cr_expect_eq(t->kind == FV_TARGET_SERVER, t->pointer_bits == 64, "%s", *name);
        cr_expect_eq(t->core_registers != 0, isa == FV_ISA_CORTEX_M, "%s", *name);
    }
}

/* ---- features ---- */

TestSuite(feature, .init = open_session, .fini = close_session);

static const fv_feature *at(int i) {
    return fv_feature_at((fv_feature_id)i);
}

static bool is_architecture(const char *name) {
    for (const char *const *t = fv_target_names(); *t; t++)
        if (!strncmp(fv_target_find(*t)->llvm.triple, name, strlen(name)))
            return true;
    return false;
}

Test(feature, the_table_is_consistent) {
    for (int i = 0; i < FV_NFEATURES; i++) {
        const fv_feature *f = at(i);
        bool named = f->base != FV_LEVEL_none;
        cr_expect(is_architecture(f->architecture), "%s", f->name);
        cr_expect(f->kind != FV_CPU_ALWAYS || f->level != FV_LEVEL_none, "%s: no CPU says it",
                  f->name);
        const fv_feature_words *w = fv_feature_words_at((fv_feature_id)i);
        cr_expect(!named || (*w->flag && *w->llvm && *w->macro), "%s: cannot be asked for",
                  f->name);
        cr_expect(f->level == FV_LEVEL_none || !named || f->base < f->level,
                  "%s: is added to what has it", f->name);
        cr_expect(f->kind != FV_CPU_CPUID || !strcmp(f->architecture, "x86_64"), "%s", f->name);
        cr_expect(f->kind != FV_CPU_ID || !strcmp(f->architecture, "aarch64"), "%s", f->name);
        for (int j = 0; j < FV_NFEATURES; j++) {
            bool same = !strcmp(at(j)->architecture, f->architecture);
            cr_expect(i == j || !same || strcmp(at(j)->name, f->name), "%s twice", f->name);
            cr_expect(same || !(f->needs >> j & 1), "%s needs %s", f->name, at(j)->name);
        }
        if (f->kind != FV_CPU_CPUID)
            continue;
        fv_cpuid_need n = fv_features_cpuid(UINT64_C(1) << i);
        uint32_t asked = 0;
        for (int k = 0; k < FV_CPUID_LEAVES; k++)
            if (n.at[k].leaf == f->leaf && n.at[k].subleaf == f->subleaf)
                asked |= n.at[k].mask[f->reg];
        cr_expect(asked >> f->bit & 1, "%s: its leaf is not asked", f->name);
        cr_expect_eq(n.state, f->state, "%s", f->name);
    }
}

/* What a level has is closed: what its features need came with it or before. */
Test(feature, levels_have_what_their_features_need) {
    for (const char *const *name = fv_target_names(); *name; name++) {
        const fv_target *t = fv_target_find(*name);
        uint64_t level = fv_level_features(t->level);
        cr_expect_eq(fv_features_closed(level), level, "%s", *name);
        cr_expect_eq(fv_target_features(t), level, "%s", *name);
        for (int i = 0; i < FV_NFEATURES; i++)
            cr_expect(!(level >> i & 1) || !strncmp(t->llvm.triple, at(i)->architecture,
                                                    strlen(at(i)->architecture)),
                      "%s has %s", *name, at(i)->name);
    }
    cr_expect(fv_target_has(fv_target_find("x86-64-v3"), FV_FEATURE_f16c));
    cr_expect(fv_target_has(fv_target_find("x86-64-v4"), FV_FEATURE_f16c));
    cr_expect(!fv_target_has(fv_target_find("x86-64-v2"), FV_FEATURE_f16c));
    cr_expect(!fv_target_has(fv_target_find("x86-64-v4"), FV_FEATURE_vnni));
    cr_expect_eq(fv_target_features(fv_target_find("generic")), 0);
}

static const fv_target *read(const char *text) {
    const char *why = "nothing";
    const fv_target *t = fv_target_read(arena, text, &why);
    cr_assert(t, "%s: %s", text, why);
    return t;
}

static void reads_as(const char *text, const char *name) {
    cr_expect_str_eq(read(text)->name, name);
    cr_expect_str_eq(read(name)->name, name);
}

Test(feature, texts_of_targets) {
    reads_as("x86-64-v3", "x86-64-v3");
    reads_as("x86-64-v3+f16c", "x86-64-v3");
    reads_as("x86-64-v2+f16c", "x86-64-v2+f16c");
    reads_as("x86-64-v3+avxvnni", "x86-64-v3+avxvnni");
    reads_as("x86-64-v4+avx512bf16+vnni+avx512bf16+avx2", "x86-64-v4+vnni+avx512bf16");
    reads_as("x86-64-v4+amx-int8", "x86-64-v4+amx-int8");
    reads_as("x86-64-v4+amx-bf16+amx-int8", "x86-64-v4+amx-int8+amx-bf16");
    reads_as("aarch64+i8mm+dotprod", "aarch64+dotprod+i8mm");
    reads_as("x86-64-v4-windows+avx512bf16+vnni", "x86-64-v4-windows+vnni+avx512bf16");
    reads_as("aarch64-macos", "aarch64-macos");
    const fv_target *t = read("x86-64-v4+amx-int8+vnni");
    cr_expect_str_eq(t->entry, t->name);
    cr_expect_str_eq(t->llvm.features, "-prefer-256-bit,+avx512vnni,+amx-tile,+amx-int8");
    cr_expect_str_eq(t->c.flags, "-march=x86-64-v4 -mavx512vnni -mamx-tile -mamx-int8");
    cr_expect(fv_target_has(t, FV_FEATURE_amx_tile) && !fv_target_has(t, FV_FEATURE_avx512bf16));
    t = read("x86-64-v4+amx-bf16");
    cr_expect_str_eq(t->llvm.features, "-prefer-256-bit,+amx-tile,+amx-bf16");
    cr_expect_str_eq(t->c.flags, "-march=x86-64-v4 -mamx-tile -mamx-bf16");
    cr_expect_str_eq(read("aarch64+fp16+bf16")->c.flags, "-march=armv8-a+fp16+bf16");
    t = read("x86-64-v2+f16c");
    cr_expect(fv_target_has(t, FV_FEATURE_avx), "the registers that it works on");
    cr_expect_eq(fv_features_cpuid(fv_target_features(t)).state, 6, "and the system saves them");
}

Test(feature, systems) {
    const fv_target *windows = read("x86-64-v3-windows"), *macos = read("aarch64-macos");
    uint64_t features;
    cr_expect(windows->system == FV_SYSTEM_WINDOWS && macos->system == FV_SYSTEM_MACOS);
    cr_expect_str_eq(windows->llvm.triple, "x86_64-w64-windows-gnu");
    cr_expect_str_eq(macos->llvm.triple, "aarch64-apple-macosx11.0.0");
    cr_expect_eq(windows->vector_bits, 256);
    cr_expect_not(fv_target_runs_here(windows));
    cr_expect(fv_features_read("x86-64-v4-windows+vnni", &features));
    cr_expect_eq(features, fv_target_features(read("x86-64-v4+vnni")));
    cr_expect(fv_features_read("x86-64-v2-macos", &features));
    cr_expect_eq(features, fv_target_features(read("x86-64-v2")));
    cr_expect_not(fv_features_read("-windows", &features));
    const uint32_t state = fv_features_cpuid(fv_target_features(read("x86-64-v4"))).state;
    cr_expect_eq(state, 0xe6);
    cr_expect_eq(state & fv_system_state(FV_SYSTEM_WINDOWS), 0xe6);
    cr_expect_eq(state & fv_system_state(FV_SYSTEM_MACOS), 0x06, "the rest is set at first use");
}

/* Each feature that a level takes, alone: by its name, and back. */
Test(feature, every_feature_has_a_text) {
    for (const char *const *level = fv_target_names(); *level; level++) {
        const fv_target *entry = fv_target_find(*level);
        if (!strcmp(*level, "native"))
            continue;
        for (const char *const *f = fv_target_feature_names(arena, entry); *f; f++) {
            const char *name = fv_printf(arena, "%s+%s", *level, *f);
            reads_as(name, name);
            cr_expect_neq(fv_target_features(read(name)), fv_target_features(entry));
        }
    }
}

static void refused(const char *text, const char *expected) {
    const char *why = "nothing";
    cr_expect_null(fv_target_read(arena, text, &why), "%s", text);
    cr_expect_str_eq(why, expected);
}

/* The targets of a list, from the lowest to the highest; or what is wrong with it. */
static const char *list_of(const char *text) {
    const char *why = "nothing";
    int n = 0;
    const fv_target *const *list = fv_targets_read(arena, text, &n, &why);
    fv_text t = {.arena = arena};
    if (!list)
        return why;
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? " < " : "", list[i]->name);
    return t.s;
}

Test(feature, lists) {
    cr_expect_str_eq(list_of("x86-64-v3"), "x86-64-v3");
    cr_expect_str_eq(list_of("x86-64-v4+vnni,x86-64-v2,x86-64-v3"),
                     "x86-64-v2 < x86-64-v3 < x86-64-v4+vnni");
    cr_expect_str_eq(list_of("x86-64-v4+vnni+avx512bf16,x86-64-v4,x86-64-v4+vnni"),
                     "x86-64-v4 < x86-64-v4+vnni < x86-64-v4+vnni+avx512bf16");
    cr_expect_str_eq(list_of("aarch64+dotprod,aarch64"), "aarch64 < aarch64+dotprod");
    cr_expect_str_eq(list_of("x86-64-v3-macos,x86-64-v2-macos"),
                     "x86-64-v2-macos < x86-64-v3-macos");
    cr_expect_str_eq(list_of("x86-64-v4+vnni+avx512bf16,x86-64-v4+avx512bf16+vnni"),
                     "targets 'x86-64-v4+vnni+avx512bf16' and 'x86-64-v4+vnni+avx512bf16' are the "
                     "same");
    cr_expect_str_eq(list_of("x86-64-v4+avx512bf16,x86-64-v4+vnni"),
                     list_of("x86-64-v4+vnni,x86-64-v4+avx512bf16"));
    cr_expect_str_eq(list_of("aarch64-macos,aarch64-macos+dotprod"),
                     "target 'aarch64-macos' takes no features: programs of that system cannot "
                     "read the registers in which the CPU reports them");
    cr_expect_str_eq(list_of("aarch64-windows,aarch64-windows"),
                     "targets 'aarch64-windows' and 'aarch64-windows' are the same");
    cr_expect_str_eq(list_of("x86-64-v3,aarch64"),
                     "targets 'x86-64-v3' and 'aarch64' have different architectures or systems, "
                     "and cannot be in one file");
    cr_expect_str_eq(list_of("x86-64-v3,,x86-64-v2"),
                     "a target of the list 'x86-64-v3,,x86-64-v2' is empty");
    cr_expect_str_eq(list_of("x86-64-v3,x86-64-v2,"),
                     "a target of the list 'x86-64-v3,x86-64-v2,' is empty");
    cr_expect_str_eq(list_of("x86-64-v2,x86-64-v3+vnn"),
                     "target 'x86-64-v3' has no feature 'vnn'; 'x86-64-v3' takes avxvnni, "
                     "avxvnniint8");
    cr_expect_str_eq(list_of("x86-64,x86-64-v2,x86-64-v2+f16c,x86-64-v3,x86-64-v3+avxvnni,"
                             "x86-64-v4,x86-64-v4+vnni,x86-64-v4+avxvnni,x86-64-v4+avx512fp16"),
                     "a list has at most 8 targets");
}

Test(feature, wrong_texts_say_what_there_is) {
    refused("x86-64-v4+vnn", "target 'x86-64-v4' has no feature 'vnn'; did you mean 'vnni'?");
    refused("x86-64-v3+zzzzzz",
            "target 'x86-64-v3' has no feature 'zzzzzz'; 'x86-64-v3' takes avxvnni, avxvnniint8");
    refused("x86-64-v3+",
            "target 'x86-64-v3' has no feature ''; 'x86-64-v3' takes avxvnni, avxvnniint8");
    refused("x86-64-v3+vnni", "feature 'vnni' needs 'x86-64-v4' or more, the target is "
                              "'x86-64-v3'; 'x86-64-v3' takes avxvnni, avxvnniint8");
    refused("x86-64-v2+avx2", "feature 'avx2' comes with target 'x86-64-v3', and is not added; "
                              "'x86-64-v2' takes f16c");
    refused("x86-64-v4+dotprod",
            "feature 'dotprod' is of aarch64, target 'x86-64-v4' is not; "
            "'x86-64-v4' takes avxvnni, avxvnniint8, vnni, avx512bf16, avx512fp16, amx-int8, "
            "amx-bf16");
    refused("aarch64+vnni", "feature 'vnni' is of x86_64, target 'aarch64' is not; 'aarch64' takes "
                            "dotprod, fp16, i8mm, bf16");
    refused("generic+f16c",
            "feature 'f16c' is of x86_64, target 'generic' is not; 'generic' takes none");
    refused("native+f16c", "target 'native' has all features of this machine already; name a level "
                           "to choose them");
    refused("riscv64-macos", "target 'riscv64' has no system 'macos': levels of x86-64 and aarch64 "
                             "have it");
    refused("native-windows", "target 'native' has no system 'windows': levels of x86-64 and "
                              "aarch64 have it");
    refused("aarch64-windows+dotprod",
            "target 'aarch64-windows' takes no features: programs of that system cannot read the "
            "registers in which the CPU reports them");
    refused("x86-64-v5+f16c", "there is no target 'x86-64-v5'; did you mean 'x86-64-v2'?");
    refused("X86-64-V4+vnni", "there is no target 'X86-64-V4'; did you mean 'x86-64-v4'?");
    refused("cortex-m0plus+", "there is no target 'cortex-m0plus+'; did you mean 'cortex-m0plus'?");
    refused("cortex-m4,cortex-m0+",
            "'cortex-m4,cortex-m0+' is a list of targets, which only libraries "
            "and objects in files can have");
    refused("cortex-m0+vnni", "feature 'vnni' is of x86_64, target 'cortex-m0' is not; 'cortex-m0' "
                              "takes none");
}

/* native is a level that runs here, with each feature that does, and with no other. */
Test(feature, native_has_what_this_machine_has) {
    const fv_target *t = fv_target_choose(arena, "native");
    cr_expect_str_eq(t->name, "native");
    cr_expect(fv_target_runs_here(t));
    const fv_target *entry = read(t->entry);
    cr_expect_eq(fv_target_features(entry), fv_target_features(t));
    cr_expect_str_eq(entry->llvm.features, t->llvm.features);
    for (const char *const *f = fv_target_feature_names(arena, entry); *f; f++) {
        const fv_target *more = read(fv_printf(arena, "%s+%s", t->entry, *f));
        cr_expect(!fv_target_runs_here(more), "%s", more->name);
    }
}

/* The text of a target has the features that the target has. */
static void reads(const fv_target *t) {
    uint64_t features = 0;
    cr_assert(fv_features_read(t->name, &features), "%s", t->name);
    cr_expect_eq(features, fv_target_features(t), "%s", t->name);
}

Test(feature, features_of_texts) {
    for (const char *const *name = fv_target_names(); *name; name++) {
        if (!strcmp(*name, "native"))
            continue;
        const fv_target *entry = read(*name);
        reads(entry);
        for (const char *const *f = fv_target_feature_names(arena, entry); *f; f++)
            reads(read(fv_printf(arena, "%s+%s", *name, *f)));
    }
    static const char *const others[] = {"",
                                         "native",
                                         "x86-64-v",
                                         "x86-64-v33",
                                         "x86-64-v3+",
                                         "+fma",
                                         "x86-64-v3+dotprod",
                                         "x86-64-v3+avxvnni+",
                                         "x86-64-v2,x86-64-v3",
                                         "x86-64-v3 "};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_not(fv_features_read(others[i], &(uint64_t){0}), "%s", others[i]);
}

/* What this machine lacks is named, and nothing else. */
Test(feature, lacking) {
    char text[FV_FEATURES_TEXT], small[8];
    uint64_t here = fv_target_features(fv_target_choose(arena, "native"));
    uint64_t elsewhere = strcmp(fv_target_baseline()->name, "aarch64")
                             ? FV_FEATURE_BIT(dotprod) | FV_FEATURE_BIT(i8mm)
                             : FV_FEATURE_BIT(fma) | FV_FEATURE_BIT(avx2);
    const char *names = elsewhere & FV_FEATURE_BIT(fma) ? "fma, avx2" : "dotprod, i8mm";
    cr_expect_str_eq(fv_features_lacking(here, text, sizeof text), "");
    cr_expect_str_eq(fv_features_lacking(here | elsewhere, text, sizeof text), names);
    cr_expect(!strncmp(fv_features_lacking(elsewhere, small, sizeof small), names, 3));
    cr_expect_lt(strlen(small), sizeof small);
    fv_features_lacking(UINT64_MAX, text, sizeof text);
    cr_expect(strlen(text) < sizeof text - 20, "there is room for all");
}

static bool is_among(const char *const *list, const char *word) {
    for (; *list; list++)
        if (!strcmp(*list, word))
            return true;
    return false;
}

/* The macros that generated C checks: of two macros, one of which implies the other, only the one
 * that implies. */
Test(feature, macros_of_compilers) {
    const char *const *v3 = fv_features_macros(arena, fv_target_features(read("x86-64-v3")));
    cr_expect(is_among(v3, "__AVX2__") && is_among(v3, "__FMA__") && is_among(v3, "__F16C__"));
    cr_expect(!is_among(v3, "__AVX__") && !is_among(v3, "__SSE4_2__"));
    const char *const *more = fv_features_macros(arena, fv_target_features(read("x86-64-v4+vnni")));
    cr_expect(is_among(more, "__AVX512VNNI__") && is_among(more, "__AVX512BW__"));
    cr_expect_null(*fv_features_macros(arena, 0));
}

/* A name that begins like the row of a chip is answered with the target of that row: no row before
 * it is a beginning of the name. A `+` is a part of a name only at its end. */
Test(feature, chips_are_answered_with_a_target) {
    static const char *const pairs[][2] = {
#define CHIP(chip, target) {chip, target},
#include "ir/target/chip.def"
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *chip = pairs[i][0], *end = chip[strlen(chip) - 1] == '+' ? "" : "-x";
        cr_expect(fv_target_find(pairs[i][1]), "%s", pairs[i][1]);
        refused(fv_printf(arena, "%s%s", chip, end),
                fv_printf(arena, "there is no target '%s%s'; did you mean '%s'?", chip, end,
                          pairs[i][1]));
    }
}

Test(feature, chips_of_other_architectures_are_answered_with_the_reason) {
    static const struct {
        const char *chip, *architecture, *target;
    } chips[] = {
#define FOREIGN(chip, architecture, target) {chip, architecture, target},
#include "ir/target/chip.def"
    };
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
        const char *target = chips[i].target, *name = fv_printf(arena, "%s-x", chips[i].chip);
        cr_expect(!target || fv_target_find(target), "%s", target);
        refused(name,
                fv_printf(arena, "there is no target '%s': it is %s%s", name, chips[i].architecture,
                          target ? fv_printf(arena, "; target '%s' makes C that runs there", target)
                                 : ""));
    }
    refused("ESP32-S3", "there is no target 'ESP32-S3': it is Xtensa; target 'generic32' makes C "
                        "that runs there");
}

/* Names as the manufacturers and docs/cli.md write them. */
Test(feature, chips_are_found_in_any_spelling) {
    static const char *const pairs[][2] = {
        {"RP2040", "cortex-m0plus"},     {"STM32F407", "cortex-m4"},
        {"stm32-H743", "cortex-m7"},     {"Cortex-M0", "cortex-m0"},
        {"Cortex-M0+", "cortex-m0plus"}, {"cortex-m0+", "cortex-m0plus"},
        {"CORTEX_M4", "cortex-m4"},      {"Cortex-M4 with FPU", "cortex-m4"},
        {"Cortex-M35P", "cortex-m33"},   {"Cortex-M3", "cortex-m3"},
        {"i.MX RT1062", "cortex-m7"},    {"SAM D21", "cortex-m0plus"},
        {"SAM3X", "cortex-m3"},          {"nRF52840", "cortex-m4"},
        {"ESP32-C6", "esp32c3"},         {"ESP32-H2", "esp32c3"},
        {"ESP32C3", "esp32c3"},          {"RV32IMC", "esp32c3"},
        {"riscv32imc", "esp32c3"},       {"RV32IMAC", "riscv32imac"},
        {"RV32IMAFC", "riscv32imafc"},   {"CH32V307", "riscv32imafc"},
        {"GD32VF103", "riscv32imac"},    {"Generic32", "generic32"},
        {"RV32I", "generic32"},          {"rv32im", "generic32"},
        {"rv32ima", "generic32"},        {"riscv32e", "generic32"},
        {"rv32imaf", "generic32"},       {"riscv32imafdc", "riscv32imafc"},
        {"rv32gc", "riscv32imafc"},      {"rv32", "riscv32imac"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        refused(pairs[i][0], fv_printf(arena, "there is no target '%s'; did you mean '%s'?",
                                       pairs[i][0], pairs[i][1]));
}
