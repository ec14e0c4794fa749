/* separate.c - gives each reader of a value that constants alone determine its own copy of the op
 * that computes it, as of zero points that several weights share. Otherwise a cut would follow the
 * value to all of them. Constants themselves are not copied, and the pass share undoes what no cut
 * has changed. */
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "passes/shard/parts.h"

enum { MAX_COPIES = 64 }; /* of one op; more readers share the last copy */

/* Is it an op by which weights are stored in another form, or made of such ones? */
static bool makes_weight(const fv_op *op) {
    static const fv_op_id ids[] = {FV_OP_fv_Reshape, FV_OP_Transpose,     FV_OP_Cast,
                                   FV_OP_fv_Unpack,  FV_OP_fv_Dequantize, FV_OP_fv_Decode,
                                   FV_OP_fv_Expand,  FV_OP_fv_Slice,      FV_OP_Sub,
                                   FV_OP_Mul,        FV_OP_Where,         FV_OP_fv_Gather};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (fv_op_is(op, ids[i]))
            return op->nout == 1 && op->out[0];
    return false;
}

static bool copy_for(fv_op *op, const fv_use *use) {
    fv_rewriter w = fv_rewriter_at(op);
    fv_value *y = fv_w_def(&w, op->def, op->nin, op->in, op->nattrs, op->attrs);
    if (!y)
        return false;
    y->def->origin = op->origin;
    fv_op_set_in(use->op, use->index, y);
    return true;
}

bool fv_shard_separate(fv_module *m) {
    fv_ptrmap made = fv_ptrmap_in(m->arena); /* results of constants alone */
    for (fv_op *op = m->funcs->body->first; op; op = op->next) {
        bool all = op->nin > 0 && makes_weight(op);
        for (int i = 0; i < op->nin && all; i++)
            all =
                !op->in[i] || op->in[i]->kind == FV_VALUE_CONST || fv_ptrmap_get(&made, op->in[i]);
        if (all)
            *fv_ptrmap_at(&made, op->out[0]) = op;
    }
    for (fv_op *op = m->funcs->body->last; op; op = op->prev)
        for (int n = 0; n < MAX_COPIES && op->nout == 1 && op->out[0] && op->out[0]->nuses > 1 &&
                        fv_ptrmap_get(&made, op->out[0]);
             n++)
            if (!copy_for(op, &op->out[0]->uses[op->out[0]->nuses - 1]))
                return false;
    return true;
}
