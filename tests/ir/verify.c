/* The verifier of graphs: each illegal case, and its message. */
#include "ir/graph/verify.h"
#include "ir/base/text.h"
#include "ir/catalogue/op.h"
#include "ir/graph/graph.h"
#include "ir/graph/infer.h"
#include "ir/graph/parse.h"

#include <criterion/criterion.h>
#include <string.h>

static fv_session *session;
static fv_arena *arena;
static fv_module *m;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
    m = fv_module_parse(session,
                        "fovea-ir 1\n"
                        "const @c: f32[2] = [1.0, 2.0]\n"
                        "func @main(%x: f32[n, 2], %i: i64[2]) -> (%z) {\n"
                        "  %y = Add(%x, @c)\n"
                        "  %z = Relu(%y)\n"
                        "  return %z\n"
                        "}\n"
                        "func @other(%o: f32[2]) {\n"
                        "  return %o\n"
                        "}\n",
                        NULL);
    cr_assert(m != NULL);
    cr_assert(fv_module_verify(m, NULL));
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(verify, .init = setup, .fini = teardown);

static fv_value *value(const char *name) {
    return fv_value_find(m, name);
}
static fv_op *op(const char *result) {
    return value(result)->def;
}
static fv_region *body(void) {
    return m->funcs->body;
}

static void illegal(const char *expected) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    cr_expect(!fv_module_verify(m, NULL));
    for (const fv_message *e = fv_messages(session); e; e = e->next)
        fv_text_printf(&t, "%s\n", fv_message_str(arena, e));
    cr_expect_str_eq(t.s, expected);
}

Test(verify, use_before_definition) {
    fv_op_move_before(op("z"), op("y"));
    illegal("error: node '%z' (Relu): operand 0, %y, is not defined where it is used\n");
}

Test(verify, value_of_another_function) {
    fv_op_set_in(op("z"), 0, value("o"));
    illegal("error: node '%z' (Relu): operand 0, %o, is not defined where it is used\n");
}

Test(verify, erased_value) {
    fv_op *z = op("z"), *y = op("y");
    fv_op_set_in(z, 0, value("x"));
    fv_value *gone = y->out[0];
    fv_op_erase(y);
    cr_expect(fv_module_verify(m, NULL));
    fv_op_set_in(z, 0, gone);
    illegal("error: node '%z' (Relu): operand 0, %y, is not defined where it is used\n");
}

Test(verify, own_result) {
    fv_op_set_in(op("z"), 0, value("z"));
    illegal("error: node '%z' (Relu): operand 0, %z, is not defined where it is used\n");
}

Test(verify, use_missing_from_the_list) {
    value("y")->nuses = 0;
    illegal("error: %y has 0 uses on its list, 1 operands use it\n");
}

Test(verify, use_that_is_none) {
    value("y")->uses[0].index = 1;
    illegal("error: the uses on the list of %y are not the operands that use it\n");
}

Test(verify, operand_set_behind_the_back) {
    op("z")->in[0] = value("x");
    illegal("error: %x has 1 uses on its list, 2 operands use it\n"
            "error: %y has 1 uses on its list, 0 operands use it\n");
}

Test(verify, no_return) {
    fv_op_erase(body()->last);
    illegal("error: a block of @main does not end with return\n");
}

Test(verify, return_in_the_middle) {
    fv_op_move_before(body()->last, op("z"));
    illegal("error: fv.return: operand 0, %z, is not defined where it is used\n"
            "error: fv.return: does not end its block\n"
            "error: a block of @main does not end with return\n");
}

Test(verify, result_left_out_of_return) {
    fv_op_set_in(body()->last, 0, NULL);
    illegal("error: fv.return: result 0 of the block is left out\n");
}

Test(verify, broken_links) {
    op("z")->prev = NULL;
    illegal("error: @main: an op is not linked into its block\n");
}

Test(verify, broken_last) {
    body()->last = op("z");
    illegal("error: @main: a block's last op is not its last\n");
}

Test(verify, result_without_type) {
    value("z")->type = NULL;
    illegal("error: node '%z' (Relu): %z has no type\n");
}

Test(verify, wrong_shape) {
    value("z")->type = value("o")->type;
    illegal("error: node '%z' (Relu): result 'z' is declared f32[2], but is f32[n, 2]\n");
}

Test(verify, wrong_element_type) {
    fv_op_set_in(op("y"), 1, value("i"));
    illegal("error: node '%y' (Add): input 'B' has type i64, other inputs have f32\n");
}

Test(verify, operand_missing) {
    fv_op_set_in(op("y"), 1, NULL);
    illegal("error: node '%y' (Add): input 'B' is left out, but required\n");
}

Test(verify, unknown_attribute) {
    fv_op_set_int(op("z"), "beta", 3);
    illegal("error: node '%z' (Relu): attribute 'beta' is not known\n");
}

Test(verify, name_taken) {
    value("z")->name = fv_intern(session, "y");
    illegal("error: node '%y' (Relu): the name %y belongs to another value\n");
}

Test(verify, result_of_another_op) {
    op("z")->out[0] = value("y");
    illegal("error: node '%y' (Relu): result 0, %y, does not point back\n"
            "error: fv.return: operand 0, %z, is not defined where it is used\n");
}

Test(verify, parameter_of_another_block) {
    body()->params[1] = value("o");
    illegal("error: parameter 1, %o, does not point back\n");
}

Test(verify, known_elements_of_a_large_tensor) {
    fv_set_elems(value("z"), 1, (const fv_dim *[]){fv_dim_const(m->dims, 1)});
    illegal("error: node '%z' (Relu): 1 elements are known of %z, which is f32[n, 2]\n");
}

Test(verify, wrong_number_of_elements) {
    fv_set_elems(value("i"), 1, (const fv_dim *[]){fv_dim_const(m->dims, 1)});
    illegal("error: 1 elements are known of %i, which is i64[2]\n");
}

Test(verify, constant_of_another_type) {
    value("c")->type = value("o")->type;
    cr_expect(fv_module_verify(m, NULL));
    value("c")->type = value("x")->type;
    illegal("error: @c is declared f32[n, 2], its tensor is not\n");
}

Test(verify, constant_with_wrong_bytes) {
    fv_tensor t = *value("c")->tensor;
    t.bytes = 4;
    value("c")->tensor = &t;
    illegal("error: @c has 2 elements in 4 bytes, its shape says otherwise\n");
}

Test(verify, functions_of_one_name) {
    m->funcs->next->name = m->funcs->name;
    illegal("error: function @main is there twice\n");
}

Test(verify, no_function) {
    m->funcs = NULL;
    illegal("error: the module has no function\n");
}

Test(verify, block_of_another_function) {
    body()->func = m->funcs->next;
    illegal("error: a block of @main does not know where it belongs\n");
}

Test(verify, the_pass_is_blamed) {
    value("z")->type = NULL;
    cr_expect(!fv_module_verify(m, "fold-views"));
    cr_expect_str_eq(fv_messages(session)->next->text,
                     "internal error: pass 'fold-views' broke the module, see above");
}

/* What is known of dims by then shows that the model is wrong: its node is named, no pass is
 * blamed. */
Test(verify, types_are_not_blamed_on_a_pass) {
    const fv_dim *three = fv_dim_const(m->dims, 3), *dims[2] = {three, three};
    value("x")->type = fv_tensor_type(m->arena, FV_F32, 2, dims);
    cr_expect(!fv_module_verify(m, "fold-constants"));
    const fv_message *e = fv_messages(session);
    cr_expect(strstr(e->text, "do not broadcast"), "%s", e->text);
    for (; e; e = e->next)
        cr_expect(!strstr(e->text, "broke the module"), "%s", e->text);
}

Test(verify, nothing_is_changed) {
    int relations = m->nrelations;
    const fv_type *type = value("z")->type;
    cr_expect(fv_module_verify(m, NULL));
    cr_expect_eq(m->nrelations, relations);
    cr_expect_eq(value("z")->type, type);
}

/* ---- blocks within ops ---- */

static bool infer_nothing(fv_op *o) {
    (void)o;
    return true;
}

static const fv_opdef block_def = {
    .domain = "test",
    .name = "Block",
    .attrs = {{.name = "body", .kind = FV_ATTR_REGION}},
    .infer = infer_nothing,
};

/* An op before %z, whose block computes Relu of a value. */
static fv_region *inner_block(fv_value *of) {
    fv_op *outer = fv_op_new(body(), op("z"), &block_def, 0, NULL, 0, NULL, NULL);
    fv_region *r = fv_region_new(m->funcs, outer);
    fv_op *relu = fv_op_new(r, NULL, fv_op_get("Relu"), 1, &of, 1, (const char *[]){"inner"}, NULL);
    relu->out[0]->type = of->type;
    fv_region_return(r, 1, relu->out);
    fv_op_attr(outer, &(fv_attr){.name = "body", .kind = FV_ATTR_REGION, .u.region = r});
    return r;
}

Test(verify, a_block_sees_what_is_around_it) {
    inner_block(value("y"));
    cr_expect(fv_module_verify(m, NULL));
}

Test(verify, a_block_does_not_see_what_follows) {
    inner_block(value("z"));
    illegal("error: node '%inner' (Relu): operand 0, %z, is not defined where it is used\n");
}

Test(verify, what_is_in_a_block_stays_there) {
    fv_region *r = inner_block(value("y"));
    fv_op_set_in(op("z"), 0, r->first->out[0]);
    illegal("error: node '%z' (Relu): operand 0, %inner, is not defined where it is used\n");
}

Test(verify, a_block_knows_its_op) {
    inner_block(value("y"))->parent = NULL;
    illegal("error: test.Block: a block of @main does not know where it belongs\n");
}

Test(verify, inference_binds_nothing) {
    fv_module *r = fv_module_parse(session,
                                   "fovea-ir 1 func @f(%x: f32[n, 2], %s: i64[2] = [2, n]) {\n"
                                   "  %y = Reshape(%x, %s) : f32[2, n]\n"
                                   "  return %y\n"
                                   "}\n",
                                   NULL);
    cr_assert(r != NULL, "%s", fv_messages(session) ? fv_messages(session)->text : "");
    fv_value *s = r->funcs->body->params[1];
    s->elems = NULL;
    cr_expect(fv_module_verify(r, NULL));
    cr_expect(!s->elems && s->nuses == 1 && r->funcs->body->first->next->next == NULL);
}
