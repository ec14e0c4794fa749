/* interp.h - the interpreter of expanded programs, which defines what kernel IR means.
 *
 * Each kernel is translated once to a list of typed instructions on a register file, which runs
 * execute. Every load and store is checked against the extents that the kernel states and against
 * the size of the memory, so that a wrong lowering causes a message and not a crash. */
#ifndef FV_BACKEND_INTERP_H
#define FV_BACKEND_INTERP_H

#include "backend/consumer/consumer.h"

typedef struct fv_interp fv_interp;

/* Prepares an expanded and legal program, which must outlive the result; both are in arenas. NULL
 * after a diagnostic: the program contains something that is not expanded, a tile that is too
 * large, or a call of a library function that this build does not have. */
fv_interp *fv_interp_new(fv_arena *a, const fv_program *p);

/* See fv_run_fn and fv_plan_fn. Several threads may run one interpreter at the same time.
 * FV_INTERNAL: the program violated a rule of kernel IR, which fv_interp_fault describes.
 * FV_NO_MEMORY also if there was no memory for register files, which malloc allocates. */
int fv_interp_run(fv_interp *p, const int64_t *dims, const void *const *inputs,
                  void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                  const fv_env *env) FV_MUST_USE;
int fv_interp_plan(fv_interp *p, const int64_t *dims, size_t *workspace,
                   int64_t *out_dims) FV_MUST_USE;

/* For tests and trials: runs that execute more loop iterations than this, tasks included, end with
 * FV_CANCELLED. An iteration of a long body counts several times. If tasks run on several threads,
 * the limit applies to each task. */
void fv_interp_limit(fv_interp *p, int64_t iterations);

/* The first fault of any run: "add_0: store: C[3, 64] is outside f32[4, 64], 1024 bytes of memory";
 * NULL: none. Must not be called during a run. */
const char *fv_interp_fault(const fv_interp *p);
/* Where the last run that failed was stopped: the text of a CHECK, or the ONNX nodes of a kernel;
 * NULL: no run failed, or there is no text. */
const char *fv_interp_stopped(const fv_interp *p);
/* For the first run that ended with FV_BAD_INDEX, or because a library function refused its data:
 * "input 'ids'[2] is 5, out of range: may be -4 to 3", or "input 'file': it is empty"; NULL:
 * none. */
const char *fv_interp_index(const fv_interp *p);

/* ---- a single kernel, for tests ---- */

typedef struct fv_span {
    void *data;
    size_t bytes;
} fv_span;

/* Runs an expanded kernel once. bufs: one for each parameter; env may be NULL. Returns FV_OK,
 * FV_BAD_INDEX, FV_CANCELLED, FV_INTERNAL, FV_NO_MEMORY, or the status of a library function.
 * *fault (unless fault is NULL) is set to the text of a fault, in the arena, or NULL. */
int fv_interp_kernel(fv_arena *a, const fv_kernel *k, const int64_t *dims, const fv_span *bufs,
                     const fv_env *env, const char **fault) FV_MUST_USE;

#endif
