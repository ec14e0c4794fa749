/* form.c - the names of forms. */
#include "ir/definition/form.h"

#include <string.h>

static const char *const names[] = {
    [FV_FORM_MAP] = "map",
    [FV_FORM_ROW] = "row",
    [FV_FORM_CONTRACT] = "contract",
    [FV_FORM_ATTENTION] = "attention",
};
enum { NKINDS = sizeof names / sizeof *names };

const char *fv_form_name(fv_form_kind kind) {
    return names[kind];
}

fv_form_kind fv_form_find(const char *name) {
    int kind = NKINDS - 1;
    while (kind > FV_FORM_NONE && strcmp(names[kind], name))
        kind--;
    return (fv_form_kind)kind;
}
