/* join.c - the step join: decides which values one kernel computes together.
 *
 *     x[i, j] = a[i, j] + b[i, j]                       x, y = define(a, b):
 *     y[i, j] = x[i, j] / (sum k: x[i, k])      =>        x[i, j] = a[i, j] + b[i, j]
 *                                                         y[i, m] = x[i, m] / (sum k: x[i, k])
 *
 * A kernel of rows is joined with a kernel that computes an operand of it, row by row, or with one
 * that reads the same rows. That saves a launch, and a value that both need is read once. The
 * definitions keep their bodies and the orders of their sums, which the step order has set; a
 * result that reads another one still reads it in memory. The step changes two things: the leading
 * axes that both share get the same variables, and both values become results of one op, at the
 * position of the first.
 *
 * So this step decides the groups: reasons explain them, and a dump of the program shows them. The
 * step asks the schedule (together.c) whether it can compute a group, so that the schedule can
 * compute every group that it gets. */
#include <math.h>
#include <string.h>

#include "backend/axes/merge.h"
#include "backend/fuse/form.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/attend/attend_rows.h"
#include "backend/schedule/attend/attention.h"
#include "backend/schedule/rows/map.h"
#include "backend/schedule/together.h"
#include "backend/steps/attend.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/rewrite.h"
#include "ir/graph/infer.h"

/* An op, with those of its results that kernels of rows compute. */
typedef struct unit {
    fv_op *op;
    int n;
    fv_storage *of[FV_MAX_OUT];
    int place; /* position of its op in the list, counted before anything was joined */
    /* number of the stretch that contains it: a part of the list of ops that ends at an op with an
     * effect, or at one that writes a state of a loop */
    int stretch;
    struct unit *into; /* the unit to which it was joined; NULL: none */
    bool attends;      /* whether op is attention, to which nothing else is joined */
} unit;

typedef struct readers { /* the units that read a value, in order */
    unit **all;
    int n, cap;
} readers;

typedef struct joiner {
    fv_lowerer *l;
    fv_ptrmap places;    /* op -> 1 + its place */
    fv_ptrmap stretches; /* op -> 1 + the number of its stretch */
    fv_ptrmap units;     /* value -> the unit that makes it */
    fv_ptrmap readers;   /* value -> its readers */
    fv_ptrmap reads;     /* body of a definition -> what it loads */
} joiner;

static unit *whole(unit *u) {
    while (u && u->into)
        u = u->into;
    return u;
}

/* ---- loads of a definition ---- */

typedef struct loads {
    fv_arena *arena;
    const fv_expr **all; /* loads, each node once */
    int n, cap;
    fv_ptrmap seen;
} loads;

static void find_loads(loads *o, const fv_expr *x) {
    if (*fv_ptrmap_at(&o->seen, x))
        return;
    *fv_ptrmap_at(&o->seen, x) = (void *)(uintptr_t)x;
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        FV_PUSH(o->arena, o->all, o->n, o->cap, x);
    for (int i = 0; i < x->n; i++)
        find_loads(o, x->arg[i]);
}

static loads loads_of(fv_lowerer *l, const fv_definition *d) {
    loads o = {.arena = l->exprs, .seen = fv_ptrmap_in(l->current.scratch)};
    find_loads(&o, d->body);
    return o;
}

typedef struct reads {
    const fv_value **all; /* values, each once */
    int n, cap;
} reads;

static const reads *reads_of(joiner *j, const fv_definition *d) {
    reads **r = (reads **)fv_ptrmap_at(&j->reads, d->body);
    if (*r)
        return *r;
    loads o = loads_of(j->l, d);
    fv_ptrmap seen = fv_ptrmap_in(j->l->current.scratch);
    reads *all = FV_NEW(j->l->exprs, reads, 1);
    for (int k = 0; k < o.n; k++) {
        const fv_value *v = o.all[k]->u.buf->value;
        void **at = fv_ptrmap_at(&seen, v);
        if (!*at)
            FV_PUSH(j->l->exprs, all->all, all->n, all->cap, v);
        *at = (void *)(uintptr_t)v;
    }
    return *r = all;
}

static bool makes(const unit *u, const fv_value *v) {
    for (int i = 0; i < u->n; i++)
        if (u->of[i]->value == v)
            return true;
    return false;
}

/* ---- shared axes ---- */

/* Returns the k-th axis of d that has more than one element; -1: there are fewer. */
static int axis_of(const fv_definition *d, int k) {
    for (int i = 0; i < d->rank; i++)
        if (!fv_dim_is_one(d->index[i]->dim) && k-- == 0)
            return i;
    return -1;
}

/* Definitions that one kernel may compute. */
typedef struct group {
    int n;
    fv_definition *all[FV_MAX_OUT];
} group;

static int find_member(const group *g, const fv_value *v) {
    int m = 0;
    while (m < g->n && g->all[m]->value != v)
        m++;
    return m;
}

/* Returns how many of the first `shared` axes of d satisfy this: d reads the results of the group
 * at d's own index along them. */
static int read_in_place(fv_lowerer *l, const group *g, const fv_definition *d, int shared) {
    loads o = loads_of(l, d);
    for (int i = 0; i < o.n; i++) {
        int m = find_member(g, o.all[i]->u.buf->value);
        for (int k = 0; k < shared && m < g->n; k++) {
            const fv_expr *at = o.all[i]->arg[axis_of(g->all[m], k)];
            if (at->op != FV_X_VAR || at->u.var != d->index[axis_of(d, k)])
                shared = k;
        }
    }
    return shared;
}

/* Returns the number of leading axes with more than one element that all definitions share, and
 * along which each reads the others' results at its own index only. */
static int axes_in_common(fv_lowerer *l, const group *g) {
    int shared = 0;
    for (bool same = true; same; shared += same) {
        int first = axis_of(g->all[0], shared);
        same = first >= 0;
        for (int m = 1; m < g->n && same; m++) {
            int i = axis_of(g->all[m], shared);
            same = i >= 0 && g->all[m]->index[i]->dim == g->all[0]->index[first]->dim;
        }
    }
    for (int m = 0; m < g->n; m++)
        shared = read_in_place(l, g, g->all[m], shared);
    return shared;
}

/* Returns d with the variables of `first` for its leading `shared` axes, and with variables that
 * differ from those of `first` for its other axes. */
static fv_definition *with_shared(fv_lowerer *l, const fv_definition *d, const fv_definition *first,
                                  int shared) {
    fv_definition *r = FV_NEW(l->exprs, fv_definition, 1);
    fv_var *from[FV_MAX_RANK];
    fv_expr *to[FV_MAX_RANK];
    *r = *d;
    r->index = FV_NEW(l->exprs, fv_var *, d->rank + 1);
    memcpy(r->index, d->index, (size_t)d->rank * sizeof *r->index);
    for (int i = 0; i < d->rank; i++)
        if (fv_definition_axis(first, d->index[i]) < first->rank)
            r->index[i] = fv_index_var(l->exprs, d->index[i]->name, d->index[i]->dim);
    for (int k = 0; k < shared; k++)
        r->index[axis_of(d, k)] = first->index[axis_of(first, k)];
    for (int i = 0; i < d->rank; i++) {
        from[i] = d->index[i];
        to[i] = fv_x_var(l->exprs, r->index[i]);
    }
    r->body = fv_x_replace_vars(l->exprs, d->body, d->rank, from, to);
    r->place = d->place ? fv_x_replace_vars(l->exprs, d->place, d->rank, from, to) : NULL;
    return r;
}

static group share(fv_lowerer *l, const group *g, int shared) {
    group r = {.n = g->n, .all = {g->all[0]}};
    for (int m = 1; m < g->n; m++)
        r.all[m] = with_shared(l, g->all[m], g->all[0], shared);
    return r;
}

/* ---- conditions ---- */

static group group_of(const unit *a, const unit *b) {
    group g = {0};
    for (int i = 0; a && i < a->n; i++)
        g.all[g.n++] = a->of[i]->def;
    for (int i = 0; i < b->n; i++)
        g.all[g.n++] = b->of[i]->def;
    return g;
}

static fv_storage *member(const unit *a, const unit *b, int i) {
    return a && i < a->n ? a->of[i] : b->of[i - (a ? a->n : 0)];
}

/* Does any of these definitions read the memory of a value of which the kernel would write a part?
 * Records the reason if so. */
static bool meet_in_memory(fv_lowerer *l, const unit *a, const unit *b, const fv_value *with) {
    int n = (a ? a->n : 0) + b->n;
    for (int i = 0; i < n; i++) {
        loads o = loads_of(l, member(a, b, i)->def);
        for (int k = 0; k < o.n; k++) {
            const fv_storage *from = fv_storage_root(fv_storage_of(l, o.all[k]->u.buf->value));
            for (int m = 0; m < n; m++)
                if (member(a, b, m)->fate == FV_FATE_PART &&
                    fv_storage_home(member(a, b, m)) == from)
                    return !fv_declines(l, b->of[0]->value, FV_WHY_join_home, fv_v(with),
                                        fv_v(member(a, b, m)->value), fv_v(from->value));
        }
    }
    return false;
}

/* Returns the place in the list of the op after which v is complete. An input to which fv.Extend
 * adds elements is complete after that op. */
static int place_of(const joiner *j, const fv_value *v) {
    for (int i = 0; v->kind == FV_VALUE_PARAM && i < v->nuses; i++)
        if (fv_op_is(v->uses[i].op, FV_OP_fv_Extend) && v->uses[i].index == 0)
            return place_of(j, v->uses[i].op->out[0]);
    return v->kind == FV_VALUE_RESULT ? (int)(intptr_t)fv_ptrmap_get(&j->places, v->def) - 1 : -1;
}

static int stretch_of(const joiner *j, const fv_op *op) {
    return (int)(intptr_t)fv_ptrmap_get(&j->stretches, op) - 1;
}

/* Is everything that b reads computed before a, or by a? */
static bool can_move_up(joiner *j, const unit *a, const unit *b) {
    for (int i = 0; i < b->n; i++) {
        const reads *r = reads_of(j, b->of[i]->def);
        for (int k = 0; k < r->n; k++)
            if (!makes(a, r->all[k]) && !makes(b, r->all[k]) && place_of(j, r->all[k]) >= a->place)
                return fv_declines(j->l, b->of[0]->value, FV_WHY_join_late, fv_v(a->of[0]->value),
                                   fv_v(r->all[k]));
    }
    return true;
}

/* Does no definition of u load a result of the op of u that u does not compute? The group comes
 * before the op that computes such a result. */
static bool is_apart(joiner *j, const unit *u) {
    for (int i = 0; i < u->n; i++) {
        const reads *r = reads_of(j, u->of[i]->def);
        for (int k = 0; k < r->n; k++)
            if (r->all[k]->def == u->op && !makes(u, r->all[k]))
                return fv_declines(j->l, u->of[i]->value, FV_WHY_join_late, fv_v(u->of[0]->value),
                                   fv_v(r->all[k]));
    }
    return true;
}

/* Sets *out to the definitions of a and b (or of b alone, if a is NULL) in a form that one kernel
 * can compute. Returns false if there is none. */
static bool try_group(fv_lowerer *l, const unit *a, const unit *b, group *out) {
    group g = group_of(a, b);
    fv_together t;
    const fv_value *with = g.all[0]->value;
    int shared = axes_in_common(l, &g);
    bool elements = true;
    for (int m = 0; m < g.n; m++)
        elements &= axis_of(g.all[m], 0) < 0;
    /* attention may have a single row */
    if (!shared && !elements && !fv_attends_by_rows(g.n, g.all))
        return fv_declines(l, b->of[0]->value, FV_WHY_join_axes, fv_v(with));
    if (meet_in_memory(l, a, b, with))
        return false;
    for (int n = shared; n >= 0 && n >= shared - 1; n--) {
        fv_definition *merged[FV_MAX_OUT];
        *out = share(l, &g, n);
        (void)fv_merge_group(l, out->n, out->all, merged); /* as the step merge will */
        if (fv_together_choose(l, out->n, merged, &t))
            return true;
    }
    return false;
}

/* ---- does it pay? ---- */

static bool reads_result_of(joiner *j, const unit *b, const unit *a) {
    for (int i = 0; i < b->n; i++) {
        const reads *r = reads_of(j, b->of[i]->def);
        for (int k = 0; k < r->n; k++)
            if (makes(a, r->all[k]))
                return true;
    }
    return false;
}

static double elements_of(const unit *u) {
    double most = 0;
    for (int i = 0; i < u->n; i++) {
        double n = fv_typical_elements(u->of[i]->value->type);
        most = n > most ? n : most;
    }
    return most;
}

static const fv_expr *load_in(fv_lowerer *l, const fv_definition *d, const fv_value *v) {
    loads o = loads_of(l, d);
    for (int i = 0; i < o.n; i++)
        if (o.all[i]->u.buf->value == v)
            return o.all[i];
    return NULL;
}

static bool uses_shared(const fv_expr *x, const fv_definition *d, const fv_definition *first) {
    for (int i = 0; i < d->rank; i++)
        if (fv_definition_axis(first, d->index[i]) < first->rank && fv_x_uses(x, d->index[i]))
            return true;
    return false;
}

/* Do both read the same rows of v: at the same index along each axis of v that the shared axes
 * index? */
static bool read_same_rows(fv_lowerer *l, const group *g, const unit *a, const fv_value *v) {
    const fv_definition *first = g->all[0], *in[2] = {NULL, NULL};
    const fv_expr *load[2] = {NULL, NULL};
    for (int m = 0; m < g->n; m++) {
        int side = m >= a->n;
        const fv_expr *x = load[side] ? NULL : load_in(l, g->all[m], v);
        load[side] = x ? x : load[side];
        in[side] = x ? g->all[m] : in[side];
    }
    for (int i = 0; load[0] && load[1] && i < v->type->rank; i++)
        if ((uses_shared(load[0]->arg[i], in[0], first) ||
             uses_shared(load[1]->arg[i], in[1], first)) &&
            load[0]->arg[i] != load[1]->arg[i])
            return false;
    return load[0] && load[1];
}

/* ---- the change ---- */

/* Lists the *n values that an op which computes u reads, each once, without those of the fate
 * FV_FATE_ASSEMBLED. */
static fv_value **operands_of(fv_lowerer *l, const unit *u, int *n) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    fv_value **all = NULL;
    int cap = 0;
    *n = 0;
    for (int i = 0; i < u->n; i++) {
        loads o = loads_of(l, u->of[i]->def);
        for (int k = 0; k < o.n; k++) {
            const fv_value *v = o.all[k]->u.buf->value;
            if (makes(u, v) || fv_storage_of(l, v)->fate == FV_FATE_ASSEMBLED ||
                *fv_ptrmap_at(&seen, v))
                continue;
            *fv_ptrmap_at(&seen, v) = (void *)(uintptr_t)v;
            FV_PUSH(l->exprs, all, *n, cap, (fv_value *)(uintptr_t)v);
        }
    }
    return all;
}

static bool has_result(const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            return true;
    return false;
}

/* Returns the name from which the kernel's name is made: that of the last op with a sum, or of u's
 * op if none has a sum. */
static const char *stem_of(const unit *u) {
    const char *stem = fv_op_stem(u->op);
    for (int i = 0; i < u->n; i++) {
        fv_expr *sum;
        if (fv_x_reductions(u->of[i]->def->body, &sum, 1))
            stem = fv_op_stem(u->of[i]->value->def);
    }
    return stem;
}

/* Makes the op of a compute the results of b, too; if a is NULL, makes one op compute the results
 * of b. */
static void carry_out(joiner *j, unit *a, unit *b, const group *g) {
    fv_lowerer *l = j->l;
    unit *u = a ? a : b;
    const fv_origin *origin = fv_storage_origin(l, u->of[0]->value);
    for (int i = 0; a && i < b->n; i++)
        a->of[a->n++] = b->of[i];
    for (int i = 0; i < u->n; i++) {
        u->of[i]->def = g->all[i];
        origin = fv_origin_join(l->module, origin, fv_storage_origin(l, u->of[i]->value));
    }
    int n;
    fv_value **in = operands_of(l, u, &n);
    const char *stem = stem_of(u);
    fv_op *before = u->op,
          *op = fv_op_new(before->block, before, &fv_define_def, n, in, 0, NULL, origin);
    *fv_ptrmap_at(&j->places, op) = (void *)(intptr_t)(u->place + 1);
    fv_op_set_string(op, "op", stem);
    for (int i = 0; i < u->n; i++) {
        fv_op *was = u->of[i]->value->def;
        fv_why_moves(l, u->of[i]->value, op);
        fv_op_take_result(op, u->of[i]->value);
        /* an op that is not `define` stays in the list without results, as those of substituted
         * values do */
        if (was->def == &fv_define_def && !has_result(was))
            fv_op_erase(was);
        *fv_ptrmap_at(&l->known.origins, u->of[i]->value) = (void *)(uintptr_t)origin;
    }
    u->op = op;
    if (a)
        b->into = a;
}

/* Joins b to the kernel of a, if possible. `read`: the value that both read; NULL: b reads a result
 * of a. */
static bool join(joiner *j, unit *a, unit *b, const fv_value *read) {
    fv_lowerer *l = j->l;
    group g;
    const fv_value *about = b->of[0]->value;
    fv_fact with = fv_v(a->of[0]->value);
    double few = read ? fv_typical_elements(read->type) : 0,
           many = elements_of(a) > elements_of(b) ? elements_of(a) : elements_of(b);
    if (a->stretch != b->stretch)
        return fv_declines(l, about, FV_WHY_join_between, with);
    if (a->attends || b->attends)
        return fv_declines(l, about, FV_WHY_join_attends, with);
    if (a->n + b->n > FV_MAX_OUT)
        return fv_declines(l, about, FV_WHY_join_many, with, fv_n(a->n + b->n), fv_n(FV_MAX_OUT));
    if (read && 2 * few < many)
        return fv_declines(l, about, FV_WHY_join_small, with, fv_v(read),
                           fv_n(fv_whole_number(few)), fv_n(fv_whole_number(many)));
    if (!can_move_up(j, a, b) || !is_apart(j, a))
        return false;
    int mark = fv_why_mark(l);
    bool can = try_group(l, a, b, &g) && (!read || read_same_rows(l, &g, a, read) ||
                                          fv_declines(l, about, FV_WHY_join_axes, with));
    if (!fv_why_settle(l, mark, can))
        return false;
    carry_out(j, a, b, &g);
    return read ? fv_takes(l, about, FV_WHY_joins_read, with, fv_v(read))
                : fv_takes(l, about, FV_WHY_joins_made, with);
}

/* ---- attention ---- */

static const fv_definition *kernel_of(void *user, const fv_value *v) {
    const joiner *j = user;
    const fv_storage *s = v->kind == FV_VALUE_RESULT ? fv_storage_of(j->l, v) : NULL;
    return s && fv_storage_has_kernel(s) ? s->def : NULL;
}

/* Has the attention y enough rows for several cores, or so little work in a row that dividing the
 * row would cost more? If not, tasks divide the keys of a row, in kernels of their own. */
static bool has_rows(joiner *j, const fv_value *y, const fv_row_attention *at) {
    const fv_definition *scores = fv_storage_of(j->l, at->scores)->def;
    double keys = (double)fv_typical_dim(scores->index[at->keys]->dim),
           rows = fv_typical_elements(at->scores->type) / fmax(keys, 1);
    return rows >= (double)j->l->speed->attended_rows ||
           fv_work_of_row(scores, at->keys, j->l->speed->attended_work + 1) <=
               j->l->speed->attended_work ||
           fv_declines(j->l, y, FV_WHY_join_few_rows, fv_n(fv_whole_number(rows)),
                       fv_n(j->l->speed->attended_work));
}

/* Records that u is attention, so that kernels that read its results find it. */
static void note_attention(joiner *j, unit *u) {
    u->attends = true;
    for (int i = 0; i < u->n; i++)
        *fv_ptrmap_at(&j->units, u->of[i]->value) = u;
}

/* Does any op between that of s and `end`, other than u, read s or write to the memory of an input?
 * s may be computed from that memory. */
static bool is_bound(joiner *j, const unit *u, const fv_storage *s, const fv_op *end) {
    fv_lowerer *l = j->l;
    for (const fv_op *op = s->value->def->next; op != end; op = op->next) {
        if (fv_op_is(op, FV_OP_fv_Extend))
            return true;
        for (int i = 0; fv_reads_memory(op) && i < op->nin; i++)
            if (op->in[i] && fv_storage_root(fv_storage_of(l, op->in[i])) == s)
                return true;
        for (int i = 0; i < op->nout; i++) {
            const fv_storage *made = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            const reads *r = made && fv_storage_has_kernel(made) && !makes(u, made->value)
                                 ? reads_of(j, made->def)
                                 : NULL;
            for (int k = 0; r && k < r->n; k++)
                if (fv_storage_root(fv_storage_of(l, r->all[k])) == s)
                    return true;
        }
    }
    return false;
}

/* Chooses the position of the op of attention u: that of its last result if no op before it reads
 * the earlier results or writes to the memory of an input, else that of the first. Returns false if
 * an operand is not computed before that position. */
static bool find_place(joiner *j, unit *u) {
    const fv_op *last = u->of[u->n - 1]->value->def;
    bool down = true;
    for (int i = 0; i < u->n - 1; i++)
        down &= !is_bound(j, u, u->of[i], last);
    u->op = u->of[down ? u->n - 1 : 0]->value->def;
    u->place = place_of(j, u->of[down ? u->n - 1 : 0]->value);
    return down || can_move_up(j, u, u);
}

static bool is_row(joiner *j, const fv_value *v) {
    return !fv_is_group(v->def) && fv_is_mapped(j->l, fv_storage_of(j->l, v));
}

/* If y is attention whose scores and weights have kernels of rows, and there are enough rows, lets
 * one kernel compute all three, where that is possible. Returns whether it does. */
static bool join_attention(joiner *j, fv_storage *y) {
    fv_lowerer *l = j->l;
    fv_row_attention at;
    if (!fv_find_row_attention(y->def, kernel_of, j, &at))
        return false;
    if (!is_row(j, at.scores) || !is_row(j, at.weights))
        return fv_declines(l, y->value, FV_WHY_join_scores, fv_v(at.weights), fv_v(at.scores));
    unit *u = FV_NEW(l->exprs, unit, 1);
    *u = (unit){.n = 3,
                .of = {fv_storage_of(l, at.scores), fv_storage_of(l, at.weights), y},
                .stretch = stretch_of(j, y->value->def)};
    for (int i = 0; i < 2; i++)
        if (stretch_of(j, u->of[i]->value->def) != u->stretch)
            return fv_declines(l, y->value, FV_WHY_join_between, fv_v(at.scores));
    group g;
    int mark = fv_why_mark(l);
    if (!fv_why_settle(l, mark,
                       has_rows(j, y->value, &at) && find_place(j, u) && is_apart(j, u) &&
                           try_group(l, NULL, u, &g)))
        return false;
    carry_out(j, NULL, u, &g);
    note_attention(j, u);
    fv_takes(l, at.weights, FV_WHY_joins_made, fv_v(at.scores));
    return fv_takes(l, y->value, FV_WHY_joins_attention, fv_v(at.scores), fv_v(at.weights));
}

/* Will one kernel compute `weights` and `result`, with the axes that the step merge leaves? */
static bool is_attended_with(fv_lowerer *l, fv_definition *weights, fv_definition *result) {
    fv_definition *merged[2];
    (void)fv_merge_group(l, 2, (fv_definition *[]){weights, result}, merged);
    return fv_is_attended_with(l, merged[0], merged[1]);
}

/* If y, computed by blocks of queries, is attention whose weights another op reads, lets one kernel
 * compute both, where that is possible; the scores then need no kernel. Returns whether it does. */
static bool join_weights(joiner *j, fv_fuser *f, fv_storage *y) {
    fv_lowerer *l = j->l;
    fv_kept_weights kept;
    if (!fv_find_kept(f, y, &kept))
        return false;
    fv_value *w = kept.weights->value;
    unit *u = FV_NEW(l->exprs, unit, 1);
    *u = (unit){.op = w->def, .n = 2, .of = {kept.weights, y}, .stretch = stretch_of(j, w->def)};
    if (u->stretch != stretch_of(j, y->value->def))
        return fv_declines(l, y->value, FV_WHY_join_between, fv_v(w));
    group was = group_of(NULL, u), g = {2, {kept.of_weights, kept.of_result}};
    for (int i = 0; i < 2; i++)
        u->of[i]->def = g.all[i];
    if (!find_place(j, u) || !is_apart(j, u) || meet_in_memory(l, NULL, u, w) ||
        !is_attended_with(l, g.all[0], g.all[1])) {
        for (int i = 0; i < 2; i++)
            u->of[i]->def = was.all[i];
        return false;
    }
    int mark = fv_why_mark(l);
    fv_why_settle(l, mark, !fv_is_left_out(l->options, "fold") && fv_fold_kept(l, y, &kept));
    for (int i = 0; i < 2; i++)
        fv_update_form(l, g.all[i]); /* until now the result was a contraction of stored weights */
    carry_out(j, NULL, u, &g);
    note_attention(j, u);
    for (int i = 0; i < kept.nwithin; i++) {
        kept.within[i]->fate = FV_FATE_SUBSTITUTED;
        fv_takes(l, kept.within[i]->value, FV_WHY_in_attention, fv_v(y->value));
    }
    fv_takes(l, w, FV_WHY_joins_kept, fv_v(y->value));
    return fv_takes(l, y->value, FV_WHY_joins_weights, fv_v(w));
}

/* Joins attention first, because its parts could otherwise be joined with other kernels. */
static void join_attentions(joiner *j) {
    bool blocks = !fv_is_left_out(j->l->options, "attend");
    fv_fuser *f = fv_fuser_new(j->l);
    for (fv_op *op = j->l->func->body->first, *next; op; op = next) {
        next = op->next;
        fv_storage *only = op->nout == 1 && op->out[0] ? fv_storage_of(j->l, op->out[0]) : NULL;
        int mark = fv_why_mark(j->l);
        if (only && fv_storage_has_kernel(only))
            fv_why_settle(j->l, mark,
                          (blocks && join_weights(j, f, only)) || join_attention(j, only));
    }
}

/* ---- candidates ---- */

/* Returns the nearest kernel before u that computes something u reads and that was not tried; NULL:
 * none. */
static unit *next_above(joiner *j, const unit *u, fv_ptrmap *tried) {
    unit *best = NULL;
    for (int i = 0; i < u->n; i++) {
        const reads *r = reads_of(j, u->of[i]->def);
        for (int k = 0; k < r->n; k++) {
            unit *a = whole(fv_ptrmap_get(&j->units, r->all[k]));
            if (a && a != u && !fv_ptrmap_get(tried, a) && (!best || a->place > best->place))
                best = a;
        }
    }
    if (best)
        *fv_ptrmap_at(tried, best) = best;
    return best;
}

static bool join_above(joiner *j, unit *u) {
    fv_ptrmap tried = fv_ptrmap_in(j->l->current.scratch);
    unit *a;
    for (int left = (int)j->l->speed->join_makers; left && (a = next_above(j, u, &tried)); left--)
        if (join(j, a, u, NULL))
            return true;
    return false;
}

static bool join_beside(joiner *j, unit *u) {
    fv_ptrmap tried = fv_ptrmap_in(j->l->current.scratch);
    for (int i = 0; i < u->n; i++) {
        const reads *own = reads_of(j, u->of[i]->def);
        for (int k = 0; k < own->n; k++) {
            const fv_value *v = own->all[k];
            const readers *r = v->kind == FV_VALUE_CONST ? NULL : fv_ptrmap_get(&j->readers, v);
            for (int n = r ? r->n - 1 : -1, left = (int)j->l->speed->join_readers; n >= 0 && left;
                 n--) {
                unit *a = whole(r->all[n]);
                if (a == u || fv_ptrmap_get(&tried, a))
                    continue;
                *fv_ptrmap_at(&tried, a) = a;
                if (reads_result_of(j, u, a))
                    continue;
                left--;
                bool above = a->place <= u->place;
                if (join(j, above ? a : u, above ? u : a, v))
                    return true;
            }
        }
    }
    return false;
}

/* ---- units ---- */

static unit *unit_of(joiner *j, fv_op *op, int place, int stretch) {
    unit *u = FV_NEW(j->l->exprs, unit, 1);
    *u = (unit){.op = op, .place = place, .stretch = stretch};
    for (int i = 0; i < op->nout; i++) {
        fv_storage *s = op->out[i] ? fv_storage_of(j->l, op->out[i]) : NULL;
        if (s && fv_storage_has_kernel(s) && fv_is_mapped(j->l, s))
            u->of[u->n++] = s;
    }
    return u;
}

static void note_reads(joiner *j, unit *u) {
    for (int i = 0; i < u->n; i++) {
        const reads *own = reads_of(j, u->of[i]->def);
        for (int k = 0; k < own->n; k++) {
            readers **r = (readers **)fv_ptrmap_at(&j->readers, own->all[k]);
            if (!*r)
                *r = FV_NEW(j->l->exprs, readers, 1);
            if (!(*r)->n || (*r)->all[(*r)->n - 1] != u)
                FV_PUSH(j->l->exprs, (*r)->all, (*r)->n, (*r)->cap, u);
        }
    }
}

/* Can one kernel compute all results of the op? If not, each result is a unit of its own. */
static bool is_whole(joiner *j, unit *u) {
    group g;
    if (u->n == 1)
        return true;
    int mark = fv_why_mark(j->l);
    if (!fv_why_settle(j->l, mark, is_apart(j, u) && try_group(j->l, NULL, u, &g)))
        return false;
    carry_out(j, NULL, u, &g);
    return fv_takes(j->l, u->of[0]->value, FV_WHY_joins_results);
}

static void place(joiner *j, unit *u) {
    for (int i = 0; i < u->n; i++)
        *fv_ptrmap_at(&j->units, u->of[i]->value) = u;
    for (unit *at = u; join_above(j, at) || join_beside(j, at);)
        at = whole(at);
    note_reads(j, u);
}

static void place_op(joiner *j, fv_op *op, int number, int stretch) {
    unit *u = unit_of(j, op, number, stretch);
    if (u->n && is_whole(j, u)) {
        place(j, u);
        return;
    }
    for (int i = 0; i < u->n; i++) {
        unit *one = FV_NEW(j->l->exprs, unit, 1);
        *one = (unit){.op = op, .n = 1, .of = {u->of[i]}, .place = number, .stretch = stretch};
        place(j, one);
    }
}

/* Does op write a state of a loop? The memory of that state has a second name in the iteration. */
static bool writes_state(const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        for (int k = 0; op->out[i] && k < op->out[i]->nuses; k++) {
            const fv_use *use = &op->out[i]->uses[k];
            if ((use->op->def == &fv_loop_def || use->op->def == &fv_endloop_def) && use->index)
                return true;
        }
    return false;
}

/* Decides which values become results of one op, so that one kernel computes them. */
bool fv_step_join(fv_lowerer *l) {
    joiner j = {.l = l,
                .places = fv_ptrmap_in(l->current.scratch),
                .stretches = fv_ptrmap_in(l->current.scratch),
                .units = fv_ptrmap_in(l->current.scratch),
                .readers = fv_ptrmap_in(l->current.scratch),
                .reads = fv_ptrmap_in(l->current.scratch)};
    int n = 0, stretch = 0;
    for (fv_op *op = l->func->body->first; op; op = op->next) {
        stretch += (op->def->has_effect && !op->def->kernel) || writes_state(op);
        *fv_ptrmap_at(&j.places, op) = (void *)(intptr_t)++n;
        *fv_ptrmap_at(&j.stretches, op) = (void *)(intptr_t)(stretch + 1);
        stretch += writes_state(op);
    }
    join_attentions(&j);
    for (fv_op *op = l->func->body->first, *next; op; op = next) {
        next = op->next;
        if (!op->def->has_effect && !op->def->kernel && op->def != &fv_return_def &&
            !fv_is_group(op))
            place_op(&j, op, (int)(intptr_t)fv_ptrmap_get(&j.places, op) - 1, stretch_of(&j, op));
    }
    return true;
}
