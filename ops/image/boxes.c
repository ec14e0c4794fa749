/* boxes.c - NonMaxSuppression: keeps the box with the highest score among boxes that overlap. */
#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/tensor/select.h"

extern const char *const fv_box_kernels; /* boxes.fvk */

enum { BOXES, SCORES, MOST, OVERLAP, LEAST };

static bool check_boxes(fv_op *op) {
    const fv_type *boxes = fv_in_type(op, BOXES), *scores = fv_in_type(op, SCORES);
    return fv_same_dim(op, boxes->dims[2], fv_dim_const(fv_op_module(op)->dims, 4),
                       "numbers of a box") &&
           fv_same_dim(op, boxes->dims[0], scores->dims[0], "batch of scores") &&
           fv_same_dim(op, boxes->dims[1], scores->dims[2], "scores of boxes");
}

/* The sort key has 32 bits for the index of a box. */
static bool are_sortable(fv_op *op, const fv_dim *n) {
    fv_module *m = fv_op_module(op);
    const fv_dim *fits = fv_dim_min(m->dims, n, fv_dim_const(m->dims, INT32_MAX));
    const char *boxes = fv_dim_str(m->arena, n);
    return fv_module_require(m, fits, n, "boxes",
                             fv_printf(m->arena, "%s <= %d", boxes, INT32_MAX)) ||
           fv_op_error(op, "has %s boxes, at most %d are sorted", boxes, INT32_MAX);
}

static bool infer_suppression(fv_op *op) {
    int64_t center = fv_op_int(op, "center_point_box");
    const fv_dim *dims[2] = {NULL, fv_dim_const(fv_op_module(op)->dims, 3)};
    if (center != 0 && center != 1)
        return fv_op_error(op, "center_point_box is %lld, expected 0 or 1", (long long)center);
    if (!check_boxes(op) || !are_sortable(op, fv_in_type(op, SCORES)->dims[2]))
        return false;
    fv_infer_run_time(op, 0, FV_I64, 2, dims);
    return true;
}

/* ---- fv.Suppress: lines of scores, as many of each batch of boxes ---- */

static bool infer_suppress(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *boxes = fv_in_type(op, BOXES), *scores = fv_in_type(op, SCORES);
    const fv_dim *lines = scores->dims[0], *n = scores->dims[1];
    for (int i = 2; i < op->nin; i++)
        if (fv_in_type(op, i) && fv_in_type(op, i)->rank)
            return fv_op_error(op, "input '%s' has rank %d, expected 0", op->def->in[i].name,
                               fv_in_type(op, i)->rank);
    if (!fv_same_dim(op, boxes->dims[2], fv_dim_const(m->dims, 4), "numbers of a box") ||
        !fv_same_dim(op, boxes->dims[1], n, "scores of boxes"))
        return false;
    const fv_dim *each = fv_dim_floordiv(m->dims, lines, boxes->dims[0]);
    if (!fv_module_assume(m, fv_dim_mul(m->dims, boxes->dims[0], each), lines,
                          "lines of each batch"))
        return fv_op_error(op, "has %s lines of scores for %s batches", fv_dim_str(m->arena, lines),
                           fv_dim_str(m->arena, boxes->dims[0]));
    if (!are_sortable(op, n))
        return false;
    fv_infer_out(op, 0, FV_I64, 2, scores->dims);
    fv_infer_out(op, 1, FV_I64, 1, &lines);
    return true;
}

/* A scalar constant: a condition of the kernel, or false or 0 for an operand that is absent. */
static fv_value *scalar(fv_custom *c, const char *stem, fv_elem e, bool is_true) {
    fv_tensor *t = fv_tensor_new(c->module->arena, e, 0, NULL);
    if (is_true)
        fv_tensor_set_int(t, 0, 1);
    return fv_custom_const(c, stem, t);
}

static bool kernel_suppress(fv_custom *c, fv_op *op) {
    fv_dims *t = c->module->dims;
    const fv_dim *n = fv_in_type(op, SCORES)->dims[1],
                 *tasks = fv_custom_tasks(c, fv_in_type(op, SCORES)->dims[0]);
    /* the places of boxes in planes are a multiple of 16 */
    const fv_dim *sixteen = fv_dim_const(t, 16),
                 *places = fv_dim_mul(t, fv_dim_ceildiv(t, n, sixteen), sixteen);
    fv_value *keys = fv_custom_value(c, "keys", FV_I64, 2, (const fv_dim *[]){tasks, n});
    fv_value *planes = fv_custom_value(c, "planes", FV_F32, 3,
                                       (const fv_dim *[]){tasks, fv_dim_const(t, 5), places});
    bool some = fv_op_in(op, 4) != NULL;
    fv_value *least = some ? op->in[4] : scalar(c, "least", FV_F32, false),
             *every = scalar(c, "every", FV_BOOL, !some);
    fv_value *args[] = {op->in[BOXES], op->in[SCORES], op->in[2], op->in[3],  least,
                        every,         keys,           planes,    op->out[0], op->out[1]};
    fv_custom_text(c, fv_box_kernels, "suppress", (int)(sizeof args / sizeof *args), args);
    return true;
}

#define OPTIONAL FV_OPTIONAL_OPERAND
#define SIDE(k)  "boxes[b, i, " k "]"

const fv_opdef fv_ops_boxes[] = {
    {.domain = "fv",
     .name = "BoxCorners",
     .id = FV_OP_fv_BoxCorners,
     .since = {1},
     .doc = "the lower edges of boxes, then the upper ones; boxes are given by corners, or by "
            "centers and sizes",
     .in = {{"boxes", "T", .rank = FV_RANK(3)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("center_point_box", 0)},
     .types = {{"T", FV_SET(F32)}},
     .formula = "low = " SIDE("k mod 2") "; high = " SIDE(
         "2 + k mod 2") "; "
                        "Y[b, i, k] = select(center_point_box != 0, low + select(k < 2, -0.5, 0.5) "
                        "* high, select(k < 2, min(low, high), max(low, high)))"},
    {.domain = "fv",
     .name = "Suppress",
     .id = FV_OP_fv_Suppress,
     .since = {1},
     .doc = "for each line of scores, the indices of boxes in descending order of score, without "
            "those that overlap a kept box with a higher score by more than a threshold; and their "
            "number",
     .in = {{"boxes", "T", .rank = FV_RANK(3)},
            {"scores", "T", .rank = FV_RANK(2)},
            {"most", "I", .rank = FV_SCALAR},
            {"overlap", "T", .rank = FV_SCALAR},
            {"least", "T", OPTIONAL, .rank = FV_SCALAR}},
     .out = {{"kept", "I"}, {"count", "I"}},
     .types = {{"T", FV_SET(F32)}, {"I", FV_SET(I64)}},
     .infer = infer_suppress,
     .kernel = kernel_suppress},
    {.domain = "",
     .name = "NonMaxSuppression",
     .since = {10, 11},
     .doc = "batch, class and index of the boxes with the highest scores of "
            "each class that overlap no better box by more than a threshold",
     .in = {{"boxes", "T", .rank = FV_RANK(3)},
            {"scores", "T", .rank = FV_RANK(3)},
            {"max_output_boxes_per_class", "I", OPTIONAL, .rank = FV_VECTOR_OF_1},
            {"iou_threshold", "T", OPTIONAL, .rank = FV_VECTOR_OF_1},
            {"score_threshold", "T", OPTIONAL, .rank = FV_VECTOR_OF_1}},
     .out = {{"selected_indices", "I"}},
     .attrs = {FV_A_INT("center_point_box", 0)},
     .types = {{"T", FV_SET(F32)}, {"I", FV_SET(I64)}},
     .infer = infer_suppression,
     .body = "NonMaxSuppression"},

    {0}};
