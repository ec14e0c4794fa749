/* map.h - the tensors that represent a map or a sequence of maps.
 *
 * Kernels have tensors only. So a map is represented by two vectors of the same length, `keys` and
 * `values`. For a sequence of maps they contain the entries of all maps, concatenated, and a third
 * vector, `ends`, has the position at which each map ends. The order of entries has no meaning; an
 * op that looks up a key checks that it does not occur twice. An fv.Map op joins the parts of a
 * value where it is made; ops that read the value read the parts. */
#ifndef FV_OPS_SEQUENCE_MAP_H
#define FV_OPS_SEQUENCE_MAP_H

#include "ir/graph/rewriter.h"

enum { FV_PART_KEYS, FV_PART_VALUES, FV_PART_MAP_ENDS, FV_MAP_PARTS };

/* The names of the parts of an input or output x: "x.keys", "x.values", "x.ends". */
const char *fv_map_part_name(fv_arena *a, const char *name, int part);
/* The number of parts of a value of that type: 2, or 3 for a sequence. */
int fv_map_parts(const fv_type *t);
/* The type of the maps: the type itself, or that of the elements of a sequence. */
const fv_type *fv_type_of_maps(const fv_type *t);
/* The parts of v; false after a diagnostic about op, which reads v, if v has not been
 * decomposed. */
bool fv_map_of(const fv_op *op, const fv_value *v, fv_value **parts) FV_MUST_USE;
/* Makes the run check the ends of maps that a caller passes: they must not decrease, and the last
 * one must be the number of entries. */
void fv_w_check_map_ends(fv_rewriter *w, const char *name, fv_value *const *parts);
/* A value of type t with these parts; NULL if a part is NULL. */
fv_value *fv_w_map(fv_rewriter *w, const fv_type *t, fv_value *const *parts);

#endif
