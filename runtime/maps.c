/* maps.c - maps as the vectors that models have for a sequence of them: the entries of all maps,
 * concatenated, and where each map ends; and back. */
#include <string.h>

#include "aligned.h"
#include "internal.h"

static int refuse(int64_t i, const char *part, const fv_array *x, const char *why, fv_log *log) {
    char text[400];
    fv_log_add(log, "error: the %s of map %lld are %s, %s", part, (long long)i,
               fv_array_text(x, text, sizeof text), why);
    return FV_BAD_ARGUMENT;
}

/* ---- packing ---- */

/* Checks the keys or the values of map i. type 0: their elements are not packed. */
static int check_part(const fv_array *x, int64_t i, const char *part, int32_t type, fv_log *log) {
    if (x->rank != 1 || x->dims[0] < 0)
        return refuse(i, part, x, "expected a vector", log);
    if (!type)
        return FV_OK;
    if (x->type != type)
        return refuse(i, part, x, "of another type than was passed", log);
    if (x->capacity)
        return refuse(i, part, x, "and have a capacity; they must be dense", log);
    return !x->dims[0] || x->data ? FV_OK : refuse(i, part, x, "their data is NULL", log);
}

static int check_map(const fv_map *map, int64_t i, int32_t key_type, int32_t value_type,
                     fv_log *log) {
    int status = check_part(&map->keys, i, "keys", key_type, log);
    status = status ? status : check_part(&map->values, i, "values", value_type, log);
    if (status || map->keys.dims[0] == map->values.dims[0])
        return status;
    fv_log_add(log, "error: map %lld has %lld keys and %lld values", (long long)i,
               (long long)map->keys.dims[0], (long long)map->values.dims[0]);
    return FV_BAD_ARGUMENT;
}

static const fv_array *part_of(const fv_map *map, int values) {
    return values ? &map->values : &map->keys;
}

/* Concatenates the keys or the values of all maps, which have `entries` elements. */
static int concatenate(const fv_map *maps, int64_t n, int values, int32_t type, int64_t entries,
                       fv_array *out) {
    char *to = fv_aligned_alloc((size_t)entries * fv_type_bytes(type));
    if (!to)
        return FV_NO_MEMORY;
    *out = (fv_array){.type = type, .rank = 1, .dims = {entries}, .data = to, .owner = to};
    for (int64_t i = 0; i < n; i++) {
        size_t bytes = fv_array_bytes(part_of(&maps[i], values));
        if (bytes)
            memcpy(to, part_of(&maps[i], values)->data, bytes);
        to += bytes;
    }
    return FV_OK;
}

static int put_ends(const fv_map *maps, int64_t n, fv_array *out) {
    int64_t *ends = fv_aligned_alloc((size_t)n * sizeof *ends), at = 0;
    if (!ends)
        return FV_NO_MEMORY;
    for (int64_t i = 0; i < n; i++)
        ends[i] = at += maps[i].keys.dims[0];
    *out = (fv_array){.type = FV_TYPE_INT64, .rank = 1, .dims = {n}, .data = ends, .owner = ends};
    return FV_OK;
}

/* The number of bytes of an entry of each part that is wanted. */
static size_t bytes_of(const fv_array *wanted, int32_t type) {
    return wanted ? fv_type_bytes(type) : 1;
}

static int pack(const fv_map *maps, int64_t n, int32_t key_type, int32_t value_type, fv_array *keys,
                fv_array *values, fv_array *ends, fv_log *log) {
    fv_array made[3] = {{0}};
    int64_t entries = 0;
    size_t wide = bytes_of(keys, key_type), other = bytes_of(values, value_type);
    int status = FV_OK;
    wide = wide > other ? wide : other;
    for (int64_t i = 0; i < n && !status; i++) {
        status = check_map(&maps[i], i, keys ? key_type : 0, values ? value_type : 0, log);
        if (!status && __builtin_add_overflow(entries, maps[i].keys.dims[0], &entries))
            status = FV_TOO_LARGE;
    }
    if (!status && ((uint64_t)entries > SIZE_MAX / wide || (uint64_t)n > SIZE_MAX / 8))
        status = FV_TOO_LARGE;
    if (!status && keys)
        status = concatenate(maps, n, 0, key_type, entries, &made[0]);
    if (!status && values)
        status = concatenate(maps, n, 1, value_type, entries, &made[1]);
    if (!status && ends)
        status = put_ends(maps, n, &made[2]);
    fv_array *const out[] = {keys, values, ends};
    for (int i = 0; i < 3; i++)
        if (status)
            fv_array_free(&made[i]);
        else if (out[i])
            *out[i] = made[i];
    return status;
}

static int refuse_type(const char *part, int32_t type, fv_log *log) {
    fv_log_add(log, "error: %s of type %s (%d) are not packed: an element has no bytes of its own",
               part, fv_type_text(type), (int)type);
    return FV_BAD_ARGUMENT;
}

int fv_maps_pack(const fv_map *maps, int64_t n, int32_t key_type, int32_t value_type,
                 fv_array *keys, fv_array *values, fv_array *ends, fv_log *log) {
    if (!maps && n != 0)
        return fv_log_missing(log, "maps");
    if (n < 0 || (!ends && n != 1)) {
        fv_log_add(log, "error: there are %lld maps, expected %s", (long long)n,
                   ends ? "0 or more" : "one, since no ends are wanted");
        return FV_BAD_ARGUMENT;
    }
    if (keys && !fv_type_bytes(key_type))
        return refuse_type("keys", key_type, log);
    if (values && !fv_type_bytes(value_type))
        return refuse_type("values", value_type, log);
    size_t said = fv_log_count(log);
    return fv_log_status(pack(maps, n, key_type, value_type, keys, values, ends, log), said, log);
}

/* ---- back ---- */

/* Checks the vector of all keys or values; *entries: the number of entries, -1 before the first
 * vector. */
static int check_vector(const fv_array *x, const char *name, int64_t *entries, fv_log *log) {
    char text[400];
    if (!x)
        return FV_OK;
    if (!fv_type_bytes(x->type))
        return refuse_type(name, x->type, log);
    int status = fv_check_dense(x, name, x->type, log);
    if (status)
        return status;
    if (x->rank == 1 && (*entries < 0 || *entries == x->dims[0])) {
        *entries = x->dims[0];
        return FV_OK;
    }
    fv_log_add(log, "error: %s is %s, expected a vector, with a value for each key", name,
               fv_array_text(x, text, sizeof text));
    return FV_BAD_ARGUMENT;
}

static int check_ends(const fv_array *ends, int64_t n, int64_t entries, fv_log *log) {
    char text[400];
    int status = fv_check_dense(ends, "ends", FV_TYPE_INT64, log);
    if (status)
        return status;
    if (ends->rank != 1 || ends->dims[0] != n) {
        fv_log_add(log, "error: ends is %s, expected i64[%lld]",
                   fv_array_text(ends, text, sizeof text), (long long)n);
        return FV_BAD_ARGUMENT;
    }
    const int64_t *end = ends->data;
    int64_t at = 0;
    for (int64_t i = 0; i < n; at = end[i++])
        if (end[i] < at || (entries >= 0 && end[i] > entries)) {
            fv_log_add(log, "error: map %lld ends at entry %lld, expected %lld to %lld",
                       (long long)i, (long long)end[i], (long long)at, (long long)entries);
            return FV_BAD_DIM;
        }
    if (entries < 0 || at == entries)
        return FV_OK;
    fv_log_add(log, "error: the maps have %lld entries, the vectors %lld", (long long)at,
               (long long)entries);
    return FV_BAD_DIM;
}

/* Elements from number `first` on of a vector; without data if there is no vector. */
static fv_array slice(const fv_array *x, int64_t first, int64_t n) {
    fv_array part = {.type = x ? x->type : FV_TYPE_STRING, .rank = 1, .dims = {n}};
    if (x && x->data)
        part.data = (char *)x->data + (size_t)first * fv_type_bytes(x->type);
    return part;
}

int fv_maps_unpack(const fv_array *keys, const fv_array *values, const fv_array *ends, int64_t n,
                   fv_map *maps, fv_log *log) {
    if (!ends || (!maps && n != 0))
        return fv_log_missing(log, ends ? "maps" : "ends");
    int64_t entries = -1, at = 0;
    int status = check_vector(keys, "keys", &entries, log);
    status = status ? status : check_vector(values, "values", &entries, log);
    status = status ? status : check_ends(ends, n, entries, log);
    for (int64_t i = 0; i < n && !status; i++) {
        int64_t end = ((const int64_t *)ends->data)[i];
        maps[i] = (fv_map){slice(keys, at, end - at), slice(values, at, end - at)};
        at = end;
    }
    return status;
}
