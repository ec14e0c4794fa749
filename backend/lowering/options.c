#include "backend/lowering/options.h"

#include <string.h>

bool fv_is_left_out(const fv_lower_options *o, const char *step) {
    const char *const *name = o->without;
    while (name && *name && strcmp(*name, step))
        name++;
    return name && *name;
}
