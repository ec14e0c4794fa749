/* diff.c - `fovea diff`: finds where two ways to run a model, or two models, differ, op by op.
 *
 * Intermediate values are made visible as outputs, a chunk of them in each run. A value that is an
 * output needs memory, so ops that would be fused across it are not: chunks of one value change the
 * computation least, and need the most runs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/command/progress.h"
#include "tools/data/compare.h"
#include "tools/lab/diff.h"
#include "tools/model/model.h"

typedef struct value {
    const char *name[2]; /* the value's name in model A and in model B */
    const char *op, *node;
    bool is_output;
    int at[2]; /* if is_output: the index of the output in A and in B */
} value;

typedef struct finding {
    const value *v;
    fv_difference d; /* how much the value in B differs from that in A */
} finding;

typedef struct comparison {
    fv_context *c;
    fv_diff_side side[2];
    fv_subject base; /* the model of A, whose inputs both sides get */
    value *values;
    /* n: number of pairs of values; cap: their capacity; lonely: number of values of A without a
     * corresponding value of B */
    int n, cap, lonely;
    finding *found;
    int nfound, cap_found;
} comparison;

/* ---- sides ---- */

/* Part i of a text "a,b", or the whole text if it has one part; NULL: it has more than two
 * parts. */
static const char *part(fv_arena *a, const char *text, char by, int i) {
    const char *comma = text ? strchr(text, by) : NULL;
    if (!comma)
        return text;
    if (strchr(comma + 1, by))
        return NULL;
    return i ? fv_strdup(a, comma + 1) : fv_strndup(a, text, (size_t)(comma - text));
}

static bool set_part(fv_context *c, const char *option, const char *text, char by, int i,
                     const char **out) {
    *out = part(c->arena, text, by, i);
    return !text || *out ||
           fv_usage(c->args, "%s takes one value, or one for each side", option) == FV_EXIT_OK;
}

/* The passes of -O0 as a list for --passes. With this option the script's operators are declared,
 * but its passes do not run. */
static const char *least_passes(fv_arena *a) {
    fv_text t = {.arena = a};
    for (const char *const *p = fv_pipeline('0'); *p; p++)
        fv_text_printf(&t, "%s%s", t.n ? "," : "", *p);
    return t.s;
}

static bool make_side(fv_context *c, int i, fv_diff_side *s) {
    const fv_args *a = c->args;
    const char *level;
    *s = (fv_diff_side){.path = a->operand[a->n > 1 ? i : 0], .args = *a};
    if (!strcmp(s->path, "-"))
        return fv_usage(a, "diff reads its models several times: standard input is read once, "
                           "write it to a file") == FV_EXIT_OK;
    if (!set_part(c, "--backend", a->code.backend, ',', i, &s->args.code.backend) ||
        !set_part(c, "--schedule", a->code.schedule, ',', i, &s->args.code.schedule) ||
        !set_part(c, "--passes", a->code.passes, ':', i, &s->args.code.passes) ||
        !set_part(c, "--levels", a->diff.levels, ',', i, &level))
        return false;
    if (s->args.code.schedule && strcmp(s->args.code.schedule, "naive") &&
        strcmp(s->args.code.schedule, "default"))
        return fv_usage(a, "there is no schedule '%s'; there are naive and default",
                        s->args.code.schedule) == FV_EXIT_OK;
    if (level && (strlen(level) != 1 || !strchr("0123s", *level)))
        return fv_usage(a, "--levels: there is no level -O%s; there are -O0 to -O3 and -Os",
                        level) == FV_EXIT_OK;
    if (level)
        s->args.code.level = *level;
    /* with a single model and no options for the sides, side A is the naive schedule at -O0 */
    if (a->n == 1 && !i && !a->code.backend && !a->code.schedule && !a->code.passes &&
        !a->diff.levels) {
        s->args.code.schedule = "naive";
        s->args.code.level = '0';
        if (a->script.script || a->script.pipeline)
            s->args.code.passes = least_passes(c->arena);
    }
    fv_driver_options o; /* these options are set only to report errors in the arguments */
    fv_backend_kind backends[FV_MOST_BACKENDS];
    fv_context one = {c->session, c->arena, &s->args};
    if (fv_args_backends(&s->args, backends) != 1 || !fv_args_driver(&one, &o, true))
        return false;
    s->backend = backends[0];
    s->label = fv_printf(c->arena, "%s, %s, -O%c%s%s%s", s->path, fv_backend_name(s->backend),
                         o.level ? o.level : '2', o.naive ? ", naive schedule" : "",
                         s->args.code.passes ? ", passes " : "",
                         s->args.code.passes ? s->args.code.passes : "");
    return true;
}

/* ---- values ---- */

static const char *node_of(fv_arena *a, const fv_op *op) {
    return op->origin->n ? fv_strdup(a, op->origin->nodes[0]) : "";
}

/* Is v a tensor of numbers that is compared? Small integer tensors that are known as dims are left
 * out, since making them outputs would change most of a model. */
static bool is_shown(const fv_value *v) {
    return v && v->type && v->type->kind == FV_TENSOR && !v->elems && v->type->elem != FV_STRING &&
           v->type->elem != FV_C64 && v->type->elem != FV_C128 && v->type->rank <= FV_ARRAY_RANK;
}

static bool is_of_node(const fv_op *op, const fv_op *other) {
    return other->origin->n && *other->origin->nodes[0] && op->origin->n &&
           !strcmp(op->origin->nodes[0], other->origin->nodes[0]);
}

static bool has_rank_of(const fv_value *v, const fv_value *other) {
    return is_shown(v) && v->type->rank == other->type->rank;
}

/* The value of the other model m that corresponds to result `out` of op: the value of the same name
 * if its op is of the same node; otherwise the result of an op with the same node and operator, the
 * last one if there are several; otherwise the value of the same name. NULL: there is none. (An op
 * of that node with another operator may compute only a part of the result.) */
static const fv_value *partner(fv_module *m, const fv_op *op, int out) {
    const fv_value *v = fv_value_find(m, op->out[out]->name);
    if (v && v->def && is_of_node(v->def, op) && has_rank_of(v, op->out[out]))
        return v;
    for (fv_op *o = m->funcs->body->last; o; o = o->prev)
        if (is_of_node(o, op) && o->def == op->def && out < o->nout &&
            has_rank_of(o->out[out], op->out[out]))
            return o->out[out];
    return is_shown(v) ? v : NULL;
}

static bool is_result(const fv_func *f, const fv_value *v) {
    for (int i = 0; i < f->body->last->nin; i++)
        if (f->body->last->in[i] == v)
            return true;
    return false;
}

static void add_value(comparison *d, fv_module *a, fv_module *b, const fv_op *op, int i) {
    fv_arena *arena = d->c->arena;
    const fv_value *v = op->out[i], *other = b == a ? v : partner(b, op, i);
    if (!other || other->kind != FV_VALUE_RESULT) {
        d->lonely++;
        return;
    }
    if (is_result(a->funcs, v) && is_result(b->funcs, other))
        return; /* the value is an output, and outputs are compared anyway */
    value w = {.name = {fv_strdup(arena, v->name), fv_strdup(arena, other->name)},
               .op = fv_strdup(arena, fv_opdef_qualified(arena, op->def)),
               .node = node_of(arena, op)};
    FV_PUSH(arena, d->values, d->n, d->cap, w);
}

/* Adds pairs of outputs with the same name after all other values; outputs are available in every
 * run. */
static bool add_outputs(comparison *d, const fv_func *a, const fv_func *b) {
    fv_arena *arena = d->c->arena;
    int before = d->n;
    for (int i = 0; i < a->body->last->nin; i++)
        for (int k = 0; k < b->body->last->nin; k++) {
            if (strcmp(a->result_names[i], b->result_names[k]))
                continue;
            const fv_op *op = a->body->last->in[i]->def;
            value w = {.name = {fv_strdup(arena, a->result_names[i]),
                                fv_strdup(arena, a->result_names[i])},
                       .op = op ? fv_strdup(arena, fv_opdef_qualified(arena, op->def)) : "",
                       .node = op ? node_of(arena, op) : "",
                       .is_output = true,
                       .at = {i, k}};
            FV_PUSH(arena, d->values, d->n, d->cap, w);
        }
    return d->n > before ||
           fv_error(d->c->session, "the models have no outputs with the same name");
}

static fv_module *read_graph(fv_context *c, const fv_diff_side *s) {
    fv_context one = {c->session, c->arena, &s->args};
    fv_driver_options o;
    fv_source source;
    if (!fv_args_driver(&one, &o, true) || !fv_driver_read(c->session, s->path, &o, &source))
        return NULL;
    if (!source.module || source.module->definitions) {
        fv_error(c->session, "holds %s, no graph", source.module ? "definitions" : "kernels");
        return NULL;
    }
    return source.module;
}

static bool list_values(comparison *d) {
    fv_module *a = read_graph(d->c, &d->side[0]), *b = a;
    if (a && strcmp(d->side[0].path, d->side[1].path))
        b = read_graph(d->c, &d->side[1]);
    if (!a || !b)
        return false;
    for (const fv_op *op = a->funcs->body->first; op != a->funcs->body->last; op = op->next)
        for (int i = 0; i < op->nout; i++)
            if (is_shown(op->out[i]))
                add_value(d, a, b, op, i);
    return add_outputs(d, a->funcs, b->funcs);
}

/* ---- runs ---- */

typedef struct chunk {
    const comparison *d;
    int side, first, n;
} chunk;

/* Adds the values of the chunk to the outputs of the model, after the existing ones. */
static bool show(void *user, fv_module *m) {
    const chunk *k = user;
    fv_value **values = FV_NEW(m->arena, fv_value *, k->n + 1);
    const char **names = FV_NEW(m->arena, const char *, k->n + 1);
    for (int i = 0; i < k->n; i++) {
        const char *name = k->d->values[k->first + i].name[k->side];
        values[i] = fv_value_find(m, name);
        names[i] = fv_printf(m->arena, "value %d", i); /* a name that no output of a model has */
        if (!values[i])
            return fv_error(m->session, "value '%s' is not there when the model is read again",
                            name);
    }
    fv_func_add_results(m->funcs, k->n, values, names);
    return true;
}

/* Runs the chunk in a session of its own. *out: the outputs, copied to the arena `keep`, and after
 * them one without element type. */
static bool run_chunk(comparison *d, chunk *k, fv_arena *keep, fv_tensor **out) {
    const fv_diff_side *s = &d->side[k->side];
    fv_context one = {.session = fv_session_new(), .args = &s->args};
    fv_subject m = {0};
    const fv_change change = {.read = show, .user = k};
    fv_door door;
    bool ok = false;
    if (!one.session || FV_DOOR_OPEN(one.session, &door))
        fv_leave_too(d->c->session, one.session);
    one.arena = fv_arena_new(one.session);
    ok = fv_subject_open_changed(&one, s->path, s->backend, &change, &m) &&
         fv_give_inputs(&one, &d->base, &m) && !fv_subject_run(&one, &m);
    int n = ok ? m.table->noutputs : 0;
    *out = FV_NEW(keep, fv_tensor, n + 1);
    for (int i = 0; i < n; i++) {
        fv_tensor t = fv_array_tensor(keep, &m.data.outputs[i]);
        void *copy = fv_alloc_aligned(keep, t.bytes + 1, 64);
        if (t.bytes)
            memcpy(copy, t.data, t.bytes);
        t.data = copy;
        (*out)[i] = t;
    }
    if (!ok) {
        fv_progress_end();
        fv_print_messages(&one);
    }
    fv_subject_close(&m);
    fv_door_close(one.session, &door);
    fv_session_free(one.session);
    return ok || fv_error(d->c->session, "%s: cannot be compared", s->label);
}

/* ---- differences ---- */

static finding look(comparison *d, const value *v, const fv_tensor *a, const fv_tensor *b) {
    const fv_args *args = d->c->args;
    return (finding){.v = v,
                     .d = fv_differ_tensors(d->c->arena, b, a, args->data.atol, args->data.rtol)};
}

static bool differs(const finding *f) {
    return f->d.shape || f->d.differing;
}

static void compare_chunk(comparison *d, const chunk *k, const fv_tensor *a, const fv_tensor *b,
                          int na, int nb) {
    for (int i = 0; i < k->n; i++) {
        finding f = look(d, &d->values[k->first + i], &a[na + i], &b[nb + i]);
        FV_PUSH(d->c->arena, d->found, d->nfound, d->cap_found, f);
    }
}

/* Runs a chunk on both sides and compares its values; with the last chunk, also compares the
 * model's outputs. */
static bool run_both(comparison *d, int first, int n, int inner) {
    fv_arena *scratch = fv_arena_new(d->c->session);
    fv_tensor *out[2];
    int outputs[2] = {0, 0};
    chunk k[2] = {{d, 0, first, n}, {d, 1, first, n}};
    bool ok = run_chunk(d, &k[0], scratch, &out[0]) && run_chunk(d, &k[1], scratch, &out[1]);
    for (int s = 0; ok && s < 2; s++) /* outputs of the model come before those of the chunk */
        while (out[s][outputs[s] + n].elem != FV_NO_ELEM)
            outputs[s]++;
    if (ok)
        compare_chunk(d, &k[0], out[0], out[1], outputs[0], outputs[1]);
    for (int i = inner; ok && first + n == inner && i < d->n; i++) {
        const value *v = &d->values[i];
        finding f = look(d, v, &out[0][v->at[0]], &out[1][v->at[1]]);
        FV_PUSH(d->c->arena, d->found, d->nfound, d->cap_found, f);
    }
    fv_arena_free(scratch);
    return ok;
}

static bool run_all(comparison *d) {
    int inner = 0, step = d->c->args->diff.chunk;
    while (inner < d->n && !d->values[inner].is_output)
        inner++;
    bool ok = true;
    for (int first = 0; ok && (first < inner || !first); first += step) {
        int n = inner - first < step ? inner - first : step;
        fv_progress(d->c->args, "%d of %d values compared", first, d->n);
        ok = run_both(d, first, n, inner);
    }
    fv_progress_end();
    return ok;
}

/* ---- the report ---- */

static const char *what_of(fv_arena *a, const value *v) {
    fv_text t = {.arena = a};
    fv_text_printf(&t, "%s", v->is_output ? "output " : "%");
    fv_text_name(&t, v->name[0]);
    if (*v->op)
        fv_text_printf(&t, " (%s%s%s%s)", v->op, *v->node ? ", node '" : "", v->node,
                       *v->node ? "'" : "");
    return t.s;
}

static const char *how_far(fv_arena *a, const finding *f) {
    if (f->d.shape)
        return f->d.shape;
    if (!f->d.differing && !(f->d.worst > 0))
        return fv_printf(a, "%zu elements are equal", f->d.count);
    const char *relative = f->d.relative < 0 ? "" : fv_printf(a, "relative %.3g, ", f->d.relative);
    return fv_printf(a,
                     "%zu of %zu elements differ; the worst, %zu, is %.9g, expected %.9g; absolute "
                     "%.3g, %s%" PRIu64 " ulp",
                     f->d.differing, f->d.count, f->d.worst_at, f->d.got, f->d.want, f->d.worst,
                     relative, f->d.ulp);
}

static const char *whose(const bool of[2]) {
    return of[0] && of[1] ? "of both" : of[1] ? "of A only" : "of B only";
}

static const finding *first_that(const comparison *d, bool (*is)(const finding *f)) {
    for (int i = 0; i < d->nfound; i++)
        if (is(&d->found[i]))
            return &d->found[i];
    return NULL;
}
static bool has_nan(const finding *f) {
    return f->d.nan[0] || f->d.nan[1];
}
static bool has_inf(const finding *f) {
    return f->d.inf[0] || f->d.inf[1];
}

static int count_differing(const comparison *d) {
    int n = 0;
    for (int i = 0; i < d->nfound; i++)
        n += differs(&d->found[i]);
    return n;
}

static void print_report(const comparison *d) {
    fv_arena *a = d->c->arena;
    const finding *first = first_that(d, differs), *nan = first_that(d, has_nan),
                  *inf = first_that(d, has_inf);
    fv_out("A          %s\nB          %s\n", d->side[0].label, d->side[1].label);
    fv_out("values     %d compared, %d differ", d->nfound, count_differing(d));
    if (d->lonely)
        fv_out("; %d are in A only", d->lonely);
    fv_out("\n");
    if (first)
        fv_out("first      %s: %s\n", what_of(a, first->v), how_far(a, first));
    if (nan)
        fv_out("first NaN  %s, %s\n", what_of(a, nan->v), whose(nan->d.nan));
    if (inf)
        fv_out("first Inf  %s, %s\n", what_of(a, inf->v), whose(inf->d.inf));
    for (int i = 0; i < d->nfound; i++)
        if (differs(&d->found[i]) || d->c->args->print.verbose)
            fv_out("  %-9s %s: %s\n", differs(&d->found[i]) ? "DIFFERS" : "",
                   what_of(a, d->found[i].v), how_far(a, &d->found[i]));
}

static json_t *finding_json(const finding *f) {
    json_t *o = json_object();
    fv_json_set_text(o, "name", f->v->name[0]);
    if (strcmp(f->v->name[0], f->v->name[1]))
        fv_json_set_text(o, "name_in_b", f->v->name[1]);
    fv_json_set_text(o, "op", f->v->op);
    fv_json_set_text(o, "node", f->v->node);
    fv_json_set_bool(o, "output", f->v->is_output);
    fv_json_set_bool(o, "differs", differs(f));
    if (f->d.shape) {
        fv_json_set_text(o, "shape", f->d.shape);
        return o;
    }
    fv_json_set_int(o, "elements", (int64_t)f->d.count);
    fv_json_set_int(o, "differing", (int64_t)f->d.differing);
    fv_json_set(o, "absolute", fv_json_real(f->d.worst));
    fv_json_set(o, "relative", f->d.relative < 0 ? json_null() : fv_json_real(f->d.relative));
    fv_json_set(o, "rms", fv_json_real(f->d.spread.rms));
    fv_json_set(o, "of_range", fv_json_real(f->d.spread.of_range));
    fv_json_set(o, "cosine", fv_json_real(f->d.spread.cosine));
    fv_json_set_int(o, "ulp", f->d.ulp > INT64_MAX ? INT64_MAX : (int64_t)f->d.ulp);
    fv_json_set_int(o, "worst_at", (int64_t)f->d.worst_at);
    fv_json_set_bool(o, "nan_in_a", f->d.nan[1]);
    fv_json_set_bool(o, "nan_in_b", f->d.nan[0]);
    fv_json_set_bool(o, "inf_in_a", f->d.inf[1]);
    fv_json_set_bool(o, "inf_in_b", f->d.inf[0]);
    return o;
}

static bool print_json(const comparison *d) {
    json_t *o = fv_json_document(), *list = json_array();
    const finding *first = first_that(d, differs), *nan = first_that(d, has_nan),
                  *inf = first_that(d, has_inf);
    fv_json_set_text(o, "a", d->side[0].label);
    fv_json_set_text(o, "b", d->side[1].label);
    fv_json_set_int(o, "compared", d->nfound);
    fv_json_set_int(o, "differing", count_differing(d));
    fv_json_set_int(o, "in_a_only", d->lonely);
    fv_json_set_text(o, "first", first ? first->v->name[0] : NULL);
    fv_json_set_text(o, "first_nan", nan ? nan->v->name[0] : NULL);
    fv_json_set_text(o, "first_inf", inf ? inf->v->name[0] : NULL);
    for (int i = 0; i < d->nfound; i++)
        fv_json_append(list, finding_json(&d->found[i]));
    fv_json_set(o, "values", list);
    return fv_json_print(d->c->session, o);
}

/* ---- all ---- */

static bool make_inputs(comparison *d) {
    /* the interpreter is the backend that opens fastest, and only the model's table is needed */
    fv_args args = d->side[0].args;
    args.code.schedule = "naive";
    fv_context one = {d->c->session, d->c->arena, &args};
    return fv_subject_open(&one, d->side[0].path, FV_BACKEND_INTERP, &d->base) &&
           fv_read_inputs(d->c, &d->base) && fv_choose_dims(d->c, &d->base, false) &&
           fv_has_work(d->c, &d->base, "compare") && fv_make_inputs(d->c, &d->base);
}

int fv_cmd_diff(fv_context *c) {
    comparison *d = FV_NEW(c->arena, comparison, 1);
    d->c = c;
    if (c->args->code.states.n)
        return fv_usage(c->args, "diff runs once: --state does not apply");
    if (c->args->diff.chunk < 1)
        return fv_usage(c->args, "--chunk takes a number of at least 1");
    if (!make_side(c, 0, &d->side[0]) || !make_side(c, 1, &d->side[1]))
        return fv_refused(c);
    if (c->args->diff.graph)
        return fv_diff_graphs(c, &d->side[0], &d->side[1]);
    bool ok = list_values(d) && make_inputs(d) && run_all(d);
    if (ok && c->args->print.json)
        ok = print_json(d);
    else if (ok)
        print_report(d);
    fv_subject_close(&d->base);
    return !ok ? fv_failed(c) : count_differing(d) ? FV_EXIT_MODEL : FV_EXIT_OK;
}
