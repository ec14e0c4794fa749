/* peak.c - loops that run at the peak of this machine, for each instruction set. The widest vectors
 * of this machine are detected at run time (fv_peak_widest). */
#include "tools/measure/peak.h"

#include <stdbool.h>
#include <stddef.h>

/* The independent chains of multiply-adds. On x86 an fma takes four cycles, or five on Haswell and
 * Broadwell, and at most two start in each cycle, so eight or ten chains hide the latency. On
 * Neoverse V1 and V2 four start in each cycle and take four cycles, so 16 chains would be needed:
 * with 12 the loop reaches at most three quarters of the peak there. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__linux__) && (defined(__clang__) || __GNUC__ >= 11)
#define HAS_TILES
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define START(i) a##i = _mm512_set1_ps((float)(i)),
#define STEP(i)  a##i = _mm512_fmadd_ps(a##i, x, y);
#define ADD(i)   sum = _mm512_add_ps(sum, a##i);
__attribute__((target("avx512f"))) static float multiply_add_512(int64_t steps) {
    __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
    __m512 CHAINS(START) sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return _mm512_cvtss_f32(sum);
}
#undef START
#undef STEP
#undef ADD

__attribute__((target("avx512f"))) static uint64_t read_512(const void *p, size_t bytes) {
    const __m512i *v = p;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes / sizeof *v; i += 4) {
        a = _mm512_xor_si512(a, _mm512_load_si512(v + i));
        b = _mm512_xor_si512(b, _mm512_load_si512(v + i + 1));
        c = _mm512_xor_si512(c, _mm512_load_si512(v + i + 2));
        d = _mm512_xor_si512(d, _mm512_load_si512(v + i + 3));
    }
    a = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
    return (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(a));
}

#define START(i) a##i = _mm256_set1_ps((float)(i)),
#define STEP(i)  a##i = _mm256_fmadd_ps(a##i, x, y);
#define ADD(i)   sum = _mm256_add_ps(sum, a##i);
__attribute__((target("avx2,fma"))) static float multiply_add_256(int64_t steps) {
    __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
    __m256 CHAINS(START) sum = _mm256_setzero_ps();
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return _mm256_cvtss_f32(sum);
}
#undef START
#undef STEP
#undef ADD

__attribute__((target("avx2"))) static uint64_t read_256(const void *p, size_t bytes) {
    const __m256i *v = p;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes / sizeof *v; i += 4) {
        a = _mm256_xor_si256(a, _mm256_load_si256(v + i));
        b = _mm256_xor_si256(b, _mm256_load_si256(v + i + 1));
        c = _mm256_xor_si256(c, _mm256_load_si256(v + i + 2));
        d = _mm256_xor_si256(d, _mm256_load_si256(v + i + 3));
    }
    a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    return (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(a));
}

#define START(i) a##i = _mm512_set1_epi32(i),
#define STEP(i)  a##i = _mm512_dpbusd_epi32(a##i, x, y);
#define ADD(i)   sum = _mm512_add_epi32(sum, a##i);
__attribute__((target("avx512f,avx512vnni"))) static float dot_512(int64_t steps) {
    __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(-1);
    __m512i CHAINS(START) sum = _mm512_setzero_si512();
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return (float)_mm_cvtsi128_si32(_mm512_castsi512_si128(sum));
}
#undef START
#undef STEP
#undef ADD

#ifdef HAS_TILES
/* Products of matrices of 16 rows and 16 columns of 64 bytes each, in four chains. */
enum { TILE_PRODUCTS = 4 * 16 * 16 * 64 };
__attribute__((target("amx-tile,amx-int8"))) static float matrix_tiles(int64_t steps) {
    /* the palette; bytes of a row, and rows, of each of eight registers */
    uint8_t config[64] = {1};
    for (int i = 0; i < 8; i++) {
        config[16 + 2 * i] = 64;
        config[48 + i] = 16;
    }
    __asm__ volatile("" : : "r"(config) : "memory");
    _tile_loadconfig(config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int64_t i = 0; i < steps; i++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
    return (float)steps;
}

/* Has this process the permission to use tile registers? Asks for nothing. */
static bool may_use_tiles(void) {
    enum { GET_PERMISSIONS = 0x1022, TILE_DATA = 18 };
    uint64_t permitted = 0;
    return syscall(SYS_arch_prctl, GET_PERMISSIONS, &permitted) == 0 && permitted >> TILE_DATA & 1;
}
#endif

/* Without an instruction for four bytes, the sum of two products of i16 is computed and added. The
 * empty assembly hides that all products are equal, so that each is computed. */
#define START(i) a##i = _mm256_set1_epi32(i),
#define STEP(i)                                                                                    \
    __asm__ volatile("" : "+x"(x));                                                                \
    a##i = _mm256_add_epi32(a##i, _mm256_madd_epi16(x, y));
#define ADD(i) sum = _mm256_add_epi32(sum, a##i);
__attribute__((target("avx2"))) static float dot_256(int64_t steps) {
    __m256i x = _mm256_set1_epi16(3), y = _mm256_set1_epi16(-1);
    __m256i CHAINS(START) sum = _mm256_setzero_si256();
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return (float)_mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
}
#undef START
#undef STEP
#undef ADD
#endif

/* The variant for any machine: vectors of 16 bytes. A multiply-add is fmla on aarch64, and
 * elsewhere whatever instructions the compiler chooses for a * x + y. */
typedef float float4 __attribute__((vector_size(16)));
typedef uint64_t ulong2 __attribute__((vector_size(16), may_alias));

#if defined(__aarch64__)
#include <arm_neon.h>
#define MULTIPLY_ADD(a) ((float4)vfmaq_f32((float32x4_t)y, (float32x4_t)(a), (float32x4_t)x))
#else
#define MULTIPLY_ADD(a) ((a) * x + y)
#endif
#define START(i) a##i = {i, i, i, i},
#define STEP(i)  a##i = MULTIPLY_ADD(a##i);
#define ADD(i)   sum += a##i;
static float multiply_add_128(int64_t steps) {
    float4 x = {0.999f, 0.999f, 0.999f, 0.999f}, y = {0.001f, 0.001f, 0.001f, 0.001f};
    float4 CHAINS(START) sum = {0, 0, 0, 0};
    for (int64_t i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    CHAINS(ADD)
    return sum[0];
}
#undef START
#undef STEP
#undef ADD

static uint64_t read_128(const void *p, size_t bytes) {
    const ulong2 *v = p;
    ulong2 a = {0, 0}, b = a, c = a, d = a;
    for (size_t i = 0; i < bytes / sizeof *v; i += 4) {
        a ^= v[i];
        b ^= v[i + 1];
        c ^= v[i + 2];
        d ^= v[i + 3];
    }
    a ^= b ^ c ^ d;
    return a[0] ^ a[1];
}

fv_peak_code fv_peak_widest(void) {
#if defined(__x86_64__)
    fv_peak_code wide = {.lanes = 16, .multiply_add = multiply_add_512, .read = read_512},
                 half = {.lanes = 8,
                         .multiply_add = multiply_add_256,
                         .read = read_256,
                         .dots = 16,
                         .dot = dot_256};
#ifdef HAS_TILES
    if (may_use_tiles()) {
        wide.matrices = TILE_PRODUCTS;
        wide.matrix = matrix_tiles;
    }
#endif
    if (__builtin_cpu_supports("avx512vnni")) {
        wide.dots = 64;
        wide.dot = dot_512;
    }
    if (__builtin_cpu_supports("avx512f"))
        return wide;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return half;
#endif
    return (fv_peak_code){.lanes = 4, .multiply_add = multiply_add_128, .read = read_128};
}
