/* External data: it is read from the model's folder only. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/file.h"
#include "frontend/frontend.h"
#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "model_text.h"

static fv_session *session;
static fv_arena *arena;
static char top[64]; /* top/secret, top/model/{weights, link, sub/weights, outside} */

static const char *in_top(const char *path) {
    return fv_printf(arena, "%s/%s", top, path);
}

static void make_files(void) {
    float weights[] = {0, 1, 2, 3, 4, 5, 6, 7};
    session = fv_session_new();
    arena = fv_arena_new(session);
    strcpy(top, "/tmp/fovea-test-XXXXXX");
    cr_assert(mkdtemp(top));
    mkdir(in_top("model"), 0777);
    mkdir(in_top("model/sub"), 0777);
    mkdir(in_top("model-2"), 0777);
    const char *const files[] = {"secret", "model/weights", "model/sub/weights", "model-2/weights"};
    for (int i = 0; i < 4; i++)
        cr_assert(fv_file_write(session, in_top(files[i]), weights, sizeof weights));
    cr_assert(symlink("sub/weights", in_top("model/link")) == 0);
    cr_assert(symlink("../secret", in_top("model/outside")) == 0);
    cr_assert(symlink("../model-2", in_top("model/neighbour")) == 0);
    cr_assert(mkfifo(in_top("model/pipe"), 0666) == 0);
}

static void remove_files(void) {
    const char *const all[] = {"model/link",      "model/hard",
                               "model/outside",   "model/neighbour",
                               "model/pipe",      "model/sub/weights",
                               "model/sub",       "model/weights",
                               "model-2/weights", "model-2",
                               "model/m.onnx",    "model",
                               "secret",          ""};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        remove(in_top(all[i]));
    fv_session_free(session);
}
TestSuite(external, .init = make_files, .fini = remove_files);

static void put_entry(fv_text *tensor, const char *key, const char *value) {
    fv_text entry = {.arena = arena};
    put_text(&entry, 1, key);
    put_text(&entry, 2, value);
    put_message(tensor, 13, &entry);
}

/* A model whose weight of two floats is in another file. */
static fv_text model_with(const char *location, const char *offset, const char *length,
                          const char *checksum) {
    fv_text model = {.arena = arena}, graph = {.arena = arena}, w = {.arena = arena};
    fv_text output = {.arena = arena}, opset = {.arena = arena};
    put_int(&w, 1, 2);
    put_int(&w, 2, FV_F32);
    put_text(&w, 8, "w");
    put_int(&w, 14, 1);
    if (location)
        put_entry(&w, "location", location);
    if (offset)
        put_entry(&w, "offset", offset);
    if (length)
        put_entry(&w, "length", length);
    if (checksum)
        put_entry(&w, "checksum", checksum);
    put_message(&graph, 5, &w);
    put_text(&output, 1, "w");
    put_message(&graph, 12, &output);
    put_int(&opset, 2, 13);
    put_int(&model, 1, 8);
    put_message(&model, 8, &opset);
    put_message(&model, 7, &graph);
    return model;
}

static fv_text model_of(const char *location, const char *offset, const char *length) {
    return model_with(location, offset, length, NULL);
}

static fv_module *import(const char *location, const char *offset, const char *length) {
    fv_text model = model_of(location, offset, length);
    return fv_onnx_import_bytes(session, model.s, model.n, in_top("model"), "m", NULL);
}

static void reads(const char *location, const char *offset, const char *length, double first) {
    fv_module *m = import(location, offset, length);
    cr_assert(m, "%s is refused", location);
    cr_expect(fv_tensor_float(m->consts[0]->tensor, 0) == first);
    cr_expect(fv_tensor_float(m->consts[0]->tensor, 1) == first + 1);
}

static void refused(const char *location, const char *offset, const char *length, const char *why) {
    fv_messages_clear(session);
    cr_expect(!import(location, offset, length), "accepted, though %s", why);
    const fv_message *m = fv_messages(session);
    cr_expect(m && strstr(m->text, why), "is       %s\nexpected %s", m ? m->text : "", why);
}

Test(external, inside) {
    reads("weights", NULL, NULL, 0);
    reads("weights", "8", "8", 2);
    reads("weights", "24", NULL, 6);
    reads("sub/weights", "4", NULL, 1);
    reads("./sub//weights", "4", NULL, 1);
    reads("link", NULL, "8", 0);
}

Test(external, outside) {
    refused("../secret", NULL, NULL, "must be a path inside the model's folder: '../secret'");
    refused("sub/../../secret", NULL, NULL, "must be a path inside");
    refused("sub/..", NULL, NULL, "must be a path inside");
    refused(in_top("model/weights"), NULL, NULL, "must be a path inside");
    refused("", NULL, NULL, "must be a path inside");
    refused("outside", NULL, NULL, "a link leads outside");
    refused("neighbour/weights", NULL, NULL, "a link leads outside");
}

Test(external, hard_links) {
    cr_assert(link(in_top("secret"), in_top("model/hard")) == 0);
    refused("hard", NULL, NULL,
            "the file has other hard links, which may be anywhere; copy it: 'hard'");
    cr_assert(unlink(in_top("model/hard")) == 0);
    reads("weights", NULL, NULL, 0);
}

Test(external, faults) {
    refused(NULL, NULL, NULL, "has no 'location'");
    refused("none", NULL, NULL, "No such file");
    refused("sub", NULL, NULL, "not a regular file");
    refused("pipe", NULL, NULL, "not a regular file");
    refused("weights", "28", NULL, "outside of 'weights', which has 32 bytes");
    refused("weights", "18446744073709551615", NULL, "no number");
    refused("weights", "18446744073709551000", NULL, "outside of 'weights'");
    refused("weights", "-1", NULL, "no number");
    refused("weights", "0x10", NULL, "no number");
    refused("weights", "", NULL, "no number");
    refused("weights", NULL, "4", "has 4 bytes, its type and dims need 8");
    fv_text model = model_of("weights", NULL, NULL);
    cr_expect(!fv_onnx_import_bytes(session, model.s, model.n, NULL, "m", NULL));
}

/* sha1sum of the eight floats */
#define SHA1 "a00dc06e2530ee9f9d0babf934c6ce4e590b5a0c"

static bool accepts(const char *checksum) {
    fv_text model = model_with("weights", "8", NULL, checksum);
    fv_messages_clear(session);
    return fv_onnx_import_bytes(session, model.s, model.n, in_top("model"), "m", NULL) != NULL;
}

Test(external, checksums) {
    cr_expect(accepts(SHA1));
    cr_expect(!accepts("0123456789abcdef0123456789abcdef01234567"));
    cr_expect_str_eq(fv_messages(session)->text,
                     "tensor 'w': external data: 'weights' has the SHA-1 " SHA1
                     ", the model expects 0123456789abcdef0123456789abcdef01234567");
    cr_expect(!accepts("abcdef"));
    cr_expect_str_eq(fv_messages(session)->text,
                     "tensor 'w': external data: the checksum is no SHA-1 in hex: 'abcdef'");
    cr_expect(!accepts(""));
}

/* Without weights, the content of external data is neither read nor compared nor hashed. */
Test(external, without_weights) {
    const fv_import_options without = {.without_weights = true};
    fv_text model = model_with("weights", "8", NULL, "0123456789abcdef0123456789abcdef01234567");
    fv_module *m = fv_onnx_import_bytes(session, model.s, model.n, in_top("model"), "m", &without);
    cr_assert(m);
    cr_expect_str_eq(m->source.hash, "");
    model = model_with("weights", "28", NULL, NULL);
    cr_expect(!fv_onnx_import_bytes(session, model.s, model.n, in_top("model"), "m", &without),
              "its size is checked");
}

/* The hash is that of the model and of what it takes from other files. */
Test(external, hash) {
    fv_text model = model_of("weights", NULL, NULL);
    cr_assert(fv_file_write(session, in_top("model/m.onnx"), model.s, model.n));
    fv_module *a = fv_onnx_import(session, in_top("model/m.onnx"), NULL);
    fv_module *b = fv_onnx_import(session, in_top("model/m.onnx"), NULL);
    fv_module *other = import("weights", "4", NULL);
    cr_assert(a && b && other);
    cr_expect_str_eq(a->name, "m");
    cr_expect(strlen(a->source.hash) == 32);
    cr_expect_str_eq(a->source.hash, b->source.hash);
    cr_expect_str_neq(a->source.hash, other->source.hash);
    float changed[8] = {9, 9};
    cr_assert(fv_file_write(session, in_top("model/weights"), changed, sizeof changed));
    fv_module *c = fv_onnx_import(session, in_top("model/m.onnx"), NULL);
    cr_assert(c);
    cr_expect_str_neq(a->source.hash, c->source.hash);
}
