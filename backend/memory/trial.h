/* trial.h - undoes what planning the memory has changed, so that plans can be compared. */
#ifndef FV_BACKEND_MEMORY_TRIAL_H
#define FV_BACKEND_MEMORY_TRIAL_H

#include "backend/lowering/lowering.h"

/* From fv_trial_begin to fv_trial_end, no reasons are recorded. fv_trial_end restores the steps of
 * the host program, their kernels and the storage of values as they were. Between the two, no
 * buffers may be made. */
typedef struct fv_trial fv_trial;
fv_trial *fv_trial_begin(fv_lowerer *l);
void fv_trial_end(fv_trial *t);
/* Would fv_kernel_reuse store parameter `to` of the kernel over parameter `from`? No change. */
bool fv_trial_reuse(fv_lowerer *l, fv_kernel *k, int from, int to) FV_MUST_USE;

#endif
