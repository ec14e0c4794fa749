/* save.c - fv.save: writes tables of a script as JSON or CSV. The text is composed of pieces, which
 * are kept in a list on the stack of Lua. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/lua/internal.h"

enum { DEEPEST = 60 };

typedef struct writer {
    lua_State *L;
    int pieces; /* index of the list */
    lua_Integer n;
} writer;

/* Appends the value on the top of the stack as the next piece. */
static void put_top(writer *w) {
    lua_rawseti(w->L, w->pieces, ++w->n);
}

static void put(writer *w, const char *text) {
    lua_pushstring(w->L, text);
    put_top(w);
}

/* Writes a number such that it reads back exactly. JSON has no number that is not finite;
 * `otherwise` is written for it. */
static void put_number(writer *w, int arg, const char *otherwise) {
    char text[40];
    double v = lua_tonumber(w->L, arg);
    if (lua_isinteger(w->L, arg)) {
        lua_pushfstring(w->L, "%I", lua_tointeger(w->L, arg));
        put_top(w);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    put(w, isfinite(v) ? text : otherwise);
}

/* ---- JSON ---- */

/* The number of bytes of the UTF-8 character at s, of which n bytes are available; 0: it is not
 * UTF-8. */
static size_t character(const unsigned char *s, size_t n) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *s < 0x80   ? 1
                    : *s < 0xc0 ? 0
                    : *s < 0xe0 ? 2
                    : *s < 0xf0 ? 3
                    : *s < 0xf8 ? 4
                                : 0;
    if (length < 2 || length > n)
        return length == 1;
    uint32_t code = *s & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    return code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? length
                                                                                         : 0;
}

static void put_quoted(writer *w, int arg) {
    size_t n;
    const unsigned char *s = (const unsigned char *)lua_tolstring(w->L, arg, &n);
    luaL_Buffer b;
    luaL_buffinit(w->L, &b);
    luaL_addchar(&b, '"');
    for (size_t i = 0, length; i < n; i += length ? length : 1) {
        char code[8];
        length = character(s + i, n - i);
        if (!length) {
            luaL_addstring(&b, "\xef\xbf\xbd");
        } else if (s[i] == '"' || s[i] == '\\') {
            luaL_addchar(&b, '\\');
            luaL_addchar(&b, (char)s[i]);
        } else if (s[i] < 32 || s[i] == 127) {
            snprintf(code, sizeof code, "\\u%04x", s[i]);
            luaL_addstring(&b, code);
        } else {
            luaL_addlstring(&b, (const char *)s + i, length);
        }
    }
    luaL_addchar(&b, '"');
    luaL_pushresult(&b);
    put_top(w);
}

static void put_json(writer *w, int arg, int depth);

static void put_line(writer *w, int depth) {
    put(w, "\n");
    for (int i = 0; i < depth; i++)
        put(w, "  ");
}

static void put_list(writer *w, int arg, lua_Integer n, int depth) {
    put(w, "[");
    for (lua_Integer i = 1; i <= n; i++) {
        put(w, i > 1 ? ", " : "");
        lua_geti(w->L, arg, i); /* tensors are indexed, too */
        put_json(w, lua_gettop(w->L), depth + 1);
        lua_pop(w->L, 1);
    }
    put(w, "]");
}

static void put_object(writer *w, int arg, int depth) {
    int top = lua_gettop(w->L);
    const char *const *names = fv_lua_keys(w->L, arg, "a table that is no list");
    put(w, "{");
    for (bool first = true; *names; names++, first = false) {
        put(w, first ? "" : ",");
        put_line(w, depth + 1);
        lua_pushstring(w->L, *names);
        put_quoted(w, lua_gettop(w->L));
        put(w, ": ");
        lua_pop(w->L, 1);
        fv_lua_field(w->L, arg, *names);
        put_json(w, lua_gettop(w->L), depth + 1);
        lua_pop(w->L, 1);
    }
    put_line(w, depth);
    put(w, "}");
    lua_settop(w->L, top);
}

static void put_table(writer *w, int arg, int depth) {
    lua_Integer n = (lua_Integer)lua_rawlen(w->L, arg);
    lua_pushnil(w->L);
    bool empty = !lua_next(w->L, arg);
    lua_settop(w->L, arg);
    if (n || empty)
        put_list(w, arg, n, depth);
    else
        put_object(w, arg, depth);
}

/* Writes the value at `arg`, which is the top of the stack. */
static void put_json(writer *w, int arg, int depth) {
    lua_State *L = w->L;
    if (depth > DEEPEST)
        luaL_error(L, "fv.save: tables are nested more than %d deep, or in a circle", DEEPEST);
    luaL_checkstack(L, 12, NULL);
    switch (lua_type(L, arg)) {
    case LUA_TNIL: put(w, "null"); return;
    case LUA_TBOOLEAN: put(w, lua_toboolean(L, arg) ? "true" : "false"); return;
    case LUA_TNUMBER: put_number(w, arg, "null"); return;
    case LUA_TSTRING: put_quoted(w, arg); return;
    case LUA_TTABLE: put_table(w, arg, depth); return;
    case LUA_TUSERDATA:
        if (luaL_testudata(L, arg, FV_LUA_TENSOR)) {
            put_list(w, arg, (lua_Integer)fv_lua_tensor_at(L, arg)->count, depth);
            return;
        }
        luaL_tolstring(L, arg, NULL);
        put_quoted(w, lua_gettop(L));
        lua_pop(L, 1);
        return;
    default: luaL_error(L, "fv.save: there is a %s in the table", luaL_typename(L, arg));
    }
}

/* ---- CSV (RFC 4180) ---- */

static void put_cell(writer *w, int arg) {
    lua_State *L = w->L;
    if (lua_isnil(L, arg))
        return;
    if (lua_type(L, arg) == LUA_TNUMBER) {
        put_number(w, arg, "");
        return;
    }
    if (lua_istable(L, arg) || lua_isfunction(L, arg))
        luaL_error(L, "fv.save: a cell is a %s", luaL_typename(L, arg));
    const char *text = luaL_tolstring(L, arg, NULL);
    if (strpbrk(text, "\",\r\n")) {
        luaL_gsub(L, text, "\"", "\"\"");
        lua_pushfstring(L, "\"%s\"", lua_tostring(L, -1));
        put_top(w);
        lua_pop(L, 1);
    } else {
        put(w, text);
    }
    lua_pop(L, 1);
}

static void put_row(writer *w, int row, const char *const *columns) {
    lua_State *L = w->L;
    lua_Integer n = (lua_Integer)lua_rawlen(L, row);
    for (lua_Integer i = 1; columns ? columns[i - 1] != NULL : i <= n; i++) {
        put(w, i > 1 ? "," : "");
        if (columns && !n)
            fv_lua_field(L, row, columns[i - 1]);
        else
            lua_rawgeti(L, row, i);
        put_cell(w, lua_gettop(L));
        lua_pop(L, 1);
    }
    put(w, "\r\n");
}

/* Writes a list of rows, which are lists or tables with names; the names of the first row are the
 * columns unless they are given. */
static void put_csv(writer *w, int rows, int columns) {
    lua_State *L = w->L;
    const char *const *names = lua_isnil(L, columns) ? NULL : fv_lua_texts(L, columns);
    lua_Integer n = (lua_Integer)lua_rawlen(L, rows);
    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, rows, i) != LUA_TTABLE)
            luaL_error(L, "fv.save: row %I is a %s, expected a table", i, luaL_typename(L, -1));
        int row = lua_gettop(L);
        if (i == 1 && !names && !lua_rawlen(L, row))
            names = fv_lua_keys(L, row, "a row"); /* the names stay on the stack */
        for (int k = 0; i == 1 && names && names[k]; k++) {
            put(w, k ? "," : "");
            lua_pushstring(L, names[k]);
            put_cell(w, lua_gettop(L));
            lua_pop(L, 1);
        }
        if (i == 1 && names)
            put(w, "\r\n");
        put_row(w, row, names);
        if (i > 1)
            lua_pop(L, 1);
    }
}

/* ---- fv.save ---- */

typedef struct saving {
    const fv_lua_host *host;
    const char *text, *name;
    size_t n;
} saving;

static bool save(void *arg) {
    const saving *s = arg;
    return s->host->save_text(s->host->user, s->text, s->n, s->name);
}

static bool ends(const char *name, const char *suffix) {
    size_t n = strlen(name), k = strlen(suffix);
    return n > k && !strcmp(name + n - k, suffix);
}

/* Pushes the pieces as one text. */
static const char *join(writer *w, size_t *n) {
    luaL_Buffer b;
    luaL_buffinit(w->L, &b);
    for (lua_Integer i = 1; i <= w->n; i++) {
        lua_rawgeti(w->L, w->pieces, i);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return lua_tolstring(w->L, -1, n);
}

/* save(NAME, TABLE, COLUMNS) */
int fv_lua_save(lua_State *L) {
    saving s = {.host = &fv_lua_of(L)->o.host, .name = fv_lua_text(L, 1)};
    lua_settop(L, 3);
    lua_newtable(L);
    writer w = {L, lua_gettop(L), 0};
    if (!s.host->save_text)
        return luaL_error(L, "fv.save: only `fovea lua` and `fovea test` write what a script says");
    luaL_checktype(L, 2, LUA_TTABLE);
    if (!lua_isnil(L, 3) && (!ends(s.name, ".csv") || !lua_istable(L, 3)))
        return luaL_error(L, "fv.save: columns are a list of names, for a .csv");
    lua_pushvalue(L, 2);
    if (ends(s.name, ".json")) {
        put_json(&w, lua_gettop(L), 0);
        put(&w, "\n");
    } else if (ends(s.name, ".csv")) {
        put_csv(&w, 2, 3);
    } else {
        return luaL_error(L, "fv.save: '%s' ends neither in .json nor in .csv", s.name);
    }
    s.text = join(&w, &s.n);
    fv_lua_try(L, NULL, save, &s);
    return 0;
}
