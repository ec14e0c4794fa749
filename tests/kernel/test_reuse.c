/* Storing an output in the memory of an input: when it is allowed. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/kernel/parse.h"
#include "ir/kernel/reuse.h"
#include "ir/kernel/verify.h"
#include "tests/kernel/support.h"

TestSuite(reuse, .init = open_session, .fini = close_session);

static int parameter(const fv_kernel *k, const char *name, size_t n) {
    for (int i = 0; i < k->nbufs; i++)
        if (strlen(k->bufs[i]->name) == n && !memcmp(k->bufs[i]->name, name, n))
            return i;
    cr_assert_fail("no parameter %.*s", (int)n, name);
    return -1;
}

/* For the option "OUT over IN": the kernel that stores OUT in the memory of IN, which the verifier
 * has to accept. */
static const char *over(const char *options, const char *input) {
    fv_kernel *k = fv_kernel_parse(arena, input);
    cr_assert(k && fv_kernel_verify(session, k), "%s", said());
    const char *to = options + strspn(options, " "), *from = strstr(options, " over ") + 6;
    const char *before = kernel_text(k);
    int x = parameter(k, from, strcspn(from, " \n")), y = parameter(k, to, strcspn(to, " "));
    if (!fv_kernel_reuse(k, x, y)) {
        cr_expect_str_eq(kernel_text(k), before);
        return "not proved\n";
    }
    cr_expect(fv_kernel_verify(session, k), "%s", said());
    const char *after = kernel_text(k);
    fv_kernel *again = fv_kernel_parse(arena, after);
    cr_assert(again, "%s", said());
    cr_expect_str_eq(kernel_text(again), after);
    return after;
}

Test(reuse, outputs_over_inputs) {
    check_golden("text/reuse.txt", over);
}
