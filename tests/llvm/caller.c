/* caller.c - a program that calls a compiled model, as freestanding as on a microcontroller: the
 * test of objects compiles it for each machine. Its status is 0, or the number of the check that
 * failed. */
#include "runtime/fovea_model.h"

const fv_model *rows_model(void);

static int check(void) {
    static float x[24], y[24];
    const fv_model *m = rows_model();
    const void *in[] = {x};
    void *out[] = {y};
    int64_t n = 3, out_dims[3];
    size_t work = 1;
    for (int i = 0; i < 24; i++)
        x[i] = (float)(i - 10);
    if (m->abi != 2 || m->size != sizeof *m || m->plan(&n, &work, out_dims) != FV_OK || work != 0)
        return 1;
    int status = m->run(&n, in, out, out_dims, 0, 0, 0);
    if (status != FV_OK)
        return 10 + status;
    for (int i = 0; i < 24; i++) {
        float expected = 2 * x[i] + (float)(i % 8 + 1);
        if (y[i] != (expected > 0 ? expected : 0))
            return 2;
    }
    n = 1001;
    return m->run(&n, in, out, out_dims, 0, 0, 0) == FV_BAD_DIM ? 0 : 3;
}

#if defined __arm__
/* Ends the emulator through semihosting: SYS_EXIT_EXTENDED. */
void reset(void) {
    *(volatile unsigned *)0xe000ed88 |= 0xf << 20; /* CPACR: the FPU on */
    unsigned block[] = {0x20026, (unsigned)check()};
    register unsigned r0 __asm__("r0") = 0x20;
    register unsigned *r1 __asm__("r1") = block;
    __asm__ volatile("dsb\n isb\n bkpt 0xab" : : "r"(r0), "r"(r1) : "memory");
    for (;;) {
    }
}
__attribute__((section(".vectors"), used)) static void *const vectors[] = {(void *)0x20010000,
                                                                           (void *)reset};
#elif defined __riscv
void _start(void) {
    register long a0 __asm__("a0") = check();
    register long a7 __asm__("a7") = 93;
    __asm__ volatile("ecall" : : "r"(a0), "r"(a7));
    for (;;) {
    }
}
#else
int main(void) {
    return check();
}
#endif
