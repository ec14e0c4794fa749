/* work.h - does lowering multiply operations? What kernels of a program compute, against what its
 * operators say has to be.
 *
 * What operators ask for is counted in their definitions: each operation on floats
 * (backend/cost/walk.h), once for all combinations of the variables on which it depends, so that a
 * sum counts once wherever it is wanted. Kernels that operators bring themselves and recurrences
 * count as the naive program has them. Attention is taken apart: its kernel has loops of its own,
 * and computes blocks again that a mask hides. Dims are typical (backend/lowering/sizes.h);
 * launches whose dims data decide count for nothing. */
#ifndef FV_TESTS_WORK_H
#define FV_TESTS_WORK_H

#include "tools/driver/driver.h"

#define WORK_MOST                                                                                  \
    1.5 /* times the necessary operations: cheap work may be repeated, and tiles are padded */
#define WORK_FEW                                                                                   \
    100000 /* operations more count for nothing: tiles of that few are mostly padding */

/* A model that can be read more than once. False after diagnostics. */
typedef struct work_subject {
    bool (*read)(void *user, fv_session *s, const fv_driver_options *o, fv_source *out);
    void *user;
    const char *const *dims; /* as fv_driver_options.dims */
} work_subject;

typedef struct work_outcome {
    bool lowered;             /* else the session has said why not */
    double asked, done;       /* operations */
    const fv_kernel *largest; /* the one that has most of them; NULL: none has any */
} work_outcome;

work_outcome work_of(fv_session *s, const work_subject *model, const fv_target *t);
/* Describes the fault; NULL: the operations are at most WORK_MOST times the necessary ones. */
const char *work_fault(fv_arena *a, const work_outcome *w);

#endif
