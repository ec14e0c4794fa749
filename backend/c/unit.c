/* unit.c - writes NAME.c. Its first part is written last, because it depends on the rest. */
#include <string.h>

#include "backend/c/layer.h"
#include "backend/consumer/protocol.h"
#include "ir/kernel/matrix.h"

/* ---- checks of the target ---- */

static const char head_comment[] =
    "/* @6@.c - a compiled model; see @6@.h.\n"
    " * Made by @0@ for target @1@. SPDX-License-Identifier: MIT-0\n"
    " *\n"
    " * Compile with: cc -std=c99 -O2 @2@-ffreestanding -c @6@.c\n"
    " * Any level of optimization gives the same bits. With -ffreestanding nothing is left "
    "undefined;\n"
    " * without it, compilers may call memcpy, memset, memmove and memcmp@3@. */\n";
static const char head_microsoft[] = "#if defined(_MSC_VER) && !defined(__clang__)\n"
                                     "#pragma fp_contract(off)\n"
                                     "#el";
static const char head[] =
    "if defined(__GNUC__) && !defined(__clang__) /* products and sums are rounded one by one */\n"
    "#pragma GCC push_options\n"
    "#pragma GCC optimize(\"fp-contract=off\", \"no-tree-loop-distribute-patterns\"@0@)\n"
    "/* Every row that is read was written before, which gcc cannot prove where branches write. "
    "*/\n"
    "#pragma GCC diagnostic push\n"
    "#pragma GCC diagnostic ignored \"-Wmaybe-uninitialized\"\n"
    "#else\n"
    "#pragma STDC FP_CONTRACT OFF\n"
    "#endif\n"
    "#ifdef __cplusplus /* a file that is compiled as C++, too */\n"
    "#define restrict __restrict\n"
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
    "__FINITE_MATH_ONLY__)@5@\n"
    "#error \"compile without -ffast-math and its parts: results would differ\"\n"
    "#endif\n";
/* Switches off passes of gcc's -Os that make kernels of 32-bit targets larger, by 1% to 4% of their
 * code: they copy conditions of loops and ends of functions, or move instructions apart that share
 * a register or the computation of an address. */
static const char head_small[] =
    "#if defined(__OPTIMIZE_SIZE__) && defined(__GNUC__) && !defined(__clang__)\n"
    "#pragma GCC optimize(\"no-schedule-insns2\", \"no-shrink-wrap\", \"no-thread-jumps\", "
    "\"no-tree-reassoc\")\n"
    "#endif\n";
static const char head_precision[] =
    "#if !defined(FLT_EVAL_METHOD) || (FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16)\n"
    "#error \"float and double must be evaluated in their own precision (x86: -msse2 "
    "-mfpmath=sse)\"\n"
    "#endif\n";
/* Other names and forms for Microsoft's compiler. The check that floats are evaluated in their own
 * precision is left out for it, since its code for x64 always does so. */
static const char names_microsoft[] =
    "#if defined(_MSC_VER) && !defined(__clang__)\n"
    "#ifndef restrict\n"
    "#define restrict __restrict\n"
    "#endif\n"
    "#define _cvtsh_ss(a) _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(a)))\n"
    "#define _cvtss_sh(a, r) ((uint16_t)_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(a), r)))\n"
    "#else\n";

/* What the beginning of the file switched off is valid again after it, since a translation unit may
 * include several files. */
static const char tail[] = "#if defined(__GNUC__) && !defined(__clang__)\n"
                           "#pragma GCC diagnostic pop\n"
                           "#pragma GCC pop_options\n"
                           "#endif\n"
                           "#ifdef __cplusplus\n"
                           "#undef restrict\n"
                           "#endif\n";
static const char tail_microsoft[] = "#if defined(_MSC_VER) && !defined(__clang__)\n"
                                     "#undef restrict\n"
                                     "#undef _cvtsh_ss\n"
                                     "#undef _cvtss_sh\n"
                                     "#endif\n";

/* Kernels have the attribute noipa, because gcc would propagate facts about arguments from callers
 * and then warn of masked lanes of a vector that are outside of an array. */
/* Macros that the user may define on the command line instead; those that the code does not use are
 * left out. */
static const struct {
    const char *name, *text;
} macros[] = {
    {"KERNEL", "#ifndef @NAME@_KERNEL /* attributes of kernels: section, optimization */\n"
               "#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8\n"
               "#define @NAME@_KERNEL __attribute__((noipa))\n"
               "#elif defined(__GNUC__)\n"
               "#define @NAME@_KERNEL __attribute__((noinline))\n"
               "#else\n"
               "#define @NAME@_KERNEL\n"
               "#endif\n"
               "#endif\n"},
    {"PREFETCH",
     "#ifndef @NAME@_PREFETCH /* the memory at p will be read soon: into that level of cache */\n"
     "#ifdef __GNUC__\n"
     "#define @NAME@_PREFETCH(p, level) __builtin_prefetch(p, 0, 4 - (level))\n"
     "#else\n"
     "#define @NAME@_PREFETCH(p, level) ((void)(p))\n"
     "#endif\n"
     "#endif\n"},
    {"NOINLINE", "#ifndef @NAME@_NOINLINE\n"
                 "#ifdef __GNUC__\n"
                 "#define @NAME@_NOINLINE __attribute__((noinline))\n"
                 "#else\n"
                 "#define @NAME@_NOINLINE\n"
                 "#endif\n"
                 "#endif\n"},
    {"INLINE", "#ifndef @NAME@_INLINE\n"
               "#ifdef __GNUC__\n"
               "#define @NAME@_INLINE inline __attribute__((always_inline))\n"
               "#else\n"
               "#define @NAME@_INLINE inline\n"
               "#endif\n"
               "#endif\n"},
    {"UNROLL", "#ifndef @NAME@_UNROLL /* before a loop of at most four iterations, as over a small "
               "window */\n"
               "#if defined(__OPTIMIZE_SIZE__)\n"
               "#define @NAME@_UNROLL\n"
               "#elif defined(__clang__)\n"
               "#define @NAME@_UNROLL _Pragma(\"clang loop unroll(full)\")\n"
               "#elif defined(__GNUC__) && __GNUC__ >= 8\n"
               "#define @NAME@_UNROLL _Pragma(\"GCC unroll 4\")\n"
               "#else\n"
               "#define @NAME@_UNROLL\n"
               "#endif\n"
               "#endif\n"},
    {"CONST", "#ifndef @NAME@_CONST /* attributes of constants: section, alignment */\n"
              "#ifdef __GNUC__\n"
              "#define @NAME@_CONST __attribute__((aligned(@0@)))\n"
              "#else\n"
              "#define @NAME@_CONST\n"
              "#endif\n"
              "#endif\n"},
    {"TRACE",
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
     "#endif\n"},
};

/* The values of these macros for Microsoft's compiler, which may read code for Windows. */
static const struct {
    const char *name, *value;
} macros_microsoft[] = {
    {"KERNEL", "__declspec(noinline)"},   {"PREFETCH(p, level)", "((void)(p))"},
    {"NOINLINE", "__declspec(noinline)"}, {"INLINE", "__forceinline"},
    {"CONST", "__declspec(align(64))"},
};

static void put_macros_microsoft(fv_cg *g, fv_text *t) {
    fv_text_put(t, "\n#ifdef _MSC_VER\n");
    for (size_t i = 0; i < sizeof macros_microsoft / sizeof *macros_microsoft; i++) {
        const char *name = macros_microsoft[i].name;
        fv_text_printf(t, "#ifndef %s_%.*s\n#define %s_%s %s\n#endif\n", g->NAME,
                       (int)strcspn(name, "("), name, g->NAME, name, macros_microsoft[i].value);
    }
    fv_text_put(t, "#endif\n");
}

static void put_macros(fv_cg *g, fv_text *t, int n, const char *const *code) {
    if (g->machine.windows)
        put_macros_microsoft(g, t);
    fv_text_put(t, "\n/* Macros that you may define on the command line instead. */\n");
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        const char *name = fv_printf(g->arena, "%s_%s", g->NAME, macros[i].name);
        bool used = false;
        for (int k = 0; k < n && !used; k++)
            used = strstr(code[k], name) != NULL;
        if (used)
            fv_c_fill(g, t, macros[i].text, fv_c_alignment(g), NULL);
    }
    fv_text_put(t, "\n");
}

static void put_isa_checks(fv_cg *g, fv_text *t) {
    const char *const *macro = fv_features_macros(g->arena, fv_target_features(g->p->target));
    for (; *macro; macro++) {
        const int n = (int)strcspn(*macro, "|");
        if ((*macro)[n])
            fv_text_printf(t, "#if !defined %.*s && !defined %s\n", n, *macro, *macro + n + 1);
        else
            fv_text_printf(t, "#ifndef %s\n", *macro);
        fv_text_printf(t, "#error \"compile with %s\"\n#endif\n", g->p->target->c.flags);
    }
}

static const char cpu_check[] =
    "/* Does this machine lack what the code was compiled for? The answer is stored, because cpuid "
    "is\n"
    " * slow on virtual machines. Threads that compute it at the same time get the same answer. "
    "*/\n"
    "static @NAME@_NOINLINE bool @name@_cpu_is_bad(void) {\n"
    "    static int known; /* 1: good, 2: bad */\n"
    "    int state = __atomic_load_n(&known, __ATOMIC_RELAXED);\n"
    "    if (state)\n"
    "        return state == 2;\n"
    "    bool good = true;\n"
    "@0@"
    "    __atomic_store_n(&known, good ? 1 : 2, __ATOMIC_RELAXED);\n"
    "    return !good;\n"
    "}\n\n";
/* In code for Windows: the functions by which the checks below get registers. `known` is one word,
 * of which a thread reads an old or the new answer. */
static const char cpu_check_windows[] =
    "static void @name@_ask_cpu(unsigned leaf, unsigned subleaf, unsigned registers[4]) {\n"
    "#ifdef _MSC_VER\n"
    "    int r[4];\n"
    "    __cpuidex(r, (int)leaf, (int)subleaf);\n"
    "    for (int i = 0; i < 4; i++)\n"
    "        registers[i] = (unsigned)r[i];\n"
    "#else\n"
    "    __cpuid_count(leaf, subleaf, registers[0], registers[1], registers[2], registers[3]);\n"
    "#endif\n"
    "}\n\n"
    "static @NAME@_NOINLINE bool @name@_cpu_is_bad(void) {\n"
    "    static volatile int known; /* 1: good, 2: bad; one word */\n"
    "    int state = known;\n"
    "    if (state)\n"
    "        return state == 2;\n"
    "    bool good = true;\n"
    "@0@"
    "    known = good ? 1 : 2;\n"
    "    return !good;\n"
    "}\n\n";
static const char cpu_check_leaf_windows[] =
    "    if (good) {\n"
    "        unsigned highest[4], r[4];\n"
    "        @name@_ask_cpu(@1@, 0, highest);\n"
    "        @name@_ask_cpu(@0@, @2@, r);\n"
    "        unsigned a = r[0], b = r[1], c = r[2], d = r[3];\n"
    "        (void)a, (void)b, (void)c, (void)d;\n"
    "        good = highest[0] >= @0@ && @3@;\n"
    "    }\n";
static const char cpu_check_state_windows[] =
    "    if (good) {\n"
    "#ifdef _MSC_VER\n"
    "        unsigned low = (unsigned)_xgetbv(0);\n"
    "#else\n"
    "        unsigned low, high;\n"
    "        __asm__ volatile(\"xgetbv\" : \"=a\"(low), \"=d\"(high) : \"c\"(0));\n"
    "#endif\n"
    "        good = (low & @0@) == @0@;\n"
    "    }\n";
static const char
    /* @0@ leaf, @1@ the first leaf of its range, @2@ subleaf, @3@ the condition */
    cpu_check_leaf[] = "    if (good && (good = (unsigned)__get_cpuid_max(@1@, NULL) >= @0@)) {\n"
                       "        unsigned a, b, c, d;\n"
                       "        __cpuid_count(@0@, @2@, a, b, c, d);\n"
                       "        good = @3@;\n"
                       "    }\n";
static const char cpu_check_state[] = /* the check of registers whose state the system must save */
    "    if (good) {\n"
    "        unsigned low, high;\n"
    "        __asm__ volatile(\"xgetbv\" : \"=a\"(low), \"=d\"(high) : \"c\"(0));\n"
    "        good = (low & @0@) == @0@;\n"
    "    }\n";
/* The system call by which a process asks Linux for the state of tile registers (FV_STATE_TILES):
 * @0@ its number, @1@ and @2@ its arguments. */
static const char cpu_check_tiles[] =
    "    if (good) { /* asks Linux whether this process may use tile registers */\n"
    "#ifdef __linux__\n"
    "        long status;\n"
    "        __asm__ volatile(\"syscall\" : \"=a\"(status) : \"a\"(@0@L), \"D\"(@1@L), "
    "\"S\"(@2@L)\n"
    "                         : \"rcx\", \"r11\", \"memory\");\n"
    "        good = status == 0;\n"
    "#else\n"
    "        good = false;\n"
    "#endif\n"
    "    }\n";
/* @0@ a register, @1@ the position of its four bits, @2@ a name */
static const char cpu_check_id[] = "    if (good) { /* @2@ */\n"
                                   "        uint64_t id;\n"
                                   "        __asm__ volatile(\"mrs %0, @0@\" : \"=r\"(id));\n"
                                   "        id = id >> @1@ & 15;\n"
                                   "        good = id >= 1 && id <= 14;\n"
                                   "    }\n";

/* A condition in C that the registers a to d have all bits of the masks; NULL: the masks are
 * empty. */
static const char *has_bits(fv_cg *g, const uint32_t *mask) {
    fv_text t = {.arena = g->arena};
    for (int r = 0; r < 4; r++)
        if (mask[r])
            fv_text_printf(&t, "%s(%c & 0x%xu) == 0x%xu", t.n ? " &&\n            " : "", 'a' + r,
                           (unsigned)mask[r], (unsigned)mask[r]);
    return t.s;
}

static void put_cpuid(fv_cg *g, fv_text *t, uint64_t features) {
    fv_cpuid_need n = fv_features_cpuid(features);
    n.state &= fv_system_state(g->p->target->system);
    bool windows = g->machine.windows;
    for (int i = 0; i < FV_CPUID_LEAVES; i++) {
        const char *bits = has_bits(g, n.at[i].mask);
        unsigned leaf = n.at[i].leaf;
        if (bits)
            fv_c_fill(g, t, windows ? cpu_check_leaf_windows : cpu_check_leaf,
                      fv_printf(g->arena, "0x%xu", leaf),
                      fv_printf(g->arena, "0x%xu", leaf & 0x80000000u),
                      fv_printf(g->arena, "%u", (unsigned)n.at[i].subleaf), bits, NULL);
        if (i == 0 && n.state) /* OSXSAVE, which says that xgetbv exists, was checked before */
            fv_c_fill(g, t, windows ? cpu_check_state_windows : cpu_check_state,
                      fv_printf(g->arena, "0x%xu", (unsigned)n.state), NULL);
    }
    if ((n.state & FV_STATE_TILES) && fv_matrix_is_used(g->p))
        fv_c_fill(g, t, cpu_check_tiles, fv_printf(g->arena, "%d", FV_ASK_CALL),
                  fv_printf(g->arena, "0x%x", (unsigned)FV_ASK_STATE),
                  fv_printf(g->arena, "%d", FV_STATE_TILES_BIT), NULL);
}

static void put_ids(fv_cg *g, fv_text *t, uint64_t features) {
    for (int i = 0; i < FV_NFEATURES; i++) {
        const fv_feature *f = fv_feature_at((fv_feature_id)i);
        if ((features >> i & 1) && f->kind == FV_CPU_ID)
            fv_c_fill(g, t, cpu_check_id, fv_id_register(f->reg),
                      fv_printf(g->arena, "%d", (int)f->bit), f->name, NULL);
    }
}

static void put_cpu_check(fv_cg *g, fv_text *t) {
    uint64_t features = fv_target_features(g->p->target);
    fv_text asked = {.arena = g->arena};
    if (!g->machine.checks_cpu)
        return;
    put_cpuid(g, &asked, features);
    put_ids(g, &asked, features);
    fv_c_fill(g, t, g->machine.windows ? cpu_check_windows : cpu_check, asked.s, NULL);
}

/* ---- the whole file ---- */

/* The beginning of the file, up to the checks of the compiler. */
static void put_head(fv_cg *g, fv_text *t) {
    const fv_target *target = g->p->target;
    bool windows = g->machine.windows,
         cpuid = g->machine.isa == FV_ISA_X86 && g->machine.checks_cpu && !windows;
    const char *flags = *target->c.flags ? fv_printf(g->arena, "%s ", target->c.flags) : "";
    const char *includes =
        fv_printf(g->arena, "%s%s", cpuid ? "#include <cpuid.h>\n" : "", fv_c_layer_includes(g));
    const char *narrow =
        g->machine.narrow ? ",\n * and on this target the compiler's own arithmetic helpers" : "";
    fv_c_fill(g, t, head_comment, fv_c_maker(g), target->name, flags, narrow, "", "", g->file,
              NULL);
    fv_text_put(t, windows ? head_microsoft : "#");
    /* gcc's first scheduling pass loads the vectors of later steps of a sum ahead, which do not fit
     * into the eight registers of Helium: a tile of 384 products takes 177 instructions with that
     * pass, and 141 without it. gcc 12 takes vectors that it has made of neighbouring stores for
     * shorter than they are, so that branches over them are out of range. */
    const bool helium = fv_target_has(target, FV_FEATURE_mve);
    fv_c_fill(g, t, head, helium ? ", \"no-schedule-insns\", \"no-tree-slp-vectorize\"" : "", "",
              "", "", includes, windows ? " || \\\n        defined(_M_FP_FAST)" : "", g->file,
              NULL);
    fv_text_put(t, windows ? names_microsoft : "");
    fv_text_put(t, g->machine.narrow ? head_small : "");
    fv_text_put(t, head_precision);
    put_isa_checks(g, t);
    fv_text_put(t, windows ? "#endif\n" : "");
}

void fv_c_unit(fv_cg *g, fv_text *t) {
    const fv_program *p = g->p;
    fv_text constants = {.arena = g->arena}, code = {.arena = g->arena};
    fv_text_put(&constants, "");
    fv_text_put(&code, "");
    fv_text_put(&g->prelude.types, "");
    fv_text_put(&g->prelude.helpers, "");
    g->out = &constants;
    fv_c_constants(g);
    if (fv_c_weights_file(g) && !g->failed) { /* after a failure constants may lack data */
        fv_weights_head file = fv_weights_head_of(p);
        g->p = fv_program_with_weights(g->arena, p, &file);
    }
    g->out = &code;
    for (int i = 0; i < p->nkernels; i++)
        fv_c_kernel(g, p->kernels[i]);
    fv_c_run(g);
    fv_c_public(g);
    g->p = p;
    put_head(g, t);
    fv_text check = {.arena = g->arena};
    fv_text_put(&check, "");
    put_cpu_check(g, &check);
    put_macros(g, t, 4, (const char *const[]){g->prelude.helpers.s, check.s, constants.s, code.s});
    fv_c_short_names(g, t);
    fv_text_put(t, g->prelude.types.s);
    fv_text_put(t, *g->prelude.types.s ? "\n" : "");
    fv_text_put(t, g->prelude.helpers.s);
    fv_text_put(t, check.s);
    fv_text_put(t, constants.s);
    fv_text_put(t, code.s);
    fv_c_short_names_end(g, t);
    fv_text_put(t, tail);
    fv_text_put(t, g->machine.windows ? tail_microsoft : "");
}
