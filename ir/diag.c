/* diag.c - the messages of a session. */
#include "ir/session.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const fv_message *fv_messages(const fv_session *s) {
    return s->first;
}

int fv_error_count(const fv_session *s) {
    return s->nerrors;
}

void fv_messages_clear(fv_session *s) {
    s->first = s->last = NULL;
    s->nerrors = 0;
    fv_arena_free(s->spoken);
    s->spoken = NULL;
}

void fv_diag_file(fv_session *s, const char *file) {
    s->file = file ? fv_intern(s, file) : NULL;
}

const char *fv_diag_file_get(const fv_session *s) {
    return s->file;
}

static const char *vtext(fv_arena *a, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    size_t size = (size_t)(n < 0 ? 0 : n) + 1;
    char *s = fv_alloc(a, size, 1);
    vsnprintf(s, size, format, again);
    va_end(again);
    return s;
}

bool fv_say(fv_session *s, const fv_message *m, const char *format, va_list args) {
    if (!s->spoken)
        s->spoken = fv_arena_new(s);
    fv_arena *a = s->spoken;
    fv_message *kept = FV_NEW(a, fv_message, 1);
    *kept = *m;
    kept->file = s->file;
    kept->node = m->node ? fv_strdup(a, m->node) : NULL;
    kept->op = m->op ? fv_strdup(a, m->op) : NULL;
    kept->text = vtext(a, format, args);
    kept->next = NULL;
    *(s->last ? &s->last->next : &s->first) = kept;
    s->last = kept;
    s->nerrors += m->severity == FV_ERROR;
    return false;
}

bool fv_error(fv_session *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool no = fv_say(s, &(fv_message){.severity = FV_ERROR}, format, args);
    va_end(args);
    return no;
}

bool fv_error_at(fv_session *s, int line, int column, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool no = fv_say(s, &(fv_message){.severity = FV_ERROR, .line = line, .column = column}, format,
                     args);
    va_end(args);
    return no;
}

bool fv_error_node(fv_session *s, const char *node, const char *op, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool no = fv_say(s, &(fv_message){.severity = FV_ERROR, .node = node, .op = op}, format, args);
    va_end(args);
    return no;
}

bool fv_warning(fv_session *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool no = fv_say(s, &(fv_message){.severity = FV_WARNING}, format, args);
    va_end(args);
    return no;
}

const char *fv_message_str(fv_arena *a, const fv_message *m) {
    static const char *const severity[] = {"note", "warning", "error"};
    fv_text t = {.arena = a};
    fv_text_put(&t, m->file ? m->file : "");
    if (m->line)
        fv_text_printf(&t, "%s%d:%d", m->file ? ":" : "", m->line, m->column);
    fv_text_printf(&t, "%s%s: ", t.n ? ": " : "", severity[m->severity]);
    if (m->node && *m->node)
        fv_text_printf(&t, "node '%s'", m->node);
    else if (m->node)
        fv_text_put(&t, "unnamed node");
    if (m->node && m->op)
        fv_text_printf(&t, " (%s)", m->op);
    else if (m->op)
        fv_text_put(&t, m->op);
    if (m->node || m->op)
        fv_text_put(&t, ": ");
    fv_text_put(&t, m->text);
    return t.s;
}

/* ---- misspelt words ---- */

enum { LONGEST_WORD = 63 };

/* Insertions, deletions and changed letters between two words; a change of case is free. */
static int distance(const char *a, const char *b) {
    int row[LONGEST_WORD + 1], m = (int)strlen(b);
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 0; a[i]; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 0; j < m; j++) {
            int change = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
            int gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < gap ? change : gap;
        }
    }
    return row[m];
}

const char *fv_nearest(const char *word, const char *const *names) {
    size_t n = strlen(word);
    if (n > LONGEST_WORD)
        return NULL;
    const char *best = NULL;
    int limit = n < 3 ? 0 : n < 6 ? 1 : n < 9 ? 2 : 3;
    for (; *names; names++) {
        if (strlen(*names) > LONGEST_WORD)
            continue;
        int d = distance(word, *names);
        if (d <= limit) {
            best = *names;
            limit = d - 1;
        }
    }
    return best;
}
