/* tensor.c - the elements of constants, read in place; and new tensors. */
#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "passes/lua/internal.h"

static fv_tensor *check_tensor(lua_State *L, fv_lua_box **box) {
    return fv_lua_any(L, 1, FV_LUA_TENSOR, box);
}

static bool has_numbers(fv_elem e) {
    return e != FV_STRING && e != FV_C64 && e != FV_C128;
}

/* ---- reading ---- */

static int tensor_elem(lua_State *L) {
    lua_pushstring(L, fv_elem_name(check_tensor(L, NULL)->elem));
    return 1;
}

static int tensor_dims(lua_State *L) {
    const fv_tensor *t = check_tensor(L, NULL);
    lua_createtable(L, t->rank, 0);
    for (int i = 0; i < t->rank; i++) {
        lua_pushinteger(L, t->dims[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int tensor_bytes(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_tensor(L, NULL)->bytes);
    return 1;
}

static int tensor_count(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_tensor(L, NULL)->count);
    return 1;
}

static void push_element(lua_State *L, const fv_tensor *t, size_t i) {
    if (t->elem == FV_STRING) {
        const fv_string *s = (const fv_string *)t->data + i;
        lua_pushlstring(L, s->s ? s->s : "", s->n);
    } else if (t->elem == FV_BOOL) {
        lua_pushboolean(L, fv_tensor_int(t, i) != 0);
    } else if (!has_numbers(t->elem)) {
        luaL_error(L, "elements of type %s are no numbers of Lua", fv_elem_name(t->elem));
    } else if (fv_elem_is_float(t->elem)) {
        lua_pushnumber(L, fv_tensor_float(t, i));
    } else {
        lua_pushinteger(L, fv_tensor_int(t, i));
    }
}

/* t[i], in row-major order; nil after the last, as for any list. */
static int tensor_at(lua_State *L) {
    const fv_tensor *t = check_tensor(L, NULL);
    lua_Integer i = lua_tointeger(L, 2);
    if (i < 1 || (uint64_t)i > t->count)
        lua_pushnil(L);
    else
        push_element(L, t, (size_t)i - 1);
    return 1;
}

static int tensor_list(lua_State *L) {
    const fv_tensor *t = check_tensor(L, NULL);
    lua_createtable(L, t->count < 1 << 20 ? (int)t->count : 0, 0);
    for (size_t i = 0; i < t->count; i++) {
        push_element(L, t, i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- writing ---- */

static void set_element(lua_State *L, fv_tensor *t, size_t i, int arg) {
    if (t->elem == FV_BOOL && lua_isboolean(L, arg))
        fv_tensor_set_int(t, i, lua_toboolean(L, arg));
    else if (fv_elem_is_float(t->elem) && lua_type(L, arg) == LUA_TNUMBER)
        fv_tensor_set_float(t, i, lua_tonumber(L, arg));
    else if (!fv_elem_is_float(t->elem) && t->elem != FV_BOOL && lua_isinteger(L, arg)) {
        const int64_t before = fv_tensor_int(t, i);
        const lua_Integer x = lua_tointeger(L, arg);
        fv_tensor_set_int(t, i, x);
        if (fv_tensor_int(t, i) == x && (x >= 0 || fv_elem_is_signed(t->elem)))
            return;
        fv_tensor_set_int(t, i, before);
        luaL_error(L, "element %I: %I is no %s", (lua_Integer)i + 1, lua_tointeger(L, arg),
                   fv_elem_name(t->elem));
    } else {
        luaL_error(L, "element %I of %s: found a %s", (lua_Integer)i + 1, fv_elem_name(t->elem),
                   luaL_typename(L, arg));
    }
}

static int tensor_set(lua_State *L) {
    fv_tensor *t = check_tensor(L, NULL);
    const fv_lua_handle *h = lua_touserdata(L, 1);
    lua_Integer i = lua_tointeger(L, 2);
    if (!h->open)
        return luaL_error(
            L,
            "the tensor is a constant's, which do not change; module:buffer makes one that does");
    if (i < 1 || (uint64_t)i > t->count)
        return luaL_error(L, "there is no element %I: the tensor has %I", i, (lua_Integer)t->count);
    set_element(L, t, (size_t)i - 1, 3);
    return 0;
}

static int tensor_str(lua_State *L) {
    const fv_tensor *t = check_tensor(L, NULL);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, fv_elem_name(t->elem));
    for (int i = 0; i < t->rank; i++) {
        lua_pushfstring(L, "%s%I", i ? ", " : "[", (lua_Integer)t->dims[i]);
        luaL_addvalue(&b);
    }
    luaL_addstring(&b, t->rank ? "]" : "[]");
    luaL_pushresult(&b);
    return 1;
}

const fv_lua_class fv_lua_tensor_class = {FV_LUA_TENSOR,
                                          (const luaL_Reg[]){{"bytes", tensor_bytes},
                                                             {"count", tensor_count},
                                                             {"dims", tensor_dims},
                                                             {"elem", tensor_elem},
                                                             {NULL, NULL}},
                                          (const luaL_Reg[]){{"list", tensor_list}, {NULL, NULL}},
                                          (const luaL_Reg[]){{"[]", tensor_at},
                                                             {"[]=", tensor_set},
                                                             {"__len", tensor_count},
                                                             {"__tostring", tensor_str},
                                                             {NULL, NULL}}};

/* ---- tensors without a module ---- */

enum { ALIGN = 64 };

/* Handle, tensor, dims and elements are one block of memory, which Lua counts. */
typedef struct loose {
    fv_lua_handle handle;
    fv_tensor tensor;
    int64_t dims[];
} loose;

fv_tensor *fv_lua_push_tensor(lua_State *L, fv_elem elem, int rank, const int64_t *dims) {
    size_t count, bytes, head = sizeof(loose) + (size_t)rank * sizeof *dims;
    if (!fv_tensor_size(elem, rank, dims, &count, &bytes) || bytes > SIZE_MAX / 4)
        luaL_error(L, "there is no tensor of such a size");
    loose *x = lua_newuserdatauv(L, head + bytes + ALIGN, 0);
    char *data = (char *)x + head;
    data += (ALIGN - (uintptr_t)data % ALIGN) % ALIGN;
    x->tensor = (fv_tensor){
        .elem = elem, .rank = rank, .dims = x->dims, .count = count, .bytes = bytes, .data = data};
    x->handle = (fv_lua_handle){.at = &x->tensor, .open = true};
    for (int i = 0; i < rank; i++)
        x->dims[i] = dims[i];
    memset(data, 0, bytes);
    luaL_setmetatable(L, FV_LUA_TENSOR);
    return &x->tensor;
}

fv_tensor *fv_lua_tensor_at(lua_State *L, int arg) {
    return fv_lua_any(L, arg, FV_LUA_TENSOR, NULL);
}

/* ---- making ---- */

typedef struct making {
    fv_module *m;
    fv_elem elem;
    int rank;
    int64_t dims[FV_MAX_RANK];
    size_t most; /* the most bytes */
    const char *name;
    fv_tensor *tensor;
    fv_value *v;
} making;

static bool make_tensor(void *arg) {
    making *k = arg;
    size_t count, bytes;
    if (!fv_tensor_size(k->elem, k->rank, k->dims, &count, &bytes))
        return fv_error(k->m->session, "there is no tensor of such a size");
    if (bytes > k->most)
        return fv_error(k->m->session,
                        "a tensor of %zu bytes is more memory than the script may take; "
                        "--script-memory=N allows more",
                        bytes);
    k->tensor = fv_tensor_new(k->m->arena, k->elem, k->rank, k->dims);
    return k->tensor != NULL;
}

/* Copies a tensor without a module into this module. */
static bool copy_tensor(void *arg) {
    making *k = arg;
    const fv_tensor *from = k->tensor;
    k->elem = from->elem;
    k->rank = from->rank;
    memcpy(k->dims, from->dims, (size_t)from->rank * sizeof *from->dims);
    if (!make_tensor(k))
        return false;
    memcpy((void *)(uintptr_t)k->tensor->data, from->data, from->bytes);
    return true;
}

static bool make_const(void *arg) {
    making *k = arg;
    k->v = fv_const_new(k->m, k->name, k->tensor);
    return true;
}

/* Reads a list of sizes; none means rank 0. */
static void read_dims(lua_State *L, int arg, making *k) {
    if (lua_isnoneornil(L, arg))
        return;
    luaL_argexpected(L, lua_istable(L, arg), arg, "list of sizes");
    lua_Unsigned n = lua_rawlen(L, arg);
    if (n > FV_MAX_RANK)
        luaL_error(L, "a tensor has at most %d axes", FV_MAX_RANK);
    k->rank = (int)n;
    for (int i = 0; i < k->rank; i++) {
        lua_rawgeti(L, arg, i + 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0)
            luaL_error(L, "size %d is no integer of at least 0", i + 1);
        k->dims[i] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
}

static void check_elem(lua_State *L, fv_elem e) {
    if (!has_numbers(e))
        luaL_error(L, "scripts make no tensors of %s", fv_elem_name(e));
}

int fv_lua_buffer(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    making k = {.m = box->m, .elem = fv_lua_elem(L, 2), .most = fv_lua_room(L)};
    check_elem(L, k.elem);
    read_dims(L, 3, &k);
    fv_lua_change(L, box, make_tensor, &k);
    fv_lua_push(L, box, FV_LUA_TENSOR, k.tensor);
    ((fv_lua_handle *)lua_touserdata(L, -1))->open = true;
    return 1;
}

/* Fills a tensor with the number at `arg`, or with the list of its elements there. */
static void fill(lua_State *L, int arg, fv_tensor *t) {
    bool list = lua_istable(L, arg);
    if (list && lua_rawlen(L, arg) != t->count)
        luaL_error(L, "%I elements, expected %I", (lua_Integer)lua_rawlen(L, arg),
                   (lua_Integer)t->count);
    for (size_t i = 0; i < t->count; i++) {
        if (list)
            lua_rawgeti(L, arg, (lua_Integer)i + 1);
        set_element(L, t, i, list ? lua_gettop(L) : arg);
        if (list)
            lua_pop(L, 1);
    }
}

/* tensor(ELEM, DIMS, ELEMENTS); without elements they are 0 */
int fv_lua_tensor_new(lua_State *L) {
    making k = {.elem = fv_lua_elem(L, 1)};
    check_elem(L, k.elem);
    lua_settop(L, 3);
    read_dims(L, 2, &k);
    fv_tensor *t = fv_lua_push_tensor(L, k.elem, k.rank, k.dims);
    if (!lua_isnil(L, 3))
        fill(L, 3, t);
    lua_settop(L, 4);
    return 1;
}

typedef struct reading {
    const fv_lua *l;
    const char *name;
    fv_arena **arena;
    const fv_tensor *t;
} reading;

static bool read_file(void *arg) {
    reading *r = arg;
    const fv_lua_host *host = &r->l->o.host;
    *r->arena = fv_arena_new(r->l->session);
    r->t = host->read_tensor(host->user, r->name, *r->arena);
    return r->t != NULL;
}

/* tensor_file(NAME): a copy of the tensor in a file of the folders that the user names */
int fv_lua_tensor_file(lua_State *L) {
    reading r = {.l = fv_lua_of(L), .name = fv_lua_text(L, 1)};
    if (!r.l->o.host.read_tensor)
        return luaL_error(L, "fv.tensor_file: only `fovea lua` and `fovea test` read tensors");
    r.arena = fv_lua_push_arena(L);
    fv_lua_try(L, NULL, read_file, &r);
    const fv_tensor *t = fv_lua_push_tensor(L, r.t->elem, r.t->rank, r.t->dims);
    if (t->bytes)
        memcpy((void *)(uintptr_t)t->data, r.t->data, t->bytes);
    fv_lua_free_arena(r.arena);
    return 1;
}

/* const(NAME, TENSOR) or const(NAME, ELEM, DIMS, ELEMENTS) */
int fv_lua_const(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1), *other;
    making k = {.m = box->m, .name = fv_lua_text(L, 2), .most = fv_lua_room(L)};
    if (luaL_testudata(L, 3, FV_LUA_TENSOR)) {
        k.tensor = fv_lua_any(L, 3, FV_LUA_TENSOR, &other);
        if (other && other != box)
            return luaL_error(L, "the tensor is of another module");
        if (other)
            ((fv_lua_handle *)lua_touserdata(L, 3))->open = false;
        else
            fv_lua_change(L, box, copy_tensor, &k);
    } else {
        k.elem = fv_lua_elem(L, 3);
        check_elem(L, k.elem);
        read_dims(L, 4, &k);
        luaL_checkany(L, 5);
        lua_settop(L, 5);
        fv_lua_change(L, box, make_tensor, &k);
        fill(L, 5, k.tensor);
    }
    fv_lua_change(L, box, make_const, &k);
    fv_lua_push(L, box, FV_LUA_VALUE, k.v);
    return 1;
}
