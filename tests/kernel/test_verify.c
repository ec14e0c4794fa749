/* The verifier of kernels: what it refuses, and what it must be able to prove. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/base/text.h"
#include "ir/kernel/build.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "tests/kernel/support.h"

TestSuite(verify, .init = open_session, .fini = close_session);

static const char *verdict(const char *options, const char *input) {
    (void)options;
    fv_kernel *k = fv_kernel_parse(arena, input);
    if (k && fv_kernel_verify(session, k))
        return "legal\n";
    return said();
}

static const char *program_verdict(const char *options, const char *input) {
    (void)options;
    fv_program *p = fv_program_parse(arena, input, NULL);
    if (p && fv_program_verify(session, p))
        return "legal\n";
    return said();
}

Test(verify, disjoint_stores) {
    check_golden("text/disjoint.txt", verdict);
}
Test(verify, rules) {
    check_golden("text/illegal.txt", verdict);
}
Test(verify, programs) {
    check_golden("text/illegal_programs.txt", program_verdict);
}

/* What text cannot say, because parsing checks it already. */
static void refuses(const fv_kernel *k, const char *message) {
    cr_expect_not(fv_kernel_verify(session, k));
    const char *m = said();
    cr_expect(strstr(m, message), "%s", m);
}

Test(verify, built_wrongly) {
    fv_kernel *k = fv_kernel_new(arena, "k");
    fv_expr *n = fv_kernel_dim(k, "n", 0, 64);
    fv_buf *in = fv_kernel_buf(k, "A", FV_BUF_IN, FV_F32, 1, &n);
    fv_buf *out = fv_kernel_buf(k, "B", FV_BUF_OUT, FV_F32, 1, &n);
    fv_kbuilder b;
    fv_kb_init(&b, arena, k, &k->body);
    fv_expr *i = fv_kb_for(&b, FV_SERIAL, "i", fv_x_int(arena, 0), n, 1);
    fv_kb_store(&b, out, &i, fv_x_load(arena, in, &i), NULL);
    fv_kb_end(&b);
    cr_assert(fv_kernel_verify(session, k), "%s", said());
    fv_stmt *loop = k->body.first, *store = loop->body.first;
    fv_expr *value = store->x;

    store->buf = in;
    refuses(k, "'A' is only read");
    store->buf = out;
    store->x = fv_x_load(arena, out, &i);
    refuses(k, "'B' is only written");
    store->x = fv_x_int(arena, 1);
    refuses(k, "a i64 is stored to 'B' of f32");
    store->x = value;
    store->index[0] = fv_x_const(arena, FV_F32, 1);
    refuses(k, "index 0 of 'B' is no i64");
    store->index[0] = i;
    loop->loop.step = 0;
    refuses(k, "the step is 0");
    loop->loop.step = 1;
    fv_kb_store(&b, out, &i, fv_x_const(arena, FV_F32, 1), NULL);
    refuses(k, "'i' is not in scope");
    loop->next = NULL;
    k->body.last = loop;
    value->type.lanes = 3;
    refuses(k, "3 lanes");
    value->type.lanes = 1;
    value->type.elem = FV_F64;
    refuses(k, "an element of 'A' is loaded as f64");
    value->type.elem = FV_F32;
    cr_expect(fv_kernel_verify(session, k), "%s", said());
}

/* A bound that is a minimum of minima: the search for a proof ends, however long and however wide
 * that is. */
static void gives_up(const char *lets, int n) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "kernel k(x: f32[8], out y: f32[8]; n in 0..8) {\n let p0 = min(n, 7)\n let q0 "
                    "= min(n, 6)\n");
    for (int i = 1; i < n; i++)
        fv_text_put(&t, fv_printf(arena, lets, i, i - 1, i - 1, i, i - 1, i - 1));
    fv_text_printf(&t, " parallel i < 2 { for j < p%d { y[i * p%d + j] = x[j] } }\n}\n", n - 1,
                   n - 1);
    fv_kernel *k = fv_kernel_parse(arena, t.s);
    cr_assert(k, "%s", said());
    refuses(k, "cannot prove");
}

Test(verify, bounds_without_end, .timeout = 900) {
    gives_up(" let p%d = min(p%d, n + %d)\n", 30000);
    gives_up(" let p%d = min(p%d, q%d)\n let q%d = min(q%d, p%d)\n", 60);
}
