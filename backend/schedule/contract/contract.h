/* contract.h - operands and tiles of contractions: chosen, then placed. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_CONTRACT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_CONTRACT_H

#include "backend/axes/products.h"
#include "backend/fuse/form.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/contract/tile.h"
#include "ir/kernel/build.h"

/* Those products, of which nothing is chosen yet. */
fv_contraction fv_contraction_of(const fv_products *p);
/* Chooses rows and columns of the register tile; 0: there is none. */
void fv_contract_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c,
                      fv_parameter rows, fv_parameter columns, int *mr, int *nr);
/* Decides how b is read, and does nothing: dense and packed of c. False: chains along k do better
 * than either. */
bool fv_contract_choose(fv_lowerer *l, const fv_definition *d, fv_contraction *c) FV_MUST_USE;
/* A contraction that is chosen: of one definition, or of several things that are made at the same
 * indices. */
typedef struct fv_contract_plan {
    const fv_definition *d;
    fv_contraction c;
    fv_tile_plan tile;
    fv_choosing chosen;
    int64_t block; /* rows of a task */
} fv_contract_plan;
/* Of these expressions over the indices of d, all sums of which are to be one contraction; NULL:
 * they are none. `often`: the kernel runs many times for each time that its operands are laid
 * out. */
fv_contract_plan *fv_contract_plan_new(fv_lowerer *l, const fv_definition *d, int n,
                                       fv_expr *const *roots, bool often) FV_MUST_USE;
void fv_contract_plan_place(fv_lowerer *l, fv_op *op, fv_contract_plan *p);
void fv_contract_tell(fv_lowerer *l, const fv_contract_plan *p); /* what it is, for people */
/* All loops of the kernel, in e, down to what `put` stores, or the definition of the value. */
void fv_contract_emit(const fv_contract_plan *p, fv_kemit *e, fv_tile_put put, fv_value *value);
/* The schedule that it became, for people. */
fv_schedule fv_contract_schedule(const fv_contract_plan *p);
/* Makes of b what was chosen; panels are nr wide. */
void fv_contract_place(fv_lowerer *l, fv_op *op, const fv_definition *d, fv_contraction *c, int nr);

#endif
