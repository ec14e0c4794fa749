/* no_script.c - replaces script.c in a build without Lua: using a script is an error. */
#include "tools/script/script.h"

static int refuse(const fv_args *a, const char *what) {
    return fv_usage(a, "%s needs Lua, and this build of Fovea has none (meson's -Dlua=disabled)",
                    what);
}

bool fv_script_begin(fv_context *c, fv_driver_options *o) {
    (void)o;
    const fv_args *a = c->args;
    return (!a->script.script && !a->script.pipeline) ||
           refuse(a, a->script.script ? "--script" : "--pipeline") == FV_EXIT_OK;
}

int fv_script_help(const fv_args *a) {
    return a->script.script || a->script.pipeline
               ? refuse(a, a->script.script ? "--script" : "--pipeline")
               : FV_EXIT_OK;
}

int fv_script_test(fv_context *c, const char *path,
                   void (*tell)(fv_context *c, void *user, const char *name, bool passed),
                   void *user) {
    (void)path;
    (void)tell;
    (void)user;
    fv_error(c->session, "it needs Lua, and this build of Fovea has none (meson's -Dlua=disabled)");
    return -1;
}

const fv_shard_request *fv_script_plan(fv_context *c, const char *path) {
    (void)path;
    refuse(c->args, "--plan");
    return NULL;
}

int fv_cmd_lua(fv_context *c) {
    return refuse(c->args, "fovea lua");
}
