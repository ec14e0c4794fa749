/* attend.h - attention as one kernel gives the bits of three kernels that also compute rows of
 * scores. Each case is compiled as it is, which makes an `attend` kernel; with its weights as an
 * additional result, which makes an `attend` kernel with two results; and the latter without the
 * step that fuses attention, which makes none. Takes a different tiling for each case (all of them
 * with FOVEA_ALL), and sizes that leave incomplete tiles everywhere. */
#ifndef FV_TESTS_OPS_ATTEND_H
#define FV_TESTS_OPS_ATTEND_H

#include "ir/kernel/program.h"

enum { TILINGS = 5 };

/* A target of that tiling. */
fv_target tiled(size_t t);

/* The program of a function whose result is (%y) in the text, and which returns that instead;
 * without the step "join". */
fv_program *lower(const char *body, const char *returned, const fv_target *target);
fv_program *lower_apart(const char *body, const char *returned, const fv_target *target);
int attends(const fv_program *p); /* how many kernels are attention */

/* What masks hide: of query i of n and key j of m. */
typedef enum { SEVENTHS, CAUSAL, WINDOW, LATE, MIDDLE, NONE, ALL, ROWS, PATTERNS } pattern;
extern pattern hides;
extern float fill;               /* of a mask of floats that is called `hide`, where it hides */
extern bool poisoned;            /* keys and values that no query sees are NaN and infinite */
typedef struct spoiled_element { /* an element of q, k or v, and what it is */
    const char *name;
    int64_t at;
    double is;
} spoiled_element;
extern spoiled_element spoiled;

bool is_seen(int64_t e, int64_t n, int64_t m);
/* Element e of that input, the i-th. */
double element(const fv_port *port, int i, int64_t e, int64_t n, int64_t m);
/* The first result, with these dims. */
void *run(const fv_program *p, int n, int m, size_t *size);
bool same(const void *a, const void *b, size_t size, bool wide); /* any NaN is like any */

/* A model that also returns its weights: the program with one kernel for both results, and the one
 * without the step that makes it. */
typedef struct pair {
    const fv_program *kept, *apart;
} pair;
pair lower_pair(const char *body, const fv_target *target);
/* Both results are the same. */
void check_kept(const pair *p, const char *body, int n, int m);

/* Checks a model with the result y and the weights p between its two products. If `kept`, p is
 * returned as well, and one kernel must compute both. */
void check_either(const char *body, bool kept);
void check(const char *body);

/* Parts of bodies. */
#define QKV(type)                                                                                  \
    "func @main(%q: " type "[2, 3, n, 8], %k: " type "[2, 3, m, 8], %v: " type "[2, 3, m, 20]"
#define SCORES "  %kt = Transpose(%k) {perm = [0, 1, 3, 2]}\n  %s = MatMul(%q, %kt)\n"
#define SHARED                                                                                     \
    "  %a = fv.Reshape(%k) {dims = [2, 2, 1, m, 8]}\n  %b = fv.Expand(%a) {dims = [2, 2, 3, m, "   \
    "8]}\n"                                                                                        \
    "  %c = fv.Reshape(%b) {dims = [2, 6, m, 8]}\n  %d = fv.Reshape(%v) {dims = [2, 2, 1, m, "     \
    "12]}\n"                                                                                       \
    "  %e = fv.Expand(%d) {dims = [2, 2, 3, m, 12]}\n  %f = fv.Reshape(%e) {dims = [2, 6, m, "     \
    "12]}\n"                                                                                       \
    "  %kt = Transpose(%c) {perm = [0, 1, 3, 2]}\n"
#define OF_GROUPS(more)                                                                            \
    "func @main(%q: f32[2, 6, n, 8], %k: f32[2, 2, m, 8], %v: f32[2, 2, m, 12]" more               \
    ") -> (%y) {\n" SHARED
#define REST_OF_GROUPS "  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %f)\n"
#define SCORE          "  %kt = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %kt)\n"
#define REST           "  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %v)\n"
/* Keys that are broadcast to several heads: with one query, a task has as many rows as there are
 * heads. */
#define BROADCAST(mask)                                                                            \
    "func @main(%q: f32[2, 4, n, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]" mask ") -> (%y) {\n"     \
    "  %a = Transpose(%k) {perm = [0, 2, 1]}\n  %b = fv.Reshape(%a) {dims = [2, 1, 8, m]}\n  %s "  \
    "= MatMul(%q, %b)\n"
#define REST_OF_BROADCAST                                                                          \
    "  %p = Softmax(%t) {axis = -1}\n  %c = fv.Reshape(%v) {dims = [2, 1, m, 20]}\n  %y = "        \
    "MatMul(%p, %c)\n"
#define FIVE(mask)                                                                                 \
    "func @main(%q: f32[2, 5, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]" mask ") -> (%y) {\n"        \
    "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n"

#endif
