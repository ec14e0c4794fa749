/* The common grammar of expressions: a text is printed again with the fewest parentheses; errors
 * have a position. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/syntax/ast.h"
#include "tests/kernel/support.h"

TestSuite(ast, .init = open_session, .fini = close_session);

static void prints(const char *text, const char *expected) {
    fv_lexer l;
    fv_lex_init(&l, session, arena, text);
    fv_ast *e = fv_ast_parse(&l);
    cr_assert(e, "'%s' does not parse: %s", text,
              fv_messages(session) ? fv_messages(session)->text : "?");
    cr_assert_eq(l.tok.kind, FV_TOK_END, "'%s': something is left: %s", text, fv_lex_found(&l));
    fv_text t = {.arena = arena};
    fv_ast_print(&t, e);
    cr_expect_str_eq(t.s, expected);
}

static void same(const char *text) {
    prints(text, text);
}

static void fails(const char *text, int line, int column, const char *message) {
    fv_lexer l;
    fv_lex_init(&l, session, arena, text);
    cr_expect_null(fv_ast_parse(&l), "'%s' parses", text);
    const fv_message *m = fv_messages(session);
    cr_assert(m, "'%s': no message", text);
    cr_expect_str_eq(m->text, message);
    cr_expect(m->line == line && m->column == column, "'%s': %d:%d", text, m->line, m->column);
    cr_expect_null(m->next, "said more than once");
    fv_messages_clear(session);
}

Test(ast, operators_bind) {
    same("a + b * c");
    same("(a + b) * c");
    prints("(a * b) + c", "a * b + c");
    same("a - (b - c)");
    prints("(a - b) - c", "a - b - c");
    same("a | b ^ c & d == e < f << g + h * -i");
    same("((((a | b) ^ c) & d) == e) < f");
    same("a || b && c");
    same("-a - -b");
    same("!(a && b) || ~c == d");
    same("a floordiv 4 * 4 + a mod 4 - a ceildiv b % c");
    same("-(a + b)");
}

Test(ast, primaries) {
    same("f()");
    same("fv.Slice(x, [1, -2, []], axis = 0, name = \"a\\n\\\"b\\\"\")");
    same("x[i, j + 1]");
    same("x[]");
    same("`odd name`[i] + `if`");
    same("x[r.., j]");
    same("x[i, j:8]");
    same("0x1.8p3 + 1e-05 + 2.5 + 0xff");
    prints("x [ i ]# a comment\n + # another\n y", "x[i] + y");
}

Test(ast, guards) {
    same("x[i] if i < n else 0");
    same("1 + (x[i] if i < n else 0)");
    same("x[i] else 0.0");
    same("x[i] if c else y[i] if d else z");
    same("f(x[i] if (y[i] if a else b) else c)");
}

Test(ast, an_if_without_else_is_left_alone) {
    fv_lexer l;
    fv_lex_init(&l, session, arena, "x[i] if a[j] if b");
    fv_ast *e = fv_ast_parse(&l);
    cr_assert(e && e->kind == FV_AST_INDEX && !e->cond);
    cr_expect(fv_lex_is(&l, "if"));
    fv_lex_init(&l, session, arena, "x[i]\nif a { } else { }");
    e = fv_ast_parse(&l);
    cr_expect(e && !e->cond && fv_lex_is(&l, "if") && l.tok.newline_before);
}

Test(ast, reductions_reach_far) {
    same("sum k < n: a[i, k] * b[k, j] + c");
    same("(sum k < n, r..: a[k, r..]) + c");
    prints("1 + sum k: x[k]", "1 + (sum k: x[k])");
    same("max k < n + 1: x[k] || y");
    same("max(a, b) + min");
    same("(max k: a) || b");
    prints("exp(x[i] - max k: x[k]) / sum k: exp(x[k]) + 1",
           "exp(x[i] - (max k: x[k])) / (sum k: exp(x[k]) + 1)");
}

Test(ast, errors_have_a_place) {
    fails("", 1, 1, "expected an expression, found the end of the text");
    fails("a +", 1, 4, "expected an expression, found the end of the text");
    fails("a +\n  )", 2, 3, "expected an expression, found ')'");
    fails("f(a, b", 1, 7, "expected ')', found the end of the text");
    fails("x[1", 1, 4, "expected ']', found the end of the text");
    fails("12ab", 1, 1, "malformed number '12a'");
    fails("0x", 1, 1, "malformed number '0x'");
    fails("9223372036854775808", 1, 1, "integer '9223372036854775808' does not fit 64 bits");
    fails("1e999", 1, 1, "number '1e999' is out of range");
    fails("\"abc", 1, 1, "missing closing \"");
    fails("`abc\n`", 1, 1, "missing closing `");
    fails("a + \"b\\q\"", 1, 7, "unknown escape '\\q' in a string");
    fails("a + \001", 1, 5, "unexpected byte 0x01");
    fails("a.b", 1, 4, "expected '(' after 'a.b', found the end of the text");
    fails("sum k < : x", 1, 9, "expected an expression, found ':'");
    fails("a + if", 1, 5, "expected an expression, found 'if'");
}

static char *repeat(const char *s, int n, const char *tail) {
    fv_text t = {.arena = arena};
    for (int i = 0; i < n; i++)
        fv_text_put(&t, s);
    fv_text_put(&t, tail);
    return t.s;
}

Test(ast, depth_is_bounded) {
    fails(repeat("(", 100000, "a"), 1, FV_MAX_EXPR_DEPTH + 1,
          "the expression is nested deeper than 200");
    fails(repeat("-", 100000, "a"), 1, FV_MAX_EXPR_DEPTH + 1,
          "the expression is nested deeper than 200");
    fv_lexer l;
    fv_lex_init(&l, session, arena, repeat("a + ", 100000, "a"));
    cr_expect_null(fv_ast_parse(&l));
    fv_messages_clear(session);
    fv_lex_init(&l, session, arena, repeat("a[0] if ", 150, "a"));
    cr_expect(fv_ast_parse(&l) && fv_lex_is(&l, "if"));
}

Test(ast, integers) {
    fv_lexer l;
    int64_t v = 0;
    fv_lex_init(&l, session, arena, "9223372036854775807 0x8000000000000000 -0xffffffffffffffff");
    cr_expect(fv_lex_int(&l, &v) && v == INT64_MAX);
    cr_expect(fv_lex_int(&l, &v) && v == INT64_MIN);
    cr_expect(fv_lex_int(&l, &v) && v == 1);
}

static void shortest(double v, const char *expected) {
    fv_text t = {.arena = arena};
    fv_text_double(&t, v);
    cr_expect_str_eq(t.s, expected);
}

Test(ast, shortest_decimals) {
    shortest(0.1, "0.1");
    shortest(1.0, "1.0");
    shortest(-0.0, "-0.0");
    shortest(1e30, "1e+30");
    shortest(1.0 / 3, "0.3333333333333333");
    shortest(-1.0 / 0.0, "-inf");
    fv_text t = {.arena = arena};
    fv_text_float(&t, 0.1f);
    fv_text_float(&t, 1.0f / 3);
    cr_expect_str_eq(t.s, "0.10.33333334");
}
