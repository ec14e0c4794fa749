/* weights.c - `fovea weights`: writes the weights of a model as a file for code that was compiled
 * with --replaceable, from a model of the same graph. */
#include <string.h>

#include "frontend/file.h"
#include "ir/base/text.h"
#include "tools/command/command.h"
#include "tools/command/progress.h"

/* ---- what differs ---- */

/* the numbers of characters of a line that a message has, and of those before the difference */
enum { MOST_SHOWN = 160, BEFORE = 60 };

static int length(const char *line) {
    return (int)strcspn(line, "\n");
}

static const char *next(const char *line) {
    line += length(line);
    return *line ? line + 1 : line;
}

/* A line for a message, in which the character `at` is shown. */
static const char *shown(fv_arena *a, const char *line, int at) {
    const int all = length(line), indent = (int)strspn(line, " ");
    const int from = at - BEFORE > indent ? at - BEFORE : indent;
    const int n = all - from > MOST_SHOWN ? MOST_SHOWN : all - from;
    return !all ? "nothing"
                : fv_printf(a, "'%s%.*s%s'", from > indent ? "..." : "", n, line + from,
                            from + n < all ? "..." : "");
}

/* The first character by which two lines differ; negative: they are equal. */
static int difference(const char *a, const char *b) {
    int i = 0;
    while (a[i] == b[i] && a[i] && a[i] != '\n')
        i++;
    return a[i] == b[i] ? -1 : i;
}

/* Compares two layouts by line. False after a diagnostic with the first line that differs. */
static bool agree(fv_context *c, const char *new, const char *old) {
    const char *kernel = NULL;
    for (; (*new || *old) && difference(new, old) < 0; new = next(new), old = next(old))
        if (!strncmp(new, "kernel ", 7))
            kernel = fv_printf(c->arena, ", in %.*s", (int)strcspn(new, "("), new);
        else if (*new == '}')
            kernel = NULL;
    const int at = difference(new, old);
    return at < 0 || fv_error(c->session, "the layout differs from that of %s: it has %s, not %s%s",
                              c->args->result.layout_of, shown(c->arena, new, at),
                              shown(c->arena, old, at), kernel ? kernel : "");
}

/* ---- the two layouts ---- */

/* Lowers the model; *layout: the text of its layout. NULL after a diagnostic. */
static fv_program *lower(fv_context *c, const char *model, const fv_driver_options *o,
                         const char **layout) {
    fv_source source;
    fv_diag_file(c->session, model);
    if (!fv_driver_read(c->session, model, o, &source))
        return NULL;
    fv_program *p = fv_driver_lower(c->session, &source, o);
    *layout = p ? fv_driver_layout(c->arena, p) : NULL;
    return p;
}

/* Compares the layout with that of a file of weights, if the file at --for is one: *is_one. False
 * after a diagnostic. */
static bool agrees_with_file(fv_context *c, const fv_program *p, bool *is_one) {
    const char *path = c->args->result.layout_of;
    fv_weights_head head = {0};
    fv_file f;
    if (!fv_file_map(c->session, c->arena, path, &f))
        return false;
    if (f.size >= sizeof head)
        memcpy(&head, f.data, sizeof head);
    *is_one = head.magic == FV_WEIGHTS_MAGIC;
    if (!*is_one)
        return true;
    if (!(head.content[0] | head.content[1]))
        return fv_error(c->session, "%s is a file of weights of code without --replaceable", path);
    return !memcmp(head.id, p->memory.layout, sizeof head.id) ||
           fv_error(c->session,
                    "the layout differs from that of %s; --for with the model that was compiled "
                    "says where",
                    path);
}

/* Checks --for. */
static bool is_for(fv_context *c, const fv_program *p, const char *layout,
                   const fv_driver_options *o) {
    const char *old = c->args->result.layout_of, *expected;
    bool is_file;
    if (!old)
        return true;
    if (!agrees_with_file(c, p, &is_file))
        return false;
    if (is_file)
        return true;
    bool ok = lower(c, old, o, &expected) != NULL;
    fv_diag_file(c->session, c->args->operand[0]);
    return ok && agree(c, layout, expected);
}

/* ---- the command ---- */

static bool write_weights(fv_context *c, const fv_driver_options *o) {
    const char *model = c->args->operand[0], *out = c->args->result.output, *layout;
    fv_program *p = lower(c, model, o, &layout);
    if (!p || !is_for(c, p, layout, o))
        return false;
    if (!fv_weights_bytes(p))
        return fv_error(c->session, "the model has no weights that a file would hold");
    return fv_spares_models(c, "-o ", out) && fv_driver_write_weights(c->session, p, out);
}

int fv_cmd_weights(fv_context *c) {
    const fv_args *a = c->args;
    const char *out = a->result.output, *old = a->result.layout_of;
    fv_driver_options o;
    if (!out || !strcmp(out, "-"))
        return fv_usage(a, "-o OUT is missing: the file of weights that is written");
    if (old && !strcmp(old, "-"))
        return fv_usage(a, "--for names a file, not standard input");
    if (!fv_args_driver(c, &o, false))
        return fv_refused(c);
    bool ok = write_weights(c, &o);
    fv_progress_end();
    if (!ok || fv_error_count(c->session))
        return fv_failed(c);
    if (!a->print.quiet)
        fv_out("%s\n", out);
    return FV_EXIT_OK;
}
