/* folder.c - what a folder holds besides the two files: Makefile, self-test, weights, thread pool. */
#include <stdlib.h>
#include <string.h>

#include "backend/c/files.h"
#include "backend/c/internal.h"

extern const char *const fv_c_makefile_text, *const fv_c_selftest_main_text,
    *const fv_c_threads_h_text; /* text/, built in */
extern const char *const fv_c_pool_text; /* runtime/pool.c */

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

static void add_incbin(fv_cg *g, fv_c_files *f) {
    const fv_program *p = g->p;
    size_t bytes = fv_c_weights_bytes(p);
    char *blob = fv_alloc(g->arena, bytes + 1, 1);
    for (int i = 0; i < p->nconstants; i++)
        if (p->constants[i].data)
            memcpy(blob + fv_c_weights_at(p, i), p->constants[i].data, p->constants[i].bytes);
    fv_text t = {.arena = g->arena};
    fv_c_fill(g, &t,
              "/* @0@_weights.S - the constants of @0@.c, as they lie in @0@_weights.bin.\n"
              " * SPDX-License-Identifier: MIT-0 */\n"
              "    .section .rodata\n"
              "    .balign 64\n"
              "    .globl @name@_weights\n"
              "@name@_weights:\n"
              "    .incbin \"@0@_weights.bin\"\n"
              "    .section .note.GNU-stack,\"\",%progbits\n", g->file, NULL);
    add(g, f, "_weights.S", &t);
    fv_c_files_add(f, fv_printf(g->arena, "%s_weights.bin", g->file), blob, bytes);
}

static void add_weights(fv_cg *g, fv_c_files *f) {
    if (g->weights == FV_C_WEIGHTS_INCBIN && g->p->nconstants)
        add_incbin(g, f);
    if (!g->apart)
        return;
    fv_text t = {.arena = g->arena};
    fv_c_weights_text(g, &t);
    add(g, f, "_weights.c", &t);
}

/* With the pool, the self-test runs on it too. */
static const char main_threads[] =
    "    @name@_pool *pool = @name@_pool_new(0);\n"
    "    fv_env env = @name@_pool_env(pool);\n"
    "    bad |= report(\"thread pool\", @name@_selftest(&env));\n"
    "    @name@_pool_free(pool);\n";

static void add_selftest_main(fv_cg *g, fv_c_files *f) {
    fv_text t = {.arena = g->arena}, threads = {.arena = g->arena};
    fv_text_put(&threads, "");
    if (g->o->threads)
        fv_c_fill(g, &threads, main_threads, NULL);
    const char *include = g->o->threads ? fv_printf(g->arena, "#include \"%s_threads.h\"\n", g->file) : "";
    fv_c_fill(g, &t, fv_c_selftest_main_text, g->file, include, threads.s, NULL);
    add(g, f, "_selftest_main.c", &t);
}

/* The text with names of ours replaced by those of the model. */
static void put_renamed(fv_text *t, const char *text, int n, const char *const (*names)[2]) {
    while (*text) {
        int i = 0;
        while (i < n && strncmp(text, names[i][0], strlen(names[i][0])))
            i++;
        fv_text_putn(t, i < n ? names[i][1] : text, i < n ? strlen(names[i][1]) : 1);
        text += i < n ? strlen(names[i][0]) : 1;
    }
}

static void add_threads(fv_cg *g, fv_c_files *f) {
    fv_text c = {.arena = g->arena}, h = {.arena = g->arena};
    const char *const names[][2] = {
        {"pool.h", fv_printf(g->arena, "%s_threads.h", g->file)},
        {"pool.c", fv_printf(g->arena, "%s_threads.c", g->file)},
        {" (Generated C gets this file with its own names.)", ""},
        {"fv_pool", fv_printf(g->arena, "%s_pool", g->name)},
        {"FV_POOL", fv_printf(g->arena, "%s_POOL", g->NAME)},
    };
    fv_text_put(&c, "/* SPDX-License-Identifier: MIT-0 */\n");
    put_renamed(&c, fv_c_pool_text, sizeof names / sizeof *names, names);
    fv_c_fill(g, &h, fv_c_threads_h_text, g->file, NULL);
    add(g, f, "_threads.c", &c);
    add(g, f, "_threads.h", &h);
}

static void add_makefile(fv_cg *g, fv_c_files *f) {
    bool apart = g->apart, incbin = g->weights == FV_C_WEIGHTS_INCBIN && g->p->nconstants;
    const char *flags = *g->p->target->cflags ? fv_printf(g->arena, " %s", g->p->target->cflags) : "";
    fv_text rules = {.arena = g->arena}, t = {.arena = g->arena};
    fv_text_put(&rules, "");
    if (apart)
        fv_c_fill(g, &rules, "\n@0@_weights.o: @0@_weights.c\n\t$(CC) $(MODEL_FLAGS) -c @0@_weights.c\n", g->file, NULL);
    if (incbin)
        fv_c_fill(g, &rules, "\n@0@_weights.o: @0@_weights.S @0@_weights.bin\n\t$(CC)@1@ -c @0@_weights.S\n", g->file,
                  flags, NULL);
    if (g->o->threads)
        fv_c_fill(g, &rules, "\n@0@_threads.o: @0@_threads.c @0@_threads.h @0@.h\n"
                             "\t$(CC) $(FLAGS) -pthread -c @0@_threads.c\n", g->file, NULL);
    const char *objects = fv_printf(g->arena, "%s.o%s", g->file,
                                    apart || incbin ? fv_printf(g->arena, " %s_weights.o", g->file) : "");
    const char *threads = g->o->threads ? fv_printf(g->arena, "%s_threads.o ", g->file) : "";
    fv_c_fill(g, &t, fv_c_makefile_text, g->file, flags, objects, rules.s, threads,
              g->o->threads ? " -pthread -lm" : "", NULL);
    add(g, f, "/Makefile", &t);
}

static const char *const *products(fv_cg *g) {
    static const char *const suffixes[] = {".o", "_weights.o", "_threads.o", "_selftest.o", "_selftest_main.o",
                                           "_selftest", NULL};
    const char **list = FV_NEW(g->arena, const char *, sizeof suffixes / sizeof *suffixes + 1);
    int n = 0;
    for (; suffixes[n]; n++)
        list[n] = fv_printf(g->arena, "%s%s", g->file, suffixes[n]);
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
    add(g, &f, "_selftest.c", &selftest);
    add_selftest_main(g, &f);
    add_weights(g, &f);
    if (g->o->threads)
        add_threads(g, &f);
    add_makefile(g, &f);
    return !g->failed && fv_c_folder_write(g->session, &f, path, products(g));
}
