/* feature.h - features of CPUs, and how to detect them; the table is ir/target/feature.def. */
#ifndef FV_IR_TARGET_FEATURE_H
#define FV_IR_TARGET_FEATURE_H

#include "ir/base/text.h"

typedef enum {
#define FEATURE(id, ...) FV_FEATURE_##id,
#include "ir/target/feature.def"
    FV_NFEATURES
} fv_feature_id;

/* The bit of a feature in a set of features. */
#define FV_FEATURE_BIT(id) (UINT64_C(1) << FV_FEATURE_##id)
_Static_assert(FV_NFEATURES <= 64, "a set of features is a word");

/* Levels: sets of features that were introduced together. Levels of one architecture are listed in
 * ascending order, and each contains those before it. */
typedef enum {
    FV_LEVEL_none,
    FV_LEVEL_cortex_m4,
    FV_LEVEL_cortex_m33,
    FV_LEVEL_cortex_m55,
    FV_LEVEL_riscv32f,
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
    uint64_t needs;
    fv_cpu_kind kind;
    uint32_t leaf, subleaf, state; /* CPUID: leaf and subleaf; the bits of XCR0 that must be set */
    /* reg: the register of CPUID or ID; bit: for CPUID the bit, for ID the lowest bit of the
     * field */
    uint8_t reg, bit;
} fv_feature;

const fv_feature *fv_feature_at(fv_feature_id id);

/* The names of a feature for compilers, as in feature.def. They are apart from fv_feature, so that
 * libfovea-run does not contain them. */
typedef struct fv_feature_words {
    const char *macro, *llvm, *flag;
} fv_feature_words;
const fv_feature_words *fv_feature_words_at(fv_feature_id id);
/* The set with the features that its members need added. */
uint64_t fv_features_closed(uint64_t features);
/* The features of a level. */
uint64_t fv_level_features(fv_level level);
/* The members of a set that no other member needs: a check for these is a check for the whole
 * set. */
uint64_t fv_features_to_check(uint64_t features);
/* Names of the macros by which C compilers state that they may use the features, NULL-terminated; a
 * macro that another one implies is left out. An entry may be two names with a `|` between them, of
 * which a compiler defines one. */
const char *const *fv_features_macros(fv_arena *a, uint64_t features);
/* Does the set contain a feature whose test in feature.def is not ALWAYS, so that a CPU may lack
 * it? */
bool fv_features_can_lack(uint64_t features) FV_MUST_USE;
/* The features of the set that this machine has. Those whose test is ALWAYS count as present, also
 * on a machine of another architecture: callers compare architectures first. Tile registers count
 * as present if the CPU and the system have them; this asks for no permission to use them
 * (fv_features_refused). */
uint64_t fv_features_present(uint64_t features) FV_MUST_USE;
/* Does this machine have all features of the set? */
bool fv_features_here(uint64_t features) FV_MUST_USE;

/* The CPUID bits that a set needs: for each leaf a mask of EAX, EBX, ECX and EDX, all of whose bits
 * must be set. The first leaf is 1. If `state` is not 0, ECX of that leaf includes OSXSAVE, and
 * XCR0 must have the bits of `state`. */
enum { FV_CPUID_LEAVES = 4 };
typedef struct fv_cpuid_need {
    struct {
        uint32_t leaf, subleaf, mask[4];
    } at[FV_CPUID_LEAVES];
    uint32_t state;
} fv_cpuid_need;
fv_cpuid_need fv_features_cpuid(uint64_t features);
/* Some state of XCR0 is not saved for a process before the process asks Linux for it, once: the
 * contents of tile registers, FV_STATE_TILES. It asks by the system call with the number
 * FV_ASK_CALL and the arguments FV_ASK_STATE and the number of the bit; the call returns 0 if the
 * process may use the registers. With FV_FIND_STATE and the address of a word of 64 bits, the call
 * writes the bits of the states that Linux can save, and permits nothing (Linux,
 * Documentation/arch/x86/xstate.rst). */
enum {
    FV_STATE_TILES = 1 << 18,
    FV_STATE_TILES_BIT = 18,
    FV_ASK_CALL = 158,      /* arch_prctl */
    FV_FIND_STATE = 0x1021, /* ARCH_GET_XCOMP_SUPP */
    FV_ASK_STATE = 0x1023,  /* ARCH_REQ_XCOMP_PERM */
};
/* Asks the system for the registers of the features that it gives to a process only on request,
 * once for the whole process. Returns the features of the set whose registers it refuses; 0:
 * this process may use them all, or they need no request. */
uint64_t fv_features_refused(uint64_t features) FV_MUST_USE;
/* The text by which assemblers address the ID register `reg` of aarch64 (FV_ID_ISAR0, ..): its
 * encoding, "s3_0_c0_c6_0". */
const char *fv_id_register(int reg);

#endif
