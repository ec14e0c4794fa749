/* contract.h - operands and tiles of contractions. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_H

#include "backend/schedule/choice.h"
#include "backend/schedule/tile.h"
#include "ir/kernel/build.h"

/* Chooses rows and columns of the register tile; 0: there is none. */
void fv_contract_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c, fv_parameter rows, fv_parameter columns,
                      int *mr, int *nr);
/* Packs b unless it can be read as it is; false: chains along k do better than either. */
bool fv_contract_operand(fv_lowerer *l, fv_op *op, const fv_definition *d, fv_contraction *c, int nr) FV_MUST_USE;

#endif
