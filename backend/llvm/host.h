/* host.h - private: what the statements of a host program refer to, within the run. */
#ifndef FV_BACKEND_LLVM_HOST_H
#define FV_BACKEND_LLVM_HOST_H

#include "backend/llvm/emit.h"

struct fv_ll_host {
    /* what the entry was given; NULL: it has no such parameter */
    LLVMValueRef argument[FV_ARG_ENV + 1];
    LLVMValueRef env;     /* words: the caller's, as far as it goes; never NULL */
    LLVMValueRef weights; /* where they begin in the caller's file; NULL: they are in the object */
    /* of type state_type: passed to kernels; the entry returns its error word */
    LLVMValueRef state;
    LLVMValueRef launch;                     /* function: (env, task, args, n, descending) */
    LLVMBasicBlockRef out;                   /* the way out */
    LLVMBasicBlockRef fail[FV_INTERNAL + 1]; /* per status, made when needed */
    /* fv_buf -> address of an input or output, after MEMORY; for a HEAP buffer: the variable with
     * its address */
    fv_ptrmap places;
    fv_ptrmap args; /* fv_ll_kernel -> slot of its arguments */
};

LLVMValueRef fv_ll_env_field(fv_ll_fn *f, int field); /* FV_ENV_ */
/* Where a statement goes that leaves with the status. */
LLVMBasicBlockRef fv_ll_leave(fv_ll_fn *f, int status);
/* Frees a HEAP buffer if it is there. */
void fv_ll_release(fv_ll_fn *f, const fv_buf *b);
/* The function that calls a task n times, through the caller's parallel_for if there is one. */
LLVMValueRef fv_ll_launcher(fv_ll_module *m);

#endif
