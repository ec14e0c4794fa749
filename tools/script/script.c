/* script.c - runs Lua scripts: `fovea lua`, and --script of other commands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/data.h"
#include "frontend/file.h"
#include "ir/base/session.h"
#include "ir/graph/verify.h"
#include "passes/lua/lua.h"
#include "tools/command/progress.h"
#include "tools/model/model.h"
#include "tools/script/laboratory.h"
#include "tools/script/script.h"

/* ---- requests of a script ---- */

/* Writes a text that the script prints. Standard output contains the result of most commands, so
 * the script's texts go there in `fovea lua` only, otherwise to standard error. */
static void print_text(void *user, fv_lua_stream to, const char *text, size_t n) {
    const fv_context *c = user;
    bool own = !strcmp(c->args->line.command, "lua");
    fv_put_lines(to == FV_LUA_ERR || !own ? stderr : stdout, text, n);
}

static fv_module *load(void *user, const char *path) {
    fv_context *c = user;
    fv_driver_options o;
    fv_source source;
    if (!fv_args_driver(c, &o, true))
        return NULL;
    fv_progress_phase(c->args, path, "reads the model");
    if (!fv_driver_read(c->session, path, &o, &source))
        return NULL;
    if (source.module && !source.module->definitions)
        return fv_module_verify(source.module, NULL) ? source.module : NULL;
    fv_error(c->session, "'%s' holds %s, and no graph", path,
             source.module ? "definitions" : "kernels");
    return NULL;
}

/* The path of a file in the output folder, which the user chose; a script cannot write elsewhere.
 * NULL after a diagnostic. */
static const char *path_of(fv_context *c, const char *what, const char *name) {
    const char *folder = c->args->result.output;
    if (!folder)
        fv_error(c->session, "%s needs a folder: fovea lua --output=DIR F.lua", what);
    else if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        fv_error(c->session, "%s: '%s' is no name of a file", what, name);
    else
        return fv_printf(c->arena, "%s/%s", folder, name);
    return NULL;
}

/* Is it a path within a folder: names with slashes between them, of which none is "", "." or
 * ".."? */
static bool is_inside(const char *path) {
    for (size_t n; *path; path += n + (path[n] == '/')) {
        n = strcspn(path, "/");
        if (!n || (n == 1 && *path == '.') || (n == 2 && !strncmp(path, "..", 2)) ||
            (path[n] && !path[n + 1]))
            return false;
    }
    return true;
}

/* Is the file within the folder, with all links followed? */
static bool is_within(const char *folder, const char *path) {
    char *outer = realpath(folder, NULL), *inner = realpath(path, NULL);
    size_t n = outer ? strlen(outer) : 0;
    bool within = outer && inner && !strncmp(inner, outer, n) &&
                  (inner[n] == '/' || (n && outer[n - 1] == '/'));
    free(outer);
    free(inner);
    return within;
}

static const fv_tensor *read_from(fv_context *c, const char *folder, const char *path,
                                  fv_arena *a) {
    if (!is_within(folder, path)) {
        fv_error(c->session,
                 "fv.tensor_file: '%s' cannot be opened within '%s': a link leads out "
                 "of it, or to nothing",
                 path, folder);
        return NULL;
    }
    const fv_tensor *t = fv_tensor_read(c->session, a, path, FV_NO_ELEM);
    if (t && !fv_elem_is_float(t->elem) && !fv_elem_is_int(t->elem) && t->elem != FV_BOOL) {
        fv_error(c->session,
                 "fv.tensor_file: '%s' holds elements of %s, which no tensor of a "
                 "script has",
                 path, fv_elem_name(t->elem));
        return NULL;
    }
    return t;
}

static const fv_tensor *read_tensor(void *user, const char *name, fv_arena *a) {
    fv_context *c = user;
    const fv_list_arg *folders = &c->args->script.tensors;
    const char *more = folders->n > 1 ? " or in the other folders of --tensors" : "";
    if (!folders->n) {
        fv_error(c->session, "fv.tensor_file needs a folder: fovea lua --tensors=DIR F.lua");
        return NULL;
    }
    if (!*name || !is_inside(name)) {
        fv_error(c->session, "fv.tensor_file: '%s' is no path within a folder", name);
        return NULL;
    }
    for (int i = 0; i < folders->n; i++) {
        const char *path = fv_printf(a, "%s/%s", folders->at[i], name);
        struct stat st;
        if (!lstat(path, &st))
            return read_from(c, folders->at[i], path, a);
        if (errno != ENOENT && errno != ENOTDIR) {
            fv_error(c->session, "fv.tensor_file: '%s': %s", path, strerror(errno));
            return NULL;
        }
    }
    fv_error(c->session, "fv.tensor_file: there is no '%s' in %s%s", name, folders->at[0], more);
    return NULL;
}

static bool save(void *user, const fv_module *m, const char *name) {
    fv_context *c = user;
    const char *path = path_of(c, "module:save", name);
    return path && fv_driver_write_ir(c->session, m, NULL, path);
}

static bool save_text(void *user, const char *text, size_t n, const char *name) {
    fv_context *c = user;
    const char *path = path_of(c, "fv.save", name);
    return path && fv_driver_spares(c->session, path) && fv_file_write(c->session, path, text, n);
}

/* The functions that Fovea offers to the script. If it is no program (`fovea lua`, `fovea test`),
 * but the script of another command, it only changes the command's model in its passes. */
static fv_lua_host host_of(fv_context *c, bool program) {
    if (!program)
        return (fv_lua_host){.user = c, .write = print_text};
    return (fv_lua_host){.user = c,
                         .write = print_text,
                         .load = load,
                         .read_tensor = read_tensor,
                         .save = save,
                         .save_text = save_text,
                         .compile = fv_laboratory_compile,
                         .release = fv_laboratory_release,
                         .run = fv_laboratory_run,
                         .time = fv_laboratory_time,
                         .cost = fv_laboratory_cost,
                         .profile = fv_laboratory_profile,
                         .differ = fv_laboratory_differ};
}

static fv_lua *open_script(fv_context *c, const char *path, bool program, fv_lua_returns returns) {
    const fv_args *a = c->args;
    fv_lua_options o = {.host = host_of(c, program),
                        .args = a->script.args.at,
                        .words = !strcmp(a->line.command, "lua") ? a->operand + 1 : NULL,
                        .memory = (size_t)a->script.memory << 20,
                        .steps = (int64_t)a->script.steps * 1000000,
                        .unsafe = a->script.unsafe,
                        .returns = returns};
    return fv_lua_open(c->session, path, &o);
}

/* ---- --script and --pipeline ---- */

/* The path that --pipeline or --script gives; NULL: neither is given. */
static const char *script_of(const fv_args *a) {
    return a->script.pipeline ? a->script.pipeline : a->script.script;
}

static fv_lua_returns returned_by(const fv_args *a) {
    return a->script.pipeline ? FV_LUA_PIPELINE : FV_LUA_ANYTHING;
}

/* Is the option among the words of the command line? Commands that compare with the naive schedule
 * set it without that. */
static bool was_typed(const fv_args *a, const char *option) {
    bool found = false;
    for (int i = 0; i < a->line.nwords && !found; i++)
        found = !strncmp(a->line.words[i], option, strlen(option));
    return found;
}

/* Says which requests of the script have no effect, because the user chose the naive schedule. */
static void tell_ignored(const fv_context *c, const fv_driver_options *o) {
    bool schedules = fv_lua_schedules(c->script) != NULL,
         kernels = fv_lua_kernel_at(c->script, 0) != NULL;
    if (o->naive && (schedules || kernels) && was_typed(c->args, "--schedule") &&
        strcmp(c->args->line.command, "diff") != 0)
        fv_note(c, "with --schedule=naive the %s of %s have no effect",
                schedules && kernels ? "schedules and kernels"
                : schedules          ? "schedules"
                                     : "kernels",
                script_of(c->args));
}

static const char key;

/* Reads the script. It prints by a context and arguments of its own, since it lives as long as the
 * session, and c may end before. */
static struct fv_lua *read_script(const fv_context *c) {
    fv_arena *a = fv_arena_new(c->session);
    fv_context *own = FV_NEW(a, fv_context, 1);
    fv_args *args = FV_NEW(a, fv_args, 1);
    *own = *c;
    *args = *c->args;
    own->args = args;
    return open_script(own, script_of(args), false, returned_by(args));
}

/* Sets c->script. Several contexts may have the same session, as those of two sides that are
 * compared; the script is read once there, since it declares operators in the session. */
static bool find_script(fv_context *c, const fv_driver_options *o) {
    if (!c->script)
        c->script = *fv_session_slot(c->session, &key);
    if (c->script)
        return true;
    c->script = read_script(c);
    if (!c->script)
        return false;
    *fv_session_slot(c->session, &key) = c->script;
    tell_ignored(c, o);
    return true;
}

bool fv_script_begin(fv_context *c, fv_driver_options *o) {
    if (!script_of(c->args))
        return true;
    if (!find_script(c, o))
        return false;
    fv_pipeline_options *p = FV_NEW(c->arena, fv_pipeline_options, 1);
    *p = *o->work.pipeline;
    p->own = fv_lua_passes(c->script);
    o->work.pipeline = p;
    const fv_pipeline_table table = fv_lua_pipeline(c->script, o->level ? o->level : '2');
    if (!o->work.passes)
        o->work.passes = table.passes;
    o->work.steps = table.steps;
    if (!o->level && table.code)
        o->level = *table.code;
    if (fv_lua_schedules(c->script) && o->tuning.path)
        return fv_usage(c->args, "--tuning and a script that says schedules: one of them") ==
               FV_EXIT_OK;
    o->tuning.tuned = o->naive ? NULL : fv_lua_schedules(c->script);
    int n = 0;
    while (fv_lua_kernel_at(c->script, n))
        n++;
    o->tuning.kernels =
        o->naive ? NULL
                 : fv_laboratory_kernels(c->arena, c->args, n, fv_lua_kernel_at(c->script, 0));
    o->work.script = fv_lua_key(c->script);
    o->work.script_varies = fv_lua_varies(c->script);
    return true;
}

static void print_help(const fv_lua *l, const char *path) {
    fv_out("\npasses of %s:\n", path);
    for (const fv_pass *const *p = fv_lua_passes(l); *p; p++)
        fv_out("  %-20s %s\n", (*p)->name, (*p)->doc);
    if (fv_lua_option_at(l, 0))
        fv_out("\noptions of %s, as --script-arg NAME=VALUE:\n", path);
    for (int i = 0; fv_lua_option_at(l, i); i++) {
        const fv_lua_option *o = fv_lua_option_at(l, i);
        fv_out("  %-20s %s%s(%s)\n", o->name, o->doc, *o->doc ? " " : "", o->otherwise);
    }
}

static int help(fv_context *c) {
    const fv_lua *l = open_script(c, script_of(c->args), false, returned_by(c->args));
    if (!l)
        return fv_failed(c);
    print_help(l, script_of(c->args));
    return FV_EXIT_OK;
}

int fv_script_help(const fv_args *a) {
    static const fv_command command = {.name = "help", .run = help};
    return script_of(a) ? fv_run_command(&command, a) : FV_EXIT_OK;
}

/* ---- fovea shard --plan ---- */

const fv_shard_request *fv_script_plan(fv_context *c, const char *path) {
    const fv_lua *l = open_script(c, path, false, FV_LUA_PLAN);
    return l ? fv_lua_plan(l) : NULL;
}

/* ---- fovea test ---- */

int fv_script_test(fv_context *c, const char *path,
                   void (*tell)(fv_context *c, void *user, const char *name, bool passed),
                   void *user) {
    fv_lua *l = open_script(c, path, true, FV_LUA_ANYTHING);
    int n = 0;
    for (; l && fv_lua_test_name(l, n); n++) {
        bool passed = fv_lua_test_run(l, n);
        tell(c, user, fv_lua_test_name(l, n), passed);
    }
    return l ? n : -1;
}

/* ---- fovea lua ---- */

int fv_cmd_lua(fv_context *c) {
    const char *folder = c->args->result.output;
    const fv_list_arg *tensors = &c->args->script.tensors;
    struct stat st;
    if (folder && !strcmp(folder, "-"))
        return fv_usage(c->args, "--output of lua is a folder, not standard output");
    for (int i = 0; i < tensors->n; i++)
        if (stat(tensors->at[i], &st) || !S_ISDIR(st.st_mode))
            return fv_usage(c->args, "--tensors=%s is no folder", tensors->at[i]);
    if (folder && !access(c->args->operand[0], R_OK) && !fv_make_folder(c, "--output", folder))
        return fv_failed(c);
    return open_script(c, c->args->operand[0], true, FV_LUA_ANYTHING) ? FV_EXIT_OK : fv_failed(c);
}
