/* Places of keys (ops/common/places.h): keys of many kinds have different ones, which the
 * arithmetic of kernels finds. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "ops/common/places.h"
#include "tests/kernel/support.h"

TestSuite(places, .init = open_session, .fini = close_session);

typedef int64_t key_fn(int64_t i);

static int64_t counted(int64_t i) {
    return i;
}
static int64_t spaced(int64_t i) {
    return i * 4096 - 77;
}
static int64_t high(int64_t i) {
    return (int64_t)((uint64_t)i << 44);
}
static int64_t from_both_ends(int64_t i) {
    return i % 2 ? INT64_MAX - i : INT64_MIN + i;
}
static int64_t squares(int64_t i) {
    return i * i;
}
static int64_t mixed(int64_t i) {
    return (int64_t)((uint64_t)i * UINT64_C(0xd6e8feb86659fd93));
}
static int64_t floats(int64_t i) { /* the bits of 1, 2, 3, .. as f32 */
    union {
        float f;
        int32_t i;
    } bits = {.f = (float)(i + 1)};
    return bits.i;
}

static const struct {
    const char *name;
    key_fn *key;
} kinds[] = {
    {"counted", counted}, {"spaced", spaced}, {"high", high},    {"both ends", from_both_ends},
    {"squares", squares}, {"mixed", mixed},   {"floats", floats}};

static void check_places(fv_arena *a, const char *name, size_t n, const int64_t *keys) {
    fv_places p = fv_choose_places(a, n, keys);
    int64_t lists = p.shifts->dims[0];
    bool *taken = FV_NEW(a, bool, p.nplaces);
    cr_assert(p.nplaces >= (int64_t)n && !(p.nplaces & (p.nplaces - 1)), "%s, %zu", name, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t h = (uint64_t)keys[i] * (uint64_t)p.factor;
        int64_t shift = fv_tensor_int(p.shifts, (size_t)(h >> fv_list_bits(lists)));
        int64_t at = ((int64_t)(h >> fv_place_bits(lists, p.nplaces)) + shift) & (p.nplaces - 1);
        cr_assert_eq(at, p.at[i], "%s: key %zu of %zu", name, i, n);
        cr_assert(!taken[at], "%s: key %zu of %zu", name, i, n);
        taken[at] = true;
    }
}

Test(places, keys_of_many_kinds_have_different_places) {
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 13, 64, 100, 1000, 4097, 60000};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            fv_arena *a = fv_arena_new(session);
            int64_t *keys = FV_NEW(a, int64_t, sizes[s] + 1);
            for (size_t i = 0; i < sizes[s]; i++)
                keys[i] = kinds[k].key((int64_t)i);
            check_places(a, kinds[k].name, sizes[s], keys);
            fv_arena_free(a);
        }
}
