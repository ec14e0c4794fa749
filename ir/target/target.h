/* target.h - targets: the machine for which code is generated. The table is
 * ir/target/target.def. */
#ifndef FV_IR_TARGET_TARGET_H
#define FV_IR_TARGET_TARGET_H

#include "ir/target/feature.h"
#include "ir/target/processor.h"

/* The operations that are single instructions of the target; expansion writes the others with
 * several. */
typedef struct fv_target_arithmetic {
    bool fma32, fma64;   /* fused multiply-add of f32, f64 */
    bool round;          /* floor, ceil, trunc and rint */
    bool sqrt32, sqrt64; /* sqrt of f32, f64 */
    bool double_;        /* arithmetic of f64; affects speed only */
} fv_target_arithmetic;

typedef struct fv_target {
    const char *name; /* "x86-64-v3", "x86-64-v4+vnni"; "native" */
    /* the text of the target that "native" resolved to on this machine; otherwise `name` */
    const char *entry;
    const char *triple;   /* for LLVM */
    const char *cpu;      /* for LLVM */
    const char *features; /* for LLVM; "": none besides those of `cpu` */
    struct {
        const char *flags; /* for gcc and clang */
        /* prefix of the toolchain, "arm-none-eabi-", for targets without operating system and
         * threads; NULL: the toolchain of the host or any */
        const char *tools;
    } c;
    fv_level level; /* the features of this level are available; none: the CPU is unknown */
    uint64_t more;  /* further features that are available, as bits */
    int pointer_bits;
    int vector_bits; /* 0: scalar code only */
    int vector_registers;
    fv_target_arithmetic single;
    fv_caches caches;
    /* the family for which kernels are built; generic if the entry names none */
    fv_processor_id processor;
    const fv_processor *columns; /* values in place of those of that family; NULL: none */
} fv_target;

/* The entry of that name, without additional features; "native" is resolved on this machine. NULL:
 * no such entry. */
const fv_target *fv_target_find(const char *name);
/* Parses a target: LEVEL, or LEVEL+FEATURE+... with features in any order. The name of the result
 * lists each feature once, in the order of feature.def, without those of the level. "native" has
 * every feature of the table that this machine has. NULL: `*why` says what is wrong and what is
 * possible. */
const fv_target *fv_target_read(fv_arena *a, const char *text, const char **why);
/* Parses a target for code that may run here: for "native", the processor and caches are those of
 * this machine. NULL if the text is not a target. */
const fv_target *fv_target_choose(fv_arena *a, const char *name);
/* A copy of t for that processor, with its caches; NULL: the processor has another architecture. */
const fv_target *fv_target_for(fv_arena *a, const fv_target *t, fv_processor_id processor);
const fv_target *fv_target_baseline(void); /* the first entry for this architecture */
const char *const *fv_target_names(void);  /* NULL-terminated */
const char *fv_target_str(fv_arena *a, const fv_target *t); /* "native (x86-64-v3)" */
/* All features of the target, as bits: those of its level and the additional ones. */
uint64_t fv_target_features(const fv_target *t);
bool fv_target_has(const fv_target *t, fv_feature_id f) FV_MUST_USE;
/* The features that can be added to an entry, NULL-terminated. */
const char *const *fv_target_feature_names(fv_arena *a, const fv_target *entry);
/* The columns by which kernels for the target are made. */
const fv_processor *fv_processor_of(const fv_target *t);
/* Can this machine run code for the target? */
bool fv_target_runs_here(const fv_target *t) FV_MUST_USE;

#endif
