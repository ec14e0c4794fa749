/* test_decides.c - which ops decide, and that no level rounds elsewhere what a model decides on. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/catalogue/op.h"
#include "passes/decides.h"
#include "passes/passes.h"
#include "tests/passes/support.h"

#define DECIDES(name) Test(decides, name, .init = open_session, .fini = close_session)

/* Can all results of the operator be floats? */
static bool may_give_floats(const fv_opdef *d) {
    for (int i = 0; i < FV_MAX_OUT && d->out[i].name; i++)
        for (int k = 0; k < FV_MAX_TYPEVARS && d->types[k].name; k++)
            if (!strcmp(d->types[k].name, d->out[i].type) && !(d->types[k].set & FV_SET_FLOAT))
                return false;
    return true;
}

/* An operator whose formula rounds to a whole number is marked, unless its results are none. */
DECIDES(what_rounds_by_its_formula) {
    static const char *const rounds[] = {"floor(", "ceil(", "rint(", "trunc("};
    int found = 0;
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        for (size_t k = 0; d->formula && k < 4; k++)
            if (strstr(d->formula, rounds[k]) && may_give_floats(d)) {
                found++;
                cr_expect(d->decides, "%s", d->name);
            }
    }
    cr_expect_gt(found, 3);
}

/* A Gelu as exporters spell it, which a rule that rounds elsewhere makes one op, and what follows
 * it. */
static int gelus(const char *after, const char *result) {
    fv_module *m = module_of(fv_printf(
        arena,
        "const @root: f32[] = 1.41421354\nconst @one: f32[] = 1.0\nconst @half: f32[] = 0.5\n"
        "const @s: f32[] = 0.1\nconst @w: f32[4, 4] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, "
        "6, "
        "7]\n"
        "func @main(%%x: f32[4, 4]) -> (%%y) {\n  %%a = Div(%%x, @root)\n  %%b = Erf(%%a)\n"
        "  %%c = Add(%%b, @one)\n  %%d = Mul(%%x, %%c)\n  %%g = Mul(%%d, @half)\n%s"
        "  return %s\n}\n",
        after, result));
    cr_assert(fv_run_passes(m, fv_pipeline('2'), NULL), "%s", said());
    int n = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        n += fv_op_is(op, FV_OP_Gelu);
    return n;
}

static const struct {
    const char *after, *result;
    bool decides;
} cases[] = {
    {"", "%g", false},
    {"  %r = Relu(%g)\n", "%r", false},
    {"  %i = ArgMax(%g)\n", "%g", false}, /* dead */
    {"  %h = Shape(%g)\n", "%h", false},
    {"  %q = QuantizeLinear(%g, @s)\n", "%q", true},
    {"  %q, %z, %p = DynamicQuantizeLinear(%g)\n", "%q", true},
    {"  %p = MatMul(%g, @w)\n  %f = Softmax(%p)\n  %q = QuantizeLinear(%f, @s)\n", "%q", true},
    {"  %i = ArgMax(%g)\n", "%i", true},
    {"  %l = Less(%g, @s)\n", "%l", true},
    {"  %l = Less(%g, @s)\n  %k = Where(%l, %x, @s)\n", "%k", true},
    {"  %k = Cast(%g) {to = 6}\n", "%k", true},
    {"  %k = Cast(%g) {to = 17}\n", "%k", true},  /* f8e4m3fn */
    {"  %k = Cast(%g) {to = 10}\n", "%k", false}, /* f16 */
    {"  %k = Round(%g)\n", "%k", true},
    {"  %k = Sign(%g)\n", "%k", true},
    {"  %k = ThresholdedRelu(%g)\n", "%k", true},
    {"  %k = Hardmax(%g)\n", "%k", true},
    {"  %k = Mod(%g, @s) {fmod = 1}\n", "%k", true},
    {"  %u = Greater(%x, @s)\n  %k = Where(%u, %g, @s)\n", "%k", false},
};

DECIDES(what_reaches_a_decision_stays) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool returned = !strcmp(cases[i].result, "%h");
        cr_expect_eq(gelus(cases[i].after, cases[i].result), !cases[i].decides && !returned, "%s",
                     cases[i].after);
    }
}

/* What a branch or an iteration decides on is found, too. */
DECIDES(through_blocks) {
    static const char loop[] =
        "const @n: i64[] = 3\nconst @go: bool[] = 1\nconst @s: f32[] = 0.1\n"
        "func @main(%x: f32[4]) -> (%q) {\n"
        "  %g = Exp(%x)\n"
        "  %y = Loop(@n, @go, %g) {body = ^(%i: i64[], %c: bool[], %v: f32[4]) {\n"
        "    %w = Sin(%v)\n"
        "    return %c, %w\n"
        "  }}\n"
        "  %q = QuantizeLinear(%y, @s)\n"
        "  return %q\n}\n";
    fv_module *m = module_of(loop);
    fv_deciding d = fv_deciding_of(m, arena);
    cr_expect(fv_decides_by(&d, find_op(m, "Exp")));
    const fv_attr *body = fv_op_find_attr(find_op(m, "Loop"), "body");
    cr_expect(fv_decides_by(&d, body->u.region->first));
}
