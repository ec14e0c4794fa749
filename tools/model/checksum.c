/* checksum.c - XXH64 as the specification of xxHash states it. */
#include "tools/model/checksum.h"

#include "ir/base/mapping.h"

static const uint64_t prime1 = 0x9E3779B185EBCA87, prime2 = 0xC2B2AE3D27D4EB4F,
                      prime3 = 0x165667B19E3779F9, prime4 = 0x85EBCA77C2B2AE63,
                      prime5 = 0x27D4EB2F165667C5;

/* n bytes, the lowest first. */
static uint64_t word(const unsigned char *p, int n) {
    uint64_t w = 0;
    for (int i = 0; i < n; i++)
        w |= (uint64_t)p[i] << (8 * i);
    return w;
}

static uint64_t rotated(uint64_t x, int n) {
    return x << n | x >> (64 - n);
}

static uint64_t mixed(uint64_t lane, uint64_t w) {
    return rotated(lane + w * prime2, 31) * prime1;
}

/* Four lanes, each of every fourth word of the blocks of 32 bytes. */
static void add_blocks(uint64_t lane[4], const unsigned char *p, size_t blocks) {
    for (; blocks; blocks--, p += 32)
        for (int i = 0; i < 4; i++)
            lane[i] = mixed(lane[i], word(p + (size_t)i * 8, 8));
}

/* The blocks of mapped data leave the memory after they were read, but not without a session. */
static uint64_t of_blocks(fv_session *s, const unsigned char *p, size_t blocks, uint64_t seed) {
    enum { PIECE = 1 << 19 }; /* 16 MiB */
    uint64_t lane[4] = {seed + prime1 + prime2, seed + prime2, seed, seed - prime1}, h = 0;
    static const int turns[4] = {1, 7, 12, 18};
    for (size_t n; blocks; blocks -= n, p += n * 32) {
        n = s && blocks > PIECE ? PIECE : blocks;
        add_blocks(lane, p, n);
        if (s)
            fv_mapping_drop(s, p, n * 32);
    }
    for (int i = 0; i < 4; i++)
        h += rotated(lane[i], turns[i]);
    for (int i = 0; i < 4; i++)
        h = (h ^ mixed(0, lane[i])) * prime1 + prime4;
    return h;
}

static uint64_t with_rest(uint64_t h, const unsigned char *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8)
        h = rotated(h ^ mixed(0, word(p, 8)), 27) * prime1 + prime4;
    if (n >= 4) {
        h = rotated(h ^ word(p, 4) * prime1, 23) * prime2 + prime3;
        n -= 4, p += 4;
    }
    for (; n; n--, p++)
        h = rotated(h ^ *p * prime5, 11) * prime1;
    return h;
}

static uint64_t checksum(fv_session *s, const void *data, size_t bytes, uint64_t seed) {
    const unsigned char *p = data;
    uint64_t h = bytes >= 32 ? of_blocks(s, p, bytes / 32, seed) : seed + prime5;
    h = with_rest(h + bytes, p + bytes / 32 * 32, bytes % 32);
    h = (h ^ h >> 33) * prime2;
    h = (h ^ h >> 29) * prime3;
    return h ^ h >> 32;
}

uint64_t fv_checksum(const void *data, size_t bytes, uint64_t seed) {
    return checksum(NULL, data, bytes, seed);
}

uint64_t fv_checksum_mapped(fv_session *s, const void *data, size_t bytes, uint64_t seed) {
    return checksum(s, data, bytes, seed);
}
