/* test_names.c - the stubs for editors and docs/lua.md name all functions and fields that exist,
 * and no others. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/lua/lua.h"

enum { MOST = 400 };

static char *read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    cr_assert(f, "cannot read %s", path);
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    char *s = calloc(n + 1, 1);
    cr_assert(s);
    cr_assert_eq(fread(s, 1, n, f), n);
    fclose(f);
    return s;
}

/* The name that `at` begins with; NULL: none. */
static const char *word(const char *at, char *out) {
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_')
        n++;
    if (!n || n >= FV_LUA_NAME / 2)
        return NULL;
    memcpy(out, at, n);
    out[n] = 0;
    return out;
}

typedef struct names {
    char at[MOST][FV_LUA_NAME];
    int n;
} names;

static void add(names *list, const char *owner, const char *mark, const char *name) {
    cr_assert_lt(list->n, MOST);
    snprintf(list->at[list->n++], FV_LUA_NAME, "%s%s%s", owner, mark, name);
}

/* One line of the stubs. */
static void read_line(names *list, char *owner, const char *line) {
    char name[FV_LUA_NAME];
    if (!strncmp(line, "---@class fv.", 13))
        word(line + 13, owner);
    else if (!strncmp(line, "---@class fv", 12))
        strcpy(owner, "fv");
    else if (!strncmp(line, "---@field ", 10) && word(line + 10, name))
        add(list, owner, ".", name);
    else if (!strncmp(line, "function fv.", 12) && word(line + 12, name))
        add(list, "fv", ".", name);
    else if (!strncmp(line, "function ", 9) && word(line + 9, owner) &&
             word(line + 10 + strlen(owner), name))
        add(list, owner, ":", name);
}

static names *stubs(void) {
    char *text = read_file(FV_SOURCE_ROOT "/passes/lua/stubs/fv.lua"), owner[FV_LUA_NAME] = "",
         *rest = NULL;
    names *list = calloc(1, sizeof *list);
    cr_assert(list);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        read_line(list, owner, line);
    free(text);
    return list;
}

static bool has(const names *list, const char *name) {
    for (int i = 0; i < list->n; i++)
        if (!strcmp(list->at[i], name))
            return true;
    return false;
}

Test(names, stubs_have_all_and_nothing_else) {
    names *list = stubs();
    char name[FV_LUA_NAME];
    int n = 0;
    for (; fv_lua_name_at(n, name); n++)
        cr_expect(has(list, name), "the stubs lack %s", name);
    cr_expect_gt(n, 60);
    cr_expect_eq(list->n, n, "the stubs have %d names, the module %d", list->n, n);
    free(list);
}

/* In a block of code that begins with a comment of Lua: ".name" or ":name", for each entry. */
static bool is_used(const char *text, const char *entry) {
    const char *name = entry + strcspn(entry, ".:");
    size_t n = strlen(name);
    bool in = false;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (!strncmp(line, "```\n-- ", 7))
            in = true;
        else if (!strncmp(line, "```", 3))
            in = false;
        const char *end = line + strcspn(line, "\n");
        for (const char *at = line; in && (at = strstr(at, name)) && at < end; at++)
            if (!isalnum((unsigned char)at[n]) && at[n] != '_')
                return true;
    }
    return false;
}

Test(names, documents_explain_and_use_each) {
    char *text = read_file(FV_SOURCE_ROOT "/docs/lua.md"), name[FV_LUA_NAME],
         entry[FV_LUA_NAME + 2];
    for (int i = 0; fv_lua_name_at(i, name); i++) {
        const char *at = text;
        bool told = false;
        snprintf(entry, sizeof entry, "`%s", name);
        for (size_t n = strlen(entry); !told && (at = strstr(at, entry)); at += n)
            told = !isalnum((unsigned char)at[n]) && at[n] != '_';
        cr_expect(told, "docs/lua.md does not tell of %s", name);
        cr_expect(is_used(text, name), "no example of docs/lua.md uses %s", name);
    }
    free(text);
}
