/* lookup.c - inputs, outputs and symbols of a model by name, the values of dims, and the largest
 * sizes that bounds of dims allow. */
#include <string.h>

#include "internal.h"

static int find_port(const fv_port_info *ports, int n, const char *name) {
    for (int i = 0; name && i < n; i++)
        if (!strcmp(ports[i].name, name))
            return i;
    return -1;
}

int fv_model_find_input(const fv_model *m, const char *name) {
    return m ? find_port(m->inputs, m->ninputs, name) : -1;
}

int fv_model_find_output(const fv_model *m, const char *name) {
    return m ? find_port(m->outputs, m->noutputs, name) : -1;
}

int fv_model_find_symbol(const fv_model *m, const char *name) {
    for (int i = 0; m && name && i < m->nsymbols; i++)
        if (!strcmp(m->symbols[i].name, name))
            return i;
    return -1;
}

int fv_model_dim(const fv_model *m, const char *text, const int64_t *symbols, int64_t *out) {
    int64_t value;
    if (!m || !text || !out)
        return FV_BAD_ARGUMENT;
    if (!fv_eval_dim_text(m, symbols, text, &value) || value < 0)
        return FV_BAD_DIM;
    *out = value;
    return FV_OK;
}

int fv_model_max_bytes(const fv_model *m, const fv_port_info *port, size_t *bytes) {
    if (!m || !port || !bytes || port->rank < 0 || port->rank > FV_ARRAY_RANK)
        return FV_BAD_ARGUMENT;
    fv_array x = {.type = port->type, .rank = port->rank};
    for (int i = 0; i < port->rank; i++) {
        const char *text = port->in_place == i + 1 ? port->capacity : port->dims[i];
        int64_t n;
        if (!fv_bound_dim_text(m, text, &n) || n >= FV_DIM_MAX)
            return FV_BAD_DIM;
        x.dims[i] = n > 0 ? n : 0;
    }
    size_t n = fv_array_bytes(&x);
    if (n == SIZE_MAX)
        return FV_TOO_LARGE;
    *bytes = n;
    return FV_OK;
}
