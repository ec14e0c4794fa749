/* inspect_library.c - `fovea inspect` of a compiled library: what its table, its symbols and the
 * file of its weights contain. The library may be one for a CPU with other features: no code of it
 * is executed then but the function that returns the table. */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/target/lacking.h"
#include "runtime/internal.h"
#include "runtime/library.h"
#include "tools/subcommand/inspect.h"

/* The launches of one kernel. */
typedef struct kernel {
    const char *name, *nodes, *indexes; /* as in fv_launch_info, of the first launch */
    int launches;
} kernel;

typedef struct library {
    fv_context *c;
    fv_subject m;
    const fv_model *table;
    /* the targets that the library has code for, with commas; NULL: only that of the table */
    const char *targets;
    char lacking[FV_FEATURES_TEXT]; /* features of the table's target that this CPU lacks */
    kernel *kernels;                /* in the order of their first launches */
    int nkernels, cap;
    int64_t weights;   /* bytes of the weights of all targets; -1: not known */
    int64_t workspace; /* bytes for the chosen dims; -1: not known */
} library;

/* ---- the symbols of the file ---- */

typedef struct bytes {
    const unsigned char *at;
    size_t size;
} bytes;

/* Copies n bytes of the file; false: it does not have them. */
static bool take(const bytes *file, uint64_t at, void *out, size_t n) {
    if (at > file->size || n > file->size - at)
        return false;
    memcpy(out, file->at + at, n);
    return true;
}

static bool is_name(const bytes *file, uint64_t at, const char *name) {
    size_t n = strlen(name) + 1;
    return at <= file->size && n <= file->size - at && !memcmp(file->at + at, name, n);
}

static int64_t size_in_table(const bytes *file, const ElfW(Shdr) * symbols, uint64_t names,
                             const char *name) {
    ElfW(Sym) s;
    for (uint64_t i = 0; i < symbols->sh_size / sizeof s; i++) {
        if (!take(file, symbols->sh_offset + i * sizeof s, &s, sizeof s))
            return -1;
        if (is_name(file, names + s.st_name, name))
            return s.st_size <= INT64_MAX ? (int64_t)s.st_size : -1;
    }
    return -1;
}

/* The size of the symbol in bytes; -1: there is no such symbol, as in a file without a table of
 * symbols (strip). */
static int64_t size_of_symbol(const bytes *file, const char *name) {
    ElfW(Ehdr) head;
    ElfW(Shdr) symbols, names;
    if (!take(file, 0, &head, sizeof head) || head.e_shentsize != sizeof symbols)
        return -1;
    for (unsigned i = 0; i < head.e_shnum; i++)
        if (take(file, head.e_shoff + i * sizeof symbols, &symbols, sizeof symbols) &&
            symbols.sh_type == SHT_SYMTAB &&
            take(file, head.e_shoff + symbols.sh_link * sizeof names, &names, sizeof names))
            return size_in_table(file, &symbols, names.sh_offset, name);
    return -1;
}

/* The path of the file of weights, in the folder of the library, which is not that of a link to
 * it. */
static const char *weights_path(const library *l) {
    struct stat st;
    bool is_link = !lstat(l->m.path, &st) && S_ISLNK(st.st_mode);
    char *full = is_link ? fv_dl_path(l->m.path) : NULL;
    const char *at = full ? full : l->m.path, *slash = strrchr(at, '/');
    int folder = slash ? (int)(slash + 1 - at) : 0;
    const char *path = fv_printf(l->c->arena, "%.*s%s", folder, at, l->table->weights_file);
    free(full);
    return path;
}

static int64_t weights_of(const library *l) {
    struct stat st;
    bytes file;
    void *start;
    const char *why;
    if (l->table->weights_file)
        return stat(weights_path(l), &st) ? -1 : (int64_t)st.st_size;
    if (fv_file_open(l->m.path, &start, &file.size, &why))
        return -1;
    file.at = start;
    int64_t n = size_of_symbol(&file, fv_printf(l->c->arena, "%s_weights", l->table->name));
    fv_file_close(start, file.size);
    return n;
}

/* ---- the table ---- */

static kernel *kernel_of(library *l, const fv_launch_info *launch) {
    for (int i = 0; i < l->nkernels; i++)
        if (!strcmp(l->kernels[i].name, launch->kernel))
            return &l->kernels[i];
    FV_PUSH(l->c->arena, l->kernels, l->nkernels, l->cap,
            ((kernel){launch->kernel, launch->nodes, launch->indexes, 0}));
    return &l->kernels[l->nkernels - 1];
}

/* False after a message. */
static bool open_library(library *l, const char *path) {
    fv_context *c = l->c;
    if (!fv_subject_describe(c, path, &l->m) || !fv_choose_dims(c, &l->m, true))
        return false;
    const fv_model *t = l->table = l->m.table;
    l->targets = fv_load_text(l->m.artifact, fv_printf(c->arena, "%s_targets", t->name));
    fv_target_lacking(t->target, l->lacking, sizeof l->lacking);
    for (int i = 0; i < t->nlaunches; i++)
        kernel_of(l, &t->launches[i])->launches++;
    l->weights = weights_of(l);
    size_t n;
    bool planned = !*l->lacking && !l->m.artifact->plan(l->m.artifact, l->m.data.dims, &n, NULL);
    l->workspace = planned ? (int64_t)n : -1;
    return true;
}

/* What only the model has; NULL: nothing of it was requested. */
static const char *what_is_missing(const fv_args *a) {
    return a->inspect.ops         ? "operators: --ops needs"
           : a->inspect.memory    ? "list of buffers: --memory needs"
           : a->inspect.attention ? "list of attentions: --attention needs"
           : a->inspect.why       ? "record of decisions: --why needs"
                                  : NULL;
}

/* ---- text ---- */

static void print_target(const library *l) {
    fv_out("%-11s%s", "target", l->table->target);
    if (*l->lacking)
        fv_out(", but this CPU lacks %s", l->lacking);
    fv_out("\n");
    if (l->targets) {
        fv_out("%-11s", "targets");
        for (const char *p = l->targets; *p; p++)
            fv_out(*p == ',' ? ", " : "%c", *p);
        fv_out("; the highest that a CPU has is used\n");
    }
}

static void print_weights(const library *l) {
    const char *file = l->table->weights_file;
    const char *of = l->targets ? ", for all targets" : "";
    const char *size = l->weights < 0 ? "" : fv_size_str(l->c->arena, (uint64_t)l->weights);
    if (file && l->weights < 0)
        fv_out("%-11sin %s, which is missing\n", "weights", weights_path(l));
    else if (file)
        fv_out("%-11s%s%s, in %s\n", "weights", size, of, weights_path(l));
    else if (l->weights < 0)
        fv_out("%-11sof unknown size: the library has no symbol for them\n", "weights");
    else
        fv_out("%-11s%s%s\n", "weights", size, of);
}

static void print_workspace(const library *l) {
    fv_arena *a = l->c->arena;
    const char *where = fv_dims_str(a, l->table, l->m.data.dims);
    fv_out("%-11s%s%s%s%s\n", "workspace",
           l->workspace >= 0 ? fv_size_str(a, (uint64_t)l->workspace)
                             : "of unknown size: this CPU cannot compute it",
           *where ? " (" : "", where, *where ? ")" : "");
    if (l->table->uses_allocator)
        fv_out("%-11sbuffers whose size depends on data come from the caller's allocator\n", "");
}

static void print_kernels(const library *l) {
    for (int i = 0; i < l->nkernels; i++) {
        const kernel *k = &l->kernels[i];
        fv_out("\n%s: %d launch%s\n", k->name, k->launches, k->launches == 1 ? "" : "es");
        if (*k->nodes)
            fv_out("  %-9s %.800s%s\n", "from", k->nodes, strlen(k->nodes) > 800 ? " ..." : "");
        if (*k->indexes)
            fv_out("  %-9s %.800s\n", "indices", k->indexes);
    }
}

static void print_all(const library *l) {
    const fv_model *t = l->table;
    fv_inspect_interface(t);
    if (t->nlaunches)
        fv_out("%-11s%d, %d launch%s\n", "kernels", l->nkernels, (int)t->nlaunches,
               t->nlaunches == 1 ? "" : "es");
    print_weights(l);
    print_workspace(l);
    print_target(l);
    fv_out("%-11sis compiled: operators, schedules, costs, buffers and reasons are only known from "
           "the model\n",
           "library");
    if (l->c->args->inspect.schedules)
        print_kernels(l);
}

/* ---- JSON ---- */

static json_t *targets_json(const library *l) {
    json_t *list = json_array();
    for (const char *p = l->targets ? l->targets : l->table->target; *p;) {
        size_t n = strcspn(p, ",");
        fv_json_append(list, fv_json_text(fv_strndup(l->c->arena, p, n)));
        p += n + (p[n] == ',');
    }
    return list;
}

static json_t *memory_json(const library *l) {
    json_t *o = json_object();
    fv_json_set(o, "weights_bytes", l->weights < 0 ? json_null() : json_integer(l->weights));
    fv_json_set(o, "weights_file", fv_json_text(l->table->weights_file));
    fv_json_set(o, "workspace_bytes", l->workspace < 0 ? json_null() : json_integer(l->workspace));
    fv_json_set_bool(o, "uses_allocator", l->table->uses_allocator);
    return o;
}

static json_t *kernels_json(const library *l) {
    json_t *list = json_array();
    for (int i = 0; i < l->nkernels; i++) {
        json_t *o = json_object();
        fv_json_set_text(o, "kernel", l->kernels[i].name);
        fv_json_set_int(o, "launches", l->kernels[i].launches);
        fv_json_set_text(o, "from", l->kernels[i].nodes);
        fv_json_append(list, o);
    }
    return list;
}

static bool print_json(const library *l) {
    json_t *d = fv_json_document();
    fv_json_set_text(d, "model", l->m.path);
    fv_json_set_bool(d, "library", true);
    fv_json_set_text(d, "name", l->table->name);
    fv_json_set_text(d, "target", l->table->target);
    fv_json_set(d, "targets", targets_json(l));
    fv_json_set_text(d, "lacking", l->lacking);
    fv_json_set_text(d, "source_hash", l->table->source_hash);
    fv_json_set_text(d, "producer", l->table->producer);
    fv_inspect_interface_json(l->table, l->m.data.dims, d);
    fv_json_set(d, "memory", memory_json(l));
    fv_json_set(d, "schedules", kernels_json(l));
    return fv_json_print(l->c->session, d);
}

int fv_inspect_library(fv_context *c, const char *path) {
    library *l = FV_NEW(c->arena, library, 1);
    l->c = c;
    const char *missing = what_is_missing(c->args);
    bool ok = open_library(l, path);
    if (ok && missing)
        ok = fv_error(c->session,
                      "is a compiled library, which has no %s the model from which it was compiled",
                      missing);
    if (ok && c->args->print.json)
        ok = print_json(l);
    else if (ok)
        print_all(l);
    fv_subject_close(&l->m);
    return ok ? FV_EXIT_OK : fv_failed(c);
}
