/* bytes.c - compiles models in memory: of every kind, with and without a folder of external data,
 * and bytes that are no model. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/have.h"
#include "tools/driver/driver.h"

enum { N = 512 }; /* elements of the weights, more than an exported model contains itself */
static char folder[] = "/tmp/fovea-bytes-XXXXXX";
static char place[100];
static const fv_compile_options interp = {.size = sizeof interp, .backend = FV_BACKEND_INTERP};

typedef struct content {
    char *data;
    size_t size;
} content;

static const char *in_folder(const char *name) {
    snprintf(place, sizeof place, "%s/%s", folder, name);
    return place;
}

static content content_of(const char *path) {
    content c = {malloc(1 << 20), 0};
    FILE *f = fopen(path, "rb");
    cr_assert(f && c.data, "%s", path);
    c.size = fread(c.data, 1, 1 << 20, f);
    fclose(f);
    return c;
}

/* m.onnx: m.fvir as an ONNX model, with its weights in m.onnx.data */
static void put_onnx(void) {
    fv_session *s = fv_session_new();
    fv_door door;
    fv_source source;
    fv_driver_options o = {.target.of = fv_target_find("generic")};
    fv_pipeline_options none = {0};
    cr_assert(!FV_DOOR_OPEN(s, &door));
    cr_assert(fv_driver_read(s, in_folder("m.fvir"), &o, &source));
    cr_assert(fv_driver_write_onnx(s, source.module, in_folder("m.onnx"), FV_WEIGHTS_FILE, &none));
    fv_door_close(s, &door);
    fv_session_free(s);
}

/* w.bin: the weights i; m.fvir: y = x + w */
static void begin(void) {
    float w[N];
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
    for (int i = 0; i < N; i++)
        w[i] = (float)i;
    FILE *f = fopen(in_folder("w.bin"), "wb");
    cr_assert(f && fwrite(w, sizeof w, 1, f) == 1 && fclose(f) == 0);
    f = fopen(in_folder("m.fvir"), "w");
    cr_assert(f);
    fprintf(f,
            "fovea-ir 1\nmodule \"m\"\nsymbol n 0..9\nconst @w: f32[%d] = file \"w.bin\" 0 %d\n"
            "func @main(%%x: f32[n, 1]) -> (%%y) {\n  %%y = Add(%%x, @w)\n  return %%y\n}\n",
            N, 4 * N);
    cr_assert_eq(fclose(f), 0);
    put_onnx();
    cr_assert_eq(access(in_folder("m.onnx.data"), R_OK), 0);
}

static void end(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(bytes, .init = begin, .fini = end);

static void gives(fv_artifact *a) {
    float x[2] = {1, 10};
    fv_array in = {.type = FV_TYPE_FLOAT, .rank = 2, .dims = {2, 1}, .data = x}, out = {0};
    cr_assert_eq(fv_artifact_run(a, &in, &out, NULL, NULL), FV_OK);
    cr_assert(out.rank == 2 && out.dims[0] == 2 && out.dims[1] == N);
    for (int i = 0; i < N; i++)
        cr_expect_eq(((float *)out.data)[N + i], (float)(10 + i));
    fv_array_free(&out);
}

static void compiles(const char *file, const char *name, const char *from,
                     const fv_compile_options *o) {
    content c = content_of(in_folder(file));
    fv_artifact *a = NULL;
    fv_log *log = fv_log_new();
    cr_assert_eq(fv_compile_bytes(c.data, c.size, name, from, o, log, &a), FV_OK, "%s: %s", file,
                 fv_log_text(log));
    cr_expect_str_eq(fv_log_text(log), "");
    cr_expect_str_eq(fv_artifact_model(a)->name, "m");
    gives(a);
    fv_artifact_free(a);
    fv_log_free(log);
    free(c.data);
}

Test(bytes, of_every_kind) {
    char program[100];
    snprintf(program, sizeof program, "%s", in_folder("m.fvir"));
    cr_assert_eq(fv_compile_file(program, in_folder("p.fvk"), NULL, NULL), FV_OK);
    cr_assert_eq(access(in_folder("p.fvk.bin"), R_OK), 0);
    compiles("m.onnx", "m.onnx", folder, &interp);
    compiles("m.onnx", "/somewhere/else/m.onnx", folder, &interp);
    compiles("m.fvir", "any", folder, &interp);
    compiles(
        "p.fvk", "p.fvk", folder,
        &(fv_compile_options){.size = sizeof interp, .backend = FV_BACKEND_INTERP, .name = "m"});
    if (FV_HAVE_LLVM)
        compiles("m.onnx", "m.onnx", folder, NULL);
}

static void refuses_bytes(const void *data, size_t size, const char *name, const char *from,
                          const char *message) {
    fv_artifact *a = (fv_artifact *)1;
    fv_log *log = fv_log_new();
    char out[100];
    snprintf(out, sizeof out, "%s", in_folder("x.c"));
    cr_expect_eq(fv_compile_bytes(data, size, name, from, &interp, log, &a), FV_BAD_MODEL);
    cr_expect_null(a);
    cr_expect(strstr(fv_log_text(log), message), "'%s' lacks '%s'", fv_log_text(log), message);
    cr_expect(!strncmp(fv_log_text(log), name, strlen(name)), "%s", fv_log_text(log));
    fv_log_clear(log);
    cr_expect_eq(fv_compile_bytes_file(data, size, name, from, out, NULL, log), FV_BAD_MODEL);
    cr_expect(strstr(fv_log_text(log), message), "'%s' lacks '%s'", fv_log_text(log), message);
    cr_expect(access(out, F_OK), "a file is left");
    fv_log_free(log);
}

static void refuses(const char *file, const char *from, const char *message) {
    content c = content_of(in_folder(file));
    refuses_bytes(c.data, c.size, "model", from, message);
    free(c.data);
}

Test(bytes, external_data) {
    refuses("m.onnx", NULL,
            "model: error: tensor 'w': external data: a model in memory has no folder to read "
            "from; say the folder of 'm.onnx.data'");
    refuses("m.onnx", "/nowhere/at/all", "No such file or directory: the folder '/nowhere/at/all'");
    refuses("m.onnx", "/", "No such file or directory: 'm.onnx.data'");
    refuses("m.onnx", "", "No such file or directory: the folder ''");
    refuses("m.fvir", NULL, "this text has no folder with side files");
    cr_assert_eq(truncate(in_folder("m.onnx.data"), N), 0);
    refuses("m.onnx", folder, "outside of 'm.onnx.data'");
}

Test(bytes, no_models) {
    static const char elf[] = "\177ELF";
    refuses_bytes("", 0, "nothing", NULL, "");
    refuses_bytes("x", 0, "nothing", NULL, "");
    refuses_bytes("\0\0\0\0", 4, "zeros", NULL, "");
    refuses_bytes("fovea-ir 1\n\0", 12, "zero", NULL, "is a text that holds a byte 0");
    refuses_bytes(elf, 4, "library", NULL, "is compiled already");
    refuses_bytes("fovea-ir 1\nfunc", 15, "-", NULL, ""); /* a name, not standard input */
    refuses_bytes("fovea-ir 1\nfunc", 15, "", NULL, "");
}

/* Bytes that end too early are refused, or are a smaller model; a failure leaves nothing. */
Test(bytes, truncated) {
    static const char *const files[] = {"m.onnx", "m.fvir"};
    for (int k = 0; k < 2; k++) {
        content c = content_of(in_folder(files[k]));
        for (size_t n = 0; n < c.size; n++) {
            char *part = malloc(n + 1); /* of this size, so that reading more is noticed */
            fv_artifact *a;
            memcpy(part, c.data, n);
            int status = fv_compile_bytes(part, n, "part", folder, &interp, NULL, &a);
            cr_expect(status == FV_BAD_MODEL || status == FV_OK, "%zu bytes: %d", n, status);
            cr_expect_eq(status == FV_OK, a != NULL);
            fv_artifact_free(a);
            free(part);
        }
        free(c.data);
    }
}

static void is_refused(int status, fv_log *log, const char *argument) {
    char want[60];
    snprintf(want, sizeof want, "error: argument '%s' is NULL\n", argument);
    cr_expect_eq(status, FV_BAD_ARGUMENT);
    cr_expect_str_eq(fv_log_text(log), want);
    fv_log_clear(log);
}

Test(bytes, nonsense) {
    fv_artifact *a = (fv_artifact *)1;
    fv_log *log = fv_log_new();
    fv_compile_options odd = {.size = 3};
    is_refused(fv_compile_bytes(NULL, 5, "m", NULL, NULL, log, &a), log, "data");
    cr_expect_null(a);
    is_refused(fv_compile_bytes("x", 1, NULL, NULL, NULL, log, &a), log, "name");
    is_refused(fv_compile_bytes("x", 1, "m", NULL, NULL, log, NULL), log, "out");
    is_refused(fv_compile_bytes_file(NULL, 5, "m", NULL, "x.c", NULL, log), log, "data");
    is_refused(fv_compile_bytes_file("x", 1, NULL, NULL, "x.c", NULL, log), log, "name");
    is_refused(fv_compile_bytes_file("x", 1, "m", NULL, NULL, NULL, log), log, "out");
    cr_expect_eq(fv_compile_bytes(NULL, 0, NULL, NULL, NULL, NULL, NULL), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_compile_bytes("x", 1, "m", NULL, &odd, NULL, &a), FV_BAD_ARGUMENT);
    fv_log_free(log);
}

/* Files do not need the bytes any more. */
Test(bytes, files) {
    content c = content_of(in_folder("m.onnx"));
    fv_log *log = fv_log_new();
    fv_artifact *a;
    cr_assert_eq(fv_compile_bytes_file(c.data, c.size, "m", folder, in_folder("x.fvk"), NULL, log),
                 FV_OK, "%s", fv_log_text(log));
    free(c.data);
    cr_assert_eq(fv_compile(in_folder("x.fvk"), &interp, log, &a), FV_OK, "%s", fv_log_text(log));
    gives(a);
    fv_artifact_free(a);
    fv_log_free(log);
}
