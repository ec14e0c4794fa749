/* consumer.h - what the consumers of an expanded program (interpreter, LLVM, C) agree on besides
 * the meaning of kernel IR: the order of a run, how memory is reached, and the tables of fv_model.
 *
 * The run (fv_run_fn). Every consumer does these steps in this order, so that bad arguments get the
 * same status from all of them:
 *   1. env given, and env->size is not sizeof(fv_env): FV_BAD_ARGUMENT. Where the weights lie in a file:
 *      env->weights NULL, or not that file by size and head: FV_BAD_FILE; not aligned to 64:
 *      FV_BAD_ARGUMENT. dims NULL although there are symbols: FV_BAD_ARGUMENT. A symbol outside lo..hi
 *      of its variable: FV_BAD_DIM.
 *   2. The plan: a CHECK that fails returns its status. An extent of an input or output that is known now is below 0:
 *      FV_BAD_DIM. p->workspace (NULL: 0) is more than FV_MOST_BYTES, or than size_t holds: FV_TOO_LARGE;
 *      likewise where the bytes of any input, or of any output without a capacity, are INT64_MAX.
 *   3. out_dims NULL although an output has a capacity: FV_BAD_ARGUMENT. Capacities are read (below
 *      0 counts as 0); the dims of outputs that are known now are written to out_dims.
 *   4. `inputs` or `outputs` NULL although there are some: FV_BAD_ARGUMENT; likewise an input or
 *      output NULL although it has elements (its capacity is not 0), or not aligned to its element's
 *      storage.
 *   5. workspace bytes fewer than needed: FV_TOO_SMALL. Bytes needed, and workspace NULL or not
 *      aligned to FV_BUFFER_ALIGN: FV_BAD_ARGUMENT.
 *   6. p->uses_allocator without env->alloc and env->free: FV_NO_MEMORY.
 *   7. The body. A CHECK that fails returns its status. SETDIM writes to out_dims.
 *      LAUNCH: first the cancel flag (FV_CANCELLED); then the tasks 0 <= task < kernel->tasks, none
 *      if that is below 1; afterwards the error word: FV_BAD_INDEX. env->trace, if given, is called
 *      around the tasks.
 *      WHILE, in host programs and in kernels: the cancel flag before each evaluation of the
 *      condition. A kernel that sees it leaves its loops; the launch returns FV_CANCELLED.
 *      ALLOC: bytes below 0 or INT64_MAX: FV_TOO_LARGE; 0 bytes: a NULL buffer, nothing is called;
 *      NULL from the allocator: FV_NO_MEMORY. FREE of a NULL buffer calls nothing.
 *   8. On every way out, each HEAP buffer that is still there is freed.
 *
 * The plan (fv_plan_fn): steps 1 and 2, then *workspace and out_dims are written (outputs: see
 * fv_port_bound); both untouched on failure. Where the CPU lacks what the target needs the run returns
 * FV_BAD_CPU before all of this. So does the plan in generated C, which a C compiler may have made for
 * the target; in objects of LLVM's it is code for the baseline. */
#ifndef FV_BACKEND_CONSUMER_CONSUMER_H
#define FV_BACKEND_CONSUMER_CONSUMER_H

#include "ir/kernel/program.h"
#include "runtime/fovea_model.h"

#define FV_BUFFER_ALIGN 64 /* of the workspace and of HEAP buffers */
/* Of the workspace: a sum that saturated is more, also when it was rounded down to FV_BUFFER_ALIGN. */
#define FV_MOST_BYTES (INT64_MAX - FV_BUFFER_ALIGN)

/* ---- how a LOAD, GUARD or STORE reaches memory ---- */

typedef enum {
    FV_ACCESS_ELEMENT, /* one element; of a tile with lanes: all its lanes */
    FV_ACCESS_RUN,     /* consecutive elements of the last axis, the indices give the first one */
    FV_ACCESS_GATHER, /* some index is a vector: each lane has its own element (STORE: lane 0 first)
                       */
} fv_access;

/* `lanes`: of the loaded or stored value. An index of one lane beside vectors counts for every
 * lane. A mask or guard of one lane beside a vector value counts for every lane. */
fv_access fv_access_kind(const fv_buf *b, fv_expr *const *index, int lanes);

/* ---- metadata ---- */

/* Is some dim of the output known only after the run? Then it has a capacity. */
bool fv_port_depends_on_data(const fv_port *port) FV_MUST_USE;
/* What the plan reports for an axis whose extent is NULL (known after the run): its upper bound. */
int64_t fv_port_bound(const fv_port *port, int axis);
/* ... and is that a bound that somebody stated? If not, the plan's capacity is INT64_MAX. */
bool fv_port_is_bounded(const fv_port *port) FV_MUST_USE;
/* Length of out_dims, and where the capacity of an output stands in it (its dims follow). */
int fv_out_dims_size(const fv_program *p);
int fv_out_dims_at(const fv_program *p, int output);

/* The table of the model, of a numbered program: all but plan and run, which are NULL. `weights_file`: as it says it, or NULL. */
fv_model *fv_program_model(fv_arena *a, const fv_program *p, const char *weights_file);

#endif
