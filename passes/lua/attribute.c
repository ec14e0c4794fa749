/* attribute.c - attributes of ops as values of Lua, and back. */
#include <limits.h>
#include <string.h>

#include "passes/lua/internal.h"

/* ---- to Lua ---- */

static void push_list(lua_State *L, const fv_attr *a) {
    lua_createtable(L, a->n, 0);
    for (int i = 0; i < a->n; i++) {
        if (a->kind == FV_ATTR_INTS)
            lua_pushinteger(L, a->u.ints[i]);
        else if (a->kind == FV_ATTR_FLOATS)
            lua_pushnumber(L, (double)a->u.floats[i]);
        else
            lua_pushlstring(L, a->u.strings[i].s, a->u.strings[i].n);
        lua_rawseti(L, -2, i + 1);
    }
}

void fv_lua_push_attr(lua_State *L, fv_lua_box *box, const fv_attr *a) {
    switch (a->kind) {
    case FV_ATTR_INT: lua_pushinteger(L, a->u.i); return;
    case FV_ATTR_FLOAT: lua_pushnumber(L, (double)a->u.f); return;
    case FV_ATTR_STRING: lua_pushlstring(L, a->u.s.s ? a->u.s.s : "", a->u.s.n); return;
    case FV_ATTR_INTS:
    case FV_ATTR_FLOATS:
    case FV_ATTR_STRINGS: push_list(L, a); return;
    case FV_ATTR_TENSOR: fv_lua_push(L, box, FV_LUA_TENSOR, a->u.tensor); return;
    case FV_ATTR_TYPE: fv_lua_push(L, box, FV_LUA_TYPE, a->u.type); return;
    case FV_ATTR_DIMS: fv_lua_push_dims(L, box, a->n, a->u.dims); return;
    case FV_ATTR_REGION: fv_lua_push(L, box, FV_LUA_REGION, a->u.region); return;
    }
}

/* ---- from Lua ---- */

const fv_attr_def *fv_lua_attr_def(lua_State *L, const fv_opdef *d, const char *name) {
    const char *names[FV_MAX_ATTRS + 1];
    int n = 0;
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++) {
        if (d->attrs[i].until)
            continue;
        if (!strcmp(d->attrs[i].name, name))
            return &d->attrs[i];
        names[n++] = d->attrs[i].name;
    }
    names[n] = NULL;
    luaL_error(L, "%s has no attribute '%s'%s", d->name, name,
               fv_lua_nearest(fv_lua_of(L), name, names));
    return NULL;
}

static const char *const kinds[] = {
    [FV_ATTR_INT] = "an integer",           [FV_ATTR_FLOAT] = "a number",
    [FV_ATTR_STRING] = "a string",          [FV_ATTR_INTS] = "a list of integers",
    [FV_ATTR_FLOATS] = "a list of numbers", [FV_ATTR_STRINGS] = "a list of strings",
    [FV_ATTR_TENSOR] = "a tensor",          [FV_ATTR_TYPE] = "a type",
    [FV_ATTR_DIMS] = "a list of dims",      [FV_ATTR_REGION] = "a region"};

static _Noreturn void wrong(lua_State *L, int arg, const fv_attr_def *d, const fv_opdef *of) {
    for (;;) /* luaL_error does not return */
        luaL_error(L, "attribute '%s' of %s is %s, not a %s", d->name, of->name, kinds[d->kind],
                   luaL_typename(L, arg));
}

/* Pushes element i of the list at `arg`, or raises an error. */
static void get_element(lua_State *L, int arg, int i, const fv_attr_def *d, const fv_opdef *of) {
    lua_rawgeti(L, arg, i + 1);
    bool ok = d->kind == FV_ATTR_INTS     ? lua_isinteger(L, -1)
              : d->kind == FV_ATTR_FLOATS ? lua_type(L, -1) == LUA_TNUMBER
                                          : lua_type(L, -1) == LUA_TSTRING;
    if (!ok)
        luaL_error(L, "attribute '%s' of %s is %s: entry %d is a %s", d->name, of->name,
                   kinds[d->kind], i + 1, luaL_typename(L, -1));
}

static void read_list(lua_State *L, int arg, fv_lua_box *box, const fv_attr_def *d,
                      const fv_opdef *of, fv_attr *out) {
    if (!lua_istable(L, arg) || lua_rawlen(L, arg) > FV_MAX_OPERANDS)
        wrong(L, arg, d, of);
    out->n = (int)lua_rawlen(L, arg);
    size_t size = d->kind == FV_ATTR_INTS     ? sizeof(int64_t)
                  : d->kind == FV_ATTR_FLOATS ? sizeof(float)
                  : d->kind == FV_ATTR_DIMS   ? sizeof(fv_dim *)
                                              : sizeof(fv_string);
    void *list = fv_lua_scratch(L, (size_t)out->n, size);
    for (int i = 0; i < out->n; i++) {
        if (d->kind == FV_ATTR_DIMS) {
            lua_rawgeti(L, arg, i + 1);
            ((const fv_dim **)list)[i] = fv_lua_dim(L, lua_gettop(L), box);
            lua_pop(L, 1);
            continue;
        }
        get_element(L, arg, i, d, of);
        if (d->kind == FV_ATTR_INTS)
            ((int64_t *)list)[i] = lua_tointeger(L, -1);
        else if (d->kind == FV_ATTR_FLOATS)
            ((float *)list)[i] = (float)lua_tonumber(L, -1);
        else
            /* the table keeps the text alive */
            ((fv_string *)list)[i].s = lua_tolstring(L, -1, &((fv_string *)list)[i].n);
        lua_pop(L, 1);
    }
    out->u.ints = list;
}

void fv_lua_read_attr(lua_State *L, int arg, fv_lua_box *box, const fv_attr_def *d,
                      const fv_opdef *of, fv_attr *out) {
    *out = (fv_attr){.name = d->name, .kind = d->kind};
    luaL_checkstack(L, 6, NULL);
    switch (d->kind) {
    case FV_ATTR_INT:
        if (!lua_isinteger(L, arg))
            wrong(L, arg, d, of);
        out->u.i = lua_tointeger(L, arg);
        return;
    case FV_ATTR_FLOAT:
        if (lua_type(L, arg) != LUA_TNUMBER)
            wrong(L, arg, d, of);
        out->u.f = (float)lua_tonumber(L, arg);
        return;
    case FV_ATTR_STRING:
        if (lua_type(L, arg) != LUA_TSTRING)
            wrong(L, arg, d, of);
        out->u.s.s = lua_tolstring(L, arg, &out->u.s.n);
        return;
    case FV_ATTR_INTS:
    case FV_ATTR_FLOATS:
    case FV_ATTR_STRINGS:
    case FV_ATTR_DIMS: read_list(L, arg, box, d, of, out); return;
    case FV_ATTR_TENSOR:
    case FV_ATTR_TYPE: {
        fv_lua_box *other;
        bool tensor = d->kind == FV_ATTR_TENSOR;
        if (!luaL_testudata(L, arg, tensor ? FV_LUA_TENSOR : FV_LUA_TYPE))
            wrong(L, arg, d, of);
        const void *at = fv_lua_any(L, arg, tensor ? FV_LUA_TENSOR : FV_LUA_TYPE, &other);
        if (other != box)
            luaL_error(L, "attribute '%s' is of %s module", d->name, other ? "another" : "no");
        if (tensor) {
            ((fv_lua_handle *)lua_touserdata(L, arg))->open = false;
            out->u.tensor = at;
        } else {
            out->u.type = at;
        }
        return;
    }
    case FV_ATTR_REGION:
        luaL_error(
            L,
            "attribute '%s' of %s is a region: scripts change what is in a region, and make none",
            d->name, of->name);
    }
}

fv_attr fv_lua_keep_attr(fv_module *m, const fv_attr *a) {
    fv_attr kept = *a;
    fv_arena *arena = m->arena;
    if (a->kind == FV_ATTR_STRING) {
        kept.u.s.s = fv_strndup(arena, a->u.s.s, a->u.s.n);
    } else if (a->kind == FV_ATTR_INTS || a->kind == FV_ATTR_FLOATS || a->kind == FV_ATTR_DIMS) {
        size_t size = a->kind == FV_ATTR_INTS     ? sizeof(int64_t)
                      : a->kind == FV_ATTR_FLOATS ? sizeof(float)
                                                  : sizeof(fv_dim *);
        void *copy = fv_alloc(arena, (size_t)a->n + 1, size);
        memcpy(copy, a->u.ints, (size_t)a->n * size);
        kept.u.ints = copy;
    } else if (a->kind == FV_ATTR_STRINGS) {
        fv_string *copy = FV_NEW(arena, fv_string, a->n + 1);
        for (int i = 0; i < a->n; i++)
            copy[i] = (fv_string){fv_strndup(arena, a->u.strings[i].s, a->u.strings[i].n),
                                  a->u.strings[i].n};
        kept.u.strings = copy;
    }
    return kept;
}
