/* places.c - perfect hashing: lists with more keys choose first, and each takes the first shift
 * with which all its places are free. */
#include "ops/common/places.h"

#include <string.h>

#include "ir/base/random.h"

enum {
    KEYS = 4,  /* the most keys of a list on average */
    TRIES = 16 /* so many factors are tried before there are more lists */
};

/* One attempt with a factor. */
typedef struct attempt {
    size_t n, lists, places;
    uint64_t factor;
    const int64_t *keys;
    int64_t *at;
    int32_t *shift;  /* of each list */
    uint32_t *start; /* the keys of list i are order[start[i]] to order[start[i + 1] - 1] */
    uint32_t *order, *by_size;
    bool *taken;
} attempt;

static int log2_of(int64_t n) {
    int bits = 0;
    while ((int64_t)1 << bits < n)
        bits++;
    return bits;
}

int fv_list_bits(int64_t lists) {
    return 64 - log2_of(lists);
}

int fv_place_bits(int64_t lists, int64_t places) {
    return fv_list_bits(lists) - log2_of(places);
}

static uint64_t product(const attempt *t, size_t key) {
    return (uint64_t)t->keys[key] * t->factor;
}

static size_t list_of(const attempt *t, size_t key) {
    return (size_t)(product(t, key) >> fv_list_bits((int64_t)t->lists));
}

static size_t place_of(const attempt *t, size_t key) {
    return (size_t)(product(t, key) >> fv_place_bits((int64_t)t->lists, (int64_t)t->places)) &
           (t->places - 1);
}

/* Sorts the keys by their lists. */
static void make_lists(attempt *t) {
    memset(t->start, 0, (t->lists + 2) * sizeof *t->start);
    for (size_t i = 0; i < t->n; i++)
        t->start[list_of(t, i) + 2]++;
    for (size_t i = 2; i < t->lists + 2; i++)
        t->start[i] += t->start[i - 1];
    for (size_t i = 0; i < t->n; i++)
        t->order[t->start[list_of(t, i) + 1]++] = (uint32_t)i;
}

static uint32_t size_of(const attempt *t, size_t list) {
    return t->start[list + 1] - t->start[list];
}

/* Sorts the lists by their sizes, the largest first. */
static void sort_lists(fv_arena *a, attempt *t) {
    uint32_t *before = FV_NEW(a, uint32_t, t->n + 2), sum = 0;
    for (size_t i = 0; i < t->lists; i++)
        before[size_of(t, i)]++;
    for (size_t size = t->n + 1; size-- > 0;) {
        uint32_t many = before[size];
        before[size] = sum;
        sum += many;
    }
    for (size_t i = 0; i < t->lists; i++)
        t->by_size[before[size_of(t, i)]++] = (uint32_t)i;
}

/* Takes the places of a list with that shift, unless one is taken; then none is. */
static bool take(attempt *t, size_t list, size_t shift) {
    for (uint32_t k = t->start[list]; k < t->start[list + 1]; k++) {
        size_t key = t->order[k], at = (place_of(t, key) + shift) & (t->places - 1);
        if (t->taken[at]) {
            while (k-- > t->start[list])
                t->taken[t->at[t->order[k]]] = false;
            return false;
        }
        t->taken[at] = true;
        t->at[key] = (int64_t)at;
    }
    t->shift[list] = (int32_t)shift;
    return true;
}

static bool places_differ(const attempt *t, size_t list) {
    for (uint32_t k = t->start[list]; k < t->start[list + 1]; k++)
        for (uint32_t m = t->start[list]; m < k; m++)
            if (place_of(t, t->order[k]) == place_of(t, t->order[m]))
                return false;
    return true;
}

static bool place_list(attempt *t, size_t list, size_t *free) {
    bool ok = false;
    if (size_of(t, list) == 1) { /* the first free place; all before it stay taken */
        while (t->taken[*free])
            ++*free;
        return take(t, list, (*free - place_of(t, t->order[t->start[list]])) & (t->places - 1));
    }
    for (size_t shift = 0; !ok && shift < t->places; shift++)
        ok = take(t, list, shift);
    return ok;
}

/* Places of all keys, or false: two keys of a list have the same place, or a list found no
 * shift. */
static bool try_factor(fv_arena *a, attempt *t) {
    size_t free = 0;
    memset(t->taken, 0, t->places);
    make_lists(t);
    for (size_t i = 0; i < t->lists; i++)
        if (size_of(t, i) > 64 || !places_differ(t, i))
            return false;
    sort_lists(a, t);
    for (size_t i = 0; i < t->lists && size_of(t, t->by_size[i]); i++)
        if (!place_list(t, t->by_size[i], &free))
            return false;
    return true;
}

static attempt attempt_of(fv_arena *a, size_t n, const int64_t *keys, size_t lists, size_t places) {
    return (attempt){.n = n,
                     .lists = lists,
                     .places = places,
                     .keys = keys,
                     .at = FV_NEW(a, int64_t, n + 1),
                     .shift = FV_NEW(a, int32_t, lists),
                     .start = FV_NEW(a, uint32_t, lists + 2),
                     .order = FV_NEW(a, uint32_t, n + 1),
                     .by_size = FV_NEW(a, uint32_t, lists),
                     .taken = FV_NEW(a, bool, places)};
}

static fv_places places_of(fv_arena *a, const attempt *t) {
    fv_places p = {.factor = (int64_t)t->factor, .nplaces = (int64_t)t->places};
    p.shifts = fv_tensor_new(a, FV_I32, 1, (int64_t[]){(int64_t)t->lists});
    for (size_t i = 0; i < t->lists; i++)
        fv_tensor_set_int(p.shifts, i, t->shift[i]);
    p.at = FV_NEW(a, int64_t, t->n + 1);
    memcpy(p.at, t->at, t->n * sizeof *p.at);
    return p;
}

fv_places fv_choose_places(fv_arena *a, size_t n, const int64_t *keys) {
    size_t lists = 2, places = 2;
    fv_random random = {1};
    while (lists * KEYS < n)
        lists *= 2;
    while (places * 4 < n * 5)
        places *= 2;
    for (int i = 1;; i++) {
        fv_arena *scratch = fv_arena_new(fv_arena_session(a));
        attempt t = attempt_of(scratch, n, keys, lists, places);
        fv_places p = {0};
        t.factor = fv_random_next(&random) | 1;
        if (try_factor(scratch, &t))
            p = places_of(a, &t);
        fv_arena_free(scratch);
        if (p.shifts)
            return p;
        if (i % TRIES == 0 && lists < ((size_t)1 << 30))
            lists *= 2;
    }
}

fv_expr *fv_place_of(fv_arena *a, fv_expr *x, int64_t factor, int64_t places, fv_buf *shifts) {
    int64_t lists;
    fv_expr *mask = fv_x_int(a, places - 1);
    if (!fv_x_is_int(shifts->extent[0], &lists))
        return NULL;
    fv_expr *h =
        fv_x_bin(a, FV_X_MUL, fv_x_convert(a, FV_U64, x), fv_x_const_int(a, FV_U64, factor));
    fv_expr *list = fv_x_bin(a, FV_X_SHR, h, fv_x_const_int(a, FV_U64, fv_list_bits(lists)));
    fv_expr *at = fv_x_bin(a, FV_X_SHR, h, fv_x_const_int(a, FV_U64, fv_place_bits(lists, places)));
    list = fv_x_convert(a, FV_I64, list);
    fv_expr *shift = fv_x_convert(a, FV_I64, fv_x_load(a, shifts, &list));
    at = fv_x_bin(a, FV_X_ADD, fv_x_convert(a, FV_I64, at), shift);
    return fv_x_bin(a, FV_X_AND, at, mask);
}
