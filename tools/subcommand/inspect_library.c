/* inspect_library.c - `fovea inspect` of a compiled library: what its table, its symbols and the
 * file of its weights contain. The library may be one for a CPU with other features: no code of it
 * is executed then but the function that returns the table. */
#include <stdio.h>
#include <string.h>

#include "ir/target/lacking.h"
#include "runtime/internal.h"
#include "tools/model/labels.h"
#include "tools/model/library_weights.h"
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
    fv_artifact_lacking(l->m.artifact, l->lacking, sizeof l->lacking);
    for (int i = 0; i < t->nlaunches; i++)
        kernel_of(l, &t->launches[i])->launches++;
    l->weights = fv_library_weights(c->arena, &l->m);
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
        fv_out("%-11sin %s, which is missing\n", "weights",
               fv_library_weights_path(l->c->arena, &l->m));
    else if (file)
        fv_out("%-11s%s%s, in %s\n", "weights", size, of,
               fv_library_weights_path(l->c->arena, &l->m));
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
        fv_out("\n%s: %d launch%s\n", fv_kernel_title(l->c->arena, l->table, k->name), k->launches,
               k->launches == 1 ? "" : "es");
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
