/* elements.c - insert, remove, move, concat, unpack and sort of the library `table` as in the
 * manual of Lua 5.4 (6.6), with elements that count as steps. Metamethods can make a table
 * arbitrarily long, without executing an instruction of the script. */
#include <limits.h>

#include "passes/lua/internal.h"

enum { READ = 1, WRITE = 2, LENGTH = 4, METAMETHOD = 16 };

static bool has(lua_State *L, const char *field) {
    lua_pushstring(L, field);
    bool there = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 1);
    return there;
}

/* Raises an error unless the argument is a table, or has the required metamethods. */
static void check(lua_State *L, int arg, int what) {
    if (lua_type(L, arg) == LUA_TTABLE)
        return;
    bool fits = lua_getmetatable(L, arg) && (!(what & READ) || has(L, "__index")) &&
                (!(what & WRITE) || has(L, "__newindex")) && (!(what & LENGTH) || has(L, "__len"));
    if (!fits)
        luaL_checktype(L, arg, LUA_TTABLE);
    lua_pop(L, 1);
}

static lua_Integer length(lua_State *L, int what) {
    check(L, 1, what | LENGTH);
    return luaL_len(L, 1);
}

/* Counts one element; one that a metamethod supplies takes longer. */
static void count(lua_State *L, int table) {
    bool has_metamethods = lua_getmetatable(L, table);
    if (has_metamethods)
        lua_pop(L, 1);
    fv_lua_count(L, has_metamethods ? METAMETHOD : 1);
}

/* to[i] = from[k] */
static void put(lua_State *L, int to, lua_Integer i, int from, lua_Integer k) {
    count(L, from);
    if (to != from)
        count(L, to);
    lua_geti(L, from, k);
    lua_seti(L, to, i);
}

static int insert(lua_State *L) {
    lua_Integer end = (lua_Integer)((lua_Unsigned)length(L, READ | WRITE) + 1), at = end;
    int n = lua_gettop(L);
    if (n != 2 && n != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    if (n == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2, "position out of bounds");
        for (lua_Integer i = end; i > at; i--)
            put(L, 1, i, 1, i - 1);
    }
    lua_seti(L, 1, at);
    return 0;
}

static int take(lua_State *L) {
    lua_Integer n = length(L, READ | WRITE), at = luaL_optinteger(L, 2, n);
    if (at != n)
        luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)n, 2, "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < n; at++)
        put(L, 1, at, 1, at + 1);
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

static int move(lua_State *L) {
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3),
                at = luaL_checkinteger(L, 4);
    int to = lua_isnoneornil(L, 5) ? 1 : 5;
    check(L, 1, READ);
    check(L, to, WRITE);
    if (last >= first) {
        luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3,
                      "too many elements to move");
        lua_Integer n = last - first + 1;
        luaL_argcheck(L, at <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
        bool upwards = at > last || at <= first || (to != 1 && !lua_compare(L, 1, to, LUA_OPEQ));
        for (lua_Integer k = 0; k < n; k++) {
            lua_Integer i = upwards ? k : n - 1 - k;
            put(L, to, at + i, 1, first + i);
        }
    }
    lua_pushvalue(L, to);
    return 1;
}

static void add_element(lua_State *L, luaL_Buffer *b, lua_Integer i) {
    count(L, 1);
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
    luaL_addvalue(b);
}

static int concat(lua_State *L) {
    size_t n;
    lua_Integer last = length(L, READ);
    const char *between = luaL_optlstring(L, 2, "", &n);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    last = luaL_optinteger(L, 4, last);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; i < last; i++) {
        add_element(L, &b, i);
        luaL_addlstring(&b, between, n);
    }
    if (i == last)
        add_element(L, &b, i);
    luaL_pushresult(&b);
    return 1;
}

static int unpack(lua_State *L) {
    lua_Integer i = luaL_optinteger(L, 2, 1),
                last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
    if (i > last)
        return 0;
    lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)i;
    if (n >= INT_MAX || !lua_checkstack(L, (int)++n))
        return luaL_error(L, "too many results to unpack");
    for (; i < last; i++) {
        count(L, 1);
        lua_geti(L, 1, i);
    }
    lua_geti(L, 1, last);
    return (int)n;
}

/* The comparison of sort. Upvalues: the function of the script, or none; whether the table has
 * metamethods. */
static int compare(lua_State *L) {
    fv_lua_count(L, lua_toboolean(L, lua_upvalueindex(2)) ? METAMETHOD : 1);
    lua_settop(L, 2);
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

/* The sort of Lua is upvalue 1: it does little between two comparisons. */
static int sort(lua_State *L) {
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_pushboolean(L, lua_getmetatable(L, 1));
    lua_insert(L, 3);
    lua_settop(L, 3);
    lua_pushcclosure(L, compare, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 0);
    return 0;
}

void fv_lua_set_elements(lua_State *L) {
    static const luaL_Reg functions[] = {{"insert", insert}, {"remove", take},   {"move", move},
                                         {"concat", concat}, {"unpack", unpack}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, sort, 1);
    lua_setfield(L, -2, "sort");
}
