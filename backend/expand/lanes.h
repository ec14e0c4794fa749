/* lanes.h - executes the body of a vector loop for several iterations at once. */
#ifndef FV_BACKEND_EXPAND_LANES_H
#define FV_BACKEND_EXPAND_LANES_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/build.h"
#include "ir/target/target.h"

#define FV_MAX_LANES 64

typedef struct fv_expand_vec {
    fv_arena *a;
    fv_kbuilder b;
    const fv_target *target;
    fv_ptrmap groups; /* vector loop or tile -> the group that must have the same number of lanes */
    fv_ptrmap tiles;  /* tile declared outside of vector loops -> how it is accessed */
    fv_ptrmap vectors;  /* tile outside of vector loops -> the tile of vectors that replaces it */
    fv_ptrmap lets;     /* variable of an i64 let -> its value, an expression over loop variables */
    fv_ptrmap unrolled; /* variables of loops that will be unrolled */
    fv_ptrmap steps;    /* variable of a loop around -> a number of which it is a multiple */
    /* with Helium: the bounds of constants (integers.h); vector loop -> its number of lanes, for
     * the loops of which it has been computed */
    const fv_ptrmap *bounds;
    fv_ptrmap suited;
    bool failed; /* whether a loop that accesses tiles of vectors had to become serial */
} fv_expand_vec;

/* Writes the body of `loop` for `lanes` iterations from `first` on into `out`. inside: the lanes
 * whose iterations exist, at least one; NULL: all do. False: that is not possible, and `out` must
 * not be used. *uses_tiles: the code accesses tiles of vectors. */
bool fv_expand_lanes(fv_expand_vec *z, int lanes, const fv_stmt *loop, fv_expr *first,
                     fv_expr *inside, fv_block *out, bool *uses_tiles) FV_MUST_USE;

#endif
