/* device_start.c - runs the self-test of a model on an emulated Cortex-M without operating system
 * or C library, and ends the emulator with its result. */
#include <stddef.h>
#include <stdint.h>

int kws_selftest(const void *env);

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((volatile unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((volatile unsigned char *)to)[i] = (unsigned char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

extern char stack_end[];
void reset(void);

__attribute__((section(".vectors"), used)) static void *const vectors[] = {stack_end,
                                                                           (void *)reset};

void reset(void) {
#if __ARM_ARCH > 6 && defined __ARM_FP
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: the floating-point unit */
    __asm__ volatile("dsb\n isb");
#endif
    /* semihosting: SYS_EXIT_EXTENDED, ADP_Stopped_ApplicationExit */
    uint32_t why[] = {0x20026, (uint32_t)kws_selftest(NULL)};
    register uint32_t call __asm__("r0") = 0x20;
    register uint32_t *argument __asm__("r1") = why;
    __asm__ volatile("bkpt 0xab" : : "r"(call), "r"(argument) : "memory");
    for (;;)
        continue;
}
