/* unique.c - expressions that are hash-consed, and replacing variables in them. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/definition/definition.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"

static fv_session *session;
static fv_arena *a;
static fv_dims *dims;
static fv_buf *x; /* f32[4, 4] */

static void begin(void) {
    static const int value = 0;
    session = fv_session_new();
    a = fv_x_arena_new(session);
    dims = fv_dims_new(a);
    fv_expr *four = fv_x_int(a, 4), *extent[] = {four, four};
    fv_buf like = {.name = "x", .elem = FV_F32, .lanes = 1, .role = FV_BUF_IN, .value = &value};
    x = fv_buf_seen(a, &like, 2, extent);
}

static void end(void) {
    fv_session_free(session);
}

TestSuite(unique, .init = begin, .fini = end);

static fv_var *var(const char *name, int64_t n) {
    return fv_index_var(a, name, fv_dim_const(dims, n));
}

static fv_expr *at(fv_var *i, fv_var *k) {
    fv_expr *index[] = {fv_x_var(a, i), fv_x_var(a, k)};
    return fv_x_load(a, x, index);
}

static fv_expr *add(fv_expr *p, fv_expr *q) {
    return fv_x_bin(a, FV_X_ADD, p, q);
}
static fv_expr *times(fv_expr *p, fv_expr *q) {
    return fv_x_bin(a, FV_X_MUL, p, q);
}
static fv_expr *sum(fv_var *k, fv_expr *body) {
    return fv_x_reduce(a, FV_SUM, 1, &k, body);
}
static fv_expr *most(fv_var *k, fv_expr *body) {
    return fv_x_reduce(a, FV_REDUCE_MAX, 1, &k, body);
}

static double nan_of(uint64_t payload) {
    uint64_t bits = UINT64_C(0x7ff8000000000000) | payload;
    double f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

Test(unique, equal_terms_are_one_node) {
    fv_var *i = var("i", 4), *k = var("k", 4);
    cr_assert_eq(at(i, k), at(i, k));
    cr_assert_eq(add(at(i, k), at(k, i)), add(at(i, k), at(k, i)));
    cr_assert_neq(add(at(i, k), at(k, i)), add(at(k, i), at(i, k)), "floats are not reordered");
    fv_expr *one = fv_x_int(a, 1), *two = fv_x_int(a, 2), *v = fv_x_var(a, i);
    cr_assert_eq(add(add(v, one), one), add(v, two), "built in two ways, folded to one");
    cr_assert_neq(fv_x_const_int(a, FV_I32, 1), one);
    cr_assert_neq(fv_x_var(a, var("i", 4)), v, "names tell nothing");
}

Test(unique, many_nodes_keep_their_places) {
    fv_expr *first[3000];
    for (int i = 0; i < 3000; i++)
        first[i] = fv_x_int(a, i);
    for (int i = 0; i < 3000; i++)
        cr_assert_eq(fv_x_int(a, i), first[i]);
}

Test(unique, floats_are_equal_by_their_bits) {
    cr_assert_eq(fv_x_const(a, FV_F32, 0.5), fv_x_const(a, FV_F32, 0.5));
    cr_assert_neq(fv_x_const(a, FV_F32, 0.5), fv_x_const(a, FV_F64, 0.5));
    cr_assert_neq(fv_x_const(a, FV_F32, 0.0), fv_x_const(a, FV_F32, -0.0));
    cr_assert_neq(fv_x_const(a, FV_F64, nan_of(1)), fv_x_const(a, FV_F64, nan_of(2)));
    cr_assert_eq(fv_x_const(a, FV_F64, nan_of(2)), fv_x_const(a, FV_F64, nan_of(2)));
}

Test(unique, names_of_what_is_bound_do_not_matter) {
    fv_var *i = var("i", 4), *k = var("k", 4), *r = var("r", 4), *j = var("j", 5);
    fv_expr *s = sum(k, at(i, k));
    cr_assert_eq(sum(r, at(i, r)), s);
    cr_assert_eq(s->u.red.vars[0], k, "the first stands for all");
    cr_assert_neq(sum(r, at(k, r)), s, "k is free there");
    cr_assert_neq(sum(j, at(i, j)), s, "another extent");
    cr_assert_neq(most(r, at(i, r)), s);
    cr_assert_neq(sum(r, at(r, i)), s);
    cr_assert_neq(sum(k, at(i, r)), s);
    cr_assert_neq(sum(k, at(i, i)), sum(k, at(r, r)));
}

Test(unique, nested_reductions) {
    fv_var *i = var("i", 4), *k = var("k", 4), *r = var("r", 4), *p = var("p", 4), *q = var("q", 4);
    fv_expr *s = sum(k, times(at(i, k), most(r, at(k, r))));
    cr_assert_eq(sum(p, times(at(i, p), most(q, at(p, q)))), s);
    cr_assert_eq(sum(r, times(at(i, r), most(k, at(r, k)))), s, "with their names exchanged");
    cr_assert_neq(sum(p, times(at(i, p), most(q, at(q, p)))), s);
    /* side by side: of one variable, or of two */
    cr_assert_eq(sum(k, add(most(r, at(k, r)), most(r, at(r, k)))),
                 sum(k, add(most(p, at(k, p)), most(q, at(q, k)))));
}

Test(unique, several_variables) {
    fv_var *k = var("k", 4), *r = var("r", 4), *one[] = {k, r}, *other[] = {r, k};
    fv_expr *s = fv_x_reduce(a, FV_SUM, 2, one, at(k, r));
    cr_assert_eq(fv_x_reduce(a, FV_SUM, 2, other, at(r, k)), s);
    cr_assert_neq(fv_x_reduce(a, FV_SUM, 2, one, at(r, k)), s);
}

/* sum k: x[i, k] * (max k: x[k, i]) has two variables of that name. */
Test(unique, no_variable_runs_inside_itself) {
    fv_var *i = var("i", 4), *k = var("k", 4), *r = var("r", 4);
    fv_expr *inner = most(k, at(k, i)), *s = sum(k, times(at(i, k), inner));
    cr_assert_eq(s, sum(r, times(at(i, r), inner)));
    cr_assert(!fv_x_binds(s, k) && fv_x_binds(inner, k));
    cr_assert_str_eq(s->u.red.vars[0]->name, "k");
}

Test(unique, what_a_reduction_binds_is_not_free_in_it) {
    fv_var *i = var("i", 4), *k = var("k", 4);
    fv_expr *s = sum(k, at(i, k));
    cr_assert(fv_x_uses(s, i) && !fv_x_uses(s, k) && fv_x_uses(s->arg[0], k));
    fv_expr *to = fv_x_int(a, 0);
    cr_assert_eq(fv_x_replace_vars(a, s, 1, &k, &to), s);
    cr_assert_eq(fv_x_replace_vars(a, add(s, at(k, k)), 1, &k, &to),
                 add(s, fv_x_load(a, x, (fv_expr *[]){to, to})));
}

Test(unique, what_is_put_in_place_is_not_captured) {
    fv_var *i = var("i", 4), *k = var("k", 4), *r = var("r", 4);
    fv_expr *s = sum(k, at(i, k)), *to = fv_x_var(a, k), *t = fv_x_replace_vars(a, s, 1, &i, &to);
    cr_assert(fv_x_uses(t, k));
    cr_assert_eq(t, sum(r, at(k, r)));
    cr_assert_neq(t, sum(k, at(k, k)));
}

Test(unique, equal_parts_stay_one_where_variables_are_replaced) {
    fv_var *i = var("i", 4), *j = var("j", 4), *k = var("k", 4);
    fv_expr *to = fv_x_var(a, j), *y = add(sum(k, at(i, k)), times(at(i, i), sum(k, at(i, k))));
    fv_expr *z = fv_x_replace_vars(a, y, 1, &i, &to);
    cr_assert_eq(z, add(sum(k, at(j, k)), times(at(j, j), sum(k, at(j, k)))));
    cr_assert_eq(fv_x_replace_vars(a, y, 1, &k, &to), y);
}

Test(unique, buffers_are_one_for_each_axes) {
    fv_expr *two = fv_x_int(a, 2), *extent[] = {two, fv_x_int(a, 8)};
    fv_buf *seen = fv_buf_seen(a, x, 2, extent);
    cr_assert_neq(seen, x);
    cr_assert_eq(fv_buf_seen(a, x, 2, extent), seen);
    cr_assert_eq(fv_buf_seen(a, seen, 2, x->extent), x);
    cr_assert_neq(fv_buf_seen(a, x, 1, extent), seen);
}

Test(unique, what_comes_from_elsewhere_becomes_one) {
    fv_arena *plain = fv_arena_new(session);
    fv_var *i = var("i", 4), *k = var("k", 4), *r = var("r", 4);
    fv_expr *index[] = {fv_x_var(plain, i), fv_x_var(plain, k)},
            *other[] = {index[0], fv_x_var(plain, r)};
    fv_expr *p = fv_x_load(plain, x, index), *q = fv_x_load(plain, x, index),
            *u = fv_x_load(plain, x, other);
    cr_assert_neq(p, q, "each is its own there");
    fv_expr *both = fv_x_bin(plain, FV_X_ADD, fv_x_bin(plain, FV_X_MUL, p, q),
                             fv_x_reduce(plain, FV_SUM, 1, &r, u));
    fv_ptrmap memo = fv_ptrmap_in(a);
    cr_assert_eq(fv_x_import(a, both, &memo), add(times(at(i, k), at(i, k)), sum(k, at(i, k))));
}

Test(unique, sizes_of_trees) {
    fv_var *i = var("i", 4);
    fv_expr *y = at(i, i);
    cr_assert_eq(y->size, 3);
    for (int n = 0; n < 40; n++)
        y = times(y, y);
    cr_assert_eq(y->size, FV_X_MOST);
}
