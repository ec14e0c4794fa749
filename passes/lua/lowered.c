/* lowered.c - what lowering is made of, for scripts: fv.instructions, fv.layout, and
 * module:lowered, the forms, factors and layouts of a module.  What lowering decides is copied
 * as texts into an arena with a door open; tables are pushed after that. */
#include <ctype.h>
#include <string.h>

#include "backend/lower.h"
#include "backend/lowering/why.h"
#include "ir/definition/definitions.h"
#include "ir/definition/form_text.h"
#include "ir/expr/instruction.h"
#include "ir/graph/copy.h"
#include "ir/graph/verify.h"
#include "ir/layout/layout.h"
#include "passes/lua/internal.h"

static void set_text(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* ---- fv.instructions ---- */

typedef struct choosing {
    fv_lua *l;
    const char *text;
    const fv_target *target;
} choosing;

static bool choose_target(void *arg) {
    choosing *c = arg;
    const char *why = "";
    c->target = fv_target_read(c->l->arena, fv_strdup(c->l->arena, c->text), &why);
    return c->target || fv_error(c->l->session, "%s", why);
}

static const fv_target *target_of(lua_State *L, const char *text) {
    choosing c = {fv_lua_of(L), text, NULL};
    fv_lua_try(L, NULL, choose_target, &c);
    return c.target;
}

static void push_instruction(lua_State *L, const fv_instruction *row) {
    char operation[40];
    const char *id = fv_expr_op_info(row->op)->id;
    size_t n = 0;
    for (; id[n] && n + 1 < sizeof operation; n++)
        operation[n] = (char)tolower((unsigned char)id[n]);
    operation[n] = 0;
    lua_createtable(L, 0, 8);
    set_text(L, "name", row->name);
    set_text(L, "operation", operation);
    set_text(L, "from", fv_elem_name((fv_elem)row->in.elem));
    set_text(L, "to", fv_elem_name((fv_elem)row->out.elem));
    set_integer(L, "from_lanes", row->in.lanes);
    set_integer(L, "to_lanes", row->out.lanes);
    set_text(L, "feature", fv_feature_at(row->feature)->name);
    set_text(L, "meaning", row->meaning);
}

int fv_lua_instructions(lua_State *L) {
    const fv_target *t = lua_isnoneornil(L, 1) ? NULL : target_of(L, fv_lua_text(L, 1));
    lua_newtable(L);
    for (int i = 0, n = 0; i < fv_instructions(); i++) {
        const fv_instruction *row = fv_instruction_at(i);
        if (t && row != fv_instruction_find(t, row->op, (fv_elem)row->in.elem,
                                            (fv_elem)row->out.elem, row->out.lanes))
            continue;
        push_instruction(L, row);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* ---- fv.layout ---- */

typedef struct reading {
    fv_lua *l;
    const char *text, *printed;
    const fv_layout *layout;
} reading;

const fv_layout *fv_lua_parse_layout(fv_lua *l, const char *text, const char **printed) {
    const char *before = fv_diag_file_get(l->session);
    fv_lexer lex;
    fv_text t = {.arena = l->arena};
    fv_diag_file(l->session, "the layout");
    fv_lex_init(&lex, l->session, l->arena, fv_strdup(l->arena, text));
    const fv_layout *layout = fv_layout_parse(&lex, l->arena);
    bool ok = layout && !lex.failed &&
              (lex.tok.kind == FV_TOK_END ||
               fv_lex_error(&lex, "expected the end of it, found %s", fv_lex_found(&lex)));
    fv_diag_file(l->session, before);
    if (!ok)
        return NULL;
    fv_layout_print(&t, layout);
    *printed = t.s;
    return layout;
}

static bool read_layout(void *arg) {
    reading *r = arg;
    r->layout = fv_lua_parse_layout(r->l, r->text, &r->printed);
    return r->layout;
}

static void push_levels(lua_State *L, const fv_layout *l) {
    lua_createtable(L, l->nlevels, 0);
    for (int i = 0; i < l->nlevels; i++) {
        const fv_layout_level *v = &l->level[i];
        lua_createtable(L, 0, 5);
        set_text(L, "axis", l->axis[v->axis].name);
        set_integer(L, "divisor", v->divisor);
        if (v->modulus)
            set_integer(L, "modulus", v->modulus);
        set_integer(L, "stride", v->stride);
        set_integer(L, "count", fv_layout_count(l, i));
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_axes(lua_State *L, const fv_layout *l) {
    lua_createtable(L, l->rank, 0);
    for (int i = 0; i < l->rank; i++) {
        lua_createtable(L, 0, 2);
        set_text(L, "name", l->axis[i].name);
        set_integer(L, "extent", l->axis[i].extent);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Pushes the table of a layout, without its text and companions. */
static void push_one(lua_State *L, const fv_layout *l) {
    size_t bytes = 0;
    lua_createtable(L, 0, 6);
    if (l->name)
        set_text(L, "name", l->name);
    push_axes(L, l);
    lua_setfield(L, -2, "axes");
    push_levels(L, l);
    lua_setfield(L, -2, "levels");
    set_integer(L, "bits", l->bits);
    if (fv_layout_bytes(l, &bytes))
        set_integer(L, "bytes", (int64_t)bytes);
}

static void push_layout(lua_State *L, const char *text) {
    reading r = {fv_lua_of(L), text, NULL, NULL};
    luaL_checkstack(L, 10, NULL);
    fv_lua_try(L, NULL, read_layout, &r);
    push_one(L, r.layout);
    set_text(L, "text", r.printed);
    lua_newtable(L);
    int n = 0;
    for (const fv_layout *c = r.layout->companion; c; c = c->companion) {
        push_one(L, c);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, "companions");
}

int fv_lua_layout(lua_State *L) {
    push_layout(L, fv_lua_text(L, 1));
    return 1;
}

/* ---- module:lowered ---- */

/* Names of variables, NULL terminated. */
typedef const char *const *names;

typedef struct shown_form {
    const char *value, *kind, *text;
    bool each;
    names rows, columns, over;
} shown_form;

typedef struct pair {
    const char *value, *text;
} pair;

typedef struct lowering {
    fv_lua_box *box;
    const fv_target *target;
    fv_arena **a;
    shown_form *forms;
    pair *factors, *layouts;
    int nforms, cap_forms, nfactors, cap_factors, nlayouts, cap_layouts;
} lowering;

static names named(fv_arena *a, int n, fv_var *const *vars, uint32_t which) {
    const char **list = FV_NEW(a, const char *, n + 1);
    for (int i = 0, k = 0; i < n; i++)
        if (i >= 32 || which >> i & 1)
            list[k++] = fv_strdup(a, vars[i]->name);
    return list;
}

/* After the step `join`: the forms of the definitions that kernels compute. */
static void look(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    lowering *w = user;
    fv_arena *a = *w->a;
    (void)m;
    for (int i = 0; d && !strcmp(step, "join") && i < d->n; i++) {
        const fv_definition *def = d->all[i].def;
        if (!def || def->form.kind == FV_FORM_NONE)
            continue;
        fv_var *const *over;
        int n = fv_form_over(def, &over);
        shown_form f = {fv_strdup(a, d->all[i].value->name),
                        fv_form_name(def->form.kind),
                        fv_strdup(a, fv_form_text(a, def)),
                        def->form.each,
                        named(a, def->rank, def->index, def->form.rows),
                        named(a, def->rank, def->index, def->form.columns),
                        named(a, n, over, UINT32_MAX)};
        FV_PUSH(a, w->forms, w->nforms, w->cap_forms, f);
    }
}

static void laid_out(void *user, const char *name, const struct fv_layout *layout) {
    lowering *w = user;
    fv_text t = {.arena = *w->a};
    fv_layout_print(&t, layout);
    FV_PUSH(*w->a, w->layouts, w->nlayouts, w->cap_layouts, ((pair){fv_strdup(*w->a, name), t.s}));
}

static void keep_factors(lowering *w, const fv_reasons *r) {
    fv_arena *a = *w->a;
    for (int i = 0; i < r->n; i++) {
        const fv_why_info *info = fv_why_info_of(r->all[i].why);
        if (r->all[i].dropped || info->verdict != FV_TAKEN || strcmp(info->step, "factor"))
            continue;
        pair p = {fv_strdup(a, r->all[i].about->name), fv_strdup(a, fv_reason_str(a, &r->all[i]))};
        FV_PUSH(a, w->factors, w->nfactors, w->cap_factors, p);
    }
}

static bool lower(void *arg) {
    lowering *w = arg;
    fv_session *s = w->box->m->session;
    *w->a = fv_arena_new(s);
    if (!fv_lua_settle(w->box) || !fv_module_verify(w->box->m, NULL))
        return false;
    fv_module *m = fv_module_copy(s, w->box->m, NULL);
    if (!m || !fv_run_passes(m, fv_pipeline('2'), NULL))
        return false;
    fv_reasons reasons = {0};
    const fv_watch watch = {.user = w, .look = look, .laid_out = laid_out};
    const fv_lower_options o = {
        .target = w->target, .weights = FV_WEIGHTS_LEFT_OUT, .watch = &watch, .reasons = &reasons};
    fv_program *p = fv_lower(m, &o);
    if (!p)
        return false;
    keep_factors(w, &reasons);
    fv_arena_free(p->arena);
    fv_module_free(m);
    return true;
}

static void set_names(lua_State *L, const char *field, names list) {
    lua_newtable(L);
    for (int i = 0; list[i]; i++) {
        lua_pushstring(L, list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, field);
}

static void push_forms(lua_State *L, const lowering *w) {
    lua_createtable(L, w->nforms, 0);
    for (int i = 0; i < w->nforms; i++) {
        const shown_form *f = &w->forms[i];
        lua_createtable(L, 0, 7);
        set_text(L, "value", f->value);
        set_text(L, "kind", f->kind);
        set_text(L, "text", f->text);
        lua_pushboolean(L, f->each);
        lua_setfield(L, -2, "each");
        set_names(L, "rows", f->rows);
        set_names(L, "columns", f->columns);
        set_names(L, "over", f->over);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_factors(lua_State *L, const lowering *w) {
    lua_createtable(L, w->nfactors, 0);
    for (int i = 0; i < w->nfactors; i++) {
        lua_createtable(L, 0, 2);
        set_text(L, "value", w->factors[i].value);
        set_text(L, "text", w->factors[i].text);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_layouts(lua_State *L, const lowering *w) {
    lua_createtable(L, w->nlayouts, 0);
    for (int i = 0; i < w->nlayouts; i++) {
        push_layout(L, w->layouts[i].text);
        set_text(L, "value", w->layouts[i].value);
        lua_rawseti(L, -2, i + 1);
    }
}

/* module:lowered{target =} */
int fv_lua_lowered(lua_State *L) {
    static const char *const fields[] = {"target", NULL};
    lowering w = {.box = fv_lua_module(L, 1)};
    const char *target = "native";
    if (!w.box->owned)
        return luaL_error(L, "module:lowered: the module is lent to a pass");
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        fv_lua_check_fields(L, 2, "module:lowered", fields);
        target = fv_lua_text_field(L, 2, "target", "native");
    }
    luaL_checkstack(L, 20, NULL);
    w.target = target_of(L, target);
    w.a = fv_lua_push_arena(L);
    fv_lua_change(L, w.box, lower, &w);
    lua_createtable(L, 0, 3);
    push_forms(L, &w);
    lua_setfield(L, -2, "forms");
    push_factors(L, &w);
    lua_setfield(L, -2, "factors");
    push_layouts(L, &w);
    lua_setfield(L, -2, "layouts");
    fv_lua_free_arena(w.a);
    return 1;
}
