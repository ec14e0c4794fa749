/* remove.c - the pass `remove-padding`: ops that compute each token by itself are applied only to
 * the tokens that a mask keeps.
 *
 *     y = f(x)                x, y: [batch, length, ..], f acts on each position separately
 *   =>
 *     p = f(x at tokens)      [1, tokens, ..]
 *     y = p at tokens, 0 elsewhere
 *
 * This is done for whole runs of such ops: between an embedding and attention, and from there to
 * the next attention. The tokens of all sequences form one sequence with the same axes as before.
 * An op is therefore unchanged, except that 1 replaces the batch and the number of tokens the
 * length wherever they occur in its attributes. Each element of a token is computed by the same
 * sums of the same terms.
 *
 * This is no rewrite rule: a run has any number of ops and ends where an op mixes positions, and
 * which axes are batch and length has to be followed through each op (tokens.h).
 *
 * Needs the form that legalise gives; leaves the replaced ops to remove-dead. */
#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/tensor/select.h"
#include "passes/internal.h"
#include "passes/padding/tokens.h"

typedef struct packer {
    fv_pass_run *run;
    fv_padding p;
    const fv_dim *tokens; /* the number of tokens, a dim that data decide */
    fv_value *flags;      /* [batch, length]: whether this position is a token */
    fv_value *places;     /* [1, tokens, 2]: sequence and position of each token */
    fv_value *numbers;    /* [batch, length]: the index of the token at this position */
    fv_ptrmap packed;     /* value -> its packed form, which has tokens only: [1, tokens, ..] */
    fv_ptrmap dims;       /* dims of batch and length -> the dims that replace them */
} packer;

static const fv_dim *all_places(const packer *k) {
    return fv_dim_mul(k->p.module->dims, k->p.batch, k->p.length);
}

/* Computes the index of each token: the number of tokens before it. */
static fv_value *number_tokens(packer *k, fv_rewriter *w) {
    fv_dims *t = w->module->dims;
    const fv_dim *one = fv_dim_const(t, 1), *line[3] = {one, all_places(k), one};
    fv_value *ones = fv_w_cast(w, k->flags, FV_I64);
    ones = ones ? fv_w_reshape(w, ones, 3, line) : NULL;
    fv_attr exclusive[3] = {fv_attr_int(w->module, "product", 0),
                            fv_attr_int(w->module, "exclusive", 1),
                            fv_attr_int(w->module, "reverse", 0)};
    fv_value *before = ones ? fv_w_op(w, FV_OP_fv_Cumulate, 1, &ones, 3, exclusive) : NULL;
    before = before ? fv_w_reshape(w, before, 2, k->p.kept->type->dims) : NULL;
    return before ? FV_W3(w, FV_OP_Where, k->flags, before, fv_w_int(w, FV_I64, 0)) : NULL;
}

static bool find_places(packer *k, fv_rewriter *w) {
    fv_dims *t = w->module->dims;
    const fv_dim *one = fv_dim_const(t, 1);
    k->tokens = fv_dim_fresh(t, "tokens", 0, all_places(k)->hi, true);
    fv_value *first =
        FV_W2(w, FV_OP_Equal, fv_w_positions(w, k->p.length, 2, 1), fv_w_int(w, FV_I64, 0));
    k->flags = FV_W2(w, FV_OP_Or, fv_w_cast(w, k->p.kept, FV_BOOL), first);
    /* sequence and position of each token, [2, tokens] */
    fv_value *places = k->flags ? fv_w_non_zero(w, k->flags, k->tokens) : NULL;
    places = places ? fv_w_transpose(w, places, (int[]){1, 0}) : NULL;
    k->places =
        places ? fv_w_reshape(w, places, 3, (const fv_dim *[]){one, k->tokens, fv_dim_const(t, 2)})
               : NULL;
    k->numbers = number_tokens(k, w);
    *fv_ptrmap_at(&k->dims, k->p.batch) = (void *)(uintptr_t)one;
    *fv_ptrmap_at(&k->dims, k->p.length) = (void *)(uintptr_t)k->tokens;
    return !w->failed;
}

static fv_value *packed_of(packer *k, fv_rewriter *w, fv_value *v) {
    void **at = fv_ptrmap_at(&k->packed, v);
    if (*at || !fv_has_tokens(&k->p, v))
        return *at ? *at : v;
    int rank = v->type->rank;
    const fv_dim *whole[FV_MAX_RANK] = {k->p.batch, k->p.length};
    for (int i = 2; i < rank; i++)
        whole[i] = v->type->dims[i];
    fv_value *x = whole[0] == v->type->dims[0] && whole[1] == v->type->dims[1]
                      ? v
                      : fv_w_expand(w, v, rank, whole);
    return *fv_ptrmap_at(&k->packed, v) = FV_W2(w, FV_OP_GatherND, x, k->places);
}

/* Adds the op on packed operands. */
static bool pack(packer *k, fv_rewriter *w, fv_op *op) {
    fv_module *m = w->module;
    fv_value **in = FV_NEW(k->run->arena, fv_value *, op->nin + 1);
    const char **names = FV_NEW(k->run->arena, const char *, op->nout + 1);
    for (int i = 0; i < op->nin; i++)
        in[i] = op->in[i] ? packed_of(k, w, op->in[i]) : NULL;
    for (int i = 0; i < op->nout; i++)
        names[i] = op->out[i] ? fv_printf(m->arena, "%s.tokens", op->out[i]->name) : NULL;
    if (w->failed)
        return false;
    fv_op *copy = fv_op_new(op->block, op, op->def, op->nin, in, op->nout, names, op->origin);
    for (int i = 0; i < op->nattrs; i++) {
        fv_attr a = op->attrs[i];
        const fv_dim **dims =
            a.kind == FV_ATTR_DIMS ? FV_NEW(m->arena, const fv_dim *, a.n + 1) : NULL;
        for (int j = 0; dims && j < a.n; j++)
            dims[j] = fv_dim_rebuild(m->dims, a.u.dims[j], &k->dims);
        a.u.dims = dims ? dims : a.u.dims;
        fv_op_attr(copy, &a);
    }
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            *fv_ptrmap_at(&k->packed, op->out[i]) = copy->out[i];
    return fv_op_infer(copy);
}

/* v from its packed form: its elements at tokens, and 0 elsewhere. */
static fv_value *padded(packer *k, fv_rewriter *w, const fv_value *v) {
    const fv_dim *column[FV_MAX_RANK], *rows[FV_MAX_RANK] = {k->tokens},
                                       *one = fv_dim_const(w->module->dims, 1);
    for (int i = 0; i < v->type->rank; i++)
        column[i] = i < 2 ? v->type->dims[i] : one;
    for (int i = 2; i < v->type->rank; i++)
        rows[i - 1] = v->type->dims[i];
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    fv_value *x = fv_w_reshape(w, fv_ptrmap_get(&k->packed, v), v->type->rank - 1, rows);
    x = fv_w_op(w, FV_OP_fv_Gather, 2, (fv_value *[]){x, k->numbers}, 1, &axis);
    return x ? FV_W3(w, FV_OP_Where, fv_w_reshape(w, k->flags, v->type->rank, column), x,
                     fv_w_float(w, v->type->elem, 0))
             : NULL;
}

static bool is_read_by_others(const packer *k, const fv_value *v) {
    bool read = false;
    for (int i = 0; i < v->nuses && !read; i++)
        read = !fv_ptrmap_get(&k->p.by_token, v->uses[i].op);
    return read;
}

static bool replace(packer *k, fv_op *op) {
    fv_rewriter w = fv_rewriter_at(op);
    if ((!k->flags && !find_places(k, &w)) || !pack(k, &w, op))
        return false;
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i] || !is_read_by_others(k, op->out[i]))
            continue;
        fv_value *y = padded(k, &w, op->out[i]);
        if (!y)
            return false;
        *fv_ptrmap_at(&k->packed, y) = fv_ptrmap_get(&k->packed, op->out[i]);
        fv_replace_uses(op->out[i], y);
        fv_value_take_name(w.module, y, op->out[i]);
    }
    fv_pass_count_one(k->run, "by token");
    return true;
}

/* Rewrites all ops of the runs or none, since a packed op needs packed operands. */
static bool remove_padding(packer *k) {
    fv_ptrmap *by_token = &k->p.by_token;
    bool asked = false;
    for (fv_op *op = k->run->module->funcs->body->first, *next; op; op = next) {
        next = op->next;
        if (!fv_ptrmap_get(by_token, op))
            continue;
        if (!asked && !fv_pass_may(k->run, "by token", op))
            return true;
        asked = true;
        if (!replace(k, op))
            return false;
    }
    return true;
}

bool fv_pass_remove_padding(fv_pass_run *r) {
    packer k = {
        .run = r,
        .packed = fv_ptrmap_in(r->arena),
        .dims = fv_ptrmap_in(r->arena),
        .p = {.arena = r->arena, .module = r->module, .e = fv_elements_new(r->module->session)}};
    bool ok = true;
    if (fv_find_tokens(&k.p))
        ok = remove_padding(&k);
    else if (k.p.at)
        fv_pass_count_one(r, fv_printf(r->arena, "left alone, at '%s': %s",
                                       fv_origin_str(r->arena, k.p.at->origin), k.p.why));
    else
        fv_pass_count_one(r, fv_printf(r->arena, "left alone, %s", k.p.why));
    fv_elements_free(&k.p.e);
    return ok;
}
