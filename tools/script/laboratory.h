/* laboratory.h - implements the members of fv_lua_host (passes/lua/host.h) by which scripts
 * compile, run, time and compare models. `user` is the context of the command. */
#ifndef FV_TOOLS_SCRIPT_LABORATORY_H
#define FV_TOOLS_SCRIPT_LABORATORY_H

#include "passes/lua/host.h"
#include "tools/command/command.h"
#include "tools/driver/by_hand.h"

bool fv_laboratory_compile(void *user, const fv_module *m, const fv_lua_how *how,
                           fv_lua_compiled **out) FV_MUST_USE;
void fv_laboratory_release(fv_lua_compiled *c);
bool fv_laboratory_run(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                       fv_tensor *out) FV_MUST_USE;
bool fv_laboratory_time(void *user, fv_lua_compiled *const *list, int n, const fv_lua_inputs *in,
                        int rounds, double seconds, fv_arena *a, fv_lua_timing *out) FV_MUST_USE;
bool fv_laboratory_cost(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                        fv_lua_cost *out) FV_MUST_USE;
bool fv_laboratory_profile(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                           fv_lua_profile *out) FV_MUST_USE;
void fv_laboratory_differ(fv_arena *a, const fv_tensor *got, const fv_tensor *want, double atol,
                          double rtol, fv_lua_difference *out);

/* The kernels of a script in the form that the driver takes, in the arena; NULL: n is 0. args:
 * whether scripts are trusted, and the limit of steps. */
const fv_hand_kernels *fv_laboratory_kernels(fv_arena *a, const fv_args *args, int n,
                                             const fv_lua_kernel *list);

#endif
