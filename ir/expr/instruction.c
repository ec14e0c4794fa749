/* instruction.c - the table of instructions, and functions that compute each for one element. */
#include "ir/expr/instruction.h"

#include <string.h>

#include "ir/expr/dot.h"
#include "ir/expr/scaleb.h"
#include "ir/type/float_bits.h"

/* ---- meanings ---- */

static void f32_from_f16(const void *in, void *out) {
    uint16_t bits;
    memcpy(&bits, in, sizeof bits);
    float x = (float)fv_float_decode(FV_F16, bits); /* exact: every f16 is an f32 */
    memcpy(out, &x, sizeof x);
}

static void f16_from_f32(const void *in, void *out) {
    float x;
    memcpy(&x, in, sizeof x);
    uint16_t bits = (uint16_t)fv_float_encode(FV_F16, (double)x);
    memcpy(out, &bits, sizeof bits);
}

#define DOT(name, op)                                                                              \
    static void name(const void *in, void *out) {                                                  \
        int32_t x[3];                                                                              \
        memcpy(x, in, sizeof x);                                                                   \
        x[0] = fv_dot(op, x[0], x[1], x[2]);                                                       \
        memcpy(out, x, sizeof *x);                                                                 \
    }
DOT(dot_u8_i8, FV_X_DOT_U8_I8)
DOT(dot_i8_i8, FV_X_DOT_I8_I8)
DOT(dot_u8_u8, FV_X_DOT_U8_U8)
DOT(dot_u8_i8_sat, FV_X_DOT_U8_I8_SAT)
DOT(dot_i16_i16, FV_X_DOT_I16_I16)
DOT(dot_i16_i8_even, FV_X_DOT_I16_I8_EVEN)
DOT(dot_i16_i8_odd, FV_X_DOT_I16_I8_ODD)
DOT(dot_bf16, FV_X_DOT_BF16)

static void scaleb(const void *in, void *out) {
    float x[2];
    memcpy(x, in, sizeof x);
    x[0] = fv_scaleb(x[0], x[1]);
    memcpy(out, x, sizeof *x);
}

static void mla_i32(const void *in, void *out) {
    uint32_t x[3];
    memcpy(x, in, sizeof x);
    x[0] = x[0] * x[1] + x[2];
    memcpy(out, x, sizeof *x);
}

#define DOT16(name, op)                                                                            \
    static void name(const void *in, void *out) {                                                  \
        const uint8_t *a = in, *b = a + FV_DOT16;                                                  \
        int32_t sum;                                                                               \
        memcpy(&sum, b + FV_DOT16, sizeof sum);                                                    \
        sum = fv_dot16(op, a, b, sum);                                                             \
        memcpy(out, &sum, sizeof sum);                                                             \
    }
DOT16(dot16_i8_i8, FV_X_DOT16_I8_I8)
DOT16(dot16_u8_u8, FV_X_DOT16_U8_U8)

/* ---- the table ---- */

static const fv_instruction rows[] = {
#define IN(e, lanes_)  {FV_##e, lanes_}
#define OUT(e, lanes_) {FV_##e, lanes_}
#define INSTRUCTION(id, op_, in_, out_, feature_, llvm_, c_, lane_, meaning_)                      \
    {.name = #id,                                                                                  \
     .op = FV_X_##op_,                                                                             \
     .in = in_,                                                                                    \
     .out = out_,                                                                                  \
     .feature = FV_FEATURE_##feature_,                                                             \
     .llvm = llvm_,                                                                                \
     .c = c_,                                                                                      \
     .lane = lane_,                                                                                \
     .meaning = meaning_},
#include "ir/expr/instruction.def"
};

enum { NROWS = sizeof rows / sizeof *rows };

int fv_instructions(void) {
    return NROWS;
}

const fv_instruction *fv_instruction_at(int i) {
    return &rows[i];
}

static bool is_of(const fv_instruction *r, fv_expr_op op, fv_elem in, fv_elem out) {
    return r->op == op && r->in.elem == in && r->out.elem == out;
}

/* The bits of a vector register that an instruction may use. Those of Helium are there for single
 * instructions, while loops have no vectors (vector_bits is 0). */
static int register_bits(const fv_target *t) {
    enum { HELIUM_BITS = 128 };
    bool helium = t->vector_bits == 0 && fv_target_has(t, FV_FEATURE_mve);
    return helium ? HELIUM_BITS : t->vector_bits;
}

static bool fits(const fv_target *t, fv_ktype type) {
    return type.lanes == 1 ||
           type.lanes * fv_elem_storage_bytes((fv_elem)type.elem) * 8 <= register_bits(t);
}

const fv_instruction *fv_instruction_find(const fv_target *t, fv_expr_op op, fv_elem in,
                                          fv_elem out, int lanes) {
    for (int i = 0; i < NROWS; i++)
        if (is_of(&rows[i], op, in, out) && rows[i].out.lanes == lanes &&
            fv_target_has(t, rows[i].feature) && fits(t, rows[i].in) && fits(t, rows[i].out))
            return &rows[i];
    return NULL;
}

bool fv_instruction_has(const fv_target *t, fv_expr_op op, fv_elem in, fv_elem out) {
    bool has = false;
    for (int lanes = 1; lanes <= 64 && !has; lanes *= 2)
        has = fv_instruction_find(t, op, in, out, lanes) != NULL;
    return has;
}

fv_lane_fn fv_instruction_lane(fv_expr_op op, fv_elem in, fv_elem out) {
    for (int i = 0; i < NROWS; i++)
        if (is_of(&rows[i], op, in, out))
            return rows[i].lane;
    return NULL;
}
