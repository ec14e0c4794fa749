/* internal.h - what libfovea adds to libfovea-run: artifacts that are no shared library. */
#ifndef FV_RUNTIME_INTERNAL_H
#define FV_RUNTIME_INTERNAL_H

#include "fovea.h"

struct fv_artifact {
    const fv_model *model;
    /* How to plan and run; a loaded library calls its table, the interpreter its own. */
    int (*plan)(fv_artifact *a, const int64_t *dims, size_t *workspace, int64_t *out_dims);
    int (*run)(fv_artifact *a, const int64_t *dims, const void *const *inputs, void *const *outputs,
               int64_t *out_dims, void *workspace, size_t bytes, const fv_env *env);
    void (*destroy)(fv_artifact *a); /* what ctx holds; NULL: nothing */
    void *ctx;
    struct fv_pool *pool; /* made by the first run that wants threads */
    void *lock;
};

/* An artifact whose plan and run are those of the table. NULL: no memory. */
fv_artifact *fv_artifact_new(const fv_model *model);
void fv_log_add(fv_log *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Values of the model's symbols from the shapes of its inputs. FV_OK or FV_BAD_ARGUMENT,
 * FV_BAD_DIM after a message. */
int fv_solve_dims(const fv_model *m, const fv_array *inputs, int64_t *dims, fv_log *log);
/* Evaluates a dim's text with the symbols' values; 0 where it cannot. */
int fv_eval_dim_text(const fv_model *m, const int64_t *dims, const char *text, int64_t *out);

/* ---- threads: pool.c ---- */

/* Threads that park on a condition variable between parallel regions. */
typedef struct fv_pool fv_pool;
/* `threads` counts the caller; 0: as many as affinity and cgroup allow. NULL: no memory. */
fv_pool *fv_pool_new(int threads);
void fv_pool_free(fv_pool *p);
int fv_pool_size(const fv_pool *p);
/* fv_env.parallel_for with the pool as user. */
void fv_pool_parallel_for(void *pool, void (*task)(void *arg, int64_t i), void *arg, int64_t n);

#endif
