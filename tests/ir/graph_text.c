/* Graph IR as text: what is printed parses and prints the same; errors have a position. */
#include "ir/catalogue/op.h"
#include "ir/graph/graph.h"
#include "ir/graph/infer.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/graph/verify.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static fv_session *session;
static fv_arena *arena;

static void setup(void) {
    session = fv_session_new();
    arena = fv_arena_new(session);
}
static void teardown(void) {
    fv_session_free(session);
}
TestSuite(graph_text, .init = setup, .fini = teardown);

static const char *all_messages(void) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(session); m; m = m->next)
        fv_text_printf(&t, "%s\n", fv_message_str(arena, m));
    return t.s;
}

static fv_module *parse(const char *text) {
    fv_module *m = fv_module_parse(session, text, NULL);
    cr_assert(m != NULL, "%s\n%s", text, all_messages());
    return m;
}

static const char *print(const fv_module *m) {
    fv_text t = {.arena = arena};
    fv_module_print(&t, m, NULL, NULL);
    return t.s;
}

/* `text` reads and prints as `expected`, which prints as itself; and is legal. */
static void prints(const char *text, const char *expected) {
    fv_module *m = parse(text);
    cr_expect_str_eq(print(m), expected);
    cr_expect(fv_module_verify(m, NULL), "%s", all_messages());
    cr_expect_str_eq(print(parse(expected)), expected);
}

static void same(const char *text) {
    prints(text, text);
}

#define HEAD "fovea-ir 1\nmodule \"m\"\n"

Test(graph_text, dense_layer) {
    same(HEAD "symbol batch 0..1099511627776\n"
              "const @w: f32[3, 2] = [1.0, -2.5, 0.1, inf, nan, 1e-45]\n"
              "const @b: f32[2] = [0.0, -0.0]\n"
              "func @main(%x: f32[batch, 3]) -> (%y) {\n"
              "  %h = MatMul(%x, @w) : f32[batch, 2]    loc(\"/dense/MatMul\")\n"
              "  %s = Add(%h, @b) : f32[batch, 2]    loc(\"/dense/Add\", \"/fused \\\"one\\\"\")\n"
              "  %y = Relu(%s) : f32[batch, 2]\n"
              "  return %y\n"
              "}\n");
}

Test(graph_text, types_may_be_left_out) {
    prints("fovea-ir 1 func @main(%x: f32[n, 4], %z: f32[4]) { %s = Add(%x, %z) return %s, %x }",
           "fovea-ir 1\nmodule \"model\"\n"
           "symbol n 0..1099511627776\n"
           "func @main(%x: f32[n, 4], %z: f32[4]) {\n"
           "  %s = Add(%x, %z) : f32[n, 4]\n"
           "  return %s, %x\n"
           "}\n");
}

Test(graph_text, odd_names) {
    same("fovea-ir 1\nmodule \"a \\\"b\\\"\" \"0123abcd\"\n"
         "symbol `past.len` 0..8\n"
         "symbol `mod` 1..4\n"
         "const @`/layer.0/w`: i64[2] = [9223372036854775807, -0x8000000000000000]\n"
         "func @main(%`x:0`: f32[`mod` * `past.len`], %_: f32[]) -> (%`out \\` put`, %b) {\n"
         "  %`if` = Relu(%`x:0`) : f32[`mod` * `past.len`]\n"
         "  return %`if`, %_\n"
         "}\n"
         "");
}

Test(graph_text, contents_of_every_type) {
    same(HEAD "const @a: u8[2, 2] = [0, 1, 254, 255]\n"
              "const @b: i4[3] = [-8, 0, 7]\n"
              "const @c: u2[5] = [0, 1, 2, 3, 1]\n"
              "const @d: bool[] = true\n"
              "const @e: bool[2] = [false, true]\n"
              "const @f: f16[3] = [65504.0, 5.9604645e-08, -inf]\n"
              "const @g: bf16[1] = [3.3895314e+38]\n"
              "const @h: f8e4m3fn[2] = [448.0, 0.001953125]\n"
              "const @i: f8e4m3fnuz[2] = [224.0, 0.0009765625]\n"
              "const @j: f8e5m2[3] = [57344.0, inf, nan]\n"
              "const @k: f8e5m2fnuz[1] = [57344.0]\n"
              "const @l: f4e2m1[8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, -6.0]\n"
              "const @m: f8e8m0[2] = [1.0, 1.7014118e+38]\n"
              "const @n: f64[2] = [0.1, 5e-324]\n"
              "const @o: u64[2] = [0x8000000000000000, 1]\n"
              "const @p: c64[2] = [1.0, -2.0, 0.5, inf]\n"
              "const @q: c128[] = [1.0, 0.25]\n"
              "const @r: string[2] = [\"\", \"a\\\"\\n\\x00\"]\n"
              "const @s: f32[0, 3] = []\n"
              "const @t: i64[] = -7\n"
              "func @main() {\n"
              "  return\n"
              "}\n");
}

Test(graph_text, all_types_of_values) {
    same(HEAD "symbol n 0..1099511627776\n"
              "func @main(%a: seq(f32[n]), %b: optional(seq(i64[])), %c: map(i64, string[])) {\n"
              "  return %a, %b, %c\n"
              "}\n");
}

Test(graph_text, attributes_and_left_out_operands) {
    same(HEAD "symbol n 0..1099511627776\n"
              "const @hi: f32[] = 6.0\n"
              "func @main(%x: f32[n, 2, 6]) {\n"
              "  %a = LeakyRelu(%x) {alpha = 0.2} : f32[n, 2, 6]\n"
              "  %b = Transpose(%a) {perm = [2, 0, 1]} : f32[6, n, 2]\n"
              "  %c = Clip(%b, _, @hi) : f32[6, n, 2]\n"
              "  %d = fv.Reshape(%c) {dims = [n * 2, 6]} : f32[n * 2, 6]\n"
              "  return %d\n"
              "}\n");
    prints(HEAD "func @main(%x: f32[2]) { %y = LeakyRelu(%x) {alpha = 1} return %y }",
           HEAD "func @main(%x: f32[2]) {\n"
                "  %y = LeakyRelu(%x) {alpha = 1.0} : f32[2]\n"
                "  return %y\n"
                "}\n");
}

Test(graph_text, elements_symbols_and_assumptions) {
    same(HEAD "symbol past 0..4096\n"
              "symbol seq 1..4096\n"
              "symbol total 0..1099511627776\n"
              "symbol k -5..5 data\n"
              "assume past + seq == total \"one name, one value\"\n"
              "assume min(past, 5) == past \"a bound, node 'n'\" \"past is 5 at most\"\n"
              "func @main(%s: i64[2] = [k, seq], %x: f32[past + seq]) {\n"
              "  fv.Bind(%s) {symbols = [k]}\n"
              "  %t = Add(%s, %s) : i64[2] = [k * 2, seq * 2]\n"
              "  return %t\n"
              "}\n");
}

Test(graph_text, several_functions) {
    same(HEAD "func @main(%x: f32[2]) {\n  return %x\n}\n"
              "func @`other one`() {\n  return\n}\n");
}

Test(graph_text, declared_dims_win_over_inferred) {
    same(HEAD "symbol a 0..1099511627776\n"
              "symbol b 0..1099511627776\n"
              "assume a == b \"declared shape\"\n"
              "func @main(%x: f32[a]) {\n"
              "  %y = Relu(%x) : f32[b]\n"
              "  return %y\n"
              "}\n");
}

Test(graph_text, large_constants_are_elided) {
    prints(HEAD "func @main() { return }", HEAD "func @main() {\n  return\n}\n");
    fv_module *m = parse(HEAD "func @main() { return }");
    fv_const_new(m, "w", fv_tensor_new(m->arena, FV_F32, 1, (int64_t[]){17}));
    cr_expect_str_eq(print(m), HEAD "const @w: f32[17] = ...\nfunc @main() {\n  return\n}\n");
}

Test(graph_text, large_constants_in_a_side_file) {
    fv_module *m = parse(HEAD "func @main() { return }");
    fv_tensor *a = fv_tensor_new(m->arena, FV_F32, 2, (int64_t[]){3, 7});
    fv_tensor *b = fv_tensor_new(m->arena, FV_I4, 1, (int64_t[]){33});
    for (size_t i = 0; i < a->count; i++)
        fv_tensor_set_float(a, i, (double)i / 8);
    for (size_t i = 0; i < b->count; i++)
        fv_tensor_set_int(b, i, (int64_t)(i % 16) - 8);
    fv_const_new(m, "a", a);
    fv_const_new(m, "b", b);
    fv_text t = {.arena = arena};
    fv_graph_side side = {.arena = arena};
    fv_module_print(&t, m, "m.bin", &side);
    cr_expect_str_eq(t.s, HEAD "const @a: f32[3, 7] = file \"m.bin\" 0 84\n"
                               "const @b: i4[33] = file \"m.bin\" 128 17\n"
                               "func @main() {\n  return\n}\n");
    char folder[] = "/tmp/fovea-test-XXXXXX";
    cr_assert(mkdtemp(folder) != NULL);
    const char *path = fv_printf(arena, "%s/m.bin", folder);
    FILE *f = fopen(path, "wb");
    cr_assert(f && fv_graph_side_write(&side, f));
    fclose(f);
    fv_module *back = fv_module_parse(session, t.s, folder);
    cr_assert(back != NULL, "%s", all_messages());
    cr_expect(fv_tensor_equal(back->consts[0]->tensor, a));
    cr_expect(fv_tensor_equal(back->consts[1]->tensor, b));
    fv_module_free(back);
    cr_expect_null(
        fv_module_parse(session, "fovea-ir 1 const @a: f32[20] = file \"m.bin\" 100 80", folder));
    cr_expect_null(
        fv_module_parse(session, "fovea-ir 1 const @a: f32[20] = file \"../m.bin\" 0 80", folder));
    cr_expect_null(
        fv_module_parse(session, "fovea-ir 1 const @a: f32[20] = file \"n.bin\" 0 80", folder));
    cr_expect_str_eq(
        all_messages(),
        fv_printf(
            arena,
            "1:37: error: 80 bytes at offset 100 are outside the file 'm.bin' of 145\n"
            "1:37: error: the name '../m.bin' is not that of a file in the folder of the text\n"
            "1:37: error: cannot open '%s/n.bin': No such file or directory\n",
            folder));
    remove(path);
    rmdir(folder);
}

Test(graph_text, large_constants_in_the_text) {
    fv_module *m = parse(HEAD "func @main() { return }");
    fv_tensor *a = fv_tensor_new(m->arena, FV_F16, 1, (int64_t[]){17});
    fv_tensor *b = fv_tensor_new(m->arena, FV_I4, 1, (int64_t[]){33});
    for (size_t i = 0; i < a->count; i++)
        fv_tensor_set_float(a, i, (double)i / 8);
    for (size_t i = 0; i < b->count; i++)
        fv_tensor_set_int(b, i, (int64_t)(i % 16) - 8);
    fv_const_new(m, "a", a);
    fv_const_new(m, "b", b);
    cr_expect(fv_module_is_elided(m));
    fv_text t = {.arena = arena};
    fv_module_print_whole(&t, m);
    cr_expect_str_eq(t.s, HEAD "const @a: f16[17] = hex \"00000030003400360038003900"
                               "3a003b003c803c003d803d003e803e003f803f0040\"\n"
                               "const @b: i4[33] = hex \"98badcfe1032547698badcfe1032547608\"\n"
                               "func @main() {\n  return\n}\n");
    fv_module *back = fv_module_parse(session, t.s, NULL);
    cr_assert(back != NULL, "%s", all_messages());
    cr_expect(fv_tensor_equal(back->consts[0]->tensor, a));
    cr_expect(fv_tensor_equal(back->consts[1]->tensor, b));
    fv_module_free(back);
}

/* ---- faults ---- */

static void fault(const char *text, const char *message) {
    fv_messages_clear(session);
    fv_module *m = fv_module_parse(session, text, NULL);
    cr_expect_null(m, "parses: %s", text);
    cr_expect_str_eq(all_messages(), fv_printf(arena, "%s\n", message));
}

Test(graph_text, faults_of_bytes) {
    fault(
        "fovea-ir 1 const @a: f32[1] = hex \"00000\"",
        "1:35: error: a string of bytes has an even number of hexadecimal digits and nothing else");
    fault(
        "fovea-ir 1 const @a: f32[1] = hex \"0000000g\"",
        "1:35: error: a string of bytes has an even number of hexadecimal digits and nothing else");
    fault("fovea-ir 1 const @a: f32[1] = hex \"0000\"",
          "1:35: error: 2 bytes in the text, the type has 4");
    fault("fovea-ir 1 const @a: f32[1] = hex 0",
          "1:35: error: expected hexadecimal digits in quotes, found '0'");
    fault("fovea-ir 1 const @a: string[1] = hex \"00\"",
          "1:38: error: expected strings, found bytes");
}

Test(graph_text, faults_of_the_module) {
    fault("", "1:1: error: expected 'fovea', found the end of the text");
    fault("fovea-ir 9", "1:10: error: format 9 is not known; this is a reader of format 1");
    fault("fovea-ir 1", "1:11: error: there is no function");
    fault("fovea-ir 1\nfunk",
          "2:1: error: expected 'symbol', 'assume', 'const' or 'func', found 'funk'");
    fault("fovea-ir 1 symbol n 5..3\n", "2:1: error: the bounds 5..3 of 'n' are empty");
    fault("fovea-ir 1 symbol n 0..3 symbol n 0..3",
          "1:39: error: symbol 'n' is declared twice, or after its use");
    fault("fovea-ir 1 assume 3 == 4 \"no\"", "1:26: error: 3 and 4 are never equal: no");
    fault("fovea-ir 1 assume 3 == 4 \"no\" \"3 is 4\"",
          "1:26: error: it never holds that 3 is 4: no");
    fault("fovea-ir 1 assume 3 = 4", "1:21: error: expected '==', found '='");
    fault("fovea-ir 1 func @f() { return } func @f() { return }",
          "1:40: error: function @f is defined twice");
    fault("fovea-ir 1 func @f() -> (%a) { return }",
          "1:40: error: @f names 1 results and returns 0");
    fault("fovea-ir 1 func @f() { ", "1:24: error: expected 'return', found the end of the text");
    fault("fovea-ir 1 func @f() { return } }",
          "1:33: error: expected 'symbol', 'assume', 'const' or 'func', found '}'");
}

/* Bounds that leave no legal size of a broadcast: `op` of %x: f32[n, 3, 3], %y: f32[4, 3, 3], n
 * 5..10. */
static void never_broadcasts(const char *op, const char *message) {
    const char *text =
        fv_printf(arena,
                  "fovea-ir 1\nsymbol n 5..10\n"
                  "func @main(%%x: f32[n, 3, 3], %%y: f32[4, 3, 3], %%p: bool[n, 1, 1],\n"
                  "           %%c: f32[n, 3], %%s: f32[4]) -> (%%r) {\n"
                  "%%r = %s\nreturn %%r }",
                  op);
    fault(text, fv_printf(arena, "5:1: error: node '%%r' (%.*s): %s", (int)strcspn(op, "("), op,
                          message));
}

Test(graph_text, broadcasts_that_bounds_exclude) {
    static const char *const both[] = {"Add(%x, %y)",
                                       "Mul(%x, %y)",
                                       "Max(%x, %x, %y)",
                                       "Sum(%x, %y)",
                                       "Where(%p, %x, %y)",
                                       "MatMul(%x, %y)",
                                       "fv.MatMul(%x, %y)",
                                       "Einsum(%x, %y) {equation = \"...ij,...jk->...ik\"}",
                                       NULL};
    for (int i = 0; both[i]; i++)
        never_broadcasts(both[i], "shapes do not broadcast: axis 0 has n (5 to 10) and 4");
    never_broadcasts("Less(%y, %x)", "shapes do not broadcast: axis 0 has 4 and n (5 to 10)");
    never_broadcasts("PRelu(%x, %y)", "input 'slope' has 4 on axis 0, expected n (5 to 10) or 1");
    never_broadcasts("PRelu(%y, %x)", "input 'slope' has n (5 to 10) on axis 0, expected 4 or 1");
    never_broadcasts("LayerNormalization(%y, %c) {axis = 1}",
                     "input 'Scale' has n (5 to 10) on axis 0, expected 3 or 1");
    never_broadcasts("Gemm(%c, %c, %s) {transB = 1}",
                     "input 'C' has 4 on axis 0, expected n (5 to 10) or 1");
    fault("fovea-ir 1 const @s: i64[1] = [4] symbol n 5..10\nfunc @main(%x: f32[n]) { %y = "
          "Expand(%x, @s) return %y }",
          "2:26: error: node '%y' (Expand): shapes do not broadcast: axis 0 has n (5 to 10) and 4");
}

Test(graph_text, only_the_result_of_a_gemm_broadcasts) {
    fault("fovea-ir 1 func @main(%a: f32[1, 3], %b: f32[3, 2], %c: f32[4, 2]) {\n%y = Gemm(%a, %b, "
          "%c) return %y }",
          "2:1: error: node '%y' (Gemm): input 'C' has 4 on axis 0, expected 1");
}

/* The first of `ops`, on the operands that are made here, is refused. */
static void reaches_outside(const char *op, const char *message) {
    const char *text =
        fv_printf(arena,
                  "fovea-ir 1\nsymbol n 1..9\nsymbol k -5..9 data\nsymbol l 0..9 data\n"
                  "func @main(%%x: f32[n, 3], %%y: f32[2, 3], %%e: f32[1, 0], %%p: f32[1, 2, 5],\n"
                  "           %%r: f32[1, 3, 1, 1], %%o: i64[1, 4, 1], %%i: i64[2], %%j: i64[1], "
                  "%%s: f64[3]) -> (%%z) {\n"
                  "%%z = %s\nreturn %%z }",
                  op);
    fault(text, fv_printf(arena, "7:1: error: node '%%z' (%.*s): %s", (int)strcspn(op, "("), op,
                          message));
}

Test(graph_text, canonical_operators_reach_no_further_than_their_operands) {
    reaches_outside("fv.Slice(%x) {start = [0, -1], step = [1, 1], dims = [n, 3]}",
                    "axis 1 has 3 elements, 3 of them from -1 in steps of 1 are not inside");
    reaches_outside("fv.Slice(%x) {start = [1, 0], step = [1, 1], dims = [n, 3]}",
                    "axis 0 has n elements, n of them from 1 in steps of 1 are not inside");
    reaches_outside("fv.Slice(%y) {start = [0, 2], step = [1, -2], dims = [2, 3]}",
                    "axis 1 has 3 elements, 3 of them from 2 in steps of -2 are not inside");
    reaches_outside("fv.Slice(%y) {start = [0, 0], step = [1], dims = [2, 3]}",
                    "has 2 dims, 2 starts and 1 steps for rank 2");
    reaches_outside("fv.Expand(%y) {dims = [3, 3]}", "input 'X' has 2 on axis 0, expected 3 or 1");
    reaches_outside("fv.Pad(%y) {begin = [0, 1], dims = [2, 4], mode = \"mirror\"}",
                    "mode is 'mirror', expected constant, reflect, edge or wrap");
    reaches_outside("fv.Reduce(%y) {kind = \"ReduceSum\", dims = [2, 2], extent = [1, 3]}",
                    "axis 1 has 3 elements, expected 4");
    reaches_outside("fv.Resample(%y) {axis = 1, dims = [3, 6], taps = [0], scale = [2, 1]}",
                    "axis 0 has 2 elements, dims has 3");
    reaches_outside("fv.Resample(%e) {axis = 1, dims = [1, 6], taps = [0], scale = [2, 1]}",
                    "axis 1 is empty and has no elements to resize");
    reaches_outside("fv.Resample(%y, _, %s) {axis = 1, dims = [2, 6], taps = [0], scale = [2, 1]}",
                    "input 'roi' is f64[3], expected 2 elements");
    reaches_outside("fv.ResizeDims(%s) {dims = [2, 3]}",
                    "input 'scales' is f64[3], expected 1 elements");
    reaches_outside("fv.ResizeScale(%i) {dims = [2, 3, 4]}",
                    "input 'sizes' is i64[2], expected 3 elements");
    reaches_outside("fv.OneHot(%i, %j) {depth = [3]}",
                    "input 'values' is i64[1], expected 2 elements");
    reaches_outside("fv.SliceBounds(%i, %j) {dims = [4, 5]}", "has 2 starts, 'ends' has 1");
    reaches_outside("fv.Order(%r) {dims = [1, 4, 1]}", "k is 4, the axis has 3");
    reaches_outside("fv.Order(%r) {dims = [2, 3, 1]}", "has 2 on axis 0, X has 1");
    reaches_outside("fv.MaxPoolIndices(%p, %p) {pads = [0], strides = [1], dilations = [1], kernel "
                    "= [2], dims = [1, 2, 4]}",
                    "has 4 on axis 2, an input has 5");
    fault(HEAD "func @main(%r: f32[1, 3, 1, 1], %o: i64[1, 4, 1]) -> (%a, %b, %c, %d) {\n"
               "%a, %b, %c, %d = fv.Runs(%r, %o)\nreturn %a, %b, %c, %d }",
          "4:1: error: node '%a' (fv.Runs): X is f32[1, 3, 1, 1] and the order i64[1, 4, 1], "
          "expected one line of items");
    fault(HEAD
          "symbol k 0..9 data\nfunc @main(%i: i64[0]) {\nfv.Bind(%i) {symbols = [k]}\nreturn %i }",
          "5:1: error: fv.Bind: has 1 symbols for i64[0]");
    fault(HEAD "func @main(%i: i64[1]) {\nfv.Bind(%i) {symbols = [k]}\nreturn %i }",
          "4:1: error: fv.Bind: k is no symbol of data");
    fault(HEAD "symbol k 0..9 data\nfunc @main(%i: i64[1]) {\nfv.Let() {symbols = [k], values = "
               "[]}\nreturn %i }",
          "5:1: error: fv.Let: has 1 symbols for 0 values");
}

/* What they cannot know is checked by the run, and stated once. */
Test(graph_text, what_canonical_operators_reach_is_assumed) {
    same(HEAD
         "symbol n 0..100\n"
         "symbol m 0..50\n"
         "symbol k -5..9 data\n"
         "assume max(min(n - 1, 1), 0) * max(m - 1, 0) == 0 \"elements of an axis\" \"m + n - 2 < "
         "n, or n - 1 is 0\"\n"
         "assume max(k, 0) == k \"elements of an axis\" \"0 <= k\"\n"
         "assume max(n, k + 1) == n \"elements of an axis\" \"k < n\"\n"
         "assume n * max(min(n - 1, 1), 1 - n) - m * max(min(n - 1, 1), 1 - n) == 0 \"broadcast\" "
         "\"n is 1 or m\"\n"
         "func @main(%x: f32[n, 3], %i: i64[1]) -> (%y, %z, %t) {\n"
         "  fv.Bind(%i) {symbols = [k]}\n"
         "  %y = fv.Slice(%x) {start = [m, 0], step = [1, 1], dims = [n - 1, 3]} : f32[n - 1, 3]\n"
         "  %z = fv.Slice(%x) {start = [k, 0], step = [1, 1], dims = [1, 3]} : f32[1, 3]\n"
         "  %t = fv.Expand(%x) {dims = [m, 3]} : f32[m, 3]\n"
         "  return %y, %z, %t\n"
         "}\n");
}

/* Clamped as a Slice is, they are inside whatever the dims are. */
Test(graph_text, clamped_slices_assume_nothing) {
    same(HEAD "symbol n 0..100\n"
              "symbol m 0..50\n"
              "func @main(%x: f32[n]) -> (%a, %b, %c, %d) {\n"
              "  %a = fv.Slice(%x) {start = [m], step = [1], dims = [max(n - m, 0)]} : f32[max(n - "
              "m, 0)]\n"
              "  %b = fv.Slice(%x) {start = [n - 1], step = [-1], dims = [n]} : f32[n]\n"
              "  %c = fv.Slice(%x) {start = [0], step = [3], dims = [(n + 2) floordiv 3]} : f32[(n "
              "+ 2) floordiv 3]\n"
              "  %d = fv.Slice(%x) {start = [m], step = [1], dims = [max(min(n, m + 5) - m, 0)]} : "
              "f32[max(min(n, m + 5) - m, 0)]\n"
              "  return %a, %b, %c, %d\n"
              "}\n");
}

Test(graph_text, one_may_be_all_that_bounds_leave) {
    same(HEAD
         "symbol n 0..3\n"
         "assume n * max(min(n - 1, 1), 1 - n) - max(min(n - 1, 1), 1 - n) * 4 == 0 \"broadcast\" "
         "\"n and 4 are equal, or one of them is 1\"\n"
         "func @main(%x: f32[n], %y: f32[4]) -> (%z) {\n"
         "  %z = Add(%x, %y) : f32[4]\n"
         "  return %z\n"
         "}\n");
}

Test(graph_text, faults_of_constants) {
    fault("fovea-ir 1 const @a: f32[2] = [1.0]", "1:36: error: 1 elements, the type has 2");
    fault("fovea-ir 1 const @a: f32[2] = [1.0, 2.0, 3.0]",
          "1:42: error: more elements than the 2 of the type");
    fault("fovea-ir 1 const @a: u8[] = 256", "1:32: error: element 0 is no u8");
    fault("fovea-ir 1 const @a: i64[] = 1.5", "1:33: error: element 0 is no i64");
    fault("fovea-ir 1 const @a: f32[n] = [1.0]", "1:31: error: a constant cannot be f32[n]");
    fault("fovea-ir 1 const @a: f33[] = 1", "1:22: error: 'f33' is no element type");
    fault("fovea-ir 1 const @a: f32[4611686018427387904, 4611686018427387904] = [1.0]",
          "1:70: error: f32[4611686018427387904, 4611686018427387904] is too large");
    fault("fovea-ir 1 const @a: f32[1000000000] = [1.0]",
          "1:40: error: the type has 1000000000 elements, the text does not");
    fault("fovea-ir 1 const @a: f32[-1] = [1.0]", "1:32: error: f32[-1] is too large");
    fault("fovea-ir 1 const @a: f32[99] = ...",
          "1:32: error: the content of this constant was left out when the text was written; "
          "`fovea opt -o FILE.fvir` keeps it, and `-o -` on standard output");
    fault("fovea-ir 1 const @a: f32[] = 1.0 const @a: f32[] = 1.0",
          "1:41: error: @a is defined twice");
}

#define F(body) "fovea-ir 1\nfunc @f(%x: f32[n, 2]) {\n  " body "\n  return\n}\n"

Test(graph_text, faults_of_ops) {
    fault(F("%y = Rleu(%x)"), "3:8: error: operator 'Rleu' is not known; did you mean 'Relu'?");
    fault(F("%y = nope.Relu(%x)"), "3:8: error: operator 'nope.Relu' is not known");
    fault(F("%y = Relu(%z)"), "3:14: error: %z is not defined before its use");
    fault(F("%y = Relu(@x)"), "3:14: error: @x is not defined before its use");
    fault(F("%x = Relu(%x)"), "3:4: error: %x is defined twice");
    fault(F("%y, %y = Relu(%x)"), "3:10: error: %y is defined twice");
    fault(F("%y = Relu(3)"), "3:13: error: expected a value, found '3'");
    fault(F("%y = Relu(%x) {alpha = 1, alpha = 2}"),
          "3:35: error: attribute 'alpha' is given twice");
    fault(F("%y = Relu(%x) {alpha = 1}"),
          "3:3: error: node '%y' (Relu): attribute 'alpha' is not known");
    fault(F("%y = ReduceMean(%x) {axes = [0]}"),
          "3:3: error: node '%y' (ReduceMean): 'axes' is operand 1, not an attribute");
    fault(F("%y = LeakyRelu(%x) {alpha = \"1\"}"),
          "3:3: error: node '%y' (LeakyRelu): attribute 'alpha' is a string, expected a float");
    fault(F("%y = Relu(%x, %x)"), "3:3: error: node '%y' (Relu): has 2 inputs, takes at most 1");
    fault(F("%y = Relu() loc(\"first\")"),
          "3:3: error: node 'first' (Relu): has 0 inputs, needs at least 1");
    fault(F("%y = Relu(%x) : f32[n, 3]"),
          "3:3: error: node '%y' (Relu): result 'y' is declared f32[n, 3], but is f32[n, 2]");
    fault(F("%y = Relu(%x) : f32[n, 2], f32[]"), "3:28: error: expected an operator, found ','");
    fault(F("%y = Relu(%x) : f32[n, *]"), "3:26: error: expected a dim");
    fault(F("%y = Relu(%x) : f32[n, 2] = [n]"),
          "3:31: error: elements are given of f32[n, 2], which is no small integer tensor");
    fault(F("%y = Relu(%x) : i64[2] = [n]"), "4:3: error: 1 elements are given of i64[2]");
    fault(F("%y = Relu(%x) {a = [1, \"b\"]}"), "3:29: error: a list of both strings and numbers");
    fault(F("return _"), "4:3: error: expected '}', found 'return'");
    fault(F("%y = Relu(%x) {a = ^(%p: f32[n]) { %q = Relu(%p) return %q }}"),
          "3:3: error: node '%y' (Relu): attribute 'a' is not known");
    fault(F("%y = Relu(%x) {a = ^(%p: f32[n]) { %q = Relu(%r) return %q }}"),
          "3:49: error: %r is not defined before its use");
    fault(F("%y = Relu(%x) {a = tensor f32[1] [0.5], b = seq(f32[n]), c = [1.0, 2]}"),
          "3:3: error: node '%y' (Relu): attribute 'a' is not known");
}

Test(graph_text, nesting_is_limited) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "fovea-ir 1 func @f(%x: ");
    for (int i = 0; i < 1000000; i++)
        fv_text_put(&t, "seq(");
    fault(t.s, "1:280: error: types and blocks nest more than 64 deep");
}

/* ---- regions, of an op that is not in the catalogue ---- */

static bool infer_nothing(fv_op *op) {
    (void)op;
    return true;
}

static const fv_opdef repeat_def = {
    .domain = "test",
    .name = "Repeat",
    .in = {{"x", "T"}},
    .out = {{"y", "T"}},
    .types = {{"T", FV_SET_ANY}},
    .attrs = {{.name = "body", .kind = FV_ATTR_REGION}},
    .infer = infer_nothing,
};

Test(graph_text, regions) {
    fv_module *m = parse(HEAD "func @main(%x: f32[2]) { return }");
    fv_region *main_block = m->funcs->body;
    fv_value *x = main_block->params[0];
    fv_op *op = fv_op_new(main_block, main_block->last, &repeat_def, 1, &x, 1,
                          (const char *[]){"y"}, fv_origin_of(m, "again"));
    op->out[0]->type = x->type;
    fv_region *body = fv_region_new(m->funcs, op);
    fv_value *p = fv_param_new(body, "p", x->type);
    fv_op *add = fv_op_new(body, NULL, fv_op_get("Add"), 2, (fv_value *[]){p, x}, 1,
                           (const char *[]){"q"}, NULL);
    cr_assert(fv_op_infer(add));
    fv_region_return(body, 1, add->out);
    fv_op_attr(op, &(fv_attr){.name = "body", .kind = FV_ATTR_REGION, .u.region = body});
    cr_expect(fv_module_verify(m, NULL), "%s", all_messages());
    cr_expect_str_eq(print(m), HEAD "func @main(%x: f32[2]) {\n"
                                    "  %y = test.Repeat(%x) {body = ^(%p: f32[2]) {\n"
                                    "    %q = Add(%p, %x) : f32[2]\n"
                                    "    return %q\n"
                                    "  }} : f32[2]    loc(\"again\")\n"
                                    "  return\n"
                                    "}\n");
    cr_expect_str_eq(
        fv_op_str(arena, op),
        "%y = test.Repeat(%x) {body = ^(%p: f32[2]) {...}} : f32[2]    loc(\"again\")");
    fv_op_erase(op);
    cr_expect_eq(x->nuses, 0);
    cr_expect(fv_module_verify(m, NULL), "%s", all_messages());
}
