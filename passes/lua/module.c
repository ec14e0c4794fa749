/* module.c - the table fv, and modules, functions and regions. */
#include <string.h>

#include "ir/dim/text.h"
#include "ir/graph/copy.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"
#include "ir/graph/verify.h"
#include "passes/lua/internal.h"

/* ---- fv.load, fv.parse ---- */

typedef struct reading {
    fv_lua *l;
    const char *text;
    fv_module *m;
} reading;

static bool parse(void *arg) {
    reading *r = arg;
    fv_session *s = r->l->session;
    const char *before = fv_diag_file_get(s);
    fv_diag_file(s, "the graph's text");
    /* without a folder, so the text cannot refer to side files, and the inputs of a compiled model
     * are known beforehand */
    r->m = fv_module_parse(s, r->text, NULL);
    bool ok = r->m && fv_module_verify(r->m, NULL);
    fv_diag_file(s, before);
    return ok;
}

static bool load(void *arg) {
    reading *r = arg;
    const char *before = fv_diag_file_get(r->l->session);
    r->m = r->l->o.host.load(r->l->o.host.user, r->text);
    fv_diag_file(r->l->session, before);
    return r->m != NULL;
}

static int fv_parse(lua_State *L) {
    reading r = {fv_lua_of(L), fv_lua_text(L, 1), NULL};
    fv_lua_try(L, NULL, parse, &r);
    fv_lua_push_box(L, r.m, true);
    return 1;
}

static int fv_load(lua_State *L) {
    reading r = {fv_lua_of(L), fv_lua_text(L, 1), NULL};
    if (!r.l->o.host.load)
        return luaL_error(
            L, "fv.load: only `fovea lua` and `fovea test` load models; here the command has one");
    fv_lua_try(L, NULL, load, &r);
    fv_lua_push_box(L, r.m, true);
    return 1;
}

static const fv_lua_class *const classes[] = {
    &fv_lua_module_class, &fv_lua_func_class, &fv_lua_region_class,   &fv_lua_op_class,
    &fv_lua_value_class,  &fv_lua_type_class, &fv_lua_dim_class,      &fv_lua_tensor_class,
    &fv_lua_pass_class,   &fv_lua_rule_class, &fv_lua_compiled_class, NULL};

static const luaL_Reg functions[] = {{"compile", fv_lua_compile},
                                     {"diff", fv_lua_diff},
                                     {"instructions", fv_lua_instructions},
                                     {"kernel", fv_lua_kernel_new},
                                     {"layout", fv_lua_layout},
                                     {"level", fv_lua_level},
                                     {"load", fv_load},
                                     {"op", fv_lua_op_new},
                                     {"options", fv_lua_options_new},
                                     {"parse", fv_parse},
                                     {"pass", fv_lua_pass_new},
                                     {"pipeline", fv_lua_pipeline_new},
                                     {"quantize", fv_lua_quantize},
                                     {"rule", fv_lua_rule_new},
                                     {"rules", fv_lua_rules_new},
                                     {"run", fv_lua_run},
                                     {"save", fv_lua_save},
                                     {"schedule", fv_lua_schedule_new},
                                     {"tensor", fv_lua_tensor_new},
                                     {"tensor_file", fv_lua_tensor_file},
                                     {"test", fv_lua_test_new},
                                     {"time", fv_lua_time},
                                     {NULL, NULL}};

static const luaL_Reg constants[] = {{"version", NULL}, {NULL, NULL}};

/* fv.NAME for a NAME that does not exist: raises an error, so that a misspelt name is not nil. */
static int missing(lua_State *L) {
    const char *names[40], *name = luaL_checkstring(L, 2);
    int n = 0;
    for (const luaL_Reg *f = functions; f->name && n < 39; f++)
        names[n++] = f->name;
    names[n] = NULL;
    return luaL_error(L, "fv has no '%s'%s", name, fv_lua_nearest(fv_lua_of(L), name, names));
}

static int assigned(lua_State *L) {
    return luaL_error(L, "fv is not changed by a script");
}

void fv_lua_open_module(lua_State *L) {
    fv_lua_make_classes(L, classes);
    lua_newtable(L); /* the table is empty; its metatable has the contents */
    lua_newtable(L);
    luaL_newlib(L, functions);
    lua_pushliteral(L, FV_VERSION);
    lua_setfield(L, -2, "version");
    lua_newtable(L);
    lua_pushcfunction(L, missing);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, assigned);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "fv");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_setglobal(L, "fv");
}

/* ---- names, for checks ---- */

static const char *nth(const luaL_Reg *list, int *i) {
    for (; list && list->name; list++)
        if (*list->name != '_' && *list->name != '[' && (*i)-- == 0)
            return list->name;
    return NULL;
}

const char *fv_lua_name_at(int i, char *text) {
    const char *name;
    if ((name = nth(constants, &i)) || (name = nth(functions, &i)))
        return strcat(strcpy(text, "fv."), name);
    for (const fv_lua_class *const *c = classes; *c; c++) {
        bool getter = (name = nth((*c)->getters, &i)) != NULL;
        if (!getter && !(name = nth((*c)->methods, &i)))
            continue;
        strcpy(text, strchr((*c)->name, '.') + 1);
        strcat(text, getter ? "." : ":");
        return strcat(text, name);
    }
    return NULL;
}

/* ---- modules ---- */

static int module_name(lua_State *L) {
    lua_pushstring(L, fv_lua_module(L, 1)->m->name);
    return 1;
}

static int module_functions(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    int n = 0;
    lua_newtable(L);
    for (fv_func *f = box->m->funcs; f; f = f->next) {
        fv_lua_push(L, box, FV_LUA_FUNC, f);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int module_main(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    fv_lua_push(L, box, FV_LUA_FUNC, box->m->funcs);
    return 1;
}

static int module_constants(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    lua_createtable(L, box->m->nconsts, 0);
    for (int i = 0; i < box->m->nconsts; i++) {
        fv_lua_push(L, box, FV_LUA_VALUE, box->m->consts[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int module_symbols(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    const fv_dim *const *list;
    int n = fv_dim_symbols(box->m->dims, &list);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        fv_lua_push(L, box, FV_LUA_DIM, list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

typedef struct finding {
    fv_module *m;
    const char *name;
    fv_value *v;
} finding;

static bool find(void *arg) {
    finding *f = arg;
    f->v = fv_value_find(f->m, f->name);
    return true;
}

static int module_find(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    finding f = {box->m, fv_lua_text(L, 2), NULL};
    fv_lua_try(L, NULL, find, &f);
    fv_lua_push(L, box, FV_LUA_VALUE, f.v);
    return 1;
}

/* Pushes a text of Fovea as one of Lua. */
static void push_text(lua_State *L, const fv_text *t) {
    lua_pushlstring(L, t->s ? t->s : "", t->n);
    fv_arena_free(t->arena);
}

typedef struct printing {
    fv_module *m;
    fv_text t;
} printing;

static bool print(void *arg) {
    printing *p = arg;
    p->t = (fv_text){.arena = fv_arena_new(p->m->session)};
    fv_module_print(&p->t, p->m, NULL, NULL);
    return true;
}

static int module_text(lua_State *L) {
    printing p = {fv_lua_module(L, 1)->m, {0}};
    fv_lua_try(L, NULL, print, &p);
    push_text(L, &p.t);
    return 1;
}

static bool verify(void *arg) {
    fv_lua_box *box = arg;
    return fv_lua_settle(box) && fv_module_verify(box->m, NULL);
}

static int module_verify(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    fv_lua_change(L, box, verify, box);
    lua_settop(L, 1);
    return 1;
}

typedef struct copying {
    fv_lua_box *box;
    fv_module *copy;
} copying;

static bool copy(void *arg) {
    copying *c = arg;
    return verify(c->box) &&
           (c->copy = fv_module_copy(c->box->m->session, c->box->m, NULL)) != NULL;
}

/* A copy shares large constants with the module, and keeps it alive. */
static int module_copy(lua_State *L) {
    copying c = {fv_lua_module(L, 1), NULL};
    if (!c.box->owned)
        return luaL_error(L, "module:copy: the module is lent to a pass");
    fv_lua_change(L, c.box, copy, &c);
    fv_lua_push_box(L, c.copy, true);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 2);
    return 1;
}

typedef struct saving {
    const fv_lua_host *host;
    fv_lua_box *box;
    const char *name;
} saving;

static bool save(void *arg) {
    saving *s = arg;
    return verify(s->box) && s->host->save(s->host->user, s->box->m, s->name);
}

static int module_save(lua_State *L) {
    saving s = {&fv_lua_of(L)->o.host, fv_lua_module(L, 1), fv_lua_text(L, 2)};
    if (!s.host->save)
        return luaL_error(
            L, "module:save: only `fovea lua` and `fovea test` write what a script says");
    fv_lua_change(L, s.box, save, &s);
    return 0;
}

typedef struct dim_text {
    fv_module *m;
    const char *text;
    const fv_dim *d;
} dim_text;

/* Does the module have all symbols of the text? The text is parsed with a separate table of dims,
 * because parsing creates new symbols. */
static bool has_symbols(fv_module *m, const char *text) {
    fv_arena *a = fv_arena_new(m->session);
    fv_dims *t = fv_dims_new(a);
    const fv_dim *const *named, *const *there;
    const char *at = text, *why, *lacks = NULL;
    (void)fv_dim_parse(t, &at, &why); /* a mistake is reported where the text is used */
    int n = fv_dim_symbols(t, &named), all = fv_dim_symbols(m->dims, &there);
    for (int i = 0; i < n && !lacks; i++) {
        int k = 0;
        while (k < all && strcmp(there[k]->name, named[i]->name))
            k++;
        lacks = k < all ? NULL : named[i]->name;
    }
    if (lacks)
        fv_error(m->session, "the module has no symbol '%s'", lacks);
    fv_arena_free(a);
    return !lacks;
}

static bool parse_dim(void *arg) {
    dim_text *t = arg;
    const char *at = t->text, *why = "";
    if (!has_symbols(t->m, t->text))
        return false;
    t->d = fv_dim_parse(t->m->dims, &at, &why);
    if (!t->d || at[strspn(at, " ")])
        return fv_error(t->m->session, "'%s' is no dim: %s", t->text,
                        t->d ? "there is more text after it" : why);
    return true;
}

static int module_dim(lua_State *L) {
    fv_lua_box *box = fv_lua_module(L, 1);
    if (lua_type(L, 2) != LUA_TSTRING) {
        fv_lua_push(L, box, FV_LUA_DIM, fv_lua_dim(L, 2, box));
        return 1;
    }
    dim_text t = {box->m, fv_lua_whole(L, 2), NULL};
    fv_lua_try(L, NULL, parse_dim, &t);
    fv_lua_push(L, box, FV_LUA_DIM, t.d);
    return 1;
}

static int module_str(lua_State *L) {
    const fv_lua_box *box = luaL_checkudata(L, 1, FV_LUA_MODULE);
    if (box->m)
        lua_pushfstring(L, "module \"%s\"", box->m->name);
    else
        lua_pushliteral(L, "module (gone)");
    return 1;
}

/* A module that the script owns is freed when nothing refers to it; at the end the session frees
 * all. */
static int module_gc(lua_State *L) {
    fv_lua_box *box = luaL_checkudata(L, 1, FV_LUA_MODULE);
    if (box->m && box->owned && !fv_lua_of(L)->closing)
        fv_module_free(box->m);
    box->m = NULL;
    return 0;
}

const fv_lua_class fv_lua_module_class = {
    FV_LUA_MODULE,
    (const luaL_Reg[]){{"constants", module_constants},
                       {"functions", module_functions},
                       {"main", module_main},
                       {"name", module_name},
                       {"symbols", module_symbols},
                       {"text", module_text},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"buffer", fv_lua_buffer},
                       {"const", fv_lua_const},
                       {"copy", module_copy},
                       {"lowered", fv_lua_lowered},
                       {"dim", module_dim},
                       {"find", module_find},
                       {"run", fv_lua_module_run},
                       {"save", module_save},
                       {"verify", module_verify},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", module_str}, {"__gc", module_gc}, {NULL, NULL}}};

/* ---- functions ---- */

static fv_func *check_func(lua_State *L, fv_lua_box **box) {
    return fv_lua_any(L, 1, FV_LUA_FUNC, box);
}

static int func_name(lua_State *L) {
    lua_pushstring(L, check_func(L, NULL)->name);
    return 1;
}

static int func_module(lua_State *L) {
    fv_lua_box *box;
    check_func(L, &box);
    fv_lua_push_box(L, box->m, box->owned);
    return 1;
}

static int func_body(lua_State *L) {
    fv_lua_box *box;
    const fv_func *f = check_func(L, &box);
    fv_lua_push(L, box, FV_LUA_REGION, f->body);
    return 1;
}

static int func_outputs(lua_State *L) {
    fv_lua_box *box;
    const fv_func *f = check_func(L, &box);
    const fv_op *end = f->body->last;
    lua_newtable(L);
    for (int i = 0; f->result_names && end && i < end->nin; i++) {
        lua_pushstring(L, f->result_names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int params_of(lua_State *L, fv_lua_box *box, const fv_region *r) {
    return fv_lua_push_values(L, box, r->nparams, r->params);
}

static int results_of(lua_State *L, fv_lua_box *box, const fv_region *r) {
    const fv_op *end = r->last;
    return fv_lua_push_values(L, box, end ? end->nin : 0, end ? end->in : NULL);
}

static int ops_of(lua_State *L, fv_lua_box *box, const fv_region *r, bool nested) {
    fv_lua_push_ops(L, box, r, lua_isnoneornil(L, 2) ? NULL : fv_lua_opdef(L, 2), nested);
    return 1;
}

static int func_params(lua_State *L) {
    fv_lua_box *box;
    const fv_func *f = check_func(L, &box);
    return params_of(L, box, f->body);
}

static int func_results(lua_State *L) {
    fv_lua_box *box;
    const fv_func *f = check_func(L, &box);
    return results_of(L, box, f->body);
}

static int func_ops(lua_State *L) {
    fv_lua_box *box;
    const fv_func *f = check_func(L, &box);
    return ops_of(L, box, f->body, false);
}

static int func_walk(lua_State *L) {
    fv_lua_box *box;
    const fv_func *f = check_func(L, &box);
    return ops_of(L, box, f->body, true);
}

static int func_str(lua_State *L) {
    const fv_lua_handle *h = luaL_checkudata(L, 1, FV_LUA_FUNC);
    if (h->box->m)
        lua_pushfstring(L, "func @%s", ((const fv_func *)h->at)->name);
    else
        lua_pushliteral(L, "func (gone)");
    return 1;
}

const fv_lua_class fv_lua_func_class = {
    FV_LUA_FUNC,
    (const luaL_Reg[]){{"body", func_body},
                       {"module", func_module},
                       {"name", func_name},
                       {"outputs", func_outputs},
                       {"params", func_params},
                       {"results", func_results},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"ops", func_ops}, {"walk", func_walk}, {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", func_str}, {NULL, NULL}}};

/* ---- regions ---- */

static int region_func(lua_State *L) {
    fv_lua_box *box;
    const fv_region *r = fv_lua_region(L, 1, &box);
    fv_lua_push(L, box, FV_LUA_FUNC, r->func);
    return 1;
}

static int region_parent(lua_State *L) {
    fv_lua_box *box;
    const fv_region *r = fv_lua_region(L, 1, &box);
    fv_lua_push(L, box, FV_LUA_OP, r->parent);
    return 1;
}

static int region_params(lua_State *L) {
    fv_lua_box *box;
    const fv_region *r = fv_lua_region(L, 1, &box);
    return params_of(L, box, r);
}

static int region_results(lua_State *L) {
    fv_lua_box *box;
    const fv_region *r = fv_lua_region(L, 1, &box);
    return results_of(L, box, r);
}

static int region_ops(lua_State *L) {
    fv_lua_box *box;
    const fv_region *r = fv_lua_region(L, 1, &box);
    return ops_of(L, box, r, false);
}

static int region_walk(lua_State *L) {
    fv_lua_box *box;
    const fv_region *r = fv_lua_region(L, 1, &box);
    return ops_of(L, box, r, true);
}

static int region_build(lua_State *L) {
    fv_lua_box *box;
    fv_region *r = fv_lua_region(L, 1, &box);
    fv_op *end = r->last && r->last->def == &fv_return_def ? r->last : NULL;
    return fv_lua_build(L, 2, box, r, end);
}

static bool give(void *arg) {
    void **a = arg;
    fv_op_set_in(a[0], *(int *)a[1], a[2]);
    return true;
}

static int region_give(lua_State *L) {
    fv_lua_box *box;
    const fv_region *r = fv_lua_region(L, 1, &box);
    lua_Integer i = luaL_checkinteger(L, 2);
    if (!r->last || i < 1 || i > r->last->nin)
        return luaL_error(L, "region:give: there is no result %I", i);
    int index = (int)i - 1;
    void *args[] = {r->last, &index, fv_lua_value_in(L, 3, box)};
    fv_lua_change(L, box, give, args);
    return 0;
}

static int region_str(lua_State *L) {
    lua_pushliteral(L, "region");
    return 1;
}

const fv_lua_class fv_lua_region_class = {
    FV_LUA_REGION,
    (const luaL_Reg[]){{"func", region_func},
                       {"params", region_params},
                       {"parent", region_parent},
                       {"results", region_results},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"build", region_build},
                       {"give", region_give},
                       {"ops", region_ops},
                       {"walk", region_walk},
                       {NULL, NULL}},
    (const luaL_Reg[]){{"__tostring", region_str}, {NULL, NULL}}};
