/* consumer.c - makes the tables of fv_model from a program, and answers questions of consumers
 * about ports. */
#include "backend/consumer/consumer.h"

#include "ir/dim/text.h"
#include "runtime/table_sum.h"

fv_access fv_access_kind(const fv_buf *b, fv_expr *const *index, int lanes) {
    for (int i = 0; i < b->rank; i++)
        if (index[i]->type.lanes > 1)
            return FV_ACCESS_GATHER;
    return lanes == b->lanes ? FV_ACCESS_ELEMENT : FV_ACCESS_RUN;
}

bool fv_port_depends_on_data(const fv_port *port) {
    return fv_any_from_data(port->rank, port->dims);
}

int64_t fv_port_bound(const fv_port *port, int axis) {
    return port->dims[axis]->hi;
}

/* Is the dim bounded by more than the type of the data from which the symbol is read? Such a type
 * allows sizes that cannot be allocated. */
static bool is_bounded(const fv_dim *d) {
    if (!d->from_data)
        return true;
    if (d->kind == FV_DIM_SYMBOL)
        return d->hi < INT32_MAX;
    bool any = false, all = true;
    for (int i = 0; i < d->n; i++) {
        bool is = is_bounded(d->arg[i]);
        any |= is;
        all &= is;
    }
    return d->kind == FV_DIM_MIN ? any : d->kind == FV_DIM_MOD ? is_bounded(d->arg[1]) : all;
}

bool fv_port_is_bounded(const fv_port *port) {
    for (int i = 0; i < port->rank; i++)
        if (port->dims[i]->from_data &&
            (port->dims[i]->hi > INT32_MAX || !is_bounded(port->dims[i])))
            return false;
    return true;
}

int fv_out_dims_at(const fv_program *p, int output) {
    int at = 0;
    for (int i = 0; i < output; i++)
        at += 1 + p->outputs[i].rank;
    return at;
}

int fv_out_dims_size(const fv_program *p) {
    return fv_out_dims_at(p, p->noutputs);
}

/* A capacity as text; the verifier has checked that it is a number or a symbol. */
static const char *capacity_text(fv_arena *a, const fv_program *p, const fv_expr *x) {
    int64_t number;
    int symbol = 0;
    if (fv_x_is_int(x, &number))
        return fv_printf(a, "%lld", (long long)number);
    return fv_program_symbol(p, x->u.var, &symbol) ? fv_dim_str(a, p->symbols.all[symbol]) : "0";
}

static void port_info(fv_arena *a, const fv_program *p, const fv_port *port, fv_port_info *info) {
    const char **dims = FV_NEW(a, const char *, port->rank);
    for (int i = 0; i < port->rank; i++)
        dims[i] = fv_dim_str(a, port->dims[i]);
    info->name = port->name;
    info->type = (int32_t)port->elem; /* fv_elem has the numbers of ONNX */
    info->rank = port->rank;
    info->dims = dims;
    info->depends_on_data = fv_port_depends_on_data(port);
    info->state_of = port->state_of;
    if (port->buf->role != FV_BUF_INPUT || !port->buf->output)
        return;
    info->in_place = 1 + port->buf->along;
    info->capacity = capacity_text(a, p, port->buf->extent[port->buf->along]);
}

static const fv_port_info *port_table(fv_arena *a, const fv_program *p, const fv_port *ports,
                                      int n) {
    fv_port_info *t = FV_NEW(a, fv_port_info, n);
    for (int i = 0; i < n; i++)
        port_info(a, p, &ports[i], &t[i]);
    return t;
}

static int count_launches(const fv_block *b) {
    int n = 0;
    for (const fv_stmt *s = b->first; s; s = s->next)
        n += (s->kind == FV_S_LAUNCH) + count_launches(&s->body) + count_launches(&s->other);
    return n;
}

static void list_launches(const fv_block *b, fv_launch_info *list) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        list_launches(&s->body, list);
        list_launches(&s->other, list);
        if (s->kind != FV_S_LAUNCH)
            continue;
        const char *nodes = s->note.text ? s->note.text : s->call.kernel->origin;
        list[s->call.number] = (fv_launch_info){s->call.kernel->name, nodes ? nodes : "",
                                                s->note.indexes ? s->note.indexes : ""};
    }
}

static const fv_launch_info *launch_table(fv_arena *a, const fv_program *p, int n) {
    fv_launch_info *list = FV_NEW(a, fv_launch_info, n + 1);
    list_launches(&p->host.body, list);
    return list;
}

static const fv_relation_info *relation_table(fv_arena *a, const fv_program *p) {
    fv_relation_info *list = FV_NEW(a, fv_relation_info, p->relations.n + 1);
    for (int i = 0; i < p->relations.n; i++)
        list[i] = (fv_relation_info){p->relations.all[i].left, p->relations.all[i].right,
                                     p->relations.all[i].why};
    return list;
}

fv_model *fv_program_model(fv_arena *a, const fv_program *p, const char *weights_file) {
    fv_symbol_info *symbols = FV_NEW(a, fv_symbol_info, p->symbols.n);
    for (int i = 0; i < p->symbols.n; i++)
        symbols[i] = (fv_symbol_info){p->symbols.all[i]->name, p->symbols.vars[i]->lo,
                                      p->symbols.vars[i]->hi};
    fv_model *m = FV_NEW(a, fv_model, 1);
    m->abi = 2;
    m->size = sizeof *m;
    m->name = p->name;
    m->target = p->target->entry;
    m->source_hash = p->source.hash;
    m->producer = p->source.producer;
    m->nsymbols = p->symbols.n;
    m->ninputs = p->ninputs;
    m->noutputs = p->noutputs;
    m->uses_allocator = p->memory.uses_allocator;
    m->symbols = symbols;
    m->inputs = port_table(a, p, p->inputs, p->ninputs);
    m->outputs = port_table(a, p, p->outputs, p->noutputs);
    m->nlaunches = count_launches(&p->host.body);
    m->launches = launch_table(a, p, m->nlaunches);
    m->nrelations = p->relations.n;
    m->relations = relation_table(a, p);
    m->weights_file = weights_file;
    m->checksum = fv_table_sum(m);
    return m;
}
