/* plan.c - the plan of a cut, a table that a script returns: which contraction is cut along which
 * axis (passes/shard/shard.h), and with which nodes stages begin (passes/shard/stages.h). */
#include <limits.h>
#include <string.h>

#include "passes/lua/internal.h"

/* The number of a field's text in a list of names, or `otherwise` if there is no such field. */
static int name_field(lua_State *L, int table, const char *field, const char *const *names,
                      int otherwise) {
    const char *text = fv_lua_text_field(L, table, field, "");
    if (!*text)
        return otherwise;
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], text))
            return i;
    return luaL_error(L, "%s is '%s'%s", field, text, fv_lua_nearest(fv_lua_of(L), text, names));
}

static fv_shard_choice read_choice(lua_State *L, int i) {
    static const char *const fields[] = {"node", "axis", "collective", NULL};
    if (!lua_istable(L, -1))
        luaL_error(L,
                   "entry %d is a %s, expected a table such as {node = \"up\", axis = "
                   "\"columns\"}",
                   i, luaL_typename(L, -1));
    int entry = lua_gettop(L);
    fv_lua_check_fields(L, entry, "a contraction of a plan", fields);
    fv_shard_choice c = {.node = fv_lua_text_field(L, entry, "node", NULL)};
    int side = name_field(L, entry, "axis", fv_shard_side_names, -1);
    if (side < 0)
        luaL_error(L, "entry %d, node '%s', has no axis", i, c.node);
    c.side = (fv_shard_side)side;
    c.collective = (fv_shard_collective)name_field(L, entry, "collective",
                                                   fv_shard_collective_names, FV_SHARD_ANY);
    lua_settop(L, entry);
    return c;
}

/* Raises an error if the table `name` has a key that is not a number from 1 to n. */
static void check_keys(lua_State *L, const char *name, int list, int n) {
    for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 1)) {
        lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (i >= 1 && i <= n)
            continue;
        if (lua_type(L, -2) != LUA_TSTRING && lua_type(L, -2) != LUA_TNUMBER)
            luaL_error(L, "%s is a list, and has a %s as a key", name, luaL_typename(L, -2));
        luaL_error(L, "%s is a list of %d, and has an entry '%s'", name, n,
                   luaL_tolstring(L, -2, NULL));
    }
}

static void read_list(lua_State *L, int list, int n, fv_shard_choice *out) {
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        out[i - 1] = read_choice(L, i);
        lua_settop(L, list + 1);
    }
}

typedef struct planning {
    fv_lua *l;
    fv_shard_request plan; /* its texts belong to Lua */
} planning;

static bool set_plan(void *arg) {
    const planning *p = arg;
    fv_arena *a = p->l->arena;
    fv_shard_choice *list = p->plan.n < 0 ? NULL : FV_NEW(a, fv_shard_choice, p->plan.n + 1);
    const char **begins = p->plan.nbegins < 0 ? NULL : FV_NEW(a, const char *, p->plan.nbegins + 1);
    for (int i = 0; i < p->plan.n; i++) {
        list[i] = p->plan.choices[i];
        list[i].node = fv_strdup(a, list[i].node);
    }
    for (int i = 0; i < p->plan.nbegins; i++)
        begins[i] = fv_strdup(a, p->plan.begins[i]);
    p->l->declared.plan = FV_NEW(a, fv_shard_request, 1);
    *p->l->declared.plan = p->plan;
    p->l->declared.plan->choices = list;
    p->l->declared.plan->begins = begins;
    return true;
}

/* Reads the field with the contractions, if there is one. */
static void read_contractions(lua_State *L, int table, fv_shard_request *plan) {
    plan->n = -1;
    if (fv_lua_field(L, table, "contractions") == LUA_TNIL)
        return;
    if (!lua_istable(L, -1))
        luaL_error(L, "contractions is a %s, expected a list", luaL_typename(L, -1));
    int list = lua_gettop(L);
    plan->n = fv_lua_length(L, list);
    check_keys(L, "contractions", list, plan->n);
    fv_shard_choice *choices = fv_lua_scratch(L, (size_t)plan->n + 1, sizeof *choices);
    read_list(L, list, plan->n, choices);
    plan->choices = choices;
}

/* Reads the field with the nodes at which stages begin, if there is one. */
static void read_begins(lua_State *L, int table, fv_shard_request *plan) {
    plan->nbegins = -1;
    if (fv_lua_field(L, table, "stages") == LUA_TNIL)
        return;
    if (!lua_istable(L, -1))
        luaL_error(L, "stages is a %s, expected a list of nodes", luaL_typename(L, -1));
    int list = lua_gettop(L);
    plan->nbegins = fv_lua_length(L, list);
    check_keys(L, "stages", list, plan->nbegins);
    const char **begins = fv_lua_scratch(L, (size_t)plan->nbegins + 1, sizeof *begins);
    for (int i = 0; i < plan->nbegins; i++) {
        if (lua_rawgeti(L, list, i + 1) != LUA_TSTRING)
            luaL_error(L, "entry %d of stages is a %s, expected a node", i + 1,
                       luaL_typename(L, -1));
        begins[i] = lua_tostring(L, -1); /* the list keeps it alive */
        lua_pop(L, 1);
    }
    plan->begins = begins;
}

void fv_lua_set_plan(lua_State *L, int table) {
    static const char *const fields[] = {"ranks", "contractions", "stages", NULL};
    planning p = {.l = fv_lua_of(L)};
    if (!lua_istable(L, table))
        luaL_error(L, "the script returns a %s, expected a plan: return {contractions = {..}}",
                   luaL_typename(L, table));
    fv_lua_check_fields(L, table, "a plan", fields);
    p.plan.ranks = (int)fv_lua_integer_field(L, table, "ranks", 0, 1, INT_MAX);
    read_contractions(L, table, &p.plan);
    read_begins(L, table, &p.plan);
    if (p.plan.n < 0 && p.plan.nbegins < 0)
        luaL_error(L, "the plan has neither contractions nor stages");
    fv_lua_try(L, NULL, set_plan, &p);
}

const fv_shard_request *fv_lua_plan(const fv_lua *l) {
    return l->declared.plan;
}
