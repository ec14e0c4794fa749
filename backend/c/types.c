/* types.c - the C types of values, and literals of floats. The types of vectors are GNU vectors,
 * which are declared where they are first used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/c/internal.h"
#include "ir/expr/helium.h"

/* ---- scalars ---- */

const char *fv_c_elem(fv_elem e) {
    switch (e == FV_BOOL ? FV_U8 : fv_elem_is_storage(e) ? fv_elem_bits_elem(e) : e) {
    case FV_F32: return "float";
    case FV_F64: return "double";
    case FV_I8: return "int8_t";
    case FV_I16: return "int16_t";
    case FV_I32: return "int32_t";
    case FV_I64: return "int64_t";
    case FV_U8: return "uint8_t";
    case FV_U16: return "uint16_t";
    case FV_U32: return "uint32_t";
    default: return "uint64_t";
    }
}

const char *fv_c_short(fv_elem e) {
    return fv_elem_name(e == FV_BOOL ? FV_BOOL : fv_elem_is_storage(e) ? fv_elem_bits_elem(e) : e);
}

const char *fv_c_float(fv_arena *a, fv_elem e, double v) {
    char s[40];
    bool single = e == FV_F32;
    for (int digits = single ? 6 : 15; digits <= 17; digits++) { /* %g omits trailing zeros */
        snprintf(s, sizeof s, "%.*g", digits, v);
        double back = single ? (double)strtof(s, NULL) : strtod(s, NULL);
        if (back == v)
            break;
    }
    const char *point = strpbrk(s, ".e") ? "" : ".0";
    return fv_printf(a, "%s%s%s", s, point, single ? "f" : "");
}

/* ---- vectors ---- */

bool fv_c_helper_new(fv_cg *g, const char *name) {
    void **at = fv_ptrmap_at(&g->prelude.made, fv_intern(g->session, name));
    if (*at)
        return false;
    *at = (void *)1;
    FV_PUSH(g->arena, g->prelude.all, g->prelude.n, g->prelude.cap, name);
    return true;
}

fv_elem fv_c_mask_elem(int lanes) {
    return lanes <= 16 ? FV_I32 : FV_I8;
}

fv_elem fv_c_signed_elem(fv_elem e) {
    switch (fv_elem_storage_bytes(e)) {
    case 1: return FV_I8;
    case 2: return FV_I16;
    case 4: return FV_I32;
    default: return FV_I64;
    }
}

fv_elem fv_c_unsigned_elem(fv_elem e) {
    return fv_elem_bits_elem(e);
}

static fv_elem memory_elem(fv_elem e) {
    return e == FV_BOOL ? FV_U8 : fv_elem_is_storage(e) ? fv_elem_bits_elem(e) : e;
}

int fv_c_vector_bytes(fv_elem e, int lanes) {
    return lanes * fv_elem_storage_bytes(e == FV_BOOL ? fv_c_mask_elem(lanes) : e);
}

/* The type of an element of vectors. Floats of Helium are in vectors of their bits (helium.h). */
static const char *vector_elem(const fv_cg *g, fv_elem e) {
    return fv_c_elem(e == FV_F32 && fv_has_helium(g->p->target) ? FV_I32 : e);
}

const char *fv_c_vtype(fv_cg *g, fv_elem e, int lanes) {
    e = memory_elem(e);
    const char *name = fv_printf(g->arena, "%sx%d", fv_elem_name(e), lanes);
    if (fv_c_helper_new(g, name))
        fv_text_printf(&g->prelude.types, "typedef %s %s __attribute__((vector_size(%d)));\n",
                       vector_elem(g, e), name, fv_c_vector_bytes(e, lanes));
    return name;
}

const char *fv_c_mask(fv_cg *g, int lanes) {
    const char *name = fv_printf(g->arena, "mask%d", lanes);
    if (fv_c_helper_new(g, name))
        fv_text_printf(&g->prelude.types, "typedef %s %s; /* 0 or -1 */\n",
                       fv_c_vtype(g, fv_c_mask_elem(lanes), lanes), name);
    return name;
}

const char *fv_c_unaligned(fv_cg *g, fv_elem e, int lanes) {
    e = memory_elem(e);
    const char *name = fv_printf(g->arena, "%sx%d_u", fv_elem_name(e), lanes);
    if (fv_c_helper_new(g, name))
        fv_text_printf(&g->prelude.types,
                       "typedef %s %s __attribute__((vector_size(%d), aligned(%d), may_alias));\n",
                       vector_elem(g, e), name, fv_c_vector_bytes(e, lanes),
                       fv_elem_storage_bytes(e));
    return name;
}

const char *fv_c_type(fv_cg *g, fv_ktype t) {
    if (t.lanes > 1)
        return t.elem == FV_BOOL ? fv_c_mask(g, t.lanes) : fv_c_vtype(g, t.elem, t.lanes);
    return t.elem == FV_BOOL ? "bool" : fv_c_elem(t.elem);
}
