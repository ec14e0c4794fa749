/* choice.h - chooses the parameters of a kernel's schedule: the values of a tuning, or else the
 * defaults of the schedule; and records which other values are legal. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_CHOICE_H
#define FV_BACKEND_SCHEDULE_COMMON_CHOICE_H

#include "backend/lowering/lowering.h"
#include "ir/schedule/limits.h"

typedef struct fv_choosing {
    fv_lowerer *l;
    const fv_value *value;       /* the value that the kernel computes */
    const char *key;             /* key of the kernel; NULL: it is not needed */
    const fv_tuned_kernel *wish; /* entry of the tuning; NULL: it has none for this kernel */
    fv_schedule how;             /* the schedule with the parameters chosen so far */
    fv_schedule_limits limits;
    bool has_layout; /* whether a constant operand of the kernel was laid out */
} fv_choosing;

/* Begins choosing for the kernel of d, which the schedule `kind` is about to build. */
fv_choosing fv_choose_for(fv_lowerer *l, const fv_definition *d, fv_schedule_kind kind);
/* fv_choose_for for a kernel that computes several definitions. */
fv_choosing fv_choose_for_group(fv_lowerer *l, int n, const fv_definition *const *all,
                                fv_schedule_kind kind);
/* Chooses a parameter that must be within least and most and a multiple of step: the tuning's value
 * if it states one, otherwise `otherwise`. A value of the tuning that is not legal is a diagnostic,
 * and lowering fails at its end. Rows must be chosen before columns and blocks. */
int64_t fv_choose(fv_choosing *c, fv_parameter p, int64_t otherwise, int64_t least, int64_t most,
                  int64_t step);
/* Records that the constant operand has that layout; NULL: there is no such operand. Reports a
 * diagnostic if the tuning requests another layout. */
void fv_choose_layout(fv_choosing *c, const struct fv_layout *layout);
/* Does the tuning request serial loops for the kernel of v? */
bool fv_wants_naive(fv_lowerer *l, const fv_value *v) FV_MUST_USE;
/* Reports that serial loops are not possible for v, because `why`. */
void fv_refuse_naive(fv_lowerer *l, const fv_value *v, const char *why);
/* Called when the kernel is built and the last step launches it: records the choices, and reports
 * entries of the tuning that are not legal. */
void fv_chosen(fv_choosing *c, fv_schedule_kind kind);
/* Called after all kernels are built: reports entries of the tuning that no kernel used. False
 * after a diagnostic: a value of the tuning was not legal, or no kernel of the node or form that an
 * entry names has its schedule. */
bool fv_choices_end(fv_lowerer *l) FV_MUST_USE;

#endif
