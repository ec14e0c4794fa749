/* form.c - the names of forms. */
#include "ir/definition/form.h"

#include <string.h>

static const char *const names[] = {
    [FV_FORM_MAP] = "map",           [FV_FORM_TRANSPOSE] = "transpose", [FV_FORM_ROW] = "row",
    [FV_FORM_CONTRACT] = "contract", [FV_FORM_ATTENTION] = "attention",
};
enum { NKINDS = sizeof names / sizeof *names };

const char *fv_form_name(fv_form_kind kind) {
    return names[kind];
}

fv_form_words fv_form_words_of(fv_form_kind kind) {
    switch (kind) {
    case FV_FORM_TRANSPOSE: return (fv_form_words){"rows", "columns", NULL};
    case FV_FORM_CONTRACT: return (fv_form_words){"rows", "columns", "over"};
    case FV_FORM_ATTENTION: return (fv_form_words){"queries", "features", "keys"};
    case FV_FORM_NONE:
    case FV_FORM_MAP:
    case FV_FORM_ROW: break;
    }
    return (fv_form_words){NULL, NULL, NULL};
}

fv_form_kind fv_form_find(const char *name) {
    int kind = NKINDS - 1;
    while (kind > FV_FORM_NONE && strcmp(names[kind], name))
        kind--;
    return (fv_form_kind)kind;
}
