/* How the self-test fills inputs, and computes checksums of outputs. The compiler runs the same
 * functions when it records the expected results. Memory is accessed by bytes, so any element type
 * is possible. */
#include <stddef.h>
#include <stdint.h>

typedef struct selftest_type {
    int bytes;    /* number of bytes of an element */
    int is_float; /* whether it is an IEEE float or double; otherwise `one` has the bits of 1 */
    uint64_t one;
    uint64_t abs, nan; /* an element is NaN if (bits & abs) > nan; abs 0: the type has no NaN */
} selftest_type;

static uint64_t selftest_get(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void selftest_put(unsigned char *p, int bytes, uint64_t v) {
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> (8 * i) & 255);
}

static uint64_t selftest_float(int bytes, double v) {
    union {
        float f;
        uint32_t u;
    } single;
    union {
        double f;
        uint64_t u;
    } twice;
    single.f = (float)v;
    twice.f = v;
    return bytes == 4 ? single.u : twice.u;
}

/* Fills inputs with a fixed sequence: floats are multiples of 1/256 in [-1, 1), other types are 0
 * or 1. */
static void selftest_fill(unsigned char *p, size_t n, const selftest_type *t, uint32_t seed) {
    for (size_t i = 0; i < n; i++, p += t->bytes) {
        seed = seed * 1664525u + 1013904223u;
        if (t->is_float)
            selftest_put(p, t->bytes, selftest_float(t->bytes, (int)(seed >> 23) / 256.0 - 1));
        else
            selftest_put(p, t->bytes, seed >> 31 ? t->one : 0);
    }
}

/* A hash of elements by FNV-1a, for which all NaNs are equal. */
static uint64_t selftest_sum(const unsigned char *p, size_t n, const selftest_type *t,
                             uint64_t sum) {
    for (size_t i = 0; i < n; i++, p += t->bytes) {
        uint64_t bits = selftest_get(p, t->bytes);
        if (t->abs && (bits & t->abs) > t->nan)
            bits = t->abs;
        sum = (sum ^ bits) * 1099511628211u;
    }
    return sum;
}
