/* operator.c - fv.op: operators that a script declares. Their entries have the form of those of the
 * catalogue (ir/catalogue/op.h), so the importer, the verifier, the printer, rules and lowering,
 * which read entries, treat them alike. */
#include <string.h>

#include "backend/lower.h"
#include "ir/base/limits.h"
#include "ir/catalogue/own.h"
#include "ir/definition/formula.h"
#include "ir/graph/infer.h"
#include "ir/graph/verify.h"
#include "ir/rule/parts.h"
#include "passes/lua/internal.h"

/* ---- reading the declaration ---- */

static bool is_word(const char *s, const char *more) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t n = 0;
    while (s[n] && (strchr(letters, s[n]) || strchr(more, s[n])))
        n++;
    return n && !s[n] && !(*s >= '0' && *s <= '9') && *s != '.';
}

/* The type variable for an operand of a single type; it has the name of the type. */
static const char *variable_of(lua_State *L, fv_opdef *d, const char *type) {
    int n = 0;
    lua_pushstring(L, type);
    fv_elem e = fv_lua_elem(L, lua_gettop(L));
    lua_pop(L, 1);
    while (n < FV_MAX_TYPEVARS && d->types[n].name && strcmp(d->types[n].name, type))
        n++;
    if (n == FV_MAX_TYPEVARS)
        luaL_error(L, "more than %d types", FV_MAX_TYPEVARS);
    d->types[n] = (fv_typevar){fv_elem_name(e), (fv_elem_set)1 << e};
    return d->types[n].name;
}

/* Reads "X" or {name = "X", type = "i64", rank = 1, optional = true} at the top of the stack. */
static fv_operand_def read_operand(lua_State *L, fv_opdef *d, bool input) {
    static const char *const fields[] = {"name", "optional", "rank", "type", NULL};
    fv_operand_def o = {.type = "T"};
    int at = lua_gettop(L);
    if (lua_type(L, at) == LUA_TSTRING) {
        o.name = fv_lua_whole(L, at);
    } else if (lua_istable(L, at) && input) {
        fv_lua_check_fields(L, at, "an input", fields);
        o.name = fv_lua_text_field(L, at, "name", NULL);
        const char *type = fv_lua_text_field(L, at, "type", "");
        int rank = (int)fv_lua_integer_field(L, at, "rank", -1, 0, FV_MAX_RANK);
        fv_lua_field(L, at, "optional");
        o.arity = lua_toboolean(L, -1) ? FV_OPTIONAL_OPERAND : FV_REQUIRED;
        if (rank >= 0)
            o.rank = rank ? (fv_rank_def)FV_RANK(rank) : (fv_rank_def)FV_SCALAR;
        if (*type)
            o.type = variable_of(L, d, type);
    } else {
        luaL_error(L, "%s is a %s, expected a name", input ? "an input" : "an output",
                   luaL_typename(L, at));
    }
    if (!is_word(o.name, ""))
        luaL_error(L, "'%s' is no name of an operand", o.name);
    lua_settop(L, at);
    return o;
}

static void read_operands(lua_State *L, const char *field, const char *otherwise, int most,
                          fv_opdef *d, fv_operand_def *out) {
    bool input = out == d->in;
    int type = fv_lua_field(L, 1, field), list = lua_gettop(L);
    if (type == LUA_TNIL) {
        out[0] = (fv_operand_def){.name = otherwise, .type = "T"};
        return;
    }
    if (type != LUA_TTABLE)
        luaL_error(L, "%s is a %s, expected a list", field, luaL_typename(L, list));
    int n = fv_lua_length(L, list);
    if (n < 1 || n > most)
        luaL_error(L, "%s: %d of them, expected 1 to %d", field, n, most);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, list, i + 1);
        out[i] = read_operand(L, d, input);
        for (int k = 0; k < i; k++)
            if (!strcmp(out[k].name, out[i].name))
                luaL_error(L, "%s: there are two '%s'", field, out[i].name);
        lua_settop(L, list);
    }
}

/* Reads the attributes. The kind of an attribute is that of its default. */
static void read_attributes(lua_State *L, fv_opdef *d) {
    int type = fv_lua_field(L, 1, "attributes"), table = lua_gettop(L);
    if (type == LUA_TNIL)
        return;
    if (type != LUA_TTABLE)
        luaL_error(L, "attributes is a %s, expected a table of defaults", luaL_typename(L, table));
    const char *const *names = fv_lua_keys(L, table, "attributes");
    for (int n = 0; names[n]; n++) {
        if (n == FV_MAX_ATTRS || !is_word(names[n], ""))
            luaL_error(L,
                       n == FV_MAX_ATTRS ? "'%s' is an attribute too many"
                                         : "'%s' is no name of an attribute",
                       names[n]);
        fv_attr_def *a = &d->attrs[n];
        *a = (fv_attr_def){.name = names[n], .has_default = true};
        fv_lua_field(L, table, names[n]);
        if (lua_isinteger(L, -1)) {
            a->kind = FV_ATTR_INT;
            a->i = lua_tointeger(L, -1);
        } else if (lua_type(L, -1) == LUA_TNUMBER) {
            a->kind = FV_ATTR_FLOAT;
            a->f = (float)lua_tonumber(L, -1);
        } else {
            luaL_error(L, "attribute '%s': its default is a %s, expected a number", names[n],
                       luaL_typename(L, -1));
        }
        lua_pop(L, 1);
    }
}

static void read_types(lua_State *L, fv_opdef *d) {
    fv_elem_set set = FV_SET_FLOAT;
    int type = fv_lua_field(L, 1, "types"), list = lua_gettop(L);
    if (type == LUA_TTABLE) {
        set = 0;
        for (int i = 1, n = fv_lua_length(L, list); i <= n; i++) {
            lua_rawgeti(L, list, i);
            set |= (fv_elem_set)1 << fv_lua_elem(L, lua_gettop(L));
            lua_settop(L, list);
        }
    }
    if (!set || (type != LUA_TNIL && type != LUA_TTABLE))
        luaL_error(L, "types is a %s, expected a list of one or more, such as {\"f32\"}",
                   luaL_typename(L, list));
    d->types[0] = (fv_typevar){"T", set};
}

/* ---- declaring it ---- */

typedef struct declaring {
    fv_lua *l;
    fv_opdef *d; /* first in memory of Lua, then in the arena of the session */
    bool check;
} declaring;

/* A copy that lives as long as the session. */
static fv_opdef *keep(fv_arena *a, const fv_opdef *from) {
    fv_opdef *d = FV_NEW(a, fv_opdef, 1);
    *d = *from;
    d->domain = fv_strdup(a, from->domain);
    d->name = fv_strdup(a, from->name);
    d->doc = fv_strdup(a, from->doc);
    d->formula = from->formula ? fv_strdup(a, from->formula) : NULL;
    d->rule = from->rule ? fv_strdup(a, from->rule) : NULL;
    for (int i = 0; i < FV_MAX_IN && d->in[i].name; i++)
        d->in[i].name = fv_strdup(a, d->in[i].name);
    for (int i = 0; i < FV_MAX_OUT && d->out[i].name; i++)
        d->out[i].name = fv_strdup(a, d->out[i].name);
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++)
        d->attrs[i].name = fv_intern(fv_arena_session(a), d->attrs[i].name);
    return d;
}

static bool parse_meaning(fv_lua *l, fv_opdef *d) {
    fv_body body;
    if (d->rule)
        return fv_body_parse(l->arena, d, d->name, d->rule, &body);
    const char *before = fv_diag_file_get(l->session);
    fv_diag_file(l->session, d->source);
    bool ok = fv_formula_check(l->session, d->formula);
    fv_diag_file(l->session, before);
    if (ok)
        d->infer = fv_formula_states_dims(l->session, d->formula)      ? fv_infer_by_formula
                   : fv_formula_is_elementwise(l->session, d->formula) ? fv_infer_elementwise
                                                                       : fv_infer_same;
    return ok;
}

static fv_elem first_of(fv_elem_set set) {
    fv_elem e = FV_F32;
    if (set >> e & 1)
        return e;
    for (e = 0; !(set >> e & 1);)
        e++;
    return e;
}

static fv_elem elem_of(const fv_opdef *d, const char *variable) {
    for (int i = 0; i < FV_MAX_TYPEVARS && d->types[i].name; i++)
        if (!strcmp(d->types[i].name, variable))
            return first_of(d->types[i].set);
    return FV_F32;
}

/* A module that consists of that op; operands whose rank is not declared have `rank` axes. */
static fv_module *instance_of(fv_session *s, const fv_opdef *d, int rank) {
    fv_module *m = fv_module_new(s, "instance");
    fv_region *body = fv_func_new(m, "main")->body;
    fv_value *in[FV_MAX_IN];
    const char *outs[FV_MAX_OUT];
    const fv_dim *dims[FV_MAX_RANK];
    int nin = 0, nout = 0;
    for (int i = 0; i < FV_MAX_RANK; i++)
        dims[i] = fv_dim_const(m->dims, 3);
    for (; nin < FV_MAX_IN && d->in[nin].name; nin++) {
        const fv_rank_def *r = &d->in[nin].rank;
        int own = r->scalar || r->single ? 0 : r->most ? r->most : rank;
        in[nin] = fv_param_new(body, d->in[nin].name,
                               fv_tensor_type(m->arena, elem_of(d, d->in[nin].type), own, dims));
    }
    for (; nout < FV_MAX_OUT && d->out[nout].name; nout++)
        outs[nout] = d->out[nout].name;
    fv_op *op = fv_op_new(body, NULL, d, nin, in, nout, outs, fv_origin_of(m, d->name));
    if (!fv_op_infer(op))
        return NULL;
    fv_region_return(body, nout, op->out);
    m->funcs->result_names = FV_NEW(m->arena, const char *, nout + 1);
    memcpy((void *)(uintptr_t)m->funcs->result_names, outs, (size_t)nout * sizeof *outs);
    return m;
}

static bool lowers(fv_session *s, const fv_opdef *d, int rank) {
    static const char *const passes[] = {"legalise", "remove-dead", NULL};
    fv_module *m = instance_of(s, d, rank);
    fv_lower_options o = {.target = fv_target_find("generic"), .naive = true, .verify = true};
    return m && fv_module_verify(m, NULL) && fv_run_passes(m, passes, &(fv_pipeline_options){0}) &&
           fv_lower(m, &o);
}

/* Tries to compile an instance, in a session of its own, which is freed with all it made. */
static bool try_rank(fv_lua *l, const fv_opdef *d, int rank, bool tell) {
    fv_session *s = fv_session_new();
    fv_door door;
    if (!s || FV_DOOR_OPEN(s, &door))
        fv_leave_too(l->session, s);
    fv_ops_lend(s, l->session);
    bool ok = lowers(s, d, rank);
    fv_door_close(s, &door);
    for (const fv_message *m = tell && !ok ? fv_messages(s) : NULL; m; m = m->next) {
        const char *before = fv_diag_file_get(l->session);
        fv_diag_file(l->session, m->file);
        fv_error_at(l->session, m->line, m->column, "%s", m->text);
        fv_diag_file(l->session, before);
    }
    fv_session_free(s);
    return ok;
}

/* Can the operator be compiled with some rank of operands? If not, the diagnostics are those of the
 * rank that is tried first. */
static bool try_ranks(fv_lua *l, const fv_opdef *d) {
    static const int ranks[] = {2, 1, 3, 4, 0};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        if (try_rank(l, d, ranks[i], false))
            return true;
    return try_rank(l, d, ranks[0], true);
}

/* Adds the entry. This is the last step, so its rule cannot name the operator itself, and each
 * operator is made of ones that existed before. */
static bool declare(void *arg) {
    declaring *k = arg;
    fv_opdef *d = k->d = keep(k->l->arena, k->d);
    return parse_meaning(k->l, d) && (!k->check || try_ranks(k->l, d)) &&
           fv_op_declare(k->l->session, d);
}

/* op{name=, domain=, purpose=, inputs=, outputs=, attributes=, types=, formula= or rule=, check=}:
 * returns its qualified name */
int fv_lua_op_new(lua_State *L) {
    static const char *const fields[] = {"attributes", "check", "domain",  "formula",
                                         "inputs",     "name",  "outputs", "purpose",
                                         "rule",       "types", NULL};
    declaring k = {.l = fv_lua_of(L)};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_checkstack(L, 40, NULL);
    fv_opdef *d = k.d = fv_lua_scratch(L, 1, sizeof *d);
    fv_lua_check_fields(L, 1, "fv.op", fields);
    d->name = fv_lua_text_field(L, 1, "name", NULL);
    d->domain = fv_lua_text_field(L, 1, "domain", NULL);
    d->doc = fv_lua_text_field(L, 1, "purpose", "");
    d->since[0] = 1;
    if (k.l->loaded)
        return luaL_error(L, "fv.op: operators are declared while the script is read");
    if (!is_word(d->name, ""))
        return luaL_error(L, "'%s' is no name of an operator", d->name);
    if (!is_word(d->domain, ".") || strlen(d->domain) > 63 || !strcmp(d->domain, "fv") ||
        !strncmp(d->domain, "ai.onnx", 7))
        return luaL_error(
            L, "'%s' is no domain of a script's operators: one such as \"com.example\"", d->domain);
    read_types(L, d);
    read_operands(L, "inputs", "X", FV_MAX_IN, d, d->in);
    read_operands(L, "outputs", "Y", FV_MAX_OUT, d, d->out);
    read_attributes(L, d);
    const char *formula = fv_lua_text_field(L, 1, "formula", ""),
               *rule = fv_lua_text_field(L, 1, "rule", "");
    if (!*formula == !*rule)
        return luaL_error(L, "operator '%s' has %s", d->name,
                          *rule ? "a formula and a rule: one says what it means"
                                : "neither a formula nor a rule");
    d->formula = *formula ? formula : NULL;
    d->rule = *rule ? rule : NULL;
    d->source = *rule ? "the rule" : "the formula";
    fv_lua_field(L, 1, "check");
    k.check = lua_isnil(L, -1) || lua_toboolean(L, -1);
    fv_lua_try(L, NULL, declare, &k);
    lua_pushfstring(L, "%s.%s", k.d->domain, k.d->name);
    return 1;
}
