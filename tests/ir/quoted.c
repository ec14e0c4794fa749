/* Names as text: as they are shown to people, and as they are written in our formats and parsed
 * again, whatever bytes they have. */
#include "ir/base/quoted.h"
#include "ir/dim/dim.h"
#include "ir/dim/text.h"
#include "ir/graph/graph.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/kernel/kernel.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/program_print.h"
#include "ir/syntax/lex.h"
#include "tests/sample.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fv_session *session;
static fv_arena *arena;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(quoted, .init = setup, .fini = teardown);

/* ---- what people see ---- */

static void shows(const char *s, const char *expected) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    fv_text_escaped(&t, s, strlen(s), 0);
    cr_expect_str_eq(t.s, expected);
}

Test(quoted, for_people) {
    shows("", "");
    shows("a b 'c' \"d\" `e` f\\g", "a b 'c' \"d\" `e` f\\g");
    shows("\033[31m\a\r\n\t\177", "\\x1b[31m\\x07\\x0d\\n\\x09\\x7f");
    shows("stra\303\237e \351\251\254 \360\237\220\216",
          "stra\303\237e \351\251\254 \360\237\220\216");
    shows("\302\205", "\\xc2\\x85");                                       /* a control of 8 bits */
    shows("\342\200\256x\342\201\251", "\\xe2\\x80\\xaex\\xe2\\x81\\xa9"); /* directions */
    shows("\342\200\213\357\273\277\342\200\250", "\\xe2\\x80\\x8b\\xef\\xbb\\xbf\\xe2\\x80\\xa8");
    shows("\363\240\201\201", "\\xf3\\xa0\\x81\\x81"); /* a tag */
    /* too long, half a pair, too large, cut off */
    shows("\300\257 \355\240\200 \364\220\200\200 \303",
          "\\xc0\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xc3");
    const char *once = "\\x1b\\n"; /* what was escaped stays, so that two borders do no harm */
    shows(once, once);
}

Test(quoted, messages_are_lines) {
    fv_diag_file(session, "a\nb");
    fv_error_node(session, "n\033[0m", "Add\r", "input '%s'", "x\nerror: forged");
    cr_expect_str_eq(fv_message_str(arena, fv_messages(session)),
                     "a\\nb: error: node 'n\\x1b[0m' (Add\\x0d): input 'x\\nerror: forged'");
}

/* ---- what our texts hold ---- */

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Any bytes but 0; often those that mean something. */
static const char *any_name(uint64_t *r) {
    static const char odd[] = "`\\\"'\n\r\t\033\177 %@#=:*/?\342\200\256\377\300";
    size_t n = 1 + next_random(r) % 12;
    char *s = fv_alloc(arena, n + 1, 1);
    for (size_t i = 0; i < n; i++)
        s[i] = next_random(r) % 2 ? odd[next_random(r) % (sizeof odd - 1)]
                                  : (char)(1 + next_random(r) % 255);
    return s;
}

static const char *quoted(const char *name) {
    fv_text t = {.arena = arena};
    fv_text_name(&t, name);
    return t.s;
}

static const char *messages(void) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(session); m; m = m->next)
        fv_text_printf(&t, "%s\n", fv_message_str(arena, m));
    return t.s;
}

static void is_one_line(const char *text) {
    bool shown = true;
    for (size_t n = strlen(text), bytes; n > 0 && shown; text += bytes, n -= bytes)
        bytes = fv_char_bytes(text, n, &shown);
    cr_expect(shown);
}

static void name_reads_back(const char *name) {
    fv_lexer l;
    const char *text = quoted(name), *end = "";
    is_one_line(text);
    fv_lex_init(&l, session, arena, text);
    cr_assert(l.tok.kind == FV_TOK_NAME, "%s", text);
    cr_expect_str_eq(l.tok.s, name);
    const char *typed = fv_option_name(arena, name), *back = fv_option_quoted(arena, typed, &end);
    cr_expect_str_eq(back ? back : typed, name);
    cr_expect_str_eq(end, "");
}

static void string_reads_back(const char *s, size_t n) {
    fv_text t = {.arena = arena};
    fv_lexer l;
    fv_text_string(&t, s, n);
    is_one_line(t.s);
    fv_lex_init(&l, session, arena, t.s);
    cr_assert(l.tok.kind == FV_TOK_STRING && l.tok.n == n && !memcmp(l.tok.s, s, n), "%s", t.s);
}

static void dim_reads_back(const char *name) {
    fv_dims *dims = fv_dims_new(arena);
    const fv_dim *d = fv_dim_add(dims, fv_dim_symbol(dims, name), fv_dim_const(dims, 3));
    const char *text = fv_dim_str(arena, d), *at = text, *error;
    cr_expect_eq(fv_dim_parse(dims, &at, &error), d, "%s: %s", text, error ? error : "another dim");
}

static void graph_reads_back(const char *name) {
    const char *q = quoted(name);
    fv_text t = {.arena = arena}, again = {.arena = arena};
    fv_text_printf(
        &t,
        "fovea-ir 1\nmodule \"m\"\nsymbol %s 0..9\n"
        "func @main(%%%s: f32[%s]) -> (%%%s) {\n  %%r = Neg(%%%s) : f32[%s]\n  return %%r\n}\n",
        q, q, q, q, q, q);
    const fv_module *m = fv_module_parse(session, t.s, NULL);
    cr_assert(m, "%s%s", t.s, messages());
    const fv_region *body = m->funcs->body;
    cr_expect_str_eq(body->params[0]->name, name);
    cr_expect_str_eq(body->params[0]->type->dims[0]->name, name);
    cr_expect_str_eq(m->funcs->result_names[0], name);
    fv_module_print(&again, m, NULL, NULL);
    m = fv_module_parse(session, again.s, NULL);
    cr_assert(m, "%s%s", again.s, messages());
    cr_expect_str_eq(m->funcs->body->params[0]->name, name);
    cr_expect_str_eq(m->funcs->body->params[0]->type->dims[0]->name, name);
}

static void kernel_reads_back(const char *name) {
    const char *q = quoted(name);
    fv_text t = {.arena = arena}, again = {.arena = arena};
    fv_text_printf(&t, "kernel %s(A: f32[%s], out %s_: f32[%s]; %s)\n  origin ", q, q, "C", q, q);
    fv_text_string(&t, name, strlen(name));
    fv_text_printf(&t, " {\n  for i < %s { C_[i] = A[i] }\n}\n", q);
    const fv_kernel *k = fv_kernel_parse(arena, t.s);
    cr_assert(k, "%s%s", t.s, messages());
    fv_kernel_print(&again, k);
    k = fv_kernel_parse(arena, again.s);
    cr_assert(k, "%s%s", again.s, messages());
    cr_expect_str_eq(k->name, name);
    cr_expect_str_eq(k->origin, name);
    cr_expect_str_eq(k->dims[0]->name, name);
}

static void program_reads_back(const char *name) {
    const char *q = quoted(name);
    fv_text t = {.arena = arena}, again = {.arena = arena}, s = {.arena = arena};
    fv_text_string(&s, name, strlen(name));
    fv_text_printf(
        &t,
        "fovea-program 1\nname p\ntarget \"generic\"\nsymbol %s as n in 0..100\nplan "
        "{\n}\nworkspace 0\n"
        "buffer %s: f32[n] input 0\nbuffer y: f32[n] output 0\n"
        "input %s = %s as x: f32[%s] extents [n]\noutput y = %s as y: f32[%s] extents [n]\n"
        "kernel k(A: f32[n], out C: f32[n]; n) {\n  for i < n { C[i] = A[i] }\n}\n"
        "run {\n  launch k(%s, y; n)\n}\n",
        q, q, q, s.s, q, s.s, q, q);
    const fv_program *p = fv_program_parse(arena, t.s, NULL);
    cr_assert(p, "%s%s", t.s, messages());
    fv_program_print(&again, p);
    p = fv_program_parse(arena, again.s, NULL);
    cr_assert(p, "%s%s", again.s, messages());
    cr_expect_str_eq(p->symbols.all[0]->name, name);
    cr_expect_str_eq(p->inputs[0].name, name);
    cr_expect_str_eq(p->outputs[0].name, name);
    cr_expect_str_eq(p->inputs[0].buf->name, name);
}

Test(quoted, any_name_reads_back) {
    uint64_t seed = sample_seed(1), r = seed;
    for (int i = 0; i < 300; i++) {
        const char *name = any_name(&r);
        name_reads_back(name);
        string_reads_back(name, strlen(name) + 1); /* a string may hold the byte 0 */
        dim_reads_back(name);
        graph_reads_back(name);
        kernel_reads_back(name);
        program_reads_back(name);
    }
    fprintf(stderr, "FV_SEED=%llu\n", (unsigned long long)seed);
}

static void refuses(const char *text, const char *message) {
    fv_lexer l;
    fv_messages_clear(session);
    fv_lex_init(&l, session, arena, text);
    cr_assert(l.failed, "%s", text);
    cr_expect(strstr(messages(), message), "'%s' lacks '%s'", messages(), message);
}

Test(quoted, what_is_none) {
    refuses("`a\\q`", "unknown escape '\\q'");
    refuses("`a", "missing closing `");
    refuses("`a\nb`", "missing closing `");
    refuses("``", "a name is missing");
    refuses("`a\\x00b`", "holds the byte 0");
    refuses("\"a\\x0", "unknown escape '\\x'");
}
