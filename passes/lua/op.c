/* op.c - ops: reading, changing and erasing them. */
#include <string.h>

#include "ir/graph/infer.h"
#include "ir/graph/print.h"
#include "passes/lua/internal.h"

/* ---- reading ---- */

static int op_name(lua_State *L) {
    const fv_op *op = fv_lua_op(L, 1, NULL);
    if (*op->def->domain)
        lua_pushfstring(L, "%s.%s", op->def->domain, op->def->name);
    else
        lua_pushstring(L, op->def->name);
    return 1;
}

static int op_inputs(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    return fv_lua_push_values(L, box, op->nin, op->in);
}

static int op_outputs(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    return fv_lua_push_values(L, box, op->nout, op->out);
}

static int op_output(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    fv_lua_push(L, box, FV_LUA_VALUE, op->nout ? op->out[0] : NULL);
    return 1;
}

static int op_attrs(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    lua_newtable(L);
    for (int i = 0; i < op->nattrs; i++) {
        fv_lua_push_attr(L, box, &op->attrs[i]);
        lua_setfield(L, -2, op->attrs[i].name);
    }
    return 1;
}

static int op_regions(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    int n = 0;
    lua_newtable(L);
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION) {
            fv_lua_push(L, box, FV_LUA_REGION, op->attrs[i].u.region);
            lua_rawseti(L, -2, ++n);
        }
    return 1;
}

static int op_region(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    fv_lua_push(L, box, FV_LUA_REGION, op->block);
    return 1;
}

static int push_neighbour(lua_State *L, fv_lua_box *box, const fv_op *op) {
    fv_lua_push(L, box, FV_LUA_OP, op && op->def != &fv_return_def ? op : NULL);
    return 1;
}

static int op_next(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    return push_neighbour(L, box, op->next);
}

static int op_prev(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    return push_neighbour(L, box, op->prev);
}

static int op_origin(lua_State *L) {
    const fv_op *op = fv_lua_op(L, 1, NULL);
    lua_createtable(L, op->origin->n, 0);
    for (int i = 0; i < op->origin->n; i++) {
        lua_pushstring(L, op->origin->nodes[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int op_alive(lua_State *L) {
    const fv_lua_handle *h = luaL_checkudata(L, 1, FV_LUA_OP);
    lua_pushboolean(L, h->box->m && fv_lua_op_lives(h->at));
    return 1;
}

static const char *print(fv_arena *a, const void *op) {
    return fv_op_str(a, op);
}

static int op_str(lua_State *L) {
    const fv_lua_handle *h = luaL_checkudata(L, 1, FV_LUA_OP);
    if (!h->box->m || h->box->poisoned || !fv_lua_op_lives(h->at)) {
        lua_pushliteral(L, "op (erased)");
        return 1;
    }
    return fv_lua_push_text(L, print, h->at);
}

/* ---- changes ---- */

void fv_lua_touch(fv_lua_box *box, fv_op *op) {
    if (op->def != &fv_return_def)
        FV_PUSH(box->m->arena, box->touched, box->ntouched, box->cap_touched, op);
}

bool fv_lua_settle(fv_lua_box *box) {
    int n = box->ntouched;
    box->ntouched = 0;
    for (int i = 0; i < n; i++)
        if (fv_lua_op_lives(box->touched[i]) && !fv_op_settle(box->touched[i]))
            return false;
    return true;
}

/* ---- attributes ---- */

static bool push_default(lua_State *L, const fv_attr_def *d) {
    if (!d->has_default)
        return false;
    if (d->kind == FV_ATTR_INT)
        lua_pushinteger(L, d->i);
    else if (d->kind == FV_ATTR_FLOAT)
        lua_pushnumber(L, (double)d->f);
    else if (d->kind == FV_ATTR_STRING)
        lua_pushstring(L, d->s ? d->s : "");
    else
        return false;
    return true;
}

static int op_attr(lua_State *L) {
    fv_lua_box *box;
    const fv_op *op = fv_lua_op(L, 1, &box);
    const fv_attr_def *d = fv_lua_attr_def(L, op->def, fv_lua_text(L, 2));
    const fv_attr *a = fv_op_find_attr(op, d->name);
    if (a)
        fv_lua_push_attr(L, box, a);
    else if (!push_default(L, d))
        lua_pushnil(L);
    return 1;
}

typedef struct setting {
    fv_op *op;
    fv_lua_box *box;
    fv_attr attr;
    bool drop;
} setting;

static bool set(void *arg) {
    setting *s = arg;
    fv_lua_touch(s->box, s->op);
    if (s->drop) {
        fv_op_drop_attr(s->op, s->attr.name);
        return true;
    }
    fv_attr kept = fv_lua_keep_attr(s->box->m, &s->attr);
    fv_op_attr(s->op, &kept);
    return true;
}

/* The op is not verified here, because a change may take several steps, but when the pass ends, and
 * when the script verifies, runs passes on, copies, compiles or saves the module. */
static int op_set(lua_State *L) {
    fv_lua_box *box;
    setting s = {.op = fv_lua_op(L, 1, &box)};
    const fv_attr_def *d = fv_lua_attr_def(L, s.op->def, fv_lua_text(L, 2));
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    s.box = box;
    s.drop = lua_isnil(L, 3);
    s.attr.name = d->name;
    if (d->kind == FV_ATTR_REGION)
        return luaL_error(L, "attribute '%s' is a region, which stays with its op", d->name);
    if (!s.drop)
        fv_lua_read_attr(L, 3, box, d, s.op->def, &s.attr);
    fv_lua_change(L, box, set, &s);
    lua_settop(L, 1);
    return 1;
}

/* ---- operands and positions ---- */

typedef struct moving {
    fv_lua_box *box;
    fv_op *op, *before;
    int index;
    fv_value *v;
} moving;

static bool set_input(void *arg) {
    moving *m = arg;
    fv_lua_touch(m->box, m->op);
    fv_op_set_in(m->op, m->index, m->v);
    return true;
}

static int op_set_input(lua_State *L) {
    fv_lua_box *box;
    moving m = {.op = fv_lua_op(L, 1, &box)};
    lua_Integer i = luaL_checkinteger(L, 2);
    if (i < 1 || i > m.op->nin)
        return luaL_error(L, "%s has no operand %I: it has %d", m.op->def->name, i, m.op->nin);
    m.box = box;
    m.index = (int)i - 1;
    if (!lua_isboolean(L, 3) || lua_toboolean(L, 3))
        m.v = fv_lua_value_in(L, 3, box);
    fv_lua_change(L, box, set_input, &m);
    lua_settop(L, 1);
    return 1;
}

static bool move(void *arg) {
    moving *m = arg;
    fv_op_move_before(m->op, m->before);
    return true;
}

static int op_move_before(lua_State *L) {
    fv_lua_box *box, *other;
    moving m = {.op = fv_lua_op(L, 1, &box), .before = fv_lua_op(L, 2, &other)};
    if (box != other)
        return luaL_error(L, "the two ops are of different modules");
    if (m.op->def == &fv_return_def)
        return luaL_error(L, "fv.return ends its region, and stays there");
    for (const fv_op *at = m.before; at; at = at->block->parent)
        if (at == m.op)
            return luaL_error(L, "%s cannot be moved before itself, or into itself",
                              m.op->def->name);
    fv_lua_change(L, box, move, &m);
    lua_settop(L, 1);
    return 1;
}

static int op_before(lua_State *L) {
    fv_lua_box *box;
    fv_op *op = fv_lua_op(L, 1, &box);
    return fv_lua_build(L, 2, box, op->block, op);
}

static int op_after(lua_State *L) {
    fv_lua_box *box;
    fv_op *op = fv_lua_op(L, 1, &box);
    if (op->def == &fv_return_def)
        return luaL_error(L, "fv.return ends its region: nothing comes after it");
    return fv_lua_build(L, 2, box, op->block, op->next);
}

/* ---- erasing ---- */

static bool erase(void *arg) {
    fv_op_erase(arg);
    return true;
}

static bool is_within(const fv_op *at, const fv_op *op) {
    while (at && at != op)
        at = at->block->parent;
    return at == op;
}

/* A value in a region of op that is used outside; NULL: there is none. */
static const fv_value *find_used(const fv_op *op, const fv_region *block) {
    for (const fv_op *o = block->first; o; o = o->next) {
        for (int i = 0; i < o->nout; i++)
            for (int k = 0; o->out[i] && k < o->out[i]->nuses; k++)
                if (!is_within(o->out[i]->uses[k].op, op))
                    return o->out[i];
        for (int i = 0; i < o->nattrs; i++) {
            const fv_value *v =
                o->attrs[i].kind == FV_ATTR_REGION ? find_used(op, o->attrs[i].u.region) : NULL;
            if (v)
                return v;
        }
    }
    for (int i = 0; i < block->nparams; i++)
        for (int k = 0; k < block->params[i]->nuses; k++)
            if (!is_within(block->params[i]->uses[k].op, op))
                return block->params[i];
    return NULL;
}

/* Raises an error if a value would be left without the op that computes it. */
static void check_erasable(lua_State *L, const fv_op *op, bool unused) {
    if (op->def == &fv_return_def)
        luaL_error(L, "fv.return ends its region, and stays there");
    if (op->def->has_effect)
        luaL_error(L, "%s has an effect besides its results, and stays", op->def->name);
    for (int i = 0; i < op->nattrs; i++) {
        const fv_value *v =
            op->attrs[i].kind == FV_ATTR_REGION ? find_used(op, op->attrs[i].u.region) : NULL;
        if (v)
            luaL_error(L, "'%s', in a region of this %s, has uses outside of it", v->name,
                       op->def->name);
    }
    for (int i = 0; unused && i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            luaL_error(L, "'%s', a result of this %s, has uses: replace it first", op->out[i]->name,
                       op->def->name);
}

static int op_erase(lua_State *L) {
    fv_lua_box *box;
    fv_op *op = fv_lua_op(L, 1, &box);
    check_erasable(L, op, true);
    fv_lua_change(L, box, erase, op);
    return 0;
}

typedef struct replacing {
    fv_module *m;
    fv_op *op;
    fv_value *with[FV_MAX_OUT];
} replacing;

/* The value that replaces a result also gets its name, if it is a result itself. */
static bool replace(void *arg) {
    replacing *r = arg;
    for (int i = 0; i < r->op->nout; i++) {
        fv_value *old = r->op->out[i], *v = i < FV_MAX_OUT ? r->with[i] : NULL;
        if (!old || !v)
            continue;
        fv_replace_uses(old, v);
        if (v->kind == FV_VALUE_RESULT)
            fv_value_take_name(r->m, v, old);
    }
    fv_op_erase(r->op);
    return true;
}

static int op_replace(lua_State *L) {
    fv_lua_box *box;
    replacing r = {.op = fv_lua_op(L, 1, &box)};
    r.m = box->m;
    check_erasable(L, r.op, false);
    for (int i = 0; i < r.op->nout; i++) {
        const fv_value *old = r.op->out[i];
        if (!old || (!old->nuses && lua_isnoneornil(L, i + 2)))
            continue;
        if (i >= FV_MAX_OUT)
            return luaL_error(L, "%s has more results than can be replaced at once",
                              r.op->def->name);
        r.with[i] = fv_lua_value_in(L, i + 2, box);
        if (r.with[i]->kind == FV_VALUE_RESULT && r.with[i]->def == r.op)
            return luaL_error(L, "'%s' is a result of the op that is replaced", r.with[i]->name);
        const fv_region *block =
            r.with[i]->kind == FV_VALUE_RESULT ? r.with[i]->def->block : r.with[i]->block;
        if (r.with[i]->kind != FV_VALUE_CONST && block && is_within(block->parent, r.op))
            return luaL_error(L, "'%s' is in a region of the op that is removed", r.with[i]->name);
        fv_lua_check_type(L, box, old, r.with[i]);
    }
    fv_lua_change(L, box, replace, &r);
    return 0;
}

const fv_lua_class fv_lua_op_class = {FV_LUA_OP,
                                      (const luaL_Reg[]){{"alive", op_alive},
                                                         {"attrs", op_attrs},
                                                         {"inputs", op_inputs},
                                                         {"name", op_name},
                                                         {"next", op_next},
                                                         {"origin", op_origin},
                                                         {"output", op_output},
                                                         {"outputs", op_outputs},
                                                         {"prev", op_prev},
                                                         {"region", op_region},
                                                         {"regions", op_regions},
                                                         {NULL, NULL}},
                                      (const luaL_Reg[]){{"after", op_after},
                                                         {"attr", op_attr},
                                                         {"before", op_before},
                                                         {"erase", op_erase},
                                                         {"move_before", op_move_before},
                                                         {"replace", op_replace},
                                                         {"set", op_set},
                                                         {"set_input", op_set_input},
                                                         {NULL, NULL}},
                                      (const luaL_Reg[]){{"__tostring", op_str}, {NULL, NULL}}};
