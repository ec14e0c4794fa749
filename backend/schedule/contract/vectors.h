/* vectors.h - how many sums of a contraction a vector has. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_VECTORS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_VECTORS_H

#include "backend/schedule/contract/contraction.h"

/* The number of sums of neighbouring columns in a vector, at least 1. On targets with Helium it is
 * more than 1 for sums of i32 over known columns that fill vectors, unless a tile adds words of 16
 * bytes, whose sums are in core registers. */
int fv_contract_lanes(const fv_target *t, const fv_definition *d, const fv_contraction *c);

#endif
