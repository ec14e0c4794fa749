/* bare.c - starts a program on a Cortex-M or a 32-bit RISC-V without an operating system and
 * without a C library (bare.h). The memory is that of the script for the linker in a folder that
 * `fovea compile --target=... -o X/` has written, X_board.ld. Text and status go to the debugger or
 * the emulator by semihosting. */
#include "bare.h"

#include <stddef.h>

extern uint32_t data_image[], data_start[], data_end[], bss_start[], bss_end[], stack_end[];

enum { WRITE_TEXT = 0x04, EXIT = 0x20, ENDED = 0x20026 };

/* ---- the two architectures ---- */

#ifdef __riscv

static void call_host(uint32_t number, const void *argument) {
    register uint32_t a0 __asm__("a0") = number;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".balign 16\n.option push\n.option norvc\n"
                     "slli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
}

/* The instruction csrr a0, minstret, as a number: assemblers disagree on the extension it needs. */
static uint32_t now(void) {
    register uint32_t a0 __asm__("a0");
    __asm__ volatile(".4byte 0xb0202573" : "=r"(a0));
    return a0;
}

static uint32_t since(uint32_t then) {
    return now() - then;
}

static void start_clock(void) {}

static uint32_t loop_of_known_length(uint32_t n) {
    uint32_t then = now();
    __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(n));
    return since(then);
}

/* The stack, the floating-point unit, which is off after a reset (mstatus), and start. */
__asm__(".section .vectors, \"ax\"\n.globl reset\nreset:\n    la sp, stack_end\n"
#ifdef __riscv_flen
        "    li t0, 0x2000\n    .4byte 0x3002a073\n" /* csrs mstatus, t0 */
#endif
        "    j start\n.text\n");

#else

static void call_host(uint32_t number, const void *argument) {
    register uint32_t r0 __asm__("r0") = number;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

/* SysTick counts down, in 24 bits. */
static volatile uint32_t *const timer = (volatile uint32_t *)0xe000e010;

static uint32_t now(void) {
    return timer[2];
}

static uint32_t since(uint32_t then) {
    return (then - timer[2]) & 0xffffff;
}

static void start_clock(void) {
    timer[1] = 0xffffff;
    timer[2] = 0;
    timer[0] = 5; /* enabled, by the clock of the processor */
}

static uint32_t loop_of_known_length(uint32_t n) {
    uint32_t then = now();
    __asm__ volatile(".syntax unified\n1: subs %0, %0, #1\n bne 1b" : "+l"(n) : : "cc");
    return since(then);
}

void start(void);

void reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xe000ed88 |= (uint32_t)0xf << 20; /* CPACR: the floating-point unit */
    __asm__ volatile("dsb\n isb" : : : "memory");
#endif
    start();
}

__attribute__((section(".vectors"), used)) static const struct {
    const uint32_t *stack;
    void (*handlers[1])(void);
} vectors = {stack_end, {reset}};

#endif

/* ---- text ---- */

void print(const char *text) {
    call_host(WRITE_TEXT, text);
}

void print_number(uint32_t n, int width) {
    char digits[16];
    int at = sizeof digits - 1;
    digits[at] = 0;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    while (at && (int)sizeof digits - 1 - at < width)
        digits[--at] = ' ';
    print(digits + at);
}

/* ---- counting ---- */

enum { ITERATIONS = 100000 }; /* of a loop of two instructions */
static uint32_t began, ticks_of_loop;

void count_from_here(void) {
    if (!ticks_of_loop) {
        start_clock();
        ticks_of_loop = loop_of_known_length(ITERATIONS);
    }
    began = now();
}

uint32_t counted(void) {
    return (uint32_t)((uint64_t)since(began) * 2 * ITERATIONS / ticks_of_loop);
}

/* ---- start ---- */

__attribute__((used)) void start(void) {
    for (uint32_t *to = data_start, *from = data_image; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    const uint32_t why[2] = {ENDED, (uint32_t)main()};
    call_host(EXIT, why);
    for (;;)
        continue;
}

/* The C compiler may call these for loops that copy or clear, also where there is no C library. */
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = (char)value;
    return to;
}
