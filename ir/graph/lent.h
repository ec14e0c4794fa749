/* lent.h - a list of tensors to which a text refers by number; used to copy a module by printing
 * and parsing it without copying its tensors (copy.c). */
#ifndef FV_IR_GRAPH_LENT_H
#define FV_IR_GRAPH_LENT_H

#include "ir/type/tensor.h"

typedef struct fv_lent {
    fv_arena *arena;
    const fv_tensor **at;
    int n, cap;
} fv_lent;

#endif
