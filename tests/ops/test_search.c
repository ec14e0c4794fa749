/* The searches for a small workspace: for the lowest placement of buffers
 * (backend/memory/search.c), and for the order of launches (backend/memory/arrange.c). */
#include <criterion/criterion.h>

#include "backend/consumer/consumer.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "backend/memory/search.h"
#include "backend/memory/sequence.h"
#include "ir/graph/parse.h"
#include "ir/kernel/build.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(search, .init = open_session, .fini = close_session);

static int64_t bound_of(int n, const fv_interval *items, int steps) {
    int64_t most = 0;
    for (int s = 0; s < steps; s++) {
        int64_t sum = 0;
        for (int i = 0; i < n; i++)
            sum += items[i].first <= s && s <= items[i].last ? items[i].size : 0;
        most = sum > most ? sum : most;
    }
    return most;
}

/* The buffers end at `end` or below, and those that are alive together are disjoint. */
static void check_apart(int n, const fv_interval *items, int64_t end) {
    for (int i = 0; i < n; i++) {
        const fv_interval *x = &items[i];
        cr_assert(x->at >= 0 && x->at + x->size <= end);
        for (int k = 0; k < i; k++) {
            const fv_interval *y = &items[k];
            bool together = x->first <= y->last && y->first <= x->last;
            cr_assert(!together || x->at + x->size <= y->at || y->at + y->size <= x->at);
        }
    }
}

static unsigned state;

static int draw(int n) {
    state = state * 1664525u + 1013904223u;
    return (int)((state >> 8) % (unsigned)n);
}

/* Cuts a full rectangle of memory and steps into n buffers, so their placement has no gap. */
static void cut(fv_interval *items, int n, int steps, int64_t bytes) {
    items[0] = (fv_interval){.first = 0, .last = steps - 1, .size = bytes};
    for (int made = 1; made < n;) {
        fv_interval *x = &items[draw(made)];
        bool in_time = draw(2);
        if (in_time ? x->last == x->first : x->size == 8)
            continue;
        fv_interval *y = &items[made++];
        *y = *x;
        if (in_time) {
            x->last = x->first + draw(x->last - x->first);
            y->first = x->last + 1;
        } else {
            x->size = 8 * (1 + draw((int)(x->size / 8) - 1));
            y->size -= x->size;
        }
    }
}

Test(search, finds_placements_without_a_gap) {
    for (state = 1; state < 40;) {
        unsigned seed = state;
        fv_interval items[50];
        bool proved = false;
        cut(items, 50, 100, 4096);
        int64_t bound = bound_of(50, items, 100);
        cr_assert_eq(bound, 4096);
        cr_assert_eq(fv_pack(arena, 50, items, bound, 2 * bound, &proved), bound, "seed %u", seed);
        cr_assert(proved);
        check_apart(50, items, bound);
        state = seed + 1;
    }
}

/* Three buffers of 16 bytes, of which each pair is alive together at some step, do not fit into 32
 * bytes: this is found where a bound below the true one is given. */
Test(search, proves_that_nothing_is_lower) {
    fv_interval items[] = {{.first = 0, .last = 2, .size = 16},
                           {.first = 1, .last = 3, .size = 16},
                           {.first = 2, .last = 4, .size = 16}};
    bool proved = false;
    cr_assert_eq(fv_pack(arena, 3, items, 32, 64, &proved), 48);
    cr_assert(proved);
    check_apart(3, items, 48);
    cr_assert_eq(fv_pack(arena, 3, items, 32, 48, &proved), 48);
    cr_assert(proved);
}

/* ---- the order of launches ---- */

static const char two_products[] =
    "fovea-ir 1\n"
    "module \"m\"\n"
    "func @main(%x: f32[16, 16], %w: f32[16, 64], %v: f32[16, 64], %k: f32[64, 2]) -> (%y) {\n"
    "  %a = MatMul(%x, %w)\n"
    "  %b = MatMul(%x, %v)\n"
    "  %p = Softmax(%a) {axis = 0}\n"
    "  %q = Softmax(%b) {axis = 0}\n"
    "  %s = MatMul(%p, %k)\n"
    "  %t = MatMul(%q, %k)\n"
    "  %y = Sub(%s, %t)\n"
    "  return %y\n"
    "}\n";

static fv_program *lowered(const char *text, bool saves_memory) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = fv_target_find("cortex-m4"),
                           .saves = saves_memory ? FV_SAVES_MEMORY : 0};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    return p;
}

static int64_t workspace(const fv_program *p) {
    int64_t bytes = -1;
    cr_assert(fv_x_is_int(p->memory.workspace, &bytes));
    cr_assert(p->memory.is_least);
    return bytes;
}

/* Each product of 4096 bytes is used before the next one is computed. */
Test(search, orders_launches_for_memory) {
    cr_assert_eq(workspace(lowered(two_products, false)), 2 * 4096 + 256);
    fv_program *small = lowered(two_products, true);
    cr_assert_eq(workspace(small), 4096 + 256);
    cr_assert_eq(small->memory.least_alive, 4096 + 256);
}

/* The result has room for one of three values, so two are alive in the workspace,
 * besides the sums of a softmax. */
static const char three_values[] = "fovea-ir 1\n"
                                   "module \"m\"\n"
                                   "const @one: i64[] = 1\n"
                                   "func @main(%x: f32[16, 16], %w: f32[16, 64]) -> (%y) {\n"
                                   "  %a = MatMul(%x, %w)\n"
                                   "  %p = Softmax(%a) {axis = 1}\n"
                                   "  %q = Softmax(%a) {axis = 0}\n"
                                   "  %r = CumSum(%a, @one)\n"
                                   "  %y = Max(%p, %q, %r)\n"
                                   "  return %y\n"
                                   "}\n";

Test(search, one_value_has_the_memory_of_an_output) {
    fv_program *small = lowered(three_values, true);
    cr_assert_eq(small->memory.least_alive, 2 * 4096 + 256);
    cr_assert_eq(workspace(small), 2 * 4096 + 256);
}

enum { LAUNCHES = 7, GIVEN = 2 };

static void use(fv_sequence_problem *p, int i, int value, bool writes) {
    fv_sequence_launch *x = &p->launches[i];
    x->uses[x->nuses++] = (fv_sequence_use){value, writes};
    fv_set_insert(p->values[value].users, i);
}

/* Lets launch i use a second result, which no other launch uses and over which the first one may be
 * stored, or read a value that is alive before all launches, and perhaps store its result there. */
static void draw_more(fv_sequence_problem *p, int i) {
    fv_sequence_launch *x = &p->launches[i];
    int own = LAUNCHES + i, given = 2 * LAUNCHES + draw(GIVEN);
    if (draw(3) == 0) {
        use(p, i, own, true);
        p->values[own].bytes = p->values[i].bytes;
        x->pairs[x->npairs++] = (fv_sequence_pair){own, i, true};
    }
    if (draw(3) == 0) {
        use(p, i, given, false);
        if (draw(2))
            x->pairs[x->npairs++] = (fv_sequence_pair){given, i, false};
    }
}

/* Launches of random values: launch i makes value i, of up to 3 earlier values, and may store it
 * over the first of them. */
static fv_sequence_problem drawn(void) {
    fv_sequence_problem p = {.n = LAUNCHES, .nvalues = 2 * LAUNCHES + GIVEN};
    p.launches = FV_NEW(arena, fv_sequence_launch, LAUNCHES);
    p.values = FV_NEW(arena, fv_sequence_value, p.nvalues);
    for (int i = 2 * LAUNCHES; i < p.nvalues; i++)
        p.values[i] = (fv_sequence_value){.bytes = 1 + draw(20), .before = true};
    for (int i = 0; i < LAUNCHES; i++) {
        fv_sequence_launch *x = &p.launches[i];
        x->uses = FV_NEW(arena, fv_sequence_use, 6);
        x->pairs = FV_NEW(arena, fv_sequence_pair, 3);
        x->hash = (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        p.values[i] = (fv_sequence_value){.bytes = 1 + draw(20), .after = draw(6) == 0};
        use(&p, i, i, true);
        for (int k = 0; i > 0 && k < draw(4); k++) {
            int from = draw(i);
            use(&p, i, from, false);
            fv_set_insert(x->needs, from);
        }
        if (x->nuses > 1 && draw(2)) {
            x->pairs[x->npairs++] = (fv_sequence_pair){x->uses[1].value, i, false};
            p.values[i].bytes = p.values[x->uses[1].value].bytes;
        }
        draw_more(&p, i);
    }
    return p;
}

/* The least peak of all orders that begin as o does. */
static int64_t least_of_all(const fv_sequence_problem *p, const fv_sequence *o) {
    int64_t least = INT64_MAX;
    if (o->n == p->n)
        return o->peak;
    for (int i = 0; i < p->n; i++)
        if (fv_sequence_may_follow(p, o, i)) {
            fv_sequence next = fv_sequence_extend(p, o, i);
            int64_t peak = least_of_all(p, &next);
            least = peak < least ? peak : least;
        }
    return least;
}

/* The search finds what all orders of a few launches give. */
Test(search, finds_the_best_order) {
    int better = 0;
    for (state = 1; state < 3000;) {
        unsigned seed = state;
        fv_sequence_problem p = drawn();
        fv_sequence begin = fv_sequence_begin(&p), first[LAUNCHES + 1] = {begin};
        for (int i = 0; i < LAUNCHES; i++)
            first[i + 1] = fv_sequence_extend(&p, &first[i], i);
        int64_t peak = first[LAUNCHES].peak, least = least_of_all(&p, &begin);
        const fv_sequence *best;
        cr_assert_eq(fv_sequence_least(&p, arena, peak, &best), least, "seed %u", seed);
        cr_assert_eq(best != NULL, least < peak, "seed %u", seed);
        better += best != NULL;
        if (best)
            cr_assert_eq(best->peak, least);
        for (int n = LAUNCHES; best && best->last >= 0; best = best->from, n--)
            cr_assert(best->n == n && fv_sequence_may_follow(&p, best->from, best->last));
        state = seed + 10;
    }
    cr_assert_gt(better, 20);
}

/* The states change places: %m, of the old %a, is stored over the old %b, of which %q is made. */
static const char exchange[] =
    "fovea-ir 1\n"
    "module \"m\"\n"
    "symbol t 0..3 data\n"
    "const @three: i64[] = 3\n"
    "func @main(%x: f32[16, 16], %w: f32[16, 64], %v: f32[16, 64], %k: f32[64, 16]) -> (%y, %z) {\n"
    "  %y, %z = Loop(@three, _, %x, %x) {body = ^(%i: i64[] = [t], %go: bool[] = [1], "
    "%a: f32[16, 16], %b: f32[16, 16]) {\n"
    "    %p = MatMul(%a, %w)\n"
    "    %q = MatMul(%b, %v)\n"
    "    %ps = Softmax(%p) {axis = 0}\n"
    "    %qs = Softmax(%q) {axis = 0}\n"
    "    %m = MatMul(%ps, %k)\n"
    "    %n = MatMul(%qs, %k)\n"
    "    return %go, %n, %m\n"
    "  }}\n"
    "  return %y, %z\n"
    "}\n";
enum { STATE = 16 * 16, INPUT = 16 * 64 };

/* Runs the program on inputs that are always the same. */
static void run(fv_program *p, float y[STATE], float z[STATE]) {
    static float inputs[4][INPUT];
    const void *in[4] = {inputs[0], inputs[1], inputs[2], inputs[3]};
    void *out[2] = {y, z};
    size_t bytes;
    state = 1;
    for (int i = 0; i < 4 * INPUT; i++)
        inputs[i / INPUT][i % INPUT] = (float)(draw(200) - 100) / 64;
    fv_program_expand(p);
    fv_interp *interp = fv_interp_new(arena, p);
    int64_t *dims = FV_NEW(arena, int64_t, fv_out_dims_size(p) + 1);
    cr_assert(interp && fv_interp_plan(interp, NULL, &bytes, dims) == FV_OK);
    for (int i = 0; i < 2; i++)
        dims[fv_out_dims_at(p, i)] = STATE;
    cr_assert_eq(fv_interp_run(interp, NULL, in, out, dims, fv_alloc_aligned(arena, bytes + 64, 64),
                               bytes, NULL),
                 FV_OK);
}

/* The launch that stores a value over one that others read follows these readers. */
Test(search, readers_precede_what_overwrites) {
    static float y[2][STATE], z[2][STATE];
    fv_program *usual = lowered(exchange, false), *small = lowered(exchange, true);
    cr_assert_lt(workspace(small), workspace(usual));
    run(usual, y[0], z[0]);
    run(small, y[1], z[1]);
    cr_assert_neq(y[0][0], z[0][0]);
    cr_assert_arr_eq(y[0], y[1], sizeof y[0]);
    cr_assert_arr_eq(z[0], z[1], sizeof z[0]);
}
