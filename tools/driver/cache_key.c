/* cache_key.c - the key of a compiled model: a hash of everything but the content of the model's
 * files that the result depends on. Every option of the driver that changes the result must be
 * included here. */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>

#include "backend/llvm/load.h"
#include "cache.h"
#include "ir/base/mapping.h"
#include "ir/base/text.h"
#include "ir/target/machine.h"
#include "pack.h"

enum { FORMAT = 2 }; /* version of the format of entries and records */

/* ---- this build ---- */

/* The build id of the program or library that contains an address: a hash of its content. */
typedef struct build {
    uintptr_t address;
    unsigned char id[64];
    size_t n;
} build;

static bool holds(const struct dl_phdr_info *info, uintptr_t address) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

static void find_note(build *b, const char *at, const char *end, size_t align) {
    while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        const char *name = at + sizeof note;
        const char *id = name + (note.n_namesz + align - 1) / align * align;
        at = id + (note.n_descsz + align - 1) / align * align;
        if (at > end)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(name, "GNU", 4)) {
            b->n = note.n_descsz < sizeof b->id ? note.n_descsz : sizeof b->id;
            memcpy(b->id, id, b->n);
        }
    }
}

static int look_at(struct dl_phdr_info *info, size_t size, void *ctx) {
    build *b = ctx;
    (void)size;
    if (!holds(info, b->address))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const char *at = (const char *)(info->dlpi_addr + p->p_vaddr);
        if (p->p_type == PT_NOTE)
            find_note(b, at, at + p->p_memsz, p->p_align == 8 ? 8 : 4);
    }
    return 1;
}

static bool put_build(fv_text *t, uintptr_t address) {
    build b = {.address = address};
    dl_iterate_phdr(look_at, &b);
    fv_pack_bytes(t, b.id, b.n);
    return b.n > 0;
}

/* ---- target and options ---- */

static void put_target(fv_text *t, const fv_target *target) {
    const char *texts[] = {target->name, target->entry, target->llvm.triple, target->llvm.cpu,
                           target->llvm.features};
    const int64_t numbers[] = {target->kind,
                               target->threads,
                               target->isa,
                               target->core_registers,
                               target->pointer_bits,
                               target->vector_bits,
                               target->vector_registers,
                               target->single.fma32,
                               target->single.fma64,
                               target->single.round,
                               target->single.sqrt32,
                               target->single.sqrt64,
                               target->single.double_,
                               target->single.nearest,
                               target->caches.l1_bytes,
                               target->caches.l1_ways,
                               target->caches.l2_bytes,
                               target->caches.l3_bytes,
                               target->level,
                               (int64_t)target->more};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        fv_pack_text(t, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        fv_pack_number(t, (uint64_t)numbers[i]);
    for (int i = 0; i < FV_NPROPERTIES; i++)
        fv_pack_number(t, (uint64_t)fv_property_get(fv_processor_of(target), i));
}

static void put_list(fv_text *t, const char *const *list) {
    uint64_t n = 0;
    while (list && list[n])
        n++;
    fv_pack_number(t, list ? n : UINT64_MAX);
    for (uint64_t i = 0; i < n; i++)
        fv_pack_text(t, list[i]);
}

/* Does the caller observe or control the passes by callbacks, or want the graph verified? Then the
 * passes must run, and the cache is not used. */
static bool is_watched(const fv_pipeline_options *p) {
    const fv_watch *w = p ? p->watch : NULL;
    return p && (p->verify || p->rules || p->report || p->gate ||
                 (w && (w->look || w->took || w->laid_out)));
}

/* Adds the content of the tuning file, and the CPU of this machine, for which the file must have
 * been made. False: it cannot be read, which compiling will report. */
static bool put_tuning(fv_text *t, fv_cache *c, const fv_driver_options *o) {
    const char *why;
    c->tuning = o->tuning.path;
    fv_pack_number(t, o->tuning.path != NULL);
    if (!o->tuning.path)
        return true;
    const fv_mapping *m = fv_map_file(c->session, c->arena, o->tuning.path, O_NONBLOCK, &why);
    if (!m)
        return false;
    fv_digest d = fv_digest_of(m->start ? m->start : "", m->size);
    fv_pack_bytes(t, d.byte, sizeof d.byte);
    fv_pack_text(t, fv_cpu_str(c->arena));
    return true;
}

bool fv_cache_set_base(fv_cache *c, const char *path, const fv_driver_options *o, char level) {
    fv_text t = {.arena = c->arena};
    unsigned version[3];
    if (is_watched(o->work.pipeline) || o->tuning.tuned || o->tuning.kernels ||
        o->answers.choices || (o->work.script && *o->work.script_varies) || !put_tuning(&t, c, o))
        return false;
    LLVMGetVersion(&version[0], &version[1], &version[2]);
    fv_pack_number(&t, FORMAT);
    fv_pack_text(&t, FV_VERSION);
    if (!put_build(&t, (uintptr_t)&fv_cache_set_base))
        return fv_cache_warn(
            c, "models are compiled without a cache: this build of Fovea has no build id");
    put_build(&t, (uintptr_t)LLVMGetVersion);
    for (int i = 0; i < 3; i++)
        fv_pack_number(&t, version[i]);
    put_target(&t, o->target.of);
    put_list(&t, o->dims.given);
    put_list(&t, o->dims.states);
    put_list(&t, o->work.passes);
    put_list(&t, o->work.steps);
    put_list(&t, o->work.enable);
    put_list(&t, o->work.disable);
    fv_pack_number(&t, (uint64_t)level);
    fv_pack_number(&t, o->work.prefers_ram);
    fv_pack_number(&t, o->naive);
    fv_pack_number(&t, o->relax);
    fv_pack_number(&t, o->random_limits);
    fv_pack_number(&t, o->strict);
    fv_pack_number(&t, o->dims.are_values);
    fv_pack_text(&t, o->work.script);
    fv_pack_text(&t, o->name);
    fv_pack_number(&t, o->bytes != NULL); /* the path `-` is then a name, not standard input */
    fv_pack_text(&t, fv_path_name(path)); /* the name of a model is derived from that of its file */
    c->base = fv_digest_of(t.s, t.n);
    return true;
}

fv_digest fv_cache_key(const fv_cache *c, const fv_digest *content) {
    const fv_digest both[2] = {c->base, *content};
    return fv_digest_of(both, sizeof both);
}
