/* aligned.h - memory that is aligned to 64 bytes, as workspaces and states must be. */
#ifndef FV_RUNTIME_ALIGNED_H
#define FV_RUNTIME_ALIGNED_H

#include <stdlib.h>
#ifdef _WIN32
#include <malloc.h>
#endif

/* NULL: no memory. It is freed by fv_aligned_free. */
static inline void *fv_aligned_alloc(size_t bytes) {
    bytes = bytes ? bytes : 64;
#ifdef _WIN32
    return _aligned_malloc(bytes, 64);
#else
    void *p = NULL;
    return posix_memalign(&p, 64, bytes) ? NULL : p;
#endif
}

static inline void fv_aligned_free(void *p) {
#ifdef _WIN32
    _aligned_free(p);
#else
    free(p);
#endif
}

#endif
