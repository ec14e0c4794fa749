/* machine.h - finds the profile of this machine, and reads profiles. */
#ifndef FV_DRIVER_MACHINE_H
#define FV_DRIVER_MACHINE_H

#include "ir/graph/graph.h"
#include "ir/target/machine.h"

/* The path of this machine's profile: the variable FOVEA_PROCESSOR, otherwise the file `processor`
 * in the user's folder for settings. NULL: the variable is empty, or there is no such folder. */
const char *fv_machine_path(fv_arena *a);
/* Creates the folder of the path, for this user only. False after a diagnostic. */
bool fv_machine_make_folder(fv_session *s, fv_arena *a, const char *path) FV_MUST_USE;
/* Reads the profile at the path. NULL after a diagnostic. */
const fv_machine *fv_machine_read(fv_session *s, fv_arena *a, const char *path);
/* The target `t`, which is `native`, with the profile of this machine. Without a profile it is t;
 * also, after a note, if the profile is damaged or was measured on another CPU. */
const fv_target *fv_machine_native(fv_session *s, fv_arena *a, const fv_target *t);
/* The target `t` for code of the model that runs in this process: if t is `native` and the model
 * has elements of at most 8 bits, or bf16 where its sums may be in tiles (`tiles`), asks the system
 * for the registers of t that it gives only on request. If it refuses them, the result is t without
 * the features that use them, and a note says so. */
const fv_target *fv_machine_permitted(const fv_module *m, const fv_target *t, bool tiles);
/* Why this machine cannot run code for the target: "it lacks avx512f, avx512bw". */
const char *fv_machine_lack(fv_arena *a, const fv_target *t);

#endif
