/* write_weights.c - files of weights that code compiled with --replaceable accepts: their layout,
 * and the file alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "driver.h"
#include "ir/base/staging.h"

const char *fv_driver_layout(fv_arena *a, fv_program *p) {
    p->memory.is_replaceable = true;
    fv_program_expand(p);
    return fv_weights_bind_layout(a, p);
}

/* Writes the file at `temporary`, which is then renamed to `out`. False with errno. */
static bool put_file(const fv_program *p, const char *temporary, const char *out) {
    FILE *f = fopen(temporary, "wb");
    bool ok = f && fv_weights_put_file(p, f);
    int error = errno;
    if (f && fclose(f) && ok) {
        ok = false;
        error = errno;
    }
    if (!ok)
        errno = error;
    return ok && rename(temporary, out) == 0;
}

bool fv_driver_write_weights(fv_session *s, const fv_program *p, const char *out) {
    fv_arena *a = fv_arena_new(s);
    const char *folder = fv_staging_next_to(a, out);
    bool ok = folder && put_file(p, fv_printf(a, "%s/weights", folder), out);
    if (!ok)
        fv_error(s, "cannot write '%s': %s", out, strerror(errno));
    fv_arena_free(a); /* also removes the temporary folder */
    return ok;
}
