/* sandbox.c - the environment of a script besides fv: Lua's libraries, without functions for files,
 * processes and bytecode.
 *
 * No function here may take long, because limits are checked between instructions of Lua. A
 * function that can take long counts its work as steps, or is rewritten so that it does (pattern.c,
 * elements.c). Finalizers would run without a limit, so tables have none. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/lua/internal.h"

/* ---- output ---- */

static void put(lua_State *L, fv_lua_stream to, const char *s, size_t n) {
    const fv_lua *l = fv_lua_of(L);
    if (l->o.host.write)
        l->o.host.write(l->o.host.user, to, s, n);
}

static int print(lua_State *L) {
    int n = lua_gettop(L);
    luaL_Buffer b;
    lua_settop(L, n);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1)
            luaL_addchar(&b, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_addchar(&b, '\n');
    luaL_pushresult(&b);
    size_t size;
    const char *s = lua_tolstring(L, -1, &size);
    put(L, FV_LUA_PRINT, s, size);
    return 0;
}

static void write_all(lua_State *L, int first, fv_lua_stream to) {
    for (int i = first; i <= lua_gettop(L); i++) {
        size_t n;
        const char *s = luaL_checklstring(L, i, &n);
        put(L, to, s, n);
    }
}

/* The function `write` of the tables io.stdout and io.stderr. */
static int stream_write(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    write_all(L, 2, (fv_lua_stream)lua_tointeger(L, lua_upvalueindex(1)));
    lua_settop(L, 1);
    return 1;
}

static int stream_flush(lua_State *L) {
    lua_settop(L, 1);
    return 1;
}

static void push_stream(lua_State *L, fv_lua_stream to) {
    lua_newtable(L);
    lua_pushinteger(L, to);
    lua_pushcclosure(L, stream_write, 1);
    lua_setfield(L, -2, "write");
    lua_pushcfunction(L, stream_flush);
    lua_setfield(L, -2, "flush");
}

static int io_write(lua_State *L) {
    write_all(L, 1, FV_LUA_OUT);
    lua_getfield(L, lua_upvalueindex(1), "stdout");
    return 1;
}

/* ---- functions whose results vary ---- */

/* Calls a function of Lua whose result can differ between runs, and records that the script depends
 * on more than its text. */
static int vary(lua_State *L) {
    int n = lua_gettop(L);
    fv_lua_of(L)->reads.varies = true;
    if (lua_type(L, 1) == LUA_TSTRING) /* os.date with a format */
        fv_lua_count(L, (int64_t)lua_rawlen(L, 1));
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

/* Copies the field of the library on the top of the stack, wrapped in `vary`, to `name` of the
 * table below it. */
static void keep_varying(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, vary, 1);
    lua_setfield(L, -3, name);
}

/* The functions `read` and `lines` of io.stdin, which can only be read and cannot be closed. */
static int stdin_read(lua_State *L) {
    int n = lua_gettop(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    fv_lua_of(L)->reads.varies = true;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_replace(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

/* Pushes the table io.stdin; the library io is on the top of the stack. */
static void push_stdin(lua_State *L) {
    static const char *const methods[] = {"read", "lines"};
    lua_newtable(L);
    for (int i = 0; i < 2; i++) {
        lua_getfield(L, -2, "stdin");
        lua_getfield(L, -1, methods[i]);
        lua_pushcclosure(L, stdin_read, 2);
        lua_setfield(L, -2, methods[i]);
    }
}

static void open_io(lua_State *L) {
    lua_newtable(L);
    luaL_requiref(L, "fv.io", luaopen_io, 0); /* under a name that scripts cannot reach */
    keep_varying(L, "read");
    push_stdin(L);
    lua_setfield(L, -3, "stdin");
    lua_pop(L, 1);
    push_stream(L, FV_LUA_OUT);
    lua_setfield(L, -2, "stdout");
    push_stream(L, FV_LUA_ERR);
    lua_setfield(L, -2, "stderr");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, io_write, 1);
    lua_setfield(L, -2, "write");
    lua_setglobal(L, "io");
}

static void open_os(lua_State *L) {
    lua_newtable(L);
    luaL_requiref(L, "fv.os", luaopen_os, 0);
    keep_varying(L, "clock");
    keep_varying(L, "date");
    lua_pop(L, 1);
    lua_setglobal(L, "os");
}

/* ---- functions that may take long ---- */

/* Calls the function of Lua in upvalue 1 with all arguments. */
static int call_wrapped(lua_State *L) {
    int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

/* coroutine.create: a new coroutine starts a new interval between two checks, so it counts as that
 * many steps. */
static int create(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    fv_lua_count(L, FV_LUA_INTERVAL);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    fv_lua_look_soon(co);
    return 1;
}

/* The function that coroutine.wrap returns. A coroutine that a limit ended is not closed: closing
 * would run code after the hook has raised the error, and without a limit. */
static int resume_wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = lua_gettop(L), found = 0;
    if (!lua_checkstack(co, n))
        return luaL_error(L, "too many arguments to resume");
    if (lua_status(co) == LUA_OK && !lua_gettop(co))
        return luaL_error(L, "cannot resume dead coroutine");
    lua_xmove(L, co, n);
    int status = lua_resume(co, L, n, &found);
    if (status == LUA_OK || status == LUA_YIELD) {
        luaL_checkstack(L, found, "too many results to resume");
        lua_xmove(co, L, found);
        return found;
    }
    if (!fv_lua_of(L)->use.stop && lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD)
        status = lua_resetthread(co);
    lua_xmove(co, L, 1);
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap(lua_State *L) {
    create(L);
    lua_pushcclosure(L, resume_wrapped, 1);
    return 1;
}

/* The function coroutine.close. It raises an error after a limit was exceeded, so a coroutine that
 * a limit ended is not closed. */
static int close_coroutine(lua_State *L) {
    fv_lua_count(L, 1);
    return call_wrapped(L);
}

/* A handler of errors of the script, in upvalue 1. It is not called for the error of a limit: that
 * error was raised by a hook, and the handler would run without one. */
static int handle_error(lua_State *L) {
    if (fv_lua_of(L)->use.stop)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* The function `xpcall` of scripts. */
static int call_with_handler(lua_State *L) {
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle_error, 1);
    lua_replace(L, 2);
    return call_wrapped(L);
}

/* Calls a function that reads its texts once, and counts a step for every 16 bytes of
 * them. */
static int go_through(lua_State *L) {
    size_t all = 0;
    for (int i = 1; i <= lua_gettop(L); i++)
        all += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) : 0;
    fv_lua_count(L, (int64_t)(all / 16));
    return call_wrapped(L);
}

/* string.rep, which counts a step for every 256 bytes of its result. Repeating an empty text costs
 * nothing. */
static int repeat(lua_State *L) {
    size_t n, between;
    luaL_checklstring(L, 1, &n);
    lua_Integer times = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &between);
    if (!(n + between)) {
        lua_pushliteral(L, "");
        return 1;
    }
    fv_lua_count(L, times < 1 || times > INT32_MAX
                        ? 1
                        : (int64_t)((double)times * (double)(n + between) / 256));
    return call_wrapped(L);
}

/* collectgarbage, which visits all memory of the state and counts a step for every 64 bytes of
 * it. */
static int collect(lua_State *L) {
    fv_lua_count(L, (int64_t)(fv_lua_of(L)->use.bytes / 64));
    return call_wrapped(L);
}

static void wrap_field(lua_State *L, const char *library, const char *name, lua_CFunction f) {
    lua_getglobal(L, library);
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* math.randomseed. Without a seed, the numbers that follow differ in each run. */
static int seed_numbers(lua_State *L) {
    fv_lua_of(L)->reads.varies |= lua_gettop(L) == 0;
    return call_wrapped(L);
}

/* ---- text only ---- */

/* Calls the function in upvalue 1, which supplies the text of `load` in pieces. */
static int read_piece(lua_State *L) {
    fv_lua_count(L, FV_LUA_INTERVAL);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_call(L, 0, 1);
    return 1;
}

/* The function `load`, for texts only and not for bytecode. */
static int load_text(lua_State *L) {
    int n = lua_gettop(L);
    if (lua_isfunction(L, 1)) {
        lua_pushvalue(L, 1);
        lua_pushcclosure(L, read_piece, 1);
        lua_replace(L, 1);
    } else if (lua_type(L, 1) == LUA_TSTRING) {
        fv_lua_count(L, (int64_t)lua_rawlen(L, 1));
    }
    if (n < 2)
        lua_settop(L, 2);
    /* passing nil as environment differs from passing none */
    lua_settop(L, n > 4 ? 4 : n < 3 ? 3 : n);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int set_metatable(lua_State *L) {
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(
                L, "setmetatable: there is no __gc here: a finalizer could not be stopped");
        lua_pop(L, 1);
    }
    int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

static void wrap_global(lua_State *L, const char *name, lua_CFunction f) {
    lua_getglobal(L, name);
    lua_pushcclosure(L, f, 1);
    lua_setglobal(L, name);
}

/* ---- require ---- */

/* Pushes the path of the module `name`, such as "a.b", within the folder of the script. The file to
 * which links lead must be in the folder, too. */
static const char *find_file(lua_State *L, const char *name) {
    const fv_lua *l = fv_lua_of(L);
    char path[PATH_MAX], real[PATH_MAX], folder[PATH_MAX];
    if (!*name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") !=
            strlen(name) ||
        strstr(name, "..") || *name == '.')
        luaL_error(
            L,
            "require: '%s' is no name of a script: letters, digits, _ and -, with dots for folders",
            name);
    const char *file = luaL_gsub(L, name, ".", "/");
    if (snprintf(path, sizeof path, "%s/%s.lua", l->folder, file) >= (int)sizeof path)
        luaL_error(L, "require: '%s' is too long a name", name);
    if (!realpath(l->folder, folder) || !realpath(path, real))
        luaL_error(L, "require: there is no %s", path);
    size_t n = strlen(folder);
    if (strncmp(real, folder, n) || (real[n] != '/' && n > 1))
        luaL_error(L, "require: %s is outside of the folder of the script", path);
    return lua_pushstring(L, path);
}

/* Modules are loaded only while the main chunk runs, so that the texts on which a compiled model
 * depends are known before it is compiled. */
static int require(lua_State *L) {
    const char *name = fv_lua_text(L, 1);
    fv_lua *l = fv_lua_of(L);
    size_t n;
    lua_settop(L, 1);
    if (!strcmp(name, "fv")) {
        lua_getglobal(L, "fv");
        return 1;
    }
    if (lua_getfield(L, lua_upvalueindex(1), name) != LUA_TNIL) {
        if (lua_islightuserdata(L, -1))
            return luaL_error(L, "require: '%s' requires itself", name);
        return 1;
    }
    if (l->loaded)
        return luaL_error(L, "require: '%s' comes too late: scripts are read before passes run",
                          name);
    const char *path = find_file(L, name), *text = fv_lua_read(L, path, &n);
    if (luaL_loadbufferx(L, text, n, lua_pushfstring(L, "@%s", path), "t") != LUA_OK)
        return lua_error(L);
    lua_pushlightuserdata(L, l);
    lua_setfield(L, lua_upvalueindex(1), name);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, lua_upvalueindex(1), name);
    return 1;
}

/* ---- the environment ---- */

static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                     {LUA_COLIBNAME, luaopen_coroutine},
                                     {LUA_TABLIBNAME, luaopen_table},
                                     {LUA_STRLIBNAME, luaopen_string},
                                     {LUA_MATHLIBNAME, luaopen_math},
                                     {LUA_UTF8LIBNAME, luaopen_utf8},
                                     {NULL, NULL}};

static const char *const of_strings[] = {"format",  "lower",  "pack", "packsize",
                                         "reverse", "unpack", "upper"};
static const char *const of_utf8[] = {"codepoint", "len", "offset"};

static void forget(lua_State *L, const char *global) {
    lua_pushnil(L);
    lua_setglobal(L, global);
}

/* Hides the metatable of texts, whose __tostring would be executed where functions of the host turn
 * their arguments into texts. */
static void protect_texts(lua_State *L) {
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

static void open_safe(lua_State *L) {
    for (const luaL_Reg *r = libraries; r->name; r++) {
        luaL_requiref(L, r->name, r->func, 1);
        lua_pop(L, 1);
    }
    forget(L, "dofile");
    forget(L, "loadfile");
    lua_getglobal(L, "string");
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    fv_lua_set_patterns(L);
    lua_pop(L, 1);
    lua_getglobal(L, "table");
    fv_lua_set_elements(L);
    lua_pop(L, 1);
    wrap_field(L, "coroutine", "close", close_coroutine);
    wrap_field(L, "coroutine", "create", create);
    wrap_field(L, "coroutine", "wrap", wrap);
    wrap_global(L, "xpcall", call_with_handler);
    wrap_field(L, "string", "rep", repeat);
    for (int i = 0; i < (int)(sizeof of_strings / sizeof *of_strings); i++)
        wrap_field(L, "string", of_strings[i], go_through);
    for (int i = 0; i < (int)(sizeof of_utf8 / sizeof *of_utf8); i++)
        wrap_field(L, "utf8", of_utf8[i], go_through);
    wrap_global(L, "collectgarbage", collect);
    wrap_global(L, "tonumber", go_through);
    wrap_field(L, "math", "randomseed", seed_numbers);
    wrap_global(L, "load", load_text);
    wrap_global(L, "setmetatable", set_metatable);
    protect_texts(L);
    open_io(L);
    open_os(L);
    lua_newtable(L);
    lua_pushcclosure(L, require, 1);
    lua_setglobal(L, "require");
}

/* Opens all libraries of Lua (--unsafe-lua). Modules are searched in the folder of the script
 * first. */
static void open_all(lua_State *L) {
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/?.lua;%s", fv_lua_of(L)->folder, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    lua_pop(L, 2);
}

void fv_lua_open_libraries(lua_State *L) {
    fv_lua *l = fv_lua_of(L);
    if (l->o.unsafe)
        open_all(L);
    else
        open_safe(L);
    lua_pushcfunction(L, print);
    lua_setglobal(L, "print");
    lua_getglobal(L, "math"); /* the seed is fixed, so that runs are equal */
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, 0);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}
