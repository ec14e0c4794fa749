/* adapter_file.h - writes files of adapters (runtime/adapter.c), from their beginning to their
 * end. */
#ifndef FV_TESTS_ADAPTER_FILE_H
#define FV_TESTS_ADAPTER_FILE_H

#include <stdint.h>
#include <string.h>

typedef struct adapter_file {
    uint8_t bytes[2000];
    size_t n;
} adapter_file;

static inline void adapter_put(adapter_file *f, const void *bytes, size_t n) {
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static inline void adapter_put_int(adapter_file *f, int32_t value) {
    adapter_put(f, &value, sizeof value);
}

/* Has the offset at `at` lead to the end of the file. */
static inline void adapter_point(adapter_file *f, size_t at) {
    uint32_t offset = (uint32_t)(f->n - at);
    memcpy(f->bytes + at, &offset, sizeof offset);
}

static inline void adapter_align(adapter_file *f, size_t to, size_t after) {
    while ((f->n + after) % to)
        f->bytes[f->n++] = 0;
}

/* Adds a table of four fields of 4 bytes each. Returns where the first one is; the others follow
 * it. */
static inline size_t adapter_put_table(adapter_file *f, size_t from) {
    static const uint16_t vtable[] = {12, 20, 4, 8, 12, 16};
    adapter_align(f, 4, 0);
    adapter_put(f, vtable, sizeof vtable);
    adapter_point(f, from);
    adapter_put_int(f, sizeof vtable);
    for (int i = 0; i < 4; i++)
        adapter_put_int(f, 0);
    return f->n - 16;
}

/* Adds a vector; `after`: the bytes that follow it, such as the zero of a string. */
static inline void adapter_put_vector(adapter_file *f, size_t from, const void *elements, size_t n,
                                      size_t size, size_t after) {
    adapter_align(f, size > 4 ? size : 4, 4);
    adapter_point(f, from);
    adapter_put_int(f, (int32_t)n);
    adapter_put(f, elements, n * size + after);
}

static inline void adapter_put_parameter(adapter_file *f, size_t from, const char *name,
                                         int32_t type, int rank, const int64_t *dims,
                                         const void *data, size_t bytes) {
    size_t at = adapter_put_table(f, from);
    adapter_put_vector(f, at, name, strlen(name), 1, 1);
    adapter_put_vector(f, at + 4, dims, (size_t)rank, sizeof *dims, 0);
    memcpy(f->bytes + at + 8, &type, sizeof type);
    adapter_align(f, 8, 4);
    adapter_point(f, at + 12);
    adapter_put_int(f, (int32_t)bytes);
    adapter_put(f, data, bytes);
}

/* Begins a file with n parameters. Returns where the offset of the first one is. */
static inline size_t adapter_begin(adapter_file *f, int32_t version, int n) {
    static const int64_t none[8];
    *f = (adapter_file){0};
    adapter_put_int(f, 0);
    adapter_put(f, "TORT", 4);
    size_t at = adapter_put_table(f, 0);
    memcpy(f->bytes + at, &version, sizeof version);
    adapter_put_vector(f, at + 12, none, (size_t)n, 4, 0);
    return f->n - 4 * (size_t)n;
}

#endif
