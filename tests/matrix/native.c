/* native.c - consumers in this process: the interpreter, the JIT, and generated C as a shared
 * library. */
#include <dlfcn.h>
#include <string.h>

#include "backend/c/emit.h"
#include "backend/llvm/llvm.h"
#include "tests/matrix/matrix.h"
#include "tools/driver/driver.h"

/* Compares all data sets at all thread counts, and counts one check. */
static void check(const reference *r, const char *variant, fv_artifact *artifact) {
    subject *s = r->subject;
    const char *why = NULL;
    for (int i = 0; i < s->nsets && !why; i++)
        for (const int *threads = thread_counts; *threads && !why; threads++) {
            fv_arena *a = fv_arena_new(s->session);
            outcome got = outcome_run(a, artifact, &s->sets[i], *threads);
            const char *text = outcome_differs(a, r->model, &r->want[i], &got);
            if (text)
                why = fv_printf(s->arena, "%s, %d threads: %s", s->sets[i].name, *threads, text);
            fv_arena_free(a);
        }
    subject_count(s, r->target->name, variant, why);
}

/* ---- interpreter and JIT ---- */

static void check_backend(reference *r, const char *variant, fv_backend_kind kind, char level) {
    fv_messages_clear(r->subject->session);
    fv_artifact *artifact = fv_driver_artifact(r->subject->session, r->program, kind, level);
    if (!artifact) {
        subject_count(r->subject, r->target->name, variant, subject_error(r->subject));
        return;
    }
    check(r, variant, artifact);
    fv_artifact_free(artifact);
}

static void jit_check(reference *r) {
    static const struct {
        const char *name;
        char level;
    } variants[] = {{"jit -O0", '0'}, {"jit -O2", '2'}};
    for (int i = 0; i < 2 && FV_HAVE_LLVM; i++)
        if (takes_turn(r->subject, i, 2))
            check_backend(r, variants[i].name, FV_BACKEND_JIT, variants[i].level);
}

/* ---- generated C ---- */

static void close_library(fv_artifact *a) {
    dlclose(a->ctx);
}

/* NULL, or why it cannot be opened. */
static const char *open_library(const char *path, fv_artifact **out) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const fv_model *(*table)(void) = NULL;
    if (!library)
        return dlerror();
    *(void **)&table = dlsym(library, "m_model");
    *out = table ? fv_artifact_new(table()) : NULL;
    if (!*out) {
        dlclose(library);
        return "it has no table";
    }
    (*out)->ctx = library;
    (*out)->destroy = close_library;
    return NULL;
}

static const char *build_library(reference *r, const compiler *c, const char **path) {
    subject *s = r->subject;
    const char *sources[] = {fv_printf(s->arena, "%s/m.c", s->scratch), NULL};
    const char *others[] = {fv_printf(s->arena, "%s/m.h", s->scratch), NULL};
    build_step step = {.command = c->command,
                       .sources = sources,
                       .others = others,
                       .suffix = ".so",
                       .flags = fv_printf(s->arena, "%s %s -fPIC -shared -nostdlib -s", c->flags,
                                          r->target->c.flags)};
    const char *why;
    *path = build_run(s->cache, s->arena, &step, &why);
    if (!*path)
        return why;
    const char *symbol = undefined_symbol(s->arena, *path, c->ours ? allow_none : allow_memory);
    return symbol ? fv_printf(s->arena, "symbol %s is undefined", symbol) : NULL;
}

static void check_c(reference *r, const compiler *c) {
    const char *path;
    fv_artifact *artifact = NULL;
    const char *why = build_library(r, c, &path);
    if (!why)
        why = open_library(path, &artifact);
    if (why) {
        subject_count(r->subject, r->target->name, c->name, why);
        return;
    }
    check(r, c->name, artifact);
    fv_artifact_free(artifact);
}

static void c_check(reference *r) {
    int n = compiler_count(native_compilers);
    for (int i = 0; i < n; i++)
        if (takes_turn(r->subject, i, n) &&
            build_version(r->subject->cache, native_compilers[i].command))
            check_c(r, &native_compilers[i]);
}

void native_check(reference *r) {
    check_backend(r, "interpreter", FV_BACKEND_INTERP, '2');
    if (!fv_target_runs_here(r->target))
        return;
    jit_check(r);
    if (strcmp(r->target->name, "native") && !fv_program_caller(r->program))
        c_check(r);
}
