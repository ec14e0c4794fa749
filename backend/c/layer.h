/* layer.h - the vector layer of generated C: typedefs of, and helper functions on, GNU vector
 * types. Each is written when it is first used. The functions return the name of the helper to
 * call. `lanes` is always more than 1. */
#ifndef FV_BACKEND_C_LAYER_H
#define FV_BACKEND_C_LAYER_H

#include "backend/c/internal.h"
#include "ir/expr/picks.h"

/* helper function f(a, ...) for operands of one type */
const char *fv_c_layer_op(fv_cg *g, fv_expr_op op, fv_elem e, int lanes);
const char *fv_c_layer_select(fv_cg *g, fv_elem e, int lanes); /* helper function f(mask, a, b) */
const char *fv_c_layer_splat(fv_cg *g, fv_elem e, int lanes);  /* helper function f(x): x, x, .. */
const char *fv_c_layer_ramp(fv_cg *g, fv_elem e, int lanes);   /* f(x): x, x + 1, x + 2, .. */
/* helper function f(a, b), which compares floats: the lanes of its result are -1 where they are
 * equal */
const char *fv_c_layer_equal(fv_cg *g, fv_elem e, int lanes);
/* helper function f(a, b), which returns blocks of the lanes of a and b: the even or odd ones */
const char *fv_c_layer_blocks(fv_cg *g, fv_expr_op op, int block, fv_elem e, int lanes);
/* helper function f(n), which returns a mask of the lanes l < n */
const char *fv_c_layer_below(fv_cg *g, int lanes);
const char *fv_c_layer_convert(fv_cg *g, fv_elem from, fv_elem to, int lanes);
const char *fv_c_layer_require(fv_cg *g, int lanes); /* helper function f(mask, error) */
/* helper function f(p), which loads a vector */
const char *fv_c_layer_load(fv_cg *g, fv_elem e, int lanes);
/* helper function f(mask, p, otherwise), which loads the lanes in the mask */
const char *fv_c_layer_load_if(fv_cg *g, fv_elem e, int lanes);
/* helper function f(a), which loads elements at constant distances from the one at a */
const char *fv_c_layer_pick(fv_cg *g, fv_elem e, const fv_picked *p);
/* helper function f(p, index), which loads a vector lane by lane */
const char *fv_c_layer_gather(fv_cg *g, fv_elem e, int lanes);
/* helper function f(mask, p, index, otherwise), which loads the lanes in the mask one by one */
const char *fv_c_layer_gather_if(fv_cg *g, fv_elem e, int lanes);
/* helper function f(p, index, v), which stores a vector lane by lane */
const char *fv_c_layer_scatter(fv_cg *g, fv_elem e, int lanes);
/* helper function f(mask, p, index, v), which stores the lanes in the mask one by one */
const char *fv_c_layer_scatter_if(fv_cg *g, fv_elem e, int lanes);
/* helper function f(p, v), which stores a vector */
const char *fv_c_layer_store(fv_cg *g, fv_elem e, int lanes);
/* helper function f(mask, p, v), which stores the lanes in the mask */
const char *fv_c_layer_store_if(fv_cg *g, fv_elem e, int lanes);

/* helper function f(x, c): max or min with a constant c of which fewer machine operations are
 * needed than of two variables (on x86); NULL: there is none for this c, width or target */
const char *fv_c_layer_clamp(fv_cg *g, fv_expr_op op, fv_elem e, int lanes, double c);

/* The includes of the headers that declare the target's intrinsics. */
const char *fv_c_layer_includes(const fv_cg *g);
/* The mask m converted to a vector of signed integers as wide as `e`, as text. */
const char *fv_c_layer_widen(fv_cg *g, const char *m, fv_elem e, int lanes);

#endif
