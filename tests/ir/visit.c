/* Walks over expressions: each node is visited once, however many paths lead to it. */
#include "ir/expr/visit.h"

#include <criterion/criterion.h>

#include "ir/expr/unique.h"

static fv_session *session;
static fv_arena *arena;

static void begin(void) {
    session = fv_session_new();
    arena = fv_x_arena_new(session);
}

static void end(void) {
    fv_session_free(session);
}

TestSuite(visit, .init = begin, .fini = end);

static fv_expr *variable(const char *name) {
    fv_var *v = FV_NEW(arena, fv_var, 1);
    *v = (fv_var){.name = name, .type = fv_kt(FV_F32, 1)};
    return fv_x_var(arena, v);
}

/* x + x, of which x is the one before: a tree of 2 to the power of `depth` leaves. */
static fv_expr *doubled(fv_expr *x, int depth) {
    for (int i = 0; i < depth; i++)
        x = fv_x_bin(arena, FV_X_ADD, x, x);
    return x;
}

static int count_nodes(const fv_expr *x, fv_expr_op op) {
    fv_x_visitor v = fv_x_visit(arena, x);
    int n = 0;
    for (const fv_expr *node; (node = fv_x_next(&v));)
        n += node->op == op;
    return n;
}

Test(visit, shared_nodes_once) {
    cr_expect_eq(count_nodes(doubled(variable("x"), 14), FV_X_ADD), 14);
    cr_expect_eq(count_nodes(doubled(variable("x"), 50), FV_X_ADD), 50);
}

Test(visit, arguments_in_order_behind_their_node) {
    fv_expr *x = variable("x"), *y = variable("y");
    fv_expr *left = fv_x_bin(arena, FV_X_MUL, x, y), *right = fv_x_un(arena, FV_X_NEG, x);
    fv_expr *root = fv_x_bin(arena, FV_X_SUB, left, right);
    const fv_expr *expected[] = {root, left, x, y, right, x};
    fv_x_visitor v = fv_x_visit(arena, root);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        cr_expect_eq(fv_x_next(&v), expected[i], "node %zu", i);
    cr_expect_null(fv_x_next(&v));
    cr_expect_null(fv_x_next(&v));
}

Test(visit, skipped_arguments_are_reached_by_other_paths_only) {
    fv_expr *x = variable("x"), *y = variable("y");
    fv_expr *inner = fv_x_bin(arena, FV_X_MUL, x, y), *other = fv_x_un(arena, FV_X_EXP, x);
    fv_expr *once = fv_x_un(arena, FV_X_NEG, inner), *root = fv_x_bin(arena, FV_X_ADD, once, other);
    fv_x_visitor v = fv_x_visit(arena, root);
    int products = 0, variables = 0;
    for (const fv_expr *node; (node = fv_x_next(&v));) {
        products += node == inner;
        variables += node->op == FV_X_VAR;
        if (node == once)
            fv_x_skip(&v);
    }
    cr_expect_eq(products, 0);
    cr_expect_eq(variables, 1);
}

Test(visit, several_roots) {
    fv_expr *x = variable("x"), *shared = fv_x_un(arena, FV_X_EXP, x);
    fv_x_visitor v = fv_x_visit(arena, fv_x_un(arena, FV_X_NEG, shared));
    int exponentials = 0;
    for (const fv_expr *node; (node = fv_x_next(&v));)
        exponentials += node->op == FV_X_EXP;
    fv_x_visit_also(&v, fv_x_bin(arena, FV_X_ADD, shared, x));
    for (const fv_expr *node; (node = fv_x_next(&v));)
        exponentials += node->op == FV_X_EXP;
    cr_expect_eq(exponentials, 1);
}

Test(visit, many_nodes_to_come) {
    fv_expr *x = variable("x"), *sum = x;
    for (int i = 0; i < 100; i++) /* the next node is pushed after all the others */
        sum = fv_x_bin(arena, FV_X_ADD, sum, fv_x_bin(arena, FV_X_MUL, sum, x));
    cr_expect_eq(count_nodes(sum, FV_X_ADD), 100);
    cr_expect_eq(count_nodes(sum, FV_X_MUL), 100);
}

Test(visit, first_arguments_left_out) {
    fv_expr *x = variable("x"), *y = fv_x_un(arena, FV_X_NEG, x), *z = fv_x_un(arena, FV_X_EXP, x);
    fv_expr *root = fv_x_fma(arena, y, z, x);
    fv_x_visitor v = fv_x_visit(arena, root);
    cr_expect_eq(fv_x_next(&v), root);
    fv_x_skip_first(&v, 1);
    cr_expect_eq(fv_x_next(&v), z);
    cr_expect_eq(fv_x_next(&v), x, "nothing of z is left out");
    cr_expect_eq(fv_x_next(&v), x);
    cr_expect_null(fv_x_next(&v));
}

Test(visit, uses_are_counted_of_all_roots) {
    fv_expr *x = variable("x"), *y = fv_x_un(arena, FV_X_EXP, x);
    fv_expr *roots[] = {fv_x_bin(arena, FV_X_ADD, y, y), fv_x_un(arena, FV_X_NEG, y)};
    fv_ptrmap uses = fv_ptrmap_in(arena);
    fv_x_visitor v = fv_x_visit(arena, NULL);
    for (int i = 0; i < 2; i++)
        fv_x_count_uses(&v, roots[i], &uses);
    cr_expect_eq((uintptr_t)fv_ptrmap_get(&uses, x), 1);
    cr_expect_eq((uintptr_t)fv_ptrmap_get(&uses, y), 3);
    cr_expect_eq((uintptr_t)fv_ptrmap_get(&uses, roots[0]), 1);
}

Test(visit, parts) {
    fv_expr *x = variable("x"), *y = fv_x_un(arena, FV_X_EXP, x);
    fv_expr *root = doubled(y, 30);
    cr_expect(fv_x_contains(arena, root, y));
    cr_expect(fv_x_contains(arena, root, root));
    cr_expect_not(fv_x_contains(arena, y, root));
}

Test(visit, what_an_expression_has) {
    fv_expr *x = variable("x"), *exp = fv_x_un(arena, FV_X_EXP, x);
    fv_var *k = FV_NEW(arena, fv_var, 1);
    *k = (fv_var){.name = "k", .type = fv_kt(FV_I64, 1)};
    fv_expr *sum = fv_x_reduce(arena, FV_SUM, 1, &k, exp);
    fv_expr *both = fv_x_bin(arena, FV_X_ADD, x, sum);
    cr_expect_not(fv_x_has(x, FV_HAS_MATH));
    cr_expect(fv_x_has(exp, FV_HAS_MATH));
    cr_expect_not(fv_x_has(exp, FV_HAS_MATH | FV_HAS_REDUCE), "not all of them");
    cr_expect(fv_x_has(both, FV_HAS_MATH | FV_HAS_REDUCE));
    cr_expect_not(fv_x_has(both, FV_HAS_LOAD));
    fv_expr *holds = fv_x_un(arena, FV_X_REQUIRE, fv_x_bin(arena, FV_X_LT, x, both));
    cr_expect(fv_x_has(fv_x_select(arena, holds, x, exp), FV_HAS_REQUIRE | FV_HAS_REDUCE));
    cr_expect(fv_x_has(fv_x_splat(arena, 4, x), FV_HAS_LANES));
    fv_buf *b = FV_NEW(arena, fv_buf, 1);
    *b = (fv_buf){.name = "b", .elem = FV_F32, .lanes = 1};
    cr_expect(fv_x_has_load(fv_x_bin(arena, FV_X_ADD, fv_x_load(arena, b, NULL), x)));
}
