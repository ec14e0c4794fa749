/* kernel_verify.c - what is legal in a kernel. */
#include "ir/kernel.h"

bool fv_kernel_verify(fv_session *s, const fv_kernel *k) {
    (void)s;
    return k != NULL;
}

bool fv_program_verify(fv_session *s, const fv_program *p) {
    for (int i = 0; i < p->nkernels; i++)
        if (!fv_kernel_verify(s, p->kernels[i]))
            return false;
    return true;
}
