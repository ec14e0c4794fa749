/* scan.h - what the files of Scan share; and Scan of opset 8, which scans each item of a batch.
 *
 *   %last, ..., %all, ... = Scan(%sequence_lens | _, %first, ..., %x, ...)
 *
 * Axis 0 of each operand and result is the batch; axis 1 of scan inputs and of rows is the
 * iteration. For an item sequence_lens may give a smaller number of iterations: its states are
 * those after the last one, and its further rows are zeros. */
#ifndef FV_OPS_CONTROL_SCAN_H
#define FV_OPS_CONTROL_SCAN_H

#include "ir/graph/graph.h"

/* Is the attribute, where it is there, a 0 or 1 for each of n? False after a diagnostic. */
bool fv_check_directions(const fv_op *op, const char *name, int n) FV_MUST_USE;
/* .upgrade of Scan; its body exists already, with the types of an item. */
bool fv_upgrade_scan(fv_op *op, int version) FV_MUST_USE;

#endif
