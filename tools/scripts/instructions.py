#!/usr/bin/env python3
"""instructions.py FOLDER [--cflags=-O2] [--kernels]: the instructions that QEMU executes in a run of a compiled model.

FOLDER is what `fovea compile M --target=cortex-... -o FOLDER/` has written. The model is built there with `make`, and run on the
board of its self-test, on the inputs of the self-test. With `-icount shift=0`, QEMU advances its clock by 1 ns for each
instruction; the system timer of the processor reads that clock, and a loop of known length says how many instructions a tick
is. Counts are whole ticks, of 31 to 50 instructions. Instructions are not cycles: they tell compilers and layouts apart, not how
long a chip takes."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

LOOP = 100000  # iterations of the loop that calibrates the timer, of two instructions each

PROGRAM = """
#define @X@_selftest original_selftest
#include "@X@_selftest.c"
#undef @X@_selftest
int @X@_selftest(const fv_env *env);

static volatile uint32_t *const timer = (volatile uint32_t *)0xe000e010; /* SysTick of the processor */
static uint32_t begun, ticks[512];

static void print(const char *text) {
    register uint32_t r0 __asm__("r0") = 4;
    register const void *r1 __asm__("r1") = text;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print_number(uint32_t n) {
    char digits[12];
    int i = sizeof digits - 1;
    digits[i] = 0;
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    print(digits + i);
    print(" ");
}

/* the timer counts down, in 24 bits */
static uint32_t since(uint32_t then) {
    return (then - timer[2]) & 0xffffff;
}

static void trace(void *user, int32_t launch, int32_t end) {
    (void)user;
    if (!end)
        begun = timer[2];
    else if (launch < (int32_t)(sizeof ticks / sizeof *ticks))
        ticks[launch] += since(begun);
}

static uint32_t of_loop(void) {
    uint32_t n = @LOOP@, then = timer[2];
    __asm__ volatile(".syntax unified\\n1: subs %0, %0, #1\\n bne 1b" : "+l"(n) : : "cc");
    return since(then);
}

int @X@_selftest(const fv_env *env) {
    static fv_env tracing = {.size = sizeof tracing, .trace = trace};
    static int64_t actual[sizeof @X@_selftest_sizes[0].actual / sizeof *@X@_selftest_sizes[0].actual];
    const @X@_selftest_size *t = &@X@_selftest_sizes[0];
@FILL@
    static const void *const inputs[] = {@INPUTS@};
    static void *const outputs[] = {@OUTPUTS@};
    for (size_t i = 0; i < sizeof actual / sizeof *actual; i++)
        actual[i] = t->actual[i];
    timer[1] = 0xffffff;
    timer[2] = 0;
    timer[0] = 5;
    uint32_t loop = of_loop(), then = timer[2];
    int status = @X@_model()->run(t->dims, inputs, outputs, actual, @X@_selftest_work, sizeof @X@_selftest_work, @ENV@);
    uint32_t run = since(then);
    print("status ");
    print_number((uint32_t)status);
    print_number(loop);
    print_number(run);
    for (int i = 0; i < @X@_model()->nlaunches && @KERNELS@; i++) {
        print("\\nlaunch ");
        print_number(ticks[i]);
        print(@X@_model()->launches[i].kernel);
    }
    print("\\n");
    return original_selftest(env);
}
"""


def program(folder, name, kernels):
    """The source that counts, around that of the self-test."""
    with open(os.path.join(folder, name + "_selftest.c")) as f:
        text = f.read()
    fill = "\n".join(re.findall(r"^ *\w+_selftest_fill\(.*?\);", text, re.M | re.S)) if "_selftest_test_size(" in text else ""
    arrays = [re.search(r"\*const %s\[\] =\s*{(.*?)};" % kind, text, re.S)[1] for kind in ("inputs", "outputs")]
    values = {"X": name, "LOOP": LOOP, "FILL": fill, "INPUTS": arrays[0], "OUTPUTS": arrays[1],
              "ENV": "&tracing" if kernels else "NULL", "KERNELS": int(kernels)}
    return re.sub("@([A-Z]+)@", lambda m: str(values[m[1]]), PROGRAM)


def variable(makefile, name):
    return re.search(rf"^{name} \??= (.*)", makefile, re.M)[1]


def run(folder, cflags="-O2", kernels=False):
    """Builds and runs the model; returns the instructions of the run, and a list of those of each launch with its kernel."""
    folder = os.path.realpath(folder)
    with open(os.path.join(folder, "Makefile")) as f:
        makefile = f.read()
    name = re.search(r"^lib(\w+)\.a:", makefile, re.M)[1]
    flags = variable(makefile, "FLAGS").replace("$(CFLAGS)", cflags).split()
    flags = [f for f in flags if not f.startswith("-W")]
    traced = f" -D{name.upper()}_TRACED" if kernels else ""
    subprocess.run(["make", "-s", "-C", folder, "-B", f"lib{name}.a", "CFLAGS=" + cflags + traced], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, image = os.path.join(scratch, "count.c"), os.path.join(scratch, "count.elf")
        with open(source, "w") as f:
            f.write(program(folder, name, kernels))
        subprocess.run(["arm-none-eabi-gcc", *flags, "-ffreestanding", "-w", "-fno-tree-loop-distribute-patterns", "-I", folder,
                        "-nostdlib", "-T", os.path.join(folder, name + "_board.ld"), "-o", image, source,
                        os.path.join(folder, name + "_board.c"), os.path.join(folder, f"lib{name}.a"), "-lgcc"], check=True)
        emulator = variable(makefile, "RUN").split()
        emulator[1:1] = ["-icount", "shift=0"]
        done = subprocess.run([*emulator, image], capture_output=True, text=True, timeout=600)
    said = done.stdout + done.stderr
    found = re.search(r"^status (\d+) (\d+) (\d+)", said, re.M)
    if not found or found[1] != "0" or "self-test, one thread: ok" not in said:
        sys.exit("instructions.py: the run failed: " + said)
    tick = 2 * LOOP / int(found[2])
    launches = [(round(int(ticks) * tick), kernel) for ticks, kernel in re.findall(r"^launch (\d+) (\w+)", said, re.M)]
    return round(int(found[3]) * tick), launches


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--cflags", default="-O2", help="options of the C compiler")
    parser.add_argument("--kernels", action="store_true", help="also count each launch")
    given = parser.parse_args()
    total, launches = run(given.folder, given.cflags, given.kernels)
    for count, kernel in launches:
        print(f"{count:12} {kernel}")
    print(f"{total:12} instructions")


if __name__ == "__main__":
    main()
