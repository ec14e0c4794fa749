/* latency.c - vector loops whose iterations are long chains of dependent operations.
 *
 *     vector c: y[c] = rint(x[c] * (1.0 + erf(x[c])) * s)
 *
 * Each operation of a polynomial waits for the one before it. A processor overlaps iterations, but
 * its schedulers hold few operations that wait (97 for vectors on Granite Rapids), which is little
 * more than two iterations of such a loop. If two vectors are computed at a time, consumers write
 * the two instructions of each operation next to each other, so that they overlap from the start.
 * More vectors would need more registers than many targets have. */
#include "backend/expand/latency.h"

#include "ir/base/ptrmap.h"

/* The number of float operations from which on a chain counts as long: an exponential and a
 * quotient, as in a sigmoid, have 16. Shorter ones gained nothing. */
enum { LONG = 16 };

/* The number of operations of the longest chain of float operations that x ends. `lengths` maps
 * expressions, and variables of lets, to one more than that. */
static intptr_t chain_of(fv_ptrmap *lengths, const fv_expr *x) {
    const void *key = x->op == FV_X_VAR ? (const void *)x->u.var : x;
    intptr_t known = (intptr_t)fv_ptrmap_get(lengths, key), longest = 0;
    if (known)
        return known - 1;
    for (int i = 0; i < x->n; i++) {
        intptr_t n = chain_of(lengths, x->arg[i]);
        longest = n > longest ? n : longest;
    }
    longest += x->n > 0 && x->op != FV_X_LOAD && fv_elem_is_float((fv_elem)x->type.elem);
    *fv_ptrmap_at(lengths, key) = (void *)(longest + 1);
    return longest;
}

int fv_vectors_to_overlap(fv_arena *a, const fv_stmt *loop) {
    fv_ptrmap lengths = fv_ptrmap_in(a);
    intptr_t longest = 0;
    for (const fv_stmt *s = loop->body.first; s; s = s->next) {
        if (s->kind == FV_S_COMMENT)
            continue;
        if (s->kind != FV_S_LET && s->kind != FV_S_STORE)
            return 1;
        intptr_t n = chain_of(&lengths, s->x);
        longest = n > longest ? n : longest;
        if (s->kind == FV_S_LET)
            *fv_ptrmap_at(&lengths, s->var) = (void *)(n + 1);
    }
    return longest >= LONG ? 2 : 1;
}
