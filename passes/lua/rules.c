/* rules.c - rewrite rules of a script: the notation of ir/rule/rule.h, with conditions that can be
 * functions in Lua.
 *
 * A rule of text only is tested on random instances when it is declared, as the tests do with
 * shipped rules, unless it is declared with check = false. A rule with a condition in Lua is not,
 * because it is unknown which instances satisfy the condition. */
#include <string.h>

#include "passes/check.h"
#include "passes/lua/internal.h"

enum { INSTANCES = 20, SEED = 20240 };

/* ---- conditions in Lua ---- */

/* A call of a condition by the matcher. */
typedef struct question {
    fv_lua_rule *rule;
    fv_op *op;
    int n;
    const fv_capture *captures;
    bool answer;
} question;

/* Pushes a captured value or attribute, or the list of values of `xs..`. */
static void push_capture(lua_State *L, fv_lua_box *box, const fv_capture *c) {
    if (c->value) {
        fv_lua_push(L, box, FV_LUA_VALUE, c->value);
        return;
    }
    if (c->attr) {
        fv_lua_push_attr(L, box, c->attr);
        return;
    }
    lua_createtable(L, c->n, 0);
    for (int i = 0; i < c->n; i++) {
        fv_lua_push(L, box, FV_LUA_VALUE, c->values[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static int ask(lua_State *L) {
    question *q = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, q->rule->when);
    lua_createtable(L, 0, q->n);
    fv_lua_box *box = fv_lua_push_box(L, fv_region_module(q->op->block), false);
    lua_insert(L, 1); /* keeps the handle on the stack */
    for (int i = 0; i < q->n; i++) {
        push_capture(L, box, &q->captures[i]);
        lua_setfield(L, -2, q->captures[i].name);
    }
    fv_lua_push(L, box, FV_LUA_OP, q->op);
    lua_call(L, 2, 1);
    q->answer = lua_toboolean(L, -1);
    return 0;
}

/* Calls the condition. The matcher is walking the graph meanwhile, so the condition may read it,
 * and change nothing. */
static bool holds(void *user, fv_op *op, int n, const fv_capture *captures) {
    fv_lua_rule *rule = user;
    fv_lua *l = rule->lua;
    question q = {rule, op, n, captures, false};
    if (l->calls.condition_failed)
        return false;
    bool outer = l->calls.matching;
    l->calls.matching = true;
    l->calls.condition_failed = !fv_lua_protected(l, rule->what, ask, &q);
    l->calls.matching = outer;
    return !l->calls.condition_failed && q.answer;
}

/* ---- declaring ---- */

/* Parses a rule, which is entry `entry` of the list of fv.rules; 0: it is in no list. */
static bool parse(fv_lua_rule *r, const char *text, int entry) {
    fv_lua *l = r->lua;
    const char *before = fv_diag_file_get(l->session);
    fv_rule *rules;
    int n, errors = fv_error_count(l->session);
    fv_diag_file(l->session,
                 entry ? fv_printf(l->arena, "the text of entry %d", entry) : "the rule's text");
    bool ok = fv_rules_parse(l->arena, fv_strdup(l->arena, text), &rules, &n) &&
              fv_error_count(l->session) == errors;
    if (ok && n != 1)
        ok = fv_error(l->session, "holds %d rules, expected one", n);
    fv_diag_file(l->session, before);
    if (!ok)
        return false;
    r->rule = rules[0];
    r->what = fv_printf(l->arena, "rule '%s'", r->rule.name);
    return true;
}

static bool try_instances(fv_lua_rule *r) {
    fv_session *s = r->lua->session;
    fv_rule_report report;
    if (fv_rule_check(r->lua->arena, &r->rule, SEED, INSTANCES, &report))
        return true;
    if (report.counterexample) {
        fv_error(s, "rule '%s' does not hold", r->rule.name);
        fv_lua_note_lines(r->lua, report.counterexample);
        return false;
    }
    return report.compared > 0 ||
           fv_error(s,
                    "rule '%s' rewrites none of %d random instances of its pattern: %s; with check "
                    "= false it is declared untried",
                    r->rule.name, report.tried,
                    report.declined ? report.declined : "none could be made");
}

typedef struct declaring {
    fv_lua *l;
    const char *text;
    int entry;
    bool check;
    fv_lua_rule *rule;
} declaring;

static bool declare(void *arg) {
    declaring *d = arg;
    d->rule = FV_NEW(d->l->arena, fv_lua_rule, 1);
    *d->rule = (fv_lua_rule){.lua = d->l, .when = LUA_NOREF};
    return parse(d->rule, d->text, d->entry) && (!d->check || try_instances(d->rule));
}

/* Declares the rule, and leaves its handle on the stack. */
static fv_lua_rule *push_rule(lua_State *L, const char *text, int entry, bool check) {
    declaring d = {.l = fv_lua_of(L), .text = text, .entry = entry, .check = check};
    if (d.l->loaded)
        luaL_error(L, "fv.rule: rules are declared while the script is read");
    fv_lua_rule **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = NULL;
    luaL_setmetatable(L, FV_LUA_RULE);
    fv_lua_try(L, NULL, declare, &d);
    *handle = d.rule;
    return d.rule;
}

/* rule(TEXT), rule(TEXT, WHEN), rule(TEXT, {when = .., check = ..}) */
int fv_lua_rule_new(lua_State *L) {
    const char *text = fv_lua_text(L, 1);
    bool check = true;
    lua_settop(L, 2);
    if (lua_istable(L, 2)) {
        fv_lua_field(L, 2, "check");
        check = lua_isnil(L, -1) || lua_toboolean(L, -1);
        fv_lua_field(L, 2, "when");
        lua_replace(L, 2);
    }
    lua_settop(L, 2);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_isfunction(L, 2), 2, "function");
    fv_lua_rule *r = push_rule(L, text, 0, check && lua_isnil(L, 2));
    if (!lua_isnil(L, 2)) {
        lua_pushvalue(L, 2);
        r->when = luaL_ref(L, LUA_REGISTRYINDEX);
        r->rule.holds = holds;
        r->rule.user = r;
    }
    return 1;
}

typedef struct collecting {
    fv_lua_pass *pass;
    const fv_rule **from;
    int n;
} collecting;

static bool collect(void *arg) {
    const collecting *c = arg;
    fv_rule *rules = FV_NEW(c->pass->lua->arena, fv_rule, c->n);
    for (int i = 0; i < c->n; i++)
        rules[i] = *c->from[i];
    c->pass->rules = rules;
    c->pass->nrules = c->n;
    return true;
}

static const char *text_field(lua_State *L, const char *name, const char *otherwise) {
    int type = fv_lua_field(L, 1, name);
    if (type == LUA_TNIL && otherwise)
        return otherwise;
    if (type != LUA_TSTRING)
        luaL_error(L, "fv.rules: %s is a %s, expected a text", name, luaL_typename(L, -1));
    return fv_lua_whole(L, -1);
}

/* rules{name =, purpose =, ends =, rule or text, ...}: declares a pass that applies the rules until
 * none matches */
int fv_lua_rules_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    collecting c = {.n = fv_lua_length(L, 1)};
    c.from = fv_lua_scratch(L, (size_t)c.n, sizeof *c.from);
    const char *name = text_field(L, "name", NULL), *purpose = text_field(L, "purpose", "");
    fv_lua_field(L, 1, "ends");
    if (lua_type(L, -1) != LUA_TSTRING)
        return luaL_error(L, "fv.rules '%s': ends says why applying them comes to an end, in words",
                          name);
    if (!c.n)
        return luaL_error(L, "fv.rules '%s' has no rules", name);
    for (int i = 0, top = lua_gettop(L); i < c.n; i++) {
        if (lua_rawgeti(L, 1, i + 1) == LUA_TSTRING)
            push_rule(L, fv_lua_whole(L, -1), i + 1, true);
        fv_lua_rule **handle = luaL_testudata(L, -1, FV_LUA_RULE);
        if (!handle || !*handle)
            return luaL_error(L, "fv.rules '%s': entry %d is a %s, expected a rule or its text",
                              name, i + 1, luaL_typename(L, -1));
        c.from[i] = &(*handle)->rule; /* the rule is in the arena of the script */
        lua_settop(L, top);
    }
    c.pass = fv_lua_declare(L, name, purpose);
    fv_lua_try(L, NULL, collect, &c);
    return 1;
}

/* ---- one rule, one op ---- */

static fv_lua_rule *check_rule(lua_State *L) {
    fv_lua_rule *r = *(fv_lua_rule **)luaL_checkudata(L, 1, FV_LUA_RULE);
    if (!r)
        luaL_error(L, "the rule was not declared");
    return r;
}

typedef struct applying {
    fv_lua_rule *rule;
    fv_lua_box *box;
    fv_op *op;
    fv_mismatch why;
    bool applied;
} applying;

static bool apply(void *arg) {
    applying *a = arg;
    if (!fv_lua_settle(a->box))
        return false;
    a->rule->lua->calls.condition_failed = false;
    /* to notice diagnostics about an illegal right side */
    int errors = fv_error_count(a->rule->lua->session);
    a->applied = fv_rule_apply(&a->rule->rule, a->op, NULL);
    return !a->rule->lua->calls.condition_failed && fv_error_count(a->rule->lua->session) == errors;
}

static int rule_apply(lua_State *L) {
    applying a = {.rule = check_rule(L)};
    a.op = fv_lua_op(L, 2, &a.box);
    fv_lua_change(L, a.box, apply, &a);
    lua_pushboolean(L, a.applied);
    return 1;
}

static bool explain(void *arg) {
    applying *a = arg;
    a->rule->lua->calls.condition_failed = false;
    a->applied = fv_rule_matches(&a->rule->rule, a->op, &a->why);
    return !a->rule->lua->calls.condition_failed;
}

static int rule_explain(lua_State *L) {
    applying a = {.rule = check_rule(L)};
    a.op = fv_lua_op(L, 2, &a.box);
    fv_lua_try(L, a.box, explain, &a);
    lua_pushstring(L, a.applied ? NULL : a.why.why);
    return 1;
}

static int rule_name(lua_State *L) {
    lua_pushstring(L, check_rule(L)->rule.name);
    return 1;
}

static const char *print(fv_arena *a, const void *rule) {
    fv_text t = {.arena = a};
    fv_rule_print(&t, rule);
    return t.s;
}

static int rule_text(lua_State *L) {
    return fv_lua_push_text(L, print, &check_rule(L)->rule);
}

const fv_lua_class fv_lua_rule_class = {
    FV_LUA_RULE, (const luaL_Reg[]){{"name", rule_name}, {"text", rule_text}, {NULL, NULL}},
    (const luaL_Reg[]){{"apply", rule_apply}, {"explain", rule_explain}, {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", rule_text}, {NULL, NULL}}};
