/* matrix.c - runs models on all consumers, for all targets, and compares bits.
 *
 *   matrix --cache=DIR [OPTIONS] FOLDER... [--cover=op|type FOLDER...]
 *
 * A folder holds model.onnx and test_data_set_N, or folders that do; an .onnx file has its data
 * sets beside it or in `test`. Of the folders behind --cover only models take part that have an
 * operator (or an operator with such element types) which no earlier model had. Each model runs in
 * a process of its own, N at a time. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/c/emit.h"
#include "backend/have.h"
#include "tests/matrix/cover.h"
#include "tests/matrix/matrix.h"
#include "tests/sample.h"
#include "tools/driver/driver.h"

enum { MAX_JOBS = 64, MAX_TARGETS = 16, SECONDS = 1500 };
enum {
    /* --quick: one of so many targets is tried, for a model that is named, and for one of the
     * folders after --cover */
    APART = 5,
    APART_COVERING = 11
};

typedef struct options {
    bool quick, naive, verbose, cover_types;
    int jobs;
    const char *cache, *targets;
} options;

static const char how_to_use[] =
    "usage: matrix --cache=DIR [OPTIONS] FOLDER... [--cover=op|type FOLDER...]\n"
    "  --quick           of JIT levels, compilers and so on one a target, in turn; and of the "
    "targets\n"
    "                    each fifth, after --cover each eleventh, in turn; FV_SEED=N begins "
    "elsewhere\n"
    "  --schedule=naive  each op alone, as serial loops\n"
    "  --target=T,...    these targets only\n"
    "  -v                says how long each model took\n"
    "  -j N              so many processes; 2\n";

/* What is to be done; read only once the first process is forked. */
typedef struct matrix {
    fv_arena *arena;
    options o;
    const char **models; /* .onnx files */
    /* cover_from: the index of the first model of the folders after --cover */
    int nmodels, cap, cover_from;
    const fv_target *target[MAX_TARGETS];
    int ntargets;
    build_cache *cache;
    tally *tally;
    const char *scratch;
} matrix;

/* ---- one model ---- */

static bool same_arithmetic(const fv_target *x, const fv_target *y) {
    return x->single.fma32 == y->single.fma32 && x->single.fma64 == y->single.fma64;
}

/* Targets differ in nothing but fma: the same interpreter results as the first one of its kind. */
static void compare_targets(reference *refs, int n) {
    subject *s = refs[n].subject;
    int first = 0;
    while (!same_arithmetic(refs[first].target, refs[n].target))
        first++;
    if (first == n)
        return;
    const char *why = NULL;
    for (int i = 0; i < s->nsets && !why; i++) {
        const char *text =
            outcome_differs(s->arena, refs[n].model, &refs[first].want[i], &refs[n].want[i]);
        if (text)
            why = fv_printf(s->arena, "%s: %s", s->sets[i].name, text);
    }
    subject_count(s, refs[n].target->name,
                  fv_printf(s->arena, "interpreter against that for %s", refs[first].target->name),
                  why);
}

/* Makes the reference. Returns NULL, or the reason why there is none. */
static const char *make_reference(reference *r, subject *s, const fv_target *t) {
    *r = (reference){.subject = s, .target = t, .program = subject_program(s, t)};
    fv_artifact *a =
        r->program ? fv_driver_artifact(s->session, r->program, FV_BACKEND_INTERP, '2') : NULL;
    if (!a)
        return subject_error(s);
    r->model = fv_artifact_model(a); /* in the program's arena */
    const char *why = s->nsets ? NULL : subject_read_sets(s, r->model);
    r->want = FV_NEW(s->arena, outcome, s->nsets + 1);
    for (int i = 0; i < s->nsets && !why; i++) {
        r->want[i] = outcome_run(s->arena, a, &s->sets[i], 1);
        if (r->want[i].status == FV_INTERNAL)
            why = "the interpreter stops at an internal error";
    }
    fv_artifact_free(a);
    return why;
}

static bool write_c(reference *r) {
    subject *s = r->subject;
    fv_c_options o = {.weights = FV_WEIGHTS_TEXT};
    fv_messages_clear(s->session);
    if (fv_c_write(s->session, r->program, &o, fv_printf(s->arena, "%s/m.c", s->scratch)))
        return true;
    subject_count(s, r->target->name, "generated C", subject_error(s));
    return false;
}

/* The first target of a model of which one in `every` is tried. Neighbours begin apart, and those
 * of one compiler too. */
static int first_target(int turn, int every) {
    unsigned long from = (unsigned long)turn * 7 / 6 + (unsigned long)sample_seed(0);
    return (int)(from % (unsigned long)every);
}

static void check_model(subject *s, const matrix *m, int every) {
    reference refs[MAX_TARGETS];
    for (int n = 0, i = first_target(s->turn, every); i < m->ntargets; n++, i += every) {
        const char *why = make_reference(&refs[n], s, m->target[i]);
        if (why && subject_is_unsupported(s)) {
            printf("skipped %s: an operator is not in the catalogue\n", s->folder);
            atomic_fetch_add(&s->tally->skipped, 1);
            return;
        }
        if (why) {
            subject_count(s, m->target[i]->name, "interpreter", why);
            return;
        }
        compare_targets(refs, n);
        /* else nobody writes code of it: tests/library */
        bool alone = !fv_program_caller(refs[n].program);
        if (!alone || write_c(&refs[n])) {
            native_check(&refs[n]);
            if (alone)
                foreign_check(&refs[n]);
        }
        if (alone)
            objects_check(&refs[n]);
        s->turn++;
    }
}

static const char *label(fv_arena *a, const char *model) {
    const char *end = strstr(model, "/model.onnx");
    return end ? fv_strndup(a, model, (size_t)(end - model)) : model;
}

static void remove_folder(const char *path) {
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command))
        fprintf(stderr, "%s stays behind\n", path);
}

/* In a process of its own. */
static int run_model(const matrix *m, int which) {
    subject s = {.session = fv_session_new(),
                 .model = m->models[which],
                 .tally = m->tally,
                 .cache = m->cache,
                 .naive = m->o.naive,
                 .quick = m->o.quick,
                 .turn = which};
    fv_door door;
    if (!s.session)
        return 1;
    if (FV_DOOR_OPEN(s.session, &door)) {
        printf("FAILED %s: out of memory\n", s.model);
        return 1;
    }
    s.arena = fv_arena_new(s.session);
    s.folder = label(s.arena, s.model);
    s.scratch = fv_printf(s.arena, "%s/%d", m->scratch, which);
    mkdir(s.scratch, 0777);
    check_model(&s, m, !m->o.quick ? 1 : which >= m->cover_from ? APART_COVERING : APART);
    remove_folder(s.scratch);
    fv_door_close(s.session, &door);
    fv_session_free(s.session);
    return 0;
}

/* ---- all of them ---- */

typedef struct child {
    pid_t pid;
    int model;
    time_t since;
} child;

static void start(const matrix *m, child *c, int model) {
    fflush(stdout);
    *c = (child){fork(), model, time(NULL)};
    if (c->pid == 0) {
        alarm(SECONDS);
        int status = run_model(m, model);
        fflush(stdout);
        _exit(status);
    }
}

/* Waits for one, and says so where it did not end by itself. */
static child *finish(const matrix *m, child *children, int n) {
    int status;
    pid_t pid = wait(&status);
    for (int i = 0; i < n; i++) {
        if (children[i].pid != pid)
            continue;
        if (m->o.verbose)
            printf("%4d s  %s\n", (int)(time(NULL) - children[i].since),
                   label(m->arena, m->models[children[i].model]));
        if (status) {
            const char *how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "out of memory";
            printf("FAILED %s: the process ended: %s\n",
                   label(m->arena, m->models[children[i].model]), how);
            atomic_fetch_add(&m->tally->failed, 1);
        }
        return &children[i];
    }
    return NULL;
}

static void run_all(const matrix *m) {
    child children[MAX_JOBS];
    int running = 0, next = 0;
    while (next < m->nmodels && running < m->o.jobs)
        start(m, &children[running++], next++);
    while (running) {
        child *c = finish(m, children, running);
        if (!c)
            continue;
        if (next < m->nmodels)
            start(m, c, next++);
        else
            *c = children[--running];
    }
}

/* ---- what to run ---- */

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int by_name(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static void add_folder(matrix *m, const char *folder) {
    const char *path = fv_printf(m->arena, "%s/model.onnx", folder);
    size_t n = strlen(folder);
    if (is_file(folder) && n > 5 && !strcmp(folder + n - 5, ".onnx"))
        path = folder;
    if (is_file(path))
        FV_PUSH(m->arena, m->models, m->nmodels, m->cap, path);
}

static bool add_operand(matrix *m, const char *operand) {
    int before = m->nmodels;
    add_folder(m, operand);
    DIR *d = m->nmodels > before ? NULL : opendir(operand);
    for (struct dirent *e; d && (e = readdir(d));)
        if (*e->d_name != '.')
            add_folder(m, fv_printf(m->arena, "%s/%s", operand, e->d_name));
    if (d)
        closedir(d);
    qsort(m->models + before, (size_t)(m->nmodels - before), sizeof *m->models, by_name);
    if (m->nmodels == before)
        fprintf(stderr, "matrix: error: %s holds no model.onnx, nor folders that do\n", operand);
    return m->nmodels > before;
}

/* Leaves out models [from, nmodels) that add no operator to those before. */
static void choose_cover(matrix *m, int from) {
    cover *c = cover_new(m->arena, m->o.cover_types);
    int n = 0;
    for (int i = 0; i < m->nmodels; i++)
        if (cover_adds(c, m->models[i]) || i < from)
            m->models[n++] = m->models[i];
    m->nmodels = n;
}

static bool choose_targets(matrix *m) {
    const char *const every =
        "generic,x86-64,x86-64-v2,x86-64-v3,x86-64-v4,native,aarch64,riscv64,cortex-m4";
    char *list = fv_strdup(m->arena, m->o.targets ? m->o.targets : every), *save = NULL;
    for (char *t = strtok_r(list, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
        const fv_target *target = fv_target_find(t);
        if (!target || m->ntargets == MAX_TARGETS) {
            fprintf(stderr, "matrix: error: there is no target '%s'\n", t);
            return false;
        }
        m->target[m->ntargets++] = target;
    }
    return true;
}

/* Nothing is left out in silence. */
static void say_what_is_missing(matrix *m) {
    for (int i = 0; i < m->ntargets; i++) {
        const char *why = foreign_missing(m->target[i]);
        if (why)
            printf("%s: %s\n", m->target[i]->name, why);
    }
    const compiler *lists[] = {native_compilers, aarch64_compilers, cortex_m4_compilers};
    for (int l = 0; l < 3; l++)
        for (const compiler *c = lists[l]; c->name; c++)
            /* this also determines the version once, before other processes are started */
            if (!build_version(m->cache, c->command))
                printf("%s: there is no %s\n", c->name, c->command);
    if (!FV_HAVE_LLVM)
        printf("jit: this build has no LLVM\n");
}

static bool read_option(options *o, const char *arg) {
    if (!strcmp(arg, "--quick"))
        o->quick = true;
    else if (!strcmp(arg, "--schedule=naive"))
        o->naive = true;
    else if (!strcmp(arg, "-v"))
        o->verbose = true;
    else if (!strncmp(arg, "--target=", 9))
        o->targets = arg + 9;
    else if (!strncmp(arg, "--cache=", 8))
        o->cache = arg + 8;
    else if (!strncmp(arg, "-j", 2) && arg[2] >= '1' && arg[2] <= '9')
        o->jobs = atoi(arg + 2);
    else
        return false;
    return o->jobs <= MAX_JOBS;
}

/* Options, and the models of the operands. */
static bool read_arguments(matrix *m, char **args) {
    bool chooses = false;
    for (; *args; args++) {
        if (!strncmp(*args, "--cover=", 8)) {
            m->o.cover_types = !strcmp(*args + 8, "type");
            m->cover_from = m->nmodels;
            chooses = true;
        } else if (**args == '-' ? !read_option(&m->o, *args) : !add_operand(m, *args)) {
            return false;
        }
    }
    if (chooses)
        choose_cover(m, m->cover_from);
    else
        m->cover_from = m->nmodels;
    return m->nmodels && m->o.cache;
}

static int run_matrix(matrix *m) {
    m->cache = build_cache_open(m->arena, m->o.cache);
    if (!m->cache)
        fprintf(stderr, "matrix: error: cannot make the folder %s\n", m->o.cache);
    m->scratch = mkdtemp(fv_strdup(m->arena, "/tmp/fovea-matrix-XXXXXX"));
    if (!choose_targets(m) || !m->cache || !m->scratch)
        return 2;
    say_what_is_missing(m);
    printf("%d models\n", m->nmodels);
    run_all(m);
    remove_folder(m->scratch);
    printf("%d passed, %d failed", m->tally->passed, m->tally->failed);
    if (m->tally->skipped)
        printf(", %d skipped", m->tally->skipped);
    printf("\n");
    return m->tally->failed != 0;
}

int main(int argc, char **argv) {
    matrix m = {.o = {.jobs = 2}};
    fv_session *s = fv_session_new();
    fv_door door;
    (void)argc;
    m.tally =
        mmap(NULL, sizeof *m.tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!s || m.tally == MAP_FAILED || FV_DOOR_OPEN(s, &door)) {
        fprintf(stderr, "matrix: error: out of memory\n");
        return 2;
    }
    m.arena = fv_arena_new(s);
    int status = 2;
    if (read_arguments(&m, argv + 1))
        status = run_matrix(&m);
    else
        fputs(how_to_use, stderr);
    fv_door_close(s, &door);
    fv_session_free(s);
    return status;
}
