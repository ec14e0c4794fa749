/* profile.h - finds the profile of this machine, and reads profiles. */
#ifndef FV_DRIVER_PROFILE_H
#define FV_DRIVER_PROFILE_H

#include "ir/target/profile.h"

/* The path of this machine's profile: the variable FOVEA_PROCESSOR, otherwise the file `processor`
 * in the user's folder for settings. NULL: the variable is empty, or there is no such folder. */
const char *fv_profile_path(fv_arena *a);
/* Reads the profile at the path. NULL after a diagnostic. */
const fv_profile *fv_profile_read(fv_session *s, fv_arena *a, const char *path);
/* The target `t`, which is `native`, with the profile of this machine. Without a profile it is t;
 * also, after a note, if the profile is damaged or was measured on another CPU. */
const fv_target *fv_profile_native(fv_session *s, fv_arena *a, const fv_target *t);

#endif
