/* adapter.c - values of inputs from files of ONNX Runtime (.onnx_adapter).
 *
 * Format: a FlatBuffer with the identifier TORT, whose root is a table
 *     Adapter {format_version, adapter_version, model_version: i32; parameters: [Parameter]}
 *     Parameter {name: string; dims: [i64]; data_type: i32; raw_data: [u8]}
 * (ONNX Runtime, lora/adapter_format/adapter_schema.fbs; FlatBuffers, docs/internals). Offsets of
 * tables, strings and vectors are relative to where they are stored, and unsigned; a table begins
 * with the signed distance to its vtable, which has the offset of each field in the table, 0 for a
 * field that is absent. All numbers are little-endian, as is this host. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "library.h"

enum {
    FORMAT_VERSION = 1,
    /* fields of an Adapter */
    FORMAT = 0,
    PARAMETERS = 3,
    /* fields of a Parameter */
    NAME = 0,
    DIMS = 1,
    DATA_TYPE = 2,
    RAW_DATA = 3
};

typedef struct parameter {
    const char *name; /* in the file */
    fv_array value;
} parameter;

struct fv_adapter {
    const uint8_t *data; /* the file */
    size_t size;
    parameter *parameters;
    int n;
};

/* ---- FlatBuffers ---- */

/* Each returns false, or 0, if the position is outside of the file. */

static bool read_bytes(const fv_adapter *a, size_t at, void *out, size_t n) {
    if (at > a->size || n > a->size - at)
        return false;
    memcpy(out, a->data + at, n);
    return true;
}

/* The position to which the offset at `at` leads. */
static size_t follow(const fv_adapter *a, size_t at) {
    uint32_t offset;
    return read_bytes(a, at, &offset, sizeof offset) && offset ? at + offset : 0;
}

/* The position of a field of the table; 0: it is absent. */
static size_t field(const fv_adapter *a, size_t table, int number) {
    int32_t back;
    uint16_t vtable_bytes, offset;
    if (!table || !read_bytes(a, table, &back, sizeof back))
        return 0;
    int64_t vtable = (int64_t)table - back;
    size_t entry = 4 + 2 * (size_t)number;
    if (vtable < 0 || !read_bytes(a, (size_t)vtable, &vtable_bytes, sizeof vtable_bytes) ||
        entry + 2 > vtable_bytes ||
        !read_bytes(a, (size_t)vtable + entry, &offset, sizeof offset) || !offset)
        return 0;
    return table + offset;
}

static int32_t field_int(const fv_adapter *a, size_t table, int number) {
    int32_t value = 0;
    size_t at = field(a, table, number);
    return at && read_bytes(a, at, &value, sizeof value) ? value : 0;
}

/* The elements of the string or vector in a field; NULL: it is absent, or not in the file. */
static const uint8_t *field_elements(const fv_adapter *a, size_t table, int number, size_t bytes,
                                     size_t *n) {
    uint32_t count;
    size_t at = field(a, table, number), vector = at ? follow(a, at) : 0;
    if (!vector || !read_bytes(a, vector, &count, sizeof count) ||
        count > (a->size - vector - sizeof count) / bytes)
        return NULL;
    *n = count;
    return a->data + vector + sizeof count;
}

/* ---- reading ---- */

static int open_file(fv_adapter *a, const char *path, fv_log *log) {
    const char *why = "";
    void *file;
    int status = fv_file_open(path, &file, &a->size, &why);
    if (status == FV_BAD_FILE)
        fv_log_add(log, "error: %s cannot be read: %s", path, why);
    if (!status)
        a->data = file;
    return status;
}

static int damaged(fv_log *log, const char *path, int i, const char *what) {
    if (i < 0)
        fv_log_add(log, "error: %s is no adapter: %s", path, what);
    else
        fv_log_add(log, "error: %s is damaged: parameter %d %s", path, i, what);
    return FV_BAD_FILE;
}

/* The name, which ends with a zero byte in the file; NULL: there is none. */
static const char *read_name(const fv_adapter *a, size_t table) {
    size_t n;
    const uint8_t *text = field_elements(a, table, NAME, 1, &n), *end = a->data + a->size;
    return text && n && n < (size_t)(end - text) && memchr(text, 0, n + 1) == text + n
               ? (const char *)text
               : NULL;
}

/* What is wrong with the value of a parameter; NULL: nothing. */
static const char *read_value(const fv_adapter *a, size_t table, fv_array *x) {
    size_t rank = 0, bytes = 0;
    const uint8_t *dims = field_elements(a, table, DIMS, sizeof(int64_t), &rank);
    const uint8_t *data = field_elements(a, table, RAW_DATA, 1, &bytes);
    *x = (fv_array){.type = field_int(a, table, DATA_TYPE)};
    if (!data)
        return "has no data";
    if (!dims && field(a, table, DIMS))
        return "has dims outside of the file";
    if (x->type < FV_TYPE_FLOAT || x->type > FV_TYPE_FLOAT8E5M2FNUZ)
        return "has a type that no adapter has";
    if (rank > FV_ARRAY_RANK)
        return "has too many dims";
    x->rank = (int32_t)rank;
    if (rank)
        memcpy(x->dims, dims, rank * sizeof *x->dims);
    for (size_t i = 0; i < rank; i++)
        if (x->dims[i] < 0)
            return "has a negative dim";
    size_t needed = fv_array_bytes(x);
    if (needed == SIZE_MAX)
        return "has a type that no adapter has, or too many elements";
    if (needed != bytes)
        return "has data of another size than its dims have elements";
    if ((uintptr_t)data % 8 && bytes)
        return "has data that is not aligned to 8 bytes";
    x->data = (void *)(uintptr_t)data;
    return NULL;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const parameter *)a)->name, ((const parameter *)b)->name);
}

static int read_parameters(fv_adapter *a, const char *path, fv_log *log) {
    size_t root = follow(a, 0), n = 0;
    if (a->size < 8 || memcmp(a->data + 4, "TORT", 4) != 0)
        return damaged(log, path, -1, "it does not begin with the identifier TORT");
    if (field_int(a, root, FORMAT) != FORMAT_VERSION) {
        fv_log_add(log, "error: %s has format version %d, expected %d", path,
                   field_int(a, root, FORMAT), FORMAT_VERSION);
        return FV_BAD_FILE;
    }
    const uint8_t *list = field_elements(a, root, PARAMETERS, sizeof(uint32_t), &n);
    if (!list || n > INT32_MAX / 2)
        return damaged(log, path, -1, "it has no parameters");
    if (!(a->parameters = calloc(n + 1, sizeof *a->parameters)))
        return FV_NO_MEMORY;
    for (a->n = 0; a->n < (int)n; a->n++) {
        parameter *p = &a->parameters[a->n];
        size_t table = follow(a, (size_t)(list - a->data) + (size_t)a->n * sizeof(uint32_t));
        const char *fault = "has no name";
        if ((p->name = read_name(a, table)))
            fault = read_value(a, table, &p->value);
        if (fault)
            return damaged(log, path, a->n, fault);
    }
    qsort(a->parameters, n, sizeof *a->parameters, by_name);
    for (int i = 1; i < a->n; i++)
        if (!by_name(&a->parameters[i - 1], &a->parameters[i])) {
            fv_log_add(log, "error: %s has several values of '%s'", path, a->parameters[i].name);
            return FV_BAD_FILE;
        }
    return FV_OK;
}

int fv_adapter_load(const char *path, fv_log *log, fv_adapter **out) {
    if (out)
        *out = NULL;
    if (!path || !out)
        return fv_log_missing(log, path ? "out" : "path");
    size_t said = fv_log_count(log);
    fv_adapter *a = calloc(1, sizeof *a);
    int status = a ? open_file(a, path, log) : FV_NO_MEMORY;
    status = status ? status : read_parameters(a, path, log);
    if (status) {
        fv_adapter_free(a);
        return fv_log_status(status, said, log);
    }
    *out = a;
    return FV_OK;
}

void fv_adapter_free(fv_adapter *a) {
    if (!a)
        return;
    free(a->parameters);
    if (a->data)
        fv_file_close((void *)(uintptr_t)a->data, a->size);
    free(a);
}

/* ---- values ---- */

int fv_adapter_count(const fv_adapter *a) {
    return a ? a->n : 0;
}

int fv_adapter_get(const fv_adapter *a, int i, const char **name, fv_array *out) {
    if (!a || !name || !out || i < 0 || i >= a->n)
        return FV_BAD_ARGUMENT;
    *name = a->parameters[i].name;
    *out = a->parameters[i].value;
    return FV_OK;
}

/* Checks that the parameter can be the value of its input, which no other adapter has set. */
static int find_input(const fv_model *m, const parameter *p, const fv_array *inputs, int *input,
                      fv_log *log) {
    char text[400];
    *input = fv_model_find_input(m, p->name);
    if (*input < 0) {
        fv_log_add(log, "error: the adapter has a value of '%s', which is no input of the model",
                   p->name);
        return FV_BAD_ARGUMENT;
    }
    const fv_port_info *info = &m->inputs[*input];
    if (p->value.type != info->type || p->value.rank != info->rank) {
        fv_array_text(&p->value, text, sizeof text);
        fv_log_add(log, "error: the adapter's value of input '%s' is %s, expected %s of rank %d",
                   p->name, text, fv_type_text(info->type), (int)info->rank);
        return FV_BAD_ARGUMENT;
    }
    if (inputs[*input].type) {
        fv_log_add(log, "error: input '%s' has a value already; the adapter has another one",
                   p->name);
        return FV_BAD_ARGUMENT;
    }
    return FV_OK;
}

int fv_adapter_apply(const fv_adapter *a, const fv_model *m, fv_array *inputs, fv_log *log) {
    int input, status = FV_OK;
    if (!a || !m || !inputs)
        return fv_log_missing(log, !a ? "adapter" : !m ? "model" : "inputs");
    for (int i = 0; i < a->n && !status; i++)
        status = find_input(m, &a->parameters[i], inputs, &input, log);
    for (int i = 0; i < a->n && !status; i++)
        inputs[fv_model_find_input(m, a->parameters[i].name)] = a->parameters[i].value;
    return status;
}
