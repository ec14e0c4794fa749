/* build.c - builds ops from operands, attributes and results as Lua gives them. */
#include <ctype.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/catalogue/own.h"
#include "ir/graph/infer.h"
#include "passes/lua/internal.h"

/* ---- operators by name ---- */

const fv_opdef *fv_lua_opdef(lua_State *L, int arg) {
    const char *text = fv_lua_text(L, arg), *dot = strrchr(text, '.');
    const fv_session *s = fv_lua_of(L)->session;
    char domain[64] = "";
    if (dot && (size_t)(dot - text) < sizeof domain)
        memcpy(domain, text, (size_t)(dot - text));
    const fv_opdef *d = dot && !*domain ? NULL : fv_op_find_in(s, domain, dot ? dot + 1 : text);
    if (d)
        return d;
    int n = 0, count = fv_op_all(s, NULL);
    const fv_opdef **all = fv_lua_scratch(L, (size_t)count, sizeof *all);
    const char **names = fv_lua_scratch(L, (size_t)count + 1, sizeof *names);
    fv_op_all(s, all);
    for (int i = 0; i < count; i++)
        if (!strcmp(all[i]->domain, domain))
            names[n++] = all[i]->name;
    luaL_error(L, "there is no op '%s'%s", text,
               fv_lua_nearest(fv_lua_of(L), dot ? dot + 1 : text, names));
    return NULL;
}

/* ---- what a script passes to build an op ---- */

typedef struct building {
    fv_lua_box *box;
    fv_region *r;
    fv_op *before;
    const fv_opdef *def;
    fv_value **in;
    fv_attr *attrs;
    const char **outs;
    int nin, nattrs, nout;
    fv_op *op; /* the result */
} building;

/* Reads a list of values, with `false` for an omitted operand; or a single value. */
static void read_operands(lua_State *L, int arg, building *b) {
    if (luaL_testudata(L, arg, FV_LUA_VALUE)) {
        b->nin = 1;
        b->in = fv_lua_scratch(L, 1, sizeof *b->in);
        b->in[0] = fv_lua_value_in(L, arg, b->box);
        return;
    }
    luaL_argexpected(L, lua_istable(L, arg), arg, "list of values");
    lua_Unsigned n = lua_rawlen(L, arg);
    if (n > FV_MAX_OPERANDS)
        luaL_error(L, "%s: %I operands are more than an op may have", b->def->name, (lua_Integer)n);
    b->nin = (int)n;
    b->in = fv_lua_scratch(L, n, sizeof *b->in);
    for (int i = 0; i < b->nin; i++) {
        lua_rawgeti(L, arg, i + 1);
        if (luaL_testudata(L, -1, FV_LUA_VALUE))
            b->in[i] = fv_lua_value_in(L, -1, b->box);
        else if (!lua_isboolean(L, -1) || lua_toboolean(L, -1))
            luaL_error(
                L, "%s: operand %d is a %s, expected a value, or false for one that is left out",
                b->def->name, i + 1, luaL_typename(L, -1));
        lua_pop(L, 1);
    }
}

static void read_attrs(lua_State *L, int arg, building *b) {
    if (lua_isnoneornil(L, arg))
        return;
    luaL_argexpected(L, lua_istable(L, arg), arg, "table of attributes");
    b->attrs = fv_lua_scratch(L, FV_MAX_ATTRS, sizeof *b->attrs);
    luaL_checkstack(L, 4 * FV_MAX_ATTRS, NULL);
    /* attributes are read in the order of their names, so that errors do not vary */
    for (const char *const *name = fv_lua_keys(L, arg, "the table of attributes"); *name; name++) {
        const fv_attr_def *d = fv_lua_attr_def(L, b->def, *name);
        fv_lua_field(L, arg, *name);
        /* the memory of the attribute stays on the stack of Lua */
        fv_lua_read_attr(L, lua_gettop(L), b->box, d, b->def, &b->attrs[b->nattrs++]);
    }
}

/* Reads the number of results, or their names. If neither is given, the op gets all results up to
 * the last one that is not optional. */
static void read_results(lua_State *L, int arg, building *b) {
    bool list = lua_istable(L, arg);
    lua_Integer n = list ? (lua_Integer)lua_rawlen(L, arg) : luaL_optinteger(L, arg, 0);
    for (int i = 0; lua_isnoneornil(L, arg) && i < FV_MAX_OUT && b->def->out[i].name; i++)
        if (b->def->out[i].arity != FV_OPTIONAL_OPERAND)
            n = i + 1;
    if (n < 0 || n > FV_MAX_OPERANDS)
        luaL_error(L, "%s: %I results", b->def->name, n);
    b->nout = (int)n;
    b->outs = fv_lua_scratch(L, (size_t)n, sizeof *b->outs);
    char *stem = fv_lua_scratch(L, strlen(b->def->name), 1); /* "relu" for Relu */
    for (size_t i = 0; b->def->name[i]; i++)
        stem[i] = (char)tolower((unsigned char)b->def->name[i]);
    for (int i = 0; i < b->nout; i++) {
        b->outs[i] = stem;
        if (!list)
            continue;
        lua_rawgeti(L, arg, i + 1);
        if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
            b->outs[i] = NULL;
        else if (lua_type(L, -1) == LUA_TSTRING)
            b->outs[i] = fv_lua_whole(L, -1);
        else
            luaL_error(
                L, "%s: result %d is a %s, expected its name, or false for one that is left out",
                b->def->name, i + 1, luaL_typename(L, -1));
        lua_pop(L, 1);
    }
}

/* ---- building ---- */

static const fv_origin *origin_of(const building *b) {
    return b->before && b->before->def != &fv_return_def ? b->before->origin
           : b->r->parent                                ? b->r->parent->origin
                                                         : NULL;
}

/* An op that is not legal is removed again. */
static bool build(void *arg) {
    building *b = arg;
    fv_module *m = b->box->m;
    b->op = fv_op_new(b->r, b->before, b->def, b->nin, b->in, b->nout, b->outs, origin_of(b));
    for (int i = 0; i < b->nattrs; i++) {
        fv_attr a = fv_lua_keep_attr(m, &b->attrs[i]);
        fv_op_attr(b->op, &a);
    }
    if (fv_op_infer(b->op))
        return true;
    fv_op_erase(b->op);
    return false;
}

int fv_lua_build(lua_State *L, int arg, fv_lua_box *box, fv_region *r, fv_op *before) {
    building b = {.box = box, .r = r, .before = before, .def = fv_lua_opdef(L, arg)};
    lua_settop(L, arg + 3);
    read_operands(L, arg + 1, &b);
    read_attrs(L, arg + 2, &b);
    read_results(L, arg + 3, &b);
    fv_lua_change(L, box, build, &b);
    int n = 0;
    for (int i = 0; i < b.op->nout; i++, n++) {
        luaL_checkstack(L, 10, "too many results");
        if (b.op->out[i])
            fv_lua_push(L, box, FV_LUA_VALUE, b.op->out[i]);
        else
            lua_pushboolean(L, 0);
    }
    if (!n) { /* an op without results has no other name */
        fv_lua_push(L, box, FV_LUA_OP, b.op);
        n = 1;
    }
    return n;
}
