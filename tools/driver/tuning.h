/* tuning.h - tuning files (ir/schedule/tuning.h), for the driver and for the command that writes
 * them. */
#ifndef FV_DRIVER_TUNING_H
#define FV_DRIVER_TUNING_H

#include "driver.h"

#define FV_PRODUCER "fovea " FV_VERSION

/* The target in the form that a tuning file has: "native (x86-64-v4)"; "x86-64-v3 for zen4" if
 * --processor was given. */
const char *fv_tuning_target(fv_arena *a, const fv_target *t);
/* Reads o->tuning for a model with that hash. NULL after a diagnostic: it cannot be read, or was
 * made for another model, version or target, or, for the target native, on another CPU. */
const fv_tuning *fv_driver_tuning(fv_session *s, fv_arena *a, const fv_driver_options *o,
                                  const char *model);

#endif
