/* test_build.c - compiles generated C with the compilers of the machine: without warnings, without
 * undefined symbols, and with the bits of the interpreter at every level. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "frontend/file.h"
#include "ir/base/text.h"
#include "tests/cemit/bench.h"

#define WARN "-Wall -Wextra -Wpedantic -Werror"

static const char *const native = "x86-64-v3";

static bool runs(const char *target) {
    return fv_target_runs_here(fv_target_find(target));
}

/* The self-test carries the interpreter's result, so one make checks a compiler and a level. */
static void check(bench *b, const char *cc, const char *flags) {
    if (!has_tool(cc))
        return;
    cr_assert(shell(b,
                    "make -s -C sub clean && make -s -C sub check CC=%s CFLAGS='-Werror %s' >log "
                    "2>&1 || cat log",
                    cc, flags));
    cr_assert(strstr(contents(b, "log"), "self-test, one thread: ok"));
    cr_assert(shell(b, "nm -u sub/kws.o | grep -v ' kws_'; true"));
}

static void check_all(bench *b, const char *target, const char *text, fv_c_options o) {
    int64_t dims[] = {13, 3};
    o.test_dims = dims;
    fv_program *p = program_from(b, target, text);
    cr_assert(fv_c_write(b->s, p, &o, fv_printf(b->a, "%ssub/", b->folder)), "%s", said(b));
    check(b, "gcc", "-O0");
    check(b, "gcc", "-O3");
    check(b, "gcc", "-std=gnu11 -Os");
    check(b, "clang", "-O2");
}

Test(build, scalar) {
    bench b = bench_open();
    check_all(&b, "generic", dynamic_text, with_reference(&b));
    bench_close(&b);
}

Test(build, vectors) {
    bench b = bench_open();
    if (runs(native))
        check_all(&b, native, dynamic_text, with_reference(&b));
    bench_close(&b);
}

/* A program that does not check the caller's memory must not contain the function for that, since
 * clang would warn of an unused function. */
Test(build, tensors_without_elements) {
    static const char *const compilers[] = {"gcc", "clang", "clang-19", NULL};
    bench b = bench_open();
    fv_program *p =
        program_from(&b, "generic",
                     "fovea-program 1\nname none\ntarget \"generic\"\n"
                     "buffer x: f32[0, 3] input 0\nbuffer y: f32[0] output 0\n"
                     "input x = \"x\" as x: f32[0, 3] extents [0, 3]\n"
                     "output y = \"y\" as y: f32[0] extents [0]\n"
                     "kernel relu_1(A: f32[0, 3], out C: f32[0]) {\n"
                     "  for i < 0 { C[i] = A[i, 0] }\n}\nrun {\n  launch relu_1(x, y)\n}\n");
    cr_assert(fv_c_write(b.s, p, NULL, fv_printf(b.a, "%snone.c", b.folder)), "%s", said(&b));
    for (int i = 0; compilers[i]; i++)
        if (has_tool(compilers[i]))
            cr_expect(shell(&b, "%s -std=c99 " WARN " -c none.c 2>&1", compilers[i]), "%s",
                      compilers[i]);
    bench_close(&b);
}

Test(build, link_time_optimization) {
    bench b = bench_open();
    fv_c_options o = with_reference(&b);
    fv_program *p = program_from(&b, "generic", fixed_text);
    cr_assert(fv_c_write(b.s, p, &o, fv_printf(b.a, "%ssub/", b.folder)), "%s", said(&b));
    cr_assert(shell(&b, "gcc -std=gnu11 -O3 -flto " WARN " sub/*.c -o t && ./t >log || cat log"));
    bench_close(&b);
}

Test(build, threads_and_incbin) {
    bench b = bench_open();
    fv_c_options o = with_reference(&b);
    o.threads = true;
    o.weights = FV_WEIGHTS_INCBIN;
    fv_program *p = program_from(&b, "generic", dynamic_text);
    int64_t dims[] = {50, 2};
    o.test_dims = dims;
    cr_assert(fv_c_write(b.s, p, &o, fv_printf(b.a, "%ssub/", b.folder)), "%s", said(&b));
    check(&b, "gcc", "-O2");
    cr_assert(strstr(contents(&b, "log"), "self-test, thread pool: ok"));
    bench_close(&b);
}

/* A wrong result is told. */
Test(build, the_self_test_can_fail) {
    bench b = bench_open();
    fv_c_options o = with_reference(&b);
    fv_program *p = program_from(&b, "generic", fixed_text);
    cr_assert(fv_c_write(b.s, p, &o, fv_printf(b.a, "%ssub/", b.folder)), "%s", said(&b));
    cr_assert(shell(&b, "sed -i 's/-0.5f/-0.25f/' sub/kws.c && ! make -s -C sub check >log 2>&1"));
    cr_assert(strstr(contents(&b, "log"), "outputs differ from what was recorded"), "%s",
              contents(&b, "log"));
    bench_close(&b);
}

Test(build, headers) {
    bench b = bench_open();
    static const char *const compilers[] = {"gcc -std=c99 -x c", "g++ -std=c++11 -x c++",
                                            "clang -std=c99 -x c", "clang++ -std=c++11 -x c++",
                                            NULL};
    fv_c_options o = {.threads = true};
    cr_assert(fv_c_write(b.s, program_from(&b, "generic", dynamic_text), &o,
                         fv_printf(b.a, "%ssub/", b.folder)));
    cr_assert(fv_c_write(b.s, program_from(&b, "generic", fixed_text), NULL,
                         fv_printf(b.a, "%sfixed.c", b.folder)));
    cr_assert(shell(&b, "printf '#include \"sub/kws_threads.h\"\\nint one;\\n' > one.c; "
                        "printf '#include \"fixed.h\"\\nKWS_ALIGNED extern unsigned char "
                        "w[KWS_WORKSPACE_BYTES];\\n' > two.c"));
    for (int i = 0; compilers[i]; i++) {
        char tool[16];
        snprintf(tool, sizeof tool, "%.*s", (int)strcspn(compilers[i], " "), compilers[i]);
        if (has_tool(tool))
            cr_assert(shell(&b, "%s " WARN " -Wconversion -fsyntax-only one.c two.c", compilers[i]),
                      "%s", compilers[i]);
    }
    bench_close(&b);
}

/* Two models in one program, one of them called directly, with arrays as a user declares them. */
static const char user_text[] =
    "#include <stdio.h>\n"
    "#include \"kws.h\"\n"
    "#include \"eye.h\"\n"
    "KWS_ALIGNED static unsigned char work[KWS_WORKSPACE_BYTES];\n"
    "static const float x[1][5][3] = {{{1, 2, 3}, {-1, -2, -3}, {0, 1, 0}, {4, 0, 0}, {0, 0, "
    "0.5f}}};\n"
    "int main(void) {\n"
    "    float y[KWS_Y_SIZE];\n"
    "    size_t need;\n"
    "    eye_dims dims = {4, 2};\n"
    "    if (kws_run(x, y, work) != FV_OK || eye_plan(&dims, &need, NULL) != FV_OK)\n"
    "        return 1;\n"
    "    printf(\"%g %g %g %g %g %d %s\\n\", y[0], y[1], y[2], y[3], y[4], (int)need, "
    "eye_model()->name);\n"
    "    dims.k = 7;\n"
    "    return eye_run(&dims, NULL, NULL, NULL, NULL, 0, NULL) == FV_BAD_ARGUMENT ? 0 : 2;\n"
    "}\n";

Test(build, two_models_in_a_program) {
    bench b = bench_open();
    fv_program *eye = program_from(&b, "generic", dynamic_text);
    eye->name = "eye";
    cr_assert(fv_c_write(b.s, eye, NULL, fv_printf(b.a, "%seye.c", b.folder)));
    cr_assert(fv_c_write(b.s, program_from(&b, "generic", fixed_text), NULL,
                         fv_printf(b.a, "%skws.c", b.folder)));
    FILE *f = fopen(fv_printf(b.a, "%suser.c", b.folder), "w");
    fputs(user_text, f);
    fclose(f);
    cr_assert(shell(&b, "gcc -std=c99 -O1 " WARN " *.c -o user && ./user > log"));
    cr_assert_str_eq(contents(&b, "log"), "7.5 0 1 0 1 64 eye\n");
    bench_close(&b);
}

/* What would change results stops the compiler. */
Test(build, unfit_flags) {
    bench b = bench_open();
    cr_assert(fv_c_write(b.s, program_from(&b, "generic", fixed_text), NULL,
                         fv_printf(b.a, "%skws.c", b.folder)));
    cr_assert(
        shell(&b, "! gcc -c -ffast-math kws.c 2>log && grep -q 'compile without -ffast-math' log"));
    cr_assert(shell(&b, "! gcc -c -fno-signed-zeros kws.c 2>log"));
    cr_assert(fv_c_write(b.s, program_from(&b, "x86-64-v3", fixed_text), NULL,
                         fv_printf(b.a, "%skws.c", b.folder)));
    cr_assert(shell(&b, "! gcc -c kws.c 2>log && grep -q 'compile with -march=x86-64-v3' log"));
    bench_close(&b);
}

Test(build, microcontroller) {
    bench b = bench_open();
    cr_assert(fv_c_write(b.s, program_from(&b, "cortex-m4", fixed_text), NULL,
                         fv_printf(b.a, "%skws.c", b.folder)));
    cr_assert(strstr(contents(&b, "kws.c"), "for (int32_t i = 0;"), "%s", contents(&b, "kws.c"));
    if (has_tool("arm-none-eabi-gcc"))
        cr_assert(shell(&b,
                        "arm-none-eabi-gcc -std=c99 -O2 " WARN " %s -ffreestanding -c kws.c && "
                        "arm-none-eabi-nm -u kws.o | grep -v __aeabi_; true",
                        fv_target_find("cortex-m4")->c.flags));
    bench_close(&b);
}

/* Each feature of the target is checked by the compiler and on the CPU, and no other feature is. */
Test(build, each_feature_is_asked_for) {
    static const struct {
        const char *target, *macro, *bits;
        bool asked;
    } cases[] = {
        {"x86-64-v3", "__F16C__", "(c & 0x38d83201u) == 0x38d83201u", true},
        {"x86-64-v2", "__F16C__", "(low & 0x6u) == 0x6u", false},
        {"x86-64-v2+f16c", "__F16C__", "(low & 0x6u) == 0x6u", true},
        {"x86-64-v4+vnni", "__AVX512VNNI__", "(c & 0x800u) == 0x800u", true},
        {"x86-64-v4", "__AVX512VNNI__", "(c & 0x800u) == 0x800u", false},
        {"x86-64-v4+avx512bf16", "__AVX512BF16__", "(a & 0x20u) == 0x20u", true},
        {"x86-64-v3+avxvnni", "__AVXVNNI__", "(a & 0x10u) == 0x10u", true},
        {"x86-64-v3", "__AVXVNNI__", "(a & 0x10u) == 0x10u", false},
        {"aarch64+dotprod", "__ARM_FEATURE_DOTPROD", "id >> 44 & 15", true},
        {"aarch64", "__ARM_FEATURE_DOTPROD", "id >> 44 & 15", false},
    };
    bench b = bench_open();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(fv_c_write(b.s, program_from(&b, cases[i].target, fixed_text), NULL,
                             fv_printf(b.a, "%skws.c", b.folder)));
        const char *text = contents(&b, "kws.c");
        const char *macro = fv_printf(b.a, "#ifndef %s\n#error", cases[i].macro);
        cr_expect_eq(strstr(text, macro) != NULL, cases[i].asked, "%s: %s", cases[i].target, macro);
        cr_expect_eq(strstr(text, cases[i].bits) != NULL, cases[i].asked, "%s: %s", cases[i].target,
                     cases[i].bits);
    }
    bench_close(&b);
}

/* Both the plan and the run must check the CPU first, because the C compiler may use instructions
 * in them that the CPU lacks. 3 is FV_BAD_CPU; 8 is FV_BAD_ARGUMENT, because the run gets no
 * inputs. */
static const char older_text[] = "#include <stdio.h>\n"
                                 "#include \"eye.h\"\n"
                                 "#include \"kws.h\"\n"
                                 "KWS_ALIGNED static unsigned char work[KWS_WORKSPACE_BYTES];\n"
                                 "int main(void) {\n"
                                 "    static float x[1][5][3], y[KWS_Y_SIZE];\n"
                                 "    eye_dims dims = {4, 2};\n"
                                 "    size_t need = 1;\n"
                                 "    int plan = eye_plan(&dims, &need, NULL), run = "
                                 "eye_run(&dims, NULL, NULL, NULL, NULL, 0, NULL);\n"
                                 "    printf(\"%d %d %d\\n\", plan, run, kws_run(x, y, work));\n"
                                 "    return 0;\n"
                                 "}\n";

Test(build, older_cpu_is_told) {
    bench b = bench_open();
    if (!has_tool("qemu-x86_64"))
        cr_skip_test("needs qemu-x86_64");
    FILE *f = fopen(fv_printf(b.a, "%suser.c", b.folder), "w");
    fputs(older_text, f);
    fclose(f);
    static const struct {
        const char *target, *cpu, *says;
        int most; /* level of optimization */
    } cases[] = {
        {"x86-64-v3", "Nehalem", "3 3 3\n", 3},         {"x86-64-v2+f16c", "Nehalem", "3 3 3\n", 0},
        {"x86-64-v2+f16c", "Haswell", "0 8 0\n", 0},    {"x86-64-v3", "Haswell", "0 8 0\n", 0},
        {"x86-64-v3+avxvnni", "Haswell", "3 3 3\n", 0},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const char *target = cases[i / 2].target, *cc = i % 2 ? "clang" : "gcc";
        fv_program *eye = program_from(&b, target, dynamic_text);
        eye->name = "eye";
        cr_assert(fv_c_write(b.s, eye, NULL, fv_printf(b.a, "%seye.c", b.folder)));
        cr_assert(fv_c_write(b.s, program_from(&b, target, fixed_text), NULL,
                             fv_printf(b.a, "%skws.c", b.folder)));
        for (int level = 0; level <= cases[i / 2].most && has_tool(cc); level += 3) {
            cr_assert(shell(&b,
                            "%s -std=c99 -O%d " WARN
                            " %s -c eye.c kws.c && %s user.c eye.o kws.o -static -o user",
                            cc, level, eye->target->c.flags, cc));
            cr_assert(shell(&b, "qemu-x86_64 -cpu %s ./user >log 2>warnings", cases[i / 2].cpu),
                      "%s -O%d", cc, level);
            cr_assert_str_eq(contents(&b, "log"), cases[i / 2].says, "%s: %s", target,
                             contents(&b, "log"));
        }
    }
    bench_close(&b);
}

/* ---- integers that overflow ---- */

/* All integer arithmetic on data that overflows it, in lanes and one by one; and gathers whose
 * masked lanes have indices of any size. */
static const char *arithmetic_text(bench *b, const char *type) {
    static const char *const terms[] = {"A[i] + B[i]",
                                        "A[i] - B[i]",
                                        "A[i] * B[i]",
                                        "-A[i]",
                                        "abs(A[i])",
                                        "A[i] / B[i]",
                                        "A[i] % B[i]",
                                        "A[i] floordiv B[i]",
                                        "A[i] mod B[i]",
                                        "A[i] << B[i]",
                                        "A[i] >> B[i]",
                                        "A[i] * B[i] - (A[i] + B[i]) * A[i]",
                                        "min(A[i] * A[i], -B[i])"};
    enum { N = sizeof terms / sizeof *terms };
    fv_text t = {.arena = b->a}, run = {.arena = b->a};
    fv_text_printf(
        &t,
        "fovea-program 1\nname kws\ntarget \"generic\"\nsymbol n as n in 0..100\nplan "
        "{\n}\nworkspace 0\n"
        "buffer x: %s[n] input 0\nbuffer y: %s[n] input 1\nbuffer w: f32[n, 3] input 2\n"
        "buffer z: %s[%d, n] output 0\nbuffer g: f32[n] output 1\n"
        "input x = \"x\" as x: %s[n] extents [n]\ninput y = \"y\" as y: %s[n] extents [n]\n"
        "input w = \"w\" as w: f32[n, 3] extents [n, 3]\n"
        "output z = \"z\" as z: %s[%d, n] extents [%d, n]\noutput g = \"g\" as g: f32[n] extents "
        "[n]\n",
        type, type, type, 2 * N, type, type, type, 2 * N, 2 * N);
    for (int i = 0; i < 2 * N; i++) {
        fv_text_printf(&t,
                       "kernel k%d(A: %s[n], B: %s[n], inout C: %s[%d, n]; n) {\n  %s i < n { "
                       "C[%d, i] = %s }\n}\n",
                       i, type, type, type, 2 * N, i < N ? "vector" : "for", i, terms[i % N]);
        fv_text_printf(&run, "  launch k%d(x, y, z; n)\n", i);
    }
    fv_text_printf(&t,
                   "kernel pick(A: %s[n], B: %s[n], W: f32[n, 3], out G: f32[n]; n) {\n"
                   "  vector i < n {\n    G[i] = W[i64(A[i]), i64(B[i])] if i64(A[i]) >= 0 & "
                   "i64(A[i]) < n & i64(B[i]) >= 0 & "
                   "i64(B[i]) < 3 else 0.5\n  }\n}\n"
                   "run {\n%s  launch pick(x, y, w, g; n)\n}\n",
                   type, type, run.s);
    return t.s;
}

static const char arithmetic_main[] =
    "#include <stdio.h>\n#include <string.h>\n#include \"k.h\"\n"
    "static unsigned char x[16 * 8], y[16 * 8], z[26 * 16 * 8];\nstatic float w[16 * 3], g[16];\n"
    "int main(void) {\n"
    "    int64_t dims[] = {16}, out_dims[8] = {0}, v[16] = {0, 1, -1, 2, INT64_MIN, INT64_MAX, "
    "INT32_MIN, INT32_MAX, INT16_MIN, 3,\n"
    "        INT64_C(6148914691236517205), -7, 63, 255, INT64_C(-4611686018427387905), 65535};\n"
    "    const void *in[] = {x, y, w};\n"
    "    void *out[] = {z, g};\n"
    "    int wrong = 0;\n"
    "    for (int shift = 0; shift < 16; shift++) {\n"
    "        for (int i = 0; i < 16; i++) {\n"
    "            memcpy(x + i * BYTES, (char *)&v[i] + 0, BYTES);\n"
    "            memcpy(y + i * BYTES, (char *)&v[(i + shift) % 16] + 0, BYTES);\n"
    "        }\n"
    "        wrong |= kws_model()->run(dims, in, out, out_dims, 0, 0, 0);\n"
    "        wrong |= memcmp(z, z + sizeof z / 2 / 8 * BYTES, sizeof z / 2 / 8 * BYTES) != 0;\n"
    "    }\n"
    "    if (wrong)\n"
    "        puts(\"lanes and single elements differ\");\n"
    "    return wrong;\n"
    "}\n";

static void defines_all(const char *cc, const char *target, const char *type, int bytes) {
    bench b = bench_open();
    if (!has_tool(cc) || !runs(target)) {
        bench_close(&b);
        return;
    }
    fv_program *p = program_from(&b, target, arithmetic_text(&b, type));
    cr_assert(fv_c_write(b.s, p, NULL, fv_printf(b.a, "%sk.c", b.folder)), "%s", said(&b));
    cr_assert(fv_file_write(b.s, fv_printf(b.a, "%smain.c", b.folder), arithmetic_main,
                            strlen(arithmetic_main)));
    cr_assert(shell(&b,
                    "%s -O1 -std=gnu11 %s -DBYTES=%d -fsanitize=undefined "
                    "-fno-sanitize-recover=all k.c main.c -o t "
                    ">log 2>&1 && ./t >>log 2>&1 || { echo '%s %s'; cat log; }",
                    cc, p->target->c.flags, bytes, target, type));
    bench_close(&b);
}

Test(build, no_integer_overflows, .timeout = 900) {
    static const struct {
        const char *name;
        int bytes;
    } types[] = {{"i64", 8}, {"i32", 4}, {"i16", 2}, {"i8", 1},
                 {"u64", 8}, {"u32", 4}, {"u16", 2}, {"u8", 1}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        defines_all("gcc", "generic", types[i].name, types[i].bytes);
        defines_all("gcc", "x86-64-v3", types[i].name, types[i].bytes);
    }
    defines_all("clang", "x86-64-v3", "i64", 8);
}
