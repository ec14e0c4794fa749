/* sparse_values.h - sparse tensors as JSON: {"dims": [2, 3], "indices": [[0, 1], [1, 2]], "values":
 * [0.5, 2]}. An index may also be a number, the position of the element in row-major order: [1,
 * 5]. */
#ifndef FV_TOOLS_DATA_SPARSE_VALUES_H
#define FV_TOOLS_DATA_SPARSE_VALUES_H

#include "tools/data/values.h"

/* Reads the values and coordinates of a sparse tensor from a file. False after a message. */
bool fv_sparse_read_json(fv_context *c, const fv_port_value *v, const char *path,
                         const fv_tensor **parts) FV_MUST_USE;

#endif
