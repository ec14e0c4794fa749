/* step_names.h - the steps of lowering for people: what they are called, and which can be left
 * out. */
#ifndef FV_IR_DEFINITION_STEP_NAMES_H
#define FV_IR_DEFINITION_STEP_NAMES_H

typedef struct fv_step_name {
    const char *id;     /* as texts and reasons have it: ir/definition/steps.def */
    const char *name;   /* as options have it */
    const char *doc;    /* what it does */
    const char *needed; /* why it cannot be left out; NULL: it can */
} fv_step_name;

/* The i-th step, in their order; NULL behind the last. */
const fv_step_name *fv_step_name_at(int i);
/* By its name; NULL: there is none of that name. */
const fv_step_name *fv_step_name_find(const char *name);

#endif
