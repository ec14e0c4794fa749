/* copy.c - copies a module by printing it and parsing the text again. Large constants are not
 * printed; the copy refers to the same data. */
#include "ir/graph/copy.h"

#include "ir/catalogue/own.h"
#include "ir/graph/parse.h"
#include "ir/graph/print.h"

fv_module *fv_module_copy(fv_session *s, const fv_module *m, const char *const *dims) {
    fv_arena *a = fv_arena_new(s);
    fv_text text = {.arena = a};
    fv_lent lent = {.arena = a};
    if (s != m->session)
        fv_ops_lend(s, m->session);
    fv_module_print_lent(&text, m, &lent);
    fv_module *copy = fv_module_parse_lent(s, text.s, &lent, dims);
    fv_arena_free(a);
    return copy;
}
