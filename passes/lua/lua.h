/* lua.h - scripts in Lua 5.4: passes, pipelines and experiments. docs/lua.md documents their module
 * `fv`.
 *
 * Each script has a Lua state of its own, with limits. An error of a script is an error of Lua at
 * its line, and a diagnostic of the session if the script does not catch it. It never ends the
 * process, and never jumps over frames of Fovea that own something; internal.h explains how. The
 * command links this library, libfovea does not. */
#ifndef FV_PASSES_LUA_LUA_H
#define FV_PASSES_LUA_LUA_H

#include "passes/lua/host.h"
#include "passes/passes.h"
#include "passes/shard/shard.h"

typedef struct fv_lua fv_lua;

/* What the main chunk of a script returns. */
typedef enum fv_lua_returns {
    FV_LUA_ANYTHING, /* it does not matter */
    FV_LUA_PIPELINE, /* the pipeline of the script */
    FV_LUA_PLAN      /* the plan of a cut */
} fv_lua_returns;

typedef struct fv_lua_options {
    fv_lua_host host;
    /* NAME=VALUE for options of the script; NULL terminated, or NULL */
    const char *const *args;
    const char *const *words; /* what follows the script: arg[1], ...; NULL terminated, or NULL */
    size_t memory;            /* bytes that the state may take */
    int64_t steps;            /* instructions that it may run */
    bool unsafe;              /* with all of Lua's libraries */
    fv_lua_returns returns;
} fv_lua_options;

/* An option that a script declared. */
typedef struct fv_lua_option {
    const char *name, *doc; /* doc may be "" */
    const char *otherwise;  /* its default, written as for --script-arg */
    const char *pass;       /* the pass that declared it; NULL: the script itself */
} fv_lua_option;

/* Reads the script and runs its main chunk, with a door of the session open. The state lives until
 * the session is freed. NULL after diagnostics: the script cannot be read, is not Lua, has failed,
 * or does not declare an option that o->args gives. */
fv_lua *fv_lua_open(fv_session *s, const char *path, const fv_lua_options *o);

/* The passes that the script declared, NULL terminated: fv_pipeline_options.own. */
const fv_pass *const *fv_lua_passes(const fv_lua *l);
/* The pipeline of the script; if it declares none, all its passes, followed by those of the level.
 * Steps and code may be NULL. Lives as long as the state. */
fv_pipeline_table fv_lua_pipeline(fv_lua *l, char level);
/* Option number i of the script's options, which are sorted by name; NULL after the last. */
const fv_lua_option *fv_lua_option_at(const fv_lua *l, int i);

/* The plan that the script has returned; NULL unless it returns one. Lives as long as the state. */
const fv_shard_request *fv_lua_plan(const fv_lua *l);

/* The schedules that the script requests, by node; NULL: none. Lives as long as the state. */
const fv_tuning *fv_lua_schedules(const fv_lua *l);

/* The i-th kernel of the script; NULL after the last. Lives as long as the state. */
const fv_lua_kernel *fv_lua_kernel_at(const fv_lua *l, int i);

/* The name of the i-th test, in the order of declaration; NULL after the last. */
const char *fv_lua_test_name(const fv_lua *l, int i);
/* Runs the i-th test. False after diagnostics. */
bool fv_lua_test_run(fv_lua *l, int i) FV_MUST_USE;

/* A text on which alone the effect of the script depends, unless fv_lua_varies says otherwise: its
 * text, that of the files it requires, the arguments, and the version of Lua. Valid while the state
 * lives. */
const char *fv_lua_key(fv_lua *l);
/* Becomes true when the script has used something that the key does not cover: the time, standard
 * input, or the libraries of --unsafe-lua. */
const bool *fv_lua_varies(const fv_lua *l);

/* Not 0 after Ctrl-C was pressed while a script runs; for fv_env.cancel of the models it runs. */
const volatile int32_t *fv_lua_interrupt(void);

/* ---- names, for checks of the documents ---- */

enum { FV_LUA_NAME = 80 };
/* Writes name i of the module to `out`, an array of FV_LUA_NAME: "fv.pass", "op.inputs",
 * "op:erase". NULL after the last. */
const char *fv_lua_name_at(int i, char *out);

#endif
