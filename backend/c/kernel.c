/* kernel.c - writes one kernel as a C function, and the struct and function through which tasks run
 * it. */
#include <string.h>

#include "backend/c/internal.h"
#include "ir/kernel/build.h"

static bool has_task(fv_cg *g, const fv_kernel *k) {
    const char *n = fv_c_kernel_tasks(g, k);
    return !n || strcmp(n, "1") != 0;
}

static void shape(fv_cg *g, fv_text *t, const fv_buf *b) {
    fv_text_printf(t, "%s", fv_c_name_of(g, b));
    for (int i = 0; i < b->rank; i++)
        fv_text_printf(t, "[%s]", fv_c_str(g, b->extent[i]));
}

/* Writes a paragraph of the comment above a kernel, with its further lines indented. */
static void put_note(fv_cg *g, const char *start, const char *what) {
    enum { WIDTH = 96 };
    while (what && *what) {
        size_t n = strlen(what);
        if (n > WIDTH)
            for (n = WIDTH; n > WIDTH / 2 && what[n] != ' ';)
                n--;
        if (what[n] && what[n] != ' ') /* a word that is longer than a line */
            n = strcspn(what, " ");
        fv_text_printf(g->out, "%s %.*s\n", start, (int)n, what);
        what += n + (what[n] == ' ');
        start = " *  ";
    }
}

static void put_comment(fv_cg *g, const fv_kernel *k) {
    fv_arena *a = g->arena;
    put_note(g, "/*", fv_c_comment(a, k->origin && *k->origin ? k->origin : k->name));
    put_note(g, " *", k->formula ? fv_c_comment(a, k->formula) : NULL);
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int i = 0; i < k->nbufs; i++) {
        fv_text_put(&t, i ? ", " : "");
        shape(g, &t, k->bufs[i]);
    }
    put_note(g, " *", t.s);
    put_note(g, " *", k->schedule ? fv_schedule_brief(a, k->schedule) : NULL);
    fv_text_put(g->out, " */\n");
}

/* Gives names to the parameters of a kernel, in a scope of their own. */
static void name_parameters(fv_cg *g, const fv_kernel *k) {
    for (int i = 0; i < k->nbufs; i++)
        fv_c_set_name(g, k->bufs[i], fv_c_name(&g->naming.scope, k->bufs[i]->name, "x"));
}

static void put_head(fv_cg *g, const fv_kernel *k, const char *name) {
    fv_text t = {.arena = g->arena};
    const char *sep = "";
    fv_text_printf(&t, "static %s_KERNEL void %s(", g->NAME, name);
    for (int i = 0; i < k->nbufs; i++, sep = ", ")
        fv_text_printf(&t, "%s%s", sep, fv_c_parameter(g, k->bufs[i], true));
    for (int i = 0; i < k->ndims; i++, sep = ", ")
        fv_text_printf(&t, "%s%s", sep, fv_c_declare(g, k->dims[i]));
    if (has_task(g, k)) {
        fv_text_printf(&t, "%s%s", sep, fv_c_declare(g, k->task));
        sep = ", ";
    } else if (k->task) {
        fv_c_set_name(g, k->task, "0");
    }
    if (k->requires_) {
        fv_text_printf(&t, "%sint32_t *error", sep);
        sep = ", ";
    }
    if (fv_c_kernel_polls(k)) {
        fv_text_printf(&t, "%sconst volatile int32_t *cancel", sep);
        sep = ", ";
    }
    fv_c_open(g, "%s%s)", t.s, *sep ? "" : "void");
    for (int i = 0; i < k->nbufs; i++)
        if (!fv_c_is_used(g, k->bufs[i]))
            fv_c_line(g, "(void)%s;", fv_c_name_of(g, k->bufs[i]));
    for (int i = 0; i < k->ndims; i++)
        if (!fv_c_is_used(g, k->dims[i]))
            fv_c_line(g, "(void)%s;", fv_c_name_of(g, k->dims[i]));
    if (has_task(g, k) && !fv_c_is_used(g, k->task))
        fv_c_line(g, "(void)%s;", fv_c_name_of(g, k->task));
}

/* Writes the struct through which parallel_for passes arguments, and the function that runs a task
 * with it. */
static void put_task(fv_cg *g, const fv_kernel *k, const char *name) {
    fv_text call = {.arena = g->arena};
    fv_c_open(g, "struct %s_args", name);
    for (int i = 0; i < k->nbufs; i++) {
        fv_c_line(g, "%s;", fv_c_parameter(g, k->bufs[i], false));
        fv_text_printf(&call, "a->%s, ", fv_c_name_of(g, k->bufs[i]));
    }
    for (int i = 0; i < k->ndims; i++) {
        const char *n = fv_c_name_of(g, k->dims[i]);
        fv_c_line(g, "int64_t %s;", n);
        fv_text_printf(&call, "%sa->%s, ",
                       fv_c_is_narrow(g, fv_x_var(g->arena, k->dims[i])) ? "(int32_t)" : "", n);
    }
    if (k->requires_)
        fv_c_line(g, "int32_t *error;");
    if (fv_c_kernel_polls(k))
        fv_c_line(g, "const volatile int32_t *cancel;");
    g->indent--;
    fv_c_line(g, "};");
    fv_c_line(g, "%s", "");
    fv_c_open(g, "static void %s_task(void *arg, int64_t task)", name);
    fv_c_line(g, "const struct %s_args *a = (const struct %s_args *)arg;", name, name);
    bool narrow = fv_c_is_narrow(g, fv_x_var(g->arena, k->task));
    fv_c_line(g, "%s(%s%stask%s%s);", name, call.s ? call.s : "", narrow ? "(int32_t)" : "",
              k->requires_ ? ", a->error" : "", fv_c_kernel_polls(k) ? ", a->cancel" : "");
    fv_c_close(g);
    fv_c_line(g, "%s", "");
}

/* Writes the function that computes the number of tasks from dims. */
static void put_tasks(fv_cg *g, const fv_kernel *k, const char *name) {
    fv_text t = {.arena = g->arena};
    g->fn.used = fv_ptrmap_in(g->arena);
    fv_c_mark_expr(g, k->tasks);
    for (int i = 0; i < k->ndims; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", fv_c_declare(g, k->dims[i]));
    fv_c_open(g, "static int64_t %s_tasks(%s)", name, t.s ? t.s : "void");
    for (int i = 0; i < k->ndims; i++)
        if (!fv_c_is_used(g, k->dims[i]))
            fv_c_line(g, "(void)%s;", fv_c_name_of(g, k->dims[i]));
    fv_c_line(g, "return %s;", fv_c_str(g, k->tasks));
    fv_c_close(g);
    fv_c_line(g, "%s", "");
}

void fv_c_kernel(fv_cg *g, fv_kernel *k) {
    if (fv_kernel_collective(k))
        return; /* the host program calls a collective itself */
    /* a plain word might be a built-in function */
    const char *want =
        strpbrk(k->name, "_0123456789") ? k->name : fv_printf(g->arena, "%s_0", k->name);
    const char *name = fv_c_file_name(g, want, "kernel");
    fv_c_set_name(g, k, name);
    fv_c_name_outlines(g, name, &k->body);
    int mark_at = g->naming.scope.n;
    g->fn.in_kernel = true;
    g->fn.outlines = (fv_text){.arena = g->arena};
    g->fn.used = fv_ptrmap_in(g->arena);
    fv_c_mark_used(g, &k->body);
    name_parameters(g, k);
    fv_text body = {.arena = g->arena}, *out = g->out;
    g->out = &body;
    put_head(g, k, name);
    fv_c_matrix_begin(g, &k->body);
    fv_c_block(g, &k->body);
    fv_c_matrix_end(g);
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    g->out = out;
    put_comment(g, k); /* the names of dims are in scope, which the comment uses */
    if (g->fn.outlines.n)
        fv_text_put(out, g->fn.outlines.s);
    fv_text_put(out, body.s);
    if (has_task(g, k))
        put_task(g, k, name);
    fv_c_scope_leave(&g->naming.scope, mark_at);
    if (!fv_c_kernel_tasks(g, k)) {
        put_tasks(g, k, name);
        fv_c_scope_leave(&g->naming.scope, mark_at);
    }
    g->fn.in_kernel = false;
    g->fn.tiles = NULL;
}
