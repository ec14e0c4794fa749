/* handle.c - handles of modules and of the objects in them: one for each object, which is checked
 * at each use. */
#include <string.h>

#include "passes/lua/internal.h"

/* in the registry: a weak table from the address of a box to its handle */
static const char boxes[] = "fv.boxes";

/* ---- classes ---- */

static const luaL_Reg *find(const luaL_Reg *list, const char *name) {
    for (; list && list->name; list++)
        if (!strcmp(list->name, name))
            return list;
    return NULL;
}

static int unknown_name(lua_State *L, const fv_lua_class *c, const char *name) {
    const char *names[80];
    int n = 0;
    for (const luaL_Reg *g = c->getters; g && g->name && n < 79; g++)
        names[n++] = g->name;
    for (const luaL_Reg *m = c->methods; m && m->name && n < 79; m++)
        names[n++] = m->name;
    names[n] = NULL;
    return luaL_error(L, "%s has no '%s'%s", c->name, name,
                      fv_lua_nearest(fv_lua_of(L), name, names));
}

/* x.NAME: a getter is called here, so that its errors have the line of the script. */
static int get(lua_State *L) {
    const fv_lua_class *c = lua_touserdata(L, lua_upvalueindex(1));
    const luaL_Reg *elements = find(c->meta, "[]");
    if (elements && lua_isinteger(L, 2))
        return elements->func(L);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    if (!name)
        return luaL_error(L, "%s is indexed by names, not by a %s", c->name, luaL_typename(L, 2));
    const luaL_Reg *g = find(c->getters, name), *m = g ? NULL : find(c->methods, name);
    if (!g && !m)
        return unknown_name(L, c, name);
    if (m) {
        lua_pushcfunction(L, m->func);
        return 1;
    }
    lua_settop(L, 1);
    return g->func(L);
}

static int set(lua_State *L) {
    const fv_lua_class *c = lua_touserdata(L, lua_upvalueindex(1));
    const luaL_Reg *elements = find(c->meta, "[]=");
    if (elements && lua_isinteger(L, 2))
        return elements->func(L);
    return luaL_error(L, "%s: nothing is changed by assigning to it; its methods do that", c->name);
}

static void make_class(lua_State *L, const fv_lua_class *c) {
    luaL_newmetatable(L, c->name);
    lua_pushlightuserdata(L, (void *)c);
    lua_pushcclosure(L, get, 1);
    lua_setfield(L, -2, "__index");
    lua_pushlightuserdata(L, (void *)c);
    lua_pushcclosure(L, set, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "fv");
    lua_setfield(L, -2, "__metatable");
    for (const luaL_Reg *m = c->meta; m && m->name; m++)
        if (*m->name == '_') {
            lua_pushcfunction(L, m->func);
            lua_setfield(L, -2, m->name);
        }
    lua_pop(L, 1);
}

void fv_lua_make_classes(lua_State *L, const fv_lua_class *const *classes) {
    for (; *classes; classes++)
        make_class(L, *classes);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, boxes);
}

/* ---- modules ---- */

bool fv_lua_find_box(lua_State *L, const fv_module *m) {
    lua_getfield(L, LUA_REGISTRYINDEX, boxes);
    lua_rawgetp(L, -1, m);
    lua_remove(L, -2);
    if (!lua_isnil(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

fv_lua_box *fv_lua_push_box(lua_State *L, fv_module *m, bool owned) {
    if (fv_lua_find_box(L, m)) {
        fv_lua_box *there = lua_touserdata(L, -1);
        if (there->m) /* another module may have got the address of one that no longer exists */
            return there;
        lua_pop(L, 1);
    }
    /* user values: the table of handles; the module of which this one is a copy */
    fv_lua_box *box = lua_newuserdatauv(L, sizeof *box, 2);
    *box = (fv_lua_box){.m = m, .owned = false};
    lua_newtable(L); /* handles of its objects, by address */
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, FV_LUA_MODULE);
    lua_getfield(L, LUA_REGISTRYINDEX, boxes);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, m);
    lua_pop(L, 1);
    box->owned = owned;
    return box;
}

static fv_lua_box *check_box(lua_State *L, fv_lua_box *box) {
    if (!box->m)
        luaL_error(L, "the module is gone: it was lent to a pass, and that has ended");
    if (box->poisoned)
        luaL_error(L, "memory ran out while the module was changed: it cannot be used any more");
    return box;
}

fv_lua_box *fv_lua_module(lua_State *L, int arg) {
    return check_box(L, luaL_checkudata(L, arg, FV_LUA_MODULE));
}

/* ---- handles ---- */

/* Pushes the userdata of a box, which exists as long as a handle does. */
static void push_userdata_of(lua_State *L, const fv_lua_box *box) {
    if (!box->m || !fv_lua_find_box(L, box->m))
        luaL_error(L, "the module is gone");
}

void fv_lua_push(lua_State *L, fv_lua_box *box, const char *class, const void *at) {
    if (!at) {
        lua_pushnil(L);
        return;
    }
    luaL_checkstack(L, 8, NULL);
    push_userdata_of(L, box);
    lua_getiuservalue(L, -1, 1); /* module, handles */
    if (lua_rawgetp(L, -1, at) == LUA_TNIL) {
        lua_pop(L, 1);
        fv_lua_handle *h = lua_newuserdatauv(L, sizeof *h, 1);
        *h = (fv_lua_handle){.box = box, .at = (void *)at};
        lua_pushvalue(L, -3);
        lua_setiuservalue(L, -2, 1); /* keeps the handle of the module alive */
        luaL_setmetatable(L, class);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, at);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void *fv_lua_any(lua_State *L, int arg, const char *class, fv_lua_box **box) {
    arg = lua_absindex(L, arg);
    fv_lua_handle *h = luaL_checkudata(L, arg, class);
    if (h->box)
        check_box(L, h->box);
    if (box)
        *box = h->box;
    return h->at;
}

/* ---- is it still there? ---- */

/* An op in a region of an erased op is erased as well. */
bool fv_lua_op_lives(const fv_op *op) {
    for (; op; op = op->block->parent)
        if (op->erased)
            return false;
    return true;
}

static bool region_lives(const fv_region *r) {
    return !r->parent || fv_lua_op_lives(r->parent);
}

/* A constant with uses belongs to the module. */
static bool const_lives(const fv_module *m, const fv_value *v) {
    for (int i = m->nconsts - 1; i >= 0 && !v->nuses; i--)
        if (m->consts[i] == v)
            return true;
    return v->nuses > 0;
}

bool fv_lua_value_lives(const fv_lua_box *box, const fv_value *v) {
    switch (v->kind) {
    case FV_VALUE_PARAM: return region_lives(v->block);
    case FV_VALUE_RESULT:
        return fv_lua_op_lives(v->def) && v->index < v->def->nout && v->def->out[v->index] == v;
    case FV_VALUE_CONST: return const_lives(box->m, v);
    }
    return false;
}

fv_op *fv_lua_op(lua_State *L, int arg, fv_lua_box **box) {
    fv_op *op = fv_lua_any(L, arg, FV_LUA_OP, box);
    if (!fv_lua_op_lives(op))
        luaL_error(L, "this %s was erased", op->def->name);
    return op;
}

fv_value *fv_lua_value(lua_State *L, int arg, fv_lua_box **box) {
    fv_lua_box *b;
    fv_value *v = fv_lua_any(L, arg, FV_LUA_VALUE, &b);
    if (!fv_lua_value_lives(b, v)) { /* a result may have passed its name on to another value */
        if (v->kind == FV_VALUE_CONST)
            luaL_error(L, "the constant '%s' is gone: nothing used it, and it was removed",
                       v->name);
        luaL_error(L, "this value is gone: the %s that gave it was erased",
                   v->kind == FV_VALUE_RESULT ? v->def->def->name : "op");
    }
    if (box)
        *box = b;
    return v;
}

fv_value *fv_lua_value_in(lua_State *L, int arg, fv_lua_box *box) {
    fv_lua_box *other;
    fv_value *v = fv_lua_value(L, arg, &other);
    if (other != box)
        luaL_error(L, "the value '%s' is of another module", v->name);
    return v;
}

fv_region *fv_lua_region(lua_State *L, int arg, fv_lua_box **box) {
    fv_region *r = fv_lua_any(L, arg, FV_LUA_REGION, box);
    if (!region_lives(r))
        luaL_error(L, "the %s that this region is of was erased", r->parent->def->name);
    return r;
}

/* ---- iterating ---- */

/* The ops that existed when the loop began. Ops that are built later are not visited, so a loop
 * that builds ops ends. */
typedef struct snapshot {
    fv_lua_box *box;
    int64_t n, next;
    fv_op *at[];
} snapshot;

static int64_t count(const fv_region *r, const fv_opdef *name, bool nested, fv_op **out,
                     int64_t n) {
    for (fv_op *op = r->first; op; op = op->next) {
        if (op->def == &fv_return_def)
            continue;
        if (!name || op->def == name) {
            if (out)
                out[n] = op;
            n++;
        }
        for (int i = 0; nested && i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                n = count(op->attrs[i].u.region, name, nested, out, n);
    }
    return n;
}

static int next_op(lua_State *L) {
    snapshot *s = lua_touserdata(L, lua_upvalueindex(1));
    check_box(L, s->box);
    while (s->next < s->n && !fv_lua_op_lives(s->at[s->next]))
        s->next++;
    if (s->next == s->n)
        return 0;
    fv_lua_push(L, s->box, FV_LUA_OP, s->at[s->next++]);
    return 1;
}

void fv_lua_push_ops(lua_State *L, fv_lua_box *box, const fv_region *r, const fv_opdef *name,
                     bool nested) {
    int64_t n = count(r, name, nested, NULL, 0);
    snapshot *s = lua_newuserdatauv(L, sizeof *s + (size_t)n * sizeof(fv_op *), 0);
    *s = (snapshot){.box = box, .n = n};
    count(r, name, nested, s->at, 0);
    push_userdata_of(L, box); /* keeps the module alive as long as the iterator */
    lua_pushcclosure(L, next_op, 2);
}
