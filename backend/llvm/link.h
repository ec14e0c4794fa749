/* link.h - runs a linker; private to this folder. */
#ifndef FV_BACKEND_LLVM_LINK_H
#define FV_BACKEND_LLVM_LINK_H

#include "ir/target/target.h"

typedef struct fv_link_job {
    const fv_target *target;
    /* output: in a temporary folder, in which other files may be written, too */
    const char *object, *output, *soname;
    /* PREFIX_model, PREFIX_plan and PREFIX_run are exported, and fovea_model, a second name of the
     * first */
    const char *prefix;
} fv_link_job;

/* Links one object to a shared library. Returns NULL, or what went wrong, in the arena. */
const char *fv_link_shared(fv_arena *a, const fv_link_job *job);

#endif
