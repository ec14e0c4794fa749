/* text.c - writes lines of generated C: indentation, wrapping at 100 columns, templates. */
#include <ctype.h>
#include <string.h>

#include "backend/c/internal.h"

enum { WIDTH = 100 };

/* The position at which to break `s`, of which `room` characters fit: a space outside of strings,
 * after an operator or comma, with the least depth of parentheses; of several the last. 0: there is
 * none. */
static size_t break_at(const char *s, size_t room, size_t least) {
    size_t best = 0;
    int depth = 0, best_depth = 1 << 20;
    bool quoted = false;
    for (size_t i = 0; s[i] && i <= room; i++) {
        if (s[i] == '"')
            quoted = !quoted;
        if (quoted) {
            i += s[i] == '\\' && s[i + 1];
            continue;
        }
        depth += (s[i] == '(' || s[i] == '[' || s[i] == '{') -
                 (s[i] == ')' || s[i] == ']' || s[i] == '}');
        bool after_name = i > 0 && (isalnum((unsigned char)s[i - 1]) || strchr("_)]", s[i - 1]));
        if (s[i] == ' ' && i >= least && depth <= best_depth && !after_name) {
            best = i;
            best_depth = depth;
        }
    }
    return best;
}

static void put_indent(fv_text *t, int n) {
    for (int i = 0; i < n; i++)
        fv_text_put(t, " ");
}

static void put_wrapped(fv_text *t, int indent, const char *s) {
    bool control = !strncmp(s, "for (", 5) || !strncmp(s, "if (", 4) || !strncmp(s, "while (", 7) ||
                   !strncmp(s, "static ", 7);
    int more = control ? 8 : 4;
    size_t room = (size_t)(indent < WIDTH - 40 ? WIDTH - indent : 40);
    put_indent(t, indent);
    for (bool first = true;; first = false) {
        size_t fits = first ? room : room - (size_t)more;
        size_t at = strlen(s) > fits ? break_at(s, fits, fits / 6) : 0;
        if (!at && strlen(s) > fits) { /* no position fits, so break at the first space after it */
            const char *space = strchr(s + fits, ' ');
            at = space && !strchr(s, '"') ? (size_t)(space - s) : 0;
        }
        if (!at)
            break;
        fv_text_putn(t, s, at);
        fv_text_put(t, "\n");
        put_indent(t, indent + more);
        s += at + 1;
    }
    fv_text_put(t, s);
    fv_text_put(t, "\n");
}

void fv_c_line(fv_cg *g, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    const char *s = fv_vprintf(g->arena, format, ap);
    va_end(ap);
    if (!*s)
        fv_text_put(g->out, "\n");
    else
        put_wrapped(g->out, g->indent * 4, s);
}

void fv_c_replace(fv_text *t, const char *text, int n, const char *const (*words)[2]) {
    while (*text) {
        int i = 0;
        while (i < n && strncmp(text, words[i][0], strlen(words[i][0])))
            i++;
        fv_text_putn(t, i < n ? words[i][1] : text, i < n ? strlen(words[i][1]) : 1);
        text += i < n ? strlen(words[i][0]) : 1;
    }
}

void fv_c_fill(fv_cg *g, fv_text *t, const char *text, ...) {
    static const char *const numbers[] = {"@0@", "@1@", "@2@", "@3@", "@4@",
                                          "@5@", "@6@", "@7@", "@8@", "@9@"};
    const char *words[12][2] = {{"@name@", g->name}, {"@NAME@", g->NAME}};
    int n = 2;
    va_list ap;
    va_start(ap, text);
    for (const char *arg; n < 12 && (arg = va_arg(ap, const char *)); n++) {
        words[n][0] = numbers[n - 2];
        words[n][1] = arg;
    }
    va_end(ap);
    fv_c_replace(t, text, n, (const char *const(*)[2])words);
}
