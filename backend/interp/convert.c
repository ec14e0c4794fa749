/* convert.c - CONVERT between arithmetic types, a function for each pair. Conversions of storage
 * types are either expanded to integer arithmetic, or computed as the instruction of the target is
 * defined. */
#include "backend/interp/code.h"

/* ---- floats to integers: towards zero, saturating, NaN is 0 ---- */

/* Converts a float to an integer type with the bounds lo and hi. `above` is hi + 1, which both
 * float types represent. */
#define CUT(x, T, lo, hi, above)                                                                   \
    (!((x) == (x)) ? (T)0 : (x) >= (above) ? (T)(hi) : (x) <= (lo) ? (T)(lo) : (T)(x))
#define TO_i8(x)  CUT(x, int8_t, INT8_MIN, INT8_MAX, 0x1p7f)
#define TO_i16(x) CUT(x, int16_t, INT16_MIN, INT16_MAX, 0x1p15f)
#define TO_i32(x) CUT(x, int32_t, -0x1p31f, INT32_MAX, 0x1p31f)
#define TO_i64(x) CUT(x, int64_t, -0x1p63f, INT64_MAX, 0x1p63f)
#define TO_u8(x)  CUT(x, uint8_t, 0, UINT8_MAX, 0x1p8f)
#define TO_u16(x) CUT(x, uint16_t, 0, UINT16_MAX, 0x1p16f)
#define TO_u32(x) CUT(x, uint32_t, 0, UINT32_MAX, 0x1p32f)
#define TO_u64(x) CUT(x, uint64_t, 0, UINT64_MAX, 0x1p64f)

/* ---- pairs ---- */

#define CONVERT(from, to, F, T, body)                                                              \
    static const insn *from##_to_##to(frame *f, const insn *i) {                                   \
        for (uint32_t l = 0; l < i->lanes; l++) {                                                  \
            F x = AS(F, f, i->a)[l];                                                               \
            AS(T, f, i->d)[l] = (T)(body);                                                         \
        }                                                                                          \
        return i + 1;                                                                              \
    }

#define FROM_INT(from)                                                                             \
    CONVERT(from, i8, reg_##from, reg_i8, x)                                                       \
    CONVERT(from, i16, reg_##from, reg_i16, x)                                                     \
    CONVERT(from, i32, reg_##from, reg_i32, x)                                                     \
    CONVERT(from, i64, reg_##from, reg_i64, x)                                                     \
    CONVERT(from, u8, reg_##from, reg_u8, x)                                                       \
    CONVERT(from, u16, reg_##from, reg_u16, x)                                                     \
    CONVERT(from, u32, reg_##from, reg_u32, x)                                                     \
    CONVERT(from, u64, reg_##from, reg_u64, x)                                                     \
    CONVERT(from, f32, reg_##from, reg_f32, x)                                                     \
    CONVERT(from, f64, reg_##from, reg_f64, x)                                                     \
    CONVERT(from, bool, reg_##from, reg_u8, x != 0)

#define FROM_FLOAT(from)                                                                           \
    CONVERT(from, i8, reg_##from, reg_i8, TO_i8(x))                                                \
    CONVERT(from, i16, reg_##from, reg_i16, TO_i16(x))                                             \
    CONVERT(from, i32, reg_##from, reg_i32, TO_i32(x))                                             \
    CONVERT(from, i64, reg_##from, reg_i64, TO_i64(x))                                             \
    CONVERT(from, u8, reg_##from, reg_u8, TO_u8(x))                                                \
    CONVERT(from, u16, reg_##from, reg_u16, TO_u16(x))                                             \
    CONVERT(from, u32, reg_##from, reg_u32, TO_u32(x))                                             \
    CONVERT(from, u64, reg_##from, reg_u64, TO_u64(x))                                             \
    CONVERT(from, f32, reg_##from, reg_f32, x)                                                     \
    CONVERT(from, f64, reg_##from, reg_f64, x)                                                     \
    CONVERT(from, bool, reg_##from, reg_u8, x != 0)

FROM_INT(i8)
FROM_INT(i16)
FROM_INT(i32)
FROM_INT(i64)
FROM_INT(u8)
FROM_INT(u16)
FROM_INT(u32)
FROM_INT(u64)
FROM_FLOAT(f32)
FROM_FLOAT(f64)

#define ROW(E, from)                                                                               \
    [E] = {[FV_I8] = from##_to_i8,   [FV_I16] = from##_to_i16,  [FV_I32] = from##_to_i32,          \
           [FV_I64] = from##_to_i64, [FV_U8] = from##_to_u8,    [FV_U16] = from##_to_u16,          \
           [FV_U32] = from##_to_u32, [FV_U64] = from##_to_u64,  [FV_F32] = from##_to_f32,          \
           [FV_F64] = from##_to_f64, [FV_BOOL] = from##_to_bool}

static const insn_fn pairs[FV_ELEM_END][FV_ELEM_END] = {
    ROW(FV_I8, i8),   ROW(FV_I16, i16), ROW(FV_I32, i32), ROW(FV_I64, i64),
    ROW(FV_U8, u8),   ROW(FV_U16, u16), ROW(FV_U32, u32), ROW(FV_U64, u64),
    ROW(FV_F32, f32), ROW(FV_F64, f64), ROW(FV_BOOL, u8), /* bools are 0 or 1 */
};

/* ---- instructions of targets ---- */

/* Defines a function that applies u.lane to each lane, from elements of C type F to those of T. */
#define BY_LANE(from, to, F, T)                                                                    \
    static const insn *lanes_##from##_##to(frame *f, const insn *i) {                              \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            i->u.lane(AS(F, f, i->a) + l, AS(T, f, i->d) + l);                                     \
        return i + 1;                                                                              \
    }
BY_LANE(2, 4, reg_u16, reg_u32)
BY_LANE(4, 2, reg_u32, reg_u16)

insn_fn fv_i_by_lane(int from_bytes, int to_bytes) {
    return from_bytes == 2 && to_bytes == 4   ? lanes_2_4
           : from_bytes == 4 && to_bytes == 2 ? lanes_4_2
                                              : NULL;
}

insn_fn fv_i_convert(fv_elem from, fv_elem to) {
    return pairs[from][to];
}
