/* unit.c - NAME.c from top to bottom. The top is written last: what it holds is known then. */
#include <ctype.h>
#include <string.h>

#include "backend/c/layer.h"
#include "backend/consumer/protocol.h"

/* ---- what the target asks for ---- */

static const char head[] =
    "/* @6@.c - a compiled model; see @6@.h.\n"
    " * Made by @0@ for target @1@. SPDX-License-Identifier: MIT-0\n"
    " *\n"
    " * Compile with: cc -std=c99 -O2 @2@-ffreestanding -c @6@.c\n"
    " * Any level of optimization gives the same bits. With -ffreestanding nothing is left "
    "undefined;\n"
    " * without it, compilers may call memcpy, memset, memmove and memcmp@3@. */\n"
    "#if defined(__GNUC__) && !defined(__clang__) /* products and sums are rounded one by one */\n"
    "#pragma GCC optimize(\"fp-contract=off\", \"no-tree-loop-distribute-patterns\")\n"
    "/* Of a tile no more rows are read than were written; gcc does not see it where branches "
    "write them. */\n"
    "#pragma GCC diagnostic ignored \"-Wmaybe-uninitialized\"\n"
    "#else\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#endif\n"
    "#include <float.h>\n"
    "#include <stdbool.h>\n"
    "#include <stddef.h>\n"
    "#include <stdint.h>\n"
    "@4@"
    "#include \"@6@.h\"\n\n"
    "#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) "
    "|| \\\n"
    "        defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && "
    "__FINITE_MATH_ONLY__)\n"
    "#error \"compile without -ffast-math and its parts: results would differ\"\n"
    "#endif\n"
    "#if !defined(FLT_EVAL_METHOD) || (FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16)\n"
    "#error \"float and double must be evaluated in their own precision (x86: -msse2 "
    "-mfpmath=sse)\"\n"
    "#endif\n";

/* Kernels are noipa: what gcc learns about arguments from the callers makes it warn of lanes of a
 * vector that lie beyond an array and are masked. */
static const char macros[] =
    "\n/* To be defined before, or on the command line, where others are wanted. */\n"
    "#ifndef @NAME@_KERNEL /* attributes of kernels: section, optimization */\n"
    "#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8\n"
    "#define @NAME@_KERNEL __attribute__((noipa))\n"
    "#elif defined(__GNUC__)\n"
    "#define @NAME@_KERNEL __attribute__((noinline))\n"
    "#else\n"
    "#define @NAME@_KERNEL\n"
    "#endif\n"
    "#endif\n"
    "#ifndef @NAME@_PREFETCH /* the memory at p will be read soon: into that level of cache */\n"
    "#ifdef __GNUC__\n"
    "#define @NAME@_PREFETCH(p, level) __builtin_prefetch(p, 0, 4 - (level))\n"
    "#else\n"
    "#define @NAME@_PREFETCH(p, level) ((void)(p))\n"
    "#endif\n"
    "#endif\n"
    "#ifndef @NAME@_NOINLINE\n"
    "#ifdef __GNUC__\n"
    "#define @NAME@_NOINLINE __attribute__((noinline))\n"
    "#else\n"
    "#define @NAME@_NOINLINE\n"
    "#endif\n"
    "#endif\n"
    "#ifndef @NAME@_INLINE\n"
    "#ifdef __GNUC__\n"
    "#define @NAME@_INLINE inline __attribute__((always_inline))\n"
    "#else\n"
    "#define @NAME@_INLINE inline\n"
    "#endif\n"
    "#endif\n"
    "#ifndef @NAME@_CONST /* attributes of constants: section, alignment */\n"
    "#ifdef __GNUC__\n"
    "#define @NAME@_CONST __attribute__((aligned(64)))\n"
    "#else\n"
    "#define @NAME@_CONST\n"
    "#endif\n"
    "#endif\n"
    "#if defined(@NAME@_TRACED) && !defined(@NAME@_TRACE)\n"
    "/* env->trace is called, and the table of the model names the launches */\n"
    "#define @NAME@_TRACE(launch, kernel, nodes) \\\n"
    "    do { if (env->trace) env->trace(env->user, launch, 0); } while (0)\n"
    "#define @NAME@_TRACE_END(launch) \\\n"
    "    do { if (env->trace) env->trace(env->user, launch, 1); } while (0)\n"
    "#endif\n"
    "#ifndef @NAME@_TRACE /* before each launch: its number, its kernel, the nodes that it "
    "computes */\n"
    "#define @NAME@_TRACE(launch, kernel, nodes) ((void)0)\n"
    "#endif\n"
    "#ifndef @NAME@_TRACE_END /* after it */\n"
    "#define @NAME@_TRACE_END(launch) ((void)0)\n"
    "#endif\n\n";

static void put_isa_checks(fv_cg *g, fv_text *t) {
    const char *s = g->p->target->macros;
    while (*s) {
        size_t n = strcspn(s, " ");
        const char *macro = fv_strndup(g->arena, s, n);
        if (n)
            fv_text_printf(t, "#ifndef %s\n#error \"compile with %s\"\n#endif\n", macro,
                           g->p->target->cflags);
        s += n + (s[n] == ' ');
    }
}

/* cpuid: leaf 1 ecx, leaf 7 ebx, and what the system must save of registers (xcr0) */
static const struct cpu {
    const char *macro;
    uint32_t leaf1, leaf7, xcr0;
} cpus[] = {
    {"__AVX512F__", 0x38d83201u, 0xd0030128u, 0xe6},
    {"__AVX2__", 0x38d83201u, 0x00000128u, 0x06},
    {"__SSE4_2__", 0x00982201u, 0, 0},
};

static const char cpu_check[] =
    "/* Does this machine lack what the code was compiled for? What is found is kept: asking is "
    "slow on\n"
    " * virtual machines. Threads that ask at the same time find the same. */\n"
    "static @NAME@_NOINLINE bool cpu_is_bad(void) {\n"
    "    static int known; /* 1: good, 2: bad */\n"
    "    int state = __atomic_load_n(&known, __ATOMIC_RELAXED);\n"
    "    if (state)\n"
    "        return state == 2;\n"
    "    unsigned a = 0, b = 0, c = 0, d = 0, most = __get_cpuid_max(0, NULL);\n"
    "    bool good = false;\n"
    "    if (most >= 1) {\n"
    "        __cpuid(1, a, b, c, d);\n"
    "        good = (c & @0@) == @0@;\n"
    "    }\n"
    "@1@"
    "    __atomic_store_n(&known, good ? 1 : 2, __ATOMIC_RELAXED);\n"
    "    return !good;\n"
    "}\n\n";
static const char cpu_check_avx[] =
    "    if (good) {\n"
    "        __asm__ volatile(\"xgetbv\" : \"=a\"(a), \"=d\"(d) : \"c\"(0));\n"
    "        good = (a & @1@) == @1@ && most >= 7;\n"
    "    }\n"
    "    if (good) {\n"
    "        __cpuid_count(7, 0, a, b, c, d);\n"
    "        good = (b & @0@) == @0@;\n"
    "    }\n";

static const struct cpu *needed_cpu(const fv_cg *g) {
    for (size_t i = 0; g->isa == FV_C_X86 && i < sizeof cpus / sizeof *cpus; i++)
        if (strstr(g->p->target->macros, cpus[i].macro))
            return &cpus[i];
    return NULL;
}

bool fv_c_checks_cpu(const fv_cg *g) {
    return needed_cpu(g) != NULL;
}

static void put_cpu_check(fv_cg *g, fv_text *t) {
    if (!needed_cpu(g))
        return;
    struct cpu need = *needed_cpu(g);
    fv_text avx = {.arena = g->arena};
    fv_text_put(&avx, "");
    if (need.xcr0)
        fv_c_fill(g, &avx, cpu_check_avx, fv_printf(g->arena, "0x%xu", need.leaf7),
                  fv_printf(g->arena, "0x%xu", need.xcr0), NULL);
    fv_c_fill(g, t, cpu_check, fv_printf(g->arena, "0x%xu", need.leaf1), avx.s, NULL);
}

/* ---- the whole ---- */

const char *fv_c_maker(fv_cg *g) {
    const char *producer = g->p->producer ? fv_c_comment(g->arena, g->p->producer) : "";
    return !*producer || isdigit((unsigned char)*producer)
               ? fv_printf(g->arena, "Fovea %s", producer)
               : producer;
}

void fv_c_unit(fv_cg *g, fv_text *t) {
    const fv_program *p = g->p;
    fv_text constants = {.arena = g->arena}, code = {.arena = g->arena};
    fv_text_put(&constants, "");
    fv_text_put(&code, "");
    fv_text_put(&g->types, "");
    fv_text_put(&g->helpers, "");
    g->out = &constants;
    fv_c_constants(g);
    if (fv_c_weights_file(g) && !g->failed) { /* no constant is without data */
        fv_weights_head file = fv_weights_head_of(p);
        g->p = fv_program_with_weights(g->arena, p, &file);
    }
    g->out = &code;
    for (int i = 0; i < p->nkernels; i++)
        fv_c_kernel(g, p->kernels[i]);
    fv_c_run(g);
    fv_c_public(g);
    g->p = p;
    const char *flags = *p->target->cflags ? fv_printf(g->arena, "%s ", p->target->cflags) : "";
    const char *includes = fv_printf(g->arena, "%s%s", needed_cpu(g) ? "#include <cpuid.h>\n" : "",
                                     fv_c_layer_includes(g));
    fv_c_fill(g, t, head, fv_c_maker(g), p->target->name, flags,
              g->narrow ? ",\n * and on this target the compiler's own arithmetic helpers" : "",
              includes, "", g->file, NULL);
    put_isa_checks(g, t);
    fv_c_fill(g, t, macros, NULL);
    fv_text_put(t, g->types.s);
    fv_text_put(t, *g->types.s ? "\n" : "");
    fv_text_put(t, g->helpers.s);
    put_cpu_check(g, t);
    fv_text_put(t, constants.s);
    fv_text_put(t, code.s);
}
