/* expand.h - a kernel for one target, of what consumers implement. Steps:
 *
 *   1. types    MATH, missing instructions and storage types become arithmetic (types.c)
 *   2. vectors  vector loops become vector code, or serial (vector.c, lanes.c)
 *   3. flatten  loops are unrolled, the parallel nest becomes the task, dead lets go (expand.c)
 * Each step makes new statements in a new block; parameters and dims stay the source kernel's. */
#ifndef FV_BACKEND_EXPAND_EXPAND_H
#define FV_BACKEND_EXPAND_EXPAND_H

#include "ir/kernel/program.h"
#include "ir/target/target.h"

/* A new kernel for the target, numbered. What consumers have to implement, and nothing else:
 *
 * - One task: `task` and `tasks` are set (tasks 1 where nothing is parallel). Loops are FV_SERIAL.
 *   Statements LET, STORE, PREFETCH, TILE, FOR, IF, WHILE, OUTLINE, COMMENT. Bounds and conditions
 *     are scalar.
 * - Expressions are trees of at most a few hundred nodes: what is used twice is a LET. No MATH, no
 *   DEF; no FMA, SQRT, FLOOR, CEIL, TRUNC, RINT of a type for which the target lacks it (fma32,
 *   fma64, sqrt32, sqrt64, round).
 * - Lanes are 1 or a power of two up to 64, and the same in all arguments of a node (CONST, VAR of
 * a
 *   dim or loop and DIM are scalars; SPLAT and RAMP take a scalar). bool has lanes like any other;
 *     a
 *   comparison of n lanes gives n lanes. Scalar targets (vector_bits 0) never see lanes > 1.
 *   A vector may be wider than a register (i64 indices beside f32, or f64 beside u8): split it.
 * - LOAD and GUARD of lanes n > 1 from a buffer of 1 lane: with scalar indices the n elements are
 *   consecutive along the last axis (aligned to the element only); where some index is a vector of
 *   n lanes it gathers, in any position, the other indices being scalar or vectors. A GUARD's
 *   condition is a vector then, and lanes where it is false are not touched.
 *   From a tile of n lanes (buf->lanes, always constant indices): the whole vector.
 * - STORE of lanes n > 1: scalar indices, n consecutive elements along the last axis, or one vector
 *   of a tile of lanes n; no scatter. The mask, if any, has n lanes; lanes where it is false are
 *     not
 *   touched. A scalar store has a scalar mask.
 * - Tiles: at most a few KB; rank 0 is a scalar (or vector) variable; without initial value it is
 *   stored before it is loaded. A tile is new in every iteration of the loop that it stands in.
 * - Storage types (fv_elem_is_storage) occur in LOAD, GUARD, STORE, SELECT, SPLAT, EVEN, ODD, LET
 * and
 *   BITCAST to and from fv_elem_bits_elem, and where the target has an instruction for it
 *   (fv_instruction_has) in CONVERT. Any other CONVERT is between f32, f64, bool and the integers
 *   of 8 to 64 bits. A bool in memory is a byte, 0 or 1; one that is loaded counts as byte != 0.
 * - REQUIRE: evaluated where it stands; any false lane sets the error word, the value is as
 * computed. - An index is always inside its buffer (the schedule sees to it): no check is needed.
 *
 * The order of float operations is that of the source kernel read serially: expansion changes no
 * bit, but for FMA where the target has none. */
fv_kernel *fv_kernel_expand(fv_arena *a, const fv_kernel *k, const fv_target *t);
void fv_program_expand(fv_program *p); /* every kernel, in place, for p->target */

#endif
