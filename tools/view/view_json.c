/* view_json.c - writes the content of the page as one JSON document, in which indices replace names
 * that would be repeated:
 *
 *   graphs[before, after]
 *     values   [name, type]
 *     ops      {op, in, out: values, attrs, nodes, scope, inner: scope, launches, definition}
 *     scopes   {name, path, parent, op, ops, items: [kind, ref, layer, x, width], nets: [value,
 *              from, [to], [x of bends]]}
 *   docs       {operator: its description}
 *   kernels    {name, label, family, schedule, computes, text, c, launches, costs, ms}
 *   launches   [kernel, nodes, label]
 *   memory     {weights, workspace, bound, allocates, constants: [name, type, bytes], live: by
 *              launch, buffers: [name, bytes, offset, first, last launch]}
 *   shards     what fv_shard_report_json gives; if there is a network, also what
 *              fv_shard_points_json gives, and chart, an SVG; left out without --ranks
 *   model, version, target, dims, run_ms if there is a profile, and library for a compiled
 *   library, whose graphs and buffers are empty, and whose sizes are null if they are not known
 *
 * Members of an op that are empty are left out, except for in and out; a scope that is dropped is
 * null. */
#include <math.h>
#include <string.h>

#include "tools/model/labels.h"
#include "tools/view/view.h"

static json_t *numbers(int n, const int *list) {
    json_t *a = json_array();
    for (int i = 0; i < n; i++)
        fv_json_append(a, json_integer(list[i]));
    return a;
}

static json_t *texts(int n, const char *const *list) {
    json_t *a = json_array();
    for (int i = 0; i < n; i++)
        fv_json_append(a, fv_json_text(list[i]));
    return a;
}

static json_t *pixels(double x) {
    return json_integer(lround(x));
}

/* ---- graphs ---- */

static json_t *op_json(const fv_view_graph *g, const fv_view_op *op) {
    json_t *o = json_object();
    fv_json_set_text(o, "op", fv_opdef_qualified(g->arena, op->def));
    fv_json_set(o, "in", numbers(op->nin, op->in));
    fv_json_set(o, "out", numbers(op->nout, op->out));
    fv_json_set_int(o, "scope", op->scope);
    if (*op->attrs)
        fv_json_set_text(o, "attrs", op->attrs);
    if (op->origin->n)
        fv_json_set(o, "nodes", texts(op->origin->n, op->origin->nodes));
    if (op->inner >= 0)
        fv_json_set_int(o, "inner", op->inner);
    if (op->nlaunches)
        fv_json_set(o, "launches", numbers(op->nlaunches, op->launches));
    if (op->definition)
        fv_json_set_text(o, "definition", op->definition);
    return o;
}

static json_t *item_json(const fv_view_item *item, const fv_page_node *node) {
    json_t *a = json_array();
    fv_json_append(a, json_integer(item->kind));
    fv_json_append(a, json_integer(item->ref));
    fv_json_append(a, json_integer(node->layer));
    fv_json_append(a, pixels(node->x));
    fv_json_append(a, pixels(node->width));
    return a;
}

static json_t *net_json(const fv_page_layout *l, const fv_page_net *net, int value) {
    json_t *a = json_array(), *bends = json_array();
    fv_json_append(a, json_integer(value));
    fv_json_append(a, json_integer(net->from));
    fv_json_append(a, numbers(net->nto, net->to));
    for (int i = 0; i < net->nbends; i++)
        fv_json_append(bends, pixels(l->nodes[net->bends[i]].x));
    fv_json_append(a, bends);
    return a;
}

static json_t *scope_json(const fv_view_scope *s) {
    json_t *o = json_object(), *items = json_array(), *nets = json_array();
    if (s->dropped)
        return json_null();
    fv_json_set_text(o, "name", s->name);
    fv_json_set_text(o, "path", s->path);
    fv_json_set_int(o, "parent", s->parent);
    fv_json_set_int(o, "op", s->op);
    fv_json_set_int(o, "ops", s->nops);
    for (int i = 0; i < s->items.n; i++)
        fv_json_append(items, item_json(&s->items.all[i], &s->layout.nodes[i]));
    for (int i = 0; i < s->layout.nnets; i++)
        fv_json_append(nets, net_json(&s->layout, &s->layout.nets[i], s->values[i]));
    fv_json_set(o, "items", items);
    fv_json_set(o, "nets", nets);
    return o;
}

static json_t *graph_json(const fv_view_graph *g) {
    json_t *o = json_object(), *values = json_array(), *ops = json_array(), *scopes = json_array();
    for (int i = 0; i < g->nvalues; i++)
        fv_json_append(values, texts(2, (const char *[]){g->values[i].name, g->values[i].type}));
    for (int i = 0; i < g->nops; i++)
        fv_json_append(ops, op_json(g, &g->ops[i]));
    for (int i = 0; i < g->nscopes; i++)
        fv_json_append(scopes, scope_json(&g->scopes[i]));
    fv_json_set(o, "values", values);
    fv_json_set(o, "ops", ops);
    fv_json_set(o, "scopes", scopes);
    return o;
}

/* The descriptions of all operators that occur, once each. */
static json_t *docs_json(const fv_view *v) {
    json_t *o = json_object();
    const fv_view_graph *both[] = {&v->before, &v->after};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < both[k]->nops; i++) {
            const fv_opdef *d = both[k]->ops[i].def;
            const char *name = fv_opdef_qualified(v->c->arena, d);
            if (d->doc && !json_object_get(o, name))
                fv_json_set_text(o, name, d->doc);
        }
    return o;
}

/* ---- kernels ---- */

static double cycles_of(const fv_view *v, int launch) {
    return v->costs[launch].known ? fv_cost_cycles(&v->costs[launch].cost, v->m.program->target)
                                  : 0;
}

static double cycles_of_all(const fv_view *v) {
    double sum = 0;
    for (int i = 0; i < v->nlaunches; i++)
        sum += cycles_of(v, i);
    return sum;
}

/* Adds up the costs of all launches of a kernel; nothing is set if the sizes of one depend on
 * data. */
static void set_costs(const fv_view *v, int kernel, json_t *o) {
    double flops = 0, read = 0, written = 0, cycles = 0, all = cycles_of_all(v);
    bool known = true;
    for (int i = 0; i < v->nlaunches; i++) {
        if (v->launches[i] != kernel)
            continue;
        known &= v->costs[i].known;
        flops += v->costs[i].cost.flops;
        read += v->costs[i].cost.read;
        written += v->costs[i].cost.written;
        cycles += cycles_of(v, i);
    }
    if (!known)
        return;
    fv_json_set(o, "flops", fv_json_real(flops));
    fv_json_set(o, "read", fv_json_real(read));
    fv_json_set(o, "written", fv_json_real(written));
    fv_json_set(o, "share", fv_json_real(all > 0 ? cycles / all : 0));
    fv_estimate is = v->kernels[kernel].estimate;
    if (!is.known)
        return;
    fv_json_set(o, "predicted_ms", fv_json_real(is.ms));
    fv_json_set(o, "least_ms", fv_json_real(is.least));
}

static const char *label_of_launch(const fv_view *v, int i) {
    const char *label = fv_node_label(v->c->arena, v->nodes[i]);
    return label ? label : v->kernels[v->launches[i]].name;
}

static const char *label_of_kernel(const fv_view *v, int kernel) {
    const char **labels = FV_NEW(v->c->arena, const char *, v->kernels[kernel].launches + 1);
    int n = 0;
    for (int i = 0; i < v->nlaunches; i++)
        if (v->launches[i] == kernel)
            labels[n++] = label_of_launch(v, i);
    return n ? fv_node_label_of_all(v->c->arena, n, labels) : v->kernels[kernel].name;
}

static const char *family_of(const fv_view_kernel *k) {
    return !k->kernel            ? ""
           : k->kernel->schedule ? fv_schedule_name(k->kernel->schedule->kind)
                                 : "custom";
}

static json_t *kernel_json(const fv_view *v, int kernel) {
    const fv_view_kernel *k = &v->kernels[kernel];
    json_t *o = json_object();
    fv_json_set_text(o, "name", k->name);
    fv_json_set_text(o, "label", label_of_kernel(v, kernel));
    fv_json_set_text(o, "family", family_of(k));
    fv_json_set_text(o, "schedule", k->schedule);
    fv_json_set_text(o, "computes", k->kernel && k->kernel->formula ? k->kernel->formula : "");
    fv_json_set_text(o, "text", k->text);
    fv_json_set_text(o, "c", k->c);
    fv_json_set_int(o, "launches", k->launches);
    if (v->costs)
        set_costs(v, kernel, o);
    if (v->run_ms > 0)
        fv_json_set(o, "ms", fv_json_real(k->ms < 0 ? 0 : k->ms));
    return o;
}

static json_t *launch_json(const fv_view *v, int i) {
    json_t *a = json_array();
    fv_json_append(a, json_integer(v->launches[i]));
    fv_json_append(a, fv_json_text(v->nodes[i]));
    fv_json_append(a, fv_json_text(label_of_launch(v, i)));
    return a;
}

/* ---- memory ---- */

static json_t *buffer_json(const fv_footprint_buffer *b) {
    json_t *a = json_array();
    fv_json_append(a, fv_json_text(b->buf->name));
    fv_json_append(a, json_integer(b->bytes));
    fv_json_append(a, json_integer(b->offset));
    fv_json_append(a, json_integer(b->first));
    fv_json_append(a, json_integer(b->last));
    return a;
}

static json_t *constant_json(const fv_constant *k) {
    json_t *a = json_array();
    fv_json_append(a, fv_json_text(k->name));
    fv_json_append(a, fv_json_text(fv_elem_name(k->buf->elem)));
    fv_json_append(a, json_integer((json_int_t)k->bytes));
    return a;
}

static json_t *bytes_json(int64_t n) {
    return n < 0 ? json_null() : json_integer(n);
}

static json_t *stored_json(const fv_view *v) {
    json_t *o = json_object();
    fv_json_set(o, "weights", bytes_json(v->stored.weights));
    fv_json_set(o, "workspace", bytes_json(v->stored.workspace));
    fv_json_set_int(o, "bound", 0);
    fv_json_set_bool(o, "allocates", v->m.table->uses_allocator);
    fv_json_set(o, "constants", json_array());
    fv_json_set(o, "live", json_array());
    fv_json_set(o, "buffers", json_array());
    return o;
}

static json_t *memory_json(const fv_view *v, const fv_footprint *f) {
    json_t *o = json_object(), *live = json_array(), *buffers = json_array(),
           *constants = json_array();
    int64_t weights = 0;
    for (int i = 0; i < v->m.program->memory.nconstants; i++) {
        weights += (int64_t)v->m.program->memory.constants[i].bytes;
        fv_json_append(constants, constant_json(&v->m.program->memory.constants[i]));
    }
    for (int i = 1; i <= f->nlaunches; i++)
        fv_json_append(live, json_integer(f->live[i]));
    for (int i = 0; i < f->nbuffers; i++)
        if (f->buffers[i].buf->role == FV_BUF_WORK && f->buffers[i].first &&
            f->buffers[i].bytes >= 0)
            fv_json_append(buffers, buffer_json(&f->buffers[i]));
    fv_json_set_int(o, "weights", weights);
    fv_json_set_int(o, "workspace", f->workspace);
    fv_json_set_int(o, "bound", f->bound);
    fv_json_set_bool(o, "allocates", v->m.program->memory.uses_allocator);
    fv_json_set(o, "constants", constants);
    fv_json_set(o, "live", live);
    fv_json_set(o, "buffers", buffers);
    return o;
}

/* ---- all ---- */

json_t *fv_view_json(const fv_view *v, const fv_footprint *f) {
    json_t *d = fv_json_document(), *graphs = json_array(), *kernels = json_array(),
           *launches = json_array();
    const char *slash = strrchr(v->m.path, '/');
    fv_json_set_text(d, "model", slash ? slash + 1 : v->m.path);
    fv_json_set_text(d, "version", FV_VERSION);
    fv_json_set_text(d, "target", v->m.table->target);
    if (v->costs)
        fv_json_set_text(d, "estimate", fv_estimate_source(v->c->arena, v->m.program->target));
    fv_json_set_text(d, "dims", fv_dims_str(v->c->arena, v->m.table, v->m.data.dims));
    fv_json_append(graphs, graph_json(&v->before));
    fv_json_append(graphs, graph_json(&v->after));
    for (int i = 0; i < v->nkernels; i++)
        fv_json_append(kernels, kernel_json(v, i));
    for (int i = 0; i < v->nlaunches; i++)
        fv_json_append(launches, launch_json(v, i));
    fv_json_set(d, "graphs", graphs);
    fv_json_set(d, "docs", docs_json(v));
    fv_json_set(d, "kernels", kernels);
    fv_json_set(d, "launches", launches);
    if (v->run_ms > 0)
        fv_json_set(d, "run_ms", fv_json_real(v->run_ms));
    if (v->shards)
        fv_json_set(d, "shards", json_incref(v->shards));
    fv_json_set(d, "memory", f ? memory_json(v, f) : stored_json(v));
    if (!f)
        fv_json_set_bool(d, "library", true);
    return d;
}
