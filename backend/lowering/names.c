/* names.c - see names.h. */
#include "backend/lowering/names.h"

const char *fv_safe_name(fv_arena *a, const char *name) {
    char *r = fv_strdup(a, name);
    for (char *p = r; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
            *p = '_';
    return r;
}
