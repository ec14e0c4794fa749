/* program_exchanges.h - the exchanges that a host program starts. */
#ifndef FV_IR_KERNEL_PROGRAM_EXCHANGES_H
#define FV_IR_KERNEL_PROGRAM_EXCHANGES_H

#include "ir/kernel/program_memory.h"

/* Checks that each exchange that the launches of a block start is waited for in the same block, in
 * the order of the starts, with no loop or condition between, and that no launch between uses what
 * is received, or changes what is sent. False after a diagnostic. */
bool fv_kv_exchanges(fv_kverifier *v, const fv_block *b) FV_MUST_USE;

#endif
