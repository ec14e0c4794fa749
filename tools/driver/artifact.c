/* artifact.c - makes artifacts (models that can be run) of programs: by the interpreter, as code in
 * memory, or as generated C. */
#include <ctype.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/c/emit.h"
#include "backend/c/names.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/llvm/llvm.h"
#include "driver.h"
#include "frontend/file.h"
#include "ir/kernel/matrix.h"
#include "machine.h"

/* Number of iterations after which the interpreter gives up its search for the place where a
 * handwritten kernel failed, since the loops of such a kernel may be too long. */
#define EXPLAINED_TURNS ((int64_t)1 << 26)
#define LARGE_WEIGHTS   ((size_t)1 << 20)

extern char **environ;

/* ---- the interpreter ---- */

static int interp_plan(fv_artifact *a, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    return fv_interp_plan(a->ctx, dims, workspace, out_dims);
}

static int interp_run(fv_artifact *a, const int64_t *dims, const void *const *inputs,
                      void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                      const fv_env *env) {
    return fv_interp_run(a->ctx, dims, inputs, outputs, out_dims, workspace, bytes, env);
}

static void say_where(const fv_interp *interp, int status, fv_log *log) {
    const char *fault = fv_interp_fault(interp), *at = fv_interp_stopped(interp);
    const char *index = fv_interp_index(interp);
    if (status == FV_INTERNAL && fault)
        fv_log_add(log, "internal error: %s", fault);
    else if (status == FV_BAD_INDEX && (index || (at && *at)))
        fv_log_add(log, "error: %s%s%s%s", at && *at ? "node '" : "", at ? at : "",
                   at && *at ? "': " : "", index ? index : "an index in the data is out of range");
    else if (status == FV_BAD_FILE && index)
        fv_log_add(log, "error: %s%s%s%s", at && *at ? "node '" : "", at ? at : "",
                   at && *at ? "': " : "", index);
    else if (status == FV_BAD_DIM && at)
        fv_log_add(log, "error: dims contradict each other: %s", at);
}

/* Explains a failed run. An interpreter records an index out of range or a bad file only once,
 * possibly in an earlier run; for these statuses, a new interpreter runs the program again. */
static void interp_explain(fv_artifact *a, int status, const fv_array *inputs, fv_log *log) {
    if (status == FV_BAD_INDEX || status == FV_BAD_FILE)
        fv_driver_explain(a, status, inputs, log);
    else
        say_where(a->ctx, status, log);
}

static fv_artifact *from_interp(fv_session *s, fv_program *p) {
    fv_interp *interp = fv_interp_new(p->arena, p);
    if (!interp)
        return NULL;
    fv_artifact *a = fv_artifact_new(fv_program_model(p->arena, p, NULL));
    if (!a)
        fv_out_of_memory(s);
    a->ctx = interp;
    a->plan = interp_plan;
    a->run = interp_run;
    a->explain = interp_explain;
    a->program = p;
    return a;
}

/* ---- where compiled code stopped: the interpreter stops there too, and knows ---- */

static bool is_by_hand(const fv_program *p) {
    for (int i = 0; i < p->nkernels; i++)
        if (!p->kernels[i]->schedule)
            return true;
    return false;
}

void fv_driver_explain(fv_artifact *a, int status, const fv_array *inputs, fv_log *log) {
    fv_program *p = a->program;
    fv_session *s = fv_arena_session(p->arena);
    fv_door door;
    if (status != FV_BAD_INDEX && status != FV_BAD_DIM && status != FV_BAD_FILE)
        return;
    if (FV_DOOR_OPEN(s, &door))
        return;
    fv_artifact *again = from_interp(s, p);
    if (again && is_by_hand(p))
        fv_interp_limit(again->ctx, EXPLAINED_TURNS);
    fv_array *outputs = FV_NEW(p->arena, fv_array, p->noutputs + 1);
    if (again && fv_artifact_run(again, inputs, outputs, NULL, NULL) == status)
        say_where(again->ctx, status, log);
    for (int i = 0; i < p->noutputs; i++)
        fv_array_free(&outputs[i]);
    fv_artifact_free(again);
    fv_door_close(s, &door);
}

/* ---- code in memory ---- */

fv_llvm_options fv_driver_llvm(char level) {
    return (fv_llvm_options){.level = level >= '0' && level <= '3' ? level - '0' : 2,
                             .small = level == 's'};
}

#if FV_HAVE_LLVM
static void jit_destroy(fv_artifact *a) {
    fv_jit_free(a->ctx);
}

const void *fv_driver_object(const fv_artifact *a, size_t *bytes) {
    return a->destroy == jit_destroy ? fv_jit_object(a->ctx, bytes) : NULL;
}

const char *fv_driver_code_steps(fv_arena *a, const fv_artifact *artifact) {
    if (artifact->destroy != jit_destroy)
        return NULL;
    fv_jit_times t = fv_jit_times_of(artifact->ctx);
    return fv_printf(a, "LLVM IR %.0f, %d part%s through LLVM %.0f, loading %.0f, weights %.0f",
                     t.emit, t.parts, t.parts == 1 ? "" : "s", t.code, t.load, t.weights);
}

static fv_artifact *from_jit(fv_session *s, fv_program *p, char level) {
    fv_llvm_options o = fv_driver_llvm(level);
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
const void *fv_driver_object(const fv_artifact *a, size_t *bytes) {
    (void)a;
    (void)bytes;
    return NULL;
}

const char *fv_driver_code_steps(fv_arena *a, const fv_artifact *artifact) {
    (void)a;
    (void)artifact;
    return NULL;
}

static fv_artifact *from_jit(fv_session *s, fv_program *p, char level) {
    (void)p;
    (void)level;
    fv_error(s, "%s; the backends c and interp do not need it", fv_llvm_missing());
    return NULL;
}
#endif

/* ---- generated C, compiled by $CC or the cc on the PATH ---- */

/* Runs a command with a shell, because CC may consist of several words; our own words are passed as
 * arguments. Returns its exit status; 127: not found. */
static int shell(const char *const *argv) {
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, environ) != 0)
        return 127;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* The first line of the compiler's messages that contains "error", otherwise the first line. */
static const char *first_error(fv_session *s, fv_arena *a, const char *path) {
    fv_file f;
    if (!fv_file_map(s, a, path, &f))
        return "";
    const char *text = fv_strndup(a, (const char *)f.data, f.size), *error = strstr(text, "error");
    while (error && error > text && error[-1] != '\n')
        error--;
    error = error ? error : text;
    return *error ? fv_strndup(a, error, strcspn(error, "\n")) : "it says nothing";
}

/* The flag "-DMODEL_TRACED", with which the generated code calls fv_env.trace. */
static const char *traced(fv_arena *a, const char *name) {
    char *flag = fv_printf(a, "-D%s_TRACED", name);
    for (char *c = flag + 2; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return flag;
}

/* Does the program have so many bytes of weights that they should not go through the C compiler?
 * Then an assembler file includes them. */
static bool has_large_weights(const fv_program *p) {
    size_t bytes = 0;
    for (int i = 0; i < p->memory.nconstants; i++)
        bytes += p->memory.constants[i].bytes;
    return bytes > LARGE_WEIGHTS;
}

/* The source files that have to be compiled: model.c, or, if the weights are large, files that are
 * named after the program. */
static const char *sources_of(fv_arena *a, const fv_program *p) {
    return has_large_weights(p) ? fv_printf(a, "%s.c %s_weights.S", p->name, p->name) : "model.c";
}

static bool compile_c(fv_session *s, fv_arena *a, const char *folder, const fv_program *p,
                      char level) {
    const char *env = getenv("CC"), *cc = env && *env ? env : "cc";
    const char *command = fv_printf(
        a,
        "cd \"$0\" && %s -std=c99 -O%c -fPIC -shared %s -ffp-contract=off -fno-math-errno %s "
        "-o model.so %s export.c > cc.log 2>&1",
        cc, level ? level : '2', p->target->c.flags, traced(a, p->name), sources_of(a, p));
    const char *export = fv_printf(a,
                                   "#include \"%s.h\"\nconst fv_model *fovea_model(void);\n"
                                   "const fv_model *fovea_model(void) { return %s_model(); }\n",
                                   has_large_weights(p) ? p->name : "model", p->name);
    const char *argv[] = {"/bin/sh", "-c", command, folder, NULL};
    if (!fv_file_write(s, fv_printf(a, "%s/export.c", folder), export, strlen(export)))
        return false;
    int status = shell(argv);
    if (status == 126 || status == 127)
        return fv_error(
            s,
            "--backend=c needs a C compiler, and '%s' cannot be run; CC in the environment "
            "names another",
            cc);
    if (status)
        return fv_error(
            s, "'%s' failed on the generated C: %s; CC in the environment names another compiler",
            cc, first_error(s, a, fv_printf(a, "%s/cc.log", folder)));
    return true;
}

static void free_log(void *log) {
    fv_log_free(*(fv_log **)log);
}

static fv_artifact *load_c(fv_session *s, fv_arena *a, const char *folder) {
    fv_artifact *out = NULL;
    const char *path = fv_printf(a, "%s/model.so", folder);
    fv_log **log = FV_NEW(a, fv_log *, 1);
    fv_arena_at_free(a, free_log, log);
    *log = fv_log_new();
    int status = *log ? fv_load(path, *log, &out) : FV_NO_MEMORY;
    if (status == FV_NO_MEMORY)
        fv_out_of_memory(s);
    if (status)
        fv_error(s, "generated C: %.*s", (int)strcspn(fv_log_text(*log), "\n"), fv_log_text(*log));
    return out;
}

/* The program, renamed if its name is not valid in C. The name is derived from that of the model
 * file, which may be any (bert-base.onnx); code that is loaded into memory at once is not called by
 * its name. */
static const fv_program *with_fit_name(fv_arena *a, const fv_program *p) {
    if (fv_c_name_is_fit(p->name))
        return p;
    fv_program *named = FV_NEW(a, fv_program, 1);
    *named = *p;
    named->name = "model";
    return named;
}

static fv_artifact *from_c(fv_session *s, const fv_program *given, char level) {
    fv_arena *a = fv_arena_new(s);
    const fv_program *p = with_fit_name(a, given);
    const char *folder = fv_driver_temporary(s, a);
    bool large = has_large_weights(p);
    fv_c_options o = {.weights = large ? FV_WEIGHTS_INCBIN : FV_WEIGHTS_TEXT};
    fv_artifact *out = NULL;
    if (folder && fv_c_write(s, p, &o, fv_printf(a, large ? "%s/" : "%s/model.c", folder)) &&
        compile_c(s, a, folder, p, level))
        out = load_c(s, a, folder);
    fv_arena_free(a);
    return out;
}

static fv_artifact *make(fv_session *s, fv_program *p, fv_backend_kind backend, char level) {
    switch (backend) {
    case FV_BACKEND_INTERP: return from_interp(s, p);
    case FV_BACKEND_JIT: return from_jit(s, p, level);
    case FV_BACKEND_C: return from_c(s, p, level);
    }
    return NULL;
}

const char *const *fv_backend_names(void) {
    static const char *const names[] = {
        [FV_BACKEND_JIT] = "jit", [FV_BACKEND_INTERP] = "interp", [FV_BACKEND_C] = "c", NULL};
    return names;
}

bool fv_driver_may_run(const fv_program *p) {
    return fv_target_runs_here(p->target) &&
           !(fv_matrix_is_used(p) && fv_features_refused(fv_target_features(p->target)));
}

fv_artifact *fv_driver_artifact(fv_session *s, fv_program *p, fv_backend_kind backend, char level) {
    if (backend != FV_BACKEND_INTERP && !fv_driver_may_run(p)) {
        fv_error(s, "target %s: this machine cannot run its code; %s", p->target->name,
                 fv_machine_lack(p->arena, p->target));
        return NULL;
    }
    fv_program_expand(p);
    fv_artifact *a = make(s, p, backend, level);
    if (a && !a->explain) {
        a->explain = fv_driver_explain;
        a->program = p;
    }
    return a;
}

int fv_driver_plan(fv_program *p, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    fv_interp *interp = fv_interp_new(p->arena, p);
    return interp ? fv_interp_plan(interp, dims, workspace, out_dims) : FV_INTERNAL;
}
