/* scan_batch.c - Scan of opset 8, which scans each item of a batch: becomes a Scan over the batch
 * whose body is a Scan over an item. */
#include "ops/control/scan.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ir/graph/rewriter.h"
#include "ops/common/attribute.h"
#include "ops/common/dims.h"
#include "ops/recurrent/recurrent.h"

typedef struct batch {
    fv_op *op, *item; /* the Scan over the batch; the one over an item */
    fv_module *m;
    int inputs; /* number of scan inputs, which are the last operands of the Scan over an item */
    /* number of iterations for the longest item; for this item, NULL: the same */
    const fv_dim *most, *length;
} batch;

/* ---- the Scans ---- */

/* Moves the operand with the lengths of items, if it is given, to the end of the operands, and
 * checks it. */
static bool move_lengths(batch *b) {
    fv_op *op = b->op;
    fv_rewriter w = fv_rewriter_at(op);
    bool given = op->in[0];
    fv_value *lengths = fv_w_lengths(&w, op, 0, 0, b->most);
    if (given && !lengths)
        return false;
    for (int i = 1; i < op->nin; i++)
        fv_op_set_in(op, i - 1, op->in[i]);
    fv_op_set_in(op, op->nin - 1, lengths);
    op->nin -= !given;
    return true;
}

/* Makes the Scan over an item, which gets the body. */
static void make_item(batch *b) {
    fv_op *op = b->op;
    fv_region *body = fv_region_new(op->block->func, NULL);
    fv_value **in = FV_NEW(b->m->arena, fv_value *, op->nin);
    const char **names = FV_NEW(b->m->arena, const char *, op->nout + 1);
    int n, operands = fv_loop_body(op)->nparams;
    const int64_t *directions = fv_op_ints(op, "directions", &n);
    for (int i = 0; i < op->nin; i++)
        in[i] =
            fv_param_new(body, op->in[i]->name, fv_without_axis(b->m->arena, op->in[i]->type, 0));
    for (int i = 0; i < op->nout; i++)
        names[i] = op->out[i] ? op->out[i]->name : "unused";
    b->item = fv_op_new(body, NULL, op->def, operands, in, op->nout, names, op->origin);
    fv_op_attr(b->item, fv_op_find_attr(op, "body"));
    fv_op_set_int(b->item, "num_scan_inputs", b->inputs);
    if (directions)
        fv_op_set_ints(b->item, "scan_input_directions", n, directions);
    fv_op_new(body, NULL, &fv_return_def, op->nout, b->item->out, 0, NULL, op->origin);
    fv_op_attr(op, &(fv_attr){.name = "body", .kind = FV_ATTR_REGION, .u.region = body});
    fv_op_set_int(op, "num_scan_inputs", op->nin);
}

/* ---- items that are shorter than others ---- */

/* The first `length` elements of a scan input. */
static fv_value *cut(const batch *b, fv_rewriter *w, fv_value *x) {
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    for (int i = 0; i < x->type->rank; i++) {
        start[i] = fv_dim_const(b->m->dims, 0);
        step[i] = fv_dim_const(b->m->dims, 1);
        dims[i] = i ? x->type->dims[i] : b->length;
    }
    return fv_w_slice(w, x, start, step, dims);
}

/* Appends rows of zeros up to the number of iterations of the longest item. */
static fv_value *filled(const batch *b, fv_rewriter *w, fv_value *rows) {
    const fv_dim *begin[FV_MAX_RANK], *dims[FV_MAX_RANK];
    for (int i = 0; i < rows->type->rank; i++) {
        begin[i] = fv_dim_const(b->m->dims, 0);
        dims[i] = i ? rows->type->dims[i] : b->most;
    }
    fv_attr a[2] = {fv_attr_dims(b->m, "begin", rows->type->rank, begin),
                    fv_attr_dims(b->m, "dims", rows->type->rank, dims)};
    return fv_w_op(w, FV_OP_fv_Pad, 1, &rows, 2, a);
}

static void find_length(batch *b) {
    fv_value *given = b->item->block->params[b->item->nin];
    fv_rewriter w = fv_rewriter_at(b->item);
    b->length = fv_dim_fresh(b->m->dims, given->name, 0, b->most->hi, true);
    fv_w_bind(&w, given, 1, &b->length);
}

static bool cut_inputs(batch *b) {
    fv_op *item = b->item;
    fv_rewriter w = fv_rewriter_at(item);
    for (int i = item->nin - b->inputs; i < item->nin; i++) {
        fv_value *x = cut(b, &w, item->in[i]);
        if (!x)
            return false;
        fv_op_set_in(item, i, x);
    }
    return true;
}

static bool fill_rows(batch *b) {
    fv_op *ret = b->item->block->last;
    fv_rewriter w = fv_rewriter_at(ret);
    for (int i = b->item->nin - b->inputs; i < ret->nin; i++) {
        fv_value *rows = filled(b, &w, ret->in[i]);
        if (!rows)
            return false;
        fv_op_set_in(ret, i, rows);
    }
    return true;
}

/* ---- checks of the model ---- */

/* Checks that there is no attribute of opset 9, where axes have another meaning. */
static bool has_old_attrs(const fv_op *op) {
    static const char *const later[] = {"scan_input_axes", "scan_input_directions",
                                        "scan_output_axes", "scan_output_directions"};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (fv_op_find_attr(op, later[i]))
            return fv_op_error(op, "attribute '%s' does not exist before opset 9", later[i]);
    return true;
}

/* Checks that all operands have the same batch size, and all scan inputs the same number of
 * iterations. */
static bool are_alike(const batch *b) {
    const fv_op *op = b->op;
    int first_input = op->nin - b->inputs;
    const fv_dim *const *like = op->in[first_input]->type->dims;
    for (int i = 0; i < op->nin; i++) {
        const fv_type *t = op->in[i] ? op->in[i]->type : NULL;
        if (t && !fv_module_assume(b->m, t->dims[0], like[0], fv_op_why(op, "the batch")))
            return fv_op_error(op, "input %d has a batch of %s, input %d one of %s", i,
                               fv_dim_str(b->m->arena, t->dims[0]), first_input,
                               fv_dim_str(b->m->arena, like[0]));
        if (i > first_input &&
            !fv_module_assume(b->m, t->dims[1], like[1], fv_op_why(op, "iterations of a Scan")))
            return fv_op_error(op, "scan inputs 0 and %d have different numbers of iterations",
                               i - first_input);
    }
    return true;
}

static bool are_lengths(const fv_op *op, const fv_value *v) {
    const fv_type *t = v->type;
    return (t->kind == FV_TENSOR && t->elem == FV_I64 && t->rank == 1) ||
           fv_op_error(op, "sequence_lens is %s, expected i64[batch]",
                       fv_type_str(fv_op_module(op)->arena, t));
}

/* ---- the upgrade ---- */

bool fv_upgrade_scan(fv_op *op, int version) {
    if (version >= 9)
        return true;
    batch b = {.op = op, .m = fv_op_module(op), .inputs = fv_scan_inputs(op)};
    b.most = op->in[op->nin - b.inputs]->type->dims[1];
    if (!has_old_attrs(op) || !fv_attr_are_directions(op, "directions", b.inputs) ||
        (op->in[0] && !are_lengths(op, op->in[0])) || !are_alike(&b) || !move_lengths(&b))
        return false;
    make_item(&b);
    bool varies = op->nin > b.item->nin;
    const struct fv_within around = fv_module_enter(b.item);
    if (varies)
        find_length(&b);
    bool ok = (!varies || cut_inputs(&b)) && fv_op_infer(b.item) && (!varies || fill_rows(&b));
    b.m->within = around;
    return ok;
}
