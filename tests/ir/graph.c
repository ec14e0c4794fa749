/* Building and changing graphs: names, uses, attributes, origins. */
#include "ir/graph/graph.h"
#include "ir/catalogue/op.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static fv_session *session;
static fv_module *m;
static fv_region *body;
static const fv_type *type;

static void setup(void) {
    session = fv_session_new();
    m = fv_module_new(session, "m");
    body = fv_func_new(m, "main")->body;
    type = fv_tensor_type(m->arena, FV_F32, 0, NULL);
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(graph, .init = setup, .fini = teardown);

static fv_op *add(fv_op *before, fv_value *a, fv_value *b, const char *name) {
    fv_op *op = fv_op_new(body, before, fv_op_get("Add"), 2, (fv_value *[]){a, b}, 1, &name, NULL);
    op->out[0]->type = type;
    return op;
}

Test(graph, names_are_unique) {
    cr_expect_str_eq(fv_param_new(body, "x", type)->name, "x");
    cr_expect_str_eq(fv_param_new(body, "x", type)->name, "x_1");
    cr_expect_str_eq(fv_param_new(body, "x_2", type)->name, "x_2");
    cr_expect_str_eq(fv_const_int(m, "x", 3)->name, "x_3");
    cr_expect_str_eq(fv_const_int(m, "", 3)->name, "v");
    cr_expect_eq(fv_value_find(m, "x_1"), body->params[1]);
    cr_expect_null(fv_value_find(m, "y"));
    for (int i = 0; i < 20000; i++) /* in time that is not square */
        fv_const_int(m, "x", i);
    cr_expect_str_eq(m->consts[m->nconsts - 1]->name, "x_20003");
}

Test(graph, names_of_erased_values_are_free) {
    fv_value *x = fv_param_new(body, "x", type);
    fv_op *y = add(NULL, x, x, "y");
    fv_op_erase(y);
    cr_expect_null(fv_value_find(m, "y"));
    cr_expect_str_eq(add(NULL, x, x, "y")->out[0]->name, "y");
    fv_value *z = add(NULL, x, x, "z")->out[0], *w = add(NULL, x, x, "w")->out[0];
    fv_value_rename(m, z, "w");
    cr_expect_str_eq(z->name, "w_1");
    fv_value_take_name(m, z, w);
    cr_expect_str_eq(z->name, "w");
    cr_expect_str_neq(w->name, "w");
    cr_expect_eq(fv_value_find(m, w->name), w);
}

Test(graph, uses_are_exact) {
    fv_value *x = fv_param_new(body, "x", type), *y = fv_param_new(body, "y", type);
    fv_op *a = add(NULL, x, x, "a"), *b = add(NULL, a->out[0], x, "b");
    cr_expect(x->nuses == 3 && y->nuses == 0 && a->out[0]->nuses == 1);
    fv_op_set_in(a, 1, y);
    cr_expect(x->nuses == 2 && y->nuses == 1 && y->uses[0].op == a && y->uses[0].index == 1);
    fv_replace_uses(x, y);
    cr_expect(x->nuses == 0 && y->nuses == 3 && a->in[0] == y && b->in[1] == y);
    fv_op_set_in(b, 3, x); /* operands between are left out */
    cr_expect(b->nin == 4 && !b->in[2] && x->nuses == 1);
    fv_op_set_in(b, 3, NULL);
    cr_expect_eq(x->nuses, 0);
    fv_op_erase(b);
    cr_expect(a->out[0]->nuses == 0 && y->nuses == 2);
}

Test(graph, order_of_ops) {
    fv_value *x = fv_param_new(body, "x", type);
    fv_op *c = add(NULL, x, x, "c"), *a = add(c, x, x, "a"), *b = add(c, x, x, "b");
    cr_expect(body->first == a && a->next == b && b->next == c && body->last == c);
    fv_op_move_before(c, a);
    cr_expect(body->first == c && c->next == a && a->prev == c && body->last == b);
    fv_op_erase(a);
    cr_expect(c->next == b && b->prev == c);
    fv_op *r = fv_region_return(body, 1, b->out);
    cr_expect(body->last == r && r->def == &fv_return_def);
    r = fv_region_return(body, 1, c->out);
    cr_expect(body->last == r && b->out[0]->nuses == 0 && r->prev == b);
}

/* An entry with attributes of every kind that a getter reads; the axis was another one in version
 * 1. */
static const fv_opdef with_attrs = {
    .domain = "test",
    .name = "Attrs",
    .since = {1, 2},
    .in = {{"X", "T"}},
    .out = {{"Y", "T"}},
    .attrs = {FV_A_INT("axis", -1), FV_A_FLOAT("alpha", 0.25f), FV_A_STRING("mode", "constant"),
              FV_A_REQUIRED("size", INT), FV_A_OPTIONAL("count", INT),
              FV_A_OPTIONAL("scale", FLOAT), FV_A_OPTIONAL("name", STRING),
              FV_A_OPTIONAL("perm", INTS), FV_A_OPTIONAL("none", INTS), FV_A_OPTIONAL("axes", INTS),
              FV_A_INT_UNTIL(1, "axis", 1), FV_A_FLOAT_UNTIL(1, "ratio", 0.5f)},
    .types = {{"T", FV_SET_ANY}},
};

static fv_op *new_with_attrs(void) {
    fv_value *x = fv_param_new(body, "x", type);
    return fv_op_new(body, NULL, &with_attrs, 1, &x, 0, NULL, NULL);
}

Test(graph, attributes) {
    fv_op *op = new_with_attrs();
    int n;
    fv_op_set_int(op, "axis", 2);
    fv_op_set_int(op, "axis", 3);
    fv_op_set_float(op, "alpha", 0.5f);
    fv_op_set_string(op, "mode", "edge");
    fv_op_set_ints(op, "perm", 3, (int64_t[]){2, 0, 1});
    fv_op_set_ints(op, "none", 0, NULL);
    cr_expect_eq(op->nattrs, 5);
    cr_expect_eq(fv_op_int(op, "axis"), 3);
    cr_expect_eq(fv_op_float(op, "alpha"), 0.5f);
    cr_expect_str_eq(fv_op_string(op, "mode").s, "edge");
    cr_expect(fv_op_ints(op, "perm", &n)[0] == 2 && n == 3);
    cr_expect(fv_op_ints(op, "none", &n) != NULL && n == 0);
    cr_expect_null(fv_op_ints(op, "axes", &n));
    fv_op_drop_attr(op, "axis");
    fv_op_drop_attr(op, "axis");
    cr_expect(op->nattrs == 4 && !fv_op_find_attr(op, "axis") && fv_op_find_attr(op, "mode"));
}

Test(graph, attribute_that_is_left_out) {
    fv_op *op = new_with_attrs();
    cr_expect_eq(fv_op_int(op, "axis"), -1);
    cr_expect_eq(fv_op_int_of(op, "axis", 1), 1);
    cr_expect_eq(fv_op_int_of(op, "axis", 2), -1);
    cr_expect_eq(fv_op_float(op, "alpha"), 0.25f);
    cr_expect_eq(fv_op_float_of(op, "ratio", 1), 0.5f);
    cr_expect_str_eq(fv_op_string(op, "mode").s, "constant");
    cr_expect_eq(fv_op_int_or(op, "count", 7), 7);
    cr_expect_eq(fv_op_float_or(op, "scale", 2), 2);
    cr_expect_str_eq(fv_op_string_or(op, "name", "x").s, "x");
    fv_op_set_float(op, "axis", 2); /* a float is no int; fv_op_check refuses it */
    cr_expect_eq(fv_op_int(op, "axis"), -1);
    cr_expect_eq(fv_op_int(op, "size"), 0); /* and this, too */
}

#ifndef NDEBUG
/* The default of an attribute is stated in the entry, and nowhere else. */
Test(graph, second_default, .signal = SIGABRT) {
    (void)fv_op_int_or(new_with_attrs(), "axis", -1);
}

Test(graph, attribute_without_default, .signal = SIGABRT) {
    (void)fv_op_int(new_with_attrs(), "count");
}

Test(graph, attribute_of_no_entry, .signal = SIGABRT) {
    (void)fv_op_int(new_with_attrs(), "axs");
}

Test(graph, attribute_of_older_versions, .signal = SIGABRT) {
    (void)fv_op_float(new_with_attrs(), "ratio");
}
#endif

Test(graph, which_op_it_is) {
    fv_value *x = fv_param_new(body, "x", type);
    fv_op *op = add(NULL, x, x, "y");
    cr_expect(fv_op_is(op, FV_OP_Add) && !fv_op_is(op, FV_OP_And) && !fv_op_is(op, FV_OP_NONE));
    op = fv_op_new(body, NULL, fv_op_get("fv.Reshape"), 1, &x, 0, NULL, NULL);
    cr_expect(fv_op_is(op, FV_OP_fv_Reshape) && !fv_op_is(op, FV_OP_Reshape));
}

/* Each of named.def is the id of one entry, that of its name. */
Test(graph, named_ops) {
    static const char *const names[] = {
#define NAMED(name) [FV_OP_##name] = #name,
#include "ir/catalogue/named.def"
#undef NAMED
    };
    int with_id = 0;
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        if (d->id == FV_OP_NONE)
            continue;
        char *name = fv_strdup(m->arena, fv_opdef_qualified(m->arena, d));
        for (char *p = name; *p; p++)
            *p = *p == '.' ? '_' : *p;
        cr_expect_str_eq(names[d->id], name);
        cr_expect_eq(fv_op_def(d->id), d);
        with_id++;
    }
    cr_expect_eq(with_id, FV_OP_END - 1, "%d entries have an id, named.def has %d", with_id,
                 FV_OP_END - 1);
}

Test(graph, origins_join) {
    const fv_origin *a = fv_origin_of(m, "a"), *b = fv_origin_of(m, "b");
    const fv_origin *ab = fv_origin_join(m, a, b);
    cr_expect_str_eq(fv_origin_str(m->arena, ab), "a, b");
    cr_expect_eq(fv_origin_join(m, ab, b), ab);
    cr_expect_str_eq(fv_origin_str(m->arena, fv_origin_join(m, b, ab)), "b, a");
}

Test(graph, assumptions) {
    fv_dims *t = m->dims;
    const fv_dim *a = fv_dim_symbol(t, "a"), *b = fv_dim_symbol(t, "b");
    cr_expect(fv_module_assume(m, a, b, "why"));
    cr_expect(fv_module_assume(m, b, a, "the same"));
    cr_expect(fv_module_assume(m, a, a, "proved"));
    cr_expect(!fv_module_assume(m, a, fv_dim_add(t, a, fv_dim_const(t, 1)), "wrong"));
    cr_expect(m->nrelations == 1 && m->relations[0].a == a);
}

Test(graph, constants) {
    fv_value *c = fv_const_ints(m, "c", 3, (int64_t[]){5, -6, 7});
    cr_expect_str_eq(fv_type_str(m->arena, c->type), "i64[3]");
    cr_expect_eq(fv_tensor_int(c->tensor, 1), -6);
    fv_value *h = fv_const_float(m, "h", FV_F16, 0.1);
    cr_expect_eq(fv_tensor_float(h->tensor, 0), 0.0999755859375);
}
