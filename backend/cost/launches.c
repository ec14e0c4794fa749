/* launches.c - predicts the launches of a program: each finds in caches what those before it left
 * there (predict.h). */
#include <math.h>
#include <string.h>

#include "backend/cost/predict.h"
#include "backend/cost/walk.h"

/* When a buffer was accessed, as the number of bytes that all launches up to that access have
 * accessed; -infinity: it was not. A step of a decoder writes one row of a cache that attention
 * reads whole, so accesses of a part do not bring the rest near. */
typedef struct history {
    const fv_buf *buf;
    bool placed; /* whether it is in the workspace, at the bytes [begin, end) */
    int64_t begin, end;
    double last, last_bytes; /* the last access, and the bytes that it touched */
    double most_bytes;       /* the most that any access touched */
    double large;            /* the last access that touched at least half of these */
} history;

/* The prediction of a launch of a kernel with these dims and residences. */
typedef struct known_launch {
    const fv_kernel *kernel;
    const int64_t *dims;
    const fv_residence *residence;
    fv_prediction is;
} known_launch;

typedef struct past {
    fv_arena *arena;
    fv_walk host; /* knows the variables of the host program */
    fv_ptrmap of; /* fv_buf -> history */
    history **all;
    int n, cap;
    double now;
    struct {
        known_launch *all; /* equal layers are predicted once */
        int n, cap;
    } known;
} past;

static history *history_of(past *p, const fv_buf *b) {
    void **at = fv_ptrmap_at(&p->of, b);
    if (*at)
        return *at;
    history *h = FV_NEW(p->arena, history, 1);
    int64_t bytes;
    *h = (history){.buf = b, .last = -INFINITY, .large = -INFINITY};
    h->placed = b->role == FV_BUF_WORK && b->offset && b->bytes &&
                fv_walk_evaluate(&p->host, b->offset, &h->begin) &&
                fv_walk_evaluate(&p->host, b->bytes, &bytes);
    h->end = h->placed ? h->begin + bytes : 0;
    FV_PUSH(p->arena, p->all, p->n, p->cap, h);
    *at = h;
    return h;
}

static bool share_memory(const history *a, const history *b) {
    return a == b || (a->placed && b->placed && a->begin < b->end && b->begin < a->end);
}

/* When data were accessed of which a launch touches that many bytes: at the last access, if it
 * touched at least half as many. */
static double accessed(const history *h, double touched) {
    return touched <= 2 * h->last_bytes ? h->last : h->large;
}

static void note_access(history *h, double at, double touched) {
    h->last = at;
    h->last_bytes = touched;
    if (2 * touched >= h->most_bytes)
        h->large = at;
    h->most_bytes = fmax(h->most_bytes, touched);
}

/* Where the data of buffer h are: in the smallest cache that holds all that was accessed since its
 * memory was accessed last, as that of h or of another buffer that overlaps it. */
static fv_residence residence_of(const past *p, const fv_speeds *s, const history *h,
                                 double touched) {
    double last = -INFINITY;
    for (int i = 0; i < p->n; i++)
        if (share_memory(p->all[i], h))
            last = fmax(last, accessed(p->all[i], touched));
    double since = p->now - last > touched ? p->now - last : touched;
    return since > s->capacity[2] ? FV_IN_MEMORY : since > s->capacity[1] ? FV_IN_L3 : FV_IN_L2;
}

static void find_residences(past *p, const fv_speeds *s, const fv_launch_cost *l,
                            fv_residence *out) {
    for (int b = 0; b < l->kernel->nbufs; b++)
        out[b] = residence_of(p, s, history_of(p, l->launch->call.args[b]), l->touched[b]);
    for (int b = 0; b < l->kernel->nbufs; b++)
        p->now += l->touched[b];
    for (int b = 0; b < l->kernel->nbufs; b++)
        note_access(history_of(p, l->launch->call.args[b]), p->now, l->touched[b]);
}

static bool is_same(const known_launch *of, const fv_launch_cost *l,
                    const fv_residence *residence) {
    const fv_kernel *k = l->kernel;
    size_t dims = (size_t)k->ndims * sizeof *l->dims, bufs = (size_t)k->nbufs * sizeof *residence;
    return of->kernel == k && (!dims || !memcmp(of->dims, l->dims, dims)) &&
           (!bufs || !memcmp(of->residence, residence, bufs));
}

static fv_prediction predict_launch(past *p, const fv_program *program, const fv_speeds *s,
                                    int threads, const fv_launch_cost *l,
                                    const fv_residence *residence) {
    for (int i = 0; i < p->known.n; i++)
        if (is_same(&p->known.all[i], l, residence))
            return p->known.all[i].is;
    known_launch new = {l->kernel, l->dims, residence, {0}};
    new.is =
        fv_predict_kernel(p->arena, l->kernel, l->dims, program->target, s, threads, residence);
    FV_PUSH(p->arena, p->known.all, p->known.n, p->known.cap, new);
    return new.is;
}

/* Predicts launches i .. j - 1; out NULL: only follows what they access. */
static void predict_range(past *p, const fv_program *program, const fv_speeds *s, int threads,
                          const fv_launch_cost *list, int i, int j, fv_prediction *out) {
    for (; i < j; i++) {
        const fv_launch_cost *l = &list[i];
        fv_residence *residence = FV_NEW(p->arena, fv_residence, l->kernel->nbufs + 1);
        if (!l->known)
            continue;
        find_residences(p, s, l, residence);
        if (out)
            out[i] = predict_launch(p, program, s, threads, l, residence);
    }
}

/* Has the loop of the host program more than one iteration, as far as that is known? */
static bool repeats(past *p, const fv_stmt *loop) {
    int64_t lo, hi;
    if (!loop || loop->kind != FV_S_FOR)
        return loop;
    return !fv_walk_evaluate(&p->host, loop->loop.lo, &lo) ||
           !fv_walk_evaluate(&p->host, loop->loop.hi, &hi) || hi - lo > loop->loop.step;
}

void fv_predict_launches(fv_arena *scratch, const fv_program *program, const int64_t *dims,
                         const fv_speeds *s, int threads, int n, const fv_launch_cost *list,
                         fv_prediction *out) {
    past p = {.arena = scratch,
              .host = fv_cost_host(scratch, program, dims),
              .of = fv_ptrmap_in(scratch)};
    memset(out, 0, (size_t)n * sizeof *out);
    predict_range(&p, program, s, threads, list, 0, n, NULL);
    for (int i = 0, j; i < n; i = j) { /* the second run finds what the first one left */
        for (j = i + 1; j < n && list[i].loop && list[j].loop == list[i].loop; j++)
            ;
        if (repeats(&p, list[i].loop)) /* and an iteration what the one before it left */
            predict_range(&p, program, s, threads, list, i, j, NULL);
        predict_range(&p, program, s, threads, list, i, j, out);
    }
}
