/* test_weights.c - where the weights of generated C are stored: each storage gives the bits of the
 * interpreter, and a file of another model is refused with a status. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/have.h"
#include "tests/cemit/bench.h"

static const fv_weights_kind kinds[] = {FV_WEIGHTS_OBJECT, FV_WEIGHTS_FILE, FV_WEIGHTS_INCBIN,
                                        FV_WEIGHTS_TEXT};
static const char *const compilers[] = {"gcc", "clang"};

static const char *path(bench *b, const char *name) {
    return fv_printf(b->a, "%s%s", b->folder, name);
}

static bool can_write(fv_weights_kind kind) {
    return kind != FV_WEIGHTS_OBJECT || FV_HAVE_ELF;
}

static void write_c(bench *b, const char *target, const char *text, fv_weights_kind kind,
                    const char *name) {
    int64_t dims[] = {50, 2};
    fv_c_options o = with_reference(b);
    o.weights = kind;
    o.threads = true;
    o.test_dims = dims;
    cr_assert(fv_c_write(b->s, program_from(b, target, text), &o, path(b, name)), "%s", said(b));
}

Test(weights, names) {
    for (int i = 0; i < 4; i++)
        cr_expect_eq(fv_weights_by_name(fv_weights_names()[kinds[i] - FV_WEIGHTS_OBJECT]),
                     kinds[i]);
    cr_expect_eq(fv_weights_by_name("paper"), FV_WEIGHTS_AUTO);
}

/* The self-test carries the interpreter's result. */
Test(weights, folders_give_the_same_bits, .timeout = 900) {
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) {
            if (!has_tool(compilers[k]) || !can_write(kinds[i]))
                continue;
            bench b = bench_open();
            write_c(&b, "generic", k ? fixed_text : dynamic_text, kinds[i], "sub/");
            cr_assert(shell(&b,
                            "make -s -C sub check CC=%s CFLAGS='-O1 -Werror' >log 2>&1 || cat log",
                            compilers[k]));
            cr_assert(strstr(contents(&b, "log"), "self-test, thread pool: ok"));
            cr_assert(
                shell(&b, "make -s -C sub clean && make -s -C sub check >log 2>&1 || cat log"));
            bench_close(&b);
        }
}

Test(weights, what_lies_beside_two_files) {
    static const char *const beside[] = {
        "kws.c kws.h kws_weights.o ", "kws.c kws.h kws.weights kws_weights.c ",
        "kws.c kws.h kws_weights.S kws_weights.bin ", "kws.c kws.h "};
    for (int i = 0; i < 4; i++) {
        bench b = bench_open();
        if (can_write(kinds[i])) {
            write_c(&b, "generic", fixed_text, kinds[i], "kws.c");
            cr_expect_str_eq(listing(&b, b.folder), beside[i]);
        }
        bench_close(&b);
    }
}

static const char user_text[] =
    "#include <stdio.h>\n"
    "#include \"kws.h\"\n"
    "KWS_ALIGNED static unsigned char work[KWS_WORKSPACE_BYTES];\n"
    "static const float x[1][5][3] = {{{1, 2, 3}, {-1, -2, -3}, {0, 1, 0}, {4, 0, 0}, {0, 0, "
    "0.5f}}};\n"
    "int main(int argc, char **argv) {\n"
    "    float y[KWS_Y_SIZE] = {0};\n"
    "    fv_env env = {0};\n"
    "    env.size = sizeof env;\n"
    "    int opened = kws_weights_open(argv[argc - 1], &env), status = kws_run(x, y, work, &env);\n"
    "    printf(\"%d %d %g %g\\n\", opened, status, y[0], y[4]);\n"
    "    kws_weights_close(&env);\n"
    "    return kws_run(x, y, work, NULL) == FV_BAD_FILE ? 0 : 1;\n"
    "}\n";

static void put_user(bench *b) {
    FILE *f = fopen(path(b, "user.c"), "w");
    cr_assert(f);
    fputs(user_text, f);
    fclose(f);
}

/* Opens the file that a command makes of kws.weights. */
static void opens(bench *b, const char *make, const char *expected) {
    cr_assert(shell(b, "rm -rf bad && %s && ./user bad >log", make), "%s", make);
    cr_expect_str_eq(contents(b, "log"), expected, "%s: %s", make, contents(b, "log"));
}

Test(weights, of_a_wrong_file) {
    bench b = bench_open();
    write_c(&b, "generic", fixed_text, FV_WEIGHTS_FILE, "kws.c");
    put_user(&b);
    cr_assert(shell(&b, "gcc -std=c99 -Wall -Wextra -Wpedantic -Werror *.c -o user"));
    opens(&b, "cp kws.weights bad", "0 0 7.5 1\n");
    opens(&b, "true", "10 10 0 0\n");
    opens(&b, "mkdir bad", "10 10 0 0\n");
    opens(&b, "mkfifo bad", "10 10 0 0\n");
    opens(&b, ": >bad", "10 10 0 0\n");
    opens(&b, "head -c 10 kws.weights >bad", "10 10 0 0\n");
    opens(&b, "head -c 64 kws.weights >bad", "10 10 0 0\n");
    opens(&b, "cat kws.weights kws.weights >bad", "10 10 0 0\n");
    opens(&b, "head -c 128 /dev/zero >bad", "10 10 0 0\n");
    opens(&b, "cp kws.weights bad && printf X | dd of=bad bs=1 seek=70 conv=notrunc status=none",
          "10 10 0 0\n");
    opens(&b, "cp kws.weights bad && printf X | dd of=bad bs=1 seek=20 conv=notrunc status=none",
          "10 10 0 0\n");
    bench other = bench_open(); /* a good file, of another model: opened, but not run */
    write_c(&other, "generic", dynamic_text, FV_WEIGHTS_FILE, "kws.c");
    opens(&b, fv_printf(b.a, "cp %skws.weights bad", other.folder), "0 10 0 0\n");
    bench_close(&other);
    bench_close(&b);
}

/* ---- objects ---- */

static const struct {
    const char *target, *compiler;
} crosses[] = {
    {"aarch64", "aarch64-linux-gnu-gcc"},
    {"cortex-m4", "arm-none-eabi-gcc"},
    {"riscv64", "clang-19 --target=riscv64-linux-gnu -fuse-ld=lld-19 -mno-relax"},
};

/* Linkers check class, machine and flags. */
Test(weights, objects_of_other_machines_link) {
    for (int i = 0; i < 3; i++) {
        bench b = bench_open();
        const char *tool = fv_strndup(b.a, crosses[i].compiler, strcspn(crosses[i].compiler, " "));
        if (FV_HAVE_ELF && has_tool(tool)) {
            write_c(&b, crosses[i].target, fixed_text, FV_WEIGHTS_OBJECT, "kws.c");
            cr_assert(shell(&b,
                            "%s %s -O1 -ffreestanding -nostdlib -Wl,-e,kws_run kws.c kws_weights.o "
                            "-o linked 2>err && "
                            "readelf -s linked | grep -q 'OBJECT.*kws_weights'",
                            crosses[i].compiler, fv_target_find(crosses[i].target)->c.flags));
        }
        bench_close(&b);
    }
}

Test(weights, an_object_of_another_machine_runs) {
    bench b = bench_open();
    if (FV_HAVE_ELF && has_tool("aarch64-linux-gnu-gcc") && has_tool("qemu-aarch64")) {
        write_c(&b, "aarch64", dynamic_text, FV_WEIGHTS_OBJECT, "sub/");
        cr_assert(shell(
            &b,
            "cd sub && aarch64-linux-gnu-gcc -static -O1 *.c kws_weights.o -lpthread -o test && "
            "qemu-aarch64 ./test >../log"));
        cr_assert(strstr(contents(&b, "log"), "self-test, one thread: ok"));
    }
    bench_close(&b);
}

/* ---- much of it ---- */

/* Three gigabytes that nobody reads: they are refused before. */
Test(weights, beyond_the_reach_of_code) {
    bench b = bench_open();
    size_t bytes = (size_t)3 << 30;
    void *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    for (int i = 0; i < 4; i++) {
        fv_program *p = program_from(&b, i == 1 ? "cortex-m4" : "x86-64-v3", fixed_text);
        fv_c_options o = {.weights = kinds[i]};
        p->memory.constants[0].contents = fv_contents_at(p->arena, memory);
        p->memory.constants[0].bytes = bytes;
        if (kinds[i] == FV_WEIGHTS_TEXT || !can_write(kinds[i]))
            continue;
        fv_messages_clear(b.s);
        cr_assert_not(fv_c_write(b.s, p, &o, path(&b, "kws.c")));
        cr_expect(strstr(said(&b), "3221225472 bytes of weights"), "%s", said(&b));
        cr_expect_str_eq(listing(&b, b.folder), "");
    }
    munmap(memory, bytes);
    bench_close(&b);
}
