/* consumer.h - what the consumers of an expanded program (interpreter, LLVM, C) have in common
 * besides the meaning of kernel IR: the meaning of statements of host programs, how memory is
 * accessed, and the tables of fv_model.
 *
 * What a run or a size query requires of its caller, and in which order it is checked, is part of
 * the program (protocol.h). The size query (fv_plan_fn) runs the plan, then the query; the run
 * (fv_run_fn) runs the body. The statements:
 *   READ     an argument of the caller, unchanged. Of env only the members that are completely
 *            within env->size bytes are read; others, and all if env is NULL, count as 0. The CPU
 *            is checked first, in code that any CPU can run: FV_BAD_CPU. In generated C, which a C
 *            compiler may translate for the target as a whole, the size query checks it, too; in
 *            objects of LLVM that code is compiled for the baseline.
 *   CHECK    if it fails, the run ends with its status.
 *   LAUNCH   first checks the cancel flag (FV_CANCELLED); then runs the tasks 0 <= task <
 *            kernel->tasks, none if that is below 1; afterwards checks the error word:
 *            FV_BAD_INDEX, or the status of a CALL. env->trace, if given, is called before and
 *            after the tasks.
 *   CALL     in kernels: passes the buffers and their extents to the function
 *            (backend/library/library.h). Generated C, and code that is written to files, have
 *            no such call. For a kernel that is a call of the communicator the host program
 *            calls it in place of tasks; a result other than 0 is FV_BAD_COMMUNICATOR.
 *   WHILE    in host programs and in kernels: checks the cancel flag before each evaluation of the
 *            condition. If it is set, a kernel leaves its loops; the launch returns FV_CANCELLED.
 *   ALLOC    bytes below 0 or more than the machine can address: FV_TOO_LARGE; 0 bytes: a NULL
 *            buffer, the allocator is not called; NULL from the allocator: FV_NO_MEMORY. FREE of a
 *            NULL buffer calls nothing.
 *   SETDIM   writes to out_dims, or to *workspace.
 * Whenever a run ends, each HEAP buffer that was not freed yet is freed. */
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
/* Does the model state an upper bound for each dim of the output that data decide? If not, the plan
 * reports INT64_MAX as capacity. */
bool fv_port_is_bounded(const fv_port *port) FV_MUST_USE;
/* The length of out_dims, and the position of an output's capacity in it (the dims of the output
 * follow). */
int fv_out_dims_size(const fv_program *p);
int fv_out_dims_at(const fv_program *p, int output);

/* The table of a numbered program, in which `plan` and `run` are NULL. `weights_file`: the name
 * that the table gives for the file of weights, or NULL. */
fv_model *fv_program_model(fv_arena *a, const fv_program *p, const char *weights_file);

#endif
