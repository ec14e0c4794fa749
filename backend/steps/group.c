/* group.c - the step group: decides which definitions are substituted into their uses, and which
 * values get memory.
 *
 * A value is substituted if that costs nothing (it only moves elements) or saves a pass over memory
 * (an elementwise value into its only use; elementwise uses of a reduction as its epilogue). A
 * reshape that cannot be expressed by simple indices becomes a view, which shares the memory of its
 * operand. */
#include "backend/fuse/reading.h"
#include "backend/fuse/substitute.h"
#include "backend/fuse/summed.h"
#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/concat.h"
#include "backend/steps/group_rows.h"
#include "backend/steps/steps.h"
#include "ir/definition/bits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* number of terms from which on a contraction is faster in tiles, if its rows are also read by sums
 * of another kind (Sapphire Rapids; with 8 terms it takes 1.2 of the time) */
enum { TERMS_FOR_TILES = 16 };

/* ---- properties of definitions ---- */

/* Does the reshape read a constant whose elements are each repeated along the last axis, such as
 * the scales of blocks? It is not worth a view then: the repeated copy would take more memory than
 * the divisions take time. */
static bool repeats_constant(fv_lowerer *l, const fv_op *op) {
    const fv_storage *s = fv_op_is(op, FV_OP_fv_Reshape) ? fv_storage_of(l, op->in[0]) : NULL;
    const fv_definition *d = s ? s->def : NULL;
    return d && d->rank && fv_x_is_constant(d->body) &&
           !fv_dim_is_one(d->index[d->rank - 1]->dim) && !fv_x_uses(d->body, d->index[d->rank - 1]);
}

/* Has v at least as many axes with more than one element as the result of the consumer? Then each
 * element of v may be used for one element of it only. */
static bool covers(const fv_definition *consumer, const fv_value *v) {
    int n = 0, m = 0;
    for (int i = 0; i < consumer->rank; i++)
        n += !fv_dim_is_one(consumer->index[i]->dim);
    for (int i = 0; i < v->type->rank; i++)
        m += !fv_dim_is_one(v->type->dims[i]);
    return m >= n;
}

/* Does x, apart from the nodes in `seen`, load a substituted value that contains a contraction
 * other than `other_than`? */
static bool takes_sum(fv_lowerer *l, const fv_expr *x, const fv_value *other_than,
                      fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(l, x);
    const fv_value *sum = s && s->fate == FV_FATE_SUBSTITUTED ? fv_grouped_of(l, s)->sum : NULL;
    if (sum && sum != other_than)
        return true;
    for (int i = 0; i < x->n; i++)
        if (takes_sum(l, x->arg[i], other_than, seen))
            return true;
    return false;
}

/* Does x, apart from the nodes in `seen`, load a substituted value that contains a reduction that
 * is no contraction? */
static bool takes_other(fv_lowerer *l, const fv_expr *x, fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(l, x);
    bool takes = s && s->fate == FV_FATE_SUBSTITUTED && fv_grouped_of(l, s)->other;
    for (int i = 0; i < x->n && !takes; i++)
        takes = takes_other(l, x->arg[i], seen);
    return takes;
}

/* Records in s which contraction, and which value with elementary functions, were substituted into
 * x. */
static void take_along(fv_lowerer *l, fv_storage *s, const fv_expr *x, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *from = fv_storage_loaded(l, x);
    if (from && from->fate == FV_FATE_SUBSTITUTED) {
        fv_grouped *own = fv_grouped_of(l, s), *taken = fv_grouped_of(l, from);
        own->two |= taken->two || (own->sum && taken->sum && own->sum != taken->sum);
        own->sum = own->sum ? own->sum : taken->sum;
        own->other |= taken->other;
        own->rows = own->rows ? own->rows : taken->rows;
    }
    for (int i = 0; i < x->n; i++)
        take_along(l, s, x->arg[i], seen);
}

/* Does the reshape d keep the last axis of v as its last axis? */
static bool keeps_rows(const fv_definition *d, const fv_value *v) {
    int last = d->rank - 1, own = v->type->rank - 1;
    const fv_expr *x = d->body;
    return last >= 0 && own >= 0 && x->op == FV_X_LOAD && x->arg[own]->op == FV_X_VAR &&
           x->arg[own]->u.var == d->index[last] && d->index[last]->dim == v->type->dims[own];
}

static bool is_of_rows(fv_lowerer *l, const fv_value *v, const fv_work *w, const fv_op *use) {
    return fv_rows_reason(l, v, w, use) == FV_WHY_none;
}

/* Records that v would be computed again, and why passes over rows do not avoid that. Returns
 * false. */
static bool costs_again(fv_lowerer *l, const fv_value *v, const fv_op *use, fv_why rows) {
    if (rows == FV_WHY_rows_long)
        return fv_declines(l, v, rows, fv_n(fv_whole_number(fv_typical_elements(v->type))),
                           fv_n(FV_LONG_ROW));
    return fv_declines(l, v, rows, fv_o(use));
}

/* A value v, of work w, that may be substituted into the definition d of a result of `use`. */
typedef struct into {
    const fv_value *v;
    const fv_work *w;
    const fv_op *use;
    const fv_definition *own, *d;
    fv_reading r;
    fv_work c; /* the operations of d */
} into;

/* Does a value that is substituted into x contain two contractions already? */
static bool takes_two(fv_lowerer *l, const fv_expr *x) {
    fv_storage *s = fv_storage_loaded(l, x);
    bool two = s && s->fate == FV_FATE_SUBSTITUTED && fv_grouped_of(l, s)->two;
    for (int i = 0; i < x->n && !two; i++)
        two = takes_two(l, x->arg[i]);
    return two;
}

/* Returns the factor of a sum of products that is not constant, with the variables of `first`, and
 * sets *constant to the other factor. NULL: it is no sum of a product with a constant. */
static const fv_expr *rows_of(fv_arena *a, const fv_expr *sum, const fv_expr *first,
                              const fv_expr **constant) {
    fv_expr *to[FV_MAX_RANK];
    const fv_expr *product = sum->arg[0];
    int n = sum->u.red.nvars;
    if (sum->u.red.kind != FV_SUM || product->op != FV_X_MUL || n != first->u.red.nvars)
        return NULL;
    for (int i = 0; i < n; i++) {
        if (sum->u.red.vars[i]->dim != first->u.red.vars[i]->dim)
            return NULL;
        to[i] = fv_x_var(a, first->u.red.vars[i]);
    }
    bool second = fv_x_is_constant(product->arg[1]);
    *constant = fv_x_stored(product->arg[second]);
    return fv_x_is_constant(product->arg[second])
               ? fv_x_replace_vars(a, product->arg[!second], n, sum->u.red.vars, to)
               : NULL;
}

/* The body of d with everything substituted that is not stored; also v, if `with`. */
static fv_expr *whole_body(fv_lowerer *l, const into *t, const fv_definition *d, bool with) {
    fv_storage *s = fv_storage_of(l, t->v);
    const fv_origin *origin = fv_storage_origin(l, t->v);
    const fv_fate fate = s->fate;
    if (with)
        s->fate = FV_FATE_SUBSTITUTED; /* only while the body is examined */
    fv_expr *whole = fv_substitute(l, d->body, &origin);
    s->fate = fate;
    return whole;
}

/* Would d with v substituted have two sums of products that read the same rows, each with a
 * constant factor? One tile computes both then. */
static bool has_same_rows(fv_lowerer *l, const into *t) {
    fv_expr *sums[3];
    if (!t->d->rank || takes_two(l, t->d->body) || fv_grouped_of(l, fv_storage_of(l, t->v))->two)
        return false;
    if (fv_x_reductions(whole_body(l, t, t->d, true), sums, 3) != 2)
        return false;
    const fv_var *column = t->d->index[t->d->rank - 1];
    const fv_expr *constant[2], *rows[2];
    for (int i = 0; i < 2; i++) {
        rows[i] = rows_of(l->exprs, sums[i], sums[0], &constant[i]);
        if (!rows[i] || fv_x_uses(rows[i], column) || !fv_x_uses(constant[i], column))
            return false;
    }
    return rows[0] == rows[1] && sums[0]->type.elem == sums[1]->type.elem &&
           constant[0]->type.elem == constant[1]->type.elem;
}

/* Does only factor i of the product have some axis of d? */
static bool has_own_axis(const fv_definition *d, const fv_expr *product, int i) {
    for (int k = 0; k < d->rank; k++)
        if (!fv_dim_is_one(d->index[k]->dim) && fv_x_uses(product->arg[i], d->index[k]) &&
            !fv_x_uses(product->arg[!i], d->index[k]))
            return true;
    return false;
}

/* Is the body of d one sum of products whose factors have axes of their own: rows and columns? */
static bool is_matrix_product(const fv_definition *d, fv_expr *body) {
    fv_expr *sums[2];
    if (fv_x_reductions(body, sums, 2) != 1 || sums[0]->u.red.kind != FV_SUM ||
        sums[0]->arg[0]->op != FV_X_MUL)
        return false;
    return has_own_axis(d, sums[0]->arg[0], 0) && has_own_axis(d, sums[0]->arg[0], 1);
}

/* Does the reshape d join the rows of a product of matrices with an axis that both factors have,
 * such as a batch? The product would have no rows then, and be no attention. */
static bool joins_rows(fv_lowerer *l, const into *t) {
    return is_matrix_product(t->own, whole_body(l, t, t->own, false)) &&
           !is_matrix_product(t->d, whole_body(l, t, t->d, true));
}

/* Does d take a contraction other than `other_than`, of enough terms to gain by tiles? With the
 * sums of a row of v, d would have the form of rows, and compute it without tiles. */
static bool takes_contraction(fv_lowerer *l, const into *t, const fv_value *other_than) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    fv_expr *sum;
    int64_t terms = 1;
    if (!takes_sum(l, t->d->body, other_than, &seen) ||
        fv_x_reductions(whole_body(l, t, t->d, false), &sum, 1) < 1)
        return false;
    for (int i = 0; i < sum->u.red.nvars && terms < TERMS_FOR_TILES; i++)
        terms *= sum->u.red.vars[i]->dim->hi < TERMS_FOR_TILES ? sum->u.red.vars[i]->dim->hi
                                                               : TERMS_FOR_TILES;
    return terms >= TERMS_FOR_TILES;
}

/* May v, which has sums, be substituted into d? It may if d only adds elementwise work, as an
 * epilogue, which may contain another contraction of the same rows, or if each row of d needs the
 * sums once. */
static bool takes_reduction(fv_lowerer *l, const into *t) {
    const fv_value *v = t->v, *sum = fv_grouped_of(l, fv_storage_of(l, v))->sum;
    const fv_reading *r = &t->r;
    bool contraction = fv_is_contraction(t->own->body),
         into_contraction = fv_is_contraction(t->d->body);
    if (r->by_rows && !contraction && takes_contraction(l, t, sum))
        return fv_declines(l, v, FV_WHY_contraction_taken, fv_o(t->use));
    if (r->by_rows && !contraction && !into_contraction)
        return fv_takes(l, v, FV_WHY_by_row, fv_o(t->use));
    if (t->use->nout != 1)
        return fv_declines(l, v, FV_WHY_several_results, fv_o(t->use), fv_n(t->use->nout));
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    if (contraction && (t->c.reductions || takes_other(l, t->d->body, &seen)))
        return fv_declines(l, v, FV_WHY_contraction_summed, fv_o(t->use));
    if (t->c.reductions && into_contraction)
        return fv_declines(l, v, FV_WHY_sum_in_contraction, fv_o(t->use));
    if (t->c.reductions)
        return fv_declines(l, v, FV_WHY_sum_in_sum, fv_o(t->use));
    seen = fv_ptrmap_in(l->current.scratch);
    bool second = takes_sum(l, t->d->body, sum, &seen);
    if (second && !has_same_rows(l, t))
        return fv_declines(l, v, FV_WHY_second_contraction, fv_o(t->use));
    if (!r->identity && !(r->ordered && !t->c.arithmetic) &&
        !(fv_op_is(t->use, FV_OP_fv_Reshape) && keeps_rows(t->d, v)))
        return fv_declines(l, v, FV_WHY_sum_reordered, fv_o(t->use));
    if (!r->identity && fv_op_is(t->use, FV_OP_fv_Reshape) && joins_rows(l, t))
        return fv_declines(l, v, FV_WHY_rows_joined, fv_o(t->use));
    return fv_takes(l, v, second ? FV_WHY_second_of_rows : FV_WHY_epilogue, fv_o(t->use));
}

/* Is each element of d computed from constants, which together have fewer bytes than its elements?
 * The kernel of a contraction reads the constants then, and no factor is written at run time. */
static bool unpacks_constants(fv_lowerer *l, const fv_definition *d) {
    double bytes = 0, all = fv_elem_storage_bytes(d->value->type->elem);
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, d->body); (x = fv_x_next(&v));) {
        if (x->op == FV_X_GUARD || x->op == FV_X_REQUIRE || x->op == FV_X_REDUCE)
            return false;
        if (x->op != FV_X_LOAD)
            continue;
        const fv_value *c = x->u.buf->value;
        if (!c || c->kind != FV_VALUE_CONST)
            return false;
        bytes += (double)c->tensor->bytes;
    }
    for (int i = 0; i < d->rank; i++)
        all *= fv_dim_is_const(d->index[i]->dim) ? (double)d->index[i]->dim->value : 0;
    return bytes < all;
}

/* Are the elements of v bytes that arithmetic computes and a sum of integers multiplies? In memory
 * they are the operands of dot products, which copy them as they are; as a part of the contraction
 * they would be computed and stored as i32. */
static bool is_factor_of_bytes(const into *t) {
    fv_expr *sum[1];
    fv_elem e = t->v->type->elem;
    return t->w->arithmetic && fv_elem_is_int(e) && fv_elem_bits(e) <= 8 &&
           fv_x_reductions(t->d->body, sum, 1) && fv_elem_is_int(sum[0]->type.elem);
}

/* May v, which has no sums and is loaded by the sum of the contraction d, be substituted into d,
 * whose kernel then packs it? It must be loaded in one place, with a variable of its own as each
 * index, and be unpacked from constants without elementary functions, or be cheap to compute and no
 * factor of bytes (is_factor_of_bytes). */
static bool takes_factor(fv_lowerer *l, const into *t) {
    if (t->r.loads > 1)
        return fv_declines(l, t->v, FV_WHY_factor_twice, fv_o(t->use), fv_n(t->r.loads));
    if (!t->r.variables)
        return fv_declines(l, t->v, FV_WHY_factor_windows, fv_o(t->use));
    if (fv_is_costly_work(t->w) && (t->w->math || !unpacks_constants(l, t->own)))
        return fv_declines(l, t->v, FV_WHY_factor_costly, fv_o(t->use), fv_n(t->w->arithmetic),
                           fv_n(t->w->math), fv_n(FV_CHEAP));
    if (is_factor_of_bytes(t) && !unpacks_constants(l, t->own))
        return fv_declines(l, t->v, FV_WHY_factor_bytes, fv_o(t->use));
    if (t->r.in_term && t->w->arithmetic && !fv_is_of_constants(l, t->own))
        return fv_declines(l, t->v, FV_WHY_factor_term, fv_o(t->use), fv_n(t->w->arithmetic));
    return fv_takes(l, t->v, FV_WHY_factor, fv_o(t->use));
}

/* Does d read each element of v so often, as in the windows of a pool, that even cheap operations
 * take longer than a pass over memory? `anew`: several elements of d may read the same element of
 * v. */
static bool is_read_often(const into *t, bool anew) {
    return (t->r.windows || anew) && t->w->arithmetic &&
           t->r.reads >= (double)FV_READ_OFTEN * fv_typical_elements(t->v->type);
}

/* Records how often elements of v are read, and declines. */
static bool reads_often(fv_lowerer *l, const into *t) {
    double elements = fv_typical_elements(t->v->type);
    return fv_declines(l, t->v, FV_WHY_read_often, fv_o(t->use),
                       fv_n(fv_whole_number(t->r.reads / elements)),
                       fv_n(fv_whole_number(t->r.reads)), fv_n(fv_whole_number(elements)));
}

/* The operations on floats of an element; an elementary function counts as several. */
static int operations_of(const fv_work *w) {
    return w->floats + w->math * (FV_MATH_OPERATIONS - 1);
}

/* Will a kernel of elements compute the result of the Concat `use`, in a loop for each of its
 * operands (backend/schedule/rows/pieces.h)? */
static bool is_divided(fv_lowerer *l, const fv_op *use) {
    const fv_value *y = use->nout == 1 ? use->out[0] : NULL;
    const fv_dim *row = y && y->type->rank ? y->type->dims[y->type->rank - 1] : NULL;
    if (!fv_op_is(use, FV_OP_Concat) || !row || !fv_dim_is_const(row) ||
        row->value > FV_DIVIDED_ROW || row->value < FV_CHAINS * use->nin)
        return false;
    for (int i = 0; i < use->nin; i++)
        if (use->in[i]->type->dims[y->type->rank - 1] == row)
            return false; /* the axis is another one */
    for (int steps = 0; steps < FV_GROUPED_WAY && !fv_must_have_memory(l, y); steps++) {
        const fv_op *next = y->uses[0].op;
        if (fv_distinct_users(y) != 1 || next->nout != 1)
            return false;
        if (fv_is_contraction(fv_storage_of(l, next->out[0])->def->body))
            return true; /* its factors are no costly work, but loaded */
        if (!fv_is_elementwise_use(l, next, y))
            return false;
        y = next->out[0];
    }
    return true;
}

/* Does d read v under a condition, as a Concat reads each of its operands? Vectors compute v
 * wherever d has an element then, also where another operand is chosen. Records the reason if that
 * takes longer than a pass over memory. */
static bool is_multiplied(fv_lowerer *l, const into *t) {
    double elements = t->r.loads * fv_typical_elements(t->v->type), more = t->r.reads - elements;
    int operations = operations_of(t->w);
    if (!t->r.guarded || t->r.in_reduction || more * operations <= (double)FV_CHEAP * elements ||
        is_divided(l, t->use))
        return false;
    (void)fv_declines(l, t->v, FV_WHY_read_in_part, fv_o(t->use), fv_n(fv_whole_number(t->r.reads)),
                      fv_n(operations), fv_n(fv_whole_number(elements)), fv_n(FV_CHEAP));
    return true;
}

/* May v, which has no sums, be substituted into d, which is no contraction? */
static bool takes_elements(fv_lowerer *l, const into *t) {
    const fv_value *v = t->v;
    const fv_work *w = t->w;
    const fv_reading *r = &t->r;
    fv_fact use = fv_o(t->use), math = fv_n(w->math), operations = fv_n(w->arithmetic),
            limit = fv_n(FV_CHEAP);
    fv_why rows = fv_rows_reason(l, v, w, t->use);
    if (rows == FV_WHY_none)
        return fv_takes(l, v, FV_WHY_of_rows, use);
    if (r->in_reduction && fv_is_costly_work(w))
        return fv_declines(l, v, FV_WHY_summed_costly, use, operations, math, limit) ||
               costs_again(l, v, t->use, rows);
    bool more = !covers(t->d, v),
         anew = !r->injective && !r->in_reduction && !fv_op_is(t->use, FV_OP_fv_Reshape);
    if (r->loads > 1 && fv_is_costly_work(w))
        return fv_declines(l, v, FV_WHY_read_twice, use, fv_n(r->loads), operations, math, limit) ||
               costs_again(l, v, t->use, rows);
    if (more && fv_is_costly_work(w))
        return fv_declines(l, v, FV_WHY_read_by_more, use, operations, math, limit);
    if (anew && fv_is_costly_work(w))
        return fv_declines(l, v, FV_WHY_read_anew, use, operations, math, limit);
    if (is_read_often(t, anew))
        return reads_often(l, t);
    if (is_multiplied(l, t))
        return false;
    return r->loads > 1 || more || anew ? fv_takes(l, v, FV_WHY_cheap, use, operations, limit)
                                        : fv_takes(l, v, FV_WHY_one_use, use);
}

/* May v be substituted into the definition that `use` computes? */
static bool suits(fv_lowerer *l, const fv_value *v, const fv_work *w, const fv_op *use) {
    const fv_definition *own = fv_storage_of(l, v)->def;
    fv_row_axes axes = fv_row_axes_of(own);
    for (int i = 0; i < use->nout; i++) {
        if (!use->out[i])
            continue;
        const fv_definition *d = fv_storage_of(l, use->out[i])->def;
        fv_reading r = fv_reading_of(l, d, v, &axes);
        fv_work c = fv_work_of(l, d);
        if (!r.loads)
            continue;
        const fv_grouped *g = fv_grouped_of(l, fv_storage_of(l, use->out[i]));
        if (w->reductions && g->term && (!g->row || fv_is_contraction(own->body)))
            return fv_declines(l, v, FV_WHY_sum_in_term, fv_o(use));
        if (fv_is_float_product(own) && fv_adds_elements(l, d, v))
            return fv_declines(l, v, FV_WHY_rounded_product, fv_o(use));
        int nodes = c.nodes + w->nodes * r.loads;
        if (nodes > FV_GROUPED_NODES)
            return fv_declines(l, v, FV_WHY_use_too_large, fv_o(use), fv_n(nodes),
                               fv_n(FV_GROUPED_NODES));
        fv_ptrmap others = fv_ptrmap_in(l->current.scratch);
        if (w->math && w->reductions &&
            fv_has_other_passes(l, d->body, fv_grouped_of(l, fv_storage_of(l, v))->rows, &others))
            return fv_declines(l, v, FV_WHY_other_passes, fv_o(use));
        const into t = {.v = v, .w = w, .use = use, .own = own, .d = d, .r = r, .c = c};
        bool factor = r.in_reduction && fv_is_contraction(d->body);
        if (!(w->reductions ? takes_reduction(l, &t)
              : factor      ? takes_factor(l, &t)
                            : takes_elements(l, &t)))
            return false;
    }
    return true;
}

typedef enum { ANY_WAY, BY_ELEMENTS, BY_ROWS } way;

static bool is_step(fv_lowerer *l, const fv_value *v, const fv_op *op, way how) {
    if (how == BY_ROWS)
        return !fv_must_have_memory(l, v) && fv_keeps_to_rows(l, v, op, false);
    return how == ANY_WAY || fv_is_elementwise_use(l, op, v);
}

/* Do all uses of v, starting from the op `from`, end in `to`, where every op between is a step of
 * the kind `how`? `seen` contains the ops that were examined. Values between must have one user,
 * except for BY_ROWS. Also false if more than FV_GROUPED_WAY ops are examined. */
static bool leads_to(fv_lowerer *l, const fv_value *v, const fv_op *from, const fv_op *to, way how,
                     fv_ptrmap *seen) {
    if (!is_step(l, v, from, how))
        return false;
    if (from == to || *fv_ptrmap_at(seen, from))
        return true;
    *fv_ptrmap_at(seen, from) = (void *)from;
    const fv_value *out = from->nout == 1 ? from->out[0] : NULL;
    if (!out || out->nuses == 0 || seen->n > FV_GROUPED_WAY ||
        (how != BY_ROWS && fv_distinct_users(out) != 1))
        return false;
    for (int i = 0; i < out->nuses; i++)
        if (!leads_to(l, out, out->uses[i].op, to, how, seen))
            return false;
    return true;
}

static bool all_lead_to(fv_lowerer *l, const fv_value *v, const fv_op *to, way how) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    for (int i = 0; i < v->nuses; i++)
        if (!leads_to(l, v, v->uses[i].op, to, how, &seen))
            return false;
    return true;
}

/* Is there an op to which each use of v leads, directly or through other ops? For ANY_WAY, only ops
 * that use v are tried. */
static bool has_last_use(fv_lowerer *l, const fv_value *v, way how) {
    for (int i = v->nuses; i-- > 0;)
        if (all_lead_to(l, v, v->uses[i].op, how))
            return true;
    /* the op must be reached from every use of v, so it is enough to follow the first use */
    const fv_op *op = v->uses[0].op;
    for (int steps = 0; how != ANY_WAY && steps < FV_GROUPED_WAY; steps++) {
        const fv_value *out = op->nout == 1 ? op->out[0] : NULL;
        if (!out || !out->nuses || (how == BY_ELEMENTS && fv_distinct_users(out) != 1))
            return false;
        op = out->uses[0].op;
        if (all_lead_to(l, v, op, how))
            return true;
    }
    return false;
}

/* Does `use` compute the sums of v once per row: is neither of them a contraction, and does every
 * result of `use` read v by rows? */
static bool is_once_a_row(fv_lowerer *l, const fv_value *v, const fv_op *use) {
    const fv_definition *own = fv_storage_of(l, v)->def;
    fv_row_axes axes = fv_row_axes_of(own);
    for (int i = 0; i < use->nout; i++) {
        const fv_definition *d = use->out[i] ? fv_storage_of(l, use->out[i])->def : NULL;
        if (!d || fv_is_contraction(d->body) || !fv_reading_of(l, d, v, &axes).by_rows)
            return false;
    }
    return !fv_is_contraction(own->body);
}

/* May a value with several users be substituted because they all end in one op? Examples: x -
 * mean(x) of a norm, whatever it costs, if the passes over rows keep it or it is computed once per
 * row; x of x * sigmoid(x), if it is cheap, because elementwise ops in one kernel compute it once.
 * Also a cheap value with two users, one of which leads to the other in any way. */
static bool is_shared_in_one(fv_lowerer *l, const fv_value *v, const fv_work *w) {
    int users = fv_distinct_users(v), n = 0, rows = 0, once = 0;
    if (users > FV_GROUPED_USERS)
        return fv_declines(l, v, FV_WHY_too_many_uses, fv_n(users), fv_n(FV_GROUPED_USERS));
    for (int i = 0; i < v->nuses; i++) {
        n += suits(l, v, w, v->uses[i].op);
        rows += is_of_rows(l, v, w, v->uses[i].op);
        once += w->reductions && is_once_a_row(l, v, v->uses[i].op);
    }
    if (n < v->nuses)
        return false;
    if ((rows == n || once == n) && has_last_use(l, v, BY_ROWS))
        return fv_takes(l, v, FV_WHY_shared_rows, fv_n(users));
    if (fv_is_costly_work(w))
        return fv_declines(l, v, FV_WHY_shared_costly, fv_n(users),
                           fv_n(fv_whole_number(fv_typical_elements(v->type))), fv_n(w->arithmetic),
                           fv_n(w->math), fv_n(FV_CHEAP));
    if (w->loads > FV_SHARED_LOADS)
        return fv_declines(l, v, FV_WHY_shared_loads, fv_n(users), fv_n(w->loads),
                           fv_n(FV_SHARED_LOADS));
    if (has_last_use(l, v, BY_ELEMENTS))
        return fv_takes(l, v, FV_WHY_shared_elements, fv_n(users));
    if (users == 2 && !w->reductions && has_last_use(l, v, ANY_WAY))
        return fv_takes(l, v, FV_WHY_shared_two);
    return fv_declines(l, v, FV_WHY_shared_apart, fv_n(users));
}

/* Does x load a value that contains another contraction than `own`, which was substituted, directly
 * or through elementwise values that will be substituted? */
static bool meets_sum(fv_lowerer *l, const fv_expr *x, const fv_value *own, fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_storage *s = fv_storage_loaded(l, x);
    const fv_value *sum = s && s->fate == FV_FATE_SUBSTITUTED ? fv_grouped_of(l, s)->sum : NULL;
    if (sum)
        return sum != own;
    if (s && s->def && fv_distinct_users(s->value) == 1 && !fv_work_of(l, s->def).reductions &&
        meets_sum(l, s->def->body, own, seen))
        return true;
    for (int i = 0; i < x->n; i++)
        if (meets_sum(l, x->arg[i], own, seen))
            return true;
    return false;
}

/* Would v, the result of a contraction, be stored in a wider type further on: do elementwise ops
 * lead from its only use to one that has another contraction, which the kernel of v cannot compute
 * as well? A quantized convolution in front of the sum of a residual block is such a value, whose
 * scale and zero point make it four times as large. Returns the op, or NULL. */
static const fv_op *widens_before(fv_lowerer *l, const fv_value *v) {
    const fv_value *sum = fv_grouped_of(l, fv_storage_of(l, v))->sum, *w = v;
    const int bytes = fv_elem_storage_bytes(v->type->elem);
    for (int steps = 0; steps < FV_GROUPED_WAY; steps++) {
        const fv_op *use = w->nuses ? w->uses[0].op : NULL;
        if (!use || fv_distinct_users(w) != 1 || !fv_is_elementwise_use(l, use, w) ||
            fv_must_have_memory(l, w))
            return NULL;
        fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
        if (meets_sum(l, fv_storage_of(l, use->out[0])->def->body, sum, &seen))
            return fv_elem_storage_bytes(w->type->elem) > bytes ? use : NULL;
        w = use->out[0];
    }
    return NULL;
}

/* Returns a use of v inside a loop that does not contain v's op; each iteration would compute v
 * again. NULL: there is none. */
static const fv_op *use_in_loop(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++) {
        int depth = 0;
        for (const fv_op *op = v->uses[i].op->prev; op && op != v->def; op = op->prev) {
            if (op->def == &fv_loop_def && !depth)
                return v->uses[i].op;
            depth += (op->def == &fv_endloop_def) - (op->def == &fv_loop_def);
        }
    }
    return NULL;
}

/* Is s, a result of op, to be substituted? Also sets `rows` and `passes` of s. */
static bool is_substituted(fv_lowerer *l, const fv_op *op, fv_storage *s) {
    fv_grouped *g = fv_grouped_of(l, s);
    const fv_value *v = s->value;
    const fv_op *because;
    fv_work w = fv_work_of(l, s->def);
    fv_why memory = fv_memory_reason(l, v, &because);
    if (memory)
        return fv_declines(l, v, memory, fv_o(because));
    if (!fv_is_small(l, s->def))
        return fv_declines(l, v, FV_WHY_tree_too_large, fv_n(FV_MAX_TREE));
    if (g->term)
        return fv_takes(l, v, FV_WHY_term, fv_o(v->uses[0].op));
    if (w.nodes > FV_GROUPED_NODES)
        return fv_declines(l, v, FV_WHY_too_large, fv_n(w.nodes), fv_n(FV_GROUPED_NODES));
    if (fv_concat_pays(l, op))
        return false;
    if (fv_is_view(&w))
        return fv_takes(l, v, FV_WHY_moves_only);
    if ((because = use_in_loop(v)))
        return fv_declines(l, v, FV_WHY_each_iteration, fv_o(because));
    g->rows = w.math && !g->rows ? v : g->rows;
    g->passes = w.math && w.reductions;
    if (fv_distinct_users(v) > 1)
        return is_shared_in_one(l, v, &w);
    if (fv_is_contraction(s->def->body) && (because = widens_before(l, v)))
        return fv_declines(l, v, FV_WHY_stored_wider, fv_o(because));
    if (!suits(l, v, &w, v->uses[0].op))
        return false;
    return !g->passes || !fv_loses_row(l, v, v->uses[0].op) ||
           fv_declines(l, v, FV_WHY_loses_row, fv_o(v->uses[0].op));
}

static void decide(fv_lowerer *l, fv_op *op, fv_storage *s) {
    fv_grouped *g = fv_grouped_of(l, s);
    bool view = fv_is_costly_reshape(l, op);
    /* a value that has memory anyway is seen in another shape without a cost */
    if (fv_op_is(op, FV_OP_fv_Reshape) && !view)
        view = g->divides && fv_storage_of(l, op->in[0])->fate != FV_FATE_SUBSTITUTED;
    if (view) {
        s->fate = FV_FATE_VIEW;
        s->of = fv_storage_root(fv_storage_of(l, op->in[0]));
        fv_takes(l, s->value, g->costly ? FV_WHY_seen_costly : FV_WHY_seen_there,
                 fv_v(s->of->value));
        return;
    }
    int mark = fv_why_mark(l);
    if (fv_why_settle(l, mark, is_substituted(l, op, s)))
        s->fate = FV_FATE_SUBSTITUTED;
}

/* Finds the products that are terms of sums, while each definition is that of one operator. */
static void find_terms(fv_lowerer *l) {
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (!s || !s->def || !fv_is_term_of_sum(l, s->value) || use_in_loop(s->value))
                continue;
            fv_grouped_of(l, s)->term = true;
            fv_grouped_of(l, s)->row = fv_is_term_of_row(l, s->value);
        }
}

/* Decides which values are substituted and which are views, and substitutes definitions. */
bool fv_step_group(fv_lowerer *l) {
    find_terms(l);
    for (fv_op *op = l->func->body->first; op; op = op->next)
        if (fv_op_is(op, FV_OP_fv_Reshape)) {
            fv_storage *s = fv_storage_of(l, op->out[0]);
            fv_grouped_of(l, s)->costly = fv_divides_along(s->def) && !repeats_constant(l, op);
            fv_grouped_of(l, s)->divides = fv_divides_at_all(s->def);
        }
    for (fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (!s || !s->def)
                continue;
            const fv_origin *origin = op->origin;
            fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
            take_along(l, s, s->def->body, &seen);
            s->def->body = fv_substitute(l, s->def->body, &origin);
            bool contraction = fv_is_contraction(s->def->body);
            if (!fv_grouped_of(l, s)->sum && contraction)
                fv_grouped_of(l, s)->sum = s->value;
            fv_grouped_of(l, s)->other |= !contraction && fv_work_of(l, s->def).reductions;
            *fv_ptrmap_at(&l->known.origins, s->value) = (void *)origin;
            decide(l, op, s);
        }
    return true;
}
