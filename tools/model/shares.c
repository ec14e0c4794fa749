/* shares.c - see shares.h. Shares are along an axis, so they are rows of a matrix of elements: one
 * row for each index before the axis, and in it all elements from the axis on. */
#include "tools/model/shares.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The size of the axis on all ranks together. */
static int64_t extent_of(const fv_parts_port *p, int ranks) {
    int64_t most = 0;
    for (int r = 0; r < ranks; r++)
        most = p->firsts[r] + p->sizes[r] > most ? p->firsts[r] + p->sizes[r] : most;
    return most;
}

static int find_port(int n, const fv_port_info *ports, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(ports[i].name, name))
            return i;
    return -1;
}

/* ---- the table of the whole model ---- */

static bool widen(fv_context *c, const fv_parts_manifest *list, const fv_parts_port *p, int rank,
                  int n, fv_port_info *ports) {
    int i = find_port(n, ports, p->name);
    const char *size = fv_printf(c->arena, "%" PRId64, p->sizes[rank]);
    if (i < 0 || p->axis >= ports[i].rank || strcmp(ports[i].dims[p->axis], size))
        return fv_error(c->session,
                        "rank %d has no %s '%s' with %s along axis %d, as the list says", rank,
                        p->is_output ? "output" : "input", p->name, size, p->axis);
    const char **dims = FV_NEW(c->arena, const char *, ports[i].rank);
    for (int k = 0; k < ports[i].rank; k++)
        dims[k] = k == p->axis ? fv_printf(c->arena, "%" PRId64, extent_of(p, list->ranks))
                               : ports[i].dims[k];
    ports[i].dims = dims;
    return true;
}

static fv_port_info *copy_ports(fv_arena *a, int n, const fv_port_info *ports) {
    fv_port_info *copy = FV_NEW(a, fv_port_info, n + 1);
    for (int i = 0; i < n; i++)
        copy[i] = ports[i];
    return copy;
}

const fv_model *fv_shares_table(fv_context *c, const fv_parts_manifest *list, int rank,
                                const fv_model *part) {
    fv_model *t = FV_NEW(c->arena, fv_model, 1);
    fv_port_info *inputs = copy_ports(c->arena, part->ninputs, part->inputs);
    fv_port_info *outputs = copy_ports(c->arena, part->noutputs, part->outputs);
    *t = *part;
    t->inputs = inputs;
    t->outputs = outputs;
    for (int i = 0; i < list->nports; i++) {
        const fv_parts_port *p = &list->ports[i];
        if (!widen(c, list, p, rank, p->is_output ? t->noutputs : t->ninputs,
                   p->is_output ? outputs : inputs))
            return NULL;
    }
    return t;
}

/* ---- cutting ---- */

/* The number of rows, and the elements of each for one index of the axis. */
static size_t rows_of(const fv_array *x, int axis, size_t *elements) {
    size_t rows = 1;
    *elements = 1;
    for (int i = 0; i < x->rank; i++) {
        if (i < axis)
            rows *= (size_t)x->dims[i];
        else if (i > axis)
            *elements *= (size_t)x->dims[i];
    }
    return rows;
}

static size_t bits_of(const fv_array *x) {
    return (size_t)fv_elem_bits((fv_elem)x->type);
}

/* The bytes of an array like x, with n elements along the axis. */
static size_t bytes_of(const fv_array *x, int axis, int64_t n) {
    size_t elements, rows = rows_of(x, axis, &elements);
    return (rows * (size_t)n * elements * bits_of(x) + 7) / 8;
}

/* Copies a share of the axis, from element `first` on, into `part` or, if `back`, out of it. */
static void copy_share(const fv_array *whole, const fv_array *part, int axis, int64_t first,
                       bool back) {
    size_t elements, rows = rows_of(whole, axis, &elements), bits = bits_of(whole);
    size_t wide = (size_t)whole->dims[axis] * elements, n = (size_t)part->dims[axis] * elements;
    for (size_t i = 0; n && i < rows; i++) {
        size_t at = i * wide + (size_t)first * elements;
        if (back)
            fv_copy_elements(whole->data, at, part->data, i * n, n, bits);
        else
            fv_copy_elements(part->data, i * n, whole->data, at, n, bits);
    }
}

/* An array like x, with n elements along the axis. */
static fv_array new_array(fv_context *c, const fv_array *x, int axis, int64_t n) {
    fv_array y = *x;
    y.owner = NULL;
    y.capacity = 0;
    y.dims[axis] = n;
    y.data = FV_NEW(c->arena, char, bytes_of(x, axis, n) + 1);
    return y;
}

void fv_shares_cut(fv_context *c, const fv_parts_manifest *list, const fv_subject *whole, int rank,
                   fv_subject *part) {
    const fv_model *t = whole->table;
    for (int i = 0; i < t->ninputs; i++)
        part->data.inputs[i] = whole->data.inputs[i];
    for (int k = 0; k < list->nports; k++) {
        const fv_parts_port *p = &list->ports[k];
        int i = p->is_output ? -1 : find_port(t->ninputs, t->inputs, p->name);
        const fv_array *x = i < 0 ? NULL : &whole->data.inputs[i];
        if (!x || !x->type || x->rank <= p->axis)
            continue;
        part->data.inputs[i] = new_array(c, x, p->axis, p->sizes[rank]);
        copy_share(x, &part->data.inputs[i], p->axis, p->firsts[rank], false);
    }
}

/* ---- joining ---- */

/* Have a and b the same dims but for the axis? */
static bool fits(const fv_array *a, const fv_array *b, int axis) {
    bool same = a->type == b->type && a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++)
        same = i == axis || a->dims[i] == b->dims[i];
    return same;
}

/* The shares of the other processes: each sends its own one, filled up to the largest one. */
static bool exchange(fv_context *c, const fv_parts *p, const fv_parts_port *port,
                     const fv_communicator *world, const fv_array *mine, fv_array *shares) {
    int64_t most = 0;
    for (int r = 0; r < p->list.ranks; r++)
        most = port->sizes[r] > most ? port->sizes[r] : most;
    size_t room = bytes_of(mine, port->axis, most);
    char *own = FV_NEW(c->arena, char, room + 1);
    char *all = FV_NEW(c->arena, char, room *(size_t)p->list.ranks + 1);
    memcpy(own, mine->data, bytes_of(mine, port->axis, mine->dims[port->axis]));
    if (world->all_gather(world->user, own, all, room))
        return fv_error(c->session, "%s", fv_processes_error(p->processes));
    for (int r = 0; r < p->list.ranks; r++) {
        shares[r] = *mine;
        shares[r].dims[port->axis] = port->sizes[r];
        shares[r].data = all + room * (size_t)r;
    }
    return true;
}

static bool join(fv_context *c, const fv_parts *p, const fv_parts_port *port,
                 const fv_communicator *world, int i, fv_array *out) {
    const fv_array *mine = &p->all[p->here].data.outputs[i];
    fv_array *shares = FV_NEW(c->arena, fv_array, p->list.ranks);
    if (world && !exchange(c, p, port, world, mine, shares))
        return false;
    for (int r = 0; r < p->list.ranks && !world; r++) {
        shares[r] = p->all[r].data.outputs[i];
        if (!fits(&shares[r], mine, port->axis) || shares[r].dims[port->axis] != port->sizes[r])
            return fv_error(c->session, "rank %d has an output '%s' of other dims than rank %d", r,
                            port->name, p->here);
    }
    *out = new_array(c, mine, port->axis, extent_of(port, p->list.ranks));
    for (int r = 0; r < p->list.ranks; r++)
        copy_share(out, &shares[r], port->axis, port->firsts[r], true);
    return true;
}

bool fv_shares_join(fv_context *c, const fv_parts *p, const fv_communicator *world,
                    fv_subject *whole) {
    const fv_model *t = whole->table;
    for (int i = 0; i < t->noutputs; i++) {
        whole->data.outputs[i] = p->all[p->here].data.outputs[i];
        whole->data.outputs[i].owner = NULL;
    }
    for (int k = 0; k < p->list.nports; k++) {
        const fv_parts_port *port = &p->list.ports[k];
        int i = port->is_output ? find_port(t->noutputs, t->outputs, port->name) : -1;
        if (i >= 0 && !join(c, p, port, world, i, &whole->data.outputs[i]))
            return false;
    }
    return true;
}
