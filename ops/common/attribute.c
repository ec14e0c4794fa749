/* attribute.c - see attribute.h. */
#include "ops/common/attribute.h"

#include <string.h>

bool fv_attr_is(const fv_op *op, const char *name, const char *text) {
    if (!fv_opdef_attr(op->def, name))
        return false;
    fv_string s = fv_op_string(op, name);
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

bool fv_attr_are_directions(const fv_op *op, const char *name, int n) {
    int given;
    const int64_t *all = fv_op_ints(op, name, &given);
    if (all && given != n)
        return fv_op_error(op, "%s has %d directions, expected %d", name, given, n);
    for (int i = 0; all && i < n; i++)
        if (all[i] != 0 && all[i] != 1)
            return fv_op_error(op, "%s has %lld, expected 0 or 1", name, (long long)all[i]);
    return true;
}
