/* layout.c - layered drawings of graphs: properties of every layout, and the layout of a small
 * graph. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tools/view/layout.h"

static fv_session *session;
static fv_page_layout l;

static void begin(void) {
    session = fv_session_new();
    l = (fv_page_layout){.arena = fv_arena_new(session)};
}

static void end(void) {
    fv_session_free(session);
}

TestSuite(layout, .init = begin, .fini = end);

static int node(double width, fv_place place) {
    FV_PUSH(l.arena, l.nodes, l.n, l.cap, ((fv_page_node){.width = width, .place = place}));
    return l.n - 1;
}

/* A net of its own from a node to the next ones; -1 ends them. */
static void net(int from, const int *to) {
    FV_PUSH(l.arena, l.nets, l.nnets, l.cap_nets, ((fv_page_net){.from = from}));
    fv_page_net *n = &l.nets[l.nnets - 1];
    for (; *to >= 0; to++)
        FV_PUSH(l.arena, n->to, n->nto, n->cap_to, *to);
}
#define NET(from, ...) net(from, (const int[]){__VA_ARGS__, -1})

/* Nothing overlaps in a layer; ends of the picture are 0 and width; bends are where a net
 * passes. */
static void is_sound(void) {
    double right = 0;
    for (int i = 0; i < l.n; i++) {
        cr_assert(l.nodes[i].layer >= 0 && l.nodes[i].layer < l.nlayers);
        cr_assert_geq(l.nodes[i].x - l.nodes[i].width / 2, -1e-6);
        right = l.nodes[i].x + l.nodes[i].width / 2 > right ? l.nodes[i].x + l.nodes[i].width / 2
                                                            : right;
        for (int k = 0; k < i; k++)
            cr_assert(l.nodes[i].layer != l.nodes[k].layer ||
                      (l.nodes[i].x > l.nodes[k].x ? l.nodes[i].x - l.nodes[k].x
                                                   : l.nodes[k].x - l.nodes[i].x) >=
                          (l.nodes[i].width + l.nodes[k].width) / 2);
    }
    cr_assert_float_eq(right, l.width, 1e-6);
    for (int i = 0; i < l.nnets; i++)
        for (int k = 0; k < l.nets[i].nbends; k++) {
            cr_assert_geq(l.nets[i].bends[k], l.nreal);
            cr_assert_eq(l.nodes[l.nets[i].bends[k]].layer, l.nodes[l.nets[i].from].layer + 1 + k);
        }
}

Test(layout, nothing) {
    fv_page_find(&l);
    cr_assert_eq(l.nlayers, 0);
    cr_assert_eq(l.width, 0);
}

/* x -> a -> b -> y, and lines from x to b and y that bypass a: one straight line for both, and the
 * other nodes below each other. */
Test(layout, residual) {
    int x = node(40, FV_PLACE_TOP), a = node(40, FV_PLACE_FREE), b = node(40, FV_PLACE_FREE),
        y = node(40, FV_PLACE_BOTTOM);
    NET(x, a, b, y, a);
    NET(a, b);
    NET(b, y);
    fv_page_find(&l);
    is_sound();
    cr_assert_eq(l.nlayers, 4);
    cr_assert_eq(l.nets[0].nto, 3, "a target counts once");
    cr_assert_eq(l.nets[0].nbends, 2);
    cr_assert_float_eq(l.nodes[l.nets[0].bends[0]].x, l.nodes[l.nets[0].bends[1]].x, 2);
    cr_assert_float_eq(l.nodes[a].x, l.nodes[b].x, 2);
}

/* Two chains that come crosswise are drawn without a crossing. */
Test(layout, uncrossed) {
    int a = node(30, FV_PLACE_FREE), b = node(30, FV_PLACE_FREE), c = node(30, FV_PLACE_FREE),
        d = node(30, FV_PLACE_FREE);
    NET(a, d);
    NET(b, c);
    fv_page_find(&l);
    is_sound();
    cr_assert((l.nodes[a].x < l.nodes[b].x) == (l.nodes[d].x < l.nodes[c].x));
}

/* A node without inputs is placed directly above its users. */
Test(layout, late) {
    int a = node(30, FV_PLACE_FREE), b = node(30, FV_PLACE_FREE), c = node(30, FV_PLACE_FREE),
        k = node(30, FV_PLACE_FREE);
    NET(a, b);
    NET(b, c);
    NET(k, c);
    fv_page_find(&l);
    cr_assert_eq(l.nodes[k].layer, l.nodes[c].layer - 1);
}

static bool is_alone(int i) {
    bool alone = true;
    for (int k = 0; k < l.nnets; k++) {
        alone &= l.nets[k].from != i || !l.nets[k].nto;
        for (int t = 0; t < l.nets[k].nto; t++)
            alone &= l.nets[k].to[t] != i;
    }
    return alone;
}

/* The distance to the next node on its left; 0: there is none. */
static double gap_before(int i) {
    double gap = 0;
    for (int k = 0; k < l.n; k++) {
        double between = l.nodes[i].x - l.nodes[i].width / 2 - l.nodes[k].x - l.nodes[k].width / 2;
        if (l.nodes[k].layer == l.nodes[i].layer && l.nodes[k].x < l.nodes[i].x &&
            (gap == 0 || between < gap))
            gap = between;
    }
    return gap;
}

/* A node without lines is placed directly to the right of the one before it, wherever that is. */
Test(layout, alone) {
    srand(3);
    for (int turn = 0; turn < 60; turn++) {
        l = (fv_page_layout){.arena = l.arena};
        for (int i = 0; i < 14; i++)
            node(10 + rand() % 200, FV_PLACE_FREE);
        for (int i = 0; i < 6; i++)
            NET(rand() % 14, rand() % 14);
        fv_page_find(&l);
        is_sound();
        for (int i = 0; i < 14; i++)
            cr_assert(!is_alone(i) || gap_before(i) < 20, "turn %d: node %d is %g away", turn, i,
                      gap_before(i));
    }
}

/* In a circle one net goes round, without bends; all others go down. */
Test(layout, circle) {
    int a = node(30, FV_PLACE_FREE), b = node(30, FV_PLACE_FREE), c = node(30, FV_PLACE_FREE);
    NET(a, b, a);
    NET(b, c);
    NET(c, a);
    fv_page_find(&l);
    is_sound();
    int up = 0;
    for (int i = 0; i < l.nnets; i++)
        up += l.nodes[l.nets[i].to[0]].layer <= l.nodes[l.nets[i].from].layer;
    cr_assert_eq(up, 1);
}

/* Lines have room for a bounded number of bends, whatever the graph is. */
Test(layout, long_lines) {
    enum { N = 400 };
    for (int i = 0; i < N; i++)
        node(20, FV_PLACE_FREE);
    for (int i = 0; i + 1 < N; i++)
        NET(i, i + 1, N - 1);
    fv_page_find(&l);
    is_sound();
    cr_assert_leq(l.n, 17 * N);
}

Test(layout, any) {
    srand(7);
    for (int turn = 0; turn < 40; turn++) {
        l = (fv_page_layout){.arena = l.arena};
        int n = 1 + rand() % 60;
        for (int i = 0; i < n; i++)
            node(10 + rand() % 90, i < 3 ? FV_PLACE_TOP : i > 55 ? FV_PLACE_BOTTOM : FV_PLACE_FREE);
        for (int i = 0; i < n; i++)
            NET(i, rand() % n, rand() % n);
        fv_page_find(&l);
        is_sound();
    }
}
