/* layout.c - computes a layered drawing of a graph: the layer of each node, then the order within
 * each layer, then its position. */
#include "tools/view/layout.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* number of passes over all layers, alternately down and up, to find the order; and of passes
     * to find the positions */
    SWEEPS = 12,
    GAP = 18,      /* pixels between nodes of a layer */
    BEND_GAP = 10, /* pixels between a line and its neighbours */
    /* average number of bends for each node; once there are more, further lines are drawn without
     * bends, which limits the size of the layout */
    BENDS = 16
};

/* A line between nodes of consecutive layers. */
typedef struct link {
    int upper, lower;
    double weight; /* importance that the line is vertical */
} link;

/* A list of numbers for each of n nodes: those of node i are list[at[i]] to list[at[i + 1] - 1]. */
typedef struct lists {
    int *at, *list;
} lists;

typedef struct work {
    fv_page_layout *l;
    fv_arena *a;
    lists before;      /* node -> the nodes from which nets lead to it */
    int *order, *rank; /* a topological order, except for cycles; rank[order[i]] == i */
    /* layer[l]: the nodes of layer l in their order; size[l]: their number; place[i]: the index of
     * node i in its layer */
    int **layer, *size, *place;
    int nlinks, cap_links;
    link *links;
    lists up, down; /* node -> its links to the layer above, and to the layer below */
} work;

/* ---- lists ---- */

static lists lists_new(fv_arena *a, int n, const int *count) {
    lists s = {FV_NEW(a, int, n + 2), NULL};
    for (int i = 0; i < n; i++)
        s.at[i + 1] = s.at[i] + count[i];
    s.list = FV_NEW(a, int, s.at[n] + 1);
    return s;
}

/* Makes lists of nitems items: item i is put into list number key[i]. */
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

/* Removes duplicate targets of a net, and the node itself. */
static void make_simple(fv_page_net *net) {
    int kept = 0;
    if (net->nto)
        qsort(net->to, (size_t)net->nto, sizeof *net->to, by_number);
    for (int i = 0; i < net->nto; i++)
        if (net->to[i] != net->from && (!kept || net->to[kept - 1] != net->to[i]))
            net->to[kept++] = net->to[i];
    net->nto = kept;
}

static void find_before(work *w) {
    const fv_page_layout *l = w->l;
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

/* Sorts the nodes such that each follows those from which nets lead to it; a cycle is broken at one
 * node. */
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

/* Puts each node into the first layer that is below the layers of all its predecessors. */
static void push_down(work *w) {
    fv_page_layout *l = w->l;
    int first = 0;
    for (int i = 0; i < l->n; i++)
        first |= l->nodes[i].place == FV_PLACE_TOP;
    for (int i = 0; i < l->n; i++) {
        fv_page_node *node = &l->nodes[w->order[i]];
        node->layer = node->place == FV_PLACE_TOP ? 0 : first;
        for (int k = w->before.at[w->order[i]];
             node->place != FV_PLACE_TOP && k < w->before.at[w->order[i] + 1]; k++) {
            int from = w->before.list[k];
            if (goes_down(w, from, w->order[i]) && l->nodes[from].layer >= node->layer)
                node->layer = l->nodes[from].layer + 1;
        }
    }
}

/* Moves a node with fewer inputs than outputs, such as a constant, directly above its users. */
static void pull_down(work *w) {
    fv_page_layout *l = w->l;
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
            const fv_page_net *net = &l->nets[nets.list[k]];
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
    fv_page_layout *l = w->l;
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

static void bend(work *w, fv_page_net *net) {
    fv_page_layout *l = w->l;
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
        FV_PUSH(l->arena, l->nodes, l->n, l->cap, ((fv_page_node){.layer = first + 1 + i}));
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

static void link_net(work *w, const fv_page_net *net) {
    const fv_page_layout *l = w->l;
    int above = net->from;
    for (int i = 0; i < net->nbends; i++) {
        link_nodes(w, above, net->bends[i]);
        above = net->bends[i];
    }
    for (int i = 0; i < net->nto; i++) {
        /* number of layers between the two nodes that the line connects */
        int far = l->nodes[net->to[i]].layer - l->nodes[net->from].layer - 1;
        if (far >= 0 && far <= net->nbends)
            link_nodes(w, far ? net->bends[far - 1] : net->from, net->to[i]);
    }
}

static void find_links(work *w) {
    fv_page_layout *l = w->l;
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

/* Sets the initial order of layers: nodes in topological order, and each bend at the position of
 * the node where its net begins. */
static void begin_order(work *w) {
    fv_page_layout *l = w->l;
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
    /* nodes sorted by their rank, bends by that of the node where their net begins */
    lists sorted = lists_of(w->a, l->nreal, l->n, from, all);
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

/* Has the node no lines? */
static bool is_alone(const work *w, int node) {
    return w->up.at[node] == w->up.at[node + 1] && w->down.at[node] == w->down.at[node + 1];
}

/* Sorts a layer by the mean positions of the nodes to which its nodes are linked in the layer above
 * (by_upper) or below; nodes without links in that layer keep their place, and those without any
 * links come last. */
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

/* Counts the crossings of links between a layer and the layer above: they are inversions, counted
 * with partial sums in a binary tree. */
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

/* The least distance between the middles of node a and its right neighbour b. */
static double distance(const fv_page_layout *l, int a, int b) {
    bool line = a >= l->nreal || b >= l->nreal;
    return (l->nodes[a].width + l->nodes[b].width) / 2 + (line ? BEND_GAP : GAP);
}

/* The position at which the node's links would be straightest: the mean position of the nodes to
 * which it is linked. For a node without links: its current position, with a small weight, so that
 * other nodes can move it. */
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

/* A sequence of neighbouring nodes in a layer without space between them. */
typedef struct block {
    /* position of the block's first node that minimizes the weighted squared distances of all its
     * nodes from their wanted positions, and the sum of the weights */
    double at, weight;
    int n;
} block;

/* Moves the nodes of a layer to their wanted positions, without changing the order: neighbours that
 * would be too near are joined to a block and moved together. This is isotonic regression of the
 * positions minus the distances, by the pool-adjacent-violators algorithm. */
static void place_layer(work *w, int layer, bool by_upper, block *blocks) {
    fv_page_layout *l = w->l;
    double offset = 0, at = 0;
    int n = 0, i = 0;
    for (int k = 0; k < w->size[layer]; k++) {
        int node = w->layer[layer][k];
        double weight, there = wanted(w, node, by_upper, &weight);
        offset += k ? distance(l, w->layer[layer][k - 1], node) : 0;
        /* a node without links is put next to the previous node */
        at = k && is_alone(w, node) ? at : there - offset;
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
    fv_page_layout *l = w->l;
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

void fv_page_find(fv_page_layout *l) {
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
