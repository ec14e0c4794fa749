/* library.c - the table of library functions by name. */
#include "backend/library/library.h"

#include "backend/library/image.h"
#include "ir/base/diag.h"

#if FV_HAVE_IMAGES
static const fv_library_call calls[FV_LIBRARY_FNS] = {
    [FV_LIBRARY_image_size] = fv_call_image_size,
    [FV_LIBRARY_image_pixels] = fv_call_image_pixels,
};

fv_library_call fv_library_look(const fv_library_fn *fn) {
    return calls[fv_library_id_of(fn)];
}
#else
fv_library_call fv_library_look(const fv_library_fn *fn) {
    (void)fn;
    return NULL;
}
#endif

fv_library_call fv_library_find(fv_session *s, const fv_library_fn *fn) {
    fv_library_call call = fv_library_look(fn);
    if (!call)
        fv_error(s,
                 "%s: this build of Fovea decodes no images (meson's -Dimages=disabled, or their "
                 "libraries were missing)",
                 fn->name);
    return call;
}

bool fv_library_has(fv_session *s, const fv_program *p) {
    for (int i = 0; i < p->nkernels; i++)
        for (const fv_stmt *t = p->kernels[i]->body.first; t; t = t->next)
            if (t->kind == FV_S_CALL && !t->call.library->collective &&
                !fv_library_find(s, t->call.library))
                return false;
    return true;
}

const char *fv_library_symbol(fv_arena *a, const fv_library_fn *fn) {
    return fv_printf(a, "fovea_%s", fn->name);
}
