/* order.h - the verifier of orders of sums. */
#ifndef FV_BACKEND_STEPS_ORDER_H
#define FV_BACKEND_STEPS_ORDER_H

#include "backend/lowering/lowering.h"

/* After the step `order`: does each sum have the order that follows from its definition? It is
 * derived again; a diagnostic names the value where the two differ. Later steps write definitions
 * from which another order would follow, and texts state orders of their own. */
bool fv_orders_verify(fv_lowerer *l) FV_MUST_USE;

#endif
