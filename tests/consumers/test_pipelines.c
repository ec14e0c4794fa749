/* test_pipelines.c - random small programs: kernels that feed each other through the workspace, the
 * caller's allocator and outputs, in loops and branches of the run.
 *
 * The evaluator runs the same stages on memory of their own. FV_SEED and FV_ROUNDS as in
 * test_random.c. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "ir/base/diag.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/verify.h"
#include "tests/consumers/consumers.h"
#include "tests/consumers/eval.h"
#include "tests/consumers/gen.h"
#include "tests/sample.h"

enum { MAX_STAGES = 6, MAX_VALUES = 48, LARGEST = 4000 };

typedef struct value {
    fv_buf *buf;         /* of the program */
    const fv_buf *like;  /* parameter that it was made for */
    fv_span before, now; /* contents at the start, and as evaluated */
} value;

typedef struct stage {
    fv_kernel *kernel;
    int values[8];
    int times;       /* in a loop */
    int64_t at_most; /* only where n0 is at most that */
} stage;

typedef struct pipeline {
    fv_session *session;
    fv_arena *a;
    rng r;
    const fv_target *target;
    fv_program *p;
    fv_kbuilder b;
    stage stages[MAX_STAGES];
    value values[MAX_VALUES];
    int nstages, nvalues;
    int64_t dims[3];
} pipeline;

/* ---- values ---- */

static int64_t extent_value(const pipeline *l, const fv_expr *x) {
    return x->op == FV_X_CONST ? x->u.i : l->dims[x->u.var->name[1] - '0'];
}

static size_t bytes_of(const pipeline *l, const fv_buf *b) {
    size_t n = (size_t)fv_elem_storage_bytes(b->elem);
    for (int i = 0; i < b->rank; i++)
        n *= (size_t)extent_value(l, b->extent[i]);
    return n;
}

static bool same_extent(const fv_expr *a, const fv_expr *b) {
    if (a->op != b->op)
        return false;
    return a->op == FV_X_CONST ? a->u.i == b->u.i : strcmp(a->u.var->name, b->u.var->name) == 0;
}

static bool same_shape(const fv_buf *a, const fv_buf *b) {
    bool same = a->elem == b->elem && a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++)
        same = same_extent(a->extent[i], b->extent[i]);
    return same;
}

static bool is_taken(const stage *s, int param, int v) {
    for (int i = 0; i < param; i++)
        if (s->values[i] == v)
            return true;
    return false;
}

/* A value that can be the argument of the parameter, or -1. A value that is both read and written
 * is the argument of one parameter only. */
static int find_value(pipeline *l, const stage *s, int param) {
    const fv_buf *b = s->kernel->bufs[param];
    if (rng_chance(&l->r, 15))
        return -1;
    for (int v = l->nvalues - 1; v >= 0; v--) {
        bool alone = b->role == FV_BUF_IN ||
                     (!is_taken(s, param, v) && l->values[v].buf->role != FV_BUF_INPUT);
        if (same_shape(l->values[v].like, b) && alone)
            return v;
    }
    return -1;
}

static fv_buf *inner_buffer(pipeline *l, const fv_buf *like, fv_buf_role role, const char *name) {
    fv_program *p = l->p;
    fv_expr *extent[8], *bytes = fv_x_int(l->a, fv_elem_storage_bytes(like->elem));
    for (int i = 0; i < like->rank; i++) {
        extent[i] = program_extent(p, like->extent[i]);
        bytes = fv_x_bin(l->a, FV_X_MULSAT, bytes, extent[i]);
    }
    fv_buf *b = fv_buf_new(l->a, name, role, like->elem, like->rank, extent);
    b->bytes = bytes;
    b->id = p->memory.nbuffers;
    p->memory.buffers[p->memory.nbuffers++] = b;
    return b;
}

/* At the end of the workspace, which grows by a LET of the plan. */
static fv_buf *work_buffer(pipeline *l, const fv_buf *like, const char *name) {
    fv_buf *b = inner_buffer(l, like, FV_BUF_WORK, name);
    fv_kbuilder plan;
    fv_kb_init(&plan, l->a, NULL, &l->p->host.plan);
    fv_expr *size = fv_kb_let(&plan, "size", b->bytes);
    fv_expr *up = fv_x_bin(l->a, FV_X_ADDSAT, size, fv_x_int(l->a, 63));
    up = fv_x_bin(l->a, FV_X_AND, up, fv_x_int(l->a, -64));
    b->offset = l->p->memory.workspace;
    b->bytes = size;
    l->p->memory.workspace =
        fv_kb_let(&plan, "end", fv_x_bin(l->a, FV_X_ADDSAT, l->p->memory.workspace, up));
    return b;
}

static fv_buf *heap_buffer(pipeline *l, const fv_buf *like, const char *name) {
    fv_buf *b = inner_buffer(l, like, FV_BUF_HEAP, name);
    fv_stmt *s = fv_kb_add(&l->b, FV_S_ALLOC);
    s->buf = b;
    s->x = b->bytes;
    l->p->memory.uses_allocator = true;
    return b;
}

static int new_value(pipeline *l, const fv_buf *like) {
    value *v = &l->values[l->nvalues];
    const char *name = fv_printf(l->a, "v%d", l->nvalues);
    int kind = like->role == FV_BUF_OUT ? rng_below(&l->r, 3) : 0;
    v->like = like;
    v->buf = kind == 0   ? program_port(l->p, like, name)
             : kind == 1 ? work_buffer(l, like, name)
                         : heap_buffer(l, like, name);
    size_t bytes = bytes_of(l, like);
    v->before = (fv_span){fv_alloc_aligned(l->a, bytes + 1, 64), bytes};
    v->now = (fv_span){fv_alloc_aligned(l->a, bytes + 1, 64), bytes};
    gen_data(&l->r, like->elem, v->before.data, bytes);
    memcpy(v->now.data, v->before.data, bytes);
    return l->nvalues++;
}

/* ---- stages ---- */

static void launch(pipeline *l, const stage *s) {
    const fv_kernel *k = s->kernel;
    fv_stmt *st = fv_kb_add(&l->b, FV_S_LAUNCH);
    st->call.kernel = s->kernel;
    st->call.args = FV_NEW(l->a, fv_buf *, k->nbufs);
    st->call.dims = FV_NEW(l->a, fv_expr *, k->ndims);
    for (int i = 0; i < k->nbufs; i++)
        st->call.args[i] = l->values[s->values[i]].buf;
    for (int i = 0; i < k->ndims; i++)
        st->call.dims[i] = fv_x_var(l->a, program_symbol(l->p, k->dims[i]));
}

static bool add_stage(pipeline *l) {
    static const gen_options options = {.size = 12, .whole = true, .alike = true};
    stage *s = &l->stages[l->nstages];
    s->kernel = gen_kernel(l->a, &l->r, &options, fv_printf(l->a, "k%d", l->nstages));
    for (int i = 0; i < s->kernel->nbufs; i++)
        if (bytes_of(l, s->kernel->bufs[i]) > LARGEST)
            return false;
    bool writes_afresh = false;
    for (int i = 0; i < s->kernel->nbufs; i++) {
        const fv_buf *b = s->kernel->bufs[i];
        int v = b->role == FV_BUF_OUT ? -1 : find_value(l, s, i);
        s->values[i] = v >= 0 ? v : new_value(l, b);
        writes_afresh |= b->role == FV_BUF_OUT;
    }
    s->times = 1 + rng_below(&l->r, 3) / 2;
    s->at_most = writes_afresh ? INT64_MAX : 8; /* what is read later must have been written */
    fv_var *n0 = program_symbol(l->p, s->kernel->dims[0]);
    if (s->at_most != INT64_MAX)
        fv_kb_if(&l->b, fv_x_bin(l->a, FV_X_LE, fv_x_var(l->a, n0), fv_x_int(l->a, s->at_most)));
    if (s->times > 1)
        fv_kb_for(&l->b, FV_SERIAL, "round", fv_x_int(l->a, 0), fv_x_int(l->a, s->times), 1);
    launch(l, s);
    if (s->times > 1)
        fv_kb_end(&l->b);
    if (s->at_most != INT64_MAX)
        fv_kb_end(&l->b);
    l->p->kernels[l->p->nkernels++] = s->kernel;
    l->nstages++;
    return true;
}

/* Some of what is allocated is freed by the program, the rest by the end of the run. */
static void free_some(pipeline *l) {
    for (int v = 0; v < l->nvalues; v++)
        if (l->values[v].buf->role == FV_BUF_HEAP && rng_chance(&l->r, 50))
            fv_kb_add(&l->b, FV_S_FREE)->buf = l->values[v].buf;
}

static bool evaluate(pipeline *l) {
    eval_options o = {l->session, l->target->single.fma32, l->target->single.fma64};
    for (int i = 0; i < l->nstages; i++) {
        const stage *s = &l->stages[i];
        fv_span bufs[8];
        for (int k = 0; k < s->kernel->nbufs; k++)
            bufs[k] = l->values[s->values[k]].now;
        for (int n = 0; n < s->times && l->dims[0] <= s->at_most; n++)
            if (eval_kernel(&o, s->kernel, l->dims, bufs) != FV_OK)
                return false;
    }
    return true;
}

/* ---- running ---- */

static void *allocate(void *user, size_t bytes) {
    ++*(int *)user;
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(p, 0x77, bytes);
    return p;
}

static void release(void *user, void *p) {
    --*(int *)user;
    free(p);
}

static bool check_consumer(pipeline *l, const consumer *c) {
    const fv_program *p = l->p;
    const void **inputs = FV_NEW(l->a, const void *, p->ninputs);
    void **outputs = FV_NEW(l->a, void *, p->noutputs);
    int live = 0;
    fv_env env = {.size = sizeof env, .user = &live, .alloc = allocate, .free = release};
    opened *o = c->open(l->a, p);
    cr_assert(o, "%s does not open it", c->name);
    for (int v = 0; v < l->nvalues; v++) {
        value *x = &l->values[v];
        if (x->buf->role == FV_BUF_INPUT)
            inputs[x->buf->index] = x->before.data;
        if (x->buf->role != FV_BUF_OUTPUT)
            continue;
        outputs[x->buf->index] = fv_alloc_aligned(l->a, x->before.bytes + 1, 64);
        memcpy(outputs[x->buf->index], x->before.data, x->before.bytes);
    }
    int64_t dims[3];
    size_t need = 0;
    for (int i = 0; i < p->symbols.n; i++)
        dims[i] = l->dims[p->symbols.all[i]->name[1] - '0'];
    cr_assert_eq(o->plan(o, dims, &need, NULL), FV_OK);
    void *workspace = fv_alloc_aligned(l->a, need + 1, 64);
    memset(workspace, 0x5a, need);
    int status = o->run(o, dims, inputs, outputs, NULL, workspace, need, &env);
    bool good = status == FV_OK && live == 0;
    if (!good)
        fprintf(stderr, "%s: status %d, %d allocations left; %s\n", c->name, status, live,
                o->fault(o) ? o->fault(o) : "");
    for (int v = 0; v < l->nvalues && good; v++) {
        const value *x = &l->values[v];
        size_t at = 0;
        if (x->buf->role != FV_BUF_OUTPUT)
            continue;
        good = same_elements(x->like->elem, x->now.data, outputs[x->buf->index], x->now.bytes, &at);
        if (!good)
            fprintf(stderr, "%s: element %zu of output %s\n", c->name, at, x->buf->name);
    }
    o->close(o);
    return good;
}

static bool check_pipeline(uint64_t seed, int round, const char *target) {
    static const int sizes[] = {0, 1, 3, 8, 9, 16, 17};
    pipeline l = {.session = fv_session_new(), .r = {seed}, .target = fv_target_find(target)};
    l.a = fv_arena_new(l.session);
    for (int i = 0; i < 3; i++)
        l.dims[i] =
            sizes[i == 0 && rng_chance(&l.r, 90) ? 1 + rng_below(&l.r, 6) : rng_below(&l.r, 7)];
    l.p = program_with_room(l.a, l.target, MAX_VALUES, 3, MAX_STAGES);
    fv_kb_init(&l.b, l.a, NULL, &l.p->host.body);
    for (int tries = 0; tries < 30 && l.nstages < MAX_STAGES; tries++)
        add_stage(&l);
    free_some(&l);
    fv_text text = {.arena = l.a};
    fv_program_print(&text, l.p);
    bool good = fv_program_verify(l.session, l.p) && evaluate(&l);
    if (good)
        fv_program_expand(l.p);
    bool runs_here = fv_target_runs_here(l.target);
    for (const consumer *c = consumers(); c->name && good; c++)
        if ((runs_here || !c->native) && round % c->every == 0)
            good = check_consumer(&l, c);
    for (const fv_message *m = fv_messages(l.session); m; m = m->next)
        fprintf(stderr, "%s\n", fv_message_str(l.a, m));
    if (!good)
        fprintf(stderr, "n0 = %" PRId64 ", n1 = %" PRId64 ", n2 = %" PRId64 "\n%s\n", l.dims[0],
                l.dims[1], l.dims[2], text.s);
    fv_session_free(l.session);
    return good;
}

static void check_pipelines(const char *target, int rounds) {
    uint64_t seed = sample_seed(1);
    rng r = {seed};
    rounds = (int)sample_rounds((uint64_t)rounds, (uint64_t)(rounds + 3) / 4);
    for (int i = 0; i < rounds; i++)
        cr_assert(check_pipeline(rng_next(&r), i, target),
                  "target %s, FV_SEED=%" PRIu64 ", round %d", target, seed, i);
}

Test(pipelines, x86_64_v3) {
    check_pipelines("x86-64-v3", 6);
}
Test(pipelines, generic) {
    check_pipelines("generic", 6);
}
Test(pipelines, aarch64) {
    check_pipelines("aarch64", 40);
}
