/* type.h - element types, and the types of values.
 *
 * Types are immutable and live in their module's arena. A tensor's rank is always known; its dims
 * are symbolic expressions. Of tensors in a sequence or optional less may be known. */
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

const char *fv_elem_name(fv_elem e); /* "f32" */
bool fv_elem_parse(const char *text, size_t n, fv_elem *out) FV_MUST_USE;
int fv_elem_bits(fv_elem e); /* in memory: 4 for i4 */
/* of any width, storage-only ones too */
bool fv_elem_is_float(fv_elem e) FV_MUST_USE;
bool fv_elem_is_int(fv_elem e) FV_MUST_USE;    /* signed or unsigned; bool is not */
bool fv_elem_is_signed(fv_elem e) FV_MUST_USE; /* signed integer */
/* The least and the largest value of an integer of at most 32 bits, or of a bool; false: of another
 * type. */
bool fv_elem_range(fv_elem e, int64_t *lo, int64_t *hi) FV_MUST_USE;
/* The type that arithmetic on `e` is done in: f32 for the narrow floats, i8/u8 for packed. */
fv_elem fv_elem_arith(fv_elem e);
static inline bool fv_elem_is_packed(fv_elem e) {
    return fv_elem_bits(e) < 8;
}

/* Sets of element types, for constraints. */
typedef uint32_t fv_elem_set;
#define FV_SET(id)      ((fv_elem_set)1 << FV_##id)
#define FV_SET_FLOAT    (FV_SET(F16) | FV_SET(F32) | FV_SET(F64) | FV_SET(BF16))
#define FV_SET_SIGNED   (FV_SET(I8) | FV_SET(I16) | FV_SET(I32) | FV_SET(I64))
#define FV_SET_UNSIGNED (FV_SET(U8) | FV_SET(U16) | FV_SET(U32) | FV_SET(U64))
#define FV_SET_INT      (FV_SET_SIGNED | FV_SET_UNSIGNED)
#define FV_SET_NUMBER   (FV_SET_FLOAT | FV_SET_INT)
#define FV_SET_FLOAT8                                                                              \
    (FV_SET(F8E4M3FN) | FV_SET(F8E4M3FNUZ) | FV_SET(F8E5M2) | FV_SET(F8E5M2FNUZ) | FV_SET(F8E8M0))
#define FV_SET_PACKED (FV_SET(U4) | FV_SET(I4) | FV_SET(F4E2M1) | FV_SET(U2) | FV_SET(I2))
/* all that kernels move: numbers, bool and the storage types, not strings nor complex */
#define FV_SET_DATA (FV_SET_NUMBER | FV_SET(BOOL) | FV_SET_FLOAT8 | FV_SET_PACKED)
/* what is moved as it is, whatever it means: of strings, their places (ops/text/text.h) */
#define FV_SET_MOVED (FV_SET_DATA | FV_SET(STRING))
#define FV_SET_ANY   (FV_SET_DATA | FV_SET(STRING) | FV_SET(C64) | FV_SET(C128))

/* "float, i32, i64": named sets first, then what is left. */
const char *fv_elem_set_str(fv_arena *a, fv_elem_set set);

typedef enum { FV_TENSOR, FV_SEQUENCE, FV_OPTIONAL, FV_MAP } fv_type_kind;

/* Sets of kinds, for constraints. */
typedef uint32_t fv_kind_set;
#define FV_KIND(k)  ((fv_kind_set)1 << FV_##k)
#define FV_KIND_ANY (FV_KIND(TENSOR) | FV_KIND(SEQUENCE) | FV_KIND(OPTIONAL))

/* Ranks of what a sequence or optional holds, besides numbers: */
enum {
    FV_ANY_RANK = -1, /* elements may differ in rank */
    FV_NO_RANK = -2   /* there are no elements so far */
};

typedef struct fv_type {
    fv_type_kind kind;
    fv_elem elem; /* of a tensor; of the keys of a map */
    int rank;     /* of a tensor */
    /* rank of them; NULL, in a sequence or optional: elements may differ */
    const fv_dim *const *dims;
    const struct fv_type *of; /* of sequence, optional, map: its values are of rank 0 */
} fv_type;

const fv_type *fv_tensor_type(fv_arena *a, fv_elem e, int rank, const fv_dim *const *dims);
const fv_type *fv_wrap_type(fv_arena *a, fv_type_kind kind, const fv_type *of);
const fv_type *fv_map_type(fv_arena *a, fv_elem key, const fv_type *of);
/* A sequence holds tensors or maps, an optional a tensor or a sequence of them, a map from integers
 * or strings tensors of one element: what operators take of what ONNX allows. */
bool fv_type_may_hold(fv_type_kind kind, const fv_type *of) FV_MUST_USE;
bool fv_type_may_be_map(fv_elem key, const fv_type *of) FV_MUST_USE;
/* Is it a map, or a sequence of maps? */
bool fv_type_has_maps(const fv_type *t) FV_MUST_USE;
bool fv_type_equal(const fv_type *a, const fv_type *b) FV_MUST_USE;
/* The tensors that a value is made of: the type itself, or what a sequence, optional or map holds,
 * at any depth. */
const fv_type *fv_type_tensor(const fv_type *t);
/* The type of sequences, or of optionals, that are either; NULL: there is none. */
const fv_type *fv_type_join(fv_arena *a, const fv_type *x, const fv_type *y);
/* "f32[batch, seq, 768]", "seq(f32[_, 8])" where an axis differs, "seq(f32[*])" where ranks do,
 * "seq(f32)" without elements, "optional(i64[])" */
const char *fv_type_str(fv_arena *a, const fv_type *t);

/* ---- sizes, checked: false where the result does not fit ---- */
bool fv_mul_size(size_t a, size_t b, size_t *out) FV_MUST_USE;
bool fv_add_size(size_t a, size_t b, size_t *out) FV_MUST_USE;
/* bytes that `n` elements take in an ONNX tensor (packed types: rounded up to a byte) */
bool fv_elem_bytes(fv_elem e, size_t n, size_t *out) FV_MUST_USE;

#endif
