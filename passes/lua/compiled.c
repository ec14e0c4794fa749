/* compiled.c - fv.compile, and the compiled modules.
 *
 * A compiled module belongs to the host and its memory is not visible to Lua. A search that
 * compiles many modules could fill the machine with unused ones; fv.compile therefore collects
 * garbage first. */
#include <string.h>

#include "ir/graph/verify.h"
#include "passes/lua/internal.h"

/* ---- fv.compile ---- */

typedef struct compiling {
    const fv_lua_host *host;
    fv_lua_box *box;
    fv_lua_how how;
    fv_lua_compiled **out;
} compiling;

static bool compile(void *arg) {
    compiling *c = arg;
    return fv_lua_settle(c->box) && fv_module_verify(c->box->m, NULL) &&
           c->host->compile(c->host->user, c->box->m, &c->how, c->out);
}

/* Pushes a field that is a text or an integer, as a text; NULL if it does not exist. */
static const char *word_field(lua_State *L, int table, const char *name) {
    int type = fv_lua_field(L, table, name);
    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TSTRING && !lua_isinteger(L, -1))
        luaL_error(L, "%s is a %s, expected a text", name, luaL_typename(L, -1));
    return fv_lua_whole(L, -1);
}

static const char *const *words_field(lua_State *L, int table, const char *name) {
    if (fv_lua_field(L, table, name) == LUA_TNIL)
        return NULL;
    if (!lua_istable(L, -1))
        luaL_error(L, "%s is a %s, expected a list of names", name, luaL_typename(L, -1));
    return fv_lua_texts(L, lua_gettop(L));
}

/* Only shipped passes are accepted: a pass of the script changes a module of which the script has a
 * handle, and what is compiled is a copy. */
static const char *const *passes_field(lua_State *L, int table) {
    int type = fv_lua_field(L, table, "passes");
    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TTABLE)
        luaL_error(L, "passes is a %s, expected a list of names", luaL_typename(L, -1));
    const char *const *names = fv_lua_texts(L, fv_lua_pass_names(L, lua_gettop(L)));
    for (int i = 0; names[i]; i++)
        if (!fv_pass_find(names[i]))
            luaL_error(L,
                       "pass '%s' is the script's: module:run{...} runs it, on a module:copy() "
                       "perhaps, before that is compiled",
                       names[i]);
    return names;
}

/* Reads the field of kernels, a list of texts. */
static const fv_lua_kernel *kernels_field(lua_State *L, int table, int *n) {
    const char *const *texts = words_field(L, table, "kernels");
    for (*n = 0; texts && texts[*n];)
        ++*n;
    fv_lua_kernel *list = fv_lua_scratch(L, (size_t)*n + 1, sizeof *list);
    for (int i = 0; i < *n; i++)
        list[i] = (fv_lua_kernel){texts[i], fv_lua_of(L)->path, fv_lua_line(L)};
    return list;
}

static fv_lua_how read_how(lua_State *L, int arg) {
    static const char *const fields[] = {"backend",   "dims",   "disable",   "enable", "kernels",
                                         "level",     "passes", "processor", "relax",  "schedule",
                                         "schedules", "target", NULL};
    fv_lua_how h = {0};
    if (lua_isnoneornil(L, arg))
        return h;
    luaL_checktype(L, arg, LUA_TTABLE);
    luaL_checkstack(L, 40, NULL);
    fv_lua_check_fields(L, arg, "fv.compile", fields);
    h.level = word_field(L, arg, "level");
    h.schedule = word_field(L, arg, "schedule");
    h.backend = word_field(L, arg, "backend");
    h.target = word_field(L, arg, "target");
    h.processor = word_field(L, arg, "processor");
    h.passes = passes_field(L, arg);
    h.enable = words_field(L, arg, "enable");
    h.disable = words_field(L, arg, "disable");
    h.relax = words_field(L, arg, "relax");
    h.dims = fv_lua_dims_field(L, arg, "dims");
    h.schedules = fv_lua_schedules_field(L, arg);
    h.kernels = kernels_field(L, arg, &h.nkernels);
    return h;
}

int fv_lua_compile(lua_State *L) {
    const fv_lua_host *host = &fv_lua_of(L)->o.host;
    compiling c = {.host = host, .box = fv_lua_module(L, 1)};
    if (!host->compile || !c.box->owned)
        return luaL_error(
            L,
            "fv.compile: only `fovea lua` and `fovea test` compile modules; here the command does");
    c.how = read_how(L, 2);
    fv_lua_compiled_handle *made = lua_newuserdatauv(L, sizeof *made, 1);
    *made = (fv_lua_compiled_handle){.host = host};
    luaL_setmetatable(L, FV_LUA_COMPILED);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1); /* keeps alive the module, whose constants it shares */
    lua_gc(L, LUA_GCCOLLECT);
    c.out = &made->at;
    fv_lua_change(L, c.box, compile, &c);
    return 1;
}

/* ---- properties ---- */

static int compiled_close(lua_State *L) {
    fv_lua_compiled_handle *c = luaL_checkudata(L, 1, FV_LUA_COMPILED);
    if (c->at)
        c->host->release(c->at);
    c->at = NULL;
    return 0;
}

static void push_port(lua_State *L, const fv_lua_port *p) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, p->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, fv_elem_name(p->elem));
    lua_setfield(L, -2, "elem");
    lua_createtable(L, p->rank, 0);
    for (int i = 0; i < p->rank; i++) {
        if (!lua_stringtonumber(L, p->dims[i]))
            lua_pushstring(L, p->dims[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "dims");
}

static int push_ports(lua_State *L, int n, const fv_lua_port *list) {
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        push_port(L, &list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int compiled_inputs(lua_State *L) {
    const fv_lua_compiled *c = fv_lua_compiled_at(L, 1);
    return push_ports(L, c->ninputs, c->inputs);
}

static int compiled_outputs(lua_State *L) {
    const fv_lua_compiled *c = fv_lua_compiled_at(L, 1);
    return push_ports(L, c->noutputs, c->outputs);
}

static int compiled_str(lua_State *L) {
    const fv_lua_compiled_handle *c = luaL_checkudata(L, 1, FV_LUA_COMPILED);
    lua_pushstring(L, c->at ? "compiled module" : "compiled module (closed)");
    return 1;
}

const fv_lua_class fv_lua_compiled_class = {
    FV_LUA_COMPILED,
    (const luaL_Reg[]){{"inputs", compiled_inputs}, {"outputs", compiled_outputs}, {NULL, NULL}},
    (const luaL_Reg[]){{"close", compiled_close},
                       {"cost", fv_lua_compiled_cost},
                       {"profile", fv_lua_compiled_profile},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", compiled_str},
                       {"__gc", compiled_close},
                       {"__close", compiled_close},
                       {NULL, NULL}}};
