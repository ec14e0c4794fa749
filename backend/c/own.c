/* own.c - gives the names that a file of C declares for itself the model's prefix, so that a
 * translation unit may include the files of several models. */
#include <ctype.h>
#include <string.h>

#include "backend/c/internal.h"

typedef struct words {
    fv_cg *g;
    const char *part;
    fv_ptrmap own; /* interned names that the file declares -> the names that they become */
} words;

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static size_t word_at(const char *s) {
    size_t n = 0;
    while (is_word(s[n]))
        n++;
    return n;
}

/* The name that a line beginning with `static` declares: the last word before a parenthesis, a
 * bracket or an initialiser. */
static const char *declared_static(const char *s, size_t *n) {
    const char *end = s + strcspn(s, "([=;\n");
    while (end > s && !is_word(end[-1]))
        end--;
    const char *begin = end;
    while (begin > s && is_word(begin[-1]))
        begin--;
    *n = (size_t)(end - begin);
    return begin;
}

/* The name that a line at the left margin declares for this file; *n = 0: none. */
static const char *declared(const char *line, size_t *n) {
    static const char *const starts[] = {"typedef struct ", "enum { ", "#define ", NULL};
    size_t first = word_at(line);
    const char *second = line + first + (line[first] == ' ');
    *n = 0;
    if (!strncmp(line, "static ", 7) || !strncmp(second, "static ", 7))
        return declared_static(line, n);
    for (int i = 0; starts[i]; i++)
        if (!strncmp(line, starts[i], strlen(starts[i]))) {
            const char *name = line + strlen(starts[i]);
            *n = word_at(name);
            return name;
        }
    return line;
}

static bool has_prefix(const fv_cg *g, const char *name) {
    const char *const prefixes[] = {g->name, g->NAME, "fv_", "FV_", "_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
            return true;
    return false;
}

/* NAME_PART_... for a macro, otherwise name_part_...; a name that begins with `part` keeps it. */
static const char *prefixed(const fv_cg *g, const char *part, const char *name) {
    bool macro = true, has_part = !strncmp(name, part, strlen(part));
    for (const char *c = name; *c; c++)
        macro = macro && !islower((unsigned char)*c);
    const char *prefix = has_part ? g->name : fv_printf(g->arena, "%s_%s", g->name, part);
    return fv_printf(g->arena, "%s_%s", macro ? fv_c_upper(g->arena, prefix) : prefix, name);
}

static void find_own(words *w, const char *text) {
    for (const char *line = text; line; line = strchr(line, '\n')) {
        size_t n;
        line += *line == '\n';
        const char *at = declared(line, &n);
        const char *name = fv_intern(w->g->session, fv_printf(w->g->arena, "%.*s", (int)n, at));
        if (n && !has_prefix(w->g, name))
            *fv_ptrmap_at(&w->own, name) = (void *)(uintptr_t)prefixed(w->g, w->part, name);
    }
}

/* The length of the comment or literal that begins at s; 0: none does. */
static size_t skipped(const char *s) {
    size_t n = 1;
    if (s[0] == '/' && s[1] == '*') {
        const char *end = strstr(s + 2, "*/");
        return end ? (size_t)(end + 2 - s) : strlen(s);
    }
    if (*s != '"' && *s != '\'')
        return 0;
    while (s[n] && s[n] != *s)
        n += s[n] == '\\' && s[n + 1] ? 2 : 1;
    return n + (s[n] != 0);
}

static void put_word(words *w, fv_text *t, const char *s, size_t n, bool member) {
    const char *name = fv_intern(w->g->session, fv_printf(w->g->arena, "%.*s", (int)n, s));
    const char *to = member ? NULL : fv_ptrmap_get(&w->own, name);
    fv_text_put(t, to ? to : name);
}

void fv_c_put_own(fv_cg *g, fv_text *t, const char *part, const char *text) {
    words w = {.g = g, .part = part, .own = fv_ptrmap_in(g->arena)};
    find_own(&w, text);
    for (const char *s = text; *s;) {
        size_t skip = skipped(s), word = word_at(s);
        if (word && !skip) {
            bool member = s > text && (s[-1] == '.' || (s[-1] == '>' && s[-2] == '-'));
            put_word(&w, t, s, word, member);
            s += word;
        } else {
            skip = skip ? skip : 1;
            fv_text_putn(t, s, skip);
            s += skip;
        }
    }
}

/* A helper that is a macro is no object of the file. */
static bool is_macro(const fv_cg *g, const char *name) {
    return strstr(g->prelude.helpers.s, fv_printf(g->arena, "#define %s(", name)) != NULL;
}

void fv_c_short_names(fv_cg *g, fv_text *t) {
    bool any = false;
    for (int i = 0; i < g->prelude.n; i++) {
        const char *name = g->prelude.all[i];
        if (is_macro(g, name))
            continue;
        if (!any)
            fv_text_put(t,
                        "/* Short names within this file; a translation unit may include others. "
                        "*/\n");
        any = true;
        fv_text_printf(t, "#define %s %s_%s\n", name, g->name, name);
    }
    fv_text_put(t, any ? "\n" : "");
}

void fv_c_short_names_end(fv_cg *g, fv_text *t) {
    fv_text_put(t, "\n");
    for (int i = 0; i < g->prelude.n; i++)
        fv_text_printf(t, "#undef %s\n", g->prelude.all[i]);
}

const char *fv_c_file_name(fv_cg *g, const char *want, const char *otherwise) {
    return fv_c_name_prefixed(&g->naming.scope, g->name, want, otherwise);
}
