/* quantize.c - fv.quantize: gives weights of a module a narrower type. */
#include <string.h>

#include "ir/graph/verify.h"
#include "passes/lua/internal.h"
#include "passes/quantize/quantize.h"

typedef struct quantizing {
    fv_lua_box *box;
    fv_quant_how how;
    bool dynamic;            /* activations are quantized by the range of each run */
    const char *const *skip; /* what names layers that are left as they are; NULL: nothing */
    /* ranges of activations by their names; NULL: none are given */
    const char *const *names;
    const fv_quant_range *ranges;
    /* the layers, and what they became; in the memory of the module */
    fv_quant_layer *layers;
    fv_quant_type *types;
    size_t *bytes;
    int *bits;
    int n;
} quantizing;

static bool skip_all(const quantizing *q) {
    fv_module *m = q->box->m;
    for (int i = 0; q->skip && q->skip[i]; i++) {
        const char *wrong = fv_quant_skip(m->arena, q->layers, q->n, q->skip[i]);
        if (wrong)
            return fv_error(m->session, "skip: '%s': %s", q->skip[i], wrong);
    }
    return true;
}

static fv_quant_how how_of(const quantizing *q, const fv_quant_layer *l) {
    fv_quant_how how = q->how;
    how.input = q->dynamic ? FV_QUANT_DYNAMIC : FV_QUANT_WEIGHTS;
    const fv_value *averaged = fv_quant_averaged(l);
    for (int i = 0; q->names && q->names[i] && l->activation >= 0; i++) {
        if (!strcmp(q->names[i], l->op->in[l->activation]->name)) {
            how.input = FV_QUANT_STATIC;
            how.range = q->ranges[i];
        }
        if (averaged && !strcmp(q->names[i], averaged->name)) {
            how.averaged = q->ranges[i];
            how.has_averaged = true;
        }
    }
    return how;
}

static bool quantize(void *arg) {
    quantizing *q = arg;
    fv_module *m = q->box->m;
    if (!fv_lua_settle(q->box) || !fv_module_verify(m, NULL))
        return false;
    q->layers = fv_quant_layers(m->arena, m, &q->n);
    q->types = FV_NEW(m->arena, fv_quant_type, q->n + 1);
    q->bytes = FV_NEW(m->arena, size_t, q->n + 1);
    q->bits = FV_NEW(m->arena, int, q->n + 1);
    if (!skip_all(q))
        return false;
    for (int i = 0; i < q->n; i++) {
        fv_quant_how how = how_of(q, &q->layers[i]);
        if (q->layers[i].why_not)
            how.type = FV_QUANT_F32;
        q->types[i] = how.type;
        q->bytes[i] = fv_quant_bytes(&q->layers[i], &how);
        q->bits[i] = fv_quant_bits(&q->layers[i], &how);
        if (!fv_quantize(&q->layers[i], &how))
            return false;
    }
    return fv_module_verify(m, NULL);
}

/* ---- arguments ---- */

static void read_type(lua_State *L, int table, fv_quant_how *how) {
    const char *to = fv_lua_text_field(L, table, "to", "int8");
    if (!fv_quant_type_parse(to, &how->type))
        luaL_error(L, "to is '%s', expected int8, int4, bf16 or f16", to);
    how->block = (int)fv_lua_integer_field(L, table, "block", 0, 0, FV_QUANT_MAX_BLOCK);
    int b = how->block;
    if (b && !fv_quant_has_scales(how->type))
        luaL_error(L, "block: %s has no scales", to);
    if (b && (b < FV_QUANT_MIN_BLOCK || (b & (b - 1))))
        luaL_error(L, "block is %d, expected a power of two from %d to %d", b, FV_QUANT_MIN_BLOCK,
                   FV_QUANT_MAX_BLOCK);
    if (how->type == FV_QUANT_INT4 && !b)
        how->block = FV_QUANT_BLOCK;
}

static bool read_flag(lua_State *L, int table, const char *name) {
    if (fv_lua_field(L, table, name) > LUA_TBOOLEAN)
        luaL_error(L, "%s is a %s, expected a boolean", name, luaL_typename(L, -1));
    return lua_toboolean(L, -1);
}

static float read_bound(lua_State *L, const char *name, int i) {
    lua_rawgeti(L, -1, i);
    if (lua_type(L, -1) != LUA_TNUMBER)
        luaL_error(L, "ranges: %s is not {lo, hi}", name);
    double v = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (!(v >= -3e38 && v <= 3e38))
        luaL_error(L, "ranges: a bound of %s is %f", name, v);
    return (float)v;
}

/* ranges = {h = {-1, 2}} */
static void read_ranges(lua_State *L, int table, quantizing *q) {
    if (fv_lua_field(L, table, "ranges") == LUA_TNIL)
        return;
    if (!lua_istable(L, -1))
        luaL_error(L, "ranges is a %s, expected a table such as {h = {-1, 2}}",
                   luaL_typename(L, -1));
    int ranges = lua_gettop(L), n = 0;
    q->names = fv_lua_keys(L, ranges, "ranges");
    while (q->names[n])
        n++;
    fv_quant_range *out = fv_lua_scratch(L, (size_t)n + 1, sizeof *out);
    for (int i = 0; i < n; i++) {
        if (fv_lua_field(L, ranges, q->names[i]) != LUA_TTABLE)
            luaL_error(L, "ranges: %s is not {lo, hi}", q->names[i]);
        out[i] = (fv_quant_range){read_bound(L, q->names[i], 1), read_bound(L, q->names[i], 2)};
        lua_pop(L, 1);
    }
    q->ranges = out;
}

static void read_options(lua_State *L, int table, quantizing *q) {
    static const char *const fields[] = {"block",        "ranges",      "reduce_range",
                                         "skip",         "standard",    "to",
                                         "weights_only", "zero_points", NULL};
    luaL_checktype(L, table, LUA_TTABLE);
    fv_lua_check_fields(L, table, "fv.quantize", fields);
    read_type(L, table, &q->how);
    q->how.standard = read_flag(L, table, "standard");
    q->how.zero_points = read_flag(L, table, "zero_points");
    if (q->how.zero_points && !fv_quant_has_scales(q->how.type))
        luaL_error(L, "zero_points: %s has none", fv_quant_type_name(q->how.type));
    q->how.reduced = read_flag(L, table, "reduce_range");
    if (q->how.reduced && (q->how.type != FV_QUANT_INT8 || q->how.block))
        luaL_error(L, "reduce_range is for int8 with a scale for each channel");
    q->dynamic = !read_flag(L, table, "weights_only");
    read_ranges(L, table, q);
    if (q->how.reduced && !q->dynamic && !q->names)
        luaL_error(L, "reduce_range is for products of integers, which weights_only does not make");
    q->dynamic &= !q->names;
    if (fv_lua_field(L, table, "skip") == LUA_TTABLE)
        q->skip = fv_lua_texts(L, lua_gettop(L));
    else if (!lua_isnil(L, -1))
        luaL_error(L, "skip is a %s, expected a list of layers", luaL_typename(L, -1));
}

/* ---- the result ---- */

static void push_layer(lua_State *L, const quantizing *q, int i) {
    const fv_quant_layer *l = &q->layers[i];
    lua_createtable(L, 0, 5);
    lua_pushstring(L, l->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, l->op->def->name);
    lua_setfield(L, -2, "op");
    lua_pushstring(L, fv_quant_type_name(q->types[i]));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)q->bytes[i]);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, q->bits[i]);
    lua_setfield(L, -2, "bits");
}

/* quantize(module, {to=, block=, zero_points=, reduce_range=, weights_only=, standard=, ranges=,
 * skip=}): a list of the layers */
int fv_lua_quantize(lua_State *L) {
    quantizing q = {.box = fv_lua_module(L, 1), .how = {.type = FV_QUANT_INT8}, .dynamic = true};
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        read_options(L, 2, &q);
    fv_lua_change(L, q.box, quantize, &q);
    lua_createtable(L, q.n, 0);
    for (int i = 0; i < q.n; i++) {
        push_layer(L, &q, i);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}
