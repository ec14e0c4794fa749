/* board.c - starts a program on a Cortex-M4 without an operating system, QEMU's mps2-an386
 * (board.ld), and does for the C library what that would: standard input and output are the first
 * serial port, where ^D is the end. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

extern uint32_t data_image[], data_start[], data_end[], bss_start[], bss_end[], stack_end[];
extern char heap_start[], heap_end[];
int main(void);
void reset(void);

/* ---- the serial port ---- */

typedef struct serial_port {
    volatile uint32_t data, state, control, interrupts, divisor;
} serial_port;
static serial_port *const port = (serial_port *)0x40004000;
enum { IS_FULL = 1, HAS_ONE = 2, SENDS_AND_RECEIVES = 3, END_OF_TEXT = 4 };

int _write(int file, const char *text, int n) {
    (void)file;
    for (int i = 0; i < n; i++) {
        while (port->state & IS_FULL)
            continue;
        port->data = (unsigned char)text[i];
    }
    return n;
}

/* One character a call: a line is answered when it ends. */
int _read(int file, char *text, int n) {
    (void)file;
    if (n < 1)
        return 0;
    while (!(port->state & HAS_ONE))
        continue;
    *text = (char)port->data;
    return *text != END_OF_TEXT;
}

/* ---- what else the library asks for ---- */

void _exit(int status) { /* by semihosting: SYS_EXIT_EXTENDED, ADP_Stopped_ApplicationExit */
    uint32_t why[] = {0x20026, (uint32_t)status};
    register uint32_t call __asm__("r0") = 0x20;
    register uint32_t *argument __asm__("r1") = why;
    __asm__ volatile("bkpt 0xab" : : "r"(call), "r"(argument) : "memory");
    for (;;)
        continue;
}

void *_sbrk(ptrdiff_t more) {
    static char *end = heap_start;
    if (more > heap_end - end) {
        errno = ENOMEM;
        return (void *)-1;
    }
    end += more;
    return end - more;
}

int _close(int file) {
    return file < 0 ? -1 : 0;
}
int _isatty(int file) {
    return file >= 0;
}
off_t _lseek(int file, off_t to, int from) {
    return (void)file, (void)to, (void)from, 0;
}
int _getpid(void) {
    return 1;
}
int _kill(int who, int signal) {
    return (void)who, (void)signal, -1;
}
int _fstat(int file, struct stat *s) {
    (void)file;
    s->st_mode = S_IFCHR;
    return 0;
}

/* ---- reset ---- */

__attribute__((section(".vectors"), used)) static void *const vectors[] = {stack_end,
                                                                           (void *)reset};

void reset(void) {
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: the floating-point unit */
    __asm__ volatile("dsb\n isb");
    for (uint32_t *to = data_start, *from = data_image; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    port->divisor = 16;
    port->control = SENDS_AND_RECEIVES;
    _exit(main());
}
