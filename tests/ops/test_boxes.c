/* fv.Suppress compared with its definition: numbers of boxes around those that a heap and a block
 * of kept boxes hold, with equal scores, NaN, infinities, and boxes without an area. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/base/random.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(boxes, .init = open_session, .fini = close_session);

enum { MOST = 400, LINES = 2 };

typedef struct problem {
    int n, enough;
    float overlap, least;
    float box[MOST][4], score[LINES][MOST];
} problem;

static float draw(fv_random *r, float least, float most) {
    return least + (most - least) * (float)fv_random_unit(r);
}

/* `spread`: the size of the plane in which the boxes are. */
static problem problem_of(int n, int enough, float spread, fv_random *r) {
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1e-45f};
    problem p = {.n = n, .enough = enough, .overlap = 0.4f, .least = 0.2f};
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) {
            p.box[i][k] = draw(r, 0, spread);
            p.box[i][k + 2] = p.box[i][k] + (fv_random_one_in(r, 20) ? 0 : draw(r, 1, 20));
        }
        if (fv_random_one_in(r, 25))
            p.box[i][fv_random_below(r, 4)] = odd[fv_random_below(r, 6)];
        for (int l = 0; l < LINES; l++)
            p.score[l][i] = fv_random_one_in(r, 15) ? odd[fv_random_below(r, 6)]
                                                    : (float)fv_random_below(r, 40) / 40.0f;
    }
    return p;
}

/* Is box i before box j? NaN is the largest score; zeros are equal, of both signs. */
static bool is_before(const problem *p, int line, int i, int j) {
    float x = p->score[line][i], y = p->score[line][j];
    if (isnan(x) || isnan(y))
        return isnan(x) && (!isnan(y) || i < j);
    return x > y || (x == y && i < j);
}

static bool overlaps(const problem *p, const float *a, const float *b) {
    float w = (a[2] < b[2] ? a[2] : b[2]) - (a[0] > b[0] ? a[0] : b[0]);
    float h = (a[3] < b[3] ? a[3] : b[3]) - (a[1] > b[1] ? a[1] : b[1]);
    float x = (a[2] - a[0]) * (a[3] - a[1]), y = (b[2] - b[0]) * (b[3] - b[1]), common = w * h;
    float together = (x + y) - common;
    return 0 < x && 0 < y && 0 < w && 0 < h && 0 < together && p->overlap < common / together;
}

/* The next box after `last` (-1: the first one) of those above the least score, or -1. */
static int next_box(const problem *p, int line, int last) {
    int best = -1;
    for (int i = 0; i < p->n; i++)
        if (p->least < p->score[line][i] && (last < 0 || is_before(p, line, last, i)) &&
            (best < 0 || is_before(p, line, i, best)))
            best = i;
    return best;
}

static int expected(const problem *p, int line, int64_t *kept) {
    int found = 0;
    for (int i = next_box(p, line, -1); i >= 0 && found < p->enough; i = next_box(p, line, i)) {
        bool free = true;
        for (int k = 0; k < found; k++)
            free = free && !overlaps(p, p->box[kept[k]], p->box[i]);
        if (free)
            kept[found++] = i;
    }
    return found;
}

static fv_program *program(const char *target, const problem *p) {
    const char *text = fv_printf(
        arena,
        "fovea-ir 1\nmodule \"m\"\nconst @m: i64[] = %d\nconst @o: f32[] = 0.4\n"
        "const @t: f32[] = 0.2\nfunc @main(%%b: f32[1, %d, 4], %%s: f32[%d, %d]) -> (%%k, %%c) {\n"
        "  %%k, %%c = fv.Suppress(%%b, %%s, @m, @o, @t)\n  return %%k, %%c\n}\n",
        p->enough, p->n, LINES, p->n);
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_lower_options lo = {.target = fv_target_find(target)};
    fv_pipeline_options po = {.verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_program *q = fv_lower(m, &lo);
    cr_assert(q && fv_program_verify(session, q), "%s", said());
    fv_program_expand(q);
    return q;
}

static void check_problem(const char *target, const problem *p) {
    static float scores[LINES * MOST];
    static int64_t kept[LINES * MOST], counts[LINES], want[MOST];
    const fv_program *q = program(target, p);
    const void *in[2] = {p->box, scores};
    void *out[2] = {kept, counts};
    int64_t dims[8];
    size_t bytes;
    for (int l = 0; l < LINES; l++)
        memcpy(scores + l * p->n, p->score[l], (size_t)p->n * sizeof *scores);
    fv_interp *interp = fv_interp_new(arena, q);
    cr_assert_eq(fv_interp_plan(interp, NULL, &bytes, dims), 0);
    int status = fv_interp_run(interp, NULL, in, out, dims, fv_alloc_aligned(arena, bytes + 64, 64),
                               bytes, NULL);
    cr_assert_eq(status, 0, "status %d: %s", status, fv_interp_fault(interp));
    for (int l = 0; l < LINES; l++) {
        int n = expected(p, l, want);
        cr_assert_eq(counts[l], n, "%s, %d boxes: %d kept, expected %d", target, p->n,
                     (int)counts[l], n);
        cr_assert(!memcmp(kept + l * p->n, want, (size_t)n * sizeof *want), "%s, %d boxes", target,
                  p->n);
    }
}

Test(boxes, those_that_overlap_no_better_one) {
    static const char *const targets[] = {"x86-64-v3", "generic", "cortex-m4"};
    static const int sizes[] = {0, 1, 2, 3, 4, 7, 16, 17, 63, 64, 65, 129, 400};
    fv_random r = {5};
    for (size_t t = 0; t < 3; t++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int k = 0; k < 3; k++) {
                problem p = problem_of(sizes[s], k == 2 ? 5 : 300, k ? 60 : 2000, &r);
                check_problem(targets[t], &p);
            }
}
