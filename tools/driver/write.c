/* write.c - programs to files, by kind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/c/emit.h"
#include "backend/interp/interp.h"
#include "backend/llvm/llvm.h"
#include "driver.h"

static const struct {
    const char *name, *suffix;
    fv_emit_kind kind;
} kinds[] = {
    {"so", ".so", FV_EMIT_SO},          {"obj", ".o", FV_EMIT_OBJ},
    {"lib", ".a", FV_EMIT_LIB},         {"c", ".c", FV_EMIT_C},
    {"c", "/", FV_EMIT_C},              {"llvm", ".ll", FV_EMIT_LLVM},
    {"asm", ".s", FV_EMIT_ASM},         {"ir", ".fvir", FV_EMIT_IR},
    {"kernels", ".fvk", FV_EMIT_KERNELS}, {NULL, NULL, FV_EMIT_NONE},
};

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

const char *fv_emit_suffix(fv_emit_kind kind) {
    for (int i = 0; kinds[i].name; i++)
        if (kinds[i].kind == kind)
            return kinds[i].suffix;
    return "";
}

/* Text beside its place, then renamed. */
bool fv_driver_write_text(fv_session *s, const char *path, const fv_text *t) {
    if (!strcmp(path, "-")) {
        if (fwrite(t->s ? t->s : "", 1, t->n, stdout) != t->n || fflush(stdout))
            return fv_error(s, "standard output: %s", strerror(errno));
        return true;
    }
    fv_arena *a = fv_arena_new(s);
    const char *beside = fv_printf(a, "%s.%d.tmp", path, (int)getpid());
    FILE *f = fopen(beside, "wb");
    bool ok = f != NULL;
    int error = errno;
    if (f) {
        ok = fwrite(t->s ? t->s : "", 1, t->n, f) == t->n;
        error = errno;
        if (fclose(f)) {
            ok = false;
            error = errno;
        }
        if (ok && rename(beside, path)) {
            ok = false;
            error = errno;
        }
        if (!ok)
            unlink(beside);
    }
    if (!ok)
        fv_error(s, "cannot write %s: %s", path, strerror(error));
    fv_arena_free(a);
    return ok;
}

#if FV_HAVE_LLVM
static bool write_llvm(fv_session *s, const fv_program *p, fv_emit_kind kind, const char *out,
                       int level) {
    fv_llvm_options o = {.level = level};
    fv_llvm_kind k = kind == FV_EMIT_SO    ? FV_LLVM_SO
                     : kind == FV_EMIT_OBJ ? FV_LLVM_OBJ
                     : kind == FV_EMIT_LIB ? FV_LLVM_LIB
                     : kind == FV_EMIT_ASM ? FV_LLVM_ASM
                                           : FV_LLVM_IR;
    return fv_llvm_write(s, p, &o, k, out);
}
#else
static bool write_llvm(fv_session *s, const fv_program *p, fv_emit_kind kind, const char *out,
                       int level) {
    (void)p;
    (void)kind;
    (void)level;
    return fv_error(s, "%s: this fovea was built without LLVM; it writes .c, folders of C, .fvir and .fvk", out);
}
#endif

/* What the self-test of a folder of C compares with. */
static int reference(void *user, const fv_program *p, const int64_t *dims, const void *const *inputs,
                     void *const *outputs, int64_t *out_dims) {
    fv_session *s = user;
    fv_arena *a = fv_arena_new(s);
    fv_interp *interp = fv_interp_new(a, p);
    size_t bytes = 0;
    int status = interp ? fv_interp_plan(interp, dims, &bytes, NULL) : FV_INTERNAL;
    void *work = status ? NULL : fv_alloc_aligned(a, bytes + 64, 64);
    if (!status && p->uses_allocator)
        status = FV_NO_MEMORY;
    if (!status)
        status = fv_interp_run(interp, dims, inputs, outputs, out_dims, work, bytes, NULL);
    fv_arena_free(a);
    return status;
}

bool fv_driver_write(fv_session *s, fv_program *p, fv_emit_kind kind, const char *out, char level) {
    fv_text t = {.arena = p->arena};
    switch (kind) {
    case FV_EMIT_KERNELS:
        fv_program_print(&t, p);
        return fv_driver_write_text(s, out, &t);
    case FV_EMIT_C: {
        fv_c_options o = {.reference = p->uses_allocator ? NULL : reference, .reference_user = s,
                          .threads = true};
        fv_program_expand(p);
        return fv_c_write(s, p, &o, out);
    }
    case FV_EMIT_SO:
    case FV_EMIT_OBJ:
    case FV_EMIT_LIB:
    case FV_EMIT_LLVM:
    case FV_EMIT_ASM:
        fv_program_expand(p);
        return write_llvm(s, p, kind, out, level == 's' ? 2 : level ? level - '0' : 2);
    case FV_EMIT_IR:
    case FV_EMIT_NONE: break;
    }
    return fv_error(s, "%s: what to write is told neither by its suffix (.so .o .a .c .ll .s .fvir .fvk, a folder /) nor by --emit",
                    out);
}
