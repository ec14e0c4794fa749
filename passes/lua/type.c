/* type.c - types of values, and their dims: expressions over symbols. */
#include <string.h>

#include "ir/dim/text.h"
#include "passes/lua/internal.h"

/* ---- types ---- */

static const fv_type *check_type(lua_State *L, fv_lua_box **box) {
    return fv_lua_any(L, 1, FV_LUA_TYPE, box);
}

fv_elem fv_lua_elem(lua_State *L, int arg) {
    size_t n;
    const char *s = luaL_checklstring(L, arg, &n), *names[FV_ELEM_END + 1];
    fv_elem e;
    int count = 0;
    if (fv_elem_parse(s, n, &e))
        return e;
    for (int i = 1; i < FV_ELEM_END; i++)
        if (fv_elem_name((fv_elem)i))
            names[count++] = fv_elem_name((fv_elem)i);
    names[count] = NULL;
    luaL_error(L, "there is no element type '%s'%s", s, fv_lua_nearest(fv_lua_of(L), s, names));
    return FV_NO_ELEM;
}

static int type_kind(lua_State *L) {
    static const char *const names[] = {[FV_TENSOR] = "tensor",
                                        [FV_SEQUENCE] = "sequence",
                                        [FV_OPTIONAL] = "optional",
                                        [FV_MAP] = "map"};
    lua_pushstring(L, names[check_type(L, NULL)->kind]);
    return 1;
}

static int type_elem(lua_State *L) {
    const fv_type *t = check_type(L, NULL);
    if (t->kind == FV_TENSOR || t->kind == FV_MAP)
        lua_pushstring(L, fv_elem_name(t->elem));
    else
        lua_pushnil(L);
    return 1;
}

static int type_rank(lua_State *L) {
    const fv_type *t = check_type(L, NULL);
    if (t->kind == FV_TENSOR && t->rank >= 0)
        lua_pushinteger(L, t->rank);
    else
        lua_pushnil(L);
    return 1;
}

static int type_dims(lua_State *L) {
    fv_lua_box *box;
    const fv_type *t = check_type(L, &box);
    if (t->kind == FV_TENSOR && t->rank >= 0)
        fv_lua_push_dims(L, box, t->rank, t->dims);
    else
        lua_pushnil(L);
    return 1;
}

static int type_of(lua_State *L) {
    fv_lua_box *box;
    const fv_type *t = check_type(L, &box);
    fv_lua_push(L, box, FV_LUA_TYPE, t->kind == FV_TENSOR ? NULL : t->of);
    return 1;
}

/* type:dim(AXIS). Axes count from 0, or from the last one back as -1, -2, as in ONNX. */
static int type_dim(lua_State *L) {
    fv_lua_box *box;
    const fv_type *t = check_type(L, &box);
    lua_Integer axis = luaL_checkinteger(L, 2);
    if (t->kind != FV_TENSOR || t->rank < 0)
        return luaL_error(L, "only a tensor has dims");
    if (axis < -t->rank || axis >= t->rank)
        return luaL_error(L, "there is no axis %I: the rank is %d", axis, t->rank);
    fv_lua_push(L, box, FV_LUA_DIM, t->dims[axis < 0 ? axis + t->rank : axis]);
    return 1;
}

static const char *print_type(fv_arena *a, const void *t) {
    return fv_type_str(a, t);
}

static int type_str(lua_State *L) {
    return fv_lua_push_text(L, print_type, check_type(L, NULL));
}

static int type_eq(lua_State *L) {
    bool both = luaL_testudata(L, 1, FV_LUA_TYPE) && luaL_testudata(L, 2, FV_LUA_TYPE);
    lua_pushboolean(L, both && fv_type_equal(fv_lua_any(L, 1, FV_LUA_TYPE, NULL),
                                             fv_lua_any(L, 2, FV_LUA_TYPE, NULL)));
    return 1;
}

const fv_lua_class fv_lua_type_class = {
    FV_LUA_TYPE,
    (const luaL_Reg[]){{"dims", type_dims},
                       {"elem", type_elem},
                       {"kind", type_kind},
                       {"of", type_of},
                       {"rank", type_rank},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"dim", type_dim}, {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", type_str}, {"__eq", type_eq}, {NULL, NULL}}};

/* ---- dims ---- */

typedef const fv_dim *(*arithmetic)(fv_dims *t, const fv_dim *a, const fv_dim *b);

typedef struct computing {
    fv_module *m;
    arithmetic f;
    const fv_dim *a, *b, *out;
    int64_t value;
    fv_dim_order order;
} computing;

static bool make_const(void *arg) {
    computing *c = arg;
    c->out = fv_dim_const(c->m->dims, c->value);
    return true;
}

const fv_dim *fv_lua_dim(lua_State *L, int arg, fv_lua_box *box) {
    computing c = {.m = box->m};
    if (lua_isinteger(L, arg)) {
        c.value = lua_tointeger(L, arg);
        fv_lua_try_dims(L, box, make_const, &c);
        return c.out;
    }
    fv_lua_box *other;
    if (!luaL_testudata(L, arg, FV_LUA_DIM))
        luaL_error(L, "expected a dim or an integer, found a %s", luaL_typename(L, arg));
    const fv_dim *d = fv_lua_any(L, arg, FV_LUA_DIM, &other);
    if (other != box)
        luaL_error(L, "the dim is of another module");
    return d;
}

void fv_lua_push_dims(lua_State *L, fv_lua_box *box, int n, const fv_dim *const *dims) {
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        fv_lua_push(L, box, FV_LUA_DIM, dims[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static const fv_dim *check_dim(lua_State *L, fv_lua_box **box) {
    return fv_lua_any(L, 1, FV_LUA_DIM, box);
}

/* Pushes the number, or nil for a dim that is not constant. */
static int dim_value(lua_State *L) {
    const fv_dim *d = check_dim(L, NULL);
    if (fv_dim_is_const(d))
        lua_pushinteger(L, d->value);
    else
        lua_pushnil(L);
    return 1;
}

static int dim_name(lua_State *L) {
    const fv_dim *d = check_dim(L, NULL);
    lua_pushstring(L, d->kind == FV_DIM_SYMBOL ? d->name : NULL);
    return 1;
}

static int dim_least(lua_State *L) {
    lua_pushinteger(L, check_dim(L, NULL)->lo);
    return 1;
}

static int dim_most(lua_State *L) {
    lua_pushinteger(L, check_dim(L, NULL)->hi);
    return 1;
}

static bool compute(void *arg) {
    computing *c = arg;
    c->out = c->f(c->m->dims, c->a, c->b);
    return true;
}

/* Applies f to two dims, one of which may be a number of Lua. */
static int combine(lua_State *L, arithmetic f) {
    fv_lua_box *box;
    fv_lua_any(L, luaL_testudata(L, 1, FV_LUA_DIM) ? 1 : 2, FV_LUA_DIM, &box);
    computing c = {.m = box->m, .f = f, .a = fv_lua_dim(L, 1, box), .b = fv_lua_dim(L, 2, box)};
    fv_lua_try_dims(L, box, compute, &c);
    fv_lua_push(L, box, FV_LUA_DIM, c.out);
    return 1;
}

static int dim_add(lua_State *L) {
    return combine(L, fv_dim_add);
}
static int dim_sub(lua_State *L) {
    return combine(L, fv_dim_sub);
}
static int dim_mul(lua_State *L) {
    return combine(L, fv_dim_mul);
}
static int dim_floordiv(lua_State *L) {
    return combine(L, fv_dim_floordiv);
}
static int dim_ceildiv(lua_State *L) {
    return combine(L, fv_dim_ceildiv);
}
static int dim_mod(lua_State *L) {
    return combine(L, fv_dim_mod);
}
static int dim_min(lua_State *L) {
    return combine(L, fv_dim_min);
}
static int dim_max(lua_State *L) {
    return combine(L, fv_dim_max);
}

static bool order(void *arg) {
    computing *c = arg;
    c->order =
        fv_module_equal(c->m, c->a, c->b) ? FV_DIM_EQUAL : fv_dim_compare(c->m->dims, c->a, c->b);
    return true;
}

static int dim_compare(lua_State *L) {
    static const char *const names[] = {
        [FV_DIM_EQUAL] = "equal", [FV_DIM_DIFFERENT] = "different", [FV_DIM_UNKNOWN] = "unknown"};
    fv_lua_box *box;
    computing c = {.a = check_dim(L, &box)};
    c.m = box->m;
    c.b = fv_lua_dim(L, 2, box);
    fv_lua_try_dims(L, box, order, &c);
    lua_pushstring(L, names[c.order]);
    return 1;
}

static const char *print_dim(fv_arena *a, const void *d) {
    return fv_dim_str(a, d);
}

static int dim_str(lua_State *L) {
    return fv_lua_push_text(L, print_dim, check_dim(L, NULL));
}

const fv_lua_class fv_lua_dim_class = {FV_LUA_DIM,
                                       (const luaL_Reg[]){{"least", dim_least},
                                                          {"most", dim_most},
                                                          {"name", dim_name},
                                                          {"value", dim_value},
                                                          {NULL, NULL}},
                                       (const luaL_Reg[]){{"ceildiv", dim_ceildiv},
                                                          {"compare", dim_compare},
                                                          {"max", dim_max},
                                                          {"min", dim_min},
                                                          {NULL, NULL}},
                                       (const luaL_Reg[]){{"__add", dim_add},
                                                          {"__sub", dim_sub},
                                                          {"__mul", dim_mul},
                                                          {"__idiv", dim_floordiv},
                                                          {"__mod", dim_mod},
                                                          {"__tostring", dim_str},
                                                          {NULL, NULL}}};
