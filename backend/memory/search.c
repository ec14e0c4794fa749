/* search.c - searches for a placement of buffers below a limit, by branch and bound.
 *
 * A placement is a picture of rectangles: the columns are moments, the height is the offset. The
 * columns of a buffer are given; its height is searched. Any placement can be changed so that each
 * buffer is at 0 or on top of another one, without becoming higher. Such placements are built from
 * below: take the lowest column, and the leftmost one of its level, whose neighbours on the level
 * form a pit between higher columns. Either a buffer that begins in this column and ends within
 * the pit is put there, or nothing is, and the column is filled up to the lowest height at which
 * something could support the next buffer. Both ways are tried, so the search is complete. It
 * leaves a branch when the height of some column plus the buffers that it still has to hold exceed
 * the limit. */
#include "backend/memory/search.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* units of work for each limit and order, of some nanoseconds each. All models of
     * docs/workspace.md are placed equally well with a sixteenth of it */
    WORK = 1 << 22,
    /* number of limits that are tried: each halves the range of those of which nothing is known */
    LIMITS = 12,
    /* greatest depth of calls of build, so that the stack stays below a megabyte. Four calls for
     * each item were too few for s2s_tacotron_location_attn of docs/workspace.md */
    DEPTH = 2048
};

typedef struct search {
    fv_interval *items; /* in the order in which they are tried */
    int n, columns;
    int *first, *last; /* the first and last column of each item */
    bool *placed;
    int64_t *height, *rest; /* of each column; rest: the bytes of items that are not placed */
    int64_t limit, budget;
    int left;  /* number of items that are not placed */
    int depth; /* number of calls of build that have not ended */
} search;

/* The height of column c; INT64_MAX if there is no such column, or no item to be placed in it. */
static int64_t level(const search *s, int c) {
    return c < 0 || c >= s->columns || s->rest[c] == 0 ? INT64_MAX : s->height[c];
}

typedef struct pit {
    int first, last;
    int64_t level, rim; /* rim: the lower one of the neighbours' heights */
} pit;

static pit lowest(search *s) {
    pit p = {0, 0, INT64_MAX, INT64_MAX};
    for (int c = 0; c < s->columns; c++)
        if (level(s, c) < p.level)
            p = (pit){c, c, level(s, c), INT64_MAX};
    while (level(s, p.last + 1) == p.level)
        p.last++;
    int64_t left = level(s, p.first - 1), right = level(s, p.last + 1);
    p.rim = left < right ? left : right;
    s->budget -= s->columns;
    return p;
}

static void add(search *s, int i, int64_t sign) {
    for (int c = s->first[i]; c <= s->last[i]; c++) {
        s->height[c] += sign * s->items[i].size;
        s->rest[c] -= sign * s->items[i].size;
    }
    s->placed[i] = sign > 0;
    s->left -= (int)sign;
    s->budget -= s->last[i] - s->first[i] + 1;
}

static bool build(search *s);

/* Puts an item into the first column of the pit, and places the items that are left (build); false:
 * no item leads to a placement, or the budget is used up. Items of the same size and columns are
 * equal: only the first of them is tried. */
static bool put_item(search *s, const pit *p) {
    int tried = -1;
    for (int i = 0; i < s->n; i++) {
        if (s->placed[i] || s->first[i] != p->first || s->last[i] > p->last)
            continue;
        if (tried >= 0 && s->items[tried].size == s->items[i].size && s->last[tried] == s->last[i])
            continue;
        tried = i;
        s->items[i].at = p->level;
        add(s, i, 1);
        if (build(s))
            return true;
        add(s, i, -1);
        if (s->budget <= 0)
            return false;
    }
    return false;
}

/* Leaves the first column of the pit empty up to the least height at which an item that begins in a
 * later column of the pit could end, or up to the rim. Then places the items that are left; false:
 * as for build. */
static bool leave_empty(search *s, const pit *p) {
    int64_t up = p->rim == INT64_MAX ? s->limit : p->rim;
    for (int i = 0; i < s->n; i++)
        if (!s->placed[i] && s->first[i] > p->first && s->last[i] <= p->last &&
            p->level + s->items[i].size < up)
            up = p->level + s->items[i].size;
    if (up + s->rest[p->first] > s->limit)
        return false;
    s->height[p->first] = up;
    bool found = build(s);
    s->height[p->first] = found ? up : p->level;
    return found;
}

/* Places the items that are left. False: that is not possible, or the budget is used up; it is set
 * to 0, too, if calls are nested too deeply for the stack. */
static bool build(search *s) {
    if (s->left == 0)
        return true;
    s->budget = s->depth < DEPTH ? s->budget - s->n : 0;
    if (s->budget <= 0)
        return false;
    s->depth++;
    pit p = lowest(s);
    bool found = put_item(s, &p) || (s->budget > 0 && leave_empty(s, &p));
    s->depth--;
    return found;
}

static int by_first(const void *x, const void *y) {
    return *(const int *)x - *(const int *)y;
}

/* The columns are the moments at which items begin: a set of items that are alive at once is so
 * when the last of them begins. */
static void make_columns(search *s, fv_arena *a) {
    int *moments = FV_NEW(a, int, s->n + 1);
    for (int i = 0; i < s->n; i++)
        moments[i] = s->items[i].first;
    qsort(moments, (size_t)s->n, sizeof *moments, by_first);
    for (int i = 0; i < s->n; i++)
        if (s->columns == 0 || moments[s->columns - 1] != moments[i])
            moments[s->columns++] = moments[i];
    s->height = FV_NEW(a, int64_t, s->columns + 1);
    s->rest = FV_NEW(a, int64_t, s->columns + 1);
    for (int i = 0; i < s->n; i++)
        for (int c = 0; c < s->columns; c++)
            if (s->items[i].first <= moments[c] && moments[c] <= s->items[i].last) {
                s->first[i] = s->items[i].first == moments[c] ? c : s->first[i];
                s->last[i] = c;
                s->rest[c] += s->items[i].size;
            }
}

typedef enum { FOUND, NONE, UNKNOWN } result;

/* Searches for offsets with which no item ends above `limit`. FOUND: the offsets are set. NONE:
 * there are none. UNKNOWN: that would take more than `budget` units of work. */
static result pack_below(fv_arena *a, int n, fv_interval *items, int64_t limit, int64_t budget) {
    search s = {.items = items,
                .n = n,
                .limit = limit,
                .budget = budget,
                .left = n,
                .first = FV_NEW(a, int, n + 1),
                .last = FV_NEW(a, int, n + 1),
                .placed = FV_NEW(a, bool, n + 1)};
    make_columns(&s, a);
    for (int c = 0; c < s.columns; c++)
        if (s.rest[c] > limit)
            return NONE;
    bool found = build(&s);
    return found ? FOUND : s.budget <= 0 ? UNKNOWN : NONE;
}

/* ---- the least limit ---- */

/* Two items never compare as equal, so that each implementation of qsort gives the same order. */
static int by_size(const void *x, const void *y) {
    const fv_interval *a = x, *b = y;
    if (a->size != b->size)
        return a->size < b->size ? 1 : -1;
    if (a->first != b->first)
        return a->first - b->first;
    return a->last != b->last ? a->last - b->last : a->number - b->number;
}

static int by_length(const void *x, const void *y) {
    const fv_interval *a = x, *b = y;
    int p = a->last - a->first, q = b->last - b->first;
    return p != q ? q - p : by_size(x, y);
}

static int by_area(const void *x, const void *y) {
    const fv_interval *a = x, *b = y;
    double p = (double)a->size * (a->last - a->first + 1),
           q = (double)b->size * (b->last - b->first + 1);
    return p != q ? (p < q ? 1 : -1) : by_size(x, y);
}

typedef int compare(const void *, const void *);
static compare *const orders[] = {by_size, by_area, by_length};

/* Tries the items in several orders, and then in the same orders with the time reversed, until a
 * placement below the limit is found or proved not to exist. */
static result pack(fv_arena *a, int n, const fv_interval *items, fv_interval *copy, int64_t limit) {
    enum { ORDERS = sizeof orders / sizeof *orders };
    result r = UNKNOWN;
    for (int i = 0; i < 2 * ORDERS && r == UNKNOWN; i++) {
        memcpy(copy, items, (size_t)n * sizeof *copy);
        for (int k = 0; i >= ORDERS && k < n; k++) {
            copy[k].first = -items[k].last;
            copy[k].last = -items[k].first;
        }
        qsort(copy, (size_t)n, sizeof *copy, orders[i % ORDERS]);
        r = pack_below(a, n, copy, limit, WORK);
    }
    return r;
}

/* The greatest common divisor of the sizes. A placement in which each buffer is at 0 or on top of
 * another one ends at a multiple of it. */
static int64_t common_unit(int n, const fv_interval *items) {
    int64_t unit = 0;
    for (int i = 0; i < n; i++)
        for (int64_t x = items[i].size; x;) {
            int64_t rest = unit % x;
            unit = x;
            x = rest;
        }
    return unit ? unit : 1;
}

/* Halves the range of limits of which nothing is known. Below `low` there is no placement, as far
 * as was proved. */
int64_t fv_pack(fv_arena *a, int n, fv_interval *items, int64_t bound, int64_t end, bool *proved) {
    fv_interval *copy = FV_NEW(a, fv_interval, n + 1);
    const int64_t unit = common_unit(n, items);
    int64_t low = bound, best = end, limit = bound;
    *proved = true;
    for (int k = 0; k < n; k++)
        items[k].number = k;
    for (int i = 0; i < LIMITS && low < best; i++) {
        result r = pack(a, n, items, copy, limit);
        for (int k = 0; r == FOUND && k < n; k++)
            items[copy[k].number].at = copy[k].at;
        if (r == FOUND)
            best = limit;
        else {
            low = limit + unit;
            *proved = r == NONE; /* NONE also proves that lower limits have no placement */
        }
        limit = low + (best - low) / 2 / unit * unit;
    }
    *proved &= low >= best;
    return best;
}
