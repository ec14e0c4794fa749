/* target.c - the table of targets, and what this machine can run. */
#include "ir/target/target.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static const fv_target targets[] = {
#define TARGET(text, ...) {.name = text, .entry = text, __VA_ARGS__},
#include "ir/target/target.def"
#undef TARGET
};

enum { NTARGETS = sizeof targets / sizeof *targets };

static const fv_target natives[] = {
/* the same, called native */
#define TARGET(text, ...) {.name = "native", .entry = text, __VA_ARGS__},
#include "ir/target/target.def"
#undef TARGET
};

static const char *host_architecture(void) {
#if defined __x86_64__
    return "x86_64";
#elif defined __aarch64__
    return "aarch64";
#elif defined __riscv && __riscv_xlen == 64
    return "riscv64";
#else
    return "?";
#endif
}

/* Levels of x86 as the psABI defines them; a feature stands for those that came with it. */
static bool x86_level_runs_here(const char *cpu) {
#if defined __x86_64__
    if (strcmp(cpu, "x86-64-v4") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && x86_level_runs_here("x86-64-v3");
    if (strcmp(cpu, "x86-64-v3") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (strcmp(cpu, "x86-64-v2") == 0)
        return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") &&
               __builtin_cpu_supports("ssse3");
#else
    (void)cpu;
#endif
    return true;
}

/* Does this machine have what all these macros of a target stand for? One that is not known: no. */
static bool x86_has(const char *macros) {
#if defined __x86_64__
    const struct {
        const char *macro;
        bool here;
    } features[] = {
#define HAS(macro, name) {macro, __builtin_cpu_supports(name) != 0},
        HAS("__SSE2__", "sse2") HAS("__SSE3__", "sse3") HAS("__SSSE3__", "ssse3")
            HAS("__SSE4_1__", "sse4.1") HAS("__SSE4_2__", "sse4.2") HAS("__POPCNT__", "popcnt")
                HAS("__AVX__", "avx") HAS("__AVX2__", "avx2") HAS("__FMA__", "fma")
                    HAS("__BMI__", "bmi") HAS("__BMI2__", "bmi2") HAS("__GFNI__", "gfni")
                        HAS("__AVX512F__", "avx512f") HAS("__AVX512BW__", "avx512bw")
                            HAS("__AVX512CD__", "avx512cd") HAS("__AVX512DQ__", "avx512dq")
                                HAS("__AVX512VL__", "avx512vl") HAS("__AVX512VBMI__", "avx512vbmi")
                                    HAS("__AVX512VBMI2__", "avx512vbmi2")
                                        HAS("__AVX512VNNI__", "avx512vnni")
                                            HAS("__AVX512BITALG__", "avx512bitalg")
                                                HAS("__AVX512VPOPCNTDQ__", "avx512vpopcntdq")
                                                    HAS("__AVX512BF16__", "avx512bf16")
#undef HAS
    };
    for (const char *p = macros; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        bool here = false;
        for (size_t i = 0; i < sizeof features / sizeof *features; i++)
            here |= features[i].here && strlen(features[i].macro) == n &&
                    !memcmp(features[i].macro, p, n);
        if (!here)
            return false;
        p += n;
    }
#else
    (void)macros;
#endif
    return true;
}

bool fv_target_runs_here(const fv_target *t) {
    if (*t->triple == '\0')
        return true;
    size_t n = strlen(host_architecture());
    if (strncmp(t->triple, host_architecture(), n) != 0 || t->triple[n] != '-')
        return false;
    return x86_level_runs_here(t->cpu) && x86_has(t->macros);
}

/* Widest first, so that the first that runs is the best. */
static const fv_target *native(void) {
    for (int i = NTARGETS - 1; i > 0; i--)
        if (fv_target_runs_here(&natives[i]))
            return &natives[i];
    return &natives[0];
}

const fv_target *fv_target_find(const char *name) {
    if (strcmp(name, "native") == 0)
        return native();
    for (int i = 0; i < NTARGETS; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

/* What the system tells of a cache, in bytes; 0 or less: nothing. Larger than an int is as good as
 * that. */
static int cache_bytes(int name, int otherwise) {
    long bytes = sysconf(name);
    return bytes <= 0 ? otherwise : bytes > INT_MAX ? INT_MAX : (int)bytes;
}

const fv_target *fv_target_for(fv_arena *a, const fv_target *of, fv_processor_id processor) {
    const fv_processor *p = fv_processor_at(processor);
    size_t n = strlen(p->architecture);
    if (n && (strncmp(of->triple, p->architecture, n) != 0 || of->triple[n] != '-'))
        return NULL;
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = *of;
    t->processor = processor;
    t->l1_bytes = p->l1_bytes ? p->l1_bytes : t->l1_bytes;
    t->l2_bytes = p->l2_bytes ? p->l2_bytes : t->l2_bytes;
    t->l3_bytes = p->l3_bytes ? p->l3_bytes : t->l3_bytes;
    return t;
}

const fv_target *fv_target_choose(fv_arena *a, const char *name) {
    const fv_target *entry = fv_target_find(name);
    if (!entry || strcmp(entry->name, "native"))
        return entry;
    const fv_target *here = fv_target_for(a, entry, fv_processor_here());
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = here ? *here : *entry;
    t->l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, t->l1_bytes);
    t->l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, t->l2_bytes);
    int last = cache_bytes(_SC_LEVEL3_CACHE_SIZE, t->l3_bytes),
        known = fv_processor_at(t->processor)->l3_bytes;
    /* some systems tell of all of a package, of which a core has a part */
    t->l3_bytes = known && known < last ? known : last;
    return t;
}

const fv_target *fv_target_baseline(void) {
    for (int i = 0; i < NTARGETS; i++)
        if (*targets[i].triple && fv_target_runs_here(&targets[i]))
            return &targets[i];
    return &targets[0];
}

const char *const *fv_target_names(void) {
    static const char *const names[] = {
        "native",
#define TARGET(text, ...) text,
#include "ir/target/target.def"
#undef TARGET
        NULL,
    };
    return names;
}

const char *fv_target_str(fv_arena *a, const fv_target *t) {
    return strcmp(t->name, t->entry) ? fv_printf(a, "%s (%s)", t->name, t->entry) : t->name;
}
