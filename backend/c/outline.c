/* outline.c - makes a function of an outlined block of a kernel, before the kernel, so that
 * compilers can use all registers for it. */
#include "backend/consumer/outline.h"

#include <string.h>

#include "backend/c/internal.h"
#include "ir/kernel/matrix.h"

typedef struct outliner {
    fv_cg *g;
    fv_outline takes;
    fv_text params, args;
} outliner;

static void put_param(outliner *o, const char *declaration, const char *arg) {
    const char *sep = o->params.n ? ", " : "";
    fv_text_printf(&o->params, "%s%s", sep, declaration);
    fv_text_printf(&o->args, "%s%s", sep, arg);
}

static void put_buffers(outliner *o) {
    fv_cg *g = o->g;
    for (int i = 0; i < o->takes.nbufs; i++) {
        const fv_buf *b = o->takes.bufs[i];
        const char *name = fv_c_name_of(g, b);
        if (!fv_c_is_used(g, b)) /* the tile is not declared, because nothing reads it */
            continue;
        put_param(o, b->role == FV_BUF_TILE ? fv_c_tile(g, b) : fv_c_parameter(g, b, true), name);
    }
}

/* Passes the variables that the function uses. Extents that no address needs are left out. */
static void put_variables(outliner *o, const fv_stmt *s) {
    fv_cg *g = o->g;
    fv_ptrmap all = g->fn.used;
    g->fn.used = fv_ptrmap_in(g->arena);
    for (int i = 0; i < o->takes.nbufs; i++)
        if (fv_ptrmap_get(&all, o->takes.bufs[i]))
            fv_c_mark(g, o->takes.bufs[i]);
    fv_c_mark_used(g, &s->body);
    for (int i = 0; i < o->takes.nvars; i++) {
        const char *name = fv_c_name_of(g, o->takes.vars[i]);
        /* the number of the task is constant if there is only one */
        bool is_number = *name >= '0' && *name <= '9';
        if (!is_number && fv_c_is_used(g, o->takes.vars[i]))
            put_param(o, fv_printf(g->arena, "%s %s", fv_c_var_type(g, o->takes.vars[i]), name),
                      name);
    }
    g->fn.used = all;
}

void fv_c_outline(fv_cg *g, const fv_stmt *s) {
    outliner o = {.g = g,
                  .takes = fv_outline_of(g->arena, s),
                  .params = {.arena = g->arena},
                  .args = {.arena = g->arena}};
    const char *name = fv_c_name_of(g, s);
    put_buffers(&o);
    put_variables(&o, s);
    if (o.takes.requires_)
        put_param(&o, "int32_t *error", "error");
    fv_text *out = g->out;
    int indent = g->indent;
    g->out = &g->fn.outlines;
    g->indent = 0;
    const char *tiles = g->fn.tiles;
    fv_c_open(g, "static %s_NOINLINE void %s(%s)", g->NAME, name, o.params.n ? o.params.s : "void");
    fv_c_matrix_begin(g, &s->body);
    fv_c_block(g, &s->body);
    fv_c_close(g);
    g->fn.tiles = tiles;
    fv_c_line(g, "%s", "");
    g->out = out;
    g->indent = indent;
    fv_c_line(g, "%s(%s);", name, o.args.n ? o.args.s : "");
    if (fv_matrix_first(&s->body))
        fv_c_matrix_called(g);
}

void fv_c_name_outlines(fv_cg *g, const char *kernel, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        if (s->kind == FV_S_OUTLINE)
            fv_c_set_name(
                g, s,
                fv_c_file_name(g, fv_printf(g->arena, "%s_tile", kernel + strlen(g->name) + 1),
                               "tile"));
        fv_c_name_outlines(g, kernel, &s->body);
        fv_c_name_outlines(g, kernel, &s->other);
    }
}
