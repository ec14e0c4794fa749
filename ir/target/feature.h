/* feature.h - what CPUs have beyond the oldest of their architecture, and how they say so:
 * ir/target/feature.def. */
#ifndef FV_IR_TARGET_FEATURE_H
#define FV_IR_TARGET_FEATURE_H

#include "ir/base/text.h"

typedef enum {
#define FEATURE(id, ...) FV_FEATURE_##id,
#include "ir/target/feature.def"
    FV_NFEATURES
} fv_feature_id;

/* Sets of features have a bit for each. */
#define FV_FEATURE_BIT(id) (UINT64_C(1) << FV_FEATURE_##id)
_Static_assert(FV_NFEATURES <= 64, "a set of features is a word");

/* Levels: sets of features that came together. Those of one architecture are neighbours, and each
 * has what those before it have. */
typedef enum {
    FV_LEVEL_none,
    FV_LEVEL_cortex_m4,
    FV_LEVEL_riscv64,
    FV_LEVEL_aarch64,
    FV_LEVEL_x86_64,
    FV_LEVEL_x86_64_v2,
    FV_LEVEL_x86_64_v3,
    FV_LEVEL_x86_64_v4
} fv_level;

typedef enum { FV_CPU_ALWAYS, FV_CPU_CPUID, FV_CPU_ID } fv_cpu_kind;
enum { FV_CPUID_EAX, FV_CPUID_EBX, FV_CPUID_ECX, FV_CPUID_EDX };
enum { FV_ID_ISAR0, FV_ID_ISAR1, FV_ID_PFR0, FV_NIDS };

typedef struct fv_feature {
    const char *name, *architecture;
    fv_level level, base;
    const char *macro, *llvm, *flag;
    uint64_t needs;
    fv_cpu_kind kind;
    uint32_t leaf, subleaf, state; /* of CPUID: state are bits of XCR0 */
    uint8_t reg, bit;              /* of CPUID; of ID: the register, and its lowest bit */
} fv_feature;

const fv_feature *fv_feature_at(fv_feature_id id);
/* The same features, and all that they need. */
uint64_t fv_features_closed(uint64_t features);
/* What that level of its architecture has. */
uint64_t fv_level_features(fv_level level);
/* Those of the set that no other one in it needs: to ask for these is to ask for all. */
uint64_t fv_features_asked(uint64_t features);
/* Macros that C compilers define where they may use them, without those that others imply; NULL
 * terminated. */
const char *const *fv_features_macros(fv_arena *a, uint64_t features);
/* Is there one among them that a CPU of the architecture may lack? */
bool fv_features_can_lack(uint64_t features) FV_MUST_USE;
/* Does this machine have all of them? */
bool fv_features_here(uint64_t features) FV_MUST_USE;

/* What a set asks of cpuid: for each leaf bits of EAX to EDX, all of which must be set. The first
 * leaf is 1, whose ECX has OSXSAVE where `state` is not 0: then XCR0 must have those bits. */
enum { FV_CPUID_LEAVES = 4 };
typedef struct fv_cpuid_need {
    struct {
        uint32_t leaf, subleaf, mask[4];
    } at[FV_CPUID_LEAVES];
    uint32_t state;
} fv_cpuid_need;
fv_cpuid_need fv_features_cpuid(uint64_t features);
/* The name for assemblers of an ID register of aarch64. */
const char *fv_id_register(int reg);

#endif
