/* boxes.c - NonMaxSuppression: of boxes that overlap, the one with the highest score. */
#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/ops/attend.h"
#include "ir/ops/dims.h"
#include "ir/ops/select.h"

enum { BOXES, SCORES, MOST, OVERLAP, LEAST };

static bool check_boxes(fv_op *op) {
    const fv_type *boxes = fv_in_type(op, BOXES), *scores = fv_in_type(op, SCORES);
    return fv_same_dim(op, boxes->dims[2], fv_dim_const(fv_op_module(op)->dims, 4), "numbers of a box") &&
           fv_same_dim(op, boxes->dims[0], scores->dims[0], "batch of scores") &&
           fv_same_dim(op, boxes->dims[1], scores->dims[2], "scores of boxes");
}

static bool infer_suppression(fv_op *op) {
    int64_t center = fv_op_int(op, "center_point_box");
    const fv_dim *dims[2] = {NULL, fv_dim_const(fv_op_module(op)->dims, 3)};
    if (center != 0 && center != 1)
        return fv_op_error(op, "center_point_box is %lld, expected 0 or 1", (long long)center);
    if (!check_boxes(op))
        return false;
    fv_infer_run_time(op, 0, FV_I64, 2, dims);
    return true;
}

/* Boxes by their scores, those that are not suppressed, and where they are: one a row. */
static bool decompose_suppression(fv_rewriter *w, fv_op *op) {
    fv_module *m = w->module;
    fv_dims *t = m->dims;
    const fv_type *scores = fv_in_type(op, SCORES);
    const fv_dim *one = fv_dim_const(t, 1), *n = scores->dims[2], *found = op->out[0]->type->dims[0];
    const fv_dim *lines = fv_dim_mul(t, scores->dims[0], scores->dims[1]), *all = fv_dim_mul(t, lines, n);
    const fv_dim *items[4] = {lines, n, one, one}, *column[2] = {lines, one}, *row[2] = {one, found};
    fv_attr center = fv_attr_int(m, "center_point_box", fv_op_int(op, "center_point_box")), across = fv_attr_int(m, "axis", 0);
    fv_value *in[6] = {fv_w_op(w, FV_OP_fv_BoxCorners, 1, &op->in[BOXES], 1, &center), op->in[SCORES]};
    in[2] = fv_w_reshape(w, fv_w_order(w, fv_w_reshape(w, op->in[SCORES], 4, items), n, true), 3, scores->dims);
    in[3] = fv_op_in(op, MOST) ? fv_w_reshape(w, op->in[MOST], 0, &one) : fv_w_int(w, FV_I64, 0);
    in[4] = fv_op_in(op, OVERLAP) ? fv_w_reshape(w, op->in[OVERLAP], 0, &one) : fv_w_float(w, FV_F32, 0);
    in[5] = fv_op_in(op, LEAST) ? fv_w_reshape(w, op->in[LEAST], 0, &one) : NULL;
    fv_op *kept = fv_w_op_n(w, FV_OP_fv_Suppress, in[5] ? 6 : 5, in, 0, NULL, 2);
    if (!kept)
        return false;
    fv_value *is_kept = FV_W2(w, FV_OP_Less, fv_w_positions(w, n, 1, 0), fv_w_reshape(w, kept->out[1], 2, column));
    fv_value *at = fv_w_non_zero(w, is_kept, found); /* [2, found]: the line, and which of its boxes */
    const fv_dim *zero = fv_dim_const(t, 0), *start[2] = {zero, zero}, *next[2] = {one, zero}, *step[2] = {one, one};
    fv_value *line = at ? fv_w_slice(w, at, start, step, row) : NULL, *which = at ? fv_w_slice(w, at, next, step, row) : NULL;
    fv_value *classes = fv_w_ints(w, FV_I64, 0, 1, &scores->dims[1]);
    fv_value *place = FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, line, fv_w_ints(w, FV_I64, 0, 1, &n)), which);
    fv_value *from[2] = {fv_w_reshape(w, kept->out[0], 1, &all), place};
    fv_value *columns[3] = {FV_W2(w, FV_OP_Div, line, classes), FV_W2(w, FV_OP_Mod, line, classes),
                            fv_w_op(w, FV_OP_Gather, 2, from, 1, &across)};
    fv_value *y = fv_w_op(w, FV_OP_Concat, 3, columns, 1, &across);
    fv_w_result(w, 0, y ? fv_w_transpose(w, y, (int[]){1, 0}) : NULL);
    return true;
}

/* ---- fv.Suppress ---- */

static bool infer_suppress(fv_op *op) {
    const fv_type *scores = fv_in_type(op, 1), *order = fv_in_type(op, 2);
    for (int i = 0; i < 3; i++)
        if (!fv_same_dim(op, order->dims[i], scores->dims[i], "an order of boxes"))
            return false;
    for (int i = 3; i < op->nin; i++)
        if (fv_in_type(op, i) && fv_in_type(op, i)->rank)
            return fv_op_error(op, "input '%s' has rank %d, expected 0", op->def->in[i].name, fv_in_type(op, i)->rank);
    if (!check_boxes(op))
        return false;
    fv_infer_out(op, 0, FV_I64, 3, scores->dims);
    fv_infer_out(op, 1, FV_I64, 2, scores->dims);
    return true;
}

typedef struct suppression {
    fv_custom *c;
    fv_arena *a;
    fv_buf *boxes;
    fv_expr *batch;
} suppression;

typedef struct box {
    fv_expr *edge[4], *area; /* the lower edges, then the upper ones */
} box;

static fv_expr *bin(const suppression *s, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(s->a, op, x, y);
}

static box box_at(const suppression *s, fv_expr *i) {
    box x;
    for (int k = 0; k < 4; k++) {
        fv_expr *at[3] = {s->batch, i, fv_x_int(s->a, k)};
        x.edge[k] = fv_kb_let(&s->c->b, "edge", fv_custom_load(s->c, s->boxes, at));
    }
    x.area = bin(s, FV_X_MUL, bin(s, FV_X_SUB, x.edge[2], x.edge[0]), bin(s, FV_X_SUB, x.edge[3], x.edge[1]));
    x.area = fv_kb_let(&s->c->b, "area", x.area);
    return x;
}

/* Is what both have in common more than `limit` of what they have together? Of a box without an area: no. */
static fv_expr *overlaps(const suppression *s, const box *x, const box *y, fv_expr *limit) {
    fv_expr *zero = fv_x_const(s->a, FV_F32, 0), *ok = bin(s, FV_X_AND, bin(s, FV_X_LT, zero, x->area), bin(s, FV_X_LT, zero, y->area));
    fv_expr *common = NULL;
    for (int k = 0; k < 2; k++) {
        fv_expr *length = bin(s, FV_X_SUB, bin(s, FV_X_MIN, x->edge[k + 2], y->edge[k + 2]), bin(s, FV_X_MAX, x->edge[k], y->edge[k]));
        length = fv_kb_let(&s->c->b, "length", length);
        ok = bin(s, FV_X_AND, ok, bin(s, FV_X_LT, zero, length));
        common = common ? bin(s, FV_X_MUL, common, length) : length;
    }
    common = fv_kb_let(&s->c->b, "common", common);
    fv_expr *together = fv_kb_let(&s->c->b, "together", bin(s, FV_X_SUB, bin(s, FV_X_ADD, x->area, y->area), common));
    ok = bin(s, FV_X_AND, ok, bin(s, FV_X_LT, zero, together));
    return fv_kb_let(&s->c->b, "overlaps", bin(s, FV_X_AND, ok, bin(s, FV_X_LT, limit, bin(s, FV_X_DIV, common, together))));
}

static void fill(fv_custom *c, const fv_type *y) {
    fv_expr *index[3];
    fv_custom_begin(c, "suppress_fill");
    fv_buf *to = fv_custom_out(c, 0);
    for (int i = 0; i < 3; i++)
        index[i] = fv_custom_for(c, FV_PARALLEL, "i", y->dims[i]);
    fv_custom_store(c, to, index, fv_x_int(c->arena, 0), NULL);
    for (int i = 0; i < 3; i++)
        fv_kb_end(&c->b);
    fv_custom_end(c);
}

/* Of each class the boxes in their order, until enough are kept: one that overlaps none that is kept is, too. */
static bool kernel_suppress(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    fv_kbuilder *b = &c->b;
    const fv_type *scores = fv_in_type(op, 1);
    suppression s = {.c = c, .a = a};
    fv_expr *zero = fv_x_int(a, 0), *one = fv_x_int(a, 1), *at[3];
    fill(c, op->out[0]->type);
    fv_custom_begin(c, "suppress");
    s.boxes = fv_custom_in(c, 0);
    fv_buf *score = fv_custom_in(c, 1), *order = fv_custom_in(c, 2), *most = fv_custom_in(c, 3), *limit = fv_custom_in(c, 4);
    fv_buf *least = fv_op_in(op, 5) ? fv_custom_in(c, 5) : NULL, *kept = fv_custom_update(c, 0), *count = fv_custom_out(c, 1);
    fv_expr *n = fv_custom_dim(c, scores->dims[2]);
    at[0] = s.batch = fv_custom_for(c, FV_PARALLEL, "b", scores->dims[0]);
    at[1] = fv_custom_for(c, FV_PARALLEL, "class", scores->dims[1]);
    fv_expr *enough = fv_kb_let(b, "enough", fv_x_load(a, most, NULL)), *share = fv_kb_let(b, "share", fv_x_load(a, limit, NULL));
    fv_buf *place = fv_kb_tile(b, "place", FV_I64, 0, NULL, zero), *found = fv_kb_tile(b, "found", FV_I64, 0, NULL, zero);
    fv_kb_while(b, bin(&s, FV_X_AND, bin(&s, FV_X_LT, fv_x_load(a, place, NULL), n), bin(&s, FV_X_LT, fv_x_load(a, found, NULL), enough)));
    at[2] = fv_kb_let(b, "i", fv_x_load(a, place, NULL));
    fv_kb_store(b, place, NULL, bin(&s, FV_X_ADD, at[2], one), NULL);
    fv_expr *p = fv_kb_let(b, "p", fv_x_load(a, order, at));
    fv_expr *known = fv_x_un(a, FV_X_REQUIRE, bin(&s, FV_X_AND, bin(&s, FV_X_LE, zero, p), bin(&s, FV_X_LT, p, n)));
    p = fv_kb_let(b, "p", fv_x_select(a, fv_kb_let(b, "known", known), p, zero));
    at[2] = p;
    fv_kb_if(b, least ? bin(&s, FV_X_LT, fv_x_load(a, least, NULL), fv_custom_load(c, score, at)) : fv_x_const_int(a, FV_BOOL, 1));
    box x = box_at(&s, p);
    fv_buf *k = fv_kb_tile(b, "k", FV_I64, 0, NULL, zero), *alone = fv_kb_tile(b, "alone", FV_BOOL, 0, NULL, fv_x_const_int(a, FV_BOOL, 1));
    fv_expr *have = fv_kb_let(b, "have", fv_x_load(a, found, NULL));
    fv_kb_while(b, bin(&s, FV_X_AND, bin(&s, FV_X_LT, fv_x_load(a, k, NULL), have), fv_x_load(a, alone, NULL)));
    at[2] = fv_kb_let(b, "j", fv_x_load(a, k, NULL));
    box y = box_at(&s, fv_kb_let(b, "q", fv_x_load(a, kept, at)));
    fv_kb_store(b, alone, NULL, fv_x_un(a, FV_X_NOT, overlaps(&s, &x, &y, share)), NULL);
    fv_kb_store(b, k, NULL, bin(&s, FV_X_ADD, at[2], one), NULL);
    fv_kb_end(b);
    fv_kb_if(b, fv_x_load(a, alone, NULL));
    at[2] = have;
    fv_kb_store(b, kept, at, p, NULL);
    fv_kb_store(b, found, NULL, bin(&s, FV_X_ADD, have, one), NULL);
    for (int i = 0; i < 3; i++)
        fv_kb_end(b);
    fv_kb_store(b, count, at, fv_x_load(a, found, NULL), NULL);
    for (int i = 0; i < 2; i++)
        fv_kb_end(b);
    fv_custom_end(c);
    return true;
}

#define OPTIONAL FV_OPTIONAL_OPERAND
#define SIDE(k) "boxes[b, i, " k "]"

const fv_opdef fv_ops_boxes[] = {
    {.domain = "fv", .name = "BoxCorners", .id = FV_OP_fv_BoxCorners, .since = {1},
     .doc = "the lower edges of boxes, then the upper ones; of boxes that are corners, or centers and sizes",
     .in = {{"boxes", "T", .rank = FV_RANK(3)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("center_point_box", 0)},
     .types = {{"T", FV_SET(F32)}},
     .formula = "low = " SIDE("k mod 2") "; high = " SIDE("2 + k mod 2") "; "
                "Y[b, i, k] = select(center_point_box != 0, low + select(k < 2, -0.5, 0.5) * high, select(k < 2, min(low, high), max(low, high)))"},
    {.domain = "fv", .name = "Suppress", .id = FV_OP_fv_Suppress, .since = {1},
     .doc = "of each class the boxes, in an order, that overlap none before them by more than a share; how many",
     .in = {{"boxes", "T", .rank = FV_RANK(3)}, {"scores", "T", .rank = FV_RANK(3)}, {"order", "I", .rank = FV_RANK(3)},
            {"most", "I", .rank = FV_SCALAR}, {"overlap", "T", .rank = FV_SCALAR}, {"least", "T", OPTIONAL, .rank = FV_SCALAR}},
     .out = {{"kept", "I"}, {"count", "I"}},
     .types = {{"T", FV_SET(F32)}, {"I", FV_SET(I64)}},
     .infer = infer_suppress,
     .kernel = kernel_suppress},
    {.domain = "", .name = "NonMaxSuppression", .since = {10, 11},
     .doc = "batch, class and number of the boxes with the highest scores of each class that overlap no better one by more than a share",
     .in = {{"boxes", "T", .rank = FV_RANK(3)}, {"scores", "T", .rank = FV_RANK(3)}, {"max_output_boxes_per_class", "I", OPTIONAL, .rank = FV_SCALAR},
            {"iou_threshold", "T", OPTIONAL, .rank = FV_SCALAR}, {"score_threshold", "T", OPTIONAL, .rank = FV_SCALAR}},
     .out = {{"selected_indices", "I"}},
     .attrs = {FV_A_INT("center_point_box", 0)},
     .types = {{"T", FV_SET(F32)}, {"I", FV_SET(I64)}},
     .infer = infer_suppression,
     .decompose = decompose_suppression},

    {0}};
