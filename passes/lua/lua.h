/* lua.h - scripts: passes, pipelines and whole experiments in Lua 5.4, of which module `fv` is the
 * language (docs/lua.md).
 *
 * A script is a Lua state of its own, with limits. What a script does wrong is an error at its
 * line, and a diagnostic of the session where nobody in the script caught it; it never ends the
 * process, and it never leaves frames of Fovea behind that own something: internal.h says how. This
 * library is linked by the command, and by nothing of libfovea. */
#ifndef FV_PASSES_LUA_LUA_H
#define FV_PASSES_LUA_LUA_H

#include "passes/lua/host.h"
#include "passes/passes.h"

typedef struct fv_lua fv_lua;

typedef struct fv_lua_options {
    fv_lua_host host;
    /* NAME=VALUE of options that the script declares; NULL terminated, or NULL */
    const char *const *args;
    const char *const *words; /* what follows the script: arg[1], ...; NULL terminated, or NULL */
    size_t memory;            /* bytes that the state may take */
    int64_t steps;            /* instructions that it may run */
    bool unsafe;              /* all of Lua's libraries */
    bool pipeline;            /* what the main chunk returns is the script's pipeline */
} fv_lua_options;

/* An option that a script has declared. */
typedef struct fv_lua_option {
    const char *name, *doc; /* doc may be "" */
    const char *otherwise;  /* its default, as --script-arg would give it */
    const char *pass;       /* whose it is; NULL: the script's */
} fv_lua_option;

/* Reads the script and runs its main chunk, with a door of the session open. The state lives until
 * the session is freed. NULL after diagnostics: it cannot be read, is none, or has failed. */
fv_lua *fv_lua_open(fv_session *s, const char *path, const fv_lua_options *o);

/* The passes that it has declared, NULL terminated: fv_pipeline_options.own. */
const fv_pass *const *fv_lua_passes(const fv_lua *l);
/* Its pipeline; without one all its passes and then the ones of the level. Steps and code may be
 * NULL. Lives as long as the state. */
fv_pipeline_table fv_lua_pipeline(fv_lua *l, char level);
const fv_lua_option *fv_lua_option_at(const fv_lua *l, int i); /* by name; NULL behind the last */

/* What it wishes for kernels, by nodes; NULL: nothing. Lives as long as the state. */
const fv_tuning *fv_lua_schedules(const fv_lua *l);

/* Its i-th kernel; NULL behind the last. Lives as long as the state. */
const fv_lua_kernel *fv_lua_kernel_at(const fv_lua *l, int i);

/* The name of its i-th test, in the order in which they were declared; NULL behind the last. */
const char *fv_lua_test_name(const fv_lua *l, int i);
/* Runs that test. False after diagnostics. */
bool fv_lua_test_run(fv_lua *l, int i) FV_MUST_USE;

/* All that what it does depends on: its text, that of what it requires, the arguments. Valid while
 * the state lives. */
const char *fv_lua_key(fv_lua *l);
/* Becomes true when it has asked for something else: the time, standard input, or the libraries of
 * --unsafe-lua. */
const bool *fv_lua_varies(const fv_lua *l);

/* Not 0 once Ctrl-C was pressed while a script runs: for fv_env.cancel of what it runs. */
const volatile int32_t *fv_lua_interrupt(void);

/* ---- names, for checks of the documents ---- */

enum { FV_LUA_NAME = 80 };
/* "fv.pass", "op.inputs", "op:erase": entry i of the module into `out`, of FV_LUA_NAME; NULL behind
 * the last. */
const char *fv_lua_name_at(int i, char *out);

#endif
