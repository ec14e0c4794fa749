/* type.h - element types, and the types of values.
 *
 * Types are immutable and live in their module's arena. The rank of a tensor is always known; its
 * dims are symbolic expressions. The ranks and dims of tensors in a sequence or optional may be
 * unknown. */
#ifndef FV_IR_TYPE_TYPE_H
#define FV_IR_TYPE_TYPE_H

#include "ir/base/arena.h"
#include "ir/dim/dim.h"

typedef enum fv_elem {
    FV_NO_ELEM = 0,
#define ELEM(id, text, onnx, bits, kind, arith) FV_##id = onnx,
#include "ir/type/type.def"
#undef ELEM
    FV_ELEM_END
} fv_elem;

const char *fv_elem_name(fv_elem e); /* the name of the type, such as "f32" */
/* Sets *out to the element type of that name; false: there is none. */
bool fv_elem_parse(const char *text, size_t n, fv_elem *out) FV_MUST_USE;
int fv_elem_bits(fv_elem e); /* width of an element in bits: 4 for i4 */
/* Is e a float type? Types that are only stored count, such as f8. */
bool fv_elem_is_float(fv_elem e) FV_MUST_USE;
/* Is e a signed or unsigned integer type, and not bool? */
bool fv_elem_is_int(fv_elem e) FV_MUST_USE;
bool fv_elem_is_signed(fv_elem e) FV_MUST_USE; /* a signed integer */
/* The least and largest value of an integer type of at most 32 bits, or of bool; false for other
 * types. */
bool fv_elem_range(fv_elem e, int64_t *lo, int64_t *hi) FV_MUST_USE;
/* The type in which arithmetic on `e` is done: f32 for narrower floats, i8 or u8 for packed
 * integers. */
fv_elem fv_elem_arith(fv_elem e);
static inline bool fv_elem_is_packed(fv_elem e) {
    return fv_elem_bits(e) < 8;
}

/* Sets of element types, for type constraints of operators. */
typedef uint32_t fv_elem_set;
#define FV_SET(id)      ((fv_elem_set)1 << FV_##id)
#define FV_SET_FLOAT    (FV_SET(F16) | FV_SET(F32) | FV_SET(F64) | FV_SET(BF16))
#define FV_SET_SIGNED   (FV_SET(I8) | FV_SET(I16) | FV_SET(I32) | FV_SET(I64))
#define FV_SET_UNSIGNED (FV_SET(U8) | FV_SET(U16) | FV_SET(U32) | FV_SET(U64))
#define FV_SET_INT      (FV_SET_SIGNED | FV_SET_UNSIGNED)
#define FV_SET_NUMBER   (FV_SET_FLOAT | FV_SET_INT)
#define FV_SET_FLOAT8                                                                              \
    (FV_SET(F8E4M3FN) | FV_SET(F8E4M3FNUZ) | FV_SET(F8E5M2) | FV_SET(F8E5M2FNUZ) | FV_SET(F8E8M0))
enum {
    FV_PACKED_ELEMS = 0
#define ELEM(id, text, onnx, bits, kind, arith) | ((bits) < 8 ? 1 << FV_##id : 0)
#include "ir/type/type.def"
#undef ELEM
};
#define FV_SET_PACKED ((fv_elem_set)FV_PACKED_ELEMS)
/* all types that kernels can load and store: numbers, bool and the storage types; no strings or
 * complex numbers */
#define FV_SET_DATA (FV_SET_NUMBER | FV_SET(BOOL) | FV_SET_FLOAT8 | FV_SET_PACKED)
/* types whose values an op may move without interpreting them; strings are moved as references to
 * their text (ops/text/text.h) */
#define FV_SET_MOVED (FV_SET_DATA | FV_SET(STRING))
#define FV_SET_ANY   (FV_SET_DATA | FV_SET(STRING) | FV_SET(C64) | FV_SET(C128))

/* A set as text: "float, i32, i64", named sets first, then the remaining types. */
const char *fv_elem_set_str(fv_arena *a, fv_elem_set set);

typedef enum { FV_TENSOR, FV_SEQUENCE, FV_OPTIONAL, FV_MAP } fv_type_kind;

/* Sets of kinds of types, for type constraints. */
typedef uint32_t fv_kind_set;
#define FV_KIND(k)  ((fv_kind_set)1 << FV_##k)
#define FV_KIND_ANY (FV_KIND(TENSOR) | FV_KIND(SEQUENCE) | FV_KIND(OPTIONAL))

/* Special ranks of the tensors in a sequence or optional: */
enum {
    FV_ANY_RANK = -1, /* the elements may differ in rank */
    FV_NO_RANK = -2   /* the sequence has no elements yet */
};

typedef struct fv_type {
    fv_type_kind kind;
    fv_elem elem; /* the element type of a tensor, or that of the keys of a map */
    int rank;     /* the rank of a tensor */
    /* the dims of a tensor; in a sequence or optional an entry may be NULL, which means that
     * elements may differ along that axis */
    const fv_dim *const *dims;
    /* for a sequence, optional or map: the type of its elements; the values of a map have rank 0 */
    const struct fv_type *of;
} fv_type;

const fv_type *fv_tensor_type(fv_arena *a, fv_elem e, int rank, const fv_dim *const *dims);
const fv_type *fv_wrap_type(fv_arena *a, fv_type_kind kind, const fv_type *of);
const fv_type *fv_map_type(fv_arena *a, fv_elem key, const fv_type *of);
/* May a value of that kind hold values of type `of`? Operators take sequences of tensors or maps,
 * optionals of a tensor or a sequence of tensors, and maps from integers or strings to tensors of
 * rank 0; ONNX allows more. The second function is for maps with keys of type `key`. */
bool fv_type_may_hold(fv_type_kind kind, const fv_type *of) FV_MUST_USE;
bool fv_type_may_be_map(fv_elem key, const fv_type *of) FV_MUST_USE;
/* Is t a map or a sequence of maps? */
bool fv_type_has_maps(const fv_type *t) FV_MUST_USE;
bool fv_type_equal(const fv_type *a, const fv_type *b) FV_MUST_USE;
/* The tensor type in t: t itself, or the type of the tensors that a sequence, optional or map
 * contains at any depth. */
const fv_type *fv_type_tensor(const fv_type *t);
/* The most specific type of sequences (or optionals) that includes both types; NULL: there is
 * none. */
const fv_type *fv_type_join(fv_arena *a, const fv_type *x, const fv_type *y);
/* Text of a type: "f32[batch, seq, 768]", "seq(f32[_, 8])" if an axis differs between elements,
 * "seq(f32[*])" if ranks do, "seq(f32)" without elements, "optional(i64[])". */
const char *fv_type_str(fv_arena *a, const fv_type *t);

/* ---- checked arithmetic: false if the result does not fit ---- */
bool fv_mul_size(size_t a, size_t b, size_t *out) FV_MUST_USE;
bool fv_add_size(size_t a, size_t b, size_t *out) FV_MUST_USE;
/* The bytes of n elements in an ONNX tensor; packed types are rounded up to a whole byte. */
bool fv_elem_bytes(fv_elem e, size_t n, size_t *out) FV_MUST_USE;

#endif
