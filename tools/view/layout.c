/* layout.c - a graph in layers: which layer a node is in, the order within each, and then where it
 * stands there. */
#include "tools/view/layout.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* over all layers, down and up in turns, for the order; as many for the places */
    SWEEPS = 12,
    GAP = 18,      /* between nodes of a layer */
    BEND_GAP = 10, /* beside a line */
    /* at most that many for each node: lines beyond that go straight, so that no graph is too
     * large */
    BENDS = 16
};

/* A line between nodes of layers that follow each other. */
typedef struct link {
    int upper, lower;
    double weight; /* how much it wants to be straight */
} link;

/* For each node some numbers: those of i are list[at[i]] to list[at[i + 1] - 1]. */
typedef struct lists {
    int *at, *list;
} lists;

typedef struct work {
    fv_layout *l;
    fv_arena *a;
    lists before;               /* node -> nodes whose nets go to it */
    int *order, *rank;          /* topological, but for what goes round; rank[order[i]] == i */
    int **layer, *size, *place; /* nodes of each layer, how many, and where in it a node is */
    int nlinks, cap_links;
    link *links;
    lists up, down; /* node -> links to it, and from it */
} work;

/* ---- lists ---- */

static lists lists_new(fv_arena *a, int n, const int *count) {
    lists s = {FV_NEW(a, int, n + 2), NULL};
    for (int i = 0; i < n; i++)
        s.at[i + 1] = s.at[i] + count[i];
    s.list = FV_NEW(a, int, s.at[n] + 1);
    return s;
}

/* `key` of each of nitems items is the list that it goes to. */
static lists lists_of(fv_arena *a, int n, int nitems, const int *key, const int *item) {
    int *count = FV_NEW(a, int, n + 1);
    for (int i = 0; i < nitems; i++)
        count[key[i]]++;
    lists s = lists_new(a, n, count);
    memset(count, 0, (size_t)n * sizeof *count);
    for (int i = 0; i < nitems; i++)
        s.list[s.at[key[i]] + count[key[i]]++] = item[i];
    return s;
}

/* ---- layers ---- */

static int by_number(const void *a, const void *b) {
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Targets once each; a net goes nowhere else than to others. */
static void make_simple(fv_layout_net *net) {
    int kept = 0;
    if (net->nto)
        qsort(net->to, (size_t)net->nto, sizeof *net->to, by_number);
    for (int i = 0; i < net->nto; i++)
        if (net->to[i] != net->from && (!kept || net->to[kept - 1] != net->to[i]))
            net->to[kept++] = net->to[i];
    net->nto = kept;
}

static void find_before(work *w) {
    const fv_layout *l = w->l;
    int n = 0;
    for (int i = 0; i < l->nnets; i++)
        n += l->nets[i].nto;
    int *key = FV_NEW(w->a, int, n + 1), *item = FV_NEW(w->a, int, n + 1);
    n = 0;
    for (int i = 0; i < l->nnets; i++)
        for (int k = 0; k < l->nets[i].nto; k++, n++) {
            key[n] = l->nets[i].to[k];
            item[n] = l->nets[i].from;
        }
    w->before = lists_of(w->a, l->n, n, key, item);
}

/* Each behind those that it gets something from; of nodes in a circle one is first. */
static void sort_nodes(work *w) {
    enum { NEW, BEGUN, DONE };
    int n = w->l->n, depth = 0, done = 0;
    char *state = FV_NEW(w->a, char, n + 1);
    int *stack = FV_NEW(w->a, int, n + 1), *next = FV_NEW(w->a, int, n + 1);
    w->order = FV_NEW(w->a, int, n + 1);
    w->rank = FV_NEW(w->a, int, n + 1);
    for (int i = 0; i < n; i++) {
        if (state[i] != NEW)
            continue;
        stack[depth++] = i;
        while (depth) {
            int node = stack[depth - 1];
            state[node] = state[node] == NEW ? BEGUN : state[node];
            int at = w->before.at[node] + next[node]++;
            if (at < w->before.at[node + 1]) {
                if (state[w->before.list[at]] == NEW)
                    stack[depth++] = w->before.list[at];
                continue;
            }
            state[node] = DONE;
            w->rank[node] = done;
            w->order[done++] = node;
            depth--;
        }
    }
}

static bool goes_down(const work *w, int from, int to) {
    return w->rank[from] < w->rank[to];
}

/* The first layer in which a node can be. */
static void push_down(work *w) {
    fv_layout *l = w->l;
    int first = 0;
    for (int i = 0; i < l->n; i++)
        first |= l->nodes[i].place == FV_PLACE_TOP;
    for (int i = 0; i < l->n; i++) {
        fv_layout_node *node = &l->nodes[w->order[i]];
        node->layer = node->place == FV_PLACE_TOP ? 0 : first;
        for (int k = w->before.at[w->order[i]];
             node->place != FV_PLACE_TOP && k < w->before.at[w->order[i] + 1]; k++) {
            int from = w->before.list[k];
            if (goes_down(w, from, w->order[i]) && l->nodes[from].layer >= node->layer)
                node->layer = l->nodes[from].layer + 1;
        }
    }
}

/* What gets less than it gives, as a constant does, stands right above who needs it. */
static void pull_down(work *w) {
    fv_layout *l = w->l;
    int *most = FV_NEW(w->a, int, l->n + 1), *gives = FV_NEW(w->a, int, l->n + 1);
    int *key = FV_NEW(w->a, int, l->nnets + 1), *item = FV_NEW(w->a, int, l->nnets + 1);
    for (int i = 0; i < l->nnets; i++) {
        key[i] = l->nets[i].from;
        item[i] = i;
    }
    lists nets = lists_of(w->a, l->n, l->nnets, key, item);
    for (int i = l->n - 1; i >= 0; i--) {
        int node = w->order[i];
        most[node] = -1;
        for (int k = nets.at[node]; k < nets.at[node + 1]; k++) {
            const fv_layout_net *net = &l->nets[nets.list[k]];
            gives[node] += net->nto > 0;
            for (int t = 0; t < net->nto; t++)
                if (goes_down(w, node, net->to[t]) &&
                    (most[node] < 0 || l->nodes[net->to[t]].layer <= most[node]))
                    most[node] = l->nodes[net->to[t]].layer - 1;
        }
        if (l->nodes[node].place == FV_PLACE_FREE && most[node] > l->nodes[node].layer &&
            gives[node] > w->before.at[node + 1] - w->before.at[node])
            l->nodes[node].layer = most[node];
    }
}

static void find_layers(work *w) {
    fv_layout *l = w->l;
    push_down(w);
    pull_down(w);
    for (int i = 0; i < l->n; i++)
        if (l->nodes[i].place != FV_PLACE_BOTTOM && l->nodes[i].layer >= l->nlayers)
            l->nlayers = l->nodes[i].layer + 1;
    bool last = false;
    for (int i = 0; i < l->n; i++)
        if (l->nodes[i].place == FV_PLACE_BOTTOM) {
            l->nodes[i].layer = l->nlayers;
            last = true;
        }
    l->nlayers += last;
}

/* ---- bends, and links ---- */

static void bend(work *w, fv_layout_net *net) {
    fv_layout *l = w->l;
    int first = l->nodes[net->from].layer, last = first;
    for (int i = 0; i < net->nto; i++)
        if (l->nodes[net->to[i]].layer > last)
            last = l->nodes[net->to[i]].layer;
    int n = last - first - 1;
    if (n <= 0 || n > BENDS * l->nreal - (l->n - l->nreal))
        return;
    net->nbends = n;
    net->bends = FV_NEW(l->arena, int, n);
    for (int i = 0; i < n; i++) {
        net->bends[i] = l->n;
        FV_PUSH(l->arena, l->nodes, l->n, l->cap, ((fv_layout_node){.layer = first + 1 + i}));
    }
}

static void link_nodes(work *w, int upper, int lower) {
    int bends = (upper >= w->l->nreal) + (lower >= w->l->nreal);
    FV_PUSH(w->a, w->links, w->nlinks, w->cap_links,
            ((link){upper, lower,
                    bends == 2 ? 100
                    : bends    ? 0.2
                               : 1}));
}

static void link_net(work *w, const fv_layout_net *net) {
    const fv_layout *l = w->l;
    int above = net->from;
    for (int i = 0; i < net->nbends; i++) {
        link_nodes(w, above, net->bends[i]);
        above = net->bends[i];
    }
    for (int i = 0; i < net->nto; i++) {
        /* layers between them */
        int far = l->nodes[net->to[i]].layer - l->nodes[net->from].layer - 1;
        if (far >= 0 && far <= net->nbends)
            link_nodes(w, far ? net->bends[far - 1] : net->from, net->to[i]);
    }
}

static void find_links(work *w) {
    fv_layout *l = w->l;
    l->nreal = l->n;
    for (int i = 0; i < l->nnets; i++)
        bend(w, &l->nets[i]);
    for (int i = 0; i < l->nnets; i++)
        link_net(w, &l->nets[i]);
    int *upper = FV_NEW(w->a, int, w->nlinks + 1), *lower = FV_NEW(w->a, int, w->nlinks + 1),
        *item = FV_NEW(w->a, int, w->nlinks + 1);
    for (int i = 0; i < w->nlinks; i++) {
        upper[i] = w->links[i].upper;
        lower[i] = w->links[i].lower;
        item[i] = i;
    }
    w->down = lists_of(w->a, l->n, w->nlinks, upper, item);
    w->up = lists_of(w->a, l->n, w->nlinks, lower, item);
}

/* ---- order ---- */

/* The first one: as nodes come, a bend where its net comes from. */
static void begin_order(work *w) {
    fv_layout *l = w->l;
    int *origin = FV_NEW(w->a, int, l->n + 1), *from = FV_NEW(w->a, int, l->n + 1);
    for (int i = 0; i < l->nreal; i++)
        origin[i] = i;
    for (int i = 0; i < l->nnets; i++)
        for (int k = 0; k < l->nets[i].nbends; k++)
            origin[l->nets[i].bends[k]] = l->nets[i].from;
    int *all = FV_NEW(w->a, int, l->n + 1), *layer = FV_NEW(w->a, int, l->n + 1);
    for (int i = 0; i < l->n; i++) {
        from[i] = w->rank[origin[i]];
        all[i] = i;
    }
    lists sorted = lists_of(w->a, l->nreal, l->n, from, all); /* by rank */
    for (int i = 0; i < l->n; i++)
        layer[i] = l->nodes[sorted.list[i]].layer;
    lists s = lists_of(w->a, l->nlayers, l->n, layer, sorted.list);
    w->layer = FV_NEW(w->a, int *, l->nlayers + 1);
    w->size = FV_NEW(w->a, int, l->nlayers + 1);
    w->place = FV_NEW(w->a, int, l->n + 1);
    for (int i = 0; i < l->nlayers; i++) {
        w->layer[i] = s.list + s.at[i];
        w->size[i] = s.at[i + 1] - s.at[i];
        for (int k = 0; k < w->size[i]; k++)
            w->place[w->layer[i][k]] = k;
    }
}

typedef struct wish {
    int node, place;
    double at;
} wish;

static int by_wish(const void *a, const void *b) {
    const wish *x = a, *y = b;
    return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : x->place - y->place;
}

/* No line leads to it, and none from it. */
static bool is_alone(const work *w, int node) {
    return w->up.at[node] == w->up.at[node + 1] && w->down.at[node] == w->down.at[node + 1];
}

/* In the order of the middles of what they are linked to, above or below; what is alone comes
 * behind. */
static void sort_layer(work *w, int layer, bool by_upper, wish *wishes) {
    const lists *s = by_upper ? &w->up : &w->down;
    int n = w->size[layer];
    for (int i = 0; i < n; i++) {
        int node = w->layer[layer][i], count = s->at[node + 1] - s->at[node];
        double sum = 0;
        for (int k = s->at[node]; k < s->at[node + 1]; k++) {
            const link *e = &w->links[s->list[k]];
            int other = by_upper ? e->upper : e->lower;
            sum += (w->place[other] + 0.5) / w->size[w->l->nodes[other].layer];
        }
        wishes[i] = (wish){node, i, count ? sum / count : is_alone(w, node) ? 1 : (i + 0.5) / n};
    }
    if (n)
        qsort(wishes, (size_t)n, sizeof *wishes, by_wish);
    for (int i = 0; i < n; i++) {
        w->layer[layer][i] = wishes[i].node;
        w->place[wishes[i].node] = i;
    }
}

/* Pairs of links between a layer and the one above that cross: inversions, by sums over a binary
 * tree. */
static long crossings_above(const work *w, int layer, int *tree, int *ends) {
    int n = w->size[layer];
    long sum = 0;
    memset(tree, 0, ((size_t)n + 1) * sizeof *tree);
    for (int i = 0, seen = 0; i < w->size[layer - 1]; i++) {
        int node = w->layer[layer - 1][i], count = 0;
        for (int k = w->down.at[node]; k < w->down.at[node + 1]; k++)
            ends[count++] = w->place[w->links[w->down.list[k]].lower];
        for (int k = 0; k < count; k++) {
            int at_most = 0;
            for (int j = ends[k] + 1; j > 0; j -= j & -j)
                at_most += tree[j];
            sum += seen - at_most;
        }
        for (int k = 0; k < count; k++, seen++)
            for (int j = ends[k] + 1; j <= n; j += j & -j)
                tree[j]++;
    }
    return sum;
}

static long crossings(const work *w, int *tree, int *ends) {
    long sum = 0;
    for (int i = 1; i < w->l->nlayers; i++)
        sum += crossings_above(w, i, tree, ends);
    return sum;
}

static void find_order(work *w) {
    int n = w->l->n, nlayers = w->l->nlayers;
    wish *wishes = FV_NEW(w->a, wish, n + 1);
    int *tree = FV_NEW(w->a, int, n + 2), *ends = FV_NEW(w->a, int, w->nlinks + 1),
        *best = FV_NEW(w->a, int, n + 1);
    begin_order(w);
    long least = crossings(w, tree, ends);
    memcpy(best, w->place, (size_t)n * sizeof *best);
    for (int sweep = 0; sweep < SWEEPS && least; sweep++) {
        for (int i = 1; i < nlayers; i++)
            sort_layer(w, sweep % 2 ? nlayers - 1 - i : i, sweep % 2 == 0, wishes);
        long now = crossings(w, tree, ends);
        if (now < least) {
            least = now;
            memcpy(best, w->place, (size_t)n * sizeof *best);
        }
    }
    for (int i = 0; i < n; i++) {
        w->place[i] = best[i];
        w->layer[w->l->nodes[i].layer][best[i]] = i;
    }
}

/* ---- places ---- */

/* Between the middles of a and of b, its neighbour to the right. */
static double distance(const fv_layout *l, int a, int b) {
    bool line = a >= l->nreal || b >= l->nreal;
    return (l->nodes[a].width + l->nodes[b].width) / 2 + (line ? BEND_GAP : GAP);
}

/* Where it would be straight: the middle of what it is linked to; 0 links: where it is, but it
 * makes room for all. */
static double wanted(const work *w, int node, bool by_upper, double *weight) {
    const lists *s = by_upper ? &w->up : &w->down;
    double sum = 0;
    *weight = 0;
    for (int k = s->at[node]; k < s->at[node + 1]; k++) {
        const link *e = &w->links[s->list[k]];
        sum += e->weight * w->l->nodes[by_upper ? e->upper : e->lower].x;
        *weight += e->weight;
    }
    double at = *weight > 0 ? sum / *weight : w->l->nodes[node].x;
    *weight = *weight > 0 ? *weight : 0.01;
    return at;
}

/* Nodes that touch each other. */
typedef struct block {
    /* of its first node, so that wishes are missed by the least sum of squares */
    double at, weight;
    int n;
} block;

/* The best places for the wishes of a layer in its order: neighbours that would be too near are
 * moved as one, by isotonic regression of what remains when distances are taken away (pool adjacent
 * violators). */
static void place_layer(work *w, int layer, bool by_upper, block *blocks) {
    fv_layout *l = w->l;
    double offset = 0, at = 0;
    int n = 0, i = 0;
    for (int k = 0; k < w->size[layer]; k++) {
        int node = w->layer[layer][k];
        double weight, there = wanted(w, node, by_upper, &weight);
        offset += k ? distance(l, w->layer[layer][k - 1], node) : 0;
        at = k && is_alone(w, node) ? at : there - offset; /* beside the one before it */
        blocks[n++] = (block){at, weight, 1};
        for (; n > 1 && blocks[n - 2].at > blocks[n - 1].at; n--) {
            block *a = &blocks[n - 2], *b = &blocks[n - 1];
            a->at = (a->at * a->weight + b->at * b->weight) / (a->weight + b->weight);
            a->weight += b->weight;
            a->n += b->n;
        }
    }
    offset = 0;
    for (int b = 0; b < n; b++)
        for (int k = 0; k < blocks[b].n; k++, i++) {
            int node = w->layer[layer][i];
            offset += i ? distance(l, w->layer[layer][i - 1], node) : 0;
            l->nodes[node].x = blocks[b].at + offset;
        }
}

static void find_places(work *w) {
    fv_layout *l = w->l;
    block *blocks = FV_NEW(w->a, block, l->n + 1);
    for (int i = 0; i < l->nlayers; i++)
        place_layer(w, i, true, blocks);
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int i = 0; i < l->nlayers; i++)
            place_layer(w, sweep % 2 ? i : l->nlayers - 1 - i, sweep % 2, blocks);
    double left = DBL_MAX, right = 0;
    for (int i = 0; i < l->n; i++)
        left = l->nodes[i].x - l->nodes[i].width / 2 < left ? l->nodes[i].x - l->nodes[i].width / 2
                                                            : left;
    for (int i = 0; i < l->n; i++) {
        l->nodes[i].x -= left;
        right = l->nodes[i].x + l->nodes[i].width / 2 > right
                    ? l->nodes[i].x + l->nodes[i].width / 2
                    : right;
    }
    l->width = right;
}

void fv_layout_find(fv_layout *l) {
    fv_arena *a = fv_arena_new(fv_arena_session(l->arena));
    work w = {.l = l, .a = a};
    for (int i = 0; i < l->nnets; i++)
        make_simple(&l->nets[i]);
    find_before(&w);
    sort_nodes(&w);
    find_layers(&w);
    find_links(&w);
    find_order(&w);
    find_places(&w);
    fv_arena_free(a);
}
