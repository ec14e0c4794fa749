/* lanes.h - the body of a vector loop for some lanes. */
#ifndef FV_BACKEND_EXPAND_LANES_H
#define FV_BACKEND_EXPAND_LANES_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/build.h"

#define FV_MAX_LANES 64

typedef struct fv_expand_vec {
    fv_arena *a;
    fv_kbuilder b;
    int vector_bits;
    fv_ptrmap groups;   /* vector loop, or tile -> those that agree with it about lanes */
    fv_ptrmap tiles;    /* tile outside of vector loops -> what is known of its accesses */
    fv_ptrmap lets;     /* variable of an i64 let -> its value over loop variables */
    fv_ptrmap unrolled; /* variables of loops that will be unrolled */
    bool failed;        /* a loop that was to use vector tiles stayed serial */
} fv_expand_vec;

/* The tile of vectors that replaces a tile, or NULL. */
fv_buf *fv_expand_vector_tile(fv_expand_vec *z, const fv_buf *b);

/* The body of `loop` for `lanes` iterations from `first` on, into `out`. False: it cannot be done;
 * then `out` is unspecified. uses_tiles: it accesses vector tiles. */
bool fv_expand_lanes(fv_expand_vec *z, int lanes, const fv_stmt *loop, fv_var *first, fv_block *out,
                     bool *uses_tiles) FV_MUST_USE;

#endif
