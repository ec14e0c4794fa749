/* diag.c - the messages of a session. */
#include "ir/base/diag.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "ir/base/session.h"
#include "ir/base/text.h"

const fv_message *fv_messages(const fv_session *s) {
    return s->first;
}

const fv_message *fv_messages_last(const fv_session *s) {
    const fv_message *m = s->first;
    while (m && m->next)
        m = m->next;
    return m;
}

int fv_error_count(const fv_session *s) {
    return s->nerrors;
}

void fv_messages_clear(fv_session *s) {
    s->first = s->last = NULL;
    s->nerrors = 0;
    fv_arena_free(s->message_arena);
    s->message_arena = NULL;
}

void fv_messages_drop(fv_session *s, const fv_message *last) {
    fv_message *m = s->first;
    s->nerrors = 0;
    s->last = NULL;
    if (!last)
        s->first = NULL;
    for (; last && m; m = m->next) {
        s->nerrors += m->severity == FV_ERROR;
        s->last = m;
        if (m == last)
            m->next = NULL;
    }
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
    if (!s->message_arena)
        s->message_arena = fv_arena_new(s);
    fv_arena *a = s->message_arena;
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

/* Does a message before m say the same? */
static bool is_repeated(const fv_session *s, const fv_message *m) {
    bool repeated = false;
    for (const fv_message *x = s->first; x != m && !repeated; x = x->next)
        repeated = x->severity == m->severity && x->line == m->line && x->column == m->column &&
                   !strcmp(x->node ? x->node : "", m->node ? m->node : "") &&
                   !strcmp(x->text, m->text);
    return repeated;
}

void fv_messages_merge(fv_session *s, const fv_message *last, const char *where) {
    fv_message *before = s->first, **link = &s->first;
    for (; last && before != last; before = before->next)
        ;
    link = last ? &before->next : link;
    s->last = last ? before : NULL;
    while (*link) {
        fv_message *m = *link;
        if (is_repeated(s, m)) {
            s->nerrors -= m->severity == FV_ERROR;
            *link = m->next;
            continue;
        }
        m->text = fv_printf(s->message_arena, "%s (%s)", m->text, where);
        s->last = m;
        link = &m->next;
    }
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

void fv_notice(fv_session *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fv_say(s, &(fv_message){.severity = FV_NOTE}, format, args);
    va_end(args);
}

bool fv_warning_at(fv_session *s, int line, int column, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool no = fv_say(s, &(fv_message){.severity = FV_WARNING, .line = line, .column = column},
                     format, args);
    va_end(args);
    return no;
}

/* Escapes a whole message, which may contain names from the model. All messages pass through here,
 * so a message stays one line whatever bytes names contain. */
static const char *shown(fv_arena *a, const char *s, size_t n) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    fv_text_escaped(&t, s, n, 0);
    return t.s;
}

const char *fv_message_str(fv_arena *a, const fv_message *m) {
    static const char *const severity[] = {"note", "warning", "error"};
    fv_text t = {.arena = a};
    fv_text_put(&t, m->file ? m->file : "");
    if (m->line)
        fv_text_printf(&t, "%s%d", m->file ? ":" : "", m->line);
    if (m->line && m->column)
        fv_text_printf(&t, ":%d", m->column);
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
    return shown(a, t.s, t.n);
}

/* ---- misspelt words ---- */

enum { LONGEST_WORD = 63 };

static bool same_letter(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* The edit distance of two words: the number of inserted, deleted, changed and swapped letters. A
 * change between upper and lower case costs nothing. */
static int distance(const char *a, const char *b) {
    int rows[3][LONGEST_WORD + 1], m = (int)strlen(b), n = (int)strlen(a);
    for (int j = 0; j <= m; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *swap = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = above[j - 1] + !same_letter(a[i - 1], b[j - 1]);
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            best = above[j] + 1 < best ? above[j] + 1 : best;
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]) && swap[j - 2] + 1 < best)
                best = swap[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
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
