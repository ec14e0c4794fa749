/* flat.c - runs of models for programs in other languages: arguments are pointers, numbers and
 * arrays of these, so that no struct has to be declared. */
#include <stdlib.h>

#include "runtime/fovea.h"

size_t fv_array_size(void) {
    return sizeof(fv_array);
}

/* Sets type, rank, dims and data of the arrays of inputs. */
static void set_inputs(const fv_model *m, const void *const *data, const int64_t *dims,
                       fv_array *x) {
    for (int32_t i = 0; i < m->ninputs; i++) {
        const fv_port_info *p = &m->inputs[i];
        x[i].type = p->type;
        x[i].rank = p->rank;
        x[i].data = (void *)(uintptr_t)data[i];
        for (int32_t k = 0; k < p->rank && k < FV_ARRAY_RANK; k++)
            x[i].dims[k] = dims[k];
        dims += p->rank;
    }
}

/* A buffer of the caller is an array of one axis, which the run replaces by the dims of the
 * output. */
static void set_outputs(const fv_model *m, void *const *data, const int64_t *elements,
                        fv_array *y) {
    for (int32_t i = 0; i < m->noutputs; i++) {
        y[i].type = m->outputs[i].type;
        y[i].rank = 1;
        y[i].dims[0] = elements[i];
        y[i].data = data[i];
    }
}

static void tell_dims(const fv_model *m, const fv_array *y, int64_t *dims) {
    for (int32_t i = 0; i < m->noutputs; i++)
        for (int32_t k = 0; k < m->outputs[i].rank; k++)
            *dims++ = k < y[i].rank && k < FV_ARRAY_RANK ? y[i].dims[k] : 0;
}

int fv_run_flat(fv_artifact *a, const void *const *inputs, const int64_t *input_dims,
                void *const *outputs, const int64_t *output_elements, int64_t *output_dims,
                fv_log *log) {
    const fv_model *m = a ? fv_artifact_model(a) : NULL;
    if (!m || (m->ninputs && (!inputs || !input_dims)) ||
        (m->noutputs && (!outputs || !output_elements)))
        return FV_BAD_ARGUMENT;
    for (int32_t i = 0; i < m->noutputs; i++)
        if (!outputs[i] || output_elements[i] < 0)
            return FV_BAD_ARGUMENT;
    fv_array *x = calloc((size_t)m->ninputs + 1, sizeof *x),
             *y = calloc((size_t)m->noutputs + 1, sizeof *y);
    int status = FV_NO_MEMORY;
    if (x && y) {
        set_inputs(m, inputs, input_dims, x);
        set_outputs(m, outputs, output_elements, y);
        status = fv_artifact_run(a, x, y, NULL, log);
    }
    if (status == FV_OK && output_dims)
        tell_dims(m, y, output_dims);
    free(x);
    free(y);
    return status;
}
