/* processes.h - the processes that mpirun has started, by libfovea-mpi, which is loaded only then:
 * the command itself does not depend on MPI. */
#ifndef FV_TOOLS_MODEL_PROCESSES_H
#define FV_TOOLS_MODEL_PROCESSES_H

#include "tools/command/command.h"

typedef struct fv_processes fv_processes;

/* Was this process started by mpirun, by its environment variables? */
bool fv_processes_started(void) FV_MUST_USE;
/* Connects the processes. timeout: in seconds, how long a rank waits for another one. NULL after a
 * message: the library is not found, or MPI failed. */
fv_processes *fv_processes_open(fv_context *c, double timeout);
const fv_communicator *fv_processes_communicator(const fv_processes *p);
const char *fv_processes_error(const fv_processes *p); /* why a call has failed; NULL: none has */
/* Ends the connection; if this process has failed, ends all others, too, and does not return. */
void fv_processes_close(fv_processes *p, bool failed);

#endif
