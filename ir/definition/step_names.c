/* step_names.c - see step_names.h. */
#include "ir/definition/step_names.h"

#include <stdbool.h>
#include <string.h>

/* Constants that number the steps. */
enum {
#define STEP(id, naive, leaves) STEP_##id,
#define WHY(id, step, verdict, sentence, condition)
#include "ir/definition/steps.def"
#undef STEP
    NSTEPS
};

static const fv_step_name steps[] = {
#define STEP(id, naive, leaves)                                                                    \
    [STEP_##id] = {#id, #id, leaves, naive ? "it is part of every way to kernels" : NULL},
#include "ir/definition/steps.def"
#undef STEP
#undef WHY
};

static const fv_step_name named[NSTEPS] = {
#define STEP_NAME(id, name, doc, needed) [STEP_##id] = {#id, name, doc, needed},
#include "ir/definition/step_names.def"
#undef STEP_NAME
};

const fv_step_name *fv_step_name_at(int i) {
    return i < 0 || i >= NSTEPS ? NULL : named[i].id ? &named[i] : &steps[i];
}

const fv_step_name *fv_step_name_find(const char *name) {
    for (int i = 0; i < NSTEPS; i++)
        if (!strcmp(fv_step_name_at(i)->name, name))
            return fv_step_name_at(i);
    return NULL;
}
