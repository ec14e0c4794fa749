/* test_model.c - -O1 removes all shape arithmetic from an exported model. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "ir/catalogue/op.h"
#include "ir/graph/print.h"
#include "passes/passes.h"
#include "tests/passes/support.h"

static bool is_integer(const fv_value *v) {
    return v && v->type->kind == FV_TENSOR && fv_elem_is_int(v->type->elem);
}

/* Does what becomes of v end in nothing but dims? */
static bool only_feeds_shapes(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *op = v->uses[i].op;
        if (op->def == &fv_return_def)
            return false;
        for (int k = 0; k < op->nout; k++)
            if (op->out[k] && (!is_integer(op->out[k]) || !only_feeds_shapes(op->out[k])))
                return false;
    }
    return true;
}

static const char *shape_arithmetic(const fv_region *block) {
    static const char *const never[] = {"Shape", "Size",    "ConstantOfShape",
                                        "Range", "fv.Bind", "fv.Let"};
    for (const fv_op *op = block->first; op; op = op->next) {
        for (size_t i = 0; i < sizeof never / sizeof *never; i++)
            if (op->def == fv_op_get(never[i]))
                return fv_op_str(arena, op);
        for (int i = 0; i < op->nout; i++)
            if (is_integer(op->out[i]) && only_feeds_shapes(op->out[i]))
                return fv_op_str(arena, op);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION && shape_arithmetic(op->attrs[i].u.region))
                return fv_op_str(arena, op);
    }
    return NULL;
}

static int count_ops(const fv_region *block) {
    int n = 0;
    for (const fv_op *op = block->first; op; op = op->next)
        n++;
    return n;
}

/* It was exported with dynamic dims, and computes them in the graph. */
Test(model, no_shape_arithmetic_is_left, .init = open_session, .fini = close_session) {
    const char *shared = getenv("FOVEA_SHARED");
    const char *path = fv_printf(arena, "%s/models/mha_torch_bf_self_plain/model.onnx",
                                 shared ? shared : FV_SOURCE_ROOT "/../shared");
    if (access(path, R_OK) != 0)
        cr_skip_test("there is no %s", path);
    fv_module *m = fv_onnx_import(session, path, NULL);
    cr_assert(m, "%s", said());
    int before = count_ops(m->funcs->body);
    cr_assert(shape_arithmetic(m->funcs->body), "the model is another one than this test is about");
    cr_assert(fv_run_passes(m, fv_pipeline('1'), NULL), "%s", said());
    const char *left = shape_arithmetic(m->funcs->body);
    cr_expect_null(left, "left: %s", left);
    cr_expect_lt(count_ops(m->funcs->body), before);
}
