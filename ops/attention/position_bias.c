/* position_bias.c - biases for scores of attention that depend on the distance between query and
 * key. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/attention/tokens.h"

/* ---- RelativePositionBias ---- */

static bool infer_bias_of(fv_op *op, const fv_dim *length) {
    int64_t most = fv_op_int(op, "max_distance");
    const fv_dim *dims[4] = {fv_dim_const(fv_op_module(op)->dims, 1), fv_in_type(op, 0)->dims[1],
                             length, length};
    if (most < 1 || most > INT32_MAX)
        return fv_op_error(op, "max_distance is %lld, expected at least 1", (long long)most);
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, 4, dims);
    return true;
}

static bool infer_relative(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_dim *const *length[2], *zero = fv_dim_const(m->dims, 0);
    int n;
    for (int i = 0; i < 2; i++)
        if (!fv_int_operand(op, i + 1, &n, &length[i]))
            return false;
    if (!fv_same_dim(op, length[0][0], length[1][0], "query_length and key_length") ||
        !fv_module_require(m, fv_dim_max(m->dims, length[0][0], zero), length[0][0], "query_length",
                           fv_printf(m->arena, "0 <= %s", fv_dim_str(m->arena, length[0][0]))))
        return fv_op_error(op, "query_length is %s, key_length %s",
                           fv_dim_str(m->arena, length[0][0]), fv_dim_str(m->arena, length[1][0]));
    return infer_bias_of(op, length[0][0]);
}

static bool infer_position_bias(fv_op *op) {
    const fv_attr *length = fv_op_find_attr(op, "length");
    if (length->n != 1)
        return fv_op_error(op, "has %d lengths, expected 1", length->n);
    return infer_bias_of(op, length->u.dims[0]);
}

/* ---- GatedRelativePositionBias ---- */

enum { QUERY, QUERY_BIAS, POSITIONS, WEIGHT, GATE_BIAS, ECO_A, OFFSETS };

/* batch, number of heads, length, size of a head, size of a gate */
typedef struct gates {
    const fv_dim *batch, *heads, *length, *size, *gate;
} gates;

static bool read_gates(fv_op *op, gates *g) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *q = fv_in_type(op, QUERY), *weight = fv_in_type(op, WEIGHT),
                  *places = fv_in_type(op, OFFSETS);
    int64_t heads = fv_op_int(op, "num_heads");
    const fv_dim *two = fv_dim_const(t, 2), *hidden = q->dims[q->rank - 1];
    if (heads < 1 || heads > INT32_MAX)
        return fv_op_error(op, "num_heads is %lld", (long long)heads);
    if ((q->rank == 2) != (places != NULL))
        return fv_op_error(op,
                           "query_layer of rank 2 comes with token_offset, and of rank 3 without");
    g->batch = places ? places->dims[0] : q->dims[0];
    g->length = places ? places->dims[1] : q->dims[1];
    g->heads = fv_dim_const(t, heads);
    g->size = fv_dim_floordiv(t, hidden, g->heads);
    g->gate = fv_dim_floordiv(t, weight->dims[1], two);
    return fv_same_dim(op, hidden, fv_dim_mul(t, g->size, g->heads),
                       "size of query_layer and its heads") &&
           fv_same_dim(op, weight->dims[0], g->size, "rows of weight and size of a head") &&
           fv_same_dim(op, weight->dims[1], fv_dim_mul(t, g->gate, two),
                       "an even number of columns of weight") &&
           fv_infer_per_channel(op, QUERY_BIAS, hidden) &&
           fv_infer_per_channel(op, GATE_BIAS, weight->dims[1]);
}

static bool infer_gated(fv_op *op) {
    gates g = {0};
    if (!read_gates(op, &g))
        return false;
    const fv_dim *one = fv_dim_const(fv_op_module(op)->dims, 1),
                 *dims[4] = {g.batch, g.heads, g.length, g.length};
    const fv_dim *a[4] = {one, g.heads, one, one}, *places[4] = {one, g.heads, g.length, g.length};
    for (int i = 0; i < 4; i++)
        if (!fv_same_dim(op, fv_in_type(op, ECO_A)->dims[i], a[i], "dims of eco_a") ||
            !fv_same_dim(op, fv_in_type(op, POSITIONS)->dims[i], places[i], "dims of rel_pos"))
            return false;
    fv_infer_out(op, 0, fv_in_type(op, QUERY)->elem, 4, dims);
    const fv_type *q = fv_in_type(op, QUERY), *offsets = fv_in_type(op, OFFSETS);
    return !offsets || fv_infer_offsets(op, q->dims[0], offsets);
}

/* Distances below `exact` have a bucket each; larger ones share buckets of increasing width up to
 * max_distance. The table is read in the order of heads, whatever its dims are. Raffel et al.:
 * Exploring the limits of transfer learning, 2020. */
#define BUCKETS                                                                                    \
    "n = select(is_bidirectional != 0, dim(T, 0) floordiv 2, dim(T, 0)); exact = n floordiv 2; "   \
    "r = select(is_bidirectional != 0, abs(j - i), max(i - j, 0)); "                               \
    "far = log(f32(r) / f32(exact)) / log(f32(max_distance) / f32(exact)) * f32(n - exact); "      \
    "near = select(r < exact, r, max(0, min(exact + i64(far), n - 1))); "                          \
    "at = h * dim(T, 0) + near + select(is_bidirectional != 0 && j > i, n, 0); "

const fv_opdef fv_ops_position_bias[] = {
    {.domain = "fv",
     .name = "PositionBias",
     .id = FV_OP_fv_PositionBias,
     .since = {1},
     .doc =
         "for each head, the element of the table for the bucket of the distance between i and j",
     .in = {{"T", "F", .rank = FV_RANK(2)}},
     .out = {{"Y", "F"}},
     .attrs = {FV_A_REQUIRED("length", DIMS), FV_A_INT("is_bidirectional", 0),
               FV_A_REQUIRED("max_distance", INT)},
     .types = {{"F", FV_SET_FLOAT}},
     .infer = infer_position_bias,
     .formula = BUCKETS "Y[z, h, i, j] = T[at floordiv dim(T, 1), at mod dim(T, 1)] else 0"},
    {.domain = "com.microsoft",
     .name = "RelativePositionBias",
     .since = {1},
     .doc = "the entry of a table for the distance of query and key, in "
            "buckets of increasing size",
     .in = {{"bias_table", "T", .rank = FV_RANK(2)},
            {"query_length", "U", .rank = FV_SCALAR},
            {"key_length", "U", .rank = FV_SCALAR}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("is_bidirectional", 0), FV_A_REQUIRED("max_distance", INT)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(I64)}},
     .infer = infer_relative,
     .body = "RelativePositionBias"},
    {.domain = "com.microsoft",
     .name = "GatedRelativePositionBias",
     .since = {1},
     .doc = "rel_pos times a factor that two gates compute from the query",
     .in = {{"query_layer", "T", .rank = FV_RANKS(2, 3)},
            {"query_bias", "T", .rank = FV_RANK(1)},
            {"rel_pos", "T", .rank = FV_RANK(4)},
            {"weight", "T", .rank = FV_RANK(2)},
            {"bias", "T", .rank = FV_RANK(1)},
            {"eco_a", "T", .rank = FV_RANK(4)},
            {"token_offset", "M", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_REQUIRED("num_heads", INT)},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET(I32)}},
     .infer = infer_gated,
     .body = "GatedRelativePositionBias"},

    {0}};
