/* backend.h - graph IR to code: the public face of backend/.
 *
 *   graph IR -> definitions -> groups -> kernels + host program + memory plan -> consumers
 *
 * fv_lower does all up to the program; fv_program_expand (ir/kernel/kernel.h) makes it what consumers
 * implement; then backend/interp, backend/llvm or backend/c take it. */
#ifndef FV_BACKEND_BACKEND_H
#define FV_BACKEND_BACKEND_H

#include "ir/graph/graph.h"
#include "ir/kernel/kernel.h"

typedef struct fv_lower_options {
    const fv_target *target;
    const char *name;   /* prefix of C names; NULL: from the module's name */
    bool naive;         /* --schedule=naive: each op alone, serial scalar loops */
    bool look;          /* the program is looked at: its constants have sizes, and no content that counts */
} fv_lower_options;

/* The module must consist of ops with a definition or a kernel (the pass "legalise" sees to it).
 * The program lives in its own arena; it refers to constants of the module, which must outlive it.
 * NULL after diagnostics. */
fv_program *fv_lower(fv_module *m, const fv_lower_options *o);

#endif
