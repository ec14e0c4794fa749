/* expand.h - expansion: makes a kernel for one target, of the constructs that consumers implement:
 *
 *   1. types    elementary functions, missing instructions and storage types become arithmetic
 *               (types.c)
 *   2. vectors  vector loops become vector code, or serial loops (vector.c, lanes.c)
 *   3. flatten  loops are unrolled, the parallel loops become the task (or serial loops, if the
 *               target has no threads), unused lets are removed
 *               (expand.c)
 *   4. strength reduction, in programs: quotients in loops become additions (strength.c)
 * Each stage makes new statements in a new block; parameters and dims are those of the kernel. */
#ifndef FV_BACKEND_EXPAND_EXPAND_H
#define FV_BACKEND_EXPAND_EXPAND_H

#include "ir/kernel/program.h"
#include "ir/target/target.h"

/* A new kernel for the target, numbered. It consists of these constructs only, which are what a
 * consumer has to implement:
 *
 * - One task: `task` and `tasks` are set (tasks is 1 if nothing is parallel). Loops are FV_SERIAL.
 *   Statements are LET, STORE, PREFETCH, TILE, FOR, IF, WHILE, CALL, OUTLINE, COMMENT. Bounds and
 *   conditions are scalar.
 * - Expressions are trees of at most a few hundred nodes: a node that is used twice becomes a LET.
 *   There is no MATH and no DEF, and no FMA, SQRT, FLOOR, CEIL, TRUNC, RINT of a type for which the
 *   target has no instruction (fma32, fma64, sqrt32, sqrt64, round), and no DOT_ operation
 *   without its instruction (fv_instruction_has). RINT of f32 is also left as the argument of a
 *   CONVERT to i32 if the target has an instruction for both (nearest).
 * - The number of lanes is 1 or a power of two up to 64, and the same in all arguments of a node
 *   (CONST, DIM, and VAR of a dim or loop are scalars; SPLAT and RAMP have a scalar argument). bool
 *   has lanes like other types; a comparison of n lanes has n lanes. Scalar targets (vector_bits 0)
 *   have one lane only, except that those with Helium have vectors of 16 bytes in some loops
 *   (integers.h). A vector may be wider than a register (i64 indices with f32, or f64 with
 *   u8): the consumer splits it.
 * - LOAD and GUARD with n > 1 lanes from a buffer with 1 lane: if all indices are scalar, the n
 *   elements are consecutive along the last axis (aligned to the element only). If some index is a
 *   vector of n lanes, at any axis, each lane loads an element of its own; the other indices are
 *   scalars or vectors. The condition of a GUARD is then a vector, and lanes for which it is false
 *   are not loaded. From a tile with n lanes (buf->lanes, whose indices are constants), the whole
 *   vector is loaded.
 * - STORE with n > 1 lanes: indices are scalar, and n consecutive elements along the last axis, or
 *   one vector of a tile with n lanes, are stored; there is no scatter. The mask, if any, has n
 *   lanes; lanes for which it is false are not stored. A scalar store has a scalar mask.
 * - A tile has at most a few KB. With rank 0 it is a scalar (or vector) variable; without initial
 *   value it is stored before it is loaded. Each iteration of the loop that contains a tile has a
 *   new one.
 * - Storage types (fv_elem_is_storage) occur in LOAD, GUARD, STORE, SELECT, SPLAT, EVEN, ODD, LET,
 *   in BITCAST to and from fv_elem_bits_elem, and, if the target has an instruction for it
 *   (fv_instruction_has), in CONVERT. Other CONVERTs are between f32, f64, bool and the integers of
 *   8 to 64 bits. A bool in memory is a byte, 0 or 1; one that is loaded is true if byte != 0.
 * - REQUIRE is evaluated at its position; a false lane sets the error word, and the value is
 *   unchanged.
 * - An index is always inside its buffer (the schedule ensures it), so no check is needed.
 *
 * The order of float operations is that of the kernel read serially: expansion changes no bit,
 * except for FMA if the target has none. Returns NULL after a diagnostic. */
fv_kernel *fv_kernel_expand(fv_arena *a, const fv_kernel *k, const fv_target *t);
/* Writes the protocol (backend/consumer/protocol.h) unless the program has one, and replaces each
 * kernel that is not expanded yet by its expansion for p->target, which may depend on the constants
 * of the program: fv_kernel_expand knows none. A kernel that cannot be expanded
 * stays as it is, after a diagnostic. */
void fv_program_expand(fv_program *p);

#endif
