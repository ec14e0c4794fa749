/* together.h - makes one kernel for a group of results (ir/definition/definitions.h). */
#ifndef FV_BACKEND_SCHEDULE_TOGETHER_H
#define FV_BACKEND_SCHEDULE_TOGETHER_H

#include "backend/lowering/lowering.h"

/* How one kernel computes a group. */
typedef struct fv_together {
    int n;
    fv_definition *all[FV_MAX_OUT];
    /* for each result, the axis along which its vector loop runs; -1: it has none, but is a single
     * element or, in attention, is computed element by element */
    int row[FV_MAX_OUT];
    /* the number of leading axes over which the outer loops run; all results share these axes */
    int outer;
    /* one vector loop computes all results: the last axis is shared, and nothing is summed */
    bool by_element;
    bool attends; /* the group is attention (attend_rows.h) */
} fv_together;

/* Would the schedule map compute s, if it had its own kernel? Changes nothing. */
bool fv_is_mapped(fv_lowerer *l, const fv_storage *s) FV_MUST_USE;
/* Can one kernel of rows compute these n definitions, a legal group after fv_merge_group? Sets *t;
 * if not, records the reason for the last definition. Changes nothing else. */
bool fv_together_choose(fv_lowerer *l, int n, fv_definition *const *all,
                        fv_together *t) FV_MUST_USE;
/* Makes the kernel of a group. Returns false if each result needs a kernel of its own: the reason
 * is recorded, and nothing else was changed. */
bool fv_schedule_together(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
