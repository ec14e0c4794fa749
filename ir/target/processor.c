/* processor.c - the table of processors, and which of them this machine is. */
#include "ir/target/processor.h"

#include <stdio.h>
#include <string.h>
#if defined __x86_64__
#include <cpuid.h>
#endif

#include "ir/target/feature.h"

static const fv_processor processors[] = {
#define PROCESSOR(id, text, of, ...) {.name = text, .architecture = of, __VA_ARGS__},
#include "ir/target/processor.def"
};

static const struct {
    fv_processor_id id;
    const char *vendor;
    int family, first, last;
} models[] = {
#define MODEL(id, vendor, family, first, last) {FV_PROCESSOR_##id, vendor, family, first, last},
#include "ir/target/processor.def"
};

static const struct {
    fv_processor_id id;
    fv_feature_id feature;
} marks[] = {
#define MARK(id, feature) {FV_PROCESSOR_##id, FV_FEATURE_##feature},
#include "ir/target/processor.def"
};

static const struct {
    int registers, lanes, rows, vectors;
} tiles[] = {
#define TILE(registers, lanes, rows, vectors) {registers, lanes, rows, vectors},
#include "ir/target/processor.def"
};

const fv_processor *fv_processor_at(fv_processor_id id) {
    return &processors[id];
}

const char *const *fv_processor_names(void) {
    static const char *const names[] = {
#define PROCESSOR(id, name, architecture, ...) name,
#include "ir/target/processor.def"
        NULL};
    return names;
}

bool fv_processor_find(const char *name, fv_processor_id *out) {
    for (int i = 0; i < FV_NPROCESSORS; i++)
        if (!strcmp(processors[i].name, name)) {
            *out = (fv_processor_id)i;
            return true;
        }
    return false;
}

fv_processor_id fv_processor_of_model(const char *vendor, int family, int model) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (!strcmp(models[i].vendor, vendor) && models[i].family == family &&
            models[i].first <= model && model <= models[i].last)
            return models[i].id;
    return FV_PROCESSOR_generic;
}

void fv_processor_tile(int registers, int lanes, int *rows, int *vectors) {
    size_t i = 0;
    while (i + 1 < sizeof tiles / sizeof *tiles &&
           (registers < tiles[i].registers || lanes < tiles[i].lanes))
        i++;
    *rows = tiles[i].rows;
    *vectors = tiles[i].vectors;
}

/* ---- this machine ---- */

typedef struct cpu {
    char vendor[13];
    int family, model, stepping;
} cpu;

#if defined __x86_64__
/* Reads vendor and model by CPUID leaves 0 and 1 (Intel SDM volume 2A). */
static bool ask(cpu *c) {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx))
        return false;
    memcpy(c->vendor, &ebx, 4);
    memcpy(c->vendor + 4, &edx, 4);
    memcpy(c->vendor + 8, &ecx, 4);
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        return false;
    c->family = (int)(eax >> 8 & 15);
    c->model = (int)(eax >> 4 & 15);
    c->stepping = (int)(eax & 15);
    if (c->family == 6 || c->family == 15)
        c->model += (int)(eax >> 16 & 15) << 4;
    if (c->family == 15)
        c->family += (int)(eax >> 20 & 255);
    return true;
}
#elif defined __aarch64__
/* Reads vendor and model from MIDR_EL1 (Arm ARM), which Linux shows for each core. */
static bool ask(cpu *c) {
    unsigned long long midr;
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "r");
    bool ok = f && fscanf(f, "%llx", &midr) == 1;
    if (f)
        fclose(f);
    if (!ok)
        return false;
    int implementer = (int)(midr >> 24 & 255);
    snprintf(c->vendor, sizeof c->vendor, implementer == 0x41 ? "arm" : "arm:%02x", implementer);
    c->model = (int)(midr >> 4 & 0xfff);
    c->stepping = (int)(midr >> 20 & 15) << 4 | (int)(midr & 15);
    return true;
}
#else
static bool ask(cpu *c) {
    (void)c;
    return false;
}
#endif

fv_processor_id fv_processor_of_features(uint64_t features) {
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (features >> marks[i].feature & 1)
            return marks[i].id;
    return FV_PROCESSOR_generic;
}

fv_processor_id fv_processor_here(void) {
    cpu c = {0};
    fv_processor_id of_model =
        ask(&c) ? fv_processor_of_model(c.vendor, c.family, c.model) : FV_PROCESSOR_generic;
    uint64_t features = 0;
    if (of_model != FV_PROCESSOR_generic)
        return of_model;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        features |= UINT64_C(1) << marks[i].feature;
    return fv_processor_of_features(fv_features_present(features));
}

const char *fv_cpu_str(fv_arena *a) {
    cpu c = {0};
    if (!ask(&c))
        return "unknown";
    return fv_printf(a, "%s family %d model %d stepping %d", c.vendor, c.family, c.model,
                     c.stepping);
}
