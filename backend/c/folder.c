/* folder.c - the additional files of a folder: Makefile, self-test, weights, thread pool. */
#include <stdlib.h>
#include <string.h>

#include "backend/c/board.h"
#include "backend/c/files.h"
#include "backend/c/internal.h"
#include "backend/c/layout.h"

extern const char *const fv_c_makefile_text, *const fv_c_selftest_main_text,
                                                 *const fv_c_threads_h_text; /* a file of text/ */
/* the text of runtime/pool.c */
extern const char *const fv_c_pool_text;

static void add(fv_cg *g, fv_c_files *f, const char *suffix, const fv_text *t) {
    const char *name = *suffix == '/' ? suffix + 1 : fv_printf(g->arena, "%s%s", g->file, suffix);
    fv_c_files_add(f, name, t->s, t->n);
}

static void add_sources(fv_cg *g, fv_c_files *f) {
    fv_text unit = {.arena = g->arena}, header = {.arena = g->arena};
    fv_c_unit(g, &unit);
    fv_c_header(g, &header);
    add(g, f, ".c", &unit);
    add(g, f, ".h", &header);
}

/* Parts of the main function of the self-test. main_weights, if weights are in a file: maps it.
 * main_threads, if there is a thread pool: runs the test with the pool, too, with main_pool_weights
 * in it if weights are in a file. */
static const char main_weights[] =
    "    fv_env weights = {0};\n"
    "    weights.size = sizeof weights;\n"
    "    int opened = @name@_weights_open(argc > 1 ? argv[1] : \"@0@.weights\", &weights);\n"
    "    if (opened != FV_OK) {\n"
    "        printf(\"@name@ self-test: the weights cannot be opened, status %d\\n\", opened);\n"
    "        return 1;\n"
    "    }\n";

static const char main_threads[] =
    "    @name@_pool *pool = @name@_pool_new(0);\n"
    "    if (!pool) {\n"
    "        printf(\"@name@ self-test: no memory for threads\\n\");\n"
    "        return 1;\n"
    "    }\n"
    "    fv_env env = @name@_pool_env(pool);\n"
    "@0@"
    "    bad |= report(\"thread pool\", @name@_selftest(&env));\n"
    "    @name@_pool_free(pool);\n";

static const char main_pool_weights[] = "    env.weights = weights.weights;\n"
                                        "    env.weights_bytes = weights.weights_bytes;\n";

static void add_selftest_main(fv_cg *g, fv_c_files *f) {
    fv_text t = {.arena = g->arena}, before = {.arena = g->arena}, after = {.arena = g->arena};
    bool mapped = fv_c_weights_file(g) != NULL;
    fv_text_put(&before, "");
    fv_text_put(&after, "");
    if (mapped)
        fv_c_fill(g, &before, main_weights, g->file, NULL);
    if (g->o->threads)
        fv_c_fill(g, &after, main_threads, mapped ? main_pool_weights : "", NULL);
    if (mapped)
        fv_c_fill(g, &after, "    @name@_weights_close(&weights);\n", NULL);
    const char *include =
        g->o->threads ? fv_printf(g->arena, "#include \"%s_threads.h\"\n", g->file) : "";
    fv_c_fill(g, &t, fv_c_selftest_main_text, g->file, include, after.s, before.s,
              mapped ? "&weights" : "NULL", mapped ? "int argc, char **argv" : "void", NULL);
    add(g, f, "_selftest_main.c", &t);
}

static void add_threads(fv_cg *g, fv_c_files *f) {
    fv_text c = {.arena = g->arena}, h = {.arena = g->arena}, pool = {.arena = g->arena};
    const char *const names[][2] = {
        {"pool.h", fv_printf(g->arena, "%s_threads.h", g->file)},
        {"pool.c", fv_printf(g->arena, "%s_threads.c", g->file)},
        {"\n * (Generated C contains a copy of this file with names of its own.)", ""},
        {"fv_pool", fv_printf(g->arena, "%s_pool", g->name)},
        {"FV_POOL", fv_printf(g->arena, "%s_POOL", g->NAME)},
    };
    fv_text_put(&c, "/* SPDX-License-Identifier: MIT-0 */\n");
    fv_c_replace(&pool, fv_c_pool_text, sizeof names / sizeof *names, names);
    fv_c_put_own(g, &c, "pool", pool.s);
    fv_c_fill(g, &h, fv_c_threads_h_text, g->file, NULL);
    add(g, f, "_threads.c", &c);
    add(g, f, "_threads.h", &h);
}

/* The lines of the Makefile by which CC and AR become those of a cross compiler, and RUN the
 * emulator of a board. make has defaults for CC and AR, which ?= does not replace. */
static const char *toolchain(fv_cg *g) {
    const char *tools = g->p->target->c.tools;
    const fv_c_board *board = fv_c_board_of(g);
    if (g->machine.windows)
        return fv_printf(g->arena,
                         "CROSS ?= %s-w64-mingw32-\nifeq ($(origin CC),default)\nCC = "
                         "$(CROSS)gcc\nendif\nifeq ($(origin AR),default)\nAR = $(CROSS)ar\nendif\n"
                         "# make check needs Windows, or RUN=wine\n",
                         g->machine.isa == FV_ISA_AARCH64 ? "aarch64" : "x86_64");
    if (!tools)
        return "AR ?= ar\n";
    return fv_printf(
        g->arena,
        "CROSS ?= %s\nifeq ($(origin CC),default)\nCC = $(CROSS)gcc\nendif\nifeq ($(origin "
        "AR),default)\nAR = $(CROSS)ar\nendif\n%s%s\n",
        tools,
        board ? "# make check runs the self-test on an emulated board; another one may be given\n"
                "RUN ?= "
              : "# make check needs a board or an emulator: LDFLAGS='-T board.ld' RUN=...",
        board ? fv_c_board_command(g, board) : "");
}

/* The rule that links the self-test, without the C library for a board. */
static const char *link_rule(fv_cg *g, const char *threads, bool mapped) {
    fv_text t = {.arena = g->arena};
    if (fv_c_board_of(g)) {
        fv_c_fill(g, &t,
                  "@0@_selftest: @0@_board.c @0@_board.ld @0@_selftest.o lib@0@.a\n"
                  "\t$(CC) $(MODEL_FLAGS) $(LDFLAGS) -nostdlib -T @0@_board.ld -o $@ @0@_board.c "
                  "@0@_selftest.o lib@0@.a -lgcc\n",
                  g->file, NULL);
        return t.s;
    }
    fv_c_fill(
        g, &t,
        "@0@_selftest@4@: @0@_selftest_main.c @0@_selftest.o @1@lib@0@.a@2@\n"
        "\t$(CC) $(FLAGS) $(LDFLAGS) -o $@ @0@_selftest_main.c @0@_selftest.o @1@lib@0@.a@3@\n",
        g->file, threads, mapped ? fv_printf(g->arena, " %s.weights", g->file) : "",
        !g->o->threads       ? ""
        : g->machine.windows ? " -static -pthread" /* the program needs no library of MinGW */
                             : " -pthread -lm",
        g->machine.windows ? ".exe" : "", NULL);
    return t.s;
}

static void add_makefile(fv_cg *g, fv_c_files *f) {
    bool incbin = g->weights.kind == FV_WEIGHTS_INCBIN, mapped = g->weights.kind == FV_WEIGHTS_FILE;
    bool object = g->weights.apart ||
                  /* whether there is a second object: of the weights, or of the code that maps
                   * them */
                  g->weights.kind != FV_WEIGHTS_TEXT;
    const char *flags =
        *g->p->target->c.flags ? fv_printf(g->arena, " %s", g->p->target->c.flags) : "";
    fv_text rules = {.arena = g->arena}, t = {.arena = g->arena};
    fv_text_put(&rules, "");
    if (mapped)
        fv_c_fill(g, &rules,
                  "\n@0@_weights.o: @0@_weights.c @0@.h\n\t$(CC) $(FLAGS) -c @0@_weights.c\n",
                  g->file, NULL);
    if (g->weights.apart)
        fv_c_fill(g, &rules,
                  "\n@0@_weights.o: @0@_weights.c\n\t$(CC) $(MODEL_FLAGS) -c @0@_weights.c\n",
                  g->file, NULL);
    if (incbin)
        fv_c_fill(g, &rules,
                  "\n@0@_weights.o: @0@_weights.S @0@_weights.bin\n\t$(CC)@1@ -c @0@_weights.S\n",
                  g->file, flags, NULL);
    if (g->o->threads)
        fv_c_fill(g, &rules,
                  "\n@0@_threads.o: @0@_threads.c @0@_threads.h @0@.h\n"
                  "\t$(CC) $(FLAGS) -pthread -c @0@_threads.c\n",
                  g->file, NULL);
    const char *objects = fv_printf(g->arena, "%s.o%s", g->file,
                                    object ? fv_printf(g->arena, " %s_weights.o", g->file) : "");
    const char *threads = g->o->threads ? fv_printf(g->arena, "%s_threads.o ", g->file) : "";
    fv_c_fill(g, &t, fv_c_makefile_text, g->file, flags, objects, rules.s, threads,
              link_rule(g, threads, mapped), "",
              object && g->weights.kind != FV_WEIGHTS_OBJECT
                  ? fv_printf(g->arena, " %s_weights.o", g->file)
                  : "",
              toolchain(g), g->machine.windows ? ".exe" : "", NULL);
    add(g, f, "/Makefile", &t);
}

static const char *const *products(fv_cg *g) {
    static const char *const suffixes[] = {
        ".o",        "_weights.o",    "_threads.o", "_selftest.o", "_selftest_main.o",
        "_selftest", "_selftest.exe", NULL};
    const char **list = FV_NEW(g->arena, const char *, sizeof suffixes / sizeof *suffixes + 1);
    int n = 0;
    for (int i = 0; suffixes[i]; i++)
        if ((g->weights.kind != FV_WEIGHTS_OBJECT || strcmp(suffixes[i], "_weights.o")) &&
            (g->machine.windows || strcmp(suffixes[i], "_selftest.exe")))
            list[n++] = fv_printf(g->arena, "%s%s", g->file, suffixes[i]);
    list[n] = fv_printf(g->arena, "lib%s.a", g->file);
    return list;
}

bool fv_c_write_folder(fv_cg *g, const char *path) {
    fv_c_files f = {.arena = g->arena};
    fv_text selftest = {.arena = g->arena};
    g->file = g->name;
    add_sources(g, &f);
    if (!fv_c_selftest(g, &selftest))
        return false;
    fv_c_add_weights(g, &f);
    if (g->o->layout != FV_C_ARDUINO) {
        add(g, &f, "_selftest.c", &selftest);
        if (fv_c_board_of(g))
            fv_c_add_board(g, &f, fv_c_board_of(g));
        else
            add_selftest_main(g, &f);
        add_makefile(g, &f);
    }
    if (g->o->threads && g->o->layout != FV_C_ARDUINO)
        add_threads(g, &f);
    fv_c_add_layout(g, &f);
    return !g->failed && fv_c_folder_write(g->session, &f, path, products(g));
}
