/* predict.c - see predict.h. */
#include "backend/cost/predict.h"

#include <math.h>
#include <stdlib.h>

#include "backend/cost/instructions.h"
#include "backend/cost/transfers.h"
#include "backend/cost/walk.h"
#include "backend/expand/expand.h"
#include "ir/dim/poly.h"
#include "ir/kernel/matrix.h"

enum { SAMPLES = 48, INNER_SAMPLES = 16, MOST_DEPTH = 60 };
/* factors of variables in indices, and constants, that are larger count as unknown */
static const int64_t MOST_STEP = 1 << 20, MOST_OFFSET = (int64_t)1 << 40;
/* the number of terms of an index, also of those in the lets that it contains, up to which its
 * windows are known: an index of lets that each contain the previous one twice has 2^n terms */
enum { MOST_TERMS = 256 };

/* cycles that are lost at the end of a loop, where the core had predicted one more iteration */
static const double END_CYCLES = 16;
/* number of instructions that a core has begun and not ended, at most: as many as these of later
 * iterations are executed while earlier ones wait for results */
static const double WINDOW = 176;
/* number of iterations up to which a core predicts the end of a loop */
static const double UNFORESEEN = 24;
static const double CALL_CYCLES = 40;   /* cycles of beginning and ending a product of matrices */
static const double LAUNCH_CYCLES = 10; /* cycles of a launch, besides those of its tasks */
/* number of consecutive bytes from which on a core prefetches the lines that follow */
static const double STREAM = 512;
/* number of bytes that a core can store before they are in a cache: it waits for them only if it
 * stores more than these in the time that their transfers take */
static const double STORES = 4096;

typedef struct access {
    int buf;
    fv_cost_access is;
} access;

/* The part of the cycles of a transfer for which a core always waits, even if it computes during
 * the transfer, because the transfer uses the ports of a cache. */
#define HINDERS 0.15
/* The part of the cycles of the statements around inner loops in which none of these loops is
 * executed: a core overlaps the others with their beginnings and ends. */
#define AROUND 0.5

/* What one execution of a statement does: instructions, and accesses of buffers. The instructions
 * `before` are executed once before the innermost loop around the statement. */
typedef struct facts {
    fv_instructions inside, before;
    access *all;
    int n, cap;
    double chain, path; /* if the statement is a loop: those of its frame */
    bool carries;       /* whether loops in its body add to registers of earlier iterations */
    bool has_chains;
} facts;

/* From which follows how far a core overlaps iterations. Of one iteration: the latency, with that
 * of its branches and loops; the instructions of its loops; whether it depends on the one before
 * it, or contains a loop whose end the core does not foresee. Of all iterations: the cycles by
 * which the latency of one exceeds its share of the time, and all instructions. */
typedef struct overlap {
    fv_latency latency;
    fv_instructions loops;
    bool in_order;
    double exceeds;
    fv_instructions executed;
} overlap;

/* A loop of the walk, or the kernel: `body` is the iteration that is walked, `all` the iterations
 * so far. */
typedef struct frame {
    const fv_stmt *loop;
    fv_instructions body;
    double body_cycles, all_cycles; /* cycles of the loops in the body; of all iterations */
    double trips, all_trips;
    /* chain: cycles of the chain from one iteration to the next, if the body contains no loop;
     * path: cycles of the longest chain through statements of the body, if it contains loops */
    double chain, path;
    overlap overlap;
    fv_moved *direct, *inner, *all; /* by buffer: statements of the body, its loops, `all` */
} frame;

/* The loop of a variable; NULL: the variable is the number of the task. */
typedef struct loop_of_variable {
    const fv_stmt *loop;
    fv_loop_set bit;
} loop_of_variable;

typedef struct predictor {
    const fv_kernel *kernel;
    const fv_speeds *speeds;
    fv_walk *walk;
    fv_instruction_counter counter;
    fv_ptrmap facts;  /* fv_stmt -> facts */
    fv_ptrmap orders; /* fv_var -> fv_task_order */
    fv_ptrmap values; /* fv_var -> fv_expr, of lets */
    fv_ptrmap loops;  /* fv_var -> loop_of_variable */
    double *size;     /* bytes of each buffer; negative: not known */
    frame frames[MOST_DEPTH];
    double threads; /* number of threads that have tasks */
    int n;          /* the innermost frame is frames[n - 1]; frames[0] is the kernel */
    int terms;      /* number of terms of the access whose windows are computed */
    int deeper;     /* number of loops around the current statement for which no frame is left */
    bool unknown;
} predictor;

static frame *innermost(predictor *p) {
    return &p->frames[p->n - 1];
}

/* ---- statements ---- */

static void add_times(fv_instructions *to, const fv_instructions *n, double times) {
    to->vectors += times * n->vectors;
    to->multiplies += times * n->multiplies;
    to->loads += times * n->loads;
    to->stores += times * n->stores;
    to->split_loads += times * n->split_loads;
    to->split_stores += times * n->split_stores;
    to->integers += times * n->integers;
    to->divisions += times * n->divisions;
    to->roots += times * n->roots;
}

static void add(fv_instructions *to, const fv_instructions *n) {
    add_times(to, n, 1);
}

static void set_order(predictor *p, const fv_var *v, fv_task_order order) {
    void **at = fv_ptrmap_at(&p->orders, v);
    if (!*at)
        *at = FV_NEW(p->counter.arena, fv_task_order, 1);
    *(fv_task_order *)*at = order;
}

/* How an index depends on the number of the task. */
static fv_task_order order_of(predictor *p, const fv_expr *x) {
    fv_task_order order = {0};
    int64_t by;
    if (x->op == FV_X_VAR) {
        const fv_task_order *of = fv_ptrmap_get(&p->orders, x->u.var);
        return of ? *of : order;
    }
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD) /* data decide, so no order is known */
        return (fv_task_order){.same = 1, .most = 1, .cyclic = true};
    for (int i = 0; i < x->n; i++)
        order = fv_order_of_both(order, order_of(p, x->arg[i]));
    bool divides = x->op == FV_X_DIV || x->op == FV_X_FLOORDIV,
         remains = x->op == FV_X_REM || x->op == FV_X_FLOORMOD;
    if ((divides || remains) && order.same > 0 && fv_walk_evaluate(p->walk, x->arg[1], &by)) {
        order.same *= divides && by > 0 ? (double)by : 1;
        order.most = order.same;
        order.cyclic |= remains && by > 1;
    }
    return order;
}

/* The number of elements along the axis; 1e9 if it is not known. */
static double extent_of(predictor *p, const fv_buf *b, int axis) {
    int64_t extent;
    return b->extent && b->extent[axis] && fv_walk_evaluate(p->walk, b->extent[axis], &extent)
               ? (double)extent
               : 1e9;
}

static bool add_index(predictor *p, fv_window_axis *to, const fv_expr *x, int64_t times,
                      fv_loop_set *opaque);

/* Adds `times` times the variable of a loop to the axis. */
static bool add_variable(predictor *p, fv_window_axis *to, const loop_of_variable *l, int64_t times,
                         fv_loop_set *opaque) {
    int64_t step = l->loop ? l->loop->loop.step : 1;
    return llabs(step) < MOST_STEP && fv_window_add(to, l->bit, times * step) &&
           (!l->loop || add_index(p, to, l->loop->loop.lo, times, opaque));
}

/* The factor of the product x that has the same value in all loops, which is *by; -1: there is
 * none. */
static int constant_factor(predictor *p, const fv_expr *x, int64_t *by) {
    for (int i = 0; i < x->n && x->op == FV_X_MUL; i++)
        if (!fv_loops_of(&p->counter, x->arg[i]) && fv_walk_evaluate(p->walk, x->arg[i], by) &&
            llabs(*by) < MOST_STEP)
            return i;
    return -1;
}

/* Adds `times` times the index x to the axis. What is neither a constant nor a variable of a loop
 * is part of `rest`; *opaque gets the loops in which it varies. False: there are too many terms, or
 * too large numbers. */
static bool add_index(predictor *p, fv_window_axis *to, const fv_expr *x, int64_t times,
                      fv_loop_set *opaque) {
    const fv_expr *value = x->op == FV_X_VAR ? fv_ptrmap_get(&p->values, x->u.var) : NULL;
    const loop_of_variable *l = x->op == FV_X_VAR ? fv_ptrmap_get(&p->loops, x->u.var) : NULL;
    int64_t by;
    if (llabs(times) >= MOST_STEP || p->terms++ >= MOST_TERMS)
        return false;
    if (value || l)
        return value ? add_index(p, to, value, times, opaque)
                     : add_variable(p, to, l, times, opaque);
    if (!fv_loops_of(&p->counter, x) && fv_walk_evaluate(p->walk, x, &by)) {
        to->from += llabs(by) < MOST_OFFSET ? times * by : 0;
        to->to = to->from;
        return llabs(by) < MOST_OFFSET;
    }
    if (x->op == FV_X_ADD || x->op == FV_X_SUB)
        return add_index(p, to, x->arg[0], times, opaque) &&
               add_index(p, to, x->arg[1], x->op == FV_X_SUB ? -times : times, opaque);
    int constant = constant_factor(p, x, &by);
    if (constant >= 0)
        return add_index(p, to, x->arg[1 - constant], times * by, opaque);
    *opaque |= fv_loops_of(&p->counter, x);
    to->rest = to->rest * 31 + (uint64_t)(uintptr_t)x * (uint64_t)times;
    to->rest_unit = fv_int_gcd(to->rest_unit, times);
    return true;
}

/* The elements of an access of `lanes` elements. They are not known if data or divisions decide an
 * index in a loop that moves the same access. */
static fv_windows windows_of(predictor *p, const fv_buf *b, fv_expr *const *index, int64_t lanes) {
    fv_windows w = {.are = FV_WINDOWS_KNOWN, .rank = b->rank};
    bool known = b->rank <= FV_WINDOW_AXES;
    fv_loop_set opaque = 0, moving = 0;
    p->terms = 0;
    for (int i = 0; i < b->rank && known; i++) {
        known = add_index(p, &w.axis[i], index[i], 1, &opaque);
        for (int k = 0; k < w.axis[i].nterms; k++)
            moving |= w.axis[i].terms[k].loop;
    }
    if (!known || moving & opaque)
        return (fv_windows){.are = FV_WINDOWS_UNKNOWN};
    if (b->rank && lanes > 1) {
        w.axis[b->rank - 1].to += lanes - 1;
        w.axis[b->rank - 1].gap = 1;
    }
    return w;
}

/* By how much of an access of a vector one of `bytes` bytes takes longer because it begins in one
 * cache line and ends in the next one. Addresses are multiples of the greatest common divisor of
 * all that is added to them. A unit that works on a part of a vector at a time repeats the part
 * that crosses. 0: not known. */
static double crossing(predictor *p, const fv_buf *b, const fv_windows *w, double bytes) {
    const fv_widths *vector = &p->speeds->vector;
    double whole = fmin(bytes, FV_LINE), part = whole;
    if (vector->datapath > 0 && vector->datapath < part)
        part = vector->datapath;
    double within = fv_elem_storage_bytes(b->elem);
    int64_t unit = FV_LINE;
    if (w->are != FV_WINDOWS_KNOWN)
        return 0;
    for (int i = b->rank - 1; i >= 0 && within < 1e9; i--) {
        const fv_window_axis *axis = &w->axis[i];
        int64_t of = fv_int_gcd(axis->from, axis->rest_unit);
        for (int k = 0; k < axis->nterms; k++)
            of = fv_int_gcd(of, axis->terms[k].step);
        unit = fv_int_gcd(unit, of * (int64_t)within);
        within *= extent_of(p, b, i);
    }
    return fmax(part - (double)unit, 0) / (double)FV_LINE * whole / vector->bytes;
}

static void add_access(predictor *p, facts *f, const fv_buf *b, fv_expr *const *index,
                       fv_cost_access is) {
    if (b->role == FV_BUF_TILE)
        return;
    if (is.windows.are == FV_WINDOWS_NONE)
        is.windows = windows_of(p, b, index, (int64_t)is.bytes);
    is.bytes *= fv_elem_storage_bytes(b->elem);
    double twice = crossing(p, b, &is.windows, is.bytes);
    *(is.is_store ? &f->inside.split_stores : &f->inside.split_loads) += is.is_ahead ? 0 : twice;
    double within = fv_elem_storage_bytes(b->elem); /* bytes of the axes after the i-th */
    for (int i = b->rank - 1; i >= 0; i--) {
        fv_loop_set loops = fv_loops_of(&p->counter, index[i]);
        for (int k = 0; k < FV_STRIDES; k++)
            is.along[k] |= within <= FV_LINE << k ? loops : 0;
        is.loops |= loops;
        is.order = fv_order_of_both(is.order, order_of(p, index[i]));
        within *= extent_of(p, b, i);
    }
    FV_PUSH(p->counter.arena, f->all, f->n, f->cap, ((access){b->id, is}));
}

static void add_loads(predictor *p, facts *f, const fv_expr *x) {
    if (!x)
        return;
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        add_access(p, f, x->u.buf, x->arg, (fv_cost_access){.bytes = x->type.lanes});
    for (int i = 0; i < x->n; i++)
        add_loads(p, f, x->arg[i]);
}

static facts *facts_of(predictor *p, const fv_stmt *s) {
    void **at = fv_ptrmap_at(&p->facts, s);
    if (*at)
        return *at;
    facts *f = FV_NEW(p->counter.arena, facts, 1);
    *at = f;
    fv_count_instructions(&p->counter, s, &f->inside, &f->before);
    if (s->kind == FV_S_LET) {
        set_order(p, s->var, order_of(p, s->x));
        *fv_ptrmap_at(&p->values, s->var) = s->x;
    }
    add_loads(p, f, s->x);
    if (s->kind == FV_S_STORE)
        add_access(p, f, s->buf, s->index,
                   (fv_cost_access){.bytes = s->x->type.lanes, .is_store = true});
    if (s->kind == FV_S_PREFETCH)
        add_access(p, f, s->buf, s->index, (fv_cost_access){.is_ahead = true});
    return f;
}

static void statement(fv_walk *w, const fv_stmt *s, double times) {
    predictor *p = w->user;
    frame *at = innermost(p);
    const facts *f = facts_of(p, s);
    (void)times;
    p->unknown |= s->kind == FV_S_CALL;
    add(&at->body, &f->inside);
    if (p->n > 1 && at->all_trips == 0)
        add(&at[-1].body, &f->before);
    for (int i = 0; i < f->n; i++)
        fv_moved_access(&at->direct[f->all[i].buf], &f->all[i].is);
}

/* ---- products of matrices ---- */

/* An access of a product that reads `words` words of the operand. Its addresses depend on the loops
 * around the product only. */
static void add_words(predictor *p, const fv_expr *load, double words) {
    facts f = {0};
    add_access(p, &f, load->u.buf, load->arg,
               (fv_cost_access){.bytes = 4 * words, .windows.are = FV_WINDOWS_UNKNOWN});
    if (f.n)
        fv_moved_access(&innermost(p)->direct[f.all[0].buf], &f.all[0].is);
}

/* A product of matrices: an instruction takes a cycle for each row and step of 16 words of a group
 * of columns; each sum is stored, and perhaps loaded, by rows. */
static void matrix(fv_walk *w, const fv_stmt *s, double times) {
    predictor *p = w->user;
    fv_matrix m;
    int64_t rows;
    (void)times;
    if (fv_matrix_read(s, &m)) {
        p->unknown = true;
        return;
    }
    rows = fv_walk_evaluate(w, m.rows, &rows) ? rows : m.most_rows;
    rows = rows > 0 ? rows : 0;
    double instructions = (double)fv_matrix_instructions(&m);
    innermost(p)->body_cycles +=
        CALL_CYCLES + (double)rows * m.groups * (instructions + 1 + m.adds);
    innermost(p)->overlap.in_order = true;
    add_words(p, m.a, (double)rows * (double)m.steps);
    add_words(p, m.b, (double)(m.steps * m.groups * FV_MATRIX_SIDE));
}

/* ---- loops ---- */

static bool has_loop(const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if (s->kind == FV_S_FOR || s->kind == FV_S_WHILE || has_loop(&s->body) ||
            has_loop(&s->other))
            return true;
    return false;
}

/* Do loops in the block store to registers that are declared outside of `within`? Then an iteration
 * of the loop whose body that is waits for the one before it. */
static bool carries(const predictor *p, const fv_block *b, fv_ptrmap *within, bool in_loop) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        bool loop = in_loop || s->kind == FV_S_FOR || s->kind == FV_S_WHILE;
        if (s->kind == FV_S_TILE)
            *fv_ptrmap_at(within, s->buf) = within;
        if (s->kind == FV_S_STORE && in_loop && fv_is_in_registers(&p->counter, s->buf) &&
            !fv_ptrmap_get(within, s->buf))
            return true;
        if (carries(p, &s->body, within, loop) || carries(p, &s->other, within, in_loop))
            return true;
    }
    return false;
}

static const facts *chains_of(predictor *p, const fv_stmt *loop) {
    facts *f = facts_of(p, loop);
    if (f->has_chains)
        return f;
    f->has_chains = true;
    if (has_loop(&loop->body))
        f->path = fv_path_cycles(&p->counter, &loop->body);
    else
        f->chain = fv_chain_cycles(&p->counter, &loop->body);
    fv_ptrmap within = fv_ptrmap_in(p->counter.arena);
    f->carries = carries(p, &loop->body, &within, false);
    return f;
}

/* The latency of the block without that of its loops and branches, which is found once. */
static fv_latency latency_of(predictor *p, const fv_block *block) {
    void **at = fv_ptrmap_at(&p->counter.latencies, block);
    if (!*at) {
        *at = FV_NEW(p->counter.arena, fv_latency, 1);
        *(fv_latency *)*at = fv_latency_of(&p->counter, block);
    }
    return *(const fv_latency *)*at;
}

static void branch(fv_walk *w, const fv_block *taken) {
    predictor *p = w->user;
    fv_latency is = latency_of(p, taken), *to = &innermost(p)->overlap.latency;
    to->cycles += is.cycles;
    to->stalls |= is.stalls;
}

static void clear(predictor *p, fv_moved *of) {
    for (int i = 0; i < p->kernel->nbufs; i++)
        of[i] = (fv_moved){0};
}

static void push(predictor *p, const fv_stmt *loop) {
    frame *at = &p->frames[p->n++];
    fv_moved *direct = at->direct, *inner = at->inner, *all = at->all;
    int n = p->kernel->nbufs + 1;
    if (!direct) {
        direct = FV_NEW(p->counter.arena, fv_moved, n);
        inner = FV_NEW(p->counter.arena, fv_moved, n);
        all = FV_NEW(p->counter.arena, fv_moved, n);
    }
    *at = (frame){.loop = loop, .direct = direct, .inner = inner, .all = all};
    clear(p, all);
}

/* Records the innermost loop, whose variable v is. */
static void set_loop(predictor *p, const fv_var *v, const fv_stmt *loop) {
    void **at = fv_ptrmap_at(&p->loops, v);
    if (!*at)
        *at = FV_NEW(p->counter.arena, loop_of_variable, 1);
    *(loop_of_variable *)*at = (loop_of_variable){loop, (fv_loop_set)1 << (p->n - 2)};
}

static void enter(fv_walk *w, const fv_stmt *loop) {
    predictor *p = w->user;
    if (p->n == MOST_DEPTH) {
        p->deeper++;
        p->unknown = true;
        return;
    }
    push(p, loop);
    p->counter.depth = p->n - 1;
    p->counter.loop = loop;
    fv_loop_set begins = loop ? fv_loops_of(&p->counter, loop->loop.lo) : 0;
    fv_instruction_bind(&p->counter, loop ? loop->var : p->kernel->task,
                        begins | (fv_loop_set)1 << (p->n - 2));
    set_loop(p, loop ? loop->var : p->kernel->task, loop);
    set_order(p, loop ? loop->var : p->kernel->task,
              loop ? order_of(p, loop->loop.lo) : (fv_task_order){.same = 1, .most = 1});
    const facts *f = loop ? chains_of(p, loop) : NULL;
    innermost(p)->chain = f ? f->chain : 0;
    innermost(p)->path = f ? f->path : 0;
}

/* Is the loop one that compilers unroll: a few iterations over integers of a tile, on a target
 * without vectors? Loops over floats count as loops there, because addresses and moved registers,
 * which are not counted, take about as many instructions. */
static bool is_unrolled(const predictor *p, const frame *at, double trips) {
    const double few = 4;
    const fv_stmt *s = at->loop ? at->loop->body.first : NULL;
    while (s && s->kind == FV_S_LET)
        s = s->next;
    return !p->counter.target->vector_bits && trips <= few && s && s->kind == FV_S_STORE &&
           fv_elem_is_int(s->buf->elem) && !has_loop(&at->loop->body);
}

static void begin(fv_walk *w, double trips) {
    predictor *p = w->user;
    frame *at = innermost(p);
    if (p->deeper)
        return;
    at->trips = trips;
    at->body = (fv_instructions){.integers = is_unrolled(p, at, trips) ? 0 : 2};
    at->body_cycles = 0;
    at->overlap.latency = latency_of(p, at->loop ? &at->loop->body : &p->kernel->body);
    at->overlap.loops = (fv_instructions){0};
    at->overlap.in_order = at->loop && chains_of(p, at->loop)->carries;
    clear(p, at->direct);
    clear(p, at->inner);
}

/* The cycles of an iteration. One without loops takes those of its instructions, and those of the
 * chain to the next one. While it waits for its own results, the core executes later iterations, as
 * many as its window holds: so the iteration takes at least the part of its latency that its
 * instructions are of the window. An iteration with loops takes their cycles one after the other,
 * and of the path around them what remains while the window holds loops of the iteration before it;
 * unless all is so short that the same window holds several iterations. */
static double iteration_cycles(const predictor *p, const frame *at) {
    const overlap *o = &at->overlap;
    fv_instructions all = at->body;
    add(&all, &o->loops);
    double own = fv_instruction_cycles(&at->body, p->speeds);
    bool ordered = !p->counter.target->vector_bits; /* the core has no window */
    double part = o->latency.stalls ? 1 : fmin(1, fv_instruction_count(&all) / WINDOW);
    double waits = ordered ? 0 : part * o->latency.cycles;
    if (at->body_cycles <= 0)
        return fmax(fmax(own, at->chain), waits);
    bool alone = o->in_order || ordered;
    double count = fv_instruction_count(&all);
    double hidden = alone ? 0 : at->body_cycles * fmin(1, WINDOW / fmax(count, 1));
    double one_by_one = at->body_cycles + fmax(AROUND * own, at->path - hidden);
    return alone ? one_by_one
                 : fmin(one_by_one, fmax(fv_instruction_cycles(&all, p->speeds), waits));
}

/* Returns the cycles of one iteration of the frame's loop. Adds to at->direct what the loops in the
 * body move. */
static double finish_body(predictor *p, frame *at) {
    double cycles = iteration_cycles(p, at);
    for (int i = 0; i < p->kernel->nbufs; i++) {
        for (int l = 0; l < FV_CACHE_LEVELS; l++)
            at->direct[i].during[l] = at->direct[i].touched > 0 ? cycles : 0;
        fv_moved_add(&at->direct[i], &at->inner[i]);
        for (int l = 0; l < FV_CACHE_LEVELS; l++)
            if (at->direct[i].stored && at->direct[i].bytes[l] <= STORES)
                at->direct[i].during[l] = cycles;
    }
    return cycles;
}

static void end(fv_walk *w) {
    predictor *p = w->user;
    frame *at = innermost(p);
    if (p->deeper)
        return;
    double cycles = finish_body(p, at);
    double touched = fv_moved_touched(p->kernel->nbufs, at->direct);
    for (int i = 0; i < p->kernel->nbufs; i++)
        fv_moved_repeat(&at->all[i], &at->direct[i], at->trips, (fv_loop_set)1 << (p->n - 2),
                        touched, p->size[i], p->speeds);
    at->all_cycles += at->trips * cycles;
    at->all_trips += at->trips;
    add_times(&at->overlap.executed, &at->body, at->trips);
    add_times(&at->overlap.executed, &at->overlap.loops, at->trips);
    at->overlap.exceeds = fmax(at->overlap.exceeds, at->overlap.latency.cycles - cycles);
}

/* Adds to the iteration around a loop that has ended what the core can overlap of it. */
static void add_overlap(overlap *to, const frame *loop) {
    to->latency.cycles += loop->all_cycles + loop->overlap.exceeds;
    add(&to->loops, &loop->overlap.executed);
    to->in_order |= loop->all_trips > UNFORESEEN || loop->overlap.in_order;
}

static void leave(fv_walk *w) {
    predictor *p = w->user;
    frame *at = innermost(p), *outer = at - 1;
    if (p->deeper) {
        p->deeper--;
        return;
    }
    outer->body_cycles += at->all_cycles + (at->all_trips > UNFORESEEN ? END_CYCLES : 0);
    add_overlap(&outer->overlap, at);
    double threads = at->loop ? 1 : p->threads, together = 0;
    for (int i = 0; i < p->kernel->nbufs; i++)
        together += fv_moved_by_thread(&at->all[i], threads);
    for (int i = 0; i < p->kernel->nbufs; i++) {
        fv_moved_end(&at->all[i], together, threads, p->size[i], p->speeds);
        fv_moved_add(&outer->inner[i], &at->all[i]);
    }
    p->n--;
    p->counter.depth = p->n - 1;
    p->counter.loop = innermost(p)->loop;
}

/* ---- the time of a launch ---- */

/* The rates of memory that a thread gets, in bytes per cycle: of reading, which the number of lines
 * limits that a core waits for at the same time, and of reading and writing together. */
typedef struct memory_rate {
    double into_cache, both;
} memory_rate;

/* The bytes of the buffer that are moved into the cache of each level. What is in a cache when the
 * launch begins is not moved into that cache the first time. */
static void moved_bytes(const fv_moved *m, fv_residence is, double out[FV_CACHE_LEVELS + 1]) {
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        out[l] = m->bytes[l] - (l >= (int)is ? m->touched : 0);
        out[l] = out[l] > 0 ? out[l] : 0;
        out[l] = l && out[l] > out[l - 1] ? out[l - 1] : out[l];
    }
    out[FV_CACHE_LEVELS] = 0;
}

/* Cycles of moving the buffer's data into the cache of each level from the next one. */
static void transfer_cycles(const fv_speeds *s, const fv_moved *m, fv_residence is,
                            memory_rate memory, double out[FV_CACHE_LEVELS]) {
    double bytes[FV_CACHE_LEVELS + 1];
    /* a line that was written is transferred back as well */
    double twice = m->stored ? 2 : 1;
    moved_bytes(m, is, bytes);
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        bool last = l == FV_CACHE_LEVELS - 1;
        double moved = bytes[l] - bytes[l + 1];
        double stream = last ? fmax(moved / memory.into_cache, twice * moved / memory.both)
                             : moved * twice / s->beyond[l];
        double lines = moved / (double)FV_LINE * s->latency[l] / s->misses;
        out[l] = m->run < STREAM && lines > stream ? lines : stream;
    }
}

/* The bytes that all threads move from the last-level cache or from memory into the caches of their
 * cores, and those that are moved from memory. */
static void add_traffic(const predictor *p, const fv_moved *of, const fv_residence *residence,
                        fv_prediction *to) {
    double bytes[FV_CACHE_LEVELS + 1];
    for (int i = 0; i < p->kernel->nbufs; i++) {
        moved_bytes(&of[i], residence ? residence[i] : FV_IN_MEMORY, bytes);
        to->into_cores += bytes[FV_CACHE_LEVELS - 2];
        to->from_memory += bytes[FV_CACHE_LEVELS - 1];
    }
}

/* The cycles that a core waits for data from beyond cache `level`. While it computes with a buffer,
 * the data of all buffers that are accessed meanwhile are moved. It waits for the part of the
 * transfers that takes longer than computing, and at least for HINDERS of each transfer. */
static double waiting_for(int n, const double (*cycles)[FV_CACHE_LEVELS], const fv_moved *of,
                          int level) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double during = of[i].during[level], together = 0, mine = cycles[i][level];
        for (int k = 0; k < n; k++) {
            double longer = of[k].during[level];
            together += longer > during ? cycles[k][level] * during / longer : cycles[k][level];
        }
        double share = together > 0 ? during * mine / together : during;
        sum += fmax(mine - share, HINDERS * mine);
    }
    return sum;
}

/* The cycles of moving what is touched once from where it is: those from the last-level cache or
 * those from memory, whichever are more. */
static double least_cycles(const predictor *p, const fv_moved *of, const fv_residence *residence,
                           memory_rate rate) {
    double cached = 0, memory = 0;
    for (int i = 0; i < p->kernel->nbufs; i++) {
        fv_residence is = residence ? residence[i] : FV_IN_MEMORY;
        cached += is >= FV_IN_L3 ? of[i].touched / p->speeds->beyond[1] : 0;
        memory += is == FV_IN_MEMORY ? of[i].touched / rate.into_cache : 0;
    }
    return fmax(cached, memory);
}

/* The cycles that a core waits for data of all levels. */
static double waiting_cycles(const predictor *p, const fv_moved *of, const fv_residence *residence,
                             memory_rate rate) {
    int n = p->kernel->nbufs;
    double(*cycles)[FV_CACHE_LEVELS] = fv_alloc(p->counter.arena, (size_t)n + 1, sizeof *cycles);
    double sum = 0;
    for (int i = 0; i < n; i++)
        transfer_cycles(p->speeds, &of[i], residence ? residence[i] : FV_IN_MEMORY, rate,
                        cycles[i]);
    for (int l = 0; l < FV_CACHE_LEVELS; l++)
        sum += waiting_for(n, (const double(*)[FV_CACHE_LEVELS])cycles, of, l);
    return sum;
}

static int64_t tasks_of(fv_walk *w, const fv_kernel *k) {
    int64_t tasks = 1;
    return k->tasks && fv_walk_evaluate(w, k->tasks, &tasks) ? tasks : 1;
}

static void find_sizes(fv_walk *w, predictor *p) {
    p->size = FV_NEW(w->arena, double, p->kernel->nbufs + 1);
    for (int i = 0; i < p->kernel->nbufs; i++)
        p->size[i] = fv_walk_bytes(w, p->kernel->bufs[i]);
}

static double threads_of(fv_walk *w, const fv_kernel *k, int threads) {
    double tasks = (double)tasks_of(w, k);
    return fmax(threads < tasks ? threads : tasks, 1);
}

static fv_prediction sum_up(fv_walk *w, predictor *p, int threads, const fv_residence *residence) {
    const fv_speeds *s = p->speeds;
    frame *kernel = &p->frames[0];
    double cycles = finish_body(p, kernel);
    double tasks = (double)tasks_of(w, p->kernel), used = p->threads;
    double rounds = used > 1 ? (double)(int64_t)((tasks + used - 1) / used) : tasks;
    memory_rate memory = {s->beyond[FV_CACHE_LEVELS - 1], s->memory_all / used};
    if (used > 1)
        memory.into_cache = fmin(memory.into_cache, memory.both);
    memory.both = fmax(memory.both, memory.into_cache);
    double part = tasks > 0 ? rounds / tasks : 1;
    /* the results of the last task are not overlapped with anything */
    double last =
        p->counter.target->vector_bits ? fmax(kernel->overlap.latency.cycles - cycles, 0) : 0;
    double waiting = waiting_cycles(p, kernel->direct, residence, memory);
    double to_ms = 1e-6 / s->ghz;
    fv_prediction is = {
        .known = !p->unknown,
        .computing = (part * cycles + last) * to_ms,
        .waiting = part * waiting * to_ms,
        .transfers = part * least_cycles(p, kernel->direct, residence, memory) * to_ms,
        .ms = (part * (cycles + waiting) + last + LAUNCH_CYCLES + (threads > 1 ? s->region : 0)) *
              to_ms};
    add_traffic(p, kernel->direct, residence, &is);
    return is;
}

fv_prediction fv_predict_kernel(fv_arena *scratch, const fv_kernel *k, const int64_t *dims,
                                const fv_target *t, const fv_speeds *s, int threads,
                                const fv_residence *residence) {
    static const fv_walk_calls calls = {statement, enter, leave, begin, end, branch, matrix};
    const fv_kernel *e = k->task ? k : fv_kernel_expand(scratch, k, t);
    if (!e)
        return (fv_prediction){0};
    predictor *p = FV_NEW(scratch, predictor, 1);
    p->kernel = e;
    p->speeds = s;
    p->counter = fv_instruction_counter_new(scratch, t, e);
    p->facts = fv_ptrmap_in(scratch);
    p->orders = fv_ptrmap_in(scratch);
    p->values = fv_ptrmap_in(scratch);
    p->loops = fv_ptrmap_in(scratch);
    fv_walk w = fv_walk_new(scratch, &calls, p);
    p->walk = &w;
    w.values.usual = true;
    w.samples = SAMPLES;
    w.inner_samples = INNER_SAMPLES;
    for (int i = 0; i < e->ndims; i++)
        fv_walk_set(&w, e->dims[i], dims[i]);
    find_sizes(&w, p);
    p->threads = threads_of(&w, e, threads);
    push(p, NULL);
    begin(&w, 1);
    fv_walk_kernel(&w, e, dims);
    return sum_up(&w, p, threads, residence);
}
