/* body_text.c - finds definitions in the texts, and the functions that definitions may call. */
#include <string.h>

#include "ir/catalogue/op.h"
#include "ir/rule/parts.h"

/* Finds the definition of that name in a text: `name(` at the start of a line. */
static const char *find_in(const char *text, const char *name) {
    size_t n = strlen(name);
    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (!strncmp(at, name, n) && at[n] == '(')
            return at;
    }
    return NULL;
}

const char *fv_body_text(const char *name) {
    for (int i = 0; fv_body_texts[i]; i++) {
        const char *at = find_in(*fv_body_texts[i], name);
        if (at)
            return at;
    }
    return NULL;
}

bool fv_body_is(const char *name) {
    /* Names of definitions have no dot. The search for a definition takes longest. */
    return !strchr(name, '.') && !fv_op_find("", name) && fv_body_text(name);
}

size_t fv_body_bytes(const char *text) {
    const char *end = text;
    do {
        const char *next = strchr(end, '\n');
        end = next ? next + 1 : end + strlen(end);
    } while (*end == ' ' || (*end == '\n' && end[1] == ' '));
    return (size_t)(end - text);
}

bool fv_rule_function_is(const char *name, int n) {
    static const struct {
        const char *name;
        int least, most;
    } functions[] = {
#define FUNCTION(name, least, most) {#name, least, most},
#include "ir/rule/functions.def"
#undef FUNCTION
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!strcmp(functions[i].name, name) && n >= functions[i].least && n <= functions[i].most)
            return true;
    return false;
}
