/* sequence.c - operators that make, change and read lists of tensors. Their expansions are in
 * sequence_parts.c. */
#include "ops/sequence/sequence.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/dims.h"
#include "ops/sequence/sequence_parts.h"

/* ---- types ---- */

const fv_type *fv_element_type(const fv_op *op, const fv_type *t) {
    const fv_dim *dims[FV_MAX_ELEMENT_RANK];
    if (t->rank > FV_MAX_ELEMENT_RANK) {
        fv_op_error(
            op,
            "takes a tensor of rank %d; an element of a sequence or optional has at most %d axes",
            t->rank, FV_MAX_ELEMENT_RANK);
        return NULL;
    }
    for (int i = 0; i < t->rank; i++)
        dims[i] = t->dims[i] && !t->dims[i]->from_data ? t->dims[i] : NULL;
    return fv_tensor_type(fv_op_module(op)->arena, t->elem, t->rank, dims);
}

static const fv_type *sequence_of(const fv_op *op, const fv_type *t) {
    const fv_type *of = fv_element_type(op, t);
    return of ? fv_wrap_type(fv_op_module(op)->arena, FV_SEQUENCE, of) : NULL;
}

static bool set_type(fv_op *op, const fv_type *t) {
    if (t && op->out[0])
        op->out[0]->type = t;
    return t != NULL;
}

/* The rank of the elements. If it is not known, the declared rank of the result minus `more`; -1
 * after a diagnostic. */
static int rank_of_elements(const fv_op *op, const fv_type *element, int more) {
    const fv_type *declared = op->out[0] ? op->out[0]->type : NULL;
    if (element->rank >= 0)
        return element->rank;
    if (element->rank == FV_NO_RANK) {
        fv_op_error(op, "takes what %s does not have: it has no elements",
                    fv_type_str(fv_op_module(op)->arena, fv_in_type(op, 0)));
        return -1;
    }
    if (declared && declared->kind == FV_TENSOR && declared->rank >= more &&
        declared->rank - more <= FV_MAX_ELEMENT_RANK)
        return declared->rank - more;
    fv_op_error(op, "the rank of the elements of %s is not known: declare the shape of '%s'",
                fv_type_str(fv_op_module(op)->arena, fv_in_type(op, 0)),
                op->out[0] ? op->out[0]->name : "its result");
    return -1;
}

/* Infers result 0 as a tensor with these dims; those that are NULL depend on data. */
static bool infer_tensor(fv_op *op, const fv_type *element, int rank, const fv_dim **dims) {
    fv_infer_run_time(op, 0, element->elem, rank, dims);
    return true;
}

static bool infer_element(fv_op *op, const fv_type *element) {
    const fv_dim *dims[FV_MAX_ELEMENT_RANK];
    int rank = rank_of_elements(op, element, 0);
    for (int i = 0; i < rank; i++)
        dims[i] = element->rank >= 0 ? element->dims[i] : NULL;
    if (rank < 0 || !infer_tensor(op, element, rank, dims))
        return false;
    bool fits = fv_dim_product(fv_op_module(op)->dims, rank, dims)->lo <= FV_DIM_MAX;
    return fits ||
           fv_op_error(op, "no sequence holds %s", fv_type_str(fv_op_module(op)->arena, element));
}

/* ---- sequences ---- */

static bool infer_empty(fv_op *op) {
    const fv_attr *dtype = fv_op_find_attr(op, "dtype");
    fv_arena *a = fv_op_module(op)->arena;
    fv_elem e = dtype ? dtype->u.type->elem : FV_F32;
    if (!(FV_SET_MOVED >> e & 1))
        return fv_op_error(op, "operator not in the catalogue for elements of type %s",
                           fv_elem_name(e));
    return set_type(op, fv_wrap_type(a, FV_SEQUENCE, fv_tensor_type(a, e, FV_NO_RANK, NULL)));
}

static bool infer_construct(fv_op *op) {
    const fv_type *t = sequence_of(op, fv_in_type(op, 0));
    for (int i = 1; i < op->nin && t; i++) {
        const fv_type *more = sequence_of(op, fv_in_type(op, i));
        t = more ? fv_type_join(fv_op_module(op)->arena, t, more) : NULL;
    }
    return set_type(op, t);
}

static bool infer_insert(fv_op *op) {
    fv_arena *a = fv_op_module(op)->arena;
    const fv_type *s = fv_in_type(op, 0), *x = sequence_of(op, fv_in_type(op, 1)),
                  *t = x ? fv_type_join(a, s, x) : NULL;
    if (x && !t)
        return fv_op_error(op, "input 'tensor' is %s, the sequence is %s",
                           fv_type_str(a, fv_in_type(op, 1)), fv_type_str(a, s));
    return set_type(op, t);
}

static bool infer_at(fv_op *op) {
    return infer_element(op, fv_in_type(op, 0)->of);
}

static bool infer_length(fv_op *op) {
    fv_infer_out(op, 0, FV_I64, 0, NULL);
    return true;
}

/* The size of the parts, if all have the same. */
static const fv_dim *part_size(fv_op *op, const fv_dim *size) {
    fv_dims *t = fv_op_module(op)->dims;
    int n;
    const fv_dim *const *parts;
    if (!fv_op_in(op, 1))
        return fv_dim_const(t, 1);
    if (!fv_known_elems(op, 1, &n, &parts) || !n || !fv_dims_are_const(n, parts))
        return NULL;
    for (int i = 1; i < n; i++)
        if (parts[i] != parts[0])
            return NULL;
    bool whole = fv_in_type(op, 1)->rank || (parts[0]->value > 0 && fv_dim_is_const(size) &&
                                             size->value % parts[0]->value == 0);
    return whole ? parts[0] : NULL;
}

/* Checks that known sizes add up to the axis. */
static bool check_sizes(fv_op *op, const fv_dim *all) {
    fv_module *m = fv_op_module(op);
    const fv_dim *sum = fv_dim_const(m->dims, 0), *const * size;
    int n, least = fv_in_type(op, 1) && !fv_in_type(op, 1)->rank;
    if (!fv_op_in(op, 1))
        return true;
    if (!fv_int_operand(op, 1, &n, &size))
        return false;
    if (!fv_dims_are_const(n, size))
        return true;
    for (int i = 0; i < n; sum = fv_dim_add(m->dims, sum, size[i]), i++)
        if (size[i]->value < least || size[i]->value > FV_DIM_MAX)
            return fv_op_error(op, "a part would have %lld elements", (long long)size[i]->value);
    return least || fv_module_assume(m, sum, all, "sizes of all parts") ||
           fv_op_error(op, "its parts have %s elements, the axis has %s", fv_dim_str(m->arena, sum),
                       fv_dim_str(m->arena, all));
}

static bool infer_split(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int axis, rank = 0;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    if (!check_sizes(op, x->dims[axis]))
        return false;
    bool squeezed = !fv_op_in(op, 1) && !fv_op_int(op, "keepdims");
    const fv_dim *size = part_size(op, x->dims[axis]);
    for (int i = 0; i < x->rank; i++)
        if (i != axis || !squeezed)
            dims[rank++] = i == axis ? size : x->dims[i];
    return set_type(op,
                    sequence_of(op, fv_tensor_type(fv_op_module(op)->arena, x->elem, rank, dims)));
}

static bool infer_concat(fv_op *op) {
    const fv_type *element = fv_in_type(op, 0)->of;
    const fv_dim *dims[FV_MAX_ELEMENT_RANK + 1];
    int64_t stacked = fv_op_int(op, "new_axis");
    if (stacked != 0 && stacked != 1)
        return fv_op_error(op, "new_axis is %lld, expected 0 or 1", (long long)stacked);
    int rank = rank_of_elements(op, element, stacked == 1), axis;
    if (rank < 0 || !fv_infer_axis(op, fv_op_int(op, "axis"), rank + (int)stacked, &axis))
        return false;
    rank += (int)stacked;
    for (int i = 0; i < rank; i++)
        dims[i] =
            i == axis || element->rank < 0 ? NULL : element->dims[stacked && i > axis ? i - 1 : i];
    return infer_tensor(op, element, rank, dims);
}

/* ---- optionals ---- */

static bool infer_optional(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_attr *type = fv_op_find_attr(op, "type");
    const fv_type *x = fv_in_type(op, 0), *of = x ? x : type ? type->u.type : NULL;
    if (!of)
        return fv_op_error(
            op, "has neither an input nor an attribute 'type', from which its type would follow");
    if (!fv_type_may_hold(FV_OPTIONAL, of))
        return fv_op_error(op, "holds %s, expected a tensor or a sequence of tensors",
                           fv_type_str(m->arena, of));
    fv_elem e = fv_type_tensor(of)->elem;
    if (!(FV_SET_MOVED >> e & 1))
        return fv_op_error(op, "operator not in the catalogue for elements of type %s",
                           fv_elem_name(e));
    if (of->kind == FV_TENSOR && of->rank >= 0)
        of = fv_element_type(op, of);
    return of && set_type(op, fv_wrap_type(m->arena, FV_OPTIONAL, of));
}

static bool infer_has(fv_op *op) {
    fv_infer_out(op, 0, FV_BOOL, 0, NULL);
    return true;
}

static bool infer_get(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *of = x->kind == FV_OPTIONAL ? x->of : x;
    return x->kind == FV_OPTIONAL && of->kind == FV_TENSOR ? infer_element(op, of)
                                                           : set_type(op, of);
}

/* ---- fv.Ragged ---- */

static bool is_table(const fv_module *m, const fv_type *t) {
    return t->rank == 2 && t->dims[1] == fv_dim_const(m->dims, FV_SHAPE_COLUMNS);
}

static bool infer_ragged(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_op_find_attr(op, "type")->u.type;
    bool whole = (t->kind == FV_SEQUENCE || t->kind == FV_OPTIONAL) && !fv_type_has_maps(t) &&
                 op->nin == fv_ragged_parts(t) &&
                 fv_type_tensor(t)->elem == fv_in_type(op, FV_PART_DATA)->elem;
    if (!whole)
        return fv_op_error(op, "%d parts of %s do not make %s", op->nin,
                           fv_elem_name(fv_in_type(op, FV_PART_DATA)->elem),
                           fv_type_str(m->arena, t));
    if (!is_table(m, fv_in_type(op, FV_PART_SHAPES)))
        return fv_op_error(op, "its shapes are %s, expected rows of %d",
                           fv_type_str(m->arena, fv_in_type(op, FV_PART_SHAPES)), FV_SHAPE_COLUMNS);
    return set_type(op, t);
}

#define TENSOR   {"T", FV_SET_MOVED}
#define SEQUENCE {"S", FV_SET_MOVED, FV_KIND(SEQUENCE)}
#define POSITION {"I", FV_SET(I32) | FV_SET(I64)}

const fv_opdef fv_ops_sequence[] = {
    {.domain = "",
     .name = "SequenceEmpty",
     .id = FV_OP_SequenceEmpty,
     .since = {11},
     .doc = "a sequence without elements",
     .out = {{"output", "S"}},
     .attrs = {FV_A_OPTIONAL("dtype", TYPE)},
     .types = {SEQUENCE},
     .infer = infer_empty,
     .decompose = fv_decompose_sequence_empty},
    {.domain = "",
     .name = "SequenceConstruct",
     .since = {11},
     .doc = "a sequence of these tensors",
     .in = {{"inputs", "T", FV_VARIADIC, 1}},
     .out = {{"output_sequence", "S"}},
     .types = {TENSOR, SEQUENCE},
     .infer = infer_construct,
     .decompose = fv_decompose_sequence_construct},
    {.domain = "",
     .name = "SequenceInsert",
     .id = FV_OP_SequenceInsert,
     .since = {11},
     .doc = "the sequence with a tensor inserted at a position, by default "
            "at the end",
     .in = {{"input_sequence", "S"},
            {"tensor", "T"},
            {"position", "I", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output_sequence", "S"}},
     .types = {TENSOR, SEQUENCE, POSITION},
     .infer = infer_insert,
     .decompose = fv_decompose_sequence_insert},
    {.domain = "",
     .name = "SequenceErase",
     .since = {11},
     .doc = "the sequence without the element at a position, by default the "
            "last one",
     .in = {{"input_sequence", "S"}, {"position", "I", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"output_sequence", "S"}},
     .types = {SEQUENCE, POSITION},
     .infer = fv_infer_same,
     .decompose = fv_decompose_sequence_erase},
    {.domain = "",
     .name = "SequenceAt",
     .id = FV_OP_SequenceAt,
     .since = {11},
     .doc = "the element at a position",
     .in = {{"input_sequence", "S"}, {"position", "I", .rank = FV_SCALAR}},
     .out = {{"tensor", "T"}},
     .types = {TENSOR, SEQUENCE, POSITION},
     .infer = infer_at,
     .decompose = fv_decompose_sequence_at},
    {.domain = "",
     .name = "SequenceLength",
     .since = {11},
     .doc = "the number of elements",
     .in = {{"input_sequence", "S"}},
     .out = {{"length", "I"}},
     .types = {SEQUENCE, {"I", FV_SET(I64)}},
     .infer = infer_length,
     .decompose = fv_decompose_sequence_length},
    {.domain = "",
     .name = "SplitToSequence",
     .id = FV_OP_SplitToSequence,
     .since = {11, 24},
     .doc = "parts of a tensor along an axis, as a sequence",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)},
            {"split", "I", FV_OPTIONAL_OPERAND, .rank = FV_RANKS(0, 1)}},
     .out = {{"output_sequence", "S"}},
     .attrs = {FV_A_INT("axis", 0), FV_A_INT("keepdims", 1)},
     .types = {TENSOR, SEQUENCE, POSITION},
     .infer = infer_split,
     .decompose = fv_decompose_split_to_sequence},
    {.domain = "",
     .name = "ConcatFromSequence",
     .id = FV_OP_ConcatFromSequence,
     .since = {11},
     .doc = "all elements concatenated along an axis, which may be a new one",
     .in = {{"input_sequence", "S"}},
     .out = {{"concat_result", "T"}},
     .attrs = {FV_A_REQUIRED("axis", INT), FV_A_INT("new_axis", 0)},
     .types = {TENSOR, SEQUENCE},
     .infer = infer_concat,
     .decompose = fv_decompose_concat_from_sequence},
    {.domain = "",
     .name = "Optional",
     .id = FV_OP_Optional,
     .since = {15},
     .doc = "an optional that contains the input, or an empty one if there "
            "is no input",
     .in = {{"input", "V", FV_OPTIONAL_OPERAND}},
     .out = {{"output", "O"}},
     .attrs = {FV_A_OPTIONAL("type", TYPE)},
     .types = {{"V", FV_SET_MOVED, FV_KIND(TENSOR) | FV_KIND(SEQUENCE)},
               {"O", FV_SET_MOVED, FV_KIND(OPTIONAL)}},
     .infer = infer_optional,
     .decompose = fv_decompose_optional},
    {.domain = "",
     .name = "OptionalHasElement",
     .since = {15, 18},
     .doc = "whether the optional is present",
     .in = {{"input", "O", FV_OPTIONAL_OPERAND}},
     .out = {{"output", "B"}},
     .types = {{"O", FV_SET_MOVED, FV_KIND_ANY}, {"B", FV_SET(BOOL)}},
     .infer = infer_has,
     .decompose = fv_decompose_optional_has_element},
    {.domain = "",
     .name = "OptionalGetElement",
     .id = FV_OP_OptionalGetElement,
     .since = {15, 18},
     .doc = "the content of an optional, which must not be empty",
     .in = {{"input", "O"}},
     .out = {{"output", "V"}},
     .types = {{"O", FV_SET_MOVED, FV_KIND_ANY},
               {"V", FV_SET_MOVED, FV_KIND(TENSOR) | FV_KIND(SEQUENCE)}},
     .infer = infer_get,
     .decompose = fv_decompose_optional_get_element},
    {.domain = "fv",
     .name = "Ragged",
     .id = FV_OP_fv_Ragged,
     .since = {1},
     .doc = "a sequence or optional, from the tensors that represent it: elements, their shapes, "
            "and whether an optional sequence is present",
     .in = {{"data", "T", .rank = FV_RANK(1)},
            {"shapes", "I", .rank = FV_RANK(2)},
            {"there", "B", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}},
     .out = {{"Y", "S"}},
     .attrs = {FV_A_REQUIRED("type", TYPE)},
     .types = {TENSOR,
               {"I", FV_SET(I64)},
               {"B", FV_SET(BOOL)},
               {"S", FV_SET_MOVED, FV_KIND(SEQUENCE) | FV_KIND(OPTIONAL)}},
     .infer = infer_ragged},

    {0}};
