/* side.h - side files, which hold the data of large constants of a text. */
#ifndef FV_IR_GRAPH_SIDE_H
#define FV_IR_GRAPH_SIDE_H

#include "ir/type/tensor.h"

typedef struct fv_side {
    fv_arena *arena;    /* the arena that owns the mappings of the files */
    const char *folder; /* the folder of the files; NULL: there are no side files */
    struct fv_side_file *files;
} fv_side;

/* Sets t->data to data of the file; elem, dims, count and bytes of t are set before. False: *error
 * is the reason. */
bool fv_side_read(fv_side *s, fv_tensor *t, const char *name, int64_t offset,
                  const char **error) FV_MUST_USE;

#endif
