/* lowering.h - data that the steps of lowering share: where values are stored, and the launches of
 * the program. */
#ifndef FV_BACKEND_LOWERING_LOWERING_H
#define FV_BACKEND_LOWERING_LOWERING_H

#include "backend/lowering/options.h"
#include "backend/lowering/speed.h"
#include "ir/base/ptrmap.h"
#include "ir/definition/definitions.h"
#include "ir/kernel/program.h"

/* The decisions of lowering about a value. */
typedef struct fv_storage {
    fv_value *value;
    /* the definition of its elements; NULL: it is a parameter, a constant, or a result of a custom
     * kernel, a recurrence or a mark */
    fv_definition *def;
    fv_fate fate;
    /* for fate VIEW: the value whose memory this one uses; for PART, and for ASSEMBLED within
     * another value: the whole */
    struct fv_storage *of;
    int inner; /* the axis that is innermost in memory instead of the last one; -1: none is moved */
    struct fv_grouped *grouped;   /* data of the step group: backend/steps/grouped.h */
    struct fv_axis_order *layout; /* data of the step layout: backend/steps/layout.c */
    /* whether a schedule added the value: an operand of its kernel that is computed at run time
     * (fv_define_operand) */
    bool operand;
    /* if `operand` is set: a condition over dims under which the value is not read, so that it is
     * not computed; NULL: it is always read */
    fv_expr *unless;
    const struct fv_storage *over; /* the value whose memory this value reuses; NULL: none */
    fv_buf *buf;                   /* the value's buffer in the program; NULL: not created yet */
    int first, last;               /* indices of the first and last step that uses the memory */
} fv_storage;

/* A launch of the host program: a kernel with the values of its parameters. */
typedef struct fv_launch {
    fv_kernel *kernel;
    int nargs, ndims;
    fv_value *const *args;
    /* in a loop: the arguments for iterations with an odd number, in which the two buffers of each
     * state are exchanged; NULL: the same arguments */
    fv_value *const *args_odd;
    /* whether in iterations with an odd number a single thread begins with the last task */
    bool reverses_tasks;
    const fv_dim *const *dims; /* the arguments for the kernel's dims */
    int nliterals;
    fv_buf *const *literals; /* arguments for the parameters after those of args: backend/share.h */
    /* the op whose results, or operands added for them, the kernel computes */
    fv_op *op;
    /* the value that the kernel computes; NULL: it is a custom kernel of op */
    const fv_value *made;
    const fv_origin *origin;
    int choice; /* 1 + the number of the last choice for its kernel; 0: there was none */
} fv_launch;

typedef enum { FV_STEP_LAUNCH, FV_STEP_STATEMENT, FV_STEP_LOOP, FV_STEP_END } fv_step_kind;
typedef struct fv_step {
    fv_step_kind kind;
    fv_launch launch;
    fv_op *op; /* STATEMENT: fv.Bind, fv.Let, fv.Assume, or a mark of an If or loop */
    /* LOOP: the symbol for the number of the iteration, and the number of iterations; the loop ends
     * at the next step END */
    const fv_dim *iteration, *times;
    int nvalues; /* the values whose memory it uses, or keeps alive up to this step */
    fv_value **values;
} fv_step;
/* The *n values whose memory a step uses, or keeps alive. */
static inline fv_value *const *fv_step_values(const fv_step *s, int *n) {
    *n = s->kind == FV_STEP_LAUNCH ? s->launch.nargs : s->nvalues;
    return s->kind == FV_STEP_LAUNCH ? s->launch.args : s->values;
}

/* Tables about values and operators. */
typedef struct fv_known {
    fv_ptrmap storage; /* value -> fv_storage */
    fv_ptrmap origins; /* value -> joined fv_origin of what was substituted into it */
    /* interned names of ONNX nodes whose definitions check an index -> an op of that node */
    fv_ptrmap indexing;
    fv_ptrmap recurrences; /* op -> its recurrence, if it has one */
} fv_known;

/* Values that lowering adds once for all their readers. */
typedef struct fv_added {
    /* packed operands of custom kernels, with the way of packing -> the packed value */
    fv_ptrmap panels;
    /* tensor of a constant -> the list of layouts whose first piece it is
     * (backend/schedule/contract/lay_out.c) */
    fv_ptrmap layouts;
    /* tensor of a constant that was laid out, whose `data` is NULL -> its fv_contents */
    fv_ptrmap contents;
    /* copies made at run time -> their values; a branch cannot use copies of the other branch */
    fv_ptrmap copies;
    /* values whose last axis has 0 after the last element (contract/place_dot.c) */
    fv_ptrmap padded;
} fv_added;

/* The entries of the tuning. */
typedef struct fv_tuned_entries {
    fv_ptrmap found;   /* entries whose kernels this model has */
    fv_ptrmap refused; /* entries whose schedule is not legal */
} fv_tuned_entries;

/* The step of lowering that runs, and the kernel that is scheduled. */
typedef struct fv_current {
    /* Maps and stacks of the step, or of the schedule of an op, freed after it (renew_scratch in
     * backend/lower.c). What a definition, a kernel or a later step keeps must not be in it. */
    fv_arena *scratch;
    const char *after; /* name of the last step that was done; NULL: none was */
    bool naive;        /* whether the value that is scheduled now gets serial loops */
    /* operands of the kernel that is being scheduled, whose own kernels must precede it */
    struct fv_storage **operands;
    int noperands, cap_operands;
    struct fv_branch *branch; /* the branch that is scheduled: backend/lowering/branches.c */
    /* bytes of the constants that one iteration of the loop that is being scheduled reads; outside
     * of loops, of all constants */
    int64_t weights;
} fv_current;

/* The program so far, besides what fv_program has. */
typedef struct fv_host {
    /* owns what the final program refers to even if `arena` is freed (FV_SAVES_LOWERING): the
     * contents of constants that lowering makes, and the table of dims */
    fv_arena *kept;
    fv_step *steps;
    int nsteps, cap_steps;
    const fv_type **in_types, **out_types; /* types of the ports, as the model has them */
    fv_ptrmap symbols; /* symbol -> its variable in the host program (host_dims.c) */
    /* dims with the bounds that assumptions leave (host_dims.c); NULL: not made yet */
    fv_dims *bounded;
    int counter; /* number of names of kernels that were made: it makes the next one unique */
    int cap_buffers, cap_constants, cap_kernels;
} fv_host;

struct fv_lowerer {
    fv_session *session;
    fv_module *module;
    fv_func *func;
    fv_arena *arena; /* the program's; see FV_SAVES_LOWERING */
    /* owns definitions, with unique expressions (ir/expr/unique.h); freed after lowering */
    fv_arena *exprs;
    const fv_lower_options *options;
    const fv_target *target;
    const fv_speed *speed;      /* limits of decisions that change no result (speed.h) */
    struct fv_reasons *reasons; /* records decisions (why.h); NULL: they are not recorded */
    fv_program *program;
    fv_known known;
    fv_added added;
    fv_tuned_entries tuning;
    fv_current current;
    fv_host host;
};
typedef struct fv_lowerer fv_lowerer;

#endif
