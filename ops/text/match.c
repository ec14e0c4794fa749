/* match.c - RegexFullMatch: the pattern is a constant, and the run uses the table of its automaton
 * (regex.h). */
#include "ir/definition/custom.h"
#include "ir/graph/infer.h"
#include "ops/common/assemble.h"
#include "ops/text/regex.h"
#include "ops/text/text.h"

static const fv_dfa *automaton_of(const fv_op *op, fv_arena *a, fv_string pattern) {
    const char *why = NULL;
    const fv_nfa *nfa = fv_regex_parse(a, pattern, &why);
    const fv_dfa *dfa = nfa ? fv_dfa_of(a, nfa, &why) : NULL;
    if (!dfa)
        (void)!fv_op_error(op, "the pattern cannot be compiled: %s", why);
    return dfa;
}

bool fv_w_automaton(fv_rewriter *w, fv_string pattern, fv_value **tables) {
    fv_arena *a = w->module->arena, *scratch = fv_arena_new(w->module->session);
    const fv_dfa *d = automaton_of(w->at, scratch, pattern);
    if (d) {
        fv_tensor *classes = fv_tensor_new(a, FV_U8, 1, (int64_t[]){256}),
                  *accepts = fv_tensor_new(a, FV_BOOL, 1, (int64_t[]){d->nstates});
        fv_tensor *next = fv_tensor_new(a, FV_I32, 2, (int64_t[]){d->nstates, d->nclasses});
        for (size_t i = 0; i < classes->count; i++)
            fv_tensor_set_int(classes, i, d->class_of[i]);
        for (size_t i = 0; i < next->count; i++)
            fv_tensor_set_int(next, i, d->next[i]);
        for (size_t i = 0; i < accepts->count; i++)
            fv_tensor_set_int(accepts, i, d->accepts[i]);
        tables[0] = fv_const_new(w->module, "classes", classes);
        tables[1] = fv_const_new(w->module, "next", next);
        tables[2] = fv_const_new(w->module, "accepts", accepts);
    }
    fv_arena_free(scratch);
    return d != NULL;
}

static bool infer_match(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, FV_BOOL, x->rank, x->dims);
    return true;
}

static bool match(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_strings x;
    fv_value *tables[3];
    if (!fv_w_automaton(w, fv_op_string(op, "pattern"), tables) ||
        !fv_strings_of(op, op->in[0], &x))
        return false;
    fv_value *in[] = {x.text, fv_w_flat(w, x.spans), tables[0], tables[1], tables[2]},
             *matches = fv_w_op(w, FV_OP_fv_TextMatch, 5, in, 0, NULL);
    fv_w_result(w, 0, matches ? fv_w_reshape(w, matches, y->rank, y->dims) : NULL);
    return true;
}

static bool infer_text_match(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_infer_out(op, 0, FV_BOOL, 1, fv_in_type(op, 1)->dims);
    return (fv_module_assume(m, fv_in_type(op, 2)->dims[0], fv_dim_const(m->dims, 256),
                             "a class for each byte") &&
            fv_module_assume(m, fv_in_type(op, 3)->dims[0], fv_in_type(op, 4)->dims[0],
                             "states of an automaton")) ||
           fv_op_error(op, "has tables of other sizes");
}

static bool kernel_match(fv_custom *c, fv_op *op) {
    fv_custom_text(
        c, fv_text_kernels, "text_match", 6,
        (fv_value *[]){op->in[0], op->in[1], op->in[2], op->in[3], op->in[4], op->out[0]});
    return true;
}

const fv_opdef fv_ops_match[] = {
    {.domain = "fv",
     .name = "TextMatch",
     .id = FV_OP_fv_TextMatch,
     .since = {1},
     .doc = "whether an automaton accepts each string: tables of the class of each byte, of the "
            "next state by state and class, and of the states that accept",
     .in = {{"text", "T", .rank = FV_RANK(1)},
            {"spans", "I", .rank = FV_RANK(1)},
            {"classes", "T", .rank = FV_RANK(1)},
            {"next", "N", .rank = FV_RANK(2)},
            {"accepts", "B", .rank = FV_RANK(1)}},
     .out = {{"Y", "B"}},
     .types = {{"T", FV_SET(U8)}, {"I", FV_SET(I64)}, {"N", FV_SET(I32)}, {"B", FV_SET(BOOL)}},
     .infer = infer_text_match,
     .kernel = kernel_match},
    {.domain = "",
     .name = "RegexFullMatch",
     .since = {20},
     .doc = "whether each whole string matches a pattern in the syntax of "
            "RE2",
     .in = {{"X", "S"}},
     .out = {{"Y", "B"}},
     .attrs = {FV_A_REQUIRED("pattern", STRING)},
     .types = {{"S", FV_SET(STRING)}, {"B", FV_SET(BOOL)}},
     .infer = infer_match,
     .strings = match},

    {0}};
