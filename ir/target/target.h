/* target.h - what the machine that code is made for can do. Targets are data:
 * ir/target/target.def. */
#ifndef FV_IR_TARGET_TARGET_H
#define FV_IR_TARGET_TARGET_H

#include "ir/target/feature.h"
#include "ir/target/processor.h"

typedef struct fv_target {
    const char *name;     /* "x86-64-v3", "x86-64-v4+vnni"; "native" */
    const char *entry;    /* what native is on this machine, as text of a target; else the name */
    const char *triple;   /* for LLVM */
    const char *cpu;      /* for LLVM */
    const char *features; /* for LLVM; "" : none besides the cpu's */
    const char *cflags;   /* for gcc and clang */
    /* "arm-none-eabi-": prefix of its own, there is no system and no thread; NULL: the host's or
     * any */
    const char *tools;
    fv_level level; /* whose features it has; none: nothing is known of the CPU */
    uint64_t more;  /* features that it has besides */
    int pointer_bits;
    int vector_bits; /* 0: scalar code only */
    int vector_registers;
    bool fma32, fma64;   /* FMA exists for that type; else expansion writes two steps */
    bool round;          /* floor, ceil, trunc, rint are instructions */
    bool sqrt32, sqrt64; /* are instructions; else expanded */
    bool double_;        /* f64 arithmetic in hardware (speed only) */
    int l1_bytes, l2_bytes, l3_bytes;
    fv_processor_id processor; /* that kernels are made for; generic where the entry names none */
} fv_target;

/* The entry of that name, without features beyond its level; "native" is found out on this
 * machine. NULL: not known. */
const fv_target *fv_target_find(const char *name);
/* What a text says: LEVEL, or LEVEL+FEATURE+..., of features in any order; the name of what comes
 * back has each once, in the order of feature.def, and none that the level has. "native" has all
 * that the table and this machine have. NULL: `*why` says what is wrong, and what there is. */
const fv_target *fv_target_read(fv_arena *a, const char *text, const char **why);
/* The same, NULL where it is wrong, for code that will run here where it is "native": for the
 * processor and the caches that this machine has. */
const fv_target *fv_target_choose(fv_arena *a, const char *name);
/* The target for that processor, with its caches; NULL: it is of another architecture. */
const fv_target *fv_target_for(fv_arena *a, const fv_target *t, fv_processor_id processor);
const fv_target *fv_target_baseline(void);                  /* of this architecture */
const char *const *fv_target_names(void);                   /* NULL terminated */
const char *fv_target_str(fv_arena *a, const fv_target *t); /* "native (x86-64-v3)" */
/* What its CPU has, of its level and besides. */
uint64_t fv_target_features(const fv_target *t);
bool fv_target_has(const fv_target *t, fv_feature_id f) FV_MUST_USE;
/* Features that can be added to the entry, NULL terminated. */
const char *const *fv_target_feature_names(fv_arena *a, const fv_target *entry);
/* Can this machine run code for the target? */
bool fv_target_runs_here(const fv_target *t) FV_MUST_USE;

#endif
