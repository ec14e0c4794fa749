/* changed_lines.c - compares two texts line by line, by their longest common subsequence. */
#include <string.h>

#include "tools/lab/changed_lines.h"

enum {
    MOST_LINES = 24, /* most changed lines that are returned; lines with "..." come in addition */
    MOST_CELLS = 1 << 22 /* most pairs of lines for which the subsequence is computed */
};

typedef struct comparison {
    const char *const *x, *const *y; /* the lines between the common beginning and the common end */
    int n, m;
    /* common[i * (m + 1) + k]: the most lines that x from i on and y from k on have in common, in
     * the same order; NULL: there are too many lines, so all of x is removed and all of y added */
    int *common;
    bool apart; /* whether common lines follow the last change */
    fv_arena *arena;
    const char **lines; /* what is returned */
    int nlines, cap;
    int changed; /* changed lines so far, those that are not returned included */
} comparison;

static void count_common(comparison *c, fv_arena *a) {
    size_t width = (size_t)c->m + 1;
    if ((size_t)c->n + 1 > MOST_CELLS / width)
        return;
    c->common = FV_NEW(a, int, ((size_t)c->n + 1) * width);
    for (int i = c->n; i-- > 0;)
        for (int k = c->m; k-- > 0;) {
            int *at = c->common + (size_t)i * width + (size_t)k;
            int removed = at[width], added = at[1];
            *at = !strcmp(c->x[i], c->y[k]) ? at[width + 1] + 1 : removed > added ? removed : added;
        }
}

static void add(comparison *c, const char *line) {
    FV_PUSH(c->arena, c->lines, c->nlines, c->cap, line);
}

static void add_changed(comparison *c, const char *sign, const char *line) {
    if (c->changed++ >= MOST_LINES)
        return;
    if (c->apart && c->nlines)
        add(c, "  ...");
    add(c, fv_printf(c->arena, "%s %s", sign, line));
    c->apart = false;
}

/* Whether x[i] is removed before y[k] is added: a line that replaces another follows it. */
static bool is_removed(const comparison *c, int i, int k) {
    size_t width = (size_t)c->m + 1, at = (size_t)i * width + (size_t)k;
    return k == c->m || (i < c->n && (!c->common || c->common[at + width] >= c->common[at + 1]));
}

static void compare(comparison *c) {
    int i = 0, k = 0;
    while (i < c->n || k < c->m)
        if (c->common && i < c->n && k < c->m && !strcmp(c->x[i], c->y[k])) {
            c->apart = true;
            i++;
            k++;
        } else if (is_removed(c, i, k)) {
            add_changed(c, "-", c->x[i++]);
        } else {
            add_changed(c, "+", c->y[k++]);
        }
    if (c->changed > MOST_LINES)
        add(c, fv_printf(c->arena, "  ... %d changed lines more", c->changed - MOST_LINES));
}

const char *const *fv_changed_lines(fv_arena *a, int n, const char *const *x, int m,
                                    const char *const *y, int *count) {
    int first = 0, last = 0;
    while (first < n && first < m && !strcmp(x[first], y[first]))
        first++;
    while (last < n - first && last < m - first && !strcmp(x[n - 1 - last], y[m - 1 - last]))
        last++;
    comparison c = {
        .x = x + first, .y = y + first, .n = n - first - last, .m = m - first - last, .arena = a};
    count_common(&c, a);
    compare(&c);
    *count = c.nlines;
    return c.lines;
}
