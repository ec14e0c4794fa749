/* across.h - what elements of rows compute from data that no row changes, once for several rows:
 *
 *     for channel c: vector p: y[c, p] = x[c, i64(floor(g[p] * 56))] * (1 - g[p])
 *  => for blocks of p:
 *         vector p: at[p] = i64(floor(g[p] * 56)), weight[p] = 1 - g[p]
 *         for channel c: vector p: y[c, p] = x[c, at[p]] * weight[p]
 *
 * No bit depends on it. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_ACROSS_H
#define FV_BACKEND_SCHEDULE_ROWS_ACROSS_H

#include "backend/schedule/common/emit.h"

/* Emits all loops of the definition of e, whose vectors run along the axis `vector`, and the stores
 * of the value, if an axis has enough rows that share enough work. False, and nothing is emitted:
 * no axis has. index: room for the index of an element. */
bool fv_emit_across(fv_kemit *e, int vector, fv_value *value, fv_expr **index) FV_MUST_USE;

#endif
