/* consumers.c - the interpreter, the JIT, and generated C compiled by the C compiler at hand. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/c/emit.h"
#include "backend/interp/interp.h"
#include "backend/llvm/llvm.h"
#include "ir/base/diag.h"
#include "tests/consumers/consumers.h"

/* ---- the interpreter ---- */

static int interp_run(opened *o, const int64_t *dims, const void *const *inputs,
                      void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                      const fv_env *env) {
    return fv_interp_run(o->self, dims, inputs, outputs, out_dims, workspace, bytes, env);
}

static int interp_plan(opened *o, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    return fv_interp_plan(o->self, dims, workspace, out_dims);
}

static const char *interp_fault(opened *o) {
    return fv_interp_fault(o->self);
}

static void nothing_to_close(opened *o) {
    (void)o;
}

static opened *interp_open(fv_arena *a, const fv_program *p) {
    opened *o = FV_NEW(a, opened, 1);
    *o = (opened){interp_run, interp_plan, interp_fault, nothing_to_close, NULL, NULL};
    o->self = fv_interp_new(a, p);
    return o->self ? o : NULL;
}

/* ---- whatever gives an fv_model ---- */

static int model_run(opened *o, const int64_t *dims, const void *const *inputs,
                     void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                     const fv_env *env) {
    return o->model->run(dims, inputs, outputs, out_dims, workspace, bytes, env);
}

static int model_plan(opened *o, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    return o->model->plan(dims, workspace, out_dims);
}

static const char *no_fault(opened *o) {
    (void)o;
    return NULL;
}

static opened *model_open(fv_arena *a, const fv_model *m, void *self, void (*close_)(opened *)) {
    opened *o = FV_NEW(a, opened, 1);
    *o = (opened){model_run, model_plan, no_fault, close_, m, self};
    return o;
}

/* ---- LLVM ---- */

#if FV_HAVE_LLVM
static void jit_close(opened *o) {
    fv_jit_free(o->self);
}

static opened *jit_open(fv_arena *a, const fv_program *p, int level) {
    fv_llvm_options options = {.level = level};
    fv_jit *j = fv_jit_new(fv_arena_session(a), p, &options);
    return j ? model_open(a, fv_jit_model(j), j, jit_close) : NULL;
}

static opened *jit_open_0(fv_arena *a, const fv_program *p) {
    return jit_open(a, p, 0);
}
static opened *jit_open_2(fv_arena *a, const fv_program *p) {
    return jit_open(a, p, 2);
}
#endif

/* ---- C ---- */

static void library_close(opened *o) {
    dlclose(o->self);
}

static void remove_folder(fv_arena *a, const char *folder) {
    if (system(fv_printf(a, "rm -rf '%s'", folder)) != 0)
        fprintf(stderr, "%s stays behind\n", folder);
}

static opened *library_open(fv_arena *a, const char *path, const char *name) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return NULL;
    }
    const fv_model *(*table)(void);
    *(void **)&table = dlsym(library, fv_printf(a, "%s_model", name));
    return table ? model_open(a, table(), library, library_close) : NULL;
}

static opened *c_open(fv_arena *a, const fv_program *p, const char *compiler) {
    const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    char *folder = fv_printf(a, "%s/fv-consumers-XXXXXX", tmp);
    if (!mkdtemp(folder) ||
        !fv_c_write(fv_arena_session(a), p, NULL, fv_printf(a, "%s/m.c", folder)))
        return NULL;
    int status = system(fv_printf(a,
                                  "%s -std=c99 %s -w -fPIC -shared "
                                  "-o '%s/m.so' '%s/m.c'",
                                  compiler, p->target->c.flags, folder, folder));
    opened *o = status ? NULL : library_open(a, fv_printf(a, "%s/m.so", folder), p->name);
    if (o)
        remove_folder(a, folder);
    else
        fprintf(stderr, "see %s\n", folder);
    return o;
}

static opened *c_open_1(fv_arena *a, const fv_program *p) {
    return c_open(a, p, "gcc -O1");
}

static const consumer all[] = {
    {"interp", interp_open, false, 1},
#if FV_HAVE_LLVM
    {"jit -O0", jit_open_0, true, 1},  {"jit -O2", jit_open_2, true, 1},
#endif
    {"gcc -O1", c_open_1, true, 2},    {NULL, NULL, false, 1},
};

const consumer *consumers(void) {
    return all;
}

static opened *c_open_clang(fv_arena *a, const fv_program *p) {
    return c_open(a, p, "clang -O2");
}

const consumer *clang_consumer(void) {
    static const consumer clang = {"clang -O2", c_open_clang, true, 1};
    return system("command -v clang >/dev/null 2>&1") == 0 ? &clang : NULL;
}

const consumer *consumer_for(const fv_target *t, int n) {
    bool here = fv_target_runs_here(t);
    const consumer *c = consumers();
    for (; c->name; c++)
        if ((here || !c->native) && n-- == 0)
            return c;
    return here && n == 0 ? clang_consumer() : NULL;
}

/* ---- comparing ---- */

static bool is_nan(fv_elem e, const unsigned char *p) {
    uint64_t bits = 0;
    memcpy(&bits, p, (size_t)fv_elem_storage_bytes(e));
    switch (e) {
    case FV_F32: return (bits & 0x7fffffff) > 0x7f800000;
    case FV_F64: return (bits & INT64_MAX) > UINT64_C(0x7ff) << 52;
    case FV_F16: return (bits & 0x7fff) > 0x7c00;
    case FV_BF16: return (bits & 0x7fff) > 0x7f80;
    case FV_F8E4M3FN: return (bits & 0x7f) == 0x7f;
    case FV_F8E5M2: return (bits & 0x7f) > 0x7c;
    default: return false; /* the others have one NaN */
    }
}

bool same_elements(fv_elem e, const void *x, const void *y, size_t bytes, size_t *at) {
    size_t size = (size_t)fv_elem_storage_bytes(e);
    const unsigned char *p = x, *q = y;
    for (size_t i = 0; i + size <= bytes; i += size)
        if (memcmp(p + i, q + i, size) && !(is_nan(e, p + i) && is_nan(e, q + i))) {
            *at = i / size;
            return false;
        }
    return true;
}
