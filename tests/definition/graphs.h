/* graphs.h - graphs from which the steps of lowering make every construct of definitions:
 * substituted values, views, parts, axes moved to the end, nested reductions, indices from data,
 * recurrences. */
#ifndef FV_TESTS_DEFINITION_GRAPHS_H
#define FV_TESTS_DEFINITION_GRAPHS_H

static const char *const graphs[] = {
    "symbol n 1..64\n"
    "func @main(%x: f32[n, 4], %u: f32[n, 4]) -> (%y, %z) {\n"
    "  %h = Exp(%x)\n  %g = Add(%h, %u)\n  %y = Softmax(%g)\n  %t = Neg(%y)\n  %z = Softmax(%t) "
    "{axis = 0}\n"
    "  return %y, %z\n}\n",
    "func @main(%x: f32[1, 3, 9, 9], %w: f32[4, 3, 3, 3]) -> (%y) {\n"
    "  %c = Conv(%x, %w) {pads = [1, 1, 1, 1]}\n  %r = Relu(%c)\n  %y = GlobalAveragePool(%r)\n  "
    "return %y\n}\n",
    "symbol n 1..64\n"
    "func @main(%x: f32[n, 4], %w: f32[4, 8], %v: f32[4, 8], %u: f32[16, 4]) -> (%y) {\n"
    "  %a = MatMul(%x, %w)\n  %b = MatMul(%x, %v)\n  %c = Concat(%a, %b) {axis = 1}\n  %y = "
    "MatMul(%c, %u)\n  return %y\n}\n",
    "symbol n 1..64\n"
    "func @main(%x: f32[n, 4], %i: i64[n]) -> (%y, %z) {\n"
    "  %g = Gather(%x, %i)\n  %y = ReduceSum(%g) {keepdims = 1}\n  %z = Sub(%x, %y)\n  return %y, "
    "%z\n}\n",
    "symbol n 1..64\n"
    "func @main(%q: f32[n, 16], %k: f32[n, 16], %v: f32[n, 16]) -> (%y) {\n"
    "  %t = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %t)\n  %p = Softmax(%s)\n  %y = "
    "MatMul(%p, %v)\n  return %y\n}\n",
    "symbol n 1..64\nsymbol room 0..100\n"
    "func @main(%q: f32[2, 1, 8], %x: f32[2, 1, 8], %past: f32[2, n, 8]) -> (%y, %present state "
    "%past capacity room, %z) {\n"
    "  %k = Tanh(%x)\n  %present = Concat(%past, %k) {axis = 1}\n  %t = Transpose(%present) {perm "
    "= [0, 2, 1]}\n"
    "  %y = MatMul(%q, %t)\n  %z = Exp(%past)\n  return %y, %present, %z\n}\n",
    "symbol n 1..64\n"
    "func @main(%x: f32[5, n, 3], %w: f32[1, 12, 3], %r: f32[1, 12, 4], %l: i32[n]) -> (%y, %h) {\n"
    "  %y, %h = GRU(%x, %w, %r, _, %l) {direction = \"reverse\"}\n  return %y, %h\n}\n",
};
enum { NGRAPHS = sizeof graphs / sizeof *graphs };

#endif
