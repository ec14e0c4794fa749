/* expand.c - replaces an op by the definition that is its meaning, and lets C code build
 * definitions. */
#include "ir/graph/infer.h"
#include "ir/rule/parts.h"

/* Do the types agree? Equalities of dims that are neither proved nor refuted are assumed, and
 * checked at run time. False after a diagnostic. */
static bool gives(fv_op *op, const fv_type *want, const fv_type *type) {
    fv_module *m = fv_op_module(op);
    bool is = type->kind == FV_TENSOR && want->kind == FV_TENSOR && type->elem == want->elem &&
              type->rank == want->rank;
    for (int i = 0; is && i < want->rank; i++)
        is =
            fv_module_assume(m, type->dims[i], want->dims[i], fv_op_why(op, "what its rule gives"));
    return is || fv_op_error(op, "its rule gives %s, expected %s", fv_type_str(m->arena, type),
                             fv_type_str(m->arena, want));
}

static const fv_ast *result_of(const fv_body *b, const fv_opdef *def, int i,
                               const fv_ast *by_name) {
    return b->nresults        ? (i < b->nresults ? b->results[i] : NULL)
           : def->out[i].name ? by_name
                              : NULL;
}

bool fv_body_expand(fv_rewriter *w, fv_op *op, const fv_body *b) {
    struct fv_build *e = fv_build_begin(w, op, b);
    fv_value *out[FV_MAX_OUT] = {NULL};
    for (int i = 0; i < op->nout && i < FV_MAX_OUT; i++) {
        const fv_ast named = {.kind = FV_AST_NAME, .name = op->def->out[i].name};
        const fv_ast *x = fv_op_is_read(op, i) ? result_of(b, op->def, i, &named) : NULL;
        out[i] = x ? fv_build_value(e, x, op->out[i]->type->elem) : NULL;
        if (fv_op_is_read(op, i) &&
            (!out[i] || w->failed || !gives(op, op->out[i]->type, out[i]->type)))
            return false;
    }
    for (int i = 0; i < op->nout && i < FV_MAX_OUT; i++)
        if (out[i])
            fv_w_result(w, i, out[i]);
    return true;
}

bool fv_body_expand_as(fv_rewriter *w, fv_op *op, const char *called) {
    const fv_body *b = fv_body_find(w->module->session, op->def, called);
    return b && fv_body_expand(w, op, b) && !w->failed;
}

bool fv_rule_expand(fv_rewriter *w, fv_op *op, const char *text) {
    fv_body b;
    return fv_body_parse(w->module->arena, op->def, op->def->name, text, &b) &&
           fv_body_expand(w, op, &b);
}

fv_value *fv_w_call(fv_rewriter *w, const char *called, int n, const fv_arg *args) {
    fv_value *v;
    fv_w_call_n(w, called, n, args, 1, &v);
    return v;
}
