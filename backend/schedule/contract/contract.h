/* contract.h - plans and emits the kernel of a contraction. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_CONTRACT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_CONTRACT_H

#include "backend/axes/products.h"
#include "backend/fuse/form.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/contract/sets.h"
#include "backend/schedule/contract/tile.h"
#include "ir/kernel/build.h"

/* A contraction of the products p, for which nothing has been chosen yet. */
fv_contraction fv_contraction_of(fv_arena *a, const fv_products *p);
/* Decides how the factors with the columns are read: sets `dense.b` and `packed` of c, and changes
 * nothing else. False: they would have to be packed, because their columns are not contiguous, or
 * because there are several or a sum over blocks, and cannot be; the reason is recorded. */
bool fv_contract_choose(fv_lowerer *l, const fv_definition *d, fv_contraction *c) FV_MUST_USE;
/* The choices for a contraction, of one definition or of several values with the same indices. */
typedef struct fv_contract_plan {
    const fv_definition *d;
    fv_contraction c;
    fv_tile_plan tile;
    fv_choosing chosen;
    /* the tile that is chosen without a tuning; whether rows are copied before the contraction
     * depends on it, so that a tuning neither adds nor removes a kernel that copies them */
    struct {
        int mr, nr;
    } plain;
    int64_t block; /* rows of a block, which a task computes */
} fv_contract_plan;
/* Plans one contraction that computes all sums in the n expressions `roots` over the indices of d;
 * NULL: that is not possible. `often`: the kernel runs many times after its operands were laid out
 * once. */
fv_contract_plan *fv_contract_plan_new(fv_lowerer *l, const fv_definition *d, int n,
                                       fv_expr *const *roots, bool often) FV_MUST_USE;
void fv_contract_plan_place(fv_lowerer *l, fv_op *op, fv_contract_plan *p);
/* Do tiles of d, a contraction whose axes are split and merged, read rows that compete for sets of
 * the first-level cache, without copying them before? Sets *out, the competing lines, if so;
 * changes nothing else and records no reasons. */
bool fv_contract_competes(fv_lowerer *l, const fv_definition *d, fv_competing *out) FV_MUST_USE;
/* records the plan as a reason, for messages */
void fv_contract_explain(fv_lowerer *l, const fv_contract_plan *p);
/* Emits all loops of the kernel into e. `put` stores the results; if put.store is NULL, elements
 * of `value` are stored, as the definition computes them. */
void fv_contract_emit(const fv_contract_plan *p, fv_kemit *e, fv_tile_put put, fv_value *value);
/* The schedule with all chosen parameters, for messages. */
fv_schedule fv_contract_schedule(const fv_contract_plan *p);
/* Makes the copy and the panels of the factors with the columns that were chosen, and replaces the
 * factors in c by loads of them; panels have `panel` columns. */
void fv_contract_place(fv_lowerer *l, fv_op *op, const fv_definition *d, fv_contraction *c,
                       int panel);

#endif
