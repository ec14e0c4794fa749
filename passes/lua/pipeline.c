/* pipeline.c - pipelines of a script: tables of passes, steps of lowering and an optimization
 * level, in the form of those in passes/pipelines. */
#include <string.h>

#include "ir/definition/step_names.h"
#include "ir/graph/verify.h"
#include "passes/lua/internal.h"

/* ---- lists ---- */

/* Appends names of passes, passes of the script, and lists of these to the list on the top of the
 * stack. */
static void flatten(lua_State *L, int arg, int depth) {
    int list = lua_gettop(L);
    if (depth > 8)
        luaL_error(L, "lists of passes are nested too deeply");
    for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, arg); i <= n; i++) {
        luaL_checkstack(L, 6, NULL);
        int type = lua_rawgeti(L, arg, i);
        if (type == LUA_TTABLE) {
            int inner = lua_gettop(L);
            lua_pushvalue(L, list);
            flatten(L, inner, depth + 1);
        } else if (type == LUA_TSTRING) {
            lua_pushvalue(L, -1);
            lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
        } else if (luaL_testudata(L, -1, FV_LUA_PASS)) {
            lua_pushstring(L, (*(fv_lua_pass **)lua_touserdata(L, -1))->pass.name);
            lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
        } else {
            luaL_error(
                L, "entry %I of the list of passes is a %s, expected a pass, its name, or a list",
                i, luaL_typename(L, -1));
        }
        lua_settop(L, list);
    }
}

static void check_names(lua_State *L, int list) {
    const fv_lua *l = fv_lua_of(L);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, list); i++) {
        const char *names[300];
        int n = 0;
        lua_rawgeti(L, list, i);
        const char *name = fv_lua_whole(L, -1);
        if (!fv_pass_find_own(l->declared.passes, name)) {
            for (int k = 0; fv_pass_at(k) && n < 150; k++)
                names[n++] = fv_pass_at(k)->name;
            for (int k = 0; k < l->declared.npasses && n < 299; k++)
                names[n++] = l->declared.passes[k]->name;
            names[n] = NULL;
            luaL_error(L, "there is no pass '%s'%s", name,
                       fv_lua_nearest(fv_lua_of(L), name, names));
        }
        lua_pop(L, 1);
    }
}

int fv_lua_pass_names(lua_State *L, int arg) {
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_newtable(L);
    int list = lua_gettop(L);
    flatten(L, arg, 0);
    check_names(L, list);
    return list;
}

/* ---- tables ---- */

typedef struct piping {
    fv_lua *l;
    fv_pipeline_table table; /* its texts belong to Lua */
    const char *wrong;
} piping;

static const char *const *keep_list(fv_arena *a, const char *const *names) {
    int n = 0;
    while (names && names[n])
        n++;
    const char **list = FV_NEW(a, const char *, n + 1);
    for (int i = 0; i < n; i++)
        list[i] = fv_strdup(a, names[i]);
    return names ? list : NULL;
}

static bool set_pipeline(void *arg) {
    piping *p = arg;
    fv_arena *a = p->l->arena;
    const fv_pipeline_table *t = &p->table;
    if (t->steps && (p->wrong = fv_pipeline_steps_wrong(a, t->steps)))
        return fv_error(p->l->session, "fv.pipeline: %s", p->wrong);
    p->l->declared.pipeline =
        (fv_pipeline_table){fv_strdup(a, t->purpose), keep_list(a, t->passes),
                            keep_list(a, t->steps), t->code ? fv_strdup(a, t->code) : NULL};
    return true;
}

/* Checks the named fields of a table, apart from its list. */
static void check_named(lua_State *L, int table) {
    static const char *const fields[] = {"purpose", "steps", "code", NULL};
    lua_newtable(L);
    int named = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_isinteger(L, -2))
            continue;
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_settable(L, named);
    }
    fv_lua_check_fields(L, named, "fv.pipeline", fields);
}

void fv_lua_set_pipeline(lua_State *L, int table) {
    fv_lua *l = fv_lua_of(L);
    if (l->declared.pipeline.passes)
        luaL_error(L, "fv.pipeline: the script has a pipeline already");
    check_named(L, table);
    piping p = {.l = l, .table = {.purpose = fv_lua_text_field(L, table, "purpose", "")}};
    if (fv_lua_field(L, table, "code") != LUA_TNIL) {
        p.table.code = fv_lua_text_field(L, table, "code", NULL);
        if (strlen(p.table.code) != 1 || !fv_pipeline_shipped(*p.table.code))
            luaL_error(L, "fv.pipeline: there is no code '%s'; there are \"0\" to \"3\" and \"s\"",
                       p.table.code);
    }
    if (fv_lua_field(L, table, "steps") != LUA_TNIL) {
        if (!lua_istable(L, -1))
            luaL_error(L, "fv.pipeline: steps is a %s, expected a list of steps of lowering",
                       luaL_typename(L, -1));
        p.table.steps = fv_lua_texts(L, lua_gettop(L));
    }
    p.table.passes = fv_lua_texts(L, fv_lua_pass_names(L, table));
    fv_lua_try(L, NULL, set_pipeline, &p);
}

int fv_lua_pipeline_new(lua_State *L) {
    if (fv_lua_of(L)->loaded)
        return luaL_error(L, "fv.pipeline: the pipeline is declared while the script is read");
    luaL_checktype(L, 1, LUA_TTABLE);
    fv_lua_set_pipeline(L, 1);
    lua_settop(L, 1);
    return 1;
}

static void push_names(lua_State *L, const char *const *names) {
    lua_newtable(L);
    for (int i = 0; names[i]; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_all_steps(lua_State *L) {
    lua_newtable(L);
    for (int i = 0; fv_step_name_at(i); i++) {
        lua_pushstring(L, fv_step_name_at(i)->name);
        lua_rawseti(L, -2, i + 1);
    }
}

int fv_lua_level(lua_State *L) {
    const char *level = fv_lua_text(L, 1);
    const fv_pipeline_table *p = strlen(level) == 1 ? fv_pipeline_shipped(*level) : NULL;
    if (!p)
        return luaL_error(L, "there is no level '%s'; there are \"0\" to \"3\" and \"s\"", level);
    push_names(L, p->passes);
    if (p->steps)
        push_names(L, p->steps);
    else
        push_all_steps(L);
    lua_setfield(L, -2, "steps");
    lua_pushstring(L, p->purpose);
    lua_setfield(L, -2, "purpose");
    lua_pushstring(L, p->code);
    lua_setfield(L, -2, "code");
    return 1;
}

fv_pipeline_table fv_lua_pipeline(fv_lua *l, char level) {
    if (l->declared.pipeline.passes)
        return l->declared.pipeline;
    const char *const *shipped = fv_pipeline(level);
    int n = 0;
    while (shipped[n])
        n++;
    const char **list = FV_NEW(l->arena, const char *, l->declared.npasses + n + 1);
    for (int i = 0; i < l->declared.npasses; i++)
        list[i] = l->declared.passes[i]->name;
    memcpy(list + l->declared.npasses, shipped, (size_t)n * sizeof *list);
    return (fv_pipeline_table){.passes = list};
}

/* ---- running ---- */

typedef struct running {
    fv_lua *l;
    fv_lua_box *box;
    const char *const *names;
} running;

static bool run_passes(void *arg) {
    const running *r = arg;
    fv_pipeline_options o = {.own = r->l->declared.passes};
    fv_module *m = r->box->m;
    return fv_lua_settle(r->box) && fv_module_verify(m, NULL) && fv_run_passes(m, r->names, &o) &&
           fv_module_verify(m, NULL);
}

int fv_lua_module_run(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    lua_settop(L, 2);
    running r = {fv_lua_of(L), box, fv_lua_texts(L, fv_lua_pass_names(L, 2))};
    fv_lua_change(L, box, run_passes, &r);
    lua_settop(L, 1);
    return 1;
}
