/* gate.h - asks fv_lower_options.gate whether an optional change may be made: one that naive
 * lowering does not make. */
#ifndef FV_BACKEND_LOWERING_GATE_H
#define FV_BACKEND_LOWERING_GATE_H

#include "backend/lowering/lowering.h"
#include "ir/graph/gate.h"

/* May the change be made? `stage`: the name of a step as users know it; "schedule", for the kernel
 * of `op`; or "memory", for sharing memory between values. */
static inline bool fv_may(const fv_lowerer *l, const char *stage, const fv_op *op) {
    const fv_gate *gate = l->options->gate;
    return !gate || gate->may(gate->user, stage, NULL, op);
}

#endif
