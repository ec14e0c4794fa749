/* attribute.c - see attribute.h. */
#include "ops/common/attribute.h"

#include <string.h>

bool fv_attr_is(const fv_op *op, const char *name, const char *text) {
    if (!fv_opdef_attr(op->def, name))
        return false;
    fv_string s = fv_op_string(op, name);
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}
