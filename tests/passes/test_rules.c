/* test_rules.c - the notation of rules, their matcher, and the effects of the shipped rules on
 * numbers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph/print.h"
#include "ir/graph/verify.h"
#include "ir/rule/index.h"
#include "ir/rule/parts.h"
#include "passes/check.h"
#include "passes/embedded.h"
#include "passes/passes.h"
#include "tests/passes/support.h"
#include "tests/sample.h"

#define RULES(name) Test(rules, name, .init = open_session, .fini = close_session)

static const fv_rule *rule_of(const char *text) {
    fv_rule *rules;
    int n;
    cr_assert(fv_rules_parse(arena, text, &rules, &n) && n == 1, "%s: %s", text, said());
    return rules;
}

/* ---- checking against random instances ---- */

static void check_rules(const char *text) {
    fv_rule *rules;
    int n;
    cr_assert(fv_rules_parse(arena, text, &rules, &n), "%s", said());
    for (int i = 0; i < n; i++) {
        fv_rule_report report;
        bool ok = fv_rule_check(arena, &rules[i], sample_seed(20240) + (uint64_t)i, 60, &report);
        cr_expect(ok, "%s: %d of %d instances compared; %s\n%s", rules[i].name, report.compared,
                  report.tried, report.declined ? report.declined : "",
                  report.counterexample ? report.counterexample : "no counterexample");
        cr_expect_gt(report.elements, 50, "%s: only %lld elements", rules[i].name,
                     (long long)report.elements);
    }
}

RULES(shipped_ones_hold) {
    check_rules(fv_integers_rules);
    check_rules(fv_simplify_rules);
    check_rules(fv_strength_rules);
}

/* Instances are of every choice, and of results and operands of any number. */
RULES(choices_hold) {
    check_rules("rule a: Abs(optional(Identity, Neg(x))) => Abs(x) exact\n"
                "rule b: Abs(repeated(Identity | Neg, Sin(x))) => Abs(Sin(x)) exact\n"
                "rule c: Concat(xs.., Concat(ys.., axis=a), zs.., axis=a) => Concat(xs.., ys.., "
                "zs.., axis=a) exact\n"
                "rule d: Neg(result(1, Split(Neg(x), axis=a, num_outputs=n))) => result(1, "
                "Split(x, axis=a, num_outputs=n)) exact\n"
                "rule e: result(0, Dropout(x)) where dim(x, -1) == 4, dim(x, 0) > 6 => x exact\n"
                "rule f: Mul(Abs(x), ~1 | ~1.5) where dim(x, -1) <= 9, uses(x) == 1, float(x) => "
                "Abs(x) approximate 0.9\n");
}

/* The smallest counterexample ends with these lines. */
static void caught(const char *rule, const char *end) {
    fv_rule_report report;
    cr_expect_not(fv_rule_check(arena, rule_of(rule), 1, 100, &report), "%s", rule);
    cr_assert(report.counterexample, "%s: %s", rule, report.declined);
    size_t n = strlen(report.counterexample), m = strlen(end);
    cr_expect(n > m && !strcmp(report.counterexample + n - m, end), "%s:\n%s", rule,
              report.counterexample);
}

RULES(wrong_ones_are_caught) {
    caught("rule mul-zero: Mul(x, 0) => 0 exact",
           "as it is[] = -0\nby the rule[] = 0\nelement 0 differs\n");
    caught("rule add-zero: Add(x, 0) where float(x) => x exact", "");
    caught("rule sub-self: Sub(x, x) => 0 exact", "");
    caught("rule relu-is-abs: Relu(x) => Abs(x) rounding", "");
    caught("rule reassociated: Add(Add(x, y), z) => Add(x, Add(y, z)) exact", "");
    caught("rule reciprocal: Div(x, y) => Mul(x, Reciprocal(y)) exact", "");
    caught("rule coarse: Tanh(x) => x approximate 1e-3", "");
    caught("rule transposed: Transpose(x, perm=_) => x exact", "");
    caught("rule ill-typed: Not(x) => Neg(x) exact", "");
    caught("rule either: Abs(Neg(x) | Sin(x)) => Abs(x) exact", "");
    caught("rule skipped: Neg(optional(Abs, x)) => Neg(x) exact", "");
    caught("rule repeated: Neg(repeated(Neg, x)) => Neg(x) exact", "");
    caught("rule order: Concat(x, xs.., axis=a) => Concat(xs.., x, axis=a) exact", "");
    caught("rule first: result(1, Split(x, axis=a, num_outputs=n)) => result(0, Split(x, axis=a, "
           "num_outputs=n)) exact",
           "");
}

RULES(what_a_rule_may_state) {
    fv_rule_report r;
    cr_expect(
        fv_rule_check(arena,
                      rule_of("rule a: Div(x, y) where float(x) => Mul(x, Reciprocal(y)) rounding"),
                      1, 50, &r),
        "%s", r.counterexample);
    cr_expect(
        fv_rule_check(arena,
                      rule_of("rule b: Sigmoid(x) => Div(1, Add(Exp(Neg(x)), 1)) approximate 0.1"),
                      1, 50, &r),
        "%s", r.counterexample);
    cr_expect(
        fv_rule_check(arena, rule_of("rule c: MatMul(x, y) => MatMul(x, y) exact"), 1, 50, &r),
        "%s", r.declined);
}

RULES(what_cannot_be_checked_is_told) {
    fv_rule_report r;
    cr_expect_not(
        fv_rule_check(arena, rule_of("rule r: Relu(x) where rank(x) == 9 => x exact"), 1, 10, &r));
    cr_expect_null(r.counterexample);
    cr_expect_str_eq(r.declined, "rank(x) == 9 does not hold: x is %x: f32[1]");
}

/* ---- what is refused when it is parsed ---- */

static void refused(const char *text, const char *message) {
    fv_rule *rules;
    int n;
    cr_expect_not(fv_rules_parse(arena, text, &rules, &n), "%s", text);
    const char *got = said();
    cr_expect_str_eq(got, message, "%s:\n%s", text, got);
}

RULES(unknown_names) {
    refused("rule a: Mull(x, y) => x exact", "1:9: rule a: there is no op 'Mull'\n");
    refused("rule a: Mul(x, y) => fv.Nothing(x) exact",
            "1:22: rule a: there is no op 'fv.Nothing'\n");
    refused("rule a: Relu(x) => y exact", "1:20: rule a: the pattern captures no 'y'\n");
    refused("rule a: Relu(x) where fancy(x) => x exact",
            "1:23: rule a: there is no condition 'fancy'\n");
    refused("rule a: Relu(x) where const(y) => x exact",
            "1:29: rule a: expected a value that the pattern captures\n");
    refused("rule a: Relu(x) where type(x) == f33 => x exact",
            "1:34: rule a: 'f33' is neither captured nor an element type\n");
    refused("rule a: Relu(x, axis=1) => x exact", "1:17: rule a: Relu has no attribute 'axis'\n");
    refused("rule a: Softmax(x, axis=a) => Softmax(x, axes=a) exact",
            "1:42: rule a: Softmax has no attribute 'axes'\n");
    refused("rule a: Transpose(x, perm=p) => Transpose(x, perm=p[q]) exact",
            "1:53: rule a: 'q' is no list of numbers that the pattern captures\n");
}

RULES(wrong_kinds) {
    refused("rule a: Relu(x, y) => x exact", "1:9: rule a: Relu has 2 operands here, expected 1\n");
    refused("rule a: Add(x) => x exact", "1:9: rule a: Add has 1 operands here, expected 2\n");
    refused("rule a: Relu(x) => Relu(x, x) exact",
            "1:20: rule a: Relu has 2 operands here, expected 1\n");
    refused("rule a: Relu(x) where rank(x) == f32 => x exact",
            "1:31: rule a: a number is compared with an element type\n");
    refused("rule a: Relu(x) where type(x) < f32 => x exact",
            "1:31: rule a: '<' compares numbers only\n");
    refused("rule a: Relu(x) where once(x, x) => x exact",
            "1:23: rule a: once has 2 arguments here, expected 1\n");
    refused("rule a: Softmax(x, axis=\"last\") => x exact",
            "1:25: rule a: attribute 'axis' cannot be that\n");
    refused("rule a: Transpose(x, perm=p) => p exact",
            "1:33: rule a: attribute 'p' is no number\n");
    refused("rule a: Transpose(p, perm=p) => p exact",
            "1:27: rule a: 'p' is captured as another kind of thing before\n");
    refused("rule a: x => x exact", "1:9: rule a: expected an op on the left of =>\n");
    refused("rule a: Relu([1]) => 1 exact", "1:14: rule a: expected an op, a name or a number\n");
}

RULES(wrong_choices) {
    refused("rule a: Relu(Sin(x) | Cos(y)) => x exact",
            "1:34: rule a: the pattern captures no 'x'\n");
    refused("rule a: Sin(x) | Cos(x) => x exact",
            "1:16: rule a: expected an op on the left of =>\n");
    refused("rule a: Relu(~x) => 1 exact", "1:14: rule a: expected a number after ~\n");
    refused("rule a: Relu(~1 / 6) => 1 exact",
            "1:17: rule a: ~ applies to the number after it only: write ~(a / b)\n");
    refused("rule a: Relu(~1) => ~1 exact",
            "1:21: rule a: expected an op, a captured name or a number\n");
    refused("rule a: Relu(optional(Cast)) => 1 exact",
            "1:14: rule a: expected optional(OP, pattern)\n");
    refused(
        "rule a: Relu(optional(1, x)) => x exact",
        "1:23: rule a: expected an op that may be skipped, as Cast or Transpose(perm=[1, 0])\n");
    refused("rule a: Relu(optional(Cas, x)) => x exact", "1:23: rule a: there is no op 'Cas'\n");
    refused("rule a: Relu(repeated(Neg(y), x)) => x exact",
            "1:27: rule a: what may be skipped is an op of one operand, which is left out here\n");
    refused("rule a: Relu(optional(Cast(to=t), x)) => x exact",
            "1:31: rule a: 't' would not be known where nothing is skipped\n");
    refused("rule a: Relu(optional(Cast(too=_), x)) => x exact",
            "1:28: rule a: Cast has no attribute 'too'\n");
}

RULES(wrong_operands_and_results) {
    refused("rule a: Relu(xs..) => 1 exact", "1:9: rule a: Relu has neither optional operands nor "
                                             "any number of them, which `..` stands for\n");
    refused("rule a: Sum(xs..) => xs exact",
            "1:22: rule a: 'xs' stands for operands: write xs..\n");
    refused("rule a: Sum(xs..) => Sum(ys..) exact",
            "1:26: rule a: the pattern captures no 'ys..'\n");
    refused("rule a: Sum(xs, Sum(xs..)) => xs exact",
            "1:21: rule a: 'xs' is captured as another kind of thing before\n");
    refused("rule a: Sum(x, y) where count(x) == 2 => x exact",
            "1:31: rule a: expected operands that the pattern captures, as xs of Concat(xs..)\n");
    refused("rule a: Sum(xs..) where xs == 2 => 1 exact",
            "1:25: rule a: 'xs' stands for operands, and cannot be compared; count(xs) can\n");
    refused("rule a: Sum(xs..) where once(xs) => 1 exact",
            "1:30: rule a: expected a value that the pattern captures\n");
    refused("rule a: result(2, TopK(x, k)) => x exact", "1:16: rule a: TopK has no result 2\n");
    refused("rule a: Relu(result(x, TopK(x, k))) => x exact",
            "1:14: rule a: expected result(i, OP(...)), where i counts from 0\n");
    refused("rule a: Relu(result(-1, TopK(x, k))) => x exact",
            "1:14: rule a: expected result(i, OP(...)), where i counts from 0\n");
    refused("rule a: Relu(x) where dim(x, 0.5) == 1 => x exact",
            "1:30: rule a: expected an axis, as 0 or -1\n");
    refused("rule a: Relu(x) where dim(x) == 1 => x exact",
            "1:23: rule a: cannot be compared; expected a name, a number, rank(x), type(x), "
            "shape(x), dim(x, axis), uses(x) or count(xs)\n");
    refused("rule a: Relu(x) where dim(x, 0) == f32 => x exact",
            "1:33: rule a: a dim is compared with an element type\n");
    refused("rule a: Relu(x) where dim(x, 0) ~ 1 => x exact",
            "1:23: rule a: a dim is compared with a number\n");
}

RULES(syntax) {
    refused("rule a Relu(x) => x exact", "1:12: expected ':', found '('\n");
    refused("rule a: Relu(x) => x",
            "1:21: expected exact, summed, rounding or approximate, found the end of the text\n");
    refused("rule a: Relu(x) x exact", "1:17: expected =>, found 'x'\n");
    refused(
        "rule a: Relu(x) => x approximate",
        "1:33: expected a tolerance such as 1e-3 after approximate, found the end of the text\n");
    refused("\n\n  rule a: Relu(\n", "4:1: expected an expression, found the end of the text\n");
}

/* All rules with unknown names are reported, not only the first one. */
RULES(every_wrong_rule_is_told) {
    refused("rule a: Foo(x) => x exact\nrule b: Relu(x) => x exact\nrule c: Bar(x) => x exact",
            "1:9: rule a: there is no op 'Foo'\n3:9: rule c: there is no op 'Bar'\n");
}

RULES(printed_as_written) {
    static const char text[] =
        "rule r: Mul(x, Erf(Div(x, c))) where c ~ sqrt(2), once(x) => Gelu(x) approximate 0.001";
    fv_text t = {.arena = arena};
    fv_rule_print(&t, rule_of(text));
    cr_assert_str_eq(t.s, text);
}

/* ---- matching ---- */

static const char constants[] =
    "const @one: f32[] = 1.0\nconst @half: f32[] = 0.5\n"
    "const @ones: f32[2] = [1.0, 1.0]\nconst @root: f32[] = 1.41421354\n"
    "const @root_f16: f16[] = 1.4140625\nconst @two: i64[] = 2\nconst @twos: i64[1] = [2]\n";

/* The rule at the last op before the return: what it leaves, or why it does not match. */
static const char *applied(const char *rule, const char *function) {
    fv_module *m = module_of(fv_printf(arena, "%s%s", constants, function));
    fv_mismatch why;
    if (!fv_rule_apply(rule_of(rule), m->funcs->body->last->prev, &why))
        return why.why;
    cr_expect(fv_module_verify(m, "the rule"), "%s", said());
    fv_op *last = m->funcs->body->last;
    fv_value *v = last->in[0];
    return v->kind == FV_VALUE_RESULT ? fv_op_str(arena, v->def)
                                      : fv_printf(arena, "%%%s", v->name);
}

static void gives(const char *rule, const char *function, const char *expected) {
    const char *got = applied(rule, function);
    cr_expect_str_eq(got, expected, "%s\n%s\ngives %s", rule, function, got);
}

#define F(body) "func @main(%x: f32[n], %y: f32[n], %h: f16[n], %i: i64[n]) {" body "}"

RULES(commutative_either_way) {
    const char *rule = "rule r: Mul(x, c) where c == 1 => x exact";
    gives(rule, F("%z = Mul(%x, @one) return %z"), "%x");
    gives(rule, F("%z = Mul(@one, %x) return %z"), "%x");
    gives("rule r: Div(x, c) where c == 1 => x exact", F("%z = Div(@one, %x) return %z"),
          "c == 1 does not hold: c is %x: f32[n]");
}

/* A choice of one op is taken back where another one needs it. */
RULES(commutative_across_ops) {
    const char *rule = "rule r: Mul(Add(x, y), x) => y exact";
    gives(rule, F("%a = Add(%x, %y) %z = Mul(%a, %x) return %z"), "%y");
    gives(rule, F("%a = Add(%y, %x) %z = Mul(%a, %x) return %z"), "%y");
    gives(rule, F("%a = Add(%x, %y) %z = Mul(%y, %a) return %z"), "%x");
    gives("rule r: Add(Mul(a, b), Mul(b, c)) where c == 1 => a exact",
          F("%a = Mul(%x, %y) %b = Mul(@one, %y) %z = Add(%b, %a) return %z"), "%x");
}

RULES(captured_twice) {
    const char *rule = "rule r: Sub(x, x) => x exact";
    gives(rule, F("%z = Sub(%x, %x) return %z"), "%x");
    gives(rule, F("%z = Sub(%x, %y) return %z"), "'x' is x and y");
}

RULES(constants_as_near_as_their_type) {
    const char *rule = "rule r: Div(x, c) where c ~ sqrt(2) => x exact";
    gives(rule, F("%z = Div(%x, @root) return %z"), "%x");
    gives(rule, F("%z = Div(%h, @root_f16) return %z"), "%h");
    gives(rule, F("%z = Div(%x, @one) return %z"),
          "c ~ sqrt(2) does not hold: c is @one = 1.0: f32[]");
    gives(rule, F("%z = Div(%x, %y) return %z"), "c ~ sqrt(2) does not hold: c is %y: f32[n]");
    gives("rule r: Mul(x, 0.5) => x exact", F("%z = Mul(%x, @one) return %z"),
          "'one' is not the constant 0.5");
}

RULES(conditions) {
    gives("rule r: Mul(x, c) where const(c), scalar(c) => x exact",
          F("%z = Mul(%x, @half) return %z"), "%x");
    gives("rule r: Add(x, c) where scalar(c) => x exact", F("%z = Add(%y, %x) return %z"),
          "scalar(c) does not hold: c is %x: f32[n]");
    gives("rule r: Relu(Neg(x)) where int(x) => x exact", F("%a = Neg(%x) %z = Relu(%a) return %z"),
          "int(x) does not hold: x is %x: f32[n]");
    gives("rule r: Relu(x) where type(x) != f16, rank(x) >= 1 => x exact",
          F("%z = Relu(%x) return %z"), "%x");
    gives("rule r: Relu(x) where type(x) != f16 => x exact", F("%z = Relu(%h) return %z"),
          "type(x) != f16 does not hold: x is %h: f16[n]");
    gives("rule r: Softmax(x, axis=a) where last(a, x) => x exact", F("%z = Softmax(%x) return %z"),
          "%x");
    gives("rule r: Relu(x) where once(x) => x exact",
          F("%a = Neg(%x) %b = Abs(%a) %z = Relu(%a) return %z, %b"),
          "once(x) does not hold: x is %a: f32[n] with 2 uses");
    gives("rule r: Transpose(x, perm=p) where identity(p) => x exact",
          "func @main(%x: f32[2, 2]) {%z = Transpose(%x) {perm = [1, 0]} return %z}",
          "identity(p) does not hold: p is [1, 0]");
    gives("rule r: fv.Reshape(x, dims=d) where shape(x) == d => x exact",
          F("%z = fv.Reshape(%x) {dims = [1, n]} return %z"),
          "shape(x) == d does not hold: d is [1, n], x is %x: f32[n]");
}

RULES(attributes) {
    gives("rule r: Gelu(x) => x exact", F("%z = Gelu(%x) {approximate = \"none\"} return %z"),
          "%x");
    gives("rule r: Gelu(x) => x exact", F("%z = Gelu(%x) {approximate = \"tanh\"} return %z"),
          "'z' has another 'approximate' than by default");
    gives("rule r: Gelu(x, approximate=_) => x exact",
          F("%z = Gelu(%x) {approximate = \"tanh\"} return %z"), "%x");
    gives("rule r: Elu(x, alpha=a) => Mul(x, a) exact", F("%z = Elu(%x) {alpha = 0.25} return %z"),
          "%z = Mul(%x, @c) : f32[n]");
    gives("rule r: Transpose(x, perm=[0]) => x exact",
          F("%z = Transpose(%x) {perm = [0]} return %z"), "%x");
    gives("rule r: Transpose(x, perm=p) => x exact", F("%z = Transpose(%x) return %z"),
          "'z' has no attribute 'perm'");
    gives("rule r: LeakyRelu(x, alpha=0.01) => Relu(x) exact", F("%z = LeakyRelu(%x) return %z"),
          "%z = Relu(%x) : f32[n]");
}

RULES(integers_beyond_doubles) {
#define EYE(k) "func @main(%x: f32[2, 2]) {%z = EyeLike(%x) {k = " k "} return %z}"
    gives("rule r: EyeLike(x, k=9007199254740993) => x exact", EYE("9007199254740993"), "%x");
    gives("rule r: EyeLike(x, k=-9007199254740993) => x exact", EYE("-9007199254740993"), "%x");
    gives("rule r: EyeLike(x, k=9007199254740992) => x exact", EYE("9007199254740993"),
          "'z' has another 'k'");
    gives("rule r: EyeLike(x, k=16777216 * 536870912) => x exact", EYE("9007199254740992"), "%x");
    gives("rule r: EyeLike(x, k=16777216 * 536870912) => x exact", EYE("9007199254740993"),
          "'z' has another 'k'");
#undef EYE
}

RULES(alternatives) {
    const char *rule = "rule r: Relu(Sin(x) | Cos(x) | 0.5) => Abs(1) exact",
               *half = "rule r: Mul(x, ~0.5 | Relu(y)) => x exact";
    gives("rule r: Relu(Sin(x) | Cos(x)) => Abs(x) exact",
          F("%a = Sin(%x) %z = Relu(%a) return %z"), "%z = Abs(%x) : f32[n]");
    gives("rule r: Relu(Sin(x) | Cos(x)) => Abs(x) exact",
          F("%a = Cos(%y) %z = Relu(%a) return %z"), "%z = Abs(%y) : f32[n]");
    gives(rule, F("%a = Tan(%y) %z = Relu(%a) return %z"), "'a' is none of Sin(x) | Cos(x) | 0.5");
    gives(half, F("%z = Mul(@half, %x) return %z"), "%x");
    gives(half, F("%a = Relu(%x) %z = Mul(%a, %y) return %z"), "%y");
    gives("rule r: Mul(x, ~0.5) => x exact", F("%z = Mul(@one, %x) return %z"),
          "'x' is no constant of one number, expected one within 2 ulp of 0.5");
    /* the rest of the pattern decides which alternative matches */
    gives("rule r: Add(Neg(x) | Neg(Neg(x)), x) => x exact",
          F("%a = Neg(%x) %b = Neg(%a) %z = Add(%b, %x) return %z"), "%x");
}

RULES(what_may_be_skipped) {
    const char *one = "rule r: Relu(optional(Identity, Neg(x))) => x exact",
               *any = "rule r: Relu(repeated(Identity | Neg, x)) => x exact";
    gives(one, F("%a = Neg(%x) %z = Relu(%a) return %z"), "%x");
    gives(one, F("%a = Neg(%x) %b = Identity(%a) %z = Relu(%b) return %z"), "%x");
    gives(one, F("%a = Neg(%x) %b = Identity(%a) %c = Identity(%b) %z = Relu(%c) return %z"),
          "'b' is Identity, expected Neg");
    gives(any, F("%z = Relu(%x) return %z"), "%x");
    gives(any, F("%a = Neg(%x) %b = Identity(%a) %c = Neg(%b) %z = Relu(%c) return %z"), "%x");
    gives("rule r: Relu(optional(Transpose(perm=[1, 0]), x)) where rank(x) == 1 => x exact",
          F("%a = Transpose(%x) {perm = [0]} %z = Relu(%a) return %z"),
          "%a = Transpose(%x) {perm = [0]} : f32[n]");
    /* fewer are skipped where that lets the rest match */
    gives("rule r: Relu(repeated(Neg, Neg(x))) => x exact",
          F("%a = Neg(%x) %b = Neg(%a) %z = Relu(%b) return %z"), "%x");
}

RULES(any_number_of_operands) {
    const char *flat = "rule r: Concat(xs.., Concat(ys.., axis=a), zs.., axis=a) => Concat(xs.., "
                       "ys.., zs.., axis=a) exact";
    gives(flat, F("%a = Concat(%x, %y) {axis = 0} %z = Concat(%y, %a, %x) {axis = 0} return %z"),
          "%z = Concat(%y, %x, %y, %x) {axis = 0} : f32[n * 4]");
    gives(flat, F("%a = Concat(%x) {axis = 0} %z = Concat(%a) {axis = 0} return %z"),
          "%z = Concat(%x) {axis = 0} : f32[n]");
    gives(flat, F("%a = Concat(%x) {axis = -1} %z = Concat(%a) {axis = 0} return %z"),
          "'a' is 0 and -1");
    gives("rule r: Sum(xs.., Neg(x), ys..) where count(xs) == 1, count(ys) == 0 => x exact",
          F("%a = Neg(%x) %z = Sum(%y, %a) return %z"), "%x");
    gives("rule r: Sum(xs.., x) where count(xs) > 1 => x exact", F("%z = Sum(%y, %x) return %z"),
          "count(xs) > 1 does not hold: xs is [%y]");
    gives("rule r: Add(Sum(xs..), Sum(xs..)) => Sum(xs..) exact",
          F("%a = Sum(%x, %y) %b = Sum(%x, %y) %z = Add(%a, %b) return %z"),
          "%z = Sum(%x, %y) : f32[n]");
    gives("rule r: Add(Sum(xs..), Sum(xs..)) => Sum(xs..) exact",
          F("%a = Sum(%x, %y) %b = Sum(%x, %x) %z = Add(%a, %b) return %z"),
          "'xs..' captures other operands as well");
}

/* Choices within choices come to an end. */
RULES(too_many_choices) {
    fv_text rule = {.arena = arena}, f = {.arena = arena};
    fv_text_put(&rule, "rule r: Sum(");
    for (int i = 0; i < 12; i++)
        fv_text_printf(&rule, "x%d.., ", i);
    fv_text_put(&rule, "0.5) => 1 exact");
    fv_text_put(&f, "func @main(%x: f32[n], %y: f32[n], %h: f16[n], %i: i64[n]) {%z = Sum(%x");
    for (int i = 0; i < 60; i++)
        fv_text_put(&f, ", %x");
    fv_text_put(&f, ") return %z}");
    gives(rule.s, f.s, "there are too many ways in which it could match");
}

/* The other results stay what they were. */
RULES(one_of_several_results) {
    const char *rule = "rule r: Neg(result(1, Split(x, axis=a, num_outputs=_))) => result(1, "
                       "Split(Neg(x), axis=a, num_outputs=2)) exact";
    const char *of = "func @main(%x: f32[4]) {%a, %b = Split(%x) {axis = 0, num_outputs = 2} %z = "
                     "Neg(%b) return %z}";
    gives(rule, of, "%z_2, %z = Split(%z_1) {axis = 0, num_outputs = 2} : f32[2], f32[2]");
    gives(rule, F("%a, %b = Split(%x) {axis = 0, num_outputs = 2} %z = Neg(%a) return %z"),
          "'a' is not result 1 of Split");
    gives(rule, F("%a = Abs(%x) %z = Neg(%a) return %z"), "'a' is Abs, expected Split");
    gives("rule r: result(0, TopK(x, k)) => x exact",
          "func @main(%x: f32[2]) {%v, %i = TopK(%x, @twos) return %i}", "nothing uses 'v'");
    gives("rule r: result(0, TopK(x, k)) => x exact",
          "func @main(%x: f32[2]) {%v, %i = TopK(%x, @twos) return %v, %i}", "%x");
}

RULES(dims_and_uses) {
    gives("rule r: Relu(x) where dim(x, 0) == 3, dim(x, -1) <= 3, dim(x, 0) != 2 => x exact",
          "func @main(%x: f32[3]) {%z = Relu(%x) return %z}", "%x");
    gives("rule r: Add(x, y) where dim(x, 0) == dim(y, 0) => x exact",
          F("%z = Add(%x, %y) return %z"), "%x");
    gives("rule r: Relu(x) where dim(x, 0) >= 1 => x exact", F("%z = Relu(%x) return %z"),
          "dim(x, 0) >= 1 does not hold: x is %x: f32[n]");
    gives("rule r: Relu(x) where dim(x, 0) >= 0 => x exact", F("%z = Relu(%x) return %z"), "%x");
    gives("rule r: Relu(x) where dim(x, 1) >= 0 => x exact", F("%z = Relu(%x) return %z"),
          "dim(x, 1) >= 0 does not hold: x is %x: f32[n]");
    gives("rule r: Relu(x) where dim(x, 0) == 0.5 => x exact", F("%z = Relu(%x) return %z"),
          "dim(x, 0) == 0.5 does not hold: x is %x: f32[n]");
    gives("rule r: Relu(x) where uses(x) == 2 => x exact",
          F("%a = Neg(%x) %b = Abs(%a) %z = Relu(%a) return %z, %b"), "%a = Neg(%x) : f32[n]");
    gives("rule r: Relu(x) where uses(x) > 1 => x exact", F("%a = Neg(%x) %z = Relu(%a) return %z"),
          "uses(x) > 1 does not hold: x is %a: f32[n] with 1 uses");
}

/* The reason is that of the attempt that got furthest. */
RULES(why_not) {
    const char *rule = "rule r: Mul(Mul(x, Add(Erf(y), 1)), 0.5) => x exact";
    gives(rule, F("%z = Relu(%x) return %z"), "'z' is Relu, expected Mul");
    gives(rule, F("%z = Mul(%x, @half) return %z"), "'x' is not the result of Mul");
    gives(rule,
          F("%a = Tanh(%x) %b = Add(%a, @one) %c = Mul(%x, %b) %z = Mul(%c, @half) return %z"),
          "'a' is Tanh, expected Erf");
    gives(rule,
          F("%a = Erf(%x) %b = Add(@half, %a) %c = Mul(%x, %b) %z = Mul(%c, @half) return %z"),
          "'half' is not the constant 1");
    gives("rule r: Concat(x, y, axis=_) => x exact",
          F("%z = Concat(%x, %x, %x) {axis = 0} return %z"), "'z' has 3 operands");
    gives("rule r: fv.Reshape(x) => x exact", F("%z = Relu(%x) return %z"),
          "'z' is Relu, expected fv.Reshape");
}

/* A failed match reports what it had captured, and how many parts of the pattern matched. */
RULES(how_far) {
    fv_module *m =
        module_of(fv_printf(arena, "%s%s", constants,
                            F("%a = Erf(%x) %b = Add(@half, %a) %z = Mul(%y, %b) return %z")));
    const fv_rule *rule =
        rule_of("rule r: Mul(x, Add(Erf(y), c)) where rank(y) == 1, c == 1 => x exact");
    fv_mismatch why;
    cr_expect_not(fv_rule_matches(rule, m->funcs->body->last->prev, &why));
    cr_expect_eq(why.parts, 7);
    cr_expect_eq(fv_rule_parts(rule), 8);
    cr_expect_str_eq(why.captured, "x is %y: f32[n], y is %x: f32[n], c is @half = 0.5: f32[]");
    cr_expect_str_eq(why.why, "c == 1 does not hold: c is @half = 0.5: f32[]");
}

static bool refuse(void *user, const fv_rule *r, const fv_op *op) {
    (void)r;
    (void)op;
    ++*(int *)user;
    return false;
}

/* The gate is called only if everything else matches, and once. */
RULES(asked_before_it_is_applied) {
    fv_module *m = module_of(
        fv_printf(arena, "%s%s", constants, F("%a = Mul(%x, @one) %z = Mul(%a, @half) return %z")));
    const fv_rule *rule = rule_of("rule r: Mul(x, c) where c == 1 => x exact");
    int asked = 0;
    cr_expect_not(fv_rule_apply_if(rule, m->funcs->body->last->prev, refuse, &asked, NULL));
    cr_expect_eq(asked, 0);
    cr_expect_not(fv_rule_apply_if(rule, m->funcs->body->first, refuse, &asked, NULL));
    cr_expect_eq(asked, 1);
    cr_expect_str_eq(fv_op_str(arena, m->funcs->body->last->prev), "%z = Mul(%a, @half) : f32[n]");
}

/* A rule never changes a type or shape. */
RULES(type_stays) {
    gives("rule r: Mul(x, c) where c == 1 => x exact", F("%z = Mul(%x, @ones) return %z"),
          "the right side is f32[n], expected f32[2]");
    gives("rule r: Cast(x, to=_) => x exact", F("%z = Cast(%x) {to = 7} return %z"),
          "the right side is f32[n], expected i64[n]");
}

/* ---- rules that come to no end ---- */

static void endless(const char *text, const char *function, const char *message) {
    fv_rule *rules;
    int n;
    cr_assert(fv_rules_parse(arena, text, &rules, &n), "%s", said());
    fv_pass_run r = {.module = module_of(function), .arena = arena};
    bool ok = fv_apply_rules(&r, rules, n, FV_ROUNDING);
    cr_expect_eq(ok, !*message, "%s", text);
    cr_expect(fv_module_verify(r.module, "the rules"));
    const char *got = said();
    cr_expect_eq(strncmp(got, message, strlen(message)), 0, "%s: %s", text, got);
}

RULES(endless_ones_are_stopped) {
    const char *neg = F("%z = Neg(%x) return %z"), *add = F("%z = Add(%x, %y) return %z");
    endless("rule turn: Add(x, y) => Add(y, x) exact", add,
            "the rules come to no end: 'turn' still applies;");
    endless("rule ping: Neg(x) => Sub(0, x) rounding rule pong: Sub(0, x) => Neg(x) rounding", neg,
            "the rules come to no end: 'pong' and 'ping' still apply; what one of them makes, it "
            "or another takes back");
    endless("rule grow: Neg(x) => Neg(Neg(Neg(x))) exact", neg, "the rules come to no end: 'grow'");
    endless("rule double: Add(x, y) => Add(Add(x, y), Add(y, x)) rounding", add,
            "the rules come to no end: 'double'");
    endless("rule twice: Neg(Neg(x)) => x exact rule abs: Abs(Neg(x)) => Abs(x) exact",
            F("%a = Neg(%x) %b = Neg(%a) %c = Neg(%b) %d = Neg(%c) %e = Neg(%d) %z = Abs(%e) "
              "return %z"),
            "");
}

/* ---- many rules ---- */

static const char *const unary[] = {
    "Abs",  "Neg",      "Exp",      "Log",   "Sqrt",  "Tanh", "Sigmoid",   "Relu",
    "Erf",  "Sin",      "Cos",      "Tan",   "Asin",  "Acos", "Atan",      "Sinh",
    "Cosh", "Asinh",    "Acosh",    "Atanh", "Floor", "Ceil", "Round",     "Reciprocal",
    "Sign", "Softplus", "Softsign", "Elu",   "Selu",  "Celu", "HardSwish", "Mish"};
enum { UNARY = sizeof unary / sizeof *unary, OPS = 10000 };

/* One for each two of them in a row, none of which holds but for Neg(Neg(x)). */
static int pairs(fv_rule **rules) {
    fv_text t = {.arena = arena};
    int n;
    for (int i = 0; i < UNARY; i++)
        for (int k = 0; k < UNARY; k++)
            fv_text_printf(&t, "rule r%d-%d: %s(%s(x)) where rank(x) == %d => x exact\n", i, k,
                           unary[i], unary[k], i == 1 && k == 1 ? 1 : 9);
    cr_assert(fv_rules_parse(arena, t.s, rules, &n), "%s", said());
    return n;
}

/* The number of attempts does not depend on how many rules there are for other ops: in each of two
 * rounds only the rules of the two ops are tried. */
RULES(a_thousand_on_ten_thousand_ops) {
    fv_rule *rules;
    fv_text t = {.arena = arena};
    int n = pairs(&rules);
    cr_assert_gt(n, 1000);
    fv_text_put(&t, "func @main(%v0: f32[n]) -> (%y) {");
    for (int i = 0; i < OPS; i++)
        fv_text_printf(&t, "%%v%d = %s(%%v%d)\n", i + 1, unary[(i / UNARY * 7 + i) % UNARY], i);
    fv_text_printf(&t, "%%y = Neg(%%v%d) return %%y}", OPS);
    fv_pass_run r = {.module = module_of(t.s), .arena = arena};
    cr_assert(fv_apply_rules(&r, rules, n, FV_ROUNDING), "%s", said());
    cr_expect_leq(r.tried, 2 * (OPS + 1));
    cr_expect_geq(r.tried, OPS);
}

/* The index leaves out nothing that matches, and keeps the order of the rules. */
RULES(indexed_as_they_stand) {
    static const char text[] = "rule two: Mul(x, 2) => x exact rule add: Mul(Add(x, y), z) => x "
                               "exact rule any: Mul(x, y) => x exact "
                               "rule one: Mul(1, x) => x exact rule neg: Mul(x, Neg(y)) => x exact "
                               "rule not: Add(x, y) => x exact";
    static const char *const cases[][2] = {
        {"%z = Mul(%x, %y)", "any "},
        {"%z = Mul(%x, @one)", "two any one "},
        {"%z = Mul(@one, %x)", "two any one "},
        {"%v = fv.Reshape(@one) {dims = [1, 1]} %z = Mul(%x, %v)", "two any one "},
        {"%v = Transpose(@one) %z = Mul(%v, %x)", "two any one "},
        {"%a = Add(%x, %y) %z = Mul(%y, %a)", "add any "},
        {"%a = Neg(%x) %b = Add(%x, %y) %z = Mul(%a, %b)", "add any neg "},
        {"%a = Neg(%x) %z = Mul(%a, @one)", "two any one neg "},
        {"%z = Add(%x, %y)", "not "},
        {"%z = Sub(%x, %y)", ""}};
    fv_rule *rules;
    int n;
    cr_assert(fv_rules_parse(arena, text, &rules, &n), "%s", said());
    const fv_rule_index *index = fv_rule_index_new(arena, rules, n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_module *m =
            module_of(fv_printf(arena, "%sfunc @main(%%x: f32[n], %%y: f32[n]) {%s return %%z}",
                                constants, cases[i][0]));
        fv_text t = {.arena = arena};
        fv_text_put(&t, "");
        for (int k = -1; (k = fv_rule_index_next(index, m->funcs->body->last->prev, k)) >= 0;)
            fv_text_printf(&t, "%s ", rules[k].name);
        cr_expect_str_eq(t.s, cases[i][1], "%s: %s", cases[i][0], t.s);
    }
}

/* ---- rules as the meaning of an op ---- */

static const char *expanded(const char *function, const char *op, const char *meaning) {
    fv_module *m = module_of(function);
    fv_op *at = find_op(m, op);
    fv_rewriter w = fv_rewriter_at(at);
    if (!fv_rule_expand(&w, at, meaning) || w.failed)
        return said();
    cr_expect(fv_module_verify(m, "the rule"), "%s", said());
    return strchr(fv_op_str(arena, m->funcs->body->last->in[0]->def), '=') + 2;
}

/* The rules of the catalogue name existing operators only. */
RULES(catalogue) {
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        fv_body body;
        if (d->rule)
            cr_expect(fv_body_parse(arena, d, d->name, d->rule, &body), "%s", said());
        if (d->body)
            cr_expect(fv_body_find(session, d, d->body), "%s: %s", d->name, said());
    }
}

/* Does a definition of that name expand the op? A further expansion of an op has its name, followed
 * by "In" and more. */
static bool expands(const fv_opdef *d, const char *name) {
    size_t n = strlen(d->name);
    return d->body ? !strcmp(d->body, name)
                   : d->decompose && !strncmp(d->name, name, n) &&
                         (!name[n] || !strncmp(name + n, "In", 2));
}

/* The op whose meaning it is, and whose attributes it may name; NULL: a definition for others. */
static const fv_opdef *meant_by(const char *name) {
    for (int i = 0; fv_op_families[i]; i++)
        for (const fv_opdef *d = fv_op_families[i]; d->name; d++)
            if (expands(d, name))
                return d;
    return NULL;
}

static int check_definitions(const char *text) {
    int n = 0;
    for (const char *at = text; *at; at += fv_body_bytes(at)) {
        const char *name = fv_strndup(arena, at, strcspn(at, "(\n"));
        if (*at == '#' || *at == '\n')
            continue;
        cr_expect(fv_body_text(name) == at, "%s is defined twice", name);
        cr_expect(fv_body_find(session, meant_by(name), name), "%s: %s", name, said());
        n++;
    }
    return n;
}

/* Every text of expansions parses, and names existing operators only. */
RULES(definitions) {
    for (int i = 0; fv_body_texts[i]; i++)
        cr_expect_gt(check_definitions(*fv_body_texts[i]), 0);
}

RULES(meanings) {
    cr_expect_str_eq(
        expanded(F("%z = Mish(%x) return %z"), "Mish", "Mish(a) => Mul(a, Tanh(Softplus(a)))"),
        "Mul(%x, %z_2) : f32[n]");
    cr_expect_str_eq(expanded(F("%z = Elu(%x) return %z"), "Elu", "Elu(a) => Celu(a, alpha=alpha)"),
                     "Celu(%x) {alpha = 1.0} : f32[n]");
    cr_expect_str_eq(expanded(F("%z = Mish(%x) return %z"), "Mish", "Mish(a) => Mul(a, Tanhh(a))"),
                     "1:19: rule Mish: there is no op 'Tanhh'\n");
}

#define MISH(text) expanded(F("%z = Mish(%x) return %z"), "Mish", "Mish(a[d..]) => " text)

/* The notation of definitions: names, dims, lists, conditions, types. */
RULES(meanings_of_several_lines) {
    cr_expect_str_eq(MISH("t = Tanh(a); a * (t + t)"), "Mul(%x, %z_2) : f32[n]");
    cr_expect_str_eq(MISH("t = u + 1; u = Neg(a); t"), "Add(%z_1, @c) : f32[n]");
    cr_expect_str_eq(MISH("Y = select(rank(a) == 1, -a, Exp(a))"), "Neg(%x) : f32[n]");
    cr_expect_str_eq(MISH("Y = select(type(a) == f16, -a, has(_), a, Exp(a))"), "Exp(%x) : f32[n]");
    cr_expect_str_eq(MISH("f32(f16(a))"), "Cast(%z_1) {to = 1} : f32[n]");
    cr_expect_str_eq(MISH("flat(transpose(reshape(a, [d, 1, 1]), [0, 2, 1]))"),
                     "fv.Reshape(%z_2) {dims = [n]} : f32[n]");
    cr_expect_str_eq(MISH("l = [d, 1]; Neg(expand(a, l[[0]])) * f32(product(l)) / 2"),
                     "Div(%z_4, @c) : f32[n]");
    cr_expect_str_eq(MISH("p, q = TopK(a, [dim(a, -1)]); p"), "TopK(%x, %z_1) : f32[n], i64[n]");
    cr_expect_str_eq(MISH("Neg(slice(a, 0, 0, product(d)))"), "Neg(%x) : f32[n]");
    cr_expect_str_eq(MISH("t + a"), "1:17: rule Mish: there is no 't'\n");
    cr_expect_str_eq(MISH("t = a; t = a; t"), "1:28: rule Mish: 't' is named twice\n");
    cr_expect_str_eq(MISH("t = t + 1; t"),
                     "the expansion 'Mish', line 1: expected a name that does not need itself, "
                     "found nothing\n");
    cr_expect_str_eq(MISH("reshape(a, 1)"),
                     "the expansion 'Mish', line 1: expected a list, found a dim\n");
    cr_expect_str_eq(MISH("dim(a, 1) * a"),
                     "the expansion 'Mish', line 1: expected an axis of the value, found "
                     "nothing\n");
}
