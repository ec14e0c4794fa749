/* strings.c - strings of C as the two tensors that models have for them, text and ends, and
 * back. */
#include <stdlib.h>
#include <string.h>

#include "aligned.h"
#include "internal.h"

enum { LONGEST = 8388607 }; /* bytes that a string of a model may have */

static int count_strings(int rank, const int64_t *dims, int64_t *n, fv_log *log) {
    *n = 1;
    if (rank < 0 || rank > FV_ARRAY_RANK) {
        fv_log_add(log, "error: the strings have rank %d, may be 0 to %d", rank, FV_ARRAY_RANK);
        return FV_BAD_ARGUMENT;
    }
    for (int k = 0; k < rank; k++)
        if (dims[k] < 0) {
            fv_log_add(log, "error: the strings have %lld on axis %d", (long long)dims[k], k);
            return FV_BAD_DIM;
        }
    for (int k = 0; k < rank; k++)
        if (__builtin_mul_overflow(*n, dims[k], n))
            return FV_TOO_LARGE;
    return *n > INT64_MAX / 8 ? FV_TOO_LARGE : FV_OK;
}

/* The number of bytes of all strings. */
static int count_bytes(const char *const *strings, int64_t n, int64_t *bytes, fv_log *log) {
    *bytes = 0;
    for (int64_t i = 0; i < n; i++) {
        size_t length = strings[i] ? strlen(strings[i]) : 0;
        if (!strings[i]) {
            fv_log_add(log, "error: string %lld is NULL", (long long)i);
            return FV_BAD_ARGUMENT;
        }
        if (length > LONGEST) {
            fv_log_add(log, "error: string %lld has %zu bytes, may have %d", (long long)i, length,
                       LONGEST);
            return FV_BAD_DIM;
        }
        if (__builtin_add_overflow(*bytes, (int64_t)length, bytes))
            return FV_TOO_LARGE;
    }
    return FV_OK;
}

static void fill(const char *const *strings, int64_t n, char *text, int64_t *ends) {
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        size_t length = strlen(strings[i]);
        memcpy(text + at, strings[i], length);
        ends[i] = at += (int64_t)length;
    }
}

static int pack(const char *const *strings, int rank, const int64_t *dims, fv_array *text,
                fv_array *ends, fv_log *log) {
    int64_t n, bytes;
    int status = count_strings(rank, dims, &n, log);
    status = status ? status : count_bytes(strings, n, &bytes, log);
    if (status)
        return status;
    char *all = fv_aligned_alloc((size_t)bytes);
    int64_t *at = fv_aligned_alloc((size_t)n * sizeof *at);
    if (!all || !at) {
        fv_aligned_free(all);
        fv_aligned_free(at);
        return FV_NO_MEMORY;
    }
    fill(strings, n, all, at);
    *text =
        (fv_array){.type = FV_TYPE_UINT8, .rank = 1, .dims = {bytes}, .data = all, .owner = all};
    *ends = (fv_array){.type = FV_TYPE_INT64, .rank = rank, .data = at, .owner = at};
    for (int k = 0; k < rank; k++)
        ends->dims[k] = dims[k];
    return FV_OK;
}

int fv_strings_pack(const char *const *strings, int rank, const int64_t *dims, fv_array *text,
                    fv_array *ends, fv_log *log) {
    const char *missing = !strings             ? "strings"
                          : !dims && rank != 0 ? "dims"
                          : !text              ? "text"
                          : !ends              ? "ends"
                                               : NULL;
    if (missing)
        return fv_log_missing(log, missing);
    size_t said = fv_log_count(log);
    return fv_log_status(pack(strings, rank, dims, text, ends, log), said, log);
}

/* ---- back ---- */

/* Checks that the ends increase up to the number of bytes, and that no string has a zero byte. */
static int check_ends(const char *text, int64_t bytes, const int64_t *ends, int64_t n,
                      fv_log *log) {
    int64_t at = 0;
    for (int64_t i = 0; i < n; at = ends[i++]) {
        if (ends[i] < at || ends[i] > bytes) {
            fv_log_add(log, "error: string %lld ends at byte %lld, expected %lld to %lld",
                       (long long)i, (long long)ends[i], (long long)at, (long long)bytes);
            return FV_BAD_DIM;
        }
        if (ends[i] > at && memchr(text + at, 0, (size_t)(ends[i] - at))) {
            fv_log_add(log, "error: string %lld has a zero byte, which a string of C cannot have",
                       (long long)i);
            return FV_BAD_DIM;
        }
    }
    if (at == bytes)
        return FV_OK;
    fv_log_add(log, "error: the strings end at byte %lld, the text has %lld", (long long)at,
               (long long)bytes);
    return FV_BAD_DIM;
}

/* One block: the pointers, then the strings, each with its zero. */
static char **unpack(const char *text, int64_t bytes, const int64_t *ends, int64_t n) {
    size_t pointers = ((size_t)n + 1) * sizeof(char *);
    char **out = malloc(pointers + (size_t)bytes + (size_t)n);
    if (!out)
        return NULL;
    char *to = (char *)out + pointers;
    int64_t at = 0;
    for (int64_t i = 0; i < n; at = ends[i++]) {
        size_t length = (size_t)(ends[i] - at);
        out[i] = to;
        if (length)
            memcpy(to, text + at, length);
        to[length] = 0;
        to += length + 1;
    }
    out[n] = NULL;
    return out;
}

static int read_strings(const fv_array *text, const fv_array *ends, char ***out, fv_log *log) {
    int status = fv_check_dense(text, "text", FV_TYPE_UINT8, log);
    status = status ? status : fv_check_dense(ends, "ends", FV_TYPE_INT64, log);
    if (status)
        return status;
    int64_t bytes = (int64_t)fv_array_bytes(text), n = (int64_t)(fv_array_bytes(ends) / 8);
    status = check_ends(text->data, bytes, ends->data, n, log);
    if (status)
        return status;
    *out = unpack(text->data, bytes, ends->data, n);
    return *out ? FV_OK : FV_NO_MEMORY;
}

int fv_strings_unpack(const fv_array *text, const fv_array *ends, char ***out, fv_log *log) {
    if (out)
        *out = NULL;
    if (!text || !ends || !out)
        return fv_log_missing(log, !text ? "text" : !ends ? "ends" : "out");
    size_t said = fv_log_count(log);
    return fv_log_status(read_strings(text, ends, out, log), said, log);
}

void fv_strings_free(char **strings) {
    free(strings);
}
