/* map_values.h - what the ports of a model stand for where it is a map, or a sequence of maps:
 * read, printed, written, compared. In JSON it is an object, or a list of objects; names are keys,
 * also where these are integers. */
#ifndef FV_TOOLS_DATA_MAP_VALUES_H
#define FV_TOOLS_DATA_MAP_VALUES_H

#include "frontend/data.h"
#include "tools/command/json.h"
#include "tools/data/values.h"

bool fv_value_is_maps(const fv_port_value *v) FV_MUST_USE;
/* "map(i64, f32)", "seq(map(string, f32))" */
const char *fv_maps_type_str(fv_arena *a, const fv_port_value *v);
/* The parts of it that a file holds, .json or .pb. False after a message. */
bool fv_maps_read(fv_context *c, const fv_port_value *v, const char *path,
                  const fv_tensor **parts) FV_MUST_USE;
/* The maps of these parts; false: a library of another maker gave ends of no text or of no
 * entries. */
bool fv_maps_of(fv_arena *a, const fv_port_value *v, const fv_tensor *const *parts,
                fv_maps *out) FV_MUST_USE;
bool fv_maps_of_arrays(fv_arena *a, const fv_port_value *v, const fv_array *arrays,
                       fv_maps *out) FV_MUST_USE;
/* Element `at` of t, no string, from a number or a text that is one; false: it is none of that
 * type. */
bool fv_json_take_number(fv_arena *a, fv_tensor *t, size_t at, const json_t *v) FV_MUST_USE;
/* Are they the same maps, in whatever order their keys are? False: *why tells a difference. */
bool fv_maps_compare(fv_context *c, const fv_maps *got, const fv_maps *want,
                     const char **why) FV_MUST_USE;
/* Does JSON hold them? Names are unique there, and have no byte 0. False after a message. */
bool fv_maps_fit_json(fv_context *c, const fv_maps *m, const char *what) FV_MUST_USE;
/* The first `most` maps, and as many entries of each; both 0: all. */
json_t *fv_maps_json(fv_arena *a, const fv_maps *m, size_t most_maps, size_t most_entries);

#endif
