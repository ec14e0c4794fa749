/* target.c - the table of targets, and which of them this machine can run. */
#include "ir/target/target.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/diag.h"

static const fv_target targets[] = {
#define TARGET(text, ...) {.name = text, .entry = text, __VA_ARGS__},
#include "ir/target/target.def"
#undef TARGET
};

static const fv_feature_words words[] = {
#define FEATURE(id, name, architecture, level, base, macro, llvm, flag, ...) {macro, llvm, flag},
#include "ir/target/feature.def"
};

enum { NTARGETS = sizeof targets / sizeof *targets };

static const fv_target natives[] = {
/* the same entries under the name "native" */
#define TARGET(text, ...) {.name = "native", .entry = text, __VA_ARGS__},
#include "ir/target/target.def"
#undef TARGET
};

fv_isa fv_isa_here(void) {
#if defined __x86_64__
    return FV_ISA_X86;
#elif defined __aarch64__
    return FV_ISA_AARCH64;
#elif defined __riscv
    return FV_ISA_RISCV;
#else
    return FV_ISA_PORTABLE;
#endif
}

/* ---- features ---- */

/* Is `architecture` the first word of the target's triple, or, if it ends in `*`, the beginning of
 * the triple? */
static bool of_architecture(const fv_target *t, const char *architecture) {
    size_t n = strlen(architecture);
    if (n && architecture[n - 1] == '*')
        return strncmp(t->llvm.triple, architecture, n - 1) == 0;
    return strncmp(t->llvm.triple, architecture, n) == 0 && t->llvm.triple[n] == '-';
}

uint32_t fv_system_state(fv_system system) {
    return system == FV_SYSTEM_MACOS ? 0x06 : UINT32_MAX;
}

uint64_t fv_target_features(const fv_target *t) {
    return fv_features_closed(fv_level_features(t->level) | t->more);
}

bool fv_target_has(const fv_target *t, fv_feature_id f) {
    return fv_target_features(t) >> f & 1;
}

bool fv_target_has_masks(const fv_target *t) {
    return fv_target_has(t, FV_FEATURE_avx512bw) && fv_target_has(t, FV_FEATURE_avx512vl);
}

const fv_feature_words *fv_feature_words_at(fv_feature_id id) {
    return &words[id];
}

const char *const *fv_features_macros(fv_arena *a, uint64_t set) {
    const char **list = NULL;
    int n = 0, cap = 0;
    uint64_t named = 0;
    for (int i = 0; i < FV_NFEATURES; i++)
        if ((set >> i & 1) && *words[i].macro)
            named |= UINT64_C(1) << i;
    uint64_t asked = fv_features_to_check(named);
    for (int i = 0; i < FV_NFEATURES; i++)
        if (asked >> i & 1)
            FV_PUSH(a, list, n, cap, words[i].macro);
    FV_PUSH(a, list, n, cap, NULL);
    return list;
}

/* Does the code of the target know how to ask the system for the registers of the feature? */
static bool can_ask(const fv_target *entry, const fv_feature *f) {
    return entry->system == FV_SYSTEM_ELF || !(f->state & FV_STATE_TILES);
}

static bool can_have(const fv_target *entry, const fv_feature *f) {
    return f->base != FV_LEVEL_none && of_architecture(entry, f->architecture) &&
           entry->level >= f->base && can_ask(entry, f);
}

const char *const *fv_target_feature_names(fv_arena *a, const fv_target *entry) {
    const char **names = NULL;
    int n = 0, cap = 0;
    for (int i = 0; i < FV_NFEATURES; i++)
        if (can_have(entry, fv_feature_at((fv_feature_id)i)) &&
            !fv_target_has(entry, (fv_feature_id)i))
            FV_PUSH(a, names, n, cap, fv_feature_at((fv_feature_id)i)->name);
    FV_PUSH(a, names, n, cap, NULL);
    return names;
}

bool fv_target_runs_here(const fv_target *t) {
    if (t->system != FV_SYSTEM_ELF)
        return false;
    bool fits = t->pointer_bits == (int)sizeof(void *) * 8 && t->kind != FV_TARGET_MICRO;
    return fits && (t->isa == FV_ISA_PORTABLE ||
                    (t->isa == fv_isa_here() && fv_features_here(fv_target_features(t))));
}

/* The widest entry that this machine can run. Entries are ordered from narrow to wide. */
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

/* ---- systems ---- */

static const struct {
    const char *name, *library;
} systems[] = {
    [FV_SYSTEM_ELF] = {"", ".so"},
    [FV_SYSTEM_WINDOWS] = {"windows", ".dll"},
    [FV_SYSTEM_MACOS] = {"macos", ".dylib"},
};

const char *fv_system_name(fv_system system) {
    return systems[system].name;
}

const char *fv_system_library(fv_system system) {
    return systems[system].library;
}

/* The triple for the entry's architecture and another system than ELF; NULL: there is none. */
static const char *triple_on(fv_system system, const fv_target *entry) {
    static const struct {
        fv_system system;
        fv_isa isa;
        const char *triple;
    } triples[] = {
        {FV_SYSTEM_WINDOWS, FV_ISA_X86, "x86_64-w64-windows-gnu"},
        {FV_SYSTEM_WINDOWS, FV_ISA_AARCH64, "aarch64-w64-windows-gnu"},
        {FV_SYSTEM_MACOS, FV_ISA_X86, "x86_64-apple-macosx11.0.0"},
        {FV_SYSTEM_MACOS, FV_ISA_AARCH64, "aarch64-apple-macosx11.0.0"},
    };
    for (size_t i = 0; i < sizeof triples / sizeof *triples; i++)
        if (triples[i].system == system && triples[i].isa == entry->isa)
            return triples[i].triple;
    return NULL;
}

/* A copy of the entry for the system `system`; NULL: `*why` says why there is none. */
static const fv_target *on_system(fv_arena *a, const fv_target *entry, fv_system system,
                                  const char **why) {
    const char *triple = triple_on(system, entry);
    if (!strcmp(entry->name, "native") || !triple) {
        *why = fv_printf(a, "target '%s' has no system '%s': levels of x86-64 and aarch64 have it",
                         entry->name, fv_system_name(system));
        return NULL;
    }
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = *entry;
    t->name = t->entry = fv_printf(a, "%s-%s", entry->entry, fv_system_name(system));
    t->system = system;
    t->llvm.triple = triple;
    return t;
}

/* The system with which the name of a level ends; *n: the length of the level. */
static fv_system system_at_end(const char *name, size_t *n) {
    size_t length = strlen(name);
    *n = length;
    for (fv_system s = FV_SYSTEM_WINDOWS; s <= FV_SYSTEM_MACOS; s++) {
        size_t k = strlen(systems[s].name);
        if (length > k + 1 && name[length - k - 1] == '-' &&
            !strcmp(name + length - k, systems[s].name)) {
            *n = length - k - 1;
            return s;
        }
    }
    return FV_SYSTEM_ELF;
}

/* ---- text ---- */

/* A copy of the entry with additional features. */
static const fv_target *with_features(fv_arena *a, const fv_target *entry, uint64_t more) {
    fv_text name = {.arena = a}, features = {.arena = a}, flags = {.arena = a};
    more = fv_features_closed(more) & ~fv_target_features(entry);
    if (!more)
        return entry;
    fv_text_put(&name, entry->entry);
    fv_text_put(&features, entry->llvm.features);
    fv_text_put(&flags, entry->c.flags);
    for (int i = 0; i < FV_NFEATURES; i++) {
        const fv_feature *f = fv_feature_at((fv_feature_id)i);
        if (!(more >> i & 1))
            continue;
        fv_text_printf(&features, "%s+%s", features.n ? "," : "", words[i].llvm);
        /* a feature that cannot be named in the text of a target comes with another feature */
        if (f->base != FV_LEVEL_none)
            fv_text_printf(&name, "+%s", f->name);
        fv_text_printf(&flags, "%s%s", *words[i].flag == '-' ? " " : "", words[i].flag);
    }
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = *entry;
    t->entry = name.s;
    t->name = strcmp(entry->name, entry->entry) ? entry->name : name.s;
    t->llvm.features = features.s;
    t->c.flags = flags.s;
    t->more |= more;
    return t;
}

/* The target "native" without the features of `without`. */
static const fv_target *native_with_all(fv_arena *a, uint64_t without) {
    const fv_target *entry = native();
    uint64_t more = 0, candidates = 0;
    for (int i = 0; i < FV_NFEATURES; i++)
        if (can_have(entry, fv_feature_at((fv_feature_id)i)))
            candidates |= fv_features_closed(UINT64_C(1) << i);
    const uint64_t present = fv_features_present(candidates) & ~without;
    for (int i = 0; i < FV_NFEATURES; i++) {
        uint64_t one = fv_features_closed(UINT64_C(1) << i);
        if (!(one & ~present) && can_have(entry, fv_feature_at((fv_feature_id)i)))
            more |= one;
    }
    return with_features(a, entry, more);
}

const fv_target *fv_target_without(fv_arena *a, const fv_target *t, uint64_t features) {
    const fv_target *less = native_with_all(a, features);
    fv_target *copy = FV_NEW(a, fv_target, 1);
    *copy = *t;
    copy->entry = less->entry;
    copy->llvm.features = less->llvm.features;
    copy->c.flags = less->c.flags;
    copy->more = less->more;
    return copy;
}

static const fv_feature *feature_of_name(const char *name, const fv_target *of, fv_feature_id *id) {
    const fv_feature *elsewhere = NULL;
    for (int i = 0; i < FV_NFEATURES; i++) {
        const fv_feature *f = fv_feature_at((fv_feature_id)i);
        if (strcmp(f->name, name))
            continue;
        *id = (fv_feature_id)i;
        if (of_architecture(of, f->architecture))
            return f;
        elsewhere = f;
    }
    return elsewhere;
}

/* The name of the lowest entry that has this level. */
static const char *level_name(fv_level level) {
    for (int i = 0; i < NTARGETS; i++)
        if (targets[i].level == level)
            return targets[i].name;
    return "none";
}

/* States why the entry cannot have the feature; f NULL: there is no feature of that name. */
static const char *why_not(fv_arena *a, const fv_target *entry, const char *name,
                           const fv_feature *f) {
    const char *const *names = fv_target_feature_names(a, entry);
    const char *near = f ? NULL : fv_nearest(name, names);
    if (near)
        return fv_printf(a, "target '%s' has no feature '%s'; did you mean '%s'?", entry->name,
                         name, near);
    const char *rest = *names ? fv_printf(a, "'%s' takes %s", entry->name, fv_names_str(a, names))
                              : fv_printf(a, "'%s' takes none", entry->name);
    if (!f)
        return fv_printf(a, "target '%.60s' has no feature '%.60s'; %s", entry->name, name, rest);
    if (!of_architecture(entry, f->architecture))
        return fv_printf(a, "feature '%s' is of %s, target '%s' is not; %s", name, f->architecture,
                         entry->name, rest);
    if (!can_ask(entry, f))
        return fv_printf(a,
                         "feature '%s' has registers for which only Linux is asked, the target is "
                         "'%s'; %s",
                         name, entry->name, rest);
    if (f->base != FV_LEVEL_none)
        return fv_printf(a, "feature '%s' needs '%s' or more, the target is '%s'; %s", name,
                         level_name(f->base), entry->name, rest);
    return f->level != FV_LEVEL_none
               ? fv_printf(a, "feature '%s' comes with target '%s', and is not added; %s", name,
                           level_name(f->level), rest)
               : fv_printf(a, "feature '%s' comes with others, and is not added; %s", name, rest);
}

static const fv_target *read_features(fv_arena *a, const fv_target *entry, const char *text,
                                      const char **why) {
    uint64_t more = 0;
    if (!strcmp(entry->name, "native")) {
        *why = "target 'native' has all features of this machine already; name a level to choose "
               "them";
        return NULL;
    }
    if (entry->system != FV_SYSTEM_ELF && entry->isa == FV_ISA_AARCH64) {
        *why = fv_printf(a,
                         "target '%s' takes no features: programs of that system cannot read the "
                         "registers in which the CPU reports them",
                         entry->name);
        return NULL;
    }
    while (*text == '+') {
        size_t n = strcspn(++text, "+");
        const char *name = fv_strndup(a, text, n);
        fv_feature_id id = FV_NFEATURES;
        const fv_feature *f = feature_of_name(name, entry, &id);
        bool had = f && of_architecture(entry, f->architecture) && fv_target_has(entry, id);
        if (!had && (!f || !can_have(entry, f))) {
            *why = why_not(a, entry, name, f);
            return NULL;
        }
        more |= UINT64_C(1) << id;
        text += n;
    }
    return with_features(a, entry, more);
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The next character that counts where names of chips are compared, in lower case: a letter, a
 * digit or `+`; 0 at the end of the name. Moves *name past it. */
static char next_of_chip(const char **name) {
    for (; **name; ++*name) {
        char c = lower(**name);
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+')
            return ++*name, c;
    }
    return 0;
}

static bool begins_like(const char *name, const char *chip) {
    for (char c; (c = next_of_chip(&chip));)
        if (next_of_chip(&name) != c)
            return false;
    return true;
}

/* The target of the first line of chip.def with whose text `name` begins, in any spelling; NULL:
 * there is none. */
static const char *target_of_chip(const char *name) {
    static const struct {
        const char *chip, *target;
    } chips[] = {
#define CHIP(chip, target) {chip, target},
#include "ir/target/chip.def"
    };
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++)
        if (begins_like(name, chips[i].chip))
            return chips[i].target;
    return NULL;
}

/* The statement that a chip has an architecture without a target; NULL: the name is none of the
 * lines FOREIGN of chip.def. */
static const char *why_foreign(fv_arena *a, const char *name) {
    static const struct {
        const char *chip, *architecture, *target;
    } chips[] = {
#define FOREIGN(chip, architecture, target) {chip, architecture, target},
#include "ir/target/chip.def"
    };
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++)
        if (begins_like(name, chips[i].chip)) {
            const char *other = chips[i].target;
            return fv_printf(a, "there is no target '%.60s': it is %s%s%s%s", name,
                             chips[i].architecture, other ? "; target '" : "", other ? other : "",
                             other ? "' makes C that runs there" : "");
        }
    return NULL;
}

/* The target of the same family, as its first letters say, whose name is spelled like `name`. */
static const char *near_target(fv_arena *a, const char *name) {
    char *word = fv_strndup(a, name, strlen(name));
    for (char *c = word; *c; c++)
        *c = lower(*c);
    const char *near = fv_nearest(word, fv_target_names());
    return near && word[0] == near[0] ? near : NULL;
}

/* States that there is no target of this name, and which one may be meant. */
static const char *no_target(fv_arena *a, const char *name) {
    const char *near = target_of_chip(name), *foreign = near ? NULL : why_foreign(a, name);
    if (foreign)
        return foreign;
    near = near ? near : near_target(a, name);
    return near ? fv_printf(a, "there is no target '%.60s'; did you mean '%s'?", name, near)
                : fv_printf(a, "there is no target '%.60s'; there are %s", name,
                            fv_names_str(a, fv_target_names()));
}

const fv_target *fv_target_read(fv_arena *a, const char *text, const char **why) {
    size_t n = strcspn(text, "+");
    if (strchr(text, ',')) {
        *why = fv_printf(a,
                         "'%.60s' is a list of targets, which only libraries and objects in "
                         "files can have",
                         text);
        return NULL;
    }
    /* a `+` at the end is a part of the name of a core, as in Cortex-M0+ */
    if (text[n] && !text[n + 1] && target_of_chip(text)) {
        *why = no_target(a, text);
        return NULL;
    }
    const char *level = fv_strndup(a, text, n);
    if (!strcmp(text, "native"))
        return native_with_all(a, 0);
    size_t length;
    fv_system system = system_at_end(level, &length);
    const fv_target *entry = fv_target_find(fv_strndup(a, level, length));
    if (entry && system != FV_SYSTEM_ELF && !(entry = on_system(a, entry, system, why)))
        return NULL;
    if (entry)
        return text[n] ? read_features(a, entry, text + n, why) : entry;
    *why = no_target(a, level);
    return NULL;
}

/* ---- lists ---- */

/* States why target t cannot be added to the list of n targets; NULL: it can. */
static const char *why_not_in_list(fv_arena *a, const fv_target *const *list, int n,
                                   const fv_target *t) {
    if (n == FV_MAX_LEVELS)
        return fv_printf(a, "a list has at most %d targets", FV_MAX_LEVELS);
    if (!strcmp(t->name, "native"))
        return "target 'native' is that of this machine; a list has levels, such as x86-64-v3";
    if (!fv_features_can_lack(fv_target_features(t)) && t->isa != FV_ISA_X86 &&
        t->isa != FV_ISA_AARCH64)
        return fv_printf(a,
                         "code cannot find out whether a CPU is a '%s': a list has levels of "
                         "x86-64 or aarch64",
                         t->name);
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i]->llvm.triple, t->llvm.triple))
            return fv_printf(a,
                             "targets '%s' and '%s' have different architectures or systems, "
                             "and cannot be in one file",
                             list[i]->name, t->name);
        if (fv_target_features(list[i]) == fv_target_features(t))
            return fv_printf(a, "targets '%s' and '%s' are the same", list[i]->name, t->name);
    }
    return NULL;
}

/* Is t before u in a list: of a lower level, or of the same with fewer features, or by the name? */
static bool is_below(const fv_target *t, const fv_target *u) {
    int n = __builtin_popcountll(fv_target_features(t)),
        m = __builtin_popcountll(fv_target_features(u));
    if (t->level != u->level)
        return t->level < u->level;
    return n != m ? n < m : strcmp(t->name, u->name) < 0;
}

const fv_target *const *fv_targets_read(fv_arena *a, const char *text, int *n, const char **why) {
    const fv_target **list = FV_NEW(a, const fv_target *, FV_MAX_LEVELS);
    *n = 0;
    for (const char *p = text;; p++) {
        size_t length = strcspn(p, ",");
        if (!length) {
            *why = fv_printf(a, "a target of the list '%.60s' is empty", text);
            return NULL;
        }
        const fv_target *t = fv_target_read(a, fv_strndup(a, p, length), why);
        if (!t || (*why = why_not_in_list(a, list, *n, t)))
            return NULL;
        int at = (*n)++;
        for (; at > 0 && is_below(t, list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = t;
        p += length;
        if (!*p)
            return list;
    }
}

/* ---- this machine ---- */

/* The size of a cache in bytes, or its ways, as the system reports it, at most INT_MAX; `otherwise`
 * if it reports none. */
static int of_cache(int name, int otherwise) {
    long n = sysconf(name);
    return n <= 0 ? otherwise : n > INT_MAX ? INT_MAX : (int)n;
}

const fv_processor *fv_processor_of(const fv_target *t) {
    return t->own.properties ? t->own.properties : fv_processor_at(t->processor);
}

const fv_target *fv_target_for(fv_arena *a, const fv_target *of, fv_processor_id processor) {
    return fv_target_with_properties(a, of, processor, NULL);
}

const fv_target *fv_target_with_properties(fv_arena *a, const fv_target *of,
                                           fv_processor_id processor,
                                           const fv_processor *properties) {
    const fv_processor *p = properties ? properties : fv_processor_at(processor);
    if (*p->architecture && !of_architecture(of, p->architecture))
        return NULL;
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = *of;
    t->processor = processor;
    t->own.properties = properties;
    t->own.speeds = NULL;
    t->caches.l1_bytes = p->caches.l1_bytes ? p->caches.l1_bytes : t->caches.l1_bytes;
    t->caches.l1_ways = p->caches.l1_ways ? p->caches.l1_ways : t->caches.l1_ways;
    t->caches.l2_bytes = p->caches.l2_bytes ? p->caches.l2_bytes : t->caches.l2_bytes;
    t->caches.l3_bytes = p->caches.l3_bytes ? p->caches.l3_bytes : t->caches.l3_bytes;
    return t;
}

const fv_target *fv_target_choose(fv_arena *a, const char *name) {
    const char *why;
    const fv_target *entry = fv_target_read(a, name, &why);
    if (!entry || strcmp(entry->name, "native"))
        return entry;
    const fv_target *here = fv_target_for(a, entry, fv_processor_here());
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = here ? *here : *entry;
    t->caches.l1_bytes = of_cache(_SC_LEVEL1_DCACHE_SIZE, t->caches.l1_bytes);
    t->caches.l1_ways = of_cache(_SC_LEVEL1_DCACHE_ASSOC, t->caches.l1_ways);
    t->caches.l2_bytes = of_cache(_SC_LEVEL2_CACHE_SIZE, t->caches.l2_bytes);
    int last = of_cache(_SC_LEVEL3_CACHE_SIZE, t->caches.l3_bytes),
        known = fv_processor_of(t)->caches.l3_bytes;
    /* some systems report the cache of the whole package, of which a core uses only a part */
    t->caches.l3_bytes = known && known < last ? known : last;
    return t;
}

const fv_target *fv_target_baseline(void) {
    for (int i = 0; i < NTARGETS; i++)
        if (targets[i].isa != FV_ISA_PORTABLE && fv_target_runs_here(&targets[i]))
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
