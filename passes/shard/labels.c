/* labels.c - see labels.h. */
#include "passes/shard/labels.h"

#include <string.h>

/* Labels of fv.MatMul; an axis of the batch has 1 + its number in the result. */
enum { ROWS = FV_MAX_RANK + 1, COLUMNS, TERMS };

static void label_matrix(const fv_op *op, int i, char rows, char columns, char *out) {
    int n = op->in[i]->type->rank, shift = op->out[0]->type->rank - n;
    for (int d = 0; d < n - 2; d++)
        out[d] = (char)(d + shift + 1);
    out[n - 2] = rows;
    out[n - 1] = columns;
}

static void label_product(const fv_op *op, fv_shard_labels *l) {
    int n = op->out[0]->type->rank;
    label_matrix(op, 0, ROWS, TERMS, l->in[0]);
    label_matrix(op, 1, TERMS, COLUMNS, l->in[1]);
    for (int d = 0; d < n - 2; d++)
        l->out[d] = (char)(d + 1);
    l->out[n - 2] = ROWS;
    l->out[n - 1] = COLUMNS;
}

/* Y[r.., j] sums over blocks. The numbers of a block share a scale, so their axis is not cut. */
static void label_blocks(const fv_op *op, fv_shard_labels *l) {
    int rows = op->out[0]->type->rank - 1;
    for (int d = 0; d < rows; d++)
        l->in[0][d] = l->in[2][d] = l->in[4][d] = l->out[d] = (char)(d + 1);
    l->in[0][rows] = l->in[2][rows] = l->in[4][rows] = TERMS;
    l->out[rows] = COLUMNS;
    for (int i = 1; i <= 5; i += 2) {
        l->in[i][0] = COLUMNS;
        l->in[i][1] = TERMS;
    }
}

/* Y[b, x, j] sums X[b, x, c] * W[e, j, c], with e = experts[b, x], plus B[e, j]. */
static void label_experts(fv_shard_labels *l) {
    l->in[0][0] = l->in[1][0] = l->out[0] = 1;
    l->in[0][1] = l->in[1][1] = l->out[1] = 2;
    l->in[0][2] = l->in[2][2] = TERMS;
    l->in[2][1] = l->in[3][1] = l->out[2] = COLUMNS;
}

/* Y[a.., j.., c..] is data[a.., indices[j..], c..]. */
static void label_gather(const fv_op *op, fv_shard_labels *l) {
    int axis = (int)fv_op_int(op, "axis"), n = op->in[1]->type->rank;
    for (int d = 0; d < op->out[0]->type->rank; d++)
        l->out[d] = (char)(d + 1);
    for (int d = 0; d < op->in[0]->type->rank; d++)
        l->in[0][d] = (char)(d < axis ? d + 1 : d > axis ? d + n : 0);
    for (int d = 0; d < n; d++)
        l->in[1][d] = (char)(axis + d + 1);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Copies the letters of a term. Axes that an ellipsis represents are counted from the last one, as
 * labels from 1 on. False: the term does not fit the rank. */
static bool label_term(const char *s, size_t n, int rank, char *out) {
    int letters = 0, at = 0;
    for (size_t i = 0; i < n; i++)
        letters += is_letter(s[i]);
    for (size_t i = 0; i < n; i++) {
        if (is_letter(s[i]) && at < rank)
            out[at++] = s[i];
        else if (s[i] == '.') {
            for (int k = rank - letters; k > 0 && at < rank; k--)
                out[at++] = (char)k;
            i += 2;
        }
    }
    return at == rank;
}

/* An equation without an arrow has labels as well, but exporters do not write it. */
static bool label_equation(const fv_op *op, fv_shard_labels *l) {
    fv_string e = fv_op_string(op, "equation");
    const char *at = e.s, *end = e.s + e.n, *arrow = NULL;
    for (const char *p = e.s; p + 1 < end && !arrow; p++)
        arrow = p[0] == '-' && p[1] == '>' ? p : NULL;
    if (!arrow || op->nin > FV_LABEL_OPERANDS)
        return false;
    for (int i = 0; i < op->nin; i++) {
        const char *comma = at;
        while (comma < arrow && *comma != ',')
            comma++;
        if (!label_term(at, (size_t)(comma - at), op->in[i]->type->rank, l->in[i]))
            return false;
        at = comma + 1;
    }
    return label_term(arrow + 2, (size_t)(end - arrow - 2), op->out[0]->type->rank, l->out);
}

bool fv_shard_labels_of(const fv_op *op, fv_shard_labels *out) {
    memset(out, 0, sizeof *out);
    if (fv_op_is(op, FV_OP_Einsum))
        return label_equation(op, out);
    if (fv_op_is(op, FV_OP_fv_MatMul))
        label_product(op, out);
    else if (fv_op_is(op, FV_OP_fv_BlockMatMulInteger))
        label_blocks(op, out);
    else if (fv_op_is(op, FV_OP_fv_ExpertProduct))
        label_experts(out);
    else if (fv_op_is(op, FV_OP_fv_Gather))
        label_gather(op, out);
    else
        return false;
    return true;
}

int fv_shard_label_axis(const fv_op *op, const fv_shard_labels *l, int i, char label) {
    int found = FV_AXIS_WHOLE;
    if (!label)
        return FV_AXIS_NONE;
    for (int d = 0; op->in[i] && d < op->in[i]->type->rank; d++)
        if (l->in[i][d] == label) {
            if (found != FV_AXIS_WHOLE)
                return FV_AXIS_NONE;
            found = d;
        }
    return found >= 0 && fv_dim_is_one(op->in[i]->type->dims[found]) ? FV_AXIS_WHOLE : found;
}

int fv_shard_labelled_operand(const fv_op *op, const fv_shard_labels *l, int axis, int i) {
    return fv_shard_label_axis(op, l, i, l->out[axis]);
}

int fv_shard_labelled_result(const fv_op *op, const fv_shard_labels *l, int i, int axis) {
    char label = l->in[i][axis];
    if (fv_shard_label_axis(op, l, i, label) != axis)
        return FV_AXIS_NONE;
    for (int d = 0; d < op->out[0]->type->rank; d++)
        if (l->out[d] == label)
            return d;
    return FV_AXIS_PARTIAL;
}
