/* host.h - private: what the statements of a host program refer to, within the run. */
#ifndef FV_BACKEND_LLVM_HOST_H
#define FV_BACKEND_LLVM_HOST_H

#include "backend/llvm/emit.h"

struct fv_ll_host {
    LLVMValueRef *input, *output; /* addresses */
    LLVMValueRef workspace;
    LLVMValueRef out_dims; /* never NULL */
    LLVMValueRef env;      /* never NULL */
    LLVMTypeRef env_type;
    LLVMValueRef weights; /* where they begin in the caller's file; NULL: they are in the object */
    LLVMValueRef trace; /* the caller's function, may be NULL when it runs */
    LLVMValueRef state;                      /* state_type: what kernels get */
    LLVMValueRef launch;                     /* function: (env, task, args, n) */
    LLVMValueRef status;                     /* slot: what is returned */
    LLVMBasicBlockRef out;                   /* the way out */
    LLVMBasicBlockRef fail[FV_INTERNAL + 1]; /* per status, made when needed */
    fv_ptrmap heap;                          /* fv_buf -> slot of its address */
    fv_ptrmap args;                          /* fv_ll_kernel -> slot of its arguments */
};

enum {
    FV_LL_ENV_SIZE,
    FV_LL_ENV_USER,
    FV_LL_ENV_PARALLEL_FOR,
    FV_LL_ENV_ALLOC,
    FV_LL_ENV_FREE,
    FV_LL_ENV_CANCEL,
    FV_LL_ENV_TRACE,
    FV_LL_ENV_WEIGHTS,
    FV_LL_ENV_WEIGHTS_BYTES
};

LLVMTypeRef fv_ll_env_type(fv_ll_module *m);
LLVMValueRef fv_ll_env_field(fv_ll_fn *f, unsigned field);
/* Leaves the run with the status where c is true. */
void fv_ll_fail_if(fv_ll_fn *f, LLVMValueRef c, int status);
/* ... where these are more bytes than `most`, or than a pointer reaches; those below 0 are. */
void fv_ll_check_bytes(fv_ll_fn *f, LLVMValueRef bytes, int64_t most);
/* The function that calls a task n times, through the caller's parallel_for if there is one. */
LLVMValueRef fv_ll_launcher(fv_ll_module *m);
/* Frees a HEAP buffer if it is there. */
void fv_ll_release(fv_ll_fn *f, const fv_buf *b);

#endif
