/* inspect.c - `fovea inspect`: describes a model, and how it is compiled. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/cost/cost.h"
#include "ir/base/whole.h"
#include "ir/catalogue/op.h"
#include "ir/expr/instruction.h"
#include "passes/denormals.h"
#include "tools/command/progress.h"
#include "tools/command/report.h"
#include "tools/lab/why.h"
#include "tools/model/attention.h"
#include "tools/model/estimate.h"
#include "tools/model/footprint.h"
#include "tools/model/labels.h"
#include "tools/model/model.h"
#include "tools/model/parts.h"
#include "tools/subcommand/inspect.h"
#include "tools/subcommand/shard.h"

/* How often an operator occurs in the model as it was read, and in the graph after the passes. */
typedef struct tally {
    const fv_opdef *def;
    int before, after;
} tally;

/* The operators of the model. */
typedef struct tallies {
    tally *all;
    int n, cap;
    int before, after; /* number of operators before and after the passes */
} tallies;

typedef struct view {
    fv_context *c;
    fv_subject m; /* the model, which is opened without an artifact, because it is not run */
    tallies ops;
    int *launches; /* number of launches of each kernel */
    int nlaunches;
    /* costs of the first launch of each kernel of which they are known; NULL: there is none */
    const fv_launch_cost **costs;
    fv_launch_cost *launch_costs;
    int nlaunch_costs;
    fv_estimate *estimates; /* an estimate for each launch; NULL: they are not shown */
    fv_why_query why;
    fv_attention_query attention;
    fv_choices choices; /* the schedules that were chosen for kernels */
    fv_footprint footprint;
    size_t weights;
    fv_denormals denormals; /* the weights that are denormal */
} view;

/* ---- operators ---- */

static tally *tally_of(view *v, const fv_opdef *d) {
    for (int i = 0; i < v->ops.n; i++)
        if (v->ops.all[i].def == d)
            return &v->ops.all[i];
    FV_PUSH(v->c->arena, v->ops.all, v->ops.n, v->ops.cap, ((tally){.def = d}));
    return &v->ops.all[v->ops.n - 1];
}

static void count_ops(view *v, const fv_region *r, bool after) {
    for (const fv_op *op = r->first; op; op = op->next) {
        if (op->def == &fv_return_def)
            continue;
        tally *t = tally_of(v, op->def);
        *(after ? &t->after : &t->before) += 1;
        *(after ? &v->ops.after : &v->ops.before) += 1;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                count_ops(v, op->attrs[i].u.region, after);
    }
}

static int by_count(const void *a, const void *b) {
    const tally *x = a, *y = b;
    if (x->before != y->before)
        return x->before < y->before ? 1 : -1;
    if (x->after != y->after)
        return x->after < y->after ? 1 : -1;
    return strcmp(x->def->name, y->def->name);
}

static void print_ops(view *v) {
    fv_out("\n%-24s %8s %8s\n", "operator", "model", "passes");
    for (int i = 0; i < v->ops.n; i++)
        fv_out("%-24s %8d %8d\n", fv_opdef_qualified(v->c->arena, v->ops.all[i].def),
               v->ops.all[i].before, v->ops.all[i].after);
    fv_out("%-24s %8d %8d\n", "all", v->ops.before, v->ops.after);
}

static json_t *ops_json(view *v) {
    json_t *list = json_array();
    for (int i = 0; i < v->ops.n; i++) {
        json_t *o = json_object();
        fv_json_set_text(o, "operator", fv_opdef_qualified(v->c->arena, v->ops.all[i].def));
        fv_json_set_int(o, "model", v->ops.all[i].before);
        fv_json_set_int(o, "after_passes", v->ops.all[i].after);
        fv_json_append(list, o);
    }
    return list;
}

/* ---- kernels ---- */

static void count_launches(view *v, const fv_block *b) {
    const fv_program *p = v->m.program;
    for (const fv_stmt *s = b->first; s; s = s->next) {
        for (int i = 0; s->kind == FV_S_LAUNCH && i < p->nkernels; i++)
            if (p->kernels[i] == s->call.kernel) {
                v->launches[i]++;
                v->nlaunches++;
            }
        count_launches(v, &s->body);
        count_launches(v, &s->other);
    }
}

static const char *schedule_of(const view *v, const fv_kernel *k) {
    fv_text t = {.arena = v->c->arena};
    if (!k->schedule)
        return "as written";
    fv_schedule_print(&t, k->schedule);
    return t.s;
}

/* The key by which tuning files name the kernel; NULL: nothing can be chosen for it. */
static const char *key_of(const view *v, const fv_kernel *k) {
    for (int i = 0; i < v->choices.n; i++)
        if (v->choices.at[i].kernel == k)
            return v->choices.at[i].key;
    return NULL;
}

static void print_line(const char *what, const char *text) {
    if (text && *text)
        fv_out("  %-9s %.800s%s\n", what, text, strlen(text) > 800 ? " ..." : "");
}

/* Computes the costs of the first launch of each kernel of which they are known, for the chosen
 * dims. */
static void evaluate_costs(view *v) {
    const fv_program *p = v->m.program;
    fv_arena *a = v->c->arena;
    fv_launch_cost *list;
    int n = v->nlaunch_costs = fv_cost_launches(a, p, &v->launch_costs);
    list = v->launch_costs;
    fv_cost_evaluate(a, p, v->m.data.dims, n, list);
    v->costs = FV_NEW(a, const fv_launch_cost *, p->nkernels + 1);
    for (int i = n - 1; i >= 0; i--)
        for (int k = 0; k < p->nkernels; k++)
            if (p->kernels[k] == list[i].kernel && list[i].known)
                v->costs[k] = &list[i];
}

static void print_cost(view *v, int kernel) {
    fv_arena *a = v->c->arena;
    const fv_launch_cost *l = v->costs[kernel];
    if (!l)
        return;
    fv_out("  %-9s %s%.4g MFLOP, reads %s, writes %s\n", "costs", l->cost.exact ? "" : "about ",
           1e-6 * l->cost.flops, fv_size_str(a, (uint64_t)fv_whole(l->cost.read)),
           fv_size_str(a, (uint64_t)fv_whole(l->cost.written)));
}

/* The number of threads that estimates are for. */
static int threads_of(const view *v) {
    return v->c->args->threads.first > 1 ? v->c->args->threads.first : 1;
}

/* Estimates are computed only where they are shown, because kernels are expanded for them. */
static void evaluate_estimates(view *v) {
    const fv_args *a = v->c->args;
    bool all = !a->inspect.ops && !a->inspect.memory && !a->inspect.why && !a->inspect.attention;
    if (a->print.json ? all || a->inspect.schedules : a->inspect.schedules && a->print.verbose)
        v->estimates = fv_estimate_launches(v->c->arena, v->m.program, v->m.data.dims,
                                            threads_of(v), v->nlaunch_costs, v->launch_costs);
}

static fv_estimate estimate_of(const view *v, const fv_kernel *k) {
    return v->estimates ? fv_estimate_sum(k, v->nlaunch_costs, v->launch_costs, v->estimates)
                        : (fv_estimate){0};
}

static const char *estimate_str(fv_arena *a, const fv_estimate *is) {
    return fv_printf(a, "%.3g ms, at least %.3g (%.0f%%)", is->ms, is->least,
                     is->ms > 0 ? 100 * is->least / is->ms : 0);
}

static const char *moved_str(fv_arena *a, const fv_estimate *is) {
    return fv_printf(a, "%s into the caches of cores, %s of it from memory",
                     fv_size_str(a, (uint64_t)fv_whole(is->into_cores)),
                     fv_size_str(a, (uint64_t)fv_whole(is->from_memory)));
}

static void print_estimate(view *v, const fv_kernel *k) {
    fv_estimate is = estimate_of(v, k);
    if (!is.known)
        return;
    print_line("predicted", estimate_str(v->c->arena, &is));
    print_line("moves", moved_str(v->c->arena, &is));
}

static void print_estimates(view *v) {
    fv_estimate all = estimate_of(v, NULL);
    if (!all.known)
        return;
    const char *threads =
        threads_of(v) > 1 ? fv_printf(v->c->arena, "%d threads", threads_of(v)) : "one thread";
    fv_out("\nall kernels together: %s; an estimate for %s by %s\n",
           estimate_str(v->c->arena, &all), threads,
           fv_estimate_source(v->c->arena, v->m.program->target));
    print_line("moves", moved_str(v->c->arena, &all));
}

static void set_estimate(json_t *o, fv_estimate is) {
    fv_json_set(o, "predicted_ms", is.known ? fv_json_real(is.ms) : json_null());
    fv_json_set(o, "least_ms", is.known ? fv_json_real(is.least) : json_null());
    fv_json_set(o, "into_cores_bytes", is.known ? fv_json_real(is.into_cores) : json_null());
    fv_json_set(o, "from_memory_bytes", is.known ? fv_json_real(is.from_memory) : json_null());
}

/* The launches of the program with their nodes. Its table has none of them yet: they are numbered
 * when it is expanded. */
static fv_model launches_of(const view *v) {
    fv_launch_info *list = FV_NEW(v->c->arena, fv_launch_info, v->nlaunch_costs + 1);
    for (int i = 0; i < v->nlaunch_costs; i++) {
        const fv_launch_cost *l = &v->launch_costs[i];
        const char *nodes = l->launch->note.text ? l->launch->note.text : l->kernel->origin;
        list[i] = (fv_launch_info){.kernel = l->kernel->name, .nodes = nodes ? nodes : ""};
    }
    return (fv_model){.nlaunches = v->nlaunch_costs, .launches = list};
}

static void print_schedules(view *v) {
    const fv_program *p = v->m.program;
    const fv_model t = launches_of(v);
    for (int i = 0; i < p->nkernels; i++) {
        const fv_kernel *k = p->kernels[i];
        fv_out("\n%s: %s, %d launch%s\n", fv_kernel_title(v->c->arena, &t, k->name),
               schedule_of(v, k), v->launches[i], v->launches[i] == 1 ? "" : "es");
        print_line("key", v->c->args->print.verbose ? key_of(v, k) : NULL);
        print_line("from", k->origin);
        print_line("computes", k->formula);
        print_cost(v, i);
        print_estimate(v, k);
    }
    print_estimates(v);
}

static json_t *schedules_json(view *v) {
    const fv_program *p = v->m.program;
    json_t *list = json_array();
    for (int i = 0; i < p->nkernels; i++) {
        const fv_kernel *k = p->kernels[i];
        json_t *o = json_object();
        fv_json_set_text(o, "kernel", k->name);
        fv_json_set_text(o, "schedule", schedule_of(v, k));
        fv_json_set(o, "key", fv_json_text(key_of(v, k)));
        fv_json_set_int(o, "launches", v->launches[i]);
        fv_json_set_text(o, "from", k->origin ? k->origin : "");
        fv_json_set_text(o, "computes", k->formula ? k->formula : "");
        if (v->costs[i]) {
            fv_json_set(o, "flops", fv_json_real(v->costs[i]->cost.flops));
            fv_json_set(o, "bytes_read", fv_json_real(v->costs[i]->cost.read));
            fv_json_set(o, "bytes_written", fv_json_real(v->costs[i]->cost.written));
        }
        set_estimate(o, estimate_of(v, k));
        fv_json_append(list, o);
    }
    return list;
}

static void add_schedules(view *v, json_t *d) {
    json_t *estimate = json_object();
    fv_json_set(d, "schedules", schedules_json(v));
    set_estimate(estimate, estimate_of(v, NULL));
    fv_json_set_int(estimate, "threads", threads_of(v));
    fv_json_set_text(estimate, "source", fv_estimate_source(v->c->arena, v->m.program->target));
    fv_json_set(d, "estimate", estimate);
}

static const char *family_of(const view *v, int kernel) {
    const fv_schedule *s = v->m.program->kernels[kernel]->schedule;
    return s ? fv_schedule_name(s->kind) : "as written";
}

/* The number of launches of each family of schedules, "4 contract, 7 map", in the order in which
 * they occur. */
static const char *families(view *v) {
    int nkernels = v->m.program->nkernels;
    fv_text t = {.arena = v->c->arena};
    fv_text_put(&t, "");
    for (int i = 0; i < nkernels; i++) {
        const char *family = family_of(v, i);
        int n = 0, first = i;
        for (int k = nkernels - 1; k >= 0; k--)
            if (!strcmp(family_of(v, k), family)) {
                first = k;
                n += v->launches[k];
            }
        if (first == i)
            fv_text_printf(&t, "%s%d %s", t.n ? ", " : "", n, family);
    }
    return t.s;
}

/* ---- memory ---- */

/* Are the offsets in the workspace the same for all dims, although the model has symbolic dims? */
static bool is_fixed(const fv_program *p) {
    int64_t n;
    return p->symbols.n && p->memory.workspace && fv_x_is_int(p->memory.workspace, &n) && n;
}

static void print_names(const char *what, int n, const char *const *names) {
    for (int i = 0; i < n; i++)
        fv_out("%s%s", i ? ", " : what, names[i]);
}

static void print_memory(view *v) {
    const fv_program *p = v->m.program;
    const fv_footprint *f = &v->footprint;
    bool settled = p->memory.is_least && f->workspace > f->bound;
    fv_out("\nworkspace  %s%s; what is alive at once takes at least %s%s\n",
           fv_size_str(v->c->arena, (uint64_t)f->workspace),
           is_fixed(p) ? ", whatever the dims are within their bounds" : "",
           fv_size_str(v->c->arena, (uint64_t)f->bound),
           settled ? ", and no aligned offsets take less than the workspace" : "");
    if (p->memory.order_kept)
        fv_out("%-11slaunches were not put into another order: %s\n", "", p->memory.order_kept);
    if (p->memory.least_alive >= 0)
        fv_out("%-11severy order of the launches needs at least %s\n", "",
               fv_size_str(v->c->arena, (uint64_t)p->memory.least_alive));
    if (p->memory.strips)
        fv_out("%-11s%d chain%s of values in strips of rows; without strips about %s were alive\n",
               "", p->memory.strips, p->memory.strips == 1 ? "" : "s",
               fv_size_str(v->c->arena, (uint64_t)p->memory.without_strips));
    fv_out("\n%-10s %12s %12s  %s\n", "memory", "offset", "bytes", "buffer");
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        char at[32] = "", n[32] = "by data";
        if (b->role == FV_BUF_WORK)
            snprintf(at, sizeof at, "%" PRId64, f->buffers[i].offset);
        if (f->buffers[i].bytes >= 0)
            snprintf(n, sizeof n, "%" PRId64, f->buffers[i].bytes);
        fv_out("%-10s %12s %12s  %s: %s[", fv_buffer_role(b), at, n, b->name,
               fv_elem_name(b->elem));
        for (int k = 0; k < b->rank; k++) {
            int64_t e = b->extent ? fv_footprint_number(f, b->extent[k]) : -1;
            fv_out(e < 0 ? "%s?" : "%s%" PRId64, k ? ", " : "", e);
        }
        fv_out("]");
        print_names(", in place of ", b->sharing.nover, b->sharing.over);
        print_names(", parts ", b->sharing.nparts, b->sharing.parts);
        fv_out("\n");
    }
}

static json_t *names_json(int n, const char *const *names) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        fv_json_append(list, fv_json_text(names[i]));
    return list;
}

static json_t *memory_json(view *v) {
    const fv_program *p = v->m.program;
    json_t *o = json_object(), *list = json_array();
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        json_t *e = json_object();
        int64_t bytes = v->footprint.buffers[i].bytes;
        fv_json_set_text(e, "name", b->name);
        fv_json_set_text(e, "role", fv_buffer_role(b));
        fv_json_set_text(e, "type", fv_elem_name(b->elem));
        fv_json_set(e, "bytes", bytes < 0 ? json_null() : json_integer(bytes));
        if (b->role == FV_BUF_WORK)
            fv_json_set_int(e, "offset", v->footprint.buffers[i].offset);
        if (b->sharing.nover)
            fv_json_set(e, "in_place_of", names_json(b->sharing.nover, b->sharing.over));
        if (b->sharing.nparts)
            fv_json_set(e, "parts", names_json(b->sharing.nparts, b->sharing.parts));
        fv_json_append(list, e);
    }
    fv_json_set_int(o, "weights_bytes", (int64_t)v->weights);
    fv_json_set(o, "denormal_weights",
                v->denormals.unread ? json_null() : json_integer((json_int_t)v->denormals.n));
    fv_json_set_int(o, "workspace_bytes", v->footprint.workspace);
    fv_json_set_int(o, "lower_bound_bytes", v->footprint.bound);
    fv_json_set_bool(o, "least", p->memory.is_least);
    fv_json_set_int(o, "strips", p->memory.strips);
    if (p->memory.strips)
        fv_json_set_int(o, "without_strips_bytes", p->memory.without_strips);
    fv_json_set(o, "least_alive_bytes",
                p->memory.least_alive >= 0 ? json_integer(p->memory.least_alive) : json_null());
    fv_json_set(o, "order_kept",
                p->memory.order_kept ? fv_json_text(p->memory.order_kept) : json_null());
    fv_json_set_bool(o, "fixed", is_fixed(p));
    fv_json_set_bool(o, "uses_allocator", p->memory.uses_allocator);
    fv_json_set(o, "buffers", list);
    return o;
}

/* ---- summary ---- */

static void print_most(view *v) {
    enum { MOST = 8 };
    fv_out("%-11s%d in the model", "operators", v->ops.before);
    for (int i = 0; i < v->ops.n && i < MOST && v->ops.all[i].before; i++)
        fv_out("%s%d %s", i ? ", " : ": ", v->ops.all[i].before, v->ops.all[i].def->name);
    fv_out("%s; %d after the passes\n", v->ops.n > MOST && v->ops.all[MOST].before ? ", ..." : "",
           v->ops.after);
}

/* Many processors take a hundred cycles or more for a product with a denormal number. */
static void print_denormals(const view *v) {
    const fv_denormals *d = &v->denormals;
    if (d->unread)
        fv_out("%-11sweights were not looked for: reading all takes too long\n", "denormal");
    else if (d->n)
        fv_out("%-11s%zu weights, %zu of them in '%s': products with them can take 20 times as "
               "long\n",
               "denormal", d->n, d->of_name, d->name);
}

static void print_summary(view *v) {
    const fv_program *p = v->m.program;
    fv_arena *a = v->c->arena;
    const char *where = fv_dims_str(a, v->m.table, v->m.data.dims);
    fv_inspect_interface(v->m.table);
    if (v->m.source.module)
        print_most(v);
    fv_out("%-11s%d, %d launch%s: %s\n", "kernels", p->nkernels, v->nlaunches,
           v->nlaunches == 1 ? "" : "es", families(v));
    fv_out("%-11s%s in %d constant%s\n", "weights", fv_size_str(a, v->weights),
           p->memory.nconstants, p->memory.nconstants == 1 ? "" : "s");
    print_denormals(v);
    fv_out("%-11s%s%s%s%s\n", "workspace", fv_size_str(a, (uint64_t)v->footprint.workspace),
           *where ? " (" : "", where, *where ? ")" : "");
    if (fv_attention_count(&v->attention))
        fv_out("%-11sfused %s\n", "attentions", fv_attention_count(&v->attention));
    if (p->memory.uses_allocator)
        fv_out("%-11sbuffers whose size depends on data come from the caller's allocator\n", "");
    const char *processor = fv_processor_of(p->target)->name;
    bool generic = !strcmp(processor, "generic");
    fv_out("%-11s%s%s%s\n", "target", fv_target_str(a, p->target), generic ? "" : ", processor ",
           generic ? "" : processor);
    if (v->c->args->code.relax)
        fv_out("%-11s%s\n", "relaxed", v->c->args->code.relax);
}

static bool print_json(view *v, bool all) {
    const fv_args *a = v->c->args;
    json_t *d = fv_json_document();
    fv_json_set_text(d, "model", v->m.path);
    fv_json_set_text(d, "target", v->m.program->target->entry);
    if (a->code.relax)
        fv_json_set_text(d, "relaxed", a->code.relax);
    fv_json_set_text(d, "processor", fv_processor_of(v->m.program->target)->name);
    fv_inspect_interface_json(v->m.table, v->m.data.dims, d);
    if ((all || a->inspect.ops) && v->m.source.module)
        fv_json_set(d, "ops", ops_json(v));
    if (all || a->inspect.memory)
        fv_json_set(d, "memory", memory_json(v));
    if (all || a->inspect.schedules)
        add_schedules(v, d);
    if (all || a->inspect.attention)
        fv_attention_json(&v->attention, &v->m, d);
    if (a->inspect.why)
        fv_why_json(&v->why, d);
    return fv_json_print(v->c->session, d);
}

/* ---- all ---- */

/* Do weights decide which instructions kernels use? A product of bytes that saturates is used if
 * the weights are small. */
static bool weights_decide(const fv_module *m, const fv_target *t) {
    bool decide = false;
    if (!m || !fv_instruction_has(t, FV_X_DOT_U8_I8_SAT, FV_I32, FV_I32) ||
        fv_instruction_has(t, FV_X_DOT_U8_I8, FV_I32, FV_I32))
        return false;
    for (int i = 0; i < m->nconsts && !decide; i++)
        decide = m->consts[i]->type->kind == FV_TENSOR && m->consts[i]->type->elem == FV_I8 &&
                 m->consts[i]->type->rank > 1;
    return decide;
}

/* Counts the operators after the passes, before lowering replaces some of them by definitions. */
static bool count_after(void *user, fv_module *m) {
    count_ops(user, m->funcs->body, true);
    return true;
}

static bool open_view(view *v, const char *path) {
    fv_context *c = v->c;
    fv_subject *m = &v->m;
    fv_driver_options o;
    *m = (fv_subject){.path = path};
    if (!fv_args_driver(c, &o, true))
        return false;
    o.dims.are_values = true;
    /* weights are read if there is a tuning, since a tuning is for a model with certain weights */
    o.without_weights = !o.tuning.path;
    o.answers.choices = &v->choices;
    o.answers.denormals = &v->denormals;
    o.change.passed = count_after;
    o.change.user = v;
    fv_why_begin(&v->why, c, &o);
    fv_report_begin(c, &o);
    fv_attention_begin(&v->attention, c, &o);
    fv_progress_phase(c->args, path, "reads the model");
    if (!fv_driver_read(c->session, path, &o, &m->source))
        return false;
    o.without_weights &= !weights_decide(m->source.module, o.target.of);
    fv_why_read(&v->why, &m->source);
    if (m->source.module)
        count_ops(v, m->source.module->funcs->body, false);
    m->program = fv_driver_lower(c->session, &m->source, &o);
    if (!m->program)
        return false;
    if (m->source.module)
        fv_report_steps(c, &o);
    fv_attention_judge(&v->attention);
    m->table = fv_program_model(c->arena, m->program, NULL);
    m->data.dims = FV_NEW(c->arena, int64_t, m->table->nsymbols + 1);
    m->data.known = FV_NEW(c->arena, unsigned char, m->table->nsymbols + 1);
    m->data.given = FV_NEW(c->arena, unsigned char, m->table->ninputs + 1);
    return fv_choose_dims(c, m, true);
}

static void look(view *v) {
    const fv_program *p = v->m.program;
    v->launches = FV_NEW(v->c->arena, int, p->nkernels + 1);
    count_launches(v, &p->host.body);
    v->footprint = fv_footprint_of(v->c->arena, p, v->m.data.dims);
    evaluate_costs(v);
    evaluate_estimates(v);
    for (int i = 0; i < p->memory.nconstants; i++)
        v->weights += p->memory.constants[i].bytes;
    if (v->ops.n)
        qsort(v->ops.all, (size_t)v->ops.n, sizeof *v->ops.all, by_count);
}

/* Describes the parts into which the model would be cut. */
static int inspect_shards(fv_context *c) {
    const fv_inspect_args *a = &c->args->inspect;
    fv_shard_report r;
    if (a->ops || a->memory || a->schedules || a->attention || a->why)
        return fv_usage(c->args, "--shards is about parts of the model: --ops, --memory, "
                                 "--schedules, --attention and --why do not apply");
    if (!fv_shard_report_make(c, &r))
        return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_USAGE;
    if (c->args->print.json) {
        json_t *d = fv_json_document();
        fv_json_set_text(d, "model", c->args->operand[0]);
        fv_json_set(d, "shards", fv_shard_report_json(c, &r));
        return fv_json_print(c->session, d) ? FV_EXIT_OK : fv_failed(c);
    }
    fv_shard_report_print(c, &r);
    return FV_EXIT_OK;
}

int fv_cmd_inspect(fv_context *c) {
    const fv_args *a = c->args;
    const fv_shard_args *shard = &a->threads.shard;
    view *v = FV_NEW(c->arena, view, 1);
    v->c = c;
    if (!fv_parts_are_not_in(c, a->operand[0]))
        return fv_failed(c);
    if (!a->inspect.shards && (shard->ranks || shard->stages || shard->plan || shard->link))
        return fv_usage(a, "--ranks, --stages, --plan and --link need --shards");
    if (a->inspect.shards)
        return inspect_shards(c);
    if (fv_driver_path_kind(a->operand[0]) == FV_FILE_ELF)
        return fv_inspect_library(c, a->operand[0]);
    if (!open_view(v, a->operand[0]))
        return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_USAGE;
    look(v);
    if (a->inspect.why && !fv_why_find(&v->why, &v->m, v->launch_costs, v->nlaunch_costs))
        return fv_failed(c);
    bool all = !a->inspect.ops && !a->inspect.memory && !a->inspect.schedules && !a->inspect.why &&
               !a->inspect.attention;
    if (a->print.json)
        return print_json(v, all) ? FV_EXIT_OK : fv_failed(c);
    print_summary(v);
    if (a->inspect.ops && v->m.source.module)
        print_ops(v);
    if (a->inspect.memory)
        print_memory(v);
    if (a->inspect.schedules)
        print_schedules(v);
    if (a->inspect.attention)
        fv_attention_print(&v->attention, &v->m);
    if (a->inspect.why)
        fv_why_print(&v->why);
    return FV_EXIT_OK;
}
