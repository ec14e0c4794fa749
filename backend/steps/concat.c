/* concat.c - the step concat: kernels write the operands of a Concat directly into its memory, so
 * that they are not copied.
 *
 *     c = Concat(a, b), axis 1:   a[i, j] is stored at c[i, j], b[i, j] at c[i, j + columns of a]
 *
 * The kernels of a and b store there, and kernels that read a or b read c instead. An operand that
 * must have memory of its own (an input, a constant, a result of the model, an operand that occurs
 * twice) is copied by a kernel of its own. The Concat itself then has no kernel. A Concat of
 * Concats uses one memory for all. No kernel reads the memory to which it writes. */
#include "backend/steps/concat.h"

#include <string.h>

#include "backend/lowering/branches.h"
#include "backend/lowering/define.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/larger.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/graph/infer.h"

enum { MAX_PARTS = 256 };

typedef struct member { /* a value that is stored in a part of some Concat's memory */
    fv_storage *s;
    int axis;            /* the axis of the Concat */
    const fv_dim *start; /* the index along `axis` at which the part begins */
    struct member *next;
} member;

typedef struct join {
    fv_lowerer *l;
    member **members;
    fv_op *op;
    fv_storage *whole, *root; /* the Concat, and the value in whose memory it is stored */
    int axis, n;
    fv_storage *part[MAX_PARTS];
    /* for each part: whether its own kernel stores it in the memory of the Concat */
    bool direct[MAX_PARTS];
} join;

/* ---- conditions ---- */

static bool is_substituted(const fv_storage *s) {
    return s->fate == FV_FATE_SUBSTITUTED;
}

/* Can the kernel of s store its result in a part of the memory of another value? It cannot if it
 * has both sums and elementary functions, because its passes may keep values in the row of its
 * result, which must be its own memory (keep.c). */
static bool can_be_placed(const fv_storage *s) {
    return s->def && !fv_x_has(s->def->body, FV_HAS_MATH | FV_HAS_REDUCE);
}

/* Does d load a value that has no memory, as a value that attention computes itself? */
static bool loads_substituted(fv_lowerer *l, const fv_definition *d) {
    const fv_storage *s;
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(l->current.scratch, d->body); (x = fv_x_next(&v));)
        if ((s = fv_storage_loaded(l, x)) && is_substituted(s))
            return true;
    return false;
}

static bool can_get_memory(fv_lowerer *l, const fv_storage *s) {
    return can_be_placed(s) && !loads_substituted(l, s->def);
}

/* Has s elementary functions, and so few consecutive elements in the memory of the Concat that they
 * do not fill a vector? In memory of its own, all elements of s are consecutive. */
static bool is_narrow(const fv_storage *s, int axis) {
    const fv_type *t = s->value->type;
    int64_t row = 1;
    for (int i = axis; i < t->rank && row < FV_CHAINS; i++)
        row *= fv_typical_dim(t->dims[i]);
    /* of rows of one element, vectors run along another axis */
    return row > 1 && row < FV_CHAINS && fv_typical_elements(t) > (double)row &&
           fv_x_has(s->def->body, FV_HAS_MATH);
}

static bool is_once(const fv_op *op, const fv_value *v) {
    int n = 0;
    for (int i = 0; i < op->nin; i++)
        n += op->in[i] == v;
    return n == 1;
}

static bool is_returned(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++)
        if (v->uses[i].op->def == &fv_return_def)
            return true;
    return false;
}

static bool has_data_dims(const fv_op *op) {
    return fv_any_from_data(op->out[0]->type->rank, op->out[0]->type->dims);
}

/* Called while values are grouped, before it is known which later values have kernels. */
bool fv_concat_pays(fv_lowerer *l, const fv_op *op) {
    double made = 0, all = 0;
    if (!fv_op_is(op, FV_OP_Concat) || has_data_dims(op))
        return false;
    for (int i = 0; i < op->nin; i++) {
        const fv_value *v = op->in[i];
        const fv_storage *s = fv_storage_of(l, v);
        double n = fv_typical_elements(v->type);
        all += n;
        if (v->kind == FV_VALUE_RESULT && fv_storage_has_kernel(s) && is_once(op, v) &&
            !is_returned(v))
            made += n;
    }
    if (made <= 0 || 2 * made < all)
        return false;
    fv_declines(l, op->out[0], FV_WHY_parts_pay, fv_n(fv_whole_number(made)),
                fv_n(fv_whole_number(all)));
    return true;
}

/* ---- the parts ---- */

/* Does a kernel that writes to the memory of this Concat read s? */
static bool is_read_beside(const join *j, const fv_storage *s) {
    for (const member *m = *j->members; m; m = m->next)
        if (m->s != j->whole && m->s->fate != FV_FATE_ASSEMBLED &&
            fv_storage_home(m->s) == j->root && fv_storage_is_read_by(j->l, s, m->s->def))
            return true;
    return false;
}

/* Is it known before the run that all dims of v, except the one along the axis of the Concat, are
 * equal to those of the Concat? An assumption within a branch or a loop is no proof: it is checked
 * in the branch or loop, which may be after v is written. */
static bool fits(const join *j, const fv_value *v) {
    const fv_type *whole = j->op->out[0]->type;
    bool fits = true;
    for (int i = 0; i < whole->rank && fits; i++)
        fits = i == j->axis || fv_module_equal(j->l->module, v->type->dims[i], whole->dims[i]);
    return fits || fv_declines(j->l, v, FV_WHY_part_dims, fv_v(j->op->out[0]));
}

static bool is_direct(const join *j, const fv_value *v, fv_storage *s) {
    const fv_fact whole = fv_v(j->op->out[0]);
    if (v->kind != FV_VALUE_RESULT)
        return fv_declines(j->l, j->op->out[0], FV_WHY_part_given, fv_v(v));
    if (is_substituted(s))
        return false; /* the kernel that stores this part of the memory computes v */
    if (s->fate != FV_FATE_MEMORY)
        return fv_declines(j->l, v, FV_WHY_part_seen, whole);
    if (!s->def)
        return fv_declines(j->l, v, FV_WHY_part_own, whole);
    if (!can_be_placed(s))
        return fv_declines(j->l, v, FV_WHY_part_keeps, whole);
    if (is_narrow(s, j->axis))
        return fv_declines(j->l, v, FV_WHY_part_narrow, whole, fv_n(FV_CHAINS));
    if (!fv_is_made_in_block(j->op, v))
        return fv_declines(j->l, v, FV_WHY_part_around, whole);
    if (!fits(j, v))
        return false;
    if (!fv_is_private(j->l, v))
        return fv_declines(j->l, v, FV_WHY_part_read, whole);
    if (!is_once(j->op, v))
        return fv_declines(j->l, v, FV_WHY_part_twice, whole);
    if (fv_storage_is_read_by(j->l, j->root, s->def))
        return fv_declines(j->l, v, FV_WHY_part_reads, whole);
    return !is_read_beside(j, s) || fv_declines(j->l, v, FV_WHY_part_read_by_writer, whole);
}

/* Makes sure that the kernels of operands do not read each other: copies operands that do. Returns
 * false if the Concat must have a kernel. */
static bool separate(join *j) {
    for (int i = 0; i < j->n; i++) {
        if (!j->direct[i] && !is_substituted(j->part[i])) { /* copied from other memory */
            if (fv_storage_home(fv_storage_root(j->part[i])) == j->root)
                /* does not occur: a value that a Concat with a kernel of its own reads is not
                 * stored in the memory of another Concat (fv_is_private) */
                return false;
            continue;
        }
        if (is_substituted(j->part[i]) && !can_get_memory(j->l, j->part[i]))
            return fv_declines(j->l, j->op->out[0], FV_WHY_join_kept, fv_v(j->op->in[i]));
        if (is_substituted(j->part[i]) && !fv_is_made_in_block(j->op, j->op->in[i]))
            return fv_declines(j->l, j->op->out[0], FV_WHY_join_around, fv_v(j->op->in[i]));
        if (is_substituted(j->part[i]) && !fits(j, j->op->in[i]))
            return false;
        if (is_substituted(j->part[i]) && fv_storage_is_read_by(j->l, j->root, j->part[i]->def))
            return false; /* does not occur, since a value that reads the memory of a Concat is not
                           * stored in it */
        for (int k = 0; k < j->n; k++)
            if (k != i && j->direct[k] &&
                fv_storage_is_read_by(j->l, j->part[k], j->part[i]->def)) {
                int copied = j->direct[i] ? i : k;
                j->direct[copied] =
                    fv_declines(j->l, j->op->in[copied], FV_WHY_part_reads_part,
                                fv_v(j->op->out[0]), fv_v(j->op->in[copied == i ? k : i]));
            }
    }
    return true;
}

/* Do kernels write at least half of the elements directly, so that copying the others pays? */
static bool pays(const join *j) {
    double direct = 0, all = 0;
    for (int i = 0; i < j->n; i++) {
        double n = fv_typical_elements(j->op->in[i]->type);
        all += n;
        direct += j->direct[i] ? n : 0;
    }
    return (direct > 0 && 2 * direct >= all) ||
           fv_declines(j->l, j->op->out[0], FV_WHY_join_copies, fv_n(fv_whole_number(all)),
                       fv_n(fv_whole_number(direct)));
}

/* Axes along which the Concat has one element are not indexed (merge.c). Are they known to have one
 * element in the operand, too? */
static bool has_its_ones(const fv_type *whole, const fv_type *part, int axis) {
    for (int i = 0; i < whole->rank; i++)
        if (i != axis && fv_dim_is_one(whole->dims[i]) && !fv_dim_is_one(part->dims[i]))
            return false;
    return true;
}

static bool plan(join *j) {
    fv_op *op = j->op;
    fv_lowerer *l = j->l;
    j->whole = fv_storage_of(l, op->out[0]);
    if (!fv_storage_has_kernel(j->whole)) /* the step group has recorded the reason */
        return false;
    if (op->nin > MAX_PARTS)
        return false; /* longer ones have been cut into Concats of Concats */
    if (op->nin < 2)
        return fv_declines(l, op->out[0], FV_WHY_join_one);
    if (has_data_dims(op))
        return fv_declines(l, op->out[0], FV_WHY_join_data);
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), op->out[0]->type->rank, &j->axis))
        return false;
    j->root = fv_storage_home(j->whole);
    j->n = op->nin;
    for (int i = 0; i < j->n; i++) {
        j->part[i] = fv_storage_of(l, op->in[i]);
        j->direct[i] = is_direct(j, op->in[i], j->part[i]);
        if (is_substituted(j->part[i]) && !is_once(op, op->in[i]))
            return fv_declines(l, op->out[0], FV_WHY_join_twice, fv_v(op->in[i]));
        if (!has_its_ones(op->out[0]->type, op->in[i]->type, j->axis))
            return fv_declines(l, op->out[0], FV_WHY_join_ones, fv_v(op->in[i]));
    }
    return separate(j) && pays(j);
}

/* ---- the change ---- */

static bool copy_part(join *j, int i) {
    fv_op *op = j->op;
    const char *name = fv_printf(j->l->exprs, "%s.part%d", op->out[0]->name, i);
    fv_op *copy =
        fv_op_new(op->block, op, fv_op_def(FV_OP_fv_Copy), 1, &op->in[i], 1, &name, op->origin);
    if (!fv_op_infer(copy) || !fv_define_op(j->l, copy))
        return false;
    fv_op_set_in(op, i, copy->out[0]);
    j->part[i] = fv_storage_of(j->l, copy->out[0]);
    return true;
}

static bool carry_out(join *j) {
    fv_dims *t = j->l->module->dims;
    const fv_dim *start = fv_dim_const(t, 0);
    for (int i = 0; i < j->n; i++) {
        const fv_dim *size = j->op->in[i]->type->dims[j->axis];
        const fv_value *v = j->op->in[i], *whole = j->op->out[0];
        bool computed = is_substituted(j->part[i]), copied = !j->direct[i] && !computed;
        if (copied && !copy_part(j, i))
            return false;
        if (copied)
            fv_declines(j->l, j->op->in[i], FV_WHY_part_copied, fv_v(v), fv_v(whole));
        else
            fv_takes(j->l, v, computed ? FV_WHY_part_computed : FV_WHY_part_written, fv_v(whole));
        j->part[i]->fate = FV_FATE_PART;
        j->part[i]->of = j->whole;
        member *m = FV_NEW(j->l->exprs, member, 1);
        *m = (member){j->part[i], j->axis, start, *j->members};
        start = fv_dim_add(t, start, size);
        *j->members = m;
    }
    j->whole->fate = FV_FATE_ASSEMBLED;
    fv_takes(j->l, j->op->out[0], FV_WHY_joins, fv_n(j->n));
    return true;
}

/* ---- where elements are stored ---- */

typedef struct relocator {
    fv_lowerer *l;
    fv_ptrmap members; /* storage -> the member that says where it is stored */
} relocator;

/* Adds the start of the part to the index, for each Concat that s is a part of. Returns the value
 * in whose memory the element is. */
static fv_storage *locate(const relocator *r, fv_storage *s, fv_expr **index) {
    fv_arena *a = r->l->exprs;
    for (const member *m; (m = fv_ptrmap_get(&r->members, s)); s = s->of)
        index[m->axis] = fv_x_bin(a, FV_X_ADD, index[m->axis], fv_x_dim(a, m->start));
    return s;
}

static fv_expr *relocate(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const relocator *r = w->user;
    fv_storage *s = fv_storage_loaded(r->l, x);
    if (!s || !fv_ptrmap_get(&r->members, s))
        return NULL;
    return fv_x_load_like(w->arena, x, fv_value_buf(w->arena, locate(r, s, args)->value), args,
                          args);
}

static void settle(relocator *r, fv_storage *s) {
    fv_arena *a = r->l->exprs;
    fv_expr *index[FV_MAX_RANK];
    fv_x_rewriter w = {.arena = a, .after = relocate, .user = r};
    s->def->body = fv_x_rewrite(&w, s->def->body);
    if (s->fate != FV_FATE_PART)
        return;
    for (int i = 0; i < s->def->rank; i++)
        index[i] = fv_x_var(a, s->def->index[i]);
    fv_storage *home = locate(r, s, index);
    s->def->place = fv_x_load(a, fv_value_buf(a, home->value), index);
}

/* Decides which operands are written into the memory of their Concat, and changes the definitions
 * accordingly. */
bool fv_step_concat(fv_lowerer *l) {
    member *members = NULL;
    for (fv_op *op = l->func->body->last; op; op = op->prev) {
        join j = {.l = l, .members = &members, .op = op};
        if (fv_op_is(op, FV_OP_Concat) && plan(&j) && !carry_out(&j))
            return false;
    }
    relocator r = {.l = l, .members = fv_ptrmap_in(l->current.scratch)};
    for (member *m = members; m; m = m->next)
        *fv_ptrmap_at(&r.members, m->s) = m;
    for (fv_op *op = members ? l->func->body->first : NULL; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && s->def && s->fate != FV_FATE_ASSEMBLED)
                settle(&r, s);
        }
    return true;
}
