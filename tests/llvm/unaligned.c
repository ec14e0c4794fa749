/* unaligned.c - code in memory reads constants where the file of a model has them, which may be at
 * any address: then its loads of constants must not assume the alignment of their elements. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/llvm/emit.h"
#include "tests/llvm/programs.h"

/* The text of the module for rows_text, in which the constant w is that many bytes after an aligned
 * address. resident: the code is for memory, otherwise for a file. */
static const char *module_text(bench *b, const char *target, int offset, bool resident) {
    static _Alignas(64) char memory[128];
    *b = bench_open(rows_text, target);
    fv_constant *w = &b->p->memory.constants[1];
    memcpy(memory + offset, fv_constant_data(w), w->bytes);
    w->contents = fv_contents_at(b->a, memory + offset);
    fv_ll_module m = {0};
    cr_assert(fv_llvm_load(b->s), "%s", said(b));
    fv_llvm_prepare_all();
    cr_assert(fv_ll_open(&m, b->s, b->p, NULL, resident) && fv_ll_emit(&m), "%s", said(b));
    char *text = LLVMPrintModuleToString(m.module);
    const char *copy = fv_printf(b->a, "%s", text);
    LLVMDisposeMessage(text);
    fv_ll_close(&m);
    return copy;
}

/* The number of instructions that begin with `start`, such as `= load `, access a f32, and state
 * that alignment. */
static int accesses(const char *text, const char *start, const char *align) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, start)); at++) {
        const char *end = at + strcspn(at, "\n"), *is = strstr(at, align);
        const char *type = strstr(at, " float");
        n += type && type < end && is && is < end;
    }
    return n;
}

/* A kernel that reads two buffers and writes one: its loads have the alignment `align`. */
static void check(const char *target, int offset, bool resident, const char *align) {
    bench b;
    const char *text = module_text(&b, target, offset, resident);
    cr_expect_eq(accesses(text, "= load ", align), 2, "%s, offset %d\n%s", target, offset, text);
    cr_expect_eq(accesses(text, "store ", "align 4"), 1, "%s, offset %d\n%s", target, offset, text);
    bench_close(&b);
}

/* Any buffer that a kernel only reads may be a constant, since several launches share it. */
Test(unaligned, loads_of_what_may_be_a_constant) {
    static const char *const targets[] = {"generic", "x86-64-v3", "x86-64-v4"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        check(targets[i], 1, true, "align 1");
        check(targets[i], 2, true, "align 1");
        check(targets[i], 4, true, "align 4");
    }
}

/* A file of code has the constants at aligned addresses, wherever they were before. */
Test(unaligned, not_in_files) {
    check("x86-64-v3", 1, false, "align 4");
}
