/* temporary.c - temporary folders that are removed when an arena is freed. */
#include <errno.h>
#include <string.h>

#include "driver.h"
#include "ir/base/diag.h"
#include "ir/base/staging.h"

const char *fv_driver_temporary(fv_session *s, fv_arena *a) {
    const char *path = fv_staging_elsewhere(a);
    if (!path)
        fv_error(s, "cannot make a temporary folder: %s", strerror(errno));
    return path;
}
