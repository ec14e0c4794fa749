/* shares.c - see shares.h. Shares are along an axis, so they are rows of a matrix of elements: one
 * row for each index before the axis, and in it all elements from the axis on. */
#include "tools/model/shares.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/dim/option.h"
#include "ir/dim/text.h"
#include "tools/data/compare.h"

/* The size of the axis on all ranks together. */
static int64_t extent_of(const fv_parts_port *p, int width) {
    int64_t most = 0;
    for (int r = 0; r < width; r++)
        most = p->firsts[r] + p->sizes[r] > most ? p->firsts[r] + p->sizes[r] : most;
    return most;
}

static int find_port(int n, const fv_port_info *ports, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(ports[i].name, name))
            return i;
    return -1;
}

/* The entry of an input or output that one stage has; NULL: all have it. */
static const fv_parts_port *find_staged(const fv_parts_manifest *list, bool is_output,
                                        const char *name) {
    for (int i = 0; i < list->nports; i++)
        if (list->ports[i].stage >= 0 && list->ports[i].is_output == is_output &&
            !strcmp(list->ports[i].name, name))
            return &list->ports[i];
    return NULL;
}

/* ---- the table of the whole model ---- */

/* The inputs or outputs of a table that is made, from those of a part. */
typedef struct port_list {
    bool are_outputs;
    bool by_values; /* whether models are compiled for the values that the command gives to dims */
    int n, of_part;
    fv_port_info *ports;
    const fv_port_info *given; /* those of the part */
} port_list;

/* Gives a port of which the part has a share the dims that it has in the model. */
static bool widen(fv_context *c, const fv_parts_manifest *list, const fv_parts_port *p, int rank,
                  const port_list *to) {
    int i = find_port(to->n, to->ports, p->name), width = fv_parts_width(list);
    const char *size = fv_printf(c->arena, "%" PRId64, p->sizes[rank % width]);
    if (i < 0 || p->axis >= to->ports[i].rank || strcmp(to->ports[i].dims[p->axis], size))
        return fv_error(c->session,
                        "rank %d has no %s '%s' with %s along axis %d, as the list says", rank,
                        p->is_output ? "output" : "input", p->name, size, p->axis);
    const char **dims = FV_NEW(c->arena, const char *, to->ports[i].rank);
    for (int k = 0; k < to->ports[i].rank; k++)
        dims[k] = k == p->axis ? fv_printf(c->arena, "%" PRId64, extent_of(p, width))
                               : to->ports[i].dims[k];
    to->ports[i].dims = dims;
    return true;
}

/* The symbols to which --dim gives a value: symbol -> the value, as dims. */
static fv_ptrmap given_dims(fv_context *c, fv_dims *t) {
    fv_ptrmap given = fv_ptrmap_in(c->arena);
    const char *const *list = c->dims ? c->dims : c->args->code.dims.at;
    for (int i = 0; list && list[i]; i++) {
        fv_dim_option o;
        if (!fv_dim_option_parse(c->arena, list[i], &o) && o.lo == o.hi)
            *fv_ptrmap_at(&given, fv_dim_symbol(t, o.name)) = (void *)fv_dim_const(t, o.lo);
    }
    return given;
}

bool fv_shares_port(fv_context *c, const fv_parts_port *p, fv_port_info *out) {
    fv_dims *t = fv_dims_new(c->arena);
    fv_ptrmap given = given_dims(c, t);
    const char **dims = FV_NEW(c->arena, const char *, p->info.rank + 1);
    for (int i = 0; i < p->info.rank; i++) {
        const char *at = p->info.dims[i], *error;
        const fv_dim *d = fv_dim_parse(t, &at, &error);
        if (!d || *at)
            return fv_error(c->session, "'%s' has no dims: '%s' is none", p->name, p->info.dims[i]);
        dims[i] = fv_dim_str(c->arena, fv_dim_rebuild(t, d, &given));
    }
    *out = p->info;
    out->dims = dims;
    return true;
}

/* Sets the port that one stage has, where it is in the model. */
static bool place_port(fv_context *c, const fv_parts_manifest *list, const fv_parts_port *p,
                       int rank, const port_list *to) {
    int i = find_port(to->of_part, to->given, p->name);
    bool has = fv_parts_has(list, p, rank);
    if (has != (i >= 0) || p->number >= to->n || to->ports[p->number].name)
        return fv_error(c->session, "rank %d %s the %s '%s', or the list has no place for it", rank,
                        has ? "does not have" : "has", p->is_output ? "output" : "input", p->name);
    if (has)
        to->ports[p->number] = to->given[i];
    if (!has)
        to->ports[p->number] = p->info;
    return has || !to->by_values || fv_shares_port(c, p, &to->ports[p->number]);
}

/* Makes the list of ports of the whole model. */
static bool make_ports(fv_context *c, const fv_parts_manifest *list, int rank, port_list *to) {
    int next = 0;
    to->n = to->of_part;
    for (int i = 0; i < list->nports; i++)
        to->n += list->ports[i].is_output == to->are_outputs &&
                 !fv_parts_has(list, &list->ports[i], rank);
    to->ports = FV_NEW(c->arena, fv_port_info, to->n + 1);
    for (int i = 0; i < list->nports; i++)
        if (list->ports[i].is_output == to->are_outputs && list->ports[i].stage >= 0 &&
            !place_port(c, list, &list->ports[i], rank, to))
            return false;
    for (int i = 0; i < to->of_part; i++) {
        if (find_staged(list, to->are_outputs, to->given[i].name))
            continue;
        while (next < to->n && to->ports[next].name)
            next++;
        if (next == to->n)
            return fv_error(c->session, "rank %d has the %s '%s', and the list has no place for it",
                            rank, to->are_outputs ? "output" : "input", to->given[i].name);
        to->ports[next] = to->given[i];
    }
    for (int i = 0; i < list->nports; i++)
        if (list->ports[i].is_output == to->are_outputs && list->ports[i].axis >= 0 &&
            fv_parts_has(list, &list->ports[i], rank) && !widen(c, list, &list->ports[i], rank, to))
            return false;
    return true;
}

const fv_model *fv_shares_table(fv_context *c, const fv_parts_manifest *list, int rank,
                                const fv_subject *subject) {
    const fv_model *part = subject->table;
    fv_model *t = FV_NEW(c->arena, fv_model, 1);
    fv_file_kind kind = subject->source.kind;
    bool by_values = kind != FV_FILE_ELF && kind != FV_FILE_PROGRAM && kind != FV_FILE_KERNEL;
    port_list in = {.by_values = by_values, .of_part = part->ninputs, .given = part->inputs};
    port_list out = {.are_outputs = true,
                     .by_values = by_values,
                     .of_part = part->noutputs,
                     .given = part->outputs};
    if (!make_ports(c, list, rank, &in) || !make_ports(c, list, rank, &out))
        return NULL;
    for (int i = 0; i < out.n; i++) { /* inputs may have other numbers than in the part */
        int state = out.ports[i].state_of;
        if (state)
            out.ports[i].state_of = 1 + find_port(in.n, in.ports, part->inputs[state - 1].name);
    }
    for (int i = 0; i < in.n; i++) /* the shares of the parts get room, not the whole inputs */
        in.ports[i].in_place = 0;
    *t = *part;
    t->inputs = in.ports;
    t->ninputs = in.n;
    t->outputs = out.ports;
    t->noutputs = out.n;
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

/* Moves a state of the part that is in place into memory of its own, in which the rank writes. The
 * capacity is that of the run, or else what the next value needs. */
static bool add_room(fv_context *c, const fv_subject *whole, int rank, fv_subject *part, int i) {
    const fv_port_info *p = &part->table->inputs[i];
    fv_array *x = &part->data.inputs[i];
    int axis = p->in_place - 1;
    int64_t capacity = -1;
    if (axis < 0 || !x->type || x->rank <= axis)
        return true;
    bool known = fv_eval_dim_text(whole->table, whole->data.dims, p->capacity, &capacity);
    for (int k = 0; !known && k < part->table->noutputs; k++)
        if (part->table->outputs[k].state_of == i + 1)
            known = fv_eval_dim_text(whole->table, whole->data.dims,
                                     part->table->outputs[k].dims[axis], &capacity);
    if (fv_array_add_room(c->arena, x, axis, capacity))
        return true;
    fv_diag_file(c->session, part->path);
    return fv_error(c->session,
                    "rank %d: input '%s' has %" PRId64 " on axis %d, its capacity is %" PRId64,
                    rank, p->name, x->dims[axis], axis, capacity);
}

bool fv_shares_cut(fv_context *c, const fv_parts_manifest *list, const fv_subject *whole, int rank,
                   fv_subject *part) {
    const fv_model *t = part->table;
    for (int i = 0; i < t->ninputs; i++) {
        int of = find_port(whole->table->ninputs, whole->table->inputs, t->inputs[i].name);
        part->data.inputs[i] = whole->data.inputs[of];
    }
    for (int k = 0; k < list->nports; k++) {
        const fv_parts_port *p = &list->ports[k];
        int i = p->is_output || p->axis < 0 ? -1 : find_port(t->ninputs, t->inputs, p->name);
        int r = rank % fv_parts_width(list);
        if (i < 0 || !part->data.inputs[i].type || part->data.inputs[i].rank <= p->axis)
            continue;
        const fv_array x = part->data.inputs[i];
        part->data.inputs[i] = new_array(c, &x, p->axis, p->sizes[r]);
        copy_share(&x, &part->data.inputs[i], p->axis, p->firsts[r], false);
    }
    for (int i = 0; i < t->ninputs; i++)
        if (!add_room(c, whole, rank, part, i))
            return false;
    return true;
}

/* ---- joining ---- */

/* Have a and b the same dims but for the axis? */
static bool fits(const fv_array *a, const fv_array *b, int axis) {
    bool same = a->type == b->type && a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++)
        same = i == axis || a->dims[i] == b->dims[i];
    return same;
}

/* The output of that name of a rank in this process, without spare capacity. */
static fv_array output_of(fv_context *c, const fv_parts *p, int rank, const char *name) {
    const fv_model *t = p->all[rank].table;
    fv_array x = p->all[rank].data.outputs[find_port(t->noutputs, t->outputs, name)];
    x.data = (void *)(uintptr_t)fv_array_tensor(c->arena, &x).data;
    x.owner = NULL;
    x.capacity = 0;
    return x;
}

/* The shares of the other processes, of an output that all stages have: each sends its own one,
 * filled up to the largest one. */
static bool exchange(fv_context *c, const fv_parts *p, const fv_parts_port *port,
                     const fv_communicator *world, fv_array *shares) {
    const fv_array one = output_of(c, p, p->here, port->name), *mine = &one;
    int64_t most = 0;
    int width = fv_parts_width(&p->list);
    for (int r = 0; r < width; r++)
        most = port->sizes[r] > most ? port->sizes[r] : most;
    size_t room = bytes_of(mine, port->axis, most);
    char *own = FV_NEW(c->arena, char, room + 1);
    char *all = FV_NEW(c->arena, char, room *(size_t)p->list.ranks + 1);
    memcpy(own, mine->data, bytes_of(mine, port->axis, mine->dims[port->axis]));
    if (world->all_gather(world->user, own, all, room))
        return fv_error(c->session, "%s", fv_processes_error(p->processes));
    for (int r = 0; r < width; r++) {
        shares[r] = *mine;
        shares[r].dims[port->axis] = port->sizes[r];
        shares[r].data = all + room * (size_t)r;
    }
    return true;
}

/* What a process sends before the elements of an array. */
typedef struct array_head {
    int32_t type, rank;
    int64_t dims[FV_ARRAY_RANK];
} array_head;

static size_t bytes_of_array(const fv_array *x) {
    size_t elements = 1;
    for (int i = 0; i < x->rank; i++)
        elements *= (size_t)x->dims[i];
    return (elements * bits_of(x) + 7) / 8;
}

static bool send_array(fv_context *c, const fv_parts *p, const fv_communicator *world,
                       const fv_array *x) {
    array_head head = {x->type, x->rank, {0}};
    memcpy(head.dims, x->dims, (size_t)x->rank * sizeof *x->dims);
    return (!world->send(world->user, 0, &head, sizeof head) &&
            !world->send(world->user, 0, x->data, bytes_of_array(x))) ||
           fv_error(c->session, "%s", fv_processes_error(p->processes));
}

/* Receives an output of another process, which must have the type and rank that the list states. */
static bool receive_array(fv_context *c, const fv_parts *p, const fv_parts_port *port,
                          const fv_communicator *world, int from, fv_array *out) {
    array_head head;
    if (world->receive(world->user, (size_t)from, &head, sizeof head))
        return fv_error(c->session, "%s", fv_processes_error(p->processes));
    if (head.type != port->info.type || head.rank != port->info.rank)
        return fv_error(c->session,
                        "rank %d has an output '%s' of another type or rank than the list says",
                        from, port->name);
    *out = (fv_array){.type = head.type, .rank = head.rank};
    memcpy(out->dims, head.dims, sizeof head.dims);
    size_t bytes = bytes_of_array(out);
    out->data = FV_NEW(c->arena, char, bytes + 1);
    return !world->receive(world->user, (size_t)from, out->data, bytes) ||
           fv_error(c->session, "%s", fv_processes_error(p->processes));
}

/* Process 0 gets an output that one stage has from the `n` processes of its ranks. */
static bool collect(fv_context *c, const fv_parts *p, const fv_parts_port *port,
                    const fv_communicator *world, int n, fv_array *shares) {
    int first = port->stage * fv_parts_width(&p->list);
    bool ok = true;
    for (int r = 0; r < n && ok; r++) {
        if (p->here == first + r)
            shares[r] = output_of(c, p, p->here, port->name);
        if (p->here && p->here == first + r)
            ok = send_array(c, p, world, &shares[r]);
        if (!p->here && first + r)
            ok = receive_array(c, p, port, world, first + r, &shares[r]);
    }
    return ok;
}

/* The shares of an output that ranks of this process have. */
static void take_shares(fv_context *c, const fv_parts *p, const fv_parts_port *port, int n,
                        fv_array *shares) {
    int first = port->stage < 0 ? 0 : port->stage * fv_parts_width(&p->list);
    for (int r = 0; r < n; r++)
        shares[r] = output_of(c, p, first + r, port->name);
}

static bool join(fv_context *c, const fv_parts *p, const fv_parts_port *port,
                 const fv_communicator *world, fv_array *out) {
    int n = port->axis < 0 ? 1 : fv_parts_width(&p->list);
    fv_array *shares = FV_NEW(c->arena, fv_array, n);
    if (!world)
        take_shares(c, p, port, n, shares);
    else if (port->stage < 0 ? !exchange(c, p, port, world, shares)
                             : !collect(c, p, port, world, n, shares))
        return false;
    if (world && port->stage >= 0 && p->here)
        return true; /* process 0 has the output */
    for (int r = 0; r < n && port->axis >= 0; r++)
        if (!fits(&shares[r], &shares[0], port->axis) ||
            shares[r].dims[port->axis] != port->sizes[r])
            return fv_error(c->session, "rank %d has an output '%s' of other dims than rank 0", r,
                            port->name);
    *out = shares[0];
    if (port->axis < 0)
        return true;
    *out = new_array(c, &shares[0], port->axis, extent_of(port, n));
    for (int r = 0; r < n; r++)
        copy_share(out, &shares[r], port->axis, port->firsts[r], true);
    return true;
}

bool fv_shares_join(fv_context *c, const fv_parts *p, const fv_communicator *world,
                    fv_subject *whole) {
    const fv_model *t = whole->table;
    for (int i = 0; i < t->noutputs; i++) {
        whole->data.outputs[i] = (fv_array){0};
        if (find_staged(&p->list, true, t->outputs[i].name))
            continue;
        whole->data.outputs[i] = output_of(c, p, p->here, t->outputs[i].name);
    }
    for (int k = 0; k < p->list.nports; k++) {
        const fv_parts_port *port = &p->list.ports[k];
        int i = port->is_output ? find_port(t->noutputs, t->outputs, port->name) : -1;
        if (i >= 0 && !join(c, p, port, world, &whole->data.outputs[i]))
            return false;
    }
    return true;
}
