/* cast.c - operators that convert between element types. */

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ir/type/float_bits.h"
#include "ops/text/numerals.h"

static bool string_is(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

/* ---- Cast ---- */

static bool infer_to(fv_op *op, fv_elem_set set) {
    const fv_type *x = fv_in_type(op, 0);
    int64_t to = fv_op_int(op, "to");
    if (to <= FV_NO_ELEM || to >= FV_ELEM_END)
        return fv_op_error(op, "attribute 'to' is %lld, which is no element type", (long long)to);
    if (!(set >> to & 1))
        return fv_op_error(op, "operator not in the catalogue for a result of type %s",
                           fv_elem_name((fv_elem)to));
    fv_infer_out(op, 0, (fv_elem)to, x->rank, x->dims);
    return true;
}

static bool check_round_mode(fv_op *op) {
    fv_string mode = fv_op_string(op, "round_mode");
    return string_is(mode, "up") || string_is(mode, "down") || string_is(mode, "nearest") ||
           fv_op_error(op, "round_mode is '%.*s', expected up, down or nearest", (int)mode.n,
                       mode.s);
}

static bool infer_cast(fv_op *op) {
    return check_round_mode(op) && infer_to(op, FV_SET_MOVED);
}

static fv_expr *u32(fv_arena *a, uint32_t v) {
    return fv_x_const_int(a, FV_U32, v);
}

/* Whether any of the bits in the mask is set. */
static fv_expr *any_bit(fv_arena *a, fv_expr *bits, uint32_t mask) {
    return fv_x_bin(a, FV_X_NE, fv_x_bin(a, FV_X_AND, bits, u32(a, mask)), u32(a, 0));
}

/* Converts to a power of two, given by the exponent of the f32; sign and fraction are dropped after
 * rounding. Inf and NaN become NaN (0xff). Rounding to nearest rounds halves up, unless the
 * exponent is 0, as the standard requires. */
static fv_expr *to_e8m0(fv_arena *a, fv_expr *x, fv_string mode, bool saturate) {
    fv_expr *bits = fv_x_cast(a, FV_X_BITCAST, FV_U32, fv_x_convert(a, FV_F32, x));
    fv_expr *e = fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_SHR, bits, u32(a, 23)), u32(a, 0xff));
    fv_expr *up = fv_x_const_int(a, FV_BOOL, 0);
    if (string_is(mode, "up"))
        up = any_bit(a, bits, 0x7fffff);
    else if (string_is(mode, "nearest"))
        up = fv_x_bin(
            a, FV_X_AND, any_bit(a, bits, 0x400000),
            fv_x_bin(a, FV_X_OR, any_bit(a, bits, 0x3fffff), fv_x_bin(a, FV_X_NE, e, u32(a, 0))));
    fv_expr *r = fv_x_bin(a, FV_X_ADD, e, fv_x_convert(a, FV_U32, up));
    if (saturate)
        r = fv_x_bin(a, FV_X_MIN, r, u32(a, 0xfe));
    r = fv_x_select(a, fv_x_bin(a, FV_X_EQ, e, u32(a, 0xff)), e, r);
    return fv_x_cast(a, FV_X_BITCAST, FV_F8E8M0, fv_x_convert(a, FV_U8, r));
}

static fv_expr *to_narrow_float(fv_arena *a, fv_expr *x, fv_elem to, const fv_op *op) {
    bool saturate = fv_op_int(op, "saturate") != 0;
    if (!fv_elem_is_float((fv_elem)x->type.elem))
        x = fv_x_convert(a, FV_F32, x);
    if (to == FV_F8E8M0)
        return to_e8m0(a, x, fv_op_string(op, "round_mode"), saturate);
    bool wide = to == FV_F16 || to == FV_BF16; /* overflow gives inf */
    bool clips = fv_float_is_finite(to) || (!wide && saturate);
    return fv_x_cast(a, clips ? FV_X_CONVSAT : FV_X_CONVERT, to, x);
}

/* Conversions to integers of 4 and 2 bits wrap, also those from floats. */
static fv_expr *to_other(fv_arena *a, fv_expr *x, fv_elem to) {
    if (fv_elem_is_packed(to) && fv_elem_is_float((fv_elem)x->type.elem))
        x = fv_x_convert(a, FV_I32, x);
    return fv_x_convert(a, fv_elem_arith(to), x);
}

static bool define_cast(fv_definer *d, fv_op *op) {
    fv_definition *def = fv_definition_new(d, 0);
    fv_elem to = op->out[0]->type->elem;
    fv_expr *x = fv_d_elementwise(d, 0, def);
    if (to == fv_in_type(op, 0)->elem)
        def->body = x;
    else if (fv_elem_is_storage(to) && fv_elem_is_float(to))
        def->body = to_narrow_float(d->arena, x, to, op);
    else
        def->body = to_other(d->arena, x, to);
    return true;
}

/* Before opset 6 the attribute with the type was a string. */
static bool upgrade_cast(fv_op *op, int version) {
    static const struct {
        const char *name;
        fv_elem elem;
    } types[] = {{"FLOAT", FV_F32},   {"UINT8", FV_U8},      {"INT8", FV_I8},
                 {"UINT16", FV_U16},  {"INT16", FV_I16},     {"INT32", FV_I32},
                 {"INT64", FV_I64},   {"STRING", FV_STRING}, {"BOOL", FV_BOOL},
                 {"FLOAT16", FV_F16}, {"DOUBLE", FV_F64},    {"UINT32", FV_U32},
                 {"UINT64", FV_U64},  {"COMPLEX64", FV_C64}, {"COMPLEX128", FV_C128}};
    if (version > 1)
        return true;
    fv_string to = fv_op_string_of(op, "to", version);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (string_is(to, types[i].name)) {
            fv_op_set_int(op, "to", types[i].elem);
            return true;
        }
    return fv_op_error(op, "attribute 'to' is '%.*s', which is no element type", (int)to.n, to.s);
}

/* ---- CastLike ---- */

static bool infer_cast_like(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, fv_in_type(op, 1)->elem, x->rank, x->dims);
    return check_round_mode(op);
}

static bool decompose_cast_like(fv_rewriter *w, fv_op *op) {
    fv_attr a[3] = {fv_attr_int(w->module, "to", fv_in_type(op, 1)->elem)};
    int n = 1;
    const fv_attr *mode = fv_op_find_attr(op, "round_mode");
    const fv_attr *saturate = fv_op_find_attr(op, "saturate");
    if (mode)
        a[n++] = *mode;
    if (saturate)
        a[n++] = *saturate;
    fv_w_result(w, 0, fv_w_op(w, FV_OP_Cast, 1, op->in, n, a));
    return true;
}

/* ---- BitCast ---- */

static bool infer_bit_cast(fv_op *op) {
    if (!infer_to(op, FV_SET_DATA))
        return false;
    fv_elem from = fv_in_type(op, 0)->elem, to = op->out[0]->type->elem;
    if (fv_elem_bits(from) != fv_elem_bits(to))
        return fv_op_error(op, "%s has %d bits, %s has %d", fv_elem_name(from), fv_elem_bits(from),
                           fv_elem_name(to), fv_elem_bits(to));
    return true;
}

/* Converts by means of the unsigned integer of the same width, which has the bits of a storage
 * type. */
static bool define_bit_cast(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < def->rank; i++)
        index[i] = fv_x_var(a, def->index[i]);
    fv_expr *x = fv_d_load_stored(d, 0, index, NULL);
    fv_elem to = op->out[0]->type->elem, bits = fv_elem_bits_elem(to);
    x = x->type.elem == FV_BOOL ? fv_x_convert(a, FV_U8, x) : fv_x_cast(a, FV_X_BITCAST, bits, x);
    def->body = to == FV_BOOL ? fv_x_convert(a, to, x) : fv_x_cast(a, FV_X_BITCAST, to, x);
    return true;
}

const fv_opdef fv_ops_cast[] = {
    {.domain = "",
     .name = "Cast",
     .id = FV_OP_Cast,
     .since = {1, 6, 9, 13, 19, 21, 23, 24, 25},
     .doc = "to another element type. To strings: integers and bools (0, 1) as decimals, floats as "
            "the shortest decimal that reads back as the same float of that type (`100.0`, "
            "`1e-05`, `INF`, `NaN`), from 1e-4 to below 1e16 without an exponent. From strings: "
            "decimals and these words in upper or lower case, with white space around them, "
            "rounded once to floats, truncated to integers; if one is not a number, or out of "
            "range of an integer type, the run ends with FV_BAD_INDEX",
     .in = {{"input", "T1"}},
     .out = {{"output", "T2"}},
     .attrs = {FV_A_STRING("round_mode", "up"), FV_A_INT("saturate", 1), FV_A_REQUIRED("to", INT),
               FV_A_REQUIRED_UNTIL(1, "to", STRING)},
     .types = {{"T1", FV_SET_MOVED}, {"T2", FV_SET_MOVED}},
     .infer = infer_cast,
     .define = define_cast,
     .strings = fv_cast_strings,
     .upgrade = upgrade_cast},
    {.domain = "",
     .name = "CastLike",
     .id = FV_OP_CastLike,
     .since = {15, 19, 21, 23, 24, 25},
     .doc = "to the element type of another tensor, as Cast",
     .in = {{"input", "T1"}, {"target_type", "T2"}},
     .out = {{"output", "T2"}},
     .attrs = {FV_A_STRING("round_mode", "up"), FV_A_INT("saturate", 1)},
     .types = {{"T1", FV_SET_MOVED}, {"T2", FV_SET_MOVED}},
     .infer = infer_cast_like,
     .decompose = decompose_cast_like,
     .strings = decompose_cast_like},
    {.domain = "",
     .name = "BitCast",
     .id = FV_OP_BitCast,
     .since = {26},
     .doc = "the same bits as another element type of that width",
     .in = {{"input", "T1"}},
     .out = {{"output", "T2"}},
     .attrs = {FV_A_REQUIRED("to", INT)},
     .types = {{"T1", FV_SET_DATA}, {"T2", FV_SET_DATA}},
     .infer = infer_bit_cast,
     .define = define_bit_cast},

    {0}};
