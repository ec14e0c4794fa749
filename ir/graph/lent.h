/* lent.h - tensors that a text speaks of by their numbers, for one that is read again at once,
 * where they are (copy.c). */
#ifndef FV_IR_GRAPH_LENT_H
#define FV_IR_GRAPH_LENT_H

#include "ir/type/tensor.h"

typedef struct fv_lent {
    fv_arena *arena;
    const fv_tensor **at;
    int n, cap;
} fv_lent;

#endif
