/* sparse_values.h - sparse tensors as JSON: {"dims": [2, 3], "indices": [[0, 1], [1, 2]], "values":
 * [0.5, 2]}, where an index may also be a number, that of the element among all: [1, 5]. */
#ifndef FV_TOOLS_DATA_SPARSE_VALUES_H
#define FV_TOOLS_DATA_SPARSE_VALUES_H

#include "tools/data/values.h"

/* The values and coordinates of it that a file holds. False after a message. */
bool fv_sparse_read_json(fv_context *c, const fv_port_value *v, const char *path,
                         const fv_tensor **parts) FV_MUST_USE;

#endif
