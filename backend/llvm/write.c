/* write.c - writes objects, archives, shared libraries and text. Each file is written in the folder
 * of its destination, and renamed when it is complete. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/llvm/emit.h"
#include "backend/llvm/link.h"
#include "ir/base/heap.h"
#include "ir/base/mapping.h"
#include "ir/base/staging.h"
#include "ir/base/text.h"

typedef struct output {
    fv_ll_module m;
    fv_session *session;
    fv_arena *arena;
    const fv_llvm_options *options;
    fv_llvm_kind kind;
    const char *path;
    const char *staging; /* the temporary folder */
    const char *object;  /* paths of files in the temporary folder; NULL: not written */
    const char *whole;
    const char *side;      /* path of the file with weights in the temporary folder */
    const char *side_path; /* final path of the file with weights; NULL: there is none */
    int fd;                /* the open file; -1: no file is open */
} output;

/* ---- files ---- */

static bool file_error(output *o, const char *what) {
    return fv_error(o->session, "%s: cannot %s: %s", o->path, what, strerror(errno));
}

/* Creates a file in the temporary folder. */
static bool create(output *o, const char *name, const char **path) {
    if (!o->staging)
        o->staging = fv_staging_next_to(o->arena, o->path);
    const char *at = o->staging ? fv_printf(o->arena, "%s/%s", o->staging, name) : NULL;
    o->fd = at ? open(at, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (o->fd < 0)
        return file_error(o, "write");
    *path = at;
    return true;
}

static bool write_all(output *o, const void *data, size_t n) {
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(o->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return file_error(o, "write");
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static bool close_file(output *o) {
    int fd = o->fd;
    o->fd = -1;
    return close(fd) == 0 || file_error(o, "write");
}

/* ---- files that LLVM generates ---- */

static bool write_code(output *o, fv_llvm_kind kind, const char *name, const char **path) {
    if (!create(o, name, path))
        return false;
    LLVMMemoryBufferRef code = fv_ll_code(&o->m, kind);
    if (!code)
        return false;
    fv_heap_trim(o->session); /* weights take the place of what LLVM needed */
    fv_llvm_release_pages();
    bool ok = write_all(o, LLVMGetBufferStart(code), LLVMGetBufferSize(code)) &&
              (kind != FV_LLVM_OBJ || fv_ll_add_weights(&o->m, code, o->fd, o->path));
    LLVMDisposeMemoryBuffer(code);
    return ok;
}

static bool write_object(output *o) {
    return write_code(o, FV_LLVM_OBJ, "model.o", &o->object);
}

/* ---- archives ---- */

/* Writes the header of a member of an archive (ar). It has no date and owner, so that the bytes are
 * always the same. */
static bool write_member(output *o, const char *name, int64_t bytes) {
    char h[80]; /* of which 60 are written: sizes have at most 10 digits */
    snprintf(h, sizeof h, "%-16.16s%-12d%-6d%-6d%-8d%-10lld`\n", name, 0, 0, 0, 100644,
             (long long)bytes);
    return write_all(o, h, 60);
}

static void put_be32(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void put_le32(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

/* The symbols of the index, each followed by a zero byte; at[i]: the offset of symbol i. */
static fv_text index_names(output *o, const char *prefix, uint32_t at[3]) {
    static const char *const parts[] = {"model", "plan", "run"};
    fv_text names = {.arena = o->arena};
    for (int i = 0; i < 3; i++) {
        at[i] = (uint32_t)names.n;
        fv_text_printf(&names, "%s%s_%s", prefix, o->m.program->name, parts[i]);
        fv_text_putn(&names, "", 1);
    }
    return names;
}

/* Writes the header of a member of an archive for macOS, with a name of at most 12 bytes after it,
 * so that the content after it is aligned to 8 bytes. */
static bool write_member_macos(output *o, const char *name, int64_t bytes) {
    char padded[12] = "";
    strncpy(padded, name, sizeof padded - 1);
    return write_member(o, "#1/12", bytes + (int64_t)sizeof padded) &&
           write_all(o, padded, sizeof padded);
}

/* The index of an archive for macOS: the size of the list of symbols, for each the offset of its
 * name and that of its member, the size of the names, and the names. The size of the whole is a
 * multiple of 8, since linkers require objects to be aligned. */
static bool write_index_macos(output *o) {
    unsigned char index[4 + 3 * 8 + 4];
    uint32_t at[3];
    fv_text names = index_names(o, "_", at);
    while ((sizeof index + names.n) % 8)
        fv_text_putn(&names, "", 1);
    uint32_t member = (uint32_t)(8 + 60 + 12 + sizeof index + names.n);
    put_le32(index, 3 * 8);
    for (int i = 0; i < 3; i++) {
        put_le32(index + 4 + 8 * i, at[i]);
        put_le32(index + 8 + 8 * i, member);
    }
    put_le32(index + 28, (uint32_t)names.n);
    return write_member_macos(o, "__.SYMDEF", (int64_t)(sizeof index + names.n)) &&
           write_all(o, index, sizeof index) && write_all(o, names.s, names.n);
}

/* Writes the index of an archive, in which linkers look up symbols: the number of symbols, the
 * offset of the member of each, and their names. */
static bool write_index(output *o) {
    unsigned char index[4 + 3 * 4];
    uint32_t at[3];
    fv_text names = index_names(o, "", at);
    size_t bytes = sizeof index + names.n;
    if (bytes % 2)
        fv_text_putn(&names, "", 1);
    put_be32(index, 3);
    for (int i = 0; i < 3; i++)
        put_be32(index + 4 + 4 * i, (uint32_t)(8 + 60 + sizeof index + names.n));
    return write_member(o, "/", (int64_t)(sizeof index + names.n)) &&
           write_all(o, index, sizeof index) && write_all(o, names.s, names.n);
}

static bool copy_from(output *o, int from) {
    char buffer[65536];
    for (;;) {
        ssize_t n = read(from, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error(o, "write");
        if (n == 0)
            return true;
        if (!write_all(o, buffer, (size_t)n))
            return false;
    }
}

static bool write_archive(output *o) {
    struct stat st;
    bool macos = o->m.target->system == FV_SYSTEM_MACOS;
    int object = open(o->object, O_RDONLY | O_CLOEXEC);
    bool ok = object >= 0 && fstat(object, &st) == 0;
    if (!ok)
        file_error(o, "write");
    ok = ok && create(o, "model.a", &o->whole) && write_all(o, "!<arch>\n", 8) &&
         (macos ? write_index_macos(o) : write_index(o)) &&
         (macos ? write_member_macos(o, "model.o", st.st_size)
                : write_member(o, "model.o/", st.st_size)) &&
         copy_from(o, object) && (st.st_size % 2 == 0 || write_all(o, "\n", 1)) && close_file(o);
    if (object >= 0)
        close(object);
    return ok;
}

/* ---- shared libraries ---- */

static const char *soname(const output *o) {
    return o->options && o->options->soname ? o->options->soname : fv_path_name(o->path);
}

static bool write_shared(output *o) {
    if (!create(o, "model.so", &o->whole) || !close_file(o))
        return false;
    fv_link_job job = {o->m.target, o->object, o->whole, soname(o), o->m.program->name};
    const char *error = fv_link_shared(o->arena, &job);
    return error ? fv_error(o->session, "%s: %s", o->path, error) : true;
}

/* ---- weights ---- */

enum {
    /* largest number of bytes of weights that are written into the object by default */
    MOST_INSIDE = 1 << 30
};

fv_weights_kind fv_llvm_weights(const fv_program *p, const fv_llvm_options *o, fv_llvm_kind kind) {
    fv_weights_kind asked = o ? o->weights : FV_WEIGHTS_AUTO;
    bool text = kind == FV_LLVM_IR || kind == FV_LLVM_ASM;
    if (asked != FV_WEIGHTS_AUTO || text)
        return asked;
    return fv_weights_bytes(p) > MOST_INSIDE ? FV_WEIGHTS_FILE : FV_WEIGHTS_OBJECT;
}

const char *fv_llvm_weights_path(fv_arena *a, const fv_program *p, const fv_llvm_options *o,
                                 fv_llvm_kind kind, const char *path) {
    bool text = kind == FV_LLVM_IR || kind == FV_LLVM_ASM;
    fv_weights_kind weights = fv_llvm_weights(p, o, kind);
    if (fv_weights_bytes(p) == 0 ||
        !(weights == FV_WEIGHTS_FILE || (weights == FV_WEIGHTS_OBJECT && text)))
        return NULL;
    const char *name = fv_path_name(path), *dot = strrchr(name, '.');
    int stem = (int)(dot && dot > name ? dot - path : (ptrdiff_t)strlen(path));
    return fv_printf(a, "%.*s%s", stem, path,
                     weights == FV_WEIGHTS_FILE ? ".weights" : "_weights.o");
}

static bool decide_weights(output *o, const fv_program *p) {
    fv_weights_kind weights = fv_llvm_weights(p, o->options, o->kind);
    if (weights == FV_WEIGHTS_INCBIN || weights == FV_WEIGHTS_TEXT)
        return fv_error(
            o->session,
            "%s: --weights=%s is for C; code of LLVM has weights in an object or in a file",
            o->path, fv_weights_names()[weights - FV_WEIGHTS_OBJECT]);
    o->side_path = fv_llvm_weights_path(o->arena, p, o->options, o->kind, o->path);
    if (o->side_path && weights == FV_WEIGHTS_OBJECT && !fv_weights_has_object(p->target))
        return fv_error(o->session,
                        "%s: no object format is known for target %s: choose --weights=file, or "
                        "write an object with code and weights",
                        o->path, p->target->name);
    if (o->side_path && !strcmp(o->side_path, o->path))
        return fv_error(o->session, "%s: this is where the weights would go; -o names another file",
                        o->path);
    if (weights == FV_WEIGHTS_FILE && o->side_path)
        o->m.weights.file = fv_path_name(o->side_path);
    if (weights == FV_WEIGHTS_FILE && p->target->pointer_bits == 32 &&
        fv_weights_bytes(p) > INT32_MAX)
        return fv_error(o->session, "%s: %zu bytes of weights are more than target %s can address",
                        o->path, fv_weights_bytes(p), p->target->name);
    return weights != FV_WEIGHTS_OBJECT || fv_weights_can_be_linked(o->session, p, o->path);
}

static bool write_side(output *o, const fv_program *p) {
    if (!o->side_path)
        return true;
    fv_weights_object object = fv_weights_object_of(o->arena, p);
    object.hidden = true;
    if (!create(o, "weights", &o->side))
        return false;
    FILE *f = fdopen(o->fd, "w+");
    if (!f)
        return file_error(o, "write");
    o->fd = -1;
    bool ok = o->m.weights.file ? fv_weights_put_file(p, f) : fv_weights_put_object(&object, f);
    int error = errno;
    if (fclose(f) && ok) {
        ok = false;
        error = errno;
    }
    return ok || fv_error(o->session, "%s: cannot write: %s", o->side_path, strerror(error));
}

/* ---- all ---- */

static bool write_kind(output *o) {
    switch (o->kind) {
    case FV_LLVM_OBJ: return write_object(o) && close_file(o);
    case FV_LLVM_LIB: return write_object(o) && close_file(o) && write_archive(o);
    case FV_LLVM_SO: return write_object(o) && close_file(o) && write_shared(o);
    case FV_LLVM_IR: return write_code(o, FV_LLVM_IR, "model.ll", &o->whole) && close_file(o);
    case FV_LLVM_ASM: return write_code(o, FV_LLVM_ASM, "model.s", &o->whole) && close_file(o);
    }
    return false;
}

/* Renames the files to their destinations, the weights first, since code without its weights cannot
 * be used. */
static bool rename_result(output *o) {
    const fv_llvm_options *with = o->options;
    if (with && with->written && !with->written(with->user))
        return false;
    if (o->side && rename(o->side, o->side_path) != 0)
        return file_error(o, "write");
    return rename(o->whole ? o->whole : o->object, o->path) == 0 || file_error(o, "write");
}

/* Checks that no kernel calls a library function, since code in a file must be self-contained. */
static bool calls_nothing(output *o, const fv_program *p) {
    const fv_kernel *k = fv_program_caller(p);
    return !k || fv_error(o->session,
                          "%s: kernel '%s' calls a function of a library: only code in memory and "
                          "the interpreter have "
                          "these, no file of code",
                          o->path, k->name);
}

static bool write_all_of_it(output *o, const fv_program *p) {
    o->arena = fv_arena_new(o->session);
    return calls_nothing(o, p) && decide_weights(o, p) &&
           fv_ll_open(&o->m, o->session, p, o->options, false) &&
           (o->m.levels.n ? fv_ll_levels_emit(&o->m) : fv_ll_emit(&o->m)) &&
           fv_ll_optimize(&o->m) && write_kind(o) && write_side(o, p) && rename_result(o);
}

static void close_output(output *o) {
    if (o->fd >= 0)
        close(o->fd);
    fv_ll_close(&o->m);
    if (o->arena)
        fv_arena_free(o->arena);
    free(o);
}

bool fv_llvm_write(fv_session *s, const fv_program *p, const fv_llvm_options *options,
                   fv_llvm_kind kind, const char *path) {
    if (!fv_llvm_load(s))
        return false;
    output *volatile o = calloc(1, sizeof *o);
    if (!o)
        fv_out_of_memory(s);
    *o = (output){.session = s, .options = options, .kind = kind, .path = path, .fd = -1};
    fv_door door;
    if (FV_DOOR_OPEN(s, &door)) {
        close_output(o);
        fv_out_of_memory(s);
    }
    bool ok = write_all_of_it(o, p);
    fv_door_close(s, &door);
    close_output(o);
    return ok;
}
