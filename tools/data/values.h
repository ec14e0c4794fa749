/* values.h - what the ports of a model stand for: a tensor, a tensor of strings, a sequence or an
 * optional, a map or a sequence of maps, a sparse tensor. All but the first are several ports,
 * parts of it, which their names tell (ops/text/text.h, ops/sequence/sequence.h,
 * ops/sequence/map.h). */
#ifndef FV_TOOLS_DATA_VALUES_H
#define FV_TOOLS_DATA_VALUES_H

#include "ir/type/tensor.h"
#include "runtime/fovea_model.h"
#include "tools/command/command.h"

typedef enum {
    FV_AS_PORTS, /* each is a value */
    /* text and its ends are strings, maps are maps; of sequences of tensors each part is a value */
    FV_AS_TENSORS,
    FV_AS_WHOLE
} fv_values_as;

typedef struct fv_port_value {
    const char *name;
    int first, nparts; /* ports */
    fv_elem elem;      /* of its tensors */
    bool held;         /* it is a sequence of tensors or an optional */
    fv_elem key;       /* of a map or a sequence of maps, whose values are of elem: of its keys */
    bool several;      /* it is a sequence of maps */
    bool sparse;       /* it is a sparse tensor (frontend/import_sparse.c) */
    int rank;          /* of that */
} fv_port_value;

int fv_port_values(fv_arena *a, int n, const fv_port_info *ports, fv_values_as as,
                   fv_port_value **out);
bool fv_value_is_strings(const fv_port_value *v) FV_MUST_USE; /* a tensor of them */
/* The parts of it that a file holds. False after a message. */
bool fv_value_read(fv_context *c, const fv_port_value *v, const char *path,
                   const fv_tensor **parts) FV_MUST_USE;
/* The tensor of a value that is one, and not maps (map_values.h); arrays: of all ports. */
fv_tensor fv_value_tensor(fv_arena *a, const fv_port_value *v, const fv_array *arrays);
/* fv_compare of a value; arrays and wanted tensors: of all ports. */
bool fv_value_compare(fv_context *c, const fv_port_value *v, const fv_array *arrays,
                      const fv_tensor *const *want, const char **why) FV_MUST_USE;

#endif
