/* pipes.h - a communicator for processes that fork connects: a socket for each pair of ranks. */
#ifndef FV_TESTS_COLLECTIVE_PIPES_H
#define FV_TESTS_COLLECTIVE_PIPES_H

#include "runtime/fovea_model.h"

typedef struct pipes pipes;
/* before the processes are made */
pipes *pipes_new(int ranks);
/* in the process of the rank */
const fv_communicator *pipes_communicator(pipes *p, int rank);
void pipes_free(pipes *p);

#endif
