/* quantize.h - gives weights of a graph a narrower type: int8, int4, bf16 or f16.
 *
 * A *layer* is an operator together with one operand that is a constant of floats, its weight; it
 * can be quantized if these are f32. A quantized layer consists of the standard's operators, or of
 * those of ONNX Runtime's domain com.microsoft, so that other runtimes run it:
 *
 *   cast      Cast(w) in place of the weight, for f16 and bf16
 *   dequant   DequantizeLinear(q, scales) in place of the weight
 *   qdq       that, and DequantizeLinear(QuantizeLinear(x)) in place of the other factor, with a
 *             range of x that was measured; of what x is an average, likewise with its range
 *   integer   MatMulInteger or ConvInteger of q and DynamicQuantizeLinear(x), times both scales
 *   blocks    MatMulNBits or GatherBlockQuantized, with a scale for each block of a row
 *   rows      Gather of the rows of q, times Gather of their scales
 *
 * w is about q * scale, or, with zero points, (q - zero point) * scale. Without blocks a scale and
 * a zero point belong to a channel, an index of the axis `channel` of the weight; with blocks to
 * `block` terms along the axis `along`. Filters of convolutions have no zero points: ONNX Runtime
 * takes one only for all filters in common. */
#ifndef FV_PASSES_QUANTIZE_QUANTIZE_H
#define FV_PASSES_QUANTIZE_QUANTIZE_H

#include "ir/graph/graph.h"

/* The type that a weight gets, ordered from wide to narrow. */
typedef enum {
    FV_QUANT_F32, /* the layer is left as it is */
    FV_QUANT_F16,
    FV_QUANT_BF16,
    FV_QUANT_INT8,
    FV_QUANT_INT4,
    FV_QUANT_TYPES
} fv_quant_type;

typedef enum {
    FV_QUANT_PRODUCT, /* a matrix product of an activation and a matrix: MatMul, Gemm */
    FV_QUANT_CONV,
    FV_QUANT_TABLE, /* a Gather of rows of a matrix */
    FV_QUANT_OTHER  /* another reader, such as an LSTM: only its weight is quantized */
} fv_quant_kind;

/* What happens to the activation that a layer of int8 multiplies with its weight. */
typedef enum {
    FV_QUANT_WEIGHTS, /* the activation is not quantized */
    FV_QUANT_DYNAMIC, /* it is quantized by the range that it has at run time */
    FV_QUANT_STATIC   /* it is quantized by a range that was measured before the run */
} fv_quant_input;

/* A range of numbers; where it is used, it is extended to contain 0. */
typedef struct fv_quant_range {
    float lo, hi;
} fv_quant_range;

typedef struct fv_quant_layer {
    fv_op *op;
    fv_quant_kind kind;
    int weight;     /* number of the operand that is the weight */
    int activation; /* number of the operand that it is multiplied with; -1: none */
    int channel;    /* axis of the weight whose indices are channels */
    int along;      /* axis of the weight over which terms are summed */
    bool of_branch; /* whether the op is in a branch or in the body of a loop */
    /* unique: the name of the node, or OPERATOR(RESULT) if it has none; `NODE:OPERAND` if the node
     * has several layers; equal names but the first end in #2, #3, ... */
    const char *name;
    const char *why_not; /* the reason why the layer cannot be quantized; NULL: it can */
} fv_quant_layer;

/* How a layer is quantized. */
typedef struct fv_quant_how {
    fv_quant_type type;
    int block; /* number of terms with a common scale; 0: one scale for each channel */
    fv_quant_input input;
    bool zero_points;     /* whether codes have zero points, and span the range of the weights */
    bool reduced;         /* int8 has codes of 7 bits where fv_quant_keeps_range is NULL */
    bool standard;        /* DequantizeLinear instead of operators of com.microsoft */
    fv_quant_range range; /* of the activation; for FV_QUANT_STATIC */
    /* the range of fv_quant_averaged, if that is to be rounded to codes as well */
    fv_quant_range averaged;
    bool has_averaged;
} fv_quant_how;

enum { FV_QUANT_MIN_BLOCK = 16, FV_QUANT_MAX_BLOCK = 256, FV_QUANT_BLOCK = 32 };

const char *fv_quant_type_name(fv_quant_type t); /* the name of a type, such as "int8" */
/* Sets *out to the narrower type with this name; false: there is none, also for "f32". */
bool fv_quant_type_parse(const char *name, fv_quant_type *out) FV_MUST_USE;
/* Does the type have scales? */
bool fv_quant_has_scales(fv_quant_type t) FV_MUST_USE;
extern const char *const fv_quant_type_names[]; /* names that a user may give, NULL terminated */
/* What is wrong with a size of blocks for a type, in the arena; NULL: nothing. */
const char *fv_quant_block_wrong(fv_arena *a, fv_quant_type type, int64_t block);

/* The layers of a graph as it was read, in the order of the ops; *n: their number. Weights of a few
 * elements are left out. */
fv_quant_layer *fv_quant_layers(fv_arena *a, fv_module *m, int *n);
const fv_tensor *fv_quant_weight(const fv_quant_layer *l);
/* The value of which the activation of the layer is an average, by a GlobalAveragePool or
 * AveragePool that only this layer reads, directly or through ops that change the shape; NULL:
 * there is none, or it is not computed by an op, or not f32. */
fv_value *fv_quant_averaged(const fv_quant_layer *l);
/* Is the activation of this layer quantized, too? */
bool fv_quant_takes_input(const fv_quant_layer *l, const fv_quant_how *how) FV_MUST_USE;
/* Leaves the layers that a user's text names as they are, by setting their why_not: the layer of
 * this name, all layers of this operator, or those whose names match a pattern with `*`, `?` and
 * `[...]`. NULL: there are some; else what is wrong, in the arena. */
const char *fv_quant_skip(fv_arena *a, fv_quant_layer *layers, int n, const char *text) FV_MUST_USE;
/* Why a layer of int8 keeps codes of 8 bits although `reduced` is set; NULL: they have 7. Narrower
 * codes pay only where bytes are multiplied and the products are summed in words. */
const char *fv_quant_keeps_range(const fv_quant_layer *l, const fv_quant_how *how);
/* The number of bits of an element of the weight: of a code, or of a float. */
int fv_quant_bits(const fv_quant_layer *l, const fv_quant_how *how);
/* The bytes of the weight when it is quantized so, with its scales and zero points, but without
 * elements that fill up a last block or byte. */
size_t fv_quant_bytes(const fv_quant_layer *l, const fv_quant_how *how);

/* Quantizes a layer, which leaves its op or its weight without users for `remove-dead`. False after
 * a diagnostic: the layer cannot be quantized (why_not), or the weight contains a NaN, an infinity,
 * or, for type f16, a number beyond its range. */
bool fv_quantize(const fv_quant_layer *l, const fv_quant_how *how) FV_MUST_USE;

#endif
