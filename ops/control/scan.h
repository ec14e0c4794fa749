/* scan.h - Scan of opset 8, which scans each item of a batch.
 *
 *   %last, ..., %all, ... = Scan(%sequence_lens | _, %first, ..., %x, ...)
 *
 * Axis 0 of each operand and result is the batch; axis 1 of scan inputs and of rows is the
 * iteration. sequence_lens may give a smaller number of iterations for an item: its states are
 * those after its last iteration, and its remaining rows are zeros. */
#ifndef FV_OPS_CONTROL_SCAN_H
#define FV_OPS_CONTROL_SCAN_H

#include "ir/graph/graph.h"

/* .upgrade of Scan; the body exists already, with the types for one item. */
bool fv_upgrade_scan(fv_op *op, int version) FV_MUST_USE;

#endif
