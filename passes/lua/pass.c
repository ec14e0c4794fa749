/* pass.c - passes that a script declares, their options, and running them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph/verify.h"
#include "passes/lua/internal.h"

/* ---- options ---- */

static const char *const kinds[] = {
    [LUA_TBOOLEAN] = "true or false", [LUA_TNUMBER] = "a number", [LUA_TSTRING] = "a text"};

/* The value of --script-arg NAME=VALUE, of which the last one counts; NULL: it is not given. */
static const char *given(const fv_lua *l, const char *name) {
    const char *value = NULL;
    size_t n = strlen(name);
    for (int i = 0; l->o.args && l->o.args[i]; i++)
        if (!strncmp(l->o.args[i], name, n) && l->o.args[i][n] == '=')
            value = l->o.args[i] + n + 1;
    return value;
}

/* Pushes the text, converted to the type of the value at `like`. */
static void push_given(lua_State *L, const char *name, const char *text, int like) {
    int type = lua_type(L, like);
    if (type == LUA_TSTRING) {
        lua_pushstring(L, text);
        return;
    }
    if (type == LUA_TBOOLEAN && (!strcmp(text, "true") || !strcmp(text, "false"))) {
        lua_pushboolean(L, *text == 't');
        return;
    }
    if (type == LUA_TNUMBER && lua_stringtonumber(L, text) &&
        (!lua_isinteger(L, like) || lua_isinteger(L, -1)))
        return;
    luaL_error(L, "--script-arg %s=%s: option '%s' is %s", name, text, name,
               lua_isinteger(L, like) ? "an integer" : kinds[type]);
}

typedef struct declaring {
    fv_lua *l;
    const char *name, *doc, *otherwise, *pass;
} declaring;

static bool add_option(void *arg) {
    const declaring *d = arg;
    fv_lua *l = d->l;
    fv_arena *a = l->arena;
    fv_lua_option o = {fv_strdup(a, d->name), fv_strdup(a, d->doc), fv_strdup(a, d->otherwise),
                       d->pass ? fv_strdup(a, d->pass) : NULL};
    int i = l->reads.noptions;
    FV_PUSH(a, l->reads.options, l->reads.noptions, l->reads.cap_options, o);
    for (; i > 0 && strcmp(l->reads.options[i - 1].name, o.name) > 0; i--)
        l->reads.options[i] = l->reads.options[i - 1];
    l->reads.options[i] = o;
    return true;
}

/* Declares an option from NAME = DEFAULT or NAME = {default = .., doc = ".."}, a key and a value on
 * the top of the stack; sets values[NAME]. */
static void declare_option(lua_State *L, int values, const char *pass) {
    fv_lua *l = fv_lua_of(L);
    int pair = lua_gettop(L) - 1;
    if (lua_type(L, pair) != LUA_TSTRING)
        luaL_error(L, "options are declared by their names, not by a %s", luaL_typename(L, pair));
    declaring d = {.l = l, .name = fv_lua_whole(L, pair), .doc = "", .pass = pass};
    for (int i = 0; i < l->reads.noptions; i++)
        if (!strcmp(l->reads.options[i].name, d.name))
            luaL_error(L, "option '%s' is declared twice", d.name);
    if (!*d.name || strpbrk(d.name, "= \n"))
        luaL_error(L, "'%s' is no name of an option", d.name);
    if (lua_istable(L, pair + 1)) {
        fv_lua_field(L, pair + 1, "doc");
        d.doc = luaL_optstring(L, -1, "");
        fv_lua_field(L, pair + 1, "default");
    } else {
        lua_pushvalue(L, pair + 1);
    }
    int like = lua_gettop(L), type = lua_type(L, like);
    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
        luaL_error(L, "option '%s': its default is a %s, expected a text, a number, true or false",
                   d.name, luaL_typename(L, like));
    d.otherwise = luaL_tolstring(L, like, NULL);
    fv_lua_try(L, NULL, add_option, &d);
    lua_pushvalue(L, pair);
    if (given(l, d.name))
        push_given(L, d.name, given(l, d.name), like);
    else
        lua_pushvalue(L, like);
    lua_settable(L, values);
    lua_settop(L, pair + 1);
}

/* Declares the options of the table at `arg`, or none, and pushes the table of their values. */
static void declare_options(lua_State *L, int arg, const char *pass) {
    lua_newtable(L);
    int values = lua_gettop(L);
    if (lua_isnoneornil(L, arg))
        return;
    if (!lua_istable(L, arg))
        luaL_error(L, "options is a %s, expected a table", luaL_typename(L, arg));
    lua_pushnil(L);
    while (lua_next(L, arg)) {
        declare_option(L, values, pass);
        lua_pop(L, 1);
    }
}

int fv_lua_options_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    if (fv_lua_of(L)->loaded)
        return luaL_error(L, "fv.options: options are declared while the script is read");
    declare_options(L, 1, NULL);
    return 1;
}

bool fv_lua_check_args(fv_lua *l) {
    const char **names = FV_NEW(l->arena, const char *, l->reads.noptions + 1);
    for (int i = 0; i < l->reads.noptions; i++)
        names[i] = l->reads.options[i].name;
    for (int i = 0; l->o.args && l->o.args[i]; i++) {
        const char *arg = l->o.args[i], *name = fv_strndup(l->arena, arg, strcspn(arg, "="));
        bool known = false;
        for (int k = 0; k < l->reads.noptions; k++)
            known |= !strcmp(names[k], name);
        if (known)
            continue;
        const char *near = fv_nearest(name, names), *before = fv_diag_file_get(l->session);
        fv_diag_file(l->session, l->path);
        if (near)
            fv_error(l->session,
                     "--script-arg %s: the script has no option '%s'; did you mean '%s'?", arg,
                     name, near);
        else
            fv_error(l->session, "--script-arg %s: the script has no option '%s'%s", arg, name,
                     l->reads.noptions ? "; --help lists those that it has" : ", and no other");
        fv_diag_file(l->session, before);
        return false;
    }
    return true;
}

/* ---- passes ---- */

static bool run_pass(fv_pass_run *r);

typedef struct adding {
    fv_lua *l;
    fv_lua_pass *p;
    const char *name, *purpose;
} adding;

static bool add_pass(void *arg) {
    adding *d = arg;
    fv_lua *l = d->l;
    fv_lua_pass *p = d->p = FV_NEW(l->arena, fv_lua_pass, 1);
    *p = (fv_lua_pass){.pass = {.name = fv_strdup(l->arena, d->name),
                                .doc = fv_strdup(l->arena, d->purpose),
                                .run = run_pass,
                                .user = p},
                       .lua = l,
                       .run = LUA_NOREF,
                       .values = LUA_NOREF};
    const fv_pass **list = FV_NEW(l->arena, const fv_pass *, l->declared.npasses + 2);
    for (int i = 0; i < l->declared.npasses; i++)
        list[i] = l->declared.passes[i];
    list[l->declared.npasses++] = &p->pass;
    l->declared.passes = list;
    return true;
}

fv_lua_pass *fv_lua_declare(lua_State *L, const char *name, const char *purpose) {
    fv_lua *l = fv_lua_of(L);
    adding d = {l, NULL, name, purpose};
    if (l->loaded)
        luaL_error(L, "pass '%s': passes are declared while the script is read", name);
    if (!*name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
            strlen(name))
        luaL_error(L, "'%s' is no name of a pass: letters, digits, - and _", name);
    if (fv_pass_find_own(l->declared.passes, name))
        luaL_error(L, "there is a pass '%s' already", name);
    fv_lua_pass **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = NULL;
    luaL_setmetatable(L, FV_LUA_PASS);
    fv_lua_try(L, NULL, add_pass, &d);
    *handle = d.p;
    return d.p;
}

int fv_lua_pass_new(lua_State *L) {
    static const char *const fields[] = {"name", "purpose", "options", "run", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    fv_lua_check_fields(L, 1, "fv.pass", fields);
    const char *name = fv_lua_text_field(L, 1, "name", NULL),
               *purpose = fv_lua_text_field(L, 1, "purpose", "");
    if (fv_lua_field(L, 1, "run") != LUA_TFUNCTION)
        return luaL_error(L, "pass '%s': run is a %s, expected a function", name,
                          luaL_typename(L, -1));
    int run = lua_gettop(L);
    fv_lua_field(L, 1, "options");
    declare_options(L, lua_gettop(L), name);
    int values = lua_gettop(L);
    fv_lua_pass *p = fv_lua_declare(L, name, purpose);
    lua_pushvalue(L, run);
    p->run = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, values);
    p->values = luaL_ref(L, LUA_REGISTRYINDEX);
    return 1;
}

static fv_lua_pass *check_pass(lua_State *L) {
    fv_lua_pass *p = *(fv_lua_pass **)luaL_checkudata(L, 1, FV_LUA_PASS);
    if (!p)
        luaL_error(L, "the pass was not declared");
    return p;
}

static int pass_name(lua_State *L) {
    lua_pushstring(L, check_pass(L)->pass.name);
    return 1;
}

static int pass_purpose(lua_State *L) {
    lua_pushstring(L, check_pass(L)->pass.doc);
    return 1;
}

static int pass_options(lua_State *L) {
    const fv_lua_pass *p = check_pass(L);
    if (p->values == LUA_NOREF)
        lua_newtable(L);
    else
        lua_rawgeti(L, LUA_REGISTRYINDEX, p->values);
    return 1;
}

typedef struct counting {
    fv_lua_pass *p;
    const char *what;
    int n;
} counting;

static bool count(void *arg) {
    const counting *c = arg;
    fv_pass_run *r = c->p->now;
    const char *what = fv_strdup(r->arena, c->what);
    for (int i = 0; i < c->n; i++)
        fv_pass_count_one(r, what);
    return true;
}

static int pass_count(lua_State *L) {
    lua_Integer n = luaL_optinteger(L, 3, 1);
    counting c = {check_pass(L), fv_lua_text(L, 2), (int)n};
    if (!c.p->now)
        return luaL_error(L, "pass '%s' does not run now", c.p->pass.name);
    if (n < 0 || n > 1000000)
        return luaL_error(L, "pass:count: %I is no count", n);
    fv_lua_try(L, NULL, count, &c);
    return 0;
}

static int pass_str(lua_State *L) {
    lua_pushfstring(L, "pass '%s'", check_pass(L)->pass.name);
    return 1;
}

const fv_lua_class fv_lua_pass_class = {
    FV_LUA_PASS,
    (const luaL_Reg[]){
        {"name", pass_name}, {"options", pass_options}, {"purpose", pass_purpose}, {NULL, NULL}},
    (const luaL_Reg[]){{"count", pass_count}, {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", pass_str}, {NULL, NULL}}};

/* ---- running ---- */

/* Pushes a new handle of the pass. It need not equal other handles of the pass. */
static void push_pass(lua_State *L, fv_lua_pass *p) {
    fv_lua_pass **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = p;
    luaL_setmetatable(L, FV_LUA_PASS);
}

static bool settle(void *box) {
    return fv_lua_settle(box);
}

static int call_run(lua_State *L) {
    fv_lua_pass *p = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, p->run);
    fv_lua_box *box = fv_lua_push_box(L, p->now->module, false);
    push_pass(L, p);
    lua_pushvalue(L, -2); /* the handle of the module stays on the stack */
    lua_insert(L, 1);
    lua_call(L, 2, 0);
    fv_lua_try(L, box, settle, box);
    return 0;
}

/* Ends the loan of a module that the script does not own: its owner changes and frees it, so
 * handles must not be used after the run. */
static int end_loan(lua_State *L) {
    const fv_lua_pass *p = lua_touserdata(L, 1);
    if (!fv_lua_find_box(L, p->now->module))
        return 0;
    fv_lua_box *box = lua_touserdata(L, -1);
    p->lua->calls.poisoned = box->poisoned;
    if (!p->around)
        box->m = NULL;
    return 0;
}

/* Has the script a handle of the module already, from an outer pass or because it read the
 * module? */
static int find_loan(lua_State *L) {
    const fv_lua_pass *p = lua_touserdata(L, 1);
    if (fv_lua_find_box(L, p->now->module))
        p->lua->calls.lent = ((const fv_lua_box *)lua_touserdata(L, -1))->m != NULL;
    return 0;
}

static bool run_script(fv_lua_pass *p, const char *what) {
    fv_lua *l = p->lua;
    l->calls.lent = false;
    p->now->changed = true;
    if (!fv_lua_protected(l, what, find_loan, p))
        return false;
    bool around = l->calls.lent, ok = fv_lua_protected(l, what, call_run, p);
    l->calls.poisoned = false;
    p->around = around;
    if (!fv_lua_protected(l, what, end_loan, p))
        return false;
    if (l->calls.poisoned) /* even if the script has caught the error */
        fv_out_of_memory(l->session);
    return ok;
}

/* Runs the rules of a pass. Conditions in Lua get handles of the module, which are closed after the
 * run as well. */
static bool run_rules(fv_lua_pass *p, fv_pass_run *r, const char *what) {
    fv_lua *l = p->lua;
    l->calls.lent = false;
    if (!fv_lua_protected(l, what, find_loan, p))
        return false;
    p->around = l->calls.lent;
    l->calls.condition_failed = false;
    bool ok = fv_apply_rules(r, p->rules, p->nrules, FV_APPROXIMATE) && !l->calls.condition_failed;
    return fv_lua_protected(l, what, end_loan, p) && ok;
}

/* The graph that a script leaves is verified in every build. */
static bool run_pass(fv_pass_run *r) {
    fv_lua_pass *p = r->pass->user;
    const char *what = fv_printf(r->arena, "pass '%s'", p->pass.name);
    if (p->now)
        return fv_error(r->module->session, "%s runs itself", what);
    p->now = r;
    p->outer = p->lua->calls.running;
    p->lua->calls.running = p;
    r->module->source.is_written = true;
    bool ok = p->rules ? run_rules(p, r, what) : run_script(p, what);
    fv_lua_end_passes(p->lua, p->outer);
    return ok &&
           (fv_module_verify(r->module, NULL) ||
            fv_error(r->module->session, "pass '%s' broke the module, see above", p->pass.name));
}
