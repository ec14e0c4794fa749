/* helium.c - the table of instructions for vectors of Helium. */
#include "ir/expr/helium.h"

#include <stddef.h>

static const fv_helium rows[] = {
#define IN(e)  FV_##e
#define OUT(e) FV_##e
#define HELIUM(form_, op_, in_, out_, lanes_, text_)                                               \
    {.form = FV_HELIUM_##form_,                                                                    \
     .op = FV_X_##op_,                                                                             \
     .in = in_,                                                                                    \
     .out = out_,                                                                                  \
     .lanes = lanes_,                                                                              \
     .text = text_},
#include "ir/expr/helium.def"
};

enum { NROWS = sizeof rows / sizeof *rows };

static bool is_access(fv_helium_form form) {
    return form == FV_HELIUM_LOADS || form == FV_HELIUM_STORES;
}

const fv_helium *fv_helium_find(fv_expr_op op, fv_elem in, fv_elem out, int lanes) {
    for (int i = 0; i < NROWS; i++)
        if (!is_access(rows[i].form) && rows[i].op == op && rows[i].in == in &&
            rows[i].out == out && rows[i].lanes == lanes)
            return &rows[i];
    return NULL;
}

const fv_helium *fv_helium_find_access(fv_helium_form form, fv_elem in, fv_elem out, int lanes) {
    for (int i = 0; i < NROWS; i++)
        if (rows[i].form == form && rows[i].in == in && rows[i].out == out &&
            rows[i].lanes == lanes)
            return &rows[i];
    return NULL;
}
