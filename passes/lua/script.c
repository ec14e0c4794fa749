/* script.c - reads a script, runs its main chunk, and returns what the script declared. */
#include <stdio.h>
#include <string.h>

#include "passes/lua/internal.h"

static const char *folder_of(fv_arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    return !slash ? "." : slash == path ? "/" : fv_strndup(a, path, (size_t)(slash - path));
}

static void push_words(lua_State *L, const fv_lua *l) {
    lua_newtable(L);
    lua_pushstring(L, l->path);
    lua_rawseti(L, -2, 0);
    for (int i = 0; l->o.words && l->o.words[i]; i++) {
        lua_pushstring(L, l->o.words[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static int start(lua_State *L) {
    fv_lua *l = lua_touserdata(L, 1);
    char name[4200];
    size_t n;
    int words = 0;
    fv_lua_open_libraries(L);
    fv_lua_open_module(L);
    push_words(L, l);
    lua_setglobal(L, "arg");
    const char *text = fv_lua_read(L, l->path, &n);
    /* a first line #!/usr/bin/env is skipped, and still counted */
    size_t skip = n && *text == '#' ? strcspn(text, "\n") : 0;
    snprintf(name, sizeof name, "@%s", l->path);
    if (luaL_loadbufferx(L, text + skip, n - skip, name, "t") != LUA_OK)
        lua_error(L);
    for (; l->o.words && l->o.words[words]; words++) {
        luaL_checkstack(L, 2, "too many arguments");
        lua_pushstring(L, l->o.words[words]);
    }
    lua_call(L, words, 1);
    bool pipeline = l->o.returns == FV_LUA_PIPELINE;
    if (l->o.returns == FV_LUA_PLAN)
        fv_lua_set_plan(L, lua_gettop(L));
    else if (pipeline && lua_istable(L, -1))
        fv_lua_set_pipeline(L, lua_gettop(L));
    else if (pipeline && !l->declared.pipeline.passes)
        luaL_error(L, "the script returns a %s, expected a pipeline: return {\"legalise\", ..}",
                   luaL_typename(L, -1));
    return 0;
}

fv_lua *fv_lua_open(fv_session *s, const char *path, const fv_lua_options *o) {
    fv_arena *a = fv_arena_new(s);
    fv_lua *l = FV_NEW(a, fv_lua, 1);
    *l = (fv_lua){.session = s,
                  .arena = a,
                  .o = *o,
                  .path = fv_strdup(a, path),
                  .folder = folder_of(a, path),
                  .reads.key = {.arena = a},
                  .reads.varies = o->unsafe};
    fv_text_printf(&l->reads.key, "%s", LUA_RELEASE);
    for (int i = 0; o->args && o->args[i]; i++)
        fv_text_printf(&l->reads.key, "\n%zu:%s", strlen(o->args[i]), o->args[i]);
    l->declared.passes = FV_NEW(a, const fv_pass *, 1);
    fv_lua_state_new(l);
    if (!fv_lua_protected(l, NULL, start, l) || !fv_lua_check_args(l))
        return NULL;
    l->loaded = true;
    return l;
}

const char *fv_lua_key(fv_lua *l) {
    return l->reads.key.s;
}

const bool *fv_lua_varies(const fv_lua *l) {
    return &l->reads.varies;
}

const fv_pass *const *fv_lua_passes(const fv_lua *l) {
    return l->declared.passes;
}

const fv_lua_option *fv_lua_option_at(const fv_lua *l, int i) {
    return i >= 0 && i < l->reads.noptions ? &l->reads.options[i] : NULL;
}
