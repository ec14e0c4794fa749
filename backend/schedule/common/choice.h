/* choice.h - what is chosen for a kernel: by a tuning, else by what the processor's table gives;
 * and what else might be. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_CHOICE_H
#define FV_BACKEND_SCHEDULE_COMMON_CHOICE_H

#include "backend/lowering/lowering.h"
#include "ir/schedule/limits.h"

typedef struct fv_choosing {
    fv_lowerer *l;
    const fv_value *value;       /* that the kernel makes */
    const char *key;             /* NULL: nobody asks */
    const fv_tuned_kernel *wish; /* of the tuning; NULL: it says nothing of this kernel */
    fv_schedule how;             /* what was chosen so far */
    fv_schedule_limits limits;
    bool has_layout; /* a constant operand of the kernel was laid out */
} fv_choosing;

/* Begins for the kernel of d, which that schedule is about to make. */
fv_choosing fv_choose_for(fv_lowerer *l, const fv_definition *d, fv_schedule_kind kind);
/* Of one that makes all of them. */
fv_choosing fv_choose_for_group(fv_lowerer *l, int n, const fv_definition *const *all,
                                fv_schedule_kind kind);
/* A parameter that is a choice within least and most, multiples of step: what is wished, else what
 * comes without. A wish that is not legal is a diagnostic, and lowering fails in the end. Rows come
 * before columns and blocks. */
int64_t fv_choose(fv_choosing *c, fv_parameter p, int64_t otherwise, int64_t least, int64_t most,
                  int64_t step);
/* The constant operand is in that layout; NULL: it has no constant that is laid out. A diagnostic
 * where the tuning wants another one. */
void fv_choose_layout(fv_choosing *c, const struct fv_layout *layout);
/* Does the tuning want serial loops for what makes v? */
bool fv_wants_naive(fv_lowerer *l, const fv_value *v) FV_MUST_USE;
/* The same was not possible: a diagnostic, for one of several ops. */
void fv_refuse_naive(fv_lowerer *l, const fv_value *v, const char *why);
/* The kernel is made, the last step launches it: notes it, sees to it that nothing else was wished,
 * and says what was. */
void fv_chosen(fv_choosing *c, fv_schedule_kind kind);
/* After all kernels have been made: warns of what the tuning says of others. False: a wish was not
 * legal. */
bool fv_choices_end(fv_lowerer *l) FV_MUST_USE;

#endif
