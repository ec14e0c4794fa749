/* bare.h - what programs without a C library get: text for the host, and a count of instructions.
 * bare.c is for Cortex-M and 32-bit RISC-V without an operating system, pc.c for a PC. */
#ifndef BARE_H
#define BARE_H
#include <stdint.h>

int main(void); /* its result is the status of the emulator */

void print(const char *text);
/* Prints n with at least `width` characters, with spaces before it. */
void print_number(uint32_t n, int width);

/* Begin and end of what is counted; the result is the number of instructions between the calls. It
 * is one in QEMU with `-icount shift=0`, where time is the number of instructions; on a chip it is
 * in units of its clock. On Cortex-M whole ticks of the timer are counted, of 30 to 50
 * instructions, up to 600 million instructions. On a PC the result is 0. */
void count_from_here(void);
uint32_t counted(void);

#endif
