/* tables.h - what elements of rows compute from their index alone by quotients, in an array of the
 * task:
 *
 *     for i: vector j: y[i, j] = x[i, j * 2 floordiv 3]
 *  => vector j: at[j] = j * 2 floordiv 3
 *     for i: vector j: y[i, j] = x[i, at[j]]
 *
 * No bit depends on it. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_TABLES_H
#define FV_BACKEND_SCHEDULE_ROWS_TABLES_H

#include "backend/schedule/common/emit.h"

/* Emits arrays for n definitions, before the loop over the rows of a task, of which there are at
 * most `rows`. row[i]: the axis of definition i along which its rows run; -1: there is none. */
void fv_emit_tables(fv_kemit *e, int n, const fv_definition *const *all, const int *row,
                    int64_t rows);

#endif
