/* What the standard says about the rank and the length of an operand holds also where a model does
 * not say it: every operand of rank 0 or 1 of every instance (instance.h) becomes an input without
 * a shape, one whose length is a symbol, and one that has an element more. FV_OP=NAME tries one
 * operator. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "instance.h"
#include "ir/base/text.h"
#include "tests/frontend/model_text.h"
#include "tests/text_file.h"

enum { MAX_LINES = 16 };

/* Is it an operand whose length decides the rank of a result, or the number of tensors in a
 * sequence? A model can leave that length open only if it declares the rank of the result. */
static bool length_is_free(const instance *x, int in) {
    static const struct {
        const char *op, *operand;
    } free_ones[] = {
        {"Reshape", "shape"},      {"Expand", "shape"},          {"ConstantOfShape", "input"},
        {"ConstantFill", "input"}, {"GivenTensorFill", "shape"}, {"Squeeze", "axes"},
        {"Unsqueeze", "axes"},     {"SplitToSequence", "split"},
    };
    const char *name = x->def->in[in].name;
    for (size_t i = 0; i < sizeof free_ones / sizeof *free_ones; i++)
        if (!strcmp(free_ones[i].op, x->def->name) && !strcmp(free_ones[i].operand, name))
            return true;
    for (int i = 0; i < x->nattrs; i++)
        if (!strcmp(x->attrs[i].name, "keepdims") && !strcmp(x->attrs[i].value, "0"))
            return !strcmp(name, "axes");
    return false;
}

static const char *messages(fv_session *s, fv_arena *a) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (m->severity == FV_ERROR)
            fv_text_printf(&t, "%s; ", fv_message_str(a, m));
    return t.s;
}

/* Imports the instance. *why: the errors. *rank: that of the input `in`, -1 if there is none.
 * Returns whether it is legal. */
static bool imports(fv_arena *a, const instance *x, int in, int *rank, const char **why) {
    fv_session *s = fv_session_new();
    fv_text model = model_of_text(a, instance_text(a, x));
    fv_module *m = fv_onnx_import_bytes(s, model.s, model.n, NULL, "m", NULL);
    const char *name = fv_printf(a, "in%d", in);
    *why = messages(s, a);
    *rank = -1;
    for (int i = 0; m && i < m->funcs->body->nparams; i++)
        if (!strcmp(m->funcs->body->params[i]->name, name))
            *rank = m->funcs->body->params[i]->type->rank;
    fv_session_free(s);
    return m != NULL;
}

/* The rank of an input that only the entry determines; -1: several are possible. */
static int usual_rank(const fv_rank_def *r) {
    if (r->list || r->vector)
        return 1;
    if (r->scalar || r->single)
        return 0;
    return r->most && r->least == r->most ? r->least : -1;
}

static bool determines_length(const fv_rank_def *r) {
    return r->length.kind != FV_ANY_LENGTH || r->scalar;
}

/* The instance with an open length of operand i must be legal where the fixed one is. */
static void try_open(fv_arena *a, instance x, int i) {
    const char *why;
    int rank;
    x.in[i].dims[0] = "len";
    if (!length_is_free(&x, i))
        cr_expect(imports(a, &x, i, &rank, &why), "%s\n%s", why, instance_text(a, &x));
}

/* All lists about the same axes are open. That is legal where no operand lists the axes; otherwise
 * the number of axes may have to be known. */
static void try_all_open(fv_arena *a, instance x) {
    const char *why;
    int rank, n = 0;
    bool listed = false;
    for (int i = 0; i < x.nin; i++) {
        const fv_length_def *l = &x.def->in[i].rank.length;
        if (l->kind != FV_AXES_LENGTH || !l->of || x.in[i].absent || x.in[i].rank != 1)
            continue;
        x.in[i].content = NULL;
        x.in[i].dims[0] = fv_printf(a, "len%d", i);
        listed |= !strcmp(x.def->in[i].name, "axes");
        n++;
    }
    if (n < 2 || imports(a, &x, 0, &rank, &why))
        return;
    cr_expect(listed && (strstr(why, "whose length is known") ||
                         strstr(why, "known when the model is compiled")),
              "%s\n%s", why, instance_text(a, &x));
}

static void try_without_shape(fv_arena *a, instance x, int i, int usual) {
    const char *why;
    int rank;
    x.in[i].shapeless = true;
    bool legal = imports(a, &x, i, &rank, &why);
    cr_expect(legal || length_is_free(&x, i), "%s\n%s", why, instance_text(a, &x));
    cr_expect(!legal || rank == usual, "rank %d, expected %d:\n%s", rank, usual,
              instance_text(a, &x));
    if (!legal)
        cr_expect(strstr(why, "whose length is known") || strstr(why, "decides the rank"),
                  "the message is about something else: %s\n%s", why, instance_text(a, &x));
}

/* Does the message name the operand, or another list about the same axes, from which it differs? */
static bool names_list(fv_arena *a, const fv_opdef *d, int in, const char *why) {
    for (int i = 0; i < FV_MAX_IN && d->in[i].name; i++) {
        bool alike = d->in[i].rank.length.kind == FV_AXES_LENGTH &&
                     d->in[in].rank.length.kind == FV_AXES_LENGTH;
        if ((alike || i == in) && strstr(why, fv_printf(a, "'%s'", d->in[i].name)))
            return true;
    }
    return false;
}

static void try_longer(fv_arena *a, instance x, int i) {
    const char *why;
    int rank;
    long n = x.in[i].rank ? strtol(x.in[i].dims[0], NULL, 10) : 1;
    x.in[i].rank = 1;
    x.in[i].dims[0] = fv_printf(a, "%ld", n + 1);
    cr_expect(!imports(a, &x, i, &rank, &why), "is accepted:\n%s", instance_text(a, &x));
    cr_expect(names_list(a, x.def, i, why), "the message does not name '%s': %s\n%s",
              x.def->in[i].name, why, instance_text(a, &x));
}

static void try_operand(fv_arena *a, instance x, int i) {
    const fv_operand_def *d = fv_opdef_operand(x.def->in, FV_MAX_IN, i);
    const char *why;
    int rank, usual = usual_rank(&d->rank);
    if (x.in[i].absent || x.in[i].holder || x.in[i].rank > 1 || d->arity == FV_VARIADIC)
        return;
    x.in[i].content = NULL;
    if (!imports(a, &x, i, &rank, &why)) /* the operand has to be a constant */
        return;
    if (x.in[i].rank)
        try_open(a, x, i);
    else if (d->rank.scalar || d->rank.list) {
        instance as_vector = x;
        as_vector.in[i].rank = 1;
        try_open(a, as_vector, i);
    }
    if (usual == x.in[i].rank || d->rank.scalar || d->rank.list)
        try_without_shape(a, x, i, usual);
    if (determines_length(&d->rank))
        try_longer(a, x, i);
}

ParameterizedTestParameters(lengths, operands) {
    static int at[1024];
    int n = fv_op_count();
    cr_assert(n <= 1024);
    for (int i = 0; i < n; i++)
        at[i] = i;
    return cr_make_param_array(int, at, (size_t)n);
}

ParameterizedTest(int *which, lengths, operands) {
    const fv_opdef *d = fv_op_at(*which);
    const char *only = getenv("FV_OP");
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    instance lines[MAX_LINES];
    if (only && strcmp(only, fv_opdef_qualified(a, d)) != 0)
        cr_skip_test("not asked for");
    const char *cases = read_text_file(a, FV_SOURCE_ROOT "/tests/catalogue/cases.txt");
    int n = instance_lines(a, cases, d, fv_op_version(d, FV_NEWEST_OPSET), lines, MAX_LINES);
    for (int i = 0; i < n && instance_is_onnx(&lines[i]); i++) {
        for (int k = 0; k < lines[i].nin; k++)
            try_operand(a, lines[i], k);
        try_all_open(a, lines[i]);
    }
    fv_session_free(s);
}
