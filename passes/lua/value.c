/* value.c - values: their definition, type and users. */
#include <string.h>

#include "passes/lua/internal.h"

int fv_lua_push_values(lua_State *L, fv_lua_box *box, int n, fv_value *const *list) {
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        if (list[i])
            fv_lua_push(L, box, FV_LUA_VALUE, list[i]);
        else
            lua_pushboolean(L, 0);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- reading ---- */

static int value_name(lua_State *L) {
    lua_pushstring(L, fv_lua_value(L, 1, NULL)->name);
    return 1;
}

static int value_kind(lua_State *L) {
    static const char *const names[] = {
        [FV_VALUE_PARAM] = "param", [FV_VALUE_RESULT] = "result", [FV_VALUE_CONST] = "const"};
    lua_pushstring(L, names[fv_lua_value(L, 1, NULL)->kind]);
    return 1;
}

static int value_type(lua_State *L) {
    fv_lua_box *box;
    const fv_value *v = fv_lua_value(L, 1, &box);
    fv_lua_push(L, box, FV_LUA_TYPE, v->type);
    return 1;
}

static int value_op(lua_State *L) {
    fv_lua_box *box;
    const fv_value *v = fv_lua_value(L, 1, &box);
    fv_lua_push(L, box, FV_LUA_OP, v->def);
    return 1;
}

static int value_index(lua_State *L) {
    const fv_value *v = fv_lua_value(L, 1, NULL);
    if (v->kind == FV_VALUE_CONST)
        lua_pushnil(L);
    else
        lua_pushinteger(L, v->index + 1);
    return 1;
}

static int value_tensor(lua_State *L) {
    fv_lua_box *box;
    const fv_value *v = fv_lua_value(L, 1, &box);
    fv_lua_push(L, box, FV_LUA_TENSOR, v->tensor);
    return 1;
}

static int value_elems(lua_State *L) {
    fv_lua_box *box;
    const fv_value *v = fv_lua_value(L, 1, &box);
    if (v->elems)
        fv_lua_push_dims(L, box, v->nelems, v->elems);
    else
        lua_pushnil(L);
    return 1;
}

static int value_uses(lua_State *L) {
    fv_lua_box *box;
    const fv_value *v = fv_lua_value(L, 1, &box);
    lua_createtable(L, v->nuses, 0);
    for (int i = 0; i < v->nuses; i++) {
        lua_createtable(L, 0, 2);
        fv_lua_push(L, box, FV_LUA_OP, v->uses[i].op);
        lua_setfield(L, -2, "op");
        lua_pushinteger(L, v->uses[i].index + 1);
        lua_setfield(L, -2, "index");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int value_alive(lua_State *L) {
    const fv_lua_handle *h = luaL_checkudata(L, 1, FV_LUA_VALUE);
    lua_pushboolean(L, h->box->m && fv_lua_value_lives(h->box, h->at));
    return 1;
}

static int value_str(lua_State *L) {
    const fv_lua_handle *h = luaL_checkudata(L, 1, FV_LUA_VALUE);
    const fv_value *v = h->at;
    if (h->box->m && fv_lua_value_lives(h->box, v))
        lua_pushfstring(L, "%s%s", v->kind == FV_VALUE_CONST ? "@" : "%", v->name);
    else
        lua_pushliteral(L, "value (gone)");
    return 1;
}

/* ---- changing ---- */

typedef struct comparison {
    fv_module *m;
    const fv_value *old, *v;
} comparison;

static bool same_type(const fv_module *m, const fv_type *a, const fv_type *b) {
    if (a->kind != FV_TENSOR || b->kind != FV_TENSOR)
        return fv_type_equal(a, b);
    if (a->elem != b->elem || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (!fv_module_equal(m, a->dims[i], b->dims[i]))
            return false;
    return true;
}

static bool compare(void *arg) {
    const comparison *c = arg;
    if (same_type(c->m, c->old->type, c->v->type))
        return true;
    fv_arena *a = fv_arena_new(c->m->session);
    fv_error(c->m->session, "'%s' is %s, expected %s as '%s' is", c->v->name,
             fv_type_str(a, c->v->type), fv_type_str(a, c->old->type), c->old->name);
    fv_arena_free(a);
    return false;
}

void fv_lua_check_type(lua_State *L, const fv_lua_box *box, const fv_value *old,
                       const fv_value *v) {
    comparison c = {box->m, old, v};
    fv_lua_try(L, NULL, compare, &c);
}

typedef struct changing {
    fv_module *m;
    fv_value *v, *with;
    const char *name;
} changing;

static bool replace(void *arg) {
    const changing *c = arg;
    fv_replace_uses(c->v, c->with);
    return true;
}

static int value_replace(lua_State *L) {
    fv_lua_box *box;
    changing c = {.v = fv_lua_value(L, 1, &box)};
    c.with = fv_lua_value_in(L, 2, box);
    if (c.v == c.with)
        return 0;
    fv_lua_check_type(L, box, c.v, c.with);
    fv_lua_change(L, box, replace, &c);
    return 0;
}

static bool rename_value(void *arg) {
    const changing *c = arg;
    fv_value_rename(c->m, c->v, c->name);
    return true;
}

static int value_rename(lua_State *L) {
    fv_lua_box *box;
    changing c = {.v = fv_lua_value(L, 1, &box), .name = fv_lua_text(L, 2)};
    c.m = box->m;
    fv_lua_change(L, box, rename_value, &c);
    lua_settop(L, 1);
    return 1;
}

const fv_lua_class fv_lua_value_class = {
    FV_LUA_VALUE,
    (const luaL_Reg[]){{"alive", value_alive},
                       {"elems", value_elems},
                       {"index", value_index},
                       {"kind", value_kind},
                       {"name", value_name},
                       {"op", value_op},
                       {"tensor", value_tensor},
                       {"type", value_type},
                       {"uses", value_uses},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"rename", value_rename}, {"replace", value_replace}, {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", value_str}, {NULL, NULL}}};
