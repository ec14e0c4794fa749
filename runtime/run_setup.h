/* run_setup.h - the threads and the memory of a run, from the options of its caller. */
#ifndef FV_RUNTIME_RUN_SETUP_H
#define FV_RUNTIME_RUN_SETUP_H

#include "internal.h"
#include "pool.h"
#include "stopping.h"

typedef struct fv_run_setup {
    fv_run_options o; /* of the caller; members beyond its size are zero */
    fv_env given;     /* *o.env; members beyond its size are zero */
    fv_env env;       /* the argument of the run */
    /* the functions that `env` forwards to: of the caller, or of a pool and of malloc */
    fv_env threads, memory, trace;
    fv_stopping stopping;
    fv_shared_pool *shared; /* which the run uses; NULL: none */
    fv_array *dense; /* the inputs, with dense copies of those with strides; NULL: all are dense */
    bool misaligned; /* the caller's allocator has returned an address that is not aligned */
} fv_run_setup;

/* Checks the options; NULL: the defaults. They must live until the end of the run. After FV_OK, the
 * caller ends the run with fv_run_setup_end. */
int fv_run_setup_begin(fv_run_setup *s, fv_artifact *a, const fv_run_options *o,
                       fv_log *log) FV_MUST_USE;
void fv_run_setup_end(fv_run_setup *s);
/* The same memory, one thread, and these calls before and after each launch. */
void fv_run_setup_trace(fv_run_setup *s, const fv_run_setup *like,
                        void (*trace)(void *user, int32_t launch, int32_t end), void *user);
/* Whether the caller has an allocator, so that what it allocates has no owner. */
bool fv_run_setup_allocates(const fv_run_setup *s) FV_MUST_USE;
/* Memory aligned to 64; NULL: there is none. */
void *fv_run_alloc(fv_run_setup *s, size_t bytes);
void fv_run_free(fv_run_setup *s, void *p); /* NULL is allowed */

/* ---- strides.c ---- */

/* Sets s->dense if the options have strides. Types and ranks of the inputs have been checked. */
int fv_run_dense(fv_run_setup *s, const fv_model *m, const fv_array *inputs,
                 fv_log *log) FV_MUST_USE;
void fv_run_free_dense(fv_run_setup *s, const fv_model *m, const fv_array *inputs);

#endif
