/* compile_parts.c - `fovea compile` of a folder with the parts of a model: each part is compiled to
 * files of its own, which are in one folder. Those that can be run are listed in parts.json, so
 * that `fovea run` runs them together. All are written in a temporary folder, and replace others
 * after the last one was compiled. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/c/files.h"
#include "ir/base/staging.h"
#include "tools/model/shares.h"
#include "tools/subcommand/compile.h"

/* The files into which the parts are compiled. */
typedef struct outputs {
    const char *folder; /* without a slash at its end */
    fv_emit_kind kind;
    const char *suffix;  /* of the file of a part, or "/" if it is a folder */
    fv_compile_one *one; /* writes them */
} outputs;

/* ---- which files are written, and where ---- */

static bool choose_kind(const fv_args *a, outputs *out) {
    out->kind = a->result.emit      ? fv_emit_by_name(a->result.emit)
                : fv_llvm_missing() ? FV_EMIT_C
                                    : FV_EMIT_SO;
    if (out->kind != FV_EMIT_NONE)
        return true;
    const char *near = fv_nearest(a->result.emit, fv_emit_names());
    return fv_usage(a, "--emit %s: %s%s%s", a->result.emit, near ? "did you mean '" : "there is no",
                    near ? near : " such kind of files", near ? "'?" : "") == FV_EXIT_OK;
}

/* Is -o the folder in which the parts are? Their list would be replaced, and they removed. */
static bool is_same_folder(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool choose_folder(fv_context *c, outputs *out) {
    const fv_args *a = c->args;
    const char *path = a->result.output, *parts = a->operand[0];
    fv_emit_kind kind = path ? fv_emit_by_suffix(path) : FV_EMIT_NONE;
    size_t n = path ? strlen(path) : 0;
    if (!path || !strcmp(path, "-") || (kind != FV_EMIT_NONE && path[n - 1] != '/'))
        return fv_usage(a,
                        "%s holds the parts of a model, each of which is compiled to a file of its "
                        "own: -o DIR/ names the folder for them, and --emit their kind",
                        parts) == FV_EXIT_OK;
    if (is_same_folder(path, parts))
        return fv_usage(a, "-o %s is the folder of the parts that are compiled: name another one",
                        path) == FV_EXIT_OK;
    while (n > 1 && path[n - 1] == '/')
        n--;
    out->folder = fv_strndup(c->arena, path, n);
    return true;
}

/* The suffix of the file of a part for the target of the command; false after a message. */
static bool choose_suffix(fv_context *c, outputs *out) {
    fv_driver_options o;
    if (!fv_args_driver(c, &o, false))
        return false;
    fv_system system = o.target.of ? o.target.of->system : FV_SYSTEM_ELF;
    out->suffix = out->kind == FV_EMIT_C ? "/" : fv_emit_suffix_on(out->kind, system);
    fv_diag_file(c->session, out->folder);
    return out->kind != FV_EMIT_SO || !o.target.of || o.target.of->kind == FV_TARGET_SERVER ||
           fv_error(c->session,
                    "target %s has no shared libraries: --emit obj or --emit lib writes objects or "
                    "archives",
                    o.target.of->name);
}

/* Can `fovea run` run files of this kind? */
static bool can_be_run(fv_emit_kind kind) {
    return kind == FV_EMIT_SO || kind == FV_EMIT_IR || kind == FV_EMIT_DEFINITIONS ||
           kind == FV_EMIT_KERNELS || kind == FV_EMIT_EXPANDED;
}

/* ---- the work ---- */

/* Are all parts there, as the list says? */
static bool check_parts(fv_context *c, const fv_parts_manifest *list) {
    const char *folder = c->args->operand[0];
    for (int r = 0; r < list->ranks; r++) {
        fv_diag_file(c->session, fv_parts_path(c, folder, list, r));
        if (!fv_parts_check(c, folder, list, r))
            return false;
    }
    return true;
}

/* Compiles the part of a rank, with the options of the command. */
static int compile_part(fv_context *c, const fv_parts_manifest *list, const outputs *out, int rank,
                        fv_compiled_parts *all) {
    const fv_args *given = c->args;
    fv_args a = *given;
    const char *path = fv_parts_path(c, given->operand[0], list, rank);
    fv_diag_file(c->session, path);
    a.operand = &path;
    a.n = 1;
    a.result.output = fv_printf(c->arena, "%s/rank%d%s", all->staging, rank, out->suffix);
    a.result.emit = fv_emit_name(out->kind);
    if (given->result.name)
        a.result.name = fv_printf(c->arena, "%s_rank%d", given->result.name, rank);
    c->args = &a;
    c->states = fv_parts_states(c, list, rank);
    int status = out->one(c, all);
    c->states = NULL;
    c->args = given;
    return status;
}

/* Makes the list of what was compiled, whose inputs and outputs are those of `list`, with the
 * values that --dim gives. */
static bool make_list(fv_context *c, const fv_parts_manifest *list, const outputs *out,
                      const char *staging, fv_parts_manifest *compiled) {
    fv_parts_list(c, list->ranks, list->stages, compiled);
    compiled->compiled = true;
    compiled->nports = list->nports;
    compiled->ports = FV_NEW(c->arena, fv_parts_port, list->nports);
    for (int i = 0; i < list->nports; i++) {
        compiled->ports[i] = list->ports[i];
        if (list->ports[i].stage >= 0 &&
            !fv_shares_port(c, &list->ports[i], &compiled->ports[i].info))
            return false;
    }
    for (int r = 0; r < list->ranks; r++) {
        fv_parts_name(c, compiled, r, out->suffix);
        if (!fv_parts_measure(c, staging, r, compiled))
            return false;
    }
    return true;
}

/* ---- the folder ---- */

static const char *folder_of_c(fv_context *c, const char *folder, int rank) {
    return fv_printf(c->arena, "%s/rank%d", folder, rank);
}

/* Removes the folder of -o if it is empty, because the command has failed. */
static void remove_empty(void *path) {
    rmdir(path);
}

/* Makes the folder of -o, which is removed with the arena if nothing is written to it, and in it
 * the temporary folder. False after a message: -o cannot be replaced. */
static bool make_folders(fv_context *c, fv_arena *a, const outputs *out, int ranks,
                         fv_compiled_parts *all) {
    bool is_new = access(out->folder, F_OK) != 0;
    fv_diag_file(c->session, out->folder);
    if (!fv_make_folder(c, "-o", out->folder) || !fv_parts_are_compiled(c, out->folder))
        return false;
    if (is_new)
        fv_arena_at_free(a, remove_empty, fv_strdup(a, out->folder));
    for (int r = 0; r < ranks && out->kind == FV_EMIT_C; r++)
        if (!fv_c_folder_is_free(c->session, folder_of_c(c, out->folder, r)))
            return false;
    all->folder = out->folder;
    all->staging = fv_staging_in(a, out->folder);
    return all->staging ||
           fv_error(c->session, "-o %s: cannot write there: %s", out->folder, strerror(errno));
}

/* A folder that is open as long as the arena lives. */
static void close_folder(void *holder) {
    DIR **dir = holder;
    if (*dir)
        closedir(*dir);
}

/* Calls `act` for the paths of each file in the temporary folder and of the one that it becomes. */
static bool for_files(fv_context *c, const fv_compiled_parts *all,
                      bool (*act)(fv_context *c, const char *from, const char *to)) {
    fv_arena *a = fv_arena_new(c->session);
    DIR **dir = FV_NEW(a, DIR *, 1);
    bool ok = true;
    fv_arena_at_free(a, close_folder, dir);
    *dir = opendir(all->staging);
    if (!*dir)
        ok = fv_error(c->session, "cannot read folder '%s': %s", all->staging, strerror(errno));
    for (struct dirent *e; ok && (e = readdir(*dir));)
        if (e->d_name[0] != '.')
            ok = act(c, fv_printf(a, "%s/%s", all->staging, e->d_name),
                     fv_printf(a, "%s/%s", all->folder, e->d_name));
    fv_arena_free(a);
    return ok;
}

static bool may_move(fv_context *c, const char *from, const char *to) {
    struct stat st;
    (void)from;
    if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
        return fv_error(c->session, "cannot write '%s': %s", to, strerror(EISDIR));
    return fv_spares_models(c, "-o ", to);
}

static bool move_file(fv_context *c, const char *from, const char *to) {
    return rename(from, to) == 0 ||
           fv_error(c->session, "cannot write '%s': %s", to, strerror(errno));
}

/* Replaces what is in the folder of -o by what was compiled, the list at last, if there is one. */
static bool publish(fv_context *c, const fv_parts_manifest *list, const outputs *out,
                    const fv_compiled_parts *all) {
    bool listed = can_be_run(out->kind), ok = true;
    fv_parts_manifest compiled;
    fv_diag_file(c->session, out->folder);
    if ((listed && !make_list(c, list, out, all->staging, &compiled)) ||
        (out->kind != FV_EMIT_C && !for_files(c, all, may_move)) ||
        !fv_parts_forget(c, out->folder))
        return false;
    for (int r = 0; r < list->ranks && ok; r++) {
        if (listed)
            ok = fv_parts_forget_weights(c, out->folder, &compiled, r);
        if (out->kind == FV_EMIT_C)
            ok = fv_c_folder_move(c->session, folder_of_c(c, all->staging, r),
                                  folder_of_c(c, out->folder, r));
    }
    return ok && (out->kind == FV_EMIT_C || for_files(c, all, move_file)) &&
           (!listed || fv_parts_write(c, out->folder, &compiled));
}

/* ---- the summary ---- */

static const char *how_to_call(fv_context *c, const outputs *out) {
    if (out->kind == FV_EMIT_SO)
        return fv_printf(c->arena,
                         "`fovea run %s`, or for each rank fv_load(\"%s/rank0%s\", ...) of fovea.h",
                         out->folder, out->folder, out->suffix);
    return can_be_run(out->kind) ? fv_printf(c->arena, "`fovea run %s`", out->folder) : NULL;
}

static bool report(fv_context *c, const outputs *out, fv_compiled_parts *all) {
    const char *call = how_to_call(c, out);
    const fv_args *a = c->args;
    if (a->print.json) {
        json_t *d = fv_json_document();
        fv_json_set_text(d, "model", a->operand[0]);
        fv_json_set_text(d, "folder", out->folder);
        fv_json_set(d, "parts", all->documents);
        if (call)
            fv_json_set_text(d, "call", call);
        return fv_json_print(c->session, d);
    }
    if (a->print.quiet)
        return true;
    for (int i = 0; i < all->nfiles; i++)
        fv_out("%s\n", all->files[i]);
    if (all->targets)
        fv_out("%s\n", all->targets);
    if (call)
        fv_out("call       %s\n", call);
    return true;
}

/* ---- all ---- */

static int compile_all(fv_context *c, const fv_parts_manifest *list, const outputs *out) {
    fv_arena *a = fv_arena_new(c->session);
    fv_compiled_parts all = {0};
    int status = FV_EXIT_OK;
    bool ok = make_folders(c, a, out, list->ranks, &all);
    all.documents = c->args->print.json ? json_array() : NULL;
    for (int r = 0; r < list->ranks && ok && status == FV_EXIT_OK; r++)
        status = compile_part(c, list, out, r, &all);
    ok = ok && status == FV_EXIT_OK && publish(c, list, out, &all);
    fv_arena_free(a);
    if (!ok)
        json_decref(all.documents);
    ok = ok && report(c, out, &all);
    return status ? status : ok ? FV_EXIT_OK : fv_failed(c);
}

int fv_compile_parts(fv_context *c, fv_compile_one *one) {
    const fv_args *a = c->args;
    fv_parts_manifest list;
    outputs out = {.one = one};
    if (a->code.tuning || a->dump.dir)
        return fv_usage(a, "%s is for one model: %s holds the parts of a model",
                        a->code.tuning ? "--tuning" : "--dump-dir", a->operand[0]);
    if (!choose_kind(a, &out) || !choose_folder(c, &out) || !choose_suffix(c, &out))
        return fv_refused(c);
    if (!fv_parts_read(c, a->operand[0], &list) ||
        !fv_parts_dims(c, a->operand[0], &list, &c->dims) || !check_parts(c, &list))
        return fv_failed(c);
    return compile_all(c, &list, &out);
}
