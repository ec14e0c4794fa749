/* tuning.h - tuning files (ir/schedule/tuning.h) of the driver. Private to it, but for who writes
 * one. */
#ifndef FV_DRIVER_TUNING_H
#define FV_DRIVER_TUNING_H

#include "driver.h"

#define FV_PRODUCER "fovea " FV_VERSION

/* What a tuning says of its target: "native (x86-64-v4)"; "x86-64-v3 for zen4" where --processor
 * chose. */
const char *fv_tuning_target(fv_arena *a, const fv_target *t);
/* Reads o->tuning for a model of that hash. NULL after a diagnostic: it cannot be read, or was made
 * for something else: another model, version, target, or for the target native another CPU. */
const fv_tuning *fv_driver_tuning(fv_session *s, fv_arena *a, const fv_driver_options *o,
                                  const char *model);

#endif
