/* stage_marks.h - to which stage each op of a graph belongs. */
#ifndef FV_PASSES_SHARD_STAGE_MARKS_H
#define FV_PASSES_SHARD_STAGE_MARKS_H

#include "ir/base/ptrmap.h"
#include "passes/shard/stages.h"

typedef struct fv_stage_mark {
    int stage;
    bool free; /* each stage that needs the results repeats the op */
} fv_stage_mark;

typedef struct fv_stage_marks {
    fv_arena *arena;
    fv_ptrmap of; /* op of the body -> its mark */
} fv_stage_marks;

fv_stage_marks *fv_stage_marks_new(fv_module *m);
fv_stage_mark *fv_stage_mark_new(fv_stage_marks *all, const fv_op *op);
/* The mark of an op of the body; NULL: it has none, because it was added later. */
fv_stage_mark *fv_stage_mark_of(const fv_stage_marks *all, const fv_op *op);
bool fv_stage_is_free(const fv_stage_marks *all, const fv_op *op) FV_MUST_USE;
/* Does an earlier stage send the result of an op to that stage, because an op of it reads the
 * result? */
bool fv_stage_is_sent(const fv_stage_marks *all, const fv_value *v, int stage) FV_MUST_USE;
/* Is result i of the graph sent to that stage at the end? The stage has not computed or received
 * the value before, nor as an earlier result. */
bool fv_stage_is_sent_as_output(const fv_stage_marks *all, const fv_stage_plan *plan,
                                const fv_module *m, int i, int stage) FV_MUST_USE;
/* Is result i of the graph a state of one stage? */
bool fv_stage_has_state(const fv_stage_plan *plan, int i, int *stage) FV_MUST_USE;

#endif
