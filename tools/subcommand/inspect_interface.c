/* inspect_interface.c - the inputs, outputs and dims of a model, from its table. */
#include <inttypes.h>

#include "runtime/internal.h"
#include "tools/subcommand/inspect.h"

static void print_ports(const char *what, const fv_port_info *ports, int n,
                        const fv_port_info *inputs) {
    for (int i = 0; i < n; i++) {
        fv_out("%-11s%s: %s[", i ? "" : what, ports[i].name, fv_type_text(ports[i].type));
        for (int k = 0; k < ports[i].rank; k++)
            fv_out("%s%s", k ? ", " : "", ports[i].dims[k]);
        fv_out("]%s%s", ports[i].state_of ? ", the next run's " : "",
               ports[i].state_of ? inputs[ports[i].state_of - 1].name : "");
        if (ports[i].in_place)
            fv_out(", %s %s on axis %d", ports[i].state_of ? "in its memory," : "in memory of",
                   ports[i].capacity, (int)ports[i].in_place - 1);
        fv_out("\n");
    }
}

static void print_symbols(const fv_model *t) {
    for (int i = 0; i < t->nsymbols; i++) {
        fv_out("%-11s%s", i ? "" : "dims", t->symbols[i].name);
        if (t->symbols[i].hi < FV_DIM_MAX || t->symbols[i].lo > 0)
            fv_out(" in %" PRId64 "..%" PRId64, t->symbols[i].lo, t->symbols[i].hi);
        fv_out("\n");
    }
}

void fv_inspect_interface(const fv_model *t) {
    print_ports("inputs", t->inputs, t->ninputs, NULL);
    print_ports("outputs", t->outputs, t->noutputs, t->inputs);
    print_symbols(t);
}

static json_t *ports_json(const fv_port_info *ports, int n, const fv_port_info *inputs) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        json_t *o = json_object();
        fv_json_set_text(o, "name", ports[i].name);
        fv_json_set_text(o, "type", fv_type_text(ports[i].type));
        fv_json_set(o, "dims", fv_json_dims(ports[i].rank, ports[i].dims));
        if (ports[i].state_of)
            fv_json_set_text(o, "state_of", inputs[ports[i].state_of - 1].name);
        if (ports[i].in_place) {
            fv_json_set_text(o, "capacity", ports[i].capacity);
            fv_json_set_int(o, "capacity_axis", ports[i].in_place - 1);
        }
        fv_json_append(list, o);
    }
    return list;
}

void fv_inspect_interface_json(const fv_model *t, const int64_t *dims, json_t *d) {
    fv_json_set(d, "inputs", ports_json(t->inputs, t->ninputs, NULL));
    fv_json_set(d, "outputs", ports_json(t->outputs, t->noutputs, t->inputs));
    fv_json_set(d, "dims", fv_json_symbols(t, dims));
}
