/* lookup.c - inputs, outputs and symbols of a model by name, and the values of dims. */
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
