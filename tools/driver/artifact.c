/* artifact.c - artifacts of the compiler: the interpreter, code in memory, generated C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/c/emit.h"
#include "backend/interp/interp.h"
#include "backend/llvm/llvm.h"
#include "driver.h"

/* ---- the interpreter ---- */

typedef struct interp_ctx {
    fv_interp *interp;
    fv_model *model;
} interp_ctx;

static int interp_plan(fv_artifact *a, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    return fv_interp_plan(((interp_ctx *)a->ctx)->interp, dims, workspace, out_dims);
}

static int interp_run(fv_artifact *a, const int64_t *dims, const void *const *inputs,
                      void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                      const fv_env *env) {
    fv_interp *interp = ((interp_ctx *)a->ctx)->interp;
    int status = fv_interp_run(interp, dims, inputs, outputs, out_dims, workspace, bytes, env);
    if (status == FV_INTERNAL && fv_interp_fault(interp))
        fprintf(stderr, "internal error: %s\n", fv_interp_fault(interp));
    return status;
}

static fv_artifact *from_interp(fv_session *s, fv_program *p) {
    interp_ctx *c = FV_NEW(p->arena, interp_ctx, 1);
    c->interp = fv_interp_new(p->arena, p);
    if (!c->interp)
        return NULL;
    c->model = fv_program_model(p->arena, p);
    fv_artifact *a = fv_artifact_new(c->model);
    if (!a)
        fv_out_of_memory(s);
    a->ctx = c;
    a->plan = interp_plan;
    a->run = interp_run;
    return a;
}

/* ---- code in memory ---- */

#if FV_HAVE_LLVM
static void jit_destroy(fv_artifact *a) {
    fv_jit_free(a->ctx);
}

static fv_artifact *from_jit(fv_session *s, fv_program *p, int level) {
    fv_llvm_options o = {.level = level};
    fv_jit *jit = fv_jit_new(s, p, &o);
    if (!jit)
        return NULL;
    fv_artifact *a = fv_artifact_new(fv_jit_model(jit));
    if (!a) {
        fv_jit_free(jit);
        fv_out_of_memory(s);
    }
    a->ctx = jit;
    a->destroy = jit_destroy;
    return a;
}
#else
static fv_artifact *from_jit(fv_session *s, fv_program *p, int level) {
    (void)p;
    (void)level;
    fv_error(s, "this fovea was built without LLVM; use --backend=c or --backend=interp");
    return NULL;
}
#endif

/* ---- generated C, compiled by the cc on the PATH ---- */

static bool compile_c(fv_session *s, fv_arena *a, const char *folder, const fv_program *p,
                      char level) {
    const char *cc = getenv("CC");
    const char *command = fv_printf(
        a, "cd '%s' && %s -std=c99 -O%c -fPIC -shared %s -ffp-contract=off -fno-math-errno "
           "-include model.h -o model.so model.c export.c 2> cc.log",
        folder, cc && *cc ? cc : "cc", level == 's' ? 's' : level ? level : '2', p->target->cflags);
    FILE *f = fopen(fv_printf(a, "%s/export.c", folder), "w");
    if (!f)
        return fv_error(s, "cannot write to the temporary folder %s", folder);
    fprintf(f, "const fv_model *fovea_model(void);\n"
               "const fv_model *fovea_model(void) { return %s_model(); }\n", p->name);
    fclose(f);
    if (system(command) != 0)
        return fv_error(s, "the C compiler failed on the generated C, see %s/cc.log", folder);
    return true;
}

static void remove_folder(fv_arena *a, const char *folder) {
    static const char *const files[] = {"model.c", "model.h", "export.c", "model.so", "cc.log", NULL};
    for (int i = 0; files[i]; i++)
        unlink(fv_printf(a, "%s/%s", folder, files[i]));
    rmdir(folder);
}

static fv_artifact *from_c(fv_session *s, fv_program *p, char level) {
    fv_arena *a = fv_arena_new(s);
    const char *tmp = getenv("TMPDIR");
    char *folder = fv_printf(a, "%s/fovea-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    fv_artifact *out = NULL;
    if (!mkdtemp(folder)) {
        fv_error(s, "cannot make a temporary folder %s", folder);
        return NULL;
    }
    fv_c_options o = {.weights = FV_C_WEIGHTS_TEXT};
    fv_log *log = fv_log_new();
    if (fv_c_write(s, p, &o, fv_printf(a, "%s/model.c", folder)) && compile_c(s, a, folder, p, level)) {
        if (fv_load(fv_printf(a, "%s/model.so", folder), log, &out) != FV_OK)
            fv_error(s, "generated C: %s", fv_log_text(log));
        remove_folder(a, folder);
    }
    fv_log_free(log);
    fv_arena_free(a);
    return out;
}

fv_artifact *fv_driver_artifact(fv_session *s, fv_program *p, fv_backend_kind backend, char level) {
    fv_program_expand(p);
    switch (backend) {
    case FV_BACKEND_INTERP: return from_interp(s, p);
    case FV_BACKEND_JIT: return from_jit(s, p, level == 's' ? 2 : level ? level - '0' : 2);
    case FV_BACKEND_C: return from_c(s, p, level);
    }
    return NULL;
}
