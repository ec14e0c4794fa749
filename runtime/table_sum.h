/* table_sum.h - the checksum of a model's table: of all its content except functions, and except
 * launches, which generated C has only if it is traced. Writers of a table and the loader use the
 * same function. It detects accidents, not forgery. FNV-1a, 64 bits: Fowler, Noll, Vo, Eastlake:
 * The FNV Non-Cryptographic Hash Algorithm. */
#ifndef FV_TABLE_SUM_H
#define FV_TABLE_SUM_H

#include "table_members.h"

static inline uint64_t fv_sum_byte(uint64_t sum, unsigned byte) {
    return (sum ^ byte) * UINT64_C(0x100000001b3);
}

/* Adds a number; the result is the same for any byte order of the machine. */
static inline uint64_t fv_sum_number(uint64_t sum, int64_t n) {
    for (int i = 0; i < 8; i++)
        sum = fv_sum_byte(sum, (unsigned)((uint64_t)n >> 8 * i) & 0xff);
    return sum;
}

static inline uint64_t fv_sum_text(uint64_t sum, const char *s) {
    for (s = s ? s : ""; *s; s++)
        sum = fv_sum_byte(sum, (unsigned char)*s);
    return fv_sum_byte(sum, 0);
}

static inline uint64_t fv_sum_structure(uint64_t sum, const fv_structure *type, const void *s) {
    for (int k = 0; k < type->n; k++) {
        const fv_member *m = &type->members[k];
        if (m->traced)
            continue;
        switch (m->kind) {
        case FV_MEMBER_NUMBER: sum = fv_sum_number(sum, fv_member_number(s, m)); break;
        case FV_MEMBER_WIDE: sum = fv_sum_number(sum, fv_member_wide(s, m)); break;
        case FV_MEMBER_MAYBE:
            sum = fv_sum_number(sum, fv_member_pointer(s, m) != NULL);
            /* fall through */
        case FV_MEMBER_TEXT: sum = fv_sum_text(sum, fv_member_pointer(s, m)); break;
        case FV_MEMBER_TEXTS:
            for (int32_t i = 0; i < fv_member_count(s, m); i++)
                sum = fv_sum_text(sum, fv_member_text(s, m, i));
            break;
        case FV_MEMBER_LIST:
            for (int32_t i = 0; i < fv_member_count(s, m); i++)
                sum = fv_sum_structure(sum, m->of, fv_member_element(s, m, i));
            break;
        case FV_MEMBER_CODE:
        case FV_MEMBER_SIZE:
        case FV_MEMBER_SUM: break;
        }
    }
    return sum;
}

static inline uint64_t fv_table_sum(const fv_model *t) {
    return fv_sum_structure(UINT64_C(0xcbf29ce484222325), &fv_model_structure, t);
}

#endif
