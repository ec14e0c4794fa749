/* write.c - writes programs to files of each kind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/c/emit.h"
#include "backend/c/files.h"
#include "backend/c/names.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/llvm/llvm.h"
#include "driver.h"
#include "frontend/file.h"
#include "ir/base/mapping.h"
#include "ir/base/staging.h"
#include "ir/definition/definitions_print.h"
#include "ir/graph/print.h"
#include "ir/kernel/program_print.h"
#include "tools/driver/write_header.h"

static const struct {
    const char *name, *suffix;
    fv_emit_kind kind;
} kinds[] = {
    {"so", ".so", FV_EMIT_SO},
    {"so", ".dll", FV_EMIT_SO},
    {"so", ".dylib", FV_EMIT_SO},
    {"obj", ".o", FV_EMIT_OBJ},
    {"obj", ".obj", FV_EMIT_OBJ},
    {"lib", ".a", FV_EMIT_LIB},
    {"lib", ".lib", FV_EMIT_LIB},
    {"c", ".c", FV_EMIT_C},
    {"c", "/", FV_EMIT_C},
    {"llvm", ".ll", FV_EMIT_LLVM},
    {"asm", ".s", FV_EMIT_ASM},
    {"ir", ".fvir", FV_EMIT_IR},
    {"onnx", ".onnx", FV_EMIT_ONNX},
    {"definitions", ".fvd", FV_EMIT_DEFINITIONS},
    {"kernels", ".fvk", FV_EMIT_KERNELS},
    {"expanded", ".fvk", FV_EMIT_EXPANDED},
    {NULL, NULL, FV_EMIT_NONE},
};

const char *const *fv_emit_names(void) {
    static const char *const names[] = {"so", "obj",  "lib",         "c",       "llvm",     "asm",
                                        "ir", "onnx", "definitions", "kernels", "expanded", NULL};
    return names;
}

fv_emit_kind fv_emit_by_name(const char *name) {
    for (int i = 0; kinds[i].name; i++)
        if (!strcmp(kinds[i].name, name))
            return kinds[i].kind;
    return FV_EMIT_NONE;
}

fv_emit_kind fv_emit_by_suffix(const char *path) {
    size_t n = strlen(path);
    for (int i = 0; kinds[i].name; i++) {
        size_t k = strlen(kinds[i].suffix);
        if (n > k && !strcmp(path + n - k, kinds[i].suffix))
            return kinds[i].kind;
    }
    return FV_EMIT_NONE;
}

const char *fv_emit_name(fv_emit_kind kind) {
    for (int i = 0; kinds[i].name; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "";
}

const char *fv_emit_suffix_on(fv_emit_kind kind, fv_system system) {
    bool windows = system == FV_SYSTEM_WINDOWS;
    return kind == FV_EMIT_SO               ? fv_system_library(system)
           : windows && kind == FV_EMIT_OBJ ? ".obj"
           : windows && kind == FV_EMIT_LIB ? ".lib"
                                            : fv_emit_suffix(kind);
}

const char *fv_emit_suffix(fv_emit_kind kind) {
    for (int i = 0; kinds[i].name; i++)
        if (kinds[i].kind == kind)
            return kinds[i].suffix;
    return "";
}

/* ---- places ---- */

static bool is_standard(const char *path) {
    return !strcmp(path, "-");
}

/* Is it a device or a pipe? Then no other file is written into its folder, and it is not replaced
 * by renaming. */
static bool is_special(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static bool put(fv_session *s, const char *path, const void *data, size_t n) {
    if (!is_standard(path))
        return fv_file_write(s, path, data ? data : "", n);
    if (fwrite(data ? data : "", 1, n, stdout) != n || fflush(stdout))
        return fv_error(s, "cannot write to standard output: %s", strerror(errno));
    return true;
}

/* ---- the module that was read ---- */

bool fv_driver_spares(fv_session *s, const char *out) {
    return !fv_file_is_read(s, out) || fv_error(s, "-o %s would overwrite what was read", out);
}

/* ---- text with a side file ---- */

static const char *side_of(fv_arena *a, const char *out) {
    return fv_printf(a, "%s.bin", out);
}

/* Writes a text and its side file: both are written completely before the first is renamed. */
static bool put_both(fv_session *s, fv_arena *a, const char *out, const fv_text *t,
                     bool (*side)(const void *what, FILE *f), const void *what) {
    const char *path = side_of(a, out), *folder = fv_staging_next_to(a, path);
    const char *temporary = folder ? fv_printf(a, "%s/side", folder) : NULL;
    FILE *f = temporary ? fopen(temporary, "wb") : NULL;
    bool ok = f != NULL && side(what, f);
    int error = errno;
    if (f && fclose(f) && ok) {
        ok = false;
        error = errno;
    }
    if (!ok)
        fv_error(s, "cannot write '%s': %s", path, strerror(error));
    ok = ok && fv_file_write(s, out, t->s, t->n);
    if (ok && rename(temporary, path)) {
        ok = fv_error(s, "cannot write '%s': %s", path, strerror(errno));
        unlink(out);
    }
    return ok;
}

static bool program_side(const void *what, FILE *f) {
    return fv_program_write_side(what, f);
}

static bool graph_side(const void *what, FILE *f) {
    return fv_graph_side_write(what, f);
}

static bool write_kernels(fv_session *s, const fv_program *p, const char *out) {
    fv_arena *a = fv_arena_new(s);
    fv_text t = {.arena = a};
    bool has_side = fv_program_has_side(p) && !is_standard(out) && !is_special(out);
    if (has_side)
        fv_program_print(&t, p);
    else
        fv_program_print_whole(&t, p);
    bool ok = has_side ? put_both(s, a, out, &t, program_side, p) : put(s, out, t.s, t.n);
    fv_arena_free(a);
    return ok;
}

bool fv_driver_write_ir(fv_session *s, const fv_module *m, const fv_definitions *d,
                        const char *out) {
    fv_arena *a = fv_arena_new(s);
    fv_text t = {.arena = a};
    fv_graph_side side = {.arena = a, .session = s};
    /* no side file is written; constants are part of the text */
    bool alone = is_standard(out) || is_special(out);
    const char *side_name = alone ? NULL : fv_path_name(side_of(a, out));
    if (d)
        fv_definitions_print(&t, m, d, side_name, &side, alone);
    else if (alone)
        fv_module_print_whole(&t, m);
    else
        fv_module_print(&t, m, side_name, &side);
    bool ok = (alone ||
               (fv_driver_spares(s, out) && (!side.n || fv_driver_spares(s, side_of(a, out))))) &&
              (side.n ? put_both(s, a, out, &t, graph_side, &side) : put(s, out, t.s, t.n));
    fv_arena_free(a);
    return ok;
}

/* ---- headers ---- */

/* The path of the header for a file of that kind: `kws.h` in the folder of `kws.o` and `libkws.so`.
 * NULL: files of that kind have no header. */
static const char *header_path(fv_arena *a, fv_emit_kind kind, const char *out) {
    if (kind != FV_EMIT_SO && kind != FV_EMIT_OBJ && kind != FV_EMIT_LIB)
        return NULL;
    const char *path =
        fv_printf(a, "%.*s%s.h", (int)(fv_path_name(out) - out), out, fv_emit_stem(a, out));
    return strcmp(path, out) != 0 ? path : NULL;
}

/* ---- LLVM ---- */

#if FV_HAVE_LLVM
static fv_llvm_kind llvm_kind(fv_emit_kind kind) {
    return kind == FV_EMIT_SO    ? FV_LLVM_SO
           : kind == FV_EMIT_OBJ ? FV_LLVM_OBJ
           : kind == FV_EMIT_LIB ? FV_LLVM_LIB
           : kind == FV_EMIT_ASM ? FV_LLVM_ASM
                                 : FV_LLVM_IR;
}

/* Writes to an output that cannot be replaced by renaming (a device or pipe): first into a
 * temporary folder, from which it is copied. */
static bool write_copied(fv_session *s, fv_arena *a, const fv_program *p, const fv_llvm_options *o,
                         fv_llvm_kind kind, const char *out) {
    const char *folder = fv_driver_temporary(s, a);
    const char *file = folder ? fv_printf(a, "%s/model", folder) : NULL;
    fv_file f;
    return file && fv_llvm_write(s, p, o, kind, file) && fv_file_map(s, a, file, &f) &&
           put(s, out, f.data, f.size);
}

static bool place_header(void *h) {
    return fv_driver_header_place(h);
}

/* Writes a file of code, and its header if there is one. Both are complete before either is renamed
 * to its path; if the second one cannot be, the first one is as it was. */
static bool write_with_header(fv_session *s, const fv_program *p, const fv_llvm_options *with,
                              fv_emit_kind kind, const char *out, bool header) {
    fv_llvm_options options = *with, *o = &options;
    fv_arena *a = fv_arena_new(s);
    const char *weights = fv_llvm_weights_path(a, p, o, llvm_kind(kind), out),
               *path = header ? header_path(a, kind, out) : NULL;
    fv_c_library library = {.weights_file = weights ? fv_path_name(weights) : NULL,
                            .levels = o->levels,
                            .nlevels = o->nlevels};
    fv_header_file h = {0};
    o->written = place_header;
    o->user = &h;
    if (path)
        library.file = fv_path_stem(a, path);
    bool ok = !path || fv_driver_header_begin(s, a, p, path, &library, &h);
    if (ok && !fv_llvm_write(s, p, o, llvm_kind(kind), out)) {
        fv_driver_header_undo(&h);
        ok = false;
    }
    if (ok)
        fv_driver_header_note(&h);
    fv_arena_free(a); /* also removes temporary files */
    return ok;
}

static bool write_llvm(fv_session *s, const fv_program *p, fv_emit_kind kind, const char *out,
                       const fv_write_options *with) {
    fv_llvm_options o = fv_driver_llvm(with->level);
    o.weights = with->weights;
    o.levels = with->levels;
    o.nlevels = with->nlevels;
    bool has_side = fv_llvm_weights_path(p->arena, p, &o, llvm_kind(kind), out) != NULL;
    if (has_side && (is_standard(out) || is_special(out)))
        return fv_error(s,
                        "the weights would be written to a file next to %s, where no file can be "
                        "written: name a file with -o%s",
                        is_standard(out) ? "standard output" : out,
                        o.weights == FV_WEIGHTS_AUTO ? ", or say --weights=object" : "");
    if (!is_standard(out) && !is_special(out))
        return write_with_header(s, p, &o, kind, out, with->header);
    fv_arena *a = fv_arena_new(s);
    o.soname = fv_printf(a, "%s.so", p->name);
    bool ok = write_copied(s, a, p, &o, llvm_kind(kind), out);
    fv_arena_free(a);
    return ok;
}
#else
static bool write_llvm(fv_session *s, const fv_program *p, fv_emit_kind kind, const char *out,
                       const fv_write_options *with) {
    (void)s, (void)p, (void)kind, (void)out, (void)with;
    return false; /* not reached: without LLVM, these kinds of files were refused before */
}
#endif

/* ---- C ---- */

const char *fv_emit_stem(fv_arena *a, const char *out) {
    size_t n = strlen(out), start;
    if (!strcmp(out, "-"))
        return NULL;
    while (n > 1 && out[n - 1] == '/')
        n--;
    for (start = n; start && out[start - 1] != '/';)
        start--;
    char *name = fv_strndup(a, out + start, n - start);
    fv_emit_kind kind = fv_emit_by_suffix(out);
    /* a name with a slash at its end is a folder and has no suffix */
    if (kind != FV_EMIT_NONE && !out[n] && strrchr(name, '.') > name)
        *strrchr(name, '.') = 0;
    bool library =
        (kind == FV_EMIT_SO || kind == FV_EMIT_LIB) && !strncmp(name, "lib", 3) && name[3];
    return library ? name + 3 : name;
}

const char *fv_emit_prefix(fv_arena *a, const char *out) {
    const char *stem = fv_emit_stem(a, out);
    return stem ? fv_c_prefix(a, stem) : NULL;
}

/* Runs the program on the interpreter. The self-test in a folder of generated C compares its
 * results with these. */
static int reference(void *user, const fv_program *p, const int64_t *dims,
                     const void *const *inputs, void *const *outputs, int64_t *out_dims,
                     const fv_env *env) {
    fv_session *s = user;
    fv_arena *a = fv_arena_new(s);
    fv_interp *interp = fv_interp_new(a, p);
    size_t bytes = 0;
    int status = interp ? fv_interp_plan(interp, dims, &bytes, NULL) : FV_INTERNAL;
    void *work = status ? NULL : fv_alloc_aligned(a, bytes + 64, 64);
    if (!status)
        status = fv_interp_run(interp, dims, inputs, outputs, out_dims, work, bytes, env);
    fv_arena_free(a);
    return status;
}

static bool write_c(fv_session *s, const fv_program *p, const char *out,
                    const fv_write_options *with) {
    fv_c_options o = {.layout = (fv_c_layout)with->layout,
                      .reference = reference,
                      .reference_user = s,
                      .threads = p->target->threads,
                      .weights = with->weights};
    if (is_standard(out) || is_special(out))
        return fv_error(s, "C is more than one file: -o NAME.c or -o NAME/");
    return fv_c_write(s, p, &o, out);
}

/* ---- which files ---- */

static bool is_text(fv_emit_kind kind) {
    return kind == FV_EMIT_KERNELS || kind == FV_EMIT_EXPANDED || kind == FV_EMIT_IR ||
           kind == FV_EMIT_DEFINITIONS;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* Lists the files of the manifest that exist; the manifest also names files that a build will
 * make. */
static void list_folder(fv_session *s, fv_arena *a, const char *folder, const char ***list, int *n,
                        int *cap) {
    const char *manifest = fv_printf(a, "%s" FV_C_MANIFEST, folder);
    fv_file f;
    if (!exists(manifest) || !fv_file_map(s, a, manifest, &f))
        return;
    for (const char *p = (const char *)f.data, *end = p + f.size; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((eol ? eol : end) - p);
        const char *path = fv_printf(a, "%s%.*s", folder, (int)len, p);
        if (len && *p != '#' && exists(path))
            FV_PUSH(a, *list, *n, *cap, path);
        p += len + 1;
    }
}

/* The suffixes of the files that are written in addition to the C code, NULL terminated. */
static const char *const *suffixes_beside_c(fv_weights_kind weights) {
    static const char *const all[][4] = {
        [FV_WEIGHTS_AUTO] = {".h"},
        [FV_WEIGHTS_TEXT] = {".h"},
        [FV_WEIGHTS_OBJECT] = {".h", "_weights.o"},
        [FV_WEIGHTS_INCBIN] = {".h", "_weights.S", "_weights.bin"},
        [FV_WEIGHTS_FILE] = {".h", "_weights.c", ".weights"},
    };
    return all[weights];
}

static const char *beside_code(fv_arena *a, const fv_program *p, fv_emit_kind kind, const char *out,
                               fv_weights_kind weights) {
#if FV_HAVE_LLVM
    fv_llvm_options o = {.weights = weights};
    bool code = kind == FV_EMIT_SO || kind == FV_EMIT_OBJ || kind == FV_EMIT_LIB ||
                kind == FV_EMIT_LLVM || kind == FV_EMIT_ASM;
    return p && code ? fv_llvm_weights_path(a, p, &o, llvm_kind(kind), out) : NULL;
#else
    (void)a, (void)p, (void)kind, (void)out, (void)weights;
    return NULL;
#endif
}

const char *const *fv_driver_files(fv_session *s, fv_arena *a, const fv_program *p,
                                   fv_emit_kind kind, const char *out, const fv_write_options *o) {
    const char **list = NULL;
    int n = 0, cap = 0;
    size_t len = strlen(out);
    if (kind == FV_EMIT_C && len && out[len - 1] == '/') {
        list_folder(s, a, out, &list, &n, &cap);
    } else if (!is_standard(out) && !is_special(out)) {
        const char *other =
                       is_text(kind) ? side_of(a, out) : beside_code(a, p, kind, out, o->weights),
                   *header = o->header ? header_path(a, kind, out) : NULL;
        const char *const *suffix = suffixes_beside_c(o->weights);
        FV_PUSH(a, list, n, cap, out);
        if (header && fv_driver_is_header(header))
            FV_PUSH(a, list, n, cap, header);
        if (other && exists(other))
            FV_PUSH(a, list, n, cap, other);
        for (; kind == FV_EMIT_C && *suffix; suffix++) {
            other = fv_printf(a, "%.*s%s", (int)len - 2, out, *suffix);
            /* the file of weights does not exist if the program has no weights */
            if (exists(other))
                FV_PUSH(a, list, n, cap, other);
        }
    }
    FV_PUSH(a, list, n, cap, NULL);
    return list;
}

/* ---- all ---- */

/* Expands the program, and if its weights are replaceable, binds their file to the layout. */
static void expand(fv_program *p, const fv_write_options *o) {
    if (o->replaceable)
        fv_driver_layout(p->arena, p);
    else
        fv_program_expand(p);
}

/* Checks that no file that is written is one of the files of the model that was read: external data
 * may have any name. */
static bool spares_model(fv_session *s, const fv_program *p, fv_emit_kind kind, const char *out,
                         const fv_write_options *o) {
    fv_arena *a = fv_arena_new(s);
    const char *const *file = fv_driver_files(s, a, p, kind, out, o);
    while (*file && !fv_file_is_read(s, *file))
        file++;
    bool ok =
        !*file || fv_error(s, "-o %s would overwrite the model, of which %s is a part", out, *file);
    fv_arena_free(a);
    return ok;
}

/* Checks that a path that ends like a shared library of some system ends like those of the
 * target's. */
static bool suits_system(fv_session *s, const fv_program *p, const char *out) {
    const char *name = fv_path_name(out), *dot = strrchr(name, '.');
    const char *suffix = fv_system_library(p->target->system);
    if (!dot || fv_emit_by_suffix(out) != FV_EMIT_SO || !strcmp(dot, suffix))
        return true;
    return fv_error(s,
                    "%s: libraries for target %s are %s files; .dll is for targets such as "
                    "x86-64-v3-windows, .dylib for aarch64-macos, .so for those without a system",
                    out, fv_target_str(p->arena, p->target), suffix);
}

bool fv_driver_write(fv_session *s, fv_program *p, fv_emit_kind kind, const char *out,
                     const fv_write_options *o) {
    if (o->weights != FV_WEIGHTS_AUTO && is_text(kind))
        return fv_error(s, "--weights is for code; the constants of a text are stored in %s",
                        side_of(p->arena, out));
    if (!spares_model(s, p, kind, out, o))
        return false;
    switch (kind) {
    case FV_EMIT_KERNELS: return write_kernels(s, p, out);
    case FV_EMIT_EXPANDED: fv_program_expand(p); return write_kernels(s, p, out);
    case FV_EMIT_C: expand(p, o); return write_c(s, p, out, o);
    case FV_EMIT_SO:
        if (!suits_system(s, p, out))
            return false; /* fall through */
    case FV_EMIT_OBJ:
    case FV_EMIT_LIB:
    case FV_EMIT_LLVM:
    case FV_EMIT_ASM:
        if (fv_llvm_missing())
            return fv_error(s, "%s: %s; .c, folders of C, .fvir and .fvk are written without it",
                            out, fv_llvm_missing());
        if (!o->nlevels)
            expand(p, o);
        return write_llvm(s, p, kind, out, o);
    /* files of the following kinds are not made from a program */
    case FV_EMIT_IR:
    case FV_EMIT_ONNX:
    case FV_EMIT_DEFINITIONS:
    case FV_EMIT_NONE: break;
    }
    return fv_error(
        s,
        "%s: the format is given neither by its suffix (.so .dll .dylib .o .a .c .ll .s .fvir "
        ".fvd .fvk, a folder /) nor by --emit",
        out);
}
