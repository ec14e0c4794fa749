/* view_names.c - short names of launches and kernels: what the paths in the names of their nodes
 * have in common. */
#include <string.h>

#include "tools/view/view.h"

static bool ends_part(const char *s, size_t n, size_t i) {
    return i == n || s[i] == '/';
}

/* The length of the longest beginning that both names have in common, of whole parts of paths. */
static size_t common_parts(const char *a, size_t na, const char *b, size_t nb) {
    size_t i = 0, whole = 0;
    for (; i < na && i < nb && a[i] == b[i]; i++)
        if (a[i] == '/')
            whole = i;
    return ends_part(a, na, i) && ends_part(b, nb, i) ? i : whole;
}

/* Whether a path has several parts. */
static bool is_inner(const char *path, size_t n) {
    return n > 1 && memchr(path + 1, '/', n - 1);
}

const char *fv_view_label(fv_arena *a, const char *nodes) {
    size_t n = strcspn(nodes, ","), first = n;
    for (const char *p = nodes + n; *p;) {
        p += strspn(p, ", ");
        size_t length = strcspn(p, ",");
        if (*p && strncmp(p, "...", 3))
            n = common_parts(nodes, n, p, length);
        p += length;
    }
    if (!first)
        return NULL;
    return is_inner(nodes, n) || n == first ? fv_strndup(a, nodes, n)
                                            : fv_printf(a, "%.*s, ...", (int)first, nodes);
}

static int parts_in(const char *s) {
    int n = 1;
    for (; *s; s++)
        n += *s == '/';
    return n;
}

/* Writes what two parts of paths have in common at their beginnings, and `*` for the rest. */
static void put_part(fv_text *t, const char *a, size_t na, const char *b, size_t nb) {
    size_t i = 0;
    if (na == nb && !memcmp(a, b, na)) {
        fv_text_putn(t, a, na);
        return;
    }
    while (i < na && i < nb && a[i] == b[i] && a[i] != '*')
        i++;
    fv_text_putn(t, a, i);
    fv_text_put(t, "*");
}

const char *fv_view_label_of_both(fv_arena *arena, const char *a, const char *b) {
    fv_text t = {.arena = arena};
    size_t n = common_parts(a, strlen(a), b, strlen(b));
    if (!strcmp(a, b))
        return a;
    if (parts_in(a) != parts_in(b))
        return n ? fv_printf(arena, "%.*s/*", (int)n, a) : "*";
    while (*a || *b) {
        size_t na = strcspn(a, "/"), nb = strcspn(b, "/");
        put_part(&t, a, na, b, nb);
        a += na;
        b += nb;
        if (*a == '/') { /* so is *b, since both have as many parts */
            fv_text_put(&t, "/");
            a++;
            b++;
        }
    }
    return t.s;
}
