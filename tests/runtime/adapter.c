/* adapter.c - files of adapters: their values, inputs that take them, and files with faults. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/internal.h"
#include "tests/runtime/adapter_file.h"

static const float a_values[6] = {1, 2, 3, 4, 5, 6};
static const int64_t b_values[2] = {7, 8};

static adapter_file usual(void) {
    adapter_file f;
    size_t list = adapter_begin(&f, 1, 2);
    adapter_put_parameter(&f, list, "b", FV_TYPE_INT64, 1, (int64_t[]){2}, b_values,
                          sizeof b_values);
    adapter_put_parameter(&f, list + 4, "a", FV_TYPE_FLOAT, 2, (int64_t[]){2, 3}, a_values,
                          sizeof a_values);
    return f;
}

static volatile uint8_t read_all; /* so that values are read */

static int load(const adapter_file *f, size_t size, fv_log *log, fv_adapter **out) {
    char path[] = "/tmp/fovea-adapter-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, f->bytes, size) == (ssize_t)size);
    close(fd);
    int status = fv_adapter_load(path, log, out);
    unlink(path);
    return status;
}

/* The file is refused with a message that has this text. */
static void refuses(const adapter_file *f, const char *text) {
    fv_adapter *a;
    fv_log *log = fv_log_new();
    cr_expect_eq(load(f, f->n, log, &a), FV_BAD_FILE);
    cr_expect(!a && strstr(fv_log_text(log), text), "%s", fv_log_text(log));
    fv_log_free(log);
}

/* ---- values ---- */

Test(adapter, values) {
    adapter_file f = usual();
    fv_adapter *a;
    const char *name;
    fv_array x;
    cr_assert_eq(load(&f, f.n, NULL, &a), FV_OK);
    cr_assert_eq(fv_adapter_count(a), 2);
    cr_assert_eq(fv_adapter_get(a, 0, &name, &x), FV_OK);
    cr_expect_str_eq(name, "a");
    cr_expect(x.type == FV_TYPE_FLOAT && x.rank == 2 && x.dims[0] == 2 && x.dims[1] == 3 &&
              !x.owner && !memcmp(x.data, a_values, sizeof a_values));
    cr_assert_eq(fv_adapter_get(a, 1, &name, &x), FV_OK);
    cr_expect(!strcmp(name, "b") && !memcmp(x.data, b_values, sizeof b_values));
    cr_expect_eq(fv_adapter_get(a, 2, &name, &x), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_adapter_get(a, -1, &name, &x), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_adapter_get(NULL, 0, &name, &x), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_adapter_get(a, 0, NULL, &x), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_adapter_get(a, 0, &name, NULL), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_adapter_count(NULL), 0);
    fv_adapter_free(a);
    fv_adapter_free(NULL);
}

Test(adapter, without_parameters) {
    adapter_file f;
    fv_adapter *a;
    adapter_begin(&f, 1, 0);
    cr_assert_eq(load(&f, f.n, NULL, &a), FV_OK);
    cr_expect_eq(fv_adapter_count(a), 0);
    fv_adapter_free(a);
}

static const char *const dims[] = {"2", "3"};
static const fv_port_info inputs[] = {{"x", FV_TYPE_FLOAT, 2, dims, 0, 0, 0, NULL},
                                      {"b", FV_TYPE_INT64, 1, dims, 0, 0, 0, NULL},
                                      {"a", FV_TYPE_FLOAT, 2, dims, 0, 0, 0, NULL}};

static void applies(const fv_adapter *a, const fv_port_info *to, fv_array *values, int expected,
                    const char *text) {
    const fv_model m = {.abi = 2, .size = sizeof m, .name = "m", .ninputs = 3, .inputs = to};
    fv_log *log = fv_log_new();
    cr_expect_eq(fv_adapter_apply(a, &m, values, log), expected);
    cr_expect(strstr(fv_log_text(log), text), "%s", fv_log_text(log));
    fv_log_free(log);
}

Test(adapter, inputs_that_take_values) {
    adapter_file f = usual();
    fv_adapter *a;
    fv_array values[3] = {{0}}, other[3] = {{0}};
    fv_port_info changed[3];
    cr_assert_eq(load(&f, f.n, NULL, &a), FV_OK);
    applies(a, inputs, values, FV_OK, "");
    cr_expect(!values[0].type && values[1].data && !memcmp(values[2].data, a_values, 24));
    applies(a, inputs, values, FV_BAD_ARGUMENT, "input 'a' has a value already");
    memcpy(changed, inputs, sizeof inputs);
    changed[2].name = "c";
    applies(a, changed, other, FV_BAD_ARGUMENT, "'a', which is no input");
    changed[2] = inputs[2];
    changed[1].rank = 2;
    applies(a, changed, other, FV_BAD_ARGUMENT, "'b' is i64[2], expected i64 of rank 2");
    changed[1] = inputs[1];
    changed[2].type = FV_TYPE_DOUBLE;
    applies(a, changed, other, FV_BAD_ARGUMENT, "expected f64 of rank 2");
    cr_expect(!other[0].type && !other[1].type && !other[2].type, "nothing is set");
    applies(NULL, inputs, other, FV_BAD_ARGUMENT, "'adapter' is NULL");
    applies(a, inputs, NULL, FV_BAD_ARGUMENT, "'inputs' is NULL");
    cr_expect_eq(fv_adapter_apply(a, NULL, other, NULL), FV_BAD_ARGUMENT);
    fv_adapter_free(a);
}

/* ---- faults ---- */

Test(adapter, faults) {
    adapter_file f;
    refuses(&(adapter_file){{0}, 0}, "it is empty");
    refuses(&(adapter_file){{0}, 8}, "TORT");
    f = usual();
    f.bytes[4] = 'F';
    refuses(&f, "TORT");
    adapter_begin(&f, 2, 0);
    refuses(&f, "format version 2, expected 1");
    size_t list = adapter_begin(&f, 1, 2);
    adapter_put_parameter(&f, list, "a", FV_TYPE_INT64, 1, (int64_t[]){2}, b_values, 16);
    adapter_put_parameter(&f, list + 4, "a", FV_TYPE_INT64, 1, (int64_t[]){2}, b_values, 16);
    refuses(&f, "several values of 'a'");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "", FV_TYPE_INT64, 1, (int64_t[]){2},
                          b_values, 16);
    refuses(&f, "parameter 0 has no name");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "a", FV_TYPE_STRING, 1, (int64_t[]){2},
                          b_values, 16);
    refuses(&f, "type that no adapter has");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "a", FV_TYPE_INT4, 1, (int64_t[]){32},
                          b_values, 16);
    refuses(&f, "type that no adapter has");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "a", 99, 1, (int64_t[]){2}, b_values, 16);
    refuses(&f, "type that no adapter has");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "a", FV_TYPE_INT64, 1, (int64_t[]){3},
                          b_values, 16);
    refuses(&f, "another size");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "a", FV_TYPE_INT64, 1, (int64_t[]){-2},
                          b_values, 16);
    refuses(&f, "negative dim");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "a", FV_TYPE_INT64, 2,
                          (int64_t[]){INT64_MAX / 2, INT64_MAX / 2}, b_values, 16);
    refuses(&f, "too many elements");
    adapter_put_parameter(&f, adapter_begin(&f, 1, 1), "a", FV_TYPE_INT64, 40, (int64_t[40]){0},
                          b_values, 0);
    refuses(&f, "too many dims");
}

/* Every beginning of a file is refused, and with every byte changed it is refused or has values
 * that can be read. */
Test(adapter, damaged_files) {
    adapter_file f = usual();
    fv_adapter *a;
    const char *name;
    fv_array x;
    for (size_t n = 0; n < f.n; n++)
        cr_expect_eq(load(&f, n, NULL, &a), FV_BAD_FILE, "the first %zu bytes", n);
    for (size_t at = 0; at < f.n; at++)
        for (int change = 1; change < 256; change *= 2) {
            adapter_file other = f;
            other.bytes[at] ^= (uint8_t)change;
            int status = load(&other, f.n, NULL, &a);
            cr_expect(status == FV_OK || (status == FV_BAD_FILE && !a));
            for (int i = 0; i < fv_adapter_count(a); i++) {
                cr_assert_eq(fv_adapter_get(a, i, &name, &x), FV_OK);
                uint8_t sum = (uint8_t)strlen(name);
                for (size_t k = 0; k < fv_array_bytes(&x); k++)
                    sum ^= ((const uint8_t *)x.data)[k];
                read_all = (uint8_t)(read_all + sum);
            }
            fv_adapter_free(a);
        }
}
