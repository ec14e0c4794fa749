/* The dims of a module after equalities were assumed: text in, text out. */
#include "ir/graph/settle.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ir/base/text.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/graph/verify.h"
#include "tests/kernel/support.h"

TestSuite(settle, .init = open_session, .fini = close_session);

static fv_module *parsed(const char *text) {
    fv_module *m = fv_module_parse(session, text, NULL);
    cr_assert(m != NULL, "%s\n%s", text, said());
    return m;
}

static const char *printed(const fv_module *m) {
    fv_text t = {.arena = arena};
    fv_module_print_whole(&t, m);
    return t.s;
}

static void becomes(const char *text, const char *expected) {
    fv_module *m = parsed(text);
    fv_module_settle(m);
    cr_assert(fv_module_verify(m, "settle"));
    const char *got = printed(m);
    cr_expect_str_eq(got, expected, "%s\ninstead of\n%s", got, expected);
    fv_module *again = parsed(got);
    cr_expect_str_eq(printed(again), got, "it reads back to itself");
    fv_module_settle(again);
    cr_expect_str_eq(printed(again), got, "and stays as it is");
}

#define TWO  "fovea-ir 1\nmodule \"model\"\nsymbol n 0..1099511627776\nsymbol s 0..1099511627776\n"
#define HEAD TWO "symbol t 0..1099511627776\n"

Test(settle, types_and_attributes) {
    becomes(TWO "func @main(%t: f32[n, 8], %x: f32[4, s]) -> (%y, %z) {\n"
                "  %a = fv.Slice(%t) {start = [0, 0], step = [1, 1], dims = [min(s, n), 8]}\n"
                "  %y = MatMul(%x, %a)\n  %z = Exp(%a)\n  return %y, %z\n}\n",
            TWO
            "assume s == min(n, s) \"inner dims of a matrix product\"\n"
            "func @main(%t: f32[n, 8], %x: f32[4, s]) -> (%y, %z) {\n"
            "  %a = fv.Slice(%t) {start = [0, 0], step = [1, 1], dims = [s, 8]} : f32[s, 8]\n"
            "  %y = MatMul(%x, %a) : f32[4, 8]\n  %z = Exp(%a) : f32[s, 8]\n  return %y, %z\n}\n");
}

Test(settle, contents_of_shapes) {
    becomes(TWO "assume max(n, s) == n \"why\"\nfunc @main(%t: f32[max(n, s), 8]) -> (%y) {\n"
                "  %y = Shape(%t)\n  return %y\n}\n",
            TWO "assume max(n, s) == n \"why\"\n"
                "func @main(%t: f32[n, 8]) -> (%y) {\n  %y = Shape(%t) : i64[2] = [n, 8]\n  return "
                "%y\n}\n");
}

/* One of several relations is checked, and what it implies is not. */
Test(settle, what_is_implied_is_gone) {
    becomes(HEAD
            "assume max(min(n, s), t) == t \"implied\"\nassume max(s, t) == t \"rests\"\nassume "
            "min(n, s) == s \"first\"\n"
            "assume broadcast(min(n, s), 2 * t) == s \"other\"\nassume s == min(n, s) \"again\"\n"
            "func @main(%t: f32[n, s, t]) -> (%t) {\n  return %t\n}\n",
            HEAD "assume max(s, t) == t \"rests\"\nassume min(n, s) == s \"first\"\n"
                 "assume broadcast(s, t * 2) == s \"other\"\nfunc @main(%t: f32[n, s, t]) -> (%t) "
                 "{\n  return %t\n}\n");
}

/* Sums and symbols stay as they are written: a caller gives symbols. */
Test(settle, symbols_stay) {
    static const char *const text =
        HEAD "assume n * 2 == s \"why\"\nassume t == 4 \"why\"\n"
             "func @main(%t: f32[n * 2, s, t]) -> (%t) {\n  return %t\n}\n";
    becomes(text, text);
}

/* What holds in the runs that take a branch changes nothing elsewhere. */
Test(settle, branches) {
    fv_module *m = parsed(HEAD "const @other: f32[1, 1] = [2]\nfunc @main(%c: bool[], %t: "
                               "f32[min(n, s), 8], %x: f32[4, s]) -> (%y) {\n"
                               "  %y = If(%c) {then_branch = ^() {\n    %a = MatMul(%x, %t)\n    "
                               "return %a\n  }, else_branch = ^() {\n"
                               "    return @other\n  }}\n  return %y\n}\n");
    fv_module_settle(m);
    cr_expect(strstr(printed(m), "f32[min(n, s), 8]") != NULL, "%s", printed(m));
}
