/* strides.c - inputs whose elements are not next to each other: they are copied for a run. */
#include <stdlib.h>
#include <string.h>

#include "run_setup.h"

/* Whether the elements are in row-major order without gaps. */
static bool is_dense(const fv_array *x, const int64_t *strides, int64_t element) {
    int64_t step = element;
    for (int k = x->rank - 1; k >= 0; k--) {
        if (x->dims[k] != 1 && strides[k] != step)
            return false;
        if (__builtin_mul_overflow(step, x->dims[k], &step))
            return false;
    }
    return true;
}

/* Copies the elements from that axis on. Returns the address after the last one. */
static char *copy_axes(const fv_array *x, const int64_t *strides, size_t element, int axis,
                       const char *from, char *to) {
    if (axis == x->rank) {
        memcpy(to, from, element);
        return to + element;
    }
    if (axis == x->rank - 1 && strides[axis] == (int64_t)element) {
        memcpy(to, from, (size_t)x->dims[axis] * element);
        return to + (size_t)x->dims[axis] * element;
    }
    for (int64_t i = 0; i < x->dims[axis]; i++)
        to = copy_axes(x, strides, element, axis + 1, from + i * strides[axis], to);
    return to;
}

static int refuse(const fv_model *m, int i, const char *why, fv_log *log) {
    fv_log_add(log, "error: input '%s' is given with strides, %s", m->inputs[i].name, why);
    return FV_BAD_ARGUMENT;
}

/* Sets *x to a dense copy. */
static int copy_input(fv_run_setup *s, const fv_model *m, int i, fv_array *x, fv_log *log) {
    const int64_t *strides = s->o.strides[i];
    size_t bytes = fv_array_bytes(x), element = fv_type_bytes(x->type);
    if (m->inputs[i].in_place)
        return refuse(m, i, "but is updated in place, so that it must be dense", log);
    if (!element)
        return refuse(m, i, "but several elements of its type share a byte", log);
    if (bytes == SIZE_MAX)
        return FV_TOO_LARGE;
    if (!bytes || !x->data || is_dense(x, strides, (int64_t)element))
        return FV_OK;
    char *copy = fv_run_alloc(s, bytes);
    if (!copy)
        return FV_NO_MEMORY;
    copy_axes(x, strides, element, 0, x->data, copy);
    x->data = copy;
    return FV_OK;
}

int fv_run_dense(fv_run_setup *s, const fv_model *m, const fv_array *inputs, fv_log *log) {
    int status = FV_OK;
    if (!s->o.strides)
        return FV_OK;
    s->dense = malloc(((size_t)m->ninputs + 1) * sizeof *s->dense);
    if (!s->dense)
        return FV_NO_MEMORY;
    for (int i = 0; i < m->ninputs; i++)
        s->dense[i] = inputs[i];
    for (int i = 0; i < m->ninputs && !status; i++)
        if (s->o.strides[i])
            status = copy_input(s, m, i, &s->dense[i], log);
    return status;
}

void fv_run_free_dense(fv_run_setup *s, const fv_model *m, const fv_array *inputs) {
    for (int i = 0; s->dense && i < m->ninputs; i++)
        if (s->dense[i].data != inputs[i].data)
            fv_run_free(s, s->dense[i].data);
    free(s->dense);
    s->dense = NULL;
}
