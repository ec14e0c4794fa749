/* narrow.c - conversions of vectors of integers to fewer bits, by instructions of x86.
 *
 * For __builtin_convertvector, gcc 12 writes two or three instructions for each lane: 24 for eight
 * i32 as bytes, where these are three. AVX-512 has instructions that narrow. For shorter vectors,
 * vpshufb moves the low bytes of each element to the beginning of each 16 bytes, and one more
 * instruction joins those of 32 bytes. Subscript 0 is the low 64 bits of a vector. */
#include "backend/c/narrow.h"

#define BYTES_OF_I32     "set1_epi32(0x0c080400)"
#define HALVES_OF_I32    "set1_epi64x(0x0d0c090805040100)"
#define BYTES_OF_I16     "set1_epi64x(0x0e0c0a0806040200)"
#define MOVED_16(places) "_mm_shuffle_epi8((__m128i)$a, _mm_" places ")"
#define MOVED_32(places) "_mm256_shuffle_epi8((__m256i)$a, _mm256_" places ")"
#define LOW_HALVES(x)    "_mm256_castsi256_si128(_mm256_permute4x64_epi64(" x ", 8))"

/* bytes: size of the vector that is converted; from, to: bits of its elements before and after. */
static const struct {
    int bytes, from, to;
    const char *text;
} rows[] = {
    {16, 32, 8, "_mm_cvtsi128_si32(" MOVED_16(BYTES_OF_I32) ")"},
    {16, 32, 16, MOVED_16(HALVES_OF_I32) "[0]"},
    {16, 16, 8, MOVED_16(BYTES_OF_I16) "[0]"},
    {32, 32, 8,
     "_mm256_permutevar8x32_epi32(" MOVED_32(BYTES_OF_I32) ", _mm256_set1_epi64x(0x400000000))[0]"},
    {32, 32, 16, LOW_HALVES(MOVED_32(HALVES_OF_I32))},
    {32, 16, 8, LOW_HALVES(MOVED_32(BYTES_OF_I16))},
    {64, 32, 8, "_mm512_cvtepi32_epi8((__m512i)$a)"},
    {64, 32, 16, "_mm512_cvtepi32_epi16((__m512i)$a)"},
    {64, 16, 8, "_mm512_cvtepi16_epi8((__m512i)$a)"},
};

const char *fv_c_narrowing(fv_cg *g, fv_elem from, fv_elem to, int lanes) {
    const int bytes = fv_c_vector_bytes(from, lanes);
    if (g->machine.isa != FV_ISA_X86 || !g->machine.sse41 || bytes > g->machine.native ||
        !fv_elem_is_int(from) || !fv_elem_is_int(to))
        return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].bytes == bytes && rows[i].from == fv_elem_bits(from) &&
            rows[i].to == fv_elem_bits(to))
            return fv_printf(g->arena, "(%s)%s", fv_c_type(g, fv_kt(to, lanes)), rows[i].text);
    return NULL;
}
