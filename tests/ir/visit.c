/* Walks over expressions: each node once, however many paths lead to it. */
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
