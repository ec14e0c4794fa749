/* verifier.c - the messages of the verifier: what is illegal, and in which statement. */
#include "ir/kernel/verifier.h"

#include <stdio.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/kernel/printer.h"

/* The text of a statement without the statements nested in it. */
static const char *stmt_head(fv_kverifier *v, const fv_stmt *s) {
    fv_text t = {.arena = v->a};
    fv_kprinter p;
    fv_stmt alone = *s;
    alone.next = NULL;
    alone.body = alone.other = (fv_block){0};
    fv_block block = {&alone, &alone};
    fv_kprinter_init(&p, &t, false);
    fv_kp_block(&p, &block, v->program);
    if (!t.s)
        return "";
    t.s[strcspn(t.s, "\n")] = '\0';
    char *brace = strstr(t.s, " {");
    if (brace)
        *brace = '\0';
    return t.s;
}

bool fv_kv_illegal(fv_kverifier *v, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *what = v->kernel ? fv_printf(v->a, "kernel '%s'", v->kernel->name) : v->where;
    if (v->stmt)
        return fv_error(v->session, "illegal %s: `%.300s`: %s", what, stmt_head(v, v->stmt), text);
    return fv_error(v->session, "illegal %s: %s", what, text);
}

void fv_kv_declare(fv_kverifier *v, const void *what) {
    *fv_ptrmap_at(&v->scope, what) = (void *)what;
    FV_PUSH(v->a, v->declared, v->ndeclared, v->cap_declared, what);
}
