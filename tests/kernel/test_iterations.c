/* test_iterations.c - how many values an index has, at most, in the loops around its store. */
#include <criterion/criterion.h>

#include "ir/kernel/iterations.h"
#include "ir/kernel/parse.h"
#include "tests/kernel/support.h"

/* The statements from the outermost loop to the store, each of which is the first one in the one
 * before it. The first index of the store has that many values. */
static void most(const char *loops, int64_t want) {
    fv_stmt *open[16], *s;
    int n = 0;
    fv_kernel *k = fv_kernel_parse(
        arena, fv_printf(arena, "kernel k(out y: f32[n, 4096]; n in 0..100) {\n%s\n}\n", loops));
    cr_assert(k, "%s: %s", loops, said());
    for (s = k->body.first; s->kind != FV_S_STORE; s = s->body.first)
        open[n++] = s;
    cr_expect_eq(fv_most_combinations(arena, n, open, 1, &s->index[1]), want, "%s", loops);
}

Test(iterations, loops, .init = open_session, .fini = close_session) {
    most("for k < 32 { y[0, k] = 0.0 }", 32);
    most("for k < 0 { y[0, k] = 0.0 }", 0);
    most("for k = 3 to 32 step 10 { y[0, k] = 0.0 }", 3);
    most("for i < n { y[i, i] = 0.0 }", 100);
    most("for i < 7 { for k < 32 { y[i, k] = 0.0 } }", 32); /* the index does not use i */
    most("for i < 7 { for k < 32 { if k < 3 { y[i, i + k] = 0.0 } } }", 7 * 32);
}

/* Blocks of 6 steps: complete iterations of 2 steps cover them, of 4 steps they do not. */
Test(iterations, blocks, .init = open_session, .fini = close_session) {
    most("for block < 16 { for k = block * 3 to block * 3 + 3 { unroll step < 2 { y[0, k * 2 + "
         "step] = 0.0 } } }",
         96);
    most("for block < 16 { for k = block to block + 1 { unroll step < 4 { y[0, k * 4 + step] = "
         "0.0 } } }",
         64);
    most("for block < 16 { for k < 0 { unroll step < 4 { y[0, k * 4 + step] = 0.0 } } }", 0);
}

/* Parts, the last of which is shorter; a loop without its last step; and a border, which is not
 * known. */
Test(iterations, parts, .init = open_session, .fini = close_session) {
    most("for from = 0 to 32 step 16 { for k = from to from + 16 { y[0, k] = 0.0 } }", 32);
    most("for from = 0 to 32 step 30 { for k = from to min(from + 30, 32) { y[0, k] = 0.0 } }", 60);
    most("for from = 0 to 32 step 32 { for k = from to from + 32 - 1 { y[0, k] = 0.0 } }", 31);
    most("for i < n { for k = max(0, 2 - i) to min(3, 9 - i) { y[i, k] = 0.0 } }", 300);
}
