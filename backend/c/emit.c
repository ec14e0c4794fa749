/* emit.c - decides which files are written, and writes them. */
#include <string.h>

#include "backend/c/files.h"
#include "backend/c/internal.h"
#include "backend/have.h"
#include "ir/base/mapping.h"

enum { TEXT_MOST = 1 << 20, TEXT_APART = 1 << 16 };

/* Checks that C can be written for the program's target, and weights be stored in the chosen
 * way. */
static bool suits_system(const fv_cg *g) {
    const fv_target *t = g->p->target;
    fv_weights_kind kind = g->weights.kind;
    if (t->system != FV_SYSTEM_ELF && (kind == FV_WEIGHTS_OBJECT || kind == FV_WEIGHTS_INCBIN))
        return fv_error(g->session,
                        "--weights=%s makes ELF, which target %s does not use: choose text, or "
                        "write an object instead of C",
                        kind == FV_WEIGHTS_OBJECT ? "object" : "incbin", t->name);
    return !g->machine.windows || kind != FV_WEIGHTS_FILE ||
           fv_error(
               g->session,
               "--weights=file: the code that maps the file is for POSIX; for target %s choose "
               "text, or write an object instead of C",
               t->name);
}

static bool can_hold(const fv_cg *g, size_t bytes) {
    const fv_target *t = g->p->target;
    bool linked = g->weights.kind == FV_WEIGHTS_OBJECT || g->weights.kind == FV_WEIGHTS_INCBIN;
    if (g->weights.kind == FV_WEIGHTS_OBJECT && !FV_HAVE_ELF)
        return fv_error(
            g->session,
            "--weights=object: this fovea was built without libelf; choose file, incbin or text");
    if (g->weights.kind == FV_WEIGHTS_OBJECT && !fv_weights_has_object(t))
        return fv_error(
            g->session,
            "--weights=object: no object format is known for target %s; choose file, incbin "
            "or text",
            t->name);
    if (g->weights.kind == FV_WEIGHTS_FILE && g->machine.narrow && bytes > INT32_MAX)
        return fv_error(g->session, "%zu bytes of weights are more than target %s can address",
                        bytes, t->name);
    return !linked || fv_weights_can_be_linked(g->session, g->p, g->name);
}

static bool decide_weights(fv_cg *g, bool folder) {
    size_t bytes = fv_weights_bytes(g->p);
    g->weights.kind = g->o->weights;
    if (g->weights.kind == FV_WEIGHTS_AUTO && bytes > TEXT_MOST && !folder)
        return fv_error(
            g->session,
            "%zu bytes of weights are much for C text: write a folder (-o %s/), or choose where "
            "they are stored by --weights=object, file, incbin or text",
            bytes, g->name);
    bool is_elf = g->p->target->system == FV_SYSTEM_ELF;
    if (g->weights.kind == FV_WEIGHTS_AUTO)
        g->weights.kind = bytes > TEXT_MOST && is_elf ? FV_WEIGHTS_INCBIN : FV_WEIGHTS_TEXT;
    if (bytes == 0)
        g->weights.kind = FV_WEIGHTS_TEXT;
    g->weights.apart = folder && g->weights.kind == FV_WEIGHTS_TEXT && bytes > TEXT_APART;
    return suits_system(g) && can_hold(g, bytes);
}

static void take_public_names(fv_cg *g) {
    static const char *const names[] = {
        "run",          "plan",          "model",       "dims",     "out_dims",
        "selftest",     "weights",       "pool",        "ask_cpu",  "cpu_is_bad",
        "weights_open", "weights_close", "weights_map", "run_flat", "plan_flat",
        "plan_entry",   "run_entry",     "direct",      "env_of",   NULL};
    for (int i = 0; names[i]; i++)
        fv_c_name_take(&g->naming.scope, fv_printf(g->arena, "%s_%s", g->name, names[i]));
}

static fv_cg *cg_new(fv_session *s, fv_arena *a, const fv_program *p, const fv_c_options *o) {
    fv_cg *g = FV_NEW(a, fv_cg, 1);
    g->session = s;
    g->arena = a;
    fv_program *whole = FV_NEW(a, fv_program, 1);
    *whole = *p;
    if (!p->memory.workspace)
        whole->memory.workspace = fv_x_int(a, 0);
    g->p = whole;
    g->o = o;
    g->name = p->name;
    g->NAME = fv_c_upper(a, p->name);
    g->machine.isa = p->target->isa;
    g->machine.native = p->target->vector_bits / 8;
    g->machine.sse41 = fv_target_has(p->target, FV_FEATURE_sse41);
    g->machine.narrow = p->target->pointer_bits == 32;
    g->machine.windows = p->target->system == FV_SYSTEM_WINDOWS;
    g->machine.checks_cpu = fv_features_can_lack(fv_target_features(p->target));
    g->prelude.types.arena = g->prelude.helpers.arena = a;
    g->prelude.made = g->prelude.macros = fv_ptrmap_in(a);
    g->naming.names = g->fn.used = g->fn.pointers = fv_ptrmap_in(a);
    fv_c_scope_init(&g->naming.scope, a);
    take_public_names(g);
    return g;
}

static bool write_pair(fv_cg *g, const char *path) {
    fv_c_files f = {.arena = g->arena};
    fv_text unit = {.arena = g->arena}, header = {.arena = g->arena};
    const char *file = fv_path_name(path),
               *folder = fv_strndup(g->arena, path, (size_t)(file - path));
    const char *stem = fv_strndup(g->arena, file, strlen(file) - 2);
    g->file = stem;
    fv_c_unit(g, &unit);
    fv_c_header(g, &header);
    if (g->failed)
        return false;
    fv_c_files_add(&f, file, unit.s, unit.n);
    fv_c_files_add(&f, fv_printf(g->arena, "%s.h", stem), header.s, header.n);
    fv_c_add_weights(g, &f);
    return fv_c_files_write(g->session, &f, folder);
}

/* Checks that no kernel calls a library function, since generated C must not depend on a
 * library. */
static bool calls_nothing(const fv_cg *g) {
    const fv_kernel *k = fv_program_caller(g->p);
    bool named = k && k->origin && *k->origin;
    return !k ||
           fv_error(g->session,
                    "generated C depends on no library, and kernel '%s'%s%s%s calls one: only code "
                    "in memory and "
                    "the interpreter have it",
                    k->name, named ? ", of node '" : "", named ? k->origin : "", named ? "'," : "");
}

static bool write_all(fv_cg *g, const char *path) {
    size_t n = strlen(path);
    bool folder = n > 0 && path[n - 1] == '/';
    if (!folder && (n < 3 || strcmp(path + n - 2, ".c") != 0 || path[n - 3] == '/'))
        return fv_error(g->session,
                        "'%s' is no name for C: it must end in .c (two files) or / (a folder)",
                        path);
    if (!folder && !fv_c_file_is_fit(fv_path_name(path)))
        return fv_error(
            g->session,
            "'%s' is no name for C: no #include can name a file with quotes, backslashes, "
            "controls or invisible characters",
            path);
    if (!fv_c_name_is_fit(g->name))
        return fv_error(g->session, "'%s' is no prefix for names in C: give another with --name",
                        g->name);
    if (!calls_nothing(g) || !decide_weights(g, folder))
        return false;
    return folder ? fv_c_write_folder(g, path) : write_pair(g, path);
}

bool fv_c_write(fv_session *s, const fv_program *p, const fv_c_options *o, const char *path) {
    static const fv_c_options defaults;
    fv_arena *a = fv_arena_new(s);
    bool ok = write_all(cg_new(s, a, p, o ? o : &defaults), path);
    fv_arena_free(a);
    return ok;
}

const char *fv_c_library_header(fv_session *s, fv_arena *a, const fv_program *p,
                                const fv_c_library *library) {
    const fv_c_options o = {.library = library};
    fv_text t = {.arena = a};
    if (!fv_c_name_is_fit(p->name) || !fv_c_file_is_fit(library->file))
        return NULL;
    fv_cg *g = cg_new(s, a, p, &o);
    g->file = library->file;
    fv_c_header(g, &t);
    return t.s;
}

bool fv_c_kernels(fv_session *s, fv_arena *a, const fv_program *p, const char **out) {
    static const fv_c_options defaults;
    fv_cg *g = cg_new(s, a, p, &defaults);
    for (int i = 0; i < p->nkernels && !g->failed; i++) {
        fv_text t = {.arena = a};
        g->out = &t;
        fv_c_kernel(g, p->kernels[i]);
        out[i] = t.s;
    }
    return !g->failed;
}
