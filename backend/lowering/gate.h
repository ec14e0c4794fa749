/* gate.h - asking whether what naive lowering has not may be done (fv_lower_options.gate). */
#ifndef FV_BACKEND_LOWERING_GATE_H
#define FV_BACKEND_LOWERING_GATE_H

#include "backend/lowering/lowering.h"
#include "ir/graph/gate.h"

/* `stage`: a step as people call it, "schedule" of the kernel of `op`, or "memory" that values
 * share. */
static inline bool fv_may(const fv_lowerer *l, const char *stage, const fv_op *op) {
    const fv_gate *gate = l->options->gate;
    return !gate || gate->may(gate->user, stage, NULL, op);
}

#endif
