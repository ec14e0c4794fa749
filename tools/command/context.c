/* context.c - the session of one execution of a subcommand: its door, its messages, its exit
 * status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/heap.h"
#include "tools/command/json.h"
#include "tools/command/progress.h"

static bool in_colour(const fv_args *a) {
    const char *no = getenv("NO_COLOR");
    if (a->print.color && strcmp(a->print.color, "auto"))
        return !strcmp(a->print.color, "always");
    return fv_is_terminal(STDERR_FILENO) && !(no && *no);
}

static const struct {
    const char *word, *colour;
} severities[] = {{"error: ", "\033[1;31m"}, {"warning: ", "\033[1;33m"}, {"note: ", "\033[1;36m"}};

/* Prints the line; if colours are wanted, the first word that names a severity is in colour. */
void fv_print_line(const fv_args *a, const char *file, const char *line) {
    const char *at = NULL, *colour = "";
    size_t n = 0;
    if (file)
        fv_err("%s: ", file);
    for (int i = 0; i < 3 && in_colour(a); i++) {
        const char *found = strstr(line, severities[i].word);
        if (!found || (at && at < found))
            continue;
        at = found;
        colour = severities[i].colour;
        n = strlen(severities[i].word) - 1;
    }
    if (at) {
        fv_err("%.*s", (int)(at - line), line);
        fv_put_text(stderr, colour);
        fv_err("%.*s\033[0m", (int)n, at);
        line = at + n;
    }
    fv_err("%s\n", line);
}

void fv_print_messages(const fv_context *c) {
    for (const fv_message *m = fv_messages(c->session); m; m = m->next)
        if (!c->args->print.quiet || m->severity == FV_ERROR)
            fv_print_line(c->args, NULL, fv_message_str(c->arena, m));
    fv_messages_clear(c->session);
}

int fv_failed(const fv_context *c) {
    for (const fv_message *m = fv_messages(c->session); m; m = m->next)
        if (m->severity == FV_ERROR && !strncmp(m->text, "internal error", 14))
            return FV_EXIT_INTERNAL;
    return FV_EXIT_MODEL;
}

int fv_refused(const fv_context *c) {
    return fv_error_count(c->session) ? fv_failed(c) : FV_EXIT_USAGE;
}

void fv_note(const fv_context *c, const char *format, ...) {
    va_list args;
    if (c->args->print.quiet)
        return;
    char text[2000];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fv_print_line(c->args, fv_diag_file_get(c->session), fv_printf(c->arena, "note: %s", text));
}

bool fv_say_log(const fv_context *c, const fv_log *log) {
    static const char error[] = "error: ";
    const char *p = fv_log_text(log);
    if (!*p) /* the text is empty only if there was no memory to format it */
        fv_out_of_memory(c->session);
    while (*p) {
        size_t n = strcspn(p, "\n"), skip = strncmp(p, error, strlen(error)) ? 0 : strlen(error);
        fv_error(c->session, "%.*s", (int)(n - skip), p + skip);
        p += n + (p[n] == '\n');
    }
    return false;
}

const char *fv_size_str(fv_arena *a, uint64_t bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    int u = -1;
    if (bytes < 1000)
        return fv_printf(a, "%llu bytes", (unsigned long long)bytes);
    while (v >= 999.5 && u < 3) {
        v /= 1000;
        u++;
    }
    return fv_printf(a, v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

/* Prints the errors that were reported before memory ran out, which may be the cause, such as a
 * model with huge dims. Does not allocate. */
static void print_last_words(const fv_session *s) {
    for (const fv_message *m = s ? fv_messages(s) : NULL; m; m = m->next)
        if (m->severity == FV_ERROR)
            fv_err("%s%serror: %s\n", m->file ? m->file : "", m->file ? ": " : "", m->text);
}

int fv_run_command(const fv_command *command, const fv_args *args) {
    fv_context c = {.session = fv_session_new(), .args = args};
    fv_door door;
    if (!c.session || FV_DOOR_OPEN(c.session, &door)) {
        print_last_words(c.session);
        fv_err("fovea %s: error: %s\n", args->line.command,
               fv_session_left(c.session, &(fv_left){0}));
        int left = c.session && fv_session_is_broken(c.session) ? FV_EXIT_INTERNAL : FV_EXIT_MODEL;
        fv_session_free(c.session);
        return left;
    }
    fv_heap_own(c.session);
    fv_json_begin();
    c.arena = fv_arena_new(c.session);
    int status = fv_args_check_lists(&c) ? command->run(&c) : FV_EXIT_USAGE;
    fv_progress_end();
    fv_print_messages(&c);
    fv_door_close(c.session, &door);
    fv_session_free(c.session);
    return status;
}
