/* schedule.c - schedules that a script requests: entries of a tuning (ir/schedule/tuning.h) that do
 * not select kernels by their keys. */
#include <string.h>

#include "ir/definition/form.h"
#include "ir/layout/layout.h"
#include "passes/lua/internal.h"

typedef struct wishing {
    fv_lua *l;
    const char *node, *form, *layout, *text;
    int line;
    fv_tuned_kernel kernel;
} wishing;

/* The layout that the kernel's constant operand has to have. The width of its panels is the
 * number of columns of a tile, unless the parameters state another one. */
static bool wish_layout(wishing *w) {
    fv_lua *l = w->l;
    fv_schedule *s = &w->kernel.schedule;
    const char *text;
    const fv_layout *layout = fv_lua_parse_layout(l, w->layout, &text);
    w->kernel.layout = layout;
    if (!layout)
        return false;
    if (s->kind == FV_SCHEDULE_naive)
        return fv_error(l->session, "the naive schedule reads operands as their types say: no "
                                    "layout can be requested");
    for (int i = 0; i < layout->nlevels; i++)
        if (layout->level[i].axis == layout->rank - 1 && layout->level[i].divisor > 1 &&
            s->kind == FV_SCHEDULE_contract && !fv_schedule_states(s, FV_PARAMETER_columns)) {
            fv_schedule_set(s, FV_PARAMETER_columns, layout->level[i].divisor);
            break;
        }
    return true;
}

/* Parses the text of a schedule. Positions in it mean nothing to the script, so an error is
 * reported at the line that declares the schedule. */
static bool parse(void *arg) {
    wishing *w = arg;
    fv_lua *l = w->l;
    const char *before = fv_diag_file_get(l->session);
    fv_lexer lex;
    fv_schedule_places places;
    w->kernel = (fv_tuned_kernel){.node = fv_strdup(l->arena, w->node), .line = w->line};
    if (*w->form && fv_form_find(w->form) == FV_FORM_NONE)
        return fv_error(l->session,
                        "'%s' is no form; there are map, row, contract, transpose and attention",
                        w->form);
    w->kernel.form = *w->form ? fv_strdup(l->arena, w->form) : NULL;
    fv_diag_file(l->session, "the schedule");
    fv_lex_init(&lex, l->session, l->arena, fv_strdup(l->arena, w->text));
    bool ok = fv_schedule_parse(&lex, &w->kernel.schedule, &places, true) && !lex.failed &&
              (lex.tok.kind == FV_TOK_END ||
               fv_lex_error(&lex, "expected the end of it, found %s", fv_lex_found(&lex)));
    fv_diag_file(l->session, before);
    ok = ok && (!*w->layout || wish_layout(w));
    for (int p = 0; p < FV_NPARAMETERS; p++)
        w->kernel.places.at[p].line = w->line;
    return ok;
}

/* Pushes a text such as "contract {rows = 4, columns = 16}". */
static const char *schedule_text(lua_State *L, const char *name, int params) {
    const char *const *keys = fv_lua_keys(L, params, "params");
    lua_pushfstring(L, "%s {", name);
    for (int i = 0; keys[i]; i++) {
        int type = fv_lua_field(L, params, keys[i]);
        if (!lua_isinteger(L, -1) && type != LUA_TBOOLEAN)
            luaL_error(L, "params: %s is a %s, expected an integer, true or false", keys[i],
                       luaL_typename(L, -1));
        const char *value = luaL_tolstring(L, -1, NULL);
        lua_remove(L, -2);
        lua_pushfstring(L, "%s%s = %s", i ? ", " : "", keys[i], value);
        lua_remove(L, -2);
        lua_concat(L, 2);
    }
    lua_pushstring(L, "}");
    lua_concat(L, 2);
    return fv_lua_whole(L, -1);
}

int fv_lua_line(lua_State *L) {
    lua_Debug at;
    for (int level = 0; lua_getstack(L, level, &at); level++)
        if (lua_getinfo(L, "l", &at) && at.currentline > 0)
            return at.currentline;
    return 0;
}

fv_tuned_kernel fv_lua_read_schedule(lua_State *L, int table) {
    static const char *const fields[] = {"form", "layout", "match", "name", "params", NULL};
    table = lua_absindex(L, table);
    luaL_checkstack(L, 20, NULL);
    if (!lua_istable(L, table))
        luaL_error(
            L, "a schedule is a %s, expected a table {match =, form =, layout =, name =, params =}",
            luaL_typename(L, table));
    fv_lua_check_fields(L, table, "fv.schedule", fields);
    wishing w = {.l = fv_lua_of(L), .line = fv_lua_line(L)};
    w.node = fv_lua_text_field(L, table, "match", "");
    w.form = fv_lua_text_field(L, table, "form", "");
    w.layout = fv_lua_text_field(L, table, "layout", "");
    const char *name = fv_lua_text_field(L, table, "name", NULL);
    if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyz_") != strlen(name))
        luaL_error(L, "'%s' is no name of a schedule", name);
    int type = fv_lua_field(L, table, "params");
    if (type == LUA_TNIL)
        lua_newtable(L);
    else if (type != LUA_TTABLE)
        luaL_error(L, "params is a %s, expected a table such as {rows = 4}", luaL_typename(L, -1));
    w.text = schedule_text(L, name, lua_gettop(L));
    fv_lua_try(L, NULL, parse, &w);
    return w.kernel;
}

typedef struct adding {
    fv_lua *l;
    fv_tuned_kernel kernel;
} adding;

static bool add(void *arg) {
    const adding *d = arg;
    fv_lua *l = d->l;
    l->declared.schedules.path = l->path;
    FV_PUSH(l->arena, l->declared.schedules.kernels, l->declared.schedules.n,
            l->declared.cap_schedules, d->kernel);
    return true;
}

/* schedule{match =, form =, layout =, name =, params =}: returns the table */
int fv_lua_schedule_new(lua_State *L) {
    if (fv_lua_of(L)->loaded)
        return luaL_error(L, "fv.schedule: schedules are declared while the script is read");
    lua_settop(L, 1);
    adding d = {fv_lua_of(L), fv_lua_read_schedule(L, 1)};
    fv_lua_try(L, NULL, add, &d);
    lua_settop(L, 1);
    return 1;
}

const fv_tuning *fv_lua_schedules(const fv_lua *l) {
    return l->declared.schedules.n ? &l->declared.schedules : NULL;
}

const fv_tuning *fv_lua_schedules_field(lua_State *L, int table) {
    int type = fv_lua_field(L, table, "schedules");
    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TTABLE)
        luaL_error(
            L,
            "schedules is a %s, expected a list of {match =, form =, layout =, name =, params =}",
            luaL_typename(L, -1));
    int list = lua_gettop(L), n = fv_lua_length(L, list);
    fv_tuning *u = fv_lua_scratch(L, 1, sizeof *u);
    u->kernels = fv_lua_scratch(L, (size_t)n + 1, sizeof *u->kernels);
    u->path = fv_lua_of(L)->path;
    u->n = n;
    int top = lua_gettop(L);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, list, i + 1);
        u->kernels[i] = fv_lua_read_schedule(L, -1);
        lua_settop(L, top);
    }
    return u;
}
