/* math.c - the functions in backend/math. */
#include "backend/math/math.h"

#include "ir/kernel/func_parse.h"

extern const char *const fv_math_f32_text, *const fv_math_f64_text, *const fv_math_exact_text;

typedef struct library {
    fv_kfuncs *f32, *f64, *exact; /* the files f32.fvk, f64.fvk and exact.fvk */
} library;

static const library *library_of(fv_session *s) {
    static const char key = 0;
    void **slot = fv_session_slot(s, &key);
    if (*slot)
        return *slot;
    fv_arena *a = fv_arena_new(s);
    library *lib = FV_NEW(a, library, 1);
    lib->f32 = fv_kfuncs_new(a, "backend/math/f32.fvk", fv_math_f32_text);
    lib->f64 = fv_kfuncs_new(a, "backend/math/f64.fvk", fv_math_f64_text);
    lib->exact = fv_kfuncs_new(a, "backend/math/exact.fvk", fv_math_exact_text);
    *fv_session_slot(s, &key) = lib;
    return lib;
}

const fv_kfunc *fv_exact_find(fv_session *s, const char *name) {
    return fv_kfuncs_find(library_of(s)->exact, name);
}

const fv_kfunc *fv_math_find(fv_session *s, const char *name, fv_elem e) {
    const library *lib = library_of(s);
    fv_kfuncs *file = e == FV_F32 ? lib->f32 : e == FV_F64 ? lib->f64 : NULL;
    const fv_kfunc *f = file ? fv_kfuncs_find(file, name) : NULL;
    if (f)
        return f;
    /* names in exact.fvk have the type as suffix: fmod_f32, pow_i64 */
    fv_arena *a = fv_arena_new(s);
    f = fv_exact_find(s, fv_printf(a, "%s_%s", name, fv_elem_name(e)));
    fv_arena_free(a);
    return f;
}
