/* consumer.h - what the consumers of an expanded program (interpreter, LLVM, C) agree on besides
 * the meaning of kernel IR: what statements of host programs do, how memory is reached, and the
 * tables of fv_model.
 *
 * What a run or a size query asks of its caller, and in which order, is written in the program
 * (protocol.h). The size query (fv_plan_fn) does the plan, then the query; the run (fv_run_fn) does
 * the body. Of its statements:
 *   READ     is what the caller gave, as it is. Of env: the members that lie whole within env->size
 *            bytes; others, and all
 *            where env is NULL, are 0.
 *            The CPU is asked in code that any CPU runs, before all: FV_BAD_CPU. In generated C,
 *     which a C compiler may have
 *            made for the target, the size query asks it, too; in objects of LLVM's that is code
 *     for the baseline.
 *   CHECK    that fails leaves with its status.
 *   LAUNCH   first the cancel flag (FV_CANCELLED); then the tasks 0 <= task < kernel->tasks, none
 *            if that is below 1;
 *            afterwards the error word: FV_BAD_INDEX, or the status of a CALL. env->trace, if
 *     given, is called around the tasks.
 *   CALL     in kernels: the function has the buffers, and their extents
 *            (backend/library/library.h). Generated C, and code
 *            that is written to files, have none.
 *   WHILE    in host programs and in kernels: the cancel flag before each evaluation of the
 *            condition. A kernel that sees it
 *            leaves its loops; the launch returns FV_CANCELLED.
 *   ALLOC    bytes below 0 or more than the machine can address: FV_TOO_LARGE; 0 bytes: a NULL
 *            buffer, nothing is called;
 *            NULL from the allocator: FV_NO_MEMORY. FREE of a NULL buffer calls nothing.
 *   SETDIM   writes to out_dims, or to *workspace.
 * On every way out of a run, each HEAP buffer that is still there is freed. */
#ifndef FV_BACKEND_CONSUMER_CONSUMER_H
#define FV_BACKEND_CONSUMER_CONSUMER_H

#include "ir/kernel/program.h"
#include "runtime/fovea_model.h"

#define FV_BUFFER_ALIGN 64 /* alignment in bytes of the workspace and of HEAP buffers */
/* Most bytes of a workspace. A sum that saturated is more than that, also after it was rounded down
 * to a multiple of FV_BUFFER_ALIGN. */
#define FV_MOST_BYTES (INT64_MAX - FV_BUFFER_ALIGN)

/* ---- how a LOAD, GUARD or STORE reaches memory ---- */

typedef enum {
    FV_ACCESS_ELEMENT, /* one element; of a tile with lanes: all lanes of the element */
    FV_ACCESS_RUN,     /* consecutive elements of the last axis, the indices give the first one */
    FV_ACCESS_GATHER, /* some index is a vector: each lane has an element of its own (a STORE stores
                       * lane 0 first) */
} fv_access;

/* `lanes`: of the loaded or stored value. If there are vectors among the indices, an index of one
 * lane applies to every lane; so does a mask or guard of one lane for a vector value. */
fv_access fv_access_kind(const fv_buf *b, fv_expr *const *index, int lanes);

/* ---- metadata ---- */

/* Is some dim of the output known only after the run? Then it has a capacity. */
bool fv_port_depends_on_data(const fv_port *port) FV_MUST_USE;
/* What the plan reports for an axis whose extent is NULL (known after the run): its upper bound. */
int64_t fv_port_bound(const fv_port *port, int axis);
/* Does the model state this bound? If it does not for some axis, the plan reports INT64_MAX as
 * capacity. */
bool fv_port_is_bounded(const fv_port *port) FV_MUST_USE;
/* The length of out_dims, and the position of an output's capacity in it (the dims of the output
 * follow). */
int fv_out_dims_size(const fv_program *p);
int fv_out_dims_at(const fv_program *p, int output);

/* The table of a numbered program, in which `plan` and `run` are NULL. `weights_file`: the name
 * that the table gives for the file of weights, or NULL. */
fv_model *fv_program_model(fv_arena *a, const fv_program *p, const char *weights_file);

#endif
