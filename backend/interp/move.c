/* move.c - select, splat, ramp, blocks and copies, which depend only on the width of an element. */
#include "backend/interp/code.h"

/* Defines the functions for elements of C type T: select (d = a ? b : c in each lane), splat (a in
 * all lanes), ramp (a, a + 1, ...), the even or odd blocks of u.imm lanes of a and b, and copy. */
#define MOVES(T)                                                                                   \
    static const insn *select_##T(frame *f, const insn *i) {                                       \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            AS(T, f, i->d)[l] = AS(reg_u8, f, i->a)[l] ? AS(T, f, i->b)[l] : AS(T, f, i->c)[l];    \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *splat_##T(frame *f, const insn *i) {                                        \
        T x = *AS(T, f, i->a);                                                                     \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            AS(T, f, i->d)[l] = x;                                                                 \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *ramp_##T(frame *f, const insn *i) {                                         \
        T x = *AS(T, f, i->a);                                                                     \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            AS(T, f, i->d)[l] = (T)((uint64_t)x + l);                                              \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *even_##T(frame *f, const insn *i) {                                         \
        for (uint32_t l = 0, n = (uint32_t)i->u.imm; l < i->lanes; l++)                            \
            AS(T, f, i->d)[l] = l / n % 2 ? AS(T, f, i->b)[l - n] : AS(T, f, i->a)[l];             \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *odd_##T(frame *f, const insn *i) {                                          \
        for (uint32_t l = 0, n = (uint32_t)i->u.imm; l < i->lanes; l++)                            \
            AS(T, f, i->d)[l] = l / n % 2 ? AS(T, f, i->b)[l] : AS(T, f, i->a)[l + n];             \
        return i + 1;                                                                              \
    }                                                                                              \
    static const insn *copy_##T(frame *f, const insn *i) {                                         \
        for (uint32_t l = 0; l < i->lanes; l++)                                                    \
            AS(T, f, i->d)[l] = AS(T, f, i->a)[l];                                                 \
        return i + 1;                                                                              \
    }

MOVES(reg_u8)
MOVES(reg_u16)
MOVES(reg_u32)
MOVES(reg_u64)

#define BY_WIDTH(name)                                                                             \
    bytes == 1   ? name##_reg_u8                                                                   \
    : bytes == 2 ? name##_reg_u16                                                                  \
    : bytes == 4 ? name##_reg_u32                                                                  \
                 : name##_reg_u64

insn_fn fv_i_select(int bytes) {
    return BY_WIDTH(select);
}
insn_fn fv_i_splat(int bytes) {
    return BY_WIDTH(splat);
}
insn_fn fv_i_ramp(int bytes) {
    return BY_WIDTH(ramp);
}
insn_fn fv_i_even(int bytes) {
    return BY_WIDTH(even);
}
insn_fn fv_i_odd(int bytes) {
    return BY_WIDTH(odd);
}
insn_fn fv_i_copy(int bytes) {
    return BY_WIDTH(copy);
}
