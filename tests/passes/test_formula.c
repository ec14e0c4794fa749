/* test_formula.c - errors in formulas are reported with their position. Tests of operators check
 * the values of correct formulas. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/definition/formula.h"
#include "ir/definition/print.h"
#include "ir/kernel/build.h"
#include "ir/kernel/print.h"
#include "tests/passes/support.h"

#define FORMULA(name) Test(formula, name, .init = open_session, .fini = close_session)

/* The definition that the formula `text` gives for the last op of main, or the messages. */
static const char *defined(const char *function, const char *text) {
    fv_module *m = module_of(function);
    fv_op *op = m->funcs->body->last->prev;
    fv_definition *out[8] = {0};
    fv_definer d = {.module = m, .arena = arena, .op = op, .out = out};
    fv_text t = {.arena = arena};
    if (!fv_formula_define(&d, text))
        return said();
    cr_expect_str_eq(said(), "");
    fv_definition_print(&t, out[0]);
    return t.s;
}

static void gives(const char *function, const char *text, const char *expected) {
    const char *got = defined(function, text);
    cr_expect_str_eq(got, expected, "%s\ngives %s", text, got);
}

#define UNARY   "func @main(%x: f32[n, m]) { %y = LeakyRelu(%x) {alpha = 0.25} return %y }"
#define INTEGER "func @main(%x: i64[n]) { %y = Abs(%x) return %y }"
#define MATMUL  "func @main(%a: f32[n, k], %b: f32[k, m]) { %y = MatMul(%a, %b) return %y }"
#define CLIP    "func @main(%x: f32[n]) { %y = Clip(%x) return %y }"

FORMULA(defines) {
    gives(UNARY, "Y = select(X < 0, alpha * X, X)",
          "y[i0, i1] = select(x[i0, i1] < 0.0, 0.25 * x[i0, i1], x[i0, i1])");
    gives(UNARY, "Y[i, j] = X[j, i]", "y[i, j] = x[j, i]");
    gives(UNARY, "s = sum k: X[i, k];\nY[i, j] = s", "y[i, j] = sum k < m: x[i, k]");
    gives(UNARY, "Y = 2 * 3 - 1 + rank(X)", "y[i0, i1] = 7.0");
    gives(CLIP, "output = select(has(min), 1, 2)", "y[i0] = 2.0");
    gives(UNARY, "Y = select(2 >= 1 && 1 <= 2, X, 0)", "y[i0, i1] = x[i0, i1]");
}

/* What is another variable has another name, however the formula calls it. */
FORMULA(prints_names_apart) {
    gives(UNARY, "s = sum k: X[i, k];\nY[i, j] = sum k: X[k, j] * s",
          "y[i, j] = sum k < n: x[k, j] * (sum k < m: x[i, k])");
    gives(UNARY, "s = sum k: X[i, k] * t; t = sum k: X[k, j];\nY[i, j] = s",
          "y[i, j] = sum k < m: x[i, k] * (sum k < n: x[k, j])");
    fv_var *a = fv_var_new(arena, "k", fv_kt(FV_I64, 1)),
           *b = fv_var_new(arena, "k", fv_kt(FV_I64, 1));
    fv_expr *x = fv_x_var(arena, a), *y = fv_x_var(arena, b);
    fv_expr *inner = fv_x_reduce(arena, FV_SUM, 1, &b, fv_x_bin(arena, FV_X_MUL, x, y));
    fv_text t = {.arena = arena}, u = {.arena = arena};
    fv_expr_print(&t, fv_x_reduce(arena, FV_SUM, 1, &a, inner));
    fv_expr_print(&u, fv_x_reduce(arena, FV_REDUCE_MAX, 2, (fv_var *[]){a, b},
                                  fv_x_bin(arena, FV_X_MUL, x, y)));
    cr_expect_str_eq(t.s, "sum k_1: sum k: k_1 * k");
    cr_expect_str_eq(u.s, "max k, k_1: k * k_1");
}

FORMULA(unknown_names) {
    gives(UNARY, "Y = X + Z", "1:9: formula of LeakyRelu: unknown name 'Z'\n");
    gives(UNARY, "Y = X +\n  beta * X", "2:3: formula of LeakyRelu: unknown name 'beta'\n");
    gives(UNARY, "Y = expo(X)", "1:5: formula of LeakyRelu: unknown function 'expo'\n");
    gives(UNARY, "Y[i, j] = Z[i, j]", "1:11: formula of LeakyRelu: 'Z' is no operand\n");
    gives(UNARY, "Y[i.., j] = X[k.., j]",
          "1:15: formula of LeakyRelu: unknown index group 'k..'\n");
    gives(UNARY, "Y = X * dim(Z, 0)",
          "1:13: formula of LeakyRelu: expected the name of an operand or result\n");
    gives(CLIP, "output = max(input, min)",
          "1:21: formula of Clip: 'min' is used where it is left out\n");
    gives(CLIP, "output = select(has(1), input, 0)",
          "1:21: formula of Clip: expected the name of an operand\n");
    gives(UNARY, "Z = X", "its formula does not define result 'Y'\n");
}

FORMULA(wrong_rank) {
    gives(UNARY, "Y[i] = X[i, i]", "1:1: formula of LeakyRelu: 'Y' has rank 2 here\n");
    gives(UNARY, "Y[i, j, k] = X[i, j]", "1:1: formula of LeakyRelu: 'Y' has rank 2 here\n");
    gives(UNARY, "Y[i, j] = X[i]", "input 'X' has rank 2, the formula at 1:11 has 1 index\n");
    gives(UNARY, "Y[i, j] = X[i, j, i]",
          "input 'X' has rank 2, the formula at 1:11 has more indices\n");
    gives(UNARY, "a.. = 33; Y[a.., i] = 0",
          "1:1: formula of LeakyRelu: 'a..' would have rank 33\n");
    gives(UNARY, "Y = X * dim(X, 2)",
          "1:9: formula of LeakyRelu: axis 2 of 'X', which has rank 2\n");
    gives(UNARY, "Y[1, j] = X[1, j]", "1:3: formula of LeakyRelu: expected an index\n");
    gives(MATMUL, "Y[i, j] = sum k: A[i, k, j] * B[k, j]",
          "input 'A' has rank 2, the formula at 1:18 has more indices\n");
}

FORMULA(mixed_types) {
    gives(UNARY, "Y = X + dim(X, 0)", "1:7: formula of LeakyRelu: f32 meets i64 at '+'\n");
    gives(UNARY, "Y = max(X, i64(X))", "1:12: formula of LeakyRelu: f32 meets i64 in 'max'\n");
    gives(UNARY, "Y = select(X, 1, 2)",
          "1:12: formula of LeakyRelu: the condition of select is f32, expected bool\n");
    gives(UNARY, "Y = select(X < 0, X, dim(X, 0))",
          "1:5: formula of LeakyRelu: select between f32 and i64\n");
    gives(UNARY, "Y = X < 0", "1:7: formula of LeakyRelu: 'Y' would be bool, expected f32\n");
    gives(UNARY, "Y = X & X", "1:7: formula of LeakyRelu: '&' of f32\n");
    gives(UNARY, "Y = X % X", "1:7: formula of LeakyRelu: '%' of f32\n");
    gives(UNARY, "Y = !X", "1:5: formula of LeakyRelu: '!' of f32\n");
    gives(UNARY, "Y = -(X < 0)", "1:5: formula of LeakyRelu: '-' of bool\n");
    gives(INTEGER, "Y = X * 0.5", "1:7: formula of Abs: a fraction meets i64 at '*'\n");
    gives(INTEGER, "Y = exp(X)", "1:5: formula of Abs: 'exp' of i64\n");
    gives(INTEGER, "Y[i] = any k: X[k]", "1:8: formula of Abs: 'any' of i64\n");
    gives(INTEGER, "Y[i] = sum k: X[k] < 0", "1:8: formula of Abs: 'sum' of bool\n");
    gives(UNARY, "Y = X[wrap(X[0, 0] < 0, 3), 0]",
          "1:7: formula of LeakyRelu: wrap of bool and i64, expected a number and i64\n");
    gives(UNARY, "Y = X[X[0, 0], 0]",
          "1:7: formula of LeakyRelu: index 0 of 'X' is f32, expected i64\n");
}

FORMULA(wrong_arguments) {
    gives(UNARY, "Y = exp(X, X)",
          "1:5: formula of LeakyRelu: 'exp' has 2 arguments here, expected 1\n");
    gives(UNARY, "Y = max(X)",
          "1:5: formula of LeakyRelu: 'max' has 1 arguments here, expected 2\n");
    gives(UNARY, "Y = select(X < 0, X)",
          "1:5: formula of LeakyRelu: 'select' has 2 arguments here, expected 3\n");
    gives(UNARY, "Y = exp(x=X)", "1:9: formula of LeakyRelu: an argument of 'exp' has a name\n");
    gives(UNARY, "Y = splat8(X)", "1:5: formula of LeakyRelu: unknown function 'splat8'\n");
    gives(UNARY, "Y = T(dot_u8_i8(i32(X), i32(X), i32(X)))",
          "1:7: formula of LeakyRelu: unknown function 'dot_u8_i8'\n");
    gives(UNARY, "Y = \"text\"", "1:5: formula of LeakyRelu: expected a scalar\n");
    gives(UNARY, "Y[i, j] = sum k < X: X[i, j]",
          "1:19: formula of LeakyRelu: 'X' is no integer attribute\n");
    gives(UNARY, "Y[i, j] = sum k: X[i, j]",
          "1:11: formula of LeakyRelu: cannot determine the extent of 'k'\n");
    gives(UNARY, "s = t + 1; t = s; Y = X * s",
          "1:16: formula of LeakyRelu: 's' is defined in terms of itself\n");
}

FORMULA(syntax) {
    gives(UNARY, "Y = X +", "1:8: expected an expression, found the end of the text\n");
    gives(UNARY, "Y X", "1:3: expected '=', found 'X'\n");
    gives(UNARY, "Y = X Z = X", "1:7: expected ';', found 'Z'\n");
    gives(UNARY, "2 = X", "1:1: expected NAME, NAME[indices] or NAME.. on the left of =\n");
    cr_expect_not(fv_formula_check(session, "Y = (X"));
    cr_expect_str_eq(said(), "1:7: expected ')', found the end of the text\n");
}
