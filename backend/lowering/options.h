/* options.h - how a module is lowered. */
#ifndef FV_BACKEND_LOWERING_OPTIONS_H
#define FV_BACKEND_LOWERING_OPTIONS_H

#include "ir/schedule/limits.h"
#include "ir/schedule/tuning.h"
#include "ir/target/target.h"

/* What was chosen for a kernel, and what else might be. */
typedef struct fv_choice {
    const char *key; /* fv_tuned_kernel.key; equal layers have one */
    fv_schedule how;
    fv_schedule_limits limits;
    int step;                       /* that launches it, while it is lowered; */
    const struct fv_kernel *kernel; /* then the program's */
} fv_choice;

typedef struct fv_choices {
    fv_choice *at; /* one a launch, in the program's arena */
    int n, cap;
} fv_choices;

typedef struct fv_lower_options {
    const fv_target *target;
    const char *name; /* prefix of C names; NULL: from the module's name */
    bool naive;       /* --schedule=naive: each op alone, serial scalar loops */
    /* ids of steps that are left out, NULL terminated (ir/definition/step_names.h); NULL: none
     * is */
    const char *const *without;
    /* the program is looked at: its constants have sizes, and no content that counts */
    bool look;
    const fv_tuning *tuning; /* what was found to be best for kernels; NULL: nothing was */
    fv_choices *choices;     /* out: what is chosen; NULL: nobody asks */
    /* asked before each step that naive lowering has not, each kernel's schedule, and for sharing
     * memory (ir/graph/gate.h); NULL: all may be */
    const struct fv_gate *gate;
    /* seed of random limits of speed and columns of the processor, which change no bit of a result
     * (speed.h); 0: the usual ones */
    uint64_t random_limits;
    bool verify; /* definitions, after each step; always in debug builds */
    /* who looks at them then (ir/definition/definitions.h); NULL: nobody */
    const struct fv_watch *watch;
    /* out: what was decided, and why (why.h); it lives as long as the program. NULL: nobody asks */
    struct fv_reasons *reasons;
} fv_lower_options;

/* Is that step not to be done? */
bool fv_is_left_out(const fv_lower_options *o, const char *step) FV_MUST_USE;

#endif
