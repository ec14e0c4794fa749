/* progress.c - a line on the terminal while something takes long. */
#include "tools/command/progress.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "ir/base/diag.h"
#include "ir/base/quoted.h"

enum { LONGEST = 1000, USUAL_COLUMNS = 80 };

static char task[LONGEST]; /* the text of fv_progress; "": none */

/* ---- the width of a terminal ---- */

static int columns_of_terminal(void) {
    struct winsize size = {0};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col
                                                                       : USUAL_COLUMNS;
}

/* The columns that a terminal needs for the character at s, which is valid UTF-8 of n bytes: 0 for
 * a mark over the character before, 2 for a wide one. The locale has to be one of UTF-8. */
static int columns_of_char(const char *s, size_t n) {
    mbstate_t state = {0};
    wchar_t c;
    size_t read = mbrtowc(&c, s, n, &state);
    int columns = read == n ? wcwidth(c) : -1;
    return columns < 0 ? 2 : columns;
}

/* Escapes the text for a terminal and cuts it to the number of columns; out has room for `size`
 * bytes. */
static void fit(const char *text, int columns, char *out, size_t size) {
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = (locale_t)0;
    size_t used = 0, n = strlen(text), bytes;
    if (utf8)
        before = uselocale(utf8);
    for (bool shows; n > 0; text += bytes, n -= bytes) {
        char one[FV_LONGEST_ESCAPE];
        bytes = fv_char_bytes(text, n, &shows);
        size_t length = fv_char_escape(one, text, bytes, shows, 0);
        columns -= shows ? columns_of_char(one, length) : (int)length;
        if (columns < 0 || used + length >= size)
            break;
        memcpy(out + used, one, length);
        used += length;
    }
    out[used] = 0;
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
}

/* ---- the line ---- */

static bool is_visible(const fv_args *a) {
    bool fills_terminal =
        a->result.output && !strcmp(a->result.output, "-") && fv_is_terminal(STDOUT_FILENO);
    return !a->print.quiet && !fills_terminal && fv_is_terminal(STDERR_FILENO);
}

static void show(const char *text) {
    char line[4 * LONGEST];
    /* one column is left free, since some terminals go to the next line when the last one is set */
    fit(text, columns_of_terminal() - 1, line, sizeof line);
    fv_show_line(line);
}

void fv_progress(const fv_args *a, const char *format, ...) {
    va_list list;
    if (!is_visible(a))
        return;
    va_start(list, format);
    vsnprintf(task, sizeof task, format, list);
    va_end(list);
    show(task);
}

void fv_progress_phase(const fv_args *a, const char *path, const char *format, ...) {
    char phase[LONGEST], line[2 * LONGEST + 2];
    va_list list;
    if (!is_visible(a))
        return;
    va_start(list, format);
    vsnprintf(phase, sizeof phase, format, list);
    va_end(list);
    snprintf(line, sizeof line, "%.*s: %s", LONGEST, *task ? task : path, phase);
    show(line);
}

void fv_progress_end(void) {
    *task = 0;
    fv_show_line("");
}

/* ---- passes and steps ---- */

static void begins(void *user, const char *step) {
    const fv_context *c = user;
    const char *path = fv_diag_file_get(c->session);
    if (!path)
        path = c->args->n ? c->args->operand[0] : "";
    fv_progress_phase(c->args, path, "%s", step);
}

fv_step_progress fv_progress_of_steps(fv_context *c) {
    return is_visible(c->args) ? (fv_step_progress){c, begins} : (fv_step_progress){0};
}
