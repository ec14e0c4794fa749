/* picks.c - loads of elements at constant distances: they give the elements, and read nothing after
 * the last one. */
#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/base/text.h"
#include "tests/llvm/programs.h"

enum { N = 48 };

/* X[%s] for N elements of Y; X has the extent %d. */
static const char *text_of(fv_arena *a, const char *index, int extent) {
    return fv_printf(a,
                     "fovea-program 1\nname picks\ntarget \"%%s\"\nworkspace 0\n"
                     "buffer x: f32[%d] input 0\nbuffer y: f32[%d] output 0\n"
                     "input x = \"x\" as x: f32[%d] extents [%d]\n"
                     "output y = \"y\" as y: f32[%d] extents [%d]\n"
                     "kernel pick(X: f32[%d], out Y: f32[%d]) {\n"
                     "  vector i < %d { Y[i] = X[%s] }\n"
                     "}\n"
                     "run { launch pick(x, y) }\n",
                     extent, N, extent, extent, N, N, extent, N, N, index);
}

/* Memory for n floats that ends at a page that must not be read. */
static float *at_the_end(size_t n) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *all = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(all != MAP_FAILED && !mprotect(all + page, page, PROT_NONE));
    return (float *)(void *)(all + page - n * sizeof(float));
}

/* Runs the kernel, for which `at` gives the index of each element. */
static void check(const char *index, int extent, int (*at)(int i)) {
    static const char *const targets[] = {"generic", "native"};
    float *x = at_the_end((size_t)extent), y[N];
    for (int i = 0; i < extent; i++)
        x[i] = (float)i;
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
        fv_session *s = fv_session_new();
        bench b = bench_open(text_of(fv_arena_new(s), index, extent), targets[t]);
        fv_jit *j = fv_jit_new(b.s, b.p, &(fv_llvm_options){.level = 2});
        cr_assert(j, "%s", said(&b));
        int64_t out_dims[2];
        const void *in[] = {x};
        void *out[] = {y};
        cr_assert_eq(fv_jit_model(j)->run(NULL, in, out, out_dims, NULL, 0, NULL), FV_OK);
        for (int i = 0; i < N; i++)
            cr_expect_eq(y[i], (float)at(i), "X[%s] of %d, %s", index, i, targets[t]);
        fv_jit_free(j);
        bench_close(&b);
        fv_session_free(s);
    }
}

static int twice(int i) {
    return 2 * i;
}
static int three_times(int i) {
    return 3 * i + 1;
}
static int four_times(int i) {
    return 4 * i;
}
static int back(int i) {
    return N - 1 - i;
}
static int half(int i) {
    return i / 2;
}
static int between(int i) {
    return (2 * i + 3) / 4;
}

Test(picks, at_a_distance) {
    check("i * 2", 2 * N - 1, twice);
    check("i * 3 + 1", 3 * N - 1, three_times);
    check("i * 4", 4 * N - 3, four_times);
}

Test(picks, in_reverse) {
    check("47 - i", N, back);
}

Test(picks, repeated) {
    check("i floordiv 2", N / 2, half);
    check("(i * 2 + 3) floordiv 4", N / 2 + 1, between);
}
