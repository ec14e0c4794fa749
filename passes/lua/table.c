/* table.c - tables as arguments of functions: named fields, and lists. */
#include <stdlib.h>
#include <string.h>

#include "passes/lua/internal.h"

const char *fv_lua_whole(lua_State *L, int at) {
    size_t n;
    const char *text = lua_tolstring(L, at, &n);
    if (strlen(text) != n)
        luaL_error(L, "'%s' ends with a byte 0, which no name or text has", text);
    return text;
}

const char *fv_lua_text(lua_State *L, int arg) {
    luaL_checkstring(L, arg);
    return fv_lua_whole(L, arg);
}

int fv_lua_field(lua_State *L, int table, const char *name) {
    table = lua_absindex(L, table);
    luaL_checktype(L, table, LUA_TTABLE);
    lua_pushstring(L, name);
    return lua_rawget(L, table);
}

void fv_lua_check_fields(lua_State *L, int table, const char *what, const char *const *names) {
    lua_pushnil(L);
    while (lua_next(L, table)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        bool known = false;
        for (const char *const *k = names; name && *k; k++)
            known |= !strcmp(*k, name);
        if (!known)
            luaL_error(L, "%s takes no '%s'%s", what, name ? name : luaL_typename(L, -2),
                       name ? fv_lua_nearest(fv_lua_of(L), name, names) : "");
        lua_pop(L, 1);
    }
}

const char *fv_lua_text_field(lua_State *L, int table, const char *name, const char *otherwise) {
    fv_lua_field(L, table, name);
    if (lua_isnil(L, -1) && otherwise)
        return otherwise;
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "%s is a %s, expected a text", name, luaL_typename(L, -1));
    return fv_lua_whole(L, -1);
}

lua_Integer fv_lua_integer_field(lua_State *L, int table, const char *name, lua_Integer otherwise,
                                 lua_Integer least, lua_Integer most) {
    if (fv_lua_field(L, table, name) == LUA_TNIL)
        return otherwise;
    if (!lua_isinteger(L, -1))
        luaL_error(L, "%s is a %s, expected an integer", name, luaL_typename(L, -1));
    lua_Integer i = lua_tointeger(L, -1);
    if (i < least || i > most)
        luaL_error(L, "%s is %I, expected %I to %I", name, i, least, most);
    return i;
}

double fv_lua_number_field(lua_State *L, int table, const char *name, double otherwise) {
    if (fv_lua_field(L, table, name) == LUA_TNIL)
        return otherwise;
    if (lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "%s is a %s, expected a number", name, luaL_typename(L, -1));
    return lua_tonumber(L, -1);
}

int fv_lua_length(lua_State *L, int list) {
    enum { LONGEST = 1 << 20 };
    lua_Unsigned n = lua_rawlen(L, list);
    if (n > LONGEST)
        luaL_error(L, "a list has %I entries, more than %d", (lua_Integer)n, LONGEST);
    return (int)n;
}

const char *const *fv_lua_texts(lua_State *L, int arg) {
    int n = fv_lua_length(L, arg);
    const char **list = fv_lua_scratch(L, (size_t)n + 1, sizeof *list);
    for (int i = 0; i < n; i++) {
        if (lua_rawgeti(L, arg, i + 1) != LUA_TSTRING)
            luaL_error(L, "entry %d of the list is a %s, expected a text", i + 1,
                       luaL_typename(L, -1));
        list[i] = fv_lua_whole(L, -1);
        lua_pop(L, 1);
    }
    return list;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *fv_lua_keys(lua_State *L, int table, const char *what) {
    size_t n = 0;
    table = lua_absindex(L, table);
    luaL_checkstack(L, 8, NULL);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), n++)
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s has names as keys, and not a %s", what, luaL_typename(L, -2));
    const char **list = fv_lua_scratch(L, n + 1, sizeof *list);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        list[i++] = fv_lua_whole(L, -2);
    qsort(list, n, sizeof *list, by_name);
    return list;
}

const char *const *fv_lua_dims_field(lua_State *L, int table, const char *name) {
    if (fv_lua_field(L, table, name) == LUA_TNIL)
        return NULL;
    int dims = lua_gettop(L);
    if (!lua_istable(L, dims))
        luaL_error(L, "%s is a %s, expected a table such as {n = 4}", name, luaL_typename(L, dims));
    const char *const *keys = fv_lua_keys(L, dims, name);
    lua_newtable(L);
    int pairs = lua_gettop(L);
    for (lua_Integer n = 0; *keys; keys++) {
        lua_pushstring(L, *keys);
        lua_rawseti(L, pairs, ++n);
        if (fv_lua_field(L, dims, *keys) != LUA_TSTRING && !lua_isinteger(L, -1))
            luaL_error(L, "%s: %s is a %s, expected an integer, or a text such as \"1..8\"", name,
                       *keys, luaL_typename(L, -1));
        lua_tolstring(L, -1, NULL); /* the copy on the stack becomes a text */
        lua_rawseti(L, pairs, ++n);
    }
    return fv_lua_texts(L, pairs);
}
