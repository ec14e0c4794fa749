/* host.h - the values to which statements of a host program refer; private to this folder. */
#ifndef FV_BACKEND_LLVM_HOST_H
#define FV_BACKEND_LLVM_HOST_H

#include "backend/llvm/emit.h"

struct fv_ll_host {
    /* the arguments of the entry point; NULL: it does not have that parameter */
    LLVMValueRef argument[FV_ARG_ENV + 1];
    LLVMValueRef env; /* a copy of the caller's env as words, never NULL */
    /* address of the weights in the caller's file; NULL: they are in the object */
    LLVMValueRef weights;
    /* struct of types.state, passed to kernels; the entry point returns its error word */
    LLVMValueRef state;
    LLVMValueRef launch;   /* the function of fv_ll_launcher */
    LLVMBasicBlockRef out; /* the block that leaves the entry point */
    /* for each status the block that leaves with it, made when it is needed */
    LLVMBasicBlockRef fail[FV_BAD_COMMUNICATOR + 1];
    /* fv_buf -> address of an input or output, set by MEMORY; for a HEAP buffer the variable with
     * its address */
    fv_ptrmap places;
    fv_ptrmap args; /* fv_ll_kernel -> slot of its arguments */
    int started;    /* exchanges that were started before this place, and not waited for */
};

LLVMValueRef fv_ll_env_field(fv_ll_fn *f, int field); /* field: an FV_ENV_ number */
/* The block that leaves the function with the status `status`. */
LLVMBasicBlockRef fv_ll_leave(fv_ll_fn *f, int status);
/* Frees a HEAP buffer if it is allocated. */
void fv_ll_release(fv_ll_fn *f, const fv_buf *b);
/* Emits the function (env, task, args, n, descending, launch) that runs the n tasks of a launch,
 * through the caller's parallel_for if there is one, with calls of env->trace before and after. It
 * returns true, and runs none, if the run was cancelled before: so the entry point, which has a
 * call of it for each launch, stays small. */
LLVMValueRef fv_ll_launcher(fv_ll_module *m);

#endif
