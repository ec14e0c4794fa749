/* expand.c - turns a scheduled kernel into one that consumers implement, see expand.h and
 * ir/kernel/kernel.h. This file has the function that calls all steps, and the last step: it
 * unrolls loops, and makes the iterations of parallel loops tasks. */
#include "backend/expand/expand.h"

#include "backend/consumer/protocol.h"
#include "backend/expand/integers.h"
#include "backend/expand/strength.h"
#include "backend/expand/types.h"
#include "backend/expand/vector.h"
#include "ir/base/diag.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/kernel/clone.h"
#include "ir/kernel/copy.h"

typedef struct flattener {
    fv_arena *a;
    fv_kernel *out;
    fv_kbuilder b;
    fv_ptrmap map; /* fv_var -> fv_expr, fv_buf (tiles) -> fv_buf */
} flattener;

/* ---- tasks ---- */

enum { MAX_NEST = 8 };

/* The parallel loop if the block consists of one, apart from lets and comments before it; NULL
 * otherwise. */
static const fv_stmt *only_parallel(const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_LET || s->kind == FV_S_COMMENT)
            continue;
        bool parallel = s->kind == FV_S_FOR && s->loop.kind == FV_PARALLEL;
        return parallel && !s->next ? s : NULL;
    }
    return NULL;
}

static bool is_dim(const fv_kernel *k, const fv_var *v) {
    int i = 0;
    while (i < k->ndims && k->dims[i] != v)
        i++;
    return i < k->ndims;
}

static bool is_over_dims(fv_arena *a, const fv_kernel *k, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_VAR && !is_dim(k, x->u.var))
            return false;
    return !fv_x_has_load(root);
}

/* max(0, hi - lo) ceildiv step */
static fv_expr *trips(fv_arena *a, fv_expr *lo, fv_expr *hi, int64_t step) {
    fv_expr *n = fv_x_bin(a, FV_X_SUB, hi, lo);
    n = fv_x_bin(a, FV_X_MAX, n, fv_x_int(a, 0));
    n = fv_x_bin(a, FV_X_ADD, n, fv_x_int(a, step - 1));
    return fv_x_bin(a, FV_X_DIV, n, fv_x_int(a, step));
}

typedef struct nest {
    int n;
    const fv_stmt *loop[MAX_NEST];
    fv_expr *lo[MAX_NEST], *count[MAX_NEST];
} nest;

/* Finds the nested parallel loops whose bounds are known when the kernel starts, the outermost
 * first. Lets between them are allowed, because each task computes them again. */
static nest find_nest(flattener *z, const fv_block *block) {
    nest found = {0};
    fv_ptrmap lets = fv_ptrmap_in(z->a);
    const fv_stmt *loop;
    while (found.n < MAX_NEST && (loop = only_parallel(block))) {
        fv_ptrmap memo = fv_ptrmap_in(z->a);
        for (const fv_stmt *s = block->first; s != loop; s = s->next)
            if (s->kind == FV_S_LET)
                *fv_ptrmap_at(&lets, s->var) = fv_x_subst(z->a, s->x, &lets, &memo);
        fv_expr *lo = fv_x_subst(z->a, loop->loop.lo, &lets, &memo);
        fv_expr *hi = fv_x_subst(z->a, loop->loop.hi, &lets, &memo);
        if (!is_over_dims(z->a, z->out, lo) || !is_over_dims(z->a, z->out, hi))
            break;
        found.loop[found.n] = loop;
        found.lo[found.n] = lo;
        found.count[found.n++] = trips(z->a, lo, hi, loop->loop.step);
        block = &loop->body;
    }
    return found;
}

static fv_expr *product(fv_arena *a, int n, fv_expr *const *x) {
    fv_expr *p = fv_x_int(a, 1);
    for (int i = 0; i < n; i++)
        p = fv_x_bin(a, FV_X_MUL, p, x[i]);
    return p;
}

/* The number of the iteration of loop `i` that the task executes; the last loop varies fastest. */
static fv_expr *iteration(flattener *z, const nest *found, int i) {
    fv_expr *task = fv_x_var(z->a, z->out->task);
    fv_expr *inner = product(z->a, found->n - i - 1, found->count + i + 1);
    fv_expr *q = fv_x_bin(z->a, FV_X_DIV, task, inner);
    return i == 0 ? q : fv_x_bin(z->a, FV_X_REM, q, found->count[i]);
}

/* threads false: the kernel is one task, and its parallel loops are serial ones. */
static void flatten_body(flattener *z, const fv_block *body, bool threads) {
    nest found = threads ? find_nest(z, body) : (nest){0};
    fv_kernel *k = z->out;
    k->tasks = product(z->a, found.n, found.count);
    k->task = fv_var_new(z->a, "task", fv_kt(FV_I64, 1));
    fv_task_bounds(k);
    for (int i = 0; i < found.n; i++) {
        const fv_stmt *loop = found.loop[i];
        for (const fv_stmt *s = body->first; s != loop; s = s->next)
            fv_kb_copy_stmt(&z->b, s, &z->map);
        fv_expr *at =
            fv_x_bin(z->a, FV_X_MUL, iteration(z, &found, i), fv_x_int(z->a, loop->loop.step));
        fv_expr *v = fv_kb_let(&z->b, loop->var->name, fv_x_bin(z->a, FV_X_ADD, found.lo[i], at));
        /* the variable has at least the bounds that the loop's variable has */
        if (v->op == FV_X_VAR && v->u.var != k->task) {
            fv_var *known = v->u.var;
            known->lo = loop->var->lo > known->lo ? loop->var->lo : known->lo;
            known->hi = loop->var->hi < known->hi ? loop->var->hi : known->hi;
        }
        *fv_ptrmap_at(&z->map, loop->var) = v;
        body = &loop->body;
    }
    fv_kb_copy(&z->b, body, &z->map);
}

/* ---- unused lets, and statements with empty blocks ---- */

typedef struct sweeper {
    fv_arena *a;
    bool *used; /* indexed by the variable's number */
    bool requires_;
} sweeper;

static void count(sweeper *z, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_VAR)
            z->used[x->u.var->id] = true;
    z->requires_ |= fv_x_has(root, FV_HAS_REQUIRE);
}

static void count_stmt(sweeper *z, const fv_stmt *s) {
    const fv_expr *parts[] = {s->x, s->mask, s->loop.lo, s->loop.hi};
    z->requires_ |= s->kind == FV_S_CALL;
    for (int i = 0; i < 4; i++)
        if (parts[i])
            count(z, parts[i]);
    for (int i = 0; s->index && i < s->buf->rank; i++)
        count(z, s->index[i]);
}

static fv_stmt *sweep_from(sweeper *z, fv_stmt *s);

static void sweep(sweeper *z, fv_block *block) {
    block->first = sweep_from(z, block->first);
    block->last = NULL;
    for (fv_stmt *s = block->first; s; s = s->next)
        block->last = s;
}

/* Removes lets that are not used, and FOR, IF and OUTLINE statements whose blocks are empty, unless
 * they contain a REQUIRE. Goes backwards, so that all uses of a let are seen before it. Returns the
 * first statement that is kept. */
static fv_stmt *sweep_from(sweeper *z, fv_stmt *first) {
    fv_stmt *reversed = NULL, *next;
    for (fv_stmt *s = first; s; s = next) {
        next = s->next;
        s->next = reversed;
        reversed = s;
    }
    fv_stmt *kept = NULL;
    for (fv_stmt *s = reversed; s; s = next) {
        next = s->next;
        sweep(z, &s->body);
        sweep(z, &s->other);
        bool empty = (s->kind == FV_S_FOR || s->kind == FV_S_IF || s->kind == FV_S_OUTLINE) &&
                     !s->body.first && !s->other.first;
        if (s->kind == FV_S_LET && !z->used[s->var->id] && !fv_x_has(s->x, FV_HAS_REQUIRE))
            continue;
        if (empty && !(s->x && fv_x_has(s->x, FV_HAS_REQUIRE)))
            continue;
        count_stmt(z, s);
        s->next = kept;
        kept = s;
    }
    return kept;
}

static void sweep_kernel(fv_kernel *k) {
    sweeper z = {.a = k->arena, .used = FV_NEW(k->arena, bool, fv_kernel_number(k) + 1)};
    sweep(&z, &k->body);
    k->requires_ = z.requires_;
    fv_kernel_number(k);
}

/* ---- all steps ---- */

/* fv_kernel_expand, with what is known of parameters that are constants (fv_constant_bounds). */
static fv_kernel *expand_with(fv_arena *a, const fv_kernel *k, const fv_target *t,
                              const fv_ptrmap *bounds, bool reduces) {
    fv_block typed = {0}, vectors = {0};
    fv_kernel *out = FV_NEW(a, fv_kernel, 1);
    *out = *k;
    out->arena = a;
    out->body = (fv_block){0};
    if (!fv_expand_types(a, t, &k->body, &typed))
        return NULL;
    fv_expand_vectors(a, t, bounds, &typed, &vectors);
    flattener z = {.a = a, .out = out, .map = fv_ptrmap_in(a)};
    fv_kb_init(&z.b, a, out, &out->body);
    flatten_body(&z, &vectors, t->threads);
    if (reduces)
        fv_reduce_strength(out);
    sweep_kernel(out);
    return out;
}

fv_kernel *fv_kernel_expand(fv_arena *a, const fv_kernel *k, const fv_target *t) {
    const fv_ptrmap bounds = fv_ptrmap_in(a);
    return expand_with(a, k, t, &bounds, false);
}

static void replace_kernel(fv_block *block, const fv_kernel *old, fv_kernel *now) {
    for (fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_LAUNCH && s->call.kernel == old)
            s->call.kernel = now;
        replace_kernel(&s->body, old, now);
        replace_kernel(&s->other, old, now);
    }
}

/* The kernel, expanded; NULL after a diagnostic. The stages take many times the memory of their
 * result. */
static fv_kernel *expanded(fv_program *p, const fv_kernel *k, const fv_ptrmap *bounds) {
    fv_arena *scratch = fv_arena_new(fv_arena_session(p->arena));
    const fv_kernel *now =
        expand_with(scratch, k, p->target, bounds, p->target->kind != FV_TARGET_MICRO);
    fv_kernel *copy = now ? fv_kernel_clone(p->arena, now) : NULL;
    fv_arena_free(scratch);
    return copy;
}

void fv_program_expand(fv_program *p) {
    fv_program_protocol(p);
    const fv_ptrmap bounds = fv_constant_bounds(p->arena, p);
    for (int i = 0; i < p->nkernels; i++) {
        if (p->kernels[i]->task)
            continue; /* a kernel that was read in expanded form */
        fv_kernel *now = expanded(p, p->kernels[i], &bounds);
        if (!now)
            continue;
        replace_kernel(&p->host.body, p->kernels[i], now);
        p->kernels[i] = now;
    }
    fv_program_number(p);
}
