/* names.c - the names in the text of a rule: those that are declared while the text is checked, and
 * what a match has captured. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/rule/parts.h"

bool fv_rule_error(const fv_rule_scope *s, const fv_ast *at, const char *format, ...) {
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fv_error_at(s->session, at->line, at->column, "rule %s: %s", s->rule, text);
}

const fv_rule_name *fv_rule_find_name(const fv_rule_scope *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->names[i].name, name))
            return &s->names[i];
    return NULL;
}

bool fv_rule_add_name(fv_rule_scope *s, const fv_ast *at, const char *called, fv_rule_name name) {
    const fv_rule_name *old = fv_rule_find_name(s, called);
    int most = s->in_body ? FV_MAX_BODY_NAMES : FV_MAX_CAPTURES;
    name.name = called;
    if (!strcmp(called, "_"))
        return true;
    if (old && s->in_body)
        return fv_rule_error(s, at, "'%s' is named twice", called);
    if (old &&
        (old->is_attr != name.is_attr || old->is_rest != name.is_rest || old->kind != name.kind))
        return fv_rule_error(s, at, "'%s' is captured as another kind of thing before", called);
    if (old)
        return true;
    if (s->n == most)
        return fv_rule_error(s, at, "captures more than %d names", most);
    s->names[s->n++] = name;
    return true;
}

const fv_capture *fv_rule_capture(const fv_matcher *m, const char *name) {
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->captures[i].name, name))
            return &m->captures[i];
    return NULL;
}
