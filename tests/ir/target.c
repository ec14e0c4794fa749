/* Targets and processors: which family a CPU is of, and what becomes of a target that is made for
 * one. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/target/target.h"

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
    cr_expect_str_eq(family("AuthenticAMD", 0x1a, 0x02), "zen4", "Zen 5");
    cr_expect_str_eq(family("AuthenticAMD", 6, 0x3f), "generic");
    cr_expect_str_eq(family("arm", 0, 0xd0c), "neoverse-n1");
    cr_expect_str_eq(family("arm", 0, 0xd40), "neoverse-v1");
    cr_expect_str_eq(family("arm", 0, 0xd4f), "neoverse-v2");
    cr_expect_str_eq(family("arm", 0, 0xd08), "cortex-a");
    cr_expect_str_eq(family("arm", 0, 0xd06), "generic");
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
    fv_session *session = fv_session_new();
    cr_assert(session);
    fv_arena *arena = fv_arena_new(session);
    const fv_target *v3 = fv_target_find("x86-64-v3"),
                    *t = fv_target_for(arena, v3, FV_PROCESSOR_zen3);
    cr_assert(t);
    cr_expect_eq(t->processor, FV_PROCESSOR_zen3);
    cr_expect_eq(t->l2_bytes, 512 << 10);
    cr_expect_eq(v3->l2_bytes, 256 << 10);
    cr_expect_eq(fv_target_for(arena, v3, FV_PROCESSOR_generic)->l2_bytes, v3->l2_bytes);
    cr_expect_null(fv_target_for(arena, v3, FV_PROCESSOR_neoverse_n1), "another architecture");
    cr_expect(fv_target_for(arena, fv_target_find("aarch64"), FV_PROCESSOR_neoverse_n1));
    const fv_target *here = fv_target_choose(arena, "native");
    cr_expect(here->l2_bytes > 0 && here->processor == fv_processor_here());
    int most = fv_processor_at(here->processor)->l3_bytes;
    cr_expect(!most || here->l3_bytes <= most, "no more than the family has");
    fv_session_free(session);
}
