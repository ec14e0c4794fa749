/* fovea_mpi.h - libfovea-mpi: the processes that mpirun has started as ranks of a run.
 *
 *   fv_mpi *m = fv_mpi_open(60);
 *   fv_env env = {sizeof env};
 *   env.communicator = fv_mpi_communicator(m);
 *   ... a run with this env; if it fails, fv_mpi_abort(m) ends all processes
 *   fv_mpi_close(m); */
#ifndef FOVEA_MPI_H
#define FOVEA_MPI_H

#include "fovea_model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_mpi fv_mpi;
/* Connects all processes of MPI_COMM_WORLD, which must all call this function. Initializes MPI,
 * unless the program has done so.
 *  timeout  how long a rank waits for data of another one, in seconds, at most 1e6
 * NULL: no memory, MPI failed, or timeout is out of range. */
fv_mpi *fv_mpi_open(double timeout);
/* The communicator of this process, for one thread at a time; it lives until m is closed. */
const fv_communicator *fv_mpi_communicator(const fv_mpi *m);
/* Why a call has failed: which ranks differ or are late, and in which exchange, counted from 1;
 * NULL: none has failed. */
const char *fv_mpi_error(const fv_mpi *m);
/* Ends all processes, with exit status 1; does not return. */
void fv_mpi_abort(fv_mpi *m);
/* Frees what fv_mpi_open has made, and ends MPI if that has initialized it; else MPI must not have
 * ended before. All processes must call this function; NULL is allowed. */
void fv_mpi_close(fv_mpi *m);

#ifdef __cplusplus
}
#endif
#endif
