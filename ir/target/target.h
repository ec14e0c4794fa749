/* target.h - targets: the machine for which code is generated. The table is
 * ir/target/target.def. */
#ifndef FV_IR_TARGET_TARGET_H
#define FV_IR_TARGET_TARGET_H

#include "ir/target/feature.h"
#include "ir/target/processor.h"

/* The operations for which the target has a single instruction; expansion replaces the others by
 * several operations. */
typedef struct fv_target_arithmetic {
    bool fma32, fma64;   /* fused multiply-add of f32; of f64 */
    bool round;          /* floor, ceil, trunc and rint */
    bool sqrt32, sqrt64; /* sqrt of f32; of f64 */
    bool nearest; /* conversion of f32 to i32 that rounds to nearest, and saturates; NaN is 0 */
    bool double_; /* arithmetic of f64 in hardware; affects speed only */
} fv_target_arithmetic;

/* The operating system of a target, on which object format, calling convention and linker
 * depend. */
typedef enum {
    FV_SYSTEM_ELF, /* Linux, and other systems and bare machines whose objects are ELF */
    FV_SYSTEM_WINDOWS,
    FV_SYSTEM_MACOS
} fv_system;

/* The family of instruction sets of a target. */
typedef enum {
    FV_ISA_PORTABLE, /* C for any machine, of which nothing else is known */
    FV_ISA_CORTEX_M, /* Thumb */
    FV_ISA_RISCV,
    FV_ISA_AARCH64,
    FV_ISA_X86
} fv_isa;

/* What kind of machine a target is, where decisions weigh time against memory. */
typedef enum {
    FV_TARGET_SERVER, /* servers, laptops and phones: large memory behind caches */
    FV_TARGET_SMALL,  /* 32-bit machines with any system: memory is worth more than time */
    FV_TARGET_MICRO   /* microcontrollers without operating system and caches; as FV_TARGET_SMALL */
} fv_target_kind;

typedef struct fv_target {
    const char *name; /* the name, such as "x86-64-v3", "x86-64-v4-windows+vnni" or "native" */
    /* the text of the target that "native" resolved to on this machine; otherwise `name` */
    const char *entry;
    fv_target_kind kind;
    bool threads; /* programs can run tasks on several threads */
    fv_isa isa;
    fv_system system;
    struct {
        const char *triple;
        const char *cpu;      /* name of the CPU */
        const char *features; /* additional features; "": only those of `cpu` */
    } llvm;
    struct {
        const char *flags; /* options for gcc and clang */
        /* prefix of the names of the toolchain, "arm-none-eabi-", of a microcontroller; NULL: any
         * toolchain */
        const char *tools;
    } c;
    fv_level level; /* the level whose features are available; none: no feature of feature.def is */
    uint64_t more;  /* set of further features that are available */
    int pointer_bits;
    int vector_bits; /* width of a vector register in bits; 0: there are no vectors */
    int vector_registers;
    /* general registers that most instructions can use; 0: so many that no schedule counts them */
    int core_registers;
    fv_target_arithmetic single;
    fv_caches caches;
    /* the family of processors for which kernels are built; generic if the entry names none */
    fv_processor_id processor;
    /* properties and speeds that a profile states or that were drawn at random, in place of those
     * that processor.def has for `processor`; NULL: those of processor.def */
    struct {
        const fv_processor *properties;
        const struct fv_measure *speeds; /* FV_NMEASURES of them (machine.h) */
    } own;
} fv_target;

/* Is it a processor with 64-bit addresses and vectors, like those of servers and phones, and not a
 * microcontroller? */
static inline bool fv_is_vector_processor(const fv_target *t) {
    return t->vector_bits > 0 && t->kind == FV_TARGET_SERVER;
}

/* The instruction set of this machine; portable: it is none of fv_isa. */
fv_isa fv_isa_here(void);

/* The entry of that name, without additional features; "native" is resolved on this machine. NULL:
 * no such entry. */
const fv_target *fv_target_find(const char *name);
/* Parses a target: LEVEL, LEVEL-windows or LEVEL-macos, then any number of +FEATURE in any order.
 * The name of the result lists each feature once, in the order of feature.def, without those of the
 * level. "native" has every feature that this machine has and that can be added to its level. NULL:
 * `*why` says what is wrong and what is possible. */
const fv_target *fv_target_read(fv_arena *a, const char *text, const char **why);
/* A copy of t, which is "native", without these features and those that need them. */
const fv_target *fv_target_without(fv_arena *a, const fv_target *t, uint64_t features);
enum { FV_MAX_LEVELS = 8 }; /* largest number of targets in a list */
/* Parses a list of targets with commas, for code that chooses one of them where it is loaded:
 * different targets of one architecture and system, whose features a CPU can report. Returns *n
 * targets, the lowest first: each has a level at least as high as the one before it, and, at the
 * same level, at least as many features. NULL: `*why` says what is wrong. */
const fv_target *const *fv_targets_read(fv_arena *a, const char *text, int *n, const char **why);
/* Parses a target for code that may run here: for "native", the processor and caches are those of
 * this machine. NULL if the text is not a target. */
const fv_target *fv_target_choose(fv_arena *a, const char *name);
/* A copy of t for that processor, with its caches; NULL: the processor has another architecture. */
const fv_target *fv_target_for(fv_arena *a, const fv_target *t, fv_processor_id processor);
/* A copy of t for that processor, with `properties` instead of those of processor.def; properties
 * NULL: those of processor.def. Returns NULL if the processor has another architecture. */
const fv_target *fv_target_with_properties(fv_arena *a, const fv_target *t,
                                           fv_processor_id processor,
                                           const fv_processor *properties);
/* the first entry with an instruction set of its own that this machine runs; generic: there is
 * none */
const fv_target *fv_target_baseline(void);
/* "native" and the names of all entries, NULL-terminated */
const char *const *fv_target_names(void);
/* the target for messages: "native (x86-64-v3)" */
const char *fv_target_str(fv_arena *a, const fv_target *t);
/* The name of a system in the text of a target, "windows"; "" for ELF. */
const char *fv_system_name(fv_system system);
/* The suffix of shared libraries of a system: ".so", ".dll" or ".dylib". */
const char *fv_system_library(fv_system system);
/* The bits of XCR0 that code for a system compares with the state that its features need
 * (fv_features_cpuid). macOS sets those of AVX-512 only when a thread first executes such an
 * instruction, so there the bits of SSE and AVX have to be enough. */
uint32_t fv_system_state(fv_system system);
/* All features of the target, as bits: those of its level and the additional ones. */
uint64_t fv_target_features(const fv_target *t);
bool fv_target_has(const fv_target *t, fv_feature_id f) FV_MUST_USE;
/* Does the target load and store some lanes of a vector, of any type, by one instruction? */
bool fv_target_has_masks(const fv_target *t) FV_MUST_USE;
/* The features that can be added to an entry, NULL-terminated. */
const char *const *fv_target_feature_names(fv_arena *a, const fv_target *entry);
/* The properties of the processor for which kernels of the target are built. */
const fv_processor *fv_processor_of(const fv_target *t);
/* Can this machine run code for the target? */
bool fv_target_runs_here(const fv_target *t) FV_MUST_USE;

#endif
