/* branches.c - see branches.h. */
#include "backend/lowering/branches.h"

#include "backend/lowering/define.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/symbols.h"

/* ---- from regions to marks ---- */

static fv_op *mark(fv_op *at, const fv_opdef *def, int nin, fv_value *const *in) {
    return fv_op_new(at->block, at, def, nin, in, 0, NULL, at->origin);
}

static void move_out(fv_op *op, const char *name) {
    fv_region *r = fv_op_find_attr(op, name)->u.region;
    while (r->first != r->last)
        fv_op_move_before(r->first, op);
}

const fv_dim *fv_bound_after(fv_op *op, const fv_dim *d, int n, const fv_dim *const *bound,
                             const char *stem) {
    fv_module *m = fv_op_module(op);
    bool is_bound = d->kind != FV_DIM_SYMBOL || !fv_unknown_above(op, d);
    for (int i = 0; i < n && !is_bound; i++)
        is_bound = bound[i] == d;
    if (!is_bound)
        return d;
    const fv_dim *symbol = fv_dim_fresh(m->dims, stem, 0, FV_DIM_MAX, true);
    return fv_module_require(m, symbol, d, fv_op_why(op, "dims that are known in the run"), NULL)
               ? symbol
               : NULL;
}

fv_value *fv_as_declared(fv_rewriter *w, fv_value *v, const fv_type *t) {
    fv_module *m = w->module;
    if (fv_type_equal(v->type, t))
        return v;
    if (!fv_module_assume(m, fv_dim_product(m->dims, v->type->rank, v->type->dims),
                          fv_dim_product(m->dims, t->rank, t->dims),
                          fv_op_why(w->at, "what the run gives")))
        w->failed = !fv_op_error(w->at, "gives %s, and is declared %s",
                                 fv_type_str(m->arena, v->type), fv_type_str(m->arena, t));
    return fv_w_reshape(w, v, t->rank, t->dims);
}

/* The dims of an If's results that become known only at run time: those in the then-branch, those
 * in the else-branch, those of the results' types, and the symbols that are bound to them after the
 * If. */
typedef struct unknown {
    const fv_dim **then, **other, **dims, **symbols;
    int n, cap[4];
} unknown;

/* The dim of a result after the If, given the dim that the result has now and its dims in both
 * branches; NULL after a diagnostic. */
static const fv_dim *dim_behind(fv_op *op, unknown *u, const fv_dim *d, const fv_dim *then,
                                const fv_dim *other, const char *stem) {
    fv_arena *a = fv_op_module(op)->arena;
    if (d == then && d == other)
        return d;
    for (int i = 0; i < u->n; i++)
        if (u->dims[i] == d && u->then[i] == then && u->other[i] == other)
            return u->symbols[i];
    const fv_dim *symbol = fv_bound_after(op, d, u->n, u->symbols, stem);
    if (!symbol)
        return NULL;
    int n[3] = {u->n, u->n, u->n};
    FV_PUSH(a, u->then, n[0], u->cap[0], then);
    FV_PUSH(a, u->other, n[1], u->cap[1], other);
    FV_PUSH(a, u->dims, n[2], u->cap[2], d);
    FV_PUSH(a, u->symbols, u->n, u->cap[3], symbol);
    return symbol;
}

static const fv_type *type_behind(fv_op *op, unknown *u, const fv_value *result,
                                  const fv_type *then, const fv_type *other) {
    fv_arena *a = fv_op_module(op)->arena;
    const fv_type *t = result->type;
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        dims[i] = dim_behind(op, u, t->dims[i], then->dims[i], other->dims[i],
                             fv_printf(a, "%s_%d", result->name, i));
        if (!dims[i])
            return NULL;
    }
    return fv_tensor_type(a, t->elem, t->rank, dims);
}

fv_op *fv_flatten_branch(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_arena *a = m->arena;
    const fv_op *then = fv_op_find_attr(op, "then_branch")->u.region->last;
    const fv_op *other = fv_op_find_attr(op, "else_branch")->u.region->last;
    fv_value **in[2] = {FV_NEW(a, fv_value *, op->nout + 1), FV_NEW(a, fv_value *, op->nout + 1)};
    fv_value **out = FV_NEW(a, fv_value *, op->nout + 1);
    const fv_type **types = FV_NEW(a, const fv_type *, op->nout + 1);
    const char **names = FV_NEW(a, const char *, op->nout + 1);
    unknown u = {0};
    int n = 0;
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i])
            continue;
        types[n] = type_behind(op, &u, op->out[i], then->in[i]->type, other->in[i]->type);
        if (!types[n])
            return NULL;
        if (!op->out[i]->nuses) /* unused, so only the dims of the result may be used */
            continue;
        in[0][n] = then->in[i];
        in[1][n] = other->in[i];
        names[n] = op->out[i]->name;
        out[n++] = op->out[i];
    }
    fv_op *first = mark(op, &fv_if_def, 1, op->in);
    move_out(op, "then_branch");
    fv_op *middle = mark(op, &fv_else_def, n, in[0]);
    fv_op_set_dims(middle, "dims", u.n, u.then);
    move_out(op, "else_branch");
    fv_op *end = fv_op_new(op->block, op, &fv_endif_def, n, in[1], n, names, op->origin);
    fv_op_set_dims(end, "dims", u.n, u.other);
    fv_op_set_dims(end, "symbols", u.n, u.symbols);
    fv_rewriter w = fv_rewriter_at(op);
    for (int i = 0; i < n; i++) {
        end->out[i]->type = types[i];
        end->out[i]->elems = out[i]->elems;
        end->out[i]->nelems = out[i]->nelems;
        fv_value *with = fv_as_declared(&w, end->out[i], out[i]->type);
        if (w.failed)
            return NULL;
        fv_replace_uses(out[i], with);
        out[i] = with;
    }
    fv_op_erase(op);
    for (int i = 0; i < n; i++)
        fv_value_rename(m, out[i], names[i]);
    return first->next;
}

/* ---- results of branches ---- */

bool fv_is_made_in_block(const fv_op *op, const fv_value *v) {
    int depth = 0;
    for (op = op->prev; op; op = op->prev) {
        if (depth == 0 && (fv_mark_depth(op) > 0 || op->def == &fv_else_def))
            return false;
        if (v->def == op)
            return true;
        depth -= fv_mark_depth(op);
    }
    return false;
}

/* Is result i of the block computed within the block, in memory of its own, and not already an
 * earlier result? */
static bool is_own(fv_lowerer *l, const fv_op *end, int i) {
    const fv_value *v = end->in[i];
    const fv_storage *s = fv_storage_of(l, v);
    bool own =
        v->kind == FV_VALUE_RESULT && s->fate == FV_FATE_MEMORY && fv_is_made_in_block(end, v);
    for (int k = 0; k < i && own; k++)
        own = end->in[k] != v;
    return own;
}

bool fv_copy_branch_results(fv_lowerer *l) {
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nin && (op->def == &fv_else_def || op->def == &fv_endif_def); i++) {
            const fv_value *given = op->in[i];
            if (is_own(l, op, i))
                continue;
            if (!fv_copy_result(l, op, i))
                return false;
            fv_declines(l, op->in[i], FV_WHY_branch_copy, fv_v(given));
        }
    return true;
}

bool fv_has_late_dims(const fv_value *v) {
    return v->def && (v->def->def == &fv_endif_def || v->def->def == &fv_endloop_def) &&
           fv_any_from_data(v->type->rank, v->type->dims);
}

/* ---- steps ---- */

typedef struct fv_branch {
    fv_ptrmap copies; /* copies that already existed before the branch */
    struct fv_branch *outer;
} fv_branch;

static fv_ptrmap copy_of(fv_arena *a, const fv_ptrmap *m) {
    fv_ptrmap r = fv_ptrmap_in(a);
    for (size_t i = 0; i < m->cap; i++)
        if (m->keys[i])
            *fv_ptrmap_at(&r, m->keys[i]) = m->values[i];
    return r;
}

void fv_add_statement(fv_lowerer *l, fv_op *op) {
    fv_step s = {
        .kind = FV_STEP_STATEMENT, .op = op, .values = FV_NEW(l->arena, fv_value *, op->nin + 1)};
    /* the operands are listed so that their memory stays alive; a row that an iteration returns is
     * stored in the memory of the result with all rows */
    for (int i = 0; i < op->nin; i++) {
        fv_storage *of = op->in[i] ? fv_storage_of(l, op->in[i]) : NULL;
        if (of)
            s.values[s.nvalues++] =
                of->fate == FV_FATE_PART ? fv_storage_home(of)->value : op->in[i];
    }
    FV_PUSH(l->arena, l->host.steps, l->host.nsteps, l->host.cap_steps, s);
    if (fv_mark_depth(op) > 0) {
        fv_branch *b = FV_NEW(l->arena, fv_branch, 1);
        *b = (fv_branch){copy_of(l->arena, &l->added.copies), l->current.branch};
        l->current.branch = b;
    } else if (op->def == &fv_else_def || fv_mark_depth(op)) {
        l->added.copies = copy_of(l->arena, &l->current.branch->copies);
        l->current.branch = fv_mark_depth(op) < 0 ? l->current.branch->outer : l->current.branch;
    }
}

/* ---- memory ---- */

static fv_storage *root_of(fv_lowerer *l, const fv_value *v) {
    return fv_storage_root(fv_storage_of(l, v));
}

static int begin_of(const fv_lowerer *l, int end) {
    int depth = 0;
    for (int i = end; i >= 0; i--) {
        const fv_op *op = l->host.steps[i].kind == FV_STEP_STATEMENT ? l->host.steps[i].op : NULL;
        depth -= op ? fv_mark_depth(op) : 0;
        if (!depth)
            return i;
    }
    return 0;
}

/* Extends lifetimes at the end of an If or a loop: those of its results begin at its beginning, and
 * values that it uses from outside live until its end. */
static void hold(fv_lowerer *l, int end) {
    fv_step *s = &l->host.steps[end];
    int begin = begin_of(l, end), cap = 0, nheld = 0, n;
    fv_value **held = NULL;
    for (int i = 0; i < s->op->nin; i++)
        if (s->op->in[i])
            FV_PUSH(l->arena, held, nheld, cap, s->op->in[i]);
    for (int i = 0; i < s->op->nout; i++)
        if (s->op->out[i]) {
            fv_storage *o = root_of(l, s->op->out[i]);
            o->first = o->first < 0 || o->first > begin ? begin : o->first;
            o->last = o->last < end ? end : o->last;
            FV_PUSH(l->arena, held, nheld, cap, s->op->out[i]);
        }
    for (int i = begin; i < end; i++) {
        fv_value *const *values = fv_step_values(&l->host.steps[i], &n);
        for (int k = 0; k < n; k++) {
            fv_storage *x = root_of(l, values[k]);
            if (x->first < begin && x->last >= begin && x->last < end) {
                x->last = end;
                FV_PUSH(l->arena, held, nheld, cap, values[k]);
            }
        }
    }
    s->values = held;
    s->nvalues = nheld;
}

static bool is_end(const fv_step *s) {
    return s->kind == FV_STEP_STATEMENT && fv_mark_depth(s->op) < 0;
}

void fv_hold_through_marks(fv_lowerer *l) {
    for (int i = 0; i < l->host.nsteps; i++)
        if (is_end(&l->host.steps[i]))
            hold(l, i);
}

static void join(fv_lowerer *l, const fv_op *end, const fv_op *results) {
    for (int i = 0; i < end->nout; i++) {
        if (!end->out[i])
            continue;
        fv_storage *o = fv_storage_of(l, end->out[i]), *s = root_of(l, results->in[i]);
        s->fate = FV_FATE_VIEW;
        s->of = o;
    }
}

void fv_join_branches(fv_lowerer *l) {
    const fv_op *middle[FV_MAX_DEPTH];
    int depth = 0;
    for (int i = 0; i < l->host.nsteps; i++) {
        const fv_op *op = l->host.steps[i].kind == FV_STEP_STATEMENT ? l->host.steps[i].op : NULL;
        if (op && op->def == &fv_else_def)
            middle[depth++] = op;
        if (op && op->def == &fv_endif_def) {
            join(l, op, middle[--depth]);
            join(l, op, op);
        }
    }
}
