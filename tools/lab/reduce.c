/* reduce.c - `fovea reduce`: finds a smaller model on which a command of the user fails, too.
 *
 * The current model is stored in a file between attempts. Each attempt reads it into a session of
 * its own, makes one change, writes the graph, and runs the command; if the command fails, the new
 * file becomes the current model. An attempt that fails for another reason has no effect. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/graph/verify.h"
#include "tools/command/child.h"
#include "tools/command/named.h"
#include "tools/command/progress.h"
#include "tools/lab/reduce_change.h"

/* The sizes of the model, which determine the possible changes. */
typedef struct summary {
    int ops, results, attributes, constants;
    size_t bytes; /* bytes of all constants */
    int ndims, cap_dims;
    int64_t *dims; /* the numbers above 1 that occur as dims, the largest first */
    fv_name_list symbols;
} summary;

typedef struct reducer {
    fv_context *c;
    fv_emit_kind kind;
    const char *folder;
    const char *model; /* path of the current model, a graph as text on which the command fails */
    summary now;
    int tries, made; /* number of attempts, and of changes that were kept */
} reducer;

static const char *in_folder(const reducer *r, const char *name) {
    return fv_printf(r->c->arena, "%s/%s", r->folder, name);
}

/* ---- parts of a model ---- */

static void note_number(reducer *r, summary *s, int64_t n) {
    int i = 0, k;
    while (i < s->ndims && s->dims[i] > n)
        i++;
    if (n < 2 || (i < s->ndims && s->dims[i] == n))
        return;
    FV_PUSH(r->c->arena, s->dims, s->ndims, s->cap_dims, n);
    for (k = s->ndims - 1; k > i; k--)
        s->dims[k] = s->dims[k - 1];
    s->dims[i] = n;
}

static void note_dim(reducer *r, summary *s, const fv_dim *d) {
    if (fv_dim_is_const(d))
        note_number(r, s, d->value);
    if (d->kind != FV_DIM_SYMBOL || d->from_data)
        return;
    for (int i = 0; i < s->symbols.n; i++)
        if (!strcmp(s->symbols.at[i], d->name))
            return;
    FV_PUSH(r->c->arena, s->symbols.at, s->symbols.n, s->symbols.cap,
            fv_strdup(r->c->arena, d->name));
}

static summary summarise(reducer *r, const fv_module *m) {
    const fv_region *body = m->funcs->body;
    summary s = {.results = body->last->nin};
    for (const fv_op *op = body->first; op != body->last; op = op->next) {
        s.ops++;
        s.attributes += op->nattrs;
    }
    for (int i = 0; i < body->nparams; i++)
        for (int k = 0; body->params[i]->type->kind == FV_TENSOR && k < body->params[i]->type->rank;
             k++)
            note_dim(r, &s, body->params[i]->type->dims[k]);
    for (int i = 0; i < m->nconsts; i++) {
        const fv_tensor *t = m->consts[i]->tensor;
        if (!m->consts[i]->nuses)
            continue;
        s.constants++;
        s.bytes += t->bytes;
        for (int k = 0; k < t->rank; k++)
            note_number(r, &s, t->dims[k]);
    }
    return s;
}

/* ---- tries ---- */

/* Runs the command, which gets the path of the model as "$1". */
static int ask(reducer *r, const char *path) {
    const char *const words[] = {"sh", "-c", r->c->args->rewrite.test, "fovea-reduce", path, NULL};
    r->tries++;
    if (r->tries == 1) /* the model as it was read */
        fv_progress(r->c->args, "try 1");
    else
        fv_progress(r->c->args, "try %d: %d ops, %d constants", r->tries, r->now.ops,
                    r->now.constants);
    int status = fv_child_run(r->c, "/bin/sh", words, in_folder(r, "said.txt"));
    fv_progress_end();
    return status;
}

/* Writes the model in the form that the command reads. Messages of the exporter are not shown. */
static bool write_for_command(fv_context *one, const reducer *r, fv_module *m, const char *path) {
    if (r->kind == FV_EMIT_ONNX)
        return fv_driver_write_onnx(one->session, m, path, FV_WEIGHTS_OBJECT, NULL);
    return fv_driver_write_ir(one->session, m, NULL, path);
}

static void remove_text(const reducer *r, const char *path) {
    unlink(path);
    unlink(fv_printf(r->c->arena, "%s.bin", path));
}

typedef struct try {
    reducer *r;
    const fv_reduce_change *change; /* the change of the graph; NULL: the graph is not changed */
    const char *const *dims;        /* values for symbols, as "NAME=VALUE", NULL-terminated */
    const char *text;               /* path to which the graph is written */
    bool fails;
}
try;

static bool run_try(try *t, fv_context *one) {
    reducer *r = t->r;
    fv_driver_options o = {.dims.given = t->dims};
    fv_source source;
    if (!fv_driver_read(one->session, r->model, &o, &source))
        return false;
    if (t->change && !fv_reduce_change_make(source.module, t->change))
        return false;
    if (!fv_module_verify(source.module, NULL) ||
        !fv_driver_write_ir(one->session, source.module, NULL, t->text))
        return false;
    summary now = summarise(r, source.module);
    const char *path = r->kind == FV_EMIT_IR ? t->text : in_folder(r, "model.onnx");
    if (r->kind != FV_EMIT_IR && !write_for_command(one, r, source.module, path))
        return false;
    t->fails = ask(r, path) > 0;
    if (t->fails)
        r->now = now;
    return true;
}

/* Makes a change of the current model and runs the command; if it fails, the result becomes the
 * current model. Returns whether it did. */
static bool attempt(reducer *r, const fv_reduce_change *change, const char *const *dims) {
    fv_context one = {.session = fv_session_new(), .args = r->c->args};
    try t = {r, change, dims, in_folder(r, fv_printf(r->c->arena, "graph-%d.fvir", r->made + 1)),
             false};
    fv_door door;
    if (!one.session || FV_DOOR_OPEN(one.session, &door))
        fv_leave_too(r->c->session, one.session);
    one.arena = fv_arena_new(one.session);
    bool written = run_try(&t, &one);
    fv_door_close(one.session, &door);
    fv_session_free(one.session);
    if (!written || !t.fails) {
        remove_text(r, t.text);
        return false;
    }
    remove_text(r, r->model);
    r->model = t.text;
    r->made++;
    if (r->c->args->print.verbose)
        fv_err("%d ops, %d constants of %s\n", r->now.ops, r->now.constants,
               fv_size_str(r->c->arena, r->now.bytes));
    return true;
}

/* ---- changes that are tried ---- */

static bool fix_symbols(reducer *r) {
    bool any = false;
    for (int i = 0; i < r->now.symbols.n;) {
        bool fixed = false;
        int before = r->now.symbols.n;
        for (int value = 1; value <= 4 && !fixed; value++) {
            const char *dims[] = {fv_printf(r->c->arena, "%s=%d", r->now.symbols.at[i], value),
                                  NULL};
            fixed = attempt(r, NULL, dims) && r->now.symbols.n < before;
        }
        i += !fixed;
        any |= fixed;
    }
    return any;
}

static bool fewer_results(reducer *r) {
    for (int i = 0; i < r->now.results; i++)
        if (attempt(r, &(fv_reduce_change){.kind = FV_KEEP_RESULT, .at = i}, NULL))
            return true;
    bool any = false;
    for (int i = 0; i < r->now.results;) {
        bool dropped = attempt(r, &(fv_reduce_change){.kind = FV_DROP_RESULT, .at = i}, NULL);
        i += !dropped;
        any |= dropped;
    }
    return any;
}

static bool without(reducer *r, int at, int count) {
    static const fv_change_kind kinds[] = {FV_OPS_TO_INPUTS, FV_OPS_SKIPPED, FV_OPS_TO_ZEROS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int before = r->now.ops;
        if ((kinds[i] != FV_OPS_SKIPPED || count == 1) &&
            attempt(r, &(fv_reduce_change){.kind = kinds[i], .at = at, .count = count}, NULL))
            return r->now.ops < before;
    }
    return false;
}

/* Removes ops: first half of them at once, then quarters, down to single ops, beginning with the
 * last ones. */
static bool fewer_ops(reducer *r) {
    bool any = false;
    for (int count = (r->now.ops + 1) / 2; count > 0; count = count == 1 ? 0 : (count + 1) / 2)
        for (int end = r->now.ops; end > 0;) {
            int at = end > count ? end - count : 0;
            any |= without(r, at, end - at);
            end = at < r->now.ops ? at : r->now.ops;
        }
    return any;
}

static bool has_dim(const reducer *r, int64_t n) {
    for (int i = 0; i < r->now.ndims; i++)
        if (r->now.dims[i] == n)
            return true;
    return false;
}

static bool smaller_dims(reducer *r) {
    bool any = false;
    for (int i = 0; i < r->now.ndims;) {
        int64_t from = r->now.dims[i];
        bool smaller = false;
        for (int64_t to = 1; to < from && !smaller; to *= 2)
            smaller =
                attempt(r, &(fv_reduce_change){.kind = FV_SMALLER_DIM, .from = from, .to = to},
                        NULL) &&
                !has_dim(r, from);
        i += !smaller;
        any |= smaller;
    }
    return any;
}

static bool plainer_ops(reducer *r) {
    bool any = false;
    for (int i = 0, before; i < r->now.attributes;) {
        /* the count is taken again, since inference may have added an attribute */
        before = r->now.attributes;
        bool dropped = attempt(r, &(fv_reduce_change){.kind = FV_DROP_ATTRIBUTE, .at = i}, NULL) &&
                       r->now.attributes < before;
        i += !dropped;
        any |= dropped;
    }
    for (int i = 0; i < r->now.constants; i++)
        any |= attempt(r, &(fv_reduce_change){.kind = FV_ZERO_WEIGHTS, .at = i}, NULL);
    return any;
}

/* Changes that make later attempts cheaper come first. */
static void reduce(reducer *r) {
    bool any = true;
    while (any) {
        any = fewer_results(r);
        any |= fewer_ops(r);
        any |= fix_symbols(r);
        any |= smaller_dims(r);
        any |= plainer_ops(r);
    }
}

/* ---- all ---- */

static bool choose_kind(const fv_args *a, fv_emit_kind *kind) {
    if (!a->rewrite.test)
        return fv_usage(a, "--test is missing: the command that fails; it gets the path of a model "
                           "as \"$1\"") == FV_EXIT_OK;
    if (!a->result.output || !strcmp(a->result.output, "-"))
        return fv_usage(a, "where to? -o OUT.onnx or -o OUT.fvir") == FV_EXIT_OK;
    *kind = fv_emit_by_suffix(a->result.output);
    return *kind == FV_EMIT_ONNX || *kind == FV_EMIT_IR ||
           fv_usage(a, "-o %s: reduce writes .onnx and .fvir", a->result.output) == FV_EXIT_OK;
}

static bool write_result(reducer *r) {
    fv_driver_options o = {0};
    fv_source source;
    return fv_driver_read(r->c->session, r->model, &o, &source) &&
           write_for_command(r->c, r, source.module, r->c->args->result.output);
}

int fv_cmd_reduce(fv_context *c) {
    reducer r = {.c = c};
    fv_driver_options o;
    fv_source source;
    if (!choose_kind(c->args, &r.kind) || !fv_args_driver(c, &o, true))
        return fv_refused(c);
    if (!fv_spares_models(c, "-o ", c->args->result.output) ||
        !fv_driver_read(c->session, c->args->operand[0], &o, &source))
        return fv_failed(c);
    if (!source.module || source.module->definitions) {
        fv_error(c->session, "holds %s, and no graph", source.module ? "definitions" : "kernels");
        return FV_EXIT_MODEL;
    }
    summary first = summarise(&r, source.module);
    if (!fv_module_verify(source.module, NULL) ||
        !(r.folder = fv_driver_temporary(c->session, c->arena)))
        return fv_failed(c);
    r.model = in_folder(&r, "graph-0.fvir");
    if (!fv_driver_write_ir(c->session, source.module, NULL, r.model))
        return fv_failed(c);
    if (!attempt(&r, NULL, NULL)) {
        fv_error(
            c->session,
            "the command does not fail on the model as it is written again: nothing to reduce");
        return FV_EXIT_MODEL;
    }
    reduce(&r);
    if (!write_result(&r))
        return fv_failed(c);
    fv_out("%s: %d of %d ops, %d of %d constants with %s of ", c->args->result.output, r.now.ops,
           first.ops, r.now.constants, first.constants, fv_size_str(c->arena, r.now.bytes));
    fv_out("%s, in %d tries\n", fv_size_str(c->arena, first.bytes), r.tries);
    return FV_EXIT_OK;
}
