/* interp.h - the interpreter of expanded programs: what kernel IR means.
 *
 * Each kernel becomes a list of typed instructions over a register file once; a run does no other
 * work than executing them. Every load and store is checked against the extents that the kernel
 * states and against the memory that is there, so a wrong lowering is a message, not a crash. */
#ifndef FV_BACKEND_INTERP_H
#define FV_BACKEND_INTERP_H

#include "backend/consumer/consumer.h"

typedef struct fv_interp fv_interp;

/* Prepares an expanded, legal program, which must outlive the result; both lie in arenas. NULL
 * after a diagnostic: something in it is not expanded. */
fv_interp *fv_interp_new(fv_arena *a, const fv_program *p);

/* As fv_run_fn and fv_plan_fn; any number of threads may run one interpreter at the same time.
 * FV_INTERNAL: the program broke a rule of kernel IR; fv_interp_fault tells which. Register files
 * come from malloc: FV_NO_MEMORY. */
int fv_interp_run(fv_interp *p, const int64_t *dims, const void *const *inputs,
                  void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                  const fv_env *env) FV_MUST_USE;
int fv_interp_plan(fv_interp *p, const int64_t *dims, size_t *workspace,
                   int64_t *out_dims) FV_MUST_USE;

/* Test hook: runs that take more iterations of loops than that, tasks among them, end as
 * FV_CANCELLED. With threads each task may take so many. */
void fv_interp_limit(fv_interp *p, int64_t iterations);

/* The first fault of any run: "add_0: store: C[3, 64] is outside f32[4, 64], 1024 bytes of memory",
 * or NULL. Not to be asked while a run is going on. */
const char *fv_interp_fault(const fv_interp *p);
/* Where the last run that was stopped by a CHECK or a kernel was: what the check says, or the ONNX
 * nodes of the kernel; NULL: none was, or it has no name. */
const char *fv_interp_stopped(const fv_interp *p);
/* After FV_BAD_INDEX or what a library did not take, of the first run that gave it: "input 'ids'[2]
 * is 5, out of range: may be -4 to 3", "input 'file': it is empty", or NULL. */
const char *fv_interp_index(const fv_interp *p);

/* ---- a single kernel, for tests ---- */

typedef struct fv_span {
    void *data;
    size_t bytes;
} fv_span;

/* Runs an expanded kernel once. bufs: one per parameter; env may be NULL. Returns FV_OK,
 * FV_BAD_INDEX, FV_CANCELLED, FV_INTERNAL, FV_NO_MEMORY or what a library's function returns;
 * *fault (may be NULL) becomes the text of a fault, in the arena, else NULL. */
int fv_interp_kernel(fv_arena *a, const fv_kernel *k, const int64_t *dims, const fv_span *bufs,
                     const fv_env *env, const char **fault) FV_MUST_USE;

#endif
