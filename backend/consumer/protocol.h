/* protocol.h - what a model requires of its caller, written as statements of its host program. No
 * other code knows these rules. */
#ifndef FV_BACKEND_CONSUMER_PROTOCOL_H
#define FV_BACKEND_CONSUMER_PROTOCOL_H

#include "ir/kernel/program.h"
#include "runtime/weights_file.h"

/* Writes the protocol around the plan and the run of a program that has none
 * (fv_program_has_protocol):
 *   plan   checks that the dims are given and within their bounds; then what the plan had; then
 *          that no extent is below 0 and that the machine can address the sizes
 *   query  returns the bytes of workspace, and the capacities and dims of the outputs
 *   run    checks the CPU and env; then the plan; reads capacities and returns the dims that are
 *          known; checks that what is appended to the memory of inputs fits, that inputs and
 *          outputs are given, that the workspace is large enough, and that allocator and
 *          communicator are given if the program uses them; memory; then what the run had */
void fv_program_protocol(fv_program *p);
/* Does the program, which may have been written by hand, check its caller in the same way as
 * fv_program_protocol would make it? True if it has no protocol yet. False after a message. */
bool fv_program_keeps_protocol(fv_session *session, const fv_program *p) FV_MUST_USE;
/* A copy of the program whose run finds its constants in env.weights: a file with the head `head`,
 * which the run checks. */
const fv_program *fv_program_with_weights(fv_arena *a, const fv_program *p,
                                          const fv_weights_head *head);

#endif
