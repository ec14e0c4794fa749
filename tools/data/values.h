/* values.h - the values that the ports of a model represent: a tensor, a tensor of strings, a
 * sequence or optional, a map or a sequence of maps, a sparse tensor. All but a plain tensor
 * consist of several ports, which are recognised by their names (ops/text/text.h,
 * ops/sequence/sequence.h, ops/sequence/map.h). */
#ifndef FV_TOOLS_DATA_VALUES_H
#define FV_TOOLS_DATA_VALUES_H

#include "ir/type/tensor.h"
#include "runtime/fovea_model.h"
#include "tools/command/command.h"

typedef enum {
    FV_AS_PORTS, /* each port is a value of its own */
    /* ports of tensors of strings and of maps are combined, but those of a sequence of tensors, an
     * optional or a sparse tensor remain separate values */
    FV_AS_TENSORS,
    FV_AS_WHOLE
} fv_values_as;

typedef struct fv_port_value {
    const char *name;
    int first, nparts; /* index of the value's first port, and number of its ports */
    fv_elem elem;      /* element type of the value's tensors */
    bool held;         /* whether the value is a sequence of tensors or an optional */
    /* element type of the keys, if the value is a map or a sequence of maps; `elem` is then that of
     * the map's values */
    fv_elem key;
    bool several; /* whether the value is a sequence of maps */
    bool sparse;  /* whether the value is a sparse tensor (frontend/import_sparse.c) */
    int rank;     /* rank of the sparse tensor */
} fv_port_value;

int fv_port_values(fv_arena *a, int n, const fv_port_info *ports, fv_values_as as,
                   fv_port_value **out);
/* Is the value a tensor of strings? */
bool fv_value_is_strings(const fv_port_value *v) FV_MUST_USE;
/* Reads the tensors that represent the value from a file. False after a message. */
bool fv_value_read(fv_context *c, const fv_port_value *v, const char *path,
                   const fv_tensor **parts) FV_MUST_USE;
/* The value as a tensor; it must not be a map or a sequence of maps (see map_values.h). Of a
 * sequence of tensors, an optional or a sparse tensor: its first port, the elements or their text.
 * `arrays` has one entry for each port of the model. */
fv_tensor fv_value_tensor(fv_arena *a, const fv_port_value *v, const fv_array *arrays);
/* fv_compare for a value; `arrays` and `want` have one entry for each port of the model. */
bool fv_value_compare(fv_context *c, const fv_port_value *v, const fv_array *arrays,
                      const fv_tensor *const *want, const char **why) FV_MUST_USE;

#endif
