/* step_names.h - the steps of lowering as users see them: names, descriptions, and which steps can
 * be left out. */
#ifndef FV_IR_DEFINITION_STEP_NAMES_H
#define FV_IR_DEFINITION_STEP_NAMES_H

typedef struct fv_step_name {
    const char *id;     /* the id of the step in texts and reasons (ir/definition/steps.def) */
    const char *name;   /* the name of the step in options of the command */
    const char *doc;    /* one line that describes the step */
    const char *needed; /* why the step cannot be left out; NULL: it can */
} fv_step_name;

/* The i-th step of lowering; NULL after the last one. */
const fv_step_name *fv_step_name_at(int i);
/* The step with that name; NULL: there is none. */
const fv_step_name *fv_step_name_find(const char *name);

#endif
