/* signature.c - settings that a user adds to the signature of a graph text: states and dims. */
#include "ir/dim/option.h"
#include "ir/graph/graph.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/graph/state.h"
#include "ir/graph/verify.h"

#include <criterion/criterion.h>

static fv_session *session;
static fv_arena *arena;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(signature, .init = setup, .fini = teardown);

#define HEAD   "fovea-ir 1\nmodule \"m\"\nsymbol p 0..64\nsymbol s 0..8\n"
#define INPUTS "func @main(%x: f32[s, 4], %past: f32[p, 4], %other: f32[p, 4], %i: i64[4])"
#define CONCAT "  %all = Concat(%past, %x) {axis = 0} : f32[p + s, 4]\n  return %all\n}\n"

static const char *last_message(void) {
    const fv_message *m = fv_messages(session);
    while (m && m->next)
        m = m->next;
    return m ? fv_message_str(arena, m) : "";
}

static fv_module *parse(const char *text, const char *const *dims) {
    fv_messages_clear(session);
    return fv_module_parse_dims(session, text, NULL, dims);
}

static const char *print(const fv_module *m) {
    fv_text t = {.arena = arena};
    fv_module_print(&t, m, NULL, NULL);
    return t.s;
}

static void refused(const char *text, const char *message) {
    cr_expect_null(parse(text, NULL), "%s", text);
    cr_expect_str_eq(last_message(), message);
}

/* ---- states ---- */

Test(signature, a_state_reads_back) {
    static const char *const text = HEAD INPUTS " -> (%all state %past) {\n" CONCAT;
    fv_module *m = parse(text, NULL);
    cr_assert(m != NULL, "%s", last_message());
    cr_expect_str_eq(print(m), text);
    cr_expect(m->funcs->states && m->funcs->states[0] == m->funcs->body->params[1]);
    cr_expect(fv_module_verify(m, NULL));
}

Test(signature, states_that_cannot_be) {
    refused(HEAD INPUTS " -> (%all state %i) {\n" CONCAT,
            "5:79: error: output 'all' is f32[p + s, 4], input 'i' is i64[4]: type and rank must "
            "be the same");
    refused(HEAD INPUTS " -> (%all state %all) {\n" CONCAT,
            "5:92: error: %all is not defined before its use");
    refused(HEAD INPUTS " -> (%a state %past, %b state %past) {\n  return %past, %past\n}\n",
            "5:79: error: input 'past' takes both 'a' and 'b'");
    refused("fovea-ir 1 func @main(%x: f32[2]) -> (%y state %x) { %y = Concat(%x, %x) {axis = 0} "
            "return %y }",
            "1:38: error: on axis 0 output 'y' has 4, which input 'x' with 2 never takes");
    refused(HEAD INPUTS " -> (%all state %past capacity p + 1) {\n" CONCAT,
            "5:111: error: a capacity is a number or a symbol");
}

/* Is the declaration the same when it was printed? */
Test(signature, capacities) {
    fv_module *m = parse(HEAD INPUTS " -> (%all state %past capacity 64) {\n" CONCAT, NULL);
    cr_assert(m != NULL, "%s", last_message());
    const char *text = print(m);
    cr_expect(strstr(text, "%all state %past capacity 64)") != NULL, "%s", text);
    fv_module *again = parse(text, NULL);
    cr_assert(again != NULL, "%s", last_message());
    cr_expect_eq(again->funcs->capacity[0]->value, 64);
    cr_expect(fv_state_declare(again, "past=all:64"));
    cr_expect(!fv_state_declare(again, "past=all:65"));
    cr_expect_str_eq(last_message(),
                     "error: --state 'past=all:65': input 'past' has capacity 64 already");
    cr_expect(!fv_state_declare(again, "past=all:x y"));
    cr_expect(fv_state_declare(parse(HEAD INPUTS " -> (%all) {\n" CONCAT, NULL), "past=all:room"));
}

static void declare(const char *option, const char *message) {
    fv_module *m = parse(HEAD INPUTS " -> (%all) {\n" CONCAT, NULL);
    cr_assert(m != NULL, "%s", last_message());
    bool ok = fv_state_declare(m, option);
    cr_expect_eq(ok, !*message, "%s", option);
    cr_expect_str_eq(last_message(), message);
    if (ok) {
        cr_expect_eq(m->funcs->states[0], m->funcs->body->params[1]);
        cr_expect(!fv_state_declare(m, "other=all"));
        cr_expect_str_eq(
            last_message(),
            "error: --state 'other=all': output 'all' is the state of input 'past' already");
    }
}

Test(signature, states_as_options) {
    declare("past=all", "");
    declare("past", "error: --state 'past': expected INPUT=OUTPUT or INPUT=OUTPUT:CAPACITY");
    declare("all=past", "error: --state 'all=past': the input comes first: --state past=all");
    declare("pats=all",
            "error: --state 'pats=all': the model has no input 'pats'; did you mean 'past'?");
    declare("past=z", "error: --state 'past=z': the model has no output 'z'");
    declare("i=all",
            "error: --state 'i=all': output 'all' is f32[p + s, 4], input 'i' is i64[4]: type "
            "and rank must be the same");
}

/* A star stands for the same text in both names, for all inputs whose names match. */
static void declare_all(const char *option, const char *message) {
    fv_module *m = parse(
        "fovea-ir 1 func @main(%x: f32[1], %past_0_k: f32[p], %past_1_k: f32[p], %past_k: f32[p]) "
        "-> (%now_0_k, %now_1_k) {"
        "  %now_0_k = Concat(%past_0_k, %x) {axis = 0}  %now_1_k = Concat(%past_1_k, %x) {axis = 0}"
        "  return %now_0_k, %now_1_k }",
        NULL);
    cr_assert(m != NULL, "%s", last_message());
    bool ok = fv_state_declare(m, option);
    cr_expect_eq(ok, !*message, "%s", option);
    cr_expect_str_eq(last_message(), message);
    for (int i = 0; ok && i < 2; i++) {
        cr_expect_eq(m->funcs->states[i], m->funcs->body->params[1 + i]);
        cr_expect_eq(m->funcs->capacity[i]->value, 8);
    }
}

/* Names of values as in TensorFlow: if an output has a name with a colon, what follows the colon is
 * part of the name. */
Test(signature, states_by_a_star_with_a_colon) {
    fv_module *m = parse("fovea-ir 1 func @main(%x: f32[1], %`p.0:0`: f32[p]) -> (%`n.0:0`) {"
                         "%`n.0:0` = Concat(%`p.0:0`, %x) {axis = 0} return %`n.0:0` }",
                         NULL);
    cr_assert(fv_state_declare(m, "p.*:0=n.*:0"));
    cr_expect_str_eq(m->funcs->states[0]->name, "p.0:0");
    cr_expect(!m->funcs->capacity || !m->funcs->capacity[0]);
    cr_assert(fv_state_declare(m, "p.*:0=n.*:0:8"));
    cr_expect_eq(m->funcs->capacity[0]->value, 8);
}

Test(signature, states_by_a_star) {
    declare_all("past_*_k=now_*_k:8", "");
    declare_all("past_*=now_*:8",
                "error: --state 'past_*=now_*:8': the model has no output 'now_k'");
    declare_all("pats_*=now_*:8",
                "error: --state 'pats_*=now_*:8': the model has no input 'pats_*'");
    declare_all("past_*=now_0_k:8", "error: --state 'past_*=now_0_k:8': expected one * in the "
                                    "input's name and one in the output's");
    declare_all("past_*_*=now_*_k", "error: --state 'past_*_*=now_*_k': expected one * in the "
                                    "input's name and one in the output's");
    declare_all("past_0_k=now_*_k", "error: --state 'past_0_k=now_*_k': the model has no output "
                                    "'now_*_k'; did you mean 'now_0_k'?");
    declare_all("past_*_k=`now_*_k`:8", "error: --state 'past_*_k=`now_*_k`:8': expected one * in "
                                        "the input's name and one in the output's");
    declare_all("`past_*_k`=now_*_k", "error: --state '`past_*_k`=now_*_k': the model has no input "
                                      "'past_*_k'; did you mean 'past_0_k'?");
}

Test(signature, the_verifier_sees_states) {
    fv_module *m = parse(HEAD INPUTS " -> (%all state %past) {\n" CONCAT, NULL);
    const fv_value *bad[] = {m->funcs->body->params[3]};
    m->funcs->states = bad;
    cr_expect(!fv_module_verify(m, NULL));
    cr_expect_str_eq(last_message(),
                     "error: @main: output 'all' is f32[p + s, 4], input 'i' is i64[4]: "
                     "type and rank must be the same");
}

/* ---- dims ---- */

static void with_dims(const char *one, const char *two, const char *symbols, const char *type) {
    fv_module *m =
        parse(HEAD INPUTS " -> (%all) {\n" CONCAT, (const char *const[]){one, two, NULL});
    cr_assert(m != NULL, "%s", last_message());
    const char *want = fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%sfunc", symbols);
    cr_expect_eq(strncmp(print(m), want, strlen(want)), 0, "%s", print(m));
    cr_expect_str_eq(fv_type_str(arena, m->funcs->body->last->in[0]->type), type);
}

Test(signature, dims_are_fixed_and_bounded) {
    with_dims("p=3", NULL, "symbol s 0..8\n", "f32[s + 3, 4]");
    with_dims("p=3", "s=2", "", "f32[5, 4]");
    with_dims("past:0=1..100", NULL, "symbol p 1..64\nsymbol s 0..8\n", "f32[p + s, 4]");
    with_dims("p=1..5", "other:0=5", "symbol s 0..8\n", "f32[s + 5, 4]");
    with_dims("x:1=4", NULL, "symbol p 0..64\nsymbol s 0..8\n", "f32[p + s, 4]");
}

/* Names are C strings: a byte 0 would cut them. */
Test(signature, a_module_with_a_byte_0_in_its_name) {
    cr_expect_null(parse("fovea-ir 1 module \"a\\0b\" func @main(%x: f32[2]) { return %x }", NULL));
    cr_expect(strstr(last_message(), "the name of the module holds a byte 0"), "%s",
              last_message());
    cr_expect_null(
        parse("fovea-ir 1 module \"a\" \"1\\0\" func @main(%x: f32[2]) { return %x }", NULL));
    cr_expect(strstr(last_message(), "the hash of the module holds a byte 0"), "%s",
              last_message());
}

Test(signature, dims_that_no_line_declares) {
    static const char *const text =
        "fovea-ir 1 module \"m\" func @main(%x: f32[n, m]) { %y = Relu(%x) return %y }";
    fv_module *m = parse(text, (const char *const[]){"n=1..9", "m=3", "n=..", NULL});
    cr_expect_null(m);
    m = parse(text, (const char *const[]){"n=1..9", "m=3", "n=2..20", NULL});
    cr_assert(m != NULL, "%s", last_message());
    cr_expect_str_eq(print(m),
                     "fovea-ir 1\nmodule \"m\"\nsymbol n 2..9\nfunc @main(%x: f32[n, 3]) {\n"
                     "  %y = Relu(%x) : f32[n, 3]\n  return %y\n}\n");
}

static void dim_fault(const char *one, const char *two, const char *message) {
    cr_expect_null(
        parse(HEAD INPUTS " -> (%all) {\n" CONCAT, (const char *const[]){one, two, NULL}));
    cr_expect_str_eq(last_message(), message);
}

/* Messages about a setting begin with the option that gave it. */
Test(signature, option_of_a_setting) {
    fv_dim_option o;
    int64_t lo = 0, hi = 8;
    cr_assert_null(fv_dim_option_parse(fv_arena_new(session), "n=9", &o));
    o.flag = "--bound";
    cr_expect_not(fv_dim_option_apply(session, &o, &lo, &hi));
    cr_expect_str_eq(last_message(), "error: --bound 'n=9': that dim is within 0..8");
    hi = lo;
    cr_expect_not(fv_dim_option_apply(session, &o, &lo, &hi));
    cr_expect_str_eq(last_message(), "error: --bound 'n=9': that dim is fixed to 0");
}

Test(signature, dims_that_cannot_be) {
    dim_fault("q=3", NULL, "error: --dim 'q=3': there is no dim 'q'; the model has 'p', 's'");
    dim_fault("p=65", NULL, "error: --dim 'p=65': that dim is within 0..64");
    dim_fault("p=3", "past:0=4", "error: --dim 'past:0=4': that dim is fixed to 3");
    dim_fault("x:1=5", NULL, "error: --dim 'x:1=5': that dim is fixed to 4");
    dim_fault("x:2=5", NULL, "error: --dim 'x:2=5': there is no dim 'x:2'; the model has 'p', 's'");
    dim_fault("p", NULL, "error: --dim 'p': expected NAME=N, NAME=LO..HI or INPUT:AXIS=N");
    dim_fault("p=5..", NULL, "error: --dim 'p=5..': expected a size after '..'");
    dim_fault("p=5..4", NULL, "error: --dim 'p=5..4': the lower bound is above the upper one");
}
