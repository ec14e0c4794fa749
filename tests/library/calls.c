/* calls.c - models whose kernels call library functions: the results of every consumer, for intact
 * files and damaged ones. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/library/library.h"
#include "backend/llvm/llvm.h"
#include "ir/base/arena.h"
#include "tools/driver/driver.h"

static char folder[] = "/tmp/fovea-calls-XXXXXX", place[80];

static void begin(void) {
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
}

static void end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(calls, .init = begin, .fini = end);

static const char *in_folder(const char *name) {
    snprintf(place, sizeof place, "%s/%s", folder, name);
    return place;
}

static const char *model(const char *format) {
    FILE *f = fopen(in_folder("m.fvir"), "w");
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nsymbol n 0..1000\nfunc @main(%%file: u8[n]) -> (%%y) {\n"
            "  %%y = ImageDecoder(%%file)%s    loc(\"decode\")\n  return %%y\n}\n",
            format);
    fclose(f);
    return place;
}

static const char picture[] = "P6 2 3 255\nabcdefghijklmnopqr";

static int run(fv_artifact *a, const char *bytes, size_t n, fv_array *out, fv_log *log) {
    fv_array in = {
        .type = FV_TYPE_UINT8, .rank = 1, .dims = {(int64_t)n}, .data = (void *)(uintptr_t)bytes};
    return fv_artifact_run(a, &in, out, NULL, log);
}

static fv_artifact *compiled(const char *path, fv_compile_options o) {
    fv_artifact *a;
    fv_log *log = fv_log_new();
    o.size = sizeof o;
    cr_assert_eq(fv_compile(path, &o, log, &a), FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
    return a;
}

static void gives(fv_artifact *a, int channels, const char *want) {
    fv_array out = {0};
    fv_log *log = fv_log_new();
    cr_assert_eq(run(a, picture, sizeof picture - 1, &out, log), FV_OK, "%s", fv_log_text(log));
    cr_assert(out.rank == 3 && out.dims[0] == 3 && out.dims[1] == 2 && out.dims[2] == channels);
    cr_expect_arr_eq(out.data, want, (size_t)(6 * channels));
    fv_array_free(&out);
    fv_log_free(log);
}

static void says(fv_artifact *a, const char *bytes, size_t n, const char *why) {
    fv_array out = {0};
    fv_log *log = fv_log_new();
    char want[200];
    snprintf(want, sizeof want, "error: node 'decode': input 'file': %s\n", why);
    cr_expect_eq(run(a, bytes, n, &out, log), FV_BAD_FILE);
    cr_expect_str_eq(fv_log_text(log), want);
    fv_array_free(&out);
    fv_log_free(log);
}

static void decodes(fv_compile_options o) {
    fv_artifact *a = compiled(model(" {pixel_format = \"BGR\"}"), o);
    gives(a, 3, "cbafedihglkjonmrqp");
    fv_artifact_free(a);
    a = compiled(model(" {pixel_format = \"Grayscale\"}"), o);
    gives(a, 1, "behknq");
    fv_artifact_free(a);
    a = compiled(model(""), o);
    for (int i = 0; i < 2; i++) { /* what failed leaves nothing behind */
        gives(a, 3, picture + 11);
        says(a, picture, sizeof picture - 2, "the file ends before its image does");
        says(a, NULL, 0, "the file is empty");
        says(a, "nothing at all", 14, "it is no BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP");
    }
    fv_artifact_free(a);
}

Test(calls, interpreter) {
    decodes((fv_compile_options){.backend = FV_BACKEND_INTERP});
    decodes(
        (fv_compile_options){.backend = FV_BACKEND_INTERP, .naive = 1, .level = '0', .verify = 1});
}

Test(calls, code_in_memory) {
    if (!FV_HAVE_LLVM)
        cr_skip();
    for (const char *level = "03"; *level; level++)
        decodes((fv_compile_options){.backend = FV_BACKEND_JIT, .level = *level});
    decodes((fv_compile_options){.backend = FV_BACKEND_JIT, .naive = 1});
}

/* From the model to kernels and back. */
Test(calls, as_text) {
    fv_log *log = fv_log_new();
    char kernels[100];
    snprintf(kernels, sizeof kernels, "%s", in_folder("m.fvk"));
    cr_assert_eq(fv_compile_file(model(""), kernels, NULL, log), FV_OK, "%s", fv_log_text(log));
    fv_artifact *a = compiled(kernels, (fv_compile_options){.backend = FV_BACKEND_INTERP});
    gives(a, 3, picture + 11);
    fv_artifact_free(a);
    fv_log_free(log);
}

/* A text may say any extents. */
Test(calls, extents) {
    FILE *f = fopen(in_folder("k.fvk"), "w");
    cr_assert(f);
    fputs("kernel k(file: u8[n], out size: i64[3]; n in 0..1000) { call image_size(file, size) }",
          f);
    fclose(f);
    fv_artifact *a = compiled(place, (fv_compile_options){.backend = FV_BACKEND_INTERP});
    fv_array out = {0};
    fv_log *log = fv_log_new();
    cr_expect_eq(run(a, picture, sizeof picture - 1, &out, log), FV_INTERNAL);
    cr_expect(strstr(fv_log_text(log), "k: image_size takes no arguments of these extents"), "%s",
              fv_log_text(log));
    fv_array_free(&out);
    fv_artifact_free(a);
    fv_log_free(log);
}

static void refuses(const char *name, const char *why) {
    fv_log *log = fv_log_new();
    char out[100];
    snprintf(out, sizeof out, "%s", in_folder(name));
    cr_expect_eq(fv_compile_file(model(""), out, NULL, log), FV_BAD_MODEL, "%s", name);
    cr_expect(strstr(fv_log_text(log), why), "%s: %s", name, fv_log_text(log));
    cr_expect(access(out, F_OK), "%s is there", name);
    fv_log_free(log);
}

/* A file of code has no libraries, so a program with calls is refused. */
Test(calls, files) {
    refuses("m.c", "generated C depends on no library, and kernel 'image_size_0', of node "
                   "'decode', calls one");
    refuses("m/", "generated C depends on no library");
    static const char *const names[] = {"m.so", "m.o", "m.a", "m.ll", "m.s"};
    for (int i = 0; FV_HAVE_LLVM && i < 5; i++)
        refuses(names[i], "kernel 'image_size_0' calls a function of a library");
}

static fv_artifact *of_constant(const char *pixels, fv_log *log) {
    FILE *f = fopen(in_folder("c.fvir"), "w");
    fv_artifact *a;
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nconst @file: u8[%zu] = hex \"503520332031203235350a%s\"\n"
            "func @main(%%x: u8[1]) -> (%%y) {\n  %%p = ImageDecoder(@file) {pixel_format = "
            "\"Grayscale\"}    loc(\"decode\")\n"
            "  %%y = Add(%%x, %%p)\n  return %%y\n}\n",
            11 + strlen(pixels) / 2, pixels);
    fclose(f);
    fv_compile_options o = {.size = sizeof o, .backend = FV_BACKEND_INTERP};
    cr_assert_eq(fv_compile(place, &o, log, &a), FV_OK, "%s", fv_log_text(log));
    return a;
}

/* A damaged file in a constant is reported when the model is compiled, and each run fails; an
 * intact one is decoded at that time. */
Test(calls, constants) {
    uint8_t x[1] = {1};
    fv_array in = {.type = FV_TYPE_UINT8, .rank = 1, .dims = {1}, .data = x}, out = {0};
    fv_log *log = fv_log_new();
    fv_artifact *a = of_constant("010203", log);
    cr_expect_str_eq(fv_log_text(log), "");
    cr_assert_eq(fv_artifact_run(a, &in, &out, NULL, log), FV_OK, "%s", fv_log_text(log));
    cr_expect(out.rank == 3 && !memcmp(out.data, "\2\3\4", 3));
    fv_array_free(&out);
    fv_artifact_free(a);
    a = of_constant("0102", log);
    cr_expect(strstr(fv_log_text(log), "this is no file that can be decoded, and all operands are "
                                       "constants: every run stops here with FV_BAD_FILE"),
              "%s", fv_log_text(log));
    cr_expect_eq(fv_artifact_run(a, &in, &out, NULL, log), FV_BAD_FILE);
    cr_expect(strstr(fv_log_text(log),
                     "node 'decode': constant 'file': the file ends before its image does"),
              "%s", fv_log_text(log));
    fv_array_free(&out);
    fv_artifact_free(a);
    fv_log_free(log);
}

/* Symbols that code in memory refers to are those of the table. */
Test(calls, symbols) {
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    for (int i = 0; i < FV_LIBRARY_FNS; i++) {
        const fv_library_fn *fn = fv_library_fn_of((fv_library_id)i);
        cr_expect_eq(fv_library_fn_called(fn->name), fn);
        cr_expect_eq(fv_library_id_of(fn), (fv_library_id)i);
        cr_expect(fn->collective || fv_library_find(s, fn));
        cr_expect(strstr(fv_library_symbol(a, fn), fn->name));
    }
    cr_expect_null(fv_library_fn_called("image"));
    fv_arena_free(a);
    fv_session_free(s);
}
