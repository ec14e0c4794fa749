/* budget.c - finds the smallest change of options with which a model keeps limits of flash and
 * RAM. Each try reads and lowers the model again, because lowering changes the graph. */
#include "tools/subcommand/budget.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/weights.h"
#include "passes/switches.h"
#include "tools/model/footprint.h"

/* Options that make a model smaller; the smallest change first. The order of launches costs
 * nothing; small code takes more time, and strips take more time and flash. */
static const struct change {
    const char *options;
    bool ram, strips, small;
} changes[FV_BUDGET_CHANGES] = {
    {"", false, false, false},
    {"--prefer=ram --disable=strip-rows", true, false, false},
    {"-Os", false, false, true},
    {"--prefer=ram", true, true, false},
    {"-Os --prefer=ram", true, true, true},
};

enum { LISTED = 4 }; /* number of buffers and weights that messages name */

/* ---- limits ---- */

/* Reads a number of bytes such as 65536, 64k or 1m; text NULL: there is no limit. */
static bool read_bytes(fv_context *c, const char *option, const char *text, int64_t *out) {
    char *end;
    *out = INT64_MAX;
    if (!text)
        return true;
    double n = strtod(text, &end);
    n *= *end == 'k' || *end == 'K' ? 1024 : *end == 'm' || *end == 'M' ? 1 << 20 : 1;
    end += *end && strchr("kKmM", *end) ? 1 : 0;
    if (end == text || *end || !(n >= 0 && n < 1e15))
        return fv_usage(c->args, "%s=%s: give bytes, such as 65536 or 64k", option, text) ==
               FV_EXIT_OK;
    *out = (int64_t)n;
    return true;
}

bool fv_budget_read(fv_context *c, fv_budget *b) {
    const fv_result_args *a = &c->args->result;
    return read_bytes(c, "--max-flash", a->max_flash, &b->flash) &&
           read_bytes(c, "--max-ram", a->max_ram, &b->ram);
}

bool fv_budget_limits(const fv_budget *b) {
    return b->flash < INT64_MAX || b->ram < INT64_MAX;
}

int64_t fv_device_flash(const fv_device *d) {
    return d->code + d->tables + d->weights;
}

int64_t fv_device_ram(const fv_device *d) {
    return d->workspace + d->stack;
}

/* The bytes by which the limits are exceeded. */
static int64_t excess(const fv_budget *b, const fv_device *d) {
    int64_t flash = fv_device_flash(d) - b->flash, ram = fv_device_ram(d) - b->ram;
    return (flash > 0 ? flash : 0) + (ram > 0 ? ram : 0);
}

/* ---- tries ---- */

/* How the model is lowered: whether code is small, launches are put into another order, and values
 * are computed in strips. Two changes that agree in this give the same program. */
typedef struct way {
    bool small, order, strips;
} way;

static bool is_disabled(const fv_driver_options *o, const char *step) {
    for (int i = 0; o->work.disable && o->work.disable[i]; i++)
        if (!strcmp(o->work.disable[i], step))
            return true;
    return false;
}

static way way_of(const fv_driver_options *o) {
    bool small = o->level == 's';
    return (way){small, small || o->work.prefers_ram,
                 o->work.prefers_ram && !is_disabled(o, "strip-rows")};
}

/* The options with a change. */
static fv_driver_options changed(fv_context *c, const fv_driver_options *o,
                                 const struct change *change) {
    fv_driver_options r = *o;
    r.level = change->small ? 's' : o->level;
    r.work.prefers_ram = o->work.prefers_ram || change->ram;
    if (change->ram && !change->strips && !o->work.prefers_ram) {
        int n = 0;
        while (o->work.disable && o->work.disable[n])
            n++;
        const char **list = FV_NEW(c->arena, const char *, n + 2);
        for (int i = 0; i < n; i++)
            list[i] = o->work.disable[i];
        list[n] = "strip-rows";
        r.work.disable = list;
    }
    return r;
}

/* A model that was lowered, and what it takes. */
typedef struct lowered {
    fv_program *program;
    fv_device device;
    int64_t *dims; /* empty: the model has no symbols */
} lowered;

/* Lowers the model. False after a diagnostic. */
static bool lower(fv_context *c, const char *model, const fv_driver_options *o, lowered *out) {
    fv_source source;
    fv_args args = *c->args;
    fv_context quiet = *c;
    args.code.level = o->level;
    args.print.quiet = true;
    quiet.args = &args;
    out->program = fv_driver_read(c->session, model, o, &source)
                       ? fv_driver_lower(c->session, &source, o)
                       : NULL;
    if (!out->program || out->program->symbols.n)
        return out->program != NULL;
    out->dims = FV_NEW(c->arena, int64_t, 1);
    return fv_device_of(&quiet, out->program, out->dims, &out->device) ||
           fv_error(c->session, "--max-flash and --max-ram: the workspace is not known");
}

/* ---- refusals ---- */

static const fv_kernel *launched(const fv_block *block, int *n) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        const fv_kernel *k = s->kind == FV_S_LAUNCH && --*n == 0 ? s->call.kernel : NULL;
        k = k ? k : launched(&s->body, n);
        k = k ? k : launched(&s->other, n);
        if (k)
            return k;
    }
    return NULL;
}

/* A buffer or a constant. */
typedef struct item {
    const char *name;
    int64_t bytes;
} item;

static int by_bytes(const void *x, const void *y) {
    const item *a = x, *b = y;
    return a->bytes != b->bytes ? (a->bytes < b->bytes ? 1 : -1) : strcmp(a->name, b->name);
}

/* What takes the memory: the buffers that are alive at once, and the weights; largest first. */
typedef struct holders {
    int launch, nlaunches; /* the launch during which most is alive, from 1; 0: there is none */
    const char *kernel;
    int64_t alive;
    item *buffers, *weights;
    int nbuffers, nweights;
} holders;

static holders holders_of(fv_arena *a, const lowered *x) {
    const fv_program *p = x->program;
    const fv_footprint f = fv_footprint_of(a, p, x->dims);
    holders h = {.nlaunches = f.nlaunches,
                 .kernel = "",
                 .buffers = FV_NEW(a, item, f.nbuffers + 1),
                 .weights = FV_NEW(a, item, p->memory.nconstants + 1)};
    for (int i = 1; i <= f.nlaunches; i++)
        h.launch = f.live[i] > f.live[h.launch] ? i : h.launch;
    int n = h.launch;
    const fv_kernel *k = n ? launched(&p->host.body, &n) : NULL;
    h.kernel = k ? k->name : "";
    h.alive = f.live[h.launch];
    for (int i = 0; i < f.nbuffers; i++) {
        const fv_footprint_buffer *b = &f.buffers[i];
        if (b->buf->role == FV_BUF_WORK && b->first && b->first <= h.launch && h.launch <= b->last)
            h.buffers[h.nbuffers++] = (item){b->buf->name, b->bytes};
    }
    for (int i = 0; i < p->memory.nconstants; i++)
        h.weights[h.nweights++] =
            (item){p->memory.constants[i].name, (int64_t)p->memory.constants[i].bytes};
    qsort(h.buffers, (size_t)h.nbuffers, sizeof *h.buffers, by_bytes);
    qsort(h.weights, (size_t)h.nweights, sizeof *h.weights, by_bytes);
    return h;
}

static void put_items(fv_text *t, int n, const item *all) {
    for (int i = 0; i < n && i < LISTED; i++)
        fv_text_printf(t, "%s%s %" PRId64, i ? ", " : "", all[i].name, all[i].bytes);
    if (n > LISTED)
        fv_text_printf(t, " and %d more", n - LISTED);
}

/* Appends what was tried besides the options as given: "; with -Os 120, with --prefer=ram 80". */
static void put_tried(fv_text *t, const fv_budget *b, int64_t (*bytes)(const fv_device *d)) {
    const bool both = b->flash < INT64_MAX && b->ram < INT64_MAX;
    for (int i = 0; i < b->ntried; i++) {
        const fv_device *d = &b->tried[i].device;
        fv_text_printf(t, "%s%s %" PRId64, i ? ", with " : "; without other options",
                       b->tried[i].options, bytes(d));
        if (both) /* what fits one limit may exceed the other one */
            fv_text_printf(t, " (%" PRId64 " of %s)",
                           bytes == fv_device_ram ? fv_device_flash(d) : fv_device_ram(d),
                           bytes == fv_device_ram ? "flash" : "RAM");
    }
}

/* Reports which limits are exceeded, and what takes how much. Returns false. */
static bool refuse(fv_context *c, const fv_budget *b, const lowered *best) {
    const fv_device *d = &best->device;
    const char *by = d->compiler ? "" : ", by an estimate";
    const holders h = holders_of(c->arena, best);
    fv_text t = {.arena = c->arena};
    if (fv_device_flash(d) > b->flash) {
        fv_text_printf(&t,
                       "--max-flash=%s: it takes %" PRId64 " bytes%s: %" PRId64
                       " of weights, %" PRId64 " of code, %" PRId64 " of tables",
                       c->args->result.max_flash, fv_device_flash(d), by, d->weights, d->code,
                       d->tables);
        fv_text_put(&t, h.nweights ? "; the largest weights are " : "");
        put_items(&t, h.nweights, h.weights);
        put_tried(&t, b, fv_device_flash);
        fv_error(c->session, "%s; `fovea quantize` makes weights smaller", t.s);
    }
    t = (fv_text){.arena = c->arena};
    if (fv_device_ram(d) > b->ram) {
        fv_text_printf(&t,
                       "--max-ram=%s: it takes %" PRId64 " bytes%s: %" PRId64
                       " of workspace, %" PRId64 " of stack",
                       c->args->result.max_ram, fv_device_ram(d), by, d->workspace, d->stack);
        if (h.launch) {
            fv_text_printf(&t, "; launch %d of %d, %s, needs ", h.launch, h.nlaunches, h.kernel);
            put_items(&t, h.nbuffers, h.buffers);
        }
        put_tried(&t, b, fv_device_ram);
        fv_error(c->session, "%s; `fovea inspect --memory` lists the buffers", t.s);
    }
    return false;
}

/* ---- JSON ---- */

json_t *fv_budget_json(const fv_budget *b) {
    json_t *list = json_array();
    for (int i = 0; i < b->ntried; i++) {
        json_t *o = json_object();
        fv_json_set_text(o, "options", b->tried[i].options);
        fv_json_set_int(o, "flash_bytes", fv_device_flash(&b->tried[i].device));
        fv_json_set_int(o, "ram_bytes", fv_device_ram(&b->tried[i].device));
        fv_json_set_bool(o, "fits", excess(b, &b->tried[i].device) == 0);
        fv_json_append(list, o);
    }
    return list;
}

static json_t *items_json(int n, const item *all) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        json_t *o = json_object();
        fv_json_set_text(o, "name", all[i].name);
        fv_json_set_int(o, "bytes", all[i].bytes);
        fv_json_append(list, o);
    }
    return list;
}

static bool print_refusal(fv_context *c, const char *model, const fv_budget *b,
                          const lowered *best) {
    const holders h = holders_of(c->arena, best);
    json_t *d = fv_json_document(), *alive = json_object();
    fv_json_set_text(d, "model", model);
    fv_json_set_bool(d, "fits", false);
    fv_json_set(d, "tried", fv_budget_json(b));
    fv_json_set_int(alive, "launch", h.launch);
    fv_json_set_text(alive, "kernel", h.kernel);
    fv_json_set_int(alive, "bytes", h.alive);
    fv_json_set(alive, "buffers", items_json(h.nbuffers, h.buffers));
    fv_json_set(d, "alive", alive);
    fv_json_set(d, "weights", items_json(h.nweights, h.weights));
    return fv_json_print(c->session, d);
}

/* ---- the search ---- */

bool fv_budget_keep(fv_context *c, const char *model, fv_driver_options *o, fv_args *args,
                    fv_budget *b) {
    way ways[FV_BUDGET_CHANGES];
    lowered best = {0};
    if (!o->target.of || o->target.of->kind != FV_TARGET_MICRO)
        return true;
    if (!strcmp(model, "-"))
        return fv_error(c->session,
                        "--max-flash and --max-ram read the model several times: give a file");
    for (int i = 0; i < FV_BUDGET_CHANGES; i++) {
        const fv_driver_options with = changed(c, o, &changes[i]);
        lowered x = {0};
        bool again = false;
        ways[b->ntried] = way_of(&with);
        for (int k = 0; k < b->ntried; k++)
            again |= !memcmp(&ways[k], &ways[b->ntried], sizeof *ways);
        if (again)
            continue;
        const fv_message *last = fv_messages_last(c->session);
        if (!lower(c, model, &with, &x))
            return false;
        fv_messages_drop(c->session, last); /* they are reported when the model is written */
        if (x.program->symbols.n)
            return true;
        b->tried[b->ntried++] = (fv_budget_try){changes[i].options, x.device};
        if (!best.program || excess(b, &x.device) < excess(b, &best.device))
            best = x;
        if (excess(b, &x.device) == 0) {
            *o = with;
            args->code.level = with.level;
            return true;
        }
    }
    if (c->args->print.json && !print_refusal(c, model, b, &best))
        return false;
    return refuse(c, b, &best);
}
