/* support.c - see support.h. */
#include "tests/passes/support.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ir/graph/parse.h"
#include "ir/graph/print.h"

fv_module *module_of(const char *text) {
    fv_module *m =
        fv_module_parse(session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", text), NULL);
    cr_assert(m, "%s", said());
    return m;
}

fv_op *find_op(fv_module *m, const char *name) {
    for (fv_op *op = m->funcs->body->first; op; op = op->next)
        if (op->def == fv_op_get(name))
            return op;
    return NULL;
}

const char *text_of(const fv_module *m) {
    static const char unbounded[] = " 0..1099511627776\n";
    fv_text all = {.arena = arena}, t = {.arena = arena};
    fv_module_print(&all, m, NULL, NULL);
    fv_text_put(&t, "");
    int line = 0;
    for (const char *at = all.s; *at; line++) {
        size_t n = strcspn(at, "\n") + 1;
        bool plain = !strncmp(at, "symbol ", 7) && n >= sizeof unbounded &&
                     !strncmp(at + n - (sizeof unbounded - 1), unbounded, sizeof unbounded - 1);
        if (line >= 2 && !plain)
            fv_text_putn(&t, at, n);
        at += n;
    }
    return t.s;
}
