/* cortex_m4.c - the runner on a bare Cortex-M4 under an emulator: start, and files of the host by
 * semihosting (ARM IHI: a breakpoint with the number of the call and its arguments). The job is
 * `job`, the result `result`, both in the folder where the emulator was started. */
#include "tests/matrix/runner/runner.h"

extern uint32_t stack_end[], data_start[], data_end[], data_image[], bss_start[], bss_end[];
extern char heap_start[], heap_end[];
const fv_model *m_model(void);
int main(void);

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE = 5, SYS_READ = 6, SYS_FLEN = 12, SYS_EXIT = 24 };
enum { READ_BINARY = 1, WRITE_BINARY = 5, ADP_STOPPED = 0x20026, ADP_FAILED = 0x20023 };

static int32_t call_host(int32_t number, const void *arguments) {
    register int32_t r0 __asm__("r0") = number;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(int32_t reason) {
    for (;;)
        call_host(SYS_EXIT, (const void *)(uintptr_t)reason);
}

static int32_t open_file(const char *name, uint32_t length, uint32_t mode) {
    const uint32_t arguments[] = {(uint32_t)(uintptr_t)name, mode, length};
    int32_t file = call_host(SYS_OPEN, arguments);
    if (file < 0)
        leave(ADP_FAILED);
    return file;
}

static int32_t result;

static void write_all(const void *data, size_t bytes) {
    const uint32_t arguments[] = {(uint32_t)result, (uint32_t)(uintptr_t)data, bytes};
    if (bytes && call_host(SYS_WRITE, arguments))
        leave(ADP_FAILED);
}

/* There is one core: the tasks from the last to the first. */
static void backwards(void *user, void (*task)(void *arg, int64_t i), void *arg, int64_t n) {
    (void)user;
    while (n > 0)
        task(arg, --n);
}

static const int64_t *read_job(runner_port *port) {
    uint32_t file = (uint32_t)open_file("job", 3, READ_BINARY);
    uint32_t bytes = (uint32_t)call_host(SYS_FLEN, &file);
    uint32_t room = (bytes + 63) / 64 * 64;
    if (room > port->heap_bytes)
        leave(ADP_FAILED);
    const uint32_t arguments[] = {file, (uint32_t)(uintptr_t)port->heap, bytes};
    if (call_host(SYS_READ, arguments))
        leave(ADP_FAILED);
    const void *job = port->heap;
    port->heap += room;
    port->heap_bytes -= room;
    return job;
}

int main(void) {
    runner_port port = {heap_start, (size_t)(heap_end - heap_start), backwards, write_all};
    const int64_t *job = read_job(&port);
    result = open_file("result", 6, WRITE_BINARY);
    runner_run(&port, job, m_model());
    uint32_t file = (uint32_t)result;
    call_host(SYS_CLOSE, &file);
    return 0;
}

/* The FPU is off after a reset; what is zero or has a value in C is not so yet. */
void reset(void);
void reset(void) {
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
    for (uint32_t *p = data_start, *q = data_image; p < data_end;)
        *p++ = *q++;
    for (uint32_t *p = bss_start; p < bss_end;)
        *p++ = 0;
    leave(main() ? ADP_FAILED : ADP_STOPPED);
}

static void fault(void) {
    leave(ADP_FAILED);
}

__attribute__((section(".vectors"), used)) static const struct {
    const uint32_t *stack;
    void (*handler[15])(void);
} vectors = {stack_end, {reset, fault, fault, fault, fault, fault}};
