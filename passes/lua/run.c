/* run.c - fv.run: the inputs and outputs of compiled modules. */
#include <string.h>

#include "passes/lua/internal.h"

fv_lua_compiled *fv_lua_compiled_at(lua_State *L, int arg) {
    const fv_lua_compiled_handle *c = luaL_checkudata(L, arg, FV_LUA_COMPILED);
    if (!c->at)
        luaL_error(L, "this compiled module was closed");
    return c->at;
}

static void read_tensors(lua_State *L, int table, fv_lua_inputs *in) {
    const char *const *names = fv_lua_keys(L, table, "inputs");
    while (names[in->n])
        in->n++;
    const fv_tensor **list = fv_lua_scratch(L, (size_t)in->n + 1, sizeof *list);
    lua_createtable(L, in->n, 0); /* keeps them alive, which a table of weak values does not */
    for (int i = 0; i < in->n; i++) {
        fv_lua_field(L, table, names[i]);
        if (!luaL_testudata(L, -1, FV_LUA_TENSOR))
            luaL_error(L, "input '%s' is a %s, expected a tensor", names[i], luaL_typename(L, -1));
        list[i] = fv_lua_tensor_at(L, -1);
        lua_rawseti(L, -2, i + 1);
    }
    in->names = names;
    in->tensors = list;
}

fv_lua_inputs fv_lua_read_inputs(lua_State *L, int arg) {
    fv_lua_inputs in = {0};
    if (lua_isnoneornil(L, arg))
        return in;
    luaL_checkstack(L, 40, NULL);
    if (fv_lua_field(L, arg, "inputs") != LUA_TNIL) {
        if (!lua_istable(L, -1))
            luaL_error(L, "inputs is a %s, expected a table of tensors by name",
                       luaL_typename(L, -1));
        read_tensors(L, lua_gettop(L), &in);
    }
    in.dims = fv_lua_dims_field(L, arg, "dims");
    in.seed = (int)fv_lua_integer_field(L, arg, "seed", 0, 0, INT32_MAX);
    in.threads = (int)fv_lua_integer_field(L, arg, "threads", 0, 0, 4096);
    return in;
}

typedef struct running {
    const fv_lua_host *host;
    fv_session *session;
    fv_lua_compiled *c;
    const fv_lua_inputs *in;
    fv_arena **arena;
    fv_tensor *out;
} running;

static bool run(void *arg) {
    running *r = arg;
    *r->arena = fv_arena_new(r->session);
    return r->host->run(r->host->user, r->c, r->in, *r->arena, r->out);
}

void fv_lua_push_outputs(lua_State *L, fv_lua_compiled *c, const fv_lua_inputs *in) {
    fv_lua *l = fv_lua_of(L);
    luaL_checkstack(L, 8, NULL);
    fv_tensor *out = fv_lua_scratch(L, (size_t)c->noutputs + 1, sizeof *out);
    running r = {&l->o.host, l->session, c, in, fv_lua_push_arena(L), out};
    fv_lua_try(L, NULL, run, &r);
    lua_createtable(L, 0, c->noutputs);
    for (int i = 0; i < c->noutputs; i++) {
        const fv_tensor *t = fv_lua_push_tensor(L, out[i].elem, out[i].rank, out[i].dims);
        if (t->bytes)
            memcpy((void *)(uintptr_t)t->data, out[i].data, t->bytes);
        lua_setfield(L, -2, c->outputs[i].name);
    }
    fv_lua_free_arena(r.arena);
}

/* run(COMPILED, INPUTS, {dims=, seed=, threads=}) */
int fv_lua_run(lua_State *L) {
    static const char *const fields[] = {"dims", "seed", "threads", NULL};
    fv_lua_compiled *c = fv_lua_compiled_at(L, 1);
    lua_settop(L, 3);
    if (!lua_isnil(L, 2) && !lua_istable(L, 2))
        return luaL_error(L, "fv.run: inputs is a %s, expected a table of tensors by name",
                          luaL_typename(L, 2));
    fv_lua_inputs in = {0};
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        fv_lua_check_fields(L, 3, "fv.run", fields);
        in = fv_lua_read_inputs(L, 3);
    }
    if (!lua_isnil(L, 2))
        read_tensors(L, 2, &in);
    fv_lua_push_outputs(L, c, &in);
    return 1;
}
