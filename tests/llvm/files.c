/* files.c - the files that are written: objects for all targets, archives, shared libraries,
 * text. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/llvm/programs.h"

typedef struct place {
    bench b;
    const char *folder;
} place;

static place open_place(const char *target) {
    place p = {.b = bench_open(rows_text, target)};
    p.folder = new_folder(p.b.a);
    return p;
}

static void close_place(place *p) {
    remove_folder(p->folder);
    bench_close(&p->b);
}

/* Writes FOLDER/NAME. */
static const char *written(place *p, fv_llvm_kind kind, const char *name, int level) {
    const char *path = fv_printf(p->b.a, "%s/%s", p->folder, name);
    fv_llvm_options o = {.level = level};
    cr_assert(fv_llvm_write(p->b.s, p->b.p, &o, kind, path), "%s", said(&p->b));
    return path;
}

static const char *contents(fv_arena *a, const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    char *data = fv_alloc(a, 1 << 20, 1);
    *n = fread(data, 1, (1 << 20) - 1, f);
    fclose(f);
    return data;
}

static int files_in(const char *folder) {
    DIR *d = opendir(folder);
    int n = -2; /* . and .. */
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* ---- objects ---- */

static const char *const targets[] = {"generic",   "x86-64",  "x86-64-v2", "x86-64-v3",
                                      "x86-64-v4", "aarch64", "riscv64"};
enum { NTARGETS = sizeof targets / sizeof *targets };

Test(files, objects_refer_to_nothing) {
    for (int i = 0; i < NTARGETS; i++)
        for (int level = 0; level <= 3; level++) {
            place p = open_place(targets[i]);
            const char *object = written(&p, FV_LLVM_OBJ, "rows.o", level);
            const char *undefined = undefined_symbols(p.b.a, object);
            cr_assert_str_eq(undefined, "", "%s at -O%d: %s", targets[i], level, undefined);
            cr_assert_eq(files_in(p.folder), 1);
            close_place(&p);
        }
}

Test(files, cortex_m4_refers_to_arithmetic_helpers_at_most) {
    for (int level = 0; level <= 3; level++) {
        place p = open_place("cortex-m4");
        char *s =
            fv_strdup(p.b.a, undefined_symbols(p.b.a, written(&p, FV_LLVM_OBJ, "r.o", level)));
        for (char *name = strtok(s, " "); name; name = strtok(NULL, " "))
            cr_assert_eq(strncmp(name, "__aeabi_", 8), 0, "%s", name);
        close_place(&p);
    }
}

Test(files, are_the_same_every_time) {
    static const fv_llvm_kind kinds[] = {FV_LLVM_OBJ, FV_LLVM_SO, FV_LLVM_LIB, FV_LLVM_IR,
                                         FV_LLVM_ASM};
    for (int i = 0; i < 5; i++) {
        place p = open_place("x86-64-v3"), q = open_place("x86-64-v3");
        size_t n, m;
        const char *x = contents(p.b.a, written(&p, kinds[i], "rows", 2), &n);
        const char *y = contents(q.b.a, written(&q, kinds[i], "rows", 2), &m);
        cr_assert(n == m && memcmp(x, y, n) == 0, "kind %d", i);
        close_place(&p);
        close_place(&q);
    }
}

Test(files, keep_the_names_of_kernels) {
    place p = open_place("x86-64-v3");
    size_t n;
    cr_assert(strstr(contents(p.b.a, written(&p, FV_LLVM_ASM, "rows.s", 2), &n), "\nrow_0:\n"));
    cr_assert(strstr(contents(p.b.a, written(&p, FV_LLVM_IR, "rows.ll", 0), &n), "@row_0("));
    close_place(&p);
}

/* ---- on this machine ---- */

static void run_rows(const fv_model *m) {
    float x[8] = {1, 2, 3, 4, 5, 6, 7, -20}, y[8];
    int64_t n = 1;
    const void *in[] = {x};
    void *out[] = {y};
    cr_assert_eq(m->run(&n, in, out, NULL, NULL, 0, NULL), FV_OK);
    cr_assert(y[0] == 3 && y[6] == 21 && y[7] == 0);
}

Test(files, library_is_loaded) {
    if (!has_tool("ld.lld") && !has_tool("ld.lld-19") && !has_tool("cc"))
        cr_skip_test("no linker");
    place p = open_place("native");
    const char *path = written(&p, FV_LLVM_SO, "librows.so", 2);
    cr_assert_str_eq(undefined_symbols(p.b.a, path), "");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    cr_assert(library, "%s", dlerror());
    const fv_model *(*table)(void);
    *(void **)&table = dlsym(library, "rows_model");
    cr_assert(table && dlsym(library, "rows_run") && dlsym(library, "rows_plan"));
    cr_assert_eq(dlsym(library, "fovea_model"), dlsym(library, "rows_model"));
    cr_assert_null(dlsym(library, "row_0"));
    cr_assert_null(dlsym(library, "rows_weights"));
    run_rows(table());
    dlclose(library);
    cr_assert_eq(files_in(p.folder), 1);
    close_place(&p);
}

/* Compiles caller.c with the object or archive and runs it. */
static int call(place *p, const char *compiler, const char *file, const char *run) {
    bool built = shell("%s -I'" FV_SOURCE_ROOT "' '" FV_SOURCE_ROOT "/tests/llvm/caller.c' '%s' "
                       "-o '%s/call'",
                       compiler, file, p->folder);
    cr_assert(built, "%s", compiler);
    return shell("%s '%s/call'", run, p->folder);
}

Test(files, archive_is_linked) {
    if (!has_tool("cc"))
        cr_skip_test("no cc");
    place p = open_place("native");
    cr_assert(call(&p, "cc", written(&p, FV_LLVM_LIB, "librows.a", 2), ""));
    close_place(&p);
}

Test(files, older_cpu_is_told) {
    if (!has_tool("cc") || !has_tool("qemu-x86_64"))
        cr_skip_test("needs cc and qemu-x86_64");
    place p = open_place("x86-64-v3");
    const char *object = written(&p, FV_LLVM_OBJ, "rows.o", 2);
    cr_assert(call(&p, "cc -static", object, "qemu-x86_64 -cpu max"));
    cr_assert_not(call(&p, "cc -static", object, "qemu-x86_64 -cpu Nehalem"));
    cr_assert(
        shell("qemu-x86_64 -cpu Nehalem '%s/call'; test $? -eq %d", p.folder, 10 + FV_BAD_CPU));
    close_place(&p);
}

/* ---- on others ---- */

Test(files, aarch64_runs) {
    if (!has_tool("aarch64-linux-gnu-gcc") || !has_tool("qemu-aarch64"))
        cr_skip_test("needs aarch64-linux-gnu-gcc and qemu-aarch64");
    for (int level = 0; level <= 2; level += 2) {
        place p = open_place("aarch64");
        cr_assert(call(&p, "aarch64-linux-gnu-gcc", written(&p, FV_LLVM_OBJ, "rows.o", level),
                       "qemu-aarch64 -L /usr/aarch64-linux-gnu"));
        close_place(&p);
    }
}

Test(files, aarch64_library_is_linked) {
    if (!has_tool("ld.lld") && !has_tool("ld.lld-19"))
        cr_skip_test("needs ld.lld");
    place p = open_place("aarch64");
    cr_assert_str_eq(undefined_symbols(p.b.a, written(&p, FV_LLVM_SO, "rows.so", 2)), "");
    close_place(&p);
}

Test(files, riscv64_runs) {
    if (!has_tool("clang-19") || !has_tool("ld.lld-19") || !has_tool("qemu-riscv64"))
        cr_skip_test("needs clang-19, ld.lld-19 and qemu-riscv64");
    place p = open_place("riscv64");
    cr_assert(call(&p,
                   "clang-19 --target=riscv64-linux-gnu -march=rv64gc -mabi=lp64d -mno-relax "
                   "-ffreestanding -nostdlib -static -fuse-ld=lld-19 -O1",
                   written(&p, FV_LLVM_OBJ, "rows.o", 2), "qemu-riscv64"));
    close_place(&p);
}

Test(files, cortex_m4_runs) {
    if (!has_tool("arm-none-eabi-gcc") || !has_tool("qemu-system-arm"))
        cr_skip_test("needs arm-none-eabi-gcc and qemu-system-arm");
    for (int level = 0; level <= 2; level += 2) {
        place p = open_place("cortex-m4");
        cr_assert(
            call(&p,
                 "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 "
                 "-ffreestanding -nostdlib -O1 -Wl,--section-start=.vectors=0 -Wl,-Ttext=0x1000 "
                 "-Wl,-Tdata=0x20000000 -Wl,-e,reset -Wl,-z,noexecstack",
                 written(&p, FV_LLVM_OBJ, "rows.o", level),
                 "qemu-system-arm -M mps2-an386 -nographic -semihosting -kernel"));
        close_place(&p);
    }
}

/* ---- what cannot be written ---- */

static bool refused(place *p, fv_llvm_kind kind, const char *path, const char *message) {
    fv_llvm_options o = {.level = 0};
    bool ok = fv_llvm_write(p->b.s, p->b.p, &o, kind, path);
    cr_expect_str_eq(said(&p->b), message);
    return !ok;
}

Test(files, unwritable_place_is_told) {
    place p = open_place("x86-64-v3");
    const char *path = fv_printf(p.b.a, "%s/none/rows.o", p.folder);
    const char *message =
        fv_printf(p.b.a, "error: %s: cannot write: No such file or directory\n", path);
    cr_assert(refused(&p, FV_LLVM_OBJ, path, message));
    close_place(&p);
}

Test(files, full_disk_leaves_nothing_behind) {
    static const fv_llvm_kind kinds[] = {FV_LLVM_OBJ, FV_LLVM_LIB, FV_LLVM_IR, FV_LLVM_ASM};
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 4; i++) {
        place p = open_place("x86-64-v3");
        struct rlimit old, small;
        const char *path = fv_printf(p.b.a, "%s/rows", p.folder);
        const char *message = fv_printf(p.b.a, "error: %s: cannot write: File too large\n", path);
        getrlimit(RLIMIT_FSIZE, &old);
        small = (struct rlimit){1000, old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        bool is_refused = refused(&p, kinds[i], path, message);
        setrlimit(RLIMIT_FSIZE, &old);
        cr_assert(is_refused);
        cr_assert_eq(files_in(p.folder), 0);
        close_place(&p);
    }
}

Test(files, microcontrollers_have_no_libraries) {
    place p = open_place("cortex-m4");
    const char *path = fv_printf(p.b.a, "%s/rows.so", p.folder);
    const char *message = fv_printf(p.b.a,
                                    "error: %s: target cortex-m4 has no shared libraries; write an "
                                    "object (.o) or archive (.a)\n",
                                    path);
    cr_assert(refused(&p, FV_LLVM_SO, path, message));
    cr_assert_eq(files_in(p.folder), 0);
    close_place(&p);
}

/* Writes while the nth allocation fails; false: there are fewer allocations. */
static bool fails_at(int64_t nth) {
    place p = open_place("x86-64-v3");
    fv_llvm_options o = {.level = 1};
    const char *path = fv_printf(p.b.a, "%s/rows.so", p.folder);
    volatile bool failed = true;
    fv_door door;
    fv_session_fail_at(p.b.s, nth);
    if (!FV_DOOR_OPEN(p.b.s, &door)) {
        failed = !fv_llvm_write(p.b.s, p.b.p, &o, FV_LLVM_LIB, path);
        fv_door_close(p.b.s, &door);
    }
    cr_expect_eq(files_in(p.folder), failed ? 0 : 1);
    close_place(&p);
    return failed;
}

Test(files, running_out_of_memory_leaves_nothing_behind) {
    int64_t nth = 1;
    while (fails_at(nth))
        nth++;
    cr_assert_gt(nth, 2);
}
