/* test_unity.c - files of several models in one translation unit, as unity builds make them: they
 * compile in any standard of C and in C++, nothing but names with the prefix of a model is left
 * after them, and the bits are those of the interpreter. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/cemit/bench.h"

/* A run that takes memory of the caller, and leaves through the label that frees it. */
static const char heap_text[] = "fovea-program 1\n"
                                "name kws\n"
                                "target \"generic\"\n"
                                "allocator\n"
                                "symbol n as n in 1..100\n"
                                "buffer x: f32[n] input 0\n"
                                "buffer y: f32[n] output 0\n"
                                "buffer h: f32[n] heap\n"
                                "input x = \"x\" as x: f32[n] extents [n]\n"
                                "output y = \"y\" as y: f32[n] extents [n]\n"
                                "kernel square(A: f32[n], out B: f32[n]; n) {\n"
                                "  parallel i < n { B[i] = max(A[i] * A[i], 0.25) }\n"
                                "}\n"
                                "run {\n"
                                "  alloc h bytes n * 4\n"
                                "  launch square(x, h; n)\n"
                                "  let most = min(n, 50)\n"
                                "  check most > 0, BAD_DIM, \"most\"\n"
                                "  launch square(h, y; n)\n"
                                "  free h\n"
                                "}\n";

static const struct {
    const char *name, *target, *text;
} models[] = {
    {"wide", "x86-64-v3", NULL},   {"narrow", "x86-64-v2", NULL}, {"plain", "generic", NULL},
    {"kws", "x86-64-v3", "fixed"}, {"heap", "x86-64-v3", "heap"},
};
enum { NMODELS = sizeof models / sizeof *models };

static const char *text_of(int i) {
    const char *text = models[i].text;
    return !text ? dynamic_text : *text == 'f' ? fixed_text : heap_text;
}

static FILE *create(bench *b, const char *name) {
    FILE *f = fopen(fv_printf(b->a, "%s%s", b->folder, name), "w");
    cr_assert(f);
    return f;
}

/* Writes the folders of all models; all.c, which includes the models; base.c with what these
 * include; and whole.c, a program of all their files but the main functions. */
static void write_all(bench *b) {
    FILE *all = create(b, "all.c"), *base = create(b, "base.c"), *whole = create(b, "whole.c");
    fputs("#define _GNU_SOURCE\n", whole);
    fputs("#include <float.h>\n#include <stdbool.h>\n#include <cpuid.h>\n#include <immintrin.h>\n",
          base);
    for (int i = 0; i < NMODELS; i++) {
        int64_t dims[] = {13, 3};
        fv_c_options o = with_reference(b);
        const char *name = models[i].name;
        o.test_dims = dims;
        o.threads = true;
        fv_program *p = program_from(b, models[i].target, text_of(i));
        p->name = name;
        cr_assert(fv_c_write(b->s, p, &o, fv_printf(b->a, "%s%s/", b->folder, name)), "%s",
                  said(b));
        fprintf(all, "#include \"%s/%s.c\"\n", name, name);
        fprintf(base, "#include \"%s/%s.h\"\n", name, name);
        fprintf(whole, "#include \"%s/%s.c\"\n#include \"%s/%s_selftest.c\"\n", name, name, name,
                name);
        fprintf(whole, "#include \"%s/%s_threads.c\"\n", name, name);
    }
    fputs("int main(void) {\n    return 0", whole);
    for (int i = 0; i < NMODELS; i++)
        fprintf(whole, " || %s_selftest(NULL)", models[i].name);
    fputs(";\n}\n", whole);
    fclose(all);
    fclose(base);
    fclose(whole);
}

static bool is_prefixed(const char *name) {
    for (int i = 0; i < NMODELS; i++) {
        size_t n = strlen(models[i].name);
        if (!strncasecmp(name, models[i].name, n) && name[n] == '_')
            return true;
    }
    return !strncmp(name, "fv_", 3) || !strncmp(name, "FV_", 3);
}

/* Each line of the log is a name; all of them begin with the prefix of a model. */
static void check_names(bench *b, const char *what) {
    char *rest = fv_strdup(b->a, contents(b, "log"));
    int n = 0;
    for (char *name; (name = strtok_r(rest, "\n", &rest)); n++)
        cr_expect(is_prefixed(name), "%s '%s' is left after the file", what, name);
    cr_expect_gt(n, NMODELS, "there is no %s", what);
}

Test(unity, five_models_in_any_language, .timeout = 300) {
    static const char *const compilers[] = {
        "gcc -std=c99",      "gcc -std=gnu11",    "gcc -std=c17",          "gcc -std=c2x",
        "clang-19 -std=c99", "clang-19 -std=c11", "clang-19 -std=c17",     "clang-19 -std=c23",
        "g++ -std=c++11",    "g++ -std=gnu++20",  "clang++-19 -std=c++11", NULL};
    bench b = bench_open();
    write_all(&b);
    for (int i = 0; compilers[i]; i++) {
        const char *tool = fv_printf(b.a, "%.*s", (int)strcspn(compilers[i], " "), compilers[i]);
        bool cpp = strstr(compilers[i], "++") != NULL;
        /* the vectors of GNU C are literals that no standard of C++ has */
        if (has_tool(tool))
            cr_expect(shell(&b,
                            "%s %s -Wall -Wextra -Werror -march=x86-64-v3 -O1 -c all.c -o all.o",
                            compilers[i], cpp ? "-x c++" : "-Wpedantic -Wshadow -Wconversion"),
                      "%s", compilers[i]);
    }
    bench_close(&b);
}

Test(unity, nothing_leaks) {
    bench b = bench_open();
    write_all(&b);
    cr_assert(shell(&b, "for f in all base; do gcc -std=c99 -march=x86-64-v3 -dM -E $f.c | "
                        "sed 's/^#define //; s/[ (].*//' | sort >$f.txt; done; "
                        "comm -23 all.txt base.txt >log"));
    check_names(&b, "macro");
    cr_assert(shell(&b, "gcc -std=c99 -march=x86-64-v3 -O0 -c all.c -o all.o && "
                        "nm all.o | sed -n 's/^.* [a-zA-Z] \\([a-zA-Z]\\)/\\1/p' | "
                        "sed 's/\\.[0-9]*$//' | grep -vxE 'known|model|symbols|inputs|outputs|"
                        ".*_dims|memset|memcpy' >log"));
    check_names(&b, "symbol");
    bench_close(&b);
}

Test(unity, the_same_bits, .timeout = 300) {
    bench b = bench_open();
    write_all(&b);
    if (fv_target_runs_here(fv_target_find("x86-64-v3"))) {
        cr_expect(shell(&b, "gcc -std=c99 -march=x86-64-v3 -O2 whole.c -o whole -lpthread && "
                            "./whole"));
        if (has_tool("clang-19"))
            cr_expect(shell(&b, "clang-19 -std=c99 -march=x86-64-v3 -O2 whole.c -o whole "
                                "-lpthread && ./whole"));
    }
    bench_close(&b);
}
