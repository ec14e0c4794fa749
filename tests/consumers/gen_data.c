/* gen_data.c - random numbers, and random contents of buffers. */
#include <math.h>
#include <string.h>

#include "tests/consumers/gen.h"

/* ---- random numbers: splitmix64 ---- */

uint64_t rng_next(rng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int rng_below(rng *r, int n) {
    return (int)(rng_next(r) >> 33) % n;
}

bool rng_chance(rng *r, int percent) {
    return rng_below(r, 100) < percent;
}

double rng_float(rng *r) {
    static const double list[] = {0.0,      -0.0,      1.0,    -1.0,   0.5,     1.5,     2.5,
                                  -2.5,     3.0,       127.5,  255.0,  65504.0, 1e-8,    1e-40,
                                  1e30,     -1e30,     3.4e38, 0x1p31, 0x1p63,  -0x1p63, 0x1p64,
                                  INFINITY, -INFINITY, NAN,    448.0,  464.0,   57344.0, 0.1};
    return list[rng_below(r, (int)(sizeof list / sizeof *list))];
}

/* ---- data ---- */

void gen_data(rng *r, fv_elem e, void *data, size_t bytes) {
    size_t size = (size_t)fv_elem_storage_bytes(e);
    unsigned char *p = data;
    for (size_t at = 0; at + size <= bytes; at += size) {
        uint64_t bits = rng_next(r);
        int kind = rng_below(r, 4);
        double f = kind == 0 ? rng_float(r) : (rng_below(r, 4001) - 2000) / 64.0;
        float f32 = (float)f;
        if (e == FV_BOOL)
            bits &= kind ? 1 : 0xff; /* any byte but 0 is true */
        else if (!fv_elem_is_float(e) && kind)
            bits = (uint64_t)(rng_below(r, 20) - 6);
        memcpy(p + at, &bits, size);
        if (e == FV_F32 && kind < 3)
            memcpy(p + at, &f32, sizeof f32);
        if (e == FV_F64 && kind < 3)
            memcpy(p + at, &f, sizeof f);
    }
}
