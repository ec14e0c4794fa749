/* test_planted.c - faults that a step of lowering could make: each is planted at every possible
 * place in the definitions of a few graphs, and the verifier must refuse it, state the reason, and
 * name the step. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/lower.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions_verify.h"
#include "ir/definition/view.h"
#include "ir/expr/unique.h"
#include "ir/graph/parse.h"
#include "passes/passes.h"
#include "tests/definition/graphs.h"
#include "tests/kernel/support.h"

TestSuite(planted, .init = open_session, .fini = close_session);

typedef enum {
    OUTSIDE,
    NO_GUARD,
    WRONG_TYPE,
    TWICE,
    ESCAPED,
    SUBSTITUTED,
    BELOW,
    ORDER,
    VIEW,
    AXES,
    KINDS
} kind;

static const char *const reasons[KINDS] = {"begins at|reaches",
                                           "begins at|reaches|is not proved",
                                           "the value",
                                           "may be, too|where input",
                                           "outside of the reduction",
                                           "is substituted",
                                           "is not made before",
                                           "in an order|in no order|chains along",
                                           "as many elements|is to come",
                                           "as many as the elements|runs to"};
static const char *const names[KINDS] = {"index outside",
                                         "lost guard",
                                         "wrong type",
                                         "part in the place of another",
                                         "variable without reduction",
                                         "load of a substituted value",
                                         "load of a value below",
                                         "wrong order",
                                         "view of more elements",
                                         "axis of more elements"};

typedef struct field {
    const char *step;
    fv_module *m;
    const fv_definitions *d;
    kind kind;
} field;

enum { MAX_STEPS = 32 };
static int planted[MAX_STEPS][KINDS];

static int step_number(const char *step) {
    int i = 0;
    while (strcmp(fv_lower_steps()[i], step))
        i++;
    return i;
}

static bool gives_reason(const char *text, const char *reasons_of) {
    for (const char *at = reasons_of; *at; at += strcspn(at, "|"), at += *at == '|')
        if (strstr(text, fv_printf(arena, "%.*s", (int)strcspn(at, "|"), at)))
            return true;
    return false;
}

/* The fault is there now. */
static void expect_refused(const field *f, const fv_defined *x) {
    fv_messages_clear(session);
    bool legal = fv_definitions_verify(f->m, f->d, f->step);
    const char *text = said();
    planted[step_number(f->step)][f->kind]++;
    cr_expect(!legal, "%s in %%%s after '%s' passes", names[f->kind], x->value->name, f->step);
    cr_expect(gives_reason(text, reasons[f->kind]), "%s in %%%s after '%s': %s", names[f->kind],
              x->value->name, f->step, text);
    cr_expect(strstr(text, fv_printf(arena, "step '%s'", f->step)), "%s", text);
    fv_messages_clear(session);
}

/* ---- faults in a node ---- */

static void plant_in_load(const field *f, const fv_defined *x, fv_expr *load) {
    const fv_buf *b = load->u.buf;
    const fv_dim *sum = fv_dim_const(f->m->dims, 0); /* as large as any axis */
    fv_expr before = *load, *index = load->arg[0];
    for (int i = 0; i < b->rank; i++)
        sum = fv_dim_add(f->m->dims, sum, fv_buf_dim(f->m->dims, b, i));
    if (f->kind == OUTSIDE)
        load->arg[0] = fv_x_dim(arena, sum);
    else {
        load->op = FV_X_LOAD;
        load->n = (uint8_t)b->rank;
    }
    expect_refused(f, x);
    load->arg[0] = index;
    load->op = before.op;
    load->n = before.n;
}

/* A view whose first axis is longer. */
static void plant_view(const field *f, const fv_defined *x, fv_expr *load) {
    fv_buf *before = load->u.buf;
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < before->rank; i++)
        extent[i] = before->extent[i];
    const fv_dim *longer =
        fv_dim_add(f->m->dims, fv_buf_dim(f->m->dims, before, 0), fv_dim_const(f->m->dims, 1));
    extent[0] = fv_x_dim(arena, longer);
    load->u.buf = fv_buf_seen(arena, before, before->rank, extent);
    expect_refused(f, x);
    load->u.buf = before;
}

/* The first axis of the definition is longer than it can be. */
static void plant_axes(const field *f, const fv_defined *x) {
    fv_var *v = x->def->index[0];
    const fv_dim *before = v->dim;
    v->dim = fv_dim_add(f->m->dims, before, fv_dim_const(f->m->dims, 1));
    expect_refused(f, x);
    v->dim = before;
}

static void plant_escape(const field *f, const fv_defined *x, const fv_expr *reduce) {
    fv_expr *k = fv_x_var(arena, reduce->u.red.vars[0]), *body = x->def->body;
    fv_expr *zero = fv_x_zero(arena, (fv_elem)body->type.elem);
    x->def->body = fv_x_select(arena, fv_x_bin(arena, FV_X_LT, k, fv_x_int(arena, 1)), body, zero);
    expect_refused(f, x);
    x->def->body = body;
}

/* Before the step `order` plants an order; after it no order, or chains along more variables than
 * the sum has. */
static void plant_order(const field *f, const fv_defined *x, fv_expr *sum) {
    fv_expr before = *sum;
    bool decided = !fv_step_comes(f->step, "order");
    sum->u.red.order = decided ? FV_ORDER_OPEN : FV_ORDER_CHAIN;
    expect_refused(f, x);
    sum->u.red.order = FV_ORDER_CHAINS;
    sum->u.red.along = (uint8_t)(sum->u.red.nvars + 1);
    expect_refused(f, x);
    sum->u.red = before.u.red;
}

static void plant_in_nodes(const field *f, const fv_defined *x, fv_expr *e, fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, e))
        return;
    *fv_ptrmap_at(seen, e) = e;
    if ((f->kind == OUTSIDE && e->op == FV_X_LOAD && e->n) ||
        (f->kind == NO_GUARD && e->op == FV_X_GUARD))
        plant_in_load(f, x, e);
    if (f->kind == VIEW && (e->op == FV_X_LOAD || e->op == FV_X_GUARD) && e->u.buf->rank)
        plant_view(f, x, e);
    if (f->kind == ESCAPED && e->op == FV_X_REDUCE)
        plant_escape(f, x, e);
    if (f->kind == ORDER && fv_x_is_ordered(e))
        plant_order(f, x, e);
    for (int i = 0; i < e->n; i++)
        plant_in_nodes(f, x, e->arg[i], seen);
}

/* ---- faults in a definition ---- */

static void plant_body(const field *f, const fv_defined *x, fv_expr *body) {
    fv_expr *before = x->def->body;
    x->def->body = body;
    expect_refused(f, x);
    x->def->body = before;
}

/* x is the first element of y. */
static void plant_load(const field *f, const fv_defined *x, const fv_value *y) {
    fv_expr *zeros[FV_MAX_RANK];
    for (int i = 0; i < y->type->rank; i++)
        zeros[i] = fv_x_int(arena, 0);
    fv_expr *load = fv_x_load(arena, fv_value_buf(arena, y), zeros);
    load = fv_x_convert(arena, fv_elem_arith(y->type->elem), load);
    plant_body(f, x, fv_x_convert(arena, fv_elem_arith(x->value->type->elem), load));
}

/* Stores x where it would be stored if it were the first part. */
static void plant_twice(const field *f, fv_defined *x) {
    const fv_expr *place = x->def->place;
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < place->n; i++) {
        int axis = fv_place_axis(x->def, place->arg[i]);
        index[i] = axis < 0 ? fv_x_int(arena, 0) : fv_x_var(arena, x->def->index[axis]);
    }
    x->def->place = fv_x_load(arena, place->u.buf, index);
    if (!fv_x_equal(x->def->place, place))
        expect_refused(f, x);
    x->def->place = place;
}

static void plant_everywhere(const field *f, int i) {
    fv_defined *x = &f->d->all[i];
    fv_ptrmap seen = fv_ptrmap_in(arena);
    if (!x->def || (x->fate != FV_FATE_MEMORY && x->fate != FV_FATE_PART))
        return;
    if (f->kind == WRONG_TYPE)
        plant_body(f, x,
                   fv_x_const_int(arena, x->value->type->elem == FV_I16 ? FV_I32 : FV_I16, 1));
    else if (f->kind == AXES && x->def->rank)
        plant_axes(f, x);
    else if (f->kind == TWICE && x->fate == FV_FATE_PART)
        plant_twice(f, x);
    else if (f->kind == SUBSTITUTED || f->kind == BELOW)
        for (int k = 0; k < f->d->n; k++) {
            const fv_defined *y = &f->d->all[k];
            if (f->kind == SUBSTITUTED ? k < i && y->fate == FV_FATE_SUBSTITUTED
                                       : k > i && y->fate == FV_FATE_MEMORY)
                plant_load(f, x, y->value);
        }
    else
        plant_in_nodes(f, x, x->def->body, &seen);
}

static void plant(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    field f = {step, user, d, OUTSIDE};
    (void)m;
    for (; d && f.kind < KINDS; f.kind++)
        for (int i = 0; i < d->n; i++)
            plant_everywhere(&f, i);
    cr_assert(!d || fv_definitions_verify(user, d, step), "not as it was: %s", said());
}

Test(planted, faults, .timeout = 900) {
    for (size_t i = 0; i < NGRAPHS; i++) {
        fv_module *m = fv_module_parse(
            session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", graphs[i]), ".");
        cr_assert(m && fv_run_passes(m, fv_pipeline('2'), NULL), "%s", said());
        fv_watch w = {m, plant};
        fv_lower_options o = {.target = fv_target_find("x86-64-v3"), .verify = true, .watch = &w};
        cr_assert(fv_lower(m, &o), "%s", said());
    }
    for (int i = 0; fv_lower_steps()[i]; i++) {
        const char *step = fv_lower_steps()[i];
        bool parts = !fv_step_comes(step, "concat"), grouped = !fv_step_comes(step, "group");
        for (int k = 0; k < KINDS; k++)
            if ((k != TWICE || parts) && (k != SUBSTITUTED || grouped))
                cr_expect_gt(planted[i][k], 0, "no %s was planted after '%s'", names[k], step);
    }
}
