/* lookup.c - inputs, outputs and symbols by name; values of dims. */
#include <criterion/criterion.h>

#include "runtime/internal.h"

static const fv_symbol_info symbols[] = {{"seq", 1, 512}, {"a b", 0, 9}};
static const char *const dims[] = {"2 * seq", "768", "`a b`"};
static const fv_port_info inputs[] = {{.name = "x", .type = 1, .rank = 3, .dims = dims},
                                      {.name = "mask", .type = 7}};
static const fv_port_info outputs[] = {{.name = "y", .type = 1}, {.name = "x", .type = 1}};
static const fv_model model = {.abi = 2,
                               .size = sizeof(fv_model),
                               .nsymbols = 2,
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
