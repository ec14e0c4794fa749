/* math.c - the functions in backend/math, parsed when a session first uses one. */
#include "backend/math/math.h"

#include "ir/base/diag.h"
#include "ir/base/ptrmap.h"
#include "ir/kernel/func_parse.h"

extern const char *const fv_math_f32_text, *const fv_math_f64_text, *const fv_math_exact_text;

typedef struct library {
    /* interned name -> fv_kfunc, for the files f32.fvk, f64.fvk and exact.fvk */
    fv_ptrmap f32, f64, exact;
} library;

static bool read_file(fv_session *s, fv_arena *a, const char *file, const char *text,
                      fv_ptrmap *out) {
    int n;
    const fv_kfunc *const *funcs;
    *out = fv_ptrmap_in(a);
    const char *before = fv_diag_file_get(s);
    fv_diag_file(s, file);
    bool ok = fv_kfuncs_parse(a, text, &n, &funcs);
    fv_diag_file(s, before);
    for (int i = 0; ok && i < n; i++)
        *fv_ptrmap_at(out, fv_intern(s, funcs[i]->name)) = (void *)funcs[i];
    return ok;
}

static const library *library_of(fv_session *s) {
    static const char key = 0;
    void **slot = fv_session_slot(s, &key);
    if (*slot)
        return *slot;
    fv_arena *a = fv_arena_new(s);
    library *lib = FV_NEW(a, library, 1);
    if (!read_file(s, a, "backend/math/f32.fvk", fv_math_f32_text, &lib->f32) ||
        !read_file(s, a, "backend/math/f64.fvk", fv_math_f64_text, &lib->f64) ||
        !read_file(s, a, "backend/math/exact.fvk", fv_math_exact_text, &lib->exact))
        return NULL;
    *fv_session_slot(s, &key) = lib;
    return lib;
}

const fv_kfunc *fv_exact_find(fv_session *s, const char *name) {
    const library *lib = library_of(s);
    return lib ? fv_ptrmap_get(&lib->exact, fv_intern(s, name)) : NULL;
}

const fv_kfunc *fv_math_find(fv_session *s, const char *name, fv_elem e) {
    const library *lib = library_of(s);
    if (!lib)
        return NULL;
    const fv_ptrmap *map = e == FV_F32 ? &lib->f32 : e == FV_F64 ? &lib->f64 : NULL;
    const fv_kfunc *f = map ? fv_ptrmap_get(map, fv_intern(s, name)) : NULL;
    if (f)
        return f;
    /* names in exact.fvk have the type as suffix: fmod_f32, pow_i64 */
    fv_arena *a = fv_arena_new(s);
    f = fv_exact_find(s, fv_printf(a, "%s_%s", name, fv_elem_name(e)));
    fv_arena_free(a);
    return f;
}
