/* side.h - files beside a text that hold the bytes of its large constants. */
#ifndef FV_IR_GRAPH_SIDE_H
#define FV_IR_GRAPH_SIDE_H

#include "ir/type/tensor.h"

typedef struct fv_side {
    fv_arena *arena;    /* the files stay mapped as long as it lives */
    const char *folder; /* NULL: there are none */
    struct fv_side_file *files;
} fv_side;

/* The bytes of t, whose elem, dims, count and bytes are set. False: *error says why. */
bool fv_side_read(fv_side *s, fv_tensor *t, const char *name, int64_t offset,
                  const char **error) FV_MUST_USE;

#endif
