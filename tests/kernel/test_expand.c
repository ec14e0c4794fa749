/* Expansion: expected texts of small kernels, and properties of expanded kernels for all
 * targets. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/expand/strength.h"
#include "backend/math/math.h"
#include "ir/kernel/func_parse.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "tests/kernel/support.h"
#include "tests/text_file.h"

TestSuite(expand, .init = open_session, .fini = close_session);

/* Expands for the target that the options name. */
static const char *expanded(const char *options, const char *input) {
    const char *why;
    const fv_target *t = fv_target_read(arena, options + strspn(options, " "), &why);
    cr_assert(t, "%s", why);
    fv_kernel *k = fv_kernel_parse(arena, input);
    if (!k || !fv_kernel_verify(session, k))
        return said();
    fv_kernel *e = fv_kernel_expand(arena, k, t);
    cr_assert(e && fv_kernel_verify(session, e), "%s", said());
    const char *text = kernel_text(e);
    fv_kernel *again = fv_kernel_parse(arena, text);
    cr_assert(again, "%s\n%s", said(), text);
    cr_expect_str_eq(kernel_text(again), text);
    return text;
}

Test(expand, types) {
    check_golden("expand/types.txt", expanded);
}
Test(expand, vectors) {
    check_golden("expand/vectors.txt", expanded);
}
Test(expand, flatten) {
    check_golden("expand/flatten.txt", expanded);
}

/* The expanded kernel after strength reduction. */
static const char *reduced(const char *options, const char *input) {
    const char *why;
    fv_kernel *k = fv_kernel_parse(arena, input);
    if (!k || !fv_kernel_verify(session, k))
        return said();
    k = fv_kernel_expand(arena, k, fv_target_read(arena, options + strspn(options, " "), &why));
    fv_reduce_strength(k);
    fv_kernel_number(k);
    cr_assert(fv_kernel_verify(session, k), "%s", said());
    return kernel_text(k);
}

Test(expand, strength) {
    check_golden("expand/strength.txt", reduced);
}

Test(expand, every_elementary_function_is_there) {
    const fv_elem elems[] = {FV_F32, FV_F64};
    for (int op = 0; op < FV_X_END; op++) {
        if (!fv_expr_op_is_math((fv_expr_op)op))
            continue;
        const fv_expr_info *info = fv_expr_op_info((fv_expr_op)op);
        for (int i = 0; i < 2; i++) {
            const fv_kfunc *f = fv_math_find(session, info->text, elems[i]);
            cr_expect(f && f->nparams == info->nargs, "%s of %s", info->text,
                      fv_elem_name(elems[i]));
        }
    }
    cr_expect_str_eq(said(), "");
}

/* Each function of a file is found, and parsed without an error, whether or not an operation uses
 * it. */
Test(expand, every_function_of_the_files) {
    static const char *const names[] = {"f32", "f64", "exact"};
    int n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = fv_printf(arena, "%s/backend/math/%s.fvk", FV_SOURCE_ROOT, names[i]);
        const char *text = read_text_file(arena, path);
        fv_kfuncs *file = fv_kfuncs_new(arena, path, text);
        for (const char *at = text; at; at = strstr(at, "\nfunc ")) {
            const char *name = at + strspn(at, "\n") + strlen("func ");
            if (strncmp(at + strspn(at, "\n"), "func ", strlen("func ")) == 0) {
                name = fv_printf(arena, "%.*s", (int)strcspn(name, "("), name);
                cr_expect(fv_kfuncs_find(file, name), "%s", name);
                n++;
            }
            at++;
        }
    }
    cr_expect_str_eq(said(), "");
    cr_expect_gt(n, 50);
}

/* A function calls only those above it, also after one below it was parsed. */
Test(expand, functions_above) {
    fv_kfuncs *file = fv_kfuncs_new(arena, "f.fvk",
                                    "func a(x: f32) -> f32 {\n  return x + 1.0\n}\n\n"
                                    "func b(x: f32) -> f32 {\n  return a(x) * c(x)\n}\n\n"
                                    "func c(x: f32) -> f32 {\n  return a(x)\n}\n");
    cr_expect(fv_kfuncs_find(file, "c"));
    cr_expect_not(fv_kfuncs_find(file, "d"));
    cr_expect_not(fv_kfuncs_find(file, "b"));
    const char *message = said();
    cr_expect(strstr(message, "6:17: no function is called 'c'"), "%s", message);
}

/* Every conversion from and to a storage type, on every target, scalar and vector. */
Test(expand, all_conversions) {
    for (const char *const *t = fv_target_names(); *t; t++)
        for (int from = 1; from < FV_ELEM_END; from++)
            for (int to = 1; to < FV_ELEM_END; to++) {
                fv_elem f = (fv_elem)from, e = (fv_elem)to;
                if (!(FV_SET_DATA >> from & 1) || !(FV_SET_DATA >> to & 1) || f == e ||
                    !(fv_elem_is_storage(f) || fv_elem_is_storage(e)))
                    continue;
                const char *text = fv_printf(
                    arena,
                    "kernel k(A: %s[n], out B: %s[n]; n) { vector i < n { B[i] = %s(A[i]) } }",
                    fv_elem_name(f), fv_elem_name(e), fv_elem_name(e));
                fv_kernel *k = fv_kernel_parse(arena, text);
                cr_assert(k && fv_kernel_verify(session, k), "%s", said());
                fv_kernel *x = fv_kernel_expand(arena, k, fv_target_find(*t));
                cr_assert(x && fv_kernel_verify(session, x), "%s: %s", text, said());
            }
}

/* What is nested deep becomes lets, so that printing, parsing and consumers may recurse. */
Test(expand, depth_of_trees) {
    fv_kernel *k = fv_kernel_new(arena, "deep");
    fv_expr *n = fv_kernel_dim(k, "n", 0, 64);
    fv_buf *in = fv_kernel_buf(k, "A", FV_BUF_IN, FV_F32, 1, &n);
    fv_buf *out = fv_kernel_buf(k, "B", FV_BUF_OUT, FV_F32, 1, &n);
    fv_kbuilder b;
    fv_kb_init(&b, arena, k, &k->body);
    fv_expr *i = fv_kb_for(&b, FV_VECTOR, "i", fv_x_int(arena, 0), n, 1);
    fv_expr *x = fv_x_load(arena, in, &i), *y = x;
    for (int j = 0; j < 2000; j++) /* a DAG too: as a tree it had 2^1000 nodes */
        x = j % 2 ? fv_x_bin(arena, FV_X_MUL, x, x) : fv_x_fma(arena, y, x, x);
    fv_kb_store(&b, out, &i, x, NULL);
    fv_kb_end(&b);
    cr_assert(fv_kernel_verify(session, k), "%s", said());
    fv_kernel *e = fv_kernel_expand(arena, k, fv_target_find("x86-64-v4"));
    cr_assert(e && fv_kernel_verify(session, e), "%s", said());
    const char *text = kernel_text(e);
    fv_kernel *again = fv_kernel_parse(arena, text);
    cr_assert(again, "%s", said());
    cr_expect_str_eq(kernel_text(again), text);
}
