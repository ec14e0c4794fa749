/* peak.c - loops that run at the peak of this machine, for each instruction set. The widest vectors
 * of this machine are detected at run time (fv_peak_widest). */
#include "tools/measure/peak.h"

#include <stdbool.h>
#include <stddef.h>

#if defined(__aarch64__)
#define CHAINS(X)                                                                                  \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#else
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#endif
#define ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)

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

/* The empty assembly hides that memory does not change, so that it is loaded each time. */
#define START(i) a##i = _mm512_setzero_ps(), b##i = a##i,
#define STEP(i)                                                                                    \
    z = _mm512_set1_ps(elements[(i) * FV_PEAK_TILE_STEPS + k]);                                    \
    a##i = _mm512_fmadd_ps(z, x, a##i);                                                            \
    b##i = _mm512_fmadd_ps(z, y, b##i);
#define ADD(i) sum = _mm512_add_ps(sum, _mm512_add_ps(a##i, b##i));
__attribute__((target("avx512f"))) static float tile_512(const float *p, int64_t times) {
    const float *elements = p + (ptrdiff_t)2 * 16 * FV_PEAK_TILE_STEPS;
    __m512 ROWS(START) sum = _mm512_setzero_ps(), z;
    for (int64_t i = 0; i < times; i++) {
        __asm__ volatile("" ::: "memory");
        for (ptrdiff_t k = 0; k < FV_PEAK_TILE_STEPS; k++) {
            __m512 x = _mm512_load_ps(p + 32 * k), y = _mm512_load_ps(p + 32 * k + 16);
            ROWS(STEP)
        }
    }
    ROWS(ADD)
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

/* The empty assembly hides that memory does not change, so that it is loaded each time. */
#define START(i) a##i = _mm256_setzero_ps(), b##i = a##i,
#define STEP(i)                                                                                    \
    z = _mm256_set1_ps(elements[(i) * FV_PEAK_TILE_STEPS + k]);                                    \
    a##i = _mm256_fmadd_ps(z, x, a##i);                                                            \
    b##i = _mm256_fmadd_ps(z, y, b##i);
#define ADD(i) sum = _mm256_add_ps(sum, _mm256_add_ps(a##i, b##i));
__attribute__((target("avx2,fma"))) static float tile_256(const float *p, int64_t times) {
    const float *elements = p + (ptrdiff_t)2 * 8 * FV_PEAK_TILE_STEPS;
    __m256 ROWS(START) sum = _mm256_setzero_ps(), z;
    for (int64_t i = 0; i < times; i++) {
        __asm__ volatile("" ::: "memory");
        for (ptrdiff_t k = 0; k < FV_PEAK_TILE_STEPS; k++) {
            __m256 x = _mm256_load_ps(p + 16 * k), y = _mm256_load_ps(p + 16 * k + 8);
            ROWS(STEP)
        }
    }
    ROWS(ADD)
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
#define MULTIPLY_ADD(sum, a, b)                                                                    \
    ((float4)vfmaq_f32((float32x4_t)(sum), (float32x4_t)(a), (float32x4_t)(b)))
#else
#define MULTIPLY_ADD(sum, a, b) ((a) * (b) + (sum))
#endif
#define START(i) a##i = {i, i, i, i},
#define STEP(i)  a##i = MULTIPLY_ADD(y, a##i, x);
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

/* The empty assembly hides that memory does not change, so that it is loaded each time. */
#define START(i) a##i = {0, 0, 0, 0}, b##i = a##i,
#define STEP(i)                                                                                    \
    e = elements[(i) * FV_PEAK_TILE_STEPS + k];                                                    \
    z = (float4){e, e, e, e};                                                                      \
    a##i = MULTIPLY_ADD(a##i, z, x);                                                               \
    b##i = MULTIPLY_ADD(b##i, z, y);
#define ADD(i) sum = (sum) + ((a##i) + (b##i));
static float tile_128(const float *p, int64_t times) {
    const float *elements = p + (ptrdiff_t)2 * 4 * FV_PEAK_TILE_STEPS;
    float4 ROWS(START) sum = {0, 0, 0, 0}, z;
    float e;
    for (int64_t i = 0; i < times; i++) {
        __asm__ volatile("" ::: "memory");
        for (ptrdiff_t k = 0; k < FV_PEAK_TILE_STEPS; k++) {
            float4 x = *(const float4 *)(p + 8 * k), y = *(const float4 *)(p + 8 * k + 4);
            ROWS(STEP)
        }
    }
    ROWS(ADD)
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
    fv_peak_code wide = {.lanes = 16,
                         .multiply_add = multiply_add_512,
                         .tile = tile_512,
                         .read = read_512},
                 half = {.lanes = 8,
                         .multiply_add = multiply_add_256,
                         .tile = tile_256,
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
    return (fv_peak_code){
        .lanes = 4, .multiply_add = multiply_add_128, .tile = tile_128, .read = read_128};
}
