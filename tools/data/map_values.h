/* map_values.h - values of a model that are maps or sequences of maps, each passed as several
 * ports: reading, printing, writing, comparing. In JSON, a map is an object and a sequence a list
 * of objects; keys are names of the object, also if they are integers. */
#ifndef FV_TOOLS_DATA_MAP_VALUES_H
#define FV_TOOLS_DATA_MAP_VALUES_H

#include "frontend/data.h"
#include "tools/command/json.h"
#include "tools/data/values.h"

bool fv_value_is_maps(const fv_port_value *v) FV_MUST_USE;
/* the type as text: "map(i64, f32)", "seq(map(string, f32))" */
const char *fv_maps_type_str(fv_arena *a, const fv_port_value *v);
/* Reads the tensors that represent the value from a .json or .pb file. False after a message. */
bool fv_maps_read(fv_context *c, const fv_port_value *v, const char *path,
                  const fv_tensor **parts) FV_MUST_USE;
/* Makes maps from the tensors that represent them. False: the tensors are inconsistent, which can
 * happen with results of a library that Fovea did not make. */
bool fv_maps_of(fv_arena *a, const fv_port_value *v, const fv_tensor *const *parts,
                fv_maps *out) FV_MUST_USE;
bool fv_maps_of_arrays(fv_arena *a, const fv_port_value *v, const fv_array *arrays,
                       fv_maps *out) FV_MUST_USE;
/* Sets element `at` of t from JSON: a bool from true or false, a number from a JSON number or from
 * a string that contains a number. False: v is nothing like that, or not in the range of t's type.
 * t must not be a tensor of strings. */
bool fv_json_take_number(fv_arena *a, fv_tensor *t, size_t at, const json_t *v) FV_MUST_USE;
/* Are the maps equal, regardless of the order of their keys? False: *why describes a difference. */
bool fv_maps_compare(fv_context *c, const fv_maps *got, const fv_maps *want,
                     const char **why) FV_MUST_USE;
/* Can JSON represent the maps? Keys must be unique and contain no byte 0. False after a message. */
bool fv_maps_fit_json(fv_context *c, const fv_maps *m, const char *what) FV_MUST_USE;
/* The maps as JSON: the first `most_maps` maps (0: all), and the first `most_entries` entries of
 * each (0: all). */
json_t *fv_maps_json(fv_arena *a, const fv_maps *m, size_t most_maps, size_t most_entries);

#endif
