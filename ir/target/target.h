/* target.h - what the machine that code is made for can do. Targets are data:
 * ir/target/target.def. */
#ifndef FV_IR_TARGET_TARGET_H
#define FV_IR_TARGET_TARGET_H

#include "ir/target/processor.h"

typedef struct fv_target {
    const char *name;     /* "x86-64-v3"; "native" */
    const char *entry;    /* of target.def: what native is on this machine, else the name */
    const char *triple;   /* for LLVM */
    const char *cpu;      /* for LLVM */
    const char *features; /* for LLVM; "" : none besides the cpu's */
    const char *cflags;   /* for gcc and clang */
    /* "arm-none-eabi-": prefix of its own, there is no system and no thread; NULL: the host's or
     * any */
    const char *tools;
    /* C macros that must be defined, separated by spaces: "__AVX2__ __FMA__" */
    const char *macros;
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

/* By name; "native" is found out on this machine. NULL: not known. */
const fv_target *fv_target_find(const char *name);
/* The same, for code that will run here where it is "native": for the processor and the caches that
 * this machine has. */
const fv_target *fv_target_choose(fv_arena *a, const char *name);
/* The target for that processor, with its caches; NULL: it is of another architecture. */
const fv_target *fv_target_for(fv_arena *a, const fv_target *t, fv_processor_id processor);
const fv_target *fv_target_baseline(void);                  /* of this architecture */
const char *const *fv_target_names(void);                   /* NULL terminated */
const char *fv_target_str(fv_arena *a, const fv_target *t); /* "native (x86-64-v3)" */
/* Can this machine run code for the target? */
bool fv_target_runs_here(const fv_target *t) FV_MUST_USE;

#endif
