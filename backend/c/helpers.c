/* helpers.c - helper functions for scalar operations that C leaves undefined or does not have. Each
 * is written where it is first used. ir/expr/expr.def defines their results. */
#include <assert.h>
#include <string.h>

#include "backend/c/internal.h"
#include "ir/expr/instruction.h"

static const char *unsigned_of(fv_elem e) {
    switch (fv_elem_bits(e)) {
    case 8: return "uint8_t";
    case 16: return "uint16_t";
    case 32: return "uint32_t";
    default: return "uint64_t";
    }
}

const char *fv_c_apply(fv_cg *g, const char *helper, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    const char *args = fv_vprintf(g->arena, format, ap);
    va_end(ap);
    const char *definition = fv_ptrmap_get(&g->prelude.macros, fv_intern(g->session, helper));
    const char *name = helper;
    for (int i = 2; definition && strstr(args, fv_printf(g->arena, "%s(", name)); i++)
        name = fv_printf(g->arena, "%s_%d", helper, i);
    if (name != helper && fv_c_helper_new(g, name)) {
        const char *const words[][2] = {{helper, name}};
        fv_c_replace(&g->prelude.helpers, definition, 1, words);
    }
    return fv_printf(g->arena, "%s(%s)", name, args);
}

/* ---- bodies: @0@ the type, @2@ its unsigned type, @3@ the helper's name; of min and max of floats
 * @4@ the helper that compares for equality ---- */

#define HEAD "static @NAME@_INLINE "

static const char float_min[] =
    HEAD "@0@ @3@(@0@ a, @0@ b) { /* the smaller; NaN if either is; -0 < +0 */\n"
         "    return a < b ? a : b < a ? b : @4@(a, b) && !@4@(a, 0) ? a : -(-a - b);\n"
         "}\n";
static const char float_max[] =
    HEAD "@0@ @3@(@0@ a, @0@ b) { /* the larger; NaN if either is; -0 < +0 */\n"
         "    return a < b ? b : b < a ? a : @4@(a, b) && !@4@(a, 0) ? a : a + b;\n"
         "}\n";
static const char int_min[] = HEAD "@0@ @3@(@0@ a, @0@ b) {\n"
                                   "    return a < b ? a : b;\n"
                                   "}\n";
static const char int_max[] = HEAD "@0@ @3@(@0@ a, @0@ b) {\n"
                                   "    return a < b ? b : a;\n"
                                   "}\n";
static const char any_select[] = HEAD "@0@ @3@(bool c, @0@ a, @0@ b) {\n"
                                      "    return c ? a : b;\n"
                                      "}\n";
static const char int_abs[] = HEAD "@0@ @3@(@0@ a) { /* the least integer stays */\n"
                                   "    return a < 0 ? (@0@)(0 - (@2@)a) : a;\n"
                                   "}\n";
/* Signed division. One test is used for both 0 and -1, because gcc 12 computes -1 for `b == -1 ? -a
 * : a / b` in several lanes where a equals b. */
static const char signed_div[] =
    HEAD "@0@ @3@(@0@ a, @0@ b) { /* a / 0 = 0; wraps */\n"
         "    return b == 0 || b == -1 ? (@0@)(b & (@0@)(0 - (@2@)a)) : (@0@)(a / b);\n"
         "}\n";
static const char unsigned_div[] = HEAD "@0@ @3@(@0@ a, @0@ b) { /* a / 0 = 0 */\n"
                                        "    return b == 0 ? 0 : (@0@)(a / b);\n"
                                        "}\n";
static const char signed_rem[] = HEAD "@0@ @3@(@0@ a, @0@ b) { /* a % 0 = 0 */\n"
                                      "    return b == 0 || b == -1 ? 0 : (@0@)(a % b);\n"
                                      "}\n";
static const char unsigned_rem[] = HEAD "@0@ @3@(@0@ a, @0@ b) { /* a % 0 = 0 */\n"
                                        "    return b == 0 ? 0 : (@0@)(a % b);\n"
                                        "}\n";
static const char signed_floordiv[] =
    HEAD "@0@ @3@(@0@ a, @0@ b) { /* towards minus infinity; a / 0 = 0; wraps */\n"
         "    if (b == 0 || b == -1)\n"
         "        return b == 0 ? 0 : (@0@)(0 - (@2@)a);\n"
         "    return (@0@)(a / b - (a % b != 0 && (a < 0) != (b < 0)));\n"
         "}\n";
static const char signed_floormod[] =
    HEAD "@0@ @3@(@0@ a, @0@ b) { /* sign of b; a mod 0 = 0 */\n"
         "    if (b == 0 || b == -1)\n"
         "        return 0;\n"
         "    return (@0@)(a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0));\n"
         "}\n";
static const char u32_mulhi[] =
    HEAD "uint32_t @3@(uint32_t a, uint32_t b) { /* the high half of the product */\n"
         "    return (uint32_t)((uint64_t)a * b >> 32);\n"
         "}\n";
static const char u64_mulhi[] =
    HEAD "uint64_t @3@(uint64_t a, uint64_t b) { /* the high half of the product */\n"
         "    uint64_t al = a & 0xffffffffu, ah = a >> 32, bl = b & 0xffffffffu, bh = b >> 32;\n"
         "    uint64_t mid = ah * bl + (al * bl >> 32);\n"
         "    uint64_t low = al * bh + (mid & 0xffffffffu);\n"
         "    return ah * bh + (mid >> 32) + (low >> 32);\n"
         "}\n";
static const char addsat[] = HEAD "int64_t @3@(int64_t a, int64_t b) { /* of sizes */\n"
                                  "    return a > INT64_MAX - b ? INT64_MAX : a + b;\n"
                                  "}\n";
static const char mulsat[] = HEAD "int64_t @3@(int64_t a, int64_t b) { /* of sizes */\n"
                                  "    return a != 0 && b > INT64_MAX / a ? INT64_MAX : a * b;\n"
                                  "}\n";

#define DOT_HEAD HEAD "int32_t @3@(int32_t a, int32_t b, int32_t c) { /* products of "
/* Products of bytes are less than 2^16, so their sum is exact. */
#define DOT_BYTES(words, A, B)                                                                     \
    DOT_HEAD words " */\n"                                                                         \
                   "    int32_t sum = 0;\n"                                                        \
                   "    for (int i = 0; i < 32; i += 8)\n"                                         \
                   "        sum += (" A ")((uint32_t)a >> i) * (" B ")((uint32_t)b >> i);\n"       \
                   "    return (int32_t)((uint32_t)c + (uint32_t)sum);\n"                          \
                   "}\n"
static const char u8_i8_dot[] =
    DOT_BYTES("unsigned bytes of a, signed ones of b", "uint8_t", "int8_t");
static const char i8_i8_dot[] = DOT_BYTES("signed bytes", "int8_t", "int8_t");
static const char u8_u8_dot[] = DOT_BYTES("unsigned bytes", "uint8_t", "uint8_t");
static const char u8_i8_sat_dot[] = DOT_HEAD
    "unsigned bytes of a, signed ones of b, sums of two saturated */\n"
    "    int32_t sum = 0;\n"
    "    for (int i = 0; i < 32; i += 16) {\n"
    "        int32_t two = (uint8_t)((uint32_t)a >> i) * (int8_t)((uint32_t)b >> i);\n"
    "        two += (uint8_t)((uint32_t)a >> (i + 8)) * (int8_t)((uint32_t)b >> (i + 8));\n"
    "        sum += two < -32768 ? -32768 : two > 32767 ? 32767 : two;\n"
    "    }\n"
    "    return (int32_t)((uint32_t)c + (uint32_t)sum);\n"
    "}\n";
static const char i16_i16_dot[] =
    DOT_HEAD "signed halves */\n"
             "    int32_t low = (int16_t)a * (int16_t)b, high = (a >> 16) * (b >> 16);\n"
             "    return (int32_t)((uint32_t)c + (uint32_t)low + (uint32_t)high);\n"
             "}\n";

/* B0, B1: the numbers of the bytes. */
#define DOT_HALVES(words, B0, B1)                                                                  \
    DOT_HEAD words " */\n"                                                                         \
                   "    int32_t low = (int16_t)a * (int8_t)((uint32_t)b >> " B0 ");\n"             \
                   "    int32_t high = (a >> 16) * (int8_t)((uint32_t)b >> " B1 ");\n"             \
                   "    return (int32_t)((uint32_t)c + (uint32_t)low + (uint32_t)high);\n"         \
                   "}\n"
static const char i16_i8_even_dot[] =
    DOT_HALVES("signed halves of a, bytes 0 and 2 of b", "0", "16");
static const char i16_i8_odd_dot[] =
    DOT_HALVES("signed halves of a, bytes 1 and 3 of b", "8", "24");

/* A denormal is taken for a zero of its sign. The sums are those that the kernels of other targets
 * compute; backend/math/exact.fvk explains them (fma_flushed). */
static const char bf16_dot[] =
    DOT_HEAD "pairs of bf16, added to the bits of a float */\n"
             "    uint32_t sum = (uint32_t)c;\n"
             "    for (int i = 0; i < 2; i++) {\n"
             "        union { uint32_t bits; float f; } x, y, z, s;\n"
             "        x.bits = i ? (uint32_t)a << 16 : (uint32_t)a & 0xffff0000u;\n"
             "        y.bits = i ? (uint32_t)b << 16 : (uint32_t)b & 0xffff0000u;\n"
             "        x.bits &= x.bits & 0x7f800000u ? 0xffffffffu : 0x80000000u;\n"
             "        y.bits &= y.bits & 0x7f800000u ? 0xffffffffu : 0x80000000u;\n"
             "        z.bits = sum & (sum & 0x7f800000u ? 0xffffffffu : 0x80000000u);\n"
             "        s.f = __builtin_fmaf(x.f, y.f, z.f);\n"
             "        z.f = __builtin_fmaf(x.f * 0x1p64f, y.f, z.f * 0x1p64f);\n"
             "        sum = z.f > -0x1p-62f && z.f < 0x1p-62f ? s.bits & 0x80000000u : s.bits;\n"
             "    }\n"
             "    return (int32_t)sum;\n"
             "}\n";

static const char *int_body(fv_expr_op op, bool sg, fv_elem e) {
    switch (op) {
    case FV_X_MIN: return int_min;
    case FV_X_MAX: return int_max;
    case FV_X_ABS: return int_abs;
    case FV_X_DIV: return sg ? signed_div : unsigned_div;
    case FV_X_REM: return sg ? signed_rem : unsigned_rem;
    case FV_X_FLOORDIV: return sg ? signed_floordiv : unsigned_div;
    case FV_X_FLOORMOD: return sg ? signed_floormod : unsigned_rem;
    case FV_X_MULHI: return e == FV_U32 ? u32_mulhi : u64_mulhi;
    case FV_X_ADDSAT: return addsat;
    case FV_X_MULSAT: return mulsat;
    case FV_X_DOT_U8_I8: return u8_i8_dot;
    case FV_X_DOT_I8_I8: return i8_i8_dot;
    case FV_X_DOT_U8_U8: return u8_u8_dot;
    case FV_X_DOT_U8_I8_SAT: return u8_i8_sat_dot;
    case FV_X_DOT_I16_I16: return i16_i16_dot;
    case FV_X_DOT_I16_I8_EVEN: return i16_i8_even_dot;
    case FV_X_DOT_I16_I8_ODD: return i16_i8_odd_dot;
    case FV_X_DOT_BF16: return bf16_dot;
    default: return NULL;
    }
}

/* ---- floats: one instruction of the machine ---- */

/* @0@ the type, @3@ the helper's name. Built-ins: @4@ the suffix of the type, "f" or none. x86: @4@
 * "s" or "d", @5@ the bits of the type, @6@ what _mm_round takes. Assembly: @4@ the instruction,
 * @5@ the kind of the registers, as an operand's modifier (aarch64_asm) or as a constraint
 * (asm_sqrt). NEON, for Windows, whose compilers do not all have assembly within C: @4@ the
 * intrinsic, @5@ the bits of the type. */
static const char builtin_fma[] = HEAD "@0@ @3@(@0@ a, @0@ b, @0@ c) {\n"
                                       "    return __builtin_fma@4@(a, b, c);\n"
                                       "}\n";
static const char x86_fma[] =
    HEAD "@0@ @3@(@0@ a, @0@ b, @0@ c) {\n"
         "    return _mm_cvts@4@_f@5@(\n"
         "        _mm_fmadd_s@4@(_mm_set_s@4@(a), _mm_set_s@4@(b), _mm_set_s@4@(c)));\n"
         "}\n";
static const char x86_sqrt[] =
    HEAD "@0@ @3@(@0@ a) {\n"
         "    return _mm_cvts@4@_f@5@(_mm_sqrt_s@4@(_mm_set_s@4@(a), _mm_set_s@4@(a)));\n"
         "}\n";
static const char x86_sqrt_f32[] = HEAD "@0@ @3@(@0@ a) {\n"
                                        "    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a)));\n"
                                        "}\n";
static const char x86_round[] =
    HEAD "@0@ @3@(@0@ a) {\n"
         "    return _mm_cvts@4@_f@5@(_mm_round_s@4@(_mm_set_s@4@(a), _mm_set_s@4@(a), @6@));\n"
         "}\n";
static const char aarch64_asm[] = HEAD "@0@ @3@(@0@ a) {\n"
                                       "    @0@ r;\n"
                                       "    __asm__(\"@4@ %@5@0, %@5@1\" : \"=w\"(r) : \"w\"(a));\n"
                                       "    return r;\n"
                                       "}\n";
static const char neon_fma[] =
    HEAD "@0@ @3@(@0@ a, @0@ b, @0@ c) {\n"
         "    return vget_lane_f@5@(\n"
         "        vfma_f@5@(vdup_n_f@5@(c), vdup_n_f@5@(a), vdup_n_f@5@(b)), 0);\n"
         "}\n";
static const char neon_unary[] = HEAD "@0@ @3@(@0@ a) {\n"
                                      "    return vget_lane_f@5@(@4@_f@5@(vdup_n_f@5@(a)), 0);\n"
                                      "}\n";
static const char asm_sqrt[] = HEAD "@0@ @3@(@0@ a) {\n"
                                    "    @0@ r;\n"
                                    "    __asm__(\"@4@ %0, %1\" : \"=@5@\"(r) : \"@5@\"(a));\n"
                                    "    return r;\n"
                                    "}\n";
/* GNU compilers compile the built-ins below to single operations whatever options are given. */
static const char plain_abs[] = HEAD "@0@ @3@(@0@ a) {\n"
                                     "#ifdef __GNUC__\n"
                                     "    return __builtin_fabs@4@(a);\n"
                                     "#else\n"
                                     "    return a <= 0 ? 0 - a : a;\n"
                                     "#endif\n"
                                     "}\n";

static const char *x86_rounding(fv_expr_op op) {
    switch (op) {
    case FV_X_FLOOR: return "_MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC";
    case FV_X_CEIL: return "_MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC";
    case FV_X_TRUNC: return "_MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC";
    default: return "_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC";
    }
}

static const char *neon_intrinsic(fv_expr_op op) {
    switch (op) {
    case FV_X_SQRT: return "vsqrt";
    case FV_X_FLOOR: return "vrndm";
    case FV_X_CEIL: return "vrndp";
    case FV_X_TRUNC: return "vrnd";
    default: return "vrndn";
    }
}

static const char *aarch64_instruction(fv_expr_op op) {
    switch (op) {
    case FV_X_SQRT: return "fsqrt";
    case FV_X_FLOOR: return "frintm";
    case FV_X_CEIL: return "frintp";
    case FV_X_TRUNC: return "frintz";
    case FV_X_RINT: return "frintn";
    default: return NULL;
    }
}

static bool float_helper(fv_cg *g, fv_expr_op op, fv_elem e, const char *name) {
    bool single = e == FV_F32;
    const char *type = fv_c_elem(e), *n = fv_elem_name(e), *x86 = single ? "s" : "d";
    const char *width = single ? "32" : "64";
    fv_text *t = &g->prelude.helpers;
    switch (op) {
    case FV_X_MIN:
    case FV_X_MAX: {
        const char *equal = fv_c_helper_equal(g, e);
        fv_c_fill(g, t, op == FV_X_MIN ? float_min : float_max, type, n, "", name, equal, NULL);
        return true;
    }
    case FV_X_ABS:
        fv_c_fill(g, t, plain_abs, type, n, "", name, single ? "f" : "", NULL);
        return true;
    case FV_X_FMA:
        if (g->machine.windows && g->machine.isa == FV_ISA_AARCH64)
            fv_c_fill(g, t, neon_fma, type, n, "", name, "", width, NULL);
        else if (g->machine.windows)
            fv_c_fill(g, t, x86_fma, type, n, "", name, x86, width, NULL);
        else
            fv_c_fill(g, t, builtin_fma, type, n, "", name, single ? "f" : "", NULL);
        return true;
    case FV_X_SQRT:
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT:
        if (g->machine.isa == FV_ISA_AARCH64 && g->machine.windows)
            fv_c_fill(g, t, neon_unary, type, n, "", name, neon_intrinsic(op), width, NULL);
        else if (g->machine.isa == FV_ISA_AARCH64)
            fv_c_fill(g, t, aarch64_asm, type, n, "", name, aarch64_instruction(op),
                      single ? "s" : "d", NULL);
        else if (g->machine.isa == FV_ISA_CORTEX_M && op == FV_X_SQRT && single)
            fv_c_fill(g, t, asm_sqrt, type, n, "", name, "vsqrt.f32", "t", NULL);
        else if (g->machine.isa == FV_ISA_RISCV && op == FV_X_SQRT)
            fv_c_fill(g, t, asm_sqrt, type, n, "", name, single ? "fsqrt.s" : "fsqrt.d", "f", NULL);
        else if (g->machine.isa == FV_ISA_X86 && op == FV_X_SQRT)
            fv_c_fill(g, t, single ? x86_sqrt_f32 : x86_sqrt, type, n, "", name, x86, width, NULL);
        else if (g->machine.isa == FV_ISA_X86)
            fv_c_fill(g, t, x86_round, type, n, "", name, x86, width, x86_rounding(op), NULL);
        else
            return false;
        return true;
    default: return false;
    }
}

static const char scaleb[] = HEAD "float @3@(float a, float b) {\n"
                                  "    return @4@;\n"
                                  "}\n";

/* The body with the helper for fma in place of the built-in function of GNU C. */
static const char *with_own_fma(fv_cg *g, const char *body) {
    const char *const names[][2] = {{"__builtin_fmaf", fv_c_helper(g, FV_X_FMA, FV_F32)}};
    fv_text t = {.arena = g->arena};
    fv_c_replace(&t, body, 1, names);
    return t.s;
}

/* A sum of products, or of one product, by instructions; @4@ their expression */
static const char dot_instruction[] = HEAD "int32_t @3@(int32_t a, int32_t b, int32_t c) {\n"
                                           "    return @4@;\n"
                                           "}\n";

/* A sum of products of vectors by an instruction; @0@ the type of a vector, @4@ the expression */
static const char dot16_instruction[] = HEAD "int32_t @3@(@0@ a, @0@ b, int32_t c) {\n"
                                             "    return @4@;\n"
                                             "}\n\n";

/* An expression of the table of instructions without the marks before its operands. */
static const char *unmarked(fv_cg *g, const char *expr) {
    static const char *const marks[][2] = {{"$", ""}};
    fv_text t = {.arena = g->arena};
    fv_c_replace(&t, expr, 1, marks);
    return t.s;
}

/* The instruction of the target for one lane of an operation, as an expression of C; NULL: it has
 * none. */
static const char *by_instruction(fv_cg *g, fv_expr_op op, fv_elem e) {
    const fv_instruction *row =
        fv_expr_op_is_instruction(op) ? fv_instruction_find(g->p->target, op, e, e, 1) : NULL;
    return row ? unmarked(g, row->c) : NULL;
}

const char *fv_c_helper(fv_cg *g, fv_expr_op op, fv_elem e) {
    const char *name = fv_printf(g->arena, "%s_%s", fv_expr_op_text(op), fv_elem_name(e));
    if (op == FV_X_DIV || op == FV_X_REM)
        name = fv_printf(g->arena, "%s_%s", op == FV_X_DIV ? "div" : "rem", fv_elem_name(e));
    if (!fv_c_helper_new(g, name))
        return name;
    const char *body = fv_elem_is_float(e) ? NULL : int_body(op, fv_elem_is_signed(e), e);
    const char *instruction = by_instruction(g, op, e);
    if (op == FV_X_DOT_BF16 && g->machine.windows)
        body = with_own_fma(g, body);
    if (op == FV_X_SELECT)
        fv_c_fill(g, &g->prelude.helpers, any_select, fv_c_type(g, fv_kt(e, 1)), "", "", name,
                  NULL);
    else if (instruction)
        fv_c_fill(g, &g->prelude.helpers, op == FV_X_SCALEB ? scaleb : dot_instruction, "", "", "",
                  name, instruction, NULL);
    else if (body)
        fv_c_fill(g, &g->prelude.helpers, body, fv_c_elem(e), fv_elem_name(e), unsigned_of(e), name,
                  NULL);
    else if (!float_helper(g, op, e, name))
        g->failed =
            !fv_error(g->session, "internal error: target %s has no %s of %s, expansion left one",
                      g->p->target->name, fv_expr_op_text(op), fv_elem_name(e));
    fv_text_put(&g->prelude.helpers, "\n");
    return name;
}

const char *fv_c_helper_multiply_add(fv_cg *g) {
    const fv_instruction *row = fv_instruction_find(g->p->target, FV_X_FMA, FV_I32, FV_I32, 1);
    if (!row)
        return NULL;
    if (fv_c_helper_new(g, "multiply_add_i32")) {
        fv_c_fill(g, &g->prelude.helpers, dot_instruction, "", "", "", "multiply_add_i32",
                  unmarked(g, row->c), NULL);
        fv_text_put(&g->prelude.helpers, "\n");
    }
    return "multiply_add_i32";
}

const char *fv_c_helper_dot16(fv_cg *g, fv_expr_op op) {
    const char *name = fv_expr_op_text(op);
    const fv_elem e = fv_dot16_elem(op);
    const fv_instruction *row = fv_instruction_find(g->p->target, op, e, FV_I32, 1);
    FV_HOLDS(g->session, row); /* expansion leaves no other */
    if (fv_c_helper_new(g, name))
        fv_c_fill(g, &g->prelude.helpers, dot16_instruction, fv_c_vtype(g, e, FV_DOT16), "", "",
                  name, unmarked(g, row->c), NULL);
    return name;
}

void fv_c_put_exact(fv_cg *g, const char *definition) {
    fv_c_fill(g, &g->prelude.helpers,
              "#ifdef __GNUC__ /* the comparison is meant to be exact */\n"
              "#pragma GCC diagnostic push\n"
              "#pragma GCC diagnostic ignored \"-Wfloat-equal\"\n"
              "#endif\n"
              "@0@"
              "#ifdef __GNUC__\n"
              "#pragma GCC diagnostic pop\n"
              "#endif\n\n",
              definition, NULL);
}

static const char equal[] = HEAD "bool @3@(@0@ a, @0@ b) { /* -0 equals +0, NaN equals nothing */\n"
                                 "    return a == b;\n"
                                 "}\n";

const char *fv_c_helper_equal(fv_cg *g, fv_elem e) {
    const char *name = fv_printf(g->arena, "equal_%s", fv_elem_name(e));
    fv_text t = {.arena = g->arena};
    if (!fv_c_helper_new(g, name))
        return name;
    fv_c_fill(g, &t, equal, fv_c_elem(e), "", "", name, NULL);
    fv_c_put_exact(g, t.s);
    return name;
}

static const char clamp[] =
    HEAD "@0@ @3@(@0@ a, @0@ b) { /* b is a constant, no NaN; a that is NaN stays */\n"
         "    return a @4@ b ? b : a;\n"
         "}\n";

const char *fv_c_helper_clamp(fv_cg *g, fv_elem e, bool max, bool strict) {
    const char *word = max ? (strict ? "above" : "at_least") : strict ? "below" : "at_most";
    const char *name = fv_printf(g->arena, "%s_%s", word, fv_elem_name(e));
    const char *sign = fv_printf(g->arena, "%s%s", max ? "<" : ">", strict ? "" : "=");
    if (fv_c_helper_new(g, name)) {
        fv_c_fill(g, &g->prelude.helpers, clamp, fv_c_elem(e), "", "", name, sign, NULL);
        fv_text_put(&g->prelude.helpers, "\n");
    }
    return name;
}

/* ---- conversions: @0@ to, @1@ from, @3@ name ---- */

/* @4@ the least value, @5@ the first value that is too large (a power of two, exact in `from`), @6@
 * @7@ the results for values that are too small and too large */
static const char saturate_signed[] = HEAD "@0@ @3@(@1@ a) { /* truncates, saturates; NaN is 0 */\n"
                                           "    if (!(a >= @4@))\n"
                                           "        return a < 0 ? @6@ : 0;\n"
                                           "    return a >= @5@ ? @7@ : (@0@)a;\n"
                                           "}\n";
static const char saturate_unsigned[] =
    HEAD "@0@ @3@(@1@ a) { /* truncates, saturates; NaN is 0 */\n"
         "    if (!(a > 0))\n"
         "        return 0;\n"
         "    return a >= @5@ ? @7@ : (@0@)a;\n"
         "}\n";

bool fv_c_converts_by_call(const fv_cg *g, fv_elem from, fv_elem to) {
    return (fv_elem_is_float(from) && !fv_elem_is_float(to)) ||
           fv_instruction_has(g->p->target, FV_X_CONVERT, from, to);
}

/* One instruction of the target; @4@ its expression */
static const char one_instruction[] = HEAD "@0@ @3@(@1@ a) {\n"
                                           "    return (@0@)@4@;\n"
                                           "}\n\n";

const char *fv_c_helper_convert(fv_cg *g, fv_elem from, fv_elem to) {
    const fv_instruction *row = fv_instruction_find(g->p->target, FV_X_CONVERT, from, to, 1);
    const char *name = fv_printf(g->arena, "%s_%s", fv_elem_name(to), fv_elem_name(from));
    name = fv_printf(g->arena, "to_%s", name);
    if (!fv_c_helper_new(g, name))
        return name;
    if (row) {
        fv_c_fill(g, &g->prelude.helpers, one_instruction, fv_c_elem(to), fv_c_elem(from), "", name,
                  unmarked(g, row->c), NULL);
        return name;
    }
    int bits = fv_elem_bits(to);
    bool sg = fv_elem_is_signed(to);
    double top = 1;
    for (int i = 0; i < bits - sg; i++)
        top *= 2;
    const char *min = fv_printf(g->arena, "INT%d_MIN", bits);
    const char *max = fv_printf(g->arena, "%s%d_MAX", sg ? "INT" : "UINT", bits);
    fv_c_fill(g, &g->prelude.helpers, sg ? saturate_signed : saturate_unsigned, fv_c_elem(to),
              fv_c_elem(from), "", name, fv_c_float(g->arena, from, -top),
              fv_c_float(g->arena, from, top), min, max, NULL);
    fv_text_put(&g->prelude.helpers, "\n");
    return name;
}

static const char bits_body[] = HEAD "@0@ @3@(@1@ a) {\n"
                                     "    union {\n"
                                     "        @1@ from;\n"
                                     "        @0@ to;\n"
                                     "    } u;\n"
                                     "    u.from = a;\n"
                                     "    return u.to;\n"
                                     "}\n";

const char *fv_c_helper_bits(fv_cg *g, fv_elem from, fv_elem to) {
    const char *name = fv_printf(g->arena, "bits_%s_%s", fv_c_short(to), fv_c_short(from));
    if (fv_c_helper_new(g, name)) {
        fv_c_fill(g, &g->prelude.helpers, bits_body, fv_c_elem(to), fv_c_elem(from), "", name,
                  NULL);
        fv_text_put(&g->prelude.helpers, "\n");
    }
    return name;
}

/* ---- other helpers ---- */

static const struct {
    const char *name, *text;
} fixed[] = {
    {"nearest_i32_f32",
     HEAD "int32_t nearest_i32_f32(float a) { /* rounds to nearest, saturates; NaN is 0 */\n"
          "    union {\n"
          "        float f;\n"
          "        int32_t i;\n"
          "    } u;\n"
          "    __asm__(\"vcvtr.s32.f32 %0, %1\" : \"=t\"(u.f) : \"t\"(a));\n"
          "    return u.i;\n"
          "}\n"},
    {"require_bool", HEAD "bool require_bool(bool c, int32_t *error) {\n"
                          "    if (!c)\n"
                          "        *error = FV_BAD_INDEX;\n"
                          "    return c;\n"
                          "}\n"},
    /* of two vectors; T: a vector of integers with the same width and number of lanes */
    {"shuffle", "#if defined(__clang__) || __GNUC__ >= 12\n"
                "#define shuffle(T, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)\n"
                "#else\n"
                "#define shuffle(T, a, b, ...) __builtin_shuffle(a, b, (T){__VA_ARGS__})\n"
                "#endif\n"},
    {"cancelled", HEAD "bool cancelled(const fv_env *env) {\n"
                       "    return env->cancel && *env->cancel;\n"
                       "}\n"},
    {"is_aligned", HEAD "bool is_aligned(const void *p, size_t alignment) { /* and not NULL */\n"
                        "    return p && (uintptr_t)p % alignment == 0;\n"
                        "}\n"},
    {"ranks_of", HEAD "size_t ranks_of(const fv_communicator *c) { /* 0: members are missing */\n"
                      "    return c && c->size >= offsetof(fv_communicator, send) && "
                      "c->all_gather && c->all_to_all ? c->ranks : 0;\n"
                      "}\n"},
    {"ranks_of_all",
     HEAD "size_t ranks_of_all(const fv_communicator *c) { /* 0: members are missing */\n"
          "    return c && c->size >= offsetof(fv_communicator, start) && c->all_gather &&\n"
          "                   c->all_to_all && c->send && "
          "c->receive &&\n"
          "                   c->group_all_gather\n"
          "               ? c->ranks\n"
          "               : 0;\n"
          "}\n"},
    {"can_start", HEAD "bool can_start(const fv_communicator *c) { /* an exchange before it is "
                       "waited for */\n"
                       "    return c->size >= sizeof *c && c->start && c->wait;\n"
                       "}\n"},
    {"allocate", "static void *allocate(const fv_env *env, int64_t bytes, int *status) {\n"
                 "    void *p = NULL;\n"
                 "    if (bytes < 0 || bytes >= PTRDIFF_MAX)\n"
                 "        *status = FV_TOO_LARGE;\n"
                 "    else if (bytes > 0 && !(p = env->alloc(env->user, (size_t)bytes)))\n"
                 "        *status = FV_NO_MEMORY;\n"
                 "    return p;\n"
                 "}\n"},
    {"release", "static void release(const fv_env *env, void *p) {\n"
                "    if (p)\n"
                "        env->free(env->user, p);\n"
                "}\n"},
    {"launch", "static void launch(const fv_env *env, void (*task)(void *arg, int64_t i), void "
               "*arg, int64_t n) {\n"
               "    if (n > 1 && env->parallel_for) {\n"
               "        env->parallel_for(env->user, task, arg, n);\n"
               "        return;\n"
               "    }\n"
               "    for (int64_t i = 0; i < n; i++)\n"
               "        task(arg, i);\n"
               "}\n"},
    {"launch_descending", "static void launch_descending(const fv_env *env, void (*task)(void "
                          "*arg, int64_t i), void *arg, int64_t n) {\n"
                          "    if (n > 1 && env->parallel_for) {\n"
                          "        env->parallel_for(env->user, task, arg, n);\n"
                          "        return;\n"
                          "    }\n"
                          "    for (int64_t i = n - 1; i >= 0; i--)\n"
                          "        task(arg, i);\n"
                          "}\n"},
};

static const char *text_of_fixed(const char *name) {
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (!strcmp(fixed[i].name, name))
            return fixed[i].text;
    return NULL;
}

bool fv_c_is_fixed_helper(const char *name) {
    return text_of_fixed(name) != NULL;
}

const char *fv_c_helper_fixed(fv_cg *g, const char *name) {
    const char *text = text_of_fixed(name);
    if (!text)
        fv_broken(fv_arena_session(g->arena), "a helper is in the table");
    if (fv_c_helper_new(g, name)) {
        fv_c_fill(g, &g->prelude.helpers, text, NULL);
        fv_text_put(&g->prelude.helpers, "\n");
    }
    return name;
}
