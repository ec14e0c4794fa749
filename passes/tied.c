/* tied.c - the pass `tie-weights`: of two constant matrices, one of which is the transpose of the
 * other, one is stored. The other becomes a Transpose of it, which costs nothing: products read
 * their factors through views. Autoencoders and language models have such *tied* weights, and
 * exporters write each of them twice.
 *
 *     y = fv.MatMul(fv.MatMul(x, E), D)  where D equals E transposed
 *  => y = fv.MatMul(fv.MatMul(x, E), Transpose(E))
 *
 * Only a matrix that nothing but products reads is replaced. The others may be operands that have
 * to be constants, or are read row by row.
 *
 * Needs the form that legalise gives, and that no pass follows which folds constants, because it
 * would make the matrix again. Leaves to remove-dead the constant without users. */
#include <string.h>

#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"
#include "passes/internal.h"

/* Is v a constant with two axes, both longer than 1, of elements that take whole bytes? */
static bool is_matrix(const fv_value *v) {
    const fv_tensor *t = v->tensor;
    return v->nuses && t->data && t->rank == 2 && t->dims[0] > 1 && t->dims[1] > 1 &&
           t->elem != FV_STRING && fv_elem_bits(t->elem) >= 8;
}

static bool is_transpose_of(const fv_tensor *a, const fv_tensor *b) {
    if (a->elem != b->elem || a->dims[0] != b->dims[1] || a->dims[1] != b->dims[0])
        return false;
    const size_t rows = (size_t)a->dims[0], columns = (size_t)a->dims[1],
                 bytes = a->bytes / a->count;
    const unsigned char *x = a->data, *y = b->data;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++)
            if (memcmp(x + (i * columns + k) * bytes, y + (k * rows + i) * bytes, bytes) != 0)
                return false;
    return true;
}

static bool is_read_by_products(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++)
        if (!fv_op_is(v->uses[i].op, FV_OP_fv_MatMul))
            return false;
    return true;
}

/* Lets the readers of `matrix` read `of`, transposed. False: a diagnostic was reported. */
static bool tie(fv_pass_run *r, fv_value *matrix, fv_value *of) {
    const int n = matrix->nuses;
    fv_use *uses = FV_NEW(r->arena, fv_use, n);
    memcpy(uses, matrix->uses, (size_t)n * sizeof *uses);
    for (int i = 0; i < n; i++) {
        if (!fv_pass_may(r, "constant", uses[i].op))
            continue;
        fv_rewriter w = fv_rewriter_at(uses[i].op);
        fv_value *view = fv_w_transpose(&w, of, (int[]){1, 0});
        if (!view)
            return false;
        fv_op_set_in(uses[i].op, uses[i].index, view);
        fv_pass_count_one(r, "constant");
    }
    return true;
}

bool fv_pass_tie_weights(fv_pass_run *r) {
    const fv_module *m = r->module;
    fv_value **matrices = FV_NEW(r->arena, fv_value *, m->nconsts + 1);
    int n = 0;
    for (int i = 0; i < m->nconsts; i++)
        if (is_matrix(m->consts[i]))
            matrices[n++] = m->consts[i];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i && matrices[i]->nuses; k++) {
            fv_value *a = matrices[k], *b = matrices[i];
            if (!a->nuses || !is_transpose_of(a->tensor, b->tensor))
                continue;
            if (is_read_by_products(b) ? !tie(r, b, a) : is_read_by_products(a) && !tie(r, a, b))
                return false;
        }
    return true;
}
