/* assume.c - assumptions of a module about its dims: relations that hold in all runs, and fv.Assume
 * in a block that not every run executes. */
#include "ir/catalogue/op.h"
#include "ir/dim/text.h"
#include "ir/graph/symbols.h"

bool fv_module_assume(fv_module *m, const fv_dim *a, const fv_dim *b, const char *why) {
    return fv_module_require(m, a, b, why, NULL);
}

const char *fv_relation_str(fv_arena *a, const struct fv_relation *r) {
    if (r->says)
        return fv_printf(a, "%s: %s", r->says, r->why);
    return fv_printf(a, "%s == %s: %s", fv_dim_str(a, r->a), fv_dim_str(a, r->b), r->why);
}

static bool is_assumed(const fv_module *m, const fv_dim *a, const fv_dim *b) {
    for (int i = 0; i < m->nrelations; i++) {
        const struct fv_relation *r = &m->relations[i];
        if ((r->a == a && r->b == b) || (r->a == b && r->b == a))
            return true;
    }
    return false;
}

struct fv_within fv_module_enter(const fv_op *op) {
    fv_module *m = fv_region_module(op->block);
    const struct fv_within around = m->within;
    m->within =
        op->block->parent ? (struct fv_within){op->block, (fv_op *)op} : (struct fv_within){0};
    return around;
}

static bool states(const fv_op *op, const fv_dim *a, const fv_dim *b) {
    if (!fv_op_is(op, FV_OP_fv_Assume))
        return false;
    const fv_dim *left = fv_op_find_attr(op, "left")->u.dims[0],
                 *right = fv_op_find_attr(op, "right")->u.dims[0];
    return (left == a && right == b) || (left == b && right == a);
}

bool fv_assume_same(const fv_op *op, const fv_op *other) {
    return states(op, fv_op_find_attr(other, "left")->u.dims[0],
                  fv_op_find_attr(other, "right")->u.dims[0]);
}

/* Is the relation a == b stated before `before` (NULL: the end of the block), in this block or a
 * block around it? */
static bool is_stated(const fv_region *block, const fv_op *before, const fv_dim *a,
                      const fv_dim *b) {
    for (const fv_op *op = before ? before->prev : block->last; op; op = op->prev)
        if (states(op, a, b))
            return true;
    return block->parent && is_stated(block->parent->block, block->parent, a, b);
}

/* The op before which an assumption is stated; NULL: the end of the block. This is the op that
 * requires it. If a dim of the assumption is a symbol that this op itself binds, the assumption
 * follows the op, since the symbol has no value before it. */
static fv_op *place_of(struct fv_within at, const fv_dim *a, const fv_dim *b) {
    fv_op *place = at.before;
    if (!place || (!fv_unknown_above(place, a) && !fv_unknown_above(place, b)))
        return place;
    for (place = place->next; place && fv_op_is(place, FV_OP_fv_Assume);)
        place = place->next;
    return place;
}

static void state(fv_module *m, const fv_dim *a, const fv_dim *b, const char *why,
                  const char *says) {
    struct fv_within at = m->within;
    fv_op *place = place_of(at, a, b);
    /* an assumption that follows the op may already have been stated there, by the op that this one
     * replaces */
    if (is_stated(at.block, place == at.before ? place : NULL, a, b))
        return;
    fv_op *op = fv_op_new(at.block, place, fv_op_def(FV_OP_fv_Assume), 0, NULL, 0, NULL,
                          at.before ? at.before->origin : at.block->parent->origin);
    fv_op_set_dims(op, "left", 1, &a);
    fv_op_set_dims(op, "right", 1, &b);
    fv_op_set_string(op, "why", at.before ? fv_op_why(at.before, why) : why);
    if (says)
        fv_op_set_string(op, "says", says);
}

bool fv_module_equal(const fv_module *m, const fv_dim *a, const fv_dim *b) {
    return fv_dim_compare(m->dims, a, b) == FV_DIM_EQUAL || is_assumed(m, a, b);
}

bool fv_module_require(fv_module *m, const fv_dim *a, const fv_dim *b, const char *why,
                       const char *says) {
    switch (fv_dim_compare(m->dims, a, b)) {
    case FV_DIM_EQUAL: return true;
    case FV_DIM_DIFFERENT: return false;
    case FV_DIM_UNKNOWN: break;
    }
    if (is_assumed(m, a, b))
        return true;
    if (m->within.block) {
        state(m, a, b, why, says);
        return true;
    }
    struct fv_relation r = {a, b, fv_strdup(m->arena, why),
                            says ? fv_strdup(m->arena, says) : NULL};
    FV_PUSH(m->arena, m->relations, m->nrelations, m->cap_relations, r);
    return true;
}
