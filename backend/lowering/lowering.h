/* lowering.h - what the steps of lowering share: what becomes of values, and the launches to be. */
#ifndef FV_BACKEND_LOWERING_LOWERING_H
#define FV_BACKEND_LOWERING_LOWERING_H

#include "backend/lowering/options.h"
#include "ir/base/ptrmap.h"
#include "ir/definition/definitions.h"
#include "ir/kernel/program.h"

/* What becomes of a value. */
typedef struct fv_storage {
    fv_value *value;
    fv_definition *def; /* of its elements; NULL: a parameter, constant or custom result */
    fv_fate fate;
    /* VIEW: whose memory it shares; PART, and ASSEMBLED within another: of that Concat */
    struct fv_storage *of;
    int inner;                  /* the axis that is moved to the end in memory; -1: none */
    struct fv_grouped *grouped; /* what each step knows of it besides: backend/steps/group.c, */
    struct fv_layout *layout;   /* backend/steps/layout.c, */
    /* schedules: made in the run for a contraction, which reads nothing else of it, */
    bool operand;
    /* an operand: where that holds, over dims, nobody reads it (transpose.c makes nothing then);
     * NULL: somebody always does */
    fv_expr *unless;
    const struct fv_storage *over; /* memory: whose it took over where that died; NULL: nobody's; */
    fv_buf *buf;                   /* in the program; NULL until it is needed; */
    int first, last;               /* live over these launches */
} fv_storage;

/* One launch to be: kernel, and which value stands behind each parameter. */
typedef struct fv_launch {
    fv_kernel *kernel;
    int nargs, ndims;
    fv_value *const *args;
    /* in a loop: those at its odd numbers, where states change places; NULL: the same */
    fv_value *const *args_odd;
    bool turns_round;          /* at its odd numbers it begins with its last task */
    const fv_dim *const *dims; /* what the kernel's dims are */
    int nliterals;
    fv_buf *const *literals; /* for the parameters after those of args: backend/share.h */
    fv_op *op;               /* the last op of the group */
    const fv_value *made;    /* what the kernel is for; NULL: op brought it */
    const fv_origin *origin;
} fv_launch;

typedef enum { FV_STEP_LAUNCH, FV_STEP_STATEMENT, FV_STEP_LOOP, FV_STEP_END } fv_step_kind;
typedef struct fv_step {
    fv_step_kind kind;
    fv_launch launch;
    fv_op *op; /* STATEMENT: fv.Bind, fv.Let, fv.Assume, if, else, endif */
    /* LOOP, up to the END: a symbol for the number of the turn, and how many there are */
    const fv_dim *turn, *times;
    int nvalues; /* whose memory it touches, or keeps alive up to here */
    fv_value **values;
} fv_step;
/* The values whose memory a step touches. */
static inline fv_value *const *fv_step_values(const fv_step *s, int *n) {
    *n = s->kind == FV_STEP_LAUNCH ? s->launch.nargs : s->nvalues;
    return s->kind == FV_STEP_LAUNCH ? s->launch.args : s->values;
}

struct fv_lowerer {
    fv_session *session;
    fv_module *module;
    fv_func *func;
    fv_arena *arena; /* the program's */
    /* of definitions, in which expressions are unique (ir/expr/unique.h); freed with that */
    fv_arena *exprs;
    const fv_lower_options *options;
    bool naive; /* what is scheduled now gets serial loops */
    const fv_target *target;
    struct fv_reasons *reasons; /* where decisions are recorded (why.h); NULL: nowhere */
    fv_program *program;
    fv_ptrmap storage; /* value -> fv_storage */
    fv_ptrmap origins; /* value -> joined fv_origin of what was substituted into it */
    /* interned names of nodes whose definition asks whether an index is legal -> 1 */
    fv_ptrmap indexing;
    fv_ptrmap panels;  /* what ops with kernels of their own packed, and how -> its value */
    fv_ptrmap layouts; /* constant -> its panels (backend/schedule/contract/panels.c) */
    /* what was copied in the run, and how -> its value; a branch forgets those of the other */
    fv_ptrmap copies;
    struct fv_storage **operands; /* of the kernel that is placed: their kernels come before it */
    int noperands, cap_operands;
    struct fv_branch *branch; /* the one that is scheduled: backend/lowering/branches.c */
    fv_step *steps;
    int nsteps, cap_steps;
    const fv_type **in_types, **out_types; /* of the ports, as the model has them */
    const char *after;                     /* the last step that was done; NULL: none */
    fv_ptrmap recurrences;                 /* op -> what it is, where it is one */
    int counter;                           /* for kernel names */
    fv_ptrmap tuned;                       /* kernels of the tuning that this model has; */
    fv_ptrmap refused;                     /* those whose schedule is not legal */
    /* bytes of the constants that a turn of the loop that is scheduled reads; of all where there is
     * none */
    int64_t weights;
    fv_ptrmap symbols; /* symbol of a dim -> its variable in the program */
    /* dims in the bounds that assumptions leave (host_dims.c); NULL: nobody asked yet */
    fv_dims *bounded;
    int cap_buffers, cap_constants, cap_kernels;
};
typedef struct fv_lowerer fv_lowerer;

#endif
