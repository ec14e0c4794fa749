/* test_files.c - which files are written where, and which outputs are refused. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/cemit/bench.h"

static const char *path(bench *b, const char *name) {
    return fv_printf(b->a, "%s%s", b->folder, name);
}

static void refuses(bench *b, const fv_program *p, const fv_c_options *o, const char *where,
                    const char *why) {
    fv_messages_clear(b->s);
    cr_assert(!fv_c_write(b->s, p, o, where), "%s", where);
    cr_assert(strstr(said(b), why), "expected '%s' in '%s'", why, said(b));
}

Test(files, two_files_or_a_folder) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    cr_assert(fv_c_write(b.s, p, NULL, path(&b, "spot.c")));
    cr_assert_str_eq(listing(&b, b.folder), "spot.c spot.h ");
    cr_assert(strstr(contents(&b, "spot.c"), "#include \"spot.h\""));
    fv_c_options o = {.threads = true};
    cr_assert(fv_c_write(b.s, p, &o, path(&b, "sub/")));
    cr_assert_str_eq(
        listing(&b, path(&b, "sub")),
        "Makefile fovea-manifest.txt kws.c kws.h kws_selftest.c kws_selftest_main.c kws_threads.c "
        "kws_threads.h ");
    o.threads = false; /* what is not made any more goes away */
    cr_assert(fv_c_write(b.s, p, &o, path(&b, "sub/")));
    cr_assert_str_eq(listing(&b, path(&b, "sub")),
                     "Makefile fovea-manifest.txt kws.c kws.h kws_selftest.c kws_selftest_main.c ");
    bench_close(&b);
}

Test(files, a_board_for_cortex_m) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "cortex-m4", fixed_text);
    cr_assert(fv_c_write(b.s, p, NULL, path(&b, "sub/")), "%s", said(&b));
    cr_assert_str_eq(
        listing(&b, path(&b, "sub")),
        "Makefile fovea-manifest.txt kws.c kws.h kws_board.c kws_board.ld kws_selftest.c ");
    cr_assert(strstr(contents(&b, "sub/Makefile"), "RUN ?= qemu-system-arm -M mps2-an386 "));
    bench_close(&b);
}

Test(files, layouts) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    fv_c_options o = {0};
    cr_assert(!fv_c_layout_by_name("meson", &o.layout));
    cr_assert(fv_c_layout_by_name("arduino", &o.layout) && o.layout == FV_C_ARDUINO);
    cr_assert(fv_c_write(b.s, p, &o, path(&b, "sub/")), "%s", said(&b));
    cr_assert_str_eq(listing(&b, path(&b, "sub")),
                     "fovea-manifest.txt kws.c kws.h library.properties ");
    cr_assert(fv_c_layout_by_name("esp-idf", &o.layout) && o.layout == FV_C_ESP_IDF);
    cr_assert(fv_c_write(b.s, p, &o, path(&b, "sub/")), "%s", said(&b));
    cr_assert_str_eq(listing(&b, path(&b, "sub")),
                     "CMakeLists.txt Makefile fovea-manifest.txt idf_component.yml kws.c kws.h "
                     "kws_selftest.c kws_selftest_main.c ");
    cr_assert(strstr(contents(&b, "sub/CMakeLists.txt"), "(SRCS kws.c INCLUDE_DIRS \".\")"));
    bench_close(&b);
}

Test(files, folders_above) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    cr_assert(fv_c_write(b.s, p, NULL, path(&b, "a/b/c/")), "%s", said(&b));
    cr_assert_str_eq(listing(&b, path(&b, "a")), "b ");
    cr_assert(strstr(listing(&b, path(&b, "a/b/c")), "Makefile"));
    cr_assert(fv_c_write(b.s, p, NULL, path(&b, "a/b/c/")), "%s", said(&b));
    bench_close(&b);
}

Test(files, foreign_folders) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    cr_assert(shell(&b, "mkdir mine && echo precious > mine/kws.c"));
    refuses(&b, p, NULL, path(&b, "mine/"),
            "holds 'kws.c', which is not in its fovea-manifest.txt");
    cr_assert_str_eq(contents(&b, "mine/kws.c"), "precious\n");
    cr_assert_str_eq(listing(&b, path(&b, "mine")), "kws.c ");
    bench_close(&b);
}

Test(files, products_of_a_build_are_no_strangers) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    cr_assert(fv_c_write(b.s, p, NULL, path(&b, "sub/")));
    cr_assert(shell(&b, "touch sub/kws.o sub/libkws.a sub/kws_selftest"));
    cr_assert(fv_c_write(b.s, p, NULL, path(&b, "sub/")), "%s", said(&b));
    cr_assert(shell(&b, "touch sub/notes.txt"));
    refuses(&b, p, NULL, path(&b, "sub/"), "notes.txt");
    bench_close(&b);
}

Test(files, paths_that_cannot_be) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    refuses(&b, p, NULL, path(&b, "kws.txt"), "must end in .c (two files) or / (a folder)");
    refuses(&b, p, NULL, path(&b, ".c"), "must end in .c");
    refuses(&b, p, NULL, path(&b, "no/such/kws.c"), "No such file or directory");
    cr_assert(shell(&b, "touch plain"));
    refuses(&b, p, NULL, path(&b, "plain/such/"), "cannot make folder");
    cr_assert(shell(&b, "rm plain && mkdir taken.h"));
    refuses(&b, p, NULL, path(&b, "taken.c"), "Is a directory");
    cr_assert_str_eq(listing(&b, b.folder), "taken.h ");
    refuses(&b, p, NULL, "/dev/full/kws.c", "cannot write");
    p->name = "float";
    refuses(&b, p, NULL, path(&b, "kws.c"), "'float' is no prefix for names in C");
    bench_close(&b);
}

/* A disk that is full, as a limit on the size of files. */
Test(files, full_disk) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    cr_assert(shell(&b, "echo old > kws.c && echo old > kws.h"));
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, tight = {1000, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    tight.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &tight);
    bool two = fv_c_write(b.s, p, NULL, path(&b, "kws.c"));
    bool folder = fv_c_write(b.s, p, NULL, path(&b, "deep/er/sub/"));
    setrlimit(RLIMIT_FSIZE, &old);
    cr_assert(!two && !folder);
    cr_assert(strstr(said(&b), "kws.c': File too large"), "%s", said(&b));
    cr_assert_str_eq(listing(&b, b.folder), "kws.c kws.h ");
    cr_assert_str_eq(contents(&b, "kws.c"), "old\n");
    bench_close(&b);
}

Test(files, weights) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    fv_c_options o = {.weights = FV_WEIGHTS_INCBIN};
    cr_assert(fv_c_write(b.s, p, &o, path(&b, "sub/")), "%s", said(&b));
    cr_assert_str_eq(
        listing(&b, path(&b, "sub")),
        "Makefile fovea-manifest.txt kws.c kws.h kws_selftest.c kws_selftest_main.c kws_weights.S "
        "kws_weights.bin ");
    static const char large[1100000];
    p->memory.constants[0].contents = fv_contents_at(p->arena, large);
    p->memory.constants[0].bytes = sizeof large;
    o.weights = FV_WEIGHTS_AUTO;
    refuses(&b, p, &o, path(&b, "kws.c"), "1100032 bytes of weights");
    bench_close(&b);
}

/* If an allocation fails there must be a diagnostic or a jump to the door, and no file may be
 * left. */
Test(files, out_of_memory) {
    bench b = bench_open();
    fv_program *p = program_from(&b, "generic", fixed_text);
    volatile bool done = false;
    for (volatile int64_t n = 1; !done && n < 4000; n += 1 + n / 8) {
        fv_door door;
        if (FV_DOOR_OPEN(b.s, &door))
            continue;
        fv_session_fail_at(b.s, n);
        done = fv_c_write(b.s, p, NULL, path(&b, "kws.c"));
        fv_session_fail_at(b.s, 0);
        fv_door_close(b.s, &door);
    }
    cr_assert(done);
    cr_assert_str_eq(listing(&b, b.folder), "kws.c kws.h ");
    bench_close(&b);
}
