/* bisect.c - see bisect.h.
 *
 * Each attempt is a process of its own, so a pass that crashes counts as one that fails. The
 * changes that --stop-after=N makes are the first N of those that any larger number makes, so the
 * list of changes of one failing run names them all. */
#include "tools/lab/bisect.h"
#include "tools/command/progress.h"
#include "tools/lab/changed_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/file.h"
#include "ir/definition/step_names.h"
#include "tools/command/child.h"

typedef struct bisection {
    fv_context *c;
    const char *program, *model, *folder;
    const char **changes; /* a description of each change, in the order of the changes */
    int n, runs;
} bisection;

static const char *in_folder(const bisection *b, const char *name) {
    return fv_printf(b->c->arena, "%s/%s", b->folder, name);
}

/* ---- command lines ---- */

typedef struct line {
    const char **word;
    int n, cap;
} line;

static void add(const bisection *b, line *l, const char *word) {
    FV_PUSH(b->c->arena, l->word, l->n, l->cap, word);
}

/* The command `fovea SUBCOMMAND` with the options that the user gave; `end` adds the model. */
static line fovea(const bisection *b, const char *subcommand) {
    line l = {0};
    const char *const *words = fv_args_for(b->c->arena, b->c->args, subcommand);
    add(b, &l, b->program);
    add(b, &l, subcommand);
    while (*words)
        add(b, &l, *words++);
    return l;
}

static const char *const *end(const bisection *b, line *l) {
    add(b, l, "--");
    add(b, l, b->model);
    add(b, l, NULL);
    return l->word;
}

static const char *stop_after(const bisection *b, int n) {
    return fv_printf(b->c->arena, "--stop-after=%d", n);
}

/* The command that runs the model: it fails if outputs differ, if the run fails, or if a verifier
 * reports an error. */
static line run_line(const bisection *b) {
    line l = fovea(b, "run");
    add(b, &l, "--quiet");
    add(b, &l, "--verify");
    add(b, &l, fv_printf(b->c->arena, "--expect=%s", in_folder(b, "expected")));
    return l;
}

static const char *const *stopped_run(const bisection *b, int n) {
    line l = run_line(b);
    add(b, &l, stop_after(b, n));
    return end(b, &l);
}

static const char *flags(const bisection *b, int n) {
    const char *before = getenv("FOVEA_FLAGS");
    return fv_printf(b->c->arena, "%s%s%s", before ? before : "", before ? " " : "",
                     stop_after(b, n));
}

static const char *repeating_line(const bisection *b, int n) {
    fv_arena *a = b->c->arena;
    const char *test = b->c->args->rewrite.bisect_test;
    if (!test)
        return fv_child_line(a, stopped_run(b, n));
    return fv_printf(a, "FOVEA_FLAGS=%s %s",
                     fv_child_line(a, (const char *const[]){flags(b, n), NULL}),
                     fv_child_line(a, (const char *const[]){"sh", "-c", test, NULL}));
}

/* ---- tries ---- */

/* Counts a run, and shows on a terminal which one it is until fv_progress_end. */
static void begin_run(bisection *b, const char *what) {
    b->runs++;
    fv_progress(b->c->args, "run %d, %s", b->runs, what);
}

static int run_test(bisection *b, const char *what, int n, const char *said) {
    const char *before = getenv("FOVEA_FLAGS");
    before = before ? fv_strdup(b->c->arena, before) : NULL;
    setenv("FOVEA_FLAGS", flags(b, n), 1);
    begin_run(b, what);
    int status = fv_child_run(
        b->c, "/bin/sh", (const char *const[]){"sh", "-c", b->c->args->rewrite.bisect_test, NULL},
        in_folder(b, said));
    fv_progress_end();
    if (before)
        setenv("FOVEA_FLAGS", before, 1);
    else
        unsetenv("FOVEA_FLAGS");
    return status;
}

/* Runs this program with the arguments `words`; its output goes to the file `said`. */
static int run_self(bisection *b, const char *what, const char *const *words, const char *said) {
    begin_run(b, what);
    int status = fv_child_run(b->c, fv_child_self, words, in_folder(b, said));
    fv_progress_end();
    return status;
}

/* Judges an attempt by its exit status. The output of the last attempt that failed is kept in
 * "said.txt". */
static bool judge(const bisection *b, int status, bool *failed) {
    *failed = status != 0;
    if (*failed)
        rename(in_folder(b, "run.txt"), in_folder(b, "said.txt"));
    else
        unlink(in_folder(b, "run.txt"));
    return status >= 0;
}

static bool fails(bisection *b, int n, bool *failed) {
    const char *what = fv_printf(b->c->arena, "with %d of %d changes", n, b->n);
    int status = b->c->args->rewrite.bisect_test ? run_test(b, what, n, "run.txt")
                                                 : run_self(b, what, stopped_run(b, n), "run.txt");
    bool ok = judge(b, status, failed);
    if (b->c->args->print.verbose && ok)
        fv_err("with %d of %d changes: %s\n", n, b->n, *failed ? "fails" : "good");
    return ok;
}

/* ---- files ---- */

/* Finds the path of this program, for the command lines that are printed. */
static bool find_program(bisection *b) {
    char path[4096];
    ssize_t n = readlink(fv_child_self, path, sizeof path);
    if (n < 0 || n == (ssize_t)sizeof path)
        return fv_error(b->c->session, "where this program is: %s",
                        n < 0 ? strerror(errno) : "its path is too long");
    b->program = fv_strndup(b->c->arena, path, (size_t)n);
    return true;
}

static bool make_one(const bisection *b, const char *path) {
    struct stat st;
    int e = mkdir(path, 0777) ? errno : 0;
    if (e == EEXIST && !stat(path, &st))
        e = S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    return !e || fv_error(b->c->session, "cannot make the folder '%s': %s", path, strerror(e));
}

static bool make_folder(bisection *b) {
    const fv_args *a = b->c->args;
    const char *stem = fv_emit_stem(b->c->arena, b->model);
    b->folder = a->result.output ? a->result.output
                                 : fv_printf(b->c->arena, "bisect-%s", stem ? stem : "model");
    return make_one(b, b->folder) && make_one(b, in_folder(b, "expected")) &&
           make_one(b, in_folder(b, "before")) && make_one(b, in_folder(b, "after"));
}

/* The content of a file; NULL: it does not exist or is empty. */
static const char *read_text(const bisection *b, const char *path) {
    fv_file f;
    struct stat st;
    if (stat(path, &st) || !st.st_size || !fv_file_map(b->c->session, b->c->arena, path, &f))
        return NULL;
    return fv_strndup(b->c->arena, (const char *)f.data, f.size);
}

static const char **lines_of(const bisection *b, const char *text, int *n) {
    const char **list = NULL;
    int cap = 0;
    *n = 0;
    for (const char *p = text ? text : ""; *p;) {
        size_t length = strcspn(p, "\n");
        FV_PUSH(b->c->arena, list, *n, cap, fv_strndup(b->c->arena, p, length));
        p += length + (p[length] == '\n');
    }
    return list;
}

static void print_said(const bisection *b) {
    int n;
    const char **said = lines_of(b, read_text(b, in_folder(b, "said.txt")), &n);
    for (int i = n > 3 ? n - 3 : 0; i < n; i++)
        fv_out("  %.300s\n", said[i]);
}

/* ---- the expected outcome, and the changes ---- */

/* Computes the expected outputs: those of the model without any optional change, on the
 * interpreter. */
static bool make_expected(bisection *b) {
    line l = fovea(b, "run");
    add(b, &l, "-q");
    add(b, &l, "--backend=interp");
    add(b, &l, "--stop-after=0");
    add(b, &l, fv_printf(b->c->arena, "--output=%s/", in_folder(b, "expected")));
    int status = run_self(b, "which computes the expected outputs", end(b, &l), "said.txt");
    if (!status)
        return true;
    if (status > 0)
        fv_error(b->c->session, "does not run without any change either: nothing to compare with");
    print_said(b);
    return false;
}

/* Runs the command so that it lists all changes, up to the one that crashes. */
static int list_changes(bisection *b, line l, const char *said) {
    const char *list = in_folder(b, "changes.txt");
    add(b, &l, fv_printf(b->c->arena, "--changes=%s", list));
    unlink(list);
    int status = run_self(b, "which lists the changes", end(b, &l), said);
    b->changes = lines_of(b, read_text(b, list), &b->n);
    return status;
}

/* Lists the changes for a test command of the user. That command may also compile other models, so
 * the list is made by a separate compilation. */
static bool list_for_test(bisection *b) {
    const char *kernels = in_folder(b, "kernels.fvk");
    line l = fovea(b, "compile");
    add(b, &l, "--emit=kernels");
    add(b, &l, fv_printf(b->c->arena, "--output=%s", kernels));
    int status = list_changes(b, l, "said.txt");
    unlink(kernels);
    unlink(fv_printf(b->c->arena, "%s.bin", kernels));
    if (status <= 0 || b->n)
        return status >= 0;
    print_said(b);
    return fv_error(b->c->session, "cannot be compiled with these options");
}

/* Makes an attempt with all changes. */
static bool try_all(bisection *b, bool *failed) {
    if (b->c->args->rewrite.bisect_test)
        return list_for_test(b) && fails(b, b->n, failed);
    return make_expected(b) && judge(b, list_changes(b, run_line(b), "run.txt"), failed);
}

/* ---- the change ---- */

/* The kind of text that shows a change: a graph, definitions or kernels. */
static const char *kind_of(const char *change) {
    size_t n = strcspn(change, ": ");
    for (int i = 0; fv_step_name_at(i); i++)
        if (strlen(fv_step_name_at(i)->name) == n && !strncmp(fv_step_name_at(i)->name, change, n))
            return "definitions";
    return !strncmp(change, "schedule", n) || !strncmp(change, "memory", n) ? "kernels" : "ir";
}

static const char *write_side(bisection *b, const char *name, const char *kind, int n) {
    fv_emit_kind k = fv_emit_by_name(kind);
    const char *path = in_folder(b, fv_printf(b->c->arena, "%s/model%s", name, fv_emit_suffix(k)));
    line l = fovea(b, "compile");
    add(b, &l, "-q");
    add(b, &l, fv_printf(b->c->arena, "--emit=%s", kind));
    add(b, &l, fv_printf(b->c->arena, "--output=%s", path));
    add(b, &l, stop_after(b, n));
    unlink(path);
    const char *said = fv_printf(b->c->arena, "%s.txt", name);
    const char *what = fv_printf(b->c->arena, "which writes the text %s the change", name);
    int status = run_self(b, what, end(b, &l), said);
    if (!status)
        unlink(in_folder(b, said));
    return status ? NULL : path;
}

/* Prints the lines in which two texts differ, each removed line next to what replaces it. */
static void print_difference(const bisection *b, const char *before, const char *after) {
    int n, m;
    const char **x = lines_of(b, read_text(b, before), &n),
               **y = lines_of(b, read_text(b, after), &m);
    int count;
    const char *const *lines = fv_changed_lines(b->c->arena, n, x, m, y, &count);
    for (int i = 0; i < count; i++)
        fv_out("  %.162s\n", lines[i]);
}

static bool write_repeat(const bisection *b, int n) {
    char here[4096];
    fv_text t = {.arena = b->c->arena};
    const char *path = in_folder(b, "repeat.sh");
    if (!getcwd(here, sizeof here))
        return fv_error(b->c->session, "the current folder: %s", strerror(errno));
    fv_text_printf(&t, "# fails; with --stop-after=%d it does not\n", n - 1);
    fv_text_printf(&t, "cd %s && %s\n",
                   fv_child_line(b->c->arena, (const char *const[]){here, NULL}),
                   repeating_line(b, n));
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(t.s, 1, t.n, f) == t.n;
    ok = f && !fclose(f) && ok;
    return ok || fv_error(b->c->session, "cannot write '%s': %s", path, strerror(errno));
}

static bool report(bisection *b, int n) {
    const char *change = b->changes[n - 1], *kind = kind_of(change);
    const char *before = write_side(b, "before", kind, n - 1),
               *after = write_side(b, "after", kind, n);
    if (!write_repeat(b, n))
        return false;
    fv_out("%s: change %d of %d, found in %d runs\n", change, n, b->n, b->runs);
    print_said(b);
    if (before && after)
        print_difference(b, before, after);
    fv_out("before  %s\nafter   %s\nrepeat  sh %s\n", before ? before : "cannot be written",
           after ? after : "cannot be written: see after.txt there", in_folder(b, "repeat.sh"));
    return true;
}

/* ---- all ---- */

/* Finds the least number of changes with which the model fails, by bisection; with all changes it
 * does. False after a diagnostic. */
static bool search(bisection *b, int *found) {
    int good = 0, bad = b->n;
    bool failed;
    while (bad - good > 1) {
        int middle = good + (bad - good) / 2;
        if (!fails(b, middle, &failed))
            return false;
        if (failed)
            bad = middle;
        else
            good = middle;
    }
    if (!good) { /* the attempt without any change has not been made yet */
        if (!fails(b, 0, &failed))
            return false;
        bad = failed ? 0 : bad;
    }
    *found = bad;
    return true;
}

static bool is_fit(const fv_context *c) {
    const fv_args *a = c->args;
    fv_file_kind kind = fv_driver_path_kind(a->operand[0]);
    const char *other = a->print.json                ? "--json"
                        : a->rewrite.explain         ? "--explain"
                        : a->dump.after              ? "--dump-after"
                        : a->dump.dir                ? "--dump-dir"
                        : a->dump.times              ? "--time-passes"
                        : a->result.emit             ? "--emit"
                        : a->rewrite.standard        ? "--standard"
                        : a->rewrite.changes         ? "--changes"
                        : a->rewrite.stop_after >= 0 ? "--stop-after"
                                                     : NULL;
    if (other)
        return fv_usage(a, "--bisect does not take %s", other) == FV_EXIT_OK;
    if (a->rewrite.bisect_test && (a->data.inputs.n || a->data.data_set || a->code.backend))
        return fv_usage(a, "--bisect-test: the command says what runs: %s does not apply",
                        a->data.inputs.n   ? "--input"
                        : a->data.data_set ? "--data-set"
                                           : "--backend") == FV_EXIT_OK;
    if (!strcmp(a->operand[0], "-"))
        return fv_usage(a, "--bisect reads the model more than once: standard input cannot be") ==
               FV_EXIT_OK;
    fv_diag_file(c->session, a->operand[0]);
    return fv_file_is_graph(kind) ||
           fv_error(c->session,
                    "holds kernels, which are made already: there is no change to find");
}

int fv_bisect(fv_context *c) {
    bisection b = {.c = c, .model = c->args->operand[0]};
    int found;
    bool failed;
    if (!is_fit(c))
        return fv_refused(c);
    if (!find_program(&b) || !make_folder(&b) || !try_all(&b, &failed))
        return fv_failed(c);
    if (!failed) {
        fv_out("with all %d changes %s\n", b.n,
               c->args->rewrite.bisect_test ? "the command succeeds"
                                            : "outputs are as without any");
        return FV_EXIT_OK;
    }
    if (!search(&b, &found))
        return fv_failed(c);
    if (found)
        return report(&b, found) ? FV_EXIT_MODEL : fv_failed(c);
    fv_out("fails without any change as well: it is none of %d\n", b.n);
    print_said(&b);
    return FV_EXIT_MODEL;
}
