/* dims.c - dims as text, and the values of symbols from shapes. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/internal.h"

static const fv_symbol_info symbols[] = {{"batch", 0, 64}, {"seq", 1, 512}, {"past_len", 0, 512}};

static const char *const x_dims[] = {"batch", "seq", "768"};
static const char *const mask_dims[] = {"batch", "past_len + seq"};
static const fv_port_info inputs[] = {{"x", 1, 3, x_dims, 0, 0, 0},
                                      {"mask", 7, 2, mask_dims, 0, 0, 0}};
static const fv_model model = {.abi = 2,
                               .size = sizeof(fv_model),
                               .nsymbols = 3,
                               .symbols = symbols,
                               .ninputs = 2,
                               .inputs = inputs};

static void evaluates(const char *text, int64_t want) {
    const int64_t dims[] = {3, 5, 7};
    int64_t got;
    cr_assert(fv_eval_dim_text(&model, dims, text, &got), "%s", text);
    cr_expect_eq(got, want, "%s is %lld, expected %lld", text, (long long)got, (long long)want);
}

static void refuses(const char *text) {
    const int64_t dims[] = {3, 5, 7};
    int64_t got;
    cr_expect_not(fv_eval_dim_text(&model, dims, text, &got), "%s", text);
}

Test(dims, text) {
    evaluates("12", 12);
    evaluates("batch * seq + 1", 16);
    evaluates("1 + batch * (seq - 1)", 13);
    evaluates("-seq floordiv 2", -3);
    evaluates("seq ceildiv 2", 3);
    evaluates("-seq mod 3", 1);
    evaluates("seq floordiv 0", 0);
    evaluates("seq mod 0", 0);
    evaluates("min(batch, seq)", 3);
    evaluates("max(batch, seq, past_len)", 7);
    evaluates("broadcast(1, seq)", 5);
    evaluates("broadcast(batch, 1)", 3);
    evaluates("`past_len` * 2", 14);
}

Test(dims, nonsense) {
    refuses("");
    refuses("rows");
    refuses("batch +");
    refuses("min(batch)");
    refuses("batch)");
    refuses("batch seq");
    refuses("9223372036854775807 + 1");
    refuses("99999999999999999999");
    refuses("-9223372036854775807 - 2");
    refuses("4611686018427387904 * 2");
    char deep[1000] = "";
    memset(deep, '(', 500);
    refuses(deep);
}

Test(dims, names_in_backquotes) {
    static const fv_symbol_info odd[] = {
        {"a\\b", 0, 9}, {"`\033\n", 0, 9}, {"7", 0, 9}, {"", 0, 9}};
    static const fv_model m = {.abi = 2, .size = sizeof m, .nsymbols = 4, .symbols = odd};
    const int64_t dims[] = {3, 5, 7, 9};
    int64_t got;
    cr_assert(fv_eval_dim_text(&m, dims, "`a\\\\b` * `\\`\\x1b\\n` + `7`", &got));
    cr_expect_eq(got, 22);
    cr_expect_eq(fv_dim_text_symbol(&m, "`\\`\\x1b\\n`"), 1);
    cr_expect_eq(fv_dim_text_symbol(&m, "`7`"), 2);
    cr_expect_eq(fv_dim_text_symbol(&m, "7"), -1, "a number is none");
    cr_expect_eq(fv_dim_text_symbol(&m, "`a\\b`"), -1, "an escape that is none");
    cr_expect_eq(fv_dim_text_symbol(&m, "`a"), -1, "no end");
    cr_expect_not(fv_eval_dim_text(&m, dims, "`a\\\\b", &got));
}

Test(dims, a_log_has_one_line_a_message) {
    fv_log *log = fv_log_new();
    fv_log_add(log, "error: input '%s'", "x\nerror: forged\033[0m\342\200\256\377");
    cr_expect_str_eq(fv_log_text(log),
                     "error: input 'x\\nerror: forged\\x1b[0m\\xe2\\x80\\xae\\xff'\n");
    fv_log_free(log);
}

static fv_array array(int32_t type, int rank, int64_t a, int64_t b, int64_t c) {
    return (fv_array){.type = type, .rank = rank, .dims = {a, b, c}};
}

Test(dims, from_shapes) {
    fv_array in[] = {array(1, 3, 2, 5, 768), array(7, 2, 2, 9, 0)};
    int64_t dims[3];
    cr_assert_eq(fv_solve_dims(&model, in, dims, NULL), FV_OK);
    cr_expect_eq(dims[0], 2);
    cr_expect_eq(dims[1], 5);
    cr_expect_eq(dims[2], 4); /* 9 = past_len + 5 */
}

static void says(fv_array x, fv_array mask, int status, const char *what) {
    fv_array in[] = {x, mask};
    fv_log *log = fv_log_new();
    int64_t dims[3];
    cr_expect_eq(fv_solve_dims(&model, in, dims, log), status);
    cr_expect(strstr(fv_log_text(log), what), "'%s' lacks '%s'", fv_log_text(log), what);
    fv_log_free(log);
}

Test(dims, that_do_not_fit) {
    says(array(7, 3, 2, 5, 768), array(7, 2, 2, 9, 0), FV_BAD_ARGUMENT,
         "input 'x' is i64[2, 5, 768], expected f32 of rank 3");
    says(array(1, 2, 2, 5, 0), array(7, 2, 2, 9, 0), FV_BAD_ARGUMENT, "expected f32 of rank 3");
    says(array(1, 77, 2, 5, 0), array(7, 2, 2, 9, 0), FV_BAD_ARGUMENT, "of rank 77, expected");
    says(array(1, 3, 2, 5, 700), array(7, 2, 2, 9, 0), FV_BAD_DIM, "expected 768 on axis 2");
    says(array(1, 3, 2, 5, 768), array(7, 2, 3, 9, 0), FV_BAD_DIM,
         "input 'mask' is i64[3, 9], expected 2 on axis 0: batch");
    says(array(1, 3, 2, 0, 768), array(7, 2, 2, 9, 0), FV_BAD_DIM, "'seq' may be 1 to 512");
    says(array(1, 3, 2, 5, 768), array(7, 2, 2, 3, 0), FV_BAD_DIM, "'past_len' is -2");
}

Test(dims, from_some_shapes) {
    fv_array in[] = {array(1, 3, 2, 5, 768), {0}};
    const unsigned char given[] = {1, 0};
    unsigned char known[3] = {0};
    int64_t dims[3] = {0};
    cr_assert_eq(fv_find_dims(&model, in, given, dims, known, NULL), FV_OK);
    cr_expect(known[0] && known[1] && !known[2]);
}
