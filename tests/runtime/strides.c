/* strides.c - inputs with strides; strings of C as tensors and back. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/internal.h"

/* A model that copies x: f32[a, b]. */
static const fv_symbol_info symbols[] = {{"a", 0, 100}, {"b", 0, 100}};
static const char *const ab[] = {"a", "b"};
static const fv_port_info inputs[] = {{"x", 1, 2, ab, 0, 0, 0, NULL}};
static const fv_port_info outputs[] = {{"y", 1, 2, ab, 0, 0, 0, NULL}};

static int plan(const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    if (workspace)
        *workspace = 0;
    if (out_dims) {
        out_dims[0] = dims[0] * dims[1];
        out_dims[1] = dims[0];
        out_dims[2] = dims[1];
    }
    return FV_OK;
}

static int run(const int64_t *dims, const void *const *in, void *const *out, int64_t *out_dims,
               void *workspace, size_t bytes, const fv_env *env) {
    (void)workspace;
    (void)bytes;
    (void)env;
    memcpy(out[0], in[0], (size_t)(dims[0] * dims[1]) * sizeof(float));
    return plan(dims, NULL, out_dims);
}

static const fv_model copy = {.abi = 2,
                              .size = sizeof(fv_model),
                              .name = "copy",
                              .target = "generic",
                              .nsymbols = 2,
                              .ninputs = 1,
                              .noutputs = 1,
                              .symbols = symbols,
                              .inputs = inputs,
                              .outputs = outputs,
                              .plan = plan,
                              .run = run};

static int blocks;

static void *take(void *user, size_t bytes) {
    (void)user;
    blocks++;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *user, void *p) {
    (void)user;
    blocks--;
    free(p);
}

static const float numbers[] = {0, 1, 2, 3, 4, 5};

static void gives(const float *from, int64_t a, int64_t b, int64_t along_a, int64_t along_b,
                  const float *want) {
    fv_artifact *artifact = fv_artifact_new(&copy);
    const int64_t strides[] = {along_a, along_b}, *const list[] = {strides};
    const fv_env env = {.size = sizeof env, .alloc = take, .free = give};
    const fv_run_options o[] = {{.size = sizeof *o, .threads = 1, .strides = list},
                                {.size = sizeof *o, .threads = 1, .strides = list, .env = &env}};
    for (int i = 0; i < 2; i++) {
        float y[36] = {0};
        fv_array in = {.type = 1, .rank = 2, .dims = {a, b}, .data = (void *)(uintptr_t)from};
        fv_array out = {.type = 1, .rank = 2, .dims = {a, b}, .data = y};
        cr_assert_eq(fv_artifact_run(artifact, &in, &out, &o[i], NULL), FV_OK);
        for (int64_t k = 0; k < a * b; k++)
            cr_expect_eq(y[k], want[k], "element %lld", (long long)k);
        cr_expect_eq(blocks, 0);
    }
    fv_artifact_free(artifact);
}

Test(strides, are_copied) {
    gives(numbers, 2, 3, 12, 4, numbers);
    gives(numbers, 3, 2, 4, 12, (float[]){0, 3, 1, 4, 2, 5});
    gives(numbers + 5, 2, 3, -12, -4, (float[]){5, 4, 3, 2, 1, 0});
    gives(numbers, 2, 3, 0, 4, (float[]){0, 1, 2, 0, 1, 2});
    gives(numbers, 3, 2, 8, 0, (float[]){0, 0, 2, 2, 4, 4});
    gives(numbers + 1, 1, 2, 77, 12, (float[]){1, 4});
    gives(numbers, 0, 3, 1, 1, numbers);
    char odd[1 + sizeof numbers];
    memcpy(odd + 1, numbers, sizeof numbers);
    gives((const float *)(const void *)(odd + 1), 3, 2, 4, 12, (float[]){0, 3, 1, 4, 2, 5});
}

static void refused(const fv_port_info *port, const void *data, int status, const char *says) {
    fv_model m = copy;
    m.inputs = port;
    fv_artifact *a = fv_artifact_new(&m);
    fv_log *log = fv_log_new();
    const int64_t strides[] = {4, 12}, *const list[] = {strides};
    const fv_run_options o = {.size = sizeof o, .threads = 1, .strides = list};
    float y[6];
    fv_array in = {.rank = 2, .dims = {3, 2}}, out = {.type = 1, .rank = 2, .dims = {3, 2}};
    in.type = port->type;
    in.data = (void *)(uintptr_t)data;
    out.data = y;
    cr_expect_eq(fv_artifact_run(a, &in, &out, &o, log), status);
    cr_expect_str_eq(fv_log_text(log), says);
    fv_log_free(log);
    fv_artifact_free(a);
}

Test(strides, that_are_refused) {
    refused(inputs, NULL, FV_BAD_ARGUMENT, "error: input 'x' is f32[3, 2], its data is NULL\n");
    refused(&(fv_port_info){"x", 22, 2, ab, 0, 0, 0, NULL}, numbers, FV_BAD_ARGUMENT,
            "error: input 'x' is given with strides, but several elements of its type share a "
            "byte\n");
    refused(&(fv_port_info){"x", 1, 2, ab, 0, 0, 1, "a"}, numbers, FV_BAD_ARGUMENT,
            "error: input 'x' is given with strides, but is updated in place, so that it must be "
            "dense\n");
}

/* ---- strings ---- */

Test(strings, there_and_back) {
    const char *const words[] = {"to", "", "be", "\xc3\xa4"};
    const int64_t dims[] = {2, 2};
    fv_array text, ends;
    char **back;
    cr_assert_eq(fv_strings_pack(words, 2, dims, &text, &ends, NULL), FV_OK);
    cr_expect(text.type == FV_TYPE_UINT8 && text.rank == 1 && text.dims[0] == 6);
    cr_expect(!memcmp(text.data, "tobe\xc3\xa4", 6));
    cr_expect(ends.type == FV_TYPE_INT64 && ends.rank == 2 && ends.dims[0] == 2 &&
              ends.dims[1] == 2);
    cr_expect_arr_eq(ends.data, ((int64_t[]){2, 2, 4, 6}), 4 * sizeof(int64_t));
    cr_assert_eq(fv_strings_unpack(&text, &ends, &back, NULL), FV_OK);
    for (int i = 0; i < 4; i++)
        cr_expect_str_eq(back[i], words[i]);
    cr_expect_null(back[4]);
    fv_strings_free(back);
    fv_strings_free(NULL);
    fv_array_free(&text);
    fv_array_free(&ends);
}

Test(strings, one_and_none) {
    fv_array text, ends;
    char **back;
    const char *const one[] = {"one"};
    cr_assert_eq(fv_strings_pack(one, 0, NULL, &text, &ends, NULL), FV_OK);
    cr_expect(ends.rank == 0 && *(int64_t *)ends.data == 3);
    cr_assert_eq(fv_strings_unpack(&text, &ends, &back, NULL), FV_OK);
    cr_expect(!strcmp(back[0], "one") && !back[1]);
    fv_strings_free(back);
    fv_array_free(&text);
    fv_array_free(&ends);
    cr_assert_eq(fv_strings_pack(one, 1, (int64_t[]){0}, &text, &ends, NULL), FV_OK);
    cr_expect(text.dims[0] == 0 && ends.rank == 1 && ends.dims[0] == 0);
    cr_assert_eq(fv_strings_unpack(&text, &ends, &back, NULL), FV_OK);
    cr_expect_null(back[0]);
    fv_strings_free(back);
    fv_array_free(&text);
    fv_array_free(&ends);
}

Test(strings, that_are_refused) {
    const char *const words[] = {"a", NULL};
    const int64_t dims[] = {2, -1}, large[] = {INT64_MAX, 2};
    fv_array text = {0}, ends = {0};
    char **back;
    fv_log *log = fv_log_new();
#define REFUSED(call, status, says)                                                                \
    fv_log_clear(log);                                                                             \
    cr_expect_eq(call, status);                                                                    \
    cr_expect(strstr(fv_log_text(log), says), "%s", fv_log_text(log))
    REFUSED(fv_strings_pack(words, 1, dims, &text, &ends, log), FV_BAD_ARGUMENT,
            "error: string 1 is NULL");
    REFUSED(fv_strings_pack(words, 2, dims, &text, &ends, log), FV_BAD_DIM,
            "error: the strings have -1 on axis 1");
    REFUSED(fv_strings_pack(words, 2, large, &text, &ends, log), FV_TOO_LARGE, "error: ");
    REFUSED(fv_strings_pack(words, 33, dims, &text, &ends, log), FV_BAD_ARGUMENT,
            "error: the strings have rank 33, may be 0 to 32");
    REFUSED(fv_strings_pack(NULL, 1, dims, &text, &ends, log), FV_BAD_ARGUMENT, "'strings'");
    REFUSED(fv_strings_pack(words, 1, NULL, &text, &ends, log), FV_BAD_ARGUMENT, "'dims'");
    REFUSED(fv_strings_pack(words, 1, dims, NULL, &ends, log), FV_BAD_ARGUMENT, "'text'");
    REFUSED(fv_strings_pack(words, 1, dims, &text, NULL, log), FV_BAD_ARGUMENT, "'ends'");
    int64_t at[2] = {2, 1};
    char bytes[] = "a\0b";
    text = (fv_array){.type = FV_TYPE_UINT8, .rank = 1, .dims = {3}, .data = bytes};
    ends = (fv_array){.type = FV_TYPE_INT64, .rank = 1, .dims = {2}, .data = at};
    REFUSED(fv_strings_unpack(&text, &ends, &back, log), FV_BAD_DIM, "string 0 has a zero byte");
    bytes[1] = 'x';
    REFUSED(fv_strings_unpack(&text, &ends, &back, log), FV_BAD_DIM,
            "string 1 ends at byte 1, expected 2 to 3");
    at[1] = 4;
    REFUSED(fv_strings_unpack(&text, &ends, &back, log), FV_BAD_DIM,
            "string 1 ends at byte 4, expected 2 to 3");
    at[1] = 2;
    REFUSED(fv_strings_unpack(&text, &ends, &back, log), FV_BAD_DIM,
            "the strings end at byte 2, the text has 3");
    REFUSED(fv_strings_unpack(&ends, &text, &back, log), FV_BAD_ARGUMENT,
            "text is no dense array of u8");
    text.data = NULL;
    REFUSED(fv_strings_unpack(&text, &ends, &back, log), FV_BAD_ARGUMENT,
            "text is u8[3], its data is NULL");
    cr_expect_null(back);
    REFUSED(fv_strings_unpack(&text, &ends, NULL, log), FV_BAD_ARGUMENT, "'out'");
    REFUSED(fv_strings_unpack(NULL, &ends, &back, log), FV_BAD_ARGUMENT, "'text'");
    fv_log_free(log);
}
