/* diff_graph.c - `fovea diff --graph`: compares the ops that are left after the passes on two
 * sides. */
#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/graph/print.h"
#include "tools/command/json.h"
#include "tools/lab/diff.h"

typedef struct listed {
    /* name of the op's first result, or of the block that a `return` ends; the op as text */
    const char *name, *line;
    bool there; /* whether the other side has an equal entry */
} listed;

typedef struct listing {
    listed *at;
    int n, cap;
    int ops; /* number of ops, without those called `return` */
} listing;

static void add(fv_context *c, listing *out, const char *name, const char *line) {
    char *text = fv_strdup(c->arena, line), *loc = strstr(text, "    loc(");
    if (loc)
        *loc = 0;
    FV_PUSH(c->arena, out->at, out->n, out->cap,
            ((listed){fv_intern(c->session, name), text, false}));
}

/* Lists the ops of a block and of the blocks within it. The `return` of a block is an entry, too;
 * its name contains that of the block, `where`. */
static void list_block(fv_context *c, const fv_region *block, const char *where, listing *out) {
    for (const fv_op *op = block->first; op; op = op->next) {
        const char *line = fv_op_str(c->arena, op), *name = NULL;
        for (int i = 0; i < op->nout && !name; i++)
            name = op->out[i] ? op->out[i]->name : NULL;
        bool returns = op->def == &fv_return_def;
        out->ops += !returns;
        add(c, out,
            returns ? fv_printf(c->arena, "return of %s", where)
            : name  ? fv_printf(c->arena, "%%%s", name)
                    : line,
            returns ? fv_printf(c->arena, "%s  of %s", line, where) : line);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                list_block(c, op->attrs[i].u.region,
                           fv_printf(c->arena, "%s of %%%s", op->attrs[i].name, name ? name : "_"),
                           out);
    }
}

static bool list(fv_context *c, const fv_diff_side *s, listing *out) {
    fv_context one = {c->session, c->arena, &s->args};
    fv_driver_options o;
    fv_source source;
    *out = (listing){0};
    if (!fv_args_driver(&one, &o, true) || !fv_driver_read(c->session, s->path, &o, &source))
        return false;
    if (!source.module || source.module->definitions)
        return fv_error(c->session, "holds %s, no graph",
                        source.module ? "definitions" : "kernels");
    if (!fv_driver_passes(source.module, &o))
        return false;
    for (const fv_func *f = source.module->funcs; f; f = f->next)
        list_block(c, f->body, fv_printf(c->arena, "@%s", f->name), out);
    return true;
}

static json_t *change(const char *what, const char *a, const char *b) {
    json_t *o = json_object();
    fv_json_set_text(o, "change", what);
    fv_json_set_text(o, "a", a);
    fv_json_set_text(o, "b", b);
    return o;
}

int fv_diff_graphs(fv_context *c, const fv_diff_side *a, const fv_diff_side *b) {
    listing x, y;
    if (!list(c, a, &x) || !list(c, b, &y))
        return fv_failed(c);
    fv_ptrmap of = fv_ptrmap_in(c->arena);
    json_t *changes = json_array();
    int gone = 0, came = 0, changed = 0;
    for (int i = 0; i < y.n; i++)
        *fv_ptrmap_at(&of, y.at[i].name) = &y.at[i];
    for (int i = 0; i < x.n; i++) {
        listed *other = fv_ptrmap_get(&of, x.at[i].name);
        if (other)
            other->there = true;
        if (other && !strcmp(other->line, x.at[i].line))
            continue;
        gone += !other;
        changed += other != NULL;
        fv_json_append(
            changes, change(other ? "changed" : "gone", x.at[i].line, other ? other->line : NULL));
        if (!c->args->print.json)
            fv_out(other ? "- %s\n+ %s\n" : "- %s\n", x.at[i].line, other ? other->line : "");
    }
    for (int i = 0; i < y.n; i++) {
        if (y.at[i].there)
            continue;
        came++;
        fv_json_append(changes, change("new", NULL, y.at[i].line));
        if (!c->args->print.json)
            fv_out("+ %s\n", y.at[i].line);
    }
    bool ok = true;
    if (c->args->print.json) {
        json_t *d = fv_json_document();
        fv_json_set_text(d, "a", a->label);
        fv_json_set_text(d, "b", b->label);
        fv_json_set(d, "changes", changes);
        ok = fv_json_print(c->session, d);
    } else {
        json_decref(changes);
        fv_out("%d of %d ops are gone, %d are new, %d changed\n", gone, x.ops, came, changed);
    }
    return !ok ? fv_failed(c) : gone || came || changed ? FV_EXIT_MODEL : FV_EXIT_OK;
}
