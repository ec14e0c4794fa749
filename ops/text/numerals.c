/* numerals.c - Cast between numbers and strings. Numbers are converted to f64 or 64-bit integers
 * first, which is exact; the number of printed digits, and the rounding of decimals, are those of
 * their own type. The kernels are in numerals.fvk. */
#include "ops/text/numerals.h"

#include <assert.h>

#include "ir/definition/custom.h"
#include "ir/definition/definition.h"
#include "ir/graph/infer.h"
#include "ir/type/float_bits.h"
#include "ops/attention/attend.h"
#include "ops/common/assemble.h"
#include "ops/text/text.h"

extern const char *const fv_numeral_kernels; /* numerals.fvk */

enum { FLOAT_BYTES = 24, INTEGER_BYTES = 20, PARTS = 6 };

/* ---- powers of ten ---- */

enum { LIMBS = 28 }; /* of 32 bits each: 2^895 / 5^292 has 217 bits */

static void multiply(uint32_t *x, uint32_t by) {
    uint64_t carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        carry += (uint64_t)x[i] * by;
        x[i] = (uint32_t)carry;
        carry >>= 32;
    }
    assert(!carry);
}

static void divide(uint32_t *x, uint32_t by) {
    uint64_t rest = 0;
    for (int i = LIMBS; i-- > 0;) {
        rest = rest << 32 | x[i];
        x[i] = (uint32_t)(rest / by);
        rest %= by;
    }
}

static int bit(const uint32_t *x, int i) {
    return i >= 0 && (x[i / 32] >> (i % 32) & 1);
}

/* The highest 128 bits of x as a number; plus 1, unless x is exact and all lower bits are 0. */
static void highest_bits(const uint32_t *x, bool is_exact, uint64_t *out) {
    int top = 32 * LIMBS - 1;
    while (!bit(x, top))
        top--;
    out[0] = out[1] = 0;
    for (int i = 0; i < 128; i++)
        out[i / 64] = out[i / 64] << 1 | (uint64_t)bit(x, top - i);
    for (int i = 0; i <= top - 128; i++)
        is_exact &= !bit(x, i);
    out[1] += !is_exact;
    out[0] += !is_exact && !out[1];
}

/* 10^k has the same leading bits as 5^k, and 10^-k those of a large power of two divided by 5^k. */
void fv_powers_of_ten(uint64_t powers[FV_POWERS][2]) {
    uint32_t x[LIMBS] = {1}, y[LIMBS] = {[LIMBS - 1] = UINT32_C(1) << 31};
    for (int k = 0; k <= FV_MOST_POWER; k++, multiply(x, 5))
        highest_bits(x, true, powers[k - FV_LEAST_POWER]);
    for (int k = -1; k >= FV_LEAST_POWER; k--) {
        divide(y, 5);
        highest_bits(y, false, powers[k - FV_LEAST_POWER]);
    }
}

static fv_value *powers_of_ten(fv_rewriter *w) {
    uint64_t powers[FV_POWERS][2];
    fv_tensor *t = fv_tensor_new(w->module->arena, FV_U64, 2, (int64_t[]){FV_POWERS, 2});
    fv_powers_of_ten(powers);
    for (size_t i = 0; i < t->count; i++)
        fv_tensor_set_int(t, i, (int64_t)powers[i / 2][i % 2]);
    return fv_const_new(w->module, "powers", t);
}

/* ---- numbers to strings ---- */

/* The number of fraction bits of a float type, including the implicit one, and the exponent of the
 * lowest. For f8e8m0 those of f32, since the standard rounds to it from f32. */
static fv_value *form_of(fv_rewriter *w, fv_elem e) {
    int bits, least;
    fv_float_fraction(e == FV_F8E8M0 ? FV_F32 : e, &bits, &least);
    return fv_const_ints(w->module, "form", 2, (int64_t[]){bits, least});
}

static fv_value *flag(fv_rewriter *w, const char *stem, bool v) {
    fv_tensor *t = fv_tensor_new(w->module->arena, FV_BOOL, 1, (int64_t[]){1});
    fv_tensor_set_int(t, 0, v);
    return fv_const_new(w->module, stem, t);
}

static void numbers_to_strings(fv_rewriter *w, fv_op *op) {
    const fv_type *t = fv_in_type(op, 0);
    bool is_float = fv_elem_is_float(t->elem);
    fv_value *x = fv_w_flat(w, fv_w_cast(w, op->in[0], is_float ? FV_F64 : FV_I64));
    fv_op *made =
        is_float ? fv_w_op_n(w, FV_OP_fv_FloatText, 3,
                             (fv_value *[]){x, form_of(w, t->elem), powers_of_ten(w)}, 0, NULL, 2)
                 : fv_w_op_n(w, FV_OP_fv_IntegerText, 2,
                             (fv_value *[]){x, flag(w, "signed", t->elem != FV_U64)}, 0, NULL, 2);
    if (made)
        fv_w_result(w, 0,
                    fv_w_strings(w, (fv_strings){fv_w_flat(w, made->out[0]),
                                                 fv_w_reshape(w, made->out[1], t->rank, t->dims)}));
}

/* ---- strings to numbers ---- */

/* White space may surround a numeral; digits on one side of the point are enough. */
static const char numeral[] = "[\t-\r ]*[+-]?(([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
                              "|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])[\t-\r ]*";

static void limits_of(fv_elem e, uint64_t *below, uint64_t *above) {
    int bits = fv_elem_bits(e);
    bool is_signed = fv_elem_is_signed(e);
    *above = UINT64_MAX >> (64 - bits + is_signed);
    *below = is_signed ? *above + 1 : 0;
}

static fv_op *integers(fv_rewriter *w, fv_value *text, fv_op *parts, fv_elem e) {
    uint64_t below, above;
    limits_of(e, &below, &above);
    fv_tensor *limits = fv_tensor_new(w->module->arena, FV_U64, 1, (int64_t[]){2});
    fv_tensor_set_int(limits, 0, (int64_t)below);
    fv_tensor_set_int(limits, 1, (int64_t)above);
    fv_value *in[] = {text, parts->out[0], parts->out[1],
                      fv_const_new(w->module, "limits", limits)};
    return fv_w_op_n(w, FV_OP_fv_NumeralIntegers, 4, in, 0, NULL, 2);
}

/* Converts to the result type of the Cast, with its attributes. */
static fv_value *narrowed(fv_rewriter *w, fv_op *op, fv_value *x) {
    return x && x->type->elem != op->out[0]->type->elem
               ? fv_w_op(w, FV_OP_Cast, 1, &x, op->nattrs, op->attrs)
               : x;
}

/* The flags of invalid strings have the name that the run reports if one is set. */
static bool strings_to_numbers(fv_rewriter *w, fv_op *op) {
    const fv_type *t = op->out[0]->type;
    bool is_int = fv_elem_is_int(t->elem);
    fv_strings s;
    fv_value *tables[3];
    if (!fv_strings_of(op, op->in[0], &s) ||
        !fv_w_automaton(w, (fv_string){numeral, sizeof numeral - 1}, tables))
        return false;
    fv_value *in[] = {s.text, fv_w_flat(w, s.spans), tables[0], tables[1], tables[2]};
    fv_op *parts = fv_w_op_n(w, FV_OP_fv_Numerals, 5, in, 0, NULL, 2);
    fv_op *whole = parts && is_int ? integers(w, s.text, parts, t->elem) : NULL;
    if (!parts || (is_int && !whole))
        return false;
    fv_value *form = is_int ? NULL : form_of(w, t->elem == FV_BOOL ? FV_F64 : t->elem);
    fv_value *y =
        is_int ? whole->out[0] : FV_W3(w, FV_OP_fv_NumeralFloats, s.text, parts->out[0], form);
    fv_value *good = is_int ? whole->out[1] : parts->out[1];
    fv_value_rename(w->module, good,
                    fv_printf(w->module->arena, "%s.is_%s", op->in[0]->name,
                              is_int ? fv_elem_name(t->elem) : "number"));
    y = y ? fv_w_reshape(w, y, t->rank, t->dims) : NULL;
    fv_w_result(
        w, 0,
        narrowed(w, op, FV_W2(w, FV_OP_fv_Checked, y, fv_w_reshape(w, good, t->rank, t->dims))));
    return true;
}

bool fv_cast_strings(fv_rewriter *w, fv_op *op) {
    bool from = fv_type_is_strings(fv_in_type(op, 0)), to = fv_type_is_strings(op->out[0]->type);
    if (from && !to)
        return strings_to_numbers(w, op);
    if (from)
        fv_w_result(w, 0, op->in[0]);
    else
        numbers_to_strings(w, op);
    return true;
}

/* ---- entries ---- */

static bool texts(fv_op *op, int64_t bytes) {
    const fv_dim *n = fv_in_type(op, 0)->dims[0];
    fv_infer_out(op, 0, FV_U8, 2,
                 (const fv_dim *[]){n, fv_dim_const(fv_op_module(op)->dims, bytes)});
    fv_infer_out(op, 1, FV_I64, 1, &n);
    return true;
}

static bool is_size(fv_op *op, int in, int axis, int64_t size, const char *why) {
    return fv_same_dim(op, fv_in_type(op, in)->dims[axis],
                       fv_dim_const(fv_op_module(op)->dims, size), why);
}

static bool infer_integer_text(fv_op *op) {
    return is_size(op, 1, 0, 1, "one flag") && texts(op, INTEGER_BYTES);
}

static bool infer_float_text(fv_op *op) {
    return is_size(op, 1, 0, 2, "bits and exponent of a form") &&
           is_size(op, 2, 0, FV_POWERS, "powers of ten") &&
           is_size(op, 2, 1, 2, "halves of a power") && texts(op, FLOAT_BYTES);
}

static bool infer_numerals(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *n = fv_in_type(op, 1)->dims[0];
    fv_infer_out(op, 0, FV_I64, 2, (const fv_dim *[]){n, fv_dim_const(t, PARTS)});
    fv_infer_out(op, 1, FV_BOOL, 1, &n);
    return is_size(op, 2, 0, 256, "a class for each byte") &&
           fv_same_dim(op, fv_in_type(op, 3)->dims[0], fv_in_type(op, 4)->dims[0],
                       "states of an automaton");
}

static bool infer_integers(fv_op *op) {
    const fv_dim *n = fv_in_type(op, 1)->dims[0];
    fv_infer_out(op, 0, FV_I64, 1, &n);
    fv_infer_out(op, 1, FV_BOOL, 1, &n);
    return is_size(op, 1, 1, PARTS, "parts of a numeral") &&
           fv_same_dim(op, fv_in_type(op, 2)->dims[0], n, "a flag for each numeral") &&
           is_size(op, 3, 0, 2, "limits below 0 and above");
}

static bool infer_floats(fv_op *op) {
    fv_infer_out(op, 0, FV_F64, 1, fv_in_type(op, 1)->dims);
    return is_size(op, 1, 1, PARTS, "parts of a numeral") &&
           is_size(op, 2, 0, 2, "bits and exponent of a form");
}

/* Calls a kernel whose parameters are the operands and then the results. */
static bool kernel_of(fv_custom *c, fv_op *op, const char *name) {
    fv_value *all[8];
    int n = 0;
    for (int i = 0; i < op->nin; i++)
        all[n++] = op->in[i];
    for (int i = 0; i < op->nout; i++)
        all[n++] = op->out[i];
    fv_custom_text(c, fv_numeral_kernels, name, n, all);
    return true;
}

static bool kernel_integer_text(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "integer_text");
}
static bool kernel_float_text(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "float_text");
}
static bool kernel_numerals(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "numerals");
}
static bool kernel_integers(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "numeral_integers");
}
static bool kernel_floats(fv_custom *c, fv_op *op) {
    return kernel_of(c, op, "numeral_floats");
}

static bool infer_checked(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *good = fv_in_type(op, 1);
    for (int i = 0; i < x->rank; i++)
        if (!fv_same_dim(op, good->dims[i], x->dims[i], "a flag for each element"))
            return false;
    fv_infer_out(op, 0, x->elem, x->rank, x->dims);
    return true;
}

static bool define_checked(fv_definer *d, fv_op *op) {
    (void)op;
    fv_definition *def = fv_definition_new(d, 0);
    fv_expr *x = fv_d_elementwise(d, 0, def),
            *good = fv_x_un(d->arena, FV_X_REQUIRE, fv_d_elementwise(d, 1, def));
    def->body = fv_x_select(d->arena, good, x, fv_x_zero(d->arena, (fv_elem)x->type.elem));
    return true;
}

#define OURS          .domain = "fv", .since = {1}
#define VECTOR(nm, t) {nm, t, .rank = FV_RANK(1)}
#define MATRIX(nm, t) {nm, t, .rank = FV_RANK(2)}
#define BYTES         {"T", FV_SET(U8)}
#define INTEGERS      {"I", FV_SET(I64)}
#define FLAGS         {"B", FV_SET(BOOL)}
#define WORDS         {"U", FV_SET(U64)}
#define FLOATS        {"F", FV_SET(F64)}

const fv_opdef fv_ops_numerals[] = {
    {OURS, .name = "IntegerText", .id = FV_OP_fv_IntegerText,
     .doc = "integers as decimals, in 20 bytes each, and their places; unsigned integers are u64",
     .in = {VECTOR("X", "I"), VECTOR("signed", "B")}, .out = {{"text", "T"}, {"spans", "I"}},
     .types = {BYTES, INTEGERS, FLAGS}, .infer = infer_integer_text, .kernel = kernel_integer_text},
    {OURS, .name = "FloatText", .id = FV_OP_fv_FloatText,
     .doc = "floats as the shortest decimals that read back as the same float of their form (its "
            "number of bits, and the exponent of the lowest), in 24 bytes each, and their places; "
            "with powers of ten",
     .in = {VECTOR("X", "F"), VECTOR("form", "I"), MATRIX("powers", "U")},
     .out = {{"text", "T"}, {"spans", "I"}}, .types = {BYTES, INTEGERS, FLOATS, WORDS},
     .infer = infer_float_text, .kernel = kernel_float_text},
    {OURS, .name = "Numerals", .id = FV_OP_fv_Numerals,
     .doc = "kind, sign, digits, point and exponent of each string that an automaton accepts as a "
            "number, and whether it accepts it",
     .in = {VECTOR("text", "T"), VECTOR("spans", "I"), VECTOR("classes", "T"), MATRIX("next", "N"),
            VECTOR("accepts", "B")},
     .out = {{"parts", "I"}, {"good", "B"}}, .types = {BYTES, INTEGERS, {"N", FV_SET(I32)}, FLAGS},
     .infer = infer_numerals, .kernel = kernel_numerals},
    {OURS, .name = "NumeralIntegers", .id = FV_OP_fv_NumeralIntegers,
     .doc = "numerals without their fraction, and whether they are no larger than "
            "a limit below 0 and one above",
     .in = {VECTOR("text", "T"), MATRIX("parts", "I"), VECTOR("good", "B"), VECTOR("limits", "U")},
     .out = {{"Y", "I"}, {"fits", "B"}}, .types = {BYTES, INTEGERS, FLAGS, WORDS},
     .infer = infer_integers, .kernel = kernel_integers},
    {OURS, .name = "NumeralFloats", .id = FV_OP_fv_NumeralFloats,
     .doc =
         "numerals, rounded once to floats of a form: its bits and the exponent of its lowest one",
     .in = {VECTOR("text", "T"), MATRIX("parts", "I"), VECTOR("form", "I")}, .out = {{"Y", "F"}},
     .types = {BYTES, INTEGERS, FLOATS}, .infer = infer_floats, .kernel = kernel_floats},
    {OURS, .name = "Checked", .id = FV_OP_fv_Checked,
     .doc = "X; a run in which not all flags hold returns FV_BAD_INDEX",
     .in = {{"X", "N"}, {"good", "B", .rank = FV_RANK_AS("X")}}, .out = {{"Y", "N"}},
     .types = {{"N", FV_SET_DATA}, FLAGS}, .infer = infer_checked, .define = define_checked},

    {0}};
