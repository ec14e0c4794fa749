/* pipeline.c - reads files and compiles them to programs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backend/consumer/protocol.h"
#include "backend/lower.h"
#include "driver.h"
#include "frontend/file.h"
#include "frontend/frontend.h"
#include "ir/base/mapping.h"
#include "ir/base/text.h"
#include "ir/definition/definitions_parse.h"
#include "ir/definition/definitions_verify.h"
#include "ir/graph/copy.h"
#include "ir/graph/parse.h"
#include "ir/graph/state.h"
#include "ir/graph/verify.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "machine.h"
#include "passes/attention/attention.h"
#include "passes/denormals.h"
#include "passes/switches.h"
#include "tuning.h"

/* ---- the kind of a file ---- */

/* Skips blank lines and comments; returns the first word. */
static const char *first_word(const char *s, const char *end) {
    while (s < end) {
        if (*s == '#')
            while (s < end && *s != '\n')
                s++;
        else if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
            s++;
        else
            break;
    }
    return s;
}

static bool starts(const char *s, const char *end, const char *word) {
    size_t n = strlen(word);
    return (size_t)(end - s) >= n && !memcmp(s, word, n);
}

fv_file_kind fv_driver_kind(const char *text, size_t n) {
    const char *end = text + n, *s = first_word(text, end);
    /* libraries of other systems and archives count as ELF, too: the loader reports what they
     * are */
    if (starts(text, end, "\177ELF") || starts(text, end, "MZ") ||
        starts(text, end, "\xcf\xfa\xed\xfe") || starts(text, end, "!<arch>\n"))
        return FV_FILE_ELF;
    if (starts(s, end, "fovea-ir "))
        return FV_FILE_GRAPH;
    if (starts(s, end, "fovea-definitions "))
        return FV_FILE_DEFINITIONS;
    if (starts(s, end, "fovea-program "))
        return FV_FILE_PROGRAM;
    return starts(s, end, "kernel ") ? FV_FILE_KERNEL : FV_FILE_ONNX;
}

fv_file_kind fv_driver_path_kind(const char *path) {
    char head[4096];
    /* O_NONBLOCK: a pipe is refused when the model is read, and opening it must not block */
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0)
        return FV_FILE_ONNX;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    return n > 0 ? fv_driver_kind(head, (size_t)n) : FV_FILE_ONNX;
}

/* ---- bytes ---- */

static bool read_input(fv_session *s, fv_arena *a, fv_file *out) {
    fv_text t = {.arena = a};
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof block, stdin)) > 0)
        fv_text_putn(&t, block, n);
    if (ferror(stdin))
        return fv_error(s, "cannot be read: %s", strerror(errno));
    *out = (fv_file){(const uint8_t *)(t.s ? t.s : ""), t.n};
    return true;
}

/* The text of a file, NUL terminated. A file that contains a NUL is refused, since the text after
 * it would be ignored. */
static const char *text_of(fv_session *s, fv_arena *a, const fv_file *f) {
    if (memchr(f->data, 0, f->size)) {
        fv_error(s, "is a text that holds a byte 0");
        return NULL;
    }
    return fv_strndup(a, (const char *)f->data, f->size);
}

static int count(const char *const *list) {
    int n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* ---- reading ---- */

static bool runs_no_passes(fv_session *s, const fv_driver_options *o, const char *what) {
    return !o->work.passes || fv_error(s, "holds %s: passes are for graphs, --%s does not apply",
                                       what, o->work.script ? "script" : "passes");
}

/* Refuses options that do not apply to kernels in a text, since these were made for certain dims
 * and ports. */
static bool is_as_it_is(fv_session *s, const fv_driver_options *o) {
    if (!runs_no_passes(s, o, "kernels"))
        return false;
    if (count(o->dims.given) && !o->dims.are_values)
        return fv_error(s,
                        "holds kernels: its `symbol` lines bound the dims, --dim %s does not apply",
                        o->dims.given[0]);
    if (o->tuning.path)
        return fv_error(s, "holds kernels, which are made already: --tuning does not apply");
    if (o->target.processor_given)
        return fv_error(s, "holds kernels, which are made already: --processor does not apply");
    return !count(o->dims.states) ||
           fv_error(s,
                    "holds kernels: its `output` lines declare states, --state %s "
                    "does not apply",
                    o->dims.states[0]);
}

static bool read_graph(fv_session *s, const char *text, const char *folder,
                       const fv_driver_options *o, fv_source *out) {
    if (!text || (out->kind == FV_FILE_DEFINITIONS && !runs_no_passes(s, o, "definitions")))
        return false;
    out->module = out->kind == FV_FILE_GRAPH ? fv_module_parse_dims(s, text, folder, o->dims.given)
                                             : fv_definitions_parse(s, text, folder, o->dims.given);
    return out->module != NULL;
}

/* The path of the file with the large constants of a program text; NULL: there is none. */
static const char *side_of(fv_arena *a, const char *path, const fv_driver_options *o) {
    if (o->bytes)
        return o->bytes->folder ? fv_printf(a, "%s/%s.bin", o->bytes->folder, fv_path_name(path))
                                : NULL;
    return strcmp(path, "-") ? fv_printf(a, "%s.bin", path) : NULL;
}

/* The folder of the files that a graph IR text names; NULL: there are none. */
static const char *folder_of(fv_arena *a, const char *path, const fv_driver_options *o) {
    if (o->bytes)
        return o->bytes->folder;
    return strcmp(path, "-") ? fv_path_folder(a, path) : ".";
}

static bool read_program(fv_session *s, fv_arena *a, const char *text, const char *path,
                         const fv_driver_options *o, fv_source *out) {
    const char *side = side_of(a, path, o);
    if (!text || !is_as_it_is(s, o))
        return false;
    fv_program *p = fv_program_parse(a, text, side);
    if (!p)
        return false;
    if (o->target.given || !p->target)
        p->target = o->target.of;
    if (o->name)
        p->name = o->name;
    out->program = p;
    return true;
}

static const char *hash_of(fv_arena *a, const fv_file *f) {
    XXH128_hash_t h = XXH3_128bits(f->data, f->size);
    return fv_printf(a, "%016llx%016llx", (unsigned long long)h.high64,
                     (unsigned long long)h.low64);
}

static bool read_text(fv_session *s, fv_arena *a, const char *path, const fv_file *f,
                      const fv_driver_options *o, fv_source *out) {
    const char *text = text_of(s, a, f);
    out->hash = o->tuning.path || o->answers.choices ? hash_of(a, f) : "";
    if (fv_file_is_graph(out->kind))
        return read_graph(s, text, folder_of(a, path, o), o, out);
    if (out->kind == FV_FILE_PROGRAM)
        return read_program(s, a, text, path, o, out);
    return text && is_as_it_is(s, o) &&
           (out->program = fv_driver_wrap_kernel(s, text, o->target.of));
}

static fv_import_options import_options(const fv_driver_options *o) {
    return (fv_import_options){.dims = o->dims.given,
                               .ndims = count(o->dims.given),
                               .strict = o->strict,
                               .without_weights = o->without_weights,
                               .without_hash = o->without_hash};
}

/* Reads a model whose content is in memory or in a mapped file. `name` is the name that an ONNX
 * model gets. */
static bool read_content(fv_session *s, fv_arena *a, const char *path, const char *name,
                         const fv_file *f, const fv_driver_options *o, fv_source *out) {
    fv_import_options io = import_options(o);
    const char *folder = o->bytes ? o->bytes->folder : NULL;
    if (out->kind == FV_FILE_ELF)
        return fv_error(s, "is compiled already, and has no graph: this needs the model from which "
                           "it was compiled; `fovea run`, `bench`, `test` and `inspect` take "
                           "libraries");
    if (out->kind != FV_FILE_ONNX)
        return read_text(s, a, path, f, o, out);
    out->module = fv_onnx_import_bytes(s, f->data, f->size, folder, name, &io);
    return out->module != NULL;
}

static bool read_memory(fv_session *s, fv_arena *a, const char *path, const char *name,
                        const fv_file *f, const fv_driver_options *o, fv_source *out) {
    *out = (fv_source){.kind = fv_driver_kind((const char *)f->data, f->size),
                       .hash = "",
                       .bytes = f->data,
                       .nbytes = f->size};
    return read_content(s, a, path, name, f, o, out);
}

static bool read_path(fv_session *s, const char *path, const fv_driver_options *o, fv_source *out) {
    fv_import_options io = import_options(o);
    *out = (fv_source){.kind = fv_driver_path_kind(path), .hash = ""};
    fv_diag_file(s, path);
    if (out->kind == FV_FILE_ONNX)
        return (out->module = fv_onnx_import(s, path, &io)) != NULL;
    fv_arena *a = fv_arena_new(s);
    fv_file f;
    return fv_file_map(s, a, path, &f) && read_content(s, a, path, NULL, &f, o, out);
}

static bool read_any(fv_session *s, const char *path, const fv_driver_options *o, fv_source *out) {
    if (!o->bytes && strcmp(path, "-"))
        return read_path(s, path, o, out);
    fv_arena *a = fv_arena_new(s);
    fv_file f;
    if (o->bytes) {
        f = (fv_file){o->bytes->data, o->bytes->size};
        fv_diag_file(s, path);
        return read_memory(s, a, path, fv_path_stem(a, path), &f, o, out);
    }
    fv_diag_file(s, "standard input");
    return read_input(s, a, &f) && read_memory(s, a, path, "model", &f, o, out);
}

bool fv_driver_read(fv_session *s, const char *path, const fv_driver_options *o, fv_source *out) {
    const fv_mapping *before = fv_mappings(s);
    bool ok = read_any(s, path, o, out);
    if (ok && out->module && *out->module->source.hash)
        out->hash = out->module->source.hash;
    if (ok && o->tuning.path)
        ok = (out->tuning = fv_driver_tuning(s, fv_arena_new(s), o, out->hash)) != NULL;
    for (int i = 0; ok && out->module && i < count(o->dims.states); i++)
        ok = fv_state_declare(out->module, o->dims.states[i]);
    fv_mappings_drop(s, before);
    return ok;
}

/* ---- to a program ---- */

const fv_target *fv_driver_target(fv_session *s, fv_arena *a, const char *name, bool here,
                                  const char **why) {
    if (name && !fv_target_read(a, name, why))
        return NULL;
    if (name ? !strcmp(name, "native") : here)
        return fv_machine_native(s, a, fv_target_choose(a, "native"));
    if (name)
        return fv_target_choose(a, name);
    const fv_target *t = fv_target_baseline();
    return strncmp(t->name, "x86-64", 6) ? t : fv_target_find("x86-64-v3");
}

/* The names of the level's steps that are not disabled, in their order. */
static const char *const *steps_of(fv_arena *a, const fv_driver_options *o,
                                   const fv_pipeline_table *level) {
    const char *const *steps = o->work.steps ? o->work.steps : level->steps;
    return fv_pipeline_with(a, steps ? steps : fv_pipeline_steps(a), NULL, o->work.disable);
}

bool fv_driver_pipeline(fv_arena *a, const fv_driver_options *o, fv_pipeline_table *out) {
    const fv_pipeline_table *level = fv_pipeline_shipped(o->level ? o->level : '2');
    if (!level)
        return false;
    *out = (fv_pipeline_table){
        .purpose = o->work.passes ? NULL : level->purpose,
        .code = level->code,
        .steps = steps_of(a, o, level),
        .passes = fv_pipeline_with(a, o->work.passes ? o->work.passes : level->passes,
                                   o->work.enable, o->work.disable)};
    return true;
}

/* Is less memory worth more than time? */
static bool saves_memory(const fv_driver_options *o) {
    return o->level == 's' || o->work.prefers_ram ||
           (o->target.of && o->target.of->kind != FV_TARGET_SERVER);
}

bool fv_driver_passes(fv_module *m, const fv_driver_options *o) {
    fv_pipeline_options with = o->work.pipeline ? *o->work.pipeline : (fv_pipeline_options){0};
    with.without = o->work.disable;
    with.saves_memory |= saves_memory(o);
    with.without_weights |= o->without_weights;
    fv_pipeline_table p;
    if (!fv_driver_pipeline(m->arena, o, &p))
        return fv_error(m->session, "there is no level -O%c", o->level);
    if (m->definitions)
        return fv_module_verify(m, NULL) && fv_definitions_verify(m, m->definitions, NULL);
    if (o->work.passes)
        fv_warn_of_order(m->session, p.passes);
    return fv_module_verify(m, NULL) && fv_run_passes(m, p.passes, &with);
}

/* Are records of lowering asked for, which are in its memory? */
static bool has_records(const fv_driver_options *o) {
    return o->answers.choices || o->answers.reasons ||
           (o->work.pipeline && o->work.pipeline->watch);
}

/* What lowering saves, as bits of fv_saving. */
static unsigned saving(const fv_driver_options *o) {
    return (has_records(o) ? 0u : FV_SAVES_LOWERING) |
           (o->level == 's' ? FV_SAVES_MEMORY | FV_SAVES_CODE : 0u) |
           (o->work.prefers_ram ? FV_SAVES_MEMORY | FV_SAVES_BY_STRIPS : 0u);
}

static fv_lower_options lower_options(fv_arena *a, const fv_driver_options *o,
                                      const fv_source *source) {
    fv_pipeline_table p = {0}; /* empty if the level is unknown; fv_driver_passes reports that */
    const char *const *without =
        fv_driver_pipeline(a, o, &p) ? fv_switches_steps(a, p.steps) : NULL;
    return (fv_lower_options){.target = o->target.of,
                              .name = o->name,
                              .naive = o->naive,
                              .common_panels = o->target.nlevels > 1,
                              .saves = saving(o),
                              .relax = o->relax,
                              .random_limits = o->random_limits,
                              .weights = o->without_weights    ? FV_WEIGHTS_LEFT_OUT
                                         : o->target.unaligned ? FV_WEIGHTS_ANYWHERE
                                                               : FV_WEIGHTS_ALIGNED,
                              .without = without,
                              .tuning = source->tuning ? source->tuning : o->tuning.tuned,
                              .choices = o->answers.choices,
                              .verify = o->work.pipeline && o->work.pipeline->verify,
                              .watch = o->work.pipeline ? o->work.pipeline->watch : NULL,
                              .gate = o->work.pipeline ? o->work.pipeline->gate : NULL,
                              .reasons = o->answers.reasons};
}

bool fv_driver_prepare(const fv_source *source, const fv_driver_options *o) {
    if (!fv_driver_passes(source->module, o))
        return false;
    if (o->change.passed && !o->change.passed(o->change.user, source->module))
        return false;
    if (o->answers.attentions)
        fv_attention_find(source->module->arena, source->module, o->answers.attentions);
    if (o->answers.denormals)
        fv_denormals_find(source->module, o->without_weights, o->answers.denormals);
    return true;
}

/* The program with handwritten kernels; NULL after a diagnostic. */
static fv_program *finished(fv_session *s, fv_program *p, const fv_driver_options *o) {
    return !o->tuning.kernels || fv_driver_replace_kernels(s, p, o->tuning.kernels) ? p : NULL;
}

/* The bytes of workspace that a copy of the module takes; -1: it cannot be lowered, or dims decide
 * the bytes. *strips: whether values are computed in strips. */
static int64_t tried_bytes(fv_session *s, const fv_module *m, const fv_lower_options *lo,
                           unsigned saves, bool *strips) {
    const fv_message *last = fv_messages_last(s);
    fv_module *copy = fv_module_copy(s, m, NULL);
    fv_lower_options o = *lo;
    int64_t bytes;
    o.saves = saves;
    o.weights = FV_WEIGHTS_LEFT_OUT;
    o.choices = NULL;
    o.gate = NULL;
    o.watch = NULL;
    o.reasons = NULL;
    fv_program *p = copy ? fv_lower(copy, &o) : NULL;
    fv_messages_drop(s, last);
    *strips = p && p->memory.strips;
    if (!p || !p->memory.workspace || !fv_x_is_int(p->memory.workspace, &bytes))
        bytes = -1;
    if (p)
        fv_arena_free(p->arena);
    if (copy)
        fv_module_free(copy);
    return bytes;
}

/* Whether strips make the workspace smaller by a share that is worth their code: 1 / LEAST_GAIN.
 * They are chosen by an estimate, so the module is lowered with and without them. */
static bool strips_pay(fv_session *s, const fv_module *m, const fv_lower_options *lo) {
    enum { LEAST_GAIN = 16 };
    bool strips;
    int64_t with = tried_bytes(s, m, lo, lo->saves, &strips);
    if (!strips || with < 0)
        return false;
    int64_t without = tried_bytes(s, m, lo, lo->saves & ~(unsigned)FV_SAVES_BY_STRIPS, &strips);
    return with <= without - without / LEAST_GAIN;
}

fv_program *fv_driver_lower_module(fv_session *s, fv_module *m, const fv_source *source,
                                   const fv_driver_options *o) {
    fv_lower_options lo = lower_options(m->arena, o, source);
    if (lo.saves & FV_SAVES_BY_STRIPS && !lo.naive && !m->definitions && !strips_pay(s, m, &lo))
        lo.saves &= ~(unsigned)FV_SAVES_BY_STRIPS;
    if (o->target.in_process)
        lo.target =
            fv_machine_permitted(m, lo.target, m->definitions || lo.relax & FV_RELAX_BF16_TILES);
    fv_program *p = fv_lower(m, &lo);
    return p && fv_program_verify(s, p) ? finished(s, p, o) : NULL;
}

fv_program *fv_driver_lower(fv_session *s, const fv_source *source, const fv_driver_options *o) {
    if (!source->module)
        return source->program && fv_program_verify(s, source->program) &&
                       fv_program_keeps_protocol(s, source->program)
                   ? finished(s, source->program, o)
                   : NULL;
    return fv_driver_prepare(source, o) ? fv_driver_lower_module(s, source->module, source, o)
                                        : NULL;
}

typedef struct writing {
    fv_session *s;
    const char *out;
} writing;

static bool write_definitions(void *user, const fv_module *m, const fv_definitions *d) {
    const writing *w = user;
    return fv_driver_write_ir(w->s, m, d, w->out);
}

/* The target for files of that kind. C for Windows has no vectors, since Microsoft's compiler has
 * none of GNU C; the bits are the same. */
static const fv_target *target_for(fv_arena *a, const fv_target *of, fv_emit_kind kind) {
    if (!of || kind != FV_EMIT_C || of->system != FV_SYSTEM_WINDOWS)
        return of;
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = *of;
    t->vector_bits = 0;
    t->vector_registers = 0;
    return t;
}

bool fv_driver_emit(fv_session *s, const fv_source *source, const fv_driver_options *driver,
                    fv_emit_kind kind, const char *out, const fv_write_options *o, fv_program **p) {
    bool graph = kind == FV_EMIT_IR || kind == FV_EMIT_DEFINITIONS;
    *p = NULL;
    if (graph && !source->module)
        return fv_error(s, "%s: kernels have no %s to write", out,
                        kind == FV_EMIT_IR ? "graph" : "definitions");
    if (kind == FV_EMIT_IR && source->module->definitions)
        return fv_error(s, "%s: definitions have no graph to write", out);
    if (graph) {
        fv_lower_options lo = lower_options(source->module->arena, driver, source);
        writing w = {s, out};
        return fv_driver_passes(source->module, driver) &&
               (kind == FV_EMIT_IR
                    ? write_definitions(&w, source->module, NULL)
                    : fv_lower_definitions(source->module, &lo, write_definitions, &w));
    }
    fv_driver_options for_kind = *driver;
    for_kind.target.of = target_for(fv_arena_new(s), driver->target.of, kind);
    *p = fv_driver_lower(s, source, &for_kind);
    return *p && (!o->accept || o->accept(o->user, *p)) && fv_driver_write(s, *p, kind, out, o);
}

_Static_assert((int)FV_NOTE == FV_LOG_NOTE && (int)FV_WARNING == FV_LOG_WARNING &&
                   (int)FV_ERROR == FV_LOG_ERROR,
               "severities have the same numbers in the public header");

void fv_driver_log(fv_session *s, fv_log *log) {
    fv_arena *a = fv_arena_new(s);
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        fv_log_say(log, (int)m->severity, "%s", fv_message_str(a, m));
    fv_arena_free(a);
}
