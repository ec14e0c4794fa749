/* pattern.c - string.find, match, gmatch and gsub as in the manual of Lua 5.4 (6.4.1), with steps
 * that count. Some patterns try exponentially many ways to divide a text, and the matcher of Lua
 * itself cannot be interrupted. */
#include <ctype.h>
#include <string.h>

#include "passes/lua/internal.h"

enum {
    MAX_DEPTH = 200,
    MAX_CAPTURES = 32,
    STEPS = 1000,
    A_POSITION = -2,
    UNFINISHED = -1,
    REPLACEMENT = 3
};

typedef struct capture {
    const char *start;
    ptrdiff_t n; /* the length, or A_POSITION or UNFINISHED */
} capture;

typedef struct matcher {
    lua_State *L;
    const char *text, *text_end, *pattern_end;
    int depth, steps; /* recursive calls that are left; steps that are not counted yet */
    int ncaptures;
    capture captures[MAX_CAPTURES];
} matcher;

static void step(matcher *m, size_t n) {
    m->steps += n < STEPS ? (int)n : STEPS;
    if (m->steps < STEPS)
        return;
    fv_lua_count(m->L, n > STEPS ? (int64_t)n : m->steps);
    m->steps = 0;
}

static const char *match(matcher *m, const char *s, const char *p);

/* ---- single characters ---- */

static const char *class_end(matcher *m, const char *p) {
    char first = *p++;
    if (first == '%' && p == m->pattern_end)
        luaL_error(m->L, "malformed pattern (ends with '%%')");
    if (first == '%')
        return p + 1;
    if (first != '[')
        return p;
    p += *p == '^';
    do {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < m->pattern_end)
            p++;
    } while (*p != ']');
    return p + 1;
}

static bool is_of_class(int c, int class) {
    bool yes;
    switch (tolower(class)) {
    case 'a': yes = isalpha(c); break;
    case 'c': yes = iscntrl(c); break;
    case 'd': yes = isdigit(c); break;
    case 'g': yes = isgraph(c); break;
    case 'l': yes = islower(c); break;
    case 'p': yes = ispunct(c); break;
    case 's': yes = isspace(c); break;
    case 'u': yes = isupper(c); break;
    case 'w': yes = isalnum(c); break;
    case 'x': yes = isxdigit(c); break;
    default: return class == c;
    }
    return isupper(class) ? !yes : yes;
}

/* p is at the opening bracket, last at the closing one. */
static bool is_of_set(matcher *m, int c, const char *p, const char *last) {
    bool inside = p[1] != '^';
    step(m, (size_t)(last - p) / 8);
    for (p += !inside; ++p < last;) {
        unsigned char from = (unsigned char)*p;
        if (from == '%') {
            if (is_of_class(c, (unsigned char)*++p))
                return inside;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if (from <= c && c <= (unsigned char)*p)
                return inside;
        } else if (from == c) {
            return inside;
        }
    }
    return !inside;
}

static bool is_single(matcher *m, const char *s, const char *p, const char *end) {
    step(m, 1);
    if (s >= m->text_end)
        return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.': return true;
    case '%': return is_of_class(c, (unsigned char)p[1]);
    case '[': return is_of_set(m, c, p, end - 1);
    default: return (unsigned char)*p == c;
    }
}

/* ---- several characters ---- */

/* Matches %bxy: a text that begins with x and ends with the y that balances it. */
static const char *match_balance(matcher *m, const char *s, const char *p) {
    int depth = 1;
    if (p >= m->pattern_end - 1)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (*s != *p)
        return NULL;
    while (++s < m->text_end) {
        step(m, 1);
        if (*s == p[1]) {
            if (--depth == 0)
                return s + 1;
        } else if (*s == *p) {
            depth++;
        }
    }
    return NULL;
}

static const char *match_longest(matcher *m, const char *s, const char *p, const char *end) {
    ptrdiff_t n = 0;
    while (is_single(m, s + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *found = match(m, s + n, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *match_shortest(matcher *m, const char *s, const char *p, const char *end) {
    for (;;) {
        const char *found = match(m, s, end + 1);
        if (found)
            return found;
        if (!is_single(m, s, p, end))
            return NULL;
        s++;
    }
}

static const char *open_capture(matcher *m, const char *s, const char *p, int n) {
    if (m->ncaptures == MAX_CAPTURES)
        luaL_error(m->L, "too many captures");
    m->captures[m->ncaptures++] = (capture){s, n};
    const char *found = match(m, s, p);
    m->ncaptures -= !found;
    return found;
}

static const char *close_capture(matcher *m, const char *s, const char *p) {
    int i = m->ncaptures - 1;
    while (i >= 0 && m->captures[i].n != UNFINISHED)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[i].n = s - m->captures[i].start;
    const char *found = match(m, s, p);
    if (!found)
        m->captures[i].n = UNFINISHED;
    return found;
}

/* Matches %1 to %9: the text of a capture once more. */
static const char *match_again(matcher *m, const char *s, int digit) {
    int i = digit - '1';
    if (i < 0 || i >= m->ncaptures || m->captures[i].n == UNFINISHED)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    ptrdiff_t n = m->captures[i].n;
    if (n < 0 || m->text_end - s < n)
        return NULL;
    step(m, (size_t)n / 16);
    return memcmp(m->captures[i].start, s, (size_t)n) ? NULL : s + n;
}

/* Matches %f[set]: the position between a character outside of the set and one in the set. */
static const char *match_frontier(matcher *m, const char *s, const char **p) {
    if (**p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *end = class_end(m, *p);
    int before = s == m->text ? 0 : (unsigned char)s[-1];
    bool here = !is_of_set(m, before, *p, end - 1) && is_of_set(m, (unsigned char)*s, *p, end - 1);
    *p = end;
    return here ? s : NULL;
}

/* Matches a single character with its repetition. True: the match continues at *s and *p; otherwise
 * *s is the end of the whole match, or NULL. */
static bool match_one(matcher *m, const char **s, const char **p) {
    const char *end = class_end(m, *p), *found;
    bool is = (*end != '*' && *end != '-') ? is_single(m, *s, *p, end) : true;
    switch (*end) {
    case '*': *s = match_longest(m, *s, *p, end); return false;
    case '-': *s = match_shortest(m, *s, *p, end); return false;
    case '+': *s = is ? match_longest(m, *s + 1, *p, end) : NULL; return false;
    case '?':
        found = is ? match(m, *s + 1, end + 1) : NULL;
        if (found)
            *s = found;
        *p = end + 1;
        return !found;
    default:
        *s = is ? *s + 1 : NULL;
        *p = end;
        return is;
    }
}

/* The end of the text that the pattern matches from s on, or NULL. Texts and patterns end with a
 * byte 0, which Lua adds. */
static const char *match(matcher *m, const char *s, const char *p) {
    if (m->depth-- == 0)
        luaL_error(m->L, "pattern too complex");
    step(m, 1);
    for (bool on = true; on && s && p != m->pattern_end;) {
        bool escape = *p == '%' && p + 1 != m->pattern_end;
        if (*p == '(' || *p == ')') {
            bool position = *p == '(' && p[1] == ')';
            s = *p == ')'
                    ? close_capture(m, s, p + 1)
                    : open_capture(m, s, p + 1 + position, position ? A_POSITION : UNFINISHED);
            on = false;
        } else if (*p == '$' && p + 1 == m->pattern_end) {
            s = s == m->text_end ? s : NULL;
            on = false;
        } else if (escape && p[1] == 'b') {
            s = match_balance(m, s, p + 2);
            p += 4;
        } else if (escape && p[1] == 'f') {
            p += 2;
            s = match_frontier(m, s, &p);
        } else if (escape && isdigit((unsigned char)p[1])) {
            s = match_again(m, s, (unsigned char)p[1]);
            p += 2;
        } else {
            on = match_one(m, &s, &p);
        }
    }
    m->depth++;
    return s;
}

static const char *match_at(matcher *m, const char *s, const char *p) {
    m->ncaptures = 0;
    m->depth = MAX_DEPTH;
    return match(m, s, p);
}

static matcher matcher_of(lua_State *L, const char *s, size_t n, const char *p, size_t np) {
    return (matcher){.L = L, .text = s, .text_end = s + n, .pattern_end = p + np};
}

/* ---- captures ---- */

/* Pushes capture i; if the pattern has none, the text from s to e. */
static void push_capture(matcher *m, int i, const char *s, const char *e) {
    if (i >= m->ncaptures && i)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    const capture *c = &m->captures[i];
    if (i >= m->ncaptures)
        lua_pushlstring(m->L, s, (size_t)(e - s));
    else if (c->n == UNFINISHED)
        luaL_error(m->L, "unfinished capture");
    else if (c->n == A_POSITION)
        lua_pushinteger(m->L, c->start - m->text + 1);
    else
        lua_pushlstring(m->L, c->start, (size_t)c->n);
}

/* s NULL: if the pattern has no captures, nothing is pushed. */
static int push_captures(matcher *m, const char *s, const char *e) {
    int n = !m->ncaptures && s ? 1 : m->ncaptures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, e);
    return n;
}

/* ---- find, match ---- */

/* The offset at which a search begins; more than n: it finds nothing. */
static size_t start_of(lua_State *L, int arg, size_t n) {
    lua_Integer at = luaL_optinteger(L, arg, 1);
    if (at > 0)
        return (size_t)at - 1;
    return at == 0 || at < -(lua_Integer)n ? 0 : n + (size_t)at;
}

static int find_plain(lua_State *L, const char *s, size_t n, size_t start, const char *p,
                      size_t np) {
    fv_lua_count(L, (int64_t)((n - start + np) / 16) + 1);
    const char *found = memmem(s + start, n - start, p, np);
    if (!found) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, found - s + 1);
    lua_pushinteger(L, found - s + (ptrdiff_t)np);
    return 2;
}

static bool is_plain(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] && strchr("^$*+?.([%-", p[i]))
            return false;
    return true;
}

static int search(lua_State *L, bool finds) {
    size_t n, np;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &np), *e;
    size_t start = start_of(L, 3, n);
    if (start > n) {
        luaL_pushfail(L);
        return 1;
    }
    if (finds && (lua_toboolean(L, 4) || is_plain(p, np)))
        return find_plain(L, s, n, start, p, np);
    bool anchored = *p == '^';
    matcher m = matcher_of(L, s, n, p, np);
    const char *at = s + start;
    do {
        if (!(e = match_at(&m, at, p + anchored)))
            continue;
        if (!finds)
            return push_captures(&m, at, e);
        lua_pushinteger(L, at - s + 1);
        lua_pushinteger(L, e - s);
        return push_captures(&m, NULL, NULL) + 2;
    } while (at++ < m.text_end && !anchored);
    luaL_pushfail(L);
    return 1;
}

static int find(lua_State *L) {
    return search(L, true);
}
static int match_first(lua_State *L) {
    return search(L, false);
}

/* ---- gmatch ---- */

/* Upvalues: text, pattern, offset of the next search, offset of the end of the last match. */
static int next_match(lua_State *L) {
    size_t n, np;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &n),
               *p = lua_tolstring(L, lua_upvalueindex(2), &np);
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    matcher m = matcher_of(L, s, n, p, np);
    for (; at <= n; at++) {
        const char *e = match_at(&m, s + at, p);
        if (!e || e - s == last)
            continue;
        for (int i = 3; i <= 4; i++) {
            lua_pushinteger(L, e - s);
            lua_replace(L, lua_upvalueindex(i));
        }
        return push_captures(&m, s + at, e);
    }
    return 0;
}

static int gmatch(lua_State *L) {
    size_t n;
    luaL_checklstring(L, 1, &n);
    luaL_checkstring(L, 2);
    size_t start = start_of(L, 3, n);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(start > n ? n + 1 : start));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* ---- gsub ---- */

static void add_text(matcher *m, luaL_Buffer *b, const char *s, const char *e) {
    size_t n;
    const char *text = lua_tolstring(m->L, REPLACEMENT, &n), *end = text + n, *at;
    for (; (at = memchr(text, '%', (size_t)(end - text))); text = at + 2) {
        luaL_addlstring(b, text, (size_t)(at - text));
        step(m, 1);
        if (at[1] == '%') {
            luaL_addchar(b, '%');
        } else if (at[1] == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else if (isdigit((unsigned char)at[1])) {
            push_capture(m, at[1] - '1', s, e);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
    luaL_addlstring(b, text, (size_t)(end - text));
}

static bool add_value(matcher *m, luaL_Buffer *b, const char *s, const char *e, int type) {
    lua_State *L = m->L;
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, REPLACEMENT);
        lua_call(L, push_captures(m, s, e), 1);
    } else if (type == LUA_TTABLE) {
        push_capture(m, 0, s, e);
        lua_gettable(L, REPLACEMENT);
    } else {
        add_text(m, b, s, e);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(e - s));
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
    return true;
}

static int gsub(lua_State *L) {
    size_t n, np;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &np), *last = NULL;
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)n + 1), done = 0;
    bool anchored = *p == '^', changed = false;
    matcher m = matcher_of(L, s, n, p, np);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (bool on = true; done < most && on; on = on && !anchored) {
        const char *e = match_at(&m, s, p + anchored);
        if (e && e != last) {
            done++;
            changed = add_value(&m, &b, s, e, type) || changed;
            s = last = e;
        } else if (s < m.text_end) {
            luaL_addchar(&b, *s++);
        } else {
            on = false;
        }
    }
    if (changed) {
        luaL_addlstring(&b, s, (size_t)(m.text_end - s));
        luaL_pushresult(&b);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, done);
    return 2;
}

void fv_lua_set_patterns(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"find", find}, {"match", match_first}, {"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
