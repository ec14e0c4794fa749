/* foreign.c - code for other machines, under an emulator: aarch64 by qemu-user, which runs one
 * program with all libraries of a model; Cortex-M4 by qemu-system-arm, with one image for each
 * variant. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/llvm/llvm.h"
#include "tests/matrix/job.h"
#include "tests/matrix/matrix.h"
#include "tools/driver/driver.h"

enum { MAX_VARIANTS = 16 };

#define RUNNER  FV_SOURCE_ROOT "/tests/matrix/runner/"
#define INCLUDE "-I '" FV_SOURCE_ROOT "' "
static const char *const runner_headers[] = {
    RUNNER "runner.h", FV_SOURCE_ROOT "/runtime/fovea_model.h", RUNNER "cortex_m4.ld", NULL};

/* Libraries or images of a model for one target. */
typedef struct built {
    reference *r;
    int n;
    const char *name[MAX_VARIANTS], *path[MAX_VARIANTS];
} built;

static void add(built *b, const char *name, const char *path) {
    if (b->n < MAX_VARIANTS) {
        b->name[b->n] = name;
        b->path[b->n++] = path;
    }
}

static void failed(built *b, const char *name, const char *why) {
    subject_count(b->r->subject, b->r->target->name, name, why);
}

/* Objects by LLVM, and which symbols they may leave undefined. */
static const char *llvm_object(reference *r, int level, bool (*allowed)(const char *),
                               const char **path) {
#if FV_HAVE_LLVM
    subject *s = r->subject;
    fv_llvm_options o = {.level = level};
    *path = fv_printf(s->arena, "%s/m-O%d.o", s->scratch, level);
    fv_messages_clear(s->session);
    if (!fv_llvm_write(s->session, r->program, &o, FV_LLVM_OBJ, *path))
        return subject_error(s);
    const char *symbol = undefined_symbol(s->arena, *path, allowed);
    return symbol ? fv_printf(s->arena, "symbol %s is undefined", symbol) : NULL;
#else
    (void)r, (void)level, (void)allowed, (void)path;
    return "this build has no LLVM";
#endif
}

void objects_check(reference *r) {
    bool arm = !strcmp(r->target->name, "cortex-m4");
    const char *path;
    for (int level = 0; level <= 2 && FV_HAVE_LLVM; level += 2)
        if (takes_turn(r->subject, level / 2, 2))
            subject_count(r->subject, r->target->name, level ? "object -O2" : "object -O0",
                          llvm_object(r, level, arm ? allow_helpers : allow_none, &path));
}

static const char *scratch(built *b, const char *name) {
    return fv_printf(b->r->subject->arena, "%s/%s", b->r->subject->scratch, name);
}

/* Compares the results of one variant, and reads them to their end. *there: whether the file was
 * complete up to here. */
static const char *compare_one(built *b, job_result *file, bool *there) {
    subject *s = b->r->subject;
    const char *why = NULL;
    for (int i = 0; i < s->nsets; i++)
        for (const int *threads = thread_counts; *threads; threads++) {
            outcome got;
            *there = *there && job_result_next(file, b->r->model, &got);
            if (!*there)
                return why ? why : "the emulator ended early";
            const char *text = outcome_differs(s->arena, b->r->model, &b->r->want[i], &got);
            if (text && !why)
                why = fv_printf(s->arena, "%s, %d threads: %s", s->sets[i].name, *threads, text);
        }
    return why;
}

/* Compares what the runner wrote for variants [first, first + n). */
static void compare(built *b, const char *result, int first, int n) {
    subject *s = b->r->subject;
    job_result file;
    bool there = job_result_open(&file, s->arena, result);
    for (int v = first; v < first + n; v++)
        subject_count(s, b->r->target->name, b->name[v], compare_one(b, &file, &there));
}

/* ---- aarch64 ---- */

static const char *const qemu_aarch64 = "qemu-aarch64";
#define AARCH64_ROOT "/usr/aarch64-linux-gnu"

static void build_aarch64_c(built *b) {
    subject *s = b->r->subject;
    const char *sources[] = {scratch(b, "m.c"), NULL}, *others[] = {scratch(b, "m.h"), NULL};
    int n = compiler_count(aarch64_compilers);
    for (int i = 0; i < n; i++) {
        const compiler *c = &aarch64_compilers[i];
        if (!takes_turn(s, i, n) || !build_version(s->cache, c->command))
            continue;
        build_step step = {.command = c->command,
                           .sources = sources,
                           .others = others,
                           .suffix = ".so",
                           .flags = fv_printf(s->arena, "%s %s -fPIC -shared -nostdlib -s",
                                              c->flags, b->r->target->c.flags)};
        const char *why, *path = build_run(s->cache, s->arena, &step, &why);
        const char *symbol =
            path ? undefined_symbol(s->arena, path, c->ours ? allow_none : allow_memory) : NULL;
        if (symbol)
            why = fv_printf(s->arena, "symbol %s is undefined", symbol);
        if (!path || symbol)
            failed(b, c->name, why);
        else
            add(b, c->name, path);
    }
}

static void build_aarch64_llvm(built *b) {
    static const char *const names[] = {"library by LLVM -O0", "library by LLVM -O2"};
    subject *s = b->r->subject;
    for (int i = 0; i < 2 && FV_HAVE_LLVM; i++) {
        const char *object, *why = NULL;
        if (!takes_turn(s, i, 2))
            continue;
        why = llvm_object(b->r, 2 * i, allow_none, &object);
        const char *sources[] = {object, NULL};
        build_step step = {.command = "aarch64-linux-gnu-gcc",
                           .flags = "-shared -nostdlib",
                           .sources = sources,
                           .suffix = ".so"};
        const char *path = why ? NULL : build_run(s->cache, s->arena, &step, &why);
        if (path)
            add(b, names[i], path);
        else
            failed(b, names[i], why);
    }
}

static const char *aarch64_runner(subject *s, const char **why) {
    static const char *const sources[] = {RUNNER "runner.c", RUNNER "linux.c", NULL};
    build_step step = {.command = "aarch64-linux-gnu-gcc",
                       .flags = "-std=gnu11 -O2 " INCLUDE,
                       .sources = sources,
                       .others = runner_headers,
                       .libraries = "-lpthread -ldl",
                       .suffix = ""};
    return build_run(s->cache, s->arena, &step, why);
}

static void run_aarch64(built *b) {
    subject *s = b->r->subject;
    const char *why, *runner = aarch64_runner(s, &why);
    const char *job = scratch(b, "job"), *result = scratch(b, "result");
    if (!runner || !job_write(b->r, thread_counts, job)) {
        failed(b, "runner", runner ? "the job cannot be written" : why);
        return;
    }
    fv_text t = {.arena = s->arena};
    fv_text_printf(&t, "timeout 600 %s -L " AARCH64_ROOT " '%s' '%s' '%s'", qemu_aarch64, runner,
                   job, result);
    for (int i = 0; i < b->n; i++)
        fv_text_printf(&t, " '%s'", b->path[i]);
    int status = system(t.s);
    if (status)
        printf("%s: %s: the runner ends with status %d\n", s->folder, b->r->target->name, status);
    compare(b, result, 0, b->n);
}

/* ---- Cortex-M4 ---- */

#define ARM "arm-none-eabi-gcc"
#define QEMU_ARM                                                                                   \
    "timeout 600 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none "             \
    "-semihosting-config enable=on,target=native -kernel"

static const char *object_of_c(built *b, const compiler *c, const char **why) {
    subject *s = b->r->subject;
    const char *sources[] = {scratch(b, "m.c"), NULL}, *others[] = {scratch(b, "m.h"), NULL};
    build_step step = {.command = c->command,
                       .sources = sources,
                       .others = others,
                       .suffix = ".o",
                       .flags = fv_printf(s->arena, "%s %s -c", c->flags, b->r->target->c.flags)};
    const char *path = build_run(s->cache, s->arena, &step, why);
    const char *symbol = path ? undefined_symbol(s->arena, path, allow_helpers) : NULL;
    if (symbol)
        *why = fv_printf(s->arena, "symbol %s is undefined", symbol);
    return symbol ? NULL : path;
}

static const char *image_of(built *b, const char *object, const char **why) {
    subject *s = b->r->subject;
    const char *sources[] = {RUNNER "runner.c", RUNNER "cortex_m4.c", object, NULL};
    build_step step = {.command = ARM,
                       .sources = sources,
                       .others = runner_headers,
                       .suffix = ".elf",
                       .libraries = "-lc -lgcc",
                       .flags = fv_printf(s->arena,
                                          "-std=gnu11 -O2 %s " INCLUDE "-nostartfiles -T '" RUNNER
                                          "cortex_m4.ld'",
                                          b->r->target->c.flags)};
    return build_run(s->cache, s->arena, &step, why);
}

static void run_image(built *b, const char *name, const char *object, const char *why) {
    subject *s = b->r->subject;
    const char *image = object ? image_of(b, object, &why) : NULL;
    if (!image) {
        failed(b, name, why);
        return;
    }
    unlink(scratch(b, "result"));
    int status = system(fv_printf(s->arena, "cd '%s' && " QEMU_ARM " '%s'", s->scratch, image));
    if (status)
        printf("%s: cortex-m4: the emulator ends with status %d\n", s->folder, status);
    add(b, name, image);
    compare(b, scratch(b, "result"), b->n - 1, 1);
}

/* Do weights and code fit into 4 MB, and inputs, outputs and workspace into 16 MB? */
static bool fits_cortex_m4(const reference *r) {
    size_t constants = 0, job = job_bytes(r), work = job_largest_run(r);
    for (int i = 0; i < r->program->memory.nconstants; i++)
        constants += r->program->memory.constants[i].bytes;
    return constants < 3u << 20 && job + work < 15u << 20;
}

static void check_cortex_m4(built *b) {
    subject *s = b->r->subject;
    const char *object, *why;
    if (!fits_cortex_m4(b->r)) {
        atomic_fetch_add(&s->tally->skipped, 1);
        return;
    }
    if (!job_write(b->r, thread_counts, scratch(b, "job"))) {
        failed(b, "runner", "the job cannot be written");
        return;
    }
    int n = compiler_count(cortex_m4_compilers);
    for (int i = 0; i < n; i++)
        if (takes_turn(s, i, n)) {
            object = object_of_c(b, &cortex_m4_compilers[i], &why);
            run_image(b, cortex_m4_compilers[i].name, object, why);
        }
    for (int level = 0; level <= 2 && FV_HAVE_LLVM; level += 2)
        if (takes_turn(s, level / 2, 2)) {
            why = llvm_object(b->r, level, allow_helpers, &object);
            run_image(b, level ? "object by LLVM -O2" : "object by LLVM -O0", why ? NULL : object,
                      why);
        }
}

/* ---- both ---- */

static bool is_there(const char *command) {
    char text[256];
    snprintf(text, sizeof text, "command -v %s >/dev/null", command);
    return system(text) == 0;
}

const char *foreign_missing(const fv_target *t) {
    if (!strcmp(t->name, "aarch64") && !fv_target_runs_here(t))
        return !is_there(qemu_aarch64)              ? "there is no qemu-aarch64 (qemu-user)"
               : !is_there("aarch64-linux-gnu-gcc") ? "there is no aarch64-linux-gnu-gcc"
               : access(AARCH64_ROOT "/lib/libc.so.6", R_OK)
                   ? "there is no C library for it (libc6-dev-arm64-cross)"
                   : NULL;
    if (!strcmp(t->name, "cortex-m4"))
        return !is_there("qemu-system-arm") ? "there is no qemu-system-arm"
               : !is_there(ARM)             ? "there is no arm-none-eabi-gcc"
                                            : NULL;
    return fv_target_runs_here(t) ? NULL : "this machine cannot run it: interpreter only";
}

void foreign_check(reference *r) {
    built b = {.r = r};
    if (!strcmp(r->target->name, "cortex-m4")) {
        check_cortex_m4(&b);
    } else if (!strcmp(r->target->name, "aarch64") && !fv_target_runs_here(r->target)) {
        build_aarch64_c(&b);
        build_aarch64_llvm(&b);
        run_aarch64(&b);
    }
}
