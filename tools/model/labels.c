/* labels.c - short names of launches and kernels: what the paths in the names of their nodes
 * have in common. */
#include <string.h>

#include "ir/base/text.h"
#include "tools/model/labels.h"

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

static const char separator[] = ", "; /* between the names of nodes */

/* The length of the first name of the list, which may contain commas. */
static size_t name_length(const char *nodes) {
    const char *end = strstr(nodes, separator);
    return end ? (size_t)(end - nodes) : strlen(nodes);
}

const char *fv_node_label(fv_arena *a, const char *nodes) {
    size_t n = name_length(nodes), first = n;
    for (const char *p = nodes + n; *p;) {
        p += strlen(separator);
        size_t length = name_length(p);
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

/* Whether a byte continues a character of several bytes in UTF-8. */
static bool is_continuation(char c) {
    return ((unsigned char)c & 0xc0) == 0x80;
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
    while (i && (is_continuation(a[i]) || is_continuation(b[i])))
        i--; /* to the beginning of a character that differs */
    fv_text_putn(t, a, i);
    fv_text_put(t, "*");
}

static const char *label_of_both(fv_arena *arena, const char *a, const char *b) {
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

/* Whether a label shows nothing of the names for which it stands. */
static bool is_empty(const char *label) {
    return !label[strspn(label, "*/")];
}

const char *fv_node_label_of_all(fv_arena *a, int n, const char *const *labels) {
    const char *all = labels[0];
    size_t length = strlen(labels[0]), dots = strlen(", ...");
    for (int i = 1; i < n; i++)
        all = label_of_both(a, all, labels[i]);
    if (all == labels[0] || !is_empty(all))
        return all;
    bool has_dots = length > dots && !strcmp(labels[0] + length - dots, ", ...");
    return has_dots ? labels[0] : fv_printf(a, "%s, ...", labels[0]);
}

const char *fv_kernel_label(fv_arena *a, const fv_model *t, const char *kernel) {
    const char **labels = FV_NEW(a, const char *, t->nlaunches + 1);
    int n = 0;
    for (int i = 0; i < t->nlaunches; i++) {
        const fv_launch_info *launch = &t->launches[i];
        const char *label = strcmp(launch->kernel, kernel) ? NULL : fv_node_label(a, launch->nodes);
        if (label)
            labels[n++] = label;
    }
    return n ? fv_node_label_of_all(a, n, labels) : NULL;
}

const char *fv_kernel_title(fv_arena *a, const fv_model *t, const char *kernel) {
    const char *label = fv_kernel_label(a, t, kernel);
    return label ? fv_printf(a, "%s (%s)", label, kernel) : kernel;
}
