/* graph_data.h - contents of parameters and constants of random graphs. */
#ifndef FV_TESTS_MATRIX_GRAPH_DATA_H
#define FV_TESTS_MATRIX_GRAPH_DATA_H

#include "tests/matrix/graph.h"

enum { GRID_BOUND = 2 }; /* floats of a grid graph are -4 ... 4 */

/* As the content of a constant: a number or a flat list. */
void graph_data_print(fv_text *t, const fv_array *x);

#endif
