/* feature.c - the table of features, and which of them this machine has. */
#include "ir/target/feature.h"

#include <stdio.h>
#include <string.h>

#include "ir/target/lacking.h"
#include "ir/target/target.h"
#if defined __x86_64__
#include <cpuid.h>
#endif
#if defined __x86_64__ && defined __linux__
#include <unistd.h>
#endif

static const fv_feature features[] = {
#define HAS(id) FV_FEATURE_BIT(id)
#define ALWAYS  .kind = FV_CPU_ALWAYS
#define CPUID(leaf_, subleaf_, reg_, bit_, state_)                                                 \
    .kind = FV_CPU_CPUID, .leaf = (leaf_), .subleaf = (subleaf_), .reg = FV_CPUID_##reg_,          \
    .bit = (bit_), .state = (state_)
#define ID(reg_, shift) .kind = FV_CPU_ID, .reg = FV_ID_##reg_, .bit = (shift)
#define FEATURE(id, text, of, level_, base_, macro, llvm, flag, needs_, ...)                       \
    {.name = text,                                                                                 \
     .architecture = of,                                                                           \
     .level = FV_LEVEL_##level_,                                                                   \
     .base = FV_LEVEL_##base_,                                                                     \
     .needs = needs_,                                                                              \
     __VA_ARGS__},
#include "ir/target/feature.def"
#undef HAS
#undef ALWAYS
#undef CPUID
#undef ID
};

const fv_feature *fv_feature_at(fv_feature_id id) {
    return &features[id];
}

static bool has(uint64_t set, int id) {
    return set >> id & 1;
}

uint64_t fv_features_closed(uint64_t set) {
    uint64_t before;
    do {
        before = set;
        for (int i = 0; i < FV_NFEATURES; i++)
            set |= has(set, i) ? features[i].needs : 0;
    } while (set != before);
    return set;
}

static bool same_architecture(fv_level level, const fv_feature *f) {
    for (int i = 0; i < FV_NFEATURES; i++)
        if (features[i].level == level)
            return !strcmp(features[i].architecture, f->architecture);
    return false;
}

uint64_t fv_level_features(fv_level level) {
    uint64_t set = 0;
    for (int i = 0; i < FV_NFEATURES; i++) {
        const fv_feature *f = &features[i];
        if (f->level != FV_LEVEL_none && f->level <= level && same_architecture(level, f))
            set |= UINT64_C(1) << i;
    }
    return set;
}

uint64_t fv_features_to_check(uint64_t set) {
    uint64_t needed = 0;
    for (int i = 0; i < FV_NFEATURES; i++)
        needed |= has(set, i) ? fv_features_closed(features[i].needs) : 0;
    return set & ~needed;
}

bool fv_features_can_lack(uint64_t set) {
    for (int i = 0; i < FV_NFEATURES; i++)
        if (has(set, i) && features[i].kind != FV_CPU_ALWAYS)
            return true;
    return false;
}

/* The number of the feature with this name, of the architecture of `level`; -1: there is none. */
static int find_feature(const char *name, size_t n, fv_level level) {
    for (int i = 0; i < FV_NFEATURES; i++)
        if (strlen(features[i].name) == n && !memcmp(features[i].name, name, n) &&
            same_architecture(level, &features[i]))
            return i;
    return -1;
}

/* The length of the level in the text of a target, without system and features. */
static size_t level_length(const char *target) {
    static const char *const systems[] = {"-windows", "-macos"};
    size_t n = strcspn(target, "+");
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        size_t k = strlen(systems[i]);
        if (n > k && !memcmp(target + n - k, systems[i], k))
            return n - k;
    }
    return n;
}

/* Sets *level to that of the entry whose name is the first n bytes of the text; false: there is no
 * such entry. Only the levels are compiled in: libfovea-run needs nothing else of the entries. */
static bool find_level(const char *text, size_t n, fv_level *level) {
#define TARGET(name, ...)                                                                          \
    if (strlen(name) == n && !memcmp(text, name, n)) {                                             \
        *level = ((fv_target){__VA_ARGS__}).level;                                                 \
        return true;                                                                               \
    }
#include "ir/target/target.def"
#undef TARGET
    return false;
}

bool fv_features_read(const char *target, uint64_t *out) {
    fv_level level;
    size_t n = level_length(target);
    if (!find_level(target, n, &level))
        return false;
    uint64_t set = fv_level_features(level);
    for (const char *s = target + strcspn(target, "+"); *s; s += n) {
        n = strcspn(++s, "+");
        int i = find_feature(s, n, level);
        if (i < 0)
            return false;
        set |= UINT64_C(1) << i;
    }
    *out = fv_features_closed(set);
    return true;
}

/* ---- x86 ---- */

fv_cpuid_need fv_features_cpuid(uint64_t set) {
    enum { OSXSAVE = 27 };
    fv_cpuid_need n = {
        .at = {
            {.leaf = 1}, {.leaf = 7}, {.leaf = 7, .subleaf = 1}, {.leaf = UINT32_C(0x80000001)}}};
    for (int i = 0; i < FV_NFEATURES; i++) {
        const fv_feature *f = &features[i];
        if (!has(set, i) || f->kind != FV_CPU_CPUID)
            continue;
        for (int k = 0; k < FV_CPUID_LEAVES; k++)
            if (n.at[k].leaf == f->leaf && n.at[k].subleaf == f->subleaf)
                n.at[k].mask[f->reg] |= UINT32_C(1) << f->bit;
        n.state |= f->state;
    }
    if (n.state)
        n.at[0].mask[FV_CPUID_ECX] |= UINT32_C(1) << OSXSAVE;
    return n;
}

#if defined __x86_64__
/* Can the system save registers with that state? */
static bool has_state(uint32_t state) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & state) != state)
        return false;
#if defined __linux__
    uint64_t on_request = 0;
    return !(state & FV_STATE_TILES) ||
           (syscall(FV_ASK_CALL, FV_FIND_STATE, &on_request) == 0 && on_request & FV_STATE_TILES);
#else
    return !(state & FV_STATE_TILES);
#endif
}

/* May this process use tile registers? Asks the system for them. */
static bool may_use_tiles(void) {
#if defined __linux__
    return syscall(FV_ASK_CALL, FV_ASK_STATE, FV_STATE_TILES_BIT) == 0;
#else
    return false;
#endif
}

/* The registers of each leaf of cpuid. */
typedef struct cpuid_values {
    uint32_t at[FV_CPUID_LEAVES][4];
} cpuid_values;

/* Reads the leaves that have a mask. Registers of other leaves, and of those that the CPU does not
 * have, are 0. */
static cpuid_values cpuid_read(const fv_cpuid_need *n) {
    cpuid_values v = {0};
    for (int k = 0; k < FV_CPUID_LEAVES; k++) {
        const uint32_t *mask = n->at[k].mask;
        uint32_t *r = v.at[k];
        if (mask[0] | mask[1] | mask[2] | mask[3])
            __get_cpuid_count(n->at[k].leaf, n->at[k].subleaf, &r[0], &r[1], &r[2], &r[3]);
    }
    return v;
}

/* Does a CPU with these registers have the features, apart from whether the system saves the
 * registers of the features? */
static bool values_have(const cpuid_values *v, const fv_cpuid_need *n) {
    for (int k = 0; k < FV_CPUID_LEAVES; k++)
        for (int i = 0; i < 4; i++)
            if ((v->at[k][i] & n->at[k].mask[i]) != n->at[k].mask[i])
                return false;
    return true;
}
#endif

/* ---- aarch64 ---- */

/* Registers by their encodings: some assemblers know the names only if the architecture is newer
 * than the baseline. */
const char *fv_id_register(int reg) {
    static const char *const names[FV_NIDS] = {[FV_ID_ISAR0] = "s3_0_c0_c6_0",
                                               [FV_ID_ISAR1] = "s3_0_c0_c6_1",
                                               [FV_ID_PFR0] = "s3_0_c0_c4_0"};
    return names[reg];
}

#if defined __aarch64__
static bool id_has(const fv_feature *f) {
    uint64_t id[FV_NIDS];
    __asm__("mrs %0, s3_0_c0_c6_0" : "=r"(id[FV_ID_ISAR0]));
    __asm__("mrs %0, s3_0_c0_c6_1" : "=r"(id[FV_ID_ISAR1]));
    __asm__("mrs %0, s3_0_c0_c4_0" : "=r"(id[FV_ID_PFR0]));
    uint64_t value = id[f->reg] >> f->bit & 15;
    return value >= 1 && value <= 14;
}
#endif

/* ---- this machine ---- */

uint64_t fv_features_present(uint64_t set) {
    uint64_t present = 0;
#if defined __x86_64__
    /* cpuid is read once for all features: a virtual machine leaves the guest for each cpuid. */
    const fv_cpuid_need all = fv_features_cpuid(set);
    const cpuid_values values = cpuid_read(&all);
#endif
    for (int i = 0; i < FV_NFEATURES; i++) {
        const fv_feature *f = &features[i];
        bool here = f->kind == FV_CPU_ALWAYS;
        if (!has(set, i))
            continue;
#if defined __x86_64__
        /* If leaf 1 has OSXSAVE, which `state` needs, xgetbv exists. */
        const fv_cpuid_need need = fv_features_cpuid(UINT64_C(1) << i);
        here |= f->kind == FV_CPU_CPUID && values_have(&values, &need) &&
                (!need.state || has_state(need.state));
#elif defined __aarch64__
        here |= f->kind == FV_CPU_ID && id_has(f);
#endif
        present |= here ? UINT64_C(1) << i : 0;
    }
    return present;
}

bool fv_features_here(uint64_t set) {
    return fv_features_present(set) == set;
}

/* The features of the set that use tile registers. */
static uint64_t tile_features(uint64_t set) {
    uint64_t found = 0;
    for (int i = 0; i < FV_NFEATURES; i++)
        if (has(set, i) && (features[i].state & FV_STATE_TILES))
            found |= UINT64_C(1) << i;
    return found;
}

uint64_t fv_features_refused(uint64_t set) {
    const uint64_t tiles = tile_features(set);
#if defined __x86_64__
    return tiles && !may_use_tiles() ? tiles : 0;
#else
    return tiles;
#endif
}

/* Writes the names of the features, then `why`. */
static char *put_names(uint64_t set, const char *why, char *text, size_t size) {
    size_t n = 0;
    text[0] = 0;
    for (int i = 0; i < FV_NFEATURES && n < size; i++)
        if (has(set, i))
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", features[i].name);
    if (n < size)
        snprintf(text + n, size - n, "%s", why);
    return text;
}

char *fv_features_lacking(uint64_t set, char *text, size_t size) {
    const uint64_t lacking = set & ~fv_features_present(set);
    bool without_system = false; /* whether the CPU has one of them, and only the system does not */
#if defined __x86_64__
    const fv_cpuid_need need = fv_features_cpuid(tile_features(lacking));
    const cpuid_values values = cpuid_read(&need);
    without_system = need.state && values_have(&values, &need);
#endif
    return put_names(lacking, without_system ? " (the system does not provide tile registers)" : "",
                     text, size);
}

static uint64_t read_or_none(const char *target) {
    uint64_t set;
    return fv_features_read(target, &set) ? set : 0;
}

char *fv_target_lacking(const char *target, char *text, size_t size) {
    return fv_features_lacking(read_or_none(target), text, size);
}

bool fv_target_asks(const char *target) {
    return tile_features(read_or_none(target)) != 0;
}

char *fv_target_refused(const char *target, char *text, size_t size) {
    const uint64_t refused = fv_features_refused(read_or_none(target));
    return put_names(refused, refused ? " (the system refuses this process tile registers)" : "",
                     text, size);
}
