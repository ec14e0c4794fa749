/* sample.h - how much of an exhaustive test is run. A loop over many cases calls sample_has for
 * each of them. The answer depends on the text of what is tested, so that the tests of a program
 * together cover all cases, and a failure can be repeated.
 *     FOVEA_ALL=1   takes all cases
 *     FV_SEED=N     takes others
 * Sanitizers take fewer cases, since they are several times slower, and are not meant to find wrong
 * values. */
#ifndef TESTS_SAMPLE_H
#define TESTS_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define SAMPLE_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SAMPLE_HAS_ASAN 1
#endif
#endif
#ifndef SAMPLE_HAS_ASAN
#define SAMPLE_HAS_ASAN 0
#endif

static inline bool sample_is_all(void) {
    const char *all = getenv("FOVEA_ALL");
    return all && *all && *all != '0';
}

/* The seed of a random test: FV_SEED, otherwise always the same, so that a new failure comes from
 * the change at hand. */
static inline uint64_t sample_seed(uint64_t otherwise) {
    const char *given = getenv("FV_SEED");
    return given ? strtoull(given, NULL, 0) : otherwise;
}

/* Is case `i` of what `text` describes taken, where one in `apart` is, and under sanitizers one in
 * `apart_asan`? At least one of any `apart` cases that follow each other is. */
static inline bool sample_has(const char *text, size_t i, size_t apart, size_t apart_asan) {
    uint64_t turn = sample_seed(1);
    for (; *text; text++)
        turn = (turn ^ (unsigned char)*text) * 0x100000001b3u;
    size_t of = SAMPLE_HAS_ASAN ? apart_asan : apart;
    return sample_is_all() || (i + (size_t)((turn >> 16) % of)) % of == 0;
}

/* So many rounds of a test that is random: all of them, or under sanitizers fewer. FV_ROUNDS says
 * another number. */
static inline uint64_t sample_rounds(uint64_t rounds, uint64_t rounds_asan) {
    const char *given = getenv("FV_ROUNDS");
    return given                                 ? strtoull(given, NULL, 10)
           : SAMPLE_HAS_ASAN && !sample_is_all() ? rounds_asan
                                                 : rounds;
}

#endif
