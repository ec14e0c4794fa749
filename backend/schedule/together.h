/* together.h - several results by one kernel: those of a group (ir/definition/definitions.h). */
#ifndef FV_BACKEND_SCHEDULE_TOGETHER_H
#define FV_BACKEND_SCHEDULE_TOGETHER_H

#include "backend/lowering/lowering.h"

/* How one kernel computes a group. */
typedef struct fv_together {
    int n;
    fv_definition *all[FV_MAX_OUT];
    /* the axis that vectors run along; -1: a single element is made */
    int row[FV_MAX_OUT];
    /* axes that loops around all of them run along, the first of each */
    int outer;
    /* one vector loop makes all: the last axis is shared, and nothing is summed */
    bool by_element;
    bool attends; /* they are attention (attend_rows.h) */
} fv_together;

/* Would the schedule map take the kernel of s alone? Decides, and does nothing. */
bool fv_is_mapped(fv_lowerer *l, const fv_storage *s) FV_MUST_USE;
/* Can one kernel, of rows, compute these n, which are a legal group, merged by fv_merge_group? Says
 * why not of the last one, and does nothing. */
bool fv_together_choose(fv_lowerer *l, int n, fv_definition *const *all,
                        fv_together *t) FV_MUST_USE;
/* The kernel of a group. False: each result takes one of its own, and it says why; nothing was
 * done. */
bool fv_schedule_together(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
