/* test.c - tests that a script declares. */
#include <string.h>

#include "passes/lua/internal.h"

typedef struct adding {
    fv_lua *l;
    const char *name;
} adding;

static bool add_test(void *arg) {
    const adding *d = arg;
    fv_lua *l = d->l;
    FV_PUSH(l->arena, l->declared.tests, l->declared.ntests, l->declared.cap_tests,
            ((fv_lua_test){fv_strdup(l->arena, d->name), LUA_NOREF}));
    return true;
}

/* test(NAME, FUNCTION) */
int fv_lua_test_new(lua_State *L) {
    fv_lua *l = fv_lua_of(L);
    adding d = {l, fv_lua_text(L, 1)};
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (l->loaded)
        return luaL_error(L, "fv.test: tests are declared while the script is read");
    for (int i = 0; i < l->declared.ntests; i++)
        if (!strcmp(l->declared.tests[i].name, d.name))
            return luaL_error(L, "there is a test '%s' already", d.name);
    lua_settop(L, 2);
    int run = luaL_ref(L, LUA_REGISTRYINDEX);
    fv_lua_try(L, NULL, add_test, &d);
    l->declared.tests[l->declared.ntests - 1].run = run;
    return 0;
}

const char *fv_lua_test_name(const fv_lua *l, int i) {
    return i >= 0 && i < l->declared.ntests ? l->declared.tests[i].name : NULL;
}

static int call_test(lua_State *L) {
    const fv_lua_test *t = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->run);
    lua_call(L, 0, 0);
    return 0;
}

bool fv_lua_test_run(fv_lua *l, int i) {
    return fv_lua_protected(l, NULL, call_test, &l->declared.tests[i]);
}
