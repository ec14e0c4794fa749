/* type.c - element types from type.def, types of values, checked sizes. */
#include "ir/type/type.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/dim/text.h"

typedef struct elem_info {
    const char *name;
    int bits;
    char kind; /* the kind: one of F S U B X, see type.def */
    fv_elem arith;
} elem_info;

static const elem_info infos[FV_ELEM_END] = {
#define ELEM(id, text, onnx, bits, kind, arith) [FV_##id] = {text, bits, #kind[0], FV_##arith},
#include "ir/type/type.def"
#undef ELEM
};

static const elem_info *info(fv_elem e) {
    static const elem_info none = {"none", 0, 'X', FV_NO_ELEM};
    return e > FV_NO_ELEM && e < FV_ELEM_END ? &infos[e] : &none;
}

const char *fv_elem_name(fv_elem e) {
    return info(e)->name;
}

bool fv_elem_parse(const char *text, size_t n, fv_elem *out) {
    for (int e = 1; e < FV_ELEM_END; e++)
        if (infos[e].name && strlen(infos[e].name) == n && memcmp(infos[e].name, text, n) == 0) {
            *out = (fv_elem)e;
            return true;
        }
    return false;
}

int fv_elem_bits(fv_elem e) {
    return info(e)->bits;
}
bool fv_elem_is_float(fv_elem e) {
    return info(e)->kind == 'F';
}
bool fv_elem_is_int(fv_elem e) {
    return info(e)->kind == 'S' || info(e)->kind == 'U';
}
bool fv_elem_is_signed(fv_elem e) {
    return info(e)->kind == 'S';
}

bool fv_elem_range(fv_elem e, int64_t *lo, int64_t *hi) {
    int bits = e == FV_BOOL ? 1 : fv_elem_bits(e);
    if ((e != FV_BOOL && !fv_elem_is_int(e)) || bits > 32)
        return false;
    *hi = (INT64_C(1) << (bits - fv_elem_is_signed(e))) - 1;
    *lo = fv_elem_is_signed(e) ? -*hi - 1 : 0;
    return true;
}
fv_elem fv_elem_arith(fv_elem e) {
    return info(e)->arith;
}

const fv_type *fv_tensor_type(fv_arena *a, fv_elem e, int rank, const fv_dim *const *dims) {
    fv_type *t = FV_NEW(a, fv_type, 1);
    const fv_dim **copy = FV_NEW(a, const fv_dim *, rank > 0 ? rank : 0);
    for (int i = 0; i < rank; i++)
        copy[i] = dims[i];
    *t = (fv_type){.kind = FV_TENSOR, .elem = e, .rank = rank, .dims = copy};
    return t;
}

bool fv_type_may_hold(fv_type_kind kind, const fv_type *of) {
    if (kind == FV_SEQUENCE)
        return of->kind == FV_TENSOR || of->kind == FV_MAP;
    return of->kind == FV_TENSOR || (of->kind == FV_SEQUENCE && of->of->kind == FV_TENSOR);
}

bool fv_type_may_be_map(fv_elem key, const fv_type *of) {
    return (FV_SET_INT | FV_SET(STRING)) >> key & 1 && of->kind == FV_TENSOR && of->rank == 0 &&
           FV_SET_MOVED >> of->elem & 1;
}

bool fv_type_has_maps(const fv_type *t) {
    return t->kind == FV_MAP || (t->kind == FV_SEQUENCE && t->of->kind == FV_MAP);
}

const fv_type *fv_wrap_type(fv_arena *a, fv_type_kind kind, const fv_type *of) {
    FV_HOLDS(fv_arena_session(a), kind == FV_SEQUENCE || kind == FV_OPTIONAL);
    fv_type *t = FV_NEW(a, fv_type, 1);
    *t = (fv_type){.kind = kind, .of = of};
    return t;
}

const fv_type *fv_map_type(fv_arena *a, fv_elem key, const fv_type *of) {
    fv_type *t = FV_NEW(a, fv_type, 1);
    *t = (fv_type){.kind = FV_MAP, .elem = key, .of = of};
    return t;
}

bool fv_type_equal(const fv_type *a, const fv_type *b) {
    for (; a != b; a = a->of, b = b->of) {
        if (!a || !b || a->kind != b->kind || a->elem != b->elem || a->rank != b->rank)
            return false;
        for (int i = 0; i < a->rank; i++)
            if (a->dims[i] != b->dims[i])
                return false;
        if (a->kind == FV_TENSOR)
            return true;
    }
    return true;
}

const fv_type *fv_type_tensor(const fv_type *t) {
    while (t->kind != FV_TENSOR)
        t = t->of;
    return t;
}

static const fv_type *join_elements(fv_arena *a, const fv_type *x, const fv_type *y) {
    const fv_dim *dims[FV_MAX_RANK];
    if (x->elem != y->elem)
        return NULL;
    if (x->rank == FV_NO_RANK || y->rank == FV_NO_RANK)
        return x->rank == FV_NO_RANK ? y : x;
    if (x->rank != y->rank || x->rank == FV_ANY_RANK)
        return fv_tensor_type(a, x->elem, FV_ANY_RANK, NULL);
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i] == y->dims[i] ? x->dims[i] : NULL;
    return fv_tensor_type(a, x->elem, x->rank, dims);
}

const fv_type *fv_type_join(fv_arena *a, const fv_type *x, const fv_type *y) {
    if (fv_type_equal(x, y))
        return x;
    if (x->kind != y->kind || (x->kind != FV_SEQUENCE && x->kind != FV_OPTIONAL))
        return NULL;
    bool tensors = x->of->kind == FV_TENSOR && y->of->kind == FV_TENSOR;
    const fv_type *of = tensors ? join_elements(a, x->of, y->of) : fv_type_join(a, x->of, y->of);
    return of ? fv_wrap_type(a, x->kind, of) : NULL;
}

static void put_tensor(fv_text *t, const fv_type *type) {
    fv_text_put(t, fv_elem_name(type->elem));
    if (type->rank == FV_NO_RANK)
        return;
    fv_text_put(t, "[");
    if (type->rank == FV_ANY_RANK)
        fv_text_put(t, "*");
    for (int i = 0; i < type->rank; i++)
        fv_text_printf(t, "%s%s", i ? ", " : "",
                       type->dims[i] ? fv_dim_str(t->arena, type->dims[i]) : "_");
    fv_text_put(t, "]");
}

static void put_type(fv_text *t, const fv_type *type) {
    if (!type) {
        fv_text_put(t, "untyped");
        return;
    }
    switch (type->kind) {
    case FV_TENSOR: put_tensor(t, type); return;
    case FV_SEQUENCE: fv_text_put(t, "seq("); break;
    case FV_OPTIONAL: fv_text_put(t, "optional("); break;
    case FV_MAP: fv_text_printf(t, "map(%s, ", fv_elem_name(type->elem)); break;
    }
    put_type(t, type->of);
    fv_text_put(t, ")");
}

const char *fv_type_str(fv_arena *a, const fv_type *t) {
    fv_text text = {.arena = a};
    put_type(&text, t);
    return text.s;
}

/* ---- sets ---- */

static const struct {
    const char *name;
    fv_elem_set set;
} sets[] = {
    {"any", FV_SET_ANY},       {"data", FV_SET_DATA},     {"number", FV_SET_NUMBER},
    {"packed", FV_SET_PACKED}, {"f8", FV_SET_FLOAT8},     {"float", FV_SET_FLOAT},
    {"int", FV_SET_INT},       {"signed", FV_SET_SIGNED}, {"unsigned", FV_SET_UNSIGNED},
};

const char *fv_elem_set_str(fv_arena *a, fv_elem_set set) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if ((set & sets[i].set) == sets[i].set) {
            fv_text_printf(&t, "%s%s", t.n ? ", " : "", sets[i].name);
            set &= ~sets[i].set;
        }
    for (int e = 1; e < FV_ELEM_END; e++)
        if (set >> e & 1)
            fv_text_printf(&t, "%s%s", t.n ? ", " : "", fv_elem_name((fv_elem)e));
    return t.s;
}

/* ---- checked sizes ---- */

bool fv_mul_size(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

bool fv_add_size(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

bool fv_elem_bytes(fv_elem e, size_t n, size_t *out) {
    size_t bits = (size_t)fv_elem_bits(e);
    if (bits >= 8)
        return fv_mul_size(n, bits / 8, out);
    size_t per_byte = bits ? 8 / bits : 1;
    *out = n / per_byte + (n % per_byte != 0);
    return true;
}
