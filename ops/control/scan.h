/* scan.h - what the files of Scan share; and Scan of opset 8, which goes over each item of a batch.
 *
 *   %last, ..., %all, ... = Scan(%sequence_lens | _, %first, ..., %x, ...)
 *
 * Each operand has the batch as axis 0, scan inputs the turns as axis 1, and so have the results.
 * An item of which sequence_lens says that it is shorter takes so many turns: its states are those
 * behind the last, its rows zeros from there. */
#ifndef FV_OPS_CONTROL_SCAN_H
#define FV_OPS_CONTROL_SCAN_H

#include "ir/graph/graph.h"

/* Is the attribute, where it is there, a 0 or 1 for each of n? False after a diagnostic. */
bool fv_check_directions(const fv_op *op, const char *name, int n) FV_MUST_USE;
/* .upgrade of Scan, of which the body stands already, with the types of an item. */
bool fv_upgrade_scan(fv_op *op, int version) FV_MUST_USE;

#endif
