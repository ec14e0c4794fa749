/* map.h - what a map, or a sequence of maps, is made of once it is taken apart.
 *
 * Kernels know tensors alone. So a map is two vectors, `keys` and `values`, of one length; of a
 * sequence these have the entries of all its maps, one map behind the other, and a third vector,
 * `ends`, says where each map ends in them. The order of entries means nothing; who reads a map
 * checks that no key that it looks for is there twice. An fv.Map stands for the value where it is
 * made; who reads the value reads its parts. */
#ifndef FV_OPS_SEQUENCE_MAP_H
#define FV_OPS_SEQUENCE_MAP_H

#include "ir/graph/rewriter.h"

enum { FV_PART_KEYS, FV_PART_VALUES, FV_PART_MAP_ENDS, FV_MAP_PARTS };

/* "x.keys", "x.values", "x.ends": what the parts of an input or output x are called. */
const char *fv_map_part_name(fv_arena *a, const char *name, int part);
/* How many parts a value of that type has: 2, or 3 of a sequence. */
int fv_map_parts(const fv_type *t);
/* The type of the maps: of a sequence that of its elements. */
const fv_type *fv_type_of_maps(const fv_type *t);
/* The parts of v; false after a diagnostic about op, which reads it: nothing has taken it apart. */
bool fv_map_of(const fv_op *op, const fv_value *v, fv_value **parts) FV_MUST_USE;
/* What a caller gives as ends of maps does not go back, and is the end of all entries at last. The
 * run checks it. */
void fv_w_check_map_ends(fv_rewriter *w, const char *name, fv_value *const *parts);
/* A value of type t that has these parts; NULL where one is. */
fv_value *fv_w_map(fv_rewriter *w, const fv_type *t, fv_value *const *parts);

#endif
