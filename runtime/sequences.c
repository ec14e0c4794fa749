/* sequences.c - tensors as the two tensors that models have for a sequence of them, data and
 * shapes, and back. */
#include <string.h>

#include "aligned.h"
#include "internal.h"

/* A row of shapes: the rank, the dims, and ones. */
enum { COLUMNS = 9, MOST_AXES = COLUMNS - 1 };

static int refuse(int64_t i, const fv_array *x, const char *why, fv_log *log) {
    char text[400];
    fv_log_add(log, "error: tensor %lld is %s, %s", (long long)i,
               fv_array_text(x, text, sizeof text), why);
    return FV_BAD_ARGUMENT;
}

/* The number of elements; -1 if a dim is negative or int64_t cannot hold the number. */
static int64_t elements_of(const int64_t *dims, int64_t rank) {
    int64_t n = 1;
    bool is_empty = false, overflows = false;
    for (int64_t k = 0; k < rank; k++) {
        if (dims[k] < 0)
            return -1;
        is_empty |= dims[k] == 0;
        overflows |= __builtin_mul_overflow(n, dims[k], &n);
    }
    return is_empty ? 0 : overflows ? -1 : n;
}

/* ---- packing ---- */

/* Checks the tensors, and adds up their elements. `with_data`: whether their elements are packed,
 * and not only their shapes. */
static int check_tensors(const fv_array *all, int64_t n, int32_t type, bool with_data, int64_t *sum,
                         fv_log *log) {
    *sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const fv_array *x = &all[i];
        if (x->rank < 0 || x->rank > MOST_AXES) {
            fv_log_add(log, "error: tensor %lld has rank %d, may be 0 to %d", (long long)i,
                       (int)x->rank, MOST_AXES);
            return FV_BAD_ARGUMENT;
        }
        int64_t elements = elements_of(x->dims, x->rank);
        if (elements < 0)
            return refuse(i, x, "its dims are not valid", log);
        if (with_data && x->type != type)
            return refuse(i, x, "of another type than the sequence", log);
        if (with_data && x->capacity)
            return refuse(i, x, "and has a capacity; it must be dense", log);
        if (with_data && elements && !x->data)
            return refuse(i, x, "its data is NULL", log);
        if (__builtin_add_overflow(*sum, elements, sum))
            return FV_TOO_LARGE;
    }
    return FV_OK;
}

static void fill_shapes(const fv_array *all, int64_t n, int64_t *row) {
    for (int64_t i = 0; i < n; i++, row += COLUMNS) {
        row[0] = all[i].rank;
        for (int k = 0; k < MOST_AXES; k++)
            row[1 + k] = k < all[i].rank ? all[i].dims[k] : 1;
    }
}

static void fill_data(const fv_array *all, int64_t n, char *to) {
    for (int64_t i = 0; i < n; i++) {
        size_t bytes = fv_array_bytes(&all[i]);
        if (bytes)
            memcpy(to, all[i].data, bytes);
        to += bytes;
    }
}

static int pack(const fv_array *all, int64_t n, int32_t type, fv_array *data, fv_array *shapes,
                fv_log *log) {
    int64_t sum;
    size_t each = data ? fv_type_bytes(type) : 1;
    int status = check_tensors(all, n, type, data != NULL, &sum, log);
    if (status)
        return status;
    if ((uint64_t)sum > SIZE_MAX / each || (uint64_t)n > SIZE_MAX / (COLUMNS * sizeof(int64_t)))
        return FV_TOO_LARGE;
    char *elements = data ? fv_aligned_alloc((size_t)sum * each) : NULL;
    int64_t *rows = fv_aligned_alloc((size_t)n * COLUMNS * sizeof *rows);
    if ((data && !elements) || !rows) {
        fv_aligned_free(elements);
        fv_aligned_free(rows);
        return FV_NO_MEMORY;
    }
    fill_shapes(all, n, rows);
    *shapes = (fv_array){
        .type = FV_TYPE_INT64, .rank = 2, .dims = {n, COLUMNS}, .data = rows, .owner = rows};
    if (!data)
        return FV_OK;
    fill_data(all, n, elements);
    *data = (fv_array){.type = type, .rank = 1, .dims = {sum}, .data = elements, .owner = elements};
    return FV_OK;
}

int fv_sequence_pack(const fv_array *tensors, int64_t n, int32_t type, fv_array *data,
                     fv_array *shapes, fv_log *log) {
    if ((!tensors && n != 0) || !shapes)
        return fv_log_missing(log, !shapes ? "shapes" : "tensors");
    if (n < 0) {
        fv_log_add(log, "error: the sequence has %lld tensors", (long long)n);
        return FV_BAD_ARGUMENT;
    }
    if (data && !fv_type_bytes(type)) {
        fv_log_add(log,
                   "error: tensors of type %s (%d) are not packed: an element has no bytes "
                   "of its own",
                   fv_type_text(type), (int)type);
        return FV_BAD_ARGUMENT;
    }
    size_t said = fv_log_count(log);
    return fv_log_status(pack(tensors, n, type, data, shapes, log), said, log);
}

/* ---- back ---- */

/* Sets `out` to the tensor of a row of shapes, whose first element is number *at of the data. */
static int take_tensor(const fv_array *data, const int64_t *row, int64_t i, int64_t *at,
                       fv_array *out, fv_log *log) {
    int64_t left = data->dims[0] - *at;
    if (row[0] < 0 || row[0] > MOST_AXES) {
        fv_log_add(log, "error: tensor %lld has rank %lld, may be 0 to %d", (long long)i,
                   (long long)row[0], MOST_AXES);
        return FV_BAD_DIM;
    }
    int64_t elements = elements_of(row + 1, row[0]);
    *out = (fv_array){.type = data->type, .rank = (int32_t)row[0]};
    for (int k = 0; k < out->rank; k++)
        out->dims[k] = row[1 + k];
    if (elements < 0 || elements > left) {
        char text[400];
        fv_log_add(log, "error: tensor %lld is %s, %lld elements are left", (long long)i,
                   fv_array_text(out, text, sizeof text), (long long)left);
        return FV_BAD_DIM;
    }
    if (data->data)
        out->data = (char *)data->data + (size_t)*at * fv_type_bytes(data->type);
    *at += elements;
    return FV_OK;
}

static int check_parts(const fv_array *data, const fv_array *shapes, int64_t n, fv_log *log) {
    if (!fv_type_bytes(data->type)) {
        fv_log_add(log, "error: data has type %s (%d), an element of which has no bytes of its own",
                   fv_type_text(data->type), (int)data->type);
        return FV_BAD_ARGUMENT;
    }
    int status = fv_check_dense(data, "data", data->type, log);
    status = status ? status : fv_check_dense(shapes, "shapes", FV_TYPE_INT64, log);
    if (status)
        return status;
    if (data->rank == 1 && shapes->rank == 2 && shapes->dims[0] == n && shapes->dims[1] == COLUMNS)
        return FV_OK;
    char found[400], text[400];
    fv_log_add(log, "error: data is %s and shapes %s, expected rank 1 and i64[%lld, %d]",
               fv_array_text(data, found, sizeof found), fv_array_text(shapes, text, sizeof text),
               (long long)n, COLUMNS);
    return FV_BAD_ARGUMENT;
}

/* Checks all before the caller's arrays are changed. */
static int read_sequence(const fv_array *data, const fv_array *shapes, int64_t n, fv_array *tensors,
                         fv_log *log) {
    int status = check_parts(data, shapes, n, log);
    for (int pass = 0; pass < 2 && !status; pass++) {
        const int64_t *row = shapes->data;
        int64_t at = 0;
        for (int64_t i = 0; i < n && !status; i++, row += COLUMNS) {
            fv_array x;
            status = take_tensor(data, row, i, &at, pass ? &tensors[i] : &x, log);
        }
        if (!status && at != data->dims[0]) {
            fv_log_add(log, "error: the tensors have %lld elements, data has %lld", (long long)at,
                       (long long)data->dims[0]);
            status = FV_BAD_DIM;
        }
    }
    return status;
}

int fv_sequence_unpack(const fv_array *data, const fv_array *shapes, int64_t n, fv_array *tensors,
                       fv_log *log) {
    if (!data || !shapes || (!tensors && n != 0))
        return fv_log_missing(log, !data ? "data" : !shapes ? "shapes" : "tensors");
    return read_sequence(data, shapes, n, tensors, log);
}
