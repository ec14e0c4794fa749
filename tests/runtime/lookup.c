/* lookup.c - inputs, outputs and symbols by name; values of dims. */
#include <criterion/criterion.h>

#include "runtime/internal.h"

static const fv_symbol_info symbols[] = {{"seq", 1, 512}, {"a b", 0, 9}, {"free", 0, FV_DIM_MAX}};
static const char *const dims[] = {"2 * seq", "768", "`a b`"};
static const fv_port_info inputs[] = {{.name = "x", .type = 1, .rank = 3, .dims = dims},
                                      {.name = "mask", .type = 7}};
static const fv_port_info outputs[] = {{.name = "y", .type = 1}, {.name = "x", .type = 1}};
static const fv_model model = {.abi = 2,
                               .size = sizeof(fv_model),
                               .nsymbols = 3,
                               .symbols = symbols,
                               .ninputs = 2,
                               .inputs = inputs,
                               .noutputs = 2,
                               .outputs = outputs};

Test(lookup, names) {
    cr_expect_eq(fv_model_find_input(&model, "x"), 0);
    cr_expect_eq(fv_model_find_input(&model, "mask"), 1);
    cr_expect_eq(fv_model_find_output(&model, "x"), 1);
    cr_expect_eq(fv_model_find_symbol(&model, "a b"), 1);
    int (*const find[])(const fv_model *, const char *) = {
        fv_model_find_input, fv_model_find_output, fv_model_find_symbol};
    static const fv_model empty = {.abi = 2};
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(find[i](&model, "X"), -1);
        cr_expect_eq(find[i](&model, ""), -1);
        cr_expect_eq(find[i](&model, NULL), -1);
        cr_expect_eq(find[i](NULL, "x"), -1);
        cr_expect_eq(find[i](NULL, NULL), -1);
        cr_expect_eq(find[i](&empty, "x"), -1);
    }
}

static void is(const char *text, const int64_t *values, int status, int64_t want) {
    int64_t got = -77;
    cr_expect_eq(fv_model_dim(&model, text, values, &got), status, "%s", text);
    cr_expect_eq(got, status ? -77 : want, "%s is %lld", text, (long long)got);
}

Test(lookup, dims) {
    const int64_t values[] = {5, 0}, large[] = {INT64_MAX, -1};
    is(dims[0], values, FV_OK, 10);
    is(dims[1], values, FV_OK, 768);
    is(dims[2], values, FV_OK, 0);
    is(dims[1], NULL, FV_OK, 768);
    is("3 * 4", NULL, FV_OK, 12);
    is(dims[0], NULL, FV_BAD_DIM, 0);
    is("1 * `a b`", NULL, FV_BAD_DIM, 0);
    is(dims[0], large, FV_BAD_DIM, 0);
    is(dims[2], large, FV_BAD_DIM, 0);
    is("rows", values, FV_BAD_DIM, 0);
    is("", values, FV_BAD_DIM, 0);
    is(NULL, values, FV_BAD_ARGUMENT, 0);
    int64_t got;
    cr_expect_eq(fv_model_dim(NULL, "1", NULL, &got), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_model_dim(&model, "1", NULL, NULL), FV_BAD_ARGUMENT);
}

static void is_most(const char *dim, int status, size_t want) {
    const char *const text[] = {"3", dim};
    const fv_port_info port = {.name = "y", .type = FV_TYPE_FLOAT, .rank = 2, .dims = text};
    size_t got = 77;
    cr_expect_eq(fv_model_max_bytes(&model, &port, &got), status, "%s", dim);
    cr_expect_eq(got, status ? 77 : want * 12, "%s: %zu", dim, got);
}

Test(lookup, max_bytes) {
    is_most("768", FV_OK, 768);
    is_most("seq", FV_OK, 512);
    is_most("seq + `a b` * 2", FV_OK, 530);
    is_most("seq - `a b`", FV_OK, 512);
    is_most("10 - seq", FV_OK, 9);
    is_most("(seq - 3) * (`a b` - 4)", FV_OK, 2545);
    is_most("seq floordiv 10", FV_OK, 51);
    is_most("seq ceildiv 10", FV_OK, 52);
    is_most("`a b` floordiv seq", FV_OK, 9);
    is_most("(4 - `a b`) floordiv -1", FV_OK, 5);
    is_most("seq mod 16", FV_OK, 15);
    is_most("`a b` mod 16", FV_OK, 9);
    is_most("min(seq, 48)", FV_OK, 48);
    is_most("max(seq, `a b`, 700)", FV_OK, 700);
    is_most("broadcast(`a b`, seq)", FV_OK, 512);
    is_most("broadcast(1, `a b`)", FV_OK, 9);
    is_most("broadcast(`a b` + 2, seq)", FV_OK, 11);
    is_most("-1 * `a b`", FV_OK, 0);
    is_most("`a b` - 20", FV_OK, 0);
    is_most("seq floordiv `a b`", FV_BAD_DIM, 0);
    is_most("rows", FV_BAD_DIM, 0);
    is_most("min(rows, 3)", FV_BAD_DIM, 0);
    is_most("seq * 9223372036854775807", FV_BAD_DIM, 0);
    is_most("1099511627776", FV_BAD_DIM, 0);
    is_most("min(1099511627776, seq)", FV_OK, 512);
    is_most("free", FV_BAD_DIM, 0);
    is_most("free - 1", FV_BAD_DIM, 0);
    is_most("free floordiv 2", FV_BAD_DIM, 0);
    is_most("free ceildiv 2", FV_BAD_DIM, 0);
    is_most("max(seq, free - 5)", FV_BAD_DIM, 0);
    is_most("broadcast(`a b`, free)", FV_BAD_DIM, 0);
    is_most("min(free - 1, 48)", FV_OK, 48);
    is_most("free mod 16", FV_OK, 15);
    size_t bytes = 77;
    const char *const room[] = {"`a b`", "seq"};
    const fv_port_info state = {
        .type = FV_TYPE_FLOAT, .rank = 2, .dims = room, .in_place = 2, .capacity = "1000"};
    cr_expect_eq(fv_model_max_bytes(&model, &state, &bytes), FV_OK);
    cr_expect_eq(bytes, (size_t)9 * 1000 * 4);
    const char *const large[] = {"1099511627775", "1099511627775"};
    const fv_port_info huge = {.type = FV_TYPE_FLOAT, .rank = 2, .dims = large};
    cr_expect_eq(fv_model_max_bytes(&model, &huge, &bytes), FV_TOO_LARGE);
    cr_expect_eq(fv_model_max_bytes(NULL, &state, &bytes), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_model_max_bytes(&model, NULL, &bytes), FV_BAD_ARGUMENT);
    cr_expect_eq(fv_model_max_bytes(&model, &state, NULL), FV_BAD_ARGUMENT);
    cr_expect_eq(bytes, (size_t)9 * 1000 * 4);
}
